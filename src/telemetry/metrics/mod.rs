//! Metrics of the controllers. No label ever holds an image ID: the number of series is bounded by the policies.

mod approvals;
mod events;
mod findings;
mod guardrails;
mod in_flight;
mod looks;
mod migrations;
mod proofs;
mod table;
mod targets;
mod usage;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus::core::{Atomic, Collector, GenericGaugeVec};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::domain::Scope;
use crate::families::{Family, families};

use events::EventMetrics;
pub(crate) use events::Told;
use in_flight::InFlight;
use table::Table;
use targets::TargetMetrics;

/// What the controllers count.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// What is shown of each target.
    pub(crate) targets: TargetMetrics,
    /// What is shown of the queue that events come from.
    pub(crate) events: EventMetrics,
    in_flight: Arc<Table<InFlight>>,
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
    /// Whether the map of a policy is in its ConfigMap.
    map_published: IntGaugeVec,
    /// How many accounts a policy has that takes some from AWS Organizations.
    accounts: IntGaugeVec,
    /// When these were read last.
    accounts_read: GaugeVec,
    /// When the regions of a policy's accounts were read last, of the one that was read the longest ago.
    regions_read: GaugeVec,
    /// How many of them are no longer listed and have not left yet.
    accounts_leaving: IntGaugeVec,
    /// How many have left so.
    accounts_left: IntCounterVec,
    /// How many shards there are.
    pub shards: IntGauge,
    /// How many of them this replica holds.
    pub shards_held: IntGauge,
    build: IntGaugeVec,
}

/// What is shown of the accounts of a policy that takes some from AWS Organizations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ShownAccounts {
    /// How many there are.
    pub(crate) total: usize,
    /// How many of them are no longer listed.
    pub(crate) leaving: usize,
    /// When they were read last.
    pub(crate) read: Option<Timestamp>,
}

impl Metrics {
    /// Creates the metrics. Those with few series are in `registry`; the server writes the others beside it.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            targets: TargetMetrics::new(),
            events: EventMetrics::new()?,
            in_flight: Table::new(in_flight::LABELS, in_flight::ALL),
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
            map_published: int_gauges(
                "amiseal_map_published",
                "Whether the map is where the policy has it kept: 1 or 0. Nothing where it is kept nowhere, and while it is first written.",
                &["policy"],
            )?,
            accounts: int_gauges(
                "amiseal_accounts",
                "How many accounts a policy has that takes accounts from AWS Organizations. Nothing under suspend.",
                &["policy"],
            )?,
            accounts_read: gauges(
                "amiseal_accounts_read_timestamp_seconds",
                "When AWS Organizations was last read for a policy, in seconds since 1970; 0 before the first time. Nothing under suspend.",
                &["policy"],
            )?,
            regions_read: gauges(
                "amiseal_regions_read_timestamp_seconds",
                "When the enabled regions of a policy's accounts were last read, where it has allRegions, in seconds since 1970, for the \
                 account that was read the longest ago; 0 until this replica has read each of them. Nothing under suspend.",
                &["policy"],
            )?,
            accounts_leaving: int_gauges(
                "amiseal_accounts_leaving",
                "How many of a policy's accounts AWS Organizations no longer lists. Their targets go after further reads. Nothing under suspend.",
                &["policy"],
            )?,
            accounts_left: counters(
                "amiseal_accounts_left_total",
                "How many accounts have left a policy because AWS Organizations no longer lists them. Nothing under suspend.",
                &["policy"],
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
        let mut collectors = self.events.collectors();
        let of_process: [Box<dyn Collector>; 15] = [
            Box::new(self.scan_duration.clone()),
            Box::new(self.copy_duration.clone()),
            Box::new(self.reconcile_duration.clone()),
            Box::new(self.reconcile_errors.clone()),
            Box::new(self.leader.clone()),
            Box::new(self.watch_heard.clone()),
            Box::new(self.map_published.clone()),
            Box::new(self.accounts.clone()),
            Box::new(self.accounts_read.clone()),
            Box::new(self.regions_read.clone()),
            Box::new(self.accounts_leaving.clone()),
            Box::new(self.accounts_left.clone()),
            Box::new(self.shards.clone()),
            Box::new(self.shards_held.clone()),
            Box::new(self.build.clone()),
        ];
        collectors.extend(of_process);
        collectors
    }

