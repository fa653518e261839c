//! The map from originals to copies in a ConfigMap: what the command prints, in the one that is the policy's, and in no other.

use std::collections::BTreeMap;
use std::process::Stdio;

use amiseal::api::conditions::{self, MAP_PUBLISHED};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, PostParams};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, OTHER_ACCOUNT, REGION, Scenario, USER, account, plain, policy, region, says, with, world,
};
use crate::moving::want;

const NAMESPACE: &str = "amiseal-system";
const NAME: &str = "amiseal-images";
const PUBLISHED: &str = "True/Published";

/// A policy that has its map kept there.
fn keeping(name: &str, account: &str, config_map: &str) -> Value {
    let map = json!({"map": {"configMap": config_map}});
    with(policy(name, &[account]), "promotion", map)
}

/// The same after a change that makes no difference to the map: it is looked at once more.
fn changed(policy: Value, interval: &str) -> Value {
    with(policy, "scanInterval", json!(interval))
}

/// What the chart grants with `promotionMap.enabled`.
async fn grant(scenario: &Scenario) {
    let metadata = json!({"name": "amiseal-maps", "namespace": NAMESPACE});
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}],
    });
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "amiseal-maps"},
        "subjects": [{"kind": "ServiceAccount", "name": "amiseal", "namespace": NAMESPACE}],
    });
    let applied = scenario.plane().apply(&format!("{role}\n---\n{binding}")).await;
    applied.expect("a role");
    // The API server takes a moment until it goes by it.
    let attributes = json!({"namespace": NAMESPACE, "verb": "patch", "resource": "configmaps"});
    let asked = json!({"metadata": {}, "spec": {"user": USER, "resourceAttributes": attributes}});
    let asked: SubjectAccessReview = serde_json::from_value(asked).expect("a question");
    let reviews = Api::<SubjectAccessReview>::all(scenario.client.clone());
    scenario
        .until("the role to hold", async || {
            let answer = reviews.create(&PostParams::default(), &asked).await.expect("an answer");
            answer.status.is_some_and(|status| status.allowed).then_some(())
        })
        .await;
}

fn config_maps(scenario: &Scenario) -> Api<ConfigMap> {
    Api::namespaced(scenario.client.clone(), NAMESPACE)
}

async fn config_map(scenario: &Scenario, name: &str) -> Option<ConfigMap> {
    config_maps(scenario).get_opt(name).await.expect("an answer")
}

/// Waits until a policy says this of its map as it is asked for now, and gives the message.
async fn map_says(scenario: &Scenario, name: &str, said: &str) -> String {
    scenario
        .until(&format!("{name} to say {said} of its map"), async || {
            let policy = scenario.policy(name).await;
            let generation = policy.metadata.generation;
            let status = policy.status?;
            let found = conditions::find(&status.conditions, MAP_PUBLISHED)?;
            let is_so = says(&status.conditions, MAP_PUBLISHED) == said && found.observed_generation == generation;
            is_so.then(|| found.message.clone())
        })
        .await
}

