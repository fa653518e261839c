//! Sets of fields, as `managedFields` records them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::schema::{Schema, Shape};

/// A set of paths. An element of a path is written as in `fieldsV1`: `f:name`, `k:{"type":"Ready"}`, `v:"value"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    members: BTreeSet<String>,
    children: BTreeMap<String, Fields>,
}

impl Fields {
    /// A set of one path.
    pub(crate) fn of(path: &[&str]) -> Self {
        let mut fields = Self::default();
        fields.insert(path);
        fields
    }

    /// Adds a path. The empty one, which is the whole object, belongs to nobody.
    pub(crate) fn insert<S: AsRef<str>>(&mut self, path: &[S]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.as_ref().to_owned());
            }
            [first, rest @ ..] => self.children.entry(first.as_ref().to_owned()).or_default().insert(rest),
        }
    }

    /// Adds an element, as a member or not, and what is below it. Of the same element it adds to what is there.
    pub(crate) fn add(&mut self, element: String, member: bool, below: Self) {
        if !below.is_empty() {
            let below = match self.children.remove(&element) {
                Some(before) => before.union(&below),
                None => below,
            };
            self.children.insert(element.clone(), below);
        }
        if member {
            self.members.insert(element);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Self::is_empty)
    }

    /// Whether the element itself is in the set.
    pub(crate) fn has(&self, element: &str) -> bool {
        self.members.contains(element)
    }

    /// What of the set is below an element.
    pub(crate) fn below(&self, element: &str) -> Option<&Self> {
        self.children.get(element).filter(|fields| !fields.is_empty())
    }

    pub(crate) fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, fields) in &other.children {
            let merged = union
                .children
                .get(element)
                .map_or_else(|| fields.clone(), |ours| ours.union(fields));
            union.children.insert(element.clone(), merged);
        }
        union
    }

    pub(crate) fn intersection(&self, other: &Self) -> Self {
        self.combine(
            self.members.intersection(&other.members).cloned().collect(),
            |element, fields| other.children.get(element).map(|theirs| fields.intersection(theirs)),
        )
    }

    pub(crate) fn difference(&self, other: &Self) -> Self {
        self.combine(
            self.members.difference(&other.members).cloned().collect(),
            |element, fields| {
                Some(
                    other
                        .children
                        .get(element)
                        .map_or_else(|| fields.clone(), |theirs| fields.difference(theirs)),
                )
            },
        )
    }

    /// Without the paths of `other` and all that is below them.
    pub(crate) fn without(&self, other: &Self) -> Self {
        self.combine(
            self.members.difference(&other.members).cloned().collect(),
            |element, fields| {
                if other.has(element) {
                    return None;
                }
                Some(
                    other
                        .children
                        .get(element)
                        .map_or_else(|| fields.clone(), |theirs| fields.without(theirs)),
                )
            },
        )
    }

    fn combine(&self, members: BTreeSet<String>, child: impl Fn(&str, &Self) -> Option<Self>) -> Self {
        let children = self.children.iter();
        let children = children.filter_map(|(element, fields)| Some((element.clone(), child(element, fields)?)));
        Self {
            members,
            children: children.filter(|(_, fields)| !fields.is_empty()).collect(),
        }
    }

    /// With every declared field that has something below it.
    pub(crate) fn with_named(&self, schema: &Schema) -> Self {
        let mut named = self.clone();
        named.children.clear();
        for (element, fields) in &self.children {
            if fields.is_empty() {
                continue;
            }
            let (below, declared) = descend(schema, element);
            if declared {
                named.members.insert(element.clone());
            }
            let fields = below.map_or_else(|| fields.clone(), |schema| fields.with_named(schema));
            named.children.insert(element.clone(), fields);
        }
        named
    }

    /// Every path, written as messages about conflicts write it.
    pub(crate) fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = self.members.iter().map(|element| written(element)).collect();
        for (element, fields) in &self.children {
            paths.extend(fields.paths().into_iter().map(|path| written(element) + &path));
        }
        paths
    }

    /// The set as `fieldsV1`.
    pub(crate) fn to_json(&self) -> Value {
        let mut map = Map::new();
        for element in &self.members {
            map.insert(element.clone(), Value::Object(Map::new()));
        }
        for (element, fields) in self.children.iter().filter(|(_, fields)| !fields.is_empty()) {
            let mut below = fields.to_json();
            if let (true, Value::Object(below)) = (self.members.contains(element), &mut below) {
                below.insert(".".to_owned(), Value::Object(Map::new()));
            }
            map.insert(element.clone(), below);
        }
        Value::Object(map)
    }

    /// Reads `fieldsV1`.
    pub(crate) fn from_json(value: &Value) -> Self {
        let mut fields = Self::default();
        for (element, below) in value
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(element, _)| *element != ".")
        {
            let below_map = below.as_object();
            if below_map.is_none_or(|below| below.is_empty() || below.contains_key(".")) {
                fields.members.insert(element.clone());
            }
            let below = Self::from_json(below);
            if !below.is_empty() {
                fields.children.insert(element.clone(), below);
            }
        }
        fields
    }
}

/// The type of what an element names, and whether it is a declared field.
fn descend<'a>(schema: &'a Schema, element: &str) -> (Option<&'a Schema>, bool) {
    if let Some(name) = element.strip_prefix("f:") {
        return schema
            .field(name)
            .map_or((None, false), |(field, declared)| (Some(field), declared));
    }
    match &schema.shape {
        Shape::List { items, .. } => (Some(items), false),
        _ => (None, false),
    }
}

fn written(element: &str) -> String {
    if let Some(name) = element.strip_prefix("f:") {
        return format!(".{name}");
    }
    if let Some(value) = element.strip_prefix("v:") {
        return format!("[={value}]");
    }
    let keys: Value = serde_json::from_str(element.trim_start_matches("k:")).unwrap_or_default();
    let keys = keys
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"));
    format!("[{}]", keys.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_survives_being_written_and_read() {
        let json = json!({
            "f:spec": {".": {}, "f:regions": {"k:{\"name\":\"eu-west-1\"}": {".": {}, "f:kmsKeyID": {}}}},
            "f:metadata": {"f:finalizers": {"v:\"example.com/hold\"": {}}},
        });
        assert_eq!(Fields::from_json(&json).to_json(), json);
    }

    #[test]
    fn what_is_taken_away_with_all_below_leaves_nothing_below() {
        let set = Fields::from_json(&json!({"f:status": {"f:state": {}}, "f:spec": {"f:mode": {}}}));
        let rest = set.without(&Fields::of(&["f:status"]));
        assert_eq!(rest.to_json(), json!({"f:spec": {"f:mode": {}}}));
        // A plain difference takes the path itself only.
        assert_eq!(set.difference(&Fields::of(&["f:status"])), set);
    }

    #[test]
    fn paths_are_written_as_the_api_server_writes_them() {
        let set = Fields::from_json(&json!({
            "f:status": {"f:conditions": {"k:{\"type\":\"Ready\"}": {"f:reason": {}}}},
        }));
        assert_eq!(set.paths(), [r#".status.conditions[type="Ready"].reason"#]);
    }
}
