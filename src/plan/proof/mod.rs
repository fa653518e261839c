//! Proving a copy before it takes the place of its original: an instance is launched from it, has to pass its checks, and is
//! terminated whatever comes of it; a [Job](job) of the user's own has to complete; and [Amazon Inspector](inspector) has to have
//! found nothing in it that is too severe, where it may be [asked for a scan](on_demand).
//!
//! What is to be launched is on record before AWS is asked for it, under a client token that is made of nothing else. So a call can
//! be repeated by whoever comes next, and an instance is known again by its token, which nobody can change, where anybody can write
//! a tag. Once AWS may have launched something, nothing else is done for the migration before that is seen to be terminated.

mod again;
mod begin;
mod fit;
mod follow;
pub mod inspector;
pub mod job;
pub mod job_object;
mod mark;
pub mod on_demand;
mod sweep;
#[cfg(test)]
mod tests;
mod watch;
#[cfg(test)]
mod whatever;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::api::conditions::cut;
use crate::api::{AMIMigrationStatus, LaunchResult, LaunchState, LaunchStatus, ValidationSettings};
pub use begin::{Verdict, Wanted, decide, is_as_asked};
pub use follow::{Next, follow};
pub use mark::{request, token};
pub use sweep::{is_ours, leftovers};
pub use watch::ProofWatch;

/// How often an instance or a Job is looked at.
pub const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// How soon it is looked again whether another proof may begin.
pub const TURN: Duration = Duration::from_secs(30);
/// For how long an instance that was launched may not show yet.
const SHOWS_AFTER: Duration = Duration::from_secs(600);
/// How long an instance outlives its timeout before it is terminated by whoever finds it. A target that cannot be heard of for so
/// long has failed too.
pub const MARGIN: Duration = Duration::from_secs(300);
/// The most characters of a message that a status has room for.
const MESSAGE: usize = 1024;

/// What is launched or made to prove a copy by. Each has a limit of its own on how many there are at a time in an account and region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An instance.
    Launch,
    /// A Job.
    Job,
}

impl Kind {
    /// All of them, in the order in which a copy passes them: what does not boot need not be scanned.
    pub const ALL: [Self; 2] = [Self::Launch, Self::Job];

    /// How many there may be at a time in an account and region; none where the settings do not ask for it.
    pub fn most(self, settings: &ValidationSettings) -> Option<usize> {
        let most = match self {
            Self::Launch => settings.launch.as_ref()?.max_concurrent,
            Self::Job => settings.job.as_ref()?.max_concurrent,
        };
        Some(most as usize)
    }

    /// Whether one is under way.
    pub fn is_under_way(self, status: &AMIMigrationStatus) -> bool {
        match self {
            Self::Launch => under_way(status).is_some(),
            Self::Job => job::under_way(status).is_some(),
        }
    }

    /// Whether it keeps others from their turn. A Job that nobody follows, as while its policy is suspended, is ended by Kubernetes.
    pub fn has_place(self, status: &AMIMigrationStatus, now: Timestamp) -> bool {
        match self {
            Self::Launch => under_way(status).is_some(),
            Self::Job => job::under_way(status).is_some_and(|job| !job::is_late(job, now)),
        }
    }
}

/// Whether AWS may have launched an instance that is not seen to be terminated.
pub fn is_under_way(launch: &LaunchStatus) -> bool {
    match launch.state {
        LaunchState::Launching | LaunchState::Checking | LaunchState::Ending | LaunchState::Terminating => true,
        LaunchState::Refused | LaunchState::Ended => false,
    }
}

/// The launch on record that is under way.
pub fn under_way(status: &AMIMigrationStatus) -> Option<&LaunchStatus> {
    let launch = status.validation.as_ref()?.launch.as_ref()?;
    is_under_way(launch).then_some(launch)
}

/// When an instance has had its time.
pub fn deadline(launch: &LaunchStatus) -> Option<Timestamp> {
    let timeout = Duration::from_secs(launch.timeout_seconds.into());
    launch.requested_at.as_ref()?.0.checked_add(timeout).ok()
}

/// AWS has answered with this instance.
pub fn launched(launch: &LaunchStatus, instance: &str, now: Timestamp) -> LaunchStatus {
    LaunchStatus {
        instance_id: Some(instance.to_owned()),
        requested_at: Some(Time(now)),
        ..in_state(launch, LaunchState::Checking, now)
    }
}

/// AWS has refused to launch it.
pub fn refused(launch: &LaunchStatus, message: &str, now: Timestamp) -> LaunchStatus {
    LaunchStatus {
        message: Some(cut(message, MESSAGE)),
        ..in_state(launch, LaunchState::Refused, now)
    }
}

/// The token is of no more use: what it has launched is terminated, or was launched otherwise and is looked for.
pub fn void(launch: &LaunchStatus, is_terminated: bool, now: Timestamp) -> LaunchStatus {
    let message = "AWS had already used the launch's client token.";
    let state = if is_terminated {
        LaunchState::Ended
    } else {
        LaunchState::Ending
    };
    ending(launch, state, LaunchResult::Abandoned, message, now)
}

/// AWS has agreed to terminate it.
pub fn terminated(launch: &LaunchStatus, now: Timestamp) -> LaunchStatus {
    in_state(launch, LaunchState::Terminating, now)
}

fn in_state(launch: &LaunchStatus, state: LaunchState, now: Timestamp) -> LaunchStatus {
    LaunchStatus {
        state,
        time: Some(Time(now)),
        ..launch.clone()
    }
}

/// It has come to this.
fn ending(
    launch: &LaunchStatus,
    state: LaunchState,
    result: LaunchResult,
    message: &str,
    now: Timestamp,
) -> LaunchStatus {
    let failed = u32::from(result == LaunchResult::Failed);
    LaunchStatus {
        result: Some(result),
        message: Some(cut(message, MESSAGE)),
        failures: launch.failures.saturating_add(failed),
        ..in_state(launch, state, now)
    }
}

fn passed(since: Option<&Time>, now: Timestamp, limit: Duration) -> bool {
    since.is_none_or(|since| now.duration_since(since.0).as_secs_f64() >= limit.as_secs_f64())
}
