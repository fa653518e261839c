//! What Amazon Inspector has found in an image, as DescribeImages tells it, and the scans that it was asked for.

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

/// An on-demand scan of an image.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandScan {
    /// Its ID.
    pub id: String,
    /// The image.
    pub image: String,
    /// The client token of the call.
    pub client_token: Option<String>,
    /// When it was started.
    pub started: SimTime,
    /// From when on it shows.
    pub visible_at: SimTime,
    /// When it has ended; absent while it has not.
    pub completed: Option<SimTime>,
    /// Why it has failed, as in `UNSUPPORTED_OS`; absent where it has not.
    pub failure: Option<String>,
}

impl OnDemandScan {
    /// Whether it has ended with a result.
    pub const fn is_successful(&self) -> bool {
        self.completed.is_some() && self.failure.is_none()
    }

    /// As Amazon Inspector calls how far it is.
    pub const fn status(&self) -> &'static str {
        match (&self.completed, &self.failure) {
            (None, _) => "IN_PROGRESS",
            (Some(_), None) => "SUCCESSFUL",
            (Some(_), Some(_)) => "FAILED",
        }
    }
}
