//! What `mode: Enforce` would do, from one look at each account and region: the pure part of `amiseal plan`.
//!
//! Classification, adoption and obstacles are those that the controller decides by. What only the cluster knows, such as
//! attempts that failed, is not known here.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::adopt::{self, Adoptable, Recorded};
use super::classify::{self, Classified, Criteria, Older, Storage};
use super::cost::{self, Pace};
use super::naming::CopyIdentity;
use super::obstacle::{self, KeyView, Problem};
use super::problem;
use super::select::Selector;
use super::unknown;
use super::usage::form::{ReportedConsumer, Unknown};
use super::usage::{self, Picture, Usage};
use crate::api::conditions::reason;
use crate::api::{AMIEncryptionTargetSpec, ImageClass};
use crate::domain::{Image, Inventory, Scope};

mod form;
mod others;
mod sharing;

use form::count;
pub use form::{
    Assumptions, Copy, Group, ImageName, KeyReport, Outcome, Report, ReportedProblem, TargetReport, ToCopy, Totals,
    Used, UsedCounts, UsedImage, hours, sum_up,
};
pub use others::Other;
pub use sharing::Answers;

/// How many images of a group are kept where not all of them are to be listed.
const EXAMPLES: usize = 5;

/// What a plan for one target is made of.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// What the policy asks for here.
    pub spec: &'a AMIEncryptionTargetSpec,
    /// The account and region.
    pub scope: &'a Scope,
    /// What the account and region holds.
    pub inventory: &'a Inventory,
    /// The policy's key.
    pub key: &'a KeyView,
    /// What hindered reading the key, where it could not be.
    pub key_problem: Option<&'a Problem>,
    /// The other policies for this account and region, the oldest first: what the older ones select is theirs, and what each of them has
    /// made is its own.
    pub others: &'a [Other],
}

/// What would become of the images of one target.
#[derive(Debug)]
pub struct Findings<'a> {
    seen: Seen<'a>,
    classified: Classified,
    to_copy: Vec<&'a Arc<Image>>,
    under_way: Vec<&'a Arc<Image>>,
    /// What is kept twice already.
    kept_twice: Storage<'a>,
    blocked: Vec<(&'a Arc<Image>, Problem)>,
    /// What hindered asking about images, and how many of them.
    undecided: Vec<(Problem, u32)>,
    /// Images whose encryption cannot be told.
    unknown: Vec<&'a Arc<Image>>,
    /// Images that were made for a backup, and are not encrypted.
    backups: Vec<&'a Arc<Image>>,
}

