//! What is shown of looks for new images between two scans.

use prometheus::IntCounterVec;
use prometheus::core::Collector;

use super::counters;
use super::targets::{Labels, TARGET};
use crate::api::AMIEncryptionTargetSpec;
use crate::plan::look::LookResult;

/// How a target's looks have ended.
#[derive(Debug, Clone)]
pub(super) struct LookMetrics {
    looks: IntCounterVec,
}

impl LookMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let labels: Vec<&str> = TARGET.into_iter().chain(["result"]).collect();
        Ok(Self {
            looks: counters(
                "amiseal_looks_total",
                "Looks for new images between two scans: found where images were taken in, nothing where none were, failed where AWS could not be read. Nothing where the policy asks for no looks, and under suspend.",
                &labels,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.looks.clone())]
    }

    /// Shows a target that is looked at from 0 on: Prometheus sees the first failure only where it has seen 0 before.
    pub(super) fn observe(&self, labels: &Labels<'_>, spec: &AMIEncryptionTargetSpec) {
        if spec.new_images.is_none() || spec.suspend {
            self.forget(labels);
            return;
        }
        for result in LookResult::ALL {
            self.looks.with_label_values(&with(labels, result));
        }
    }

    /// Counts a look.
    pub(super) fn looked(&self, labels: &Labels<'_>, result: LookResult) {
        self.looks.with_label_values(&with(labels, result)).inc();
    }

    /// Takes back what was shown.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        for result in LookResult::ALL {
            // A series that was never set cannot be removed, which is as well.
            let _ = self.looks.remove_label_values(&with(labels, result));
        }
    }
}

fn with<'l>(labels: &Labels<'l>, result: LookResult) -> [&'l str; 4] {
    [labels[0], labels[1], labels[2], result.as_str()]
}
