//! Moving what launches an original onto its copy, and putting it back: one consumer at a time, each read just before it is changed
//! and read back after it was.
//!
//! What was there before is on record before anything is changed. A change that somebody makes in between is seen and respected, and
//! what somebody has set back is theirs from then on.

mod again;
mod facts;
mod foreign;
mod group;
mod keys;
mod labels;
pub mod left;
pub mod pace;
mod parameter;
mod refresh;
mod row;
mod says;
mod template;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::reason;
use crate::api::{
    AMIMigrationStatus, ConsumerRefresh, ConsumerState, ConsumerVersions, Desired, GroupUpdate,
    InstanceRefreshSettings, MovedConsumer, RECORDED_CONSUMERS,
};
use crate::domain::{Besides, Change, Consumer, ConsumerKind, Made, Movable};
use crate::plan::obstacle::Problem;
use crate::plan::usage::{is_by_label, is_of_old_version};
pub use facts::{ConsumerKey, Facts, Foreign, Original, Outcome, Seen, Then, Turn};
pub use foreign::{asks_settings_again, source_not_shared};
pub use keys::launchers;
pub use refresh::may_go_on;
pub use row::{LOOK_AGAIN, is_left};
use row::{SHOWS_AFTER, Task, Verdict, is_kept_back, is_put_off};
use says::named;
pub use says::{Told, at_rest, held_by_tag, is_of_consumer, told};
pub use template::is_ours;
pub use turn::{goes_on, is_stalled, keeps_waiting, tries_again, waits_for_turn};

const REFRESHING: &str = "AWS is replacing the instances of Auto Scaling groups.";

/// How soon it is looked again how far AWS is.
const REFRESH_POLL: Duration = Duration::from_secs(30);
/// How soon it is looked again whether another consumer may be moved.
const TURN: Duration = Duration::from_secs(60);

