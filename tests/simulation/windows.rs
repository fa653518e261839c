//! When the policies have consumers moved, and after how many failures no more: which histories have that, what must hold of it, and what
//! people do about failures.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::conditions::reason;
use amiseal::api::{AMIMigration, ConsumerState, MovedConsumer};
use amiseal::plan::moving::left;
use kube::ResourceExt;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::invariants::{Broken, Promise};
use super::notes::Notes;
use super::people::{self, MIGRATION};
use super::stage::Stage;
use super::time::time_at;
use super::undisturbed::MOVES;
use super::watchman::Objects;
use super::{moving, world};

/// Of the histories in which consumers are moved, so many have windows in time for that, and so many few failures.
const WINDOWS: f64 = 0.12;
const FEW_FAILURES: f64 = 0.12;
/// After half an hour of every other hour, from the beginning of the history on, a window begins, and for how long.
const CRON: &str = "30 */2 * * *";
const BEGINS: Duration = Duration::from_secs(30 * 60);
const EVERY: Duration = Duration::from_secs(2 * 3600);
const LASTS: Duration = Duration::from_secs(40 * 60);
/// By how much what is begun may seem too early or too late: the clock of a second process is ahead, and what is decided is on record
/// some time later.
const SLACK: Duration = Duration::from_secs(15 * 60);
/// How often people say that they have looked at failures, at most.
const LOOKS_EVERY: Duration = Duration::from_secs(20 * 60);

/// When, and for how long, consumers are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    /// Whether only in windows.
    schedule: bool,
    /// After how many failures no more.
    max_failures: Option<usize>,
}

impl Windows {
    /// Those of this seed's history, if it has any.
    pub(crate) fn of(seed: u64) -> Option<Self> {
        if !moving::is_newer(seed) || seed == MOVES {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0xc407);
        let schedule = rng.random_bool(WINDOWS);
        let max_failures = rng.random_bool(FEW_FAILURES).then_some(1);
        (schedule || max_failures.is_some()).then_some(Self { schedule, max_failures })
    }
}

/// Has the policies say so.
pub(crate) fn join(seed: u64, policies: &mut [Value]) {
    let Some(windows) = Windows::of(seed) else { return };
    for policy in policies {
        let promotion = &mut policy["spec"]["promotion"];
        if windows.schedule {
            let duration = format!("{}m", LASTS.as_secs() / 60);
            promotion["schedule"] = json!({"cron": CRON, "timeZone": "UTC", "duration": duration});
        }
        if let Some(most) = windows.max_failures {
            promotion["maxFailures"] = json!(most);
        }
    }
}

/// Says for the policies that somebody has looked at the failures, where these keep consumers from being moved.
pub(crate) fn help(stage: &Stage) {
    let now = stage.clock.age();
    let last = stage.notes().acknowledged;
    if last.is_some_and(|last| now < last + LOOKS_EVERY) {
        return;
    }
    let waits = |migration: &Value| {
        let said = migration["status"]["conditions"].as_array();
        said.is_some_and(|all| all.iter().any(|one| one["reason"] == reason::TOO_MANY_FAILURES))
    };
    if !stage.api.list(MIGRATION).iter().any(|one| waits(one)) {
        return;
    }
    stage.note(|notes| notes.acknowledged = Some(now));
    let time = time_at(now + Duration::from_secs(60))
        .floor_to_minute()
        .to_string()
        .replace(".000Z", "Z");
    let change = json!({"spec": {"promotion": {"failuresAcknowledgedAt": time}}});
    for name in world::POLICIES.map(|(name, ..)| name).into_iter().chain([world::THIRD]) {
        people::merge(stage, "AMIEncryptionPolicy", name, "", &change);
    }
}

/// A consumer of a migration.
type Row = (String, String);

/// Looks whether what begins may.
#[derive(Debug)]
pub(crate) struct Timer {
    windows: Windows,
    /// Consumers as they were last.
    known: BTreeMap<Row, MovedConsumer>,
    /// Since when something has failed.
    failed: BTreeMap<Row, Duration>,
}

