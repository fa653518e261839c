//! One replica leads, and only it makes calls; it finishes its step when it is asked to end.

use std::time::{Duration, Instant};

use ec2sim::spec::AllowedCall;
use ec2sim::{Act, Failure, WorldSpec};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::harness::{ACCOUNT, KEY, REGION, Replica, Scenario, once, plain, plain_ones, policy, small_world, with};

async fn holder(scenario: &Scenario) -> String {
    let leases = Api::<Lease>::namespaced(scenario.client.clone(), "amiseal-system");
    let lease = leases.get("amiseal").await.expect("the Lease");
    lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default()
}

#[tokio::test]
async fn sigterm_finishes_the_step_and_frees_the_lease_for_the_next_replica_at_once() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    scenario.sim().add_fault(once("CopyImage", Act::DelayReply(2.0)));
    let mut first = scenario.start().await;
    assert_eq!(holder(&scenario).await, "amiseal");
    let mut second = scenario.start_more("second");
    second
        .process
        .wait_for_line("waits to lead", Duration::from_secs(30))
        .await
        .expect("the second replica waits");
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;

    // AWS has not answered yet.
    first.process.sigterm().expect("a running replica");
    let status = first.process.wait(Duration::from_secs(30)).await.expect("an end");
    let ended = Instant::now();
    assert!(status.success(), "{status}");
    let migration = &scenario.all_migrations().await[0];
    let copy = migration
        .status
        .as_ref()
        .and_then(|status| status.copy.as_ref())
        .expect("an intent");
    assert!(
        copy.image_id.is_some(),
        "the answer that came after SIGTERM is on record"
    );
    second.leads().await;
    assert!(ended.elapsed() < Duration::from_secs(2), "{:?}", ended.elapsed());
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_lone_replica_leaves_a_lease_that_nobody_holds() {
    let scenario = Scenario::new(small_world(&[])).await;
    scenario.start().await.stop().await;
    assert_eq!(holder(&scenario).await, "");
    scenario.judged();
}

/// An account in which the controller works under its own identity, so that the journal tells replicas apart.
fn own_identities() -> WorldSpec {
    let actions = r#"["sts:*", "ec2:*", "kms:*"]"#;
    let mut world = WorldSpec::parse(&format!(
        r#"
settings: {{copies: {{baseSeconds: 0.5, secondsPerGib: 0, jitter: 0}}}}
identities:
- {{accessKey: AKIACONTROLLER, account: "{ACCOUNT}", name: user/first, allow: {actions}}}
- {{accessKey: AKIASECOND, account: "{ACCOUNT}", name: user/second, allow: {actions}}}
accounts:
- id: "{ACCOUNT}"
  regions:
  - name: {REGION}
    keys: [{{id: {KEY}, alias: [alias/ami]}}]
    images:
    - {{name: shared, launchPermissions: {{users: ["444455556666"]}}, expect: {{copied: {{key: alias/ami}}}}}}
    - {}
"#,
        plain_ones("web-", 4)
    ))
    .expect("a world");
    // One replica publishes what another one copied.
    world.expect.allow = vec![AllowedCall::default()];
    world
}

fn own_identity_policy() -> serde_json::Value {
    let regions = json!([{"name": REGION, "kmsKeyID": "alias/ami"}]);
    with(
        policy("production", &[ACCOUNT]),
        "defaults",
        json!({ "regions": regions }),
    )
}

fn second(scenario: &Scenario) -> Replica {
    let described = scenario.describe("second").env("AWS_ACCESS_KEY_ID", "AKIASECOND");
    Replica {
        process: described.spawn().expect("a replica"),
    }
}

/// How many calls this user has made.
fn calls_by(scenario: &Scenario, user: &str, only_mutating: bool) -> usize {
    let journal = scenario.sim().journal();
    let by = |call: &&ec2sim::Call| call.principal.ends_with(user) && (call.mutating || !only_mutating);
    journal.iter().filter(by).count()
}

#[tokio::test]
async fn of_two_replicas_only_the_leader_makes_calls_and_the_other_takes_over_when_it_dies() {
    let scenario = Scenario::new(own_identities()).await;
    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 3600.0);
    let first = scenario.start().await;
    let mut second = second(&scenario);
    scenario.apply(&own_identity_policy()).await;
    scenario
        .until("all copies", async || (scenario.copies_made() == 5).then_some(()))
        .await;
    assert_eq!(calls_by(&scenario, "user/second", false), 0);
    assert!(
        second.get("/readyz").await.1.contains("ok"),
        "a replica that waits is ready"
    );
    let leader = second
        .get("/metrics")
        .await
        .1
        .lines()
        .any(|line| line == "amiseal_leader 0");
    assert!(leader, "it does not say that it leads");

    first.kill();
    second.leads().await;
    let before = calls_by(&scenario, "user/first", false);
    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(5).await;
    assert_eq!(scenario.copies_made(), 5);
    assert_eq!(calls_by(&scenario, "user/first", false), before);
    scenario.judged();
}

#[tokio::test]
async fn a_leader_that_was_stopped_beyond_its_lease_changes_nothing_when_it_goes_on() {
    let scenario = Scenario::new(own_identities()).await;
    // The first replica is about to publish, again and again.
    scenario.fault("ModifyImageAttribute", Act::FailBefore(Failure::default()));
    let mut first = scenario.start().await;
    scenario.apply(&own_identity_policy()).await;
    scenario
        .until("a second try", async || {
            (scenario.calls("ModifyImageAttribute").len() > 3).then_some(())
        })
        .await;
    first.process.pause().expect("a running replica");
    let before = calls_by(&scenario, "user/first", true);
    let mut second = second(&scenario);
    second.leads().await;

    first.process.resume().expect("a stopped replica");
    let status = first.process.wait(Duration::from_secs(30)).await.expect("an end");
    assert!(!status.success(), "it says that the Lease was lost: {status}");
    assert_eq!(calls_by(&scenario, "user/first", true), before);
    scenario.sim().clear_faults();
    scenario.completed(5).await;
    assert_eq!(scenario.copies_made(), 5);
    scenario.judged();
}
