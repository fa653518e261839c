//! Objects as the controller writes them, and what is said of them. They are those that stand beside the scripts for
//! Argo CD: `AMISEAL_RECORD=1` writes them anew.

use std::path::Path;

use amiseal::api::conditions;
use amiseal::api::labels;
use ec2sim::spec::AllowedCall;
use ec2sim::{Act, FaultRule};
use kube::ResourceExt as _;
use regex::Regex;
use serde_json::{Value, json};

use super::history::History;
use super::scripts::of_kind;
use super::{FLUX, FLUX_WITHOUT_COPIES, judge, kubectl, object, table, yaml};
use crate::harness::{
    ACCOUNT, KEY_ARN, REGION, Scenario, account, conditions_of, on, plain, plain_ones, policy, region, says,
    small_world, take_away, with, world,
};

/// Without what differs from one run to the next.
fn recordable(object: &Value) -> Value {
    let text = object.to_string();
    let rules = [
        // Where the simulator listens.
        (r"\b127\.0\.0\.1:\d+\b", "127.0.0.1:4566"),
        // Images and snapshots, tokens, and what a copy's name ends in.
        (r"\b(ami|snap)-[0-9a-f]{17}\b", "$1-0123456789abcdef0"),
        (r"\b[0-9a-f]{32,64}\b", "0123456789abcdef0123456789abcdef"),
        (r#"-[0-9a-f]{8}""#, "-01234567\""),
        (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-01-01T00:00:00Z"),
    ];
    let text = rules.iter().fold(text, |text, (pattern, with)| {
        let pattern = Regex::new(pattern).expect("a pattern");
        pattern.replace_all(&text, *with).into_owned()
    });
    let mut object: Value = serde_json::from_str(&text).expect("JSON still");
    let metadata = object["metadata"].as_object_mut().expect("metadata");
    metadata.retain(|field, _| ["name", "generation", "labels", "annotations"].contains(&field.as_str()));
    object
}

/// What an object says, as far as it is judged by that and stays so: without times, and what it says of being compliant
/// only where nothing goes on.
fn said(object: &Value) -> Value {
    let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let is = |type_: &str, status: &str| conditions.iter().any(|c| c["type"] == type_ && c["status"] == status);
    let settled = is(conditions::READY, "True") && is(conditions::RECONCILING, "False");
    let suspended = conditions.iter().any(|c| c["reason"] == "Suspended");
    let judged = conditions.iter().filter(|condition| match condition["type"].as_str() {
        Some(conditions::READY | conditions::RECONCILING | conditions::STALLED) => true,
        Some(conditions::COMPLIANT) => settled && !suspended,
        _ => false,
    });
    let judged: Vec<Value> = judged
        .map(|c| json!([c["type"], c["status"], c["reason"], c["message"]]))
        .collect();
    json!([
        object["metadata"]["generation"],
        object["status"]["observedGeneration"],
        judged
    ])
}

/// One object, which has to be judged as expected, and to say what the recorded one of this name says.
async fn scene(name: &str, object: &Value) {
    let kind = object["kind"].as_str().expect("a kind");
    let answers = judge(FLUX, &object.to_string()).await;
    let answer = &answers[0];
    let flux = answer.flux.as_ref().expect("expressions for each kind");
    let statuses = [&answer.argocd.status, &flux.status, &answer.kstatus.status];
    assert_eq!(statuses, table::expected(name), "{kind} {name}: {answer:#?}");
    assert!(!answer.argocd.message.is_empty(), "{kind} {name}");

    let path = of_kind(kind, &format!("testdata/{name}.yaml"));
    let found = recordable(object);
    if std::env::var_os("AMISEAL_RECORD").is_some() {
        record(&path, &found);
    }
    let recorded = yaml(&super::read(&path));
    assert_eq!(said(&found), said(&recorded), "{}: record it anew", path.display());
}

fn record(path: &Path, object: &Value) {
    let text = serde_saphyr::to_string(object).expect("YAML");
    std::fs::write(path, text).expect("a file that can be written");
}

/// Waits until an object says so, as in `Ready=True/Succeeded`.
async fn until(scenario: &Scenario, kind: &str, name: &str, wanted: &[&str]) -> Value {
    let what = format!("{kind} {name} to say {wanted:?}");
    scenario
        .until(&what, async || {
            let object = object(scenario, kind, name).await;
            let seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
            let conditions = serde_json::from_value(object["status"]["conditions"].clone());
            let conditions: Vec<_> = conditions.unwrap_or_default();
            let holds = |one: &str| {
                let (type_, value) = one.split_once('=').expect("a condition");
                says(&conditions, type_) == value
            };
            (seen && wanted.iter().all(|one| holds(one))).then_some(object)
        })
        .await
}

/// The target of a policy's only account.
fn target_of(policy: &str, account: &str) -> String {
    format!("{policy}.{account}.{REGION}")
}

#[tokio::test]
async fn nothing_is_done_before_it_was_looked_at_and_audit_is_healthy_whatever_it_finds() {
    let scenario = Scenario::new(small_world(&["{name: \"web-{n}\", count: 2}"])).await;
    let history = History::begin(&scenario, "audit");
    let policy = with(policy("production", &[ACCOUNT]), "mode", json!("Audit"));
    scenario.apply(&policy).await;
    let fresh = object(&scenario, "aep", "production").await;
    assert_eq!(fresh["status"], json!({"observedGeneration": -1}));
    scene("progressing_new", &fresh).await;

    // As the controller would make them, if it ran.
    let target = json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIEncryptionTarget",
        "metadata": {"name": target_of("production", ACCOUNT)},
        "spec": {
            "policy": "production", "accountID": ACCOUNT, "region": REGION, "kmsKeyID": "alias/ami",
            "mode": "Audit", "scanInterval": "1h", "otherKey": "Report", "copy": {}, "promotion": {},
        },
    });
    let migration = json!({
        "apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIMigration",
        "metadata": {"name": format!("ami-0123456789abcdef0.{REGION}")},
        "spec": {
            "policy": "production", "accountID": ACCOUNT, "region": REGION,
            "sourceImageID": "ami-0123456789abcdef0", "keyARN": KEY_ARN,
        },
    });
    for (kind, made) in [("aet", target), ("amim", migration)] {
        kubectl(&scenario, &["create", "-f", "-"], &made.to_string()).await;
        let name = made["metadata"]["name"].as_str().expect("a name");
        scene("progressing_new", &object(&scenario, kind, name).await).await;
        kubectl(&scenario, &["delete", kind, name], "").await;
    }

    let replica = scenario.start().await;
    let found = until(&scenario, "aep", "production", &["Reconciling=False/Succeeded"]).await;
    scene("healthy_audit", &found).await;
    let target = target_of("production", ACCOUNT);
    scene("healthy_audit", &object(&scenario, "aet", &target).await).await;

    // Nobody looks at the change.
    replica.stop().await;
    scenario.apply(&with(policy, "scanInterval", json!("2h"))).await;
    let changed = object(&scenario, "aep", "production").await;
    scene("progressing_changed", &changed).await;
    history.judged().await;
    scenario.judged();
}

