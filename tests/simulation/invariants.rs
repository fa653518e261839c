//! What must hold after every step of every history, judged on the simulator's world and journal and on the objects that
//! the API server double holds.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use amiseal::api::{AMIMigration, AMIMigrationStatus, MigrationState, conditions, labels};
use clap::ValueEnum;
use ec2sim::model::{self, Image, ImageState, SnapshotState};
use ec2sim::{Check, Finding, Report, Sim};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::followers;
use super::notes::Notes;
use super::time::time_at;
use super::warden;

/// The most that a policy of these histories allows to be in flight in an account and region. People may set 4
/// meanwhile, but what is in flight then is not taken back.
const BUDGET: usize = 5;
/// For how long copies that nobody has on record any more may be in flight beside others.
pub(crate) const UNKNOWN_FOR: Duration = Duration::from_secs(15 * 60);
/// How many attempts a policy of these histories allows before a person is asked.
const ATTEMPTS: u32 = 3;

/// A promise, as docs/reliability.md has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Promise {
    /// No original is changed, disabled or deregistered.
    OriginalsStay,
    /// At most one copy of an image under a key, and no call too many.
    CopiedOnce,
    /// Nothing is changed that is not ours, and nothing is copied that should not be.
    NothingForeign,
    /// Nobody can launch a copy who could not launch the original.
    NotSharedMore,
    /// Under Audit and suspend nothing is called that could change anything.
    HandsOff,
    /// A status claims only what the world shows.
    StatusIsTrue,
    /// No image is called unused that something can launch.
    UnusedIsUnused,
    /// What launches an original is moved to a good copy of it, once, and by a version that is made of its latest one.
    MovedWithCare,
    /// No copy is published, and nothing moved to it, before an instance of it has passed its checks and, where that is asked for, Amazon
    /// Inspector has found nothing too severe in it; no such instance stays, and no scan is paid for twice.
    ProvenFirst,
    /// A guardrail is set only where a policy enforces it and no declarative policy holds it, once until it must show, and with a default
    /// key that all who launch may use.
    SetWithCare,
    /// A new image is taken in once two looks, or a scan, have shown it, and within minutes where the policies have it looked for.
    FoundInTime,
    /// A message of the queue leads to reads alone, and to no more than a scan or look a minute of each target; nothing of it is repeated,
    /// each is deleted, and a queue that fails is asked less and less often.
    OnlyHints,
    /// An account leaves a policy only after two reads in a row that do not list it, and nothing is changed in it after that.
    LeavesSlowly,
    /// What is on record of attempts and copies is not lost.
    NothingForgotten,
    /// What is changed in an account and region is changed by the replica that holds its shard.
    OneWriter,
    /// Snapshots in flight and attempts are bounded.
    Bounded,
    /// A fault costs no call that changes anything, but for one that has to be made again.
    NoCallTooMany,
    /// Where there is work to do and nothing hinders it, something is asked of AWS before long.
    NeverSilent,
    /// Once nothing hinders any more, everything comes to its end.
    Converges,
    /// After that nothing is written.
    Quiet,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A promise that was not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Broken {
    pub(crate) promise: Promise,
    pub(crate) how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.promise, self.how)
    }
}

impl Broken {
    pub(crate) fn new(promise: Promise, how: impl Into<String>) -> Self {
        Self {
            promise,
            how: how.into(),
        }
    }
}

/// The simulator's audit, less what has an explanation.
pub(crate) fn audit(sim: &Sim, notes: &Notes) -> Report {
    let mut report = sim.audit();
    let totals = report.totals;
    let needed = totals.copies_needed + totals.copies_failed + sim.with_world(copies_of_bad_copies);
    report.findings.retain(|finding| match finding.check {
        Check::SharedMoreWidely => !was_shared_before(finding, sim, notes),
        Check::TooManyCopies => totals.copies_made > needed,
        Check::GuardrailHeld | Check::GuardrailSetTwice | Check::DefaultKeyNotUsable => {
            !warden::is_explained(finding, sim, notes)
        }
        _ => true,
    });
    report
}

