//! What is said once the original is gone, and of a copy that goes as well; and of one that goes while the policy only audits.

use super::launched::moved;
use super::*;

/// A migration that has made its copy and completed, and the copy.
fn finished() -> (Case, ImageId) {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    (case, id)
}

/// The same, of which the original is gone.
fn without_original((mut case, id): (Case, ImageId)) -> (Case, ImageId) {
    case.world.images.remove(&image_id(1));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(published_copy(&case.status), Some(id.as_str()), "it is launched");
    (case, id)
}

/// What is on record of the copy.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Missing,
    Deregistered,
    Disabled,
}

const LOSSES: [Loss; 3] = [Loss::Missing, Loss::Deregistered, Loss::Disabled];

/// Takes the copy away, and gives what it was.
fn lose(case: &mut Case, id: &ImageId, loss: Loss) -> Arc<Image> {
    let was = case.world.images[id].clone();
    match loss {
        Loss::Missing => drop(case.world.images.remove(id)),
        Loss::Deregistered => case.change_copy(id, |copy| copy.state = ImageState::Deregistered),
        Loss::Disabled => case.change_copy(id, |copy| copy.state = ImageState::Disabled),
    }
    was
}

/// Nothing more is written or asked, however long that lasts.
fn is_at_rest(case: &mut Case) {
    for _ in 0..3 {
        case.now += 3600;
        let steps = case.steps();
        assert_eq!(steps.len(), 1, "{steps:?}");
        assert_eq!((&steps[0].then, &steps[0].status), (&Next::Wait, &case.status));
    }
}

fn said<'c>(case: &'c Case, type_: &str) -> (&'c str, &'c str, &'c str) {
    let said = conditions::find(&case.status.conditions, type_).expect("said");
    (&said.status, &said.reason, &said.message)
}

#[test]
fn a_copy_that_goes_after_its_original_is_not_called_verified_and_published_any_more() {
    for loss in LOSSES {
        let (mut case, id) = without_original(finished());
        let since = case.status.source_gone_time.clone();
        let was = lose(&mut case, &id, loss);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
        assert_eq!(case.reason(), reason::SOURCE_GONE, "{loss:?}");
        assert!(said(&case, conditions::READY).2.contains(id.as_str()), "{loss:?}");
        assert_eq!(published_copy(&case.status), None, "{loss:?}");
        assert_eq!(said(&case, conditions::PROMOTED).0, "False", "{loss:?}");
        if !matches!(loss, Loss::Disabled) {
            assert_eq!(said(&case, conditions::COPIED).1, reason::COPY_GONE, "{loss:?}");
            assert_eq!(said(&case, conditions::VERIFIED).1, reason::COPY_GONE, "{loss:?}");
        }
        is_at_rest(&mut case);
        // It is restored, or enabled. Whom it was shared with is lost.
        case.world.images.insert(id.clone(), was);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
        assert_eq!(published_copy(&case.status), Some(id.as_str()), "{loss:?}");
        assert!(
            said(&case, conditions::PROMOTED).2.contains("share"),
            "{:?}",
            case.status
        );
        assert_eq!(case.status.source_gone_time, since);
        is_at_rest(&mut case);
    }
}

#[test]
fn a_copy_that_is_back_and_under_another_key_is_not_called_verified() {
    let (mut case, id) = without_original(finished());
    let was = lose(&mut case, &id, Loss::Missing);
    case.settle();
    let snapshot = was.volumes().next().expect("a volume").2.clone();
    case.world.images.insert(id.clone(), was);
    case.world.snapshots.get_mut(&snapshot).expect("known").key = Some(key(2));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(published_copy(&case.status), None);
    assert!(!conditions::is_true(&case.status.conditions, conditions::VERIFIED));
    is_at_rest(&mut case);
    // It goes once more.
    lose(&mut case, &id, Loss::Missing);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(said(&case, conditions::COPIED).1, reason::COPY_GONE);
    is_at_rest(&mut case);
}

#[test]
fn what_is_not_known_of_a_copy_when_its_original_goes_is_told_by_its_encryption_once_the_copy_shows() {
    // The copy does not show for a moment, and the original goes meanwhile.
    let (mut case, id) = finished();
    let was = lose(&mut case, &id, Loss::Missing);
    case.settle();
    assert_eq!(said(&case, conditions::VERIFIED).0, "Unknown");
    let promoted = said(&case, conditions::PROMOTED).2.to_owned();
    case.world.images.remove(&image_id(1));
    case.world.images.insert(id.clone(), was);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(published_copy(&case.status), Some(id.as_str()));
    assert_eq!(said(&case, conditions::COPIED).0, "True");
    assert_eq!(
        said(&case, conditions::PROMOTED).2,
        promoted,
        "whom it is shared with is not lost"
    );
    is_at_rest(&mut case);

    // A snapshot is under another key, and somebody mends that once the original is gone.
    let (mut case, id) = finished();
    let snapshot = case.world.images[&id].volumes().next().expect("a volume").2.clone();
    let under = |case: &mut Case, number| {
        case.world.snapshots.get_mut(&snapshot).expect("known").key = Some(key(number));
    };
    under(&mut case, 2);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::COPY_NOT_ENCRYPTED));
    case.world.images.remove(&image_id(1));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(published_copy(&case.status), None);
    under(&mut case, 1);
    case.settle();
    assert_eq!(published_copy(&case.status), Some(id.as_str()));
    is_at_rest(&mut case);
}

