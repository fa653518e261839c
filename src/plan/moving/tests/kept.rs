//! What was put back and is not moved again for now: all that is on record of it stays there.

use super::super::*;
use super::case::{Case, pins, version};
use crate::api::conditions::Status;
use crate::api::{ConsumerUpdate, labels};
use crate::domain::{GroupPart, ImageRef, Named, Owner, Place};
use crate::plan::testing::image_id;

type Act = fn(&mut Case);

/// For which reason something is not moved again, what brings that about, and what ends it.
const KEEPS: [(&str, Act, Act); 2] = [
    (
        left::HELD,
        |case| case.tags = vec![(labels::TAG_HOLD, "")],
        |case| case.tags.clear(),
    ),
    (
        left::OWNED,
        |case| {
            case.owner = Some(Owner {
                by: "CloudFormation".into(),
                name: Some("shop".into()),
            });
        },
        |case| case.owner = None,
    ),
];

fn wants(case: &mut Case, desired: Desired) -> Then {
    case.desired = desired;
    case.now += 10_000;
    case.read_at = case.now;
    case.settle()
}

/// It was moved and put back, so many times.
fn after_rollbacks(mut case: Case, times: usize) -> Case {
    for _ in 0..times {
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
    }
    case
}

/// A template, a parameter with a label, and a group that pins the template's first version.
fn all_kinds() -> Case {
    Case {
        values: vec![image_id(1).to_string()],
        labels: vec![("prod".to_owned(), 1)],
        parts: vec![pins(Place::Template, 1)],
        ..Case::new()
    }
}

/// A parameter with a label.
fn labelled() -> Case {
    Case {
        versions: Vec::new(),
        values: vec![image_id(1).to_string()],
        labels: vec![("prod".to_owned(), 1)],
        ..Case::new()
    }
}

#[test]
fn what_was_put_back_and_is_kept_from_being_moved_again_stays_on_record_as_it_was() {
    for (why, keeps, lets_go) in KEEPS {
        let mut case = after_rollbacks(all_kinds(), 2);
        let (before, changes) = (case.rows.clone(), case.changes.len());
        keeps(&mut case);
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        assert_eq!((case.changes.len(), case.rows.len()), (changes, 3), "{why}");
        for (row, was) in case.rows.iter().zip(&before) {
            assert!(row.message.is_some(), "{row:?}");
            let expected = MovedConsumer {
                reason: Some(why.to_owned()),
                message: row.message.clone(),
                ..was.clone()
            };
            assert_eq!((row, row.state), (&expected, ConsumerState::PutBack));
            assert_eq!((told(Some(was), row), told(Some(row), row)), (Some(Told::Left), None));
        }
        let says = case.decide(0).says.expect("it says so");
        let message = "No moved consumer launches the copy. 3 are left as they are: status.consumers says why.";
        assert_eq!(says, (Status::False, reason::CONSUMERS_LEFT, message.to_owned()));

        // To launch the original is what a rollback wants.
        let kept = case.rows.clone();
        assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
        assert_eq!(case.rows, before, "{why}");
        assert!(
            kept.iter()
                .zip(&before)
                .all(|(kept, now)| told(Some(kept), now).is_none())
        );
        let (_, _, message) = case.decide(0).says.expect("it says so");
        assert_eq!(message, "3 moved consumers launch as before.");

        // Nothing is lost: the default version, the label and the group go along.
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        assert_eq!(case.rows.iter().filter(|row| is_left(row)).count(), 3, "{why}");
        lets_go(&mut case);
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        let is_moved = |row: &MovedConsumer| row.state == ConsumerState::Moved && row.reason.is_none();
        assert!(
            case.rows.iter().all(|row| is_moved(row) && row.message.is_none()),
            "{:?}",
            case.rows
        );
        assert_eq!(
            (case.default, case.launches(case.latest())),
            (case.latest(), image_id(2))
        );
        assert_eq!(case.launched_by("prod"), image_id(2).as_str());
        assert_eq!(case.parts, [pins(Place::Template, 2)]);
    }
}

