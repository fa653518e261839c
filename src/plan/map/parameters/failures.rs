//! Calls that have failed for all parameters alike: which of them wait, and until when. One that is refused keeps no other back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::Step;
use crate::domain::{AwsError, ErrorClass, Operation};
use crate::plan::obstacle::Problem;
use crate::plan::problem;

/// So many failures in a row that pass by themselves are not told.
const UNTOLD: u32 = 2;

/// What AWS is asked for, in the order in which it is told that it fails. To make a parameter takes rights and room that to set one does
/// not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Call {
    /// To list them.
    Read,
    /// For the tags of one.
    Judge,
    /// To delete one.
    Delete,
    /// To give one another value.
    Set,
    /// To make one.
    Create,
}

impl Call {
    /// What a step takes.
    pub(super) const fn all_of(step: &Step) -> &'static [Self] {
        match step {
            Step::Create { .. } => &[Self::Create],
            Step::Set { .. } => &[Self::Judge, Self::Set],
            Step::Delete { .. } => &[Self::Judge, Self::Delete],
        }
    }

    /// Which call it was that has failed, while this step was made.
    pub(super) fn that_failed(error: &AwsError, step: Option<&Step>) -> Self {
        match (error.operation, step) {
            (Operation::GetParametersByPath, _) | (_, None) => Self::Read,
            (Operation::ListTagsForResource, _) => Self::Judge,
            (_, Some(Step::Create { .. })) => Self::Create,
            (_, Some(Step::Set { .. })) => Self::Set,
            (_, Some(Step::Delete { .. })) => Self::Delete,
        }
    }
}

/// The calls that have failed last.
#[derive(Debug, Default)]
pub(super) struct Failures(BTreeMap<Call, Failure>);

#[derive(Debug, Default)]
struct Failure {
    in_a_row: u32,
    waits_until: Option<Timestamp>,
    told: Option<Problem>,
}

impl Failures {
    /// A call has failed. Says how often in a row.
    pub(super) fn add(
        &mut self,
        call: Call,
        error: &AwsError,
        now: Timestamp,
        spread: impl FnOnce(Duration) -> Duration,
    ) -> u32 {
        let failure = self.0.entry(call).or_default();
        failure.in_a_row = failure.in_a_row.saturating_add(1);
        failure.waits_until = Some(now + spread(problem::retry_after(error, failure.in_a_row)));
        let is_told = match error.class {
            // The policy asks for it no more, or another replica does it.
            ErrorClass::NotOurs => false,
            ErrorClass::Transient | ErrorClass::Throttled => failure.in_a_row > UNTOLD,
            _ => true,
        };
        if is_told {
            failure.told = Some(problem::of_error(error));
        }
        failure.in_a_row
    }

    /// These have succeeded.
    pub(super) fn passed(&mut self, calls: &[Call]) {
        self.0.retain(|call, _| !calls.contains(call));
    }

    /// A part of what this call brings has come, so that it has not failed in a row. What is told of it is told until all has come.
    pub(super) fn went_on(&mut self, call: Call) {
        if let Some(failure) = self.0.get_mut(&call) {
            (failure.in_a_row, failure.waits_until) = (0, None);
        }
    }

    /// Forgets those that nothing takes any more. A reading is always due again.
    pub(super) fn keep(&mut self, needed: &BTreeSet<Call>) {
        self.0.retain(|call, _| *call == Call::Read || needed.contains(call));
    }

    /// All of them are tried again at once.
    pub(super) fn renewed(&mut self) {
        self.0.values_mut().for_each(|failure| failure.waits_until = None);
    }

    /// Until when a call waits, if it does.
    pub(super) fn until(&self, call: Call) -> Option<Timestamp> {
        self.0.get(&call)?.waits_until
    }

    /// Whether nothing that a step takes waits.
    pub(super) fn lets(&self, step: &Step, now: Timestamp) -> bool {
        let waits = |call: &Call| self.until(*call).is_some_and(|until| now < until);
        !Call::all_of(step).iter().any(waits)
    }

    /// When they are tried again.
    pub(super) fn ends(&self) -> impl Iterator<Item = Timestamp> {
        self.0.values().filter_map(|failure| failure.waits_until)
    }

    /// What a person has to hear of.
    pub(super) fn told(&self) -> Option<&Problem> {
        self.0.values().find_map(|failure| failure.told.as_ref())
    }

    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
