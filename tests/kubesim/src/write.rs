//! Creating, changing and applying objects.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::kinds::Kind;
use crate::managed::{Manager, Managers, Operation, Writer};
use crate::object::{
    copy_meta, finalizers, generation, is_being_deleted, merge_patch, meta, same_but, same_but_metadata, seconds, set,
    set_meta,
};
use crate::request::{Call, Merge};
use crate::server::{Answer, World};

impl World {
    /// `POST`.
    pub(crate) fn create(&mut self, call: &Call) -> Result<Answer, Failure> {
        let kind = &call.kind;
        let mut new = call.body.clone();
        check_type(kind, &new)?;
        if meta(&new, "generateName").is_some() {
            return Err(Failure::unsupported("generateName"));
        }
        let name = meta(&new, "name").map(str::to_owned);
        check_namespace(call, &mut new)?;
        kind.schema.normalize(&mut new);
        let nothing = kind.nothing();
        for field in ["managedFields", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            set_meta(&mut new, field, None);
        }
        let version = meta(&new, "resourceVersion").map(str::to_owned);
        set_meta(&mut new, "resourceVersion", None);
        let writer = self.writer(call, Operation::Update);
        let new = Managers::default().update(&writer, &nothing, new);
        let Some(name) = name else {
            let fault = "name: Required value: name or generateName is required".to_owned();
            return Err(Failure::invalid(kind, "", &[fault]));
        };
        let call = Call { name, ..call.clone() };
        let new = self.prepare_create(&call, new)?;
        if version.is_some() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Failure::new(500, "", message));
        }
        if let Some(present) = self.store.get(&call.key()) {
            return Err(Failure::exists(kind, &call.name, is_being_deleted(present)));
        }
        Ok(self.commit(&call, new, 201))
    }

    /// `PUT`.
    pub(crate) fn update(&mut self, call: &Call) -> Result<Answer, Failure> {
        let kind = &call.kind;
        let mut new = call.body.clone();
        check_type(kind, &new)?;
        check_namespace(call, &mut new)?;
        check_name(call, &new)?;
        kind.schema.normalize(&mut new);
        let old = self.store.get(&call.key()).cloned();
        if old.is_none() && !kind.created_by_update {
            return Err(Failure::not_found(kind, &call.name));
        }
        // What is not there has no UID, which is not the wanted one either.
        let is = old.as_ref().and_then(|old| meta(old, "uid")).unwrap_or_default();
        if let Some(wanted) = meta(&new, "uid").filter(|wanted| *wanted != is) {
            let why = format!(
                "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: \
                     Precondition failed: UID in precondition: {wanted}, UID in object meta: {is}",
                path_in_etcd(call)
            );
            return Err(Failure::cannot_fulfil(&kind.resource(), &call.name, &why));
        }
        let Some(old) = old else {
            return self.create_instead(call, new);
        };
        self.replace(call, &old, new)
    }

    /// `PATCH` with what is to be changed.
    pub(crate) fn patch(&mut self, call: &Call) -> Result<Answer, Failure> {
        let kind = &call.kind;
        if call.parameters.merge == Merge::Strategic && has_lists_or_directives(&call.body) {
            return Err(Failure::unsupported("lists and directives in strategic merge patches"));
        }
        let Some(old) = self.store.get(&call.key()).cloned() else {
            return Err(Failure::not_found(kind, &call.name));
        };
        let mut new = old.as_ref().clone();
        merge_patch(&mut new, &call.body);
        check_type(kind, &new)?;
        kind.schema.normalize(&mut new);
        check_namespace(call, &mut new)?;
        check_name(call, &new)?;
        self.replace(call, &old, new)
    }

    /// `PATCH` by server-side apply.
    pub(crate) fn apply(&mut self, call: &Call) -> Result<Answer, Failure> {
        let kind = &call.kind;
        if call.parameters.manager.is_empty() {
            let message =
                "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
            return Err(Failure::new(422, "Invalid", message));
        }
        let old = self.store.get(&call.key()).cloned();
        if old.is_none() && !call.subresource.is_empty() {
            return Err(Failure::not_found(kind, &call.name));
        }
        if call.body.get("apiVersion") != Some(&json!(kind.api_version()))
            || call.body.get("kind") != Some(&json!(kind.kind))
        {
            return Err(wrong_type(&call.body));
        }
        if call
            .body
            .pointer("/metadata/managedFields")
            .is_some_and(|managed| !managed.is_null())
        {
            return Err(Failure::bad_request("metadata.managedFields must be nil"));
        }
        kind.schema.check_applied(&call.body).map_err(|fault| {
            let of = format!(
                "({}/{}; {}, Kind={})",
                call.namespace,
                call.name,
                kind.api_version(),
                kind.kind
            );
            Failure::new(500, "", format!("failed to create typed patch object {of}: {fault}"))
        })?;
        let writer = self.writer(call, Operation::Apply);
        let nothing = kind.nothing();
        let live = old.as_deref().unwrap_or(&nothing);
        let mut new = Managers::of(live).apply(&writer, live, &call.body, call.parameters.force)?;
        kind.schema.normalize_applied(kind.custom, &mut new);
        if let (None, Some(uid)) = (&old, meta(&new, "uid")) {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Failure::cannot_fulfil(&kind.resource(), &call.name, &why));
        }
        check_namespace(call, &mut new)?;
        check_name(call, &new)?;
        match old {
            Some(old) => self.finish(call, &old, new),
            None => {
                let new = self.prepare_create(call, new)?;
                Ok(self.commit(call, new, 201))
            }
        }
    }

    pub(crate) fn writer<'a>(&self, call: &'a Call, operation: Operation) -> Writer<'a> {
        let name = match call.parameters.manager.as_str() {
            "" => "unknown",
            name => name,
        };
        Writer {
            kind: &call.kind,
            manager: Manager {
                operation,
                name: name.to_owned(),
                subresource: call.subresource.clone(),
            },
            now: seconds(self.now()),
        }
    }

    /// An update of what is not there yet.
    fn create_instead(&mut self, call: &Call, mut new: Value) -> Result<Answer, Failure> {
        set_meta(&mut new, "resourceVersion", None);
        let nothing = call.kind.nothing();
        let new = Managers::default().update(&self.writer(call, Operation::Update), &nothing, new);
        let new = self.prepare_create(call, new)?;
        Ok(self.commit(call, new, 201))
    }

    /// Gives a new object what the server alone gives.
    fn prepare_create(&mut self, call: &Call, mut new: Value) -> Result<Value, Failure> {
        let now = seconds(self.now());
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "resourceVersion",
            "generation",
        ] {
            set_meta(&mut new, field, None);
        }
        let uid = self.next_uid();
        set_meta(&mut new, "uid", Some(json!(uid)));
        set_meta(&mut new, "creationTimestamp", Some(json!(now)));
        if call.kind.has_status {
            set(&mut new, "status", None);
            // Its default shows as soon as the object is read.
            call.kind.schema.fill(&mut new);
        }
        if call.kind.custom {
            set_meta(&mut new, "generation", Some(json!(1)));
        }
        validate(&call.kind, &call.name, &new)?;
        Ok(new)
    }

    /// Notes who changed what, and goes on as every change does.
    pub(crate) fn replace(&mut self, call: &Call, old: &Arc<Value>, new: Value) -> Result<Answer, Failure> {
        let managers = match new.pointer("/metadata/managedFields").and_then(Value::as_array) {
            // Given as an empty list, they are reset.
            Some(entries) if call.subresource.is_empty() && entries.is_empty() => Managers::default(),
            Some(_) if call.subresource.is_empty() => Managers::of(&new),
            _ => Managers::of(old),
        };
        let new = managers.update(&self.writer(call, Operation::Update), old, new);
        self.finish(call, old, new)
    }

    /// What every change of an object goes through: the optimistic lock, what may not change, and the generation.
    fn finish(&mut self, call: &Call, old: &Arc<Value>, mut new: Value) -> Result<Answer, Failure> {
        let kind = &call.kind;
        match (meta(&new, "resourceVersion"), meta(old, "resourceVersion")) {
            (Some(wanted), Some(is)) if wanted != is => return Err(Failure::modified(kind, &call.name)),
            (None, _) if !kind.unconditional => {
                let fault = "metadata.resourceVersion: Invalid value: 0: must be specified for an update";
                let of = format!("{} \"{}\" is invalid: {fault}", kind.resource(), call.name);
                return Err(Failure::new(422, "Invalid", of));
            }
            _ => copy_meta(old, &mut new, "resourceVersion"),
        }
        if kind.has_status {
            if call.subresource.is_empty() {
                set(&mut new, "status", old.get("status").cloned());
            } else {
                let mut only_status = old.as_ref().clone();
                set(&mut only_status, "status", new.get("status").cloned());
                copy_meta(&new, &mut only_status, "managedFields");
                new = only_status;
            }
        }
        copy_meta(old, &mut new, "generation");
        if let (true, true, Some(generation)) = (kind.custom, call.subresource.is_empty(), generation(old))
            && !same_but_metadata(old, &new)
        {
            set_meta(&mut new, "generation", Some(json!(generation + 1)));
        }
        for field in ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
            copy_meta(old, &mut new, field);
        }
        match meta(&new, "uid") {
            None => copy_meta(old, &mut new, "uid"),
            uid if uid != meta(old, "uid") => {
                let fault = format!(
                    "metadata.uid: Invalid value: \"{}\": field is immutable",
                    uid.unwrap_or_default()
                );
                return Err(Failure::invalid(kind, &call.name, &[fault]));
            }
            _ => {}
        }
        check_finalizers(kind, &call.name, old, &new)?;
        validate(kind, &call.name, &new)?;
        keep_times(old, &mut new);
        if is_being_deleted(old) && finalizers(&new).is_empty() {
            if !call.parameters.dry_run {
                self.remove(&call.key());
            }
            return Ok(Answer::object(200, Arc::new(new)));
        }
        // A default of the status is not stored when an object is created, and is with the first change, even with none.
        let lacks_default = kind.has_status && old.get("status").is_some() && self.store.is_as_created(&call.key());
        if **old == new && !lacks_default {
            return Ok(Answer::object(200, old.clone()));
        }
        Ok(self.commit(call, new, 200))
    }

    /// Stores an object, unless the request was a dry run.
    fn commit(&mut self, call: &Call, new: Value, code: u16) -> Answer {
        if call.parameters.dry_run {
            return Answer::object(code, Arc::new(new));
        }
        self.put(&call.key(), new);
        match self.store.get(&call.key()) {
            Some(object) => Answer::object(code, object.clone()),
            None => Answer::object(code, Arc::new(Value::Null)),
        }
    }
}

