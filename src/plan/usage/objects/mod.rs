//! Which objects of this cluster launch images: what Karpenter, Cluster API and others hold in custom resources. They belong to the
//! cluster and to no account.

mod kind;
mod owner;
mod path;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::Unresolved;
use crate::api::conditions::reason;
use crate::domain::{Consumer, ConsumerKind, ImageId};
use crate::plan::obstacle::Problem;

pub use kind::{DEFAULT, ObjectKind, ObjectKinds};
pub use path::FieldPath;

/// If so many objects of a kind hold something else than the ID of an image, the path is wrong.
const TOO_MANY: usize = 20;
/// The longest text that is repeated of an object.
const LONGEST: usize = 128;

/// What objects of the cluster launch.
#[derive(Debug, Clone, Default)]
pub struct Objects {
    users: HashMap<ImageId, Vec<Consumer>>,
    unresolved: BTreeSet<Unresolved>,
    /// Kinds of which not everything could be read, by their resources: two groups may have a kind of the same name.
    unread: BTreeMap<String, Unread>,
    /// Resources that the cluster does not have.
    absent: BTreeSet<String>,
}

#[derive(Debug, Clone)]
struct Unread {
    kind: Box<str>,
    why: Problem,
    /// Whether that passes by itself.
    passes: bool,
}

/// Why a kind could not be read, or not all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The controller may not list it.
    Denied,
    /// The cluster serves it in another version.
    OtherVersion(String),
    /// The cluster has something else under this kind or this name: what it has, as kind and resource.
    OtherName(String, String),
    /// The API server refuses to list it, in a way that stays.
    Refused(String),
    /// The API server did not answer, or not all, or not in time.
    Unanswered(String),
}

impl Failure {
    fn passes(&self) -> bool {
        matches!(self, Self::Unanswered(_))
    }

    fn problem(&self, kind: &ObjectKind) -> Problem {
        let resource = kind.qualified();
        match self {
            Self::Denied => Problem::new(
                reason::ACCESS_DENIED,
                format!(
                    "The controller may not list {resource}: grant the right list {resource} to its service account, as the \
                     chart does with rbac.create=true, or take {} out of clusterConsumers.",
                    kind.kind
                ),
            ),
            Self::OtherVersion(version) => Problem::new(
                reason::INVALID_REQUEST,
                format!(
                    "The cluster has {} in {} and not in {}: correct apiVersion in clusterConsumers, and see that the paths \
                     hold there.",
                    kind.kind,
                    kind.in_version(version),
                    kind.api_version()
                ),
            ),
            Self::OtherName(other, plural) => Problem::new(
                reason::INVALID_REQUEST,
                format!(
                    "The cluster has the kind {other} as {plural} in {}, and not {} as {}: correct kind and resource in \
                     clusterConsumers.",
                    kind.api_version(),
                    kind.kind,
                    kind.resource
                ),
            ),
            Self::Refused(said) => Problem::new(
                reason::INVALID_REQUEST,
                format!(
                    "The API server refuses to list {resource} ({said}): see that, or take {} out of clusterConsumers.",
                    kind.kind
                ),
            ),
            Self::Unanswered(said) => Problem::new(
                reason::TRANSIENT_ERROR,
                format!("The API server has not listed all of {resource} ({said}); it is asked again."),
            ),
        }
    }
}

/// What the API server serves of a kind in a version, where `served` are the resources and kinds of that version.
///
/// # Errors
/// If the names fit in part only: a slip would look as if nothing was there.
pub fn is_served<'s>(kind: &ObjectKind, served: impl Iterator<Item = (&'s str, &'s str)>) -> Result<bool, Failure> {
    let mut other = None;
    for (resource, of_kind) in served.filter(|(resource, _)| !resource.contains('/')) {
        match (resource == &*kind.resource, of_kind == &*kind.kind) {
            (true, true) => return Ok(true),
            (false, false) => {}
            _ => other = Some(Failure::OtherName(of_kind.to_owned(), resource.to_owned())),
        }
    }
    other.map_or(Ok(false), Err)
}

impl Objects {
    /// Adds an object of a kind, whatever it looks like.
    pub fn add(&mut self, kind: &ObjectKind, object: &Value) {
        let metadata = &object["metadata"];
        let id = id(kind, metadata);
        let owner = owner::owner(metadata);
        for path in &kind.paths {
            let mut seen = BTreeSet::new();
            for value in path.values(object) {
                match named(value) {
                    Named::Nothing => {}
                    Named::Image(image) => {
                        if seen.insert(image.clone()) {
                            self.users.entry(image).or_default().push(Consumer {
                                kind: ConsumerKind::KubernetesObject,
                                account: None,
                                id: id.clone(),
                                via: Some(path.to_string().into()),
                                owner: owner.clone(),
                            });
                        }
                    }
                    Named::Other(what) => {
                        self.unresolved.insert(Unresolved {
                            kind: ConsumerKind::KubernetesObject,
                            id: id.clone(),
                            names: format!("{what} at {path}").into(),
                        });
                    }
                }
            }
        }
    }

