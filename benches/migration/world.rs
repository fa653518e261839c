//! The images to be migrated, and the policy that says so.

use std::collections::BTreeMap;

use anyhow::Result;
use ec2sim::WorldSpec;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

/// The account that owns the images.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The region of the images.
pub(crate) const REGION: &str = "eu-west-1";
/// The controller's own access key.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
/// The account of the controller's own access key.
const HOME: &str = "999900001111";

/// How long copying a snapshot takes: this, and some more for each GiB.
const BASE_SECONDS: f64 = 30.0;
const SECONDS_PER_GIB: f64 = 6.0;
/// The sizes of snapshots. Small ones are more common.
const GIB: std::ops::RangeInclusive<f64> = 5.0..=95.0;
const SKEW: f64 = 1.4;
/// AWS is not always as fast: times differ by as much to both sides.
const JITTER: f64 = 0.2;

/// One account and region with that many unencrypted images of 1 to 4 snapshots.
///
/// One image in five is shared with another account. Changes take a few seconds to show, and calls are throttled as AWS
/// throttles them.
pub(crate) fn world(seed: u64, images: u32) -> Result<WorldSpec> {
    let mut rng = StdRng::seed_from_u64(seed);
    let images: Vec<Value> = (1..=images).map(|number| image(number, &mut rng)).collect();
    let world = json!({
        "seed": seed,
        "settings": {
            "pagination": {"unstableOrder": true},
            "consistency": {"createSeconds": 3, "tagSeconds": 3, "attributeSeconds": 3},
            "copies": {"baseSeconds": BASE_SECONDS, "secondsPerGib": SECONDS_PER_GIB, "jitter": JITTER},
            "throttling": {"enabled": true, "time": "simulated"},
        },
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "allow": ["sts:*"]}],
        "accounts": [
            {"id": HOME},
            {
                "id": ACCOUNT,
                "roles": [{"name": "amiseal", "externalID": "bench", "trust": [HOME], "allow": ["ec2:*", "kms:*", "autoscaling:*", "ssm:*", "eks:*", "batch:*", "imagebuilder:*"]}],
                "regions": [{"name": REGION, "keys": [{"alias": ["alias/ami"]}], "images": images}],
            },
        ],
    });
    // JSON is YAML.
    Ok(WorldSpec::parse(&world.to_string())?)
}

fn image(number: u32, rng: &mut StdRng) -> Value {
    let devices: Vec<Value> = (0..rng.random_range(1..=4))
        .map(|_| {
            let share = rng.random::<f64>().powf(SKEW);
            let gib = GIB.start() + share * (GIB.end() - GIB.start());
            #[allow(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "between 5 and 95"
            )]
            let gib = gib.round() as u32;
            json!({"gib": gib})
        })
        .collect();
    let shared: &[&str] = if number.is_multiple_of(5) {
        &["444455556666"]
    } else {
        &[]
    };
    json!({
        "name": format!("image-{number:04}"),
        "description": format!("What image {number} is for"),
        "tags": BTreeMap::from([("team", "web")]),
        "launchPermissions": {"users": shared},
        "devices": devices,
        "expect": {"copied": {"key": "alias/ami"}},
    })
}

/// The policy that has them migrated, with what a policy says when it says nothing, but for the interval.
pub(crate) fn policy(scan_minutes: u32) -> String {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "bench"},
        "spec": {
            "mode": "Enforce",
            "scanInterval": format!("{scan_minutes}m"),
            "defaults": {"roleName": "amiseal", "externalID": "bench"},
            "accounts": [{"accountID": ACCOUNT, "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]}],
        },
    })
    .to_string()
}
