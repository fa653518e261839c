//! Whatever keeps an image from being migrated: the reason is said with its mend, and when the mend is applied the
//! migration goes on by itself.

mod access;
mod classes;
mod copies;
mod editing;
mod exhausted;
mod governing;
mod images;
mod keys;
mod mended;
mod refusing;
mod unreachable;

use std::sync::atomic::{AtomicU64, Ordering};

use amiseal::api::{AMIMigration, conditions};
use ec2sim::spec::{AllowedCall, WorldSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use serde_json::{Value, json};

use crate::harness::{Scenario, condition, conditions_of, says, with};

/// Applies a policy with another scan interval than ever before. Any change of the policy has its accounts looked
/// through at once, and not at the next scan.
async fn look_again(scenario: &Scenario, policy: &Value) {
    static MINUTES: AtomicU64 = AtomicU64::new(61);
    let interval = format!("{}m", MINUTES.fetch_add(1, Ordering::Relaxed));
    scenario
        .apply(&with(policy.clone(), "scanInterval", json!(interval)))
        .await;
}

/// Waits until an image's migration is stalled for this reason, with a message that has all these words.
async fn stalls_saying(scenario: &Scenario, image: &str, why: &str, words: &[&str]) -> AMIMigration {
    let migration = scenario.stalls(image, why).await;
    let conditions = conditions_of(&migration);
    assert_eq!(says(conditions, conditions::READY), format!("False/{why}"), "{image}");
    has_words(condition(conditions, conditions::STALLED), words);
    migration
}

/// Waits until a condition of a target is so, and has a message with all these words.
async fn target_says(scenario: &Scenario, target: &str, type_: &str, expected: &str, words: &[&str]) {
    let conditions = scenario
        .until(&format!("{type_} of {target} to be {expected}"), async || {
            let conditions = scenario.targets().get(target).await.ok()?.status?.conditions;
            (says(&conditions, type_) == expected).then_some(conditions)
        })
        .await;
    has_words(condition(&conditions, type_), words);
}

fn has_words(condition: Option<&Condition>, words: &[&str]) {
    let message = condition.map_or("", |c| &c.message);
    for word in words {
        assert!(message.contains(word), "no «{word}» in «{message}»");
    }
}

/// Waits until an image has no migration any more.
async fn has_none(scenario: &Scenario, image: &str) {
    scenario
        .until(&format!("{image} to have no migration"), async || {
            scenario.migration_of(image).await.is_none().then_some(())
        })
        .await;
}

/// Denials of this operation to this account are meant.
fn denied(world: &mut WorldSpec, operation: &str, account: &str) {
    world.expect.expected_denials.push(AllowedCall {
        operation: Some(operation.to_owned()),
        account: Some(account.to_owned()),
        ..AllowedCall::default()
    });
}
