//! Moving what launches another account's image onto the copy that the migration of its owner has made.
//!
//! The owner's migration says which copy that is, and whether it may be launched at all. This one makes no copy, and changes nothing but
//! what its own account launches.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::consumers::{Mover, launched_in_vain};
use super::gone;
use super::statuses::{self, progressing, waiting};
use super::{Facts, Follows, Next, Question, Record, Step, recorded_copy};
use crate::api::conditions::{self, Status, reason};
use crate::api::{AMIMigration, AMIMigrationStatus, ConsumerState, CopyStatus, Desired, MigrationState, Mode};
use crate::domain::{AccountId, ForeignCopy, ImageId, ImageState};
use crate::plan::moving::{self, Foreign, Original};

/// What is said of a copy that the account cannot launch any more.
const OUT_OF_REACH: &str = "is gone, disabled, no longer shared with this account, or hidden by its Allowed AMIs: have its owner share it again, or";

/// The copy that is verified and published, as a migration's status says.
pub fn published_copy(status: &AMIMigrationStatus) -> Option<&str> {
    let is_far_enough = matches!(
        status.state,
        Some(MigrationState::Promoting | MigrationState::Completed)
    );
    let is_good = |type_| conditions::is_true(&status.conditions, type_);
    // Older versions of amiseal left the rest said of such a copy.
    let is_gone = status.stalled.as_deref() == Some(reason::PROMOTED_COPY_GONE);
    let is_published = is_far_enough && !is_gone && is_good(conditions::VERIFIED) && is_good(conditions::PROMOTED);
    let copy = status.copy.as_ref()?.image_id.as_deref()?;
    is_published.then_some(copy)
}

/// The copy that a migration has for whoever launches its original in other accounts.
pub fn offered(owner: &AMIMigration) -> Option<ImageId> {
    let status = owner.status.as_ref()?;
    let copy = published_copy(status).filter(|_| status.source_gone_time.is_none())?;
    copy.parse().ok()
}

/// Whether a migration that follows another account's has changed anything, or may have.
pub fn was_begun(status: &AMIMigrationStatus) -> bool {
    status.consumers.iter().any(|row| row.previous.is_some())
}

/// Decides the next step of a migration that follows the one of the image's owner.
pub(super) fn next(facts: Facts<'_>, follows: Follows<'_>, mut status: AMIMigrationStatus, now: Timestamp) -> Step {
    let owner = follows.migration;
    let offered = owner.filter(|_| follows.active).and_then(offered);
    // Under another key it is another copy's.
    let same = owner.filter(|owner| offered.is_some() && owner.spec.key_arn == facts.of.key.as_str());
    let in_use = status.consumers.iter().any(moving::may_launch_copy);
    if let Some(owner) = same.filter(|_| !in_use) {
        take_on(&mut status, owner);
    }
    if let Some(step) = of_gone(facts, owner, &mut status, now) {
        return step;
    }
    let copy = recorded_copy(&status);
    let seen = |image: &ImageId| facts.answers.foreign.get(image).or(facts.memory.foreign.get(image));
    let is_fresh =
        |image: &ImageId| facts.answers.foreign.contains_key(image) || facts.memory.fresh.images.contains(image);
    let follower = Follower {
        mover: Mover {
            facts: Facts {
                record: Record {
                    desired: desired(facts, owner),
                    ..facts.record
                },
                ..facts
            },
            source: Original {
                id: &facts.of.source,
                tags: None,
                volumes: status.snapshots.len(),
                launchable: seen(&facts.of.source).is_none_or(is_shown),
            },
            copy_tags: None,
            foreign: Some(Foreign {
                owner: follows.owner,
                offered: offered.as_ref(),
                published: owner.and_then(published_at),
                created: owner.and_then(|owner| Some(owner.metadata.creation_timestamp.as_ref()?.0)),
                held: owner.is_some_and(|owner| is_held(facts, owner, follows.active)),
                copy: copy.as_ref().and_then(seen),
                copy_is_fresh: copy.as_ref().is_some_and(is_fresh),
            }),
            now,
        },
        original: seen(&facts.of.source),
        owner: follows.owner,
        in_use,
    };
    follower.next(status)
}

