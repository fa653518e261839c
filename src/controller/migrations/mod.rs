//! Migrations: takes one step, persists it, returns. The change of status leads to the next.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::index::Scoped;
use super::memory::CallProblem;
use super::registry::AccountView;
use super::targets::is_controlled_by;
use super::{Context, policy};
use crate::api::{AMIEncryptionTarget, AMIMigration, AMIMigrationStatus, MigrationState, TagPublication};
use crate::aws::Session;
use crate::domain::Malformed;
use crate::plan::allowance::Urgency;
use crate::plan::naming::CopyIdentity;
use crate::plan::step::{self, Answers, Effect, Facts, Next, Question, Step};
use crate::plan::{migrations, moving, promote, proof, source_keys};

mod asking;
mod calls;
mod consumers;
mod facts;
mod failing;
mod foreign;
mod jobs;
mod proving;
mod scanning;
mod writing;

use asking::Asked;
use foreign::{Followed, followed};

/// How soon it is looked again whether the watch shows what another migration has begun.
const AFTER_OTHERS: Duration = Duration::from_secs(1);

/// How long to wait where the status was written too often.
const UNTIL_WRITTEN: Duration = Duration::from_secs(10);

/// Takes the next step of a migration.
pub(super) async fn reconcile(migration: Arc<AMIMigration>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    if migration.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    // A child whose owner is gone makes no call.
    let Some(target) = owner(&migration, &ctx) else {
        return Ok(Action::await_change());
    };
    if policy::is_withdrawn(&target, &ctx.policies) {
        return Ok(Action::requeue(ctx.clock.to_real_time(policy::HEARD_AFTER)));
    }
    let of = match copy_identity(&migration) {
        Ok(of) => of,
        Err(malformed) => {
            // The API server refuses such a spec; this is for one that was stored before it did.
            tracing::error!(%malformed, "cannot work on this migration");
            return Ok(Action::await_change());
        }
    };
    let uid = migration.uid().unwrap_or_default();
    let view = ctx
        .registry
        .view(&target.name_any(), &target.uid().unwrap_or_default(), &uid);
    let Some(view) = view else {
        return Ok(Action::await_change());
    };
    let follows = match followed(&migration, &of, &ctx) {
        Ok(follows) => follows,
        Err(malformed) => {
            tracing::error!(%malformed, "cannot work on this migration");
            return Ok(Action::await_change());
        }
    };
    let reconciler = MigrationReconciler {
        ctx: &ctx,
        migration: &migration,
        target: &target,
        uid,
        of,
        view,
        follows,
        session: OnceLock::new(),
    };
    Box::pin(reconciler.reconcile()).await
}

/// One reconcile of one migration.
struct MigrationReconciler<'a> {
    ctx: &'a Context,
    migration: &'a AMIMigration,
    target: &'a AMIEncryptionTarget,
    uid: String,
    of: CopyIdentity,
    view: AccountView,
    /// Whose image it is, where that is another account's.
    follows: Option<Followed>,
    /// The session of this visit's calls, once there is one.
    session: OnceLock<Session>,
}

