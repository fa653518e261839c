//! Accounts and regions that cannot be looked through.

use std::collections::BTreeMap;

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::spec::{AllowedCall, OptIn};
use ec2sim::{Act, Edit, FaultRule};
use serde_json::{Value, json};

use super::{look_again, target_says};
use crate::harness::{ACCOUNT, REGION, Scenario, account, on, plain, plain_ones, policy, region, with, world};

const ROLELESS: &str = "100000000001";
const DISTRUSTING: &str = "100000000002";
const OTHER_ID: &str = "100000000003";
const OWN_IDENTITY: &str = "100000000004";
const NOT_ENABLED: &str = "100000000005";
const STS_DOWN: &str = "100000000006";
const STS_HANGS: &str = "100000000007";
const UNREACHABLE: [&str; 7] = [
    ROLELESS,
    DISTRUSTING,
    OTHER_ID,
    OWN_IDENTITY,
    NOT_ENABLED,
    STS_DOWN,
    STS_HANGS,
];

/// Asking for the role of this account ends so.
fn assuming(account: &str, act: Act) -> FaultRule {
    FaultRule {
        parameters: BTreeMap::from([("RoleArn".to_owned(), format!("*{account}*"))]),
        ..on("AssumeRole", act)
    }
}

#[tokio::test]
async fn accounts_that_cannot_be_reached_say_why_hold_up_nobody_and_are_migrated_when_they_can_be() {
    let mut accounts = account(ACCOUNT, &region(REGION, &[&plain_ones("web-", 3)]));
    for id in UNREACHABLE {
        let there = account(id, &region(REGION, &[&plain(&format!("web-{id}"))]));
        accounts += &match id {
            DISTRUSTING => there.replace("trust: [\"999900001111\"]", "trust: [\"888800001111\"]"),
            OTHER_ID => there.replace("externalID: platform", "externalID: another"),
            NOT_ENABLED => there.replace(
                &format!("{{name: {REGION},"),
                &format!("{{name: {REGION}, optIn: not-opted-in,"),
            ),
            _ => there,
        };
    }
    let mut world = world(&accounts);
    // The trust policies' own no.
    world.expect.expected_denials.push(AllowedCall {
        operation: Some("AssumeRole".to_owned()),
        ..AllowedCall::default()
    });
    let scenario = Scenario::new(world).await;
    scenario.sim().add_fault(assuming(STS_DOWN, Act::DropBefore));
    scenario.sim().add_fault(assuming(STS_HANGS, Act::DelayReply(600.0)));
    let _replica = scenario.start().await;

    let entry = |id: &str| match id {
        ROLELESS => json!({"accountID": id, "roleName": "misspelt"}),
        OWN_IDENTITY => json!({"accountID": id}),
        _ => json!({"accountID": id, "roleName": "amiseal"}),
    };
    let entries: Vec<Value> = UNREACHABLE.iter().map(|id| entry(id)).chain([entry(ACCOUNT)]).collect();
    let regions = json!([{"name": REGION, "kmsKeyID": "alias/ami"}]);
    let policy = with(policy("production", &[]), "accounts", json!(entries));
    let policy = with(
        policy,
        "defaults",
        json!({"externalID": "platform", "regions": regions}),
    );
    scenario.apply(&policy).await;

    let target = |id: &str| format!("production.{id}.{REGION}");
    for number in 1..=3 {
        let image = scenario.image(&format!("web-{number}"));
        scenario.reaches(&image, MigrationState::Completed).await;
    }
    let hanging = scenario.target(&target(STS_HANGS)).await.status;
    let answered = hanging.is_some_and(|status| status.images.is_some());
    assert!(!answered, "the account whose STS hangs was not waited for");

    for (id, why, words) in [
        (
            ROLELESS,
            reason::ROLE_NOT_ASSUMABLE,
            ["exists", "trusts", "external ID"],
        ),
        (
            DISTRUSTING,
            reason::ROLE_NOT_ASSUMABLE,
            ["exists", "trusts", "external ID"],
        ),
        (
            OTHER_ID,
            reason::ROLE_NOT_ASSUMABLE,
            ["exists", "trusts", "external ID"],
        ),
        (
            OWN_IDENTITY,
            reason::WRONG_ACCOUNT,
            ["another account", "role", "account"],
        ),
        (
            NOT_ENABLED,
            reason::REGION_NOT_ENABLED,
            ["enable the region", "account", "controller"],
        ),
        (
            STS_DOWN,
            reason::ENDPOINT_UNREACHABLE,
            ["sts:AssumeRole", "cannot be reached", ""],
        ),
    ] {
        let unreachable = format!("False/{why}");
        target_says(&scenario, &target(id), conditions::REACHABLE, &unreachable, &words).await;
        target_says(&scenario, &target(id), conditions::READY, &unreachable, &words).await;
        // What passes by itself needs nobody.
        let stalled = match why {
            reason::ENDPOINT_UNREACHABLE => format!("False/{}", reason::NOT_STALLED),
            _ => format!("True/{why}"),
        };
        target_says(&scenario, &target(id), conditions::STALLED, &stalled, &[]).await;
    }

    scenario.sim().clear_faults();
    scenario.edit(Edit::SetRoleTrust {
        account: DISTRUSTING.to_owned(),
        role: "amiseal".to_owned(),
        trust: vec!["999900001111".to_owned()],
    });
    scenario.edit(Edit::SetOptIn {
        account: NOT_ENABLED.to_owned(),
        region: REGION.to_owned(),
        opt_in: OptIn::OptedIn,
    });
    let entry = |id: &str| match id {
        OTHER_ID => json!({"accountID": id, "roleName": "amiseal", "externalID": "another"}),
        _ => json!({"accountID": id, "roleName": "amiseal"}),
    };
    let entries: Vec<Value> = UNREACHABLE.iter().map(|id| entry(id)).chain([entry(ACCOUNT)]).collect();
    look_again(&scenario, &with(policy, "accounts", json!(entries))).await;
    for id in UNREACHABLE {
        let image = scenario.image(&format!("web-{id}"));
        scenario.reaches(&image, MigrationState::Completed).await;
        target_says(&scenario, &target(id), conditions::REACHABLE, "True/Succeeded", &[]).await;
    }
    scenario.completed(3 + UNREACHABLE.len()).await;
    scenario.judged();
}
