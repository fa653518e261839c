//! Streams of events.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::faults::{Break, Delivery};
use crate::kinds::Kind;
use crate::store::{Change, Version};

/// How long a watch lasts that does not say.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// One watch: what waits to be sent to its client.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) number: u64,
    pub(crate) client: String,
    pub(crate) kind: Arc<Kind>,
    pub(crate) namespace: String,
    /// Events up to this version are not for this watch.
    from: u64,
    bookmarks: bool,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The last version of the store, whatever its kind: what a bookmark may say.
    revision: u64,
    broken: Option<Break>,
}

#[derive(Debug)]
struct Waiting {
    event: Event,
    not_before: Option<Instant>,
    coalesce: bool,
}

#[derive(Clone, Debug)]
enum Event {
    Change { change: Change, object: Arc<Value> },
    Bookmark(u64),
    Error(Failure),
}

/// What a stream does next.
enum Step {
    Send(Event),
    Wait(Option<Instant>),
    Broken(Break),
}

impl Queue {
    pub(crate) fn new(number: u64, client: &str, kind: Arc<Kind>, namespace: &str, from: u64, bookmarks: bool) -> Self {
        Self {
            number,
            client: client.to_owned(),
            kind,
            namespace: namespace.to_owned(),
            from,
            bookmarks,
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                revision: from,
                broken: None,
            }),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a version is to be sent on this watch.
    pub(crate) fn wants(&self, version: &Version) -> bool {
        version.revision > self.from && version.is_of(&self.kind.kind, &self.namespace)
    }

    /// Notes that the store has come to a version.
    pub(crate) fn advance(&self, revision: u64) {
        let mut state = self.lock();
        state.revision = state.revision.max(revision);
    }

    /// Sends an object that was there before the watch began.
    pub(crate) fn push_present(&self, object: &Arc<Value>) {
        let event = Event::Change {
            change: Change::Added,
            object: object.clone(),
        };
        self.enqueue(event, None, false);
    }

    /// Sends what happened.
    pub(crate) fn push(&self, version: &Version, delivery: Delivery) {
        let event = Event::Change {
            change: version.change,
            object: version.object.clone(),
        };
        match delivery {
            Delivery::Drop => {}
            Delivery::Send => self.enqueue(event, None, false),
            Delivery::Double => {
                self.enqueue(event.clone(), None, false);
                self.enqueue(event, None, false);
            }
            Delivery::Delay { by, coalesce } => self.enqueue(event, Some(Instant::now() + by), coalesce),
        }
    }

    /// Tells the client which version it has come to.
    pub(crate) fn push_bookmark(&self) {
        let revision = self.lock().revision;
        if self.bookmarks {
            self.enqueue(Event::Bookmark(revision), None, false);
        }
    }

    /// Tells the client what is wrong; the stream ends after that.
    pub(crate) fn push_error(&self, failure: Failure) {
        self.enqueue(Event::Error(failure), None, false);
    }

    /// Ends the stream at once; what waits is lost.
    pub(crate) fn break_off(&self, how: Break) {
        let mut state = self.lock();
        state.waiting.clear();
        state.broken = Some(how);
        self.changed.notify_one();
    }

    fn enqueue(&self, event: Event, not_before: Option<Instant>, coalesce: bool) {
        let mut state = self.lock();
        let mut waiting = Waiting {
            event,
            not_before,
            coalesce,
        };
        let earlier = state
            .waiting
            .iter()
            .position(|earlier| earlier.coalesce && earlier.is_of(&waiting));
        if let Some(earlier) = earlier.and_then(|index| state.waiting.remove(index)) {
            waiting.take_the_place_of(&earlier);
        }
        state.waiting.push_back(waiting);
        self.changed.notify_one();
    }

    fn step(&self) -> Step {
        let mut state = self.lock();
        if let Some(how) = state.broken {
            return Step::Broken(how);
        }
        match state.waiting.front().map(|front| front.not_before) {
            None => Step::Wait(None),
            Some(Some(due)) if due > Instant::now() => Step::Wait(Some(due)),
            Some(_) => state
                .waiting
                .pop_front()
                .map_or(Step::Wait(None), |next| Step::Send(next.event)),
        }
    }

    fn last_bookmark(&self) -> Option<Bytes> {
        let state = self.lock();
        (self.bookmarks && state.waiting.is_empty()).then(|| self.line(&Event::Bookmark(state.revision)))
    }

    fn line(&self, event: &Event) -> Bytes {
        let line = match event {
            Event::Change { change, object } => json!({"type": change.as_str(), "object": object.as_ref()}),
            Event::Bookmark(revision) => json!({"type": "BOOKMARK", "object": {
                "apiVersion": self.kind.api_version(),
                "kind": self.kind.kind,
                "metadata": {"resourceVersion": revision.to_string(), "creationTimestamp": null},
            }}),
            Event::Error(failure) => json!({"type": "ERROR", "object": failure.to_json()}),
        };
        Bytes::from(format!("{line}\n"))
    }

    /// The stream, which holds the queue: once it is dropped, nothing is sent any more.
    pub(crate) fn stream(self: Arc<Self>, timeout: Option<u64>) -> BoxStream<'static, std::io::Result<Bytes>> {
        let ends = Instant::now() + timeout.map_or(TIMEOUT, Duration::from_secs);
        stream::unfold(Some(self), move |queue| async move {
            let queue = queue?;
            loop {
                let until = match queue.step() {
                    Step::Send(event) => {
                        let line = queue.line(&event);
                        let goes_on = !matches!(event, Event::Error(_));
                        return Some((Ok(line), goes_on.then_some(queue)));
                    }
                    Step::Broken(Break::Close) => return None,
                    Step::Broken(Break::Fail) => {
                        let error = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the connection broke");
                        return Some((Err(error), None));
                    }
                    Step::Broken(Break::Expire) => {
                        let failure = Failure::expired("The resourceVersion for the provided watch is too old.");
                        return Some((Ok(queue.line(&Event::Error(failure))), None));
                    }
                    Step::Wait(due) => due.map_or(ends, |due| due.min(ends)),
                };
                if Instant::now() >= ends {
                    // As the API server does: shortly before it closes a watch, it says where to go on.
                    return queue.last_bookmark().map(|line| (Ok(line), None));
                }
                // Woken by an event, or by the time that one of them or the watch itself has to wait for.
                let _ = tokio::time::timeout_at(until, queue.changed.notified()).await;
            }
        })
        .boxed()
    }
}

impl Waiting {
    fn is_of(&self, other: &Self) -> bool {
        let named = |waiting: &Self| match &waiting.event {
            Event::Change { object, .. } => {
                let metadata = &object["metadata"];
                Some((metadata["namespace"].clone(), metadata["name"].clone()))
            }
            Event::Bookmark(_) | Event::Error(_) => None,
        };
        named(self).is_some_and(|name| named(other) == Some(name))
    }

    /// Two events of an object become one: its last state, seen as if the first had never been.
    fn take_the_place_of(&mut self, earlier: &Self) {
        let (Event::Change { change, .. }, Event::Change { change: first, .. }) = (&mut self.event, &earlier.event)
        else {
            return;
        };
        *change = match (*first, *change) {
            (Change::Added, Change::Modified) => Change::Added,
            (Change::Deleted, Change::Added) => Change::Modified,
            (_, last) => last,
        };
        self.not_before = self.not_before.or(earlier.not_before);
        self.coalesce = true;
    }
}
