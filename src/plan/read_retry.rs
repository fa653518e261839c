//! When a read that has failed is tried again.

use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use super::problem;
use crate::domain::AwsError;

/// As many failures in a row of a kind that passes by itself are not worth a word.
const SAID_AFTER: u32 = 3;

/// One kind of read: its failures in a row, and when it is tried again. That waits for nothing else: what else is due, and what
/// else there is to look at, has its own times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retry {
    failures: u32,
    due: Option<Timestamp>,
    problem: Option<Problem>,
}

impl Retry {
    /// When it is tried again; none while the last one has not failed.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether it may not be tried yet.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.due.is_some_and(|due| due > now)
    }

    /// What people are told of it: at once where one of them has to act, else once it has failed for a while.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// It has succeeded.
    pub fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It has failed once more. `spread` keeps many that have failed together from being tried again together. Says how many
    /// failures these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + spread(problem::retry_after(error, self.failures)));
        let is_said = problem::needs_a_person(error) || self.failures >= SAID_AFTER;
        self.problem = is_said.then(|| problem::of_error(error));
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::reason;
    use crate::domain::{ErrorClass, Operation};
    use crate::plan::testing::{at, failed_call};

    fn error(class: ErrorClass) -> AwsError {
        failed_call(Operation::DescribeImages, class)
    }

    #[test]
    fn what_has_failed_is_tried_again_later_each_time_and_as_if_nothing_had_been_once_it_succeeds() {
        let mut retry = Retry::default();
        assert!(!retry.waits(at(0)) && retry.due().is_none());
        for (failures, wait) in [(1, 2), (2, 4), (3, 8)] {
            assert_eq!(
                retry.failed(&error(ErrorClass::Throttled), at(100), |wait| wait),
                failures
            );
            assert_eq!(retry.due(), Some(at(100 + wait)));
            assert!(retry.waits(at(99 + wait)) && !retry.waits(at(100 + wait)));
        }
        retry.succeeded();
        assert_eq!(retry, Retry::default());
        retry.failed(&error(ErrorClass::Throttled), at(0), |wait| wait / 2);
        assert_eq!(retry.due(), Some(at(1)), "spread");
    }

    #[test]
    fn people_are_told_at_once_where_they_have_to_act_and_else_after_a_while() {
        for (class, told) in [
            (ErrorClass::Denied, [Some(reason::ACCESS_DENIED); 3]),
            (ErrorClass::Throttled, [None, None, Some(reason::THROTTLED)]),
            (ErrorClass::Transient, [None, None, Some(reason::TRANSIENT_ERROR)]),
        ] {
            let mut retry = Retry::default();
            for expected in told {
                retry.failed(&error(class), at(0), |wait| wait);
                assert_eq!(retry.problem().map(|problem| problem.reason), expected, "{class:?}");
            }
        }
    }
}
