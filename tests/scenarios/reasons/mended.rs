//! What somebody puts right is seen at the scan that they ask for, and not when the refused call would be made again.

use amiseal::api::conditions::{self, reason};
use amiseal::api::{MigrationState, labels};
use ec2sim::{Act, Edit, Failure, FaultRule};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::{denied, stalls_saying};
use crate::harness::{
    ACCOUNT, REGION, Scenario, conditions_of, everything, give, on, plain, policy, says, small_world, without,
};

/// Where the ID stands in a listing by it.
const BY_ID: &str = "Filter.1.Value.1";
/// More than the SDK's attempts at two visits.
const LOOKS: usize = 8;

async fn ask_for_scan(scenario: &Scenario, value: &str) {
    let scan = Patch::Merge(json!({"metadata": {"annotations": {labels::SCAN: value}}}));
    let asked = scenario
        .policies()
        .patch("production", &PatchParams::default(), &scan)
        .await;
    asked.expect("an annotation can be set");
}

/// Calls for a copy, dry runs aside.
fn asked_for_copies(scenario: &Scenario) -> usize {
    let calls = scenario.calls("CopyImage");
    calls.iter().filter(|call| !call.dry_run).count()
}

#[tokio::test]
async fn an_original_that_is_gone_ends_a_refusal_and_a_failed_look_for_it_does_not() {
    let mut world = small_world(&["{name: appliance, expect: untouched}"]);
    world.expect.denials_are_wrong = Some(false);
    let scenario = Scenario::new(world).await;
    let refusal = Failure {
        code: "InvalidRequest".to_owned(),
        status: 400,
        message: "Images with EC2 BillingProduct codes cannot be copied".to_owned(),
    };
    scenario.sim().add_fault(on("CopyImage", Act::FailBefore(refusal)));
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    let image = scenario.image("appliance");
    scenario.stalls(&image, reason::PRODUCT_CODE_NOT_COPYABLE).await;
    let refused = asked_for_copies(&scenario);

    // Looks for it by its ID fail for a while.
    let by_id = FaultRule {
        name: Some(BY_ID.to_owned()),
        parameters: [(BY_ID.to_owned(), image.clone())].into(),
        ..on("DescribeImages", Act::FailBefore(Failure::default()))
    };
    scenario.sim().add_fault(by_id);
    scenario.edit(Edit::Deregister { image: image.clone() });
    ask_for_scan(&scenario, "gone").await;
    let looks = || {
        let calls = scenario.calls("DescribeImages");
        let of_image = calls.iter().filter(|call| call.params.get(BY_ID) == Some(&image));
        of_image.count()
    };
    let tried = async || (looks() >= LOOKS).then_some(());
    scenario.until("looks for it by its ID", tried).await;
    let migration = scenario.migration_of(&image).await.expect("a migration");
    let stalled = says(conditions_of(&migration), conditions::STALLED);
    assert_eq!(stalled, format!("True/{}", reason::PRODUCT_CODE_NOT_COPYABLE));

    scenario.sim().remove_faults(BY_ID);
    let done = scenario.reaches(&image, MigrationState::Completed).await;
    let ready = says(conditions_of(&done), conditions::READY);
    assert_eq!(ready, format!("True/{}", reason::SOURCE_GONE));
    assert_eq!(asked_for_copies(&scenario), refused, "what was refused is waited out");
}

#[tokio::test]
async fn what_was_denied_goes_on_once_the_role_may_do_it_again() {
    let mut world = small_world(&[&plain("web")]);
    denied(&mut world, "CopyImage", ACCOUNT);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    scenario.edit(give(ACCOUNT, without(&everything(ACCOUNT), &["ec2:CopyImage"])));
    let image = json!({"name": "later", "expect": {"copied": {"key": "alias/ami"}}});
    scenario.edit(Edit::AddImage {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        image: Box::new(serde_json::from_value(image).expect("an image")),
    });
    ask_for_scan(&scenario, "lost").await;
    stalls_saying(
        &scenario,
        &scenario.image("later"),
        reason::ACCESS_DENIED,
        &["ec2:CopyImage"],
    )
    .await;

    scenario.edit(give(ACCOUNT, everything(ACCOUNT)));
    ask_for_scan(&scenario, "granted").await;
    scenario.completed(2).await;
    scenario.judged();
}
