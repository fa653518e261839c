//! What people delete that a change would name: AWS would refuse it for ever.

use super::super::*;
use super::case::{Case, pins, version};
use crate::domain::Place;
use crate::plan::testing::image_id;

/// It was moved, put back and is moved again: its default version and its latest one are two, and say the same.
fn moved_again() -> Case {
    let mut case = Case::new();
    for desired in [Desired::Migrated, Desired::RolledBack, Desired::Migrated] {
        case.desired = desired;
        (case.now, case.read_at) = (case.now + 10_000, case.now + 10_000);
        assert_eq!(case.settle(), Then::Rest);
    }
    let was = case.rows[0].previous.clone().expect("what was there before");
    assert_eq!(
        (was.default, was.latest, case.default, case.latest()),
        (Some(1), 3, 4, 4)
    );
    case
}

fn delete(case: &mut Case, numbers: &[i64]) {
    case.versions.retain(|version| !numbers.contains(&version.number));
}

fn defaults(changes: &[Change]) -> Vec<i64> {
    let defaults = changes.iter().filter_map(|change| match change {
        Change::SetDefault { version, .. } => Some(*version),
        _ => None,
    });
    defaults.collect()
}

#[test]
fn a_version_of_amiseals_that_is_deleted_is_not_made_the_default_behind_another_one() {
    // What somebody makes after it names the copy, or something else.
    for image in [2, 9] {
        let mut case = Case::new();
        while case.changes.is_empty() {
            case.now += 1;
            assert_eq!(case.step(0, false), None);
        }
        case.versions.push(version(3, image));
        delete(&mut case, &[2]);
        // It may not show yet.
        assert_eq!(case.settle(), Then::Later(LOOK_AGAIN), "{image}");
        case.now += 600;
        assert_eq!(case.settle(), Then::Rest, "{image}");
        let row = &case.rows[0];
        assert_eq!(row.reason.as_deref(), Some(left::CHANGED_MEANWHILE), "{image}");
        let message = row.message.as_deref().unwrap_or_default();
        let said = ["deleted version 2", "default version 1 still names the original"];
        assert!(said.iter().all(|said| message.contains(said)), "{message}");
        assert_eq!((case.changes.len(), case.default), (1, 1), "{image}");
    }
}

#[test]
fn what_is_put_back_is_what_is_left_of_the_versions_that_said_the_same() {
    // What is deleted, and which version becomes the default; none where nothing is left.
    for (deleted, set) in [
        (&[][..], Some(1)),
        (&[1][..], Some(3)),
        (&[3][..], Some(1)),
        (&[1, 2][..], Some(3)),
        (&[1, 3][..], None),
    ] {
        let mut case = moved_again();
        delete(&mut case, deleted);
        let before = case.changes.len();
        case.desired = Desired::RolledBack;
        (case.now, case.read_at) = (case.now + 10_000, case.now + 10_000);
        assert_eq!(case.settle(), Then::Rest, "{deleted:?}");
        assert_eq!(
            defaults(&case.changes[before..]),
            Vec::from_iter(set),
            "{deleted:?}: {:?}",
            case.rows
        );
        let row = &case.rows[0];
        if let Some(default) = set {
            assert_eq!(
                (row.state, case.default),
                (ConsumerState::PutBack, default),
                "{deleted:?}"
            );
            assert_eq!(case.launches(case.latest()), image_id(1), "{deleted:?}");
        } else {
            assert_eq!(row.reason.as_deref(), Some(left::CANNOT_PUT_BACK), "{deleted:?}");
            assert_eq!(case.changes.len(), before, "{deleted:?}");
        }
    }
}

#[test]
fn a_reading_that_was_not_asked_for_what_is_on_record_by_now_says_nothing_of_it() {
    let mut case = Case::new();
    assert_eq!(case.settle(), Then::Rest);
    // Nothing is on record of it, and it is known by what the version says.
    case.rows.clear();
    case.desired = Desired::RolledBack;
    let before = case.read(&key_of_template(), &Besides::default(), 0);
    assert!(template::tells(&before, None, true));
    assert_eq!(case.step(0, false), None);
    let row = &case.rows[0];
    assert_eq!(row.state, ConsumerState::PuttingBack);
    assert!(!template::tells(&before, Some(row), true));
    let besides = Besides {
        versions: template::named(row, true),
        ..Besides::default()
    };
    let again = case.read(&key_of_template(), &besides, 0);
    assert!(template::tells(&again, Some(row), true));
}

fn key_of_template() -> ConsumerKey {
    ConsumerKey {
        kind: ConsumerKind::LaunchTemplate,
        id: super::case::TEMPLATE.into(),
    }
}

fn message(case: &Case) -> (Option<&str>, &str) {
    let row = case.row(ConsumerKind::AutoScalingGroup).expect("the group");
    (row.reason.as_deref(), row.message.as_deref().unwrap_or_default())
}

fn sets_group(change: &Change) -> bool {
    matches!(change, Change::SetGroup(_))
}

#[test]
fn a_group_that_names_a_deleted_version_elsewhere_is_left_until_it_does_not() {
    let mut case = Case::new();
    case.parts = vec![pins(Place::Template, 1), pins(Place::Override(1), 7)];
    assert_eq!(case.settle(), Then::Rest);
    let (reason, said) = message(&case);
    assert_eq!(reason, Some(left::VERSION_NOT_MOVED));
    assert!(said.starts_with("lt-1 7 is no longer there"), "{said}");
    assert!(!case.changes.iter().any(sets_group));
    case.parts[1] = pins(Place::Override(1), 1);
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.parts, [pins(Place::Template, 2), pins(Place::Override(1), 2)]);
}

#[test]
fn a_group_is_not_put_back_where_it_names_a_deleted_version_elsewhere() {
    let mut case = Case::new();
    case.versions = vec![version(1, 9), version(2, 1)];
    case.default = 2;
    case.parts = vec![pins(Place::Template, 2), pins(Place::Override(1), 1)];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!(case.parts, [pins(Place::Template, 3), pins(Place::Override(1), 1)]);
    delete(&mut case, &[1]);
    let before = case.changes.len();
    case.desired = Desired::RolledBack;
    (case.now, case.read_at) = (case.now + 10_000, case.now + 10_000);
    assert_eq!(case.settle(), Then::Rest);
    let (reason, said) = message(&case);
    assert_eq!(reason, Some(left::CANNOT_PUT_BACK));
    assert!(said.starts_with("lt-1 1 is no longer there"), "{said}");
    assert!(!case.changes[before..].iter().any(sets_group));
    let template = case.row(ConsumerKind::LaunchTemplate).expect("the template");
    assert_eq!(template.state, ConsumerState::PutBack, "it does not wait for that");
}
