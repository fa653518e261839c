//! Conditions of a statement, as far as it is known what a launch asks KMS with.

use serde_json::Value;

use super::policy::shortened;
use super::truth::Truth;
use super::{Principal, glob};
use crate::domain::KeyArn;

/// What is asked of KMS where somebody launches an image.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context<'a> {
    /// The key.
    pub(super) key: &'a KeyArn,
    /// Who asks.
    pub(super) principal: &'a Principal,
    /// What for, such as `kms:Decrypt`.
    pub(super) action: &'a str,
    /// Whether EC2 asks on their behalf, as it does for a launch, and not they themselves.
    pub(super) by_ec2: bool,
    /// Whether everybody of an account is asked about, so that it is not enough that somebody of it may.
    pub(super) everybody: bool,
}

/// A condition: an operator, a key and values.
#[derive(Debug)]
pub(super) struct Condition {
    operator: String,
    key: String,
    values: Vec<String>,
}

/// The value of a condition's key.
enum Given {
    Is(String),
    /// What is asked has none.
    None,
    Unknown,
}

/// The conditions of a statement; none where their form is not understood.
pub(super) fn parse(value: &Value) -> Option<Vec<Condition>> {
    let mut all = Vec::new();
    for (operator, keys) in value.as_object()? {
        for (key, values) in keys.as_object()? {
            let values = match values {
                Value::Array(several) => several.iter().map(text).collect::<Option<Vec<String>>>()?,
                one => vec![text(one)?],
            };
            all.push(Condition {
                operator: operator.clone(),
                key: key.clone(),
                values,
            });
        }
    }
    Some(all)
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is_so) => Some(is_so.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether all of them hold. One of which that is not known is named.
pub(super) fn hold(conditions: &[Condition], context: &Context<'_>) -> Truth {
    let each = conditions.iter().map(|condition| condition.holds(context));
    each.fold(Truth::Yes, Truth::and)
}

impl Context<'_> {
    fn given(&self, key: &str) -> Given {
        let account = |principal: &Principal| match principal.account() {
            Some(account) => Given::Is(account.to_string()),
            None => Given::Unknown,
        };
        match key.to_ascii_lowercase().as_str() {
            "kms:calleraccount" | "aws:principalaccount" => account(self.principal),
            "aws:principalarn" => match self.principal {
                Principal::Role { arn, .. } => Given::Is(arn.to_string()),
                Principal::Account(_) | Principal::Organization(_) => Given::Unknown,
            },
            "kms:viaservice" if !self.by_ec2 => Given::None,
            "kms:viaservice" => match self.key.region().partition().as_str() {
                "aws" | "aws-us-gov" => Given::Is(format!("ec2.{}.amazonaws.com", self.key.region())),
                _ => Given::Unknown,
            },
            "kms:grantisforawsresource" if self.action == super::CREATE_GRANT => Given::Is(self.by_ec2.to_string()),
            "kms:grantisforawsresource" => Given::None,
            "aws:securetransport" => Given::Is("true".to_owned()),
            "aws:principalisawsservice" => Given::Is("false".to_owned()),
            _ => Given::Unknown,
        }
    }
}

impl Condition {
    fn holds(&self, context: &Context<'_>) -> Truth {
        let unknown = || Truth::Perhaps(shortened(&self.key));
        let given = context.given(&self.key);
        if self.operator == "Null" {
            let wants_none = match self.values.as_slice() {
                [one] if one == "true" => true,
                [one] if one == "false" => false,
                _ => return unknown(),
            };
            return match given {
                Given::Is(_) => Truth::of(!wants_none),
                Given::None => Truth::of(wants_none),
                Given::Unknown => unknown(),
            };
        }
        let (operator, if_exists) = match self.operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (self.operator.as_str(), false),
        };
        let Some((is_like, negated)) = comparison(operator) else {
            return unknown();
        };
        match given {
            Given::Unknown => unknown(),
            Given::None => Truth::of(if_exists || negated),
            // A variable stands for something that is not known.
            Given::Is(_) if self.values.iter().any(|value| value.contains("${")) => unknown(),
            Given::Is(given) => Truth::of(self.values.iter().any(|value| is_like(value, &given)) != negated),
        }
    }
}

type Comparison = fn(&str, &str) -> bool;

/// How an operator compares a value with what is given, and whether it asks for the opposite.
fn comparison(operator: &str) -> Option<(Comparison, bool)> {
    let equal: Comparison = |value, given| value == given;
    let alike: Comparison = str::eq_ignore_ascii_case;
    Some(match operator {
        "StringEquals" => (equal, false),
        "StringNotEquals" => (equal, true),
        "StringEqualsIgnoreCase" => (alike, false),
        "StringNotEqualsIgnoreCase" => (alike, true),
        "StringLike" => (glob, false),
        "StringNotLike" => (glob, true),
        "ArnEquals" | "ArnLike" => (arn_like, false),
        "ArnNotEquals" | "ArnNotLike" => (arn_like, true),
        "Bool" => (alike, false),
        _ => return None,
    })
}

/// Whether an ARN is like a pattern, each of its parts by itself.
fn arn_like(pattern: &str, arn: &str) -> bool {
    let patterns: Vec<&str> = pattern.splitn(6, ':').collect();
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    patterns.len() == parts.len() && patterns.iter().zip(parts).all(|(pattern, part)| glob(pattern, part))
}
