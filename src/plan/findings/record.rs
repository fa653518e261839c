//! What statuses say of findings, and what of it is news.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::since::was_read;
use super::unread::Part;
use super::{Check, Finding, Severity, Subject, examine};
use crate::api::conditions::cut;
use crate::api::{CheckCount, FindingCounts, FindingsStatus, NAMED_FINDINGS, NamedFinding, UnreadPart};
use crate::domain::{ConsumerKind, ImageId};
use crate::plan::obstacle::Problem;
use crate::plan::usage::form::{self, Unknown};

/// The longest texts, in characters.
pub(super) const WHAT: usize = 1024;
const RESOURCE: usize = 512;
const REASON: usize = 256;

/// So many checks are named for findings that are not told one by one.
const TOLD: usize = 5;

/// What a target says. What was found before, and could not be looked for this time, stays. The reading began at `at`.
pub fn of_target(subject: Subject<'_>, before: Option<&FindingsStatus>, at: Timestamp) -> FindingsStatus {
    let unread = subject.unread();
    let mut found: Vec<NamedFinding> = examine(subject).iter().map(named).collect();
    let ids: HashSet<String> = found.iter().map(|finding| finding.id.clone()).collect();
    let today = subject.now.to_zoned(jiff::tz::TimeZone::UTC).date().to_string();
    let kept = before.into_iter().flat_map(|before| &before.named);
    let kept = kept.filter(|finding| !ids.contains(&finding.id) && may_stand(finding, subject, &unread));
    found.extend(kept.cloned().map(|finding| NamedFinding {
        exempt_until: finding.exempt_until.filter(|until| *until >= today),
        ..finding
    }));
    found.sort_by(|one, other| rank(one).cmp(&rank(other)));
    let total = found.iter().filter(|finding| finding.exempt_until.is_none()).count();
    let mut checks = counts(&found);
    let hidden = before
        .map(|before| hidden(before, &checks, subject, &unread))
        .unwrap_or_default();
    add(&mut checks, &hidden);
    FindingsStatus {
        total: small(total) + hidden.iter().map(|row| row.count).sum::<u32>(),
        checks,
        omitted: small(found.len().saturating_sub(NAMED_FINDINGS))
            + hidden.iter().map(|row| row.count + row.exempt).sum::<u32>(),
        named: found.into_iter().take(NAMED_FINDINGS).collect(),
        unread: parts(unread),
        read_time: Some(Time(form::whole_seconds(at))),
        ..FindingsStatus::default()
    }
}

/// Says that what is known of images is from before scans began to fail, for this.
pub fn doubt_images(status: Option<&mut FindingsStatus>, problem: &Problem) {
    let Some(status) = status else { return };
    let kind = Part::Images.as_str();
    let message = format!(
        "The account and region cannot be scanned, so what is said of images is from before. {}",
        problem.message
    );
    status.unread.retain(|row| row.kind != kind);
    status.unread.push(UnreadPart {
        kind: kind.to_owned(),
        message: cut(&message, WHAT),
    });
    status.unread.sort_by(|one, other| one.kind.cmp(&other.kind));
}

/// Whether something that was found before may be so still: it is looked for, and could not be. That nobody uses an image is shown by
/// one reading alone.
fn may_stand(finding: &NamedFinding, subject: Subject<'_>, unread: &[Unknown]) -> bool {
    let Some(check) = Check::named(&finding.check) else {
        return false;
    };
    let is_wanted = subject.picture.graph.read_at().is_some() || !is_of_launchers(check);
    let is_known = was_read(check, &finding.resource, unread) && !is_in_the_dark(check, &finding.resource, subject);
    is_wanted && subject.thresholds.asks_for(check) && !is_known
}

/// Whether nothing is known of it now, though nothing is listed as unread: what is not asked for each image each time.
fn is_in_the_dark(check: Check, resource: &str, subject: Subject<'_>) -> bool {
    let id = resource.rsplit('/').next().and_then(|id| id.parse::<ImageId>().ok());
    let Some(image) = id.and_then(|id| subject.inventory.images.get(&id)) else {
        return false;
    };
    let picture = subject.picture;
    match check {
        // With whom an image is shared is asked of those that seem to be unused.
        Check::KeyUnusableByConsumers => !picture.shared.contains_key(&image.id) && !picture.graph.is_whole(),
        Check::VulnerableImage | Check::StaleScan => image.scan().is_none_or(|scan| scan.scanned.is_none()),
        // Old versions of templates are found by AWS alone, which is asked where everything else could be read.
        Check::LaunchesUnencryptedImage | Check::DisabledImageInUse | Check::DeprecatedImageInUse => {
            !picture.graph.is_confirmed(&image.id) && !picture.graph.is_whole()
        }
        _ => false,
    }
}

