//! Mutations of a policy, made from the schema: each field deleted, emptied, toggled, grown, shrunk.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::values;

/// What the API server must say to a mutation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepted,
    Refused,
    /// Rules across fields decide.
    Either,
}

/// One change of one place of a spec.
#[derive(Debug, Clone)]
pub(crate) struct Mutation {
    /// The field in the schema.
    pub(crate) field: String,
    /// The place in the spec, as a JSON pointer.
    pub(crate) place: String,
    pub(crate) kind: &'static str,
    /// What is put there; nothing: it is taken away.
    pub(crate) value: Option<Value>,
    pub(crate) answer: Answer,
    /// So large that the API server is only asked whether it would take it.
    pub(crate) only_asked: bool,
}

impl Mutation {
    /// The spec after it.
    pub(crate) fn of(&self, spec: &Value) -> Value {
        let mut spec = spec.clone();
        if self.place.is_empty() {
            return self.value.clone().unwrap_or(Value::Null);
        }
        let (parent, key) = self.place.rsplit_once('/').expect("a pointer below the root");
        let key = key.replace("~1", "/").replace("~0", "~");
        match spec.pointer_mut(parent).expect("a place in the spec") {
            Value::Object(object) => match &self.value {
                Some(value) => drop(object.insert(key, value.clone())),
                None => drop(object.remove(&key)),
            },
            Value::Array(items) => {
                let index: usize = key.parse().expect("an index");
                match &self.value {
                    Some(value) => items[index] = value.clone(),
                    None => drop(items.remove(index)),
                }
            }
            other => panic!("{}: nothing is below {other}", self.place),
        }
        spec
    }

    /// Whether it adds something or takes something away.
    pub(crate) fn restructures(&self) -> bool {
        matches!(
            self.kind,
            "deleted" | "emptied" | "toggled" | "shrunk" | "grown" | "first only" | "last only" | "unknown field"
        )
    }

    /// Whether it takes the field away, or all that is in it.
    pub(crate) fn removes(&self) -> bool {
        matches!(self.kind, "deleted" | "null" | "emptied")
    }

    fn text(&self) -> String {
        let value = self.value.as_ref();
        value.map_or_else(|| "(nothing)".to_owned(), Value::to_string)
    }

    /// The mutation in a line.
    pub(crate) fn line(&self) -> String {
        let short: String = self.text().chars().take(80).collect();
        format!("{} {}: {short}", self.place, self.kind)
    }
}

/// Walks a schema beside a spec that has every field of it.
#[derive(Default)]
pub(crate) struct Walk {
    pub(crate) mutations: Vec<Mutation>,
    /// The fields of the schema.
    pub(crate) fields: Vec<String>,
    /// The fields of the schema that the spec has.
    pub(crate) present: Vec<String>,
}

impl Walk {
    pub(crate) fn over(schema: &Value, spec: &Value) -> Self {
        let mut walk = Self::default();
        walk.object(schema, Some(spec), "", "");
        // Each text is tried in one place of the spec, wherever else the field is there too.
        let mut tried = BTreeSet::new();
        walk.mutations.retain(|mutation| {
            // An account's ID may be tied to the role that is given beside it.
            let tied = mutation.field.ends_with(".accountID");
            tied || mutation.restructures() || tried.insert((mutation.field.clone(), mutation.kind, mutation.text()))
        });
        for list in [&mut walk.fields, &mut walk.present] {
            list.sort();
            list.dedup();
        }
        walk
    }

    fn add(&mut self, field: &str, place: &str, kind: &'static str, value: impl Into<Option<Value>>, answer: Answer) {
        self.mutations.push(Mutation {
            field: field.to_owned(),
            place: place.to_owned(),
            kind,
            value: value.into(),
            answer,
            only_asked: false,
        });
    }

