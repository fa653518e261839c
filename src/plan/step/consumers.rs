//! What launches the original, once its copy is verified and published.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::statuses::{self, completed, progressing, stalled};
use super::transitions::{done_message, done_reason};
use super::{Effect, Facts, Next, Question, Step, recorded_copy};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, Desired, MigrationState, Mode};
use crate::domain::{ImageId, SnapshotId, Tags};
use crate::plan::moving::{self, ConsumerKey, Foreign, Original, Seen, Then};
use crate::plan::obstacle::{KeyView, Problem};

/// Decides on what launches an original.
pub(super) struct Mover<'a> {
    pub(super) facts: Facts<'a>,
    /// The original.
    pub(super) source: Original<'a>,
    /// The tags of the copy on record; none where they do not show.
    pub(super) copy_tags: Option<&'a Tags>,
    /// Whose image it is, where it is another account's.
    pub(super) foreign: Option<Foreign<'a>>,
    pub(super) now: Timestamp,
}

impl Mover<'_> {
    /// Has the consumers moved, or put back, as the policy and people say; then there is nothing left to do.
    pub(super) fn consumers(&self, mut status: AMIMigrationStatus, copy: &ImageId) -> Step {
        if !self.moves(&status) || !self.may_write() {
            status.consumers.retain(|row| row.previous.is_some());
            // Whoever follows this migration in another account hears of a hold by this alone.
            let says = moving::held_by_tag(self.source, copy, self.copy_tags);
            let says = says.map(|message| (conditions::Status::False, reason::HELD, message));
            statuses::moved(self.facts, &mut status, says.as_ref(), self.now);
            return self.done(status, copy);
        }
        match self.pass(&mut status, copy) {
            (Then::Rest, _) => self.done(status, copy),
            (then, look_again) => self.follow(status, then, look_again),
        }
    }

    /// Has consumers put back that were moved, whatever has become of the copy. None where nobody wants that, or all are.
    pub(super) fn put_back(&self, status: &mut AMIMigrationStatus) -> Option<Step> {
        let is_wanted = self.facts.record.desired == Desired::RolledBack && self.may_write();
        let copy =
            recorded_copy(status).filter(|_| is_wanted && status.consumers.iter().any(moving::may_launch_copy))?;
        match self.pass(status, &copy) {
            (Then::Rest, _) => None,
            (then, look_again) => Some(self.follow(status.clone(), then, look_again)),
        }
    }

    /// Somebody wants consumers put back, and the policy keeps amiseal from it: that is said.
    pub(super) fn would_put_back(&self, status: &AMIMigrationStatus) -> Option<Step> {
        let is_wanted =
            self.facts.record.desired == Desired::RolledBack && status.consumers.iter().any(moving::may_launch_copy);
        let (why, fix) = if self.facts.settings.suspend {
            (reason::SUSPENDED, "The policy is suspended: set spec.suspend: false")
        } else {
            (reason::AUDIT, "The policy's mode is Audit: set spec.mode: Enforce")
        };
        is_wanted.then(|| {
            let message = format!("{fix} to have consumers put back.");
            let mut status = status.clone();
            let says = (conditions::Status::False, why, message.clone());
            statuses::moved(self.facts, &mut status, Some(&says), self.now);
            statuses::waiting(self.facts, status, why, &message, self.now)
        })
    }

    /// Consumers were moved to a copy that nobody can launch from any more. Nothing else becomes of the migration before they are put
    /// back, which a person decides. None where no consumer was moved, or all are put back.
    pub(super) fn launched_in_vain(&self, status: &AMIMigrationStatus, copy: &ImageId, what: &str) -> Option<Step> {
        let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
        // A tag of an image, or the owner of it, which no consumer's row tells of.
        let held = said.filter(|said| said.reason == reason::HELD);
        let fix = match self.facts.record.desired {
            Desired::RolledBack if self.may_write() => &held.map_or_else(
                || "see in status.consumers what keeps them from being put back.".to_owned(),
                |held| format!("remove what keeps them from being put back. {}", held.message),
            ),
            Desired::RolledBack => "set spec.mode: Enforce in the policy to have them put back.",
            Desired::Migrated | Desired::Held => "set spec.desired: RolledBack to have the original launched again.",
        };
        launched_in_vain(self.facts, status, copy, &format!("{what} {fix}"), self.now)
    }

    /// Decides on the consumers, and takes into the status what is to be on record of them. What comes next, and how soon it is looked
    /// again at what is under way.
    fn pass(&self, status: &mut AMIMigrationStatus, copy: &ImageId) -> (Then, Option<Duration>) {
        let facts = self.facts;
        let snapshots = pairs(status);
        let seen = self.seen();
        let outcome = moving::next(moving::Facts {
            source: self.source,
            copy,
            copy_tags: self.copy_tags,
            foreign: self.foreign,
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
            access_is_fresh: facts.answers.key_access.is_some() || facts.memory.fresh.key_access,
            turn: facts.grants.turn,
            stalled: moving::is_stalled(facts.record.status),
            failures: facts.grants.failures,
            refreshing: facts.grants.refreshing,
            now: self.now,
            system_time: facts.system_time,
        });
        status.consumers = outcome.rows;
        statuses::moved(facts, status, outcome.says.as_ref(), self.now);
        (outcome.then, outcome.look_again)
    }

    fn follow(&self, status: AMIMigrationStatus, then: Then, look_again: Option<Duration>) -> Step {
        match then {
            Then::Stalled(problem) => Step {
                then: look_again.map_or(Next::Wait, Next::Later),
                ..stalled(self.facts, status, MigrationState::Promoting, &problem, self.now)
            },
            Then::Later(wait) => Step {
                then: Next::Later(wait),
                ..self.moving(status)
            },
            // What was said before stays said: AWS has refused something, which is not tried again before it is its turn.
            Then::Behind(wait) => Step {
                status: AMIMigrationStatus {
                    consumers: status.consumers,
                    ..self.facts.record.status.clone()
                },
                then: Next::Later(wait),
            },
            Then::Rest => self.moving(status),
            Then::Look(key, besides) => self.calling_for(status, Next::Ask(Question::Consumer(key, besides))),
            Then::ReadAccess => self.calling_for(status, Next::Ask(Question::KeyAccess)),
            Then::ReadCopy(copy) => self.calling_for(status, Next::Ask(Question::ForeignCopy(copy))),
            Then::Do(key, change) => self.calling_for(status, Next::Do(Effect::Move(key, change))),
        }
    }

    pub(super) fn may_write(&self) -> bool {
        self.facts.settings.mode == Mode::Enforce && !self.facts.settings.suspend
    }

    /// Whether consumers are moved, or were, as far as that is on record: a rollback looks for others too.
    pub(super) fn moves(&self, status: &AMIMigrationStatus) -> bool {
        self.facts.settings.promotion.moves()
            || self.facts.record.desired == Desired::RolledBack
            || status.consumers.iter().any(|row| row.previous.is_some())
    }

    /// A call comes next. Where the last one was refused, the status says so until one is not.
    pub(super) fn calling_for(&self, status: AMIMigrationStatus, then: Next) -> Step {
        let Step { status, .. } = match self.facts.memory.problem {
            Some(problem) => stalled(self.facts, status, MigrationState::Promoting, problem, self.now),
            // What is only looked at makes no migration unfinished, and lets none go on whose key is still to be judged.
            None if matches!(then, Next::Ask(_))
                && (status.state == Some(MigrationState::Completed) || self.has_no_key()) =>
            {
                return Step {
                    status: self.facts.record.status.clone(),
                    then,
                };
            }
            None => self.moving(status),
        };
        Step { status, then }
    }

    /// Whether it is on record that those who launch the original may not use the key, which a rollback does not ask for.
    fn has_no_key(&self) -> bool {
        let record = &self.facts.record;
        record.desired == Desired::Migrated && record.status.stalled.as_deref() == Some(reason::KEY_NOT_USABLE)
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
    fn done(&self, status: AMIMigrationStatus, copy: &ImageId) -> Step {
        if status.state == Some(MigrationState::Completed) {
            // What was said of the copy stays said, whatever its original has become since.
            return Step {
                status,
                then: Next::Wait,
            };
        }
        let (why, message) = (done_reason(&status), done_message(self.facts, copy));
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

/// Consumers were moved to a copy that nobody can launch from any more, and what to do about it. None where no consumer was moved, or all
/// are put back.
pub(super) fn launched_in_vain(
    facts: Facts<'_>,
    status: &AMIMigrationStatus,
    copy: &ImageId,
    what: &str,
    now: Timestamp,
) -> Option<Step> {
    let rows = status.consumers.iter();
    let consumers = match rows.filter(|row| moving::may_launch_copy(row)).count() {
        0 => return None,
        1 => "1 consumer was".to_owned(),
        count => format!("{count} consumers were"),
    };
    let message = format!("{consumers} moved to {copy}, which {what}");
    let problem = Problem::new(reason::PROMOTED_COPY_GONE, message);
    let says = (conditions::Status::False, problem.reason, problem.message.clone());
    let mut status = status.clone();
    statuses::moved(facts, &mut status, Some(&says), now);
    Some(stalled(facts, status, MigrationState::Promoting, &problem, now))
}

/// What was said of consumers whose copy was no more, or whose original is gone, is not said any more. Nor is, once the original is gone,
/// what it took to have them put back to it.
pub(super) fn launch_again(facts: Facts<'_>, status: &mut AMIMigrationStatus, now: Timestamp) {
    let is_source_gone = status.source_gone_time.is_some();
    let is_past = |why: &str| match why {
        reason::PROMOTED_COPY_GONE | reason::SOURCE_GONE => true,
        reason::IMAGE_DISABLED | reason::SOURCE_NOT_SHARED => is_source_gone,
        _ => false,
    };
    let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    if said.is_some_and(|said| is_past(&said.reason)) {
        let says = moving::at_rest(&status.consumers);
        statuses::moved(facts, status, Some(&says), now);
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
