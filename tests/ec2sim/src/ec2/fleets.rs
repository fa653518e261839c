//! DescribeFleets, DescribeSpotFleetRequests and DescribeSpotInstanceRequests.

use super::list::{Filters, page, page_by_default, tag_values};
use super::{devices, tags};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Consumers, FleetConfig, LaunchSpecification, Shelf, SpotFleet, SpotRequest, TemplateRef};
use crate::wire::{ApiError, Xml};

fn consumers<'a>(state: &'a State, request: &Request) -> Option<&'a Consumers> {
    state
        .world
        .region(request.account(), &request.region)
        .map(|r| &r.consumers)
}

/// Keys of the things that a reader sees and that match; all that are named must be there.
fn find<T: Clone>(
    shelf: Option<&Shelf<T>>,
    request: &Request,
    (parameter, not_found): (&str, &str),
    mut accept: impl FnMut(&T, bool) -> Result<bool, ApiError>,
) -> Result<Vec<String>, ApiError> {
    let wanted = request.params.list(parameter);
    let mut unknown = wanted.clone();
    let mut found = Vec::new();
    for (key, one) in shelf.into_iter().flat_map(|s| s.seen(request.now)) {
        let named = wanted.contains(&key);
        if !named && !wanted.is_empty() {
            continue;
        }
        unknown.retain(|id| *id != key);
        if accept(one, named)? {
            found.push(key.to_owned());
        }
    }
    match unknown.first() {
        None => Ok(found),
        Some(id) => Err(ApiError::new(not_found, format!("The ID '{id}' does not exist"))),
    }
}

fn write_template(x: &mut Xml, reference: &TemplateRef) {
    x.nest("launchTemplateSpecification", |x| {
        x.maybe("launchTemplateId", reference.id.as_deref());
        x.maybe("launchTemplateName", reference.name.as_deref());
        x.maybe("version", reference.version.as_deref());
    });
}

fn write_configs(x: &mut Xml, configs: &[FleetConfig]) {
    x.list("launchTemplateConfigs", configs, |x, config| {
        write_template(x, &config.launch_template);
        x.list("overrides", &config.overrides, |x, one| {
            x.maybe("instanceType", one.instance_type.as_deref());
            x.maybe("imageId", one.image.as_deref());
            devices::write(x, "blockDeviceMappingSet", &one.devices);
        });
    });
}

