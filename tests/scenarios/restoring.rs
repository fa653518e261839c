//! Statuses that somebody else has written whole, as whoever restores a backup does.

use std::time::Duration;

use amiseal::api::AMIMigration;
use amiseal::api::conditions::reason;
use ec2sim::Edit;
use kube::ResourceExt;
use kube::api::PostParams;
use serde_json::json;

use crate::harness::{ACCOUNT, KEY, REGION, Scenario, plain, policy, small_world, with};

/// Replaces a migration's status by what it is, so that every field of it belongs to somebody else.
async fn restore(scenario: &Scenario, migration: &AMIMigration) {
    let parameters = PostParams {
        field_manager: Some("backup".to_owned()),
        ..PostParams::default()
    };
    let (api, name) = (scenario.migrations(), migration.name_any());
    let mut empty = migration.clone();
    empty.status = None;
    empty.metadata.managed_fields = None;
    let emptied = api.replace_status(&name, &parameters, &empty).await;
    let mut whole = emptied.expect("a status can be taken away");
    whole.status.clone_from(&migration.status);
    let restored = api.replace_status(&name, &parameters, &whole).await;
    let restored = restored.expect("a status can be restored");
    assert_eq!(restored.status, migration.status);
}

#[tokio::test]
async fn a_copy_that_fails_after_its_record_was_restored_from_a_backup_is_made_again() {
    let mut world = small_world(&[&plain("web")]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "scanInterval", json!("1m")))
        .await;
    let image = scenario.image("web");
    let migration = scenario
        .until("the copy to be on record", async || {
            let migration = scenario.migration_of(&image).await?;
            migration
                .status
                .as_ref()?
                .copy
                .as_ref()?
                .image_id
                .is_some()
                .then_some(migration)
        })
        .await;
    replica.stop().await;
    restore(&scenario, &migration).await;

    let key_state = |state: &str| Edit::SetKeyState {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    };
    scenario.edit(key_state("Disabled"));
    scenario.sim().advance(Duration::from_secs(3600));
    let _replica = scenario.start().await;
    let migration = scenario.stalls(&image, reason::KEY_DISABLED).await;
    let copy = migration.status.and_then(|status| status.copy).expect("an attempt");
    assert_eq!(
        (copy.attempt, copy.image_id),
        (1, None),
        "the copy that failed is gone from the record"
    );

    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 0.5);
    scenario.edit(key_state("Enabled"));
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}
