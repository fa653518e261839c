//! Allowed AMIs: criteria and audit mode are set, and images are refused only once nobody uses one that would be.

use amiseal::api::{GuardrailManager, GuardrailName};
use ec2sim::WorldSpec;
use ec2sim::model::Guardrails;
use ec2sim::spec::AllowedCall;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::guardrails::{
    ENFORCED, TARGET, counts, edit, holding, is_told, one_of, row, says_of, says_with, scan, settings,
};
use crate::harness::{ACCOUNT, KEY, REGION, Scenario, account, with_rights_of, world};

const REPLACE: &str = "ReplaceImageCriteriaInAllowedImagesSettings";
const ENABLE: &str = "EnableAllowedImagesSettings";
const THEIRS: &str = "777788889999";

/// An account that is set like this, in YAML, and a template in it that launches a public image of another account.
fn launching(guardrails: &str) -> WorldSpec {
    let keys = format!("keys: [{{id: {KEY}, alias: [alias/ami]}}]");
    let own = account(
        ACCOUNT,
        &format!(
            "{{name: {REGION}, {keys}, guardrails: {{{guardrails}}},
              images: [{{name: done, encryptedUnder: alias/ami, expect: encrypted}}],
              launchTemplates: [{{id: lt-0000000f, name: foreign, versions: [{{image: theirs}}]}}]}}"
        ),
    );
    let others =
        format!("- {{id: \"{THEIRS}\", regions: [{{name: {REGION}, images: [{{name: theirs, public: true}}]}}]}}\n");
    let mut world = world(&format!("{own}{others}"));
    world
        .expect
        .allow
        .extend([REPLACE, ENABLE].map(|operation| AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        }));
    world
}

/// A policy that has images of Amazon alone allowed, in this state.
fn allowing(state: &str) -> Value {
    let mut all = one_of("allowedImages", "Enforce");
    all["allowedImages"]["state"] = json!(state);
    all["allowedImages"]["criteria"] = json!([{"imageProviders": ["amazon"]}]);
    holding(all)
}

/// Calls that set something of Allowed AMIs, in order, with what came of them.
fn set(scenario: &Scenario) -> Vec<(String, String)> {
    let calls = scenario.sim().journal().into_iter();
    let calls = calls.filter(|call| !call.dry_run && [REPLACE, ENABLE].contains(&call.operation.as_str()));
    calls.map(|call| (call.operation, call.outcome)).collect()
}

fn ok(operation: &str) -> (String, String) {
    (operation.to_owned(), "OK".to_owned())
}

/// What the region is set to: the state, and whose images are allowed.
fn allowed(scenario: &Scenario) -> (Option<String>, Vec<String>) {
    let Guardrails {
        allowed_images,
        allowed_image_criteria,
        ..
    } = settings(scenario);
    let providers = allowed_image_criteria.into_iter().flat_map(|one| one.providers);
    (allowed_images, providers.collect())
}

fn amazon(state: &str) -> (Option<String>, Vec<String>) {
    (Some(state.to_owned()), vec!["amazon".to_owned()])
}

/// Nobody launches the image of the other account any more.
fn remove_template(scenario: &Scenario) {
    let gone = json!({"consumer": {
        "account": ACCOUNT, "region": REGION, "change": {"remove": {"kind": "launchTemplate", "id": "lt-0000000f"}},
    }});
    scenario.edit(serde_json::from_value(gone).expect("an edit"));
}

#[tokio::test]
async fn criteria_and_audit_mode_are_set_once_and_say_what_enabled_would_refuse() {
    let policy = allowing("AuditMode");
    let world = with_rights_of(launching(""), std::slice::from_ref(&policy));
    let scenario = Scenario::new(world).await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    scenario.apply(&policy).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(allowed(&scenario), amazon("audit-mode"));
    assert_eq!(set(&scenario), [ok(REPLACE), ok(ENABLE)], "the criteria first");
    let note = "Replaced the criteria of Allowed AMIs. Set Allowed AMIs to audit-mode.";
    is_told(&scenario, began, "GuardrailEnforced", "Normal", note).await;
    counts(&scenario, &mut replica, ENFORCED, "AllowedImages", 1).await;

    let theirs = scenario.image("theirs");
    let said = scenario
        .until("what enabled would refuse", async || {
            row(&scenario, TARGET, GuardrailName::AllowedImages).await.message
        })
        .await;
    let expected = format!("enabled would refuse 1 image that is in use here: {theirs} of {THEIRS} (launch template");
    assert!(said.starts_with(&expected), "{said}");
    scan(&scenario, "first").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(set(&scenario).len(), 2, "{:?}", set(&scenario));
    assert_eq!(scenario.mutating_calls().len(), 2);
    scenario.judged();
}

