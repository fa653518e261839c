//! What targets and policies say of themselves.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::classify::{Classified, Named};
use super::findings::record as findings;
use super::freshness;
use super::obstacle::{KeyView, Problem};
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{
    AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, Duration, FindingsStatus, MigrationCounts, Mode,
    OrphanedCopies, UnencryptedImage, UsageStatus,
};
use crate::domain::MissingPermissions;

mod aspects;
mod compliance;
mod policy;

pub use policy::{Counted, changes, map_parameters, policy};

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
    Scanned(Scan<'a>),
    /// It could not be, and was not before either.
    Failed(&'a Problem),
}

/// A complete scan, and what is known besides.
#[derive(Debug, Clone)]
pub struct Scan<'a> {
    /// When the scan began.
    pub at: Timestamp,
    /// What it amounts to.
    pub classified: &'a Classified,
    /// Who AWS says we are.
    pub caller: &'a str,
    /// What is known of the key.
    pub key: &'a KeyView,
    /// Why the key could not be read, if it could not.
    pub key_problem: Option<&'a Problem>,
    /// When the key was read last.
    pub key_read: Option<Timestamp>,
    /// Whether images that are to be migrated have no migration yet.
    pub unstarted: bool,
    /// Whether any image is still to be migrated, for which the role needs its permissions.
    pub migrates: bool,
    /// Whether there is any image to ask about what the role may do, be it one that is done.
    pub asks: bool,
    /// Who uses the images; none before that was read.
    pub usage: Option<&'a UsageStatus>,
    /// What is wrong; none before that was looked for.
    pub findings: Option<&'a FindingsStatus>,
    /// Why that was looked for among the images of an old scan, if it was.
    pub outdated: Option<&'a Problem>,
    /// What the role lacks; none if that was not asked.
    pub lacking: Option<&'a MissingPermissions>,
    /// Why it is not known yet what the role lacks, if copies wait for that.
    pub unanswered: Option<&'a Problem>,
    /// Why it cannot be known, where AWS refuses to answer that. Copies do not wait for it.
    pub unanswerable: Option<&'a Problem>,
    /// What people had asked for by annotation when that scan began.
    pub asked: Option<&'a str>,
    /// What hinders today's scan, if the one that is shown is an older one.
    pub problem: Option<&'a Problem>,
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
    if !spec.consumers.read {
        status.usage = None;
        write.remove(conditions::USAGE_KNOWN);
    }
    if spec.audit.is_none() {
        status.findings = None;
    }
    if spec.suspend {
        suspended(&mut write, current);
        status.conditions = conditions;
        return status;
    }
    match looked {
        ScanResult::NotYet => initializing(&mut write, current),
        ScanResult::Failed(problem) => {
            write.set(conditions::REACHABLE, Status::False, problem.reason, &problem.message);
            findings::doubt_images(status.findings.as_mut(), problem);
            freshness::doubt_record(&mut write, problem, spec, current);
            not_ready(&mut write, problem);
        }
        ScanResult::Scanned(scan) => {
            record(&mut status, scan, spec);
            aspects::write(&mut write, scan, spec, current, migrations);
        }
    }
    status.conditions = conditions;
    keep_scan_time_if_alone(current, &mut status, spec.scan_interval);
    status
}

/// That nothing is done is what is asked for: neither is it under way, nor has it failed.
fn suspended(write: &mut Writer<'_>, current: &AMIEncryptionTargetStatus) {
    let message = "The policy is suspended: set spec.suspend: false to go on.";
    write.set(conditions::READY, Status::True, reason::SUSPENDED, message);
    write.set(conditions::RECONCILING, Status::False, reason::SUSPENDED, "");
    write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    if conditions::is_true(&current.conditions, conditions::COMPLIANT) {
        // What is registered, shared or selected from now on is not seen.
        let message = "amiseal does not scan while the policy is suspended. At the last scan everything complied.";
        write.set(conditions::COMPLIANT, Status::Unknown, reason::SUSPENDED, message);
    }
    if write.has(conditions::USAGE_KNOWN) {
        let message = "amiseal does not read who uses the images while the policy is suspended.";
        write.set(conditions::USAGE_KNOWN, Status::Unknown, reason::SUSPENDED, message);
    }
}

fn initializing(write: &mut Writer<'_>, current: &AMIEncryptionTargetStatus) {
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

/// What a scan has found, beside conditions.
fn record(status: &mut AMIEncryptionTargetStatus, scan: &Scan<'_>, spec: &AMIEncryptionTargetSpec) {
    let Scan { classified, key, .. } = scan;
    status.images = Some(classified.counts);
    status.key_arn = key.arn().map(ToString::to_string);
    status.caller_arn = Some(scan.caller.to_owned());
    status.duplicate_gib = Some(gib(classified.duplicate_bytes));
    status.orphaned_copies = (classified.orphans.images > 0).then(|| OrphanedCopies {
        images: classified.orphans.images,
        gib: gib(classified.orphans.bytes),
    });
    status.observed_scan = scan.asked.map(|asked| asked.chars().take(256).collect());
    status.contested_by = governors(classified);
    // Elsewhere their migrations name them.
    status.unencrypted_images = if spec.mode == Mode::Audit || key.arn().is_none() {
        unencrypted(classified)
    } else {
        Vec::new()
    };
    status.last_scan_time = Some(Time(scan.at));
    // What an earlier process has read stays said until this one has.
    if let Some(usage) = scan.usage.filter(|_| spec.consumers.read) {
        status.usage = Some(usage.clone());
    }
    if let Some(findings) = scan.findings.filter(|_| spec.audit.is_some()) {
        status.findings = Some(findings.clone());
    }
    if let Some(problem) = scan.outdated {
        findings::doubt_images(status.findings.as_mut(), problem);
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

/// The policies that govern images which this one selects too.
fn governors(classified: &Classified) -> Vec<String> {
    classified.contested.keys().take(GOVERNORS).cloned().collect()
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

/// A scan or a reading that found nothing new is on record once in a scan interval, however many there are. So are numbers of findings
/// that change all the time.
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
    let mut same = AMIEncryptionTargetStatus {
        last_scan_time: current.last_scan_time.clone(),
        ..status.clone()
    };
    if let (Some(same), Some(current)) = (&mut same.usage, &current.usage) {
        same.read_time.clone_from(&current.read_time);
    }
    if let (Some(same), Some(current)) = (&mut same.findings, &current.findings)
        && findings::say_the_same(same, current)
    {
        same.clone_from(current);
    }
    if recent && same == *current {
        *status = same;
    }
}

#[cfg(test)]
mod tests;
