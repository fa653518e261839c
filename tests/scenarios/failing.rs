//! What AWS or a person gets wrong: said in a condition, bounded, and mended by itself when the cause is gone.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::spec::FailedCopies;
use ec2sim::{Act, AttributeLie, Edit, FaultRule, WorldSpec};
use serde_json::json;

use crate::harness::{
    ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, condition, conditions_of, give, once, plain, plain_ones,
    policy, region, says, small_world, state_of, take_away, with, world,
};

fn key_state(state: &str) -> Edit {
    Edit::SetKeyState {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    }
}

/// A world of one image whose copy takes an hour.
fn slow_world() -> WorldSpec {
    let mut world = small_world(&[&plain("web")]);
    world.settings.copies.base_seconds = 3600.0;
    world
}

#[tokio::test]
async fn a_copy_that_fails_since_its_key_was_disabled_is_removed_and_made_again_when_the_key_is_enabled() {
    let scenario = Scenario::new(slow_world()).await;
    fails_for_its_key(&scenario).await;
}

#[tokio::test]
async fn a_copy_that_has_failed_by_the_time_aws_answers_is_not_tried_anew_under_the_disabled_key() {
    let scenario = Scenario::new(slow_world()).await;
    scenario.sim().add_fault(once("CopyImage", Act::DelayReply(3.0)));
    fails_for_its_key(&scenario).await;
}

#[tokio::test]
async fn a_copy_that_has_failed_and_vanished_by_the_time_aws_answers_is_not_tried_anew_under_the_disabled_key() {
    let mut world = small_world(&["{name: web, expect: any}"]);
    world.settings.copies.base_seconds = 3600.0;
    world.settings.copies.failed = FailedCopies::Vanish;
    let scenario = Scenario::new(world).await;
    scenario.sim().add_fault(once("CopyImage", Act::DelayReply(3.0)));
    let _replica = scenario.start().await;
    is_disabled_while_copying(&scenario, "1h").await;
    let migration = scenario.stalls(&scenario.image("web"), reason::KEY_DISABLED).await;
    let failures = migration.status.and_then(|status| status.copy?.failures);
    assert_eq!(failures, Some(1));
    assert_eq!(scenario.effects(), ["CopyImage", "DeleteSnapshot"]);
    scenario.judged();
}

/// The key is disabled while the first copy is made.
async fn is_disabled_while_copying(scenario: &Scenario, scans: &str) {
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "scanInterval", json!(scans)))
        .await;
    scenario
        .until("the copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;
    // Nothing is waited for in between: whether the controller has AWS's answer by now makes no difference.
    scenario.edit(key_state("Disabled"));
    scenario.sim().advance(Duration::from_secs(3600));
}

/// The key is disabled while the first copy is made, and enabled once that is said.
async fn fails_for_its_key(scenario: &Scenario) {
    let _replica = scenario.start().await;
    is_disabled_while_copying(scenario, "1m").await;
    let image = scenario.image("web");
    scenario.stalls(&image, reason::KEY_DISABLED).await;
    scenario
        .until("the target to say so", async || {
            let target = scenario
                .target(&format!("production.{ACCOUNT}.{REGION}"))
                .await
                .status?;
            let usable = says(&target.conditions, conditions::KEY_USABLE);
            (usable == format!("False/{}", reason::KEY_DISABLED)).then_some(())
        })
        .await;
    let removed: Vec<String> = scenario
        .effects()
        .into_iter()
        .filter(|operation| operation != "CopyImage")
        .collect();
    assert_eq!(removed, ["DeregisterImage"]);
    let calls = scenario.calls("DeregisterImage");
    let snapshots = |id: &String| id.starts_with("snap-");
    assert!(
        calls.iter().any(|call| call.effects.iter().any(snapshots)),
        "its snapshot goes with it: {calls:?}"
    );
    assert_eq!(
        scenario.copies_made(),
        1,
        "no attempt is wasted on a key that is known to be disabled"
    );

    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 0.5);
    scenario.edit(key_state("Enabled"));
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}

