//! The scripts for Argo CD, and the objects that they come with.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ARGOCD, FLUX, file, judge, kubectl, read, yaml};
use crate::harness::{Scenario, small_world};

pub(super) const KINDS: [&str; 3] = ["AMIEncryptionPolicy", "AMIEncryptionTarget", "AMIMigration"];

/// A file of a kind, in the layout of Argo CD's repository.
pub(super) fn of_kind(kind: &str, name: &str) -> std::path::PathBuf {
    file(&format!("argocd/resource_customizations/amiseal.dev/{kind}/{name}"))
}

/// The object and the expected health of each test that stands beside a script.
pub(super) fn recorded(kind: &str) -> Vec<(String, Value, Value)> {
    let tests = yaml(&read(&of_kind(kind, "health_test.yaml")));
    let tests = tests["tests"].as_array().expect("tests").clone();
    let read_one = |test: &Value| {
        let path = test["inputPath"].as_str().expect("a path").to_owned();
        let object = yaml(&read(&of_kind(kind, &path)));
        (path, object, test["healthStatus"].clone())
    };
    tests.iter().map(read_one).collect()
}

#[test]
fn the_config_map_of_argo_cd_has_the_scripts_of_the_three_kinds_and_nothing_else() {
    if std::env::var_os("AMISEAL_RECORD").is_some() {
        let text = read(&file(ARGOCD));
        let (before, _) = text.split_once("\ndata:\n").expect("data");
        let scripts = KINDS.map(|kind| {
            let script = read(&of_kind(kind, "health.lua"));
            let lines = script
                .lines()
                .map(|line| format!("    {line}").trim_end().to_owned() + "\n");
            format!("  resource.customizations.health.amiseal.dev_{kind}: |\n") + &lines.collect::<String>()
        });
        std::fs::write(file(ARGOCD), format!("{before}\ndata:\n{}", scripts.concat())).expect("a file");
    }
    let config_map = yaml(&read(&file(ARGOCD)));
    assert_eq!(config_map["metadata"]["name"], "argocd-cm");
    let data = config_map["data"].as_object().expect("scripts");
    assert_eq!(data.len(), KINDS.len());
    for kind in KINDS {
        let script = &data[&format!("resource.customizations.health.amiseal.dev_{kind}")];
        assert_eq!(script, &read(&of_kind(kind, "health.lua")), "{kind}");
    }
}

#[tokio::test]
async fn the_config_map_is_a_patch_that_leaves_the_rest_of_argo_cds_own_as_it_is() {
    let scenario = Scenario::new(small_world(&[])).await;
    let names = ["-n", "argocd"];
    kubectl(&scenario, &["create", "namespace", "argocd"], "").await;
    let create = [
        "create",
        "configmap",
        "argocd-cm",
        "--from-literal=url=https://argocd.example.com",
    ];
    kubectl(&scenario, &[&create[..], &names].concat(), "").await;
    let patch_file = file(ARGOCD);
    let patch = [
        "patch",
        "configmap",
        "argocd-cm",
        "--patch-file",
        patch_file.to_str().expect("UTF-8"),
    ];
    kubectl(&scenario, &[&patch[..], &names].concat(), "").await;
    let get = ["get", "configmap", "argocd-cm", "-o", "json"];
    let there = yaml(&kubectl(&scenario, &[&get[..], &names].concat(), "").await);
    kubectl(&scenario, &["delete", "namespace", "argocd"], "").await;
    let data = there["data"].as_object().expect("data");
    assert_eq!(data["url"], "https://argocd.example.com");
    assert_eq!(data.len(), 1 + KINDS.len());
    scenario.judged();
}

#[tokio::test]
async fn every_recorded_object_gets_the_health_that_is_noted_beside_it() {
    let mut healths = BTreeSet::new();
    for kind in KINDS {
        let tests = recorded(kind);
        let objects: String = tests.iter().map(|(_, object, _)| object.to_string()).collect();
        let answers = judge(FLUX, &objects).await;
        assert_eq!(answers.len(), tests.len());
        for ((path, object, expected), answer) in tests.iter().zip(&answers) {
            assert_eq!(object["kind"], kind, "{path}");
            assert_eq!(answer.argocd.status, expected["status"], "{kind} {path}");
            assert_eq!(answer.argocd.message, expected["message"], "{kind} {path}");
            healths.insert(format!("{kind} {}", answer.argocd.status));
        }
        let noted: BTreeSet<String> = tests.into_iter().map(|(path, ..)| path).collect();
        let there = std::fs::read_dir(of_kind(kind, "testdata")).expect("recorded objects");
        let there = there.map(|entry| format!("testdata/{}", entry.expect("an entry").file_name().display()));
        assert_eq!(noted, there.collect(), "{kind}: what is noted, and what is there");
    }
    // Each kind in each health.
    assert_eq!(healths.len(), 4 * KINDS.len(), "{healths:?}");
}
