//! What people put into the queue that events come from, and what is wrong with it for a while.

use std::time::Duration;

use amiseal::api::GuardrailName;
use amiseal::plan::events::LARGEST;
use ec2sim::{Act, Edit, Failure, FaultRule};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::catalogue::Fault;
use super::guarding::RAILS;
use super::hearing::{self, QUEUE, REGION};
use super::meddling;
use super::stage::{A_WHILE, Stage};
use super::world::{CONTROLLER, ONE, PLACES};

/// A flood goes on for twelve minutes: so many times some messages come, so long after each other.
const BURSTS: u32 = 144;
const BETWEEN: Duration = Duration::from_secs(5);
/// With so many of each kind it begins.
const AT_FIRST: u32 = 40;
/// How long a flood lasts.
pub(crate) const FLOODS: Duration = BETWEEN.saturating_mul(BURSTS);
/// What stands in messages and is to be found nowhere else.
pub(crate) const CANARY: &str = "canary-b1d5";
/// An account, and a region, that no policy names.
const NOBODY: &str = "555566667777";
const NOWHERE: &str = "ap-southeast-2";

/// A message about an account and region.
type Message = fn((&str, &str)) -> String;

/// What is as events are, and leads to reads, though nothing of it has happened.
const PLAUSIBLE: [Message; 4] = [
    |place| of_state(place, json!("available")),
    |place| of_state(place, json!("deregistered")),
    |place| of_call(place, "DisableImageBlockPublicAccess", &person(place.0)),
    |place| {
        let detail = json!({"operation": "Update", "name": "/images/web", "type": "String", "description": CANARY});
        event(place, ("Parameter Store Change", "aws.ssm"), &detail)
    },
];

/// What leads to nothing.
const IMPLAUSIBLE: [Message; 9] = [
    |(_, region)| of_state((NOBODY, region), json!("available")),
    |(account, _)| of_state((account, NOWHERE), json!("available")),
    |(_, region)| of_state(("nobody", region), json!("available")),
    |place| of_state(place, Value::Null),
    |place| {
        event(
            place,
            ("EC2 Instance State-change Notification", "aws.ec2"),
            &json!({"state": CANARY}),
        )
    },
    |place| {
        let detail = json!({
            "eventSource": "ec2.amazonaws.com", "eventName": "DeregisterImage", "errorCode": "Client.DryRunOperation",
            "errorMessage": CANARY, "userIdentity": {"arn": person(place.0)},
        });
        event(place, ("AWS API Call via CloudTrail", "aws.ec2"), &detail)
    },
    // As if amiseal had done it.
    |place| {
        let (account, policy) = (place.0, if place.0 == ONE { "first" } else { "second" });
        let own = format!("arn:aws:sts::{account}:assumed-role/amiseal/amiseal-{policy}");
        of_call(place, "DeregisterImage", &own)
    },
    |_| format!("{{\"detail-type\": \"{CANARY}\", "),
    |place| of_state(place, json!("a".repeat(LARGEST))),
];

/// Does it, by the number of the write that is struck.
pub(super) fn act(stage: &Stage, fault: Fault, number: u64) {
    if hearing::queue(&stage.before).is_none() {
        return;
    }
    let turn = usize::try_from(number).unwrap_or(0);
    let place = PLACES[turn % PLACES.len()];
    let turn = turn / PLACES.len();
    match fault {
        Fault::MessagesFlooded => flood(stage, place),
        Fault::MessagesForged => {
            for message in PLAUSIBLE.iter().chain(&IMPLAUSIBLE) {
                send(stage, message(place), 1);
            }
        }
        Fault::GuardrailBlamed => blame(stage, place, RAILS[turn % RAILS.len()].name),
        Fault::QueueFails => fail(stage, fault, number, ("ReceiveMessage", turn)),
        Fault::DeletionFails => fail(stage, fault, number, ("DeleteMessageBatch", turn)),
        other => panic!("{other:?} is nothing that happens to a queue"),
    }
}

