//! Guardrails that are left alone: what a declarative policy holds, what an older policy governs, what the role may not set, encryption
//! before the key is known to be usable, and what AWS was asked for already.

use amiseal::api::{GuardrailManager, GuardrailName, Mode};
use amiseal::plan::rights::Grant;
use ec2sim::Edit;
use ec2sim::model::Guardrails;
use jiff::Timestamp;
use serde_json::json;

use crate::consumers::{old, using};
use crate::guardrails::{
    ENFORCED, SETTING, TARGET, all_enforced, counts, edit, holding, is_told, one_of, row, says_of, says_with, scan,
    set_by, set_to, settable, settings, statements,
};
use crate::harness::{ACCOUNT, KEY, REGION, Scenario, everything, give, policy, take_away, with, without, world};

#[tokio::test]
async fn what_a_declarative_policy_holds_is_reported_and_never_fought() {
    let held = "byDeclarativePolicy: true, imagePublicAccess: unblocked, snapshotPublicAccess: block-all-sharing";
    let scenario = Scenario::new(set_to(held)).await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    scenario.apply(&all_enforced()).await;
    let message = says_of(&scenario, TARGET, "False/HeldByDeclarativePolicy").await;
    assert!(
        message.starts_with("A declarative policy of the organization holds ImageBlockPublicAccess at unblocked:"),
        "{message}"
    );
    is_told(&scenario, began, "HeldByDeclarativePolicy", "Warning", &message).await;
    let images = row(&scenario, TARGET, GuardrailName::ImageBlockPublicAccess).await;
    assert_eq!(
        (images.managed_by, images.holds, images.requested_at),
        (Some(GuardrailManager::DeclarativePolicy), Some(false), None)
    );
    let snapshots = row(&scenario, TARGET, GuardrailName::SnapshotBlockPublicAccess).await;
    assert_eq!(
        (snapshots.managed_by, snapshots.holds, snapshots.message.as_deref()),
        (
            Some(GuardrailManager::DeclarativePolicy),
            Some(true),
            Some("A declarative policy of the organization holds it.")
        )
    );
    counts(&scenario, &mut replica, ENFORCED, "ImageBlockPublicAccess", 0).await;

    // No declarative policy holds encryption, which is set all the same.
    scenario
        .until("encryption by default", async || {
            let row = row(&scenario, TARGET, GuardrailName::EbsEncryptionByDefault).await;
            (row.holds == Some(true)).then_some(())
        })
        .await;
    scan(&scenario, "first").await;
    let set: Vec<String> = set_by(&scenario).into_iter().map(|(operation, _)| operation).collect();
    assert_eq!(set, SETTING[..2], "nothing is fought");

    // The organization mends it.
    let mended = Guardrails {
        image_public_access: Some("block-new-sharing".to_owned()),
        ..settings(&scenario)
    };
    edit(&scenario, mended);
    scan(&scenario, "second").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    counts(&scenario, &mut replica, ENFORCED, "ImageBlockPublicAccess", 1).await;
    assert_eq!(set_by(&scenario).len(), 2);
    scenario.judged();
}

#[tokio::test]
async fn nothing_is_turned_on_before_the_key_is_known_to_be_usable() {
    let launching = "launchTemplates: [{name: web, versions: [{image: golden}]}],
        autoScalingGroups: [{name: fleet, launchTemplate: {template: web}}]";
    let scenario = Scenario::new(settable(world(&using(ACCOUNT, &[old("golden", "")], launching)))).await;
    let began = Timestamp::now();
    let _replica = scenario.start().await;
    let encrypting = holding(one_of("ebsEncryptionByDefault", "Enforce"));
    scenario.apply(&encrypting).await;
    scenario.completed(1).await;
    // The group launches by a role of Auto Scaling, to which the key's policy gives nothing.
    let message = says_of(&scenario, TARGET, "False/KeyNotUsable").await;
    assert!(
        message.starts_with("The policy's key is not made the default key") && message.contains("AutoScaling"),
        "{message}"
    );
    is_told(&scenario, began, "KeyNotUsable", "Warning", &message).await;
    let encryption = row(&scenario, TARGET, GuardrailName::EbsEncryptionByDefault).await;
    assert_eq!(
        (encryption.state.as_deref(), encryption.holds, encryption.requested_at),
        (Some("disabled"), Some(false), None)
    );

    // Who may use it is right now, and it is disabled.
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"});
    let opened = json!({"setKeyPolicy": {
        "account": ACCOUNT, "region": REGION, "key": KEY, "policy": {"Statement": [statement]},
    }});
    scenario.edit(serde_json::from_value(opened).expect("an edit"));
    let key_state = |state: &str| Edit::SetKeyState {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    };
    scenario.edit(key_state("Disabled"));
    scenario
        .apply(&with(encrypting.clone(), "scanInterval", json!("2h")))
        .await;
    says_with(&scenario, TARGET, "False/KeyNotUsable", "is disabled: enable it").await;
    assert!(set_by(&scenario).is_empty(), "{:?}", set_by(&scenario));

    scenario.edit(key_state("Enabled"));
    scenario.apply(&with(encrypting, "scanInterval", json!("3h"))).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    let expected = SETTING[..2].iter().map(|name| ((*name).to_owned(), "OK".to_owned()));
    assert_eq!(set_by(&scenario), expected.collect::<Vec<_>>());
    scenario.judged();
}

