//! The API server's state, and the handle to it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use serde_json::Value;

use crate::failure::Failure;
use crate::faults::{Break, Decide, Deliver, Delivery, EventInfo, RequestInfo, Verdict};
use crate::journal::Entry;
use crate::kinds::Kinds;
use crate::request::{Call, Verb};
use crate::store::{Key, Store, Version};
use crate::watch::Queue;

/// Tells the time.
type Clock = Box<dyn Fn() -> Timestamp + Send>;

/// An answer that is an object.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Arc<Value>,
}

impl Answer {
    pub(crate) fn object(code: u16, body: Arc<Value>) -> Self {
        Self { code, body }
    }
}

/// Everything that the API server knows.
pub(crate) struct World {
    pub(crate) kinds: Kinds,
    pub(crate) store: Store,
    clock: Clock,
    seed: u64,
    uids: u64,
    /// The number of the last request that has arrived.
    requests: u64,
    /// The number of the request that is being served.
    serving: u64,
    watches: BTreeMap<u64, Weak<Queue>>,
    deliver: Option<Deliver>,
    journal: Vec<Entry>,
}

impl World {
    pub(crate) fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A UID that depends on the seed and on how many there were before.
    pub(crate) fn next_uid(&mut self) -> String {
        self.uids += 1;
        let seed = self.seed;
        format!(
            "{:08x}-{:04x}-4000-8000-{:012x}",
            seed & 0xffff_ffff,
            (seed >> 32) & 0xffff,
            self.uids
        )
    }

    /// Stores an object and tells those who watch.
    pub(crate) fn put(&mut self, key: &Key, object: Value) {
        self.write(key, Some(object));
    }

    /// Removes an object and tells those who watch.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.write(key, None);
    }

    fn write(&mut self, key: &Key, object: Option<Value>) {
        let at = self.now();
        let Some(version) = self.store.write(key, object, at, self.serving) else {
            return;
        };
        self.watches.retain(|_, queue| queue.strong_count() > 0);
        for queue in self.watches.values().filter_map(Weak::upgrade) {
            queue.advance(version.revision);
            if !queue.wants(version) {
                continue;
            }
            let info = EventInfo {
                client: &queue.client,
                watch: queue.number,
                version,
            };
            let delivery = self.deliver.as_mut().map_or(Delivery::Send, |deliver| deliver(&info));
            queue.push(version, delivery);
        }
    }

    /// Sends to a new watch what has happened since a version, and what will.
    pub(crate) fn follow(&mut self, queue: &Arc<Queue>, from: u64) {
        for version in self.store.since(from).iter().filter(|version| queue.wants(version)) {
            queue.push(version, Delivery::Send);
        }
        queue.advance(self.store.revision());
        self.watches.insert(queue.number, Arc::downgrade(queue));
    }

    /// Serves anything but a watch.
    fn serve(&mut self, call: &Call, stale: Option<u64>) -> Result<Answer, Failure> {
        match call.verb {
            Verb::Get => self.get(call, stale),
            Verb::List => self.list(call, stale),
            Verb::Create => self.create(call),
            Verb::Update => self.update(call),
            Verb::Patch => self.patch(call),
            Verb::Apply => self.apply(call),
            Verb::Delete => self.delete(call),
            Verb::Watch => Err(Failure::unsupported("a watch without a stream")),
        }
    }
}

/// What to note of a request besides what it says itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) answered: bool,
    pub(crate) disturbed: bool,
}

impl Outcome {
    pub(crate) const USUAL: Self = Self {
        answered: true,
        disturbed: false,
    };
    pub(crate) const DISTURBED: Self = Self {
        answered: true,
        disturbed: true,
    };
    pub(crate) const UNANSWERED: Self = Self {
        answered: false,
        disturbed: true,
    };
}

/// The API server. Clones are handles to the same one.
#[derive(Clone)]
pub struct ApiServer {
    world: Arc<Mutex<World>>,
    deciding: Arc<Mutex<Deciding>>,
}

