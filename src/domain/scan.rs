//! What Amazon Inspector has found in an image, and the scans that it is asked for.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ImageId;

/// The last scan of an image (`ScanResults`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageScan {
    /// When it was.
    pub scanned: Option<Timestamp>,
    /// The worst that it has found, whether or not that has a fix.
    pub worst: WorstFinding,
    /// Since when the first finding of each severity has a fix; a severity of which no finding has one is not in it.
    pub fix_available_since: BTreeMap<Vulnerability, Timestamp>,
}

/// The worst that a scan has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WorstFinding {
    /// It has found nothing.
    #[default]
    Nothing,
    /// Something of this severity.
    Of(Vulnerability),
    /// Something of a severity that this version does not know.
    Unknown(Box<str>),
}

/// How bad a vulnerability is, by Amazon Inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vulnerability {
    /// A CVSS score of 0.
    Informational,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0.
    Critical,
}

impl Vulnerability {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Informational];

    /// As AWS names it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "informational",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

/// An on-demand scan to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanRequest {
    /// The image.
    pub image: ImageId,
    /// Makes the call safe to repeat; up to 64 ASCII characters.
    pub client_token: String,
}

/// Which on-demand scan of an image is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanRef {
    /// The last one, whoever has asked for it.
    Last(ImageId),
    /// The one with this ID.
    Id(ImageId, Box<str>),
}

/// What AWS shows of an on-demand scan just now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanNow {
    /// Its ID.
    pub id: Box<str>,
    /// When it was started.
    pub started: Timestamp,
    /// How far it is.
    pub progress: ScanProgress,
}

/// How far an on-demand scan is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScanProgress {
    /// It has not ended, as far as is known.
    InProgress,
    /// It has ended with a result.
    Successful,
    /// It has ended without one, for this reason of AWS's, such as `UNSUPPORTED_OS`.
    Failed(Box<str>),
}
