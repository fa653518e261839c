//! Field managers: who owns which field, and what of it server-side apply may take.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::failure::Failure;
use crate::fields::Fields;
use crate::kinds::Kind;
use crate::object::{meta, set_meta};
use crate::schema::Schema;
use crate::typed::{Difference, compare, fields_of, merge, remove};

/// How a manager came to own fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    Apply,
    Update,
}

/// A manager: what applies and what updates under one name are two.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Manager {
    pub(crate) operation: Operation,
    pub(crate) name: String,
    pub(crate) subresource: String,
}

/// What a manager owns, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    fields: Fields,
    time: Option<String>,
}

/// `metadata.managedFields`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Managers(BTreeMap<Manager, Owned>);

/// Whose request it is, and what of the object it is for.
pub(crate) struct Writer<'a> {
    pub(crate) kind: &'a Kind,
    pub(crate) manager: Manager,
    pub(crate) now: String,
}

impl Writer<'_> {
    fn schema(&self) -> &Schema {
        &self.kind.schema
    }

    /// What requests of this sort never change, and so do not come to own.
    fn ignored(&self) -> Fields {
        match (self.kind.has_status, self.manager.subresource.as_str()) {
            (true, "") => Fields::of(&["f:status"]),
            (true, _) => Fields::of(&["f:metadata"]).union(&Fields::of(&["f:spec"])),
            (false, _) => Fields::default(),
        }
    }
}

impl Managers {
    /// Reads them from an object.
    pub(crate) fn of(object: &Value) -> Self {
        let mut managers = BTreeMap::new();
        let entries = object.pointer("/metadata/managedFields").and_then(Value::as_array);
        for entry in entries.into_iter().flatten() {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let manager = Manager {
                operation: if text("operation") == "Apply" {
                    Operation::Apply
                } else {
                    Operation::Update
                },
                name: text("manager"),
                subresource: text("subresource"),
            };
            let owned = Owned {
                fields: Fields::from_json(entry.get("fieldsV1").unwrap_or(&Value::Null)),
                time: entry.get("time").and_then(Value::as_str).map(str::to_owned),
            };
            managers.insert(manager, owned);
        }
        Self(managers)
    }

