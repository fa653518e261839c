//! Targets: looks through one account and region, classifies its images, makes migrations for those that need one, and
//! admits their copies. The only lister of images: migrations decide on what was read here.

mod admit;
mod children;
mod findings;
mod followers;
mod guardrails;
mod hints;
mod key;
mod look;
mod other_policies;
mod parameters;
mod permissions;
pub(super) mod proofs;
mod scan;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::apply::{AFTER_CONFLICT, Outcome, write_status};
use super::index::Scoped;
use super::registry::{TargetState, lock};
use super::survey::session_key;
use super::{Context, policy, usage};
use crate::api::conditions::Status;
use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, MigrationCounts, MigrationState, Mode, conditions,
    labels,
};
use crate::aws::{Access, Session};
use crate::domain::{ImageId, Malformed, Scope};
use crate::plan::allowance::Urgency;
use crate::plan::classify::Classified;
use crate::plan::permissions::{asks_for_changes, is_withdrawn};
use crate::plan::select::Selector;
use crate::plan::status::{self, Scan, ScanResult};
use crate::plan::{cost, freshness, map};

pub(super) use other_policies::OtherPolicies;

/// A wait shorter than this, in the clock's time, is taken as no wait.
const SOON: Duration = Duration::from_millis(200);

/// Reconciles one target.
struct TargetReconciler<'a> {
    ctx: &'a Context,
    target: &'a AMIEncryptionTarget,
    name: String,
    uid: String,
    scope: Scope,
    session: Arc<Session>,
    selector: Selector,
    /// The migrations that this target owns, as last seen, of images of its account.
    migrations: Vec<Arc<AMIMigration>>,
    /// Those of images of other accounts, by which it follows the migrations of their owners.
    followers: Vec<Arc<AMIMigration>>,
    /// Whether this is the first visit since the spec has changed.
    is_new_spec: bool,
}

/// Brings a target, its migrations and its status up to date.
pub(super) async fn reconcile(target: Arc<AMIEncryptionTarget>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    // A child whose owner is gone makes no call.
    let Some(policy) = policy::governing(&target, &ctx.policies) else {
        return Ok(Action::await_change());
    };
    if is_withdrawn(&policy.spec, &target.spec) {
        return Ok(Action::requeue(ctx.clock.to_real_time(policy::HEARD_AFTER)));
    }
    let reconciler = match TargetReconciler::new(&ctx, &target) {
        Ok(work) => work,
        Err(malformed) => {
            // The API server refuses such a spec; this is for one that was stored before it did.
            tracing::error!(%malformed, "cannot work on this target");
            return Ok(Action::await_change());
        }
    };
    if target.status.as_ref().is_none_or(|status| status.conditions.is_empty()) {
        // Before the first scan, which may take a while. The change leads here again.
        return reconciler.tell().await;
    }
    if reconciler.is_new_spec {
        reconciler.wake_other_policies();
        // By the new selector and key, whether or not the scan that follows succeeds.
        reconciler.classify();
    }
    if target.spec.suspend {
        if reconciler.is_new_spec {
            // No scan follows that would let them say so.
            reconciler.wake_migrations();
        }
        reconciler.count_nothing_in_flight();
        // What was read before says nothing of what launches when it goes on.
        reconciler.state(|state| {
            state.usage.rest();
            state.hints.rest();
        });
        return reconciler.tell().await;
    }
    reconciler.take_hints();
    let now = ctx.clock.now();
    let asked = reconciler.asked();
    let is_scan_due = reconciler.state(|state| state.scans.is_due(asked.as_deref(), now));
    if is_scan_due {
        reconciler.scan().await;
    } else {
        reconciler.follow_key().await;
    }
    reconciler.has_followed_hints();
    reconciler.follow_usage();
    reconciler.follow_other_policies();
    reconciler.follow_judgements();
    Box::pin(reconciler.follow_guardrails()).await;
    let asks = asks_for_changes(&policy.spec, &target.spec);
    // Where a person has set the target alone to Enforce, its policy is about to take that back.
    let (mut is_being_set_back, mut followed) = (reconciler.enforces() && !asks, Ok(()));
    if !reconciler.enforces() || !asks {
        reconciler.state(|state| state.copies.rest());
        reconciler.count_nothing_in_flight();
    } else {
        reconciler.follow_proofs(is_scan_due).await;
        reconciler.ask_permissions().await;
        reconciler.follow_source_keys(is_scan_due).await;
        is_being_set_back = reconciler.adjust_children().await?;
        followed = reconciler.adjust_followers().await;
        if reconciler.state(|state| std::mem::take(&mut state.renewed)) {
            reconciler.begin_anew();
        }
        if reconciler.follow_copies().await {
            // CopyBudget first: what is done can wait.
            reconciler.admit();
            if reconciler.look_closely().await {
                reconciler.admit();
            }
        } else {
            reconciler.admit();
        }
        // By what is on record of the migrations, so that it can be last.
        Box::pin(reconciler.follow_parameters()).await;
    }
    // Nothing that is under way waits for it.
    Box::pin(reconciler.look_for_new_images()).await;
    let again = reconciler.write_status().await?;
    // What cannot be made holds up nothing else.
    followed?;
    let again = if is_being_set_back { Some(AFTER_CONFLICT) } else { again };
    Ok(Action::requeue(reconciler.next_visit(again)))
}

