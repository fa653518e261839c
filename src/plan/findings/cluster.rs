//! The report on what the controller has found, from the statuses of a cluster alone: it says no more than they do.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::report::{
    Counts, Report, ReportedFinding, ReportedImage, Said, ScopeReport, UNKNOWN, UNUSED, USED, are, of_scope, time,
};
use super::{Check, Thresholds};
use crate::api::{
    AMIEncryptionTarget, AMIMigration, FindingsStatus, ImageUsage, NAMED_FINDINGS, NamedConsumer, NamedFinding,
    OtherKey, UnreadKind, UnreadPart, UsageState, conditions,
};
use crate::domain::{ConsumerKind, Scope};
use crate::plan::usage::form::{ReportedConsumer, Unknown};

/// Where the report is from.
const CLUSTER: &str = "cluster";
/// What there is nothing of, or not all.
const FINDINGS: &str = "Findings";
/// The policy has no findings looked for. No condition has this reason.
const NO_AUDIT: &str = "NoAudit";
/// They were not looked for yet.
const NOT_YET: &str = "NotYet";
/// Why nothing is said of who uses an image that has no migration.
const NO_MIGRATION: &str = "It has no migration, and only those say who uses an image.";

/// What the targets and migrations of a cluster say. Where two policies are for the same account and region, the one counts that has
/// looked for findings, and of two such the one that has done so later.
pub fn of_cluster(targets: &[AMIEncryptionTarget], migrations: &[AMIMigration], now: Timestamp) -> Report {
    let mut report = Report::new(now);
    report.source = Some(CLUSTER);
    let mut chosen: BTreeMap<(String, String), &AMIEncryptionTarget> = BTreeMap::new();
    for target in targets {
        let place = (target.spec.account_id.clone(), target.spec.region.clone());
        chosen
            .entry(place)
            .and_modify(|other| {
                if weight(target) > weight(other) {
                    *other = target;
                }
            })
            .or_insert(target);
    }
    for target in chosen.values() {
        add(target, migrations, &mut report);
    }
    report.sort();
    report
}

/// How much a target has to say, beside another one of the same account and region.
fn weight(target: &AMIEncryptionTarget) -> (bool, Option<Timestamp>) {
    let findings = findings(target);
    (
        findings.is_some(),
        findings.and_then(|found| Some(found.read_time.as_ref()?.0)),
    )
}

fn findings(target: &AMIEncryptionTarget) -> Option<&FindingsStatus> {
    target.spec.audit.as_ref()?;
    target.status.as_ref()?.findings.as_ref()
}

fn add(target: &AMIEncryptionTarget, migrations: &[AMIMigration], report: &mut Report) {
    let spec = &target.spec;
    // The API server takes no other ones.
    let Ok(scope) = Scope::parse(&spec.account_id, &spec.region) else {
        return;
    };
    let mut said = ScopeReport {
        lists_images: false,
        images: counts(target),
        consumers: consumers(target),
        problem: problem(target),
        ..of_scope(&scope)
    };
    let mut unencrypted: BTreeSet<&str> = BTreeSet::new();
    if let Some(found) = findings(target) {
        let audit = spec.audit.clone().unwrap_or_default();
        // What is asked for since then was not looked for yet.
        said.thresholds =
            is_current(target, found).then(|| Thresholds::of_policy(&audit, &spec.unused, BTreeSet::new()));
        said.omitted = omitted(found);
        said.read_time = found.read_time.as_ref().map(|at| time(at.0));
        said.unknown = unread(found.unread.iter().map(|UnreadPart { kind, message }| (kind, message)));
        unencrypted = found
            .named
            .iter()
            .filter(|finding| finding.check == Check::UnencryptedImage.id())
            .map(|finding| finding.resource.as_str())
            .collect();
        report
            .findings
            .extend(found.named.iter().filter_map(|finding| reported(&scope, finding)));
        said.unknown
            .extend(notes(target, found).into_iter().map(|message| Unknown {
                kind: FINDINGS.into(),
                id: None,
                message,
            }));
    } else if let Some(usage) = target.status.as_ref().and_then(|status| status.usage.as_ref()) {
        said.unknown = unread(usage.unread.iter().map(|UnreadKind { kind, message }| (kind, message)));
    }
    report.images.extend(images(target, &scope, migrations, &unencrypted));
    report.scopes.push(said);
}

