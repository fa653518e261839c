//! Proof of a copy by what Amazon Inspector says of it: what a policy asks for, and what is on record of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, rules};
use crate::domain::Vulnerability;

/// What Amazon Inspector may have found in a copy. What it has not scanned is unknown and does not pass, and what it has found in the
/// original says nothing of the copy. amiseal reads what EC2 shows of the last scan.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InspectorSettings {
    /// The worst severity that the copy may have, as Amazon Inspector rates it. A copy that has a worse one waits, with the reason
    /// `CopyVulnerable`, until a later scan finds nothing that is worse. `Critical` allows all that is known: then the copy has only
    /// to be scanned.
    pub maximum_severity: InspectorSeverity,
    /// `Continuous`: amiseal waits for the scan that Amazon Inspector makes by itself, and asks for none. `OnDemand`: amiseal asks for
    /// one on-demand scan of each copy that has none yet, once it has passed `launch` and `job`. That works also where machine image
    /// scanning is off. AWS charges for each scan that succeeds, and the role needs rights for it, which `amiseal iam-policy` prints.
    #[serde(default)]
    pub scan: InspectorScan,
    /// How long Amazon Inspector may take for its first scan of the copy, as in `24h`: at least `15m`, at most `168h`. After that the
    /// migration stalls with the reason `CopyNotScanned`, and goes on by itself once there is a scan. An on-demand scan has as long from
    /// when it is asked for.
    #[serde(default = "default_timeout")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::inspector_timeout_range())]
    #[x_kube(validation = rules::duration_form("timeout"))]
    pub timeout: Duration,
}

fn default_timeout() -> Duration {
    Duration::from_mins(24 * 60)
}

/// Which scan of a copy is waited for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InspectorScan {
    /// What Amazon Inspector does by itself.
    #[default]
    Continuous,
    /// One that amiseal asks for.
    OnDemand,
}

/// How severe a vulnerability is, by its CVSS score.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InspectorSeverity {
    /// A score of 0.
    Informational,
    /// 0.1 to 3.9.
    Low,
    /// 4.0 to 6.9.
    Medium,
    /// 7.0 to 8.9.
    High,
    /// 9.0 to 10.0.
    Critical,
}

impl InspectorSeverity {
    /// As policies and statuses name it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
            Self::Critical => "Critical",
        }
    }
}

impl From<Vulnerability> for InspectorSeverity {
    fn from(severity: Vulnerability) -> Self {
        match severity {
            Vulnerability::Informational => Self::Informational,
            Vulnerability::Low => Self::Low,
            Vulnerability::Medium => Self::Medium,
            Vulnerability::High => Self::High,
            Vulnerability::Critical => Self::Critical,
        }
    }
}

/// What Amazon Inspector says of a copy, as the last scan of the account and region has shown it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct InspectorStatus {
    /// `Waiting`: it has not scanned the copy yet. `Passed`: it has found nothing that is worse than the policy allows. `Failed`: it
    /// has. `TimedOut`: it has not scanned the copy in time, and is still waited for.
    #[serde(default)]
    pub state: InspectorState,
    /// The ID of the copy that this is about.
    #[serde(rename = "imageID")]
    #[schemars(length(max = 32))]
    pub image_id: String,
    /// The worst severity that its last scan has found, such as `High`. Absent where it has found nothing, and while there is no scan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub severity: Option<String>,
    /// When that scan was made. Absent while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_time: Option<Time>,
    /// Since when a scan of the copy is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Time>,
    /// The on-demand scan that Amazon Inspector is asked for. Absent before that, and where the policy does not say `scan: OnDemand`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan: Option<OnDemandScanStatus>,
}

/// How far Amazon Inspector is with a copy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InspectorState {
    /// It has not scanned it yet.
    #[default]
    Waiting,
    /// It has found nothing that is worse than the policy allows.
    Passed,
    /// It has found something that is.
    Failed,
    /// It has not scanned it in time.
    TimedOut,
}

/// An on-demand scan of a copy, or one that is to be. It is on record before Amazon Inspector is asked for it.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct OnDemandScanStatus {
    /// `Requesting`: Amazon Inspector is about to be asked, or was. `Refused`: it has refused, and is asked again. `Started`: it has
    /// started the scan, as far as is known. `Succeeded`, `Failed`: the scan has ended so. What it has found is what EC2 shows.
    #[serde(default)]
    pub state: OnDemandScanState,
    /// Which on-demand scan of this copy it is.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// How many scans have failed since somebody has asked for another one.
    #[serde(default)]
    pub failures: u32,
    /// The client token of the call, by which AWS tells a repeated call from a new one.
    #[schemars(length(min = 1, max = 64))]
    pub client_token: String,
    /// The scan's ID. Absent until AWS has given one.
    #[serde(rename = "scanID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub scan_id: Option<String>,
    /// The ID of the scan before it, by which the two are told apart. Absent where there is none.
    #[serde(rename = "previousScanID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub previous_scan_id: Option<String>,
    /// Why it was refused or has failed, in a sentence that names the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When it was started; before that, when the intent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// Since when it is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The value that the annotation `amiseal.dev/retry` had when this scan was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub observed_retry: Option<String>,
}

/// How far an on-demand scan is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnDemandScanState {
    /// It is on record, and Amazon Inspector is about to be asked for it, or was.
    #[default]
    Requesting,
    /// Amazon Inspector has refused it.
    Refused,
    /// Amazon Inspector has started it.
    Started,
    /// It has ended, and Amazon Inspector says that it has scanned the copy.
    Succeeded,
    /// It has ended without a result.
    Failed,
}
