//! What an account sees of an image that is another account's.

use super::{AllowedImages, Image};

/// A copy, as an account sees it that does not own it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignCopy {
    /// The copy; none where AWS does not show it to the account: it is gone, not shared, or hidden by Allowed AMIs.
    pub image: Option<Image>,
    /// Which images of others can be launched in the account and region.
    pub allowed: AllowedImages,
}
