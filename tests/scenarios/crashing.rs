//! Exactly one copy, whatever the moment at which the controller dies or an answer is lost.

use std::time::Duration;

use amiseal::api::MigrationState;
use ec2sim::Act;

use crate::harness::{ACCOUNT, Scenario, on, once, plain, policy, small_world};

/// A scenario of one image, and that image's ID.
async fn one_image() -> (Scenario, String) {
    let scenario = Scenario::new(small_world(&[&plain("web")])).await;
    let image = scenario.image("web");
    (scenario, image)
}

/// The image is migrated in the end, by one copy, and the first attempt's.
async fn one_copy(scenario: &Scenario, image: &str) {
    scenario.completed(1).await;
    assert_eq!(scenario.copies_made(), 1);
    let migration = scenario.migration_of(image).await.expect("a migration");
    let copy = migration.status.and_then(|status| status.copy).expect("a copy");
    assert_eq!(copy.attempt, 1);
    scenario.judged();
}

#[tokio::test]
async fn killed_between_intent_and_copy_it_makes_one_copy() {
    let (scenario, image) = one_image().await;
    scenario.fault("CopyImage", Act::DropBefore);
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("CopyImage to be tried", async || scenario.calls("CopyImage").pop())
        .await;
    let migration = scenario.reaches(&image, MigrationState::Copying).await;
    replica.kill();
    let intent = migration.status.and_then(|status| status.copy).expect("an intent");
    assert_eq!((intent.attempt, intent.image_id), (1, None));
    assert_eq!(scenario.copies_made(), 0);

    scenario.sim().clear_faults();
    let _replica = scenario.start().await;
    one_copy(&scenario, &image).await;
}

#[tokio::test]
async fn killed_between_copy_and_status_it_makes_one_copy() {
    let (scenario, image) = one_image().await;
    // Whoever waits in vain for an answer asks once more, and gets none either.
    scenario.fault("CopyImage", Act::DelayReply(600.0));
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;
    replica.kill();
    let migration = scenario.reaches(&image, MigrationState::Copying).await;
    let intent = migration.status.and_then(|status| status.copy).expect("an intent");
    assert_eq!((intent.attempt, intent.image_id), (1, None));

    scenario.sim().clear_faults();
    let _replica = scenario.start().await;
    one_copy(&scenario, &image).await;
}

#[tokio::test]
async fn killed_while_the_copy_does_not_show_yet_it_makes_one_copy() {
    let (scenario, image) = one_image().await;
    scenario
        .sim()
        .change_settings(|settings| settings.consistency.create_seconds = 20.0);
    scenario.fault("CopyImage", Act::DelayReply(600.0));
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the copy", async || (scenario.copies_made() == 1).then_some(()))
        .await;
    replica.kill();

    scenario.sim().clear_faults();
    let _replica = scenario.start().await;
    scenario
        .until("the copy's ID to be on record", async || {
            let status = scenario.migration_of(&image).await?.status?;
            status.copy?.image_id
        })
        .await;
    scenario.sim().advance(Duration::from_secs(20));
    one_copy(&scenario, &image).await;
}

#[tokio::test]
async fn killed_and_started_before_a_late_copy_takes_effect_it_makes_one_copy() {
    let (scenario, image) = one_image().await;
    // Every connection breaks, and the first call is carried out long after.
    scenario.sim().add_fault(once("CopyImage", Act::DelayEffect(15.0)));
    scenario.fault("CopyImage", Act::DropBefore);
    let replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("CopyImage to be tried", async || scenario.calls("CopyImage").pop())
        .await;
    replica.kill();
    assert_eq!(scenario.copies_made(), 0);

    scenario.sim().clear_faults();
    let _replica = scenario.start().await;
    scenario.completed(1).await;
    // Now the call from before comes through: AWS knows its token.
    scenario.sim().advance(Duration::from_secs(15));
    one_copy(&scenario, &image).await;
}

#[tokio::test]
async fn when_every_first_answer_is_lost_it_makes_one_copy() {
    let (scenario, image) = one_image().await;
    for operation in [
        "CopyImage",
        "ModifyImageAttribute",
        "CreateTags",
        "EnableImageDeprecation",
    ] {
        scenario.sim().add_fault(once(operation, Act::DropAfter));
    }
    scenario.sim().add_fault(once("AssumeRole", Act::DropAfter));
    scenario.sim().add_fault(on("DescribeRegions", Act::Throttle));
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    one_copy(&scenario, &image).await;
}
