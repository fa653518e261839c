//! Reading everything that can launch an image in one account and region: each kind by itself, so that one that cannot be read
//! hides no other.
//!
//! A kind is a file with a `read`, and a line in [`READERS`].

mod autoscaling;
mod batch;
mod eks;
mod fleets;
mod instances;
mod owner;
mod parameters;
mod recipes;
mod references;
mod spot;
mod templates;

use std::collections::BTreeSet;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use wildmatch::WildMatch;

pub(super) use instances::STATES;
pub(super) use owner::owner;

use super::session::Session;
use crate::domain::{
    AwsError, ConsumerKind, ImageRef, Launcher, Launches, Operation, ParameterRef, Readings, TemplateId, VersionRef,
};

/// Which parameters are taken for consumers of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parameters {
    /// Those of the data type `aws:ec2:image`.
    #[default]
    Images,
    /// Also plain ones: an ID of an image in their value counts.
    All,
}

/// What is read of consumers.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Which parameters.
    pub parameters: Parameters,
    /// Tags by which tools mark what they declare, the values as globs.
    pub owned_by: Vec<(Box<str>, WildMatch)>,
}

/// Reads one kind into what is read, or as much of it as can be.
type Reader = for<'s> fn(&'s Session, &'s Query, &'s mut Readings) -> BoxFuture<'s, Result<(), AwsError>>;

const READERS: [(ConsumerKind, Reader); 11] = [
    (ConsumerKind::Instance, |session, query, into| {
        Box::pin(instances::read(session, query, into))
    }),
    (ConsumerKind::LaunchTemplate, |session, query, into| {
        Box::pin(templates::read(session, query, into))
    }),
    (ConsumerKind::LaunchConfiguration, |session, _, into| {
        Box::pin(autoscaling::read_configurations(session, into))
    }),
    (ConsumerKind::AutoScalingGroup, |session, query, into| {
        Box::pin(autoscaling::read_groups(session, query, into))
    }),
    (ConsumerKind::Fleet, |session, query, into| {
        Box::pin(fleets::read(session, query, into))
    }),
    (ConsumerKind::SpotFleet, |session, query, into| {
        Box::pin(spot::read_fleets(session, query, into))
    }),
    (ConsumerKind::SpotRequest, |session, query, into| {
        Box::pin(spot::read_requests(session, query, into))
    }),
    (ConsumerKind::Parameter, |session, query, into| {
        Box::pin(parameters::read(session, query.parameters, into))
    }),
    (ConsumerKind::NodeGroup, |session, query, into| {
        Box::pin(eks::read(session, query, into))
    }),
    (ConsumerKind::ComputeEnvironment, |session, query, into| {
        Box::pin(batch::read(session, query, into))
    }),
    (ConsumerKind::Recipe, |session, query, into| {
        Box::pin(recipes::read(session, query, into))
    }),
];

/// The kinds of which AWS does not say by itself what names an image (DescribeImageReferences).
const UNSAID: [ConsumerKind; 7] = [
    ConsumerKind::LaunchConfiguration,
    ConsumerKind::AutoScalingGroup,
    ConsumerKind::Fleet,
    ConsumerKind::SpotFleet,
    ConsumerKind::SpotRequest,
    ConsumerKind::NodeGroup,
    ConsumerKind::ComputeEnvironment,
];

impl Session {
    /// Lists once more the kinds of which AWS does not say by itself what names an image.
    pub async fn list_consumers_again(&self, query: &Query) -> Readings {
        let parameters = query.parameters == Parameters::All;
        let again = |kind| UNSAID.contains(&kind) || parameters && kind == ConsumerKind::Parameter;
        self.list_kinds(query, again).await
    }

    /// Lists everything that can launch an image. What cannot be read is in the answer too. What the things that were read name, and no
    /// listing shows, is for [`Session::read_named`].
    pub async fn list_consumers(&self, query: &Query) -> Readings {
        self.list_kinds(query, |_| true).await
    }

