//! The proof of a copy by a Job, by itself and after the one by an instance.

use super::*;
use crate::api::{JobState, LaunchState};
use crate::domain::{Checks, InstanceState};
use crate::plan::proof;
use crate::plan::proof::job_object::JobRequest;

const ID: &str = "i-0123456789abcdef0";

fn proving(validation: serde_json::Value) -> Case {
    let mut case = Case::new();
    // So that there is something to publish.
    case.permissions = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    case.settings.validation = serde_json::from_value(validation).expect("settings");
    case
}

fn by_job() -> Case {
    proving(serde_json::json!({"job": {"cronJob": "scan-image"}, "maxAttempts": 1}))
}

/// Has the copy made, and gives what comes next.
fn copied(case: &mut Case) -> (ImageId, Next) {
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let next = case.settle();
    (id, next)
}

fn created(next: Next) -> JobRequest {
    match next {
        Next::Do(Effect::CreateJob(request)) => *request,
        other => panic!("{other:?}"),
    }
}

fn job_state(case: &Case) -> JobState {
    let job = case.status.validation.as_ref().and_then(|v| v.job.as_ref());
    job.expect("a Job").state
}

/// From the copy to a Job that runs.
fn running(case: &mut Case) -> ImageId {
    let (id, next) = copied(case);
    created(next);
    case.answer(Answer::JobCreated("uid"));
    case.job = JobNow::Unfinished;
    assert!(matches!(case.settle(), Next::Later(_)));
    assert_eq!(
        (case.reason(), case.state(), job_state(case)),
        (reason::VALIDATING, MigrationState::Validating, JobState::Running)
    );
    id
}

fn publishes(next: &Next) -> bool {
    matches!(next, Next::Do(Effect::Publish(..)))
}

#[test]
fn nothing_is_published_before_the_job_has_completed() {
    let mut case = by_job();
    let (id, next) = copied(&mut case);
    let request = created(next);
    assert_eq!(
        (&request.copy, request.cron_job.as_str(), request.policy.as_str()),
        (&id, "scan-image", "production")
    );
    // On record before it is created, and the same for whoever comes next.
    assert_eq!(job_state(&case), JobState::Creating);
    assert_eq!(created(case.settle()), request);
    case.answer(Answer::JobCreated("uid"));
    case.job = JobNow::Unfinished;
    assert!(matches!(case.settle(), Next::Later(_)));
    assert!(!conditions::is_true(&case.status.conditions, conditions::VALIDATED));
    case.job = JobNow::Complete;
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert!(conditions::is_true(&case.status.conditions, conditions::VALIDATED));
    case.answer(Answer::Published(&id));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_is_validated_once_both_proofs_are_passed_and_the_job_comes_second() {
    let mut case = proving(serde_json::json!({
        "launch": {"instanceType": "t3.nano", "subnetID": "subnet-0123456789abcdef0"},
        "job": {"cronJob": "scan-image"},
    }));
    let (_, next) = copied(&mut case);
    assert!(matches!(next, Next::Do(Effect::Launch(_))), "{next:?}");
    case.answer(Answer::Launched(ID));
    let there = |state, checks| InstanceNow::There {
        id: ID.into(),
        state,
        reason: None,
        checks,
    };
    case.instance = there(InstanceState::Running, Some(Checks::Ok));
    assert_eq!(case.settle(), Next::Do(Effect::Terminate(ID.into())));
    case.answer(Answer::Terminated);
    case.instance = there(InstanceState::ShuttingDown, None);
    let next = case.settle();
    created(next);
    assert!(!conditions::is_true(&case.status.conditions, conditions::VALIDATED));
    let launch = case.status.validation.as_ref().and_then(|v| v.launch.as_ref());
    assert_eq!(
        launch.map(|launch| launch.state),
        Some(LaunchState::Ended),
        "it stays on record"
    );
    case.answer(Answer::JobCreated("uid"));
    case.job = JobNow::Complete;
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert!(conditions::is_true(&case.status.conditions, conditions::VALIDATED));
}

#[test]
fn a_job_that_fails_or_cannot_be_made_stalls_until_somebody_asks_or_the_policy_asks_for_none() {
    let mut case = by_job();
    running(&mut case);
    case.job = JobNow::Failed("BackoffLimitExceeded".to_owned());
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATION_FAILED, true));
    // It rests, scan after scan.
    case.now += 100_000;
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    case.retry = Some("once more".to_owned());
    created(case.settle());
    case.answer(Answer::JobRefused("There is no CronJob scan-image."));
    assert!(matches!(case.settle(), Next::Later(_)));
    assert_eq!((case.reason(), case.stalls()), (reason::JOB_REFUSED, true));
    case.settings.validation.job = None;
    let next = case.settle();
    assert!(publishes(&next), "{next:?}");
    assert_eq!(case.status.validation, None);
}

#[test]
fn a_job_that_somebody_deletes_is_made_once_more_under_another_name_and_not_without_end() {
    let mut case = by_job();
    running(&mut case);
    let mut names = BTreeSet::new();
    for _ in 0..2 {
        case.job = JobNow::Gone;
        let request = created(case.settle());
        assert!(names.insert(request.name), "{names:?}");
        assert!(!case.stalls());
        case.answer(Answer::JobCreated("uid"));
    }
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATION_FAILED, true));
}

#[test]
fn a_job_is_deleted_where_it_is_not_wanted_any_more_and_left_alone_under_suspend_and_in_audit() {
    type Change = fn(&mut Case, &ImageId);
    let changes: [Change; 4] = [
        |case, _| case.settings.validation.job = None,
        |case, _| {
            let other = serde_json::json!({"cronJob": "smoke-test"});
            case.settings.validation.job = Some(serde_json::from_value(other).expect("settings"));
        },
        |case, copy| case.change_copy(copy, |copy| copy.state = ImageState::Deregistered),
        |case, copy| case.change_copy(copy, |copy| copy.state = ImageState::Disabled),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut case = by_job();
        let copy = running(&mut case);
        change(&mut case, &copy);
        let next = case.settle();
        assert!(matches!(next, Next::Do(Effect::DeleteJob(_))), "{number}: {next:?}");
        case.answer(Answer::JobDeleted);
        let next = case.settle();
        assert!(!matches!(next, Next::Do(Effect::DeleteJob(_))), "{number}: {next:?}");
        // The other one is made at once.
        assert_eq!(proof::job::under_way(&case.status).is_some(), number == 1, "{number}");
    }
    for (mode, suspend) in [(Mode::Audit, false), (Mode::Enforce, true)] {
        let mut case = by_job();
        running(&mut case);
        (case.settings.mode, case.settings.suspend) = (mode, suspend);
        case.job = JobNow::Complete;
        assert_eq!(case.settle(), Next::Wait, "{mode:?} {suspend}");
        (case.settings.mode, case.settings.suspend) = (Mode::Enforce, false);
        let next = case.settle();
        assert!(publishes(&next), "{next:?}");
    }
}

#[test]
fn no_more_jobs_are_made_than_the_policy_says() {
    let mut case = by_job();
    case.may_make_job = false;
    let (_, next) = copied(&mut case);
    assert!(matches!(next, Next::Later(_)), "{next:?}");
    assert_eq!(
        (case.state(), case.status.validation.is_none()),
        (MigrationState::Validating, true)
    );
    case.may_make_job = true;
    created(case.settle());
}
