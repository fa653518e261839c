use std::cell::RefCell;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use crate::api::{PromotionSettings, TagPublication};
use crate::domain::{Key, KeyProblem, KeyUsability, SnapshotState, Source};
use crate::plan::testing::{World, at, copy_of, encrypted_copy, image, image_id, key};

/// One migration, its world, and the process that steps it: what a process remembers is lost by [`Case::crash`].
struct Case {
    of: CopyOf,
    status: AMIMigrationStatus,
    settings: AMIEncryptionTargetSpec,
    world: World,
    key: KeyView,
    admitted: bool,
    looked: bool,
    permissions: BTreeSet<LaunchPermission>,
    retry: Option<String>,
    pardoned: Option<u32>,
    denied: Option<Trouble>,
    trouble: Option<Trouble>,
    /// The recorded attempt that the process knows of, and since when.
    known: RefCell<(Option<CopyStatus>, i64)>,
    now: i64,
}

impl Case {
    fn new() -> Self {
        let settings = serde_json::json!({
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report",
            "copy": {"namePattern": "encrypted-{sourceID}-{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 2},
            "promotion": {},
        });
        Self {
            of: copy_of(),
            status: AMIMigrationStatus::default(),
            settings: serde_json::from_value(settings).expect("settings"),
            world: World::of([image(1, 2)]),
            key: KeyView::Known(Key {
                arn: key(1),
                usability: KeyUsability::Usable,
                aws_managed: false,
            }),
            admitted: true,
            looked: true,
            permissions: BTreeSet::new(),
            retry: None,
            pardoned: None,
            denied: None,
            trouble: None,
            known: RefCell::default(),
            now: 10_000,
        }
    }

    fn inventory(&self) -> Inventory {
        let world = World {
            images: self.world.images.clone(),
            snapshots: self.world.snapshots.clone(),
        };
        world.inventory(at(self.now))
    }

    /// The next step, with launch permissions read where they are asked for.
    fn step(&self) -> Step {
        let inventory = self.inventory();
        let observation = self.observation(&inventory);
        let step = next(observation, at(self.now));
        if step.then == Then::ReadPermissions {
            next(
                Observation {
                    permissions: Some(&self.permissions),
                    ..observation
                },
                at(self.now),
            )
        } else {
            step
        }
    }

    fn observation<'a>(&'a self, inventory: &'a Inventory) -> Observation<'a> {
        Observation {
            of: &self.of,
            status: &self.status,
            generation: Some(1),
            scanned_since_created: self.looked,
            looked_since_created: self.looked,
            known_since: at(self.known_since()),
            retry: self.retry.as_deref(),
            pardoned: self.pardoned,
            settings: &self.settings,
            inventory: Some(inventory),
            key: &self.key,
            denied: self.denied.as_ref(),
            admitted: self.admitted,
            permissions: None,
            older_unpublished: false,
            trouble: self.trouble.as_ref(),
        }
    }

    fn known_since(&self) -> i64 {
        let mut known = self.known.borrow_mut();
        if known.0 != self.status.copy {
            *known = (self.status.copy.clone(), self.now);
        }
        known.1
    }

    /// Writes statuses until there is a call or nothing to do.
    fn settle(&mut self) -> Then {
        for _ in 0..10 {
            let step = self.step();
            if step.status == self.status {
                return step.then;
            }
            self.status = step.status;
        }
        panic!("the status never comes to rest: {:?}", self.status);
    }

    fn accept_copy(&mut self, id: &ImageId) {
        let inventory = self.inventory();
        self.status = copy_accepted(self.observation(&inventory), id, at(self.now));
    }

    fn reason(&self) -> &str {
        conditions::find(&self.status.conditions, conditions::READY).map_or("", |c| c.reason.as_str())
    }

    fn stalls(&self) -> bool {
        conditions::is_true(&self.status.conditions, conditions::STALLED)
    }

    fn state(&self) -> MigrationState {
        self.status.state.expect("a state")
    }

    fn change_copy(&mut self, id: &ImageId, change: impl FnOnce(&mut Image)) {
        let copy = self.world.images.get_mut(id).expect("a copy");
        change(Arc::make_mut(copy));
    }

    /// What AWS makes of a call.
    fn make_copy(&mut self, call: &CopyCall, number: u64) -> ImageId {
        let source = self.world.images[&self.of.source].clone();
        let copy = encrypted_copy(&source, number, &self.of.key.clone(), &mut self.world);
        self.change_copy(&copy.id, |copy| {
            copy.name = call.name.as_str().into();
            copy.description = call.description.clone();
            copy.tags.insert(
                TAG_SOURCE_IMAGE.into(),
                copy.copied_from.as_ref().expect("source").image.as_str().into(),
            );
            copy.tags.insert(TAG_ATTEMPT.into(), call.attempt.to_string().into());
        });
        copy.id
    }

    fn fail_next_attempt(&mut self, number: u64) {
        let Then::Copy(call) = self.settle() else {
            panic!("{:?}", self.status)
        };
        let id = self.make_copy(&call, number);
        self.accept_copy(&id);
        self.change_copy(&id, |copy| copy.state = ImageState::Failed);
        assert_eq!(self.settle(), Then::RemoveFailed(id.clone()));
        let inventory = self.inventory();
        let observation = self.observation(&inventory);
        let lost = burnt(
            observation,
            self.status.clone(),
            "AWS could not make the copy.",
            at(self.now),
        );
        self.status = lost;
        self.world.images.remove(&id);
    }
}

#[test]
fn the_intent_is_on_record_before_aws_is_asked() {
    let mut case = Case::new();
    let first = case.step();
    assert_eq!(first.then, Then::Wait);
    let intent = first.status.copy.clone().expect("an intent");
    assert_eq!(
        (first.status.state, intent.attempt, &intent.image_id),
        (Some(MigrationState::Copying), 1, &None)
    );
    case.status = first.status;
    let Then::Copy(call) = case.step().then else {
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
        assert_eq!(case.settle(), Then::Wait, "{why}");
        assert_eq!((case.reason(), case.stalls()), (why, stalls));
    }
}

#[test]
fn nothing_is_begun_under_a_key_that_the_policy_names_no_more() {
    let mut case = Case::new();
    case.key = KeyView::Known(Key {
        arn: key(2),
        usability: KeyUsability::Usable,
        aws_managed: false,
    });
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Pending));
    assert_eq!(case.status.copy, None);
    // What was begun under the old key is finished under it.
    let mut begun = Case::new();
    assert!(matches!(begun.settle(), Then::Copy(_)));
    begun.key = case.key.clone();
    assert!(matches!(begun.settle(), Then::Copy(_)));
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
    assert_eq!(case.settle(), Then::Wait);
    assert_eq!(
        (case.reason(), case.state()),
        (reason::KEY_DISABLED, MigrationState::Pending)
    );
    case.key = usable;
    assert!(matches!(case.settle(), Then::Copy(_)));
    assert!(!case.stalls());
}

