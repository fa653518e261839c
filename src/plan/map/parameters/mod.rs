//! The parameters that a policy has its map kept in: one for each original of an account and region, whose value is the copy.
//!
//! Everybody in the account may write to Parameter Store, and what stands there moves production. So ours are known by their tags
//! alone, which is asked before each change, and what is not ours is never changed, not even where its value is the right one.

mod failures;
mod tell;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{LeftOut, copy_of};
use crate::api::labels::{TAG_POLICY, TAG_SOURCE_IMAGE};
use crate::api::{AMIMigration, ApprovalPolicy};
use crate::domain::{AwsError, ErrorClass, ImageId, NewParameter, Tags};

pub use tell::tell;
pub use watch::{Outcome, PAGES_AT_A_TIME, ParameterWatch};

/// What the parameters of a policy in an account and region are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// The policy's name.
    pub policy: &'a str,
    /// What their names begin with.
    pub prefix: &'a str,
    /// The copies by their originals.
    pub copies: BTreeMap<ImageId, ImageId>,
    /// The originals that are out of the map since somebody has decided so: these go at once.
    pub decided: BTreeSet<ImageId>,
    /// Whether nothing is kept under this prefix any more.
    pub lets_go: bool,
}

/// What comes next for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Make it.
    Create {
        /// The original.
        original: ImageId,
        /// Its copy.
        copy: ImageId,
    },
    /// Give it this value, if it is ours.
    Set {
        /// The original.
        original: ImageId,
        /// Its copy.
        copy: ImageId,
    },
    /// Delete it, if it is ours.
    Delete {
        /// The original.
        original: ImageId,
    },
}

impl Step {
    /// The original that it is about.
    #[must_use]
    pub const fn original(&self) -> &ImageId {
        match self {
            Self::Create { original, .. } | Self::Set { original, .. } | Self::Delete { original } => original,
        }
    }
}

impl<'a> Wanted<'a> {
    /// What the map of these migrations is, all of which are of one account and region.
    #[must_use]
    pub fn kept<'m>(
        policy: &'a str,
        prefix: &'a str,
        approval: ApprovalPolicy,
        migrations: impl IntoIterator<Item = &'m AMIMigration>,
    ) -> Self {
        let mut wanted = Self {
            lets_go: false,
            ..Self::let_go(policy, prefix)
        };
        for migration in migrations {
            let Ok(original) = migration.spec.source_image_id.parse::<ImageId>() else {
                continue;
            };
            match copy_of(migration, Some(approval)) {
                Ok(copy) => {
                    if let Ok(copy) = copy.parse() {
                        wanted.copies.insert(original, copy);
                    }
                }
                // It may be on its way there: a target that is made anew takes a while to find its copies again. And who may use the key
                // is not known either while a reading fails.
                Err(LeftOut::NotPublished | LeftOut::NoPolicy | LeftOut::KeyNotUsable) => {}
                Err(LeftOut::Held | LeftOut::RolledBack | LeftOut::NotApproved) => {
                    wanted.decided.insert(original);
                }
            }
        }
        wanted
    }

    /// That there is nothing under this prefix.
    #[must_use]
    pub const fn let_go(policy: &'a str, prefix: &'a str) -> Self {
        Self {
            policy,
            prefix,
            copies: BTreeMap::new(),
            decided: BTreeSet::new(),
            lets_go: true,
        }
    }

    /// The name of an original's parameter.
    #[must_use]
    pub fn name(&self, original: &ImageId) -> String {
        format!("{}/{original}", self.prefix)
    }

    /// The original whose parameter has this name; none where it is no name of ours.
    #[must_use]
    pub fn original(&self, name: &str) -> Option<ImageId> {
        name.strip_prefix(self.prefix)?.strip_prefix('/')?.parse().ok()
    }

    /// The parameter of an original.
    #[must_use]
    pub fn parameter(&self, original: &ImageId, copy: &ImageId) -> NewParameter {
        NewParameter {
            name: self.name(original),
            value: copy.to_string(),
            description: format!(
                "The encrypted copy of {original}, kept by amiseal for policy {}",
                self.policy
            ),
            tags: Tags::of(&[(TAG_POLICY, self.policy), (TAG_SOURCE_IMAGE, original.as_str())]),
        }
    }

    /// Whether an original's parameter with these tags is this policy's.
    #[must_use]
    pub fn owns(&self, tags: &Tags, original: &ImageId) -> bool {
        tags.get(TAG_POLICY) == Some(self.policy) && tags.get(TAG_SOURCE_IMAGE) == Some(original.as_str())
    }
}

/// Whether a parameter with these tags is one that a map is kept in, of whichever policy: whoever moves parameters leaves it alone.
#[must_use]
pub fn is_of_a_map(tags: &Tags) -> bool {
    tags.contains_key(TAG_POLICY) && tags.contains_key(TAG_SOURCE_IMAGE)
}

/// Whether a call has failed in a way that says nothing of other calls: the role may not make it, or there is no room for more.
#[must_use]
pub fn keeps_no_other_back(error: &AwsError) -> bool {
    matches!(error.class, ErrorClass::Denied | ErrorClass::Quota) && error.cause.is_none()
}

/// Whether a call has failed for the sake of this one parameter, so that the others can go on.
#[must_use]
pub fn is_of_one(error: &AwsError) -> bool {
    matches!(error.class, ErrorClass::Invalid | ErrorClass::Conflict) && error.cause.is_none()
}
