//! Whether somebody may use a key as launching an image that is encrypted under it takes, from the key's policy and grants, and what
//! fixes it where they may not.
//!
//! Nobody is said to be allowed where that is not known: a policy that is not understood, a condition that depends on more than is read
//! here, and an account's own IAM policies leave it open.

pub mod allowed;
mod condition;
mod fix;
pub mod foresee;
pub mod form;
pub mod key_reading;
mod policy;
pub mod shared_read;
#[cfg(test)]
mod tests;
mod truth;
pub mod who;

use std::fmt;

use wildmatch::WildMatch;

use crate::domain::{AccountId, KeyAccess, KeyArn, KeyGrant};
use crate::plan::problem;
use condition::Context;
pub use fix::Fix;
use policy::{Document, Permits};
use truth::Truth;

/// What a launch from an encrypted image takes ("Requirements for Amazon EBS encryption" in the user guide of Amazon EBS). AWS's examples
/// for roles of its services have `kms:Encrypt` and `kms:GenerateDataKey` besides.
pub const NEEDED: [&str; 6] = [
    CREATE_GRANT,
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];
const CREATE_GRANT: &str = "kms:CreateGrant";

/// Who uses a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// Whoever launches in an account: its people and roles.
    Account(AccountId),
    /// A role by which a service of AWS launches: nobody can give it a policy.
    Role {
        /// Its ARN.
        arn: Box<str>,
        /// Its account.
        account: AccountId,
    },
    /// The accounts of an organization or of an organizational unit, by its ARN.
    Organization(Box<str>),
}

impl Principal {
    /// The account, where it is one.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Account(account) | Self::Role { account, .. } => Some(account),
            Self::Organization(_) => None,
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Account(account) => write!(f, "account {account}"),
            Self::Role { arn, .. } | Self::Organization(arn) => f.write_str(arn),
        }
    }
}

/// What is known of a key.
#[derive(Debug, Clone, Copy)]
pub struct KeyFacts<'a> {
    /// Which key.
    pub arn: &'a KeyArn,
    /// Whether it is known that AWS manages it.
    pub aws_managed: bool,
    /// Who may use it; none where that was not read.
    pub access: Option<&'a KeyAccess>,
}

/// Whether somebody may use a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// They may.
    Allowed,
    /// They may not.
    Denied(Denial),
    /// The key's policy leaves it to the IAM policies of their account.
    Delegated,
    /// That is not known, for this, in a sentence: whatever is read, it stays so.
    Unknown(String),
    /// That is not known, as the key's policy or its grants could not be read, for this.
    Unread(String),
}

/// Why somebody may not use a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The actions that they may not do.
    pub missing: Vec<&'static str>,
    /// The statement that denies one of them, where it is not only that none allows it.
    pub by: Option<String>,
}

/// What a key's policy and grants say of one action.
#[derive(Clone)]
enum Outcome {
    Denied(String),
    NotAllowed,
    Perhaps(String),
    Unread(String),
    Delegated,
    Allowed,
}

/// Whether somebody may use a key for launching. Of an account: whether anybody of it may.
pub fn judge(key: KeyFacts<'_>, principal: &Principal) -> Access {
    judge_for(key, principal, false)
}

/// Whether everybody of an account may, as far as the key's policy goes: that it names some of them says nothing of the others.
pub fn judge_everybody(key: KeyFacts<'_>, principal: &Principal) -> Access {
    judge_for(key, principal, true)
}

fn judge_for(key: KeyFacts<'_>, principal: &Principal, everybody: bool) -> Access {
    if let Principal::Organization(arn) = principal {
        return Access::Unknown(format!("Which accounts are in {arn} is not read."));
    }
    if key.aws_managed {
        return of_managed(key.arn, principal);
    }
    let Some(access) = key.access else {
        return Access::Unknown(not_read(key.arn));
    };
    let rules = Rules::new(key.arn, access);
    let context = |action| Context {
        key: key.arn,
        principal,
        action,
        by_ec2: true,
        everybody,
    };
    let mut missing = Vec::new();
    let mut by = None;
    let (mut perhaps, mut unread, mut delegated) = (None, None, false);
    for action in NEEDED {
        match rules.outcome(&context(action)) {
            Outcome::Denied(statement) => {
                missing.push(action);
                by = by.or(Some(statement));
            }
            Outcome::NotAllowed => missing.push(action),
            Outcome::Perhaps(why) => perhaps = perhaps.or(Some(why)),
            Outcome::Unread(why) => unread = unread.or(Some(why)),
            Outcome::Delegated => delegated = true,
            Outcome::Allowed => {}
        }
    }
    match (unread, perhaps) {
        _ if !missing.is_empty() => Access::Denied(Denial { missing, by }),
        (Some(why), _) => Access::Unread(why),
        (None, Some(why)) => Access::Unknown(why),
        (None, None) if delegated => Access::Delegated,
        (None, None) => Access::Allowed,
    }
}

