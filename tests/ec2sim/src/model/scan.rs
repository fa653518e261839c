//! What Amazon Inspector has found in an image, as DescribeImages tells it.

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;

/// The results of the last scan.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Scan {
    /// The highest severity of all findings: `informational`, `low`, `medium`, `high` or `critical`.
    pub highest: Option<String>,
    /// When it was.
    pub scanned: Option<SimTime>,
    /// Since when findings have a fix.
    pub fix_available_since: FixAvailableSince,
}

/// Since when the first finding of each severity has a fix; absent where none has.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FixAvailableSince {
    /// Of severity informational.
    pub informational: Option<SimTime>,
    /// Of severity low.
    pub low: Option<SimTime>,
    /// Of severity medium.
    pub medium: Option<SimTime>,
    /// Of severity high.
    pub high: Option<SimTime>,
    /// Of severity critical.
    pub critical: Option<SimTime>,
}
