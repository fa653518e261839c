//! What policies and targets say of themselves, against the world: at any time as much as must hold however old a
//! status is, and in the end all of it.

use std::sync::Arc;

use amiseal::api::conditions::{self, Status};
use amiseal::api::{
    AMIEncryptionPolicy, AMIEncryptionTarget, ImageCounts, MigrationCounts, MigrationState, OtherKey, TargetCounts,
    labels,
};
use ec2sim::SimTime;
use ec2sim::model::{Image, ImageState, Region, World};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::enlisting;
use super::invariants::{Broken, Promise};
use super::newer::BACKUP;
use super::time::EPOCH_MILLIS;
use super::watchman::Objects;
use super::world::{EXEMPT, POLICIES, TWO};

/// Looks at everything that must hold at any time. `contested` says whether two policies are for the second account:
/// which of them has its images to answer for is told by their age. What was `incomplete` when it was listed is counted so, until
/// the next scan.
pub(crate) fn check(world: &World, objects: &Objects, contested: bool, incomplete: bool) -> Vec<Broken> {
    let targets = objects.targets.iter().flat_map(|target| {
        let spec = &target.spec;
        let said = target.status.as_ref().map(|status| status.conditions.as_slice());
        let places = [(spec.account_id.as_str(), spec.region.as_str())];
        let comply = compliance(said.unwrap_or_default(), &places, world, contested);
        let all = has_all(target, world).and(comply);
        let observed = target.status.as_ref().and_then(|status| status.observed_generation);
        let spoken = is_not_ahead(observed, target.metadata.generation);
        let truths = [
            adds_up(target),
            spoken,
            judges_only_what_it_sees(target),
            if incomplete { Ok(()) } else { all },
        ];
        truths.map(|truth| said_of(&target.name_any(), truth).err())
    });
    let policies = objects.policies.iter().map(|policy| {
        let said = policy.status.as_ref().map(|status| status.conditions.as_slice());
        let comply = compliance(said.unwrap_or_default(), &places(policy), world, contested);
        let comply = if incomplete { Ok(()) } else { comply };
        let observed = policy.status.as_ref().and_then(|status| status.observed_generation);
        let spoken = is_not_ahead(observed, policy.metadata.generation);
        said_of(&policy.name_any(), comply.and(spoken)).err()
    });
    targets.chain(policies).flatten().collect()
}

/// Whether a status speaks of no generation that is not there yet.
fn is_not_ahead(observed: Option<i64>, generation: Option<i64>) -> Result<(), String> {
    if observed <= generation {
        Ok(())
    } else {
        Err(format!("speaks of generation {observed:?}, and it is {generation:?}"))
    }
}

/// Whether a target that nobody looks at, since its policy is suspended, does not claim to comply.
fn judges_only_what_it_sees(target: &AMIEncryptionTarget) -> Result<(), String> {
    let Some(status) = target.status.as_ref().filter(|_| target.spec.suspend) else {
        return Ok(());
    };
    let speaks_of_it = status.observed_generation == target.metadata.generation;
    if speaks_of_it && conditions::is_true(&status.conditions, conditions::COMPLIANT) {
        return Err("is compliant, and its policy is suspended".to_owned());
    }
    Ok(())
}

fn said_of(name: &str, truth: Result<(), String>) -> Result<(), Broken> {
    truth.map_err(|how| Broken::new(Promise::StatusIsTrue, format!("{name}: {how}")))
}

/// Whether every image that a target counts is in one class.
fn adds_up(target: &AMIEncryptionTarget) -> Result<(), String> {
    let Some(counts) = target.status.as_ref().and_then(|status| status.images) else {
        return Ok(());
    };
    let sum = counts.encrypted
        + counts.unencrypted
        + counts.superseded
        + counts.other_key
        + counts.unencryptable
        + counts.backups
        + counts.exempt
        + counts.contested
        + counts.unknown;
    if sum == counts.total {
        Ok(())
    } else {
        Err(format!("{counts:?} do not add up"))
    }
}

