//! GetKeyRotationStatus: whether KMS makes new key material every year, or however often it was asked to.

use serde_json::json;

use super::policies::key;
use crate::engine::{Done, Outcome, Request, State};
use crate::wire::ApiError;

/// Days from one rotation to the next, where nobody has said otherwise.
const PERIOD: u32 = 365;

/// Runs GetKeyRotationStatus. Keys that AWS manages are always rotated, keys that are pending deletion never, and of keys whose
/// material KMS cannot make anew there is no status.
pub(super) fn status(state: &State, request: &Request) -> Outcome {
    let key = key(state, request, "kms:GetKeyRotationStatus")?;
    if key.spec != "SYMMETRIC_DEFAULT" || key.origin != "AWS_KMS" || key.state == "PendingImport" {
        return Err(ApiError::new("UnsupportedOperationException", ""));
    }
    let is_on = key.manager == "AWS" || (key.rotation && key.state != "PendingDeletion");
    let mut answer = json!({ "KeyId": key.arn, "KeyRotationEnabled": is_on });
    if is_on {
        answer["RotationPeriodInDays"] = json!(PERIOD);
    }
    Ok(Done::json(answer))
}
