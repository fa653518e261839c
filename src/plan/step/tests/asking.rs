//! When AWS is asked for a copy, and when not.

use super::*;

#[test]
fn the_intent_is_on_record_before_aws_is_asked() {
    let mut case = Case::new();
    let first = case.step();
    assert_eq!(first.then, Next::Wait);
    let intent = first.status.copy.clone().expect("an intent");
    assert_eq!(
        (first.status.state, intent.attempt, &intent.image_id),
        (Some(MigrationState::Copying), 1, &None)
    );
    case.status = first.status;
    let Next::Do(Effect::Copy(call)) = case.step().then else {
        panic!("no call")
    };
    assert_eq!((call.client_token, call.name), (intent.client_token, intent.name));
}

#[test]
fn nothing_is_asked_of_aws_without_admission_a_key_a_look_or_leave() {
    type Change = fn(&mut Case);
    let table: [(Change, &str, bool); 8] = [
        (|c| c.admitted = false, reason::WAITING_FOR_ADMISSION, false),
        (|c| c.key = KeyView::Unknown, reason::KEY_UNAVAILABLE, true),
        (
            |c| c.key = KeyView::Unresolved(KeyProblem::NotFound),
            reason::KEY_NOT_FOUND,
            true,
        ),
        (|c| c.settings.suspend = true, reason::SUSPENDED, false),
        (|c| c.settings.mode = Mode::Audit, reason::AUDIT, false),
        (
            |c| Arc::make_mut(c.world.images.get_mut(&image_id(1)).expect("source")).public = true,
            reason::PUBLIC_IMAGE,
            true,
        ),
        (
            |c| Arc::make_mut(c.world.images.get_mut(&image_id(1)).expect("source")).ebs_root = false,
            reason::INSTANCE_STORE_IMAGE,
            true,
        ),
        (|c| c.looked = false, reason::COPYING, false),
    ];
    for (change, why, stalls) in table {
        let mut case = Case::new();
        change(&mut case);
        assert_eq!(case.settle(), Next::Wait, "{why}");
        assert_eq!((case.reason(), case.stalls()), (why, stalls));
    }
}

#[test]
fn what_the_last_call_ran_into_stays_said_while_copies_are_looked_for_again() {
    let mut case = Case::new();
    case.problem = Some(Problem::new(reason::SNAPSHOT_NOT_SHARED, "It is not shared: share it."));
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    assert_eq!((case.reason(), case.stalls()), (reason::SNAPSHOT_NOT_SHARED, true));
    case.looked = false;
    let step = case.step();
    assert_eq!((step.then, &step.status), (Next::Wait, &case.status));
}

#[test]
fn what_a_call_ran_into_is_said_again_once_an_obstacle_that_came_in_between_is_gone() {
    let mut case = Case::new();
    let (usable, refused) = (
        case.key.clone(),
        Problem::new(reason::SNAPSHOT_NOT_SHARED, "It is not shared: share it."),
    );
    case.problem = Some(refused);
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    case.admitted = false;
    case.key = KeyView::Unknown;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::KEY_UNAVAILABLE));
    case.key = usable;
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, reason::SNAPSHOT_NOT_SHARED)
    );
    assert!(case.stalls(), "the copy waits for a place like before");
}

#[test]
fn no_copy_is_asked_for_while_the_role_lacks_what_migrating_needs_and_what_was_begun_goes_on() {
    let denied = || Some(Problem::new(reason::ACCESS_DENIED, "AWS denies it: allow it."));
    let mut case = Case::new();
    case.denied = denied();
    assert_eq!((case.settle(), case.stalls()), (Next::Wait, true));
    assert_eq!(
        (case.reason(), case.state()),
        (reason::ACCESS_DENIED, MigrationState::Pending)
    );
    case.denied = None;
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("{:?}", case.status)
    };
    assert!(!case.stalls());
    // An intent alone is not begun: AWS would deny it.
    case.denied = denied();
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn nothing_is_begun_under_a_key_that_the_policy_names_no_more() {
    let mut case = Case::new();
    case.key = KeyView::Known(Key {
        arn: key(2),
        usability: KeyUsability::Usable,
        aws_managed: false,
    });
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Pending));
    assert_eq!(case.status.copy, None);
    // What was begun under the old key is finished under it.
    let mut begun = Case::new();
    assert!(matches!(begun.settle(), Next::Do(Effect::Copy(_))));
    begun.key = case.key.clone();
    assert!(matches!(begun.settle(), Next::Do(Effect::Copy(_))));
}