/// Whether a target that counts its images counts all that were there from the beginning and still are: they were there
/// whenever it was looked.
fn has_all(target: &AMIEncryptionTarget, world: &World) -> Result<(), String> {
    let counts = target.status.as_ref().and_then(|status| status.images);
    let region = world.region(&target.spec.account_id, &target.spec.region);
    let Some((counts, region)) = counts.zip(region) else {
        return Ok(());
    };
    let images = region.images.values();
    let there = images.filter(|image| {
        let counts = is_machine(image) && image.exists() && image.state != ImageState::Failed;
        counts && is_of_beginning(image)
    });
    let there = there.count();
    if u32::try_from(there).is_ok_and(|there| there <= counts.total) {
        Ok(())
    } else {
        Err(format!("{counts:?}, and {there} were there all the time"))
    }
}

/// Whether nothing is called compliant where an original is not encrypted. None becomes so, nor does any come to be
/// meant that was not, so that no status was right when it was written.
fn compliance(said: &[Condition], places: &[(&str, &str)], world: &World, contested: bool) -> Result<(), String> {
    if !conditions::is_true(said, conditions::COMPLIANT) {
        return Ok(());
    }
    let mut places = places.iter().filter(|(account, _)| !(contested && *account == TWO));
    match places.find_map(|(account, region)| unencrypted(world.region(account, region)?)) {
        Some(image) => Err(format!("is compliant, and {} is not encrypted", image.id)),
        None => Ok(()),
    }
}

/// The accounts and regions of a policy.
fn places(policy: &AMIEncryptionPolicy) -> Vec<(&str, &str)> {
    let defaults = policy.spec.defaults.as_ref();
    let defaults = defaults.map(|defaults| defaults.regions.as_slice()).unwrap_or_default();
    let of_account = policy.spec.accounts.iter().flat_map(|account| {
        let own = account.regions.as_slice();
        let regions = if own.is_empty() { defaults } else { own };
        regions
            .iter()
            .map(move |region| (account.account_id.as_str(), region.name.as_str()))
    });
    of_account.collect()
}

/// An image that was there from the beginning, is not exempt, and has a snapshot that is not encrypted.
pub(crate) fn unencrypted(region: &Region) -> Option<&Image> {
    let mut images = region.images.values();
    images.find(|image| {
        let is_meant = is_of_beginning(image) && image.exists() && !is_exempt(image) && !is_backup(image);
        is_meant && is_machine(image) && is_ebs(image) && !is_encrypted(image, region)
    })
}

/// Whether the world began with it. What people add is of a later time.
fn is_of_beginning(image: &Image) -> bool {
    image.created_by.is_none() && image.creation_date < SimTime::from_millis(EPOCH_MILLIS)
}

fn is_exempt(image: &Image) -> bool {
    image.tags.current().contains_key(EXEMPT)
}

/// Whether machines are launched from an image: kernels and ramdisks are listed among images as well.
fn is_machine(image: &Image) -> bool {
    image.image_type == "machine"
}

/// Whether AWS Backup has made an image.
fn is_backup(image: &Image) -> bool {
    image.tags.current().contains_key(BACKUP)
}

fn is_ebs(image: &Image) -> bool {
    image.attributes.root_device_type == "ebs"
}

/// Whether every snapshot of an image is encrypted, whatever the key.
fn is_encrypted(image: &Image, region: &Region) -> bool {
    let encrypted = |id: &str| region.snapshots.get(id).is_some_and(|snapshot| snapshot.encrypted);
    image.snapshot_ids().all(encrypted)
}

/// Whether every snapshot of an image is encrypted under this key.
fn is_under(image: &Image, region: &Region, key: &str) -> bool {
    let under = |id: &str| {
        let snapshot = region.snapshots.get(id);
        snapshot.is_some_and(|snapshot| snapshot.encrypted && snapshot.key_arn.as_deref() == Some(key))
    };
    image.snapshot_ids().next().is_some() && image.snapshot_ids().all(under)
}

