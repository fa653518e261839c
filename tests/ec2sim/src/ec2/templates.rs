//! DescribeLaunchTemplates and DescribeLaunchTemplateVersions.

use super::instances::write_operator;
use super::list::{Filters, page_by_default, tag_values};
use super::{check_id, devices, invalid_value, tags, template_data};
use crate::engine::{Done, Outcome, Request, State};
use crate::iam::Ask;
use crate::model::{LaunchTemplate, Shelf, TemplateVersion};
use crate::spec::Unresolved;
use crate::wire::{ApiError, Xml};

pub(super) fn no_such_id(id: &str) -> ApiError {
    ApiError::new(
        "InvalidLaunchTemplateId.NotFound",
        format!("The specified launch template, with template ID {id}, does not exist."),
    )
}

pub(super) fn no_such_name(name: &str) -> ApiError {
    ApiError::new(
        "InvalidLaunchTemplateName.NotFoundException",
        format!("The specified launch template, with template name {name}, does not exist."),
    )
}

pub(super) fn no_such_version(template: &LaunchTemplate, name: &str) -> ApiError {
    ApiError::new(
        "InvalidLaunchTemplateId.VersionNotFound",
        format!(
            "Could not find the specified version {name} for the launch template with ID {}.",
            template.id
        ),
    )
}

fn created_by(state: &State, request: &Request) -> String {
    let partition = state.world.partition(request.account());
    format!("arn:{partition}:iam::{}:root", request.account())
}

/// The templates that a reader sees.
pub(super) fn seen<'a>(
    state: &'a State,
    request: &'a Request,
    hidden_too: bool,
) -> impl Iterator<Item = &'a LaunchTemplate> + use<'a> {
    let region = state.world.region(request.account(), &request.region);
    region
        .into_iter()
        .flat_map(move |r| r.consumers.launch_templates.seen(request.now))
        .map(|(_, template)| template)
        .filter(move |t| hidden_too || !t.hidden)
}

fn shelf<'a>(state: &'a State, request: &Request) -> Option<&'a Shelf<LaunchTemplate>> {
    let region = state.world.region(request.account(), &request.region)?;
    Some(&region.consumers.launch_templates)
}

