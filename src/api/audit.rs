//! Findings: what a policy allows, and what statuses say of what is wrong.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::status::sums;
use super::{Duration, rules};

/// So many findings are named in a target, the worst first.
pub const NAMED_FINDINGS: usize = 50;

/// The names of the checks, as the page of findings has them.
pub const CHECKS: [&str; 27] = [
    "allowed-amis-off",
    "cloudtrail-off",
    "deprecated-image-in-use",
    "disabled-image-in-use",
    "encryption-by-default-off",
    "image-public-access-not-blocked",
    "instance-of-missing-image",
    "key-disabled",
    "key-unusable-by-consumers",
    "key-without-rotation",
    "launches-missing-image",
    "launches-unencrypted-image",
    "missing-tags",
    "old-image",
    "older-than-template",
    "orphan-snapshot",
    "other-key-image",
    "public-image",
    "public-snapshot",
    "shared-outside",
    "snapshot-public-access-not-blocked",
    "stale-scan",
    "unencrypted-image",
    "unencrypted-orphan-snapshot",
    "untrusted-owner",
    "unused-image",
    "vulnerable-image",
];

/// What is allowed: whatever goes beyond it is a finding. Nothing of what is found is ever changed.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct AuditSettings {
    /// How old an image may be, as in `4320h`: at least `24h`. A copy is as old as what it was copied from. Absent: any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("maxImageAge"))]
    #[x_kube(validation = rules::duration_form("maxImageAge"))]
    pub max_image_age: Option<Duration>,
    /// Keys of the tags that every image has to have, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 127)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub required_tags: Vec<String>,
    /// Whose images may be launched, besides those of Amazon and of the policy's accounts: account IDs, `aws-marketplace` or
    /// `aws-backup-vault`, at most 100. Absent: `aws-marketplace`. Empty: nobody else's.
    #[serde(default = "aws_marketplace")]
    #[schemars(length(max = 100), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::trusted_owners())]
    pub trusted_owners: Vec<String>,
    /// With whom images may be shared, besides the policy's accounts: account IDs, and ARNs of organizations or of
    /// organizational units, at most 100. Absent: that is not looked for. Empty: with nobody else. To see with whom an image
    /// is shared costs a call for each image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), inner(length(max = 256)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::allowed_sharing())]
    pub allowed_sharing: Option<Vec<String>>,
    /// For how long vulnerabilities that Amazon Inspector knows may have a fix, by their severity. One that is absent is not
    /// looked for.
    #[serde(default, skip_serializing_if = "MaxFixAvailable::is_empty")]
    pub max_fix_available: MaxFixAvailable,
    /// How old the last scan of an image by Amazon Inspector may be, as in `720h`: at least `24h`. Absent: any age.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("maxScanAge"))]
    #[x_kube(validation = rules::duration_form("maxScanAge"))]
    pub max_scan_age: Option<Duration>,
    /// Names of the checks that are not made, such as `unused-image`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50), inner(length(max = 64)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = rules::check_names())]
    pub disabled_checks: Vec<String>,
}

fn aws_marketplace() -> Vec<String> {
    vec!["aws-marketplace".to_owned()]
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            max_image_age: None,
            required_tags: Vec::new(),
            trusted_owners: aws_marketplace(),
            allowed_sharing: None,
            max_fix_available: MaxFixAvailable::default(),
            max_scan_age: None,
            disabled_checks: Vec::new(),
        }
    }
}

/// For how long vulnerabilities of each severity may have a fix.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct MaxFixAvailable {
    /// Those with a CVSS score of 9.0 to 10.0, as in `336h`: at least `24h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("critical"))]
    #[x_kube(validation = rules::duration_form("critical"))]
    pub critical: Option<Duration>,
    /// Those with a score of 7.0 to 8.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("high"))]
    #[x_kube(validation = rules::duration_form("high"))]
    pub high: Option<Duration>,
    /// Those with a score of 4.0 to 6.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("medium"))]
    #[x_kube(validation = rules::duration_form("medium"))]
    pub medium: Option<Duration>,
    /// Those with a score of 0.1 to 3.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("low"))]
    #[x_kube(validation = rules::duration_form("low"))]
    pub low: Option<Duration>,
    /// Those with a score of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::a_day_at_least("informational"))]
    #[x_kube(validation = rules::duration_form("informational"))]
    pub informational: Option<Duration>,
}

