//! What is known of the guardrails of an account and region, and when they are read and set.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::Asked;
use super::images::ImagesStanding;
use super::key::{self, Hindrance, KeyStanding};
use super::reading::{Reading, Verdict};
use super::request::{Failure, Fate, Request, later, problem_of};
use crate::api::{GuardrailName, GuardrailStatus};
use crate::domain::{AllowedState, AwsError, Guardrail, GuardrailChange, KeyArn};
use crate::plan::obstacle::{KeyView, Problem};
use crate::plan::problem;

/// How soon after AWS was asked it is read whether that shows, and how soon again at the latest.
const READ_BACK: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(120));
/// How old a reading may be that something is set by.
const FRESH: Duration = Duration::from_secs(60);
/// How old a reading of what is in use may be that images come to be refused by.
const IN_USE_FOR: Duration = Duration::from_secs(3600);

/// Guardrails, and what was asked besides.
#[derive(Debug)]
pub struct Fetched {
    /// The guardrails.
    pub readings: Vec<Reading>,
    /// Whether the policy's key may be the default one, where that matters.
    pub key: KeyStanding,
    /// Of which key that was asked.
    pub key_of: Option<KeyArn>,
    /// Whether Allowed AMIs would refuse what is in use, where that matters.
    pub images: ImagesStanding,
    /// When that was read by which they are judged.
    pub images_of: Option<Timestamp>,
}

/// What is known by now besides the guardrails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Knows {
    /// Whether it is known who launches there.
    pub launchers: bool,
    /// When it was read which images are in use there, where that is known.
    pub images: Option<Timestamp>,
}

/// Whether Allowed AMIs come to refuse images by the next call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Refuses {
    /// They do not.
    #[default]
    Not,
    /// They do, and that call has to wait.
    Later,
    /// They do, and it has not had to since then.
    Since(Timestamp),
}

/// The guardrails as they were read last, and what was done about them since.
#[derive(Debug, Default)]
pub struct GuardrailWatch {
    readings: BTreeMap<Guardrail, Reading>,
    requests: BTreeMap<Guardrail, Request>,
    /// Requests that are over, as they were on record. A watch may show them for a moment longer.
    over: BTreeMap<Guardrail, Timestamp>,
    failures: BTreeMap<Guardrail, Failure>,
    key: KeyStanding,
    key_of: Option<KeyArn>,
    images: ImagesStanding,
    images_of: Option<Timestamp>,
    /// Whether Allowed AMIs come to refuse images by the next call.
    refuses: Refuses,
    /// Whether it is known what earlier processes have put on record.
    has_record: bool,
    /// When all were read last, whatever came of it.
    read: Option<Timestamp>,
    /// When they are to be read again; at once, if it is not known.
    reads_at: Option<Timestamp>,
    /// Readings that have failed in a row.
    failed_reads: u32,
    due: Option<Timestamp>,
}

impl GuardrailWatch {
    /// None are asked for. What AWS was asked to set is not forgotten: it may be asked for again.
    pub fn rest(&mut self) {
        if self.read.is_none() && self.due.is_none() {
            return;
        }
        let mut requests = std::mem::take(&mut self.requests);
        requests.retain(|_, request| request.asked.is_some());
        *self = Self {
            requests,
            ..Self::default()
        };
    }

    /// The policy or somebody's rights have changed: what has failed is tried again at once.
    pub fn renewed(&mut self) {
        self.failures.clear();
        self.failed_reads = 0;
        self.reads_at = None;
    }

    /// The account and region were scanned: what is read is to be as new.
    pub fn scanned(&mut self) {
        self.reads_at = None;
    }

    /// An event says that somebody has changed one. While they cannot be read, they are read no sooner for that.
    pub fn hinted(&mut self) {
        if self.failed_reads == 0 {
            self.reads_at = None;
        }
    }

    /// Whether they are to be read now. What is known by now may have been waited for.
    pub fn is_read_due(&self, asked: &[Asked], knows: Knows, now: Timestamp) -> bool {
        let is_new = asked.iter().any(|one| !self.readings.contains_key(&one.guardrail));
        let has_come = self.key == KeyStanding::Waiting && knows.launchers;
        let waited_for = has_come || self.has_other_images(knows.images);
        !asked.is_empty() && (is_new || waited_for || self.reads_at.is_none_or(|at| at <= now))
    }

