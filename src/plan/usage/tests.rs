use proptest::prelude::*;

use super::*;
use crate::domain::{
    AwsError, ErrorClass, ImageRef, Launcher, Launches, Operation, ParameterRef, ParameterValue, Partition, TemplateId,
    TemplateVersion, VersionRef,
};
use crate::plan::access::who;
use crate::plan::moving;
use crate::plan::testing::{account, at, image, image_id};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn launcher(kind: ConsumerKind, id: &str, launches: Vec<Launches>) -> Launcher {
    Launcher {
        kind,
        id: id.into(),
        launches: launches.into_iter().map(|launches| ("".into(), launches)).collect(),
        owner: None,
    }
}

fn version(template: &str, number: i64, is_default: bool, image: Option<ImageRef>) -> TemplateVersion {
    TemplateVersion {
        template: template.into(),
        name: format!("name-of-{template}").into(),
        number,
        is_default,
        image,
    }
}

fn by_id(number: u64) -> ImageRef {
    ImageRef::Image(image_id(number))
}

fn parameter(name: &str, version: Option<&str>) -> ParameterRef {
    ParameterRef {
        name: name.into(),
        version: version.map(Into::into),
    }
}

fn read(readings: &Readings) -> Graph {
    graph(readings, &account(), at(0))
}

/// Kind, ID and what names the image, of each that uses it.
fn users(graph: &Graph, number: u64) -> Vec<String> {
    let line = |user: &Consumer| match &user.via {
        Some(via) => format!("{} {} by {via}", user.kind, user.id),
        None => format!("{} {}", user.kind, user.id),
    };
    graph.consumers(&image_id(number)).iter().map(line).collect()
}

#[test]
fn a_group_uses_what_the_version_of_its_template_names_and_not_what_others_do() {
    let versions = vec![
        version("lt-1", 1, false, Some(by_id(1))),
        version("lt-1", 2, true, Some(by_id(2))),
        version("lt-1", 3, false, Some(by_id(3))),
    ];
    for (reference, expected) in [
        (VersionRef::Number(1), 1),
        (VersionRef::Default, 2),
        (VersionRef::Latest, 3),
    ] {
        for template in [TemplateId::Id("lt-1".into()), TemplateId::Name("name-of-lt-1".into())] {
            let readings = Readings {
                launchers: vec![launcher(
                    ConsumerKind::AutoScalingGroup,
                    "web",
                    vec![Launches::Template(template, reference)],
                )],
                versions: versions.clone(),
                ..Readings::default()
            };
            let graph = read(&readings);
            let using: Vec<u64> = (1..=3).filter(|number| !users(&graph, *number).is_empty()).collect();
            assert_eq!(using, [expected], "{reference}");
        }
    }
}

#[test]
fn what_names_an_image_is_said_step_by_step() {
    let readings = Readings {
        launchers: vec![
            launcher(
                ConsumerKind::AutoScalingGroup,
                "web",
                vec![Launches::Template(TemplateId::Id("lt-1".into()), VersionRef::Default)],
            ),
            launcher(
                ConsumerKind::AutoScalingGroup,
                "old",
                vec![Launches::Configuration("lc".into())],
            ),
            launcher(ConsumerKind::Instance, "i-1", vec![Launches::Image(by_id(1))]),
        ],
        versions: vec![version(
            "lt-1",
            4,
            true,
            Some(ImageRef::Parameter(parameter("/golden", Some("stable")))),
        )],
        configurations: [("lc".into(), by_id(1))].into(),
        parameters: vec![ParameterValue {
            asked: parameter("/golden", Some("stable")),
            image: Some(image_id(1)),
        }],
        ..Readings::default()
    };
    assert_eq!(
        users(&read(&readings), 1),
        [
            "Instance i-1",
            "AutoScalingGroup old by lc",
            "AutoScalingGroup web by lt-1 $Default, ssm:/golden:stable",
        ]
    );
}