const GOOD: &str = "100000000001";
const STUCK: &str = "100000000002";
const PARTLY: [&str; 4] = ["100000000003", "100000000004", "100000000005", "100000000006"];
const NO_KEY: &str = "100000000007";
const STS_DOWN: &str = "100000000008";
const THROTTLED: &str = "100000000009";
const SLOW: &str = "100000000010";
const NO_RIGHT: &str = "100000000011";

#[tokio::test]
async fn what_needs_a_person_is_degraded_and_says_which_account_and_what_passes_by_itself_is_in_progress() {
    let with_images = |id: &str, images: &[&str]| account(id, &region(REGION, images));
    let web = plain("web");
    let encrypted = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let stuck = "{name: legacy, rootDeviceType: instance-store, expect: untouched}";
    let accounts = [
        with_images(GOOD, &[encrypted]),
        with_images(STUCK, &[stuck, &web]),
        with_images(PARTLY[0], &[encrypted]),
        with_images(PARTLY[1], &[encrypted]),
        with_images(PARTLY[2], &["{name: web}"]).replace("trust: [\"999900001111\"]", "trust: [\"888800001111\"]"),
        with_images(PARTLY[3], &[encrypted]),
        with_images(NO_KEY, &["{name: web}"]).replace("alias: [alias/ami]", "alias: [alias/ami], state: Disabled"),
        with_images(STS_DOWN, &["{name: web}"]),
        with_images(THROTTLED, &["{name: web}"]),
        with_images(SLOW, &[encrypted]),
        with_images(NO_RIGHT, &["{name: web}"]),
    ];
    let mut world = world(&accounts.concat());
    take_away(&mut world, NO_RIGHT, &["ec2:CopyImage"]);
    // The trust policy's own no, and that of the role which lacks a right.
    for denied in ["AssumeRole", "CopyImage"] {
        world.expect.expected_denials.push(AllowedCall {
            operation: Some(denied.to_owned()),
            ..AllowedCall::default()
        });
    }
    let scenario = Scenario::new(world).await;
    scenario.sim().add_fault(FaultRule {
        parameters: [("RoleArn".to_owned(), format!("*{STS_DOWN}*"))].into(),
        ..on("AssumeRole", Act::DropBefore)
    });
    for (account, act) in [(THROTTLED, Act::Throttle), (SLOW, Act::DelayReply(40.0))] {
        scenario.sim().add_fault(FaultRule {
            account: Some(account.to_owned()),
            ..on("DescribeImages", act)
        });
    }
    let history = History::begin(&scenario, "accounts");
    let _replica = scenario.start().await;
    // While AWS takes its time to list the images.
    scenario.apply(&policy("slow", &[SLOW])).await;
    let waits = ["Reconciling=True/Progressing", "Ready=False/SomeTargets"];
    scene("progressing_scanning", &until(&scenario, "aep", "slow", &waits).await).await;
    let waits = ["Reconciling=True/Initializing"];
    let slow = until(&scenario, "aet", &target_of("slow", SLOW), &waits).await;
    scene("progressing_scanning", &slow).await;
    for (name, accounts) in [
        ("good", &[GOOD][..]),
        ("stuck", &[STUCK]),
        ("partly", &PARTLY),
        ("key", &[NO_KEY]),
        ("sts", &[STS_DOWN]),
        ("throttled", &[THROTTLED]),
        ("right", &[NO_RIGHT]),
    ] {
        scenario.apply(&policy(name, accounts)).await;
    }

    let good = until(
        &scenario,
        "aep",
        "good",
        &["Compliant=True/Succeeded", "Reconciling=False/Succeeded"],
    )
    .await;
    scene("healthy_compliant", &good).await;
    let target = object(&scenario, "aet", &target_of("good", GOOD)).await;
    scene("healthy_compliant", &target).await;

    // One image of an account stalls its migration, and nothing else.
    let image = scenario.image("legacy");
    scenario.stalls(&image, "InstanceStoreImage").await;
    let at_work = scenario.all_migrations().await;
    let name = |of: &str| {
        let mut of_account = at_work.iter().filter(|m| m.labels()[labels::ACCOUNT] == STUCK);
        let found = of_account.find(|m| (m.spec.source_image_id == image) == (of == "legacy"));
        found.expect("a migration").name_any()
    };
    let stalled = object(&scenario, "amim", &name("legacy")).await;
    scene("degraded_stalled", &stalled).await;
    let done = until(&scenario, "amim", &name("web"), &["Ready=True/Succeeded"]).await;
    scene("healthy_completed", &done).await;
    let counted = |policy: &Value| policy["status"]["migrations"]["stalled"] == 1;
    let stuck = scenario
        .until("the policy to count its migrations", async || {
            let policy = until(&scenario, "aep", "stuck", &["Reconciling=False/Succeeded"]).await;
            (counted(&policy) && policy["status"]["images"]["superseded"] == 1).then_some(policy)
        })
        .await;
    scene("healthy_image_stalled", &stuck).await;

    // One account of several.
    let partly = until(&scenario, "aep", "partly", &["Stalled=True/SomeTargets"]).await;
    let bad = target_of("partly", PARTLY[2]);
    scene("degraded_one_account", &partly).await;
    let answers = judge(FLUX, &partly.to_string()).await;
    let message = &answers[0].argocd.message;
    assert!(
        message.starts_with("1 of 4 targets") && message.contains(&bad),
        "{message}"
    );
    let there = until(&scenario, "aet", &bad, &["Stalled=True/RoleNotAssumable"]).await;
    scene("degraded_account", &there).await;

    // A key that cannot be used, a right that is missing, and an AWS that does not answer or throttles.
    let (key, sts) = (target_of("key", NO_KEY), target_of("sts", STS_DOWN));
    let (right, throttled) = (target_of("right", NO_RIGHT), target_of("throttled", THROTTLED));
    for (kind, name, wanted, file) in [
        ("aet", key.as_str(), "Stalled=True/KeyDisabled", "degraded_key"),
        ("aep", "key", "Stalled=True/SomeTargets", "degraded_key"),
        ("aet", &right, "Stalled=True/AccessDenied", "degraded_permission"),
        ("aep", "right", "Stalled=True/SomeTargets", "degraded_permission"),
        ("aet", &throttled, "Reconciling=True/Throttled", "progressing_throttled"),
        (
            "aep",
            "throttled",
            "TargetsReachable=False/SomeTargets",
            "progressing_throttled",
        ),
        (
            "aet",
            &sts,
            "Reconciling=True/EndpointUnreachable",
            "progressing_unreachable",
        ),
        (
            "aep",
            "sts",
            "TargetsReachable=False/SomeTargets",
            "progressing_unreachable",
        ),
    ] {
        let there = until(&scenario, kind, name, &[wanted]).await;
        scene(file, &there).await;
    }
    history.judged().await;
    scenario.judged();
}