    async fn list_kinds(&self, query: &Query, wanted: impl Fn(ConsumerKind) -> bool) -> Readings {
        let readers = READERS.into_iter().filter(|(kind, _)| wanted(*kind));
        let reading = readers.map(|(kind, read)| async move {
            let mut readings = Readings::default();
            if let Err(error) = read(self, query, &mut readings).await {
                tracing::debug!(%kind, %error, "could not read everything that launches images");
                readings.unread.insert(kind, error);
            }
            readings
        });
        let mut reading: FuturesUnordered<_> = reading.collect();
        let mut readings = Readings::default();
        while let Some(of_kind) = reading.next().await {
            readings.absorb(of_kind);
        }
        readings
            .launchers
            .sort_by(|one, other| (one.kind, &one.id).cmp(&(other.kind, &other.id)));
        readings
    }

    /// Reads versions of templates, and parameters, that something names.
    pub async fn read_named(
        &self,
        versions: &BTreeSet<(TemplateId, i64)>,
        parameters: &BTreeSet<ParameterRef>,
        into: &mut Readings,
    ) {
        if let Err(error) = templates::read_pinned(self, versions, into).await {
            into.unread.insert(ConsumerKind::LaunchTemplate, error);
        }
        if let Err(error) = parameters::read_named(self, parameters, into).await {
            into.unread.insert(ConsumerKind::Parameter, error);
        }
    }
}

/// An ID or name, without which nothing can be said of a thing.
fn named(operation: Operation, id: Option<&str>) -> Result<Box<str>, AwsError> {
    match id {
        Some(id) if !id.is_empty() => Ok(id.into()),
        _ => Err(AwsError::malformed(operation, &"something without an ID")),
    }
}

/// The template that is named by ID or by name, and its version.
fn template(id: Option<&str>, name: Option<&str>, version: Option<&str>) -> Option<Launches> {
    let id = id.filter(|id| !id.is_empty()).map(|id| TemplateId::Id(id.into()));
    let name = name
        .filter(|name| !name.is_empty())
        .map(|name| TemplateId::Name(name.into()));
    Some(Launches::Template(id.or(name)?, VersionRef::parse(version)))
}

/// The image that is named by a text.
fn image(text: Option<&str>) -> Option<Launches> {
    ImageRef::parse(text?).map(Launches::Image)
}

/// Something that launches what is in `launches`, each with the part of it that says so.
fn launcher<'l>(
    kind: ConsumerKind,
    id: Box<str>,
    launches: impl IntoIterator<Item = (String, Option<Launches>)> + 'l,
) -> Launcher {
    let launches = launches.into_iter();
    Launcher {
        kind,
        id,
        launches: launches
            .filter_map(|(what, launches)| Some((what.into(), launches?)))
            .collect(),
        owner: None,
    }
}

/// What overrides launch, each with its number from 1.
fn overrides<'o, O: 'o>(
    of: impl IntoIterator<Item = &'o O>,
    launches: impl Fn(&'o O) -> [Option<Launches>; 2],
) -> Vec<(String, Option<Launches>)> {
    let numbered = of.into_iter().enumerate();
    numbered
        .flat_map(|(number, of)| launches(of).map(|launches| (format!("override {}", number + 1), launches)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, role};
    use super::*;

    #[tokio::test]
    async fn an_answer_without_its_list_is_not_taken_for_an_empty_one() {
        let wire = Wire::new(|request| match request.call.split_once(':') {
            Some(("ec2" | "autoscaling", action)) => Answer::ok(format!("<{action}Response/>")),
            _ => Answer::ok("{}"),
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&role(Access::ReadOnly));
        let readings = session.list_consumers(&Query::default()).await;
        let unread: Vec<ConsumerKind> = readings.unread.into_keys().collect();
        assert_eq!(unread, READERS.map(|(kind, _)| kind));
        let image = "ami-0123456789abcdef0".parse().expect("an image");
        assert!(session.image_references(&[image]).await.is_err());
    }
}
