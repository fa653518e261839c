//! Accounts of 17 regions in which nothing is to be done, and the policies for them.

use anyhow::{Context, Result};
use ec2sim::WorldSpec;
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// The controller's own access key, and the account of it.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
pub(crate) const HOME: &str = "999900001111";
/// How many images each region of an account has.
pub(crate) const IMAGES: u32 = 5;
/// How many accounts a policy may list.
const ACCOUNTS_OF_A_POLICY: usize = 200;
const KEY: &str = "11111111-1111-4111-8111-111111111111";
const SERVICES: [&str; 8] = [
    "ec2:*",
    "kms:*",
    "autoscaling:*",
    "ssm:*",
    "eks:*",
    "batch:*",
    "imagebuilder:*",
    "cloudtrail:*",
];

/// The regions that are enabled in every account.
pub(crate) const REGIONS: [&str; 17] = [
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-southeast-1",
    "ap-southeast-2",
    "ca-central-1",
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// How many targets so many accounts make.
pub(crate) fn targets(accounts: u32) -> Result<usize> {
    Ok(usize::try_from(accounts)? * REGIONS.len())
}

/// So many accounts.
pub(crate) fn world(accounts: u32) -> Result<WorldSpec> {
    let home = json!({"id": HOME});
    let all: Vec<Value> = [home].into_iter().chain((0..accounts).map(account)).collect();
    let world = json!({
        "seed": 1,
        "settings": {"throttling": {"enabled": true, "time": "simulated"}},
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "allow": ["sts:*"]}],
        "accounts": all,
    });
    serde_json::from_value(world).context("the world is not one")
}

fn account_id(number: u32) -> String {
    format!("{:012}", 100_000_000_000_u64 + u64::from(number))
}

fn account(number: u32) -> Value {
    let id = account_id(number);
    let role = json!({"name": "amiseal", "externalID": "bench", "trust": [HOME], "allow": SERVICES});
    let places = REGIONS.iter().zip(0_u64..);
    let regions: Vec<Value> = places.map(|(name, place)| region(&id, number, name, place)).collect();
    json!({"id": id, "roles": [role], "regions": regions})
}

/// Four images are encrypted, one of which is the copy of the fifth. The guardrails hold already.
fn region(account: &str, number: u32, name: &str, place: u64) -> Value {
    let original = format!("ami-{:017x}", u64::from(number) * 17 + place + 1);
    json!({
        "name": name,
        "keys": [{"id": KEY, "alias": ["alias/ami"]}],
        "images": [
            {"name": "base-{n}", "count": 3, "encryptedUnder": "alias/ami"},
            {"name": "web", "id": original},
            {"name": "web-encrypted", "sourceImageId": original, "encryptedUnder": "alias/ami"},
        ],
        "guardrails": {
            "ebsEncryptionByDefault": true,
            "ebsDefaultKey": format!("arn:aws:kms:{name}:{account}:key/{KEY}"),
            "imagePublicAccess": "block-new-sharing",
            "snapshotPublicAccess": "block-new-sharing",
        },
    })
}

/// The policies for so many accounts. Without an interval of scans each has the default one.
pub(crate) fn policies(accounts: u32, settings: Settings, scan_interval: Option<&str>) -> Vec<Value> {
    let accounts: Vec<Value> = (0..accounts)
        .map(|number| json!({"accountID": account_id(number)}))
        .collect();
    let parts = accounts.chunks(ACCOUNTS_OF_A_POLICY).zip(0_u32..);
    parts
        .map(|(accounts, number)| policy(number, accounts, settings, scan_interval))
        .collect()
}

fn policy(number: u32, accounts: &[Value], settings: Settings, scan_interval: Option<&str>) -> Value {
    let regions: Vec<Value> = REGIONS
        .iter()
        .map(|name| json!({"name": name, "kmsKeyID": "alias/ami"}))
        .collect();
    let mut spec = Map::new();
    let mut say = |field: &str, value: Value| spec.insert(field.to_owned(), value);
    say("mode", json!("Enforce"));
    say(
        "defaults",
        json!({"roleName": "amiseal", "externalID": "bench", "regions": regions}),
    );
    say("accounts", json!(accounts));
    if let Some(interval) = scan_interval {
        say("scanInterval", json!(interval));
    }
    for (field, value) in settings.fields() {
        say(field, value);
    }
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": format!("silent-{number}")},
        "spec": spec,
    })
}
