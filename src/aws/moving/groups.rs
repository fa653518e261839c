//! Auto Scaling groups, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::{
    AutoScalingGroup, LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy, Tag,
};

use super::refreshes;
use crate::aws::consumers::{Query, owner};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{
    AwsError, Besides, ErrorClass, GroupChange, GroupNow, GroupPart, ImageRef, Made, Movable, Named, Operation, Place,
    Tags, TemplateId, VersionNow, VersionRef,
};

const GROUPS: Operation = Operation::DescribeAutoScalingGroups;
const CONFIGURATIONS: Operation = Operation::DescribeLaunchConfigurations;
const VERSIONS: Operation = Operation::DescribeLaunchTemplateVersions;
const UPDATE: Operation = Operation::UpdateAutoScalingGroup;
const TAG: Operation = Operation::CreateOrUpdateTags;

/// How often a group has to be missing until it counts as gone: AWS passes over a name that it does not know.
const TRIES: usize = 2;
/// So many versions are read from one that is pinned: the one that amiseal makes of it is among the next ones.
const SPAN: i64 = 200;

/// Reads what it launches; of its launch templates the versions that it pins and this one, each with those that follow.
pub(super) async fn read(session: &Session, name: &str, besides: &Besides, query: &Query) -> Result<Movable, AwsError> {
    let Some(group) = group(session, name).await? else {
        return Ok(Movable::Gone);
    };
    let parts = parts(&group);
    let wanted = wanted(&parts, besides.versions.first().copied());
    let followed = if besides.running.is_some() {
        followed(&parts)
    } else {
        BTreeSet::new()
    };
    // So many calls more than a template by itself takes.
    session.reserve(&vec![VERSIONS; wanted.len() + followed.len()])?;
    let mut versions: BTreeMap<TemplateId, Vec<VersionNow>> = BTreeMap::new();
    for (template, first) in wanted {
        let read = from(session, &template, first).await?;
        let known = versions.entry(template).or_default();
        for version in read {
            if !known.iter().any(|one| one.number == version.number) {
                known.push(version);
            }
        }
    }
    let mut says = BTreeMap::new();
    for (template, version) in followed {
        if let Some(now) = one(session, &template, version).await? {
            says.insert((template, version), now);
        }
    }
    let (runs, refreshes) = match &besides.running {
        Some(image) => {
            let runs = refreshes::runs(session, name, image).await?;
            (Some((image.clone(), runs)), refreshes::read(session, name).await?)
        }
        None => (None, Vec::new()),
    };
    let tags: Vec<(&str, &str)> = group
        .tags()
        .iter()
        .filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())))
        .collect();
    let principal = group.operator().and_then(|operator| operator.principal());
    Ok(Movable::Group(GroupNow {
        parts,
        configuration: configuration(session, &group).await?,
        versions,
        followed: says,
        overrides: overrides(group.mixed_instances_policy()).len(),
        runs,
        refreshes,
        owner: owner(query, principal, tags.iter().copied()),
        tags: Tags::of(&tags),
    }))
}

/// The group itself, if it is there.
async fn group(session: &Session, name: &str) -> Result<Option<AutoScalingGroup>, AwsError> {
    for _ in 0..TRIES {
        let mut pages = Pages::default();
        while pages.more() {
            let client = session.autoscaling();
            let request = client
                .describe_auto_scaling_groups()
                .auto_scaling_group_names(name)
                .include_instances(false)
                .set_next_token(pages.token());
            let page = session.call(GROUPS, request.send()).await?;
            let mut found = listed(GROUPS, page.auto_scaling_groups)?.into_iter();
            if let Some(found) = found.find(|group| group.auto_scaling_group_name() == Some(name)) {
                return Ok(Some(found));
            }
            pages.turn(GROUPS, page.next_token)?;
        }
    }
    Ok(None)
}

/// The launch configuration that it launches by, and the image that this names.
async fn configuration(
    session: &Session,
    group: &AutoScalingGroup,
) -> Result<Option<(Box<str>, Option<ImageRef>)>, AwsError> {
    let Some(name) = group.launch_configuration_name().filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.autoscaling();
        let request = client
            .describe_launch_configurations()
            .launch_configuration_names(name)
            .set_next_token(pages.token());
        let page = session.call(CONFIGURATIONS, request.send()).await?;
        let mut found = listed(CONFIGURATIONS, page.launch_configurations)?.into_iter();
        if let Some(found) = found.find(|one| one.launch_configuration_name() == Some(name)) {
            return Ok(Some((name.into(), found.image_id().and_then(ImageRef::parse))));
        }
        pages.turn(CONFIGURATIONS, page.next_token)?;
    }
    // It is in use, so that it is there.
    Err(AwsError::new(CONFIGURATIONS, ErrorClass::Transient, None))
}

