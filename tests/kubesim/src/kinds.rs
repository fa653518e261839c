//! The kinds that the double serves.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::schema::Schema;

/// One kind of object.
#[derive(Clone, Debug)]
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    pub(crate) schema: Schema,
    /// Defined by a custom resource definition: it has a generation, and no strategic merge.
    pub(crate) custom: bool,
    /// Whether `status` is written apart from the rest.
    pub(crate) has_status: bool,
    /// Whether an update need not say which version it is based on.
    pub(crate) unconditional: bool,
    /// Whether an update makes what is not there.
    pub(crate) created_by_update: bool,
    /// Whether its objects may have dependents that the garbage collector sees to.
    pub(crate) collected: bool,
}

impl Kind {
    /// Reads a `CustomResourceDefinition`.
    pub(crate) fn of_definition(yaml: &str) -> Result<Self, String> {
        let definition: Value = serde_saphyr::from_str(yaml).map_err(|error| error.to_string())?;
        let text = |path: &str| {
            let value = definition.pointer(path).and_then(Value::as_str);
            value
                .map(str::to_owned)
                .ok_or_else(|| format!("the definition has no {path}"))
        };
        let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
        let [version] = versions.map(Vec::as_slice).unwrap_or_default() else {
            return Err("the double serves definitions of exactly one version".to_owned());
        };
        let schema = version
            .pointer("/schema/openAPIV3Schema")
            .ok_or("the definition has no schema")?;
        Ok(Self {
            group: text("/spec/group")?,
            version: version
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            kind: text("/spec/names/kind")?,
            plural: text("/spec/names/plural")?,
            namespaced: text("/spec/scope")? == "Namespaced",
            schema: Schema::object(schema)?,
            custom: true,
            has_status: version.pointer("/subresources/status").is_some(),
            unconditional: false,
            created_by_update: false,
            collected: true,
        })
    }

    /// `apiVersion`, as objects give it.
    pub(crate) fn api_version(&self) -> String {
        format!("{}/{}", self.group, self.version)
    }

    /// As in `amimigrations.amiseal.dev`.
    pub(crate) fn resource(&self) -> String {
        format!("{}.{}", self.plural, self.group)
    }

    /// What an object is before it is written for the first time. The types that are built in have parts even then.
    pub(crate) fn nothing(&self) -> Value {
        let mut nothing = json!({"apiVersion": self.api_version(), "kind": self.kind});
        if !self.custom {
            self.schema.normalize(&mut nothing);
        }
        nothing
    }

    /// `coordination.k8s.io/v1` Leases.
    fn lease() -> Result<Self, String> {
        let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
        let time = json!({"type": "string", "format": "micro-time"});
        let spec = json!({"type": "object", "default": {}, "properties": {
            "acquireTime": time, "holderIdentity": text, "leaseDurationSeconds": number, "leaseTransitions": number,
            "preferredHolder": text, "renewTime": time, "strategy": text,
        }});
        Ok(Self {
            group: "coordination.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "Lease".to_owned(),
            plural: "leases".to_owned(),
            namespaced: true,
            schema: Schema::object(&json!({"type": "object", "properties": {"spec": spec}}))?,
            custom: false,
            has_status: false,
            unconditional: false,
            created_by_update: true,
            collected: true,
        })
    }

    /// `events.k8s.io/v1` Events.
    fn event() -> Result<Self, String> {
        let (text, number) = (json!({"type": "string"}), json!({"type": "integer"}));
        let time = json!({"type": "string", "format": "micro-time"});
        let reference = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
            "apiVersion": text, "fieldPath": text, "kind": text, "name": text, "namespace": text,
            "resourceVersion": text, "uid": text,
        }});
        let source = json!({"type": "object", "properties": {"component": text, "host": text}});
        let series = json!({"type": "object", "properties": {"count": number, "lastObservedTime": time}});
        let parts = json!({"type": "object", "properties": {
            "action": text, "deprecatedCount": number, "deprecatedFirstTimestamp": text,
            "deprecatedLastTimestamp": text, "deprecatedSource": source, "eventTime": time, "note": text,
            "reason": text, "regarding": reference, "related": reference, "reportingController": text,
            "reportingInstance": text, "series": series, "type": text,
        }});
        Ok(Self {
            group: "events.k8s.io".to_owned(),
            version: "v1".to_owned(),
            kind: "Event".to_owned(),
            plural: "events".to_owned(),
            namespaced: true,
            schema: Schema::object(&parts)?,
            custom: false,
            has_status: false,
            unconditional: true,
            created_by_update: true,
            collected: false,
        })
    }
}

/// All kinds, by name.
#[derive(Clone, Debug)]
pub(crate) struct Kinds(BTreeMap<String, std::sync::Arc<Kind>>);

impl Kinds {
    /// Events, Leases, and those that are defined.
    pub(crate) fn new(definitions: &[&str]) -> Result<Self, String> {
        let mut kinds = vec![Kind::lease()?, Kind::event()?];
        for definition in definitions {
            kinds.push(Kind::of_definition(definition)?);
        }
        let named = kinds
            .into_iter()
            .map(|kind| (kind.kind.clone(), std::sync::Arc::new(kind)));
        Ok(Self(named.collect()))
    }

    /// By name, as in `AMIMigration`.
    pub(crate) fn named(&self, kind: &str) -> Option<&std::sync::Arc<Kind>> {
        self.0.get(kind)
    }

    /// By what stands in a path.
    pub(crate) fn served(&self, group: &str, version: &str, plural: &str) -> Option<&std::sync::Arc<Kind>> {
        let mut kinds = self.0.values();
        kinds.find(|kind| kind.group == group && kind.version == version && kind.plural == plural)
    }

    /// By what an owner reference says.
    pub(crate) fn referred(&self, api_version: &str, kind: &str) -> Option<&std::sync::Arc<Kind>> {
        self.named(kind).filter(|kind| kind.api_version() == api_version)
    }
}
