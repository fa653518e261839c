//! The rules on single texts, which most rules are.
//!
//! They are not left to kube's validator for two reasons. It makes each regular expression anew for each text, which takes minutes
//! for the largest policies. And it reads `\w` as the letters of all languages, where the API server, whose regular
//! expressions are RE2's, means those of ASCII.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use kube::core::cel::KubeCelExt;
use kube::core::cel::cel::extractors::This;
use kube::core::cel::cel::{Context, ExecutionError, FunctionContext, Program, Value as CelValue};
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

const RULES: &str = "x-kubernetes-validations";

/// The rules of a schema on single texts, by the rule.
pub(super) struct Leaves {
    programs: HashMap<String, Option<Program>>,
    context: Context<'static>,
}

impl Leaves {
    /// Takes the rules on texts out of a schema.
    pub(super) fn taken_from(schema: &mut Value) -> Self {
        let mut programs = HashMap::new();
        take(schema, &mut programs);
        let mut context = Context::default().with_all();
        let known: Mutex<HashMap<Arc<String>, Regex>> = Mutex::default();
        context.add_function(
            "matches",
            move |context: &FunctionContext<'_, '_>, This(text): This<Arc<String>>, pattern: Arc<String>| {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(regex) = known.get(&pattern) {
                    return Ok::<bool, ExecutionError>(regex.is_match(text.as_bytes()));
                }
                let regex = RegexBuilder::new(&pattern).unicode(false).build();
                let regex = regex.map_err(|error| context.error(error))?;
                let matches = regex.is_match(text.as_bytes());
                known.insert(pattern, regex);
                Ok(matches)
            },
        );
        Self { programs, context }
    }

    /// What the rules of `schema`, a node of the whole schema, say against `text`.
    pub(super) fn objections<'a>(&self, schema: &'a Value, text: &str) -> Vec<&'a str> {
        let rules = schema[RULES].as_array().into_iter().flatten();
        rules
            .filter_map(|rule| {
                let source = rule["rule"].as_str().unwrap_or_default();
                (!self.holds(source, text)).then(|| rule["message"].as_str().unwrap_or(source))
            })
            .collect()
    }

    /// Whether a rule holds. One that cannot be evaluated holds for nothing.
    fn holds(&self, rule: &str, text: &str) -> bool {
        let Some(Some(program)) = self.programs.get(rule) else {
            return false;
        };
        let mut scope = self.context.new_inner_scope();
        scope.add_variable_from_value("self", CelValue::String(Arc::new(text.to_owned())));
        program.execute(&scope) == Ok(CelValue::Bool(true))
    }
}

fn take(schema: &mut Value, programs: &mut HashMap<String, Option<Program>>) {
    match schema {
        Value::Object(object) => {
            if object.get("type").is_some_and(|kind| kind == "string")
                && let Some(Value::Array(rules)) = object.remove(RULES)
            {
                for rule in rules.iter().filter_map(|rule| rule["rule"].as_str()) {
                    programs
                        .entry(rule.to_owned())
                        .or_insert_with(|| Program::compile(rule).ok());
                }
            }
            object.values_mut().for_each(|value| take(value, programs));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| take(item, programs)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn letters_are_those_of_ascii_as_the_api_server_has_them() {
        let schema =
            json!({"type": "string", RULES: [{"rule": r"self.matches(r'^\w+$')", "message": "say it in words"}]});
        let mut rest = schema.clone();
        let leaves = Leaves::taken_from(&mut rest);
        assert_eq!(rest, json!({"type": "string"}), "the rule is taken out");
        assert_eq!(leaves.objections(&schema, "word"), Vec::<&str>::new());
        for wrong in ["größe", "two words", ""] {
            assert_eq!(leaves.objections(&schema, wrong), ["say it in words"], "{wrong}");
        }
    }

    #[test]
    fn a_rule_that_cannot_be_evaluated_lets_nothing_pass() {
        let schema = json!({"type": "string", RULES: [{"rule": "self.frobnicate()"}, {"rule": "self.("}]});
        let leaves = Leaves::taken_from(&mut schema.clone());
        assert_eq!(leaves.objections(&schema, "x"), ["self.frobnicate()", "self.("]);
    }
}
