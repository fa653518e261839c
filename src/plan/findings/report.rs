//! The report on findings: what `amiseal report` prints, in every form.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::images::size_gib;
use super::{Change, Check, Earlier, Finding, Severity, Since, Subject, Thresholds, is_unencrypted};
use crate::domain::{AccountId, Image, Scope};
use crate::plan::obstacle::Problem;
use crate::plan::prices::Prices;
use crate::plan::regions::UNREAD;
use crate::plan::usage::Usage;
use crate::plan::usage::form::{self, ReportedConsumer, Unknown};

/// The report.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// When it was made.
    pub generated: String,
    /// Where it is from, where that is not AWS: `cluster`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<&'static str>,
    /// What has changed since an earlier report, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Since>,
    /// Every account and region that was looked into, in their order.
    pub scopes: Vec<ScopeReport>,
    /// Everything that is wrong, the worst first.
    pub findings: Vec<ReportedFinding>,
    /// The findings of the earlier report that are fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Vec<Earlier>>,
    /// The images, with who uses them.
    pub images: Vec<ReportedImage>,
    /// What keeping snapshots costs, where that was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prices: Option<Prices>,
}

/// What one account and region showed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ScopeReport {
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region, or `*` for those of an account that could not be read.
    pub region: String,
    /// Images; none where they could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<Counts>,
    /// What keeping the unused ones costs in a month at most, where prices were given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unused_monthly_cost: Option<f64>,
    /// How many things of each kind use images that the account owns.
    pub consumers: BTreeMap<&'static str, usize>,
    /// What could not be read: where it is a kind of consumer, no image counts as unused.
    pub unknown: Vec<Unknown>,
    /// When the reading began that the findings are from, where that was not just now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_time: Option<String>,
    /// How many findings that are not exempt are not listed, by check: a target of the cluster names only the worst.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub omitted: BTreeMap<&'static str, usize>,
    /// What was allowed; none where no findings were looked for.
    #[serde(skip)]
    pub thresholds: Option<Thresholds>,
    /// Whether all images are listed.
    #[serde(skip)]
    pub lists_images: bool,
    /// What hindered reading images at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Said>,
}

/// How many images are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// All of them.
    pub total: usize,
    /// With a snapshot that is not encrypted.
    pub unencrypted: usize,
    /// That something uses.
    pub used: usize,
    /// That nobody uses.
    pub unused: usize,
    /// How many GiB the volumes of these have: their snapshots hold at most that.
    #[serde(rename = "unusedGiB")]
    pub unused_gib: u64,
}

/// A reason and a sentence.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    /// The reason, as in conditions.
    pub reason: Cow<'static, str>,
    /// What is wrong, and how to fix it.
    pub message: String,
}

impl From<&Problem> for Said {
    fn from(problem: &Problem) -> Self {
        Self {
            reason: problem.reason.into(),
            message: problem.message.clone(),
        }
    }
}

/// Something that is wrong.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedFinding {
    /// An ID that stays the same from one report to the next.
    pub id: String,
    /// What was looked for.
    pub check: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// What it is about.
    pub resource: String,
    /// What was found.
    pub what: String,
    /// How to fix it.
    pub fix: &'static str,
    /// The last day of its exemption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_until: Option<String>,
    /// Why it is exempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exempt_reason: Option<String>,
    /// Whether the earlier report has it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
}

/// An image, with who uses it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedImage {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The account.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region.
    pub region: String,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// When it was last launched, up to a day late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_launched: Option<String>,
    /// When Amazon Inspector last scanned it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanned: Option<String>,
    /// Whether a snapshot of it is not encrypted.
    pub unencrypted: bool,
    /// Whether somebody uses it: `used`, `unused`, or `unknown`.
    pub usage: &'static str,
    /// Who uses it.
    pub consumers: Vec<ReportedConsumer>,
    /// How many others do that are not listed: a migration of the cluster names only some.
    #[serde(skip_serializing_if = "is_none")]
    pub consumers_omitted: usize,
    /// Why it cannot be said that nobody does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<String>,
}

