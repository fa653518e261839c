//! Whether the statuses tell the truth, by what AWS is like.

use std::collections::{BTreeMap, BTreeSet};

use ec2sim::model::{Ebs, Image, ImageState, Region, Storage, World};
use ec2sim::spec::Expectation;
use rig::{Object, Objects};

use crate::world::{ALIAS, EXEMPT, TARGETS};

/// The classes of images in the statuses of targets and policies.
const CLASSES: [&str; 9] = [
    "total",
    "encrypted",
    "unencrypted",
    "superseded",
    "otherKey",
    "unencryptable",
    "exempt",
    "contested",
    "unknown",
];
/// Where migrations are, in the same statuses.
const STATES: [&str; 4] = ["pending", "inProgress", "stalled", "completed"];

/// Claims of migrations that must hold whenever they are made: what is verified or completed is there and encrypted.
pub(crate) fn false_claims(objects: &Objects, world: &World) -> Vec<String> {
    let claims = |migration: &&Object| {
        migration.says("Verified", "True")
            || migration.text("/status/state") == "Completed" && migration.reason("Ready") != "SourceGone"
    };
    let claiming = objects.migrations.iter().filter(claims);
    claiming
        .filter_map(|migration| {
            Some(format!(
                "{}: {}",
                migration.title(),
                is_encrypted(migration, world).err()?
            ))
        })
        .collect()
}

/// Everything that is not as it should be once all is done.
pub(crate) fn wrong(objects: &Objects, world: &World) -> Vec<String> {
    let mut wrong = false_claims(objects, world);
    wrong.extend(each_has_one_migration(objects, world));
    for migration in &objects.migrations {
        let said = finished(migration).and_then(|()| snapshots_are_told(migration, world));
        wrong.extend(said.err().map(|why| format!("{}: {why}", migration.title())));
    }
    for target in &objects.targets {
        let said = target_counts(target, objects, world);
        wrong.extend(said.err().map(|why| format!("{}: {why}", target.title())));
    }
    for policy in &objects.policies {
        let said = policy_sums(policy, objects);
        wrong.extend(said.err().map(|why| format!("{}: {why}", policy.title())));
    }
    wrong
}

fn region<'a>(object: &Object, world: &'a World) -> Result<&'a Region, String> {
    world
        .region(object.text("/spec/accountID"), object.text("/spec/region"))
        .ok_or_else(|| "there is no such account and region".to_owned())
}

/// The copy that a migration names, if it is one of its original, available, and encrypted under the key of its spec.
fn is_encrypted<'a>(migration: &Object, world: &'a World) -> Result<&'a Image, String> {
    let region = region(migration, world)?;
    let id = migration.text("/status/copy/imageID");
    let copy = region
        .images
        .get(id)
        .filter(|image| image.exists())
        .ok_or_else(|| format!("there is no copy {id:?}"))?;
    let source = copy.source.as_ref().map(|(id, _)| id.as_str());
    if source != Some(migration.text("/spec/sourceImageID")) {
        return Err(format!("{id} is a copy of {source:?}"));
    }
    if copy.state != ImageState::Available {
        return Err(format!("{id} is {}", copy.state.as_str()));
    }
    match under(copy, region, migration.text("/spec/keyARN")) {
        true => Ok(copy),
        false => Err(format!("{id} is not encrypted under the key")),
    }
}

/// Whether every snapshot of an image is encrypted under a key.
fn under(image: &Image, region: &Region, key: &str) -> bool {
    image.snapshot_ids().all(|id| {
        let snapshot = region.snapshots.get(id);
        snapshot.is_some_and(|snapshot| snapshot.encrypted && snapshot.key_arn.as_deref() == Some(key))
    })
}

/// Every image that is to be copied has one migration, and no other image has any.
fn each_has_one_migration(objects: &Objects, world: &World) -> Vec<String> {
    let images = world.regions().flat_map(|(_, region)| region.images.values());
    let to_copy = images.filter(|image| matches!(image.expect, Expectation::Copied(_)));
    let mut counts: BTreeMap<&str, i64> = to_copy.map(|image| (image.id.as_str(), -1)).collect();
    for migration in &objects.migrations {
        *counts.entry(migration.text("/spec/sourceImageID")).or_default() += 1;
    }
    let odd = counts.into_iter().filter(|(_, count)| *count != 0);
    odd.map(|(id, count)| match count {
        -1 => format!("{id} has no migration"),
        more => format!("{id} has {more} migrations too many"),
    })
    .collect()
}

fn finished(migration: &Object) -> Result<(), String> {
    let state = migration.text("/status/state");
    if state != "Completed" || !migration.says("Ready", "True") {
        return Err(format!(
            "is {state:?} and not completed: {}",
            migration.message("Ready")
        ));
    }
    match migration.is_current() {
        true => Ok(()),
        false => Err("its status does not speak of its generation".to_owned()),
    }
}

