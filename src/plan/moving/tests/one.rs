//! What is moved, what is left, and what is put back.

use super::super::*;
use super::case::{Case, pins, version};
use crate::api::{Approval, ApprovalPolicy, labels};
use crate::domain::{ErrorClass, MappedVolume, Mapping, Owner, Place};
use crate::plan::testing::{image_id, snapshot_id};

#[test]
fn a_template_gets_a_version_that_names_the_copy_which_becomes_the_default() {
    let mut case = Case::new();
    case.versions[0].mappings = vec![
        Mapping {
            device: Some("/dev/sda".into()),
            ebs: Some(MappedVolume {
                snapshot: Some(snapshot_id(100)),
                encrypted: Some(false),
                size_gib: Some(50),
                ..MappedVolume::default()
            }),
            ..Mapping::default()
        },
        Mapping {
            device: Some("/dev/sdb".into()),
            ebs: Some(MappedVolume {
                encrypted: Some(true),
                size_gib: Some(8),
                ..MappedVolume::default()
            }),
            ..Mapping::default()
        },
    ];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.latest(), case.default, case.launches(2)), (2, 2, image_id(2)));
    let row = case.row(ConsumerKind::LaunchTemplate).expect("a row");
    assert_eq!(row.state, ConsumerState::Moved);
    let before = ConsumerVersions {
        latest: 1,
        default: Some(1),
        ..ConsumerVersions::default()
    };
    assert_eq!(row.previous, Some(before));
    let volumes: Vec<_> = case.versions[1]
        .mappings
        .iter()
        .filter_map(|mapping| mapping.ebs.clone())
        .collect();
    // Never whether it is encrypted beside a snapshot; all else as it was.
    assert_eq!(
        (volumes[0].snapshot.clone(), volumes[0].encrypted),
        (Some(snapshot_id(200)), None)
    );
    assert_eq!((volumes[0].size_gib, volumes[1].encrypted), (Some(50), Some(true)));
    let said = case.versions[1].description.clone().expect("a description");
    assert!(
        is_ours(&said, &image_id(1)) && said.contains("default version was 1"),
        "{said}"
    );
    // Nothing more, whatever is read later.
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 2));
}

#[test]
fn a_version_is_never_made_of_another_one_than_the_latest() {
    // (what versions name, the default, whether the latest is moved, the default afterwards)
    for (names, default, moves, after) in [
        (vec![1, 1], 1, true, 1),
        (vec![1, 3], 1, false, 1),
        (vec![3, 1], 1, true, 1),
        (vec![3, 1], 2, true, 3),
        (vec![3, 3], 1, false, 1),
    ] {
        let mut case = Case::new();
        case.versions = names
            .iter()
            .zip(1..)
            .map(|(names, number)| version(number, *names))
            .collect();
        case.default = default;
        let latest = case.latest();
        assert_eq!(case.settle(), Then::Rest);
        let made: Vec<i64> = case
            .changes
            .iter()
            .filter_map(|change| match change {
                Change::NewVersion(new) => Some(new.source),
                _ => None,
            })
            .collect();
        assert_eq!(made, if moves { vec![latest] } else { vec![] }, "{names:?}");
        assert_eq!(case.default, after, "{names:?}");
        let is_left = names[usize::try_from(default).expect("small") - 1] == 1 && after == default;
        let says = case
            .rows
            .first()
            .and_then(|row| row.message.as_deref())
            .unwrap_or_default();
        assert_eq!(
            says.contains(&format!("default version {default}")),
            is_left,
            "{names:?}: {says}"
        );
    }
}

