//! The map from originals to their copies, for those who declare images elsewhere.
//!
//! What it names may be launched in the original's place: whoever reads it would move what launches the original as amiseal
//! itself does. So it has only what amiseal would move to, and nothing that people keep from it.

pub mod config_map;
mod form;
pub mod parameters;
pub mod say;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::api::conditions::{self, reason};
use crate::api::{AMIEncryptionPolicy, AMIMigration, Approval, ApprovalPolicy, Desired, PromotionSettings};
use crate::plan::moving;
use crate::plan::step::published_copy;

pub use form::{Form, render};
pub use turn::{Turn, turn};

/// An original and its copy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    /// The account that owns both.
    #[serde(rename = "accountID")]
    pub account_id: String,
    /// The region of both.
    pub region: String,
    /// The ID of the original.
    #[serde(rename = "sourceImageID")]
    pub source_image_id: String,
    /// The name of the original, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_name: Option<String>,
    /// The ID of the copy.
    #[serde(rename = "copyImageID")]
    pub copy_image_id: String,
    /// The ARN of the key that the copy is encrypted under.
    #[serde(rename = "keyARN")]
    pub key_arn: String,
    /// The policy that asked for the copy.
    pub policy: String,
}

/// Why an original is not in the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOut {
    /// Its copy is not made, verified and published yet.
    NotPublished,
    /// Somebody holds it.
    Held,
    /// Somebody has rolled it back.
    RolledBack,
    /// Its policy asks for an approval, and nobody has given it.
    NotApproved,
    /// Who launches it may not use the copy's key.
    KeyNotUsable,
    /// Its policy is gone.
    NoPolicy,
}

impl LeftOut {
    /// The rest of a sentence about it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotPublished => "without a copy that is verified and published",
            Self::Held => "held",
            Self::RolledBack => "rolled back",
            Self::NotApproved => "not approved",
            Self::KeyNotUsable => "whose copy's key may not be used by who launches the original",
            Self::NoPolicy => "without a policy",
        }
    }
}

/// The map, and how many originals are not in it, by why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    /// By account, region and original.
    pub pairs: Vec<Pair>,
    /// How many are left out.
    pub left_out: BTreeMap<LeftOut, usize>,
    /// Of how many pairs neither the tag `amiseal.dev/hold` nor who may use the key was looked at, since their policies move nothing.
    pub unchecked: usize,
}

/// Makes the map of these migrations, by what their policies say.
#[must_use]
pub fn of<'m>(migrations: impl IntoIterator<Item = &'m AMIMigration>, policies: &[AMIEncryptionPolicy]) -> Map {
    let settings: BTreeMap<&str, &PromotionSettings> = policies
        .iter()
        .filter_map(|policy| Some((policy.metadata.name.as_deref()?, &policy.spec.promotion)))
        .collect();
    let mut map = Map::default();
    // What another account has a copy of stands in the map for that account.
    let own = |migration: &&AMIMigration| migration.spec.owner_account_id.is_none();
    for migration in migrations.into_iter().filter(own) {
        let promotion = settings.get(migration.spec.policy.as_str()).copied();
        match pair(migration, promotion.map(|promotion| promotion.approval)) {
            Ok(pair) => {
                map.unchecked += usize::from(promotion.is_some_and(|promotion| !promotion.moves()));
                map.pairs.push(pair);
            }
            Err(why) => *map.left_out.entry(why).or_default() += 1,
        }
    }
    map.pairs.sort();
    map
}

/// A migration's line of the map.
fn pair(migration: &AMIMigration, approval: Option<ApprovalPolicy>) -> Result<Pair, LeftOut> {
    let copy = copy_of(migration, approval)?;
    let (spec, status) = (&migration.spec, migration.status.as_ref());
    Ok(Pair {
        account_id: spec.account_id.clone(),
        region: spec.region.clone(),
        source_image_id: spec.source_image_id.clone(),
        source_name: status.and_then(|status| status.source_name.clone()),
        copy_image_id: copy.to_owned(),
        key_arn: spec.key_arn.clone(),
        policy: spec.policy.clone(),
    })
}

/// The copy that may be launched in the place of a migration's original, by how its policy has moves approved; none, where there is no
/// policy.
fn copy_of(migration: &AMIMigration, approval: Option<ApprovalPolicy>) -> Result<&str, LeftOut> {
    let spec = &migration.spec;
    match spec.desired {
        Desired::Held => return Err(LeftOut::Held),
        Desired::RolledBack => return Err(LeftOut::RolledBack),
        Desired::Migrated => {}
    }
    let status = migration.status.as_ref().ok_or(LeftOut::NotPublished)?;
    let copy = published_copy(status).ok_or(LeftOut::NotPublished)?;
    let held_by_tag = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    if held_by_tag.is_some_and(|said| said.reason == reason::HELD && !moving::is_of_consumer(said)) {
        return Err(LeftOut::Held);
    }
    if status.stalled.as_deref() == Some(reason::KEY_NOT_USABLE) {
        return Err(LeftOut::KeyNotUsable);
    }
    if approval.ok_or(LeftOut::NoPolicy)? == ApprovalPolicy::Manual && spec.approval != Approval::Approved {
        return Err(LeftOut::NotApproved);
    }
    Ok(copy)
}
