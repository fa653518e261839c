//! Parameters of Systems Manager, one at a time.

use aws_sdk_ssm::types::{
    ParameterHistory, ParameterMetadata, ParameterStringFilter, ParameterTier, ResourceTypeForTagging,
};

use crate::aws::consumers::{Query, owner};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ErrorClass, LabelledVersion, Movable, Operation, ParameterNow, Tags};

const GET: Operation = Operation::GetParameters;
const DESCRIBE: Operation = Operation::DescribeParameters;
const TAGS: Operation = Operation::ListTagsForResource;
const HISTORY: Operation = Operation::GetParameterHistory;
const PUT: Operation = Operation::PutParameter;
const LABEL: Operation = Operation::LabelParameterVersion;

/// AWS's largest page of a history.
const PAGE: i32 = 50;

/// Reads what it holds, and all that a new version has to be told again: its history says that of each version, and which labels there are.
/// Of tags only a call of their own tells. AWS does not say whether each version in a history has its policies, which would be lost with
/// a new version that is not told them: so where the tier allows any, they are taken from the listing.
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
    let latest = versions.iter().max_by_key(|version| version.version);
    let described = if may_have_policies(latest.and_then(ParameterHistory::tier)) {
        metadata(session, name).await?
    } else {
        None
    };
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
    // Of another version the listing was read from elsewhere.
    let described = described.filter(|described| described.version == got.version);
    let (policies, tier) = match &described {
        Some(described) => (described.policies(), said.tier().or(described.tier())),
        None if may_have_policies(said.tier()) => return Err(AwsError::new(DESCRIBE, ErrorClass::Transient, None)),
        None => (said.policies(), said.tier()),
    };
    Ok(Movable::Parameter(ParameterNow {
        version: got.version,
        value: got.value().unwrap_or_default().into(),
        kind: got.r#type().map_or("", |kind| kind.as_str()).into(),
        data_type: text(got.data_type()).unwrap_or_else(|| "text".into()),
        tier: tier.map_or("Standard", |tier| tier.as_str()).into(),
        description: text(said.description()),
        allowed_pattern: text(said.allowed_pattern()),
        policies: policies
            .iter()
            .filter_map(|policy| policy.policy_text().map(Into::into))
            .collect(),
        oldest,
        labelled,
        modified_by: text(said.last_modified_user()),
        owner: owner(query, None, tags.iter().copied()),
        tags: Tags::of(&tags),
    }))
}

/// Whether a version of this tier may have policies. Which tier it is may not be said, or be a new one.
fn may_have_policies(tier: Option<&ParameterTier>) -> bool {
    !matches!(tier, Some(ParameterTier::Standard))
}

/// What is said of its latest version besides its value, if the listing shows it. A page may be empty and not the last.
async fn metadata(session: &Session, name: &str) -> Result<Option<ParameterMetadata>, AwsError> {
    let filter = ParameterStringFilter::builder()
        .key("Name")
        .option("Equals")
        .values(name)
        .build()
        .map_err(|error| AwsError::malformed(DESCRIBE, &error))?;
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.ssm();
        let request = client
            .describe_parameters()
            .parameter_filters(filter.clone())
            .set_next_token(pages.token());
        let page = session.call(DESCRIBE, request.send()).await?;
        let mut found = listed(DESCRIBE, page.parameters)?.into_iter();
        if let Some(found) = found.find(|parameter| parameter.name() == Some(name)) {
            return Ok(Some(found));
        }
        pages.turn(DESCRIBE, page.next_token)?;
    }
    Ok(None)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Access;
    use crate::aws::testing::{Answer, Wire, bench, open, own};
    use crate::domain::{Besides, ConsumerKind};

    #[tokio::test]
    async fn policies_are_those_of_the_listing_where_the_tier_may_have_any_and_of_no_other_version() {
        let policy = r#"{"Type":"NoChangeNotification"}"#;
        // What the history says of the tier, of which version the listing is, and how many policies it has then. The history has none.
        let table = [
            (r#""Tier":"Standard","#, 2, Ok(0)),
            (r#""Tier":"Standard","#, 1, Ok(0)),
            (r#""Tier":"Advanced","#, 2, Ok(1)),
            (r#""Tier":"Advanced","#, 1, Err(ErrorClass::Transient)),
            (r#""Tier":"Intelligent-Tiering","#, 2, Ok(1)),
            (r#""Tier":"Novel","#, 2, Ok(1)),
            ("", 2, Ok(1)),
            ("", 3, Err(ErrorClass::Transient)),
        ];
        for (tier, version, expected) in table {
            let wire = Wire::new(move |request| {
                let text = serde_json::json!(policy);
                Answer::ok(match request.call.as_str() {
                    "ssm:ListTagsForResource" => r#"{"TagList":[]}"#.to_owned(),
                    "ssm:GetParameterHistory" => format!(
                        r#"{{"Parameters":[{{"Name":"/p","Version":1,"Tier":"Standard"}},{{{tier}"Name":"/p","Version":2}}]}}"#
                    ),
                    "ssm:DescribeParameters" => format!(
                        r#"{{"Parameters":[{{"Name":"/p","Version":{version},"Tier":"Advanced","Policies":[{{"PolicyText":{text}}}]}}]}}"#
                    ),
                    _ => r#"{"Parameters":[{"Name":"/p","Type":"String","Value":"ami-01234567","Version":2}]}"#
                        .to_owned(),
                })
            });
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&own(Access::ReadOnly));
            let (besides, query) = (Besides::default(), Query::default());
            let read = session.movable(ConsumerKind::Parameter, "/p", &besides, &query).await;
            let found = read.map_err(|error| error.class).map(|read| match read {
                Movable::Parameter(now) => (now.policies.len(), now.version),
                other => panic!("{other:?}"),
            });
            assert_eq!(found, expected.map(|policies| (policies, 2)), "{tier} {version}");
            let asked = wire.count("ssm:DescribeParameters");
            assert_eq!(asked, usize::from(!tier.contains("Standard")), "{tier}");
        }
    }
}
