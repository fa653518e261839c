//! Whether it is a consumer's turn to be moved, and what it waits for if not.

use std::time::Duration;

use super::pace::{self, Window};
use super::{ConsumerKey, Pass, TURN, Then, Turn, key_of, refresh};
use crate::api::conditions::{self, reason};
use crate::api::{
    AMIMigration, AMIMigrationStatus, Approval, ApprovalPolicy, ConsumerState, Desired, MovedConsumer,
    RECORDED_CONSUMERS,
};
use crate::plan::usage::Graph;

const FULL: &str = "As many consumers as a migration has room for were moved: move the others yourself.";
const DAY_IS_FULL: &str =
    "As many consumers as promotion.maxPerDay allows were moved in the last 24 hours: moving goes on after that.";
const REFRESHES_ARE_FULL: &str = "As many Auto Scaling groups as promotion.instanceRefresh.maxConcurrentGroups allows are being refreshed: others come after them.";
pub(super) const OUT_OF_SCHEDULE: &str = "Outside of promotion.schedule: moving goes on when its next window begins.";
const READ_ONCE: &str =
    "Waiting until it is read a second time what launches the image: a listing of several pages may miss a group.";
const BUSY: &str = "Waiting until a consumer of another image is moved.";

/// Whether a migration waits until a consumer of another image is moved, as its status says.
pub fn waits_for_turn(status: &AMIMigrationStatus) -> bool {
    let said = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    said.is_some_and(|said| said.message == BUSY)
}

/// Whether a migration is stalled, as its status says. Others do not wait for what it has begun, so that one consumer that AWS refuses to
/// change stops no other image. It is tried again when it is its turn.
pub fn is_stalled(status: &AMIMigrationStatus) -> bool {
    conditions::is_true(&status.conditions, conditions::STALLED)
}

/// Whether a change of this consumer is tried again that AWS has refused, so that others may have begun meanwhile.
pub fn tries_again(status: &AMIMigrationStatus, key: &ConsumerKey) -> bool {
    let begun = [ConsumerState::Moving, ConsumerState::Refreshing];
    let row = status.consumers.iter().find(|row| key_of(row).as_ref() == Some(key));
    is_stalled(status) && row.is_some_and(|row| begun.contains(&row.state))
}

/// Whether others wait until this consumer is moved or put back. Nobody waits for instances that AWS replaces, which may take days.
pub fn keeps_waiting(row: &MovedConsumer) -> bool {
    let has_parts = row.previous.as_ref().is_some_and(|was| !was.parts.is_empty());
    let is_to_be_set = has_parts && row.current.is_some();
    let refresh = row.refresh.as_ref();
    let waits_for_aws = refresh.is_some_and(|refresh| refresh.back || refresh.id.is_some() && !is_to_be_set);
    match row.state {
        ConsumerState::Moving => true,
        ConsumerState::PuttingBack => !waits_for_aws,
        _ => false,
    }
}

/// Whether a migration goes on with what it has begun: its original is there and can be launched, and neither people, its policy nor AWS
/// keep it from that.
pub fn goes_on(migration: &AMIMigration) -> bool {
    let status = migration.status.as_ref();
    let said = |type_: &str| status.and_then(|status| conditions::find(&status.conditions, type_));
    let says = |type_: &str, reasons: &[&str]| said(type_).is_some_and(|said| reasons.contains(&said.reason.as_str()));
    let is_gone = status.is_some_and(|status| status.source_gone_time.is_some());
    let is_stalled = status.is_some_and(is_stalled);
    let waits_for_people = [reason::HELD, reason::IMAGE_DISABLED, reason::SOURCE_NOT_SHARED];
    // Where only single consumers are held, another one may be in the middle of its move.
    let moves = status.is_some_and(|status| status.consumers.iter().any(|row| row.state == ConsumerState::Moving));
    let goes_on_beside = moves && said(conditions::CONSUMERS_MOVED).is_some_and(super::is_of_consumer);
    let waits = says(conditions::CONSUMERS_MOVED, &waits_for_people) && !goes_on_beside;
    let is_held = migration.spec.desired == Desired::Held || waits;
    !is_gone && !is_held && !is_stalled && !says(conditions::READY, &[reason::SUSPENDED, reason::AUDIT])
}

