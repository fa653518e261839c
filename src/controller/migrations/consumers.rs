//! The consumers of a migration's image: reading them one by one, and changing them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use super::foreign::is_being_asked;
use crate::api::conditions;
use crate::api::{AMIMigration, AMIMigrationStatus, MovedConsumer};
use crate::aws::{Access, AwsError, Cause, Session};
use crate::controller::index::Scoped;
use crate::controller::key_access::{Others, key_reading};
use crate::controller::memory::CallProblem;
use crate::controller::policy;
use crate::controller::survey::{self, session_key};
use crate::domain::{Besides, Change, ConsumerKind, ForeignCopy, ImageId, KeyAccess, Operation};
use crate::plan::access::Principal;
use crate::plan::access::key_reading::KeyReading;
use crate::plan::access::shared_read::Ask;
use crate::plan::moving::{self, ConsumerKey, Seen, Told, Turn, pace};
use crate::plan::problem;
use crate::plan::step::{self, Answer, Facts, Fresh};

/// In which time no more consumers are moved than the policy allows.
const A_DAY: f64 = 24.0 * 3600.0;

/// What was read before of consumers by themselves, and of who may use the key.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) consumers: BTreeMap<ConsumerKey, Seen>,
    pub(super) key_access: Option<Option<KeyAccess>>,
    /// What the account sees of images of others.
    pub(super) foreign: BTreeMap<ImageId, ForeignCopy>,
    /// What of that something may be begun by.
    pub(super) fresh: Fresh,
}

