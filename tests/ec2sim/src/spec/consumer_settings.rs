//! How the services behave that tell of what can launch an image. All durations are simulated seconds.

use serde::{Deserialize, Serialize};

/// What becomes of a call of a service that the region does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Absent {
    /// The connection is closed.
    #[default]
    Unreachable,
    /// The error of a region that is not enabled.
    Refused,
}

/// Services that a region does not have.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Services {
    /// What becomes of calls.
    pub absent: Absent,
}

/// What DescribeLaunchTemplateVersions with ResolveAlias does with a parameter that it can not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unresolved {
    /// The call fails.
    #[default]
    Refused,
    /// The parameter is shown as it stands in the template.
    Shown,
}

/// How what can launch an image shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsumerSettings {
    /// For so long a terminated instance is still described.
    pub terminated_seconds: f64,
    /// The longest that a launch takes to show in the image's LastLaunchedTime.
    pub last_launched_seconds: f64,
    /// Of parameters that ResolveAlias can not read.
    pub unresolved_alias: Unresolved,
    /// GetParameterHistory does not say which policies a parameter has.
    pub history_without_policies: bool,
}

impl Default for ConsumerSettings {
    fn default() -> Self {
        Self {
            terminated_seconds: 3600.0,
            last_launched_seconds: 0.0,
            unresolved_alias: Unresolved::Refused,
            history_without_policies: false,
        }
    }
}

/// What DescribeImageReferences does with a kind of resource that the caller may not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Unreadable {
    /// The call fails.
    #[default]
    Error,
    /// It is left out.
    Omission,
}

/// The references that EC2 finds by itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct References {
    /// Of kinds that the caller may not read.
    pub unreadable: Unreadable,
    /// Whether hidden managed resources are found too.
    pub hidden: bool,
}

/// What comes of a usage report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReportOutcome {
    /// It becomes available.
    #[default]
    Available,
    /// It ends in error.
    Error,
}

/// Reports of the use by other accounts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct UsageReports {
    /// How long one is pending.
    pub seconds: f64,
    /// What comes of it.
    pub outcome: ReportOutcome,
    /// Instances launched within so many seconds before it are not in it.
    pub instance_lag_seconds: f64,
    /// Nor are versions of launch templates made within so many.
    pub template_lag_seconds: f64,
}

impl Default for UsageReports {
    fn default() -> Self {
        Self {
            seconds: 60.0,
            outcome: ReportOutcome::Available,
            instance_lag_seconds: 0.0,
            template_lag_seconds: 0.0,
        }
    }
}