    /// Writes them into an object.
    pub(crate) fn write(&self, kind: &Kind, object: &mut Value) {
        let mut entries: Vec<_> = self.0.iter().collect();
        entries.sort_by_key(|(manager, owned)| {
            (
                manager.operation,
                owned.time.clone(),
                manager.name.clone(),
                manager.subresource.clone(),
            )
        });
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|(manager, owned)| {
                let mut entry = json!({
                    "manager": manager.name,
                    "operation": format!("{:?}", manager.operation),
                    "apiVersion": kind.api_version(),
                    "fieldsType": "FieldsV1",
                    "fieldsV1": owned.fields.to_json(),
                });
                if let Some(time) = &owned.time {
                    entry["time"] = json!(time);
                }
                if !manager.subresource.is_empty() {
                    entry["subresource"] = json!(manager.subresource);
                }
                entry
            })
            .collect();
        set_meta(
            object,
            "managedFields",
            (!entries.is_empty()).then_some(Value::Array(entries)),
        );
    }

    /// Notes who changed what when `live` became `new` by anything but an apply.
    ///
    /// Returns `new` with the managers in it.
    pub(crate) fn update(mut self, writer: &Writer<'_>, live: &Value, mut new: Value) -> Value {
        let (live, bare) = (without_managers(live), without_managers(&new));
        // What an object has that nobody manages stays so.
        if self.0.is_empty() && meta(&live, "uid").is_some() {
            return bare;
        }
        let difference = compare(&live, &bare, writer.schema());
        // Under force there are no conflicts.
        let _ = self.hand_over(writer, &difference, None, true);
        let taken = difference
            .modified
            .union(&difference.added)
            .without(&writer.ignored())
            .difference(&system_fields());
        if !taken.is_empty() {
            let before = self
                .0
                .get(&writer.manager)
                .map(|owned| owned.fields.clone())
                .unwrap_or_default();
            let owned = Owned {
                fields: taken.union(&before),
                time: Some(writer.now.clone()),
            };
            self.0.insert(writer.manager.clone(), owned);
        }
        self.write(writer.kind, &mut new);
        new
    }

    /// Lays `applied` over `live`. Returns the new object with the managers in it.
    pub(crate) fn apply(
        mut self,
        writer: &Writer<'_>,
        live: &Value,
        applied: &Value,
        force: bool,
    ) -> Result<Value, Failure> {
        let schema = writer.schema();
        let live = without_managers(live);
        if self.0.is_empty() && meta(&live, "uid").is_some() {
            self = Self::before_first_apply(writer, &live);
        }
        let merged = merge(&live, applied, schema);
        let before = self
            .0
            .get(&writer.manager)
            .map(|owned| owned.fields.clone())
            .unwrap_or_default();
        let time = self.0.get(&writer.manager).and_then(|owned| owned.time.clone());
        let fields = fields_of(applied, schema).without(&writer.ignored());
        self.0.insert(writer.manager.clone(), Owned { fields, time });
        let mut new = self.prune(merged, &before, &writer.manager, schema);
        let difference = compare(&live, &new, schema);
        self.hand_over(writer, &difference, Some(&writer.manager), force)?;
        let changed = new != live;
        if let Some(owned) = self.0.get_mut(&writer.manager) {
            owned.fields = owned.fields.difference(&system_fields());
            if changed {
                owned.time = Some(writer.now.clone());
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
        self.write(writer.kind, &mut new);
        Ok(new)
    }

    /// Who owns what of an object that nobody has managed so far.
    fn before_first_apply(writer: &Writer<'_>, live: &Value) -> Self {
        let manager = Manager {
            operation: Operation::Update,
            name: "before-first-apply".to_owned(),
            subresource: writer.manager.subresource.clone(),
        };
        let earlier = Writer {
            kind: writer.kind,
            manager,
            now: writer.now.clone(),
        };
        Self::of(&Self::default().update(&earlier, &writer.kind.nothing(), live.clone()))
    }

    /// Takes what was changed from those who owned it; a conflict unless forced.
    fn hand_over(
        &mut self,
        writer: &Writer<'_>,
        difference: &Difference,
        applier: Option<&Manager>,
        force: bool,
    ) -> Result<(), Failure> {
        let difference = difference.without(&writer.ignored());
        let changed = difference.modified.union(&difference.added);
        let mut conflicts = Vec::new();
        for (manager, owned) in &self.0 {
            let contested = owned.fields.intersection(&changed);
            if Some(manager) != applier && !contested.is_empty() {
                conflicts.push((manager.clone(), contested));
            }
        }
        if !force && !conflicts.is_empty() {
            return Err(conflict(writer.kind, &conflicts));
        }
        for (manager, owned) in &mut self.0 {
            if Some(manager) != applier {
                owned.fields = owned.fields.difference(&changed).difference(&difference.removed);
            }
        }
        self.0.retain(|_, owned| !owned.fields.is_empty());
        Ok(())
    }

    /// Removes what the applier applied before and applies no more, unless another owns it.
    fn prune(&self, merged: Value, before: &Fields, applier: &Manager, schema: &Schema) -> Value {
        // What is applied again with all above it is owned, so nothing of it would go.
        let applied = self.0.get(applier);
        if applied.map_or(before.is_empty(), |owned| before.difference(&owned.fields).is_empty()) {
            return merged;
        }
        let before = before.with_named(schema);
        let pruned = remove(&merged, &before, schema);
        let there = |value: &Value| fields_of(value, schema).with_named(schema);
        let mut owned = Fields::default();
        for other in self.0.values() {
            owned = owned.union(&other.fields);
        }
        let owned = owned.with_named(schema);
        let all = there(&merged);
        let pruned = remove(&merged, &all.difference(&there(&pruned).union(&owned)), schema);
        remove(&merged, &all.difference(&there(&pruned)).intersection(&before), schema)
    }
}

/// What no manager owns.
fn system_fields() -> Fields {
    let mut fields = Fields::default();
    fields.insert(&["f:apiVersion"]);
    fields.insert(&["f:kind"]);
    fields.insert(&["f:metadata"]);
    for name in [
        "name",
        "namespace",
        "creationTimestamp",
        "uid",
        "generation",
        "managedFields",
        "resourceVersion",
    ] {
        fields.insert(&["f:metadata".to_owned(), format!("f:{name}")]);
    }
    fields
}

fn without_managers(object: &Value) -> Value {
    let mut object = object.clone();
    set_meta(&mut object, "managedFields", None);
    object
}

fn conflict(kind: &Kind, conflicts: &[(Manager, Fields)]) -> Failure {
    let mut causes = Vec::new();
    let mut by_manager = Vec::new();
    for (manager, fields) in conflicts {
        let mut who = format!("\"{}\"", manager.name);
        if !manager.subresource.is_empty() {
            who += &format!(" with subresource \"{}\"", manager.subresource);
        }
        if manager.operation == Operation::Update {
            who += &format!(" using {}", kind.api_version());
        }
        let paths = fields.paths();
        causes.extend(paths.iter().map(|path| (format!("conflict with {who}"), path.clone())));
        by_manager.push((who, paths));
    }
    let message = match (causes.as_slice(), by_manager.as_slice()) {
        ([(_, path)], [(who, _)]) => format!("Apply failed with 1 conflict: conflict with {who}: {path}"),
        _ => {
            let parts: Vec<String> = by_manager
                .iter()
                .map(|(who, paths)| format!("conflicts with {who}:\n- {}", paths.join("\n- ")))
                .collect();
            format!("Apply failed with {} conflicts: {}", causes.len(), parts.join("\n"))
        }
    };
    Failure {
        causes,
        ..Failure::new(409, "Conflict", message)
    }
}
