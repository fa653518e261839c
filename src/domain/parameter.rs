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