/// What becomes of the consumers. Whoever rolls the owner's migration back does so in all accounts, and it goes on where that migration is
/// gone meanwhile.
fn desired(facts: Facts<'_>, owner: Option<&AMIMigration>) -> Desired {
    let back = [ConsumerState::PuttingBack, ConsumerState::PutBack];
    let has_begun = || {
        facts
            .record
            .status
            .consumers
            .iter()
            .any(|row| back.contains(&row.state))
    };
    match (facts.record.desired, owner) {
        (Desired::Migrated, Some(owner)) if owner.spec.desired == Desired::RolledBack => Desired::RolledBack,
        (Desired::Migrated, None) if has_begun() => Desired::RolledBack,
        (own, _) => own,
    }
}

/// Whether whoever owns the image holds it. A tag holds it for everybody; a hold of the owner's migration leaves this one to be rolled back
/// by itself.
fn is_held(facts: Facts<'_>, owner: &AMIMigration, active: bool) -> bool {
    if owner.spec.desired == Desired::Held {
        return facts.record.desired == Desired::Migrated;
    }
    let said = said(owner, conditions::CONSUMERS_MOVED);
    active && said.is_some_and(|said| said.reason == reason::HELD && !moving::is_of_consumer(said))
}

fn said<'m>(owner: &'m AMIMigration, type_: &str) -> Option<&'m Condition> {
    let status = owner.status.as_ref()?;
    conditions::find(&status.conditions, type_)
}

/// When a migration's copy was published.
pub fn published_at(owner: &AMIMigration) -> Option<Timestamp> {
    said(owner, conditions::PROMOTED).map(|said| said.last_transition_time.0)
}

/// Takes over what the owner's migration says of the copy.
fn take_on(status: &mut AMIMigrationStatus, owner: &AMIMigration) {
    let Some(of) = &owner.status else { return };
    let copy = of.copy.clone().map(|copy| CopyStatus { failures: None, ..copy });
    if status.copy != copy && status.state == Some(MigrationState::Completed) {
        // What was said was said of another one.
        status.state = Some(MigrationState::Promoting);
    }
    status.copy = copy;
    status.snapshots.clone_from(&of.snapshots);
    status.source_name.clone_from(&of.source_name);
}

/// Where the original is gone, nothing can be moved from it or put back to it any more. None where it is there, as far as is known.
fn of_gone(
    facts: Facts<'_>,
    owner: Option<&AMIMigration>,
    status: &mut AMIMigrationStatus,
    now: Timestamp,
) -> Option<Step> {
    let of = owner.and_then(|owner| owner.status.as_ref());
    let is_gone = of.map_or(status.source_gone_time.is_some(), |of| of.source_gone_time.is_some());
    if is_gone {
        return Some(without_original(facts, owner, status.clone(), now));
    }
    if status.source_gone_time.take().is_some() {
        status.state = Some(MigrationState::Promoting);
    }
    None
}

/// What is said once the original is gone: also whether the consumers that were moved can launch the copy.
fn without_original(
    facts: Facts<'_>,
    owner: Option<&AMIMigration>,
    status: AMIMigrationStatus,
    now: Timestamp,
) -> Step {
    let facts = Facts {
        record: Record {
            desired: desired(facts, owner),
            ..facts.record
        },
        ..facts
    };
    let in_use = status.consumers.iter().any(moving::may_launch_copy);
    let Some(copy) = recorded_copy(&status).filter(|_| in_use && !facts.settings.suspend) else {
        return gone::done(facts, status, statuses::SOURCE_GONE, now);
    };
    match facts.answers.foreign.get(&copy).or(facts.memory.foreign.get(&copy)) {
        None => Step {
            status: facts.record.status.clone(),
            then: Next::Ask(Question::ForeignCopy(copy)),
        },
        Some(seen) if !is_shown(seen) => {
            let mut status = status;
            status.source_gone_time.get_or_insert(Time(now));
            let what = format!("{OUT_OF_REACH} {}", gone::INSTEAD);
            launched_in_vain(facts, &status, &copy, &what, now)
                .unwrap_or_else(|| gone::done(facts, status.clone(), statuses::SOURCE_GONE, now))
        }
        Some(_) => gone::done(facts, status, statuses::SOURCE_GONE, now),
    }
}

struct Follower<'a> {
    mover: Mover<'a>,
    /// What the account sees of the original, where that was read.
    original: Option<&'a ForeignCopy>,
    /// Whose image it is.
    owner: &'a AccountId,
    /// Whether consumers may launch the copy on record.
    in_use: bool,
}

