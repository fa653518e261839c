//! Whether the statuses tell the truth, by what AWS is like.

use std::collections::{BTreeMap, BTreeSet};

use ec2sim::model::{Ebs, Image, ImageState, Region, SnapshotState, Storage, World};
use ec2sim::spec::Expectation;
use rig::{Object, Objects};

use crate::world::{ALIAS, EXEMPT, TARGETS};

/// The classes of images in the statuses of targets and policies.
const CLASSES: [&str; 10] = [
    "total",
    "encrypted",
    "unencrypted",
    "superseded",
    "otherKey",
    "unencryptable",
    "backups",
    "exempt",
    "contested",
    "unknown",
];
/// Where migrations are, in the same statuses.
const STATES: [&str; 4] = ["pending", "inProgress", "stalled", "completed"];

/// Claims of migrations that must hold whenever they are made: what is verified or completed is there and encrypted.
///
/// `objects` must have been read before the world is looked at. The other way round a claim could be newer than the world
/// that it is held against. This way it is older, and must still hold: nobody takes a copy away here.
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

/// The copy that a migration names, if it is one of its original, available, and encrypted under the key of its spec with
/// all that it consists of.
fn is_encrypted<'a>(migration: &Object, world: &'a World) -> Result<&'a Image, String> {
    let region = region(migration, world)?;
    let id = migration.text("/status/copy/imageID");
    let copy = region
        .images
        .get(id)
        .filter(|image| image.exists())
        .ok_or_else(|| format!("there is no copy {id:?}"))?;
    let source = copy.copied_from().map(|(id, region)| [id.as_str(), region.as_str()]);
    if source != Some([migration.text("/spec/sourceImageID"), migration.text("/spec/region")]) {
        return Err(format!("{id} is a copy of {source:?}"));
    }
    if copy.state != ImageState::Available {
        return Err(format!("{id} is {}", copy.state.as_str()));
    }
    if let Some(missing) = copy.snapshot_ids().find(|id| !is_complete(id, region)) {
        return Err(format!("{id}'s snapshot {missing} is not there, or not complete"));
    }
    match under(copy, region, migration.text("/spec/keyARN")) {
        true => Ok(copy),
        false => Err(format!("{id} is not encrypted under the key")),
    }
}

/// Whether a snapshot is there and usable.
fn is_complete(id: &str, region: &Region) -> bool {
    let snapshot = region.snapshots.get(id);
    snapshot.is_some_and(|snapshot| snapshot.exists() && snapshot.state == SnapshotState::Completed)
}

