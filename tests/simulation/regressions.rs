//! Histories that have shown a bug once, as far as they are not played anyway, as those of one fault are. They are
//! played each time, and all of what they name has to strike.

use super::odd;
use super::plan::Plan;

/// What was wrong, the seed, and the strikes. Worlds and policies of these seeds stay what they were.
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
    // A target was deleted between a watch that had expired and the listing after it, and its policy never heard of it.
    (
        "a deletion that no watch showed",
        2756,
        &["TargetDeleted@82", "CopyForged@85", "WatchesExpired@86", "CopyForged@7"],
    ),
    // A copy of somebody's that a listing left out was made again: a look for it had been made only before that listing.
    (
        "a copy that the second listing left out",
        4687,
        &["ListingsIncomplete@47", "PolicyToAudit@22"],
    ),
    // A forged claim to be completed was taken over while the policy was suspended.
    (
        "completed while suspended",
        7322,
        &["MigrationStatusForged@25", "PolicySuspended@7"],
    ),
    // What a refused call had run into was no longer said once a key could not be read for a moment, or a session had ended: for
    // as long as the next call was away, a migration said that the key, or the role, was what hindered it.
    (
        "what hinders is said again",
        700_378,
        &["ClockBack@143", "RoleNotTrusted@1"],
    ),
    (
        "what hinders is said again after a session's end",
        701_080,
        &["MigrationStatusForged@79", "SessionsEnded@137"],
    ),
    // A policy was put into Audit while nobody held the shard. Who took it over asked for a session that may write for the target,
    // which had not heard of that yet.
    (
        "a target that had not heard of Audit",
        702_362,
        &[
            "KubernetesThrottled@74",
            "MigrationStatusForged@134",
            "Paused@2",
            "PolicyToAudit@142",
        ],
    ),
    // Two processes that know nothing of each other wrote over what was on record of copies, and had one snapshot more in flight than
    // the policy allows: each of the two keeps to that by itself.
    (
        "two that know nothing of each other",
        704_595,
        &[
            "ListingsReordered@49",
            "ListingsLate@76",
            "MigrationDeleted@11",
            "KeyGrantRevoked@26",
            "SecondLeader@97",
        ],
    ),
    // The key of an original was disabled, and could not be read once, since the role could not be assumed: it was taken for usable,
    // and a copy was asked for.
    (
        "an original's key that could not be read for a moment",
        1_200_941,
        &["AwsDenied@224"],
    ),
    // The key of an original was known to be disabled, and KMS denied one read of it: it was forgotten, and a copy was made.
    ("an original's key that was denied once", 893, &["AwsDenied@305"]),
    // The policy's key became known after the scan, and with it which images were wanted. Their own keys were read after the next scan
    // only, and one was copied whose key is disabled.
    (
        "keys of images that came to be wanted after the scan",
        980_285,
        &["CrashAfterKubernetes@179", "Paused@162"],
    ),
];

/// The same of what was found since people have a hand in what launches images: the worlds of these seeds are drawn as all others.
const KNOWN_SINCE: &[(&str, u64, &[&str])] = &[
    // People deleted the version that amiseal had made of a template, so that its latest one named the original again, which nobody said.
    (
        "a version that was made of a template is deleted",
        78,
        &["TargetStatusRestored@45", "TemplateVersionDeleted@185"],
    ),
    // People deleted the latest version of a template before one was made of it, which was waited for without end.
    (
        "a version is deleted before one is made of it",
        209,
        &["TemplateVersionDeleted@99"],
    ),
    // People deleted the version that amiseal had made of a template, which was not on record yet. It was asked for by the same token
    // again and again, by which AWS makes one version, ever.
    (
        "a version is deleted before it is on record",
        209,
        &["KubernetesConnectionLost@94", "TemplateVersionDeleted@85"],
    ),
    // A status of some hours before was put back, with an instance that AWS had forgotten. Each minute it was asked to terminate it, and
    // began to wait anew until that could not show any more.
    (
        "an instance that AWS has forgotten",
        3_001_362,
        &["MigrationStatusRestored@223"],
    ),
    // People acknowledged failures, which changes the policies: where all attempts had failed, one more followed, as is promised, and was
    // held to be one too many.
    (
        "one more attempt after failures were acknowledged",
        3_001_956,
        &["TemplateVersionMade@112"],
    ),
];

