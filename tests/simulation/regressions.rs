//! Histories that have shown a bug once. They are played each time.

use super::plan::Plan;

/// What was wrong, the seed, and the strikes.
const KNOWN: &[(&str, u64, &[&str])] = &[
    // A target whose first status met a conflict was not watched again until something else changed it.
    ("a conflict at the first status", 1, &["KubernetesConflict@11"]),
];

/// The plans of all of them.
pub(crate) fn plans() -> Vec<Plan> {
    let plan = |(name, seed, strikes): &(&str, u64, &[&str])| Plan {
        seed: *seed,
        strikes: strikes
            .iter()
            .map(|strike| strike.parse().unwrap_or_else(|why| panic!("{name}: {why}")))
            .collect(),
    };
    KNOWN.iter().map(plan).collect()
}
