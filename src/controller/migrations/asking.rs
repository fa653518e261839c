//! Asking AWS what a decision wants to know.

use kube::ResourceExt;

use super::MigrationReconciler;
use crate::aws::{AwsError, Session};
use crate::domain::{ImageId, ImageState, Inventory, Operation};
use crate::plan::step::{Answers, Question};

/// What came of a question.
pub(super) enum Asked {
    /// An answer.
    Answered,
    /// The image is not there. That AWS does not know it says nothing of other reads.
    Absent,
    /// The image is there, and known now: everything is decided anew.
    Shown,
}

impl MigrationReconciler<'_> {
    /// Asks AWS what a decision wants to know.
    pub(super) async fn ask(
        &self,
        session: &Session,
        question: &Question,
        answers: &mut Answers,
    ) -> Result<Asked, AwsError> {
        match question {
            Question::Absence(image) => {
                if self.is_there(session, image).await? {
                    return Ok(Asked::Shown);
                }
                answers.gone.insert(image.clone());
                return Ok(Asked::Absent);
            }
            Question::UefiData(copy) => answers.uefi_differs = Some(self.uefi_differs(session, copy).await?),
            Question::LaunchPermissions => {
                // They are read once more just before what they say is published: room for both, or for neither.
                session.reserve(&self.ctx.registry.memory.was_put_off(&self.uid))?;
                answers.permissions = Some(session.launch_permissions(&self.of.source).await?);
            }
            Question::Consumer(key, besides) => {
                let seen = self.read_consumer(session, key, besides).await?;
                answers.consumers.insert(key.clone(), seen);
            }
            Question::KeyAccess => answers.key_access = Some(self.read_key_access(session).await?),
            Question::ForeignCopy(image) => {
                let seen = self.read_foreign(session, image).await?;
                answers.foreign.insert(image.clone(), seen);
            }
            Question::Instance(which) => {
                let seen = Box::pin(self.read_instance(session, which)).await?;
                answers.instance = Some((which.clone(), seen));
            }
            Question::Scan(which) => {
                let seen = Box::pin(self.read_scan(session, which)).await?;
                answers.scan = Some((which.clone(), seen));
            }
            Question::ScanResult(copy, since) => {
                if Box::pin(self.shows_scan(session, copy, *since)).await? {
                    return Ok(Asked::Shown);
                }
                answers.unscanned = Some(copy.clone());
            }
            // It is no question to AWS, and is answered before.
            Question::Job(_) => {}
        }
        Ok(Asked::Answered)
    }

    /// Asks for an image that the listings do not show, by its ID.
    async fn is_there(&self, session: &Session, image: &ImageId) -> Result<bool, AwsError> {
        let found = session.images(std::slice::from_ref(image)).await?;
        let is_there = !found.is_empty();
        if is_there {
            tracing::warn!(%image, "a listing has missed an image that is there");
            if found.iter().any(|image| image.state == ImageState::Failed) {
                self.doubt_keys();
            }
            self.amend(|inventory| found.into_iter().for_each(|image| inventory.insert(image)));
        }
        Ok(is_there)
    }

    /// Whether the copy's UEFI data are not the source's.
    async fn uefi_differs(&self, session: &Session, copy: &ImageId) -> Result<bool, AwsError> {
        session.reserve(&[Operation::DescribeImageAttribute; 2])?;
        Ok(session.uefi_data(&self.of.source).await? != session.uefi_data(copy).await?)
    }

    pub(super) fn amend(&self, change: impl FnOnce(&mut Inventory)) {
        self.ctx
            .registry
            .amend(&self.target.name_any(), &self.target.uid().unwrap_or_default(), change);
    }
}
