//! How Amazon Inspector scans images.

use serde::{Deserialize, Serialize};

/// Amazon Inspector, which scans the images of all accounts by itself, where it is on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InspectorSettings {
    /// How many simulated seconds after it has become available, or after this has brought it into scope, an image is scanned, once;
    /// absent: it is off.
    pub scan_seconds: Option<f64>,
    /// Whether it leaves out images that name a source image.
    pub exclude_copied_amis: bool,
    /// What it finds in images: the first that matches. In all others it finds nothing.
    pub findings: Vec<InspectorFinding>,
    /// What becomes of on-demand scans, whether or not it is on.
    pub on_demand: OnDemandSettings,
}

/// What becomes of on-demand scans.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OnDemandSettings {
    /// How many simulated seconds one takes.
    pub seconds: f64,
    /// The longest that a new one may take to show.
    pub visible_seconds: f64,
    /// How many seconds after its end EC2 shows the result; absent: never.
    pub result_seconds: Option<f64>,
    /// Why they fail, as in `INTERNAL_ERROR`; absent: they succeed.
    pub fails: Option<String>,
    /// With which sentence they are refused; absent: they are not.
    pub refuses: Option<String>,
    /// Whether a client token is forgotten, so that it does not tell a repeated call from a new one.
    pub forgets_tokens: bool,
}

impl Default for OnDemandSettings {
    fn default() -> Self {
        Self {
            seconds: 60.0,
            visible_seconds: 0.0,
            result_seconds: Some(0.0),
            fails: None,
            refuses: None,
            forgets_tokens: false,
        }
    }
}

/// What Amazon Inspector finds in images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InspectorFinding {
    /// IDs or names of images, with `*`.
    pub image: String,
    /// The highest severity.
    pub highest: String,
}
