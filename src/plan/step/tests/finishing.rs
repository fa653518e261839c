//! What is judged, published and finished, and what opens again.

use super::*;

#[test]
fn a_good_copy_with_nothing_to_publish_completes_the_migration() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.change_copy(&id, |copy| copy.state = ImageState::Pending);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Copying));
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    assert_eq!((case.reason(), case.status.snapshots.len()), (reason::SUCCEEDED, 2));
    for type_ in [
        conditions::COPIED,
        conditions::VERIFIED,
        conditions::PROMOTED,
        conditions::READY,
    ] {
        assert!(conditions::is_true(&case.status.conditions, type_), "{type_}");
    }
}

#[test]
fn what_is_to_be_published_is_announced_before_and_done_once() {
    let mut case = Case::new();
    let shared = BTreeSet::from([LaunchPermission::Account("999988887777".parse().expect("account"))]);
    case.permissions = shared.clone();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!(
        case.settle(),
        Next::Do(Effect::Publish(
            id.clone(),
            vec![Publication::LaunchPermissions(shared)]
        ))
    );
    assert_eq!(case.state(), MigrationState::Promoting);
    case.answer(Answer::Published(&id));
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_that_is_not_encrypted_or_differs_is_never_promoted() {
    type Spoil = fn(&mut Case, &ImageId);
    let spoil: [(Spoil, &str); 2] = [
        (
            |case, id| {
                let snapshot = case.world.images[id].volumes().next().expect("a volume").2.clone();
                case.world.snapshots.get_mut(&snapshot).expect("known").key = Some(key(2));
            },
            reason::COPY_NOT_ENCRYPTED,
        ),
        (
            |case, id| {
                case.change_copy(id, |copy| {
                    Arc::make_mut(&mut copy.attributes).insert("architecture", "arm64".into());
                });
            },
            reason::ATTRIBUTE_MISMATCH,
        ),
    ];
    for (spoil, why) in spoil {
        let mut case = Case::new();
        let Next::Do(Effect::Copy(call)) = case.settle() else {
            panic!("no call")
        };
        let id = case.make_copy(&call, 101);
        case.accept_copy(&id);
        spoil(&mut case, &id);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
        assert_eq!((case.reason(), case.stalls()), (why, true));
        // The fix that the message names: then another copy is made, under another token and name.
        case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
        let Next::Do(Effect::Copy(again)) = case.settle() else {
            panic!("no call")
        };
        assert_eq!(again.attempt, 2);
        assert_ne!((again.client_token, again.name), (call.client_token, call.name));
    }
}

fn set(image: &mut Image, name: &'static str, value: &str) {
    Arc::make_mut(&mut image.attributes).insert(name, value.into());
}

#[test]
fn uefi_data_is_read_where_it_matters_and_a_copy_that_has_lost_it_is_never_promoted() {
    type Change = fn(&mut Image);
    let matters: [(Change, bool); 4] = [
        (|_| {}, false),
        (|image| set(image, "bootMode", "legacy-bios"), false),
        (|image| set(image, "bootMode", "uefi-preferred"), true),
        (|image| set(image, "tpmSupport", "v2.0"), true),
    ];
    for (change, is_read) in matters {
        let mut case = Case::new();
        case.change_copy(&image_id(1), change);
        let Next::Do(Effect::Copy(call)) = case.settle() else {
            panic!("no call")
        };
        let id = case.make_copy(&call, 101);
        case.accept_copy(&id);
        let inventory = case.inventory();
        let unread = next(case.facts(&inventory), at(case.now));
        assert_eq!(
            unread.then == Next::Ask(Question::UefiData(id.clone())),
            is_read,
            "{unread:?}"
        );
        assert!(!is_read || !conditions::is_true(&unread.status.conditions, conditions::VERIFIED));
        case.uefi_differs = true;
        let done = (Next::Wait, MigrationState::Completed);
        if !is_read {
            assert_eq!((case.settle(), case.state()), done);
            continue;
        }
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::ATTRIBUTE_MISMATCH));
        // It cannot have changed, and is not read again.
        let inventory = case.inventory();
        let again = next(case.facts(&inventory), at(case.now));
        assert_eq!((again.then, &again.status), (Next::Wait, &case.status));
        // That of another copy may be what it should be.
        case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
        case.uefi_differs = false;
        let Next::Do(Effect::Copy(call)) = case.settle() else {
            panic!("no call")
        };
        let id = case.make_copy(&call, 102);
        case.accept_copy(&id);
        assert_eq!((case.settle(), case.state()), done);
    }
}

#[test]
fn a_copy_whose_snapshots_were_not_read_waits_for_the_reading() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let snapshot = case.world.images[&id].volumes().next().expect("a volume").2.clone();
    let read = case.world.snapshots.remove(&snapshot).expect("known");
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
    assert!(!case.stalls());
    case.world.snapshots.insert(
        snapshot.clone(),
        crate::domain::Snapshot {
            state: SnapshotState::Pending,
            ..read.clone()
        },
    );
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
    case.world.snapshots.insert(snapshot, read);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
}