#[test]
fn what_is_said_of_it_goes_when_it_names_the_original_no_more_or_nobody_asks_for_its_kind() {
    let held = || {
        let mut case = after_rollbacks(Case::new(), 1);
        case.tags = vec![(labels::TAG_HOLD, "")];
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        assert_eq!(case.reason(), Some(left::HELD));
        case
    };
    let mut case = held();
    let next = case.latest() + 1;
    case.versions.push(version(next, 9));
    case.default = next;
    assert_eq!((wants(&mut case, Desired::Migrated), case.rows.len()), (Then::Rest, 0));

    let mut case = held();
    case.promotion().launch_templates = ConsumerUpdate::Report;
    assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
    assert_eq!((case.rows[0].state, case.reason()), (ConsumerState::PutBack, None));
}

#[test]
fn what_is_begun_again_and_put_back_before_anything_was_made_takes_along_what_it_did_before() {
    // A template's default says the same as its latest version after two rollbacks only by what is on record.
    for (case, times) in [(Case::new(), 2), (labelled(), 1)] {
        let mut case = after_rollbacks(case, times);
        case.desired = Desired::Migrated;
        case.now += 10_000;
        case.read_at = case.now;
        assert_eq!(case.step(0, false), None);
        assert_eq!(
            (case.rows[0].state, &case.rows[0].current),
            (ConsumerState::Moving, &None)
        );
        case.desired = Desired::RolledBack;
        assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
        assert_eq!(wants(&mut case, Desired::RolledBack), Then::Rest);
        assert_eq!(
            (case.rows[0].state, &case.rows[0].current),
            (ConsumerState::PutBack, &None)
        );
        assert_eq!(wants(&mut case, Desired::Migrated), Then::Rest);
        assert_eq!(
            (case.rows[0].state, &case.rows[0].message),
            (ConsumerState::Moved, &None)
        );
        if case.versions.is_empty() {
            assert_eq!(case.launched_by("prod"), image_id(2).as_str());
        } else {
            assert_eq!(case.default, case.latest());
        }
    }
}

#[test]
fn what_was_put_back_and_does_not_show_yet_is_waited_for() {
    let grouped = Case {
        versions: Vec::new(),
        parts: vec![GroupPart {
            at: Place::Image(1),
            names: Named::Image(ImageRef::Image(image_id(1))),
        }],
        ..Case::new()
    };
    // By how many changes it was put back.
    for (case, changes) in [(Case::new(), 2), (labelled(), 2), (grouped, 1)] {
        let mut case = after_rollbacks(case, 1);
        let before = case.rows.clone();
        case.desired = Desired::Migrated;
        case.now += 1;
        case.read_at = case.now;
        for behind in 1..=changes {
            assert_eq!(case.step(behind, false), Some(Then::Later(LOOK_AGAIN)), "{behind}");
            assert_eq!(case.rows, before, "{behind}");
        }
        assert_eq!(case.settle(), Then::Rest);
        let row = &case.rows[0];
        assert_eq!((row.state, &row.message), (ConsumerState::Moved, &None));
    }
}

#[test]
fn each_thing_that_becomes_of_a_consumer_is_told_once() {
    use ConsumerState::{Left, Moved, Moving, PutBack, PuttingBack, Refreshing};
    let row = |(state, why): (ConsumerState, Option<&str>)| MovedConsumer {
        state,
        reason: why.map(str::to_owned),
        previous: Some(ConsumerVersions::default()),
        ..MovedConsumer::default()
    };
    let held = Some(left::HELD);
    for (before, after, expected) in [
        (None, (Moving, None), None),
        (Some((Moving, None)), (Moved, None), Some(Told::Moved)),
        (Some((Moved, None)), (Moved, None), None),
        (Some((Moving, None)), (Refreshing, None), Some(Told::Refreshing)),
        (Some((Moving, None)), (Left, held), Some(Told::Left)),
        (Some((Left, held)), (Moving, None), None),
        (Some((Moved, None)), (PuttingBack, None), None),
        (Some((PuttingBack, None)), (PutBack, None), Some(Told::PutBack)),
        (None, (PutBack, None), Some(Told::PutBack)),
        (Some((PutBack, None)), (PutBack, held), Some(Told::Left)),
        (Some((PutBack, held)), (PutBack, Some(left::OWNED)), Some(Told::Left)),
        (Some((PutBack, held)), (PutBack, None), None),
    ] {
        let before = before.map(row);
        assert_eq!(told(before.as_ref(), &row(after)), expected, "{before:?} {after:?}");
    }
    // What was never changed is only said.
    let untouched = MovedConsumer {
        previous: None,
        ..row((Left, held))
    };
    assert_eq!(told(None, &untouched), None);
}
