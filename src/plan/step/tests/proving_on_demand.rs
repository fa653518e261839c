//! The on-demand scan that Amazon Inspector is asked for of a copy: when, once, and what is said meanwhile.

use super::proving_inspector::{DAY, ID, copied, of, proving, publishes, record, says_of_proof, scans};
use super::*;
use crate::api::{InspectorState, OnDemandScanState, OnDemandScanStatus};
use crate::domain::{Checks, InstanceState, ScanProgress, Vulnerability, WorstFinding};
use crate::plan::proof;

fn on_demand() -> Case {
    proving(serde_json::json!({"inspector": {"maximumSeverity": "High", "scan": "OnDemand", "timeout": "2h"}}))
}

/// A scan as AWS shows it, which was started as soon as it could be.
fn shows(id: &str, progress: ScanProgress) -> Option<ScanNow> {
    shows_of(Case::new().now, id, progress)
}

fn shows_of(started: i64, id: &str, progress: ScanProgress) -> Option<ScanNow> {
    Some(ScanNow {
        id: id.into(),
        started: at(started),
        progress,
    })
}

fn scan_of(case: &Case) -> OnDemandScanStatus {
    record(case).scan.expect("a scan on record")
}

/// What AWS is asked for.
fn asked(next: Next) -> ScanRequest {
    match next {
        Next::Do(Effect::StartScan(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_scan_is_on_record_before_it_is_asked_for_once_and_what_ec2_shows_is_what_counts() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    let request = asked(next);
    let announced = scan_of(&case);
    assert_eq!((&request.image, &request.client_token), (&id, &announced.client_token));
    assert_eq!(announced.state, OnDemandScanState::Requesting);
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATING, false));
    // The answer is lost, and whoever comes next is the same that asks, until the scan shows.
    case.now += 60;
    assert_eq!(asked(case.settle()), request);
    case.scan = shows("scan-1", ScanProgress::InProgress);
    assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
    assert_eq!(scan_of(&case).scan_id.as_deref(), Some("scan-1"));
    let before = case.status.clone();
    assert_eq!(
        (case.settle(), &case.status),
        (Next::Later(proof::on_demand::LOOK_AGAIN), &before)
    );
    assert!(case.status.conditions.iter().any(|one| one.message.contains("scan-1")));
    // It has ended, and EC2 does not show it yet.
    case.scan = shows("scan-1", ScanProgress::Successful);
    assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
    assert_eq!(scan_of(&case).state, OnDemandScanState::Succeeded);
    scans(&mut case, &id, of(Vulnerability::High));
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert_eq!(record(&case).state, InspectorState::Passed);
}

#[test]
fn no_scan_is_asked_for_before_the_instance_has_passed_nor_where_ec2_shows_one_nor_where_the_policy_does_not_say_so() {
    let mut case = proving(serde_json::json!({
        "launch": {"instanceType": "t3.nano", "subnetID": "subnet-0123456789abcdef0", "timeout": "3h"},
        "inspector": {"maximumSeverity": "High", "scan": "OnDemand", "timeout": "1h"},
    }));
    let (_, next) = copied(&mut case);
    assert!(matches!(next, Next::Do(Effect::Launch(_))), "{next:?}");
    case.answer(Answer::Launched(ID));
    case.now += 7200;
    let there = |state, checks| InstanceNow::There {
        id: ID.into(),
        state,
        reason: None,
        checks,
    };
    case.instance = there(InstanceState::Running, Some(Checks::Ok));
    assert_eq!(case.settle(), Next::Do(Effect::Terminate(ID.into())));
    assert_eq!(record(&case).scan, None);
    case.answer(Answer::Terminated);
    case.instance = there(InstanceState::ShuttingDown, None);
    asked(case.settle());
    // It is waited for from now on.
    assert_eq!(record(&case).waiting_since, Some(Time(at(case.now))));
    assert!(!case.stalls());

    let mut case = on_demand();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    scans(&mut case, &id, WorstFinding::Nothing);
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert_eq!(record(&case).scan, None);

    let mut case = on_demand();
    let (_, next) = copied(&mut case);
    asked(next);
    let settings = serde_json::json!({"inspector": {"maximumSeverity": "High", "timeout": "2h"}});
    case.settings.validation = serde_json::from_value(settings).expect("settings");
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!(record(&case).scan, None);
}

#[test]
fn a_refusal_stalls_in_the_words_of_aws_and_is_asked_for_again_every_ten_minutes() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    let request = asked(next);
    case.answer(Answer::ScanRefused("Amazon Inspector does not start a scan."));
    assert_eq!(case.settle(), Next::Later(std::time::Duration::from_secs(600)));
    let (is, why, message) = says_of_proof(&case);
    assert_eq!((is, why), ("False", reason::COPY_NOT_SCANNED));
    assert_eq!(message, "Amazon Inspector does not start a scan.");
    assert!(case.stalls());
    case.now += 600;
    assert_eq!(asked(case.settle()), request);
    assert_eq!(
        (case.reason(), case.stalls()),
        (reason::COPY_NOT_SCANNED, true),
        "it is said until it is not so"
    );
    case.answer(Answer::ScanStarted("scan-1"));
    case.scan = shows("scan-1", ScanProgress::InProgress);
    assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATING, false));
    // Amazon Inspector has come to the copy meanwhile: what it has found there is what is said.
    scans(&mut case, &id, of(Vulnerability::Critical));
    case.settle();
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_VULNERABLE, true));
}

