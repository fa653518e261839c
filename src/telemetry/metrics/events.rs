//! What is shown of the queue that events come from.

use jiff::Timestamp;
use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounterVec};

use super::{counters, seconds};
use crate::plan::events::{Refused, Wanted, What};

/// What messages were, beside those that were refused.
const HINT: &str = "hint";
const OWN: &str = "own";
const ELSEWHERE: &str = "elsewhere";
const REPEATED: &str = "repeated";

/// What a message that says something has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// Targets were told.
    Targets,
    /// amiseal has done that itself.
    Own,
    /// No policy has that account and region.
    Nobody,
}

/// What is shown of the queue.
#[derive(Debug, Clone)]
pub(crate) struct EventMetrics {
    messages: IntCounterVec,
    hints: IntCounterVec,
    age: Histogram,
    failures: IntCounterVec,
    unreadable_since: Gauge,
}

impl EventMetrics {
    pub(super) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            messages: counters(
                "amiseal_event_messages_total",
                "Messages of the queue of events: hint where a target was told, own for what amiseal has done itself, elsewhere for an account and region of no policy, repeated for one that was acted on before and could not be deleted, and tooLarge, malformed, unknown or irrelevant for what is no hint. Nothing without a queue.",
                &["result"],
            )?,
            hints: counters(
                "amiseal_event_hints_total",
                "How often targets have looked for an event's sake, by what they have looked at. Hints of one minute are followed together. Nothing without a queue.",
                &["what"],
            )?,
            age: Histogram::with_opts(
                HistogramOpts::new(
                    "amiseal_event_age_seconds",
                    "How old messages are when they are read, from when they were sent to the queue.",
                )
                .buckets(vec![0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0]),
            )?,
            failures: counters(
                "amiseal_event_queue_failures_total",
                "How often reading the queue of events, or deleting messages from it, has failed, by the class of the error.",
                &["class"],
            )?,
            unreadable_since: Gauge::new(
                "amiseal_event_queue_unreadable_since_timestamp_seconds",
                "Since when this replica cannot read the queue of events, or cannot delete what it has read, in seconds since 1970; 0 while it can, and without a queue.",
            )?,
        })
    }

    pub(super) fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.messages.clone()),
            Box::new(self.hints.clone()),
            Box::new(self.age.clone()),
            Box::new(self.failures.clone()),
            Box::new(self.unreadable_since.clone()),
        ]
    }

    /// Shows from 0 on what comes of messages: Prometheus sees the first one only where it has seen 0 before.
    pub(crate) fn begin(&self) {
        let refused = Refused::ALL.into_iter().map(Refused::as_str);
        for result in [HINT, OWN, ELSEWHERE, REPEATED].into_iter().chain(refused) {
            self.messages.with_label_values(&[result]);
        }
        for what in What::KINDS {
            self.hints.with_label_values(&[what]);
        }
    }

    /// A message was read, and so many seconds old, where that is known.
    pub(crate) fn message(&self, told: Result<Told, Refused>, age: Option<f64>) {
        let result = match told {
            Ok(Told::Targets) => HINT,
            Ok(Told::Own) => OWN,
            Ok(Told::Nobody) => ELSEWHERE,
            Err(refused) => refused.as_str(),
        };
        self.messages.with_label_values(&[result]).inc();
        if let Some(age) = age {
            self.age.observe(age);
        }
    }

    /// A message came again that was acted on before.
    pub(crate) fn repeated(&self) {
        self.messages.with_label_values(&[REPEATED]).inc();
    }

    /// A target follows hints.
    pub(crate) fn followed(&self, wanted: &Wanted) {
        for what in wanted.kinds() {
            self.hints.with_label_values(&[what]).inc();
        }
    }

    /// Messages could not be deleted, for a reason that passes by itself.
    pub(crate) fn missed(&self, class: &str) {
        self.failures.with_label_values(&[class]).inc();
    }

    /// Reading the queue, or deleting from it, has failed at this time of day.
    pub(crate) fn failed(&self, class: &str, now: Timestamp) {
        self.missed(class);
        if self.unreadable_since.get() == 0.0 {
            self.unreadable_since.set(seconds(now));
        }
    }

    /// It can be read and emptied, or need not be.
    pub(crate) fn readable(&self) {
        self.unreadable_since.set(0.0);
    }
}
