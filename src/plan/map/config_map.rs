//! The ConfigMap that a policy has its map kept in: when it is looked at, what is written, and what is somebody else's.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Form, Pair, render};
use crate::api::conditions::reason;
use crate::api::labels;

/// The keys, and in which form each has the map.
pub const KEYS: [(&str, Form); 3] = [
    ("map.json", Form::Json),
    ("map.yaml", Form::Yaml),
    ("amiseal.auto.tfvars", Form::Tfvars),
];
/// So many bytes are written at most, keys included. Kubernetes takes 1 MiB, and the object has more than its data.
pub const LARGEST: usize = 900 * 1024;

/// The least time between two looks at a ConfigMap, and so between two writes: thousands of migrations end in one scan.
const LOOKS_APART: Duration = Duration::from_secs(30);
/// After so long it is looked at though nothing is known to have changed: somebody may have deleted it.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// The same where it could not be written: a right that is granted is no change of ours.
pub const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// The last look at a policy's ConfigMap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// The policy's generation.
    pub generation: Option<i64>,
    /// When it was, by the monotonic clock.
    pub at: Duration,
    /// Whether a migration of the policy has changed since.
    pub changed: bool,
    /// Whether the ConfigMap could not be written.
    pub refused: bool,
}

/// How long until the next look at the ConfigMap of a policy of this generation, at `now` of the monotonic clock.
#[must_use]
pub fn due(last: Option<&Look>, generation: Option<i64>, now: Duration) -> Duration {
    let Some(last) = last.filter(|last| last.generation == generation) else {
        return Duration::ZERO;
    };
    let after = match last {
        Look { changed: true, .. } => LOOKS_APART,
        Look { refused: true, .. } => REFUSED_AGAIN,
        _ => LOOK_AGAIN,
    };
    (last.at + after).saturating_sub(now)
}

/// The ConfigMap that a policy asks for.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The controller's namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The policy's name.
    pub policy: &'a str,
    /// The policy, as its owner.
    pub owner: Option<OwnerReference>,
}

/// What is to be done about it.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// It is as it should be.
    Nothing,
    /// Create this.
    Create(Box<ConfigMap>),
    /// Apply this, if it is still as it was found.
    Apply(Box<ConfigMap>),
    /// Leave it as it is, and say so.
    Refuse(Refusal),
}

/// Why a ConfigMap is left as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It was there before, or is another policy's.
    NotOurs {
        /// The policy whose it is, where it is one's.
        policy: Option<String>,
    },
    /// The map is too large for it.
    TooLarge {
        /// How many images there are.
        images: usize,
        /// How many bytes they take.
        bytes: usize,
    },
}

impl Refusal {
    /// The reason of the condition.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotOurs { .. } => reason::NOT_OURS,
            Self::TooLarge { .. } => reason::TOO_LARGE,
        }
    }

    /// The same in a sentence.
    #[must_use]
    pub fn message(&self, wanted: &Wanted<'_>) -> String {
        let it = wanted.it();
        match self {
            Self::NotOurs { policy: Some(policy) } => {
                format!("promotion.map.configMap: {it} has the map of policy {policy}: name another one.")
            }
            Self::NotOurs { policy: None } => format!(
                "promotion.map.configMap: {it} exists already and is not amiseal's, so it is left as it is: name another one, \
                 or delete it."
            ),
            Self::TooLarge { images, bytes } => format!(
                "promotion.map.configMap: the map of {images} images takes {} KiB, more than the {} KiB that amiseal writes to \
                 a ConfigMap, so {it} is not updated: use amiseal map, or divide the accounts among several policies.",
                bytes.div_ceil(1024),
                LARGEST / 1024
            ),
        }
    }
}

