//! What launches an image that it should not.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Check, Finding, Foreign, Subject};
use crate::domain::{Consumer, ConsumerKind, Image, ImageId, ImageState};

/// The same launcher may name an image in more than one place.
fn each(consumers: &[Consumer]) -> BTreeSet<(ConsumerKind, &str)> {
    consumers.iter().map(|user| (user.kind, &*user.id)).collect()
}

/// The kinds that say what the next instance is launched from.
const SAY_WHAT_IS_NEXT: [ConsumerKind; 4] = [
    ConsumerKind::AutoScalingGroup,
    ConsumerKind::Fleet,
    ConsumerKind::SpotFleet,
    ConsumerKind::LaunchTemplate,
];

impl<'a> Subject<'a> {
    pub(super) fn launches(&self, found: &mut Vec<Finding>) {
        for (id, consumers) in self.picture.graph.launched() {
            let Some(image) = self.inventory.images.get(id) else {
                if let Ok(foreign) = &self.observed.foreign {
                    self.launches_missing(id, consumers, foreign, found);
                    self.launches_untrusted(id, consumers, foreign, found);
                }
                continue;
            };
            let is_deprecated = image.deprecation_time.is_some_and(|at| at <= self.now);
            let checks = [
                (
                    super::is_unencrypted(image, self.inventory),
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
                for (kind, user) in each(consumers) {
                    let what = format!("{kind} {user} launches {id} ({}), {why}.", image.name);
                    found.push(self.finding(check, format!("{kind}/{user}/{id}"), what, Some(image)));
                }
            }
        }
    }

    /// What launches an image that is gone. An instance runs on, and cannot be launched again.
    fn launches_missing(&self, id: &ImageId, consumers: &[Consumer], foreign: &Foreign, found: &mut Vec<Finding>) {
        if !foreign.missing.contains(id) {
            return;
        }
        for (kind, user) in each(consumers) {
            let (check, what) = match kind {
                ConsumerKind::Instance => (Check::InstanceOfMissingImage, "was launched from"),
                _ => (Check::LaunchesMissingImage, "launches"),
            };
            let what = format!("{kind} {user} {what} {id}, which is gone or no longer shared with the account.");
            found.push(self.finding(check, format!("{kind}/{user}/{id}"), what, None));
        }
    }

    /// What launches an image whose owner is not trusted. Of one whose owner is not known, nothing is claimed.
    fn launches_untrusted(&self, id: &ImageId, consumers: &[Consumer], foreign: &Foreign, found: &mut Vec<Finding>) {
        let Some(image) = foreign.seen.get(id) else { return };
        let Some(owner) = &image.owner else { return };
        if self.thresholds.trusts(image) != Some(false) {
            return;
        }
        for (kind, user) in each(consumers) {
            let name = &image.name;
            let what = format!("{kind} {user} launches {id} ({name}) of {owner}, who is not trusted.");
            found.push(self.finding(Check::UntrustedOwner, format!("{kind}/{user}/{id}"), what, None));
        }
    }

    /// Instances that would not be launched so again, by the group, fleet or template that launched them.
    pub(super) fn older_than_template(&self, found: &mut Vec<Finding>) {
        let mut next: HashMap<(ConsumerKind, &str), BTreeSet<&ImageId>> = HashMap::new();
        for (id, consumers) in self.picture.graph.launched() {
            for user in consumers.iter().filter(|user| SAY_WHAT_IS_NEXT.contains(&user.kind)) {
                next.entry((user.kind, &*user.id)).or_default().insert(id);
            }
        }
        for (id, consumers) in self.picture.graph.launched() {
            for (kind, instance) in each(consumers) {
                let origin = self.observed.origins.get(instance);
                let Some(origin) = origin.filter(|_| kind == ConsumerKind::Instance) else {
                    continue;
                };
                let Some(images) = next.get(&(origin.kind, &*origin.id)) else {
                    continue;
                };
                if images.contains(id) || self.is_in_doubt(origin.kind, &origin.id) || !self.is_older(id, images) {
                    continue;
                }
                let named: Vec<String> = images.iter().map(|id| self.named(id)).collect();
                let what = format!(
                    "{kind} {instance} was launched from {}, and {} {} launches {} now.",
                    self.named(id),
                    origin.kind,
                    origin.id,
                    named.join(", ")
                );
                let image = self.inventory.images.get(id).map(AsRef::as_ref);
                found.push(self.finding(Check::OlderThanTemplate, format!("{kind}/{instance}/{id}"), what, image));
            }
        }
    }

    /// Whether it launches something that could not be read, or may.
    fn is_in_doubt(&self, kind: ConsumerKind, id: &str) -> bool {
        let is_it = |unresolved: &crate::plan::usage::Unresolved| unresolved.kind == kind && &*unresolved.id == id;
        self.picture.graph.unread().contains_key(&kind) || self.picture.graph.unresolved().any(is_it)
    }

    /// Whether an image is older than the newest of these, or it is not known how old they are.
    fn is_older(&self, id: &ImageId, than: &BTreeSet<&ImageId>) -> bool {
        let newest: Option<Vec<Timestamp>> = than.iter().map(|id| self.created(id)).collect();
        let newest = newest.and_then(|all| all.into_iter().max());
        match (self.created(id), newest) {
            (Some(created), Some(newest)) => created < newest,
            // Of an image that could not be read nothing is claimed; one that is gone is older than what launches now.
            _ => self.observed.foreign.is_ok(),
        }
    }

    fn created(&self, id: &ImageId) -> Option<Timestamp> {
        self.known(id)?.created
    }

    /// An image with its name, as far as it is known.
    fn named(&self, id: &ImageId) -> String {
        match self.known(id) {
            Some(image) => format!("{id} ({})", image.name),
            None => id.to_string(),
        }
    }

    /// An image of the account or of another one.
    fn known(&self, id: &ImageId) -> Option<&'a Image> {
        let ours = self.inventory.images.get(id).map(AsRef::as_ref);
        ours.or_else(|| self.observed.foreign.as_ref().ok()?.seen.get(id))
    }
}