#[tokio::test]
async fn attempts_are_bounded_and_an_annotation_asks_for_one_more() {
    let mut world = small_world(&[&plain("web")]);
    // The role lacks a right to the key, which AWS finds out only while it copies.
    world.settings.copies.key_actions = vec!["kms:CreateGrant".to_owned()];
    take_away(&mut world, ACCOUNT, &["kms:CreateGrant"]);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario
        .apply(&with(
            policy("production", &[ACCOUNT]),
            "copy",
            json!({"maxAttempts": 2}),
        ))
        .await;
    let image = scenario.image("web");
    scenario.stalls(&image, reason::ATTEMPTS_EXHAUSTED).await;
    assert_eq!(scenario.copies_made(), 2);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(scenario.copies_made(), 2);

    scenario
        .sim()
        .change_settings(|settings| settings.copies.key_actions.clear());
    scenario.ask_again(&image, "the role was mended").await;
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 3);
    scenario.judged();
}

#[tokio::test]
async fn a_copy_of_which_one_snapshot_is_not_encrypted_is_never_completed() {
    let image = "{name: web, devices: [{}, {}, {}], launchPermissions: {users: [\"444455556666\"]}}";
    let scenario = Scenario::new(small_world(&[image])).await;
    scenario.sim().add_fault(once("CopyImage", Act::CopyUnencrypted));
    lied_to(&scenario, reason::COPY_NOT_ENCRYPTED).await;
}

#[tokio::test]
async fn a_copy_of_which_one_snapshot_is_under_another_key_is_never_completed() {
    let image = "{name: web, devices: [{}, {}, {}], launchPermissions: {users: [\"444455556666\"]}}";
    let scenario = Scenario::new(small_world(&[image])).await;
    let other = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/99999999-9999-4999-8999-999999999999");
    scenario.sim().add_fault(once("CopyImage", Act::CopyUnderKey(other)));
    lied_to(&scenario, reason::COPY_NOT_ENCRYPTED).await;
}

#[tokio::test]
async fn a_copy_that_boots_in_another_way_is_never_completed() {
    let image = "{name: web, bootMode: uefi, launchPermissions: {users: [\"444455556666\"]}}";
    let scenario = Scenario::new(small_world(&[image])).await;
    let lie = AttributeLie {
        name: "bootMode".to_owned(),
        value: Some("legacy-bios".to_owned()),
    };
    scenario.sim().add_fault(once("CopyImage", Act::CopyAttribute(lie)));
    lied_to(&scenario, reason::ATTRIBUTE_MISMATCH).await;
}

/// The copy stalls in Verifying and nothing of it is published; after a person has removed it, a good one is made.
async fn lied_to(scenario: &Scenario, why: &str) {
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    let image = scenario.image("web");
    let migration = scenario.stalls(&image, why).await;
    assert_eq!(state_of(&migration), MigrationState::Verifying);
    let status = migration.status.expect("a status");
    assert!(condition(&status.conditions, conditions::VERIFIED).is_none_or(|c| c.status != "True"));
    assert_eq!(scenario.effects(), ["CopyImage"]);
    scenario.judged();
}