    /// Each metric, by its name.
    #[must_use]
    pub fn families(&self) -> BTreeMap<String, Family> {
        let mut families = families(&self.collectors());
        families.extend(self.targets.table.families());
        families.extend(self.in_flight.families());
        families
    }

    /// The text of all metrics that are not in the registry, in pieces of some 64 kB: there may be many series of them.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = String> + Send + use<> {
        self.targets.table.pieces().chain(self.in_flight.pieces())
    }

    /// Shows that the watch of a kind is alive.
    pub(crate) fn heard(&self, kind: &str, at: Timestamp) {
        self.watch_heard.with_label_values(&[kind]).set(seconds(at));
    }

    /// Shows whether the ConfigMap of a policy has its map, or takes that back where it asks for none.
    pub(crate) fn map_published(&self, policy: &str, is_published: Option<bool>) {
        match is_published {
            Some(is_published) => self.map_published.with_label_values(&[policy]).set(is_published.into()),
            // A series that was never set cannot be removed, which is as well.
            None => drop(self.map_published.remove_label_values(&[policy])),
        }
    }

    /// Takes back what is shown of maps: another replica shows it.
    pub(crate) fn forget_maps(&self) {
        self.map_published.reset();
    }

    /// Shows how many accounts a policy has and when they were read, or takes that back where AWS Organizations is not read for it.
    pub(crate) fn accounts(&self, policy: &str, shown: Option<ShownAccounts>) {
        let label = [policy];
        let count = |of: fn(&ShownAccounts) -> usize| {
            let count = shown.as_ref().map(of);
            count.map(|count| i64::try_from(count).unwrap_or(i64::MAX))
        };
        show(&self.accounts, &label, count(|known| known.total));
        show(&self.accounts_leaving, &label, count(|known| known.leaving));
        let read = shown.as_ref().map(|known| known.read.map_or(0.0, seconds));
        show(&self.accounts_read, &label, read);
        match shown {
            // Prometheus sees the first one only where it has seen 0 before.
            Some(_) => drop(self.accounts_left.with_label_values(&label)),
            // A series that was never set cannot be removed, which is as well.
            None => drop(self.accounts_left.remove_label_values(&label)),
        }
    }

    /// Counts accounts that have left a policy.
    pub(crate) fn accounts_left(&self, policy: &str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.accounts_left.with_label_values(&[policy]).inc_by(count);
    }

    /// Takes back what is shown of accounts: another replica shows it.
    pub(crate) fn forget_accounts(&self) {
        self.accounts.reset();
        self.accounts_read.reset();
        self.accounts_leaving.reset();
        self.accounts_left.reset();
    }

    /// Shows when the regions of a policy's accounts were read, or takes that back where none are read for it.
    pub(crate) fn regions_read(&self, policy: &str, shown: Option<Option<Timestamp>>) {
        match shown {
            Some(read) => {
                let read = read.map_or(0.0, seconds);
                self.regions_read.with_label_values(&[policy]).set(read);
            }
            // A series that was never set cannot be removed, which is as well.
            None => drop(self.regions_read.remove_label_values(&[policy])),
        }
    }

    /// Takes back what is shown of regions: another replica shows it.
    pub(crate) fn forget_regions(&self) {
        self.regions_read.reset();
    }

    /// Shows how many snapshot copies are in flight, and how many may be.
    pub(crate) fn snapshots_in_flight(&self, scope: &Scope, count: u32, limit: u32) {
        let labels = [scope.account.as_str(), scope.region.as_str()];
        self.in_flight
            .set(&scope.to_string(), &labels, |shown| *shown = InFlight { count, limit });
    }

    /// Takes back what is shown of an account and region.
    pub(crate) fn forget_scope(&self, scope: &Scope) {
        self.in_flight.forget(&scope.to_string());
    }
}

/// Shows a value, or takes back what was shown.
fn show<A: Atomic>(metric: &GenericGaugeVec<A>, labels: &[&str], value: Option<A::T>) {
    match value {
        Some(value) => metric.with_label_values(labels).set(value),
        // An error means that nothing was shown before either.
        None => drop(metric.remove_label_values(labels)),
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

#[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 53 bits")]
fn seconds(at: Timestamp) -> f64 {
    at.as_second() as f64
}

#[cfg(test)]
mod tests;
