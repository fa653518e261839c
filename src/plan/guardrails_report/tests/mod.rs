//! What statuses and policies give, in tables.

mod documents;
mod rows;

use serde_json::{Value, json};

use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget};

const ACCOUNT: &str = "111122223333";
const OTHER: &str = "444455556666";
const REGION: &str = "eu-west-1";

/// A policy over these accounts with this more in its spec.
fn policy(name: &str, mode: &str, accounts: &[&str], more: &str) -> AMIEncryptionPolicy {
    let accounts: Vec<String> = accounts.iter().map(|id| format!("{{accountID: '{id}'}}")).collect();
    let yaml = format!(
        "{{mode: {mode}, defaults: {{roleName: amiseal, regions: [{{name: {REGION}, kmsKeyID: alias/ami}}]}}, accounts: [{}]{}{more}}}",
        accounts.join(", "),
        if more.is_empty() { "" } else { ", " },
    );
    let spec = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
    AMIEncryptionPolicy::new(name, spec)
}

/// A target whose policy has these guardrails, with this status.
fn target(policy: &str, account: &str, guardrails: &Value, status: &Value) -> AMIEncryptionTarget {
    let spec = json!({
        "policy": policy, "accountID": account, "region": REGION, "kmsKeyID": "alias/ami", "mode": "Enforce",
        "scanInterval": "1h", "otherKey": "Report", "copy": {}, "promotion": {}, "guardrails": guardrails,
    });
    let object = json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionTarget",
        "metadata": {"name": format!("{policy}.{account}.{REGION}"), "generation": 2},
        "spec": spec, "status": status,
    });
    serde_json::from_value(object).expect("a target")
}
