//! Events: what a message says that is to be looked at, and how often somebody may say so.
//!
//! A message is only a hint to look. Whatever it says, AWS is asked before anything is believed, so that one that is lost, doubled, late
//! or forged does no harm, and a flood of them costs no more than a look a minute.

mod available;
mod message;
mod own;
mod pace;
mod relay;
#[cfg(test)]
mod tests;
mod undeleted;

use std::collections::BTreeMap;

use crate::domain::{Guardrail, ImageId, Scope};

pub use available::of_available;
pub use message::{LARGEST, Refused, read};
pub use own::is_own;
pub use pace::{APART, HintWatch};
pub use relay::{FRESH, heard, told};
pub use undeleted::Undeleted;

/// Something that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// Where.
    pub scope: Scope,
    /// What.
    pub what: What,
    /// The image that has changed, where an event names one.
    pub image: Option<ImageId>,
    /// The ARN of whoever has made the call that was seen.
    pub by: Option<Box<str>>,
}

/// What is to be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// New images.
    NewImages,
    /// All images.
    Images,
    /// This guardrail.
    Guardrail(Guardrail),
    /// What launches images.
    Consumers,
}

impl What {
    /// The kinds, as metrics have them.
    pub const KINDS: [&'static str; 4] = ["newImages", "images", "guardrails", "consumers"];
}

/// What several hints come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// New images.
    pub new_images: bool,
    /// All images.
    pub images: bool,
    /// What launches images.
    pub consumers: bool,
    /// Guardrails, and who has changed each, as far as an event says that.
    pub guardrails: BTreeMap<Guardrail, Option<Box<str>>>,
}

impl Wanted {
    /// Whether it is nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes up what else is wanted. Of a guardrail that several have changed, the last one is known.
    pub fn take_up(&mut self, other: Self) {
        self.new_images |= other.new_images;
        self.images |= other.images;
        self.consumers |= other.consumers;
        for (guardrail, by) in other.guardrails {
            let known = self.guardrails.entry(guardrail).or_default();
            *known = by.or(known.take());
        }
    }

    /// Which kinds it has, as metrics have them.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> + use<> {
        let has = [
            self.new_images,
            self.images,
            !self.guardrails.is_empty(),
            self.consumers,
        ];
        What::KINDS
            .into_iter()
            .zip(has)
            .filter_map(|(kind, has)| has.then_some(kind))
    }
}

impl From<&Hint> for Wanted {
    fn from(hint: &Hint) -> Self {
        let mut wanted = Self::default();
        match hint.what {
            What::NewImages => wanted.new_images = true,
            What::Images => wanted.images = true,
            What::Consumers => wanted.consumers = true,
            What::Guardrail(guardrail) => {
                wanted.guardrails.insert(guardrail, hint.by.clone());
            }
        }
        wanted
    }
}
