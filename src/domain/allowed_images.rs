//! Which images of others can be launched in a region: the settings of Allowed AMIs.

use std::collections::BTreeSet;

/// The settings of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedImages {
    /// Whether they refuse, or would.
    pub state: AllowedState,
    /// An image that meets one of these is allowed.
    pub criteria: Vec<ImageCriterion>,
}

/// What a region does with images that no criterion allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedState {
    /// Launches them.
    Disabled,
    /// Launches them, and shows that it would not.
    AuditMode,
    /// Refuses them.
    Enabled,
    /// A state that this version does not know.
    Other(Box<str>),
}

impl AllowedState {
    /// The state of this name.
    pub fn named(name: &str) -> Self {
        match name {
            "disabled" => Self::Disabled,
            "audit-mode" => Self::AuditMode,
            "enabled" => Self::Enabled,
            other => Self::Other(other.into()),
        }
    }
}

/// What an image has to be: everything that is said here, and of a list one of the values.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageCriterion {
    /// Account IDs and aliases of owners.
    pub providers: Vec<Box<str>>,
    /// Names, with the wildcards `*` and `?`.
    pub names: Vec<Box<str>>,
    /// Product codes of AWS Marketplace.
    pub product_codes: Vec<Box<str>>,
    /// For how many days it may be deprecated.
    pub max_days_since_deprecated: Option<i32>,
    /// How many days old it may be.
    pub max_days_since_created: Option<i32>,
    /// Watermarks.
    pub watermarks: Vec<WatermarkFilter>,
    /// What Amazon Inspector may have found in it.
    pub scan: Option<ScanFilter>,
}

/// A watermark that an image has to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatermarkFilter {
    /// The key, with the wildcards `*` and `?`.
    pub key: Option<Box<str>>,
    /// The region of the image that it was put on, with wildcards too.
    pub region: Option<Box<str>>,
    /// How many days old that image may be.
    pub max_days_since_image_created: Option<i32>,
    /// How many days old the watermark may be.
    pub max_days_since_created: Option<i32>,
}

impl WatermarkFilter {
    /// Whether it says more of the watermark than its key.
    pub fn is_narrower(&self) -> bool {
        self.region.is_some() || self.max_days_since_image_created.is_some() || self.max_days_since_created.is_some()
    }
}

/// What Amazon Inspector may have found in an image. What it has not scanned is not allowed.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScanFilter {
    /// The worst severity, as AWS names it.
    pub max_severity: Option<Box<str>>,
    /// How many days old the last scan may be.
    pub max_days_since_scan: Option<i32>,
    /// For how many days a finding may have a fix, by severity: informational, low, medium, high, critical.
    pub max_days_since_fix: [Option<i32>; 5],
}

/// Whether two lists of criteria allow the same images, as far as they are written: their order is of no meaning to AWS.
pub fn are_same_criteria(one: &[ImageCriterion], other: &[ImageCriterion]) -> bool {
    let as_sets = |all: &[ImageCriterion]| -> BTreeSet<ImageCriterion> { all.iter().map(in_order).collect() };
    as_sets(one) == as_sets(other)
}

fn in_order(criterion: &ImageCriterion) -> ImageCriterion {
    let mut ordered = criterion.clone();
    for texts in [&mut ordered.providers, &mut ordered.names, &mut ordered.product_codes] {
        texts.sort();
        texts.dedup();
    }
    ordered.watermarks.sort();
    ordered.watermarks.dedup();
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_in_another_order_are_the_same_and_one_that_says_more_is_not() {
        let of = |providers: &[&str], names: &[&str]| ImageCriterion {
            providers: providers.iter().map(|one| (*one).into()).collect(),
            names: names.iter().map(|one| (*one).into()).collect(),
            ..ImageCriterion::default()
        };
        let (first, second) = (of(&["amazon", "111122223333"], &[]), of(&[], &["golden-*"]));
        let turned = of(&["111122223333", "amazon", "amazon"], &[]);
        assert!(are_same_criteria(
            &[first.clone(), second.clone()],
            &[second.clone(), turned]
        ));
        for other in [
            vec![first.clone()],
            vec![first.clone(), of(&[], &["golden-*", "web"])],
            vec![of(&["amazon"], &[]), second.clone()],
            vec![],
        ] {
            assert!(
                !are_same_criteria(&[first.clone(), second.clone()], &other),
                "{other:?}"
            );
        }
        let filter = |region: Option<&str>| ImageCriterion {
            watermarks: vec![WatermarkFilter {
                key: Some("111122223333:ok".into()),
                region: region.map(Into::into),
                ..WatermarkFilter::default()
            }],
            ..ImageCriterion::default()
        };
        assert!(!are_same_criteria(&[filter(None)], &[filter(Some("eu-west-1"))]));
        assert!(filter(Some("eu-west-1")).watermarks[0].is_narrower());
    }
}
