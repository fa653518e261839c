//! What is known of AWS, in memory: made by the target controller, read by the migration controller.
//!
//! All of it can be lost at any time. What must not be lost is in the resources' statuses and in AWS itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;
use sha2::{Digest, Sha256};

use super::accounts::Accounts;
use super::memory::Memory;
use super::moves::Moves;
use super::regions::Regions;
use super::shared_reads::SharedReads;
use super::targets::OtherPolicies;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, labels};
use crate::aws::{Session, SessionKey};
use crate::clock::Clock;
use crate::domain::{Guardrail, ImageId, ImageState, Inventory, Scope};
use crate::plan::classify::Classified;
use crate::plan::copy_budget::CopyBudget;
use crate::plan::copy_watch::CopyWatch;
use crate::plan::creations::Creations;
use crate::plan::events::{HintWatch, Wanted};
use crate::plan::guardrails::GuardrailWatch;
use crate::plan::key::KeyWatch;
use crate::plan::look::LookWatch;
use crate::plan::map::parameters::ParameterWatch;
use crate::plan::obstacle::{KeyView, Problem};
use crate::plan::permissions::{self, PermissionCheck};
use crate::plan::proof::{Kind, ProofWatch};
use crate::plan::scan_schedule::ScanSchedule;
use crate::plan::source_keys::SourceKeys;
use crate::plan::usage::{Picture, UsageWatch};

/// Everything that is known.
#[derive(Debug)]
pub(crate) struct Registry {
    targets: Arc<Mutex<Targets>>,
    copy_budgets: Mutex<CopyBudgets>,
    /// Migrations that have lately taken a place for a proof, which may not show on record yet, and when by the monotonic clock.
    proofs: Mutex<HashMap<(Scope, Kind), HashMap<String, Duration>>>,
    /// Sessions of targets that are gone, of which instances may be left over, and until when by the monotonic clock these are looked
    /// for.
    left_over: Mutex<Vec<(Arc<Session>, Duration)>>,
    /// Which accounts AWS Organizations lists.
    pub(super) accounts: Accounts,
    /// Which regions are enabled in the accounts that policies take all regions of.
    pub(super) regions: Regions,
    /// Who has begun to move a consumer last.
    pub(super) moves: Moves,
    /// What is remembered of single objects.
    pub(super) memory: Memory,
    wake_migration: UnboundedSender<ObjectRef<AMIMigration>>,
    wake_target: UnboundedSender<ObjectRef<AMIEncryptionTarget>>,
    wake_policy: UnboundedSender<ObjectRef<AMIEncryptionPolicy>>,
    wake_usage: UnboundedSender<ObjectRef<AMIEncryptionTarget>>,
}

/// For how long a place that was taken for a proof may not show on record.
const PLACE_SHOWS: Duration = Duration::from_secs(60);
/// For how long instances of a target that is gone are looked for.
const LEFT_OVER_FOR: Duration = Duration::from_secs(2 * 3600);

type Targets = HashMap<String, Arc<Mutex<TargetState>>>;

type CopyBudgets = HashMap<Scope, Arc<Mutex<CopyBudget>>>;

