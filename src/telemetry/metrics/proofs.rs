//! What is shown of the instances that copies are proven by, and of the copies that Amazon Inspector has to scan.

use std::sync::Arc;

use super::seconds;
use super::targets::{OfTarget, count};
use crate::api::{AMIMigration, LaunchStatus};
use crate::plan::proof;

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_validation_instances",
        "Instances that copies are proven by and that are not seen to be terminated.",
        &[],
        |target, to| to.put(&[], target.proofs.instances),
    ),
    OfTarget::gauge(
        "amiseal_validation_deadline_timestamp_seconds",
        "When the first instance that a copy is proven by has had its time, in seconds since 1970. Nothing where there is none.",
        &[],
        |target, to| to.maybe(&[], target.proofs.deadline),
    ),
    OfTarget::gauge(
        "amiseal_validation_scans_awaited",
        "Copies that are to pass a scan by Amazon Inspector and that it has not scanned yet. Nothing under suspend.",
        &[],
        |target, to| to.maybe(&[], target.proofs.scans_awaited),
    ),
];

/// A target's proofs.
#[derive(Debug, Default)]
pub(super) struct Proofs {
    instances: u32,
    deadline: Option<f64>,
    scans_awaited: Option<u32>,
}

impl Proofs {
    /// As migrations have them on record, instances under suspend too: what runs is paid for.
    pub(super) fn of(migrations: &[Arc<AMIMigration>], is_suspended: bool) -> Self {
        let statuses = || migrations.iter().filter_map(|migration| migration.status.as_ref());
        let under_way: Vec<&LaunchStatus> = statuses().filter_map(proof::under_way).collect();
        let awaited = statuses().filter(|status| proof::inspector::is_awaited(status)).count();
        Self {
            instances: count(under_way.len()),
            deadline: under_way.into_iter().filter_map(proof::deadline).min().map(seconds),
            scans_awaited: (!is_suspended).then(|| count(awaited)),
        }
    }
}
