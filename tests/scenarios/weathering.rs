//! AWS on a bad day: every image is still migrated, and exactly once.

use ec2sim::spec::{Throttling, TimeSource};
use ec2sim::{Act, Failure, FaultRule};

use crate::harness::{ACCOUNT, OTHER_ACCOUNT, Scenario, account, on, plain_ones, policy, region, world};

const IMAGES: usize = 12;

fn rough_world() -> ec2sim::WorldSpec {
    let images = region("eu-west-1", &[&plain_ones("web-", IMAGES)]);
    world(&(account(ACCOUNT, &images) + &account(OTHER_ACCOUNT, &images)))
}

async fn all_is_done_once(scenario: &Scenario) {
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT, OTHER_ACCOUNT])).await;
    scenario.completed(2 * IMAGES).await;
    assert_eq!(scenario.copies_made(), 2 * IMAGES);
    scenario.judged();
}

#[tokio::test]
async fn under_throttling_and_server_errors_every_image_is_migrated_once() {
    let scenario = Scenario::new(rough_world()).await;
    let sim = scenario.sim();
    sim.change_settings(|settings| {
        settings.throttling = Throttling {
            enabled: true,
            time: TimeSource::Real,
            scale: 0.5,
        };
    });
    let every = |operation: &str, every: u64, act: Act| FaultRule {
        every: Some(every),
        ..on(operation, act)
    };
    sim.add_fault(every("CopyImage", 3, Act::FailAfter(Failure::default())));
    sim.add_fault(every("CopyImage", 4, Act::DropAfter));
    sim.add_fault(every("CopyImage", 5, Act::FailBefore(Failure::default())));
    sim.add_fault(every("Describe*", 4, Act::FailBefore(Failure::default())));
    sim.add_fault(every("Describe*", 7, Act::Throttle));
    sim.add_fault(every("AssumeRole", 2, Act::DropBefore));
    all_is_done_once(&scenario).await;
}

#[tokio::test]
async fn with_late_answers_and_empty_pages_every_image_is_migrated_once() {
    let mut world = rough_world();
    world.settings.pagination.unstable_order = true;
    world.settings.pagination.empty_pages = 0.3;
    world.settings.pagination.largest_page = Some(5);
    let consistency = &mut world.settings.consistency;
    consistency.create_seconds = 3.0;
    consistency.tag_seconds = 3.0;
    consistency.attribute_seconds = 3.0;
    consistency.delete_seconds = 3.0;
    let scenario = Scenario::new(world).await;
    all_is_done_once(&scenario).await;
}

#[tokio::test]
async fn when_aws_allows_fewer_copies_at_a_time_than_the_policy_every_image_is_migrated_once() {
    let mut world = rough_world();
    world.settings.copies.beyond_limit = ec2sim::spec::LimitMode::Queue;
    for account in &mut world.accounts {
        for region in &mut account.regions {
            region.snapshot_copy_limit = 5;
        }
    }
    let scenario = Scenario::new(world).await;
    all_is_done_once(&scenario).await;
}