#[test]
fn what_is_named_and_not_read_is_asked_for_and_what_is_not_there_is_not_asked_for_again() {
    let pinned = TemplateId::Id("lt-1".into());
    let mut readings = Readings {
        launchers: vec![
            launcher(
                ConsumerKind::AutoScalingGroup,
                "web",
                vec![Launches::Template(pinned.clone(), VersionRef::Number(1))],
            ),
            launcher(
                ConsumerKind::Recipe,
                "base",
                vec![Launches::Image(ImageRef::Parameter(parameter("/golden", None)))],
            ),
        ],
        versions: vec![version("lt-1", 2, true, Some(by_id(2)))],
        ..Readings::default()
    };
    let first = wanted(&readings);
    assert_eq!(first.versions, [(pinned.clone(), 1)].into());
    assert_eq!(first.parameters, [parameter("/golden", None)].into());
    let unread = read(&readings);
    let names: Vec<&str> = unread.unresolved().map(|unresolved| &*unresolved.names).collect();
    assert_eq!(names, ["lt-1 1", "ssm:/golden"]);

    readings.absent_versions.insert((pinned, 1));
    readings.parameters.push(ParameterValue {
        asked: parameter("/golden", None),
        image: None,
    });
    assert_eq!(wanted(&readings), Wanted::default());
    assert_eq!(read(&readings).unresolved().count(), 0, "it launches nothing");
}

fn quiet_image(number: u64) -> Image {
    let mut image = image(number, 1);
    image.created = Some(at(0));
    image.last_launched = Some(at(0));
    image
}

/// A graph of what was read, of whose image 1 AWS was asked by itself and found nothing.
fn confirmed(readings: &Readings) -> Graph {
    let mut graph = read(readings);
    graph.confirm(&[image_id(1)], &[], &account());
    graph
}

/// What is known of image 1 a hundred days after it was last launched.
fn usage_of(graph: &Graph, image: &Image, shared: Option<&BTreeSet<LaunchPermission>>) -> Vec<String> {
    let now = at(100 * 24 * 3600);
    match graph.usage(image, shared, DAY * 90, now) {
        Usage::Used(users) => users.iter().map(|user| user.id.to_string()).collect(),
        Usage::Unknown(doubts) => doubts.iter().map(|doubt| format!("{doubt:?}")).collect(),
        Usage::Unused(unused) => vec![format!("unused {}", unused.image())],
    }
}

#[test]
fn only_what_was_read_whole_and_names_an_image_nowhere_proves_that_nobody_uses_it() {
    let nobody = BTreeSet::new();
    let image = quiet_image(1);
    assert_eq!(
        usage_of(&read(&Readings::default()), &image, Some(&nobody)),
        ["Unconfirmed"]
    );
    let clean = confirmed(&Readings::default());
    assert_eq!(
        usage_of(&clean, &image, Some(&nobody)),
        [format!("unused {}", image_id(1))]
    );

    assert_eq!(usage_of(&Graph::default(), &image, Some(&nobody)), ["NotRead"]);
    assert_eq!(
        usage_of(&clean, &image, None),
        ["Shared"],
        "who may launch it was not read"
    );
    let shared = BTreeSet::from([LaunchPermission::Account("444455556666".parse().expect("an account"))]);
    assert_eq!(usage_of(&clean, &image, Some(&shared)), ["Shared"]);
    let never = Image {
        last_launched: None,
        ..image.clone()
    };
    assert_eq!(usage_of(&clean, &never, Some(&nobody)), ["LastLaunchUnknown"]);
    let lately = Image {
        last_launched: Some(at(10 * 24 * 3600)),
        ..image.clone()
    };
    assert_eq!(usage_of(&clean, &lately, Some(&nobody)).len(), 1);

    for kind in ConsumerKind::ALL {
        let mut readings = Readings::default();
        let denied = AwsError::new(Operation::DescribeImages, ErrorClass::Denied, None);
        readings.unread.insert(kind, denied);
        let doubts = usage_of(&confirmed(&readings), &image, Some(&nobody));
        assert!(
            doubts.len() == 1 && doubts[0].starts_with("Unread"),
            "{kind}: {doubts:?}"
        );
    }
}

