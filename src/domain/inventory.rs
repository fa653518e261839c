//! What one account and region holds, as one or more reads showed it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::{Image, ImageId, ImageState, Region, Snapshot, SnapshotId, SnapshotState, copied};

/// Snapshots by ID.
pub type Snapshots = BTreeMap<SnapshotId, Snapshot>;

/// Images and snapshots of one account and region.
///
/// A scan is atomic: an inventory exists only when every page was read. Later, narrower reads are folded in.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Images by ID.
    pub images: BTreeMap<ImageId, Arc<Image>>,
    /// Snapshots by ID.
    pub snapshots: Snapshots,
    /// When the scan began. What happened later it need not show.
    pub scanned: Timestamp,
    /// The copies that were in flight when the scan read the snapshots.
    pub progress: SnapshotProgress,
    /// Whether the scan may lack images that are there: it read them in more than one page, and AWS orders pages as it likes, so that an
    /// image may be on none; or it lacks one that a look between two scans has shown a short while ago.
    pub may_lack_images: bool,
    /// When the last look for copies of a source image began, where one was made after the scan.
    pub looked: HashMap<ImageId, Timestamp>,
    /// What is left of copies that failed and that AWS does not show any more, by the copy.
    pub remains: HashMap<ImageId, Remains>,
    /// The images that AWS calls copies, by their source: on the image, or, of old ones, on their snapshots.
    copies: HashMap<ImageId, Vec<ImageId>>,
}

impl Inventory {
    /// What a scan that began at `scanned` showed.
    pub fn new(scanned: Timestamp) -> Self {
        Self {
            scanned,
            ..Self::default()
        }
    }

    /// Adds an image, or replaces what was known of it.
    pub fn insert(&mut self, image: Image) {
        if let Some(source) = &image.copied_from {
            note(&mut self.copies, &source.image, &image.id);
        }
        self.images.insert(image.id.clone(), Arc::new(image));
    }

    /// Notes the copies from before AWS recorded sources on images, once images and snapshots are all there.
    pub fn note_old_copies(&mut self) {
        for image in self.images.values() {
            if let Some(source) = copied::old_source(image, &self.snapshots) {
                note(&mut self.copies, source, &image.id);
            }
        }
    }

    /// Since when the inventory may miss copies of `source`.
    pub fn known_until(&self, source: &ImageId) -> Timestamp {
        self.looked
            .get(source)
            .copied()
            .unwrap_or(self.scanned)
            .max(self.scanned)
    }