#[test]
fn a_failed_scan_is_repeated_twice_and_then_a_person_has_to_ask_which_makes_no_other_copy() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    asked(next);
    let mut tokens = BTreeSet::new();
    for attempt in 1..=3 {
        let name = format!("scan-{attempt}");
        assert_eq!(scan_of(&case).attempt, attempt);
        tokens.insert(scan_of(&case).client_token);
        case.answer(Answer::ScanStarted(&name));
        case.scan = shows(&name, ScanProgress::Failed("INTERNAL_ERROR".into()));
        let next = case.settle();
        if attempt < 3 {
            assert_eq!(next, Next::Later(std::time::Duration::from_secs(120)));
            assert!(!case.stalls());
            case.now += 120;
            asked(case.settle());
        } else {
            assert_eq!(next, Next::Wait);
        }
    }
    assert_eq!(tokens.len(), 3);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
    let (_, _, message) = says_of_proof(&case);
    for words in ["scan-3", "INTERNAL_ERROR", "amiseal.dev/retry"] {
        assert!(message.contains(words), "{message}");
    }
    case.now += DAY;
    case.settle();
    let before = case.status.clone();
    case.now += 9 * DAY;
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    case.retry = Some("once more".to_owned());
    let again = asked(case.settle());
    assert!(!tokens.contains(&again.client_token) && again.image == id);
    let copy = case.status.copy.as_ref().expect("a copy");
    assert_eq!((copy.image_id.as_deref(), copy.attempt), (Some(id.as_str()), 1));
    assert!(!case.stalls());
}

#[test]
fn a_scan_that_has_ended_and_that_ec2_does_not_show_in_time_says_so() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    asked(next);
    case.answer(Answer::ScanStarted("scan-1"));
    case.scan = shows("scan-1", ScanProgress::Successful);
    case.settle();
    case.now += 2 * 3600;
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
    let (_, _, message) = says_of_proof(&case);
    for words in [
        "has ended its on-demand scan scan-1",
        "EC2 has shown no result",
        "within 2h",
    ] {
        assert!(message.contains(words), "{message}");
    }
    let before = case.status.clone();
    case.now += 9 * DAY;
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    scans(&mut case, &id, WorstFinding::Nothing);
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
}

