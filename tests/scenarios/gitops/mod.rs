//! What those make of amiseal's objects who apply them from Git: Argo CD, Flux and kubectl.

mod applying;
mod ci;
mod health;
mod history;
mod policies;
mod scripts;
mod table;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rig::tools::Tool;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;

use crate::harness::Scenario;

const ARGOCD: &str = "argocd/argocd-cm.yaml";
const FLUX: &str = "flux/health-checks.yaml";
const FLUX_WITHOUT_COPIES: &str = "flux/health-checks-without-copies.yaml";

/// What is said of one object.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Answer {
    argocd: Said,
    /// None of a kind that the expressions say nothing of.
    flux: Option<Said>,
    kstatus: Said,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Said {
    status: String,
    message: String,
}

/// A file of `docs/gitops`.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops").join(name)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

fn yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// What a program prints, which has to succeed.
async fn run(mut command: Command, input: &str) -> String {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .expect("a program that starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    // It may print before it has read all.
    let input = input.to_owned();
    let fed = tokio::spawn(async move { stdin.write_all(input.as_bytes()).await });
    let output = child.wait_with_output().await.expect("its output");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{}: {err}{out}", output.status);
    fed.await.expect("no panic").expect("its input is read");
    out
}

/// What Argo CD, Flux by these expressions, and kstatus say of objects, one JSON object after the other.
async fn judge(flux: &str, objects: &str) -> Vec<Answer> {
    let mut tool = Command::new(Tool::Gitops.path().expect("gitops"));
    tool.arg("--argocd").arg(file(ARGOCD)).arg("--flux").arg(file(flux));
    let answers = run(tool, objects).await;
    let answers = answers.lines().map(serde_json::from_str::<Answer>);
    answers.collect::<Result<_, _>>().expect("answers")
}

/// What `kubectl` prints.
async fn kubectl(scenario: &Scenario, arguments: &[&str], input: &str) -> String {
    let mut command = scenario.plane().kubectl().expect("kubectl");
    command.args(arguments);
    run(command, input).await
}

/// An object as the API server has it, without the record of who manages which field.
async fn object(scenario: &Scenario, kind: &str, name: &str) -> Value {
    let printed = kubectl(scenario, &["get", kind, name, "-o", "json"], "").await;
    serde_json::from_str(&printed).expect("an object")
}

/// The overlays of `docs/gitops/policies` that may be applied.
const OVERLAYS: [&str; 5] = [
    "staging",
    "production",
    "production/1-audit",
    "production/2-pilot",
    "production/3-enforce",
];

/// What `kubectl kustomize` makes of an overlay.
async fn render(scenario: &Scenario, overlay: &str) -> String {
    let directory = file("policies").join(overlay);
    kubectl(scenario, &["kustomize", directory.to_str().expect("UTF-8")], "").await
}

/// The objects of a text in YAML.
fn objects(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Objects for `kubectl apply -f -`.
fn list(objects: &[Value]) -> String {
    serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string()
}
