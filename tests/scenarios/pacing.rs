//! When consumers are moved, when no more are, and what becomes of those whose copy is no more.

use amiseal::api::{
    AMIMigrationStatus, ConsumerState, ConsumerVersions, MigrationState, MovedConsumer, conditions::reason,
};
use ec2sim::spec::AllowedCall;
use ec2sim::{Act, Edit, Failure, FaultRule, OwnerAct};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::consumers::{old, using};
use crate::harness::{ACCOUNT, REGION, Scenario, on, with};
use crate::moving::{launched, message, movable, moved, moving, want};

const TEMPLATE: &str = "launchTemplates: [{name: web, versions: [{image: golden}]}]";

/// A policy that moves templates in windows that begin then.
fn scheduled(cron: &str, zone: &str) -> Value {
    let schedule = json!({"cron": cron, "timeZone": zone, "duration": "5m"});
    moving(json!({"launchTemplates": "Update", "schedule": schedule}))
}

/// The day after tomorrow at noon, which is not now.
fn another_day() -> String {
    let later = Timestamp::now().as_second() / 86_400 + 2;
    let later = Timestamp::from_second(later * 86_400).expect("a time");
    later.strftime("0 12 %d %m *").to_string()
}

async fn waits_for_window(scenario: &Scenario, image: &str) {
    scenario
        .until("the window to be waited for", async || {
            let migration = scenario.migration_of(image).await?;
            message(&migration)
                .contains("Outside of promotion.schedule")
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn consumers_are_moved_inside_of_the_schedule_only_and_one_that_is_wrong_says_so() {
    let scenario = Scenario::new(movable(TEMPLATE)).await;
    let _replica = scenario.start().await;
    // The 30th of February is in no year.
    scenario.apply(&scheduled("0 9 30 2 *", "UTC")).await;
    let golden = scenario.image("golden");
    let stalled = scenario.stalls(&golden, reason::INVALID_SCHEDULE).await;
    assert!(
        message(&stalled).starts_with("promotion.schedule.cron"),
        "{}",
        message(&stalled)
    );

    scenario.apply(&scheduled(&another_day(), "UTC")).await;
    waits_for_window(&scenario, &golden).await;
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden.clone()]);

    scenario.apply(&scheduled("* * * * *", "UTC")).await;
    moved(&scenario, reason::SUCCEEDED).await;
    assert_ne!(launched(&scenario, "web")[0], golden);
    scenario.judged();
}

#[tokio::test]
async fn a_younger_copy_waits_for_the_tags_of_an_older_one_and_not_for_what_launches_its_original() {
    let image = |name: &str, year: u32, gib: u32| {
        format!(
            "{{name: {name}, tags: {{role: web}}, creationDate: {year}-01-01T00:00:00Z, devices: [{{gib: {gib}}}], \
             expect: {{copied: {{key: alias/ami, tags: published}}}}}}"
        )
    };
    // The older one is larger, so that its copy is done last.
    let images = [image("golden", 2021, 40), image("younger", 2023, 10)];
    let mut world = movable(TEMPLATE);
    world.accounts = crate::harness::world(&using(ACCOUNT, &images, TEMPLATE)).accounts;
    world.settings.copies.seconds_per_gib = 0.1;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let publishing = |cron: &str| with(scheduled(cron, "UTC"), "promotion.tags", json!("Publish"));
    scenario.apply(&publishing(&another_day())).await;
    let (golden, younger) = (scenario.image("golden"), scenario.image("younger"));
    scenario.reaches(&younger, MigrationState::Completed).await;
    waits_for_window(&scenario, &golden).await;
    assert_eq!(launched(&scenario, "web"), [golden.clone(), golden.clone()]);
    let mut published = Vec::new();
    for image in [&golden, &younger] {
        let migration = scenario.migration_of(image).await.expect("a migration");
        published.extend(migration.status.and_then(|status| status.copy?.image_id));
    }
    let tagged: Vec<String> = scenario
        .calls("CreateTags")
        .iter()
        .flat_map(|call| call.effects.clone())
        .collect();
    assert_eq!(tagged, published);

    scenario.apply(&publishing("* * * * *")).await;
    moved(&scenario, reason::SUCCEEDED).await;
    scenario.judged();
}

#[tokio::test]
async fn after_too_many_failures_no_more_consumers_are_moved_until_somebody_has_looked() {
    let images = [old("golden", ""), old("silver", "")];
    let mut world = movable(TEMPLATE);
    world.accounts = crate::harness::world(&using(ACCOUNT, &images, TEMPLATE)).accounts;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let promotion = json!({"launchTemplates": "Update", "approval": "Manual", "maxFailures": 1});
    scenario.apply(&moving(promotion)).await;
    let golden = scenario.image("golden");
    scenario.stalls(&golden, reason::APPROVAL_REQUIRED).await;
    // As it stands where somebody has set back what was moved.
    let failed = AMIMigrationStatus {
        consumers: vec![MovedConsumer {
            kind: "LaunchTemplate".to_owned(),
            id: "lt-00000000000000001".to_owned(),
            state: ConsumerState::Left,
            reason: Some("RevertedByOwner".to_owned()),
            previous: Some(ConsumerVersions {
                latest: 1,
                ..ConsumerVersions::default()
            }),
            time: Some(Time(Timestamp::now())),
            ..MovedConsumer::default()
        }],
        ..AMIMigrationStatus::default()
    };
    let name = format!("{}.{REGION}", scenario.image("silver"));
    let patch = Patch::Merge(json!({"status": failed}));
    let patched = scenario
        .migrations()
        .patch_status(&name, &PatchParams::default(), &patch)
        .await;
    patched.expect("a status");
    want(&scenario, json!({"approval": "Approved", "approvedBy": "admin"})).await;
    let stalled = scenario.stalls(&golden, reason::TOO_MANY_FAILURES).await;
    let said = message(&stalled);
    assert!(said.contains("promotion.failuresAcknowledgedAt"), "{said}");
    assert!(scenario.calls("CreateLaunchTemplateVersion").is_empty());

    let soon = Timestamp::now() + std::time::Duration::from_secs(60);
    let now = soon.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let promotion = json!({"launchTemplates": "Update", "maxFailures": 1, "failuresAcknowledgedAt": now});
    scenario.apply(&moving(promotion)).await;
    moved(&scenario, reason::SUCCEEDED).await;
    assert_ne!(launched(&scenario, "web")[0], golden);
    scenario.judged();
}

#[tokio::test]
async fn a_consumer_that_aws_refuses_to_change_stops_no_other_image_and_is_moved_once_it_may_be() {
    let images = [old("golden", ""), old("silver", "")];
    let consumers = "launchTemplates: [{name: web, versions: [{image: silver}]}], \
                     parameters: [{name: /golden, dataType: \"aws:ec2:image\", image: golden}]";
    let mut world = movable(TEMPLATE);
    world.accounts = crate::harness::world(&using(ACCOUNT, &images, consumers)).accounts;
    world.expect.expected_denials.push(AllowedCall {
        operation: Some("PutParameter".to_owned()),
        ..AllowedCall::default()
    });
    let scenario = Scenario::new(world).await;
    let denied = Failure {
        code: "AccessDeniedException".to_owned(),
        status: 400,
        message: "You are not authorized to perform ssm:PutParameter.".to_owned(),
    };
    scenario.sim().add_fault(FaultRule {
        name: Some("denied".to_owned()),
        ..on("PutParameter", Act::FailBefore(denied))
    });
    let _replica = scenario.start().await;
    let promotion = json!({"launchTemplates": "Update", "ssmParameters": "Update", "approval": "Manual"});
    scenario.apply(&moving(promotion)).await;
    let (golden, silver) = (scenario.image("golden"), scenario.image("silver"));
    for image in [&golden, &silver] {
        scenario.stalls(image, reason::APPROVAL_REQUIRED).await;
    }
    let approved = json!({"approval": "Approved", "approvedBy": "admin"});
    want(&scenario, approved.clone()).await;
    scenario.stalls(&golden, reason::ACCESS_DENIED).await;

    let patch = Patch::Merge(json!({"spec": approved}));
    let patched = scenario
        .migrations()
        .patch(&format!("{silver}.{REGION}"), &PatchParams::default(), &patch)
        .await;
    patched.expect("people may change it");
    scenario
        .until("the other image's template to be moved", async || {
            (launched(&scenario, "web")[0] != silver).then_some(())
        })
        .await;
    scenario.stalls(&golden, reason::ACCESS_DENIED).await;

    scenario.sim().remove_faults("denied");
    scenario.ask_again(&golden, "1").await;
    moved(&scenario, reason::SUCCEEDED).await;
    scenario.judged();
}

#[tokio::test]
async fn a_copy_is_sealed_and_one_that_is_launched_and_no_more_is_noticed_and_its_consumers_can_be_put_back() {
    let scenario = Scenario::new(movable(TEMPLATE)).await;
    let _replica = scenario.start().await;
    let policy = moving(json!({"launchTemplates": "Update", "seal": "amiseal-verified"}));
    scenario.apply(&policy).await;
    moved(&scenario, reason::SUCCEEDED).await;
    let golden = scenario.image("golden");
    let [copy, _] = launched(&scenario, "web");
    scenario.sim().with_world(|world| {
        let copy = world.image(REGION, &copy).expect("the copy");
        let marks: Vec<&String> = copy.attributes.watermarks.keys().collect();
        assert_eq!(marks, [&format!("{ACCOUNT}:amiseal-verified")]);
    });

    scenario.edit(Edit::Owner {
        image: copy.clone(),
        act: OwnerAct::Disable,
    });
    scenario
        .apply(&with(policy.clone(), "scanInterval", json!("61m")))
        .await;
    let stalled = scenario.stalls(&golden, reason::PROMOTED_COPY_GONE).await;
    let said = message(&stalled);
    assert!(
        said.contains(&format!("1 consumer was moved to {copy}, which is disabled")),
        "{said}"
    );

    want(&scenario, json!({"desired": "RolledBack"})).await;
    scenario
        .until("the original to be launched again", async || {
            (launched(&scenario, "web") == [golden.clone(), golden.clone()]).then_some(())
        })
        .await;
    scenario.stalls(&golden, reason::COPY_DISABLED).await;
    scenario.edit(Edit::Owner {
        image: copy,
        act: OwnerAct::Enable,
    });
    scenario.apply(&with(policy, "scanInterval", json!("62m"))).await;
    moved(&scenario, reason::ROLLED_BACK).await;
    scenario.judged();
}