/// What is known of one target's account and region.
#[derive(Debug, Default)]
pub(crate) struct TargetState {
    /// The target that this is known of; another one under the same name starts anew.
    pub(super) uid: String,
    /// The generation of the spec that it was found out under.
    pub(super) generation: Option<i64>,
    /// Whether its migrations are still to begin anew under that spec.
    pub(super) renewed: bool,
    /// The session in use.
    pub(super) session: Option<Arc<Session>>,
    /// Images and snapshots.
    pub(super) inventory: Option<Arc<Inventory>>,
    /// What they amount to.
    pub(super) classified: Option<Arc<Classified>>,
    /// What other policies governed when that was found.
    pub(super) other_policies: OtherPolicies,
    /// Copies that migrations had found not to be what was asked for, when images were last classified.
    pub(super) refused: HashSet<ImageId>,
    /// The key, and how the spec names it.
    pub(super) key: KeyWatch,
    pub(super) key_id: String,
    /// The keys that originals are encrypted under.
    pub(super) source_keys: Arc<SourceKeys>,
    /// The classes of images that it was last looked for these in, as long as they hold.
    pub(super) source_keys_of: Weak<Classified>,
    /// Who AWS says we are.
    pub(super) caller: String,
    /// When it is scanned, and what hinders that.
    pub(super) scans: ScanSchedule,
    /// When it is looked for new images in between.
    pub(super) looks: LookWatch,
    /// Copies in flight.
    pub(super) copies: CopyWatch,
    /// Who uses its images.
    pub(super) usage: UsageWatch,
    /// When amiseal itself has changed something last that launched an image of another account.
    pub(super) moved: Option<Timestamp>,
    /// What the role may do.
    pub(super) permission_check: PermissionCheck,
    /// UIDs of the migrations that were there when the scan began.
    pub(super) scanned: HashSet<String>,
    /// UIDs of the migrations that were there when copies of their source were last looked for.
    pub(super) covered: HashSet<String>,
    /// Migrations that were created lately.
    pub(super) creations: Creations,
    /// When it is looked for instances that are left over.
    pub(super) proofs: ProofWatch,
    /// The parameters that the policy's map is kept in.
    pub(super) parameters: ParameterWatch,
    /// The settings of the region that the policy has held.
    pub(super) guardrails: GuardrailWatch,
    /// What events have hinted at.
    pub(super) hints: HintWatch,
    /// Who has changed a guardrail, as the last event about it says, and when that was taken up.
    pub(super) suspects: BTreeMap<Guardrail, (Box<str>, Timestamp)>,
    /// What is read once for all of its migrations.
    pub(super) shared: SharedReads,
}

/// What a migration's step is decided on.
#[derive(Debug, Clone)]
pub(crate) struct AccountView {
    pub(super) session: Option<Arc<Session>>,
    pub(super) inventory: Option<Arc<Inventory>>,
    pub(super) key: Arc<KeyView>,
    pub(super) source_keys: Arc<SourceKeys>,
    pub(super) picture: Option<Arc<Picture>>,
    pub(super) denied: Option<Problem>,
    pub(super) unanswered: bool,
    pub(super) scanned_since_created: bool,
    pub(super) looked_since_created: bool,
}

/// Objects that should be looked at again, though they did not change themselves.
#[derive(Debug)]
pub(crate) struct Wakes {
    pub(super) migrations: UnboundedReceiver<ObjectRef<AMIMigration>>,
    pub(super) targets: UnboundedReceiver<ObjectRef<AMIEncryptionTarget>>,
    pub(super) policies: UnboundedReceiver<ObjectRef<AMIEncryptionPolicy>>,
    /// Targets of which it is to be read who uses their images.
    pub(super) usages: UnboundedReceiver<ObjectRef<AMIEncryptionTarget>>,
}

impl Registry {
    /// Nothing is known yet.
    pub(super) fn new() -> (Self, Wakes) {
        let (wake_migration, migrations) = unbounded();
        let (wake_target, targets) = unbounded();
        let (wake_policy, policies) = unbounded();
        let (wake_usage, usages) = unbounded();
        let registry = Self {
            targets: Arc::default(),
            copy_budgets: Mutex::default(),
            proofs: Mutex::default(),
            accounts: Accounts::default(),
            regions: Regions::default(),
            moves: Moves::default(),
            left_over: Mutex::default(),
            memory: Memory::default(),
            wake_migration,
            wake_target,
            wake_policy,
            wake_usage,
        };
        let wakes = Wakes {
            migrations,
            targets,
            policies,
            usages,
        };
        (registry, wakes)
    }

    /// What is known of a target. Locks are held for moments and never across a call.
    pub(super) fn target_state(&self, name: &str) -> Arc<Mutex<TargetState>> {
        lock(&self.targets).entry(name.to_owned()).or_default().clone()
    }

