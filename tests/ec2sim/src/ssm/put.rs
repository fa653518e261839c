//! PutParameter.

use serde_json::{Value, json};

use super::get::required;
use super::{arn, put};
use crate::engine::{About, Done, Event, Outcome, Request, State, Validation};
use crate::iam::Ask;
use crate::model::{Parameter, ParameterVersion, Tags};
use crate::pattern::Pattern;
use crate::spec::Omitted;
use crate::wire::ApiError;

/// The parameter that PutParameter is about. The Service Authorization Reference has no tags of the parameter for it.
pub(super) fn about(state: &State, request: &Request) -> Vec<About> {
    let params = &request.params;
    let name = params.get("Name").unwrap_or("*");
    let overwrites = params.get("Overwrite").is_some_and(|v| v == "true");
    vec![About {
        request_tags: tags_of(request),
        context: vec![("ssm:Overwrite".to_owned(), overwrites.to_string())],
        ..About::of(arn(state, request, request.account(), name))
    }]
}

fn tags_of(request: &Request) -> Tags {
    let tags = request.params.tags("Tags").into_iter();
    tags.map(|(key, value)| (key, value.unwrap_or_default())).collect()
}

fn parameter<'a>(state: &'a State, request: &Request, name: &str) -> Option<&'a Parameter> {
    let region = state.world.region(request.account(), &request.region)?;
    region.consumers.parameters.get(name)
}

/// Runs PutParameter. A parameter of images is changed only once the image has been looked for.
pub(super) fn run(state: &mut State, request: &Request) -> Outcome {
    let name = required(request, "Name")?.trim().to_owned();
    let value = required(request, "Value")?.to_owned();
    check_name(request, &name)?;
    let before = parameter(state, request, &name).cloned();
    let overwrites = request.params.flag("Overwrite")?;
    let tags = tags_of(request);
    if before.is_some() && !overwrites {
        return Err(ApiError::new(
            "ParameterAlreadyExists",
            "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
        ));
    }
    if overwrites && !tags.is_empty() {
        return Err(request.service.invalid(
            "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.",
        ));
    }
    let mut after = changed(state, request, before.as_ref(), &name, &value)?;
    if before.is_none() {
        check_may_tag(state, request, &name, &tags)?;
        check_room(state, request, &after)?;
        after.tags = tags;
    }
    let number = next_number(state, request, before.as_ref(), &name);
    make_room(state, &mut after)?;
    let version = ParameterVersion {
        number,
        value,
        modified: Some(request.now),
        modified_by: Some(request.caller.arn.clone()),
        ..ParameterVersion::default()
    };
    let answer = json!({"Version": number, "Tier": after.tier});
    if after.data_type == "aws:ec2:image" {
        validate_later(state, request, after, version);
    } else {
        after.versions.push(version);
        let operation = if before.is_none() { "Create" } else { "Update" };
        let place = (request.account(), request.region.as_str());
        state.parameter_event(place, &after, (operation, None), request.now);
        put(state, request, after);
    }
    Ok(Done::did(answer, vec![name]))
}

fn check_name(request: &Request, name: &str) -> Result<(), ApiError> {
    let legal = |sign: char| sign.is_ascii_alphanumeric() || "_.-/".contains(sign);
    let lower = name.trim_start_matches('/').to_lowercase();
    if name.is_empty() || !name.chars().all(legal) || name.len() > 1011 {
        return Err(request.service.invalid(
            "Parameter name: can't be an ARN or contain other symbols than letters, digits, and _.-/, and has at most 1011 characters",
        ));
    }
    if lower.starts_with("aws") || lower.starts_with("ssm") {
        return Err(request
            .service
            .invalid("Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive)."));
    }
    if name.contains('/') && !name.starts_with('/') {
        return Err(request
            .service
            .invalid("Parameter name must be a fully qualified name."));
    }
    if name.matches('/').count() > 15 {
        return Err(ApiError::new(
            "HierarchyLevelLimitExceededException",
            "A hierarchy can have a maximum of 15 levels.",
        ));
    }
    Ok(())
}

