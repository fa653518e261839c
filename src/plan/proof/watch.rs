//! When it is looked for instances that are left over.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

/// How often, while instances are under way, and once after that.
const EVERY: Duration = Duration::from_secs(600);
/// How soon after a look that has failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// When it is looked for instances that are left over in an account and region.
#[derive(Debug, Default)]
pub struct ProofWatch {
    due: Option<Timestamp>,
    /// UIDs of the migrations that have an instance under way.
    under_way: BTreeSet<String>,
}

impl ProofWatch {
    /// Takes in which migrations have an instance under way. Where one is gone, its instance is left over; where one is done, a look
    /// is taken once more.
    pub fn observe(&mut self, under_way: BTreeSet<String>, is_there: impl Fn(&str) -> bool, now: Timestamp) {
        let ended = || self.under_way.difference(&under_way);
        let (is_left_over, has_ended) = (ended().any(|uid| !is_there(uid)), ended().next().is_some());
        if is_left_over {
            self.soon(now);
        } else if has_ended || !under_way.is_empty() {
            self.due.get_or_insert(later(now, EVERY));
        }
        self.under_way = under_way;
    }

    /// The account and region were scanned, where policies ask for proofs.
    pub fn soon(&mut self, now: Timestamp) {
        self.due = Some(self.due.map_or(now, |due| due.min(now)));
    }

    /// Whether any instance may be under way, or left over, as far as is known.
    pub fn may_have_left_any(&self) -> bool {
        self.due.is_some() || !self.under_way.is_empty()
    }

    /// When a look is due.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether it is.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// It was looked.
    pub fn looked(&mut self, has_failed: bool, now: Timestamp) {
        self.due = if has_failed {
            Some(later(now, AFTER_FAILURE))
        } else {
            (!self.under_way.is_empty()).then(|| later(now, EVERY))
        };
    }
}

fn later(now: Timestamp, wait: Duration) -> Timestamp {
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}
