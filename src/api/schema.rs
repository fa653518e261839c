//! The custom resource definitions, and the parts of their schemas that the types cannot say by themselves.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};

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
            tidy(schema);
        }
    }
    crd
}

fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| unwrapped(&text));
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
                    "description": "Why, in a sentence that names the mend where there is something to mend.",
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
