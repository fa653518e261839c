//! Where an object names an image.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;

/// The longest path, in characters.
const LONGEST: usize = 256;
const EACH: &str = "[*]";

/// The path of a field, such as `.status.amis[*].id`: the part of JSONPath that definitions of custom resources use for columns. A dot
/// stands before each name, which has letters, digits, `_` and `-`; `[*]` after the name of a list means each of its items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    text: Box<str>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(Box<str>),
    Each,
}

impl FieldPath {
    /// What stands there, in the order of lists. What is absent or null gives nothing. Where a list stands in place of one value, a value
    /// in place of a list, or a text in place of an object, it is given itself: it is something that the path does not lead through.
    pub fn values<'v>(&self, object: &'v Value) -> Vec<&'v Value> {
        let mut found = Vec::new();
        walk(object, &self.steps, &mut found);
        found
    }
}

fn walk<'v>(value: &'v Value, steps: &[Step], found: &mut Vec<&'v Value>) {
    match (value, steps) {
        (Value::Null, _) => {}
        (Value::Object(fields), [Step::Field(name), rest @ ..]) => {
            if let Some(value) = fields.get(&**name) {
                walk(value, rest, found);
            }
        }
        (Value::Array(items), [Step::Each, rest @ ..]) => {
            for item in items {
                walk(item, rest, found);
            }
        }
        _ => found.push(value),
    }
}

fn steps(text: &str) -> Option<Vec<Step>> {
    let mut parts = text.split('.');
    if parts.next() != Some("") || text.len() > LONGEST {
        return None;
    }
    let mut steps = Vec::new();
    for part in parts {
        let name = part.trim_end_matches(EACH);
        if !is_name(name) {
            return None;
        }
        steps.push(Step::Field(name.into()));
        let lists = (part.len() - name.len()) / EACH.len();
        steps.extend(std::iter::repeat_n(Step::Each, lists));
    }
    (!steps.is_empty()).then_some(steps)
}

fn is_name(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
    begins
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

impl FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let steps = steps(text).ok_or_else(|| {
            format!(
                "{text:?} is no path of a field: write a dot before each name, and [*] after that of a list, as in \
                 .status.amis[*].id"
            )
        })?;
        Ok(Self {
            text: text.into(),
            steps,
        })
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_path_is_names_after_dots_and_lists_and_nothing_else() {
        for text in [
            ".spec.template.spec.ami.id",
            ".status.amis[*].id",
            ".images[*]",
            ".a[*][*]._b-c9",
        ] {
            let path: FieldPath = text.parse().expect(text);
            assert_eq!(path.to_string(), text);
        }
        let long = format!(".{}", "a".repeat(LONGEST));
        for text in [
            "",
            ".",
            "status.amis[*].id",
            "$.status.amis[*].id",
            "{.status.amis[*].id}",
            ".status..id",
            ".status.amis[0].id",
            ".status.amis[].id",
            ".status.amis[*]id",
            ".status.[*]",
            ".[*]",
            ".status.amis.",
            ".status.amis [*]",
            ".metadata.labels['a.b/c']",
            ".1a",
            "..id",
            &long,
        ] {
            let refused = text.parse::<FieldPath>().expect_err(text);
            assert!(
                refused.starts_with(&format!("{text:?} is no path of a field: write a dot")),
                "{refused}"
            );
        }
    }

    #[test]
    fn what_stands_at_a_path_is_found_and_so_is_what_bars_the_way() {
        let object = json!({
            "one": {"id": "a"},
            "list": [{"id": "b"}, {}, {"id": null}, null, "c", {"id": ["d"]}],
            "nested": [["e"], [], ["f", "g"]],
            "empty": "",
            "nothing": null,
        });
        for (path, expected) in [
            (".one.id", json!(["a"])),
            (".list[*].id", json!(["b", "c", ["d"]])),
            (".nested[*][*]", json!(["e", "f", "g"])),
            (".nested[*]", json!([["e"], [], ["f", "g"]])),
            (".empty", json!([""])),
            (".nothing", json!([])),
            (".nothing.id", json!([])),
            (".absent[*].id", json!([])),
            (".one.other", json!([])),
            (".one", json!([{"id": "a"}])),
            (".one[*].id", json!([{"id": "a"}])),
            (".one.id.more", json!(["a"])),
        ] {
            let found: FieldPath = path.parse().expect("a path");
            assert_eq!(json!(found.values(&object)), expected, "{path}");
        }
    }
}
