//! What is wrong with images and with what launches them, in one account and region: pure, over the inventory and the graph.

mod checks;
pub mod report;
mod since;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use sha2::{Digest, Sha256};

use crate::domain::{
    AwsError, Consumer, ConsumerKind, Guardrail, GuardrailState, Image, ImageId, ImageState, Inventory,
    LaunchPermission, Scope,
};
use crate::plan::usage::{Doubt, Graph, Usage};

pub use checks::{Check, Severity};
pub use since::{Change, Earlier, Previous, Since};

/// The tag that exempts an image from findings: until a day, `2027-06-30`.
pub const TAG_EXEMPT_UNTIL: &str = "amiseal.dev/exempt-until";
/// The tag that says why.
pub const TAG_EXEMPT_REASON: &str = "amiseal.dev/exempt-reason";

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thresholds {
    /// How old an image may be; none for any age.
    pub max_image_age: Option<Duration>,
    /// After how long without a launch an image counts as unused.
    pub unused_after: Duration,
    /// Keys of tags that an image has to have.
    pub required_tags: BTreeSet<String>,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            max_image_age: None,
            unused_after: Duration::from_secs(90 * 24 * 3600),
            required_tags: BTreeSet::new(),
        }
    }
}

/// What is looked into.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The account and region.
    pub scope: &'a Scope,
    /// What it holds.
    pub inventory: &'a Inventory,
    /// Who uses its images.
    pub graph: &'a Graph,
    /// Who may launch an image, of those where that was read: see [`Subject::perhaps_unused`].
    pub shared: &'a HashMap<ImageId, BTreeSet<LaunchPermission>>,
    /// Images that something launches, and that the account does not see: they are gone, or no longer shared with it. Or why that could
    /// not be read.
    pub missing: &'a Result<BTreeSet<ImageId>, AwsError>,
    /// The settings of the region.
    pub guardrails: &'a [GuardrailState],
    /// What is allowed.
    pub thresholds: &'a Thresholds,
    /// Now, by the machine's clock.
    pub now: Timestamp,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub check: Check,
    /// Where it is.
    pub scope: Scope,
    /// What it is about: the ID of an image or a snapshot, or kind and ID of what launches one.
    pub resource: String,
    /// What was found.
    pub what: String,
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
    for image in subject.inventory.images.values().filter(|image| image.is_there()) {
        subject.image(image, &mut found);
    }
    subject.launches(&mut found);
    subject.guardrails(&mut found);
    subject.snapshots(&mut found);
    found.sort_by(|one, other| {
        let rank = |finding: &Finding| (std::cmp::Reverse(finding.check.severity()), finding.check);
        (rank(one), &one.resource).cmp(&(rank(other), &other.resource))
    });
    found
}

/// Whether a snapshot of the image is known not to be encrypted.
pub fn is_unencrypted(image: &Image, inventory: &Inventory) -> bool {
    image.volumes().any(|(_, volume, id)| {
        let of_snapshot = inventory.snapshots.get(id).map(|snapshot| snapshot.encrypted);
        of_snapshot.or(volume.encrypted) == Some(false)
    })
}

/// When what is on an image was made: a copy is as old as what it was copied from, as far as that is still there.
pub fn honest_age(image: &Image, inventory: &Inventory) -> Option<Timestamp> {
    let mut oldest = image.created?;
    let mut current = image;
    let mut seen: BTreeSet<&ImageId> = BTreeSet::new();
    while let Some(source) = current.copied_from.as_ref().map(|source| &source.image) {
        if !seen.insert(source) {
            break;
        }
        let Some(image) = inventory.images.get(source) else {
            break;
        };
        oldest = image.created.map_or(oldest, |created| created.min(oldest));
        current = image;
    }
    Some(oldest)
}

