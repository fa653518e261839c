//! GetParameter, GetParameters, GetParameterHistory.

use serde_json::{Value, json};

use super::{arn, seconds, shown, value_of};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Parameter, ParameterName, ParameterVersion};
use crate::paging::{Ask, cut, size_of};
use crate::wire::ApiError;

/// The ARN of a parameter that a call names, by its name or by that ARN.
pub(super) fn name_arn(state: &State, request: &Request, text: &str) -> String {
    let parsed = ParameterName::parse(text);
    let owner = parsed.place.map_or(request.account(), |(account, _)| account);
    arn(state, request, owner, parsed.name)
}

/// The parameter that GetParameter and GetParameterHistory are about.
pub(super) fn about_name(state: &State, request: &Request) -> Vec<String> {
    let name = request.params.get("Name");
    vec![name.map_or_else(|| "*".to_owned(), |n| name_arn(state, request, n))]
}

/// The parameters that GetParameters is about.
pub(super) fn about_names(state: &State, request: &Request) -> Vec<String> {
    let names = request.params.list("Names");
    names.into_iter().map(|n| name_arn(state, request, n)).collect()
}

enum Missing {
    Parameter,
    Version,
}

/// A parameter by its name, as a reader sees it, with the account whose it is.
fn find<'a>(
    state: &'a State,
    request: &'a Request,
    text: &'a str,
) -> Result<(&'a str, &'a Parameter, &'a ParameterVersion), Missing> {
    let parsed = ParameterName::parse(text);
    let owner = parsed.place.map_or(request.account(), |(account, _)| account);
    let parameter = state
        .world
        .named_parameter(request.account(), &request.region, &parsed)
        .ok_or(Missing::Parameter)?;
    let region = state.world.region(owner, &request.region).ok_or(Missing::Parameter)?;
    let seen = region
        .consumers
        .parameters
        .get_seen(&parameter.name, request.now)
        .ok_or(Missing::Parameter)?;
    let version = seen.version(parsed.selector).ok_or(Missing::Version)?;
    Ok((owner, seen, version))
}

/// A parameter with its value, and with the version or label that it was asked for by.
fn selected(state: &State, request: &Request, text: &str) -> Result<Option<Value>, ApiError> {
    let Ok((owner, parameter, version)) = find(state, request, text) else {
        return Ok(None);
    };
    let mut value = shown(state, request, owner, (parameter, version))?;
    if let Some(selector) = ParameterName::parse(text).selector {
        value["Selector"] = json!(format!(":{selector}"));
    }
    Ok(Some(value))
}

/// A field that must be there.
pub(super) fn required<'a>(request: &'a Request, name: &str) -> Result<&'a str, ApiError> {
    request.params.get(name).ok_or_else(|| {
        request.service.invalid(format!(
            "1 validation error detected: Value null at '{name}' failed to satisfy constraint: Member must not be null"
        ))
    })
}

/// Runs GetParameter.
pub(super) fn one(state: &mut State, request: &Request) -> Outcome {
    let name = required(request, "Name")?;
    match find(state, request, name) {
        Ok(_) => {}
        Err(Missing::Parameter) => return Err(ApiError::new("ParameterNotFound", "")),
        Err(Missing::Version) => {
            return Err(ApiError::new(
                "ParameterVersionNotFound",
                format!("Systems Manager could not find version or label of {name}."),
            ));
        }
    }
    let value = selected(state, request, name)?;
    Ok(Done::json(json!({ "Parameter": value })))
}

/// Runs GetParameters: at most ten, those that are not there listed apart.
pub(super) fn many(state: &mut State, request: &Request) -> Outcome {
    let names = request.params.list("Names");
    if names.is_empty() || names.len() > 10 {
        return Err(request.service.invalid(
            "1 validation error detected: Value at 'names' failed to satisfy constraint: Member must have length between 1 and 10",
        ));
    }
    let (mut found, mut invalid) = (Vec::new(), Vec::new());
    for name in names {
        match selected(state, request, name)? {
            Some(value) => found.push(value),
            None => invalid.push(name),
        }
    }
    let by = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    found.sort_by_key(|v| (by(v, "Name"), by(v, "Selector")));
    Ok(Done::json(json!({ "Parameters": found, "InvalidParameters": invalid })))
}

/// Runs GetParameterHistory.
pub(super) fn history(state: &mut State, request: &Request) -> Outcome {
    let name = required(request, "Name")?;
    let Ok((owner, parameter, _)) = find(state, request, name) else {
        return Err(ApiError::new("ParameterNotFound", ""));
    };
    let (owner, parameter) = (owner.to_owned(), parameter.clone());
    let keys = parameter.versions.iter().map(|v| format!("{:020}", v.number)).collect();
    let ask = Ask {
        size: size_of(&request.params, request.service, "MaxResults", (1, 50, 50))?,
        token: request.params.get("NextToken"),
        whole: false,
    };
    let page = cut(state, request, keys, &ask)?;
    let mut versions = Vec::new();
    for key in &page.ids {
        let Some(version) = parameter.versions.iter().find(|v| key.parse() == Ok(v.number)) else {
            continue;
        };
        let mut value = metadata(state, request, &owner, &parameter, version);
        value["Value"] = json!(value_of(request, &parameter, version)?);
        value["Labels"] = json!(version.labels);
        if let Some(fields) = value.as_object_mut() {
            fields.remove("ARN");
            if state.settings.consumers.history_without_policies {
                fields.remove("Policies");
            }
        }
        versions.push(value);
    }
    let mut answer = json!({ "Parameters": versions });
    if let Some(next) = page.next {
        answer["NextToken"] = json!(next);
    }
    Ok(Done::json(answer))
}

/// A parameter without its value.
pub(super) fn metadata(
    state: &State,
    request: &Request,
    owner: &str,
    parameter: &Parameter,
    version: &ParameterVersion,
) -> Value {
    let partition = state.world.partition(owner);
    let mut value = json!({
        "Name": parameter.name,
        "ARN": arn(state, request, owner, &parameter.name),
        "Type": parameter.kind,
        "LastModifiedDate": seconds(version.modified),
        "LastModifiedUser": version.modified_by.clone().unwrap_or_else(|| format!("arn:{partition}:iam::{owner}:root")),
        "Version": version.number,
        "Tier": parameter.tier,
        "Policies": policies(parameter),
        "DataType": parameter.data_type,
    });
    if let Some(description) = &parameter.description {
        value["Description"] = json!(description);
    }
    if let Some(key) = &parameter.key {
        value["KeyId"] = json!(key);
    }
    if let Some(pattern) = &parameter.allowed_pattern {
        value["AllowedPattern"] = json!(pattern);
    }
    value
}

/// The policies of a parameter, each with its text.
fn policies(parameter: &Parameter) -> Vec<Value> {
    let text = parameter.policies.as_deref().unwrap_or("[]");
    let all: Vec<Value> = serde_json::from_str(text).unwrap_or_default();
    let shown =
        |one: &Value| json!({"PolicyText": one.to_string(), "PolicyType": one["Type"], "PolicyStatus": "Pending"});
    all.iter().map(shown).collect()
}
