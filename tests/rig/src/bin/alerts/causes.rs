//! What goes wrong, and which alerts that makes fire.

use clap::ValueEnum;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Cause {
    /// A copy does not get on.
    CopyHangs,
    /// A role is not trusted any more.
    RoleNotTrusted,
    /// A role lacks an action that copying needs.
    PermissionMissing,
    /// The key is disabled.
    KeyDisabled,
    /// An image appears that nobody may copy.
    ImageNotCopyable,
    /// Copies are begun and fail.
    CopiesFail,
    /// An image has terabytes of snapshots.
    ManyTerabytes,
    /// A role may not list what launches images.
    ConsumersDenied,
    /// An image is shared with everybody.
    ImageShared,
    /// A copy that is launched is disabled.
    CopyDisabled,
    /// AWS does not say what a role may do.
    CheckFails,
    /// AWS takes minutes to answer the reads of one account.
    ReadsSlow,
    /// A role may not terminate the instances that copies are proven by.
    ProofLeft,
    /// Somebody turns a guardrail off, and the role may not turn it on again.
    GuardrailTurnedOff,
    /// The policy names a ConfigMap for its map that somebody else has made.
    MapTaken,
    /// The policy takes accounts from an organization that the controller is not in.
    AccountsDenied,
    /// The policy takes all regions of accounts, and AWS does not say which ones are enabled.
    RegionsUnread,
    /// SQS fails.
    QueueFails,
    /// Looks for new images fail, and scans do not.
    LooksFail,
    /// Somebody empties a unit that the policy takes accounts from.
    UnitEmptied,
    /// Nobody approves what a migration would move.
    NobodyApproves,
    /// AWS does not say what an image is made of.
    ImageUnreadable,
    /// AWS throttles every call.
    Throttled,
    /// A replica hangs.
    ReplicaHangs,
    /// No connection to AWS.
    AwsGone,
    /// Statuses may not be written any more.
    RightsLost,
    /// The API server is gone.
    ApiServerGone,
    /// No replica runs.
    Killed,
}

/// Those of a wave go wrong at the same time, each in an account of its own, or for the policy as a whole. A copy that hangs is begun
/// before others are made.
pub(crate) const WAVES: [&[Cause]; 9] = [
    &[
        Cause::CopyHangs,
        Cause::RoleNotTrusted,
        Cause::PermissionMissing,
        Cause::KeyDisabled,
        Cause::ImageNotCopyable,
        Cause::CopiesFail,
        Cause::ManyTerabytes,
        Cause::ConsumersDenied,
        Cause::ImageShared,
        Cause::CopyDisabled,
        Cause::CheckFails,
        Cause::ReadsSlow,
        Cause::GuardrailTurnedOff,
        Cause::MapTaken,
        Cause::AccountsDenied,
        Cause::RegionsUnread,
        Cause::QueueFails,
    ],
    &[Cause::ProofLeft],
    &[
        Cause::LooksFail,
        Cause::UnitEmptied,
        Cause::NobodyApproves,
        Cause::ImageUnreadable,
    ],
    &[Cause::Throttled],
    &[Cause::ReplicaHangs],
    &[Cause::AwsGone],
    &[Cause::RightsLost],
    &[Cause::ApiServerGone],
    &[Cause::Killed],
];

