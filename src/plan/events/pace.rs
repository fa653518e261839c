//! How often a target follows hints.

use std::time::Duration;

use jiff::Timestamp;

use super::{Wanted, relay};

/// A target follows hints once in this time: what comes in between is followed together, at the end of it.
pub const APART: Duration = Duration::from_secs(60);
/// Whoever makes an image tags it by later calls. A scan takes what it sees, and so it waits for these; a look sees an image twice.
const SETTLES: Duration = Duration::from_secs(10);

/// The hints for one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HintWatch {
    wanted: Wanted,
    /// When the first of these hints came.
    since: Option<Timestamp>,
    /// When hints were last followed.
    followed: Option<Timestamp>,
    /// Not before then.
    rests: Option<Timestamp>,
    /// What another replica has told last.
    heard: Option<Box<str>>,
}

impl HintWatch {
    /// A hint has come.
    pub fn note(&mut self, wanted: Wanted, now: Timestamp) {
        if wanted.is_empty() {
            return;
        }
        self.wanted.take_up(wanted);
        self.since.get_or_insert(now);
    }

    /// Another replica has told this, by an annotation. It is told once, and believed only shortly after: `system_time` is what the
    /// machine takes for the time of day.
    pub fn hear(&mut self, text: Option<&str>, system_time: Timestamp, now: Timestamp) {
        if self.heard.as_deref() == text {
            return;
        }
        self.heard = text.filter(|text| text.len() <= relay::LONGEST).map(Into::into);
        let told = self.heard.as_deref().and_then(|text| relay::heard(text, system_time));
        if let Some(wanted) = told {
            self.note(wanted, now);
        }
    }

    /// When to follow them, if there are any. `looks` says whether new images are looked for without a scan.
    pub fn due(&self, looks: bool) -> Option<Timestamp> {
        let waits = self.wanted.new_images && !looks;
        let since = self.since?;
        let due = if waits { later(since, SETTLES) } else { since };
        Some(self.rests.map_or(due, |rests| rests.max(due)))
    }

    /// What is to be followed now. The next hints are followed a minute later.
    pub fn take(&mut self, looks: bool, now: Timestamp) -> Option<Wanted> {
        if self.due(looks).is_none_or(|due| now < due) {
            return None;
        }
        self.since = None;
        self.followed = Some(now);
        self.rests = Some(later(now, APART));
        Some(std::mem::take(&mut self.wanted))
    }

    /// What was begun for them has ended. Where it takes long, it takes no more than half of the time.
    pub fn ended(&mut self, now: Timestamp) {
        let (Some(followed), Some(rests)) = (self.followed.take(), self.rests) else {
            return;
        };
        let took = Duration::try_from(now.duration_since(followed)).unwrap_or_default();
        self.rests = Some(rests.max(later(now, took)));
    }

    /// Nothing is followed any more.
    pub fn rest(&mut self) {
        self.wanted = Wanted::default();
        self.since = None;
    }

    /// Whether nothing is left to be known: no hint waits, and the next one need not wait.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.since.is_none() && self.rests.is_none_or(|rests| rests <= now)
    }
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
