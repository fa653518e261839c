//! Disturbing requests and watches.

use std::time::Duration;

use serde_json::Value;

use crate::failure::Failure;
use crate::request::{Call, Verb};
use crate::store::Version;

/// A request, as those who decide about it see it.
#[derive(Clone, Debug)]
pub struct RequestInfo {
    /// The number of the request, from 1; its entry in the journal has the same.
    pub number: u64,
    /// Whose it is: the name that the service was made with.
    pub client: String,
    /// What it does.
    pub verb: Verb,
    /// The kind, as in `AMIMigration`.
    pub kind: String,
    /// The namespace; empty for objects of the whole cluster.
    pub namespace: String,
    /// The object's name; empty for lists, watches and creations of objects without a name.
    pub name: String,
    /// `status`, or empty.
    pub subresource: String,
    /// The body; null if there is none.
    pub body: Value,
}

impl RequestInfo {
    pub(crate) fn of(call: &Call, number: u64, client: &str) -> Self {
        let named = call
            .body
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        Self {
            number,
            client: client.to_owned(),
            verb: call.verb,
            kind: call.kind.kind.clone(),
            namespace: call.namespace.clone(),
            name: if call.name.is_empty() {
                named.to_owned()
            } else {
                call.name.clone()
            },
            subresource: call.subresource.clone(),
            body: call.body.clone(),
        }
    }
}

/// Whether a request that is not answered takes effect nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It never reached the API server.
    None,
    /// The answer was lost on the way back.
    Done,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// It is served as usual.
    Serve,
    /// It is refused, and has no effect.
    Refuse(Failure),
    /// The connection breaks after a while. The client sees an error, and cannot know of the effect.
    Lose {
        /// Whether the request took effect, which is at once.
        effect: Effect,
        /// How long the client waits.
        after: Duration,
    },
    /// It is never answered, as when the client is gone by then.
    Hang {
        /// Whether the request took effect, which is at once.
        effect: Effect,
    },
    /// It takes a while to get there.
    Delay {
        /// How long.
        by: Duration,
        /// What becomes of it then.
        then: Box<Verdict>,
    },
    /// A read is answered as of an earlier version, as by an API server that lags behind. A write is served as usual.
    Stale {
        /// The version.
        revision: u64,
    },
}

/// An event about to be sent to a watch.
#[derive(Clone, Debug)]
pub struct EventInfo<'a> {
    /// Whose watch it is.
    pub client: &'a str,
    /// The watch's number: that of the request which began it.
    pub watch: u64,
    /// What happened.
    pub version: &'a Version,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is sent at once.
    Send,
    /// It is never sent.
    Drop,
    /// It is sent twice.
    Double,
    /// It is sent later, and what follows it on the same watch after it.
    Delay {
        /// How much later.
        by: Duration,
        /// Whether later events of the same object take its place meanwhile, so that only the last state is seen.
        coalesce: bool,
    },
}

/// How a watch ends before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Break {
    /// The API server closes the stream.
    Close,
    /// The connection breaks.
    Fail,
    /// The API server says that the version is too old, so that the client must list again.
    Expire,
}

/// Decides about requests. It may call the server: what it writes is there before the request is served.
pub(crate) type Decide = Box<dyn FnMut(&RequestInfo) -> Verdict + Send>;

/// Decides about events. It must not call the server, which is in the middle of a write.
pub(crate) type Deliver = Box<dyn FnMut(&EventInfo<'_>) -> Delivery + Send>;