impl MigrationReconciler<'_> {
    /// What was read before.
    pub(super) fn looked(&self) -> Looked {
        let (memory, now) = (&self.ctx.registry.memory, self.ctx.clock.monotonic());
        Looked {
            consumers: memory.consumers(&self.uid, now),
            key_access: memory.key_access(&self.uid, self.picture_began()),
            foreign: self.known_foreign(),
            fresh: memory.fresh(&self.uid, now),
        }
    }

    pub(super) fn picture_began(&self) -> Option<Timestamp> {
        self.view.picture.as_ref().and_then(|picture| picture.graph.read_at())
    }

    /// Reads a consumer as it is now.
    pub(super) async fn read_consumer(
        &self,
        session: &Session,
        key: &ConsumerKey,
        besides: &Besides,
    ) -> Result<Seen, AwsError> {
        let query = survey::query(&self.target.spec.consumers);
        // What is read page by page cannot be gone on with where it stopped.
        session.reserve(reads(key.kind))?;
        if besides.running.is_some() {
            session.reserve(&OF_INSTANCES)?;
        }
        let now = session.movable(key.kind, &key.id, besides, &query).await?;
        let picture = self.picture_began();
        self.ctx
            .registry
            .memory
            .saw_consumer(&self.uid, key.clone(), picture, now.clone(), self.ctx.clock.monotonic());
        Ok(Seen {
            picture,
            fresh: true,
            now,
        })
    }

    /// Reads who may use the copy's key, as far as it matters to those who launch the original.
    pub(super) async fn read_key_access(&self, session: &Session) -> Result<Option<KeyAccess>, AwsError> {
        let partition = self.of.scope.region.partition();
        let picture = self.view.picture.as_ref();
        let launchers = picture.map(|picture| moving::launchers(&self.of.source, &picture.graph, partition));
        let principals: BTreeSet<Principal> = launchers.unwrap_or_default().into_keys().collect();
        let of_key = self.session_of_key();
        let access = self.key_access(of_key.as_ref().unwrap_or(session), &principals).await?;
        let (memory, now) = (&self.ctx.registry.memory, self.ctx.clock.monotonic());
        memory.saw_key_access(&self.uid, self.picture_began(), access.clone(), now);
        Ok(access)
    }

    /// Reads it by this session: once in five minutes for all migrations of the target with this key, and for each reading of what launches
    /// images there, unless its grants matter here and did not to who asked before.
    async fn key_access(
        &self,
        session: &Session,
        principals: &BTreeSet<Principal>,
    ) -> Result<Option<KeyAccess>, AwsError> {
        let (round, now) = (self.picture_began(), self.ctx.clock.now());
        let key = || (self.of.key.clone(), session.key().clone());
        let is_enough = |known: &KeyReading| known.is_enough(&self.of.key, principals);
        match self.shared(|shared| shared.keys.entry(key()).or_default().ask(round, now, is_enough)) {
            Some(Ask::Known(known)) => return Ok(Some(known.access)),
            Some(Ask::Later(wait)) => return Err(is_being_asked(Operation::GetKeyPolicy, wait)),
            // Where nothing is known of the target any more, nothing is kept either.
            Some(Ask::Now) | None => {}
        }
        let reading = self.key_reading(session, principals).await;
        let now = self.ctx.clock.now();
        self.shared(|shared| {
            let watch = shared.keys.entry(key()).or_default();
            match &reading {
                Ok(Some(reading)) => watch.read(reading.clone(), round, now),
                Ok(None) | Err(_) => watch.failed(),
            }
        });
        Ok(reading?.map(|reading| reading.access))
    }

    /// Asks KMS. What fails for a moment is no answer: it is read again, and not taken for a key of which nobody can say who may use it.
    async fn key_reading(
        &self,
        session: &Session,
        principals: &BTreeSet<Principal>,
    ) -> Result<Option<KeyReading>, AwsError> {
        session.reserve(&[Operation::GetKeyPolicy, Operation::ListGrants])?;
        let reading = Box::pin(key_reading(session, &self.of.key, principals, Others::None)).await;
        let failure = reading.as_ref().and_then(|reading| reading.access.passing_failure());
        if let Some(error) = failure {
            if error.is(Cause::CredentialsExpired) {
                self.ctx.aws.forget(session.key());
            }
            return Err(error.clone());
        }
        Ok(reading)
    }

    /// A session in the account of the copy's key, where that is another one: KMS shows a key's policy to nobody else. It only reads, as
    /// the account may be another replica's.
    fn session_of_key(&self) -> Option<Session> {
        let owner = self.follows.as_ref()?.migration.as_deref()?;
        let owner = super::owner(owner, self.ctx)?;
        let is_silent = owner.spec.suspend || policy::is_withdrawn(&owner, &self.ctx.policies);
        let scope = owner.scope().ok().filter(|_| !is_silent)?;
        let key = session_key(&owner.spec, &scope, Access::ReadOnly);
        Some(self.ctx.aws.session(&key).visiting(&self.uid))
    }

    /// Changes a consumer as it was put on record.
    pub(super) async fn change(
        &self,
        facts: Facts<'_>,
        key: &ConsumerKey,
        change: &Change,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        let is_again = moving::tries_again(facts.record.status, key);
        let after_others = Action::requeue(self.ctx.clock.to_real_time(super::AFTER_OTHERS));
        // Before a token of the account's limits is taken, and again once that was waited for.
        if is_again && (self.turn(), self.refreshing()) != (facts.grants.turn, facts.grants.refreshing) {
            return Ok(after_others);
        }
        if let Err(error) = self.may_change(session, change).await {
            return Ok(self.failed(&error, recorded));
        }
        if is_again && !self.may_try_again(facts) {
            return Ok(after_others);
        }
        // Whatever comes of it, what was read before says nothing any more.
        self.ctx.registry.memory.forget_consumer(&self.uid, key);
        self.note_move();
        let made = session.change(change).await;
        self.note_move();
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                self.ctx.registry.memory.set_may_move(&self.target.name_any(), false);
                let is_refused = problem::needs_a_person(&error) || error.is(Cause::NoRoom);
                if is_again && is_refused && !error.is(Cause::MalformedAnswer) {
                    // It is as it was. Of anything else it is not known whether AWS has done it.
                    self.ctx.registry.moves.end(&self.of.scope, &self.uid);
                }
                return Ok(self.failed(&error, recorded));
            }
        };
        tracing::info!(consumer = %key.id, ?made, "changed a consumer");
        self.ctx.registry.memory.set_problem(&self.uid, None);
        let answer = Answer::Moved(key, change, &made);
        if step::answered(facts, answer, self.ctx.clock.now()).status == *facts.record.status {
            // Nothing is written that would lead to the next step, and it may take a while to show.
            return Ok(Action::requeue(self.ctx.clock.to_real_time(moving::LOOK_AGAIN)));
        }
        self.answered(facts, answer).await
    }

    /// What launches an image of another account is changed at this moment, which nothing shows that was read before.
    fn note_move(&self) {
        if self.follows.is_some() {
            let now = self.ctx.clock.now();
            self.ctx.registry.consumer_changed(&self.target.name_any(), now);
        }
    }

    /// Makes room for a change. Before the first one of a target AWS is asked whether all of it may be made.
    async fn may_change(&self, session: &Session, change: &Change) -> Result<(), AwsError> {
        let (memory, target) = (&self.ctx.registry.memory, self.target.name_any());
        if memory.may_move(&target) || !matches!(change, Change::NewVersion(_)) {
            return session.reserve(operations(change));
        }
        let asked = [Operation::CreateLaunchTemplateVersion, Operation::ModifyLaunchTemplate];
        session.reserve(&[operations(change), &asked].concat())?;
        session.may_change_consumer(change).await?;
        memory.set_may_move(&target, true);
        Ok(())
    }

    /// Whether another consumer may be moved in this account and region now.
    pub(super) fn turn(&self) -> Turn {
        let promotion = &self.target.spec.promotion;
        if !promotion.moves() {
            return Turn::Free;
        }
        let now = self.ctx.clock.now();
        let neighbours = self.neighbours();
        let rows = |m: &AMIMigration| {
            m.status
                .as_ref()
                .map(|status| status.consumers.clone())
                .unwrap_or_default()
        };
        let others = neighbours.iter().filter(|m| self.may_go_on(m));
        if others.flat_map(|m| rows(m)).any(|row| moving::keeps_waiting(&row)) {
            return Turn::Busy;
        }
        let changed = neighbours.iter().flat_map(|m| rows(m)).filter(|row| {
            let since = row.time.as_ref().filter(|_| row.previous.is_some());
            since.is_some_and(|since| now.duration_since(since.0).as_secs_f64() < A_DAY)
        });
        if changed.count() >= promotion.max_per_day as usize {
            Turn::DayIsFull
        } else {
            Turn::Free
        }
    }

    /// Whether this may go on record: a consumer is moved only while none of another image is, and the watch may not show yet that one is.
    pub(super) fn may_begin(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) -> bool {
        !moving::begins(current, status) || self.takes_turn()
    }

    /// Whether what AWS has refused may be asked for once more: others did not wait for it, and none has begun since this was decided.
    fn may_try_again(&self, facts: Facts<'_>) -> bool {
        let grants = (facts.grants.turn, facts.grants.refreshing);
        (self.turn(), self.refreshing()) == grants && self.takes_turn()
    }

    /// Whether this migration may begin something, as no other one has that the watch does not show yet.
    fn takes_turn(&self) -> bool {
        let neighbours = self.neighbours();
        let shown = |uid: &str| {
            let known = neighbours.iter().find(|m| m.metadata.uid.as_deref() == Some(uid))?;
            known.resource_version()
        };
        let now = self.ctx.clock.monotonic();
        let this = (self.uid.as_str(), self.migration.resource_version());
        self.ctx.registry.moves.begin(&self.of.scope, this, now, shown)
    }

    /// Whether this is another migration that goes on with what it has begun.
    fn may_go_on(&self, other: &AMIMigration) -> bool {
        other.metadata.uid.as_deref() != Some(self.uid.as_str()) && moving::goes_on(other)
    }

    /// How many moves of the policy have failed that nobody has looked at yet.
    pub(super) fn failures(&self) -> usize {
        let settings = &self.target.spec;
        let since = pace::counted_since(&settings.promotion);
        self.ctx.failures.since(&settings.policy, since)
    }

    /// How many groups of other images in this account and region are being refreshed.
    pub(super) fn refreshing(&self) -> usize {
        if !self.target.spec.promotion.moves() {
            return 0;
        }
        let neighbours = self.neighbours();
        let others = neighbours
            .iter()
            .filter(|m| m.metadata.uid.as_deref() != Some(self.uid.as_str()));
        // AWS goes on with those of a migration that is held, too.
        let places = |m: &Arc<AMIMigration>| {
            let status = m.status.as_ref().filter(|status| status.source_gone_time.is_none());
            let gives_way = self.gives_way(m);
            let is_asked_for = |row: &MovedConsumer| row.refresh.as_ref().is_some_and(|refresh| refresh.id.is_some());
            let rows = status.into_iter().flat_map(|status| &status.consumers);
            rows.filter(|row| moving::may_go_on(row) && (is_asked_for(row) || !gives_way))
                .count()
        };
        others.map(places).sum()
    }

    /// Whether no refresh of this other migration can have begun that has no ID on record: AWS has refused it, as far as this process
    /// knows, or somebody holds the group. Of two that are stalled, neither waits for the other.
    fn gives_way(&self, other: &AMIMigration) -> bool {
        let is_stalled = |m: &AMIMigration| m.status.as_ref().is_some_and(moving::is_stalled);
        let uid = other.metadata.uid.as_deref().unwrap_or_default();
        let known = self.ctx.registry.memory.problem(uid);
        let was_refused = known.is_some_and(|known| known.is_refusal());
        let said = other.status.as_ref();
        let said = said.and_then(|status| conditions::find(&status.conditions, conditions::CONSUMERS_MOVED));
        is_stalled(other) && (was_refused || is_stalled(self.migration)) || said.is_some_and(moving::is_of_consumer)
    }

    /// Events for each consumer that was moved, put back, or set back by somebody.
    pub(super) async fn tell_of_consumers(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) {
        for row in &status.consumers {
            let before = current
                .consumers
                .iter()
                .find(|known| (&known.kind, &known.id) == (&row.kind, &row.id));
            let Some(told) = moving::told(before, row) else {
                continue;
            };
            let consumer = format!("{} {}", row.kind, row.id);
            let events = &self.ctx.events;
            let (reason, message) = match told {
                Told::Moved => (MOVED, format!("{consumer} launches the copy.")),
                Told::Refreshing => (
                    REFRESHING,
                    format!("The instances of {consumer} that run the original are replaced."),
                ),
                Told::PutBack => (PUT_BACK, format!("{consumer} launches the original again.")),
                Told::Left => {
                    let reason = row.reason.as_deref().unwrap_or_default();
                    let message = format!("{consumer}: {}", row.message.as_deref().unwrap_or_default());
                    events.warning(self.migration, reason, "Move", &message).await;
                    continue;
                }
            };
            events.normal(self.migration, reason, "Move", &message).await;
        }
    }
}