impl Subject<'_> {
    fn finding(&self, check: Check, resource: String, what: String, image: Option<&Image>) -> Finding {
        Finding {
            check,
            scope: self.scope.clone(),
            resource,
            what,
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

    fn image(&self, image: &Image, found: &mut Vec<Finding>) {
        let mut add = |check, what| found.push(self.finding(check, image.id.to_string(), what, Some(image)));
        let name = &image.name;
        if image.public {
            add(Check::PublicImage, format!("Everybody can launch {name}."));
        }
        if is_unencrypted(image, self.inventory) {
            let used = used_by(self.graph.consumers(&image.id));
            add(Check::UnencryptedImage, format!("{name} is not encrypted{used}."));
        }
        if let Some((days, allowed)) = self.days_too_old(image) {
            add(
                Check::OldImage,
                format!("{name} is {days} days old, and {allowed} are allowed."),
            );
        }
        let missing: Vec<&str> = self
            .thresholds
            .required_tags
            .iter()
            .map(String::as_str)
            .filter(|key| !image.tags.contains_key(key))
            .collect();
        if !missing.is_empty() {
            add(Check::MissingTags, format!("{name} lacks {}.", missing.join(", ")));
        }
        if let Usage::Unused(_) = self.usage(image) {
            let gib = image
                .volumes()
                .filter_map(|(_, volume, _)| volume.kind.size_gib)
                .fold(0i64, |sum, gib| sum + i64::from(gib));
            add(
                Check::UnusedImage,
                format!("Nobody uses {name}, which keeps up to {gib} GiB of snapshots."),
            );
        }
    }

    /// What is known of the use of an image.
    pub fn usage(&self, image: &Image) -> Usage<'_> {
        let shared = self.shared.get(&image.id);
        self.graph
            .usage(image, shared, |_| false, self.thresholds.unused_after, self.now)
    }

    /// Images that nobody uses as far as is known, if AWS finds nothing else that names them and they are not shared: who may launch
    /// them costs a call for each.
    pub fn perhaps_unused(&self) -> Vec<ImageId> {
        let images = self
            .inventory
            .images
            .values()
            .filter(|image| image.is_there() && !image.public);
        let is_left = |usage| match usage {
            Usage::Unknown(doubts) => doubts
                .iter()
                .all(|doubt| matches!(doubt, Doubt::Unconfirmed | Doubt::Shared)),
            Usage::Used(_) | Usage::Unused(_) => false,
        };
        images
            .filter(|image| is_left(self.usage(image)))
            .map(|image| image.id.clone())
            .collect()
    }

    fn days_too_old(&self, image: &Image) -> Option<(i64, u64)> {
        let allowed = self.thresholds.max_image_age?;
        let age = self.now.duration_since(honest_age(image, self.inventory)?);
        let is_too_old = age.as_secs_f64() > allowed.as_secs_f64();
        is_too_old.then(|| (age.as_secs() / (24 * 3600), allowed.as_secs() / (24 * 3600)))
    }

    /// What launches an image that it should not.
    fn launches(&self, found: &mut Vec<Finding>) {
        for (id, consumers) in self.graph.launched() {
            let Some(image) = self.inventory.images.get(id) else {
                self.launches_missing(id, consumers, found);
                continue;
            };
            let is_deprecated = image.deprecation_time.is_some_and(|at| at <= self.now);
            let checks = [
                (
                    is_unencrypted(image, self.inventory),
                    Check::LaunchesUnencryptedImage,
                    "which is not encrypted",
                ),
                (
                    image.state == ImageState::Disabled,
                    Check::DisabledImageInUse,
                    "which is disabled",
                ),
                (is_deprecated, Check::DeprecatedImageInUse, "which is deprecated"),
            ];
            for (_, check, why) in checks.into_iter().filter(|(holds, ..)| *holds) {
                // The same launcher may name an image in more than one place.
                let by: BTreeSet<(&str, &str)> = consumers.iter().map(|user| (user.kind.as_str(), &*user.id)).collect();
                for (kind, user) in by {
                    let what = format!("{kind} {user} launches {id} ({}), {why}.", image.name);
                    found.push(self.finding(check, format!("{kind}/{user}/{id}"), what, Some(image)));
                }
            }
        }
    }

    /// What launches an image that is gone. An instance runs on, and cannot be launched again.
    fn launches_missing(&self, id: &ImageId, consumers: &[Consumer], found: &mut Vec<Finding>) {
        if !self.missing.as_ref().is_ok_and(|missing| missing.contains(id)) {
            return;
        }
        let by: BTreeSet<(ConsumerKind, &str)> = consumers.iter().map(|user| (user.kind, &*user.id)).collect();
        for (kind, user) in by {
            let (check, what) = match kind {
                ConsumerKind::Instance => (Check::InstanceOfMissingImage, "was launched from"),
                _ => (Check::LaunchesMissingImage, "launches"),
            };
            let what = format!("{kind} {user} {what} {id}, which is gone or no longer shared with the account.");
            found.push(self.finding(check, format!("{kind}/{user}/{id}"), what, None));
        }
    }

    /// Settings that do not hold. What could not be read is no finding: the report says that it is unknown.
    fn guardrails(&self, found: &mut Vec<Finding>) {
        for state in self.guardrails.iter().filter(|state| !state.holds) {
            let Ok(named) = &state.state else { continue };
            let check = match state.guardrail {
                Guardrail::EncryptionByDefault => Check::EncryptionByDefaultOff,
                Guardrail::ImageBlockPublicAccess => Check::ImagePublicAccessNotBlocked,
                Guardrail::SnapshotBlockPublicAccess => Check::SnapshotPublicAccessNotBlocked,
                Guardrail::AllowedImages => Check::AllowedImagesOff,
            };
            let what = format!("{} is {named}.", state.guardrail);
            found.push(self.finding(check, state.guardrail.to_string(), what, None));
        }
    }

    /// Snapshots that were made for images that are gone.
    fn snapshots(&self, found: &mut Vec<Finding>) {
        let used: BTreeSet<_> = self
            .inventory
            .images
            .values()
            .flat_map(|image| image.volumes().map(|(_, _, id)| id))
            .collect();
        for (id, snapshot) in &self.inventory.snapshots {
            let Some(record) = &snapshot.copied else { continue };
            if used.contains(id) || self.inventory.images.contains_key(&record.image) {
                continue;
            }
            let what = format!(
                "{id} of {} GiB was made for {}, which is gone.",
                snapshot.size_gib, record.image
            );
            found.push(self.finding(Check::OrphanSnapshot, id.to_string(), what, None));
        }
    }
}

