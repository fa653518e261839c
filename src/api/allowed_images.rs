//! Allowed AMIs: what a policy wants of them.

use std::fmt;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{GuardrailMode, InspectorSeverity, rules};
use crate::domain::{AllowedImages, AllowedState, ImageCriterion, ScanFilter, WatermarkFilter};

/// Allowed AMIs. `Enforce` sets the criteria and then the state: `AuditMode` first, which refuses nothing, and `Enabled` only where it is
/// known that it would refuse nothing that is in use. An account's own images AWS always allows. They are never turned off, nor from
/// `enabled` back to `audit-mode`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::enforced_images_have_criteria()
)]
pub struct AllowedImagesSettings {
    /// `Enforce`: criteria and state are set. `Audit`: they are only reported. `Ignore`: they are not even read.
    #[serde(default)]
    pub mode: GuardrailMode,
    /// `AuditMode`: AWS says of each image whether the criteria allow it, and refuses none. `Enabled`: it refuses those that they do
    /// not allow. amiseal sets that only from `AuditMode`, at least 15 minutes after it has set anything of Allowed AMIs.
    #[serde(default)]
    pub state: AllowedImagesState,
    /// The images that are allowed: those that meet at least one of these criteria, which are at most 10. They replace those of the
    /// account and region. `Enforce` takes at least one. Absent: `enabled` holds with whatever criteria.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub criteria: Vec<AllowedImageCriterion>,
}

impl AllowedImagesSettings {
    /// What they are to be; nothing where the policy does not say it.
    #[must_use]
    pub fn wanted(&self) -> Option<AllowedImages> {
        (!self.criteria.is_empty()).then(|| AllowedImages {
            state: match self.state {
                AllowedImagesState::AuditMode => AllowedState::AuditMode,
                AllowedImagesState::Enabled => AllowedState::Enabled,
            },
            criteria: self.criteria.iter().map(ImageCriterion::from).collect(),
        })
    }
}

/// Reads them. Objects that are stored may still have the mode alone, as a text: the API server takes that no more, and one object that
/// could not be read would keep all others from being seen.
pub(super) fn settings_or_mode<'de, D: Deserializer<'de>>(from: D) -> Result<AllowedImagesSettings, D::Error> {
    from.deserialize_any(SettingsOrMode)
}

struct SettingsOrMode;

impl<'de> Visitor<'de> for SettingsOrMode {
    type Value = AllowedImagesSettings;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an object such as {mode: Audit}")
    }

    fn visit_str<E: Error>(self, mode: &str) -> Result<Self::Value, E> {
        let mode: StrDeserializer<'_, E> = mode.into_deserializer();
        Ok(AllowedImagesSettings {
            mode: GuardrailMode::deserialize(mode)?,
            ..AllowedImagesSettings::default()
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, settings: A) -> Result<Self::Value, A::Error> {
        AllowedImagesSettings::deserialize(MapAccessDeserializer::new(settings))
    }
}

/// What AWS does with images that no criterion allows.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllowedImagesState {
    /// It shows that they are not allowed.
    #[default]
    AuditMode,
    /// It refuses them.
    Enabled,
}

/// One way to be allowed, as AWS has it: an image must meet every field that is given, and of a list one of its values.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::criterion_says_something()
)]
pub struct AllowedImageCriterion {
    /// Whose images are allowed: account IDs, `amazon`, `aws-marketplace` or `aws-backup-vault`. Or `none` alone: nobody else's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::image_providers())]
    #[x_kube(validation = rules::no_provider_is_alone())]
    pub image_providers: Vec<String>,
    /// Names of images: `*` stands for any characters, `?` for exactly one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::image_names())]
    pub image_names: Vec<String>,
    /// Product codes of AWS Marketplace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 25)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::product_codes())]
    pub marketplace_product_codes: Vec<String>,
    /// For how long an image may be deprecated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecation_time_condition: Option<DeprecationTimeCondition>,
    /// How old an image may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creation_date_condition: Option<CreationDateCondition>,
    /// Watermarks, one of which the image must have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub image_watermarks: Vec<ImageWatermarkFilter>,
    /// What Amazon Inspector may have found in the image. What it has not scanned is not allowed. amiseal does not compare it: while
    /// somebody uses an image of another account that only such a criterion could allow, it does not set `enabled`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_result_condition: Option<ScanResultCondition>,
}

/// For how long an image may be deprecated.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DeprecationTimeCondition {
    /// So many days, at most 100,000. `0`: it must not be deprecated.
    #[schemars(range(min = 0, max = 100_000))]
    pub maximum_days_since_deprecated: i32,
}

/// How old an image may be.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CreationDateCondition {
    /// So many days, at most 100,000.
    #[schemars(range(min = 0, max = 100_000))]
    pub maximum_days_since_created: i32,
}

