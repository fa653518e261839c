//! New images are found between two scans, where the policy has them looked for; a look is no scan, and one that fails says so.

use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use ec2sim::{Act, Edit, Failure, FaultRule};
use serde_json::{Value, json};

use crate::harness::{ACCOUNT, REGION, Replica, Scenario, condition, on, plain, policy, says, small_world, with};
use crate::inspecting::look as ask_for_scan;

/// The policy's target.
fn target() -> String {
    format!("production.{ACCOUNT}.{REGION}")
}

/// New images are looked for as often as may be, and everything is scanned every quarter of an hour.
fn looking() -> Value {
    let policy = with(policy("production", &[ACCOUNT]), "scanInterval", json!("15m"));
    with(policy, "newImages", json!({"lookEvery": "10s"}))
}

/// Makes an image now that is to be copied.
fn make(scenario: &Scenario, name: &str, state: &str) {
    let expect = json!({"copied": {"key": "alias/ami"}});
    add(scenario, json!({"name": name, "state": state, "expect": expect}));
}

/// Makes an image now.
fn add(scenario: &Scenario, image: Value) {
    scenario.edit(Edit::AddImage {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        image: Box::new(serde_json::from_value(image).expect("an image")),
    });
}

/// Waits until a look that has ended so is counted.
async fn counted(scenario: &Scenario, replica: &mut Replica, result: &str) {
    let series = format!(
        r#"amiseal_looks_total{{account="{ACCOUNT}",policy="production",region="{REGION}",result="{result}"}} "#
    );
    scenario
        .until(&format!("a look to be counted as {result}"), async || {
            let (_, text) = replica.get("/metrics").await;
            let mut lines = text.lines();
            let count = lines.find_map(|line| line.strip_prefix(&series))?;
            (count != "0").then_some(())
        })
        .await;
}

#[tokio::test]
async fn new_images_are_migrated_within_minutes_while_no_scan_is_made() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let mut replica = scenario.start().await;
    scenario.apply(&looking()).await;
    scenario.completed(1).await;
    let scanned = scenario.scans();
    let status = scenario.target(&target()).await.status.expect("a status");
    let last_scan = status.last_scan_time.expect("a scan");

    make(&scenario, "later", "available");
    make(&scenario, "slow", "pending");
    scenario.completed(2).await;
    let slow = scenario.image("slow");
    assert!(scenario.migration_of(&slow).await.is_none(), "it is not finished");
    scenario.edit(Edit::SetImageState {
        image: slow.clone(),
        state: "available".to_owned(),
    });
    scenario.completed(3).await;

    counted(&scenario, &mut replica, "found").await;
    let all = scenario.looks();
    assert!(all.len() >= 4, "each was shown by two: {all:?}");
    for look in &all {
        assert_eq!(look.params["Owner.1"], "self");
        assert!(look.params["Filter.1.Value.1"].ends_with("T*"), "{look:?}");
    }
    let mut apart = all.windows(2).map(|pair| pair[1].time.seconds_since(pair[0].time));
    assert!(apart.all(|seconds| seconds >= 9.0), "{all:?}");
    assert!(scenario.scans() <= scanned, "a look needs no scan");
    let status = scenario.target(&target()).await.status.expect("a status");
    assert_eq!(status.last_scan_time, Some(last_scan), "and is none");
    assert_eq!(says(&status.conditions, conditions::REACHABLE), "True/Succeeded");
    scenario.judged();
}

#[tokio::test]
async fn an_image_that_is_tagged_exempt_shortly_after_it_appeared_is_not_copied() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let _replica = scenario.start().await;
    let exempt = json!({"exclude": [{"tags": {"amiseal.dev/exempt": "*"}}]});
    scenario.apply(&with(looking(), "imageSelector", exempt)).await;
    scenario.completed(1).await;
    let scanned = scenario.scans();

    let before = scenario.looks().len();
    add(&scenario, json!({"name": "spared", "expect": "untouched"}));
    scenario
        .until("a look to show the image", async || {
            (scenario.looks().len() > before).then_some(())
        })
        .await;
    scenario.edit(Edit::SetTags {
        image: scenario.image("spared"),
        tags: [("amiseal.dev/exempt".to_owned(), "it is rebuilt each day".to_owned())].into(),
    });
    make(&scenario, "later", "available");
    scenario.completed(2).await;
    scenario
        .until("the image to be counted as exempt", async || {
            let images = scenario.target(&target()).await.status?.images?;
            (images.exempt == 1).then_some(())
        })
        .await;
    assert!(scenario.migration_of(&scenario.image("spared")).await.is_none());
    assert!(scenario.scans() <= scanned, "no scan has shown it");
    scenario.judged();
}

#[tokio::test]
async fn a_look_that_is_denied_says_so_until_one_is_not_and_is_not_repeated_at_once_and_scans_go_on() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let denial = Failure {
        code: "UnauthorizedOperation".to_owned(),
        status: 403,
        message: "You are not authorized to perform this operation.".to_owned(),
    };
    scenario.sim().add_fault(FaultRule {
        parameters: [("Filter.1.Name".to_owned(), "creation-date".to_owned())].into(),
        ..on("DescribeImages", Act::FailBefore(denial))
    });
    let mut replica = scenario.start().await;
    scenario.apply(&looking()).await;
    scenario.completed(1).await;
    let denied = format!("False/{}", reason::ACCESS_DENIED);
    let said = scenario
        .until("the denial to be said", async || {
            let all = scenario.target(&target()).await.status?.conditions;
            let is_said = says(&all, conditions::REACHABLE) == denied;
            let reachable = condition(&all, conditions::REACHABLE).filter(|_| is_said)?;
            Some(reachable.message.clone())
        })
        .await;
    assert!(said.contains("ec2:DescribeImages"), "{said}");
    counted(&scenario, &mut replica, "failed").await;

    make(&scenario, "later", "available");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scenario.looks().len(), 1);
    assert_eq!(scenario.all_migrations().await.len(), 1, "nobody has seen it");
    ask_for_scan(&scenario, "now").await;
    scenario.completed(2).await;
    let says_of_reachable = async || {
        let status = scenario.target(&target()).await.status;
        status.map(|status| says(&status.conditions, conditions::REACHABLE))
    };
    assert_eq!(says_of_reachable().await, Some(denied), "a scan is no answer to that");
    assert_eq!(scenario.looks().len(), 1);

    // Who changes the policy need not wait for ten minutes.
    scenario.sim().clear_faults();
    scenario
        .apply(&with(looking(), "newImages", json!({"lookEvery": "11s"})))
        .await;
    scenario
        .until("another look", async || {
            let has_looked = scenario.looks().len() > 1;
            let says = says_of_reachable().await?;
            (has_looked && says == "True/Succeeded").then_some(())
        })
        .await;
    scenario.judged();
}
