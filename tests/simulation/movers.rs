//! What people do meanwhile to what launches images, and what they decide on.

use std::time::Duration;

use amiseal::api::AMIMigration;
use ec2sim::model::{LaunchTemplate, Parameter, Region, TemplateVersion};
use ec2sim::{ConsumerChange, Edit};
use kubesim::RequestInfo;
use serde_json::{Map, Value, json};

use super::catalogue::Fault;
use super::deciding::{decide, hold};
use super::groups::{self, SET};
use super::judge::Thing;
use super::labels;
use super::people::{self, MIGRATION};
use super::stage::Stage;
use super::world::PLACES;

/// How long something is held, and put back: as long as it takes to make a copy and to move what launches the original.
pub(super) const MEANWHILE: Duration = Duration::from_secs(20 * 60);
/// How often somebody's tool sets back what it declares, in two paces, and how many times.
const PACES: [Duration; 2] = [Duration::from_secs(7 * 60), Duration::from_secs(19 * 60)];
const TIMES: usize = 4;

/// Does it before a request to write is served, of which this is the number. It concerns what launches the image that the request is
/// about, or its copy, where that is a migration; else one of all.
pub(super) fn act(stage: &Stage, fault: Fault, request: &RequestInfo, number: u64) {
    let turn = usize::try_from(number).unwrap_or(0);
    match fault {
        Fault::OriginalHeld | Fault::MigrationHeld | Fault::MigrationRolledBack | Fault::MigrationApproved => {
            if let Some(name) = people::named(stage, MIGRATION, request, turn) {
                decide(stage, fault, &name, number);
            }
        }
        Fault::GroupRefreshed => refresh(stage, turn),
        Fault::LabelMoved => labels::act(stage, number),
        _ => {
            let kind = match fault {
                Fault::ParameterPut => Some("parameter"),
                Fault::TemplateDefaultMoved | Fault::TemplateVersionMade | Fault::TemplateVersionDeleted => {
                    Some("launchTemplate")
                }
                _ => None,
            };
            if let Some((thing, kind)) = thing(stage, request, turn, kind) {
                to_thing(stage, fault, &thing, kind, number);
            }
        }
    }
}

/// A consumer of this kind, or of any, which the request is about; else one of those that there are.
fn thing(stage: &Stage, request: &RequestInfo, turn: usize, kind: Option<&str>) -> Option<(Thing, &'static str)> {
    let about = (request.kind == MIGRATION)
        .then(|| stage.api.get(MIGRATION, ("", &request.name)))
        .flatten()
        .and_then(|object| serde_json::from_value::<AMIMigration>((*object).clone()).ok());
    let images: Vec<String> = about.iter().flat_map(images_of).collect();
    let of_place = |(account, region): (&str, &str), place: &Region| {
        let thing = |id: &str| (account.to_owned(), region.to_owned(), id.to_owned());
        let names = |image: &str| images.iter().any(|one| one == image);
        let templates = place.consumers.launch_templates.iter().map(|(id, template)| {
            let mut named = template.versions.iter().filter_map(|version| version.image.as_deref());
            (thing(id), "launchTemplate", named.any(names))
        });
        let parameters = place.consumers.parameters.iter().map(|(name, parameter)| {
            let mut named = parameter.versions.iter().map(|version| version.value.as_str());
            (thing(name), "parameter", named.any(names))
        });
        templates.chain(parameters).collect::<Vec<_>>()
    };
    let all: Vec<_> = stage.sim.with_world(|world| {
        let places = PLACES
            .iter()
            .filter_map(|place| Some((*place, world.region(place.0, place.1)?)));
        let all = places.flat_map(|(place, region)| of_place(place, region));
        all.filter(|(_, one, _)| kind.is_none_or(|kind| *one == kind)).collect()
    });
    let meant: Vec<_> = all.iter().filter(|(.., is_meant)| *is_meant).collect();
    let all: Vec<_> = if meant.is_empty() { all.iter().collect() } else { meant };
    let (thing, kind, _) = all.get(turn.checked_rem(all.len())?)?;
    Some((thing.clone(), kind))
}

