//! CreateLaunchTemplateVersion, ModifyLaunchTemplate, DeleteLaunchTemplateVersions, tags of templates.

use super::super::support::{ACCOUNT, OTHER, OWNER, REGION, Reply, client, seconds, world, yaml};
use super::super::using::{GOLDEN, OLD, STAFF};
use super::{restricted, staffed, staffed_with};

const MOVED: (&str, &str) = ("LaunchTemplateId", "lt-0000000b");
const IMAGE: (&str, &str) = ("LaunchTemplateData.ImageId", OLD);

fn versions(sim: &ec2sim::Sim, id: &str) -> Reply {
    client(sim, OWNER).ec2("DescribeLaunchTemplateVersions", &[("LaunchTemplateId", id)])
}

fn template(sim: &ec2sim::Sim, id: &str) -> Reply {
    client(sim, OWNER).ec2("DescribeLaunchTemplates", &[("LaunchTemplateId.1", id)])
}

/// The world in which a template says all kinds of things.
fn rich() -> String {
    let data = "{SecurityGroupId: [sg-1, sg-2], UserData: IyE=, KeyName: ops, EbsOptimized: true, \
        MetadataOptions: {HttpTokens: required, HttpPutResponseHopLimit: 2}, \
        NetworkInterface: [{DeviceIndex: 0, SecurityGroupId: [sg-3]}], \
        TagSpecification: [{ResourceType: instance, Tag: [{Key: team, Value: a}]}]}";
    STAFF.replace(
        "- {image: golden, devices: [{device: /dev/xvda",
        &format!("- {{image: golden, instanceType: m5.large, data: {data}, devices: [{{device: /dev/xvda"),
    )
}

#[test]
fn a_new_version_has_what_it_is_given_and_all_else_from_its_source() {
    let sim = world(&yaml("", &rich(), ""));
    let c = client(&sim, OWNER);
    let made = c.ec2(
        "CreateLaunchTemplateVersion",
        &[
            MOVED,
            ("SourceVersion", "2"),
            IMAGE,
            ("VersionDescription", "the copy"),
            ("LaunchTemplateData.BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize", "30"),
            (
                "LaunchTemplateData.BlockDeviceMapping.1.Ebs.DeleteOnTermination",
                "false",
            ),
            ("LaunchTemplateData.BlockDeviceMapping.2.DeviceName", "/dev/sdb"),
            ("LaunchTemplateData.BlockDeviceMapping.2.NoDevice", ""),
        ],
    );
    assert_eq!(made.code(), "OK", "{}", made.body);
    assert_eq!(
        (made.one("versionNumber"), made.one("defaultVersion")),
        ("3".into(), "false".into())
    );
    assert!(
        made.one("createdBy")
            .starts_with(&format!("arn:aws:iam::{ACCOUNT}:user/")),
        "{}",
        made.body
    );
    assert_eq!(made.one("createTime"), "2026-01-01T00:00:00.000Z");
    assert!(made.all("warning").is_empty(), "{}", made.body);
    let all = versions(&sim, MOVED.1);
    assert_eq!(all.all("versionNumber"), ["3", "2", "1"]);
    let data = all.all("launchTemplateData");
    let rest = |text: &str| text[text.find("</instanceType>").expect("an instance type")..].to_owned();
    assert_eq!(rest(&data[0]), rest(&data[1]), "nothing else is changed");
    for part in [
        "<securityGroupIdSet><item>sg-1</item><item>sg-2</item></securityGroupIdSet>",
        "<userData>IyE=</userData>",
        "<metadataOptions><httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpTokens>required</httpTokens></metadataOptions>",
        "<networkInterfaceSet><item><deviceIndex>0</deviceIndex><groupSet><groupId>sg-3</groupId></groupSet></item></networkInterfaceSet>",
        "<tagSpecificationSet><item><resourceType>instance</resourceType><tagSet><item><key>team</key><value>a</value></item></tagSet></item></tagSpecificationSet>",
        "<ebsOptimized>true</ebsOptimized>",
    ] {
        assert!(data[0].contains(part), "{part} in {}", data[0]);
    }
    assert!(data[0].contains(&format!("<imageId>{OLD}</imageId>")));
    assert!(
        data[0].contains("<deviceName>/dev/sdb</deviceName><noDevice></noDevice>"),
        "{}",
        data[0]
    );
    assert!(data[0].contains("<deleteOnTermination>false</deleteOnTermination><volumeSize>30</volumeSize>"));
    assert!(
        !data[0].contains("snapshotId"),
        "the list takes the place of the source's"
    );
    let shown = template(&sim, MOVED.1);
    assert_eq!(
        (shown.one("latestVersionNumber"), shown.one("defaultVersionNumber")),
        ("3".into(), "2".into())
    );
    assert_eq!(
        sim.consumers(ACCOUNT, REGION, OLD)
            .iter()
            .filter(|c| c.id == MOVED.1)
            .count(),
        1
    );
    let call = sim.journal().into_iter().find(|c| c.effect).expect("an effect");
    assert_eq!((call.mutating, call.effects), (true, vec!["lt-0000000b:3".to_owned()]));
    assert!(
        sim.audit().findings.iter().all(|f| f.resource != "lt-0000000b:3"),
        "a version is new"
    );
}