/// Whether a copy was shared last when its original still was, or by somebody who had read that it was: what was
/// published is not taken back.
fn was_shared_before(finding: &Finding, sim: &Sim, notes: &Notes) -> bool {
    let mut unshared = notes.unshared.iter();
    let Some((_, at)) = unshared.find(|(original, _)| finding.message.contains(original.as_str())) else {
        return false;
    };
    let until = time_at(notes.acted_upon_until(*at));
    let last = sim.with_journal(|calls| {
        let shares = calls.iter().filter(|call| {
            call.operation == "ModifyImageAttribute"
                && call.effects.contains(&finding.resource)
                && call.params.keys().any(|name| name.starts_with("LaunchPermission"))
        });
        shares.map(|call| call.effect_time.unwrap_or(call.time)).max()
    });
    last.is_some_and(|last| last <= until)
}

/// Looks at everything that must hold at any time of AWS and of what these migrations say, as long after the beginning.
pub(crate) fn check(sim: &Sim, migrations: &[&AMIMigration], notes: &Notes, now: Duration) -> Vec<Broken> {
    let findings = audit(sim, notes).findings.into_iter();
    let mut broken: Vec<Broken> = findings
        .filter_map(|finding| Some(Broken::new(promise_of(finding.check)?, format!("{finding:?}"))))
        .collect();
    sim.with_world(|world| {
        broken.extend(in_flight(world, notes, now));
        for migration in migrations {
            broken.extend(claims(migration, world, notes));
        }
    });
    broken
}

/// Which promise a finding of the simulator's audit breaks whenever it comes; none for what is right until the end.
fn promise_of(check: Check) -> Option<Promise> {
    match check {
        Check::OriginalChanged | Check::OriginalGone => Some(Promise::OriginalsStay),
        Check::CopiedTwice | Check::TooManyCopies => Some(Promise::CopiedOnce),
        Check::UnexpectedCopy | Check::SnapshotDeleted | Check::ForeignChange => Some(Promise::NothingForeign),
        Check::GuardrailHeld | Check::GuardrailSetTwice | Check::DefaultKeyNotUsable | Check::ImageInUseRefused => {
            Some(Promise::SetWithCare)
        }
        Check::SharedMoreWidely => Some(Promise::NotSharedMore),
        Check::ForbiddenCall => Some(Promise::HandsOff),
        Check::MissingCopy
        | Check::CopyNotEncrypted
        | Check::CopyWrongKey
        | Check::CopyDiffers
        | Check::PermissionsDiffer
        | Check::DescriptionDiffers
        | Check::DeprecationDiffers
        | Check::TagsDiffer
        | Check::FailedCopyLeft
        | Check::InstanceLeft
        | Check::GuardrailDiffers
        | Check::DeniedCall => None,
    }
}

/// How many copies were made of copies that came out wrong: once nobody has them on record, and their originals have good ones,
/// they are images like any other.
fn copies_of_bad_copies(world: &model::World) -> usize {
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    let made = regions.flat_map(|region| {
        let images = region.images.values().filter(|image| image.created_by.is_some());
        images.filter(|image| {
            let source = image.copied_from().and_then(|(id, _)| region.images.get(id));
            source.is_some_and(|source| source.spoiled)
        })
    });
    made.count()
}

/// More snapshots at a time than allowed, unless they are of one image, or of copies that are not on record any more.
fn in_flight(world: &model::World, notes: &Notes, now: Duration) -> Option<Broken> {
    world.regions().find_map(|(account, region)| {
        let lost = notes.records_lost.get(&(account.id.clone(), region.name.clone()));
        if lost.is_some_and(|lost| now < *lost + UNKNOWN_FOR) {
            return None;
        }
        let mut by_call: BTreeMap<u64, usize> = BTreeMap::new();
        for snapshot in region.snapshots.values() {
            if snapshot.state == SnapshotState::Pending
                && snapshot.exists()
                && let Some(call) = snapshot.created_by
            {
                *by_call.entry(call).or_default() += 1;
            }
        }
        let count: usize = by_call.values().sum();
        // Two who know nothing of each other write over what the other has on record, and each keeps to the budget alone.
        let budget = if now < notes.estranged_until {
            2 * BUDGET
        } else {
            BUDGET
        };
        (count > budget && by_call.len() > 1).then(|| {
            let how = format!(
                "{count} snapshots of {} copies in flight in {}/{}",
                by_call.len(),
                account.id,
                region.name
            );
            Broken::new(Promise::Bounded, how)
        })
    })
}

