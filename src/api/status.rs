//! Counts that the statuses of policies and targets share.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How many targets a policy has.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct TargetCounts {
    /// All of them: one for each account and region.
    #[serde(default)]
    pub total: u32,
    /// Those that are `Ready`.
    #[serde(default)]
    pub ready: u32,
}

/// How many images are in which class. Every image that the policy covers is in exactly one class.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ImageCounts {
    /// The sum of all classes.
    #[serde(default)]
    pub total: u32,
    /// Every snapshot is encrypted under the policy's key.
    #[serde(default)]
    pub encrypted: u32,
    /// A snapshot is not encrypted, and no verified copy exists.
    #[serde(default)]
    pub unencrypted: u32,
    /// A snapshot is not encrypted, and a verified copy exists.
    #[serde(default)]
    pub superseded: u32,
    /// Every snapshot is encrypted, but one of them under a key that is not the policy's.
    #[serde(default)]
    pub other_key: u32,
    /// A copy cannot encrypt it, as with an image that is backed by instance store.
    #[serde(default)]
    pub unencryptable: u32,
    /// It is not encrypted, and AWS Backup or Data Lifecycle Manager made it, whose images `backups: Exclude` leaves alone.
    #[serde(default)]
    pub backups: u32,
    /// `imageSelector.exclude` takes it out.
    #[serde(default)]
    pub exempt: u32,
    /// Another policy selects it too, and governs it.
    #[serde(default)]
    pub contested: u32,
    /// It or a snapshot of it could not be read, or the key is not known.
    #[serde(default)]
    pub unknown: u32,
}

/// Copies whose original is gone.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OrphanedCopies {
    /// How many copies there are.
    #[serde(default)]
    pub images: u32,
    /// How many GiB their snapshots take. Rounded up.
    #[serde(rename = "gib", default)]
    pub gib: u64,
}

/// An image that is not encrypted.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnencryptedImage {
    /// The image's ID.
    #[schemars(length(max = 32))]
    pub id: String,
    /// The image's name.
    #[serde(default)]
    #[schemars(length(max = 128))]
    pub name: String,
}

/// How many migrations are where. Each is counted once.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MigrationCounts {
    /// Those that wait to be admitted.
    #[serde(default)]
    pub pending: u32,
    /// Those that are being copied, verified or promoted.
    #[serde(default)]
    pub in_progress: u32,
    /// Those that cannot go on until you act: their `Stalled` condition says why.
    #[serde(default)]
    pub stalled: u32,
    /// Those with nothing left to do.
    #[serde(default)]
    pub completed: u32,
}

/// Has counts of these kinds added up, kind by kind.
macro_rules! sums {
    ($counts:ident { $($count:ident),+ }) => {
        impl std::ops::AddAssign for $counts {
            fn add_assign(&mut self, other: Self) {
                $(self.$count += other.$count;)+
            }
        }

        impl std::iter::Sum for $counts {
            fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
                counts.fold(Self::default(), |mut sum, one| {
                    sum += one;
                    sum
                })
            }
        }
    };
}
pub(super) use sums;

sums!(ImageCounts {
    total,
    encrypted,
    unencrypted,
    superseded,
    other_key,
    unencryptable,
    backups,
    exempt,
    contested,
    unknown
});
sums!(MigrationCounts {
    pending,
    in_progress,
    stalled,
    completed
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_taken_class_by_class() {
        let one = ImageCounts {
            total: 45,
            encrypted: 1,
            unencrypted: 2,
            superseded: 3,
            other_key: 4,
            unencryptable: 5,
            backups: 9,
            exempt: 6,
            contested: 7,
            unknown: 8,
        };
        let two = ImageCounts {
            total: 90,
            encrypted: 2,
            unencrypted: 4,
            superseded: 6,
            other_key: 8,
            unencryptable: 10,
            backups: 18,
            exempt: 12,
            contested: 14,
            unknown: 16,
        };
        assert_eq!([one, one].into_iter().sum::<ImageCounts>(), two);

        let one = MigrationCounts {
            pending: 1,
            in_progress: 2,
            stalled: 3,
            completed: 4,
        };
        let two = MigrationCounts {
            pending: 2,
            in_progress: 4,
            stalled: 6,
            completed: 8,
        };
        assert_eq!([one, one].into_iter().sum::<MigrationCounts>(), two);
        assert_eq!([].into_iter().sum::<MigrationCounts>(), MigrationCounts::default());
    }
}
