//! When an account and region is scanned next, and what hinders it.

use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use super::problem;
use crate::domain::AwsError;

/// The scans of one target. A new one is due at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanSchedule {
    /// None means now.
    due: Option<Timestamp>,
    /// Failures in a row.
    failures: u32,
    problem: Option<Problem>,
    /// What users had asked for by annotation when the last scan began, and when the last complete one did.
    asked: Option<String>,
    completed_for: Option<String>,
}

impl ScanSchedule {
    /// When the next scan is due; none means now.
    pub fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// Whether to scan now. Whoever asks for it anew, by an annotation, does not wait.
    pub fn is_due(&self, asked: Option<&str>, now: Timestamp) -> bool {
        self.due.is_none_or(|due| due <= now) || self.asked.as_deref() != asked
    }

    /// Whether users have asked for a scan since the last complete one began.
    pub fn is_asked_for(&self, asked: Option<&str>) -> bool {
        asked.is_some() && self.completed_for() != asked
    }

    /// What hinders scanning.
    pub fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    /// What users had asked for by annotation when the last complete scan began.
    pub fn completed_for(&self) -> Option<&str> {
        self.completed_for.as_deref()
    }

    /// Scans as soon as it can.
    pub fn soon(&mut self) {
        self.due = None;
    }

    /// An event says that something has changed. While scans fail, they are made no sooner for that.
    pub fn hinted(&mut self) {
        if self.failures == 0 {
            self.due = None;
        }
    }

    /// The spec has changed: what failed under the former one says nothing of this one.
    pub fn renewed(&mut self) {
        self.due = None;
        self.failures = 0;
    }

    /// A scan begins, for whoever has asked for it.
    pub fn begins(&mut self, asked: Option<String>) {
        self.asked = asked;
    }

    /// It has seen everything.
    pub fn completed(&mut self, asked: Option<String>, next: Timestamp) {
        self.due = Some(next);
        self.failures = 0;
        self.problem = None;
        self.completed_for = asked;
    }

    /// It has failed. `spread` keeps many that have failed together from being tried again together. Says how many failures
    /// these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.due = Some(now + spread(problem::retry_after(error, self.failures)));
        self.problem = Some(problem::of_error(error));
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ErrorClass, Operation};
    use crate::plan::testing::{at, failed_call};

    fn throttled() -> AwsError {
        failed_call(Operation::DescribeImages, ErrorClass::Throttled)
    }

    #[test]
    fn a_scan_is_due_at_first_at_its_time_and_whenever_users_ask_anew() {
        let mut scans = ScanSchedule::default();
        assert!(scans.is_due(None, at(0)));
        scans.begins(None);
        scans.completed(None, at(100));
        assert_eq!((scans.is_due(None, at(99)), scans.is_due(None, at(100))), (false, true));
        assert!(scans.is_due(Some("again"), at(1)) && scans.is_asked_for(Some("again")) && !scans.is_asked_for(None));
        scans.begins(Some("again".to_owned()));
        assert!(!scans.is_due(Some("again"), at(1)), "once for each value");
        assert_eq!(scans.completed_for(), None, "it has only begun");
        scans.completed(Some("again".to_owned()), at(200));
        assert_eq!(scans.completed_for(), Some("again"));
        assert!(!scans.is_asked_for(Some("again")));
        scans.soon();
        assert!(scans.is_due(Some("again"), at(2)));
    }

    #[test]
    fn an_event_has_a_scan_made_at_once_and_none_while_scans_fail() {
        let mut scans = ScanSchedule::default();
        scans.completed(None, at(100));
        scans.hinted();
        assert!(scans.is_due(None, at(1)));
        scans.failed(&throttled(), at(0), |wait| wait);
        let due = scans.due();
        scans.hinted();
        assert_eq!(scans.due(), due);
    }

    #[test]
    fn failures_wait_longer_each_time_and_are_forgotten_once_one_succeeds_or_the_spec_changes() {
        let mut scans = ScanSchedule::default();
        let mut waits = Vec::new();
        for expected in 1..=3 {
            assert_eq!(scans.failed(&throttled(), at(0), |wait| wait), expected);
            waits.push(scans.due().expect("a time"));
        }
        assert!(waits.is_sorted_by(|one, other| one < other), "{waits:?}");
        assert!(scans.problem().is_some());
        let mut renewed = scans.clone();
        renewed.renewed();
        assert!(
            renewed.is_due(None, at(0)) && renewed.problem().is_some(),
            "what is said stays until a scan says more"
        );
        assert_eq!(renewed.failed(&throttled(), at(0), |wait| wait), 1);
        scans.completed(None, at(100));
        assert_eq!(scans.problem(), None);
        assert_eq!(scans.failed(&throttled(), at(0), |wait| wait), 1);
    }
}
