//! AWS before anything is wrong, and the policy: an account for each cause that is of one account.

use anyhow::{Context as _, Result};
use ec2sim::WorldSpec;
use rig::Rights;
use serde_json::{Value, json};

use crate::stage::{NAMESPACE, SERVICE_ACCOUNT};

/// The access key of the controller's own identity.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";
/// The account of that identity.
pub(crate) const HOME: &str = "999900001111";
pub(crate) const REGION: &str = "eu-west-1";
/// The queue that events come to.
pub(crate) const QUEUE: &str = "amiseal";
pub(crate) const ROLE: &str = "amiseal";
pub(crate) const KEY: &str = "alias/ami";
/// The policy.
pub(crate) const POLICY: &str = "production";
/// The ConfigMap that somebody else has made.
pub(crate) const TAKEN: &str = "settings";

/// The organization that a policy may take accounts from: its management account, with a role that may list them.
pub(crate) const MANAGEMENT: &str = "200000000000";
const LISTS: &str = "lists-accounts";
/// Its root, and the unit that the accounts are in.
pub(crate) const ROOT: &str = "r-ab12";
pub(crate) const UNIT: &str = "ou-ab12-c3d4e5f6";
/// The accounts of the unit, which have no images.
pub(crate) const MEMBERS: [&str; 4] = ["200000000001", "200000000002", "200000000003", "200000000004"];

/// Without this action AWS begins copies, and they fail.
pub(crate) const GRANT: &str = "kms:CreateGrant";
/// Without this one nobody can be kept from sharing images with everybody.
pub(crate) const BLOCK: &str = "ec2:EnableImageBlockPublicAccess";
/// Without this one nobody can say which images are unused.
pub(crate) const GROUPS: &str = "autoscaling:DescribeAutoScalingGroups";

/// AWS with an image in each of these accounts that is to be copied, but for some that have none. In one account a launch template names
/// it.
pub(crate) fn world(accounts: &[&str], without: &[&str], launching: &str, rights: &Rights) -> Result<WorldSpec> {
    let base = json!({"name": "base", "devices": [{"gib": 1}], "expect": {"copied": {"key": KEY, "tags": "withheld"}}});
    let account = |id: &&str| {
        let statements = rights.get(*id).cloned().unwrap_or_default();
        let role =
            json!({"name": ROLE, "externalID": "platform", "trust": [HOME], "allow": [], "statements": statements});
        let images: &[Value] = if without.contains(id) {
            &[]
        } else {
            std::slice::from_ref(&base)
        };
        let templates: &[Value] = if *id == launching {
            &[json!({"name": "web", "versions": [{"image": "base"}]})]
        } else {
            &[]
        };
        let region = json!({
            "name": REGION, "keys": [{"alias": [KEY]}], "images": images, "launchTemplates": templates,
            "guardrails": {"imagePublicAccess": "block-new-sharing"},
        });
        json!({"id": id, "roles": [role], "regions": [region]})
    };
    let home = json!({"name": REGION, "queues": [{"name": QUEUE, "visibilityTimeout": 30}]});
    let mut all: Vec<Value> = vec![json!({"id": HOME, "regions": [home]})];
    let lists = json!({"name": LISTS, "trust": [HOME], "allow": ["organizations:*"]});
    all.push(json!({"id": MANAGEMENT, "roles": [lists], "regions": []}));
    all.extend(accounts.iter().map(account));
    let unit = json!({"id": UNIT, "name": "workloads", "accounts": MEMBERS});
    let organization = json!({"id": "o-a1b2c3d4e5", "managementAccount": MANAGEMENT, "root": ROOT, "units": [unit]});
    let world = json!({
        "seed": 7,
        "settings": {"copies": {"baseSeconds": 2, "secondsPerGib": 0, "jitter": 0, "keyActions": [GRANT]}},
        "identities": [{"accessKey": ACCESS_KEY, "account": HOME, "name": "user/amiseal", "allow": ["sts:*", "sqs:*"]}],
        "accounts": all,
        "organizations": [organization],
    });
    // JSON is YAML.
    WorldSpec::parse(&world.to_string()).context("the world is no world")
}

/// What the policy takes accounts from, where it takes those of the unit.
pub(crate) fn of_unit() -> Value {
    json!({"organizationalUnits": [UNIT], "roleARN": format!("arn:aws:iam::{MANAGEMENT}:role/{LISTS}")})
}

/// By what instances are launched, where copies are proven.
pub(crate) fn launch() -> Value {
    json!({"instanceType": "t3.nano", "subnetID": "subnet-0a1b2c3d", "timeout": "2m"})
}

/// The policy that has them migrated, findings looked for, and a guardrail held.
pub(crate) fn policy(accounts: &[&str]) -> String {
    document(accounts).to_string()
}

/// The same with copies proven, as it comes to be: by this one the roles have their rights.
pub(crate) fn proving_policy(accounts: &[&str]) -> String {
    let mut policy = document(accounts);
    policy["spec"]["validation"] = json!({"launch": launch()});
    policy.to_string()
}

fn document(accounts: &[&str]) -> Value {
    let accounts: Vec<Value> = accounts.iter().map(|id| json!({"accountID": id})).collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "mode": "Enforce",
            "scanInterval": "1m",
            "audit": {},
            "guardrails": {
                "ebsEncryptionByDefault": "Ignore",
                "imageBlockPublicAccess": "Enforce",
                "snapshotBlockPublicAccess": "Ignore",
                "allowedImages": {"mode": "Ignore"},
            },
            "promotion": {"launchTemplates": "Update"},
            "defaults": {
                "roleName": ROLE,
                "externalID": "platform",
                "regions": [{"name": REGION, "kmsKeyID": KEY}],
            },
            "accounts": accounts,
        },
    })
}

/// The ConfigMap of somebody else, and what the chart grants with `promotionMap.enabled`.
pub(crate) fn around_maps() -> String {
    let metadata = json!({"name": "amiseal-maps", "namespace": NAMESPACE});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "amiseal-maps"},
        "subjects": [{"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE}],
    });
    let taken = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": TAKEN, "namespace": NAMESPACE},
        "data": {"of": "somebody"},
    });
    format!("{role}\n---\n{binding}\n---\n{taken}")
}