/// A watermark: every field that is given must match.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::watermark_says_something()
)]
pub struct ImageWatermarkFilter {
    /// The account that made it and its name, such as `111122223333:golden`, with the wildcards `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    #[x_kube(validation = rules::watermark_key())]
    pub watermark_key: Option<String>,
    /// The region of the image that it was put on, with the wildcards `*` and `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(validation = rules::source_image_region())]
    pub source_image_region: Option<String>,
    /// How many days old that image may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub maximum_days_since_source_image_created: Option<i32>,
    /// How many days ago the watermark may have been put on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub maximum_days_since_watermark_created: Option<i32>,
}

/// What Amazon Inspector may have found in an image.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = rules::scan_says_something()
)]
pub struct ScanResultCondition {
    /// The worst severity that its last scan may have found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_severity_label: Option<InspectorSeverity>,
    /// How many days old its last scan may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_last_finding_scan: Option<i32>,
    /// For how many days an informational finding may have a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_informational_fix_available: Option<i32>,
    /// For how many days a finding of low severity may have a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_low_fix_available: Option<i32>,
    /// For how many days a finding of medium severity may have a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_medium_fix_available: Option<i32>,
    /// For how many days a finding of high severity may have a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_high_fix_available: Option<i32>,
    /// For how many days a critical finding may have a fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000))]
    pub max_days_since_critical_fix_available: Option<i32>,
}

impl From<&AllowedImageCriterion> for ImageCriterion {
    fn from(of: &AllowedImageCriterion) -> Self {
        let texts = |of: &[String]| -> Vec<Box<str>> { of.iter().map(|text| text.as_str().into()).collect() };
        let deprecated = of.deprecation_time_condition;
        let created = of.creation_date_condition;
        Self {
            providers: texts(&of.image_providers),
            names: texts(&of.image_names),
            product_codes: texts(&of.marketplace_product_codes),
            max_days_since_deprecated: deprecated.map(|condition| condition.maximum_days_since_deprecated),
            max_days_since_created: created.map(|condition| condition.maximum_days_since_created),
            watermarks: of.image_watermarks.iter().map(WatermarkFilter::from).collect(),
            scan: of.scan_result_condition.map(ScanFilter::from),
        }
    }
}

impl From<&ImageWatermarkFilter> for WatermarkFilter {
    fn from(of: &ImageWatermarkFilter) -> Self {
        Self {
            key: of.watermark_key.as_deref().map(Into::into),
            region: of.source_image_region.as_deref().map(Into::into),
            max_days_since_image_created: of.maximum_days_since_source_image_created,
            max_days_since_created: of.maximum_days_since_watermark_created,
        }
    }
}

impl From<ScanResultCondition> for ScanFilter {
    fn from(of: ScanResultCondition) -> Self {
        // AWS has the same names, in small letters.
        let severity = of
            .maximum_severity_label
            .map(|severity| severity.as_str().to_ascii_lowercase());
        Self {
            max_severity: severity.map(String::into_boxed_str),
            max_days_since_scan: of.max_days_since_last_finding_scan,
            max_days_since_fix: [
                of.max_days_since_informational_fix_available,
                of.max_days_since_low_fix_available,
                of.max_days_since_medium_fix_available,
                of.max_days_since_high_fix_available,
                of.max_days_since_critical_fix_available,
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_wanted_is_what_the_policy_says_and_nothing_without_criteria() {
        let settings: AllowedImagesSettings = serde_json::from_value(json!({
            "mode": "Enforce",
            "state": "Enabled",
            "criteria": [
                {
                    "imageProviders": ["amazon", "111122223333"],
                    "imageNames": ["golden-*"],
                    "marketplaceProductCodes": ["abc"],
                    "deprecationTimeCondition": {"maximumDaysSinceDeprecated": 0},
                    "creationDateCondition": {"maximumDaysSinceCreated": 90},
                },
                {
                    "imageWatermarks": [{"watermarkKey": "111122223333:ok", "maximumDaysSinceWatermarkCreated": 7}],
                    "scanResultCondition": {"maximumSeverityLabel": "High", "maxDaysSinceCriticalFixAvailable": 3},
                },
            ],
        }))
        .expect("settings");
        let wanted = settings.wanted().expect("they say it");
        assert_eq!(wanted.state, AllowedState::Enabled);
        let [first, second] = &wanted.criteria[..] else {
            panic!("{wanted:?}")
        };
        let providers: Vec<&str> = first.providers.iter().map(|one| &**one).collect();
        assert_eq!(providers, ["amazon", "111122223333"]);
        assert_eq!(
            (first.max_days_since_deprecated, first.max_days_since_created),
            (Some(0), Some(90))
        );
        assert_eq!(second.watermarks[0].max_days_since_created, Some(7));
        let scan = second.scan.clone().expect("a condition");
        assert_eq!(scan.max_severity.as_deref(), Some("high"));
        assert_eq!(scan.max_days_since_fix, [None, None, None, None, Some(3)]);
        assert_eq!(AllowedImagesSettings::default().wanted(), None);
    }
}
