//! The world of each fault: 300 images in five accounts and two regions, and a few that are to be left alone.

use anyhow::{Context as _, Result};
use ec2sim::WorldSpec;
use rig::Rights;
use serde_json::{Value, json};

/// The access key of the controller's own identity.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
/// The account of that identity.
const HOME: &str = "999900001111";
const ACCOUNTS: [&str; 5] = [
    "111111111111",
    "222222222222",
    "333333333333",
    "444444444444",
    "555555555555",
];
const REGIONS: [&str; 2] = ["eu-west-1", "us-east-1"];
/// Images of each account and region that are to be copied.
const IMAGES: usize = 30;
/// How many images are to be copied.
pub(crate) const TO_COPY: usize = ACCOUNTS.len() * REGIONS.len() * IMAGES;
/// How many targets the policy has.
pub(crate) const TARGETS: usize = ACCOUNTS.len() * REGIONS.len();
/// The alias of the key that copies are to be encrypted under.
pub(crate) const ALIAS: &str = "alias/ami";
/// Images with this tag are exempt.
pub(crate) const EXEMPT: &str = "amiseal.dev/exempt";
/// So many simulated seconds pass in a real one.
const SPEED: u32 = 30;

/// AWS as the fault finds it, with the rights of the roles. Changes show late, pages are unordered or empty, calls are throttled as AWS
/// throttles them.
pub(crate) fn world(seed: u64, rights: &Rights) -> Result<WorldSpec> {
    let regions: Vec<Value> = REGIONS.iter().map(|region| place(region)).collect();
    let mut accounts = vec![json!({"id": HOME})];
    accounts.extend(ACCOUNTS.iter().map(|id| {
        let statements = rights.get(*id).cloned().unwrap_or_default();
        let role = json!({"name": "amiseal", "externalID": "platform", "trust": [HOME], "allow": [], "statements": statements});
        json!({"id": id, "roles": [role], "regions": regions})
    }));
    let world = json!({
        "seed": seed,
        // In the past, so that no simulated time is in the future for the controller.
        "clock": {"start": "2026-01-01T00:00:00Z", "speed": SPEED},
        "settings": {
            "pagination": {"unstableOrder": true, "emptyPages": 0.1, "largestPage": 40},
            "consistency": {"createSeconds": 15, "tagSeconds": 15, "attributeSeconds": 15, "deleteSeconds": 15},
            "copies": {"baseSeconds": 90, "secondsPerGib": 3, "jitter": 0.5, "mappingsWhilePending": "withoutSnapshots"},
            "throttling": {"enabled": true, "time": "real"},
        },
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "name": "user/amiseal", "allow": ["sts:*"]}],
        "accounts": accounts,
    });
    // JSON is YAML.
    WorldSpec::parse(&world.to_string()).context("the world is no world")
}

fn place(region: &str) -> Value {
    let expect = json!({"copied": {"key": ALIAS, "tags": "withheld"}});
    let sixth = IMAGES / 6;
    let plain = IMAGES - 3 * sixth;
    let images = json!([
        {"name": "plain-{n}", "count": plain, "expect": expect, "tags": {"team": "web"}},
        {"name": "shared-{n}", "count": sixth, "launchPermissions": {"users": [HOME]}, "expect": expect},
        {"name": "old-{n}", "count": sixth, "description": "What was built as number {n}",
         "deprecationTime": "2035-01-01T00:00:00Z", "expect": expect},
        {"name": "large-{n}", "count": sixth, "devices": [{}, {"gib": 20}, {"gib": 20}], "expect": expect},
        {"name": "sealed", "encryptedUnder": ALIAS, "expect": "encrypted"},
        {"name": "elsewhere", "encryptedUnder": "alias/old", "expect": "untouched"},
        {"name": "exempt", "tags": {EXEMPT: "yes"}, "expect": "untouched"},
    ]);
    json!({"name": region, "keys": [{"alias": [ALIAS]}, {"alias": ["alias/old"]}], "images": images})
}

/// The policy that has them migrated.
pub(crate) fn policy() -> String {
    let regions = REGIONS.map(|region| json!({"name": region, "kmsKeyID": ALIAS}));
    let accounts = ACCOUNTS.map(|id| json!({"accountID": id}));
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "production"},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "1m",
            "defaults": {"roleName": "amiseal", "externalID": "platform", "regions": regions},
            "accounts": accounts,
            "imageSelector": {"exclude": [{"tags": {EXEMPT: "*"}}]},
        },
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use ec2sim::Sim;
    use ec2sim::spec::Expectation;

    use super::*;

    #[test]
    fn the_world_has_as_many_images_to_copy_as_it_says() {
        let world = Sim::new(&world(1, &Rights::new()).expect("a world"))
            .expect("a world")
            .world();
        let images = world.regions().flat_map(|(_, region)| region.images.values());
        let to_copy = images.filter(|image| matches!(image.expect, Expectation::Copied(_)));
        assert_eq!((to_copy.count(), TO_COPY), (300, 300));
    }
}
