//! Policies that are changed while images are being migrated.

use std::time::Duration;

use amiseal::api::MigrationState;
use amiseal::api::conditions::reason;
use ec2sim::{Act, Failure, FaultRule};
use kube::api::ListParams;
use serde_json::{Value, json};

use super::has_none;
use crate::harness::{
    ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, on, plain_ones, policy, region, small_world, state_of,
    with, world,
};

/// One snapshot at a time, so that the other images wait.
fn one_at_a_time(accounts: &[&str]) -> Value {
    let copy = json!({"maxConcurrentSnapshots": 1});
    with(policy("production", accounts), "copy", copy)
}

async fn copies(scenario: &Scenario, count: usize) {
    scenario
        .until(&format!("{count} copies"), async || {
            (scenario.copies_made() == count).then_some(())
        })
        .await;
}

/// From now on copies take half a second, and those in flight are done.
fn hurry(scenario: &Scenario) {
    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 0.5);
    scenario.sim().advance(Duration::from_secs(3600));
}

#[tokio::test]
async fn after_a_change_of_the_key_what_has_begun_is_finished_under_the_old_one_and_the_rest_goes_under_the_new() {
    let image = |name: &str, year: u32, key: &str| {
        format!("{{name: {name}, creationDate: {year}-01-01T00:00:00Z, expect: {{copied: {{key: {key}}}}}}}")
    };
    let images = [
        image("begun", 2021, "alias/ami"),
        image("waiting-1", 2022, "alias/other"),
        image("waiting-2", 2023, "alias/other"),
    ];
    let other = "22222222-2222-4222-8222-222222222222";
    let keys = format!("{{id: {KEY}, alias: [alias/ami]}}, {{id: {other}, alias: [alias/other]}}");
    let region = format!("{{name: {REGION}, keys: [{keys}], images: [{}]}}", images.join(", "));
    let mut world = world(&account(ACCOUNT, &region));
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = one_at_a_time(&[ACCOUNT]);
    scenario.apply(&policy).await;
    copies(&scenario, 1).await;
    let begun = scenario
        .reaches(&scenario.image("begun"), MigrationState::Copying)
        .await;
    assert!(begun.spec.key_arn.ends_with(KEY));

    let named = json!([{"name": REGION, "kmsKeyID": "alias/other"}]);
    scenario.apply(&with(policy, "defaults.regions", named)).await;
    scenario
        .until("those that wait to be under the new key", async || {
            for name in ["waiting-1", "waiting-2"] {
                let migration = scenario.migration_of(&scenario.image(name)).await?;
                migration.spec.key_arn.ends_with(other).then_some(())?;
            }
            Some(())
        })
        .await;
    hurry(&scenario);
    scenario.completed(3).await;
    let after = scenario
        .migration_of(&scenario.image("begun"))
        .await
        .expect("a migration");
    assert_eq!(after.metadata.uid, begun.metadata.uid);
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}

#[tokio::test]
async fn an_account_that_is_taken_out_keeps_its_copies_and_hears_no_more_of_us() {
    let second = account(OTHER_ACCOUNT, &region(REGION, &["{name: \"theirs-{n}\", count: 3}"]));
    let accounts = account(ACCOUNT, &region(REGION, &[&plain_ones("web-", 2)])) + &second;
    let mut world = world(&accounts);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&one_at_a_time(&[ACCOUNT, OTHER_ACCOUNT])).await;
    copies(&scenario, 2).await;

    scenario.apply(&one_at_a_time(&[ACCOUNT])).await;
    scenario
        .until("its target and migrations to go", async || {
            let targets = scenario.targets().list(&ListParams::default()).await.ok()?.items;
            let all = scenario.all_migrations().await;
            let left = all.iter().filter(|m| m.spec.account_id == OTHER_ACCOUNT).count();
            (left == 0 && targets.len() == 1).then_some(())
        })
        .await;
    let theirs = |scenario: &Scenario| {
        let calls = scenario.sim().journal();
        calls.iter().filter(|call| call.account == OTHER_ACCOUNT).count()
    };
    // A call that is on its way is let through.
    let before = scenario.quiet("calls for the account", || theirs(&scenario)).await;
    hurry(&scenario);
    scenario.completed(2).await;
    assert_eq!(
        theirs(&scenario),
        before,
        "calls for an account that the policy does not name"
    );
    let effects = scenario.effects();
    assert_eq!(effects, ["CopyImage"; 3], "nothing is taken back: {effects:?}");
    scenario.judged();
}

#[tokio::test]
async fn after_the_selector_is_narrowed_what_has_begun_is_finished_and_what_waits_is_let_go() {
    let image = |name: &str, year: u32, expect: &str| {
        format!("{{name: {name}, creationDate: {year}-01-01T00:00:00Z, expect: {expect}}}")
    };
    let copied = "{copied: {key: alias/ami}}";
    let images = [
        image("old-refused", 2021, "untouched"),
        image("old-begun", 2022, copied),
        image("old-waiting", 2023, "untouched"),
        image("new-waiting", 2024, copied),
    ];
    let mut world = small_world(&images.each_ref().map(String::as_str));
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let refused = scenario.image("old-refused");
    let unauthorized = Failure {
        code: "UnauthorizedOperation".to_owned(),
        status: 403,
        message: "You are not authorized to perform this operation.".to_owned(),
    };
    scenario.sim().add_fault(FaultRule {
        parameters: [("SourceImageId".to_owned(), refused.clone())].into(),
        ..on("CopyImage", Act::FailBefore(unauthorized))
    });
    let _replica = scenario.start().await;
    let policy = one_at_a_time(&[ACCOUNT]);
    scenario.apply(&policy).await;
    // What is refused gives its shard to the next.
    scenario.stalls(&refused, reason::ACCESS_DENIED).await;
    copies(&scenario, 1).await;
    let begun = scenario.image("old-begun");
    scenario.reaches(&begun, MigrationState::Copying).await;

    let narrowed = json!({"include": [{"names": ["new-*"]}]});
    scenario.apply(&with(policy, "imageSelector", narrowed)).await;
    has_none(&scenario, &scenario.image("old-waiting")).await;
    has_none(&scenario, &refused).await;
    let migration = scenario.migration_of(&begun).await.expect("a migration");
    assert_eq!(state_of(&migration), MigrationState::Copying);
    hurry(&scenario);
    scenario.completed(2).await;
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}