/// All parts that name what it launches.
fn parts(group: &AutoScalingGroup) -> Vec<GroupPart> {
    parts_of(group.launch_template(), group.mixed_instances_policy())
}

/// All parts of this that name what is launched.
pub(super) fn parts_of(
    template: Option<&LaunchTemplateSpecification>,
    mixed: Option<&MixedInstancesPolicy>,
) -> Vec<GroupPart> {
    let of_mixed = mixed.and_then(|mixed| mixed.launch_template());
    let of_mixed = of_mixed.and_then(|mixed| mixed.launch_template_specification());
    let mut parts = Vec::new();
    let mut push = |at, names: Option<Named>| parts.extend(names.map(|names| GroupPart { at, names }));
    push(Place::Template, template.or(of_mixed).and_then(named));
    for (one, number) in overrides(mixed).iter().zip(1..) {
        let template = one.launch_template_specification().and_then(named);
        push(Place::Override(number), template);
        let image = one.image_id().and_then(ImageRef::parse);
        push(Place::Image(number), image.map(Named::Image));
    }
    parts
}

fn overrides(mixed: Option<&MixedInstancesPolicy>) -> &[LaunchTemplateOverrides] {
    let template = mixed.and_then(|mixed| mixed.launch_template());
    template.map(|template| template.overrides()).unwrap_or_default()
}

fn named(of: &LaunchTemplateSpecification) -> Option<Named> {
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Into::into);
    let by_name = || text(of.launch_template_name()).map(TemplateId::Name);
    let template = text(of.launch_template_id()).map(TemplateId::Id).or_else(by_name)?;
    Some(Named::Version(template, VersionRef::parse(of.version())))
}

/// From which versions of which templates on it has to be read what they say.
fn wanted(parts: &[GroupPart], former: Option<i64>) -> BTreeSet<(TemplateId, i64)> {
    let mut wanted = BTreeSet::new();
    for part in parts {
        let Named::Version(template, VersionRef::Number(number)) = &part.names else {
            continue;
        };
        let former = former.filter(|former| former < number);
        wanted.insert((template.clone(), former.unwrap_or(*number)));
        if former.is_some_and(|former| former + SPAN <= *number) {
            wanted.insert((template.clone(), *number));
        }
    }
    wanted
}

/// The versions that follow their template.
fn followed(parts: &[GroupPart]) -> BTreeSet<(TemplateId, VersionRef)> {
    let of = |part: &GroupPart| match &part.names {
        Named::Version(template, version @ (VersionRef::Latest | VersionRef::Default)) => {
            Some((template.clone(), *version))
        }
        _ => None,
    };
    parts.iter().filter_map(of).collect()
}

/// What `$Latest` or `$Default` of a template says; nothing where the template is gone.
async fn one(session: &Session, template: &TemplateId, version: VersionRef) -> Result<Option<VersionNow>, AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_template_versions()
            .include_managed_resources(true)
            .versions(version.to_string())
            .set_next_token(pages.token());
        let request = match template {
            TemplateId::Id(id) => request.launch_template_id(&**id),
            TemplateId::Name(name) => request.launch_template_name(&**name),
        };
        let page = match session.call(VERSIONS, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(None),
            page => page?,
        };
        if let Some(found) = listed(VERSIONS, page.launch_template_versions)?.first() {
            return super::templates::project(found).map(Some);
        }
        pages.turn(VERSIONS, page.next_token)?;
    }
    Err(AwsError::new(VERSIONS, ErrorClass::Transient, None))
}

/// Versions of a template from this one on; none where the template is gone.
async fn from(session: &Session, template: &TemplateId, first: i64) -> Result<Vec<VersionNow>, AwsError> {
    let mut found = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_template_versions()
            .include_managed_resources(true)
            // Whether this one is in the answer is not said of the lower end: none is before the first.
            .set_min_version((first > 1).then(|| (first - 1).to_string()))
            .max_version((first + SPAN - 1).to_string())
            .set_next_token(pages.token());
        let request = match template {
            TemplateId::Id(id) => request.launch_template_id(&**id),
            TemplateId::Name(name) => request.launch_template_name(&**name),
        };
        let page = match session.call(VERSIONS, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(Vec::new()),
            page => page?,
        };
        for version in listed(VERSIONS, page.launch_template_versions)? {
            found.push(super::templates::project(&version)?);
        }
        pages.turn(VERSIONS, page.next_token)?;
    }
    Ok(found)
}