#[test]
fn what_is_somebody_elses_or_held_is_left_alone_and_says_why() {
    let owner = Owner {
        by: "CloudFormation".into(),
        name: Some("shop".into()),
    };
    type Given = fn(&mut Case, Owner);
    let cases: [(Given, &str, &str); 4] = [
        (
            |case, owner| case.owner = Some(owner),
            left::OWNED,
            "CloudFormation shop",
        ),
        (
            |case, _| case.tags = vec![(labels::TAG_HOLD, "")],
            left::HELD,
            labels::TAG_HOLD,
        ),
        (
            |case, _| {
                case.versions[0].mappings = vec![Mapping {
                    ebs: Some(MappedVolume {
                        snapshot: Some(snapshot_id(7)),
                        encrypted: Some(true),
                        ..MappedVolume::default()
                    }),
                    ..Mapping::default()
                }];
            },
            left::MAPPING_NOT_MOVABLE,
            "snap-",
        ),
        (
            |case, _| {
                case.versions.clear();
                case.values = vec!["{\"web\": \"ami-00000000000000001\"}".to_owned()];
            },
            "",
            "",
        ),
    ];
    for (given, reason, says) in cases {
        let mut case = Case::new();
        given(&mut case, owner.clone());
        assert_eq!(case.settle(), Then::Rest);
        assert_eq!(case.changes, [], "{reason}");
        let row = case.rows.first();
        assert_eq!(row.and_then(|row| row.reason.as_deref()).unwrap_or_default(), reason);
        let message = row.and_then(|row| row.message.as_deref()).unwrap_or_default();
        assert!(message.contains(says), "{message}");
    }
    // Once nothing is in the way any more, it is moved.
    let mut case = Case::new();
    case.tags = vec![(labels::TAG_HOLD, "")];
    case.settle();
    case.tags.clear();
    case.settle();
    assert_eq!(case.default, 2);
}

#[test]
fn nobody_is_moved_to_a_copy_whose_key_they_may_not_use_nor_before_somebody_has_approved_it() {
    let mut case = Case::new();
    case.allows = false;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::KEY_NOT_USABLE, 0));

    // A group that could not be read may launch it by a role that may not use the key.
    let mut case = Case::new();
    case.cannot_read_groups(ErrorClass::Denied, None);
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::KEY_NOT_USABLE, 0));
    assert!(
        problem.message.contains("autoscaling:DescribeAutoScalingGroups"),
        "{}",
        problem.message
    );
    case.promotion().approval = ApprovalPolicy::Manual;
    case.approval = Approval::Approved;
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));

    let mut case = Case::new();
    case.promotion().approval = ApprovalPolicy::Manual;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    assert_eq!((problem.reason, case.changes.len()), (reason::APPROVAL_REQUIRED, 0));
    assert!(
        problem.message.starts_with("LaunchTemplate lt-1 would"),
        "{}",
        problem.message
    );
    case.approval = Approval::Approved;
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));

    for turn in [Turn::Busy, Turn::DayIsFull] {
        let mut case = Case::new();
        case.turn = turn;
        assert_eq!((case.settle(), case.changes.len()), (Then::Later(TURN), 0), "{turn:?}");
    }
    for held in [true, false] {
        let mut case = Case::new();
        if held {
            case.desired = Desired::Held;
        } else {
            case.source.tags.insert(labels::TAG_HOLD.into(), "".into());
        }
        assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 0));
        let (_, why, _) = case.decide(0).says.expect("it says so");
        assert_eq!(why, reason::HELD);
    }
}

#[test]
fn what_somebody_sets_back_is_said_once_and_never_set_again() {
    type Act = fn(&mut Case);
    let acts: [Act; 4] = [
        |case| case.default = 1,
        |case| case.versions.push(version(3, 1)),
        |case| {
            case.versions.push(version(3, 1));
            case.default = 3;
        },
        |case| case.values.push(image_id(1).to_string()),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut case = Case::new();
        case.values = vec![image_id(1).to_string()];
        case.settle();
        let changes = case.changes.len();
        act(&mut case);
        for later in [20_000, 30_000, 40_000] {
            (case.now, case.read_at) = (later, later);
            assert_eq!(case.settle(), Then::Rest, "{number}");
        }
        assert_eq!(case.changes.len(), changes, "{number}");
        let reverted = case
            .rows
            .iter()
            .filter(|row| row.reason.as_deref() == Some(left::REVERTED_BY_OWNER));
        assert_eq!(reverted.count(), 1, "{number}: {:?}", case.rows);
    }
    // What somebody moves on to something else is nobody's matter.
    let mut case = Case::new();
    case.settle();
    case.versions.push(version(3, 9));
    case.default = 3;
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.reason()), (Then::Rest, None));
}

