//! What counts as a failed attempt, and what does not.

use super::*;
use crate::domain::{Extras, Watermark};

fn failures(case: &Case) -> Option<u32> {
    case.status.copy.as_ref().and_then(|copy| copy.failures)
}

fn attempt(case: &Case) -> u32 {
    case.status.copy.as_ref().map_or(0, |copy| copy.attempt)
}

/// What is wrong with a copy, each with the reason that its migration gives.
#[derive(Debug, Clone, Copy)]
enum Wrong {
    Architecture,
    Watermark,
    AnotherKeyToo,
}

impl Wrong {
    const ALL: [Self; 3] = [Self::Architecture, Self::Watermark, Self::AnotherKeyToo];

    fn reason(self) -> &'static str {
        match self {
            Self::Architecture | Self::Watermark => reason::ATTRIBUTE_MISMATCH,
            Self::AnotherKeyToo => reason::COPY_NOT_ENCRYPTED,
        }
    }

    /// What the original has before it is copied.
    fn of_original(self, source: &mut Image) {
        if let Self::Watermark = self {
            source.extras = Some(Box::new(Extras {
                watermarks: vec![Watermark {
                    key: "999900001111:golden".into(),
                    attached: None,
                }],
                ..Extras::default()
            }));
        }
    }

    fn of_copy(self, case: &mut Case, id: &ImageId) {
        match self {
            Self::Architecture => case.change_copy(id, |copy| {
                let mut attributes = (*copy.attributes).clone();
                attributes.insert("architecture", "arm64".into());
                copy.attributes = Arc::new(attributes);
            }),
            Self::Watermark => case.change_copy(id, |copy| copy.extras = None),
            Self::AnotherKeyToo => {
                let copy = case.world.images[id].clone();
                let (_, _, snapshot) = copy.volumes().next().expect("a volume");
                let snapshot = case.world.snapshots.get_mut(snapshot).expect("known");
                snapshot.extras.get_or_insert_default().also = Some(key(2));
            }
        }
    }
}

/// AWS makes the copy of the next attempt otherwise than the original is.
fn make_wrong_copy(case: &mut Case, number: u64, wrong: Wrong) {
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call: {:?}", case.status)
    };
    let id = case.make_copy(&call, number);
    case.accept_copy(&id);
    wrong.of_copy(case, &id);
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, wrong.reason()),
        "{wrong:?}"
    );
}

#[test]
fn a_token_that_was_used_before_is_passed_over_and_nothing_has_failed() {
    let mut case = Case::new();
    for _ in 0..5 {
        assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
        case.answer(Answer::PassedOver);
        assert_eq!((case.state(), failures(&case)), (MigrationState::Pending, Some(0)));
    }
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 6, .. }))
    ));
    case.fail_next_attempt(101);
    assert_eq!(failures(&case), Some(1));
    case.fail_next_attempt(102);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));
    assert_eq!((attempt(&case), failures(&case)), (7, Some(2)));
}

#[test]
fn a_copy_that_aws_has_never_shown_is_passed_over_and_one_that_it_has_shown_has_failed() {
    for (unseen, failed) in [(true, Some(0)), (false, Some(1))] {
        let mut case = Case::new();
        assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
        case.accept_copy(&image_id(101));
        assert_eq!(case.settle(), Next::Wait);
        case.now += 600;
        (case.admitted, case.unseen) = (false, unseen);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Pending));
        assert_eq!(failures(&case), failed);
    }
}

#[test]
fn wrong_copies_of_ours_count_when_the_policy_was_deleted_and_applied_again() {
    for wrong in Wrong::ALL {
        count_when_applied_again(wrong);
    }
}

fn count_when_applied_again(wrong: Wrong) {
    let mut case = Case::new();
    let source = case.of.source.clone();
    case.change_copy(&source, |source| wrong.of_original(source));
    make_wrong_copy(&mut case, 101, wrong);
    // Somebody else's of the same kind is none of ours.
    let source = case.world.images[&case.of.source].clone();
    let other = encrypted_copy(&source, 99, &key(1), &mut case.world);
    case.change_copy(&other.id, |copy| copy.root_device = Some("/dev/sdz".into()));
    case.status = AMIMigrationStatus::default();
    make_wrong_copy(&mut case, 102, wrong);
    assert_eq!((attempt(&case), failures(&case)), (2, Some(1)), "{wrong:?}");

    case.status = AMIMigrationStatus::default();
    assert_eq!(
        (case.settle(), case.reason()),
        (Next::Wait, reason::ATTEMPTS_EXHAUSTED),
        "{wrong:?}"
    );
    assert_eq!(
        (attempt(&case), failures(&case), case.state()),
        (2, Some(2), MigrationState::Pending),
        "{wrong:?}"
    );
    let said = conditions::find(&case.status.conditions, conditions::STALLED).map_or("", |c| &c.message);
    for words in ["2 attempts", image_id(101).as_str(), image_id(102).as_str()] {
        assert!(said.contains(words), "{said}");
    }
    // They may have come into view only when it already waited for its turn.
    let mut late = Case::new();
    late.admitted = false;
    assert_eq!(
        (late.settle(), late.reason()),
        (Next::Wait, reason::WAITING_FOR_ADMISSION)
    );
    late.world = World {
        images: case.world.images.clone(),
        snapshots: case.world.snapshots.clone(),
    };
    assert_eq!((late.settle(), late.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));

    case.retry = Some("now".to_owned());
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 3, .. }))
    ));
}

#[test]
fn a_status_of_an_older_version_counts_its_attempts() {
    let mut case = Case::new();
    case.fail_next_attempt(101);
    case.fail_next_attempt(102);
    if let Some(copy) = &mut case.status.copy {
        copy.failures = None;
    }
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTEMPTS_EXHAUSTED));
}

#[test]
fn a_copy_that_failed_and_vanished_is_known_by_what_is_left_of_it_and_that_is_removed_at_once() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    let copy = image_id(101);
    case.accept_copy(&copy);
    let remains = |pending, failed| Remains {
        snapshots: vec![crate::plan::testing::snapshot_id(7)],
        pending,
        failed,
        why: None,
    };
    // It may just not show, or somebody has deregistered it and kept its snapshots.
    for (pending, failed) in [(true, false), (true, true), (false, false)] {
        case.remains.insert(copy.clone(), remains(pending, failed));
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    }
    case.remains.insert(copy.clone(), remains(false, true));
    let inventory = case.inventory();
    let unasked = next(case.facts(&inventory), at(case.now));
    assert_eq!(
        unasked.then,
        Next::Ask(Question::Absence(copy.clone())),
        "a listing may have missed it"
    );
    assert_eq!(case.settle(), Next::Do(Effect::RemoveRemains(copy.clone())));
    // Those of another image are none of its.
    case.remains = HashMap::from([(image_id(102), remains(false, true))]);
    assert_eq!(case.settle(), Next::Wait);
}
