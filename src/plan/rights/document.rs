//! Rights as JSON: what to attach to what.

use serde::Serialize;

use super::fold::pretty;
use super::statement::{Policy, Statement};
use super::{AccountRights, ControllerRights, Grant, KeyRights, Right, Rights};

/// The version of the form: it grows when a field changes its meaning.
const VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    controller: Option<Controller>,
    accounts: Vec<Account>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Controller {
    #[serde(rename = "roleARN")]
    role_arn: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_policy: Option<Policy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions_policies: Vec<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explained: Vec<Explanation>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Account {
    #[serde(rename = "accountID")]
    account_id: String,
    #[serde(rename = "roleARN", skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_policy: Option<Policy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    permissions_policies: Vec<Named>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<Key>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explained: Vec<Explanation>,
}

/// A managed policy. AWS counts its characters without white space.
#[derive(Serialize)]
struct Named {
    name: String,
    characters: usize,
    policy: Policy,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    region: String,
    #[serde(rename = "kmsKeyID")]
    kms_key_id: String,
    statements: Vec<Statement>,
}

/// What a statement is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Its name.
    pub sid: String,
    /// The calls that need it.
    pub calls: Vec<&'static str>,
    /// What it is for.
    pub purpose: &'static str,
    /// What fails without it.
    pub without: &'static str,
    /// Why it is no narrower, where it is of more than what is meant.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub width: &'static str,
}

impl Explanation {
    /// What this one is for. Rights that AWS asks for besides belong to the call that it makes on the role's behalf.
    pub fn of(right: &Right) -> Self {
        Self::new(right.grant, &right.statement)
    }

    fn new(grant: Grant, statement: &Statement) -> Self {
        let own = super::operations::operations(grant).map(|operation| operation.action());
        let mut calls: Vec<&'static str> = own.filter(|action| statement.action.has(action)).collect();
        if calls.is_empty() {
            calls.extend(on_behalf(grant));
        }
        Self {
            sid: statement.sid.clone(),
            calls,
            purpose: grant.purpose(),
            without: grant.without(),
            width: grant.width(),
        }
    }
}

/// The calls for which AWS asks for what is no operation of amiseal's.
fn on_behalf(grant: Grant) -> &'static [&'static str] {
    match grant {
        Grant::ReadRecipes => &["ec2:DescribeImageReferences"],
        Grant::UseTheKey | Grant::LendTheKeyToEC2 => &["ec2:CopyImage", "ec2:RunInstances"],
        Grant::ReadUnderOtherKeys | Grant::LendOtherKeysToEC2 => &["ec2:CopyImage"],
        Grant::PassInstanceRoles => &["autoscaling:UpdateAutoScalingGroup", "autoscaling:StartInstanceRefresh"],
        _ => &[],
    }
}

/// All of it, with what each statement is for where that is asked for; an error of the program that writes JSON.
pub fn document(rights: &Rights, explains: bool) -> Result<String, String> {
    let controller = &rights.controller;
    line(&Document {
        version: VERSION,
        controller: (!controller.is_empty()).then(|| of_controller(controller, explains)),
        accounts: rights
            .accounts
            .iter()
            .map(|account| of_account(account, explains))
            .collect(),
    })
}

fn of_controller(controller: &ControllerRights, explains: bool) -> Controller {
    let statements = controller.statements.iter().filter(|_| explains);
    let name = controller.role.rsplit('/').next().unwrap_or_default();
    Controller {
        role_arn: controller.role.clone(),
        trust_policy: controller.trust.clone(),
        permissions_policies: named(name, controller.policies()),
        explained: statements
            .map(|statement| Explanation::new(of_its_own(statement), statement))
            .collect(),
    }
}

/// Which statement of the controller's own rights this is.
fn of_its_own(statement: &Statement) -> Grant {
    let own = [Grant::ReadEvents, Grant::ListAccounts];
    let named = own.into_iter().find(|grant| grant.sid() == statement.sid);
    named.unwrap_or(Grant::AssumeRoles)
}

fn of_account(account: &AccountRights, explains: bool) -> Account {
    let rights = account.rights.iter().filter(|_| explains);
    Account {
        account_id: account.account_id.clone(),
        role_arn: account.role.clone(),
        trust_policy: account.trust.clone(),
        permissions_policies: named(account.name(), account.policies()),
        keys: account
            .keys
            .iter()
            .filter(|key| !key.statements.is_empty())
            .map(of_key)
            .collect(),
        explained: rights.map(Explanation::of).collect(),
    }
}

fn of_key(key: &KeyRights) -> Key {
    Key {
        region: key.region.clone(),
        kms_key_id: key.key.clone(),
        statements: key.statements.clone(),
    }
}

fn named(name: &str, policies: Vec<Policy>) -> Vec<Named> {
    let names = names(name, policies.len());
    let named = names.into_iter().zip(policies);
    named
        .map(|(name, policy)| Named {
            name,
            characters: policy.characters(),
            policy,
        })
        .collect()
}

/// What so many managed policies are called.
pub(super) fn names(name: &str, count: usize) -> Vec<String> {
    match count {
        1 => vec![name.to_owned()],
        _ => (1..=count).map(|number| format!("{name}-{number}")).collect(),
    }
}

/// One of the parts, by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the role has to be allowed.
    Permissions,
    /// Whom it has to trust.
    Trust,
    /// What its key's policy has to say.
    Key,
    /// What the controller's own role has to be allowed.
    Controller,
}

/// So many characters the policies have at most that are part of a role, and not managed policies ("IAM and AWS STS quotas").
const INLINE: usize = 10_240;

/// One part by itself, or a sentence that says why there is not just one.
pub fn part(rights: &Rights, part: Part) -> Result<String, String> {
    match part {
        Part::Controller => inline(rights.controller.statements.clone()),
        Part::Permissions => inline(one_account(rights)?.statements()),
        Part::Trust => {
            let account = one_account(rights)?;
            only(account.trust.iter().cloned().collect(), "trust policies of the role")
        }
        Part::Key => {
            let account = one_account(rights)?;
            let with_statements = account.keys.iter().filter(|key| !key.statements.is_empty());
            let policies = with_statements.map(|key| Policy::of(key.statements.clone()));
            only(policies.collect(), "keys")
        }
    }
}

/// All statements in one policy, as it can be part of a role.
fn inline(statements: Vec<Statement>) -> Result<String, String> {
    if statements.is_empty() {
        return Err("there are no rights to print".to_owned());
    }
    let policy = Policy::of(statements);
    match policy.characters() {
        count if count > INLINE => Err(format!(
            "the rights take {count} characters, and AWS takes no more than {INLINE} in one policy: leave --only out"
        )),
        _ => line(&policy),
    }
}

fn one_account(rights: &Rights) -> Result<&AccountRights, String> {
    match rights.accounts.as_slice() {
        [one] => Ok(one),
        [] => Err("there is nothing to print".to_owned()),
        several => Err(format!(
            "the policies have {} roles in different accounts or by different names: choose one account with --account, or leave \
             --only out",
            several.len()
        )),
    }
}

fn only(policies: Vec<Policy>, what: &str) -> Result<String, String> {
    match <[Policy; 1]>::try_from(policies) {
        Ok([policy]) => line(&policy),
        Err(policies) if policies.is_empty() => Err(format!("there are no {what} to print")),
        Err(policies) => Err(format!("there are {} {what}: leave --only out", policies.len())),
    }
}

/// A value as JSON, with the end of its last line.
pub(super) fn line(value: &impl Serialize) -> Result<String, String> {
    Ok(pretty(value)? + "\n")
}
