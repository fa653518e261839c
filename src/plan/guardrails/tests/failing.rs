//! Calls that fail, and readings that do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::stage::{ENCRYPTION, IMAGES, Stage, failed};
use super::{BLOCK, SET_KEY, TURN_ON};
use crate::api::conditions::reason;
use crate::domain::{AwsError, Cause, ErrorClass, Operation};
use crate::plan::guardrails::request::problem_of;
use crate::plan::guardrails::{GuardrailWatch, KeyStanding};
use crate::plan::testing::{at, key};

fn denied() -> AwsError {
    failed(BLOCK, ErrorClass::Denied)
}

#[test]
fn what_is_denied_says_which_action_to_allow_and_is_tried_again_after_ten_minutes() {
    let mut stage = Stage::new();
    stage.fails = Some((denied(), false));
    stage.visits((0, 595));
    assert_eq!(stage.count(BLOCK), 1);
    assert_eq!(stage.says(), "False/Forbidden");
    let words = "grant ec2:EnableImageBlockPublicAccess to the role";
    assert!(stage.message().contains(words), "{}", stage.message());
    assert_eq!(
        stage.row(IMAGES).expect("a row").requested_at,
        None,
        "nothing is asked for"
    );
    stage.visits((600, 1000));
    assert_eq!((stage.count(BLOCK), stage.says().as_str()), (2, "False/Forbidden"));
    // Somebody allows it, and asks for a scan.
    stage.fails = None;
    stage.watch.renewed();
    stage.visits((1005, 1030));
    assert_eq!((stage.count(BLOCK), stage.says().as_str()), (3, "True/Enforced"));
    assert_eq!(stage.drifts(IMAGES), 0);
}

#[test]
fn while_it_is_read_anew_who_launches_the_same_is_said_of_what_was_asked_or_has_failed() {
    for (fails, says) in [(true, "False/Forbidden"), (false, "False/Requested")] {
        let mut stage = Stage::of_encryption();
        stage.fails = fails.then(|| (failed(SET_KEY, ErrorClass::Denied), false));
        stage.lag = 100_000;
        stage.visits((0, 100));
        assert_eq!((stage.says().as_str(), stage.count(SET_KEY)), (says, 1));
        let status = stage.status.clone();
        (stage.standing, stage.knows_launchers) = (KeyStanding::Waiting, false);
        stage.watch.scanned();
        for second in (105..200).step_by(5) {
            stage.visit(second);
            assert_eq!(stage.status, status, "{second}");
        }
        (stage.standing, stage.knows_launchers) = (KeyStanding::Usable(key(1)), true);
        stage.visits((200, 300));
        assert_eq!((&stage.status, stage.count(SET_KEY)), (&status, 1));
    }

    // AWS must have shown it by now, and is not asked again.
    let mut stage = Stage::new();
    stage.lag = 100_000;
    stage.visits((0, 800));
    (stage.standing, stage.knows_launchers) = (KeyStanding::Waiting, false);
    (stage.images, stage.snapshots) = ("block-new-sharing", "block-new-sharing");
    stage.visits((805, 1000));
    assert_eq!((stage.says().as_str(), stage.count(SET_KEY)), ("Unknown/NotRead", 1));
}

#[test]
fn a_call_of_which_it_is_not_known_whether_aws_has_taken_it_is_not_made_again_at_once() {
    let lost = failed(BLOCK, ErrorClass::Transient);
    for is_taken in [true, false] {
        let mut stage = Stage::new();
        stage.fails = Some((lost.clone(), is_taken));
        stage.visits((0, 20));
        stage.fails = None;
        stage.visits((25, 895));
        assert_eq!(stage.count(BLOCK), 1, "{is_taken}");
        // Of encryption the key alone was taken.
        let holds = stage.row(IMAGES).expect("a row").holds;
        assert_eq!((stage.says().as_str(), holds), ("False/Requested", Some(is_taken)));
        stage.visits((900, 1900));
        assert_eq!(stage.says(), "True/Enforced");
        assert_eq!(stage.count(BLOCK), if is_taken { 1 } else { 2 });
    }
}