impl Pass<'_> {
    pub(super) fn wait(&mut self, wait: Duration) {
        self.waits = Some(self.waits.map_or(wait, |known| known.min(wait)));
    }

    /// Whether fewer groups are refreshed than the policy allows. A rollback does not wait for refreshes of other images, which may take
    /// days.
    fn has_room(&self, key: &ConsumerKey, is_back: bool) -> bool {
        let others = self.rows.iter().filter(|row| key_of(row).as_ref() != Some(key));
        let own = others.filter(|row| refresh::may_go_on(row)).count();
        let elsewhere = if is_back { 0 } else { self.facts.refreshing };
        let most = self.facts.settings.promotion.instance_refresh.max_concurrent_groups as usize;
        own + elsewhere < most
    }

    /// Whether another group may be refreshed now.
    pub(super) fn may_refresh(&mut self, key: &ConsumerKey, is_back: bool) -> bool {
        if self.has_room(key, is_back) {
            return true;
        }
        self.note = Some(REFRESHES_ARE_FULL);
        self.wait(TURN);
        false
    }

    /// Whether another group has the place in which AWS has refused to refresh this one: others did not wait for it.
    pub(super) fn has_lost_place(&self, key: &ConsumerKey) -> bool {
        self.facts.stalled && !self.is_backwards(self.row(key)) && !self.has_room(key, false)
    }

    /// Whether a consumer may be moved now; else what it waits for is noted. What a person has to see to comes first, so that the same is
    /// said of it whether or not a window is open and it is this image's turn.
    pub(super) fn may_begin(&mut self, key: &ConsumerKey, refreshes: bool) -> bool {
        let facts = self.facts;
        let promotion = &facts.settings.promotion;
        if promotion.approval == ApprovalPolicy::Manual && facts.approval == Approval::Pending {
            self.pending.push(format!("{} {}", key.kind, key.id));
            return false;
        }
        if facts.failures >= promotion.max_failures as usize {
            self.then = Some(Then::Stalled(pace::too_many_failures(promotion)));
            return false;
        }
        if self.rows.iter().filter(|row| row.previous.is_some()).count() >= RECORDED_CONSUMERS {
            return self.waits_for((FULL, TURN));
        }
        let window = match pace::window(promotion.schedule.as_ref(), facts.system_time) {
            Ok(window) => window,
            Err(problem) => {
                self.then = Some(Then::Stalled(problem));
                return false;
            }
        };
        let pause = match (facts.turn, window) {
            (_, Window::Closed { opens_in }) => Some((OUT_OF_SCHEDULE, opens_in.clamp(TURN, pace::LOOK_AT_LEAST))),
            (Turn::DayIsFull, Window::Open) => Some((DAY_IS_FULL, TURN)),
            (Turn::Busy, Window::Open) => Some((BUSY, TURN)),
            (Turn::Free, Window::Open) => None,
        };
        let is_put_off = pause.is_some() || refreshes && !self.has_room(key, false);
        if !self.may_use_key(is_put_off) {
            // As long as that is still to be read, this is what it waits for.
            self.note = pause.map(|(note, _)| note).or(self.note);
            return false;
        }
        if refreshes && !self.may_refresh(key, false) {
            return false;
        }
        match pause {
            Some(pause) => self.waits_for(pause),
            None => self.is_known_lately(),
        }
    }

    fn waits_for(&mut self, (note, wait): (&'static str, Duration)) -> bool {
        self.note = Some(note);
        self.then = Some(Then::Later(wait));
        false
    }

    /// Whether it was read lately that the copy may be launched, since something is begun now: it may have been hours before this window.
    /// Otherwise it is read again first. So is who launches it, where one reading may have missed somebody.
    fn is_known_lately(&mut self) -> bool {
        let facts = self.facts;
        // Whoever knows that they may use the key need not wait for it to be known who they are.
        let is_known = facts.aws_managed || facts.approval == Approval::Approved;
        let graph = facts.picture.map(|picture| &picture.graph);
        if !is_known && !graph.is_some_and(Graph::are_services_seen_twice) {
            return self.waits_for((READ_ONCE, TURN));
        }
        if facts.foreign.is_some_and(|foreign| !foreign.copy_is_fresh) {
            self.then = Some(Then::ReadCopy(facts.copy.clone()));
            return false;
        }
        if !facts.aws_managed && !facts.access_is_fresh {
            self.then = Some(Then::ReadAccess);
            return false;
        }
        true
    }

    /// Whether whoever launches the original may use the copy's key, where that was read.
    fn may_use_key(&mut self, is_put_off: bool) -> bool {
        let facts = self.facts;
        if facts.aws_managed {
            // It is for everybody in the account.
            return true;
        }
        let Some(access) = facts.access else {
            self.then = Some(Then::ReadAccess);
            return false;
        };
        match self.may_launch(access.as_ref(), is_put_off) {
            Ok(()) => true,
            Err(problem) => {
                self.then = Some(Then::Stalled(problem));
                false
            }
        }
    }
}
