//! Queues of SQS, and where a region's events go.

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;

/// A standard queue.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Name.
    pub name: String,
    /// For so many seconds a message that was received is not received again, unless a call says it.
    pub visibility_timeout: f64,
    /// Its messages, the first one first.
    pub messages: Vec<Message>,
}

/// A message of a queue.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Message ID.
    pub id: String,
    /// What it says.
    pub body: String,
    /// When it was sent.
    pub sent: SimTime,
    /// It is not received before.
    pub visible_at: SimTime,
    /// When it was received for the first time.
    pub first_received: Option<SimTime>,
    /// How often it was received.
    pub receives: u32,
    /// Whether it was deleted, and has outlived that.
    pub outlived: bool,
}

/// A rule of EventBridge: to which queue it sends what happens to images, settings and parameters of a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventsTo {
    /// Account of the queue.
    pub account: String,
    /// Region of the queue.
    pub region: String,
    /// Its name.
    pub queue: String,
    /// Whether calls of the API come, as CloudTrail has them; absent: where a trail logs them.
    #[serde(default)]
    pub api_calls: Option<bool>,
}
