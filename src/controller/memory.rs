//! What a process remembers of single objects, by UID. It is lost with the process, and goes when the object does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use kube::Resource;

use super::recorded::Recorded;
use super::registry::lock;
use crate::api::conditions::reason;
use crate::api::{AMIMigration, CopyStatus, LaunchStatus, OnDemandScanStatus};
use crate::domain::{AwsError, Image, ImageId, KeyAccess, Movable, Operation};
use crate::plan::allowance::{Allowance, Urgency};
use crate::plan::moving::{ConsumerKey, Seen};
use crate::plan::obstacle::Problem;
use crate::plan::step::{Fresh, KnownSince};

/// How long the watch may take to show our own last write.
const CATCHES_UP: Duration = Duration::from_secs(600);
/// For how long what was read of a consumer is as it is just now: as long as it takes to put on record what is to be changed.
const FRESH_FOR: Duration = Duration::from_secs(10);
/// For how long what an account sees of others' images is taken as known, where nothing else says that it is old.
const FOREIGN_FOR: Duration = Duration::from_secs(3600);
/// For how long something is begun by what was read of who may launch a copy. That may be the answer to another migration of the target,
/// and five minutes old itself.
const BEGUN_BY_FOR: Duration = Duration::from_secs(300);
/// A person or a backup writes a status once or twice; who does so more often is at it all the time.
const IN_TURNS: u32 = 3;

/// All of it.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    migrations: Mutex<HashMap<String, OfMigration>>,
    objects: Mutex<HashMap<String, OfObject>>,
    /// The targets, by name, whose role was seen to be allowed what moving takes.
    may_move: Mutex<HashSet<String>>,
}

/// Of a migration, by whoever works on its account and region.
#[derive(Debug, Default)]
struct OfMigration {
    /// What its last call ran into.
    problem: Option<CallProblem>,
    /// After which attempt it may make another one though they are exhausted.
    extra_attempt_after: Option<u32>,
    /// The attempt and the copy as they were last seen on record.
    attempt: Recorded<CopyStatus>,
    /// The instance that proves the copy, likewise.
    launch: Recorded<LaunchStatus>,
    /// The on-demand scan that proves it, likewise.
    scan: Recorded<OnDemandScanStatus>,
    /// Whether AWS refuses a copy with the original's description.
    without_description: bool,
    /// The copy that AWS has answered with and did not show yet.
    unseen: Option<ImageId>,
    /// Whether it was done or stuck when it was visited last.
    settled: bool,
    /// Whether nobody waits for its tags any more, as of the last visit.
    published: bool,
    /// Calls for which there was no room.
    put_off: Vec<Operation>,
    /// What was read of consumers of its image: for which reading of all of them, and when by the monotonic clock.
    consumers: BTreeMap<ConsumerKey, (Option<Timestamp>, Duration, Movable)>,
    /// Who may use its key, for which reading of consumers that was asked, and when by the monotonic clock.
    key_access: Option<(Option<Timestamp>, Duration, Option<KeyAccess>)>,
    /// What the account sees of images of others, none where AWS does not show one: for which reading of consumers that was asked, and when.
    foreign: BTreeMap<ImageId, (Option<Timestamp>, Duration, Option<Image>)>,
}

/// Of any object.
#[derive(Debug, Default)]
struct OfObject {
    /// Visits that failed in a row, by the controller that made them.
    failures: BTreeMap<&'static str, u32>,
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
    /// The status that the last one left, as a digest.
    status: u64,
    /// How often somebody else's status was seen in its place.
    overwritten: u32,
    /// Whether that was said.
    is_said: bool,
}

/// What a migration's last call ran into.
#[derive(Debug, Clone)]
pub(crate) struct CallProblem {
    /// What to say of it, if a person should know.
    pub(super) problem: Option<Problem>,
    /// Not before then.
    pub(super) until: Timestamp,
    /// Failures in a row.
    pub(super) failures: u32,
    /// Whether that call was to read.
    pub(super) reads: bool,
    /// Whether it was made to end what is paid for: what could not be read does not put that off, what has kept it from being done does.
    pub(super) ends: bool,
    /// The annotation `amiseal.dev/retry` at that time: once it changes, nothing is waited for.
    pub(super) retry: Option<String>,
}

