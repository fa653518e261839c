//! Why a condition is as it is.

/// What was to be done is done. Nothing to fix.
pub const SUCCEEDED: &str = "Succeeded";
/// Work is under way. Nothing to fix.
pub const PROGRESSING: &str = "Progressing";
/// The object was seen for the first time, and nothing is known of it yet. Nothing to fix.
pub const INITIALIZING: &str = "Initializing";
/// Nothing was asked for, or nothing is wrong. Nothing to fix.
pub const NOT_STALLED: &str = "NotStalled";

/// The policy's mode is `Audit`: images are reported and not migrated. Set `spec.mode: Enforce` to migrate them.
pub const AUDIT: &str = "Audit";
/// The policy is suspended. Set `spec.suspend: false` to go on.
pub const SUSPENDED: &str = "Suspended";

/// Images are unencrypted, and no verified copy of them exists yet. Wait, or see the stalled migrations.
pub const UNENCRYPTED_IMAGES: &str = "UnencryptedImages";
/// Every image has an encrypted copy, but unencrypted originals are still there. Deregister them once nothing uses
/// them.
pub const ORIGINALS_REMAIN: &str = "OriginalsRemain";
/// Images are encrypted under another key while `otherKey: Migrate` asks for the policy's. Wait, or see the stalled
/// migrations.
pub const OTHER_KEY: &str = "OtherKey";
/// Some images' snapshots could not be read, so that nobody can say how they are encrypted. Allow the role to
/// describe them.
pub const UNKNOWN_IMAGES: &str = "UnknownImages";
/// An older policy selects some of the images too, and governs them. Narrow one of the selectors.
pub const CONTESTED: &str = "Contested";
/// Some of the policy's targets are not in this state. See the targets.
pub const SOME_TARGETS: &str = "SomeTargets";

/// Something that can launch images could not be read, so that no image is said to be unused. Allow the role to read it,
/// or set `spec.consumers.read: false`.
pub const CONSUMERS_UNREAD: &str = "ConsumersUnread";

/// The migration waits for its turn: AWS copies a limited number of snapshots at a time. Wait.
pub const WAITING_FOR_ADMISSION: &str = "WaitingForAdmission";
/// AWS is copying the image. Wait.
pub const COPYING: &str = "Copying";
/// The copy is being compared with the original. Wait.
pub const VERIFYING: &str = "Verifying";
/// The copy is getting what it takes over from the original. Wait.
pub const PROMOTING: &str = "Promoting";
/// A copy that was there already was taken on. Nothing to fix.
pub const ADOPTED: &str = "Adopted";
/// The last attempt failed, and another one follows. Wait.
pub const COPY_FAILED: &str = "CopyFailed";
/// The original is gone; its copy stays. Nothing to fix, but on `ConsumersMoved`: a rollback has nothing to put consumers back to. Change
/// them, or take the rollback back.
pub const SOURCE_GONE: &str = "SourceGone";

/// The image has an AWS Marketplace product code of another owner and cannot be copied. Ask the owner for an
/// encrypted image, or exempt it.
pub const PRODUCT_CODE_NOT_COPYABLE: &str = "ProductCodeNotCopyable";
/// The image is disabled, and a copy of it could be launched: enable it, or exempt it. Or consumers are to be put back to it, and nobody
/// could launch them then: enable it.
pub const IMAGE_DISABLED: &str = "ImageDisabled";
/// A snapshot of the image is archived, and AWS does not copy it from there. Restore it, or exempt the image.
pub const SNAPSHOT_ARCHIVED: &str = "SnapshotArchived";
/// A snapshot of the image is kept in a Local Zone or on an Outpost, and a copy would leave that place. Exempt the
/// image.
pub const SNAPSHOT_LOCAL: &str = "SnapshotLocal";
/// The image is backed by instance store, which a copy cannot encrypt. Rebuild it on EBS, or exempt it.
pub const INSTANCE_STORE_IMAGE: &str = "InstanceStoreImage";
/// A snapshot of the image belongs to another account and is not shared with this one. Share it, or exempt the
/// image.
pub const SNAPSHOT_NOT_SHARED: &str = "SnapshotNotShared";
/// The image is public, and an encrypted one cannot be. Stop sharing it publicly, or exempt it.
pub const PUBLIC_IMAGE: &str = "PublicImage";

