//! How it is printed who could not use a key or would be refused an image.

use serde::Serialize;

use super::who::{Needs, Uses};
use super::{Access, Fix, KeyFacts, NEEDED, Principal, fix, in_words, judge, judge_everybody};
use crate::domain::AccountId;

/// So many consumers are named for each.
const CONSUMERS: usize = 20;
/// And so many in a sentence.
const NAMED: usize = 3;

/// Whether somebody could launch a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum State {
    /// They may not use the key.
    Denied,
    /// The Allowed AMIs of their account refuse the copy.
    Refused,
    /// The same if they were enabled: they are in audit mode.
    WouldBeRefused,
    /// That is not known.
    Unknown,
    /// The IAM policies of another account decide.
    Delegated,
}

/// Somebody of whom it is not sure that they could launch a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Whether they could.
    pub state: State,
    /// Their account.
    #[serde(rename = "accountID", skip_serializing_if = "Option::is_none")]
    pub account_id: Option<String>,
    /// Who it is: an account, a role or an organization.
    pub principal: String,
    /// The actions on the key that they may not do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<&'static str>,
    /// What is the matter.
    pub message: String,
    /// What fixes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Fix>,
    /// How many images it is about.
    pub images: usize,
    /// What launches those by it, such as `AutoScalingGroup web`; the first twenty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub consumers: Vec<String>,
    /// Whether it is not known because something could not be read.
    #[serde(skip)]
    pub unread: bool,
}

impl Row {
    /// What is the matter, whom it affects and what fixes it, for a person.
    pub fn text(&self) -> String {
        self.pieces().concat()
    }

    /// The same in pieces, each with what goes between it and the one before. What ends with any of them can be read.
    pub fn pieces(&self) -> Vec<String> {
        let mut pieces = vec![self.message.clone()];
        if !self.consumers.is_empty() {
            let named = self
                .consumers
                .iter()
                .take(NAMED)
                .map(String::as_str)
                .collect::<Vec<_>>();
            let more = match self.consumers.len().saturating_sub(NAMED) {
                0 => "",
                _ => " and others",
            };
            pieces.push(format!(" Affected: {}{more}.", named.join(", ")));
        }
        if let Some(fix) = &self.fix {
            pieces.extend(fix.pieces(self.account_id.as_deref()));
        }
        pieces
    }
}

/// Those who could not use a key, or of whom that is not known. That an account's own IAM policies decide, for itself, is as it always
/// is.
pub fn rows(key: KeyFacts<'_>, needs: &Needs, own: &AccountId) -> Vec<Row> {
    let mut rows: Vec<Row> = needs
        .iter()
        .filter_map(|(principal, uses)| row(key, principal, uses, own))
        .collect();
    rows.sort_by(|one, other| (one.state, &one.principal).cmp(&(other.state, &other.principal)));
    rows
}

fn row(key: KeyFacts<'_>, principal: &Principal, uses: &Uses, own: &AccountId) -> Option<Row> {
    let row = |state, message| Row {
        state,
        account_id: principal.account().map(ToString::to_string),
        principal: principal.to_string(),
        missing: Vec::new(),
        message,
        fix: None,
        images: uses.images.len(),
        consumers: uses
            .consumers
            .iter()
            .take(CONSUMERS)
            .map(|(kind, id)| format!("{kind} {id}"))
            .collect(),
        unread: false,
    };
    let unknown = |why| {
        let message = format!("It is not known whether {principal} may use {}. {why}", key.arn);
        row(State::Unknown, message)
    };
    let access = if uses.everybody {
        judge_everybody(key, principal)
    } else {
        judge(key, principal)
    };
    match access {
        Access::Allowed => None,
        Access::Denied(denial) if uses.may_be_of_others() => {
            let message = fix::message(key.arn, principal, &denial);
            let doubt = "AWS Batch launches by other roles too, and does not say by which.";
            Some(row(State::Unknown, format!("{message} {doubt}")))
        }
        Access::Denied(denial) => {
            let mut message = fix::message(key.arn, principal, &denial);
            if uses.everybody && denial.by.is_none() {
                message += " That some of the account may is not enough.";
            }
            Some(Row {
                fix: Some(fix::of(key, principal, &denial)),
                missing: denial.missing.clone(),
                ..row(State::Denied, message)
            })
        }
        Access::Delegated if principal.account() == Some(own) => None,
        Access::Delegated => {
            let message = format!(
                "The policy of {} leaves it to the IAM policies of {principal}: they have to allow {}.",
                key.arn,
                in_words(&NEEDED)
            );
            Some(row(State::Delegated, message))
        }
        Access::Unknown(why) => Some(unknown(why)),
        Access::Unread(why) => Some(Row {
            unread: true,
            ..unknown(why)
        }),
    }
}

/// Somebody whom the Allowed AMIs of an account refuse an image.
pub(super) fn refused(state: State, account: &AccountId, message: String, images: usize) -> Row {
    Row {
        state,
        account_id: Some(account.to_string()),
        principal: Principal::Account(account.clone()).to_string(),
        missing: Vec::new(),
        message,
        fix: None,
        images,
        consumers: Vec::new(),
        unread: false,
    }
}
