//! What targets and policies say of themselves.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::classify::Classified;
use super::obstacle::{self, KeyView, Trouble};
use super::permit;
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{
    AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, AMIEncryptionTargetSpec, AMIEncryptionTargetStatus,
    ImageCounts, MigrationCounts, Mode, OtherKey, TargetCounts,
};
use crate::domain::Lacking;

/// `lastScanTime` alone is written no more often than this, in seconds.
const SCAN_TIME_EVERY: f64 = 3600.0;

/// What became of looking through a target.
#[derive(Debug, Clone)]
pub enum Looked<'a> {
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
        key_trouble: Option<&'a Trouble>,
        /// Whether images that are to be migrated have no migration yet.
        unstarted: bool,
        /// Whether any image is still to be migrated, for which the role needs its permissions.
        migrates: bool,
        /// Whether there is any image to ask about what the role may do, be it one that is done.
        asks: bool,
        /// What the role lacks; none if that was not asked.
        lacking: Option<&'a Lacking>,
        /// Why it is not known yet what the role lacks, if copies wait for that.
        unanswered: Option<&'a Trouble>,
        /// What hinders today's scan, if the one that is shown is an older one.
        trouble: Option<&'a Trouble>,
    },
    /// It could not be, and was not before either.
    Failed(&'a Trouble),
}

/// The status of a target.
pub fn target(
    current: &AMIEncryptionTargetStatus,
    spec: &AMIEncryptionTargetSpec,
    generation: Option<i64>,
    looked: &Looked<'_>,
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
        write.set(conditions::READY, Status::False, reason::SUSPENDED, message);
        write.set(conditions::RECONCILING, Status::False, reason::SUSPENDED, "");
        write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        if conditions::is_true(&current.conditions, conditions::COMPLIANT) {
            // What is registered, shared or selected from now on is not seen.
            let message = "Nothing is looked at while the policy is suspended. At the last scan everything complied.";
            write.set(conditions::COMPLIANT, Status::Unknown, reason::SUSPENDED, message);
        }
        status.conditions = conditions;
        return status;
    }
    match looked {
        Looked::NotYet => {
            let message = "Waits for the first complete scan.";
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
        Looked::Failed(trouble) => {
            write.set(conditions::REACHABLE, Status::False, trouble.reason, &trouble.message);
            for type_ in [conditions::KEY_USABLE, conditions::COMPLIANT] {
                write.set(
                    type_,
                    Status::Unknown,
                    trouble.reason,
                    "The account and region could not be looked through.",
                );
            }
            not_ready(&mut write, trouble);
        }
        Looked::Scanned {
            at,
            classified,
            caller,
            key,
            key_trouble,
            unstarted,
            migrates,
            asks,
            lacking,
            unanswered,
            trouble,
        } => {
            // What hindered migrating hinders nothing any more when nothing is left to migrate; and where there is nothing to ask
            // about, the last answer may not hold any more.
            let lacking = lacking.filter(|lacking| *asks || lacking.certain.is_empty());
            let unanswered = unanswered.filter(|_| *migrates);
            status.images = Some(classified.counts);
            status.key_arn = key.arn().map(ToString::to_string);
            status.caller_arn = Some((*caller).to_owned());
            status.duplicate_gib = Some(classified.duplicate_bytes.div_ceil(1 << 30));
            let key_problem = key.problem().map(|problem| obstacle::of_key(problem, &spec.kms_key_id));
            match (&key_problem, key_trouble) {
                (Some(problem), _) => {
                    write.set(conditions::KEY_USABLE, Status::False, problem.reason, &problem.message)
                }
                (None, Some(trouble)) => {
                    write.set(
                        conditions::KEY_USABLE,
                        Status::Unknown,
                        trouble.reason,
                        &trouble.message,
                    );
                }
                (None, None) => {
                    let message = "The key is enabled and fit to encrypt images.";
                    write.set(conditions::KEY_USABLE, Status::True, reason::SUCCEEDED, message);
                }
            }
            let (compliant, why, message) = compliance(&classified.counts, spec.other_key);
            write.set(conditions::COMPLIANT, compliant, why, message);
            let contested = classified.counts.contested > 0;
            if contested {
                let message = "Another policy governs some of the selected images: narrow one of the selectors.";
                write.set(conditions::CONTESTED, true, reason::CONTESTED, message);
            } else if conditions::find(&current.conditions, conditions::CONTESTED).is_some() {
                write.set(conditions::CONTESTED, false, reason::SUCCEEDED, "");
            }
            let denied = lacking.and_then(permit::obstacle);
            match lacking {
                Some(lacking) => permitted(&mut write, lacking, denied.as_ref()),
                None if let Some(trouble) = unanswered => {
                    let message = format!("What the role may do could not be asked: {}", trouble.message);
                    write.set(conditions::PERMITTED, Status::Unknown, trouble.reason, &message);
                }
                None if spec.mode == Mode::Audit
                    && conditions::find(&current.conditions, conditions::PERMITTED).is_some() =>
                {
                    let message = "Under mode Audit it is not asked what the role may change.";
                    write.set(conditions::PERMITTED, Status::Unknown, reason::AUDIT, message);
                }
                None if !migrates
                    && conditions::find(&current.conditions, conditions::PERMITTED)
                        .is_some_and(|permitted| permitted.status != Status::True.as_str()) =>
                {
                    let message = "Nothing is left to migrate, so it is not asked what the role may do.";
                    write.set(conditions::PERMITTED, Status::Unknown, reason::SUCCEEDED, message);
                }
                None => {}
            }
            match trouble {
                Some(trouble) => write.set(conditions::REACHABLE, Status::False, trouble.reason, &trouble.message),
                None => {
                    let message = "The account and region was looked through completely.";
                    write.set(conditions::REACHABLE, Status::True, reason::SUCCEEDED, message);
                }
            }
            let hindrance = trouble.or(key_problem.as_ref()).or(*key_trouble);
            let denied = denied.as_ref().filter(|_| *migrates);
            match hindrance.or(denied).or(unanswered) {
                Some(trouble) => not_ready(&mut write, trouble),
                None => ready(&mut write, spec, migrations, *unstarted),
            }
            status.last_scan_time = Some(Time(*at));
        }
    }
    status.conditions = conditions;
    keep_scan_time_if_alone(current, &mut status);
    status
}

