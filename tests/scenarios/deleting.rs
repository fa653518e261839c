//! Deleting our resources deletes nothing in AWS, and making them again copies nothing twice.

use std::time::Duration;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use kube::api::{DeleteParams, ListParams};

use crate::harness::{ACCOUNT, Scenario, conditions_of, name_of, plain_ones, policy, says, small_world, state_of};

async fn nothing_is_left(scenario: &Scenario) {
    scenario
        .until("Kubernetes to collect targets and migrations", async || {
            let targets = scenario.targets().list(&ListParams::default()).await.ok()?;
            (targets.items.is_empty() && scenario.all_migrations().await.is_empty()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_deleted_policy_leaves_aws_as_it_is_and_another_one_adopts_every_copy() {
    let scenario = Scenario::new(small_world(&[&plain_ones("web-", 5)])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(5).await;
    let effects = scenario.effects();

    scenario.delete("production").await;
    nothing_is_left(&scenario).await;
    assert_eq!(scenario.effects(), effects, "after the deletion");

    scenario.apply(&policy("renamed", &[ACCOUNT])).await;
    scenario.completed(5).await;
    assert_eq!(scenario.effects(), effects, "after it was made again");
    for migration in scenario.all_migrations().await {
        let ready = says(conditions_of(&migration), conditions::READY);
        assert_eq!(ready, format!("True/{}", reason::ADOPTED), "{}", name_of(&migration));
    }
    scenario.judged();
}

#[tokio::test]
async fn a_policy_deleted_while_aws_copies_and_applied_again_at_once_adopts_what_is_in_flight() {
    let mut world = small_world(&[&plain_ones("web-", 5)]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario
        .until("all copies", async || (scenario.copies_made() == 5).then_some(()))
        .await;

    // Under the same name, and without waiting for Kubernetes to collect what the old one owned.
    scenario.delete("production").await;
    scenario.apply(&policy).await;
    scenario
        .until("new migrations that know their copies", async || {
            let uid = scenario.policy("production").await.metadata.uid?;
            let targets = scenario.targets().list(&ListParams::default()).await.ok()?.items;
            let target = targets
                .iter()
                .find(|t| t.metadata.owner_references.iter().flatten().any(|o| o.uid == uid))?;
            let ours = scenario.all_migrations().await.into_iter().filter(|m| {
                let owners = m.metadata.owner_references.iter().flatten();
                let copy = m.status.as_ref().and_then(|s| s.copy.as_ref()?.image_id.as_ref());
                copy.is_some() && owners.into_iter().any(|o| Some(&o.uid) == target.metadata.uid.as_ref())
            });
            (ours.count() == 5).then_some(())
        })
        .await;
    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(5).await;
    assert_eq!(scenario.copies_made(), 5);
    scenario.judged();
}

#[tokio::test]
async fn a_deleted_migration_comes_back_and_adopts_its_copy() {
    let mut world = small_world(&[&plain_ones("web-", 2)]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("both copies", async || (scenario.copies_made() == 2).then_some(()))
        .await;
    let image = scenario.image("web-1");
    let migration = scenario.reaches(&image, MigrationState::Copying).await;
    let deleted = scenario
        .migrations()
        .delete(&name_of(&migration), &DeleteParams::background())
        .await;
    deleted.expect("a migration can be deleted");
    scenario
        .until("another one in its place", async || {
            let new = scenario.migration_of(&image).await?;
            (new.metadata.uid != migration.metadata.uid && state_of(&new) == MigrationState::Copying).then_some(())
        })
        .await;
    scenario.sim().advance(Duration::from_secs(3600));
    scenario.completed(2).await;
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}
