//! How consumers of images are printed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{Doubt, Graph, Unresolved};
use crate::domain::{AwsError, Consumer, ConsumerKind, ImageId};
use crate::plan::problem;

/// With whom images are shared, among what could not be read.
pub const LAUNCH_PERMISSIONS: &str = "LaunchPermissions";

/// Something that uses an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReportedConsumer {
    /// What it is.
    pub kind: &'static str,
    /// Its ID or name.
    pub id: String,
    /// By what it launches the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Who has to change it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What kind of consumer, or of other thing.
    pub kind: Cow<'static, str>,
    /// Which one, where it is not all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What to do.
    pub message: String,
}

impl From<&Consumer> for ReportedConsumer {
    fn from(consumer: &Consumer) -> Self {
        Self {
            kind: consumer.kind.as_str(),
            id: consumer.id.to_string(),
            via: consumer.via.as_deref().map(str::to_owned),
            owner: consumer.owner.as_ref().map(ToString::to_string),
        }
    }
}

/// Everything that could not be read.
pub fn unknown(graph: &Graph) -> Vec<Unknown> {
    let unread = graph.unread().iter().map(|(kind, problem)| Unknown {
        kind: kind.as_str().into(),
        id: None,
        message: problem.message.clone(),
    });
    let unresolved = graph.unresolved().map(|unresolved| Unknown {
        kind: unresolved.kind.as_str().into(),
        id: Some(unresolved.id.to_string()),
        message: format!("It names {}, {}.", unresolved.names, why(unresolved)),
    });
    unread.chain(unresolved).collect()
}

/// Of which images it could not be read with whom they are shared.
pub fn sharing_unread(unread: &BTreeMap<ImageId, AwsError>) -> Option<Unknown> {
    let (image, error) = unread.first_key_value()?;
    let message = problem::of_error(error).message;
    let (id, message) = match unread.len() {
        1 => (Some(image.to_string()), message),
        count => (None, format!("Of {count} images: {message}")),
    };
    Some(Unknown {
        kind: LAUNCH_PERMISSIONS.into(),
        id,
        message,
    })
}

/// Why it is not known what that means, for the end of a sentence.
fn why(unresolved: &Unresolved) -> &'static str {
    match unresolved.kind {
        ConsumerKind::KubernetesObject => "which is not the ID of an image",
        _ => "which could not be read",
    }
}

/// A consumer in one line.
pub fn line(consumer: &ReportedConsumer) -> String {
    let via = consumer
        .via
        .as_deref()
        .map(|via| format!(" by {via}"))
        .unwrap_or_default();
    let owner = consumer
        .owner
        .as_deref()
        .map(|owner| format!(" of {owner}"))
        .unwrap_or_default();
    format!("{} {}{via}{owner}", consumer.kind, consumer.id)
}

/// Why it cannot be said that nobody uses an image, in a sentence.
pub fn doubt(doubt: &Doubt<'_>) -> String {
    match doubt {
        Doubt::NotRead => "Nothing that launches images was read.".to_owned(),
        Doubt::Unread(kind, _) => format!("Things of the kind {kind} could not be read."),
        Doubt::Unresolved(unresolved) => {
            format!(
                "{} {} names {}, {}.",
                unresolved.kind,
                unresolved.id,
                unresolved.names,
                why(unresolved)
            )
        }
        Doubt::SeenOnce => {
            "What launches images is listed on several pages, and only one reading has shown nobody.".to_owned()
        }
        Doubt::Unconfirmed => "AWS was not asked whether anything else names it.".to_owned(),
        Doubt::Shared => "Other accounts may launch it, or who may was not read.".to_owned(),
        Doubt::Asked(at) => {
            let at = whole_seconds(*at);
            format!("Other accounts may launch it. AWS was asked at {at} for a report of what they use.")
        }
        Doubt::NotCounted(at) => format!(
            "Other accounts may launch it. AWS's usage report of {} counts no instance and no launch template of theirs. It counts \
             nothing else that may name the image, such as parameters and launch configurations, and not the days before it.",
            whole_seconds(*at)
        ),
        Doubt::LastLaunchUnknown => "AWS does not say when it was last launched.".to_owned(),
        Doubt::Recent(at) => format!("It was launched or made at {}.", whole_seconds(*at)),
    }
}

/// In whole seconds, as AWS has them.
pub fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