#[test]
fn a_status_that_claims_to_be_finished_with_a_copy_that_has_failed_is_not_believed() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.status.state = Some(MigrationState::Completed);
    let copy = case.world.images.get_mut(&id).expect("a copy");
    Arc::make_mut(copy).state = ImageState::Failed;
    assert_eq!(case.settle(), Next::Do(Effect::RemoveFailed(id)));
}

#[test]
fn a_status_that_claims_to_be_finished_without_a_copy_is_not_believed() {
    let mut case = Case::new();
    case.status.state = Some(MigrationState::Completed);
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 1, .. }))
    ));
    // The same with an intent on record.
    case.status.state = Some(MigrationState::Completed);
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 1, .. }))
    ));
    assert_eq!(case.state(), MigrationState::Copying);
}

#[test]
fn a_status_that_claims_to_be_finished_without_a_copy_is_not_passed_on_where_nothing_is_done_either() {
    type Hold = fn(&mut Case);
    let holds: [Hold; 2] = [|c| c.settings.suspend = true, |c| c.settings.mode = Mode::Audit];
    for hold in holds {
        let mut case = Case::new();
        hold(&mut case);
        case.status.state = Some(MigrationState::Completed);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Pending));
    }
    // Before the first scan of a new process, too, and with an intent on record the answer is still to be awaited.
    let mut case = Case::new();
    assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))));
    case.status.state = Some(MigrationState::Completed);
    let inventory = case.inventory();
    let mut unseen = case.facts(&inventory);
    unseen.account.inventory = None;
    assert_eq!(next(unseen, at(case.now)).status.state, Some(MigrationState::Copying));
}

#[test]
fn a_finished_migration_is_opened_again_when_its_copy_is_gone() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    case.world.images.remove(&id);
    // It may just not show. Until it does, nothing is claimed of it, and no other one is made.
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
    assert!(case.status.copy.as_ref().is_some_and(|copy| copy.image_id.is_some()));
    assert!(!conditions::is_true(&case.status.conditions, conditions::VERIFIED));
    assert!(!conditions::is_true(&case.status.conditions, conditions::READY));
    case.now += 600;
    assert!(matches!(
        case.settle(),
        Next::Do(Effect::Copy(CopyCall { attempt: 2, .. }))
    ));
}

#[test]
fn a_finished_migration_whose_copy_does_not_show_is_finished_again_when_it_does() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    let done = case.status.clone();
    let copy = case.world.images.remove(&id).expect("a copy");
    // A scan that is older than the migration contradicts nothing.
    case.looked = false;
    assert_eq!((case.settle(), &case.status), (Next::Wait, &done));
    case.looked = true;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Verifying));
    case.world.images.insert(id, copy);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    assert!(conditions::is_true(&case.status.conditions, conditions::VERIFIED));
    assert_eq!(case.status.copy, done.copy);
}

#[test]
fn a_finished_migration_says_that_its_original_is_gone_and_since_when_and_takes_it_back_when_it_shows_again() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    let source = case.world.images.remove(&image_id(1)).expect("the original");
    case.settings.suspend = true;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SUCCEEDED));
    case.settings.suspend = false;
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
    let since = case.status.source_gone_time.clone();
    assert_eq!(since, Some(Time(at(case.now))));
    case.now += 5000;
    assert_eq!((case.settle(), &case.status.source_gone_time), (Next::Wait, &since));
    // It was restored from the Recycle Bin.
    case.world.images.insert(image_id(1), source);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SUCCEEDED));
    assert_eq!(case.status.source_gone_time, None);
}

#[test]
fn an_image_that_cannot_be_copied_for_its_own_sake_stalls_without_a_call_and_goes_on_when_that_is_mended() {
    type Change = fn(&mut Case, bool);
    fn source(case: &mut Case) -> &mut Image {
        Arc::make_mut(case.world.images.get_mut(&image_id(1)).expect("the source"))
    }
    fn keep(case: &mut Case, kept: Kept) {
        let snapshot = source(case).volumes().last().expect("a volume").2.clone();
        case.world.snapshots.get_mut(&snapshot).expect("a snapshot").kept = kept;
    }
    let changes: [(Change, &str); 4] = [
        (
            |case, is_so| {
                source(case).state = if is_so {
                    ImageState::Disabled
                } else {
                    ImageState::Available
                }
            },
            reason::IMAGE_DISABLED,
        ),
        (
            |case, is_so| keep(case, if is_so { Kept::Archive } else { Kept::Standard }),
            reason::SNAPSHOT_ARCHIVED,
        ),
        (
            |case, is_so| keep(case, if is_so { Kept::Local } else { Kept::Standard }),
            reason::SNAPSHOT_LOCAL,
        ),
        (
            |case, is_so| source(case).extras.get_or_insert_default().unread = is_so.then(|| "odd".into()),
            reason::UNKNOWN_IMAGES,
        ),
    ];
    for (change, why) in changes {
        let mut case = Case::new();
        change(&mut case, true);
        assert_eq!((case.settle(), case.reason()), (Next::Wait, why));
        assert!(case.stalls());
        assert_eq!(case.status.stalled.as_deref(), Some(why));
        assert!(crate::plan::migrations::is_blocked_by_image(&case.status));
        change(&mut case, false);
        assert!(matches!(case.settle(), Next::Do(Effect::Copy(_))), "{why}");
        assert_eq!(case.status.stalled, None);
    }
}

