//! The repository for a platform team that `docs/gitops` shows.

use std::collections::BTreeSet;
use std::process::Command;

use rig::tools::Tool;
use serde_json::{Value, json};

use super::{FLUX, FLUX_WITHOUT_COPIES, OVERLAYS, file, judge, kubectl, object, objects, read, render, run, yaml};
use crate::harness::{Scenario, account, plain, region, small_world, world};

/// In the order of the waves.
const PRODUCTION: [&str; 3] = ["111122223333", "444455556666", "777788889999"];

#[tokio::test]
async fn every_overlay_is_taken_by_the_api_server() {
    let scenario = Scenario::new(small_world(&[])).await;
    let mut names = BTreeSet::new();
    for overlay in OVERLAYS {
        let rendered = render(&scenario, overlay).await;
        for way in [&["--dry-run=server"][..], &["--dry-run=server", "--server-side"]] {
            let arguments = [&["apply", "-f", "-", "-o", "name"], way].concat();
            kubectl(&scenario, &arguments, &rendered).await;
        }
        let accounts: Vec<Value> = objects(&rendered).iter().flat_map(accounts_of).collect();
        let different: BTreeSet<String> = accounts.iter().map(ToString::to_string).collect();
        assert_eq!(
            accounts.len(),
            different.len(),
            "{overlay}: an account is in one policy only"
        );
        let of_objects = objects(&rendered);
        names.extend(of_objects.iter().map(|policy| policy["metadata"]["name"].to_string()));
    }
    let expected = ["production-images", "production-pilot-images", "staging-images"];
    assert_eq!(names, expected.map(|name| json!(name).to_string()).into());
    // The wave that production is in is one of the three, and the one that goes first.
    assert_eq!(
        render(&scenario, "production").await,
        render(&scenario, "production/1-audit").await
    );
    scenario.judged();
}

fn accounts_of(policy: &Value) -> Vec<Value> {
    policy["spec"]["accounts"].as_array().expect("accounts").clone()
}

/// Applies an overlay as Argo CD and Flux do, and removes what it has no more.
async fn sync(scenario: &Scenario, overlay: &str) {
    let rendered = render(scenario, overlay).await;
    let apply = ["apply", "--server-side", "--field-manager=gitops", "-f", "-"];
    kubectl(scenario, &apply, &rendered).await;
    let wanted = objects(&rendered);
    let there = kubectl(scenario, &["get", "aep", "-o", "json"], "").await;
    let there: Value = serde_json::from_str(&there).expect("a list");
    for policy in there["items"].as_array().expect("policies") {
        let name = &policy["metadata"]["name"];
        if !wanted.iter().any(|wanted| &wanted["metadata"]["name"] == name) {
            kubectl(scenario, &["delete", "aep", name.as_str().expect("a name")], "").await;
        }
    }
}

/// Waits until Argo CD, Flux and kstatus call a policy done.
async fn healthy(scenario: &Scenario, name: &str) -> Value {
    let what = format!("{name} to be healthy");
    scenario
        .until(&what, async || {
            let policy = object(scenario, "aep", name).await;
            let answers = judge(FLUX, &policy.to_string()).await;
            let flux = answers[0].flux.as_ref().expect("expressions");
            let done = answers[0].argocd.status == "Healthy" && flux.status == "Current";
            (done && answers[0].kstatus.status == "Current").then_some(policy)
        })
        .await
}

#[tokio::test]
async fn the_waves_migrate_one_account_and_then_all_and_each_waits_for_the_one_before() {
    let regions = |account: &str| {
        let images = [plain(&format!("web-{account}"))];
        region("eu-west-1", &[&images[0]]) + &region("us-east-1", &[])
    };
    let accounts = PRODUCTION.map(|id| account(id, &regions(id)));
    let world = world(
        &accounts
            .concat()
            .replace("externalID: platform", "externalID: example-platform"),
    );
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;

    sync(&scenario, "production/1-audit").await;
    let audit = healthy(&scenario, "production-images").await;
    assert_eq!(audit["status"]["images"]["unencrypted"], 3);
    assert_eq!(scenario.mutating_calls(), []);

    sync(&scenario, "production/2-pilot").await;
    scenario.completed(1).await;
    let pilot = healthy(&scenario, "production-pilot-images").await;
    assert_eq!(pilot["status"]["images"]["superseded"], 1);
    let rest = healthy(&scenario, "production-images").await;
    assert_eq!(rest["status"]["images"]["unencrypted"], 2);
    assert_eq!(scenario.copies_made(), 1);

    sync(&scenario, "production/3-enforce").await;
    scenario.completed(3).await;
    let all = healthy(&scenario, "production-images").await;
    assert_eq!(all["status"]["images"]["superseded"], 3);
    // The pilot's copy is taken on.
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}

#[tokio::test]
async fn flux_knows_every_field_of_the_examples_for_it() {
    let mut tool = Command::new(Tool::Gitops.path().expect("gitops"));
    tool.arg("--flux-objects").arg(file("flux/kustomizations.yaml"));
    assert_eq!(run(tool, "").await, "");
}

#[test]
fn the_examples_for_argo_cd_and_flux_name_overlays_that_are_there_and_the_checks_of_the_files_beside_them() {
    let set = yaml(&read(&file("argocd/applicationset.yaml")));
    assert_eq!(set["kind"], "ApplicationSet");
    let environments = set["spec"]["generators"][0]["list"]["elements"]
        .as_array()
        .expect("environments");
    let names: Vec<&str> = environments
        .iter()
        .map(|one| one["environment"].as_str().expect("a name"))
        .collect();
    let template = &set["spec"]["template"]["spec"];
    let path = template["source"]["path"].as_str().expect("a path");
    for name in &names {
        assert!(
            file(&path.replace("{{ .environment }}", name)).is_dir(),
            "{path} of {name}"
        );
    }
    let steps = set["spec"]["strategy"]["rollingSync"]["steps"]
        .as_array()
        .expect("steps");
    let synced = steps
        .iter()
        .flat_map(|step| step["matchExpressions"][0]["values"].as_array().expect("values"));
    assert_eq!(synced.collect::<Vec<_>>(), names);
    // The status that amiseal writes is no difference, and nothing need be ignored.
    for option in ["ignoreDifferences", "syncOptions"] {
        assert!(
            template.get(option).is_none() && template["syncPolicy"].get(option).is_none(),
            "{option}"
        );
    }

    let mut checked = 0;
    for document in objects(&read(&file("flux/kustomizations.yaml"))) {
        if document["kind"] != "Kustomization" {
            continue;
        }
        let path = document["spec"]["path"].as_str().expect("a path");
        assert!(file(path).is_dir(), "{path}");
        if let Some(checks) = document["spec"].get("healthCheckExprs") {
            let there = yaml(&read(&file(FLUX_WITHOUT_COPIES)));
            assert_eq!(checks, &there["healthCheckExprs"]);
            checked += 1;
        }
    }
    assert_eq!(checked, 1);
}
