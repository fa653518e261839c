//! UpdateAutoScalingGroup.

use super::{consumers, launch_by};
use crate::engine::{About, Done, Outcome, Request, State};
use crate::model::{AutoScalingGroup, LaunchBy};
use crate::spec::digest;
use crate::wire::{ApiError, Xml};

/// The ARN of a group.
pub(super) fn arn(state: &State, request: &Request, name: &str) -> String {
    let id = digest(0, &[request.account(), &request.region, "group", name]);
    let resource = format!("autoScalingGroup:{}:autoScalingGroupName/{name}", &id[..36]);
    request.arn(state, &resource)
}

/// A group, to be asked for.
pub(super) fn about_group(state: &State, request: &Request, name: &str) -> About {
    let found = consumers(state, request).and_then(|c| c.auto_scaling_groups.get(name));
    About {
        resource_tags: found.map(|g| g.tags.clone()).unwrap_or_default(),
        ..About::of(arn(state, request, name))
    }
}

/// The group that a call is about, once for each image that it names.
pub(super) fn about(state: &State, request: &Request) -> Vec<About> {
    let name = request.params.get("AutoScalingGroupName").unwrap_or("*");
    let group = about_group(state, request, name);
    let images = request
        .params
        .as_map()
        .iter()
        .filter(|(key, _)| key.ends_with(".ImageId"));
    let with_image = images.map(|(_, image)| About {
        context: vec![("autoscaling:ImageId".to_owned(), image.clone())],
        ..group.clone()
    });
    let all: Vec<About> = with_image.collect();
    if all.is_empty() { vec![group] } else { all }
}

/// The group that a call names.
pub(super) fn named(state: &State, request: &Request) -> Result<AutoScalingGroup, ApiError> {
    let name = request.params.get("AutoScalingGroupName").ok_or_else(|| {
        request.service.invalid(
            "1 validation error detected: Value null at 'autoScalingGroupName' failed to satisfy constraint: Member must not be null",
        )
    })?;
    let found = consumers(state, request).and_then(|c| c.auto_scaling_groups.get(name));
    found.cloned().ok_or_else(|| {
        request
            .service
            .invalid(format!("AutoScalingGroup name not found - {name}"))
    })
}

/// The same, to be changed: what another service manages, only that service changes.
pub(super) fn to_change(state: &State, request: &Request) -> Result<AutoScalingGroup, ApiError> {
    let group = named(state, request)?;
    match &group.managed_by {
        None => Ok(group),
        Some(principal) => Err(request.service.invalid(format!(
            "The Auto Scaling group {} is managed by {principal}",
            group.name
        ))),
    }
}

/// Runs UpdateAutoScalingGroup.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    let mut group = to_change(state, request)?;
    let before = group.clone();
    if let Some(by) = launch_by::read(request, "", &LaunchBy::of(&group))? {
        launch_by::check(state, request, &by)?;
        let held = state.active_refresh(request.account(), &request.region, &group.name);
        if held.is_some_and(|refresh| refresh.desired.is_some()) {
            return Err(request.service.invalid(
                "An active instance refresh with a desired configuration exists. All configuration options derived from the desired configuration are not available for update while the active instance refresh is in progress.",
            ));
        }
        by.apply(&mut group);
    }
    let number = |name: &str| match request.params.get(name).map(str::parse::<u32>) {
        None => Ok(None),
        Some(Ok(number)) => Ok(Some(number)),
        Some(Err(_)) => Err(request.service.invalid(format!("The value of {name} must be a number"))),
    };
    group.min = number("MinSize")?.or(group.min);
    group.max = number("MaxSize")?.or(group.max);
    group.desired = number("DesiredCapacity")?.or(group.desired);
    let (min, max, desired) = (
        group.min.unwrap_or(0),
        group.max.unwrap_or(1),
        group.desired.unwrap_or(1),
    );
    if min > max || !(min..=max).contains(&desired) {
        return Err(request.service.invalid(format!(
            "Desired capacity:{desired} must be between the specified min size:{min} and max size:{max}"
        )));
    }
    if let Some(role) = request.params.get("ServiceLinkedRoleARN") {
        group.service_linked_role = Some(role.to_owned());
    }
    if group == before {
        return Ok(Done::wrote(Xml::new(), Vec::new()));
    }
    let name = group.name.clone();
    state.put_group((request.account(), &request.region), group, request.now);
    Ok(Done::wrote(Xml::new(), vec![name]))
}