#[test]
fn what_somebody_changes_between_the_record_and_the_call_is_respected() {
    let mut case = Case::new();
    assert_eq!(case.step(0, false), None);
    assert_eq!(case.rows[0].state, ConsumerState::Moving);
    case.versions.push(version(2, 1));
    assert_eq!(
        (case.settle(), case.reason()),
        (Then::Rest, Some(left::CHANGED_MEANWHILE))
    );
    assert_eq!(case.changes, []);

    let mut case = Case::new();
    case.step(0, false);
    case.versions.push(version(2, 9));
    case.default = 2;
    assert_eq!((case.settle(), case.rows.len(), case.changes.len()), (Then::Rest, 0, 0));

    // The default goes somewhere else while the version is made.
    let mut case = Case::new();
    case.versions = vec![version(1, 9), version(2, 1)];
    case.default = 2;
    case.step(0, false);
    case.step(0, false);
    assert_eq!(case.latest(), 3);
    case.default = 1;
    assert_eq!((case.settle(), case.default), (Then::Rest, 1));
}

#[test]
fn what_somebody_holds_while_it_is_to_be_put_back_says_so_and_is_put_back_once_nobody_does() {
    use crate::api::conditions::{self, Status};
    let template = Case::new();
    let parameter = Case {
        versions: Vec::new(),
        values: vec![image_id(1).to_string()],
        ..Case::new()
    };
    let labelled = Case {
        versions: Vec::new(),
        values: vec![image_id(1).to_string()],
        labels: vec![("prod".to_owned(), 1)],
        ..Case::new()
    };
    let group = Case {
        parts: vec![pins(Place::Template, 1)],
        ..Case::new()
    };
    for (mut case, who) in [
        (template, "LaunchTemplate lt-1"),
        (parameter, "Parameter /golden/web"),
        (labelled, "Parameter /golden/web"),
        (group, "AutoScalingGroup fleet, LaunchTemplate lt-1"),
    ] {
        assert_eq!(case.settle(), Then::Rest, "{who}");
        let changes = case.changes.len();
        (case.now, case.read_at) = (20_000, 20_000);
        (case.tags, case.desired) = (vec![(labels::TAG_HOLD, "")], Desired::RolledBack);
        // AWS is not asked again every few seconds.
        assert_eq!(
            (case.settle(), case.changes.len()),
            (Then::Later(TURN), changes),
            "{who}"
        );
        let message = format!("Consumers that are to be put back have the tag amiseal.dev/hold: remove it from {who}.");
        let says = Some((Status::False, reason::HELD, message.clone()));
        let outcome = case.decide(0);
        assert_eq!((&outcome.says, outcome.look_again), (&says, Some(TURN)));
        // Nobody else is held by it, as by the tag of an image.
        let mut said = Vec::new();
        let mut writer = conditions::Writer {
            conditions: &mut said,
            generation: None,
            now: Timestamp::UNIX_EPOCH,
        };
        writer.set(conditions::CONSUMERS_MOVED, Status::False, reason::HELD, &message);
        assert!(said.iter().all(is_of_consumer));
        say_of_image(&mut said);
        assert!(!said.iter().any(is_of_consumer));
        // What was begun is put back also where people have changed their minds.
        case.desired = Desired::Migrated;
        assert_eq!(case.decide(0).says, says, "{who}");
        case.desired = Desired::RolledBack;
        case.tags.clear();
        assert_eq!(case.settle(), Then::Rest, "{who}");
        assert!(case.rows.iter().all(|row| row.state == ConsumerState::PutBack), "{who}");
    }
}

/// What is said where an image has the tag.
fn say_of_image(said: &mut Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>) {
    use crate::api::conditions::{self, Status};
    let mut case = Case::new();
    case.source.tags.insert(labels::TAG_HOLD.into(), "".into());
    let message = held_by_tag((&case.source).into(), &case.copy.id, None).expect("it is held");
    let mut writer = conditions::Writer {
        conditions: said,
        generation: None,
        now: Timestamp::UNIX_EPOCH,
    };
    writer.set(conditions::CONSUMERS_MOVED, Status::False, reason::HELD, &message);
}

#[test]
fn a_parameter_gets_the_copy_and_back_what_it_held() {
    let mut case = Case::new();
    case.versions.clear();
    case.values = vec![image_id(1).to_string()];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.values, [image_id(1).to_string(), image_id(2).to_string()]);
    assert_eq!(
        case.row(ConsumerKind::Parameter).map(|row| row.state),
        Some(ConsumerState::Moved)
    );
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.values.last(), Some(&image_id(1).to_string()));
    assert_eq!(
        case.row(ConsumerKind::Parameter).map(|row| row.state),
        Some(ConsumerState::PutBack)
    );
}

