//! Rights as a template of CloudFormation for all accounts that take the same, as a StackSet deploys it.

use serde_json::{Map, Value, json};

use super::document::{Explanation, line, names};
use super::statement::Policy;
use super::{AccountRights, Options, Rights, trust};

/// What marks a text that CloudFormation fills in.
const FILLED_IN: &str = "${AWS::";

/// The template, or a sentence that says why the accounts take no common one. `options` are those that `rights` were made by, with
/// [`is_template`](Options::is_template).
pub fn template(rights: &Rights, options: &Options, explains: bool) -> Result<String, String> {
    let account = common(rights)?;
    let Some(role) = &account.role else {
        return Err(format!(
            "the account {} has no role in the policy, so that there is none to make: give it a roleName, or print --as json",
            account.account_id
        ));
    };
    let policies = account.policies();
    let logical: Vec<String> = (1..=policies.len()).map(|number| format!("Rights{number}")).collect();
    let names = names(account.name(), policies.len());
    let mut resources = Map::new();
    for ((id, name), policy) in logical.iter().zip(&names).zip(&policies) {
        resources.insert(id.clone(), managed(name, policy));
    }
    let attached: Vec<Value> = logical.iter().map(|id| json!({"Ref": id})).collect();
    resources.insert("Role".to_owned(), made(role, account, &attached));
    let mut template = json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "The role by which amiseal works in an account, as its policies ask for",
        "Parameters": parameters(account, options),
        "Resources": resources,
        "Outputs": {"RoleARN": {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}},
    });
    if explains {
        let explained: Vec<Explanation> = account.rights.iter().map(Explanation::of).collect();
        template["Metadata"] = json!({"Explained": explained});
    }
    line(&template)
}

/// What all accounts take.
fn common(rights: &Rights) -> Result<&AccountRights, String> {
    let Some((first, others)) = rights.accounts.split_first() else {
        return Err("there is nothing to print".to_owned());
    };
    let differs = |other: &&AccountRights| {
        let same_role = path_and_name(first.role.as_deref()) == path_and_name(other.role.as_deref());
        !same_role || other.rights != first.rights || other.external_ids != first.external_ids
    };
    match others.iter().find(differs) {
        None => Ok(first),
        Some(other) => Err(format!(
            "the accounts {} and {} differ in their role, external ID, regions, keys or settings: choose one account with --account",
            first.account_id, other.account_id
        )),
    }
}

/// The path and the name of a role, as in `/` and `amiseal`.
pub(super) fn path_and_name(role: Option<&str>) -> Option<(String, String)> {
    // arn:aws:iam::111122223333:role/path/name
    let (_, resource) = role?.split_once(":role/")?;
    Some(match resource.rsplit_once('/') {
        Some((path, name)) => (format!("/{path}/"), name.to_owned()),
        None => ("/".to_owned(), resource.to_owned()),
    })
}

fn parameters(account: &AccountRights, options: &Options) -> Value {
    let controller = trust::controller(options, account.partition);
    let principals: Vec<String> = [controller]
        .into_iter()
        .chain(options.trusted.iter().cloned())
        .collect();
    let (_, name) = path_and_name(account.role.as_deref()).unwrap_or_default();
    json!({
        "RoleName": {"Type": "String", "Default": name, "Description": "The name of the role"},
        "TrustedPrincipals": {
            "Type": "CommaDelimitedList",
            "Default": principals.join(","),
            "Description": "The ARNs of the controller's role, and of others who may assume the role",
        },
    })
}

fn managed(name: &str, policy: &Policy) -> Value {
    json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": {"Description": format!("Rights of amiseal: {name}"), "PolicyDocument": filled_in(json!(policy))},
    })
}

fn made(role: &str, account: &AccountRights, attached: &[Value]) -> Value {
    let (path, _) = path_and_name(Some(role)).unwrap_or_default();
    let mut trust = json!(account.trust);
    let statements = trust.pointer_mut("/Statement").and_then(Value::as_array_mut);
    for statement in statements.into_iter().flatten() {
        statement["Principal"]["AWS"] = json!({"Ref": "TrustedPrincipals"});
    }
    json!({
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": {"Ref": "RoleName"},
            "Path": path,
            "AssumeRolePolicyDocument": trust,
            "ManagedPolicyArns": attached,
        },
    })
}

/// With partition and account as CloudFormation fills them in. Keys of conditions have none of it.
fn filled_in(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains(FILLED_IN) => json!({"Fn::Sub": text}),
        Value::Array(values) => values.into_iter().map(filled_in).collect(),
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, filled_in(value)))
            .collect(),
        other => other,
    }
}
