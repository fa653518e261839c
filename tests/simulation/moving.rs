//! What launches originals, where the policies have it moved: nothing is ever made to launch what is not a good copy, no version is
//! made of another one than the latest, and nothing is moved twice.

use std::collections::BTreeMap;

use amiseal::api::{AMIMigration, ConsumerState, MigrationState, labels};
use ec2sim::model::{Image, LaunchTemplate, Parameter, Region, TemplateVersion, World};
use ec2sim::spec::AllowedCall;
use ec2sim::{Sim, WorldSpec};
use serde_json::{Value, json};

use super::consumers;
use super::invariants::{Broken, Promise};
use super::odd;
use super::watchman::Objects;

/// Of the worlds in which something launches images, those of this remainder have it moved.
const MOVING: (u64, u64) = (8, 7);

/// Whether the policies of this seed have consumers moved.
pub(crate) fn is_moving(seed: u64) -> bool {
    let (of, moving) = MOVING;
    consumers::is_using(seed) && seed.saturating_sub(1) / odd::FIRST as u64 % of == moving
}

/// Has the policies move launch templates and parameters, and everybody may use the keys.
pub(crate) fn join(seed: u64, world: &mut WorldSpec, policies: &mut [Value]) {
    if !is_moving(seed) {
        return;
    }
    for policy in policies {
        policy["spec"]["promotion"] = json!({"launchTemplates": "Update", "ssmParameters": "Update"});
    }
    for operation in ["ModifyLaunchTemplate", "PutParameter"] {
        world.expect.allow.push(AllowedCall {
            operation: Some(operation.to_owned()),
            ..AllowedCall::default()
        });
    }
    for account in &mut world.accounts {
        for key in account.regions.iter_mut().flat_map(|region| &mut region.keys) {
            key.policy = Some(json!({"Version": "2012-10-17", "Statement": [
                {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}]}));
        }
    }
}

/// Everything that must hold of consumers at any time.
pub(crate) fn check(sim: &Sim) -> Vec<Broken> {
    sim.with_world(|world| {
        let mut wrong = Vec::new();
        for (_, region) in world.regions() {
            for (_, template) in region.consumers.launch_templates.iter() {
                wrong.extend(of_template(world, region, template));
            }
            for (_, parameter) in region.consumers.parameters.iter() {
                wrong.extend(of_parameter(region, parameter));
            }
        }
        wrong
            .into_iter()
            .map(|how| Broken::new(Promise::MovedWithCare, how))
            .collect()
    })
}

/// The copy and the original that a version of amiseal's names.
fn ours(version: &TemplateVersion) -> Option<(&str, &str, u64)> {
    let said = version.description.as_deref()?.strip_prefix("amiseal: ")?;
    let (copy, rest) = said.split_once(" instead of ")?;
    let (source, rest) = rest.split_once(", made of version ")?;
    let number = rest.split(',').next()?.parse().ok()?;
    Some((copy, source, number))
}

fn of_template(world: &World, region: &Region, template: &LaunchTemplate) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut moved: BTreeMap<&str, u32> = BTreeMap::new();
    for version in &template.versions {
        let Some((copy, source, number)) = ours(version) else {
            continue;
        };
        let mut say = |how: String| wrong.push(format!("{} version {}: {how}", template.name, version.number));
        let times = moved.entry(source).or_default();
        *times += 1;
        if *times > 1 {
            say(format!("is moved from {source} once more"));
        }
        if let Err(how) = is_good_copy(world, region, copy, source) {
            say(how);
        }
        let Some(former) = template.versions.iter().find(|former| former.number == number) else {
            continue;
        };
        if number + 1 != version.number {
            say(format!("is made of version {number}, which is not the latest"));
        }
        let kept = (&former.data, &former.instance_type) == (&version.data, &version.instance_type);
        if !kept || former.devices.len() != version.devices.len() {
            say(format!("is not version {number} in all but the image"));
        }
    }
    wrong
}

fn of_parameter(region: &Region, parameter: &Parameter) -> Vec<String> {
    let moves = parameter.versions.windows(2).filter(|pair| {
        let copied_from = region.images.get(&pair[1].value).and_then(Image::copied_from);
        copied_from.is_some_and(|(source, _)| *source == pair[0].value)
    });
    let again = moves.count() > 1;
    again
        .then(|| format!("{} is moved more than once", parameter.name))
        .into_iter()
        .collect()
}

fn is_good_copy(world: &World, region: &Region, copy: &str, source: &str) -> Result<(), String> {
    let image = region.images.get(copy).ok_or_else(|| format!("there is no {copy}"))?;
    if image.copied_from().is_none_or(|(id, _)| id != source) {
        return Err(format!("{copy} is no copy of {source}"));
    }
    let mut snapshots = image.snapshot_ids();
    let is_plain = |id: &str| {
        world
            .snapshot(&region.name, id)
            .is_some_and(|snapshot| !snapshot.encrypted)
    };
    match snapshots.find(|id| is_plain(id)) {
        Some(id) => Err(format!("{id} of {copy} is not encrypted")),
        None => Ok(()),
    }
}

/// What is not moved at the end, though its original has a copy and nothing is in the way.
pub(crate) fn unmoved(sim: &Sim, objects: &Objects) -> Option<String> {
    objects.migrations.iter().find_map(|migration| {
        let spec = &migration.spec;
        let moves = objects.targets.iter().any(|target| {
            let of = &target.spec;
            let is_of = (&of.policy, &of.account_id, &of.region) == (&spec.policy, &spec.account_id, &spec.region);
            is_of && of.consumers.read && !of.suspend && of.promotion != amiseal::api::PromotionSettings::default()
        });
        let is_done = migration
            .status
            .as_ref()
            .is_some_and(|status| status.state == Some(MigrationState::Completed) && status.source_gone_time.is_none());
        if !moves || !is_done {
            return None;
        }
        sim.with_world(|world| {
            let region = world.region(&spec.account_id, &spec.region)?;
            let mut templates = region.consumers.launch_templates.iter().map(|(_, template)| template);
            let left = templates.find(|template| {
                let names = template
                    .version(Some("$Latest"))
                    .and_then(|version| version.image.as_deref());
                names == Some(&spec.source_image_id) && !is_left(migration, &template.id)
            });
            let mut parameters = region.consumers.parameters.iter().map(|(_, parameter)| parameter);
            let of_images = parameters.find(|parameter| {
                let holds = parameter
                    .latest()
                    .is_some_and(|version| version.value == spec.source_image_id);
                holds && parameter.data_type == "aws:ec2:image" && !is_left(migration, &parameter.name)
            });
            let left = left
                .map(|template| &template.name)
                .or(of_images.map(|parameter| &parameter.name))?;
            let name = labels::migration_name(&spec.source_image_id, &spec.region);
            Some(format!("{left} is not moved by {name}: {:?}", migration.status))
        })
    })
}

fn is_left(migration: &AMIMigration, id: &str) -> bool {
    let rows = migration.status.iter().flat_map(|status| &status.consumers);
    rows.into_iter()
        .any(|row| row.id == id && row.state == ConsumerState::Left)
}