/// By how many things of which kinds an image is used, for the end of a sentence.
fn used_by(consumers: &[Consumer]) -> String {
    let mut counts: Vec<(ConsumerKind, usize)> = Vec::new();
    let mut last: Option<&Consumer> = None;
    // They are in the order of their kinds and IDs, and one may name the image in several places.
    for user in consumers {
        if last.is_some_and(|last| (last.kind, &last.id) == (user.kind, &user.id)) {
            continue;
        }
        last = Some(user);
        match counts.last_mut() {
            Some((kind, count)) if *kind == user.kind => *count += 1,
            _ => counts.push((user.kind, 1)),
        }
    }
    if counts.is_empty() {
        return String::new();
    }
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(kind, count)| match count {
            1 => format!("1 {}", kind.noun()),
            _ => format!("{count} {}s", kind.noun()),
        })
        .collect();
    format!(", and is used by {}", counts.join(", "))
}

/// The page of documentation on the checks.
pub fn page() -> String {
    let mut page = String::from(
        "# Findings\n\n`amiseal report` looks for these. Each check has a name that stays the same, a severity, and a fix.\n\
         [Report](report.md) says how to exempt an image.\n\n| check | severity | what it finds |\n|---|---|---|\n",
    );
    for check in Check::ALL {
        page += &format!(
            "| [`{0}`](#{0}) | {1} | {2} |\n",
            check.id(),
            check.severity(),
            check.title()
        );
    }
    for check in Check::ALL {
        page += &format!(
            "\n## {}\n\n{}\n\n**Why it matters:** {}\n\n**Fix:** {}\n",
            check.id(),
            check.title(),
            check.why(),
            check.fix()
        );
        if !check.references().is_empty() {
            page += &format!("\nThe same check elsewhere: {}.\n", check.references().join(", "));
        }
    }
    page
}
