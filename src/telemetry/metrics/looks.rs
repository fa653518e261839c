//! What is shown of looks for new images between two scans.

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec};

use super::targets::{Labels, TARGET, show};
use super::{counters, int_gauges};
use crate::api::AMIEncryptionTargetSpec;
use crate::plan::look::LookResult;

/// How a target's looks have ended, and whether they go on to fail.
#[derive(Debug, Clone)]
pub(super) struct LookMetrics {
    looks: IntCounterVec,
    succeed: IntGaugeVec,
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
            succeed: int_gauges(
                "amiseal_new_images_looked_for",
                "Whether looks for new images succeed: 1, or 0 once three in a row have failed or a person has to act. Nothing where the policy asks for no looks, while scans fail, and under suspend.",
                &TARGET,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.looks.clone()), Box::new(self.succeed.clone())]
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

    /// Shows whether looks succeed.
    pub(super) fn show(&self, labels: &Labels<'_>, spec: &AMIEncryptionTargetSpec, succeed: Option<bool>) {
        let succeed = succeed.filter(|_| spec.new_images.is_some() && !spec.suspend);
        show(&self.succeed, labels, succeed.map(i64::from));
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
        let _ = self.succeed.remove_label_values(labels);
    }
}

fn with<'l>(labels: &Labels<'l>, result: LookResult) -> [&'l str; 4] {
    [labels[0], labels[1], labels[2], result.as_str()]
}
