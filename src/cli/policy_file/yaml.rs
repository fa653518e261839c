//! YAML as `kubectl` and the API server read it, and what in it cannot be meant as they read it.

use std::collections::{HashMap, HashSet};
use std::mem::take;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag, options};
use serde_json::{Map, Number, Value};

use super::scalar::Scalar;
use super::schema::below;

/// A policy has no more than ten levels. More would only be a burden to whatever walks through them.
const MAX_DEPTH: usize = 100;
/// How many values aliases may stand for in a file: they are a few bytes each, and may stand for any number.
const MAX_ALIASED: usize = 1_000_000;

/// A document that is not empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Document {
    /// What it says.
    pub(super) value: Value,
    /// What in it cannot be meant: a path, and what is wrong there.
    pub(super) wrong: Vec<(String, String)>,
    /// How numbers and truth values are written that have no quotes, by their paths.
    pub(super) written: HashMap<String, String>,
}

impl Document {
    /// What is to be said of each item of a list, without the items themselves.
    pub(super) fn parts(self) -> HashMap<usize, Self> {
        let cut = |path: &str| {
            let (index, rest) = path.strip_prefix("items[")?.split_once(']')?;
            Some((index.parse().ok()?, rest.trim_start_matches('.').to_owned()))
        };
        let mut parts: HashMap<usize, Self> = HashMap::new();
        for (path, what) in self.wrong {
            if let Some((index, path)) = cut(&path) {
                parts.entry(index).or_default().wrong.push((path, what));
            }
        }
        for (path, text) in self.written {
            if let Some((index, path)) = cut(&path) {
                parts.entry(index).or_default().written.insert(path, text);
            }
        }
        parts
    }
}

/// The documents of a text that are not empty, or why it is no YAML.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, String> {
    let parser = Parser::new_from_str_with_options(text, options! { emit_comments: false });
    let mut reader = Reader {
        parser,
        anchors: HashMap::new(),
        aliased: 0,
        document: Document::default(),
    };
    let mut documents = Vec::new();
    while let Some((event, span)) = reader.next()? {
        match event {
            Event::DocumentEnd => {
                reader.anchors.clear();
                let document = take(&mut reader.document);
                if !document.value.is_null() || !document.wrong.is_empty() {
                    documents.push(document);
                }
            }
            Event::StreamStart | Event::DocumentStart(..) => {}
            Event::StreamEnd => break,
            node => reader.document.value = reader.node(node, &span, "", 1)?.value,
        }
    }
    Ok(documents)
}

/// A value that an anchor names.
#[derive(Debug, Clone)]
struct Node {
    value: Value,
    /// How it is written, where that is not a text.
    written: Option<String>,
    /// How many levels it has, and how many values.
    depth: usize,
    size: usize,
}

impl Node {
    fn scalar(value: Value, written: Option<String>) -> Self {
        Self {
            value,
            written,
            depth: 1,
            size: 1,
        }
    }
}

