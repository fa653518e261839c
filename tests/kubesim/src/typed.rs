//! Objects as server-side apply sees them: which fields they have, how they differ, how they are merged.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::fields::Fields;
use crate::schema::{Relation, Schema, Shape, element};

/// How a new object differs from an old one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Difference {
    pub(crate) removed: Fields,
    pub(crate) modified: Fields,
    pub(crate) added: Fields,
}

impl Difference {
    /// Without some paths and all that is below them.
    pub(crate) fn without(&self, ignored: &Fields) -> Self {
        Self {
            removed: self.removed.without(ignored),
            modified: self.modified.without(ignored),
            added: self.added.without(ignored),
        }
    }
}

/// The fields that an object has.
pub(crate) fn fields_of(value: &Value, schema: &Schema) -> Fields {
    let mut fields = Fields::default();
    collect(value, schema, &mut fields);
    fields
}

/// Adds what is below `value`, and says whether it has a place in the set itself, as a whole.
fn collect(value: &Value, schema: &Schema, fields: &mut Fields) -> bool {
    match (&schema.shape, value) {
        (Shape::Map { atomic: false, .. }, Value::Object(map)) => {
            for (name, value) in map {
                let Some((field, declared)) = schema.field(name) else {
                    continue;
                };
                let mut below = Fields::default();
                let whole = collect(value, field, &mut below);
                let empty = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                fields.add(format!("f:{name}"), whole || empty || !declared, below);
            }
            false
        }
        (Shape::List { items, relation }, Value::Array(list)) if *relation != Relation::Atomic => {
            for item in list {
                let Ok(element) = element(relation, item) else { continue };
                let mut below = Fields::default();
                collect(item, items, &mut below);
                fields.add(element, true, below);
            }
            false
        }
        (Shape::Map { atomic: false, .. } | Shape::List { .. }, Value::Null) => is_atomic(schema),
        _ => true,
    }
}

/// How `new` differs from `old`.
pub(crate) fn compare(old: &Value, new: &Value, schema: &Schema) -> Difference {
    let mut difference = Difference::default();
    compare_at(Some(old), Some(new), schema, &mut Vec::new(), &mut difference);
    difference
}

fn compare_at(
    old: Option<&Value>,
    new: Option<&Value>,
    schema: &Schema,
    path: &mut Vec<String>,
    difference: &mut Difference,
) {
    if old.is_some() && old == new {
        return;
    }
    let leaf = is_leaf(old, new, schema);
    if !leaf {
        match &schema.shape {
            Shape::Map { .. } => {
                for name in names(old, new) {
                    let Some((field, _)) = schema.field(name) else {
                        continue;
                    };
                    let (old, new) = (get(old, name), get(new, name));
                    path.push(format!("f:{name}"));
                    compare_at(old, new, field, path, difference);
                    path.pop();
                }
            }
            Shape::List { items, relation } => {
                let (old, new) = (by_element(old, relation), by_element(new, relation));
                let elements: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
                for element in elements {
                    path.push(element.clone());
                    let (old, new) = (old.get(element).copied(), new.get(element).copied());
                    compare_at(old, new, items, path, difference);
                    path.pop();
                }
            }
            Shape::Scalar(_) | Shape::Any => {}
        }
    }
    match (old, new) {
        (None, _) => difference.added.insert(path),
        (_, None) => difference.removed.insert(path),
        (Some(old), Some(new)) if leaf && old != new => difference.modified.insert(path),
        _ => {}
    }
}

/// `applied` laid over `live`: its values win, and what it does not name stays.
pub(crate) fn merge(live: &Value, applied: &Value, schema: &Schema) -> Value {
    merge_at(Some(live), Some(applied), schema).unwrap_or(Value::Null)
}

