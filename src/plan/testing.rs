//! What tests of the rules begin with.

use super::naming::CopyIdentity;
pub(crate) use crate::domain::testing::*;

pub(crate) fn copy_of() -> CopyIdentity {
    CopyIdentity {
        scope: scope(),
        source: image_id(1),
        key: key(1),
    }
}
