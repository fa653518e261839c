//! DescribeImageReferences: what of the caller's own names an image, as far as EC2 looks for it.

use std::collections::BTreeMap;

use super::list::page_by_default;
use super::{check_image_id, instances, invalid_value, templates};
use crate::engine::{Done, Outcome, Request, State};
use crate::iam::Ask;
use crate::model::{Consumers, Instance, LaunchTemplate};
use crate::spec::{INSTANCE_STATES, Unreadable};
use crate::wire::{ApiError, Params, Xml};

pub(super) const INSTANCE: &str = "ec2:Instance";
pub(super) const TEMPLATE: &str = "ec2:LaunchTemplate";
const PARAMETER: &str = "ssm:Parameter";
pub(super) const IMAGE_RECIPE: &str = "imagebuilder:ImageRecipe";
pub(super) const CONTAINER_RECIPE: &str = "imagebuilder:ContainerRecipe";

const TYPES: [&str; 5] = [INSTANCE, TEMPLATE, PARAMETER, IMAGE_RECIPE, CONTAINER_RECIPE];

/// How many of the newest versions of a launch template are looked at, unless it is said.
const VERSIONS: u64 = 10;

/// What the caller must be able to read of each kind.
const RIGHTS: [(&str, &[&str]); 5] = [
    (INSTANCE, &["ec2:DescribeInstances"]),
    (
        TEMPLATE,
        &["ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions"],
    ),
    (PARAMETER, &["ssm:DescribeParameters", "ssm:GetParameters"]),
    (
        IMAGE_RECIPE,
        &["imagebuilder:ListImageRecipes", "imagebuilder:GetImageRecipe"],
    ),
    (
        CONTAINER_RECIPE,
        &["imagebuilder:ListContainerRecipes", "imagebuilder:GetContainerRecipe"],
    ),
];

/// Which kinds of resources are looked at, and how.
struct Wanted {
    types: Vec<&'static str>,
    /// States of instances; none: all.
    states: Vec<String>,
    versions: u64,
}

/// A number of versions.
pub(super) fn depth(text: &str) -> Result<u64, ApiError> {
    match text.parse() {
        Ok(n @ 1..=10_000) => Ok(n),
        _ => Err(invalid_value(format!(
            "Invalid value '{text}' for version-depth. Expecting a value between 1 and 10000"
        ))),
    }
}

impl Wanted {
    fn read(params: &Params) -> Result<Self, ApiError> {
        let mut wanted = Self {
            types: Vec::new(),
            states: Vec::new(),
            versions: VERSIONS,
        };
        for i in params.indices("ResourceType") {
            let prefix = format!("ResourceType.{i}");
            let name = params.required(&format!("{prefix}.ResourceType"))?;
            let known = TYPES
                .into_iter()
                .find(|t| *t == name)
                .ok_or_else(|| invalid_value(format!("Invalid value '{name}' for ResourceType")))?;
            wanted.types.push(known);
            for j in params.indices(&format!("{prefix}.ResourceTypeOption")) {
                let prefix = format!("{prefix}.ResourceTypeOption.{j}");
                let option = params.required(&format!("{prefix}.OptionName"))?;
                let values = params.list(&format!("{prefix}.OptionValue"));
                match (known, option, &values[..]) {
                    (INSTANCE, "state-name", [_, ..]) => wanted.states.extend(states(&values)?),
                    (TEMPLATE, "version-depth", [one]) => wanted.versions = depth(one)?,
                    _ => return Err(invalid_value(format!("The option '{option}' is not valid for {name}"))),
                }
            }
        }
        let all = params.flag("IncludeAllResourceTypes")?;
        if !all && wanted.types.is_empty() {
            return Err(ApiError::new(
                "MissingParameter",
                "Either IncludeAllResourceTypes or ResourceTypes must be specified",
            ));
        }
        if all {
            wanted.types = TYPES.to_vec();
        }
        Ok(wanted)
    }
}

fn states(values: &[&str]) -> Result<Vec<String>, ApiError> {
    let known = |v: &&&str| INSTANCE_STATES.iter().any(|(name, _)| name == *v);
    match values.iter().find(|v| !known(v)) {
        Some(bad) => Err(invalid_value(format!("Invalid value '{bad}' for state-name"))),
        None => Ok(values.iter().map(|v| (*v).to_owned()).collect()),
    }
}

/// Whether one of the newest versions of a template names an image, itself or by a parameter.
pub(super) fn names_image(
    state: &State,
    account: &str,
    template: &LaunchTemplate,
    image: &str,
    depth: u64,
    region: &str,
) -> bool {
    let depth = usize::try_from(depth).unwrap_or(usize::MAX);
    let newest = template.versions.iter().rev().take(depth);
    newest
        .filter_map(|v| v.image.as_deref())
        .any(|text| state.world.resolve_image(account, region, text) == Some(image))
}

