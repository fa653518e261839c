//! The custom resource definitions, and the parts of their schemas that the types cannot say by themselves.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};

/// The observed generation of an object that amiseal has not seen: no object has that one.
const NOT_SEEN: i64 = -1;

/// The definitions of the three resources, as they are to be applied to a cluster.
///
/// Use these rather than each type's own `crd()`: that one still says `nullable` of every optional field, and names
/// integer formats that the API server does not know and warns of.
#[must_use]
pub fn crds() -> Vec<CustomResourceDefinition> {
    [
        AMIEncryptionPolicy::crd(),
        AMIEncryptionTarget::crd(),
        AMIMigration::crd(),
    ]
    .map(tidied)
    .into()
}

fn tidied(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(schema) = version
            .schema
            .as_mut()
            .and_then(|schema| schema.open_api_v3_schema.as_mut())
        {
            unseen(schema);
            tidy(schema);
        }
    }
    crd
}

/// Has the API server say of every object that amiseal has not seen it yet. Without a status, tools that know nothing of our
/// conditions (kstatus, and so Flux and `kustomize`; Argo CD) take an object for done.
fn unseen(object: &mut JSONSchemaProps) {
    let properties = object.properties.as_mut();
    let Some(status) = properties.and_then(|properties| properties.get_mut("status")) else {
        return;
    };
    status.default = Some(JSON(json!({"observedGeneration": NOT_SEEN})));
    let properties = status.properties.as_mut();
    if let Some(observed) = properties.and_then(|properties| properties.get_mut("observedGeneration")) {
        observed.default = Some(JSON(json!(NOT_SEEN)));
    }
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema
        .description
        .take()
        .map(|text| with_default(unwrapped(&text), schema.default.as_ref()));
    if schema
        .format
        .as_deref()
        .is_some_and(|format| format.starts_with("uint"))
    {
        schema.format = None;
    }
    for property in schema
        .properties
        .iter_mut()
        .flat_map(|properties| properties.values_mut())
    {
        tidy(property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}

/// The text without the line breaks that its source has within paragraphs: `kubectl explain` wraps lines by itself.
fn unwrapped(text: &str) -> String {
    let paragraphs: Vec<_> = text
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    paragraphs.join("\n\n")
}

/// The text with the default, which `kubectl explain` does not show by itself.
fn with_default(text: String, default: Option<&JSON>) -> String {
    let default = match default.map(|JSON(value)| value) {
        Some(Value::String(text)) => text.clone(),
        Some(scalar @ (Value::Bool(_) | Value::Number(_))) => scalar.to_string(),
        _ => return text,
    };
    format!("{text} Default: `{default}`.")
}

/// A list of conditions, at most 16, one of each type.
pub(super) fn conditions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "One aspect of the object's state.",
            "required": ["type", "status", "lastTransitionTime", "reason", "message"],
            "properties": {
                "type": {
                    "description": "Which aspect, as in `Ready`.",
                    "type": "string",
                    "maxLength": 64,
                },
                "status": {
                    "description": "Whether it holds: `True`, `False`, or `Unknown` when amiseal cannot tell.",
                    "type": "string",
                    "enum": ["True", "False", "Unknown"],
                },
                "observedGeneration": {
                    "description": "The `metadata.generation` that the condition speaks of.",
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                },
                "lastTransitionTime": {
                    "description": "When `status` last changed.",
                    "type": "string",
                    "format": "date-time",
                },
                "reason": {
                    "description": "Why, in one word that stays the same from release to release.",
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 128,
                },
                "message": {
                    "description": "Why, in a sentence that names the fix where there is something to fix.",
                    "type": "string",
                    "maxLength": 2048,
                },
            },
        },
    })
}

/// Tags as AWS takes them: at most 40 here, since ours and those that the original publishes come on top.
pub(super) fn tags(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 40,
        "additionalProperties": {"type": "string", "maxLength": 256},
    })
}

/// Tags to match, the values as globs.
pub(super) fn tag_globs(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {"type": "string", "maxLength": 256},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_schema(value: &Value, visit: &mut impl FnMut(&serde_json::Map<String, Value>)) {
        match value {
            Value::Object(object) => {
                visit(object);
                object.values().for_each(|value| each_schema(value, visit));
            }
            Value::Array(items) => items.iter().for_each(|value| each_schema(value, visit)),
            _ => {}
        }
    }

    /// Unbounded lists, maps and texts would make the API server refuse any rule that reads them, and let a status
    /// grow until it no longer fits into a request.
    #[test]
    fn every_list_map_and_text_is_bounded() {
        for crd in crds() {
            let name = crd.spec.names.kind.clone();
            let schema = crd.spec.versions[0]
                .schema
                .clone()
                .expect("a schema")
                .open_api_v3_schema;
            let schema = serde_json::to_value(schema).expect("a schema is JSON");
            for part in ["spec", "status"] {
                each_schema(&schema["properties"][part], &mut |schema| {
                    let bounded = match schema.get("type").and_then(Value::as_str) {
                        Some("array") => schema.contains_key("maxItems"),
                        Some("object") if schema.contains_key("additionalProperties") => {
                            schema.contains_key("maxProperties")
                        }
                        Some("string") => ["maxLength", "enum", "format"]
                            .iter()
                            .any(|key| schema.contains_key(*key)),
                        _ => true,
                    };
                    assert!(bounded, "{name}.{part}: {schema:?}");
                });
            }
        }
    }

    #[test]
    fn no_field_is_nullable_and_no_integer_has_a_format_that_kubernetes_does_not_know() {
        for crd in crds() {
            each_schema(&serde_json::to_value(crd).expect("JSON"), &mut |schema| {
                assert!(!schema.contains_key("nullable"), "{schema:?}");
                if let Some(format) = schema.get("format") {
                    assert!(
                        ["int32", "int64", "date-time"].contains(&format.as_str().expect("a text")),
                        "{format}"
                    );
                }
            });
        }
    }

    #[test]
    fn a_field_that_has_a_default_says_so_and_one_that_has_none_does_not() {
        for crd in crds() {
            each_schema(&serde_json::to_value(crd).expect("JSON"), &mut |schema| {
                let Some(Value::String(description)) = schema.get("description") else {
                    return;
                };
                let said = match schema.get("default") {
                    Some(Value::String(text)) => description.ends_with(&format!(" Default: `{text}`.")),
                    Some(Value::Object(_) | Value::Array(_)) | None => !description.contains("Default: `"),
                    Some(scalar) => description.ends_with(&format!(" Default: `{scalar}`.")),
                };
                assert!(said, "{schema:?}");
            });
        }
    }

    #[test]
    fn every_kind_is_unseen_until_amiseal_has_looked() {
        for crd in crds() {
            let crd = serde_json::to_value(crd).expect("JSON");
            let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            assert_eq!(status["default"], json!({"observedGeneration": -1}), "{crd}");
            assert_eq!(status["properties"]["observedGeneration"]["default"], -1, "{crd}");
        }
    }

    #[test]
    fn a_paragraph_is_one_line_and_paragraphs_stay_apart() {
        assert_eq!(unwrapped("a\nb\n\nc\nd"), "a b\n\nc d");
    }
}
