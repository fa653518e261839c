//! The alerts: taken and played by Prometheus's own tool, and held against what a replica exports, the runbooks and the guide.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use prometheus::Registry;
use regex::Regex;
use rig::shared;
use rig::tools::Tool;
use serde_json::{Value, json};

use amiseal::aws::AwsMetrics;
use amiseal::cli::command_line;
use amiseal::telemetry::Metrics;

use crate::rendering::{EVERY_OPTION, OPERATOR};
use crate::support::{chart_file, only, read, render};

/// What Prometheus adds to the series of a Pod, and in organisations with several clusters.
const OF_PROMETHEUS: [&str; 5] = ["cluster", "namespace", "pod", "instance", "job"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// The rules of all groups.
fn rules_of(groups: &Value) -> Vec<Value> {
    let rules = list(groups).iter().flat_map(|group| list(&group["rules"]));
    rules.cloned().collect()
}

fn rules() -> Vec<Value> {
    rules_of(&yaml(&chart_file("files/alerts.yaml"))["groups"])
}

fn alerts() -> Vec<Value> {
    rules().into_iter().filter(|rule| rule["alert"].is_string()).collect()
}

fn alert_names() -> BTreeSet<String> {
    alerts().iter().map(|alert| text(&alert["alert"]).to_owned()).collect()
}

/// The scenes of `promtool test rules`.
fn scenes() -> Vec<Value> {
    let path = root().join("tests/chart/alerts.yaml");
    list(&yaml(&read(&path))["tests"]).to_vec()
}

pub(crate) fn promtool(arguments: &[&str]) -> String {
    let output = Command::new(Tool::Promtool.path().expect("promtool"))
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("promtool runs");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "promtool {arguments:?}: {said}");
    said
}

/// The label names of every series that a replica exports.
fn exported() -> BTreeMap<String, BTreeSet<String>> {
    let registry = Registry::new();
    let mut families = Metrics::register(&registry).expect("metrics").families();
    families.extend(AwsMetrics::register(&registry).expect("metrics").families());
    let mut series = BTreeMap::new();
    for (name, family) in families {
        let labels: BTreeSet<String> = family.labels.into_iter().collect();
        // Only histograms measure durations.
        if name.ends_with("_duration_seconds") {
            let with_le = labels.iter().cloned().chain(["le".to_owned()]).collect();
            series.insert(format!("{name}_bucket"), with_le);
            series.insert(format!("{name}_sum"), labels.clone());
            series.insert(format!("{name}_count"), labels);
        } else {
            series.insert(name, labels);
        }
    }
    series
}

/// Each series that an expression or a template names, with the labels that it selects by.
pub(crate) fn named(text: &str) -> Vec<(String, Vec<String>)> {
    let series = Regex::new(r"\b((?:[a-z]+:)?amiseal_[a-z0-9_]+(?::[a-z0-9_]+)?)(?:\{([^}]*)\})?").expect("a pattern");
    let label = Regex::new(r"([a-z_]+)\s*(?:=~|!~|!=|=)").expect("a pattern");
    let labels = |selector: &str| label.captures_iter(selector).map(|found| found[1].to_owned()).collect();
    series
        .captures_iter(text)
        .map(|found| {
            (
                found[1].to_owned(),
                found.get(2).map_or(vec![], |it| labels(it.as_str())),
            )
        })
        .collect()
}

