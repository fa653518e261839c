//! What is shown of looks for new images between two scans.

use super::targets::OfTarget;
use crate::api::AMIEncryptionTargetSpec;
use crate::plan::look::LookResult;

pub(super) const SERIES: &[OfTarget] = &[
    OfTarget::counter(
        "amiseal_looks_total",
        "Looks for new images between two scans: found where images were taken in, nothing where none were, failed where AWS could not be read. Nothing where the policy asks for no looks, and under suspend.",
        &["result"],
        |target, to| {
            for (result, count) in LookResult::ALL.into_iter().zip(target.looks.counts) {
                to.maybe(&[result.as_str()], count);
            }
        },
    ),
    OfTarget::gauge(
        "amiseal_new_images_looked_for",
        "Whether looks for new images succeed: 1, or 0 once three in a row have failed or a person has to act. Nothing where the policy asks for no looks, while scans fail, and under suspend.",
        &[],
        |target, to| to.maybe(&[], target.looks.succeed),
    ),
];

/// How a target's looks have ended, and whether they go on to fail.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// One for each result.
    counts: [Option<f64>; LookResult::ALL.len()],
    succeed: Option<bool>,
}

impl Looks {
    /// Shows a target that is looked at from 0 on: Prometheus sees the first failure only where it has seen 0 before.
    pub(super) fn observe(&mut self, spec: &AMIEncryptionTargetSpec) {
        if spec.new_images.is_none() || spec.suspend {
            *self = Self::default();
            return;
        }
        for count in &mut self.counts {
            count.get_or_insert(0.0);
        }
    }

    /// Shows whether looks succeed.
    pub(super) fn show(&mut self, spec: &AMIEncryptionTargetSpec, succeed: Option<bool>) {
        self.succeed = succeed.filter(|_| spec.new_images.is_some() && !spec.suspend);
    }

    /// Counts a look.
    pub(super) fn looked(&mut self, result: LookResult) {
        for (of, count) in LookResult::ALL.into_iter().zip(&mut self.counts) {
            if of == result {
                *count.get_or_insert(0.0) += 1.0;
            }
        }
    }
}