struct Reader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    /// How many values aliases stand for so far.
    aliased: usize,
    document: Document,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Option<(Event<'a>, Span)>, String> {
        self.parser.next_event().transpose().map_err(|error| told(&error))
    }

    /// The next event, which there is, since the parser opens and closes what it tells of.
    fn more(&mut self) -> Result<(Event<'a>, Span), String> {
        self.next()?.ok_or_else(|| "it ends in the middle".to_owned())
    }

    fn say(&mut self, path: &str, what: impl Into<String>) {
        let path = if path.is_empty() { "the document" } else { path };
        self.document.wrong.push((path.to_owned(), what.into()));
    }

    /// The value that begins with an event.
    fn node(&mut self, event: Event<'a>, span: &Span, path: &str, depth: usize) -> Result<Node, String> {
        if depth > MAX_DEPTH {
            return Err(at(span, &format!("it has more than {MAX_DEPTH} levels")));
        }
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), path), anchor),
            Event::SequenceStart(_, anchor, _) => (self.list(path, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(path, depth)?, anchor),
            Event::Alias(anchor) => (self.alias(anchor, span, path, depth)?, 0),
            other => return Err(at(span, &format!("{other:?} stands where a value should"))),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, path: &str) -> Node {
        let value = match self.meaning(text, style, tag, path) {
            Scalar::Null => Value::Null,
            Scalar::Bool(value) => Value::Bool(value),
            Scalar::Integer(number) => integer(number),
            Scalar::Float(number) => whole(number),
            Scalar::NoNumber => {
                self.say(
                    path,
                    format!("is {text}, for which JSON has no number: put it in quotes if it is a text"),
                );
                Value::Null
            }
            Scalar::Text => Value::String(text.to_owned()),
        };
        let written = (value.is_number() || value.is_boolean()).then(|| text.to_owned());
        if let Some(text) = &written {
            self.document.written.insert(path.to_owned(), text.clone());
        }
        Node::scalar(value, written)
    }

    /// What a scalar means, by its quotes and its tag.
    fn meaning(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, path: &str) -> Scalar {
        let core = tag.and_then(Tag::core_suffix);
        match (tag, core) {
            (None, _) if style != ScalarStyle::Plain => return Scalar::Text,
            // Tags of others say nothing to who does not know them.
            (Some(_), None | Some("str")) => return Scalar::Text,
            _ => {}
        }
        let scalar = Scalar::of(text);
        let fits = match (core, &scalar) {
            (None, _)
            | (Some("null"), Scalar::Null)
            | (Some("bool"), Scalar::Bool(_))
            | (Some("int"), Scalar::Integer(_))
            | (Some("float"), Scalar::Float(_) | Scalar::Integer(_)) => true,
            (Some(_), _) => false,
        };
        if !fits {
            let tag = core.unwrap_or_default();
            self.say(
                path,
                format!("has the tag !!{tag}, and is not of that type: remove the tag"),
            );
        }
        scalar
    }

    fn list(&mut self, path: &str, depth: usize) -> Result<Node, String> {
        let mut items = Vec::new();
        let (mut deepest, mut size) = (0, 1);
        loop {
            let (event, span) = self.more()?;
            if event == Event::SequenceEnd {
                break;
            }
            let item = self.node(event, &span, &format!("{path}[{}]", items.len()), depth + 1)?;
            deepest = deepest.max(item.depth);
            size += item.size;
            items.push(item.value);
        }
        Ok(Node {
            value: Value::Array(items),
            written: None,
            depth: deepest + 1,
            size,
        })
    }

    fn map(&mut self, path: &str, depth: usize) -> Result<Node, String> {
        let mut map = Map::new();
        let mut own = HashSet::new();
        let (mut deepest, mut size) = (0, 1);
        loop {
            let (event, span) = self.more()?;
            if event == Event::MappingEnd {
                break;
            }
            let merges = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.key(event, &span, path, depth)?;
            let below = key.as_ref().map_or_else(|| path.to_owned(), |key| below(path, key));
            let (event, span) = self.more()?;
            let value = self.node(event, &span, &below, depth + 1)?;
            deepest = deepest.max(value.depth);
            size += value.size;
            match key {
                Some(_) if merges => self.merge(&mut map, &own, value.value, path),
                Some(key) if !own.insert(key.clone()) => {
                    self.say(&below, "is there twice: remove one of the two");
                }
                Some(key) => drop(map.insert(key, value.value)),
                None => {}
            }
        }
        Ok(Node {
            value: Value::Object(map),
            written: None,
            depth: deepest + 1,
            size,
        })
    }

    /// The key of a field; none where it can be none, which is said.
    fn key(&mut self, event: Event<'a>, span: &Span, path: &str, depth: usize) -> Result<Option<String>, String> {
        let Event::Scalar(text, style, anchor, tag) = event else {
            if let Value::String(text) = self.node(event, span, path, depth + 1)?.value {
                return Ok(Some(text));
            }
            self.say(path, "has a key that is no text: write a word, in quotes if need be");
            return Ok(None);
        };
        let place = below(path, &text);
        let key = self.meaning(&text, style, tag.as_deref(), &place).as_key(&text);
        match &key {
            Some(key) if *key == text => {}
            Some(key) => self.say(
                &place,
                format!("is the key {key} to Kubernetes, since it has no quotes: put {text} in quotes"),
            ),
            None if text.is_empty() => self.say(path, "has an empty key: write a word"),
            None => self.say(&place, format!("can be no key without quotes: put {text} in quotes")),
        }
        if let (Some(key), true) = (&key, anchor != 0) {
            self.anchors
                .insert(anchor, Node::scalar(Value::String(key.clone()), None));
        }
        Ok(key)
    }

    /// Takes over what `<<` names. What is written beside it comes after it, so that no reader takes the one for the other.
    fn merge(&mut self, map: &mut Map<String, Value>, own: &HashSet<String>, value: Value, path: &str) {
        let merged = match value {
            Value::Object(fields) => vec![Value::Object(fields)],
            // The first has precedence.
            Value::Array(items) => items.into_iter().rev().collect(),
            other => vec![other],
        };
        for fields in merged {
            let Value::Object(fields) = fields else {
                self.say(path, "has a << that names no fields: remove it");
                return;
            };
            for (key, value) in fields {
                if own.contains(&key) {
                    self.say(&below(path, &key), "stands before a << that has it too: write << first");
                }
                map.insert(key, value);
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: &Span, path: &str, depth: usize) -> Result<Node, String> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(at(span, "an alias stands for what it is in"));
        };
        self.aliased += node.size;
        if self.aliased > MAX_ALIASED {
            return Err(at(
                span,
                &format!("its aliases stand for more than {MAX_ALIASED} values"),
            ));
        }
        if depth + node.depth > MAX_DEPTH {
            return Err(at(span, &format!("it has more than {MAX_DEPTH} levels")));
        }
        let node = node.clone();
        if let Some(text) = &node.written {
            self.document.written.insert(path.to_owned(), text.clone());
        }
        Ok(node)
    }
}

