//! Launch templates, one at a time.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::operation::create_launch_template_version::builders::CreateLaunchTemplateVersionFluentBuilder;
use aws_sdk_ec2::types::{
    LaunchTemplate, LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateVersion, RequestLaunchTemplateData,
};

use crate::aws::consumers::{Query, owner};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{
    AwsError, ErrorClass, ImageRef, MappedVolume, Mapping, Movable, NewVersion, Operation, Tags, TemplateNow,
    VersionNow,
};

const TEMPLATES: Operation = Operation::DescribeLaunchTemplates;
const VERSIONS: Operation = Operation::DescribeLaunchTemplateVersions;
const CREATE: Operation = Operation::CreateLaunchTemplateVersion;
const MODIFY: Operation = Operation::ModifyLaunchTemplate;

/// What AWS says where a version is not there.
const NO_VERSION: &str = "InvalidLaunchTemplateId.VersionNotFound";
/// So many tokens are tried for one version.
const TOKENS: usize = 8;
/// How many answers are read until versions and template speak of the same default and latest version.
const TRIES: usize = 3;

/// Reads its default and its latest version, its tags, and these versions besides, as far as they are there.
pub(super) async fn read(
    session: &Session,
    id: &str,
    besides: &BTreeSet<i64>,
    query: &Query,
) -> Result<Movable, AwsError> {
    for _ in 0..TRIES {
        let versions = versions(session, id, vec!["$Latest".to_owned(), "$Default".to_owned()]).await?;
        let template = template(session, id).await?;
        let numbered = |number: Option<i64>| versions.iter().find(|version| Some(version.number) == number);
        let default = numbered(template.default_version_number()).cloned();
        let latest = numbered(template.latest_version_number()).cloned();
        let (Some(default), Some(latest)) = (default, latest) else {
            // Somebody has changed it between the two calls, or one of them shows what was before.
            continue;
        };
        let mut others = BTreeMap::new();
        // One by one: AWS refuses a call that names one which is not there.
        for number in besides {
            if ![latest.number, default.number].contains(number) {
                others.insert(*number, one(session, id, *number).await?);
            }
        }
        let tags: Vec<(&str, &str)> = template
            .tags()
            .iter()
            .filter_map(|tag| Some((tag.key()?, tag.value()?)))
            .collect();
        let principal = template.operator().and_then(|operator| operator.principal());
        return Ok(Movable::Template(TemplateNow {
            latest,
            default,
            others,
            owner: owner(query, principal, tags.iter().copied()),
            tags: Tags::of(&tags),
        }));
    }
    Err(AwsError::new(VERSIONS, ErrorClass::Transient, None))
}

/// The template itself. One that is not there is an error; none in the answer is no answer.
async fn template(session: &Session, id: &str) -> Result<LaunchTemplate, AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_templates()
            .include_managed_resources(true)
            .launch_template_ids(id)
            .set_next_token(pages.token());
        let page = session.call(TEMPLATES, request.send()).await?;
        if let Some(template) = listed(TEMPLATES, page.launch_templates)?.into_iter().next() {
            return Ok(template);
        }
        pages.turn(TEMPLATES, page.next_token)?;
    }
    Err(AwsError::new(TEMPLATES, ErrorClass::Transient, None))
}

async fn versions(session: &Session, id: &str, which: Vec<String>) -> Result<Vec<VersionNow>, AwsError> {
    let mut found = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let request = session
            .ec2_reads()
            .describe_launch_template_versions()
            .include_managed_resources(true)
            .launch_template_id(id)
            .set_versions(Some(which.clone()))
            .set_next_token(pages.token());
        let page = session.call(VERSIONS, request.send()).await?;
        for version in listed(VERSIONS, page.launch_template_versions)? {
            found.push(project(&version)?);
        }
        pages.turn(VERSIONS, page.next_token)?;
    }
    Ok(found)
}

/// One version, if it is there.
async fn one(session: &Session, id: &str, number: i64) -> Result<Option<VersionNow>, AwsError> {
    match versions(session, id, vec![number.to_string()]).await {
        Err(error) if error.class == ErrorClass::NotFound => Ok(None),
        read => Ok(read?.into_iter().next()),
    }
}

pub(super) fn project(version: &LaunchTemplateVersion) -> Result<VersionNow, AwsError> {
    let number = version
        .version_number
        .ok_or_else(|| AwsError::malformed(VERSIONS, &"a version without a number"))?;
    let data = version.launch_template_data();
    let mappings = data.map(|data| data.block_device_mappings()).unwrap_or_default();
    Ok(VersionNow {
        number,
        description: version.version_description().map(Into::into),
        image: data.and_then(|data| data.image_id()).and_then(ImageRef::parse),
        mappings: mappings.iter().map(mapping).collect::<Result<_, _>>()?,
    })
}

