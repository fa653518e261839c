//! What there is to be seen of consumers, of what was done to them, and of what migrations say of them.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{AMIMigration, ConsumerState, Desired, MovedConsumer};
use amiseal::plan::moving::is_of_consumer;
use ec2sim::model::{Image, ImageState, Key, LaunchTemplate, Region, World};
use ec2sim::{ConsumerKind, Launch, Sim};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::followers;
use super::judge::Made;
use super::notes::{Hold, Notes};
use super::time::time_at;
use super::watchman::Objects;
use super::world::PLACES;

/// Whether what is being changed is not on record as it was before.
pub(super) fn is_unrecorded(one: &Made, name: &str, notes: &Notes, objects: &Objects) -> Option<String> {
    let mut migrations = objects.migrations.iter();
    let migration = migrations.find(|migration| migration.name_any() == name)?;
    if notes.lost.contains(name) || one.at < notes.estranged_until {
        return None;
    }
    let mut rows = migration.status.iter().flat_map(|status| &status.consumers);
    let row = rows.find(|row| row.id == one.thing.2);
    let before = row.and_then(|row| row.previous.as_ref());
    let is_known = before.is_some_and(|before| one.made_of.is_none_or(|made_of| made_of == before.latest));
    (!is_known).then(|| {
        format!(
            "{} of {}: {name} does not say what was before: {row:?}",
            one.operation, one.thing.2
        )
    })
}

/// What a migration says to be moved or put back, and is not, though nobody else has changed it.
pub(super) fn says_too_much(migration: &AMIMigration, world: &World, notes: &Notes) -> Option<String> {
    let (spec, name) = (&migration.spec, migration.name_any());
    if notes.lost.contains(&name) {
        return None;
    }
    let region = world.region(&spec.account_id, &spec.region)?;
    let is_copy = |image: &str| {
        let from = world.image(&spec.region, image).and_then(Image::copied_from);
        from.is_some_and(|(from, _)| *from == spec.source_image_id)
    };
    let mut rows = migration.status.iter().flat_map(|status| &status.consumers);
    rows.find_map(|row| {
        let thing = (spec.account_id.clone(), spec.region.clone(), row.id.clone());
        if notes.touched.contains_key(&thing) {
            return None;
        }
        let says = match row.state {
            ConsumerState::Moved => is_moved(row, region, &spec.source_image_id, is_copy).map(|is| (is, "moved")),
            ConsumerState::PutBack => names_copy(row, region, is_copy).map(|names| (!names, "put back")),
            _ => None,
        };
        let (is_so, state) = says?;
        (!is_so).then(|| format!("{name} says that {} is {state}", row.id))
    })
}

/// Whether a template has a version with a copy, which is the default one where that was to follow, or a parameter a value. None of a group.
fn is_moved(row: &MovedConsumer, region: &Region, source: &str, is_copy: impl Fn(&str) -> bool) -> Option<bool> {
    if let Some(template) = region.consumers.launch_templates.get(&row.id) {
        let image = |by| template.version(Some(by)).and_then(|version| version.image.as_deref());
        let follows = row.previous.as_ref().is_some_and(|previous| previous.default.is_some());
        let is_default = !follows || image("$Default") != Some(source);
        let mut made = template.versions.iter().filter_map(|version| version.image.as_deref());
        return Some(is_default && made.any(is_copy));
    }
    let parameter = region.consumers.parameters.get(&row.id)?;
    Some(parameter.versions.iter().any(|version| is_copy(&version.value)))
}

/// Whether what would be launched by a template or a parameter is a copy, which may be no more. None of a group.
fn names_copy(row: &MovedConsumer, region: &Region, is_copy: impl Fn(&str) -> bool) -> Option<bool> {
    if let Some(template) = region.consumers.launch_templates.get(&row.id) {
        let image = |by| template.version(Some(by)).and_then(|version| version.image.as_deref());
        return Some([image("$Default"), image("$Latest")].into_iter().flatten().any(is_copy));
    }
    let value = region.consumers.parameters.get(&row.id)?.latest()?;
    Some(is_copy(&value.value))
}