/// Looks at what all statuses say in the end, when everything was looked through again and nothing changes any more.
pub(crate) fn check_final(world: &World, objects: &Objects, contested: bool) -> Result<(), Broken> {
    let listed = enlisting::more(world);
    for target in &objects.targets {
        said_of(&target.name_any(), is_plausible(target, world))?;
    }
    for policy in &objects.policies {
        said_of(&policy.name_any(), sums_up(policy, objects))?;
    }
    for (policy, account, regions) in POLICIES {
        let is_contested = contested && account == TWO;
        for region in regions {
            let name = labels::target_name(policy, account, region);
            said_of(&name, final_target(&name, objects, world, is_contested))?;
        }
        let more = if policy == enlisting::POLICY { listed } else { 0 };
        said_of(policy, final_policy(policy, regions.len() + more, objects))?;
    }
    Ok(())
}

/// Whether a target counts as many images as there are, whosever they are, and no more of them as not encrypted.
fn is_plausible(target: &AMIEncryptionTarget, world: &World) -> Result<(), String> {
    let counts = target.status.as_ref().and_then(|status| status.images);
    let region = world.region(&target.spec.account_id, &target.spec.region);
    let Some((counts, region)) = counts.zip(region) else {
        return Ok(());
    };
    let images = || {
        let images = region.images.values();
        images.filter(|image| is_machine(image) && image.exists() && image.state != ImageState::Failed)
    };
    let plain = images()
        .filter(|image| is_ebs(image) && !is_encrypted(image, region))
        .count();
    let (images, plain) = (small(images().count()), small(plain));
    let elsewhere = counts.exempt + counts.contested + counts.unencryptable + counts.backups + counts.unknown;
    let said = counts.unencrypted + counts.superseded;
    let migrates_other_keys = target.spec.other_key == OtherKey::Migrate;
    let fits = said <= plain && plain <= said + elsewhere;
    if counts.total == images && (fits || migrates_other_keys) {
        Ok(())
    } else {
        Err(format!("{counts:?}, of {images} images {plain} unencrypted"))
    }
}

/// Whether a policy counts what its targets count.
fn sums_up(policy: &AMIEncryptionPolicy, objects: &Objects) -> Result<(), String> {
    let Some(status) = &policy.status else { return Ok(()) };
    let of_policy = |target: &&Arc<AMIEncryptionTarget>| target.spec.policy == policy.name_any();
    let targets = objects.targets.iter().filter(of_policy);
    let said = targets.filter_map(|target| target.status.as_ref());
    let images: ImageCounts = said.clone().filter_map(|status| status.images).sum();
    let migrations: MigrationCounts = said.filter_map(|status| status.migrations).sum();
    if status.images.unwrap_or_default() != images {
        return Err(format!("{:?} are not {images:?}", status.images));
    }
    if status.migrations.unwrap_or_default() != migrations {
        return Err(format!("{:?} are not {migrations:?}", status.migrations));
    }
    Ok(())
}

/// Whether a target of which nothing is odd says that all is done, and counts its images as they are, class by class.
fn final_target(name: &str, objects: &Objects, world: &World, is_contested: bool) -> Result<(), String> {
    let mut targets = objects.targets.iter();
    let target = targets.find(|target| target.name_any() == name).ok_or("is not there")?;
    let status = target.status.as_ref().ok_or("says nothing")?;
    let good = [conditions::READY, conditions::REACHABLE, conditions::KEY_USABLE];
    is_settled(&status.conditions, &good)?;
    is_current(status.observed_generation, target.metadata.generation)?;
    let are = progress(target, objects);
    if status.migrations != Some(are) {
        return Err(format!("counts {:?}, and there are {are:?}", status.migrations));
    }
    if is_contested {
        return Ok(());
    }
    let spec = &target.spec;
    let region = world.region(&spec.account_id, &spec.region).ok_or("is of no region")?;
    let key = world.key(&spec.account_id, &spec.region, &spec.kms_key_id);
    let are = classes(region, &key.ok_or("is of no key")?.arn);
    if status.images == Some(are) {
        Ok(())
    } else {
        Err(format!("counts {:?}, and there are {are:?}", status.images))
    }
}

