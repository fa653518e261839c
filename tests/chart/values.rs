//! The chart's values: what the schema refuses, and that schema, README, defaults and program agree.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args as _;
use serde_json::Value;

use amiseal::aws::{AwsMetrics, AwsOptions};
use amiseal::cli::run;
use amiseal::clock::SystemClock;

use crate::rendering::EVERY_OPTION;
use crate::support::{chart_file, only, read, render, template};

/// Longer defaults are not repeated in the README.
const LONG: usize = 60;

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).expect("YAML")
}

fn schema() -> Value {
    serde_json::from_str(&chart_file("values.schema.json")).expect("JSON")
}

/// Every value that the schema describes as a whole: its path and description, in alphabetical order.
fn described() -> Vec<(String, String)> {
    let mut found = Vec::new();
    describe("", &schema(), &mut found);
    found.sort();
    found
}

fn describe(prefix: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for (name, property) in schema["properties"].as_object().expect("properties") {
        let path = format!("{prefix}{name}");
        let description = property["description"].as_str().unwrap_or_default();
        assert!(description.len() > 10, "{path} has no description in the schema");
        match property.get("properties") {
            Some(_) => {
                assert_eq!(property["additionalProperties"], false, "{path} takes any name");
                describe(&format!("{path}."), property, found);
            }
            None if path != "global" => found.push((path, description.to_owned())),
            None => {}
        }
    }
}

/// Whether a value is a section of values that are described each by itself.
pub(crate) fn is_section(name: &str) -> bool {
    schema()["properties"][name].get("properties").is_some()
}

fn at<'a>(values: &'a Value, path: &str) -> Option<&'a Value> {
    values.pointer(&format!("/{}", path.replace('.', "/")))
}

/// In a file a value that is left empty is null, and Helm then takes its default away.
#[tokio::test]
async fn a_value_that_is_left_empty_is_as_good_as_none_or_refused_by_name() {
    let (schema, defaults) = (schema(), yaml(&chart_file("values.yaml")));
    let sections = schema["properties"].as_object().expect("properties").iter();
    let sections = sections.filter(|(_, property)| property.get("properties").is_some());
    let sections = sections.map(|(name, _)| name.clone());
    for path in described().into_iter().map(|(path, _)| path).chain(sections) {
        let answer = template(&["--set", &format!("{path}=null")]).await;
        let needed = match at(&defaults, &path).expect("a default") {
            Value::String(text) => !text.is_empty(),
            Value::Object(_) => schema["properties"][&path].get("properties").is_some(),
            // Of a list that is missing after an upgrade nobody has said that it is empty: images would be called unused.
            Value::Array(_) => path == "clusterConsumers",
            _ => true,
        };
        if needed && !path.starts_with("resources") {
            let refusal = answer.refusal(&path);
            let name = path.rsplit('.').next().expect("a name");
            assert!(
                refusal.contains(&format!("missing property '{name}'")),
                "{path}: {refusal}"
            );
        } else {
            answer.expect(&path);
        }
    }
}

#[tokio::test]
async fn the_least_and_the_most_that_can_be_meant_are_taken_by_schema_and_program() {
    let command = run::Args::augment_args(clap::Command::new("run"));
    for set in [
        "replicas=0",
        "replicas=16",
        "replicas=1,controller.shards=1",
        "controller.leaseDuration=3s",
        "controller.leaseDuration=999s",
        "controller.leaseDuration=1m30s",
        "controller.leaseDuration=59m59s",
        "controller.leaseDuration=60m",
        "controller.leaseDuration=1h",
        "controller.awsReadTimeout=1s",
        "controller.awsReadTimeout=29m59s",
        "controller.awsReadTimeout=999s",
        "controller.awsReadTimeout=30m",
        "controller.fipsEndpoints=true,controller.dualStackEndpoints=true",
        "controller.copyPollInterval=1s",
        "controller.copyPollInterval=9999s",
        "controller.copyPollInterval=999m59s",
        "controller.copyPollInterval=23h59m59s",
        "controller.copyPollInterval=24h",
        "events.queueURL=https://sqs.cn-north-1.amazonaws.com.cn/111122223333/amiseal_1.fifo",
        "events.queueURL=http://127.0.0.1:4566/111122223333/amiseal",
        "events.queueURL=http://localhost:4566/queue/eu-west-1/111122223333/amiseal",
    ] {
        let rendered = render(&["--set", set]).await;
        let arguments = &only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"];
        let given = arguments.as_array().expect("a list").iter().filter_map(Value::as_str);
        if let Err(error) = command.clone().try_get_matches_from(given) {
            panic!("{set}: {error}");
        }
    }
}

#[tokio::test]
async fn a_fraction_can_be_set_on_the_command_line_of_helm() {
    for (set, option) in [("0.25", "--aws-rate-share=0.25"), ("1", "--aws-rate-share=1")] {
        let rendered = render(&["--set", &format!("controller.awsRateShare={set}")]).await;
        let container = &only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(container["args"][7], option);
    }
}

#[test]
fn every_value_has_a_default_and_is_set_by_the_test_of_every_option() {
    let (defaults, every) = (yaml(&chart_file("values.yaml")), yaml(&read(Path::new(EVERY_OPTION))));
    let values = described();
    assert!(values.len() > 40, "only {} values were found", values.len());
    for (path, _) in values {
        let default = at(&defaults, &path);
        assert!(default.is_some(), "values.yaml has no {path}");
        let set = at(&every, &path);
        assert!(set.is_some() && set != default, "every-option.yaml does not set {path}");
    }
}

