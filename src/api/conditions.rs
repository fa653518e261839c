//! Condition types and their reasons, each with what it means and what fixes it, and the one way to set a condition.
//!
//! A reason is a promise: alerts and scripts match on it, so it is never renamed. Messages are for people; they stay the
//! same from one reconcile to the next as long as the cause does, and carry neither request IDs nor times.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The object does what its spec asks.
pub const READY: &str = "Ready";
/// Work is under way that needs nobody.
pub const RECONCILING: &str = "Reconciling";
/// A person must act on this object.
pub const STALLED: &str = "Stalled";
/// No selected image is left unencrypted: policies and targets.
pub const COMPLIANT: &str = "Compliant";
/// Every target's key is usable: policies.
pub const KEYS_USABLE: &str = "KeysUsable";
/// Every target can be looked through: policies.
pub const TARGETS_REACHABLE: &str = "TargetsReachable";
/// AWS Organizations was read for the accounts of the policy: policies. Absent where these come from `accounts` alone.
pub const ACCOUNTS_KNOWN: &str = "AccountsKnown";
/// AWS was asked which regions are enabled in each account of which the policy takes all: policies. Absent where there are none.
pub const REGIONS_KNOWN: &str = "RegionsKnown";
/// The map is where the policy has it kept: policies, and targets where it is kept in their accounts. Absent where it is kept nowhere.
pub const MAP_PUBLISHED: &str = "MapPublished";
/// The account and region can be looked through: targets.
pub const REACHABLE: &str = "Reachable";
/// The key exists, is enabled, and is fit to encrypt images with: targets.
pub const KEY_USABLE: &str = "KeyUsable";
/// AWS allows what migrating needs: targets. Present once that was asked, which it is before the first copy.
pub const PERMITTED: &str = "Permitted";
/// Images that this target selects are governed by another policy: targets. Present once that was ever so.
pub const CONTESTED: &str = "Contested";
/// Everything was read that can launch images: targets. Present once that was read.
pub const USAGE_KNOWN: &str = "UsageKnown";
/// The settings of the region that the policy has held are as it asks for: targets. Absent where it asks for none.
pub const GUARDRAILS_ENFORCED: &str = "GuardrailsEnforced";
/// AWS has made the copy, and its snapshots are complete: migrations.
pub const COPIED: &str = "Copied";
/// The copy is encrypted as required and is the same as the original otherwise: migrations.
pub const VERIFIED: &str = "Verified";
/// The copy has passed the proof that the policy asks for: migrations. Absent where it asks for none.
pub const VALIDATED: &str = "Validated";
/// The copy took over what the policy says it should: migrations.
pub const PROMOTED: &str = "Promoted";
/// What launched the original launches the copy, as far as the policy has it moved: migrations. Absent where it has nothing moved.
pub const CONSUMERS_MOVED: &str = "ConsumersMoved";

/// Why a condition is as it is.
pub mod reason {
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
    /// The original is gone; its copy stays. Nothing to fix.
    pub const SOURCE_GONE: &str = "SourceGone";

    /// The image has an AWS Marketplace product code of another owner and cannot be copied. Ask the owner for an
    /// encrypted image, or exempt it.
    pub const PRODUCT_CODE_NOT_COPYABLE: &str = "ProductCodeNotCopyable";
    /// The image is disabled, and a copy of it could be launched. Enable it, or exempt it.
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
}

/// What a condition says of its aspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It cannot be told.
    Unknown,
}

impl Status {
    /// The word that stands in the condition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

/// The longest message that the schema takes, in characters.
pub const MAX_MESSAGE: usize = 2048;

/// Sets the condition of this type, and keeps its `lastTransitionTime` unless its status changes.
///
/// A message that is too long for the schema is cut: a condition that says less is worth more than a status that the
/// API server refuses. Conditions keep the order in which they were first set.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: Status,
    reason: &str,
    message: &str,
    observed_generation: Option<i64>,
    now: Timestamp,
) {
    let mut wanted = Condition {
        type_: type_.to_owned(),
        status: status.as_str().to_owned(),
        reason: reason.to_owned(),
        message: cut(message, MAX_MESSAGE),
        observed_generation,
        last_transition_time: Time(now),
    };
    match conditions.iter_mut().find(|condition| condition.type_ == type_) {
        Some(present) => {
            if present.status == wanted.status {
                wanted.last_transition_time = present.last_transition_time.clone();
            }
            *present = wanted;
        }
        None => conditions.push(wanted),
    }
}

/// At most so many characters of a text.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters - 1).chain(['…']).collect()
}

/// The condition of this type, if it was ever set.
#[must_use]
pub fn find<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == type_)
}

/// Whether the condition of this type is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: &str) -> bool {
    has_status(conditions, type_, Status::True)
}

/// Whether the condition of this type is there and has this status.
#[must_use]
pub fn has_status(conditions: &[Condition], type_: &str, status: Status) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == status.as_str())
}

/// Whether these conditions say the same, but for their messages: each type has the same status for the same reason.
#[must_use]
pub fn say_the_same(some: &[Condition], others: &[Condition]) -> bool {
    let says = |condition: &Condition, other: &Condition| {
        condition.type_ == other.type_ && condition.status == other.status && condition.reason == other.reason
    };
    some.len() == others.len() && some.iter().all(|one| others.iter().any(|other| says(one, other)))
}

