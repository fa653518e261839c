//! How often one object may be written.
//!
//! An object that comes to rest needs a handful of writes, and a migration four or five more for each consumer that is moved. Two who
//! see it differently, as when somebody runs amiseal twice in a cluster, would write it in turns for ever, as fast as the API server
//! answers.

use std::time::Duration;

/// How many writes may follow each other at once.
const BURST: f64 = 40.0;
/// How many more are allowed each second.
const PER_SECOND: f64 = 0.1;
/// So many are kept for what people or other controllers wait for, and are not spent on what a later write says as well.
const KEPT: f64 = 20.0;

/// So many are given up for each status of somebody else's that is seen in place of ours. Who writes in turns with another
/// has seven turns at once, in place of forty; a person or a backup who does so once or twice slows nothing down.
const OVERWRITTEN: f64 = 5.0;

/// How long after the last write counts of work that goes on are written again.
const COUNTS_APART: Duration = Duration::from_secs(120);

/// How soon a write is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Something else is said than before.
    Now,
    /// The same is said in other words or numbers. It may be put together with what comes after it: of a thousand changes of a
    /// count the last one is what people want to know.
    Later,
    /// The same is said in other numbers, which are about to change again, as while images are copied.
    WhileBusy,
}

/// The writes that are left to one object. Times are of the monotonic clock, and never go back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Allowance {
    left: f64,
    at: Duration,
}

impl Allowance {
    /// That of an object which was not written yet.
    pub fn new(now: Duration) -> Self {
        Self { left: BURST, at: now }
    }

    /// Whether one more write is allowed.
    pub fn allows(&self, now: Duration) -> bool {
        self.left_at(now) >= 1.0
    }

    /// Counts a write that was made. One that the API server refused or never saw is not: after an outage nothing waits for
    /// what did not happen.
    pub fn count(&mut self, now: Duration) {
        *self = Self {
            left: (self.left_at(now) - 1.0).max(0.0),
            at: now,
        };
    }

    /// Gives some up, as somebody else has written what we write.
    pub fn overwritten(&mut self, now: Duration) {
        *self = Self {
            left: (self.left_at(now) - OVERWRITTEN).max(0.0),
            at: now,
        };
    }

    /// How long to wait before one more write of this urgency.
    pub fn rest(&self, urgency: Urgency, now: Duration) -> Duration {
        let wanted = if urgency == Urgency::Now { 1.0 } else { KEPT + 1.0 };
        let missing = (wanted - self.left_at(now)).max(0.0);
        let rest = Duration::try_from_secs_f64(missing / PER_SECOND).unwrap_or(Duration::MAX);
        if urgency == Urgency::WhileBusy {
            rest.max(COUNTS_APART.saturating_sub(now.saturating_sub(self.at)))
        } else {
            rest
        }
    }

    fn left_at(&self, now: Duration) -> f64 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        (self.left + passed * PER_SECOND).min(BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many writes, one each millisecond from then on, are allowed.
    fn made(allowance: &mut Allowance, from: Duration, tries: u64) -> usize {
        let moments = (0..tries).map(|millis| from + Duration::from_millis(millis));
        let made = |now: &Duration| {
            let allows = allowance.allows(*now);
            if allows {
                allowance.count(*now);
            }
            allows
        };
        moments.filter(made).count()
    }

    #[test]
    fn a_burst_is_allowed_and_then_one_each_ten_seconds() {
        let mut allowance = Allowance::new(Duration::ZERO);
        assert_eq!(made(&mut allowance, Duration::ZERO, 1000), 40);
        assert_eq!(made(&mut allowance, Duration::from_secs(11), 1000), 1);
        assert_eq!(made(&mut allowance, Duration::from_secs(32), 1000), 2);
        assert_eq!(made(&mut allowance, Duration::from_secs(86_400), 1000), 40);
    }

    #[test]
    fn two_who_write_in_turns_have_a_few_turns_at_once_and_then_one_each_ten_seconds() {
        let mut allowance = Allowance::new(Duration::ZERO);
        let turns = |allowance: &mut Allowance, now: Duration| {
            let turns = (0..100).take_while(|_| {
                let allows = allowance.allows(now);
                if allows {
                    allowance.count(now);
                    allowance.overwritten(now);
                }
                allows
            });
            turns.count()
        };
        assert_eq!(turns(&mut allowance, Duration::ZERO), 7);
        assert_eq!(turns(&mut allowance, Duration::from_secs(10)), 1);
        assert_eq!(turns(&mut allowance, Duration::from_secs(60)), 1);
        // A status that was restored from a backup slows nothing down.
        let mut allowance = Allowance::new(Duration::ZERO);
        (0..2).for_each(|_| allowance.overwritten(Duration::ZERO));
        assert_eq!(made(&mut allowance, Duration::ZERO, 1000), 30);
    }

    #[test]
    fn what_may_wait_leaves_half_of_the_burst_to_what_may_not() {
        let mut allowance = Allowance::new(Duration::ZERO);
        let rests = |allowance: &Allowance| {
            [Urgency::Later, Urgency::Now].map(|urgency| allowance.rest(urgency, Duration::ZERO).as_secs())
        };
        for _ in 0..20 {
            assert_eq!(rests(&allowance), [0, 0]);
            allowance.count(Duration::ZERO);
        }
        assert_eq!(rests(&allowance), [10, 0]);
        (0..20).for_each(|_| allowance.count(Duration::ZERO));
        assert_eq!(rests(&allowance), [210, 10]);
        assert!(allowance.allows(Duration::ZERO + allowance.rest(Urgency::Now, Duration::ZERO)));
    }

    #[test]
    fn counts_of_work_that_goes_on_are_written_every_two_minutes() {
        let mut allowance = Allowance::new(Duration::ZERO);
        allowance.count(Duration::from_secs(100));
        let rest = |urgency, at| allowance.rest(urgency, Duration::from_secs(at)).as_secs();
        assert_eq!(rest(Urgency::WhileBusy, 100), 120);
        assert_eq!(rest(Urgency::WhileBusy, 145), 75);
        assert_eq!(rest(Urgency::WhileBusy, 220), 0);
        assert_eq!([rest(Urgency::Later, 100), rest(Urgency::Now, 100)], [0, 0]);
    }

    #[test]
    fn what_was_not_written_is_not_counted() {
        let allowance = Allowance::new(Duration::ZERO);
        assert!((0..1000).all(|second| allowance.allows(Duration::from_secs(second))));
    }
}
