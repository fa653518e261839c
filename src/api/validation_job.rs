//! Proof of a copy by a Job of the user's own: what a policy asks for, and what is on record of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Duration, LaunchResult, rules};

/// Which Job a copy has to pass. It runs whatever its author wants it to run, such as a scanner or a smoke test, and is told by its
/// environment which copy it is for.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JobSettings {
    /// The name of a CronJob in amiseal's own namespace. Its `jobTemplate` says what runs, and it has to be suspended
    /// (`spec.suspend: true`), so that nothing else runs it.
    #[schemars(length(max = 52))]
    #[x_kube(validation = rules::cron_job_name())]
    pub cron_job: String,
    /// How long the Job may take, as in `1h`: at least `1m`, at most `24h`. It is the Job's `activeDeadlineSeconds`, unless the
    /// CronJob has a shorter one.
    #[serde(default = "default_timeout")]
    #[schemars(length(max = 32))]
    #[x_kube(validation = rules::job_timeout_range())]
    #[x_kube(validation = rules::duration_form("timeout"))]
    pub timeout: Duration,
    /// How many such Jobs there may be at a time for one account and region.
    #[serde(default = "default_max_concurrent")]
    #[schemars(range(min = 1, max = 50))]
    pub max_concurrent: u32,
}

fn default_timeout() -> Duration {
    Duration::from_mins(60)
}

fn default_max_concurrent() -> u32 {
    1
}

/// A Job that was made to prove a copy, or is to be. It is on record before it is created.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct JobStatus {
    /// `Creating`: the Job is about to be created. `Refused`: it cannot be, and is tried again. `Running`: it is there, and has not
    /// ended yet. `Ending`: it is to be deleted. `Ended`: it has completed, failed, or is gone.
    #[serde(default)]
    pub state: JobState,
    /// The copy that it is for.
    #[serde(rename = "imageID")]
    #[schemars(length(max = 32))]
    pub image_id: String,
    /// Which Job of this copy it is.
    #[schemars(range(min = 1))]
    pub attempt: u32,
    /// How often the copy has failed since somebody has asked for another try or the settings have changed.
    #[serde(default)]
    pub failures: u32,
    /// How often somebody has deleted the Job before it had ended, counted likewise.
    #[serde(default)]
    pub losses: u32,
    /// The Job's name, in amiseal's own namespace.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// The Job's UID. Absent until it is created.
    #[serde(rename = "jobUID", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub uid: Option<String>,
    /// The CronJob that it is made from.
    #[schemars(length(max = 52))]
    pub cron_job: String,
    /// How many seconds it may take.
    #[schemars(range(min = 1, max = 86400))]
    pub timeout_seconds: u32,
    /// What has come of it. Absent until that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<LaunchResult>,
    /// The same in a sentence that names the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// When it was created; before that, when the intent was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Time>,
    /// Since when it is in its state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// The value that the annotation `amiseal.dev/retry` had when this Job was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub observed_retry: Option<String>,
}

/// How far a Job is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JobState {
    /// The Job is on record, and is about to be created, or was.
    #[default]
    Creating,
    /// It cannot be created.
    Refused,
    /// It is there, and its end is waited for.
    Running,
    /// It is to be deleted.
    Ending,
    /// It has completed or failed, or is gone.
    Ended,
}
