//! The dashboard: held against Grafana's schema, its queries against Prometheus and what a replica exports.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use rig::tools::Tool;
use serde_json::{Value, json};

use crate::alerts::{known_series, named, promtool};
use crate::rendering::EVERY_OPTION;
use crate::support::{chart_file, only, render};

fn dashboard() -> Value {
    serde_json::from_str(&chart_file("files/dashboard.json")).expect("JSON")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Each query with the title of its panel.
fn queries() -> Vec<(String, String)> {
    let board = dashboard();
    let of_panel = |panel: &Value| {
        let title = panel["title"].as_str().expect("a title").to_owned();
        let targets = list(&panel["targets"]).iter();
        let expressions = targets.map(|target| target["expr"].as_str().expect("a query").to_owned());
        expressions.map(|query| (title.clone(), query)).collect::<Vec<_>>()
    };
    list(&board["panels"]).iter().flat_map(of_panel).collect()
}

#[test]
fn grafanas_schema_has_nothing_against_it() {
    let mut grafana = Command::new(Tool::Grafana.path().expect("the tool"));
    let mut grafana = grafana
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut to = grafana.stdin.take().expect("a pipe");
    to.write_all(chart_file("files/dashboard.json").as_bytes())
        .expect("written");
    drop(to);
    let output = grafana.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_queries_name_only_series_and_labels_that_there_are_and_prometheus_takes_them() {
    let known = known_series();
    let queries = queries();
    assert!(queries.len() > 25, "only {} queries were found", queries.len());
    let mut rules = Vec::new();
    for (number, (title, query)) in queries.iter().enumerate() {
        for (series, selected) in named(query) {
            let labels = known
                .get(&series)
                .unwrap_or_else(|| panic!("{title}: there is no {series}"));
            for label in selected {
                assert!(
                    label == "cluster" || labels.contains(&label),
                    "{title}: {series} has no label {label}"
                );
            }
        }
        // Grafana puts the range in.
        let query = query.replace("$__rate_interval", "5m");
        rules.push(json!({"record": format!("panel:{number}"), "expr": query}));
    }
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    let groups = json!({"groups": [{"name": "panels", "rules": rules}]});
    std::fs::write(file.path(), groups.to_string()).expect("written");
    promtool(&["check", "rules", "--lint=none", file.path().to_str().expect("UTF-8")]);
}

#[test]
fn each_panel_says_what_it_is_about_and_none_covers_another() {
    let board = dashboard();
    let mut taken = BTreeSet::new();
    let mut titles = BTreeSet::new();
    for panel in list(&board["panels"]) {
        let title = panel["title"].as_str().expect("a title");
        assert!(titles.insert(title), "{title} is there twice");
        let place = |side: &str| panel["gridPos"][side].as_u64().expect("a number");
        assert!(place("x") + place("w") <= 24, "{title} is beyond the edge");
        for y in place("y")..place("y") + place("h") {
            for x in place("x")..place("x") + place("w") {
                assert!(taken.insert((x, y)), "{title} covers another panel at {x}, {y}");
            }
        }
    }
}

#[tokio::test]
async fn the_chart_gives_it_to_the_sidecar_of_grafana() {
    let rendered = render(&["--set", "dashboard.enabled=true"]).await;
    let map = only(&rendered, "ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = map["data"]["amiseal.json"].as_str().expect("a text");
    let board: Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(board, dashboard());

    let all = render(&["--values", EVERY_OPTION, "--show-only", "templates/dashboard.yaml"]).await;
    let metadata = &only(&all, "ConfigMap")["metadata"];
    assert_eq!(metadata["namespace"], "kube-system");
    assert_eq!(metadata["labels"]["grafana_dashboard"], "yes");
    assert_eq!(metadata["annotations"]["grafana_folder"], "Security");
}
