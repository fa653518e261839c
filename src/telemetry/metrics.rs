//! Metrics of the controllers. No label ever holds an image ID: the number of series is bounded by the policies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use prometheus::core::{Atomic, Collector, GenericGaugeVec};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, ImageClass, MigrationState, Mode, conditions,
};
use crate::domain::Scope;
use crate::families::{Family, families};

const TARGET: [&str; 3] = ["policy", "account", "region"];
/// The state of migrations that need a person, wherever they are.
const STALLED: &str = "Stalled";

/// What the controllers count.
#[derive(Debug, Clone)]
pub struct Metrics {
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
    copy_failures: IntCounterVec,
    duplicate_bytes: GaugeVec,
    snapshots_in_flight: IntGaugeVec,
    snapshots_limit: IntGaugeVec,
    /// How long looking through an account and region takes.
    pub scan_duration: Histogram,
    /// From the recorded intent to the finished migration.
    pub copy_duration: Histogram,
    /// How long one visit to one object takes.
    pub reconcile_duration: HistogramVec,
    /// Visits that failed.
    pub reconcile_errors: IntCounterVec,
    /// Whether this replica leads: it works on the policies.
    pub leader: IntGauge,
    /// When each of the three watches was last heard of.
    watch_heard: GaugeVec,
    /// How many shards there are.
    pub shards: IntGauge,
    /// How many of them this replica holds.
    pub shards_held: IntGauge,
    build: IntGaugeVec,
    /// The series of each target, so that they can be taken back.
    series: Arc<Mutex<HashMap<String, Series>>>,
}

/// Policy, account and region of a target.
type Labels<'a> = [&'a str; 3];

#[derive(Debug, Default, Clone)]
struct Series {
    labels: [String; 3],
    /// Reasons for which migrations are stalled.
    reasons: Vec<String>,
    /// The reason for which the target itself is.
    stalled: Option<String>,
}

impl Metrics {
    /// Creates the metrics in `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let with = |last: &'static str| -> Vec<&'static str> { TARGET.into_iter().chain([last]).collect() };
        let metrics = Self {
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
            snapshots_in_flight: int_gauges(
                "amiseal_snapshots_in_flight",
                "Snapshot copies in flight, whoever asked for them.",
                &["account", "region"],
            )?,
            snapshots_limit: int_gauges(
                "amiseal_snapshots_in_flight_limit",
                "How many snapshot copies may be in flight before amiseal asks for no more.",
                &["account", "region"],
            )?,
            scan_duration: Histogram::with_opts(
                HistogramOpts::new(
                    "amiseal_scan_duration_seconds",
                    "How long looking through one account and region takes.",
                )
                .buckets(vec![0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0]),
            )?,
            copy_duration: Histogram::with_opts(
                HistogramOpts::new(
                    "amiseal_copy_duration_seconds",
                    "From the recorded intent to the finished migration.",
                )
                .buckets(vec![
                    10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0, 10800.0, 36000.0, 86400.0,
                ]),
            )?,
            reconcile_duration: HistogramVec::new(
                HistogramOpts::new(
                    "amiseal_reconcile_duration_seconds",
                    "How long one visit to one object takes.",
                ),
                &["controller"],
            )?,
            reconcile_errors: counters(
                "amiseal_reconcile_errors_total",
                "Failed visits, by the class of the error.",
                &["controller", "class"],
            )?,
            leader: IntGauge::new(
                "amiseal_leader",
                "Whether this replica leads, which is to hold shard 0 and work on the policies: 1 or 0.",
            )?,
            watch_heard: gauges(
                "amiseal_watch_heard_timestamp_seconds",
                "When the API server last began to answer a watch, in seconds since 1970. Watches begin anew every 30 seconds.",
                &["kind"],
            )?,
            shards: IntGauge::new(
                "amiseal_shards",
                "How many shards the accounts and regions are divided into; the same for all replicas.",
            )?,
            shards_held: IntGauge::new("amiseal_shards_held", "How many shards this replica holds.")?,
            build: int_gauges(
                "amiseal_build_info",
                "Always 1; the labels say which build this is.",
                &["version", "revision"],
            )?,
            series: Arc::default(),
        };
        let revision = option_env!("AMISEAL_REVISION").unwrap_or("unknown");
        metrics
            .build
            .with_label_values(&[env!("CARGO_PKG_VERSION"), revision])
            .set(1);
        for collector in metrics.collectors() {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    fn collectors(&self) -> Vec<Box<dyn Collector>> {
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
            Box::new(self.snapshots_in_flight.clone()),
            Box::new(self.snapshots_limit.clone()),
            Box::new(self.scan_duration.clone()),
            Box::new(self.copy_duration.clone()),
            Box::new(self.reconcile_duration.clone()),
            Box::new(self.reconcile_errors.clone()),
            Box::new(self.leader.clone()),
            Box::new(self.watch_heard.clone()),
            Box::new(self.shards.clone()),
            Box::new(self.shards_held.clone()),
            Box::new(self.build.clone()),
        ]
    }

