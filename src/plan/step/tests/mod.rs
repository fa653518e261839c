mod adopting;
mod answering;
mod asking;
mod attempts;
mod awaiting;
mod finishing;
mod following;
mod gone;
mod launched;
mod proving;
mod proving_inspector;
mod proving_job;
mod proving_on_demand;
mod published;
mod whatever;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use crate::api::{
    AMIEncryptionTargetSpec, AMIMigration, Approval, Desired, LaunchStatus, OnDemandScanStatus, PromotionSettings,
    TagPublication,
};
use crate::domain::{
    AccountId, ForeignCopy, InstanceNow, Kept, Key, KeyAccess, KeyProblem, KeyUsability, LaunchPermission, Movable,
    Remains, ScanNow, Snapshot, SnapshotState, Source,
};
use crate::plan::moving::{ConsumerKey, Seen, Turn};
use crate::plan::naming::CopyIdentity;
use crate::plan::proof::job::JobNow;
use crate::plan::source_keys::SourceKeys;
use crate::plan::testing::{World, at, copy_of, encrypted_copy, image, image_id, key};
use crate::plan::usage::Picture;

static NOTHING_ASKED: Answers = Answers {
    gone: BTreeSet::new(),
    permissions: None,
    uefi_differs: None,
    consumers: BTreeMap::new(),
    key_access: None,
    foreign: BTreeMap::new(),
    instance: None,
    job: None,
    scan: None,
    unscanned: None,
};
static NOTHING_FRESH: Fresh = Fresh {
    key_access: false,
    images: BTreeSet::new(),
};
static NOTHING_SEEN: BTreeMap<ConsumerKey, Seen> = BTreeMap::new();

/// One migration, its world, and the process that steps it: what a process remembers is lost by [`Case::crash`].
struct Case {
    of: CopyIdentity,
    status: AMIMigrationStatus,
    settings: AMIEncryptionTargetSpec,
    world: World,
    key: KeyView,
    source_keys: SourceKeys,
    admitted: bool,
    looked: bool,
    permissions: BTreeSet<LaunchPermission>,
    uefi_differs: bool,
    retry: Option<String>,
    extra_attempt_after: Option<u32>,
    denied: Option<Problem>,
    unanswered: bool,
    problem: Option<Problem>,
    unseen: bool,
    remains: HashMap<ImageId, Remains>,
    approval: Approval,
    approved_by: Option<String>,
    desired: Desired,
    picture: Option<Picture>,
    turn: Turn,
    may_launch: bool,
    may_make_job: bool,
    /// What the API server shows of the Job that the copy is proven by.
    job: JobNow,
    /// What AWS shows of the instance that the copy is proven by.
    instance: InstanceNow,
    /// What AWS shows of the last on-demand scan of the copy.
    scan: Option<ScanNow>,
    /// What AWS shows of consumers.
    consumers: BTreeMap<ConsumerKey, Movable>,
    key_access: Option<KeyAccess>,
    /// Who owns the image, where that is another account, and the owner's migration.
    owner: Option<(AccountId, Option<AMIMigration>)>,
    /// Whether the owner's policy has its migration go on.
    owner_is_active: bool,
    /// What the account sees of images of others.
    foreign: BTreeMap<ImageId, ForeignCopy>,
    /// What it saw a while ago.
    known_foreign: BTreeMap<ImageId, ForeignCopy>,
    /// What the process has last seen on record, and since when.
    known: RefCell<Known>,
    now: i64,
}

/// What a process has last seen on record, and since when.
#[derive(Default)]
struct Known {
    copy: (Option<CopyStatus>, i64),
    launch: (Option<LaunchStatus>, i64),
    scan: (Option<OnDemandScanStatus>, i64),
}