#[test]
fn what_aws_finds_and_no_listing_has_shown_is_a_use() {
    let readings = Readings {
        launchers: vec![launcher(ConsumerKind::Instance, "i-1", vec![Launches::Image(by_id(2))])],
        ..Readings::default()
    };
    let mut graph = read(&readings);
    let reference = |image, kind, id: &str| ImageReference {
        image: image_id(image),
        kind,
        id: id.into(),
    };
    let found = [
        reference(1, ConsumerKind::LaunchTemplate, "lt-1"),
        reference(2, ConsumerKind::Instance, "i-1"),
    ];
    graph.confirm(&[image_id(1), image_id(2)], &found, &account());
    assert_eq!(
        users(&graph, 1),
        ["LaunchTemplate lt-1 by a version that is neither the default nor the latest"]
    );
    assert_eq!(users(&graph, 2), ["Instance i-1"], "it was known");
}

fn references() -> impl Strategy<Value = Launches> {
    let version = prop_oneof![
        Just(VersionRef::Latest),
        Just(VersionRef::Default),
        (1i64..4).prop_map(VersionRef::Number)
    ];
    prop_oneof![
        (1u64..4).prop_map(|number| Launches::Image(by_id(number))),
        (0u8..3).prop_map(|name| Launches::Image(ImageRef::Parameter(parameter(&name.to_string(), None)))),
        (0u8..3, version).prop_map(|(template, version)| {
            Launches::Template(TemplateId::Id(format!("lt-{template}").into()), version)
        }),
        (0u8..3).prop_map(|name| Launches::Configuration(name.to_string().into())),
    ]
}

proptest! {
    #[test]
    fn whatever_is_launched_is_an_image_or_unresolved_or_said_not_to_be_there(
        launches in proptest::collection::vec(references(), 0..6),
        versions in proptest::collection::vec((0u8..3, 1i64..4, 1u64..4), 0..6),
        parameters in proptest::collection::btree_map(0u8..3, proptest::option::of(1u64..4), 0..3),
    ) {
        let readings = Readings {
            launchers: launches
                .iter()
                .enumerate()
                .map(|(number, launches)| launcher(ConsumerKind::Fleet, &number.to_string(), vec![launches.clone()]))
                .collect(),
            versions: versions
                .iter()
                .map(|(template, number, image)| version(&format!("lt-{template}"), *number, false, Some(by_id(*image))))
                .collect(),
            parameters: parameters
                .iter()
                .map(|(name, image)| ParameterValue { asked: parameter(&name.to_string(), None), image: image.map(image_id) })
                .collect(),
            ..Readings::default()
        };
        let graph = read(&readings);
        for (number, launches) in launches.iter().enumerate() {
            let id = number.to_string();
            let is_known = graph.launched().any(|(_, users)| users.iter().any(|user| *user.id == *id));
            let is_doubted = graph.unresolved().any(|unresolved| *unresolved.id == *id);
            let is_nothing = matches!(
                launches,
                Launches::Image(ImageRef::Parameter(name)) if parameters.iter().any(|(key, image)| key.to_string() == *name.name && image.is_none())
            );
            prop_assert_eq!(u8::from(is_known) + u8::from(is_doubted) + u8::from(is_nothing), 1, "{:?}", launches);
        }
    }
}

