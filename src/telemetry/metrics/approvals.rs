//! What is shown of migrations that wait for somebody to approve what they move.

use std::sync::Arc;

use jiff::Timestamp;
use prometheus::GaugeVec;
use prometheus::core::Collector;

use super::targets::{Labels, TARGET, show};
use super::{gauges, seconds};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigration, AMIMigrationStatus};

#[derive(Debug, Clone)]
pub(super) struct ApprovalMetrics {
    awaited_since: GaugeVec,
}

impl ApprovalMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            awaited_since: gauges(
                "amiseal_approval_awaited_since_timestamp_seconds",
                "Since when the first of the migrations that wait for an approval has needed a person, in seconds since 1970. Nothing where there is none, and under suspend.",
                &TARGET,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.awaited_since.clone())]
    }

    /// Shows what migrations have on record.
    pub(super) fn observe(&self, labels: &Labels<'_>, migrations: &[Arc<AMIMigration>], is_suspended: bool) {
        let statuses = migrations.iter().filter_map(|migration| migration.status.as_ref());
        let first = statuses.filter_map(awaited_since).min().filter(|_| !is_suspended);
        show(&self.awaited_since, labels, first.map(seconds));
    }

    /// Takes back what was shown.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        // A series that was never set cannot be removed, which is as well.
        let _ = self.awaited_since.remove_label_values(labels);
    }
}

fn awaited_since(status: &AMIMigrationStatus) -> Option<Timestamp> {
    let stalled = conditions::find(&status.conditions, conditions::STALLED)?;
    let is_awaited = stalled.status == "True" && stalled.reason == reason::APPROVAL_REQUIRED;
    is_awaited.then_some(stalled.last_transition_time.0)
}