/// Sets the conditions of one object, as of one generation and moment.
#[derive(Debug)]
pub struct Writer<'a> {
    /// The object's conditions.
    pub conditions: &'a mut Vec<Condition>,
    /// The generation that they speak of.
    pub generation: Option<i64>,
    /// The time of the decision.
    pub now: Timestamp,
}

impl Writer<'_> {
    /// Sets one condition, as [`set_condition`] does.
    pub fn set(&mut self, type_: &str, status: impl Into<Status>, reason: &str, message: &str) {
        set_condition(
            self.conditions,
            type_,
            status.into(),
            reason,
            message,
            self.generation,
            self.now,
        );
    }

    /// Whether anything is said of it.
    pub fn has(&self, type_: &str) -> bool {
        find(self.conditions, type_).is_some()
    }

    /// Says nothing of it any longer.
    pub fn remove(&mut self, type_: &str) {
        self.conditions.retain(|condition| condition.type_ != type_);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time that exists")
    }

    fn set(conditions: &mut Vec<Condition>, status: Status, reason: &str, message: &str, second: i64) {
        set_condition(conditions, READY, status, reason, message, Some(second), at(second));
    }

    #[test]
    fn a_condition_that_was_never_set_is_added() {
        let mut conditions = Vec::new();
        set(&mut conditions, Status::False, reason::PROGRESSING, "copying", 1);
        assert_eq!(
            conditions,
            [Condition {
                type_: "Ready".to_owned(),
                status: "False".to_owned(),
                reason: "Progressing".to_owned(),
                message: "copying".to_owned(),
                observed_generation: Some(1),
                last_transition_time: Time(at(1)),
            }]
        );
    }

    #[test]
    fn a_transition_is_a_change_of_status_and_of_nothing_else() {
        let mut conditions = Vec::new();
        set(&mut conditions, Status::False, reason::COPYING, "one", 1);
        set(&mut conditions, Status::False, reason::VERIFYING, "two", 2);
        let ready = find(&conditions, READY).expect("set before");
        assert_eq!(ready.last_transition_time, Time(at(1)));
        assert_eq!((ready.reason.as_str(), ready.message.as_str()), ("Verifying", "two"));
        assert_eq!(ready.observed_generation, Some(2));

        set(&mut conditions, Status::True, reason::SUCCEEDED, "three", 3);
        let ready = find(&conditions, READY).expect("set before");
        assert_eq!(ready.last_transition_time, Time(at(3)));
    }

    #[test]
    fn setting_the_same_again_later_changes_nothing() {
        let mut conditions = Vec::new();
        set_condition(
            &mut conditions,
            READY,
            Status::True,
            reason::SUCCEEDED,
            "",
            Some(1),
            at(1),
        );
        let before = conditions.clone();
        set_condition(
            &mut conditions,
            READY,
            Status::True,
            reason::SUCCEEDED,
            "",
            Some(1),
            at(9),
        );
        assert_eq!(conditions, before);
    }

    #[test]
    fn conditions_of_other_types_stay_and_keep_their_order() {
        let mut conditions = Vec::new();
        for type_ in [READY, STALLED, COMPLIANT, STALLED] {
            set_condition(
                &mut conditions,
                type_,
                Status::Unknown,
                reason::INITIALIZING,
                "",
                None,
                at(1),
            );
        }
        let types: Vec<_> = conditions.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(types, [READY, STALLED, COMPLIANT]);
    }

    #[test]
    fn only_true_is_true() {
        for (status, holds) in [(Status::True, true), (Status::False, false), (Status::Unknown, false)] {
            let mut conditions = Vec::new();
            assert!(!is_true(&conditions, READY), "not before it was set");
            set(&mut conditions, status, reason::SUCCEEDED, "", 1);
            assert_eq!(is_true(&conditions, READY), holds);
            assert!(has_status(&conditions, READY, status));
        }
    }

    #[test]
    fn a_message_that_the_schema_would_refuse_is_cut() {
        let mut conditions = Vec::new();
        for (length, kept) in [(MAX_MESSAGE, MAX_MESSAGE), (MAX_MESSAGE + 1, MAX_MESSAGE)] {
            set(&mut conditions, Status::False, reason::COPYING, &"é".repeat(length), 1);
            let message = &find(&conditions, READY).expect("set").message;
            assert_eq!(message.chars().count(), kept);
            assert_eq!(message.ends_with('…'), length > MAX_MESSAGE);
        }
    }

    #[test]
    fn conditions_say_the_same_whatever_their_messages_and_order() {
        let made = |ready: Status, why: &str, message: &str| {
            let mut conditions = Vec::new();
            set(&mut conditions, ready, why, message, 1);
            conditions
        };
        let one = made(Status::False, reason::COPYING, "1 image");
        assert!(say_the_same(&one, &made(Status::False, reason::COPYING, "2 images")));
        assert!(!say_the_same(&one, &made(Status::True, reason::COPYING, "1 image")));
        assert!(!say_the_same(&one, &made(Status::False, reason::VERIFYING, "1 image")));
        assert!(!say_the_same(&one, &[]));
    }

    #[test]
    fn reasons_are_camel_case_words_that_differ() {
        let mut seen = std::collections::BTreeSet::new();
        for reason in reason::ALL {
            assert!(seen.insert(reason), "{reason} is there twice");
            assert!(reason.starts_with(|first: char| first.is_ascii_uppercase()), "{reason}");
            assert!(reason.chars().all(|letter| letter.is_ascii_alphanumeric()), "{reason}");
        }
    }
}
