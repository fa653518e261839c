//! What AWS refuses until somebody acts, and what it refuses for an image's own sake.

use amiseal::api::MigrationState;
use amiseal::api::conditions::{self, reason};
use ec2sim::spec::FailedCopies;
use ec2sim::{Act, AttributeLie, Edit};
use serde_json::{Value, json};

use super::{denied, has_words, look_again, stalls_saying, target_says};
use crate::harness::{
    ACCOUNT, KEY, REGION, Scenario, account, condition, conditions_of, on, plain, plain_ones, policy, region, says,
    small_world, state_of, take_away, with, world,
};

/// Calls for a copy, dry runs aside.
fn asked(scenario: &Scenario) -> usize {
    let calls = scenario.calls("CopyImage");
    calls.iter().filter(|call| !call.dry_run).count()
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_named_and_copies_go_on_when_there_is_room() {
    let mut world = small_world(&[&plain_ones("web-", 30)]);
    // Thirty are there, and one copy has room.
    world.settings.quotas.snapshots = Some(31);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    scenario
        .until("the one copy that has room", async || {
            let all = scenario.all_migrations().await;
            all.iter()
                .any(|m| state_of(m) == MigrationState::Completed)
                .then_some(())
        })
        .await;
    let stalled = scenario
        .until("a migration to say so", async || {
            let all = scenario.all_migrations().await;
            let is_stalled = |m: &amiseal::api::AMIMigration| {
                let stalled = says(conditions_of(m), conditions::STALLED);
                stalled == format!("True/{}", reason::QUOTA_EXCEEDED)
            };
            all.into_iter().find(is_stalled)
        })
        .await;
    let words = [
        "quota of snapshots",
        "SnapshotLimitExceeded",
        "Service Quotas",
        "delete snapshots",
    ];
    has_words(condition(conditions_of(&stalled), conditions::STALLED), &words);
    // Those that were admitted together have asked; no others do.
    let refused = scenario
        .quiet("calls of those that were admitted", || asked(&scenario))
        .await;
    assert!(refused <= 21, "{refused} calls");
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(asked(&scenario), refused);

    scenario
        .sim()
        .change_settings(|settings| settings.quotas.snapshots = None);
    look_again(&scenario, &policy).await;
    scenario.completed(30).await;
    assert_eq!(scenario.copies_made(), 30);
    scenario.judged();
}

/// A policy document's statement that denies copies without a cost centre.
fn only_with_cost_center() -> Vec<Value> {
    vec![json!({
        "Effect": "Deny", "Action": ["ec2:CopyImage", "ec2:CreateTags"],
        "Resource": ["arn:aws:ec2:*::image/*", "arn:aws:ec2:*::snapshot/*"],
        "Condition": {"Null": {"aws:RequestTag/cost-center": "true"}},
    })]
}

#[tokio::test]
async fn a_role_that_may_copy_only_with_a_certain_tag_is_asked_about_copies_with_that_tag() {
    let mut world = small_world(&[&plain("web")]);
    world.accounts[1].roles[0].statements.extend(only_with_cost_center());
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let extra = json!({"extraTags": {"cost-center": "12"}});
    scenario
        .apply(&with(policy("production", &[ACCOUNT]), "copy", extra))
        .await;
    scenario.completed(1).await;
    let target = format!("production.{ACCOUNT}.{REGION}");
    target_says(&scenario, &target, conditions::PERMITTED, "True/Succeeded", &[]).await;
    scenario.judged();
}

#[tokio::test]
async fn without_the_tag_that_a_role_needs_the_denied_action_is_named_before_anything_is_copied() {
    let mut world = small_world(&["{name: web, expect: untouched}"]);
    world.accounts[1].roles[0].statements.extend(only_with_cost_center());
    for operation in ["CopyImage", "CreateTags"] {
        denied(&mut world, operation, ACCOUNT);
    }
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    stalls_saying(
        &scenario,
        &scenario.image("web"),
        reason::ACCESS_DENIED,
        &["ec2:CopyImage"],
    )
    .await;
    assert_eq!(scenario.mutating_calls(), []);
    scenario.judged();
}

#[tokio::test]
async fn what_is_denied_of_one_image_holds_up_no_other() {
    let protected =
        "{id: ami-0a1b2c3d4e5f60718, name: protected, creationDate: 2020-01-01T00:00:00Z, expect: untouched}";
    let mut world = small_world(&[protected, &plain_ones("web-", 3)]);
    world.accounts[1].roles[0].statements.push(json!({
        "Effect": "Deny", "Action": "ec2:*", "Resource": "arn:aws:ec2:*::image/ami-0a1b2c3d4e5f60718",
    }));
    for operation in [
        "CopyImage",
        "CreateTags",
        "DescribeImageAttribute",
        "ModifyImageAttribute",
    ] {
        denied(&mut world, operation, ACCOUNT);
    }
    world.expect.denials_are_wrong = Some(false);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    for name in ["web-1", "web-2", "web-3"] {
        scenario.reaches(&scenario.image(name), MigrationState::Completed).await;
    }
    stalls_saying(
        &scenario,
        &scenario.image("protected"),
        reason::ACCESS_DENIED,
        &["ec2:CopyImage"],
    )
    .await;
    scenario.judged();
}

#[tokio::test]
async fn a_description_that_ec2_refuses_does_not_cost_the_copy_and_is_said_to_be_left_out() {
    for refuses in [true, false] {
        let image = "{name: web, description: \"Web – build 7\", expect: {copied: {key: alias/ami, description: any}}}";
        let mut world = small_world(&[image]);
        world.settings.copies.ascii_descriptions = refuses;
        let scenario = Scenario::new(world).await;
        let _replica = scenario.start().await;
        scenario.apply(&policy("production", &[ACCOUNT])).await;
        let done = scenario
            .reaches(&scenario.image("web"), MigrationState::Completed)
            .await;
        for type_ in [conditions::READY, conditions::PROMOTED] {
            let message = condition(conditions_of(&done), type_).map_or("", |c| &c.message);
            assert_eq!(
                message.contains("lacks the original's description"),
                refuses,
                "{message}"
            );
        }
        assert_eq!(scenario.copies_made(), 1);
        scenario.judged();
    }
}

#[tokio::test]
async fn a_token_of_a_former_life_is_passed_over_at_once_and_nothing_is_said_to_have_failed() {
    let mut world = small_world(&[&plain("web")]);
    world.settings.copies.key_actions = vec!["kms:CreateGrant".to_owned()];
    take_away(&mut world, ACCOUNT, &["kms:CreateGrant"]);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    let image = scenario.image("web");
    scenario.stalls(&image, reason::ATTEMPTS_EXHAUSTED).await;
    assert_eq!(scenario.copies_made(), 3);

    scenario.delete("production").await;
    scenario
        .until("the migration to go", async || {
            scenario.migration_of(&image).await.is_none().then_some(())
        })
        .await;
    scenario
        .sim()
        .change_settings(|settings| settings.copies.key_actions.clear());
    scenario.apply(&policy).await;
    let done = scenario.reaches(&image, MigrationState::Completed).await;
    let copy = done.status.and_then(|status| status.copy).expect("a copy");
    assert_eq!((copy.attempt, copy.failures), (4, Some(0)));
    scenario.judged();
}

/// What is wrong with each copy, whichever life of the policy asks for it.
async fn wrong_copies_count(image: &str, lost: &str) {
    let scenario = Scenario::new(small_world(&[image])).await;
    let lie = AttributeLie {
        name: lost.to_owned(),
        value: None,
    };
    scenario.sim().add_fault(on("CopyImage", Act::CopyAttribute(lie)));
    let _replica = scenario.start().await;
    let policy = with(policy("production", &[ACCOUNT]), "copy", json!({"maxAttempts": 2}));
    let image = scenario.image("web");
    for life in 1..=3 {
        scenario.apply(&policy).await;
        let why = if life > 2 {
            reason::ATTEMPTS_EXHAUSTED
        } else {
            reason::ATTRIBUTE_MISMATCH
        };
        scenario.stalls(&image, why).await;
        assert_eq!(scenario.copies_made(), life.min(2), "{lost}");
        scenario.delete("production").await;
        scenario
            .until("the migration to go", async || {
                scenario.migration_of(&image).await.is_none().then_some(())
            })
            .await;
    }
    scenario.judged();
}

#[tokio::test]
async fn wrong_copies_count_however_often_the_policy_is_deleted_and_applied_again() {
    wrong_copies_count("{name: web, expect: any}", "enaSupport").await;
}

#[tokio::test]
async fn copies_that_have_lost_a_watermark_count_however_often_the_policy_is_deleted_and_applied_again() {
    let image = "{name: web, watermarks: [\"111122223333:golden\"], expect: any}";
    wrong_copies_count(image, "watermarks").await;
}

#[tokio::test]
async fn an_original_under_a_key_that_cannot_be_used_is_not_copied_in_vain_and_goes_on_when_it_can() {
    let old = "22222222-2222-4222-8222-222222222222";
    let keys = format!("{{id: {KEY}, alias: [alias/ami]}}, {{id: {old}, alias: [alias/old], state: Disabled}}");
    let images = "{name: partly, devices: [{}, {encryptedUnder: alias/old}], expect: {copied: {key: alias/ami}}}, \
                  {name: plain, expect: {copied: {key: alias/ami}}}";
    let region = format!("{{name: {REGION}, keys: [{keys}], images: [{images}]}}");
    let scenario = Scenario::new(world(&account(ACCOUNT, &region))).await;
    let _replica = scenario.start().await;
    let policy = policy("production", &[ACCOUNT]);
    scenario.apply(&policy).await;
    let image = scenario.image("partly");
    let arn = format!("arn:aws:kms:{REGION}:{ACCOUNT}:key/{old}");
    let words = ["/dev/sdb", arn.as_str(), "is disabled", "enable that key"];
    stalls_saying(&scenario, &image, reason::SOURCE_KEY_DISABLED, &words).await;
    scenario
        .reaches(&scenario.image("plain"), MigrationState::Completed)
        .await;
    assert_eq!(scenario.copies_made(), 1);

    scenario.edit(Edit::SetKeyState {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: old.to_owned(),
        state: "Enabled".to_owned(),
    });
    look_again(&scenario, &policy).await;
    scenario.completed(2).await;
    scenario.judged();
}

#[tokio::test]
async fn a_key_that_the_role_may_not_describe_is_named() {
    let mut world = world(&account(ACCOUNT, &region(REGION, &["{name: web, expect: untouched}"])));
    world.accounts[1].regions[0].keys[0].allowed_principals = Some(vec!["arn:aws:iam::1:role/nobody".to_owned()]);
    world.expect.denials_are_wrong = Some(false);
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    let target = format!("production.{ACCOUNT}.{REGION}");
    let words = [
        "the key alias/ami",
        "grant kms:DescribeKey to the role",
        "the key's own policy",
    ];
    target_says(
        &scenario,
        &target,
        conditions::KEY_USABLE,
        "Unknown/AccessDenied",
        &words,
    )
    .await;
    scenario.judged();
}

#[tokio::test]
async fn a_copy_that_fails_and_vanishes_is_noticed_at_once_and_nothing_of_it_is_left() {
    let mut world = small_world(&["{name: web, devices: [{}, {}, {}], expect: any}"]);
    world.settings.copies.failed = FailedCopies::Vanish;
    world.settings.copies.key_actions = vec!["kms:CreateGrant".to_owned()];
    take_away(&mut world, ACCOUNT, &["kms:CreateGrant"]);
    world.expect.failed_copies_are_wrong = None;
    let scenario = Scenario::new(world).await;
    let _replica = scenario.start().await;
    scenario
        .apply(&with(
            policy("production", &[ACCOUNT]),
            "copy",
            json!({"maxAttempts": 2}),
        ))
        .await;
    let migration = scenario
        .stalls(&scenario.image("web"), reason::ATTEMPTS_EXHAUSTED)
        .await;
    let copied = condition(conditions_of(&migration), conditions::COPIED);
    has_words(
        copied,
        &[
            "AWS could not make the copy",
            "Given key ID is not accessible",
            "key's policy",
        ],
    );
    assert_eq!(scenario.copies_made(), 2);
    let deleted = scenario.effects().iter().filter(|e| *e == "DeleteSnapshot").count();
    assert_eq!(deleted, 6, "three snapshots of each");
    scenario.judged();
}
