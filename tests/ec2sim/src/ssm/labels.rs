//! LabelParameterVersion, UnlabelParameterVersion, and tags of parameters.

use serde_json::{Value, json};

use super::get::required;
use super::{arn, consumers, put};
use crate::engine::{About, Done, Outcome, Request, State};
use crate::model::{Parameter, Tags};
use crate::wire::ApiError;

/// The parameter that a call is about, by a field of its.
fn about(state: &State, request: &Request, field: &str) -> Vec<About> {
    let name = request.params.get(field).unwrap_or("*");
    let found = consumers(state, request).and_then(|c| c.parameters.get(name));
    let tags = request.params.tags("Tags").into_iter();
    vec![About {
        request_tags: tags.map(|(key, value)| (key, value.unwrap_or_default())).collect(),
        resource_tags: found.map(|p| p.tags.clone()).unwrap_or_default(),
        ..About::of(arn(state, request, request.account(), name))
    }]
}

/// The parameter that is labelled.
pub(super) fn about_name(state: &State, request: &Request) -> Vec<About> {
    about(state, request, "Name")
}

/// The parameter that is tagged.
pub(super) fn about_resource(state: &State, request: &Request) -> Vec<About> {
    about(state, request, "ResourceId")
}

/// The parameter whose tags are listed.
pub(super) fn arn_of_resource(state: &State, request: &Request) -> Vec<String> {
    let all = about_resource(state, request).into_iter();
    all.map(|one| one.arn).collect()
}

fn is_label(text: &str) -> bool {
    let lower = text.to_lowercase();
    let legal = |sign: char| sign.is_ascii_alphanumeric() || "._-".contains(sign);
    text.chars().all(legal)
        && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
        && text.len() <= 100
        && !lower.starts_with("aws")
        && !lower.starts_with("ssm")
}

fn named(state: &State, request: &Request) -> Result<Parameter, ApiError> {
    let name = required(request, "Name")?;
    let found = consumers(state, request).and_then(|c| c.parameters.get(name));
    found.cloned().ok_or_else(|| ApiError::new("ParameterNotFound", ""))
}

/// The number of the version that a call names, or of the latest.
fn number(request: &Request, parameter: &Parameter) -> Result<u64, ApiError> {
    let name = &parameter.name;
    let missing = || {
        ApiError::new(
            "ParameterVersionNotFound",
            format!("Systems Manager could not find version of {name}."),
        )
    };
    let version = parameter.version(request.params.get("ParameterVersion"));
    version.map(|v| v.number).ok_or_else(missing)
}

/// Runs LabelParameterVersion: a label that another version has moves. What can not be a label is told.
pub(super) fn label(state: &mut State, request: &Request) -> Outcome {
    let mut parameter = named(state, request)?;
    let number = number(request, &parameter)?;
    let (labels, invalid): (Vec<&str>, Vec<&str>) = request
        .params
        .list("Labels")
        .into_iter()
        .partition(|text| is_label(text));
    let before = parameter.clone();
    for version in &mut parameter.versions {
        if version.number == number {
            let new = labels.iter().filter(|l| !version.labels.iter().any(|has| has == *l));
            let new: Vec<String> = new.map(|l| (*l).to_owned()).collect();
            version.labels.extend(new);
        } else {
            version.labels.retain(|has| !labels.contains(&has.as_str()));
        }
        if version.labels.len() > 10 {
            return Err(ApiError::new(
                "ParameterVersionLabelLimitExceeded",
                "A parameter version can have a maximum of ten labels.",
            ));
        }
    }
    if before != parameter {
        let place = (request.account(), request.region.as_str());
        state.parameter_event(place, &parameter, ("LabelParameterVersion", None), request.now);
    }
    Ok(finish(
        state,
        request,
        (before, parameter),
        json!({"InvalidLabels": invalid, "ParameterVersion": number}),
    ))
}

/// Runs UnlabelParameterVersion.
pub(super) fn unlabel(state: &mut State, request: &Request) -> Outcome {
    let mut parameter = named(state, request)?;
    let number = number(request, &parameter)?;
    let before = parameter.clone();
    let labels = request.params.list("Labels");
    let (mut removed, mut invalid) = (Vec::new(), Vec::new());
    for version in parameter.versions.iter_mut().filter(|v| v.number == number) {
        for label in &labels {
            let list = if version.labels.iter().any(|has| has == label) {
                &mut removed
            } else {
                &mut invalid
            };
            list.push((*label).to_owned());
        }
        version.labels.retain(|has| !labels.contains(&has.as_str()));
    }
    let answer = json!({"RemovedLabels": removed, "InvalidLabels": invalid});
    Ok(finish(state, request, (before, parameter), answer))
}

/// Puts what was changed in the place of what was, and answers.
fn finish(state: &mut State, request: &Request, (before, after): (Parameter, Parameter), answer: Value) -> Done {
    if before == after {
        return Done::json(answer);
    }
    let effects = vec![after.name.clone()];
    put(state, request, after);
    Done::did(answer, effects)
}

fn tagged(state: &State, request: &Request) -> Result<Parameter, ApiError> {
    if required(request, "ResourceType")? != "Parameter" {
        return Err(ApiError::new(
            "InvalidResourceType",
            "The resource type isn't valid. Of this simulator only parameters have tags.",
        ));
    }
    let name = required(request, "ResourceId")?;
    let found = consumers(state, request).and_then(|c| c.parameters.get(name));
    found.cloned().ok_or_else(|| {
        ApiError::new(
            "InvalidResourceId",
            "The resource ID isn't valid. Verify that it is correct.",
        )
    })
}

/// Runs AddTagsToResource.
pub(super) fn tag(state: &mut State, request: &Request) -> Outcome {
    let mut parameter = tagged(state, request)?;
    let before = parameter.clone();
    for (key, value) in request.params.tags("Tags") {
        if key.is_empty() || key.len() > 128 || key.to_lowercase().starts_with("aws:") {
            return Err(request.service.invalid(format!("The tag key '{key}' is not valid")));
        }
        parameter.tags.insert(key, value.unwrap_or_default());
    }
    if parameter.tags.len() > 50 {
        return Err(ApiError::new(
            "TooManyTagsError",
            "The Targets parameter includes too many tags.",
        ));
    }
    Ok(finish(state, request, (before, parameter), json!({})))
}

/// Runs RemoveTagsFromResource.
pub(super) fn untag(state: &mut State, request: &Request) -> Outcome {
    let mut parameter = tagged(state, request)?;
    let before = parameter.clone();
    let keys = request.params.list("TagKeys");
    parameter.tags.retain(|key, _| !keys.contains(&key.as_str()));
    Ok(finish(state, request, (before, parameter), json!({})))
}

/// Runs ListTagsForResource.
pub(super) fn tags(state: &mut State, request: &Request) -> Outcome {
    let current = tagged(state, request)?;
    let seen = consumers(state, request).and_then(|c| c.parameters.get_seen(&current.name, request.now));
    let tags: Tags = seen.map(|p| p.tags.clone()).unwrap_or_default();
    let list: Vec<Value> = tags
        .into_iter()
        .map(|(key, value)| json!({"Key": key, "Value": value}))
        .collect();
    Ok(Done::json(json!({ "TagList": list })))
}
