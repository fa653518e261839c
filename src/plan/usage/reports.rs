//! Usage reports of EC2: for which images AWS is asked what other accounts use of them, when it is asked again, and what its answer
//! means. A report counts instances and launch templates, a day or more late. It shows uses; that it has none is told to people, and is
//! no proof that nobody uses an image: something else may name it there.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Doubt, Elsewhere};
use crate::api::labels::{TAG_POLICY, TAG_SHARING};
use crate::domain::{AccountId, ImageId, LaunchPermission, ReportEntry, ReportRequest, ReportState, Tags, UsageReport};
use crate::plan::obstacle::Problem;

/// So many reports of ours AWS makes at a time in an account and region.
const PENDING: usize = 5;
/// Of so many images it is asked in one reading with whom they are shared, if that is not known from elsewhere.
const LOOKS: usize = 50;
const DAY: Duration = Duration::from_secs(24 * 3600);
/// A report is made anew after so long.
const RENEWED: Duration = Duration::from_secs(7 * 24 * 3600);
/// So many images are named for which AWS could make no report.
const NAMED: usize = 3;

/// What is known of reports and of whom images are shared with, from one reading to the next. A process that knows nothing of it finds
/// it in AWS.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    sharing: BTreeMap<ImageId, Looked>,
    /// The last answer of each image.
    answers: BTreeMap<ImageId, Answer>,
    /// Since when AWS is at a report.
    pending: BTreeMap<ImageId, Timestamp>,
    /// Images of which AWS could make no report.
    failed: BTreeSet<ImageId>,
    /// What kept from asking, or from reading an answer.
    problem: Option<Problem>,
}

/// With whom an image was shared when that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looked {
    at: Timestamp,
    shared: BTreeSet<LaunchPermission>,
}

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Answer {
    report: Box<str>,
    asked: Timestamp,
    /// With whom the image was shared then, where it is a report of ours on everything.
    sharing: Option<Box<str>>,
    entries: Vec<ReportEntry>,
}

/// For whom reports are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The policy.
    pub policy: &'a str,
    /// Accounts of which it is read by other means what they use: that of the images is one.
    pub known: &'a BTreeSet<AccountId>,
    /// When it is, by the clock that AWS's answers go by.
    pub now: Timestamp,
}

impl Reports {
    /// Images with whose sharing nobody has looked at for a day, those that were never looked at first. `images` are those that reports
    /// matter for, the ones that matter most first.
    pub fn to_look(&self, images: &[ImageId], now: Timestamp) -> Vec<ImageId> {
        let mut due: Vec<(Option<Timestamp>, &ImageId)> = images
            .iter()
            .map(|image| (self.sharing.get(image).map(|looked| looked.at), image))
            .filter(|(at, _)| at.is_none_or(|at| age(at, now) >= DAY))
            .collect();
        // Stable: those of the same age stay in their order.
        due.sort_by_key(|(at, _)| *at);
        due.into_iter().take(LOOKS).map(|(_, image)| image.clone()).collect()
    }

    /// Takes in with whom an image is shared.
    pub fn looked(&mut self, image: &ImageId, shared: &BTreeSet<LaunchPermission>, now: Timestamp) {
        let shared = shared.clone();
        self.sharing.insert(image.clone(), Looked { at: now, shared });
    }

    /// The reports whose entries are to be read: those that are available, the last one of each image, and not known yet.
    pub fn to_read(&self, listed: &[UsageReport]) -> Vec<Box<str>> {
        let available = latest(listed.iter().filter(|report| report.state == ReportState::Available));
        let unknown = available.into_values().filter(|report| {
            self.answers
                .get(&report.image)
                .is_none_or(|answer| answer.report != report.id)
        });
        unknown.map(|report| report.id.clone()).collect()
    }

