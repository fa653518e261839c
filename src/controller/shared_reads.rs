//! What is read of AWS once for all migrations of a target, part of its state.

use std::collections::HashMap;

use crate::aws::SessionKey;
use crate::domain::{AllowedImages, KeyArn};
use crate::plan::access::key_reading::KeyReading;
use crate::plan::access::shared_read::SharedRead;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct SharedReads {
    /// Which images of others the account lets its people launch.
    pub(super) allowed_images: SharedRead<AllowedImages>,
    /// Who may use the keys of copies, each as a session shows it that may read it.
    pub(super) keys: HashMap<(KeyArn, SessionKey), SharedRead<KeyReading>>,
}
