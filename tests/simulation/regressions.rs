//! Histories that have shown a bug once, as far as they are not played anyway, as those of one fault are. They are
//! played each time, and all of what they name has to strike.

use super::plan::Plan;

/// What was wrong, the seed, and the strikes.
const KNOWN: &[(&str, u64, &[&str])] = &[
    // A migration that somebody had written to be completed was left with a copy that failed afterwards.
    (
        "completed with a copy that failed",
        99,
        &["MigrationStatusForged@51", "KeyDisabled@43"],
    ),
    // An account that is throttled without end was asked every two seconds.
    ("throttled without end", 20, &[]),
    // A copy was asked for before it was known whether the role may make one, since asking had failed.
    ("permissions that could not be asked for", 1130, &["AwsExpired@43"]),
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
