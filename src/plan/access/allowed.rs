//! Whether an account's Allowed AMIs would refuse an image of another account. Its own images are never refused ("How Allowed AMIs
//! works" in the user guide of Amazon EC2).

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::glob;
use super::truth::Truth;
use crate::domain::{AccountId, AllowedImages, AllowedState, Image, ImageCriterion};

const DAY: i64 = 24 * 3600;

/// An image, as far as Allowed AMIs look at it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub owner: AccountId,
    /// As whom AWS shows the owner, where it does.
    pub alias: Option<Box<str>>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it is deprecated.
    pub deprecated: Option<Timestamp>,
    /// Whether it has a product code.
    pub product_codes: bool,
    /// Keys of its watermarks.
    pub watermarks: BTreeSet<Box<str>>,
    /// Whether it is new, so that Amazon Inspector cannot have scanned it.
    pub new: bool,
}

impl Candidate {
    /// An image that is there.
    pub fn original(image: &Image, owner: &AccountId) -> Self {
        Self {
            name: image.name.to_string(),
            owner: image.owner.clone().unwrap_or_else(|| owner.clone()),
            alias: image.owner_alias().map(Into::into),
            created: image.created,
            deprecated: image.deprecation_time,
            product_codes: image.product_codes,
            watermarks: image.watermarks().iter().map(|mark| mark.key.clone()).collect(),
            new: false,
        }
    }

    /// The copy that is made of it at `now`, under this name: it keeps watermarks and deprecation.
    pub fn copy(image: &Image, owner: &AccountId, name: String, now: Timestamp) -> Self {
        Self {
            name,
            owner: owner.clone(),
            alias: None,
            created: Some(now),
            deprecated: image.deprecation_time.map(|at| at.max(now)),
            new: true,
            ..Self::original(image, owner)
        }
    }
}

/// Whether an account lets its people launch an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Allowed,
    /// It does not, for this.
    Refused(String),
    /// It would not, if the settings were enabled.
    WouldBeRefused(String),
    /// That is not known, for this.
    Unknown(String),
}

/// Whether `account` would refuse an image.
pub fn judge(settings: &AllowedImages, image: &Candidate, account: &AccountId, now: Timestamp) -> Verdict {
    if image.owner == *account || settings.state == AllowedState::Disabled {
        return Verdict::Allowed;
    }
    if settings.criteria.is_empty() {
        return Verdict::Unknown("The settings have no criteria".to_owned());
    }
    let mut fails: BTreeSet<String> = BTreeSet::new();
    let met = settings.criteria.iter().map(|criterion| {
        let (met, failed) = meets(criterion, image, now);
        fails.extend(failed);
        met
    });
    let met = met.fold(Truth::No, Truth::or);
    let why = fails.into_iter().collect::<Vec<_>>().join(", ");
    match (met, &settings.state) {
        (Truth::Yes, _) => Verdict::Allowed,
        (Truth::Perhaps(why), _) => Verdict::Unknown(why),
        (Truth::No, AllowedState::Enabled) => Verdict::Refused(why),
        (Truth::No, AllowedState::AuditMode) => Verdict::WouldBeRefused(why),
        (Truth::No, AllowedState::Other(state)) => Verdict::Unknown(format!("The state {state} is not known")),
        (Truth::No, AllowedState::Disabled) => Verdict::Allowed,
    }
}

/// Whether an image meets a criterion, and the parts of it that it does not meet.
fn meets(of: &ImageCriterion, image: &Candidate, now: Timestamp) -> (Truth, Vec<String>) {
    let mut parts: Vec<(Truth, String)> = Vec::new();
    if !of.providers.is_empty() {
        let is_owner = |one: &str| one == image.owner.as_str() || Some(one) == image.alias.as_deref();
        let is_met = of.providers.iter().any(|one| is_owner(one));
        parts.push((Truth::of(is_met), format!("{} is no provider", image.owner)));
    }
    if !of.names.is_empty() {
        let is_met = of.names.iter().any(|name| glob(name, &image.name));
        parts.push((
            Truth::of(is_met),
            format!("the name is none of {}", of.names.join(", ")),
        ));
    }
    if !of.product_codes.is_empty() {
        let is_met = if image.product_codes {
            Truth::Perhaps("Its product code is not compared".to_owned())
        } else {
            Truth::No
        };
        parts.push((is_met, "there is no product code".to_owned()));
    }
    if let Some(days) = of.max_days_since_deprecated {
        let deprecated = image.deprecated.filter(|at| *at <= now);
        let is_met = deprecated.is_none_or(|at| days > 0 && is_within(at, days, now));
        parts.push((Truth::of(is_met), format!("it is deprecated for more than {days} days")));
    }
    if let Some(days) = of.max_days_since_created {
        let is_met = match image.created {
            Some(at) => Truth::of(is_within(at, days, now)),
            None => Truth::Perhaps("AWS does not say when it was made".to_owned()),
        };
        parts.push((is_met, format!("it is older than {days} days")));
    }
    if !of.watermarks.is_empty() {
        parts.push((watermarked(of, image), "it has none of the watermarks".to_owned()));
    }
    if of.scan.is_some() {
        let is_met = if image.new {
            Truth::No
        } else {
            Truth::Perhaps("What Amazon Inspector has found is not compared".to_owned())
        };
        parts.push((is_met, "Amazon Inspector has not scanned it yet".to_owned()));
    }
    if parts.is_empty() {
        let unknown = Truth::Perhaps("A criterion asks for nothing that is known".to_owned());
        return (unknown, Vec::new());
    }
    let failed = parts
        .iter()
        .filter(|(met, _)| *met == Truth::No)
        .map(|(_, what)| what.clone())
        .collect();
    (
        parts.into_iter().map(|(met, _)| met).fold(Truth::Yes, Truth::and),
        failed,
    )
}

/// Whether it has one of the watermarks. Of a filter that asks for more than the key, that is not known.
fn watermarked(of: &ImageCriterion, image: &Candidate) -> Truth {
    let each = of.watermarks.iter().map(|filter| {
        let has_key = |mark: &str| filter.key.as_deref().is_none_or(|key| glob(key, mark));
        match (image.watermarks.iter().any(|mark| has_key(mark)), filter.is_narrower()) {
            (false, _) => Truth::No,
            (true, true) => Truth::Perhaps("What the criterion asks of a watermark is not compared".to_owned()),
            (true, false) => Truth::Yes,
        }
    });
    each.fold(Truth::No, Truth::or)
}

fn is_within(at: Timestamp, days: i32, now: Timestamp) -> bool {
    now.duration_since(at).as_secs() <= i64::from(days) * DAY
}
