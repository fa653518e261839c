//! Everything that is known of the use of an account's images in one region: what can launch them there and elsewhere, and
//! who may.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;

use super::keys::CopyKey;
use super::reports::Reports;
use super::{Doubt, Graph, Usage};
use crate::domain::{AccountId, AwsError, Image, ImageId, LaunchPermission};

/// What is known.
#[derive(Debug, Clone, Default)]
pub struct Picture {
    /// What launches images in the account and region.
    pub graph: Graph,
    /// What launches them in other accounts.
    pub elsewhere: Elsewhere,
    /// Who may launch an image, of those where that matters.
    pub shared: HashMap<ImageId, BTreeSet<LaunchPermission>>,
    /// Of which of those that could not be read.
    pub shared_unread: BTreeMap<ImageId, AwsError>,
    /// What AWS's own reports say of the use by others, where a policy asks for them.
    pub reports: Reports,
    /// The policy's key and who may use it, where that was read.
    pub copy_key: Option<CopyKey>,
}

/// What other accounts launch of images that they do not own, as their targets and AWS's reports say. It shows uses, and never that there
/// are none: what an old version of a template names is in no listing, and AWS is asked for it by whoever owns the image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Elsewhere {
    users: HashMap<ImageId, BTreeMap<(AccountId, String), u32>>,
}

impl Elsewhere {
    /// So many things of a kind launch an image in this account.
    pub fn uses(&mut self, account: &AccountId, image: ImageId, kind: &str, count: u32) {
        let of_image = self.users.entry(image).or_default();
        let known = of_image.entry((account.clone(), kind.to_owned())).or_default();
        // Two targets may speak of the same account.
        *known = count.max(*known);
    }

    /// Who launches an image: account, kind and how many.
    pub fn users(&self, image: &ImageId) -> impl Iterator<Item = (&AccountId, &str, u32)> {
        let of_image = self.users.get(image).into_iter().flatten();
        of_image.map(|((account, kind), count)| (account, kind.as_str(), *count))
    }
}

impl Picture {
    /// What is known of the use of an image at `now`. One that was launched or made within `after` is not unused.
    pub fn usage(&self, image: &Image, after: Duration, now: Timestamp) -> Usage<'_> {
        if self.elsewhere.users(&image.id).next().is_some() {
            return Usage::Used(self.graph.consumers(&image.id));
        }
        let mut usage = self.graph.usage(image, self.shared.get(&image.id), after, now);
        if let Usage::Unknown(doubts) = &mut usage
            && let Some(reported) = self.reports.doubt(&image.id)
        {
            let shared = doubts.iter_mut().find(|doubt| **doubt == Doubt::Shared);
            shared.into_iter().for_each(|doubt| *doubt = reported.clone());
        }
        usage
    }

    /// The images that could turn out to be unused once AWS is asked what else names them, and who may launch them.
    pub fn candidates<'i>(
        &self,
        images: impl Iterator<Item = &'i Image>,
        after: Duration,
        now: Timestamp,
    ) -> Vec<ImageId> {
        let is_left = |image: &&Image| match self.usage(image, after, now) {
            Usage::Unknown(doubts) => doubts.iter().all(|doubt| {
                matches!(
                    doubt,
                    Doubt::SeenOnce | Doubt::Unconfirmed | Doubt::Shared | Doubt::Asked(_) | Doubt::NotCounted(_)
                )
            }),
            Usage::Used(_) | Usage::Unused(_) => false,
        };
        let images = images.filter(|image| image.is_there() && !image.public);
        images.filter(is_left).map(|image| image.id.clone()).collect()
    }
}