#[test]
fn a_service_would_launch_what_the_other_of_the_default_and_the_latest_version_names() {
    use ConsumerKind::{AutoScalingGroup, Fleet, Instance};
    use VersionRef::{Default as ByDefault, Latest, Number};
    for (kind, follows, would) in [
        (AutoScalingGroup, ByDefault, Some(3)),
        (AutoScalingGroup, Latest, Some(2)),
        (Fleet, ByDefault, Some(3)),
        (AutoScalingGroup, Number(1), None),
        // Whoever launched it is no service, which would launch another one.
        (Instance, ByDefault, None),
    ] {
        let readings = Readings {
            launchers: vec![launcher(
                kind,
                "web",
                vec![Launches::Template(TemplateId::Id("lt-1".into()), follows)],
            )],
            versions: vec![
                version("lt-1", 1, false, Some(by_id(1))),
                version("lt-1", 2, true, Some(by_id(2))),
                version("lt-1", 3, false, Some(by_id(3))),
            ],
            ..Readings::default()
        };
        let graph = read(&readings);
        let other = |number: &u64| !graph.launchers_of_other_versions(&image_id(*number)).is_empty();
        assert_eq!((1..=3).find(other), would, "{kind} {follows}");
        let needs = |number| moving::launchers(&image_id(number), &graph, Partition::default()).len();
        assert_eq!((1..=3).map(needs).sum::<usize>(), 1 + usize::from(would.is_some()));
    }
}

#[test]
fn where_listings_have_several_pages_it_takes_two_readings_to_say_that_nobody_uses_an_image() {
    let group = |image| {
        launcher(
            ConsumerKind::AutoScalingGroup,
            "web",
            vec![Launches::Image(by_id(image))],
        )
    };
    let reading = |launchers: Vec<Launcher>, paged| {
        let readings = Readings {
            launchers,
            paged,
            ..Readings::default()
        };
        let mut graph = graph(&readings, &account(), at(0));
        graph.confirm(&[image_id(1)], &[], &account());
        graph
    };
    let mut old = image(1, 1);
    old.last_launched = Some(at(0));
    let nobody = BTreeSet::new();
    let is_unused = |graph: &Graph| matches!(graph.usage(&old, Some(&nobody), DAY, at(10 * 86_400)), Usage::Unused(_));
    assert!(
        is_unused(&reading(vec![], false)),
        "a listing of one page misses nothing"
    );
    let first = reading(vec![], true);
    assert!(!is_unused(&first));
    let mut both = first.clone();
    both.has_looked_twice();
    assert!(is_unused(&both));
    // So it is where AWS itself has answered in several pages what names the image.
    let mut answered = reading(vec![], false);
    answered.may_lack_references(&[image_id(1)]);
    assert!(!is_unused(&answered));
    answered.keep(&reading(vec![], false));
    assert!(is_unused(&answered));
    answered.keep(&reading(vec![group(1)], false));
    assert!(!is_unused(&answered), "it was used before");
    let mut at_once = reading(vec![], false);
    at_once.has_looked_twice();
    at_once.may_lack_references(&[image_id(1)]);
    assert!(!is_unused(&at_once), "that was asked once");
    let mut second = reading(vec![], true);
    second.keep(&first);
    assert!(is_unused(&second));
    // It was there before, and one reading has missed it.
    let mut third = reading(vec![], true);
    third.keep(&reading(vec![group(1)], true));
    assert!(!is_unused(&third));
    let launchers = |graph: &Graph| {
        let mut needs = who::Needs::new();
        who::add_consumers(&mut needs, &image_id(1), graph, Partition::default());
        (graph.consumers(&image_id(1)).len(), needs.len())
    };
    assert_eq!(launchers(&third), (0, 1), "whoever launches it needs its key still");
    let mut gone = reading(vec![], true);
    gone.keep(&third);
    assert_eq!(launchers(&gone), (0, 0), "two readings in a row did not show it");
    let mut shown = reading(vec![group(1)], true);
    shown.keep(&third);
    assert_eq!(launchers(&shown), (1, 1));
    let mut whole = reading(vec![], false);
    whole.keep(&shown);
    assert_eq!(launchers(&whole), (0, 0), "a listing of one page misses nothing");
    // What could not read everything has shown nothing.
    let mut lacking = reading(vec![], true);
    let error = AwsError::new(Operation::DescribeAutoScalingGroups, ErrorClass::Denied, None);
    lacking
        .unread
        .insert(ConsumerKind::AutoScalingGroup, crate::plan::problem::of_error(&error));
    let mut fourth = reading(vec![], true);
    fourth.keep(&lacking);
    assert!(!is_unused(&fourth));
}
