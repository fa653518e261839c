//! How the keys are kept that images are encrypted under.

use aws_sdk_kms::types::{KeyManagerType, KeyMetadata, KeySpec, KeyState as Sdk, OriginType};
use jiff::Timestamp;

use super::session::Session;
use crate::domain::{AwsError, ErrorClass, KeyArn, KeyHealth, KeyState, Operation, Rotation};

impl Session {
    /// Reads whether what is encrypted under a key can be read, and whether KMS rotates it.
    pub async fn key_health(&self, key: &KeyArn) -> Result<KeyHealth, AwsError> {
        const OPERATION: Operation = Operation::DescribeKey;
        let kms = self.kms();
        let request = kms.describe_key().key_id(key.as_str());
        let answer = match self.call(OPERATION, request.send()).await {
            Ok(answer) => answer,
            // Of another account's key, KMS may say that it is not there to whom it does not show it.
            Err(error) if error.class == ErrorClass::NotFound && *key.account() == self.key.scope.account => {
                return Ok(KeyHealth {
                    state: KeyState::Gone,
                    rotation: Ok(Rotation::NotApplicable),
                });
            }
            Err(error) => return Err(error),
        };
        let metadata = answer
            .key_metadata
            .ok_or_else(|| AwsError::malformed(OPERATION, &"no key in the answer"))?;
        let state = state(&metadata)?;
        let rotation = if state == KeyState::Usable && is_rotatable(&metadata) {
            self.rotation(key).await
        } else {
            Ok(Rotation::NotApplicable)
        };
        Ok(KeyHealth { state, rotation })
    }

    async fn rotation(&self, key: &KeyArn) -> Result<Rotation, AwsError> {
        let kms = self.kms();
        let request = kms.get_key_rotation_status().key_id(key.as_str());
        let answer = self.call(Operation::GetKeyRotationStatus, request.send()).await?;
        Ok(if answer.key_rotation_enabled {
            Rotation::On
        } else {
            Rotation::Off
        })
    }
}

/// A state that this version does not know is no state to go by.
fn state(key: &KeyMetadata) -> Result<KeyState, AwsError> {
    Ok(match &key.key_state {
        // A key that is being made, or whose primary key moves to another region, can be used, or can at once.
        Some(Sdk::Enabled | Sdk::Creating | Sdk::Updating) => KeyState::Usable,
        Some(Sdk::Disabled) => KeyState::Disabled,
        Some(Sdk::PendingDeletion | Sdk::PendingReplicaDeletion) => {
            let at = key.deletion_date.as_ref();
            KeyState::PendingDeletion(at.and_then(|at| Timestamp::from_second(at.secs()).ok()))
        }
        Some(Sdk::PendingImport | Sdk::Unavailable) => KeyState::Unavailable,
        other => {
            let said = other.as_ref().map_or("none", Sdk::as_str);
            let what = format!("the key's state {said} is not known");
            return Err(AwsError::malformed(Operation::DescribeKey, &what));
        }
    })
}

/// Whether its owner can have KMS rotate it: AWS rotates its own keys anyway, and KMS only makes material of symmetric keys anew that
/// it has made itself.
fn is_rotatable(key: &KeyMetadata) -> bool {
    key.key_manager == Some(KeyManagerType::Customer)
        && key.key_spec == Some(KeySpec::SymmetricDefault)
        && key.origin == Some(OriginType::AwsKms)
}

#[cfg(test)]
mod tests {
    use super::super::Access;
    use super::super::testing::{ACCOUNT, Answer, Wire, bench, open, own};
    use super::*;

    #[tokio::test]
    async fn only_of_the_accounts_own_key_it_is_known_that_it_is_gone() {
        let wire = Wire::new(|_| Answer::Reply(400, r#"{"__type":"NotFoundException"}"#.to_owned()));
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        for (account, is_gone) in [(ACCOUNT, true), ("444455556666", false)] {
            let key = format!("arn:aws:kms:eu-west-1:{account}:key/1").parse().expect("a key");
            let state = session.key_health(&key).await.map(|health| health.state);
            assert_eq!(state.is_ok_and(|state| state == KeyState::Gone), is_gone, "{account}");
        }
    }

    #[tokio::test]
    async fn a_key_whose_rotation_may_not_be_read_is_known_all_the_same() {
        let wire = Wire::new(|request| match request.call.as_str() {
            "kms:DescribeKey" => {
                let key = r#""KeyId":"1","KeyState":"Enabled","KeyManager":"CUSTOMER","KeySpec":"SYMMETRIC_DEFAULT","Origin":"AWS_KMS""#;
                Answer::ok(format!(r#"{{"KeyMetadata":{{{key}}}}}"#))
            }
            _ => Answer::Reply(400, r#"{"__type":"AccessDeniedException"}"#.to_owned()),
        });
        let bench = bench(&wire, open()).await;
        let session = bench.aws.session(&own(Access::ReadOnly));
        let key = format!("arn:aws:kms:eu-west-1:{ACCOUNT}:key/1").parse().expect("a key");
        let health = session.key_health(&key).await.expect("it was read");
        assert_eq!(health.state, KeyState::Usable);
        assert_eq!(health.rotation.map_err(|error| error.class), Err(ErrorClass::Denied));
    }

    fn key(state: Option<Sdk>) -> aws_sdk_kms::types::builders::KeyMetadataBuilder {
        KeyMetadata::builder()
            .key_id("1234abcd-12ab-34cd-56ef-1234567890ab")
            .key_manager(KeyManagerType::Customer)
            .key_spec(KeySpec::SymmetricDefault)
            .origin(OriginType::AwsKms)
            .set_key_state(state)
    }

    #[test]
    fn a_key_that_cannot_decrypt_is_told_from_one_that_can_and_an_unknown_state_from_both() {
        for (given, expected) in [
            (Some(Sdk::Enabled), Some(KeyState::Usable)),
            (Some(Sdk::Creating), Some(KeyState::Usable)),
            (Some(Sdk::Updating), Some(KeyState::Usable)),
            (Some(Sdk::Disabled), Some(KeyState::Disabled)),
            (Some(Sdk::PendingDeletion), Some(KeyState::PendingDeletion(None))),
            (Some(Sdk::PendingReplicaDeletion), Some(KeyState::PendingDeletion(None))),
            (Some(Sdk::PendingImport), Some(KeyState::Unavailable)),
            (Some(Sdk::Unavailable), Some(KeyState::Unavailable)),
            (Some(Sdk::from("Dreaming")), None),
            (None, None),
        ] {
            let key = key(given.clone()).build().expect("a key");
            assert_eq!(state(&key).ok(), expected, "{given:?}");
        }
    }

    #[test]
    fn only_a_symmetric_key_of_its_owner_whose_material_is_of_kms_can_be_rotated() {
        let of = |change: fn(aws_sdk_kms::types::builders::KeyMetadataBuilder) -> _| {
            let key: aws_sdk_kms::types::builders::KeyMetadataBuilder = change(key(Some(Sdk::Enabled)));
            is_rotatable(&key.build().expect("a key"))
        };
        assert!(of(|key| key));
        assert!(!of(|key| key.key_manager(KeyManagerType::Aws)));
        assert!(!of(|key| key.key_spec(KeySpec::Rsa2048)));
        assert!(!of(|key| key.origin(OriginType::External)));
        assert!(!of(|key| key.origin(OriginType::AwsCloudhsm)));
    }
}
