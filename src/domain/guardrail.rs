//! Settings of a region that keep people from launching or sharing what they should not.

use std::fmt;

use super::AwsError;

/// A setting of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guardrail {
    /// New volumes are encrypted (`GetEbsEncryptionByDefault`).
    EncryptionByDefault,
    /// Images cannot be made public (`GetImageBlockPublicAccessState`).
    ImageBlockPublicAccess,
    /// Snapshots cannot be made public (`GetSnapshotBlockPublicAccessState`).
    SnapshotBlockPublicAccess,
    /// Only images of trusted owners can be launched (`GetAllowedImagesSettings`).
    AllowedImages,
}

impl Guardrail {
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

/// How a setting was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardrailState {
    /// Which one.
    pub guardrail: Guardrail,
    /// As AWS names its state, such as `block-new-sharing`; or why it could not be read.
    pub state: Result<Box<str>, AwsError>,
    /// Whether it holds: nothing that it is for is possible any more.
    pub holds: bool,
}
