//! What is known of a policy's parameters in an account and region, and when they are read and written.

mod listing;
mod made;
mod says;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::failures::{Call, Failures};
use super::{Step, Wanted};
use crate::domain::{ImageId, StoredParameter};
use crate::plan::map::say::Said;
use crate::plan::obstacle::Problem;

use listing::Listing;
pub use listing::PAGES_AT_A_TIME;
pub use made::Outcome;

/// So many are changed in one visit,
const AT_A_TIME: usize = 10;
/// and so much lies between two such visits: PutParameter takes a few calls a second, of everybody in the account.
const APART: Duration = Duration::from_secs(5);
/// How soon after a change it is read whether it shows,
const READ_BACK: Duration = Duration::from_secs(15);
/// how soon again where it does not,
const READ_BACK_AGAIN: Duration = Duration::from_secs(60);
/// and after how long they are read though nothing is known to have changed.
const READ_AGAIN: Duration = Duration::from_secs(600);
/// For how long a reading may not show yet what AWS has taken: it looks for the image first.
const SHOWS_AFTER: Duration = Duration::from_secs(600);
/// After how long a name can be used again whose parameter was deleted: AWS says 30 seconds.
const FREE_AFTER: Duration = Duration::from_secs(40);
/// How long one stays whose original has left the map without a decision.
const STAYS_FOR: Duration = Duration::from_secs(600);
/// For how long nothing may have been changed before a prefix is let go of: what was written last may show late.
const QUIET_FOR: Duration = Duration::from_secs(25);
/// After how long it is asked again whether one that is in the way is still not ours: tags can change, and no version says so.
const ASK_AGAIN: Duration = Duration::from_secs(3600);

/// The parameters as they were read last, and what was done about them since.
#[derive(Debug, Default)]
pub struct ParameterWatch {
    /// What their names begin with. Empty where none are kept.
    prefix: Box<str>,
    /// Until when one may come to show that an earlier process has written, or a call of which nothing is known.
    blind_until: Option<Timestamp>,
    /// The reading that goes on at the next visit.
    listing: Option<Listing>,
    /// Whether AWS has refused to go on with a reading since the last one that was whole.
    refuses_tokens: bool,
    /// The last reading that was whole.
    read: Option<Reading>,
    shown: BTreeMap<ImageId, Shown>,
    /// What AWS has taken and does not show yet.
    written: BTreeMap<ImageId, Written>,
    /// When each was written last.
    wrote: BTreeMap<ImageId, Timestamp>,
    theirs: BTreeMap<ImageId, Theirs>,
    refused: BTreeMap<ImageId, Problem>,
    /// Until when a name is not used.
    not_before: BTreeMap<ImageId, Timestamp>,
    /// Since when an original is out of the map whose parameter is there.
    left: BTreeMap<ImageId, Timestamp>,
    /// When they are to be read again; at once, if it is not known.
    reads_at: Option<Timestamp>,
    writes_at: Option<Timestamp>,
    /// When the last change was made.
    changed: Option<Timestamp>,
    lets_go_since: Option<Timestamp>,
    failures: Failures,
    said: Option<Said>,
    has_let_go: bool,
    due: Option<Timestamp>,
}

/// When a reading of all of them began and ended: with many parameters that takes minutes.
#[derive(Debug, Clone, Copy)]
struct Reading {
    began: Timestamp,
    ended: Timestamp,
}

#[derive(Debug)]
struct Shown {
    value: Box<str>,
    version: i64,
}

#[derive(Debug)]
struct Written {
    copy: ImageId,
    at: Timestamp,
    /// How often AWS has taken it.
    times: u32,
    /// The version that was shown when it was written first.
    over: i64,
}

impl Written {
    /// Whether a reading that began then should show it: when its pages were read after that is not known.
    fn shows_in(&self, began: Timestamp) -> bool {
        self.at + SHOWS_AFTER <= began
    }

    /// Whether a reading that began then is too late for it not to show.
    fn is_late(&self, began: Timestamp) -> bool {
        self.times > 1 || self.shows_in(began)
    }
}