impl Wanted<'_> {
    /// How a sentence names it.
    #[must_use]
    pub fn it(&self) -> String {
        format!("ConfigMap {}/{}", self.namespace, self.name)
    }

    /// What is said when the API server refuses what is to be written, and says this.
    #[must_use]
    pub fn refused(&self, said: &str) -> String {
        format!(
            "promotion.map.configMap: the API server refuses {}: fix what refuses it, or, where the ConfigMap is immutable, delete it, \
             and amiseal makes it anew. It says: {said}",
            self.it()
        )
    }

    /// What is said when the API server forbids to write it, and says this.
    #[must_use]
    pub fn forbidden(&self, said: &str) -> String {
        format!(
            "promotion.map.configMap: the API server does not let amiseal keep {}: set promotionMap.enabled of the chart to true, \
             or grant get, create, patch and delete on configmaps in {}. It says: {said}",
            self.it(),
            self.namespace
        )
    }

    /// The ConfigMap with these texts.
    fn made(&self, data: BTreeMap<String, String>) -> ConfigMap {
        let labels = [
            (labels::POLICY, self.policy),
            (labels::MANAGED_BY.0, labels::MANAGED_BY.1),
        ];
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(self.name.to_owned()),
                namespace: Some(self.namespace.to_owned()),
                labels: Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()),
                owner_references: self.owner.clone().map(|owner| vec![owner]),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..ConfigMap::default()
        }
    }
}

/// Whether a ConfigMap has the map of this policy, by its labels: an owner may be lost, as where somebody restores a backup.
#[must_use]
pub fn is_ours(found: &ConfigMap, policy: &str) -> bool {
    label(found, labels::POLICY) == Some(policy) && is_of_amiseal(found)
}

fn is_of_amiseal(found: &ConfigMap) -> bool {
    label(found, labels::MANAGED_BY.0) == Some(labels::MANAGED_BY.1)
}

fn label<'a>(found: &'a ConfigMap, name: &str) -> Option<&'a str> {
    found.metadata.labels.as_ref()?.get(name).map(String::as_str)
}

/// What is to be done about the ConfigMap that was found, so that it has these pairs. An error is one of the program that writes
/// YAML or JSON.
pub fn next(wanted: &Wanted<'_>, pairs: &[Pair], found: Option<&ConfigMap>) -> Result<Next, String> {
    if let Some(found) = found.filter(|found| !is_ours(found, wanted.policy)) {
        let policy = label(found, labels::POLICY).filter(|_| is_of_amiseal(found));
        return Ok(Next::Refuse(Refusal::NotOurs {
            policy: policy.map(str::to_owned),
        }));
    }
    let mut data = BTreeMap::new();
    for (key, form) in KEYS {
        data.insert(key.to_owned(), render(pairs, form)?);
    }
    let bytes: usize = data.iter().map(|(key, text)| key.len() + text.len()).sum();
    if bytes > LARGEST {
        return Ok(Next::Refuse(Refusal::TooLarge {
            images: pairs.len(),
            bytes,
        }));
    }
    let mut made = wanted.made(data);
    Ok(match found {
        None => Next::Create(Box::new(made)),
        Some(found) if has_all_of(found, &made) => Next::Nothing,
        Some(found) => {
            // Whoever has changed it meanwhile may have made it theirs.
            let version = found.metadata.resource_version.clone();
            made.metadata.resource_version = version;
            Next::Apply(Box::new(made))
        }
    })
}

/// Whether what was found, which is ours, has everything that is wanted. What others have added is theirs.
fn has_all_of(found: &ConfigMap, wanted: &ConfigMap) -> bool {
    let none = BTreeMap::new();
    let (there, data) = (found.data.as_ref(), wanted.data.as_ref().unwrap_or(&none));
    let is_there = |(key, text): (&String, &String)| there.and_then(|there| there.get(key)) == Some(text);
    let mut owners = wanted.metadata.owner_references.iter().flatten();
    let owned_by = || found.metadata.owner_references.iter().flatten();
    data.iter().all(is_there) && owners.all(|owner| owned_by().any(|there| there.uid == owner.uid))
}

#[cfg(test)]
#[path = "config_map_tests.rs"]
mod tests;
