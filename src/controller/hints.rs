//! The queue that events come from: each replica reads it while it holds any shard, and lets targets know that there is something to look
//! at. Whatever cannot be read there is found by the next scan.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future;
use kube::api::{Api, Patch, PatchParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::Context;
use super::answers::is_unreachable;
use super::apply::{FIELD_MANAGER, is_not_found};
use crate::api::{AMIEncryptionTarget, labels};
use crate::aws::{AwsError, Session};
use crate::domain::{ImageId, ImageState, QueueMessage, QueueUrl, Scope};
use crate::plan::events::{self, Hint, HintWatch, Undeleted, Wanted, What};
use crate::plan::problem;
use crate::telemetry::Told;

/// How long SQS is asked to wait for a message.
const WAIT: Duration = Duration::from_secs(20);
/// How long to wait before it is seen whether this replica holds a shard.
const IDLE: Duration = Duration::from_secs(5);
/// An answer without a message that came sooner than this was not waited for.
const SOON: Duration = Duration::from_secs(1);
/// The longest wait after a failure: somebody may have allowed it meanwhile.
const BACKOFF: Duration = Duration::from_secs(120);

/// Follows the queue, if there is one, for ever.
pub(super) async fn follow(context: &Context) {
    let Some(queue) = &context.options.event_queue else {
        return future::pending().await;
    };
    context.metrics.events.begin();
    context.ready().await;
    let mut reader = Reader {
        context,
        queue,
        session: context.aws.queue(queue),
        relays: BTreeMap::new(),
        undeleted: Undeleted::default(),
        failures: 0,
    };
    loop {
        reader.turn().await;
    }
}

struct Reader<'a> {
    context: &'a Context,
    queue: &'a QueueUrl,
    session: Arc<Session>,
    /// What other replicas are to be told, by target.
    relays: BTreeMap<String, HintWatch>,
    /// What was acted on and is still in the queue.
    undeleted: Undeleted,
    /// Failures in a row.
    failures: u32,
}