#[test]
fn what_kept_consumers_from_being_put_back_is_not_said_any_more_once_the_original_is_gone() {
    let (mut case, _) = moved();
    case.desired = Desired::RolledBack;
    case.change_copy(&image_id(1), |original| original.state = ImageState::Disabled);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::IMAGE_DISABLED));
    case.desired = Desired::Migrated;
    case.world.images.remove(&image_id(1));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    let (is, why, _) = said(&case, conditions::CONSUMERS_MOVED);
    assert_eq!((is, why), ("True", reason::SUCCEEDED));
    is_at_rest(&mut case);
}

#[test]
fn a_copy_that_is_launched_and_is_no_more_is_asked_for_once_until_another_one_is_to_be_made() {
    let (mut case, id) = moved();
    lose(&mut case, &id, Loss::Missing);
    case.now += 3600;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    is_at_rest(&mut case);
    // Nothing launches it any more, and it is asked for again before its place is taken.
    case.status.consumers.clear();
    let steps = case.steps();
    assert_eq!(steps[0].then, Next::Ask(Question::Absence(id)));
}

#[test]
fn what_was_moved_to_a_copy_that_goes_after_its_original_is_said_until_the_copy_is_back() {
    for loss in LOSSES {
        for desired in [Desired::Migrated, Desired::RolledBack] {
            let (mut case, id) = without_original(moved());
            case.desired = desired;
            case.settle();
            let was = lose(&mut case, &id, loss);
            assert_eq!(
                (case.settle(), case.reason()),
                (Next::Wait, reason::PROMOTED_COPY_GONE),
                "{loss:?}"
            );
            assert!(case.stalls());
            let (is, why, message) = said(&case, conditions::CONSUMERS_MOVED);
            assert_eq!((is, why), ("False", reason::PROMOTED_COPY_GONE));
            assert!(message.contains("delete this migration"), "{message}");
            assert!(
                !message.contains("RolledBack"),
                "there is nothing to go back to: {message}"
            );
            assert_eq!(published_copy(&case.status), None);
            is_at_rest(&mut case);
            // While nobody looks, nothing comes to be claimed again.
            case.settings.suspend = true;
            case.settle();
            assert_eq!(published_copy(&case.status), None);
            case.settings.suspend = false;
            assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));

            case.world.images.insert(id.clone(), was);
            assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
            assert_eq!(published_copy(&case.status), Some(id.as_str()));
            let expected = match desired {
                Desired::RolledBack => ("False", reason::SOURCE_GONE),
                _ => ("True", reason::SUCCEEDED),
            };
            let (is, why, _) = said(&case, conditions::CONSUMERS_MOVED);
            assert_eq!((is, why), expected);
            is_at_rest(&mut case);
        }
    }
}

#[test]
fn an_original_that_goes_after_its_copy_changes_what_is_to_be_done_about_it_and_nothing_else() {
    let (mut case, id) = moved();
    lose(&mut case, &id, Loss::Deregistered);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    assert!(!conditions::is_true(&case.status.conditions, conditions::VERIFIED));
    case.world.images.remove(&image_id(1));
    let steps = case.steps();
    let statuses: Vec<_> = steps.iter().map(|step| step.status.stalled.as_deref()).collect();
    assert!(
        statuses
            .iter()
            .all(|stalled| *stalled == Some(reason::PROMOTED_COPY_GONE)),
        "{statuses:?}"
    );
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
    assert!(said(&case, conditions::READY).2.contains("delete this migration"));
    assert!(case.status.source_gone_time.is_some());
    is_at_rest(&mut case);
}

#[test]
fn both_that_go_at_once_are_both_asked_for_and_said() {
    let (mut case, id) = finished();
    case.world.images.clear();
    case.status.state = Some(MigrationState::Promoting);
    let asked: Vec<Next> = case.steps().into_iter().map(|step| step.then).collect();
    let absence = |image: ImageId| Next::Ask(Question::Absence(image));
    assert_eq!(asked, [absence(image_id(1)), absence(id), Next::Wait]);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    assert_eq!(published_copy(&case.status), None);
    is_at_rest(&mut case);
}

#[test]
fn a_rollback_to_an_original_that_is_gone_is_said_to_be_none() {
    let (mut case, _) = without_original(moved());
    let before = case.status.clone();
    case.desired = Desired::RolledBack;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    let (is, why, message) = said(&case, conditions::CONSUMERS_MOVED);
    assert_eq!((is, why), ("False", reason::SOURCE_GONE));
    assert!(message.contains("no consumer is put back"), "{message}");
    is_at_rest(&mut case);
    // Whoever takes that back finds everything as it was.
    case.desired = Desired::Migrated;
    case.settle();
    let says = |status: &AMIMigrationStatus| {
        let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED).expect("said");
        (said.status.clone(), said.reason.clone(), said.message.clone())
    };
    assert_eq!(says(&case.status), says(&before));
    assert_eq!(case.status.consumers, before.consumers);
}

