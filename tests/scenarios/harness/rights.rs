//! What roles may do: the statements that `amiseal iam-policy` prints, and nothing beside them.

use amiseal::api::AMIEncryptionPolicy;
use amiseal::plan::rights::{Options, of};
use ec2sim::{Edit, WorldSpec};
use serde_json::{Value, json};

/// The regions of all scenarios.
const REGIONS: [&str; 9] = [
    "eu-central-1",
    "eu-north-1",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
];

/// The rights in an account of a policy that asks for everything: a scenario may change its policy as it likes. Copies that somebody else
/// has made are published on, too.
pub(crate) fn everything(account: &str) -> Vec<Value> {
    let regions = REGIONS.map(|name| json!({"name": name, "kmsKeyID": "alias/ami"}));
    let policy = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "production"},
        "spec": {
            "mode": "Enforce",
            "defaults": {"roleName": "amiseal", "regions": regions},
            "accounts": [{"accountID": account}],
            "audit": {"allowedSharing": []},
            "guardrails": {
                "ebsEncryptionByDefault": "Enforce",
                "imageBlockPublicAccess": "Enforce",
                "snapshotBlockPublicAccess": "Enforce",
                "allowedImages": {"mode": "Enforce", "criteria": [{"imageProviders": ["amazon"]}]},
            },
            "consumers": {"parameters": "All", "usageReports": "Create"},
            "validation": {
                "launch": {"instanceType": "t3.nano", "subnetID": "subnet-0a1b2c3d4e5f60718"},
                "inspector": {"maximumSeverity": "High", "scan": "OnDemand"},
            },
            "promotion": {
                "launchTemplates": "Update",
                "ssmParameters": "Update",
                "autoScalingGroups": "Refresh",
                "tags": "Publish",
                "seal": "amiseal-verified",
                "map": {"ssmPrefix": "/amiseal/images"},
            },
        },
    });
    let options = Options {
        copies_of_others: true,
        ..Options::default()
    };
    rights(&[policy], account, &options)
}

/// Just the rights of these policies in an account.
pub(crate) fn exactly(policies: &[Value], account: &str) -> Vec<Value> {
    rights(policies, account, &Options::default())
}

fn rights(policies: &[Value], account: &str, options: &Options) -> Vec<Value> {
    let policies: Vec<AMIEncryptionPolicy> = policies
        .iter()
        .map(|policy| serde_json::from_value(policy.clone()).expect("a policy"))
        .collect();
    let rights = of(&policies, options).of_account(account);
    let statements = rights.accounts.iter().flat_map(|account| account.statements());
    statements.map(|statement| json!(statement)).collect()
}

/// The world with roles that have just the rights of these policies.
pub(crate) fn with_rights_of(mut world: WorldSpec, policies: &[Value]) -> WorldSpec {
    for account in &mut world.accounts {
        let statements = exactly(policies, &account.id);
        for role in &mut account.roles {
            role.statements.clone_from(&statements);
        }
    }
    world
}

/// These statements without some actions.
pub(crate) fn without(statements: &[Value], actions: &[&str]) -> Vec<Value> {
    let left = statements.iter().filter_map(|statement| {
        let kept: Vec<&str> = match &statement["Action"] {
            Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let kept: Vec<&str> = kept.into_iter().filter(|action| !actions.contains(action)).collect();
        let mut left = statement.clone();
        left["Action"] = json!(kept);
        (!kept.is_empty()).then_some(left)
    });
    left.collect()
}

/// Takes actions away from the roles in an account; gives what they could do.
pub(crate) fn take_away(world: &mut WorldSpec, account: &str, actions: &[&str]) -> Vec<Value> {
    let roles = world.accounts.iter_mut().filter(|known| known.id == account);
    let mut before = Vec::new();
    for role in roles.flat_map(|account| &mut account.roles) {
        let left = without(&role.statements, actions);
        assert_ne!(left, role.statements, "{account} had none of {actions:?}");
        before = std::mem::replace(&mut role.statements, left);
    }
    before
}

/// Has the role in an account do what these statements say.
pub(crate) fn give(account: &str, statements: Vec<Value>) -> Edit {
    Edit::SetRoleStatements {
        account: account.to_owned(),
        role: "amiseal".to_owned(),
        statements,
    }
}