    fn object(&mut self, schema: &Value, value: Option<&Value>, field: &str, place: &str) {
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if value.is_some() && !field.is_empty() {
            let named = field.trim_end_matches("[]");
            self.add(
                named,
                &format!("{place}/noSuchField"),
                "unknown field",
                json!(1),
                Answer::Refused,
            );
        }
        for (name, part) in schema["properties"].as_object().into_iter().flatten() {
            let dot = if field.is_empty() { "" } else { "." };
            let field = format!("{field}{dot}{name}");
            let place = format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"));
            self.fields.push(field.clone());
            let Some(now) = value.and_then(|value| value.get(name)) else {
                if value.is_some() && part["type"] == "string" {
                    for text in values::texts(&field).good {
                        self.add(&field, &place, "added", text, Answer::Either);
                    }
                }
                self.part(part, None, &field, &place);
                continue;
            };
            self.present.push(field.clone());
            let (deleted, null) = if required.contains(&name.as_str()) {
                (Answer::Refused, Answer::Refused)
            } else {
                (Answer::Either, Answer::Either)
            };
            self.add(&field, &place, "deleted", None, deleted);
            self.add(&field, &place, "null", Value::Null, null);
            let wrong = if part["type"] == "string" { json!(7) } else { json!("7") };
            self.add(&field, &place, "another type", wrong, Answer::Refused);
            self.part(part, Some(now), &field, &place);
        }
    }

    fn part(&mut self, schema: &Value, value: Option<&Value>, field: &str, place: &str) {
        match (schema["type"].as_str().expect("a type"), value) {
            ("object", value) if schema.get("additionalProperties").is_some() => {
                if let Some(value) = value {
                    self.map(schema, value.as_object().expect("a map"), field, place);
                }
            }
            ("object", value) => {
                if value.is_some() {
                    self.add(field, place, "emptied", json!({}), Answer::Either);
                }
                self.object(schema, value, field, place);
            }
            ("array", value) => self.list(schema, value, field, place),
            ("boolean", Some(value)) => {
                self.add(
                    field,
                    place,
                    "toggled",
                    json!(!value.as_bool().expect("a boolean")),
                    Answer::Accepted,
                );
            }
            ("integer", Some(value)) => self.integer(schema, value.as_i64().expect("an integer"), field, place),
            ("string", Some(value)) => self.text(schema, value, field, place),
            ("boolean" | "integer" | "string", None) => {}
            (other, _) => panic!("{field} is of the new type {other}: this test must learn to change it"),
        }
    }

    fn integer(&mut self, schema: &Value, now: i64, field: &str, place: &str) {
        let bound = |key: &str| {
            schema[key]
                .as_f64()
                .map_or_else(|| panic!("{field} has no {key}"), as_integer)
        };
        let (min, max) = (bound("minimum"), bound("maximum"));
        // What one of these may be depends on the other.
        let within = match field.ends_with("HealthyPercentage") {
            true => Answer::Either,
            false => Answer::Accepted,
        };
        for (kind, value, answer) in [
            ("least", min, within),
            ("most", max, within),
            ("grown", now + 1, within),
            ("shrunk", now - 1, within),
            ("less than the least", min - 1, Answer::Refused),
            ("more than the most", max + 1, Answer::Refused),
            ("negative", -now, Answer::Refused),
            ("huge", i64::MAX, Answer::Refused),
        ] {
            self.add(field, place, kind, json!(value), answer);
        }
        self.add(field, place, "a fraction", json!(1.5), Answer::Refused);
    }

    fn text(&mut self, schema: &Value, now: &Value, field: &str, place: &str) {
        if let Some(values) = schema["enum"].as_array() {
            for value in values.iter().filter(|value| *value != now) {
                self.add(field, place, "another value", value.clone(), Answer::Accepted);
            }
            for wrong in ["", "Nonsense", &now.as_str().expect("a text").to_lowercase()] {
                self.add(field, place, "no value", json!(wrong), Answer::Refused);
            }
            return;
        }
        let texts = values::texts(field);
        for text in texts.good {
            self.add(field, place, "another text", text, Answer::Either);
        }
        for text in texts.bad {
            self.add(field, place, "a wrong text", text, Answer::Refused);
        }
        let longest = schema["maxLength"]
            .as_f64()
            .map_or_else(|| panic!("{field} has no bound"), as_integer);
        let too_long = "x".repeat(usize::try_from(longest + 1).expect("a length"));
        self.add(field, place, "too long", json!(too_long), Answer::Refused);
    }

