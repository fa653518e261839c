//! The rules that the API server holds a policy to, held here too: the same schema, and the same CEL rules in it.

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::{Map, Value};

use super::input::check_kind;
use super::leaves::Leaves;
use super::structure;
use crate::api::{AMIEncryptionPolicy, crds};

/// The schema of a policy.
pub(super) struct Rules {
    schema: Value,
    /// The rules on single texts.
    leaves: Leaves,
    /// All others.
    rules: CompiledSchema,
}

impl Rules {
    /// Those of the definition in `crds/`.
    pub(super) fn new() -> Self {
        let schema = crds()
            .into_iter()
            .find(|crd| crd.spec.names.kind == "AMIEncryptionPolicy")
            .and_then(|crd| crd.spec.versions.into_iter().next()?.schema?.open_api_v3_schema)
            .and_then(|schema| serde_json::to_value(schema).ok())
            .unwrap_or_default();
        let mut rest = schema.clone();
        let leaves = Leaves::taken_from(&mut rest);
        let rules = compile_schema(&rest);
        Self { schema, leaves, rules }
    }

    /// The policy in a document, or a sentence for each thing that is wrong with it.
    pub(super) fn policy(&self, mut document: Value) -> Result<AMIEncryptionPolicy, Vec<String>> {
        check_kind(&document).map_err(|sentence| vec![sentence])?;
        if let Value::Object(object) = &mut document {
            // What amiseal wrote, in a policy that was read from a cluster.
            object.remove("status");
        }
        let wrong = structure::check(&self.schema, &self.leaves, &mut document);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        check_name(&document).map_err(|sentence| vec![sentence])?;
        if let Err(errors) = Validator::new().validate_compiled(&self.rules, &document, None) {
            return Err(errors.into_vec().iter().map(sentence).collect());
        }
        serde_json::from_value(document).map_err(|error| vec![format!("{error}: correct the field")])
    }
}

fn sentence(error: &ValidationError) -> String {
    let ValidationError {
        field_path, message, ..
    } = error;
    match error.kind {
        ErrorKind::ValidationFailure if field_path.is_empty() => message.clone(),
        ErrorKind::ValidationFailure => format!("{field_path}: {message}"),
        // A rule that cannot be evaluated lets nothing pass. No rule of ours is one: a test holds each against right and wrong.
        _ => format!("{field_path}: a rule could not be evaluated ({message}): try kubectl apply --dry-run=server"),
    }
}

/// A name that the API server takes. It is no part of the schema.
fn check_name(document: &Value) -> Result<(), String> {
    let metadata = document.get("metadata").and_then(Value::as_object);
    let name = metadata.and_then(|metadata: &Map<String, Value>| metadata.get("name"));
    let Some(name) = name.filter(|name| !name.is_null()) else {
        return Err("metadata.name is missing: give the policy a name".to_owned());
    };
    let legal = |name: &str| {
        let label = |label: &str| {
            let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
            let bytes = label.as_bytes();
            edge(bytes.first())
                && edge(bytes.last())
                && bytes
                    .iter()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
        };
        name.len() <= 253 && name.split('.').all(label)
    };
    match name.as_str() {
        Some(name) if legal(name) => Ok(()),
        _ => Err(
            "metadata.name must consist of lower-case letters, digits, - and ., and begin and end with a letter or digit: \
             rename the policy"
                .to_owned(),
        ),
    }
}
