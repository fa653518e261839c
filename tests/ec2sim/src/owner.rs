//! What the owner of an image does to it by hand, apart from sharing and deregistering it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::SimTime;
use crate::model::{Image, ImageState};

/// Something that the owner of an image does to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OwnerAct {
    /// Disables it, which takes all launch permissions away.
    Disable,
    /// Enables it again, which gives none of them back.
    Enable,
    /// Lets instances launched from it use version 2 of the instance metadata service only.
    RequireImdsV2,
    /// Describes it otherwise; an empty text removes the description.
    Describe(String),
}

impl OwnerAct {
    /// Does it at this moment.
    pub(crate) fn apply(self, image: &mut Image, now: SimTime) {
        match self {
            Self::Disable if image.state == ImageState::Available => {
                image.state = ImageState::Disabled;
                image.launch_permissions.set(BTreeSet::new(), now, now);
            }
            Self::Enable if image.state == ImageState::Disabled => image.state = ImageState::Available,
            Self::Disable | Self::Enable => {}
            Self::RequireImdsV2 => image.attributes.imds_support = Some("v2.0".to_owned()),
            Self::Describe(text) => image.description.set((!text.is_empty()).then_some(text), now, now),
        }
    }
}
