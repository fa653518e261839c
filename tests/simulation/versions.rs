//! What stands in launch templates and parameters: each version of them that was made, at any time, and what they say in the end where
//! somebody wants everything back as it was.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::Desired;
use ec2sim::SimTime;
use ec2sim::model::{Image, LaunchTemplate, Parameter, TemplateVersion, World};
use kube::ResourceExt;
use serde_json::Value;

use super::followers::{self, Names};
use super::judge::{READ_BEFORE, Thing};
use super::notes::Notes;
use super::stage::Stage;
use super::time::age_of;
use super::watchman::Objects;

/// The copy and the original that a version of amiseal's names, and the number of the version that it was made of, by its description.
pub(crate) fn ours(description: &str) -> Option<(&str, &str, u64)> {
    let said = description.strip_prefix("amiseal: ")?;
    let (copy, rest) = said.split_once(" instead of ")?;
    let (source, rest) = rest.split_once(", made of version ")?;
    let number = rest.split(',').next()?.parse().ok()?;
    Some((copy, source, number))
}

/// Everything that must hold of the versions of consumers at any time.
pub(crate) fn check(stage: &Stage, notes: &Notes) -> Vec<String> {
    stage.sim.with_world(|world| {
        let mut wrong = Vec::new();
        for (account, region) in world.regions() {
            let thing = |id: &str| (account.id.clone(), region.name.clone(), id.to_owned());
            for (id, template) in region.consumers.launch_templates.iter() {
                wrong.extend(of_template(world, template, &thing(id), notes));
            }
            for (id, parameter) in region.consumers.parameters.iter() {
                wrong.extend(of_parameter(world, parameter, &thing(id), notes));
            }
        }
        wrong
    })
}

/// How often a consumer may be moved from an original: once, and again after it was put back, or where the record of it was lost.
fn times_allowed(world: &World, put_back: usize, source: &str, thing: &Thing, notes: &Notes) -> usize {
    let names = Names::of(world, (thing.0.as_str(), thing.1.as_str()), source);
    let lost = usize::from(notes.lost.contains(&names.own));
    1 + put_back + 2 * lost
}

fn of_template(world: &World, template: &LaunchTemplate, thing: &Thing, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut moved: BTreeMap<&str, usize> = BTreeMap::new();
    let again = |version: &&TemplateVersion| {
        let said = version.description.as_deref().unwrap_or_default();
        version.created_by.is_some() && said.starts_with("amiseal: version ")
    };
    let put_back = template.versions.iter().filter(again).count();
    let made = template.versions.iter().filter(|version| version.created_by.is_some());
    for version in made {
        let Some((copy, source, number)) = version.description.as_deref().and_then(ours) else {
            continue;
        };
        let mut say = |how: String| wrong.push(format!("{} version {}: {how}", template.name, version.number));
        let times = moved.entry(source).or_default();
        *times += 1;
        if *times > times_allowed(world, put_back, source, thing, notes) {
            say(format!("is moved from {source} once more"));
        }
        if let Err(how) = is_good_copy(world, &thing.1, copy, source) {
            say(how);
        }
        let between = template.versions.iter().find(|other| {
            number < other.number && other.number < version.number && was_seen(other.created, version.created, notes)
        });
        if let Some(between) = between {
            say(format!(
                "is made of version {number}, and version {} was there",
                between.number
            ));
        }
        let Some(former) = template.versions.iter().find(|former| former.number == number) else {
            continue;
        };
        let kept = (&former.data, &former.instance_type) == (&version.data, &version.instance_type);
        if !kept || former.devices.len() != version.devices.len() {
            say(format!("is not version {number} in all but the image"));
        }
    }
    wrong
}

/// Whether what was made before was there for long enough when something was made, for whoever made that to have read of it.
pub(crate) fn was_seen(before: Option<SimTime>, made: Option<SimTime>, notes: &Notes) -> bool {
    before.zip(made).is_some_and(|(before, made)| {
        // What AWS does later was asked for before.
        let later = Duration::from_secs(90);
        age_of(made) > notes.until(age_of(before) + READ_BEFORE + later)
    })
}

