//! What a role may do, asked by dry runs: nothing is changed by them.

use std::error::Error as StdError;
use std::future::Future;

use aws_sdk_ec2::types::{AttributeValue, ImageAttributeName, ResourceType, Tag, TagSpecification};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::session::Session;
use crate::domain::{AwsError, Cause, ErrorClass};
use crate::domain::{Image, KeyArn, Lacking};

const DESCRIBE_IMAGE_ATTRIBUTE: &str = "ec2:DescribeImageAttribute";
const COPY_IMAGE: &str = "ec2:CopyImage";
const CREATE_TAGS: &str = "ec2:CreateTags";
const MODIFY_IMAGE_ATTRIBUTE: &str = "ec2:ModifyImageAttribute";
const ENABLE_IMAGE_DEPRECATION: &str = "ec2:EnableImageDeprecation";
const DEREGISTER_IMAGE: &str = "ec2:DeregisterImage";
const DELETE_SNAPSHOT: &str = "ec2:DeleteSnapshot";

/// The actions on images and snapshots that `mode: Enforce` needs besides looking through them.
const ACTIONS: [&str; 7] = [
    DESCRIBE_IMAGE_ATTRIBUTE,
    COPY_IMAGE,
    CREATE_TAGS,
    MODIFY_IMAGE_ATTRIBUTE,
    ENABLE_IMAGE_DEPRECATION,
    DEREGISTER_IMAGE,
    DELETE_SNAPSHOT,
];

/// Actions that were denied, each once.
#[derive(Debug, Default)]
struct Denied(Vec<&'static str>);

impl Denied {
    fn note(&mut self, action: Option<&'static str>) {
        self.0.extend(action.filter(|action| !self.0.contains(action)));
    }
}

/// What the dry runs ask about.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// An image that is to be copied.
    pub source: &'a Image,
    /// A copy that amiseal made, if there is one.
    pub copy: Option<&'a Image>,
    /// The key.
    pub key: Option<&'a KeyArn>,
    /// The key of a tag that every copy gets.
    pub tag: &'a str,
    /// Whether copies are tagged after they were made, besides when they are made.
    pub tags: bool,
}

impl Session {
    /// The actions that migrating needs and that are not permitted, asked for by dry runs.
    ///
    /// What is done with copies only is asked about a copy, since a role may allow that for images with amiseal's tags only;
    /// where there is none, about the source, and then a refusal is in doubt.
    ///
    /// EC2 has no dry run for the use of a key: CopyImage checks that only once the copy is under way. The session must not be
    /// narrowed, or AWS answers for what it is narrowed to.
    pub async fn missing_permissions(&self, sample: Sample<'_>) -> Result<Lacking, AwsError> {
        let ec2 = self.ec2();
        let source = sample.source.id.as_str();
        let tag = || Tag::builder().key(sample.tag).value(source).build();
        let tags = |resource| TagSpecification::builder().resource_type(resource).tags(tag()).build();

        let mut certain = Denied::default();
        let attribute = ec2
            .describe_image_attribute()
            .image_id(source)
            .attribute(ImageAttributeName::LaunchPermission);
        certain.note(
            self.refused(DESCRIBE_IMAGE_ATTRIBUTE, Box::pin(attribute.dry_run(true).send()))
                .await?,
        );
        let copy = ec2
            .copy_image()
            .source_image_id(source)
            .source_region(self.key.region.as_str())
            .name(format!("amiseal-dry-run-{source}"))
            .encrypted(true)
            .set_kms_key_id(sample.key.map(ToString::to_string))
            .copy_image_tags(false)
            // Left to itself the SDK would make one up; nothing comes of this one.
            .client_token(format!("amiseal-dry-run-{source}"))
            .tag_specifications(tags(ResourceType::Image))
            .tag_specifications(tags(ResourceType::Snapshot));
        certain.note(self.refused(COPY_IMAGE, Box::pin(copy.dry_run(true).send())).await?);

        let mut denied = Denied::default();
        let image = sample.copy.unwrap_or(sample.source);
        let id = image.id.as_str();
        // AWS did not come to look at the tags of a copy that it denies.
        if sample.tags || certain.0.contains(&COPY_IMAGE) {
            let create_tags = ec2.create_tags().resources(id).tags(tag());
            denied.note(
                self.refused(CREATE_TAGS, Box::pin(create_tags.dry_run(true).send()))
                    .await?,
            );
        }
        let describe = AttributeValue::builder().value("amiseal").build();
        let modify = ec2.modify_image_attribute().image_id(id).description(describe);
        denied.note(
            self.refused(MODIFY_IMAGE_ATTRIBUTE, Box::pin(modify.dry_run(true).send()))
                .await?,
        );
        let tomorrow = DateTime::from_secs(self.shared.clock.now().as_second() + 24 * 3600);
        let deprecate = ec2.enable_image_deprecation().image_id(id).deprecate_at(tomorrow);
        denied.note(
            self.refused(ENABLE_IMAGE_DEPRECATION, Box::pin(deprecate.dry_run(true).send()))
                .await?,
        );
        let deregister = ec2.deregister_image().image_id(id);
        denied.note(
            self.refused(DEREGISTER_IMAGE, Box::pin(deregister.dry_run(true).send()))
                .await?,
        );
        if let Some((_, _, snapshot)) = image.volumes().next() {
            let delete = ec2.delete_snapshot().snapshot_id(snapshot.as_str());
            denied.note(
                self.refused(DELETE_SNAPSHOT, Box::pin(delete.dry_run(true).send()))
                    .await?,
            );
        }
        denied.0.retain(|action| !certain.0.contains(action));
        Ok(match sample.copy {
            Some(_) => Lacking {
                certain: [certain.0, denied.0].concat(),
                untagged: Vec::new(),
            },
            None => Lacking {
                certain: certain.0,
                untagged: denied.0,
            },
        })
    }

