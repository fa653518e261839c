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

/// Reads one kind into what is read, or as much of it as can be.
type Reader = for<'s> fn(&'s Session, Parameters, &'s mut Readings) -> BoxFuture<'s, Result<(), AwsError>>;

const READERS: [(ConsumerKind, Reader); 11] = [
    (ConsumerKind::Instance, |session, _, into| {
        Box::pin(instances::read(session, into))
    }),
    (ConsumerKind::LaunchTemplate, |session, _, into| {
        Box::pin(templates::read(session, into))
    }),
    (ConsumerKind::LaunchConfiguration, |session, _, into| {
        Box::pin(autoscaling::read_configurations(session, into))
    }),
    (ConsumerKind::AutoScalingGroup, |session, _, into| {
        Box::pin(autoscaling::read_groups(session, into))
    }),
    (ConsumerKind::Fleet, |session, _, into| {
        Box::pin(fleets::read(session, into))
    }),
    (ConsumerKind::SpotFleet, |session, _, into| {
        Box::pin(spot::read_fleets(session, into))
    }),
    (ConsumerKind::SpotRequest, |session, _, into| {
        Box::pin(spot::read_requests(session, into))
    }),
    (ConsumerKind::Parameter, |session, which, into| {
        Box::pin(parameters::read(session, which, into))
    }),
    (ConsumerKind::NodeGroup, |session, _, into| {
        Box::pin(eks::read(session, into))
    }),
    (ConsumerKind::ComputeEnvironment, |session, _, into| {
        Box::pin(batch::read(session, into))
    }),
    (ConsumerKind::Recipe, |session, _, into| {
        Box::pin(recipes::read(session, into))
    }),
];

impl Session {
    /// Lists everything that can launch an image. What cannot be read is in the answer too. What the things that were read name, and no
    /// listing shows, is for [`Session::read_named`].
    pub async fn list_consumers(&self, which: Parameters) -> Readings {
        let reading = READERS.map(|(kind, read)| async move {
            let mut readings = Readings::default();
            if let Err(error) = read(self, which, &mut readings).await {
                tracing::debug!(%kind, %error, "could not read everything that launches images");
                readings.unread.insert(kind, error);
            }
            readings
        });
        let mut reading: FuturesUnordered<_> = reading.into_iter().collect();
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
        let readings = session.list_consumers(Parameters::Images).await;
        let unread: Vec<ConsumerKind> = readings.unread.into_keys().collect();
        assert_eq!(unread, ConsumerKind::ALL);
        let image = "ami-0123456789abcdef0".parse().expect("an image");
        assert!(session.image_references(&[image]).await.is_err());
    }
}
