//! What is shown of the instances that copies are proven by, and of the copies that Amazon Inspector has to scan.

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntGaugeVec};

use super::targets::{Labels, TARGET, show};
use super::{gauges, int_gauges, seconds};
use crate::api::{AMIMigration, LaunchStatus};
use crate::plan::proof;

/// What is shown of a target's proofs, as its migrations have them on record.
#[derive(Debug, Clone)]
pub(super) struct ProofMetrics {
    instances: IntGaugeVec,
    deadline: GaugeVec,
    scans_awaited: IntGaugeVec,
}

impl ProofMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            instances: int_gauges(
                "amiseal_validation_instances",
                "Instances that copies are proven by and that are not seen to be terminated.",
                &TARGET,
            )?,
            deadline: gauges(
                "amiseal_validation_deadline_timestamp_seconds",
                "When the first instance that a copy is proven by has had its time, in seconds since 1970. Nothing where there is none.",
                &TARGET,
            )?,
            scans_awaited: int_gauges(
                "amiseal_validation_scans_awaited",
                "Copies that are to pass a scan by Amazon Inspector and that it has not scanned yet. Nothing under suspend.",
                &TARGET,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.instances.clone()),
            Box::new(self.deadline.clone()),
            Box::new(self.scans_awaited.clone()),
        ]
    }

    /// Shows what migrations have on record, instances under suspend too: what runs is paid for.
    pub(super) fn observe(&self, labels: &Labels<'_>, migrations: &[Arc<AMIMigration>], suspend: bool) {
        let under_way: Vec<&LaunchStatus> = migrations
            .iter()
            .filter_map(|migration| proof::under_way(migration.status.as_ref()?))
            .collect();
        let count = i64::try_from(under_way.len()).unwrap_or(i64::MAX);
        self.instances.with_label_values(labels).set(count);
        let first = under_way.into_iter().filter_map(proof::deadline).min();
        show(&self.deadline, labels, first.map(seconds));
        let awaited = migrations
            .iter()
            .filter_map(|migration| migration.status.as_ref())
            .filter(|status| proof::inspector::is_awaited(status))
            .count();
        let awaited = i64::try_from(awaited).unwrap_or(i64::MAX);
        show(&self.scans_awaited, labels, Some(awaited).filter(|_| !suspend));
    }

    /// Takes back what was shown.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        // A series that was never set cannot be removed, which is as well.
        let _ = self.instances.remove_label_values(labels);
        let _ = self.deadline.remove_label_values(labels);
        let _ = self.scans_awaited.remove_label_values(labels);
    }
}
