//! What a policy says of the accounts that AWS Organizations lists.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::AccountWatch;
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, AccountCounts};
use crate::domain::{AccountId, AwsError};
use crate::plan::problem;

/// `readTime` alone is written so often.
const READ_TIME_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Says in a policy's status what is known of its accounts; `total` of them it has in all. `current` is what is on record. Where the
/// policy lists all of its accounts itself there is nothing to say, and no watch.
pub fn status(
    status: &mut AMIEncryptionPolicyStatus,
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
    watch: Option<&AccountWatch>,
    total: usize,
    now: Timestamp,
) {
    let mut conditions = std::mem::take(&mut status.conditions);
    let mut write = Writer {
        conditions: &mut conditions,
        generation: status.observed_generation,
        now,
    };
    if let Some(watch) = watch {
        status.accounts = counts(current, spec, watch, total);
        condition(&mut write, spec, watch);
        if !spec.suspend && status.accounts.is_none() {
            let message = "Not known before AWS Organizations was read: see AccountsKnown.";
            not_known(&mut write, &current.conditions, message);
            not_ready(&mut write, spec, watch);
        }
    } else {
        status.accounts = None;
        write.remove(conditions::ACCOUNTS_KNOWN);
    }
    status.conditions = conditions;
}

/// The numbers. What an earlier process has counted stays until this one has read, unless the spec has changed since: what was listed
/// for another question is no answer to this one.
fn counts(
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
    watch: &AccountWatch,
    total: usize,
) -> Option<AccountCounts> {
    let Some(read) = &watch.read else {
        let said = conditions::find(&current.conditions, conditions::ACCOUNTS_KNOWN);
        let is_of_this_spec = said.is_some_and(|said| said.observed_generation == watch.generation);
        return current.accounts.clone().filter(|_| is_of_this_spec);
    };
    let from = spec.accounts_from.as_ref()?;
    let kept = watch.accounts(from).len();
    let counts = AccountCounts {
        total: small(total),
        excluded: small(watch.known.len().saturating_sub(kept)),
        suspended: small(read.others.len()),
        read_time: Some(Time(read.at)),
    };
    // A read that found nothing new is on record once in a while.
    let same = current.accounts.as_ref().filter(|on_record| {
        let recent = |time: &Time| read.at.duration_since(time.0) < READ_TIME_AFTER;
        let counted = AccountCounts {
            read_time: on_record.read_time.clone(),
            ..counts.clone()
        };
        counted == **on_record && on_record.read_time.as_ref().is_some_and(recent)
    });
    Some(same.cloned().unwrap_or(counts))
}

fn condition(write: &mut Writer<'_>, spec: &AMIEncryptionPolicySpec, watch: &AccountWatch) {
    const TYPE: &str = conditions::ACCOUNTS_KNOWN;
    if spec.suspend {
        let message = "amiseal does not read AWS Organizations while the policy is suspended.";
        write.set(TYPE, Status::Unknown, reason::SUSPENDED, message);
    } else if let Some((why, message)) = problem_of(spec, watch) {
        write.set(TYPE, Status::False, why, &message);
    } else if watch.read.is_some() {
        let message = match leaving(spec, watch) {
            0 => "AWS Organizations was read.".to_owned(),
            leaving => format!(
                "AWS Organizations was read. It does not list {leaving} of the policy's accounts as ACTIVE: their targets stay until \
                 further reads have shown the same."
            ),
        };
        write.set(TYPE, Status::True, reason::READ, &message);
    } else if !write.has(TYPE) || is_outdated(write, watch) {
        // What an earlier process has said stays until this one has read.
        let message = "AWS Organizations was not read yet for what spec.accountsFrom names.";
        write.set(TYPE, Status::False, reason::NOT_READ_YET, message);
    }
}

/// Whether what is on record was said before the spec changed.
fn is_outdated(write: &Writer<'_>, watch: &AccountWatch) -> bool {
    let said = conditions::find(write.conditions, conditions::ACCOUNTS_KNOWN);
    said.is_none_or(|said| said.observed_generation != watch.generation)
}

