//! Migrations: takes one step, persists it, returns. The change of status leads to the next.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::apply::{AFTER_CONFLICT, Outcome, write_status};
use super::fleet::View;
use super::memory::CallTrouble;
use super::target::{belongs, newly_true};
use super::{Context, policy};
use crate::api::conditions;
use crate::api::{AMIEncryptionTarget, AMIMigration, AMIMigrationStatus, MigrationState, TagPublication, labels};
use crate::aws::{AwsError, Cause, ErrorClass, Session};
use crate::domain::{ImageId, Inventory, LaunchPermission, Malformed, writes};
use crate::plan::allowance::Urgency;
use crate::plan::naming::CopyOf;
use crate::plan::obstacle::Trouble;
use crate::plan::step::{self, Observation, Step, Then};
use crate::plan::{source_keys, trouble};

mod calls;

/// How long to wait where the status was written too often.
const UNTIL_WRITTEN: Duration = Duration::from_secs(10);

/// Takes the next step of a migration.
pub(super) async fn reconcile(migration: Arc<AMIMigration>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let name = migration.name_any();
    if migration.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    // A child whose owner is gone makes no call.
    let Some(target) = owner(&migration, &ctx) else {
        return Ok(Action::await_change());
    };
    if policy::is_withdrawn(&target, &ctx.policies) {
        return Ok(Action::requeue(ctx.clock.wall(policy::HEARD_AFTER)));
    }
    let of = match copy_of(&migration) {
        Ok(of) => of,
        Err(malformed) => {
            // The API server refuses such a spec; this is for one that was stored before it did.
            tracing::error!(migration = name, %malformed, "cannot work on this migration");
            return Ok(Action::await_change());
        }
    };
    let uid = migration.uid().unwrap_or_default();
    let view = ctx
        .fleet
        .view(&target.name_any(), &target.uid().unwrap_or_default(), &uid);
    let Some(view) = view else {
        return Ok(Action::await_change());
    };
    let turn = Turn {
        ctx: &ctx,
        migration: &migration,
        target: &target,
        name,
        uid,
        of,
        view,
        session: OnceLock::new(),
    };
    turn.take().await
}

/// One visit to one migration.
struct Turn<'a> {
    ctx: &'a Context,
    migration: &'a AMIMigration,
    target: &'a AMIEncryptionTarget,
    name: String,
    uid: String,
    of: CopyOf,
    view: View,
    /// The session of this visit's calls, once there is one.
    session: OnceLock<Session>,
}