/// One that is not ours.
#[derive(Debug)]
struct Theirs {
    /// Its version when that was asked.
    version: i64,
    /// When it was asked. None, where it is to be asked again.
    asked: Option<Timestamp>,
    /// Whether the answer holds: the tags of what was just made may not show yet.
    is_final: bool,
}

impl ParameterWatch {
    /// None are kept.
    pub fn rest(&mut self) {
        if !self.prefix.is_empty() {
            *self = Self::default();
        }
    }

    /// It is put on record only now where they are kept: nothing was written there before.
    pub fn records(&mut self, prefix: &str) {
        if *self.prefix != *prefix {
            *self = Self {
                prefix: prefix.into(),
                ..Self::default()
            };
        }
    }

    /// The policy or somebody's rights have changed: what has failed is tried again at once.
    pub fn renewed(&mut self) {
        self.failures.renewed();
        self.theirs.values_mut().for_each(|theirs| theirs.asked = None);
        self.reads_at = None;
        self.listing = None;
    }

    /// These are to be kept from now on. What was known of others is forgotten.
    pub fn begins(&mut self, wanted: &Wanted<'_>, now: Timestamp) {
        if *self.prefix != *wanted.prefix {
            // Whoever has let go of the former ones has put these on record itself.
            let is_known = self.has_let_go;
            *self = Self {
                prefix: wanted.prefix.into(),
                blind_until: (!is_known).then(|| now + SHOWS_AFTER),
                ..Self::default()
            };
        }
        if !wanted.lets_go {
            self.lets_go_since = None;
        } else if self.lets_go_since.is_none() {
            self.lets_go_since = Some(now);
            self.reads_at = None;
            self.listing = None;
        }
        self.forget_old_listing(now);
        let is_left = |original: &ImageId| !wanted.copies.contains_key(original);
        self.left
            .retain(|original, _| is_left(original) && self.shown.contains_key(original));
        for original in self.shown.keys().filter(|original| is_left(original)) {
            self.left.entry(original.clone()).or_insert(now);
        }
    }

    /// Whether they are to be read now.
    pub fn is_read_due(&self, wanted: &Wanted<'_>, now: Timestamp) -> bool {
        self.next_read(wanted, now) <= now
    }

    /// When they are to be read next. While a prefix is emptied, what was read before says what is left to do.
    fn next_read(&self, wanted: &Wanted<'_>, now: Timestamp) -> Timestamp {
        let at = match (self.listing_goes_on_at(), self.read, self.reads_at) {
            (Some(at), ..) => at,
            (None, Some(read), Some(at)) if wanted.lets_go && self.has_pending(wanted, now) => {
                at.max(read.ended + READ_AGAIN)
            }
            (None, Some(_), Some(at)) => at,
            _ => now,
        };
        self.failures.until(Call::Read).map_or(at, |until| at.max(until))
    }

    /// All of them were read, from `began` until now.
    pub fn read(&mut self, wanted: &Wanted<'_>, found: Vec<StoredParameter>, began: Timestamp, now: Timestamp) {
        let found = found.into_iter().filter_map(|one| {
            let shown = Shown {
                value: one.value,
                version: one.version,
            };
            Some((wanted.original(&one.name)?, shown))
        });
        self.shown = found.collect();
        let shown = &self.shown;
        let is_wanted = |original: &ImageId, written: &Written| wanted.copies.get(original) == Some(&written.copy);
        self.written.retain(|original, written| {
            let shows = shown
                .get(original)
                .is_some_and(|one| *one.value == *written.copy.as_str());
            !shows && (is_wanted(original, written) || !written.shows_in(began))
        });
        self.wrote.retain(|_, at| now < *at + SHOWS_AFTER);
        self.theirs
            .retain(|original, theirs| shown.get(original).is_some_and(|one| one.version == theirs.version));
        self.refused.clear();
        self.not_before.retain(|_, until| now < *until);
        self.read = Some(Reading { began, ended: now });
        self.failures.passed(&[Call::Read]);
        self.refuses_tokens = false;
        self.begins(wanted, now);
        // What does not show in time is told, and is no reason to read all of them every minute.
        let is_awaited = self
            .written
            .iter()
            .any(|(original, written)| !is_wanted(original, written) || !written.is_late(began));
        self.reads_at = Some(match self.quiet_at() {
            Some(quiet) if now < quiet => quiet.clamp(now + READ_BACK, now + READ_BACK_AGAIN),
            None if !is_awaited => now + READ_AGAIN,
            _ => now + READ_BACK_AGAIN,
        });
    }

