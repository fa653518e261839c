//! The policy's key: read with every scan, and more often while it cannot be used.

use std::sync::Arc;
use std::time::Duration;

use super::Work;
use crate::aws::AwsError;
use crate::controller::survey::view_of;
use crate::controller::trouble;
use crate::plan::obstacle::KeyView;

/// After how long a key that could not be used is read again: it is one call, and many images may wait for it.
const UNUSABLE: Duration = Duration::from_secs(600);

impl Work<'_> {
    /// Reads the key again, when that is due. Says whether it did.
    pub(super) async fn follow_key(&self) -> bool {
        let now = self.ctx.clock.now();
        let due = self.place(|place| place.key.due.is_some_and(|due| due <= now));
        if due {
            self.read_key().await;
            self.classify();
            self.wake_migrations();
        }
        due
    }

    /// Reads the key. What was known of it stays when it cannot be read.
    pub(super) async fn read_key(&self) {
        let answer = self.session.resolve_key(&self.target.spec.kms_key_id).await;
        self.know_key(answer.map(view_of));
    }

    /// Takes in what KMS says of the key.
    pub(super) fn know_key(&self, answer: Result<KeyView, AwsError>) {
        let now = self.ctx.clock.now();
        if let Err(error) = &answer {
            tracing::warn!(target = self.name, %error, "could not read the key");
        }
        self.place(|place| {
            let key = &mut place.key;
            match answer {
                Ok(view) => {
                    key.due = view.problem().map(|_| now + UNUSABLE);
                    key.view = Arc::new(view);
                    key.trouble = None;
                    key.failures = 0;
                }
                Err(error) => {
                    key.failures += 1;
                    key.due = Some(now + trouble::retry_after(&error, key.failures));
                    key.trouble = Some(trouble::of_error(&error));
                }
            }
        });
    }
}