#[tokio::test]
async fn copying_is_progress_and_what_the_policy_holds_back_is_suspended() {
    let mut world = small_world(&[&plain_ones("web-", 2)]);
    world.settings.copies.base_seconds = 3600.0;
    let scenario = Scenario::new(world).await;
    let history = History::begin(&scenario, "copying");
    let _replica = scenario.start().await;
    let policy = with(
        policy("production", &[ACCOUNT]),
        "copy",
        json!({"maxConcurrentSnapshots": 1}),
    );
    let target = target_of("production", ACCOUNT);
    scenario.apply(&policy).await;

    let made = scenario
        .until("both migrations", async || {
            let all = scenario.all_migrations().await;
            let of = |why: &str| {
                let ready = format!("False/{why}");
                let found = all.iter().find(|m| says(conditions_of(m), conditions::READY) == ready);
                found.map(kube::ResourceExt::name_any)
            };
            Some((of("Copying")?, of("WaitingForAdmission")?))
        })
        .await;
    scene("progressing_copying", &object(&scenario, "amim", &made.0).await).await;
    scene("progressing_waiting", &object(&scenario, "amim", &made.1).await).await;
    let at_work = ["Reconciling=True/Progressing", "Ready=True/Succeeded"];
    let busy = until(&scenario, "aep", "production", &at_work).await;
    scene("progressing_copying", &busy).await;
    let there = until(&scenario, "aet", &target, &at_work).await;
    scene("progressing_copying", &there).await;
    // Whoever does not want to wait for the copies need not.
    let answers = judge(FLUX_WITHOUT_COPIES, &busy.to_string()).await;
    assert_eq!(
        answers[0].flux.as_ref().map(|said| said.status.as_str()),
        Some("Current")
    );

    scenario.apply(&with(policy.clone(), "suspend", json!(true))).await;
    let ready = ["Ready=True/Suspended"];
    scene("suspended", &until(&scenario, "aep", "production", &ready).await).await;
    scene("suspended", &until(&scenario, "aet", &target, &ready).await).await;
    let held = until(&scenario, "amim", &made.0, &["Ready=False/Suspended"]).await;
    scene("suspended_policy", &held).await;

    scenario.apply(&with(policy.clone(), "mode", json!("Audit"))).await;
    let held = until(&scenario, "amim", &made.0, &["Ready=False/Audit"]).await;
    scene("suspended_audit", &held).await;

    scenario
        .sim()
        .change_settings(|settings| settings.copies.base_seconds = 0.5);
    scenario.sim().advance(std::time::Duration::from_secs(3600));
    scenario.apply(&policy).await;
    scenario.completed(2).await;
    let done = [
        "Reconciling=False/Succeeded",
        "Ready=True/Succeeded",
        "Compliant=False/OriginalsRemain",
    ];
    let there = until(&scenario, "aet", &target, &done).await;
    scene("healthy_originals_remain", &there).await;
    history.judged().await;
    scenario.judged();
}
