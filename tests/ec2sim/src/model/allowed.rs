//! Allowed AMIs: which images of others a region lets its account discover and launch ("How Allowed AMIs works" in the user guide of
//! Amazon EC2).

use super::{Guardrails, Image, ImageCriterion, World};
use crate::clock::SimTime;
use crate::glob;

const DAY: f64 = 24.0 * 3600.0;
const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

impl Guardrails {
    /// Whether images of others are hidden and refused that meet no criterion. What EC2 does where there are none is in no document.
    pub(super) fn hides(&self, image: &Image, owner_alias: Option<&str>, now: SimTime) -> bool {
        let is_met = |criterion: &ImageCriterion| criterion.is_met(image, owner_alias, now);
        let criteria = &self.allowed_image_criteria;
        self.allowed_images.as_deref() == Some("enabled") && !criteria.is_empty() && !criteria.iter().any(is_met)
    }
}

impl World {
    /// An image of another account that a template or a running instance of a region launches, that is hidden by settings after a change
    /// and was not before; and how many calls there had been when people last changed what launches there.
    pub(crate) fn newly_hidden(
        &self,
        (account, region): (&str, &str),
        (before, after): (&Guardrails, &Guardrails),
        now: SimTime,
    ) -> Option<(String, u64)> {
        let place = self.region(account, region)?;
        let templates = place.consumers.launch_templates.iter();
        let templates = templates.filter_map(|(_, template)| template.version(None)?.image.as_deref());
        let instances = place.consumers.instances.iter();
        let running = instances.filter(|(_, instance)| instance.state == "running");
        let launched = templates.chain(running.map(|(_, instance)| instance.image.as_str()));
        let mut images = launched.filter_map(|id| self.image(region, id));
        let image = images.find(|image| {
            let alias = self.owner_alias(&image.owner);
            let is_others = image.exists() && image.owner != account;
            is_others
                && self.may_launch(account, image, now)
                && !before.hides(image, alias, now)
                && after.hides(image, alias, now)
        })?;
        Some((image.id.clone(), place.consumers_since))
    }
}

impl ImageCriterion {
    /// Whether an image has everything that is asked for, and of each list one.
    fn is_met(&self, image: &Image, owner_alias: Option<&str>, now: SimTime) -> bool {
        let provider = |one: &String| *one == image.owner || Some(one.as_str()) == owner_alias;
        let days_since = |at: SimTime| now.seconds_since(at) / DAY;
        let of_list = |list: &[String], is_one: &dyn Fn(&String) -> bool| list.is_empty() || list.iter().any(is_one);
        let deprecated = image.deprecation_time.seen(now).filter(|at| *at <= now);
        of_list(&self.providers, &provider)
            && of_list(&self.names, &|pattern| glob::matches(pattern, &image.name))
            && of_list(&self.product_codes, &|code| image.product_codes.contains(code))
            && of_list(&self.watermarks, &|key| {
                let mut marks = image.attributes.watermarks.keys();
                marks.any(|mark| glob::matches(key, mark))
            })
            && self
                .max_days_since_created
                .is_none_or(|days| days_since(image.creation_date) <= f64::from(days))
            && self
                .max_days_since_deprecated
                .zip(deprecated)
                .is_none_or(|(days, at)| days_since(at) <= f64::from(days))
            && self.max_severity.as_deref().is_none_or(|most| is_within(image, most))
    }
}

/// Whether a scan has found nothing worse. What was not scanned does not meet it.
fn is_within(image: &Image, most: &str) -> bool {
    let rank = |severity: &str| SEVERITIES.iter().position(|one| *one == severity);
    let Some(scan) = &image.scan else { return false };
    scan.highest
        .as_deref()
        .is_none_or(|highest| rank(highest) <= rank(most))
}