/// The label names in each `by (…)`, `on (…)` and the like.
fn grouped(expression: &str) -> Vec<String> {
    let lists =
        Regex::new(r"\b(?:by|on|group_left|group_right|without|ignoring)\s*\(([a-z_, ]*)\)").expect("a pattern");
    let words = |list: &str| -> Vec<String> {
        let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    lists
        .captures_iter(expression)
        .flat_map(|found| words(&found[1]))
        .collect()
}

#[test]
fn prometheus_takes_the_rules_without_a_remark() {
    let said = promtool(&[
        "check",
        "rules",
        "--lint=all",
        "--lint-fatal",
        "charts/amiseal/files/alerts.yaml",
    ]);
    assert!(said.contains(&format!("{} rules found", rules().len())), "{said}");
}

#[test]
fn each_alert_fires_where_it_should_and_nowhere_else() {
    promtool(&["test", "rules", "tests/chart/alerts.yaml"]);
}

/// The labels of each series that a replica exports or a rule records, the labels of Prometheus apart.
pub(crate) fn known_series() -> BTreeMap<String, BTreeSet<String>> {
    let mut known = exported();
    for rule in rules() {
        if let Some(record) = rule["record"].as_str() {
            // What it is grouped by first is what comes out.
            known.insert(record.to_owned(), grouped(text(&rule["expr"])).into_iter().collect());
        }
    }
    known
}

#[test]
fn the_rules_name_only_series_and_labels_that_a_replica_exports() {
    let known = known_series();
    assert!(known.len() > 30, "only {} series were found", known.len());
    for rule in rules() {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).expect("a name");
        let expression = text(&rule["expr"]);
        let used = named(expression);
        assert!(!used.is_empty(), "{name} asks for nothing");
        let mut labels: BTreeSet<String> = OF_PROMETHEUS.map(str::to_owned).into();
        let in_annotations = rule["annotations"].as_object().into_iter().flatten();
        let in_annotations = in_annotations.flat_map(|(_, template)| named(text(template)));
        for (series, selected) in used.into_iter().chain(in_annotations) {
            let of_series = known
                .get(&series)
                .unwrap_or_else(|| panic!("{name}: there is no {series}"));
            for label in selected {
                let is_known = of_series.contains(&label) || OF_PROMETHEUS.contains(&label.as_str());
                assert!(is_known, "{name}: {series} has no label {label}");
            }
            labels.extend(of_series.iter().cloned());
        }
        for label in grouped(expression) {
            assert!(
                labels.contains(&label),
                "{name}: nothing that it asks for has a label {label}"
            );
        }
    }
}

#[test]
fn alerts_leave_out_the_replica_unless_it_is_what_they_are_about() {
    for alert in alerts() {
        let (name, by) = (text(&alert["alert"]), grouped(text(&alert["expr"])));
        let of_replica = by.iter().any(|label| label == "pod");
        let is_of_replica = matches!(
            name,
            "AmisealAPIServerUnreachable" | "AmisealAWSUnreachable" | "AmisealEventQueueUnreadable"
        );
        assert_eq!(of_replica, is_of_replica, "{name}");
    }
}

#[test]
fn the_scenes_play_with_series_as_a_replica_exports_them() {
    let exported = exported();
    let mut count = 0;
    for scene in scenes() {
        for input in list(&scene["input_series"]) {
            let series = text(&input["series"]);
            for (name, labels) in named(series) {
                let labels: BTreeSet<String> = labels.into_iter().collect();
                let added = |label: &String| OF_PROMETHEUS.contains(&label.as_str());
                let own: BTreeSet<String> = labels.into_iter().filter(|label| !added(label)).collect();
                assert_eq!(exported.get(&name), Some(&own), "{}: {series}", scene["name"]);
                count += 1;
            }
        }
    }
    assert!(count > 100, "only {count} series were found");
}

