//! Why an image cannot be copied now, and what fixes it.

use std::collections::BTreeSet;

use crate::api::LaunchPermissions;
use crate::api::conditions::reason;
use crate::domain::{
    Image, ImageId, ImageState, Kept, Key, KeyArn, KeyProblem, KeyUsability, LaunchPermission, Snapshots,
};

/// What is known of the policy's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyView {
    /// It could not be read, or not yet.
    Unknown,
    /// There is no such key here to speak of.
    Unresolved(KeyProblem),
    /// KMS described it.
    Known(Key),
}

impl KeyView {
    /// The key's ARN, if it could be resolved.
    pub fn arn(&self) -> Option<&KeyArn> {
        match self {
            Self::Known(key) => Some(&key.arn),
            Self::Unknown | Self::Unresolved(_) => None,
        }
    }

    /// What is wrong with the key, if anything is known to be.
    pub fn problem(&self) -> Option<KeyProblem> {
        match self {
            Self::Unknown => None,
            Self::Unresolved(problem) => Some(*problem),
            Self::Known(Key {
                usability: KeyUsability::Unusable(problem),
                ..
            }) => Some(*problem),
            Self::Known(_) => None,
        }
    }
}

/// A reason and a sentence that names the fix. Both stay the same while the cause does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// One of [`reason`].
    pub reason: &'static str,
    /// One sentence for a person.
    pub message: String,
}

impl Problem {
    /// A problem with a message of its own.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    /// Whether it passes by itself, whatever a person does.
    pub fn passes(&self) -> bool {
        matches!(
            self.reason,
            reason::THROTTLED | reason::TRANSIENT_ERROR | reason::ENDPOINT_UNREACHABLE
        )
    }
}

/// What stands in the way of copying `source` at all; `snapshots` are those of its account and region.
pub fn of_image(source: &Image, snapshots: &Snapshots) -> Option<Problem> {
    if let Some(what) = source.unread() {
        return Some(unread(what));
    }
    if !source.ebs_root {
        return Some(Problem::new(
            reason::INSTANCE_STORE_IMAGE,
            "The image is backed by instance store, which a copy cannot encrypt: rebuild it on EBS, or exempt it with \
             spec.imageSelector.exclude.",
        ));
    }
    if source.state == ImageState::Disabled {
        return Some(Problem::new(
            reason::IMAGE_DISABLED,
            "The image is disabled, and a copy of it could be launched: enable it, or exempt it with \
             spec.imageSelector.exclude.",
        ));
    }
    if source.public {
        return Some(public_image());
    }
    let kept = |kept| {
        let mut of_source = source.volumes().filter_map(|(_, _, id)| snapshots.get(id));
        of_source.any(|snapshot| snapshot.kept == kept)
    };
    if kept(Kept::Local) {
        return Some(Problem::new(
            reason::SNAPSHOT_LOCAL,
            "A snapshot of the image is kept in a Local Zone or on an Outpost, and a copy would leave that place: exempt \
             the image with spec.imageSelector.exclude, or encrypt it where it is.",
        ));
    }
    kept(Kept::Archive).then(|| {
        Problem::new(
            reason::SNAPSHOT_ARCHIVED,
            "A snapshot of the image is archived, and AWS does not copy it from there: restore it with \
             aws ec2 restore-snapshot-tier, or exempt the image with spec.imageSelector.exclude.",
        )
    })
}

/// The image was made for a backup, and the policy leaves those alone.
pub fn backup() -> Problem {
    Problem::new(
        reason::UNENCRYPTED_IMAGES,
        "The image was made by AWS Backup or Data Lifecycle Manager and is not encrypted: encrypt the volumes that it is \
         made of, or the backup vault; or copy such images with spec.backups: Include.",
    )
}

