//! Auto Scaling groups.

use super::super::*;
use super::case::{Case, TEMPLATE, pins, version};
use crate::api::labels::{self, TAG_PREVIOUS};
use crate::api::{Approval, ApprovalPolicy, ConsumerPart, ConsumerUpdate, GroupUpdate, RECORDED_PARTS};
use crate::domain::{GroupPart, ImageRef, Named, Owner, Place, TemplateId, VersionRef};
use crate::plan::testing::image_id;

fn image(number: usize, names: u64) -> GroupPart {
    GroupPart {
        at: Place::Image(number),
        names: Named::Image(ImageRef::Image(image_id(names))),
    }
}

fn follows(version: VersionRef) -> GroupPart {
    GroupPart {
        at: Place::Template,
        names: Named::Version(TemplateId::Id(TEMPLATE.into()), version),
    }
}

/// A template with one version, which names the original, and a group with these parts.
fn launching(parts: Vec<GroupPart>) -> Case {
    let mut case = Case::new();
    case.parts = parts;
    case
}

fn group(case: &Case) -> &MovedConsumer {
    case.row(ConsumerKind::AutoScalingGroup).expect("a row")
}

fn part(at: &str, names: &str) -> ConsumerPart {
    ConsumerPart {
        at: at.to_owned(),
        names: names.to_owned(),
    }
}

#[test]
fn a_group_gets_the_version_made_of_the_one_that_it_pins_and_back_exactly_what_it_had() {
    let before = vec![
        pins(Place::Template, 1),
        pins(Place::Override(1), 1),
        image(2, 1),
        image(3, 9),
    ];
    let mut case = launching(before.clone());
    assert_eq!(case.settle(), Then::Rest);
    let after = vec![
        pins(Place::Template, 2),
        pins(Place::Override(1), 2),
        image(2, 2),
        image(3, 9),
    ];
    assert_eq!(case.parts, after);
    let row = group(&case);
    assert_eq!(row.state, ConsumerState::Moved);
    let source = image_id(1).to_string();
    let was = [
        part("launchTemplate", "lt-1 1"),
        part("override 1 launchTemplate", "lt-1 1"),
        part("override 2 imageID", &source),
    ];
    let previous = row.previous.clone().expect("what was there before");
    assert_eq!((previous.latest, &previous.parts[..]), (0, &was[..]));
    let set = row.current.clone().expect("what it was set to").parts;
    assert_eq!(set[0], part("launchTemplate", "lt-1 2"));
    // It stands beside the group too, before it is changed.
    let tag = format!("2={source} / 0+1=lt-1 1");
    assert_eq!(case.tagged.as_deref(), Some(tag.as_str()));
    let of_group: Vec<bool> = case
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::TagGroup { key, .. } => Some(&**key == TAG_PREVIOUS),
            Change::SetGroup(change) => Some(change.to.len() != 3),
            _ => None,
        })
        .collect();
    assert_eq!(of_group, [true, false], "{:?}", case.changes);
    // Nothing more, whatever is read later.
    let changes = case.changes.len();
    (case.now, case.read_at) = (20_000, 20_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, changes));

    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.parts, before);
    assert_eq!(group(&case).state, ConsumerState::PutBack);
    let changes = case.changes.len();
    (case.now, case.read_at) = (30_000, 30_000);
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, changes));
    // And once more where somebody wants that.
    case.desired = Desired::Migrated;
    assert_eq!((case.settle(), &case.parts), (Then::Rest, &after));
}

#[test]
fn a_group_is_never_set_to_a_version_made_of_another_one() {
    type Given = fn(&mut Case);
    // (what is given, what the group pins afterwards, why it is left)
    let cases: [(Given, i64, Option<&str>); 6] = [
        // The pinned one was not the latest.
        (
            |case| case.versions = vec![version(1, 1), version(2, 1)],
            1,
            Some(left::VERSION_NOT_MOVED),
        ),
        // Templates are not moved.
        (
            |case| case.promotion().launch_templates = ConsumerUpdate::Report,
            1,
            Some(left::VERSION_NOT_MOVED),
        ),
        // One that says so of itself and does not name the copy.
        (
            |case| {
                let mut fake = version(2, 9);
                fake.description =
                    Some(format!("amiseal: {} instead of {}, made of version 1", image_id(2), image_id(1)).into());
                case.versions.push(fake);
            },
            1,
            Some(left::VERSION_NOT_MOVED),
        ),
        // One that names the copy and was made by somebody else.
        (
            |case| case.versions.push(version(2, 2)),
            1,
            Some(left::VERSION_NOT_MOVED),
        ),
        // It does not name the original.
        (|case| case.versions = vec![version(1, 9), version(2, 1)], 1, None),
        // amiseal has made it before.
        (
            |case| {
                case.settle();
                case.promotion().launch_templates = ConsumerUpdate::Report;
            },
            2,
            None,
        ),
    ];
    for (number, (given, pinned, reason)) in cases.into_iter().enumerate() {
        let mut case = launching(vec![pins(Place::Template, 1)]);
        case.default = 1;
        given(&mut case);
        assert_eq!(case.settle(), Then::Rest, "{number}");
        assert_eq!(case.parts, [pins(Place::Template, pinned)], "{number}");
        let row = case.row(ConsumerKind::AutoScalingGroup);
        assert_eq!(row.and_then(|row| row.reason.as_deref()), reason, "{number}: {row:?}");
    }
    // All of it or nothing.
    let mut case = launching(vec![pins(Place::Template, 1), image(1, 1)]);
    case.promotion().launch_templates = ConsumerUpdate::Report;
    case.settle();
    assert_eq!(case.parts, [pins(Place::Template, 1), image(1, 1)]);
}

