//! Metrics of the controllers. No label ever holds an image ID: the number of series is bounded by the policies.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use kube::ResourceExt;
use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, ImageClass, MigrationState, conditions,
};
use crate::domain::{AccountId, Region};

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
    last_scan: GaugeVec,
    duplicate_bytes: GaugeVec,
    snapshots_in_flight: IntGaugeVec,
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
    /// The series of each target, so that they can be taken back.
    series: Arc<Mutex<HashMap<String, Series>>>,
}

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
            images: IntGaugeVec::new(
                Opts::new(
                    "amiseal_images",
                    "Images by class, as the last complete scan found them.",
                ),
                &with("class"),
            )?,
            migrations: IntGaugeVec::new(
                Opts::new(
                    "amiseal_migrations",
                    "Migrations by state, or Stalled for those that need a person.",
                ),
                &with("state"),
            )?,
            stalled: IntGaugeVec::new(
                Opts::new(
                    "amiseal_migrations_stalled",
                    "Migrations that need a person, by reason.",
                ),
                &with("reason"),
            )?,
            key_usable: IntGaugeVec::new(
                Opts::new("amiseal_key_usable", "Whether the policy's key can be used: 1 or 0."),
                &TARGET,
            )?,
            target_ready: IntGaugeVec::new(
                Opts::new(
                    "amiseal_target_ready",
                    "Whether an account and region can be looked through, and nothing hinders all of its images: 1 or 0.",
                ),
                &TARGET,
            )?,
            target_stalled: IntGaugeVec::new(
                Opts::new(
                    "amiseal_target_stalled",
                    "1 for the reason for which an account and region need a person; nothing where they do not.",
                ),
                &with("reason"),
            )?,
            last_scan: GaugeVec::new(
                Opts::new(
                    "amiseal_last_successful_scan_timestamp_seconds",
                    "When the last complete scan began, in seconds since 1970. Nothing before the first one, nor under suspend.",
                ),
                &TARGET,
            )?,
            duplicate_bytes: GaugeVec::new(
                Opts::new(
                    "amiseal_duplicate_storage_bytes",
                    "Snapshot storage of originals that have a verified copy, in bytes.",
                ),
                &TARGET,
            )?,
            snapshots_in_flight: IntGaugeVec::new(
                Opts::new(
                    "amiseal_snapshots_in_flight",
                    "Snapshot copies in flight, whoever asked for them.",
                ),
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
            reconcile_errors: IntCounterVec::new(
                Opts::new(
                    "amiseal_reconcile_errors_total",
                    "Failed visits, by the class of the error.",
                ),
                &["controller", "class"],
            )?,
            leader: IntGauge::new(
                "amiseal_leader",
                "Whether this replica leads, which is to hold shard 0 and work on the policies: 1 or 0.",
            )?,
            watch_heard: GaugeVec::new(
                Opts::new(
                    "amiseal_watch_heard_timestamp_seconds",
                    "When the API server last began to answer a watch, in seconds since 1970. Watches begin anew every 30 seconds.",
                ),
                &["kind"],
            )?,
            shards: IntGauge::new(
                "amiseal_shards",
                "How many shards the accounts and regions are divided into; the same for all replicas.",
            )?,
            shards_held: IntGauge::new("amiseal_shards_held", "How many shards this replica holds.")?,
            series: Arc::default(),
        };
        let build = IntGaugeVec::new(
            Opts::new("amiseal_build_info", "Always 1; the labels say which build this is."),
            &["version", "revision"],
        )?;
        let revision = option_env!("AMISEAL_REVISION").unwrap_or("unknown");
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), revision]).set(1);
        let collectors: Vec<Box<dyn Collector>> = vec![
            Box::new(metrics.images.clone()),
            Box::new(metrics.migrations.clone()),
            Box::new(metrics.stalled.clone()),
            Box::new(metrics.key_usable.clone()),
            Box::new(metrics.target_ready.clone()),
            Box::new(metrics.target_stalled.clone()),
            Box::new(metrics.last_scan.clone()),
            Box::new(metrics.duplicate_bytes.clone()),
            Box::new(metrics.snapshots_in_flight.clone()),
            Box::new(metrics.scan_duration.clone()),
            Box::new(metrics.copy_duration.clone()),
            Box::new(metrics.reconcile_duration.clone()),
            Box::new(metrics.reconcile_errors.clone()),
            Box::new(metrics.leader.clone()),
            Box::new(metrics.watch_heard.clone()),
            Box::new(metrics.shards.clone()),
            Box::new(metrics.shards_held.clone()),
            Box::new(build),
        ];
        for collector in collectors {
            registry.register(collector)?;
        }
        Ok(metrics)
    }

    /// Shows what is known of a target, whose last complete scan began at `last_scan`.
    pub(crate) fn observe_target(
        &self,
        target: &AMIEncryptionTarget,
        status: &AMIEncryptionTargetStatus,
        migrations: &[Arc<AMIMigration>],
        last_scan: Option<Timestamp>,
    ) {
        let spec = &target.spec;
        let labels = [spec.policy.as_str(), &spec.account_id, &spec.region];
        let with = |last| [labels[0], labels[1], labels[2], last];
        if let Some(images) = status.images {
            for class in ImageClass::ALL {
                let gauge = self.images.with_label_values(&with(class.as_str()));
                gauge.set(images.of(class).into());
            }
        }
        let mut states: BTreeMap<&str, i64> = [
            MigrationState::Pending,
            MigrationState::Copying,
            MigrationState::Verifying,
            MigrationState::Promoting,
            MigrationState::Completed,
        ]
        .map(|state| (state.as_str(), 0))
        .into();
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
        match conditions::find(&status.conditions, conditions::KEY_USABLE) {
            Some(condition) if condition.status != "Unknown" => {
                let usable = condition.status == "True";
                self.key_usable.with_label_values(&labels).set(usable.into());
            }
            // Nothing is said of a key that could not be read; an error means that nothing was said before either.
            _ => drop(self.key_usable.remove_label_values(&labels)),
        }
        let ready = conditions::is_true(&status.conditions, conditions::READY);
        self.target_ready.with_label_values(&labels).set(ready.into());
        let stalled = conditions::find(&status.conditions, conditions::STALLED);
        let stalled = stalled.filter(|c| c.status == "True").map(|c| c.reason.as_str());
        if let Some(reason) = stalled {
            self.target_stalled.with_label_values(&with(reason)).set(1);
        }
        match last_scan {
            #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits")]
            Some(at) if !spec.suspend => self.last_scan.with_label_values(&labels).set(at.as_second() as f64),
            // Under suspend it is not scanned, and not to be missed for that.
            Some(_) | None => drop(self.last_scan.remove_label_values(&labels)),
        }
        if let Some(bytes) = status.duplicate_gib {
            #[allow(
                clippy::cast_precision_loss,
                reason = "a gauge of storage needs no more than 53 bits"
            )]
            self.duplicate_bytes
                .with_label_values(&labels)
                .set(bytes as f64 * f64::from(1 << 30));
        }
        let series = Series {
            labels: labels.map(str::to_owned),
            reasons: reasons.keys().map(|reason| (*reason).to_owned()).collect(),
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

    /// Shows that the watch of a kind is alive.
    pub(crate) fn heard(&self, kind: &str, at: Timestamp) {
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits")]
        self.watch_heard.with_label_values(&[kind]).set(at.as_second() as f64);
    }

    /// Shows how many snapshot copies are in flight.
    pub(crate) fn snapshots_in_flight(&self, account: &AccountId, region: &Region, count: u32) {
        self.snapshots_in_flight
            .with_label_values(&[account.as_str(), region.as_str()])
            .set(count.into());
    }

    /// Takes back what is shown of an account and region.
    pub(crate) fn forget_scope(&self, account: &str, region: &str) {
        // A series that was never set cannot be removed, which is as well.
        let _ = self.snapshots_in_flight.remove_label_values(&[account, region]);
    }

    /// Takes back the series of a target that is no more. Gives its account and region, if anything was shown of it.
    pub(crate) fn forget_target(&self, name: &str) -> Option<(String, String)> {
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
        let _ = self.last_scan.remove_label_values(&labels);
        let _ = self.duplicate_bytes.remove_label_values(&labels);
        let [_, account, region] = owned;
        Some((account, region))
    }

    fn series(&self) -> std::sync::MutexGuard<'_, HashMap<String, Series>> {
        self.series.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
