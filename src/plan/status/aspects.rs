//! What a target says after a complete scan, one aspect at a time. A new aspect is a function and a line in [`ASPECTS`].

use super::{Scan, compliance, not_ready};
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, MigrationCounts, Mode};
use crate::domain::MissingPermissions;
use crate::plan::obstacle::{self, Problem};
use crate::plan::{freshness, permissions, usage};

/// One aspect: writes its conditions, and gives what keeps the target from being ready, if that is its business.
type Aspect = fn(&mut Writer<'_>, &View<'_>) -> Option<Problem>;

/// In this order their conditions are listed, and of several that keep the target from being ready the first one is said,
/// by [`Hindrance`].
const ASPECTS: [(Hindrance, Aspect); 6] = [
    (Hindrance::Key, key_usable),
    (Hindrance::None, compliant),
    (Hindrance::None, contested),
    (Hindrance::Role, permitted),
    (Hindrance::None, usage_known),
    (Hindrance::Scan, reachable),
];

/// Which hindrance is said where there are several: the lowest, as the others may follow from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hindrance {
    Scan,
    Key,
    Role,
    None,
}

/// What an aspect is decided on.
struct View<'a> {
    scan: &'a Scan<'a>,
    spec: &'a AMIEncryptionTargetSpec,
    current: &'a AMIEncryptionTargetStatus,
    /// What the role lacks, as far as that matters still.
    lacking: Option<&'a MissingPermissions>,
    /// Why it is not known what the role lacks, likewise.
    unanswered: Option<&'a Problem>,
    /// Why that cannot be known, likewise.
    unanswerable: Option<&'a Problem>,
}

/// Writes every aspect, and whether the target is ready.
pub(super) fn write(
    write: &mut Writer<'_>,
    scan: &Scan<'_>,
    spec: &AMIEncryptionTargetSpec,
    current: &AMIEncryptionTargetStatus,
    migrations: MigrationCounts,
) {
    let view = View {
        scan,
        spec,
        current,
        // What hindered migrating hinders nothing any more when nothing is left to migrate; and where there is nothing to
        // ask about, the last answer may not hold any more.
        lacking: scan.lacking.filter(|lacking| scan.asks || lacking.certain.is_empty()),
        unanswered: scan.unanswered.filter(|_| scan.migrates),
        unanswerable: scan
            .unanswerable
            .filter(|_| scan.migrates && spec.mode == Mode::Enforce),
    };
    let mut hindrances = Vec::new();
    for (rank, aspect) in ASPECTS {
        hindrances.extend(aspect(write, &view).map(|problem| (rank, problem)));
    }
    match hindrances.into_iter().min_by_key(|(rank, _)| *rank) {
        Some((_, problem)) => not_ready(write, &problem),
        None => ready(write, spec, migrations, scan.unstarted),
    }
}

fn key_usable(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    let unusable = view.scan.key.problem();
    if let Some(problem) = unusable.map(|problem| obstacle::of_key(problem, &view.spec.kms_key_id)) {
        write.set(conditions::KEY_USABLE, Status::False, problem.reason, &problem.message);
        return Some(problem);
    }
    if let Some(problem) = view.scan.key_problem {
        write.set(
            conditions::KEY_USABLE,
            Status::Unknown,
            problem.reason,
            &problem.message,
        );
        return Some(problem.clone());
    }
    let message = "The key is enabled and can encrypt images.";
    write.set(conditions::KEY_USABLE, Status::True, reason::SUCCEEDED, message);
    None
}

fn compliant(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    let key_is_known = view.scan.key.arn().is_some();
    let (compliant, why, message) = compliance::of(view.scan.classified, view.spec, key_is_known);
    write.set(conditions::COMPLIANT, compliant, why, &message);
    None
}

fn contested(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    let governors = super::governors(view.scan.classified);
    if !governors.is_empty() {
        let message = compliance::contested(&governors);
        write.set(conditions::CONTESTED, true, reason::CONTESTED, &message);
    } else if conditions::find(&view.current.conditions, conditions::CONTESTED).is_some() {
        write.set(conditions::CONTESTED, false, reason::SUCCEEDED, "");
    }
    None
}

/// Whether the role may do what migrating needs. It hinders only where an image is to be migrated.
fn permitted(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    if let Some(lacking) = view.lacking {
        let denied = permissions::obstacle(lacking);
        answered(write, lacking, denied.as_ref());
        return denied.filter(|_| view.scan.migrates).or(view.unanswered.cloned());
    }
    if let Some(problem) = view.unanswered {
        let message = format!("The role's permissions could not be checked: {}", problem.message);
        write.set(conditions::PERMITTED, Status::Unknown, problem.reason, &message);
        return Some(problem.clone());
    }
    unasked(write, view);
    None
}