/// What of these is held, for something done then that this migration has done, of which people want that by now. A migration that was made
/// anew says nothing of what people wanted of the one before.
pub(super) fn held<'n>(
    notes: &'n Notes,
    whats: &[&String],
    name: &str,
    at: Duration,
    wanted: Option<Desired>,
) -> Option<&'n Hold> {
    notes.held.iter().find(|hold| {
        let is_meant = whats.iter().any(|what| **what == hold.what);
        is_meant && hold.hinders(at, notes) && (hold.what != name || wanted == Some(Desired::Held))
    })
}

/// Whose a consumer is, where it says so.
pub(super) fn owner(world: &World, (account, region): (&str, &str), id: &str) -> Option<&'static str> {
    let region = world.region(account, region)?;
    let template = region.consumers.launch_templates.get(id);
    let parameter = region.consumers.parameters.get(id);
    let tags = template
        .map(|template| &template.tags)
        .or(parameter.map(|one| &one.tags))?;
    let tools = ["terraform", "aws:cloudformation:stack-name"];
    tools.into_iter().find(|tool| tags.contains_key(*tool))
}

/// Whether something may be moved to a copy at this moment: it is encrypted under exactly the key of the migration that has made it and
/// called it verified, the account may launch it, and whoever may launch the original, as far as nobody has changed that since.
pub(super) fn is_fit(
    world: &World,
    (account, region): (&str, &str),
    source: &str,
    copy: &str,
    migration: Option<&AMIMigration>,
    notes: &Notes,
    at: Duration,
) -> Result<(), String> {
    let image = world.image(region, copy).ok_or_else(|| format!("there is no {copy}"))?;
    let region = world.region(&image.owner, region).ok_or("there is no such region")?;
    let is_foreign = image.owner != account;
    if image.copied_from().is_none_or(|(from, _)| from != source) {
        return Err(format!("{copy} is no copy of {source}"));
    }
    if let Some(migration) = migration {
        let key = Some(migration.spec.key_arn.as_str());
        let snapshots = image.snapshot_ids().map(|id| (id, region.snapshots.get(id)));
        for (id, snapshot) in snapshots {
            if snapshot.is_none_or(|snapshot| !snapshot.encrypted || snapshot.key_arn.as_deref() != key) {
                return Err(format!("{id} of {copy} is not encrypted under {key:?}"));
            }
        }
        let said = migration.status.iter().flat_map(|status| &status.conditions);
        let said: Vec<_> = said.cloned().collect();
        let was_verified = is_foreign && notes.was_verified(&migration.name_any(), at);
        if !said.is_empty()
            && !conditions::is_true(&said, conditions::VERIFIED)
            && !notes.lost.contains(&migration.name_any())
            && !was_verified
        {
            return Err(format!("{copy} is not verified: {said:?}"));
        }
    }
    let may = |id: &str| {
        let image = region.images.get(id);
        image
            .map(|image| image.launch_permissions.current().clone())
            .unwrap_or_default()
    };
    let touched = |id: &str| notes.shared_otherwise.contains(id);
    if is_foreign && !touched(copy) && !world.may_launch(account, image, time_at(at)) {
        return Err(format!("{account} may not launch {copy}"));
    }
    let missing: Vec<_> = may(source).difference(&may(copy)).cloned().collect();
    if missing.is_empty() || touched(source) || touched(copy) {
        Ok(())
    } else {
        Err(format!("{missing:?} may launch {source} and not {copy}"))
    }
}

