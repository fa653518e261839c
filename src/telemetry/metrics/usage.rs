//! What is shown of the use of images in each account and region.

use prometheus::core::Collector;
use prometheus::{GaugeVec, IntGaugeVec};

use super::targets::{Labels, TARGET, show};
use super::{gauges, int_gauges};
use crate::api::{AMIEncryptionTargetStatus, UsageStatus, conditions};
use crate::domain::ConsumerKind;

const STATES: [&str; 3] = ["used", "unused", "unknown"];

#[derive(Debug, Clone)]
pub(super) struct UsageMetrics {
    images: IntGaugeVec,
    consumers: IntGaugeVec,
    known: IntGaugeVec,
    unused_bytes: GaugeVec,
}

impl UsageMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        let with = |last: &'static str| -> Vec<&'static str> { TARGET.into_iter().chain([last]).collect() };
        Ok(Self {
            images: int_gauges(
                "amiseal_image_usage",
                "Selected images by use: used, unused, or unknown where that cannot be said. Nothing before that was read, nor where the policy has it not read.",
                &with("usage"),
            )?,
            consumers: int_gauges(
                "amiseal_image_consumers",
                "What can launch images of the account, by kind.",
                &with("kind"),
            )?,
            known: int_gauges(
                "amiseal_usage_known",
                "Whether everything was read that can launch images: 1 or 0. Nothing before that was read, where the policy has it not read, and under suspend.",
                &TARGET,
            )?,
            unused_bytes: gauges(
                "amiseal_unused_image_bytes",
                "Size of the volumes of images that nobody uses, in bytes. Their snapshots take less.",
                &TARGET,
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.images.clone()),
            Box::new(self.consumers.clone()),
            Box::new(self.known.clone()),
            Box::new(self.unused_bytes.clone()),
        ]
    }

    /// Shows what a target says, or takes back what was shown of one that says nothing any more.
    pub(super) fn observe(&self, labels: &Labels<'_>, status: &AMIEncryptionTargetStatus, is_suspended: bool) {
        let Some(usage) = &status.usage else {
            self.forget(labels);
            return;
        };
        self.count(labels, usage);
        let known = conditions::is_true(&status.conditions, conditions::USAGE_KNOWN);
        show(&self.known, labels, (!is_suspended).then_some(known.into()));
        #[allow(
            clippy::cast_precision_loss,
            reason = "a gauge of storage needs no more than 53 bits"
        )]
        let bytes = usage.unused_gib as f64 * f64::from(1 << 30);
        self.unused_bytes.with_label_values(labels).set(bytes);
    }

    fn count(&self, labels: &Labels<'_>, usage: &UsageStatus) {
        let with = |last| [labels[0], labels[1], labels[2], last];
        for (state, count) in STATES.into_iter().zip([usage.used, usage.unused, usage.unknown]) {
            self.images.with_label_values(&with(state)).set(count.into());
        }
        for kind in ConsumerKind::ALL {
            let row = usage.consumers.iter().find(|row| row.kind == kind.as_str());
            let count = row.map_or(0, |row| row.count);
            self.consumers.with_label_values(&with(kind.as_str())).set(count.into());
        }
    }

    /// Takes back the series of a target. A series that was never set cannot be removed, which is as well.
    pub(super) fn forget(&self, labels: &Labels<'_>) {
        let with = |last| [labels[0], labels[1], labels[2], last];
        for state in STATES {
            let _ = self.images.remove_label_values(&with(state));
        }
        for kind in ConsumerKind::ALL {
            let _ = self.consumers.remove_label_values(&with(kind.as_str()));
        }
        let _ = self.known.remove_label_values(labels);
        let _ = self.unused_bytes.remove_label_values(labels);
    }
}