    /// Whether what is in use is another thing by now than what Allowed AMIs were judged by, and that matters.
    fn has_other_images(&self, read: Option<Timestamp>) -> bool {
        match self.images {
            ImagesStanding::Waiting => read.is_some(),
            ImagesStanding::MayRefuse(..) => read.is_some() && read != self.images_of,
            _ => false,
        }
    }

    /// They were read, and what is in use comes to be judged. Nothing comes to be refused before a while has gone by since the last call:
    /// whoever was refused an image may have turned Allowed AMIs off for it, and come to launch it since.
    pub fn looks_ahead(&mut self, asked: &[Asked], readings: &[Reading], now: Timestamp) {
        let is_of_images = |guardrail: Guardrail| guardrail == Guardrail::AllowedImages;
        let one = asked.iter().find(|one| is_of_images(one.guardrail));
        let reading = readings.iter().find(|reading| is_of_images(reading.guardrail()));
        // What could not be read may be as before.
        if reading.is_some_and(|reading| reading.error().is_some()) {
            return;
        }
        let is_next = one
            .zip(reading)
            .is_some_and(|(one, reading)| reading.comes_to_refuse(one));
        let request = self.requests.get(&Guardrail::AllowedImages);
        let settles = request.is_some_and(|request| request.is_settling(now));
        let failure = self.failures.get(&Guardrail::AllowedImages);
        let fails = failure.is_some_and(|failure| now < failure.until);
        self.refuses = match (is_next, self.refuses) {
            (false, _) => Refuses::Not,
            (true, _) if settles => Refuses::Later,
            (true, Refuses::Since(since)) => Refuses::Since(since),
            (true, _) if fails => Refuses::Later,
            (true, _) => Refuses::Since(now),
        };
    }

    /// Since when a reading of what is in use must have begun that images come to be refused by: since they may be, and in the last hour.
    /// None where they do not come to be.
    pub fn in_use_since(&self, now: Timestamp) -> Option<Timestamp> {
        match self.refuses {
            Refuses::Not => None,
            Refuses::Later => Some(Timestamp::MAX),
            Refuses::Since(since) => Some(earlier(since, FRESH).max(earlier(now, IN_USE_FOR))),
        }
    }

    /// Whether images come to be refused as soon as there is such a reading, so that it is asked for.
    pub fn waits_for_images(&self) -> bool {
        matches!(self.refuses, Refuses::Since(_))
    }

    /// They were read. They are read again after one and a half intervals of scans, after each of which they are too.
    pub fn fetched(
        &mut self,
        fetched: Fetched,
        interval: Duration,
        now: Timestamp,
        spread: impl FnOnce(Duration) -> Duration,
    ) {
        let of_key = match &fetched.key {
            KeyStanding::Unread(error) => Some(error.clone()),
            _ => None,
        };
        let of_images = match &fetched.images {
            ImagesStanding::Unread(error) => Some(error.clone()),
            _ => None,
        };
        let mut failed = of_key.or(of_images);
        let was_well = self.failed_reads == 0;
        let mut readings = BTreeMap::new();
        let mut keeps_key = false;
        // That something would be refused is as true as before.
        let is_blip_of_images = was_well && matches!(fetched.images, ImagesStanding::Unread(_));
        let mut keeps_images = is_blip_of_images && matches!(self.images, ImagesStanding::MayRefuse(..));
        for reading in fetched.readings {
            failed = failed.or_else(|| reading.error().cloned());
            let before = self.readings.remove(&reading.guardrail());
            // What one call in a thousand runs into is not worth to say another thing.
            let is_blip = was_well && reading.passes();
            let kept = before.filter(|before| is_blip && before.error().is_none());
            // By a reading that has failed nobody was asked about the key.
            keeps_key |= kept.as_ref().is_some_and(key::is_of_key);
            keeps_images |= kept
                .as_ref()
                .is_some_and(|kept| kept.guardrail() == Guardrail::AllowedImages);
            readings.insert(reading.guardrail(), kept.unwrap_or(reading));
        }
        self.readings = readings;
        if !keeps_key {
            (self.key, self.key_of) = (fetched.key, fetched.key_of);
        }
        if !keeps_images {
            (self.images, self.images_of) = (fetched.images, fetched.images_of);
        }
        self.read = Some(now);
        let usual = interval + interval / 2;
        let wait = match failed {
            Some(error) => {
                self.failed_reads = self.failed_reads.saturating_add(1);
                spread(problem::retry_after(&error, self.failed_reads)).min(usual)
            }
            None => {
                self.failed_reads = 0;
                usual
            }
        };
        self.reads_at = Some(later(now, wait));
    }