    /// What is to be done in this visit.
    pub fn steps(&mut self, wanted: &Wanted<'_>, now: Timestamp) -> Vec<Step> {
        let is_too_soon = self.writes_at.is_some_and(|at| now < at);
        if self.read.is_none() || is_too_soon {
            return Vec::new();
        }
        let steps: Vec<Step> = self.possible(wanted, now).take(AT_A_TIME).collect();
        if !steps.is_empty() {
            self.writes_at = Some(now + APART);
        }
        steps
    }

    /// Whether a step can be made: nothing that it takes has failed just before.
    pub fn may(&self, step: &Step, now: Timestamp) -> bool {
        self.failures.lets(step, now)
    }

    /// What can be done now. While they are read nothing changes, as the pages that were read before would not show it: only what somebody
    /// has decided about goes, which waits for nothing.
    fn possible(&self, wanted: &Wanted<'_>, now: Timestamp) -> impl Iterator<Item = Step> {
        let is_decided =
            move |step: &Step| matches!(step, Step::Delete { original } if wanted.decided.contains(original));
        let is_reading = self.listing.is_some();
        let steps = self.pending(wanted, now);
        steps.filter(move |step| (!is_reading || is_decided(step)) && self.may(step, now))
    }

    /// All that is to be done: what somebody has decided about first, what names another copy next, and what is deleted before anything
    /// is made, since that makes room.
    fn pending(&self, wanted: &Wanted<'_>, now: Timestamp) -> impl Iterator<Item = Step> {
        let wrong = wanted.copies.iter().filter_map(move |(original, copy)| {
            let shown = self.shown.get(original)?;
            let is_wrong = *shown.value != *copy.as_str() && !self.is_left_alone(wanted, original, now);
            (is_wrong && self.is_open(original, copy)).then(|| Step::Set {
                original: original.clone(),
                copy: copy.clone(),
            })
        });
        let missing = wanted.copies.iter().filter_map(move |(original, copy)| {
            let is_free = self.not_before.get(original).is_none_or(|until| *until <= now);
            let is_missing = !self.shown.contains_key(original) && is_free;
            (is_missing && self.is_open(original, copy)).then(|| Step::Create {
                original: original.clone(),
                copy: copy.clone(),
            })
        });
        self.leaving(wanted, now, true)
            .chain(wrong)
            .chain(self.leaving(wanted, now, false))
            .chain(missing)
    }

    /// Whether there is anything to be done, be it once a call may be made again.
    fn has_pending(&self, wanted: &Wanted<'_>, now: Timestamp) -> bool {
        self.read.is_some() && self.pending(wanted, now).next().is_some()
    }

    /// Whether AWS is to be told that an original's parameter holds this copy: not before the last reading should have shown that it was.
    fn is_open(&self, original: &ImageId, copy: &ImageId) -> bool {
        let written = self.written.get(original).filter(|written| written.copy == *copy);
        let should_show = |written: &Written| self.read.is_some_and(|read| written.shows_in(read.began));
        !self.refused.contains_key(original) && written.is_none_or(should_show)
    }

    /// Whether an original's parameter is known not to be ours. Who wants it, or wants it gone, is to hear of it when it is.
    fn is_left_alone(&self, wanted: &Wanted<'_>, original: &ImageId, now: Timestamp) -> bool {
        let Some(theirs) = self.theirs.get(original) else {
            return false;
        };
        let holds_for = |time: Duration| theirs.asked.is_some_and(|asked| now < asked + time);
        let is_in_the_way = wanted.copies.contains_key(original) || wanted.decided.contains(original);
        match (theirs.is_final, is_in_the_way) {
            (false, _) => holds_for(READ_BACK_AGAIN),
            (true, true) => holds_for(ASK_AGAIN),
            (true, false) => true,
        }
    }

