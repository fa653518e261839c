//! Histories that have shown a bug once. They are played each time.

use super::plan::Plan;

/// What was wrong, the seed, and the strikes.
const KNOWN: &[(&str, u64, &[&str])] = &[
    // A target whose first status met a conflict was not watched again until something else changed it.
    ("a conflict at the first status", 1, &["KubernetesConflict@11"]),
    ("a conflict at the first status", 1, &["KubernetesConflict@20"]),
    // A process whose clock is ten minutes ahead took what the other had asked for as vanished, and copied again; and the
    // two wrote a target's status in turns without end.
    ("two clocks", 1, &["SecondLeader@17"]),
    ("two clocks", 1, &["SecondLeader@20"]),
    // A migration that somebody had written to be completed was left without a copy.
    ("completed without a copy", 1, &["MigrationStatusForged@33"]),
    ("completed without a copy", 1, &["MigrationStatusForged@38"]),
    // The same with one whose copy failed afterwards.
    (
        "completed with a copy that failed",
        99,
        &["MigrationStatusForged@51", "KeyDisabled@43"],
    ),
    // Copies that were refused were all asked for at once when permission came back.
    ("refused copies", 1, &["PermissionLost@46"]),
    ("refused copies", 1, &["PermissionLost@49"]),
    ("refused copies", 1, &["PermissionLost@55"]),
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
