//! DescribeInstances and DescribeInstanceImageMetadata.

use super::list::{Filters, page, page_by_default, tag_values};
use super::{check_id, tags, template_data};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Image, Instance, LaunchPermission};
use crate::spec::INSTANCE_STATES;
use crate::wire::{ApiError, Xml};

const FILTERS: [&str; 17] = [
    "architecture",
    "availability-zone",
    "client-token",
    "image-id",
    "instance-id",
    "instance-lifecycle",
    "instance-state-code",
    "instance-state-name",
    "instance-type",
    "launch-time",
    "operator.managed",
    "operator.principal",
    "owner-id",
    "spot-instance-request-id",
    "state-reason-code",
    "subnet-id",
    "tag-key",
];

/// Runs DescribeInstances.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::read(params)?;
    filters.check_names(&FILTERS)?;
    let hidden_too = params.flag("IncludeManagedResources")?;
    let found = find(state, request, hidden_too, |instance| {
        filters.accept(|name| filter_values(name, instance, request))
    })?;
    let page = page(state, request, found, (5, 1000), "InstanceId")?;
    let mut xml = Xml::new();
    xml.list("reservationSet", shown(state, request, &page.ids), |x, instance| {
        write_reservation(x, &[instance], state, request);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// Writes instances that were launched together.
pub(super) fn write_reservation(x: &mut Xml, instances: &[&Instance], state: &State, request: &Request) {
    let first = instances.first().map_or("", |instance| &instance.id[2..]);
    x.text("reservationId", &format!("r-{first}"));
    x.text("ownerId", request.account());
    x.list("groupSet", None::<&str>, |_, _| {});
    x.list("instancesSet", instances, |x, instance| {
        write(x, instance, state, request)
    });
}

/// The error for instances that are not there.
pub(super) fn not_found(ids: &[&str]) -> ApiError {
    let message = if let [id] = ids {
        format!("The instance ID '{id}' does not exist")
    } else {
        format!("The instance IDs '{}' do not exist", ids.join(", "))
    };
    ApiError::new("InvalidInstanceID.NotFound", message)
}

/// IDs of the instances that a reader sees and that match; all that are named must be there.
pub(super) fn find(
    state: &State,
    request: &Request,
    hidden_too: bool,
    mut accept: impl FnMut(&Instance) -> Result<bool, ApiError>,
) -> Result<Vec<String>, ApiError> {
    let wanted = request.params.list("InstanceId");
    for id in &wanted {
        check_id("i", "InvalidInstanceID.Malformed", id)?;
    }
    let mut found = Vec::new();
    let mut unknown = wanted.clone();
    for instance in seen(state, request, hidden_too) {
        if !wanted.is_empty() && !wanted.contains(&instance.id.as_str()) {
            continue;
        }
        unknown.retain(|id| *id != instance.id);
        if accept(instance)? {
            found.push(instance.id.clone());
        }
    }
    if unknown.is_empty() {
        return Ok(found);
    }
    Err(not_found(&unknown))
}

/// The instances of the caller that a reader sees: terminated ones for a while.
pub(super) fn seen<'a>(
    state: &'a State,
    request: &'a Request,
    hidden_too: bool,
) -> impl Iterator<Item = &'a Instance> + use<'a> {
    let linger = state.settings.consumers.terminated_seconds;
    let now = request.now;
    let region = state.world.region(request.account(), &request.region);
    region
        .into_iter()
        .flat_map(move |r| r.consumers.instances.seen(now))
        .map(|(_, instance)| instance)
        .filter(move |i| hidden_too || !i.hidden)
        .filter(move |i| i.terminated_at.is_none_or(|t| now < t.plus_seconds(linger)))
}

/// The instances of a page.
pub(super) fn shown<'a>(state: &'a State, request: &Request, ids: &[String]) -> Vec<&'a Instance> {
    let Some(region) = state.world.region(request.account(), &request.region) else {
        return Vec::new();
    };
    let instances = &region.consumers.instances;
    ids.iter()
        .filter_map(|id| instances.get_seen(id, request.now))
        .collect()
}

/// The number of a state.
pub(super) fn code(state: &str) -> u32 {
    INSTANCE_STATES
        .iter()
        .find(|(name, _)| *name == state)
        .map_or(16, |(_, code)| *code)
}

fn filter_values(name: &str, instance: &Instance, request: &Request) -> Option<Vec<String>> {
    let one = |text: &str| Some(vec![text.to_owned()]);
    let maybe = |text: Option<&String>| Some(text.cloned().into_iter().collect());
    match name {
        "architecture" => one("x86_64"),
        "availability-zone" => one(&zone(request)),
        "image-id" => one(&instance.image),
        "instance-id" => one(&instance.id),
        "instance-lifecycle" => Some(lifecycle(instance).into_iter().map(str::to_owned).collect()),
        "instance-state-code" => one(&code(&instance.state).to_string()),
        "instance-state-name" => one(&instance.state),
        "instance-type" => one(&instance.instance_type),
        "launch-time" => Some(instance.launch_time.map(|t| t.to_string()).into_iter().collect()),
        "operator.managed" => one(&instance.managed_by.is_some().to_string()),
        "operator.principal" => maybe(instance.managed_by.as_ref()),
        "owner-id" => one(request.account()),
        "spot-instance-request-id" => maybe(instance.spot_request.as_ref()),
        "client-token" => maybe(instance.client_token.as_ref()),
        "subnet-id" => maybe(instance.subnet.as_ref()),
        "state-reason-code" => Some(reason_code(instance).into_iter().map(str::to_owned).collect()),
        _ => tag_values(name, &instance.tags),
    }
}

/// The zone that all instances are in.
pub(super) fn zone(request: &Request) -> String {
    format!("{}a", request.region)
}

