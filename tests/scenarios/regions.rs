//! All regions of an account: one that somebody opts in to gets its target by itself, one that is disabled leaves, and a read that fails
//! takes nothing away.

use amiseal::api::AMIEncryptionPolicyStatus;
use amiseal::api::conditions::{self, reason};
use ec2sim::{Act, Edit, Failure, WorldSpec};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, KEY, REGION, Replica, Scenario, account, condition, on, plain, policy};
use crate::harness::{says, with, world};

/// A region that takes an opt-in.
const FAR: &str = "eu-central-1";
const FAR_KEY: &str = "22222222-2222-4222-8222-222222222222";
const OPTED_IN: &str = "opted-in";
const NOT_OPTED_IN: &str = "not-opted-in";

/// An account with an image in each of two regions. The first one has a key by another alias.
fn opting(status: &str) -> WorldSpec {
    let own = format!(
        "{{name: {REGION}, keys: [{{id: {KEY}, alias: [alias/own]}}], \
         images: [{{name: web, expect: {{copied: {{key: alias/own, tags: withheld}}}}}}]}}"
    );
    let far = format!(
        "{{name: {FAR}, optIn: {status}, keys: [{{id: {FAR_KEY}, alias: [alias/ami]}}], images: [{}]}}",
        plain("far")
    );
    let mut world = world(&account(ACCOUNT, &format!("{own}, {far}")));
    let allow = &mut world.accounts[1].roles[0].allow;
    allow.extend(["ec2:*".to_owned(), "kms:*".to_owned()]);
    // The region has to be enabled in the controller's account too.
    let enabled = json!({"name": FAR, "optIn": OPTED_IN});
    world.accounts[0].regions = vec![serde_json::from_value(enabled).expect("a region")];
    world
}

/// A policy that lists one region, and takes all others.
fn everywhere(all: Value) -> Value {
    let listed = json!([{"name": REGION, "kmsKeyID": "alias/own"}]);
    let policy = with(policy("production", &[ACCOUNT]), "defaults.regions", listed);
    with(policy, "defaults.allRegions", all)
}

fn of_all() -> Value {
    everywhere(json!({"kmsKeyID": "alias/ami"}))
}

/// Starts a replica that reads regions every few seconds.
async fn start(scenario: &Scenario) -> Replica {
    let process = scenario.describe("amiseal").args(["--regions-read-interval", "5s"]);
    let mut replica = Replica {
        process: process.spawn().expect("a replica"),
    };
    replica.leads().await;
    replica
}

/// The key of the target in a region, as the policy names it; none where there is no target.
async fn key_in(scenario: &Scenario, region: &str) -> Option<String> {
    let name = format!("production.{ACCOUNT}.{region}");
    let target = scenario.targets().get_opt(&name).await.expect("an answer");
    target.map(|target| target.spec.kms_key_id)
}

/// Waits until the policy says this of its regions, and gives its status.
async fn known(scenario: &Scenario, said: &str) -> AMIEncryptionPolicyStatus {
    scenario
        .until(&format!("regions to be {said}"), async || {
            let status = scenario.policy("production").await.status?;
            (says(&status.conditions, conditions::REGIONS_KNOWN) == said).then_some(status)
        })
        .await
}

/// Waits until there is a target in the other region, or none.
async fn has_far(scenario: &Scenario, is_there: bool) {
    scenario
        .until("the other region to come or to leave", async || {
            (key_in(scenario, FAR).await.is_some() == is_there).then_some(())
        })
        .await;
}

fn opt(scenario: &Scenario, status: &str) {
    scenario.edit(Edit::SetOptIn {
        account: ACCOUNT.to_owned(),
        region: FAR.to_owned(),
        opt_in: serde_json::from_value(json!(status)).expect("a status"),
    });
}

fn reads(scenario: &Scenario) -> usize {
    scenario.calls("DescribeRegions").len()
}

fn denied() -> Failure {
    Failure {
        code: "UnauthorizedOperation".to_owned(),
        status: 403,
        message: "You are not authorized to perform this operation.".to_owned(),
    }
}

