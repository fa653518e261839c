//! The rules that the API server holds a policy to, held here too: the same schema, and the same CEL rules in it.

use kube::core::cel::{CompiledSchema, ErrorKind, ValidationError, Validator, compile_schema};
use serde_json::Value;

use super::check_kind;
use super::text_rules::Leaves;
use super::yaml::Document;
use super::{metadata, schema};
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
    pub(super) fn policy(&self, document: Document) -> Result<AMIEncryptionPolicy, Vec<String>> {
        let Document {
            value: mut document,
            wrong,
            written,
        } = document;
        check_kind(&document).map_err(|sentence| vec![sentence])?;
        if let Value::Object(object) = &mut document {
            // What amiseal wrote, in a policy that was read from a cluster.
            object.remove("status");
        }
        let mut wrong: Vec<String> = wrong.into_iter().map(|(path, what)| format!("{path} {what}")).collect();
        wrong.extend(schema::check(&self.schema, &self.leaves, &written, &mut document));
        wrong.extend(metadata::check(&mut document, &written));
        if !wrong.is_empty() {
            return Err(wrong);
        }
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
