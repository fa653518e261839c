//! Tags: CreateTags, DeleteTags, and the rules that all tags obey.

use super::templates::no_such_id;
use super::{check_id, check_image_id, check_snapshot_id, image_not_found, invalid_value, snapshot_not_found};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Lagged, LaunchTemplate, Tags};
use crate::wire::{ApiError, Params, Xml};

/// Writes a `tagSet`.
pub(super) fn write(x: &mut Xml, tags: &Tags) {
    x.list("tagSet", tags, |x, (key, value)| {
        x.text("key", key);
        x.text("value", value);
    });
}

/// Reads a list of tags to set, and checks them.
pub(super) fn read(params: &Params, name: &str) -> Result<Tags, ApiError> {
    let mut tags = Tags::new();
    for (key, value) in params.tags(name) {
        let value = value.unwrap_or_default();
        if key.to_lowercase().starts_with("aws:") {
            return Err(invalid_value(
                "Tag keys starting with 'aws:' are reserved for internal use",
            ));
        }
        if key.is_empty() || key.chars().count() > 127 {
            return Err(invalid_value(format!(
                "Tag key '{key}' must have between 1 and 127 characters."
            )));
        }
        if value.chars().count() > 256 {
            return Err(invalid_value(format!(
                "Tag value for the key '{key}' exceeds the maximum length of 256 characters."
            )));
        }
        if tags.insert(key.clone(), value).is_some() {
            return Err(invalid_value(format!("Duplicate tag key '{key}' specified.")));
        }
    }
    Ok(tags)
}

/// Refuses more tags than a resource can have; those of AWS itself do not count.
pub(super) fn check_number(tags: &Tags) -> Result<(), ApiError> {
    if tags.keys().filter(|k| !k.starts_with("aws:")).count() > 50 {
        return Err(ApiError::new(
            "TagLimitExceeded",
            "The maximum number of Tags for a resource has been reached.",
        ));
    }
    Ok(())
}

fn resources(request: &Request) -> Result<Vec<String>, ApiError> {
    let ids = request.params.list("ResourceId");
    if ids.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter resourceIdSet",
        ));
    }
    Ok(ids.into_iter().map(str::to_owned).collect())
}

fn template<'a>(state: &'a State, request: &Request, id: &str) -> Result<&'a LaunchTemplate, ApiError> {
    check_id("lt", "InvalidLaunchTemplateId.Malformed", id)?;
    let region = state.world.region(request.account(), &request.region);
    let found = region.and_then(|r| r.consumers.launch_templates.get(id));
    found.ok_or_else(|| no_such_id(id))
}

/// The tags that a resource of the caller has.
fn current(state: &mut State, request: &Request, id: &str) -> Result<Tags, ApiError> {
    if id.starts_with("lt-") {
        return template(state, request, id).map(|template| template.tags.clone());
    }
    tags_of(state, request, id).map(|tags| tags.current().clone())
}

fn set(state: &mut State, request: &Request, id: &str, tags: Tags, visible_at: SimTime) -> Result<(), ApiError> {
    if id.starts_with("lt-") {
        let changed = LaunchTemplate {
            tags,
            ..template(state, request, id)?.clone()
        };
        if let Some(region) = state.world.region_mut(request.account(), &request.region) {
            let templates = &mut region.consumers.launch_templates;
            templates.put(id, changed, request.now, visible_at);
        }
        return Ok(());
    }
    tags_of(state, request, id)?.set(tags, request.now, visible_at);
    Ok(())
}

/// The tags of an image or snapshot that the caller owns.
fn tags_of<'a>(state: &'a mut State, request: &Request, id: &str) -> Result<&'a mut Lagged<Tags>, ApiError> {
    let now = request.now;
    let region = state
        .world
        .region_mut(request.account(), &request.region)
        .ok_or_else(|| image_not_found(&[id]))?;
    if id.starts_with("snap-") {
        check_snapshot_id(id)?;
        return region
            .snapshots
            .get_mut(id)
            .filter(|s| s.exists() && now >= s.visible_at && s.owner == request.caller.account)
            .map(|s| &mut s.tags)
            .ok_or_else(|| snapshot_not_found(id));
    }
    if !id.starts_with("ami-") {
        return Err(ApiError::new("InvalidID", format!("The ID '{id}' is not valid")));
    }
    check_image_id(id)?;
    region
        .images
        .get_mut(id)
        .filter(|i| i.exists() && now >= i.visible_at)
        .map(|i| &mut i.tags)
        .ok_or_else(|| image_not_found(&[id]))
}

/// Sets the tags of all resources, or of none when one of them can not be.
fn change(state: &mut State, request: &Request, mut edit: impl FnMut(&mut Tags)) -> Outcome {
    let ids = resources(request)?;
    let mut changed = Vec::new();
    for id in &ids {
        let current = current(state, request, id)?;
        let mut tags = current.clone();
        edit(&mut tags);
        check_number(&tags)?;
        if tags != current {
            changed.push((id.clone(), tags));
        }
    }
    let longest = state.settings.consistency.tag_seconds;
    let mut effects = Vec::new();
    for (id, tags) in changed {
        let visible_at = state.visible_at(request.now, longest);
        set(state, request, &id, tags, visible_at)?;
        effects.push(id);
    }
    Ok(Done::returned(effects))
}

/// Runs CreateTags.
pub(super) fn create(state: &mut State, request: &Request) -> Outcome {
    let new = read(&request.params, "Tag")?;
    if new.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter tagSet",
        ));
    }
    change(state, request, |tags| tags.extend(new.clone()))
}

/// Runs DeleteTags. A tag with a value is deleted only if it has that value; no tags at all means all.
pub(super) fn delete(state: &mut State, request: &Request) -> Outcome {
    let which = request.params.tags("Tag");
    change(state, request, |tags| {
        tags.retain(|key, value| {
            if key.starts_with("aws:") {
                return true;
            }
            let named = which.is_empty()
                || which
                    .iter()
                    .any(|(k, v)| k == key && v.as_ref().is_none_or(|v| v == value));
            !named
        });
    })
}
