//! What is shown of the snapshot copies of each account and region.

use super::table::Series;

/// Snapshot copies of an account and region.
#[derive(Debug, Default)]
pub(super) struct InFlight {
    /// How many are in flight.
    pub(super) count: u32,
    /// How many may be.
    pub(super) limit: u32,
}

type OfScope = Series<InFlight>;

/// The labels of these series.
pub(super) const LABELS: &[&str] = &["account", "region"];

pub(super) const ALL: &[&[OfScope]] = &[SERIES];

const SERIES: &[OfScope] = &[
    OfScope::gauge(
        "amiseal_snapshots_in_flight",
        "Snapshot copies in flight, whoever asked for them.",
        &[],
        |copies, to| to.put(&[], copies.count),
    ),
    OfScope::gauge(
        "amiseal_snapshots_in_flight_limit",
        "How many snapshot copies may be in flight before amiseal asks for no more.",
        &[],
        |copies, to| to.put(&[], copies.limit),
    ),
];