fn since<T: PartialEq>(known: &mut (Option<T>, i64), record: Option<T>, now: i64) -> Timestamp {
    if known.0 != record {
        *known = (record, now);
    }
    at(known.1)
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
            source_keys: SourceKeys::default(),
            admitted: true,
            looked: true,
            permissions: BTreeSet::new(),
            uefi_differs: false,
            retry: None,
            extra_attempt_after: None,
            denied: None,
            unanswered: false,
            problem: None,
            unseen: false,
            remains: HashMap::new(),
            approval: Approval::default(),
            approved_by: None,
            desired: Desired::default(),
            picture: None,
            turn: Turn::Free,
            may_launch: true,
            may_make_job: true,
            job: JobNow::Gone,
            instance: InstanceNow::Gone,
            scan: None,
            consumers: BTreeMap::new(),
            key_access: None,
            owner: None,
            owner_is_active: true,
            foreign: BTreeMap::new(),
            known_foreign: BTreeMap::new(),
            known: RefCell::default(),
            now: 10_000,
        }
    }

    fn inventory(&self) -> Inventory {
        let world = World {
            images: self.world.images.clone(),
            snapshots: self.world.snapshots.clone(),
        };
        let mut inventory = world.inventory(at(self.now));
        inventory.remains.clone_from(&self.remains);
        inventory
    }

    /// The next step, with what is asked for read, each once.
    fn step(&self) -> Step {
        self.steps().pop().expect("a step")
    }

    /// The same, after the steps that ask.
    fn steps(&self) -> Vec<Step> {
        let inventory = self.inventory();
        let (mut answers, mut steps) = (Answers::default(), Vec::new());
        loop {
            let facts = Facts {
                answers: &answers,
                ..self.facts(&inventory)
            };
            let step = next(facts, at(self.now));
            steps.push(step.clone());
            match &step.then {
                Next::Ask(question) if !answers.has(question) => match question {
                    Question::Absence(image) => {
                        answers.gone.insert(image.clone());
                    }
                    Question::UefiData(_) => answers.uefi_differs = Some(self.uefi_differs),
                    Question::LaunchPermissions => answers.permissions = Some(self.permissions.clone()),
                    Question::KeyAccess => answers.key_access = Some(self.key_access.clone()),
                    Question::ForeignCopy(image) => {
                        let seen = self.foreign.get(image);
                        answers
                            .foreign
                            .insert(image.clone(), seen.cloned().expect("it is asked for"));
                    }
                    Question::Instance(which) => answers.instance = Some((which.clone(), self.instance.clone())),
                    Question::Job(name) => answers.job = Some((name.clone(), self.job.clone())),
                    Question::Scan(which) => answers.scan = Some((which.clone(), self.scan.clone())),
                    // What EC2 shows is in the inventory of this moment.
                    Question::ScanResult(copy, _) => answers.unscanned = Some(copy.clone()),
                    Question::Consumer(key, _) => {
                        let now = self.consumers.get(key).cloned().unwrap_or(Movable::Gone);
                        let picture = self.picture.as_ref().and_then(|picture| picture.graph.read_at());
                        let seen = Seen {
                            picture,
                            fresh: true,
                            now,
                        };
                        answers.consumers.insert(key.clone(), seen);
                    }
                },
                _ => return steps,
            }
        }
    }

    fn facts<'a>(&'a self, inventory: &'a Inventory) -> Facts<'a> {
        Facts {
            of: &self.of,
            settings: &self.settings,
            record: Record {
                uid: "5d9a1d3f-8e0b-4b0a-9c7e-0a1b2c3d4e5f",
                status: &self.status,
                generation: Some(1),
                retry: self.retry.as_deref(),
                approval: self.approval,
                approved_by: self.approved_by.as_deref(),
                desired: self.desired,
            },
            account: Account {
                inventory: Some(inventory),
                scanned_since_created: self.looked,
                looked_since_created: self.looked,
                key: &self.key,
                source_keys: &self.source_keys,
                denied: self.denied.as_ref(),
                unanswered: self.unanswered,
                picture: self.picture.as_ref(),
            },
            memory: Memory {
                known_since: self.known_since(),
                extra_attempt_after: self.extra_attempt_after,
                unseen: self.unseen,
                problem: self.problem.as_ref(),
                consumers: &NOTHING_SEEN,
                key_access: None,
                foreign: &self.known_foreign,
                fresh: &NOTHING_FRESH,
            },
            grants: Grants {
                copy: self.admitted,
                publish_tags: true,
                launch: self.may_launch,
                job: self.may_make_job,
                turn: self.turn,
                failures: 0,
                refreshing: 0,
            },
            follows: self.owner.as_ref().map(|(owner, migration)| Follows {
                owner,
                migration: migration.as_ref(),
                active: self.owner_is_active,
            }),
            answers: &NOTHING_ASKED,
            system_time: at(self.now),
        }
    }

    /// Puts the answer to a call on record.
    fn answer(&mut self, answer: Answer<'_>) {
        let inventory = self.inventory();
        self.status = answered(self.facts(&inventory), answer, at(self.now)).status;
    }

    fn known_since(&self) -> KnownSince {
        let mut known = self.known.borrow_mut();
        let validation = self.status.validation.as_ref();
        let launch = validation.and_then(|validation| validation.launch.clone());
        let inspector = validation.and_then(|validation| validation.inspector.as_ref());
        let scan = inspector.and_then(|inspector| inspector.scan.clone());
        KnownSince {
            copy: since(&mut known.copy, self.status.copy.clone(), self.now),
            launch: since(&mut known.launch, launch, self.now),
            scan: since(&mut known.scan, scan, self.now),
        }
    }

    /// Writes statuses until there is a call or nothing to do.
    fn settle(&mut self) -> Next {
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
        self.answer(Answer::Accepted(id));
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
        let Next::Do(Effect::Copy(call)) = self.settle() else {
            panic!("{:?}", self.status)
        };
        let id = self.make_copy(&call, number);
        self.accept_copy(&id);
        self.change_copy(&id, |copy| copy.state = ImageState::Failed);
        assert_eq!(self.settle(), Next::Do(Effect::RemoveFailed(id.clone())));
        self.answer(Answer::Removed(&id));
        self.world.images.remove(&id);
    }
}