/// Finds out what would become of each image.
pub fn examine(seen: Seen<'_>) -> Findings<'_> {
    let none = HashSet::new();
    let selector = Selector::new(&seen.spec.image_selector, seen.spec.backups);
    let on_record = others::on_record(seen, &selector);
    let older: Vec<Older> = seen.others.iter().filter_map(Other::older).collect();
    let (mut unknown, mut backups, mut kept_twice) = (Vec::new(), Vec::new(), Storage::default());
    let classified = classify::classify_each(
        seen.inventory,
        Criteria {
            scope: seen.scope,
            selector: &selector,
            other_key: seen.spec.other_key,
            key: seen.key.arn(),
            contested: &on_record.contested,
            theirs: &on_record.theirs,
            older: &older,
            ours: &none,
            copies: &none,
            recorded: Recorded::default(),
            pinned: &HashMap::new(),
        },
        |image, class, is_kept_twice| {
            if is_kept_twice {
                kept_twice.add(image, seen.inventory);
            }
            match class {
                ImageClass::Unknown => unknown.push(image),
                ImageClass::Backup => backups.push(image),
                _ => {}
            }
        },
    );
    let mut findings = Findings {
        seen,
        to_copy: Vec::new(),
        under_way: Vec::new(),
        kept_twice,
        blocked: Vec::new(),
        undecided: Vec::new(),
        unknown,
        backups,
        classified,
    };
    // Let go afterwards: there may be a hundred thousand.
    for wanted in std::mem::take(&mut findings.classified.wanted) {
        let Some(image) = seen.inventory.images.get(&wanted.image) else {
            continue;
        };
        match copy_of(image, seen) {
            Some(Adoptable::Verified { .. }) => {}
            Some(Adoptable::InFlight { .. }) => findings.under_way.push(image),
            Some(Adoptable::Disabled { image: copy, .. }) => {
                findings.blocked.push((image, obstacle::disabled_copy(&copy)));
            }
            None => match problem_of(image, seen) {
                Some(problem) => findings.blocked.push((image, problem)),
                None => findings.to_copy.push(image),
            },
        }
    }
    findings
}

/// The copy that is there already.
fn copy_of(image: &Image, seen: Seen<'_>) -> Option<Adoptable> {
    let of = CopyIdentity {
        scope: seen.scope.clone(),
        source: image.id.clone(),
        key: seen.key.arn()?.clone(),
    };
    adopt::find(&of, image, seen.inventory)
}

fn problem_of(image: &Image, seen: Seen<'_>) -> Option<Problem> {
    let problem = obstacle::of_copy(image, &seen.inventory.snapshots, seen.key, &seen.spec.kms_key_id)?;
    // There is no condition to refer to here.
    let unread = *seen.key == KeyView::Unknown && problem.reason == reason::KEY_UNAVAILABLE;
    Some(seen.key_problem.filter(|_| unread).cloned().unwrap_or(problem))
}

/// What AWS may say to a request for a copy, as far as the inventory tells. Only AWS itself decides.
fn doubt(image: &Image, inventory: &Inventory) -> Option<Problem> {
    if image.product_codes {
        return Some(Problem::new(
            reason::PRODUCT_CODE_NOT_COPYABLE,
            "The image has a product code, and AWS refuses to copy some of those: exempt it with \
             spec.imageSelector.exclude if it does.",
        ));
    }
    if image.volumes().any(|(_, _, id)| !inventory.snapshots.contains_key(id)) {
        return Some(Problem::new(
            reason::SNAPSHOT_NOT_SHARED,
            "A snapshot of the image belongs to another account: have it shared with this one, or exempt the image with \
             spec.imageSelector.exclude.",
        ));
    }
    None
}

impl<'a> Findings<'a> {
    /// The images that would be copied, oldest first.
    pub fn to_copy(&self) -> &[&'a Arc<Image>] {
        &self.to_copy
    }

    /// Takes in what stands in the way of images that would be copied, where `obstacle` says so.
    pub fn block(&mut self, obstacle: impl Fn(&Image) -> Option<Problem>) {
        let blocked = &mut self.blocked;
        self.to_copy.retain(|image| match obstacle(image) {
            Some(problem) => {
                blocked.push((image, problem));
                false
            }
            None => true,
        });
    }

    /// Takes in what AWS answered about the images that would be copied: some of them cannot be, and of some this is not
    /// known.
    pub fn decide(&mut self, answers: &Answers) {
        let blocked = &mut self.blocked;
        let undecided = &mut self.undecided;
        self.to_copy.retain(|image| match answers.of(&image.id) {
            Ok(None) => true,
            Ok(Some(problem)) => {
                blocked.push((image, problem.clone()));
                false
            }
            Err(hindrance) => {
                match undecided.iter_mut().find(|(known, _)| known == hindrance) {
                    Some((_, images)) => *images += 1,
                    None => undecided.push((hindrance.clone(), 1)),
                }
                false
            }
        });
    }

    /// Who uses the images that would be copied. `list` says whether all of them are to be named, or a few.
    pub fn used(&self, picture: &Picture, list: bool) -> Used {
        let mut used = Used {
            unknown: not_read(picture),
            ..Used::default()
        };
        let (after, now) = (self.seen.spec.unused.after.as_std(), self.seen.inventory.scanned);
        for image in &self.to_copy {
            match picture.usage(image, after, now) {
                Usage::Used(consumers) => {
                    used.counts.images += 1;
                    if list || used.list.len() < EXAMPLES {
                        used.list.push(UsedImage {
                            image: ImageName::new(image),
                            consumers: consumers.iter().map(ReportedConsumer::from).collect(),
                        });
                    }
                }
                Usage::Unknown(_) => used.counts.unsure += 1,
                Usage::Unused(_) => {
                    used.counts.unused += 1;
                    let sizes = cost::snapshot_sizes(image, self.seen.inventory);
                    let bytes = &mut used.counts.unused_bytes;
                    *bytes = sizes.into_iter().fold(*bytes, u64::saturating_add);
                    if list || used.unused_list.len() < EXAMPLES {
                        used.unused_list.push(ImageName::new(image));
                    }
                }
            }
        }
        used
    }

    /// The report. `list` says whether it is to name every image, or a few of each kind.
    pub fn report(&self, pace: Pace, list: bool) -> TargetReport {
        let Seen {
            spec, inventory, key, ..
        } = self.seen;
        // One after the other, as there may be a hundred thousand images.
        let mut sizes: Vec<u64> = Vec::new();
        let mut ends = Vec::with_capacity(self.to_copy.len());
        for image in &self.to_copy {
            sizes.extend(cost::snapshot_sizes(image, inventory));
            ends.push(sizes.len());
        }
        let of_each = || {
            let begins = std::iter::once(&0).chain(&ends);
            begins.zip(&ends).map(|(begin, end)| &sizes[*begin..*end])
        };
        let slots = spec.copy.max_concurrent_snapshots;
        let mut copies = Vec::new();
        if list {
            copies.reserve_exact(self.to_copy.len());
            let images = self.to_copy.iter().zip(of_each());
            copies.extend(images.map(|(image, sizes)| Copy::new(image, sizes)));
        }
        let to_copy = ToCopy {
            images: count(self.to_copy.len()),
            snapshots: count(sizes.len()),
            bytes: sizes.iter().copied().fold(0, u64::saturating_add),
            seconds: cost::makespan(of_each(), slots, pace).as_secs(),
            list: copies,
        };
        let doubts = self
            .to_copy
            .iter()
            .filter_map(|image| Some((*image, doubt(image, inventory)?)));
        // An original's snapshot may be kept twice already, for another image that shares it.
        let mut kept_twice = self.kept_twice.clone();
        for image in self.under_way.iter().chain(&self.to_copy).copied() {
            kept_twice.add(image, inventory);
        }
        // What is wrong with the policy's key is said of the key.
        let why = |image: &&'a Arc<Image>| Some((*image, unknown::why(image, &inventory.snapshots)?));
        let unknown = self.unknown.iter().filter_map(why);
        let backups = self.backups.iter().map(|image| (*image, obstacle::backup()));
        let mut report = TargetReport {
            images: Some(self.classified.counts),
            under_way: count(self.under_way.len()),
            cannot_migrate: groups(self.blocked.iter().cloned(), list),
            may_be_refused: groups(doubts, list),
            unknown: groups(unknown, list),
            backups: groups(backups, list),
            contested_by: self.classified.contested.keys().cloned().collect(),
            orphaned: self.classified.orphans.images,
            orphaned_bytes: self.classified.orphans.bytes,
            stored_twice_now: self.classified.duplicate_bytes,
            stored_twice_after: kept_twice.bytes(),
            to_copy,
            ..TargetReport::new(spec)
        };
        report.key.arn = key.arn().map(ToString::to_string);
        report.key.usable = key.arn().is_some() && key.problem().is_none();
        if let Some(problem) = key.problem() {
            report.problem(&obstacle::of_key(problem, &spec.kms_key_id));
        }
        if let Some(problem) = self.seen.key_problem {
            report.problem(problem);
        }
        for (hindrance, images) in &self.undecided {
            report.undecided += *images;
            report.problem(&sharing::undecided(hindrance, *images));
        }
        // While the key is not known, no encrypted image's class is: what is wrong with the key is said already.
        for Group { message, count, .. } in report.unknown.clone() {
            report.problem(&of_unknown(count, &message));
        }
        report
    }
}

/// What could not be read of who uses images, and what could not be asked about those that nobody is known to use.
fn not_read(picture: &Picture) -> Vec<Unknown> {
    let mut unknown = usage::form::unknown(&picture.graph);
    let sharing = picture.shared_unread.values().next().map(problem::of_error);
    if let Some(problem) = picture.graph.unconfirmed().or(sharing.as_ref()) {
        unknown.push(Unknown {
            kind: "CrossCheck".into(),
            id: None,
            message: problem.message.clone(),
        });
    }
    unknown
}

/// Images whose encryption could not be told for this cause.
fn of_unknown(images: u32, why: &str) -> Problem {
    let message = format!("The encryption of {} is unknown. {why}", images_in_words(images));
    Problem::new(reason::UNKNOWN_IMAGES, message)
}

fn images_in_words(number: u32) -> String {
    format!("{number} image{}", if number == 1 { "" } else { "s" })
}

fn groups<'a>(found: impl Iterator<Item = (&'a Arc<Image>, Problem)>, list: bool) -> Vec<Group> {
    let mut groups: BTreeMap<(&'static str, String), Group> = BTreeMap::new();
    for (image, Problem { reason, message }) in found {
        let group = groups
            .entry((reason, message))
            .or_insert_with_key(|(reason, message)| Group {
                reason,
                message: message.clone(),
                count: 0,
                images: Vec::new(),
            });
        group.count += 1;
        if list || group.images.len() < EXAMPLES {
            group.images.push(ImageName::new(image));
        }
    }
    groups.into_values().collect()
}

#[cfg(test)]
mod tests;
