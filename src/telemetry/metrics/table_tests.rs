use std::collections::BTreeSet;

use prometheus::{GaugeVec, IntCounterVec, Opts, Registry, TextEncoder};
use proptest::prelude::*;
use regex::Regex;

use super::*;

const HELP: &str = "A \\ and a \"word\".\nAnd more.";
const LABELS: &[&str] = &["region", "account"];
const ALL: &[&[OfThing]] = &[VALUE, NEVER, TOTAL];
const VALUE: &[OfThing] = &[OfThing::gauge("thing", HELP, &["reason"], |thing, to| {
    to.put(&[&thing.reason], thing.value);
})];
const NEVER: &[OfThing] = &[OfThing::gauge("thing_never", HELP, &[], |_, to| {
    to.maybe(&[], None::<f64>)
})];
const TOTAL: &[OfThing] = &[OfThing::counter("thing_total", HELP, &[], |thing, to| {
    to.put(&[], thing.count);
})];

type OfThing = Series<Thing>;

#[derive(Debug, Default)]
struct Thing {
    reason: String,
    value: f64,
    count: u32,
}

/// The name of a sample, and the values of its labels, by the grammar of the format.
fn parse(line: &str) -> Option<(String, Vec<String>)> {
    let value = r#"((?:[^"\\\n]|\\["\\n])*)"#;
    let line_of = Regex::new(&format!(
        r#"^([a-zA-Z_:][a-zA-Z0-9_:]*)\{{([a-zA-Z_][a-zA-Z0-9_]*="{value}",?)*\}} (?:-?[0-9.]+|NaN|-?inf)$"#
    ));
    let name = line_of.expect("a pattern").captures(line)?[1].to_owned();
    let label = Regex::new(&format!(r#"[a-zA-Z_][a-zA-Z0-9_]*="{value}""#)).expect("a pattern");
    let unescaped = |text: &str| {
        let escaped = Regex::new(r#"\\(["\\n])"#).expect("a pattern");
        let stands_for = |found: &regex::Captures<'_>| match &found[1] {
            "n" => "\n".to_owned(),
            other => other.to_owned(),
        };
        escaped.replace_all(text, stands_for).into_owned()
    };
    let labels = line.strip_prefix(name.as_str())?;
    let values = label.captures_iter(labels).map(|found| unescaped(&found[1]));
    Some((name, values.collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_text_is_as_the_library_writes_it_and_says_what_was_put_whatever_that_is(
        region in r#"[a\\"\n\r{}=, é]{0,8}"#,
        reason in any::<String>(),
        value in any::<f64>(),
        count in any::<u32>(),
    ) {
        let table = Table::new(LABELS, ALL);
        let labels = [region.as_str(), "1"];
        table.set("a", &labels, |thing| *thing = Thing { reason: reason.clone(), value, count });
        let text: String = table.pieces().collect();

        let registry = Registry::new();
        let gauge = GaugeVec::new(Opts::new("thing", HELP), &["region", "account", "reason"]).expect("a gauge");
        gauge.with_label_values(&[region.as_str(), "1", reason.as_str()]).set(value);
        registry.register(Box::new(gauge)).expect("a registry");
        let total = IntCounterVec::new(Opts::new("thing_total", HELP), LABELS).expect("a counter");
        total.with_label_values(&labels).inc_by(count.into());
        registry.register(Box::new(total)).expect("a registry");
        prop_assert_eq!(&text, &TextEncoder::new().encode_to_string(&registry.gather()).expect("a text"));

        let samples = text.split('\n').filter(|line| !line.is_empty() && !line.starts_with('#'));
        let samples: Vec<_> = samples.map(parse).collect();
        let (account, region) = ("1".to_owned(), region);
        prop_assert_eq!(samples, [
            Some(("thing".to_owned(), vec![account.clone(), reason, region.clone()])),
            Some(("thing_total".to_owned(), vec![account, region])),
        ]);
    }
}

fn many() -> Arc<Table<Thing>> {
    let table = Table::new(LABELS, ALL);
    for number in 0..5_000 {
        let name = format!("{number:05}");
        table.set(&name, &[&name, "1"], |thing| thing.count = number);
    }
    table
}

#[test]
fn the_text_of_many_records_comes_in_pieces_and_is_one_text() {
    let pieces: Vec<String> = many().pieces().collect();
    assert!(pieces.len() > 5, "{}", pieces.len());
    let (last, others) = pieces.split_last().expect("pieces");
    assert!(!last.is_empty());
    for piece in others {
        assert!((PIECE..PIECE + 1_000).contains(&piece.len()), "{}", piece.len());
    }
    let mut expected = Vec::new();
    for (name, kind, labels) in [("thing", "gauge", r#"",reason=""#), ("thing_total", "counter", "")] {
        expected.push(format!(r#"# HELP {name} A \\ and a "word".\nAnd more."#));
        expected.push(format!("# TYPE {name} {kind}"));
        for number in 0..5_000 {
            let value = if kind == "gauge" { 0 } else { number };
            let labels = format!(r#"account="1{labels}",region="{number:05}""#);
            expected.push(format!("{name}{{{labels}}} {value}"));
        }
    }
    let text = pieces.concat();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines == expected, "{:?} and so on", &lines[..5]);
}

#[test]
fn records_that_come_and_go_between_two_pieces_leave_a_text_in_which_nothing_is_twice() {
    let table = many();
    let mut pieces = table.pieces();
    let first = pieces.next().expect("a piece");
    for number in 0..5_000 {
        assert!(table.forget(&format!("{number:05}")).is_some());
    }
    // Before and after the place that the text has come to.
    for name in ["00000", "99999"] {
        table.set(name, &[name, "1"], |thing| thing.count = 7);
    }
    let rest: String = pieces.collect();
    let text = first + &rest;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len());
    let expected = [
        r#"thing{account="1",reason="",region="99999"} 0"#,
        r#"# HELP thing_total A \\ and a "word".\nAnd more."#,
        "# TYPE thing_total counter",
        r#"thing_total{account="1",region="00000"} 7"#,
        r#"thing_total{account="1",region="99999"} 7"#,
    ];
    assert_eq!(rest.lines().collect::<Vec<_>>(), expected);
    assert!(table.forget("nobody").is_none());
    table.change("nobody", |thing| thing.count += 1);
    assert_eq!(table.pieces().collect::<String>().matches("nobody").count(), 0);
}
