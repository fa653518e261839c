//! The three resources of the group `amiseal.dev`, as the Kubernetes API server sees them.
//!
//! [`AMIEncryptionPolicy`] is written by people, [`AMIEncryptionTarget`] by the policy controller (one per policy,
//! account and region) and [`AMIMigration`] by the target controller (one per image to be migrated). The schema of
//! each, with its defaults and its refusals, is generated from these types: see [`crds`].

#![allow(
    unreachable_pub,
    reason = "KubeSchema makes a copy of each type inside a function, `pub` included"
)]

mod accounts_from;
mod all_regions;
mod allowed_images;
mod audit;
mod class;
pub mod conditions;
pub mod duration;
mod guardrails;
mod instance_refresh;
pub mod labels;
mod migration;
mod new_images;
mod policy;
mod promotion;
mod rules;
mod schema;
mod settings;
mod status;
mod target;
mod usage;
mod validation;
mod validation_inspector;
mod validation_job;

pub use accounts_from::{AccountCounts, AccountsFrom, WholeOrganization};
pub use all_regions::{AllRegions, RegionCounts};
pub use allowed_images::{
    AllowedImageCriterion, AllowedImagesSettings, AllowedImagesState, CreationDateCondition, DeprecationTimeCondition,
    ImageWatermarkFilter, ScanResultCondition,
};
pub use audit::{
    AuditSettings, CHECKS, CheckCount, FindingCounts, FindingsStatus, MaxFixAvailable, NAMED_FINDINGS, NamedFinding,
    UnreadPart,
};
pub use class::ImageClass;
pub use duration::Duration;
pub use guardrails::{GuardrailManager, GuardrailMode, GuardrailName, GuardrailSettings, GuardrailStatus};
pub use instance_refresh::{ConsumerRefresh, InstanceRefreshSettings, RefreshStrategy};
pub use migration::{AMIMigration, AMIMigrationSpec, AMIMigrationStatus, CopyStatus, MigrationState, SnapshotStatus};
pub use new_images::NewImageSettings;
pub use policy::{
    AMIEncryptionPolicy, AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, Account, AccountDefaults, MapStatus,
    RegionSpec,
};
pub use promotion::{
    Approval, ApprovalPolicy, ConsumerLabel, ConsumerPart, ConsumerState, ConsumerUpdate, ConsumerVersions, Desired,
    GroupUpdate, LaunchPermissions, MapSettings, MovedConsumer, PromotionSchedule, PromotionSettings,
    PublishedSettings, RECORDED_CONSUMERS, RECORDED_LABELS, RECORDED_PARTS, TagPublication,
};
pub use schema::crds;
pub use settings::{Backups, CopySettings, ImageSelector, ImageTerm, Mode, OtherKey};
pub use status::{ImageCounts, MigrationCounts, OrphanedCopies, TargetCounts, UnencryptedImage};
pub use target::{AMIEncryptionTarget, AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, TargetMapStatus};
pub use usage::{
    ConsumerCount, ConsumerSettings, FOREIGN_IMAGES, ForeignImage, ImageUsage, KEY_ACCESS_ROWS, KeyAccessRow,
    KeyAccessState, KindCount, NAMED_CONSUMERS, NamedConsumer, ParameterScope, UnreadKind, UnusedSettings, UsageCounts,
    UsageReports, UsageState, UsageStatus,
};
pub use validation::{LaunchResult, LaunchSettings, LaunchState, LaunchStatus, ValidationSettings, ValidationStatus};
pub use validation_inspector::{
    InspectorScan, InspectorSettings, InspectorSeverity, InspectorState, InspectorStatus, OnDemandScanState,
    OnDemandScanStatus,
};
pub use validation_job::{JobSettings, JobState, JobStatus};

/// The API group of the three resources.
pub const GROUP: &str = "amiseal.dev";
/// The one version that the group has.
pub const VERSION: &str = "v1alpha1";