impl<'a> TargetReconciler<'a> {
    fn new(ctx: &'a Context, target: &'a AMIEncryptionTarget) -> Result<Self, Malformed> {
        let spec = &target.spec;
        let scope = target.scope()?;
        let access = match spec.mode {
            Mode::Audit => Access::ReadOnly,
            Mode::Enforce => Access::Full,
        };
        let key = session_key(spec, &scope, access);
        let session = ctx.aws.session(&key);
        let (name, uid) = (target.name_any(), target.uid().unwrap_or_default());
        let state = ctx.registry.target_state(&name);
        let mut state = lock(&state);
        if let Some(old) = state.session.clone().filter(|_| !state.uses(&key)) {
            ctx.aws.forget(old.key());
        }
        let is_new_spec = state.adjust(target, &session, ctx.clock.now());
        drop(state);
        let mut migrations = ctx.migrations_by_scope.of(&scope);
        migrations.retain(|m| is_controlled_by(m, &uid));
        let (migrations, followers) = migrations.into_iter().partition(|m| m.spec.owner_account_id.is_none());
        let selector = Selector::new(&spec.image_selector, spec.backups);
        Ok(Self {
            ctx,
            target,
            name,
            uid,
            scope,
            session,
            selector,
            migrations,
            followers,
            is_new_spec,
        })
    }

    fn state<T>(&self, read: impl FnOnce(&mut TargetState) -> T) -> T {
        read(&mut lock(&self.ctx.registry.target_state(&self.name)))
    }

    /// Has it read who uses the images, when that is due: that goes on beside what is done here.
    fn follow_usage(&self) {
        if !usage::is_wanted(self.target) {
            self.state(|state| state.usage.rest());
            return;
        }
        let now = self.ctx.clock.now();
        if self.state(|state| state.inventory.is_some() && state.usage.is_due(now)) {
            self.ctx.registry.wake_usage(&self.name);
        }
    }

    fn wake_migrations(&self) {
        for migration in self.migrations.iter().chain(&self.followers) {
            self.ctx.registry.wake_migration(&migration.name_any());
        }
    }

    /// Forgets what migrations ran into under a former spec: calls that were refused are made again at once, and
    /// exhausted attempts are followed by one more.
    fn begin_anew(&self) {
        let observed = self.target.status.as_ref().and_then(|s| s.observed_generation);
        // At the start of a process every spec is new to it, but not every one has changed.
        let has_changed = observed.is_some_and(|seen| seen >= 0 && Some(seen) != self.target.metadata.generation);
        self.ctx.registry.copy_budget(&self.scope, |budget| budget.renewed());
        for migration in self.migrations.iter().chain(&self.followers) {
            let Some(uid) = migration.uid() else { continue };
            if !scan::is_stalled(migration) && self.ctx.registry.memory.problem(&uid).is_none() {
                continue;
            }
            self.ctx.registry.memory.set_problem(&uid, None);
            let last = migration.status.as_ref().and_then(|s| s.copy.as_ref());
            if let Some(last) = last.filter(|_| has_changed) {
                self.ctx.registry.memory.allow_extra_attempt(&uid, last.attempt);
            }
            self.ctx.registry.wake_migration(&migration.name_any());
        }
    }

    /// When the last complete scan began, by the machine's clock as it is set now; before this process has made one, by the status.
    fn last_scan(&self, status: &AMIEncryptionTargetStatus) -> Option<Timestamp> {
        let scanned = self.state(|state| state.inventory.as_ref().map(|inventory| inventory.scanned));
        let Some(scanned) = scanned else {
            return Some(status.last_scan_time.as_ref()?.0);
        };
        let age = self.ctx.clock.now().duration_since(scanned);
        self.ctx.clock.system_time().checked_sub(age).ok()
    }

