//! What policies say of themselves: the sum of their targets.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{
    AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, AMIEncryptionTargetStatus, FindingCounts, TargetCounts,
    UsageCounts,
};
use crate::plan::map::say::Said;

/// So many targets are named for one thing that is said of them.
const NAMED: usize = 3;

/// One target, as its policy counts it.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whether the target's spec is what the policy asks for today, and its status speaks of that.
    pub current: bool,
    /// Its status.
    pub status: &'a AMIEncryptionTargetStatus,
}

impl Counted<'_> {
    /// Whether it was not looked through as the policy asks today.
    fn is_behind(&self) -> bool {
        let ready = conditions::find(&self.status.conditions, conditions::READY);
        !self.current || ready.is_none_or(|ready| ready.reason == reason::INITIALIZING)
    }

    fn is(&self, type_: &str) -> bool {
        self.current && conditions::is_true(&self.status.conditions, type_)
    }
}

/// The status of a policy: the sum of its targets, which are in the order of their names.
pub fn policy(
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
    generation: Option<i64>,
    expected: usize,
    targets: &[Counted<'_>],
    now: Timestamp,
) -> AMIEncryptionPolicyStatus {
    let mut status = current.clone();
    status.observed_generation = generation;
    let ready = targets.iter().filter(|target| target.is(conditions::READY)).count();
    status.targets = Some(TargetCounts {
        total: small(expected),
        ready: small(ready),
    });
    // Nothing is counted before anything was looked at.
    status.images = sum(targets.iter().filter_map(|t| t.status.images));
    status.migrations = sum(targets.iter().filter_map(|t| t.status.migrations));
    status.usage = sum(targets
        .iter()
        .filter_map(|t| t.status.usage.as_ref())
        .map(UsageCounts::from));
    status.findings = sum(targets
        .iter()
        .filter_map(|t| t.status.findings.as_ref())
        .map(FindingCounts::from));

    let mut conditions = std::mem::take(&mut status.conditions);
    let mut write = Writer {
        conditions: &mut conditions,
        generation,
        now,
    };
    for (type_, target_type) in [
        (conditions::TARGETS_REACHABLE, conditions::REACHABLE),
        (conditions::KEYS_USABLE, conditions::KEY_USABLE),
        (conditions::COMPLIANT, conditions::COMPLIANT),
    ] {
        let (status, why, message) = all_of(target_type, expected, targets);
        write.set(type_, status, why, &message);
    }
    contested(&mut write, current, targets);
    if spec.suspend {
        let message = "The policy is suspended: set spec.suspend: false to go on.";
        // That nothing is done is what is asked for.
        write.set(conditions::READY, Status::True, reason::SUSPENDED, message);
        write.set(conditions::RECONCILING, Status::False, reason::SUSPENDED, "");
        write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
    } else {
        let (status, why, message) = all_of(conditions::READY, expected, targets);
        write.set(conditions::READY, status, why, &message);
        progress(&mut write, expected, targets);
    }
    status.conditions = conditions;
    status
}

/// What is said of the parameters that the map is kept in; nothing where none are asked for and none are left.
pub fn map_parameters(spec: &AMIEncryptionPolicySpec, expected: usize, targets: &[Counted<'_>]) -> Option<Said> {
    const TYPE: &str = conditions::MAP_PUBLISHED;
    let prefix = spec.promotion.map.as_ref().and_then(|map| map.ssm_prefix.as_deref());
    let (status, why, message) = match prefix {
        Some(_) => all_of(TYPE, expected, targets),
        None => {
            let says = |target: &&Counted<'_>| conditions::find(&target.status.conditions, TYPE).is_some();
            let left: Vec<Counted<'_>> = targets.iter().filter(says).copied().collect();
            left.first()?;
            all_of(TYPE, left.len(), &left)
        }
    };
    Some(match (prefix, status) {
        (Some(prefix), Status::True) => {
            let message = format!("The parameters under {prefix} have the map in all {expected} targets.");
            Said::new(status, reason::PUBLISHED, message)
        }
        _ => {
            let message = format!("promotion.map.ssmPrefix: {message} See {TYPE} of the targets.");
            Said::new(status, why, message)
        }
    })
}

/// Whether other policies govern images that this one selects.
fn contested(write: &mut Writer<'_>, current: &AMIEncryptionPolicyStatus, targets: &[Counted<'_>]) {
    let mut contested = targets
        .iter()
        .filter(|target| target.is(conditions::CONTESTED))
        .peekable();
    if contested.peek().is_some() {
        let names: Vec<&str> = contested.clone().map(|target| target.name).collect();
        let policies: BTreeSet<&str> = contested
            .flat_map(|target| target.status.contested_by.iter().map(String::as_str))
            .collect();
        let policies: Vec<&str> = policies.into_iter().collect();
        let message = format!(
            "Other policies ({}) govern images that this one selects too, in {}: narrow one of the selectors.",
            listed(&policies),
            listed(&names)
        );
        write.set(conditions::CONTESTED, true, reason::CONTESTED, &message);
    } else if conditions::find(&current.conditions, conditions::CONTESTED).is_some() {
        write.set(conditions::CONTESTED, false, reason::SUCCEEDED, "");
    }
}

/// Whether it goes on by itself, or some targets need a person. Once all of them were looked through, whoever waits for the policy is
/// told of those while the others go on.
fn progress(write: &mut Writer<'_>, expected: usize, targets: &[Counted<'_>]) {
    let names = |which: &dyn Fn(&&Counted<'_>) -> bool| -> Vec<&str> {
        targets.iter().filter(which).map(|target| target.name).collect()
    };
    let behind = names(&|target| target.is_behind());
    let stalled = names(&|target| target.is(conditions::STALLED));
    let busy = names(&|target| target.is(conditions::RECONCILING));
    let going_on = if targets.len() < expected {
        let missing = expected - targets.len();
        Some(format!("{missing} of {expected} targets are to be made."))
    } else if !behind.is_empty() {
        let behind = listed(&behind);
        Some(format!("Waits until these targets are looked through: {behind}."))
    } else if stalled.is_empty() && !busy.is_empty() {
        let (count, busy) = (busy.len(), listed(&busy));
        Some(format!("Under way in {count} of {expected} targets: {busy}."))
    } else {
        None
    };
    match (going_on, stalled.is_empty()) {
        (Some(message), _) => {
            write.set(conditions::RECONCILING, Status::True, reason::PROGRESSING, &message);
            write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        }
        (None, true) => {
            write.set(conditions::RECONCILING, Status::False, reason::SUCCEEDED, "");
            write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        }
        (None, false) => {
            let message = format!(
                "{} of {expected} targets cannot go on before somebody acts: {}. Their Stalled conditions name the fix.",
                stalled.len(),
                listed(&stalled)
            );
            write.set(conditions::RECONCILING, Status::False, reason::SOME_TARGETS, "");
            write.set(conditions::STALLED, Status::True, reason::SOME_TARGETS, &message);
        }
    }
}