impl CallProblem {
    /// Whether AWS has refused to change something, for a reason that a person should know.
    pub(super) fn is_refusal(&self) -> bool {
        !self.reads && self.problem.is_some()
    }

    /// Whether this stays on record when a call has failed so: what AWS has refused is waited out, whatever reads run into meanwhile.
    pub(super) fn outlasts(&self, error: &AwsError, now: Timestamp) -> bool {
        self.is_refusal() && self.until > now && !error.operation.writes()
    }

    fn is_denial(&self) -> bool {
        let problem = self.problem.as_ref();
        problem.is_some_and(|problem| problem.reason == reason::ACCESS_DENIED)
    }
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
    pub(super) fn problem(&self, migration: &str) -> Option<CallProblem> {
        lock(&self.migrations).get(migration)?.problem.clone()
    }

    /// Records, or with none clears, what a migration's last call ran into.
    pub(super) fn set_problem(&self, migration: &str, problem: Option<CallProblem>) {
        self.of_migration(migration, |known| known.problem = problem);
    }

    /// Lets migrations whose last call was denied, at most so often in a row, make it again at once.
    pub(super) fn forgive_denials<'m>(&self, migrations: impl Iterator<Item = &'m str>, most: u32, now: Timestamp) {
        let mut known = lock(&self.migrations);
        for migration in migrations {
            let problem = known.get_mut(migration).and_then(|known| known.problem.as_mut());
            if let Some(problem) = problem.filter(|problem| problem.is_denial() && problem.failures <= most) {
                problem.until = problem.until.min(now);
            }
        }
    }

    /// Notes the calls for which there was no room, or that there is none any more.
    pub(super) fn put_off(&self, migration: &str, calls: Vec<Operation>) {
        self.of_migration(migration, |known| known.put_off = calls);
    }

    /// The calls for which there was no room.
    pub(super) fn was_put_off(&self, migration: &str) -> Vec<Operation> {
        let migrations = lock(&self.migrations);
        migrations
            .get(migration)
            .map(|known| known.put_off.clone())
            .unwrap_or_default()
    }

    /// Whether a target's role was seen to be allowed what moving takes.
    pub(super) fn may_move(&self, target: &str) -> bool {
        lock(&self.may_move).contains(target)
    }

    /// Notes that it is, or that it is to be asked again.
    pub(super) fn set_may_move(&self, target: &str, may: bool) {
        let mut known = lock(&self.may_move);
        if may {
            known.insert(target.to_owned());
        } else {
            known.remove(target);
        }
    }

    /// Notes what was read of a consumer, at `now` of the monotonic clock, while this reading of all of them was known.
    pub(super) fn saw_consumer(
        &self,
        migration: &str,
        key: ConsumerKey,
        picture: Option<Timestamp>,
        seen: Movable,
        now: Duration,
    ) {
        self.of_migration(migration, |known| {
            known.consumers.retain(|_, (of, _, _)| *of == picture);
            known.consumers.insert(key, (picture, now, seen));
        });
    }

    /// Forgets what was read of a consumer: it was changed.
    pub(super) fn forget_consumer(&self, migration: &str, key: &ConsumerKey) {
        self.of_migration(migration, |known| known.consumers.remove(key));
    }

    /// What was read of consumers. At `now` of the monotonic clock those that were read just now may be changed.
    pub(super) fn consumers(&self, migration: &str, now: Duration) -> BTreeMap<ConsumerKey, Seen> {
        let migrations = lock(&self.migrations);
        let known = migrations.get(migration).into_iter().flat_map(|known| &known.consumers);
        let seen = known.map(|(key, (picture, at, seen))| {
            let seen = Seen {
                picture: *picture,
                fresh: now.saturating_sub(*at) < FRESH_FOR,
                now: seen.clone(),
            };
            (key.clone(), seen)
        });
        seen.collect()
    }

    /// Notes who may use a migration's key, at `now` of the monotonic clock, while this reading of consumers was known.
    pub(super) fn saw_key_access(
        &self,
        migration: &str,
        picture: Option<Timestamp>,
        access: Option<KeyAccess>,
        now: Duration,
    ) {
        self.of_migration(migration, |known| known.key_access = Some((picture, now, access)));
    }

    /// Who may use it, where that was asked for this reading.
    pub(super) fn key_access(&self, migration: &str, picture: Option<Timestamp>) -> Option<Option<KeyAccess>> {
        let migrations = lock(&self.migrations);
        let (of, _, access) = migrations.get(migration)?.key_access.as_ref()?;
        (*of == picture).then(|| access.clone())
    }

    /// What was asked so lately, at `now` of the monotonic clock, that something may be begun by it.
    pub(super) fn fresh(&self, migration: &str, now: Duration) -> Fresh {
        let migrations = lock(&self.migrations);
        let Some(known) = migrations.get(migration) else {
            return Fresh::default();
        };
        let is_fresh = |at: &Duration| now.saturating_sub(*at) < BEGUN_BY_FOR;
        let copies = known.foreign.iter().filter(|(_, (_, at, _))| is_fresh(at));
        Fresh {
            key_access: known.key_access.as_ref().is_some_and(|(_, at, _)| is_fresh(at)),
            images: copies.map(|(image, _)| image.clone()).collect(),
        }
    }

    /// Notes what a migration's account sees of another's image, while this reading of consumers was known.
    pub(super) fn saw_foreign(
        &self,
        migration: &str,
        picture: Option<Timestamp>,
        image: ImageId,
        seen: Option<Image>,
        now: Duration,
    ) {
        self.of_migration(migration, |known| {
            known.foreign.insert(image, (picture, now, seen));
        });
    }

    /// What it sees of others, where that was asked for this reading and not long ago.
    pub(super) fn foreign(
        &self,
        migration: &str,
        picture: Option<Timestamp>,
        now: Duration,
    ) -> BTreeMap<ImageId, Option<Image>> {
        let migrations = lock(&self.migrations);
        let known = migrations.get(migration).map(|known| &known.foreign);
        let known = known.into_iter().flatten();
        let is_so = |of: &Option<Timestamp>, at: &Duration| *of == picture && now.saturating_sub(*at) < FOREIGN_FOR;
        known
            .filter(|(_, (of, at, _))| is_so(of, at))
            .map(|(image, (.., seen))| (image.clone(), seen.clone()))
            .collect()
    }

    /// Allows a migration one more attempt after `attempt`, however many have failed.
    pub(super) fn allow_extra_attempt(&self, migration: &str, attempt: u32) {
        self.of_migration(migration, |known| known.extra_attempt_after = Some(attempt));
    }

    /// After which attempt a migration is allowed one more.
    pub(super) fn extra_attempt_after(&self, migration: &str) -> Option<u32> {
        lock(&self.migrations).get(migration)?.extra_attempt_after
    }

    /// Notes that AWS refuses a copy with the original's description.
    pub(super) fn leave_out_description(&self, migration: &str) {
        self.of_migration(migration, |known| known.without_description = true);
    }

    /// Whether a copy is asked for without the original's description.
    pub(super) fn leaves_out_description(&self, migration: &str) -> bool {
        lock(&self.migrations)
            .get(migration)
            .is_some_and(|known| known.without_description)
    }

    /// Notes that AWS has answered with a copy that it does not show.
    pub(super) fn not_seen(&self, migration: &str, copy: ImageId) {
        self.of_migration(migration, |known| known.unseen = Some(copy));
    }

    /// Whether AWS has never shown the copy that it has answered with; `is_shown` says what it shows now.
    pub(super) fn was_never_seen(&self, migration: &str, copy: &ImageId, is_shown: bool) -> bool {
        let mut migrations = lock(&self.migrations);
        let Some(known) = migrations.get_mut(migration) else {
            return false;
        };
        if is_shown {
            known.unseen = None;
        }
        known.unseen.as_ref() == Some(copy)
    }

    /// Notes whether a migration is done or stuck, and says whether it has come to be since the last time.
    pub(super) fn has_just_settled(&self, migration: &str, is_settled: bool) -> bool {
        self.of_migration(migration, |known| {
            let was_settled = std::mem::replace(&mut known.settled, is_settled);
            is_settled && !was_settled
        })
    }

    /// The same of whether copies of younger originals need not wait for its tags any more.
    pub(super) fn has_just_published(&self, migration: &str, is_published: bool) -> bool {
        self.of_migration(migration, |known| {
            let was_published = std::mem::replace(&mut known.published, is_published);
            is_published && !was_published
        })
    }

    /// Since when this process has known what a migration has on record, as far as that has come.
    pub(super) fn known_since(&self, migration: &AMIMigration, now: Timestamp) -> KnownSince {
        let status = migration.status.as_ref();
        let validation = status.and_then(|status| status.validation.as_ref());
        let inspector = validation.and_then(|validation| validation.inspector.as_ref());
        let uid = migration.metadata.uid.as_deref().unwrap_or_default();
        self.of_migration(uid, |known| KnownSince {
            copy: known.attempt.since(status.and_then(|status| status.copy.as_ref()), now),
            launch: known
                .launch
                .since(validation.and_then(|validation| validation.launch.as_ref()), now),
            scan: known
                .scan
                .since(inspector.and_then(|inspector| inspector.scan.as_ref()), now),
        })
    }

    /// Notes how a visit to an object has ended, and says how many have failed in a row.
    pub(super) fn visited(&self, controller: &'static str, object: &impl Resource, has_failed: bool) -> u32 {
        if has_failed {
            return self.of_object(object, |known| {
                let failures = known.failures.entry(controller).or_default();
                *failures = failures.saturating_add(1);
                *failures
            });
        }
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        if let Some(known) = lock(&self.objects).get_mut(uid) {
            known.failures.remove(controller);
        }
        0
    }

    /// Whether an object may be written once more at `now` of the monotonic clock.
    pub(super) fn may_write(&self, object: &impl Resource, now: Duration) -> bool {
        self.of_writes(object, |written| written.allowance.allows(now))
            .unwrap_or(true)
    }

    /// How long to wait before an object is written once more, at `now` of the monotonic clock.
    pub(super) fn rest(&self, object: &impl Resource, urgency: Urgency, now: Duration) -> Duration {
        self.of_writes(object, |written| written.allowance.rest(urgency, now))
            .unwrap_or_default()
    }

    /// Notes the status that an object is seen with, as a digest, at `now` of the monotonic clock: one that is newer than our last write
    /// and not what we have written is somebody else's.
    pub(super) fn saw(&self, object: &impl Resource, status: u64, now: Duration) {
        let Some(seen) = version(object) else { return };
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let mut objects = lock(&self.objects);
        let written = objects.get_mut(uid).and_then(|known| known.written.as_mut());
        if let Some(written) = written.filter(|written| seen > written.version && status != written.status) {
            // Once for each that was seen.
            (written.version, written.status) = (seen, status);
            written.overwritten = written.overwritten.saturating_add(1);
            written.allowance.overwritten(now);
        }
    }

    /// Whether it is to be said, which is once, that somebody else writes an object in turns with us.
    pub(super) fn has_to_tell_of_another(&self, object: &impl Resource) -> bool {
        let uid = object.meta().uid.as_deref().unwrap_or_default();
        let mut objects = lock(&self.objects);
        let written = objects.get_mut(uid).and_then(|known| known.written.as_mut());
        written.is_some_and(|written| {
            let is_fought_over = written.overwritten >= IN_TURNS;
            is_fought_over && !std::mem::replace(&mut written.is_said, true)
        })
    }

    /// Notes what the API server made of our own write to an object, at `now` of the monotonic clock, and its status, as a digest.
    pub(super) fn wrote(&self, object: &impl Resource, status: u64, now: Duration) {
        let Some(version) = version(object) else { return };
        self.of_object(object, |known| {
            let written = known.written.get_or_insert(Written {
                version,
                at: now,
                allowance: Allowance::new(now),
                status,
                overwritten: 0,
                is_said: false,
            });
            (written.version, written.at, written.status) = (version, now, status);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::AMIMigrationSpec;
    use crate::domain::ErrorClass;

    fn seen(version: u64) -> AMIMigration {
        let spec = AMIMigrationSpec {
            policy: "p".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            source_image_id: "ami-0123456789abcdef0".to_owned(),
            key_arn: String::new(),
            ..AMIMigrationSpec::default()
        };
        let mut migration = AMIMigration::new("m", spec);
        migration.metadata.uid = Some("uid".to_owned());
        migration.metadata.resource_version = Some(version.to_string());
        migration
    }

    #[test]
    fn a_refusal_outlasts_failed_reads_while_it_is_waited_out_and_nothing_else_does() {
        let at = |second| Timestamp::from_second(second).expect("a time");
        let failed = |operation| AwsError::new(operation, ErrorClass::Transient, None);
        let (read, write) = (failed(Operation::DescribeImages), failed(Operation::CopyImage));
        let refusal = CallProblem {
            problem: Some(Problem::new(reason::PRODUCT_CODE_NOT_COPYABLE, "AWS refuses.")),
            until: at(600),
            failures: 1,
            reads: false,
            ends: false,
            retry: None,
        };
        assert!(refusal.outlasts(&read, at(599)));
        assert!(!refusal.outlasts(&read, at(600)), "it is waited out");
        assert!(!refusal.outlasts(&write, at(599)), "another call says more");
        let of_a_read = CallProblem {
            reads: true,
            ..refusal.clone()
        };
        let passing = CallProblem {
            problem: None,
            ..refusal
        };
        assert!(!of_a_read.outlasts(&read, at(599)) && !passing.outlasts(&read, at(599)));
    }

    #[test]
    fn denials_are_forgiven_and_nothing_else_that_calls_ran_into() {
        let memory = Memory::default();
        let at = |second| Timestamp::from_second(second).expect("a time");
        let ran_into = [
            ("once", reason::ACCESS_DENIED, 1),
            ("often", reason::ACCESS_DENIED, 3),
            ("full", reason::QUOTA_EXCEEDED, 1),
        ];
        for (uid, reason, failures) in ran_into {
            let problem = CallProblem {
                problem: Some(Problem::new(reason, "AWS refuses.")),
                until: at(600),
                failures,
                reads: false,
                ends: false,
                retry: None,
            };
            memory.set_problem(uid, Some(problem));
        }
        let until = |uid| memory.problem(uid).map(|problem| problem.until);
        let all = ["once", "often", "full", "another"];
        memory.forgive_denials(all.into_iter(), 1, at(60));
        assert_eq!(all.map(until), [Some(at(60)), Some(at(600)), Some(at(600)), None]);
        memory.forgive_denials(all.into_iter(), u32::MAX, at(90));
        assert_eq!(all.map(until), [Some(at(60)), Some(at(90)), Some(at(600)), None]);
    }

    #[test]
    fn another_writer_is_told_of_once_and_only_where_a_status_was_seen_that_is_not_ours() {
        let memory = Memory::default();
        let (ours, theirs) = (1, 2);
        // However often we write ourselves, and whatever people change besides the status.
        for version in 1..100 {
            memory.wrote(&seen(2 * version), ours, Duration::ZERO);
            memory.saw(&seen(2 * version), ours, Duration::ZERO);
            memory.saw(&seen(2 * version + 1), ours, Duration::ZERO);
        }
        assert!(!memory.has_to_tell_of_another(&seen(200)));
        // What the watch shows late is no news.
        memory.saw(&seen(7), theirs, Duration::ZERO);
        let told: Vec<bool> = (100..105)
            .map(|turn| {
                memory.saw(&seen(10 * turn), theirs, Duration::ZERO);
                memory.saw(&seen(10 * turn), theirs, Duration::ZERO);
                let tells = memory.has_to_tell_of_another(&seen(10 * turn));
                memory.wrote(&seen(10 * turn + 1), ours, Duration::ZERO);
                tells
            })
            .collect();
        assert_eq!(told, [false, false, true, false, false]);
    }
}
