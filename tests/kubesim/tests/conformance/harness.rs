//! Runs a script against an API server and writes down what it answers, in a form that can be compared.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions, PropagationPolicy,
    WatchEvent, WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use kubesim::ApiServer;
use serde_json::{Map, Value, json};

/// How long to wait for what a real cluster does in its own time.
const SOON: Duration = Duration::from_secs(30);
/// How long the garbage collector may take to see what was written.
const SEEN: Duration = Duration::from_secs(3);
/// How long a watch may be silent until it is taken to have nothing more to say.
const SILENCE: Duration = Duration::from_secs(10);

/// The kinds that the scripts use: group, name, plural.
pub(crate) const POLICY: &str = "AMIEncryptionPolicy";
pub(crate) const TARGET: &str = "AMIEncryptionTarget";
pub(crate) const MIGRATION: &str = "AMIMigration";
pub(crate) const LEASE: &str = "Lease";
pub(crate) const EVENT: &str = "Event";

fn resource(kind: &str) -> ApiResource {
    let (group, version, plural) = match kind {
        POLICY => ("amiseal.dev", "v1alpha1", "amiencryptionpolicies"),
        TARGET => ("amiseal.dev", "v1alpha1", "amiencryptiontargets"),
        MIGRATION => ("amiseal.dev", "v1alpha1", "amimigrations"),
        LEASE => ("coordination.k8s.io", "v1", "leases"),
        EVENT => ("events.k8s.io", "v1", "events"),
        other => panic!("no kind {other}"),
    };
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

/// `apiVersion` of a kind.
pub(crate) fn api_version(kind: &str) -> String {
    resource(kind).api_version
}

/// Which API server a script runs against.
pub(crate) enum Cluster {
    Real,
    Double(ApiServer),
}

/// One run of a script.
pub(crate) struct Run {
    cluster: Cluster,
    pub(crate) client: kube::Client,
    /// What was asked, and the answer.
    steps: Vec<(String, Value)>,
}

impl Run {
    pub(crate) fn new(cluster: Cluster, client: kube::Client) -> Self {
        Self {
            cluster,
            client,
            steps: Vec::new(),
        }
    }

    pub(crate) fn api(&self, kind: &str) -> Api<DynamicObject> {
        let resource = resource(kind);
        match kind {
            LEASE | EVENT => Api::default_namespaced_with(self.client.clone(), &resource),
            _ => Api::all_with(self.client.clone(), &resource),
        }
    }

    /// Writes an answer down, and hands it back: null for a refusal.
    fn note(&mut self, step: String, answer: kube::Result<Value>) -> Value {
        let (noted, value) = match answer {
            Ok(value) => (value.clone(), value),
            Err(kube::Error::Api(status)) => {
                // What is wrong with a body is told in other words.
                let message = matches!(status.code, 404 | 409 | 410).then_some(status.message);
                (
                    json!({"refused": status.code, "reason": status.reason, "message": message}),
                    Value::Null,
                )
            }
            Err(error) => panic!("{step}: no answer: {error}"),
        };
        self.steps.push((step, noted));
        value
    }

    pub(crate) async fn create(&mut self, kind: &str, object: Value) -> Value {
        let step = format!("create {kind} {object}");
        let parameters = PostParams {
            field_manager: Some("amiseal".to_owned()),
            ..PostParams::default()
        };
        // Sent as it is, so that a script can say what a type could not.
        let request = kube::core::Request::new(self.api(kind).resource_url());
        let body = serde_json::to_vec(&object).expect("an object");
        let request = request.create(&parameters, body).expect("a request");
        let answer = self.client.request::<Value>(request).await;
        self.note(step, answer)
    }

    pub(crate) async fn get(&mut self, kind: &str, name: &str) -> Value {
        let answer = self.api(kind).get(name).await.map(to_json);
        self.note(format!("get {kind} {name}"), answer)
    }

    pub(crate) async fn list(&mut self, kind: &str, parameters: &ListParams) -> Value {
        let step = format!(
            "list {kind} limit {:?} at {:?}",
            parameters.limit,
            parameters.resource_version.is_some()
        );
        let answer = self.api(kind).list(parameters).await;
        let answer = answer.map(|list| {
            json!({
                "list": list.items.into_iter().map(to_json).collect::<Vec<_>>(),
                "resourceVersion": list.metadata.resource_version,
                "continue": list.metadata.continue_.filter(|token| !token.is_empty()),
                "remaining": list.metadata.remaining_item_count,
            })
        });
        self.note(step, answer)
    }

    /// Server-side apply; `subresource` is empty or `status`.
    pub(crate) async fn apply(
        &mut self,
        (kind, name, subresource): (&str, &str, &str),
        parameters: PatchParams,
        body: Value,
    ) -> Value {
        let mut object = json!({"apiVersion": api_version(kind), "kind": kind, "metadata": {"name": name}});
        merge(&mut object, &body);
        self.patch((kind, name, subresource), parameters, Patch::Apply(object))
            .await
    }

    /// Any patch.
    pub(crate) async fn patch(
        &mut self,
        (kind, name, subresource): (&str, &str, &str),
        parameters: PatchParams,
        patch: Patch<Value>,
    ) -> Value {
        let (manager, force) = (
            parameters.field_manager.as_deref().unwrap_or_default(),
            parameters.force,
        );
        let step = format!("patch {kind}/{subresource} {name} as {manager:?} force {force}: {patch:?}");
        let api = self.api(kind);
        let answer = match subresource {
            "" => api.patch(name, &parameters, &patch).await,
            _ => api.patch_status(name, &parameters, &patch).await,
        };
        self.note(step, answer.map(to_json))
    }

    /// A JSON merge patch without a field manager.
    pub(crate) async fn merge(&mut self, (kind, name, subresource): (&str, &str, &str), patch: Value) -> Value {
        self.patch((kind, name, subresource), PatchParams::default(), Patch::Merge(patch))
            .await
    }

    pub(crate) async fn replace(&mut self, (kind, name, subresource): (&str, &str, &str), object: &Value) -> Value {
        let step = format!("replace {kind}/{subresource} {name}");
        let parameters = PostParams {
            field_manager: Some("editor".to_owned()),
            ..PostParams::default()
        };
        let request = kube::core::Request::new(self.api(kind).resource_url());
        let body = serde_json::to_vec(object).expect("an object");
        let request = match subresource {
            "" => request.replace(name, &parameters, body),
            _ => request.replace_subresource(subresource, name, &parameters, body),
        };
        let answer = self.client.request::<Value>(request.expect("a request")).await;
        self.note(step, answer)
    }

    pub(crate) async fn delete(&mut self, kind: &str, name: &str, parameters: &DeleteParams) -> Value {
        let step = format!("delete {kind} {name} {:?}", parameters.propagation_policy);
        let answer = self.api(kind).delete(name, parameters).await;
        let answer =
            answer.map(|answer| answer.either(to_json, |status| serde_json::to_value(status).expect("a status")));
        self.note(step, answer)
    }

    /// Follows a kind from a version until there were `count` events, and notes them.
    pub(crate) async fn watch(&mut self, kind: &str, version: &str, count: usize) {
        let step = format!("watch {kind} for {count} events");
        let parameters = WatchParams::default().timeout(60).disable_bookmarks();
        let stream = match self.api(kind).watch(&parameters, version).await {
            Ok(stream) => stream,
            Err(error) => {
                self.note(step, Err(error));
                return;
            }
        };
        let mut stream = stream.boxed();
        let mut events = Vec::new();
        while events.len() < count {
            let next = tokio::time::timeout(SILENCE, stream.try_next()).await;
            let Ok(Ok(Some(event))) = next else { break };
            events.push(match event {
                WatchEvent::Added(object) => json!({"added": to_json(object)}),
                WatchEvent::Modified(object) => json!({"modified": to_json(object)}),
                WatchEvent::Deleted(object) => json!({"deleted": to_json(object)}),
                WatchEvent::Bookmark(_) => json!("bookmark"),
                WatchEvent::Error(status) => json!({"error": status.code, "reason": status.reason}),
            });
        }
        self.note(step, Ok(json!({"events": events})));
    }

    /// Gives a real garbage collector time to see what was written: what it has not seen, it neither waits for nor
    /// orphans, and nothing tells how far it has come.
    pub(crate) async fn seen_by_collector(&self) {
        if matches!(self.cluster, Cluster::Real) {
            tokio::time::sleep(SEEN).await;
        }
    }

    /// Waits until the garbage collector has left exactly these objects of a kind, and notes them.
    pub(crate) async fn collected(&mut self, kind: &str, names: &[&str]) {
        if let Cluster::Double(server) = &self.cluster {
            server.collect_garbage();
        }
        let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let api = self.api(kind);
        let wait = match self.cluster {
            Cluster::Real => SOON,
            Cluster::Double(_) => Duration::ZERO,
        };
        let what = format!("{kind} to be {wanted:?}");
        let there = rig::poll_until(&what, wait, async || {
            let list = api.list(&ListParams::default()).await?;
            let names = list.items.iter().filter_map(|object| object.metadata.name.clone());
            Ok((names.collect::<BTreeSet<_>>() == wanted).then_some(()))
        });
        there.await.expect("what the garbage collector leaves");
        self.list(kind, &ListParams::default()).await;
    }

    /// Waits until an object is as a predicate wants it, after the garbage collector has had its way.
    pub(crate) async fn settled(&mut self, kind: &str, name: &str, is: impl Fn(&DynamicObject) -> bool) {
        if let Cluster::Double(server) = &self.cluster {
            server.collect_garbage();
        }
        let api = self.api(kind);
        let what = format!("{kind} {name} to settle");
        let settled = rig::poll_until(&what, SOON, async || Ok(is(&api.get(name).await?).then_some(())));
        settled.await.expect("what the garbage collector leaves");
        self.get(kind, name).await;
    }

    /// Lets a cluster forget what was before a version; a real one does not remember its beginning anyway.
    pub(crate) fn forget(&self) {
        if let Cluster::Double(server) = &self.cluster {
            server.compact(server.revision());
        }
    }

    /// Removes all that a script has left.
    pub(crate) async fn clean_up(&self) {
        for kind in [POLICY, TARGET, MIGRATION, LEASE, EVENT] {
            let api = self.api(kind);
            for object in api.list(&ListParams::default()).await.expect("a list").items {
                let name = object.metadata.name.clone().unwrap_or_default();
                if object
                    .metadata
                    .finalizers
                    .is_some_and(|finalizers| !finalizers.is_empty())
                {
                    let none = Patch::Merge(json!({"metadata": {"finalizers": null}}));
                    let _ = api.patch(&name, &PatchParams::default(), &none).await;
                }
                let _ = api.delete(&name, &DeleteParams::background()).await;
            }
        }
    }

    /// What was asked and answered, comparable.
    pub(crate) fn transcript(self) -> Vec<(String, Value)> {
        let mut symbols = Symbols::default();
        for (_, answer) in &self.steps {
            symbols.learn(answer);
        }
        let steps = self.steps.into_iter();
        steps.map(|(step, answer)| (step, symbols.replace(answer))).collect()
    }
}

/// Preconditions of a deletion.
pub(crate) fn only_if(uid: Option<&str>, version: Option<&str>) -> DeleteParams {
    DeleteParams {
        preconditions: Some(Preconditions {
            uid: uid.map(str::to_owned),
            resource_version: version.map(str::to_owned),
        }),
        ..DeleteParams::background()
    }
}

/// A deletion with a propagation policy.
pub(crate) fn propagating(policy: Option<PropagationPolicy>) -> DeleteParams {
    DeleteParams {
        propagation_policy: policy,
        ..DeleteParams::default()
    }
}

/// `metadata.uid`.
pub(crate) fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().expect("a stored object").to_owned()
}

