//! How a decision shows in a migration's conditions.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Facts, Next, Step};
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIMigrationStatus, MigrationState, SnapshotStatus};
use crate::domain::ImageId;
use crate::plan::obstacle::Problem;

/// Work goes on by itself.
pub(super) fn progressing(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    state: MigrationState,
    why: &str,
    message: &str,
    now: Timestamp,
) -> Step {
    status.state = Some(state);
    status.stalled = None;
    let mut write = writer(facts, &mut status, now);
    write.set(conditions::READY, Status::False, why, message);
    write.set(conditions::RECONCILING, Status::True, why, message);
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    Step {
        status,
        then: Next::Wait,
    }
}

/// A person has to act.
pub(super) fn stalled(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    state: MigrationState,
    problem: &Problem,
    now: Timestamp,
) -> Step {
    status.state = Some(state);
    status.stalled = Some(problem.reason.to_owned());
    let mut write = writer(facts, &mut status, now);
    write.set(conditions::READY, Status::False, problem.reason, &problem.message);
    write.set(conditions::RECONCILING, Status::False, problem.reason, "");
    write.set(conditions::STALLED, Status::True, problem.reason, &problem.message);
    Step {
        status,
        then: Next::Wait,
    }
}

/// The policy says to wait. The state stays what it is.
pub(super) fn waiting(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    why: &str,
    message: &str,
    now: Timestamp,
) -> Step {
    status.state.get_or_insert_default();
    status.stalled = None;
    let mut write = writer(facts, &mut status, now);
    write.set(conditions::READY, Status::False, why, message);
    write.set(conditions::RECONCILING, Status::False, why, "");
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    Step {
        status,
        then: Next::Wait,
    }
}

/// Nothing is left to do.
pub(super) fn completed(
    facts: Facts<'_>,
    mut status: AMIMigrationStatus,
    why: &str,
    message: &str,
    now: Timestamp,
) -> Step {
    status.state = Some(MigrationState::Completed);
    status.stalled = None;
    let mut write = writer(facts, &mut status, now);
    write.set(conditions::READY, Status::True, why, message);
    write.set(conditions::RECONCILING, Status::False, reason::SUCCEEDED, "");
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    Step {
        status,
        then: Next::Wait,
    }
}

/// What is said of an original that is gone, and of its copy.
pub(super) const SOURCE_GONE: &str = "The original no longer exists; its copy, if any, stays.";

/// The original is gone, and nothing is left to do.
pub(super) fn source_gone(facts: Facts<'_>, mut status: AMIMigrationStatus, message: &str, now: Timestamp) -> Step {
    status.source_gone_time.get_or_insert(Time(now));
    completed(facts, status, reason::SOURCE_GONE, message, now)
}

const MADE: &str = "AWS has made the copy.";

/// The copy is there and is what it should be.
pub(super) fn verified(
    facts: Facts<'_>,
    status: &mut AMIMigrationStatus,
    snapshots: Vec<SnapshotStatus>,
    now: Timestamp,
) {
    status.snapshots = snapshots;
    let mut write = writer(facts, status, now);
    write.set(conditions::COPIED, Status::True, reason::SUCCEEDED, MADE);
    let message = "Every snapshot is encrypted under the key, and the copy matches the original.";
    write.set(conditions::VERIFIED, Status::True, reason::SUCCEEDED, message);
}

/// The copy is there and is not what it should be.
pub(super) fn not_verified(facts: Facts<'_>, status: &mut AMIMigrationStatus, problem: &Problem, now: Timestamp) {
    let mut write = writer(facts, status, now);
    write.set(conditions::VERIFIED, Status::False, problem.reason, &problem.message);
}

/// The copy has lost what it took over, which has to be published anew; that it was published stays on record.
pub(super) fn withdrawn(facts: Facts<'_>, status: &mut AMIMigrationStatus, problem: &Problem, now: Timestamp) {
    if conditions::find(&status.conditions, conditions::PROMOTED).is_some() {
        let mut write = writer(facts, status, now);
        write.set(conditions::PROMOTED, Status::False, problem.reason, &problem.message);
    }
    status.promotion = None;
}

/// What is said of the proof of the copy.
pub(super) fn validated(
    facts: Facts<'_>,
    status: &mut AMIMigrationStatus,
    is: Status,
    why: &str,
    message: &str,
    now: Timestamp,
) {
    writer(facts, status, now).set(conditions::VALIDATED, is, why, message);
}

/// The copy is no more.
pub(super) fn copy_lost(facts: Facts<'_>, status: &mut AMIMigrationStatus, message: &str, now: Timestamp) {
    let mut write = writer(facts, status, now);
    write.set(conditions::COPIED, Status::False, reason::COPY_FAILED, message);
    status.promotion = None;
    status
        .conditions
        .retain(|c| ![conditions::VERIFIED, conditions::VALIDATED, conditions::PROMOTED].contains(&c.type_.as_str()));
    status.validation = None;
}