    /// Takes in what AWS lists, and the entries that were read. Of an image whose report is being made anew, the answer before stays.
    pub fn take_in(&mut self, listed: &[UsageReport], entries: Vec<ReportEntry>, asker: Asker<'_>, images: &[ImageId]) {
        let mut of_report: BTreeMap<Box<str>, Vec<ReportEntry>> = BTreeMap::new();
        for entry in entries.into_iter().filter(|entry| entry.count > 0) {
            of_report.entry(entry.report.clone()).or_default().push(entry);
        }
        let newest = latest(listed);
        let of_state = |state| newest.values().filter(move |report| report.state == state);
        self.pending = of_state(ReportState::Pending)
            .map(|report| (report.image.clone(), report.created))
            .collect();
        self.failed = of_state(ReportState::Failed)
            .filter(|report| is_ours(report, asker.policy))
            .map(|report| report.image.clone())
            .collect();
        let available = latest(listed.iter().filter(|report| report.state == ReportState::Available));
        let mut before = std::mem::take(&mut self.answers);
        for (image, report) in available {
            let answer = match before.remove(&image) {
                Some(answer) if answer.report == report.id => answer,
                _ => Answer {
                    report: report.id.clone(),
                    asked: report.created,
                    sharing: sharing_of(report, asker.policy).map(Into::into),
                    entries: of_report.remove(&report.id).unwrap_or_default(),
                },
            };
            self.answers.insert(image, answer);
        }
        let renewed = before.into_iter().filter(|(image, _)| self.pending.contains_key(image));
        self.answers.extend(renewed);
        // What nobody asks about any more is forgotten.
        let images: BTreeSet<&ImageId> = images.iter().collect();
        self.sharing.retain(|image, _| images.contains(image));
        self.failed.retain(|image| images.contains(image));
        self.problem = None;
    }

    /// What to ask for now, those images first that were never asked about, and then those whose report is oldest. A report that somebody
    /// else has had made is left alone, and stands for one of ours: AWS makes one of an image.
    pub fn next(&self, images: &[ImageId], listed: &[UsageReport], asker: Asker<'_>) -> Vec<ReportRequest> {
        let is_under_way = |report: &&UsageReport| {
            report.state == ReportState::Pending
                && is_ours(report, asker.policy)
                && age(report.created, asker.now) < DAY
        };
        let free = PENDING.saturating_sub(listed.iter().filter(is_under_way).count());
        let mut due: Vec<(Option<Timestamp>, ReportRequest)> = Vec::new();
        for image in images {
            let Some(looked) = self.sharing.get(image) else {
                continue;
            };
            if !reaches_strangers(&looked.shared, asker.known) {
                continue;
            }
            let of_image: Vec<&UsageReport> = listed.iter().filter(|report| report.image == *image).collect();
            if of_image.iter().any(|report| !is_ours(report, asker.policy)) {
                continue;
            }
            let sharing = hash_of(&looked.shared);
            let last = of_image.iter().max_by_key(|report| report.created);
            let is_due = last.is_none_or(|last| {
                let holds =
                    last.state == ReportState::Available && sharing_of(last, asker.policy) == Some(sharing.as_str());
                age(last.created, asker.now) >= if holds { RENEWED } else { DAY }
            });
            if is_due {
                let replaces = of_image.iter().map(|report| report.id.clone()).collect();
                due.push((last.map(|last| last.created), request(image, &sharing, replaces, asker)));
            }
        }
        due.sort_by_key(|(created, _)| *created);
        due.into_iter().take(free).map(|(_, request)| request).collect()
    }

    /// AWS was asked for a report.
    pub fn asked(&mut self, image: &ImageId, now: Timestamp) {
        self.pending.insert(image.clone(), now);
        self.failed.remove(image);
    }

    /// Something kept from asking, or from reading an answer.
    pub fn hindered(&mut self, problem: Problem) {
        self.problem = Some(problem);
    }

    /// Adds what other accounts use.
    pub fn uses(&self, elsewhere: &mut Elsewhere, own: &AccountId) {
        for (image, answer) in &self.answers {
            for entry in answer.entries.iter().filter(|entry| entry.account != *own) {
                elsewhere.uses(&entry.account, image.clone(), &entry.kind, entry.count);
            }
        }
    }

    /// When AWS was asked for the report that is known of an image.
    pub fn answered(&self, image: &ImageId) -> Option<Timestamp> {
        self.answers.get(image).map(|answer| answer.asked)
    }

