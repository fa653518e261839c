//! Every version of every object that the API server has shown, and what is said of each.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::process::{Child, Command};

use super::{Answer, FLUX, judge};
use crate::harness::Scenario;

/// For the last versions to arrive.
const LAST: Duration = Duration::from_secs(1);

/// What `kubectl get --watch` prints of the three kinds from now on.
pub(super) struct History {
    watches: Vec<(Child, PathBuf)>,
}

impl History {
    pub(super) fn begin(scenario: &Scenario, name: &str) -> Self {
        let watch = |kind: &str| {
            let path = scenario.plane().directory().join(format!("{name}-{kind}.json"));
            let file = std::fs::File::create(&path).expect("a file");
            let mut kubectl = Command::from(scenario.plane().kubectl().expect("kubectl"));
            kubectl.args(["get", kind, "--watch", "-o", "json"]);
            kubectl.stdin(Stdio::null()).stdout(file).kill_on_drop(true);
            (kubectl.spawn().expect("kubectl starts"), path)
        };
        let watches = ["aep", "aet", "amim"].map(watch).into();
        Self { watches }
    }

    /// Holds what was said of each version against the others and against the object.
    pub(super) async fn judged(self) {
        tokio::time::sleep(LAST).await;
        let mut versions = 0;
        for (mut watch, path) in self.watches {
            watch.kill().await.expect("a running kubectl");
            let printed = std::fs::read(&path).expect("what kubectl printed");
            let objects = whole(&String::from_utf8_lossy(&printed));
            let printed: String = objects.iter().map(Value::to_string).collect();
            let answers = judge(FLUX, &printed).await;
            assert_eq!(objects.len(), answers.len());
            for (object, answer) in objects.iter().zip(&answers) {
                consistent(object, answer);
            }
            versions += objects.len();
        }
        println!("{versions} versions of objects were judged");
        assert!(versions > 5, "only {versions} versions");
    }
}

/// The objects of a text, without the last one where it ends within that: kubectl was killed while it printed it.
fn whole(printed: &str) -> Vec<Value> {
    let objects = serde_json::Deserializer::from_str(printed).into_iter::<Value>();
    let is_cut = |object: &Result<Value, serde_json::Error>| object.as_ref().is_err_and(serde_json::Error::is_eof);
    let objects = objects.filter(|object| !is_cut(object));
    objects.collect::<Result<_, _>>().expect("JSON")
}

#[test]
fn of_what_was_printed_only_the_last_object_may_be_cut() {
    let printed = "{\"kind\": \"A\"}\n{\"kind\": \"B\"}\n";
    for (cut, count) in [("", 2), ("{", 2), ("{\"kind\": \"C", 2), ("{\"kind\": \"C\"}", 3)] {
        assert_eq!(whole(&format!("{printed}{cut}")).len(), count, "{cut}");
    }
    let broken = std::panic::catch_unwind(|| whole("{\"kind\": A}{}"));
    assert!(broken.is_err(), "what is no JSON is not passed over");
}

fn consistent(object: &Value, answer: &Answer) {
    let whole = || format!("{answer:#?} of {object:#}");
    let kind = object["kind"].as_str().expect("a kind");
    let flux = answer.flux.as_ref().expect("expressions for each kind").status.as_str();
    let (argocd, kstatus) = (answer.argocd.status.as_str(), answer.kstatus.status.as_str());
    // A migration that its policy holds back is nothing that kstatus has a word for.
    let held_back = kind == "AMIMigration" && argocd == "Suspended";
    match (argocd, kstatus) {
        ("Progressing", "InProgress") | ("Degraded", "Failed") | ("Healthy" | "Suspended", "Current") => {}
        ("Suspended", "InProgress") if held_back => {}
        _ => panic!("Argo CD and kstatus differ: {}", whole()),
    }
    let by_flux = if held_back { "Current" } else { kstatus };
    assert_eq!(flux, by_flux, "Flux and kstatus differ: {}", whole());

    let (generation, status) = (&object["metadata"]["generation"], &object["status"]);
    if &status["observedGeneration"] != generation {
        assert_eq!(
            (argocd, kstatus),
            ("Progressing", "InProgress"),
            "not looked at: {}",
            whole()
        );
    }
    if kind == "AMIEncryptionPolicy" && argocd == "Healthy" {
        let targets = &status["targets"];
        assert_eq!(targets["ready"], targets["total"], "{}", whole());
        assert!(
            status["images"]["total"].is_u64(),
            "nothing is counted yet: {}",
            whole()
        );
    }
}