fn lifecycle(instance: &Instance) -> Option<&'static str> {
    instance.spot_request.as_ref().map(|_| "spot")
}

/// The code before the sentence of a state's reason.
fn reason_code(instance: &Instance) -> Option<&str> {
    instance.state_reason.as_deref()?.split(':').next()
}

/// Writes a state under a name.
pub(super) fn write_state_as(x: &mut Xml, name: &str, state: &str) {
    x.nest(name, |x| {
        x.value("code", code(state));
        x.text("name", state);
    });
}

fn write_state(x: &mut Xml, state: &str) {
    write_state_as(x, "instanceState", state);
}

/// Writes who manages something.
pub(super) fn write_operator(x: &mut Xml, principal: Option<&str>, hidden: bool) {
    x.nest("operator", |x| {
        x.value("managed", principal.is_some());
        x.maybe("principal", principal);
        if principal.is_some() {
            x.value("hiddenByDefault", hidden);
        }
    });
}

fn write(x: &mut Xml, instance: &Instance, state: &State, request: &Request) {
    x.text("instanceId", &instance.id);
    x.text("imageId", &instance.image);
    write_state(x, &instance.state);
    x.text("privateDnsName", "");
    x.text("dnsName", "");
    x.text("reason", "");
    x.value("amiLaunchIndex", 0);
    x.text("instanceType", &instance.instance_type);
    x.maybe("launchTime", instance.launch_time);
    x.nest("placement", |x| {
        x.text("availabilityZone", &zone(request));
        x.text("groupName", "");
        x.text("tenancy", "default");
    });
    x.nest("monitoring", |x| x.text("state", "disabled"));
    x.text("architecture", "x86_64");
    let image = state.world.image(&request.region, &instance.image);
    let root = image.map_or("/dev/xvda", |i| i.attributes.root_device_name.as_str());
    x.text("rootDeviceType", "ebs");
    x.text("rootDeviceName", root);
    if instance.is_there() {
        x.list("blockDeviceMapping", [root], |x, device| {
            x.text("deviceName", device);
            x.nest("ebs", |x| {
                x.text("volumeId", &format!("vol-{}", &instance.id[2..]));
                x.text("status", "attached");
                x.maybe("attachTime", instance.launch_time);
                x.value("deleteOnTermination", true);
            });
        });
    }
    x.text("virtualizationType", "hvm");
    x.text("hypervisor", "xen");
    x.maybe("instanceLifecycle", lifecycle(instance));
    x.maybe("spotInstanceRequestId", instance.spot_request.as_deref());
    x.maybe("clientToken", instance.client_token.as_deref());
    x.maybe("subnetId", instance.subnet.as_deref());
    if let (Some(code), Some(reason)) = (reason_code(instance), &instance.state_reason) {
        x.nest("stateReason", |x| {
            x.text("code", code);
            x.text("message", reason);
        });
    }
    if !instance.metadata.is_empty() {
        x.nest("metadataOptions", |x| template_data::write(x, &instance.metadata));
    }
    if !instance.tags.is_empty() {
        tags::write(x, &instance.tags);
    }
    write_operator(x, instance.managed_by.as_deref(), instance.hidden);
}

/// Runs DescribeInstanceImageMetadata: what is known of the images of instances, whatever became of them.
pub(super) fn describe_metadata(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&METADATA_FILTERS)?;
    let found = find(state, request, false, |instance| {
        let image = state.world.image(&request.region, &instance.image);
        filters.accept(|name| metadata_values(name, instance, image, request))
    })?;
    let page = page_by_default(state, request, found, (1, 1000), &["InstanceId"])?;
    let mut xml = Xml::new();
    let instances = shown(state, request, &page.ids);
    xml.list("instanceImageMetadataSet", instances, |x, instance| {
        x.text("instanceId", &instance.id);
        x.text("instanceType", &instance.instance_type);
        x.maybe("launchTime", instance.launch_time);
        x.text("availabilityZone", &zone(request));
        write_state(x, &instance.state);
        x.text("instanceOwnerId", request.account());
        if !instance.tags.is_empty() {
            tags::write(x, &instance.tags);
        }
        let image = state.world.image(&request.region, &instance.image);
        x.nest("imageMetadata", |x| write_image(x, &instance.image, image, request.now));
        write_operator(x, instance.managed_by.as_deref(), instance.hidden);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

const METADATA_FILTERS: [&str; 9] = [
    "availability-zone",
    "image-allowed",
    "image-id",
    "image-name",
    "instance-id",
    "instance-state-name",
    "instance-type",
    "owner-id",
    "tag-key",
];

fn metadata_values(name: &str, instance: &Instance, image: Option<&Image>, request: &Request) -> Option<Vec<String>> {
    match name {
        "image-allowed" => Some(vec!["true".to_owned()]),
        "image-name" => Some(image.map(|i| i.name.clone()).into_iter().collect()),
        "owner-id" => Some(image.map(|i| i.owner.clone()).into_iter().collect()),
        _ => filter_values(name, instance, request),
    }
}

fn write_image(x: &mut Xml, id: &str, image: Option<&Image>, now: SimTime) {
    x.text("imageId", id);
    let Some(image) = image else {
        return;
    };
    x.text("name", &image.name);
    x.text("imageOwnerId", &image.owner);
    let state = if image.exists() {
        image.state.as_str()
    } else {
        "deregistered"
    };
    x.text("imageState", state);
    x.value("creationDate", image.creation_date);
    x.maybe("deprecationTime", *image.deprecation_time.seen(now));
    x.value("imageAllowed", true);
    let permissions = image.launch_permissions.seen(now);
    x.value("isPublic", permissions.contains(&LaunchPermission::All));
}
