//! Launch templates: of each the default and the latest version, in one listing of all, and those that somebody pins.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_ec2::types::LaunchTemplateVersion;

use super::owner::owner;
use super::{Query, named};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{
    AwsError, ConsumerKind, ErrorClass, ImageRef, Launcher, Launches, Operation, Owner, Readings, TemplateId,
    TemplateVersion,
};

const VERSIONS: Operation = Operation::DescribeLaunchTemplateVersions;

/// AWS's largest page of both.
const PAGE: i32 = 200;

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut found = Vec::new();
    let listed = list(session, &mut found).await;
    let owners = owners(session, query).await;
    let unknown = HashMap::new();
    launchers(&found, owners.as_ref().unwrap_or(&unknown), into);
    into.versions.append(&mut found);
    listed.and(owners.map(drop))
}

/// Without a template the default and the latest version of each are listed, and no others can be.
async fn list(session: &Session, found: &mut Vec<TemplateVersion>) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_template_versions()
            .include_managed_resources(true)
            .set_versions(Some(vec!["$Latest".to_owned(), "$Default".to_owned()]))
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(VERSIONS, request.send()).await?;
        for version in &listed(VERSIONS, page.launch_template_versions)? {
            found.push(project(version)?);
        }
        pages.turn(VERSIONS, page.next_token)?;
    }
    Ok(())
}

/// A launcher for each template.
fn launchers(found: &[TemplateVersion], owners: &HashMap<Box<str>, Owner>, into: &mut Readings) {
    let mut templates: BTreeMap<&str, BTreeMap<i64, &TemplateVersion>> = BTreeMap::new();
    for version in found {
        templates
            .entry(&version.template)
            .or_default()
            .insert(version.number, version);
    }
    for (template, versions) in templates {
        let launches = versions.into_values().filter_map(|version| {
            let image = version.image.clone()?;
            Some((format!("version {}", version.number).into(), Launches::Image(image)))
        });
        into.launchers.push(Launcher {
            kind: ConsumerKind::LaunchTemplate,
            id: template.into(),
            launches: launches.collect(),
            owner: owners.get(template).cloned(),
        });
    }
}

/// Whose the templates are: their tags are in no listing of versions.
async fn owners(session: &Session, query: &Query) -> Result<HashMap<Box<str>, Owner>, AwsError> {
    const OPERATION: Operation = Operation::DescribeLaunchTemplates;
    let mut owners = HashMap::new();
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_templates()
            .include_managed_resources(true)
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(OPERATION, request.send()).await?;
        for template in &listed(OPERATION, page.launch_templates)? {
            let id = named(OPERATION, template.launch_template_id())?;
            let tags = template
                .tags()
                .iter()
                .filter_map(|tag| Some((tag.key()?, tag.value()?)));
            if let Some(owner) = owner(
                query,
                template.operator().and_then(|operator| operator.principal()),
                tags,
            ) {
                owners.insert(id, owner);
            }
        }
        pages.turn(OPERATION, page.next_token)?;
    }
    Ok(owners)
}

/// Reads versions that are pinned by their numbers: one call for each template.
pub(super) async fn read_pinned(
    session: &Session,
    wanted: &BTreeSet<(TemplateId, i64)>,
    into: &mut Readings,
) -> Result<(), AwsError> {
    let mut templates: BTreeMap<&TemplateId, Vec<i64>> = BTreeMap::new();
    for (template, number) in wanted {
        templates.entry(template).or_default().push(*number);
    }
    for (template, numbers) in templates {
        match ask(session, template, &numbers).await {
            Ok(versions) => take_pinned(template, &numbers, versions, into),
            // One that is not there fails the call for all.
            Err(error) if error.class == ErrorClass::NotFound && numbers.len() > 1 => {
                for number in numbers {
                    one(session, template, number, into).await?;
                }
            }
            Err(error) if error.class == ErrorClass::NotFound => take_pinned(template, &numbers, Vec::new(), into),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn one(session: &Session, template: &TemplateId, number: i64, into: &mut Readings) -> Result<(), AwsError> {
    let versions = match ask(session, template, &[number]).await {
        Err(error) if error.class == ErrorClass::NotFound => Vec::new(),
        answer => answer?,
    };
    take_pinned(template, &[number], versions, into);
    Ok(())
}

/// Takes in the answer. What AWS does not show of these is not there.
fn take_pinned(template: &TemplateId, numbers: &[i64], versions: Vec<TemplateVersion>, into: &mut Readings) {
    for number in numbers {
        if !versions.iter().any(|version| version.number == *number) {
            into.absent_versions.insert((template.clone(), *number));
        }
    }
    into.versions.extend(versions);
}

async fn ask(session: &Session, template: &TemplateId, numbers: &[i64]) -> Result<Vec<TemplateVersion>, AwsError> {
    let mut found = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let request = session.ec2_reads().describe_launch_template_versions();
        let request = match template {
            TemplateId::Id(id) => request.launch_template_id(&**id),
            TemplateId::Name(name) => request.launch_template_name(&**name),
        };
        let request = request
            .include_managed_resources(true)
            .set_versions(Some(numbers.iter().map(i64::to_string).collect()))
            .set_next_token(pages.token());
        let page = session.call(VERSIONS, request.send()).await?;
        for version in &listed(VERSIONS, page.launch_template_versions)? {
            found.push(project(version)?);
        }
        pages.turn(VERSIONS, page.next_token)?;
    }
    Ok(found)
}

fn project(version: &LaunchTemplateVersion) -> Result<TemplateVersion, AwsError> {
    let number = version
        .version_number
        .ok_or_else(|| AwsError::malformed(VERSIONS, &"a version without a number"))?;
    Ok(TemplateVersion {
        template: named(VERSIONS, version.launch_template_id())?,
        name: version.launch_template_name().unwrap_or_default().into(),
        number,
        is_default: version.default_version.unwrap_or_default(),
        image: version
            .launch_template_data()
            .and_then(|data| data.image_id())
            .and_then(ImageRef::parse),
    })
}
