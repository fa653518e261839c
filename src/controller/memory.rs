//! What a process remembers of single objects, by UID. It is lost with the process, and goes when the object does.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;

use super::fleet::lock;
use crate::api::{AMIMigration, CopyStatus};
use crate::plan::allowance::Allowance;
use crate::plan::obstacle::Trouble;

/// How long the watch may take to show our own last write.
const CATCHES_UP: Duration = Duration::from_secs(600);

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    migrations: Mutex<HashMap<String, OfMigration>>,
    objects: Mutex<HashMap<String, OfObject>>,
}

/// Of a migration, by whoever works on its account and region.
#[derive(Debug, Default)]
struct OfMigration {
    /// What its last call ran into.
    trouble: Option<CallTrouble>,
    /// After which attempt it may make another one though they are exhausted.
    pardoned: Option<u32>,
    /// The attempt and the copy as they were last seen on record, and since when.
    attempt: Option<(Option<CopyStatus>, Timestamp)>,
    /// Whether it was done or stuck when it was visited last.
    settled: bool,
}

/// Of any object.
#[derive(Debug, Default)]
struct OfObject {
    /// Visits that failed in a row.
    failures: u32,
    /// Our writes to it.
    written: Option<Written>,
}

/// Our writes to one object. All times are of the monotonic clock.
#[derive(Debug)]
struct Written {
    /// The version that the last one made.
    version: u64,
    /// When that was.
    at: Duration,
    /// How many more are allowed.
    allowance: Allowance,
}

/// What a migration's last call ran into.
#[derive(Debug, Clone)]
pub(crate) struct CallTrouble {
    /// What to say of it, if a person should know.
    pub(super) trouble: Option<Trouble>,
    /// Not before then.
    pub(super) until: Timestamp,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Whether that call was to read.
    pub(super) reads: bool,
    /// The annotation `amiseal.dev/retry` at that time: once it changes, nothing is waited for.
    pub(super) retry: Option<String>,
}

impl Memory {
    /// Forgets objects whose UIDs are not in `uids` any more.
    pub(super) fn retain(&self, uids: &HashSet<String>) {
        lock(&self.migrations).retain(|uid, _| uids.contains(uid));
        lock(&self.objects).retain(|uid, _| uids.contains(uid));
    }

    /// Forgets what it takes to work on these migrations: others do.
    pub(super) fn forget(&self, migrations: &HashSet<String>) {
        lock(&self.migrations).retain(|uid, _| !migrations.contains(uid));
    }

    fn of_migration<T>(&self, uid: &str, work: impl FnOnce(&mut OfMigration) -> T) -> T {
        work(lock(&self.migrations).entry(uid.to_owned()).or_default())
    }

    fn of_object<T>(&self, object: &impl Resource, work: impl FnOnce(&mut OfObject) -> T) -> T {
        let uid = object.meta().uid.clone().unwrap_or_default();
        work(lock(&self.objects).entry(uid).or_default())
    }

    /// What is known of our writes to an object. Asking for it keeps nothing: most objects are read only.
    fn of_writes<T>(&self, object: &impl Resource, read: impl FnOnce(&Written) -> T) -> Option<T> {
        let uid = object.meta().uid.as_deref()?;
        lock(&self.objects).get(uid)?.written.as_ref().map(read)
    }

    /// What a migration's last call ran into.
    pub(super) fn trouble(&self, migration: &str) -> Option<CallTrouble> {
        lock(&self.migrations).get(migration)?.trouble.clone()
    }

    /// Records, or with none clears, what a migration's last call ran into.
    pub(super) fn set_trouble(&self, migration: &str, trouble: Option<CallTrouble>) {
        self.of_migration(migration, |known| known.trouble = trouble);
    }

    /// Allows a migration one more attempt after `attempt`, however many have failed.
    pub(super) fn pardon(&self, migration: &str, attempt: u32) {
        self.of_migration(migration, |known| known.pardoned = Some(attempt));
    }

    /// After which attempt a migration is allowed one more.
    pub(super) fn pardoned(&self, migration: &str) -> Option<u32> {
        lock(&self.migrations).get(migration)?.pardoned
    }

    /// Notes whether a migration is done or stuck, and says whether it has come to be since the last time.
    pub(super) fn has_just_settled(&self, migration: &str, is_settled: bool) -> bool {
        self.of_migration(migration, |known| {
            let was_settled = std::mem::replace(&mut known.settled, is_settled);
            is_settled && !was_settled
        })
    }

    /// Since when this process has known of a migration's recorded attempt, as far as that has come.
    pub(super) fn known_since(&self, migration: &AMIMigration, now: Timestamp) -> Timestamp {
        let copy = migration.status.as_ref().and_then(|status| status.copy.as_ref());
        let uid = migration.metadata.uid.as_deref().unwrap_or_default();
        self.of_migration(uid, |known| match &known.attempt {
            Some((recorded, since)) if recorded.as_ref() == copy => *since,
            _ => {
                known.attempt = Some((copy.cloned(), now));
                now
            }
        })
    }

    /// Notes how a visit to an object has ended, and says how many have failed in a row.
    pub(super) fn visited(&self, object: &impl Resource, has_failed: bool) -> u32 {
        if has_failed {
            return self.of_object(object, |known| {
                known.failures = known.failures.saturating_add(1);
                known.failures
            });
        }
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        if let Some(known) = lock(&self.objects).get_mut(uid) {
            known.failures = 0;
        }
        0
    }

    /// Whether an object may be written once more at `now` of the monotonic clock.
    pub(super) fn may_write(&self, object: &impl Resource, now: Duration) -> bool {
        self.of_writes(object, |written| written.allowance.allows(now))
            .unwrap_or(true)
    }

    /// Notes what the API server made of our own write to an object, at `now` of the monotonic clock.
    pub(super) fn wrote(&self, object: &impl Resource, now: Duration) {
        let Some(version) = version(object) else { return };
        self.of_object(object, |known| {
            let written = known.written.get_or_insert(Written {
                version,
                at: now,
                allowance: Allowance::new(now),
            });
            (written.version, written.at) = (version, now);
            written.allowance.count(now);
        });
    }

    /// When an object was last written by us, by the monotonic clock.
    pub(super) fn written_at(&self, object: &impl Resource) -> Option<Duration> {
        self.of_writes(object, |written| written.at)
    }

    /// Whether `object` is as it was before our own last write to it, at `now` of the monotonic clock.
    ///
    /// Resource versions of one kind are numbers that grow (Kubernetes API concepts, "Resource versions"). One that is no
    /// number is taken as up to date, and so is one that the watch still shows after a while: where etcd was restored from a
    /// backup, versions begin again with lower numbers. Then a conflict tells.
    pub(super) fn is_outdated(&self, object: &impl Resource, now: Duration) -> bool {
        let is_older = |written: &Written| {
            now.saturating_sub(written.at) < CATCHES_UP && version(object).is_some_and(|seen| seen < written.version)
        };
        self.of_writes(object, is_older).unwrap_or(false)
    }
}

fn version(object: &impl Resource) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}