/// AWS's answer about an image could not be read; `what` says why.
pub fn unread(what: &str) -> Problem {
    Problem::new(
        reason::UNKNOWN_IMAGES,
        format!(
            "AWS's answer about the image cannot be read ({what}): look at it with aws ec2 describe-images, register it \
             anew, or exempt it with spec.imageSelector.exclude."
        ),
    )
}

/// What stands in the way of copying `source` under the policy's key now; `key_id` is the key as the policy names it.
pub fn of_copy(source: &Image, snapshots: &Snapshots, key: &KeyView, key_id: &str) -> Option<Problem> {
    if let Some(problem) = of_image(source, snapshots) {
        return Some(problem);
    }
    if let Some(problem) = key.problem() {
        return Some(of_key(problem, key_id));
    }
    (*key == KeyView::Unknown).then(|| {
        let message = "The key could not be read: see the target's condition KeyUsable.";
        Problem::new(reason::KEY_UNAVAILABLE, message)
    })
}

/// What keeps the copy of an image from being published that was disabled while AWS made it.
pub fn disabled_meanwhile() -> Problem {
    Problem::new(
        reason::IMAGE_DISABLED,
        "The image was disabled while AWS copied it, so the copy is not published, and nothing is moved to it: enable the \
         image, or exempt it with spec.imageSelector.exclude.",
    )
}

/// The image is public, which an encrypted one cannot be.
pub fn public_image() -> Problem {
    Problem::new(
        reason::PUBLIC_IMAGE,
        "The image is public, and an encrypted image cannot be: stop sharing it publicly, or exempt it with \
         spec.imageSelector.exclude.",
    )
}

/// The image's copy is disabled.
pub fn disabled_copy(copy: &ImageId) -> Problem {
    Problem::new(
        reason::COPY_DISABLED,
        format!(
            "The copy is disabled, so nobody can launch from it: enable {copy}. While it is there, amiseal makes no other \
             copy."
        ),
    )
}

/// What is wrong with the policy's key, named as the policy names it.
pub fn of_key(problem: KeyProblem, key: &str) -> Problem {
    let (reason, message) = match problem {
        KeyProblem::NotFound => (
            reason::KEY_NOT_FOUND,
            format!("KMS knows no key {key} in this region: create it, or correct kmsKeyID."),
        ),
        KeyProblem::Disabled => (
            reason::KEY_DISABLED,
            format!("The key {key} is disabled: enable it, or name another key."),
        ),
        KeyProblem::PendingDeletion => (
            reason::KEY_PENDING_DELETION,
            format!("The key {key} is to be deleted: cancel its deletion and enable it, or name another key."),
        ),
        KeyProblem::NotReady => (
            reason::KEY_UNAVAILABLE,
            format!("The key {key} cannot be used in its present state: complete its import, or wait."),
        ),
        KeyProblem::WrongRegion => (
            reason::KEY_WRONG_REGION,
            format!("The key {key} is of another region: name a key of the images' region."),
        ),
        KeyProblem::WrongUsage => (
            reason::KEY_WRONG_USAGE,
            format!("The key {key} cannot encrypt images: name a symmetric key with usage ENCRYPT_DECRYPT."),
        ),
    };
    Problem { reason, message }
}

/// Whether a copy under this key could not be shared as the original is.
///
/// A copy under the AWS managed key `aws/ebs` cannot be used by any other account (Amazon EC2 User Guide, "Share an
/// AMI with specific AWS accounts").
pub fn of_sharing(
    key: &KeyView,
    permissions: &BTreeSet<LaunchPermission>,
    wanted: LaunchPermissions,
) -> Option<Problem> {
    let managed = matches!(key, KeyView::Known(key) if key.aws_managed);
    (managed && wanted == LaunchPermissions::Preserve && !permissions.is_empty()).then(|| {
        Problem::new(
            reason::DEFAULT_KEY_CANNOT_BE_SHARED,
            "The image is shared with others, and a copy under the AWS managed key cannot be: name a customer managed \
             key, or set promotion.launchPermissions: Drop.",
        )
    })
}
