//! Rollbacks onto an original that is disabled.

use super::super::*;
use super::case::{Case, pins, version};
use crate::domain::{ImageState, Place};
use crate::plan::testing::image_id;

/// A template and a parameter with a label.
fn two_kinds() -> Case {
    Case {
        values: vec![image_id(1).to_string()],
        labels: vec![("prod".to_owned(), 1)],
        ..Case::new()
    }
}

/// And a group that pins the template's first version.
fn all_kinds() -> Case {
    Case {
        parts: vec![pins(Place::Template, 1)],
        ..two_kinds()
    }
}

fn wants(case: &mut Case, desired: Desired) -> Then {
    case.desired = desired;
    case.now += 10_000;
    case.read_at = case.now;
    case.settle()
}

fn asks_to_enable(then: &Then) -> bool {
    matches!(then, Then::Stalled(problem) if problem.reason == reason::IMAGE_DISABLED && problem.message.contains("enable it"))
}

fn are_back(case: &Case) -> bool {
    case.rows.iter().all(|row| row.state == ConsumerState::PutBack)
}

#[test]
fn nothing_is_put_back_to_an_original_that_is_disabled_before_it_is_enabled() {
    let mut case = all_kinds();
    assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
    let (rows, changes) = (case.rows.clone(), case.changes.len());
    case.source.state = ImageState::Disabled;
    let then = wants(&mut case, Desired::RolledBack);
    assert!(asks_to_enable(&then), "{then:?}");
    assert_eq!((&case.rows, case.changes.len()), (&rows, changes));
    // Whoever changes their mind has everything as it is.
    assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
    assert_eq!((&case.rows, case.changes.len()), (&rows, changes));
    case.source.state = ImageState::Available;
    assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
    assert!(are_back(&case), "{:?}", case.rows);
}

#[test]
fn what_is_begun_stops_where_the_original_is_disabled_and_goes_on_once_it_is_enabled() {
    for then in [Desired::RolledBack, Desired::Migrated] {
        let mut case = all_kinds();
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        (case.desired, case.now, case.read_at) = (Desired::RolledBack, 30_000, 30_000);
        for _ in 0..2 {
            case.now += 1;
            assert_eq!(case.step(0, false), None, "{:?}", case.rows);
        }
        let is_begun = |row: &MovedConsumer| row.state == ConsumerState::PuttingBack;
        assert!(case.rows.iter().any(is_begun), "{:?}", case.rows);
        let changes = case.changes.len();
        case.source.state = ImageState::Disabled;
        for desired in [Desired::RolledBack, then] {
            let then = wants(&mut case, desired);
            assert!(asks_to_enable(&then), "{then:?}");
            assert_eq!(case.changes.len(), changes);
        }
        case.source.state = ImageState::Available;
        assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
        assert!(are_back(&case), "{:?}", case.rows);
    }
}

#[test]
fn the_same_holds_where_nothing_is_on_record_and_what_people_have_launch_the_copy_is_not_meant() {
    let mut case = two_kinds();
    assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
    case.rows.clear();
    case.source.state = ImageState::Disabled;
    let changes = case.changes.len();
    let then = wants(&mut case, Desired::RolledBack);
    assert!(asks_to_enable(&then), "{then:?}");
    assert_eq!((case.rows.len(), case.changes.len()), (0, changes));

    let mut case = Case::new();
    case.versions = vec![version(1, 2)];
    case.values = vec![image_id(2).to_string()];
    case.source.state = ImageState::Disabled;
    assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
    assert_eq!((case.rows.len(), case.changes.len()), (0, 0));
}

#[test]
fn what_somebody_has_put_back_by_themselves_is_put_on_record() {
    let mut case = Case::new();
    case.versions.clear();
    case.values = vec![image_id(1).to_string()];
    assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
    (case.desired, case.now, case.read_at) = (Desired::RolledBack, 30_000, 30_000);
    assert_eq!(case.step(0, false), None);
    case.values.push(image_id(1).to_string());
    case.source.state = ImageState::Disabled;
    let changes = case.changes.len();
    assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest, "{:?}", case.rows);
    assert!(are_back(&case), "{:?}", case.rows);
    assert_eq!(case.changes.len(), changes);
}

#[test]
fn what_was_to_be_moved_and_is_not_changed_yet_is_given_up_and_keeps_nothing_else_waiting() {
    for is_changed in [false, true] {
        let mut case = Case::new();
        case.versions.clear();
        case.values = vec![image_id(1).to_string()];
        assert_eq!(case.step(0, false), None);
        let is_intended = |row: &MovedConsumer| row.state == ConsumerState::Moving && row.current.is_none();
        assert!(
            case.rows.iter().all(is_intended) && case.rows.len() == 1,
            "{:?}",
            case.rows
        );
        if is_changed {
            // The answer was lost.
            case.values.push(image_id(2).to_string());
        }
        case.source.state = ImageState::Disabled;
        let mut then = wants(&mut case, Desired::RolledBack);
        if is_changed {
            assert!(asks_to_enable(&then), "{then:?}");
            continue;
        }
        assert!(!matches!(then, Then::Stalled(_)), "{then:?}");
        then = wants(&mut case, Desired::RolledBack);
        assert_eq!((then, case.changes.len()), (Then::Rest, 0), "{:?}", case.rows);
        assert!(are_back(&case), "{:?}", case.rows);
    }
}
