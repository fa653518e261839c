//! New images that people make between two scans, where the policies have them looked for: an image is taken in once two looks have shown
//! it, or a scan, and gets its migration within minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiseal::api::labels;
use ec2sim::Call;
use ec2sim::model::{Image, ImageState, World};
use ec2sim::spec::Expectation;
use kube::ResourceExt;

use super::invariants::{Broken, Promise};
use super::notes::{New, Notes};
use super::silence;
use super::stage::Stage;
use super::time::age_of;
use super::watchman::Objects;
use super::world::EXEMPT;

/// How long it may take until a new image has its migration: three looks, each of which lists a few pages that may take eleven seconds, and
/// much shorter than the way to the next scan.
const FOUND_WITHIN: Duration = Duration::from_secs(12 * 60);
/// By what looks ask.
const BY_DAY: &str = "creation-date";
/// By what scans ask that read a list in parts.
const BY_ID: &str = "image-id";

/// How an image was seen.
#[derive(Debug, Default, Clone, Copy)]
struct Sight {
    looks: usize,
    is_scanned: bool,
}

/// Looks at what becomes of new images.
#[derive(Debug, Default)]
pub(crate) struct Scout {
    /// How many calls were heard.
    heard: usize,
    seen: BTreeMap<String, Sight>,
    /// Since when each image has no migration while nothing is in the way of that.
    since: BTreeMap<String, Duration>,
    /// What has been stopped since the last time that somebody asked.
    stopped: BTreeSet<&'static str>,
}

impl Scout {
    /// Looks at what was done since the last time.
    pub(crate) fn look(&mut self, stage: &Stage) -> Vec<Broken> {
        let notes = stage.notes();
        let new: Vec<Call> = stage.sim.with_journal(|calls| {
            let new = calls[self.heard..].iter();
            let meant = new.filter(|call| ["DescribeImages", "CopyImage"].contains(&call.operation.as_str()));
            let meant = meant.filter(|call| !call.dry_run).cloned().collect();
            self.heard = calls.len();
            meant
        });
        let mut wrong = Vec::new();
        for call in &new {
            if call.operation == "CopyImage" {
                wrong.extend(self.is_early(call, &notes));
            } else {
                let exempt = stage.sim.with_world(|world| exempt(world, &notes));
                self.see(call, &notes, &exempt);
            }
        }
        let broken = |how| Broken::new(Promise::FoundInTime, how);
        wrong.into_iter().map(broken).collect()
    }

    /// The guards that have stopped something since the last time.
    pub(crate) fn stopped(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.stopped)
    }

    /// Takes in what a call to list images may have shown. What is `exempt` by now would have been taken in by its first look.
    fn see(&mut self, call: &Call, notes: &Notes, exempt: &BTreeSet<String>) {
        if call.outcome != "OK" || call.params.contains_key("ImageId.1") {
            return;
        }
        let filter = call.params.get("Filter.1.Name").map(String::as_str);
        let is_look = filter == Some(BY_DAY);
        // A scan asks for all, or for one part of the IDs after the other.
        if !is_look && filter.is_some_and(|filter| filter != BY_ID) {
            return;
        }
        let is_later_page = call.params.contains_key("NextToken");
        let is_meant =
            |new: &&New| new.account == call.account && new.region == call.region && new.at <= age_of(call.time);
        for (id, _) in notes.new_images.iter().filter(|(_, new)| is_meant(new)) {
            // What comes on later pages of a look belongs to it, which an image may have come into.
            if is_look && is_later_page && self.seen.contains_key(id) {
                continue;
            }
            let sight = self.seen.entry(id.clone()).or_default();
            if !is_look {
                sight.is_scanned = true;
                continue;
            }
            if sight.looks == 1 && !sight.is_scanned && exempt.contains(id) {
                self.stopped.insert("two looks");
            }
            sight.looks += 1;
        }
    }

    /// Whether a call copies a new image that was seen once, by a look.
    fn is_early(&self, call: &Call, notes: &Notes) -> Option<String> {
        let source = call.params.get("SourceImageId")?;
        notes.new_images.get(source)?;
        let sight = self.seen.get(source).copied().unwrap_or_default();
        (!sight.is_scanned && sight.looks < 2).then(|| {
            format!(
                "{source} is copied, and {} looks and no scan have shown it",
                sight.looks
            )
        })
    }

    /// Listens, and says which image has no migration though it was there for long.
    pub(crate) fn listen(&mut self, stage: &Stage, objects: &Objects) -> Option<Broken> {
        let (notes, now, disturbed) = (stage.notes(), stage.clock.age(), stage.disturbed_until());
        for (id, new) in &notes.new_images {
            let name = labels::migration_name(id, &new.region);
            let is_found = objects.migrations.iter().any(|one| one.name_any() == name);
            let is_wanted = stage.sim.with_world(|world| is_wanted(world, id, new));
            if is_found || !is_wanted {
                self.since.remove(id);
                continue;
            }
            let mut targets = objects.targets.iter().filter(|target| {
                let of = &target.spec;
                of.account_id == new.account && of.region == new.region
            });
            let is_looked_for = targets.any(|target| silence::is_free(target, objects));
            let is_served = is_looked_for && stage.serves(&new.account, &new.region);
            let since = self.since.entry(id.clone()).or_insert(now);
            *since = if is_served { disturbed.max(*since) } else { now };
            if now.saturating_sub(*since) > FOUND_WITHIN {
                let how = format!("{id} has no migration since {since:?}, and it is {now:?}");
                return Some(Broken::new(Promise::FoundInTime, how));
            }
        }
        None
    }
}

/// New images that are exempt by now.
fn exempt(world: &World, notes: &Notes) -> BTreeSet<String> {
    let is_exempt = |(id, new): &(&String, &New)| {
        let image = image(world, id, new);
        image.is_some_and(|image| image.tags.current().contains_key(EXEMPT))
    };
    notes
        .new_images
        .iter()
        .filter(is_exempt)
        .map(|(id, _)| id.clone())
        .collect()
}

fn image<'w>(world: &'w World, id: &str, new: &New) -> Option<&'w Image> {
    world.region(&new.account, &new.region)?.images.get(id)
}

/// Whether a new image is there and is to be copied.
fn is_wanted(world: &World, id: &str, new: &New) -> bool {
    image(world, id, new).is_some_and(|image| {
        let is_there = image.exists() && image.state == ImageState::Available && image.garbled.is_none();
        is_there && matches!(image.expect, Expectation::Copied(_))
    })
}