    /// What AWS is to be asked to set in this visit: what is on record, by this process, and still wanted. Notes besides what is to be put
    /// on record.
    pub fn decide(
        &mut self,
        asked: &[Asked],
        key: &KeyView,
        record: &[GuardrailStatus],
        now: Timestamp,
    ) -> Vec<Guardrail> {
        self.take_over(record, now);
        self.close(asked, key, now);
        // Somebody else has set what could not be set.
        let readings = &self.readings;
        self.failures.retain(|guardrail, _| {
            let one = asked.iter().find(|one| one.guardrail == *guardrail);
            let found = one.zip(readings.get(guardrail));
            found.is_none_or(|(one, reading)| reading.verdict(one, key) != Verdict::Holds)
        });
        for one in asked {
            if self.is_to_be_set(one, key, now) {
                let of_key = one.guardrail == Guardrail::EncryptionByDefault;
                let request = Request::intended(now, key.arn().filter(|_| of_key).cloned());
                let before = self.requests.insert(one.guardrail, request);
                // A watch may show for a moment longer what this one takes the place of.
                self.over.extend(before.map(|request| (one.guardrail, request.at)));
            }
        }
        let is_ready = |(guardrail, request): &(&Guardrail, &Request)| {
            let waits = request.not_before.is_some_and(|until| now < until);
            let is_on_record = recorded(record, **guardrail) == Some(request.at);
            request.asked.is_none() && is_on_record && !waits && self.is_fresh(**guardrail, now)
        };
        let ready = self.requests.iter().filter(is_ready);
        ready.map(|(guardrail, _)| *guardrail).collect()
    }

    /// What another process has put on record may have been asked of AWS just now, as far as this one knows. It takes the place of what
    /// this one has only intended.
    fn take_over(&mut self, record: &[GuardrailStatus], now: Timestamp) {
        self.has_record = true;
        for guardrail in Guardrail::ALL {
            let Some(at) = recorded(record, guardrail) else {
                // The watch shows that it is gone.
                self.over.remove(&guardrail);
                continue;
            };
            let ours = self.requests.get(&guardrail);
            let is_known = ours.is_some_and(|ours| ours.at == at || ours.asked.is_some());
            if !is_known && self.over.get(&guardrail) != Some(&at) {
                self.requests.insert(guardrail, Request::found(at, now));
            }
        }
    }

    /// Ends what is shown, or must have come to show, and what is not wanted any more before AWS was asked.
    fn close(&mut self, asked: &[Asked], key: &KeyView, now: Timestamp) {
        let is_over = |(guardrail, request): (&Guardrail, &Request)| {
            let wanted = asked.iter().find(|one| one.guardrail == *guardrail && one.enforces);
            let is_over = match request.asked {
                None => wanted.is_none_or(|one| !request.is_for(key) || !self.may_set(one, key)),
                Some(_) if request.is_settling(now) => false,
                Some(_) => wanted.is_none_or(|one| self.has_settled(one, request, key)),
            };
            is_over.then_some((*guardrail, request.at))
        };
        let over: Vec<(Guardrail, Timestamp)> = self.requests.iter().filter_map(is_over).collect();
        for (guardrail, _) in &over {
            self.requests.remove(guardrail);
        }
        self.over.extend(over);
    }

    /// Whether a reading since it must have come to show says that it holds; of Allowed AMIs, that nothing more can be set of them for now.
    fn has_settled(&self, one: &Asked, request: &Request, key: &KeyView) -> bool {
        let Some(reading) = self.readings.get(&one.guardrail) else {
            return false;
        };
        let is_since = request.settles_at().is_none_or(|at| at <= reading.at());
        let is_all = one.allowed.is_some() && reading.error().is_none() && self.changes(one, key).is_empty();
        is_since && (is_all || reading.verdict(one, key) == Verdict::Holds)
    }

    /// Whether AWS is to be asked anew to set it.
    fn is_to_be_set(&self, one: &Asked, key: &KeyView, now: Timestamp) -> bool {
        let request = self.requests.get(&one.guardrail);
        // Who is asked about by now is waited for; that AWS was asked for another key is not.
        let request = request.filter(|request| request.is_for(key));
        let is_under_way = request.is_some_and(|request| request.asked.is_none() || request.is_settling(now));
        let fails = self.failures.get(&one.guardrail);
        let waits = fails.is_some_and(|failure| now < failure.until);
        let is_ready = !is_under_way && !waits && self.is_fresh(one.guardrail, now);
        one.enforces && is_ready && self.may_set(one, key)
    }