fn path_in_etcd(call: &Call) -> String {
    let (kind, name) = (&call.kind, &call.name);
    match (kind.custom, kind.namespaced) {
        (true, true) => format!("/registry/{}/{}/{}/{name}", kind.group, kind.plural, call.namespace),
        (true, false) => format!("/registry/{}/{}/{name}", kind.group, kind.plural),
        (false, _) => format!("/registry/{}/{}/{name}", kind.plural, call.namespace),
    }
}

fn check_type(kind: &Kind, object: &Value) -> Result<(), Failure> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") == kind.api_version() && text("kind") == kind.kind {
        return Ok(());
    }
    if kind.custom && text("apiVersion") == kind.api_version() {
        let fault = format!("kind: Invalid value: \"{}\": must be {}", text("kind"), kind.kind);
        let name = meta(object, "name").unwrap_or_default();
        return Err(Failure::invalid(kind, name, &[fault]));
    }
    Err(wrong_type(object))
}

fn wrong_type(object: &Value) -> Failure {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    Failure::bad_request(format!(
        "invalid object type: {}, Kind={}",
        text("apiVersion"),
        text("kind")
    ))
}

fn check_namespace(call: &Call, object: &mut Value) -> Result<(), Failure> {
    match meta(object, "namespace") {
        Some(namespace) if namespace != call.namespace => Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        Some(_) => Ok(()),
        None => {
            if call.kind.namespaced {
                set_meta(object, "namespace", Some(json!(call.namespace)));
            }
            Ok(())
        }
    }
}

