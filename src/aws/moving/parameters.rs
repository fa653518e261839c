//! Parameters of Systems Manager, one at a time.

use aws_sdk_ssm::types::{ParameterHistory, ResourceTypeForTagging};

use crate::aws::consumers::{Query, owner};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ErrorClass, LabelledVersion, Movable, Operation, ParameterNow, Tags};

const GET: Operation = Operation::GetParameters;
const TAGS: Operation = Operation::ListTagsForResource;
const HISTORY: Operation = Operation::GetParameterHistory;
const PUT: Operation = Operation::PutParameter;
const LABEL: Operation = Operation::LabelParameterVersion;

/// AWS's largest page of a history.
const PAGE: i32 = 50;

/// Reads what it holds, and all that a new version has to be told again: its history says that of each version, and which labels there are.
/// Of tags only a call of their own tells.
pub(super) async fn read(session: &Session, name: &str, query: &Query) -> Result<Movable, AwsError> {
    let client = session.ssm();
    let of_type = ResourceTypeForTagging::Parameter;
    let tags = client.list_tags_for_resource().resource_type(of_type).resource_id(name);
    let tags = session.call(TAGS, tags.send()).await?;
    let History {
        oldest,
        labelled,
        versions,
    } = history(session, name).await?;
    // Last, as this is what decides.
    let answer = session.call(GET, client.get_parameters().names(name).send()).await?;
    if answer.invalid_parameters().iter().any(|invalid| invalid == name) {
        return Ok(Movable::Gone);
    }
    let got = listed(GET, answer.parameters)?.into_iter().next();
    let got = got.ok_or_else(|| AwsError::new(GET, ErrorClass::Transient, None))?;
    let mut versions = versions.into_iter();
    // A history without this version was read from elsewhere, and says nothing of its labels either.
    let said = versions.find(|version| version.version == got.version);
    let said = said.ok_or_else(|| AwsError::new(HISTORY, ErrorClass::Transient, None))?;
    let tags: Vec<(&str, &str)> = tags.tag_list().iter().map(|tag| (tag.key(), tag.value())).collect();
    let text = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Into::into);
    let policies = said.policies().iter();
    Ok(Movable::Parameter(ParameterNow {
        version: got.version,
        value: got.value().unwrap_or_default().into(),
        kind: got.r#type().map_or("", |kind| kind.as_str()).into(),
        data_type: text(got.data_type()).unwrap_or_else(|| "text".into()),
        tier: said.tier().map_or("Standard", |tier| tier.as_str()).into(),
        description: text(said.description()),
        allowed_pattern: text(said.allowed_pattern()),
        policies: policies
            .filter_map(|policy| policy.policy_text().map(Into::into))
            .collect(),
        oldest,
        labelled,
        modified_by: text(said.last_modified_user()),
        owner: owner(query, None, tags.iter().copied()),
        tags: Tags::of(&tags),
    }))
}

/// What is known of the versions that Parameter Store keeps.
struct History {
    oldest: i64,
    labelled: Vec<LabelledVersion>,
    /// Each without its value.
    versions: Vec<ParameterHistory>,
}

/// Reads its versions: nothing else shows which labels there are.
async fn history(session: &Session, name: &str) -> Result<History, AwsError> {
    let mut found = History {
        oldest: i64::MAX,
        labelled: Vec::new(),
        versions: Vec::new(),
    };
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.ssm();
        let request = client
            .get_parameter_history()
            .name(name)
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(HISTORY, request.send()).await?;
        for mut version in listed(HISTORY, page.parameters)? {
            found.oldest = found.oldest.min(version.version);
            let value = version.value.take().unwrap_or_default();
            if !version.labels().is_empty() {
                found.labelled.push(LabelledVersion {
                    number: version.version,
                    value: value.into(),
                    labels: version.labels().iter().map(|label| label.as_str().into()).collect(),
                });
            }
            found.versions.push(version);
        }
        pages.turn(HISTORY, page.next_token)?;
    }
    Ok(found)
}

/// Has these labels be on this version and on no other. Says which version that is.
pub(super) async fn label(session: &Session, name: &str, version: i64, labels: &[Box<str>]) -> Result<i64, AwsError> {
    let client = session.ssm();
    let request = client
        .label_parameter_version()
        .name(name)
        .parameter_version(version)
        .set_labels(Some(labels.iter().map(|label| label.to_string()).collect()));
    let answer = session.call(LABEL, request.send()).await?;
    if answer.invalid_labels().is_empty() {
        Ok(answer.parameter_version)
    } else {
        Err(AwsError::malformed(LABEL, &"labels that were there are no labels"))
    }
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