/// Runs DescribeFleets. An instant fleet is shown only by its ID.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&["activity-status", "fleet-state", "type"])?;
    let fleets = consumers(state, request).map(|c| &c.fleets);
    let found = find(
        fleets,
        request,
        ("FleetId", "InvalidFleetId.NotFound"),
        |fleet, named| {
            let accepted = filters.accept(|name| match name {
                "activity-status" => Some(vec!["fulfilled".to_owned()]),
                "fleet-state" => Some(vec![fleet.state.replace('_', "-")]),
                "type" => Some(vec![fleet.kind.clone()]),
                _ => None,
            })?;
            Ok(accepted && (named || fleet.kind != "instant"))
        },
    )?;
    let page = page_by_default(state, request, found, (1, 1000), &["FleetId"])?;
    let mut xml = Xml::new();
    let shown = page
        .ids
        .iter()
        .filter_map(|id| consumers(state, request)?.fleets.get_seen(id, request.now));
    xml.list("fleetSet", shown, |x, fleet| {
        x.text("activityStatus", "fulfilled");
        x.maybe("createTime", fleet.created);
        x.text("fleetId", &fleet.id);
        x.text("fleetState", &fleet.state);
        x.text("excessCapacityTerminationPolicy", "termination");
        write_configs(x, &fleet.templates);
        x.nest("targetCapacitySpecification", |x| {
            x.value("totalTargetCapacity", fleet.target.unwrap_or(1));
        });
        x.text("type", &fleet.kind);
        if !fleet.tags.is_empty() {
            tags::write(x, &fleet.tags);
        }
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// Runs DescribeSpotFleetRequests.
pub(super) fn describe_spot_fleets(state: &mut State, request: &Request) -> Outcome {
    let fleets = consumers(state, request).map(|c| &c.spot_fleets);
    let by = ("SpotFleetRequestId", "InvalidSpotFleetRequestId.NotFound");
    let found = find(fleets, request, by, |_, _| Ok(true))?;
    let page = page_by_default(state, request, found, (1, 1000), &[by.0])?;
    let mut xml = Xml::new();
    let shown = page
        .ids
        .iter()
        .filter_map(|id| consumers(state, request)?.spot_fleets.get_seen(id, request.now));
    xml.list("spotFleetRequestConfigSet", shown, |x, fleet| {
        x.text("activityStatus", "fulfilled");
        x.maybe("createTime", fleet.created);
        x.nest("spotFleetRequestConfig", |x| write_spot_fleet(x, fleet, state, request));
        x.text("spotFleetRequestId", &fleet.id);
        x.text("spotFleetRequestState", &fleet.state);
        if !fleet.tags.is_empty() {
            tags::write(x, &fleet.tags);
        }
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

fn write_spot_fleet(x: &mut Xml, fleet: &SpotFleet, state: &State, request: &Request) {
    let default = format!(
        "arn:{}:iam::{}:role/aws-service-role/spotfleet.amazonaws.com/AWSServiceRoleForEC2SpotFleet",
        state.world.partition(request.account()),
        request.account()
    );
    x.text("allocationStrategy", "priceCapacityOptimized");
    x.text("iamFleetRole", fleet.role.as_deref().unwrap_or(&default));
    if !fleet.specifications.is_empty() {
        x.list("launchSpecifications", &fleet.specifications, write_specification);
    }
    if !fleet.templates.is_empty() {
        write_configs(x, &fleet.templates);
    }
    x.value("targetCapacity", fleet.target.unwrap_or(1));
    x.text("type", &fleet.kind);
}

fn write_specification(x: &mut Xml, one: &LaunchSpecification) {
    x.text("imageId", &one.image);
    x.maybe("instanceType", one.instance_type.as_deref());
    devices::write(x, "blockDeviceMapping", &one.devices);
}

const SPOT_FILTERS: [&str; 7] = [
    "create-time",
    "instance-id",
    "launch.image-id",
    "spot-instance-request-id",
    "state",
    "tag-key",
    "type",
];

/// Runs DescribeSpotInstanceRequests.
pub(super) fn describe_spot_requests(state: &mut State, request: &Request) -> Outcome {
    let filters = Filters::read(&request.params)?;
    filters.check_names(&SPOT_FILTERS)?;
    let requests = consumers(state, request).map(|c| &c.spot_requests);
    let by = ("SpotInstanceRequestId", "InvalidSpotInstanceRequestID.NotFound");
    let found = find(requests, request, by, |one, _| {
        filters.accept(|name| match name {
            "create-time" => Some(one.created.map(|t| t.to_string()).into_iter().collect()),
            "instance-id" => Some(one.instance.clone().into_iter().collect()),
            "launch.image-id" => Some(vec![one.image.clone()]),
            "spot-instance-request-id" => Some(vec![one.id.clone()]),
            "state" => Some(vec![one.state.clone()]),
            "type" => Some(vec![one.kind.clone()]),
            _ => tag_values(name, &one.tags),
        })
    })?;
    let page = page(state, request, found, (5, 1000), by.0)?;
    let mut xml = Xml::new();
    let shown = page
        .ids
        .iter()
        .filter_map(|id| consumers(state, request)?.spot_requests.get_seen(id, request.now));
    xml.list("spotInstanceRequestSet", shown, write_spot_request);
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

fn write_spot_request(x: &mut Xml, one: &SpotRequest) {
    x.maybe("createTime", one.created);
    x.maybe("instanceId", one.instance.as_deref());
    x.nest("launchSpecification", |x| {
        x.text("imageId", &one.image);
        x.maybe("instanceType", one.instance_type.as_deref());
        devices::write(x, "blockDeviceMapping", &one.devices);
    });
    x.text("productDescription", "Linux/UNIX");
    x.text("spotInstanceRequestId", &one.id);
    x.text("state", &one.state);
    x.nest("status", |x| {
        let fulfilled = one.instance.is_some();
        x.text("code", if fulfilled { "fulfilled" } else { "pending-evaluation" });
        x.text("message", "");
    });
    x.text("type", &one.kind);
    if !one.tags.is_empty() {
        tags::write(x, &one.tags);
    }
}
