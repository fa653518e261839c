//! Whether those who launch an image could use the key of its copy.

use super::Picture;
use crate::api::conditions::cut;
use crate::api::{KEY_ACCESS_ROWS, KeyAccessRow, KeyAccessState};
use crate::domain::{ImageId, KeyAccess, KeyArn, Scope};
use crate::plan::access::form::{self, Row, State};
use crate::plan::access::who::{self, Needs};
use crate::plan::access::{self, Access, KeyFacts};

/// The longest texts, in characters.
const WHO: usize = 512;
const MESSAGE: usize = 2048;

/// A key of copies, and who may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyKey {
    /// The key.
    pub arn: KeyArn,
    /// Its policy and grants.
    pub access: KeyAccess,
}

/// Who would need the key of the copies of these images: whoever launches the images in the account, and those whom they are shared
/// with, where that was read.
pub fn needs<'i>(picture: &Picture, images: impl IntoIterator<Item = &'i ImageId>, scope: &Scope) -> Needs {
    let mut needs = Needs::new();
    for image in images {
        who::add_consumers(&mut needs, image, &picture.graph, scope.region.partition());
        if let Some(shared) = picture.shared.get(image) {
            who::add_shared(&mut needs, image, shared, &scope.account);
        }
    }
    needs
}

/// What a migration says of those who would need the key of the copy, those first who may not use it. Nothing where its policy was not
/// asked for.
pub fn rows(picture: &Picture, image: &ImageId, key: &KeyArn, scope: &Scope) -> Vec<KeyAccessRow> {
    let Some(known) = picture.copy_key.as_ref().filter(|known| known.arn == *key) else {
        return Vec::new();
    };
    let facts = KeyFacts {
        arn: key,
        aws_managed: false,
        access: Some(&known.access),
    };
    let needs = needs(picture, [image], scope);
    let unsure = form::rows(facts, &needs, &scope.account);
    let mut rows: Vec<KeyAccessRow> = needs
        .keys()
        .map(|principal| {
            let who = principal.to_string();
            let row = unsure.iter().find(|row| row.principal == who);
            let (state, message) = match row {
                Some(row) => said(row),
                None if access::judge(facts, principal) == Access::Allowed => (KeyAccessState::Allowed, None),
                // For the account itself it is as it is with every new key.
                None => (
                    KeyAccessState::Delegated,
                    Some(format!("The policy of {key} leaves it to the IAM policies of {who}.")),
                ),
            };
            KeyAccessRow {
                who: cut(&who, WHO),
                state,
                message: message.map(|message| cut(&message, MESSAGE)),
            }
        })
        .collect();
    rows.sort_by(|one, other| (one.state, &one.who).cmp(&(other.state, &other.who)));
    rows.truncate(KEY_ACCESS_ROWS);
    rows
}

fn said(row: &Row) -> (KeyAccessState, Option<String>) {
    let state = match row.state {
        // Of a key alone nobody is refused for their Allowed AMIs.
        State::Denied | State::Refused | State::WouldBeRefused => KeyAccessState::Denied,
        State::Unknown => KeyAccessState::Unknown,
        State::Delegated => KeyAccessState::Delegated,
    };
    (state, Some(row.text()))
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