impl Timer {
    pub(crate) fn new(windows: Windows) -> Self {
        Self {
            windows,
            known: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Looks at what has begun since the last time.
    pub(crate) fn look(&mut self, stage: &Stage, objects: &Objects) -> Vec<Broken> {
        let (notes, now) = (stage.notes(), stage.clock.age());
        let before = std::mem::take(&mut self.known);
        let mut begun = Vec::new();
        for migration in &objects.migrations {
            let name = migration.name_any();
            for row in migration.status.iter().flat_map(|status| &status.consumers) {
                let key = (name.clone(), row.id.clone());
                if begins(before.get(&key), row) && !notes.lost.contains(&name) {
                    begun.push((key.clone(), migration.clone()));
                }
                self.known.insert(key, row.clone());
            }
        }
        let known = &self.known;
        self.failed.retain(|key, _| known.get(key).is_some_and(has_failed));
        for (key, _) in known.iter().filter(|(_, row)| has_failed(row)) {
            self.failed.entry(key.clone()).or_insert(now);
        }
        // Who goes by a clock that is wrong by hours has other windows.
        if notes.leapt {
            return Vec::new();
        }
        let wrong = begun.iter().filter_map(|(key, migration)| {
            let how = self
                .too_late(&notes, now)
                .or_else(|| self.too_many(migration, objects, &notes, now))?;
            Some(Broken::new(
                Promise::MovedWithCare,
                format!("{key:?} has begun at {now:?}: {how}"),
            ))
        });
        wrong.collect()
    }

    /// Whether it is outside of all windows.
    fn too_late(&self, notes: &Notes, now: Duration) -> Option<String> {
        if !self.windows.schedule || !notes.hung.is_empty() || now < notes.estranged_until {
            return None;
        }
        // How long ago a window began that may seem to be open, counted from the earliest moment at which one may seem so.
        let since = (now + EVERY + SLACK).saturating_sub(BEGINS).as_secs() % EVERY.as_secs();
        let is_open = since <= (LASTS + 2 * SLACK).as_secs();
        (!is_open).then(|| "no window is open".to_owned())
    }

    /// Whether so many failures of its policy were to be seen, that nobody has looked at, that nothing may begin.
    fn too_many(&self, migration: &AMIMigration, objects: &Objects, notes: &Notes, now: Duration) -> Option<String> {
        let most = self.windows.max_failures?;
        if !notes.lost.is_empty() || !notes.hung.is_empty() || notes.estranged_until > Duration::ZERO {
            return None;
        }
        let looked = notes.acknowledged.map_or(Duration::ZERO, |at| at + SLACK);
        let of_policy = |name: &str| {
            let mut all = objects.migrations.iter();
            all.any(|one| one.name_any() == name && one.spec.policy == migration.spec.policy)
        };
        let seen = self
            .failed
            .iter()
            .filter(|(_, since)| **since >= looked && now > **since + SLACK);
        let count = seen.filter(|((name, _), _)| of_policy(name)).count();
        (count >= most).then(|| format!("{count} have failed, and {most} may"))
    }
}

/// Whether a consumer is begun to be moved, or its instances to be replaced: not where something that was begun goes on.
fn begins(before: Option<&MovedConsumer>, after: &MovedConsumer) -> bool {
    let is_begun = |row: &MovedConsumer| matches!(row.state, ConsumerState::Moving | ConsumerState::Refreshing);
    let goes_on = |row: &MovedConsumer| is_begun(row) || row.state == ConsumerState::Left && row.previous.is_some();
    is_begun(after) && after.previous.is_some() && !before.is_some_and(goes_on)
}

/// Whether something that was begun is left, and not only put off.
fn has_failed(row: &MovedConsumer) -> bool {
    let reason = row.reason.as_deref();
    let is_put_off = [Some(left::HELD), Some(left::OWNED)].contains(&reason);
    row.state == ConsumerState::Left && row.previous.is_some() && !is_put_off
}
