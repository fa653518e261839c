//! Reads of images and snapshots.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_ec2::types::{Filter, ImageAttributeName, SnapshotState};
use jiff::Timestamp;

use super::common::Common;
use super::error::AwsError;
use super::project;
use super::session::Session;
use crate::domain::{Image, ImageId, ImageState, Inventory, LaunchPermission, Snapshot, SnapshotId, SnapshotProgress};

const DESCRIBE_IMAGES: &str = "ec2:DescribeImages";
const DESCRIBE_SNAPSHOTS: &str = "ec2:DescribeSnapshots";
const DESCRIBE_IMAGE_ATTRIBUTE: &str = "ec2:DescribeImageAttribute";

/// AWS's largest page.
const PAGE: i32 = 1000;
/// How many values AWS takes in one filter.
const FILTER_VALUES: usize = 200;

impl Session {
    /// Reads all images and snapshots that the account owns, disabled and deprecated ones included: all pages or an error.
    /// It shows the copies in flight as well.
    pub async fn scan(&self) -> Result<Inventory, AwsError> {
        let mut inventory = Inventory::new(self.shared.clock.now());
        self.each_image(None, |image| {
            inventory.insert(image);
        })
        .await?;
        let began = self.shared.clock.now();
        let mut pending = BTreeMap::new();
        let mut common = Common::default();
        self.each_sdk_snapshot(None, |snapshot| {
            if snapshot.state == Some(SnapshotState::Pending)
                && let Some(copy) = project::pending_copy(&snapshot)?
            {
                pending.insert(copy.id.clone(), copy);
            }
            let snapshot = project::snapshot(&snapshot, &mut common)?;
            inventory.snapshots.insert(snapshot.id.clone(), snapshot);
            Ok(())
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
    ) -> Result<(Timestamp, Vec<Image>, Vec<Snapshot>), AwsError> {
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
        let mut found = HashMap::new();
        for chunk in ids.chunks(FILTER_VALUES) {
            // A filter and not the parameter for IDs, with which one unknown ID fails the call.
            self.each_snapshot(Some(filter("snapshot-id", chunk)), |snapshot| {
                found.insert(snapshot.id.clone(), snapshot);
            })
            .await?;
        }
        Ok((began, images, found.into_values().collect()))
    }

    /// Reads the images with these IDs; those that are not there are left out.
    pub async fn images(&self, ids: &[ImageId]) -> Result<Vec<Image>, AwsError> {
        let ids: Vec<&str> = ids.iter().map(ImageId::as_str).collect();
        self.images_by("image-id", &ids).await
    }

    /// Reads the snapshot copies that are in flight in the account and region, whoever asked for them.
    pub async fn progress(&self) -> Result<SnapshotProgress, AwsError> {
        let began = self.shared.clock.now();
        let mut pending = BTreeMap::new();
        let filter = filter("status", &["pending"]);
        self.each_sdk_snapshot(Some(filter), |snapshot| {
            if let Some(copy) = project::pending_copy(&snapshot)? {
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
        let permissions = answer.launch_permissions.unwrap_or_default();
        permissions
            .into_iter()
            .map(project::launch_permission)
            .collect::<Result<_, _>>()
            .map_err(|defect| AwsError::malformed(DESCRIBE_IMAGE_ATTRIBUTE, &defect))
    }

    async fn images_by(&self, name: &str, values: &[&str]) -> Result<Vec<Image>, AwsError> {
        let mut found = HashMap::new();
        for chunk in values.chunks(FILTER_VALUES) {
            self.each_image(Some(filter(name, chunk)), |image| {
                found.insert(image.id.clone(), image);
            })
            .await?;
        }
        let mut images: Vec<_> = found.into_values().collect();
        images.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(images)
    }

    /// Reads the account's images page by page; each page is dropped once it is projected.
    async fn each_image(&self, filter: Option<Filter>, mut visit: impl FnMut(Image)) -> Result<(), AwsError> {
        let ec2 = self.ec2();
        let mut common = Common::default();
        let mut pages = Pages::default();
        while pages.more() {
            let request = ec2
                .describe_images()
                .owners("self")
                .include_disabled(true)
                .include_deprecated(true)
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .max_results(PAGE)
                .set_next_token(pages.token());
            self.admit(DESCRIBE_IMAGES).await?;
            let page = self.send(DESCRIBE_IMAGES, Box::pin(request.send())).await?;
            for image in page.images.unwrap_or_default() {
                let image = project::image(image, &mut common);
                visit(image.map_err(|defect| AwsError::malformed(DESCRIBE_IMAGES, &defect))?);
            }
            pages.turn(DESCRIBE_IMAGES, page.next_token)?;
        }
        Ok(())
    }

    async fn each_snapshot(&self, filter: Option<Filter>, mut visit: impl FnMut(Snapshot)) -> Result<(), AwsError> {
        let mut common = Common::default();
        let project = |snapshot| project::snapshot(&snapshot, &mut common).map(&mut visit);
        self.each_sdk_snapshot(filter, project).await
    }

    /// Reads the account's snapshots page by page; `visit` projects them.
    async fn each_sdk_snapshot(
        &self,
        filter: Option<Filter>,
        mut visit: impl FnMut(aws_sdk_ec2::types::Snapshot) -> Result<(), project::Defect>,
    ) -> Result<(), AwsError> {
        let ec2 = self.ec2();
        let mut pages = Pages::default();
        while pages.more() {
            let request = ec2
                .describe_snapshots()
                .owner_ids("self")
                .set_filters(filter.clone().map(|filter| vec![filter]))
                .max_results(PAGE)
                .set_next_token(pages.token());
            self.admit(DESCRIBE_SNAPSHOTS).await?;
            let page = self.send(DESCRIBE_SNAPSHOTS, Box::pin(request.send())).await?;
            for snapshot in page.snapshots.unwrap_or_default() {
                visit(snapshot).map_err(|defect| AwsError::malformed(DESCRIBE_SNAPSHOTS, &defect))?;
            }
            pages.turn(DESCRIBE_SNAPSHOTS, page.next_token)?;
        }
        Ok(())
    }
}

fn filter(name: &str, values: &[&str]) -> Filter {
    let values = values.iter().map(|value| (*value).to_owned()).collect();
    Filter::builder().name(name).set_values(Some(values)).build()
}

/// How often a token may come back in a row. AWS is not known to repeat one, and a read that never ends would hold up its account.
const TOKEN_REPEATS: u32 = 10;

/// Where a paginated read stands. A page may be empty and still not be the last: only the token counts.
#[derive(Debug, Default)]
struct Pages {
    begun: bool,
    next: Option<String>,
    repeats: u32,
}

impl Pages {
    fn more(&self) -> bool {
        !self.begun || self.next.is_some()
    }

    fn token(&self) -> Option<String> {
        self.next.clone()
    }

    /// Notes the token that came with a page.
    fn turn(&mut self, operation: &'static str, next: Option<String>) -> Result<(), AwsError> {
        let next = next.filter(|token| !token.is_empty());
        let repeated = next.is_some() && next == self.next;
        self.repeats = if repeated { self.repeats + 1 } else { 0 };
        if self.repeats > TOKEN_REPEATS {
            return Err(AwsError::malformed(operation, &"pages that lead nowhere"));
        }
        self.begun = true;
        self.next = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_until_no_token_comes_and_not_forever() {
        let mut pages = Pages::default();
        assert!(pages.more());
        assert_eq!(pages.token(), None);
        let mut turn = |token: &str| {
            let turned = pages.turn(DESCRIBE_IMAGES, Some(token.to_owned()));
            turned.map(|()| pages.more())
        };
        for token in ["a", "b", "b", "c"] {
            assert_eq!(turn(token), Ok(true), "{token}");
        }
        let stuck = (0..=TOKEN_REPEATS).find_map(|_| turn("c").err()).expect("an end");
        assert_eq!(stuck.cause, Some(super::super::Cause::MalformedAnswer));
        assert_eq!(turn(""), Ok(false));
    }
}
