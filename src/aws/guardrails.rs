//! The settings of a region that keep people from launching or sharing what they should not: read, and set.

use aws_sdk_ec2::types::{
    self as sdk, AllowedImagesSettingsEnabledState, ImageBlockPublicAccessEnabledState, SnapshotBlockPublicAccessState,
};
use futures::future::join_all;

use super::allowed_images::{criteria, requested};
use super::session::Session;
use crate::domain::{AwsError, Guardrail, GuardrailChange, GuardrailState, ImageCriterion, ManagedBy, Operation};

/// What a setting is, and whose it is to change.
type Stated = Result<(Box<str>, Option<ManagedBy>), AwsError>;

impl Session {
    /// Reads all of them. One that cannot be read hides no other.
    pub async fn guardrails(&self) -> Vec<GuardrailState> {
        self.guardrails_of(&Guardrail::ALL).await
    }

    /// Reads these, likewise.
    pub async fn guardrails_of(&self, which: &[Guardrail]) -> Vec<GuardrailState> {
        join_all(which.iter().map(|guardrail| Box::pin(self.guardrail(*guardrail)))).await
    }

    async fn guardrail(&self, guardrail: Guardrail) -> GuardrailState {
        let mut criteria = Vec::new();
        let read = match guardrail {
            Guardrail::EncryptionByDefault => self.encryption_by_default().await,
            Guardrail::ImageBlockPublicAccess => self.image_block().await,
            Guardrail::SnapshotBlockPublicAccess => self.snapshot_block().await,
            Guardrail::AllowedImages => self.allowed_images_state().await.map(|(stated, shown)| {
                criteria = shown;
                stated
            }),
        };
        let (state, managed_by) = match read {
            Ok((state, managed_by)) => (Ok(state), managed_by),
            Err(error) => (Err(error), None),
        };
        GuardrailState {
            guardrail,
            holds: state.as_ref().is_ok_and(|state| holds(guardrail, state)),
            state,
            managed_by,
            criteria,
        }
    }

    /// Reads what is encrypted under where nobody names a key: the ARN of a key, or `alias/aws/ebs`.
    pub async fn default_key(&self) -> Result<Box<str>, AwsError> {
        const OPERATION: Operation = Operation::GetEbsDefaultKmsKeyId;
        let request = self.ec2().get_ebs_default_kms_key_id();
        let answer = self.call(OPERATION, request.send()).await?;
        match answer.kms_key_id {
            Some(key) if !key.is_empty() => Ok(key.into()),
            _ => Err(AwsError::malformed(OPERATION, &"no key in the answer")),
        }
    }

    /// Sets one of them. AWS has taken it then; that it shows may take ten minutes more.
    pub async fn set_guardrail(&self, change: &GuardrailChange) -> Result<(), AwsError> {
        let (ec2, operation) = (self.ec2(), change.operation());
        match change {
            GuardrailChange::DefaultKey(key) => {
                let request = ec2.modify_ebs_default_kms_key_id().kms_key_id(key.as_str());
                self.call(operation, request.send()).await.map(drop)
            }
            GuardrailChange::EncryptionByDefault => {
                let request = ec2.enable_ebs_encryption_by_default();
                self.call(operation, request.send()).await.map(drop)
            }
            GuardrailChange::BlockImages => {
                let request = ec2
                    .enable_image_block_public_access()
                    .image_block_public_access_state(ImageBlockPublicAccessEnabledState::BlockNewSharing);
                self.call(operation, request.send()).await.map(drop)
            }
            GuardrailChange::BlockSnapshots => {
                let request = ec2
                    .enable_snapshot_block_public_access()
                    .state(SnapshotBlockPublicAccessState::BlockNewSharing);
                self.call(operation, request.send()).await.map(drop)
            }
            GuardrailChange::ImageCriteria(criteria) => {
                let criteria = criteria.iter().map(requested).collect();
                let request = ec2
                    .replace_image_criteria_in_allowed_images_settings()
                    .set_image_criteria(Some(criteria));
                self.call(operation, request.send()).await.map(drop)
            }
            GuardrailChange::AuditImages => self.allow_images(AllowedImagesSettingsEnabledState::AuditMode).await,
            GuardrailChange::RefuseImages => self.allow_images(AllowedImagesSettingsEnabledState::Enabled).await,
        }
    }

