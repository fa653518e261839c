//! What targets and policies say of themselves.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::classify::{Classified, Named};
use super::freshness;
use super::obstacle::{self, KeyView, Problem};
use super::permissions;
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{
    AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, Duration, MigrationCounts, Mode, OrphanedCopies,
    UnencryptedImage,
};
use crate::domain::MissingPermissions;

mod compliance;
mod policy;

pub use policy::{Counted, changes, policy};

/// `lastScanTime` alone is written when what is on record is older than this part of a scan interval: with every scan, that is, and
/// for those that come sooner no more often than the policy has it looked.
const SCAN_TIME_AFTER: f64 = 0.75;
/// So many policies that govern images are named.
const GOVERNORS: usize = 10;

/// What became of looking through a target.
#[derive(Debug, Clone)]
pub enum ScanResult<'a> {
    /// It was not looked through yet since this process began.
    NotYet,
    /// It was, completely.
    Scanned {
        /// When the scan began.
        at: Timestamp,
        /// What it amounts to.
        classified: &'a Classified,
        /// Who AWS says we are.
        caller: &'a str,
        /// What is known of the key.
        key: &'a KeyView,
        /// Why the key could not be read, if it could not.
        key_problem: Option<&'a Problem>,
        /// When the key was read last.
        key_read: Option<Timestamp>,
        /// Whether images that are to be migrated have no migration yet.
        unstarted: bool,
        /// Whether any image is still to be migrated, for which the role needs its permissions.
        migrates: bool,
        /// Whether there is any image to ask about what the role may do, be it one that is done.
        asks: bool,
        /// What the role lacks; none if that was not asked.
        lacking: Option<&'a MissingPermissions>,
        /// Why it is not known yet what the role lacks, if copies wait for that.
        unanswered: Option<&'a Problem>,
        /// What people had asked for by annotation when that scan began.
        asked: Option<&'a str>,
        /// What hinders today's scan, if the one that is shown is an older one.
        problem: Option<&'a Problem>,
    },
    /// It could not be, and was not before either.
    Failed(&'a Problem),
}

/// The status of a target.
pub fn target(
    current: &AMIEncryptionTargetStatus,
    spec: &AMIEncryptionTargetSpec,
    generation: Option<i64>,
    looked: &ScanResult<'_>,
    migrations: MigrationCounts,
    now: Timestamp,
) -> AMIEncryptionTargetStatus {
    let mut status = current.clone();
    status.observed_generation = generation;
    status.migrations = Some(migrations);
    let mut conditions = std::mem::take(&mut status.conditions);
    let mut write = Writer {
        conditions: &mut conditions,
        generation,
        now,
    };
    if spec.suspend {
        let message = "The policy is suspended: set spec.suspend: false to go on.";
        // That nothing is done is what is asked for: neither is it under way, nor has it failed.
        write.set(conditions::READY, Status::True, reason::SUSPENDED, message);
        write.set(conditions::RECONCILING, Status::False, reason::SUSPENDED, "");
        write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        if conditions::is_true(&current.conditions, conditions::COMPLIANT) {
            // What is registered, shared or selected from now on is not seen.
            let message = "amiseal does not scan while the policy is suspended. At the last scan everything complied.";
            write.set(conditions::COMPLIANT, Status::Unknown, reason::SUSPENDED, message);
        }
        status.conditions = conditions;
        return status;
    }
    match looked {
        ScanResult::NotYet => {
            let message = "Waiting for the first complete scan.";
            for type_ in [conditions::REACHABLE, conditions::KEY_USABLE, conditions::COMPLIANT] {
                // What an earlier process found stays said until this one has looked.
                if conditions::find(&current.conditions, type_).is_none() {
                    write.set(type_, Status::Unknown, reason::INITIALIZING, message);
                }
            }
            write.set(conditions::READY, Status::False, reason::INITIALIZING, message);
            write.set(conditions::RECONCILING, Status::True, reason::INITIALIZING, message);
            write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        }
        ScanResult::Failed(problem) => {
            write.set(conditions::REACHABLE, Status::False, problem.reason, &problem.message);
            freshness::doubt_record(&mut write, problem, spec, current);
            not_ready(&mut write, problem);
        }
        ScanResult::Scanned {
            at,
            classified,
            caller,
            key,
            key_problem,
            key_read,
            unstarted,
            migrates,
            asks,
            lacking,
            unanswered,
            asked,
            problem,
        } => {
            // What hindered migrating hinders nothing any more when nothing is left to migrate; and where there is nothing to ask
            // about, the last answer may not hold any more.
            let lacking = lacking.filter(|lacking| *asks || lacking.certain.is_empty());
            let unanswered = unanswered.filter(|_| *migrates);
            status.images = Some(classified.counts);
            status.key_arn = key.arn().map(ToString::to_string);
            status.caller_arn = Some((*caller).to_owned());
            status.duplicate_gib = Some(gib(classified.duplicate_bytes));
            status.orphaned_copies = (classified.orphans.images > 0).then(|| OrphanedCopies {
                images: classified.orphans.images,
                gib: gib(classified.orphans.bytes),
            });
            status.observed_scan = asked.map(|asked| asked.chars().take(256).collect());
            status.contested_by = classified.contested.keys().take(GOVERNORS).cloned().collect();
            // Elsewhere their migrations name them.
            status.unencrypted_images = if spec.mode == Mode::Audit || key.arn().is_none() {
                unencrypted(classified)
            } else {
                Vec::new()
            };
            let key_obstacle = key.problem().map(|problem| obstacle::of_key(problem, &spec.kms_key_id));
            match (&key_obstacle, key_problem) {
                (Some(problem), _) => {
                    write.set(conditions::KEY_USABLE, Status::False, problem.reason, &problem.message)
                }
                (None, Some(problem)) => {
                    write.set(
                        conditions::KEY_USABLE,
                        Status::Unknown,
                        problem.reason,
                        &problem.message,
                    );
                }
                (None, None) => {
                    let message = "The key is enabled and can encrypt images.";
                    write.set(conditions::KEY_USABLE, Status::True, reason::SUCCEEDED, message);
                }
            }
            let (compliant, why, message) = compliance::of(classified, spec, key.arn().is_some());
            write.set(conditions::COMPLIANT, compliant, why, &message);
            if !status.contested_by.is_empty() {
                let message = compliance::contested(&status.contested_by);
                write.set(conditions::CONTESTED, true, reason::CONTESTED, &message);
            } else if conditions::find(&current.conditions, conditions::CONTESTED).is_some() {
                write.set(conditions::CONTESTED, false, reason::SUCCEEDED, "");
            }
            let denied = lacking.and_then(permissions::obstacle);
            match lacking {
                Some(lacking) => permitted(&mut write, lacking, denied.as_ref()),
                None if let Some(problem) = unanswered => {
                    let message = format!("The role's permissions could not be checked: {}", problem.message);
                    write.set(conditions::PERMITTED, Status::Unknown, problem.reason, &message);
                }
                None if spec.mode == Mode::Audit
                    && conditions::find(&current.conditions, conditions::PERMITTED).is_some() =>
                {
                    let message = "In mode Audit, amiseal does not check the role's write permissions.";
                    write.set(conditions::PERMITTED, Status::Unknown, reason::AUDIT, message);
                }
                None if !migrates
                    && conditions::find(&current.conditions, conditions::PERMITTED)
                        .is_some_and(|permitted| permitted.status != Status::True.as_str()) =>
                {
                    let message = "No image is left to migrate, so amiseal does not check the role's permissions.";
                    write.set(conditions::PERMITTED, Status::Unknown, reason::SUCCEEDED, message);
                }
                None => {}
            }
            match problem {
                Some(problem) => {
                    write.set(conditions::REACHABLE, Status::False, problem.reason, &problem.message);
                    freshness::doubt(&mut write, problem, spec, *at, *key_read);
                }
                None => {
                    let message = "The last scan read every image and snapshot.";
                    write.set(conditions::REACHABLE, Status::True, reason::SUCCEEDED, message);
                }
            }
            let hindrance = problem.or(key_obstacle.as_ref()).or(*key_problem);
            let denied = denied.as_ref().filter(|_| *migrates);
            match hindrance.or(denied).or(unanswered) {
                Some(problem) => not_ready(&mut write, problem),
                None => ready(&mut write, spec, migrations, *unstarted),
            }
            status.last_scan_time = Some(Time(*at));
        }
    }
    status.conditions = conditions;
    keep_scan_time_if_alone(current, &mut status, spec.scan_interval);
    status
}