#[test]
fn the_table_in_the_readme_is_that_of_schema_and_defaults() {
    let defaults = yaml(&chart_file("values.yaml"));
    let values = described();
    let mut expected = String::from("| value | default | |\n|---|---|---|\n");
    for (path, description) in values {
        let default = match at(&defaults, &path) {
            Some(Value::String(text)) if !text.is_empty() => text.clone(),
            Some(value) => value.to_string(),
            None => panic!("values.yaml has no {path}"),
        };
        let default = if default.len() > LONG {
            "see values.yaml".to_owned()
        } else {
            format!("`{default}`")
        };
        expected.push_str(&format!("| `{path}` | {default} | {description} |\n"));
    }
    let readme = chart_file("README.md");
    assert!(
        readme.contains(&expected),
        "the table in README.md should be:\n{expected}"
    );
}

/// The options of `amiseal run` in the arguments of a container, in the form `--name=value`, or `--name` where they take none.
fn options(arguments: &Value) -> BTreeMap<String, String> {
    let arguments: Vec<&str> = arguments
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let [command, options @ ..] = &arguments[..] else {
        panic!("no arguments")
    };
    assert_eq!(*command, "run");
    let pair = |option: &&str| {
        let (name, value) = option.split_once('=').unwrap_or((*option, ""));
        (name.trim_start_matches("--").to_owned(), value.to_owned())
    };
    options.iter().map(pair).collect()
}

#[tokio::test]
async fn the_program_knows_every_option_that_the_chart_gives_it_and_has_the_same_defaults() {
    let command = run::Args::augment_args(clap::Command::new("run"));
    let all = ["--values", EVERY_OPTION, "--set", "extraArgs=null"];
    for (arguments, is_default) in [(&[][..], true), (&all, false)] {
        let rendered = render(arguments).await;
        let container = &only(&rendered, "Deployment")["spec"]["template"]["spec"]["containers"][0];
        let given: Vec<&str> = container["args"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        if let Err(error) = command.clone().try_get_matches_from(&given) {
            panic!("amiseal {given:?}: {error}");
        }
        for (name, value) in options(&container["args"]).into_iter().filter(|_| is_default) {
            let option = command
                .get_arguments()
                .find(|option| option.get_long() == Some(&name))
                .expect("an option");
            let default = option.get_default_values().first().and_then(|value| value.to_str());
            // Nobody reads a pod's log on a terminal, and `auto` means the same there.
            let default = if name == "log-format" { Some("json") } else { default };
            assert_eq!(default, Some(value.as_str()), "--{name}");
        }
    }
}

#[tokio::test]
async fn a_call_to_aws_that_has_begun_can_be_finished_before_the_pod_is_killed() {
    let metrics = AwsMetrics::register(&prometheus::Registry::new()).expect("metrics");
    let options = AwsOptions::new(Arc::new(SystemClock::default()), Arc::new(|_| true), metrics);
    let rendered = render(&[]).await;
    let pod = &only(&rendered, "Deployment")["spec"]["template"]["spec"];
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
    assert!(
        grace >= options.operation_timeout + Duration::from_secs(15),
        "{grace:?}"
    );
}

#[test]
fn the_default_limit_of_memory_is_enough_for_what_the_documents_say_and_one_page_has_the_rule() {
    let scaling = read(&rig::chart_directory().join("../../docs/scaling.md"));
    let row = scaling
        .lines()
        .find(|line| line.starts_with("| memory of a replica: sessions |"))
        .expect("what each target takes");
    let figure = row.split("**").nth(1).and_then(|figure| figure.strip_suffix(" kB"));
    let session: f64 = figure.and_then(|figure| figure.parse().ok()).expect("kB");
    // Two replicas, of which one may be away, with 100,000 images in 300 targets, 20,000 of them copied.
    let needed = 1.5 * (30_000.0 + 2.2 * 100_000.0 + 4.2 * 20_000.0 + 300.0 * (4.8 + session));
    let limit = yaml(&chart_file("values.yaml"))["resources"]["limits"]["memory"].clone();
    assert_eq!(limit, "512Mi");
    assert!(needed <= 512.0 * 1024.0 * 1.024, "{needed} kB");
    for (page, text) in [
        ("docs/scaling.md", &scaling),
        ("README.md", &chart_file("README.md")),
        ("values.yaml", &chart_file("values.yaml")),
    ] {
        let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "#").collect();
        let example = "100,000 images in 300 targets, 20,000 of the images copied";
        assert!(words.join(" ").contains(example), "{page}");
        let has_rule = text.contains("2.2 kB × images");
        assert_eq!(has_rule, page == "docs/scaling.md", "{page}");
    }
}

/// No server has to be asked for it.
#[test]
fn the_charts_icon_is_the_drawing_beside_it() {
    let chart = yaml(&chart_file("Chart.yaml"));
    let icon = chart["icon"].as_str().expect("an icon");
    let encoded = icon.strip_prefix("data:image/svg+xml,").expect("a picture");
    let mut parts = encoded.split('%');
    let mut drawing = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at(2);
        drawing.push(char::from(u8::from_str_radix(code, 16).expect("a code")));
        drawing.push_str(rest);
    }
    assert_eq!(drawing, chart_file("icon.svg").replace('\n', ""));
}

#[test]
fn the_chart_is_of_the_programs_version() {
    let chart = yaml(&chart_file("Chart.yaml"));
    assert_eq!(
        (chart["version"].as_str(), chart["appVersion"].as_str()),
        (Some(env!("CARGO_PKG_VERSION")), Some(env!("CARGO_PKG_VERSION")))
    );
}
