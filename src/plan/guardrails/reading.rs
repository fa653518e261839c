//! A guardrail as it was read, and what that amounts to.

use jiff::Timestamp;

use super::key;
use crate::domain::{AwsError, ErrorClass, Guardrail, GuardrailChange, GuardrailState, ManagedBy};
use crate::plan::obstacle::KeyView;

/// A guardrail, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    state: GuardrailState,
    /// The default key, of encryption only.
    key: Option<Result<Box<str>, AwsError>>,
    at: Timestamp,
}

/// Whether a guardrail is as the policy asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Holds,
    /// It is not.
    Differs,
    /// That cannot be told.
    NotKnown,
}

impl Reading {
    /// One that was read at this moment; of encryption, with the default key.
    pub fn new(state: GuardrailState, key: Option<Result<Box<str>, AwsError>>, at: Timestamp) -> Self {
        Self { state, key, at }
    }

    /// Which one it is.
    pub fn guardrail(&self) -> Guardrail {
        self.state.guardrail
    }

    /// What could not be read of it, if anything.
    pub fn error(&self) -> Option<&AwsError> {
        let of_key = self.key.as_ref().and_then(|key| key.as_ref().err());
        self.state.state.as_ref().err().or(of_key)
    }

    /// Whether it can be set, as far as it goes by its state: it does not hold, all of it was read, and it is the account's to change.
    pub(super) fn may_be_set(&self, view: &KeyView) -> bool {
        let is_accounts = self.state.managed_by != Some(ManagedBy::DeclarativePolicy);
        self.error().is_none() && is_accounts && self.verdict(view) == Verdict::Differs
    }

    pub(super) fn verdict(&self, view: &KeyView) -> Verdict {
        match (&self.state.state, &self.key) {
            (Err(_), _) => Verdict::NotKnown,
            // Whatever the key is.
            (Ok(_), _) if !self.state.holds => Verdict::Differs,
            (Ok(_), None) => Verdict::Holds,
            (Ok(_), Some(Err(_))) => Verdict::NotKnown,
            (Ok(_), Some(Ok(shown))) => match view {
                KeyView::Known(wanted) if key::is_default(shown, wanted) => Verdict::Holds,
                KeyView::Known(_) | KeyView::Unresolved(_) => Verdict::Differs,
                KeyView::Unknown => Verdict::NotKnown,
            },
        }
    }

    pub(super) fn at(&self) -> Timestamp {
        self.at
    }

    pub(super) fn managed_by(&self) -> Option<ManagedBy> {
        self.state.managed_by
    }

    /// The state as AWS names it, where it was read.
    pub(super) fn state(&self) -> Option<&str> {
        self.state.state.as_deref().ok()
    }

    /// The default key as AWS names it, where it was read.
    pub(super) fn default_key(&self) -> Option<&str> {
        self.key.as_ref()?.as_deref().ok()
    }

    /// Whether what could not be read may be read the next time, without anybody's doing.
    pub(super) fn passes(&self) -> bool {
        self.error()
            .is_some_and(|error| matches!(error.class, ErrorClass::Throttled | ErrorClass::Transient))
    }

    /// What sets it, in this order: encryption is not turned on under another key.
    pub(super) fn changes(&self, view: &KeyView) -> Vec<GuardrailChange> {
        match self.guardrail() {
            Guardrail::EncryptionByDefault => {
                let (Some(wanted), Some(shown)) = (key::usable(view), self.default_key()) else {
                    return Vec::new();
                };
                let set = (!key::is_default(shown, wanted)).then(|| GuardrailChange::DefaultKey(wanted.arn.clone()));
                let turn_on = (!self.state.holds).then_some(GuardrailChange::EncryptionByDefault);
                set.into_iter().chain(turn_on).collect()
            }
            Guardrail::ImageBlockPublicAccess => vec![GuardrailChange::BlockImages],
            Guardrail::SnapshotBlockPublicAccess => vec![GuardrailChange::BlockSnapshots],
            Guardrail::AllowedImages => Vec::new(),
        }
    }
}
