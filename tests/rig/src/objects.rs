//! The three kinds of objects, as JSON: only what a user of the API sees.

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::control_plane::ControlPlane;

/// The plurals of the kinds.
const PLURALS: [&str; 3] = ["amiencryptionpolicies", "amiencryptiontargets", MIGRATIONS];
const MIGRATIONS: &str = "amimigrations";

/// All policies, targets and migrations at one moment.
#[derive(Debug, Default)]
pub struct Objects {
    /// What people wrote.
    pub policies: Vec<Object>,
    /// Accounts and regions.
    pub targets: Vec<Object>,
    /// Images on their way.
    pub migrations: Vec<Object>,
}

impl Objects {
    /// Lists them as a user who may do everything.
    pub async fn read(control_plane: &ControlPlane) -> Result<Self> {
        let client = control_plane.admin_client().await?;
        let mut objects = Self::default();
        for plural in PLURALS {
            objects.add(&list(&client, plural).await?);
        }
        Ok(objects)
    }

    /// Lists nothing but the migrations, by a client that the caller keeps for the next time.
    pub async fn read_migrations(client: &kube::Client) -> Result<Self> {
        Ok(Self::of_list(&list(client, MIGRATIONS).await?))
    }

    /// The objects of a list, whatever their kinds.
    pub fn of_list(list: &Value) -> Self {
        let mut objects = Self::default();
        objects.add(list);
        objects
    }

    fn add(&mut self, list: &Value) {
        for item in list["items"].as_array().into_iter().flatten() {
            let of_kind = match item["kind"].as_str() {
                Some("AMIEncryptionPolicy") => &mut self.policies,
                Some("AMIEncryptionTarget") => &mut self.targets,
                Some("AMIMigration") => &mut self.migrations,
                _ => continue,
            };
            of_kind.push(Object(item.clone()));
        }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Object> {
        self.policies.iter().chain(&self.targets).chain(&self.migrations)
    }
}

async fn list(client: &kube::Client, plural: &str) -> Result<Value> {
    let request = http::Request::get(format!("/apis/amiseal.dev/v1alpha1/{plural}")).body(Vec::new())?;
    client
        .request(request)
        .await
        .with_context(|| format!("cannot list {plural}"))
}

/// One object.
#[derive(Debug)]
pub struct Object(Value);

impl Object {
    /// The items of the list at a path; none when there is no list.
    pub fn list(&self, path: &str) -> &[Value] {
        self.0
            .pointer(path)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// Whether what stands at a path is true.
    pub fn flag(&self, path: &str) -> bool {
        self.0.pointer(path).and_then(Value::as_bool).unwrap_or_default()
    }

    /// What stands at a path as in `/status/state`; empty when nothing does.
    pub fn text(&self, path: &str) -> &str {
        self.0.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    /// The number at a path; 0 when there is none.
    pub fn number(&self, path: &str) -> u64 {
        self.0.pointer(path).and_then(Value::as_u64).unwrap_or_default()
    }

    /// Its kind and name, as kubectl takes them.
    pub fn title(&self) -> String {
        format!("{} {}", self.text("/kind"), self.text("/metadata/name"))
    }

    /// Whether its status speaks of its newest generation.
    pub fn is_current(&self) -> bool {
        let observed = self.0.pointer("/status/observedGeneration");
        observed.is_some() && observed == self.0.pointer("/metadata/generation")
    }

    /// Whether its condition of this type has this status.
    pub fn says(&self, type_: &str, status: &str) -> bool {
        self.condition(type_)
            .is_some_and(|condition| condition["status"] == status)
    }

    /// The message of its condition of this type.
    pub fn message(&self, type_: &str) -> &str {
        self.condition(type_)
            .and_then(|condition| condition["message"].as_str())
            .unwrap_or_default()
    }

    /// The reason of its condition of this type.
    pub fn reason(&self, type_: &str) -> &str {
        self.condition(type_)
            .and_then(|condition| condition["reason"].as_str())
            .unwrap_or_default()
    }

    /// What stands at a path, if anything does.
    pub fn at(&self, path: &str) -> Option<&Value> {
        self.0.pointer(path)
    }

    fn condition(&self, type_: &str) -> Option<&Value> {
        let conditions = self.0.pointer("/status/conditions")?.as_array()?;
        conditions.iter().find(|condition| condition["type"] == type_)
    }
}
