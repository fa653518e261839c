//! A document against a structural schema, as the API server does it: types, bounds, unknown fields, keys of lists
//! that occur twice, and the rules on single texts. Sentences say the field and the fix.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::text_rules::Leaves;

/// What is wrong with `document`, in which numbers and truth values are `written` so, by their paths.
///
/// A field that is null is taken out of it where it has a default, as the API server does. Any other is refused: the API
/// server takes it when an object is created, and refuses it when it is applied.
pub(super) fn check(
    schema: &Value,
    leaves: &Leaves,
    written: &HashMap<String, String>,
    document: &mut Value,
) -> Vec<String> {
    let mut checker = Checker {
        leaves,
        written,
        wrong: Vec::new(),
    };
    // The API server knows these three by itself; the schema says nothing of what is in metadata.
    checker.object(schema, document, "", &["apiVersion", "kind", "metadata"]);
    checker.wrong
}

struct Checker<'a> {
    leaves: &'a Leaves,
    written: &'a HashMap<String, String>,
    wrong: Vec<String>,
}

impl Checker<'_> {
    fn say(&mut self, path: &str, what: impl AsRef<str>) {
        self.wrong.push(format!("{path} {}", what.as_ref()));
    }

    /// A value as a message quotes it: a number or a truth value as the file has it.
    fn shown(&self, path: &str, value: &Value) -> String {
        let written = self
            .written
            .get(path)
            .filter(|_| value.is_number() || value.is_boolean());
        written.map_or_else(|| shown(value), |text| text.chars().take(40).collect())
    }

    fn value(&mut self, schema: &Value, value: &mut Value, path: &str) {
        match schema["type"].as_str() {
            Some("object") => self.object(schema, value, path, &[]),
            Some("array") => self.array(schema, value, path),
            Some("string") => self.string(schema, value, path),
            Some("integer") => self.integer(schema, value, path),
            Some("boolean") if !value.is_boolean() => {
                self.say(
                    path,
                    format!("must be true or false, and is {}", self.shown(path, value)),
                );
            }
            _ => {}
        }
    }

    fn object(&mut self, schema: &Value, value: &mut Value, path: &str, also: &[&str]) {
        let Value::Object(object) = value else {
            let what = format!(
                "must be an object of fields, and is {}: indent its fields under it",
                shown(value)
            );
            return self.say(path, what);
        };
        let none = Map::new();
        let properties = schema["properties"].as_object().unwrap_or(&none);
        let values = schema.get("additionalProperties").filter(|values| values.is_object());
        if values.is_none() {
            let required = |name: &str| {
                let names = schema["required"].as_array().into_iter().flatten();
                names.filter_map(Value::as_str).any(|required| required == name)
            };
            object.retain(|name, value| {
                let Some(schema) = properties.get(name).filter(|_| value.is_null()) else {
                    return true;
                };
                if schema.get("default").is_none() && !required(name) {
                    self.wrong
                        .push(format!("{} is empty: fill it in, or remove it", below(path, name)));
                }
                false
            });
        }
        let largest = schema["maxProperties"].as_u64();
        if largest.is_some_and(|largest| object.len() as u64 > largest) {
            let largest = largest.unwrap_or_default();
            self.say(
                path,
                format!(
                    "must have at most {largest} entries, and has {}: remove some",
                    object.len()
                ),
            );
        }
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !object.contains_key(name) {
                self.say(&below(path, name), "is missing: add it");
            }
        }
        for (name, value) in object.iter_mut() {
            let path = below(path, name);
            match properties.get(name).or(values) {
                Some(schema) => self.value(schema, value, &path),
                None if also.contains(&name.as_str()) => {}
                None => self.say(&path, unknown(name, properties)),
            }
        }
    }

    fn array(&mut self, schema: &Value, value: &mut Value, path: &str) {
        let Value::Array(items) = value else {
            let what = format!("must be a list, and is {}: begin each item with -", shown(value));
            return self.say(path, what);
        };
        let (least, most) = (schema["minItems"].as_u64(), schema["maxItems"].as_u64());
        if let Some(least) = least.filter(|least| (items.len() as u64) < *least) {
            self.say(path, format!("must have at least {least} item: add one"));
        }
        if let Some(most) = most.filter(|most| items.len() as u64 > *most) {
            let what = format!(
                "must have at most {most} items, and has {}: divide them between two policies",
                items.len()
            );
            return self.say(path, what);
        }
        for (index, item) in items.iter_mut().enumerate() {
            self.value(&schema["items"], item, &format!("{path}[{index}]"));
        }
        let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
        let keys: Vec<&str> = keys.filter_map(Value::as_str).collect();
        if keys.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let key: Vec<&Value> = keys.iter().map(|key| &item[*key]).collect();
            let told = key.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", ");
            if !key.iter().any(|key| key.is_null()) && !seen.insert(told.clone()) {
                let what = format!(
                    "has the same {} as an item before it, {told}: remove one of the two",
                    keys.join(", ")
                );
                self.say(&format!("{path}[{index}]"), what);
            }
        }
    }

    fn string(&mut self, schema: &Value, value: &Value, path: &str) {
        let Value::String(text) = value else {
            let shown = self.shown(path, value);
            let what = match value {
                Value::Bool(read) => match read.to_string() {
                    same if same == shown => format!("must be a text, and is {shown}: put it in quotes"),
                    read => format!("must be a text, and {shown} without quotes is {read}: put it in quotes"),
                },
                Value::Number(_) => format!("must be a text, and {shown} without quotes is a number: put it in quotes"),
                _ => format!("must be a text, and is {shown}"),
            };
            return self.say(path, what);
        };
        let choices: Vec<&str> = schema["enum"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if !choices.is_empty() && !choices.contains(&text.as_str()) {
            self.say(
                path,
                format!("must be {}, and is {}", choices.join(" or "), shown(value)),
            );
        }
        let before = self.wrong.len();
        let length = text.chars().count() as u64;
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            self.say(
                path,
                format!("must have at most {most} characters, and has {length}: shorten it"),
            );
        }
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.say(
                path,
                format!("must have at least {least} character: fill it in, or remove it"),
            );
        }
        if self.wrong.len() == before {
            for objection in self.leaves.objections(schema, text) {
                self.wrong.push(format!("{path}: {objection}"));
            }
        }
    }

    fn integer(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_i64() else {
            let shown = self.shown(path, value);
            return self.say(path, format!("must be a whole number, and is {shown}"));
        };
        let bound = |name: &str| schema[name].as_f64();
        #[allow(
            clippy::cast_precision_loss,
            reason = "bounds are small; larger numbers are beyond them anyway"
        )]
        let as_bound = number as f64;
        if let Some(least) = bound("minimum").filter(|least| as_bound < *least) {
            let shown = self.shown(path, value);
            self.say(path, format!("must be at least {least}, and is {shown}"));
        }
        if let Some(most) = bound("maximum").filter(|most| as_bound > *most) {
            let shown = self.shown(path, value);
            self.say(path, format!("must be at most {most}, and is {shown}"));
        }
    }
}

