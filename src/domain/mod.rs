//! What amiseal talks about, parsed once at the edge: accounts, regions, keys, images and snapshots.
//!
//! Nothing here knows Kubernetes, the AWS SDK or a clock.

mod allowed_images;
mod consumer;
mod copied;
mod endpoints;
mod failure;
mod foreign;
mod group;
mod guardrail;
mod ids;
mod image;
mod inventory;
mod key;
mod key_access;
mod movable;
mod operation;
mod organization;
mod parameter;
mod permissions;
mod proof;
mod queue;
mod scan;
mod scope;
mod tags;
#[cfg(test)]
pub(crate) mod testing;
mod trail;
mod usage_report;

pub use allowed_images::{AllowedImages, AllowedState, ImageCriterion, ScanFilter, WatermarkFilter, are_same_criteria};
pub use consumer::{
    Consumer, ConsumerKind, ImageRef, ImageReference, Launcher, Launches, Origin, Owner, ParameterRef, ParameterValue,
    Readings, TemplateId, TemplateVersion, VersionRef,
};
pub use copied::CopyRecord;
pub use endpoints::Endpoints;
pub use failure::{AwsError, Cause, ErrorClass};
pub use foreign::ForeignCopy;
pub use group::{
    Besides, GroupChange, GroupNow, GroupPart, Made, Named, Place, RefreshNow, RefreshPreferences, StartRefresh,
};
pub use guardrail::{Guardrail, GuardrailChange, GuardrailState, ManagedBy};
pub use ids::{AccountId, ImageId, Partition, Region, SnapshotId};
pub use image::{
    Attributes, BlockDevice, EbsVolume, Extras, Image, ImageState, InstanceTypes, Kept, LaunchPermission, Snapshot,
    SnapshotExtras, SnapshotState, Source, VolumeKind, Watermark,
};
pub use inventory::{Inventory, PendingSnapshot, Remains, SnapshotProgress, Snapshots};
pub use key::{Key, KeyArn, KeyHealth, KeyProblem, KeyState, KeyUsability, Rotation};
pub use key_access::{KeyAccess, KeyGrant};
pub use movable::{
    Change, LabelledVersion, MappedVolume, Mapping, Movable, NewVersion, ParameterNow, TemplateNow, VersionNow,
};
pub use operation::{Bucket, Operation};
pub use organization::{AccountsOf, ListedAccounts};
pub use parameter::{NewParameter, ParameterPages, StoredParameter};
pub use permissions::{CopySample, MissingPermissions};
pub use proof::{Checks, InstanceNow, InstanceRef, InstanceState, LaunchRequest, TaggedInstance};
pub(crate) use queue::is_loopback;
pub use queue::{QueueMessage, QueueUrl};
pub use scan::{ImageScan, ScanNow, ScanProgress, ScanRef, ScanRequest, Vulnerability, WorstFinding};
pub use scope::Scope;
pub use tags::Tags;
pub use trail::Trail;
pub use usage_report::{ReportEntry, ReportRequest, ReportState, UsageReport};

/// A value that does not have the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not {expected}")]
pub struct Malformed {
    /// What was given.
    pub value: String,
    /// What would be accepted, as a noun phrase.
    pub expected: &'static str,
}

impl Malformed {
    pub(crate) fn new(value: &str, expected: &'static str) -> Self {
        // Untrusted text ends up in messages: keep them short.
        Self {
            value: value.chars().take(80).collect(),
            expected,
        }
    }
}