/// What a group launches by, as AWS takes it.
pub(super) struct By {
    /// A launch template, or
    pub(super) template: Option<LaunchTemplateSpecification>,
    /// a mixed instances policy.
    pub(super) mixed: Option<MixedInstancesPolicy>,
}

/// What a group launches by once it is changed so. All that is not changed is as it was read. Fails where the group is not as it was
/// when that was decided, so that it is decided anew.
pub(super) async fn changed(session: &Session, change: &GroupChange, operation: Operation) -> Result<By, AwsError> {
    let changed = || AwsError::new(operation, ErrorClass::Transient, None);
    let now = group(session, &change.group).await?;
    let now = now.filter(|now| parts(now) == change.expects).ok_or_else(changed)?;
    match (now.mixed_instances_policy, now.launch_template) {
        (Some(mut mixed), _) => {
            let put = change.to.iter().try_for_each(|part| put(&mut mixed, part));
            put.ok_or_else(changed)?;
            Ok(By {
                template: None,
                mixed: Some(sendable(mixed)),
            })
        }
        (None, Some(mut template)) => {
            for part in &change.to {
                pin(&mut template, &part.names);
            }
            Ok(By {
                template: Some(by_one_name(template)),
                mixed: None,
            })
        }
        (None, None) => Err(changed()),
    }
}

/// Has it launch something else from now on.
pub(super) async fn set(session: &Session, change: &GroupChange) -> Result<Made, AwsError> {
    let by = changed(session, change, UPDATE).await?;
    let client = session.autoscaling();
    let request = client
        .update_auto_scaling_group()
        .auto_scaling_group_name(&*change.group)
        .set_launch_template(by.template)
        .set_mixed_instances_policy(by.mixed);
    session.call(UPDATE, Box::pin(request.send())).await?;
    Ok(Made::Nothing)
}

/// Puts a part into the policy; nothing if there is no such place in it.
fn put(mixed: &mut MixedInstancesPolicy, part: &GroupPart) -> Option<()> {
    let template = mixed.launch_template.as_mut()?;
    let number = match part.at {
        Place::Template => {
            pin(template.launch_template_specification.as_mut()?, &part.names);
            return Some(());
        }
        Place::Override(number) | Place::Image(number) => number,
    };
    let one = template.overrides.as_mut()?.get_mut(number.checked_sub(1)?)?;
    match (&part.names, part.at) {
        (Named::Image(ImageRef::Image(image)), Place::Image(_)) => one.image_id = Some(image.to_string()),
        (names, Place::Override(_)) => pin(one.launch_template_specification.as_mut()?, names),
        _ => return None,
    }
    Some(())
}

fn pin(template: &mut LaunchTemplateSpecification, names: &Named) {
    if let Named::Version(_, version) = names {
        template.version = Some(version.to_string());
    }
}

/// As AWS takes it: a template by its ID or by its name, and not by both, as which it shows it.
fn sendable(mut mixed: MixedInstancesPolicy) -> MixedInstancesPolicy {
    if let Some(template) = &mut mixed.launch_template {
        template.launch_template_specification = template.launch_template_specification.take().map(by_one_name);
        for one in template.overrides.iter_mut().flatten() {
            one.launch_template_specification = one.launch_template_specification.take().map(by_one_name);
        }
    }
    mixed
}

fn by_one_name(mut template: LaunchTemplateSpecification) -> LaunchTemplateSpecification {
    if template.launch_template_id.as_ref().is_some_and(|id| !id.is_empty()) {
        template.launch_template_name = None;
    }
    template
}

/// Gives it a tag that its instances do not get.
pub(super) async fn tag(session: &Session, group: &str, key: &str, value: &str) -> Result<Made, AwsError> {
    let tag = Tag::builder()
        .resource_id(group)
        .resource_type("auto-scaling-group")
        .key(key)
        .value(value)
        .propagate_at_launch(false)
        .build();
    let request = session.autoscaling().create_or_update_tags().tags(tag);
    session.call(TAG, request.send()).await?;
    Ok(Made::Nothing)
}

#[cfg(test)]
#[path = "groups_tests.rs"]
mod tests;
