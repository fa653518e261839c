//! When consumers are moved, when no more are, and putting back what is not on record.

use super::super::turn::OUT_OF_SCHEDULE;
use super::super::*;
use super::case::{Case, version};
use crate::api::{Approval, ApprovalPolicy, PromotionSchedule};
use crate::domain::{Cause, ErrorClass, Operation};
use crate::plan::testing::{failed_call, image_id};
use crate::plan::usage::Graph;

type Act = fn(&mut Case);

/// What puts moving off; first nothing.
const PAUSES: [(&str, Act); 4] = [
    ("nothing", |_| {}),
    ("closed", |case| case.promotion().schedule = once_a_year()),
    ("busy", |case| case.turn = Turn::Busy),
    ("full", |case| case.turn = Turn::DayIsFull),
];

/// Windows of which none is open but in the first minutes of a year.
fn once_a_year() -> Option<PromotionSchedule> {
    Some(PromotionSchedule {
        cron: "0 0 1 1 *".to_owned(),
        time_zone: "UTC".to_owned(),
        duration: "5m".parse().expect("a duration"),
    })
}

#[test]
fn no_more_is_moved_once_as_many_moves_have_failed_as_the_policy_allows() {
    for failures in [4, 5, 6] {
        let mut case = Case::new();
        case.failures = failures;
        match (case.settle(), failures) {
            (Then::Rest, 4) => assert_eq!(case.default, 2),
            (Then::Stalled(problem), 5..) => {
                assert_eq!((problem.reason, case.changes.len()), (reason::TOO_MANY_FAILURES, 0));
            }
            (other, _) => panic!("{failures}: {other:?}"),
        }
    }
}

#[test]
fn nothing_is_begun_outside_of_the_schedule_and_a_rollback_waits_for_none() {
    let mut case = Case::new();
    // Nine hours into the year.
    case.now += 3600 * 9;
    case.read_at = case.now;
    case.promotion().schedule = once_a_year();
    let then = case.settle();
    assert_eq!((then, case.changes.len()), (Then::Later(pace::LOOK_AT_LEAST), 0));
    let (_, _, message) = case.decide(0).says.expect("it says so");
    assert_eq!(message, OUT_OF_SCHEDULE);
    case.promotion().schedule = None;
    // What has begun is brought to its end.
    assert_eq!(case.step(0, false), None);
    case.promotion().schedule = once_a_year();
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.default), (Then::Rest, 1));
}

#[test]
fn what_a_person_has_to_see_to_is_said_the_same_in_and_out_of_a_window_and_whoevers_turn_it_is() {
    let stands: [(&str, Act); 4] = [
        (reason::KEY_NOT_USABLE, |case| case.allows = false),
        // Of what could not be read somebody has to approve it.
        (reason::KEY_NOT_USABLE, |case| {
            case.cannot_read_groups(ErrorClass::Denied, None);
        }),
        (reason::APPROVAL_REQUIRED, |case| {
            case.promotion().approval = ApprovalPolicy::Manual;
        }),
        (reason::TOO_MANY_FAILURES, |case| case.failures = 100),
    ];
    for (why, stands) in stands {
        let outcomes = PAUSES.map(|(what, pauses)| {
            let mut case = Case::new();
            stands(&mut case);
            pauses(&mut case);
            let Then::Stalled(problem) = case.settle() else {
                panic!("{why}, {what}: {:?}", case.decide(0))
            };
            assert_eq!((problem.reason, case.changes.len()), (why, 0), "{what}");
            case.decide(0)
        });
        let (first, others) = outcomes.split_first().expect("outcomes");
        assert!(others.iter().all(|other| other == first), "{why}: {outcomes:?}");
    }
    // Nor is anything else said while that is still to be read of the key.
    for (what, pauses) in &PAUSES[1..] {
        let mut case = Case::new();
        pauses(&mut case);
        let (unread, read) = (case.decide_without_key(), case.decide(0));
        assert_eq!(unread.then, Then::ReadAccess, "{what}");
        assert!(matches!(read.then, Then::Later(_)), "{what}: {read:?}");
        assert_eq!((unread.rows, unread.says), (read.rows, read.says), "{what}");
    }
}

