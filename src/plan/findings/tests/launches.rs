use super::*;
use crate::domain::Extras;
use crate::plan::testing::failed_call;

fn foreign(number: u64, owner: Option<&str>, alias: Option<&str>) -> (ImageId, Image) {
    let mut image = image(number, 1);
    image.owner = owner.map(|owner| owner.parse().expect("an account"));
    image.extras = alias.map(|alias| {
        Box::new(Extras {
            owner_alias: Some(alias.into()),
            ..Extras::default()
        })
    });
    (image.id.clone(), image)
}

#[test]
fn what_launches_an_image_of_somebody_who_is_not_trusted_is_found() {
    let mut case = Case::of([])
        .launches(ConsumerKind::Instance, "i-1", 5)
        .launches(ConsumerKind::LaunchTemplate, "lt-1", 5)
        .launches(ConsumerKind::Parameter, "/golden", 6)
        .launches(ConsumerKind::AutoScalingGroup, "web", 7);
    case.observed.foreign = Ok(Foreign {
        seen: [
            foreign(5, Some("444455556666"), None),
            foreign(6, Some("777788889999"), Some("amazon")),
            foreign(7, Some("777788889999"), Some("aws-marketplace")),
        ]
        .into(),
        ..Foreign::default()
    });
    let of = |kind: &str, number| format!("untrusted-owner {kind}/{}", image_id(number));
    assert_eq!(
        case.lines(),
        [
            of("AutoScalingGroup/web", 7),
            of("Instance/i-1", 5),
            of("LaunchTemplate/lt-1", 5)
        ]
    );
    assert_eq!(
        case.said(Check::UntrustedOwner)[1],
        format!(
            "Instance i-1 launches {} (web-5) of 444455556666, who is not trusted.",
            image_id(5)
        )
    );
    case.thresholds.trusted_owners = [
        TrustedOwner::Account("444455556666".parse().expect("an account")),
        TrustedOwner::Alias("aws-marketplace".into()),
    ]
    .into();
    assert_eq!(case.lines(), [""; 0]);
}

#[test]
fn an_image_whose_owner_is_not_known_is_unknown() {
    let mut case = Case::of([]).launches(ConsumerKind::Instance, "i-1", 5);
    case.observed.foreign = Ok(Foreign {
        seen: [foreign(5, None, None)].into(),
        ..Foreign::default()
    });
    assert_eq!(case.lines(), [""; 0]);
    let (kind, id, _) = case.unread().remove(0);
    assert_eq!((kind.as_str(), id), ("ForeignImages", Some(image_id(5).to_string())));
    case.observed.foreign = Err(failed_call(Operation::DescribeImages, ErrorClass::Denied));
    assert_eq!(case.lines(), [""; 0]);
    assert_eq!(case.unread()[0].0, "ForeignImages");
}

/// A group and an instance of it, of these images; image 1 is older than image 2.
fn grouped(kind: ConsumerKind, of_instance: u64, of_group: &[u64]) -> Case {
    let mut case = Case::of([]);
    for number in [1, 2] {
        let mut image = image(number, 1);
        image.created = Some(at(i64::try_from(number).expect("small") * DAY));
        case.world.add(image, Some(&key(1)));
    }
    case = case.launches(ConsumerKind::Instance, "i-1", of_instance);
    for image in of_group {
        case = case.launches(kind, "web", *image);
    }
    let origin = Origin { kind, id: "web".into() };
    case.observed.origins.insert("i-1".into(), origin);
    case
}

#[test]
fn an_instance_is_older_only_than_what_launched_it_launches_now() {
    use ConsumerKind::{AutoScalingGroup, Fleet, LaunchTemplate, SpotFleet};
    for kind in [AutoScalingGroup, Fleet, SpotFleet, LaunchTemplate] {
        let case = grouped(kind, 1, &[2]);
        assert_eq!(
            case.lines(),
            [format!("older-than-template Instance/i-1/{}", image_id(1))]
        );
        assert_eq!(
            case.said(Check::OlderThanTemplate),
            [format!(
                "Instance i-1 was launched from {} (web-1), and {kind} web launches {} (web-2) now.",
                image_id(1),
                image_id(2)
            )]
        );
        for (of_instance, of_group) in [
            (2, &[2][..]),
            // An override, or the other one of the default and the latest version.
            (1, &[1, 2]),
            // The group went back to the older image.
            (2, &[1]),
            // The group is gone, or was not read.
            (1, &[]),
        ] {
            let case = grouped(kind, of_instance, of_group);
            assert_eq!(case.lines(), [""; 0], "{kind} {of_instance} {of_group:?}");
        }
    }
}

#[test]
fn where_a_group_may_launch_something_else_nothing_is_claimed() {
    let mut case = grouped(ConsumerKind::AutoScalingGroup, 1, &[2]);
    let denied = failed_call(Operation::DescribeAutoScalingGroups, ErrorClass::Denied);
    case.readings.unread.insert(ConsumerKind::AutoScalingGroup, denied);
    assert_eq!(case.lines(), [""; 0]);

    let mut case = grouped(ConsumerKind::AutoScalingGroup, 1, &[2]);
    case.readings.launchers.push(Launcher {
        kind: ConsumerKind::AutoScalingGroup,
        id: "web".into(),
        launches: vec![("".into(), Launches::Image(ImageRef::Other("?".into())))],
        owner: None,
    });
    assert_eq!(case.lines(), [""; 0]);
}

#[test]
fn an_image_that_the_account_does_not_see_is_not_the_one_that_is_launched_now() {
    let mut case = grouped(ConsumerKind::AutoScalingGroup, 9, &[2]);
    assert_eq!(
        case.lines(),
        [format!("older-than-template Instance/i-1/{}", image_id(9))],
        "how old it is, nobody knows"
    );
    let (id, mut newer) = foreign(9, Some("111122223333"), None);
    newer.created = Some(at(50 * DAY));
    case.observed.foreign = Ok(Foreign {
        seen: [(id, newer)].into(),
        ..Foreign::default()
    });
    assert_eq!(case.lines(), [""; 0]);
}
