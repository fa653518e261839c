//! What could not be read, and so is unknown: neither wrong nor right.

use std::fmt;

use super::Subject;
use crate::domain::AwsError;
use crate::plan::problem;
use crate::plan::usage::form::{self, Unknown};

/// Something that a report is on, besides consumers and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Images of others that something launches.
    ForeignImages,
    /// A key that images are encrypted under.
    Key,
    /// Whether somebody may use such a key.
    KeyAccess,
    /// Whether KMS rotates such a key.
    KeyRotation,
    /// Which snapshots everybody can make volumes of.
    PublicSnapshots,
    /// With whom images are shared.
    LaunchPermissions,
    /// The trails of CloudTrail.
    Trails,
    /// What AWS itself finds to name images that nothing else does.
    References,
    /// Which key it is that a policy names.
    PolicyKey,
    /// What Amazon Inspector has found in images.
    Scans,
}

impl Part {
    /// As reports name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ForeignImages => "ForeignImages",
            Self::Key => "Key",
            Self::KeyAccess => "KeyAccess",
            Self::KeyRotation => "KeyRotation",
            Self::PublicSnapshots => "PublicSnapshots",
            Self::LaunchPermissions => "LaunchPermissions",
            Self::Trails => super::region::TRAILS,
            Self::References => "ImageReferences",
            Self::PolicyKey => "PolicyKey",
            Self::Scans => "ScanResults",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn unknown(part: Part, id: Option<&str>, message: String) -> Unknown {
    Unknown {
        kind: part.as_str(),
        id: id.map(str::to_owned),
        message,
    }
}

fn of_error(part: Part, error: &AwsError) -> Unknown {
    unknown(part, None, problem::of_error(error).message)
}

impl Subject<'_> {
    /// Everything that could not be read.
    pub(super) fn unread(&self) -> Vec<Unknown> {
        let observed = self.observed;
        let mut unread = form::unknown(self.graph);
        let of_settings = observed.guardrails.iter().filter_map(|state| {
            let error = state.state.as_ref().err()?;
            Some(Unknown {
                kind: state.guardrail.as_str(),
                id: None,
                message: problem::of_error(error).message,
            })
        });
        unread.extend(of_settings);
        match &observed.foreign {
            Err(error) => unread.push(of_error(Part::ForeignImages, error)),
            Ok(foreign) => unread.extend(
                foreign
                    .seen
                    .values()
                    .filter(|image| self.thresholds.trusts(image).is_none())
                    .map(|image| {
                        let message = "Whose it is could not be read.".to_owned();
                        unknown(Part::ForeignImages, Some(image.id.as_str()), message)
                    }),
            ),
        }
        for (key, health) in &observed.keys {
            let (part, error) = match health {
                Err(error) => (Part::Key, error),
                Ok(health) => match &health.rotation {
                    Err(error) => (Part::KeyRotation, error),
                    Ok(_) => continue,
                },
            };
            let message = problem::of_key_error(error, key.as_str()).message;
            unread.push(unknown(part, Some(key.as_str()), message));
        }
        unread.extend(self.key_access_unread());
        if let Err(error) = &observed.public_snapshots {
            unread.push(of_error(Part::PublicSnapshots, error));
        }
        if let Some((image, error)) = observed.sharing_unread.first_key_value() {
            let message = problem::of_error(error).message;
            unread.push(match observed.sharing_unread.len() {
                1 => unknown(Part::LaunchPermissions, Some(image.as_str()), message),
                count => unknown(Part::LaunchPermissions, None, format!("Of {count} images: {message}")),
            });
        }
        match &observed.trails {
            Err(error) => unread.push(of_error(Part::Trails, error)),
            // Where one logs, the others do not matter.
            Ok(trails) if trails.iter().any(|trail| trail.logs == Ok(true)) => {}
            Ok(trails) => unread.extend(trails.iter().filter_map(|trail| {
                let message = problem::of_error(trail.logs.as_ref().err()?).message;
                Some(unknown(Part::Trails, Some(&trail.arn), message))
            })),
        }
        if let Some(error) = &observed.references_unread {
            unread.push(of_error(Part::References, error));
        }
        if let Some(policy) = &observed.policy
            && let Err(problem) = &policy.key
        {
            unread.push(unknown(Part::PolicyKey, Some(&policy.named), problem.message.clone()));
        }
        match self.unscanned() {
            0 => {}
            1 => {
                let message = "Amazon Inspector has not scanned 1 image: it is not known how vulnerable it is.";
                unread.push(unknown(Part::Scans, None, message.to_owned()));
            }
            count => {
                let message = format!(
                    "Amazon Inspector has not scanned {count} images: it is not known how vulnerable they are."
                );
                unread.push(unknown(Part::Scans, None, message));
            }
        }
        unread
    }
}
