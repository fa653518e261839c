//! Queues of SQS in a world file, and the rules of EventBridge that send to them.

use serde::{Deserialize, Serialize};

use super::{Settings, SpecError};
use crate::model::{Queue, World};

/// A standard queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueSpec {
    /// Name.
    pub name: String,
    /// For so many seconds a message that was received is not received again.
    #[serde(default = "half_a_minute")]
    pub visibility_timeout: f64,
}

const fn half_a_minute() -> f64 {
    30.0
}

/// How queues behave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct QueueSettings {
    /// The share of messages that outlive their first deletion, and come once more.
    pub doubled: f64,
    /// The longest, in real seconds, that a long poll waits which finds nothing.
    pub wait_seconds: f64,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            doubled: 0.0,
            wait_seconds: 1.0,
        }
    }
}

/// The queues of a region.
pub(super) fn expand(specs: &[QueueSpec], path: &str) -> Result<Vec<Queue>, SpecError> {
    let mut queues: Vec<Queue> = Vec::new();
    for (i, spec) in specs.iter().enumerate() {
        let is_legal = |sign: char| sign.is_ascii_alphanumeric() || "-_".contains(sign);
        if !(1..=80).contains(&spec.name.len()) || !spec.name.chars().all(is_legal) {
            return Err(SpecError::at(
                format!("{path}[{i}].name"),
                format!(
                    "`{}` is not the name of a standard queue: write up to 80 letters, digits, `-` and `_`",
                    spec.name
                ),
            ));
        }
        if queues.iter().any(|queue| queue.name == spec.name) {
            return Err(SpecError::at(
                format!("{path}[{i}].name"),
                format!("queue {} is there twice: give another name", spec.name),
            ));
        }
        queues.push(Queue {
            name: spec.name.clone(),
            visibility_timeout: spec.visibility_timeout,
            messages: Vec::new(),
        });
    }
    Ok(queues)
}

/// Checks that shares are shares.
pub(super) fn check_settings(settings: &Settings) -> Result<(), SpecError> {
    for (name, share) in [
        ("eventDoubled", settings.event_doubled),
        ("eventLost", settings.event_lost),
        ("queues.doubled", settings.queues.doubled),
    ] {
        if !(0.0..=1.0).contains(&share) {
            return Err(SpecError::at(format!("settings.{name}"), "must be between 0 and 1"));
        }
    }
    Ok(())
}

/// Checks that the queues are there that rules send to.
pub(super) fn check_rules(world: &World) -> Result<(), SpecError> {
    for (account, region) in world.regions() {
        let Some(to) = &region.events_to else {
            continue;
        };
        let place = world.region(&to.account, &to.region);
        if !place.is_some_and(|place| place.queues.iter().any(|queue| queue.name == to.queue)) {
            return Err(SpecError::at(
                format!("account {}, region {}", account.id, region.name),
                format!(
                    "eventsTo names the queue {} of account {} in {}, which is not there: add it to queues",
                    to.queue, to.account, to.region
                ),
            ));
        }
    }
    Ok(())
}