/// A whole number of 64 bits, as JSON has it.
fn integer(number: i128) -> Value {
    let signed = i64::try_from(number).map(Number::from);
    let number = signed.or_else(|_| u64::try_from(number).map(Number::from));
    number.map_or(Value::Null, Value::Number)
}

/// A fraction as JSON has it: without a point where it is whole.
fn whole(number: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "such a number is whole and fits")]
    if number.fract() == 0.0 && number.abs() < 9e18 {
        return Value::from(number as i64);
    }
    Value::from(number)
}

fn told(error: &ScanError) -> String {
    let marker = error.marker();
    let info = error.info().replace('\n', " ");
    format!("{info}, at line {}, column {}", marker.line(), marker.col() + 1)
}

fn at(span: &Span, what: &str) -> String {
    format!("{what}, at line {}, column {}", span.start.line(), span.start.col() + 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn only(text: &str) -> Document {
        let mut documents = documents(text).expect("YAML");
        assert_eq!(documents.len(), 1, "{documents:?}");
        documents.remove(0)
    }

    fn wrong(text: &str) -> Vec<String> {
        let wrong = only(text).wrong.into_iter();
        wrong.map(|(path, what)| format!("{path} {what}")).collect()
    }

    #[test]
    fn values_are_read_as_the_api_server_reads_them() {
        let document =
            only("a: yes\nb: 020\nc: 20.0\nd: 'no'\ne: ~\nf: [1.5, \"1\", !!str 2, off]\ng: |\n  y\n42: x\n");
        assert_eq!(
            document.value,
            json!({"a": true, "b": 16, "c": 20, "d": "no", "e": null, "f": [1.5, "1", "2", false], "g": "y\n", "42": "x"})
        );
        assert_eq!(document.wrong, []);
        let written = |path: &str| document.written.get(path).map(String::as_str);
        assert_eq!(
            ["a", "b", "c", "d", "e", "f[0]", "f[1]", "f[3]"].map(written),
            [
                Some("yes"),
                Some("020"),
                Some("20.0"),
                None,
                None,
                Some("1.5"),
                None,
                Some("off")
            ]
        );
    }

    #[test]
    fn what_cannot_be_meant_as_it_is_read_is_told_with_its_path() {
        for (text, expected) in [
            (
                "a: {y: 1}",
                "a.y is the key true to Kubernetes, since it has no quotes: put y in quotes",
            ),
            (
                "a: [{0042: 1}]",
                "a[0].0042 is the key 34 to Kubernetes, since it has no quotes: put 0042 in quotes",
            ),
            ("a: {b: 1, b: 2}", "a.b is there twice: remove one of the two"),
            (
                "a: {true: 1, yes: 2}",
                "a.yes is the key true to Kubernetes, since it has no quotes: put yes in quotes",
            ),
            ("a: {~: 1}", "a.~ can be no key without quotes: put ~ in quotes"),
            (
                "? [a]\n: 1",
                "the document has a key that is no text: write a word, in quotes if need be",
            ),
            (
                "a: .nan",
                "a is .nan, for which JSON has no number: put it in quotes if it is a text",
            ),
            (
                "a: !!int x",
                "a has the tag !!int, and is not of that type: remove the tag",
            ),
            (
                "a: &a {b: 1}\nc: {b: 2, <<: *a}",
                "c.b stands before a << that has it too: write << first",
            ),
            ("c: {<<: 1}", "c has a << that names no fields: remove it"),
        ] {
            assert_eq!(wrong(text)[0], expected, "{text}");
        }
    }

    #[test]
    fn aliases_and_merges_stand_for_what_they_name() {
        let document = only("a: &a {b: 1, c: 2}\nd: {<<: *a, c: 3}\ne: *a\nf: &n 012\ng: *n\n");
        assert_eq!(document.wrong, []);
        assert_eq!(document.value["d"], json!({"b": 1, "c": 3}));
        assert_eq!(document.value["e"], json!({"b": 1, "c": 2}));
        assert_eq!(document.value["g"], 10);
        assert_eq!(document.written["g"], "012");
    }

    #[test]
    fn what_is_empty_is_no_document() {
        assert_eq!(documents("# nothing\n---\n# here\n").expect("YAML"), []);
        assert_eq!(documents("a: 1\n---\n---\nb: 2\n").expect("YAML").len(), 2);
    }

    #[test]
    fn a_few_bytes_that_stand_for_very_much_are_refused() {
        let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..10 {
            let before = level - 1;
            let ten = vec![format!("*a{before}"); 10].join(", ");
            laughs.push_str(&format!("a{level}: &a{level} [{ten}]\n"));
        }
        let deep = format!("{}{}", "[".repeat(120), "]".repeat(120));
        let mut stacked = "a0: &a0 [x]\n".to_owned();
        for level in 1..200 {
            stacked.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        for (text, why) in [
            (laughs, "its aliases stand for more than 1000000 values, at line"),
            (deep, "it has more than 100 levels, at line 1"),
            (stacked, "it has more than 100 levels, at line"),
            ("a: &a [*a]".to_owned(), "an alias stands for what it is in, at line 1"),
        ] {
            let refused = documents(&text).expect_err("refused");
            assert!(refused.starts_with(why), "{refused}");
        }
    }

    #[test]
    fn an_item_of_a_list_is_told_of_by_its_own_paths() {
        let mut parts = only("items:\n- {a: {y: 1}, b: no}\n- {a: x}\n").parts();
        assert_eq!(parts.len(), 1);
        let part = parts.remove(&0).expect("the first");
        assert_eq!(part.wrong.len(), 1);
        assert_eq!(part.wrong[0].0, "a.y");
        assert_eq!(part.written["b"], "no");
    }
}
