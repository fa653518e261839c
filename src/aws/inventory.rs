//! Reads of images and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use aws_sdk_ec2::types::{self as sdk, ImageAttributeName};
use futures::future::{Either, select};
use jiff::Timestamp;

use super::interner::Interner;
use super::listing::{Listing, filter, listed};
use super::project;
use super::session::Session;
use crate::domain::{
    AwsError, ErrorClass, Image, ImageId, ImageState, Inventory, LaunchPermission, Operation, PendingSnapshot,
    Snapshot, SnapshotId, SnapshotProgress, SnapshotState, Snapshots,
};

/// How many values AWS takes in one filter.
pub(super) const FILTER_VALUES: usize = 200;

/// What is kept of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Detail {
    /// All that any decision needs.
    #[default]
    Everything,
    /// What classifying needs, with the tags of these keys: no other tags, and no description.
    OnlyTags(BTreeSet<String>),
}

/// What AWS says of an image that is asked for by its ID.
#[derive(Debug)]
pub enum Fate {
    /// It shows it.
    There(Box<Image>),
    /// It was deregistered not long ago.
    Gone,
    /// It does not know it: not yet, or no more.
    Unknown,
}

impl Session {
    /// Reads all images and snapshots that the account owns, disabled and deprecated ones included: all pages or an error.
    /// It shows the copies in flight as well.
    pub async fn scan(self: &Arc<Self>) -> Result<Inventory, AwsError> {
        self.scan_for(Detail::Everything).await
    }

    /// The same, keeping no more of each image than `detail` says.
    pub async fn scan_for(self: &Arc<Self>, detail: Detail) -> Result<Inventory, AwsError> {
        let began = self.shared.clock.now();
        let images = Listing::new(Inventory::new(began), detail, take_image);
        let snapshots = Listing::new(Shown::default(), Detail::default(), take_snapshot);
        let (images, snapshots) = (Box::pin(images.read_all(self)), Box::pin(snapshots.read_all(self)));
        // Where both fail, it is always the images that are said to: else a status would say now one, now the other.
        let (images, snapshots) = match select(images, snapshots).await {
            Either::Left((images, snapshots)) => (images?, snapshots.await?),
            Either::Right((snapshots, images)) => (images.await?, snapshots?),
        };
        let (mut inventory, is_long) = images;
        inventory.may_lack_images = is_long;
        let (shown, _) = snapshots;
        inventory.snapshots = shown.snapshots;
        let pending = shown.pending.into_values().collect();
        inventory.progress = SnapshotProgress { began, pending };
        self.catch_up(&mut inventory).await?;
        inventory.note_old_copies();
        Ok(inventory)
    }

    /// Images and snapshots were read side by side: what an image names and the other listing did not show, or showed
    /// before it was complete, is asked for by ID. What was not there then either is not asked for again.
    async fn catch_up(&self, inventory: &mut Inventory) -> Result<(), AwsError> {
        let overtaken = inventory.overtaken_snapshots();
        let ids: Vec<&str> = self.not_in_vain(&overtaken).map(SnapshotId::as_str).collect();
        let found = self.snapshots_by(&ids).await?;
        self.asked_in_vain(overtaken.iter().filter(|id| !found.contains_key(id)));
        let is_pending = |id: &SnapshotId| found.get(id).is_none_or(|found| found.state == SnapshotState::Pending);
        inventory.progress.pending.retain(|snapshot| is_pending(&snapshot.id));
        inventory.snapshots.extend(found);
        Ok(())
    }

    /// Looks for copies of `sources`, and reads the snapshots of those that are done, with `snapshots` besides. Unknown IDs are left out.
    /// The time is when the look began.
    pub async fn copies_of(
        &self,
        sources: &[ImageId],
        snapshots: &[SnapshotId],
    ) -> Result<(Timestamp, Vec<Image>, Snapshots), AwsError> {
        let began = self.shared.clock.now();
        let sources: Vec<&str> = sources.iter().map(ImageId::as_str).collect();
        let images = self.images_by("source-image-id", &sources).await?;
        let done = images
            .iter()
            .filter(|image| matches!(image.state, ImageState::Available | ImageState::Failed));
        let ids: BTreeSet<&str> = done
            .flat_map(|image| image.volumes().map(|(_, _, snapshot)| snapshot))
            .chain(snapshots)
            .map(SnapshotId::as_str)
            .collect();
        let ids: Vec<&str> = ids.into_iter().collect();
        let found = self.snapshots_by(&ids).await?;
        Ok((began, images, found))
    }