    async fn allow_images(&self, state: AllowedImagesSettingsEnabledState) -> Result<(), AwsError> {
        const OPERATION: Operation = Operation::EnableAllowedImagesSettings;
        let request = self.ec2().enable_allowed_images_settings();
        let request = request.allowed_images_settings_state(state);
        self.call(OPERATION, request.send()).await.map(drop)
    }

    async fn encryption_by_default(&self) -> Stated {
        const OPERATION: Operation = Operation::GetEbsEncryptionByDefault;
        let request = self.ec2().get_ebs_encryption_by_default();
        let answer = self.call(OPERATION, request.send()).await?;
        let is_on = answer.ebs_encryption_by_default;
        let is_on = is_on.ok_or_else(|| AwsError::malformed(OPERATION, &"no state in the answer"))?;
        // No declarative policy can hold it, so that AWS says nothing of whose it is.
        Ok((if is_on { "enabled" } else { "disabled" }.into(), None))
    }

    async fn image_block(&self) -> Stated {
        const OPERATION: Operation = Operation::GetImageBlockPublicAccessState;
        let request = self.ec2().get_image_block_public_access_state();
        let answer = self.call(OPERATION, request.send()).await?;
        stated(OPERATION, answer.image_block_public_access_state(), answer.managed_by())
    }

    async fn snapshot_block(&self) -> Stated {
        const OPERATION: Operation = Operation::GetSnapshotBlockPublicAccessState;
        let request = self.ec2().get_snapshot_block_public_access_state();
        let answer = self.call(OPERATION, request.send()).await?;
        let state = answer.state().map(|state| state.as_str());
        stated(OPERATION, state, answer.managed_by())
    }

    async fn allowed_images_state(&self) -> Result<((Box<str>, Option<ManagedBy>), Vec<ImageCriterion>), AwsError> {
        const OPERATION: Operation = Operation::GetAllowedImagesSettings;
        let request = self.ec2().get_allowed_images_settings();
        let answer = self.call(OPERATION, request.send()).await?;
        let read = stated(OPERATION, answer.state(), answer.managed_by())?;
        Ok((read, criteria(answer.image_criteria())))
    }
}

/// Whether a state is as it should be. Blocking what is shared from now on is enough for images: an image that is public already is found
/// by itself.
fn holds(guardrail: Guardrail, state: &str) -> bool {
    match guardrail {
        Guardrail::EncryptionByDefault | Guardrail::AllowedImages => state == "enabled",
        Guardrail::ImageBlockPublicAccess => state == "block-new-sharing",
        Guardrail::SnapshotBlockPublicAccess => state == "block-all-sharing" || state == "block-new-sharing",
    }
}

fn stated(operation: Operation, state: Option<&str>, managed_by: Option<&sdk::ManagedBy>) -> Stated {
    match state {
        Some(state) if !state.is_empty() => Ok((state.into(), managed_by.map(whose))),
        _ => Err(AwsError::malformed(operation, &"no state in the answer")),
    }
}