#[test]
fn each_alert_has_a_severity_texts_a_runbook_and_scenes_in_which_it_fires_and_does_not() {
    let mut fires = BTreeSet::new();
    let mut does_not = BTreeSet::new();
    for scene in scenes() {
        for step in list(&scene["alert_rule_test"]) {
            let name = text(&step["alertname"]).to_owned();
            if list(&step["exp_alerts"]).is_empty() {
                does_not.insert(name);
            } else {
                fires.insert(name);
            }
        }
    }
    assert_eq!(fires, alert_names());
    assert_eq!(does_not, alert_names());
    let guide = read(&root().join("docs/guide.md"));
    for alert in alerts() {
        let name = text(&alert["alert"]);
        let severity = text(&alert["labels"]["severity"]);
        assert!(
            ["critical", "warning", "info"].contains(&severity),
            "{name}: {severity}"
        );
        assert!(alert["for"].is_string(), "{name} has no `for`");
        for annotation in ["summary", "description"] {
            let words = text(&alert["annotations"][annotation]);
            assert!(words.ends_with('.') || words.ends_with("{{ end }}"), "{name}: {words}");
        }
        let url = text(&alert["annotations"]["runbook_url"]);
        let page = format!("docs/runbooks/{name}.md");
        assert!(
            url.starts_with("https://") && url.ends_with(&format!("/{page}")),
            "{name}: {url}"
        );
        let page = read(&root().join(page));
        let headings: Vec<&str> = page.lines().filter(|line| line.starts_with('#')).collect();
        let expected = [
            &format!("# {name}"),
            "## Meaning",
            "## Impact",
            "## Diagnosis",
            "## Fix",
        ];
        assert_eq!(headings, expected, "{name}");
        let row = format!("| [`{name}`](runbooks/{name}.md) | {severity} |");
        assert!(guide.contains(&row), "the guide has no row that begins with {row}");
    }
    let pages = std::fs::read_dir(root().join("docs/runbooks")).expect("the runbooks");
    let names = pages.map(|page| page.expect("an entry").path().file_stem().map(PathBuf::from));
    let names: BTreeSet<String> = names.flatten().map(|name| name.display().to_string()).collect();
    assert_eq!(names, alert_names(), "a runbook without an alert");
}

#[tokio::test]
async fn the_chart_renders_the_same_rules_and_what_values_change_of_them() {
    let rendered = render(&["--set", "prometheusRule.enabled=true"]).await;
    let groups = &only(&rendered, "PrometheusRule")["spec"]["groups"];
    assert_eq!(*groups, yaml(&chart_file("files/alerts.yaml"))["groups"]);

    let rendered = render(&["--values", EVERY_OPTION]).await;
    let groups = &only(&rendered, "PrometheusRule")["spec"]["groups"];
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().expect("a file");
    std::fs::write(file.path(), json!({"groups": groups}).to_string()).expect("written");
    promtool(&["check", "rules", file.path().to_str().expect("UTF-8")]);
    let changed = rules_of(groups);
    let find = |name: &str| changed.iter().find(|rule| rule["alert"] == name);
    assert_eq!(find("AmisealCopySlow"), None);
    assert!(find("NobodyMigrates").is_some());
    assert_eq!(find("AmisealAbsent").expect("there")["for"], "1h");
    let storage = find("AmisealDuplicateStorage").expect("there");
    assert_eq!(storage["labels"]["severity"], "page");
    assert!(text(&storage["expr"]).ends_with("> 1e+12"), "{}", storage["expr"]);
    assert_eq!(
        storage["annotations"]["runbook_url"],
        "https://wiki.example.com/amiseal/AmisealDuplicateStorage.md"
    );
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap_or_default();
        let is_changed = ["AmisealCopySlow", "AmisealAbsent", "AmisealDuplicateStorage"].contains(&name);
        let other = changed
            .iter()
            .find(|other| other["alert"] == rule["alert"] && other["record"] == rule["record"]);
        if !is_changed {
            assert_eq!(other.expect(name)["expr"], rule["expr"]);
        }
    }
}