fn of_parameter(world: &World, parameter: &Parameter, thing: &Thing, notes: &Notes) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut moved: BTreeMap<&str, usize> = BTreeMap::new();
    let mut put_back = 0;
    for pair in parameter.versions.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        if after.modified_by.is_none() {
            continue;
        }
        let of_copy = |value: &str| {
            let image = world.image(&thing.1, value);
            image.and_then(Image::copied_from).map(|(source, _)| source)
        };
        let Some(source) = of_copy(&after.value) else {
            put_back += 1;
            continue;
        };
        let is_moved = *source == before.value;
        let is_same = before.value == after.value;
        if !is_moved && !is_same && was_seen(before.modified, after.modified, notes) {
            wrong.push(format!(
                "{} version {}: is written over {}",
                parameter.name, after.number, before.value
            ));
        }
        if !is_moved {
            continue;
        }
        let times = moved.entry(source).or_default();
        *times += 1;
        let is_known = was_seen(before.modified, after.modified, notes);
        if *times > times_allowed(world, put_back, source, thing, notes) && is_known {
            wrong.push(format!("{} is moved from {source} once more", parameter.name));
        }
    }
    wrong
}

fn is_good_copy(world: &World, region: &str, copy: &str, source: &str) -> Result<(), String> {
    let image = world.image(region, copy).ok_or_else(|| format!("there is no {copy}"))?;
    if image.copied_from().is_none_or(|(id, _)| id != source) {
        return Err(format!("{copy} is no copy of {source}"));
    }
    let mut snapshots = image.snapshot_ids();
    let is_plain = |id: &str| world.snapshot(region, id).is_some_and(|snapshot| !snapshot.encrypted);
    match snapshots.find(|id| is_plain(id)) {
        Some(id) => Err(format!("{id} of {copy} is not encrypted")),
        None => Ok(()),
    }
}

/// What is not as it was before, though its migration is to be rolled back, nobody else has changed it, and all of it is on record.
pub(crate) fn not_put_back(stage: &Stage, objects: &Objects) -> Option<String> {
    let notes = stage.notes();
    let rolled_back = objects.migrations.iter().filter(|migration| {
        let is_gone = migration.status.is_none() || followers::is_source_gone(migration, objects);
        let is_wanted = followers::desired(migration, objects) == Desired::RolledBack;
        is_wanted && !is_gone && !notes.lost.contains(&migration.name_any())
    });
    rolled_back.into_iter().find_map(|migration| {
        let spec = &migration.spec;
        let place = (spec.account_id.as_str(), spec.region.as_str());
        let touched = |id: &str| {
            let thing = (spec.account_id.clone(), spec.region.clone(), id.to_owned());
            notes.touched.contains_key(&thing)
        };
        let before = stage.before.region(place.0, place.1)?;
        stage.sim.with_world(|world| {
            let now = world.region(place.0, place.1)?;
            let mut templates = before.consumers.launch_templates.iter().filter(|(id, _)| !touched(id));
            let template = templates.find_map(|(id, template)| {
                let now = now.consumers.launch_templates.get(id)?;
                let how = differs(template, now, &spec.source_image_id)?;
                Some(format!("{}: {how}", template.name))
            });
            let mut parameters = before.consumers.parameters.iter().filter(|(name, _)| !touched(name));
            template.or_else(|| {
                parameters.find_map(|(name, parameter)| {
                    let now = now.consumers.parameters.get(name)?;
                    let held = parameter.latest()?;
                    let is_same = said(parameter) == said(now);
                    (held.value == spec.source_image_id && !is_same)
                        .then(|| format!("{name} was {:?} and is {:?}", said(parameter), said(now)))
                })
            })
        })
    })
}

/// How a template that named an image launches something else than before, by the versions that named it.
fn differs(before: &LaunchTemplate, now: &LaunchTemplate, source: &str) -> Option<String> {
    ["$Default", "$Latest"].into_iter().find_map(|by| {
        let (was, is) = (before.version(Some(by))?, now.version(Some(by))?);
        let says = |version: &TemplateVersion| {
            let TemplateVersion {
                image,
                instance_type,
                devices,
                data,
                ..
            } = version.clone();
            (image, instance_type, devices, data)
        };
        let named = was.image.as_deref() == Some(source);
        (named && says(was) != says(is)).then(|| format!("{by} was {:?} and is {:?}", says(was), says(is)))
    })
}

/// Everything that a parameter says.
fn said(parameter: &Parameter) -> Vec<Option<String>> {
    let policies = parameter.policies.as_deref();
    let policies = policies.and_then(|text| serde_json::from_str::<Value>(text).ok());
    vec![
        parameter.latest().map(|version| version.value.clone()),
        Some(parameter.kind.clone()),
        Some(parameter.data_type.clone()),
        Some(parameter.tier.clone()),
        parameter.description.clone(),
        parameter.allowed_pattern.clone(),
        policies.map(|policies| policies.to_string()),
    ]
}
