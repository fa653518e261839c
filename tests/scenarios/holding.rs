//! What holds the controller back: the mode Audit, and suspension.

use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{MigrationState, Mode};
use ec2sim::spec::Scope;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::harness::{ACCOUNT, REGION, Scenario, conditions_of, plain_ones, policy, says, small_world, state_of, with};

#[tokio::test]
async fn audit_writes_nothing_to_aws_makes_no_migration_and_could_not_write_if_it_tried() {
    let mut world = small_world(&[
        "{name: \"web-{n}\", count: 3}",
        "{name: done, encryptedUnder: alias/ami}",
    ]);
    world.expect.no_mutating_calls = vec![Scope::default()];
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&with(policy.clone(), "mode", json!("Audit"))).await;
    let status = scenario
        .until("the policy to count the images", async || {
            let status = scenario.policy("production").await.status?;
            status.images.filter(|images| images.total > 0)?;
            Some(status)
        })
        .await;

    let images = status.images.expect("counts");
    assert_eq!((images.total, images.unencrypted, images.encrypted), (4, 3, 1));
    assert_eq!(says(&status.conditions, conditions::READY), "True/Succeeded");
    let target = scenario.target(&format!("production.{ACCOUNT}.{REGION}")).await;
    let status = target.status.as_ref().expect("a status");
    let compliant = says(&status.conditions, conditions::COMPLIANT);
    assert_eq!(compliant, format!("False/{}", reason::UNENCRYPTED_IMAGES));
    assert_eq!(scenario.all_migrations().await, []);
    // There is no migration to name them.
    let named = target.status.as_ref().map(|status| status.unencrypted_images.clone());
    let mut named: Vec<String> = named.into_iter().flatten().map(|image| image.name).collect();
    named.sort();
    assert_eq!(named, ["web-1", "web-2", "web-3"]);
    for call in scenario.calls("AssumeRole") {
        let narrowed: serde_json::Value = serde_json::from_str(&call.params["Policy"]).expect("a session policy");
        let allowed = narrowed["Statement"].to_string();
        for verb in [
            "Copy",
            "Create",
            "Modify",
            "Enable",
            "Delete",
            "Deregister",
            "ec2:*",
            "\"*\"]",
        ] {
            assert!(!allowed.contains(verb), "{allowed}");
        }
    }
    scenario.judged();

    // Only with Enforce is it another session, and are there migrations.
    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 3600.0);
    scenario.apply(&policy).await;
    scenario
        .reaches(&scenario.image("web-1"), MigrationState::Copying)
        .await;
    let last = scenario.calls("AssumeRole").pop().expect("a call");
    assert!(!last.params.contains_key("Policy"), "{:?}", last.params);
}

#[tokio::test]
async fn a_target_that_is_set_to_enforce_by_hand_is_set_back_and_leaves_nothing_behind() {
    let mut world = small_world(&["{name: \"web-{n}\", count: 2, expect: untouched}"]);
    world.expect.no_mutating_calls = vec![Scope::default()];
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = with(policy("production", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&policy).await;
    scenario
        .until("the first scan", async || {
            let status = scenario.policy("production").await.status?;
            status.images.filter(|images| images.total > 0)
        })
        .await;
    let name = format!("production.{ACCOUNT}.{REGION}");
    for _ in 0..5 {
        let by_hand = Patch::Merge(json!({"spec": {"mode": "Enforce"}}));
        let parameters = PatchParams::default();
        let patched = scenario.targets().patch(&name, &parameters, &by_hand).await;
        patched.expect("taken");
        scenario
            .until("the target to be set back", async || {
                (scenario.target(&name).await.spec.mode == Mode::Audit).then_some(())
            })
            .await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(scenario.all_migrations().await, []);
    scenario.judged();
}

#[tokio::test]
async fn suspending_stops_every_call_at_once_and_resuming_finishes() {
    let mut world = small_world(&[&plain_ones("web-", 4)]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = with(
        policy("production", &[ACCOUNT]),
        "copy",
        json!({"maxConcurrentSnapshots": 1}),
    );
    scenario.apply(&policy).await;
    scenario
        .until("the first copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;

    scenario.apply(&with(policy.clone(), "suspend", json!(true))).await;
    scenario
        .until("everything to say that it is suspended", async || {
            let suspended = format!("False/{}", reason::SUSPENDED);
            let status = scenario.policy("production").await.status?;
            let asked_for = format!("True/{}", reason::SUSPENDED);
            let migrations = scenario.all_migrations().await;
            let all = migrations
                .iter()
                .all(|m| says(conditions_of(m), conditions::READY) == suspended);
            (all && says(&status.conditions, conditions::READY) == asked_for).then_some(())
        })
        .await;
    let changed = scenario.mutating_calls().len();
    // Who uses the images is read beside all else: that ends with the call that is on its way.
    let before = scenario
        .quiet("calls that were on their way", || scenario.sim().journal().len())
        .await;
    // The shard is free now, and a copy is done.
    scenario.sim().advance(Duration::from_secs(3600));
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(scenario.sim().journal().len(), before, "calls while suspended");
    assert_eq!(scenario.mutating_calls().len(), changed, "changes while suspended");
    let states: Vec<_> = scenario.all_migrations().await.iter().map(state_of).collect();
    assert_eq!(
        states.iter().filter(|s| **s == MigrationState::Copying).count(),
        1,
        "{states:?}"
    );

    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 0.5);
    scenario.apply(&policy).await;
    scenario.completed(4).await;
    assert_eq!(scenario.copies_made(), 4);
    scenario.judged();
}
