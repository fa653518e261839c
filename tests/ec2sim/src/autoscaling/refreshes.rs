//! StartInstanceRefresh, DescribeInstanceRefreshes, CancelInstanceRefresh, RollbackInstanceRefresh.

use serde_json::{Map, Value};

use super::update::{about_group, named, to_change};
use super::{consumers, launch_by, page};
use crate::ec2::tree;
use crate::engine::{About, Done, Outcome, Request, State};
use crate::model::{AutoScalingGroup, InstanceRefresh, LaunchBy, RESOLVE};
use crate::wire::{ApiError, Xml};

/// The group of a refresh that is under way.
pub(super) fn about(state: &State, request: &Request) -> Vec<About> {
    let name = request.params.get("AutoScalingGroupName").unwrap_or("*");
    vec![about_group(state, request, name)]
}

/// Runs StartInstanceRefresh.
pub(super) fn start(state: &mut State, request: &Request) -> Outcome {
    let group = to_change(state, request)?;
    let desired = launch_by::read(request, "DesiredConfiguration.", &LaunchBy::of(&group))?;
    if let Some(by) = &desired {
        launch_by::check(state, request, by)?;
    }
    let preferences = tree(&request.params, "Preferences")
        .as_object()
        .cloned()
        .unwrap_or_default();
    let strategy = request.params.get("Strategy").unwrap_or("Rolling").to_owned();
    let refresh = InstanceRefresh {
        id: String::new(),
        group: group.name.clone(),
        status: "Pending".to_owned(),
        reason: None,
        started: request.now,
        ended: None,
        strategy,
        desired,
        before: LaunchBy::of(&group),
        preferences: flat(preferences),
        left: Vec::new(),
        replaced: Vec::new(),
        rollback: None,
        checkpoints: 0,
    };
    check_strategy(request, &refresh)?;
    check_preferences(request, &refresh)?;
    check_rollback(state, request, &refresh, &group)?;
    if state
        .active_refresh(request.account(), &request.region, &group.name)
        .is_some()
    {
        return Err(ApiError::new(
            "InstanceRefreshInProgress",
            "An Instance Refresh is already in progress and blocks the execution of this Instance Refresh.",
        ));
    }
    let id = state.request_id();
    let refresh = InstanceRefresh {
        id: id.clone(),
        ..refresh
    };
    state.begin_refresh((request.account(), &request.region), &group, refresh, request.now);
    let mut xml = Xml::new();
    xml.text("InstanceRefreshId", &id);
    Ok(Done::wrote(xml, vec![group.name]))
}

/// Lists of awsQuery are below `member`.
fn flat(fields: Map<String, Value>) -> Map<String, Value> {
    let without = |value: Value| match value {
        Value::Object(mut inner) if inner.len() == 1 && inner.contains_key("member") => {
            inner.remove("member").unwrap_or_default()
        }
        Value::Object(inner) => Value::Object(flat(inner)),
        other => other,
    };
    fields.into_iter().map(|(name, value)| (name, without(value))).collect()
}

fn check_strategy(request: &Request, refresh: &InstanceRefresh) -> Result<(), ApiError> {
    match refresh.strategy.as_str() {
        "Rolling" => Ok(()),
        "ReplaceRootVolume" => {
            let by = refresh.desired.as_ref().unwrap_or(&refresh.before);
            let overrides = by.mixed_instances.iter().flat_map(|m| &m.overrides);
            let mut without = overrides.filter(|o| o.image.is_none());
            if without.next().is_some() {
                return Err(request.service.invalid(
                    "The ReplaceRootVolume strategy requires an ImageId in every override of the mixed instances policy.",
                ));
            }
            Ok(())
        }
        other => Err(request.service.invalid(format!("The strategy {other} is not valid"))),
    }
}

fn check_preferences(request: &Request, refresh: &InstanceRefresh) -> Result<(), ApiError> {
    let invalid = |message: &str| Err(request.service.invalid(message));
    let within = |name: &str, range: std::ops::RangeInclusive<u64>| {
        let given = refresh.preferences.get(name);
        given.is_none() || refresh.number(name).is_some_and(|n| range.contains(&n))
    };
    if !within("MinHealthyPercentage", 0..=100) || !within("MaxHealthyPercentage", 100..=200) {
        return invalid("MinHealthyPercentage is 0 to 100, and MaxHealthyPercentage 100 to 200");
    }
    let (least, most) = (
        refresh.number("MinHealthyPercentage"),
        refresh.number("MaxHealthyPercentage"),
    );
    if most.is_some_and(|most| least.is_none_or(|least| most - least > 100)) {
        return invalid("MaxHealthyPercentage needs a MinHealthyPercentage that is at most 100 less");
    }
    if !within("InstanceWarmup", 0..=86_400)
        || !within("BakeTime", 0..=172_800)
        || !within("CheckpointDelay", 0..=172_800)
    {
        return invalid("InstanceWarmup, BakeTime and CheckpointDelay are numbers of seconds, of at most two days");
    }
    let given = refresh
        .preferences
        .get("CheckpointPercentages")
        .and_then(Value::as_array);
    let points = refresh.checkpoint_percentages();
    let ascending = points.windows(2).all(|pair| pair[0] < pair[1]);
    let legal = points.iter().all(|p| (1..=100).contains(p)) && points.len() == given.map_or(0, Vec::len);
    if !ascending || !legal {
        return invalid("CheckpointPercentages must be unique numbers from 1 to 100 in ascending order");
    }
    if refresh.preferences.contains_key("CheckpointDelay") && points.is_empty() {
        return invalid("CheckpointDelay needs CheckpointPercentages");
    }
    Ok(())
}

