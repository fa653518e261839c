//! Policies that together take every statement, and what each of them takes.

use amiseal::cli::policy_file::policies;
use amiseal::plan::rights::{Options, of};
use serde_json::{Value, json};

use super::stage::{ACCOUNT, FAR, REGION};

/// The statements of one policy.
pub(crate) struct Document {
    /// What the policy asks for.
    pub(crate) name: &'static str,
    pub(crate) statements: Vec<Value>,
}

/// What each policy asks for, beside copies.
const POLICIES: [(&str, &str); 7] = [
    (
        "copying",
        "consumers: {read: false}, promotion: {seal: amiseal-verified, tags: Publish}",
    ),
    ("looking", "consumers: {parameters: All, usageReports: Create}"),
    ("auditing", "consumers: {read: false}, audit: {}"),
    (
        "proving",
        "consumers: {read: false}, validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}, \
         inspector: {maximumSeverity: High, scan: OnDemand}}",
    ),
    (
        "moving",
        "promotion: {launchTemplates: Update, ssmParameters: Update, autoScalingGroups: Refresh}",
    ),
    (
        "map",
        "consumers: {read: false}, promotion: {map: {ssmPrefix: /amiseal/images}}",
    ),
    (
        "guardrails",
        "consumers: {read: false}, guardrails: {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce, \
         snapshotBlockPublicAccess: Enforce, allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon]}]}}",
    ),
];

/// All of these, one that publishes on copies of others, one of all regions, and one of all but one.
pub(crate) fn all() -> Vec<Document> {
    let own = POLICIES.map(|(name, asked)| Document {
        name,
        statements: statements(asked, &options()),
    });
    let of_others = Options {
        copies_of_others: true,
        ..options()
    };
    let others = Document {
        name: "copies of others",
        statements: statements(
            "consumers: {read: false}, promotion: {seal: amiseal-verified, tags: Publish}, \
             validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}}",
            &of_others,
        ),
    };
    let everywhere = Document {
        name: "all regions",
        statements: in_regions(
            &format!("regions: [{{name: {REGION}, kmsKeyID: alias/ami}}], allRegions: {{kmsKeyID: alias/ami}}"),
            "consumers: {read: false}",
            &options(),
        ),
    };
    let mut but_one = in_regions(
        &format!("allRegions: {{kmsKeyID: alias/ami, exclude: [{FAR}]}}"),
        "consumers: {read: false}",
        &options(),
    );
    // What is on images or keys finds none of them in another region, whatever the condition says.
    but_one.retain(|statement| statement["Resource"] == "*");
    let but_one = Document {
        name: "all regions but one",
        statements: but_one,
    };
    own.into_iter().chain([others, everywhere, but_one]).collect()
}

/// The statements of one policy that asks for all of it.
pub(crate) fn everything() -> Vec<Value> {
    statements(
        "audit: {}, consumers: {parameters: All, usageReports: Create}, \
         guardrails: {ebsEncryptionByDefault: Enforce, imageBlockPublicAccess: Enforce, snapshotBlockPublicAccess: Enforce, \
         allowedImages: {mode: Enforce, criteria: [{imageProviders: [amazon]}]}}, \
         validation: {launch: {instanceType: t3.nano, subnetID: subnet-0a1b2c3d4e5f60718}, \
         inspector: {maximumSeverity: High, scan: OnDemand}}, \
         promotion: {seal: amiseal-verified, tags: Publish, launchTemplates: Update, ssmParameters: Update, \
         autoScalingGroups: Refresh, map: {ssmPrefix: /amiseal/images}}",
        &options(),
    )
}

/// With the launch template and the role of the world's group.
fn options() -> Options {
    Options {
        launch_templates: vec!["lt-0000000a".to_owned()],
        instance_roles: vec![format!("arn:aws:iam::{ACCOUNT}:role/web")],
        ..Options::default()
    }
}

fn statements(asked: &str, options: &Options) -> Vec<Value> {
    let regions = format!("regions: [{{name: {REGION}, kmsKeyID: alias/ami}}]");
    in_regions(&regions, asked, options)
}

fn in_regions(regions: &str, asked: &str, options: &Options) -> Vec<Value> {
    let policy = format!(
        "{{apiVersion: amiseal.dev/v1alpha1, kind: AMIEncryptionPolicy, metadata: {{name: production}}, spec: {{mode: Enforce, \
         defaults: {{roleName: amiseal}}, \
         accounts: [{{accountID: '{ACCOUNT}', {regions}}}], {asked}}}}}"
    );
    let policies = policies(&policy).unwrap_or_else(|wrong| panic!("{wrong:?}: {policy}"));
    let rights = of(&policies, options).of_account(ACCOUNT);
    let statements = rights.accounts.iter().flat_map(|account| account.statements());
    statements.map(|statement| json!(statement)).collect()
}

/// The name of a statement.
pub(crate) fn sid(statement: &Value) -> &str {
    statement["Sid"].as_str().expect("a name")
}

/// The actions of a statement.
pub(crate) fn actions(statement: &Value) -> Vec<&str> {
    match &statement["Action"] {
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

/// Operators and keys of a statement's conditions.
pub(crate) fn keys(statement: &Value) -> Vec<(&str, &str)> {
    let operators = statement["Condition"].as_object().into_iter().flatten();
    let of_operator = operators.filter_map(|(operator, keys)| Some((operator, keys.as_object()?)));
    of_operator
        .flat_map(|(operator, keys)| keys.keys().map(move |key| (operator.as_str(), key.as_str())))
        .collect()
}

/// These statements without an action in the one of this name.
pub(crate) fn without_action(statements: &[Value], name: &str, action: &str) -> Vec<Value> {
    let left = statements.iter().filter_map(|statement| {
        if sid(statement) != name {
            return Some(statement.clone());
        }
        let kept: Vec<&str> = actions(statement)
            .into_iter()
            .filter(|known| *known != action)
            .collect();
        let mut left = statement.clone();
        left["Action"] = json!(kept);
        (!kept.is_empty()).then_some(left)
    });
    left.collect()
}

/// These statements without those of these names.
pub(crate) fn without_statements(statements: &[Value], names: &[&str]) -> Vec<Value> {
    let left = statements.iter().filter(|statement| !names.contains(&sid(statement)));
    left.cloned().collect()
}

/// These statements without a condition on this key in the one of this name.
pub(crate) fn without_condition(statements: &[Value], name: &str, key: &str) -> Vec<Value> {
    let mut left = statements.to_vec();
    for statement in left.iter_mut().filter(|statement| sid(statement) == name) {
        let operators = statement["Condition"].as_object_mut().expect("conditions");
        for keys in operators.values_mut() {
            keys.as_object_mut().expect("keys").remove(key);
        }
    }
    left
}
