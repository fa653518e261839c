//! Parameters of Parameter Store that amiseal itself keeps.

use super::Tags;

/// A parameter, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredParameter {
    /// Its whole name.
    pub name: Box<str>,
    /// What it holds.
    pub value: Box<str>,
    /// Its latest version.
    pub version: i64,
}

/// Some pages of a list of parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParameterPages {
    /// What is on them.
    pub parameters: Vec<StoredParameter>,
    /// From where the list goes on; none where they are its end.
    pub next: Option<Box<str>>,
}

/// A parameter that is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewParameter {
    /// Its whole name.
    pub name: String,
    /// The ID of an image.
    pub value: String,
    /// What it is for.
    pub description: String,
    /// Tags, which it gets when it is made.
    pub tags: Tags,
}