#[test]
fn nothing_is_begun_by_what_was_read_of_the_key_long_before_the_window() {
    for (what, pauses) in PAUSES {
        let is_put_off = what != "nothing";
        let case = |allowed, allows| {
            let mut case = Case::new();
            (case.allowed, case.allows) = (Some(allowed), allows);
            pauses(&mut case);
            case
        };
        // While it is put off, that was read, and nobody reads it again. Where it is not, nothing is on record before that was read.
        let unread = case(true, false).decide_without_key();
        assert!(unread.rows.is_empty(), "{what}");
        assert_eq!(matches!(unread.then, Then::Later(_)), is_put_off, "{what}: {unread:?}");
        assert_eq!(unread.then == Then::ReadAccess, !is_put_off, "{what}: {unread:?}");
        // What it says by now counts.
        let mut taken_away = case(true, false);
        let then = taken_away.settle();
        assert_eq!(taken_away.changes.len(), 0, "{what}");
        let is_stalled = matches!(&then, Then::Stalled(problem) if problem.reason == reason::KEY_NOT_USABLE);
        assert_eq!(is_stalled, !is_put_off, "{what}: {then:?}");
        let mut allowed = case(true, true);
        allowed.settle();
        assert_eq!(allowed.default == 2, !is_put_off, "{what}");
        // That they may not use it stays said until all is read again.
        let mut refused = case(false, true);
        let then = refused.settle();
        let is_stalled = matches!(&then, Then::Stalled(problem) if problem.reason == reason::KEY_NOT_USABLE);
        assert!(is_stalled && refused.changes.is_empty(), "{what}: {then:?}");
    }
}

#[test]
fn where_listings_have_several_pages_nothing_is_moved_by_one_reading_of_them() {
    let mut case = Case::new();
    case.paged = true;
    let then = case.settle();
    assert!(matches!(then, Then::Later(_)), "{then:?}");
    assert!(case.changes.is_empty() && case.rows.is_empty(), "{:?}", case.rows);
    let (_, _, message) = case.decide(0).says.expect("it says so");
    assert!(message.contains("read a second time"), "{message}");
    // Somebody knows that whoever launches it may use the key.
    case.approval = Approval::Approved;
    assert_eq!((case.settle(), case.default), (Then::Rest, 2));
    // What could not be told by either reading, or not be asked, is no reason to wait for another.
    let acts: [fn(&mut Graph); 2] = [
        |_| {},
        |graph| graph.not_confirmed(&failed_call(Operation::DescribeImageReferences, ErrorClass::Denied)),
    ];
    for act in acts {
        let mut again = Case::new();
        again.paged = true;
        let mut before = again.picture().graph;
        act(&mut before);
        again.before = Some(before);
        assert_eq!((again.settle(), again.default), (Then::Rest, 2));
    }
}

#[test]
fn what_could_not_be_read_for_a_moment_changes_nothing_while_moving_is_put_off_anyway() {
    let unread: [(ErrorClass, Option<Cause>, bool); 6] = [
        (ErrorClass::Throttled, None, true),
        (ErrorClass::Transient, None, true),
        (ErrorClass::Transient, Some(Cause::Timeout), true),
        (ErrorClass::Transient, Some(Cause::Unreachable), true),
        (ErrorClass::Denied, None, false),
        (ErrorClass::Invalid, None, false),
    ];
    for (class, cause, passes) in unread {
        for (what, pauses) in PAUSES {
            let decides = |acts: &[&dyn Fn(&mut Case)]| {
                let mut case = Case::new();
                pauses(&mut case);
                acts.iter().for_each(|act| act(&mut case));
                let then = case.settle();
                assert_eq!(case.changes.len(), 0, "{what}");
                (then, case.decide(0).says)
            };
            let cannot_read = |case: &mut Case| case.cannot_read_groups(class, cause);
            let may_not = |case: &mut Case| case.allows = false;
            let denied = |case: &mut Case| {
                let error = failed_call(Operation::DescribeFleets, ErrorClass::Denied);
                case.unread.insert(ConsumerKind::Fleet, error);
            };
            let (then, says) = decides(&[&cannot_read]);
            let case = format!("{what}, {class:?} {cause:?}");
            if passes && what != "nothing" {
                assert!(matches!(then, Then::Later(_)), "{case}: {then:?}");
                assert_eq!((then, says), decides(&[]), "{case}");
                // What stays is said as before.
                assert_eq!(decides(&[&cannot_read, &may_not]), decides(&[&may_not]), "{case}");
                assert_eq!(decides(&[&cannot_read, &denied]), decides(&[&denied]), "{case}");
            } else {
                let is_stalled = matches!(&then, Then::Stalled(problem) if problem.reason == reason::KEY_NOT_USABLE);
                assert!(is_stalled, "{case}: {then:?}");
            }
        }
    }
}

