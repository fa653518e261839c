//! Attempts that have all failed.

use amiseal::api::MigrationState;
use amiseal::api::conditions::reason;
use ec2sim::spec::WorldSpec;
use serde_json::{Value, json};

use super::{look_again, stalls_saying};
use crate::harness::{
    ACCOUNT, KEY, REGION, Scenario, account, everything, give, plain_ones, policy, small_world, take_away, with, world,
};

/// AWS finds out only while it copies that the role lacks a right to the key.
fn lacking(mut world: WorldSpec) -> WorldSpec {
    world.settings.copies.key_actions = vec!["kms:CreateGrant".to_owned()];
    take_away(&mut world, ACCOUNT, &["kms:CreateGrant"]);
    world
}

fn twice() -> Value {
    with(policy("production", &[ACCOUNT]), "copy", json!({"maxAttempts": 2}))
}

async fn attempts(scenario: &Scenario, image: &str) -> u32 {
    let migration = scenario.migration_of(image).await;
    let copy = migration.and_then(|migration| migration.status?.copy);
    copy.map_or(0, |copy| copy.attempt)
}

/// Waits until an image's attempts are exhausted after this many.
async fn exhausted_after(scenario: &Scenario, image: &str, count: u32) {
    scenario
        .until(&format!("{image} to have failed {count} times"), async || {
            (attempts(scenario, image).await == count).then_some(())
        })
        .await;
    let failed = format!("{count} attempts");
    let words = [failed.as_str(), "key's policy", "amiseal.dev/retry", "once a day"];
    stalls_saying(scenario, image, reason::ATTEMPTS_EXHAUSTED, &words).await;
}

#[tokio::test]
async fn exhausted_attempts_go_on_with_the_annotation_and_with_any_change_of_the_policy() {
    let world = lacking(small_world(&[&plain_ones("web-", 2)]));
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = twice();
    scenario.apply(&policy).await;
    let (first, second) = (scenario.image("web-1"), scenario.image("web-2"));
    for image in [&first, &second] {
        exhausted_after(&scenario, image, 2).await;
    }

    // The cause is still there: a change of the policy is worth one attempt, and no more.
    look_again(&scenario, &policy).await;
    for image in [&first, &second] {
        exhausted_after(&scenario, image, 3).await;
    }
    assert_eq!(scenario.copies_made(), 6);

    scenario.edit(give(ACCOUNT, everything(ACCOUNT)));
    scenario.ask_again(&first, "now").await;
    scenario.reaches(&first, MigrationState::Completed).await;
    exhausted_after(&scenario, &second, 3).await;

    look_again(&scenario, &policy).await;
    scenario.completed(2).await;
    assert_eq!(scenario.copies_made(), 8);
    scenario.judged();
}

#[tokio::test]
async fn exhausted_attempts_go_on_under_the_key_that_the_policy_then_names() {
    let other = "22222222-2222-4222-8222-222222222222";
    let keys = format!("{{id: {KEY}, alias: [alias/ami]}}, {{id: {other}, alias: [alias/other]}}");
    let image = "{name: web, expect: {copied: {key: alias/other}}}";
    let region = format!("{{name: {REGION}, keys: [{keys}], images: [{image}]}}");
    let scenario = Scenario::new(lacking(world(&account(ACCOUNT, &region)))).await;
    let _replica = scenario.start().await;
    scenario.apply(&twice()).await;
    let image = scenario.image("web");
    exhausted_after(&scenario, &image, 2).await;

    scenario
        .sim()
        .change_settings(|settings| settings.copies.key_actions.clear());
    let named = json!([{"name": REGION, "kmsKeyID": "alias/other"}]);
    scenario.apply(&with(twice(), "defaults.regions", named)).await;
    scenario.completed(1).await;
    let migration = scenario.migration_of(&image).await.expect("a migration");
    assert!(migration.spec.key_arn.ends_with(other), "{}", migration.spec.key_arn);
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}