/// What a migration's status says, against the world.
fn claims(migration: &AMIMigration, world: &model::World, notes: &Notes) -> Vec<Broken> {
    let mut broken = Vec::new();
    let name = migration.name_any();
    let Some(status) = &migration.status else {
        return broken;
    };
    let untrue = |how: String| Broken::new(Promise::StatusIsTrue, format!("{name}: {how}"));
    if status.observed_generation > migration.metadata.generation {
        broken.push(untrue("speaks of a generation that is not there yet".to_owned()));
    }
    let copy = status.copy.as_ref();
    // Somebody may ask for one more, and once more. Where the record of them is lost, attempts begin anew. Each change of the policy
    // lets one more follow those that have failed, whatever it is that was changed: so it is promised.
    let spec = &migration.spec;
    let target = labels::target_name(&spec.policy, &spec.account_id, &spec.region);
    let attempts = ATTEMPTS * (1 + u32::from(notes.lost.contains(&name)))
        + 3 * u32::from(migration.annotations().contains_key(labels::RETRY))
        + notes.edited.get(&target).copied().unwrap_or(0);
    // Those of another account are that one's.
    let own = copy.filter(|_| !followers::is_follower(migration));
    if let Some(copy) = own.filter(|copy| copy.attempt > attempts) {
        broken.push(Broken::new(
            Promise::Bounded,
            format!("{name}: attempt {}", copy.attempt),
        ));
    }
    let source = followers::home(world, migration);
    let source = source.and_then(|region| region.images.get(&migration.spec.source_image_id));
    let gone = conditions::find(&status.conditions, conditions::READY)
        .is_some_and(|ready| ready.reason == conditions::reason::SOURCE_GONE);
    if gone && source.is_some_and(Image::exists) {
        broken.push(untrue("says that the original is gone".to_owned()));
    }
    if let Some(id) = claimed(migration)
        && let Err(how) = is_encrypted(migration, id, world)
    {
        broken.push(untrue(how));
    }
    if let Some(id) = copy.and_then(|copy| copy.image_id.as_deref())
        && let Some(promoted) = conditions::find(&status.conditions, conditions::PROMOTED)
    {
        broken.extend(takes_back(status, id).map(|how| untrue(format!("{how}, though {}", promoted.message))));
    }
    broken
}

/// What is said of a copy that was published as if nobody launched from it: that it is wrong, which what its original became later
/// does not make it, or that somebody should take it away.
fn takes_back(status: &AMIMigrationStatus, copy: &str) -> Option<String> {
    let stalled = conditions::find(&status.conditions, conditions::STALLED)?;
    let is_wrong = conditions::is_true(&status.conditions, conditions::STALLED)
        && stalled.reason == conditions::reason::ATTRIBUTE_MISMATCH;
    let advises = status
        .conditions
        .iter()
        .any(|one| one.message.contains(&format!("deregister {copy}")));
    (is_wrong || advises).then(|| format!("says of {copy}: {}", stalled.message))
}

/// The copy of which a migration says that it was verified, or that there is nothing left to do for it.
fn claimed(migration: &AMIMigration) -> Option<&str> {
    let status = migration.status.as_ref()?;
    let is_done = status.state == Some(MigrationState::Completed)
        && conditions::find(&status.conditions, conditions::READY)
            .is_some_and(|ready| ready.reason != conditions::reason::SOURCE_GONE);
    let is_verified = conditions::is_true(&status.conditions, conditions::VERIFIED);
    let copy = status.copy.as_ref().and_then(|copy| copy.image_id.as_deref());
    (is_done || is_verified).then_some(copy.unwrap_or_default())
}

