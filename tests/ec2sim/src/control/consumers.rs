//! Edits of what can launch an image: what the people and pipelines of an account do to it.

mod people;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{EditError, missing};
use crate::clock::SimTime;
use crate::engine::State;
use crate::model::{
    Consumers, Instance, LaunchBy, LaunchTemplate, Parameter, ParameterVersion, TemplateVersion, World,
};
use crate::spec::{
    ConsumerSpec, Directory, INSTANCE_STATES, Place, SpecError, add_any, prepare_value, prepare_version,
};

/// A change of what can launch an image.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ConsumerChange {
    /// Adds something, or puts it in the place of what has its name or ID. A running instance is a launch of its image.
    Put(Box<ConsumerSpec>),
    /// Takes something away.
    Remove {
        /// As in `put`: `instance`, `launchTemplate`, …
        kind: String,
        /// Its ID or name; of a recipe `name/version`.
        id: String,
    },
    /// Adds a version to a launch template.
    TemplateVersion {
        /// Name or ID.
        template: String,
        /// As in a world file.
        version: TemplateVersion,
        /// Whether it becomes the default version.
        #[serde(default)]
        make_default: bool,
    },
    /// Makes another version of a launch template the default one.
    DefaultVersion {
        /// Name or ID.
        template: String,
        /// Its number.
        version: u64,
    },
    /// Adds a version to a parameter.
    ParameterVersion {
        /// Name.
        parameter: String,
        /// As in a world file.
        version: ParameterVersion,
    },
    /// Deletes a version of a launch template that is not its default one.
    DeleteTemplateVersion {
        /// Name or ID.
        template: String,
        /// Its number.
        version: u64,
    },
    /// Gives a parameter a new value.
    ParameterValue {
        /// Name.
        parameter: String,
        /// The value, or
        #[serde(default)]
        value: String,
        /// the image whose ID it is.
        #[serde(default)]
        image: Option<String>,
    },
    /// Suspends processes of a group; none: goes on with all.
    Suspend {
        /// Name.
        group: String,
        /// As in `Launch`.
        processes: Vec<String>,
    },
    /// Has a group launch by something else.
    LaunchBy {
        /// Name.
        group: String,
        /// What it launches by from now on.
        by: Box<LaunchBy>,
    },
    /// Starts an instance refresh of a group.
    StartRefresh {
        /// Name.
        group: String,
    },
    /// Sets a tag.
    Tag {
        /// `launchTemplate`, `autoScalingGroup` or `parameter`.
        kind: String,
        /// Its ID or name.
        id: String,
        /// The tag's key.
        key: String,
        /// The tag's value.
        value: String,
    },
    /// Takes a tag away.
    Untag {
        /// As in `tag`.
        kind: String,
        /// Its ID or name.
        id: String,
        /// The tag's key.
        key: String,
    },
    /// Moves a label to a version of a parameter.
    Label {
        /// Name.
        parameter: String,
        /// The version's number.
        version: u64,
        /// The label.
        label: String,
    },
    /// Changes the state of an instance.
    InstanceState {
        /// Instance ID.
        instance: String,
        /// As EC2 names it.
        state: String,
    },
}

impl From<SpecError> for EditError {
    fn from(error: SpecError) -> Self {
        Self(error.to_string())
    }
}

