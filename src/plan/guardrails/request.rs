//! What AWS is asked to set, and what has come of it.

use std::time::Duration;

use jiff::Timestamp;

use crate::api::conditions::reason;
use crate::domain::{AwsError, Cause, ErrorClass, KeyArn};
use crate::plan::obstacle::{KeyView, Problem};
use crate::plan::problem;

/// For how long AWS is not asked again: it may take ten minutes to show what it has taken.
pub(super) const SHOWS_AFTER: Duration = Duration::from_secs(15 * 60);

/// That AWS is to be asked to set something, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    /// As it is on record, which goes by whole seconds.
    pub(super) at: Timestamp,
    /// When AWS was asked, or since when this process knows that another one may have; none before.
    pub(super) asked: Option<Timestamp>,
    /// Until when AWS cannot be asked, within its limits.
    pub(super) not_before: Option<Timestamp>,
    /// The default key that it is for, where it takes one and that is known.
    pub(super) key: Option<KeyArn>,
}

impl Request {
    /// One that is to be put on record.
    pub(super) fn intended(now: Timestamp, key: Option<KeyArn>) -> Self {
        Self {
            at: second(now),
            asked: None,
            not_before: None,
            key,
        }
    }

    /// One that is on record, by whomever: AWS may have been asked just now.
    pub(super) fn found(at: Timestamp, now: Timestamp) -> Self {
        Self {
            at,
            asked: Some(now),
            not_before: None,
            key: None,
        }
    }

    /// Whether it is for this key of the policy, as far as is known. What another process has asked for may be.
    pub(super) fn is_for(&self, key: &KeyView) -> bool {
        match (&self.key, key.arn()) {
            (Some(ours), Some(arn)) => ours == arn,
            _ => true,
        }
    }

    /// Whether it may still come to show.
    pub(super) fn is_settling(&self, now: Timestamp) -> bool {
        self.settles_at().is_some_and(|at| now < at)
    }

    /// When it must have come to show; none where AWS was not asked yet.
    pub(super) fn settles_at(&self) -> Option<Timestamp> {
        self.asked.map(|asked| later(asked, SHOWS_AFTER))
    }
}

/// What has become of a call that has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It was not sent, as there is no room within AWS's limits.
    Waits(Duration),
    /// It was not sent, or AWS has refused it: nothing is set.
    NotDone,
    /// AWS may have taken it all the same.
    Unknown,
}

impl Fate {
    pub(super) fn of(error: &AwsError) -> Self {
        match error.class {
            ErrorClass::Throttled if error.is(Cause::NoRoom) => Self::Waits(error.retry_after.unwrap_or_default()),
            ErrorClass::Transient => Self::Unknown,
            _ if error.is(Cause::MalformedAnswer) => Self::Unknown,
            _ => Self::NotDone,
        }
    }
}

/// Calls that have failed in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) problem: Problem,
    pub(super) count: u32,
    /// When it is tried again.
    pub(super) until: Timestamp,
}

/// What to say of a failed call. AWS has a code of its own for what a declarative policy holds.
pub(super) fn problem_of(error: &AwsError) -> Problem {
    const HELD: &str = "OperationNotPermitted";
    let Problem { reason: why, message } = problem::of_error(error);
    let why = match why {
        reason::ACCESS_DENIED if error.code.as_deref() == Some(HELD) => reason::HELD_BY_DECLARATIVE_POLICY,
        reason::ACCESS_DENIED => reason::FORBIDDEN,
        other => other,
    };
    Problem::new(why, message)
}

/// A moment as statuses have it.
pub(super) fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

pub(super) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
