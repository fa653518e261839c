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

#[tokio::test]
async fn values_that_cannot_be_meant_are_refused_by_name() {
    for (set, message) in [
        ("replica=3", "additional properties 'replica' not allowed"),
        (
            "image.repo=amiseal",
            "at '/image': additional properties 'repo' not allowed",
        ),
        ("replicas=two", "at '/replicas': got string, want integer"),
        ("replicas=-1", "at '/replicas': minimum: got -1, want 0"),
        ("image.repository=", "at '/image/repository': '' does not match pattern"),
        (
            "image.digest=sha256:12",
            "at '/image/digest': 'sha256:12' does not match pattern",
        ),
        (
            "image.pullPolicy=Sometimes",
            "at '/image/pullPolicy': value must be one of 'IfNotPresent', 'Always', 'Never'",
        ),
        ("crds.enabled=yes", "at '/crds/enabled': got string, want boolean"),
        (
            "controller.concurrency=0",
            "at '/controller/concurrency': minimum: got 0, want 1",
        ),
        (
            "controller.awsRateShare=0",
            "at '/controller/awsRateShare': exclusiveMinimum",
        ),
        (
            "controller.awsRateShare=1.5",
            "at '/controller/awsRateShare': '1.5' does not match pattern",
        ),
        ("controller.leaseDuration=", "at '/controller/leaseDuration': minLength"),
        (
            "controller.leaseDuration=15",
            "at '/controller/leaseDuration': got number, want string",
        ),
        (
            "controller.leaseDuration=2s",
            "at '/controller/leaseDuration': '2s' does not match pattern",
        ),
        (
            "controller.leaseDuration=1h1s",
            "at '/controller/leaseDuration': '1h1s' does not match pattern",
        ),
        ("controller.shards=0", "at '/controller/shards': minimum: got 0, want 1"),
        (
            "replicas=17",
            "replicas is 17 and controller.shards is 16: a replica without a shard",
        ),
        (
            "controller.awsReadTimeout=31m",
            "at '/controller/awsReadTimeout': '31m' does not match pattern",
        ),
        (
            "controller.copyPollInterval=500ms",
            "at '/controller/copyPollInterval': '500ms' does not match pattern",
        ),
        (
            "controller.copyPollInterval=0s",
            "at '/controller/copyPollInterval': '0s' does not match pattern",
        ),
        (
            "controller.copyPollInterval=24h1m",
            "at '/controller/copyPollInterval': '24h1m' does not match pattern",
        ),
        ("rbac.userRoles=yes", "at '/rbac/userRoles': got string, want boolean"),
        (
            "log.format=xml",
            "at '/log/format': value must be one of 'auto', 'text', 'json'",
        ),
        ("log.filter=", "at '/log/filter': minLength"),
        (
            "prometheusRule.alerts.AmisealScanStail.disabled=true",
            "at '/prometheusRule/alerts': additional properties 'AmisealScanStail' not allowed",
        ),
        (
            "prometheusRule.alerts.AmisealAbsent.threshold=1",
            "at '/prometheusRule/alerts/AmisealAbsent': additional properties 'threshold' not allowed",
        ),
        (
            "prometheusRule.alerts.AmisealScanStale.for=1 hour",
            "at '/prometheusRule/alerts/AmisealScanStale/for': '1 hour' does not match pattern",
        ),
        ("http.port=0", "at '/http/port': minimum: got 0, want 1"),
        (
            "http.address=localhost",
            "at '/http/address': 'localhost' does not match pattern",
        ),
        (
            "podDisruptionBudget.maxUnavailable=half",
            "at '/podDisruptionBudget/maxUnavailable'",
        ),
        (
            "terminationGracePeriodSeconds=0",
            "at '/terminationGracePeriodSeconds': minimum",
        ),
        ("tolerations.key=a", "at '/tolerations': got object, want array"),
        (
            "nodeSelector.spot=true",
            "at '/nodeSelector/spot': got boolean, want null or string",
        ),
        (
            "extraEnv[0].name=A,extraEnv[0].value=1",
            "at '/extraEnv/0/value': got number, want null or string",
        ),
        (
            "extraEnv[0].name=POD_NAME,extraEnv[0].value=a",
            "extraEnv[0].name is POD_NAME, which the chart sets itself",
        ),
        (
            "extraContainers[0].name=amiseal",
            "extraContainers[0].name is amiseal, which is the controller's own",
        ),
        (
            "updateStrategy.type=Recreate,updateStrategy.rollingUpdate.maxSurge=1",
            "updateStrategy.type is Recreate, which takes no updateStrategy.rollingUpdate",
        ),
        (
            "updateStrategy.rollingUpdate.maxSurge=0,updateStrategy.rollingUpdate.maxUnavailable=0%",
            "updateStrategy.rollingUpdate.maxSurge and maxUnavailable are both 0",
        ),
        (
            "updateStrategy.rollingUpdate.maxSurge=some",
            "at '/updateStrategy/rollingUpdate/maxSurge': 'some' does not match pattern",
        ),
        ("dnsPolicy=None", "at '/dnsConfig': missing property 'nameservers'"),
        ("extraObjects[0]=a: {", "extraObjects[0] is not YAML"),
        ("extraObjects[0]=a: b", "extraObjects[0] is no object of Kubernetes"),
        ("extraObjects[0].kind=ConfigMap", "at '/extraObjects/0'"),
        (
            "podLabels.a b=c",
            "at '/podLabels': additional properties 'a b' not allowed",
        ),
        (
            "resources.limits.memory=much",
            "at '/resources/limits/memory': 'much' does not match pattern",
        ),
        (
            "podDisruptionBudget.maxUnavailable=101%",
            "at '/podDisruptionBudget/maxUnavailable': '101%' does not match pattern",
        ),
        (
            "check.regions[0]=Ireland",
            "at '/check/regions/0': 'Ireland' does not match pattern",
        ),
        ("check.timeout=2h", "at '/check/timeout': '2h' does not match pattern"),
        (
            "livenessProbe.period=5",
            "at '/livenessProbe': additional properties 'period' not allowed",
        ),
        ("extraEnv[0].value=a", "at '/extraEnv/0': missing property 'name'"),
        (
            "imagePullSecrets[0].name=1",
            "at '/imagePullSecrets/0/name': got number, want string",
        ),
        (
            "priorityClassName=High_Priority",
            "at '/priorityClassName': 'High_Priority' does not match pattern",
        ),
        (
            "serviceAccount.name=a b",
            "at '/serviceAccount/name': 'a b' does not match pattern",
        ),
        (
            "podLabels.team=a b",
            "at '/podLabels/team': 'a b' does not match pattern",
        ),
        (
            "serviceAccount.create=false",
            "serviceAccount.name is empty: name the service account",
        ),
    ] {
        let refusal = template(&["--set", set]).await.refusal(set);
        assert!(refusal.contains(message), "{set}: {refusal}");
    }
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
            Value::Array(_) => false,
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
        "controller.copyPollInterval=1s",
        "controller.copyPollInterval=9999s",
        "controller.copyPollInterval=999m59s",
        "controller.copyPollInterval=23h59m59s",
        "controller.copyPollInterval=24h",
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

/// The options of `amiseal run` in the arguments of a container, in the form `--name=value`.
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
        let (name, value) = option.split_once('=').expect("--name=value");
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
    let options = AwsOptions::new(Arc::new(SystemClock::default()), Arc::new(|_, _| true), metrics);
    let rendered = render(&[]).await;
    let pod = &only(&rendered, "Deployment")["spec"]["template"]["spec"];
    let grace = Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
    assert!(
        grace >= options.operation_timeout + Duration::from_secs(15),
        "{grace:?}"
    );
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