/// What hinders saying anything, or anything new.
fn problem(target: &AMIEncryptionTarget) -> Option<Said> {
    let spec = &target.spec;
    let said = |reason: &str, message: String| Said {
        reason: reason.to_owned().into(),
        message,
    };
    let conditions = target.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let reachable = conditions::find(conditions, conditions::REACHABLE);
    if let Some(failed) = reachable.filter(|condition| condition.status == "False") {
        return Some(said(&failed.reason, failed.message.clone()));
    }
    if spec.audit.is_none() {
        let message = format!(
            "The policy {} has no findings looked for: set its spec.audit.",
            spec.policy
        );
        return Some(said(NO_AUDIT, message));
    }
    if findings(target).is_none() {
        let message =
            "The controller has not looked for findings here yet: wait until it has, or see the target's conditions.";
        return Some(said(NOT_YET, message.to_owned()));
    }
    None
}

/// How many images the policy selects, and how many of them are what; none where not all of that is known.
fn counts(target: &AMIEncryptionTarget) -> Option<Counts> {
    let status = target.status.as_ref()?;
    let (images, usage) = (status.images.as_ref()?, status.usage.as_ref()?);
    let number = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
    Some(Counts {
        total: number(images.total),
        unencrypted: number(images.unencrypted),
        used: number(usage.used),
        unused: number(usage.unused),
        unused_gib: usage.unused_gib,
    })
}

fn consumers(target: &AMIEncryptionTarget) -> BTreeMap<&'static str, usize> {
    let usage = target.status.as_ref().and_then(|status| status.usage.as_ref());
    let rows = usage.into_iter().flat_map(|usage| &usage.consumers);
    rows.filter_map(|row| {
        let kind = ConsumerKind::named(&row.kind)?;
        Some((kind.as_str(), usize::try_from(row.count).unwrap_or(usize::MAX)))
    })
    .collect()
}

fn unread<'s>(rows: impl Iterator<Item = (&'s String, &'s String)>) -> Vec<Unknown> {
    let unknown = |(kind, message): (&String, &String)| Unknown {
        kind: kind.clone().into(),
        id: None,
        message: message.clone(),
    };
    rows.map(unknown).collect()
}

/// How many findings that are not exempt are not named, by check.
fn omitted(found: &FindingsStatus) -> BTreeMap<&'static str, usize> {
    let rows = found.checks.iter().filter_map(|row| {
        let check = Check::named(&row.check)?;
        let named = found.named.iter().filter(|finding| finding.check == row.check);
        let named = named.filter(|finding| finding.exempt_until.is_none()).count();
        let count = usize::try_from(row.count).unwrap_or(usize::MAX);
        Some((check.id(), count.saturating_sub(named)))
    });
    rows.filter(|(_, count)| *count > 0).collect()
}

/// Whether findings were looked for by the settings that the target has now.
fn is_current(target: &AMIEncryptionTarget, found: &FindingsStatus) -> bool {
    found.observed_generation == target.metadata.generation
}

/// What is to be known of a list that is not all there is.
fn notes(target: &AMIEncryptionTarget, found: &FindingsStatus) -> Vec<String> {
    let mut notes = Vec::new();
    let policy = &target.spec.policy;
    if found.omitted > 0 {
        notes.push(format!(
            "{} not listed, since a target names the worst {NAMED_FINDINGS}: `amiseal report -f` reads all of \
             them from AWS, by the policy {policy}.",
            are(usize::try_from(found.omitted).unwrap_or(usize::MAX))
        ));
    }
    let alien = found
        .named
        .iter()
        .filter(|finding| Check::named(&finding.check).is_none());
    let alien = alien.count();
    if alien > 0 {
        notes.push(format!(
            "{} of checks that this version of amiseal does not know: use that of the controller.",
            are(alien)
        ));
    }
    if !is_current(target, found) && !target.spec.suspend {
        notes.push(format!(
            "The settings of the policy {policy} have changed since: these are the findings by the former ones. The controller looks \
             again at once."
        ));
    }
    if target.spec.suspend {
        notes.push(format!(
            "The policy {policy} is suspended: these are the findings until then."
        ));
    }
    notes
}

