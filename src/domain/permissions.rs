//! What a role may not do, and what it is asked about.

use std::sync::Arc;

use super::{Image, Tags};

/// A copy as it is going to be asked for, of which it is asked first whether it is permitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopySample {
    /// The image that is to be copied.
    pub source: Arc<Image>,
    /// The copy's name.
    pub name: String,
    /// The copy's description.
    pub description: Option<Box<str>>,
    /// The tags of the copy and its snapshots.
    pub tags: Tags,
    /// The tags that the copy gets later, if any.
    pub published: Tags,
}

/// Actions that a role lacks, as far as AWS could be asked by dry runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MissingPermissions {
    /// Denied for what they are needed for.
    pub certain: Vec<&'static str>,
    /// Denied for an image without amiseal's tags, when there was none with them to ask about: a role may allow these for
    /// such images only, as far as amiseal needs them.
    pub untagged: Vec<&'static str>,
}

impl MissingPermissions {
    /// Whether nothing is known to be missing.
    pub fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.untagged.is_empty()
    }
}
