//! The three kinds of objects, as kubectl prints them in JSON: only what a user of the API sees.

use anyhow::{Context as _, Result};
use rig::ControlPlane;
use serde_json::Value;

use crate::kubectl::kubectl;

/// All policies, targets and migrations at one moment.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    pub(crate) policies: Vec<Object>,
    pub(crate) targets: Vec<Object>,
    pub(crate) migrations: Vec<Object>,
}

impl Objects {
    pub(crate) async fn read(control_plane: &ControlPlane) -> Result<Self> {
        let text = kubectl(control_plane, &["get", "aep,aet,amim", "--output", "json"]).await?;
        Self::parse(&text)
    }

    pub(crate) fn parse(text: &str) -> Result<Self> {
        let list: Value = serde_json::from_str(text).context("kubectl prints no JSON")?;
        let mut objects = Self::default();
        for item in list["items"].as_array().into_iter().flatten() {
            let of_kind = match item["kind"].as_str() {
                Some("AMIEncryptionPolicy") => &mut objects.policies,
                Some("AMIEncryptionTarget") => &mut objects.targets,
                Some("AMIMigration") => &mut objects.migrations,
                _ => continue,
            };
            of_kind.push(Object(item.clone()));
        }
        Ok(objects)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Object> {
        self.policies.iter().chain(&self.targets).chain(&self.migrations)
    }
}

/// One object.
#[derive(Debug)]
pub(crate) struct Object(Value);

impl Object {
    /// What stands at a path as in `/status/state`; empty when nothing does.
    pub(crate) fn text(&self, path: &str) -> &str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number at a path; 0 when there is none.
    pub(crate) fn number(&self, path: &str) -> u64 {
        self.0.pointer(path).and_then(Value::as_u64).unwrap_or_default()
    }

    /// Its kind and name, as kubectl takes them.
    pub(crate) fn title(&self) -> String {
        format!("{} {}", self.text("/kind"), self.text("/metadata/name"))
    }

    /// Whether its status speaks of its newest generation.
    pub(crate) fn is_current(&self) -> bool {
        let observed = self.0.pointer("/status/observedGeneration");
        observed.is_some() && observed == self.0.pointer("/metadata/generation")
    }

    /// Whether its condition of this type has this status.
    pub(crate) fn says(&self, type_: &str, status: &str) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition["status"] == status)
    }

    /// The message of its condition of this type.
    pub(crate) fn message(&self, type_: &str) -> &str {
        self.condition(type_)
            .and_then(|condition| condition["message"].as_str())
            .unwrap_or_default()
    }

    /// The reason of its condition of this type.
    pub(crate) fn reason(&self, type_: &str) -> &str {
        self.condition(type_)
            .and_then(|condition| condition["reason"].as_str())
            .unwrap_or_default()
    }

    fn condition(&self, type_: &str) -> Option<&Value> {
        let conditions = self.0.pointer("/status/conditions")?.as_array()?;
        conditions.iter().find(|condition| condition["type"] == type_)
    }
}
