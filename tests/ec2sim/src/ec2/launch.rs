//! RunInstances.

use super::instances::write_reservation;
use super::template_data::{read_devices, tree};
use super::templates::{no_such_id, no_such_name, no_such_version};
use super::{check_image_id, invalid_value, tags};
use crate::engine::{Done, Outcome, Request, Starting, State};
use crate::kms;
use crate::launching::{self, Who};
use crate::model::{Instance, Tags, TemplateDevice, TemplateRef, TemplateVersion, TokenUse};
use crate::spec::is_resource_id;
use crate::wire::{ApiError, Params, Xml};

/// What a call asks for.
struct Asked {
    image: String,
    instance_type: String,
    devices: Vec<TemplateDevice>,
    subnet: Option<String>,
    count: usize,
    tags: Tags,
}

/// Runs RunInstances: answers with pending instances. Whether their keys can be used shows later.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    let token = token_of(request)?;
    let fingerprint = request.params.fingerprint(&["ClientToken", "DryRun"]);
    if let Some(ids) = earlier(state, request, token.as_deref(), &fingerprint)? {
        return Ok(answer(state, request, &ids, Vec::new()));
    }
    let asked = read(state, request)?;
    let place = (&state.world, request.account(), request.region.as_str());
    if let Some(error) = launching::refusal(place, &asked.image, request.now)
        .or_else(|| launching::mapping_refusal(place, &asked.devices))
        .or_else(|| launching::type_refusal(state.world.image(place.2, &asked.image)?, &asked.instance_type))
    {
        return Err(error);
    }
    let mut ids = Vec::new();
    for _ in 0..asked.count {
        let id = format!("i-{}", state.hex(17));
        start(state, request, &id, &asked, token.as_deref());
        ids.push(id);
    }
    if let (Some(token), Some(region)) = (token, state.world.region_mut(request.account(), &request.region)) {
        let used = TokenUse {
            parameters: fingerprint,
            image: ids.join(","),
        };
        region.tokens.insert(format!("RunInstances:{token}"), used);
    }
    Ok(answer(state, request, &ids, ids.clone()))
}

fn token_of(request: &Request) -> Result<Option<String>, ApiError> {
    match request.params.get("ClientToken") {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            Err(invalid_value("The client token must be 64 ASCII characters or fewer"))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

/// The instances that the same token has made before.
fn earlier(
    state: &State,
    request: &Request,
    token: Option<&str>,
    fingerprint: &str,
) -> Result<Option<Vec<String>>, ApiError> {
    let region = state.world.region(request.account(), &request.region);
    let used = token.and_then(|token| region?.tokens.get(&format!("RunInstances:{token}")));
    let Some(used) = used else {
        return Ok(None);
    };
    if used.parameters != fingerprint {
        return Err(ApiError::new(
            "IdempotentParameterMismatch",
            "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
        ));
    }
    let ids: Vec<String> = used.image.split(',').map(str::to_owned).collect();
    let there = |id: &String| {
        region
            .and_then(|r| r.consumers.instances.get(id))
            .is_some_and(Instance::is_there)
    };
    if !ids.iter().any(there) {
        return Err(ApiError::new(
            "IdempotentInstanceTerminated",
            "The request to launch an instance uses the same client token as a previous request for which the instance has been terminated.",
        ));
    }
    Ok(Some(ids))
}

fn read(state: &State, request: &Request) -> Result<Asked, ApiError> {
    let params = &request.params;
    let by_template = template(state, request)?;
    let image = params
        .get("ImageId")
        .map(str::to_owned)
        .or_else(|| by_template.and_then(|v| v.image.clone()))
        .ok_or_else(|| ApiError::new("MissingParameter", "The request must contain the parameter ImageId"))?;
    let image = match image.strip_prefix(crate::model::RESOLVE) {
        None => image,
        Some(_) => state
            .world
            .resolve_image(request.account(), &request.region, &image)
            .map(str::to_owned)
            .ok_or_else(|| invalid_value(format!("{image} could not be resolved")))?,
    };
    check_image_id(&image)?;
    let instance_type = params
        .get("InstanceType")
        .map(str::to_owned)
        .or_else(|| by_template.and_then(|v| v.instance_type.clone()));
    let mut devices = read_devices(params, "BlockDeviceMapping")?;
    let inherited = by_template.into_iter().flat_map(|v| &v.devices);
    let fresh: Vec<_> = inherited
        .filter(|old| devices.iter().all(|new| new.device != old.device))
        .cloned()
        .collect();
    devices.extend(fresh);
    Ok(Asked {
        image,
        instance_type: instance_type.unwrap_or_else(|| "m1.small".to_owned()),
        devices,
        subnet: subnet(state, params)?,
        count: count(params)?,
        tags: instance_tags(params)?,
    })
}

/// The version of a launch template that a call names.
fn template<'a>(state: &'a State, request: &Request) -> Result<Option<&'a TemplateVersion>, ApiError> {
    let part = |name: &str| request.params.get(&format!("LaunchTemplate.{name}")).map(str::to_owned);
    let reference = TemplateRef {
        id: part("LaunchTemplateId"),
        name: part("LaunchTemplateName"),
        version: part("Version"),
        template: None,
    };
    if reference.id.is_none() && reference.name.is_none() {
        return Ok(None);
    }
    let region = state.world.region(request.account(), &request.region);
    let found = region.and_then(|r| r.template(&reference));
    let template = found.ok_or_else(|| match (&reference.id, &reference.name) {
        (Some(id), _) => no_such_id(id),
        (None, name) => no_such_name(name.as_deref().unwrap_or_default()),
    })?;
    let wanted = reference.version.as_deref();
    let version = template.version(wanted);
    version
        .map(Some)
        .ok_or_else(|| no_such_version(template, wanted.unwrap_or_default()))
}