fn reported(scope: &Scope, finding: &NamedFinding) -> Option<ReportedFinding> {
    let check = Check::named(&finding.check)?;
    Some(ReportedFinding {
        id: finding.id.clone(),
        check: check.id(),
        severity: check.severity(),
        account_id: scope.account.to_string(),
        region: scope.region.to_string(),
        resource: finding.resource.clone(),
        what: finding.what.clone(),
        fix: check.fix(),
        exempt_until: finding.exempt_until.clone(),
        exempt_reason: finding.exempt_reason.clone(),
        change: None,
    })
}

/// The images of which the cluster holds something: those with a migration, and the oldest ones that are not encrypted.
fn images(
    target: &AMIEncryptionTarget,
    scope: &Scope,
    migrations: &[AMIMigration],
    unencrypted: &BTreeSet<&str>,
) -> Vec<ReportedImage> {
    let spec = &target.spec;
    let image = |id: &str, name: &str| ReportedImage {
        id: id.to_owned(),
        name: name.to_owned(),
        account_id: scope.account.to_string(),
        region: scope.region.to_string(),
        created: None,
        last_launched: None,
        scanned: None,
        // Images under another key are migrated only where the policy asks for it.
        unencrypted: spec.other_key == OtherKey::Report || unencrypted.contains(id),
        usage: UNKNOWN,
        consumers: Vec::new(),
        consumers_omitted: 0,
        doubts: Vec::new(),
    };
    let is_here = |migration: &&AMIMigration| {
        let gone = migration
            .status
            .as_ref()
            .is_some_and(|status| status.source_gone_time.is_some());
        let is_own = migration.spec.owner_account_id.is_none();
        is_own && migration.spec.account_id == spec.account_id && migration.spec.region == spec.region && !gone
    };
    let migrated = migrations.iter().filter(is_here).map(|migration| {
        let status = migration.status.as_ref();
        let name = status
            .and_then(|status| status.source_name.as_deref())
            .unwrap_or_default();
        let image = image(&migration.spec.source_image_id, name);
        match status.and_then(|status| status.usage.as_ref()) {
            Some(usage) => used(image, usage),
            None => ReportedImage {
                doubts: vec!["The controller has not read yet who uses it.".to_owned()],
                ..image
            },
        }
    });
    let named = target.status.iter().flat_map(|status| &status.unencrypted_images);
    let named = named.map(|named| ReportedImage {
        unencrypted: true,
        doubts: vec![NO_MIGRATION.to_owned()],
        ..image(&named.id, &named.name)
    });
    migrated.chain(named).collect()
}

fn used(image: ReportedImage, usage: &ImageUsage) -> ReportedImage {
    ReportedImage {
        last_launched: usage.last_launched.as_ref().map(|at| time(at.0)),
        usage: match usage.state {
            UsageState::Used => USED,
            UsageState::Unused => UNUSED,
            UsageState::Unknown => UNKNOWN,
        },
        consumers: usage.consumers.iter().filter_map(consumer).collect(),
        consumers_omitted: usize::try_from(usage.omitted).unwrap_or(usize::MAX),
        doubts: usage.message.iter().cloned().collect(),
        ..image
    }
}

fn consumer(named: &NamedConsumer) -> Option<ReportedConsumer> {
    Some(ReportedConsumer {
        kind: ConsumerKind::named(&named.kind)?.as_str(),
        id: named.id.clone(),
        via: named.via.clone(),
        owner: named.owner.clone(),
    })
}
