//! What a group launches by, as calls say it and as answers show it.

use serde_json::{Map, Value};

use crate::engine::{Request, State};
use crate::iam::Ask;
use crate::model::{GroupOverride, LaunchBy, MixedInstances, Region, TemplateRef};
use crate::wire::{ApiError, Params, Xml};

fn reference(params: &Params, prefix: &str) -> Option<TemplateRef> {
    let part = |name: &str| params.get(&format!("{prefix}.{name}")).map(str::to_owned);
    let reference = TemplateRef {
        id: part("LaunchTemplateId"),
        name: part("LaunchTemplateName"),
        version: part("Version"),
        template: None,
    };
    (reference.id.is_some() || reference.name.is_some()).then_some(reference)
}

/// What a call says that a group is to launch by, if it does; `prefix` ends in a point or is empty. What it leaves out of a
/// mixed instances policy is as it was.
pub(super) fn read(request: &Request, prefix: &str, before: &LaunchBy) -> Result<Option<LaunchBy>, ApiError> {
    let params = &request.params;
    let is_given = |name: &str| {
        params
            .as_map()
            .keys()
            .any(|key| key.starts_with(&format!("{prefix}{name}")))
    };
    let given = ["LaunchConfigurationName", "LaunchTemplate.", "MixedInstancesPolicy."].map(is_given);
    match given.iter().filter(|g| **g).count() {
        0 => return Ok(None),
        1 => {}
        _ => {
            return Err(request.service.invalid(
                "Valid requests must contain either LaunchTemplate, LaunchConfigurationName, or MixedInstancesPolicy parameter.",
            ));
        }
    }
    let missing = || {
        request
            .service
            .invalid("Valid requests must contain either launchTemplateId or LaunchTemplateName")
    };
    let mut by = LaunchBy::default();
    match given {
        [true, ..] => {
            by.launch_configuration = params
                .get(&format!("{prefix}LaunchConfigurationName"))
                .map(str::to_owned);
        }
        [_, true, _] => {
            by.launch_template = Some(reference(params, &format!("{prefix}LaunchTemplate")).ok_or_else(missing)?);
        }
        _ => {
            let prefix = format!("{prefix}MixedInstancesPolicy");
            let mut mixed = before.mixed_instances.clone().unwrap_or_default();
            match reference(params, &format!("{prefix}.LaunchTemplate.LaunchTemplateSpecification")) {
                Some(reference) => mixed.launch_template = reference,
                None if before.mixed_instances.is_none() => return Err(missing()),
                None => {}
            }
            read_mixed(params, &prefix, &mut mixed);
            by.mixed_instances = Some(mixed);
        }
    }
    Ok(Some(by))
}

fn read_mixed(params: &Params, prefix: &str, mixed: &mut MixedInstances) {
    let list = format!("{prefix}.LaunchTemplate.Overrides.member");
    let overrides: Vec<GroupOverride> = params
        .indices(&list)
        .into_iter()
        .map(|i| {
            let one = format!("{list}.{i}");
            let text = |name: &str| params.get(&format!("{one}.{name}")).map(str::to_owned);
            GroupOverride {
                instance_type: text("InstanceType"),
                weight: text("WeightedCapacity"),
                image: text("ImageId"),
                launch_template: reference(params, &format!("{one}.LaunchTemplateSpecification")),
            }
        })
        .collect();
    if !overrides.is_empty() {
        mixed.overrides = overrides;
    }
    let distribution = format!("{prefix}.InstancesDistribution.");
    for (name, value) in params.as_map() {
        if let Some(field) = name.strip_prefix(&distribution).filter(|field| !field.contains('.')) {
            mixed
                .distribution
                .insert(field.to_owned(), Value::String(value.clone()));
        }
    }
}

