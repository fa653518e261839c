//! CreateLaunchTemplateVersion, ModifyLaunchTemplate, DeleteLaunchTemplateVersions.

use super::template_data::Given;
use super::templates::{image_of, no_such_id, no_such_name, no_such_version, write_template, write_version};
use super::{check_id, invalid_value};
use crate::engine::{Done, Outcome, Request, State};
use crate::launching;
use crate::model::{LaunchTemplate, TemplateVersion, TokenUse};
use crate::wire::{ApiError, Xml};

/// The template that a call names, by ID or by name.
pub(super) fn named<'a>(state: &'a State, request: &Request) -> Result<&'a LaunchTemplate, ApiError> {
    let region = state.world.region(request.account(), &request.region);
    let templates = region.map(|r| &r.consumers.launch_templates);
    let params = &request.params;
    match (params.get("LaunchTemplateId"), params.get("LaunchTemplateName")) {
        (Some(_), Some(_)) => Err(ApiError::new(
            "InvalidParameterCombination",
            "Only one of LaunchTemplateId and LaunchTemplateName can be specified",
        )),
        (None, None) => Err(ApiError::new(
            "MissingParameter",
            "Either LaunchTemplateId or LaunchTemplateName must be specified",
        )),
        (Some(id), None) => {
            check_id("lt", "InvalidLaunchTemplateId.Malformed", id)?;
            templates.and_then(|t| t.get(id)).ok_or_else(|| no_such_id(id))
        }
        (None, Some(name)) => templates
            .and_then(|t| t.iter().find(|(_, one)| one.name == name))
            .map(|(_, one)| one)
            .ok_or_else(|| no_such_name(name)),
    }
}

/// The same, to be changed: what another service manages, only that service changes.
fn to_change(state: &State, request: &Request) -> Result<LaunchTemplate, ApiError> {
    let template = named(state, request)?;
    if let Some(principal) = &template.managed_by {
        return Err(ApiError::with_status(
            403,
            "OperationNotPermitted",
            format!("The launch template {} is managed by {principal}", template.id),
        ));
    }
    Ok(template.clone())
}

fn put(state: &mut State, request: &Request, template: LaunchTemplate) {
    let longest = state.settings.consistency.consumer_seconds;
    let visible_at = state.visible_at(request.now, longest);
    let id = template.id.clone();
    if let Some(region) = state.world.region_mut(request.account(), &request.region) {
        region
            .consumers
            .launch_templates
            .put(&id, template, request.now, visible_at);
    }
}

/// A version's number as a call must write it.
fn number(text: &str) -> Result<u64, ApiError> {
    text.parse().map_err(|_| {
        ApiError::new(
            "InvalidLaunchTemplateVersion.Malformed",
            format!("The version '{text}' is not valid: it must be a number"),
        )
    })
}

fn token_of(request: &Request) -> Result<Option<String>, ApiError> {
    match request.params.get("ClientToken") {
        Some(token) if token.len() > 128 || !token.is_ascii() => {
            Err(invalid_value("The client token must be 128 ASCII characters or fewer"))
        }
        // Tokens are of an operation each.
        token => Ok(token.map(|token| format!("{}:{token}", request.operation))),
    }
}

/// What the same token has made before.
fn earlier(state: &State, request: &Request, token: Option<&String>) -> Result<Option<String>, ApiError> {
    let region = state.world.region(request.account(), &request.region);
    let Some(used) = token.and_then(|token| region?.tokens.get(token)) else {
        return Ok(None);
    };
    if used.parameters == request.params.fingerprint(&["ClientToken", "DryRun"]) {
        return Ok(Some(used.image.clone()));
    }
    Err(ApiError::new(
        "IdempotentParameterMismatch",
        "The client token you have provided is associated with a resource that has different parameters.",
    ))
}

fn remember(state: &mut State, request: &Request, token: Option<String>, made: &str) {
    let parameters = request.params.fingerprint(&["ClientToken", "DryRun"]);
    if let (Some(token), Some(region)) = (token, state.world.region_mut(request.account(), &request.region)) {
        let made = made.to_owned();
        region.tokens.insert(
            token,
            TokenUse {
                parameters,
                image: made,
            },
        );
    }
}