/// The list of snapshots of a finished migration names each device's snapshots, and their key, as they are.
fn snapshots_are_told(migration: &Object, world: &World) -> Result<(), String> {
    let copy = is_encrypted(migration, world)?;
    let original = world
        .image(migration.text("/spec/region"), migration.text("/spec/sourceImageID"))
        .ok_or("its original is gone")?;
    let key = migration.text("/spec/keyARN");
    let copies: BTreeMap<&str, &str> = snapshots(copy).collect();
    let are: BTreeSet<[&str; 4]> = snapshots(original)
        .map(|(device, source)| [device, source, copies.get(device).copied().unwrap_or_default(), key])
        .collect();
    let list = migration.at("/status/snapshots").and_then(|list| list.as_array());
    let told: BTreeSet<[&str; 4]> = list
        .into_iter()
        .flatten()
        .map(|entry| ["device", "source", "copy", "keyARN"].map(|field| entry[field].as_str().unwrap_or_default()))
        .collect();
    match told == are {
        true => Ok(()),
        false => Err(format!("its snapshots are {are:?}, and it says {told:?}")),
    }
}

/// Devices and their snapshots.
fn snapshots(image: &Image) -> impl Iterator<Item = (&str, &str)> {
    image.mappings.iter().filter_map(|mapping| match &mapping.storage {
        Storage::Ebs(Ebs {
            snapshot: Some(snapshot),
            ..
        }) => Some((mapping.device.as_str(), snapshot.as_str())),
        Storage::Ebs(_) | Storage::Ephemeral(_) => None,
    })
}

/// A target counts its images and migrations as they are.
fn target_counts(target: &Object, objects: &Objects, world: &World) -> Result<(), String> {
    let region = region(target, world)?;
    let key = world
        .key(target.text("/spec/accountID"), target.text("/spec/region"), ALIAS)
        .ok_or("there is no such key")?;
    same("its key", target.text("/status/keyARN"), key.arn.as_str())?;
    let images = region
        .images
        .values()
        .filter(|image| image.exists() && image.state == ImageState::Available);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for image in images {
        *counts.entry("total").or_default() += 1;
        *counts.entry(class(image, region, &key.arn)).or_default() += 1;
    }
    for name in CLASSES {
        let told = target.number(&format!("/status/images/{name}"));
        same(
            &format!("images {name}"),
            told,
            counts.get(name).copied().unwrap_or_default(),
        )?;
    }
    let place = |object: &Object| [object.text("/spec/accountID"), object.text("/spec/region")].map(str::to_owned);
    let migrations = objects.migrations.iter().filter(|m| place(m) == place(target)).count();
    for name in STATES {
        let told = target.number(&format!("/status/migrations/{name}"));
        let are = if name == "completed" { migrations as u64 } else { 0 };
        same(&format!("migrations {name}"), told, are)?;
    }
    Ok(())
}

/// The class of an image of these worlds.
fn class(image: &Image, region: &Region, key: &str) -> &'static str {
    let copied = |copy: &Image| {
        let source = copy.source.as_ref().map(|(id, _)| id);
        source == Some(&image.id) && copy.exists() && copy.state == ImageState::Available && under(copy, region, key)
    };
    let mut snapshots = image.snapshot_ids().filter_map(|id| region.snapshots.get(id));
    if image.tags.current().contains_key(EXEMPT) {
        "exempt"
    } else if under(image, region, key) {
        "encrypted"
    } else if snapshots.all(|snapshot| snapshot.encrypted) {
        "otherKey"
    } else if region.images.values().any(copied) {
        "superseded"
    } else {
        "unencrypted"
    }
}

/// A policy counts what its targets count.
fn policy_sums(policy: &Object, objects: &Objects) -> Result<(), String> {
    let sum = |path: &str| -> u64 { objects.targets.iter().map(|target| target.number(path)).sum() };
    let images = CLASSES.map(|name| format!("/status/images/{name}"));
    let migrations = STATES.map(|name| format!("/status/migrations/{name}"));
    for path in images.iter().chain(&migrations) {
        same(path, policy.number(path), sum(path))?;
    }
    let ready = objects.targets.iter().filter(|target| target.says("Ready", "True"));
    same(
        "targets ready",
        policy.number("/status/targets/ready"),
        ready.count() as u64,
    )?;
    same("targets total", policy.number("/status/targets/total"), TARGETS as u64)?;
    same("targets that are there", objects.targets.len(), TARGETS)
}

fn same<T: PartialEq + std::fmt::Display + Copy>(what: &str, told: T, is: T) -> Result<(), String> {
    match told == is {
        true => Ok(()),
        false => Err(format!("{what}: it says {told}, and it is {is}")),
    }
}
