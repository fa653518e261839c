//! Reads of images and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_ec2::types::{self as sdk, Filter, ImageAttributeName, SnapshotState};
use jiff::Timestamp;

use super::common::Common;
use super::gate::Room;
use super::pages::{Gathering, Pages};
use super::project;
use super::session::Session;
use crate::domain::AwsError;
use crate::domain::{
    Image, ImageId, ImageState, Inventory, LaunchPermission, Snapshot, SnapshotId, SnapshotProgress, Snapshots,
};

const DESCRIBE_IMAGES: &str = "ec2:DescribeImages";
const DESCRIBE_SNAPSHOTS: &str = "ec2:DescribeSnapshots";
const DESCRIBE_IMAGE_ATTRIBUTE: &str = "ec2:DescribeImageAttribute";

/// AWS's largest page.
const PAGE: i32 = 1000;
/// How many values AWS takes in one filter.
const FILTER_VALUES: usize = 200;

/// What is kept of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Detail {
    /// All that any decision needs.
    #[default]
    Everything,
    /// What classifying needs, with the tags of these keys: no other tags, and no description.
    OnlyTags(BTreeSet<String>),
}

impl Session {
    /// Reads all images and snapshots that the account owns, disabled and deprecated ones included: all pages or an error.
    /// It shows the copies in flight as well.
    pub async fn scan(&self) -> Result<Inventory, AwsError> {
        self.scan_for(Detail::Everything).await
    }

    /// The same, keeping no more of each image than `detail` says.
    pub async fn scan_for(&self, detail: Detail) -> Result<Inventory, AwsError> {
        let inventory = Inventory::new(self.shared.clock.now());
        let (mut inventory, pages) = self
            .each_image(None, detail, inventory, |inventory, image| {
                if let Some(known) = inventory.images.get(&image.id) {
                    project::same_image(known, &image)?;
                }
                inventory.insert(image);
                Ok(())
            })
            .await?;
        inventory.may_lack_images = pages > 1;
        let began = self.shared.clock.now();
        // After the images, so that no snapshot of theirs is missed.
        let gathered = (inventory, BTreeMap::new());
        let (mut inventory, pending) = self
            .each_snapshot(None, gathered, |(inventory, pending), snapshot, common| {
                if snapshot.state == Some(SnapshotState::Pending)
                    && let Some(copy) = project::pending_copy(snapshot)?
                {
                    pending.insert(copy.id.clone(), copy);
                }
                add(&mut inventory.snapshots, project::snapshot(snapshot, common)?)
            })
            .await?;
        let pending = pending.into_values().collect();
        inventory.progress = SnapshotProgress { began, pending };
        Ok(inventory)
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
        let mut found = Snapshots::new();
        for chunk in ids.chunks(FILTER_VALUES) {
            // A filter and not the parameter for IDs, with which one unknown ID fails the call.
            let filter = filter("snapshot-id", chunk);
            found = self
                .each_snapshot(Some(filter), found, |found, snapshot, common| {
                    add(found, project::snapshot(snapshot, common)?)
                })
                .await?;
        }
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
        let filter = filter("status", &["pending"]);
        let pending = self
            .each_snapshot(Some(filter), BTreeMap::new(), |pending, snapshot, _| {
                if let Some(copy) = project::pending_copy(snapshot)? {
                    pending.insert(copy.id.clone(), copy);
                }
                Ok(())
            })
            .await?;
        let pending = pending.into_values().collect();
        Ok(SnapshotProgress { began, pending })
    }

    /// Reads who may launch an image.
    pub async fn launch_permissions(&self, image: &ImageId) -> Result<BTreeSet<LaunchPermission>, AwsError> {
        let request = self
            .ec2()
            .describe_image_attribute()
            .image_id(image.as_str())
            .attribute(ImageAttributeName::LaunchPermission)
            .send();
        let answer = self.call(DESCRIBE_IMAGE_ATTRIBUTE, request).await?;
        listed(DESCRIBE_IMAGE_ATTRIBUTE, answer.launch_permissions)?
            .into_iter()
            .map(project::launch_permission)
            .collect::<Result<_, _>>()
            .map_err(|defect| AwsError::malformed(DESCRIBE_IMAGE_ATTRIBUTE, &defect))
    }

