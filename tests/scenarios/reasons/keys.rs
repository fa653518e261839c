//! What is wrong with a key.

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::Edit;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{look_again, stalls_saying, target_says};
use crate::harness::{
    ACCOUNT, KEY, OTHER_ACCOUNT, REGION, Scenario, account, name_of, policy, small_world, with, world,
};

const DISABLED: &str = "eu-west-1";
const TO_BE_DELETED: &str = "eu-west-2";
const SIGNING: &str = "eu-west-3";
const ABSENT: &str = "eu-central-1";
const NOT_IMPORTED: &str = "eu-north-1";

/// A region whose policy's alias names this key, beside a good key and an image that is to be copied under `ends_under`.
fn with_key(name: &str, key: &str, ends_under: &str) -> String {
    let good = "{id: 22222222-2222-4222-8222-222222222222, alias: [alias/good]}";
    let keys = if key.is_empty() {
        good.to_owned()
    } else {
        format!("{{id: {KEY}, alias: [alias/ami], {key}}}, {good}")
    };
    let expect = format!("expect: {{copied: {{key: {ends_under}}}}}");
    format!("{{name: {name}, keys: [{keys}], images: [{{name: web-{name}, {expect}}}]}}, ")
}

/// A policy for these regions of the account.
fn in_regions(regions: &[&str]) -> Value {
    let regions: Vec<Value> = regions
        .iter()
        .map(|name| json!({"name": name, "kmsKeyID": "alias/ami"}))
        .collect();
    with(policy("production", &[ACCOUNT]), "defaults.regions", json!(regions))
}

fn key_state(region: &str, state: &str) -> Edit {
    Edit::SetKeyState {
        account: ACCOUNT.to_owned(),
        region: region.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    }
}

