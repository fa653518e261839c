//! What is wrong with images themselves.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Check, Finding, Subject};
use crate::domain::{
    Consumer, ConsumerKind, Image, ImageId, ImageState, Inventory, KeyArn, LaunchPermission, Vulnerability,
};
use crate::plan::select::Selection;
use crate::plan::usage::Usage;

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
    pub(super) fn image(&self, image: &Image, found: &mut Vec<Finding>) {
        let mut add = |check, what| found.push(self.finding(check, image.id.to_string(), what, Some(image)));
        let name = &image.name;
        if image.public {
            add(Check::PublicImage, format!("Everybody can launch {name}."));
        }
        let others = self.outsiders(image);
        if !others.is_empty() {
            let others = others.join(", ");
            add(
                Check::SharedOutside,
                format!("{name} is shared with {others}, which is not allowed."),
            );
        }
        if is_unencrypted(image, self.inventory) {
            let used = used_by(self.picture.graph.consumers(&image.id));
            add(Check::UnencryptedImage, format!("{name} is not encrypted{used}."));
        } else if let Some((keys, policy)) = self.other_keys(image) {
            add(
                Check::OtherKeyImage,
                format!("{name} is encrypted under {keys}, and the policy names {policy}."),
            );
        }
        if let Some((days, allowed)) = self.days_too_old(image) {
            add(
                Check::OldImage,
                format!("{name} is {days} days old, and {allowed} are allowed."),
            );
        }
        let fixes = self.fixes_too_old(image);
        if !fixes.is_empty() {
            let fixes = fixes.join(", ");
            add(
                Check::VulnerableImage,
                format!("Amazon Inspector knows fixes for vulnerabilities of {name}: {fixes}."),
            );
        }
        if let Some((days, allowed)) = self.scan_too_old(image) {
            add(
                Check::StaleScan,
                format!("{name} was last scanned {days} days ago, and {allowed} are allowed."),
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
            let gib = size_gib(image);
            let cost = self.for_up_to(gib);
            add(
                Check::UnusedImage,
                format!("Nobody uses {name}, which keeps up to {gib} GiB of snapshots{cost}."),
            );
        }
    }

    /// What keeping so many GiB costs, for the end of a sentence.
    pub(super) fn for_up_to(&self, gib: u64) -> String {
        let cost = self.monthly_cost(gib).zip(self.thresholds.prices.as_ref());
        cost.map_or_else(String::new, |(cost, prices)| {
            format!(", for up to {} a month", prices.say(cost))
        })
    }

    /// What keeping so many GiB costs in a month, where prices are known.
    pub(super) fn monthly_cost(&self, gib: u64) -> Option<f64> {
        let prices = self.thresholds.prices.as_ref()?;
        Some(prices.month(self.scope.region.as_str(), gib << 30))
    }

    /// What is known of the use of an image.
    pub fn usage(&self, image: &Image) -> Usage<'_> {
        self.picture.usage(image, self.thresholds.unused_after, self.now)
    }

    /// Images of which it matters with whom they are shared, where that is looked for: it costs a call for each. One that everybody
    /// may launch is found anyway, and a disabled one nobody can launch.
    pub fn perhaps_shared(&self) -> Vec<ImageId> {
        let images = self
            .images()
            .filter(|image| image.state == ImageState::Available && !image.public);
        images
            .filter(|_| self.thresholds.asks_for(Check::SharedOutside))
            .map(|image| image.id.clone())
            .collect()
    }

    /// With whom an image is shared that is not allowed.
    fn outsiders(&self, image: &Image) -> Vec<String> {
        let shared = self.picture.shared.get(&image.id).into_iter().flatten();
        shared
            .filter(|permission| !self.thresholds.allows(permission))
            .map(|permission| match permission {
                LaunchPermission::Public => "everybody".to_owned(),
                LaunchPermission::Account(account) => account.to_string(),
                LaunchPermission::Organization(arn) | LaunchPermission::OrganizationalUnit(arn) => arn.to_string(),
            })
            .collect()
    }

    /// The keys that an image is encrypted under and the policy's, where they are not the same.
    fn other_keys<'s>(&'s self, image: &Image) -> Option<(String, &'s KeyArn)> {
        let policy = self.observed.policy.as_ref()?;
        let wanted = policy.key.as_ref().ok()?;
        if policy.selector.select(image) != Selection::Selected {
            return None;
        }
        let snapshots = image
            .volumes()
            .filter_map(|(_, _, id)| self.inventory.snapshots.get(id));
        let keys: BTreeSet<&KeyArn> = snapshots
            .filter_map(|snapshot| snapshot.key.as_ref())
            .filter(|key| *key != wanted)
            .collect();
        let keys: Vec<&str> = keys.into_iter().map(KeyArn::as_str).collect();
        (!keys.is_empty()).then(|| (keys.join(", "), wanted))
    }

    fn days_too_old(&self, image: &Image) -> Option<(i64, u64)> {
        let allowed = self.thresholds.max_image_age?;
        self.days_beyond(honest_age(image, self.inventory)?, allowed)
    }

    /// For how long vulnerabilities of each severity have had a fix, if that is longer than allowed.
    fn fixes_too_old(&self, image: &Image) -> Vec<String> {
        let Some(scan) = image.scan() else { return Vec::new() };
        let beyond = Vulnerability::ALL.into_iter().filter_map(|severity| {
            let allowed = self.thresholds.max_fix_available.get(&severity)?;
            let since = scan.fix_available_since.get(&severity)?;
            let (days, allowed) = self.days_beyond(*since, *allowed)?;
            Some(format!(
                "{} for {days} days, where {allowed} are allowed",
                severity.as_str()
            ))
        });
        beyond.collect()
    }

    fn scan_too_old(&self, image: &Image) -> Option<(i64, u64)> {
        let allowed = self.thresholds.max_scan_age?;
        self.days_beyond(image.scan()?.scanned?, allowed)
    }

    /// How many images were not scanned, as far as is known, where that matters.
    pub(super) fn unscanned(&self) -> usize {
        let is_scanned = |image: &Image| match image.scan() {
            Some(scan) => scan.scanned.is_some(),
            None => false,
        };
        let images = self.images().filter(|_| self.thresholds.asks_for_scans());
        images.filter(|image| !is_scanned(image)).count()
    }
}

/// What an image's snapshots hold at most: the size of its volumes.
pub(super) fn size_gib(image: &Image) -> u64 {
    let sizes = image.volumes().filter_map(|(_, volume, _)| volume.kind.size_gib);
    sizes.filter_map(|gib| u64::try_from(gib).ok()).sum()
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