/// Refuses to roll back what can not be.
fn check_rollback(
    state: &State,
    request: &Request,
    refresh: &InstanceRefresh,
    group: &AutoScalingGroup,
) -> Result<(), ApiError> {
    if !refresh.flag("AutoRollback") {
        return Ok(());
    }
    match irreversible(state, request, refresh.desired.as_ref(), &LaunchBy::of(group)) {
        None => Ok(()),
        Some(why) => Err(request
            .service
            .invalid(format!("AutoRollback cannot be set to true: {why}"))),
    }
}

/// Why a refresh can not be rolled back.
fn irreversible(state: &State, request: &Request, desired: Option<&LaunchBy>, before: &LaunchBy) -> Option<String> {
    let Some(desired) = desired else {
        return Some("there is no desired configuration".to_owned());
    };
    let region = state.world.region(request.account(), &request.region);
    for reference in desired.templates().chain(before.templates()) {
        if reference.version.as_deref().is_none_or(|v| v.starts_with('$')) {
            return Some("a launch template is named by its $Latest or $Default version".to_owned());
        }
        let version = region.and_then(|r| r.template_version(reference));
        let image = version.and_then(|v| v.image.as_deref());
        if image.is_some_and(|text| text.starts_with(RESOLVE)) {
            return Some("a launch template names a parameter in the place of an image".to_owned());
        }
    }
    None
}

fn none_active() -> ApiError {
    ApiError::new(
        "ActiveInstanceRefreshNotFound",
        "No in progress or pending Instance Refresh found for the Auto Scaling group",
    )
}

fn answer_id(id: &str, effects: Vec<String>) -> Done {
    let mut xml = Xml::new();
    xml.text("InstanceRefreshId", id);
    Done::wrote(xml, effects)
}

/// Runs CancelInstanceRefresh.
pub(super) fn cancel(state: &mut State, request: &Request) -> Outcome {
    let group = to_change(state, request)?;
    let active = state.active_refresh(request.account(), &request.region, &group.name);
    let refresh = active.cloned().ok_or_else(none_active)?;
    let (status, ended) = if state.settings.launches.cancel_seconds > 0.0 {
        ("Cancelling", None)
    } else {
        ("Cancelled", Some(request.now))
    };
    let id = refresh.id.clone();
    let cancelled = InstanceRefresh {
        status: status.to_owned(),
        reason: Some("Cancelled due to user request.".to_owned()),
        ended,
        ..refresh
    };
    let seconds = state.settings.launches.cancel_seconds;
    state.put_refresh((request.account(), &request.region), cancelled);
    state.refresh_later(
        (request.account(), &request.region),
        &id,
        request.now.plus_seconds(seconds),
    );
    Ok(answer_id(&id, vec![group.name]))
}

/// Runs RollbackInstanceRefresh.
pub(super) fn roll_back(state: &mut State, request: &Request) -> Outcome {
    let group = to_change(state, request)?;
    let active = state.active_refresh(request.account(), &request.region, &group.name);
    let refresh = active
        .filter(|r| r.rollback.is_none() && r.status != "Cancelling")
        .cloned()
        .ok_or_else(none_active)?;
    if let Some(why) = irreversible(state, request, refresh.desired.as_ref(), &refresh.before) {
        return Err(ApiError::new(
            "IrreversibleInstanceRefresh",
            format!("The instance refresh can't be rolled back: {why}"),
        ));
    }
    let id = refresh.id.clone();
    state.roll_back(
        (request.account(), &request.region),
        refresh,
        "Rollback due to user request.",
        request.now,
    );
    Ok(answer_id(&id, vec![group.name]))
}

/// Runs DescribeInstanceRefreshes: the newest come first.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let group = named(state, request)?;
    let wanted = request.params.list("InstanceRefreshIds.member");
    let of_group = consumers(state, request)
        .into_iter()
        .flat_map(|c| c.instance_refreshes.values());
    let places = of_group
        .filter(|r| r.group == group.name && (wanted.is_empty() || wanted.contains(&r.id.as_str())))
        .map(|r| format!("{:020}:{}", i64::MAX - r.started.as_millis(), r.id))
        .collect();
    let page = page(state, request, places, wanted.is_empty())?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|place| {
        let (_, id) = place.split_once(':')?;
        consumers(state, request)?.instance_refreshes.get(id)
    });
    xml.members("InstanceRefreshes", shown, write);
    xml.maybe("NextToken", page.next);
    Ok(Done::read(xml))
}

fn write(x: &mut Xml, refresh: &InstanceRefresh) {
    x.text("InstanceRefreshId", &refresh.id);
    x.text("AutoScalingGroupName", &refresh.group);
    x.text("Status", &refresh.status);
    x.maybe("StatusReason", refresh.reason.as_deref());
    x.value("StartTime", refresh.started);
    x.maybe("EndTime", refresh.ended);
    x.value("PercentageComplete", refresh.percent());
    x.value("InstancesToUpdate", refresh.left.len());
    x.nest("Preferences", |x| {
        for (name, value) in &refresh.preferences {
            write_preference(x, name, value);
        }
    });
    if let Some(by) = &refresh.desired {
        launch_by::write(x, "DesiredConfiguration", by);
    }
    if let Some((reason, at)) = &refresh.rollback {
        x.nest("RollbackDetails", |x| {
            x.text("RollbackReason", reason);
            x.value("RollbackStartTime", *at);
        });
    }
    x.text("Strategy", &refresh.strategy);
}

fn write_preference(x: &mut Xml, name: &str, value: &Value) {
    match value {
        Value::Array(items) => x.texts(name, items.iter().filter_map(Value::as_str)),
        Value::Object(fields) => x.nest(name, |x| {
            for (name, value) in fields {
                write_preference(x, name, value);
            }
        }),
        Value::String(text) => x.text(name, text),
        other => x.value(name, other),
    }
}
