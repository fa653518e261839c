//! The definitions of the resources: that `crds/` holds them, and what they do in a real API server.

mod definitions;
mod migrations;
mod policies;
mod ready;
mod targets;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, Patch, PatchParams};
use kube::core::CustomResourceExt;
use serde_json::{Value, json};

use amiseal::api::conditions::{self, Status};
use amiseal::api::{ImageCounts, MigrationCounts};

const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

async fn client() -> kube::Client {
    rig::shared().await.admin_client().await.expect("a client")
}

async fn kubectl(arguments: &[&str]) -> (String, String) {
    let mut command = rig::shared().await.kubectl().expect("kubectl");
    command.args(arguments);
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .expect("kubectl runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "kubectl {arguments:?}: {err}");
    (out, err)
}

/// The same where it may fail: whether it succeeded, and what it printed.
async fn kubectl_tries(arguments: &[&str]) -> (bool, String) {
    let mut command = rig::shared().await.kubectl().expect("kubectl");
    command.args(arguments);
    let output = tokio::process::Command::from(command)
        .output()
        .await
        .expect("kubectl runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).expect("UTF-8"))
}

/// Where a column begins in a table of kubectl, and where the widest of its cells ends.
fn column(table: &str, title: &str) -> (usize, usize) {
    let header = table.lines().next().expect("a header");
    let begins = header.find(title).unwrap_or_else(|| panic!("no {title}: {header}"));
    let ends = table.lines().filter_map(|line| {
        let cell = line.get(begins..)?;
        let cell = cell.split("  ").next().unwrap_or_default();
        Some(begins + cell.trim_end().len())
    });
    (begins, ends.max().expect("a row"))
}

/// The words of each line: what people see, however wide the columns are.
fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split_whitespace().collect()).collect()
}

fn condition(type_: &str, status: Status, reason: &str, message: &str) -> Condition {
    let mut list = Vec::new();
    let now = Timestamp::from_second(1_790_000_000).expect("a time");
    conditions::set_condition(&mut list, type_, status, reason, message, Some(1), now);
    list.remove(0)
}

fn image_counts() -> ImageCounts {
    ImageCounts {
        total: 65,
        encrypted: 20,
        unencrypted: 11,
        superseded: 17,
        other_key: 5,
        unencryptable: 4,
        backups: 1,
        exempt: 3,
        contested: 2,
        unknown: 2,
    }
}

fn migration_counts() -> MigrationCounts {
    MigrationCounts {
        pending: 6,
        in_progress: 3,
        stalled: 2,
        completed: 17,
    }
}

/// Stores a status and reads it back, to see that the schema keeps each of its fields.
async fn store_status<K>(api: &Api<K>, name: &str, status: Value) -> K
where
    K: CustomResourceExt
        + kube::Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + serde::de::DeserializeOwned
        + serde::Serialize,
{
    let patch = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status});
    let params = PatchParams::apply("amiseal").validation_strict();
    api.patch_status(name, &params, &Patch::Apply(&patch))
        .await
        .expect("a status that the schema takes")
}

fn refusal<K: std::fmt::Debug>(answer: Result<K, kube::Error>) -> String {
    match answer.expect_err("refused") {
        kube::Error::Api(status) => status.message,
        other => panic!("no answer: {other}"),
    }
}