fn merge_at(live: Option<&Value>, applied: Option<&Value>, schema: &Schema) -> Option<Value> {
    if is_leaf(live, applied, schema) {
        return applied.or(live).cloned();
    }
    match &schema.shape {
        Shape::Map { .. } => {
            let mut merged = Map::new();
            for name in names(live, applied) {
                let Some((field, _)) = schema.field(name) else {
                    continue;
                };
                if let Some(value) = merge_at(get(live, name), get(applied, name), field) {
                    merged.insert(name.to_owned(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Shape::List { items, relation } => merge_lists(live, applied, items, relation),
        Shape::Scalar(_) | Shape::Any => applied.or(live).cloned(),
    }
}

/// The items of both lists: those that were applied in their order, and the others where they were among them.
fn merge_lists(live: Option<&Value>, applied: Option<&Value>, items: &Schema, relation: &Relation) -> Option<Value> {
    let (left, right) = (elements(live, relation), elements(applied, relation));
    let (ours, theirs) = (by_element(live, relation), by_element(applied, relation));
    let mut shared = right.iter().filter(|element| ours.contains_key(*element));
    let mut next_shared = shared.next();
    let mut done = BTreeSet::new();
    let mut merged = Vec::new();
    let (mut l, mut r) = (0, 0);
    let both = |element: &String| merge_at(ours.get(element).copied(), theirs.get(element).copied(), items);
    while l < left.len() || r < right.len() {
        if let (Some(from_left), Some(from_right)) = (left.get(l), right.get(r)) {
            if from_left == from_right {
                done.insert(from_left);
                merged.extend(both(from_left));
                (l, r) = (l + 1, r + 1);
                next_shared = shared.next();
                continue;
            }
            if theirs.contains_key(from_left) && next_shared.is_some_and(|next| next != from_left) {
                // Shared, but its turn comes later.
                l += 1;
                continue;
            }
        }
        if let Some(from_left) = left.get(l) {
            if !theirs.contains_key(from_left) {
                merged.extend(both(from_left));
                l += 1;
                continue;
            }
            if done.contains(from_left) {
                l += 1;
            }
        }
        if let Some(from_right) = right.get(r) {
            done.insert(from_right);
            merged.extend(both(from_right));
            r += 1;
            if next_shared == Some(from_right) {
                next_shared = shared.next();
            }
        }
    }
    (!merged.is_empty()).then_some(Value::Array(merged))
}

/// `value` without some of its fields and items.
pub(crate) fn remove(value: &Value, gone: &Fields, schema: &Schema) -> Value {
    match (&schema.shape, value) {
        _ if gone.is_empty() => value.clone(),
        (Shape::Map { atomic: false, .. }, Value::Object(map)) => {
            let mut kept = Map::new();
            for (name, value) in map {
                let path = format!("f:{name}");
                if gone.has(&path) {
                    continue;
                }
                let value = match (gone.below(&path), schema.field(name)) {
                    (Some(below), Some((field, _))) => remove(value, below, field),
                    _ => value.clone(),
                };
                kept.insert(name.clone(), value);
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
        (Shape::List { items, relation }, Value::Array(list)) if *relation != Relation::Atomic => {
            let mut kept = Vec::new();
            for item in list {
                match element(relation, item) {
                    Ok(element) if gone.has(&element) => {}
                    Ok(element) => kept.push(
                        gone.below(&element)
                            .map_or_else(|| item.clone(), |b| remove(item, b, items)),
                    ),
                    Err(_) => kept.push(item.clone()),
                }
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
        _ => value.clone(),
    }
}

fn is_atomic(schema: &Schema) -> bool {
    match &schema.shape {
        Shape::Map { atomic, .. } => *atomic,
        Shape::List { relation, .. } => *relation == Relation::Atomic,
        Shape::Scalar(_) | Shape::Any => true,
    }
}

/// Whether a value is taken as a whole: also where both sides are empty, so that empty and absent stay different.
fn is_leaf(one: Option<&Value>, other: Option<&Value>, schema: &Schema) -> bool {
    let empty = |value: Option<&Value>| match value {
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(list)) => list.is_empty(),
        _ => true,
    };
    is_atomic(schema) || (empty(one) && empty(other))
}

fn names<'a>(one: Option<&'a Value>, other: Option<&'a Value>) -> BTreeSet<&'a str> {
    let maps = [one, other].into_iter().flatten().filter_map(Value::as_object);
    maps.flat_map(Map::keys).map(String::as_str).collect()
}

fn get<'a>(value: Option<&'a Value>, name: &str) -> Option<&'a Value> {
    value.and_then(|value| value.get(name))
}

fn elements(list: Option<&Value>, relation: &Relation) -> Vec<String> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| element(relation, item).ok()).collect()
}

fn by_element<'a>(list: Option<&'a Value>, relation: &Relation) -> BTreeMap<String, &'a Value> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|item| Some((element(relation, item).ok()?, item)))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        let text = json!({"type": "string"});
        let item = json!({"type": "object", "properties": {"name": text, "value": text}});
        let keyed = json!({
            "type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        });
        Schema::parse(&json!({"type": "object", "properties": {
            "keyed": keyed,
            "whole": {"type": "array", "items": text},
            "tags": {"type": "object", "additionalProperties": text},
        }}))
        .expect("a schema")
    }

    fn named(names: &[&str]) -> Value {
        json!({"keyed": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()})
    }

    #[test]
    fn items_that_are_applied_come_in_their_order_and_others_stay_among_them() {
        for (live, applied, merged) in [
            (vec!["a", "b", "c"], vec!["c", "a"], vec!["b", "c", "a"]),
            (vec!["a", "b"], vec!["c", "b"], vec!["a", "c", "b"]),
            (vec![], vec!["b", "a"], vec!["b", "a"]),
            (vec!["a", "b"], vec![], vec!["a", "b"]),
        ] {
            assert_eq!(
                merge(&named(&live), &named(&applied), &schema()),
                named(&merged),
                "{live:?} {applied:?}"
            );
        }
    }

    #[test]
    fn what_is_removed_leaves_no_empty_parts_behind() {
        let value = json!({"keyed": [{"name": "a", "value": "1"}, {"name": "b"}], "tags": {"x": "1"}, "whole": ["y"]});
        let gone = Fields::from_json(&json!({
            "f:keyed": {"k:{\"name\":\"a\"}": {"f:value": {}}, "k:{\"name\":\"b\"}": {".": {}}},
            "f:tags": {"f:x": {}},
        }));
        let rest = remove(&value, &gone, &schema());
        assert_eq!(rest, json!({"keyed": [{"name": "a"}], "tags": null, "whole": ["y"]}));
    }

    #[test]
    fn a_difference_names_each_field_once() {
        let old = json!({"keyed": [{"name": "a", "value": "1"}], "whole": ["x"], "tags": {"t": "1"}});
        let new = json!({"keyed": [{"name": "a", "value": "2"}, {"name": "b"}], "whole": ["y"]});
        let difference = compare(&old, &new, &schema());
        assert_eq!(difference.modified.paths(), [".whole", ".keyed[name=\"a\"].value"]);
        assert_eq!(
            difference.added.paths(),
            [".keyed[name=\"b\"]", ".keyed[name=\"b\"].name"]
        );
        assert_eq!(difference.removed.paths(), [".tags", ".tags.t"]);
    }
}
