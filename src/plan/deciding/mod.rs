//! What people decide about a migration: what of its spec a decision changes, and which migrations it is about.
//!
//! The chart's admission policy asks for a right of its own for each decision. It is the one that keeps people from deciding;
//! this only says what they would write.

mod waits;

#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use crate::api::conditions::reason;
use crate::api::{AMIMigration, AMIMigrationSpec, Approval, Desired};

pub use waits::{Waits, Who, waits};

/// A decision about a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// What launches the original may be moved.
    Approve,
    /// It may not any more; what was moved stays so.
    Withdraw,
    /// What was moved is put back.
    RollBack,
    /// Nothing is moved, and nothing is put back.
    Hold,
    /// It goes on as the policy says, after a hold or a rollback.
    Resume,
}

impl Decision {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Approve, Self::Withdraw, Self::RollBack, Self::Hold, Self::Resume];

    /// What it changes of a migration's spec, as a merge patch; nothing where it is so already. `user` is who decides, as the
    /// API server knows them.
    #[must_use]
    pub fn change(self, spec: &AMIMigrationSpec, user: &str) -> Option<Value> {
        let wanted = |desired: Desired| (spec.desired != desired).then(|| json!({ "desired": desired }));
        match self {
            Self::Approve => (spec.approval != Approval::Approved)
                .then(|| json!({"approval": Approval::Approved, "approvedBy": user})),
            Self::Withdraw => (spec.approval == Approval::Approved)
                .then(|| json!({"approval": Approval::Pending, "approvedBy": null})),
            Self::RollBack => wanted(Desired::RolledBack),
            Self::Hold => wanted(Desired::Held),
            Self::Resume => wanted(Desired::Migrated),
        }
    }

    /// Whether it is about this migration where somebody names none, but all of a policy, for example. What is approved by the
    /// dozen is what waits for it: of another migration nobody has seen what would be moved. What was rolled back for a reason is
    /// not taken back by the dozen either.
    #[must_use]
    pub fn is_about(self, migration: &AMIMigration) -> bool {
        let is_one_of_many = match self {
            Self::Approve => {
                let status = migration.status.as_ref();
                status.and_then(|status| status.stalled.as_deref()) == Some(reason::APPROVAL_REQUIRED)
            }
            Self::Hold | Self::Resume => !self.takes_back_rollback(migration),
            Self::RollBack => !self.comes_too_late(migration),
            Self::Withdraw => true,
        };
        is_one_of_many && self.change(&migration.spec, "").is_some()
    }

    /// Whether it is to roll back to an original that is gone: nothing would be put back.
    #[must_use]
    pub fn comes_too_late(self, migration: &AMIMigration) -> bool {
        let status = migration.status.as_ref();
        let is_gone = status.is_some_and(|status| status.source_gone_time.is_some());
        self == Self::RollBack && is_gone && migration.spec.desired != Desired::RolledBack
    }

    /// Whether it ends a rollback.
    #[must_use]
    pub fn takes_back_rollback(self, migration: &AMIMigration) -> bool {
        let ends = [Self::Hold, Self::Resume].contains(&self);
        ends && migration.spec.desired == Desired::RolledBack
    }

    /// What somebody does who decides so.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "Approve",
            Self::Withdraw => "Withdraw the approval of",
            Self::RollBack => "Roll back",
            Self::Hold => "Hold",
            Self::Resume => "Resume",
        }
    }

    /// What a migration is once it is on record.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Withdraw => "approval withdrawn",
            Self::RollBack => "to be rolled back",
            Self::Hold => "held",
            Self::Resume => "resumed",
        }
    }

    /// What comes of it.
    #[must_use]
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Approve => "What launches the original is moved to the copy, as the policy says.",
            Self::Withdraw => "What is not moved yet stays where it is. What was moved stays moved.",
            Self::RollBack => "What was moved gets what it had before, and nothing else is moved. The copy stays.",
            Self::Hold => "Nothing is moved any more, and nothing is put back.",
            Self::Resume => "What launches the original is moved to the copy again, as the policy says.",
        }
    }
}
