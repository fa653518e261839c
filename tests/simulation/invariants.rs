//! What must hold after every step of every history, judged on the simulator's world and journal and on the objects that
//! the API server double holds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use amiseal::api::{AMIEncryptionTarget, AMIMigration, MigrationState, OtherKey, conditions, labels};
use clap::ValueEnum;
use ec2sim::model::{self, Image, ImageState, SnapshotState};
use ec2sim::{Check, Report, Sim};
use kube::ResourceExt;
use serde::{Deserialize, Serialize};

use super::stage::Notes;
use super::watchman::Objects;

/// What a policy of these histories allows to be in flight in an account and region.
const BUDGET: usize = 5;
/// How many attempts a policy of these histories allows before a person is asked.
const ATTEMPTS: u32 = 3;

/// A promise. The numbers are those of docs/reliability.md.
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
    /// What is on record of attempts and copies is not lost.
    NothingForgotten,
    /// What is changed in an account and region is changed by the replica that holds its slot.
    OneWriter,
    /// Snapshots in flight and attempts are bounded.
    Bounded,
    /// A fault costs no call that changes anything, but for one that has to be made again.
    NoCallTooMany,
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
        // A copy has what its original had when it was published.
        Check::SharedMoreWidely | Check::PermissionsDiffer => {
            !notes.unshared.iter().any(|id| finding.message.contains(id.as_str()))
        }
        Check::TooManyCopies => totals.copies_made > needed,
        _ => true,
    });
    report
}

/// Looks at everything that must hold at any time.
pub(crate) fn check(sim: &Sim, migrations: &[&AMIMigration], notes: &Notes) -> Vec<Broken> {
    let findings = audit(sim, notes).findings.into_iter();
    let mut broken: Vec<Broken> = findings
        .filter_map(|finding| Some(Broken::new(promise_of(finding.check)?, format!("{finding:?}"))))
        .collect();
    sim.with_world(|world| {
        if !notes.records_lost {
            broken.extend(in_flight(world));
        }
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
            let source = image.source.as_ref().and_then(|(id, _)| region.images.get(id));
            source.is_some_and(|source| source.spoiled)
        })
    });
    made.count()
}

