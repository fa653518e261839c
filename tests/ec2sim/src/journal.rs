//! What was called, by whom, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// Number, from 1.
    pub seq: u64,
    /// Simulated time of the call.
    pub time: SimTime,
    /// Real time; absent with a stepped clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real_time: Option<SimTime>,
    /// Account of the caller; empty when the caller is unknown.
    pub account: String,
    /// ARN of the caller, with the session's name.
    pub principal: String,
    /// Region.
    pub region: String,
    /// As in credential scopes: `ec2`, `kms`, `ssm`, …
    pub service: String,
    /// Operation.
    pub operation: String,
    /// Parameters by flat name.
    pub params: BTreeMap<String, String>,
    /// Whether it only asked for permission.
    pub dry_run: bool,
    /// `OK`, or the error code that the caller saw; `ConnectionDropped` when it saw none.
    pub outcome: String,
    /// HTTP status.
    pub status: u16,
    /// Whether the operation is one that changes things.
    pub mutating: bool,
    /// Whether it did change something.
    pub effect: bool,
    /// IDs of what it made or changed.
    pub effects: Vec<String>,
    /// When the effect happened, when that was later than the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_time: Option<SimTime>,
    /// The fault rule that struck.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Error codes that mean that IAM, a key policy or a trust policy said no.
pub(crate) const DENIALS: [&str; 3] = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException"];

/// Error codes that mean that there were too many calls.
pub(crate) const THROTTLES: [&str; 7] = [
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "EC2ThrottledException",
    "TooManyRequestsException",
    "CallRateLimitExceededException",
    "RequestThrottled",
];

impl Call {
    /// Whether the caller was not permitted.
    pub fn is_denied(&self) -> bool {
        DENIALS.contains(&self.outcome.as_str())
    }
}
