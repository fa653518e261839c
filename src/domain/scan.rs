//! What Amazon Inspector has found in an image.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The last scan of an image (`ScanResults`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageScan {
    /// When it was.
    pub scanned: Option<Timestamp>,
    /// Since when the first finding of each severity has a fix; a severity of which no finding has one is not in it.
    pub fix_available_since: BTreeMap<Vulnerability, Timestamp>,
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