#[test]
fn a_copy_under_the_aws_managed_key_is_not_made_for_an_image_that_is_shared() {
    let mut case = Case::new();
    case.key = KeyView::Known(Key {
        arn: key(1),
        usability: KeyUsability::Usable,
        aws_managed: true,
    });
    case.permissions = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, reason::DEFAULT_KEY_CANNOT_BE_SHARED)
    );
    case.admitted = false;
    assert_eq!(case.step().status, case.status, "the next scan brings no news");
    case.permissions.clear();
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, reason::WAITING_FOR_ADMISSION)
    );
    case.admitted = true;
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
}

#[test]
fn a_migration_whose_cause_is_gone_goes_on_by_itself() {
    let mut case = Case::new();
    let usable = case.key.clone();
    let problem = KeyUsability::Unusable(KeyProblem::Disabled);
    case.key = KeyView::Known(Key {
        arn: key(1),
        usability: problem,
        aws_managed: false,
    });
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!(
        (case.reason(), case.state()),
        (reason::KEY_DISABLED, MigrationState::Pending)
    );
    case.key = usable;
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    assert!(!case.stalls());
}

#[test]
fn a_refused_call_shows_until_it_succeeds_and_is_written_once() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    case.problem = Some(Problem::new(reason::ACCESS_DENIED, "ec2:CopyImage: not permitted."));
    assert!(
        matches!(case.settle(), Next::Do(Effect::Copy(_))),
        "the call is tried again"
    );
    assert_eq!(
        (case.reason(), case.stalls(), case.state()),
        (reason::ACCESS_DENIED, true, MigrationState::Copying)
    );
    case.now += 900;
    assert_eq!(case.step().status, case.status, "the same problem later is no news");
}

#[test]
fn a_copy_that_was_refused_has_given_its_place_away_and_waits_for_another() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    case.problem = Some(Problem::new(reason::ACCESS_DENIED, "Allow it."));
    case.admitted = false;
    assert_eq!((case.settle(), case.stalls()), (Next::Wait, true));
    // Nor does another process ask, which knows nothing of the refusal but what is on record.
    case.problem = None;
    assert_eq!((case.settle(), case.stalls()), (Next::Wait, true));
    case.admitted = true;
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 1, .. }))
    ));
    assert!(!case.stalls());
}

#[test]
fn failed_attempts_are_removed_and_end_after_as_many_as_the_policy_allows() {
    let mut case = Case::new();
    case.fail_next_attempt(101);
    assert_eq!(
        (case.state(), case.reason()),
        (MigrationState::Pending, reason::COPY_FAILED)
    );
    case.fail_next_attempt(102);
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::ATTEMPTS_EXHAUSTED, true));
    assert_eq!(case.status.copy.as_ref().map(|copy| copy.attempt), Some(2));
}

#[test]
fn exhausted_attempts_go_on_with_the_annotation_or_after_a_day() {
    let exhausted = || {
        let mut case = Case::new();
        case.fail_next_attempt(101);
        case.fail_next_attempt(102);
        assert_eq!(case.settle(), Next::Wait);
        case
    };
    let mut case = exhausted();
    case.retry = Some("now".to_owned());
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 3, .. }))
    ));
    case.fail_next_attempt(103);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));

    let mut case = exhausted();
    case.now += 23 * 3600;
    assert_eq!(case.settle(), Next::Wait);
    // What is stalled is not admitted; it has to say first that it waits, and that must not stall it again.
    case.now += 3600;
    case.admitted = false;
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, reason::WAITING_FOR_ADMISSION)
    );
    case.admitted = true;
    case.fail_next_attempt(103);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));
}

#[test]
fn a_change_of_the_policy_allows_exhausted_attempts_one_more_and_no_others() {
    let mut case = Case::new();
    case.fail_next_attempt(101);
    case.fail_next_attempt(102);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));
    case.extra_attempt_after = Some(1);
    assert_eq!(case.settle(), Next::Wait, "the change came before the second attempt");
    case.extra_attempt_after = Some(2);
    case.fail_next_attempt(103);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));
}