/// Refuses templates, versions and launch configurations that are not there.
pub(super) fn check(state: &State, request: &Request, by: &LaunchBy) -> Result<(), ApiError> {
    let invalid = |message: String| Err(request.service.invalid(message));
    let Some(region) = state.world.region(request.account(), &request.region) else {
        return Ok(());
    };
    for reference in by.templates() {
        let (kind, name) = match (&reference.id, &reference.name) {
            (Some(id), _) => ("ID", id.as_str()),
            (None, name) => ("name", name.as_deref().unwrap_or_default()),
        };
        if region.template(reference).is_none() {
            return invalid(format!(
                "You must use a valid fully-formed launch template. The specified launch template, with template {kind} {name}, does not exist."
            ));
        }
        if region.template_version(reference).is_none() {
            return invalid(format!(
                "You must use a valid fully-formed launch template. Could not find the specified version {} for the launch template with {kind} {name}.",
                reference.version.as_deref().unwrap_or_default()
            ));
        }
    }
    if let Some(name) = &by.launch_configuration
        && region.consumers.launch_configurations.get(name).is_none()
    {
        return invalid(format!("Launch configuration name not found - {name}"));
    }
    for image in by.images() {
        if !crate::spec::is_resource_id("ami", image) {
            return invalid(format!("The image ID {image} is not valid"));
        }
    }
    if state.settings.launches.group_rights {
        for reference in by.templates() {
            check_rights(state, request, region, reference)?;
        }
    }
    Ok(())
}

/// Whoever sets a group to a launch template could launch from it too, and give instances its role. A profile has its role's name here.
fn check_rights(state: &State, request: &Request, region: &Region, reference: &TemplateRef) -> Result<(), ApiError> {
    let Some(template) = region.template(reference) else {
        return Ok(());
    };
    let account = request.account();
    let partition = state.world.partition(account);
    let resource = format!(
        "arn:{partition}:ec2:{}:{account}:launch-template/{}",
        request.region, template.id
    );
    let context = [("ec2:LaunchTemplate".to_owned(), resource.clone())];
    let launching = Ask {
        resource_tags: &template.tags,
        context: &context,
        ..Ask::of("ec2:RunInstances", &resource)
    };
    check_may(request, &launching)?;
    let version = region.template_version(reference);
    let profile = version.and_then(|version| version.data.get("IamInstanceProfile"));
    let text = |name: &str| profile.and_then(|profile| profile[name].as_str());
    let Some(profile) = text("Name").or_else(|| text("Arn")) else {
        return Ok(());
    };
    let role = profile.rsplit('/').next().unwrap_or(profile);
    let resource = format!("arn:{partition}:iam::{account}:role/{role}");
    let context = [("iam:PassedToService".to_owned(), "ec2.amazonaws.com".to_owned())];
    check_may(
        request,
        &Ask {
            context: &context,
            ..Ask::of("iam:PassRole", &resource)
        },
    )
}

fn check_may(request: &Request, ask: &Ask<'_>) -> Result<(), ApiError> {
    if request.may_do(ask) {
        return Ok(());
    }
    Err(request.service.denied(&request.caller.arn, ask.action, ask.resource))
}

/// Writes a reference to a launch template.
pub(super) fn write_template(x: &mut Xml, name: &str, reference: &TemplateRef) {
    x.nest(name, |x| {
        x.maybe("LaunchTemplateId", reference.id.as_deref());
        x.maybe("LaunchTemplateName", reference.name.as_deref());
        x.maybe("Version", reference.version.as_deref());
    });
}

/// Writes a mixed instances policy.
pub(super) fn write_mixed(x: &mut Xml, mixed: &MixedInstances) {
    x.nest("LaunchTemplate", |x| {
        write_template(x, "LaunchTemplateSpecification", &mixed.launch_template);
        x.members("Overrides", &mixed.overrides, |x, one| {
            x.maybe("InstanceType", one.instance_type.as_deref());
            x.maybe("WeightedCapacity", one.weight.as_deref());
            if let Some(reference) = &one.launch_template {
                write_template(x, "LaunchTemplateSpecification", reference);
            }
            x.maybe("ImageId", one.image.as_deref());
        });
    });
    x.nest("InstancesDistribution", |x| {
        let mut all: Map<String, Value> = [
            ("OnDemandAllocationStrategy", "prioritized"),
            ("OnDemandBaseCapacity", "0"),
            ("OnDemandPercentageAboveBaseCapacity", "100"),
            ("SpotAllocationStrategy", "lowest-price"),
        ]
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .into_iter()
        .collect();
        all.extend(mixed.distribution.clone());
        for (name, value) in &all {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            x.text(name, &text);
        }
    });
}

/// Writes what a group is to launch by.
pub(super) fn write(x: &mut Xml, name: &str, by: &LaunchBy) {
    x.nest(name, |x| {
        if let Some(reference) = &by.launch_template {
            write_template(x, "LaunchTemplate", reference);
        }
        if let Some(mixed) = &by.mixed_instances {
            x.nest("MixedInstancesPolicy", |x| write_mixed(x, mixed));
        }
    });
}