/// What is said of the role's permissions where AWS has not answered, and copies do not wait for that.
fn unasked(write: &mut Writer<'_>, view: &View<'_>) {
    if let Some(problem) = view.unanswerable {
        let message = format!(
            "amiseal does not know what the role may do, as AWS refuses to answer dry runs: {} Copies go on, and a migration says what \
             AWS denies it. Fix what AWS refuses, and amiseal asks again.",
            problem.message
        );
        write.set(
            conditions::PERMITTED,
            Status::Unknown,
            reason::PERMISSIONS_NOT_CHECKED,
            &message,
        );
        return;
    }
    let Some(said) = conditions::find(&view.current.conditions, conditions::PERMITTED) else {
        return;
    };
    if view.spec.mode == Mode::Audit {
        let message = "In mode Audit, amiseal does not check the role's write permissions.";
        write.set(conditions::PERMITTED, Status::Unknown, reason::AUDIT, message);
    } else if !view.scan.migrates && said.status != Status::True.as_str() {
        let message = "No image is left to migrate, so amiseal does not check the role's permissions.";
        write.set(
            conditions::PERMITTED,
            Status::Unknown,
            reason::NOTHING_TO_MIGRATE,
            message,
        );
    } else if view.scan.migrates && said.status == Status::Unknown.as_str() {
        // What was said before holds no longer: the policy was in mode Audit, or nothing was left to migrate.
        let message = "amiseal has not asked yet what the role may do. It asks AWS by dry runs before the first copy: wait for that.";
        write.set(
            conditions::PERMITTED,
            Status::Unknown,
            reason::PERMISSIONS_NOT_CHECKED,
            message,
        );
    }
}

/// What AWS has answered about the role.
fn answered(write: &mut Writer<'_>, lacking: &MissingPermissions, denied: Option<&Problem>) {
    let doubt = permissions::doubt(lacking);
    match (denied, &doubt) {
        (Some(denied), doubt) => {
            let doubt = doubt
                .iter()
                .map(|doubt| format!(" {}", doubt.message))
                .collect::<String>();
            let message = denied.message.clone() + &doubt;
            write.set(conditions::PERMITTED, Status::False, denied.reason, &message);
        }
        (None, Some(doubt)) => write.set(conditions::PERMITTED, Status::Unknown, doubt.reason, &doubt.message),
        (None, None) => {
            let message = "Dry runs confirm that the role has every permission that they can ask about.";
            write.set(conditions::PERMITTED, Status::True, reason::SUCCEEDED, message);
        }
    }
}

/// Whether everything was read that can launch images. It hinders nothing.
fn usage_known(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    let unread = &view.scan.usage.filter(|_| view.spec.consumers.read)?.unread;
    if unread.is_empty() {
        let message = "The last reading showed everything that can launch images.";
        write.set(conditions::USAGE_KNOWN, Status::True, reason::SUCCEEDED, message);
        return None;
    }
    let message = usage::record::lacking(unread);
    write.set(
        conditions::USAGE_KNOWN,
        Status::False,
        reason::CONSUMERS_UNREAD,
        &message,
    );
    None
}

fn reachable(write: &mut Writer<'_>, view: &View<'_>) -> Option<Problem> {
    let Some(problem) = view.scan.problem else {
        let message = "The last scan read every image and snapshot.";
        write.set(conditions::REACHABLE, Status::True, reason::SUCCEEDED, message);
        return None;
    };
    write.set(conditions::REACHABLE, Status::False, problem.reason, &problem.message);
    freshness::doubt(write, problem, view.spec, view.scan.at, view.scan.key_read);
    Some(problem.clone())
}

fn ready(write: &mut Writer<'_>, spec: &AMIEncryptionTargetSpec, migrations: MigrationCounts, unstarted: bool) {
    let mode = spec.mode;
    let message = match mode {
        // AWS holds an assumed role's session to reading; the controller's own identity cannot be narrowed.
        Mode::Audit if spec.role_arn.is_none() => {
            "Every selected image is classified; mode Audit changes nothing. No role is assumed, so only amiseal itself \
             holds this: name a role, and AWS refuses every change as well."
        }
        Mode::Audit => "Every selected image is classified; mode Audit changes nothing.",
        Mode::Enforce => "Every selected image is classified, and those that can be are migrated.",
    };
    write.set(conditions::READY, Status::True, reason::SUCCEEDED, message);
    let busy = mode == Mode::Enforce && (unstarted || migrations.pending + migrations.in_progress > 0);
    let why = if busy { reason::PROGRESSING } else { reason::SUCCEEDED };
    write.set(
        conditions::RECONCILING,
        busy,
        why,
        if busy { "Images are being migrated." } else { "" },
    );
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
}
