//! What is wrong with images and with what launches them, in one account and region: pure, over the inventory, the graph and what else
//! was read.

mod checks;
mod cluster;
mod images;
mod key_access;
mod keys;
mod launches;
mod page;
pub mod record;
mod region;
pub mod report;
mod since;
#[cfg(test)]
mod tests;
mod thresholds;
mod unread;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::domain::{
    AwsError, GuardrailState, Image, ImageId, Inventory, KeyAccess, KeyArn, KeyHealth, Origin, Scope, SnapshotId, Trail,
};
use crate::plan::obstacle::Problem;
use crate::plan::select::Selector;
use crate::plan::usage::Picture;

pub use checks::{Check, Severity};
pub use cluster::of_cluster;
pub use images::{honest_age, is_unencrypted};
pub use page::page;
pub use region::perhaps_orphans;
pub use since::{Change, Earlier, Previous, Since};
pub use thresholds::{Thresholds, TrustedOwner, sharing};

/// The tag that exempts an image from findings: until a day, `2027-06-30`.
pub const TAG_EXEMPT_UNTIL: &str = "amiseal.dev/exempt-until";
/// The tag that says why.
pub const TAG_EXEMPT_REASON: &str = "amiseal.dev/exempt-reason";

/// What is looked into.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The account and region.
    pub scope: &'a Scope,
    /// What it holds.
    pub inventory: &'a Inventory,
    /// Who uses its images, and who may.
    pub picture: &'a Picture,
    /// What else was read.
    pub observed: &'a Observed,
    /// What is allowed.
    pub thresholds: &'a Thresholds,
    /// Now, by the machine's clock.
    pub now: Timestamp,
}

/// What was read of an account and region besides its images and snapshots and what uses them. What could not be read is an error here,
/// and unknown in the report.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Images that the inventory lacks and that matter.
    pub foreign: Result<Foreign, AwsError>,
    /// The settings of the region.
    pub guardrails: Vec<GuardrailState>,
    /// The keys that images are encrypted under: see [`Subject::keys`].
    pub keys: BTreeMap<KeyArn, Result<KeyHealth, AwsError>>,
    /// Who may use them, of those that somebody needs: see [`Subject::key_needs`].
    pub key_access: BTreeMap<KeyArn, KeyAccess>,
    /// Snapshots that everybody can make volumes of.
    pub public_snapshots: Result<BTreeSet<SnapshotId>, AwsError>,
    /// By what instances were launched, by their IDs.
    pub origins: HashMap<Box<str>, Origin>,
    /// The trails that the region shows.
    pub trails: Result<Vec<Trail>, AwsError>,
    /// What a policy says of the account and region.
    pub policy: Option<PolicyKey>,
}

impl Default for Observed {
    fn default() -> Self {
        Self {
            foreign: Ok(Foreign::default()),
            guardrails: Vec::new(),
            keys: BTreeMap::new(),
            key_access: BTreeMap::new(),
            public_snapshots: Ok(BTreeSet::new()),
            origins: HashMap::new(),
            trails: Ok(Vec::new()),
            policy: None,
        }
    }
}

/// Images that the inventory lacks: those that something launches, and those that snapshots were made for.
#[derive(Debug, Clone, Default)]
pub struct Foreign {
    /// Those that the account sees.
    pub seen: BTreeMap<ImageId, Image>,
    /// Those that it does not see: they are gone, or no longer shared with it.
    pub missing: BTreeSet<ImageId>,
}

/// The key that a policy names for an account and region.
#[derive(Debug, Clone)]
pub struct PolicyKey {
    /// As the policy names it.
    pub named: String,
    /// Which key that is, or why it is not known.
    pub key: Result<KeyArn, Problem>,
    /// Which images it is for.
    pub selector: Selector,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub check: Check,
    /// Where it is.
    pub scope: Scope,
    /// What it is about: the ID of an image or a snapshot, the ARN of a key, a setting of the region, or kind and ID of what launches an
    /// image, and the image.
    pub resource: String,
    /// What was found.
    pub what: String,
    /// The same in no more than a status has room for, where it is longer than that and must not be cut anywhere.
    pub brief: Option<String>,
    /// Why and until when it is exempt, if it is.
    pub exemption: Option<Exemption>,
}

/// Why and until when something is exempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exemption {
    /// The last day.
    pub until: Date,
    /// Why, where the tag says so.
    pub reason: Option<String>,
}

impl Finding {
    /// An ID that stays the same from one report to the next: 32 hexadecimal digits.
    pub fn id(&self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.check.id(),
            self.scope.account.as_str(),
            self.scope.region.as_str(),
            &self.resource,
        ] {
            hash.update(part);
            hash.update([0]);
        }
        hex::encode(&hash.finalize()[..16])
    }
}

/// Everything that is wrong, the worst first.
pub fn examine(subject: Subject<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for image in subject.images() {
        subject.image(image, &mut found);
    }
    subject.launches(&mut found);
    subject.older_than_template(&mut found);
    subject.guardrails(&mut found);
    subject.trails(&mut found);
    subject.key_findings(&mut found);
    subject.key_access_findings(&mut found);
    subject.public_snapshots(&mut found);
    subject.orphan_snapshots(&mut found);
    found.retain(|finding| subject.thresholds.asks_for(finding.check));
    found.sort_by(|one, other| {
        let rank = |finding: &Finding| (std::cmp::Reverse(finding.check.severity()), finding.check);
        (rank(one), &one.resource).cmp(&(rank(other), &other.resource))
    });
    found
}

impl<'a> Subject<'a> {
    /// The images that are there.
    fn images(&self) -> impl Iterator<Item = &'a Image> + use<'a> {
        let images = self.inventory.images.values().map(AsRef::as_ref);
        images.filter(|image: &&Image| image.is_there())
    }

    fn finding(&self, check: Check, resource: String, what: String, image: Option<&Image>) -> Finding {
        Finding {
            check,
            scope: self.scope.clone(),
            resource,
            what,
            brief: None,
            exemption: image.and_then(|image| self.exemption(image)),
        }
    }

    /// An exemption that has run out, or whose day cannot be read, is none.
    fn exemption(&self, image: &Image) -> Option<Exemption> {
        let until: Date = image.tags.get(TAG_EXEMPT_UNTIL)?.trim().parse().ok()?;
        let today = self.now.to_zoned(jiff::tz::TimeZone::UTC).date();
        (until >= today).then(|| Exemption {
            until,
            reason: image.tags.get(TAG_EXEMPT_REASON).map(str::to_owned),
        })
    }

    /// For how many days something has been so, if that is longer than allowed, and how many days are allowed.
    fn days_beyond(&self, since: Timestamp, allowed: std::time::Duration) -> Option<(i64, u64)> {
        let age = self.now.duration_since(since);
        let is_beyond = age.as_secs_f64() > allowed.as_secs_f64();
        is_beyond.then(|| (age.as_secs() / (24 * 3600), allowed.as_secs() / (24 * 3600)))
    }
}