/// Whoever may send to the queue does so without end, for a while. That hinders nothing, so that it is nothing to be put right.
fn flood(stage: &Stage, place: (&'static str, &'static str)) {
    let now = stage.clock.age();
    stage.note(|notes| notes.flooded.push(now));
    let stage = stage.clone();
    tokio::spawn(async move {
        for burst in 0..BURSTS {
            if stage.is_calm() {
                return;
            }
            let times = if burst == 0 { AT_FIRST } else { 1 };
            for message in PLAUSIBLE {
                send(&stage, message(place), times);
            }
            sleep(BETWEEN).await;
        }
    });
}

/// Somebody turns a guardrail off, and says of whoever that was more than an ARN.
fn blame(stage: &Stage, place: (&str, &str), name: GuardrailName) {
    meddling::turn_off(stage, place, name);
    let call = match name {
        GuardrailName::EbsEncryptionByDefault => "DisableEbsEncryptionByDefault",
        GuardrailName::ImageBlockPublicAccess => "DisableImageBlockPublicAccess",
        _ => "DisableSnapshotBlockPublicAccess",
    };
    let who = format!("arn:aws:sts::{}:assumed-role/admin/jo {CANARY}\nAll is well.", place.0);
    send(stage, of_call(place, call, &who), 1);
}

/// Calls about the queue fail for a while, each time in another way.
fn fail(stage: &Stage, fault: Fault, number: u64, (operation, turn): (&str, usize)) {
    let failures = [
        ("AccessDenied", 403, "Access to the resource is denied."),
        (
            "AWS.SimpleQueueService.NonExistentQueue",
            400,
            "The specified queue does not exist.",
        ),
        (
            "RequestThrottled",
            403,
            "The request was denied due to request throttling.",
        ),
        ("InternalError", 500, "The service has failed."),
    ];
    let (code, status, message) = failures[turn % failures.len()];
    let name = format!("{}@{number}", fault.name());
    stage.sim.add_fault(FaultRule {
        name: Some(name.clone()),
        service: Some("sqs".to_owned()),
        operation: Some(operation.to_owned()),
        act: Act::FailBefore(Failure {
            code: code.to_owned(),
            status,
            message: message.to_owned(),
        }),
        ..FaultRule::default()
    });
    stage.later(A_WHILE, move |stage| stage.sim.remove_faults(&name));
}

fn send(stage: &Stage, body: String, times: u32) {
    stage.edit(Edit::SendMessage {
        account: CONTROLLER.to_owned(),
        region: REGION.to_owned(),
        queue: QUEUE.to_owned(),
        body,
        times,
    });
}

/// An image that is not there has come to a state.
fn of_state(place: (&str, &str), state: Value) -> String {
    let mut detail = json!({"RequestId": CANARY, "ImageId": CANARY, "ErrorMessage": CANARY});
    detail["State"] = state;
    event(place, ("EC2 AMI State Change", "aws.ec2"), &detail)
}

/// Somebody has made a call.
fn of_call(place: (&str, &str), name: &str, who: &str) -> String {
    let detail = json!({
        "eventSource": "ec2.amazonaws.com", "eventName": name, "userIdentity": {"type": "AssumedRole", "arn": who},
        "requestParameters": {"imageId": CANARY},
    });
    event(place, ("AWS API Call via CloudTrail", "aws.ec2"), &detail)
}

fn person(account: &str) -> String {
    format!("arn:aws:sts::{account}:assumed-role/admin/jo")
}

fn event((account, region): (&str, &str), (kind, source): (&str, &str), detail: &Value) -> String {
    json!({
        "version": "0", "id": CANARY, "detail-type": kind, "source": source, "account": account,
        "time": "2026-01-01T00:00:00Z", "region": region, "resources": [], "detail": detail,
    })
    .to_string()
}