#[tokio::test]
async fn accounts_that_cannot_be_reached_say_why_and_hold_up_nobody() {
    let images = region(REGION, &[&plain_ones("web-", 3)]);
    let accounts = account(ACCOUNT, &images)
        + &account(OTHER_ACCOUNT, "").replace("platform", "something else")
        + "- {id: \"777788889999\"}\n";
    let mut world = world(&accounts);
    world.expect.denials_are_wrong = Some(false);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario
        .apply(&policy("production", &[ACCOUNT, OTHER_ACCOUNT, "777788889999"]))
        .await;
    // Without a role, the controller's own identity is used, and that is of another account.
    let regions = json!({"regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]});
    scenario
        .apply(&with(policy("own", &["222233334444"]), "defaults", regions))
        .await;
    scenario.completed(3).await;

    for (target, why) in [
        (
            format!("production.{OTHER_ACCOUNT}.{REGION}"),
            reason::ROLE_NOT_ASSUMABLE,
        ),
        (format!("production.777788889999.{REGION}"), reason::ROLE_NOT_ASSUMABLE),
        (format!("own.222233334444.{REGION}"), reason::WRONG_ACCOUNT),
    ] {
        let conditions = scenario
            .until(&format!("{target} to say {why}"), async || {
                let conditions = scenario.target(&target).await.status?.conditions;
                (says(&conditions, conditions::REACHABLE) == format!("False/{why}")).then_some(conditions)
            })
            .await;
        assert_eq!(
            says(&conditions, conditions::STALLED),
            format!("True/{why}"),
            "{target}"
        );
        assert_eq!(says(&conditions, conditions::READY), format!("False/{why}"), "{target}");
    }
    scenario
        .until("the policy to say so", async || {
            let status = scenario.policy("production").await.status?;
            let reachable = says(&status.conditions, conditions::TARGETS_REACHABLE);
            // A person has to act, and nothing is in progress any more.
            let stalled = says(&status.conditions, conditions::STALLED);
            (reachable == "False/SomeTargets" && stalled == "True/SomeTargets").then_some(())
        })
        .await;
    scenario.judged();
}

#[tokio::test]
async fn images_that_cannot_be_migrated_say_why_and_hold_up_nobody() {
    let expect = "expect: untouched";
    let images = [
        format!("{{name: instance-store, rootDeviceType: instance-store, {expect}}}"),
        format!("{{name: public, public: true, {expect}}}"),
        format!("{{name: unshared, devices: [{{ownedBy: \"{OTHER_ACCOUNT}\", shared: false}}], {expect}}}"),
        plain_ones("web-", 2),
    ];
    let accounts = account(ACCOUNT, &region(REGION, &images.each_ref().map(String::as_str)))
        + &account(OTHER_ACCOUNT, &region(REGION, &[]));
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    for name in ["web-1", "web-2"] {
        scenario.reaches(&scenario.image(name), MigrationState::Completed).await;
    }
    for (name, why) in [
        ("instance-store", reason::INSTANCE_STORE_IMAGE),
        ("public", reason::PUBLIC_IMAGE),
        ("unshared", reason::SNAPSHOT_NOT_SHARED),
    ] {
        scenario.stalls(&scenario.image(name), why).await;
    }
    scenario.judged();
}

#[tokio::test]
async fn a_denied_call_stalls_its_migration_and_names_the_action() {
    let image = "{name: web, launchPermissions: {users: [\"444455556666\"]}, expect: {copied: {key: alias/ami}}}";
    let mut world = small_world(&[image]);
    world.expect.denials_are_wrong = Some(false);
    let may = take_away(&mut world, ACCOUNT, &["ec2:ModifyImageAttribute"]);
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    let image = scenario.image("web");
    let migration = scenario.stalls(&image, reason::ACCESS_DENIED).await;
    assert_eq!(state_of(&migration), MigrationState::Promoting);
    let status = migration.status.expect("a status");
    let stalled = condition(&status.conditions, conditions::STALLED).expect("a condition");
    assert!(
        stalled.message.contains("ec2:ModifyImageAttribute"),
        "{}",
        stalled.message
    );

    scenario.edit(give(ACCOUNT, may));
    // It tries again after ten minutes; a new process at once.
    replica.stop().await;
    let _replica = scenario.start().await;
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn plain_http_to_another_machine_is_refused_at_the_start_in_one_sentence() {
    let scenario = Scenario::new(small_world(&[])).await;
    let described = scenario
        .describe("amiseal")
        .env("AWS_ENDPOINT_URL", "http://10.1.2.3:4566");
    let mut process = described.spawn().expect("a process");
    let status = process.wait(Duration::from_secs(120)).await.expect("an end");
    assert_eq!(status.code(), Some(1));
    let log = process.log();
    let said: Vec<&str> = log.lines().filter(|line| !line.contains(" INFO ")).collect();
    assert_eq!(said.len(), 1, "{log}");
    assert!(
        said[0].contains("AWS_ENDPOINT_URL") && said[0].contains("10.1.2.3") && said[0].contains("https"),
        "{log}"
    );
    assert_eq!(scenario.sim().journal(), []);
}

#[tokio::test]
async fn a_look_for_copies_that_is_throttled_while_nothing_is_in_flight_is_tried_again_long_before_the_next_scan() {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    // All attempts of the first look by the source.
    scenario.sim().add_fault(FaultRule {
        operation: Some("DescribeImages".to_owned()),
        parameters: BTreeMap::from([("Filter.1.Name".to_owned(), "source-image-id".to_owned())]),
        to: Some(3),
        act: Act::Throttle,
        ..FaultRule::default()
    });
    let _replica = scenario.start().await;
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "scanInterval", json!("1h")))
        .await;
    let image = scenario.image("web");
    scenario
        .until("the migration to say what it waits for", async || {
            let migration = scenario.migration_of(&image).await?;
            let ready = condition(conditions_of(&migration), conditions::READY)?;
            let look = "Waiting until amiseal has looked for existing copies of the image.";
            (ready.message == look).then_some(())
        })
        .await;
    scenario.completed(1).await;
    scenario.judged();
}
