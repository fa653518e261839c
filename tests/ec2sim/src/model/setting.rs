//! The settings of a region one by one: what each is set to, what does not show yet, and who has set what.

use serde::{Deserialize, Serialize};

use super::{EBS_ALIAS, Guardrails, Region};
use crate::clock::SimTime;

/// A setting of EC2 in a region of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Setting {
    /// Whether new volumes and snapshots are encrypted.
    EbsEncryptionByDefault,
    /// The key that they are encrypted under.
    EbsDefaultKey,
    /// Block public access for AMIs.
    ImagePublicAccess,
    /// Block public access for snapshots.
    SnapshotPublicAccess,
    /// Allowed AMIs.
    AllowedImages,
    /// The criteria of Allowed AMIs.
    AllowedImageCriteria,
}

impl Setting {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::EbsEncryptionByDefault,
        Self::EbsDefaultKey,
        Self::ImagePublicAccess,
        Self::SnapshotPublicAccess,
        Self::AllowedImages,
        Self::AllowedImageCriteria,
    ];

    /// The name in a world file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EbsEncryptionByDefault => "ebsEncryptionByDefault",
            Self::EbsDefaultKey => "ebsDefaultKey",
            Self::ImagePublicAccess => "imagePublicAccess",
            Self::SnapshotPublicAccess => "snapshotPublicAccess",
            Self::AllowedImages => "allowedImages",
            Self::AllowedImageCriteria => "allowedImageCriteria",
        }
    }

    /// The operation that tells it.
    pub const fn told_by(self) -> &'static str {
        match self {
            Self::EbsEncryptionByDefault => "GetEbsEncryptionByDefault",
            Self::EbsDefaultKey => "GetEbsDefaultKmsKeyId",
            Self::ImagePublicAccess => "GetImageBlockPublicAccessState",
            Self::SnapshotPublicAccess => "GetSnapshotBlockPublicAccessState",
            Self::AllowedImages | Self::AllowedImageCriteria => "GetAllowedImagesSettings",
        }
    }

    /// Whether a declarative policy can set it: there is none of encryption.
    pub const fn is_of_policies(self) -> bool {
        !matches!(self, Self::EbsEncryptionByDefault | Self::EbsDefaultKey)
    }

    /// What it is set to, in a word.
    pub fn of(self, set: &Guardrails) -> String {
        match self {
            Self::EbsEncryptionByDefault => set.ebs_encryption_by_default.to_string(),
            Self::EbsDefaultKey => set.ebs_default_key.as_deref().unwrap_or(EBS_ALIAS).to_owned(),
            Self::ImagePublicAccess => set.image_access().to_owned(),
            Self::SnapshotPublicAccess => set.snapshot_access().to_owned(),
            Self::AllowedImages => set.allowed_images.as_deref().unwrap_or("disabled").to_owned(),
            Self::AllowedImageCriteria => serde_json::to_string(&set.allowed_image_criteria).unwrap_or_default(),
        }
    }

    /// Sets it as it is elsewhere.
    pub(crate) fn take(self, from: &Guardrails, to: &mut Guardrails) {
        match self {
            Self::EbsEncryptionByDefault => to.ebs_encryption_by_default = from.ebs_encryption_by_default,
            Self::EbsDefaultKey => to.ebs_default_key.clone_from(&from.ebs_default_key),
            Self::ImagePublicAccess => to.image_public_access.clone_from(&from.image_public_access),
            Self::SnapshotPublicAccess => to.snapshot_public_access.clone_from(&from.snapshot_public_access),
            Self::AllowedImages => to.allowed_images.clone_from(&from.allowed_images),
            Self::AllowedImageCriteria => to.allowed_image_criteria.clone_from(&from.allowed_image_criteria),
        }
    }
}

/// A setting that was set, and neither shows nor holds before a time.
#[derive(Clone, Debug, PartialEq)]
pub struct LateSetting {
    /// Which.
    pub setting: Setting,
    /// The settings of which it is one.
    pub to: Guardrails,
    /// From when on it shows and holds.
    pub at: SimTime,
}

/// One time that a setting was set, or that a call has tried to.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingChange {
    /// Which.
    pub setting: Setting,
    /// The number of the call; absent: an edit.
    pub call: Option<u64>,
    /// When.
    pub at: SimTime,
    /// From when on it shows.
    pub shows_at: SimTime,
    /// What it was set to, in a word.
    pub after: String,
    /// A declarative policy held it, and nothing was set: how many calls there had been when that began.
    pub held_since: Option<u64>,
    /// Who may not use the default key or why nobody can, and how many calls there had been when that began.
    pub barred: Option<(String, u64)>,
    /// An image that something launches and that is hidden by it, and how many calls there had been when people last changed what launches.
    pub refuses: Option<(String, u64)>,
}

impl Guardrails {
    /// Block public access for AMIs.
    pub fn image_access(&self) -> &str {
        self.image_public_access.as_deref().unwrap_or("unblocked")
    }

    /// Block public access for snapshots.
    pub fn snapshot_access(&self) -> &str {
        self.snapshot_public_access.as_deref().unwrap_or("unblocked")
    }
}

impl Region {
    /// The settings as they were set, whether that shows yet or not.
    pub fn guardrails_asked(&self) -> Guardrails {
        let mut asked = self.guardrails.clone();
        for late in &self.late_settings {
            late.setting.take(&late.to, &mut asked);
        }
        asked
    }
}