    /// Forgets targets that are not in `names` any more. Gives their names, and the sessions that they have used.
    pub(super) fn retain_targets(&self, names: &HashSet<String>) -> Vec<(String, Option<Arc<Session>>)> {
        let gone = lock(&self.targets)
            .extract_if(|name, _| !names.contains(name))
            .collect::<Vec<_>>();
        let session = |(name, state): (String, Arc<Mutex<TargetState>>)| (name, lock(&state).session.clone());
        gone.into_iter().map(session).collect()
    }

    /// Keeps the sessions of targets that are gone and may have left instances over, by what was known of them.
    pub(super) fn keep_left_over(&self, names: &HashSet<String>, now: Duration) {
        let states = lock(&self.targets).clone();
        let gone = states.iter().filter(|(name, _)| !names.contains(*name));
        let mut left: Vec<_> = gone
            .filter_map(|(name, state)| {
                let state = lock(state);
                let session = state.session.clone().filter(|_| state.proofs.may_have_left_any());
                Some((name.clone(), session?))
            })
            .collect();
        // The order is that of a hash table, and must make no difference.
        left.sort_by(|one, other| one.0.cmp(&other.0));
        let mut kept = lock(&self.left_over);
        for (_, session) in left {
            if kept.iter().all(|(known, _)| known.key() != session.key()) {
                kept.push((session, now + LEFT_OVER_FOR));
            }
        }
    }

    /// The sessions by which it is still to be looked for instances that are left over. They are handed out once.
    pub(super) fn take_left_over(&self) -> Vec<(Arc<Session>, Duration)> {
        std::mem::take(&mut *lock(&self.left_over))
    }

    /// Takes one up again that has failed.
    pub(super) fn keep_looking(&self, session: Arc<Session>, until: Duration) {
        lock(&self.left_over).push((session, until));
    }

    /// Takes a place for a proof of the migration `uid`, where with `others` there are fewer than `most`.
    pub(super) fn take_proof_place(
        &self,
        (scope, kind): (&Scope, Kind),
        uid: &str,
        others: Vec<String>,
        most: usize,
        now: Duration,
    ) -> bool {
        let mut proofs = lock(&self.proofs);
        let taken = proofs.entry((scope.clone(), kind)).or_default();
        taken.retain(|_, at| now.saturating_sub(*at) < PLACE_SHOWS);
        let mut all: HashSet<String> = others.into_iter().collect();
        all.extend(taken.keys().filter(|other| *other != uid).cloned());
        let is_free = all.len() < most;
        if is_free {
            taken.insert(uid.to_owned(), now);
        }
        is_free
    }

    /// Whether anything is known of a target.
    pub(super) fn knows(&self, name: &str) -> bool {
        lock(&self.targets).contains_key(name)
    }

    /// Forgets what is known of accounts and regions. Gives the targets' names and the sessions that they have used.
    pub(super) fn forget(&self, is_lost: impl Fn(&Scope) -> bool) -> Vec<(String, Arc<Session>)> {
        lock(&self.copy_budgets).retain(|scope, _| !is_lost(scope));
        lock(&self.proofs).retain(|(scope, _), _| !is_lost(scope));
        let states = lock(&self.targets).clone();
        let lost = |session: &Arc<Session>| is_lost(&session.key().scope);
        let used = states
            .into_iter()
            .filter_map(|(name, state)| Some((name, lock(&state).session.clone()?)));
        let mut forgotten: Vec<_> = used.filter(|(_, session)| lost(session)).collect();
        // The order is that of a hash table, and must make no difference.
        forgotten.sort_by(|one, other| one.0.cmp(&other.0));
        let mut targets = lock(&self.targets);
        for (name, _) in &forgotten {
            targets.remove(name);
        }
        forgotten
    }