/// Runs DescribeLaunchTemplates.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::read(params)?;
    filters.check_names(&["create-time", "launch-template-name", "tag-key"])?;
    let (ids, names) = (params.list("LaunchTemplateId"), params.list("LaunchTemplateName"));
    for id in &ids {
        check_id("lt", "InvalidLaunchTemplateId.Malformed", id)?;
    }
    let hidden_too = params.flag("IncludeManagedResources")?;
    let mut found = Vec::new();
    let (mut unknown_ids, mut unknown_names) = (ids.clone(), names.clone());
    for template in seen(state, request, hidden_too) {
        let named = ids.contains(&template.id.as_str()) || names.contains(&template.name.as_str());
        if !named && (!ids.is_empty() || !names.is_empty()) {
            continue;
        }
        unknown_ids.retain(|id| *id != template.id);
        unknown_names.retain(|name| *name != template.name);
        let accepted = filters.accept(|name| match name {
            "create-time" => Some(template.created.map(|t| t.to_string()).into_iter().collect()),
            "launch-template-name" => Some(vec![template.name.clone()]),
            _ => tag_values(name, &template.tags),
        })?;
        if accepted {
            found.push(template.id.clone());
        }
    }
    if let Some(id) = unknown_ids.first() {
        return Err(no_such_id(id));
    }
    if let Some(name) = unknown_names.first() {
        return Err(no_such_name(name));
    }
    let page = page_by_default(
        state,
        request,
        found,
        (1, 200),
        &["LaunchTemplateId", "LaunchTemplateName"],
    )?;
    let mut xml = Xml::new();
    let shown = page
        .ids
        .iter()
        .filter_map(|id| shelf(state, request)?.get_seen(id, request.now));
    xml.list("launchTemplates", shown, |x, template| {
        write_template(x, state, request, template);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// Writes a template without its versions.
pub(super) fn write_template(x: &mut Xml, state: &State, request: &Request, template: &LaunchTemplate) {
    x.text("launchTemplateId", &template.id);
    x.text("launchTemplateName", &template.name);
    x.maybe("createTime", template.created);
    x.text("createdBy", &created_by(state, request));
    x.value("defaultVersionNumber", template.default_number());
    x.value("latestVersionNumber", template.latest());
    if !template.tags.is_empty() {
        tags::write(x, &template.tags);
    }
    write_operator(x, template.managed_by.as_deref(), template.hidden);
}

/// Which versions are asked for.
struct Wanted<'a> {
    /// `$Latest`, `$Default`, numbers; none: all.
    versions: Vec<&'a str>,
    from: u64,
    to: u64,
}

impl<'a> Wanted<'a> {
    fn read(request: &'a Request, one_template: bool) -> Result<Self, ApiError> {
        let params = &request.params;
        let versions = params.list("LaunchTemplateVersion");
        let number = |name: &str| {
            params
                .get(name)
                .map(|text| {
                    text.parse::<u64>()
                        .map_err(|_| invalid_value(format!("Invalid value '{text}' for {name}")))
                })
                .transpose()
        };
        let (from, to) = (number("MinVersion")?, number("MaxVersion")?);
        let is_named = |v: &&str| matches!(*v, "$Latest" | "$Default");
        if let Some(bad) = versions.iter().find(|v| !is_named(v) && v.parse::<u64>().is_err()) {
            return Err(ApiError::new(
                "InvalidLaunchTemplateVersion.Malformed",
                format!("The version '{bad}' is not valid: it must be $Latest, $Default or a number"),
            ));
        }
        if !one_template && (versions.is_empty() || !versions.iter().all(is_named) || from.is_some() || to.is_some()) {
            return Err(ApiError::new(
                "MissingParameter",
                "Either LaunchTemplateId or LaunchTemplateName must be specified, unless the versions are $Latest and $Default",
            ));
        }
        Ok(Self {
            versions,
            from: from.unwrap_or(0),
            to: to.unwrap_or(u64::MAX),
        })
    }

    fn of<'t>(&self, template: &'t LaunchTemplate) -> Result<Vec<&'t TemplateVersion>, ApiError> {
        let mut found: Vec<&TemplateVersion> = Vec::new();
        for name in &self.versions {
            let version = template
                .version(Some(name))
                .ok_or_else(|| no_such_version(template, name))?;
            if !found.iter().any(|v| v.number == version.number) {
                found.push(version);
            }
        }
        if self.versions.is_empty() {
            found.extend(&template.versions);
        }
        found.retain(|v| (self.from..=self.to).contains(&v.number));
        Ok(found)
    }
}