/// Whether a policy of which nothing is odd says that all is done, in all of its targets.
fn final_policy(name: &str, targets: usize, objects: &Objects) -> Result<(), String> {
    let mut policies = objects.policies.iter();
    let policy = policies
        .find(|policy| policy.name_any() == name)
        .ok_or("is not there")?;
    let status = policy.status.as_ref().ok_or("says nothing")?;
    let good = [
        conditions::READY,
        conditions::TARGETS_REACHABLE,
        conditions::KEYS_USABLE,
    ];
    is_settled(&status.conditions, &good)?;
    is_current(status.observed_generation, policy.metadata.generation)?;
    let targets = small(targets);
    let are = TargetCounts {
        total: targets,
        ready: targets,
    };
    if status.targets == Some(are) {
        Ok(())
    } else {
        Err(format!("has {:?}, and there are {are:?}", status.targets))
    }
}

/// Whether these conditions are true, and nothing is under way.
fn is_settled(said: &[Condition], good: &[&str]) -> Result<(), String> {
    for type_ in good {
        if !conditions::is_true(said, type_) {
            return Err(format!(
                "{type_} is not True in the end: {:?}",
                conditions::find(said, type_)
            ));
        }
    }
    if conditions::has_status(said, conditions::RECONCILING, Status::False) {
        return Ok(());
    }
    let reconciling = conditions::find(said, conditions::RECONCILING);
    Err(format!("Reconciling is not False in the end: {reconciling:?}"))
}

fn is_current(observed: Option<i64>, generation: Option<i64>) -> Result<(), String> {
    if observed == generation && observed.is_some() {
        Ok(())
    } else {
        Err(format!("speaks of generation {observed:?}, and it is {generation:?}"))
    }
}

/// How many migrations of a target are where, once nothing is under way any more.
fn progress(target: &AMIEncryptionTarget, objects: &Objects) -> MigrationCounts {
    let mut counts = MigrationCounts::default();
    for migration in &objects.migrations {
        let owners = migration.metadata.owner_references.iter().flatten();
        if !owners
            .map(|owner| Some(&owner.uid))
            .any(|uid| uid == target.metadata.uid.as_ref())
        {
            continue;
        }
        let status = migration.status.clone().unwrap_or_default();
        let count = match status.state {
            Some(MigrationState::Completed) => &mut counts.completed,
            _ if conditions::is_true(&status.conditions, conditions::STALLED) => &mut counts.stalled,
            None | Some(MigrationState::Pending) => &mut counts.pending,
            Some(_) => &mut counts.in_progress,
        };
        *count += 1;
    }
    counts
}

/// How many images are in which class under a policy that leaves images under other keys alone.
fn classes(region: &Region, key: &str) -> ImageCounts {
    let mut counts = ImageCounts::default();
    for image in region.images.values().filter(|image| is_usable(image)) {
        let class = if is_exempt(image) {
            &mut counts.exempt
        } else if image.garbled.is_some() {
            &mut counts.unknown
        } else if !is_ebs(image) {
            &mut counts.unencryptable
        } else if is_under(image, region, key) {
            &mut counts.encrypted
        } else if is_encrypted(image, region) {
            &mut counts.other_key
        } else if is_backup(image) {
            &mut counts.backups
        } else if has_copy(image, region, key) {
            &mut counts.superseded
        } else {
            &mut counts.unencrypted
        };
        *class += 1;
        counts.total += 1;
    }
    counts
}

fn is_usable(image: &Image) -> bool {
    is_machine(image) && image.exists() && matches!(image.state, ImageState::Available | ImageState::Disabled)
}

/// Whether an image has a copy that is encrypted under this key. One that differs in something else was taken away
/// again.
fn has_copy(image: &Image, region: &Region, key: &str) -> bool {
    region.images.values().any(|copy| {
        let source = copy.copied_from().map(|(id, _)| id);
        let is_copy = source == Some(&image.id) && copy.exists() && copy.state == ImageState::Available;
        is_copy && is_under(copy, region, key)
    })
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