/// The subnet, of the instance or of its first network interface.
fn subnet(state: &State, params: &Params) -> Result<Option<String>, ApiError> {
    let of_interface = params.get("NetworkInterface.1.SubnetId");
    let of_instance = params.get("SubnetId");
    if of_instance.is_some() && !params.indices("NetworkInterface").is_empty() {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "Network interfaces and an instance-level subnet ID may not be specified on the same request",
        ));
    }
    let Some(id) = of_instance.or(of_interface) else {
        return Ok(None);
    };
    let known = &state.settings.launches.subnets;
    if !is_resource_id("subnet", id) || (!known.is_empty() && !known.iter().any(|one| one == id)) {
        return Err(ApiError::new(
            "InvalidSubnetID.NotFound",
            format!("The subnet ID '{id}' does not exist"),
        ));
    }
    Ok(Some(id.to_owned()))
}

fn count(params: &Params) -> Result<usize, ApiError> {
    let number = |name: &str| -> Result<usize, ApiError> {
        let text = params.required(name)?;
        text.parse()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| invalid_value(format!("Invalid value '{text}' for {name}")))
    };
    let (least, most) = (number("MinCount")?, number("MaxCount")?);
    if least > most {
        return Err(invalid_value("MinCount must not be larger than MaxCount"));
    }
    Ok(most)
}

fn instance_tags(params: &Params) -> Result<Tags, ApiError> {
    let mut all = Tags::new();
    for i in params.indices("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        let read = tags::read(params, &format!("{prefix}.Tag"))?;
        match params.required(&format!("{prefix}.ResourceType"))? {
            "instance" => all.extend(read),
            "volume" | "network-interface" | "spot-instances-request" => {}
            other => {
                return Err(invalid_value(format!(
                    "'{other}' is not a valid taggable resource type for this operation."
                )));
            }
        }
    }
    tags::check_number(&all)?;
    Ok(all)
}

fn start(state: &mut State, request: &Request, id: &str, asked: &Asked, token: Option<&str>) {
    let metadata = tree(&request.params, "MetadataOptions");
    let instance = Instance {
        id: id.to_owned(),
        image: asked.image.clone(),
        instance_type: asked.instance_type.clone(),
        subnet: asked.subnet.clone(),
        client_token: token.map(str::to_owned),
        metadata: metadata.as_object().cloned().unwrap_or_default(),
        tags: asked.tags.clone(),
        ..Instance::default()
    };
    let starting = Starting {
        who: Who::Caller(request.caller.principals()),
        devices: asked.devices.clone(),
        lacks: lacking(state, request, &asked.image),
    };
    state.launch((request.account(), &request.region), instance, starting, request.now);
}

/// An action on a key of the image that the caller needs and may not do.
fn lacking(state: &State, request: &Request, image: &str) -> Option<String> {
    let image = state.world.image(&request.region, image)?;
    let snapshots = image
        .snapshot_ids()
        .filter_map(|s| state.world.snapshot(&request.region, s));
    let keys: Vec<&str> = snapshots.filter_map(|s| s.key_arn.as_deref()).collect();
    let actions = &state.settings.launches.key_actions;
    let lacking = |arn: &&str| kms::lacking(state, request, &request.region, arn, actions);
    keys.iter().find_map(lacking)
}

fn answer(state: &State, request: &Request, ids: &[String], effects: Vec<String>) -> Done {
    let region = state.world.region(request.account(), &request.region);
    let made: Vec<&Instance> = ids
        .iter()
        .filter_map(|id| region?.consumers.instances.get(id))
        .collect();
    let mut xml = Xml::new();
    write_reservation(&mut xml, &made, state, request);
    Done::wrote(xml, effects)
}
