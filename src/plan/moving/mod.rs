//! Moving what launches an original onto its copy, and putting it back: one consumer at a time, each read just before it is changed
//! and read back after it was.
//!
//! What was there before is on record before anything is changed. A change that somebody makes in between is seen and respected, and
//! what somebody has set back is theirs from then on.

mod parameter;
mod row;
mod template;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::{Status, reason};
use crate::api::labels::TAG_HOLD;
use crate::api::{
    AMIEncryptionTargetSpec, Approval, ApprovalPolicy, ConsumerState, ConsumerUpdate, ConsumerVersions, Desired,
    MovedConsumer, RECORDED_CONSUMERS,
};
use crate::domain::{AccountId, Change, Consumer, ConsumerKind, Image, KeyAccess, KeyArn, Movable, Region, SnapshotId};
use crate::plan::access::who::{self, Needs};
use crate::plan::access::{KeyFacts, form};
use crate::plan::obstacle::Problem;
use crate::plan::usage::{Picture, is_of_old_version};
pub use row::LOOK_AGAIN;
use row::{SHOWS_AFTER, Task, Verdict, is_put_off};
pub use template::is_ours;

/// Why a consumer is left as it is.
pub mod left {
    /// It belongs to a tool or a service.
    pub const OWNED: &str = "OwnedByOther";
    /// It has the tag `amiseal.dev/hold`.
    pub const HELD: &str = "Held";
    /// What names the original is not its latest version.
    pub const LATEST_DIVERGES: &str = "LatestDiverges";
    /// A block device mapping cannot be said again as it is.
    pub const MAPPING_NOT_MOVABLE: &str = "MappingNotMovable";
    /// It holds more than an image's ID.
    pub const HOLDS_MORE: &str = "HoldsMore";
    /// Somebody has set it back.
    pub const REVERTED_BY_OWNER: &str = "RevertedByOwner";
    /// Somebody has changed it at the same time.
    pub const CHANGED_MEANWHILE: &str = "ChangedMeanwhile";
    /// AWS has taken a value and does not show it.
    pub const NOT_VALIDATED: &str = "NotValidated";
    /// What was there before is gone.
    pub const CANNOT_PUT_BACK: &str = "CannotPutBack";
}

const FULL: &str = "As many consumers as a migration has room for were moved: move the others yourself.";
const DAY_IS_FULL: &str =
    "As many consumers as promotion.maxPerDay allows were moved in the last 24 hours: moving goes on after that.";
const BUSY: &str = "Waiting until a consumer of another image is moved.";

/// How soon it is looked again whether another consumer may be moved.
const TURN: Duration = Duration::from_secs(60);
/// So many consumers are named in a sentence.
const NAMED: usize = 5;

/// A consumer that can be moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name.
    pub id: Box<str>,
}

/// What is known of a consumer by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the reading of all consumers began that was known when it was read.
    pub picture: Option<Timestamp>,
    /// Whether it was read just now, so that it may be changed.
    pub fresh: bool,
    /// What was read.
    pub now: Movable,
}

/// Whether another consumer of the account and region may be moved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// It may.
    #[default]
    Free,
    /// One of another image is being moved.
    Busy,
    /// As many as the policy allows were moved in the last 24 hours.
    DayIsFull,
}

/// What it is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The original.
    pub source: &'a Image,
    /// Its copy, which is verified and published.
    pub copy: &'a Image,
    /// The key that it is encrypted under.
    pub key: &'a KeyArn,
    /// Whether AWS manages it.
    pub aws_managed: bool,
    /// The copy's snapshots by those of the original.
    pub snapshots: &'a BTreeMap<SnapshotId, SnapshotId>,
    /// What the policy says.
    pub settings: &'a AMIEncryptionTargetSpec,
    /// Whether somebody has approved it.
    pub approval: Approval,
    /// What people want.
    pub desired: Desired,
    /// What is on record.
    pub rows: &'a [MovedConsumer],
    /// Who uses the images, where that was read.
    pub picture: Option<&'a Picture>,
    /// What was read of single consumers.
    pub seen: &'a BTreeMap<ConsumerKey, Seen>,
    /// Who may use the key, where that was read; the inner one is none where KMS does not show it.
    pub access: Option<&'a Option<KeyAccess>>,
    /// Whether it is this image's turn.
    pub turn: Turn,
    /// Now.
    pub now: Timestamp,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What is to be on record of the consumers.
    pub rows: Vec<MovedConsumer>,
    /// What the condition `ConsumersMoved` says; none where nothing was asked for.
    pub says: Option<(Status, &'static str, String)>,
    /// What comes next.
    pub then: Then,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Nothing: everything is as it is to be.
    Rest,
    /// Nothing now: look again then.
    Later(Duration),
    /// Nothing before a person has acted.
    Stalled(Problem),
    /// Read this consumer, and the version of it besides.
    Look(ConsumerKey, Option<i64>),
    /// Read who may use the key.
    ReadAccess,
    /// Once this is on record.
    Do(ConsumerKey, Change),
}