fn check_name(call: &Call, object: &Value) -> Result<(), Failure> {
    match meta(object, "name") {
        Some(name) if name == call.name => Ok(()),
        Some(name) => Err(Failure::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({})",
            call.name
        ))),
        None => Err(Failure::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            call.name
        ))),
    }
}

/// An object that is being deleted gets no new finalizers.
fn check_finalizers(kind: &Kind, name: &str, old: &Value, new: &Value) -> Result<(), Failure> {
    let before = finalizers(old);
    let added: Vec<String> = finalizers(new).into_iter().filter(|f| !before.contains(f)).collect();
    if added.is_empty() || !is_being_deleted(old) {
        return Ok(());
    }
    let fault = format!(
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new \
         finalizers []string{{{}}}",
        added
            .iter()
            .map(|finalizer| format!("\"{finalizer}\""))
            .collect::<Vec<_>>()
            .join(", ")
    );
    Err(Failure::invalid(kind, name, &[fault]))
}

fn validate(kind: &Kind, name: &str, object: &Value) -> Result<(), Failure> {
    match kind.schema.faults(object).as_slice() {
        [] => Ok(()),
        faults => Err(Failure::invalid(kind, name, faults)),
    }
}

/// Leaves the managers' times as they were where nothing but them has changed.
fn keep_times(old: &Value, new: &mut Value) {
    let timeless = |object: &Value| {
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        let mut entries = entries.cloned().unwrap_or_default();
        for entry in &mut entries {
            set(entry, "time", None);
        }
        entries
    };
    if same_but(old, new, "managedFields") && timeless(old) == timeless(new) {
        copy_meta(old, new, "managedFields");
    }
}

fn has_lists_or_directives(patch: &Value) -> bool {
    match patch {
        Value::Array(_) => true,
        Value::Object(map) => map
            .iter()
            .any(|(name, value)| name.starts_with('$') || has_lists_or_directives(value)),
        _ => false,
    }
}