    /// How many times as long as its size explains the slowest of the copies in flight has taken; 0 where there is none, and
    /// nothing before the first scan.
    fn slowest_copy(&self, now: Timestamp) -> Option<f64> {
        let inventory = self.state(|state| state.inventory.clone())?;
        let copying = |m: &&Arc<AMIMigration>| scan::migration_state(m) == MigrationState::Copying;
        let slowness = |migration: &Arc<AMIMigration>| {
            let copy = migration.status.as_ref()?.copy.as_ref()?;
            // Before AWS has answered it copies nothing.
            copy.image_id.as_ref()?;
            let source: ImageId = migration.spec.source_image_id.parse().ok()?;
            let image = inventory.images.get(&source)?;
            let taken = now.duration_since(copy.requested_at.as_ref()?.0).unsigned_abs();
            Some(cost::slowness(image, &inventory, taken))
        };
        let copying = self.migrations.iter().filter(copying);
        Some(copying.filter_map(slowness).fold(0.0, f64::max))
    }

    /// Takes back how many snapshot copies are in flight, where no target looks any more.
    fn count_nothing_in_flight(&self) {
        let looks = |target: &Arc<AMIEncryptionTarget>| target.spec.mode == Mode::Enforce && !target.spec.suspend;
        if !self.ctx.targets_by_scope.of(&self.scope).iter().any(looks) {
            self.ctx.metrics.forget_scope(&self.scope);
        }
    }

    /// What people have asked for by annotation, of the target or of its policy: any new value asks for a scan.
    fn asked(&self) -> Option<String> {
        let annotations = self.target.annotations();
        let asked: Vec<&str> = [labels::SCAN, labels::POLICY_SCAN]
            .iter()
            .filter_map(|name| annotations.get(*name).map(String::as_str))
            .collect();
        (!asked.is_empty()).then(|| asked.join(" "))
    }

    fn enforces(&self) -> bool {
        self.target.spec.mode == Mode::Enforce && self.state(|state| state.inventory.is_some())
    }

    fn counts(&self) -> MigrationCounts {
        let mut counts = MigrationCounts::default();
        for migration in self.migrations.iter().chain(&self.followers) {
            let status = migration.status.as_ref();
            let state = status.and_then(|s| s.state).unwrap_or_default();
            let of_state = if status.is_some_and(|s| conditions::is_true(&s.conditions, conditions::STALLED)) {
                &mut counts.stalled
            } else {
                match state {
                    MigrationState::Pending => &mut counts.pending,
                    MigrationState::Completed => &mut counts.completed,
                    MigrationState::Copying
                    | MigrationState::Verifying
                    | MigrationState::Validating
                    | MigrationState::Promoting => &mut counts.in_progress,
                }
            };
            *of_state += 1;
        }
        counts
    }

    /// Writes the status, and has nothing else to do until something changes.
    async fn tell(&self) -> Result<Action, kube::Error> {
        let again = self.write_status().await?;
        Ok(again.map_or_else(Action::await_change, |wait| {
            Action::requeue(self.ctx.clock.to_real_time(wait))
        }))
    }

    /// Writes the status when it differs. A time means that it was not written, and is to be decided again after it.
    async fn write_status(&self) -> Result<Option<Duration>, kube::Error> {
        self.note_prefix();
        let current = self.target.status.clone().unwrap_or_default();
        let counts = self.counts();
        let now = self.ctx.clock.now();
        let (migrates, asks) = (self.has_image_to_ask_about(false), self.has_image_to_ask_about(true));
        let mut decided = self.state(|state| {
            let looked = match (&state.inventory, &state.classified, state.scans.problem()) {
                (Some(inventory), Some(classified), problem) => ScanResult::Scanned(Scan {
                    at: inventory.scanned,
                    classified,
                    caller: &state.caller,
                    key: state.key.view(),
                    key_problem: state.key.problem(),
                    key_read: state.key.read_at(),
                    unstarted: self.has_unstarted(classified),
                    migrates,
                    asks,
                    usage: state.usage.status().map(|status| &**status),
                    findings: state.usage.findings().map(|status| &**status),
                    outdated: state.usage.outdated(),
                    lacking: state.permission_check.lacking(),
                    unanswered: state.permission_check.unanswered(),
                    unanswerable: state.permission_check.unanswerable(),
                    asked: state.scans.completed_for(),
                    problem: problem.or(state.copies.problem()).or(state.looks.problem()),
                }),
                (_, _, Some(problem)) => ScanResult::Failed(problem),
                _ => ScanResult::NotYet,
            };
            let (spec, generation) = (&self.target.spec, self.target.metadata.generation);
            let mut decided = status::target(&current, spec, generation, &looked, counts, now);
            map::parameters::tell(&mut decided, spec, &state.parameters, generation, now);
            decided
        });
        self.say_guardrails(&mut decided, &current, now);
        self.ctx.metrics.targets.observe(
            self.target,
            &decided,
            &[self.migrations.as_slice(), &self.followers].concat(),
            self.last_scan(&decided),
            self.slowest_copy(now),
        );
        self.ctx
            .metrics
            .targets
            .looks_succeed(self.target, self.looks_succeed());
        let more_to_come = counts.in_progress > 0 || (counts.pending > 0 && self.enforces());
        if decided == current {
            return Ok(None);
        }
        let says_the_same = decided.observed_generation == current.observed_generation
            && conditions::say_the_same(&current.conditions, &decided.conditions);
        let urgency = match says_the_same {
            true if more_to_come => Urgency::WhileBusy,
            true => Urgency::Later,
            false => Urgency::Now,
        };
        match write_status(self.ctx, self.target, &decided, urgency).await? {
            Outcome::Written => {}
            Outcome::Gone => return Ok(None),
            Outcome::Discarded(wait) => return Ok(Some(wait)),
        }
        for type_ in [conditions::CONTESTED, conditions::STALLED] {
            let Some((reason, message)) = newly_true(type_, &current.conditions, &decided.conditions) else {
                continue;
            };
            self.ctx.events.warning(self.target, reason, "Scan", message).await;
        }
        for (type_, action) in [
            (conditions::USAGE_KNOWN, "ReadConsumers"),
            (conditions::MAP_PUBLISHED, "PublishMap"),
        ] {
            let news = newly(Status::False, type_, &current.conditions, &decided.conditions);
            if let Some((reason, message)) = news {
                self.ctx.events.warning(self.target, reason, action, message).await;
            }
        }
        if let Some(findings) = &decided.findings {
            self.tell_findings(current.findings.as_ref(), findings).await;
        }
        self.tell_guardrails(&current, &decided).await;
        Ok(None)
    }

