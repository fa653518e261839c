//! Parameters of Systems Manager.

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::model::Tags;

/// A parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Parameter {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// `String`, `StringList` or `SecureString`.
    pub kind: String,
    /// `text` or `aws:ec2:image`.
    pub data_type: String,
    /// `Standard` or `Advanced`.
    pub tier: String,
    /// The key of a SecureString.
    pub key: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// The regular expression that values must match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_pattern: Option<String>,
    /// Its policies, a JSON array.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policies: Option<String>,
    /// Accounts that may read it, by its ARN.
    pub shared_with: Vec<String>,
    /// The value of the only version, or
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// the image whose ID is the value of the only version, or
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// its versions, from the oldest.
    pub versions: Vec<ParameterVersion>,
    /// Tags.
    pub tags: Tags,
}

/// A version of a parameter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParameterVersion {
    /// Its number; absent: one more than the last.
    pub number: u64,
    /// Its value.
    pub value: String,
    /// In place of the value: the image whose ID it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Its labels.
    pub labels: Vec<String>,
    /// When it was made.
    pub modified: Option<SimTime>,
    /// ARN of who made it; absent: its account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modified_by: Option<String>,
}

impl Parameter {
    /// The latest version.
    pub fn latest(&self) -> Option<&ParameterVersion> {
        self.versions.iter().max_by_key(|v| v.number)
    }

    /// A version by number or label; absent: the latest.
    pub fn version(&self, selector: Option<&str>) -> Option<&ParameterVersion> {
        let Some(selector) = selector else {
            return self.latest();
        };
        self.versions
            .iter()
            .find(|v| selector.parse() == Ok(v.number) || v.labels.iter().any(|l| l == selector))
    }
}