#[test]
fn the_schema_knows_each_alert_and_which_have_a_threshold() {
    let schema: Value = serde_json::from_str(&chart_file("values.schema.json")).expect("JSON");
    let alerts = &schema["properties"]["prometheusRule"]["properties"]["alerts"];
    let patterns = alerts["patternProperties"].as_object().expect("patterns");
    let threshold = Regex::new(r"> (\d[\d.]*)\s*$").expect("a pattern");
    let mut known = BTreeSet::new();
    for (pattern, schema) in patterns {
        let names = pattern.trim_start_matches("^(").trim_end_matches(")$");
        for name in names.split('|') {
            let rule = rules().into_iter().find(|rule| rule["alert"] == name);
            let rule = rule.unwrap_or_else(|| panic!("the schema knows {name}, which is no alert"));
            let ends_with = threshold.captures(text(&rule["expr"])).map(|found| found[1].to_owned());
            let has_one = ends_with.is_some_and(|number| number != "0");
            assert_eq!(schema["properties"].get("threshold").is_some(), has_one, "{name}");
            known.insert(name.to_owned());
        }
    }
    assert_eq!(known, alert_names());
}

/// The commands of the runbooks, in blocks and in sentences, each with its page.
fn commands() -> Vec<(String, String)> {
    let in_sentences = Regex::new(r"`((?:kubectl|amiseal) [a-z][^`]+)`").expect("a pattern");
    let mut found = Vec::new();
    for name in alert_names() {
        let page = read(&root().join(format!("docs/runbooks/{name}.md"))).replace("\\\n", " ");
        let mut parts = page.split("```");
        while let Some(prose) = parts.next() {
            let prose = prose.replace('\n', " ");
            found.extend(
                in_sentences
                    .captures_iter(&prose)
                    .map(|it| (name.clone(), it[1].to_owned())),
            );
            let block = parts.next().unwrap_or("console");
            let block = block.strip_prefix("console").expect("a block of commands");
            let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
            found.extend(lines.map(|line| (name.clone(), line.to_owned())));
        }
    }
    found
}

/// A command for the objects of an alert.
fn of_alert(command: &str) -> String {
    [
        ("POLICY", "production"),
        ("ACCOUNT", "111122223333"),
        ("REGION", "eu-west-1"),
        ("REASON", "PublicImage"),
        ("NAME", "ami-0123456789abcdef0.eu-west-1"),
        ("POD", "amiseal-1"),
    ]
    .into_iter()
    .fold(command.to_owned(), |command, (word, by)| {
        let word = Regex::new(&format!(r"(^|[ ./=]){word}\b")).expect("a pattern");
        word.replace_all(&command, format!("${{1}}{by}")).into_owned()
    })
}

#[tokio::test]
async fn kubectl_and_amiseal_know_the_commands_of_the_runbooks() {
    let control_plane = shared().await;
    for definition in OPERATOR {
        control_plane.apply(definition).await.expect("a definition");
    }
    let crds = [root().join("crds")];
    control_plane.apply_files(&crds).await.expect("definitions");
    let mut count = 0;
    for (page, command) in commands() {
        // What stands behind a pipe only chooses lines.
        let command = of_alert(command.split(" | ").next().expect("a command"));
        let ours = command.strip_prefix("kubectl ").unwrap_or(&command);
        if ours.starts_with("amiseal ") {
            command_line::parse(ours.split(' ')).unwrap_or_else(|error| panic!("{page}: {command}: {error}"));
        } else if command.starts_with("kubectl ") {
            let kubectl = control_plane.kubectl().expect("kubectl");
            let mut shell = Command::new("bash");
            shell.env("KUBECTL", kubectl.get_program()).arg("-c");
            shell.arg(format!("kubectl() {{ \"$KUBECTL\" \"$@\"; }}; {command}"));
            shell.envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let output = tokio::process::Command::from(shell).output().await.expect("bash runs");
            let error = String::from_utf8_lossy(&output.stderr);
            // There are no such objects here, and kinds that are not known are another error.
            let lacks_object = error.contains("(NotFound)");
            assert!(output.status.success() || lacks_object, "{page}: {command}: {error}");
        } else {
            assert!(command.starts_with("aws "), "{page}: {command}");
        }
        count += 1;
    }
    assert!(count > 40, "only {count} commands were found");
}