/// Reasons of Events.
const MOVED: &str = "ConsumerMoved";
const PUT_BACK: &str = "ConsumerPutBack";
const REFRESHING: &str = "ConsumerRefreshing";

/// What it takes besides to read who of a group runs an image, and its refreshes.
const OF_INSTANCES: [Operation; 12] = [
    Operation::DescribeAutoScalingGroups,
    Operation::DescribeAutoScalingGroups,
    Operation::DescribeAutoScalingGroups,
    Operation::DescribeLaunchConfigurations,
    Operation::DescribeLaunchConfigurations,
    Operation::DescribeInstanceRefreshes,
    Operation::DescribeInstanceRefreshes,
    Operation::DescribeLaunchTemplateVersions,
    Operation::DescribeLaunchTemplateVersions,
    Operation::DescribeLaunchTemplateVersions,
    Operation::DescribeInstances,
    Operation::DescribeInstances,
];

/// The calls that reading a consumer takes, and some more, as pages may be empty.
fn reads(kind: ConsumerKind) -> &'static [Operation] {
    const OF_TEMPLATE: [Operation; 6] = [
        Operation::DescribeLaunchTemplateVersions,
        Operation::DescribeLaunchTemplateVersions,
        Operation::DescribeLaunchTemplateVersions,
        Operation::DescribeLaunchTemplates,
        Operation::DescribeLaunchTemplates,
        Operation::DescribeLaunchTemplates,
    ];
    // The listing is asked of an advanced one only.
    const OF_PARAMETER: [Operation; 9] = [
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::ListTagsForResource,
        Operation::GetParameterHistory,
        Operation::GetParameterHistory,
        Operation::GetParameterHistory,
        Operation::GetParameters,
    ];
    // What its launch templates take besides is known once the group is read.
    const OF_GROUP: [Operation; 8] = [
        Operation::DescribeAutoScalingGroups,
        Operation::DescribeAutoScalingGroups,
        Operation::DescribeAutoScalingGroups,
        Operation::DescribeLaunchConfigurations,
        Operation::DescribeLaunchConfigurations,
        Operation::DescribeLaunchTemplateVersions,
        Operation::DescribeLaunchTemplateVersions,
        Operation::DescribeLaunchTemplateVersions,
    ];
    match kind {
        ConsumerKind::Parameter => &OF_PARAMETER,
        ConsumerKind::AutoScalingGroup => &OF_GROUP,
        _ => &OF_TEMPLATE,
    }
}

/// The calls that a change takes.
fn operations(change: &Change) -> &'static [Operation] {
    match change {
        Change::NewVersion(_) => &[Operation::CreateLaunchTemplateVersion],
        Change::SetDefault { .. } => &[Operation::ModifyLaunchTemplate],
        Change::PutValue { .. } => &[Operation::PutParameter],
        Change::MoveLabels { .. } => &[Operation::LabelParameterVersion],
        Change::TagGroup { .. } => &[Operation::CreateOrUpdateTags],
        // It is read just before.
        Change::StartRefresh(_) => &[
            Operation::DescribeAutoScalingGroups,
            Operation::DescribeAutoScalingGroups,
            Operation::DescribeAutoScalingGroups,
            Operation::StartInstanceRefresh,
        ],
        Change::RollBackRefresh { .. } => &[Operation::RollbackInstanceRefresh],
        Change::SetGroup(_) => &[
            Operation::DescribeAutoScalingGroups,
            Operation::DescribeAutoScalingGroups,
            Operation::DescribeAutoScalingGroups,
            Operation::UpdateAutoScalingGroup,
        ],
    }
}