#[test]
fn where_there_is_no_room_within_the_limits_it_waits_on_record() {
    let mut stage = Stage::new();
    let no_room = AwsError {
        cause: Some(Cause::NoRoom),
        retry_after: Some(std::time::Duration::from_secs(20)),
        ..failed(BLOCK, ErrorClass::Throttled)
    };
    stage.fails = Some((no_room, false));
    stage.visits((0, 10));
    let tries = stage.calls.len();
    assert_eq!(stage.says(), "False/Requested", "that is no failure");
    let since = stage.row(IMAGES).expect("a row").requested_at.clone();
    stage.fails = None;
    stage.visits((15, 20));
    assert_eq!(stage.calls.len(), tries);
    stage.visits((25, 60));
    assert_eq!(stage.says(), "True/Enforced");
    assert_eq!(stage.row(IMAGES).expect("a row").requested_at, since);
}

#[test]
fn where_the_key_is_set_and_encryption_is_refused_the_rest_follows_later() {
    let mut stage = Stage::new();
    stage.visit(0);
    let asked = crate::plan::guardrails::asked(&stage.spec, stage.spec.guardrails.as_ref(), &[]);
    let changes = stage.watch.changes(&asked[0], &stage.key);
    assert_eq!(changes.len(), 2);
    stage.watch.begins(ENCRYPTION, crate::plan::testing::at(1));
    stage.default_key = crate::plan::testing::key(1).as_str().into();
    let refused = failed(TURN_ON, ErrorClass::Denied);
    let now = crate::plan::testing::at(1);
    stage.watch.failed(ENCRYPTION, &refused, true, now, |wait| wait);
    stage.visits((5, 895));
    assert_eq!((stage.count(SET_KEY), stage.count(TURN_ON)), (0, 0));
    assert_eq!(stage.says(), "False/Forbidden");
    stage.visits((900, 1000));
    assert_eq!((stage.count(SET_KEY), stage.count(TURN_ON)), (0, 1));
    assert_eq!(stage.says(), "True/Enforced");
}

#[test]
fn what_cannot_be_read_is_unknown_and_nothing_is_set_by_it() {
    let reads = Operation::GetImageBlockPublicAccessState;
    for (class, expected) in [
        (ErrorClass::Denied, "False/Forbidden"),
        (ErrorClass::Transient, "Unknown/NotRead"),
        (ErrorClass::Invalid, "Unknown/NotRead"),
    ] {
        let mut stage = Stage::sound();
        stage.visits((0, 100));
        let held = stage.row(IMAGES).expect("a row").held_since.clone();
        stage.unread = Some(failed(reads, class));
        stage.images = "unblocked";
        stage.watch.scanned();
        stage.visits((105, 300));
        assert_eq!((stage.says().as_str(), stage.calls.len()), (expected, 0), "{class:?}");
        let row = stage.row(IMAGES).expect("a row");
        assert_eq!((row.state.as_deref(), row.holds), (None, None), "{class:?}");
        assert_eq!((&row.held_since, row.drifts), (&held, 0), "{class:?}");
        stage.unread = None;
        stage.visits((305, 1000));
        assert_eq!((stage.count(BLOCK), stage.drifts(IMAGES)), (1, 1), "{class:?}");
    }
}

#[test]
fn one_failed_reading_says_nothing_else_than_before() {
    let mut stage = Stage::sound();
    stage.visits((0, 100));
    let status = stage.status.clone();
    stage.unread = Some(failed(Operation::GetEbsEncryptionByDefault, ErrorClass::Throttled));
    stage.watch.scanned();
    stage.visit(105);
    stage.unread = None;
    assert_eq!(stage.status, status);
    stage.visits((110, 200));
    assert_eq!(stage.status, status);
}

#[test]
fn one_failed_reading_takes_nothing_from_what_is_known_of_the_key() {
    let mut stage = Stage::new();
    let why = "The account may not use it.".to_owned();
    stage.standing = KeyStanding::Unusable(crate::plan::testing::key(1), why);
    stage.visits((0, 100));
    assert_eq!(stage.says(), "False/KeyNotUsable");
    stage.unread = Some(failed(Operation::GetEbsEncryptionByDefault, ErrorClass::Throttled));
    stage.watch.scanned();
    stage.visit(105);
    stage.unread = None;
    assert_eq!(stage.says(), "False/KeyNotUsable");
}