impl Turn<'_> {
    async fn take(&self) -> Result<Action, kube::Error> {
        self.let_younger_go_on();
        let current = self.migration.status.clone().unwrap_or_default();
        let recorded = self.recorded();
        if source_keys::is_asked_about(&current, self.retry()) {
            let now = self.ctx.clock.now();
            self.ctx.fleet.doubt_source_keys(&self.target.name_any(), now);
        }
        let admitted = self.ctx.fleet.slots(&self.of.account, &self.of.region, |slots| {
            slots.granted.contains_key(&self.of.source)
        });
        let mut observation = Observation {
            of: &self.of,
            status: &current,
            generation: self.migration.metadata.generation,
            scanned_since_created: self.view.scanned_since_created,
            looked_since_created: self.view.looked_since_created,
            known_since: self.ctx.fleet.memory.known_since(self.migration, self.ctx.clock.now()),
            retry: self.retry(),
            pardoned: self.ctx.fleet.memory.pardoned(&self.uid),
            settings: &self.target.spec,
            inventory: self.view.inventory.as_deref(),
            key: &self.view.key,
            source_keys: &self.view.source_keys,
            denied: self.view.denied.as_ref(),
            unanswered: self.view.unanswered,
            admitted,
            gone: None,
            unseen: self.has_never_seen_copy(&current),
            today: self.ctx.clock.today(),
            permissions: None,
            uefi_differs: None,
            older_unpublished: self.older_unpublished(),
            trouble: recorded.as_ref().and_then(|recorded| recorded.trouble.as_ref()),
        };
        let mut step = step::next(observation, self.ctx.clock.now());
        if let Then::AskFor(image) = step.then.clone() {
            if let Some(wait) = self.wait_out(recorded.as_ref()) {
                return Ok(Action::requeue(wait));
            }
            let Some(session) = self.session() else {
                return Ok(Action::await_change());
            };
            match self.is_there(session, &image).await {
                // It is known now.
                Ok(true) => return Ok(Action::requeue(Duration::ZERO)),
                Ok(false) => {
                    let observation = Observation {
                        gone: Some(&image),
                        ..observation
                    };
                    step = step::next(observation, self.ctx.clock.now());
                }
                Err(error) => return Ok(self.failed(&error, recorded.as_ref())),
            }
        }
        if let Then::ReadUefiData(copy) = step.then.clone() {
            if let Some(wait) = self.wait_out(recorded.as_ref()) {
                return self.write_or(step.status, &current, Action::requeue(wait)).await;
            }
            let Some(session) = self.session() else {
                return Ok(Action::await_change());
            };
            match self.uefi_differs(session, &copy).await {
                Ok(differs) => {
                    observation = Observation {
                        uefi_differs: Some(differs),
                        trouble: self.trouble_of_writes(observation.trouble, recorded.as_ref()),
                        ..observation
                    };
                    step = step::next(observation, self.ctx.clock.now());
                }
                Err(error) => return Ok(self.failed(&error, recorded.as_ref())),
            }
        }
        let permissions: BTreeSet<LaunchPermission>;
        if step.then == Then::ReadPermissions {
            if let Some(wait) = self.wait_out(recorded.as_ref()) {
                return self.write_or(step.status, &current, Action::requeue(wait)).await;
            }
            let Some(session) = self.session() else {
                return Ok(Action::await_change());
            };
            // They are read once more just before what they say is published: room for both, or for neither.
            if let Err(error) = session.reserve(&self.ctx.fleet.memory.was_put_off(&self.uid)) {
                return Ok(self.failed(&error, recorded.as_ref()));
            }
            match session.launch_permissions(&self.of.source).await {
                Ok(read) => {
                    permissions = read;
                    let observation = Observation {
                        permissions: Some(&permissions),
                        trouble: self.trouble_of_writes(observation.trouble, recorded.as_ref()),
                        ..observation
                    };
                    step = step::next(observation, self.ctx.clock.now());
                }
                Err(error) => return Ok(self.failed(&error, recorded.as_ref())),
            }
        }
        let Step { status, then } = step;
        if status != current {
            return self.write(&status, &current).await;
        }
        if admitted && status.state == Some(MigrationState::Pending) && then == Then::Wait {
            // It does not want the slot after all.
            self.release_slot();
            self.ctx.fleet.wake_target(&self.target.name_any());
        }
        let wait = self.wait_out(recorded.as_ref());
        if then == Then::Wait && wait.is_none() && !admitted && step::was_refused(&status) {
            // Now it can do with a place again.
            self.ctx.fleet.wake_target(&self.target.name_any());
        }
        if !matches!(then, Then::Wait)
            && !self
                .ctx
                .fleet
                .memory
                .may_write(self.migration, self.ctx.clock.monotonic())
        {
            // What comes of a call has to be put on record, or the call is made again and again.
            return Ok(Action::requeue(self.ctx.clock.wall(UNTIL_WRITTEN)));
        }
        match (then, wait) {
            (Then::Wait, Some(wait)) if step::was_refused(&status) => Ok(Action::requeue(wait)),
            (Then::Wait | Then::ReadPermissions | Then::ReadUefiData(_) | Then::AskFor(_), _) => {
                Ok(Action::await_change())
            }
            (_, Some(wait)) => Ok(Action::requeue(wait)),
            (Then::Copy(call), None) => self.copy(observation, &call, recorded.as_ref()).await,
            (Then::RemoveFailed(image), None) => self.remove_failed(observation, &image, recorded.as_ref()).await,
            (Then::RemoveRemains(image), None) => self.remove_remains(observation, &image, recorded.as_ref()).await,
            (Then::Publish(image, list), None) => self.publish(observation, &image, &list, recorded.as_ref()).await,
        }
    }

    /// The session for the calls of this visit, which do not wait: an account that is busy, or does not answer, holds up no other.
    fn session(&self) -> Option<&Session> {
        let session = self.view.session.as_ref()?;
        Some(self.session.get_or_init(|| session.visiting(&self.uid)))
    }

    /// Whether AWS has never shown the copy on record, as far as this process has seen.
    fn has_never_seen_copy(&self, status: &AMIMigrationStatus) -> bool {
        let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
        let Some(copy) = copy.and_then(|id| id.parse::<ImageId>().ok()) else {
            return false;
        };
        let inventory = self.view.inventory.as_ref();
        let is_shown = inventory.is_some_and(|inventory| inventory.images.contains_key(&copy));
        self.ctx.fleet.memory.was_never_seen(&self.uid, &copy, is_shown)
    }

    /// Asks for an image that the listings do not show, by its ID.
    async fn is_there(&self, session: &Session, image: &ImageId) -> Result<bool, AwsError> {
        let found = session.images(std::slice::from_ref(image)).await?;
        let is_there = !found.is_empty();
        if is_there {
            tracing::warn!(migration = self.name, %image, "a listing has missed an image that is there");
            self.amend(|inventory| found.into_iter().for_each(|image| inventory.insert(image)));
        }
        Ok(is_there)
    }

    /// Whether the copy's UEFI data are not the source's.
    async fn uefi_differs(&self, session: &Session, copy: &ImageId) -> Result<bool, AwsError> {
        session.reserve(&["ec2:DescribeImageAttribute"; 2])?;
        Ok(session.uefi_data(&self.of.source).await? != session.uefi_data(copy).await?)
    }

    /// After a read: what a read ran into is over, what a call to write ran into stays said until one succeeds.
    fn trouble_of_writes<'t>(
        &self,
        trouble: Option<&'t Trouble>,
        recorded: Option<&CallTrouble>,
    ) -> Option<&'t Trouble> {
        let could_not_read = recorded.is_some_and(|recorded| recorded.reads);
        if could_not_read {
            self.ctx.fleet.memory.set_trouble(&self.uid, None);
        }
        trouble.filter(|_| !could_not_read)
    }

    fn release_slot(&self) {
        self.ctx.fleet.slots(&self.of.account, &self.of.region, |slots| {
            slots.granted.remove(&self.of.source)
        });
    }

    fn amend(&self, change: impl FnOnce(&mut Inventory)) {
        self.ctx
            .fleet
            .amend(&self.target.name_any(), &self.target.uid().unwrap_or_default(), change);
    }

    /// Whether an older original of the same target still waits for its tags to be published: they are published in the
    /// order of the originals' creation, as people pick «the newest image with this tag».
    fn older_unpublished(&self) -> bool {
        let promotion = &self.target.spec.promotion;
        let status = self.migration.status.as_ref();
        // All neighbours are looked at, which is not for every visit to each of thousands that are done.
        let is_done = status
            .is_some_and(|s| s.state == Some(MigrationState::Completed) && s.promotion.as_ref() == Some(promotion));
        if promotion.tags != TagPublication::Publish || is_done {
            return false;
        }
        let Some(inventory) = &self.view.inventory else {
            return false;
        };
        let created = |id: &ImageId| inventory.images.get(id).and_then(|image| image.created);
        let ours = created(&self.of.source);
        let uid = self.target.uid().unwrap_or_default();
        self.neighbours()
            .iter()
            .filter(|m| !is_settled(m) && belongs(m, &uid))
            .filter_map(|m| m.spec.source_image_id.parse::<ImageId>().ok())
            .any(|source| source != self.of.source && created(&source).is_some_and(|other| Some(other) < ours))
    }

    /// Wakes the migrations that wait for this one's tags, once it is on record that they need not.
    fn let_younger_go_on(&self) {
        let publishes = self.target.spec.promotion.tags == TagPublication::Publish;
        if !publishes
            || !self
                .ctx
                .fleet
                .memory
                .has_just_settled(&self.uid, is_settled(self.migration))
        {
            return;
        }
        let uid = self.target.uid().unwrap_or_default();
        let promoting = |m: &AMIMigration| m.status.as_ref().and_then(|s| s.state) == Some(MigrationState::Promoting);
        let waits = |m: &&Arc<AMIMigration>| promoting(m) && !is_settled(m) && belongs(m, &uid);
        for waiting in self.neighbours().iter().filter(waits) {
            self.ctx.fleet.wake_migration(&waiting.name_any());
        }
    }

    /// The migrations of the same account and region.
    fn neighbours(&self) -> Vec<Arc<AMIMigration>> {
        let spec = &self.migration.spec;
        self.ctx.placed_migrations.of(&spec.account_id, &spec.region)
    }

    /// The annotation by which people ask for another try.
    fn retry(&self) -> Option<&str> {
        self.migration.annotations().get(labels::RETRY).map(String::as_str)
    }

    /// What the last call ran into. Nothing is waited for any more once somebody has asked for another try.
    fn recorded(&self) -> Option<CallTrouble> {
        let recorded = self.ctx.fleet.memory.trouble(&self.uid)?;
        if recorded.retry.as_deref() == self.retry() {
            return Some(recorded);
        }
        let pardoned = CallTrouble {
            until: self.ctx.clock.now(),
            failures: 0,
            retry: self.retry().map(str::to_owned),
            ..recorded
        };
        self.ctx.fleet.memory.set_trouble(&self.uid, Some(pardoned.clone()));
        // Nor for a quota that was used up.
        self.ctx.fleet.slots(&self.of.account, &self.of.region, |slots| {
            if let Some(used_up) = &mut slots.used_up {
                used_up.until = self.ctx.clock.now();
            }
        });
        self.ctx.fleet.wake_target(&self.target.name_any());
        Some(pardoned)
    }

    /// How long a call still has to wait after the last one's failure, on the wall.
    fn wait_out(&self, recorded: Option<&CallTrouble>) -> Option<Duration> {
        let left = recorded?.until.duration_since(self.ctx.clock.now());
        Duration::try_from(left)
            .ok()
            .filter(|wait| !wait.is_zero())
            .map(|wait| self.ctx.clock.wall(wait))
    }

    /// Records a failed call: what it says shows in the status when a person should know, and the next one waits.
    fn failed(&self, error: &AwsError, recorded: Option<&CallTrouble>) -> Action {
        if error.is(Cause::NoRoom) {
            // Nothing has failed: its turn has not come.
            let wait = error.retry_after.unwrap_or(AFTER_CONFLICT);
            return Action::requeue(self.ctx.clock.wall(wait));
        }
        let failures = recorded.map_or(0, |recorded| recorded.failures) + 1;
        let wait = trouble::retry_image_after(error, failures);
        tracing::warn!(migration = self.name, %error, failures, "a call failed");
        self.ctx
            .metrics
            .reconcile_errors
            .with_label_values(&["migration", error.class.as_str()])
            .inc();
        if error.is(Cause::CredentialsExpired)
            && let Some(session) = &self.view.session
        {
            self.ctx.aws.forget(session.key());
            self.ctx.fleet.wake_target(&self.target.name_any());
        }
        if error.class == ErrorClass::Denied {
            self.ctx.fleet.doubt_permissions(&self.target.name_any());
        }
        let record = CallTrouble {
            trouble: trouble::needs_a_person(error).then(|| trouble::of_error(error)),
            until: self.ctx.clock.now() + wait,
            failures,
            reads: !writes(error.operation),
            retry: self.retry().map(str::to_owned),
        };
        let says = record.trouble.is_some();
        self.ctx.fleet.memory.set_trouble(&self.uid, Some(record));
        if error.is(Cause::ImageNotFound) || error.is(Cause::ImageUnavailable) {
            self.ctx.fleet.scan_soon(&self.target.name_any());
            self.ctx.fleet.wake_target(&self.target.name_any());
        }
        // The status is to say so now; the wait is kept by the record.
        Action::requeue(if says {
            Duration::ZERO
        } else {
            self.ctx.clock.wall(wait)
        })
    }

    async fn write_or(
        &self,
        status: AMIMigrationStatus,
        current: &AMIMigrationStatus,
        otherwise: Action,
    ) -> Result<Action, kube::Error> {
        if status == *current {
            Ok(otherwise)
        } else {
            self.write(&status, current).await
        }
    }

    /// Writes the status that was decided on; the change leads to the next step.
    async fn write(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) -> Result<Action, kube::Error> {
        match write_status(self.ctx, self.migration, status, Urgency::Now).await? {
            Outcome::Written => {}
            Outcome::Gone => return Ok(Action::await_change()),
            Outcome::Discarded(wait) => return Ok(Action::requeue(self.ctx.clock.wall(wait))),
        }
        self.tell(status, current).await;
        Ok(Action::await_change())
    }

    /// Events for what people care about: done, or stuck.
    async fn tell(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) {
        if status.state == Some(MigrationState::Completed) && current.state != Some(MigrationState::Completed) {
            if let Some(ready) = conditions::find(&status.conditions, conditions::READY) {
                self.ctx
                    .events
                    .normal(self.migration, &ready.reason, "Migrate", &ready.message)
                    .await;
            }
            let asked = status.copy.as_ref().and_then(|copy| copy.requested_at.as_ref());
            if let Some(asked) = asked {
                let seconds = self.ctx.clock.now().duration_since(asked.0).as_secs_f64();
                self.ctx.metrics.copy_duration.observe(seconds);
            }
        }
        if let Some((reason, message)) = newly_true(conditions::STALLED, &current.conditions, &status.conditions) {
            self.ctx
                .events
                .warning(self.migration, reason, "Migrate", message)
                .await;
        }
    }
}

/// The target that made this migration, if it and its policy are still there.
fn owner(migration: &AMIMigration, ctx: &Context) -> Option<Arc<AMIEncryptionTarget>> {
    let is_controller = |owner: &&OwnerReference| owner.controller == Some(true);
    let owner = migration.owner_references().iter().find(is_controller)?;
    let target = ctx.targets.get(&ObjectRef::new(&owner.name))?;
    policy::governing(&target, &ctx.policies)?;
    (target.uid().as_ref() == Some(&owner.uid)).then_some(target)
}

fn copy_of(migration: &AMIMigration) -> Result<CopyOf, Malformed> {
    Ok(CopyOf {
        account: migration.spec.account_id.parse()?,
        region: migration.spec.region.parse()?,
        source: migration.spec.source_image_id.parse()?,
        key: migration.spec.key_arn.parse()?,
    })
}

/// Whether a migration is done or stuck, so that nobody has to wait for it.
fn is_settled(migration: &AMIMigration) -> bool {
    migration.status.as_ref().is_some_and(|status| {
        status.state == Some(MigrationState::Completed) || conditions::is_true(&status.conditions, conditions::STALLED)
    })
}