    /// Each metric, by its name.
    #[must_use]
    pub fn families(&self) -> BTreeMap<String, Family> {
        families(&self.collectors())
    }

    /// Shows what is known of a target, whose last complete scan began at `last_scan`, and whose slowest copy in flight has taken
    /// `slowest_copy` times as long as its size explains.
    pub(crate) fn observe_target(
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

    /// Shows that the watch of a kind is alive.
    pub(crate) fn heard(&self, kind: &str, at: Timestamp) {
        self.watch_heard.with_label_values(&[kind]).set(seconds(at));
    }

    /// Shows how many snapshot copies are in flight, and how many may be.
    pub(crate) fn snapshots_in_flight(&self, scope: &Scope, count: u32, limit: u32) {
        let labels = [scope.account.as_str(), scope.region.as_str()];
        self.snapshots_in_flight.with_label_values(&labels).set(count.into());
        self.snapshots_limit.with_label_values(&labels).set(limit.into());
    }

    /// Takes back what is shown of an account and region.
    pub(crate) fn forget_scope(&self, scope: &Scope) {
        let labels = [scope.account.as_str(), scope.region.as_str()];
        // A series that was never set cannot be removed, which is as well.
        let _ = self.snapshots_in_flight.remove_label_values(&labels);
        let _ = self.snapshots_limit.remove_label_values(&labels);
    }

    /// Takes back the series of a target that is no more. Gives its account and region, if anything was shown of it.
    pub(crate) fn forget_target(&self, name: &str) -> Option<Scope> {
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
        for state in ["Pending", "Copying", "Verifying", "Promoting", "Completed", STALLED] {
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
        let [_, account, region] = owned;
        Scope::parse(&account, &region).ok()
    }

    fn series(&self) -> std::sync::MutexGuard<'_, HashMap<String, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn int_gauges(name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
    IntGaugeVec::new(Opts::new(name, help), labels)
}

fn gauges(name: &str, help: &str, labels: &[&str]) -> Result<GaugeVec, prometheus::Error> {
    GaugeVec::new(Opts::new(name, help), labels)
}

fn counters(name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, prometheus::Error> {
    IntCounterVec::new(Opts::new(name, help), labels)
}

/// Shows a value, or takes back what was shown.
fn show<A: Atomic>(metric: &GenericGaugeVec<A>, labels: &[&str], value: Option<A::T>) {
    match value {
        Some(value) => metric.with_label_values(labels).set(value),
        // An error means that nothing was shown before either.
        None => drop(metric.remove_label_values(labels)),
    }
}

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

fn is_completed(migration: &AMIMigration) -> bool {
    let state = migration.status.as_ref().and_then(|status| status.state);
    state == Some(MigrationState::Completed)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use prometheus::proto::{LabelPair, Metric};
    use regex::Regex;
    use serde_json::json;

    use super::*;
    use crate::api::{AMIMigrationStatus, ImageCounts};
    use crate::domain::ErrorClass;

    const NAME: &str = "p.111122223333.eu-west-1";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).expect("a time")
    }

    fn target(mode: &str, suspend: bool) -> AMIEncryptionTarget {
        let spec = json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": mode,
            "suspend": suspend, "scanInterval": "15m", "otherKey": "Report", "promotion": {},
            "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        });
        AMIEncryptionTarget::new(NAME, serde_json::from_value(spec).expect("a spec"))
    }

    fn migration(created: i64, state: MigrationState) -> Arc<AMIMigration> {
        let spec = json!({
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "sourceImageID": "ami-0123456789abcdef0",
            "keyARN": "arn:aws:kms:eu-west-1:111122223333:key/1",
        });
        let mut migration = AMIMigration::new("a", serde_json::from_value(spec).expect("a spec"));
        migration.metadata.creation_timestamp = Some(Time(at(created)));
        migration.status = Some(AMIMigrationStatus {
            state: Some(state),
            ..AMIMigrationStatus::default()
        });
        Arc::new(migration)
    }

    fn reachable(status: conditions::Status) -> AMIEncryptionTargetStatus {
        let mut said = AMIEncryptionTargetStatus::default();
        let mut write = conditions::Writer {
            conditions: &mut said.conditions,
            generation: None,
            now: at(0),
        };
        write.set(conditions::REACHABLE, status, conditions::reason::SUCCEEDED, "");
        said
    }

    /// What is shown of the one target.
    fn shown(registry: &Registry, name: &str) -> Option<f64> {
        let family = registry.gather().into_iter().find(|family| family.name() == name)?;
        let metric = family.get_metric().first()?;
        let counter = metric.get_counter().get_value();
        Some(metric.get_gauge().get_value() + counter)
    }

    #[test]
    fn what_is_missed_where_it_is_to_be_done_is_not_shown_where_it_is_not() {
        let migrations = [
            migration(10, MigrationState::Completed),
            migration(30, MigrationState::Copying),
            migration(20, MigrationState::Pending),
        ];
        for (mode, suspend, expected) in [
            (
                "Enforce",
                false,
                [Some(1.0), Some(900.0), Some(5.0), Some(20.0), Some(7.0)],
            ),
            ("Audit", false, [Some(1.0), Some(900.0), Some(5.0), None, None]),
            ("Enforce", true, [None; 5]),
        ] {
            let registry = Registry::new();
            let metrics = Metrics::register(&registry).expect("metrics");
            let status = reachable(conditions::Status::True);
            // Whatever was shown before.
            for (mode, suspend) in [("Enforce", false), (mode, suspend)] {
                metrics.observe_target(&target(mode, suspend), &status, &migrations, Some(at(5)), Some(7.0));
            }
            let names = [
                "amiseal_target_reachable",
                "amiseal_scan_interval_seconds",
                "amiseal_last_successful_scan_timestamp_seconds",
                "amiseal_oldest_unfinished_migration_timestamp_seconds",
                "amiseal_slowest_copy_ratio",
            ];
            assert_eq!(names.map(|name| shown(&registry, name)), expected, "{mode} {suspend}");
            metrics.forget_target(NAME);
            assert_eq!(names.map(|name| shown(&registry, name)), [None; 5], "{mode} {suspend}");
        }
    }

    #[test]
    fn a_target_is_not_reachable_before_its_first_scan_nor_after_one_that_failed() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        for (status, expected) in [
            (AMIEncryptionTargetStatus::default(), 0.0),
            (reachable(conditions::Status::Unknown), 0.0),
            (reachable(conditions::Status::True), 1.0),
            (reachable(conditions::Status::False), 0.0),
        ] {
            metrics.observe_target(&target("Audit", false), &status, &[], None, None);
            assert_eq!(shown(&registry, "amiseal_target_reachable"), Some(expected));
        }
    }

