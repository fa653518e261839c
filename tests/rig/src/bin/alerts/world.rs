//! AWS before anything is wrong, and the policy: an account for each cause that is of one account.

use anyhow::{Context as _, Result};
use ec2sim::WorldSpec;
use serde_json::{Value, json};

/// The access key of the controller's own identity.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
/// The account of that identity.
pub(crate) const HOME: &str = "999900001111";
pub(crate) const REGION: &str = "eu-west-1";
pub(crate) const ROLE: &str = "amiseal";
pub(crate) const KEY: &str = "alias/ami";
/// The policy.
pub(crate) const POLICY: &str = "production";

/// What the role is allowed.
pub(crate) fn allowed() -> Vec<&'static str> {
    let mut actions = rig::role_actions();
    actions.push(GRANT);
    actions
}
/// Without this action AWS begins copies, and they fail.
pub(crate) const GRANT: &str = "kms:CreateGrant";
/// Without this one nobody can say which images are unused.
pub(crate) const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";

/// AWS with an image in each of these accounts that is to be copied, but for one account that has none.
pub(crate) fn world(accounts: &[&str], without: &str) -> Result<WorldSpec> {
    let base = json!({"name": "base", "devices": [{"gib": 1}], "expect": {"copied": {"key": KEY, "tags": "withheld"}}});
    let account = |id: &&str| {
        let role = json!({"name": ROLE, "externalID": "platform", "trust": [HOME], "allow": allowed()});
        let images: &[Value] = if *id == without {
            &[]
        } else {
            std::slice::from_ref(&base)
        };
        let region = json!({"name": REGION, "keys": [{"alias": [KEY]}], "images": images});
        json!({"id": id, "roles": [role], "regions": [region]})
    };
    let mut all: Vec<Value> = vec![json!({"id": HOME})];
    all.extend(accounts.iter().map(account));
    let world = json!({
        "seed": 7,
        "settings": {"copies": {"baseSeconds": 2, "secondsPerGib": 0, "jitter": 0, "keyActions": [GRANT]}},
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "name": "user/amiseal", "allow": ["sts:*"]}],
        "accounts": all,
    });
    // JSON is YAML.
    WorldSpec::parse(&world.to_string()).context("the world is no world")
}

/// The policy that has them migrated, and findings looked for.
pub(crate) fn policy(accounts: &[&str]) -> String {
    let accounts: Vec<Value> = accounts.iter().map(|id| json!({"accountID": id})).collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "1m",
            "audit": {},
            "defaults": {
                "roleName": ROLE,
                "externalID": "platform",
                "regions": [{"name": REGION, "kmsKeyID": KEY}],
            },
            "accounts": accounts,
        },
    })
    .to_string()
}
