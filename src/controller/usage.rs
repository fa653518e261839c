//! Who uses the images: a reading of each account and region, beside whatever else goes on there. A reading may take minutes
//! in a large account; it holds up neither scans nor copies, and ends with whoever waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use wildmatch::WildMatch;

use super::index::Scoped;
use super::registry::{TargetState, jittered, lock};
use super::targets::{is_controlled_by, until};
use super::{Context, policy, survey};
use crate::api::{AMIEncryptionTarget, AMIMigration, ConsumerSettings, ParameterScope};
use crate::aws::{AwsError, ErrorClass, Parameters, Query, Session};
use crate::domain::{AccountId, ImageId, Inventory, Scope};
use crate::plan::permissions;
use crate::plan::select::Selector;
use crate::plan::usage::{self, Elsewhere, Picture, record};

/// For so many images AWS looks at a time what names them.
const AT_A_TIME: usize = 10;

/// How often a reading looks whether it is still wanted.
const LOOK: Duration = Duration::from_secs(5);

/// Reads who uses the images of a target, when that is due.
pub(super) async fn reconcile(target: Arc<AMIEncryptionTarget>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    let Some(policy) = policy::governing(&target, &ctx.policies) else {
        return Ok(Action::await_change());
    };
    let is_off =
        target.spec.suspend || !target.spec.consumers.read || permissions::is_withdrawn(&policy.spec, &target.spec);
    let Ok(scope) = target.scope() else {
        return Ok(Action::await_change());
    };
    if is_off {
        // The change that turns it on leads here again.
        return Ok(Action::await_change());
    }
    let reading = Reading {
        ctx: &ctx,
        target: &target,
        name: target.name_any(),
        scope,
    };
    // What was not scanned leads here once it is.
    let due = reading.visit().await;
    Ok(due.map_or_else(Action::await_change, |due| Action::requeue(ctx.clock.to_real_time(due))))
}

/// Whether it is to be read who uses a target's images.
pub(super) fn is_wanted(target: &AMIEncryptionTarget) -> bool {
    target.spec.consumers.read && !target.spec.suspend
}

struct Reading<'a> {
    ctx: &'a Context,
    target: &'a AMIEncryptionTarget,
    name: String,
    scope: Scope,
}

impl Reading<'_> {
    /// Reads, if that is due. Says when to come back, if anything was scanned.
    async fn visit(&self) -> Option<Duration> {
        let now = self.ctx.clock.now();
        let state = self.ctx.registry.target_state(&self.name);
        let (session, inventory, before, begun) = {
            let state = lock(&state);
            if !self.is_of(&state) {
                return None;
            }
            if !state.usage.is_due(now) {
                return state.usage.due().map(|due| until(due, now));
            }
            let (session, inventory) = (state.session.clone()?, state.inventory.clone()?);
            (
                session,
                inventory,
                state.usage.picture().cloned(),
                state.usage.begins(now),
            )
        };
        let selector = Selector::new(&self.target.spec.image_selector, self.target.spec.backups);
        let after = self.target.spec.unused.after.as_std();
        let (picture, passes) = tokio::select! {
            read = self.picture(&session, &inventory, &selector, begun.at(), before.as_deref()) => read,
            // Nothing is called for a policy that is suspended meanwhile.
            () = self.withdrawn() => return None,
        };
        let now = self.ctx.clock.now();
        let status = record::of_target(
            &picture,
            &inventory,
            &selector,
            after,
            quiet_until(self.ctx, &inventory),
        );
        tracing::info!(
            used = status.used,
            unused = status.unused,
            unknown = status.unknown,
            unread = status.unread.len(),
            "read who uses the images"
        );
        let interval = jittered(self.target.spec.scan_interval.as_std(), &self.name);
        let due = {
            let mut state = lock(&state);
            if !self.is_of(&state) {
                return None;
            }
            state.usage.ended(begun, picture, status, passes, interval, now);
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

    /// Reads everything. Says besides whether something is lacking for a fault that passes by itself.
    async fn picture(
        &self,
        session: &Session,
        inventory: &Inventory,
        selector: &Selector,
        began: Timestamp,
        before: Option<&Picture>,
    ) -> (Picture, bool) {
        let query = query(&self.target.spec.consumers);
        let (readings, cluster) = tokio::join!(survey::consumers(session, &query), self.ctx.objects.read());
        let mut passes = usage::passes(&readings) || cluster.objects.passes();
        let mut picture = Picture {
            graph: usage::graph(&readings, &self.scope.account, self.wall(began)),
            elsewhere: self.elsewhere(),
            ..Picture::default()
        };
        drop(readings);
        let ours = |image: &ImageId| inventory.images.contains_key(image);
        picture
            .graph
            .add_objects(&cluster.objects, self.wall(cluster.began), ours);
        if let Some(before) = before {
            picture.graph.keep(&before.graph);
        }
        // On the heap: reading is deep enough as it is.
        if let Err(error) = Box::pin(self.confirm(session, inventory, selector, &mut picture)).await {
            tracing::warn!(%error, "could not ask what else uses images: none of them is said to be unused");
            passes |= usage::is_passing(&error);
            picture.graph.not_confirmed(&error);
        }
        (picture, passes)
    }

    /// Asks of the images that nobody is known to use what else names them, and who may launch them. One that went meanwhile is no
    /// matter of the others.
    async fn confirm(
        &self,
        session: &Session,
        inventory: &Inventory,
        selector: &Selector,
        picture: &mut Picture,
    ) -> Result<(), AwsError> {
        let after = self.target.spec.unused.after.as_std();
        let now = quiet_until(self.ctx, inventory);
        let candidates = picture.candidates(record::selected(inventory, selector), after, now);
        for some in candidates.chunks(AT_A_TIME) {
            match session.image_references(some).await {
                Ok(references) => picture.graph.confirm(some, &references, &self.scope.account),
                Err(error) if error.class == ErrorClass::NotFound => {
                    for image in some {
                        let image = std::slice::from_ref(image);
                        match session.image_references(image).await {
                            Ok(references) => picture.graph.confirm(image, &references, &self.scope.account),
                            Err(error) if error.class == ErrorClass::NotFound => {}
                            Err(error) => return Err(error),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        for image in picture.candidates(record::selected(inventory, selector), after, now) {
            match session.launch_permissions(&image).await {
                Ok(shared) => {
                    picture.shared.insert(image, shared);
                }
                Err(error) if error.class == ErrorClass::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

/// Until when the images' last launches are known: when they were scanned, by whichever clock is behind.
pub(super) fn quiet_until(ctx: &Context, inventory: &Inventory) -> Timestamp {
    let today = ctx.clock.now().min(ctx.clock.system_time());
    today.min(inventory.scanned)
}

/// What a policy has read.
fn query(settings: &ConsumerSettings) -> Query {
    let owned_by = settings.owned_by.iter();
    Query {
        parameters: match settings.parameters {
            ParameterScope::Images => Parameters::Images,
            ParameterScope::All => Parameters::All,
        },
        owned_by: owned_by
            .map(|(key, glob)| (key.as_str().into(), WildMatch::new(glob)))
            .collect(),
    }
}
