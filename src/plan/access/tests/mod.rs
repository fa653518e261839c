mod allowed;
mod outlook;
mod policies;
mod properties;

use serde_json::{Value, json};

use super::*;
use crate::domain::{AwsError, ErrorClass, KeyGrant, Operation};
use crate::plan::testing::{account, key};

const OTHER: &str = "444455556666";
const ROLE: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling";
const FOREIGN: &str =
    "arn:aws:iam::444455556666:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling_blue";

fn other() -> AccountId {
    OTHER.parse().expect("an account")
}

fn own() -> Principal {
    Principal::Account(account())
}

fn theirs() -> Principal {
    Principal::Account(other())
}

fn role() -> Principal {
    Principal::Role {
        arn: ROLE.into(),
        account: account(),
    }
}

fn foreign_role() -> Principal {
    Principal::Role {
        arn: FOREIGN.into(),
        account: other(),
    }
}

fn root(account: &str) -> String {
    format!("arn:aws:iam::{account}:root")
}

/// A statement that a new key has.
fn enable_iam() -> Value {
    allow(&json!({"AWS": root("111122223333")}), &json!("kms:*"))
}

fn allow(principal: &Value, action: &Value) -> Value {
    json!({"Effect": "Allow", "Principal": principal, "Action": action, "Resource": "*"})
}

fn deny(principal: &Value, condition: Option<Value>) -> Value {
    let mut statement =
        json!({"Sid": "no", "Effect": "Deny", "Principal": principal, "Action": "kms:*", "Resource": "*"});
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    statement
}

fn with(mut statement: Value, element: &str, value: Value) -> Value {
    statement[element] = value;
    statement
}

fn access(statements: &[Value], grants: Vec<KeyGrant>) -> KeyAccess {
    let policy = json!({"Version": "2012-10-17", "Statement": statements});
    KeyAccess {
        policy: Ok(policy.to_string().into()),
        grants: Ok(grants),
    }
}

fn grant(grantee: &str, operations: &[&str]) -> KeyGrant {
    KeyGrant {
        grantee: grantee.into(),
        operations: operations.iter().map(|operation| (*operation).into()).collect(),
        constrained: false,
    }
}

fn whole_grant(grantee: &str) -> KeyGrant {
    let operations: Vec<&str> = NEEDED.iter().filter_map(|action| action.strip_prefix("kms:")).collect();
    grant(grantee, &operations)
}

fn judged(access: &KeyAccess, principal: &Principal) -> Access {
    let key = key(1);
    judge(facts(&key, access), principal)
}

fn facts<'a>(key: &'a KeyArn, access: &'a KeyAccess) -> KeyFacts<'a> {
    KeyFacts {
        arn: key,
        aws_managed: false,
        access: Some(access),
    }
}

/// The verdict in a letter.
fn letter(access: &Access) -> char {
    match access {
        Access::Allowed => 'A',
        Access::Denied(_) => 'D',
        Access::Delegated => 'I',
        Access::Unknown(_) | Access::Unread(_) => '?',
    }
}

/// What a policy says of whoever launches in the key's account and in another one, and of the role of Auto Scaling in both.
fn letters(access: &KeyAccess) -> String {
    let principals = [own(), role(), theirs(), foreign_role()];
    principals
        .iter()
        .map(|principal| letter(&judged(access, principal)))
        .collect()
}

fn denied(operation: Operation) -> AwsError {
    AwsError::new(operation, ErrorClass::Denied, None)
}
