//! Parameters of Systems Manager, one at a time.

use aws_sdk_ssm::types::{ParameterStringFilter, ResourceTypeForTagging};

use crate::aws::consumers::{Query, owner};
use crate::aws::listing::listed;
use crate::aws::session::Session;
use crate::domain::{AwsError, Movable, Operation, ParameterNow, Tags};

const GET: Operation = Operation::GetParameters;
const DESCRIBE: Operation = Operation::DescribeParameters;
const TAGS: Operation = Operation::ListTagsForResource;
const PUT: Operation = Operation::PutParameter;

/// Reads what it holds, and all that a new version has to be told again.
pub(super) async fn read(session: &Session, name: &str, query: &Query) -> Result<Movable, AwsError> {
    let client = session.ssm();
    let filter = ParameterStringFilter::builder()
        .key("Name")
        .option("Equals")
        .values(name)
        .build()
        .map_err(|error| AwsError::malformed(DESCRIBE, &error))?;
    let described = client.describe_parameters().parameter_filters(filter);
    let described = session.call(DESCRIBE, described.send()).await?;
    let of_type = ResourceTypeForTagging::Parameter;
    let tags = client.list_tags_for_resource().resource_type(of_type).resource_id(name);
    let tags = session.call(TAGS, tags.send()).await?;
    // Last, as this is what decides.
    let got = session.call(GET, client.get_parameters().names(name).send()).await?;
    let Some(got) = listed(GET, got.parameters)?.into_iter().next() else {
        return Ok(Movable::Gone);
    };
    let metadata = listed(DESCRIBE, described.parameters)?;
    let Some(metadata) = metadata.into_iter().find(|metadata| metadata.name() == Some(name)) else {
        return Ok(Movable::Gone);
    };
    let tags: Vec<(&str, &str)> = tags.tag_list().iter().map(|tag| (tag.key(), tag.value())).collect();
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Into::into);
    let policies = metadata.policies().iter();
    Ok(Movable::Parameter(ParameterNow {
        version: got.version,
        value: got.value().unwrap_or_default().into(),
        kind: got.r#type().map_or("", |kind| kind.as_str()).into(),
        data_type: text(got.data_type()).unwrap_or_else(|| "text".into()),
        tier: metadata.tier().map_or("Standard", |tier| tier.as_str()).into(),
        description: text(metadata.description()),
        allowed_pattern: text(metadata.allowed_pattern()),
        policies: policies
            .filter_map(|policy| policy.policy_text().map(Into::into))
            .collect(),
        owner: owner(query, None, tags.iter().copied()),
        tags: Tags::of(&tags),
    }))
}

/// Gives it another value, and all else as it was. Says which version that is.
pub(super) async fn put(session: &Session, name: &str, value: &str, now: &ParameterNow) -> Result<i64, AwsError> {
    let text = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
    let policies = (!now.policies.is_empty()).then(|| format!("[{}]", now.policies.join(",")));
    let client = session.ssm();
    let request = client
        .put_parameter()
        .name(name)
        .value(value)
        .overwrite(true)
        .r#type((&*now.kind).into())
        .data_type(&*now.data_type)
        .tier((&*now.tier).into())
        .set_description(text(&now.description))
        .set_allowed_pattern(text(&now.allowed_pattern))
        .set_policies(policies);
    let answer = session.call(PUT, request.send()).await?;
    Ok(answer.version)
}