/// What `amiseal map` prints of a policy.
async fn printed(scenario: &Scenario, form: &str) -> String {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_amiseal"))
        .args(["map", "--policy", "production", "--as", form, "--kubeconfig"])
        .arg(scenario.plane().admin_kubeconfig())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .await
        .expect("the program runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The originals that a ConfigMap has a copy of, each with the copy.
fn pairs(found: &ConfigMap) -> BTreeMap<String, String> {
    let text = &found.data.as_ref().expect("texts")["map.json"];
    let map: Value = serde_json::from_str(text).expect("JSON");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let images = map["images"].as_array().expect("a list").iter();
    images
        .map(|image| (text(&image["sourceImageID"]), text(&image["copyImageID"])))
        .collect()
}

#[tokio::test]
async fn the_map_of_a_policy_is_kept_in_its_config_map_and_in_no_other() {
    let accounts = [
        account(ACCOUNT, &region(REGION, &[&plain("golden"), &plain("silver")])),
        account(OTHER_ACCOUNT, &region(REGION, &[])),
    ];
    let scenario = Scenario::new(world(&accounts.concat())).await;
    let _replica = scenario.start().await;

    // The chart does not grant it unasked.
    let production = |config_map: &str| keeping("production", ACCOUNT, config_map);
    scenario.apply(&production(NAME)).await;
    let message = map_says(&scenario, "production", "False/Forbidden").await;
    assert!(
        message.contains("set promotionMap.enabled of the chart to true"),
        "{message}"
    );
    scenario.completed(2).await;
    grant(&scenario).await;

    scenario.apply(&changed(production(NAME), "2h")).await;
    map_says(&scenario, "production", PUBLISHED).await;
    let (golden, silver) = (scenario.image("golden"), scenario.image("silver"));
    let found = config_map(&scenario, NAME).await.expect("a ConfigMap");
    assert_eq!(pairs(&found).len(), 2);
    for original in [&golden, &silver] {
        let migration = scenario.migration_of(original).await.expect("a migration");
        let copy = migration.status.and_then(|status| status.copy?.image_id);
        assert_eq!(pairs(&found).get(original), copy.as_ref(), "{original}");
    }
    let data = found.data.as_ref().expect("texts");
    for (key, form) in [
        ("map.json", "json"),
        ("map.yaml", "yaml"),
        ("amiseal.auto.tfvars", "tfvars"),
    ] {
        assert_eq!(data[key], printed(&scenario, form).await, "{key}");
    }
    let labels = found.metadata.labels.as_ref().expect("labels");
    assert_eq!(labels["amiseal.dev/policy"], "production");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "amiseal");
    let owners = found.metadata.owner_references.as_ref().expect("an owner");
    let uid = scenario.policy("production").await.metadata.uid;
    assert_eq!(
        (owners.len(), Some(&owners[0].uid)),
        (1, uid.as_ref()),
        "it goes with its policy"
    );

    // What has not changed is not written.
    scenario.apply(&changed(production(NAME), "3h")).await;
    map_says(&scenario, "production", PUBLISHED).await;
    let again = config_map(&scenario, NAME).await.expect("a ConfigMap");
    assert_eq!(again.metadata.resource_version, found.metadata.resource_version);

    // Somebody holds an image, and nothing else changes.
    want(&scenario, json!({"desired": "Held"})).await;
    scenario
        .until("the map without what is held", async || {
            let found = config_map(&scenario, NAME).await?;
            pairs(&found).keys().eq([&silver]).then_some(())
        })
        .await;

    // Another policy asks for the same one.
    let staging = keeping("staging", OTHER_ACCOUNT, NAME);
    scenario.apply(&staging).await;
    let message = map_says(&scenario, "staging", "False/NotOurs").await;
    assert!(
        message.contains("has the map of policy production: name another one"),
        "{message}"
    );

    // One that somebody else has made is left as it is, and the former one goes.
    let theirs = json!({"metadata": {"name": "theirs"}, "data": {"map.json": "{}"}});
    let theirs: ConfigMap = serde_json::from_value(theirs).expect("a ConfigMap");
    let created = config_maps(&scenario).create(&PostParams::default(), &theirs).await;
    let created = created.expect("a ConfigMap");
    scenario.apply(&production("theirs")).await;
    let message = map_says(&scenario, "production", "False/NotOurs").await;
    assert!(
        message.starts_with("promotion.map.configMap: ConfigMap amiseal-system/theirs exists already"),
        "{message}"
    );
    assert_eq!(config_map(&scenario, "theirs").await, Some(created.clone()));

    // What was the first policy's is free now.
    scenario.apply(&changed(staging, "2h")).await;
    map_says(&scenario, "staging", PUBLISHED).await;
    let found = config_map(&scenario, NAME).await.expect("a ConfigMap");
    assert!(pairs(&found).is_empty(), "it has no image of another policy");

    // Nothing is asked for any more.
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the policy to say nothing of its map", async || {
            let status = scenario.policy("production").await.status?;
            (status.map.is_none() && says(&status.conditions, MAP_PUBLISHED).is_empty()).then_some(())
        })
        .await;
    assert_eq!(config_map(&scenario, "theirs").await, Some(created));
    scenario.delete("staging").await;
    scenario
        .until("the ConfigMap to go with its policy", async || {
            config_map(&scenario, NAME).await.is_none().then_some(())
        })
        .await;

    let report = scenario.sim().audit();
    assert!(report.ok, "{report}");
    let mut refused = scenario.requests();
    refused.retain(|event| event.code == 403 && event.resource != "configmaps");
    assert!(refused.is_empty(), "the API server refused {refused:#?}");
}