/// More snapshots at a time than allowed, unless they are of one image.
fn in_flight(world: &model::World) -> Option<Broken> {
    let regions = world.accounts.values().flat_map(|account| account.regions.values());
    regions.into_iter().find_map(|region| {
        let mut by_call: BTreeMap<u64, usize> = BTreeMap::new();
        for snapshot in region.snapshots.values() {
            if snapshot.state == SnapshotState::Pending
                && let Some(call) = snapshot.created_by
            {
                *by_call.entry(call).or_default() += 1;
            }
        }
        let count: usize = by_call.values().sum();
        (count > BUDGET && by_call.len() > 1).then(|| {
            Broken::new(
                Promise::Bounded,
                format!("{count} snapshots of {} copies in flight", by_call.len()),
            )
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
    // Somebody may ask for one more, and once more. Where the record of them is lost, attempts begin anew.
    let attempts = ATTEMPTS * (1 + u32::from(notes.records_lost))
        + 3 * u32::from(migration.annotations().contains_key(labels::RETRY));
    if let Some(copy) = copy.filter(|copy| copy.attempt > attempts) {
        broken.push(Broken::new(
            Promise::Bounded,
            format!("{name}: attempt {}", copy.attempt),
        ));
    }
    let is_done = status.state == Some(MigrationState::Completed)
        && conditions::find(&status.conditions, conditions::READY)
            .is_some_and(|ready| ready.reason != conditions::reason::SOURCE_GONE);
    let source = world.region(&migration.spec.account_id, &migration.spec.region);
    let source = source.and_then(|region| region.images.get(&migration.spec.source_image_id));
    let gone = conditions::find(&status.conditions, conditions::READY)
        .is_some_and(|ready| ready.reason == conditions::reason::SOURCE_GONE);
    if gone && source.is_some_and(Image::exists) {
        broken.push(untrue("says that the original is gone".to_owned()));
    }
    if is_done || conditions::is_true(&status.conditions, conditions::VERIFIED) {
        let id = copy.and_then(|copy| copy.image_id.as_deref()).unwrap_or_default();
        if let Err(how) = is_encrypted(migration, id, world) {
            broken.push(untrue(how));
        }
    }
    broken
}

fn is_encrypted(migration: &AMIMigration, copy: &str, world: &model::World) -> Result<(), String> {
    let spec = &migration.spec;
    let region = world.region(&spec.account_id, &spec.region).ok_or("no such region")?;
    let image = region
        .images
        .get(copy)
        .ok_or_else(|| format!("there is no copy {copy:?}"))?;
    if image.state != ImageState::Available {
        return Err(format!("the copy is {}", image.state.as_str()));
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

/// What a new version of a migration's status has lost of what the one before had on record: an attempt, or a copy that is
/// there. Taking on a copy that somebody else made may count attempts back; whoever removes a whole status is no controller.
pub(crate) fn forgets(before: &AMIMigration, after: &AMIMigration, sim: &Sim) -> Option<Broken> {
    let known = before.status.as_ref()?.copy.as_ref()?;
    let copy = after.status.as_ref()?.copy.as_ref();
    let broken = |what: String| {
        let how = format!("{}: {what} is no longer on record", after.name_any());
        Some(Broken::new(Promise::NothingForgotten, how))
    };
    if copy.is_some_and(|copy| copy.image_id.is_some()) {
        return None;
    }
    if copy.is_none_or(|copy| copy.attempt < known.attempt) {
        return broken(format!("attempt {}", known.attempt));
    }
    let image = known.image_id.as_ref()?;
    let spec = &after.spec;
    let exists = sim.with_world(|world| {
        let region = world.region(&spec.account_id, &spec.region)?;
        Some(region.images.get(image)?.exists())
    });
    if exists == Some(true) {
        return broken(format!("the copy {image}"));
    }
    None
}

/// Whether every image that a target counts is in one class.
pub(crate) fn adds_up(target: &AMIEncryptionTarget) -> Option<Broken> {
    let counts = target.status.as_ref()?.images?;
    let sum = counts.encrypted
        + counts.unencrypted
        + counts.superseded
        + counts.other_key
        + counts.unencryptable
        + counts.exempt
        + counts.contested
        + counts.unknown;
    let how = || format!("{}: {counts:?} do not add up", target.name_any());
    (sum != counts.total).then(|| Broken::new(Promise::StatusIsTrue, how()))
}

/// What the statuses say in the end, against the world: every target's counts, and every policy's sums.
pub(crate) fn final_statuses(sim: &Sim, objects: &Objects) -> Option<Broken> {
    let untrue = |how: String| Some(Broken::new(Promise::StatusIsTrue, how));
    for target in &objects.targets {
        let spec = &target.spec;
        let Some(counts) = target.status.as_ref().and_then(|status| status.images) else {
            continue;
        };
        let (images, plain) = sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region);
            let images: Vec<&Image> = region
                .into_iter()
                .flat_map(|region| region.images.values())
                .filter(|image| image.exists() && image.state != ImageState::Failed)
                .collect();
            let plain = images.iter().filter(|image| {
                let encrypted = |id: &str| {
                    world
                        .snapshot(&image.region, id)
                        .is_some_and(|snapshot| snapshot.encrypted)
                };
                image.attributes.root_device_type == "ebs" && !image.snapshot_ids().all(encrypted)
            });
            (images.len(), plain.count())
        });
        let elsewhere = counts.exempt + counts.contested + counts.unencryptable + counts.unknown;
        let said = counts.unencrypted + counts.superseded;
        let (images, plain) = (u32::try_from(images).ok()?, u32::try_from(plain).ok()?);
        let migrates_other_keys = spec.other_key == OtherKey::Migrate;
        if counts.total != images || (said > plain || said + elsewhere < plain) && !migrates_other_keys {
            return untrue(format!(
                "{}: {counts:?}, of {images} images {plain} unencrypted",
                target.name_any()
            ));
        }
    }
    for policy in &objects.policies {
        let Some(status) = &policy.status else { continue };
        let of_policy = |target: &&Arc<AMIEncryptionTarget>| target.spec.policy == policy.name_any();
        let targets = objects.targets.iter().filter(of_policy);
        let sum = targets.filter_map(|target| target.status.as_ref()?.images).sum();
        if status.images.unwrap_or_default() != sum {
            return untrue(format!("{}: {:?} are not {sum:?}", policy.name_any(), status.images));
        }
    }
    None
}
