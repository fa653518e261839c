//! What is shown of each target, and taken back when the target is no more.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use prometheus::core::{Atomic, Collector, GenericGaugeVec};
use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec};

use super::approvals::ApprovalMetrics;
use super::findings::FindingMetrics;
use super::guardrails::GuardrailMetrics;
use super::looks::LookMetrics;
use super::proofs::ProofMetrics;
use super::usage::UsageMetrics;
use super::{counters, gauges, int_gauges, seconds};
use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, GuardrailName, ImageClass, MigrationState, Mode,
    conditions,
};
use crate::domain::Scope;
use crate::plan::look::LookResult;

pub(super) const TARGET: [&str; 3] = ["policy", "account", "region"];
/// The state of migrations that need a person, wherever they are.
const STALLED: &str = "Stalled";

/// What is shown of each target.
#[derive(Debug, Clone)]
pub(crate) struct TargetMetrics {
    images: IntGaugeVec,
    migrations: IntGaugeVec,
    stalled: IntGaugeVec,
    key_usable: IntGaugeVec,
    target_ready: IntGaugeVec,
    target_stalled: IntGaugeVec,
    target_reachable: IntGaugeVec,
    scan_interval: GaugeVec,
    last_scan: GaugeVec,
    oldest_unfinished: GaugeVec,
    slowest_copy: GaugeVec,
    proofs: ProofMetrics,
    approvals: ApprovalMetrics,
    copy_failures: IntCounterVec,
    duplicate_bytes: GaugeVec,
    usage: UsageMetrics,
    findings: FindingMetrics,
    looks: LookMetrics,
    guardrails: GuardrailMetrics,
    /// The series of each target, so that they can be taken back.
    series: Arc<Mutex<HashMap<String, Series>>>,
}

/// Policy, account and region of a target.
pub(super) type Labels<'a> = [&'a str; 3];

#[derive(Debug, Default, Clone)]
struct Series {
    labels: [String; 3],
    /// Reasons for which migrations are stalled.
    reasons: Vec<String>,
    /// The reason for which the target itself is.
    stalled: Option<String>,
}

