//! What a replica makes of an API server that says nothing, cannot be reached, or may not be listened to.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::Api;
use kube::api::PostParams;
use rig::{Relay, Way};
use serde_json::json;

use crate::harness::{ACCOUNT, Replica, Scenario, plain, policy, small_world, with};

/// Longer than a replica may take to notice, on a machine where other tests run.
const A_MINUTE_AND_SOME: Duration = Duration::from_secs(90);

/// A way to the scenario's API server that can be frozen and closed, and the kubeconfig that goes by it.
fn relayed(scenario: &Scenario) -> (Relay, PathBuf) {
    let url = scenario.plane().url();
    let server = url.trim_start_matches("https://").parse().expect("an address");
    let relay = Relay::start(server).expect("a relay");
    let text = std::fs::read_to_string(scenario.kubeconfig()).expect("a kubeconfig");
    let path = scenario.kubeconfig().with_extension("relayed");
    let relayed = text.replace(&url, &relay.endpoint().replace("http:", "https:"));
    assert_ne!(relayed, text);
    std::fs::write(&path, relayed).expect("a file");
    (relay, path)
}

async fn start(scenario: &Scenario, kubeconfig: &PathBuf) -> Replica {
    let process = scenario.describe("amiseal").env("KUBECONFIG", kubeconfig).spawn();
    let mut replica = Replica {
        process: process.expect("a replica"),
    };
    replica.leads().await;
    replica
}

async fn is_ready(scenario: &Scenario, replica: &mut Replica) {
    scenario
        .until("the replica to be ready", async || {
            (replica.get("/readyz").await.0 == 200).then_some(())
        })
        .await;
}

#[tokio::test]
async fn connections_to_the_api_server_that_freeze_are_noticed_within_a_minute_and_nothing_is_changed_by_what_they_do_not_say()
 {
    let mut world = small_world(&[&plain("web"), &plain("mail")]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let (relay, kubeconfig) = relayed(&scenario);
    let mut replica = start(&scenario, &kubeconfig).await;
    // One copy at a time: the second one waits for the first.
    let policy = policy("production", &[ACCOUNT]);
    let policy = with(policy, "copy", json!({"maxConcurrentSnapshots": 1}));
    scenario.apply(&policy).await;
    scenario
        .until("the first copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;
    is_ready(&scenario, &mut replica).await;

    relay.set(Way::Nothing);
    let frozen = Instant::now();
    scenario.apply(&with(policy, "suspend", json!(true))).await;
    let why = loop {
        let (status, why) = replica.get("/readyz").await;
        if status == 503 {
            break why;
        }
        assert!(frozen.elapsed() < A_MINUTE_AND_SOME, "it is still ready");
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert!(
        why.contains("has been silent for more than 60 seconds: see the log"),
        "{why}"
    );
    scenario.sim().advance(Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(
        scenario.copies_made(),
        1,
        "the policy is suspended, which it has not seen"
    );

    relay.set(Way::Open);
    is_ready(&scenario, &mut replica).await;
    assert_eq!(scenario.copies_made(), 1);
}

#[tokio::test]
async fn an_api_server_whose_port_is_closed_is_said_in_one_line_and_that_it_is_open_again_in_another() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let (relay, kubeconfig) = relayed(&scenario);
    let mut replica = start(&scenario, &kubeconfig).await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;
    is_ready(&scenario, &mut replica).await;

    let before = scenario.log().lines().count();
    relay.set(Way::Closed);
    tokio::time::sleep(Duration::from_secs(20)).await;
    relay.set(Way::Open);
    replica
        .process
        .wait_for_line("the API server answers again", Duration::from_secs(120))
        .await
        .expect("it says so");
    let log = scenario.log();
    let lines = || log.lines().skip(before);
    let said = |text: &str| lines().filter(|line| line.contains(text)).count();
    assert_eq!(said("cannot reach the API server"), 1, "{log}");
    assert_eq!(said(" ERROR "), 1, "{log}");
    let others: Vec<_> = lines().filter(|line| line.contains(" WARN ")).collect();
    assert!(others.is_empty(), "{others:?}");
    // It has lost its shards meanwhile, each at its own moment, and that takes no line of its own.
    assert!(said("lost shards") > 0, "{log}");
    assert_eq!(said("the API server answers again"), 1, "{log}");
}

#[tokio::test]
async fn a_replica_that_may_list_a_kind_and_not_watch_it_is_not_ready() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let (client, name, namespace) = (scenario.client.clone(), "no-watch", "amiseal-system");
    let role = json!({"metadata": {"name": name}, "rules": [
        {"apiGroups": ["amiseal.dev"], "verbs": ["list", "watch"], "resources": ["amiencryptionpolicies", "amiencryptiontargets"]},
        {"apiGroups": ["amiseal.dev"], "verbs": ["list"], "resources": ["amimigrations"]},
    ]});
    let subjects = json!([{"kind": "ServiceAccount", "name": name, "namespace": namespace}]);
    let bound = |kind: &str, to: &str| {
        json!({"metadata": {"name": name}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": to}})
    };
    let parameters = PostParams::default();
    let account = ServiceAccount {
        metadata: serde_json::from_value(json!({"name": name})).expect("metadata"),
        ..ServiceAccount::default()
    };
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    accounts.create(&parameters, &account).await.expect("an account");
    let role: ClusterRole = serde_json::from_value(role).expect("a role");
    Api::all(client.clone())
        .create(&parameters, &role)
        .await
        .expect("a role");
    let binding: ClusterRoleBinding = serde_json::from_value(bound("ClusterRole", name)).expect("a binding");
    Api::all(client.clone())
        .create(&parameters, &binding)
        .await
        .expect("a binding");
    let binding: RoleBinding = serde_json::from_value(bound("Role", "amiseal-leases")).expect("a binding");
    let bindings = Api::namespaced(client, namespace);
    bindings.create(&parameters, &binding).await.expect("a binding");

    let kubeconfig = scenario.plane().service_account_kubeconfig(namespace, name).await;
    let mut replica = start(&scenario, &kubeconfig.expect("a kubeconfig")).await;
    let line = "this kind may not be listed and watched: allow it to the service account";
    let said = replica.process.wait_for_line(line, Duration::from_secs(120)).await;
    assert!(said.expect("it says so").contains("AMIMigration"));
    // The other two are watched soon, and then only this one is said to be missing.
    let why = scenario
        .until("the replica to say what it does not watch", async || {
            let (status, why) = replica.get("/readyz").await;
            assert_eq!(status, 503, "{why}");
            why.contains("AMIMigration is not watched yet: see the log")
                .then_some(why)
        })
        .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(replica.get("/readyz").await.0, 503, "{why}");
}
