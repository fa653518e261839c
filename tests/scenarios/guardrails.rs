//! Guardrails: what a policy enforces is set once, with the key first, and again where somebody undoes it; what it audits is reported.

use std::collections::BTreeSet;

use amiseal::api::conditions::{self, GUARDRAILS_ENFORCED};
use amiseal::api::{AMIEncryptionPolicy, GuardrailName, GuardrailStatus, Mode};
use amiseal::plan::rights::{self, Grant};
use ec2sim::model::Guardrails;
use ec2sim::spec::AllowedCall;
use ec2sim::{Edit, WorldSpec};
use jiff::Timestamp;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};

use crate::harness::{
    ACCOUNT, KEY, KEY_ARN, REGION, Replica, Scenario, account, policy, says, with, with_rights_of, world,
};
use crate::inspecting::look;

pub(crate) const TARGET: &str = "production.111122223333.eu-west-1";
pub(crate) const ENFORCED: &str = "amiseal_guardrail_enforced";
const DRIFTS: &str = "amiseal_guardrail_drifts_total";
/// The calls that set something.
pub(crate) const SETTING: [&str; 4] = [
    "ModifyEbsDefaultKmsKeyId",
    "EnableEbsEncryptionByDefault",
    "EnableImageBlockPublicAccess",
    "EnableSnapshotBlockPublicAccess",
];
/// A world of one account and region that is set like this, in YAML, with one image that is as it should be.
pub(crate) fn set_to(guardrails: &str) -> WorldSpec {
    let image = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    settable(world(&account(
        ACCOUNT,
        &format!(
            "{{name: {REGION}, keys: [{{id: {KEY}, alias: [alias/ami]}}], guardrails: {{{guardrails}}}, images: [{image}]}}"
        ),
    )))
}

/// A world whose settings a policy may set, though it did not make them.
pub(crate) fn settable(mut world: WorldSpec) -> WorldSpec {
    world.expect.allow.extend(SETTING.map(|operation| AllowedCall {
        operation: Some(operation.to_owned()),
        ..AllowedCall::default()
    }));
    world
}

/// All of them as a policy that enforces them has them.
fn sound() -> Guardrails {
    Guardrails {
        ebs_encryption_by_default: true,
        ebs_default_key: Some(KEY_ARN.to_owned()),
        image_public_access: Some("block-new-sharing".to_owned()),
        snapshot_public_access: Some("block-new-sharing".to_owned()),
        ..Guardrails::default()
    }
}

pub(crate) fn holding(guardrails: Value) -> Value {
    with(policy("production", &[ACCOUNT]), "guardrails", guardrails)
}

pub(crate) fn all_enforced() -> Value {
    holding(json!({
        "ebsEncryptionByDefault": "Enforce",
        "imageBlockPublicAccess": "Enforce",
        "snapshotBlockPublicAccess": "Enforce",
        "allowedImages": {"mode": "Ignore"},
    }))
}

/// One of them, and none of the others.
pub(crate) fn one_of(name: &str, mode: &str) -> Value {
    let mut all = json!({
        "ebsEncryptionByDefault": "Ignore",
        "imageBlockPublicAccess": "Ignore",
        "snapshotBlockPublicAccess": "Ignore",
        "allowedImages": {"mode": "Ignore"},
    });
    match name {
        "allowedImages" => all[name]["mode"] = json!(mode),
        _ => all[name] = json!(mode),
    }
    all
}

/// The policy's statements of these grants, as `amiseal iam-policy` prints them.
pub(crate) fn statements(policy: &Value, of: &[Grant]) -> Vec<Value> {
    let policy: AMIEncryptionPolicy = serde_json::from_value(policy.clone()).expect("a policy");
    let rights = rights::of(&[policy], &rights::Options::default());
    let ours = rights.accounts[0].rights.iter();
    ours.filter(|right| of.contains(&right.grant))
        .map(|right| json!(right.statement))
        .collect()
}

pub(crate) fn edit(scenario: &Scenario, guardrails: Guardrails) {
    scenario.edit(Edit::SetGuardrails {
        account: ACCOUNT.to_owned(),
        region: REGION.to_owned(),
        guardrails: Box::new(guardrails),
    });
}