/// The key is disabled. Enable it.
pub const KEY_DISABLED: &str = "KeyDisabled";
/// The key is to be deleted. Cancel its deletion and enable it, or name another key.
pub const KEY_PENDING_DELETION: &str = "KeyPendingDeletion";
/// There is no such key or alias in the region. Create it, or correct `kmsKeyID`.
pub const KEY_NOT_FOUND: &str = "KeyNotFound";
/// The key is of another region. Name a key of the image's region.
pub const KEY_WRONG_REGION: &str = "KeyWrongRegion";
/// The key is not a symmetric one for encryption. Name one with usage `ENCRYPT_DECRYPT` and spec
/// `SYMMETRIC_DEFAULT`.
pub const KEY_WRONG_USAGE: &str = "KeyWrongUsage";
/// The key is in a state in which it cannot be used yet, as while it is created or imported. Wait, or complete the
/// import.
pub const KEY_UNAVAILABLE: &str = "KeyUnavailable";
/// The original is encrypted under a key that is disabled, so that AWS cannot read it. Enable that key, or exempt the
/// image.
pub const SOURCE_KEY_DISABLED: &str = "SourceKeyDisabled";
/// The original is encrypted under a key that is to be deleted. Cancel its deletion and enable it, or exempt the image.
pub const SOURCE_KEY_PENDING_DELETION: &str = "SourceKeyPendingDeletion";
/// The original is encrypted under a key that does not exist any more: nobody can read it. Exempt it.
pub const SOURCE_KEY_NOT_FOUND: &str = "SourceKeyNotFound";
/// The original is encrypted under a key that cannot be used in its present state. Complete its import, or exempt the
/// image.
pub const SOURCE_KEY_UNAVAILABLE: &str = "SourceKeyUnavailable";
/// The image is shared with other accounts, and a copy under the AWS managed key `aws/ebs` cannot be. Name a
/// customer managed key.
pub const DEFAULT_KEY_CANNOT_BE_SHARED: &str = "DefaultKeyCannotBeShared";

/// AWS denies the call. Allow it in the role's policy, or in the key's.
pub const ACCESS_DENIED: &str = "AccessDenied";
/// The role cannot be assumed. Correct its ARN, its trust policy, or the external ID.
pub const ROLE_NOT_ASSUMABLE: &str = "RoleNotAssumable";
/// The identity in use is of another account than the target names. Correct the account ID or the role.
pub const WRONG_ACCOUNT: &str = "WrongAccount";
/// The region is not enabled in the account. Enable it, or take it out of the policy.
pub const REGION_NOT_ENABLED: &str = "RegionNotEnabled";
/// AWS does not serve the account: it is not subscribed, not verified yet, or blocked. See the account in the AWS
/// console.
pub const ACCOUNT_NOT_READY: &str = "AccountNotReady";
/// AWS cannot be reached. Check the network path and the endpoint.
pub const ENDPOINT_UNREACHABLE: &str = "EndpointUnreachable";
/// AWS refuses since a quota of the account is used up; the message names it. Make room, or have it raised.
pub const QUOTA_EXCEEDED: &str = "QuotaExceeded";
/// AWS throttles the account in this region. Wait.
pub const THROTTLED: &str = "Throttled";
/// A call failed in a way that passes by itself. Wait.
pub const TRANSIENT_ERROR: &str = "TransientError";
/// AWS refuses a request as wrong. See the message.
pub const INVALID_REQUEST: &str = "InvalidRequest";

