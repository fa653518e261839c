//! The policy's key: read with every scan, and more often while it cannot be used.

use super::Work;
use crate::controller::survey::view_of;
use crate::domain::AwsError;
use crate::plan::obstacle::KeyView;

impl Work<'_> {
    /// Reads the key again, when that is due. Says whether it did.
    pub(super) async fn follow_key(&self) -> bool {
        let now = self.ctx.clock.now();
        let due = self.place(|place| place.key.due().is_some_and(|due| due <= now));
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
        match answer {
            Ok(view) => self.place(|place| place.key.read(view, now)),
            Err(error) => {
                tracing::warn!(target = self.name, %error, "could not read the key");
                self.place(|place| place.key.failed(&error, now));
            }
        }
    }
}