    async fn images_by(&self, name: &str, values: &[&str]) -> Result<Vec<Image>, AwsError> {
        let mut found = HashMap::new();
        for chunk in values.chunks(FILTER_VALUES) {
            let filter = filter(name, chunk);
            (found, _) = self
                .each_image(Some(filter), Detail::Everything, found, |found, image| {
                    if let Some(known) = found.get(&image.id) {
                        project::same_image(known, &image)?;
                    }
                    found.insert(image.id.clone(), image);
                    Ok(())
                })
                .await?;
        }
        let mut images: Vec<_> = found.into_values().collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// Reads the account's images page by page; `visit` adds each to what is gathered. Says how many pages there were.
    async fn each_image<S: Send + 'static>(
        &self,
        filter: Option<Filter>,
        detail: Detail,
        gathered: S,
        visit: fn(&mut S, Image) -> Result<(), project::Defect>,
    ) -> Result<(S, usize), AwsError> {
        let ec2 = self.ec2();
        let mut gathering = Gathering::new(DESCRIBE_IMAGES, (gathered, Common::keeping(detail)));
        let mut pages = Pages::default();
        let mut count = 0;
        while pages.more() {
            count += 1;
            let room = Room::default();
            let request = ec2
                .describe_images()
                .owners("self")
                .include_disabled(true)
                .include_deprecated(true)
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .max_results(PAGE)
                .set_next_token(pages.token())
                .customize()
                .interceptor(room.clone());
            self.admit(DESCRIBE_IMAGES).await?;
            let page = self.send(DESCRIBE_IMAGES, Box::pin(request.send())).await?;
            let images = listed(DESCRIBE_IMAGES, page.images)?;
            let take_in = move |(gathered, common): &mut (S, Common), images: &[sdk::Image]| {
                images
                    .iter()
                    .filter(|image| project::is_machine(image))
                    .try_for_each(|image| visit(gathered, project::image(image, common)?))
            };
            gathering.add(images, room, take_in).await?;
            pages.turn(DESCRIBE_IMAGES, page.next_token)?;
        }
        Ok((gathering.finish().await?.0, count))
    }

    /// Reads the account's snapshots page by page; `visit` projects them and adds them to what is gathered.
    async fn each_snapshot<S: Send + 'static>(
        &self,
        filter: Option<Filter>,
        gathered: S,
        visit: fn(&mut S, &sdk::Snapshot, &mut Common) -> Result<(), project::Defect>,
    ) -> Result<S, AwsError> {
        let ec2 = self.ec2();
        let mut gathering = Gathering::new(DESCRIBE_SNAPSHOTS, (gathered, Common::default()));
        let mut pages = Pages::default();
        while pages.more() {
            let room = Room::default();
            let request = ec2
                .describe_snapshots()
                .owner_ids("self")
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .max_results(PAGE)
                .set_next_token(pages.token())
                .customize()
                .interceptor(room.clone());
            self.admit(DESCRIBE_SNAPSHOTS).await?;
            let page = self.send(DESCRIBE_SNAPSHOTS, Box::pin(request.send())).await?;
            let snapshots = listed(DESCRIBE_SNAPSHOTS, page.snapshots)?;
            let take_in = move |(gathered, common): &mut (S, Common), snapshots: &[sdk::Snapshot]| {
                snapshots
                    .iter()
                    .try_for_each(|snapshot| visit(gathered, snapshot, common))
            };
            gathering.add(snapshots, room, take_in).await?;
            pages.turn(DESCRIBE_SNAPSHOTS, page.next_token)?;
        }
        Ok(gathering.finish().await?.0)
    }
}

/// The list of an answer. AWS sends it also when it is empty: one that is not there is not known to be empty.
fn listed<T>(operation: &'static str, list: Option<Vec<T>>) -> Result<Vec<T>, AwsError> {
    list.ok_or_else(|| AwsError::malformed(operation, &"no list in the answer"))
}

/// Adds a snapshot to those that a read has found so far.
fn add(found: &mut Snapshots, (id, snapshot): (SnapshotId, Snapshot)) -> Result<(), project::Defect> {
    if let Some(known) = found.get(&id) {
        project::same_snapshot(&id, known, &snapshot)?;
    }
    found.insert(id, snapshot);
    Ok(())
}

fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}
