//! Whoever applies a policy from Git again and again changes nothing, and shares no field with the controller.

use std::path::Path;
use std::process::Command;

use ec2sim::spec::AllowedCall;
use serde_json::{Value, json};

use super::{OVERLAYS, file, kubectl, list, object, objects, read, render, run};
use crate::harness::{ACCOUNT, REGION, Scenario, account, plain, policy, region, small_world, with, world};

/// Whose fields those are that the controller writes.
const CONTROLLER: &str = "amiseal";

/// The policies that a document shows in its blocks of YAML.
fn shown_in(document: &str) -> Vec<Value> {
    let text = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(document));
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split_once("\n```").expect("the end of a block").0);
    let blocks: Vec<&str> = blocks.collect();
    blocks.into_iter().flat_map(objects).filter(is_policy).collect()
}

fn is_policy(object: &Value) -> bool {
    object["kind"] == "AMIEncryptionPolicy"
}

/// Every policy that the project shows, and some that say the same in other words.
async fn documented(scenario: &Scenario) -> Vec<Value> {
    let mut policies = shown_in("README.md");
    policies.extend(shown_in("docs/guide.md"));
    policies.extend(objects(&read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/policy.yaml"),
    )));
    for overlay in OVERLAYS {
        policies.extend(objects(&render(scenario, overlay).await));
    }
    assert!(policies.len() > 10 && policies.iter().all(is_policy), "{policies:#?}");
    let short = policy("short", &[ACCOUNT]);
    policies.push(with(
        with(short.clone(), "scanInterval", json!("60m")),
        "historyTTL",
        json!("43200m"),
    ));
    policies.push(with(short.clone(), "scanInterval", json!("0h90m0s")));
    // With every default written out, as the API server does.
    let applied = kubectl(
        scenario,
        &["create", "--dry-run=server", "-o", "json", "-f", "-"],
        &short.to_string(),
    )
    .await;
    let stored: Value = serde_json::from_str(&applied).expect("an object");
    let mut written_out = short;
    written_out["spec"] = stored["spec"].clone();
    assert_eq!(written_out["spec"]["backups"], "Exclude", "a default");
    policies.push(written_out);
    policies
}

fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    let found = object.pointer(path).and_then(Value::as_str);
    found.unwrap_or_else(|| panic!("no {path} in {object:#}"))
}

/// The manager, the subresource and the top-level fields of each entry of the record of who manages what.
fn managed(object: &Value) -> Vec<(String, String, Vec<String>)> {
    let entries = object["metadata"]["managedFields"].as_array().expect("a record");
    let of = |entry: &Value| {
        let fields = entry["fieldsV1"].as_object().expect("fields");
        (
            text(entry, "/manager").to_owned(),
            entry["subresource"].as_str().unwrap_or_default().to_owned(),
            fields.keys().cloned().collect(),
        )
    };
    entries.iter().map(of).collect()
}

#[tokio::test]
async fn applying_every_documented_policy_again_changes_nothing_while_the_controller_runs() {
    let mut world = world(&account(ACCOUNT, &region(REGION, &["{name: web}"])));
    // Most policies are of accounts that are not there.
    world.expect.expected_denials.push(AllowedCall {
        operation: Some("AssumeRole".to_owned()),
        ..AllowedCall::default()
    });
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let documented = documented(&scenario).await;
    for (way, answer) in [
        (&["apply"][..], "unchanged"),
        (&["apply", "--server-side"], "serverside-applied"),
    ] {
        let side = if way.len() > 1 { "server" } else { "client" };
        // They are governed by the oldest one where they select the same images, which changes nothing here.
        let named = documented.iter().enumerate().map(|(number, policy)| {
            let mut policy = policy.clone();
            policy["metadata"]["name"] = json!(format!("policy-{number}-{side}"));
            policy
        });
        let policies: Vec<Value> = named.collect();
        let all = list(&policies);
        let arguments = |verb: &[&'static str]| [verb, &["-f", "-"]].concat();
        kubectl(&scenario, &arguments(way), &all).await;
        for policy in &policies {
            let name = text(policy, "/metadata/name");
            scenario
                .until(
                    &format!("the controller to have written the status of {name}"),
                    async || {
                        let status = object(&scenario, "aep", name).await["status"].clone();
                        (status["observedGeneration"] == 1 && status["conditions"].is_array()).then_some(())
                    },
                )
                .await;
        }
        let diff: Vec<&str> = [&["diff"], &way[1..]].concat();
        for _ in 0..3 {
            // It fails where anything differs.
            assert_eq!(kubectl(&scenario, &arguments_of(&diff), &all).await, "", "{side}");
            let said = kubectl(&scenario, &arguments(way), &all).await;
            assert!(said.lines().all(|line| line.ends_with(answer)), "{side}: {said}");
            assert_eq!(said.lines().count(), policies.len());
        }
        for policy in &policies {
            let name = text(policy, "/metadata/name");
            let get = ["get", "aep", name, "-o", "json", "--show-managed-fields"];
            let stored: Value = serde_json::from_str(&kubectl(&scenario, &get, "").await).expect("an object");
            assert_eq!(stored["metadata"]["generation"], 1, "{name}");
            assert_eq!(stored["status"]["observedGeneration"], 1, "{name}");
            let managed = managed(&stored);
            let controllers = (CONTROLLER.to_owned(), "status".to_owned(), vec!["f:status".to_owned()]);
            assert!(managed.contains(&controllers), "{name}: {managed:?}");
            for entry in &managed {
                assert!(entry.0 != CONTROLLER || *entry == controllers, "{name}: {managed:?}");
            }
        }
    }
    scenario.judged();
}

fn arguments_of<'a>(verb: &[&'a str]) -> Vec<&'a str> {
    [verb, &["-f", "-"]].concat()
}

