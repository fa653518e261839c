//! Instance refreshes of Auto Scaling groups.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AutoScalingGroup, MixedInstances, TemplateRef};
use crate::clock::SimTime;

/// What a group launches by.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LaunchBy {
    /// A template, or
    pub launch_template: Option<TemplateRef>,
    /// the name of a launch configuration, or
    pub launch_configuration: Option<String>,
    /// a mixed instances policy.
    pub mixed_instances: Option<MixedInstances>,
}

impl LaunchBy {
    /// What a group launches by.
    pub fn of(group: &AutoScalingGroup) -> Self {
        Self {
            launch_template: group.launch_template.clone(),
            launch_configuration: group.launch_configuration.clone(),
            mixed_instances: group.mixed_instances.clone(),
        }
    }

    /// Has a group launch by it from now on.
    pub fn apply(&self, group: &mut AutoScalingGroup) {
        group.launch_template.clone_from(&self.launch_template);
        group.launch_configuration.clone_from(&self.launch_configuration);
        group.mixed_instances.clone_from(&self.mixed_instances);
    }

    /// The templates that it names.
    pub fn templates(&self) -> impl Iterator<Item = &TemplateRef> {
        let mixed = self.mixed_instances.iter().flat_map(|m| {
            let overrides = m.overrides.iter().filter_map(|o| o.launch_template.as_ref());
            std::iter::once(&m.launch_template).chain(overrides)
        });
        self.launch_template.iter().chain(mixed)
    }

    /// The images that it names itself.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let overrides = self.mixed_instances.iter().flat_map(|m| &m.overrides);
        overrides.filter_map(|o| o.image.as_deref())
    }
}

/// An instance refresh.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRefresh {
    /// Its ID.
    pub id: String,
    /// The group.
    pub group: String,
    /// As Auto Scaling names it.
    pub status: String,
    /// Why it is in that status.
    pub reason: Option<String>,
    /// When it began.
    pub started: SimTime,
    /// When it ended.
    pub ended: Option<SimTime>,
    /// `Rolling` or `ReplaceRootVolume`.
    pub strategy: String,
    /// What the group is to launch by when it is done.
    pub desired: Option<LaunchBy>,
    /// What the group launched by before.
    pub before: LaunchBy,
    /// As they were given.
    pub preferences: Map<String, Value>,
    /// Instances that are still to be replaced.
    pub left: Vec<String>,
    /// Instances that came in the place of others.
    pub replaced: Vec<String>,
    /// Why and when it is rolled back.
    pub rollback: Option<(String, SimTime)>,
    /// Checkpoints that were passed.
    pub checkpoints: usize,
}

impl InstanceRefresh {
    /// Whether it goes on.
    pub fn is_active(&self) -> bool {
        matches!(
            self.status.as_str(),
            "Pending" | "InProgress" | "Cancelling" | "RollbackInProgress" | "Baking"
        )
    }

    /// Percent done.
    pub fn percent(&self) -> usize {
        let all = self.left.len() + self.replaced.len();
        (self.replaced.len() * 100).checked_div(all).unwrap_or(100)
    }

    /// A preference that is a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.preferences.get(name)?.as_str()?.parse().ok()
    }

    /// Whether a preference is true.
    pub fn flag(&self, name: &str) -> bool {
        self.preferences.get(name).is_some_and(|v| v == "true")
    }

    /// The percentages after which it waits.
    pub fn checkpoint_percentages(&self) -> Vec<usize> {
        let list = self.preferences.get("CheckpointPercentages").and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        texts.filter_map(|text| text.parse().ok()).collect()
    }
}
