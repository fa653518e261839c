//! What is shown of how far migrations have come, and for which reasons some need a person.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::targets::OfTarget;
use crate::api::{AMIMigration, MigrationState, conditions};

/// The state of migrations that need a person, wherever they are.
const STALLED: &str = "Stalled";

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_migrations",
        "Migrations by state, or Stalled for those that need a person.",
        &["state"],
        |target, to| {
            for (state, count) in &target.migrations.states {
                to.put(&[state], *count);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_migrations_stalled",
        "Migrations that need a person, by reason.",
        &["reason"],
        |target, to| {
            for (reason, count) in &target.migrations.reasons {
                to.put(&[reason], *count);
            }
        },
    ),
];

/// A target's migrations.
#[derive(Debug, Default)]
pub(super) struct Migrations {
    /// How many are in each state, or stalled.
    states: Box<[(&'static str, u32)]>,
    /// How many are stalled for each reason.
    reasons: Box<[(Box<str>, u32)]>,
}

impl Migrations {
    /// Counts migrations by state, and those that are stalled by reason.
    pub(super) fn of(migrations: &[Arc<AMIMigration>]) -> Self {
        let all = [
            MigrationState::Pending,
            MigrationState::Copying,
            MigrationState::Verifying,
            MigrationState::Validating,
            MigrationState::Promoting,
            MigrationState::Completed,
        ];
        let mut states: BTreeMap<&'static str, u32> = all.map(|state| (state.as_str(), 0)).into();
        states.insert(STALLED, 0);
        let mut reasons: BTreeMap<&str, u32> = BTreeMap::new();
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
        let reasons = reasons.into_iter().map(|(reason, count)| (reason.into(), count));
        Self {
            states: states.into_iter().collect(),
            reasons: reasons.collect(),
        }
    }
}
