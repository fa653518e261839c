//! The judge: tells from the world, the journal and the world's expectations alone what is wrong, knowing nothing of
//! who made the calls.

mod calls;
mod copies;
mod guardrails;
mod instances;
mod originals;
mod report;

pub use report::{Check, Finding, Report, Totals};

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::SimTime;
use crate::journal::{Call, THROTTLES};
use crate::launches::{self, Launch};
use crate::model::{Image, World};
use crate::spec::Expectation;

/// What the checks look at, and what they find.
pub(super) struct Judge<'a> {
    world: &'a World,
    journal: &'a [Call],
    copies: CopiesBySource<'a>,
    now: SimTime,
    findings: Vec<Finding>,
}

/// Copies by ID and region of what they were copied from.
type CopiesBySource<'a> = BTreeMap<(&'a str, &'a str), Vec<&'a Image>>;

/// Judges a world and a journal.
pub(crate) fn judge(world: &World, journal: &[Call], now: SimTime) -> Report {
    let mut judge = Judge {
        world,
        journal,
        copies: index(world),
        now,
        findings: Vec::new(),
    };
    let images = copies::check(&mut judge);
    originals::check(&mut judge);
    instances::check(&mut judge);
    guardrails::check(&mut judge);
    calls::check(&mut judge);
    let totals = judge.totals();
    let mut findings = judge.findings;
    findings.sort_by(|a, b| {
        (a.check, &a.account, &a.region, &a.resource).cmp(&(b.check, &b.account, &b.region, &b.resource))
    });
    Report::new(now, totals, images, findings)
}

fn index(world: &World) -> CopiesBySource<'_> {
    let mut copies = CopiesBySource::new();
    for image in world.regions().flat_map(|(_, r)| r.images.values()) {
        if let Some((id, region)) = image.copied_from() {
            copies.entry((id, region)).or_default().push(image);
        }
    }
    copies
}

impl<'a> Judge<'a> {
    fn find(&mut self, check: Check, image: &Image, message: impl Into<String>) {
        self.findings.push(Finding {
            check,
            account: image.owner.clone(),
            region: image.region.clone(),
            resource: image.id.clone(),
            message: message.into(),
        });
    }

    fn images(&self) -> impl Iterator<Item = &'a Image> {
        self.world.regions().flat_map(|(_, r)| r.images.values())
    }

    /// Images that were there before the first call, or were put there by an edit.
    fn originals(&self) -> impl Iterator<Item = &'a Image> {
        self.images().filter(|i| i.created_by.is_none())
    }

    /// What was copied from an image, gone or not, wherever it is.
    fn copies_of(&self, original: &Image) -> Vec<&'a Image> {
        self.copies
            .get(&(original.id.as_str(), original.region.as_str()))
            .cloned()
            .unwrap_or_default()
    }

    /// The call that made something.
    fn maker(&self, seq: u64) -> Option<&'a Call> {
        self.journal.get(usize::try_from(seq - 1).ok()?)
    }

    fn totals(&self) -> Totals {
        let calls = |f: &dyn Fn(&&Call) -> bool| self.journal.iter().filter(|c| f(c)).count();
        let launches: Vec<Launch> = self
            .world
            .regions()
            .flat_map(|(account, region)| launches::launches(self.world, &account.id, &region.name, self.now))
            .collect();
        let settings = &self.world.expect.settings;
        let copy_effects = calls(&|c| c.operation == "CopyImage" && c.effect);
        Totals {
            images: self.originals().count(),
            copies_needed: self.copies_needed(),
            copies_made: copy_effects,
            copies_failed: self.copies_failed(),
            calls: self.journal.len(),
            mutating_calls: calls(&|c| c.mutating && !c.dry_run),
            effects: calls(&|c| c.effect),
            denied: calls(&|c| c.is_denied() && c.fault.is_none()),
            over_limit: calls(&|c| c.outcome == "ResourceLimitExceeded"),
            throttled: calls(&|c| THROTTLES.contains(&c.outcome.as_str())),
            launches: launches.len(),
            launches_failing: launches.iter().filter(|l| l.works.is_err()).count(),
            launches_encrypted: launches.iter().filter(|l| l.encrypted).count(),
            settings_expected: settings.len(),
            settings_so: settings
                .iter()
                .filter(|s| guardrails::differs(self.world, s).is_none())
                .count(),
        }
    }

    /// Copies that had to be made: one of each image that should have one and had none before the first call. Where
    /// copying is left open, each place and key that there is a copy for counts.
    fn copies_needed(&self) -> usize {
        self.originals()
            .map(|original| {
                let copies = self.copies_of(original);
                match original.expect {
                    Expectation::Copied(_) if !original.removed_by_edit() => {
                        let before = copies
                            .iter()
                            .any(|c| c.created_by.is_none() && c.exists() && self.is_encrypted(c));
                        usize::from(!before)
                    }
                    Expectation::Copied(_) | Expectation::Any => copies
                        .iter()
                        .filter(|c| c.created_by.is_some() && !c.is_failed_attempt())
                        .map(|c| (&c.owner, &c.region, copies::keys_of(self.world, c)))
                        .collect::<BTreeSet<_>>()
                        .len(),
                    Expectation::Untouched | Expectation::Encrypted => 0,
                }
            })
            .sum()
    }

    fn is_encrypted(&self, image: &Image) -> bool {
        let encrypted = |id| self.world.snapshot(&image.region, id).is_some_and(|s| s.encrypted);
        image.snapshot_ids().all(encrypted)
    }

    /// Copies that calls made and that failed, were cancelled or came out wrong by a fault rule.
    fn copies_failed(&self) -> usize {
        self.images()
            .filter(|i| i.created_by.is_some() && i.is_failed_attempt())
            .count()
    }
}
