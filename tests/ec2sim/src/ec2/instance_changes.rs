//! TerminateInstances and DescribeInstanceStatus.

use super::check_id;
use super::instances::{code, find, not_found, shown, write_operator, write_state_as, zone};
use super::list::{Filters, page};
use crate::engine::{Done, Event, Outcome, Request, State};
use crate::model::Instance;
use crate::wire::{ApiError, Xml};

/// Runs TerminateInstances: all, or none when one is not there.
pub(super) fn terminate(state: &mut State, request: &Request) -> Outcome {
    let ids = request.params.list("InstanceId");
    if ids.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter InstanceId",
        ));
    }
    let region = state.world.region(request.account(), &request.region);
    let mut instances = Vec::new();
    for id in &ids {
        check_id("i", "InvalidInstanceID.Malformed", id)?;
        let found = region.and_then(|r| r.consumers.instances.get(id));
        let instance = found.ok_or_else(|| not_found(&[id]))?;
        if let Some(principal) = &instance.managed_by {
            return Err(ApiError::with_status(
                403,
                "OperationNotPermitted",
                format!("The instance {id} is managed by {principal}"),
            ));
        }
        instances.push(instance.clone());
    }
    let mut xml = Xml::new();
    let mut effects = Vec::new();
    let ends = |state: &str| matches!(state, "terminated" | "shutting-down");
    xml.list("instancesSet", &instances, |x, instance| {
        let after = if ends(&instance.state) {
            instance.state.as_str()
        } else {
            "shutting-down"
        };
        x.text("instanceId", &instance.id);
        write_state_as(x, "currentState", after);
        write_state_as(x, "previousState", &instance.state);
    });
    for instance in instances.into_iter().filter(|i| !ends(&i.state)) {
        effects.push(instance.id.clone());
        shut_down(state, request, instance);
    }
    Ok(Done::wrote(xml, effects))
}

fn shut_down(state: &mut State, request: &Request, instance: Instance) {
    let seconds = state.settings.launches.shutdown_seconds.max(0.0);
    let event = Event::Instance {
        account: request.account().to_owned(),
        region: request.region.clone(),
        id: instance.id.clone(),
        to: "terminated",
    };
    state.events.insert((request.now.plus_seconds(seconds), event));
    let changed = Instance {
        state: "shutting-down".to_owned(),
        state_reason: Some("Client.UserInitiatedShutdown: User initiated shutdown".to_owned()),
        ..instance
    };
    state.put_instance((request.account(), &request.region), changed, request.now);
}

const FILTERS: [&str; 5] = [
    "availability-zone",
    "instance-state-code",
    "instance-state-name",
    "instance-status.status",
    "system-status.status",
];

/// Runs DescribeInstanceStatus: of running instances, unless all are asked for.
pub(super) fn status(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&FILTERS)?;
    let all = request.params.flag("IncludeAllInstances")?;
    let hidden_too = request.params.flag("IncludeManagedResources")?;
    let found = find(state, request, hidden_too, |instance| {
        if !all && instance.state != "running" {
            return Ok(false);
        }
        filters.accept(|name| match name {
            "availability-zone" => Some(vec![zone(request)]),
            "instance-state-name" => Some(vec![instance.state.clone()]),
            "instance-state-code" => Some(vec![code(&instance.state).to_string()]),
            "instance-status.status" => Some(vec![status_of(state, request, instance).to_owned()]),
            "system-status.status" => Some(vec![system_status_of(state, request, instance).to_owned()]),
            _ => None,
        })
    })?;
    let page = page(state, request, found, (5, 1000), "InstanceId")?;
    let mut xml = Xml::new();
    xml.list("instanceStatusSet", shown(state, request, &page.ids), |x, instance| {
        x.text("instanceId", &instance.id);
        x.text("availabilityZone", &zone(request));
        write_state_as(x, "instanceState", &instance.state);
        write_status(x, "instanceStatus", status_of(state, request, instance));
        write_status(x, "systemStatus", system_status_of(state, request, instance));
        write_operator(x, instance.managed_by.as_deref(), instance.hidden);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

fn system_status_of(state: &State, request: &Request, instance: &Instance) -> &'static str {
    match status_of(state, request, instance) {
        "impaired" => "ok",
        other => other,
    }
}

fn status_of(state: &State, request: &Request, instance: &Instance) -> &'static str {
    let settings = &state.settings.launches;
    let checked = |at: crate::clock::SimTime| at.plus_seconds(settings.status_seconds.max(0.0));
    if instance.state != "running" {
        "not-applicable"
    } else if instance.running_since.is_some_and(|at| request.now < checked(at)) {
        "initializing"
    } else if settings.impaired.contains(&instance.image) {
        "impaired"
    } else {
        "ok"
    }
}

fn write_status(x: &mut Xml, name: &str, status: &str) {
    let detail = match status {
        "ok" => "passed",
        "impaired" => "failed",
        other => other,
    };
    x.nest(name, |x| {
        x.text("status", status);
        if status != "not-applicable" {
            x.list("details", [detail], |x, detail| {
                x.text("name", "reachability");
                x.text("status", detail);
            });
        }
    });
}