/// Runs DescribeLaunchTemplateVersions.
pub(super) fn describe_versions(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::read(params)?;
    filters.check_names(&["create-time", "image-id", "instance-type", "is-default-version"])?;
    let (id, name) = (params.get("LaunchTemplateId"), params.get("LaunchTemplateName"));
    if id.is_some() && name.is_some() {
        return Err(ApiError::new(
            "InvalidParameterCombination",
            "Only one of LaunchTemplateId and LaunchTemplateName can be specified",
        ));
    }
    if let Some(id) = id {
        check_id("lt", "InvalidLaunchTemplateId.Malformed", id)?;
    }
    let one_template = id.is_some() || name.is_some();
    let wanted = Wanted::read(request, one_template)?;
    let hidden_too = params.flag("IncludeManagedResources")?;
    let resolve = params.flag("ResolveAlias")?;
    let mut found = Vec::new();
    let mut known = false;
    for template in seen(state, request, hidden_too) {
        if id.is_some_and(|id| id != template.id) || name.is_some_and(|name| name != template.name) {
            continue;
        }
        known = true;
        for version in wanted.of(template)? {
            let image = image_of(state, request, version, resolve)?;
            let accepted = filters.accept(|filter| match filter {
                "create-time" => Some(version.created.map(|t| t.to_string()).into_iter().collect()),
                "image-id" => Some(image.clone().into_iter().collect()),
                "instance-type" => Some(version.instance_type.clone().into_iter().collect()),
                "is-default-version" => Some(vec![(version.number == template.default_number()).to_string()]),
                _ => None,
            })?;
            if accepted {
                found.push(place_of(&template.id, version.number));
            }
        }
    }
    match (id, name) {
        (Some(id), _) if !known => return Err(no_such_id(id)),
        (_, Some(name)) if !known => return Err(no_such_name(name)),
        _ => {}
    }
    let named_by = ["LaunchTemplateId", "LaunchTemplateName"];
    let page = page_by_default(state, request, found, (1, 200), &named_by)?;
    let mut xml = Xml::new();
    let shown = page.ids.iter().filter_map(|place| {
        let (id, number) = read_place(place)?;
        let template = shelf(state, request)?.get_seen(id, request.now)?;
        let version = template.versions.iter().find(|v| v.number == number)?;
        Some((template, version))
    });
    let mut refused = None;
    xml.list(
        "launchTemplateVersionSet",
        shown,
        |x, (template, version)| match image_of(state, request, version, resolve) {
            Ok(image) => write_version(x, state, request, template, version, image.as_deref()),
            Err(error) => refused = Some(error),
        },
    );
    if let Some(error) = refused {
        return Err(error);
    }
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// What a version is listed by: the newest of a template come first.
fn place_of(id: &str, number: u64) -> String {
    format!("{id}:{:020}", u64::MAX - number)
}

fn read_place(place: &str) -> Option<(&str, u64)> {
    let (id, rest) = place.split_once(':')?;
    Some((id, u64::MAX - rest.parse::<u64>().ok()?))
}

/// The image that a version shows.
pub(super) fn image_of(
    state: &State,
    request: &Request,
    version: &TemplateVersion,
    resolve: bool,
) -> Result<Option<String>, ApiError> {
    let Some(text) = version.image.as_deref() else {
        return Ok(None);
    };
    let Some(parameter) = text.strip_prefix(crate::model::RESOLVE).filter(|_| resolve) else {
        return Ok(Some(text.to_owned()));
    };
    let resource = crate::ssm::name_arn(state, request, parameter);
    let may = request.may_do(&Ask::of("ssm:GetParameters", &resource));
    let value = state
        .world
        .parameter(request.account(), &request.region, parameter)
        .filter(|_| may)
        .map(|(_, v)| v.value.clone());
    match (value, state.settings.consumers.unresolved_alias) {
        (Some(value), _) => Ok(Some(value)),
        (None, Unresolved::Shown) => Ok(Some(text.to_owned())),
        (None, Unresolved::Refused) => Err(invalid_value(format!(
            "The Systems Manager parameter {parameter} could not be resolved"
        ))),
    }
}

/// Writes a version with all that it says.
pub(super) fn write_version(
    x: &mut Xml,
    state: &State,
    request: &Request,
    template: &LaunchTemplate,
    version: &TemplateVersion,
    image: Option<&str>,
) {
    let account = || created_by(state, request);
    x.text("launchTemplateId", &template.id);
    x.text("launchTemplateName", &template.name);
    x.value("versionNumber", version.number);
    x.maybe("versionDescription", version.description.as_deref());
    x.maybe("createTime", version.created);
    x.text("createdBy", &version.created_by.clone().unwrap_or_else(account));
    x.value("defaultVersion", version.number == template.default_number());
    x.nest("launchTemplateData", |x| {
        devices::write(x, "blockDeviceMappingSet", &version.devices);
        x.maybe("imageId", image);
        x.maybe("instanceType", version.instance_type.as_deref());
        template_data::write(x, &version.data);
    });
    write_operator(x, template.managed_by.as_deref(), template.hidden);
}