#[test]
fn a_good_copy_with_nothing_to_publish_completes_the_migration() {
    let mut case = Case::new();
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.change_copy(&id, |copy| copy.state = ImageState::Pending);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
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
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!(
        case.settle(),
        Then::Publish(id.clone(), vec![Publication::LaunchPermissions(shared)])
    );
    assert_eq!(case.state(), MigrationState::Promoting);
    let inventory = case.inventory();
    case.status = published(case.observation(&inventory), &id, at(case.now));
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
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
        let Then::Copy(call) = case.settle() else {
            panic!("no call")
        };
        let id = case.make_copy(&call, 101);
        case.accept_copy(&id);
        spoil(&mut case, &id);
        assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Verifying));
        assert_eq!((case.reason(), case.stalls()), (why, true));
        // The mend that the message names: then another copy is made, under another token and name.
        case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
        let Then::Copy(again) = case.settle() else {
            panic!("no call")
        };
        assert_eq!(again.attempt, 2);
        assert_ne!((again.client_token, again.name), (call.client_token, call.name));
    }
}

#[test]
fn a_copy_whose_snapshots_were_not_read_waits_for_the_reading() {
    let mut case = Case::new();
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    let snapshot = case.world.images[&id].volumes().next().expect("a volume").2.clone();
    let read = case.world.snapshots.remove(&snapshot).expect("known");
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Verifying));
    assert!(!case.stalls());
    case.world.snapshots.insert(
        snapshot.clone(),
        crate::domain::Snapshot {
            state: SnapshotState::Pending,
            ..read.clone()
        },
    );
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Verifying));
    case.world.snapshots.insert(snapshot, read);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
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
    assert_eq!(case.settle(), Then::Wait);
    assert_eq!((case.reason(), case.stalls()), (reason::ATTEMPTS_EXHAUSTED, true));
    assert_eq!(case.status.copy.as_ref().map(|copy| copy.attempt), Some(2));
}