impl MigrationReconciler<'_> {
    /// Asks what the next step wants to know, records what it says, and then makes its one change.
    async fn reconcile(&self) -> Result<Action, kube::Error> {
        self.let_others_go_on();
        let current = self.migration.status.clone().unwrap_or_default();
        let recorded = self.recorded();
        let recorded = recorded.as_ref();
        if source_keys::is_asked_about(&current, self.retry()) {
            let now = self.ctx.clock.now();
            self.ctx.registry.doubt_source_keys(&self.target.name_any(), now);
        }
        let mut answers = Answers::default();
        let mut problem = recorded.and_then(|recorded| recorded.problem.as_ref());
        let looked = self.looked();
        let (facts, Step { status, then }) = loop {
            let facts = self.facts(&current, problem, &answers, &looked);
            let step = step::next(facts, self.ctx.clock.now());
            let Next::Ask(question) = &step.then else {
                break (facts, step);
            };
            if answers.has(question) {
                // A decision that wants to know the same again would do so for ever.
                break (facts, step);
            }
            let holds_up = |recorded: &&CallProblem| question.waits_for_refusals() || !recorded.is_refusal();
            if let Some(wait) = self.wait_out(recorded.filter(holds_up)) {
                if step.status != current && !self.may_begin(&step.status, &current) {
                    return Ok(Action::requeue(self.ctx.clock.to_real_time(AFTER_OTHERS)));
                }
                return self.write_or(step.status, &current, Action::requeue(wait)).await;
            }
            if let Question::Job(name) = question {
                let Some(seen) = Box::pin(self.read_job(&current, recorded)).await? else {
                    // The status is to say so now.
                    return Ok(Action::requeue(Duration::ZERO));
                };
                answers.job = Some((name.clone(), seen));
                problem = self.problem_of_writes(problem, recorded);
                continue;
            }
            let Some(session) = self.session() else {
                return Ok(Action::await_change());
            };
            match self.ask(session, question, &mut answers).await {
                Ok(Asked::Answered) => problem = self.problem_of_writes(problem, recorded),
                Ok(Asked::Absent) => {}
                Ok(Asked::Shown) => return Ok(Action::requeue(Duration::ZERO)),
                Err(error) => return Ok(self.failed(&error, recorded)),
            }
        };
        let usage = self.usage(&current);
        if status != current {
            if !self.may_begin(&status, &current) {
                return Ok(Action::requeue(self.ctx.clock.to_real_time(AFTER_OTHERS)));
            }
            if !self.takes_place(&status, &current) {
                // Another one was faster, which does not show yet.
                return Ok(Action::requeue(self.ctx.clock.to_real_time(proof::TURN)));
            }
            return self
                .write(&AMIMigrationStatus { usage, ..status }, &current, Urgency::Now)
                .await;
        }
        let may_say_so = usage.is_none() || is_settled(self.migration) && self.stands(&current);
        if usage != current.usage && then == Next::Wait && may_say_so {
            // Nobody waits for it, and what goes on has a write of its own to go along with.
            let status = AMIMigrationStatus { usage, ..status };
            return self.write(&status, &current, Urgency::Later).await;
        }
        self.give_way(facts.grants.copy, &then, &status, recorded);
        match then {
            Next::Wait | Next::Ask(_) => {
                let wait = self.wait_out(recorded).filter(|_| step::was_refused(&status));
                Ok(wait.map_or_else(Action::await_change, Action::requeue))
            }
            Next::Later(wait) => Ok(Action::requeue(self.ctx.clock.to_real_time(wait))),
            Next::Do(effect) => self.make(facts, effect, recorded).await,
        }
    }

    /// Lets others copy where this migration does not, and asks for its turn again where it can do with it.
    fn give_way(&self, admitted: bool, then: &Next, status: &AMIMigrationStatus, recorded: Option<&CallProblem>) {
        if *then != Next::Wait {
            return;
        }
        if admitted && status.state == Some(MigrationState::Pending) {
            self.release_copies();
        } else if admitted || !step::was_refused(status) || self.wait_out(recorded).is_some() {
            return;
        }
        self.ctx.registry.wake_target(&self.target.name_any());
    }

    /// Makes a change in AWS, or to a Job, once whatever the last call ran into is waited out.
    async fn make(
        &self,
        facts: Facts<'_>,
        effect: Effect,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let memory = &self.ctx.registry.memory;
        if !memory.may_write(self.migration, self.ctx.clock.monotonic()) {
            // What comes of a call has to be put on record, or the call is made again and again.
            return Ok(Action::requeue(self.ctx.clock.to_real_time(UNTIL_WRITTEN)));
        }
        // That something could not be read keeps nobody from ending what is paid for.
        let ends = matches!(effect, Effect::Terminate(_) | Effect::DeleteJob(_));
        let holds_up = |recorded: &&CallProblem| !ends || !recorded.reads || recorded.ends;
        if let Some(wait) = self.wait_out(recorded.filter(holds_up)) {
            return Ok(Action::requeue(wait));
        }
        match effect {
            Effect::Copy(call) => self.copy(facts, &call, recorded).await,
            Effect::RemoveFailed(image) => self.remove_failed(facts, &image, recorded).await,
            Effect::RemoveRemains(image) => self.remove_remains(facts, &image, recorded).await,
            Effect::Publish(image, list) => self.publish(facts, &image, &list, recorded).await,
            Effect::Move(key, change) => self.change(facts, &key, &change, recorded).await,
            Effect::Launch(request) => Box::pin(self.launch(facts, &request, recorded)).await,
            Effect::Terminate(instance) => Box::pin(self.terminate(facts, &instance, recorded)).await,
            Effect::CreateJob(request) => Box::pin(self.create_job(facts, &request)).await,
            Effect::DeleteJob(name) => Box::pin(self.delete_job(facts, &name, recorded)).await,
            Effect::StartScan(request) => Box::pin(self.start_scan(facts, &request, recorded)).await,
        }
    }

    /// The session for the calls of this visit, which do not wait: an account that is busy, or does not answer, holds up no other.
    fn session(&self) -> Option<&Session> {
        let session = self.view.session.as_ref()?;
        Some(self.session.get_or_init(|| session.visiting(&self.uid)))
    }

    fn release_copies(&self) {
        self.ctx
            .registry
            .copy_budget(&self.of.scope, |budget| budget.release(&self.of.source));
    }

    /// Wakes the migrations that wait for this one, once it is on record that they need not: all that wait for its tags, and one of
    /// those that wait until a consumer may be moved.
    fn let_others_go_on(&self) {
        let promotion = &self.target.spec.promotion;
        let publishes = promotion.tags == TagPublication::Publish;
        if !publishes && !promotion.moves() {
            return;
        }
        let (memory, published) = (&self.ctx.registry.memory, promotion.published());
        let lacks_tags = |m: &AMIMigration| promote::is_waited_for(m.status.as_ref(), &published);
        let has_settled = memory.has_just_settled(&self.uid, is_settled(self.migration));
        let has_published = publishes && memory.has_just_published(&self.uid, !lacks_tags(self.migration));
        if !has_settled && !has_published {
            return;
        }
        let uid = self.target.uid().unwrap_or_default();
        let promoting = |m: &AMIMigration| m.status.as_ref().and_then(|s| s.state) == Some(MigrationState::Promoting);
        let waits = |m: &&Arc<AMIMigration>| promoting(m) && !is_settled(m) && is_controlled_by(m, &uid);
        let neighbours = self.neighbours();
        let waiting = neighbours.iter().filter(waits);
        let is_next = |m: &&Arc<AMIMigration>| has_settled && m.status.as_ref().is_some_and(moving::waits_for_turn);
        let next = waiting.clone().filter(is_next).min_by_key(|m| m.name_any());
        for waiting in waiting.filter(|m| has_published && lacks_tags(m)).chain(next) {
            self.ctx.registry.wake_migration(&waiting.name_any());
        }
    }

    /// The migrations of the same account and region.
    fn neighbours(&self) -> Vec<Arc<AMIMigration>> {
        self.ctx.migrations_by_scope.of(&self.of.scope)
    }
}

/// The target that made this migration, if it and its policy are still there.
pub(super) fn owner(migration: &AMIMigration, ctx: &Context) -> Option<Arc<AMIEncryptionTarget>> {
    let is_controller = |owner: &&OwnerReference| owner.controller == Some(true);
    let owner = migration.owner_references().iter().find(is_controller)?;
    let target = ctx.targets.get(&ObjectRef::new(&owner.name))?;
    policy::governing(&target, &ctx.policies)?;
    (target.uid().as_ref() == Some(&owner.uid)).then_some(target)
}

fn copy_identity(migration: &AMIMigration) -> Result<CopyIdentity, Malformed> {
    Ok(CopyIdentity {
        scope: migration.scope()?,
        source: migration.spec.source_image_id.parse()?,
        key: migration.spec.key_arn.parse()?,
    })
}

/// Whether a migration is done or stuck, so that nobody has to wait for it.
fn is_settled(migration: &AMIMigration) -> bool {
    migration.status.as_ref().is_some_and(migrations::is_settled)
}
