//! What is shown of migrations that wait for somebody to approve what they move.

use std::sync::Arc;

use jiff::Timestamp;

use super::seconds;
use super::targets::OfTarget;
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigration, AMIMigrationStatus};

pub(super) const SERIES: &[OfTarget] = &[OfTarget::gauge(
    "amiseal_approval_awaited_since_timestamp_seconds",
    "Since when the first of the migrations that wait for an approval has needed a person, in seconds since 1970. Nothing where there is none, and under suspend.",
    &[],
    |target, to| to.maybe(&[], target.approvals.awaited_since),
)];

/// What a target's migrations wait for.
#[derive(Debug, Default)]
pub(super) struct Approvals {
    awaited_since: Option<f64>,
}

impl Approvals {
    /// As migrations have it on record.
    pub(super) fn of(migrations: &[Arc<AMIMigration>], is_suspended: bool) -> Self {
        let statuses = migrations.iter().filter_map(|migration| migration.status.as_ref());
        let first = statuses.filter_map(awaited_since).min().filter(|_| !is_suspended);
        Self {
            awaited_since: first.map(seconds),
        }
    }
}

fn awaited_since(status: &AMIMigrationStatus) -> Option<Timestamp> {
    let stalled = conditions::find(&status.conditions, conditions::STALLED)?;
    let is_awaited = stalled.status == "True" && stalled.reason == reason::APPROVAL_REQUIRED;
    is_awaited.then_some(stalled.last_transition_time.0)
}
