//! docs/metrics.md has each metric as the code has it.

use amiseal::aws::AwsMetrics;
use amiseal::families::Family;
use amiseal::telemetry::Metrics;
use prometheus::Registry;

const PAGE: &str = include_str!("../../docs/metrics.md");

/// By its name, as Prometheus has it: only histograms measure durations, and only counters end in `_total`.
fn type_of(name: &str) -> &'static str {
    match name {
        _ if name.ends_with("_total") => "counter",
        _ if name.ends_with("_duration_seconds") => "histogram",
        _ => "gauge",
    }
}

fn row(name: &str, family: &Family) -> String {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    format!(
        "| `{name}` | {} | {} | {} |",
        type_of(name),
        labels.join(", "),
        family.help
    )
}

#[test]
fn each_metric_has_its_row_and_each_row_is_a_metric() {
    let registry = Registry::new();
    let mut families = Metrics::register(&registry).expect("metrics").families();
    families.extend(AwsMetrics::register(&registry).expect("metrics").families());
    let expected: Vec<String> = families.iter().map(|(name, family)| row(name, family)).collect();
    let rows: Vec<&str> = PAGE.lines().filter(|line| line.starts_with("| `amiseal_")).collect();
    assert_eq!(rows, expected, "docs/metrics.md should have\n{}", expected.join("\n"));
}

#[test]
fn the_types_are_those_that_are_exported() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let _aws = AwsMetrics::register(&registry).expect("metrics");
    drop(metrics);
    for family in registry.gather() {
        let exported = format!("{:?}", family.get_field_type()).to_lowercase();
        assert_eq!(exported, type_of(family.name()), "{}", family.name());
    }
}
