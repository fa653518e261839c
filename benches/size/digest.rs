//! What a reading of an account amounts to, in a form that two readers can be compared by.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Counts, and which images are meant, in whatever order they were read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Digest {
    /// All images.
    pub(crate) images: u64,
    /// Those that would be copied.
    pub(crate) to_copy: u64,
    /// Their snapshots.
    pub(crate) snapshots: u64,
    /// The sum of the hashes of their IDs.
    pub(crate) hash: u64,
}

impl Digest {
    /// Takes in an image that would be copied.
    pub(crate) fn add(&mut self, id: &str, snapshots: u64) {
        self.to_copy += 1;
        self.snapshots += snapshots;
        self.hash = self.hash.wrapping_add(hash(id));
    }

    /// Takes out one that was taken in, or will be: it has a copy.
    pub(crate) fn remove(&mut self, id: &str, snapshots: u64) {
        self.to_copy = self.to_copy.wrapping_sub(1);
        self.snapshots = self.snapshots.wrapping_sub(snapshots);
        self.hash = self.hash.wrapping_sub(hash(id));
    }
}

fn hash(id: &str) -> u64 {
    let digest = Sha256::digest(id);
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}