#[test]
fn what_was_moved_is_put_back_also_where_nothing_of_it_is_on_record() {
    let mut case = Case::new();
    case.values = vec![image_id(1).to_string()];
    assert_eq!(case.settle(), Then::Rest);
    assert_eq!((case.default, case.values.len()), (2, 2));
    case.rows.clear();
    case.desired = Desired::RolledBack;
    case.read_at = case.now;
    assert_eq!(case.settle(), Then::Rest, "{:?}", case.rows);
    assert_eq!(
        (case.default, case.launches(1), case.launches(case.latest())),
        (1, image_id(1), image_id(1))
    );
    assert_eq!(case.values.last(), Some(&image_id(1).to_string()));
    assert!(
        case.rows.iter().all(|row| row.state == ConsumerState::PutBack),
        "{:?}",
        case.rows
    );

    // What people have had launch the copy stays.
    let mut case = Case::new();
    case.versions = vec![version(1, 2)];
    case.values = vec![image_id(2).to_string()];
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.changes.len(), case.rows.len()), (Then::Rest, 0, 0));
}

#[test]
fn a_migration_goes_on_unless_its_original_is_gone_or_somebody_keeps_it_from_that() {
    use crate::api::conditions::{self, Writer};
    use crate::api::{AMIMigration, AMIMigrationSpec, AMIMigrationStatus};
    use {conditions::CONSUMERS_MOVED, conditions::READY, conditions::STALLED};
    for (desired, says, is_gone, expected) in [
        (Desired::Migrated, None, false, true),
        (Desired::RolledBack, None, false, true),
        (Desired::Held, None, false, false),
        (
            Desired::RolledBack,
            Some((CONSUMERS_MOVED, reason::IMAGE_DISABLED)),
            false,
            false,
        ),
        (
            Desired::RolledBack,
            Some((CONSUMERS_MOVED, reason::SOURCE_NOT_SHARED)),
            false,
            false,
        ),
        (Desired::Migrated, Some((CONSUMERS_MOVED, reason::HELD)), false, false),
        // AWS refuses to change a consumer: others do not wait for a person.
        (Desired::Migrated, Some((STALLED, reason::ACCESS_DENIED)), false, false),
        (
            Desired::RolledBack,
            Some((STALLED, reason::INVALID_REQUEST)),
            false,
            false,
        ),
        (Desired::Migrated, Some((READY, reason::SUSPENDED)), false, false),
        (Desired::RolledBack, Some((READY, reason::AUDIT)), false, false),
        (
            Desired::Migrated,
            Some((CONSUMERS_MOVED, reason::MOVING_CONSUMERS)),
            false,
            true,
        ),
        (Desired::Migrated, None, true, false),
    ] {
        let spec = AMIMigrationSpec {
            desired,
            ..AMIMigrationSpec::default()
        };
        let mut status = AMIMigrationStatus {
            source_gone_time: is_gone.then_some(Time(Timestamp::UNIX_EPOCH)),
            ..AMIMigrationStatus::default()
        };
        let mut writer = Writer {
            conditions: &mut status.conditions,
            generation: None,
            now: Timestamp::UNIX_EPOCH,
        };
        if let Some((type_, why)) = says {
            let is = if type_ == STALLED {
                conditions::Status::True
            } else {
                conditions::Status::False
            };
            writer.set(type_, is, why, "");
        }
        let mut migration = AMIMigration::new("m", spec);
        migration.status = Some(status);
        assert_eq!(goes_on(&migration), expected, "{desired:?} {says:?} {is_gone}");
    }

    // One consumer is held, and another one may be in the middle of its move.
    for (state, expected) in [(ConsumerState::Moving, true), (ConsumerState::PuttingBack, false)] {
        let row = MovedConsumer {
            state,
            ..MovedConsumer::default()
        };
        let mut status = AMIMigrationStatus {
            consumers: vec![row],
            ..AMIMigrationStatus::default()
        };
        let mut writer = Writer {
            conditions: &mut status.conditions,
            generation: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let message = "Consumers that are to be put back have the tag amiseal.dev/hold: remove it from p.";
        writer.set(CONSUMERS_MOVED, conditions::Status::False, reason::HELD, message);
        let mut migration = AMIMigration::new("m", AMIMigrationSpec::default());
        migration.status = Some(status);
        assert_eq!(goes_on(&migration), expected, "{state:?}");
    }
}

#[test]
fn what_aws_has_refused_is_tried_again_when_no_consumer_of_another_image_is_moved() {
    let mut case = Case::new();
    // What is to be changed is on record.
    assert_eq!(case.step(0, false), None);
    case.turn = Turn::Busy;
    assert!(
        matches!(case.decide(0).then, Then::Do(..)),
        "others wait for what has begun"
    );
    // Now AWS refuses it, and others do not wait.
    case.stalled = true;
    assert_eq!((case.settle(), case.changes.len()), (Then::Behind(TURN), 0));
    for turn in [Turn::DayIsFull, Turn::Free] {
        case.turn = turn;
        assert!(matches!(case.decide(0).then, Then::Do(..)), "it is counted: {turn:?}");
    }
    // A rollback waits for nobody's turn.
    (case.turn, case.desired) = (Turn::Busy, Desired::RolledBack);
    assert_eq!(case.settle(), Then::Later(LOOK_AGAIN));
    case.now += 10_000;
    assert_eq!((case.settle(), case.changes.len()), (Then::Rest, 0));
    assert!(case.rows.iter().all(|row| row.state == ConsumerState::PutBack));
}

#[test]
fn what_was_stalled_begins_anew_when_it_goes_on() {
    use crate::api::conditions::{self, Writer};
    let status = |state: Option<ConsumerState>, is_stalled: bool| {
        let row = |state| MovedConsumer {
            kind: ConsumerKind::Parameter.as_str().to_owned(),
            id: "p".to_owned(),
            state,
            ..MovedConsumer::default()
        };
        let mut status = AMIMigrationStatus {
            consumers: state.map(row).into_iter().collect(),
            ..AMIMigrationStatus::default()
        };
        let is = if is_stalled {
            conditions::Status::True
        } else {
            conditions::Status::False
        };
        let mut writer = Writer {
            conditions: &mut status.conditions,
            generation: None,
            now: Timestamp::UNIX_EPOCH,
        };
        writer.set(conditions::STALLED, is, reason::ACCESS_DENIED, "");
        status
    };
    let (moving, moved) = (Some(ConsumerState::Moving), Some(ConsumerState::Moved));
    for (before, was_stalled, after, expected) in [
        (None, false, moving, true),
        (None, true, moving, true),
        (moving, false, moving, false),
        (moving, true, moving, true),
        (moving, true, moved, false),
        (moving, false, moved, false),
        (moved, false, Some(ConsumerState::Refreshing), true),
        (moved, true, Some(ConsumerState::PuttingBack), false),
    ] {
        let is_begun = begins(&status(before, was_stalled), &status(after, false));
        assert_eq!(is_begun, expected, "{before:?} {was_stalled} {after:?}");
        assert!(
            !begins(&status(after, was_stalled), &status(after, true)),
            "it goes on with nothing"
        );
        let key = ConsumerKey {
            kind: ConsumerKind::Parameter,
            id: "p".into(),
        };
        let is_again = tries_again(&status(before, was_stalled), &key);
        assert_eq!(is_again, before == moving && was_stalled, "{before:?} {was_stalled}");
    }
}