fn mapping(mapping: &LaunchTemplateBlockDeviceMapping) -> Result<Mapping, AwsError> {
    let text = |text: Option<&str>| text.map(Into::into);
    let ebs = mapping.ebs().map(|ebs| {
        let snapshot = ebs.snapshot_id().filter(|id| !id.is_empty());
        let snapshot = snapshot.map(|id| id.parse().map_err(|error| AwsError::malformed(VERSIONS, &error)));
        Ok(MappedVolume {
            snapshot: snapshot.transpose()?,
            encrypted: ebs.encrypted(),
            key: text(ebs.kms_key_id()),
            delete_on_termination: ebs.delete_on_termination(),
            size_gib: ebs.volume_size(),
            volume_type: text(ebs.volume_type().map(|kind| kind.as_str())),
            iops: ebs.iops(),
            throughput: ebs.throughput(),
            initialization_rate: ebs.volume_initialization_rate(),
            card: ebs.ebs_card_index(),
        })
    });
    Ok(Mapping {
        device: text(mapping.device_name()),
        virtual_name: text(mapping.virtual_name()),
        no_device: text(mapping.no_device()),
        ebs: ebs.transpose()?,
    })
}

/// Makes a version, and says which.
///
/// AWS makes one version by a token, ever. Where people have deleted what this one has made before, it is made by the next token, which
/// stands for one version as well. AWS says the same of a version that is made of one which is not there: then no token is of use.
pub(super) async fn new_version(session: &Session, version: &NewVersion) -> Result<i64, AwsError> {
    let mut token = 1;
    let answer = loop {
        let request = create(session, version).client_token(nth_token(&version.client_token, token));
        match session.call(CREATE, Box::pin(request.send())).await {
            Err(error) if error.code.as_deref() == Some(NO_VERSION) && token < TOKENS => token += 1,
            answer => break answer?,
        }
    };
    let made = answer.launch_template_version().and_then(|made| made.version_number());
    made.ok_or_else(|| AwsError::malformed(CREATE, &"no version in the answer"))
}

/// The first is the token itself.
fn nth_token(token: &str, number: usize) -> String {
    if number == 1 {
        token.to_owned()
    } else {
        format!("{token}-{number}")
    }
}

/// Asks by dry runs whether this version may be made, and whether the template's default may be set.
pub(super) async fn may_make(session: &Session, version: &NewVersion) -> Result<(), AwsError> {
    let request = create(session, version).dry_run(true);
    permitted(session.call(CREATE, Box::pin(request.send())).await)?;
    let request = session
        .ec2()
        .modify_launch_template()
        .launch_template_id(&*version.template)
        .default_version(version.source.to_string())
        .dry_run(true);
    permitted(session.call(MODIFY, request.send()).await)
}

/// What AWS says of a dry run. What it refuses for another reason than rights is found out by the call itself.
fn permitted<T>(answer: Result<T, AwsError>) -> Result<(), AwsError> {
    match answer {
        Err(error)
            if matches!(
                error.class,
                ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient
            ) =>
        {
            Err(error)
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

fn create(session: &Session, version: &NewVersion) -> CreateLaunchTemplateVersionFluentBuilder {
    let mappings: Vec<_> = version.mappings.iter().map(sdk_mapping).collect();
    let data = RequestLaunchTemplateData::builder()
        .image_id(&*version.image)
        .set_block_device_mappings((!mappings.is_empty()).then_some(mappings))
        .build();
    session
        .ec2()
        .create_launch_template_version()
        .launch_template_id(&*version.template)
        .source_version(version.source.to_string())
        .version_description(&version.description)
        .client_token(&version.client_token)
        .launch_template_data(data)
}

fn sdk_mapping(mapping: &Mapping) -> LaunchTemplateBlockDeviceMappingRequest {
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let ebs = mapping.ebs.as_ref().map(|volume| {
        LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_snapshot_id(volume.snapshot.as_ref().map(ToString::to_string))
            .set_encrypted(volume.encrypted)
            .set_kms_key_id(text(&volume.key))
            .set_delete_on_termination(volume.delete_on_termination)
            .set_volume_size(volume.size_gib)
            .set_volume_type(volume.volume_type.as_deref().map(Into::into))
            .set_iops(volume.iops)
            .set_throughput(volume.throughput)
            .set_volume_initialization_rate(volume.initialization_rate)
            .set_ebs_card_index(volume.card)
            .build()
    });
    LaunchTemplateBlockDeviceMappingRequest::builder()
        .set_device_name(text(&mapping.device))
        .set_virtual_name(text(&mapping.virtual_name))
        .set_no_device(text(&mapping.no_device))
        .set_ebs(ebs)
        .build()
}

/// Makes a version the default.
pub(super) async fn set_default(session: &Session, template: &str, version: i64) -> Result<i64, AwsError> {
    let request = session
        .ec2()
        .modify_launch_template()
        .launch_template_id(template)
        .default_version(version.to_string());
    session.call(MODIFY, request.send()).await?;
    Ok(version)
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
