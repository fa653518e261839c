//! Deleting objects, at once or when their finalizers are gone, and collecting what has lost its owner.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::object::{finalizers, generation, is_being_deleted, meta, seconds, set_finalizers, set_meta};
use crate::request::{Call, Parameters, Verb};
use crate::server::{Answer, World};
use crate::store::Key;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

impl Call {
    /// What the garbage collector does, which makes no requests here.
    fn of_collector(verb: Verb, kind: Arc<Kind>, key: &Key, body: Value) -> Self {
        Self {
            verb,
            kind,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            subresource: String::new(),
            parameters: Parameters {
                manager: "kube-controller-manager".to_owned(),
                ..Parameters::default()
            },
            body,
        }
    }
}

impl World {
    /// `DELETE`.
    pub(crate) fn delete(&mut self, call: &Call) -> Result<Answer, Failure> {
        let kind = call.kind.clone();
        let Some(object) = self.store.get(&call.key()).cloned() else {
            return Err(Failure::not_found(&kind, &call.name));
        };
        let option = |name: &str| call.body.get(name).filter(|value| !value.is_null());
        if option("orphanDependents").is_some() {
            return Err(Failure::unsupported("orphanDependents: use propagationPolicy"));
        }
        check_preconditions(&kind, &call.name, &object, option("preconditions"))?;
        let policy = option("propagationPolicy").and_then(Value::as_str);
        let dry_run = call.parameters.dry_run || option("dryRun").is_some();
        let uid = meta(&object, "uid").unwrap_or_default().to_owned();
        let rest = finalizers_to_wait_for(&kind, &object, policy);
        if rest.is_empty() {
            if !dry_run {
                self.remove(&call.key());
            }
            let details = json!({"name": call.name, "group": kind.group, "kind": kind.plural, "uid": uid});
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
            });
            return Ok(Answer::object(200, Arc::new(status)));
        }
        let mut marked = object.as_ref().clone();
        set_finalizers(&mut marked, &rest);
        if !is_being_deleted(&marked) {
            if let Some(generation) = generation(&marked) {
                set_meta(&mut marked, "generation", Some(json!(generation + 1)));
            }
            let now = seconds(self.now());
            set_meta(&mut marked, "deletionTimestamp", Some(json!(now)));
        }
        set_meta(&mut marked, "deletionGracePeriodSeconds", Some(json!(0)));
        if !dry_run && marked != *object {
            self.put(&call.key(), marked.clone());
        }
        let stored = self.store.get(&call.key()).filter(|_| !dry_run).cloned();
        Ok(Answer::object(200, stored.unwrap_or_else(|| Arc::new(marked))))
    }

    /// What the garbage collector would do next, done. Says whether there was something to do.
    pub(crate) fn collect(&mut self) -> bool {
        let objects: Vec<(Key, Arc<Value>)> = self
            .store
            .objects()
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        let uids: BTreeSet<String> = objects
            .iter()
            .filter_map(|(_, o)| meta(o, "uid").map(str::to_owned))
            .collect();
        for (key, object) in &objects {
            let Some(kind) = self.kinds.named(&key.kind).cloned() else {
                continue;
            };
            let uid = meta(object, "uid").unwrap_or_default();
            let dependents = || objects.iter().filter(|(_, other)| refers_to(other, uid));
            let waits_for = finalizers(object);
            if is_being_deleted(object) && waits_for.iter().any(|f| f == ORPHAN) {
                for (dependent, other) in dependents() {
                    self.change_collected(dependent, other, without_references(other, |to| to == uid));
                }
                self.drop_finalizer(key, object, ORPHAN);
                return true;
            }
            if is_being_deleted(object) && waits_for.iter().any(|f| f == FOREGROUND) {
                let mut blocking = dependents().filter(|(_, other)| blocks(other, uid)).peekable();
                if blocking.peek().is_none() {
                    self.drop_finalizer(key, object, FOREGROUND);
                    return true;
                }
                if let Some((dependent, other)) = blocking.find(|(_, other)| !is_being_deleted(other)) {
                    let has_own = objects
                        .iter()
                        .any(|(_, o)| meta(other, "uid").is_some_and(|uid| refers_to(o, uid)));
                    self.delete_collected(dependent, Some(if has_own { "Foreground" } else { "Background" }));
                    return true;
                }
                continue;
            }
            if is_being_deleted(object) || !kind.collected {
                continue;
            }
            let references = owner_references(object);
            let gone = |reference: &&Value| {
                let text = |name: &str| reference.get(name).and_then(Value::as_str).unwrap_or_default();
                // Of kinds that the double does not serve nothing is known, so they are taken to be there.
                let known = self.kinds.referred(text("apiVersion"), text("kind")).is_some();
                known && !uids.contains(text("uid"))
            };
            let lost = references.iter().filter(gone).count();
            if lost == 0 {
                continue;
            }
            if lost == references.len() {
                let policy = waits_for.iter().find_map(|finalizer| match finalizer.as_str() {
                    ORPHAN => Some("Orphan"),
                    FOREGROUND => Some("Foreground"),
                    _ => None,
                });
                self.delete_collected(key, Some(policy.unwrap_or("Background")));
            } else {
                let kept = without_references(object, |to| !uids.contains(to));
                self.change_collected(key, object, kept);
            }
            return true;
        }
        false
    }

    fn drop_finalizer(&mut self, key: &Key, object: &Arc<Value>, finalizer: &str) {
        let mut rest = finalizers(object);
        rest.retain(|other| other != finalizer);
        let mut without = object.as_ref().clone();
        set_finalizers(&mut without, &rest);
        self.change_collected(key, object, without);
    }

    fn change_collected(&mut self, key: &Key, old: &Arc<Value>, new: Value) {
        let Some(kind) = self.kinds.named(&key.kind).cloned() else {
            return;
        };
        // It is there: it was found a moment ago, and nobody else writes meanwhile.
        let _ = self.replace(&Call::of_collector(Verb::Update, kind, key, Value::Null), old, new);
    }

    fn delete_collected(&mut self, key: &Key, policy: Option<&str>) {
        let Some(kind) = self.kinds.named(&key.kind).cloned() else {
            return;
        };
        let call = Call::of_collector(Verb::Delete, kind, key, json!({"propagationPolicy": policy}));
        // It is there: it was found a moment ago, and nobody else writes meanwhile.
        let _ = self.delete(&call);
    }
}