/// Looks whether the copies that these migrations claim are still there, once everything was looked through again, also where their
/// originals are gone.
pub(crate) fn check_copies(world: &model::World, migrations: &[&AMIMigration]) -> Option<Broken> {
    migrations.iter().find_map(|migration| {
        let id = claimed(migration)?;
        let region = followers::home(world, migration)?;
        let exists = region.images.get(id).is_some_and(Image::exists);
        (!exists).then(|| {
            let how = format!("{}: the copy {id:?} is not there any more", migration.name_any());
            Broken::new(Promise::StatusIsTrue, how)
        })
    })
}

fn is_encrypted(migration: &AMIMigration, copy: &str, world: &model::World) -> Result<(), String> {
    let spec = &migration.spec;
    let region = followers::home(world, migration).ok_or("no such region")?;
    let image = region
        .images
        .get(copy)
        .ok_or_else(|| format!("there is no copy {copy:?}"))?;
    let source = image.copied_from().map(|(id, _)| id);
    if source != Some(&spec.source_image_id) {
        return Err(format!("{copy} is a copy of {source:?}"));
    }
    // That somebody has disabled it is not seen before everything is looked through again.
    if !matches!(image.state, ImageState::Available | ImageState::Disabled) {
        return Err(format!("the copy is {}", image.state.as_str()));
    }
    if image.snapshot_ids().next().is_none() {
        return Err(format!("{copy} has no snapshot"));
    }
    for id in image.snapshot_ids() {
        let snapshot = region
            .snapshots
            .get(id)
            .ok_or_else(|| format!("there is no snapshot {id}"))?;
        if !snapshot.encrypted || snapshot.key_arn.as_deref() != Some(&spec.key_arn) {
            return Err(format!("{id} is under {:?}", snapshot.key_arn));
        }
    }
    Ok(())
}

/// What a version of a migration that a process has written lacks of what the one before had on record: an attempt, or
/// a copy that is there. Where no copy was on record, taking on one that is there may count attempts back.
pub(crate) fn forgets(before: &AMIMigration, after: &AMIMigration, world: &model::World) -> Option<Broken> {
    if followers::is_follower(before) {
        return followers::forgets(before, after);
    }
    let known = before.status.as_ref()?.copy.as_ref()?;
    let copy = after.status.as_ref().and_then(|status| status.copy.as_ref());
    let recorded = copy.and_then(|copy| copy.image_id.as_ref());
    if known.image_id.is_none() && recorded.is_some() {
        return None;
    }
    if copy.is_none_or(|copy| copy.attempt < known.attempt) {
        return Some(forgotten(after, &format!("attempt {}", known.attempt)));
    }
    let image = known.image_id.as_ref()?;
    let is_lost = recorded != Some(image) && has_copy(after, image, world);
    is_lost.then(|| forgotten(after, &format!("the copy {image}")))
}

/// What a migration had on record that a process has deleted: a copy that is there. One that cannot go on may be
/// deleted when its image was exempted, unless consumers were moved to its copy.
pub(crate) fn drops(migration: &AMIMigration, world: &model::World, notes: &Notes) -> Option<Broken> {
    if followers::is_follower(migration) {
        return followers::drops(migration, world, notes);
    }
    let status = migration.status.as_ref()?;
    let image = status.copy.as_ref()?.image_id.as_ref()?;
    let is_stalled = conditions::is_true(&status.conditions, conditions::STALLED);
    let may_go = is_stalled && !followers::may_launch_copy(migration);
    let is_lost = !may_go && has_copy(migration, image, world);
    is_lost.then(|| forgotten(migration, &format!("with all of it, the copy {image}")))
}

fn has_copy(migration: &AMIMigration, image: &str, world: &model::World) -> bool {
    let image = followers::home(world, migration).and_then(|region| region.images.get(image));
    image.is_some_and(Image::exists)
}

fn forgotten(migration: &AMIMigration, what: &str) -> Broken {
    let how = format!("{}: {what} is no longer on record", migration.name_any());
    Broken::new(Promise::NothingForgotten, how)
}