    /// Sends a dry run, and says which action is not permitted, if one is not.
    async fn refused<T, E>(
        &self,
        operation: &'static str,
        dry_run: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<Option<&'static str>, AwsError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match self.call(operation, dry_run).await {
            Ok(_) => Ok(None),
            Err(error) => judge(error),
        }
    }
}

/// What the answer to a dry run says: nothing is missing, this action is, or it could not be found out.
///
/// AWS looks at the permission before it looks at the state of things, so that a refusal for any other reason, as for a snapshot
/// that is in use, also says that the action is permitted.
fn judge(error: AwsError) -> Result<Option<&'static str>, AwsError> {
    match error.class {
        ErrorClass::Denied if error.code.as_deref() == Some("UnauthorizedOperation") && error.cause.is_none() => {
            let named = ACTIONS.iter().find(|action| **action == error.action());
            Ok(Some(named.copied().unwrap_or(error.operation)))
        }
        ErrorClass::Denied if error.code.as_deref() == Some("OperationNotPermitted") => Ok(None),
        ErrorClass::Denied if error.is(Cause::SnapshotNotShared) => Ok(None),
        ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::NotOurs => Err(error),
        // No code: the call did not get as far as AWS, or its answer makes no sense.
        ErrorClass::Invalid if error.code.is_none() && !error.is(Cause::ProductCode) => Err(error),
        ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict | ErrorClass::Quota => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(operation: &'static str, code: &str, message: &str, status: u16) -> AwsError {
        AwsError::answered(operation, Some(code), Some(message), status)
    }

    #[test]
    fn a_dry_run_is_permitted_unless_aws_says_that_the_action_is_not_authorized() {
        for (code, status) in [
            ("DryRunOperation", 412),
            ("InvalidSnapshot.InUse", 400),
            ("OperationNotPermitted", 400),
            ("InvalidAMIID.NotFound", 400),
            ("InvalidParameterValue", 400),
        ] {
            assert_eq!(judge(answered(DELETE_SNAPSHOT, code, "", status)), Ok(None), "{code}");
        }
        let tagging = "User: x is not authorized to perform: ec2:CreateTags on resource: y";
        for (message, missing) in [("no", COPY_IMAGE), (tagging, CREATE_TAGS)] {
            let error = answered(COPY_IMAGE, "UnauthorizedOperation", message, 403);
            assert_eq!(judge(error), Ok(Some(missing)));
        }
    }

    #[test]
    fn what_could_not_be_found_out_is_an_error_and_no_permission() {
        for (code, status) in [
            ("RequestLimitExceeded", 503),
            ("AuthFailure", 401),
            ("ExpiredToken", 400),
            ("InternalError", 500),
        ] {
            let error = answered(COPY_IMAGE, code, "", status);
            assert_eq!(judge(error.clone()), Err(error), "{code}");
        }
        let read_only = AwsError::new(COPY_IMAGE, ErrorClass::Denied, Some(Cause::ReadOnlySession));
        assert_eq!(judge(read_only.clone()), Err(read_only));
    }
}