    /// Reads the images with these IDs; those that are not there are left out.
    pub async fn images(&self, ids: &[ImageId]) -> Result<Vec<Image>, AwsError> {
        let ids: Vec<&str> = ids.iter().map(ImageId::as_str).collect();
        self.images_by("image-id", &ids).await
    }

    /// Reads the snapshot copies that are in flight in the account and region, whoever asked for them.
    pub async fn progress(&self) -> Result<SnapshotProgress, AwsError> {
        let began = self.shared.clock.now();
        let filter = filter("status", vec!["pending".to_owned()]);
        let pending = Listing::new(Pending::new(), Detail::default(), take_pending);
        let pending = pending.read(self, Some(filter)).await?;
        let pending = pending.into_values().collect();
        Ok(SnapshotProgress { began, pending })
    }

    /// Reads who may launch an image.
    pub async fn launch_permissions(&self, image: &ImageId) -> Result<BTreeSet<LaunchPermission>, AwsError> {
        let request = self
            .ec2_reads()
            .describe_image_attribute()
            .image_id(image.as_str())
            .attribute(ImageAttributeName::LaunchPermission)
            .send();
        let answer = self.call(Operation::DescribeImageAttribute, request).await?;
        listed(Operation::DescribeImageAttribute, answer.launch_permissions)?
            .into_iter()
            .map(project::launch_permission)
            .collect::<Result<_, _>>()
            .map_err(|defect| AwsError::malformed(Operation::DescribeImageAttribute, &defect))
    }

    /// Asks for one image by its ID, which tells more than a filter: one that was deregistered lately is known to AWS and not
    /// shown, one that is new may not be known yet.
    pub async fn fate_of(&self, id: &ImageId) -> Result<Fate, AwsError> {
        let request = self
            .ec2_reads()
            .describe_images()
            .image_ids(id.as_str())
            .include_disabled(true)
            .include_deprecated(true)
            .send();
        let answer = match self.call(Operation::DescribeImages, request).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(Fate::Unknown),
            answer => answer?,
        };
        let images = listed(Operation::DescribeImages, answer.images)?;
        let Some(image) = images.first() else {
            return Ok(Fate::Gone);
        };
        let image = project::image(image, &mut Interner::default())
            .map_err(|defect| AwsError::malformed(Operation::DescribeImages, &defect))?;
        if image.id != *id {
            return Err(AwsError::malformed(
                Operation::DescribeImages,
                &"another image was asked for",
            ));
        }
        Ok(if image.state == ImageState::Deregistered {
            Fate::Gone
        } else {
            Fate::There(Box::new(image))
        })
    }

    /// Reads an image's UEFI variables, as AWS writes them; none where it has none. No listing shows them.
    pub async fn uefi_data(&self, image: &ImageId) -> Result<Option<String>, AwsError> {
        let request = self
            .ec2_reads()
            .describe_image_attribute()
            .image_id(image.as_str())
            .attribute(ImageAttributeName::UefiData)
            .send();
        let answer = self.call(Operation::DescribeImageAttribute, request).await?;
        let data = answer.uefi_data.and_then(|data| data.value);
        Ok(data.filter(|data| !data.is_empty()))
    }

    async fn images_by(&self, name: &str, values: &[&str]) -> Result<Vec<Image>, AwsError> {
        let mut found = HashMap::new();
        for chunk in values.chunks(FILTER_VALUES) {
            let filter = filter(name, chunk.iter().copied().map(str::to_owned).collect());
            let images = Listing::new(found, Detail::Everything, |found, image, common| {
                if !project::is_machine(image) {
                    return Ok(());
                }
                let image = project::image(image, common)?;
                if project::tells_more(found.get(&image.id), &image)? {
                    found.insert(image.id.clone(), image);
                }
                Ok(())
            });
            found = images.read(self, Some(filter)).await?;
        }
        let mut images: Vec<_> = found.into_values().collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// A filter and not the parameter for IDs, with which one unknown ID fails the call.
    pub(super) async fn snapshots_by(&self, ids: &[&str]) -> Result<Snapshots, AwsError> {
        let mut found = Snapshots::new();
        for chunk in ids.chunks(FILTER_VALUES) {
            let filter = filter("snapshot-id", chunk.iter().copied().map(str::to_owned).collect());
            let snapshots = Listing::new(found, Detail::default(), |found, snapshot, common| {
                add(found, project::snapshot(snapshot, common)?)
            });
            found = snapshots.read(self, Some(filter)).await?;
        }
        Ok(found)
    }
}

