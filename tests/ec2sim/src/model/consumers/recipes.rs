//! Recipes of EC2 Image Builder.

use serde::{Deserialize, Serialize};

use super::TemplateDevice;
use crate::clock::SimTime;
use crate::model::Tags;

/// An image recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ImageRecipe {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// As in `1.0.0`.
    pub version: String,
    /// An image, `ssm:` and a parameter, or an ARN of Image Builder.
    pub parent_image: String,
    /// `Linux` or `Windows`.
    pub platform: String,
    /// Block device mappings.
    pub devices: Vec<TemplateDevice>,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}

/// A container recipe.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContainerRecipe {
    /// Makes that many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Name.
    pub name: String,
    /// As in `1.0.0`.
    pub version: String,
    /// A container image.
    pub parent_image: String,
    /// The image of the instance that builds it, or `ssm:` and a parameter.
    pub instance_image: Option<String>,
    /// `Linux` or `Windows`.
    pub platform: String,
    /// When it was made.
    pub created: Option<SimTime>,
    /// Tags.
    pub tags: Tags,
}
