//! What lets somebody use a key who may not: statements for the key's policy, or a grant.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Denial, KeyFacts, Principal, in_words, may_create_grants};
use crate::domain::KeyArn;

/// What AWS's examples let a role of its services do, and accounts that an image is shared with ("Required AWS KMS key policy for use with
/// encrypted volumes", "Share the KMS key used to encrypt a shared Amazon EBS snapshot").
const USE: [&str; 5] = [
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey*",
    "kms:ReEncrypt*",
];

/// The same as a grant names it.
const OPERATIONS: [&str; 8] = [
    "CreateGrant",
    "Decrypt",
    "DescribeKey",
    "Encrypt",
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "ReEncryptFrom",
    "ReEncryptTo",
];

/// What to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// Statements to add to the key's policy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<Value>,
    /// A command to run in the account of the role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// What else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

/// What fixes a denial.
pub(super) fn of(key: KeyFacts<'_>, principal: &Principal, denial: &Denial) -> Fix {
    let advice = |text: String| Fix {
        advice: Some(text),
        ..Fix::default()
    };
    if key.aws_managed {
        return advice("Encrypt the image under a customer managed key: nobody can share AWS's own.".to_owned());
    }
    if let Some(statement) = &denial.by {
        return advice(format!(
            "Except it from {statement} of the key's policy, which denies it."
        ));
    }
    match principal {
        Principal::Role { arn, account } if account == key.arn.account() => Fix {
            statements: statements(arn, true),
            ..Fix::default()
        },
        Principal::Role { arn, account } => {
            let statements = if may_create_grants(key, account) {
                Vec::new()
            } else {
                // Whoever creates the grant is no service of AWS.
                statements(&root(key.arn, account.as_str()), false)
            };
            Fix {
                statements,
                command: Some(create_grant(key.arn, arn)),
                advice: None,
            }
        }
        Principal::Account(account) => Fix {
            statements: statements(&root(key.arn, account.as_str()), true),
            ..Fix::default()
        },
        Principal::Organization(_) => Fix::default(),
    }
}

fn root(key: &KeyArn, account: &str) -> String {
    format!("arn:{}:iam::{account}:root", key.region().partition())
}

fn statements(principal: &str, for_aws_only: bool) -> Vec<Value> {
    let mut grants = json!({
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "kms:CreateGrant",
        "Resource": "*",
    });
    if for_aws_only {
        grants["Condition"] = json!({"Bool": {"kms:GrantIsForAWSResource": "true"}});
    }
    let using = json!({
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": USE,
        "Resource": "*",
    });
    vec![using, grants]
}

fn create_grant(key: &KeyArn, role: &str) -> String {
    format!(
        "aws kms create-grant --region {} --key-id {key} --grantee-principal {role} --operations {}",
        key.region(),
        OPERATIONS.join(" ")
    )
}

impl Fix {
    /// For a person, each with what goes between it and the one before: sentences, and each statement by itself. `account` is that of
    /// whom it is for.
    pub(super) fn pieces(&self, account: Option<&str>) -> Vec<String> {
        let statements = self.statements.iter().enumerate();
        let mut pieces: Vec<String> = statements
            .map(|(number, statement)| match number {
                0 => format!(" Add to the key's policy: {statement}"),
                _ => format!(",{statement}"),
            })
            .collect();
        if let Some(command) = &self.command {
            let then = if self.statements.is_empty() { "Run" } else { "Then run" };
            pieces.push(format!(
                " {then} in the account {}: {command}",
                account.unwrap_or_default()
            ));
        }
        pieces.extend(self.advice.as_ref().map(|advice| format!(" {advice}")));
        pieces
    }
}

/// What somebody may not do, in a sentence.
pub(super) fn message(key: &KeyArn, principal: &Principal, denial: &Denial) -> String {
    let missing = in_words(&denial.missing);
    let who = match principal {
        Principal::Account(account) => format!("The account {account}"),
        Principal::Role { .. } | Principal::Organization(_) => principal.to_string(),
    };
    match &denial.by {
        Some(statement) => format!("{who} may not use {key}: {statement} of its policy denies {missing}."),
        None => format!("{who} may not use {key}: neither its policy nor a grant allows {missing}."),
    }
}
