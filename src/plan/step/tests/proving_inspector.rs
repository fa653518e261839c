//! The proof of a copy by what Amazon Inspector says of it, by itself and beside the others.

use super::*;
use crate::api::{InspectorState, InspectorStatus, LaunchState};
use crate::domain::{Checks, Extras, ImageScan, InstanceState, Vulnerability, WorstFinding};
use crate::plan::proof;

pub(super) const ID: &str = "i-0123456789abcdef0";
pub(super) const DAY: i64 = 24 * 3600;

pub(super) fn proving(validation: serde_json::Value) -> Case {
    let mut case = Case::new();
    // So that there is something to publish.
    case.permissions = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    case.settings.validation = serde_json::from_value(validation).expect("settings");
    case
}

fn by_inspector() -> Case {
    proving(serde_json::json!({"inspector": {"maximumSeverity": "High"}}))
}

/// Has the copy made, and gives what comes next.
pub(super) fn copied(case: &mut Case) -> (ImageId, Next) {
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let next = case.settle();
    (id, next)
}

/// Amazon Inspector scans the copy now.
pub(super) fn scans(case: &mut Case, id: &ImageId, worst: WorstFinding) {
    let scan = ImageScan {
        scanned: Some(at(case.now)),
        worst,
        ..ImageScan::default()
    };
    case.change_copy(id, |copy| {
        copy.extras = Some(Box::new(Extras {
            scan: Some(scan),
            ..Extras::default()
        }));
    });
}

pub(super) fn of(severity: Vulnerability) -> WorstFinding {
    WorstFinding::Of(severity)
}

pub(super) fn record(case: &Case) -> InspectorStatus {
    let validation = case.status.validation.as_ref().expect("a record");
    validation.inspector.clone().expect("what it says")
}

pub(super) fn says_of_proof(case: &Case) -> (&str, &str, &str) {
    let validated = conditions::find(&case.status.conditions, conditions::VALIDATED).expect("a condition");
    (&validated.status, &validated.reason, &validated.message)
}

pub(super) fn publishes(next: &Next) -> bool {
    matches!(next, Next::Do(Effect::Publish(..)))
}

#[test]
fn nothing_is_published_before_amazon_inspector_has_scanned_the_copy_and_found_nothing_too_severe() {
    let mut case = by_inspector();
    let (id, next) = copied(&mut case);
    // Each scan of the account and region lets it look again.
    assert_eq!(next, Next::Wait);
    assert_eq!(
        (case.reason(), case.state(), case.stalls()),
        (reason::VALIDATING, MigrationState::Validating, false)
    );
    let began = case.now;
    assert_eq!(record(&case).state, InspectorState::Waiting);
    // A restart loses nothing, and nothing is written while there is nothing new.
    case.now += DAY - 1;
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    assert_eq!(record(&case).waiting_since, Some(Time(at(began))));

    scans(&mut case, &id, of(Vulnerability::High));
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    let (is, why, message) = says_of_proof(&case);
    assert_eq!((is, why), ("True", reason::SUCCEEDED));
    assert_eq!(
        message,
        "Amazon Inspector has found nothing in the copy that is worse than High."
    );
    assert_eq!(record(&case).severity.as_deref(), Some("High"));
    case.answer(Answer::Published(&id));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    // What is published is not taken back, whatever is found later, or said by the settings.
    case.now += DAY;
    scans(&mut case, &id, of(Vulnerability::Critical));
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
}

#[test]
fn a_copy_that_was_published_before_the_proof_was_asked_for_stays_published() {
    let mut case = proving(serde_json::json!({}));
    let (id, next) = copied(&mut case);
    assert!(publishes(&next), "{next:?}");
    case.answer(Answer::Published(&id));
    case.settle();
    scans(&mut case, &id, of(Vulnerability::Critical));
    case.settings.validation = by_inspector().settings.validation;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    assert!(conditions::find(&case.status.conditions, conditions::VALIDATED).is_none());
}

#[test]
fn a_copy_that_is_too_severe_stalls_and_passes_with_a_later_scan_or_a_higher_maximum_and_is_never_made_again() {
    type Mend = fn(&mut Case, &ImageId);
    let mends: [Mend; 4] = [
        |case, copy| scans(case, copy, of(Vulnerability::Medium)),
        |case, copy| scans(case, copy, WorstFinding::Nothing),
        |case, _| {
            let higher = serde_json::json!({"inspector": {"maximumSeverity": "Critical"}});
            case.settings.validation = serde_json::from_value(higher).expect("settings");
        },
        |case, _| case.settings.validation.inspector = None,
    ];
    for (number, mend) in mends.into_iter().enumerate() {
        let mut case = by_inspector();
        let (id, _) = copied(&mut case);
        scans(&mut case, &id, of(Vulnerability::Critical));
        assert_eq!(case.settle(), Next::Wait);
        assert_eq!((case.reason(), case.stalls()), (reason::COPY_VULNERABLE, true));
        let (is, why, message) = says_of_proof(&case);
        assert_eq!((is, why), ("False", reason::COPY_VULNERABLE));
        for words in ["severity Critical", id.as_str(), "High is the worst", "raise"] {
            assert!(message.contains(words), "{message}");
        }
        // It rests, reading after reading, and whoever asks for another try does not get another copy.
        case.now += 9 * DAY;
        case.retry = Some("once more".to_owned());
        let before = case.status.clone();
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before), "{number}");

        mend(&mut case, &id);
        let next = case.settle();
        assert!(publishes(&next), "{number}: {next:?}");
        let copy = case.status.copy.as_ref().expect("a copy");
        assert_eq!((copy.image_id.as_deref(), copy.attempt), (Some(id.as_str()), 1));
        assert_eq!(case.status.validation.is_none(), number == 3);
    }
}