/// Runs DescribeImageReferences.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let images = request.params.list("ImageId");
    if images.is_empty() || images.len() > 10 {
        return Err(invalid_value("Specify between 1 and 10 image IDs"));
    }
    for id in &images {
        check_image_id(id)?;
    }
    let wanted = Wanted::read(&request.params)?;
    let mut found = BTreeMap::new();
    for kind in &wanted.types {
        if let Some(action) = lacking(state, request, kind) {
            match state.settings.references.unreadable {
                Unreadable::Omission => continue,
                Unreadable::Error => {
                    return Err(request.service.denied(&request.caller.arn, action, "*"));
                }
            }
        }
        for (image, arn) in references(state, request, kind, &wanted) {
            if images.contains(&image.as_str()) {
                found.insert(format!("{image} {arn}"), *kind);
            }
        }
    }
    let page = page_by_default(state, request, found.keys().cloned().collect(), (5, 1000), &[])?;
    let mut xml = Xml::new();
    let shown = page
        .ids
        .iter()
        .filter_map(|key| Some((key.split_once(' ')?, found.get(key)?)));
    xml.list("imageReferenceSet", shown, |x, ((image, arn), kind)| {
        x.text("imageId", image);
        x.text("resourceType", kind);
        x.text("arn", arn);
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// A right to read a kind of resource that the caller has not.
fn lacking(state: &State, request: &Request, kind: &str) -> Option<&'static str> {
    let (_, actions) = RIGHTS.iter().find(|(of, _)| *of == kind)?;
    let may = |action: &str| request.may_do(&Ask::of(action, &read_by(state, request, action)));
    actions.iter().find(|action| !may(action)).copied()
}

/// What an action is on that is asked for all resources of a kind.
fn read_by(state: &State, request: &Request, action: &str) -> String {
    let (service, resource) = match action {
        "ssm:GetParameters" => ("ssm", "parameter/*"),
        "imagebuilder:GetImageRecipe" => ("imagebuilder", "image-recipe/*"),
        "imagebuilder:GetContainerRecipe" => ("imagebuilder", "container-recipe/*"),
        _ => return "*".to_owned(),
    };
    let (account, region) = (request.account(), &request.region);
    let partition = state.world.partition(account);
    format!("arn:{partition}:{service}:{region}:{account}:{resource}")
}

/// Images that things of a kind name, each with the ARN of the thing.
fn references(state: &State, request: &Request, kind: &str, wanted: &Wanted) -> Vec<(String, String)> {
    let account = request.account();
    let partition = state.world.partition(account);
    let arn = |service: &str, rest: &str| format!("arn:{partition}:{service}:{}:{account}:{rest}", request.region);
    let hidden_too = state.settings.references.hidden;
    let resolved = |text: &str| {
        let image = state.world.resolve_image(account, &request.region, text)?;
        Some(image.to_owned())
    };
    let Some(consumers) = state.world.region(account, &request.region).map(|r| &r.consumers) else {
        return Vec::new();
    };
    match kind {
        INSTANCE => instances::seen(state, request, hidden_too)
            .filter(|i: &&Instance| wanted.states.is_empty() || wanted.states.contains(&i.state))
            .map(|i| (i.image.clone(), arn("ec2", &format!("instance/{}", i.id))))
            .collect(),
        TEMPLATE => templates::seen(state, request, hidden_too)
            .flat_map(|t| {
                let depth = usize::try_from(wanted.versions).unwrap_or(usize::MAX);
                let newest = t.versions.iter().rev().take(depth);
                let arn = arn("ec2", &format!("launch-template/{}", t.id));
                newest
                    .filter_map(|v| resolved(v.image.as_deref()?))
                    .map(move |image| (image, arn.clone()))
            })
            .collect(),
        PARAMETER => parameters(consumers, request)
            .map(|(name, value)| {
                let slash = if name.starts_with('/') { "" } else { "/" };
                (value, arn("ssm", &format!("parameter{slash}{name}")))
            })
            .collect(),
        IMAGE_RECIPE => consumers
            .image_recipes
            .seen(request.now)
            .filter_map(|(key, r)| {
                let image = resolved(&r.parent_image)?;
                Some((image, arn("imagebuilder", &format!("image-recipe/{key}"))))
            })
            .collect(),
        _ => consumers
            .container_recipes
            .seen(request.now)
            .filter_map(|(key, r)| {
                let image = resolved(r.instance_image.as_deref()?)?;
                Some((image, arn("imagebuilder", &format!("container-recipe/{key}"))))
            })
            .collect(),
    }
}

/// Parameters that are known to hold images, with what their latest versions say.
fn parameters<'a>(consumers: &'a Consumers, request: &'a Request) -> impl Iterator<Item = (&'a str, String)> + use<'a> {
    consumers
        .parameters
        .seen(request.now)
        .filter(|(_, p)| p.data_type == "aws:ec2:image")
        .filter_map(|(name, p)| Some((name, p.latest()?.value.clone())))
}
