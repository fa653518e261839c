//! ReceiveMessage.

use std::time::Duration;

use axum::body::Bytes;
use axum::http;
use serde_json::{Map, Value, json};

use super::md5::md5;
use super::{number, of_url, queue};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::Message;
use crate::wire::{ApiError, Body, Credential, Service};

/// For so long a message is kept.
const KEPT_SECONDS: f64 = 4.0 * 24.0 * 3600.0;

const ATTRIBUTES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// Runs ReceiveMessage: messages come in no order, and are not received again before their visibility timeout.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    let now = request.now;
    let most = number(request, "MaxNumberOfMessages", (1, 10))?.unwrap_or(1);
    let most = usize::try_from(most).unwrap_or(1);
    number(request, "WaitTimeSeconds", (0, 20))?;
    let timeout = number(request, "VisibilityTimeout", (0, 43_200))?;
    let wanted = wanted(request)?;
    let place = queue(state, request)?;
    place
        .messages
        .retain(|message| now.seconds_since(message.sent) < KEPT_SECONDS);
    let all = place.messages.iter().enumerate();
    let mut due: Vec<usize> = all
        .filter(|(_, message)| message.visible_at <= now)
        .map(|(index, _)| index)
        .collect();
    let mut picked = Vec::new();
    while picked.len() < most && !due.is_empty() {
        let index = rand::Rng::random_range(&mut state.rng, 0..due.len());
        picked.push(due.swap_remove(index));
    }
    let place = queue(state, request)?;
    let timeout = timeout.map_or(place.visibility_timeout, f64::from);
    let mut messages = Vec::new();
    for index in picked {
        let Some(message) = place.messages.get_mut(index) else {
            continue;
        };
        message.receives += 1;
        message.first_received.get_or_insert(now);
        message.visible_at = now.plus_seconds(timeout);
        messages.push(told(&place.name, message, &wanted));
    }
    Ok(Done::json(if messages.is_empty() {
        json!({})
    } else {
        json!({ "Messages": messages })
    }))
}

/// The attributes that a call asks for, by both of the names that the parameter has had.
fn wanted(request: &Request) -> Result<Vec<String>, ApiError> {
    let mut wanted = request.params.list("AttributeNames");
    wanted.extend(request.params.list("MessageSystemAttributeNames"));
    if let Some(name) = wanted.iter().find(|name| !ATTRIBUTES.contains(*name)) {
        return Err(ApiError::new(
            "InvalidAttributeName",
            format!("Unknown Attribute {name}."),
        ));
    }
    Ok(wanted.into_iter().map(str::to_owned).collect())
}

fn told(queue: &str, message: &Message, wanted: &[String]) -> Value {
    let mut told = json!({
        "MessageId": message.id,
        "ReceiptHandle": hex::encode(format!("{queue}:{}:{}", message.id, message.receives)),
        "MD5OfBody": md5(&message.body),
        "Body": message.body,
    });
    let first = message.first_received.unwrap_or(message.sent);
    let attributes: Map<String, Value> = [
        ("SentTimestamp", message.sent.as_millis().to_string()),
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("ApproximateFirstReceiveTimestamp", first.as_millis().to_string()),
    ]
    .into_iter()
    .filter(|(name, _)| wanted.iter().any(|one| one == "All" || one == name))
    .map(|(name, value)| (name.to_owned(), json!(value)))
    .collect();
    if !attributes.is_empty() {
        told["Attributes"] = Value::Object(attributes);
    }
    told
}

/// For how long, in real time, the answer is held back of a long poll that finds nothing.
pub(crate) fn long_poll(state: &State, request: &Request, outcome: &Outcome) -> Duration {
    let is_empty = outcome
        .as_ref()
        .is_ok_and(|done| matches!(&done.body, Body::Json(answer) if answer.get("Messages").is_none()));
    if request.service != Service::Sqs || request.operation != "ReceiveMessage" || !is_empty {
        return Duration::ZERO;
    }
    let asked = request.params.get("WaitTimeSeconds").and_then(|text| text.parse().ok());
    let longest = state.settings.queues.wait_seconds;
    Duration::try_from_secs_f64(asked.unwrap_or(0.0_f64).min(longest)).unwrap_or_default()
}

/// For how long, in real time, whoever carries a request here may keep it back: it is a long poll, and of a queue that has
/// nothing now.
pub(crate) fn keep_back(state: &State, http: &http::Request<Bytes>, now: SimTime) -> Duration {
    let target = http.headers().get("x-amz-target");
    if target.is_none_or(|target| target != "AmazonSQS.ReceiveMessage") {
        return Duration::ZERO;
    }
    let asked: Value = serde_json::from_slice(http.body()).unwrap_or_default();
    let seconds = asked["WaitTimeSeconds"].as_f64().unwrap_or_default();
    let place = || {
        let (account, name) = of_url(asked["QueueUrl"].as_str()?)?;
        let credential = Credential::from_headers(http.headers()).ok()?;
        let region = state.world.region(account, &credential.region)?;
        region.queues.iter().find(|queue| queue.name == name)
    };
    let Some(queue) = place() else {
        return Duration::ZERO;
    };
    if queue.messages.iter().any(|message| message.visible_at <= now) {
        return Duration::ZERO;
    }
    Duration::try_from_secs_f64(seconds.min(state.settings.queues.wait_seconds)).unwrap_or_default()
}
