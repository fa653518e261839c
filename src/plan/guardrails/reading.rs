//! A guardrail as it was read, and what that amounts to.

use jiff::Timestamp;

use super::images::{self, ImagesStanding};
use super::{Asked, key};
use crate::domain::{
    AllowedImages, AwsError, ErrorClass, Guardrail, GuardrailChange, GuardrailState, ManagedBy, are_same_criteria,
};
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
    pub(super) fn may_be_set(&self, asked: &Asked, view: &KeyView) -> bool {
        self.error().is_none() && self.is_accounts() && self.verdict(asked, view) == Verdict::Differs
    }

    fn is_accounts(&self) -> bool {
        self.state.managed_by != Some(ManagedBy::DeclarativePolicy)
    }

    /// Whether it has to be known what Allowed AMIs would refuse: they do not refuse it already, by these criteria.
    pub(super) fn asks_about_images(&self, wanted: &AllowedImages) -> bool {
        let refuses = self.state.holds && self.has_criteria(wanted);
        self.error().is_none() && self.is_accounts() && !refuses
    }

    /// Whether Allowed AMIs would come to refuse images by what AWS is asked to set of them next.
    pub(super) fn comes_to_refuse(&self, asked: &Asked) -> bool {
        let (Some(wanted), Some(state)) = (&asked.allowed, self.state()) else {
            return false;
        };
        let changes = |is_clear| images::changes(wanted, state, &self.state.criteria, is_clear);
        asked.enforces && self.error().is_none() && self.is_accounts() && changes(true) != changes(false)
    }

    /// Of Allowed AMIs, whether the criteria are those that are wanted.
    pub(super) fn has_criteria(&self, wanted: &AllowedImages) -> bool {
        are_same_criteria(&self.state.criteria, &wanted.criteria)
    }

    pub(super) fn verdict(&self, asked: &Asked, view: &KeyView) -> Verdict {
        let holds = |state: &str| match &asked.allowed {
            Some(wanted) => images::are_as_wanted(wanted, state, &self.state.criteria),
            None => self.state.holds,
        };
        match (&self.state.state, &self.key) {
            (Err(_), _) => Verdict::NotKnown,
            // Whatever the key is.
            (Ok(state), _) if !holds(state) => Verdict::Differs,
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

    /// What sets it, in this order: encryption is not turned on under another key. `standing` is of Allowed AMIs.
    pub(super) fn changes(&self, asked: &Asked, view: &KeyView, standing: &ImagesStanding) -> Vec<GuardrailChange> {
        match self.guardrail() {
            Guardrail::EncryptionByDefault => {
                let (Some(wanted), Some(shown)) = (key::usable(view), self.default_key()) else {
                    return Vec::new();
                };
                let set = (!key::is_default(shown, wanted)).then(|| GuardrailChange::DefaultKey(wanted.arn.clone()));
                // AWS may take ten minutes to show the key. Until then what is launched is under the former one: whoever launches may
                // use AWS's own, and nobody has looked who may use another.
                let may_turn_on = set.is_none() || key::is_of_aws(shown);
                let turn_on = (!self.state.holds && may_turn_on).then_some(GuardrailChange::EncryptionByDefault);
                set.into_iter().chain(turn_on).collect()
            }
            Guardrail::ImageBlockPublicAccess => vec![GuardrailChange::BlockImages],
            Guardrail::SnapshotBlockPublicAccess => vec![GuardrailChange::BlockSnapshots],
            Guardrail::AllowedImages => match (&asked.allowed, self.state()) {
                (Some(wanted), Some(state)) => {
                    images::changes(wanted, state, &self.state.criteria, standing.is_clear_for(wanted))
                }
                _ => Vec::new(),
            },
        }
    }
}