#[test]
fn exhausted_attempts_go_on_with_the_annotation_or_after_a_day() {
    let exhausted = || {
        let mut case = Case::new();
        case.fail_next_attempt(101);
        case.fail_next_attempt(102);
        assert_eq!(case.settle(), Then::Wait);
        case
    };
    let mut case = exhausted();
    case.retry = Some("now".to_owned());
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 3, .. })));
    case.fail_next_attempt(103);
    assert_eq!((case.settle(), case.reason()), (Then::Wait, reason::ATTEMPTS_EXHAUSTED));

    let mut case = exhausted();
    case.now += 23 * 3600;
    assert_eq!(case.settle(), Then::Wait);
    case.now += 3600;
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 3, .. })));
}

#[test]
fn a_change_of_the_policy_allows_exhausted_attempts_one_more_and_no_others() {
    let mut case = Case::new();
    case.fail_next_attempt(101);
    case.fail_next_attempt(102);
    assert_eq!((case.settle(), case.reason()), (Then::Wait, reason::ATTEMPTS_EXHAUSTED));
    case.pardoned = Some(1);
    assert_eq!(case.settle(), Then::Wait, "the change came before the second attempt");
    case.pardoned = Some(2);
    case.fail_next_attempt(103);
    assert_eq!((case.settle(), case.reason()), (Then::Wait, reason::ATTEMPTS_EXHAUSTED));
}

#[test]
fn a_copy_that_is_there_already_is_adopted_and_none_is_made() {
    let mut case = Case::new();
    let source = case.world.images[&case.of.source].clone();
    let copy = encrypted_copy(&source, 101, &key(1), &mut case.world);
    case.admitted = false;
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
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
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 1, .. })));
}

#[test]
fn the_copy_of_a_lost_status_is_found_again_while_it_is_still_being_made() {
    let mut case = Case::new();
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.change_copy(&id, |copy| copy.state = ImageState::Pending);
    case.status = AMIMigrationStatus::default();
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
    assert_eq!(
        case.status.copy.clone().and_then(|copy| copy.image_id).as_deref(),
        Some(id.as_str())
    );
    case.change_copy(&id, |copy| copy.state = ImageState::Available);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
}

#[test]
fn a_copy_that_aws_does_not_show_counts_as_vanished_only_after_a_while() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Then::Copy(_)));
    case.accept_copy(&image_id(101));
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
    case.now += 600;
    case.admitted = false;
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Pending));
    case.admitted = true;
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 2, .. })));
}

#[test]
fn a_copy_that_was_asked_for_long_after_its_intent_has_not_vanished() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Then::Copy(_)));
    // The call waits, for a slot or for the limiter; meanwhile copies are looked for, and none is there of course.
    case.now += 700;
    case.accept_copy(&image_id(101));
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
}

#[test]
fn what_another_process_with_another_clock_has_asked_for_does_not_count_as_vanished_at_once() {
    for skew in [-7200, 7200] {
        let mut case = Case::new();
        case.now += skew;
        assert!(matches!(case.settle(), Then::Copy(_)));
        case.accept_copy(&image_id(101));
        assert_eq!(case.settle(), Then::Wait);
        // This one takes over.
        case.known.take();
        case.now -= skew;
        assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
        case.now += 599;
        assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
        case.now += 1;
        case.admitted = false;
        assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Pending));
    }
}

#[test]
fn a_status_that_claims_to_be_finished_with_a_copy_that_has_failed_is_not_believed() {
    let mut case = Case::new();
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    case.status.state = Some(MigrationState::Completed);
    let copy = case.world.images.get_mut(&id).expect("a copy");
    Arc::make_mut(copy).state = ImageState::Failed;
    assert_eq!(case.settle(), Then::RemoveFailed(id));
}