/// The copy differs from the original in something that cannot be changed afterwards. See the message; deregister
/// the copy to have another one made.
pub const ATTRIBUTE_MISMATCH: &str = "AttributeMismatch";
/// A snapshot of the copy is not encrypted, or not under the required key. Deregister the copy to have another one
/// made.
pub const COPY_NOT_ENCRYPTED: &str = "CopyNotEncrypted";
/// Somebody has disabled the copy, so that nobody can launch from it. Enable it: it then gets back what disabling has
/// taken from it.
pub const COPY_DISABLED: &str = "CopyDisabled";
/// Every attempt failed. Mend what the message names, then change the annotation `amiseal.dev/retry`; amiseal tries
/// again by itself once a day.
pub const ATTEMPTS_EXHAUSTED: &str = "AttemptsExhausted";

/// The original's tags and amiseal's own are together more than the 50 that AWS allows. Remove some of the
/// original's, or set `promotion.tags: Withhold`.
pub const TOO_MANY_TAGS: &str = "TooManyTags";

/// The copy is being proven as the policy's `validation` says. Wait.
pub const VALIDATING: &str = "Validating";
/// The copy has not passed the proof that the policy asks for, and nothing is published on it. See the message; change the
/// annotation `amiseal.dev/retry`, or the settings, to have it tried anew.
pub const VALIDATION_FAILED: &str = "ValidationFailed";
/// AWS refuses to launch an instance from the copy. Fix what the message names; amiseal asks again.
pub const LAUNCH_REFUSED: &str = "LaunchRefused";
/// The copy cannot be launched on the instance type that `validation.launch` names. Name another one.
pub const INSTANCE_TYPE_MISMATCH: &str = "InstanceTypeMismatch";
/// The Job that `validation.job` asks for cannot be made, read or deleted. Fix what the message names; amiseal tries again.
pub const JOB_REFUSED: &str = "JobRefused";
/// Amazon Inspector has found something in the copy that is worse than `validation.inspector.maximumSeverity` allows. Build the
/// original anew from updated packages, or raise the maximum; the copy passes once a later scan finds nothing worse.
pub const COPY_VULNERABLE: &str = "CopyVulnerable";
/// Amazon Inspector has not scanned the copy within `validation.inspector.timeout`, or an on-demand scan was refused or has failed.
/// Have it scan copies; the migration goes on once there is a scan.
pub const COPY_NOT_SCANNED: &str = "CopyNotScanned";

/// What launches the original is being moved to the copy. Wait.
pub const MOVING_CONSUMERS: &str = "MovingConsumers";
/// Something that launches the original is left as it is. `status.consumers` of the migration says what and why.
pub const CONSUMERS_LEFT: &str = "ConsumersLeft";
/// Whoever launches the original may not use the copy's key, or that is not known: fix the key's policy as the message says. Or the
/// policy's key is not set as the default key of EBS for the same reason, or since it cannot be used at all.
pub const KEY_NOT_USABLE: &str = "KeyNotUsable";
/// The account that launches another's image may not launch the copy: it is not shared with the account. Share it.
pub const COPY_NOT_SHARED: &str = "CopyNotShared";
/// The account's Allowed AMIs refuse the copy, which is another account's, or it is not known whether they do. Change them.
pub const COPY_NOT_ALLOWED: &str = "CopyNotAllowed";
/// Consumers are to be put back to another account's image that is gone or not shared with the account any more. Have it shared again.
pub const SOURCE_NOT_SHARED: &str = "SourceNotShared";
/// Consumers were moved to a copy of another account's, and its owner has another copy now. Roll the migration back and resume it.
pub const COPY_REPLACED: &str = "CopyReplaced";
/// The migration in the account that owns the image has no copy yet that is verified and published. Wait, or see that migration.
pub const WAITING_FOR_OWNER: &str = "WaitingForOwner";
/// The policy has somebody approve what is moved, or it was put back before the migration was deleted and made anew. Set
/// `spec.approval: Approved` in the migration.
pub const APPROVAL_REQUIRED: &str = "ApprovalRequired";
/// Somebody wants nothing to be moved. Set `spec.desired: Migrated` in the migration, or remove the tag `amiseal.dev/hold`.
pub const HELD: &str = "Held";
/// Consumers are being put back to the original. Wait.
pub const ROLLING_BACK: &str = "RollingBack";
/// AWS has not replaced all instances of an Auto Scaling group. `status.consumers` says why.
pub const REFRESH_FAILED: &str = "RefreshFailed";
/// Consumers that were moved are as they were before. Set `spec.desired: Migrated` in the migration to have them moved again.
pub const ROLLED_BACK: &str = "RolledBack";