#[tokio::test]
async fn a_duration_is_stored_as_it_is_written_and_another_spelling_reaches_no_account() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let _replica = scenario.start().await;
    let written = with(policy("production", &[ACCOUNT]), "scanInterval", json!("1h"));
    scenario.apply(&written).await;
    scenario.completed(1).await;
    let target = format!("production.{ACCOUNT}.{REGION}");
    let before = object(&scenario, "aet", &target).await;
    assert_eq!(before["spec"]["scanInterval"], "1h");

    scenario
        .apply(&with(written.clone(), "scanInterval", json!("60m")))
        .await;
    scenario
        .until("the controller to have seen the change", async || {
            let policy = object(&scenario, "aep", "production").await;
            assert_eq!(policy["spec"]["scanInterval"], "60m");
            (policy["status"]["observedGeneration"] == 2).then_some(())
        })
        .await;
    // The policy has another generation, and the account is not looked through anew for that.
    let after = object(&scenario, "aet", &target).await;
    assert_eq!(after["spec"], before["spec"]);
    assert_eq!(after["metadata"]["generation"], before["metadata"]["generation"]);
    scenario.judged();
}

#[tokio::test]
async fn what_a_person_suspends_by_hand_stays_so_where_git_does_not_mention_it() {
    let scenario = Scenario::new(small_world(&["{name: web}"])).await;
    let _replica = scenario.start().await;
    let ways = [("client", &["apply"][..]), ("server", &["apply", "--server-side"])];
    for (name, way) in ways {
        let written = policy(name, &[ACCOUNT]);
        assert!(written["spec"].get("suspend").is_none());
        kubectl(&scenario, &arguments_of(way), &written.to_string()).await;
    }
    // As the page says it, which is of every policy.
    let page = read(&file("../gitops.md"));
    let mut commands = page.lines().filter_map(|line| line.strip_prefix("$ "));
    let shown = commands.find(|command| command.contains("suspend"));
    let program = scenario.plane().kubectl().expect("kubectl");
    let mut by_hand = Command::new("sh");
    by_hand.args(["-euc", shown.expect("a command")]);
    by_hand.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let bin = Path::new(program.get_program()).parent().expect("a directory");
    by_hand.env("PATH", format!("{}:/usr/bin:/bin", bin.display()));
    run(by_hand, "").await;
    for (name, way) in ways {
        let (written, arguments) = (policy(name, &[ACCOUNT]).to_string(), arguments_of(way));
        let diff = arguments_of(&[&["diff"], &way[1..]].concat());
        assert_eq!(kubectl(&scenario, &diff, &written).await, "", "{name}");
        kubectl(&scenario, &arguments, &written).await;
        let get = ["get", "aep", name, "-o", "json", "--show-managed-fields"];
        let stored: Value = serde_json::from_str(&kubectl(&scenario, &get, "").await).expect("an object");
        assert_eq!(stored["spec"]["suspend"], true, "{name}");
        // Flux takes over the fields of managers that begin with kubectl, and removes them.
        let entries = stored["metadata"]["managedFields"].as_array().expect("a record");
        let owner = entries
            .iter()
            .find(|entry| entry["fieldsV1"]["f:spec"] == json!({"f:suspend": {}}));
        assert_eq!(owner.expect("an owner")["manager"], "emergency");
    }
    scenario.judged();
}

#[tokio::test]
async fn the_largest_policy_is_taken_by_server_side_apply_and_is_too_long_for_the_other() {
    let scenario = Scenario::new(small_world(&[])).await;
    let regions = (1..=40).map(|number| json!({"name": format!("eu-west-{number}"), "kmsKeyID": "alias/ami"}));
    let regions: Vec<Value> = regions.collect();
    let accounts = (0..200).map(|n| json!({"accountID": format!("1000000{n:05}"), "regions": regions}));
    let accounts: Vec<Value> = accounts.collect();
    let largest = with(policy("largest", &[]), "accounts", json!(accounts)).to_string();
    let apply = ["apply", "--server-side", "--dry-run=server", "-f", "-"];
    kubectl(&scenario, &apply, &largest).await;

    let mut client_side = scenario.plane().kubectl().expect("kubectl");
    client_side.args(["apply", "-f"]);
    let path = scenario.plane().directory().join("largest.json");
    std::fs::write(&path, &largest).expect("a file");
    let output = tokio::process::Command::from(client_side).arg(path).output().await;
    let refusal = String::from_utf8(output.expect("kubectl runs").stderr).expect("UTF-8");
    assert!(refusal.contains("metadata.annotations: Too long"), "{refusal}");
    scenario.judged();
}