/// What the region is set to.
pub(crate) fn settings(scenario: &Scenario) -> Guardrails {
    let place = |world: &ec2sim::model::World| world.region(ACCOUNT, REGION).expect("a region").guardrails.clone();
    scenario.sim().with_world(place)
}

/// Calls that set something, in order, with what came of them.
pub(crate) fn set_by(scenario: &Scenario) -> Vec<(String, String)> {
    let calls = scenario.sim().journal().into_iter();
    let calls = calls.filter(|call| !call.dry_run && SETTING.contains(&call.operation.as_str()));
    calls.map(|call| (call.operation, call.outcome)).collect()
}

/// Waits until a target says this of its guardrails as they are asked for now, and gives the message.
pub(crate) async fn says_of(scenario: &Scenario, target: &str, said: &str) -> String {
    says_with(scenario, target, said, "").await
}

/// Waits until a target says this of its guardrails in words that have `part`: what its policy says now may reach it a moment later.
pub(crate) async fn says_with(scenario: &Scenario, target: &str, said: &str, part: &str) -> String {
    scenario
        .until(
            &format!("{target} to say {said} of its guardrails, {part}"),
            async || {
                let target = scenario.targets().get_opt(target).await.ok()??;
                let generation = target.metadata.generation;
                let status = target.status?;
                let found = conditions::find(&status.conditions, GUARDRAILS_ENFORCED)?;
                let is_so = says(&status.conditions, GUARDRAILS_ENFORCED) == said
                    && found.observed_generation == generation
                    && found.message.contains(part);
                is_so.then(|| found.message.clone())
            },
        )
        .await
}

/// Has the account and region scanned, and waits until the target says so.
pub(crate) async fn scan(scenario: &Scenario, value: &str) {
    look(scenario, value).await;
    scenario
        .until(&format!("the scan {value}"), async || {
            let status = scenario.target(TARGET).await.status?;
            (status.observed_scan.as_deref() == Some(value)).then_some(())
        })
        .await;
}

async fn rows(scenario: &Scenario, target: &str) -> Vec<GuardrailStatus> {
    scenario.target(target).await.status.expect("a status").guardrails
}

pub(crate) async fn row(scenario: &Scenario, target: &str, name: GuardrailName) -> GuardrailStatus {
    let rows = rows(scenario, target).await;
    let found = rows.iter().find(|row| row.name == name).cloned();
    found.unwrap_or_else(|| panic!("no {name:?}: {rows:#?}"))
}

/// Reason, type and note of the Events of guardrails since then.
async fn told(scenario: &Scenario, since: Timestamp) -> BTreeSet<(String, String, String)> {
    let events = Api::<Event>::all(scenario.client.clone());
    let all = events.list(&ListParams::default()).await.expect("a list").items;
    let text = |text: Option<String>| text.unwrap_or_default();
    all.into_iter()
        .filter(|event| {
            let is_of_this = event.event_time.as_ref().is_some_and(|time| time.0 >= since);
            let is_of_guardrail = event.reason.as_deref().unwrap_or_default().starts_with("Guardrail");
            is_of_this && (is_of_guardrail || event.action.as_deref() == Some("HoldGuardrails"))
        })
        .map(|event| (text(event.reason), text(event.type_), text(event.note)))
        .collect()
}

/// Waits until there is an Event like this.
pub(crate) async fn is_told(scenario: &Scenario, since: Timestamp, reason: &str, type_: &str, note: &str) {
    let expected = (reason.to_owned(), type_.to_owned(), note.to_owned());
    scenario
        .until(&format!("an Event {expected:?}"), async || {
            told(scenario, since).await.contains(&expected).then_some(())
        })
        .await;
}

/// Waits until a metric of a guardrail of the policy has this value.
pub(crate) async fn counts(scenario: &Scenario, replica: &mut Replica, metric: &str, guardrail: &str, value: u32) {
    let expected = format!(
        "{metric}{{account=\"{ACCOUNT}\",guardrail=\"{guardrail}\",policy=\"production\",region=\"{REGION}\"}} {value}"
    );
    scenario
        .until(&expected, async || {
            let (_, metrics) = replica.get("/metrics").await;
            metrics.lines().any(|line| line == expected).then_some(())
        })
        .await;
}