/// So many moves of the policy's consumers have failed that no more are made. See `status.consumers` of the migrations, then set
/// `promotion.failuresAcknowledgedAt` in the policy.
pub const TOO_MANY_FAILURES: &str = "TooManyFailures";
/// `promotion.schedule` names no window in time. Correct the field that the message names.
pub const INVALID_SCHEDULE: &str = "InvalidSchedule";
/// A copy that consumers were moved to is gone or disabled. Set `spec.desired: RolledBack` in the migration to have them launch the
/// original again, or enable the copy.
pub const PROMOTED_COPY_GONE: &str = "PromotedCopyGone";
/// The copy no longer exists, and no other one is made: the original is gone too, the policy's mode is Audit, or consumers launch it.
/// Restore it from the Recycle Bin, or do what `Stalled` or `Ready` says.
pub const COPY_GONE: &str = "CopyGone";

/// The map is where the policy has it kept. Nothing to fix.
pub const PUBLISHED: &str = "Published";
/// There is a ConfigMap of that name, or a parameter, which is not this policy's, and which is left as it is. Name another one in
/// `promotion.map`, or delete it.
pub const NOT_OURS: &str = "NotOurs";
/// Systems Manager has taken a copy's ID as the value of a parameter and does not show it. See that the role may describe images.
pub const NOT_SHOWN: &str = "NotShown";
/// The map is larger than what a ConfigMap holds. Use `amiseal map`, or divide the accounts among several policies.
pub const TOO_LARGE: &str = "TooLarge";
/// The API server forbids the controller to write the ConfigMap: set `promotionMap.enabled` of the chart. Or AWS denies the role to
/// read or to set a guardrail: allow the action that the message names.
pub const FORBIDDEN: &str = "Forbidden";

/// Every guardrail is as the policy asks for. Nothing to fix.
pub const ENFORCED: &str = "Enforced";
/// A guardrail is not as it should be, and is only reported. Set `Enforce` for it in `spec.guardrails`, or fix it in AWS.
pub const NOT_ENFORCED: &str = "NotEnforced";
/// A declarative policy of the organization holds a guardrail otherwise than the policy asks for. Change one of the two.
pub const HELD_BY_DECLARATIVE_POLICY: &str = "HeldByDeclarativePolicy";
/// Allowed AMIs would refuse images that are in use, or that cannot be told, so that amiseal does not have them do so. Move what uses
/// them, allow them by another criterion, or fix what the message names.
pub const MAY_REFUSE_IMAGES: &str = "MayRefuseImages";
/// AWS is asked to set a guardrail, and does not show it yet. Wait.
pub const REQUESTED: &str = "Requested";
/// A guardrail is not read yet, or could not be read. Wait, or fix what the message names.
pub const NOT_READ: &str = "NotRead";

/// AWS denies actions for images without amiseal's tag, and there is no copy with it to ask about. Make sure that the role may do
/// them for images that have it.
pub const PERMISSIONS_UNCONFIRMED: &str = "PermissionsUnconfirmed";
/// amiseal has not asked yet what the role may do, or AWS refuses to answer. Wait, or fix what the message names.
pub const PERMISSIONS_NOT_CHECKED: &str = "PermissionsNotChecked";
/// No image is left to migrate, so that what the role may do is not asked. Nothing to fix.
pub const NOTHING_TO_MIGRATE: &str = "NothingToMigrate";