#[test]
fn under_audit_a_copy_that_is_gone_is_said_and_no_other_is_made() {
    for state in [MigrationState::Completed, MigrationState::Promoting] {
        for loss in [Loss::Missing, Loss::Deregistered] {
            let (mut case, id) = finished();
            case.status.state = Some(state);
            case.settings.mode = Mode::Audit;
            case.settle();
            lose(&mut case, &id, loss);
            assert_eq!(
                (case.settle(), case.reason()),
                (Next::Wait, reason::AUDIT),
                "{state:?} {loss:?}"
            );
            assert_eq!(case.state(), MigrationState::Verifying);
            assert_eq!(published_copy(&case.status), None);
            assert_eq!(said(&case, conditions::VERIFIED).1, reason::COPY_GONE);
            assert!(said(&case, conditions::READY).2.contains(id.as_str()));
            is_at_rest(&mut case);
            case.settings.mode = Mode::Enforce;
            assert!(matches!(
                case.settle(),
                Next::Do(Effect::Copy(CopyCall { attempt: 2, .. }))
            ));
        }
    }
}

#[test]
fn under_audit_consumers_of_a_copy_that_is_gone_or_disabled_are_said() {
    for loss in LOSSES {
        for desired in [Desired::Migrated, Desired::RolledBack] {
            let (mut case, id) = moved();
            case.settings.mode = Mode::Audit;
            case.desired = desired;
            case.settle();
            let was = lose(&mut case, &id, loss);
            assert_eq!(
                (case.settle(), case.reason()),
                (Next::Wait, reason::PROMOTED_COPY_GONE),
                "{loss:?} {desired:?}"
            );
            let message = said(&case, conditions::READY).2;
            let fix = match desired {
                Desired::RolledBack => "spec.mode: Enforce",
                _ => "spec.desired: RolledBack",
            };
            assert!(message.contains(fix), "{message}");
            assert_eq!(published_copy(&case.status), None);
            is_at_rest(&mut case);
            case.world.images.insert(id.clone(), was);
            assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::AUDIT));
            assert!(!said(&case, conditions::CONSUMERS_MOVED).2.contains("is no more"));
            is_at_rest(&mut case);
            // It goes once more.
            lose(&mut case, &id, loss);
            assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
            is_at_rest(&mut case);
        }
    }
}

#[test]
fn a_copy_that_is_back_and_disabled_is_not_said_to_be_no_more() {
    for mode in [Mode::Audit, Mode::Enforce] {
        let (mut case, id) = moved();
        case.settings.mode = mode;
        let was = lose(&mut case, &id, Loss::Missing);
        case.now += 3600;
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
        case.world.images.insert(id.clone(), was);
        lose(&mut case, &id, Loss::Disabled);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::PROMOTED_COPY_GONE));
        assert!(said(&case, conditions::READY).2.contains("is disabled"), "{mode:?}");
        assert_eq!(said(&case, conditions::COPIED).0, "True", "{mode:?}");
        assert_eq!(
            conditions::find(&case.status.conditions, conditions::VERIFIED),
            None,
            "{mode:?}"
        );
        assert_eq!(said(&case, conditions::PROMOTED).1, reason::COPY_DISABLED, "{mode:?}");
        is_at_rest(&mut case);
    }
}

#[test]
fn a_copy_that_is_still_being_made_is_not_called_gone_under_audit() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(_)) = case.settle() else {
        panic!("no call")
    };
    case.accept_copy(&image_id(101));
    case.settings.mode = Mode::Audit;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    assert_eq!(conditions::find(&case.status.conditions, conditions::COPIED), None);
}

#[test]
fn an_image_that_aws_calls_a_copy_of_another_is_neither_published_nor_removed() {
    let other = |image: u64, region: &str| {
        Some(Box::new(Source {
            image: image_id(image),
            region: region.parse().expect("a region"),
        }))
    };
    for from in [other(7, "eu-west-1"), other(1, "us-east-1")] {
        for state in [ImageState::Available, ImageState::Disabled, ImageState::Failed] {
            for completed in [false, true] {
                let (mut case, id) = finished();
                if !completed {
                    case.status.conditions.clear();
                    case.status.promotion = None;
                    case.status.state = Some(MigrationState::Copying);
                }
                case.change_copy(&id, |copy| {
                    copy.copied_from.clone_from(&from);
                    copy.state = state;
                });
                assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTRIBUTE_MISMATCH));
                assert!(case.stalls());
                assert_eq!(published_copy(&case.status), None);
                let message = said(&case, conditions::READY).2;
                assert!(message.contains("delete this migration"), "{message}");
                assert!(!message.contains("deregister"), "{message}");
            }
        }
    }
}
