//! The double answers as the real API server does.
//!
//! Every script is run against both, and what they answer is compared step by step: the answers themselves, with their
//! codes, reasons and messages, the objects with their managed fields, the events of watches. UIDs, times and versions
//! are replaced by symbols that keep which are equal, and which version is later.

mod applying;
mod deleting;
mod harness;
mod others;
mod statuses;
mod watching;
mod writing;

use std::fmt::Write as _;
use std::future::Future;
use std::pin::Pin;

use harness::{Cluster, Run};
use jiff::Timestamp;
use kubesim::ApiServer;
use rig::{ControlPlane, Options};
use serde_json::Value;

const DEFINITIONS: [&str; 3] = [
    include_str!("../../../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
    include_str!("../../../../crds/amiseal.dev_amiencryptiontargets.yaml"),
    include_str!("../../../../crds/amiseal.dev_amimigrations.yaml"),
];

/// A script: it sends requests, and what is answered is written down.
type Script = for<'a> fn(&'a mut Run) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// All scripts, by what they are about.
const SCRIPTS: &[(&str, Script)] = &[
    ("creating", |run| Box::pin(writing::creating(run))),
    ("defaults and unknown fields", |run| Box::pin(writing::defaults(run))),
    ("merging", |run| Box::pin(writing::merging(run))),
    ("replacing", |run| Box::pin(writing::replacing(run))),
    ("reading", |run| Box::pin(writing::reading(run))),
    ("applying", |run| Box::pin(applying::applying(run))),
    ("applying with a lock", |run| Box::pin(applying::locks(run))),
    ("conflicts", |run| Box::pin(applying::conflicts(run))),
    ("lists and maps", |run| Box::pin(applying::lists(run))),
    ("what cannot be applied", |run| Box::pin(applying::refusals(run))),
    ("statuses", |run| Box::pin(statuses::statuses(run))),
    ("statuses that are replaced", |run| Box::pin(statuses::replaced(run))),
    ("statuses with a lock", |run| Box::pin(statuses::locks(run))),
    ("conditions", |run| Box::pin(statuses::conditions(run))),
    ("deleting", |run| Box::pin(deleting::deleting(run))),
    ("finalizers", |run| Box::pin(deleting::finalizers(run))),
    ("owners", |run| Box::pin(deleting::owners(run))),
    ("owners of the same name", |run| Box::pin(deleting::successors(run))),
    ("propagation", |run| Box::pin(deleting::propagation(run))),
    ("watching", |run| Box::pin(watching::watching(run))),
    ("watching from the beginning", |run| Box::pin(watching::beginnings(run))),
    ("watching from too long ago", |run| Box::pin(watching::expiry(run))),
    ("events", |run| Box::pin(others::events(run))),
    ("leases", |run| Box::pin(others::leases(run))),
    ("shards", |run| Box::pin(others::shards(run))),
    ("contested leases", |run| Box::pin(others::contested_leases(run))),
];

#[tokio::test]
async fn the_double_answers_as_the_real_api_server_does() {
    let control_plane = ControlPlane::start(Options::of_project())
        .await
        .expect("a control plane");
    let mut differences = String::new();
    let (mut steps, mut different) = (0, 0);
    for (name, script) in SCRIPTS {
        let client = control_plane.admin_client().await.expect("a client");
        let real = transcript(Cluster::Real, client, *script).await;
        let server = ApiServer::new(&DEFINITIONS, 1, Timestamp::now).expect("definitions that the double knows");
        let client = server.client("conformance");
        let double = transcript(Cluster::Double(server), client, *script).await;
        assert!(!real.is_empty(), "the script {name:?} asks for nothing");
        steps += real.len();
        for index in 0..real.len().max(double.len()) {
            let (real, double) = (real.get(index), double.get(index));
            if real.map(|(_, answer)| answer) == double.map(|(_, answer)| answer) {
                continue;
            }
            different += 1;
            let show =
                |side: Option<&(String, Value)>| side.map_or_else(String::new, |(_, answer)| format!("{answer:#}"));
            let asked = real.or(double).map(|(step, _)| step.as_str()).unwrap_or_default();
            let diff = diff(&show(real), &show(double));
            let _ = writeln!(differences, "--- {name}, step {index}: {asked}{diff}");
        }
    }
    println!(
        "{} scripts, {steps} steps compared, {different} answered differently",
        SCRIPTS.len()
    );
    assert!(differences.is_empty(), "{differences}");
}

async fn transcript(cluster: Cluster, client: kube::Client, script: Script) -> Vec<(String, Value)> {
    let mut run = Run::new(cluster, client);
    script(&mut run).await;
    run.clean_up().await;
    run.transcript()
}

/// The lines that differ.
fn diff(real: &str, double: &str) -> String {
    let mut shown = String::new();
    for line in real.lines().filter(|line| !double.lines().any(|other| other == *line)) {
        let _ = write!(shown, "\nreal   {line}");
    }
    for line in double.lines().filter(|line| !real.lines().any(|other| other == *line)) {
        let _ = write!(shown, "\ndouble {line}");
    }
    if shown.is_empty() {
        let _ = write!(shown, "\nreal, whole: {real}\ndouble, whole: {double}");
    }
    shown
}