#[tokio::test]
async fn a_region_that_is_opted_in_is_migrated_by_itself_and_leaves_after_two_reads_once_it_is_disabled() {
    let scenario = Scenario::new(opting(NOT_OPTED_IN)).await;
    let _replica = start(&scenario).await;
    scenario.apply(&of_all()).await;
    scenario.completed(1).await;
    let counts = known(&scenario, "True/Read").await.regions.expect("counts");
    assert_eq!((counts.accounts, counts.unread), (1, 0));
    assert_eq!(key_in(&scenario, FAR).await, None);

    opt(&scenario, OPTED_IN);
    scenario.completed(2).await;
    assert_eq!(key_in(&scenario, FAR).await.as_deref(), Some("alias/ami"));
    assert_eq!(
        key_in(&scenario, REGION).await.as_deref(),
        Some("alias/own"),
        "a region that is listed has its own key"
    );

    let before = reads(&scenario);
    opt(&scenario, NOT_OPTED_IN);
    has_far(&scenario, false).await;
    assert!(reads(&scenario) >= before + 2, "one read is not enough");
    assert!(key_in(&scenario, REGION).await.is_some());
    assert_eq!(scenario.copies_made(), 2, "its copy stays in AWS");
    scenario.judged();
}

#[tokio::test]
async fn a_denied_read_keeps_all_regions_also_after_a_restart_and_says_so() {
    let scenario = Scenario::new(opting(OPTED_IN)).await;
    let replica = start(&scenario).await;
    scenario.apply(&of_all()).await;
    scenario.completed(2).await;
    known(&scenario, "True/Read").await;

    scenario
        .sim()
        .add_fault(on("DescribeRegions", Act::FailBefore(denied())));
    let said = format!("False/{}", reason::ACCESS_DENIED);
    known(&scenario, &said).await;
    replica.kill();
    // Before the new one starts, which reads at once and waits for long when it is denied.
    let before = reads(&scenario);
    let _replica = start(&scenario).await;
    scenario
        .until("the new replica to be denied too", async || {
            (reads(&scenario) > before).then_some(())
        })
        .await;
    let status = known(&scenario, &said).await;
    let message = condition(&status.conditions, conditions::REGIONS_KNOWN).map(|one| one.message.clone());
    let message = message.unwrap_or_default();
    assert!(message.contains("ec2:DescribeRegions"), "{message}");
    assert!(message.contains(ACCOUNT), "{message}");
    for region in [REGION, FAR] {
        assert!(key_in(&scenario, region).await.is_some(), "{region}");
    }

    // Who changes the policy need not wait, and what that leaves out leaves at once.
    scenario.sim().clear_faults();
    scenario
        .apply(&everywhere(json!({"kmsKeyID": "alias/ami", "exclude": [FAR]})))
        .await;
    has_far(&scenario, false).await;
    known(&scenario, "True/Read").await;
    assert!(key_in(&scenario, REGION).await.is_some());
    scenario.judged();
}

#[tokio::test]
async fn an_account_that_was_never_read_has_its_listed_regions_and_the_policy_is_not_ready() {
    let scenario = Scenario::new(opting(OPTED_IN)).await;
    scenario
        .sim()
        .add_fault(on("DescribeRegions", Act::FailBefore(denied())));
    let _replica = start(&scenario).await;
    scenario.apply(&of_all()).await;
    scenario.completed(1).await;
    let said = format!("False/{}", reason::ACCESS_DENIED);
    let status = known(&scenario, &said).await;
    assert_eq!(status.regions.map(|counts| counts.unread), Some(1));
    scenario
        .until("the policy to say that it is not ready", async || {
            let status = scenario.policy("production").await.status?;
            (says(&status.conditions, conditions::READY) == said).then_some(())
        })
        .await;
    assert!(key_in(&scenario, FAR).await.is_none());

    scenario.sim().clear_faults();
    let soon = with(of_all(), "scanInterval", json!("2h"));
    scenario.apply(&soon).await;
    scenario.completed(2).await;
    known(&scenario, "True/Read").await;
    scenario.judged();
}
