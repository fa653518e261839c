//! Settings of a region that keep people from launching or sharing what they should not.

use std::fmt;

use super::{AwsError, ImageCriterion, KeyArn, Operation};

/// A setting of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guardrail {
    /// New volumes are encrypted (`GetEbsEncryptionByDefault`).
    EncryptionByDefault,
    /// Images cannot be made public (`GetImageBlockPublicAccessState`).
    ImageBlockPublicAccess,
    /// Snapshots cannot be made public (`GetSnapshotBlockPublicAccessState`).
    SnapshotBlockPublicAccess,
    /// Only images that a criterion allows can be launched (`GetAllowedImagesSettings`).
    AllowedImages,
}

impl Guardrail {
    /// All of them, in the order in which statuses list them.
    pub const ALL: [Self; 4] = [
        Self::EncryptionByDefault,
        Self::ImageBlockPublicAccess,
        Self::SnapshotBlockPublicAccess,
        Self::AllowedImages,
    ];

    /// As reports name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EncryptionByDefault => "EncryptionByDefault",
            Self::ImageBlockPublicAccess => "ImageBlockPublicAccess",
            Self::SnapshotBlockPublicAccess => "SnapshotBlockPublicAccess",
            Self::AllowedImages => "AllowedImages",
        }
    }
}

impl fmt::Display for Guardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whose a setting is to change, as AWS says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ManagedBy {
    /// The account's.
    Account,
    /// A declarative policy of the organization holds it, and nobody in the account can change it.
    DeclarativePolicy,
}

/// How a setting was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardrailState {
    /// Which one.
    pub guardrail: Guardrail,
    /// As AWS names its state, such as `block-new-sharing`; or why it could not be read.
    pub state: Result<Box<str>, AwsError>,
    /// Whether it holds: nothing that it is for is possible any more.
    pub holds: bool,
    /// Whose it is to change; none where AWS does not say it, as of encryption.
    pub managed_by: Option<ManagedBy>,
    /// Of Allowed AMIs, the criteria.
    pub criteria: Vec<ImageCriterion>,
}

/// A call that sets one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuardrailChange {
    /// What nobody names a key for is encrypted under this one.
    DefaultKey(KeyArn),
    /// New volumes and copies of snapshots are encrypted.
    EncryptionByDefault,
    /// No image can be made public.
    BlockImages,
    /// No snapshot can be made public.
    BlockSnapshots,
    /// These are the criteria of Allowed AMIs, and no others.
    ImageCriteria(Vec<ImageCriterion>),
    /// AWS says of each image whether the criteria allow it, and refuses none.
    AuditImages,
    /// Images of others that no criterion allows are refused.
    RefuseImages,
}

impl GuardrailChange {
    /// The call.
    pub const fn operation(&self) -> Operation {
        match self {
            Self::DefaultKey(_) => Operation::ModifyEbsDefaultKmsKeyId,
            Self::EncryptionByDefault => Operation::EnableEbsEncryptionByDefault,
            Self::BlockImages => Operation::EnableImageBlockPublicAccess,
            Self::BlockSnapshots => Operation::EnableSnapshotBlockPublicAccess,
            Self::ImageCriteria(_) => Operation::ReplaceImageCriteriaInAllowedImagesSettings,
            Self::AuditImages | Self::RefuseImages => Operation::EnableAllowedImagesSettings,
        }
    }
}