impl TargetMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let with = |last: &'static str| -> Vec<&'static str> { TARGET.into_iter().chain([last]).collect() };
        Ok(Self {
            images: int_gauges(
                "amiseal_images",
                "Images by class, as the last complete scan found them.",
                &with("class"),
            )?,
            migrations: int_gauges(
                "amiseal_migrations",
                "Migrations by state, or Stalled for those that need a person.",
                &with("state"),
            )?,
            stalled: int_gauges(
                "amiseal_migrations_stalled",
                "Migrations that need a person, by reason.",
                &with("reason"),
            )?,
            key_usable: int_gauges(
                "amiseal_key_usable",
                "Whether the policy's key can be used: 1 or 0.",
                &TARGET,
            )?,
            target_ready: int_gauges(
                "amiseal_target_ready",
                "Whether an account and region can be looked through, and nothing hinders all of its images: 1 or 0.",
                &TARGET,
            )?,
            target_stalled: int_gauges(
                "amiseal_target_stalled",
                "1 for the reason for which an account and region need a person; nothing where they do not.",
                &with("reason"),
            )?,
            target_reachable: int_gauges(
                "amiseal_target_reachable",
                "Whether AWS let an account and region be read when that was last tried: 1 or 0, and 0 before the first scan. Nothing under suspend.",
                &TARGET,
            )?,
            scan_interval: gauges(
                "amiseal_scan_interval_seconds",
                "How often an account and region is to be scanned, in seconds. Nothing under suspend.",
                &TARGET,
            )?,
            last_scan: gauges(
                "amiseal_last_successful_scan_timestamp_seconds",
                "When the last complete scan began, in seconds since 1970. Nothing before the first one, nor under suspend.",
                &TARGET,
            )?,
            oldest_unfinished: gauges(
                "amiseal_oldest_unfinished_migration_timestamp_seconds",
                "When the oldest migration that is not completed was created, in seconds since 1970. Nothing where there is none, in mode Audit, and under suspend.",
                &TARGET,
            )?,
            slowest_copy: gauges(
                "amiseal_slowest_copy_ratio",
                "How many times as long as its size explains the slowest of the copies in flight has taken so far. Nothing in mode Audit and under suspend.",
                &TARGET,
            )?,
            copy_failures: counters(
                "amiseal_copy_failures_total",
                "Attempts to copy an image that failed.",
                &TARGET,
            )?,
            duplicate_bytes: gauges(
                "amiseal_duplicate_storage_bytes",
                "Snapshot storage of originals that have a verified copy, in bytes.",
                &TARGET,
            )?,
            proofs: ProofMetrics::new()?,
            approvals: ApprovalMetrics::new()?,
            usage: UsageMetrics::new()?,
            findings: FindingMetrics::new()?,
            looks: LookMetrics::new()?,
            guardrails: GuardrailMetrics::new()?,
            series: Arc::default(),
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        let mut collectors = self.usage.collectors();
        collectors.extend(self.findings.collectors());
        collectors.extend(self.looks.collectors());
        collectors.extend(self.guardrails.collectors());
        collectors.extend(self.proofs.collectors());
        collectors.extend(self.approvals.collectors());
        collectors.extend(self.own());
        collectors
    }

    fn own(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.images.clone()),
            Box::new(self.migrations.clone()),
            Box::new(self.stalled.clone()),
            Box::new(self.key_usable.clone()),
            Box::new(self.target_ready.clone()),
            Box::new(self.target_stalled.clone()),
            Box::new(self.target_reachable.clone()),
            Box::new(self.scan_interval.clone()),
            Box::new(self.last_scan.clone()),
            Box::new(self.oldest_unfinished.clone()),
            Box::new(self.slowest_copy.clone()),
            Box::new(self.copy_failures.clone()),
            Box::new(self.duplicate_bytes.clone()),
        ]
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
        let labels: Labels<'_> = [&spec.policy, &spec.account_id, &spec.region];
        let with = |last| [labels[0], labels[1], labels[2], last];
        if let Some(images) = status.images {
            for class in ImageClass::ALL {
                let gauge = self.images.with_label_values(&with(class.as_str()));
                gauge.set(images.of(class).into());
            }
        }
        let reasons = self.observe_migrations(&labels, migrations);
        let stalled = self.observe_health(&labels, status);
        self.observe_progress(&labels, target, status, migrations, slowest_copy);
        show(
            &self.last_scan,
            &labels,
            last_scan.filter(|_| !spec.suspend).map(seconds),
        );
        self.usage.observe(&labels, status, spec.suspend);
        self.findings.observe(&labels, status, spec.suspend);
        self.looks.observe(&labels, spec);
        self.guardrails.observe(&labels, status, spec.suspend);
        self.proofs.observe(&labels, migrations, spec.suspend);
        self.approvals.observe(&labels, migrations, spec.suspend);
        // Prometheus sees the first failure only where it has seen 0 before.
        self.copy_failures.with_label_values(&labels);
        #[allow(
            clippy::cast_precision_loss,
            reason = "a gauge of storage needs no more than 53 bits"
        )]
        if let Some(gib) = status.duplicate_gib {
            let bytes = gib as f64 * f64::from(1 << 30);
            self.duplicate_bytes.with_label_values(&labels).set(bytes);
        }
        let series = Series {
            labels: labels.map(str::to_owned),
            reasons: reasons.into_iter().map(str::to_owned).collect(),
            stalled: stalled.map(str::to_owned),
        };
        let old = self.series().insert(target.name_any(), series.clone());
        let old = old.unwrap_or_default();
        for reason in old.reasons.iter().filter(|reason| !series.reasons.contains(reason)) {
            // Without the series there is nothing to take back.
            let _ = self.stalled.remove_label_values(&with(reason));
        }
        if let Some(reason) = old.stalled.filter(|reason| Some(reason) != series.stalled.as_ref()) {
            let _ = self.target_stalled.remove_label_values(&with(&reason));
        }
    }

    /// Counts migrations by state, and those that are stalled by reason. Gives these reasons.
    fn observe_migrations<'m>(&self, labels: &Labels<'_>, migrations: &'m [Arc<AMIMigration>]) -> BTreeSet<&'m str> {
        let with = |last| [labels[0], labels[1], labels[2], last];
        let all = [
            MigrationState::Pending,
            MigrationState::Copying,
            MigrationState::Verifying,
            MigrationState::Validating,
            MigrationState::Promoting,
            MigrationState::Completed,
        ];
        let mut states: BTreeMap<&str, i64> = all.map(|state| (state.as_str(), 0)).into();
        states.insert(STALLED, 0);
        let mut reasons: BTreeMap<&str, i64> = BTreeMap::new();
        for migration in migrations {
            let status = migration.status.as_ref();
            let state = status.and_then(|s| s.state).unwrap_or_default();
            let stalled = status.and_then(|s| conditions::find(&s.conditions, conditions::STALLED));
            // As in the statuses, what is stalled is counted as that and as nothing else.
            if let Some(condition) = stalled.filter(|c| c.status == "True") {
                *reasons.entry(&condition.reason).or_default() += 1;
                *states.entry(STALLED).or_default() += 1;
            } else {
                *states.entry(state.as_str()).or_default() += 1;
            }
        }
        for (state, count) in states {
            self.migrations.with_label_values(&with(state)).set(count);
        }
        for (reason, count) in &reasons {
            self.stalled.with_label_values(&with(reason)).set(*count);
        }
        reasons.into_keys().collect()
    }

    /// Shows the target's conditions. Gives the reason for which it is stalled.
    fn observe_health<'s>(&self, labels: &Labels<'_>, status: &'s AMIEncryptionTargetStatus) -> Option<&'s str> {
        let find = |type_| conditions::find(&status.conditions, type_);
        let key = find(conditions::KEY_USABLE).filter(|condition| condition.status != "Unknown");
        // Nothing is said of a key that could not be read.
        show(
            &self.key_usable,
            labels,
            key.map(|condition| (condition.status == "True").into()),
        );
        let ready = conditions::is_true(&status.conditions, conditions::READY);
        self.target_ready.with_label_values(labels).set(ready.into());
        let stalled = find(conditions::STALLED).filter(|condition| condition.status == "True")?;
        let labels = [labels[0], labels[1], labels[2], &stalled.reason];
        self.target_stalled.with_label_values(&labels).set(1);
        Some(&stalled.reason)
    }

    /// Shows what is to be missed where it stands still: nothing under suspend, and of migrations in mode Enforce only.
    fn observe_progress(
        &self,
        labels: &Labels<'_>,
        target: &AMIEncryptionTarget,
        status: &AMIEncryptionTargetStatus,
        migrations: &[Arc<AMIMigration>],
        slowest_copy: Option<f64>,
    ) {
        let spec = &target.spec;
        let is_active = !spec.suspend;
        let reachable = conditions::is_true(&status.conditions, conditions::REACHABLE);
        show(&self.target_reachable, labels, is_active.then_some(reachable.into()));
        let interval = is_active.then(|| spec.scan_interval.as_std().as_secs_f64());
        show(&self.scan_interval, labels, interval);
        let migrates = is_active && spec.mode == Mode::Enforce;
        let unfinished = migrations
            .iter()
            .filter(|migration| !is_completed(migration) && migrates);
        let oldest = unfinished
            .filter_map(|migration| Some(migration.creation_timestamp()?.0))
            .min();
        show(&self.oldest_unfinished, labels, oldest.map(seconds));
        show(&self.slowest_copy, labels, slowest_copy.filter(|_| migrates));
    }

    /// Counts an attempt to copy an image that has failed.
    pub(crate) fn copy_failed(&self, target: &str) {
        // What is not shown was handed over, or is gone.
        if let Some(series) = self.series().get(target) {
            self.copy_failures.with_label_values(&series.labels).inc();
        }
    }

    /// Shows whether looks for new images succeed, where that can be said.
    pub(crate) fn looks_succeed(&self, target: &AMIEncryptionTarget, succeed: Option<bool>) {
        let spec = &target.spec;
        self.looks
            .show(&[&spec.policy, &spec.account_id, &spec.region], spec, succeed);
    }

    /// Counts a look for new images.
    pub(crate) fn looked(&self, target: &str, result: LookResult) {
        if let Some(series) = self.series().get(target) {
            let [policy, account, region] = &series.labels;
            self.looks.looked(&[policy, account, region], result);
        }
    }

    /// Counts that a guardrail of a target was found undone.
    pub(crate) fn guardrail_drifted(&self, target: &str, name: GuardrailName) {
        // What is not shown was handed over, or is gone.
        if let Some(series) = self.series().get(target) {
            let labels = [&*series.labels[0], &*series.labels[1], &*series.labels[2]];
            self.guardrails.drifted(&labels, name);
        }
    }

    /// Takes back the series of a target that is no more. Gives its account and region, if anything was shown of it.
    pub(crate) fn forget(&self, name: &str) -> Option<Scope> {
        let Series {
            labels: owned,
            reasons,
            stalled,
        } = self.series().remove(name)?;
        let labels: [&str; 3] = [&owned[0], &owned[1], &owned[2]];
        let gone = |vec: &IntGaugeVec, last: &str| {
            // A series that was never set cannot be removed, which is as well.
            let _ = vec.remove_label_values(&[labels[0], labels[1], labels[2], last]);
        };
        for class in ImageClass::ALL {
            gone(&self.images, class.as_str());
        }
        for state in [
            "Pending",
            "Copying",
            "Verifying",
            "Validating",
            "Promoting",
            "Completed",
            STALLED,
        ] {
            gone(&self.migrations, state);
        }
        for reason in &reasons {
            gone(&self.stalled, reason);
        }
        if let Some(reason) = &stalled {
            gone(&self.target_stalled, reason);
        }
        let _ = self.target_ready.remove_label_values(&labels);
        let _ = self.key_usable.remove_label_values(&labels);
        let _ = self.target_reachable.remove_label_values(&labels);
        let _ = self.scan_interval.remove_label_values(&labels);
        let _ = self.last_scan.remove_label_values(&labels);
        let _ = self.oldest_unfinished.remove_label_values(&labels);
        let _ = self.slowest_copy.remove_label_values(&labels);
        let _ = self.copy_failures.remove_label_values(&labels);
        let _ = self.duplicate_bytes.remove_label_values(&labels);
        self.usage.forget(&labels);
        self.findings.forget(&labels);
        self.looks.forget(&labels);
        self.guardrails.forget(&labels);
        self.proofs.forget(&labels);
        self.approvals.forget(&labels);
        let [_, account, region] = owned;
        Scope::parse(&account, &region).ok()
    }

    fn series(&self) -> std::sync::MutexGuard<'_, HashMap<String, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows a value, or takes back what was shown.
pub(super) fn show<A: Atomic>(metric: &GenericGaugeVec<A>, labels: &[&str], value: Option<A::T>) {
    match value {
        Some(value) => metric.with_label_values(labels).set(value),
        // An error means that nothing was shown before either.
        None => drop(metric.remove_label_values(labels)),
    }
}

fn is_completed(migration: &AMIMigration) -> bool {
    let state = migration.status.as_ref().and_then(|status| status.state);
    state == Some(MigrationState::Completed)
}