/// Tags of a new parameter need a right of their own.
fn check_may_tag(state: &State, request: &Request, name: &str, tags: &Tags) -> Result<(), ApiError> {
    let resource = arn(state, request, request.account(), name);
    let ask = Ask {
        request_tags: tags,
        ..Ask::of("ssm:AddTagsToResource", &resource)
    };
    if tags.is_empty() || request.may_do(&ask) {
        return Ok(());
    }
    Err(request.service.denied(&request.caller.arn, ask.action, &resource))
}

/// There are so many standard parameters and no more.
fn check_room(state: &State, request: &Request, new: &Parameter) -> Result<(), ApiError> {
    let region = state.world.region(request.account(), &request.region);
    let all = region.into_iter().flat_map(|region| region.consumers.parameters.iter());
    let standard = all.filter(|(_, parameter)| parameter.tier != "Advanced").count();
    if new.tier == "Advanced" || standard < state.settings.launches.standard_parameters {
        return Ok(());
    }
    Err(ApiError::new(
        "ParameterLimitExceeded",
        "You have exceeded the number of parameters for this AWS account. Delete one or more parameters and try again.",
    ))
}

/// The parameter as it is to be, without the new version.
fn changed(
    state: &State,
    request: &Request,
    before: Option<&Parameter>,
    name: &str,
    value: &str,
) -> Result<Parameter, ApiError> {
    let given = |field: &str| request.params.get(field).map(str::to_owned);
    let invalid = |message: &str| request.service.invalid(message);
    let mut after = before.cloned().unwrap_or_else(|| Parameter {
        name: name.to_owned(),
        ..Parameter::default()
    });
    after.kind = match (given("Type"), before) {
        (Some(kind), Some(before)) if kind != before.kind => {
            return Err(ApiError::new(
                "HierarchyTypeMismatchException",
                "Parameter Store doesn't support changing a parameter type in a hierarchy. You must create a new, unique parameter.",
            ));
        }
        (Some(kind), _) if ["String", "StringList", "SecureString"].contains(&kind.as_str()) => kind,
        (Some(kind), _) => {
            return Err(ApiError::new(
                "UnsupportedParameterType",
                format!("The parameter type {kind} is not supported"),
            ));
        }
        (None, Some(before)) => before.kind.clone(),
        (None, None) => return Err(invalid("A parameter type is required when you create a parameter.")),
    };
    let keeps = before.is_some() && state.settings.launches.omitted_on_overwrite == Omitted::Kept;
    let or_kept = |new: Option<String>, old: &Option<String>| new.or_else(|| old.clone().filter(|_| keeps));
    after.description = or_kept(given("Description"), &after.description);
    after.allowed_pattern = or_kept(given("AllowedPattern"), &after.allowed_pattern);
    after.key = or_kept(given("KeyId"), &after.key);
    let data_type = or_kept(given("DataType"), &Some(after.data_type.clone()));
    after.data_type = data_type.unwrap_or_else(|| "text".to_owned());
    // Policies stay until others are sent, or none.
    if let Some(policies) = request.params.as_map().get("Policies") {
        after.policies = read_policies(request, policies)?;
    }
    after.tier = tier(request, before, &after, value)?;
    check_kind(state, request, &mut after, value)?;
    Ok(after)
}

/// The text of policies, unless there are none.
fn read_policies(request: &Request, text: &str) -> Result<Option<String>, ApiError> {
    match serde_json::from_str(if text.is_empty() { "[]" } else { text }) {
        Ok(Value::Array(all)) if all.is_empty() => Ok(None),
        Ok(Value::Array(all)) if all.iter().all(|one| one["Type"].is_string()) => Ok(Some(text.to_owned())),
        Ok(Value::Object(fields)) if fields.is_empty() => Ok(None),
        _ => Err(request
            .service
            .invalid("The policies must be a JSON array of policies, each with a Type")),
    }
}