#[test]
fn snapshots_are_not_inherited_unless_a_setting_says_so() {
    let made = |settings: &str| {
        let sim = staffed_with(settings);
        let reply = client(&sim, OWNER).ec2("CreateLaunchTemplateVersion", &[MOVED, ("SourceVersion", "2"), IMAGE]);
        assert_eq!(reply.code(), "OK", "{}", reply.body);
        (
            reply.all("deviceName"),
            reply.all("snapshotId").len(),
            reply.one("volumeType"),
        )
    };
    assert_eq!(made(""), (vec!["/dev/xvda".to_owned()], 0, "gp3".to_owned()));
    assert_eq!(made("launches: {inheritedSnapshots: kept}").1, 1);
}

#[test]
fn a_version_without_a_source_has_only_what_it_is_given() {
    let sim = world(&yaml("", &rich(), ""));
    let reply = client(&sim, OWNER).ec2("CreateLaunchTemplateVersion", &[("LaunchTemplateName", "moved"), IMAGE]);
    let data = reply.one("launchTemplateData");
    assert_eq!(data, format!("<imageId>{OLD}</imageId>"), "{}", reply.body);
}

#[test]
fn what_can_not_be_made_is_refused() {
    let sim = staffed_with("launches: {templateVersions: 2}");
    let c = client(&sim, OWNER);
    let long = "x".repeat(256);
    let device = ("LaunchTemplateData.BlockDeviceMapping.1.DeviceName", "/dev/xvda");
    let alone = ("LaunchTemplateName", "alone");
    for (params, code) in [
        (vec![IMAGE], "MissingParameter"),
        (vec![alone], "MissingParameter"),
        (vec![MOVED, alone, IMAGE], "InvalidParameterCombination"),
        (
            vec![("LaunchTemplateId", "x"), IMAGE],
            "InvalidLaunchTemplateId.Malformed",
        ),
        (
            vec![("LaunchTemplateId", "lt-00000bad"), IMAGE],
            "InvalidLaunchTemplateId.NotFound",
        ),
        (
            vec![("LaunchTemplateName", "no"), IMAGE],
            "InvalidLaunchTemplateName.NotFoundException",
        ),
        (
            vec![alone, IMAGE, ("SourceVersion", "7")],
            "InvalidLaunchTemplateId.VersionNotFound",
        ),
        (
            vec![alone, IMAGE, ("SourceVersion", "$Latest")],
            "InvalidLaunchTemplateVersion.Malformed",
        ),
        (
            vec![alone, IMAGE, ("VersionDescription", &long)],
            "InvalidParameterValue",
        ),
        (
            vec![alone, ("LaunchTemplateData.ImageId", "golden")],
            "InvalidAMIID.Malformed",
        ),
        (vec![alone, ("LaunchTemplateData.Colour", "red")], "UnknownParameter"),
        (vec![("LaunchTemplateName", "hidden"), IMAGE], "OperationNotPermitted"),
        (
            vec![
                alone,
                device,
                (
                    "LaunchTemplateData.BlockDeviceMapping.1.Ebs.SnapshotId",
                    "snap-0000000a",
                ),
                ("LaunchTemplateData.BlockDeviceMapping.1.Ebs.Encrypted", "true"),
            ],
            "InvalidBlockDeviceMapping",
        ),
        (
            vec![alone, ("LaunchTemplateData.BlockDeviceMapping.1.Ebs.VolumeSize", "8")],
            "InvalidBlockDeviceMapping",
        ),
        (vec![MOVED, IMAGE], "LaunchTemplateVersionLimitExceeded"),
        (vec![alone, IMAGE, ("DryRun", "true")], "DryRunOperation"),
    ] {
        assert_eq!(c.ec2("CreateLaunchTemplateVersion", &params).code(), code, "{params:?}");
    }
    assert!(sim.journal().iter().all(|call| !call.effect));
}

