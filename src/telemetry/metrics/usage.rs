//! What is shown of the use of images in each account and region.

use super::targets::{OfTarget, bytes};
use crate::api::{AMIEncryptionTargetStatus, conditions};
use crate::domain::ConsumerKind;

const STATES: [&str; 3] = ["used", "unused", "unknown"];

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::gauge(
        "amiseal_image_usage",
        "Selected images by use: used, unused, or unknown where that cannot be said. Nothing before that was read, nor where the policy has it not read.",
        &["usage"],
        |target, to| {
            for (state, count) in STATES
                .into_iter()
                .zip(target.usage.iter().flat_map(|usage| usage.images))
            {
                to.put(&[state], count);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_image_consumers",
        "What can launch images of the account, by kind.",
        &["kind"],
        |target, to| {
            let counts = target.usage.iter().flat_map(|usage| usage.consumers);
            for (kind, count) in ConsumerKind::ALL.into_iter().zip(counts) {
                to.put(&[kind.as_str()], count);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_usage_known",
        "Whether everything was read that can launch images: 1 or 0. Nothing before that was read, where the policy has it not read, and under suspend.",
        &[],
        |target, to| to.maybe(&[], target.usage.as_ref().and_then(|usage| usage.known)),
    ),
    OfTarget::gauge(
        "amiseal_unused_image_bytes",
        "Size of the volumes of images that nobody uses, in bytes. Their snapshots take less.",
        &[],
        |target, to| to.maybe(&[], target.usage.as_ref().map(|usage| usage.unused_bytes)),
    ),
];

/// The use of a target's images.
#[derive(Debug)]
pub(super) struct Usage {
    /// One for each of the states.
    images: [u32; STATES.len()],
    /// One for each kind.
    consumers: [u32; ConsumerKind::ALL.len()],
    known: Option<bool>,
    unused_bytes: f64,
}

impl Usage {
    /// What a target says, if it says anything.
    pub(super) fn of(status: &AMIEncryptionTargetStatus, is_suspended: bool) -> Option<Self> {
        let usage = status.usage.as_ref()?;
        let count = |kind: ConsumerKind| {
            let row = usage.consumers.iter().find(|row| row.kind == kind.as_str());
            row.map_or(0, |row| row.count)
        };
        let known = conditions::is_true(&status.conditions, conditions::USAGE_KNOWN);
        Some(Self {
            images: [usage.used, usage.unused, usage.unknown],
            consumers: ConsumerKind::ALL.map(count),
            known: (!is_suspended).then_some(known),
            unused_bytes: bytes(usage.unused_gib),
        })
    }
}
