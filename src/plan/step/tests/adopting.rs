//! Which copies are taken for ours, and when one that was asked for counts as lost.

use super::*;

#[test]
fn a_copy_that_is_there_already_is_adopted_and_none_is_made() {
    let mut case = Case::new();
    let source = case.world.images[&case.of.source].clone();
    let copy = encrypted_copy(&source, 101, &key(1), &mut case.world);
    case.admitted = false;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    assert_eq!(case.reason(), reason::ADOPTED);
    let recorded = case.status.copy.and_then(|copy| copy.image_id);
    assert_eq!(recorded.as_deref(), Some(copy.id.as_str()));
}

#[test]
fn a_forged_copy_is_not_believed() {
    let mut case = Case::new();
    let source = case.world.images[&case.of.source].clone();
    let copy = encrypted_copy(&source, 101, &key(1), &mut case.world);
    let name = case.of.copy_name("{name}", "web-1", 1);
    case.change_copy(&copy.id, |copy| {
        copy.copied_from = None;
        copy.name = name.into();
        copy.tags.insert(TAG_SOURCE_IMAGE.into(), image_id(1).as_str().into());
        copy.tags.insert(TAG_ATTEMPT.into(), "1".into());
    });
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 1, .. }))
    ));
}

#[test]
fn the_copy_of_a_lost_status_is_found_again_while_it_is_still_being_made() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.change_copy(&id, |copy| copy.state = ImageState::Pending);
    case.status = AMIMigrationStatus::default();
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    assert_eq!(
        case.status.copy.clone().and_then(|copy| copy.image_id).as_deref(),
        Some(id.as_str())
    );
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_of_an_image_of_the_same_id_in_another_region_is_not_adopted() {
    let mut case = Case::new();
    let source = case.world.images[&case.of.source].clone();
    let copy = encrypted_copy(&source, 101, &key(1), &mut case.world);
    case.change_copy(&copy.id, |copy| {
        copy.copied_from = Some(Box::new(Source {
            image: image_id(1),
            region: "us-east-1".parse().expect("a region"),
        }));
    });
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
}

#[test]
fn a_copy_of_whatever_name_is_adopted_under_one_that_a_status_has_room_for() {
    let long = "\u{65e5}".repeat(500);
    for (name, recorded) in [
        ("", "ami-00000000000000065"),
        ("ab", "ami-00000000000000065"),
        (&long, &long[..128 * 3]),
    ] {
        let mut case = Case::new();
        let source = case.world.images[&case.of.source].clone();
        let copy = encrypted_copy(&source, 101, &key(1), &mut case.world);
        case.change_copy(&copy.id, |copy| copy.name = name.into());
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
        assert_eq!(case.status.copy.map(|copy| copy.name).as_deref(), Some(recorded));
    }
}

#[test]
fn a_copy_that_aws_does_not_show_counts_as_vanished_only_after_a_while() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    case.accept_copy(&image_id(101));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    case.now += 600;
    case.admitted = false;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Pending));
    case.admitted = true;
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 2, .. }))
    ));
}

#[test]
fn a_copy_that_was_asked_for_long_after_its_intent_has_not_vanished() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    // The call waits, for its turn or for the limiter; meanwhile copies are looked for, and none is there of course.
    case.now += 700;
    case.accept_copy(&image_id(101));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
}

#[test]
fn what_another_process_with_another_clock_has_asked_for_does_not_count_as_vanished_at_once() {
    for skew in [-7200, 7200] {
        let mut case = Case::new();
        case.now += skew;
        assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
        case.accept_copy(&image_id(101));
        assert_eq!(case.settle(), Next::Wait);
        // This one takes over.
        case.known.take();
        case.now -= skew;
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
        case.now += 599;
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
        case.now += 1;
        case.admitted = false;
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Pending));
    }
}
