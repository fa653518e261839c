//! What is shown of the settings of each account and region that policies have held.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::targets::{Labels, TARGET, show};
use super::{counters, int_gauges};
use crate::api::{AMIEncryptionTargetStatus, GuardrailName, GuardrailStatus, Mode};

#[derive(Debug, Clone)]
pub(super) struct GuardrailMetrics {
    enforced: IntGaugeVec,
    drifts: IntCounterVec,
}

impl GuardrailMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let labels: Vec<&str> = TARGET.into_iter().chain(["guardrail"]).collect();
        Ok(Self {
            enforced: int_gauges(
                "amiseal_guardrail_enforced",
                "Whether a guardrail that amiseal sets is as the policy asks for: 1 or 0. Nothing while that is not known, where it is only reported, and under suspend.",
                &labels,
            )?,
            drifts: counters(
                "amiseal_guardrail_drifts_total",
                "How often a guardrail that amiseal sets was found undone after it held.",
                &labels,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.enforced.clone()), Box::new(self.drifts.clone())]
    }

    /// Shows what a target says, or takes back what was shown of one that says nothing any more.
    pub(super) fn observe(&self, labels: &Labels<'_>, status: &AMIEncryptionTargetStatus, is_suspended: bool) {
        for name in GuardrailName::ALL {
            let row = status.guardrails.iter().find(|row| row.name == name);
            let row = row.filter(|row| row.mode == Mode::Enforce && !is_suspended);
            let labels = with(labels, name);
            let holds = row.and_then(|row: &GuardrailStatus| row.holds);
            show(&self.enforced, &labels, holds.map(i64::from));
            match row {
                // Prometheus sees the first one only where it has seen 0 before.
                Some(_) => drop(self.drifts.with_label_values(&labels)),
                // A series that was never set cannot be removed, which is as well.
                None => drop(self.drifts.remove_label_values(&labels)),
            }
        }
    }

    /// Counts that one was found undone.
    pub(super) fn drifted(&self, labels: &Labels<'_>, name: GuardrailName) {
        self.drifts.with_label_values(&with(labels, name)).inc();
    }

    /// Takes back the series of a target.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        self.observe(labels, &AMIEncryptionTargetStatus::default(), false);
    }
}

fn with<'l>(labels: &Labels<'l>, name: GuardrailName) -> [&'l str; 4] {
    [labels[0], labels[1], labels[2], name.as_str()]
}