impl MaxFixAvailable {
    /// Whether nothing is said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What is wrong in an account and region, as the last reading showed it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FindingsStatus {
    /// How many findings there are that are not exempt.
    #[serde(default)]
    pub total: u32,
    /// How many there are by check, the worst first. A check that has found nothing is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["check".into()]))]
    pub checks: Vec<CheckCount>,
    /// The worst findings, at most 50: first those that are not exempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub named: Vec<NamedFinding>,
    /// How many findings are not named, exempt ones included.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub omitted: u32,
    /// What could not be read, and so is unknown: neither right nor wrong. What was found of it before stays. `Images`: scans
    /// fail. `ScanResults`: Amazon Inspector has not scanned some images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    pub unread: Vec<UnreadPart>,
    /// The generation of the target by whose settings this was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the reading began that all of this is from, or the scan whose images it is on, which is earlier. A later one
    /// that showed the same is noted with the time of a scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_time: Option<Time>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// How many findings a check has.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct CheckCount {
    /// The check's name, such as `public-image`.
    #[schemars(length(max = 64))]
    pub check: String,
    /// How bad they are: `critical`, `high`, `medium` or `low`.
    #[schemars(length(max = 16))]
    pub severity: String,
    /// How many are not exempt.
    #[serde(default)]
    pub count: u32,
    /// How many are exempt.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub exempt: u32,
}

/// Something that is wrong.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct NamedFinding {
    /// An ID that stays the same from one reading to the next, and is that of `amiseal report`.
    #[schemars(length(max = 32))]
    pub id: String,
    /// The check's name, such as `public-image`.
    #[schemars(length(max = 64))]
    pub check: String,
    /// How bad it is: `critical`, `high`, `medium` or `low`.
    #[schemars(length(max = 16))]
    pub severity: String,
    /// What it is about: the ID of an image or a snapshot, the ARN of a key, a setting of the region, or kind and ID of what
    /// launches an image, and the image.
    #[schemars(length(max = 512))]
    pub resource: String,
    /// What was found.
    #[schemars(length(max = 1024))]
    pub what: String,
    /// The last day of its exemption, if it is exempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub exempt_until: Option<String>,
    /// Why it is exempt, where a tag says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub exempt_reason: Option<String>,
}

/// Something that could not be read.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct UnreadPart {
    /// What, such as `AllowedImages` or `AutoScalingGroup`.
    #[schemars(length(max = 32))]
    pub kind: String,
    /// Why, and what to do.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// How many findings there are by severity, summed over targets. Those that are exempt are in none but `exempt`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct FindingCounts {
    /// How many are not exempt.
    #[serde(default)]
    pub total: u32,
    /// How many of them are critical: data is open to everybody.
    #[serde(default)]
    pub critical: u32,
    /// How many are high: data is less protected than it should be.
    #[serde(default)]
    pub high: u32,
    /// How many are medium: they will hurt some day.
    #[serde(default)]
    pub medium: u32,
    /// How many are low: they cost money, or order.
    #[serde(default)]
    pub low: u32,
    /// How many are exempt.
    #[serde(default)]
    pub exempt: u32,
}

impl From<&FindingsStatus> for FindingCounts {
    fn from(status: &FindingsStatus) -> Self {
        let mut counts = Self::default();
        for row in &status.checks {
            counts.total += row.count;
            counts.exempt += row.exempt;
            match row.severity.as_str() {
                "critical" => counts.critical += row.count,
                "high" => counts.high += row.count,
                "medium" => counts.medium += row.count,
                _ => counts.low += row.count,
            }
        }
        counts
    }
}

sums!(FindingCounts {
    total,
    critical,
    high,
    medium,
    low,
    exempt
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_taken_by_severity_and_exempt_ones_apart() {
        let row = |severity: &str, count, exempt| CheckCount {
            check: severity.to_owned(),
            severity: severity.to_owned(),
            count,
            exempt,
        };
        let status = FindingsStatus {
            checks: vec![
                row("critical", 1, 0),
                row("high", 2, 7),
                row("medium", 3, 0),
                row("low", 4, 1),
            ],
            ..FindingsStatus::default()
        };
        let counts = FindingCounts::from(&status);
        let numbers = |of: FindingCounts| [of.total, of.critical, of.high, of.medium, of.low, of.exempt];
        assert_eq!(numbers(counts), [10, 1, 2, 3, 4, 8]);
        assert_eq!(numbers([counts, counts].into_iter().sum()), [20, 2, 4, 6, 8, 16]);
    }
}
