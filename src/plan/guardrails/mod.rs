//! Guardrails: settings of a region that a policy has held. What is set, when, and what is said of it.
//!
//! Nothing is set under mode Audit, where an older policy governs it, or where a declarative policy of the organization holds it. A key
//! becomes the default one only where it is known to be usable by whoever launches in the account. Allowed AMIs come to refuse images only
//! where it is known that none of them is in use. What is set is on record before, and is not set again before AWS must have shown it.

mod images;
mod key;
mod launchers;
mod reading;
mod request;
mod says;
mod tell;
#[cfg(test)]
mod tests;
mod watch;

use jiff::Timestamp;

use crate::api::{AMIEncryptionTargetSpec, GuardrailMode, GuardrailName, GuardrailSettings, Mode};
use crate::domain::{AllowedImages, Guardrail, GuardrailChange};
use crate::plan::obstacle::KeyView;

pub use images::{ImagesStanding, asks_about_images, foreign_images, images_standing};
pub use key::{KeyStanding, standing};
pub use launchers::Launchers;
pub use reading::Reading;
pub use says::needs_a_person;
pub use tell::{Drift, View, drifts, tell};
pub use watch::{Fetched, GuardrailWatch, Knows};

/// What a policy wants of a guardrail in one account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Which one.
    pub guardrail: Guardrail,
    /// Whether it is set where it does not hold; else it is only reported.
    pub enforces: bool,
    /// The older policy that governs it, where there is one.
    pub governor: Option<String>,
    /// Of Allowed AMIs, what they are to be; none where the policy does not say it, and of the others.
    pub allowed: Option<AllowedImages>,
}

/// What a policy wants, in the one order of guardrails. Nothing is set but what both its target and the policy itself enforce: `policy` is
/// what that says by now, and none where it asks for no changes. `older` are the policies of the same account and region that are older, the
/// oldest first: one governs whatever it does not ignore.
pub fn asked(
    spec: &AMIEncryptionTargetSpec,
    policy: Option<&GuardrailSettings>,
    older: &[(&str, Option<&GuardrailSettings>)],
) -> Vec<Asked> {
    let Some(settings) = &spec.guardrails else {
        return Vec::new();
    };
    let of_one = |guardrail| {
        let mode = settings.mode_of(guardrail);
        let is_of_images = guardrail == Guardrail::AllowedImages;
        let enforces = |says: &GuardrailSettings| says.mode_of(guardrail) == GuardrailMode::Enforce;
        // What the policy says by now may not have come to its target.
        let agrees = |says: &GuardrailSettings| {
            enforces(says) && (!is_of_images || says.allowed_images == settings.allowed_images)
        };
        let speaks_of = |theirs: Option<&GuardrailSettings>| {
            theirs.is_some_and(|one| one.mode_of(guardrail) != GuardrailMode::Ignore)
        };
        let governor = older.iter().find(|(_, theirs)| speaks_of(*theirs));
        let governor = governor.map(|(policy, _)| (*policy).to_owned());
        (mode != GuardrailMode::Ignore).then(|| Asked {
            guardrail,
            enforces: enforces(settings)
                && policy.is_some_and(agrees)
                && spec.mode == Mode::Enforce
                && !spec.suspend
                && governor.is_none(),
            governor,
            allowed: settings.allowed_images.wanted().filter(|_| is_of_images),
        })
    };
    Guardrail::ALL.into_iter().filter_map(of_one).collect()
}

/// Whether it has to be asked who may use the policy's key: encryption is to be set, does not hold, and may be set soon.
pub fn asks_about_key(
    watch: &GuardrailWatch,
    asked: &[Asked],
    readings: &[Reading],
    key: &KeyView,
    now: Timestamp,
) -> bool {
    let is_encryption = |one: &&Asked| one.guardrail == Guardrail::EncryptionByDefault;
    let Some(asked) = asked.iter().find(is_encryption).filter(|one| one.enforces) else {
        return false;
    };
    let reading = readings
        .iter()
        .find(|reading| reading.guardrail() == Guardrail::EncryptionByDefault);
    reading.is_some_and(|reading| reading.may_be_set(asked, key)) && !watch.rests_on_key(key, now)
}

/// What amiseal has done, for an Event.
pub fn turned_on(guardrail: Guardrail, changes: &[GuardrailChange]) -> String {
    let key = changes.iter().find_map(|change| match change {
        GuardrailChange::DefaultKey(key) => Some(key),
        _ => None,
    });
    let is_encryption = changes.contains(&GuardrailChange::EncryptionByDefault);
    match (guardrail, key) {
        (Guardrail::EncryptionByDefault, Some(key)) if is_encryption => {
            format!("Turned on EBS encryption by default, with the default key {key}.")
        }
        (Guardrail::EncryptionByDefault, Some(key)) => format!("Made {key} the default key of EBS encryption."),
        (Guardrail::EncryptionByDefault, None) => "Turned on EBS encryption by default.".to_owned(),
        (Guardrail::AllowedImages, _) => {
            let is_replaced = changes
                .iter()
                .any(|one| matches!(one, GuardrailChange::ImageCriteria(_)));
            let replaced = is_replaced.then_some("Replaced the criteria of Allowed AMIs.");
            let state = changes.iter().find_map(|change| match change {
                GuardrailChange::AuditImages => Some("Set Allowed AMIs to audit-mode."),
                GuardrailChange::RefuseImages => Some("Set Allowed AMIs to enabled."),
                _ => None,
            });
            let sentences: Vec<&str> = replaced.into_iter().chain(state).collect();
            sentences.join(" ")
        }
        (other, _) => format!("Turned on {}: block-new-sharing.", GuardrailName::from(other).as_str()),
    }
}