/// True when it is of all targets; else of which it is not, and why, the most frequent reason first.
fn all_of(type_: &str, expected: usize, targets: &[Counted<'_>]) -> (Status, &'static str, String) {
    let (mut not, mut unknown) = (Reasons::default(), Reasons::default());
    for target in targets {
        match conditions::find(&target.status.conditions, type_) {
            Some(condition) if condition.status == Status::False.as_str() => not.add(&condition.reason, target.name),
            Some(condition) if target.current && condition.status == Status::True.as_str() => {}
            Some(condition) if target.current => unknown.add(&condition.reason, target.name),
            _ => unknown.add(reason::PROGRESSING, target.name),
        }
    }
    let missing = expected.saturating_sub(targets.len());
    if not.count > 0 {
        let message = format!("False on {} of {expected} targets: {}.", not.count, not.listed());
        (Status::False, reason::SOME_TARGETS, message)
    } else if unknown.count > 0 {
        let message = format!(
            "Unknown on {} of {expected} targets: {}.",
            unknown.count + missing,
            unknown.listed()
        );
        (Status::Unknown, reason::SOME_TARGETS, message)
    } else if missing > 0 {
        let message = format!("Not yet known for {missing} of {expected} targets.");
        (Status::Unknown, reason::SOME_TARGETS, message)
    } else {
        (
            Status::True,
            reason::SUCCEEDED,
            format!("True on all {expected} targets."),
        )
    }
}

/// Targets by the reason of a condition.
#[derive(Default)]
struct Reasons<'a> {
    count: usize,
    targets: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Reasons<'a> {
    fn add(&mut self, reason: &'a str, target: &'a str) {
        self.count += 1;
        self.targets.entry(reason).or_default().push(target);
    }

    fn listed(&self) -> String {
        let mut reasons: Vec<(&&str, &Vec<&str>)> = self.targets.iter().collect();
        reasons.sort_by_key(|(reason, targets)| (std::cmp::Reverse(targets.len()), **reason));
        let reasons: Vec<String> = reasons
            .iter()
            .map(|(reason, targets)| format!("{reason} in {}", listed(targets)))
            .collect();
        reasons.join("; ")
    }
}

/// The first few names, and how many more there are.
fn listed(names: &[&str]) -> String {
    let mut few = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    if names.len() > NAMED {
        few += &format!(" and {} more", names.len() - NAMED);
    }
    few
}

/// What has changed in what a policy says that people are to be told of: the condition, and whether it is bad news.
pub fn changes<'a>(before: &[Condition], now: &'a [Condition]) -> Vec<(&'a Condition, bool)> {
    let changed = |type_: &str| {
        let condition = conditions::find(now, type_)?;
        let was = conditions::find(before, type_).map_or("", |old| old.status.as_str());
        let (holds, held) = (condition.status.as_str(), was == Status::True.as_str());
        match (type_, holds) {
            // At the beginning nothing is ready yet, which is no news.
            (conditions::READY, "False") => held.then_some((condition, true)),
            (conditions::MAP_PUBLISHED, "False") => (was != holds).then_some((condition, true)),
            (conditions::COMPLIANT | conditions::ACCOUNTS_KNOWN | conditions::REGIONS_KNOWN, "False") => {
                (!was.is_empty() && was != holds).then_some((condition, true))
            }
            (
                conditions::READY
                | conditions::COMPLIANT
                | conditions::MAP_PUBLISHED
                | conditions::ACCOUNTS_KNOWN
                | conditions::REGIONS_KNOWN,
                "True",
            ) => (!held).then_some((condition, false)),
            (_, "True") => (!held).then_some((condition, true)),
            (conditions::STALLED | conditions::CONTESTED, "False") => held.then_some((condition, false)),
            _ => None,
        }
    };
    let of_note = [
        conditions::READY,
        conditions::COMPLIANT,
        conditions::STALLED,
        conditions::CONTESTED,
        conditions::MAP_PUBLISHED,
        conditions::ACCOUNTS_KNOWN,
        conditions::REGIONS_KNOWN,
    ];
    of_note.into_iter().filter_map(changed).collect()
}

fn sum<T: std::iter::Sum>(counts: impl Iterator<Item = T>) -> Option<T> {
    let mut counts = counts.peekable();
    counts.peek().is_some().then(|| counts.sum())
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