/// Whether every snapshot of an image is encrypted under a key.
fn under(image: &Image, region: &Region, key: &str) -> bool {
    let is_under = |id| {
        let snapshot = region.snapshots.get(id);
        snapshot.is_some_and(|snapshot| snapshot.encrypted && snapshot.key_arn.as_deref() == Some(key))
    };
    image.snapshot_ids().next().is_some() && image.snapshot_ids().all(is_under)
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
        let source = copy.copied_from().map(|(id, _)| id);
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

#[cfg(test)]
mod tests {
    use ec2sim::Sim;
    use serde_json::{Value, json};

    use super::*;

    /// A world in which an image has a copy, encrypted or not, and that world's key.
    fn world(copy: &str) -> (World, String) {
        let world = Sim::from_yaml(&format!(
            "accounts: [{{id: \"111111111111\", regions: [{{name: eu-west-1, keys: [{{alias: [alias/ami]}}], images: [\
             {{id: ami-00000001, name: open, expect: {{copied: {{key: alias/ami}}}}}}, \
             {{id: ami-00000002, name: copy, sourceImageId: ami-00000001, sourceImageRegion: eu-west-1{copy}}}]}}]}}]"
        ))
        .expect("a world")
        .world();
        let key = world.key("111111111111", "eu-west-1", "alias/ami").expect("a key");
        let key = key.arn.clone();
        (world, key)
    }

    fn object(kind: &str, spec: &Value, status: &Value) -> Value {
        let mut status = status.clone();
        status["observedGeneration"] = json!(1);
        json!({"kind": kind, "metadata": {"name": "a", "generation": 1}, "spec": spec, "status": status})
    }

    /// A migration that says it is done.
    fn migration(world: &World, key: &str) -> Value {
        let of = |id| {
            let image = world.image("eu-west-1", id).expect("an image");
            image.snapshot_ids().next().expect("a snapshot").to_owned()
        };
        let snapshot =
            json!({"device": "/dev/xvda", "source": of("ami-00000001"), "copy": of("ami-00000002"), "keyARN": key});
        let conditions = ["Verified", "Ready"].map(|type_| json!({"type": type_, "status": "True"}));
        object(
            "AMIMigration",
            &json!({"accountID": "111111111111", "region": "eu-west-1", "sourceImageID": "ami-00000001", "keyARN": key}),
            &json!({"state": "Completed", "copy": {"imageID": "ami-00000002"}, "snapshots": [snapshot], "conditions": conditions}),
        )
    }

    fn target(key: &str, superseded: u32, encrypted: u32) -> Value {
        object(
            "AMIEncryptionTarget",
            &json!({"accountID": "111111111111", "region": "eu-west-1"}),
            &json!({"keyARN": key, "migrations": {"completed": 1}, "images": {
                "total": 2, "superseded": superseded, "encrypted": encrypted}}),
        )
    }

    fn objects(items: &[Value]) -> Objects {
        Objects::of_list(&json!({ "items": items }))
    }

    #[test]
    fn what_is_so_is_not_wrong() {
        let (world, key) = world(", encryptedUnder: alias/ami");
        let objects = objects(&[migration(&world, &key), target(&key, 1, 1)]);
        assert_eq!(wrong(&objects, &world), Vec::<String>::new());
    }

    #[test]
    fn a_copy_that_is_not_encrypted_makes_its_migration_a_liar() {
        let (world, key) = world("");
        let claims = false_claims(&objects(&[migration(&world, &key)]), &world);
        assert_eq!(claims, ["AMIMigration a: ami-00000002 is not encrypted under the key"]);
        let unfinished = object("AMIMigration", &json!({}), &json!({"state": "Copying"}));
        assert_eq!(false_claims(&objects(&[unfinished]), &world), Vec::<String>::new());
    }

    #[test]
    fn a_copy_that_is_gone_or_incomplete_or_of_another_image_makes_its_migration_a_liar() {
        let (world, key) = world(", encryptedUnder: alias/ami");
        let objects = objects(&[migration(&world, &key)]);
        let claims_after = |change: fn(&mut Region)| {
            let mut world = world.clone();
            change(world.region_mut("111111111111", "eu-west-1").expect("a region"));
            false_claims(&objects, &world).join("\n")
        };
        assert_eq!(claims_after(|_| {}), "");
        let gone = claims_after(|region| {
            let copy = region.images.get_mut("ami-00000002").expect("a copy");
            copy.gone_at = Some(copy.creation_date);
        });
        assert_eq!(gone, r#"AMIMigration a: there is no copy "ami-00000002""#);
        let of_another = claims_after(|region| {
            let copy = region.images.get_mut("ami-00000002").expect("a copy");
            copy.source = Some(("ami-00000003".to_owned(), "eu-west-1".to_owned()));
        });
        assert_eq!(
            of_another,
            r#"AMIMigration a: ami-00000002 is a copy of Some(["ami-00000003", "eu-west-1"])"#
        );
        let deleted = claims_after(|region| {
            for snapshot in region.snapshots.values_mut() {
                snapshot.gone_at = Some(snapshot.started_at);
            }
        });
        assert!(deleted.ends_with("is not there, or not complete"), "{deleted}");
        let pending = claims_after(|region| {
            for snapshot in region.snapshots.values_mut() {
                snapshot.state = SnapshotState::Pending;
            }
        });
        assert!(pending.ends_with("is not there, or not complete"), "{pending}");
    }

    #[test]
    fn counts_that_are_not_those_of_the_world_are_wrong() {
        let (world, key) = world(", encryptedUnder: alias/ami");
        let objects = objects(&[migration(&world, &key), target(&key, 2, 0)]);
        assert_eq!(
            wrong(&objects, &world),
            ["AMIEncryptionTarget a: images encrypted: it says 0, and it is 1"]
        );
    }

    #[test]
    fn an_image_without_a_migration_and_one_with_two_are_wrong() {
        let (world, key) = world(", encryptedUnder: alias/ami");
        assert_eq!(wrong(&objects(&[]), &world), ["ami-00000001 has no migration"]);
        let twice = [migration(&world, &key), migration(&world, &key)];
        assert_eq!(
            wrong(&objects(&twice), &world),
            ["ami-00000001 has 1 migrations too many"]
        );
    }

    #[test]
    fn a_policy_that_does_not_sum_up_its_targets_is_wrong() {
        let (world, key) = world(", encryptedUnder: alias/ami");
        let policy = object("AMIEncryptionPolicy", &json!({}), &json!({"images": {"total": 3}}));
        let all = [migration(&world, &key), target(&key, 1, 1), policy];
        assert_eq!(
            wrong(&objects(&all), &world),
            ["AMIEncryptionPolicy a: /status/images/total: it says 3, and it is 2"]
        );
    }
}
