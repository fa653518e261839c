//! What is shown of each target, and taken back when the target is no more.

use std::mem::take;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::approvals::{self, Approvals};
use super::findings::{self, Findings};
use super::guardrails::{self, Guardrails};
use super::looks::{self, Looks};
use super::migrations::{self, Migrations};
use super::proofs::{self, Proofs};
use super::seconds;
use super::table::{Series, Table};
use super::usage::{self, Usage};
use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, GuardrailName, ImageClass, ImageCounts,
    MigrationState, Mode, conditions,
};
use crate::domain::Scope;
use crate::plan::look::LookResult;

/// The labels of all series of a target.
const LABELS: &[&str] = &["policy", "account", "region"];

/// A metric of targets. A line in a list of them makes one.
pub(super) type OfTarget = Series<Record>;

const ALL: &[&[OfTarget]] = &[
    SERIES,
    migrations::SERIES,
    usage::SERIES,
    findings::SERIES,
    looks::SERIES,
    guardrails::SERIES,
    proofs::SERIES,
    approvals::SERIES,
];

const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_images",
        "Images by class, as the last complete scan found them.",
        &["class"],
        |target, to| {
            for class in ImageClass::ALL {
                to.maybe(&[class.as_str()], target.images.map(|images| images.of(class)));
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_key_usable",
        "Whether the policy's key can be used: 1 or 0.",
        &[],
        |target, to| to.maybe(&[], target.key_usable),
    ),
    OfTarget::gauge(
        "amiseal_target_ready",
        "Whether an account and region can be looked through, and nothing hinders all of its images: 1 or 0.",
        &[],
        |target, to| to.put(&[], target.ready),
    ),
    OfTarget::gauge(
        "amiseal_target_stalled",
        "1 for the reason for which an account and region need a person; nothing where they do not.",
        &["reason"],
        |target, to| {
            if let Some(reason) = &target.stalled {
                to.put(&[reason], true);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_target_reachable",
        "Whether AWS let an account and region be read when that was last tried: 1 or 0, and 0 before the first scan. Nothing under suspend.",
        &[],
        |target, to| to.maybe(&[], target.reachable),
    ),
    OfTarget::gauge(
        "amiseal_scan_interval_seconds",
        "How often an account and region is to be scanned, in seconds. Nothing under suspend.",
        &[],
        |target, to| to.maybe(&[], target.scan_interval),
    ),
    OfTarget::gauge(
        "amiseal_last_successful_scan_timestamp_seconds",
        "When the last complete scan began, in seconds since 1970. Nothing before the first one, nor under suspend.",
        &[],
        |target, to| to.maybe(&[], target.last_scan),
    ),
    OfTarget::gauge(
        "amiseal_oldest_unfinished_migration_timestamp_seconds",
        "When the oldest migration that is not completed was created, in seconds since 1970. Nothing where there is none, in mode Audit, and under suspend.",
        &[],
        |target, to| to.maybe(&[], target.oldest_unfinished),
    ),
    OfTarget::gauge(
        "amiseal_slowest_copy_ratio",
        "How many times as long as its size explains the slowest of the copies in flight has taken so far. Nothing in mode Audit and under suspend.",
        &[],
        |target, to| to.maybe(&[], target.slowest_copy),
    ),
    OfTarget::counter(
        "amiseal_copy_failures_total",
        "Attempts to copy an image that failed.",
        &[],
        // Prometheus sees the first failure only where it has seen 0 before.
        |target, to| to.put(&[], target.copy_failures),
    ),
    OfTarget::gauge(
        "amiseal_duplicate_storage_bytes",
        "Snapshot storage of originals that have a verified copy, in bytes. A snapshot that several of them share counts once.",
        &[],
        |target, to| to.maybe(&[], target.duplicate_bytes),
    ),
];

/// What is shown of a target. There may be many thousands of them, so it is small.
#[derive(Debug, Default)]
pub(super) struct Record {
    images: Option<ImageCounts>,
    key_usable: Option<bool>,
    ready: bool,
    /// The reason for which the target itself is stalled.
    stalled: Option<Box<str>>,
    reachable: Option<bool>,
    scan_interval: Option<f64>,
    last_scan: Option<f64>,
    oldest_unfinished: Option<f64>,
    slowest_copy: Option<f64>,
    copy_failures: f64,
    duplicate_bytes: Option<f64>,
    pub(super) migrations: Migrations,
    pub(super) usage: Option<Usage>,
    pub(super) findings: Findings,
    pub(super) looks: Looks,
    pub(super) guardrails: Guardrails,
    pub(super) proofs: Proofs,
    pub(super) approvals: Approvals,
}

/// What is shown of each target.
#[derive(Debug, Clone)]
pub(crate) struct TargetMetrics {
    pub(super) table: Arc<Table<Record>>,
}

impl TargetMetrics {
    pub(super) fn new() -> Self {
        Self {
            table: Table::new(LABELS, ALL),
        }
    }

    /// Shows what is known of a target, whose last complete scan began at `last_scan`, and whose slowest copy in flight has taken
    /// `slowest_copy` times as long as its size explains.
    pub(crate) fn observe(
        &self,
        target: &AMIEncryptionTarget,
        status: &AMIEncryptionTargetStatus,
        migrations: &[Arc<AMIMigration>],
        last_scan: Option<Timestamp>,
        slowest_copy: Option<f64>,
    ) {
        let spec = &target.spec;
        let labels = [spec.policy.as_str(), &spec.account_id, &spec.region];
        let mut new = Record {
            last_scan: last_scan.filter(|_| !spec.suspend).map(seconds),
            slowest_copy,
            ..Record::of(status, migrations, spec.suspend)
        };
        new.observe_progress(target, status, migrations);
        self.table.set(&target.name_any(), &labels, |record| {
            // What was counted goes on from there, and what nothing is said of is shown as it was.
            let mut looks = take(&mut record.looks);
            looks.observe(spec);
            let mut guardrails = take(&mut record.guardrails);
            guardrails.observe(status, spec.suspend);
            *record = Record {
                images: new.images.or(record.images),
                duplicate_bytes: new.duplicate_bytes.or(record.duplicate_bytes),
                copy_failures: record.copy_failures,
                looks,
                guardrails,
                ..new
            };
        });
    }

    /// Counts an attempt to copy an image that has failed. What is not shown was handed over, or is gone.
    pub(crate) fn copy_failed(&self, target: &str) {
        self.table.change(target, |record| record.copy_failures += 1.0);
    }

    /// Shows whether looks for new images succeed, where that can be said.
    pub(crate) fn looks_succeed(&self, target: &AMIEncryptionTarget, succeed: Option<bool>) {
        self.table
            .change(&target.name_any(), |record| record.looks.show(&target.spec, succeed));
    }

    /// Counts a look for new images.
    pub(crate) fn looked(&self, target: &str, result: LookResult) {
        self.table.change(target, |record| record.looks.looked(result));
    }

    /// Counts that a guardrail of a target was found undone. What is not shown was handed over, or is gone.
    pub(crate) fn guardrail_drifted(&self, target: &str, name: GuardrailName) {
        self.table.change(target, |record| record.guardrails.drifted(name));
    }

    /// Takes back the series of a target that is no more. Gives its account and region, if anything was shown of it.
    pub(crate) fn forget(&self, name: &str) -> Option<Scope> {
        let labels = self.table.forget(name)?;
        let [_, account, region] = &*labels else {
            return None;
        };
        Scope::parse(account, region).ok()
    }
}

impl Record {
    /// What a target and its migrations say of themselves.
    fn of(status: &AMIEncryptionTargetStatus, migrations: &[Arc<AMIMigration>], is_suspended: bool) -> Self {
        let find = |type_| conditions::find(&status.conditions, type_);
        // Nothing is said of a key that could not be read.
        let key = find(conditions::KEY_USABLE).filter(|condition| condition.status != "Unknown");
        let stalled = find(conditions::STALLED).filter(|condition| condition.status == "True");
        Self {
            images: status.images,
            key_usable: key.map(|condition| condition.status == "True"),
            ready: conditions::is_true(&status.conditions, conditions::READY),
            stalled: stalled.map(|condition| condition.reason.as_str().into()),
            duplicate_bytes: status.duplicate_gib.map(bytes),
            migrations: Migrations::of(migrations),
            usage: Usage::of(status, is_suspended),
            findings: Findings::of(status, is_suspended),
            proofs: Proofs::of(migrations, is_suspended),
            approvals: Approvals::of(migrations, is_suspended),
            ..Self::default()
        }
    }

    /// Shows what is to be missed where it stands still: nothing under suspend, and of migrations in mode Enforce only.
    fn observe_progress(
        &mut self,
        target: &AMIEncryptionTarget,
        status: &AMIEncryptionTargetStatus,
        migrations: &[Arc<AMIMigration>],
    ) {
        let spec = &target.spec;
        let is_active = !spec.suspend;
        let reachable = conditions::is_true(&status.conditions, conditions::REACHABLE);
        self.reachable = is_active.then_some(reachable);
        self.scan_interval = is_active.then(|| spec.scan_interval.as_std().as_secs_f64());
        let migrates = is_active && spec.mode == Mode::Enforce;
        let unfinished = migrations
            .iter()
            .filter(|migration| !is_completed(migration) && migrates);
        let oldest = unfinished
            .filter_map(|migration| Some(migration.creation_timestamp()?.0))
            .min();
        self.oldest_unfinished = oldest.map(seconds);
        self.slowest_copy = self.slowest_copy.filter(|_| migrates);
    }
}

/// A count of objects, of which a cluster holds fewer.
pub(super) fn count(of: usize) -> u32 {
    u32::try_from(of).unwrap_or(u32::MAX)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge of storage needs no more than 53 bits"
)]
pub(super) fn bytes(gib: u64) -> f64 {
    gib as f64 * f64::from(1 << 30)
}

fn is_completed(migration: &AMIMigration) -> bool {
    let state = migration.status.as_ref().and_then(|status| status.state);
    state == Some(MigrationState::Completed)
}
