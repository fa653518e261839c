//! What the answer to a call leaves in a migration's status.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::statuses::{self, completed, progressing};
use super::{Facts, VISIBLE_AFTER, passed};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, MigrationState, MovedConsumer};
use crate::domain::{Change, ImageId, Made};
use crate::plan::moving::{self, ConsumerKey};
use crate::plan::{adopt, promote, proof, source_keys};

/// Whether AWS has refused to make the copy that is on record as intended. Its place was given to others then, and it needs
/// one again before AWS is asked once more.
pub fn was_refused(status: &AMIMigrationStatus) -> bool {
    let asked = status.copy.as_ref().is_some_and(|copy| copy.image_id.is_none());
    asked
        && status.state == Some(MigrationState::Copying)
        && conditions::is_true(&status.conditions, conditions::STALLED)
}

/// What a call has come to.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// AWS has answered CopyImage with this image.
    Accepted(&'a ImageId),
    /// The attempt's client token or name belongs to an image that is of no use any more.
    PassedOver,
    /// This copy, which AWS could not make, is removed, or what was left of it is.
    Removed(&'a ImageId),
    /// Everything that this copy lacked is published.
    Published(&'a ImageId),
    /// A consumer was changed, which has made this.
    Moved(&'a ConsumerKey, &'a Change, &'a Made),
    /// AWS has answered RunInstances with this instance.
    Launched(&'a str),
    /// AWS refuses to launch it, for this reason.
    LaunchRefused(&'a str),
    /// The launch's client token is of no use any more: what it has launched is terminated, or was launched with other settings.
    LaunchVoid {
        /// Whether it is terminated.
        is_terminated: bool,
    },
    /// AWS has agreed to terminate the instance.
    Terminated,
    /// The Job is there, with this UID.
    JobCreated(&'a str),
    /// It cannot be created, for this reason.
    JobRefused(&'a str),
    /// It is deleted, or was not there.
    JobDeleted,
    /// Amazon Inspector has started the on-demand scan of this ID.
    ScanStarted(&'a str),
    /// It refuses to, for this reason.
    ScanRefused(&'a str),
}

/// What an answer leads to.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What the status should be now.
    pub status: AMIMigrationStatus,
    /// What people are warned of by an Event.
    pub warning: Option<Warning>,
}

/// What an Event says.
#[derive(Debug, Clone)]
pub struct Warning {
    /// The reason.
    pub reason: &'static str,
    /// The sentence.
    pub message: String,
}

/// What the answer to a call leaves in the status.
pub fn answered(facts: Facts<'_>, answer: Answer<'_>, now: Timestamp) -> Answered {
    let recorded = facts.record.status.clone();
    let status = match answer {
        Answer::Accepted(image) => copy_accepted(recorded, image, now),
        Answer::PassedOver => passed_over(facts, recorded, now),
        Answer::Published(copy) => published(facts, recorded, copy, now),
        Answer::Moved(key, change, made) => {
            let was_refused = moving::tries_again(&recorded, key);
            let status = moved(recorded, key, change, made, now);
            if was_refused {
                goes_on(facts, status, now)
            } else {
                status
            }
        }
        Answer::Launched(_) | Answer::LaunchRefused(_) | Answer::LaunchVoid { .. } | Answer::Terminated => {
            of_launch(recorded, answer, now)
        }
        Answer::JobCreated(_) | Answer::JobRefused(_) | Answer::JobDeleted => of_job(recorded, answer, now),
        Answer::ScanStarted(_) | Answer::ScanRefused(_) => of_scan(recorded, answer, now),
        Answer::Removed(copy) => {
            let message = failure(facts, copy);
            return Answered {
                status: attempt_failed(facts, recorded, &message, now),
                warning: Some(Warning {
                    reason: reason::COPY_FAILED,
                    message,
                }),
            };
        }
    };
    Answered { status, warning: None }
}

/// AWS has taken what it had refused: others wait for this migration again.
fn goes_on(facts: Facts<'_>, status: AMIMigrationStatus, now: Timestamp) -> AMIMigrationStatus {
    let message = "Moving consumers of the original.";
    progressing(
        facts,
        status,
        MigrationState::Promoting,
        reason::MOVING_CONSUMERS,
        message,
        now,
    )
    .status
}

/// The time is now that of the answer: the call may have waited long behind its intent, and what was seen of AWS before the
/// answer says nothing of the copy.
fn copy_accepted(mut status: AMIMigrationStatus, image: &ImageId, now: Timestamp) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        copy.image_id = Some(image.to_string());
        copy.requested_at = Some(Time(now));
    }
    status
}

fn published(facts: Facts<'_>, mut status: AMIMigrationStatus, copy: &ImageId, now: Timestamp) -> AMIMigrationStatus {
    statuses::promoted(facts, &mut status, leaves_out(facts, copy), now);
    if facts.settings.promotion.moves() {
        // What launches the original comes next.
        return status;
    }
    let reason = done_reason(&status);
    completed(facts, status, reason, &done_message(facts, copy), now).status
}

fn moved(
    mut status: AMIMigrationStatus,
    key: &ConsumerKey,
    change: &Change,
    made: &Made,
    now: Timestamp,
) -> AMIMigrationStatus {
    let ours = |row: &&mut MovedConsumer| moving::key_of(row).as_ref() == Some(key);
    if let Some(row) = status.consumers.iter_mut().find(ours) {
        *row = moving::answered(row, change, made, now);
    }
    status
}

fn of_launch(mut status: AMIMigrationStatus, answer: Answer<'_>, now: Timestamp) -> AMIMigrationStatus {
    let launch = status
        .validation
        .as_mut()
        .and_then(|validation| validation.launch.as_mut());
    let Some(launch) = launch else { return status };
    let changed = match answer {
        Answer::Launched(instance) => proof::launched(launch, instance, now),
        Answer::LaunchRefused(message) => proof::refused(launch, message, now),
        Answer::LaunchVoid { is_terminated } => proof::void(launch, is_terminated, now),
        Answer::Terminated => proof::terminated(launch, now),
        _ => return status,
    };
    *launch = changed;
    status
}

fn of_job(mut status: AMIMigrationStatus, answer: Answer<'_>, now: Timestamp) -> AMIMigrationStatus {
    let job = status
        .validation
        .as_mut()
        .and_then(|validation| validation.job.as_mut());
    let Some(job) = job else { return status };
    let changed = match answer {
        Answer::JobCreated(uid) => proof::job::created(job, uid, now),
        Answer::JobRefused(message) => proof::job::refused(job, message, now),
        Answer::JobDeleted => proof::job::deleted(job, now),
        _ => return status,
    };
    *job = changed;
    status
}

fn of_scan(mut status: AMIMigrationStatus, answer: Answer<'_>, now: Timestamp) -> AMIMigrationStatus {
    let inspector = status
        .validation
        .as_mut()
        .and_then(|validation| validation.inspector.as_mut());
    let Some(inspector) = inspector else { return status };
    let Some(scan) = &inspector.scan else { return status };
    let changed = match answer {
        Answer::ScanStarted(id) => proof::on_demand::started(scan, id, now),
        Answer::ScanRefused(message) => proof::on_demand::refused(scan, message, now),
        _ => return status,
    };
    proof::on_demand::put(inspector, changed, now);
    status
}

/// That AWS could not make a copy, why, and what to look at. Its snapshots know more than the image.
fn failure(facts: Facts<'_>, copy: &ImageId) -> String {
    let inventory = facts.account.inventory;
    let why = inventory.and_then(|inventory| {
        let Some(image) = inventory.images.get(copy) else {
            return inventory.remains.get(copy)?.why.as_deref();
        };
        let of_snapshots = image
            .volumes()
            .find_map(|(_, _, id)| inventory.snapshots.get(id)?.why());
        of_snapshots.or_else(|| image.state_code())
    });
    let source = inventory.and_then(|inventory| Some((inventory, inventory.images.get(&facts.of.source)?)));
    let check = source.map_or_else(
        || "check the key's policy".to_owned(),
        |(inventory, source)| source_keys::to_check(source, inventory, &facts.of.key),
    );
    let why = why.unwrap_or("it does not say why");
    format!("AWS could not make the copy ({why}); {check}.")
}

/// What is to be done where AWS says that there is an image of the attempt's client token or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contradiction {
    /// There is a copy to take on.
    Adoptable,
    /// The token or name is of no more use: the attempt is passed over.
    Useless,
    /// A copy that was made by this very token may not show yet.
    Unclear,
}

/// Judges that by a look at the copies of the source, which began at `looked`.
pub fn contradiction(facts: Facts<'_>, is_name_taken: bool, looked: Timestamp) -> Contradiction {
    let found = facts.account.inventory.and_then(|inventory| {
        let source = inventory.images.get(&facts.of.source)?;
        adopt::find(facts.of, source, inventory)
    });
    if found.is_some() {
        Contradiction::Adoptable
    } else if is_name_taken || passed(facts.memory.known_since.copy, looked, VISIBLE_AFTER) {
        // A name can be taken by somebody else's image for ever.
        Contradiction::Useless
    } else {
        Contradiction::Unclear
    }
}

/// What of the original the copy cannot take over.
fn leaves_out(facts: Facts<'_>, copy: &ImageId) -> Option<&'static str> {
    let images = &facts.account.inventory?.images;
    promote::leaves_out(images.get(&facts.of.source)?, images.get(copy)?)
}

pub(super) fn done_reason(status: &AMIMigrationStatus) -> &'static str {
    let adopted = status.copy.as_ref().is_some_and(|copy| copy.requested_at.is_none());
    if adopted { reason::ADOPTED } else { reason::SUCCEEDED }
}

pub(super) fn done_message(facts: Facts<'_>, copy: &ImageId) -> String {
    let done = format!("The copy is {copy}, encrypted under {}.", facts.of.key);
    match leaves_out(facts, copy) {
        Some(left_out) => format!("{done} {left_out}"),
        None => done,
    }
}

/// The status after an attempt has failed: its token is of no more use, and the next attempt has to be admitted.
pub(super) fn attempt_failed(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    message: &str,
    now: Timestamp,
) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        let before = copy.failures.unwrap_or(copy.attempt.saturating_sub(1));
        copy.failures = Some(before.saturating_add(1));
    }
    given_up(facts, status, message, now)
}

/// The status after AWS has given the attempt's token or name away already, to an image that is of no use any more: the next
/// attempt takes another one. Nothing has failed by that.
pub(super) fn passed_over(facts: Facts<'_>, mut status: AMIMigrationStatus, now: Timestamp) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        copy.failures.get_or_insert(copy.attempt.saturating_sub(1));
    }
    let message = "AWS had already used the attempt's name or client token.";
    given_up(facts, status, message, now)
}

fn given_up(facts: Facts<'_>, mut status: AMIMigrationStatus, message: &str, now: Timestamp) -> AMIMigrationStatus {
    if let Some(copy) = &mut status.copy {
        copy.image_id = None;
    }
    status.snapshots = Vec::new();
    statuses::copy_lost(facts, &mut status, message, now);
    progressing(
        facts,
        status,
        MigrationState::Pending,
        reason::COPY_FAILED,
        message,
        now,
    )
    .status
}
