//! What comes next for an instance that AWS has launched, or may have.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{LOOK_AGAIN, SHOWS_AFTER, ending, in_state, passed};
use crate::api::{LaunchResult, LaunchState, LaunchStatus};
use crate::domain::{Checks, InstanceNow, InstanceRef, InstanceState};

/// How soon AWS is asked once more to terminate an instance that does not show it.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How long after its time an instance is still looked at before it is given up unseen, as where reading it is denied.
const UNSEEN: Duration = Duration::from_secs(300);

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read it.
    Ask(InstanceRef),
    /// Launch it as it is on record.
    Launch,
    /// Terminate it.
    Terminate(Box<str>),
    /// Look again then.
    Later(Duration),
    /// This is to be on record.
    Record(Box<LaunchStatus>),
}

/// Decides what comes next for an instance that is under way. `seen` is what AWS shows of it just now, and `known_since` since when
/// this process has known what is on record: another one's clock may be minutes off.
pub fn follow(
    launch: &LaunchStatus,
    is_wanted: bool,
    seen: Option<&InstanceNow>,
    known_since: Timestamp,
    now: Timestamp,
) -> Next {
    let has_shown = passed(Some(&Time(known_since)), now, SHOWS_AFTER);
    match launch.state {
        LaunchState::Launching | LaunchState::Checking if !is_wanted => {
            let message = "The proof is not asked for any more as it was begun.";
            record(ending(
                launch,
                LaunchState::Ending,
                LaunchResult::Abandoned,
                message,
                now,
            ))
        }
        LaunchState::Launching => Next::Launch,
        LaunchState::Checking => match launch.instance_id.as_deref() {
            Some(id) => check(launch, id, seen, now),
            // Somebody else has written that: what was launched is known by its token.
            None => record(ending(
                launch,
                LaunchState::Ending,
                LaunchResult::Abandoned,
                "Its ID is not on record.",
                now,
            )),
        },
        LaunchState::Ending => match launch.instance_id.as_deref() {
            Some(id) => Next::Terminate(id.into()),
            None => find(launch, seen, has_shown, now),
        },
        LaunchState::Terminating => match launch.instance_id.as_deref() {
            Some(id) => until_terminated(launch, id, seen, has_shown, now),
            None => record(in_state(launch, LaunchState::Ending, now)),
        },
        LaunchState::Refused | LaunchState::Ended => Next::Later(LOOK_AGAIN),
    }
}

fn record(launch: LaunchStatus) -> Next {
    Next::Record(Box::new(launch))
}

/// Waits for the checks.
fn check(launch: &LaunchStatus, id: &str, seen: Option<&InstanceNow>, now: Timestamp) -> Next {
    let fail = |why: String| record(ending(launch, LaunchState::Ending, LaunchResult::Failed, &why, now));
    let timeout = Duration::from_secs(launch.timeout_seconds.into());
    let is_late = passed(launch.requested_at.as_ref(), now, timeout);
    let too_late = || {
        let minutes = launch.timeout_seconds / 60;
        fail(format!(
            "The instance {id} has not passed its status checks within {minutes} minutes: see what keeps the image from booting on \
             {}, or raise validation.launch.timeout.",
            launch.instance_type
        ))
    };
    let Some(seen) = seen else {
        let is_given_up = passed(launch.requested_at.as_ref(), now, timeout + UNSEEN);
        return if is_given_up {
            too_late()
        } else {
            Next::Ask(InstanceRef::Id(id.into()))
        };
    };
    let InstanceNow::There {
        state, reason, checks, ..
    } = seen
    else {
        return if is_late { too_late() } else { Next::Later(LOOK_AGAIN) };
    };
    let why = reason.as_deref().unwrap_or("AWS does not say why");
    match (state, checks) {
        (InstanceState::Running, Some(Checks::Ok)) => record(ending(
            launch,
            LaunchState::Ending,
            LaunchResult::Passed,
            "The instance has passed both status checks.",
            now,
        )),
        (InstanceState::Running, Some(Checks::InstanceImpaired)) => fail(format!(
            "The instance {id} has failed its instance status check: see what keeps the image from booting on {}.",
            launch.instance_type
        )),
        (InstanceState::Running, Some(Checks::SystemImpaired)) => fail(format!(
            "The instance {id} has failed its system status check, which is of the machine below it: have it tried once more."
        )),
        (InstanceState::Stopped, _) => fail(format!("The instance {id} has stopped by itself ({why}).")),
        (InstanceState::ShuttingDown | InstanceState::Terminated, _) => fail(format!(
            "The instance {id} has terminated before it had passed its status checks ({why}): check the key's policy and the image."
        )),
        (InstanceState::Pending | InstanceState::Running, _) if is_late => too_late(),
        (InstanceState::Pending | InstanceState::Running, _) => Next::Later(LOOK_AGAIN),
    }
}

/// Looks for what a call may have launched whose answer has not come.
fn find(launch: &LaunchStatus, seen: Option<&InstanceNow>, has_shown: bool, now: Timestamp) -> Next {
    match seen {
        None => Next::Ask(InstanceRef::Token(launch.client_token.as_str().into())),
        Some(InstanceNow::Gone) if has_shown => record(in_state(launch, LaunchState::Ended, now)),
        Some(InstanceNow::Gone) => Next::Later(LOOK_AGAIN),
        Some(InstanceNow::There { id, .. }) => record(LaunchStatus {
            instance_id: Some(id.to_string()),
            ..launch.clone()
        }),
    }
}

fn until_terminated(
    launch: &LaunchStatus,
    id: &str,
    seen: Option<&InstanceNow>,
    has_shown: bool,
    now: Timestamp,
) -> Next {
    let is_ended = match seen {
        None => return Next::Ask(InstanceRef::Id(id.into())),
        // AWS forgets an instance an hour after its end. Asking once more would be another record, and the wait would begin anew.
        Some(InstanceNow::Gone) if !has_shown => return Next::Later(LOOK_AGAIN),
        Some(InstanceNow::Gone) => true,
        Some(InstanceNow::There { state, .. }) => {
            matches!(state, InstanceState::ShuttingDown | InstanceState::Terminated)
        }
    };
    if is_ended {
        record(in_state(launch, LaunchState::Ended, now))
    } else if passed(launch.time.as_ref(), now, ASK_AGAIN) {
        Next::Terminate(id.into())
    } else {
        Next::Later(LOOK_AGAIN)
    }
}