#[test]
fn what_would_not_launch_is_warned_of() {
    let sim = staffed_with("launches: {encryptedSnapshots: warned}");
    let c = client(&sim, OWNER);
    let gone = ("LaunchTemplateData.ImageId", "ami-00000bad");
    let mapped = [
        MOVED,
        gone,
        ("LaunchTemplateData.BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        (
            "LaunchTemplateData.BlockDeviceMapping.1.Ebs.SnapshotId",
            "snap-0000000a",
        ),
        ("LaunchTemplateData.BlockDeviceMapping.1.Ebs.Encrypted", "false"),
    ];
    let reply = c.ec2("CreateLaunchTemplateVersion", &mapped);
    assert_eq!(reply.code(), "OK", "{}", reply.body);
    assert_eq!(
        reply.all("code"),
        ["InvalidAMIID.NotFound", "InvalidBlockDeviceMapping"]
    );
    let resolved = [
        MOVED,
        ("LaunchTemplateData.ImageId", "resolve:ssm:/golden/web:live"),
        ("ResolveAlias", "true"),
    ];
    let reply = c.ec2("CreateLaunchTemplateVersion", &resolved);
    assert_eq!(
        (reply.one("imageId"), reply.one("code")),
        (GOLDEN.to_owned(), String::new())
    );
    let reply = c.ec2("CreateLaunchTemplateVersion", &resolved[..2]);
    assert_eq!(reply.one("imageId"), "resolve:ssm:/golden/web:live");
}

#[test]
fn the_same_token_makes_one_version() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let token = ("ClientToken", "once");
    let number = |image: &str| {
        let reply = c.ec2(
            "CreateLaunchTemplateVersion",
            &[MOVED, token, ("LaunchTemplateData.ImageId", image)],
        );
        (reply.code(), reply.one("versionNumber"))
    };
    assert_eq!(number(OLD), ("OK".into(), "3".into()));
    assert_eq!(number(OLD), ("OK".into(), "3".into()));
    assert_eq!(number(GOLDEN).0, "IdempotentParameterMismatch");
    assert_eq!(versions(&sim, MOVED.1).all("versionNumber").len(), 3);
    assert_eq!(sim.journal().iter().filter(|call| call.effect).count(), 1);
}

#[test]
fn the_default_version_is_set_and_versions_are_deleted() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let set = |version: &str| c.ec2("ModifyLaunchTemplate", &[MOVED, ("SetDefaultVersion", version)]);
    let reply = set("1");
    assert_eq!(
        (reply.one("defaultVersionNumber"), reply.one("launchTemplateName")),
        ("1".into(), "moved".into())
    );
    assert_eq!(template(&sim, MOVED.1).one("defaultVersionNumber"), "1");
    assert_eq!(set("1").code(), "OK");
    let effects = sim.journal().iter().filter(|call| call.effect).count();
    assert_eq!(effects, 1, "the second call changes nothing");
    assert_eq!(set("9").code(), "InvalidLaunchTemplateId.VersionNotFound");
    assert_eq!(set("$Latest").code(), "InvalidLaunchTemplateVersion.Malformed");
    assert_eq!(c.ec2("ModifyLaunchTemplate", &[MOVED]).code(), "MissingParameter");
    assert_eq!(
        sim.audit().findings.iter().filter(|f| f.resource == MOVED.1).count(),
        1,
        "it is a change of what was there"
    );
    let delete = [
        MOVED,
        ("LaunchTemplateVersion.1", "1"),
        ("LaunchTemplateVersion.2", "2"),
        ("LaunchTemplateVersion.3", "9"),
    ];
    let reply = c.ec2("DeleteLaunchTemplateVersions", &delete);
    let deleted = reply.one("successfullyDeletedLaunchTemplateVersionSet");
    assert!(deleted.contains("<versionNumber>2</versionNumber>"), "{}", reply.body);
    assert_eq!(
        reply.all("code"),
        ["unexpectedError", "launchTemplateVersionDoesNotExist"]
    );
    assert_eq!(versions(&sim, MOVED.1).all("versionNumber"), ["1"]);
    let next = c.ec2("CreateLaunchTemplateVersion", &[MOVED, IMAGE]);
    assert_eq!(next.one("versionNumber"), "3", "no number is given twice");
}

