use super::*;
use crate::aws::testing::{Answer, Wire, bench, open, role};
use crate::aws::{Access, Query};
use crate::domain::{Change, ConsumerKind, ImageId};

const GROUP: &str = "<AutoScalingGroupName>web</AutoScalingGroupName>\
    <MixedInstancesPolicy><LaunchTemplate>\
    <LaunchTemplateSpecification><LaunchTemplateId>lt-1</LaunchTemplateId><LaunchTemplateName>web</LaunchTemplateName>\
    <Version>1</Version></LaunchTemplateSpecification>\
    <Overrides>\
    <member><InstanceType>t3.small</InstanceType><WeightedCapacity>2</WeightedCapacity>\
    <ImageId>ami-0123456789abcdef1</ImageId></member>\
    <member><InstanceRequirements><VCpuCount><Min>2</Min><Max>4</Max></VCpuCount><MemoryMiB><Min>1024</Min></MemoryMiB>\
    <InstanceGenerations><member>unheard-of</member></InstanceGenerations></InstanceRequirements>\
    <LaunchTemplateSpecification><LaunchTemplateName>jobs</LaunchTemplateName><Version>$Latest</Version>\
    </LaunchTemplateSpecification></member>\
    </Overrides></LaunchTemplate>\
    <InstancesDistribution><OnDemandBaseCapacity>1</OnDemandBaseCapacity><SpotMaxPrice>0.05</SpotMaxPrice>\
    <SpotAllocationStrategy>price-capacity-optimized</SpotAllocationStrategy></InstancesDistribution>\
    </MixedInstancesPolicy>\
    <Tags><member><Key>team</Key><Value>web</Value></member></Tags>";

fn answered(call: &str, found: &str) -> Answer {
    let action = call.trim_start_matches("autoscaling:").trim_start_matches("ec2:");
    Answer::ok(match action {
        "DescribeAutoScalingGroups" => format!(
            "<{action}Response><{action}Result><AutoScalingGroups>{found}</AutoScalingGroups></{action}Result></{action}Response>"
        ),
        "DescribeLaunchTemplateVersions" => {
            let version = "<item><launchTemplateId>lt-1</launchTemplateId><versionNumber>1</versionNumber>\
                <launchTemplateData><imageId>ami-0123456789abcdef1</imageId></launchTemplateData></item>";
            format!(
                "<{action}Response><launchTemplateVersionSet>{version}</launchTemplateVersionSet></{action}Response>"
            )
        }
        _ => format!("<{action}Response><{action}Result/></{action}Response>"),
    })
}

fn image(id: &str) -> ImageRef {
    ImageRef::Image(id.parse::<ImageId>().expect("an image"))
}

fn lt(version: i64) -> Named {
    Named::Version(TemplateId::Id("lt-1".into()), VersionRef::Number(version))
}

#[tokio::test]
async fn everything_that_is_not_changed_is_sent_back_as_it_was_read() {
    let wire = Wire::new(|request| answered(&request.call, &format!("<member>{GROUP}</member>")));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&role(Access::Full));
    let (besides, query) = (Besides::default(), Query::default());
    let read = session.movable(ConsumerKind::AutoScalingGroup, "web", &besides, &query);
    let Movable::Group(now) = read.await.expect("a group") else {
        panic!("another thing")
    };
    let part = |at, names| GroupPart { at, names };
    let jobs = Named::Version(TemplateId::Name("jobs".into()), VersionRef::Latest);
    let parts = vec![
        part(Place::Template, lt(1)),
        part(Place::Image(1), Named::Image(image("ami-0123456789abcdef1"))),
        part(Place::Override(2), jobs),
    ];
    assert_eq!((&now.parts, now.overrides), (&parts, 2));
    let said = now
        .version(&TemplateId::Id("lt-1".into()), 1)
        .and_then(|version| version.image.clone());
    assert_eq!(said, Some(image("ami-0123456789abcdef1")));
    assert_eq!(now.tags.get("team"), Some("web"));

    let change = GroupChange {
        group: "web".into(),
        expects: parts,
        to: vec![
            part(Place::Template, lt(2)),
            part(Place::Image(1), Named::Image(image("ami-0123456789abcdef2"))),
        ],
    };
    session
        .change(&Change::SetGroup(change.clone()))
        .await
        .expect("it is set");
    let requests = wire.requests();
    let sent = requests
        .iter()
        .find(|request| request.call == "autoscaling:UpdateAutoScalingGroup");
    let sent = &sent.expect("a call").form;
    let template = "MixedInstancesPolicy.LaunchTemplate.LaunchTemplateSpecification";
    let first = "MixedInstancesPolicy.LaunchTemplate.Overrides.member.1";
    let second = "MixedInstancesPolicy.LaunchTemplate.Overrides.member.2";
    let distribution = "MixedInstancesPolicy.InstancesDistribution";
    let mut expected: BTreeMap<String, String> = [
        ("AutoScalingGroupName".to_owned(), "web"),
        (format!("{template}.LaunchTemplateId"), "lt-1"),
        (format!("{template}.Version"), "2"),
        (format!("{first}.InstanceType"), "t3.small"),
        (format!("{first}.WeightedCapacity"), "2"),
        (format!("{first}.ImageId"), "ami-0123456789abcdef2"),
        (format!("{second}.InstanceRequirements.VCpuCount.Min"), "2"),
        (format!("{second}.InstanceRequirements.VCpuCount.Max"), "4"),
        (format!("{second}.InstanceRequirements.MemoryMiB.Min"), "1024"),
        (
            format!("{second}.InstanceRequirements.InstanceGenerations.member.1"),
            "unheard-of",
        ),
        (
            format!("{second}.LaunchTemplateSpecification.LaunchTemplateName"),
            "jobs",
        ),
        (format!("{second}.LaunchTemplateSpecification.Version"), "$Latest"),
        (format!("{distribution}.OnDemandBaseCapacity"), "1"),
        (format!("{distribution}.SpotMaxPrice"), "0.05"),
        (
            format!("{distribution}.SpotAllocationStrategy"),
            "price-capacity-optimized",
        ),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    let mut sent = sent.clone();
    for request in ["Action", "Version"] {
        sent.remove(request);
        expected.remove(request);
    }
    assert_eq!(sent, expected);

    // It is not as it was when that was decided.
    let other = GroupChange {
        expects: vec![part(Place::Template, lt(7))],
        ..change
    };
    let error = session
        .change(&Change::SetGroup(other))
        .await
        .expect_err("it is another one");
    assert_eq!(error.class, ErrorClass::Transient);
    assert_eq!(wire.count("autoscaling:UpdateAutoScalingGroup"), 1);
}

#[tokio::test]
async fn a_group_is_gone_once_two_reads_have_not_shown_it() {
    let wire = Wire::new(|request| answered(&request.call, ""));
    let bench = bench(&wire, open()).await;
    let session = bench.aws.session(&role(Access::Full));
    let (besides, query) = (Besides::default(), Query::default());
    let read = session.movable(ConsumerKind::AutoScalingGroup, "web", &besides, &query);
    assert_eq!(read.await, Ok(Movable::Gone));
    assert_eq!(wire.count("autoscaling:DescribeAutoScalingGroups"), 2);
}
