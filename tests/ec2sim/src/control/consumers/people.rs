//! Edits of groups, of versions and of tags.

use serde_json::{Value, json};

use super::{ConsumerChange, EditError, consumers, missing, parameter_of, put_parameter, put_template, template_of};
use crate::engine::State;
use crate::model::{AutoScalingGroup, InstanceRefresh, LaunchBy, Tags, World};
use crate::spec::Place;

/// Makes a change.
pub(super) fn apply(state: &mut State, place: Place<'_>, change: ConsumerChange) -> Result<Value, EditError> {
    match change {
        ConsumerChange::DeleteTemplateVersion { template, version } => delete_version(state, place, &template, version),
        ConsumerChange::Suspend { group, processes } => {
            let mut changed = group_of(&state.world, place, &group)?;
            changed.suspended = processes;
            state.put_group((place.account, place.region), changed, place.now);
            Ok(json!({ "group": group }))
        }
        ConsumerChange::LaunchBy { group, by } => {
            let mut changed = group_of(&state.world, place, &group)?;
            by.apply(&mut changed);
            state.put_group((place.account, place.region), changed, place.now);
            Ok(json!({ "group": group }))
        }
        ConsumerChange::StartRefresh { group } => start_refresh(state, place, &group),
        ConsumerChange::Tag { kind, id, key, value } => {
            let add = |tags: &mut Tags| drop(tags.insert(key, value));
            set_tags(state, place, (&kind, &id), add)
        }
        ConsumerChange::Untag { kind, id, key } => {
            let remove = |tags: &mut Tags| drop(tags.remove(&key));
            set_tags(state, place, (&kind, &id), remove)
        }
        _ => Ok(json!({})),
    }
}

fn group_of(world: &World, place: Place<'_>, name: &str) -> Result<AutoScalingGroup, EditError> {
    let found = consumers(world, place)?.auto_scaling_groups.get(name);
    found.cloned().ok_or_else(|| missing("Auto Scaling group", name))
}

fn delete_version(state: &mut State, place: Place<'_>, name: &str, version: u64) -> Result<Value, EditError> {
    let mut changed = template_of(&state.world, place, name)?;
    if changed.default_number() == version {
        return Err(EditError(format!("{version} is the default version of {name}")));
    }
    let number = changed.next_number() - 1;
    let before = changed.versions.len();
    changed.versions.retain(|v| v.number != version);
    if changed.versions.len() == before {
        return Err(missing("version", &format!("{name}:{version}")));
    }
    changed.last_number = Some(number);
    put_template(state, place, changed)?;
    Ok(json!({ "version": version }))
}

fn start_refresh(state: &mut State, place: Place<'_>, name: &str) -> Result<Value, EditError> {
    let group = group_of(&state.world, place, name)?;
    if state.active_refresh(place.account, place.region, name).is_some() {
        return Err(EditError(format!("an instance refresh of {name} is under way")));
    }
    let id = state.request_id();
    let refresh = InstanceRefresh {
        id: id.clone(),
        group: name.to_owned(),
        status: "Pending".to_owned(),
        reason: None,
        started: place.now,
        ended: None,
        strategy: "Rolling".to_owned(),
        desired: None,
        before: LaunchBy::of(&group),
        preferences: serde_json::Map::new(),
        left: Vec::new(),
        replaced: Vec::new(),
        rollback: None,
        checkpoints: 0,
    };
    state.begin_refresh((place.account, place.region), &group, refresh, place.now);
    Ok(json!({ "refresh": id }))
}

fn set_tags(
    state: &mut State,
    place: Place<'_>,
    (kind, id): (&str, &str),
    change: impl FnOnce(&mut Tags),
) -> Result<Value, EditError> {
    match kind {
        "launchTemplate" => {
            let mut changed = template_of(&state.world, place, id)?;
            change(&mut changed.tags);
            put_template(state, place, changed)?;
        }
        "autoScalingGroup" => {
            let mut changed = group_of(&state.world, place, id)?;
            change(&mut changed.tags);
            state.put_group((place.account, place.region), changed, place.now);
        }
        "parameter" => {
            let mut changed = parameter_of(&state.world, place, id)?;
            change(&mut changed.tags);
            put_parameter(state, place, changed)?;
        }
        other => return Err(missing("kind with tags", other)),
    }
    Ok(json!({ "tagged": id }))
}