/// Whether the role may do what migrating needs.
fn permitted(write: &mut Writer<'_>, lacking: &Lacking, denied: Option<&Trouble>) {
    let doubt = permit::doubt(lacking);
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
            let message = "AWS allows what migrating needs, said dry runs.";
            write.set(conditions::PERMITTED, Status::True, reason::SUCCEEDED, message);
        }
    }
}

fn not_ready(write: &mut Writer<'_>, trouble: &Trouble) {
    write.set(conditions::READY, Status::False, trouble.reason, &trouble.message);
    // Every one of these is tried again by itself, but most need a person first.
    let passes = matches!(
        trouble.reason,
        reason::TRANSIENT_ERROR | reason::THROTTLED | reason::QUOTA_EXCEEDED | reason::ENDPOINT_UNREACHABLE
    );
    write.set(conditions::RECONCILING, passes, trouble.reason, "");
    let why = if passes { reason::NOT_STALLED } else { trouble.reason };
    write.set(
        conditions::STALLED,
        !passes,
        why,
        if passes { "" } else { &trouble.message },
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

/// Whether nothing is left unencrypted.
fn compliance(counts: &ImageCounts, other_key: OtherKey) -> (Status, &'static str, &'static str) {
    if counts.unencrypted > 0 {
        (
            Status::False,
            reason::UNENCRYPTED_IMAGES,
            "Unencrypted images have no verified copy: see their migrations.",
        )
    } else if counts.unencryptable > 0 {
        (
            Status::False,
            reason::UNENCRYPTED_IMAGES,
            "Images that copying cannot encrypt remain: see their migrations.",
        )
    } else if counts.other_key > 0 && other_key == OtherKey::Migrate {
        (
            Status::False,
            reason::OTHER_KEY,
            "Images under another key have no copy under the policy's yet.",
        )
    } else if counts.unknown > 0 {
        let message = "Some images' encryption could not be told: allow ec2:DescribeSnapshots, and see KeyUsable.";
        (Status::Unknown, reason::UNKNOWN_IMAGES, message)
    } else if counts.superseded > 0 {
        (
            Status::False,
            reason::ORIGINALS_REMAIN,
            "Every image has an encrypted copy; unencrypted originals remain.",
        )
    } else {
        (Status::True, reason::SUCCEEDED, "No selected image is unencrypted.")
    }
}

/// A scan that found nothing new is on record once an hour, so that a quiet cluster stays quiet.
fn keep_scan_time_if_alone(current: &AMIEncryptionTargetStatus, status: &mut AMIEncryptionTargetStatus) {
    let (Some(old), Some(new)) = (&current.last_scan_time, &status.last_scan_time) else {
        return;
    };
    let recent = new.0.duration_since(old.0).as_secs_f64() < SCAN_TIME_EVERY;
    let same = AMIEncryptionTargetStatus {
        last_scan_time: current.last_scan_time.clone(),
        ..status.clone()
    };
    if recent && same == *current {
        *status = same;
    }
}

/// One target, as its policy counts it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Whether the target's spec is what the policy asks for today, and its status speaks of that.
    pub current: bool,
    /// Its status.
    pub status: &'a AMIEncryptionTargetStatus,
}

/// The status of a policy: the sum of its targets.
pub fn policy(
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
    generation: Option<i64>,
    expected: usize,
    targets: &[Counted<'_>],
    now: Timestamp,
) -> AMIEncryptionPolicyStatus {
    let mut status = current.clone();
    status.observed_generation = generation;
    let holds = |type_| {
        targets
            .iter()
            .filter(|t| t.current && conditions::is_true(&t.status.conditions, type_))
            .count()
    };
    let ready = holds(conditions::READY);
    status.targets = Some(TargetCounts {
        total: small(expected),
        ready: small(ready),
    });
    // Nothing is counted before anything was looked at.
    status.images = sum(targets.iter().filter_map(|t| t.status.images));
    status.migrations = sum(targets.iter().filter_map(|t| t.status.migrations));

    let mut conditions = std::mem::take(&mut status.conditions);
    let mut write = Writer {
        conditions: &mut conditions,
        generation,
        now,
    };
    for (type_, target_type) in [
        (conditions::TARGETS_REACHABLE, conditions::REACHABLE),
        (conditions::KEYS_USABLE, conditions::KEY_USABLE),
        (conditions::COMPLIANT, conditions::COMPLIANT),
    ] {
        let (status, why, message) = all_of(target_type, expected, targets);
        write.set(type_, status, why, &message);
    }
    if spec.suspend {
        let message = "The policy is suspended: set spec.suspend: false to go on.";
        write.set(conditions::READY, Status::False, reason::SUSPENDED, message);
        write.set(conditions::RECONCILING, Status::False, reason::SUSPENDED, "");
    } else {
        let (status, why, message) = all_of(conditions::READY, expected, targets);
        write.set(conditions::READY, status, why, &message);
        let busy = targets.len() < expected
            || targets
                .iter()
                .any(|t| !t.current || conditions::is_true(&t.status.conditions, conditions::RECONCILING));
        let why = if busy { reason::PROGRESSING } else { reason::SUCCEEDED };
        write.set(conditions::RECONCILING, busy, why, "");
    }
    // A target that cannot go on does not make the policy itself wrong; the API server refused what would.
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    status.conditions = conditions;
    status
}

/// True when it is of all targets; else how many of them are not, and why, the most frequent reason first.
fn all_of(type_: &str, expected: usize, targets: &[Counted<'_>]) -> (Status, &'static str, String) {
    let mut unknown = expected.saturating_sub(targets.len());
    let mut not: BTreeMap<&str, usize> = BTreeMap::new();
    for target in targets {
        match conditions::find(&target.status.conditions, type_) {
            Some(condition) if condition.status == Status::False.as_str() => {
                *not.entry(&condition.reason).or_default() += 1;
            }
            Some(condition) if target.current && condition.status == Status::True.as_str() => {}
            _ => unknown += 1,
        }
    }
    if !not.is_empty() {
        let count: usize = not.values().sum();
        let mut reasons: Vec<(&str, usize)> = not.into_iter().collect();
        reasons.sort_by_key(|(reason, count)| (std::cmp::Reverse(*count), *reason));
        let reasons: Vec<String> = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        let message = format!(
            "Not in {count} of {expected} targets ({}): see the targets.",
            reasons.join(", ")
        );
        (Status::False, reason::SOME_TARGETS, message)
    } else if unknown > 0 {
        let message = format!("Not known yet of {unknown} of {expected} targets.");
        (Status::Unknown, reason::SOME_TARGETS, message)
    } else {
        (Status::True, reason::SUCCEEDED, format!("In all {expected} targets."))
    }
}

fn sum<T: std::iter::Sum>(counts: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = counts.peekable();
    counts.peek().is_some().then(|| counts.sum())
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