impl Report {
    /// A report of that moment, on nothing yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            generated: time(now),
            source: None,
            since: None,
            scopes: Vec::new(),
            findings: Vec::new(),
            fixed: None,
            images: Vec::new(),
            prices: None,
        }
    }

    /// Adds an account and region that could not be looked into.
    pub fn failed(&mut self, scope: &Scope, problem: &Problem) {
        self.scopes.push(ScopeReport {
            problem: Some(Said::from(problem)),
            ..of_scope(scope)
        });
    }

    /// Adds an account of which it is not known which regions it has, so that some could not be looked into.
    pub fn unread_regions(&mut self, account: &AccountId, problem: &Problem) {
        self.scopes.push(ScopeReport {
            problem: Some(Said::from(problem)),
            ..of_place(account, UNREAD)
        });
    }

    /// Adds what an account and region showed.
    pub fn add(&mut self, subject: Subject<'_>, findings: Vec<Finding>) {
        let mut scope = of_scope(subject.scope);
        let mut counts = Counts::default();
        for image in subject.inventory.images.values().filter(|image| image.is_there()) {
            let shown = shown(subject, image);
            counts.total += 1;
            counts.unencrypted += usize::from(shown.unencrypted);
            counts.used += usize::from(shown.usage == USED);
            if shown.usage == UNUSED {
                counts.unused += 1;
                counts.unused_gib += size_gib(image);
            }
            for consumer in &shown.consumers {
                *scope.consumers.entry(consumer.kind).or_default() += 1;
            }
            self.images.push(shown);
        }
        scope.images = Some(counts);
        scope.unused_monthly_cost = subject.monthly_cost(counts.unused_gib);
        self.prices.clone_from(&subject.thresholds.prices);
        scope.unknown = subject.unread();
        scope.unknown.extend(subject.key_access_undecided());
        scope.thresholds = Some(subject.thresholds.clone());
        self.scopes.push(scope);
        self.findings.extend(findings.into_iter().map(reported));
    }

    /// Puts everything in a stable order, the worst findings first.
    pub fn sort(&mut self) {
        let by_scope = |scope: &ScopeReport| (scope.account_id.clone(), scope.region.clone());
        self.scopes.sort_by_key(by_scope);
        self.images.sort_by(|one, other| {
            (&one.account_id, &one.region, &one.id).cmp(&(&other.account_id, &other.region, &other.id))
        });
        self.findings.sort_by(|one, other| {
            let rank = |finding: &ReportedFinding| (std::cmp::Reverse(finding.severity), finding.check);
            let place = |finding: &ReportedFinding| {
                (
                    finding.account_id.clone(),
                    finding.region.clone(),
                    finding.resource.clone(),
                )
            };
            rank(one).cmp(&rank(other)).then_with(|| place(one).cmp(&place(other)))
        });
    }

    /// How many GiB the unused images keep at most, and for what in a month where prices were given.
    pub fn unused(&self) -> (u64, Option<String>) {
        let gib = self.scopes.iter().filter_map(|scope| scope.images);
        let cost: f64 = self.scopes.iter().filter_map(|scope| scope.unused_monthly_cost).sum();
        let said = self.prices.as_ref().map(|prices| prices.say(cost));
        (gib.map(|images| images.unused_gib).sum(), said)
    }

    /// How many findings of each check are not exempt, the worst first.
    pub fn counts(&self) -> Vec<(Check, usize)> {
        let count = |check: Check| {
            let counted = self.findings.iter().filter(|finding| finding.check == check.id());
            let omitted = self.scopes.iter().filter_map(|scope| scope.omitted.get(check.id()));
            counted.filter(|finding| finding.exempt_until.is_none()).count() + omitted.sum::<usize>()
        };
        let mut counts: Vec<(Check, usize)> = Check::ALL.iter().map(|check| (*check, count(*check))).collect();
        counts.retain(|(_, count)| *count > 0);
        counts.sort_by_key(|(check, _)| (std::cmp::Reverse(check.severity()), *check));
        counts
    }

    /// The worst severity among what is not exempt, or of that only among what is new.
    pub fn worst(&self, only_new: bool) -> Option<Severity> {
        let findings = self.findings.iter().filter(|finding| finding.exempt_until.is_none());
        let counted = findings.filter(|finding| !only_new || finding.change == Some(Change::New));
        counted.map(|finding| finding.severity).max()
    }

    /// How many findings are not listed, a line for each account and region.
    pub fn not_listed(&self) -> Vec<String> {
        let omitting = self.scopes.iter().filter(|scope| !scope.omitted.is_empty());
        let line = |scope: &ScopeReport| {
            let count: usize = scope.omitted.values().sum();
            format!(
                "{} {}: {} not listed, since a target names only the worst.",
                scope.account_id,
                scope.region,
                are(count)
            )
        };
        omitting.map(line).collect()
    }

    /// Whether everything could be looked into.
    pub fn is_complete(&self) -> bool {
        self.scopes.iter().all(|scope| scope.problem.is_none())
    }
}

