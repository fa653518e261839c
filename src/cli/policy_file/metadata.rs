//! What the API server holds the metadata of every object to. It is no part of a schema.

use std::collections::HashMap;

use serde_json::Value;

/// What is wrong with the metadata of `document`, in which numbers and truth values are `written` so, by their paths. A label or
/// annotation that is null becomes an empty text, as the API server has it.
pub(super) fn check(document: &mut Value, written: &HashMap<String, String>) -> Vec<String> {
    let mut wrong = Vec::new();
    match &document["metadata"]["name"] {
        Value::Null => wrong.push("metadata.name is missing: give the policy a name".to_owned()),
        Value::String(name) if is_name(name) => {}
        Value::String(_) => wrong.push(
            "metadata.name must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit: \
             rename the policy"
                .to_owned(),
        ),
        _ => wrong.push(no_text("metadata.name", written)),
    }
    for field in ["labels", "annotations"] {
        let fields = document
            .get_mut("metadata")
            .and_then(|metadata| metadata.get_mut(field));
        for (key, value) in fields.and_then(Value::as_object_mut).into_iter().flatten() {
            let path = format!("metadata.{field}.{key}");
            if value.is_null() {
                *value = Value::String(String::new());
            }
            if !is_key(key) {
                wrong.push(format!(
                    "{path} must have a key of at most 63 letters, digits, -, _ and ., after a prefix and / if it has one: \
                     correct the key"
                ));
            }
            match value {
                Value::String(text) if field == "labels" && !(text.is_empty() || is_word(text)) => wrong.push(format!(
                    "{path} must be of at most 63 letters, digits, -, _ and ., and begin and end with a letter or digit: \
                     correct the label"
                )),
                Value::String(_) => {}
                _ => wrong.push(no_text(&path, written)),
            }
        }
    }
    wrong
}

fn no_text(path: &str, written: &HashMap<String, String>) -> String {
    match written.get(path) {
        Some(text) => format!("{path} must be a text, and {text} without quotes is none: put it in quotes"),
        None => format!("{path} must be a text: write one"),
    }
}

fn is_name(name: &str) -> bool {
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let label = |label: &str| has_edges(label) && label.bytes().all(lower);
    name.len() <= 253 && name.split('.').all(label)
}

/// A word, after a prefix that is a name if it has one.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, word)) => is_name(prefix) && is_word(word),
        None => is_word(key),
    }
}

fn is_word(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    text.len() <= 63 && has_edges(text) && text.bytes().all(inner)
}

fn has_edges(text: &str) -> bool {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    edge(text.bytes().next()) && edge(text.bytes().last())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn labels_and_annotations_are_as_the_api_server_takes_them() {
        let long = "x".repeat(64);
        for (metadata, said) in [
            (json!({"name": "a.b-1"}), None),
            (
                json!({"name": "a", "labels": {"a": null, "example.com/b_C": "x.y-z"}}),
                None,
            ),
            (
                json!({"name": "a", "annotations": {"kubernetes.io/note": "any text, of any length: {}"}}),
                None,
            ),
            (json!({}), Some("metadata.name is missing")),
            (json!([]), Some("metadata.name is missing")),
            (json!("a"), Some("metadata.name is missing")),
            (
                json!({"name": "A"}),
                Some("metadata.name must consist of lower-case letters"),
            ),
            (
                json!({"name": 1}),
                Some("metadata.name must be a text, and 01 without quotes is none"),
            ),
            (
                json!({"name": "a", "labels": {"-a": "x"}}),
                Some("metadata.labels.-a must have a key of"),
            ),
            (
                json!({"name": "a", "labels": {"A/a": "x"}}),
                Some("metadata.labels.A/a must have a key of"),
            ),
            (
                json!({"name": "a", "annotations": {"a b": "x"}}),
                Some("metadata.annotations.a b must have a key of"),
            ),
            (
                json!({"name": "a", "labels": {"a": "x y"}}),
                Some("metadata.labels.a must be of at most 63"),
            ),
            (
                json!({"name": "a", "labels": {"a": long}}),
                Some("metadata.labels.a must be of at most 63"),
            ),
            (
                json!({"name": "a", "annotations": {"a": 1}}),
                Some("metadata.annotations.a must be a text: write one"),
            ),
        ] {
            let mut document = json!({"metadata": metadata});
            let written = [("metadata.name".to_owned(), "01".to_owned())].into();
            let wrong = check(&mut document, &written);
            match said {
                Some(said) => assert!(wrong.len() == 1 && wrong[0].starts_with(said), "{wrong:?}"),
                None => assert_eq!(wrong, Vec::<String>::new()),
            }
        }
    }
}