/// What no target says is no word of targets that nobody knows of. Each condition begins from what is on record: its time is that of a
/// change there.
pub(in crate::plan) fn not_known(write: &mut Writer<'_>, on_record: &[Condition], message: &str) {
    let of_targets = [
        conditions::TARGETS_REACHABLE,
        conditions::KEYS_USABLE,
        conditions::COMPLIANT,
    ];
    let holds = of_targets.map(|type_| conditions::is_true(write.conditions, type_));
    let of_policy = [conditions::READY, conditions::RECONCILING, conditions::STALLED];
    for condition in &mut *write.conditions {
        let type_ = condition.type_.as_str();
        let is_rewritten =
            of_policy.contains(&type_) || of_targets.iter().zip(holds).any(|(one, holds)| holds && *one == type_);
        if let Some(recorded) = conditions::find(on_record, type_).filter(|_| is_rewritten) {
            *condition = recorded.clone();
        }
    }
    for (type_, _) in of_targets.into_iter().zip(holds).filter(|(_, holds)| *holds) {
        write.set(type_, Status::Unknown, reason::NOT_READ_YET, message);
    }
}

/// Says that a policy waits for a read, which needs a person where there is a problem.
pub(in crate::plan) fn waits(write: &mut Writer<'_>, problem: Option<(&str, &str)>, waits: &str) {
    match problem {
        Some((why, message)) => {
            write.set(conditions::READY, Status::False, why, message);
            write.set(conditions::RECONCILING, Status::False, why, "");
            write.set(conditions::STALLED, Status::True, why, message);
        }
        None => {
            write.set(conditions::READY, Status::False, reason::NOT_READ_YET, waits);
            write.set(conditions::RECONCILING, Status::True, reason::NOT_READ_YET, waits);
            write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        }
    }
}

/// Before anything was read there is no telling what is to be done.
fn not_ready(write: &mut Writer<'_>, spec: &AMIEncryptionPolicySpec, watch: &AccountWatch) {
    let needs_a_person = watch.failure.as_ref().is_some_and(problem::needs_a_person);
    let problem = problem_of(spec, watch).filter(|_| needs_a_person);
    let problem = problem.as_ref().map(|(why, message)| (*why, message.as_str()));
    let message = "Waits until AWS Organizations was read: see AccountsKnown.";
    waits(write, problem, message);
}

/// How many accounts that the policy has from there alone are not listed any more and have not left yet.
pub fn leaving(spec: &AMIEncryptionPolicySpec, watch: &AccountWatch) -> usize {
    only_from_there(spec, watch.leaving())
}

/// How many of these accounts the policy has from AWS Organizations alone: those that it lists itself stay, and those that it leaves out
/// are none of its own.
pub fn only_from_there<'a>(spec: &AMIEncryptionPolicySpec, accounts: impl Iterator<Item = &'a AccountId>) -> usize {
    let own = spec.accounts.iter().map(|account| account.account_id.as_str());
    let left_out = spec.accounts_from.iter().flat_map(|from| &from.exclude);
    let others: HashSet<&str> = own.chain(left_out.map(String::as_str)).collect();
    accounts.filter(|account| !others.contains(account.as_str())).count()
}

/// Why AWS Organizations cannot be read, where people have to know, and what follows from that.
fn problem_of(spec: &AMIEncryptionPolicySpec, watch: &AccountWatch) -> Option<(&'static str, String)> {
    let problem = watch.retry.problem()?;
    let message = match &watch.failure {
        Some(error) => of_error(error).unwrap_or_else(|| problem.message.clone()),
        None => problem.message.clone(),
    };
    let source = watch.source.as_ref().zip(watch.failure.as_ref());
    let doubt = source.and_then(|(source, error)| source.doubt(error));
    let message = match doubt {
        Some(doubt) => format!("{message} {doubt}"),
        None => message,
    };
    let kept = spec.accounts_from.as_ref().map_or(0, |from| watch.accounts(from).len());
    let stays = match kept {
        0 => "Until then the policy takes no account from there.".to_owned(),
        kept => format!("Until then the policy keeps the {kept} accounts that it has from there."),
    };
    Some((problem.reason, format!("{message} {stays}")))
}

/// What people have to know of these calls besides.
fn of_error(error: &AwsError) -> Option<String> {
    if error.operation.service() != "organizations" {
        return None;
    }
    let what = match error.code.as_deref()? {
        "AccessDeniedException" => format!(
            "not permitted. Only the management account of an organization and its delegated administrators may list accounts: allow \
             {} there, and name a role of such an account in spec.accountsFrom.roleARN if the controller's own role is of another one.",
            error.action()
        ),
        "AWSOrganizationsNotInUseException" => {
            "the account that asks is in no organization: name a role of the management account, or of a delegated administrator, in \
             spec.accountsFrom.roleARN."
                .to_owned()
        }
        "ParentNotFoundException" => {
            "AWS knows no such unit: correct spec.accountsFrom.organizationalUnits.".to_owned()
        }
        _ => return None,
    };
    Some(format!("{}: {what}", error.operation))
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