type Pending = BTreeMap<SnapshotId, PendingSnapshot>;

/// What a listing of snapshots has shown.
#[derive(Default)]
struct Shown {
    snapshots: Snapshots,
    pending: Pending,
}

/// Adds an image to what a scan has found so far.
fn take_image(inventory: &mut Inventory, image: &sdk::Image, common: &mut Interner) -> Result<(), project::Defect> {
    if !project::is_machine(image) {
        return Ok(());
    }
    let image = project::image(image, common)?;
    let known = inventory.images.get(&image.id).map(Arc::as_ref);
    if project::tells_more(known, &image)? {
        inventory.insert(image);
    }
    Ok(())
}

/// Adds a snapshot to what a scan has found so far. Of one that is shown twice the later answer counts.
fn take_snapshot(shown: &mut Shown, snapshot: &sdk::Snapshot, common: &mut Interner) -> Result<(), project::Defect> {
    let (id, projected) = project::snapshot(snapshot, common)?;
    if projected.state == SnapshotState::Pending {
        take_pending(&mut shown.pending, snapshot, common)?;
    } else {
        shown.pending.remove(&id);
    }
    add(&mut shown.snapshots, (id, projected))
}

/// Adds a snapshot that AWS is making, if it is a copy.
fn take_pending(pending: &mut Pending, snapshot: &sdk::Snapshot, _: &mut Interner) -> Result<(), project::Defect> {
    if let Some(copy) = project::pending_copy(snapshot)? {
        pending.insert(copy.id.clone(), copy);
    }
    Ok(())
}

/// Adds a snapshot to those that a read has found so far.
fn add(found: &mut Snapshots, (id, mut snapshot): (SnapshotId, Snapshot)) -> Result<(), project::Defect> {
    if let Some(known) = found.get(&id) {
        project::same_snapshot(&id, known, &snapshot)?;
        // A key that is associated in one of two answers may still be.
        if let (None, Some(also)) = (snapshot.also(), known.also()) {
            snapshot.extras.get_or_insert_default().also = Some(also.clone());
        }
    }
    found.insert(id, snapshot);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::testing::{key, snapshot_id};

    #[test]
    fn a_key_that_one_of_two_answers_associates_with_a_snapshot_counts() {
        let id = snapshot_id(1);
        let shown = |also: Option<u32>| {
            let given = sdk::Snapshot::builder().snapshot_id(id.as_str()).encrypted(true);
            let given = given.kms_key_id(key(1).as_str()).state(sdk::SnapshotState::Completed);
            let (id, mut snapshot) = project::snapshot(&given.build(), &mut Interner::default()).expect("a snapshot");
            snapshot.extras.get_or_insert_default().also = also.map(key);
            (id, snapshot)
        };
        for order in [[Some(2), None], [None, Some(2)]] {
            let mut found = Snapshots::new();
            for also in order {
                add(&mut found, shown(also)).expect("no contradiction");
            }
            assert_eq!(found[&id].also(), Some(&key(2)), "{order:?}");
        }
    }
}
