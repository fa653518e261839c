//! `--prices`: what unused images cost.

use serde_json::json;

use super::{ACCOUNT, Bench, READER, REGION};

fn bench() -> Bench {
    Bench::new(&format!(
        r#"
identities: [{{accessKey: {READER}, account: "{ACCOUNT}"}}]
accounts:
- id: "{ACCOUNT}"
  regions:
  - name: {REGION}
    keys: [{{alias: [alias/ami]}}]
    images:
    - {{name: "lonely-{{n}}", count: 2, encryptedUnder: alias/ami, devices: [{{gib: 10}}, {{gib: 5}}], creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z}}
    - {{name: busy, encryptedUnder: alias/ami, creationDate: 2024-01-01T00:00:00Z, lastLaunchedTime: 2024-02-01T00:00:00Z}}
    instances: [{{image: busy}}]
"#
    ))
}

fn reported(prices: &str, output: &str) -> super::Ran {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("prices.yaml");
    std::fs::write(&file, prices).expect("a file");
    let file = file.display().to_string();
    bench().report(&["--region", REGION, "--output", output, "--prices", &file])
}

const PRICES: &str = "currency: USD\nsnapshotGiBMonth: {default: 1, eu-west-1: 0.05}\n";

#[test]
fn unused_images_cost_what_the_region_asks_for() {
    let ran = reported(PRICES, "json");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let report = ran.json();
    let scope = &report["scopes"][0];
    assert_eq!(
        (&scope["images"]["unusedGiB"], &scope["unusedMonthlyCost"]),
        (&json!(30), &json!(1.5))
    );
    let findings = report["findings"].as_array().expect("findings");
    let mut unused: Vec<&str> = findings
        .iter()
        .filter(|finding| finding["check"] == "unused-image")
        .filter_map(|finding| finding["what"].as_str())
        .collect();
    unused.sort_unstable();
    assert_eq!(
        unused,
        ["lonely-1", "lonely-2"].map(|name| format!(
            "Nobody uses {name}, which keeps up to 15 GiB of snapshots, for up to 0.75 USD a month."
        ))
    );
    let table = reported(PRICES, "table").out;
    let sentence = "Unused images keep up to 30 GiB of snapshots, for up to 1.50 USD a month.";
    assert!(table.lines().any(|line| line == sentence), "{table}");
    let page = reported(PRICES, "html").out;
    assert!(page.contains("<dd>1.50 USD</dd>"), "{page}");
}

#[test]
fn a_table_of_prices_that_cannot_be_used_is_refused_in_a_sentence() {
    for (prices, sentence) in [
        (
            "snapshotGiBMonth: {eu-west-1: 0.05}",
            "`snapshotGiBMonth.default` is missing: ",
        ),
        (
            "snapshotGiBMonth: {default: -1}",
            "`snapshotGiBMonth.default` is no price: ",
        ),
        ("{", "is not YAML: "),
        ("", "has 0 YAML documents: "),
    ] {
        let ran = reported(prices, "table");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{prices}");
        assert!(
            ran.err.starts_with("Error: ") && ran.err.contains(sentence),
            "{}",
            ran.err
        );
        assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    }
}