/// The finalizers that keep an object once it is deleted.
fn finalizers_to_wait_for(kind: &Kind, object: &Value, policy: Option<&str>) -> Vec<String> {
    let present = finalizers(object);
    if !kind.collected {
        return present;
    }
    let has = |finalizer: &str| present.iter().any(|other| other == finalizer);
    let (orphan, foreground) = match policy {
        Some("Orphan") => (true, false),
        Some("Foreground") => (false, true),
        Some(_) => (false, false),
        None => (has(ORPHAN), has(FOREGROUND)),
    };
    let mut wait: Vec<String> = present
        .iter()
        .filter(|f| *f != ORPHAN && *f != FOREGROUND)
        .cloned()
        .collect();
    if orphan {
        wait.push(ORPHAN.to_owned());
    }
    if foreground {
        wait.push(FOREGROUND.to_owned());
    }
    wait
}

fn check_preconditions(kind: &Kind, name: &str, object: &Value, wanted: Option<&Value>) -> Result<(), Failure> {
    let Some(wanted) = wanted else { return Ok(()) };
    let wanted = |field: &str| wanted.get(field).and_then(Value::as_str);
    // The API server names the kind here, and not the resource.
    let of = format!("{}.{}", kind.kind, kind.group);
    let (uid, version) = (
        meta(object, "uid").unwrap_or_default(),
        meta(object, "resourceVersion").unwrap_or_default(),
    );
    if let Some(wanted) = wanted("uid").filter(|wanted| *wanted != uid) {
        let why = format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated"
        );
        return Err(Failure::cannot_fulfil(&of, name, &why));
    }
    if let Some(wanted) = wanted("resourceVersion").filter(|wanted| *wanted != version) {
        let why = format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({version}). The object might have been modified"
        );
        return Err(Failure::cannot_fulfil(&of, name, &why));
    }
    Ok(())
}

fn owner_references(object: &Value) -> Vec<Value> {
    let references = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    references.cloned().unwrap_or_default()
}

fn uid_of(reference: &Value) -> &str {
    reference.get("uid").and_then(Value::as_str).unwrap_or_default()
}

fn refers_to(object: &Value, uid: &str) -> bool {
    owner_references(object)
        .iter()
        .any(|reference| uid_of(reference) == uid)
}

fn blocks(object: &Value, uid: &str) -> bool {
    let references = owner_references(object);
    let mut to_it = references.iter().filter(|reference| uid_of(reference) == uid);
    to_it.any(|reference| reference.get("blockOwnerDeletion") == Some(&Value::Bool(true)))
}

fn without_references(object: &Value, gone: impl Fn(&str) -> bool) -> Value {
    let mut references = owner_references(object);
    references.retain(|reference| !gone(uid_of(reference)));
    let mut object = object.clone();
    set_meta(
        &mut object,
        "ownerReferences",
        (!references.is_empty()).then_some(Value::Array(references)),
    );
    object
}
