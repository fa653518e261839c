//! SARIF 2.1.0, for code scanning and other collectors of findings.

use std::io;

use serde_json::{Value, json};

use super::exempt_until;
use crate::cli::text::printable;
use crate::plan::findings::report::{Report, ReportedFinding};
use crate::plan::findings::{Check, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// Writes a log of one run.
pub(super) fn write(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    let rules: Vec<Value> = Check::ALL.iter().map(|check| rule(*check)).collect();
    let results: Vec<Value> = report.findings.iter().map(result).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "amiseal",
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "invocations": [{
                "executionSuccessful": report.is_complete(),
                "endTimeUtc": report.generated,
                "toolExecutionNotifications": notifications(report),
            }],
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    out.write_all(b"\n")
}

fn rule(check: Check) -> Value {
    let mut markdown = format!("{}\n\n**Fix:** {}", check.why(), check.fix());
    if !check.references().is_empty() {
        markdown += &format!("\n\nThe same check elsewhere: {}.", check.references().join(", "));
    }
    json!({
        "id": check.id(),
        "shortDescription": {"text": check.title()},
        "fullDescription": {"text": check.why()},
        "help": {"text": format!("{} Fix: {}", check.why(), check.fix()), "markdown": markdown},
        "defaultConfiguration": {"level": level(check.severity())},
        "properties": {
            "severity": check.severity(),
            "security-severity": score(check.severity()),
            "precision": "very-high",
            "tags": ["security", "aws", "ami"],
        },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "note",
    }
}

/// Code scanning calls 9 and more critical, 7 and more high, 4 and more medium.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
    }
}

fn result(finding: &ReportedFinding) -> Value {
    let name = format!("{}/{}/{}", finding.account_id, finding.region, finding.resource);
    let suppressions: Vec<Value> = finding
        .exempt_until
        .iter()
        .map(|day| {
            let why = printable(&exempt_until(day, finding.exempt_reason.as_deref()));
            json!({"kind": "external", "status": "accepted", "justification": why})
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.check,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": message(&finding.what)},
        "locations": [{
            // There is no file: code scanning wants one with a line all the same.
            "physicalLocation": {
                "artifactLocation": {"uri": format!("aws/{}", encoded(&name))},
                "region": {"startLine": 1},
            },
            "logicalLocations": [{
                "name": printable(&finding.resource),
                "fullyQualifiedName": printable(&name),
                "kind": "resource",
            }],
        }],
        // The first is what code scanning tells alerts apart by.
        "partialFingerprints": {"primaryLocationLineHash": finding.id, "amiseal/v1": finding.id},
        // All results have them, or none has: an empty list says that one is not suppressed.
        "suppressions": suppressions,
        "properties": {
            "severity": finding.severity,
            "accountID": finding.account_id,
            "region": finding.region,
            "resource": printable(&finding.resource),
            "fix": finding.fix,
        },
    });
    if let Some(rule) = Check::ALL.iter().position(|check| check.id() == finding.check) {
        result["ruleIndex"] = rule.into();
    }
    if let Some(change) = finding.change {
        result["baselineState"] = change.as_str().into();
    }
    result
}

/// What could not be read.
fn notifications(report: &Report) -> Vec<Value> {
    let mut told = Vec::new();
    for scope in &report.scopes {
        let place = format!("{} {}", scope.account_id, scope.region);
        let mut tell =
            |level: &str, text: String| told.push(json!({"level": level, "message": {"text": message(&text)}}));
        if let Some(problem) = &scope.problem {
            tell("error", format!("{place}: {}: {}", problem.reason, problem.message));
        }
        for unknown in &scope.unknown {
            let which = unknown.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
            tell(
                "warning",
                format!("{place}: {}{which}: {}", unknown.kind, unknown.message),
            );
        }
    }
    told
}

/// In a message, brackets make links and braces are placeholders.
fn message(text: &str) -> String {
    let mut out = String::new();
    for sign in printable(text).chars() {
        match sign {
            '[' | ']' | '\\' => out.extend(['\\', sign]),
            '{' | '}' => out.extend([sign, sign]),
            _ => out.push(sign),
        }
    }
    out
}

/// As the path of a URI.
fn encoded(path: &str) -> String {
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_may_write_is_neither_a_link_nor_a_uri_of_its_own() {
        assert_eq!(message("[x](1) {0}\n"), "\\[x\\](1) {{0}}\u{fffd}");
        assert_eq!(encoded("1/eu/a b?#é"), "1/eu/a%20b%3F%23%C3%A9");
    }
}
