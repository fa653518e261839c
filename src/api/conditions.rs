//! Condition types and their reasons, each with what it means and what fixes it, and the one way to set a condition.
//!
//! A reason is a promise: alerts and scripts match on it, so it is never renamed. Messages are for people; they stay the
//! same from one reconcile to the next as long as the cause does, and carry neither request IDs nor times.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

pub mod reason;

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
mod tests;
