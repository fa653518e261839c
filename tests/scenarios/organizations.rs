//! Accounts from AWS Organizations: new ones get their targets by themselves, those that are suspended leave, and a read that fails
//! takes nothing away.

use amiseal::api::AMIEncryptionPolicyStatus;
use amiseal::api::conditions::{self, reason};
use ec2sim::{Act, Edit, Failure, WorldSpec};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, OTHER_ACCOUNT, REGION, Replica, Scenario, account, condition, on, plain, policy, region,
};
use crate::harness::{says, with, world};

/// An account that joins later.
const NEW_ACCOUNT: &str = "777788889999";
const ORGANIZATION: &str = "o-a1b2c3d4e5";
const UNIT: &str = "ou-ab12-c3d4e5f6";

/// An organization of the controller's account, with one account in a unit and another one in a unit below that. Each account of the
/// world has an image.
fn organized(accounts: &[&str]) -> WorldSpec {
    let with_image = |id: &&str| account(id, &region(REGION, &[&plain("web")]));
    let mut yaml: String = accounts.iter().map(with_image).collect();
    yaml += &format!(
        r#"
organizations:
- id: {ORGANIZATION}
  managementAccount: "999900001111"
  root: r-ab12
  units:
  - {{id: {UNIT}, name: workloads, accounts: ["{ACCOUNT}"]}}
  - {{id: ou-ab12-aaaabbbb, name: more, parent: {UNIT}, accounts: ["{OTHER_ACCOUNT}"]}}
"#
    );
    listing(world(&yaml))
}

/// The controller may list accounts.
fn listing(mut world: WorldSpec) -> WorldSpec {
    world.identities[0].allow.push("organizations:*".to_owned());
    world
}

/// A policy of the accounts that AWS Organizations lists.
fn from(source: Value) -> Value {
    with(policy("production", &[]), "accountsFrom", source)
}

fn of_unit() -> Value {
    from(json!({"organizationalUnits": [UNIT]}))
}

/// Starts a replica that reads accounts every few seconds.
async fn start(scenario: &Scenario) -> Replica {
    let process = scenario.describe("amiseal").args(["--accounts-read-interval", "5s"]);
    let mut replica = Replica {
        process: process.spawn().expect("a replica"),
    };
    replica.leads().await;
    replica
}

fn target(account: &str) -> String {
    format!("production.{account}.{REGION}")
}

async fn has_target(scenario: &Scenario, account: &str) -> bool {
    let target = scenario.targets().get_opt(&target(account)).await;
    target.expect("an answer").is_some()
}

async fn status(scenario: &Scenario) -> Option<AMIEncryptionPolicyStatus> {
    scenario.policy("production").await.status
}

/// Waits until the policy says this of its accounts, and gives its status.
async fn known(scenario: &Scenario, said: &str) -> AMIEncryptionPolicyStatus {
    scenario
        .until(&format!("accounts to be {said}"), async || {
            let status = status(scenario).await?;
            (says(&status.conditions, conditions::ACCOUNTS_KNOWN) == said).then_some(status)
        })
        .await
}

fn reads(scenario: &Scenario) -> usize {
    scenario.calls("ListAccountsForParent").len()
}

#[tokio::test]
async fn a_new_account_gets_its_target_by_itself_and_a_suspended_one_leaves_after_two_reads() {
    let scenario = Scenario::new(organized(&[ACCOUNT, OTHER_ACCOUNT, NEW_ACCOUNT])).await;
    let _replica = start(&scenario).await;
    scenario.apply(&of_unit()).await;
    scenario.completed(2).await;
    let counts = known(&scenario, "True/Read").await.accounts.expect("counts");
    assert_eq!((counts.total, counts.excluded, counts.suspended), (2, 0, 0));
    assert!(!has_target(&scenario, NEW_ACCOUNT).await);

    scenario.edit(Edit::JoinOrganization {
        organization: ORGANIZATION.to_owned(),
        parent: UNIT.to_owned(),
        account: NEW_ACCOUNT.to_owned(),
    });
    scenario
        .until("the new account's target", async || {
            has_target(&scenario, NEW_ACCOUNT).await.then_some(())
        })
        .await;
    scenario.completed(3).await;

    let before = reads(&scenario);
    scenario.edit(Edit::SetAccountState {
        account: OTHER_ACCOUNT.to_owned(),
        state: "SUSPENDED".to_owned(),
    });
    scenario
        .until("the suspended account to leave", async || {
            (!has_target(&scenario, OTHER_ACCOUNT).await).then_some(())
        })
        .await;
    // The unit that it is in was read twice, and the one above it before the second time.
    assert!(reads(&scenario) >= before + 3, "one read is not enough");
    let counts = scenario
        .until("the accounts to be counted anew", async || {
            let counts = status(&scenario).await?.accounts?;
            (counts.total == 2).then_some(counts)
        })
        .await;
    assert_eq!((counts.excluded, counts.suspended), (0, 1));
    for account in [ACCOUNT, NEW_ACCOUNT] {
        assert!(has_target(&scenario, account).await, "{account}");
    }
    assert_eq!(scenario.copies_made(), 3, "its copy stays in AWS");
    scenario.judged();
}

