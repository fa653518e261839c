//! Helm and kubectl, and what they print as objects.

use std::path::Path;
use std::process::{Command, Stdio};

use rig::{ControlPlane, shared};
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

/// The release that the documentation installs.
pub(crate) const RELEASE: &str = "amiseal";
/// Where it does so.
pub(crate) const NAMESPACE: &str = "amiseal-system";

/// What a program has answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) success: bool,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    /// Its output, where it had to succeed.
    pub(crate) fn expect(self, what: &str) -> String {
        assert!(self.success, "{what} failed: {}", self.err);
        self.out
    }

    /// Its errors, where it had to fail.
    pub(crate) fn refusal(self, what: &str) -> String {
        assert!(!self.success, "{what} was let through:\n{}", self.out);
        self.err
    }
}

async fn run(mut command: Command, arguments: &[&str], input: &str) -> Answer {
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .expect("a program that starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(input.as_bytes()).await.expect("its input is read");
    drop(stdin);
    let output = child.wait_with_output().await.expect("its output");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Answer {
        success: output.status.success(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

pub(crate) async fn helm(control_plane: &ControlPlane, arguments: &[&str]) -> Answer {
    run(control_plane.helm().expect("helm"), arguments, "").await
}

/// Helm, with something to read.
pub(crate) async fn helm_with(control_plane: &ControlPlane, arguments: &[&str], input: &str) -> Answer {
    run(control_plane.helm().expect("helm"), arguments, input).await
}

pub(crate) async fn kubectl(control_plane: &ControlPlane, arguments: &[&str], input: &str) -> Answer {
    run(control_plane.kubectl().expect("kubectl"), arguments, input).await
}

/// The chart's directory, as an argument.
pub(crate) fn chart() -> String {
    rig::chart_directory().to_str().expect("UTF-8").to_owned()
}

/// A file of the chart.
pub(crate) fn chart_file(name: &str) -> String {
    read(&rig::chart_directory().join(name))
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Renders the chart as [`RELEASE`] in [`NAMESPACE`], with more arguments.
pub(crate) async fn template(arguments: &[&str]) -> Answer {
    let chart = chart();
    let mut all = vec!["template", RELEASE, &chart, "--namespace", NAMESPACE];
    all.extend(arguments);
    helm(shared().await, &all).await
}

/// The objects that the chart renders.
pub(crate) async fn render(arguments: &[&str]) -> Vec<Value> {
    objects(&template(arguments).await.expect("helm template"))
}

/// Each document of a text in YAML, without those that hold nothing.
pub(crate) fn objects(yaml: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    documents.into_iter().filter(|object| !object.is_null()).collect()
}

/// The one object of a kind.
pub(crate) fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    match (found.next(), found.next()) {
        (Some(object), None) => object,
        (None, _) => panic!("no {kind}"),
        _ => panic!("more than one {kind}"),
    }
}

/// The object of a kind and name.
pub(crate) fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| object["kind"] == kind);
    found
        .find(|object| object["metadata"]["name"] == name)
        .unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// `Kind name` of each object, in alphabetical order.
pub(crate) fn names(objects: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut names: Vec<_> = objects
        .iter()
        .map(|object| format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect();
    names.sort();
    names
}
