//! What follows a proof that has ended or was refused: when it is tried again, and when a person has to act.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::passed;
use crate::api::LaunchResult;
use crate::api::conditions::reason;
use crate::plan::obstacle::Problem;

/// How soon a copy that has failed is tried once more.
const AGAIN: Duration = Duration::from_secs(120);
/// How soon it is asked once more for what was refused: a person has to act, or others to make room.
const REFUSED: Duration = Duration::from_secs(600);

/// What is on record of a proof that is not under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Past<'a> {
    /// The reason that is given for its refusal, if it was refused.
    pub(super) refused: Option<&'static str>,
    pub(super) result: Option<LaunchResult>,
    pub(super) failures: u32,
    pub(super) message: Option<&'a str>,
    /// Since when it is so.
    pub(super) time: Option<&'a Time>,
    pub(super) observed_retry: Option<&'a str>,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Again {
    /// The same attempt once more: nothing has come of it.
    Same,
    /// Another attempt, before which the copy has failed so often.
    Anew(u32),
    /// A person has to act; where there is a time, it is tried once more by itself.
    Stalled(Problem, Option<Duration>),
    /// It has failed, and is tried once more after that.
    Failed(String, Duration),
}

impl Past<'_> {
    /// Whether somebody has asked for another try since.
    pub(super) fn is_asked(&self, retry: Option<&str>) -> bool {
        retry.is_some() && retry != self.observed_retry
    }

    /// Decides what follows, where the copy may fail so often.
    pub(super) fn next(&self, max_attempts: u32, retry: Option<&str>, now: Timestamp) -> Again {
        let is_asked = self.is_asked(retry);
        let message = || self.message.unwrap_or_default().to_owned();
        match (self.refused, self.result) {
            (Some(_), _) if is_asked || passed(self.time, now, REFUSED) => Again::Same,
            (Some(why), _) => Again::Stalled(Problem::new(why, message()), Some(self.left(REFUSED, now))),
            (None, Some(LaunchResult::Failed)) if is_asked => Again::Anew(0),
            (None, Some(LaunchResult::Failed)) if self.failures >= max_attempts => {
                Again::Stalled(asks_for_retry(&message()), None)
            }
            (None, Some(LaunchResult::Failed)) if !passed(self.time, now, AGAIN) => {
                Again::Failed(message(), self.left(AGAIN, now))
            }
            (None, _) => Again::Anew(self.failures),
        }
    }

    /// What is left of a wait.
    fn left(&self, limit: Duration, now: Timestamp) -> Duration {
        let since = self.time.map_or(now, |time| time.0);
        let gone = Duration::try_from(now.duration_since(since)).unwrap_or_default();
        limit.saturating_sub(gone)
    }
}

/// What is said where a copy is not tried again before somebody asks for it.
pub(super) fn asks_for_retry(message: &str) -> Problem {
    let said = format!("{message} Change the annotation amiseal.dev/retry to have it tried anew.");
    Problem::new(reason::VALIDATION_FAILED, said)
}