#[tokio::test]
async fn a_denied_read_keeps_all_accounts_also_after_a_restart_and_says_so() {
    let scenario = Scenario::new(organized(&[ACCOUNT, OTHER_ACCOUNT])).await;
    let replica = start(&scenario).await;
    scenario.apply(&of_unit()).await;
    scenario.completed(2).await;
    let denial = Failure {
        code: "AccessDeniedException".to_owned(),
        status: 400,
        message: "You don't have permissions to access this resource.".to_owned(),
    };
    scenario
        .sim()
        .add_fault(on("ListAccountsForParent", Act::FailBefore(denial)));
    let denied = format!("False/{}", reason::ACCESS_DENIED);
    known(&scenario, &denied).await;

    replica.kill();
    // Before the new one starts, which reads at once and waits for long when it is denied.
    let read = reads(&scenario);
    let _replica = start(&scenario).await;
    scenario
        .until("the new replica to be denied too", async || {
            (reads(&scenario) > read).then_some(())
        })
        .await;
    let said = known(&scenario, &denied).await;
    let message = condition(&said.conditions, conditions::ACCOUNTS_KNOWN).map(|one| one.message.clone());
    let message = message.unwrap_or_default();
    assert!(message.contains("accountsFrom.roleARN"), "{message}");
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        assert!(has_target(&scenario, account).await, "{account}");
    }
    assert_eq!(said.accounts.map(|counts| counts.total), Some(2));

    // Who changes the policy need not wait, and what that leaves out leaves at once.
    scenario.sim().clear_faults();
    let source = json!({"organizationalUnits": [UNIT], "exclude": [OTHER_ACCOUNT]});
    scenario.apply(&from(source)).await;
    scenario
        .until("the account that is left out to leave", async || {
            (!has_target(&scenario, OTHER_ACCOUNT).await).then_some(())
        })
        .await;
    known(&scenario, "True/Read").await;
    assert!(has_target(&scenario, ACCOUNT).await);
    scenario.judged();
}

#[tokio::test]
async fn a_policy_whose_accounts_were_never_read_is_not_ready_and_names_the_fix() {
    let world = world(&account(ACCOUNT, &region(REGION, &[&plain("web")])));
    let scenario = Scenario::new(listing(world)).await;
    let _replica = start(&scenario).await;
    scenario.apply(&from(json!({"organization": {}}))).await;
    let invalid = format!("False/{}", reason::INVALID_REQUEST);
    let said = known(&scenario, &invalid).await;
    assert_eq!(says(&said.conditions, conditions::READY), invalid);
    let stalled = condition(&said.conditions, conditions::STALLED).expect("a condition");
    assert_eq!(stalled.status, "True");
    assert!(stalled.message.contains("in no organization"), "{}", stalled.message);
    assert_eq!(says(&said.conditions, conditions::COMPLIANT), "Unknown/NotReadYet");
    assert!(said.accounts.is_none());

    // An account that the policy lists itself needs nobody's list.
    let listed = with(
        from(json!({"organization": {}})),
        "accounts",
        json!([{"accountID": ACCOUNT}]),
    );
    scenario.apply(&listed).await;
    scenario.completed(1).await;
    scenario.judged();
}

#[tokio::test]
async fn an_account_that_a_policy_leaves_to_aws_organizations_keeps_its_target_while_nobody_can_read_them() {
    let scenario = Scenario::new(organized(&[ACCOUNT, OTHER_ACCOUNT, NEW_ACCOUNT])).await;
    let _replica = start(&scenario).await;
    let listed = with(of_unit(), "accounts", json!([{"accountID": NEW_ACCOUNT}]));
    scenario.apply(&listed).await;
    scenario.completed(3).await;
    known(&scenario, "True/Read").await;
    let uid = async || scenario.targets().get(&target(NEW_ACCOUNT)).await.ok()?.metadata.uid;
    let before = uid().await.expect("a target");

    let denial = Failure {
        code: "AccessDeniedException".to_owned(),
        status: 400,
        message: "You don't have permissions to access this resource.".to_owned(),
    };
    scenario
        .sim()
        .add_fault(on("ListAccountsForParent", Act::FailBefore(denial)));
    scenario.apply(&of_unit()).await;
    let denied = format!("False/{}", reason::ACCESS_DENIED);
    scenario
        .until("the policy without accounts of its own to be denied", async || {
            let policy = scenario.policy("production").await;
            let status = policy.status?;
            let said = condition(&status.conditions, conditions::ACCOUNTS_KNOWN)?;
            let is_of_this = policy.spec.accounts.is_empty() && said.observed_generation == policy.metadata.generation;
            (is_of_this && says(&status.conditions, conditions::ACCOUNTS_KNOWN) == denied).then_some(())
        })
        .await;
    assert_eq!(uid().await, Some(before));
    scenario.judged();
}
