//! Migrations: takes one step, persists it, returns. The change of status leads to the next.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;

use super::apply::{AFTER_CONFLICT, Outcome, write_status};
use super::followers::of_owner;
use super::index::Scoped;
use super::memory::CallProblem;
use super::registry::AccountView;
use super::targets::{is_controlled_by, newly_true};
use super::usage::quiet_until;
use super::{Context, policy};
use crate::api::conditions;
use crate::api::{
    AMIEncryptionTarget, AMIMigration, AMIMigrationStatus, ImageUsage, MigrationState, Mode, TagPublication, labels,
};
use crate::aws::{AwsError, Cause, ErrorClass, Session};
use crate::domain::{AccountId, ImageId, Inventory, Malformed, Operation};
use crate::plan::allowance::Urgency;
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::Problem;
use crate::plan::proof::Kind;
use crate::plan::step::{self, Account, Answers, Effect, Facts, Follows, Grants, Memory, Next, Question, Record, Step};
use crate::plan::usage::{keys, record};
use crate::plan::{moving, problem, proof, source_keys};

mod calls;
mod consumers;
mod foreign;
mod jobs;
mod proving;
mod scanning;

use consumers::Looked;

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

/// What came of a question.
enum Asked {
    /// An answer.
    Answered,
    /// The image is not there. That AWS does not know it says nothing of other reads.
    Absent,
    /// The image is there, and known now: everything is decided anew.
    Shown,
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

    /// Whether what a status says of a finished copy is seen to be so: what somebody else may have written is not written anew.
    fn stands(&self, status: &AMIMigrationStatus) -> bool {
        if status.state != Some(MigrationState::Completed) {
            return true;
        }
        let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
        let copy = copy.and_then(|id| id.parse::<ImageId>().ok());
        let images = self.view.inventory.as_ref().map(|inventory| &inventory.images);
        copy.zip(images)
            .and_then(|(copy, images)| images.get(&copy))
            .is_some_and(|copy| copy.is_there())
    }

