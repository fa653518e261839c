//! What a kind's fields are: enough of a structural schema to prune, to default, and to merge by.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A field's type, its default, and how server-side apply merges it.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) shape: Shape,
    default: Option<Value>,
    nullable: bool,
    required: BTreeSet<String>,
    choices: Vec<Value>,
}

/// A field's type.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// A string, number or truth value.
    Scalar(Scalar),
    /// A list.
    List { items: Box<Schema>, relation: Relation },
    /// An object with the fields given, and with any other of the type `rest` if there is one.
    Map {
        fields: BTreeMap<String, Schema>,
        rest: Option<Box<Schema>>,
        atomic: bool,
    },
    /// Anything, taken as one value.
    Any,
}

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    Text,
    /// A time with six decimals.
    MicroTime,
    Integer,
    Number,
    Boolean,
}

/// How the items of a list are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// Not at all: the list is one value.
    Atomic,
    /// By their value.
    Set,
    /// By these of their fields.
    Keyed(Vec<String>),
}

impl Schema {
    /// Reads the schema of a custom resource. What this double would get wrong is refused.
    pub(crate) fn parse(source: &Value) -> Result<Self, String> {
        for unsupported in [
            "x-kubernetes-preserve-unknown-fields",
            "x-kubernetes-int-or-string",
            "x-kubernetes-embedded-resource",
        ] {
            if source.get(unsupported).is_some() {
                return Err(format!("the schema uses {unsupported}, which the double does not know"));
            }
        }
        let text = |name: &str| source.get(name).and_then(Value::as_str);
        let shape = match text("type") {
            Some("string") => Shape::Scalar(match text("format") {
                Some("micro-time") => Scalar::MicroTime,
                _ => Scalar::Text,
            }),
            Some("integer") => Shape::Scalar(Scalar::Integer),
            Some("number") => Shape::Scalar(Scalar::Number),
            Some("boolean") => Shape::Scalar(Scalar::Boolean),
            Some("array") => Shape::List {
                items: Box::new(Self::parse(source.get("items").ok_or("a list without items")?)?),
                relation: match text("x-kubernetes-list-type") {
                    None | Some("atomic") => Relation::Atomic,
                    Some("set") => Relation::Set,
                    Some("map") => Relation::Keyed(texts(source.get("x-kubernetes-list-map-keys"))),
                    Some(other) => return Err(format!("the list type {other} is not known")),
                },
            },
            Some("object") => {
                let mut fields = BTreeMap::new();
                for (name, field) in source
                    .get("properties")
                    .and_then(Value::as_object)
                    .into_iter()
                    .flatten()
                {
                    fields.insert(name.clone(), Self::parse(field)?);
                }
                let rest = source.get("additionalProperties").map(Self::parse).transpose()?;
                Shape::Map {
                    fields,
                    rest: rest.map(Box::new),
                    atomic: text("x-kubernetes-map-type") == Some("atomic"),
                }
            }
            Some("any") => Shape::Any,
            other => return Err(format!("the type {other:?} is not known")),
        };
        Ok(Self {
            shape,
            default: source.get("default").cloned(),
            nullable: source.get("nullable") == Some(&Value::Bool(true)),
            required: texts(source.get("required")).into_iter().collect(),
            choices: source
                .get("enum")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// The schema of a whole object: `parts` besides what every object has.
    pub(crate) fn object(parts: &Value) -> Result<Self, String> {
        let mut schema = Self::parse(parts)?;
        let Shape::Map { fields, .. } = &mut schema.shape else {
            return Err("an object's schema must be of type object".to_owned());
        };
        for name in ["apiVersion", "kind"] {
            fields.insert(name.to_owned(), Self::parse(&json!({"type": "string"}))?);
        }
        fields.insert("metadata".to_owned(), Self::parse(&metadata())?);
        Ok(schema)
    }

    /// The type of a map's field, and whether it is declared by name.
    pub(crate) fn field(&self, name: &str) -> Option<(&Self, bool)> {
        match &self.shape {
            Shape::Map { fields, rest, .. } => match fields.get(name) {
                Some(field) => Some((field, true)),
                None => rest.as_deref().map(|rest| (rest, false)),
            },
            _ => None,
        }
    }

    /// Brings an object into the form in which it is stored: without fields that are not declared and without nulls, with
    /// defaults.
    pub(crate) fn normalize(&self, value: &mut Value) {
        self.prune(value);
        self.fill(value);
    }

    /// The same for an object that was applied. What has become empty by it is null in a custom resource, and is left to be
    /// refused, as the API server does.
    pub(crate) fn normalize_applied(&self, custom: bool, value: &mut Value) {
        if !custom {
            self.prune(value);
        } else if let (Some((schema, _)), Some(metadata)) = (self.field("metadata"), value.get_mut("metadata")) {
            schema.prune(metadata);
        }
        self.fill(value);
    }

    fn prune(&self, value: &mut Value) {
        match (&self.shape, value) {
            (Shape::Map { .. }, Value::Object(map)) => {
                map.retain(|name, value| {
                    let Some((field, _)) = self.field(name) else {
                        return false;
                    };
                    if value.is_null() && !field.nullable && field.default.is_none() {
                        return false;
                    }
                    field.prune(value);
                    true
                });
            }
            (Shape::List { items, .. }, Value::Array(list)) => list.iter_mut().for_each(|item| items.prune(item)),
            _ => {}
        }
    }

    /// Puts defaults where nothing is.
    pub(crate) fn fill(&self, value: &mut Value) {
        match (&self.shape, value) {
            (Shape::Map { fields, .. }, Value::Object(map)) => {
                for (name, field) in fields {
                    let Some(default) = &field.default else { continue };
                    let missing = map.get(name).is_none_or(|value| value.is_null() && !field.nullable);
                    if missing {
                        map.insert(name.clone(), default.clone());
                    }
                }
                for (name, value) in map {
                    if let Some((field, _)) = self.field(name) {
                        field.fill(value);
                    }
                }
            }
            (Shape::List { items, .. }, Value::Array(list)) => list.iter_mut().for_each(|item| items.fill(item)),
            _ => {}
        }
    }

    /// What is wrong with an object, one sentence each: types, required fields and enumerations only.
    pub(crate) fn faults(&self, value: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        self.judge(value, "", &mut faults);
        faults
    }

    fn judge(&self, value: &Value, path: &str, faults: &mut Vec<String>) {
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let choices = self.choices.iter().map(Value::to_string);
            let choices = choices.collect::<Vec<_>>().join(", ");
            faults.push(format!(
                "{path}: Unsupported value: {value}: supported values: {choices}"
            ));
            return;
        }
        if let Some(expected) = self.mismatch(value) {
            faults.push(format!("{path}: Invalid value: must be of type {expected}"));
            return;
        }
        match (&self.shape, value) {
            (Shape::Map { .. }, Value::Object(map)) => {
                for name in &self.required {
                    if !map.contains_key(name) {
                        faults.push(format!("{}: Required value", child(path, name)));
                    }
                }
                for (name, value) in map {
                    if let Some((field, _)) = self.field(name) {
                        field.judge(value, &child(path, name), faults);
                    }
                }
            }
            (Shape::List { items, relation }, Value::Array(list)) => {
                let mut seen = BTreeSet::new();
                for (index, item) in list.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    items.judge(item, &path, faults);
                    if element(relation, item).is_ok_and(|element| !seen.insert(element)) {
                        faults.push(format!("{path}: Duplicate value"));
                    }
                }
            }
            _ => {}
        }
    }

    /// The type that a value should have and has not.
    fn mismatch(&self, value: &Value) -> Option<&'static str> {
        let (fits, expected) = match &self.shape {
            Shape::Any => (true, ""),
            Shape::Scalar(Scalar::Text) => (value.is_string(), "string"),
            Shape::Scalar(Scalar::MicroTime) => (is_micro_time(value), "time with six decimals"),
            Shape::Scalar(Scalar::Integer) => (value.is_i64() || value.is_u64(), "integer"),
            Shape::Scalar(Scalar::Number) => (value.is_number(), "number"),
            Shape::Scalar(Scalar::Boolean) => (value.is_boolean(), "boolean"),
            Shape::List { .. } => (value.is_array(), "array"),
            Shape::Map { .. } => (value.is_object(), "object"),
        };
        let fits = fits || self.nullable && value.is_null();
        (!fits).then_some(expected)
    }

