//! All that can go wrong.

use clap::ValueEnum;

use super::fate::Side;

/// One kind of fault. Each strikes at one moment, whichever it is; what it does then lasts as long as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub(crate) enum Fault {
    // The process.
    CrashBeforeAws,
    CrashAfterAws,
    CrashBeforeKubernetes,
    CrashAfterKubernetes,
    /// AWS fails, and the process dies at its next call.
    CrashAfterError,
    /// A second process works beside the first for a while and knows nothing of it.
    SecondLeader,
    /// A second replica takes its share of the shards, and dies after a while.
    SecondReplica,
    /// The process hangs at a call for longer than its Lease holds; another works meanwhile.
    Paused,
    /// The machine's time of day leaps two hours on, and later back. At every other moment the process dies as well:
    /// only one that begins meanwhile goes by the wrong time.
    ClockForward,
    /// The same, two hours back and later on.
    ClockBack,

    // AWS answers otherwise than it should.
    AwsError,
    AwsErrorAfterEffect,
    AwsUnavailable,
    AwsThrottled,
    AwsConnectionLost,
    AwsAnswerLost,
    /// The effect comes a minute and a half after the connection broke.
    AwsEffectLater,
    /// The process dies, and the effect comes after it was started again.
    AwsEffectAfterRestart,
    AwsExpired,
    AwsDenied,

    // For a while something in AWS is as it should not be.
    PermissionLost,
    RoleNotTrusted,
    SessionsEnded,
    RegionNotEnabled,
    KeyDisabled,
    KeyPendingDeletion,
    /// The key's policy does not let the account use it.
    KeyGrantRevoked,
    SnapshotQuotaGone,
    /// Another quota than that of concurrent copies is used up.
    QuotaUsedUp,
    /// Lists and descriptions are answered after 25 seconds.
    AnswersSlow,
    /// Every other call of one account is throttled.
    AccountBusy,
    /// What is new, deleted or changed shows up to 45 seconds late.
    ListingsLate,
    ListingsPartlyEmpty,
    /// Listings of several pages leave out some of what is there.
    ListingsIncomplete,
    ListingsReordered,

    // A copy is not what was asked for.
    CopyPartlyPlain,
    CopyUnderOtherKey,
    CopyWithOtherAttribute,

    // The API server.
    KubernetesConflict,
    /// At every other moment so often that the client gives up repeating the request.
    KubernetesThrottled,
    KubernetesError,
    /// The same.
    KubernetesUnavailable,
    KubernetesConnectionLost,
    KubernetesAnswerLost,
    /// The object is deleted and created again under its name before the request is served.
    ObjectReplaced,
    WatchesClosed,
    WatchesBroken,
    WatchesExpired,
    /// The watches expire, and for a minute lists show what was there some versions ago.
    ListsStale,
    EventDropped,
    EventDoubled,
    EventLate,
    /// An event is late, and later ones of the same object take its place.
    EventsCoalesced,

    // People.
    OriginalDeregistered,
    CopyDeregistered,
    /// For longer than it takes until everything is looked through again. That also takes its launch permissions.
    CopyDisabled,
    /// Somebody lets instances of an original, and at every other moment of its copies too, use IMDSv2 only.
    OriginalHardened,
    /// Somebody tags an image of theirs as if it were our copy.
    CopyForged,
    /// So does somebody whose image is encrypted under the very key.
    EncryptedCopyForged,
    OriginalExempted,
    OriginalMadePublic,
    /// Nothing happens where it was not shared with the guest.
    OriginalUnshared,
    /// Nothing happens where it is shared: AWS would take that away for good.
    OriginalDisabled,
    /// For a while AWS's answers about it cannot be read.
    OriginalUnreadable,
    /// For a while its snapshots are in the archive.
    OriginalArchived,
    OriginalRedescribed,
    MigrationDeleted,
    MigrationStatusRemoved,
    /// Somebody writes into the status that all is done.
    MigrationStatusForged,
    /// An earlier status is put back by replacing the object.
    MigrationStatusRestored,
    MigrationLabelsRemoved,
    TargetDeleted,
    TargetStatusRemoved,
    TargetStatusRestored,
    PolicySuspended,
    PolicyToAudit,
    PolicyDeleted,
    PolicyEdited,

    // People, and what launches images or is decided on for it. Nothing happens where nothing does.
    /// A tool sets a consumer back to what it declares, again and again: at every fourth moment the default version of a template only.
    ConsumerDeclared,
    /// Somebody holds a consumer for a while.
    ConsumerHeld,
    /// Somebody makes another version of a template the default.
    TemplateDefaultMoved,
    /// Somebody makes a version of their own, at every other moment the default.
    TemplateVersionMade,
    TemplateVersionDeleted,
    /// Somebody gives a parameter the value that it had, or another image.
    ParameterPut,
    /// Somebody has the instances of a group replaced, has it launch none for a while, or has some launch what they did at first.
    GroupRefreshed,
    /// Somebody has a group follow its template from now on: the one that a call is reading, if it is one.
    GroupFollows,
    /// Somebody moves a label of a parameter: at every other moment to where it was at first, else to the oldest version or the latest.
    LabelMoved,
    /// Somebody holds an original, or its copy, for longer than it takes until everything is looked through again.
    OriginalHeld,
    MigrationHeld,
    /// For good, or at every other moment for a while.
    MigrationRolledBack,
    /// Somebody approves a migration, and at every fourth moment thinks better of it.
    MigrationApproved,

    // People, and what guardrails depend on, or what is new between two scans. Only in the histories whose policies have that.
    /// Somebody turns a guardrail off.
    GuardrailTurnedOff,
    /// Somebody makes another key the default one.
    DefaultKeySet,
    /// A declarative policy holds public access for a while: at every other moment unblocked.
    GuardrailDeclared,
    /// For a while those who launch by roles of services may not use the key.
    LauncherRevoked,
    /// Somebody makes an image that is not encrypted, and at every other moment tags it as exempt a moment later.
    ImageMade,

    // People, and the queue that events come from. Only in the histories that have one.
    /// Whoever may send to the queue does so without end, for twelve minutes.
    MessagesFlooded,
    /// Somebody sends events that nobody has seen: of an image that is not there, of another account, of no kind that there is, of no sense,
    /// too large, and as if amiseal had done it.
    MessagesForged,
    /// Somebody turns a guardrail off, and sends an event that names more than an ARN.
    GuardrailBlamed,
    /// For a while messages cannot be received.
    QueueFails,
    /// For a while messages cannot be deleted.
    DeletionFails,

    // People, and the organization that a policy takes its accounts from. Only in the histories that have one.
    /// Somebody moves an account from one unit of the policy to the other.
    AccountMoved,
    /// An account is elsewhere for a while, or in no organization.
    AccountAway,
    /// AWS suspends an account for a while, or somebody begins to close it.
    AccountSuspended,
    /// All accounts are elsewhere for a while, or in no organization.
    UnitEmptied,
    /// An account leaves for good, or is closed.
    AccountLeaves,
    /// An account comes that was not there.
    AccountJoins,
    /// For a while accounts cannot be listed, or some of them only; at every third moment the process dies as well.
    ListingFails,
}

