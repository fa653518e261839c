//! What the snapshots of images take.

use std::collections::HashSet;

use crate::domain::{Image, Inventory, SnapshotId};

/// The account's own snapshots that images are made of. Several images may share one, and AWS stores it once.
#[derive(Debug, Clone, Default)]
pub struct Storage<'i> {
    counted: HashSet<&'i SnapshotId>,
    bytes: u64,
}

impl<'i> Storage<'i> {
    /// Adds the snapshots of an image that are not counted yet. Those of other accounts take nothing here.
    pub fn add(&mut self, image: &'i Image, inventory: &'i Inventory) {
        for (_, _, id) in image.volumes() {
            let Some(snapshot) = inventory.snapshots.get(id) else {
                continue;
            };
            if self.counted.insert(id) {
                // AWS's own figure where it gives one, else the volume's size.
                let by_size = || u64::try_from(snapshot.size_gib).unwrap_or(0) << 30;
                self.bytes = self.bytes.saturating_add(snapshot.full_bytes.unwrap_or_else(by_size));
            }
        }
    }

    /// What they take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}