/// Whether each call that sets something was made once, in this order of those that are alike.
fn is_each_set_once(scenario: &Scenario) {
    let set = set_by(scenario);
    let place = |operation: &str| {
        let mut places = set.iter().enumerate().filter(|(_, (name, _))| name == operation);
        let (place, (_, outcome)) = places.next().unwrap_or_else(|| panic!("no {operation}: {set:?}"));
        assert_eq!((outcome.as_str(), places.count()), ("OK", 0), "{operation}: {set:?}");
        place
    };
    let [key, encryption, images, snapshots] = SETTING.map(place);
    assert!(key < encryption && images < snapshots, "{set:?}");
    assert_eq!(scenario.mutating_calls().len(), SETTING.len());
}

/// Whether all three are on record as set, and as they should be.
async fn are_on_record(scenario: &Scenario) {
    let rows = rows(scenario, TARGET).await;
    let of_row = |row: &GuardrailStatus| {
        let is_on_record = row.requested_at.is_some() && row.held_since.is_some();
        (
            row.name,
            row.mode,
            row.state.clone(),
            row.holds,
            is_on_record,
            row.drifts,
        )
    };
    let expected = [
        (GuardrailName::EbsEncryptionByDefault, "enabled"),
        (GuardrailName::ImageBlockPublicAccess, "block-new-sharing"),
        (GuardrailName::SnapshotBlockPublicAccess, "block-new-sharing"),
    ];
    let expected = expected.map(|(name, state)| (name, Mode::Enforce, Some(state.to_owned()), Some(true), true, 0_u32));
    assert_eq!(rows.iter().map(of_row).collect::<Vec<_>>(), expected);
    assert_eq!(rows[0].key_arn.as_deref(), Some(KEY_ARN));
}

#[tokio::test]
async fn what_a_policy_enforces_is_turned_on_once_and_the_key_first() {
    let world = with_rights_of(set_to(""), &[all_enforced()]);
    let scenario = Scenario::new(world).await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("the account and region to be scanned", async || {
            scenario.targets().get_opt(TARGET).await.ok()??.status?.last_scan_time
        })
        .await;
    // Nothing more than before is asked of the role.
    for read in ["GetEbsDefaultKmsKeyId", "GetImageBlockPublicAccessState"] {
        assert!(scenario.calls(read).is_empty(), "{read}");
    }

    scenario.apply(&all_enforced()).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert_eq!(settings(&scenario), sound());
    is_each_set_once(&scenario);
    are_on_record(&scenario).await;
    let of_key = format!("Turned on EBS encryption by default, with the default key {KEY_ARN}.");
    let of_images = "Turned on ImageBlockPublicAccess: block-new-sharing.";
    let of_snapshots = "Turned on SnapshotBlockPublicAccess: block-new-sharing.";
    for note in [of_key.as_str(), of_images, of_snapshots] {
        is_told(&scenario, began, "GuardrailEnforced", "Normal", note).await;
    }
    assert_eq!(told(&scenario, began).await.len(), 3);
    for row in rows(&scenario, TARGET).await {
        counts(&scenario, &mut replica, ENFORCED, row.name.as_str(), 1).await;
    }

    // Whoever takes it out of the policy takes nothing back.
    scenario.apply(&policy("production", &[ACCOUNT])).await;
    scenario
        .until("nothing to be said of guardrails", async || {
            let status = scenario.target(TARGET).await.status?;
            let is_said = conditions::find(&status.conditions, GUARDRAILS_ENFORCED).is_some();
            (!is_said && status.guardrails.is_empty()).then_some(())
        })
        .await;
    assert_eq!(settings(&scenario), sound());
    assert_eq!(set_by(&scenario).len(), SETTING.len());
    scenario.judged();
}