/// A copy that was there is no more, and no other one is made: nothing is claimed of it any more. That it was published stays on record,
/// and so does which copy it was.
pub(super) fn copy_gone(facts: Facts<'_>, status: &mut AMIMigrationStatus, copy: &ImageId, now: Timestamp) {
    let problem = Problem::new(reason::COPY_GONE, is_no_more(copy));
    let mut write = writer(facts, status, now);
    write.set(conditions::COPIED, Status::False, problem.reason, &problem.message);
    not_verified(facts, status, &problem, now);
    withdrawn(facts, status, &problem, now);
}

/// Whether that is said of this very copy.
pub(super) fn is_said_to_be_no_more(status: &AMIMigrationStatus, copy: &ImageId) -> bool {
    let verified = conditions::find(&status.conditions, conditions::VERIFIED);
    verified.is_some_and(|verified| verified.reason == reason::COPY_GONE && verified.message == is_no_more(copy))
}

/// Whether the last that is said of the copy is that it does not show.
pub(super) fn is_said_to_be_unseen(status: &AMIMigrationStatus) -> bool {
    conditions::has_status(&status.conditions, conditions::VERIFIED, Status::Unknown)
}

fn is_no_more(copy: &ImageId) -> String {
    format!("The copy {copy} no longer exists.")
}

/// A copy that was said to be no more, or not to show, is there again, and is not judged here.
pub(super) fn copy_back(facts: Facts<'_>, status: &mut AMIMigrationStatus, now: Timestamp) {
    let promoted = conditions::find(&status.conditions, conditions::PROMOTED);
    let has_lost = promoted.is_some_and(|promoted| promoted.status != "True");
    let mut write = writer(facts, status, now);
    write.set(conditions::COPIED, Status::True, reason::SUCCEEDED, MADE);
    if has_lost {
        let message = "The copy was gone for a while.";
        write.set(conditions::PROMOTED, Status::Unknown, reason::VERIFYING, message);
    }
    status.conditions.retain(|c| c.type_ != conditions::VERIFIED);
}

/// The copy can be launched again. Whom its original was shared with nobody can tell any more.
pub(super) fn launched_again(facts: Facts<'_>, status: &mut AMIMigrationStatus, copy: &ImageId, now: Timestamp) {
    let message = format!(
        "The copy was gone or disabled for a while. The original no longer exists, so that amiseal does not know whom it was shared \
         with: share {copy} yourself where other accounts launch it."
    );
    writer(facts, status, now).set(conditions::PROMOTED, Status::True, reason::SUCCEEDED, &message);
}

/// A copy that was there does not show: nothing more is claimed of it until it does.
pub(super) fn copy_unseen(facts: Facts<'_>, mut status: AMIMigrationStatus, copy: &ImageId, now: Timestamp) -> Step {
    let message = format!("AWS does not list the copy {copy}. If that lasts ten minutes, amiseal makes another one.");
    let mut write = writer(facts, &mut status, now);
    write.set(conditions::COPIED, Status::Unknown, reason::VERIFYING, &message);
    write.set(conditions::VERIFIED, Status::Unknown, reason::VERIFYING, &message);
    progressing(
        facts,
        status,
        MigrationState::Verifying,
        reason::VERIFYING,
        &message,
        now,
    )
}

/// The copy took over what these settings say, but for what AWS does not take.
pub(super) fn promoted(
    facts: Facts<'_>,
    status: &mut AMIMigrationStatus,
    left_out: Option<&'static str>,
    now: Timestamp,
) {
    status.promotion = Some(facts.settings.promotion.published());
    let message = left_out.unwrap_or("The copy has what it takes over from the original.");
    writer(facts, status, now).set(conditions::PROMOTED, Status::True, reason::SUCCEEDED, message);
}

/// What is said of the consumers; nothing where nothing is asked for.
pub(super) fn moved(
    facts: Facts<'_>,
    status: &mut AMIMigrationStatus,
    says: Option<&(Status, &'static str, String)>,
    now: Timestamp,
) {
    match says {
        Some((is, why, message)) => {
            writer(facts, status, now).set(conditions::CONSUMERS_MOVED, *is, why, message);
        }
        None => status.conditions.retain(|c| c.type_ != conditions::CONSUMERS_MOVED),
    }
}

fn writer<'a>(facts: Facts<'_>, status: &'a mut AMIMigrationStatus, now: Timestamp) -> Writer<'a> {
    Writer {
        conditions: &mut status.conditions,
        generation: facts.record.generation,
        now,
    }
}
