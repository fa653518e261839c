//! Whether the policy's key may be the default key of EBS. A wrong one stops every launch in the account and region that names no other.

use crate::domain::{AccountId, AwsError, Guardrail, Key, KeyAccess, KeyArn, KeyUsability};
use crate::plan::access::who::Needs;
use crate::plan::access::{KeyFacts, form};
use crate::plan::guardrails::Reading;
use crate::plan::obstacle::{self, KeyView};

/// Whether those who launch in an account may use a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum KeyStanding {
    /// That was not asked.
    #[default]
    Unasked,
    /// It is not known yet who launches there.
    Waiting,
    /// They may.
    Usable(KeyArn),
    /// They may not, or that cannot be told, for this.
    Unusable(KeyArn, String),
    /// It could not be read, for a fault that passes by itself.
    Unread(AwsError),
}

/// Whether those who need a key may use it, by its policy and grants.
pub fn standing(key: &Key, needs: &Needs, access: Option<&KeyAccess>, own: &AccountId) -> KeyStanding {
    let facts = KeyFacts {
        arn: &key.arn,
        aws_managed: key.aws_managed,
        access,
    };
    match form::rows(facts, needs, own).first() {
        None => KeyStanding::Usable(key.arn.clone()),
        Some(row) => KeyStanding::Unusable(key.arn.clone(), row.text()),
    }
}

/// What keeps the policy's key from being the default one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// Somebody has to act.
    NotUsable(String),
    /// It is not known yet.
    NotKnown(String),
}

impl KeyStanding {
    /// What keeps the policy's key, which it names `named`, from being the default one; nothing where it is known to be usable.
    pub(super) fn hindrance(&self, view: &KeyView, named: &str) -> Option<Hindrance> {
        if let Some(problem) = view.problem() {
            return Some(Hindrance::NotUsable(obstacle::of_key(problem, named).message));
        }
        let KeyView::Known(key) = view else {
            let message = "The policy's key could not be read: see KeyUsable.";
            return Some(Hindrance::NotKnown(message.to_owned()));
        };
        match self {
            Self::Usable(known) if *known == key.arn => None,
            Self::Unusable(known, why) if *known == key.arn => Some(Hindrance::NotUsable(why.clone())),
            Self::Waiting => Some(Hindrance::NotKnown(
                "It is not read yet who launches here, and has to use the key.".to_owned(),
            )),
            Self::Unread(error) => Some(Hindrance::NotKnown(format!(
                "It could not be read who may use the key. {}",
                crate::plan::problem::of_key_error(error, key.arn.as_str()).message
            ))),
            _ => Some(Hindrance::NotKnown(
                "It is not read yet who may use the key.".to_owned(),
            )),
        }
    }
}

/// The policy's key, where it can be used.
pub(super) fn usable(view: &KeyView) -> Option<&Key> {
    match view {
        KeyView::Known(key) if key.usability == KeyUsability::Usable => Some(key),
        _ => None,
    }
}

/// Whether a key that AWS shows as the default one is this key. What nobody has set is shown by its alias.
pub(super) fn is_default(shown: &str, key: &Key) -> bool {
    let arn = key.arn.as_str();
    let by_id = arn.rsplit_once(":key/").is_some_and(|(_, id)| id == shown);
    shown == arn || by_id || key.aws_managed && is_of_aws(shown)
}

/// Whether a key that AWS shows as the default one is its own, as far as the alias tells: nobody has set another one.
pub(super) fn is_of_aws(shown: &str) -> bool {
    const OF_AWS: &str = "alias/aws/ebs";
    shown == OF_AWS || shown.starts_with("arn:") && shown.ends_with(&format!(":{OF_AWS}"))
}

/// Whether the guardrail of a reading is the one that takes a key.
pub(super) fn is_of_key(reading: &Reading) -> bool {
    reading.guardrail() == Guardrail::EncryptionByDefault
}
