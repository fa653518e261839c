//! What a step is decided on, by where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::Question;
use crate::api::{AMIEncryptionTargetSpec, AMIMigration, AMIMigrationStatus, Approval, Desired};
use crate::domain::{
    AccountId, ForeignCopy, ImageId, InstanceNow, InstanceRef, Inventory, KeyAccess, LaunchPermission, ScanNow, ScanRef,
};
use crate::plan::moving::{ConsumerKey, Seen, Turn};
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::{KeyView, Problem};
use crate::plan::proof::job::JobNow;
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
    /// Whose migration this one follows, where the image is another account's.
    pub follows: Option<Follows<'a>>,
    /// What was asked for this step.
    pub answers: &'a Answers,
    /// The time of day by the machine's clock as it is set now, for times that AWS is told; ages are told by `now`.
    pub system_time: Timestamp,
}

/// The migration that another one follows, in an account that launches the image and does not own it.
#[derive(Debug, Clone, Copy)]
pub struct Follows<'a> {
    /// Who owns the image.
    pub owner: &'a AccountId,
    /// The owner's migration; none where it is not there.
    pub migration: Option<&'a AMIMigration>,
    /// Whether its policy has it go on, so that what it says is so: it is not suspended and not in Audit.
    pub active: bool,
}

/// What the migration itself says.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// The migration's UID.
    pub uid: &'a str,
    /// The recorded status.
    pub status: &'a AMIMigrationStatus,
    /// The migration's `metadata.generation`.
    pub generation: Option<i64>,
    /// The value of the annotation `amiseal.dev/retry`.
    pub retry: Option<&'a str>,
    /// Whether somebody has approved that consumers are moved.
    pub approval: Approval,
    /// Who says that it was them.
    pub approved_by: Option<&'a str>,
    /// What people want to become of the consumers.
    pub desired: Desired,
}

impl Record<'_> {
    /// Who has approved that consumers are moved, as it is to be in the status.
    pub(super) fn approved_by(&self) -> Option<String> {
        let by = self.approved_by.filter(|_| self.approval == Approval::Approved);
        by.map(str::to_owned)
    }
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

/// Since when this process has known what is on record, as far as that has come. When another process recorded it is no measure of
/// what this one's clock says.
#[derive(Debug, Clone, Copy)]
pub struct KnownSince {
    /// Of the attempt to copy.
    pub copy: Timestamp,
    /// Of the instance that proves the copy.
    pub launch: Timestamp,
    /// Of the on-demand scan that proves it.
    pub scan: Timestamp,
}

/// What this process remembers of the migration. Another process begins without it.
#[derive(Debug, Clone, Copy)]
pub struct Memory<'a> {
    /// Since when this process has known what is on record.
    pub known_since: KnownSince,
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
    /// What the account sees of images of others, where that was read for this reading of consumers.
    pub foreign: &'a BTreeMap<ImageId, ForeignCopy>,
    /// What of that was asked lately.
    pub fresh: &'a Fresh,
}

/// What was asked so lately that something may be begun by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Whether who may use the key was.
    pub key_access: bool,
    /// Images of others of which it was asked what the account sees, and whether it lets its people launch them.
    pub images: BTreeSet<ImageId>,
}

/// What depends on other migrations.
#[derive(Debug, Clone, Copy)]
pub struct Grants {
    /// Whether the copy may start now.
    pub copy: bool,
    /// Whether the tags may be published: those of older originals are.
    pub publish_tags: bool,
    /// Whether an instance may be launched, to prove a copy by.
    pub launch: bool,
    /// Whether a Job may be made, to prove a copy by.
    pub job: bool,
    /// Whether a consumer may be moved.
    pub turn: Turn,
    /// How many moves of the policy have failed that nobody has looked at yet.
    pub failures: usize,
    /// How many groups of other images are being refreshed.
    pub refreshing: usize,
}

/// What was asked for one step. Nothing of it is kept.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The images that were asked for by their IDs, and are not there.
    pub gone: BTreeSet<ImageId>,
    /// The source's launch permissions.
    pub permissions: Option<BTreeSet<LaunchPermission>>,
    /// Whether UEFI data of source and copy differ.
    pub uefi_differs: Option<bool>,
    /// Consumers that were read.
    pub consumers: BTreeMap<ConsumerKey, Seen>,
    /// Who may use the key; the inner one is none where KMS does not show it.
    pub key_access: Option<Option<KeyAccess>>,
    /// What the account sees of images of others.
    pub foreign: BTreeMap<ImageId, ForeignCopy>,
    /// The instance that was asked for, and what it is.
    pub instance: Option<(InstanceRef, InstanceNow)>,
    /// The name of the Job that was asked for, and what it is.
    pub job: Option<(String, JobNow)>,
    /// The on-demand scan that was asked for, and what it is; the inner one is none where there is none.
    pub scan: Option<(ScanRef, Option<ScanNow>)>,
    /// The copy of which EC2 does not show the scan that was asked for.
    pub unscanned: Option<ImageId>,
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
            Question::ForeignCopy(image) => self.foreign.contains_key(image),
            Question::Instance(which) => self.instance.as_ref().is_some_and(|(asked, _)| asked == which),
            Question::Job(name) => self.job.as_ref().is_some_and(|(asked, _)| asked == name),
            Question::Scan(which) => self.scan.as_ref().is_some_and(|(asked, _)| asked == which),
            Question::ScanResult(copy, _) => self.unscanned.as_ref() == Some(copy),
        }
    }

    /// Whether this image was asked for, and is not there.
    pub fn is_gone(&self, image: &ImageId) -> bool {
        self.gone.contains(image)
    }
}
