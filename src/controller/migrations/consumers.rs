//! The consumers of a migration's image: reading them one by one, and changing them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::api::{AMIMigration, AMIMigrationStatus, ConsumerState};
use crate::aws::{AwsError, Session};
use crate::controller::key_access::{Others, key_access};
use crate::controller::memory::CallProblem;
use crate::controller::survey;
use crate::domain::{Change, ConsumerKind, KeyAccess, Operation};
use crate::plan::access::Principal;
use crate::plan::access::who::{self, Needs};
use crate::plan::moving::{self, ConsumerKey, Seen, Turn};
use crate::plan::step::{self, Answer, Facts};

/// In which time no more consumers are moved than the policy allows.
const A_DAY: f64 = 24.0 * 3600.0;

/// What was read before of consumers by themselves, and of who may use the key.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) consumers: BTreeMap<ConsumerKey, Seen>,
    pub(super) key_access: Option<Option<KeyAccess>>,
}

impl MigrationReconciler<'_> {
    /// What was read before.
    pub(super) fn looked(&self) -> Looked {
        let memory = &self.ctx.registry.memory;
        Looked {
            consumers: memory.consumers(&self.uid, self.ctx.clock.monotonic()),
            key_access: memory.key_access(&self.uid, self.picture_began()),
        }
    }

    fn picture_began(&self) -> Option<Timestamp> {
        self.view.picture.as_ref().and_then(|picture| picture.graph.read_at())
    }

    /// Reads a consumer as it is now.
    pub(super) async fn read_consumer(
        &self,
        session: &Session,
        key: &ConsumerKey,
        former: Option<i64>,
    ) -> Result<Seen, AwsError> {
        let query = survey::query(&self.target.spec.consumers);
        // What is read page by page cannot be gone on with where it stopped.
        session.reserve(reads(key.kind))?;
        let now = session.movable(key.kind, &key.id, former, &query).await?;
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
    pub(super) async fn read_key_access(&self, session: &Session) -> Option<KeyAccess> {
        let mut needs = Needs::new();
        if let Some(picture) = &self.view.picture {
            let partition = self.of.scope.region.partition();
            who::add_consumers(&mut needs, &self.of.source, &picture.graph, partition);
        }
        let principals: BTreeSet<Principal> = needs.into_keys().collect();
        let access = key_access(session, &self.of.key, &principals, Others::None).await;
        let memory = &self.ctx.registry.memory;
        memory.saw_key_access(&self.uid, self.picture_began(), access.clone());
        access
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
        if let Err(error) = session.reserve(&[operation(change)]) {
            return Ok(self.failed(&error, recorded));
        }
        // Whatever comes of it, what was read before says nothing any more.
        self.ctx.registry.memory.forget_consumer(&self.uid, key);
        let version = match session.change(change).await {
            Ok(version) => version,
            Err(error) => return Ok(self.failed(&error, recorded)),
        };
        tracing::info!(consumer = %key.id, version, "changed a consumer");
        self.ctx.registry.memory.set_problem(&self.uid, None);
        let answer = Answer::Moved(key, change, version);
        if step::answered(facts, answer, self.ctx.clock.now()).status == *facts.record.status {
            // Nothing is written that would lead to the next step, and it may take a while to show.
            return Ok(Action::requeue(self.ctx.clock.to_real_time(moving::LOOK_AGAIN)));
        }
        self.answered(facts, answer).await
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
        let others = neighbours
            .iter()
            .filter(|m| m.metadata.uid.as_deref() != Some(self.uid.as_str()));
        let is_begun = |state| matches!(state, ConsumerState::Moving | ConsumerState::PuttingBack);
        if others.flat_map(|m| rows(m)).any(|row| is_begun(row.state)) {
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

    /// Events for each consumer that was moved, put back, or set back by somebody.
    pub(super) async fn tell_of_consumers(&self, status: &AMIMigrationStatus, current: &AMIMigrationStatus) {
        for row in &status.consumers {
            let before = current
                .consumers
                .iter()
                .find(|known| (&known.kind, &known.id) == (&row.kind, &row.id));
            if before.is_some_and(|before| (before.state, &before.reason) == (row.state, &row.reason)) {
                continue;
            }
            let consumer = format!("{} {}", row.kind, row.id);
            let events = &self.ctx.events;
            match (row.state, row.reason.as_deref()) {
                (ConsumerState::Moved, _) => {
                    let message = format!("{consumer} launches the copy.");
                    events.normal(self.migration, MOVED, "Move", &message).await;
                }
                (ConsumerState::PutBack, _) => {
                    let message = format!("{consumer} launches the original again.");
                    events.normal(self.migration, PUT_BACK, "Move", &message).await;
                }
                (ConsumerState::Left, Some(reason)) if row.previous.is_some() => {
                    let message = format!("{consumer}: {}", row.message.as_deref().unwrap_or_default());
                    events.warning(self.migration, reason, "Move", &message).await;
                }
                _ => {}
            }
        }
    }
}

/// Reasons of Events.
const MOVED: &str = "ConsumerMoved";
const PUT_BACK: &str = "ConsumerPutBack";

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
    const OF_PARAMETER: [Operation; 6] = [
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::DescribeParameters,
        Operation::ListTagsForResource,
        Operation::GetParameters,
    ];
    match kind {
        ConsumerKind::Parameter => &OF_PARAMETER,
        _ => &OF_TEMPLATE,
    }
}

fn operation(change: &Change) -> Operation {
    match change {
        Change::NewVersion(_) => Operation::CreateLaunchTemplateVersion,
        Change::SetDefault { .. } => Operation::ModifyLaunchTemplate,
        Change::PutValue { .. } => Operation::PutParameter,
    }
}
