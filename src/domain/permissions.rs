//! What a role may not do.

/// Actions that a role lacks, as far as AWS could be asked by dry runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Denied for what they are needed for.
    pub certain: Vec<&'static str>,
    /// Denied for an image without amiseal's tags, when there was none with them to ask about: a role may allow these for
    /// such images only, as far as amiseal needs them.
    pub untagged: Vec<&'static str>,
}

impl Lacking {
    /// Whether nothing is known to be missing.
    pub fn is_empty(&self) -> bool {
        self.certain.is_empty() && self.untagged.is_empty()
    }
}