#[test]
fn a_copy_that_was_refused_has_given_its_place_away_and_waits_for_another() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Then::Copy(_)));
    case.trouble = Some(Trouble::new(reason::ACCESS_DENIED, "Allow it."));
    case.admitted = false;
    assert_eq!((case.settle(), case.stalls()), (Then::Wait, true));
    // Nor does another process ask, which knows nothing of the refusal but what is on record.
    case.trouble = None;
    assert_eq!((case.settle(), case.stalls()), (Then::Wait, true));
    case.admitted = true;
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 1, .. })));
    assert!(!case.stalls());
}

#[test]
fn a_status_that_claims_to_be_finished_without_a_copy_is_not_believed() {
    let mut case = Case::new();
    case.status.state = Some(MigrationState::Completed);
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 1, .. })));
    // The same with an intent on record.
    case.status.state = Some(MigrationState::Completed);
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 1, .. })));
    assert_eq!(case.state(), MigrationState::Copying);
}

#[test]
fn a_finished_migration_is_opened_again_when_its_copy_is_gone() {
    let mut case = Case::new();
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
    case.world.images.remove(&id);
    assert_eq!(
        (case.settle(), case.state()),
        (Then::Wait, MigrationState::Completed),
        "it may just not show"
    );
    case.now += 600;
    assert!(matches!(case.settle(), Then::Copy(CopyCall { attempt: 2, .. })));
}

#[test]
fn a_policy_that_asks_for_more_to_be_published_opens_a_finished_migration_again() {
    let mut case = Case::new();
    Arc::make_mut(case.world.images.get_mut(&image_id(1)).expect("source"))
        .tags
        .insert("team".into(), "shop".into());
    let Then::Copy(call) = case.settle() else {
        panic!("no call")
    };
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
    case.settings.promotion = PromotionSettings {
        tags: TagPublication::Publish,
        ..PromotionSettings::default()
    };
    let Then::Publish(_, list) = case.settle() else {
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
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
    assert_eq!(case.reason(), reason::SOURCE_GONE);
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
        (Then::Wait, reason::DEFAULT_KEY_CANNOT_BE_SHARED)
    );
    case.admitted = false;
    assert_eq!(case.step().status, case.status, "the next scan brings no news");
    case.permissions.clear();
    assert_eq!(
        (case.settle(), case.reason()),
        (Then::Wait, reason::WAITING_FOR_ADMISSION)
    );
    case.admitted = true;
    assert!(matches!(case.settle(), Then::Copy(_)));
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
    assert_eq!((case.settle(), case.reason()), (Then::Wait, reason::KEY_WRONG_USAGE));
    let before = case.status.clone();
    case.key = unusable(2);
    assert_eq!(case.settle(), Then::Wait);
    assert_eq!(case.status, before);
}

#[test]
fn a_refused_call_shows_until_it_succeeds_and_is_written_once() {
    let mut case = Case::new();
    assert!(matches!(case.settle(), Then::Copy(_)));
    case.trouble = Some(Trouble::new(reason::ACCESS_DENIED, "ec2:CopyImage: not permitted."));
    assert!(matches!(case.settle(), Then::Copy(_)), "the call is tried again");
    assert_eq!(
        (case.reason(), case.stalls(), case.state()),
        (reason::ACCESS_DENIED, true, MigrationState::Copying)
    );
    case.now += 900;
    assert_eq!(case.step().status, case.status, "the same trouble later is no news");
}

/// What may happen between two steps.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// A step: a status is written, or a call is made and answered.
    Step,
    /// A call has its effect, and the process dies before it hears of it.
    EffectThenCrash,
    /// All statuses are lost, as when the policy is deleted and applied again.
    Forget,
    /// The copy in flight is done, or has failed.
    Done,
    Fail,
    /// A day goes by.
    Later,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        5 => Just(Event::Step),
        1 => Just(Event::EffectThenCrash),
        1 => Just(Event::Forget),
        2 => Just(Event::Done),
        1 => Just(Event::Fail),
        1 => Just(Event::Later),
    ]
}