/// Decides what comes next for the consumers of an image.
pub fn next(facts: Facts<'_>) -> Outcome {
    let mut pass = Pass {
        facts,
        rows: facts.rows.to_vec(),
        then: None,
        waits: None,
        note: None,
        pending: Vec::new(),
    };
    pass.forget_what_is_not_asked_for();
    let knows = facts.settings.consumers.read || facts.desired == Desired::RolledBack;
    if pass.held().is_none() && knows {
        match facts.desired {
            Desired::RolledBack => pass.put_back(),
            Desired::Migrated | Desired::Held => pass.move_on(),
        }
    }
    pass.outcome()
}

struct Pass<'a> {
    facts: Facts<'a>,
    rows: Vec<MovedConsumer>,
    then: Option<Then>,
    waits: Option<Duration>,
    /// What is waited for, where that takes long.
    note: Option<&'static str>,
    /// Those that wait for approval.
    pending: Vec<String>,
}

impl Pass<'_> {
    fn move_on(&mut self) {
        // What was begun comes to its end first.
        for key in self.in_states(&[ConsumerState::Moving, ConsumerState::PuttingBack]) {
            self.visit(&key);
        }
        if self.then.is_some() || self.waits.is_some() || !self.in_states(&[ConsumerState::Moving]).is_empty() {
            return;
        }
        for (key, owned) in self.candidates() {
            if self.then.is_some() {
                return;
            }
            match owned {
                Some(verdict) => self.take(&key, verdict),
                None => self.visit(&key),
            }
        }
    }

    fn put_back(&mut self) {
        let begun = [ConsumerState::Moving, ConsumerState::PuttingBack, ConsumerState::Moved];
        let put_off = self
            .rows
            .iter()
            .filter(|row| is_put_off(row))
            .filter_map(key_of)
            .collect::<Vec<_>>();
        for key in self.in_states(&begun).into_iter().chain(put_off) {
            if self.then.is_some() {
                return;
            }
            self.visit(&key);
        }
    }

    /// The consumers in these states.
    fn in_states(&self, states: &[ConsumerState]) -> Vec<ConsumerKey> {
        let rows = self.rows.iter().filter(|row| states.contains(&row.state));
        rows.filter_map(key_of).collect()
    }

    /// What launches the original and can be moved, and what is left as it is since it is somebody else's.
    fn candidates(&self) -> Vec<(ConsumerKey, Option<Verdict>)> {
        let Some(picture) = self.facts.picture else {
            return Vec::new();
        };
        let mut found: BTreeMap<ConsumerKey, Option<Verdict>> = BTreeMap::new();
        for consumer in picture.graph.consumers(&self.facts.source.id) {
            if !self.is_to_be_moved(consumer) {
                continue;
            }
            let key = ConsumerKey {
                kind: consumer.kind,
                id: consumer.id.clone(),
            };
            let row = self.row(&key);
            if row.is_some_and(|row| !self.is_to_be_looked_at(row)) {
                continue;
            }
            let owned = consumer
                .owner
                .as_ref()
                .filter(|_| row.is_none_or(|row| row.previous.is_none()));
            let verdict = owned.map(|owner| self.task(&key, row).owned(owner));
            found.entry(key).or_insert(verdict);
        }
        // A listing may miss one: what is said of it goes when it is seen not to launch the original any more.
        let said = self
            .rows
            .iter()
            .filter(|row| row.state == ConsumerState::Left && self.is_to_be_looked_at(row));
        for key in said.filter_map(key_of) {
            found.entry(key).or_insert(None);
        }
        found.into_iter().collect()
    }

    /// Whether the policy asks for it, and it is not only by an older version or by a parameter that it names the original.
    fn is_to_be_moved(&self, consumer: &Consumer) -> bool {
        let promotion = &self.facts.settings.promotion;
        let via = consumer.via.as_deref().unwrap_or_default();
        match consumer.kind {
            ConsumerKind::LaunchTemplate => {
                let is_direct = !via.contains("ssm:") && !is_of_old_version(via);
                promotion.launch_templates == ConsumerUpdate::Update && is_direct
            }
            ConsumerKind::Parameter => promotion.ssm_parameters == ConsumerUpdate::Update && via.is_empty(),
            _ => false,
        }
    }

    /// What was moved is looked at where a reading shows that it names the original, which began after the change could show.
    fn is_to_be_looked_at(&self, row: &MovedConsumer) -> bool {
        if row.state != ConsumerState::Moved {
            return row.state != ConsumerState::Left || row.previous.is_none() || is_put_off(row);
        }
        let began = self.facts.picture.and_then(|picture| picture.graph.read_at());
        match (began, &row.time) {
            (Some(began), Some(moved)) => began.duration_since(moved.0).as_secs_f64() > SHOWS_AFTER.as_secs_f64(),
            _ => false,
        }
    }

    /// Decides on one consumer, or has it read.
    fn visit(&mut self, key: &ConsumerKey) {
        let picture = self.facts.picture.and_then(|picture| picture.graph.read_at());
        let row = self.row(key);
        let seen = self.facts.seen.get(key).filter(|seen| seen.picture == picture);
        let Some(seen) = seen else {
            self.look(key);
            return;
        };
        let task = self.task(key, row);
        let backwards =
            self.facts.desired == Desired::RolledBack || row.is_some_and(|row| row.state == ConsumerState::PuttingBack);
        let verdict = match (&seen.now, backwards) {
            (Movable::Gone, _) => Verdict::Nothing,
            (Movable::Template(now), false) => template::forward(task, now),
            (Movable::Template(now), true) => template::back(task, now),
            (Movable::Parameter(now), false) => parameter::forward(task, now),
            (Movable::Parameter(now), true) => parameter::back(task, now),
        };
        if matches!(verdict, Verdict::Change(_) | Verdict::Later) && !seen.fresh {
            self.look(key);
            return;
        }
        self.take(key, verdict);
    }

    fn look(&mut self, key: &ConsumerKey) {
        let former = self
            .row(key)
            .and_then(|row| row.previous.as_ref())
            .map(|previous| previous.latest);
        let former = former.filter(|_| key.kind == ConsumerKind::LaunchTemplate);
        self.then.get_or_insert(Then::Look(key.clone(), former));
    }

    fn task<'t>(&'t self, key: &'t ConsumerKey, row: Option<&'t MovedConsumer>) -> Task<'t> {
        Task {
            key,
            source: &self.facts.source.id,
            copy: &self.facts.copy.id,
            snapshots: self.facts.snapshots,
            row,
            now: self.facts.now,
        }
    }

    fn row(&self, key: &ConsumerKey) -> Option<&MovedConsumer> {
        self.rows
            .iter()
            .find(|row| row.kind == key.kind.as_str() && *row.id == *key.id)
    }

    /// Takes in what comes next for a consumer.
    fn take(&mut self, key: &ConsumerKey, verdict: Verdict) {
        match verdict {
            Verdict::Keep => {}
            Verdict::Nothing => self.rows.retain(|row| key_of(row).as_ref() != Some(key)),
            Verdict::Later => self.waits = Some(LOOK_AGAIN),
            Verdict::Record(row) => {
                let begins = row.state == ConsumerState::Moving && row.current.is_none();
                if !begins || self.may_begin(key) {
                    self.rows.retain(|known| key_of(known).as_ref() != Some(key));
                    self.rows.push(row);
                    self.then = self.then.take().or(begins.then_some(Then::Later(Duration::ZERO)));
                }
            }
            Verdict::Change(change) => {
                self.then.get_or_insert(Then::Do(key.clone(), change));
            }
        }
    }

    /// Whether a consumer may be moved now; else what it waits for is noted.
    fn may_begin(&mut self, key: &ConsumerKey) -> bool {
        let facts = self.facts;
        if facts.settings.promotion.approval == ApprovalPolicy::Manual && facts.approval == Approval::Pending {
            self.pending.push(format!("{} {}", key.kind, key.id));
            return false;
        }
        let is_full = self.rows.iter().filter(|row| row.previous.is_some()).count() >= RECORDED_CONSUMERS;
        self.note = match facts.turn {
            _ if is_full => Some(FULL),
            Turn::DayIsFull => Some(DAY_IS_FULL),
            Turn::Busy => Some(BUSY),
            Turn::Free => None,
        };
        if self.note.is_some() {
            self.then = Some(Then::Later(TURN));
            return false;
        }
        if facts.aws_managed {
            // It is for everybody in the account.
            return true;
        }
        let Some(access) = facts.access else {
            self.then = Some(Then::ReadAccess);
            return false;
        };
        match self.may_launch(access.as_ref()) {
            Ok(()) => true,
            Err(problem) => {
                self.then = Some(Then::Stalled(problem));
                false
            }
        }
    }

    /// Whether whoever launches the original may use the copy's key. Where that is not known, somebody has to approve it; where they may
    /// not, nobody can.
    fn may_launch(&self, access: Option<&KeyAccess>) -> Result<(), Problem> {
        const WAY_OUT: &str = "If you know that they may use the key, set promotion.approval: Manual in the policy and approve this migration.";
        let facts = self.facts;
        let not_known =
            |why: &str| Problem::new(reason::KEY_NOT_USABLE, format!("Nothing is moved to the copy. {why}"));
        let (Some(picture), Ok(region), Ok(own)) = (
            facts.picture,
            facts.settings.region.parse::<Region>(),
            facts.settings.account_id.parse::<AccountId>(),
        ) else {
            return Err(not_known("It is not known who launches the original."));
        };
        let mut needs = Needs::new();
        who::add_consumers(&mut needs, &facts.source.id, &picture.graph, region.partition());
        let key = KeyFacts {
            arn: facts.key,
            aws_managed: facts.aws_managed,
            access,
        };
        let is_approved =
            facts.settings.promotion.approval == ApprovalPolicy::Manual && facts.approval == Approval::Approved;
        // Of a kind that could not be read there may be some that launch the original.
        if let Some((kind, problem)) = picture.graph.unread().iter().next().filter(|_| !is_approved) {
            let why = format!("It is not known which {kind}s launch the original. {}", problem.message);
            return Err(not_known(&format!("{why} {WAY_OUT}")));
        }
        let rows = form::rows(key, &needs, &own);
        let Some(row) = rows.iter().find(|row| row.state == form::State::Denied || !is_approved) else {
            return Ok(());
        };
        Err(not_known(&match row.state {
            form::State::Denied => row.text(),
            _ => format!("{} {WAY_OUT}", row.text()),
        }))
    }

    /// What was only said of kinds that the policy does not have moved any more.
    fn forget_what_is_not_asked_for(&mut self) {
        let promotion = &self.facts.settings.promotion;
        let update = |row: &MovedConsumer| match ConsumerKind::named(&row.kind) {
            Some(ConsumerKind::Parameter) => promotion.ssm_parameters,
            _ => promotion.launch_templates,
        };
        self.rows
            .retain(|row| row.previous.is_some() || update(row) == ConsumerUpdate::Update);
    }

    fn outcome(mut self) -> Outcome {
        self.rows
            .sort_by(|one, other| (&one.kind, &one.id).cmp(&(&other.kind, &other.id)));
        while self.rows.len() > RECORDED_CONSUMERS {
            let Some(said) = self.rows.iter().rposition(|row| row.previous.is_none()) else {
                break;
            };
            self.rows.remove(said);
        }
        let then = match (self.then.take(), self.waits) {
            (Some(then), _) => then,
            (None, Some(wait)) => Then::Later(wait),
            (None, None) if !self.pending.is_empty() => Then::Stalled(Problem::new(
                reason::APPROVAL_REQUIRED,
                format!(
                    "{} would be moved to the copy: set spec.approval: Approved in this migration to have that done.",
                    named(&self.pending)
                ),
            )),
            (None, None) => Then::Rest,
        };
        let says = self.says(&then);
        Outcome {
            rows: self.rows,
            says,
            then,
        }
    }

    /// Why no consumer is moved or put back, where somebody does not want that.
    fn held(&self) -> Option<String> {
        let facts = self.facts;
        if facts.desired == Desired::Held {
            return Some("spec.desired is Held: no consumer is moved, and none is put back.".to_owned());
        }
        let held = [facts.source, facts.copy]
            .into_iter()
            .find(|image| image.tags.contains_key(TAG_HOLD))?;
        Some(format!(
            "{} has the tag {TAG_HOLD}: no consumer is moved, and none is put back.",
            held.id
        ))
    }

    fn says(&self, then: &Then) -> Option<(Status, &'static str, String)> {
        let count = |states: &[ConsumerState]| self.rows.iter().filter(|row| states.contains(&row.state)).count();
        let (moved, left) = (count(&[ConsumerState::Moved]), count(&[ConsumerState::Left]));
        let begun = self.rows.iter().any(|row| row.previous.is_some());
        if !self.facts.settings.promotion.moves() && !begun {
            return None;
        }
        let under_way = self.note.unwrap_or("Moving consumers of the original.").to_owned();
        Some(match (self.facts.desired, then) {
            (_, Then::Stalled(problem)) => (Status::False, problem.reason, problem.message.clone()),
            _ if !self.facts.settings.consumers.read => {
                let message =
                    "spec.consumers.read is false, so that it is not known what launches the original: set it to true.";
                (Status::False, reason::CONSUMERS_UNREAD, message.to_owned())
            }
            _ if self.held().is_some() => (Status::False, reason::HELD, self.held().unwrap_or_default()),
            (Desired::RolledBack, Then::Rest) => {
                let back = count(&[ConsumerState::PutBack]);
                let message = format!("{} as before.{}", are(back, "launches", "launch"), remark(left));
                (Status::False, reason::ROLLED_BACK, message)
            }
            (Desired::RolledBack, _) => {
                let message = "Putting consumers back to the original.".to_owned();
                (Status::False, reason::ROLLING_BACK, message)
            }
            (Desired::Migrated, Then::Rest) if self.facts.picture.is_none() && !begun => return None,
            (Desired::Migrated, Then::Rest) => {
                let message = format!("{} the copy.{}", are(moved, "launches", "launch"), remark(left));
                if left == 0 {
                    (Status::True, reason::SUCCEEDED, message)
                } else {
                    (Status::False, reason::CONSUMERS_LEFT, message)
                }
            }
            (Desired::Migrated | Desired::Held, _) => (Status::False, reason::MOVING_CONSUMERS, under_way),
        })
    }
}