    /// What the next step is decided on.
    fn facts<'a>(
        &'a self,
        current: &'a AMIMigrationStatus,
        problem: Option<&'a Problem>,
        answers: &'a Answers,
        looked: &'a Looked,
    ) -> Facts<'a> {
        let memory = &self.ctx.registry.memory;
        Facts {
            of: &self.of,
            settings: &self.target.spec,
            record: Record {
                uid: &self.uid,
                status: current,
                generation: self.migration.metadata.generation,
                retry: self.retry(),
                approval: self.migration.spec.approval,
                approved_by: self.migration.spec.approved_by.as_deref(),
                desired: self.migration.spec.desired,
            },
            account: self.account(),
            memory: Memory {
                known_since: memory.known_since(self.migration, self.ctx.clock.now()),
                extra_attempt_after: memory.extra_attempt_after(&self.uid),
                unseen: self.has_never_seen_copy(current),
                problem,
                consumers: &looked.consumers,
                key_access: looked.key_access.as_ref(),
                foreign: &looked.foreign,
            },
            grants: Grants {
                copy: self.is_admitted(),
                publish_tags: !self.older_unpublished(),
                launch: self.may_prove(Kind::Launch, current),
                job: self.may_prove(Kind::Job, current),
                turn: self.turn(),
                failures: self.failures(),
                refreshing: self.refreshing(),
            },
            follows: self.follows.as_ref().map(|followed| Follows {
                owner: &followed.owner,
                migration: followed.migration.as_deref(),
                active: followed.active,
            }),
            answers,
            system_time: self.ctx.clock.system_time(),
        }
    }

    fn account(&self) -> Account<'_> {
        let view = &self.view;
        Account {
            inventory: view.inventory.as_deref(),
            scanned_since_created: view.scanned_since_created,
            looked_since_created: view.looked_since_created,
            key: &view.key,
            source_keys: &view.source_keys,
            denied: view.denied.as_ref(),
            unanswered: view.unanswered,
            picture: view.picture.as_deref(),
        }
    }

    fn is_admitted(&self) -> bool {
        self.ctx
            .registry
            .copy_budget(&self.of.scope, |budget| budget.is_granted(&self.of.source))
    }

    /// Asks AWS what a decision wants to know.
    async fn ask(&self, session: &Session, question: &Question, answers: &mut Answers) -> Result<Asked, AwsError> {
        match question {
            Question::Absence(image) => {
                if self.is_there(session, image).await? {
                    return Ok(Asked::Shown);
                }
                answers.gone = Some(image.clone());
                return Ok(Asked::Absent);
            }
            Question::UefiData(copy) => answers.uefi_differs = Some(self.uefi_differs(session, copy).await?),
            Question::LaunchPermissions => {
                // They are read once more just before what they say is published: room for both, or for neither.
                session.reserve(&self.ctx.registry.memory.was_put_off(&self.uid))?;
                answers.permissions = Some(session.launch_permissions(&self.of.source).await?);
            }
            Question::Consumer(key, besides) => {
                let seen = self.read_consumer(session, key, besides).await?;
                answers.consumers.insert(key.clone(), seen);
            }
            Question::KeyAccess => answers.key_access = Some(self.read_key_access(session).await?),
            Question::ForeignCopy(image) => {
                let seen = self.read_foreign(session, image).await?;
                answers.foreign.insert(image.clone(), seen);
            }
            Question::Instance(which) => {
                let seen = Box::pin(self.read_instance(session, which)).await?;
                answers.instance = Some((which.clone(), seen));
            }
            Question::Scan(which) => {
                let seen = Box::pin(self.read_scan(session, which)).await?;
                answers.scan = Some((which.clone(), seen));
            }
            Question::ScanResult(copy, since) => {
                if Box::pin(self.shows_scan(session, copy, *since)).await? {
                    return Ok(Asked::Shown);
                }
                answers.unscanned = Some(copy.clone());
            }
            // It is no question to AWS, and is answered before.
            Question::Job(_) => {}
        }
        Ok(Asked::Answered)
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
        if let Some(wait) = self.wait_out(recorded.filter(|recorded| !(ends && recorded.reads))) {
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

    /// Whether AWS has never shown the copy on record, as far as this process has seen.
    fn has_never_seen_copy(&self, status: &AMIMigrationStatus) -> bool {
        let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
        let Some(copy) = copy.and_then(|id| id.parse::<ImageId>().ok()) else {
            return false;
        };
        let inventory = self.view.inventory.as_ref();
        let is_shown = inventory.is_some_and(|inventory| inventory.images.contains_key(&copy));
        self.ctx.registry.memory.was_never_seen(&self.uid, &copy, is_shown)
    }

    /// Asks for an image that the listings do not show, by its ID.
    async fn is_there(&self, session: &Session, image: &ImageId) -> Result<bool, AwsError> {
        let found = session.images(std::slice::from_ref(image)).await?;
        let is_there = !found.is_empty();
        if is_there {
            tracing::warn!(%image, "a listing has missed an image that is there");
            self.amend(|inventory| found.into_iter().for_each(|image| inventory.insert(image)));
        }
        Ok(is_there)
    }

    /// Whether the copy's UEFI data are not the source's.
    async fn uefi_differs(&self, session: &Session, copy: &ImageId) -> Result<bool, AwsError> {
        session.reserve(&[Operation::DescribeImageAttribute; 2])?;
        Ok(session.uefi_data(&self.of.source).await? != session.uefi_data(copy).await?)
    }

    /// After a read: what a read ran into is over, what a call to write ran into stays said until one succeeds.
    fn problem_of_writes<'t>(
        &self,
        problem: Option<&'t Problem>,
        recorded: Option<&CallProblem>,
    ) -> Option<&'t Problem> {
        let could_not_read = recorded.is_some_and(|recorded| recorded.reads);
        if could_not_read {
            self.ctx.registry.memory.set_problem(&self.uid, None);
        }
        problem.filter(|_| !could_not_read)
    }

    fn release_copies(&self) {
        self.ctx
            .registry
            .copy_budget(&self.of.scope, |budget| budget.release(&self.of.source));
    }

    fn amend(&self, change: impl FnOnce(&mut Inventory)) {
        self.ctx
            .registry
            .amend(&self.target.name_any(), &self.target.uid().unwrap_or_default(), change);
    }

    /// Whether an older original of the same target still waits for its tags to be published: they are published in the
    /// order of the originals' creation, as people pick «the newest image with this tag».
    fn older_unpublished(&self) -> bool {
        let promotion = &self.target.spec.promotion;
        let status = self.migration.status.as_ref();
        // All neighbours are looked at, which is not for every visit to each of thousands that are done.
        let is_done = status
            .is_some_and(|s| s.state == Some(MigrationState::Completed) && s.promotion == Some(promotion.published()));
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
            .filter(|m| !is_settled(m) && is_controlled_by(m, &uid))
            .filter_map(|m| m.spec.source_image_id.parse::<ImageId>().ok())
            .any(|source| source != self.of.source && created(&source).is_some_and(|other| Some(other) < ours))
    }

    /// Wakes the migrations that wait for this one, once it is on record that they need not: all that wait for its tags, and one of
    /// those that wait until a consumer may be moved.
    fn let_others_go_on(&self) {
        let promotion = &self.target.spec.promotion;
        let publishes = promotion.tags == TagPublication::Publish;
        let memory = &self.ctx.registry.memory;
        if !(publishes || promotion.moves()) || !memory.has_just_settled(&self.uid, is_settled(self.migration)) {
            return;
        }
        let uid = self.target.uid().unwrap_or_default();
        let promoting = |m: &AMIMigration| m.status.as_ref().and_then(|s| s.state) == Some(MigrationState::Promoting);
        let waits = |m: &&Arc<AMIMigration>| promoting(m) && !is_settled(m) && is_controlled_by(m, &uid);
        let neighbours = self.neighbours();
        let waiting = neighbours.iter().filter(waits);
        let is_next = |m: &&Arc<AMIMigration>| m.status.as_ref().is_some_and(moving::waits_for_turn);
        let next = waiting.clone().filter(is_next).min_by_key(|m| m.name_any());
        for waiting in waiting.filter(|_| publishes).chain(next) {
            self.ctx.registry.wake_migration(&waiting.name_any());
        }
    }

    /// The migrations of the same account and region.
    fn neighbours(&self) -> Vec<Arc<AMIMigration>> {
        self.ctx.migrations_by_scope.of(&self.of.scope)
    }

    /// The annotation by which people ask for another try.
    fn retry(&self) -> Option<&str> {
        self.migration.annotations().get(labels::RETRY).map(String::as_str)
    }

    /// What the last call ran into. Nothing is waited for any more once somebody has asked for another try.
    fn recorded(&self) -> Option<CallProblem> {
        let recorded = self.ctx.registry.memory.problem(&self.uid)?;
        if recorded.retry.as_deref() == self.retry() {
            return Some(recorded);
        }
        let forgiven = CallProblem {
            until: self.ctx.clock.now(),
            failures: 0,
            retry: self.retry().map(str::to_owned),
            ..recorded
        };
        self.ctx.registry.memory.set_problem(&self.uid, Some(forgiven.clone()));
        // Nor for a quota that was used up.
        self.ctx.registry.copy_budget(&self.of.scope, |budget| {
            budget.retry_now(self.ctx.clock.now());
        });
        self.ctx.registry.wake_target(&self.target.name_any());
        Some(forgiven)
    }

    /// How long a call still has to wait after the last one's failure, on the wall.
    fn wait_out(&self, recorded: Option<&CallProblem>) -> Option<Duration> {
        let left = recorded?.until.duration_since(self.ctx.clock.now());
        Duration::try_from(left)
            .ok()
            .filter(|wait| !wait.is_zero())
            .map(|wait| self.ctx.clock.to_real_time(wait))
    }

    /// Records a failed call: what it says shows in the status when a person should know, and the next one waits.
    fn failed(&self, error: &AwsError, recorded: Option<&CallProblem>) -> Action {
        if error.is(Cause::NoRoom) {
            // Nothing has failed: its turn has not come.
            let wait = error.retry_after.unwrap_or(AFTER_CONFLICT);
            return Action::requeue(self.ctx.clock.to_real_time(wait));
        }
        let failures = recorded.map_or(0, |recorded| recorded.failures) + 1;
        let wait = problem::retry_image_after(error, failures);
        tracing::warn!(%error, failures, "a call failed");
        self.count_failure(error);
        if error.is(Cause::CredentialsExpired)
            && let Some(session) = &self.view.session
        {
            self.ctx.aws.forget(session.key());
            self.ctx.registry.wake_target(&self.target.name_any());
        }
        if error.class == ErrorClass::Denied {
            self.ctx.registry.doubt_permissions(&self.target.name_any());
        }
        if recorded.is_some_and(|recorded| recorded.outlasts(error, self.ctx.clock.now())) {
            // What AWS has refused is waited out and said all the same.
            return Action::requeue(self.ctx.clock.to_real_time(wait));
        }
        let record = CallProblem {
            problem: problem::needs_a_person(error).then(|| problem::of_error(error)),
            until: self.ctx.clock.now() + wait,
            failures,
            reads: !error.operation.writes(),
            retry: self.retry().map(str::to_owned),
        };
        let says = record.problem.is_some();
        self.ctx.registry.memory.set_problem(&self.uid, Some(record));
        if error.is(Cause::ImageNotFound) || error.is(Cause::ImageUnavailable) {
            self.ctx.registry.scan_soon(&self.target.name_any());
            self.ctx.registry.wake_target(&self.target.name_any());
        }
        // The status is to say so now; the wait is kept by the record.
        Action::requeue(if says {
            Duration::ZERO
        } else {
            self.ctx.clock.to_real_time(wait)
        })
    }

    fn count_failure(&self, error: &AwsError) {
        let counter = &self.ctx.metrics.reconcile_errors;
        counter.with_label_values(&["migration", error.class.as_str()]).inc();
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
            let usage = self.usage(current);
            self.write(&AMIMigrationStatus { usage, ..status }, current, Urgency::Now)
                .await
        }
    }

    /// Who uses the original, as it is to be on record. What was recorded stays until something newer is known.
    fn usage(&self, current: &AMIMigrationStatus) -> Option<ImageUsage> {
        let settings = &self.target.spec;
        if !settings.consumers.read || current.source_gone_time.is_some() {
            return None;
        }
        let recorded = current.usage.as_ref();
        let image = self
            .view
            .inventory
            .as_ref()
            .and_then(|inventory| inventory.images.get(&self.of.source));
        let (Some(picture), Some(inventory), Some(image)) = (&self.view.picture, &self.view.inventory, image) else {
            return recorded.cloned();
        };
        let now = quiet_until(self.ctx, inventory);
        let fresh = ImageUsage {
            key_access: keys::rows(picture, &image.id, &self.of.key, &self.of.scope),
            ..record::of_image(picture, image, settings.unused.after.as_std(), now)
        };
        Some(record::amended(recorded, fresh))
    }

    /// Writes the status that was decided on; the change leads to the next step.
    async fn write(
        &self,
        status: &AMIMigrationStatus,
        current: &AMIMigrationStatus,
        urgency: Urgency,
    ) -> Result<Action, kube::Error> {
        match write_status(self.ctx, self.migration, status, urgency).await? {
            Outcome::Written => {}
            Outcome::Gone => return Ok(Action::await_change()),
            Outcome::Discarded(wait) => return Ok(Action::requeue(self.ctx.clock.to_real_time(wait))),
        }
        self.tell(status, current).await;
        Ok(Action::await_change())
    }

    /// Events for what people care about: done, or stuck.
    async fn tell(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) {
        let failures = |status: &AMIMigrationStatus| status.copy.as_ref().and_then(|copy| copy.failures);
        if failures(status).unwrap_or(0) > failures(current).unwrap_or(0) {
            self.ctx.metrics.targets.copy_failed(&self.target.name_any());
        }
        let is_done = |status: &AMIMigrationStatus| status.state == Some(MigrationState::Completed);
        if is_done(status)
            && !is_done(current)
            && let Some(ready) = conditions::find(&status.conditions, conditions::READY)
        {
            self.ctx
                .events
                .normal(self.migration, &ready.reason, "Migrate", &ready.message)
                .await;
        }
        if newly_true(conditions::PROMOTED, &current.conditions, &status.conditions).is_some() {
            let asked = status.copy.as_ref().and_then(|copy| copy.requested_at.as_ref());
            if let Some(asked) = asked {
                let seconds = self.ctx.clock.now().duration_since(asked.0).as_secs_f64();
                self.ctx.metrics.copy_duration.observe(seconds);
            }
        }
        self.tell_of_consumers(status, current).await;
        if let Some((reason, message)) = newly_true(conditions::STALLED, &current.conditions, &status.conditions) {
            self.ctx
                .events
                .warning(self.migration, reason, "Migrate", message)
                .await;
        }
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

/// The owner of an image that is another account's.
struct Followed {
    owner: AccountId,
    /// The owner's migration, where it is there.
    migration: Option<Arc<AMIMigration>>,
    /// Whether its policy has it go on.
    active: bool,
}

/// Whose a migration's image is, where that is another account's.
fn followed(migration: &AMIMigration, of: &CopyIdentity, ctx: &Context) -> Result<Option<Followed>, Malformed> {
    let Some(owner) = &migration.spec.owner_account_id else {
        return Ok(None);
    };
    let owner: AccountId = owner.parse()?;
    let migration = of_owner(ctx, &of.source, &of.scope.region);
    let migration = migration.filter(|migration| migration.spec.account_id == owner.as_str());
    let target = migration.as_ref().and_then(|migration| self::owner(migration, ctx));
    let active = target.is_some_and(|target| {
        let spec = &target.spec;
        spec.mode == Mode::Enforce && !spec.suspend && !policy::is_withdrawn(&target, &ctx.policies)
    });
    Ok(Some(Followed {
        owner,
        migration,
        active,
    }))
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
    migration.status.as_ref().is_some_and(|status| {
        status.state == Some(MigrationState::Completed) || conditions::is_true(&status.conditions, conditions::STALLED)
    })
}
