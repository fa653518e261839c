//! What amiseal does itself is no news to it.

use crate::api::AMIEncryptionTargetSpec;

/// Whether `by` is amiseal itself, in the role by which it works on this target.
pub fn is_own(by: &str, target: &AMIEncryptionTargetSpec) -> bool {
    let Some(role) = target.role_arn.as_deref().and_then(|arn| arn.rsplit('/').next()) else {
        return false;
    };
    let mut parts = by.splitn(6, ':').skip(2);
    let is_session = parts.next() == Some("sts") && parts.nth(1) == Some(target.account_id.as_str());
    let session = format!("assumed-role/{role}/amiseal-{}", target.policy);
    is_session && parts.next() == Some(session.as_str())
}