impl Follower<'_> {
    fn next(&self, mut status: AMIMigrationStatus) -> Step {
        let (mover, facts) = (&self.mover, self.mover.facts);
        if let Some(step) = self.not_back(&status) {
            return step;
        }
        if let Some(step) = mover.put_back(&mut status) {
            return step;
        }
        let is_done = status.state == Some(MigrationState::Completed);
        if is_done && !mover.may_write() {
            return mover.would_put_back(&status).unwrap_or_else(|| quiet(status));
        }
        if facts.settings.mode == Mode::Audit {
            let message = "The policy's mode is Audit: set spec.mode: Enforce to have consumers moved.";
            return waiting(facts, status, reason::AUDIT, message, mover.now);
        }
        if let Some(step) = self.unread(&status) {
            return step;
        }
        let Some(copy) = recorded_copy(&status) else {
            let message = format!(
                "Waiting until the migration of account {} has a copy that is verified and published.",
                self.owner
            );
            return waiting(facts, status, reason::WAITING_FOR_OWNER, &message, mover.now);
        };
        if let Some(step) = self.in_vain(&status, &copy) {
            return step;
        }
        mover.consumers(status, &copy)
    }

    /// What comes instead where nothing of who launches the image is known yet: whatever was said stays said.
    fn unread(&self, status: &AMIMigrationStatus) -> Option<Step> {
        let facts = self.mover.facts;
        if self.in_use || facts.account.picture.is_some() || !facts.settings.consumers.read {
            return None;
        }
        let message = "Waiting for the first reading of what launches images in its account and region.";
        Some(match status.state {
            Some(_) => quiet(facts.record.status.clone()),
            None => progressing(
                facts,
                status.clone(),
                MigrationState::Pending,
                reason::INITIALIZING,
                message,
                self.mover.now,
            ),
        })
    }

    /// What comes instead where consumers launch a copy that AWS does not show to the account any more.
    fn in_vain(&self, status: &AMIMigrationStatus, copy: &ImageId) -> Option<Step> {
        let foreign = self.mover.foreign.filter(|_| self.in_use)?;
        match foreign.copy {
            None => Some(self.ask(status, copy)),
            Some(seen) if !is_shown(seen) => self.mover.launched_in_vain(status, copy, OUT_OF_REACH),
            Some(_) => None,
        }
    }

    /// What comes instead where consumers would be put back to an original that the account cannot launch any more, or that is not known to
    /// be one that it can.
    fn not_back(&self, status: &AMIMigrationStatus) -> Option<Step> {
        let (mover, facts) = (&self.mover, self.mover.facts);
        // What was begun to be put back goes on, whatever is wanted by now.
        let is_begun = status
            .consumers
            .iter()
            .any(|row| row.state == ConsumerState::PuttingBack);
        let is_wanted = (facts.record.desired == Desired::RolledBack || is_begun) && mover.may_write();
        match self.original {
            _ if !is_wanted || !self.in_use && !self.launches_copy(status) => None,
            None => Some(self.ask(status, &facts.of.source)),
            // Where nothing is on record, it is seen for each consumer whether amiseal has moved it.
            Some(seen) if is_shown(seen) || !self.in_use => None,
            Some(_) => {
                let problem = moving::source_not_shared(&facts.of.source);
                let says = (Status::False, problem.reason, problem.message.clone());
                let mut status = status.clone();
                statuses::moved(facts, &mut status, Some(&says), mover.now);
                let state = MigrationState::Promoting;
                Some(statuses::stalled(facts, status, state, &problem, mover.now))
            }
        }
    }

    /// Whether anything launches the copy, also where no record says that it was moved: that may have been lost.
    fn launches_copy(&self, status: &AMIMigrationStatus) -> bool {
        let known = self.mover.facts.account.picture.zip(recorded_copy(status));
        known.is_some_and(|(picture, copy)| !picture.graph.consumers(&copy).is_empty())
    }

    fn ask(&self, status: &AMIMigrationStatus, image: &ImageId) -> Step {
        let question = Question::ForeignCopy(image.clone());
        self.mover.calling_for(status.clone(), Next::Ask(question))
    }
}

fn quiet(status: AMIMigrationStatus) -> Step {
    Step {
        status,
        then: Next::Wait,
    }
}

/// Whether the account can launch a copy, as far as AWS shows it.
fn is_shown(copy: &ForeignCopy) -> bool {
    let image = copy.image.as_ref();
    image.is_some_and(|image| image.state == ImageState::Available)
}