    /// Refuses what server-side apply cannot merge: fields that are not declared, values of another type, lists with an
    /// item twice.
    pub(crate) fn check_applied(&self, value: &Value) -> Result<(), String> {
        self.check_at(value, "")
    }

    fn check_at(&self, value: &Value, path: &str) -> Result<(), String> {
        if let Some(expected) = self.mismatch(value).filter(|_| !value.is_null()) {
            return Err(format!("{path}: expected {expected}, got {value}"));
        }
        match (&self.shape, value) {
            (Shape::Map { .. }, Value::Object(map)) => {
                for (name, value) in map {
                    let path = format!("{path}.{name}");
                    let (field, _) = self
                        .field(name)
                        .ok_or_else(|| format!("{path}: field not declared in schema"))?;
                    field.check_at(value, &path)?;
                }
            }
            (Shape::List { items, relation }, Value::Array(list)) => {
                let mut seen = BTreeSet::new();
                for (index, item) in list.iter().enumerate() {
                    if *relation != Relation::Atomic {
                        let element = element(relation, item).map_err(|e| format!("{path}: element {index}: {e}"))?;
                        if !seen.insert(element.clone()) {
                            return Err(format!("{path}: duplicate entries for key {element}"));
                        }
                    }
                    items.check_at(item, &format!("{path}[{index}]"))?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// What tells an item from its siblings, in the notation of `fieldsV1`.
pub(crate) fn element(relation: &Relation, item: &Value) -> Result<String, String> {
    match relation {
        Relation::Atomic => Err("the list is one value".to_owned()),
        Relation::Set => Ok(format!("v:{item}")),
        Relation::Keyed(keys) => {
            let mut element = Map::new();
            for key in keys {
                let value = item.get(key).ok_or_else(|| format!("omits the key field {key:?}"))?;
                element.insert(key.clone(), value.clone());
            }
            Ok(format!("k:{}", Value::Object(element)))
        }
    }
}

/// Whether a value is a time as the API server wants it where it counts microseconds: with exactly six decimals, in UTC.
fn is_micro_time(value: &Value) -> bool {
    let time = value.as_str().unwrap_or_default();
    let decimals = time.split_once('.').map(|(_, decimals)| decimals);
    decimals.is_some_and(|decimals| decimals.len() == 7 && decimals.ends_with('Z')) && time.parse::<Timestamp>().is_ok()
}

fn child(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// `metadata`, as of every kind.
fn metadata() -> Value {
    let text = json!({"type": "string"});
    let texts = json!({"type": "object", "additionalProperties": text});
    json!({"type": "object", "properties": {
        "annotations": texts,
        "creationTimestamp": text,
        "deletionGracePeriodSeconds": {"type": "integer"},
        "deletionTimestamp": text,
        "finalizers": {"type": "array", "items": text, "x-kubernetes-list-type": "set"},
        "generateName": text,
        "generation": {"type": "integer"},
        "labels": texts,
        "managedFields": {"type": "array", "items": {"type": "any"}},
        "name": text,
        "namespace": text,
        "ownerReferences": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "apiVersion": text, "kind": text, "name": text, "uid": text,
                    "controller": {"type": "boolean"}, "blockOwnerDeletion": {"type": "boolean"},
                },
                "x-kubernetes-map-type": "atomic",
            },
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["uid"],
        },
        "resourceVersion": text,
        "uid": text,
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        let copy =
            json!({"type": "object", "default": {}, "properties": {"attempts": {"type": "integer", "default": 3}}});
        Schema::parse(&json!({"type": "object", "required": ["mode"], "properties": {
            "mode": {"type": "string", "enum": ["Audit", "Enforce"]},
            "copy": copy,
            "time": {"type": "string", "format": "micro-time"},
            "note": {"type": "string", "nullable": true},
        }}))
        .expect("a schema")
    }

    #[test]
    fn defaults_are_filled_in_and_what_is_unknown_is_taken_out() {
        let mut value = json!({"mode": null, "note": null, "unknown": 1, "copy": null});
        schema().normalize(&mut value);
        assert_eq!(value, json!({"note": null, "copy": {"attempts": 3}}));
    }

    #[test]
    fn faults_name_the_field() {
        let faults = |value: Value| schema().faults(&value);
        assert_eq!(
            faults(json!({"mode": "Audit", "time": "2026-01-02T03:04:05.000000Z"})),
            Vec::<String>::new()
        );
        assert_eq!(faults(json!({})), ["mode: Required value"]);
        assert_eq!(faults(json!({"mode": 1})).len(), 1);
        let time = faults(json!({"mode": "Audit", "time": "2026-01-02T03:04:05Z"}));
        assert_eq!(time, ["time: Invalid value: must be of type time with six decimals"]);
        let mode = faults(json!({"mode": "Never"}));
        assert_eq!(
            mode,
            [r#"mode: Unsupported value: "Never": supported values: "Audit", "Enforce""#]
        );
    }

    #[test]
    fn a_schema_that_the_double_would_get_wrong_is_refused() {
        let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
        let fault = Schema::parse(&schema).expect_err("a refusal");
        assert!(fault.contains("x-kubernetes-preserve-unknown-fields"), "{fault}");
    }
}