#[test]
fn a_group_that_follows_its_template_or_launches_by_a_configuration_is_not_changed() {
    for version in [VersionRef::Latest, VersionRef::Default] {
        let mut case = launching(vec![follows(version)]);
        assert_eq!(case.settle(), Then::Rest);
        assert_eq!(case.parts, [follows(version)]);
        assert!(case.row(ConsumerKind::AutoScalingGroup).is_none());
    }
    let mut case = launching(Vec::new());
    case.configuration = Some(1);
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(group(&case).reason.as_deref(), Some(left::LAUNCH_CONFIGURATION));
    // Not asked for.
    let mut case = launching(vec![pins(Place::Template, 1)]);
    case.promotion().auto_scaling_groups = GroupUpdate::Report;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.parts, [pins(Place::Template, 1)]);
    assert!(case.row(ConsumerKind::AutoScalingGroup).is_none());
}

#[test]
fn a_group_that_is_somebody_elses_or_held_or_not_approved_is_left_alone() {
    let mut case = launching(vec![image(1, 1)]);
    case.versions.clear();
    case.owner = Some(Owner {
        by: "CloudFormation".into(),
        name: Some("shop".into()),
    });
    case.settle();
    assert_eq!(group(&case).reason.as_deref(), Some(left::OWNED));

    let mut case = launching(vec![image(1, 1)]);
    case.versions.clear();
    case.tags = vec![(labels::TAG_HOLD, "")];
    case.settle();
    assert_eq!(
        (group(&case).reason.as_deref(), case.changes.len()),
        (Some(left::HELD), 0)
    );
    case.tags.clear();
    assert_eq!((case.settle(), &case.parts), (Then::Rest, &vec![image(1, 2)]));

    let mut case = launching(vec![pins(Place::Template, 1)]);
    case.promotion().approval = ApprovalPolicy::Manual;
    let Then::Stalled(problem) = case.settle() else {
        panic!("{:?}", case.rows)
    };
    let said = "LaunchTemplate lt-1, AutoScalingGroup fleet would be moved";
    assert!(problem.message.starts_with(said), "{}", problem.message);
    assert_eq!(case.changes, []);
    case.approval = Approval::Approved;
    assert_eq!(
        (case.settle(), &case.parts),
        (Then::Rest, &vec![pins(Place::Template, 2)])
    );
}

#[test]
fn what_names_more_of_the_original_than_there_is_room_for_is_left() {
    let mut case = launching((1..=RECORDED_PARTS + 1).map(|number| image(number, 1)).collect());
    case.versions.clear();
    case.settle();
    assert_eq!(
        (group(&case).reason.as_deref(), case.changes.len()),
        (Some(left::TOO_MANY_PARTS), 0)
    );
    let mut case = launching((1..=40).map(|number| image(number, 1)).collect());
    case.versions.clear();
    case.settle();
    assert_eq!(group(&case).state, ConsumerState::Moved);
    assert!(case.tagged.is_some_and(|tagged| tagged.len() <= 256));
}

#[test]
fn what_somebody_does_to_a_group_is_respected() {
    // Set back: said once, and never set again.
    for back in [vec![image(1, 1)], vec![image(1, 2), image(2, 1)]] {
        let mut case = launching(vec![image(1, 1)]);
        case.versions.clear();
        case.settle();
        let changes = case.changes.len();
        case.parts = back;
        for later in [20_000, 30_000, 40_000] {
            (case.now, case.read_at) = (later, later);
            assert_eq!(case.settle(), Then::Rest);
        }
        assert_eq!(case.changes.len(), changes);
        assert_eq!(group(&case).reason.as_deref(), Some(left::REVERTED_BY_OWNER));
    }
    // Changed between the record and the call.
    let mut case = launching(vec![image(1, 1)]);
    case.versions.clear();
    case.step(0, false);
    assert_eq!(group(&case).state, ConsumerState::Moving);
    case.parts.push(image(2, 1));
    case.settle();
    assert_eq!(
        (group(&case).reason.as_deref(), case.changes.len()),
        (Some(left::CHANGED_MEANWHILE), 0)
    );
    let mut case = launching(vec![image(1, 1)]);
    case.versions.clear();
    case.step(0, false);
    case.parts = vec![image(1, 9)];
    assert_eq!((case.settle(), case.rows.len(), case.changes.len()), (Then::Rest, 0, 0));
    // What somebody has set meanwhile stays where the rest is put back.
    let mut case = launching(vec![image(1, 1), image(2, 1)]);
    case.versions.clear();
    case.settle();
    case.parts[1] = image(2, 9);
    case.desired = Desired::RolledBack;
    // It might be what was put back, which does not show yet.
    assert!(matches!(case.settle(), Then::Later(_)));
    case.now += 700;
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.parts, [image(1, 1), image(2, 9)]);
    assert_eq!(group(&case).state, ConsumerState::PutBack);
    assert!(group(&case).message.is_some());
    // The version that it had is gone.
    let mut case = launching(vec![pins(Place::Template, 1)]);
    case.settle();
    case.versions.remove(0);
    case.desired = Desired::RolledBack;
    assert_eq!(case.settle(), Then::Rest);
    assert!(
        case.rows
            .iter()
            .all(|row| row.reason.as_deref() == Some(left::CANNOT_PUT_BACK)),
        "{:?}",
        case.rows
    );
    assert_eq!((&case.parts, case.default), (&vec![pins(Place::Template, 2)], 2));
}
