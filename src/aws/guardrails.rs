//! Reading the settings of a region that keep people from launching or sharing what they should not.

use super::session::Session;
use crate::domain::{AwsError, Guardrail, GuardrailState, Operation};

impl Session {
    /// Reads all of them. One that cannot be read hides no other.
    pub async fn guardrails(&self) -> Vec<GuardrailState> {
        let (encryption, images, snapshots, allowed) = tokio::join!(
            self.encryption_by_default(),
            self.image_block(),
            self.snapshot_block(),
            self.allowed_images_state()
        );
        // Blocking what is shared from now on is enough for images: an image that is public already is found by itself.
        let found = [
            (Guardrail::EncryptionByDefault, encryption, &["enabled"][..]),
            (Guardrail::ImageBlockPublicAccess, images, &["block-new-sharing"][..]),
            (
                Guardrail::SnapshotBlockPublicAccess,
                snapshots,
                &["block-all-sharing", "block-new-sharing"][..],
            ),
            (Guardrail::AllowedImages, allowed, &["enabled"][..]),
        ];
        let state = |(guardrail, state, good): (_, Result<Box<str>, AwsError>, &[&str])| GuardrailState {
            guardrail,
            holds: state.as_ref().is_ok_and(|state| good.contains(&&**state)),
            state,
        };
        found.into_iter().map(state).collect()
    }

    async fn encryption_by_default(&self) -> Result<Box<str>, AwsError> {
        const OPERATION: Operation = Operation::GetEbsEncryptionByDefault;
        let request = self.ec2().get_ebs_encryption_by_default();
        let answer = self.call(OPERATION, request.send()).await?;
        let is_on = answer.ebs_encryption_by_default;
        let is_on = is_on.ok_or_else(|| AwsError::malformed(OPERATION, &"no state in the answer"))?;
        Ok(if is_on { "enabled" } else { "disabled" }.into())
    }

    async fn image_block(&self) -> Result<Box<str>, AwsError> {
        const OPERATION: Operation = Operation::GetImageBlockPublicAccessState;
        let request = self.ec2().get_image_block_public_access_state();
        let answer = self.call(OPERATION, request.send()).await?;
        stated(OPERATION, answer.image_block_public_access_state())
    }

    async fn snapshot_block(&self) -> Result<Box<str>, AwsError> {
        const OPERATION: Operation = Operation::GetSnapshotBlockPublicAccessState;
        let request = self.ec2().get_snapshot_block_public_access_state();
        let answer = self.call(OPERATION, request.send()).await?;
        stated(OPERATION, answer.state().map(|state| state.as_str()))
    }

    async fn allowed_images_state(&self) -> Result<Box<str>, AwsError> {
        const OPERATION: Operation = Operation::GetAllowedImagesSettings;
        let request = self.ec2().get_allowed_images_settings();
        let answer = self.call(OPERATION, request.send()).await?;
        stated(OPERATION, answer.state())
    }
}

fn stated(operation: Operation, state: Option<&str>) -> Result<Box<str>, AwsError> {
    match state {
        Some(state) if !state.is_empty() => Ok(state.into()),
        _ => Err(AwsError::malformed(operation, &"no state in the answer")),
    }
}