/// The original and the copy of a migration.
pub(super) fn images_of(migration: &AMIMigration) -> Vec<String> {
    let copy = migration.status.as_ref().and_then(|status| status.copy.as_ref());
    let copy = copy.and_then(|copy| copy.image_id.clone());
    [Some(migration.spec.source_image_id.clone()), copy]
        .into_iter()
        .flatten()
        .collect()
}

fn to_thing(stage: &Stage, fault: Fault, thing: &Thing, kind: &'static str, number: u64) {
    match fault {
        Fault::ConsumerDeclared => {
            let pace = PACES[usize::from(number.is_multiple_of(2))];
            declare(stage, thing, number.is_multiple_of(4), pace, TIMES);
        }
        Fault::ConsumerHeld => hold(stage, thing, kind),
        Fault::ParameterPut => {
            let Some(before) = parameter_before(stage, thing) else {
                return;
            };
            // What it held, or an image that it never held.
            let other = stage.sim.with_world(|world| {
                let region = world.region(&thing.0, &thing.1)?;
                let mut images = region
                    .images
                    .values()
                    .filter(|image| image.created_by.is_none() && image.exists());
                images
                    .find(|image| Some(&image.id) != before.latest().map(|version| &version.value))
                    .map(|image| image.id.clone())
            });
            let held = before.latest().map(|version| version.value.clone());
            let value = if number.is_multiple_of(2) { held } else { other };
            put(stage, thing, value.unwrap_or_default());
        }
        _ => to_template(stage, fault, thing, number),
    }
}

fn to_template(stage: &Stage, fault: Fault, thing: &Thing, number: u64) {
    let Some(now) = template_now(stage, thing) else { return };
    let default = now.default_number();
    let others: Vec<u64> = now
        .versions
        .iter()
        .map(|version| version.number)
        .filter(|other| *other != default)
        .collect();
    let template = thing.2.clone();
    match fault {
        Fault::TemplateDefaultMoved => {
            let other = if number.is_multiple_of(2) {
                others.first()
            } else {
                others.last()
            };
            let Some(version) = other.copied() else { return };
            launch_again(stage, &now, version);
            change(stage, thing, ConsumerChange::DefaultVersion { template, version });
        }
        Fault::TemplateVersionDeleted => {
            let Some(version) = others.last().copied() else { return };
            change(
                stage,
                thing,
                ConsumerChange::DeleteTemplateVersion { template, version },
            );
        }
        _ => {
            // Of what is latest, or of what was there at first.
            let before = template_before(stage, thing);
            let base = if number % 3 == 1 {
                before.as_ref().unwrap_or(&now)
            } else {
                &now
            };
            let Some(base) = base.version(Some("$Latest")) else {
                return;
            };
            let mut data = base.data.clone();
            data.insert("UserData".to_owned(), json!(format!("Ym9vdA{number}==")));
            new_version(stage, thing, base, data, number.is_multiple_of(2));
        }
    }
}

/// A tool sets a consumer back to what it was at first, and does so again and again. One that knows of the default version only leaves
/// the latest one.
fn declare(stage: &Stage, thing: &Thing, only_default: bool, pace: Duration, times: usize) {
    set_back(stage, thing, only_default);
    if times == 0 || stage.is_calm() {
        return;
    }
    let thing = thing.clone();
    stage.later(pace, move |stage| {
        if !stage.is_calm() {
            declare(stage, &thing, only_default, pace, times - 1);
        }
    });
}

fn set_back(stage: &Stage, thing: &Thing, only_default: bool) {
    if let (Some(before), Some(now)) = (template_before(stage, thing), template_now(stage, thing)) {
        let image =
            |template: &LaunchTemplate, by| template.version(Some(by)).and_then(|version| version.image.clone());
        let differs = |by| image(&before, by) != image(&now, by);
        let former = before.default_number();
        if differs("$Latest") && !only_default {
            let Some(declared) = before.version(Some("$Latest")) else {
                return;
            };
            new_version(stage, thing, declared, declared.data.clone(), differs("$Default"));
        } else if differs("$Default") && now.versions.iter().any(|version| version.number == former) {
            launch_again(stage, &now, former);
            let template = thing.2.clone();
            change(
                stage,
                thing,
                ConsumerChange::DefaultVersion {
                    template,
                    version: former,
                },
            );
        }
        return;
    }
    let held = |parameter: &Parameter| parameter.latest().map(|version| version.value.clone());
    let before = parameter_before(stage, thing).as_ref().and_then(held);
    let now = stage.sim.with_world(|world| {
        let region = world.region(&thing.0, &thing.1)?;
        region.consumers.parameters.get(&thing.2).and_then(held)
    });
    if let Some(before) = before.filter(|before| now.as_ref() != Some(before)) {
        put(stage, thing, before);
    }
}