/// Makes a change in a region of an account.
pub(super) fn apply(
    state: &mut State,
    account: &str,
    region: &str,
    change: ConsumerChange,
    now: SimTime,
) -> Result<Value, EditError> {
    if state.world.region(account, region).is_none() {
        return Err(missing("region", &format!("{account}/{region}")));
    }
    let calls = state.journal.len() as u64;
    if let Some(place) = state.world.region_mut(account, region) {
        place.consumers_since = calls;
    }
    let longest = state.settings.consistency.consumer_seconds;
    let visible_at = state.visible_at(now, longest);
    let place = Place {
        seed: state.seed,
        account,
        region,
        now,
        visible_at,
        replace: true,
    };
    match change {
        ConsumerChange::Put(given) => put(state, place, *given),
        ConsumerChange::Remove { kind, id } => {
            let known = consumers(&state.world, place)?.parameters.get(&id).cloned();
            let consumers = consumers_mut(&mut state.world, place)?;
            let removed = remove(consumers, &kind, &id, place).ok_or_else(|| missing("kind of consumer", &kind))?;
            if let Some(parameter) = known.filter(|_| removed && kind == "parameter") {
                state.parameter_event((account, region), &parameter, ("Delete", None), now);
            }
            if removed {
                Ok(json!({ "removed": id }))
            } else {
                Err(missing(&kind, &id))
            }
        }
        ConsumerChange::TemplateVersion {
            template,
            mut version,
            make_default,
        } => {
            let mut changed = template_of(&state.world, place, &template)?;
            version.created = version.created.or(Some(now));
            prepare_version(
                &mut version,
                &Directory::new(&state.world, place),
                "version",
                changed.next_number() - 1,
            )?;
            let number = version.number;
            changed.versions.push(version);
            if make_default {
                changed.default_version = Some(number);
            }
            put_template(state, place, changed)?;
            Ok(json!({ "version": number }))
        }
        ConsumerChange::DefaultVersion { template, version } => {
            let mut changed = template_of(&state.world, place, &template)?;
            if changed.versions.iter().all(|v| v.number != version) {
                return Err(missing("version", &format!("{template}:{version}")));
            }
            changed.default_version = Some(version);
            put_template(state, place, changed)?;
            Ok(json!({ "version": version }))
        }
        ConsumerChange::ParameterVersion { parameter, mut version } => {
            let mut changed = parameter_of(&state.world, place, &parameter)?;
            version.modified = version.modified.or(Some(now));
            let last = changed.latest().map_or(0, |v| v.number);
            prepare_value(&mut version, &Directory::new(&state.world, place), "version", last)?;
            let number = version.number;
            for label in &version.labels {
                unlabel(&mut changed, label);
            }
            changed.versions.push(version);
            state.parameter_event((account, region), &changed, ("Update", None), now);
            put_parameter(state, place, changed)?;
            Ok(json!({ "version": number }))
        }
        ConsumerChange::ParameterValue {
            parameter,
            value,
            image,
        } => {
            let version = ParameterVersion {
                value,
                image,
                ..ParameterVersion::default()
            };
            let change = ConsumerChange::ParameterVersion { parameter, version };
            apply(state, account, region, change, now)
        }
        ConsumerChange::DeleteTemplateVersion { .. }
        | ConsumerChange::Suspend { .. }
        | ConsumerChange::LaunchBy { .. }
        | ConsumerChange::StartRefresh { .. }
        | ConsumerChange::Tag { .. }
        | ConsumerChange::Untag { .. } => people::apply(state, place, change),
        ConsumerChange::Label {
            parameter,
            version,
            label,
        } => {
            let mut changed = parameter_of(&state.world, place, &parameter)?;
            unlabel(&mut changed, &label);
            let labelled = changed.versions.iter_mut().find(|v| v.number == version);
            let labelled = labelled.ok_or_else(|| missing("version", &format!("{parameter}:{version}")))?;
            labelled.labels.push(label);
            state.parameter_event((account, region), &changed, ("LabelParameterVersion", None), now);
            put_parameter(state, place, changed)?;
            Ok(json!({ "version": version }))
        }
        ConsumerChange::InstanceState { instance, state: to } => {
            let consumers = consumers_mut(&mut state.world, place)?;
            let found = consumers.instances.get(&instance);
            let mut changed = found.cloned().ok_or_else(|| missing("instance", &instance))?;
            if INSTANCE_STATES.iter().all(|(name, _)| *name != to) {
                return Err(EditError(format!("`{to}` is not a state of an instance")));
            }
            changed.terminated_at = (to == "terminated").then_some(now);
            changed.state = to;
            consumers.instances.put(&instance, changed, now, place.visible_at);
            Ok(json!({ "instance": instance }))
        }
    }
}

fn consumers_mut<'a>(world: &'a mut World, place: Place<'_>) -> Result<&'a mut Consumers, EditError> {
    world
        .region_mut(place.account, place.region)
        .map(|r| &mut r.consumers)
        .ok_or_else(|| missing("region", place.region))
}

fn consumers<'a>(world: &'a World, place: Place<'_>) -> Result<&'a Consumers, EditError> {
    world
        .region(place.account, place.region)
        .map(|r| &r.consumers)
        .ok_or_else(|| missing("region", place.region))
}

