//! Events: what changes in AWS is seen within seconds, by a queue. Whatever stands in it, a message is only a hint to look.

use std::time::{Duration, Instant};

use amiseal::api::{conditions, labels};
use amiseal::plan::events::{Wanted, told};
use ec2sim::{Act, Call, Edit, Failure, FaultRule, WorldSpec};
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::guardrails::{TARGET, edit, is_told, one_of, says_of, settable, settings};
use crate::harness::{ACCOUNT, KEY, REGION, Replica, Scenario, account, plain, policy, says, with, world};

/// The controller's own account, which the queue is in.
const HOME: &str = "999900001111";
const QUEUE: &str = "amiseal";
const PERSON: &str = "arn:aws:sts::111122223333:assumed-role/admin/jo";

/// A queue in the controller's own account, and a region of another one with these settings and images, in YAML's flow style.
fn with_queue(settings: &str, images: &[&str]) -> WorldSpec {
    of_regions(&[of_region(REGION, settings, images)])
}

fn of_region(name: &str, settings: &str, images: &[&str]) -> String {
    let images = images.join(", ");
    format!("{{name: {name}, keys: [{{id: {KEY}, alias: [alias/ami]}}], {settings} images: [{images}]}}")
}

fn of_regions(regions: &[String]) -> WorldSpec {
    let mut world = world(&account(ACCOUNT, &regions.join(", ")));
    let region = json!({"name": REGION, "queues": [{"name": QUEUE, "visibilityTimeout": 30}]});
    world.accounts[0].regions = vec![serde_json::from_value(region).expect("a region")];
    world.identities[0].allow.push("sqs:*".to_owned());
    world
}

/// The rule that sends what happens in a region to the queue.
const RULE: &str = "eventsTo: {account: \"999900001111\", region: eu-west-1, queue: amiseal},";

/// A replica that reads the queue.
fn start_reading(scenario: &Scenario, name: &str) -> Replica {
    let url = format!("{}/{HOME}/{QUEUE}", scenario.endpoint());
    let process = scenario.describe(name).env("AWS_REGION", REGION);
    let process = process
        .args(["--event-queue-url", url.as_str()])
        .spawn()
        .expect("a replica");
    Replica { process }
}

async fn start(scenario: &Scenario) -> Replica {
    let mut replica = start_reading(scenario, "amiseal");
    replica.leads().await;
    replica
}

/// A policy under which nothing is seen for a day, but by events.
fn rarely() -> Value {
    with(policy("production", &[ACCOUNT]), "scanInterval", json!("24h"))
}

/// Makes an image now that is to be copied.
fn make(scenario: &Scenario, region: &str, name: &str) {
    let image = json!({"name": name, "expect": {"copied": {"key": "alias/ami"}}});
    scenario.edit(Edit::AddImage {
        account: ACCOUNT.to_owned(),
        region: region.to_owned(),
        image: Box::new(serde_json::from_value(image).expect("an image")),
    });
}

/// Puts a text into the queue, so many times.
fn send(scenario: &Scenario, body: impl Into<String>, times: u32) {
    scenario.edit(Edit::SendMessage {
        account: HOME.to_owned(),
        region: REGION.to_owned(),
        queue: QUEUE.to_owned(),
        body: body.into(),
        times,
    });
}

/// An event of an account and region.
fn event((account, region): (&str, &str), kind: &str, source: &str, detail: &Value) -> String {
    json!({
        "version": "0", "id": "6a7e8feb-b491-4cf7-a9f1-bf3703467718", "detail-type": kind, "source": source,
        "account": account, "time": "2026-11-30T12:00:00Z", "region": region, "resources": [], "detail": detail,
    })
    .to_string()
}

fn available(place: (&str, &str)) -> String {
    let detail =
        json!({"RequestId": "1", "ImageId": "ami-0123456789abcdef0", "State": "available", "ErrorMessage": ""});
    event(place, "EC2 AMI State Change", "aws.ec2", &detail)
}

fn called(name: &str) -> String {
    let identity = json!({"type": "AssumedRole", "arn": PERSON});
    let detail = json!({"eventSource": "ec2.amazonaws.com", "eventName": name, "userIdentity": identity});
    event((ACCOUNT, REGION), "AWS API Call via CloudTrail", "aws.ec2", &detail)
}

/// The value of a series.
async fn value(replica: &mut Replica, series: &str) -> f64 {
    let (_, text) = replica.get("/metrics").await;
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    found.and_then(|value| value.parse().ok()).unwrap_or_default()
}