/// Who decides about requests.
#[derive(Default)]
struct Deciding {
    decide: Option<Decide>,
    /// It is at it, and comes back unless another has taken its place meanwhile.
    away: bool,
}

impl fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiServer")
            .field("revision", &self.revision())
            .finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ApiServer {
    /// An empty API server that serves Events, Leases, and the kinds that `definitions` (CustomResourceDefinitions, one
    /// YAML document each) define.
    ///
    /// `seed` goes into the UIDs; `clock` is the only source of time in what is stored.
    ///
    /// # Errors
    ///
    /// A sentence, if a definition cannot be read or uses something that the double does not do.
    pub fn new(
        definitions: &[&str],
        seed: u64,
        clock: impl Fn() -> Timestamp + Send + 'static,
    ) -> Result<Self, String> {
        let world = World {
            kinds: Kinds::new(definitions)?,
            store: Store::new(),
            clock: Box::new(clock),
            seed,
            uids: 0,
            requests: 0,
            serving: 0,
            watches: BTreeMap::new(),
            deliver: None,
            journal: Vec::new(),
        };
        Ok(Self {
            world: Arc::new(Mutex::new(world)),
            deciding: Arc::default(),
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    /// Lets `decide` say what becomes of each request from now on. It may call the server: what it writes is there before
    /// the request is served, and such calls are not decided about.
    pub fn on_request(&self, decide: impl FnMut(&RequestInfo) -> Verdict + Send + 'static) {
        *lock(&self.deciding) = Deciding {
            decide: Some(Box::new(decide)),
            away: false,
        };
    }

    /// Lets `deliver` say what becomes of each event of each watch from now on. It must not call the server.
    pub fn on_event(&self, deliver: impl FnMut(&EventInfo<'_>) -> Delivery + Send + 'static) {
        self.world().deliver = Some(Box::new(deliver));
    }

    /// From now on, requests and events are disturbed no more.
    pub fn calm(&self) {
        *lock(&self.deciding) = Deciding::default();
        self.world().deliver = None;
    }

    /// Asks what becomes of a request.
    pub(crate) fn decide(&self, info: &RequestInfo) -> Verdict {
        // Not held while it runs, so that it may call the server.
        let mut decide = {
            let mut deciding = lock(&self.deciding);
            let Some(decide) = deciding.decide.take() else {
                return Verdict::Serve;
            };
            deciding.away = true;
            decide
        };
        let verdict = decide(info);
        let mut deciding = lock(&self.deciding);
        if std::mem::take(&mut deciding.away) {
            deciding.decide = Some(decide);
        }
        verdict
    }

    /// A number for a request that has arrived.
    pub(crate) fn arrive(&self) -> u64 {
        let mut world = self.world();
        world.requests += 1;
        world.requests
    }

    /// Serves a request that is no watch, and notes it.
    pub(crate) fn perform(
        &self,
        call: &Call,
        info: &RequestInfo,
        stale: Option<u64>,
        outcome: Outcome,
    ) -> Result<Answer, Failure> {
        let mut world = self.world();
        let before = world.store.revision();
        world.serving = info.number;
        let answer = world.serve(call, stale);
        world.serving = 0;
        let wrote = world.store.revision() != before;
        let (code, reason) = match &answer {
            Ok(answer) => (answer.code, String::new()),
            Err(failure) => (failure.code, failure.reason.clone()),
        };
        world.note(info, Some(code), reason, wrote, outcome);
        answer
    }

    /// Begins a watch, and notes it.
    pub(crate) fn begin_watch(&self, call: &Call, info: &RequestInfo) -> Result<Arc<Queue>, Failure> {
        let mut world = self.world();
        let queue = world.watch(call, info.number, &info.client);
        let (code, reason) = match &queue {
            Ok(_) => (200, String::new()),
            Err(failure) => (failure.code, failure.reason.clone()),
        };
        world.note(info, Some(code), reason, false, Outcome::USUAL);
        queue
    }

    /// Notes a request that was not served.
    pub(crate) fn note(&self, info: &RequestInfo, failure: Option<&Failure>, outcome: Outcome) {
        let reason = failure.map(|failure| failure.reason.clone()).unwrap_or_default();
        self.world()
            .note(info, failure.map(|failure| failure.code), reason, false, outcome);
    }

    /// The object of a kind, as in `AMIMigration`; the namespace is empty for objects of the whole cluster.
    #[must_use]
    pub fn get(&self, kind: &str, (namespace, name): (&str, &str)) -> Option<Arc<Value>> {
        let key = Key {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.world().store.get(&key).cloned()
    }

    /// All objects of a kind, in order.
    #[must_use]
    pub fn list(&self, kind: &str) -> Vec<Arc<Value>> {
        let objects = self.world().store.list(kind, "", u64::MAX);
        objects.into_iter().map(|(_, object)| object).collect()
    }

    /// The last resourceVersion that was given.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.world().store.revision()
    }

    /// Every version of every object that was written after `revision`; 0 stands for the beginning.
    #[must_use]
    pub fn history(&self, revision: u64) -> Vec<Version> {
        self.world().store.since(revision).to_vec()
    }

    /// Every request so far, in the order of the effects.
    #[must_use]
    pub fn journal(&self) -> Vec<Entry> {
        self.world().journal.clone()
    }

    /// The journal's entries after the first `entries`.
    #[must_use]
    pub fn journal_after(&self, entries: usize) -> Vec<Entry> {
        self.world()
            .journal
            .get(entries..)
            .map(<[Entry]>::to_vec)
            .unwrap_or_default()
    }

    /// Does what the garbage collector would, until there is nothing left to do. Says how many steps it took.
    pub fn collect_garbage(&self) -> usize {
        let mut steps = 0;
        while self.collect_garbage_step() {
            steps += 1;
        }
        steps
    }

    /// Does the next thing that the garbage collector would. Says whether there was one.
    pub fn collect_garbage_step(&self) -> bool {
        self.world().collect()
    }

    /// Forgets what was before `revision`, as far as lists and watches go: who asks for it is told that it is too old.
    pub fn compact(&self, revision: u64) {
        self.world().store.compact(revision);
    }

    /// Lets lists and watches look back over so many versions only; by default there is no limit.
    pub fn set_window(&self, versions: Option<u64>) {
        self.world().store.set_window(versions);
    }

    /// The watches that are open: number, client and kind of each.
    #[must_use]
    pub fn watches(&self) -> Vec<(u64, String, String)> {
        let world = self.world();
        let open = world.watches.values().filter_map(Weak::upgrade);
        open.map(|queue| (queue.number, queue.client.clone(), queue.kind.kind.clone()))
            .collect()
    }

    /// Ends the open watches that `select` chooses by client and kind. Says how many.
    pub fn break_watches(&self, how: Break, select: impl Fn(&str, &str) -> bool) -> usize {
        let mut world = self.world();
        let mut broken = 0;
        world.watches.retain(|_, queue| {
            let Some(queue) = queue.upgrade() else { return false };
            if !select(&queue.client, &queue.kind.kind) {
                return true;
            }
            queue.break_off(how);
            broken += 1;
            false
        });
        broken
    }

    /// Sends a bookmark to every open watch that has asked for bookmarks.
    pub fn send_bookmarks(&self) {
        for queue in self.world().watches.values().filter_map(Weak::upgrade) {
            queue.push_bookmark();
        }
    }
}

impl World {
    fn note(&mut self, info: &RequestInfo, code: Option<u16>, reason: String, wrote: bool, outcome: Outcome) {
        let entry = Entry {
            number: info.number,
            at: self.now(),
            client: info.client.clone(),
            verb: info.verb,
            kind: info.kind.clone(),
            namespace: info.namespace.clone(),
            name: info.name.clone(),
            subresource: info.subresource.clone(),
            code,
            reason,
            revision: self.store.revision(),
            wrote,
            answered: outcome.answered,
            disturbed: outcome.disturbed,
        };
        self.journal.push(entry);
    }
}