fn put(state: &mut State, place: Place<'_>, mut given: ConsumerSpec) -> Result<Value, EditError> {
    if let ConsumerSpec::Instance(instance) = &mut given {
        instance.launch_time = instance.launch_time.or(Some(place.now));
    }
    // What has no name gets an ID of its own each time.
    let path = format!("consumer {}", state.hex(8));
    let known = matches!(given, ConsumerSpec::Parameter(_)).then(|| parameters(&state.world, place));
    let keys = add_any(&mut state.world, place, &given, &path)?;
    for key in keys.iter().filter(|_| known.is_some()) {
        let was_there = known.as_ref().is_some_and(|known| known.contains(key));
        let operation = if was_there { "Update" } else { "Create" };
        let parameter = parameter_of(&state.world, place, key)?;
        state.parameter_event((place.account, place.region), &parameter, (operation, None), place.now);
    }
    if matches!(given, ConsumerSpec::Instance(_)) {
        let region = state.world.region(place.account, place.region);
        let instances: Vec<Instance> = keys
            .iter()
            .filter_map(|id| region?.consumers.instances.get(id).cloned())
            .collect();
        for instance in instances {
            state.note_launch(&instance, place.now);
        }
    }
    Ok(json!({ "keys": keys }))
}

fn remove(consumers: &mut Consumers, kind: &str, id: &str, place: Place<'_>) -> Option<bool> {
    let (now, visible_at) = (place.now, place.visible_at);
    Some(match kind {
        "instance" => consumers.instances.remove(id, now, visible_at),
        "launchTemplate" => consumers.launch_templates.remove(id, now, visible_at),
        "launchConfiguration" => consumers.launch_configurations.remove(id, now, visible_at),
        "autoScalingGroup" => consumers.auto_scaling_groups.remove(id, now, visible_at),
        "fleet" => consumers.fleets.remove(id, now, visible_at),
        "spotFleet" => consumers.spot_fleets.remove(id, now, visible_at),
        "spotRequest" => consumers.spot_requests.remove(id, now, visible_at),
        "parameter" => consumers.parameters.remove(id, now, visible_at),
        "eksCluster" => consumers.eks_clusters.remove(id, now, visible_at),
        "computeEnvironment" => consumers.compute_environments.remove(id, now, visible_at),
        "imageRecipe" => consumers.image_recipes.remove(id, now, visible_at),
        "containerRecipe" => consumers.container_recipes.remove(id, now, visible_at),
        _ => return None,
    })
}

fn template_of(world: &World, place: Place<'_>, name: &str) -> Result<LaunchTemplate, EditError> {
    let templates = &consumers(world, place)?.launch_templates;
    let by_name = || templates.iter().find(|(_, t)| t.name == name).map(|(_, t)| t);
    let found = templates.get(name).or_else(by_name);
    found.cloned().ok_or_else(|| missing("launch template", name))
}

fn put_template(state: &mut State, place: Place<'_>, changed: LaunchTemplate) -> Result<(), EditError> {
    let id = changed.id.clone();
    let shelf = &mut consumers_mut(&mut state.world, place)?.launch_templates;
    shelf.put(&id, changed, place.now, place.visible_at);
    Ok(())
}

/// The names of all parameters.
fn parameters(world: &World, place: Place<'_>) -> BTreeSet<String> {
    let region = world.region(place.account, place.region).into_iter();
    let all = region.flat_map(|region| region.consumers.parameters.iter());
    all.map(|(name, _)| name.to_owned()).collect()
}

fn parameter_of(world: &World, place: Place<'_>, name: &str) -> Result<Parameter, EditError> {
    let found = consumers(world, place)?.parameters.get(name);
    found.cloned().ok_or_else(|| missing("parameter", name))
}

fn put_parameter(state: &mut State, place: Place<'_>, changed: Parameter) -> Result<(), EditError> {
    let name = changed.name.clone();
    let shelf = &mut consumers_mut(&mut state.world, place)?.parameters;
    shelf.put(&name, changed, place.now, place.visible_at);
    Ok(())
}

fn unlabel(parameter: &mut Parameter, label: &str) {
    for version in &mut parameter.versions {
        version.labels.retain(|l| l != label);
    }
}
