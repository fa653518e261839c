//! What a policy asks of a guardrail.

use crate::api::{AMIEncryptionTargetSpec, GuardrailMode, GuardrailName, Mode};
use crate::domain::Guardrail;

/// As statuses name it.
pub(super) fn name(guardrail: Guardrail) -> &'static str {
    GuardrailName::from(guardrail).as_str()
}

/// What is asked of a guardrail in an account and region; none where the policy has no guardrails at all.
///
/// What is to be enforced takes mode `Enforce` of the policy as well: without it, it is reported.
pub(super) fn mode(spec: &AMIEncryptionTargetSpec, guardrail: Guardrail) -> Option<GuardrailMode> {
    let settings = spec.guardrails.as_ref()?;
    Some(match settings.mode_of(guardrail) {
        GuardrailMode::Enforce if spec.mode == Mode::Audit => GuardrailMode::Audit,
        said => said,
    })
}

/// As policies write it.
pub(super) const fn mode_name(mode: GuardrailMode) -> &'static str {
    match mode {
        GuardrailMode::Enforce => "Enforce",
        GuardrailMode::Audit => "Audit",
        GuardrailMode::Ignore => "Ignore",
    }
}