    /// What the migration `migration` of the target `name` is to be decided on; both `uid` and `migration` are UIDs.
    pub(super) fn view(&self, name: &str, uid: &str, migration: &str) -> Option<AccountView> {
        let state = lock(&self.targets).get(name).cloned()?;
        let state = lock(&state);
        (state.uid == uid).then(|| AccountView {
            session: state.session.clone(),
            inventory: state.inventory.clone(),
            key: state.key.view().clone(),
            source_keys: state.source_keys.clone(),
            picture: state.usage.picture().cloned(),
            denied: state.permission_check.lacking().and_then(permissions::obstacle),
            unanswered: state.permission_check.unanswered().is_some(),
            scanned_since_created: state.scanned.contains(migration),
            looked_since_created: state.covered.contains(migration),
        })
    }

    /// Changes what is known of a target's images.
    pub(super) fn amend(&self, name: &str, uid: &str, change: impl FnOnce(&mut Inventory)) {
        let Some(state) = lock(&self.targets).get(name).cloned() else {
            return;
        };
        let mut state = lock(&state);
        if state.uid == uid
            && let Some(inventory) = &mut state.inventory
        {
            change(Arc::make_mut(inventory));
        }
    }

    /// The state of an image as scans and looks have shown it last.
    pub(super) fn image_state(&self, name: &str, uid: &str, image: &ImageId) -> Option<ImageState> {
        let state = lock(&self.targets).get(name).cloned()?;
        let state = lock(&state);
        let inventory = state.inventory.as_ref().filter(|_| state.uid == uid)?;
        inventory.images.get(image).map(|image| image.state)
    }

    /// Works on what is read once for all migrations of a target.
    pub(super) fn shared<T>(&self, name: &str, uid: &str, work: impl FnOnce(&mut SharedReads) -> T) -> Option<T> {
        let state = lock(&self.targets).get(name).cloned()?;
        let mut state = lock(&state);
        (state.uid == uid).then(|| work(&mut state.shared))
    }

    /// Has a target looked through at its next visit.
    pub(super) fn scan_soon(&self, name: &str) {
        lock(&self.target_state(name)).scans.soon();
    }

    /// Tells a target what an event has hinted at. One that was never visited has everything to look at anyway.
    pub(super) fn hint(&self, name: &str, uid: &str, wanted: Wanted, now: Timestamp) {
        let Some(state) = lock(&self.targets).get(name).cloned() else {
            return;
        };
        let mut state = lock(&state);
        if state.uid != uid {
            return;
        }
        // Where a hint waits already, so does a visit.
        let is_first = state.hints.due(true).is_none();
        state.hints.note(wanted, now);
        if is_first {
            self.wake_target(name);
        }
    }

    /// Takes up what other replicas tell a target by an annotation, as the watch shows it. A visit would see only the last of several
    /// values, and a long one would see it too late.
    pub(super) fn hearer(&self, clock: Arc<dyn Clock>) -> impl Fn(&AMIEncryptionTarget) + use<> {
        let targets = self.targets.clone();
        move |target| {
            let told = target.annotations().get(labels::HINT);
            let Some(told) = told.filter(|_| !target.spec.suspend) else {
                return;
            };
            let Some(state) = lock(&targets).get(&target.name_any()).cloned() else {
                return;
            };
            let mut state = lock(&state);
            if Some(state.uid.as_str()) == target.metadata.uid.as_deref() {
                let (now, system_time) = (clock.now(), clock.system_time());
                // The change leads to a visit by itself.
                state.hints.hear(Some(told.as_str()), system_time, now);
            }
        }
    }

    /// Has it asked anew what the role may do.
    pub(super) fn doubt_permissions(&self, name: &str) {
        lock(&self.target_state(name)).permission_check.doubt();
        self.wake_target(name);
    }

    /// Notes that amiseal itself changes something there that launched an image of another account.
    pub(super) fn consumer_changed(&self, name: &str, now: Timestamp) {
        lock(&self.target_state(name)).moved = Some(now);
    }

    /// Has the keys of its originals read again.
    pub(super) fn doubt_source_keys(&self, name: &str, now: Timestamp) {
        Arc::make_mut(&mut lock(&self.target_state(name)).source_keys).doubt(now);
        self.wake_target(name);
    }