#[test]
fn a_copy_that_is_not_scanned_in_time_says_so_and_goes_on_once_it_is() {
    let mut case = by_inspector();
    let (id, _) = copied(&mut case);
    case.now += DAY;
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
    assert_eq!(record(&case).state, InspectorState::TimedOut);
    let (_, _, message) = says_of_proof(&case);
    assert!(
        message.contains("within 24h") && message.contains("excludeCopiedAmis"),
        "{message}"
    );
    case.now += 9 * DAY;
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));

    scans(&mut case, &id, WorstFinding::Nothing);
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert!(!case.stalls());
    assert_eq!(record(&case).state, InspectorState::Passed);
}

#[test]
fn where_it_is_not_asked_for_any_more_nothing_of_it_stays_and_asked_again_it_is_waited_for_anew() {
    let mut case = proving(serde_json::json!({
        "job": {"cronJob": "scan-image"},
        "inspector": {"maximumSeverity": "Low", "timeout": "1h"},
    }));
    case.may_make_job = false;
    let (_, next) = copied(&mut case);
    assert!(matches!(next, Next::Later(_)), "{next:?}");
    let inspector = case.settings.validation.inspector.take();
    case.settle();
    assert!(case.status.validation.as_ref().is_none_or(|v| v.inspector.is_none()));
    case.now += DAY;
    case.settings.validation.inspector = inspector;
    case.settings.validation.job = None;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::VALIDATING));
    assert_eq!(record(&case).waiting_since, Some(Time(at(case.now))));
}

#[test]
fn it_is_waited_for_beside_the_instance_and_all_have_to_pass() {
    let mut case = proving(serde_json::json!({
        "launch": {"instanceType": "t3.nano", "subnetID": "subnet-0123456789abcdef0", "timeout": "3h"},
        "job": {"cronJob": "scan-image"},
        "inspector": {"maximumSeverity": "Medium", "timeout": "1h"},
    }));
    let (id, next) = copied(&mut case);
    assert!(matches!(next, Next::Do(Effect::Launch(_))), "{next:?}");
    let began = case.now;
    assert_eq!(
        record(&case).waiting_since,
        Some(Time(at(began))),
        "from the beginning on"
    );
    case.answer(Answer::Launched(ID));
    let there = |state, checks| InstanceNow::There {
        id: ID.into(),
        state,
        reason: None,
        checks,
    };
    // It takes longer than it is waited for, and nobody says so before the others are through.
    case.now += 3600;
    case.instance = there(InstanceState::Running, Some(Checks::Ok));
    assert_eq!(case.settle(), Next::Do(Effect::Terminate(ID.into())));
    case.answer(Answer::Terminated);
    case.instance = there(InstanceState::ShuttingDown, None);
    let next = case.settle();
    assert!(matches!(next, Next::Do(Effect::CreateJob(_))), "{next:?}");
    assert!(!case.stalls());
    assert_eq!(record(&case).waiting_since, Some(Time(at(began))));
    case.answer(Answer::JobCreated("uid"));
    case.job = JobNow::Complete;
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
    assert!(!conditions::is_true(&case.status.conditions, conditions::VALIDATED));

    scans(&mut case, &id, of(Vulnerability::Low));
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    let (is, _, message) = says_of_proof(&case);
    assert_eq!(is, "True");
    assert_eq!(
        message,
        "An instance of the copy has passed both status checks, and the Job has completed. Amazon Inspector has found nothing in the \
         copy that is worse than Medium."
    );
    let launch = case.status.validation.as_ref().and_then(|v| v.launch.as_ref());
    assert_eq!(launch.map(|launch| launch.state), Some(LaunchState::Ended));
    assert!(proof::under_way(&case.status).is_none());
}

#[test]
fn under_suspend_and_in_audit_it_is_not_looked_at() {
    for (mode, suspend) in [(Mode::Audit, false), (Mode::Enforce, true)] {
        let mut case = by_inspector();
        let (id, _) = copied(&mut case);
        (case.settings.mode, case.settings.suspend) = (mode, suspend);
        scans(&mut case, &id, WorstFinding::Nothing);
        assert_eq!(case.settle(), Next::Wait, "{mode:?} {suspend}");
        assert_eq!(record(&case).state, InspectorState::Waiting);
        (case.settings.mode, case.settings.suspend) = (Mode::Enforce, false);
        let next = case.settle();
        assert!(publishes(&next), "{next:?}");
    }
}
