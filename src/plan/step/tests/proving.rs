//! The proof of a copy between its verification and its publication.

use super::*;
use crate::api::LaunchState;
use crate::domain::{Checks, InstanceState};
use crate::plan::proof;

const ID: &str = "i-0123456789abcdef0";

fn proving() -> Case {
    let mut case = Case::new();
    case.permissions = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    case.settings.validation = serde_json::from_value(serde_json::json!({
        "launch": {"instanceType": "t3.nano", "subnetID": "subnet-0123456789abcdef0"},
        "maxAttempts": 1,
    }))
    .expect("settings");
    case
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

fn there(state: InstanceState, checks: Option<Checks>) -> InstanceNow {
    InstanceNow::There {
        id: ID.into(),
        state,
        reason: None,
        checks,
    }
}

fn launch_state(case: &Case) -> LaunchState {
    let launch = case.status.validation.as_ref().and_then(|v| v.launch.as_ref());
    launch.expect("a launch").state
}

/// From the launch to the call that terminates the instance.
fn launched(case: &mut Case) {
    case.answer(Answer::Launched(ID));
    case.instance = there(InstanceState::Running, Some(Checks::Initializing));
    assert!(matches!(case.settle(), Next::Later(_)));
    assert_eq!(
        (case.reason(), case.state()),
        (reason::VALIDATING, MigrationState::Validating)
    );
}

fn ended(case: &mut Case) -> Next {
    assert_eq!(case.settle(), Next::Do(Effect::Terminate(ID.into())));
    case.answer(Answer::Terminated);
    case.instance = there(InstanceState::ShuttingDown, None);
    case.settle()
}

#[test]
fn nothing_is_published_before_an_instance_of_the_copy_has_run_and_is_terminated() {
    let mut case = proving();
    let (id, next) = copied(&mut case);
    let Next::Do(Effect::Launch(request)) = next else {
        panic!("{next:?}")
    };
    assert_eq!((&request.image, launch_state(&case)), (&id, LaunchState::Launching));
    launched(&mut case);
    case.instance = there(InstanceState::Running, Some(Checks::Ok));
    let next = ended(&mut case);
    assert!(matches!(next, Next::Do(Effect::Publish(..))), "{next:?}");
    assert!(conditions::is_true(&case.status.conditions, conditions::VALIDATED));
    case.answer(Answer::Published(&id));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    // What is published is not proven anew, whatever the settings say.
    case.settings
        .validation
        .launch
        .as_mut()
        .expect("settings")
        .instance_type = "m5.large".to_owned();
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_that_does_not_run_is_not_published_until_it_does() {
    let mut case = proving();
    copied(&mut case);
    launched(&mut case);
    case.instance = there(InstanceState::Running, Some(Checks::InstanceImpaired));
    assert_eq!(ended(&mut case), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::VALIDATION_FAILED, true));
    assert!(conditions::has_status(
        &case.status.conditions,
        conditions::VALIDATED,
        conditions::Status::False
    ));
    // It rests, scan after scan.
    case.now += 100_000;
    let before = case.status.clone();
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
    case.retry = Some("once more".to_owned());
    assert!(matches!(case.settle(), Next::Do(Effect::Launch(_))));
    // Or the policy does not ask for it any more.
    case.answer(Answer::LaunchRefused("No room."));
    case.settle();
    assert_eq!((case.reason(), case.stalls()), (reason::LAUNCH_REFUSED, true));
    case.settings.validation.launch = None;
    assert!(matches!(case.settle(), Next::Do(Effect::Publish(..))));
    assert_eq!(case.status.validation, None);
}

#[test]
fn an_instance_is_terminated_whatever_becomes_of_the_rest_and_left_alone_under_suspend_and_in_audit() {
    type Change = fn(&mut Case, &ImageId);
    let changes: [Change; 4] = [
        |case, _| case.settings.validation.launch = None,
        |case, _| drop(case.world.images.remove(&image_id(1))),
        |case, copy| case.change_copy(copy, |copy| copy.state = ImageState::Deregistered),
        |case, copy| case.change_copy(copy, |copy| copy.state = ImageState::Disabled),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut case = proving();
        let (copy, _) = copied(&mut case);
        launched(&mut case);
        change(&mut case, &copy);
        if number == 1 {
            // What a listing does not show may be there: the proof comes to its end first.
            case.instance = there(InstanceState::Running, Some(Checks::Ok));
        }
        ended(&mut case);
        assert_ne!(case.state(), MigrationState::Validating, "{number}");
        assert!(proof::under_way(&case.status).is_none(), "{number}");
    }
    for (mode, suspend) in [(Mode::Audit, false), (Mode::Enforce, true)] {
        let mut case = proving();
        copied(&mut case);
        launched(&mut case);
        (case.settings.mode, case.settings.suspend) = (mode, suspend);
        case.instance = there(InstanceState::Running, Some(Checks::Ok));
        assert_eq!(case.settle(), Next::Wait, "{mode:?} {suspend}");
        (case.settings.mode, case.settings.suspend) = (Mode::Enforce, false);
        ended(&mut case);
    }
}

#[test]
fn an_instance_that_aws_has_forgotten_is_given_up_with_no_call_and_no_record_in_between() {
    let mut case = proving();
    copied(&mut case);
    launched(&mut case);
    case.instance = there(InstanceState::Running, Some(Checks::Ok));
    assert_eq!(case.settle(), Next::Do(Effect::Terminate(ID.into())));
    case.answer(Answer::Terminated);
    // Nobody works for some hours, or this status is put back from a backup.
    case.now += 10_000;
    case.instance = InstanceNow::Gone;
    let before = (case.settle(), case.status.clone());
    assert!(matches!(before.0, Next::Later(_)), "{before:?}");
    for _ in 1..40 {
        case.now += 15;
        assert_eq!((case.settle(), &case.status), (before.0.clone(), &before.1));
    }
    case.now += 15;
    assert!(matches!(case.settle(), Next::Do(Effect::Publish(..))));
    assert_eq!(launch_state(&case), LaunchState::Ended);
}

#[test]
fn no_more_instances_are_launched_than_the_policy_says_and_none_of_a_type_that_the_copy_does_not_take() {
    let mut case = proving();
    case.may_launch = false;
    let (_, next) = copied(&mut case);
    assert!(matches!(next, Next::Later(_)), "{next:?}");
    assert_eq!(
        (case.state(), case.status.validation.is_none()),
        (MigrationState::Validating, true)
    );
    case.may_launch = true;
    case.settings
        .validation
        .launch
        .as_mut()
        .expect("settings")
        .instance_type = "t4g.nano".to_owned();
    let id = case
        .status
        .copy
        .as_ref()
        .and_then(|copy| copy.image_id.clone())
        .expect("a copy");
    let id: ImageId = id.parse().expect("an ID");
    let of_pc = |image: &mut Image| {
        Arc::make_mut(&mut image.attributes).insert("architecture", "x86_64".into());
    };
    case.change_copy(&image_id(1), of_pc);
    case.change_copy(&id, of_pc);
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::INSTANCE_TYPE_MISMATCH, true));
}
