//! Every form of the report, compared with files: what changes in them is seen in a review. `make golden` writes them anew, and
//! `make forms` holds them against the schemas of SARIF and OCSF, and opens the page in a browser.

use std::path::PathBuf;
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use super::rights::{documented, world};
use super::{Bench, REGION};

const EVERYTHING: &str = include_str!("../ec2sim/worlds/consumers.yaml");
const HOSTILE: &str = include_str!("hostile.yaml");

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/report_command/golden")
        .join(name)
}

/// Without what differs from one run to the next: times, and the version.
fn settled(text: &str) -> String {
    let mut text = text.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
    for (pattern, with) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-01T00:00:00Z"),
        (r#"(time": ?)\d{13}"#, "${1}1767225600000"),
        (r"(<title>Machine images, )[\d-]+", "${1}2026-01-01"),
    ] {
        let pattern = Regex::new(pattern).expect("a pattern");
        text = pattern.replace_all(&text, with).into_owned();
    }
    text
}

/// Whether a form is the same as its file. The order of keys in JSON does not matter.
fn is_same(name: &str, found: &str, wanted: &str) -> bool {
    let lines = |text: &str| -> Vec<Value> {
        serde_json::Deserializer::from_str(text)
            .into_iter()
            .map(|value| value.expect("JSON"))
            .collect()
    };
    if [".json", ".jsonl", ".sarif"].iter().any(|end| name.ends_with(end)) {
        lines(found) == lines(wanted)
    } else {
        found == wanted
    }
}

fn compare(bench: &Bench, name: &str, arguments: &[&str]) {
    compare_with(bench, name, arguments, 0);
}

fn compare_with(bench: &Bench, name: &str, arguments: &[&str], code: i32) {
    let ran = bench.report(&[&["--region", REGION], arguments].concat());
    assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{name}: {ran:#?}");
    let found = settled(&ran.out);
    if std::env::var_os("AMISEAL_WRITE_GOLDEN").is_some() {
        std::fs::write(path(name), &found).expect("a file");
    }
    let wanted = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert!(
        is_same(name, &found, &wanted),
        "golden/{name} is out of date, make golden writes it anew. Found:\n{found}"
    );
}

#[test]
fn every_form_of_a_report_is_as_its_file_says() {
    let bench = Bench::new(EVERYTHING);
    for (output, name) in [
        ("table", "report.txt"),
        ("csv", "report.csv"),
        ("json", "report.json"),
        ("markdown", "report.md"),
        ("sarif", "report.sarif"),
        ("ocsf", "report.ocsf.jsonl"),
        ("html", "report.html"),
    ] {
        compare(&bench, name, &["--output", output]);
    }
    bench.assert_untouched();
}

#[test]
fn names_of_markup_and_what_has_changed_are_as_their_files_say() {
    let bench = Bench::new(HOSTILE);
    let previous = path("previous.json");
    let previous = previous.to_str().expect("a path");
    for (output, name) in [
        ("table", "since.txt"),
        ("csv", "since.csv"),
        ("json", "since.json"),
        ("markdown", "since.md"),
        ("sarif", "since.sarif"),
        ("ocsf", "since.ocsf.jsonl"),
        ("html", "since.html"),
    ] {
        compare(&bench, name, &["--output", output, "--since", previous]);
    }
}

#[test]
fn what_could_not_be_read_is_as_its_files_say() {
    let mut allowed = documented();
    allowed.remove("ec2:DescribeInstances");
    let bench = world(&allowed);
    for (output, name) in [
        ("table", "unread.txt"),
        ("json", "unread.json"),
        ("sarif", "unread.sarif"),
        ("ocsf", "unread.ocsf.jsonl"),
        ("html", "unread.html"),
    ] {
        compare_with(&bench, name, &["--region", "eu-north-1", "--output", output], 1);
    }
}

#[test]
fn what_the_report_prints_for_programs_can_be_imported() {
    for name in ["report.csv", "report.json", "report.sarif", "report.ocsf.jsonl"] {
        let output = Command::new(env!("CARGO_BIN_EXE_amiseal"))
            .arg("import")
            .arg(path(name))
            .args(["--offline", "--kms-key-id", "alias/ami", "--role-name", "amiseal"])
            .env_clear()
            .output()
            .expect("the program runs");
        // Somebody is told of the rows that are about a region's settings.
        assert!(matches!(output.status.code(), Some(0 | 2)), "{name}: {output:?}");
        let policy = String::from_utf8(output.stdout).expect("UTF-8");
        let selected: Vec<&str> = policy
            .lines()
            .map(str::trim)
            .filter(|line| line.starts_with("- ami-"))
            .collect();
        assert_eq!(selected, ["- ami-0000000a", "- ami-0000000b"], "{name}");
        assert!(policy.contains("accountID: \"111111111111\""), "{policy}");
        assert!(policy.contains("- name: eu-west-1"), "{policy}");
    }
}
