//! Who uses the images, and what is wrong: a reading of each account and region, beside whatever else goes on there. A reading may
//! take minutes in a large account; it holds up neither scans nor copies, and ends with whoever waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::index::Scoped;
use super::objects::ObjectReading;
use super::registry::{TargetState, jittered, lock};
use super::targets::{is_controlled_by, until};
use super::{Context, accounts, audit, policy, survey, usage_reports};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, FindingsStatus};
use crate::aws::Session;
use crate::domain::{AccountId, Image, ImageId, Inventory, KeyArn, Readings, Scope};
use crate::plan::findings::PolicyKey;
use crate::plan::obstacle::KeyView;
use crate::plan::permissions;
use crate::plan::select::{Selection, Selector};
use crate::plan::usage::{self, Elsewhere, Picture, Read, record};

/// How often a reading looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(5);

/// Reads who uses the images of a target, when that is due.
pub(super) async fn reconcile(target: Arc<AMIEncryptionTarget>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let Some(policy) = policy::governing(&target, &ctx.policies) else {
        return Ok(Action::await_change());
    };
    let is_off = !is_wanted(&target) || permissions::is_withdrawn(&policy.spec, &target.spec);
    let Ok(scope) = target.scope() else {
        return Ok(Action::await_change());
    };
    if is_off {
        // The change that turns it on leads here again.
        return Ok(Action::await_change());
    }
    let reading = Reading {
        ctx: &ctx,
        policy: &policy,
        target: &target,
        name: target.name_any(),
        scope,
    };
    // What was not scanned leads here once it is.
    let due = reading.visit().await;
    Ok(due.map_or_else(Action::await_change, |due| Action::requeue(ctx.clock.to_real_time(due))))
}

/// Whether it is to be read who uses a target's images, or what is wrong.
pub(super) fn is_wanted(target: &AMIEncryptionTarget) -> bool {
    let spec = &target.spec;
    (spec.consumers.read || spec.audit.is_some()) && !spec.suspend
}

/// What a reading begins with.
pub(super) struct Known {
    pub(super) session: Arc<Session>,
    pub(super) inventory: Arc<Inventory>,
    /// Who used the images by the reading before.
    picture: Option<Arc<Picture>>,
    /// What was found before.
    pub(super) findings: Option<Arc<FindingsStatus>>,
    /// The key that the policy names.
    pub(super) key: PolicyKey,
    /// The same, where it is known and no key of AWS's own: copies are made under it.
    pub(super) copy_key: Option<KeyArn>,
}

struct Reading<'a> {
    ctx: &'a Context,
    policy: &'a AMIEncryptionPolicy,
    target: &'a AMIEncryptionTarget,
    name: String,
    scope: Scope,
}