    /// Those that are to go: the ones that somebody has decided about, or the others.
    fn leaving(&self, wanted: &Wanted<'_>, now: Timestamp, decided: bool) -> impl Iterator<Item = Step> {
        let goes = move |original: &&ImageId| {
            let is_decided = wanted.decided.contains(*original);
            let is_meant = is_decided == decided && !wanted.copies.contains_key(*original);
            let is_open = !self.is_left_alone(wanted, original, now) && !self.refused.contains_key(*original);
            let has_stayed = self.stays_until(original).is_some_and(|until| until <= now);
            is_meant && is_open && (is_decided || wanted.lets_go || has_stayed)
        };
        self.shown.keys().filter(goes).map(|original| Step::Delete {
            original: original.clone(),
        })
    }

    /// Until when the parameter of an original stays that has left the map without a decision.
    fn stays_until(&self, original: &ImageId) -> Option<Timestamp> {
        self.left.get(original).map(|since| *since + STAYS_FOR)
    }

    /// Decides what is said after a visit, and when the next one is due.
    pub fn settle(&mut self, wanted: &Wanted<'_>, now: Timestamp) {
        if !self.failures.is_empty() {
            let calls = self.pending(wanted, now).flat_map(|step| Call::all_of(&step));
            let needed: BTreeSet<Call> = calls.copied().collect();
            self.failures.keep(&needed);
        }
        let is_more = self.has_pending(wanted, now);
        self.has_let_go = self.has_quieted(wanted) && !is_more;
        if let Some(said) = self.say(wanted, is_more) {
            self.said = Some(said);
        }
        self.due = self.next_visit(wanted, now);
    }

    fn next_visit(&self, wanted: &Wanted<'_>, now: Timestamp) -> Option<Timestamp> {
        let is_ready = self.read.is_some() && self.possible(wanted, now).next().is_some();
        let write = is_ready.then(|| self.writes_at.unwrap_or(now));
        let leaves = self
            .shown
            .keys()
            .filter(|original| !self.theirs.contains_key(*original) && !self.refused.contains_key(*original));
        let leaves = leaves.filter_map(|original| self.stays_until(original));
        let free = self.not_before.iter();
        let free = free.filter_map(|(original, until)| wanted.copies.contains_key(original).then_some(*until));
        let doubtful = self.theirs.values().filter(|theirs| !theirs.is_final);
        let asks = doubtful.filter_map(|theirs| Some(theirs.asked? + READ_BACK_AGAIN));
        let later = leaves.chain(free).chain(asks).chain(self.failures.ends());
        let later = later.filter(|at| *at > now);
        later.chain(write).chain([self.next_read(wanted, now)]).min()
    }

    /// When nothing can come to show any more that was written under a prefix that is let go of.
    fn quiet_at(&self) -> Option<Timestamp> {
        let since = self.lets_go_since?;
        let quiet = self.changed.map_or(since, |changed| changed.max(since)) + QUIET_FOR;
        let shows = self.written.values().map(|written| written.at + SHOWS_AFTER);
        shows.chain(self.blind_until).chain([quiet]).max()
    }

    /// Whether a reading since then has shown nothing.
    fn has_quieted(&self, wanted: &Wanted<'_>) -> bool {
        let (Some(quiet), Some(read)) = (self.quiet_at(), self.read) else {
            return false;
        };
        let is_doubtful = self.theirs.values().any(|theirs| !theirs.is_final);
        let is_open = is_doubtful || !self.refused.is_empty() || !self.failures.is_empty();
        wanted.lets_go && !is_open && quiet <= read.began
    }

    /// Whether nothing of ours is left under this prefix.
    pub fn has_let_go(&self, prefix: &str) -> bool {
        *self.prefix == *prefix && self.has_let_go
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }
}
