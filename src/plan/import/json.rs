//! JSON whose every value knows its line, and whose numbers keep their digits: a parser that gives no positions could name no line, and
//! one that makes numbers of numbers would round accounts.

use std::borrow::Cow;

/// No export nests deeper.
const DEEPEST: usize = 128;

/// A value, and the line that it begins on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node<'a> {
    pub(super) line: u64,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// `null`, `true` or `false`.
    Word,
    /// As it is written.
    Number(&'a str),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// In the order of the file.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) line: u64,
    pub(super) what: &'static str,
}

/// Reads one value after the other.
#[derive(Debug, Clone)]
pub(super) struct Parser<'a> {
    text: &'a str,
    at: usize,
    line: u64,
}

impl<'a> Parser<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The next value; none at the end.
    pub(super) fn next_value(&mut self) -> Option<Result<Node<'a>, Fault>> {
        self.skip_blanks();
        (self.at < self.text.len()).then(|| self.value(0))
    }

    /// Where the next value begins.
    pub(super) fn line(&mut self) -> u64 {
        self.skip_blanks();
        self.line
    }

    /// Goes on behind the line that the next value begins on, and gives that line.
    pub(super) fn skip_line(&mut self) -> &'a str {
        self.skip_blanks();
        let rest = &self.text[self.at..];
        let line = rest.split('\n').next().unwrap_or_default();
        self.at += line.len();
        line
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => self.line += 1,
                b' ' | b'\t' | b'\r' => {}
                _ => return,
            }
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fault<T>(&self, what: &'static str) -> Result<T, Fault> {
        Err(Fault { line: self.line, what })
    }

    fn value(&mut self, depth: usize) -> Result<Node<'a>, Fault> {
        self.skip_blanks();
        let line = self.line;
        if depth > DEEPEST {
            return self.fault("it is nested too deeply");
        }
        let value = match self.peek() {
            None => return self.fault("it ends in the middle"),
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.list(depth)?,
            Some(b'"') => Value::Text(self.text()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
        };
        Ok(Node { line, value })
    }

    /// Whether a list or an object goes on after one of its parts; else it is at its end.
    fn goes_on(&mut self, end: u8) -> Result<bool, Fault> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => self.at += 1,
            Some(byte) if byte == end => {
                self.at += 1;
                return Ok(false);
            }
            None => return self.fault("it ends in the middle"),
            Some(_) => return self.fault("a comma or a closing bracket is missing"),
        }
        Ok(true)
    }

    fn is_at_end(&mut self, end: u8) -> bool {
        self.at += 1;
        self.skip_blanks();
        let is_empty = self.peek() == Some(end);
        self.at += usize::from(is_empty);
        is_empty
    }

    fn list(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let mut items = Vec::new();
        let mut goes_on = !self.is_at_end(b']');
        while goes_on {
            items.push(self.value(depth + 1)?);
            goes_on = self.goes_on(b']')?;
        }
        Ok(Value::List(items))
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, Fault> {
        let mut members = Vec::new();
        let mut goes_on = !self.is_at_end(b'}');
        while goes_on {
            self.skip_blanks();
            match self.peek() {
                Some(b'"') => {}
                None => return self.fault("it ends in the middle"),
                Some(_) => return self.fault("a name in double quotes is missing"),
            }
            let name = self.text()?;
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return self.fault("a colon is missing");
            }
            self.at += 1;
            members.push((name, self.value(depth + 1)?));
            goes_on = self.goes_on(b'}')?;
        }
        Ok(Value::Object(members))
    }

    fn number(&mut self) -> Result<Value<'a>, Fault> {
        let begin = self.at;
        let digits = |this: &mut Self| {
            let from = this.at;
            while this.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                this.at += 1;
            }
            this.at > from
        };
        self.at += usize::from(self.peek() == Some(b'-'));
        // Zeros at the beginning are no JSON, and yet what some programs make of an account.
        let mut is_number = digits(self);
        if self.peek() == Some(b'.') {
            self.at += 1;
            is_number &= digits(self);
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            is_number &= digits(self);
        }
        if is_number {
            Ok(Value::Number(&self.text[begin..self.at]))
        } else {
            self.fault("a number is not whole")
        }
    }

    fn word(&mut self) -> Result<Value<'a>, Fault> {
        let rest = &self.text[self.at..];
        let known = ["null", "true", "false"]
            .into_iter()
            .find(|word| rest.starts_with(word));
        let Some(word) = known else {
            return self.fault("a value is missing, or a text has no double quotes");
        };
        self.at += word.len();
        Ok(Value::Word)
    }

    fn text(&mut self) -> Result<Cow<'a, str>, Fault> {
        self.at += 1;
        let mut unescaped = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = memchr::memchr3(b'"', b'\\', b'\n', rest.as_bytes()) else {
                return self.fault("a text is not closed");
            };
            let plain = &rest[..length];
            self.at += length + 1;
            match rest.as_bytes()[length] {
                b'"' if unescaped.is_empty() => return Ok(Cow::Borrowed(plain)),
                b'"' => {
                    unescaped.push_str(plain);
                    return Ok(Cow::Owned(unescaped));
                }
                b'\\' => {
                    unescaped.push_str(plain);
                    let sign = self.escape()?;
                    unescaped.push(sign);
                }
                _ => return self.fault("a text is not closed"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let Some(kind) = self.peek() else {
            return self.fault("a text is not closed");
        };
        self.at += 1;
        Ok(match kind {
            b'"' | b'\\' | b'/' => char::from(kind),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => self.unicode()?,
            _ => return self.fault("a backslash stands before a character that it cannot"),
        })
    }

    /// The character of one `\u0000`, or of two that belong together. Half of such a pair becomes a mark.
    fn unicode(&mut self) -> Result<char, Fault> {
        let first = self.four_digits()?;
        if !(0xd800..0xdc00).contains(&first) {
            return Ok(char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER));
        }
        let before = self.at;
        if self.text[self.at..].starts_with("\\u") {
            self.at += 2;
            let second = self.four_digits()?;
            if (0xdc00..0xe000).contains(&second) {
                let both = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(both).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            self.at = before;
        }
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn four_digits(&mut self) -> Result<u32, Fault> {
        let digits = self.text.get(self.at..self.at + 4);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(number) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return self.fault("\\u stands before something other than four hexadecimal digits");
        };
        self.at += 4;
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    /// The same value as serde's parser has it.
    fn plain(node: &Node<'_>, original: &Json) -> Json {
        match (&node.value, original) {
            (Value::Word, other) => other.clone(),
            (Value::Number(number), _) => serde_json::from_str(number).expect("a number"),
            (Value::Text(text), _) => Json::String(text.to_string()),
            (Value::List(items), Json::Array(originals)) => {
                assert_eq!(items.len(), originals.len());
                items.iter().zip(originals).map(|(item, of)| plain(item, of)).collect()
            }
            (Value::Object(members), of) => members
                .iter()
                .map(|(name, node)| (name.to_string(), plain(node, &of[&**name])))
                .collect(),
            (list, other) => panic!("{list:?} is {other}"),
        }
    }

    fn any_json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<i32>().prop_map(|number| Json::from(f64::from(number) / 4.0)),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|members| Json::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_reads_is_read_alike(json in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
            let text = text.expect("JSON");
            let mut parser = Parser::new(&text);
            let node = parser.next_value().expect("a value").expect("JSON");
            prop_assert_eq!(plain(&node, &json), json);
            prop_assert_eq!(parser.next_value(), None);
        }

        #[test]
        fn whatever_is_no_json_ends_in_a_line_of_the_text(text in "[\\[\\]{}:,\"\\\\a-f0-9 \n-]{0,40}") {
            let mut parser = Parser::new(&text);
            while let Some(value) = parser.next_value() {
                let line = match value {
                    Ok(node) => node.line,
                    Err(fault) => fault.line,
                };
                prop_assert!(line <= text.lines().count().max(1) as u64 + 1);
                if parser.skip_line().is_empty() && parser.next_value().is_none() {
                    break;
                }
            }
        }
    }

    #[test]
    fn every_value_knows_its_line_and_numbers_keep_their_digits() {
        let text = "[\n  {\"a\": 012345678901,\n   \"b\": [1.50, \"\\u00e9\\ud83d\\ude00\\\"\"]}\n]\n{}";
        let mut parser = Parser::new(text);
        let node = parser.next_value().expect("a value").expect("JSON");
        let Value::List(items) = &node.value else {
            panic!("{node:?}")
        };
        let Value::Object(members) = &items[0].value else {
            panic!("{node:?}")
        };
        assert_eq!((items[0].line, members[0].1.line, members[1].1.line), (2, 2, 3));
        assert_eq!(members[0].1.value, Value::Number("012345678901"));
        let Value::List(inner) = &members[1].1.value else {
            panic!("{node:?}")
        };
        assert_eq!(inner[0].value, Value::Number("1.50"));
        assert_eq!(inner[1].value, Value::Text("é😀\"".into()));
        assert_eq!(parser.line(), 5);
        assert!(parser.next_value().expect("a value").is_ok());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, words) in [
            ("{\n\"a\": [1,\n", 3, "ends in the middle"),
            ("{\n'a': 1}", 2, "double quotes"),
            ("[\n1\n2]", 3, "comma"),
            ("{\"a\" 1}", 1, "colon"),
            ("[\"a\n\"]", 1, "not closed"),
            ("[\"a", 1, "not closed"),
            ("[1.]", 1, "number"),
            ("[None]", 1, "value"),
            ("[\"\\x\"]", 1, "backslash"),
            ("[\"\\u12\"]", 1, "four hexadecimal digits"),
        ] {
            let fault = Parser::new(text).next_value().expect("a value").expect_err("refused");
            assert_eq!(fault.line, line, "{text}");
            assert!(fault.what.contains(words), "{text}: {}", fault.what);
        }
        let deep = "[".repeat(1000);
        let fault = Parser::new(&deep).next_value().expect("a value").expect_err("refused");
        assert_eq!(fault.what, "it is nested too deeply");
    }
}
