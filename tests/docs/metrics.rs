//! docs/metrics.md has each metric as the code has it.

use amiseal::aws::AwsMetrics;
use amiseal::families::Family;
use amiseal::telemetry::Metrics;
use prometheus::Registry;

const PAGE: &str = include_str!("../../docs/metrics.md");

fn row(name: &str, family: &Family) -> String {
    let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
    format!(
        "| `{name}` | {} | {} | {} |",
        family.kind,
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