fn whose(managed_by: &sdk::ManagedBy) -> ManagedBy {
    match managed_by {
        sdk::ManagedBy::Account => ManagedBy::Account,
        // Whoever else AWS may come to name, it is not the account.
        _ => ManagedBy::DeclarativePolicy,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{Answer, Wire, bench, open, own};
    use super::*;
    use crate::domain::{ErrorClass, ScanFilter, WatermarkFilter};

    const KEY: &str = "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

    #[tokio::test]
    async fn each_is_read_with_whose_it_is_and_one_that_cannot_be_read_hides_no_other() {
        let wire = Wire::new(|request| match request.call.as_str() {
            "ec2:GetEbsEncryptionByDefault" => Answer::ok(
                "<GetEbsEncryptionByDefaultResponse><ebsEncryptionByDefault>true</ebsEncryptionByDefault>\
                 </GetEbsEncryptionByDefaultResponse>",
            ),
            "ec2:GetImageBlockPublicAccessState" => Answer::ok(
                "<GetImageBlockPublicAccessStateResponse><imageBlockPublicAccessState>unblocked\
                 </imageBlockPublicAccessState><managedBy>account</managedBy></GetImageBlockPublicAccessStateResponse>",
            ),
            "ec2:GetSnapshotBlockPublicAccessState" => Answer::ok(
                "<GetSnapshotBlockPublicAccessStateResponse><state>block-all-sharing</state>\
                 <managedBy>declarative-policy</managedBy></GetSnapshotBlockPublicAccessStateResponse>",
            ),
            _ => Answer::ok("<GetAllowedImagesSettingsResponse/>"),
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let read = Box::pin(session.guardrails()).await;
        let found: Vec<_> = read
            .iter()
            .map(|one| (one.guardrail, one.state.as_deref().ok(), one.holds, one.managed_by))
            .collect();
        assert_eq!(
            found,
            [
                (Guardrail::EncryptionByDefault, Some("enabled"), true, None),
                (
                    Guardrail::ImageBlockPublicAccess,
                    Some("unblocked"),
                    false,
                    Some(ManagedBy::Account)
                ),
                (
                    Guardrail::SnapshotBlockPublicAccess,
                    Some("block-all-sharing"),
                    true,
                    Some(ManagedBy::DeclarativePolicy)
                ),
                (Guardrail::AllowedImages, None, false, None),
            ]
        );
        assert_eq!(wire.count("ec2:GetEbsDefaultKmsKeyId"), 0, "findings do not ask for it");
    }

    #[tokio::test]
    async fn the_default_key_is_as_aws_names_it_and_an_answer_without_one_is_none() {
        for (body, expected) in [
            ("<kmsKeyId>alias/aws/ebs</kmsKeyId>", Ok("alias/aws/ebs")),
            ("", Err(ErrorClass::Invalid)),
        ] {
            let wire = Wire::new(move |_| {
                Answer::ok(format!(
                    "<GetEbsDefaultKmsKeyIdResponse>{body}</GetEbsDefaultKmsKeyIdResponse>"
                ))
            });
            let bench = bench(&wire, open()).await;
            let session = bench.aws.session(&own(Access::ReadOnly));
            let key = session.default_key().await;
            assert_eq!(key.as_deref().map_err(|error| error.class), expected);
        }
    }

    /// Criteria that say something of everything between them.
    fn everything() -> Vec<ImageCriterion> {
        vec![
            ImageCriterion {
                providers: vec!["amazon".into(), "444455556666".into()],
                names: vec!["golden-*".into()],
                product_codes: vec!["abc".into()],
                max_days_since_deprecated: Some(0),
                max_days_since_created: Some(30),
                ..ImageCriterion::default()
            },
            ImageCriterion {
                watermarks: vec![WatermarkFilter {
                    key: Some("111122223333:ok".into()),
                    ..WatermarkFilter::default()
                }],
                scan: Some(ScanFilter {
                    max_severity: Some("high".into()),
                    ..ScanFilter::default()
                }),
                ..ImageCriterion::default()
            },
        ]
    }

    #[tokio::test]
    async fn each_change_is_the_call_that_it_says_with_what_it_sets() {
        let wire = Wire::new(|request| {
            let action = request.call.trim_start_matches("ec2:");
            Answer::ok(format!("<{action}Response/>"))
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::Full));
        let key = KEY.parse().expect("a key");
        for (change, parameter) in [
            (GuardrailChange::DefaultKey(key), Some(("KmsKeyId", KEY))),
            (GuardrailChange::EncryptionByDefault, None),
            (
                GuardrailChange::BlockImages,
                Some(("ImageBlockPublicAccessState", "block-new-sharing")),
            ),
            (GuardrailChange::BlockSnapshots, Some(("State", "block-new-sharing"))),
            (
                GuardrailChange::ImageCriteria(everything()),
                Some(("ImageCriterion.1.ImageProvider.2", "444455556666")),
            ),
            (
                GuardrailChange::ImageCriteria(everything()),
                Some(("ImageCriterion.2.ScanResultCondition.MaximumSeverityLabel", "high")),
            ),
            (
                GuardrailChange::ImageCriteria(everything()),
                Some(("ImageCriterion.2.ImageWatermark.1.WatermarkKey", "111122223333:ok")),
            ),
            (
                GuardrailChange::ImageCriteria(everything()),
                Some((
                    "ImageCriterion.1.DeprecationTimeCondition.MaximumDaysSinceDeprecated",
                    "0",
                )),
            ),
            (
                GuardrailChange::AuditImages,
                Some(("AllowedImagesSettingsState", "audit-mode")),
            ),
            (
                GuardrailChange::RefuseImages,
                Some(("AllowedImagesSettingsState", "enabled")),
            ),
        ] {
            session.set_guardrail(&change).await.expect("taken");
            let request = wire.requests().pop().expect("a request");
            assert_eq!(request.call, change.operation().action());
            if let Some((name, value)) = parameter {
                assert_eq!(request.form.get(name).map(String::as_str), Some(value));
            }
        }
    }
}
