//! Usage reports: AWS tells what accounts use that no policy names, where a policy has it asked.

use amiseal::api::{UsageState, conditions};
use ec2sim::spec::{AllowedCall, WorldSpec};
use ec2sim::{Act, Failure};
use serde_json::json;

use crate::consumers::{counts, image_says, old, target_says, using};
use crate::harness::{ACCOUNT, REGION, Scenario, policy, says, with, world};

/// An account that no policy names.
const STRANGER: &str = "777788889999";

/// Two images that a stranger may launch, one of which they do, and one of nobody.
fn shared() -> WorldSpec {
    let far = format!(", launchPermissions: {{users: [\"{STRANGER}\"]}}");
    let images = [old("used", &far), old("spare", &far), old("idle", "")];
    let theirs = "launchTemplates: [{name: theirs, versions: [{image: used}]}], instances: [{image: used, count: 2}]";
    let accounts = [using(ACCOUNT, &images, "instances: []"), using(STRANGER, &[], theirs)];
    let mut world = world(&accounts.concat());
    world.settings.usage_reports.seconds = 1.0;
    world
}

#[tokio::test]
async fn what_accounts_use_that_no_policy_names_is_asked_of_aws_where_the_policy_wants_that() {
    let scenario = Scenario::new(shared()).await;
    let replica = scenario.start().await;
    let asked = policy("production", &[ACCOUNT]);
    scenario.apply(&asked).await;
    scenario.completed(3).await;
    image_says(&scenario, "used", |usage| usage.state == UsageState::Unknown).await;
    assert!(scenario.calls("DescribeImageUsageReports").is_empty());

    let wants = with(asked, "consumers", json!({"usageReports": "Create"}));
    scenario.apply(&wants).await;
    let spare = image_says(&scenario, "spare", |usage| {
        let message = usage.message.as_deref().unwrap_or_default();
        message.contains("AWS was asked at")
    })
    .await;
    assert_eq!(spare.state, UsageState::Unknown);
    let created = || scenario.calls("CreateImageUsageReport");
    assert_eq!(created().len(), 2, "nobody else may launch the third image");
    let tag = created()[0].params.get("TagSpecification.1.Tag.1.Value").cloned();
    assert_eq!(tag.as_deref(), Some("production"));

    // Until they are made. A change asks for another reading.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    scenario.apply(&with(wants.clone(), "scanInterval", json!("2h"))).await;
    let used = image_says(&scenario, "used", |usage| usage.state == UsageState::Used).await;
    assert_eq!(
        counts(&used),
        [("Instance", STRANGER, 2), ("LaunchTemplate", STRANGER, 1)]
    );
    assert!(
        used.report_time.is_some() && used.consumers.is_empty() && used.omitted == 3,
        "{used:?}"
    );
    // Something else may name it there.
    let spare = image_says(&scenario, "spare", |usage| {
        let message = usage.message.as_deref().unwrap_or_default();
        message.contains("counts no instance and no launch template")
    })
    .await;
    assert_eq!(spare.state, UsageState::Unknown);
    image_says(&scenario, "idle", |usage| usage.state == UsageState::Unused).await;

    // A process that knows nothing of it finds it in AWS.
    replica.stop().await;
    let read = scenario.calls("DescribeImageUsageReportEntries").len();
    let _replica = scenario.start().await;
    scenario
        .until("the reports to be read again", async || {
            (scenario.calls("DescribeImageUsageReportEntries").len() > read).then_some(())
        })
        .await;
    image_says(&scenario, "used", |usage| usage.state == UsageState::Used).await;
    assert_eq!(created().len(), 2);
    assert!(scenario.calls("DeleteImageUsageReport").is_empty());
    scenario.judged();
}

#[tokio::test]
async fn mode_audit_asks_for_no_report_and_a_role_that_may_not_is_told_which_action_it_lacks() {
    let mut world = shared();
    world.expect.expected_denials.push(AllowedCall {
        operation: Some("CreateImageUsageReport".to_owned()),
        ..AllowedCall::default()
    });
    let scenario = Scenario::new(world).await;
    let refused = "You are not authorized to perform this operation. User: arn:aws:sts::111122223333:assumed-role/amiseal/s is \
                   not authorized to perform: ec2:CreateImageUsageReport on resource: arn:aws:ec2:eu-west-1::image/ami-1";
    scenario.fault(
        "CreateImageUsageReport",
        Act::FailBefore(Failure {
            code: "UnauthorizedOperation".to_owned(),
            status: 403,
            message: refused.to_owned(),
        }),
    );
    let _replica = scenario.start().await;
    let wants = with(
        policy("production", &[ACCOUNT]),
        "consumers",
        json!({"usageReports": "Create"}),
    );
    scenario.apply(&with(wants.clone(), "mode", json!("Audit"))).await;
    target_says(&scenario, ACCOUNT, "something", |usage| usage.unknown > 0).await;
    for operation in ["DescribeImageUsageReports", "CreateImageUsageReport"] {
        assert!(scenario.calls(operation).is_empty(), "{operation}");
    }

    scenario.apply(&wants).await;
    scenario.completed(3).await;
    // Migrations are known by now: a change asks for another reading.
    scenario.apply(&with(wants.clone(), "scanInterval", json!("2h"))).await;
    let read = target_says(&scenario, ACCOUNT, "what could not be asked", |usage| {
        !usage.unread.is_empty()
    })
    .await;
    assert_eq!(read.unread.len(), 1);
    assert_eq!(read.unread[0].kind, "UsageReport");
    let why = &read.unread[0].message;
    assert!(why.contains("ec2:CreateImageUsageReport"), "{why}");
    assert_eq!(read.unused, 1, "it hides nothing else");
    let target = format!("production.{ACCOUNT}.{REGION}");
    scenario
        .until("the condition", async || {
            let said = scenario.target(&target).await.status?.conditions;
            let is_so = says(&said, conditions::USAGE_KNOWN).starts_with("False/")
                && says(&said, conditions::READY) == "True/Succeeded";
            is_so.then_some(())
        })
        .await;

    scenario.sim().clear_faults();
    scenario.apply(&with(wants, "scanInterval", json!("3h"))).await;
    target_says(&scenario, ACCOUNT, "everything", |usage| usage.unread.is_empty()).await;
    scenario
        .until("both reports", async || {
            let calls = scenario.calls("CreateImageUsageReport");
            let made = calls.iter().filter(|call| call.effect).count();
            (made == 2).then_some(())
        })
        .await;
    scenario.judged();
}