/// The same of what was found since other accounts launch what is shared: the worlds of these seeds have all that there is.
const KNOWN_WHOLE: &[(&str, u64, &[&str])] = &[
    // A listing of several pages missed a group, whose launcher was not asked about: its template was moved to a copy that it may not
    // launch.
    (
        "a group that one listing has missed",
        3_001_248,
        &["ListingsIncomplete@238"],
    ),
    // A role could no longer be assumed while an instance was to be terminated, which was tried again without a pause.
    (
        "an instance that cannot be terminated for the role",
        4_000_047,
        &["RoleNotTrusted@200"],
    ),
    // People deregistered a copy that consumers were moved to. A migration of another account, which had moved nothing to it yet, waits for
    // another copy for as long as a person does, and said that it is moving consumers.
    (
        "another account waits where the copy is gone",
        3_000_178,
        &["CopyDeregistered@156"],
    ),
    // The same of a copy that somebody else had made: nobody rolled anything back, and no other copy was made.
    (
        "a copy of somebody's that consumers were moved to is gone",
        3_002_139,
        &["CopyDeregistered@142"],
    ),
    // The same where the copy of another image had come out wrong before.
    (
        "a copy is gone, and another one was spoilt",
        3_001_153,
        &["CopyDeregistered@149", "CopyPartlyPlain@4"],
    ),
    // Two who know nothing of each other wrote nineteen objects in turns, forty times each at once, and told of it each time.
    ("two who write everything in turns", 4_100_096, &["SecondLeader@252"]),
    // A policy that was deleted and applied again was the younger one of its account, and nobody allowed the other one more moves a day.
    (
        "another policy comes to govern",
        4_100_240,
        &["PolicyDeleted@21", "MigrationHeld@195"],
    ),
    // Somebody made another version of a template the default between a reading and a move. The group that launches it came to launch a
    // copy whose key its role may not use.
    (
        "another default version between a reading and a move",
        4_100_562,
        &["TemplateDefaultMoved@150", "KeyDisabled@81"],
    ),
    // AWS refused to move consumers of two images. One of the two was held by a tag of its image meanwhile, and the other one went on.
    (
        "another image goes on beside one that a tag holds",
        4_101_791,
        &["OriginalHeld@173", "PermissionLost@485"],
    ),
];

/// Whether the world of a seed is to stay what it was: those in which each fault strikes at each moment, and those of older histories.
pub(crate) fn is_kept(seed: u64) -> bool {
    seed <= odd::FIRST as u64 || KNOWN.iter().any(|(_, kept, _)| *kept == seed)
}

/// Whether a history of this seed is kept since people have a hand in what launches images: what its world has stays what it was.
pub(crate) fn is_kept_since(seed: u64) -> bool {
    KNOWN_SINCE.iter().any(|(_, kept, _)| *kept == seed)
}

/// Whether a history of this seed has shown something before, whenever that was.
pub(crate) fn is_known(seed: u64) -> bool {
    KNOWN.iter().chain(KNOWN_SINCE).any(|(_, known, _)| *known == seed)
}

/// The plans of all of them.
pub(crate) fn plans() -> Vec<Plan> {
    let plan = |(name, seed, strikes): &(&str, u64, &[&str])| Plan {
        seed: *seed,
        strikes: strikes
            .iter()
            .map(|strike| strike.parse().unwrap_or_else(|why| panic!("{name}: {why}")))
            .collect(),
    };
    let all = KNOWN.iter().chain(KNOWN_SINCE).chain(KNOWN_WHOLE);
    all.map(plan).collect()
}