#[test]
fn a_copy_that_cannot_be_compared_since_an_answer_cannot_be_read_says_so_and_is_finished_when_it_can() {
    for of_copy in [true, false] {
        let mut case = Case::new();
        let Next::Do(Effect::Copy(call)) = case.settle() else {
            panic!("no call")
        };
        let id = case.make_copy(&call, 101);
        case.accept_copy(&id);
        let odd = if of_copy { id } else { image_id(1) };
        case.change_copy(&odd, |image| {
            image.extras.get_or_insert_default().unread = Some("imageOwnerId is missing".into())
        });
        assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::UNKNOWN_IMAGES));
        assert!(case.stalls());
        case.change_copy(&odd, |image| image.extras = None);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    }
}

#[test]
fn a_policy_that_asks_for_more_to_be_published_opens_a_finished_migration_again() {
    let mut case = Case::new();
    Arc::make_mut(case.world.images.get_mut(&image_id(1)).expect("source"))
        .tags
        .insert("team".into(), "shop".into());
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    case.settings.promotion = PromotionSettings {
        tags: TagPublication::Publish,
        ..PromotionSettings::default()
    };
    let Next::Do(Effect::Publish(_, list)) = case.settle() else {
        panic!("nothing published")
    };
    assert!(
        matches!(&list[..], [Publication::Tags(tags)] if tags.contains_key("team")),
        "{list:?}"
    );
}

#[test]
fn when_the_original_is_gone_the_migration_ends_and_says_so() {
    let mut case = Case::new();
    case.world.images.remove(&image_id(1));
    case.looked = false;
    assert_eq!(case.step().status.state, None, "the scan is older than the migration");
    case.looked = true;
    assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    assert_eq!(case.reason(), reason::SOURCE_GONE);
}

#[test]
fn what_another_process_has_seen_further_is_not_taken_back() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    for state in [MigrationState::Verifying, MigrationState::Promoting] {
        case.status.state = Some(state);
        case.change_copy(&id, |copy| copy.state = ImageState::Pending);
        let before = case.status.clone();
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
        let copy = case.world.images.remove(&id).expect("a copy");
        assert_eq!((case.settle(), &case.status), (Next::Wait, &before));
        case.world.images.insert(id.clone(), copy);
    }
}

#[test]
fn what_a_listing_does_not_show_is_asked_for_by_its_id_before_it_counts_as_gone() {
    let mut case = Case::new();
    let Next::Do(Effect::Copy(call)) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let next_of = |case: &Case, gone: Option<&ImageId>| {
        let inventory = case.inventory();
        let answers = Answers {
            gone: gone.cloned().into_iter().collect(),
            ..Answers::default()
        };
        let facts = Facts {
            answers: &answers,
            ..case.facts(&inventory)
        };
        next(facts, at(case.now))
    };
    let another = image_id(7);
    for state in [MigrationState::Copying, MigrationState::Completed] {
        let copy = case.world.images.remove(&id).expect("a copy");
        case.status.state = Some(state);
        // The process has known of it for long.
        case.step();
        case.now += 600;
        let step = next_of(&case, None);
        assert_eq!(
            (step.then, &step.status),
            (Next::Ask(Question::Absence(id.clone())), &case.status)
        );
        // Another one's absence says nothing of it.
        assert_eq!(
            next_of(&case, Some(&another)).then,
            Next::Ask(Question::Absence(id.clone()))
        );
        case.world.images.insert(id.clone(), copy);
        assert_eq!((case.settle(), case.state()), (Next::Wait, MigrationState::Completed));
    }
    case.status.state = Some(MigrationState::Pending);
    let source = case.world.images.remove(&image_id(1)).expect("the source");
    assert_eq!(next_of(&case, None).then, Next::Ask(Question::Absence(image_id(1))));
    // AWS still shows it for a while after somebody has deregistered it.
    let mut deregistered = source;
    Arc::make_mut(&mut deregistered).state = ImageState::Deregistered;
    case.world.images.insert(image_id(1), deregistered);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::SOURCE_GONE));
}

#[test]
fn what_is_about_to_be_replaced_under_another_key_says_what_it_said() {
    let mut case = Case::new();
    let unusable = |number| {
        KeyView::Known(Key {
            arn: key(number),
            usability: KeyUsability::Unusable(KeyProblem::WrongUsage),
            aws_managed: false,
        })
    };
    case.key = unusable(1);
    assert_eq!((case.settle(), case.reason()), (Next::Wait, reason::KEY_WRONG_USAGE));
    let before = case.status.clone();
    case.key = unusable(2);
    assert_eq!(case.settle(), Next::Wait);
    assert_eq!(case.status, before);
}
