//! What the policies say besides what they say when they say nothing, and how many calls that is to cost.

use serde_json::{Value, json};

use crate::world::IMAGES;

/// Settings whose cost is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settings {
    /// What a policy says when it says nothing: scans, and who uses the images.
    Defaults,
    /// The same, with a look for new images each minute.
    NewImages,
    /// That, with guardrails that are held, and findings by the usual thresholds.
    Everything,
}

impl Settings {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Defaults, Self::NewImages, Self::Everything];

    /// As the figures name them.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Defaults => "defaults",
            Self::NewImages => "newImages",
            Self::Everything => "newImages, guardrails, audit",
        }
    }

    /// The fields of a policy's spec.
    pub(crate) fn fields(self) -> Vec<(&'static str, Value)> {
        let new_images = || ("newImages", json!({"lookEvery": "1m"}));
        match self {
            Self::Defaults => Vec::new(),
            Self::NewImages => vec![new_images()],
            Self::Everything => {
                let guardrails = json!({
                    "ebsEncryptionByDefault": "Enforce",
                    "imageBlockPublicAccess": "Enforce",
                    "snapshotBlockPublicAccess": "Enforce",
                    "allowedImages": {"mode": "Audit"},
                });
                vec![new_images(), ("guardrails", guardrails), ("audit", json!({}))]
            }
        }
    }

    /// How many calls of which kind a silent target makes in an interval of scans, as the documents say.
    pub(crate) fn documented(self) -> Vec<(&'static str, f64)> {
        let images = f64::from(IMAGES);
        let mut calls = vec![
            ("a scan: DescribeImages, DescribeSnapshots, DescribeKey", 3.0),
            // Launch templates and Image Builder have two lists.
            ("lists of eleven kinds of consumers", 13.0),
            (
                "DescribeImageReferences, for each ten images that nobody is known to use",
                (images / 10.0).ceil(),
            ),
            (
                "DescribeImageAttribute, for each image that nobody is known to use",
                images,
            ),
            ("AssumeRole, once an hour", 0.25),
        ];
        if self != Self::Defaults {
            calls.push(("DescribeImages, a look each minute", 15.0));
        }
        if self == Self::Everything {
            calls.push(("four guardrails and the default key", 5.0));
            // DescribeKey and GetKeyRotationStatus of the one key.
            calls.push(("audit: four settings, public snapshots, trails, a key", 8.0));
        }
        calls
    }
}

/// How many calls these are.
pub(crate) fn sum(calls: &[(&'static str, f64)]) -> f64 {
    calls.iter().map(|(_, count)| count).sum()
}