/// AWS Organizations was read, or the regions of each account. Nothing to fix.
pub const READ: &str = "Read";
/// AWS Organizations was not read yet for what `accountsFrom` names, or the regions of an account with `allRegions`. Wait.
pub const NOT_READ_YET: &str = "NotReadYet";

/// Every reason there is.
pub const ALL: &[&str] = &[
    PERMISSIONS_UNCONFIRMED,
    PERMISSIONS_NOT_CHECKED,
    NOTHING_TO_MIGRATE,
    READ,
    NOT_READ_YET,
    PUBLISHED,
    NOT_OURS,
    NOT_SHOWN,
    TOO_LARGE,
    FORBIDDEN,
    ENFORCED,
    NOT_ENFORCED,
    HELD_BY_DECLARATIVE_POLICY,
    MAY_REFUSE_IMAGES,
    REQUESTED,
    NOT_READ,
    VALIDATING,
    VALIDATION_FAILED,
    LAUNCH_REFUSED,
    INSTANCE_TYPE_MISMATCH,
    JOB_REFUSED,
    COPY_VULNERABLE,
    COPY_NOT_SCANNED,
    MOVING_CONSUMERS,
    CONSUMERS_LEFT,
    KEY_NOT_USABLE,
    COPY_NOT_SHARED,
    COPY_NOT_ALLOWED,
    SOURCE_NOT_SHARED,
    COPY_REPLACED,
    WAITING_FOR_OWNER,
    APPROVAL_REQUIRED,
    HELD,
    ROLLING_BACK,
    REFRESH_FAILED,
    ROLLED_BACK,
    TOO_MANY_FAILURES,
    INVALID_SCHEDULE,
    PROMOTED_COPY_GONE,
    COPY_GONE,
    SUCCEEDED,
    PROGRESSING,
    INITIALIZING,
    NOT_STALLED,
    AUDIT,
    SUSPENDED,
    UNENCRYPTED_IMAGES,
    ORIGINALS_REMAIN,
    OTHER_KEY,
    UNKNOWN_IMAGES,
    CONTESTED,
    SOME_TARGETS,
    CONSUMERS_UNREAD,
    WAITING_FOR_ADMISSION,
    COPYING,
    VERIFYING,
    PROMOTING,
    ADOPTED,
    COPY_FAILED,
    SOURCE_GONE,
    PRODUCT_CODE_NOT_COPYABLE,
    IMAGE_DISABLED,
    SNAPSHOT_ARCHIVED,
    SNAPSHOT_LOCAL,
    INSTANCE_STORE_IMAGE,
    SNAPSHOT_NOT_SHARED,
    PUBLIC_IMAGE,
    KEY_DISABLED,
    KEY_PENDING_DELETION,
    KEY_NOT_FOUND,
    KEY_WRONG_REGION,
    KEY_WRONG_USAGE,
    KEY_UNAVAILABLE,
    SOURCE_KEY_DISABLED,
    SOURCE_KEY_PENDING_DELETION,
    SOURCE_KEY_NOT_FOUND,
    SOURCE_KEY_UNAVAILABLE,
    DEFAULT_KEY_CANNOT_BE_SHARED,
    ACCESS_DENIED,
    ROLE_NOT_ASSUMABLE,
    WRONG_ACCOUNT,
    REGION_NOT_ENABLED,
    ACCOUNT_NOT_READY,
    ENDPOINT_UNREACHABLE,
    QUOTA_EXCEEDED,
    THROTTLED,
    TRANSIENT_ERROR,
    INVALID_REQUEST,
    ATTRIBUTE_MISMATCH,
    COPY_NOT_ENCRYPTED,
    COPY_DISABLED,
    ATTEMPTS_EXHAUSTED,
    TOO_MANY_TAGS,
];