    /// Whether it may be set, by what was read of it and of the key.
    fn may_set(&self, one: &Asked, key: &KeyView) -> bool {
        let Some(reading) = self.readings.get(&one.guardrail) else {
            return false;
        };
        let has_key = !key::is_of_key(reading) || matches!(&self.key, KeyStanding::Usable(known) if is(known, key));
        has_key && reading.may_be_set(one, key) && !self.changes(one, key).is_empty()
    }

    fn is_fresh(&self, guardrail: Guardrail, now: Timestamp) -> bool {
        let reading = self.readings.get(&guardrail);
        reading.is_some_and(|reading| now < later(reading.at(), FRESH))
    }

    /// The calls that set a guardrail, in this order.
    pub fn changes(&self, asked: &Asked, key: &KeyView) -> Vec<GuardrailChange> {
        let reading = self.readings.get(&asked.guardrail);
        let changes = reading.map(|reading| reading.changes(asked, key, &self.images));
        changes.unwrap_or_default()
    }

    /// AWS is about to be asked.
    pub fn begins(&mut self, guardrail: Guardrail, now: Timestamp) {
        if guardrail == Guardrail::AllowedImages {
            // What comes after this call takes a reading of its own.
            self.refuses = Refuses::Not;
        }
        if let Some(request) = self.requests.get_mut(&guardrail) {
            request.asked = Some(now);
        }
    }

    /// AWS has taken all of it.
    pub fn taken(&mut self, guardrail: Guardrail, now: Timestamp) {
        self.failures.remove(&guardrail);
        self.begins(guardrail, now);
    }

    /// A call has failed, `took_some` after another one for the same guardrail was taken.
    pub fn failed(
        &mut self,
        guardrail: Guardrail,
        error: &AwsError,
        took_some: bool,
        now: Timestamp,
        spread: impl FnOnce(Duration) -> Duration,
    ) {
        let request = self.requests.get(&guardrail).cloned().filter(|_| !took_some);
        match (Fate::of(error), request) {
            (Fate::Waits(wait), Some(request)) => {
                let waiting = Request {
                    asked: None,
                    not_before: Some(later(now, wait)),
                    ..request
                };
                self.requests.insert(guardrail, waiting);
                return;
            }
            (Fate::NotDone, Some(request)) => {
                self.requests.remove(&guardrail);
                self.over.insert(guardrail, request.at);
                if guardrail == Guardrail::AllowedImages {
                    // Nothing was set: the next try goes by a reading of the last hour, or each would have everything read again.
                    self.refuses = Refuses::Since(earlier(now, IN_USE_FOR));
                }
            }
            // AWS may come to show it yet.
            _ => self.begins(guardrail, now),
        }
        let count = self.failures.get(&guardrail).map_or(0, |failure| failure.count);
        let count = count.saturating_add(1);
        let failure = Failure {
            problem: problem_of(error),
            count,
            until: later(now, spread(problem::retry_after(error, count))),
        };
        self.failures.insert(guardrail, failure);
    }

    /// Decides when the next visit is due.
    pub fn settle(&mut self, asked: &[Asked], key: &KeyView, now: Timestamp) {
        let sooner = asked.iter().filter_map(|one| self.reads_sooner(one, key, now)).min();
        if let (Some(at), Some(sooner)) = (self.reads_at, sooner) {
            self.reads_at = Some(at.min(sooner));
        }
        let waits = self.requests.values().filter(|request| request.asked.is_none());
        let waits = waits.filter_map(|request| request.not_before);
        self.due = waits
            .filter(|until| now < *until)
            .chain([self.reads_at.unwrap_or(now)])
            .min();
    }