#[test]
fn what_aws_refuses_is_said_until_it_is_asked_again_and_not_tried_later_for_what_somebody_has_set() {
    let mut stage = Stage::new();
    stage.fails = Some((failed(BLOCK, ErrorClass::Invalid), false));
    stage.visit(0);
    for second in (5..20_000).step_by(5) {
        stage.visits((second, second));
        assert_eq!(stage.says(), "False/InvalidRequest", "{second}");
    }
    let tries = stage.count(BLOCK);
    assert!(tries > 1, "it is tried again");
    // Somebody sets all of it, and somebody turns one off.
    stage.fails = None;
    stage.is_on = true;
    stage.default_key = crate::plan::testing::key(1).as_str().into();
    (stage.images, stage.snapshots) = ("block-new-sharing", "block-new-sharing");
    stage.watch.scanned();
    stage.visits((20_000, 20_010));
    assert_eq!(stage.says(), "True/Enforced");
    stage.images = "unblocked";
    stage.watch.scanned();
    stage.visits((20_015, 20_060));
    assert_eq!(
        (stage.count(BLOCK), stage.says().as_str()),
        (tries + 1, "True/Enforced")
    );
}

#[test]
fn while_nothing_is_read_for_long_it_is_not_known_any_more() {
    let mut stage = Stage::sound();
    stage.visits((0, 20));
    let asked = crate::plan::guardrails::asked(&stage.spec, stage.spec.guardrails.as_ref(), &[]);
    for (second, expected) in [(1799, "True/Enforced"), (1900, "Unknown/NotRead")] {
        let before = stage.status.clone();
        let view = crate::plan::guardrails::View {
            spec: &stage.spec,
            asked: &asked,
            watch: &stage.watch,
            key: &stage.key,
            generation: Some(1),
            now: crate::plan::testing::at(second),
        };
        crate::plan::guardrails::tell(&mut stage.status, &before, &view);
        assert_eq!(stage.says(), expected, "{second}");
    }
    assert_eq!(stage.row(IMAGES).expect("a row").holds, None);
}

#[test]
fn what_an_earlier_process_has_said_is_not_known_any_more_where_no_scan_succeeds_for_long() {
    let mut stage = Stage::sound();
    stage.status.last_scan_time = Some(Time(at(0)));
    stage.visits((0, 20));
    let held = stage.row(IMAGES).expect("a row").held_since.clone();
    stage.watch = GuardrailWatch::default();
    let asked = crate::plan::guardrails::asked(&stage.spec, stage.spec.guardrails.as_ref(), &[]);
    for (second, says, holds) in [
        (1799, "True/Enforced", Some(true)),
        (1800, "Unknown/NotRead", None),
        (5000, "Unknown/NotRead", None),
    ] {
        let before = stage.status.clone();
        let view = crate::plan::guardrails::View {
            spec: &stage.spec,
            asked: &asked,
            watch: &stage.watch,
            key: &stage.key,
            generation: Some(1),
            now: at(second),
        };
        crate::plan::guardrails::tell(&mut stage.status, &before, &view);
        assert_eq!(stage.says(), says, "{second}");
        for row in &stage.status.guardrails {
            assert_eq!((row.holds, row.state.is_some()), (holds, holds.is_some()), "{row:#?}");
        }
    }
    let encryption = stage.row(ENCRYPTION).expect("a row");
    assert_eq!((&encryption.key_arn, encryption.message.is_some()), (&None, true));
    assert_eq!(
        stage.row(IMAGES).expect("a row").held_since,
        held,
        "it may be a drift yet"
    );
}

#[test]
fn what_aws_says_of_a_declarative_policy_is_told_from_a_lacking_right() {
    let held = AwsError {
        code: Some("OperationNotPermitted".into()),
        said: Some("This setting is managed by a declarative policy".into()),
        ..denied()
    };
    assert_eq!(problem_of(&held).reason, reason::HELD_BY_DECLARATIVE_POLICY);
    assert_eq!(problem_of(&denied()).reason, reason::FORBIDDEN);
    assert_eq!(
        problem_of(&failed(BLOCK, ErrorClass::Throttled)).reason,
        reason::THROTTLED
    );
}
