//! JSON as people write it: short lists and conditions on one line.

use serde::Serialize;

/// So long a line becomes at most.
const WIDTH: usize = 110;
/// Objects of more fields keep a line for each.
const FIELDS: usize = 2;

/// A value as JSON; an error of the program that writes it.
pub(crate) fn pretty(value: &impl Serialize) -> Result<String, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    Ok(folded(&text))
}

/// The same text with what is short on one line. No text of JSON has a line of its own inside.
fn folded(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let begun = match trimmed.starts_with([']', '}']) {
            true => open.pop(),
            false => None,
        };
        match begun.and_then(|begun| on_one_line(&lines[begun..], trimmed).map(|folded| (begun, folded))) {
            Some((begun, folded)) => {
                lines.truncate(begun);
                lines.push(folded);
            }
            None => lines.push(line.to_owned()),
        }
        if trimmed.ends_with(['[', '{']) {
            open.push(lines.len() - 1);
        }
    }
    lines.join("\n")
}

/// What these lines begin and `end` ends, on one line, if it is short and all in it is.
fn on_one_line(lines: &[String], end: &str) -> Option<String> {
    let (first, inside) = lines.split_first()?;
    let is_long = inside.iter().any(|line| line.ends_with(['[', '{']));
    if is_long || end.starts_with('}') && inside.len() > FIELDS {
        return None;
    }
    let inside: Vec<&str> = inside.iter().map(|line| line.trim_start()).collect();
    let folded = format!("{first}{}{end}", inside.join(" "));
    (folded.chars().count() <= WIDTH).then_some(folded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn short_lists_and_small_objects_are_folded_and_mean_the_same() {
        let long = "x".repeat(WIDTH);
        let value = json!({
            "a": ["one", "two [", "three {"],
            "b": {"c": {"d": "e"}, "f": []},
            "g": {"one": 1, "three": 3, "two": 2},
            "h": [long],
            "i": [{"j": "k"}, {"l": ["m"]}],
        });
        let text = pretty(&value).expect("JSON");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).expect("JSON"), value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], r#"  "a": ["one", "two [", "three {"],"#);
        assert_eq!(lines[2], r#"  "b": {"c": {"d": "e"}, "f": []},"#);
        assert_eq!(
            lines[3..8].join(" "),
            r#"  "g": {     "one": 1,     "three": 3,     "two": 2   },"#
        );
        assert!(lines.iter().any(|line| line.trim_start() == format!("\"{long}\"")));
        assert_eq!(lines[lines.len() - 2], r#"  "i": [{"j": "k"}, {"l": ["m"]}]"#);
    }
}