    /// When it has to be read again for the sake of one of them.
    fn reads_sooner(&self, one: &Asked, key: &KeyView, now: Timestamp) -> Option<Timestamp> {
        let (guardrail, read) = (one.guardrail, self.read?);
        let holds = self.verdict(one, key) == Some(Verdict::Holds);
        let back = match self.requests.get(&guardrail) {
            Some(request) => match (request.asked, request.settles_at()) {
                (Some(_), Some(settles)) if holds => Some(settles.max(later(read, READ_BACK.0))),
                (Some(asked), Some(settles)) if request.is_settling(now) => {
                    let since = Duration::try_from(read.duration_since(asked)).unwrap_or_default();
                    let next = later(read.max(asked), since.clamp(READ_BACK.0, READ_BACK.1));
                    Some(next.min(settles))
                }
                (None, _) if !self.is_fresh(guardrail, now) => Some(now),
                _ => None,
            },
            None => None,
        };
        let fails = self.failures.get(&guardrail).filter(|_| one.enforces && !holds);
        let again = fails.map(|failure| failure.until).filter(|until| read < *until);
        let is_other_key = one.enforces
            && guardrail == Guardrail::EncryptionByDefault
            && !holds
            && key.arn().is_some()
            && key.arn() != self.key_of.as_ref();
        let of_key = is_other_key.then_some(now);
        [back, again, of_key].into_iter().flatten().min()
    }

    /// When there is something to do.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    pub(super) fn reading(&self, guardrail: Guardrail) -> Option<&Reading> {
        self.readings.get(&guardrail)
    }

    fn verdict(&self, one: &Asked, key: &KeyView) -> Option<Verdict> {
        self.reading(one.guardrail).map(|reading| reading.verdict(one, key))
    }

    /// Since when AWS is asked to set it. Before this process has looked at the record, what stands there.
    pub(super) fn requested(&self, guardrail: Guardrail, recorded: Option<Timestamp>) -> Option<Timestamp> {
        if !self.has_record {
            return recorded;
        }
        self.requests.get(&guardrail).map(|request| request.at)
    }

    /// Whether AWS was asked to set it, under this key, and not only is to be.
    pub(super) fn was_asked(&self, guardrail: Guardrail, key: &KeyView) -> bool {
        let request = self.requests.get(&guardrail);
        request.is_some_and(|request| request.asked.is_some() && request.is_for(key))
    }

    /// Whether what AWS was asked for may still come to show.
    pub(super) fn is_settling(&self, guardrail: Guardrail, key: &KeyView, now: Timestamp) -> bool {
        let request = self.requests.get(&guardrail);
        request.is_some_and(|request| request.is_settling(now) && request.is_for(key))
    }

    /// Whether nobody is asked about the key: AWS was asked to set it, nothing spoke against that, and it is not set again soon.
    pub(super) fn rests_on_key(&self, key: &KeyView, now: Timestamp) -> bool {
        let is_sound = matches!(self.key, KeyStanding::Usable(_) | KeyStanding::Unasked);
        is_sound && self.is_settling(Guardrail::EncryptionByDefault, key, later(now, FRESH))
    }

    /// Why it could not be set.
    pub(super) fn failure(&self, guardrail: Guardrail) -> Option<&Problem> {
        self.failures.get(&guardrail).map(|failure| &failure.problem)
    }

    /// What keeps Allowed AMIs from being set as they are wanted, where nothing else is to be set of them before.
    pub(super) fn images_hindrance(&self, one: &Asked, key: &KeyView) -> Option<Hindrance> {
        let state = self.reading(one.guardrail)?.state()?;
        if let AllowedState::Other(state) = AllowedState::named(state) {
            return Some(Hindrance::NotKnown(format!(
                "this version of amiseal does not know the state {state}."
            )));
        }
        let wanted = one.allowed.as_ref()?;
        let is_next = !self.changes(one, key).is_empty();
        self.images.hindrance(wanted).filter(|_| !is_next)
    }

    /// What Allowed AMIs would refuse, were they enabled.
    pub(super) fn images_note(&self, one: &Asked) -> Option<&str> {
        self.images.note(one.allowed.as_ref()?)
    }

    /// What keeps the policy's key, which it names `named`, from being the default one.
    pub(super) fn hindrance(&self, key: &KeyView, named: &str) -> Option<Hindrance> {
        self.key.hindrance(key, named)
    }
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap_or(Timestamp::MIN)
}

/// When AWS was asked to set it, as it is on record.
fn recorded(record: &[GuardrailStatus], guardrail: Guardrail) -> Option<Timestamp> {
    let name = GuardrailName::from(guardrail);
    let row = record.iter().find(|row| row.name == name)?;
    row.requested_at.as_ref().map(|time| time.0)
}

/// Whether this is the key that is known to be the policy's.
fn is(known: &KeyArn, key: &KeyView) -> bool {
    key.arn() == Some(known)
}
