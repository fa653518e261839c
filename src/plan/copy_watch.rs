//! The copies in flight of an account and region: what was seen of them, and when to look again.

use std::time::Duration;

use jiff::Timestamp;

use super::obstacle::Problem;
use super::read_retry::Retry;
use super::schedule::{self, PollBounds};
use crate::domain::{AwsError, SnapshotProgress};

/// What is known of copies in flight.
#[derive(Debug, Default)]
pub struct CopyWatch {
    progress: SnapshotProgress,
    /// When the next look is due; none means that there is none.
    due: Option<Timestamp>,
    /// Looks that have failed are tried again at their own time, whatever else is due or not.
    retry: Retry,
}

impl CopyWatch {
    /// What the last look showed.
    pub fn progress(&self) -> &SnapshotProgress {
        &self.progress
    }

    /// When to look again: what has failed when its own time has come, and what is due otherwise waits for that.
    pub fn due(&self) -> Option<Timestamp> {
        self.retry.due().or(self.due)
    }

    /// Whether to look now.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.due().is_some_and(|due| due <= now)
    }

    /// Whether the last look has failed and may not be tried again yet.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.retry.waits(now)
    }

    /// Why looks fail, where users have to know.
    pub fn problem(&self) -> Option<&Problem> {
        self.retry.problem()
    }

    /// A look has shown this.
    pub fn seen(&mut self, progress: SnapshotProgress) {
        self.progress = progress;
        self.due = None;
    }

    /// Everything that was to be looked at has been.
    pub fn succeeded(&mut self) {
        self.retry.succeeded();
    }

    /// Nothing is looked at any longer, or all of it was just seen.
    pub fn rest(&mut self) {
        self.due = None;
        self.retry.succeeded();
    }

    /// A look has failed. Says how many failures in a row these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.retry.failed(error, now, spread)
    }

    /// Plans the next look: none where nothing is in flight or waited for, and an earlier one where more was admitted.
    pub fn plan(&mut self, is_busy: bool, has_admitted: bool, bounds: PollBounds, now: Timestamp) {
        if !is_busy {
            self.due = None;
        } else if self.due.is_none() || has_admitted {
            let due = now + schedule::next_poll(&self.progress, now, bounds);
            self.due = Some(self.due.map_or(due, |old| old.min(due)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ErrorClass, Operation};
    use crate::plan::testing::{at, failed_call};

    fn after(seconds: u64) -> PollBounds {
        let wait = Duration::from_secs(seconds);
        PollBounds { min: wait, max: wait }
    }

    #[test]
    fn a_look_is_planned_while_anything_is_in_flight_and_comes_sooner_but_never_later() {
        let mut watch = CopyWatch::default();
        assert!(!watch.is_due(at(0)), "nothing is in flight");
        watch.plan(true, false, after(30), at(0));
        assert_eq!(watch.due(), Some(at(30)));
        watch.plan(true, false, after(5), at(1));
        assert_eq!(watch.due(), Some(at(30)), "nothing is new");
        watch.plan(true, true, after(5), at(1));
        assert_eq!(watch.due(), Some(at(6)));
        watch.plan(true, true, after(30), at(2));
        assert_eq!(watch.due(), Some(at(6)));
        watch.plan(false, false, after(30), at(3));
        assert_eq!(watch.due(), None);
    }

    #[test]
    fn a_look_that_has_failed_is_tried_again_also_where_nothing_else_is_due() {
        let mut watch = CopyWatch::default();
        let denied = failed_call(Operation::DescribeSnapshots, ErrorClass::Denied);
        assert_eq!(watch.failed(&denied, at(0), |_| Duration::from_secs(60)), 1);
        assert!(watch.waits(at(59)) && !watch.is_due(at(59)) && watch.is_due(at(60)));
        assert!(watch.problem().is_some());
        watch.plan(true, true, after(5), at(1));
        assert!(!watch.is_due(at(10)), "it waits for what has failed");
        watch.rest();
        assert_eq!((watch.due(), watch.problem()), (None, None));
    }
}