/// So many findings, and a verb.
pub(super) fn are(count: usize) -> String {
    match count {
        1 => "1 finding is".to_owned(),
        _ => format!("{count} findings are"),
    }
}

pub(super) const USED: &str = "used";
pub(super) const UNUSED: &str = "unused";
pub(super) const UNKNOWN: &str = "unknown";

pub(super) fn of_scope(scope: &Scope) -> ScopeReport {
    of_place(&scope.account, scope.region.as_str())
}

fn of_place(account: &AccountId, region: &str) -> ScopeReport {
    ScopeReport {
        account_id: account.to_string(),
        region: region.to_owned(),
        images: None,
        unused_monthly_cost: None,
        consumers: BTreeMap::new(),
        unknown: Vec::new(),
        read_time: None,
        omitted: BTreeMap::new(),
        thresholds: None,
        lists_images: true,
        problem: None,
    }
}

fn shown(subject: Subject<'_>, image: &Image) -> ReportedImage {
    let usage = subject.usage(image);
    let (usage, consumers, doubts) = match &usage {
        Usage::Used(consumers) => (USED, consumers.iter().map(ReportedConsumer::from).collect(), Vec::new()),
        Usage::Unused(_) => (UNUSED, Vec::new(), Vec::new()),
        Usage::Unknown(doubts) => (UNKNOWN, Vec::new(), doubts.iter().map(form::doubt).collect()),
    };
    ReportedImage {
        id: image.id.to_string(),
        name: image.name.to_string(),
        account_id: subject.scope.account.to_string(),
        region: subject.scope.region.to_string(),
        created: image.created.map(time),
        last_launched: image.last_launched.map(time),
        scanned: image.scan().and_then(|scan| scan.scanned).map(time),
        unencrypted: is_unencrypted(image, subject.inventory),
        usage,
        consumers,
        consumers_omitted: 0,
        doubts,
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_none(count: &usize) -> bool {
    *count == 0
}

fn reported(finding: Finding) -> ReportedFinding {
    let id = finding.id();
    let (until, reason) = match finding.exemption {
        Some(exemption) => (Some(exemption.until.to_string()), exemption.reason),
        None => (None, None),
    };
    ReportedFinding {
        id,
        check: finding.check.id(),
        severity: finding.check.severity(),
        account_id: finding.scope.account.to_string(),
        region: finding.scope.region.to_string(),
        resource: finding.resource,
        what: finding.what,
        fix: finding.check.fix(),
        exempt_until: until,
        exempt_reason: reason,
        change: None,
    }
}

/// In whole seconds, as AWS has them.
pub(super) fn time(at: Timestamp) -> String {
    let seconds = Timestamp::from_second(at.as_second()).unwrap_or(at);
    seconds.to_string()
}