    #[test]
    fn failures_count_from_zero_and_only_where_the_target_is_shown() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        let count = || shown(&registry, "amiseal_copy_failures_total");
        metrics.copy_failed(NAME);
        assert_eq!(count(), None);
        let status = reachable(conditions::Status::True);
        let observe = || metrics.observe_target(&target("Enforce", false), &status, &[], None, None);
        observe();
        assert_eq!(count(), Some(0.0));
        metrics.copy_failed(NAME);
        observe();
        assert_eq!(count(), Some(1.0));
        metrics.forget_target(NAME);
        metrics.copy_failed(NAME);
        assert_eq!(count(), None);
    }

    #[test]
    fn the_alerts_select_only_by_classes_and_reasons_that_there_are() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        let status = AMIEncryptionTargetStatus {
            images: Some(ImageCounts::default()),
            ..AMIEncryptionTargetStatus::default()
        };
        metrics.observe_target(&target("Audit", false), &status, &[], None, None);
        let families = registry.gather();
        let images = families.iter().find(|family| family.name() == "amiseal_images");
        let labels = images.expect("images").get_metric().iter().flat_map(Metric::get_label);
        let classes = labels.filter(|label| label.name() == "class").map(LabelPair::value);
        let errors = [ErrorClass::Transient.as_str(), "Kubernetes"];
        let known: Vec<&str> = classes
            .chain(errors)
            .chain(conditions::reason::ALL.iter().copied())
            .collect();

        let rules = include_str!("../../charts/amiseal/files/alerts.yaml");
        let selected = Regex::new(r#"(?:class|reason)=~?"([^"]*)""#).expect("a pattern");
        let selected: Vec<&str> = selected
            .captures_iter(rules)
            .flat_map(|found| found.extract::<1>().1[0].split('|'))
            .collect();
        assert!(selected.len() > 10, "{selected:?}");
        for value in selected {
            assert!(known.contains(&value), "{value} is none of {known:?}");
        }
    }

    #[test]
    fn every_metric_that_is_gathered_is_among_the_families_with_its_labels() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        metrics.observe_target(
            &target("Enforce", false),
            &reachable(conditions::Status::True),
            &[],
            None,
            None,
        );
        let families = metrics.families();
        for family in registry.gather() {
            let mut labels = families.get(family.name()).expect("a family").labels.clone();
            labels.sort();
            for metric in family.get_metric() {
                let names: Vec<&str> = metric.get_label().iter().map(|label| label.name()).collect();
                assert_eq!(names, labels, "{}", family.name());
            }
        }
    }
}