/// Waits until so many messages have come to this.
async fn counted(scenario: &Scenario, replica: &mut Replica, result: &str, least: f64) {
    let series = format!(r#"amiseal_event_messages_total{{result="{result}"}}"#);
    scenario
        .until(&format!("{least} messages to be {result}"), async || {
            (value(replica, &series).await >= least).then_some(())
        })
        .await;
}

#[tokio::test]
async fn a_new_image_is_migrated_within_seconds_of_its_event_where_scans_are_a_day_apart() {
    let scenario = Scenario::new(with_queue(RULE, &[&plain("web")])).await;
    let mut replica = start(&scenario).await;
    scenario.apply(&rarely()).await;
    scenario.completed(1).await;
    let scanned = scenario.scans();
    let made = Instant::now();
    make(&scenario, REGION, "later");
    scenario.completed(2).await;
    assert!(
        made.elapsed() < Duration::from_secs(120),
        "it took {:?}",
        made.elapsed()
    );
    // An event of a copy may come before it is on record which image that is.
    let since = scenario.scans().saturating_sub(scanned);
    assert!(since <= 2, "{since} scans");
    counted(&scenario, &mut replica, "hint", 1.0).await;
    counted(&scenario, &mut replica, "own", 1.0).await;
    assert!(value(&mut replica, "amiseal_event_age_seconds_count").await >= 2.0);
    let followed = r#"amiseal_event_hints_total{what="newImages"}"#;
    assert!(value(&mut replica, followed).await >= 1.0);
    scenario.judged();
}

#[tokio::test]
async fn where_new_images_are_looked_for_an_event_leads_to_looks_and_to_no_scan() {
    let scenario = Scenario::new(with_queue(RULE, &[&plain("web")])).await;
    let mut replica = start(&scenario).await;
    let looking = with(rarely(), "newImages", json!({"lookEvery": "1h"}));
    scenario.apply(&looking).await;
    scenario.completed(1).await;
    let looked = scenario.looks().len();
    make(&scenario, REGION, "later");
    scenario.completed(2).await;
    // Whoever loses a shard for a moment scans for that alone, so that scans are not counted.
    let followed = async |replica: &mut Replica, what: &str| {
        value(replica, &format!(r#"amiseal_event_hints_total{{what="{what}"}}"#)).await
    };
    assert!(followed(&mut replica, "newImages").await >= 1.0);
    assert!(followed(&mut replica, "images").await < 1.0);
    let since = scenario.looks().len() - looked;
    assert!((2..=4).contains(&since), "{since} looks");
    scenario.judged();
}

#[tokio::test]
async fn messages_that_are_malformed_forged_or_of_others_do_no_harm_and_a_flood_costs_a_scan_a_minute() {
    let image = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let scenario = Scenario::new(with_queue("", &[image])).await;
    let mut replica = start(&scenario).await;
    scenario.apply(&rarely()).await;
    scenario
        .until("the first scan", async || {
            let status = scenario.targets().get_opt(TARGET).await.ok()??.status?;
            status.last_scan_time.map(drop)
        })
        .await;
    let scanned = scenario.scans();
    let nobody = [("444455556666", REGION), (ACCOUNT, "us-east-1")];
    for text in ["no event", "{}", "[[[[", "\u{feff}{\"detail-type\": 7}"] {
        send(&scenario, text, 3);
    }
    send(
        &scenario,
        event((ACCOUNT, REGION), "EC2 AMI State Change", "mine", &json!({})),
        1,
    );
    send(&scenario, available(("1", REGION)), 1);
    for place in nobody {
        send(&scenario, available(place), 2);
    }
    counted(&scenario, &mut replica, "malformed", 13.0).await;
    counted(&scenario, &mut replica, "unknown", 1.0).await;
    counted(&scenario, &mut replica, "elsewhere", 4.0).await;
    assert!(scenario.scans() <= scanned, "no scan");

    let began = Instant::now();
    send(&scenario, available((ACCOUNT, REGION)), 900);
    send(&scenario, called("ModifyImageAttribute"), 100);
    counted(&scenario, &mut replica, "hint", 1000.0).await;
    scenario
        .until("the flood to lead to a scan", async || {
            (scenario.scans() > scanned).then_some(())
        })
        .await;
    let minutes = usize::try_from(began.elapsed().as_secs() / 60).expect("a number");
    assert!(scenario.scans() <= scanned + 1 + minutes, "one a minute");
    assert_eq!(scenario.looks().len(), 0, "nobody has asked for looks");
    let target = scenario.target(TARGET).await;
    let status = target.status.expect("a status");
    assert_eq!(says(&status.conditions, conditions::REACHABLE), "True/Succeeded");
    assert_eq!(scenario.copies_made(), 0);
    scenario.judged();
}

#[tokio::test]
async fn who_has_undone_a_guardrail_is_named_as_an_event_names_them() {
    let world = with_queue(
        "guardrails: {imagePublicAccess: block-new-sharing},",
        &["{name: done, encryptedUnder: alias/ami, expect: encrypted}"],
    );
    let scenario = Scenario::new(settable(world)).await;
    let began = Timestamp::now();
    let _replica = start(&scenario).await;
    let one = one_of("imageBlockPublicAccess", "Enforce");
    scenario.apply(&with(rarely(), "guardrails", one)).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    let scanned = scenario.scans();

    let mut undone = settings(&scenario);
    undone.image_public_access = None;
    edit(&scenario, undone);
    send(&scenario, called("DisableImageBlockPublicAccess"), 1);
    let drifted = format!(
        "ImageBlockPublicAccess held, and was found undone: it is unblocked now. CloudTrail knows who did that. An event names \
         {PERSON}."
    );
    is_told(&scenario, began, "GuardrailDrifted", "Warning", &drifted).await;
    says_of(&scenario, TARGET, "True/Enforced").await;
    assert!(scenario.scans() <= scanned, "it is read without a scan");
    scenario.judged();
}

#[tokio::test]
async fn a_queue_that_cannot_be_read_is_told_of_once_and_hinders_nothing() {
    let scenario = Scenario::new(with_queue("", &[&plain("web")])).await;
    scenario.sim().add_fault(FaultRule {
        service: Some("sqs".to_owned()),
        operation: Some("ReceiveMessage".to_owned()),
        act: Act::FailBefore(Failure::default()),
        ..FaultRule::default()
    });
    let mut replica = start(&scenario).await;
    scenario.apply(&rarely()).await;
    scenario.completed(1).await;
    let since = "amiseal_event_queue_unreadable_since_timestamp_seconds";
    scenario
        .until("the failure to be shown", async || {
            (value(&mut replica, since).await > 0.0).then_some(())
        })
        .await;
    assert!(value(&mut replica, r#"amiseal_event_queue_failures_total{class="Transient"}"#).await >= 1.0);
    assert_eq!(replica.get("/readyz").await.0, 200);
    let lines = |text: &str| scenario.log().lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("what has changed is found by the next scan"), 1);

    scenario.sim().clear_faults();
    scenario
        .until("the queue to be read again", async || {
            (value(&mut replica, since).await == 0.0).then_some(())
        })
        .await;
    assert_eq!(lines("the queue of events can be read again"), 1);
    assert_eq!(lines("what has changed is found by the next scan"), 1);
    scenario.judged();
}

#[tokio::test]
async fn messages_that_may_not_be_deleted_are_acted_on_once_and_that_is_told_once() {
    let image = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let mut world = with_queue("", &[image]);
    let region = json!({"name": REGION, "queues": [{"name": QUEUE, "visibilityTimeout": 2}]});
    world.accounts[0].regions = vec![serde_json::from_value(region).expect("a region")];
    let scenario = Scenario::new(world).await;
    scenario.sim().add_fault(FaultRule {
        service: Some("sqs".to_owned()),
        operation: Some("DeleteMessageBatch".to_owned()),
        act: Act::FailBefore(Failure {
            code: "AccessDeniedException".to_owned(),
            status: 403,
            message: "Access to the resource is denied.".to_owned(),
        }),
        ..FaultRule::default()
    });
    let mut replica = start(&scenario).await;
    scenario.apply(&rarely()).await;
    scenario
        .until("the first scan", async || {
            let status = scenario.targets().get_opt(TARGET).await.ok()??.status?;
            status.last_scan_time.map(drop)
        })
        .await;
    let scanned = scenario.scans();
    send(&scenario, called("ModifyImageAttribute"), 1);
    scenario
        .until("a scan", async || (scenario.scans() > scanned).then_some(()))
        .await;
    counted(&scenario, &mut replica, "repeated", 3.0).await;
    let hints = r#"amiseal_event_messages_total{result="hint"}"#;
    assert_eq!(value(&mut replica, hints).await, 1.0);
    assert!(scenario.scans() <= scanned + 1);
    let since = "amiseal_event_queue_unreadable_since_timestamp_seconds";
    assert!(value(&mut replica, since).await > 0.0);
    assert!(value(&mut replica, r#"amiseal_event_queue_failures_total{class="Denied"}"#).await >= 3.0);
    assert_eq!(replica.get("/readyz").await.0, 200);
    // The scenarios log more than people do.
    let told = |line: &&str| !line.contains(" DEBUG ");
    let lines = |text: &str| {
        let log = scenario.log();
        log.lines().filter(told).filter(|line| line.contains(text)).count()
    };
    let denied = "cannot delete messages of the queue of events: each comes again";
    assert_eq!(lines(denied), 1);
    assert_eq!(lines("grant sqs:DeleteMessage to the role"), 1);

    // What comes meanwhile is followed as before: a minute after the last hint.
    send(&scenario, called("ModifySnapshotAttribute"), 1);
    counted(&scenario, &mut replica, "hint", 2.0).await;

    scenario.sim().clear_faults();
    scenario
        .until("the messages to be deleted", async || {
            (value(&mut replica, since).await == 0.0).then_some(())
        })
        .await;
    assert_eq!(lines("messages of the queue of events can be deleted again"), 1);
    assert_eq!(lines(denied), 1);
    assert_eq!(value(&mut replica, hints).await, 2.0);
    scenario.judged();
}

#[tokio::test]
async fn under_suspend_no_message_leads_to_a_call() {
    let scenario = Scenario::new(with_queue("", &["{name: web, expect: untouched}"])).await;
    let mut replica = start(&scenario).await;
    scenario.apply(&with(rarely(), "suspend", json!(true))).await;
    scenario
        .until("the target to say so", async || {
            let status = scenario.targets().get_opt(TARGET).await.ok()??.status?;
            (!status.conditions.is_empty()).then_some(())
        })
        .await;
    send(&scenario, available((ACCOUNT, REGION)), 5);
    send(&scenario, called("DisableImageBlockPublicAccess"), 5);
    counted(&scenario, &mut replica, "hint", 10.0).await;
    // A scan for a new image would wait for ten seconds.
    tokio::time::sleep(Duration::from_secs(12)).await;
    let calls = scenario.sim().journal();
    let others: Vec<&Call> = calls.iter().filter(|call| call.service != "sqs").collect();
    assert!(others.is_empty(), "{others:?}");
    scenario.judged();
}

#[tokio::test]
async fn whichever_replica_reads_an_event_the_one_that_works_on_the_target_follows_it() {
    const REGIONS: [&str; 4] = ["eu-west-1", "eu-west-2", "eu-central-1", "us-east-1"];
    let regions = REGIONS.map(|region| of_region(region, "", &[]));
    let scenario = Scenario::new(of_regions(&regions)).await;
    // This one holds all shards at first, and knows of no queue.
    let _silent = scenario.start().await;
    let named = REGIONS.map(|region| json!({"name": region, "kmsKeyID": "alias/ami"}));
    scenario.apply(&with(rarely(), "defaults.regions", json!(named))).await;
    let target = |region: &str| format!("production.{ACCOUNT}.{region}");
    let followed = async |region: &str| {
        let annotations = scenario.target(&target(region)).await.metadata.annotations;
        annotations.is_some_and(|all| all.contains_key(labels::HINT))
    };
    for region in REGIONS {
        scenario
            .until("the first scan", async || {
                let status = scenario.targets().get_opt(&target(region)).await.ok()??.status?;
                status.last_scan_time.map(drop)
            })
            .await;
    }
    let mut reader = start_reading(&scenario, "amiseal-1");
    scenario
        .until("the other replica to hold shards", async || {
            (value(&mut reader, "amiseal_shards_held").await > 0.0).then_some(())
        })
        .await;
    for region in REGIONS {
        make(&scenario, region, region);
        send(&scenario, available((ACCOUNT, region)), 1);
    }
    scenario.completed(REGIONS.len()).await;
    let mut told_by_annotation = 0;
    for region in REGIONS {
        told_by_annotation += usize::from(followed(region).await);
    }
    println!(
        "{told_by_annotation} of {} targets were told by an annotation",
        REGIONS.len()
    );
    scenario.judged();
}

#[tokio::test]
async fn a_target_follows_what_another_replica_tells_by_an_annotation_and_nothing_that_is_old_or_no_hint() {
    let image = "{name: done, encryptedUnder: alias/ami, expect: encrypted}";
    let scenario = Scenario::new(with_queue("", &[image])).await;
    let _replica = scenario.start().await;
    scenario.apply(&rarely()).await;
    scenario
        .until("the first scan", async || {
            let status = scenario.targets().get_opt(TARGET).await.ok()??.status?;
            status.last_scan_time.map(drop)
        })
        .await;
    let scanned = scenario.scans();
    let annotate = async |value: String| {
        let patch = Patch::Merge(json!({"metadata": {"annotations": {labels::HINT: value}}}));
        let patched = scenario.targets().patch(TARGET, &PatchParams::default(), &patch).await;
        patched.expect("an annotation can be set");
    };
    let images = Wanted {
        images: true,
        ..Wanted::default()
    };
    let long_ago = Timestamp::now() - Duration::from_secs(3600);
    for nothing in [told(&images, long_ago), "soon".to_owned(), "x".repeat(10_000)] {
        annotate(nothing).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(scenario.scans() <= scanned, "no scan");
    annotate(told(&images, Timestamp::now())).await;
    scenario
        .until("a scan", async || (scenario.scans() > scanned).then_some(()))
        .await;
    assert!(scenario.scans() <= scanned + 1, "one scan");
    scenario.judged();
}
