//! One watch of one kind, followed by several controllers.
//!
//! kube has shared streams of its own, but they are of no use here: one that is told of an object which is gone by the
//! time it looks is never woken again, deletions are not passed on, and of several tasks that wait for the first listing
//! only one is woken.

use std::fmt::Debug;
use std::sync::Arc;

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures::{StreamExt, future};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::watcher::{Config, Event};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::answers::{Pulse, is_watch_unreachable};

/// One watch of one kind, and those who follow it.
pub(super) struct Watched<K: Resource<DynamicType = ()> + Clone + 'static> {
    /// The objects, as last seen.
    pub(super) store: Store<K>,
    /// Every object that was seen, changed or deleted: for the kind's own controller.
    pub(super) changes: UnboundedReceiver<Arc<K>>,
    /// The same, for the controller of those who own such objects. Where there is none it is dropped, as it keeps all that it is told.
    pub(super) children: UnboundedReceiver<Arc<K>>,
    /// Whether every object was listed once.
    pub(super) listed: Listed,
    /// Keeps the watch going until it is dropped.
    pub(super) task: AbortOnDropHandle<()>,
}

/// What a watch has seen.
pub(super) enum Seen<'a, K> {
    /// Every object there is; others are no more.
    Listed(&'a [Arc<K>]),
    /// A new object, or a change of one.
    Applied(&'a Arc<K>),
    /// An object that was deleted.
    Deleted(&'a Arc<K>),
}

/// Whether every object of a kind was listed once.
#[derive(Clone, Debug)]
pub(crate) struct Listed(watch::Receiver<bool>);

impl Listed {
    /// Whether that has been.
    pub(super) fn is_listed(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it, however many wait.
    pub(super) async fn wait(&self) {
        // An error means that the watch has ended, as it does at shutdown.
        let _ = self.0.clone().wait_for(|listed| *listed).await;
    }
}

impl<K: Resource<DynamicType = ()> + Clone + Debug + Send + Sync + DeserializeOwned + 'static> Watched<K> {
    /// Begins to watch, for so many seconds at a time. `pulse` notes whether the API server still answers, and `note` is told what was
    /// seen before anybody else is.
    pub(super) fn new(
        client: &Client,
        (pulse, lasts): (&Arc<Pulse>, u32),
        note: impl Fn(&Seen<'_, K>) + Send + 'static,
    ) -> Self {
        let (store, writer) = reflector::store();
        let (tell_own, changes) = unbounded();
        let (tell_owner, children) = unbounded();
        let (tell_listed, listed) = watch::channel(false);
        let stream = watcher(Api::<K>::all(pulse.of(client)), Config::default().timeout(lasts))
            .default_backoff()
            // Who has written what is of no use here, and a good part of an object.
            .modify(|object| object.meta_mut().managed_fields = None)
            .reflect(writer);
        let mut followed = Followed {
            store: store.clone(),
            followers: [tell_own, tell_owner],
            listed: tell_listed,
            before: Vec::new(),
        };
        let task = tokio::spawn(stream.for_each(move |event| {
            match event {
                Ok(event) => followed.tell(event, &note),
                // That is said for all of them.
                Err(error) if is_watch_unreachable(&error) => {
                    tracing::debug!(kind = %K::kind(&()), %error, "the watch was interrupted");
                }
                Err(error) => {
                    tracing::warn!(kind = %K::kind(&()), %error, "{}", advice(&error));
                }
            }
            future::ready(())
        }));
        Self {
            store,
            changes,
            children,
            listed: Listed(listed),
            task: AbortOnDropHandle::new(task),
        }
    }
}

/// What to do about a watch that was interrupted.
fn advice(error: &watcher::Error) -> &'static str {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => status.code,
        watcher::Error::WatchError(status) => status.code,
        _ => 0,
    };
    match code {
        404 => "the API server does not know this kind: install the custom resource definitions",
        401 | 403 => "this kind may not be listed and watched: allow it to the service account",
        _ => "the watch was interrupted; it goes on by itself",
    }
}

/// The watch's side.
struct Followed<K: Resource<DynamicType = ()> + Clone + 'static> {
    store: Store<K>,
    followers: [UnboundedSender<Arc<K>>; 2],
    listed: watch::Sender<bool>,
    /// What was there before the listing that is under way.
    before: Vec<Arc<K>>,
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Followed<K> {
    /// Passes on what the store shows already.
    fn tell(&mut self, event: Event<K>, note: &impl Fn(&Seen<'_, K>)) {
        match event {
            Event::Apply(object) => {
                let object = self.kept(object);
                note(&Seen::Applied(&object));
                self.send(&object);
            }
            Event::Delete(object) => {
                let object = Arc::new(object);
                note(&Seen::Deleted(&object));
                self.send(&object);
            }
            // The store shows the former objects until the listing is whole.
            Event::Init => self.before = self.store.state(),
            Event::InitApply(_) => {}
            Event::InitDone => {
                // What was deleted while nobody watched has no event of its own, and nobody else would tell its owner.
                for object in std::mem::take(&mut self.before) {
                    let now = self.store.get(&ObjectRef::from_obj(&*object));
                    if now.is_none_or(|now| now.meta().uid != object.meta().uid) {
                        note(&Seen::Deleted(&object));
                        self.send(&object);
                    }
                }
                let objects = self.store.state();
                note(&Seen::Listed(&objects));
                self.listed.send_replace(true);
                for object in &objects {
                    self.send(object);
                }
            }
        }
    }

    /// An object as the store has it, which has taken a copy of what the watch saw: whoever keeps it besides keeps no second one.
    fn kept(&self, seen: K) -> Arc<K> {
        let is_seen = |kept: &Arc<K>| {
            let (kept, seen) = (kept.meta(), seen.meta());
            kept.uid == seen.uid && kept.resource_version == seen.resource_version
        };
        let kept = self.store.get(&ObjectRef::from_obj(&seen)).filter(is_seen);
        kept.unwrap_or_else(|| Arc::new(seen))
    }

    fn send(&self, object: &Arc<K>) {
        for follower in &self.followers {
            // A follower that is gone has stopped; controllers take in all they are sent at once, so this stays short.
            let _ = follower.unbounded_send(object.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use kube::ResourceExt;

    use super::*;
    use crate::api::{AMIMigration, AMIMigrationSpec};

    fn migration(name: &str, uid: &str) -> AMIMigration {
        let spec = AMIMigrationSpec {
            policy: "p".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            source_image_id: name.to_owned(),
            key_arn: String::new(),
            ..AMIMigrationSpec::default()
        };
        let mut migration = AMIMigration::new(name, spec);
        migration.metadata.uid = Some(uid.to_owned());
        migration
    }

    #[test]
    fn what_a_listing_does_not_show_any_more_is_told_as_deleted() {
        let (store, mut writer) = reflector::store();
        let (to_own, mut own) = unbounded();
        let (to_owner, _owner) = unbounded();
        let mut followed = Followed {
            store,
            followers: [to_own, to_owner],
            listed: watch::channel(false).0,
            before: Vec::new(),
        };
        let deleted = RefCell::new(Vec::new());
        let note = |seen: &Seen<'_, AMIMigration>| {
            if let Seen::Deleted(object) = seen {
                deleted.borrow_mut().push((object.name_any(), object.uid()));
            }
        };
        let mut list = |objects: &[(&str, &str)], is_whole: bool| {
            let listed = objects.iter().map(|(name, uid)| Event::InitApply(migration(name, uid)));
            let done = is_whole.then_some(Event::InitDone);
            for event in [Event::Init].into_iter().chain(listed).chain(done) {
                writer.apply_watcher_event(&event);
                followed.tell(event, &note);
            }
            let told = std::iter::from_fn(|| own.try_recv().ok());
            let mut told: Vec<_> = told.map(|object: Arc<AMIMigration>| object.name_any()).collect();
            told.sort();
            told
        };
        assert_eq!(list(&[("a", "1"), ("b", "2"), ("c", "3")], true), ["a", "b", "c"]);
        assert!(deleted.borrow().is_empty());
        // A listing that breaks off tells nothing, and the next one as much as if it had not been.
        assert!(list(&[("a", "1")], false).is_empty());
        assert!(deleted.borrow().is_empty());
        assert_eq!(list(&[("a", "1"), ("c", "4")], true), ["a", "b", "c", "c"]);
        let mut gone = deleted.take();
        gone.sort();
        let gone_of = |name: &str, uid: &str| (name.to_owned(), Some(uid.to_owned()));
        assert_eq!(gone, [gone_of("b", "2"), gone_of("c", "3")]);
    }

    fn version(version: &str) -> AMIMigration {
        let mut object = migration("a", "1");
        object.metadata.resource_version = Some(version.to_owned());
        object
    }

    #[test]
    fn nothing_is_kept_for_a_follower_that_is_gone() {
        let (store, mut writer) = reflector::store();
        let (to_own, mut own) = unbounded();
        let (to_owner, owner) = unbounded();
        drop(owner);
        let mut followed = Followed {
            store,
            followers: [to_own, to_owner],
            listed: watch::channel(false).0,
            before: Vec::new(),
        };
        let mut apply = |object: AMIMigration| {
            let event = Event::Apply(object);
            writer.apply_watcher_event(&event);
            followed.tell(event, &|_: &Seen<'_, AMIMigration>| {});
        };
        apply(version("1"));
        let former = Arc::downgrade(&own.try_recv().expect("the object"));
        assert!(former.upgrade().is_some());
        apply(version("2"));
        assert!(former.upgrade().is_none());
    }

    #[test]
    fn whoever_is_told_of_an_object_shares_the_one_of_the_store() {
        let (store, mut writer) = reflector::store();
        let (to_own, mut own) = unbounded();
        let (to_owner, mut owner) = unbounded();
        let mut followed = Followed {
            store: store.clone(),
            followers: [to_own, to_owner],
            listed: watch::channel(false).0,
            before: Vec::new(),
        };
        let noted = RefCell::new(Vec::new());
        let note = |seen: &Seen<'_, AMIMigration>| match seen {
            Seen::Listed(objects) => noted.borrow_mut().extend(objects.iter().cloned()),
            Seen::Applied(object) => noted.borrow_mut().push(Arc::clone(object)),
            Seen::Deleted(_) => {}
        };
        let events = [
            vec![Event::Init, Event::InitApply(version("1")), Event::InitDone],
            vec![Event::Apply(version("2"))],
        ];
        for events in events {
            for event in events {
                writer.apply_watcher_event(&event);
                followed.tell(event, &note);
            }
            let kept = store.get(&ObjectRef::new("a")).expect("the object");
            let told: Vec<Arc<AMIMigration>> = noted
                .take()
                .into_iter()
                .chain(own.try_recv().ok())
                .chain(owner.try_recv().ok())
                .collect();
            assert_eq!(told.len(), 3);
            assert!(told.iter().all(|told| Arc::ptr_eq(told, &kept)));
        }
        // What the store does not show, or not any more, is told as it was seen.
        followed.tell(Event::Apply(version("3")), &note);
        let told = noted.take();
        assert_eq!(told[0].metadata.resource_version.as_deref(), Some("3"));
    }
}