fn tier(request: &Request, before: Option<&Parameter>, after: &Parameter, value: &str) -> Result<String, ApiError> {
    let needs_advanced = value.len() > 4096 || after.policies.is_some();
    let was_advanced = before.is_some_and(|p| p.tier == "Advanced");
    let tier = match request.params.get("Tier") {
        Some("Standard") if was_advanced => {
            return Err(request.service.invalid(
                "This parameter uses the advanced-parameter tier. You can't downgrade a parameter from the advanced-parameter tier to the standard-parameter tier.",
            ));
        }
        None if was_advanced => "Advanced",
        Some("Intelligent-Tiering") if needs_advanced || was_advanced => "Advanced",
        Some("Standard" | "Intelligent-Tiering") | None => "Standard",
        Some("Advanced") => "Advanced",
        Some(other) => return Err(request.service.invalid(format!("The tier {other} is not valid"))),
    };
    if tier == "Standard" && needs_advanced {
        return Err(request.service.invalid(
            "Standard tier parameters support a maximum parameter value of 4096 characters and no policies. To create a larger parameter value or use policies, upgrade the parameter to use the advanced-parameter tier.",
        ));
    }
    if value.len() > 8192 {
        return Err(request
            .service
            .invalid("Advanced tier parameters support a maximum parameter value of 8192 characters."));
    }
    Ok(tier.to_owned())
}

fn check_kind(state: &State, request: &Request, after: &mut Parameter, value: &str) -> Result<(), ApiError> {
    if after.kind == "SecureString" {
        let key = after.key.get_or_insert_with(|| "alias/aws/ssm".to_owned());
        let found = state.world.key(request.account(), &request.region, key);
        let usable = found.is_some_and(|k| k.unusable().is_none() && k.permits(&request.caller.principals()));
        if key != "alias/aws/ssm" && !usable {
            return Err(ApiError::new(
                "InvalidKeyId",
                format!("The key {key} does not exist, is not enabled, or may not be used"),
            ));
        }
    } else {
        after.key = None;
    }
    match after.data_type.as_str() {
        "text" => {}
        "aws:ec2:image" if after.kind == "String" => {}
        "aws:ec2:image" => {
            return Err(request
                .service
                .invalid("The data type aws:ec2:image is supported for parameters of type String only."));
        }
        other => {
            return Err(request.service.invalid(format!(
                "The data type {other} is not supported. Supported are text and aws:ec2:image."
            )));
        }
    }
    let Some(text) = &after.allowed_pattern else {
        return Ok(());
    };
    let pattern = Pattern::parse(text).ok_or_else(|| {
        ApiError::new(
            "InvalidAllowedPatternException",
            "The request doesn't meet the regular expression requirement.",
        )
    })?;
    if pattern.finds(value) {
        return Ok(());
    }
    Err(ApiError::new(
        "ParameterPatternMismatchException",
        format!("Parameter value, cannot be validated against allowedPattern: {text}"),
    ))
}

/// The number of the next version: those that are still being looked at count.
fn next_number(state: &State, request: &Request, before: Option<&Parameter>, name: &str) -> u64 {
    let latest = before.and_then(Parameter::latest).map_or(0, |v| v.number);
    let pending = state
        .validations
        .iter()
        .filter(|v| v.account == request.account() && v.region == request.region && v.parameter.name == name);
    pending.map(|v| v.version.number).fold(latest, u64::max) + 1
}

/// Beyond the limit the oldest version goes, unless it has a label.
fn make_room(state: &State, parameter: &mut Parameter) -> Result<(), ApiError> {
    while parameter.versions.len() >= state.settings.launches.parameter_versions.max(1) {
        let oldest = parameter
            .versions
            .iter()
            .min_by_key(|v| v.number)
            .cloned()
            .unwrap_or_default();
        if !oldest.labels.is_empty() {
            return Err(ApiError::new(
                "ParameterMaxVersionLimitExceeded",
                format!(
                    "You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. Version {}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another version of the parameter, and try again.",
                    parameter.name, oldest.number
                ),
            ));
        }
        parameter.versions.retain(|v| v.number != oldest.number);
    }
    Ok(())
}

fn validate_later(state: &mut State, request: &Request, parameter: Parameter, version: ParameterVersion) {
    let seconds = state.settings.launches.image_parameter_seconds.max(0.0);
    let may_look = request.may("ec2:DescribeImages");
    let validation = Validation {
        account: request.account().to_owned(),
        region: request.region.clone(),
        parameter,
        version,
        may_look,
    };
    let event = Event::Parameter {
        account: validation.account.clone(),
        region: validation.region.clone(),
        name: validation.parameter.name.clone(),
        number: validation.version.number,
    };
    state.validations.push(validation);
    state.events.insert((request.now.plus_seconds(seconds), event));
}
