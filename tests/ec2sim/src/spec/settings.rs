//! How the simulated AWS behaves. All durations are simulated seconds.

use serde::{Deserialize, Serialize};

use super::consumer_settings::{ConsumerSettings, References, Services, UsageReports};
use super::inspector_settings::InspectorSettings;
use super::launch_settings::LaunchSettings;
use super::queues::QueueSettings;
use crate::clock::SimTime;

/// When simulated time starts and how fast it runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClockSpec {
    /// The first moment; absent: the real time of the start.
    pub start: Option<SimTime>,
    /// Simulated seconds per real second.
    pub speed: f64,
}

impl Default for ClockSpec {
    fn default() -> Self {
        Self {
            start: None,
            speed: 1.0,
        }
    }
}

/// All settings.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Settings {
    /// Order and pages of lists.
    pub pagination: Pagination,
    /// Lists that are filtered by IDs, and how long lists take.
    pub lists: Lists,
    /// How late changes show.
    pub consistency: Consistency,
    /// How copies run.
    pub copies: Copies,
    /// What an account may have.
    pub quotas: Quotas,
    /// Rates of calls.
    pub throttling: Throttling,
    /// Image names.
    pub names: Names,
    /// Sessions that STS hands out.
    pub sessions: Sessions,
    /// Services that a region does not have.
    pub services: Services,
    /// How what can launch an image shows.
    pub consumers: ConsumerSettings,
    /// How what can launch an image is changed, and how launches go.
    pub launches: LaunchSettings,
    /// The references that EC2 finds by itself.
    pub references: References,
    /// Reports of the use by other accounts.
    pub usage_reports: UsageReports,
    /// What Amazon Inspector does by itself, and when it is asked for a scan.
    pub inspector: InspectorSettings,
    /// The longest that it takes until a setting of a region that a call has set shows and holds.
    pub guardrail_seconds: f64,
    /// Of default keys that can not be used.
    pub bad_default_keys: BadDefaultKeys,
    /// How long it takes until an event is in its queue.
    pub event_lag: f64,
    /// The share of events that come twice, the second time after twice that.
    pub event_doubled: f64,
    /// The share of events that do not come.
    pub event_lost: f64,
    /// Queues of SQS.
    pub queues: QueueSettings,
}

/// What ModifyEbsDefaultKmsKeyId makes of a key that is not there, in another region, asymmetric or not enabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BadDefaultKeys {
    /// The call appears to complete, and sets nothing.
    #[default]
    Dropped,
    /// It becomes the default key, and launches under it fail.
    Kept,
    /// Answers `InvalidKMSKey.InvalidState`.
    Refused,
}

/// Order and pages of lists.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Pagination {
    /// Every listing has an order of its own.
    pub unstable_order: bool,
    /// The share of pages that are empty and still carry a token, 0 to 0.9.
    pub empty_pages: f64,
    /// The share of the entries of a listing of several pages that it leaves out, 0 to 1. What is asked for by ID or by a filter
    /// is all there, but where the filter is the beginning of IDs.
    pub missed: f64,
    /// The entries that such a listing always leaves out, by ID or name with `*`.
    pub missed_ids: Vec<String>,
    /// No page is larger than this, whatever was asked for.
    pub largest_page: Option<usize>,
}

/// What AWS makes of `*` and `?` in the filters `image-id` and `snapshot-id`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum IdWildcards {
    /// What it makes of them in all filters.
    #[default]
    Taken,
    /// They stand for themselves, so that no ID matches.
    Literal,
    /// `InvalidParameterValue`.
    Refused,
    /// The filter is passed over: everything matches.
    Ignored,
}

/// Lists that are filtered by IDs, and how long lists take.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Lists {
    /// Wildcards in filters of IDs.
    pub id_wildcards: IdWildcards,
    /// A page of images or snapshots takes so many real seconds.
    pub page_seconds: f64,
}

/// The longest that a change takes to show; each change draws its own delay up to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Consistency {
    /// New images and snapshots.
    pub create_seconds: f64,
    /// Deleted ones still show.
    pub delete_seconds: f64,
    /// Tags.
    pub tag_seconds: f64,
    /// Launch permissions, description, deprecation.
    pub attribute_seconds: f64,
    /// What can launch an image: instances, templates, groups, parameters, …
    pub consumer_seconds: f64,
    /// For so long a describe by the ID of a deregistered image is an empty list, and not an error.
    pub deregistered_id_seconds: f64,
}

impl Default for Consistency {
    fn default() -> Self {
        Self {
            create_seconds: 0.0,
            delete_seconds: 0.0,
            tag_seconds: 0.0,
            attribute_seconds: 0.0,
            consumer_seconds: 0.0,
            deregistered_id_seconds: 3600.0,
        }
    }
}

/// Whether a pending copy shows its snapshots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mappings {
    /// With snapshot IDs from the start.
    #[default]
    Shown,
    /// The mappings lack the snapshot ID until the copy is available.
    WithoutSnapshots,
}

