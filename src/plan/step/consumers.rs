//! What launches the original, once its copy is verified and published.

use std::collections::BTreeMap;

use super::statuses::{self, completed, progressing, stalled};
use super::transitions::{done_message, done_reason};
use super::{Decider, Effect, Next, Question, Step};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, MigrationState, Mode};
use crate::domain::{Image, SnapshotId};
use crate::plan::moving::{self, ConsumerKey, Seen, Then};
use crate::plan::obstacle::KeyView;

impl Decider<'_> {
    /// Has the consumers moved, or put back, as the policy and people say; then there is nothing left to do.
    pub(super) fn consumers(&self, mut status: AMIMigrationStatus, copy: &Image) -> Step {
        let facts = self.facts;
        let may_write = facts.settings.mode == Mode::Enforce && !facts.settings.suspend;
        if !self.moves(&status) || !may_write {
            status.consumers.retain(|row| row.previous.is_some());
            statuses::moved(facts, &mut status, None, self.now);
            return self.done(status, copy);
        }
        let snapshots = pairs(&status);
        let seen = self.seen();
        let outcome = moving::next(moving::Facts {
            source: self.source,
            copy,
            key: &facts.of.key,
            aws_managed: matches!(facts.account.key, KeyView::Known(key) if key.aws_managed && key.arn == facts.of.key),
            snapshots: &snapshots,
            settings: facts.settings,
            approval: facts.record.approval,
            desired: facts.record.desired,
            rows: &facts.record.status.consumers,
            picture: facts.account.picture,
            seen: &seen,
            access: facts.answers.key_access.as_ref().or(facts.memory.key_access),
            turn: facts.grants.turn,
            now: self.now,
        });
        status.consumers = outcome.rows;
        statuses::moved(facts, &mut status, outcome.says.as_ref(), self.now);
        let promoting = MigrationState::Promoting;
        match outcome.then {
            Then::Rest => self.done(status, copy),
            Then::Stalled(problem) => stalled(facts, status, promoting, &problem, self.now),
            Then::Later(wait) => Step {
                then: Next::Later(wait),
                ..self.moving(status)
            },
            Then::Look(key, former) => self.calling_for(status, Next::Ask(Question::Consumer(key, former))),
            Then::ReadAccess => self.calling_for(status, Next::Ask(Question::KeyAccess)),
            Then::Do(key, change) => self.calling_for(status, Next::Do(Effect::Move(key, change))),
        }
    }

    /// Whether consumers are moved, or were.
    pub(super) fn moves(&self, status: &AMIMigrationStatus) -> bool {
        self.facts.settings.promotion.moves() || status.consumers.iter().any(|row| row.previous.is_some())
    }

    /// A call comes next. Where the last one was refused, the status says so until one is not.
    fn calling_for(&self, status: AMIMigrationStatus, then: Next) -> Step {
        let Step { status, .. } = match self.facts.memory.problem {
            Some(problem) => stalled(self.facts, status, MigrationState::Promoting, problem, self.now),
            // What is only looked at does not make a migration unfinished.
            None if status.state == Some(MigrationState::Completed) && matches!(then, Next::Ask(_)) => {
                return Step {
                    status: self.facts.record.status.clone(),
                    then,
                };
            }
            None => self.moving(status),
        };
        Step { status, then }
    }

    fn moving(&self, status: AMIMigrationStatus) -> Step {
        let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
        let (why, message) = match said {
            Some(said) => (said.reason.clone(), said.message.clone()),
            None => (reason::MOVING_CONSUMERS.to_owned(), String::new()),
        };
        progressing(self.facts, status, MigrationState::Promoting, &why, &message, self.now)
    }

    /// Nothing is left to do.
    fn done(&self, status: AMIMigrationStatus, copy: &Image) -> Step {
        if status.state == Some(MigrationState::Completed) {
            // What was said of the copy stays said, whatever its original has become since.
            return Step {
                status,
                then: Next::Wait,
            };
        }
        let (why, message) = (done_reason(&status), done_message(self.facts, &copy.id));
        completed(self.facts, status, why, &message, self.now)
    }

    /// What was read of single consumers, now or not long ago.
    fn seen(&self) -> BTreeMap<ConsumerKey, Seen> {
        let mut seen = self.facts.memory.consumers.clone();
        let answers = self.facts.answers.consumers.iter();
        seen.extend(answers.map(|(key, now)| (key.clone(), now.clone())));
        seen
    }
}

/// The copy's snapshots by those of the original.
fn pairs(status: &AMIMigrationStatus) -> BTreeMap<SnapshotId, SnapshotId> {
    let pairs = status.snapshots.iter().filter_map(|pair| {
        let copy = pair.copy.as_deref()?;
        Some((pair.source.parse().ok()?, copy.parse().ok()?))
    });
    pairs.collect()
}
