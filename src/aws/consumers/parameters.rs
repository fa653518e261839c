//! Parameters of Systems Manager: those that hold images, with every version that has a label, and those that something names.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::types::{Parameter, ParameterStringFilter};

use super::{Parameters, named};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{
    AwsError, ConsumerKind, ErrorClass, ImageId, ImageRef, Launcher, Launches, Operation, ParameterRef, ParameterValue,
    Readings,
};

const LIST: Operation = Operation::DescribeParameters;
const GET: Operation = Operation::GetParameters;
const HISTORY: Operation = Operation::GetParameterHistory;

/// AWS's largest page of the listing and of a history.
const PAGE: i32 = 50;
/// How many parameters AWS gives at a time.
const AT_A_TIME: usize = 10;
/// The data type of parameters that hold images.
const IMAGE: &str = "aws:ec2:image";

pub(super) async fn read(session: &Session, which: Parameters, into: &mut Readings) -> Result<(), AwsError> {
    let names = list(session, which, into).await?;
    let mut newer: Vec<(Box<str>, i64)> = Vec::new();
    for some in names.chunks(AT_A_TIME) {
        let (found, _) = get(session, some.iter().map(|name| name.to_string()).collect()).await?;
        for parameter in found {
            let name = named(GET, parameter.name())?;
            let images = images_of(parameter.value().unwrap_or_default());
            if images.is_empty() && parameter.data_type() != Some(IMAGE) {
                continue;
            }
            if parameter.version > 1 && parameter.data_type() == Some(IMAGE) {
                newer.push((name.clone(), parameter.version));
            }
            let launches = images.into_iter();
            into.launchers.push(Launcher {
                kind: ConsumerKind::Parameter,
                id: name,
                launches: launches
                    .map(|image| ("".into(), Launches::Image(ImageRef::Image(image))))
                    .collect(),
                owner: None,
            });
        }
    }
    for (name, version) in newer {
        labelled(session, &name, version, into).await?;
    }
    Ok(())
}

/// The names of all that are to be looked into.
async fn list(session: &Session, which: Parameters, into: &mut Readings) -> Result<Vec<Box<str>>, AwsError> {
    let filter = match which {
        Parameters::All => None,
        Parameters::Images => {
            let filter = ParameterStringFilter::builder()
                .key("DataType")
                .option("Equals")
                .values(IMAGE);
            Some(filter.build().map_err(|error| AwsError::malformed(LIST, &error))?)
        }
    };
    let mut names = BTreeSet::new();
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.ssm();
        let request = client
            .describe_parameters()
            .set_parameter_filters(filter.clone().map(|filter| vec![filter]))
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(LIST, request.send()).await?;
        for parameter in &listed(LIST, page.parameters)? {
            names.insert(named(LIST, parameter.name())?);
        }
        pages.turn(LIST, page.next_token)?;
    }
    // AWS says by itself which of the others name an image.
    into.paged |= which == Parameters::All && pages.several();
    Ok(names.into_iter().collect())
}

/// These parameters, and the names of those that are not there.
async fn get(session: &Session, names: Vec<String>) -> Result<(Vec<Parameter>, Vec<String>), AwsError> {
    let client = session.ssm();
    let request = client.get_parameters().set_names(Some(names));
    let answer = session.call(GET, request.send()).await?;
    Ok((
        listed(GET, answer.parameters)?,
        answer.invalid_parameters.unwrap_or_default(),
    ))
}

/// Adds what older versions hold that somebody can still name by a label.
async fn labelled(session: &Session, name: &str, latest: i64, into: &mut Readings) -> Result<(), AwsError> {
    let mut older = Vec::new();
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.ssm();
        let request = client
            .get_parameter_history()
            .name(name)
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(HISTORY, request.send()).await?;
        let versions = listed(HISTORY, page.parameters)?;
        for version in versions.iter().filter(|version| version.version != latest) {
            let labels = version.labels().join(", ");
            if labels.is_empty() {
                continue;
            }
            let images = images_of(version.value().unwrap_or_default()).into_iter();
            older.extend(images.map(|image| {
                let what = format!("version {} ({labels})", version.version);
                (what.into(), Launches::Image(ImageRef::Image(image)))
            }));
        }
        pages.turn(HISTORY, page.next_token)?;
    }
    let ours = |launcher: &&mut Launcher| launcher.kind == ConsumerKind::Parameter && *launcher.id == *name;
    if let Some(launcher) = into.launchers.iter_mut().find(ours) {
        launcher.launches.append(&mut older);
    }
    Ok(())
}

/// Reads parameters that something names images by.
pub(super) async fn read_named(
    session: &Session,
    wanted: &BTreeSet<ParameterRef>,
    into: &mut Readings,
) -> Result<(), AwsError> {
    // What is shared by another account is asked for by itself: a denial fails the call for all.
    let (foreign, own): (Vec<&ParameterRef>, Vec<_>) =
        wanted.iter().partition(|wanted| wanted.name.starts_with("arn:"));
    let mut failed = None;
    for some in own.chunks(AT_A_TIME).chain(foreign.chunks(1)) {
        let asked: BTreeMap<String, &ParameterRef> = some.iter().map(|wanted| (text(wanted), *wanted)).collect();
        match get(session, asked.keys().cloned().collect()).await {
            Ok((found, absent)) => take(&asked, &found, &absent, into),
            Err(error) if error.class == ErrorClass::NotFound => take(&asked, &[], &[], into),
            Err(error) => failed = Some(error),
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Takes in the answer. What AWS calls invalid is not there; what it does not speak of stays unread.
fn take(asked: &BTreeMap<String, &ParameterRef>, found: &[Parameter], absent: &[String], into: &mut Readings) {
    for (name, wanted) in asked {
        let is_it = |parameter: &&Parameter| {
            let by = [parameter.name(), parameter.arn()].into_iter().flatten();
            let selector = parameter.selector().unwrap_or_default();
            by.map(|by| format!("{by}{selector}")).any(|by| by == *name)
        };
        let image = match found.iter().find(is_it) {
            Some(parameter) => images_of(parameter.value().unwrap_or_default()).into_iter().next(),
            None if absent.contains(name) => None,
            None => continue,
        };
        into.parameters.push(ParameterValue {
            asked: (*wanted).clone(),
            image,
        });
    }
}

/// As GetParameters takes it.
fn text(wanted: &ParameterRef) -> String {
    match &wanted.version {
        Some(version) => format!("{}:{version}", wanted.name),
        None => wanted.name.to_string(),
    }
}

/// The images that a value names, anywhere in it: a plain parameter may hold a list or a document.
fn images_of(value: &str) -> BTreeSet<ImageId> {
    let words = value.split(|sign: char| !sign.is_ascii_alphanumeric() && sign != '-');
    words.filter_map(|word| word.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_anywhere_in_a_value_and_nothing_else_is_taken_for_one() {
        for (value, expected) in [
            ("ami-0123456789abcdef0", vec!["ami-0123456789abcdef0"]),
            ("ami-01234567,ami-89abcdef", vec!["ami-01234567", "ami-89abcdef"]),
            (r#"{"web": "ami-01234567"}"#, vec!["ami-01234567"]),
            ("my-ami-01234567", vec![]),
            ("ami-0123", vec![]),
            ("", vec![]),
        ] {
            let found: Vec<String> = images_of(value).iter().map(ToString::to_string).collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