/// What becomes of a copy that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FailedCopies {
    /// The image stays, in state `failed`.
    #[default]
    Remain,
    /// The image disappears; its snapshots stay, in state `error`.
    Vanish,
}

/// What CopyImage does beyond the limit of concurrent snapshot copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LimitMode {
    /// Answers `ResourceLimitExceeded`.
    #[default]
    Refuse,
    /// Accepts, and copies when there is room.
    Queue,
}

/// What CopyImage does with a source that its owner has disabled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Disabled {
    /// Answers `InvalidAMIID.Unavailable`.
    #[default]
    Refused,
    /// Copies it, and the copy can be launched.
    Copied,
}

/// What CopyImage does with a token whose image has failed or was deregistered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum DeadTokens {
    /// Answers with that image.
    #[default]
    Answer,
    /// Takes it as a new one.
    Forget,
}

/// How many of a thing an account may have in a region; absent: as many as it likes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Quotas {
    /// Snapshots: beyond it, CopyImage is refused with `SnapshotLimitExceeded`.
    pub snapshots: Option<usize>,
    /// Images: beyond it, CopyImage is refused with `AMIQuotaExceeded`.
    pub images: Option<usize>,
    /// Every CopyImage is refused with `ResourceLimitExceeded` and this sentence, which is of no limit on what runs at a time.
    pub other: Option<String>,
}

/// How copies run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Copies {
    /// What every snapshot takes.
    pub base_seconds: f64,
    /// What each GiB adds.
    pub seconds_per_gib: f64,
    /// Each snapshot's time is multiplied by a seeded factor between 1 − jitter and 1 + jitter.
    pub jitter: f64,
    /// What a pending copy shows.
    pub mappings_while_pending: Mappings,
    /// What becomes of a failed copy.
    pub failed: FailedCopies,
    /// Beyond the limit of concurrent snapshot copies.
    pub beyond_limit: LimitMode,
    /// Of disabled sources.
    pub disabled_sources: Disabled,
    /// Concurrent image copies per account and region.
    pub image_limit: usize,
    /// Actions that a caller needs to encrypt under a key, as `kms:CreateGrant`; without them the copy fails late.
    pub key_actions: Vec<String>,
    /// Whether a copy keeps the IMDS support of its source.
    pub keeps_imds: bool,
    /// Whether a copy keeps TPM support and UEFI data.
    pub keeps_tpm: bool,
    /// Whether the snapshots of a copy tell that they are copies, by their transfer type.
    pub transfer_type: bool,
    /// Whether CopyImage refuses a description with signs beyond ASCII. ModifyImageAttribute always does.
    pub ascii_descriptions: bool,
    /// What a token is answered with whose image is no more.
    pub tokens_of_dead_images: DeadTokens,
    /// Whether a copy keeps UEFI data.
    pub keeps_uefi_data: bool,
    /// Whether a copy keeps on which instance types its source can be launched.
    pub keeps_instance_types: bool,
    /// Whether a copy keeps the watermarks of its source.
    pub keeps_watermarks: bool,
}

impl Default for Copies {
    fn default() -> Self {
        Self {
            base_seconds: 60.0,
            seconds_per_gib: 10.0,
            jitter: 0.2,
            mappings_while_pending: Mappings::Shown,
            failed: FailedCopies::Remain,
            beyond_limit: LimitMode::Refuse,
            disabled_sources: Disabled::Refused,
            image_limit: 300,
            key_actions: Vec::new(),
            keeps_imds: true,
            keeps_tpm: true,
            transfer_type: true,
            ascii_descriptions: false,
            tokens_of_dead_images: DeadTokens::Answer,
            keeps_uefi_data: true,
            keeps_instance_types: true,
            keeps_watermarks: true,
        }
    }
}

/// Which clock something counts by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimeSource {
    /// Real seconds, however fast the simulated clock runs.
    #[default]
    Real,
    /// Simulated seconds.
    Simulated,
}

/// Rates of calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Throttling {
    /// Whether calls are throttled at all.
    pub enabled: bool,
    /// By which clock the buckets refill.
    pub time: TimeSource,
    /// Multiplies the published sizes and rates.
    pub scale: f64,
}

impl Default for Throttling {
    fn default() -> Self {
        Self {
            enabled: false,
            time: TimeSource::Real,
            scale: 1.0,
        }
    }
}

/// Image names.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Names {
    /// The name of a deregistered image stays taken for so long.
    pub taken_after_deregister_seconds: f64,
}

/// Sessions that STS hands out.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Sessions {
    /// By which clock they expire. A client compares `Expiration` with its own clock, so a client on
    /// real time needs `real`; a stepped clock is the same either way.
    pub time: TimeSource,
    /// Policy and tags of a session may have so many characters together, packed.
    pub packed_policy_limit: usize,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            time: TimeSource::Real,
            packed_policy_limit: 4096,
        }
    }
}
