//! The schema's part that is the API server's own: the types of Kubernetes that values use.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;
use rig::shared;
use serde_json::{Map, Value, json};

use crate::support::{chart_file, kubectl};

const DESCRIPTIONS: [&str; 3] = ["api/v1", "apis/apps/v1", "apis/networking.k8s.io/v1"];
const COMMENT: &str = "The types of Kubernetes that values use, as the API server has them. A test compares them.";

/// What the API server says of its types, by their names without the group.
async fn types() -> BTreeMap<String, Value> {
    let mut types = BTreeMap::new();
    for path in DESCRIPTIONS {
        let url = format!("/openapi/v3/{path}");
        let text = kubectl(shared().await, &["get", "--raw", &url], "").await.expect(path);
        let description: Value = serde_json::from_str(&text).expect("JSON");
        let schemas = description["components"]["schemas"].as_object().expect("schemas");
        let schemas = schemas.iter().map(|(name, schema)| (last(name), schema.clone()));
        types.extend(schemas);
    }
    types
}

fn last(name: &str) -> String {
    name.rsplit('.').next().unwrap_or(name).to_owned()
}

/// A type, which may be null where nothing asks for it.
fn or_null(name: &Value, may_be_null: bool) -> Value {
    if may_be_null {
        json!([name, "null"])
    } else {
        name.clone()
    }
}

/// Names and types of a schema and nothing else, so that what later versions allow is allowed; and what it refers to.
fn projected(schema: &Value, may_be_null: bool, found: &mut BTreeSet<String>) -> Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    if let Some(name) = reference.map(last) {
        return match (name.as_str(), may_be_null) {
            ("Quantity", _) => json!({"$ref": "#/definitions/quantity"}),
            ("IntOrString", true) => json!({"type": ["integer", "string", "null"]}),
            ("IntOrString", false) => json!({"type": ["integer", "string"]}),
            ("ObjectMeta", _) => json!({"type": or_null(&json!("object"), may_be_null)}),
            _ => {
                found.insert(name.clone());
                json!({"$ref": format!("#/definitions/kubernetes/{name}")})
            }
        };
    }
    let mut result = Map::new();
    result.insert("type".to_owned(), or_null(&schema["type"], may_be_null));
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array().cloned().unwrap_or_default();
        let of = |(name, property): (&String, &Value)| {
            let is_required = required.contains(&json!(name));
            (name.clone(), projected(property, !is_required, found))
        };
        let properties: Map<String, Value> = properties.iter().map(of).collect();
        result.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            result.insert("required".to_owned(), Value::Array(required));
        }
    }
    for (part, may_be_null) in [("additionalProperties", true), ("items", false)] {
        if schema[part].is_object() {
            result.insert(part.to_owned(), projected(&schema[part], may_be_null, found));
        }
    }
    Value::Object(result)
}

#[tokio::test]
async fn the_types_of_kubernetes_in_the_schema_are_those_of_the_api_server() {
    let types = types().await;
    let text = chart_file("values.schema.json");
    let (by_hand, _) = text.split_once("\"kubernetes\": {").expect("the generated part");
    let named = Regex::new("#/definitions/kubernetes/([A-Za-z]+)").expect("a pattern");
    let roots: BTreeSet<String> = named.captures_iter(by_hand).map(|found| found[1].to_owned()).collect();
    assert!(roots.len() > 10, "{roots:?}");

    let mut expected = BTreeMap::new();
    let mut open = roots.clone();
    while let Some(name) = open.pop_first() {
        let Entry::Vacant(entry) = expected.entry(name) else {
            continue;
        };
        let name = entry.key();
        let schema = types
            .get(name)
            .unwrap_or_else(|| panic!("the API server has no {name}"));
        let schema = projected(schema, !roots.contains(name), &mut open);
        entry.insert(schema);
    }
    let schema: Value = serde_json::from_str(&text).expect("JSON");
    let mut found = schema["definitions"]["kubernetes"].as_object().expect("types").clone();
    assert_eq!(found.remove("$comment"), Some(json!(COMMENT)));
    let found: BTreeMap<String, Value> = found.into_iter().collect();
    let lines: Vec<String> = expected
        .iter()
        .map(|(name, schema)| format!("      \"{name}\": {schema}"))
        .collect();
    assert!(
        found == expected,
        "the types in values.schema.json should be:\n{}",
        lines.join(",\n")
    );
}