impl Reader<'_> {
    async fn turn(&mut self) {
        if !self.context.shards.holds_any() {
            // Whoever holds them reads it.
            self.context.metrics.events.readable();
            self.failures = 0;
            self.undeleted.rest();
            self.context.clock.sleep(IDLE).await;
            return;
        }
        self.relay().await;
        match Box::pin(self.read()).await {
            Ok(()) => self.succeeded(),
            Err(error) => self.failed(&error).await,
        }
    }

    /// Takes messages from the queue, has targets told of what they say, and deletes them.
    async fn read(&mut self) -> Result<(), AwsError> {
        let context = self.context;
        let began = context.clock.monotonic();
        let messages = self.session.receive_messages(self.queue, self.wait()).await?;
        let mut is_any_new = false;
        for message in &messages {
            is_any_new |= self.take_in(message);
        }
        if messages.is_empty() {
            let took = context.clock.monotonic().saturating_sub(began);
            context.clock.sleep(SOON.saturating_sub(took)).await;
            return Ok(());
        }
        // Those that are for others are told before what they were told by is gone.
        self.relay().await;
        if !self.delete(messages).await && !is_any_new {
            // They come again and again, by the queue's visibility timeout, which may be short.
            context.clock.sleep(IDLE).await;
        }
        Ok(())
    }

    /// Deletes messages that were acted on, and says whether that has worked. What stays comes again, and is passed over then.
    async fn delete(&mut self, messages: Vec<QueueMessage>) -> bool {
        let context = self.context;
        let (ids, receipts): (Vec<String>, Vec<String>) = messages
            .into_iter()
            .map(|message| (message.id, message.receipt))
            .unzip();
        let ids = ids.iter().map(String::as_str);
        let Err(error) = self.session.delete_messages(self.queue, &receipts).await else {
            if self.undeleted.deleted(ids) {
                tracing::info!("messages of the queue of events can be deleted again");
            }
            return true;
        };
        if !problem::needs_a_person(&error) {
            // Whoever gets them next deletes them, and this replica may hear of no other message for long.
            tracing::debug!(%error, "could not delete messages of the queue of events: they come again");
            context.metrics.events.missed(error.class.as_str());
            self.undeleted.keep(ids);
            return false;
        }
        let now = context.clock.system_time();
        context.metrics.events.failed(error.class.as_str(), now);
        if self.undeleted.failed(ids) {
            tracing::warn!(
                %error,
                "cannot delete messages of the queue of events: each comes again, and is acted on once"
            );
        } else {
            tracing::debug!(%error, "cannot delete messages of the queue of events");
        }
        false
    }

    /// How long to wait for messages: no longer than until others are to be told of earlier ones.
    fn wait(&self) -> Duration {
        let now = self.context.clock.now();
        let due = self.relays.values().filter_map(|relay| relay.due(true)).min();
        let wait = due.map_or(WAIT, |due| super::targets::until(due, now));
        wait.clamp(SOON, WAIT)
    }

    /// Has targets told of what a message says, unless that was done before. Says whether it was not.
    fn take_in(&mut self, message: &QueueMessage) -> bool {
        if !self.undeleted.is_new(&message.id) {
            self.context.metrics.events.repeated();
            return false;
        }
        let told = events::read(&message.body).map(|hint| self.tell(&hint));
        if let Err(refused) = told {
            tracing::debug!(
                reason = refused.as_str(),
                received = message.received,
                "a message of the queue is no hint"
            );
        }
        let now = self.context.clock.system_time();
        let age = message.sent.map(|sent| now.duration_since(sent).as_secs_f64().max(0.0));
        self.context.metrics.events.message(told, age);
        true
    }

    /// Lets the targets of an account and region know: those of shards of this replica at once, others by an annotation.
    fn tell(&mut self, hint: &Hint) -> Told {
        let context = self.context;
        let targets = context.targets_by_scope.of(&hint.scope);
        if targets.is_empty() {
            return Told::Nobody;
        }
        let is_own = |target: &Arc<AMIEncryptionTarget>| {
            let by = hint.by.as_deref();
            by.is_some_and(|by| events::is_own(by, &target.spec))
        };
        // That a copy is there the migration sees that has asked for it. That one is gone is news, or that it is back.
        let available = hint.image.as_ref().filter(|_| hint.what == What::NewImages);
        let what = available.map_or(Some(hint.what), |image| self.of_available(&hint.scope, &targets, image));
        let Some(what) = what.filter(|_| !targets.iter().any(is_own)) else {
            return Told::Own;
        };
        let hint = &Hint { what, ..hint.clone() };
        let (is_held, now) = (context.shards.holds(&hint.scope), context.clock.now());
        tracing::debug!(scope = %hint.scope, what = ?hint.what, "an event says that there is something to look at");
        // A target that is suspended makes no call, and is told nothing.
        for target in targets.iter().filter(|target| !target.spec.suspend) {
            let name = target.name_any();
            let wanted = Wanted::from(hint);
            if is_held {
                let uid = target.meta().uid.as_deref().unwrap_or_default();
                context.registry.hint(&name, uid, wanted, now);
            } else {
                self.relays.entry(name).or_default().note(wanted, now);
            }
        }
        Told::Targets
    }

    /// What is to be looked at for an image that is available by now, by what is known of it.
    fn of_available(&self, scope: &Scope, targets: &[Arc<AMIEncryptionTarget>], image: &ImageId) -> Option<What> {
        let context = self.context;
        let states = targets.iter().filter_map(|target| {
            let uid = target.meta().uid.as_deref().unwrap_or_default();
            context.registry.image_state(&target.name_any(), uid, image)
        });
        // Of several, the one that cannot be launched is news.
        let known = states.min_by_key(|state| *state != ImageState::Disabled);
        let migrations = context.migrations_by_scope.of(scope);
        let migrations = migrations.iter().map(|migration| &**migration);
        events::of_available(image, known, migrations, context.clock.system_time())
    }

    /// Tells other replicas of hints, each target once a minute.
    async fn relay(&mut self) {
        let now = self.context.clock.now();
        self.relays.retain(|_, relay| !relay.is_idle(now));
        let due = self.relays.iter_mut();
        let due: Vec<(String, Wanted)> = due
            .filter_map(|(name, relay)| Some((name.clone(), relay.take(true, now)?)))
            .collect();
        let mut is_answered = true;
        for (name, wanted) in due {
            if is_answered {
                is_answered = self.annotate(&name, &wanted).await;
            }
            if !is_answered {
                // What they were told by is deleted all the same: they are told a minute later.
                self.relays.entry(name).or_default().note(wanted, now);
            }
        }
    }

    /// Says whether the API server has answered, whatever it said.
    async fn annotate(&self, name: &str, wanted: &Wanted) -> bool {
        let api = Api::<AMIEncryptionTarget>::all(self.context.client.clone());
        let value = events::told(wanted, self.context.clock.system_time());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {labels::HINT: value}}}));
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(name, &parameters, &patch).await {
            Ok(_) => true,
            Err(error) if is_not_found(&error) => true,
            // That is said for all requests.
            Err(error) if is_unreachable(&error) => false,
            Err(error) => {
                tracing::warn!(object = name, %error, "could not tell another replica of an event");
                !matches!(&error, kube::Error::Api(status) if status.code == 429 || status.code >= 500)
            }
        }
    }

    fn succeeded(&mut self) {
        if self.failures > 0 {
            tracing::info!(failures = self.failures, "the queue of events can be read again");
        }
        self.failures = 0;
        // A turn without messages says nothing of that.
        if !self.undeleted.is_failing() {
            self.context.metrics.events.readable();
        }
    }

    /// Waits before the next try. Nothing else waits for it.
    async fn failed(&mut self, error: &AwsError) {
        let context = self.context;
        self.failures = self.failures.saturating_add(1);
        let now = context.clock.system_time();
        context.metrics.events.failed(error.class.as_str(), now);
        if self.failures == 1 {
            tracing::warn!(%error, "cannot read the queue of events: what has changed is found by the next scan");
        } else {
            tracing::debug!(%error, failures = self.failures, "cannot read the queue of events");
        }
        let wait = problem::retry_after(error, self.failures).min(BACKOFF);
        context.clock.sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry::{Registry, lock};
    use super::*;
    use crate::clock::{Clock, SystemClock};

    const NAME: &str = "production.111122223333.eu-west-1";

    /// A target that another replica has told this.
    fn target(uid: &str, suspend: bool, wanted: &Wanted) -> AMIEncryptionTarget {
        let spec = json!({
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "suspend": suspend, "scanInterval": "15m", "otherKey": "Report", "promotion": {},
            "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
        });
        let mut target = AMIEncryptionTarget::new(NAME, serde_json::from_value(spec).expect("a spec"));
        target.metadata.uid = Some(uid.to_owned());
        let told = events::told(wanted, SystemClock::default().system_time());
        target.metadata.annotations = Some([(labels::HINT.to_owned(), told)].into());
        target
    }

    #[test]
    fn all_that_replicas_tell_between_two_visits_is_heard_and_nothing_of_a_target_that_is_not_known_or_suspended() {
        let (registry, _wakes) = Registry::new();
        let clock = Arc::new(SystemClock::default());
        let hear = registry.hearer(clock.clone());
        let images = Wanted {
            images: true,
            ..Wanted::default()
        };
        let consumers = Wanted {
            consumers: true,
            ..Wanted::default()
        };
        hear(&target("1", false, &images));
        assert!(!registry.knows(NAME), "its first visit looks at everything");

        lock(&registry.target_state(NAME)).uid = "1".to_owned();
        hear(&target("2", false, &images));
        hear(&target("1", true, &images));
        let take = || lock(&registry.target_state(NAME)).hints.take(true, clock.now());
        assert_eq!(take(), None);

        hear(&target("1", false, &images));
        hear(&target("1", false, &consumers));
        let expected = Wanted {
            images: true,
            consumers: true,
            ..Wanted::default()
        };
        assert_eq!(take(), Some(expected));
    }
}
