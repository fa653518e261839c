//! What is known of each guardrail in every account and region.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::Serialize;

use super::{Filter, asked};
use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, GuardrailManager, GuardrailMode, GuardrailName, GuardrailStatus,
    conditions,
};
use crate::domain::Guardrail;

/// What stands for a state that was not read. It is no state of AWS's.
pub const UNKNOWN: &str = "unknown";

/// What is known of one guardrail in one account and region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The policy.
    pub policy: String,
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// Which guardrail, as statuses name it.
    pub guardrail: &'static str,
    /// What the policy asks of it: `Enforce`, `Audit` or `Ignore`. Absent where it has no guardrails at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<&'static str>,
    /// As AWS names it, or [`UNKNOWN`].
    pub state: String,
    /// Whether it holds. None while that is not known.
    pub holds: Option<bool>,
    /// Who manages it, or [`UNKNOWN`]. Absent where AWS does not say it of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<&'static str>,
    /// The default key.
    #[serde(rename = "keyARN", skip_serializing_if = "Option::is_none")]
    pub key_arn: Option<String>,
    /// Since when AWS is asked to set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// How often it was found undone after it held.
    pub drifts: u32,
    /// What fixes it, what is going on, and how far it can be relied on.
    pub notes: Vec<String>,
}

/// The rows of the targets that are meant: all guardrails of each, by account, region and policy. What was not read is unknown.
pub fn rows(targets: &[AMIEncryptionTarget], filter: &Filter) -> Vec<Row> {
    let is_meant = |target: &&AMIEncryptionTarget| {
        let spec = &target.spec;
        filter.takes(&spec.policy, &spec.account_id, &spec.region)
    };
    let mut meant: Vec<&AMIEncryptionTarget> = targets.iter().filter(is_meant).collect();
    meant.sort_by(|one, other| place(one).cmp(&place(other)));
    let mut policies: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for target in meant.iter().copied() {
        let (account, region, policy) = place(target);
        policies.entry((account, region)).or_default().insert(policy);
    }
    let mut rows = Vec::new();
    for target in meant {
        let (account, region, policy) = place(target);
        let is_shared = policies.get(&(account, region)).is_some_and(|all| all.len() > 1);
        for guardrail in Guardrail::ALL {
            let mut row = row(target, guardrail);
            if is_shared {
                row.notes.insert(0, format!("by the policy {policy}"));
            }
            rows.push(row);
        }
    }
    rows
}

fn place(target: &AMIEncryptionTarget) -> (&str, &str, &str) {
    let spec = &target.spec;
    (&spec.account_id, &spec.region, &spec.policy)
}

fn row(target: &AMIEncryptionTarget, guardrail: Guardrail) -> Row {
    let (spec, status) = (&target.spec, target.status.as_ref());
    let mode = asked::mode(spec, guardrail);
    let is_read = matches!(mode, Some(GuardrailMode::Enforce | GuardrailMode::Audit));
    // What a policy asks no more about may be on record still: nobody looks whether it is so.
    let found = status
        .filter(|_| is_read)
        .and_then(|status| on_record(status, guardrail));
    let known = found.filter(|found| state(found).is_some());
    Row {
        policy: spec.policy.clone(),
        account_id: spec.account_id.clone(),
        region: spec.region.clone(),
        guardrail: asked::name(guardrail),
        mode: mode.map(asked::mode_name),
        state: known.and_then(state).unwrap_or(UNKNOWN).to_owned(),
        holds: known.and_then(|known| known.holds),
        managed_by: managed_by(guardrail, known),
        key_arn: known.and_then(|known| known.key_arn.clone()),
        requested_at: found.and_then(|found| found.requested_at.clone()),
        drifts: found.map_or(0, |found| found.drifts),
        notes: notes(target, mode, found),
    }
}

fn on_record(status: &AMIEncryptionTargetStatus, guardrail: Guardrail) -> Option<&GuardrailStatus> {
    let name = GuardrailName::from(guardrail);
    status.guardrails.iter().find(|found| found.name == name)
}

fn state(found: &GuardrailStatus) -> Option<&str> {
    found.state.as_deref().filter(|state| !state.is_empty())
}

/// AWS says nothing of it for encryption by default, which no declarative policy can hold.
fn managed_by(guardrail: Guardrail, known: Option<&GuardrailStatus>) -> Option<&'static str> {
    if guardrail == Guardrail::EncryptionByDefault {
        return None;
    }
    Some(match known.and_then(|known| known.managed_by) {
        Some(GuardrailManager::Account) => "Account",
        Some(GuardrailManager::DeclarativePolicy) => "DeclarativePolicy",
        None => UNKNOWN,
    })
}

fn notes(target: &AMIEncryptionTarget, mode: Option<GuardrailMode>, found: Option<&GuardrailStatus>) -> Vec<String> {
    match mode {
        None => return vec!["the policy has no spec.guardrails, so it is not read".to_owned()],
        Some(GuardrailMode::Ignore) => return vec!["the policy says Ignore, so it is not read".to_owned()],
        Some(GuardrailMode::Enforce | GuardrailMode::Audit) => {}
    }
    let mut notes = Vec::new();
    let message = found.and_then(|found| found.message.as_deref());
    match (found.and_then(state), message) {
        (_, Some(message)) => notes.push(message.trim_end_matches('.').to_owned()),
        (None, None) => notes.push("not read yet".to_owned()),
        (Some(_), None) => {}
    }
    if let Some(found) = found {
        match found.drifts {
            0 => {}
            1 => notes.push("was undone once".to_owned()),
            times => notes.push(format!("was undone {times} times")),
        }
    }
    notes.extend(doubts(target, found));
    notes
}

/// Why what is on record may be no longer so.
fn doubts(target: &AMIEncryptionTarget, found: Option<&GuardrailStatus>) -> Vec<String> {
    let Some(status) = target.status.as_ref().filter(|_| found.and_then(state).is_some()) else {
        return Vec::new();
    };
    let mut doubts = Vec::new();
    let reachable = conditions::find(&status.conditions, conditions::REACHABLE);
    if target.spec.suspend {
        doubts.push("as last read: the policy is suspended".to_owned());
    } else if let Some(reachable) = reachable.filter(|reachable| reachable.status != "True") {
        doubts.push(format!("as last read: {}", reachable.reason));
    }
    if target.metadata.generation.is_some() && status.observed_generation != target.metadata.generation {
        doubts.push("the controller has not seen the last change of the target yet".to_owned());
    }
    doubts
}