impl Reading<'_> {
    /// Reads, if that is due. Says when to come back, if anything was scanned.
    async fn visit(&self) -> Option<Duration> {
        let now = self.ctx.clock.now();
        let state = self.ctx.registry.target_state(&self.name);
        let (known, begun) = {
            let state = lock(&state);
            if !self.is_of(&state) {
                return None;
            }
            if !state.usage.is_due(now) {
                return state.usage.due().map(|due| until(due, now));
            }
            (self.known(&state)?, state.usage.begins(now))
        };
        let (read, passes) = tokio::select! {
            // On the heap: reading is deep enough as it is.
            read = Box::pin(self.read(&known, begun.at())) => read,
            // Nothing is called for a policy that is suspended meanwhile.
            () = self.withdrawn() => return None,
        };
        let now = self.ctx.clock.now();
        self.log(&read);
        let interval = jittered(self.target.spec.scan_interval.as_std(), &self.name);
        let due = {
            let mut state = lock(&state);
            if !self.is_of(&state) {
                return None;
            }
            state.usage.ended(begun, read, passes, interval, now);
            state.usage.due()
        };
        self.ctx.registry.wake_target(&self.name);
        self.wake_migrations();
        Some(due.map_or(Duration::ZERO, |due| until(due, now)))
    }

    /// Returns when nobody wants this read any more: whoever wants it again leads here by a change.
    async fn withdrawn(&self) {
        let is_wanted_still = || {
            let target = self.ctx.targets.get(&ObjectRef::new(&self.name));
            target.is_some_and(|target| {
                let policy = policy::governing(&target, &self.ctx.policies);
                let asks = policy.is_some_and(|policy| !permissions::is_withdrawn(&policy.spec, &target.spec));
                asks && is_wanted(&target) && target.metadata.uid == self.target.metadata.uid
            })
        };
        while is_wanted_still() {
            self.ctx.clock.sleep(LOOK).await;
        }
    }

    /// Whether what is known is known of this target, and not of a former one under its name.
    fn is_of(&self, state: &TargetState) -> bool {
        Some(state.uid.as_str()) == self.target.metadata.uid.as_deref()
    }

    /// What a reading begins with, once anything was scanned.
    fn known(&self, state: &TargetState) -> Option<Known> {
        // What an earlier process has found is on record.
        let recorded = || self.target.status.as_ref()?.findings.clone().map(Arc::new);
        Some(Known {
            session: state.session.clone()?,
            inventory: state.inventory.clone()?,
            picture: state.usage.picture().cloned(),
            findings: state.usage.findings().cloned().or_else(recorded),
            key: audit::policy_key(self.target, state.key.view(), state.key.problem()),
            copy_key: match &**state.key.view() {
                KeyView::Known(key) if !key.aws_managed => Some(key.arn.clone()),
                _ => None,
            },
        })
    }

    /// Reads everything. Says besides whether something is lacking for a fault that passes by itself.
    async fn read(&self, known: &Known, began: Timestamp) -> (Read, bool) {
        let spec = &self.target.spec;
        let selector = Selector::new(&spec.image_selector, spec.backups);
        let (mut picture, mut readings, mut passes) = (Picture::default(), Readings::default(), false);
        if spec.consumers.read {
            let query = survey::query(&spec.consumers);
            let cluster;
            (readings, cluster) = tokio::join!(survey::consumers(&known.session, &query), self.ctx.objects.read());
            (picture, passes) = self.picture(known, &readings, &cluster, &selector, began).await;
            passes |= self.reports(known, &selector, &mut picture).await;
        }
        let now = quiet_until(self.ctx, &known.inventory);
        let status = spec
            .consumers
            .read
            .then(|| record::of_target(&picture, &known.inventory, &selector, spec.unused.after.as_std(), now));
        let mut findings = None;
        if let Some(settings) = &spec.audit {
            // Findings are on all images. That something of the others cannot be read is no matter of the status above.
            if spec.consumers.read && picture.graph.unconfirmed().is_none() {
                passes |= self.confirm(known, &selector, false, &mut picture).await;
            }
            let examined = audit::Examined {
                accounts: accounts::of_policy(self.ctx, self.policy),
                settings,
                unused: &spec.unused,
                scope: &self.scope,
                known,
                originals: &originals(self.ctx, self.target, &self.scope),
                now,
                began: self.wall(began.min(known.inventory.scanned)),
                generation: self.target.metadata.generation,
            };
            let lacks;
            (findings, lacks) = examined.findings(&mut picture, readings.origins).await;
            passes |= lacks;
        }
        let read = Read {
            picture: spec.consumers.read.then_some(picture),
            status,
            findings,
        };
        (read, passes)
    }

    /// Who uses the images, and whether something of it is lacking for a fault that passes by itself.
    async fn picture(
        &self,
        known: &Known,
        readings: &Readings,
        cluster: &ObjectReading,
        selector: &Selector,
        began: Timestamp,
    ) -> (Picture, bool) {
        let passes = usage::passes(readings) || cluster.objects.passes();
        let mut picture = Picture {
            graph: usage::graph(readings, &self.scope.account, self.wall(began)),
            elsewhere: self.elsewhere(),
            ..Picture::default()
        };
        let ours = |image: &ImageId| known.inventory.images.contains_key(image);
        let objects_began = self.wall(cluster.began);
        picture.graph.add_objects(&cluster.objects, objects_began, ours);
        if let Some(before) = &known.picture {
            picture.graph.keep(&before.graph);
        }
        let lacks = self.confirm(known, selector, true, &mut picture).await;
        (picture, passes || lacks)
    }

    /// Asks AWS what other accounts use of shared images, where the policy wants that. Says whether something is lacking for a fault that
    /// passes by itself.
    async fn reports(&self, known: &Known, selector: &Selector, picture: &mut Picture) -> bool {
        if !usage_reports::are_wanted(self.policy, self.target) {
            return false;
        }
        let asking = usage_reports::Asking {
            ctx: self.ctx,
            target: self.target,
            scope: &self.scope,
            session: &known.session,
            inventory: &known.inventory,
            selector,
        };
        let before = known.picture.as_ref().map(|picture| &picture.reports);
        Box::pin(asking.ask(before, picture)).await
    }

    /// Asks what else uses images that seem to be unused, of those that the policy means or of all others. Says whether something of it
    /// is lacking for a fault that passes by itself.
    async fn confirm(&self, known: &Known, selector: &Selector, selected: bool, picture: &mut Picture) -> bool {
        let (inventory, now) = (&*known.inventory, quiet_until(self.ctx, &known.inventory));
        let after = self.target.spec.unused.after.as_std();
        let candidates = |picture: &Picture| -> Vec<ImageId> {
            let images = inventory.images.values().map(|image| &**image);
            let is_meant = |image: &&Image| (selector.select(image) == Selection::Selected) == selected;
            picture.candidates(images.filter(is_meant), after, now)
        };
        survey::confirm(&known.session, &self.scope.account, &candidates, picture).await
    }

    fn log(&self, read: &Read) {
        let Read { status, findings, .. } = read;
        if let Some(status) = status {
            tracing::info!(
                used = status.used,
                unused = status.unused,
                unknown = status.unknown,
                unread = status.unread.len(),
                "read who uses the images"
            );
        }
        if let Some(findings) = findings {
            let (findings, unread) = (findings.total, findings.unread.len());
            tracing::info!(findings, unread, "looked for findings");
        }
    }

    /// What the targets of other accounts say of images that they do not own, in the same region.
    fn elsewhere(&self) -> Elsewhere {
        let mut elsewhere = Elsewhere::default();
        for target in self.ctx.targets.state() {
            let spec = &target.spec;
            if spec.region != self.scope.region.as_str() || spec.account_id == self.scope.account.as_str() {
                continue;
            }
            let Ok(account) = spec.account_id.parse::<AccountId>() else {
                continue;
            };
            let Some(said) = target.status.as_ref().and_then(|status| status.usage.as_ref()) else {
                continue;
            };
            record::elsewhere(&mut elsewhere, &account, said);
        }
        elsewhere
    }

    /// A moment by the machine's clock as it is set now: what statuses show.
    fn wall(&self, at: Timestamp) -> Timestamp {
        let age = self.ctx.clock.now().duration_since(at);
        let system_time = self.ctx.clock.system_time();
        system_time.checked_sub(age).unwrap_or(system_time)
    }

    /// Lets migrations of images say who uses them.
    fn wake_migrations(&self) {
        let uid = self.target.metadata.uid.as_deref().unwrap_or_default();
        let migrations = self.ctx.migrations_by_scope.of(&self.scope);
        let ours = |migration: &&Arc<AMIMigration>| is_controlled_by(migration, uid);
        for migration in migrations.iter().filter(ours) {
            self.ctx.registry.wake_migration(&migration.name_any());
        }
    }
}

/// The originals of a target's migrations.
fn originals(ctx: &Context, target: &AMIEncryptionTarget, scope: &Scope) -> Vec<ImageId> {
    let uid = target.metadata.uid.as_deref().unwrap_or_default();
    let migrations = ctx.migrations_by_scope.of(scope);
    let ours = migrations.iter().filter(|migration| is_controlled_by(migration, uid));
    ours.filter_map(|migration| migration.spec.source_image_id.parse().ok())
        .collect()
}

/// Until when the images' last launches are known: when they were scanned, by whichever clock is behind.
pub(super) fn quiet_until(ctx: &Context, inventory: &Inventory) -> Timestamp {
    let today = ctx.clock.now().min(ctx.clock.system_time());
    today.min(inventory.scanned)
}