    fn list(&mut self, schema: &Value, value: Option<&Value>, field: &str, place: &str) {
        let items = &schema["items"];
        let of_objects = items["type"] == "object";
        let of_numbers = items["type"] == "integer";
        // Numbers have an order of their own.
        let longer = if of_numbers { Answer::Either } else { Answer::Accepted };
        let inner = format!("{field}[]");
        let Some(now) = value else {
            if of_objects {
                self.object(items, None, &inner, place);
            }
            return;
        };
        let now = now.as_array().expect("a list");
        let max = schema["maxItems"]
            .as_f64()
            .map_or_else(|| panic!("{field} has no bound"), as_integer);
        let max = usize::try_from(max).expect("a length");
        self.add(field, place, "emptied", json!([]), Answer::Either);
        if let [.., last] = &now[..]
            && now.len() > 1
        {
            self.add(field, place, "first only", json!([now[0]]), Answer::Either);
            self.add(field, place, "last only", json!([last]), Answer::Either);
            let reversed: Vec<_> = now.iter().rev().collect();
            self.add(field, place, "reversed", json!(reversed), longer);
        }
        let with = |count: usize| -> Value {
            let more = (0..count - now.len()).map(|number| values::item(field, number));
            now.iter().cloned().chain(more).collect()
        };
        self.add(field, place, "grown", with(now.len() + 1), longer);
        let doubled: Vec<_> = now.iter().chain([&now[0]]).collect();
        let by_key = schema["x-kubernetes-list-type"] == "map";
        let twice = if by_key { Answer::Refused } else { longer };
        self.add(field, place, "doubled", json!(doubled), twice);
        self.add(field, place, "grown to the most", with(max), longer);
        // Whether hundreds of targets are made of it is not what is asked here.
        self.mutations.last_mut().expect("just added").only_asked = by_key;
        self.add(field, place, "more than the most", with(max + 1), Answer::Refused);
        for (index, item) in now.iter().enumerate().filter(|_| !of_numbers) {
            let place = format!("{place}/{index}");
            if of_objects {
                self.object(items, Some(item), &inner, &place);
            } else {
                let before = self.mutations.len();
                self.text(items, item, &inner, &place);
                for mutation in &mut self.mutations[before..] {
                    field.clone_into(&mut mutation.field);
                }
            }
        }
    }

    fn map(&mut self, schema: &Value, now: &Map<String, Value>, field: &str, place: &str) {
        let max = schema["maxProperties"]
            .as_f64()
            .map_or_else(|| panic!("{field} has no bound"), as_integer);
        let max = usize::try_from(max).expect("a length");
        self.add(field, place, "emptied", json!({}), Answer::Either);
        let with = |more: &[(String, Value)]| -> Value {
            now.clone()
                .into_iter()
                .chain(more.iter().cloned())
                .collect::<Map<_, _>>()
                .into()
        };
        let numbered = |count: usize| {
            (0..count - now.len())
                .map(|n| (format!("more-{n}"), json!("v")))
                .collect::<Vec<_>>()
        };
        self.add(field, place, "grown", with(&numbered(now.len() + 1)), Answer::Accepted);
        self.add(
            field,
            place,
            "grown to the most",
            with(&numbered(max)),
            Answer::Accepted,
        );
        self.add(
            field,
            place,
            "more than the most",
            with(&numbered(max + 1)),
            Answer::Refused,
        );
        let keyed = |key: &str| with(&[(key.to_owned(), json!("v"))]);
        for script in values::SCRIPTS {
            self.add(field, place, "another key", keyed(script), Answer::Accepted);
        }
        self.add(
            field,
            place,
            "the longest key",
            keyed(&"k".repeat(127)),
            Answer::Accepted,
        );
        self.add(field, place, "too long a key", keyed(&"k".repeat(128)), Answer::Refused);
        self.add(field, place, "an empty key", keyed(""), Answer::Refused);
        let longest = as_integer(schema["additionalProperties"]["maxLength"].as_f64().expect("a bound"));
        let too_long = "v".repeat(usize::try_from(longest + 1).expect("a length"));
        for key in now.keys() {
            let mut shrunk = now.clone();
            shrunk.remove(key);
            self.add(field, place, "shrunk", Value::from(shrunk), Answer::Either);
            let set = |value: Value| with(&[(key.clone(), value)]);
            for text in values::texts(&format!("{field}{{}}")).good {
                self.add(field, place, "another value", set(text), Answer::Accepted);
            }
            self.add(field, place, "too long a value", set(json!(too_long)), Answer::Refused);
            self.add(field, place, "a value of another type", set(json!(7)), Answer::Refused);
        }
    }
}

/// A bound of the schema, which JSON gives as a floating-point number.
#[allow(clippy::cast_possible_truncation, reason = "bounds are small and whole")]
fn as_integer(bound: f64) -> i64 {
    bound as i64
}
