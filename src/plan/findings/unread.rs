//! What could not be read, and so is unknown: neither wrong nor right.

use std::fmt;

use super::{Check, Observed, Subject};
use crate::domain::{AwsError, Guardrail};
use crate::plan::problem;
use crate::plan::usage::form::{self, Unknown};
use crate::plan::usage::is_passing;

/// Something that a report is on, besides consumers and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Part {
    /// Images and snapshots, where scans fail.
    Images,
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
    /// What can launch images, where a policy has it not read.
    Consumers,
}

impl Part {
    /// As reports name it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Images => "Images",
            Self::ForeignImages => "ForeignImages",
            Self::Key => "Key",
            Self::KeyAccess => "KeyAccess",
            Self::KeyRotation => "KeyRotation",
            Self::PublicSnapshots => "PublicSnapshots",
            Self::LaunchPermissions => form::LAUNCH_PERMISSIONS,
            Self::Trails => super::region::TRAILS,
            Self::References => "ImageReferences",
            Self::PolicyKey => "PolicyKey",
            Self::Scans => "ScanResults",
            Self::Consumers => "Consumers",
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
        kind: part.as_str().into(),
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
        let mut unread = form::unknown(&self.picture.graph);
        if self.picture.graph.read_at().is_none() {
            let message = "Who uses images is not read, so that neither what launches them nor what nobody uses is found: set \
                           spec.consumers.read: true.";
            unread.push(unknown(Part::Consumers, None, message.to_owned()));
        }
        let of_settings = observed.guardrails.iter().filter_map(|state| {
            let error = state.state.as_ref().err()?;
            self.thresholds.asks_for(check_of(state.guardrail)).then(|| Unknown {
                kind: state.guardrail.as_str().into(),
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
                    .filter(|_| self.thresholds.asks_for(Check::UntrustedOwner))
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
        unread.extend(form::sharing_unread(&self.picture.shared_unread));
        match &observed.trails {
            Err(error) => unread.push(of_error(Part::Trails, error)),
            // Where one logs, the others do not matter.
            Ok(trails) if trails.iter().any(|trail| trail.logs == Ok(true)) => {}
            Ok(trails) => unread.extend(trails.iter().filter_map(|trail| {
                let message = problem::of_error(trail.logs.as_ref().err()?).message;
                Some(unknown(Part::Trails, Some(&trail.arn), message))
            })),
        }
        if let Some(problem) = self.picture.graph.unconfirmed() {
            unread.push(unknown(Part::References, None, problem.message.clone()));
        }
        if let Some(policy) = &observed.policy
            && let Err(problem) = &policy.key
            && self.thresholds.asks_for(Check::OtherKeyImage)
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

/// The check that finds that a setting does not hold.
pub(super) const fn check_of(guardrail: Guardrail) -> Check {
    match guardrail {
        Guardrail::EncryptionByDefault => Check::EncryptionByDefaultOff,
        Guardrail::ImageBlockPublicAccess => Check::ImagePublicAccessNotBlocked,
        Guardrail::SnapshotBlockPublicAccess => Check::SnapshotPublicAccessNotBlocked,
        Guardrail::AllowedImages => Check::AllowedImagesOff,
    }
}

impl Observed {
    /// Whether something could not be read for a fault that passes by itself.
    pub fn passes(&self) -> bool {
        let of_keys = self.keys.values().filter_map(|health| match health {
            Err(error) => Some(error),
            Ok(health) => health.rotation.as_ref().err(),
        });
        let of_settings = self.guardrails.iter().filter_map(|state| state.state.as_ref().err());
        let of_trails = self.trails.as_ref().ok().into_iter().flatten();
        let of_trails = of_trails.filter_map(|trail| trail.logs.as_ref().err());
        let of_access = self.key_access.values();
        let of_access = of_access.flat_map(|access| [access.policy.as_ref().err(), access.grants.as_ref().err()]);
        let others = [
            self.foreign.as_ref().err(),
            self.public_snapshots.as_ref().err(),
            self.trails.as_ref().err(),
        ];
        let others = others.into_iter().flatten();
        others
            .chain(of_keys)
            .chain(of_settings)
            .chain(of_trails)
            .chain(of_access.flatten())
            .any(is_passing)
    }
}