/// What is not among the named of `before` and could not be looked for again, by check: how many more there may still be.
fn hidden(before: &FindingsStatus, now: &[CheckCount], subject: Subject<'_>, unread: &[Unknown]) -> Vec<CheckCount> {
    let may_stand = before.checks.iter().filter(|row| {
        let check = Check::named(&row.check).filter(|check| !is_of_launchers(*check));
        check.is_some_and(|check| subject.thresholds.asks_for(check) && !was_read(check, "", unread))
    });
    may_stand
        .filter(|_| before.omitted > 0)
        .map(|row| {
            let here = now.iter().find(|here| here.check == row.check);
            CheckCount {
                count: row.count.saturating_sub(here.map_or(0, |here| here.count)),
                exempt: row.exempt.saturating_sub(here.map_or(0, |here| here.exempt)),
                ..row.clone()
            }
        })
        .filter(|row| row.count + row.exempt > 0)
        .collect()
}

/// Adds to the counts of checks.
fn add(counts: &mut Vec<CheckCount>, more: &[CheckCount]) {
    for row in more {
        match counts.iter_mut().find(|here| here.check == row.check) {
            Some(here) => {
                here.count += row.count;
                here.exempt += row.exempt;
            }
            None => counts.push(row.clone()),
        }
    }
    let rank = |row: &CheckCount| Check::named(&row.check).map(|check| (Reverse(check.severity()), check));
    counts.sort_by_key(rank);
}

fn named(finding: &Finding) -> NamedFinding {
    let exemption = finding.exemption.as_ref();
    NamedFinding {
        id: finding.id(),
        check: finding.check.id().to_owned(),
        severity: finding.check.severity().as_str().to_owned(),
        resource: cut(&finding.resource, RESOURCE),
        what: cut(finding.brief.as_ref().unwrap_or(&finding.what), WHAT),
        exempt_until: exemption.map(|exemption| exemption.until.to_string()),
        exempt_reason: exemption.and_then(|exemption| Some(cut(exemption.reason.as_deref()?, REASON))),
    }
}

/// The order of findings: the worst first, exempt ones last, and of a check single instances after what launches others.
type Rank<'f> = (bool, Reverse<Option<Severity>>, Option<Check>, bool, &'f str);

fn rank(finding: &NamedFinding) -> Rank<'_> {
    let check = Check::named(&finding.check);
    (
        finding.exempt_until.is_some(),
        Reverse(check.map(Check::severity)),
        check,
        is_of_instance(&finding.resource),
        &finding.resource,
    )
}

fn counts(found: &[NamedFinding]) -> Vec<CheckCount> {
    let mut counts: BTreeMap<(Reverse<Severity>, Check), (u32, u32)> = BTreeMap::new();
    for finding in found {
        let Some(check) = Check::named(&finding.check) else {
            continue;
        };
        let (count, exempt) = counts.entry((Reverse(check.severity()), check)).or_default();
        let of = if finding.exempt_until.is_some() { exempt } else { count };
        *of = of.saturating_add(1);
    }
    let row = |((_, check), (count, exempt)): ((_, Check), (u32, u32))| CheckCount {
        check: check.id().to_owned(),
        severity: check.severity().as_str().to_owned(),
        count,
        exempt,
    };
    counts.into_iter().map(row).collect()
}

fn parts(unread: Vec<Unknown>) -> Vec<UnreadPart> {
    let mut messages: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for unknown in unread {
        let what = match unknown.id {
            Some(id) => format!("{id}: {}", unknown.message),
            None => unknown.message,
        };
        messages.entry(unknown.kind.into_owned()).or_default().push(what);
    }
    let part = |(kind, messages): (String, Vec<String>)| UnreadPart {
        kind,
        message: cut(&messages.join(" "), WHAT),
    };
    messages.into_iter().map(part).collect()
}

/// Checks of what launches images: single instances are among it, which come and go.
fn is_of_launchers(check: Check) -> bool {
    matches!(
        check,
        Check::LaunchesUnencryptedImage
            | Check::DisabledImageInUse
            | Check::DeprecatedImageInUse
            | Check::LaunchesMissingImage
            | Check::InstanceOfMissingImage
            | Check::UntrustedOwner
            | Check::OlderThanTemplate
    )
}

