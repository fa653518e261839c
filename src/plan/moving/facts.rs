//! What is decided on for the consumers of an image, and what comes of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::conditions::Status;
use crate::api::{AMIEncryptionTargetSpec, Approval, Desired, MovedConsumer};
use crate::domain::{
    AccountId, Besides, Change, ConsumerKind, ForeignCopy, Image, ImageId, ImageState, KeyAccess, KeyArn, Movable,
    SnapshotId, Tags,
};
use crate::plan::obstacle::Problem;
use crate::plan::usage::Picture;

/// A consumer that can be moved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConsumerKey {
    /// What it is.
    pub kind: ConsumerKind,
    /// Its ID or name.
    pub id: Box<str>,
}

/// What is known of a consumer by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the reading of all consumers began that was known when it was read.
    pub picture: Option<Timestamp>,
    /// Whether it was read just now, so that it may be changed.
    pub fresh: bool,
    /// What was read.
    pub now: Movable,
}

/// Whether another consumer of the account and region may be moved now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Turn {
    /// It may.
    #[default]
    Free,
    /// One of another image is being moved.
    Busy,
    /// As many as the policy allows were moved in the last 24 hours.
    DayIsFull,
}

/// An original, as far as moving what launches it takes it.
#[derive(Debug, Clone, Copy)]
pub struct Original<'a> {
    /// Its ID.
    pub id: &'a ImageId,
    /// Its tags; none where it is another account's, which AWS does not show.
    pub tags: Option<&'a Tags>,
    /// How many volumes it has.
    pub volumes: usize,
    /// Whether it can be launched, as far as is known: nobody can launch an image that is disabled, or not shared with them any more.
    pub launchable: bool,
}

impl<'a> From<&'a Image> for Original<'a> {
    fn from(image: &'a Image) -> Self {
        Self {
            id: &image.id,
            tags: Some(&image.tags),
            volumes: image.volumes().count(),
            launchable: image.state != ImageState::Disabled,
        }
    }
}

/// That an image is another account's.
#[derive(Debug, Clone, Copy)]
pub struct Foreign<'a> {
    /// Whose it is.
    pub owner: &'a AccountId,
    /// The copy that the owner's migration has for others now; it may be another one than the one on record.
    pub offered: Option<&'a ImageId>,
    /// When that was published.
    pub published: Option<Timestamp>,
    /// When the owner's migration was made.
    pub created: Option<Timestamp>,
    /// Whether the owner's migration is held.
    pub held: bool,
    /// What the account sees of the copy on record, where that was read.
    pub copy: Option<&'a ForeignCopy>,
    /// Whether that was read so lately that something may be begun by it.
    pub copy_is_fresh: bool,
}

/// What it is decided on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The original.
    pub source: Original<'a>,
    /// Whose both are, where they are another account's.
    pub foreign: Option<Foreign<'a>>,
    /// Its copy. It is verified and published, or nothing is moved any more and everything is put back.
    pub copy: &'a ImageId,
    /// The copy's tags; none where it is no more.
    pub copy_tags: Option<&'a Tags>,
    /// The key that it is encrypted under.
    pub key: &'a KeyArn,
    /// Whether AWS manages it.
    pub aws_managed: bool,
    /// The copy's snapshots by those of the original.
    pub snapshots: &'a BTreeMap<SnapshotId, SnapshotId>,
    /// What the policy says.
    pub settings: &'a AMIEncryptionTargetSpec,
    /// Whether somebody has approved it.
    pub approval: Approval,
    /// What people want.
    pub desired: Desired,
    /// What is on record.
    pub rows: &'a [MovedConsumer],
    /// Who uses the images, where that was read.
    pub picture: Option<&'a Picture>,
    /// What was read of single consumers.
    pub seen: &'a BTreeMap<ConsumerKey, Seen>,
    /// Who may use the key, where that was read; the inner one is none where KMS does not show it.
    pub access: Option<&'a Option<KeyAccess>>,
    /// Whether that was read so lately that something may be begun by it.
    pub access_is_fresh: bool,
    /// Whether it is this image's turn.
    pub turn: Turn,
    /// Whether the migration is stalled, as its status says: then others do not wait for what it has begun.
    pub stalled: bool,
    /// How many moves of the policy have failed that nobody has looked at yet.
    pub failures: usize,
    /// How many groups of other images in the account and region are being refreshed.
    pub refreshing: usize,
    /// Now, by which ages are told.
    pub now: Timestamp,
    /// The time of day.
    pub system_time: Timestamp,
}

/// What comes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What is to be on record of the consumers.
    pub rows: Vec<MovedConsumer>,
    /// What the condition `ConsumersMoved` says; none where nothing was asked for.
    pub says: Option<(Status, &'static str, String)>,
    /// What comes next.
    pub then: Then,
    /// How soon what is under way is looked at, also where nothing else comes before a person has acted.
    pub look_again: Option<Duration>,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    /// Nothing: everything is as it is to be.
    Rest,
    /// Nothing now: look again then.
    Later(Duration),
    /// The same, as others are at it that did not wait for what AWS has refused: what is said of that stays said.
    Behind(Duration),
    /// Nothing before a person has acted.
    Stalled(Problem),
    /// Read this consumer, and this besides.
    Look(ConsumerKey, Besides),
    /// Read who may use the key.
    ReadAccess,
    /// Read what the account sees of the copy, which is another's.
    ReadCopy(ImageId),
    /// Once this is on record.
    Do(ConsumerKey, Change),
}