    /// Whether an image that is to be migrated has no migration yet.
    fn has_unstarted(&self, classified: &Classified) -> bool {
        let started: HashSet<&str> = self
            .migrations
            .iter()
            .map(|m| m.spec.source_image_id.as_str())
            .collect();
        classified
            .wanted
            .iter()
            .any(|wanted| !started.contains(wanted.image.as_str()))
    }

    /// When it is not known any more what the last scan has found, if none succeeds until then.
    fn doubt_due(&self, now: Timestamp) -> Option<Timestamp> {
        let record = self
            .target
            .status
            .as_ref()
            .and_then(|status| status.last_scan_time.as_ref());
        let (problem, scanned) = self.state(|state| {
            let scanned = state.inventory.as_ref().map(|inventory| inventory.scanned);
            (state.scans.problem().is_some(), scanned)
        });
        let scanned = scanned.or(record.map(|time| time.0)).filter(|_| problem)?;
        Some(freshness::holds_until(scanned, &self.target.spec)).filter(|due| *due > now)
    }

    /// When to come back: on the wall, as kube keeps its own timers.
    fn next_visit(&self, again: Option<Duration>) -> Duration {
        let now = self.ctx.clock.now();
        let [scan, look, key, of_sources] = self.state(|state| {
            let of_sources = state.source_keys.due();
            [state.scans.due(), state.copies.due(), state.key.due(), of_sources]
        });
        let enforces = self.enforces();
        let quota = self
            .ctx
            .registry
            .copy_budget(&self.scope, |budget| budget.waits_until(now));
        let created = self.state(|state| state.creations.due()).filter(|due| *due > now);
        let left_over = self.state(|state| state.proofs.due());
        let parameters = self.state(|state| state.parameters.due());
        let of_copies = [of_sources, quota, created, left_over, parameters]
            .into_iter()
            .flatten()
            .filter(|_| enforces);
        let (new_images, hints) = (self.look_due(), self.hints_due());
        let guardrails = self.guardrails_due();
        let due = [
            scan,
            look,
            key,
            new_images,
            hints,
            self.permissions_due(),
            self.doubt_due(now),
            guardrails,
        ]
        .into_iter()
        .flatten()
        .chain(of_copies)
        .min();
        let wait = due.map_or(SOON, |due| until(due, now));
        let wait = again.map_or(wait, |again| wait.min(again));
        self.ctx.clock.to_real_time(wait.max(SOON))
    }
}

/// Reason and message of a condition, if it has become true, or true for another reason.
pub(super) fn newly_true<'a>(type_: &str, before: &[Condition], now: &'a [Condition]) -> Option<(&'a str, &'a str)> {
    newly(Status::True, type_, before, now)
}

/// The same for another status.
fn newly<'a>(status: Status, type_: &str, before: &[Condition], now: &'a [Condition]) -> Option<(&'a str, &'a str)> {
    let condition = conditions::find(now, type_).filter(|c| c.status == status.as_str())?;
    let old = conditions::find(before, type_);
    let known = old.is_some_and(|old| old.status == condition.status && old.reason == condition.reason);
    (!known).then_some((condition.reason.as_str(), condition.message.as_str()))
}

/// Whether the target with this UID controls a migration.
pub(super) fn is_controlled_by(migration: &AMIMigration, uid: &str) -> bool {
    migration
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

/// How long it is from `now` to `due`.
pub(super) fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or(Duration::ZERO)
}