#[test]
fn everything_is_put_back_as_it_was_and_what_somebody_has_made_since_is_left() {
    let mut case = Case::new();
    case.versions = vec![version(1, 9), version(2, 1)];
    case.versions[1].mappings = vec![Mapping {
        ebs: Some(MappedVolume {
            snapshot: Some(snapshot_id(100)),
            ..MappedVolume::default()
        }),
        ..Mapping::default()
    }];
    case.default = 2;
    case.settle();
    assert_eq!((case.default, case.latest()), (3, 3));
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.default, case.latest()), (2, 4));
    let (former, again) = (&case.versions[1], &case.versions[3]);
    assert_eq!((&former.image, &former.mappings), (&again.image, &again.mappings));
    let changes = case.changes.len();
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, changes));
    let (_, why, message) = case.decide(0).says.expect("it says so");
    assert_eq!(
        (why, &*message),
        (reason::ROLLED_BACK, "1 moved consumer launches as before.")
    );
    // And once more where somebody wants that.
    case.desired = Desired::Migrated;
    assert_eq!((case.settle(), case.launches(case.latest())), (Then::Rest, image_id(2)));

    let mut case = Case::new();
    case.settle();
    case.versions.push(version(3, 9));
    case.default = 3;
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.default, case.latest()), (3, 3));
}

#[test]
fn what_was_put_back_and_is_held_meanwhile_is_moved_once_nobody_holds_it() {
    let mut case = Case::new();
    case.values = vec![image_id(1).to_string()];
    case.parts = vec![pins(Place::Template, 1)];
    let states = |case: &Case| case.rows.iter().map(|row| row.state).collect::<Vec<_>>();
    let mut settles = |desired: Desired, tags: Vec<(&'static str, &'static str)>| {
        (case.desired, case.tags) = (desired, tags);
        case.now += 10_000;
        case.read_at = case.now;
        case.settle();
        states(&case)
    };
    assert_eq!(settles(Desired::Migrated, Vec::new()), [ConsumerState::Moved; 3]);
    assert_eq!(settles(Desired::RolledBack, Vec::new()), [ConsumerState::PutBack; 3]);
    let held = vec![(labels::TAG_HOLD, "")];
    assert_eq!(settles(Desired::Migrated, held), [ConsumerState::PutBack; 3]);
    assert_eq!(settles(Desired::Migrated, Vec::new()), [ConsumerState::Moved; 3]);
}

#[test]
fn a_template_whose_version_that_was_made_is_deleted_is_its_owners() {
    let mut case = Case::new();
    // The latest version names the original, and the default one another image.
    case.versions = vec![version(1, 9), version(2, 1)];
    assert_eq!((case.settle(), case.latest()), (Then::Rest, 3));
    case.versions.pop();
    case.now += 10_000;
    case.read_at = case.now;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.reason(), case.latest()), (Some(left::REVERTED_BY_OWNER), 2));
}

#[test]
fn what_is_deleted_before_anything_was_made_of_it_is_begun_anew() {
    let mut case = Case::new();
    case.versions.push(version(2, 1));
    case.values = vec![image_id(1).to_string(); 2];
    // What is there is on record, and is deleted then: the template's latest version, and the parameter, which somebody makes anew.
    let waits = |case: &mut Case, kind: ConsumerKind| {
        while case.row(kind).is_none_or(|row| row.state != ConsumerState::Moving) {
            case.now += 1;
            case.step(0, false);
        }
        case.row(kind).and_then(|row| row.current.clone())
    };
    assert_eq!(waits(&mut case, ConsumerKind::LaunchTemplate), None);
    case.versions.pop();
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    (case.now, case.read_at) = (case.now + 700, case.now + 700);
    assert_eq!(waits(&mut case, ConsumerKind::Parameter), None);
    assert_eq!((case.latest(), case.launches(2)), (2, image_id(2)));
    case.values.pop();
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    (case.now, case.read_at) = (case.now + 700, case.now + 700);
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.values.last(), Some(&image_id(2).to_string()));
    assert!(
        case.rows.iter().all(|row| row.state == ConsumerState::Moved),
        "{:?}",
        case.rows
    );
}

#[test]
fn a_version_that_is_deleted_while_it_is_put_back_is_not_waited_for_without_end() {
    let mut case = Case::new();
    // The latest version names the original, and the default one another image.
    case.versions = vec![version(1, 9), version(2, 1)];
    assert_eq!((case.settle(), case.latest()), (Then::Rest, 3));
    case.versions.pop();
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    case.now += 700;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.rows[0].state, case.latest()), (ConsumerState::PutBack, 2));
}
