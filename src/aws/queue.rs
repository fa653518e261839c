//! The line before a bucket, of those who do not stay: each is told when to come back, and keeps its place meanwhile.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// How long after its moment a place is kept for one who does not come: an object may be deleted, or be worked on by others.
const GRACE: Duration = Duration::from_secs(60);

/// Who is in line. All moments are of the monotonic clock.
#[derive(Debug, Default)]
pub(super) struct Line {
    places: BTreeMap<u64, Waiting>,
    numbers: HashMap<Arc<str>, u64>,
    next: u64,
}

#[derive(Debug)]
struct Waiting {
    who: Arc<str>,
    /// Since when.
    since: Duration,
    /// When to come back, as was said last.
    due: Duration,
}

impl Line {
    /// How many tokens there have to be besides its own for `who` to be served now: one for each of those before it.
    pub(super) fn ahead(&mut self, who: &str, now: Duration) -> f64 {
        self.forget_late(now);
        let Some((first, _)) = self.places.first_key_value() else {
            return 0.0;
        };
        let number = self.numbers.get(who).copied().unwrap_or(self.next);
        // Those who were served before their turn have left gaps: then this is a little more than there are.
        let ahead = u32::try_from(number - first).unwrap_or(u32::MAX);
        f64::from(ahead)
    }

    /// Whether `who` is in line.
    pub(super) fn has(&self, who: &str) -> bool {
        self.numbers.contains_key(who)
    }

    /// `who` has to come back after `wait`.
    pub(super) fn stand(&mut self, who: &Arc<str>, now: Duration, wait: Duration) {
        let due = now.saturating_add(wait);
        if let Some(place) = self.numbers.get(who).and_then(|number| self.places.get_mut(number)) {
            place.due = due;
            return;
        }
        let place = Waiting {
            who: who.clone(),
            since: now,
            due,
        };
        self.places.insert(self.next, place);
        self.numbers.insert(who.clone(), self.next);
        self.next += 1;
    }

    /// `who` is served. Says since when it had been in line, if it had.
    pub(super) fn leave(&mut self, who: &str) -> Option<Duration> {
        let number = self.numbers.remove(who)?;
        self.places.remove(&number).map(|place| place.since)
    }

    /// Whether somebody should be back by now.
    pub(super) fn is_anybody_due(&self, now: Duration) -> bool {
        let first = self.places.first_key_value();
        first.is_some_and(|(_, place)| place.due <= now)
    }

    /// Nobody waits behind one who does not come.
    fn forget_late(&mut self, now: Duration) {
        while let Some(first) = self.places.first_entry()
            && first.get().due.saturating_add(GRACE) < now
        {
            let place = first.remove();
            self.numbers.remove(&place.who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn places_are_kept_in_the_order_in_which_they_were_taken() {
        let mut line = Line::default();
        for (who, ahead) in [("a", 0.0), ("b", 1.0), ("c", 2.0)] {
            assert_eq!(line.ahead(who, SECOND), ahead);
            line.stand(&name(who), SECOND, SECOND);
        }
        line.stand(&name("a"), SECOND * 2, SECOND * 5);
        assert_eq!(line.ahead("a", SECOND * 2), 0.0, "who comes too early keeps its place");
        assert_eq!(line.leave("a"), Some(SECOND));
        assert_eq!(line.ahead("c", SECOND * 2), 1.0);
        assert_eq!(line.leave("a"), None);
        assert_eq!(line.ahead("a", SECOND * 2), 2.0, "behind all others");
    }

    #[test]
    fn one_who_does_not_come_back_is_waited_for_a_while_and_then_no_more() {
        let mut line = Line::default();
        line.stand(&name("gone"), Duration::ZERO, SECOND);
        line.stand(&name("b"), Duration::ZERO, SECOND * 100);
        assert!(line.is_anybody_due(SECOND));
        assert_eq!(line.ahead("b", SECOND + GRACE), 1.0);
        assert_eq!(line.ahead("b", SECOND * 2 + GRACE), 0.0);
        assert!(!line.is_anybody_due(SECOND * 2 + GRACE), "b is not due yet");
        assert_eq!(line.leave("gone"), None);
    }
}