/// The path of a field.
pub(super) fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// A value as a message quotes it: short, whatever it is.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "empty".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::String(text) if text.chars().count() > 40 => {
            format!("{:?}", text.chars().take(40).chain(['…']).collect::<String>())
        }
        scalar => scalar.to_string(),
    }
}

fn unknown(name: &str, known: &Map<String, Value>) -> String {
    let close = known
        .keys()
        .map(|other| (distance(&name.to_lowercase(), &other.to_lowercase()), other))
        .filter(|(distance, other)| *distance <= other.len().div_ceil(3))
        .min();
    match close {
        Some((_, other)) => format!("is no field: did you mean {other}?"),
        None => {
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            format!("is no field: remove it; there are {}", known.join(", "))
        }
    }
}

/// How many letters have to be changed, added or left out to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, same) in other.iter().map(|c| *c == letter).enumerate() {
            let replaced = diagonal + usize::from(!same);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_are_as_far_apart_as_letters_have_to_change() {
        for (one, other, apart) in [
            ("", "", 0),
            ("mode", "mode", 0),
            ("mode", "modes", 1),
            ("accountid", "acountid", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(one, other), apart, "{one} {other}");
        }
    }

    #[test]
    fn a_null_is_as_if_the_field_were_not_there_where_it_has_a_default_and_is_refused_elsewhere() {
        let schema = json!({
            "type": "object",
            "required": ["a"],
            "properties": {
                "a": {"type": "string"},
                "b": {"type": "string"},
                "c": {"type": "string", "default": "x"},
            },
        });
        let mut document = json!({"a": null, "b": null, "c": null});
        let leaves = Leaves::taken_from(&mut schema.clone());
        assert_eq!(
            check(&schema, &leaves, &HashMap::new(), &mut document),
            ["b is empty: fill it in, or remove it", "a is missing: add it"]
        );
        assert_eq!(document, json!({}));
    }

    #[test]
    fn what_is_no_text_is_shown_as_it_is_written() {
        let schema = json!({
            "type": "object",
            "properties": {"a": {"type": "string"}, "n": {"type": "integer", "maximum": 10}},
        });
        let leaves = Leaves::taken_from(&mut schema.clone());
        for (value, text, said) in [
            (
                json!({"a": 12_345_678_901_u64}),
                Some(("a", "012345678901")),
                "a must be a text, and 012345678901 without quotes is a number: put it in quotes",
            ),
            (
                json!({"a": false}),
                Some(("a", "no")),
                "a must be a text, and no without quotes is false: put it in quotes",
            ),
            (
                json!({"a": true}),
                Some(("a", "true")),
                "a must be a text, and is true: put it in quotes",
            ),
            (json!({"n": 16}), Some(("n", "020")), "n must be at most 10, and is 020"),
            (json!({"n": 2.5}), None, "n must be a whole number, and is 2.5"),
        ] {
            let written = text.map(|(path, text)| (path.to_owned(), text.to_owned()));
            let written = written.into_iter().collect();
            assert_eq!(check(&schema, &leaves, &written, &mut value.clone()), [said]);
        }
    }
}
