//! When a migration is created again that was created before. A person deletes one and has it made again at once. Two processes that
//! see an image differently, as when somebody runs amiseal twice in a cluster, would delete and create it in turns for ever, as fast
//! as the API server answers.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::ImageId;

/// How long a migration that was created may take to show in the watch before it is created again.
const SHOWS_AFTER: Duration = Duration::from_secs(30);
/// The first and the longest wait before a migration is created for the third time and on.
const APART: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(600));
/// After so long without, it is as if it had never been created.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// The migrations of a target that were created lately, by their source.
#[derive(Debug, Default)]
pub struct Creations {
    created: HashMap<ImageId, Created>,
    /// When one that is held back may be created.
    due: Option<Timestamp>,
}

#[derive(Debug)]
struct Created {
    at: Timestamp,
    times: u32,
    shown: bool,
}

impl Created {
    fn not_before(&self) -> Timestamp {
        let wait = match (self.shown, self.times) {
            (false, _) => SHOWS_AFTER,
            (true, 0 | 1) => Duration::ZERO,
            (true, times) => APART.0.saturating_mul(1 << (times - 2).min(8)).min(APART.1),
        };
        self.at + wait
    }
}

impl Creations {
    /// Begins a look at the target's migrations, of which these are there.
    pub fn look(&mut self, is_there: impl Fn(&ImageId) -> bool, now: Timestamp) {
        self.due = None;
        self.created.retain(|source, created| {
            created.shown |= is_there(source);
            now < created.at + FORGOTTEN
        });
    }

    /// Whether a migration is not to be created yet.
    pub fn holds_back(&mut self, source: &ImageId, now: Timestamp) -> bool {
        let not_before = self.created.get(source).map(Created::not_before);
        let Some(not_before) = not_before.filter(|not_before| *not_before > now) else {
            return false;
        };
        self.due = Some(self.due.map_or(not_before, |due| due.min(not_before)));
        true
    }

    /// It was created.
    pub fn created(&mut self, source: &ImageId, now: Timestamp) {
        let times = self.created.get(source).map_or(0, |created| created.times);
        let created = Created {
            at: now,
            times: times.saturating_add(1),
            shown: false,
        };
        self.created.insert(source.clone(), created);
    }

    /// When one that is held back may be created.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{at, image_id};

    #[test]
    fn what_somebody_deletes_is_made_again_at_once_and_less_often_where_it_goes_again_and_again() {
        let mut creations = Creations::default();
        let source = image_id(1);
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..10 {
            let mut wait = 0;
            while creations.holds_back(&source, at(now + wait)) {
                assert!(creations.due().is_some_and(|due| due > at(now + wait)));
                wait += 1;
            }
            waits.push(wait);
            now += wait;
            creations.created(&source, at(now));
            creations.look(|_| true, at(now));
        }
        assert_eq!(waits, [0, 0, 10, 20, 40, 80, 160, 320, 600, 600]);
        creations.look(|_| false, at(now + 3600));
        assert!(!creations.holds_back(&source, at(now + 3600)), "it is forgotten");
    }

    #[test]
    fn one_that_was_created_is_waited_for_to_show() {
        let mut creations = Creations::default();
        creations.created(&image_id(1), at(0));
        creations.look(|_| false, at(1));
        assert!(creations.holds_back(&image_id(1), at(29)) && !creations.holds_back(&image_id(2), at(1)));
        assert_eq!(creations.due(), Some(at(30)));
        assert!(!creations.holds_back(&image_id(1), at(30)));
    }
}
