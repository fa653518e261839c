//! Reading and writing what all objects have.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A text in `metadata`; the empty one counts as absent.
pub(crate) fn meta<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    let value = object.get("metadata")?.get(field)?.as_str()?;
    (!value.is_empty()).then_some(value)
}

/// Sets or removes a field of `metadata`.
pub(crate) fn set_meta(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    let metadata = map.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => {
            metadata.insert(field.to_owned(), value);
        }
        None => {
            metadata.remove(field);
        }
    }
}

/// Takes a field of `metadata` over from another object.
pub(crate) fn copy_meta(from: &Value, to: &mut Value, field: &str) {
    set_meta(to, field, from.pointer("/metadata").and_then(|m| m.get(field)).cloned());
}

/// Sets or removes a field of the object.
pub(crate) fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => {
            map.insert(field.to_owned(), value);
        }
        None => {
            map.remove(field);
        }
    }
}

pub(crate) fn finalizers(object: &Value) -> Vec<String> {
    let list = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    let list = list.into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

pub(crate) fn set_finalizers(object: &mut Value, finalizers: &[String]) {
    set_meta(
        object,
        "finalizers",
        (!finalizers.is_empty()).then(|| json!(finalizers)),
    );
}

pub(crate) fn generation(object: &Value) -> Option<i64> {
    object.pointer("/metadata/generation").and_then(Value::as_i64)
}

pub(crate) fn is_being_deleted(object: &Value) -> bool {
    meta(object, "deletionTimestamp").is_some()
}

/// Whether two objects are the same but for one field of their metadata.
pub(crate) fn same_but(one: &Value, other: &Value, field: &str) -> bool {
    let metadata = |object| Value::get(object, "metadata").map(|metadata| rest(metadata, field));
    metadata(one) == metadata(other) && same_but_metadata(one, other)
}

/// Whether two objects are the same but for their metadata.
pub(crate) fn same_but_metadata(one: &Value, other: &Value) -> bool {
    rest(one, "metadata") == rest(other, "metadata")
}

/// All fields but one.
fn rest<'a>(object: &'a Value, without: &str) -> Vec<(&'a String, &'a Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(name, _)| *name != without).collect()
}

/// A time as `metadata` has it: whole seconds.
pub(crate) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// RFC 7386: `patch` laid over `target`; a null removes.
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(name);
        } else {
            merge_patch(target.entry(name.clone()).or_insert(Value::Null), value);
        }
    }
}