fn alias_of_good(region: &str) -> Edit {
    Edit::SetAlias {
        account: ACCOUNT.to_owned(),
        region: region.to_owned(),
        alias: "alias/ami".to_owned(),
        key: "alias/good".to_owned(),
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_used_says_why_and_its_images_are_migrated_when_it_can_be() {
    let regions = with_key(DISABLED, "state: Disabled", "alias/ami")
        + &with_key(TO_BE_DELETED, "state: PendingDeletion", "alias/ami")
        + &with_key(NOT_IMPORTED, "state: PendingImport", "alias/ami")
        + &with_key(SIGNING, "usage: SIGN_VERIFY, spec: RSA_2048", "alias/good")
        + &with_key(ABSENT, "", "alias/good");
    let scenario = Scenario::new(world(&account(ACCOUNT, &regions))).await;
    let _replica = scenario.start().await;
    let policy = in_regions(&[DISABLED, TO_BE_DELETED, NOT_IMPORTED, SIGNING, ABSENT]);
    scenario.apply(&policy).await;

    for (region, why, words) in [
        (DISABLED, reason::KEY_DISABLED, ["alias/ami", "enable it"]),
        (
            TO_BE_DELETED,
            reason::KEY_PENDING_DELETION,
            ["alias/ami", "cancel its deletion"],
        ),
        (
            NOT_IMPORTED,
            reason::KEY_UNAVAILABLE,
            ["alias/ami", "complete its import"],
        ),
        (SIGNING, reason::KEY_WRONG_USAGE, ["alias/ami", "ENCRYPT_DECRYPT"]),
        (ABSENT, reason::KEY_NOT_FOUND, ["alias/ami", "create it"]),
    ] {
        let target = format!("production.{ACCOUNT}.{region}");
        for (type_, status) in [(conditions::KEY_USABLE, "False"), (conditions::STALLED, "True")] {
            target_says(&scenario, &target, type_, &format!("{status}/{why}"), &words).await;
        }
        // A migration names its key, so there is none before there is a key.
        if region != ABSENT {
            stalls_saying(&scenario, &scenario.image(&format!("web-{region}")), why, &words).await;
        }
    }
    assert_eq!(scenario.all_migrations().await.len(), 4);
    assert_eq!(scenario.mutating_calls(), []);

    scenario.edit(key_state(DISABLED, "Enabled"));
    scenario.edit(key_state(TO_BE_DELETED, "Enabled"));
    scenario.edit(key_state(NOT_IMPORTED, "Enabled"));
    scenario.edit(alias_of_good(SIGNING));
    scenario.edit(alias_of_good(ABSENT));
    look_again(&scenario, &policy).await;
    scenario.completed(5).await;
    for region in [DISABLED, TO_BE_DELETED, NOT_IMPORTED, SIGNING, ABSENT] {
        let target = format!("production.{ACCOUNT}.{region}");
        target_says(&scenario, &target, conditions::KEY_USABLE, "True/Succeeded", &[]).await;
    }
    assert_eq!(scenario.copies_made(), 5);
    scenario.judged();
}

#[tokio::test]
async fn a_key_that_is_deleted_while_an_image_waits_is_missed_and_another_one_takes_its_place() {
    let scenario = Scenario::new(world(&account(
        ACCOUNT,
        &with_key(REGION, "state: Disabled", "alias/good"),
    )))
    .await;
    let _replica = scenario.start().await;
    let policy = in_regions(&[REGION]);
    scenario.apply(&policy).await;
    let image = scenario.image(&format!("web-{REGION}"));
    scenario.stalls(&image, reason::KEY_DISABLED).await;

    scenario.edit(Edit::DeleteKey {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
    });
    look_again(&scenario, &policy).await;
    let words = ["alias/ami", "create it, or correct kmsKeyID"];
    stalls_saying(&scenario, &image, reason::KEY_NOT_FOUND, &words).await;

    let named = json!([{"name": REGION, "kmsKeyID": "alias/good"}]);
    scenario.apply(&with(policy, "defaults.regions", named)).await;
    scenario.completed(1).await;
    scenario.judged();
}

#[tokio::test]
async fn a_key_of_another_region_is_refused_before_anything_is_done() {
    let scenario = Scenario::new(small_world(&[])).await;
    let key = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}");
    let regions = json!([{"name": REGION, "kmsKeyID": key}]);
    let wrong = with(policy("production", &[ACCOUNT]), "defaults.regions", regions);
    let parameters = PatchParams::apply("person");
    let refused = scenario
        .policies()
        .patch("production", &parameters, &Patch::Apply(&wrong))
        .await;
    let sentence = refused.expect_err("a refusal").to_string();
    assert!(
        sentence.contains("kmsKeyID must be a key of the region") && sentence.contains("arn:aws:kms:eu-west-1:"),
        "{sentence}"
    );
}

#[tokio::test]
async fn an_image_that_is_shared_is_not_copied_under_the_default_key_until_it_may_be() {
    let image = |name: &str, permissions: &str| {
        format!(
            "{{name: {name}, launchPermissions: {{users: [\"{OTHER_ACCOUNT}\"]}}, \
             expect: {{copied: {{key: alias/aws/ebs, launchPermissions: {permissions}}}}}}}"
        )
    };
    let images = [image("unshared", "preserved"), image("shared", "none")].join(", ");
    let keys = "keys: [{alias: [alias/aws/ebs]}]";
    let regions = format!("{{name: {REGION}, {keys}, images: [{images}]}}");
    let accounts = account(ACCOUNT, &regions) + &format!("- {{id: \"{OTHER_ACCOUNT}\"}}\n");
    let scenario = Scenario::new(world(&accounts)).await;
    let _replica = scenario.start().await;
    let regions = json!([{"name": REGION, "kmsKeyID": "alias/aws/ebs"}]);
    let policy = with(policy("production", &[ACCOUNT]), "defaults.regions", regions);
    scenario.apply(&policy).await;
    let words = ["customer managed key", "promotion.launchPermissions: Drop"];
    let why = reason::DEFAULT_KEY_CANNOT_BE_SHARED;
    for name in ["unshared", "shared"] {
        stalls_saying(&scenario, &scenario.image(name), why, &words).await;
    }
    assert_eq!(scenario.mutating_calls(), []);

    scenario.edit(Edit::Share {
        image: scenario.image("unshared"),
        add: vec![],
        remove: vec![OTHER_ACCOUNT.to_owned()],
    });
    let still = scenario.stalls(&scenario.image("shared"), why).await;
    look_again(&scenario, &policy).await;
    scenario
        .reaches(&scenario.image("unshared"), MigrationState::Completed)
        .await;
    let after = scenario.stalls(&scenario.image("shared"), why).await;
    assert_eq!(name_of(&after), name_of(&still));
    let version = |migration: &amiseal::api::AMIMigration| migration.metadata.resource_version.clone();
    assert_eq!(
        version(&after),
        version(&still),
        "what is known already is not written again"
    );

    let dropped = json!({"launchPermissions": "Drop"});
    scenario.apply(&with(policy, "promotion", dropped)).await;
    scenario.completed(2).await;
    scenario.judged();
}

#[tokio::test]
async fn images_under_another_key_are_counted_until_the_policy_asks_for_them_too() {
    let images = "{name: wholly, encryptedUnder: alias/old, expect: {copied: {key: alias/ami}}}, \
                  {name: partly, devices: [{encryptedUnder: alias/ami}, {encryptedUnder: alias/old}], \
                  expect: {copied: {key: alias/ami}}}, {name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let keys = format!("{{id: {KEY}, alias: [alias/ami]}}, {{alias: [alias/old]}}");
    let region = format!("{{name: {REGION}, keys: [{keys}], images: [{images}]}}");
    let scenario = Scenario::new(world(&account(ACCOUNT, &region))).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    let target = format!("production.{ACCOUNT}.{REGION}");
    let counts = scenario
        .until("the images to be counted", async || {
            scenario.targets().get(&target).await.ok()?.status?.images
        })
        .await;
    assert_eq!((counts.total, counts.other_key, counts.encrypted), (3, 2, 1));
    assert_eq!(scenario.all_migrations().await, []);

    scenario.apply(&with(policy, "otherKey", json!("Migrate"))).await;
    scenario.completed(2).await;
    assert_eq!(scenario.copies_made(), 2);
    scenario.judged();
}
