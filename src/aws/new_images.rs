//! Reads of new images: by the day on which they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_ec2::types as sdk;
use jiff::civil::Date;

use super::interner::Interner;
use super::inventory::Detail;
use super::listing::{Listing, filter};
use super::project;
use super::session::Session;
use crate::domain::{AwsError, Image, ImageId, Inventory, SnapshotId, Snapshots};

impl Session {
    /// Reads the images that the account owns and that were made on these days, in UTC, disabled and deprecated ones included, but for
    /// those of which it shows nothing that is not `known`.
    pub async fn images_made_on(&self, days: &BTreeSet<Date>, known: Arc<Inventory>) -> Result<Vec<Image>, AwsError> {
        // The wildcard stands for the time of day.
        let days = days.iter().map(|day| format!("{day}T*")).collect();
        let images = BTreeMap::new();
        let news = Listing::new(News { known, images }, Detail::Everything, take_news);
        let news = news.read(self, Some(filter("creation-date", days))).await?;
        Ok(news.images.into_values().collect())
    }

    /// Reads these snapshots; those that are not there are left out. Asked for none, it makes no call.
    pub async fn snapshots(&self, ids: &BTreeSet<SnapshotId>) -> Result<Snapshots, AwsError> {
        let ids: Vec<&str> = ids.iter().map(SnapshotId::as_str).collect();
        self.snapshots_by(&ids).await
    }
}

/// What a listing has shown beyond what is known. There may be thousands of copies of a day: these are dropped page by page.
struct News {
    known: Arc<Inventory>,
    images: BTreeMap<ImageId, Image>,
}

/// Adds an image, if its answer says anything new.
fn take_news(news: &mut News, image: &sdk::Image, common: &mut Interner) -> Result<(), project::Defect> {
    if !project::is_machine(image) {
        return Ok(());
    }
    let image = project::image(image, common)?;
    if !news.known.knows(&image) && project::tells_more(news.images.get(&image.id), &image)? {
        news.images.insert(image.id.clone(), image);
    }
    Ok(())
}
