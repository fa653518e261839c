//! Checks of the journal: calls that changed what was not theirs, calls where none should be, denials.

use super::{Check, Finding, Judge};
use crate::glob;
use crate::journal::Call;

/// Operations that make things and change none.
const MAKERS: [&str; 5] = [
    "CopyImage",
    "CreateImageUsageReport",
    "CreateLaunchTemplateVersion",
    "RunInstances",
    "StartOnDemandScan",
];

/// Whether a call made what it is about.
fn makes(call: &Call) -> bool {
    let is_new_parameter = call.operation == "PutParameter" && call.params.get("Overwrite").is_none_or(|v| v != "true");
    is_new_parameter || MAKERS.contains(&call.operation.as_str())
}

/// Runs all checks of calls.
pub(super) fn check(judge: &mut Judge<'_>) {
    let journal = judge.journal;
    for call in journal {
        foreign(judge, call);
        forbidden(judge, call);
        denied(judge, call);
    }
}

/// A denied dry run is an answer to a question, and a denial by a fault rule nobody's mistake.
fn denied(judge: &mut Judge<'_>, call: &Call) {
    let expect = &judge.world.expect;
    if !call.is_denied() || call.dry_run || call.fault.is_some() {
        return;
    }
    let expected = expect.expected_denials.iter().any(|a| {
        a.covers(&call.operation, &call.account, &call.region)
            && a.resource
                .as_ref()
                .is_none_or(|p| call.params.values().any(|v| glob::matches(p, v)))
    });
    if expected || expect.denials_are_wrong == Some(false) {
        return;
    }
    let message = format!(
        "{}:{} of {} was denied with {}",
        call.service, call.operation, call.principal, call.outcome
    );
    find(judge, Check::DeniedCall, call, format!("call {}", call.seq), message);
}

pub(super) fn find(judge: &mut Judge<'_>, check: Check, call: &Call, resource: String, message: String) {
    judge.findings.push(Finding {
        check,
        account: call.account.clone(),
        region: call.region.clone(),
        resource,
        message,
    });
}

/// The role or user behind a principal, whatever the session is called.
pub(super) fn actor(principal: &str) -> &str {
    match principal.split_once(":assumed-role/") {
        Some((_, rest)) => {
            let name = rest.split('/').next().unwrap_or(rest);
            &principal[..principal.len() - rest.len() + name.len()]
        }
        None => principal,
    }
}

fn foreign(judge: &mut Judge<'_>, call: &Call) {
    if !call.effect || makes(call) {
        return;
    }
    for id in &call.effects {
        let created_by = judge.world.image(&call.region, id).map_or_else(
            || judge.world.snapshot(&call.region, id).and_then(|s| s.created_by),
            |i| i.created_by,
        );
        let own = created_by
            .and_then(|seq| judge.maker(seq))
            .or_else(|| judge.maker_of(id))
            .is_some_and(|maker| actor(&maker.principal) == actor(&call.principal));
        if own || judge.is_allowed(&call.operation, id, &call.account, &call.region) {
            continue;
        }
        let check =
            if id.starts_with("snap-") && matches!(call.operation.as_str(), "DeleteSnapshot" | "DeregisterImage") {
                Check::SnapshotDeleted
            } else {
                Check::ForeignChange
            };
        let message = format!(
            "call {}: {} by {} changed what it did not create",
            call.seq, call.operation, call.principal
        );
        find(judge, check, call, id.clone(), message);
    }
}

fn forbidden(judge: &mut Judge<'_>, call: &Call) {
    if !call.mutating || call.dry_run {
        return;
    }
    let covered = judge.world.expect.no_mutating_calls.iter().any(|scope| {
        scope.account.as_ref().is_none_or(|a| *a == call.account)
            && scope.region.as_ref().is_none_or(|r| *r == call.region)
    });
    if covered {
        let message = format!(
            "{} by {}: no mutating call is expected here",
            call.operation, call.principal
        );
        find(judge, Check::ForbiddenCall, call, format!("call {}", call.seq), message);
    }
}

impl<'a> Judge<'a> {
    /// The call that made something which is neither an image nor a snapshot.
    pub(super) fn maker_of(&self, id: &str) -> Option<&'a Call> {
        let mut calls = self.journal.iter();
        calls.find(|c| c.effect && makes(c) && c.effects.iter().any(|e| e == id))
    }

    /// Whether the world says that such a call on such a thing is right.
    pub(super) fn is_allowed(&self, operation: &str, resource: &str, account: &str, region: &str) -> bool {
        self.world.expect.allow.iter().any(|a| {
            a.covers(operation, account, region) && a.resource.as_ref().is_none_or(|p| glob::matches(p, resource))
        })
    }
}