/// Decides what comes next for the consumers of an image.
pub fn next(facts: Facts<'_>) -> Outcome {
    let mut pass = Pass {
        facts,
        rows: facts.rows.to_vec(),
        then: None,
        waits: None,
        note: None,
        pending: Vec::new(),
        tagged: Vec::new(),
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
    /// Those that were to be put back, and that somebody holds by a tag.
    tagged: Vec<String>,
}

impl Pass<'_> {
    fn move_on(&mut self) {
        let is_moving = !self.in_states(&[ConsumerState::Moving]).is_empty();
        if is_moving && self.facts.stalled && self.facts.turn == Turn::Busy {
            self.then = Some(Then::Behind(TURN));
            return;
        }
        // What was begun comes to its end first.
        for key in self.in_states(&[ConsumerState::Moving, ConsumerState::PuttingBack]) {
            self.visit(&key);
        }
        if self.then.is_some() || self.waits.is_some() || !self.in_states(&[ConsumerState::Moving]).is_empty() {
            return;
        }
        for key in self.in_states(&[ConsumerState::Refreshing]) {
            self.visit(&key);
        }
        for key in self.failed() {
            self.visit(&key);
        }
        if self.then.is_some() || self.has_failed() {
            return;
        }
        let candidates = self.candidates();
        // Nobody is told either to name a copy that the account may not launch.
        let foreign = self.facts.foreign.filter(|_| !candidates.is_empty());
        if foreign.is_some_and(|foreign| !self.may_launch_foreign(foreign)) {
            return;
        }
        for (key, owned) in candidates {
            if self.then.is_some() {
                return;
            }
            match owned {
                Some(verdict) => self.take(&key, verdict),
                // It gets what its template gets, which nobody has approved yet.
                None if key.kind == ConsumerKind::AutoScalingGroup && !self.pending.is_empty() => {
                    self.pending.push(format!("{} {}", key.kind, key.id));
                }
                None => self.visit(&key),
            }
        }
    }

    fn put_back(&mut self) {
        let begun = [
            ConsumerState::Moving,
            ConsumerState::Refreshing,
            ConsumerState::PuttingBack,
            ConsumerState::Moved,
        ];
        let put_off = self
            .rows
            .iter()
            .filter(|row| is_put_off(row))
            .filter_map(key_of)
            .collect::<Vec<_>>();
        let begun = self.in_states(&begun).into_iter().chain(put_off).chain(self.failed());
        let mut keys: Vec<ConsumerKey> = begun.chain(self.launching_copy()).collect();
        // What a group follows comes before it: its instances would be replaced by others of the copy.
        keys.sort_by_key(|key| key.kind == ConsumerKind::AutoScalingGroup);
        for key in keys {
            if self.then.is_some() {
                return;
            }
            self.visit(&key);
        }
        if self.then.is_none() && self.waits.is_none() {
            self.has_failed();
        }
    }

    /// The groups whose refresh has failed.
    fn failed(&self) -> Vec<ConsumerKey> {
        let rows = self.rows.iter().filter(|row| refresh::has_failed(row));
        rows.filter_map(key_of).collect()
    }

    /// Nothing more is moved, and a person has to act, where the refresh of a group has failed.
    fn has_failed(&mut self) -> bool {
        let Some(row) = self.rows.iter().find(|row| refresh::has_failed(row)) else {
            return false;
        };
        let message = format!(
            "{} {}: {}",
            row.kind,
            row.id,
            row.message.as_deref().unwrap_or_default()
        );
        self.then = Some(Then::Stalled(Problem::new(reason::REFRESH_FAILED, message)));
        true
    }

    /// What launches the copy and is not on record: a status may have been lost, and what was there before stands beside the consumer.
    fn launching_copy(&self) -> Vec<ConsumerKey> {
        let consumers = self
            .facts
            .picture
            .map(|picture| picture.graph.consumers(self.facts.copy));
        let keys = consumers.into_iter().flatten().filter_map(|consumer| {
            let is_movable = matches!(consumer.kind, ConsumerKind::LaunchTemplate | ConsumerKind::Parameter);
            is_movable.then(|| ConsumerKey {
                kind: consumer.kind,
                id: consumer.id.clone(),
            })
        });
        let keys: BTreeSet<ConsumerKey> = keys.filter(|key| self.row(key).is_none()).collect();
        keys.into_iter().collect()
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
        for consumer in picture.graph.consumers(self.facts.source.id) {
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
        // What follows its template launches the copy already, and its instances do not.
        if self.refreshes().is_some() {
            for group in picture.graph.groups_running(self.facts.source.id) {
                let key = ConsumerKey {
                    kind: ConsumerKind::AutoScalingGroup,
                    id: group.into(),
                };
                if self.row(&key).is_none_or(|row| self.is_to_be_looked_at(row)) {
                    found.entry(key).or_insert(None);
                }
            }
        }
        // A listing may miss one: what is said of it goes when it is seen not to launch the original any more.
        let said = self
            .rows
            .iter()
            .filter(|row| is_left(row) && self.is_to_be_looked_at(row));
        for key in said.filter_map(key_of) {
            found.entry(key).or_insert(None);
        }
        found.into_iter().collect()
    }

    /// Whether the policy asks for it, and it is not only by an older version or by a parameter that it names the original.
    fn is_to_be_moved(&self, consumer: &Consumer) -> bool {
        let promotion = &self.facts.settings.promotion;
        let via = consumer.via.as_deref().unwrap_or_default();
        let is_direct = match consumer.kind {
            ConsumerKind::LaunchTemplate => !via.contains("ssm:") && !is_of_old_version(via),
            // What an older version has that somebody has pinned by a label is at least said.
            ConsumerKind::Parameter => via.is_empty() || is_by_label(via),
            // What launches `$Latest` or `$Default` of a template follows it. Its instances do not.
            ConsumerKind::AutoScalingGroup => {
                self.refreshes().is_some() || !via.contains("ssm:") && !via.contains(" $")
            }
            _ => false,
        };
        is_direct && promotion.moves_kind(consumer.kind)
    }

    /// What was moved is looked at where a reading shows that it names the original, which began after the change could show.
    fn is_to_be_looked_at(&self, row: &MovedConsumer) -> bool {
        match row.state {
            ConsumerState::Moved => {}
            ConsumerState::Refreshing => return false,
            ConsumerState::Left => return row.previous.is_none() || is_put_off(row),
            _ => return true,
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
        let seen = self.facts.seen.get(key);
        let backwards = self.is_backwards(row);
        let seen = seen.filter(|seen| seen.picture == picture && template::tells(&seen.now, row, backwards));
        let Some(seen) = seen else {
            self.look(key);
            return;
        };
        let task = self.task(key, row);
        let verdict = match (&seen.now, backwards) {
            (Movable::Gone, _) => Verdict::Nothing,
            (Movable::Template(now), false) => template::forward(task, now),
            (Movable::Template(now), true) => template::back(task, now),
            (Movable::Parameter(now), false) => parameter::forward(task, now),
            (Movable::Parameter(now), true) => parameter::back(task, now),
            (Movable::Group(now), false) => group::forward(task, now),
            (Movable::Group(now), true) => group::back(task, now),
        };
        if backwards && !self.facts.source.launchable && puts_back(row, &verdict) {
            // What is on record stays there until the image can be launched.
            let problem = self.cannot_launch_original();
            self.then.get_or_insert(Then::Stalled(problem));
            return;
        }
        if matches!(verdict, Verdict::Change(_) | Verdict::Later | Verdict::Wait) && !seen.fresh {
            self.look(key);
            return;
        }
        // What was read before may not have been asked for all that it takes to say so.
        let gives_up = |row: &MovedConsumer| {
            row.state == ConsumerState::Left && row.reason.as_deref() == Some(left::CANNOT_PUT_BACK)
        };
        let is_to_be_read = match &verdict {
            Verdict::Record(row) => gives_up(row),
            Verdict::Held => true,
            _ => false,
        };
        if !seen.fresh && is_to_be_read {
            self.look(key);
            return;
        }
        if self.was_put_back(key, &verdict, &seen.now) {
            // What was said of it before is over.
            self.take(key, Verdict::Nothing);
            self.pending.push(format!("{} {} (put back before)", key.kind, key.id));
            return;
        }
        self.take(key, verdict);
    }

    /// Nothing is put back to an image that nobody can launch.
    fn cannot_launch_original(&self) -> Problem {
        let source = self.facts.source.id;
        if self.facts.foreign.is_some() {
            return source_not_shared(source);
        }
        let message = format!(
            "{source} is disabled, so that nobody can launch it, and no consumer is put back to it: enable it."
        );
        Problem::new(reason::IMAGE_DISABLED, message)
    }

    fn look(&mut self, key: &ConsumerKey) {
        let row = self.row(key);
        let versions = match key.kind {
            ConsumerKind::LaunchTemplate => row
                .map(|row| template::named(row, self.is_backwards(Some(row))))
                .unwrap_or_default(),
            ConsumerKind::AutoScalingGroup => row.and_then(group::oldest).into_iter().collect(),
            _ => BTreeSet::new(),
        };
        let is_refreshed = self.refreshes().is_some() || row.is_some_and(|row| row.refresh.is_some());
        let running = (key.kind == ConsumerKind::AutoScalingGroup && is_refreshed).then(|| {
            if self.is_backwards(row) {
                self.facts.copy.clone()
            } else {
                self.facts.source.id.clone()
            }
        });
        self.then
            .get_or_insert(Then::Look(key.clone(), Besides { versions, running }));
    }

    fn is_backwards(&self, row: Option<&MovedConsumer>) -> bool {
        self.facts.desired == Desired::RolledBack || row.is_some_and(|row| row.state == ConsumerState::PuttingBack)
    }

    /// How instances are replaced, where the policy asks for it.
    fn refreshes(&self) -> Option<&InstanceRefreshSettings> {
        let promotion = &self.facts.settings.promotion;
        (promotion.auto_scaling_groups == GroupUpdate::Refresh).then_some(&promotion.instance_refresh)
    }

    fn task<'t>(&'t self, key: &'t ConsumerKey, row: Option<&'t MovedConsumer>) -> Task<'t> {
        Task {
            key,
            source: self.facts.source.id,
            copy: self.facts.copy,
            snapshots: self.facts.snapshots,
            foreign: self.facts.foreign.is_some(),
            row,
            rows: &self.rows,
            refreshes: self.refreshes(),
            volumes: self.facts.source.volumes,
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
            // What follows something that somebody holds waits for that, too.
            Verdict::Later if !self.tagged.is_empty() => self.wait(TURN),
            Verdict::Later => self.wait(LOOK_AGAIN),
            Verdict::Held => {
                self.tagged.push(format!("{} {}", key.kind, key.id));
                self.wait(TURN);
            }
            Verdict::Wait => {
                self.note = self.note.or(Some(REFRESHING));
                self.wait(REFRESH_POLL);
            }
            Verdict::Record(row) => {
                let is_new = self.row(key).is_none_or(|known| known.refresh != row.refresh);
                let refreshes = is_new && refresh::may_go_on(&row);
                let refreshes = refreshes && row.refresh.as_ref().is_some_and(|refresh| refresh.id.is_none());
                let is_back = row.state == ConsumerState::PuttingBack;
                let is_under_way = is_back || [ConsumerState::Moving, ConsumerState::Refreshing].contains(&row.state);
                let begins = row.state == ConsumerState::Moving && row.current.is_none() || refreshes && !is_back;
                let may_be = match (begins, refreshes) {
                    (true, _) => self.may_begin(key, refreshes),
                    (false, true) => self.may_refresh(key, is_back),
                    (false, false) => true,
                };
                if may_be {
                    self.rows.retain(|known| key_of(known).as_ref() != Some(key));
                    self.rows.push(row);
                    // What is under way is gone on with once this is on record, and nothing is said to be done before.
                    let goes_on = begins || is_under_way;
                    self.then = self.then.take().or(goes_on.then_some(Then::Later(Duration::ZERO)));
                }
            }
            Verdict::Change(_) if self.is_withdrawn(key) => self.hold_back(key),
            Verdict::Change(Change::StartRefresh(_)) if self.has_lost_place(key) => {
                self.then.get_or_insert(Then::Behind(TURN));
            }
            Verdict::Change(change) => {
                self.then.get_or_insert(Then::Do(key.clone(), change));
            }
        }
    }

    /// What was only said of kinds that the policy does not have moved any more, or that nobody wants to be moved again.
    fn forget_what_is_not_asked_for(&mut self) {
        let promotion = &self.facts.settings.promotion;
        let is_asked_for =
            |row: &MovedConsumer| ConsumerKind::named(&row.kind).is_some_and(|kind| promotion.moves_kind(kind));
        let is_back = self.facts.desired == Desired::RolledBack;
        let kept_back = self.rows.iter_mut().filter(|row| is_kept_back(row));
        for row in kept_back.filter(|row| is_back || !is_asked_for(row)) {
            (row.reason, row.message) = (None, None);
        }
        self.rows.retain(|row| row.previous.is_some() || is_asked_for(row));
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
            // What is under way is looked at no later for what else is waited for.
            (Some(Then::Later(wait)), Some(known)) => Then::Later(wait.min(known)),
            (Some(then), _) => then,
            (None, Some(wait)) => Then::Later(wait),
            (None, None) if !self.pending.is_empty() => Then::Stalled(Problem::new(
                reason::APPROVAL_REQUIRED,
                format!(
                    "{} would be moved to the copy: approve this migration to have that done, as with kubectl amiseal approve.",
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
            look_again: self.waits,
        }
    }
}

/// Whether this has a consumer launch the original again, or begins to. What has come to that by itself, or by somebody else, is only put
/// on record.
fn puts_back(known: Option<&MovedConsumer>, verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Change(_) => true,
        Verdict::Record(row) => {
            let is_under_way = known.is_some_and(|known| known.state == ConsumerState::PuttingBack);
            // What is not known to have changed launches the original still, and nothing is done about it.
            let has_changed = row.current.is_some() || row.refresh.is_some();
            row.state == ConsumerState::PuttingBack && !is_under_way && has_changed
        }
        Verdict::Nothing | Verdict::Keep | Verdict::Later | Verdict::Held | Verdict::Wait => false,
    }
}

/// Whether something is begun with a consumer between these two statuses. What was stalled is begun anew: others did not wait for it.
pub fn begins(before: &AMIMigrationStatus, after: &AMIMigrationStatus) -> bool {
    let is_begun = |row: &MovedConsumer| matches!(row.state, ConsumerState::Moving | ConsumerState::Refreshing);
    let goes_on_again = is_stalled(before) && !is_stalled(after);
    after.consumers.iter().filter(|row| is_begun(row)).any(|row| {
        let known = before.consumers.iter().find(|known| key_of(known) == key_of(row));
        goes_on_again || known.is_none_or(|known| !is_begun(known))
    })
}

/// Whether a consumer may launch the copy by what amiseal has changed.
pub fn may_launch_copy(row: &MovedConsumer) -> bool {
    let is_begun = match row.state {
        ConsumerState::Moving | ConsumerState::Moved | ConsumerState::Refreshing | ConsumerState::PuttingBack => true,
        ConsumerState::Left => refresh::has_failed(row) || is_put_off(row) && row.current.is_some(),
        ConsumerState::PutBack => false,
    };
    is_begun && row.previous.is_some()
}

/// The consumer that a row is of.
pub fn key_of(row: &MovedConsumer) -> Option<ConsumerKey> {
    Some(ConsumerKey {
        kind: ConsumerKind::named(&row.kind)?,
        id: row.id.as_str().into(),
    })
}

/// What is on record once AWS has answered a change with what it has made.
pub fn answered(row: &MovedConsumer, change: &Change, made: &Made, now: Timestamp) -> MovedConsumer {
    let is_back = row.state == ConsumerState::PuttingBack;
    if let (Made::Refresh(id), Some(refresh)) = (made, &row.refresh) {
        let refresh = ConsumerRefresh {
            id: Some(id.to_string()),
            ..refresh.clone()
        };
        return MovedConsumer {
            refresh: Some(refresh),
            ..row.clone()
        };
    }
    let version = match made {
        Made::Version(version) => *version,
        _ => 0,
    };
    let mut current = row.current.clone();
    match change {
        // What it has made is known by what it says of itself.
        Change::NewVersion(_) if is_back => {}
        Change::NewVersion(_) | Change::PutValue { .. } => {
            current = Some(ConsumerVersions {
                latest: version,
                default: None,
                // Where labels are is one thing, and what the latest version holds another.
                parts: Vec::new(),
                labels: current.map(|current| current.labels).unwrap_or_default(),
            });
        }
        Change::SetDefault { version, .. } => {
            if let Some(current) = &mut current {
                current.default = (!is_back).then_some(*version);
            }
        }
        Change::MoveLabels { version, labels, .. } => {
            if let Some(current) = &mut current {
                labels::answered(current, *version, labels);
            }
        }
        Change::TagGroup { .. } | Change::StartRefresh(_) | Change::RollBackRefresh { .. } => {}
        Change::SetGroup(change) => current = group::answered(row, change),
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