    /// Not everything could be read of a kind.
    pub fn could_not_read(&mut self, kind: &ObjectKind, failure: &Failure) {
        let unread = Unread {
            kind: kind.kind.clone(),
            why: failure.problem(kind),
            passes: failure.passes(),
        };
        self.unread.insert(kind.qualified(), unread);
    }

    /// The cluster does not have a kind, so that nothing of it launches anything.
    pub fn does_not_have(&mut self, kind: &ObjectKind) {
        self.absent.insert(kind.qualified());
    }

    /// Everything that is to be read of a kind was. If too many objects hold something else than an image's ID, that is said once.
    pub fn ends(&mut self, kind: &ObjectKind) {
        let Some(first) = self.unresolved.first().filter(|_| self.unresolved.len() > TOO_MANY) else {
            return;
        };
        let message = format!(
            "{} things of the kind {} name what is not the ID of an image, such as {}, which names {}: correct its paths in \
             clusterConsumers.",
            self.unresolved.len(),
            kind.kind,
            first.id,
            first.names
        );
        self.unresolved.clear();
        let unread = Unread {
            kind: kind.kind.clone(),
            why: Problem::new(reason::INVALID_REQUEST, message),
            passes: false,
        };
        self.unread.entry(kind.qualified()).or_insert(unread);
    }

    /// Adds what was read of other kinds.
    pub fn absorb(&mut self, other: Self) {
        for (image, users) in other.users {
            self.users.entry(image).or_default().extend(users);
        }
        self.unresolved.extend(other.unresolved);
        self.unread.extend(other.unread);
        self.absent.extend(other.absent);
    }

    /// What launches each image.
    pub(super) fn users(&self) -> impl Iterator<Item = (&ImageId, &[Consumer])> {
        self.users.iter().map(|(image, users)| (image, users.as_slice()))
    }

    /// Objects of which it is not known what they launch.
    pub(super) fn unresolved(&self) -> impl Iterator<Item = &Unresolved> {
        self.unresolved.iter()
    }

    /// Kinds of which not everything could be read.
    pub(super) fn unread(&self) -> impl Iterator<Item = &str> {
        self.unread.values().map(|unread| &*unread.kind)
    }

    /// Why not everything could be read, if anything could not. What a person has to see to gives the reason.
    pub fn problem(&self) -> Option<Problem> {
        let mut problems = self.unread.values().map(|unread| &unread.why);
        let first = problems.next()?;
        let mut message = first.message.clone();
        for problem in problems {
            message.push(' ');
            message.push_str(&problem.message);
        }
        let stays = self.unread.values().find(|unread| !unread.passes);
        Some(Problem::new(
            stays.map_or(first.reason, |unread| unread.why.reason),
            message,
        ))
    }

    /// Whether everything could be read.
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }

    /// Whether something could not be read for a fault that passes by itself.
    pub fn passes(&self) -> bool {
        self.unread.values().any(|unread| unread.passes)
    }

    /// Resources that the cluster does not have.
    pub fn absent(&self) -> &BTreeSet<String> {
        &self.absent
    }
}

/// The kind of an object, by its ID.
pub(super) fn kind_of(id: &str) -> &str {
    id.split('/').next().unwrap_or(id)
}

/// `Kind/namespace/name`, without a namespace where the object has none.
fn id(kind: &ObjectKind, metadata: &Value) -> Box<str> {
    let text = |key: &str| metadata[key].as_str().filter(|text| !text.is_empty());
    let name = text("name").unwrap_or("?");
    match text("namespace") {
        Some(namespace) => format!("{}/{namespace}/{name}", kind.kind).into(),
        None => format!("{}/{name}", kind.kind).into(),
    }
}

/// What a value names.
enum Named {
    /// An image.
    Image(ImageId),
    /// No image: an empty text stands for none.
    Nothing,
    /// Something else.
    Other(String),
}

fn named(value: &Value) -> Named {
    match value {
        Value::String(text) => match text.trim() {
            "" => Named::Nothing,
            text => text.parse().map_or_else(|_| Named::Other(quoted(text)), Named::Image),
        },
        Value::Null => Named::Nothing,
        Value::Array(_) => Named::Other("a list".to_owned()),
        Value::Object(_) => Named::Other("an object".to_owned()),
        Value::Bool(_) | Value::Number(_) => Named::Other(value.to_string()),
    }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(LONGEST).collect();
    format!("{short:?}")
}
