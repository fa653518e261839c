//! What is shown of the settings of each account and region that policies have held.

use super::targets::OfTarget;
use crate::api::{AMIEncryptionTargetStatus, GuardrailName, GuardrailStatus, Mode};

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_guardrail_enforced",
        "Whether a guardrail that amiseal sets is as the policy asks for: 1 or 0. Nothing while that is not known, where it is only reported, and under suspend.",
        &["guardrail"],
        |target, to| {
            for (name, shown) in GuardrailName::ALL.into_iter().zip(&target.guardrails.0) {
                to.maybe(&[name.as_str()], shown.enforced);
            }
        },
    ),
    OfTarget::counter(
        "amiseal_guardrail_drifts_total",
        "How often a guardrail that amiseal sets was found undone after it held.",
        &["guardrail"],
        |target, to| {
            for (name, shown) in GuardrailName::ALL.into_iter().zip(&target.guardrails.0) {
                to.maybe(&[name.as_str()], shown.drifts);
            }
        },
    ),
];

/// A target's guardrails, one for each name.
#[derive(Debug, Default)]
pub(super) struct Guardrails([Guardrail; GuardrailName::ALL.len()]);

#[derive(Debug, Default)]
struct Guardrail {
    enforced: Option<bool>,
    drifts: Option<f64>,
}

impl Guardrails {
    /// Shows what a target says, or takes back what was shown of one that says nothing any more.
    pub(super) fn observe(&mut self, status: &AMIEncryptionTargetStatus, is_suspended: bool) {
        for (name, shown) in GuardrailName::ALL.into_iter().zip(&mut self.0) {
            let row = status.guardrails.iter().find(|row| row.name == name);
            let row = row.filter(|row| row.mode == Mode::Enforce && !is_suspended);
            shown.enforced = row.and_then(|row: &GuardrailStatus| row.holds);
            // Prometheus sees the first one only where it has seen 0 before.
            shown.drifts = row.map(|_| shown.drifts.unwrap_or(0.0));
        }
    }

    /// Counts that one was found undone.
    pub(super) fn drifted(&mut self, name: GuardrailName) {
        for (of, shown) in GuardrailName::ALL.into_iter().zip(&mut self.0) {
            if of == name {
                *shown.drifts.get_or_insert(0.0) += 1.0;
            }
        }
    }
}
