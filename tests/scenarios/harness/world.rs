//! Worlds of AWS, and policies for them.

use std::sync::atomic::{AtomicU64, Ordering};

use ec2sim::WorldSpec;
use serde_json::{Value, json};

use super::rights::everything;

/// Accounts of most worlds.
pub(crate) const ACCOUNT: &str = "111122223333";
pub(crate) const OTHER_ACCOUNT: &str = "444455556666";
pub(crate) const REGION: &str = "eu-west-1";
/// The ARN of `alias/ami` in the first account and region.
pub(crate) const KEY_ARN: &str = "arn:aws:kms:eu-west-1:111122223333:key/11111111-1111-4111-8111-111111111111";
/// The key ID of `alias/ami`.
pub(crate) const KEY: &str = "11111111-1111-4111-8111-111111111111";

/// Image IDs are made from the seed: no scenario has those of another.
static SEED: AtomicU64 = AtomicU64::new(1);

/// A world from its accounts' YAML, with copies that take half a second.
pub(crate) fn world(accounts: &str) -> WorldSpec {
    let yaml = format!(
        r#"
settings: {{copies: {{baseSeconds: 0.5, secondsPerGib: 0, jitter: 0}}}}
identities:
- {{accessKey: AKIACONTROLLER, account: "999900001111", name: user/amiseal, allow: ["sts:*"]}}
accounts:
- {{id: "999900001111"}}
{accounts}
"#
    );
    let mut world = WorldSpec::parse(&yaml).unwrap_or_else(|error| panic!("{error}: {yaml}"));
    world.seed = SEED.fetch_add(1, Ordering::Relaxed);
    world
}

/// An account with the controller's role, which has the rights of a policy that asks for everything.
pub(crate) fn account(id: &str, regions: &str) -> String {
    let statements = json!(everything(id));
    format!(
        r#"
- id: "{id}"
  roles: [{{name: amiseal, externalID: platform, trust: ["999900001111"], allow: [], statements: {statements}}}]
  regions: [{regions}]
"#
    )
}

/// A region with the key `alias/ami` and these images, each in YAML's flow style.
pub(crate) fn region(name: &str, images: &[&str]) -> String {
    let images = images.join(", ");
    format!("{{name: {name}, keys: [{{id: {KEY}, alias: [alias/ami]}}], images: [{images}]}}, ")
}

/// A world of one account and region.
pub(crate) fn small_world(images: &[&str]) -> WorldSpec {
    world(&account(ACCOUNT, &region(REGION, images)))
}

/// A plain image that is to be copied.
pub(crate) fn plain(name: &str) -> String {
    format!("{{name: {name}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}")
}

/// Several plain images, called `<name>1` and so on.
pub(crate) fn plain_ones(name: &str, count: usize) -> String {
    format!("{{name: \"{name}{{n}}\", count: {count}, expect: {{copied: {{key: alias/ami, tags: withheld}}}}}}")
}

/// A policy that migrates every image of these accounts in `eu-west-1`.
pub(crate) fn policy(name: &str, accounts: &[&str]) -> Value {
    let accounts: Vec<Value> = accounts.iter().map(|id| json!({"accountID": id})).collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": name},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "1h",
            "defaults": {
                "roleName": "amiseal",
                "externalID": "platform",
                "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}],
            },
            "accounts": accounts,
        },
    })
}

/// A policy with one field of its spec set.
pub(crate) fn with(mut policy: Value, path: &str, value: Value) -> Value {
    let field = path.split('.').fold(&mut policy["spec"], |at, name| &mut at[name]);
    *field = value;
    policy
}