impl Fault {
    /// What it strikes at: all calls of this kind, one after the other.
    pub(crate) fn side(self) -> Side {
        match self {
            Self::CopyPartlyPlain | Self::CopyUnderOtherKey | Self::CopyWithOtherAttribute => Side::Copies,
            Self::GroupFollows => Side::Aws,
            Self::CrashBeforeKubernetes
            | Self::CrashAfterKubernetes
            | Self::KubernetesConflict
            | Self::KubernetesThrottled
            | Self::KubernetesError
            | Self::KubernetesUnavailable
            | Self::KubernetesConnectionLost
            | Self::KubernetesAnswerLost
            | Self::WatchesClosed
            | Self::WatchesBroken
            | Self::WatchesExpired
            | Self::ListsStale => Side::Kubernetes,
            Self::EventDropped | Self::EventDoubled | Self::EventLate | Self::EventsCoalesced => Side::Events,
            other if other >= Self::OriginalDeregistered || other == Self::ObjectReplaced => Side::Writes,
            _ => Side::Aws,
        }
    }

    /// Whether people do it to what launches images, or decide so of that.
    pub(crate) fn is_of_consumers(self) -> bool {
        (Self::ConsumerDeclared..Self::GuardrailTurnedOff).contains(&self)
    }

    /// Whether people do it to what guardrails depend on, or make images between two scans.
    pub(crate) fn is_of_guardrails(self) -> bool {
        (Self::GuardrailTurnedOff..=Self::ImageMade).contains(&self)
    }

    /// Whether it happens to the queue that events come from.
    pub(crate) fn is_of_messages(self) -> bool {
        (Self::MessagesFlooded..=Self::DeletionFails).contains(&self)
    }

    /// Whether it happens to the organization that a policy takes its accounts from.
    pub(crate) fn is_of_accounts(self) -> bool {
        self >= Self::AccountMoved
    }

    /// Whether it finds something to do only in worlds with groups or with labels that are moved.
    pub(crate) fn is_of_some_worlds(self) -> bool {
        matches!(self, Self::GroupFollows | Self::LabelMoved)
    }

    /// Its name, as the command line has it.
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// Whether more calls may have an effect than without it: what was made was no good, or somebody took it away, or had what was moved
    /// put back and moved again.
    pub(crate) fn costs_copies(self) -> bool {
        let is_harmless = matches!(self, Self::AccountMoved | Self::ListingFails);
        self.is_of_consumers()
            || self.is_of_guardrails()
            || self.is_of_accounts() && !is_harmless
            || matches!(
                self,
                Self::CopyPartlyPlain
                    | Self::CopyUnderOtherKey
                    | Self::CopyWithOtherAttribute
                    | Self::KeyDisabled
                    | Self::KeyPendingDeletion
                    | Self::KeyGrantRevoked
                    | Self::CopyDeregistered
                    | Self::CopyForged
                    | Self::MigrationStatusForged
                    | Self::GuardrailBlamed
            )
    }
}
