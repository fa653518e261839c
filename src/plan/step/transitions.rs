//! What the answer to a call leaves in a migration's status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::Observation;
use super::statuses::{self, completed, progressing};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, MigrationState};
use crate::domain::ImageId;
use crate::plan::promote;

/// Whether AWS has refused to make the copy that is on record as intended. Its place was given to others then, and it needs
/// one again before AWS is asked once more.
pub fn was_refused(status: &AMIMigrationStatus) -> bool {
    let asked = status.copy.as_ref().is_some_and(|copy| copy.image_id.is_none());
    asked
        && status.state == Some(MigrationState::Copying)
        && conditions::is_true(&status.conditions, conditions::STALLED)
}

/// The status after AWS has answered CopyImage.
///
/// The time is now that of the answer: the call may have waited long behind its intent, and what was seen of AWS before the
/// answer says nothing of the copy.
pub fn copy_accepted(o: Observation<'_>, image: &ImageId, now: Timestamp) -> AMIMigrationStatus {
    let mut status = o.status.clone();
    if let Some(copy) = &mut status.copy {
        copy.image_id = Some(image.to_string());
        copy.requested_at = Some(Time(now));
    }
    status
}

/// The status after everything that the copy lacked was published.
pub fn published(o: Observation<'_>, copy: &ImageId, now: Timestamp) -> AMIMigrationStatus {
    let mut status = o.status.clone();
    statuses::promoted(o, &mut status, leaves_out(o, copy), now);
    completed(o, status, done_reason(o.status), &done_message(o, copy), now).status
}

/// What of the original the copy cannot take over.
fn leaves_out(o: Observation<'_>, copy: &ImageId) -> Option<&'static str> {
    let images = &o.inventory?.images;
    promote::leaves_out(images.get(&o.of.source)?, images.get(copy)?)
}

pub(super) fn done_reason(status: &AMIMigrationStatus) -> &'static str {
    let adopted = status.copy.as_ref().is_some_and(|copy| copy.requested_at.is_none());
    if adopted { reason::ADOPTED } else { reason::SUCCEEDED }
}

pub(super) fn done_message(o: Observation<'_>, copy: &ImageId) -> String {
    let done = format!("The copy is {copy}, encrypted under {}.", o.of.key);
    match leaves_out(o, copy) {
        Some(left_out) => format!("{done} {left_out}"),
        None => done,
    }
}

/// The status after an attempt has failed: its token is of no more use, and the next attempt has to be admitted.
pub fn attempt_failed(
    o: Observation<'_>,
    mut status: AMIMigrationStatus,
    message: &str,
    now: Timestamp,
) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        let before = copy.failures.unwrap_or(copy.attempt.saturating_sub(1));
        copy.failures = Some(before.saturating_add(1));
    }
    given_up(o, status, message, now)
}

/// The status after AWS has given the attempt's token or name away already, to an image that is of no use any more: the next
/// attempt takes another one. Nothing has failed by that.
pub fn passed_over(o: Observation<'_>, mut status: AMIMigrationStatus, now: Timestamp) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        copy.failures.get_or_insert(copy.attempt.saturating_sub(1));
    }
    let message = "AWS had already used the attempt's name or client token.";
    given_up(o, status, message, now)
}

fn given_up(o: Observation<'_>, mut status: AMIMigrationStatus, message: &str, now: Timestamp) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        copy.image_id = None;
    }
    status.snapshots = Vec::new();
    statuses::copy_lost(o, &mut status, message, now);
    progressing(o, status, MigrationState::Pending, reason::COPY_FAILED, message, now).status
}