/// `metadata.resourceVersion`.
pub(crate) fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"]
        .as_str()
        .expect("a stored object")
        .to_owned()
}

fn to_json(object: DynamicObject) -> Value {
    serde_json::to_value(object).expect("an object")
}

pub(crate) fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(target), Value::Object(patch)) => {
            for (name, value) in patch {
                merge(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (target, patch) => *target = patch.clone(),
    }
}

/// What differs between any two clusters, replaced by what may be compared.
#[derive(Default)]
struct Symbols {
    /// In the order in which they were first seen.
    uids: Vec<String>,
    /// In their own order: which of two is later stays visible.
    versions: BTreeSet<u64>,
}

impl Symbols {
    fn learn(&mut self, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(metadata) = map.get("metadata") {
                    let uid = metadata["uid"].as_str();
                    if let Some(uid) = uid.filter(|uid| !self.uids.iter().any(|known| known == uid)) {
                        self.uids.push(uid.to_owned());
                    }
                    let version = metadata["resourceVersion"].as_str();
                    self.versions
                        .extend(version.and_then(|version| version.parse::<u64>().ok()));
                }
                map.values().for_each(|value| self.learn(value));
            }
            Value::Array(list) => list.iter().for_each(|value| self.learn(value)),
            _ => {}
        }
    }

    fn replace(&self, value: Value) -> Value {
        match value {
            Value::Object(map) if map.contains_key("list") => self.replace_list(map),
            Value::Object(map) => {
                // In a list they do not say what they are.
                let bare = map.contains_key("metadata") && !map.contains_key("kind");
                let built_in = bare || map.get("kind").is_some_and(|kind| kind == LEASE || kind == EVENT);
                let entries = map.into_iter().map(|(name, value)| {
                    let value = match (name.as_str(), value) {
                        ("creationTimestamp" | "deletionTimestamp" | "time", Value::String(_)) => json!("<time>"),
                        ("resourceVersion", Value::String(version)) => json!(self.version(&version)),
                        ("managedFields", Value::Array(mut entries)) => {
                            entries.sort_by_key(|entry| {
                                let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
                                (text("operation"), text("manager"), text("subresource"))
                            });
                            self.replace(Value::Array(entries))
                        }
                        (_, value) => self.replace(value),
                    };
                    (self.text(&name), value)
                });
                let map: Map<String, Value> = entries.collect();
                // The types that are built in write out what is empty.
                let kept = map.into_iter().filter(|(name, value)| {
                    !built_in || name == "metadata" || !(value.is_null() || *value == json!({}))
                });
                Value::Object(kept.collect())
            }
            Value::Array(list) => list.into_iter().map(|value| self.replace(value)).collect(),
            Value::String(text) => Value::String(self.text(&text)),
            other => other,
        }
    }

    /// A list's version is as high as any item's; other kinds may have been written since, on a real cluster.
    fn replace_list(&self, mut list: Map<String, Value>) -> Value {
        let number = |value: &Value| value.as_str().and_then(|version| version.parse::<u64>().ok());
        let own = list.remove("resourceVersion").as_ref().and_then(number);
        let items = list.get("list").and_then(Value::as_array).cloned().unwrap_or_default();
        let newest = items
            .iter()
            .filter_map(|item| number(&item["metadata"]["resourceVersion"]))
            .max();
        json!({
            "list": items.into_iter().map(|item| self.replace(item)).collect::<Vec<_>>(),
            "as new as its items": own.is_some() && own >= newest,
            "continues": list.get("continue").is_some_and(|token| !token.is_null()),
            "remaining": list.get("remaining"),
        })
    }

    fn version(&self, version: &str) -> String {
        let Ok(number) = version.parse::<u64>() else {
            return version.to_owned();
        };
        match self.versions.iter().position(|known| *known == number) {
            Some(rank) => format!("<version {rank}>"),
            None => version.to_owned(),
        }
    }

    /// UIDs by their symbol; versions, which no text tells from other numbers, by what they are.
    fn text(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (index, uid) in self.uids.iter().enumerate() {
            text = text.replace(uid, &format!("<uid {index}>"));
        }
        let known: BTreeMap<usize, String> = self
            .versions
            .iter()
            .enumerate()
            .map(|(rank, version)| (rank, version.to_string()))
            .collect();
        for before in ["(", "resourceVersion\": String(\""] {
            for after in [")", "\")"] {
                for (rank, version) in &known {
                    text = text.replace(
                        &format!("{before}{version}{after}"),
                        &format!("{before}<version {rank}>{after}"),
                    );
                }
            }
        }
        text
    }
}