#[tokio::test]
async fn a_guardrail_that_somebody_turns_off_is_turned_on_again_and_counted() {
    let all = "ebsEncryptionByDefault: true, ebsDefaultKey: 11111111-1111-4111-8111-111111111111, \
               imagePublicAccess: block-new-sharing, snapshotPublicAccess: block-all-sharing";
    let scenario = Scenario::new(set_to(all)).await;
    let began = Timestamp::now();
    let mut replica = scenario.start().await;
    scenario.apply(&all_enforced()).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    let snapshots = row(&scenario, TARGET, GuardrailName::SnapshotBlockPublicAccess).await;
    assert_eq!(
        snapshots.state.as_deref(),
        Some("block-all-sharing"),
        "it holds as well"
    );
    assert_eq!(scenario.mutating_calls().len(), 0, "{:?}", set_by(&scenario));

    let undone = Guardrails {
        image_public_access: Some("unblocked".to_owned()),
        ..settings(&scenario)
    };
    edit(&scenario, undone);
    scan(&scenario, "first").await;
    let mended = scenario
        .until("it to hold again", async || {
            let row = row(&scenario, TARGET, GuardrailName::ImageBlockPublicAccess).await;
            (row.drifts == 1 && row.holds == Some(true)).then_some(row)
        })
        .await;
    assert_eq!(mended.state.as_deref(), Some("block-new-sharing"));
    says_of(&scenario, TARGET, "True/Enforced").await;
    let expected = ("EnableImageBlockPublicAccess".to_owned(), "OK".to_owned());
    assert_eq!(set_by(&scenario), [expected]);
    let drifted =
        "ImageBlockPublicAccess held, and was found undone: it is unblocked now. CloudTrail knows who did that.";
    is_told(&scenario, began, "GuardrailDrifted", "Warning", drifted).await;
    let turned_on = "Turned on ImageBlockPublicAccess: block-new-sharing.";
    is_told(&scenario, began, "GuardrailEnforced", "Normal", turned_on).await;
    counts(&scenario, &mut replica, DRIFTS, "ImageBlockPublicAccess", 1).await;

    // It is not counted again.
    scan(&scenario, "second").await;
    let drifts: u32 = rows(&scenario, TARGET).await.iter().map(|row| row.drifts).sum();
    assert_eq!(drifts, 1);
    assert_eq!(set_by(&scenario).len(), 1);
    scenario.judged();
}

#[tokio::test]
async fn a_guardrail_that_is_only_audited_is_reported_and_nothing_is_set() {
    let scenario = Scenario::new(set_to("allowedImages: audit-mode")).await;
    let began = Timestamp::now();
    let _replica = scenario.start().await;
    scenario.apply(&holding(json!({}))).await;
    let message = says_of(&scenario, TARGET, "False/NotEnforced").await;
    for said in [
        "EbsEncryptionByDefault is disabled, which is only reported.",
        "ImageBlockPublicAccess is unblocked, which is only reported.",
        "SnapshotBlockPublicAccess is unblocked, which is only reported.",
        "AllowedImages is audit-mode, which is only reported.",
    ] {
        assert!(message.contains(said), "{message}");
    }
    let rows = rows(&scenario, TARGET).await;
    assert_eq!(rows.len(), 4, "{rows:#?}");
    for row in &rows {
        assert_eq!((row.mode, row.holds), (Mode::Audit, Some(false)), "{row:#?}");
        assert!(row.requested_at.is_none() && row.held_since.is_none(), "{row:#?}");
    }

    // A policy that only looks sets nothing, whatever else it says.
    scenario.apply(&with(all_enforced(), "mode", json!("Audit"))).await;
    let says_so = "In mode Audit, amiseal sets nothing.";
    says_with(&scenario, TARGET, "False/NotEnforced", says_so).await;
    scan(&scenario, "first").await;
    assert_eq!(scenario.mutating_calls().len(), 0, "{:?}", set_by(&scenario));
    assert!(told(&scenario, began).await.is_empty(), "it is for nobody to act on");

    // None of them is read.
    let before = scenario.calls("GetImageBlockPublicAccessState").len();
    scenario.apply(&holding(one_of("allowedImages", "Audit"))).await;
    scenario
        .until("Allowed AMIs alone to be reported", async || {
            let rows = scenario.target(TARGET).await.status?.guardrails;
            let names: Vec<GuardrailName> = rows.iter().map(|row| row.name).collect();
            (names == [GuardrailName::AllowedImages]).then_some(())
        })
        .await;
    scan(&scenario, "second").await;
    assert_eq!(scenario.calls("GetImageBlockPublicAccessState").len(), before);
    scenario.judged();
}
