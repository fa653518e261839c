//! The chart's alerts, with waits that a person would have the patience for.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use regex::{Captures, Regex};
use serde_json::{Value, json};

/// So many times shorter is each wait.
const SHORTER: u64 = 60;
/// What a range looks back at least: several times what lies between two samples.
const RANGE: (u64, u64) = (5, 30);
/// How long an alert waits at least, and at most.
const FOR: (u64, u64) = (1, 20);

/// What expressions compare with: seconds, and how many times as long as its size explains a copy takes. The one of the API server stays
/// as it is, since its watches are heard of about once a minute.
const COMPARED: [(&str, &str, &str); 6] = [
    ("AmisealProofLeftRunning", "> 600", "> 5"),
    ("AmisealCopySlow", "> 6", "> 0.5"),
    ("AmisealAWSUnreachable", "> 600", "> 10"),
    ("AmisealEventQueueUnreadable", "> 900", "> 10"),
    ("AmisealApprovalAwaited", "> 259200", "> 20"),
    ("AmisealImagesUnencrypted", "> 86400", "> 20"),
];

fn text() -> Result<String> {
    let path = rig::chart_directory().join("files/alerts.yaml");
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The names of all alerts.
pub(crate) fn alert_names() -> Result<BTreeSet<String>> {
    let rules: Value = serde_saphyr::from_str(&text()?)?;
    let groups = rules["groups"].as_array().into_iter().flatten();
    let rules = groups.flat_map(|group| group["rules"].as_array().into_iter().flatten());
    Ok(rules
        .filter_map(|rule| Some(rule["alert"].as_str()?.to_owned()))
        .collect())
}

/// The chart's file with shorter waits.
pub(crate) fn shortened() -> Result<String> {
    let mut file: Value = serde_saphyr::from_str(&text()?).context("the alerts are not YAML")?;
    for group in file["groups"].as_array_mut().context("no groups")? {
        group["interval"] = json!("1s");
        for rule in group["rules"].as_array_mut().context("no rules")? {
            shorten(rule)?;
        }
    }
    // JSON is YAML.
    Ok(file.to_string())
}

fn shorten(rule: &mut Value) -> Result<()> {
    let mut expression = ranges(rule["expr"].as_str().context("a rule has no expression")?.trim())?;
    for (alert, long, short) in COMPARED {
        if rule["alert"] == alert {
            ensure!(
                expression.contains(long),
                "{alert} does not compare with {long} any more"
            );
            expression = expression.replace(long, short);
        }
    }
    rule["expr"] = json!(expression);
    if let Some(wait) = rule["for"].as_str() {
        let wait = seconds(wait).with_context(|| format!("`for: {wait}` is no time"))?;
        rule["for"] = json!(format!("{}s", (wait / SHORTER).clamp(FOR.0, FOR.1)));
    }
    Ok(())
}

/// Shortens how far an expression looks back.
fn ranges(expression: &str) -> Result<String> {
    let range = Regex::new(r"(\[|offset )(\d+[smhd])")?;
    let shorter = |found: &Captures<'_>| {
        let time = seconds(&found[2]).unwrap_or_default() / SHORTER;
        format!("{}{}s", &found[1], time.clamp(RANGE.0, RANGE.1))
    };
    Ok(range.replace_all(expression, shorter).into_owned())
}

/// A number and its unit.
fn seconds(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return None,
    };
    Some(number.parse::<u64>().ok()? * unit.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_shorter_and_nothing_else_changes() {
        let expression = "max_over_time(a:b[1h] offset 1h) == 0 and rate(c{d=\"5m\"}[5m]) > 3600";
        assert_eq!(
            ranges(expression).expect("a pattern"),
            "max_over_time(a:b[30s] offset 30s) == 0 and rate(c{d=\"5m\"}[5s]) > 3600"
        );
        assert_eq!(
            ["90s", "15m", "1h", "2d", "x", ""].map(seconds),
            [Some(90), Some(900), Some(3600), Some(172_800), None, None]
        );
    }

    #[test]
    fn the_charts_alerts_can_be_shortened() {
        let shortened = shortened().expect("shorter");
        assert!(
            shortened.contains("\"for\":\"20s\"") && !shortened.contains("[5m]"),
            "{shortened}"
        );
        assert!(alert_names().expect("names").contains("AmisealAbsent"));
    }
}
