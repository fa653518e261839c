//! Keys of copies: a migration says whether those who launch its original may use them.

use amiseal::api::{KeyAccessState, UsageState};
use serde_json::json;

use crate::consumers::{image_says, old, using};
use crate::harness::{ACCOUNT, KEY, REGION, Scenario, policy, with, world};

#[tokio::test]
async fn a_migration_says_who_may_not_use_the_key_of_its_copy_where_the_policy_looks_for_findings() {
    let launching = "launchTemplates: [{name: web, versions: [{image: golden}]}],
        autoScalingGroups: [{name: fleet, launchTemplate: {template: web}}]";
    let scenario = Scenario::new(world(&using(ACCOUNT, &[old("golden", "")], launching))).await;
    let _replica = scenario.start().await;
    let plain = policy("production", &[ACCOUNT]);
    scenario.apply(&plain).await;
    let used = image_says(&scenario, "golden", |usage| usage.state == UsageState::Used).await;
    assert!(used.key_access.is_empty(), "{used:?}");
    scenario.completed(1).await;
    assert!(scenario.calls("GetKeyPolicy").is_empty(), "nobody has allowed that");

    let audited = with(plain, "audit", json!({}));
    scenario.apply(&audited).await;
    let used = image_says(&scenario, "golden", |usage| !usage.key_access.is_empty()).await;
    let row = &used.key_access[0];
    assert_eq!(row.state, KeyAccessState::Denied);
    assert!(row.who.ends_with("/AWSServiceRoleForAutoScaling"), "{row:?}");
    let message = row.message.as_deref().unwrap_or_default();
    assert!(
        message.contains("AutoScalingGroup fleet") && message.contains("Add to the key's policy"),
        "{message}"
    );
    let account_row = used
        .key_access
        .iter()
        .find(|row| row.who == format!("account {ACCOUNT}"));
    assert_eq!(account_row.map(|row| row.state), Some(KeyAccessState::Delegated));

    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"});
    let opened = json!({"setKeyPolicy": {
        "account": ACCOUNT, "region": REGION, "key": KEY, "policy": {"Statement": [statement]},
    }});
    scenario.edit(serde_json::from_value(opened).expect("an edit"));
    scenario.apply(&with(audited, "scanInterval", json!("2h"))).await;
    image_says(&scenario, "golden", |usage| {
        usage.key_access.iter().all(|row| row.state == KeyAccessState::Allowed)
    })
    .await;
    scenario.judged();
}
