//! Copies that are there already: believed by AWS's own record and by verification, never by tags.

use amiseal::api::conditions::{self, reason};
use ec2sim::Check;

use crate::harness::{ACCOUNT, Scenario, conditions_of, plain, policy, says, small_world};

const ORIGINAL: &str = "ami-000000000000000a1";

#[tokio::test]
async fn a_copy_that_somebody_made_by_hand_is_adopted() {
    let original = format!("{{id: {ORIGINAL}, name: original, expect: {{copied: {{key: alias/ami}}}}}}");
    let by_hand = format!("{{name: by-hand, encryptedUnder: alias/ami, sourceImageId: {ORIGINAL}, expect: encrypted}}");
    let scenario = Scenario::new(small_world(&[&original, &by_hand])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    assert_eq!(scenario.mutating_calls(), []);
    let migration = scenario.migration_of(ORIGINAL).await.expect("a migration");
    let ready = says(conditions_of(&migration), conditions::READY);
    assert_eq!(ready, format!("True/{}", reason::ADOPTED));
    let copy = migration.status.and_then(|status| status.copy).expect("a copy");
    assert_eq!(copy.image_id, Some(scenario.image("by-hand")));
    scenario.judged();
}

#[tokio::test]
async fn a_copy_from_before_aws_recorded_sources_on_images_is_adopted_by_what_its_snapshots_say() {
    let original = format!("{{id: {ORIGINAL}, name: original, expect: untouched}}");
    let old = format!(
        "{{name: old, encryptedUnder: alias/ami, creationDate: 2024-02-29T12:00:00Z, snapshotDescription: \"Copied for \
         DestinationAmi {{id}} from SourceAmi {ORIGINAL} for SourceSnapshot snap-0123456789abcdef0. Task created on \
         1,709,208,000,000.\", expect: encrypted}}"
    );
    let scenario = Scenario::new(small_world(&[&original, &old])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    assert_eq!(scenario.mutating_calls(), []);
    let migration = scenario.migration_of(ORIGINAL).await.expect("a migration");
    let copy = migration.status.and_then(|status| status.copy).expect("a copy");
    assert_eq!(copy.image_id, Some(scenario.image("old")));
    // The judge knows copies by their sources, and nothing is to be done here.
    scenario.judged();
}

#[tokio::test]
async fn an_image_made_from_an_instance_of_the_original_is_no_copy_also_where_aws_does_not_say_so() {
    let original = format!("{{id: {ORIGINAL}, name: original, expect: {{copied: {{key: alias/ami}}}}}}");
    let tags = format!("{{amiseal.dev/source-image: {ORIGINAL}, amiseal.dev/attempt: \"1\"}}");
    let made = format!(
        "{{name: made, encryptedUnder: alias/ami, tags: {tags}, sourceImageId: {ORIGINAL}, sourceInstanceId: \"\", expect: \
         encrypted}}"
    );
    let scenario = Scenario::new(small_world(&[&original, &made])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(1).await;

    let migration = scenario.migration_of(ORIGINAL).await.expect("a migration");
    let ready = says(conditions_of(&migration), conditions::READY);
    assert_eq!(ready, format!("True/{}", reason::SUCCEEDED), "a copy of its own");
    assert_eq!(scenario.copies_made(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_forged_copy_is_not_believed() {
    let original = format!("{{id: {ORIGINAL}, name: original, expect: {{copied: {{key: alias/ami}}}}}}");
    let tags = format!("{{amiseal.dev/source-image: {ORIGINAL}, amiseal.dev/attempt: \"1\"}}");
    // Our tags, but AWS does not say that it is a copy.
    let tagged = format!("{{name: tagged, encryptedUnder: alias/ami, tags: {tags}, expect: encrypted}}");
    // A copy, but of something smaller.
    let smaller = format!(
        "{{name: smaller, encryptedUnder: alias/ami, tags: {tags}, sourceImageId: {ORIGINAL}, devices: [{{gib: 4}}]}}"
    );
    // A copy, but in the clear: an image like any other.
    let clear =
        format!("{{name: clear, tags: {tags}, sourceImageId: {ORIGINAL}, expect: {{copied: {{key: alias/ami}}}}}}");
    let scenario = Scenario::new(small_world(&[&original, &tagged, &smaller, &clear, &plain("other")])).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario.completed(3).await;

    let migration = scenario.migration_of(ORIGINAL).await.expect("a migration");
    let copy = migration.status.and_then(|status| status.copy).expect("a copy");
    let copied = scenario
        .calls("CopyImage")
        .into_iter()
        .find(|call| call.effects.first() == copy.image_id.as_ref());
    assert_eq!(copied.expect("a copy of its own").params["SourceImageId"], ORIGINAL);
    assert_eq!(scenario.copies_made(), 3);
    // The judge takes what a person copied for copies that need not be made again.
    let mut findings = scenario.sim().audit().findings;
    findings.retain(|finding| !matches!(finding.check, Check::TooManyCopies | Check::CopiedTwice));
    assert_eq!(findings, []);
}