#[tokio::test]
async fn images_are_refused_only_once_nobody_uses_one_that_would_be() {
    let scenario = Scenario::new(launching(
        "allowedImages: audit-mode, allowedImageCriteria: [{providers: [amazon]}]",
    ))
    .await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    scenario.apply(&allowing("Enabled")).await;
    let message = says_of(&scenario, TARGET, "False/MayRefuseImages").await;
    let expected = format!(
        "AllowedImages stays audit-mode. enabled would refuse 1 image that is in use here: {}",
        scenario.image("theirs")
    );
    assert!(message.starts_with(&expected), "{message}");
    is_told(&scenario, began, "MayRefuseImages", "Warning", &message).await;
    counts(&scenario, &mut replica, ENFORCED, "AllowedImages", 0).await;
    scan(&scenario, "first").await;
    assert!(set(&scenario).is_empty(), "{:?}", set(&scenario));

    remove_template(&scenario);
    scan(&scenario, "second").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(set(&scenario), [ok(ENABLE)]);
    assert_eq!(allowed(&scenario), amazon("enabled"));
    let note = "Set Allowed AMIs to enabled.";
    is_told(&scenario, began, "GuardrailEnforced", "Normal", note).await;
    counts(&scenario, &mut replica, ENFORCED, "AllowedImages", 1).await;
    scan(&scenario, "third").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(set(&scenario).len(), 1, "{:?}", set(&scenario));

    // Whoever has it audited, or takes it out of the policy, takes nothing back.
    scenario.apply(&holding(one_of("allowedImages", "Ignore"))).await;
    scenario
        .until("nothing to be said of guardrails", async || {
            let status = scenario.target(TARGET).await.status?;
            status.guardrails.is_empty().then_some(())
        })
        .await;
    assert_eq!(allowed(&scenario), amazon("enabled"));
    scenario.judged();
}

#[tokio::test]
async fn criteria_that_refuse_already_are_replaced_only_once_the_new_ones_refuse_nothing_in_use() {
    let held = format!("allowedImages: enabled, allowedImageCriteria: [{{providers: [\"{THEIRS}\"]}}]");
    let scenario = Scenario::new(launching(&held)).await;
    let _replica = scenario.start().await;
    scenario.apply(&allowing("AuditMode")).await;
    let message = says_of(&scenario, TARGET, "False/MayRefuseImages").await;
    assert!(
        message.starts_with("AllowedImages stays enabled with other criteria."),
        "{message}"
    );
    assert!(set(&scenario).is_empty(), "{:?}", set(&scenario));
    remove_template(&scenario);
    scan(&scenario, "first").await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(set(&scenario), [ok(REPLACE)], "the state is never weakened");
    assert_eq!(allowed(&scenario), amazon("enabled"));
    scenario.judged();
}

#[tokio::test]
async fn allowed_amis_that_a_declarative_policy_holds_are_reported_and_never_fought() {
    let held = "byDeclarativePolicy: true, allowedImages: audit-mode, allowedImageCriteria: [{providers: [amazon]}]";
    let scenario = Scenario::new(launching(held)).await;
    let began = Timestamp::now();
    let _replica = scenario.start().await;
    scenario.apply(&allowing("Enabled")).await;
    let message = says_of(&scenario, TARGET, "False/HeldByDeclarativePolicy").await;
    assert!(
        message.starts_with("A declarative policy of the organization holds AllowedImages at audit-mode:"),
        "{message}"
    );
    is_told(&scenario, began, "HeldByDeclarativePolicy", "Warning", &message).await;
    let images = row(&scenario, TARGET, GuardrailName::AllowedImages).await;
    assert_eq!(
        (images.managed_by, images.holds, images.requested_at),
        (Some(GuardrailManager::DeclarativePolicy), Some(false), None)
    );
    scan(&scenario, "first").await;
    let other = Guardrails {
        allowed_image_criteria: Vec::new(),
        ..settings(&scenario)
    };
    edit(&scenario, other);
    scan(&scenario, "second").await;
    says_with(
        &scenario,
        TARGET,
        "False/HeldByDeclarativePolicy",
        "audit-mode with other criteria",
    )
    .await;
    assert!(set(&scenario).is_empty(), "nothing is fought: {:?}", set(&scenario));
    scenario.judged();
}