#[test]
fn a_scan_that_was_refused_for_long_has_all_of_its_time_once_it_is_started_and_is_looked_for_where_it_ends_late() {
    // The answer comes, or is lost.
    for is_answered in [true, false] {
        let mut case = on_demand();
        let (id, next) = copied(&mut case);
        asked(next);
        case.answer(Answer::ScanRefused("Amazon Inspector does not start a scan."));
        case.settle();
        case.now += DAY;
        asked(case.settle());
        assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
        assert_eq!(record(&case).state, InspectorState::TimedOut);
        let began = case.now;
        if is_answered {
            case.answer(Answer::ScanStarted("scan-1"));
        }
        case.scan = shows_of(began, "scan-1", ScanProgress::InProgress);
        for after in [0, 2 * 3600 - 1] {
            case.now = began + after;
            assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
            assert_eq!((case.reason(), case.stalls()), (reason::VALIDATING, false), "{after}");
            assert_eq!(record(&case).waiting_since, Some(Time(at(began))));
            assert_eq!(record(&case).state, InspectorState::Waiting);
        }
        // It takes longer than that, and is looked for nevertheless, without another scan of the account and region.
        case.now = began + 2 * 3600;
        assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
        assert_eq!((case.reason(), case.stalls()), (reason::COPY_NOT_SCANNED, true));
        case.scan = shows_of(began, "scan-1", ScanProgress::Successful);
        assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
        assert_eq!(scan_of(&case).state, OnDemandScanState::Succeeded);
        case.now += 600;
        assert_eq!(case.settle(), Next::Wait);
        scans(&mut case, &id, WorstFinding::Nothing);
        let next = case.settle();
        assert!(publishes(&next), "{next:?}");
    }
}

#[test]
fn the_result_of_a_scan_that_somebody_has_asked_for_is_looked_for_although_ec2_shows_an_older_one() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    asked(next);
    case.answer(Answer::ScanStarted("scan-1"));
    case.scan = shows("scan-1", ScanProgress::Successful);
    scans(&mut case, &id, of(Vulnerability::Critical));
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_VULNERABLE, true));
    case.now += 600;
    case.retry = Some("it is patched".to_owned());
    asked(case.settle());
    case.answer(Answer::ScanStarted("scan-2"));
    case.scan = shows_of(case.now, "scan-2", ScanProgress::InProgress);
    assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
    case.now += 600;
    // Somebody is impatient, and does not pay for that.
    case.retry = Some("where is it".to_owned());
    case.scan = shows_of(case.now - 600, "scan-2", ScanProgress::Successful);
    assert_eq!(case.settle(), Next::Later(proof::on_demand::LOOK_AGAIN));
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_VULNERABLE, true));
    assert_eq!(
        (scan_of(&case).state, scan_of(&case).attempt),
        (OnDemandScanState::Succeeded, 2)
    );
    scans(&mut case, &id, WorstFinding::Nothing);
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
}

#[test]
fn what_ec2_comes_to_show_while_a_scan_cannot_be_asked_for_is_not_paid_for() {
    let mut case = on_demand();
    let (id, next) = copied(&mut case);
    asked(next);
    let announced = scan_of(&case);
    scans(&mut case, &id, of(Vulnerability::Critical));
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::COPY_VULNERABLE, true));
    assert_eq!(scan_of(&case), announced);
    // Whoever wants another scan gets one.
    case.retry = Some("it is patched".to_owned());
    let request = asked(case.settle());
    assert_ne!(request.client_token, announced.client_token);
    assert_eq!(scan_of(&case).attempt, 2);
}

#[test]
fn what_a_read_of_a_scan_has_run_into_is_said_while_it_is_to_be_read() {
    let mut case = on_demand();
    let (_, next) = copied(&mut case);
    asked(next);
    case.problem = Some(Problem::new(
        reason::ACCESS_DENIED,
        "grant inspector2:ListOnDemandScans to the role.",
    ));
    case.settle();
    assert_eq!((case.reason(), case.stalls()), (reason::ACCESS_DENIED, true));
    case.problem = None;
    asked(case.settle());
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATING, false));
}