proptest! {
    /// AWS answers a token that it knows with the image that it made for it. Under that, whatever crashes and fails, the
    /// copies that had an effect are those that were needed plus those that failed.
    #[test]
    fn whatever_happens_no_more_copies_are_made_than_are_needed(events in prop::collection::vec(event(), 0..60)) {
        let mut case = Case::new();
        let mut tokens: std::collections::HashMap<String, ImageId> = std::collections::HashMap::new();
        let (mut made, mut failed, mut number) = (0, 0, 100);
        for event in events.into_iter().chain([Event::Step; 12]) {
            match event {
                Event::Step | Event::EffectThenCrash => {
                    let step = case.step();
                    if step.status != case.status {
                        case.status = step.status;
                        continue;
                    }
                    match step.then {
                        Then::Copy(call) => {
                            let recorded = case.status.copy.clone().expect("an intent");
                            prop_assert_eq!(&recorded.client_token, &call.client_token);
                            let known = tokens.get(&call.client_token).cloned();
                            let id = known.unwrap_or_else(|| {
                                number += 1;
                                made += 1;
                                let id = case.make_copy(&call, number);
                                case.change_copy(&id, |copy| copy.state = ImageState::Pending);
                                tokens.insert(call.client_token.clone(), id.clone());
                                id
                            });
                            if !matches!(event, Event::EffectThenCrash) {
                                case.accept_copy(&id);
                            }
                        }
                        Then::RemoveFailed(id) => {
                            prop_assert_eq!(case.world.images[&id].state, ImageState::Failed);
                            case.change_copy(&id, |copy| copy.state = ImageState::Deregistered);
                            let inventory = case.inventory();
                            let lost = burnt(case.observation(&inventory), case.status.clone(), "failed", at(case.now));
                            case.status = lost;
                        }
                        Then::Publish(..) | Then::ReadPermissions => prop_assert!(false, "nothing is to be published"),
                        Then::Wait => {}
                    }
                }
                Event::Forget => case.status = AMIMigrationStatus::default(),
                Event::Done | Event::Fail => {
                    let pending = case.world.images.values().find(|i| i.state == ImageState::Pending).map(|i| i.id.clone());
                    if let Some(id) = pending {
                        let fails = matches!(event, Event::Fail);
                        failed += usize::from(fails);
                        let state = if fails { ImageState::Failed } else { ImageState::Available };
                        case.change_copy(&id, |copy| copy.state = state);
                    }
                }
                Event::Later => case.now += 86_400,
            }
            let alive = case.world.images.values().filter(|image| {
                image.copied_from.is_some() && matches!(image.state, ImageState::Pending | ImageState::Available)
            });
            prop_assert!(alive.count() <= 1, "two copies at a time");
            prop_assert!(made <= failed + 1, "{made} copies, {failed} of them failed");
            if case.status.state == Some(MigrationState::Completed) {
                let copy = case.status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
                let copy = case.world.images.values().find(|image| Some(image.id.as_str()) == copy);
                prop_assert_eq!(copy.map(|copy| copy.state), Some(ImageState::Available));
            }
        }
    }
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
    assert!(matches!(case.settle(), Then::Copy(_)));
}

#[test]
fn no_copy_is_asked_for_while_the_role_lacks_what_migrating_needs_and_what_was_begun_goes_on() {
    let denied = || Some(Trouble::new(reason::ACCESS_DENIED, "AWS denies it: allow it."));
    let mut case = Case::new();
    case.denied = denied();
    assert_eq!((case.settle(), case.stalls()), (Then::Wait, true));
    assert_eq!(
        (case.reason(), case.state()),
        (reason::ACCESS_DENIED, MigrationState::Pending)
    );
    case.denied = None;
    let Then::Copy(call) = case.settle() else {
        panic!("{:?}", case.status)
    };
    assert!(!case.stalls());
    // An intent alone is not begun: AWS would deny it.
    case.denied = denied();
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Copying));
    let id = case.make_copy(&call, 101);
    case.accept_copy(&id);
    assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
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
        assert_eq!((case.settle(), case.state()), (Then::Wait, MigrationState::Completed));
        assert_eq!(case.status.copy.map(|copy| copy.name).as_deref(), Some(recorded));
    }
}