/// Whether the role may do what migrating needs.
fn permitted(write: &mut Writer<'_>, lacking: &MissingPermissions, denied: Option<&Problem>) {
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
            let message = "Dry runs confirm that the role has every permission Enforce needs.";
            write.set(conditions::PERMITTED, Status::True, reason::SUCCEEDED, message);
        }
    }
}

fn not_ready(write: &mut Writer<'_>, problem: &Problem) {
    write.set(conditions::READY, Status::False, problem.reason, &problem.message);
    // Every one of these is tried again by itself, but most need a person first.
    let passes = matches!(
        problem.reason,
        reason::TRANSIENT_ERROR | reason::THROTTLED | reason::QUOTA_EXCEEDED | reason::ENDPOINT_UNREACHABLE
    );
    let goes_on = if passes { problem.message.as_str() } else { "" };
    write.set(conditions::RECONCILING, passes, problem.reason, goes_on);
    let why = if passes { reason::NOT_STALLED } else { problem.reason };
    write.set(
        conditions::STALLED,
        !passes,
        why,
        if passes { "" } else { &problem.message },
    );
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

/// What is not encrypted and has no migration to say so.
fn unencrypted(classified: &Classified) -> Vec<UnencryptedImage> {
    let named = |image: &Named| UnencryptedImage {
        id: image.image.to_string(),
        name: image.name.chars().take(128).collect(),
    };
    classified.unencrypted.iter().map(named).collect()
}

fn gib(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 30)
}

/// A scan that found nothing new is on record once in a scan interval, however many there are.
fn keep_scan_time_if_alone(
    current: &AMIEncryptionTargetStatus,
    status: &mut AMIEncryptionTargetStatus,
    interval: Duration,
) {
    let (Some(old), Some(new)) = (&current.last_scan_time, &status.last_scan_time) else {
        return;
    };
    let after = interval.as_std().as_secs_f64() * SCAN_TIME_AFTER;
    let recent = new.0.duration_since(old.0).as_secs_f64() < after;
    let same = AMIEncryptionTargetStatus {
        last_scan_time: current.last_scan_time.clone(),
        ..status.clone()
    };
    if recent && same == *current {
        *status = same;
    }
}

#[cfg(test)]
mod tests;