fn are(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("No moved consumer {one}"),
        1 => format!("1 moved consumer {one}"),
        _ => format!("{count} moved consumers {many}"),
    }
}

fn remark(left: usize) -> String {
    match left {
        0 => String::new(),
        1 => " 1 is left as it is: status.consumers says why.".to_owned(),
        _ => format!(" {left} are left as they are: status.consumers says why."),
    }
}

fn named(names: &[String]) -> String {
    let first = names
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The consumer that a row is of.
pub fn key_of(row: &MovedConsumer) -> Option<ConsumerKey> {
    Some(ConsumerKey {
        kind: ConsumerKind::named(&row.kind)?,
        id: row.id.as_str().into(),
    })
}

/// What is on record once AWS has answered a change with the number of the version that it made.
pub fn answered(row: &MovedConsumer, change: &Change, version: i64, now: Timestamp) -> MovedConsumer {
    let is_back = row.state == ConsumerState::PuttingBack;
    let mut current = row.current.clone();
    match change {
        // What it has made is known by what it says of itself.
        Change::NewVersion(_) if is_back => {}
        Change::NewVersion(_) | Change::PutValue { .. } => {
            current = Some(ConsumerVersions {
                latest: version,
                default: None,
            });
        }
        Change::SetDefault { version, .. } => {
            if let Some(current) = &mut current {
                current.default = (!is_back).then_some(*version);
            }
        }
    }
    if current == row.current {
        return row.clone();
    }
    MovedConsumer {
        current,
        time: Some(Time(now)),
        ..row.clone()
    }
}