    /// The images that were copied from `source` within `region`, by all that AWS has on record of them.
    pub fn copies_of<'a>(&'a self, source: &'a ImageId, region: &'a Region) -> impl Iterator<Item = &'a Arc<Image>> {
        let ids = self.copies.get(source).map(Vec::as_slice).unwrap_or_default();
        ids.iter()
            .filter_map(|id| self.images.get(id))
            .filter(move |image| copied::is_copy(image, source, region, &self.snapshots))
    }

    /// Whether a snapshot is known, and not in the making when it was read.
    pub fn is_settled(&self, id: &SnapshotId) -> bool {
        let known = self.snapshots.get(id);
        known.is_some_and(|snapshot| snapshot.state != SnapshotState::Pending)
    }

    /// The snapshots of finished images that are not known, or were not complete when they were read: whoever reads both side
    /// by side may see an image that is newer than the listing of its snapshots.
    pub fn overtaken_snapshots(&self) -> BTreeSet<SnapshotId> {
        let is_finished = |image: &&Arc<Image>| matches!(image.state, ImageState::Available | ImageState::Disabled);
        let finished = self.images.values().filter(is_finished);
        let named = finished.flat_map(|image| image.volumes().map(|(_, _, snapshot)| snapshot));
        named.filter(|id| !self.is_settled(id)).cloned().collect()
    }

    /// Whether an image shows as what it is: it could be read, and its root and all of its snapshots are known, or among `found`, and
    /// none of these is in the making.
    pub fn is_whole(&self, image: &Image, found: &Snapshots) -> bool {
        let is_complete = |id: &SnapshotId| {
            let is_found = found.get(id).is_some_and(|found| found.state != SnapshotState::Pending);
            is_found || self.is_settled(id)
        };
        let shows_root = image.has_root_snapshot() || !image.ebs_root;
        image.unread().is_none() && shows_root && image.volumes().all(|(_, _, id)| is_complete(id))
    }

    /// Whether AWS is to show more of an image than it has: it is being made, or is there and not [whole](Self::is_whole).
    pub fn is_unfinished(&self, image: &Image) -> bool {
        image.state == ImageState::Pending || image.is_there() && !self.is_whole(image, &Snapshots::new())
    }

    /// Whether an answer about an image says nothing that is not known, of one of which no more is to come.
    pub fn knows(&self, image: &Image) -> bool {
        let known = self.images.get(&image.id);
        known.is_some_and(|known| **known == *image && !self.is_unfinished(known))
    }

    /// Takes in images and snapshots that a narrower read than a scan has shown. Nothing goes: only a scan shows what is gone.
    pub fn take_in(&mut self, images: Vec<Image>, snapshots: Snapshots) {
        for image in images {
            self.insert(image);
        }
        self.snapshots.extend(snapshots);
    }

    /// Folds in a look for the copies of `sources`, begun at `began`: what it shows replaces what was known of them.
    ///
    /// A copy that the look did not show is kept: a describe may miss what is new, and a copy that is gone is noticed by the next scan.
    pub fn fold(
        &mut self,
        sources: impl IntoIterator<Item = ImageId>,
        began: Timestamp,
        images: Vec<Image>,
        snapshots: Snapshots,
    ) {
        for source in sources {
            self.looked.insert(source, began);
        }
        self.take_in(images, snapshots);
    }
}

fn note(copies: &mut HashMap<ImageId, Vec<ImageId>>, source: &ImageId, copy: &ImageId) {
    // Most have one, if any.
    let copies = copies.entry(source.clone()).or_insert_with(|| Vec::with_capacity(1));
    if !copies.contains(copy) {
        copies.push(copy.clone());
    }
}

/// What is left of a copy whose image AWS does not show: its snapshots, by our tags and by AWS's own description of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Remains {
    /// All of them.
    pub snapshots: Vec<SnapshotId>,
    /// Whether some are still being made, so that the copy may just not show.
    pub pending: bool,
    /// Whether some have failed.
    pub failed: bool,
    /// Why, in AWS's words.
    pub why: Option<Box<str>>,
}

impl Inventory {
    /// Takes in what a look for the copy `copy` has shown, which has not shown the copy itself.
    pub fn not_shown(&mut self, copy: &ImageId, remains: Option<Remains>) {
        // A describe may miss what is new; what is done does not get lost so soon.
        let is_coming = |image: &Arc<Image>| image.state == ImageState::Pending;
        if self.images.get(copy).is_some_and(is_coming) {
            self.images.remove(copy);
        }
        match remains {
            Some(remains) => {
                self.remains.insert(copy.clone(), remains);
            }
            None => {
                self.remains.remove(copy);
            }
        }
    }

    /// Whether an image uses one of these snapshots.
    pub fn uses_any(&self, snapshots: &[SnapshotId]) -> bool {
        let used = |image: &Arc<Image>| image.volumes().any(|(_, _, id)| snapshots.contains(id));
        self.images.values().any(used)
    }
}

/// The snapshots that AWS is making right now in one account and region, whoever asked for them.
#[derive(Debug, Clone, Default)]
pub struct SnapshotProgress {
    /// When the read began.
    pub began: Timestamp,
    /// The pending snapshots that are copies.
    pub pending: Vec<PendingSnapshot>,
}

/// A snapshot copy in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingSnapshot {
    /// Its ID.
    pub id: SnapshotId,
    /// The image that it is copied for, from AWS's own description of it.
    pub for_image: Option<ImageId>,
    /// When the copy began.
    pub started: Option<Timestamp>,
    /// 0 to 100.
    pub percent: u8,
}