/// Runs CreateLaunchTemplateVersion.
pub(super) fn create_version(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let description = params.get("VersionDescription").map(str::to_owned);
    if description.as_ref().is_some_and(|d| d.chars().count() > 255) {
        return Err(invalid_value("The version description must be 255 characters or fewer"));
    }
    let token = token_of(request)?;
    let settings = state.settings.launches.clone();
    let given = Given::read(params, &settings)?;
    let source = params.get("SourceVersion").map(number).transpose()?;
    let resolve = params.flag("ResolveAlias")?;
    if let Some(made) = earlier(state, request, token.as_ref())? {
        let template = named(state, request)?;
        let version = made.parse().ok().and_then(|n| find(template, n));
        let version = version.ok_or_else(|| no_such_version(template, &made))?;
        return answer(state, request, template, version, resolve, Vec::new());
    }
    let mut template = to_change(state, request)?;
    let source = match source {
        None => None,
        Some(number) => Some(find(&template, number).ok_or_else(|| no_such_version(&template, &number.to_string()))?),
    };
    if template.versions.len() >= settings.template_versions {
        return Err(ApiError::new(
            "LaunchTemplateVersionLimitExceeded",
            format!(
                "You have reached the limit of {} versions for the launch template {}",
                settings.template_versions, template.id
            ),
        ));
    }
    let version = TemplateVersion {
        number: template.next_number(),
        description,
        created: Some(request.now),
        created_by: Some(request.caller.arn.clone()),
        ..given.over(source, &settings)
    };
    // What can not be shown is not made.
    image_of(state, request, &version, resolve)?;
    let number = version.number;
    template.versions.push(version.clone());
    let made = vec![format!("{}:{number}", template.id)];
    let done = answer(state, request, &template, &version, resolve, made)?;
    remember(state, request, token, &number.to_string());
    put(state, request, template);
    Ok(done)
}

fn find(template: &LaunchTemplate, number: u64) -> Option<&TemplateVersion> {
    template.versions.iter().find(|v| v.number == number)
}

fn answer(
    state: &State,
    request: &Request,
    template: &LaunchTemplate,
    version: &TemplateVersion,
    resolve: bool,
    made: Vec<String>,
) -> Outcome {
    let image = image_of(state, request, version, resolve)?;
    let mut xml = Xml::new();
    xml.nest("launchTemplateVersion", |x| {
        write_version(x, state, request, template, version, image.as_deref());
    });
    let issues = issues(state, request, version);
    if !issues.is_empty() {
        xml.nest("warning", |x| {
            x.list("errorSet", issues, |x, issue| {
                x.text("code", &issue.code);
                x.text("message", &issue.message);
            });
        });
    }
    Ok(Done::wrote(xml, made))
}

/// What EC2 warns of: what would refuse a launch by this version now.
fn issues(state: &State, request: &Request, version: &TemplateVersion) -> Vec<ApiError> {
    let region = (&state.world, request.account(), request.region.as_str());
    let image = version.image.as_deref();
    let image = image.and_then(|text| state.world.resolve_image(request.account(), &request.region, text));
    let mut issues = Vec::new();
    issues.extend(image.and_then(|id| launching::refusal(region, id, request.now)));
    issues.extend(launching::mapping_refusal(region, &version.devices));
    issues
}

/// Runs ModifyLaunchTemplate, which sets the default version.
pub(super) fn set_default(state: &mut State, request: &Request) -> Outcome {
    let token = token_of(request)?;
    let wanted = number(request.params.required("SetDefaultVersion")?)?;
    let before = earlier(state, request, token.as_ref())?;
    let mut template = to_change(state, request)?;
    let mut effects = Vec::new();
    if before.is_none() {
        if find(&template, wanted).is_none() {
            return Err(no_such_version(&template, &wanted.to_string()));
        }
        if template.default_number() != wanted {
            effects.push(template.id.clone());
        }
        template.default_version = Some(wanted);
        remember(state, request, token, &template.id);
    }
    let mut xml = Xml::new();
    xml.nest("launchTemplate", |x| write_template(x, state, request, &template));
    if !effects.is_empty() {
        put(state, request, template);
    }
    Ok(Done::wrote(xml, effects))
}

/// Runs DeleteLaunchTemplateVersions, which tells of each version what became of it.
pub(super) fn delete_versions(state: &mut State, request: &Request) -> Outcome {
    let wanted = request.params.list("LaunchTemplateVersion");
    if wanted.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain the parameter LaunchTemplateVersion",
        ));
    }
    if wanted.len() > 200 {
        return Err(invalid_value("Specify at most 200 versions"));
    }
    let wanted = wanted.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
    let mut template = to_change(state, request)?;
    template.last_number = Some(template.next_number() - 1);
    let (mut gone, mut left) = (Vec::new(), Vec::new());
    for number in wanted {
        if find(&template, number).is_none() {
            left.push((
                number,
                "launchTemplateVersionDoesNotExist",
                "The version does not exist",
            ));
        } else if template.default_number() == number {
            left.push((number, "unexpectedError", "The default version can not be deleted"));
        } else {
            template.versions.retain(|v| v.number != number);
            gone.push(number);
        }
    }
    let mut xml = Xml::new();
    let named = |x: &mut Xml, number: u64| {
        x.text("launchTemplateId", &template.id);
        x.text("launchTemplateName", &template.name);
        x.value("versionNumber", number);
    };
    xml.list("successfullyDeletedLaunchTemplateVersionSet", &gone, |x, number| {
        named(x, *number);
    });
    xml.list(
        "unsuccessfullyDeletedLaunchTemplateVersionSet",
        left,
        |x, (number, code, message)| {
            named(x, number);
            x.nest("responseError", |x| {
                x.text("code", code);
                x.text("message", message);
            });
        },
    );
    let effects: Vec<String> = gone.iter().map(|n| format!("{}:{n}", template.id)).collect();
    if !effects.is_empty() {
        put(state, request, template);
    }
    Ok(Done::wrote(xml, effects))
}
