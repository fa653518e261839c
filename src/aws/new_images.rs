//! Reads of new images: by the day on which they were made.

use std::collections::BTreeSet;

use jiff::civil::Date;

use super::session::Session;
use crate::domain::{AwsError, Image, SnapshotId, Snapshots};

impl Session {
    /// Reads the images that the account owns and that were made on these days, in UTC, disabled and deprecated ones included.
    pub async fn images_made_on(&self, days: &BTreeSet<Date>) -> Result<Vec<Image>, AwsError> {
        // The wildcard stands for the time of day.
        let days: Vec<String> = days.iter().map(|day| format!("{day}T*")).collect();
        let days: Vec<&str> = days.iter().map(String::as_str).collect();
        self.images_by("creation-date", &days).await
    }

    /// Reads these snapshots; those that are not there are left out. Asked for none, it makes no call.
    pub async fn snapshots(&self, ids: &BTreeSet<SnapshotId>) -> Result<Snapshots, AwsError> {
        let ids: Vec<&str> = ids.iter().map(SnapshotId::as_str).collect();
        self.snapshots_by(&ids).await
    }
}