/// Whether grants have to be read: the policy alone does not let one of these use the key.
pub fn asks_for_grants<'p>(key: KeyFacts<'_>, principals: impl IntoIterator<Item = &'p Principal>) -> bool {
    let mut principals = principals.into_iter();
    principals.any(|principal| matches!(judge(key, principal), Access::Denied(Denial { by: None, .. })))
}

/// AWS's own key is for everybody in its account, and for nobody else ("Sharing encrypted snapshots").
fn of_managed(key: &KeyArn, principal: &Principal) -> Access {
    if principal.account() == Some(key.account()) {
        Access::Allowed
    } else {
        Access::Denied(Denial {
            missing: NEEDED.to_vec(),
            by: None,
        })
    }
}

fn not_read(key: &KeyArn) -> String {
    format!(
        "KMS shows the policy of {key} in the account {} only: see there.",
        key.account()
    )
}

/// A key's policy and grants, as far as they could be read and are understood.
struct Rules<'a> {
    policy: Result<Document, Outcome>,
    grants: Result<&'a [KeyGrant], String>,
}

impl<'a> Rules<'a> {
    fn new(key: &KeyArn, access: &'a KeyAccess) -> Self {
        let policy = match &access.policy {
            Ok(text) => Document::parse(text)
                .map_err(|what| Outcome::Perhaps(format!("The key's policy is not understood: {what}."))),
            Err(error) => Err(Outcome::Unread(problem::of_key_error(error, key.as_str()).message)),
        };
        Self {
            policy,
            grants: match &access.grants {
                Ok(grants) => Ok(grants.as_slice()),
                Err(error) => Err(problem::of_key_error(error, key.as_str()).message),
            },
        }
    }

    fn outcome(&self, context: &Context<'_>) -> Outcome {
        let policy = match &self.policy {
            Ok(policy) => policy,
            // It may deny what a grant allows.
            Err(why) => return why.clone(),
        };
        let denied = policy.denies(context);
        if let (Truth::Yes, statement) = denied {
            return Outcome::Denied(statement.unwrap_or("a statement").to_owned());
        }
        let permits = policy.permits(context).or(self.granted(context));
        let outcome = match permits {
            Permits::Directly => Outcome::Allowed,
            Permits::ToIam => Outcome::Delegated,
            Permits::Perhaps(why) => Outcome::Perhaps(sentence(&why)),
            Permits::Nothing => match &self.grants {
                Ok(_) => Outcome::NotAllowed,
                Err(why) => Outcome::Unread(why.clone()),
            },
        };
        match (denied.0, outcome) {
            (_, Outcome::NotAllowed) => Outcome::NotAllowed,
            (Truth::Perhaps(why), _) => Outcome::Perhaps(sentence(&why)),
            (_, outcome) => outcome,
        }
    }

    /// What grants allow.
    fn granted(&self, context: &Context<'_>) -> Permits {
        let operation = context.action.strip_prefix("kms:").unwrap_or(context.action);
        let grants = self.grants.as_deref().unwrap_or_default();
        let grants = grants.iter().filter(|grant| grant.operations.contains(operation));
        grants
            .map(|grant| match context.principal {
                Principal::Role { arn, .. } if *arn == grant.grantee && grant.constrained => {
                    Permits::Perhaps("a grant allows it for some volumes or sources".to_owned())
                }
                Principal::Role { arn, .. } if *arn == grant.grantee => Permits::Directly,
                // Somebody of the account, who may be whoever launches.
                Principal::Account(account)
                    if !context.everybody && grant.grantee.split(':').nth(4) == Some(account.as_str()) =>
                {
                    Permits::ToIam
                }
                _ => Permits::Nothing,
            })
            .fold(Permits::Nothing, Permits::or)
    }
}

/// Whether an account may create grants of a key for somebody else, as far as the policy says.
fn may_create_grants(key: KeyFacts<'_>, account: &AccountId) -> bool {
    let Some(access) = key.access else { return false };
    let principal = Principal::Account(account.clone());
    let outcome = Rules::new(key.arn, access).outcome(&Context {
        key: key.arn,
        principal: &principal,
        action: CREATE_GRANT,
        by_ec2: false,
        everybody: false,
    });
    matches!(outcome, Outcome::Allowed | Outcome::Delegated)
}

/// The actions, for a sentence.
fn in_words(actions: &[&str]) -> String {
    actions.join(", ")
}

fn sentence(why: &str) -> String {
    let mut signs = why.chars();
    match signs.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), signs.as_str()),
        None => String::new(),
    }
}

/// Whether a text is like a pattern with the wildcards of IAM.
fn glob(pattern: &str, text: &str) -> bool {
    WildMatch::new(pattern).matches(text)
}
