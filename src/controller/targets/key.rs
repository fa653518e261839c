//! The policy's key: read with every scan, and more often while it cannot be used.

use std::sync::Arc;

use super::TargetReconciler;
use crate::controller::survey::{unusable_keys, view_of};
use crate::domain::AwsError;
use crate::plan::obstacle::KeyView;
use crate::plan::source_keys::{self, SourceKeys};

impl TargetReconciler<'_> {
    /// Reads the key again, when that is due.
    pub(super) async fn follow_key(&self) {
        let now = self.ctx.clock.now();
        let due = self.state(|state| state.key.due().is_some_and(|due| due <= now));
        if due {
            self.read_key().await;
            self.classify();
            self.wake_migrations();
        }
    }

    /// Reads the key. What was known of it stays when it cannot be read, for what is returned.
    pub(super) async fn read_key(&self) -> Option<AwsError> {
        let answer = self.session.resolve_key(&self.target.spec.kms_key_id).await;
        let failed = answer.as_ref().err().cloned();
        self.know_key(answer.map(view_of));
        failed
    }

    /// Reads the keys that originals are encrypted under, after a scan, when that is due, and when images have come to be wanted whose
    /// keys were not: none is copied before.
    pub(super) async fn follow_source_keys(&self, has_scanned: bool) {
        let now = self.ctx.clock.now();
        let due = self.state(|state| state.source_keys.due().is_some_and(|due| due <= now));
        let is_new = self.state(|state| state.classified.is_some() && !state.has_source_keys_of_classified());
        if !due && !has_scanned && !is_new {
            return;
        }
        let (inventory, classified, key, known) = self.state(|state| {
            (
                state.inventory.clone(),
                state.classified.clone(),
                state.key.view().clone(),
                state.source_keys.clone(),
            )
        });
        let (Some(inventory), Some(classified)) = (inventory, classified) else {
            return;
        };
        let wanted = classified.wanted.iter();
        let images = wanted.filter_map(|wanted| inventory.images.get(&wanted.image).map(|image| &**image));
        let keys = source_keys::to_read(images, &inventory, key.arn());
        if !due && !has_scanned && !known.lacks(&keys) {
            self.state(|state| state.source_keys_of = Arc::downgrade(&classified));
            return;
        }
        let (problems, denied) = unusable_keys(&self.session, &keys, &known).await;
        let read = SourceKeys::read(problems, self.ctx.clock.now())
            .asked(keys)
            .denied(denied);
        let is_news = self.state(|state| {
            let is_news = !state.source_keys.says_as(&read);
            state.source_keys = Arc::new(read);
            state.source_keys_of = Arc::downgrade(&classified);
            is_news
        });
        if is_news {
            self.wake_migrations();
        }
    }

    /// Has these keys, and the policy's own, read again: a copy has failed, maybe for one of them.
    pub(super) fn doubt_keys(&self) {
        let now = self.ctx.clock.now();
        self.state(|state| {
            state.key.doubt(now);
            Arc::make_mut(&mut state.source_keys).doubt(now);
        });
    }

    /// Takes in what KMS says of the key.
    pub(super) fn know_key(&self, answer: Result<KeyView, AwsError>) {
        let now = self.ctx.clock.now();
        match answer {
            Ok(view) => self.state(|state| state.key.read(view, now)),
            Err(error) => {
                tracing::warn!(%error, "could not read the key");
                let key = &self.target.spec.kms_key_id;
                self.state(|state| state.key.failed(&error, key, now));
            }
        }
    }
}
