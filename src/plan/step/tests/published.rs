//! What becomes of a copy that was published, whatever happens to it or to its original.

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

fn says(case: &Case) -> String {
    let ready = conditions::find(&case.status.conditions, conditions::READY);
    ready.map_or_else(String::new, |ready| ready.message.clone())
}

#[test]
fn no_later_change_of_the_original_or_of_the_copy_turns_a_finished_migration_back() {
    for attribute in ["imdsSupport", "platformDetails"] {
        for of_copy in [true, false] {
            let (mut case, id) = finished();
            let before = case.status.clone();
            let changed = if of_copy { id } else { image_id(1) };
            case.change_copy(&changed, |image| {
                Arc::make_mut(&mut image.attributes).insert(attribute, "v2.0".into());
                image.description = Some("hardened".into());
            });
            assert_eq!(
                (case.settle(), &case.status),
                (Next::Wait, &before),
                "{attribute} {of_copy}"
            );
        }
    }
}

#[test]
fn a_finished_migration_that_was_turned_back_for_a_change_of_its_original_is_finished_again() {
    let (mut case, _) = finished();
    case.change_copy(&image_id(1), |source| {
        Arc::make_mut(&mut source.attributes).insert("imdsSupport", "v2.0".into());
    });
    case.status.state = Some(MigrationState::Verifying);
    assert!(matches!(case.settle(), Next::Do(Effect::Publish(_, list)) if list == [Publication::ImdsV2]));
}

#[test]
fn nobody_is_told_to_deregister_a_copy_that_was_published_and_no_other_is_made_beside_it() {
    let (mut case, id) = finished();
    let snapshot = case.world.images[&id].volumes().next().expect("a volume").2.clone();
    case.world.snapshots.get_mut(&snapshot).expect("known").key = Some(key(2));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::COPY_NOT_ENCRYPTED));
    assert!(!says(&case).contains("deregister"), "{}", says(&case));
    let verified = conditions::find(&case.status.conditions, conditions::VERIFIED).expect("it was verified");
    assert_eq!(
        (verified.status.as_str(), verified.reason.as_str()),
        ("False", reason::COPY_NOT_ENCRYPTED)
    );
    // One that never was may go.
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.change_copy(&id, |copy| {
        copy.devices.pop();
    });
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTRIBUTE_MISMATCH));
    assert!(says(&case).contains(&format!("deregister {id}")), "{}", says(&case));
}

#[test]
fn a_key_that_somebody_associates_with_a_copys_snapshot_is_named_and_taken_away_again() {
    let (mut case, id) = finished();
    let snapshot = case.world.images[&id].volumes().next().expect("a volume").2.clone();
    let associate = |case: &mut Case, other| {
        let snapshot = case.world.snapshots.get_mut(&snapshot).expect("known");
        snapshot.extras.get_or_insert_default().also = other;
    };
    associate(&mut case, Some(key(2)));
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::COPY_NOT_ENCRYPTED));
    assert!(
        says(&case).contains(&format!("disassociate {}", key(2))),
        "{}",
        says(&case)
    );
    associate(&mut case, None);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_that_somebody_disables_stalls_its_migration_until_it_is_enabled_and_then_gets_back_what_that_took() {
    let shared = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    for mode in [Mode::Enforce, Mode::Audit] {
        let (mut case, id) = finished();
        case.settings.mode = mode;
        case.permissions = shared.clone();
        case.change_copy(&id, |copy| copy.state = ImageState::Disabled);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
        assert_eq!((case.reason(), case.stalls()), (reason::COPY_DISABLED, true));
        assert!(says(&case).contains(&format!("enable {id}")), "{}", says(&case));
        assert!(!says(&case).contains("deregister"), "{}", says(&case));
        case.settings.mode = Mode::Enforce;
        case.change_copy(&id, |copy| copy.state = ImageState::Available);
        assert_eq!(
            case.settle(),
            Next::Do(Effect::Publish(
                id.clone(),
                vec![Publication::LaunchPermissions(shared.clone())]
            ))
        );
        case.answer(Answer::Published(&id));
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    }
}

#[test]
fn a_copy_is_not_published_while_its_original_is_disabled_unless_it_was_before() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.change_copy(&image_id(1), |source| source.state = ImageState::Disabled);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Promoting));
    assert_eq!((case.reason(), case.stalls()), (reason::IMAGE_DISABLED, true));
    assert!(conditions::is_true(&case.status.conditions, conditions::VERIFIED));
    assert!(conditions::find(&case.status.conditions, conditions::PROMOTED).is_none());
    case.change_copy(&image_id(1), |source| source.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    // People launch from it by now, and to disable the original is how it is retired.
    let before = case.status.clone();
    case.change_copy(&image_id(1), |source| source.state = ImageState::Disabled);
    assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
}

#[test]
fn no_second_copy_is_made_beside_one_that_is_disabled_also_where_nothing_is_on_record() {
    let (mut case, id) = finished();
    case.change_copy(&id, |copy| copy.state = ImageState::Disabled);
    case.status = AMIMigrationStatus::default();
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::COPY_DISABLED));
    let recorded = case.status.copy.as_ref().and_then(|copy| copy.image_id.clone());
    assert_eq!(recorded.as_deref(), Some(id.as_str()));
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    // When it is gone, another one is made.
    case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 2, .. }))
    ));
}

#[test]
fn an_image_that_a_status_calls_its_copy_is_compared_whole_unless_aws_says_so_too() {
    let (mut case, id) = finished();
    case.change_copy(&id, |copy| {
        copy.copied_from = None;
        Arc::make_mut(&mut copy.attributes).insert("architecture", "arm64".into());
    });
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTRIBUTE_MISMATCH));
}
