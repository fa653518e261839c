//! docs/metrics.md says of each condition and each reason by which alert people notice it, or why none is needed.

use std::collections::{BTreeMap, BTreeSet};

use amiseal::api::conditions::reason;
use regex::Regex;

const PAGE: &str = include_str!("../../docs/metrics.md");
const CONDITIONS: &str = include_str!("../../src/api/conditions.rs");
const RULES: &str = include_str!("../../charts/amiseal/files/alerts.yaml");

/// The rows of the table between two marks, without its head.
fn rows(from: &str, to: &str) -> Vec<Vec<String>> {
    let (_, rest) = PAGE.split_once(&format!("<!-- {from} -->\n")).expect("the table");
    let (table, _) = rest.split_once(&format!("<!-- {to} -->\n")).expect("its end");
    let lines = table.lines().filter(|line| line.starts_with("| `"));
    lines
        .map(|line| {
            line.trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
}

fn quoted(cell: &str) -> Vec<String> {
    let quoted = Regex::new("`([^`]+)`").expect("a pattern");
    quoted.captures_iter(cell).map(|found| found[1].to_owned()).collect()
}

/// The alerts of the chart.
fn alerts() -> BTreeSet<String> {
    let names = RULES.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// The types of conditions. Their reasons are in a file of their own.
fn types() -> BTreeSet<String> {
    let constant = Regex::new(r#"pub const [A-Z_]+: &str = "([A-Za-z]+)";"#).expect("a pattern");
    let found = constant.captures_iter(CONDITIONS);
    found.map(|found| found[1].to_owned()).collect()
}

/// How often each name stands in the first cell of a row.
fn counted(rows: &[Vec<String>]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for name in rows.iter().flat_map(|row| quoted(&row[0])) {
        *counts.entry(name).or_default() += 1;
    }
    counts
}

/// Each row names alerts that there are, or says why there is none.
fn check_alerts(rows: &[Vec<String>], columns: usize) {
    let alerts = alerts();
    for row in rows {
        assert_eq!(row.len(), columns, "{row:?}");
        let last = &row[columns - 1];
        let named: Vec<String> = quoted(last)
            .into_iter()
            .filter(|name| name.starts_with("Amiseal"))
            .collect();
        let why = last.strip_prefix("none: ").unwrap_or_default();
        assert_eq!(
            named.is_empty(),
            why.ends_with('.'),
            "an alert, or why there is none: {row:?}"
        );
        for name in named {
            assert!(
                alerts.contains(&name),
                "docs/metrics.md names {name}, which is no alert"
            );
        }
    }
}

#[test]
fn each_condition_has_a_metric_and_an_alert_or_says_why_it_needs_none() {
    let rows = rows("conditions", "reasons");
    check_alerts(&rows, 3);
    let expected: BTreeMap<String, usize> = types().into_iter().map(|name| (name, 1)).collect();
    assert!(expected.len() > 10, "{expected:?}");
    assert_eq!(
        counted(&rows),
        expected,
        "docs/metrics.md has a row for each condition of src/api/conditions.rs"
    );
    for row in &rows {
        let metrics = quoted(&row[1]);
        assert!(!metrics.is_empty(), "{row:?}");
        for name in metrics {
            assert!(
                PAGE.contains(&format!("\n| `{name}` |")),
                "docs/metrics.md names {name}, which is no metric"
            );
        }
    }
}

#[test]
fn each_reason_has_an_alert_or_says_why_it_needs_none() {
    let rows = rows("reasons", "end");
    check_alerts(&rows, 2);
    let expected: BTreeMap<String, usize> = reason::ALL.iter().map(|name| ((*name).to_owned(), 1)).collect();
    assert_eq!(
        counted(&rows),
        expected,
        "docs/metrics.md has each reason once: add a new one to a row with its alert, or to one that says why it needs none"
    );
}

/// Nothing is said of them by a condition: they have no target, or are about a replica or about what it finds.
const OF_NO_CONDITION: [&str; 11] = [
    "AmisealAPIServerUnreachable",
    "AmisealAWSThrottling",
    "AmisealAWSUnreachable",
    "AmisealAbsent",
    "AmisealDuplicateStorage",
    "AmisealEventQueueUnreadable",
    "AmisealFindingsUnknown",
    "AmisealNewFindings",
    "AmisealReconcileErrors",
    "AmisealScanStale",
    "AmisealShardsUnowned",
];

#[test]
fn each_alert_is_of_a_condition_or_is_known_to_be_of_none() {
    let rows = rows("conditions", "reasons");
    let mut named: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[2])).collect();
    named.extend(OF_NO_CONDITION.map(str::to_owned));
    assert_eq!(named, alerts());
}