fn is_of_instance(resource: &str) -> bool {
    let rest = resource.strip_prefix(ConsumerKind::Instance.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

/// What a finding on a launcher is about, whichever launcher it is: the check, and the image.
fn of_image(finding: &NamedFinding) -> (&str, &str) {
    let image = finding.resource.rsplit_once('/').map_or("", |(_, image)| image);
    (&finding.check, image)
}

/// Whether two statuses say the same, but for numbers and texts that change all the time, and for the time.
pub fn say_the_same(one: &FindingsStatus, other: &FindingsStatus) -> bool {
    lasting(one) == lasting(other)
}

type Lasting<'s> = (
    BTreeSet<(&'s str, &'s str, Option<&'s str>)>,
    Vec<(&'s str, u32, u32)>,
    &'s [UnreadPart],
    Option<i64>,
);

/// What people have to hear of at once.
fn lasting(status: &FindingsStatus) -> Lasting<'_> {
    let findings = status.named.iter().map(|finding| {
        let (check, thing) = if is_of_instance(&finding.resource) {
            of_image(finding)
        } else {
            (finding.check.as_str(), finding.id.as_str())
        };
        (check, thing, finding.exempt_until.as_deref())
    });
    let counts = status.checks.iter().map(|row| {
        let changes = Check::named(&row.check).is_some_and(is_of_launchers);
        let number = |count: u32| if changes { count.min(1) } else { count };
        (row.check.as_str(), number(row.count), number(row.exempt))
    });
    (
        findings.collect(),
        counts.collect(),
        &status.unread,
        status.observed_generation,
    )
}

/// What was found that was not there before.
#[derive(Debug, PartialEq, Eq)]
pub struct News<'s> {
    /// Those that are named, the worst first.
    pub named: Vec<&'s NamedFinding>,
    /// How many others there are.
    pub more: u32,
}

/// What of `now` is news to whoever has read `before`. One more instance of an image that another finding of the check is about is none.
/// Of what `before` did not name it is known how many there were, and not which.
pub fn news<'s>(before: &FindingsStatus, now: &'s FindingsStatus) -> News<'s> {
    let known: HashMap<&str, bool> = before
        .named
        .iter()
        .map(|finding| (finding.id.as_str(), finding.exempt_until.is_some()))
        .collect();
    let images: HashSet<(&str, &str)> = before.named.iter().map(of_image).collect();
    let last = before.named.last().filter(|_| before.omitted > 0).map(rank);
    let is_new = |finding: &&NamedFinding| match known.get(finding.id.as_str()) {
        _ if finding.exempt_until.is_some() => false,
        Some(was_exempt) => *was_exempt,
        None if is_of_instance(&finding.resource) && images.contains(&of_image(finding)) => false,
        None => last.is_none_or(|last| rank(finding) < last),
    };
    let named: Vec<&NamedFinding> = now.named.iter().filter(is_new).collect();
    let mut more: u32 = 0;
    for row in &now.checks {
        if now.omitted == 0 || Check::named(&row.check).is_none_or(is_of_launchers) {
            continue;
        }
        let was = before.checks.iter().find(|was| was.check == row.check);
        let grown = row.count.saturating_sub(was.map_or(0, |was| was.count));
        let told = named.iter().filter(|finding| finding.check == row.check).count();
        more = more.saturating_add(grown.saturating_sub(small(told)));
    }
    News { named, more }
}

/// What was found when it was first looked, in a sentence; none where that is nothing.
pub fn first(status: &FindingsStatus) -> Option<String> {
    if status.total == 0 {
        return None;
    }
    let counts = FindingCounts::from(status);
    let by_severity = Severity::ALL
        .into_iter()
        .zip([counts.critical, counts.high, counts.medium, counts.low]);
    let by_severity: Vec<String> = by_severity
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {severity}"))
        .collect();
    let checks = status.checks.iter().filter(|row| row.count > 0);
    let mut named: Vec<String> = checks.map(|row| format!("{} {}", row.count, row.check)).collect();
    let others = named.len().saturating_sub(TOLD);
    named.truncate(TOLD);
    if others > 0 {
        named.push(format!("{others} more checks"));
    }
    Some(format!(
        "Findings: {} ({}). status.findings names the worst.",
        by_severity.join(", "),
        named.join(", ")
    ))
}

/// Whether everything was read. That Amazon Inspector has not scanned an image was read too.
pub fn is_known(status: &FindingsStatus) -> bool {
    let scans = Part::Scans.as_str();
    status.unread.iter().all(|row| row.kind == scans)
}

/// Whether any of what is not exempt is high or critical.
pub fn is_grave(status: &FindingsStatus) -> bool {
    let counts = FindingCounts::from(status);
    counts.critical + counts.high > 0
}

/// The check of a finding, as far as this version knows it.
pub fn check(finding: &NamedFinding) -> Option<Check> {
    Check::named(&finding.check)
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