#[tokio::test]
async fn what_an_older_policy_governs_is_left_to_it() {
    const BASE: &str = "base.111122223333.eu-west-1";
    let scenario = Scenario::new(set_to("")).await;
    let _replica = scenario.start().await;
    let reporting = with(
        policy("base", &[ACCOUNT]),
        "guardrails",
        one_of("imageBlockPublicAccess", "Audit"),
    );
    scenario.apply(&reporting).await;
    says_of(&scenario, BASE, "False/NotEnforced").await;
    scenario.apply(&all_enforced()).await;
    // What it ignores, the other one holds.
    for name in [
        GuardrailName::EbsEncryptionByDefault,
        GuardrailName::SnapshotBlockPublicAccess,
    ] {
        scenario
            .until(&format!("{} to hold", name.as_str()), async || {
                let rows = scenario.targets().get_opt(TARGET).await.ok()??.status?.guardrails;
                let holds = rows.iter().any(|row| row.name == name && row.holds == Some(true));
                holds.then_some(())
            })
            .await;
    }
    let message = says_of(&scenario, TARGET, "False/NotEnforced").await;
    let expected = "ImageBlockPublicAccess is unblocked: the older policy base governs it here.";
    assert_eq!(message, expected);
    let images = row(&scenario, TARGET, GuardrailName::ImageBlockPublicAccess).await;
    assert_eq!((images.mode, images.requested_at), (Mode::Audit, None));
    scan(&scenario, "first").await;
    assert!(scenario.calls("EnableImageBlockPublicAccess").is_empty());
    scenario.judged();
}

#[tokio::test]
async fn what_the_role_may_not_set_says_which_action_to_allow() {
    const MISSING: &str = "ec2:EnableImageBlockPublicAccess";
    let mut world = set_to("");
    world.expect.denials_are_wrong = Some(false);
    take_away(&mut world, ACCOUNT, &[MISSING]);
    let scenario = Scenario::new(world).await;
    let began = Timestamp::now();
    let _replica = scenario.start().await;
    let blocking = holding(one_of("imageBlockPublicAccess", "Enforce"));
    scenario.apply(&blocking).await;
    let message = says_of(&scenario, TARGET, "False/Forbidden").await;
    assert!(message.contains(&format!("grant {MISSING} to the role")), "{message}");
    is_told(&scenario, began, "Forbidden", "Warning", &message).await;

    let printed = statements(&blocking, &[Grant::HoldGuardrails]);
    scenario.edit(give(
        ACCOUNT,
        [without(&everything(ACCOUNT), &[MISSING]), printed].concat(),
    ));
    scan(&scenario, "first").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    let outcomes: Vec<String> = set_by(&scenario).into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(
        outcomes.iter().filter(|outcome| *outcome == "OK").count(),
        1,
        "{outcomes:?}"
    );
    scenario.judged();
}

#[tokio::test]
async fn aws_is_not_asked_again_while_it_may_not_show_yet_what_it_took() {
    let mut world = set_to("");
    // Each call draws its own delay, up to this: far more than the ten minutes of AWS, so that nothing shows by itself here.
    world.settings.guardrail_seconds = 1_000_000.0;
    let scenario = Scenario::new(world).await;
    let replica = scenario.start().await;
    scenario
        .apply(&holding(one_of("imageBlockPublicAccess", "Enforce")))
        .await;
    let message = says_of(&scenario, TARGET, "False/Requested").await;
    assert!(message.contains("may take ten minutes to show it"), "{message}");
    scenario
        .until("AWS to be asked", async || {
            (!set_by(&scenario).is_empty()).then_some(())
        })
        .await;
    let requested = row(&scenario, TARGET, GuardrailName::ImageBlockPublicAccess).await;
    assert!(requested.requested_at.is_some(), "{requested:#?}");

    for value in ["first", "second", "third"] {
        scan(&scenario, value).await;
    }
    // Nor by whoever comes after.
    replica.kill();
    let _replica = scenario.start().await;
    for value in ["fourth", "fifth"] {
        scan(&scenario, value).await;
    }
    says_of(&scenario, TARGET, "False/Requested").await;
    let now = row(&scenario, TARGET, GuardrailName::ImageBlockPublicAccess).await;
    assert_eq!(
        (now.state.as_deref(), now.holds, now.drifts),
        (Some("unblocked"), Some(false), 0)
    );
    assert_eq!(now.requested_at, requested.requested_at);
    assert_eq!(set_by(&scenario).len(), 1, "{:?}", set_by(&scenario));

    // AWS comes to it.
    let shown = Guardrails {
        image_public_access: Some("block-new-sharing".to_owned()),
        ..settings(&scenario)
    };
    edit(&scenario, shown);
    scan(&scenario, "sixth").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(set_by(&scenario).len(), 1);
    scenario.judged();
}