/// Whether an image cannot be launched for what people, or AWS, have done to it or to its key.
pub(super) fn is_spoilt(image: &Image, place: Option<&Region>, notes: &Notes) -> bool {
    let Some(region) = place else { return true };
    let keys = image
        .snapshot_ids()
        .filter_map(|id| region.snapshots.get(id)?.key_arn.as_ref());
    let key_of = |arn: &String| region.keys.iter().find(|key| key.arn == *arn);
    let is_nobodys = |key: &Key| key.allowed_principals.as_ref().is_some_and(Vec::is_empty);
    let locked = keys
        .into_iter()
        .any(|arn| key_of(arn).is_none_or(|key| key.unusable().is_some() || is_nobodys(key)));
    locked || !image.exists() || image.state != ImageState::Available || notes.shared_otherwise.contains(&image.id)
}

/// What everything would launch now, by what it is called; a template by its default and by its latest version.
pub(super) fn tell(sim: &Sim) -> BTreeMap<String, Vec<Launch>> {
    let mut told: BTreeMap<String, Vec<Launch>> = BTreeMap::new();
    for (account, region) in PLACES {
        let numbers: BTreeMap<String, [(&str, u64); 2]> = sim.with_world(|world| {
            let templates = world
                .region(account, region)
                .map(|region| &region.consumers.launch_templates);
            let templates = templates.into_iter().flat_map(|templates| templates.iter());
            let by =
                |template: &LaunchTemplate| [("$Default", template.default_number()), ("$Latest", template.latest())];
            templates.map(|(id, template)| (id.to_owned(), by(template))).collect()
        });
        for launch in sim.launches(account, region) {
            let place = format!("{account}/{region}");
            if launch.kind != ConsumerKind::LaunchTemplate {
                told.entry(format!("{place} {:?} {}", launch.kind, launch.id))
                    .or_default()
                    .push(launch);
                continue;
            }
            let Some((id, number)) = launch.id.rsplit_once(':') else {
                continue;
            };
            for (by, of) in numbers.get(id).into_iter().flatten() {
                if number == of.to_string() {
                    told.entry(format!("{place} {id} {by}"))
                        .or_default()
                        .push(launch.clone());
                }
            }
        }
    }
    told
}

/// Migrations that are moving something at the same time in the same account and region.
pub(super) fn two_at_a_time(objects: &Objects, notes: &Notes, now: Duration) -> Option<String> {
    if now < notes.estranged_until {
        return None;
    }
    let mut moving: BTreeMap<(&str, &str), String> = BTreeMap::new();
    for migration in &objects.migrations {
        let (name, spec) = (migration.name_any(), &migration.spec);
        let rows = migration.status.iter().flat_map(|status| &status.consumers);
        let begun = rows
            .filter(|row| row.state == ConsumerState::Moving && row.previous.is_some())
            .count();
        // What is begun with an image that is gone is gone on with by nobody.
        let is_gone = followers::is_source_gone(migration, objects);
        // Nor do others wait for what AWS has refused.
        let is_stalled = migration
            .status
            .as_ref()
            .is_some_and(|status| conditions::is_true(&status.conditions, conditions::STALLED));
        // Nor with what people have held in the middle, also by a tag of the image, or is to be put back to an original that nobody can launch: others do not wait
        // for them.
        let said = migration.status.iter().flat_map(|status| &status.conditions);
        let mut said = said.filter(|said| said.type_ == conditions::CONSUMERS_MOVED);
        let waits_for_people = [reason::HELD, reason::IMAGE_DISABLED, reason::SOURCE_NOT_SHARED];
        let is_so = |said: &Condition| waits_for_people.contains(&said.reason.as_str()) && !is_of_consumer(said);
        let is_held = spec.desired == Desired::Held || said.any(is_so);
        if begun == 0 || is_gone || is_stalled || is_held || notes.lost.contains(&name) {
            continue;
        }
        let place = (spec.account_id.as_str(), spec.region.as_str());
        if begun > 1 {
            return Some(format!("{name} is moving {begun} consumers at a time"));
        }
        if let Some(other) = moving.insert(place, name.clone()) {
            return Some(format!("{name} and {other} are moving consumers at the same time"));
        }
    }
    None
}
