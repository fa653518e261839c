//! What has become of the steps and calls of a visit.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    Call, FREE_AFTER, ParameterWatch, READ_AGAIN, READ_BACK, READ_BACK_AGAIN, SHOWS_AFTER, Step, Theirs, Written,
};
use crate::domain::{AwsError, ErrorClass, ImageId};
use crate::plan::obstacle::Problem;

/// What has become of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// AWS has taken it.
    Done,
    /// There is no such parameter any more.
    Gone,
    /// There is one of that name, which was not shown.
    Taken,
    /// It is not ours, and was left as it is.
    Theirs,
    /// AWS refuses this one.
    Refused(Problem),
}

impl ParameterWatch {
    /// Notes what has become of a step.
    pub fn made(&mut self, step: &Step, outcome: Outcome, now: Timestamp) {
        let original = step.original().clone();
        let version = self.shown.get(&original).map_or(0, |shown| shown.version);
        if outcome == Outcome::Done {
            self.failures.passed(Call::all_of(step));
            self.theirs.remove(&original);
        } else if !matches!(step, Step::Create { .. }) {
            self.failures.passed(&[Call::Judge]);
        }
        match (outcome, step) {
            (Outcome::Done, Step::Create { copy, .. } | Step::Set { copy, .. }) => {
                let before = self.written.get(&original).filter(|written| written.copy == *copy);
                let written = Written {
                    copy: copy.clone(),
                    at: now,
                    times: before.map_or(1, |before| before.times.saturating_add(1)),
                    over: before.map_or(version, |before| before.over),
                };
                self.wrote.insert(original.clone(), now);
                self.written.insert(original, written);
                self.has_changed(now);
            }
            (Outcome::Done, Step::Delete { .. }) => {
                self.is_gone(&original);
                self.not_before.insert(original, now + FREE_AFTER);
                self.has_changed(now);
            }
            (Outcome::Gone, _) => self.is_gone(&original),
            (Outcome::Taken, _) => {
                // A reading will show whose it is.
                self.not_before.insert(original, now + READ_BACK);
                self.reads_at = Some(now + READ_BACK);
            }
            (Outcome::Theirs, _) => {
                let wrote = self.wrote.get(&original);
                let theirs = Theirs {
                    version,
                    asked: Some(now),
                    is_final: wrote.is_none_or(|at| *at + SHOWS_AFTER <= now),
                };
                self.theirs.insert(original, theirs);
            }
            (Outcome::Refused(problem), _) => {
                self.refused.insert(original, problem);
                if self.lets_go_since.is_some() {
                    self.reads_at = Some(now + READ_BACK_AGAIN);
                }
            }
        }
        // What was put off until the prefix is emptied is not due at once.
        if self.lets_go_since.is_some() {
            self.reads_at = self.reads_at.max(Some(now + READ_BACK));
        }
    }

    fn is_gone(&mut self, original: &ImageId) {
        self.shown.remove(original);
        self.left.remove(original);
        self.theirs.remove(original);
        self.leaves_listing(original);
    }

    /// What was changed is read back, once nothing else is changed for a while.
    fn has_changed(&mut self, now: Timestamp) {
        self.changed = Some(now);
        let soon = now + READ_BACK;
        self.reads_at = Some(self.read.map_or(soon, |read| soon.min(read.ended + READ_AGAIN)));
    }

    /// A call has failed, while this step was made or they were read. Says how often in a row; not at all where that is no failure.
    pub fn failed(
        &mut self,
        error: &AwsError,
        step: Option<&Step>,
        now: Timestamp,
        spread: impl FnOnce(Duration) -> Duration,
    ) -> u32 {
        let call = Call::that_failed(error, step);
        if error.class == ErrorClass::Transient && matches!(call, Call::Create | Call::Set) {
            // AWS may have taken it all the same.
            self.blind_until = Some(now + SHOWS_AFTER);
        }
        if call == Call::Read && !self.could_not_read(error, now) {
            return 0;
        }
        self.failures.add(call, error, now, spread)
    }
}
