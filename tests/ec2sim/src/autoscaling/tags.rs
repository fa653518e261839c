//! CreateOrUpdateTags, DeleteTags, DescribeTags.

use std::collections::BTreeMap;

use super::update::about_group;
use super::{consumers, page};
use crate::engine::{About, Done, Outcome, Request, State};
use crate::glob;
use crate::model::{AutoScalingGroup, Tags};
use crate::wire::{ApiError, Xml};

/// A tag of a call: group, key, value, and whether new instances get it.
type Given = (String, String, String, bool);

fn given(request: &Request) -> Vec<Given> {
    let params = &request.params;
    let all = params.indices("Tags.member").into_iter().map(|i| {
        let text = |name: &str| {
            params
                .get(&format!("Tags.member.{i}.{name}"))
                .unwrap_or_default()
                .to_owned()
        };
        (
            text("ResourceId"),
            text("Key"),
            text("Value"),
            text("PropagateAtLaunch") == "true",
        )
    });
    all.collect()
}

/// The groups that a call tags.
pub(super) fn about(state: &State, request: &Request) -> Vec<About> {
    let mut by_group = BTreeMap::<String, Tags>::new();
    for (group, key, value, _) in given(request) {
        by_group.entry(group).or_default().insert(key, value);
    }
    let all = by_group.into_iter().map(|(group, request_tags)| About {
        request_tags,
        ..about_group(state, request, &group)
    });
    all.collect()
}

fn change(state: &mut State, request: &Request, edit: impl Fn(&mut AutoScalingGroup, &Given)) -> Outcome {
    let mut changed = BTreeMap::<String, AutoScalingGroup>::new();
    for tag in given(request) {
        if tag.1.is_empty() || tag.1.len() > 128 || tag.1.to_lowercase().starts_with("aws:") || tag.2.len() > 256 {
            return Err(request
                .service
                .invalid(format!("The tag key '{}' or its value is not valid", tag.1)));
        }
        let there = consumers(state, request).and_then(|c| c.auto_scaling_groups.get(&tag.0));
        let there = there.ok_or_else(|| no_such_group(request, &tag.0))?;
        edit(changed.entry(tag.0.clone()).or_insert_with(|| there.clone()), &tag);
    }
    let mut effects = Vec::new();
    for (name, group) in changed {
        let before = consumers(state, request).and_then(|c| c.auto_scaling_groups.get(&name));
        if before != Some(&group) {
            state.put_group((request.account(), &request.region), group, request.now);
            effects.push(name);
        }
    }
    Ok(Done::wrote(Xml::new(), effects))
}

fn no_such_group(request: &Request, name: &str) -> ApiError {
    request
        .service
        .invalid(format!("No Auto Scaling group found with name {name}"))
}

/// Runs CreateOrUpdateTags.
pub(super) fn set(state: &mut State, request: &Request) -> Outcome {
    change(state, request, |group, (_, key, value, propagates)| {
        group.tags.insert(key.clone(), value.clone());
        if *propagates {
            group.own_tags.remove(key);
        } else {
            group.own_tags.insert(key.clone());
        }
    })
}

/// Runs DeleteTags.
pub(super) fn delete(state: &mut State, request: &Request) -> Outcome {
    change(state, request, |group, (_, key, _, _)| {
        group.tags.remove(key);
        group.own_tags.remove(key);
    })
}

/// Writes the tags of a group that are asked for.
pub(super) fn write<'a>(x: &mut Xml, name: &str, tags: impl IntoIterator<Item = (&'a AutoScalingGroup, &'a str)>) {
    x.members(name, tags, |x, (group, key)| {
        x.text("ResourceId", &group.name);
        x.text("ResourceType", "auto-scaling-group");
        x.text("Key", key);
        x.maybe("Value", group.tags.get(key));
        x.value("PropagateAtLaunch", !group.own_tags.contains(key));
    });
}

/// Runs DescribeTags.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let mut filters = Vec::new();
    for i in params.indices("Filters.member") {
        let name = params.get(&format!("Filters.member.{i}.Name")).unwrap_or_default();
        if !["auto-scaling-group", "key", "value", "propagate-at-launch"].contains(&name) {
            return Err(request.service.invalid(format!("Filter name {name} is not valid")));
        }
        filters.push((name, params.list(&format!("Filters.member.{i}.Values.member"))));
    }
    let fits = |group: &AutoScalingGroup, key: &str, value: &str| {
        filters.iter().all(|(name, patterns)| {
            let text = match *name {
                "auto-scaling-group" => group.name.clone(),
                "key" => key.to_owned(),
                "value" => value.to_owned(),
                _ => (!group.own_tags.contains(key)).to_string(),
            };
            patterns.iter().any(|p| glob::matches(p, &text))
        })
    };
    let mut places = Vec::new();
    for (name, group) in consumers(state, request)
        .into_iter()
        .flat_map(|c| c.auto_scaling_groups.seen(request.now))
    {
        let found = group.tags.iter().filter(|(key, value)| fits(group, key, value));
        places.extend(found.map(|(key, _)| format!("{name}\n{key}")));
    }
    let page = page(state, request, places, filters.is_empty())?;
    let shown = page.ids.iter().filter_map(|place| {
        let (name, key) = place.split_once('\n')?;
        let group = consumers(state, request)?
            .auto_scaling_groups
            .get_seen(name, request.now)?;
        Some((group, key))
    });
    let mut xml = Xml::new();
    write(&mut xml, "Tags", shown);
    xml.maybe("NextToken", page.next);
    Ok(Done::read(xml))
}
