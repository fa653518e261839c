//! What a step is decided on, by where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Question;
use crate::api::{AMIEncryptionTargetSpec, AMIMigrationStatus, Approval, Desired};
use crate::domain::{ImageId, Inventory, KeyAccess, LaunchPermission};
use crate::plan::moving::{ConsumerKey, Seen, Turn};
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::{KeyView, Problem};
use crate::plan::source_keys::SourceKeys;
use crate::plan::usage::Picture;

/// What a step is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The copy that the migration's spec asks for.
    pub of: &'a CopyIdentity,
    /// The settings of the target that owns the migration.
    pub settings: &'a AMIEncryptionTargetSpec,
    /// What the migration itself says.
    pub record: Record<'a>,
    /// What is known of the account and region.
    pub account: Account<'a>,
    /// What this process remembers of the migration.
    pub memory: Memory<'a>,
    /// What depends on other migrations.
    pub grants: Grants,
    /// What was asked for this step.
    pub answers: &'a Answers,
    /// The time of day by the machine's clock as it is set now, for times that AWS is told; ages are told by `now`.
    pub system_time: Timestamp,
}

/// What the migration itself says.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The recorded status.
    pub status: &'a AMIMigrationStatus,
    /// The migration's `metadata.generation`.
    pub generation: Option<i64>,
    /// The value of the annotation `amiseal.dev/retry`.
    pub retry: Option<&'a str>,
    /// Whether somebody has approved that consumers are moved.
    pub approval: Approval,
    /// What people want to become of the consumers.
    pub desired: Desired,
}

/// What is known of the account and region.
#[derive(Debug, Clone, Copy)]
pub struct Account<'a> {
    /// What it holds; none before the first complete scan.
    pub inventory: Option<&'a Inventory>,
    /// Whether the scan that the inventory is from began when the migration was there already.
    pub scanned_since_created: bool,
    /// Whether copies of the source were looked for, by that scan or later, when the migration was there already. An
    /// older look says nothing of what a former migration of this image did last.
    pub looked_since_created: bool,
    /// What is known of the policy's key.
    pub key: &'a KeyView,
    /// What is known of the keys that originals are encrypted under.
    pub source_keys: &'a SourceKeys,
    /// What the role is not allowed that every copy needs.
    pub denied: Option<&'a Problem>,
    /// Whether AWS has not answered yet what the role is allowed, so that no copy is admitted.
    pub unanswered: bool,
    /// Who uses its images, where that was read.
    pub picture: Option<&'a Picture>,
}

/// What this process remembers of the migration. Another process begins without it.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// Since when this process has known of the recorded attempt, as far as that has come. When another process recorded
    /// it is no measure of what this one's clock says.
    pub known_since: Timestamp,
    /// The attempt since which the policy has changed: one more may follow it, however many have failed.
    pub extra_attempt_after: Option<u32>,
    /// Whether AWS has never shown the copy on record since it answered with its ID. A token that was used long ago is
    /// answered with an image that may be no more.
    pub unseen: bool,
    /// What the last call of this migration ran into, if it was not repeated with success since.
    pub problem: Option<&'a Problem>,
    /// What was read of consumers of the source by themselves.
    pub consumers: &'a BTreeMap<ConsumerKey, Seen>,
    /// Who may use the key, where that was read for this reading of consumers.
    pub key_access: Option<&'a Option<KeyAccess>>,
}

/// What depends on other migrations.
#[derive(Debug, Clone, Copy)]
pub struct Grants {
    /// Whether the copy may start now.
    pub copy: bool,
    /// Whether the tags may be published: those of older originals are.
    pub publish_tags: bool,
    /// Whether a consumer may be moved.
    pub turn: Turn,
}

/// What was asked for one step. Nothing of it is kept.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The image that was asked for by its ID, and is not there.
    pub gone: Option<ImageId>,
    /// The source's launch permissions.
    pub permissions: Option<BTreeSet<LaunchPermission>>,
    /// Whether UEFI data of source and copy differ.
    pub uefi_differs: Option<bool>,
    /// Consumers that were read.
    pub consumers: BTreeMap<ConsumerKey, Seen>,
    /// Who may use the key; the inner one is none where KMS does not show it.
    pub key_access: Option<Option<KeyAccess>>,
}

impl Answers {
    /// Whether this question was answered.
    pub fn has(&self, question: &Question) -> bool {
        match question {
            Question::LaunchPermissions => self.permissions.is_some(),
            Question::UefiData(_) => self.uefi_differs.is_some(),
            Question::Absence(image) => self.is_gone(image),
            Question::Consumer(key, _) => self.consumers.contains_key(key),
            Question::KeyAccess => self.key_access.is_some(),
        }
    }

    /// Whether this image was asked for, and is not there.
    pub fn is_gone(&self, image: &ImageId) -> bool {
        self.gone.as_ref() == Some(image)
    }
}
