use super::*;
use crate::domain::{KeyState, Rotation};
use crate::plan::testing::failed_call;

/// Images of these numbers, each encrypted under the key of its number.
fn encrypted(keys: &[(u64, u32)]) -> Case {
    let mut case = Case::of([]);
    for (number, of) in keys {
        let mut image = image(*number, 2);
        image.last_launched = Some(at(99 * DAY));
        case.world.add(image, Some(&key(*of)));
    }
    case
}

fn health(state: KeyState, rotation: Rotation) -> Result<KeyHealth, AwsError> {
    Ok(KeyHealth {
        state,
        rotation: Ok(rotation),
    })
}

#[test]
fn each_key_is_asked_for_once_and_only_those_of_images_that_are_there() {
    let mut case = encrypted(&[(1, 1), (2, 1), (3, 2), (4, 3)]);
    let gone = std::sync::Arc::make_mut(case.world.images.get_mut(&image_id(4)).expect("an image"));
    gone.state = ImageState::Deregistered;
    assert_eq!(case.with(|subject| subject.keys()), [key(1), key(2)].into());
}

#[test]
fn a_key_that_cannot_be_used_is_found_whatever_keeps_it_from_that() {
    for (state, says) in [
        (KeyState::Usable, None),
        (KeyState::Disabled, Some("is disabled")),
        (KeyState::PendingDeletion(None), Some("is to be deleted")),
        (
            KeyState::PendingDeletion(Some(at(0))),
            Some("is to be deleted on 2026-09-21"),
        ),
        (
            KeyState::Unavailable,
            Some("has no key material, or KMS cannot reach it"),
        ),
        (KeyState::Gone, Some("is gone")),
    ] {
        let mut case = encrypted(&[(1, 1), (2, 1), (3, 1), (4, 1), (5, 2)]);
        // They are in the order of their IDs, and named in that of their names.
        for (number, name) in [(1, "web-4"), (4, "web-1")] {
            let image = case.world.images.get_mut(&image_id(number)).expect("an image");
            std::sync::Arc::make_mut(image).name = name.into();
        }
        case.observed
            .keys
            .insert(key(1), health(state.clone(), Rotation::NotApplicable));
        case.observed
            .keys
            .insert(key(2), health(KeyState::Usable, Rotation::On));
        let expected: Vec<String> = says
            .iter()
            .map(|says| {
                format!(
                    "{} {says}, and web-1, web-2, web-3 and 1 more are encrypted under it.",
                    key(1)
                )
            })
            .collect();
        assert_eq!(case.said(Check::KeyDisabled), expected, "{state:?}");
        let lines: Vec<String> = expected.iter().map(|_| format!("key-disabled {}", key(1))).collect();
        assert_eq!(case.lines(), lines, "{state:?}");
    }
}

#[test]
fn an_image_that_another_key_opens_too_is_not_lost_with_one() {
    let mut case = encrypted(&[(1, 1)]);
    case.observed
        .keys
        .insert(key(1), health(KeyState::Disabled, Rotation::NotApplicable));
    assert_eq!(case.lines().len(), 1);
    for snapshot in case.world.snapshots.values_mut() {
        snapshot.extras.get_or_insert_default().also = Some(key(2));
    }
    assert_eq!(case.lines(), [""; 0]);
    let last = case.world.snapshots.values_mut().next_back().expect("a snapshot");
    last.extras = None;
    assert_eq!(case.lines().len(), 1, "one of its volumes is");
}

#[test]
fn only_a_key_that_could_be_rotated_and_is_not_is_found() {
    for (rotation, found) in [
        (Rotation::On, false),
        (Rotation::Off, true),
        (Rotation::NotApplicable, false),
    ] {
        let mut case = encrypted(&[(1, 1)]);
        case.observed.keys.insert(key(1), health(KeyState::Usable, rotation));
        let expected: Vec<String> = [format!("{} is not rotated, and web-1 is encrypted under it.", key(1))]
            .into_iter()
            .filter(|_| found)
            .collect();
        assert_eq!(case.said(Check::KeyWithoutRotation), expected, "{rotation:?}");
    }
}

#[test]
fn a_key_that_could_not_be_read_is_unknown_and_nothing_else() {
    let mut case = encrypted(&[(1, 1), (2, 2)]);
    let denied = |operation| failed_call(operation, ErrorClass::Denied);
    case.observed.keys.insert(key(1), Err(denied(Operation::DescribeKey)));
    let half = KeyHealth {
        state: KeyState::Usable,
        rotation: Err(denied(Operation::GetKeyRotationStatus)),
    };
    case.observed.keys.insert(key(2), Ok(half));
    assert_eq!(case.lines(), [""; 0]);
    let unread = case.unread();
    for ((kind, id, message), (of, number, action)) in unread.iter().zip([
        ("Key", 1, "kms:DescribeKey"),
        ("KeyRotation", 2, "kms:GetKeyRotationStatus"),
    ]) {
        assert_eq!((kind.as_str(), id.as_deref()), (of, Some(key(number).as_str())));
        assert!(message.contains(action), "{message}");
    }
    assert_eq!(unread.len(), 2);
}