/// A version like this one, with other data.
fn new_version(stage: &Stage, thing: &Thing, base: &TemplateVersion, data: Map<String, Value>, make_default: bool) {
    let version = TemplateVersion {
        number: 0,
        description: None,
        created: None,
        created_by: None,
        data,
        ..base.clone()
    };
    note_launch(stage, base.image.as_ref());
    let template = thing.2.clone();
    change(
        stage,
        thing,
        ConsumerChange::TemplateVersion {
            template,
            version,
            make_default,
        },
    );
}

fn put(stage: &Stage, thing: &Thing, value: String) {
    note_launch(stage, Some(&value));
    let parameter = thing.2.clone();
    let value = ConsumerChange::ParameterValue {
        parameter,
        value,
        image: None,
    };
    change(stage, thing, value);
}

/// Somebody makes the change. What it is about may be gone by now.
pub(super) fn change(stage: &Stage, thing: &Thing, change: ConsumerChange) {
    let now = stage.clock.age();
    stage.note(|notes| {
        notes.touched.insert(thing.clone(), now);
    });
    let (account, region, _) = thing.clone();
    let _ = stage.sim.edit(Edit::Consumer {
        account,
        region,
        change,
    });
}

/// From now on something may launch an image that nobody used before.
pub(super) fn note_launch(stage: &Stage, image: Option<&String>) {
    let now = stage.clock.age();
    stage.note(|notes| notes.launched_again.extend(image.map(|image| (image.clone(), now))));
}

fn launch_again(stage: &Stage, template: &LaunchTemplate, number: u64) {
    let version = template.versions.iter().find(|version| version.number == number);
    note_launch(stage, version.and_then(|version| version.image.as_ref()));
}

/// Somebody has the instances of a group replaced, has it launch none for a while, or has some launch what they did at first.
fn refresh(stage: &Stage, turn: usize) {
    let groups: Vec<(&str, &str, String)> = stage.sim.with_world(|world| {
        let places = PLACES
            .iter()
            .filter_map(|place| Some((*place, world.region(place.0, place.1)?)));
        let groups = places.flat_map(|((account, region), place)| {
            let groups = place.consumers.auto_scaling_groups.iter();
            groups.map(move |(name, _)| (account, region, name.to_owned()))
        });
        groups.collect()
    });
    let Some((account, region, group)) = turn.checked_rem(groups.len()).and_then(|at| groups.into_iter().nth(at))
    else {
        return;
    };
    if turn % 4 == 3 && group.starts_with(SET) {
        groups::set_back(stage, &(account.to_owned(), region.to_owned(), group));
        return;
    }
    let edit = move |change| Edit::Consumer {
        account: account.to_owned(),
        region: region.to_owned(),
        change,
    };
    if turn.is_multiple_of(2) {
        let _ = stage.sim.edit(edit(ConsumerChange::StartRefresh { group }));
        return;
    }
    let suspend = |group: String, processes: Vec<String>| ConsumerChange::Suspend { group, processes };
    let _ = stage.sim.edit(edit(suspend(group.clone(), vec!["Launch".to_owned()])));
    stage.later(MEANWHILE, move |stage| {
        let _ = stage.sim.edit(edit(suspend(group, Vec::new())));
    });
}

pub(super) fn template_before(stage: &Stage, (account, region, id): &Thing) -> Option<LaunchTemplate> {
    let region = stage.before.region(account, region)?;
    region.consumers.launch_templates.get(id).cloned()
}

pub(super) fn parameter_before(stage: &Stage, (account, region, name): &Thing) -> Option<Parameter> {
    let region = stage.before.region(account, region)?;
    region.consumers.parameters.get(name).cloned()
}

fn template_now(stage: &Stage, (account, region, id): &Thing) -> Option<LaunchTemplate> {
    stage.sim.with_world(|world| {
        let region = world.region(account, region)?;
        region.consumers.launch_templates.get(id).cloned()
    })
}