    /// What is to be said of an image that other accounts may launch, instead of that alone.
    pub(super) fn doubt(&self, image: &ImageId) -> Option<Doubt<'static>> {
        let sharing = hash_of(&self.sharing.get(image)?.shared);
        if let Some(answer) = self.answers.get(image)
            && answer.entries.is_empty()
            && answer.sharing.as_deref() == Some(sharing.as_str())
        {
            return Some(Doubt::NotCounted(answer.asked));
        }
        self.pending.get(image).map(|asked| Doubt::Asked(*asked))
    }

    /// What could not be asked or read, and what to do.
    pub(super) fn unread(&self) -> Option<String> {
        let failed = (!self.failed.is_empty()).then(|| {
            let named: Vec<&str> = self.failed.iter().take(NAMED).map(ImageId::as_str).collect();
            let more = match self.failed.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let named = named.join(", ");
            format!("AWS could not make its usage report of {named}{more}: it is asked again after a day.")
        });
        let problem = self.problem.as_ref().map(|problem| problem.message.clone());
        let told: Vec<String> = problem.into_iter().chain(failed).collect();
        (!told.is_empty()).then(|| told.join(" "))
    }
}

/// The last report of each image.
fn latest<'r>(reports: impl IntoIterator<Item = &'r UsageReport>) -> BTreeMap<ImageId, &'r UsageReport> {
    let mut latest: BTreeMap<ImageId, &UsageReport> = BTreeMap::new();
    for report in reports {
        let known = latest.entry(report.image.clone()).or_insert(report);
        if report.created > known.created {
            *known = report;
        }
    }
    latest
}

/// How long ago that was; the clocks need not agree.
fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(at)).unwrap_or_default()
}

fn is_ours(report: &UsageReport, policy: &str) -> bool {
    report.tags.get(TAG_POLICY) == Some(policy)
}

/// With whom the image was shared when a report of ours was asked for. Of those of others, and of one that does not count everything, it
/// is not known what they leave out.
fn sharing_of<'r>(report: &'r UsageReport, policy: &str) -> Option<&'r str> {
    report
        .tags
        .get(TAG_SHARING)
        .filter(|_| report.is_whole && is_ours(report, policy))
}

/// Whether anybody may launch an image of whom it is not read what they use.
fn reaches_strangers(shared: &BTreeSet<LaunchPermission>, known: &BTreeSet<AccountId>) -> bool {
    shared.iter().any(|permission| match permission {
        LaunchPermission::Account(account) => !known.contains(account),
        LaunchPermission::Public | LaunchPermission::Organization(_) | LaunchPermission::OrganizationalUnit(_) => true,
    })
}

/// A text that is the same as long as an image is shared with the same.
fn hash_of(shared: &BTreeSet<LaunchPermission>) -> String {
    let mut hash = Sha256::new();
    for permission in shared {
        let (kind, text) = match permission {
            LaunchPermission::Public => ("public", ""),
            LaunchPermission::Account(account) => ("account", account.as_str()),
            LaunchPermission::Organization(arn) => ("organization", &**arn),
            LaunchPermission::OrganizationalUnit(arn) => ("unit", &**arn),
        };
        hash.update(kind);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    hex::encode(hash.finalize())[..16].to_owned()
}

/// The same call gives the same report, if it is made again before AWS lists that. What was deleted meanwhile is asked for anew.
fn request(image: &ImageId, sharing: &str, replaces: Vec<Box<str>>, asker: Asker<'_>) -> ReportRequest {
    let mut hash = Sha256::new();
    let day = asker.now.as_second().div_euclid(24 * 3600).to_string();
    let parts = [asker.policy, image.as_str(), sharing, &day];
    for part in parts.into_iter().chain(replaces.iter().map(|id| &**id)) {
        hash.update(part);
        hash.update([0]);
    }
    ReportRequest {
        image: image.clone(),
        replaces,
        tags: Tags::of(&[(TAG_POLICY, asker.policy), (TAG_SHARING, sharing)]),
        client_token: format!("amiseal-{}", &hex::encode(hash.finalize())[..40]),
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