impl Cause {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        WAVES.into_iter().flatten().copied()
    }

    /// The account that it is in; none where it strikes all.
    pub(crate) const fn account(self) -> Option<&'static str> {
        Some(match self {
            Self::CopyHangs => "100000000001",
            Self::RoleNotTrusted => "100000000002",
            Self::PermissionMissing => "100000000003",
            Self::KeyDisabled => "100000000004",
            Self::ImageNotCopyable => "100000000005",
            Self::CopiesFail => "100000000006",
            Self::ManyTerabytes => "100000000007",
            Self::CheckFails => "100000000008",
            Self::ReadsSlow => "100000000009",
            Self::ConsumersDenied => "100000000010",
            Self::ImageShared => "100000000011",
            Self::CopyDisabled => "100000000012",
            Self::ProofLeft => "100000000013",
            Self::GuardrailTurnedOff => "100000000014",
            Self::LooksFail => "100000000015",
            Self::NobodyApproves => "100000000016",
            Self::ImageUnreadable => "100000000017",
            Self::UnitEmptied
            | Self::MapTaken
            | Self::AccountsDenied
            | Self::RegionsUnread
            | Self::QueueFails
            | Self::Throttled
            | Self::ReplicaHangs
            | Self::AwsGone
            | Self::RightsLost
            | Self::ApiServerGone
            | Self::Killed => return None,
        })
    }

    /// The alerts that it has to make fire.
    pub(crate) const fn alerts(self) -> &'static [&'static str] {
        match self {
            Self::CopyHangs => &["AmisealCopySlow"],
            Self::RoleNotTrusted => &["AmisealTargetUnreachable"],
            Self::PermissionMissing => &["AmisealPermissionMissing"],
            Self::KeyDisabled => &["AmisealKeyUnusable"],
            Self::ImageNotCopyable => &[
                "AmisealMigrationStalled",
                "AmisealImagesUnencrypted",
                "AmisealNewUnencryptedImage",
            ],
            Self::CopiesFail => &["AmisealCopiesFailing"],
            Self::ManyTerabytes => &["AmisealDuplicateStorage"],
            Self::ConsumersDenied => &["AmisealUsageUnknown", "AmisealFindingsUnknown"],
            Self::ImageShared => &["AmisealNewFindings"],
            Self::CopyDisabled => &["AmisealPromotedCopyGone"],
            Self::CheckFails => &["AmisealTargetNotReady"],
            Self::ReadsSlow => &["AmisealScanStale"],
            Self::ProofLeft => &["AmisealProofLeftRunning"],
            Self::GuardrailTurnedOff => &["AmisealGuardrailNotEnforced", "AmisealGuardrailDrifted"],
            Self::MapTaken => &["AmisealMapNotPublished"],
            Self::AccountsDenied => &["AmisealAccountsNotRead"],
            Self::RegionsUnread => &["AmisealRegionsNotRead"],
            Self::QueueFails => &["AmisealEventQueueUnreadable"],
            Self::LooksFail => &["AmisealNewImagesNotLookedFor"],
            Self::UnitEmptied => &["AmisealAccountsLeaving"],
            Self::NobodyApproves => &["AmisealApprovalAwaited"],
            Self::ImageUnreadable => &["AmisealImagesUnknown"],
            Self::Throttled => &["AmisealAWSThrottling"],
            Self::ReplicaHangs => &["AmisealShardsUnowned"],
            Self::AwsGone => &["AmisealAWSUnreachable"],
            Self::RightsLost => &["AmisealReconcileErrors"],
            Self::ApiServerGone => &["AmisealAPIServerUnreachable"],
            Self::Killed => &["AmisealAbsent"],
        }
    }

    /// The alerts that it explains as well: an image that is not migrated meanwhile stays unencrypted.
    pub(crate) const fn explains(self) -> &'static [&'static str] {
        const LEFT: &[&str] = &[
            "AmisealMigrationStalled",
            "AmisealImagesUnencrypted",
            "AmisealNewUnencryptedImage",
        ];
        match self {
            Self::CopyHangs
            | Self::PermissionMissing
            | Self::CopiesFail
            | Self::ManyTerabytes
            | Self::ImageShared
            | Self::CopyDisabled
            | Self::ProofLeft
            | Self::NobodyApproves
            | Self::CheckFails => LEFT,
            // All accounts are out of reach, and each try is a failed reconcile. Scans become too old later than this lasts.
            Self::AwsGone | Self::Throttled => &[
                "AmisealEventQueueUnreadable",
                "AmisealTargetUnreachable",
                "AmisealReconcileErrors",
                "AmisealUsageUnknown",
                "AmisealFindingsUnknown",
            ],
            // Nor can it be read who uses the images, and what is wrong.
            Self::RoleNotTrusted | Self::ReadsSlow | Self::ImageUnreadable => {
                &["AmisealUsageUnknown", "AmisealFindingsUnknown"]
            }
            // Images are under the key.
            Self::KeyDisabled => &["AmisealNewFindings"],
            // Leases run out meanwhile, and nothing can be written.
            Self::ApiServerGone => &["AmisealShardsUnowned", "AmisealReconcileErrors"],
            _ => &[],
        }
    }

    /// What happens, for people.
    pub(crate) const fn what(self) -> &'static str {
        match self {
            Self::CopyHangs => "AWS does not get on with a copy",
            Self::RoleNotTrusted => "the role trusts amiseal no longer",
            Self::PermissionMissing => "the role may not call CopyImage",
            Self::KeyDisabled => "somebody disables the KMS key",
            Self::ImageNotCopyable => "an image appears that AWS lets nobody copy",
            Self::CopiesFail => "the role may create no grants for the key",
            Self::ManyTerabytes => "an image of 6 TiB is copied, and stays",
            Self::ConsumersDenied => "the role may not list Auto Scaling groups",
            Self::CopyDisabled => "somebody disables a copy that is launched",
            Self::ImageShared => "somebody shares an image with everybody",
            Self::CheckFails => "AWS fails when it is asked what the role may do",
            Self::ReadsSlow => "AWS takes four minutes to answer a read",
            Self::ProofLeft => "the role may not terminate an instance that a copy is proven by",
            Self::GuardrailTurnedOff => "somebody turns off a guardrail that the role may not turn on",
            Self::MapTaken => "the policy names a ConfigMap of somebody else for its map",
            Self::AccountsDenied => "AWS Organizations lists no accounts for the controller",
            Self::RegionsUnread => "AWS does not say which regions are enabled",
            Self::QueueFails => "SQS fails",
            Self::LooksFail => "AWS fails when it is asked for new images alone",
            Self::UnitEmptied => "somebody moves all accounts out of a unit",
            Self::NobodyApproves => "nobody approves what a migration would move",
            Self::ImageUnreadable => "AWS maps a device of an image twice",
            Self::Throttled => "AWS throttles every call",
            Self::ReplicaHangs => "a replica hangs",
            Self::AwsGone => "AWS refuses connections",
            Self::RightsLost => "the controller may not write statuses",
            Self::ApiServerGone => "the API server is gone",
            Self::Killed => "both replicas are killed",
        }
    }

    /// How that ends, for people.
    pub(crate) const fn mend(self) -> &'static str {
        match self {
            Self::CopyHangs => "AWS gets on with the copy",
            Self::RoleNotTrusted => "the role trusts amiseal again",
            Self::PermissionMissing => "the role may call CopyImage again",
            Self::KeyDisabled => "somebody enables the KMS key",
            Self::ImageNotCopyable => "its owner deregisters the image that nobody may copy",
            Self::CopiesFail => "the role may create grants again, and somebody asks for another attempt",
            Self::ManyTerabytes => "its owner deregisters the original of 6 TiB",
            Self::ConsumersDenied => "the role may list Auto Scaling groups again",
            Self::CopyDisabled => "somebody enables the copy",
            Self::ImageShared => "somebody takes that back",
            Self::CheckFails => "AWS says what the role may do",
            Self::ReadsSlow => "AWS answers reads at once again",
            Self::ProofLeft => "the role may terminate it again",
            Self::GuardrailTurnedOff => "the role may turn the guardrail on again",
            Self::MapTaken => "the policy names another ConfigMap",
            Self::AccountsDenied => "the policy takes no accounts from the organization",
            Self::RegionsUnread => "the policy takes the regions alone that it lists",
            Self::QueueFails => "SQS answers again",
            Self::LooksFail => "AWS answers that again",
            Self::UnitEmptied => "somebody moves them back, and the policy takes none from there",
            Self::NobodyApproves => "somebody approves it",
            Self::ImageUnreadable => "its owner deregisters that image",
            Self::Throttled => "AWS takes calls again",
            Self::ReplicaHangs => "the replica goes on",
            Self::AwsGone => "AWS can be reached again",
            Self::RightsLost => "the controller may write statuses again",
            Self::ApiServerGone => "the API server is back",
            Self::Killed => "both replicas are started again",
        }
    }
}
