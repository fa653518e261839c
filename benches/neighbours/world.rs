//! Two accounts: one whose images have been copied and are shared, so that each of them is to be published, and one with a single image.

use anyhow::Result;
use ec2sim::WorldSpec;
use serde_json::{Value, json};

/// The account with a great deal to do.
pub(crate) const BUSY: &str = "111122223333";
/// The other one.
pub(crate) const OTHER: &str = "444455556666";
/// The controller's own access key, and the account of it.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
const HOME: &str = "999900001111";
const REGION: &str = "eu-west-1";

/// Both accounts, of which the busy one has so many originals.
pub(crate) fn world(busy: u32) -> Result<WorldSpec> {
    let images: Vec<Value> = (0..busy).flat_map(published).collect();
    let account = |id: &str, images: Vec<Value>| {
        json!({
            "id": id,
            "roles": [{"name": "amiseal", "externalID": "bench", "trust": [HOME], "allow": ["ec2:*", "kms:*", "autoscaling:*", "ssm:*", "eks:*", "batch:*", "imagebuilder:*"]}],
            "regions": [{"name": REGION, "keys": [{"alias": ["alias/ami"]}], "images": images}],
        })
    };
    let world = json!({
        "seed": 1,
        "settings": {"throttling": {"enabled": true, "time": "simulated"}},
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "allow": ["sts:*"]}],
        "accounts": [{"id": HOME}, account(BUSY, images), account(OTHER, vec![json!({"name": "web"})])],
    });
    // JSON is YAML.
    Ok(WorldSpec::parse(&world.to_string())?)
}

/// An original that is shared, and its copy, which is not yet.
fn published(number: u32) -> [Value; 2] {
    let id = format!("ami-{:017x}", u64::from(number) + 1);
    [
        json!({"name": format!("web-{number}"), "id": id, "launchPermissions": {"users": ["123412341234"]}}),
        json!({"name": format!("copy-{number}"), "sourceImageId": id, "encryptedUnder": "alias/ami"}),
    ]
}

/// The policy for an account, with what a policy says when it says nothing.
pub(crate) fn policy(name: &str, account: &str) -> Value {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": name},
        "spec": {
            "mode": "Enforce",
            "defaults": {"roleName": "amiseal", "externalID": "bench"},
            "accounts": [{"accountID": account, "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]}],
        },
    })
}
