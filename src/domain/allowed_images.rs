//! Which images of others can be launched in a region: the settings of Allowed AMIs.

/// The settings of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedImages {
    /// Whether they refuse, or would.
    pub state: AllowedState,
    /// An image that meets one of these is allowed.
    pub criteria: Vec<ImageCriterion>,
}

/// What a region does with images that no criterion allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedState {
    /// Launches them.
    Disabled,
    /// Launches them, and shows that it would not.
    AuditMode,
    /// Refuses them.
    Enabled,
    /// A state that this version does not know.
    Other(Box<str>),
}

/// What an image has to be: everything that is said here, and of a list one of the values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageCriterion {
    /// Account IDs and aliases of owners.
    pub providers: Vec<Box<str>>,
    /// Names, with the wildcards `*` and `?`.
    pub names: Vec<Box<str>>,
    /// Whether it asks for a product code.
    pub product_codes: bool,
    /// For how many days it may be deprecated.
    pub max_days_since_deprecated: Option<i32>,
    /// How many days old it may be.
    pub max_days_since_created: Option<i32>,
    /// Watermarks.
    pub watermarks: Vec<WatermarkFilter>,
    /// Whether it asks what Amazon Inspector has found.
    pub scan: bool,
}

/// A watermark that an image has to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WatermarkFilter {
    /// The key.
    pub key: Option<Box<str>>,
    /// Whether it says more of the watermark than its key.
    pub narrower: bool,
}
