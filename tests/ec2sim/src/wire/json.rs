//! Parameters of JSON requests, by the flat names that query protocols have: `Names.1`, `ParameterFilters.2.Key`.

use std::collections::BTreeMap;

use serde_json::Value;

/// Adds all that a JSON body says. What is null is absent.
pub(crate) fn flatten(value: &Value, prefix: &str, into: &mut BTreeMap<String, String>) {
    let name = |part: &str| {
        if prefix.is_empty() {
            part.to_owned()
        } else {
            format!("{prefix}.{part}")
        }
    };
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                flatten(value, &name(key), into);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                flatten(value, &name(&(i + 1).to_string()), into);
            }
        }
        Value::Null => {}
        Value::String(text) => {
            into.insert(prefix.to_owned(), text.clone());
        }
        other => {
            into.insert(prefix.to_owned(), other.to_string());
        }
    }
}