#[test]
fn changes_show_after_a_while() {
    let sim = staffed_with("consistency: {consumerSeconds: 60}");
    let c = client(&sim, OWNER);
    assert_eq!(
        c.ec2("CreateLaunchTemplateVersion", &[MOVED, IMAGE])
            .one("versionNumber"),
        "3"
    );
    assert_eq!(versions(&sim, MOVED.1).all("versionNumber").len(), 2);
    assert_eq!(
        c.ec2("CreateLaunchTemplateVersion", &[MOVED, IMAGE])
            .one("versionNumber"),
        "4"
    );
    seconds(&sim, 60);
    assert_eq!(versions(&sim, MOVED.1).all("versionNumber").len(), 4);
}

#[test]
fn templates_have_tags() {
    let sim = staffed();
    let c = client(&sim, OWNER);
    let tag = [
        ("ResourceId.1", MOVED.1),
        ("Tag.1.Key", "owner"),
        ("Tag.1.Value", "web"),
    ];
    assert_eq!(c.ec2("CreateTags", &tag).code(), "OK");
    assert!(
        template(&sim, MOVED.1)
            .body
            .contains("<key>owner</key><value>web</value>")
    );
    assert_eq!(c.ec2("DeleteTags", &tag[..2]).code(), "OK");
    assert!(template(&sim, MOVED.1).all("key").is_empty());
    let bad = [("ResourceId.1", "lt-00000bad"), ("Tag.1.Key", "owner")];
    assert_eq!(c.ec2("CreateTags", &bad).code(), "InvalidLaunchTemplateId.NotFound");
}

#[test]
fn changes_need_rights_to_the_template() {
    let sim = restricted("\"ec2:Describe*\"");
    let c = client(&sim, OTHER);
    for (operation, more) in [
        ("CreateLaunchTemplateVersion", IMAGE),
        ("ModifyLaunchTemplate", ("SetDefaultVersion", "1")),
        ("DeleteLaunchTemplateVersions", ("LaunchTemplateVersion.1", "1")),
    ] {
        let reply = c.ec2(operation, &[("LaunchTemplateName", "moved"), more]);
        assert_eq!(reply.code(), "UnauthorizedOperation");
        let arn = format!("arn:aws:ec2:{REGION}:{ACCOUNT}:launch-template/lt-0000000b");
        assert!(reply.body.contains(&arn), "{}", reply.body);
    }
}

#[test]
fn a_role_can_be_held_to_templates_of_a_tag() {
    let sim = staffed();
    let statements = serde_json::json!([{
        "Effect": "Allow", "Action": "ec2:ModifyLaunchTemplate", "Resource": "arn:aws:ec2:*:*:launch-template/*",
        "Condition": {"StringEquals": {"aws:ResourceTag/team": "a"}}
    }]);
    let edit =
        serde_json::json!({"setRoleStatements": {"account": ACCOUNT, "role": "writer", "statements": statements}});
    for edit in [
        edit,
        serde_json::json!({"setRoleAllow": {"account": ACCOUNT, "role": "writer", "allow": []}}),
    ] {
        sim.edit(serde_json::from_value(edit).expect("an edit"))
            .expect("it can be made");
    }
    let manager = client(&sim, super::super::support::MANAGER);
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/writer");
    let session = manager.sts("AssumeRole", &[("RoleArn", &arn), ("RoleSessionName", "test")]);
    let mut c = client(&sim, &session.one("AccessKeyId"));
    c.token = Some(session.one("SessionToken"));
    let set = |id: &str| {
        c.ec2(
            "ModifyLaunchTemplate",
            &[("LaunchTemplateId", id), ("SetDefaultVersion", "1")],
        )
        .code()
    };
    assert_eq!(set("lt-0000000a"), "OK");
    assert_eq!(set("lt-0000000b"), "UnauthorizedOperation");
}

#[test]
fn faults_strike_before_and_after_the_effect() {
    use ec2sim::{Act, Failure, FaultRule};
    let sim = staffed();
    let c = client(&sim, OWNER);
    for act in [
        Act::DropBefore,
        Act::FailAfter(Failure::default()),
        Act::DropAfter,
        Act::Throttle,
    ] {
        sim.clear_faults();
        sim.add_fault(FaultRule {
            operation: Some("CreateLaunchTemplateVersion".into()),
            act,
            ..FaultRule::default()
        });
        let reply = c.ec2("CreateLaunchTemplateVersion", &[MOVED, IMAGE]);
        assert!(reply.directive.drop || reply.status >= 500, "{}", reply.body);
    }
    assert_eq!(versions(&sim, MOVED.1).all("versionNumber"), ["4", "3", "2", "1"]);
}