    /// Has the policy's key, and those of its originals, read again: a copy has failed, maybe for one of them.
    pub(super) fn doubt_keys(&self, name: &str, now: Timestamp) {
        lock(&self.target_state(name)).key.doubt(now);
        self.doubt_source_keys(name, now);
    }

    /// Works on the copy budget of an account and region. What takes long there holds up no other.
    pub(super) fn copy_budget<T>(&self, scope: &Scope, work: impl FnOnce(&mut CopyBudget) -> T) -> T {
        let budget = lock(&self.copy_budgets).entry(scope.clone()).or_default().clone();
        work(&mut lock(&budget))
    }

    /// Lets a migration look again.
    pub(super) fn wake_migration(&self, name: &str) {
        // Without a receiver the controllers are not running, and look at everything when they start.
        let _ = self.wake_migration.unbounded_send(ObjectRef::new(name));
    }

    /// A way to let targets look again, for those who have not the registry.
    pub(super) fn waker(&self) -> UnboundedSender<ObjectRef<AMIEncryptionTarget>> {
        self.wake_target.clone()
    }

    /// The same for migrations.
    pub(super) fn migration_waker(&self) -> UnboundedSender<ObjectRef<AMIMigration>> {
        self.wake_migration.clone()
    }

    /// The same for policies.
    pub(super) fn policy_waker(&self) -> UnboundedSender<ObjectRef<AMIEncryptionPolicy>> {
        self.wake_policy.clone()
    }

    /// Lets a policy be looked at again.
    pub(super) fn wake_policy(&self, name: &str) {
        let _ = self.wake_policy.unbounded_send(ObjectRef::new(name));
    }

    /// Has it read who uses a target's images, if that is due.
    pub(super) fn wake_usage(&self, name: &str) {
        let _ = self.wake_usage.unbounded_send(ObjectRef::new(name));
    }

    /// Lets a target look again.
    pub(super) fn wake_target(&self, name: &str) {
        let _ = self.wake_target.unbounded_send(ObjectRef::new(name));
    }
}

impl TargetState {
    /// Starts anew for another target, and looks again at once for a changed spec. Says whether it has changed.
    pub(super) fn adjust(&mut self, target: &AMIEncryptionTarget, session: &Arc<Session>, now: Timestamp) -> bool {
        let uid = target.metadata.uid.as_deref().unwrap_or_default();
        let generation = target.metadata.generation;
        if self.uid != uid {
            *self = Self {
                uid: uid.to_owned(),
                ..Self::default()
            };
        }
        let changed = self.generation != generation;
        if changed {
            self.generation = generation;
            self.renewed = true;
            self.scans.renewed();
            self.usage.spec_changed();
            self.copies.succeeded();
            self.looks.renewed();
            self.parameters.renewed();
            self.guardrails.renewed();
            self.shared = SharedReads::default();
            self.permission_check = PermissionCheck::default();
        }
        if self.key_id != target.spec.kms_key_id {
            // Nothing is copied under the former key while the scan that would read the new one fails.
            self.key_id.clone_from(&target.spec.kms_key_id);
            self.key.changed(now);
        }
        self.session = Some(session.clone());
        changed
    }

    /// Whether it was looked which keys the images that are wanted now are encrypted under.
    pub(super) fn has_source_keys_of_classified(&self) -> bool {
        let classified = self.classified.as_ref();
        classified.is_some_and(|classified| Weak::ptr_eq(&self.source_keys_of, &Arc::downgrade(classified)))
    }

    /// Whether the credentials in use are those of `key`.
    pub(super) fn uses(&self, key: &SessionKey) -> bool {
        self.session.as_ref().is_some_and(|session| session.key() == key)
    }
}

/// Up to a tenth less than `duration`, by `name`, so that what began together does not go on together.
pub(super) fn jittered(duration: Duration, name: &str) -> Duration {
    let digest = Sha256::digest(name);
    duration.mul_f64(1.0 - 0.1 * f64::from(digest[0]) / 255.0)
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is guarded is whole after every statement, so a panic elsewhere leaves it sound.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
