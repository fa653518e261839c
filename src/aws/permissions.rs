//! What a role may do, asked by dry runs: nothing is changed by them.

use std::error::Error as StdError;
use std::future::Future;

use aws_sdk_ec2::types::{AttributeValue, ImageAttributeName};
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_runtime_api::http::Response;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use super::images::{CopyCall, sdk_tags};
use super::session::Session;
use crate::domain::{AwsError, Cause, ErrorClass};
use crate::domain::{CopySample, Image, InstanceTypes, KeyArn, MissingPermissions, Operation, Tags};

/// Actions that were denied, each once.
#[derive(Debug, Default)]
struct Denied(Vec<Operation>);

impl Denied {
    fn note(&mut self, answer: Answer) {
        if let Answer::Denied(action) = answer
            && !self.0.contains(&action)
        {
            self.0.push(action);
        }
    }
}

/// What the dry runs ask about.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Copies that are to be made. It is asked about the first; about the others where AWS refuses that one, be it for its own
    /// sake.
    pub copies: &'a [CopySample],
    /// A copy that amiseal made, if there is one.
    pub copy: Option<&'a Image>,
    /// The tag that copies and their snapshots have, by which a role may be allowed what is done with them.
    pub tag: &'a str,
    /// The key.
    pub key: Option<&'a KeyArn>,
    /// The name of the watermark that copies get, if they get one.
    pub seal: Option<&'a str>,
}

impl Sample<'_> {
    /// On which instance types an original of these can be launched, where that is not all: its copy may have to be told.
    fn instance_types(&self) -> Option<&InstanceTypes> {
        self.copies.iter().find_map(|copy| copy.source.instance_types())
    }
}

/// What the answer to a dry run says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// It is permitted.
    Permitted,
    /// This action is not.
    Denied(Operation),
    /// AWS refuses for another reason. It looks at the permission before it looks at the state of things, so that the action
    /// is most likely permitted.
    Otherwise,
}

impl Session {
    /// The actions that migrating needs and that are not permitted, asked for by dry runs of the very calls that are to be made:
    /// a role may allow them only with certain tags, or for images with certain tags.
    ///
    /// What is done with copies only is asked about a copy, since a role may allow that for images with amiseal's tags only;
    /// where there is none, about the source, and then a refusal is in doubt.
    ///
    /// What few originals and policies need is asked where one of these originals or the policy does. EC2 has no dry run for the use
    /// of a key: CopyImage checks that only once the copy is under way. The session must not be narrowed, or AWS answers for what it
    /// is narrowed to.
    pub async fn missing_permissions(&self, sample: Sample<'_>) -> Result<MissingPermissions, AwsError> {
        let Some(first) = sample.copies.first() else {
            return Ok(MissingPermissions::default());
        };
        let mut certain = Denied::default();
        let mut read = Answer::Otherwise;
        let mut copied = Answer::Otherwise;
        for copy in sample.copies {
            if read != Answer::Permitted {
                read = together_with(read, self.may_read(copy).await?);
            }
            if copied != Answer::Permitted {
                copied = together_with(copied, self.may_copy(copy, sample.key).await?);
            }
        }
        certain.note(read);
        certain.note(copied);

        let image = sample.copy.unwrap_or(&first.source);
        // AWS did not come to look at the tags of a copy that it denies.
        let tags = if certain.0.contains(&Operation::CopyImage) {
            &first.tags
        } else {
            &first.published
        };
        let mut denied = self.may_change(sample, image, tags).await?;
        denied.0.retain(|action| !certain.0.contains(action));
        Ok(match sample.copy {
            Some(copy) => {
                // Somebody may have tagged an image like a copy, and not its snapshots.
                let deletes = denied.0.contains(&Operation::DeleteSnapshot);
                let is_doubtful = deletes && !self.is_snapshot_tagged(copy, sample.tag).await?;
                let is_certain = |action: &Operation| !is_doubtful || *action != Operation::DeleteSnapshot;
                let (sure, doubtful): (Vec<_>, Vec<_>) = denied.0.into_iter().partition(is_certain);
                MissingPermissions {
                    certain: actions([certain.0, sure].concat()),
                    untagged: actions(doubtful),
                }
            }
            None => MissingPermissions {
                certain: actions(certain.0),
                untagged: actions(denied.0),
            },
        })
    }

    /// What the role may not do of all that is done to a copy, asked about this image.
    async fn may_change(&self, sample: Sample<'_>, image: &Image, tags: &Tags) -> Result<Denied, AwsError> {
        let mut denied = Denied::default();
        let ec2 = self.ec2();
        let id = image.id.as_str();
        if !tags.is_empty() {
            let create_tags = ec2.create_tags().resources(id).set_tags(Some(sdk_tags(tags)));
            denied.note(
                self.asked(Operation::CreateTags, Box::pin(create_tags.dry_run(true).send()))
                    .await?,
            );
        }
        let describe = AttributeValue::builder().value("amiseal").build();
        let modify = ec2.modify_image_attribute().image_id(id).description(describe);
        denied.note(
            self.asked(Operation::ModifyImageAttribute, Box::pin(modify.dry_run(true).send()))
                .await?,
        );
        let tomorrow = DateTime::from_secs(self.shared.clock.now().as_second() + 24 * 3600);
        let deprecate = ec2.enable_image_deprecation().image_id(id).deprecate_at(tomorrow);
        denied.note(
            self.asked(
                Operation::EnableImageDeprecation,
                Box::pin(deprecate.dry_run(true).send()),
            )
            .await?,
        );
        if let Some(types) = sample.instance_types() {
            let restrict = self.instance_types_call(&image.id, types);
            denied.note(
                self.asked(
                    Operation::ReplaceImageInstanceTypeSpecification,
                    Box::pin(restrict.dry_run(true).send()),
                )
                .await?,
            );
        }
        if let Some(name) = sample.seal {
            let seal = self.watermark_call(&image.id, name);
            denied.note(
                self.asked(Operation::AttachImageWatermark, Box::pin(seal.dry_run(true).send()))
                    .await?,
            );
        }
        let deregister = ec2.deregister_image().image_id(id);
        denied.note(
            self.asked(Operation::DeregisterImage, Box::pin(deregister.dry_run(true).send()))
                .await?,
        );
        if let Some((_, _, snapshot)) = image.volumes().next() {
            let delete = ec2.delete_snapshot().snapshot_id(snapshot.as_str());
            denied.note(
                self.asked(Operation::DeleteSnapshot, Box::pin(delete.dry_run(true).send()))
                    .await?,
            );
        }
        Ok(denied)
    }

    /// Whether the snapshot that is asked about has this tag too.
    async fn is_snapshot_tagged(&self, image: &Image, tag: &str) -> Result<bool, AwsError> {
        let Some((_, _, snapshot)) = image.volumes().next() else {
            return Ok(false);
        };
        let request = self.ec2().describe_snapshots().snapshot_ids(snapshot.as_str());
        let shown = self
            .call(Operation::DescribeSnapshots, Box::pin(request.send()))
            .await?;
        let mut tags = shown.snapshots().iter().flat_map(|snapshot| snapshot.tags());
        Ok(tags.any(|known| known.key() == Some(tag)))
    }

    async fn may_read(&self, copy: &CopySample) -> Result<Answer, AwsError> {
        let attribute = self
            .ec2()
            .describe_image_attribute()
            .image_id(copy.source.id.as_str())
            .attribute(ImageAttributeName::LaunchPermission);
        self.asked(
            Operation::DescribeImageAttribute,
            Box::pin(attribute.dry_run(true).send()),
        )
        .await
    }

    async fn may_copy(&self, copy: &CopySample, key: Option<&KeyArn>) -> Result<Answer, AwsError> {
        // Left to itself the SDK would make one up; nothing comes of this one.
        let client_token = format!("amiseal-dry-run-{}", copy.source.id);
        let request = self.copy_call(&CopyCall {
            source: &copy.source.id,
            region: &self.key.scope.region,
            name: &copy.name,
            description: copy.description.as_deref(),
            key,
            client_token: &client_token,
            tags: &copy.tags,
        });
        self.asked(Operation::CopyImage, Box::pin(request.dry_run(true).send()))
            .await
    }

    /// Sends a dry run, and says what AWS has answered.
    async fn asked<T, E>(
        &self,
        operation: Operation,
        dry_run: impl Future<Output = Result<T, SdkError<E, Response>>>,
    ) -> Result<Answer, AwsError>
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        match self.call(operation, dry_run).await {
            Ok(_) => Ok(Answer::Permitted),
            Err(error) => judge(error),
        }
    }
}

fn actions(operations: Vec<Operation>) -> Vec<&'static str> {
    operations.into_iter().map(Operation::action).collect()
}

/// What two images' answers say together: what is permitted for one is permitted as such, and what AWS denies for all is
/// denied.
fn together_with(known: Answer, new: Answer) -> Answer {
    match (known, new) {
        (_, Answer::Permitted) | (Answer::Permitted, _) => Answer::Permitted,
        (Answer::Denied(action), _) => Answer::Denied(action),
        (Answer::Otherwise, new) => new,
    }
}

/// What the answer to a dry run says, or that it could not be found out.
fn judge(error: AwsError) -> Result<Answer, AwsError> {
    match error.class {
        ErrorClass::Denied if error.code.as_deref() == Some("UnauthorizedOperation") && error.cause.is_none() => {
            let is_named = |known: &&Operation| known.is_asked_by_dry_run() && known.action() == error.action();
            let named = Operation::ALL.iter().find(is_named);
            Ok(Answer::Denied(named.copied().unwrap_or(error.operation)))
        }
        ErrorClass::Denied if error.code.as_deref() == Some("OperationNotPermitted") => Ok(Answer::Otherwise),
        ErrorClass::Denied if error.is(Cause::SnapshotNotShared) || error.is(Cause::NotAuthorizedForImage) => {
            Ok(Answer::Otherwise)
        }
        ErrorClass::Denied | ErrorClass::Throttled | ErrorClass::Transient | ErrorClass::NotOurs => Err(error),
        ErrorClass::Invalid if error.code.as_deref() == Some("DryRunOperation") => Ok(Answer::Permitted),
        // No code: the call did not get as far as AWS, or its answer makes no sense.
        ErrorClass::Invalid if error.code.is_none() && !error.is(Cause::ProductCode) => Err(error),
        ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Conflict | ErrorClass::Quota => Ok(Answer::Otherwise),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(operation: Operation, code: &str, message: &str, status: u16) -> AwsError {
        AwsError::answered(operation, Some(code), Some(message), status)
    }

    #[test]
    fn a_dry_run_is_permitted_unless_aws_says_that_the_action_is_not_authorized() {
        for (code, status) in [
            ("InvalidSnapshot.InUse", 400),
            ("OperationNotPermitted", 400),
            ("InvalidAMIID.NotFound", 400),
            ("InvalidParameterValue", 400),
        ] {
            let answer = judge(answered(Operation::DeleteSnapshot, code, "", status));
            assert_eq!(answer, Ok(Answer::Otherwise), "{code}");
        }
        let permitted = answered(Operation::DeleteSnapshot, "DryRunOperation", "", 412);
        assert_eq!(judge(permitted), Ok(Answer::Permitted));
        let not_ours = answered(
            Operation::CopyImage,
            "AuthFailure",
            "Not authorized for image:ami-1",
            403,
        );
        assert_eq!(judge(not_ours), Ok(Answer::Otherwise), "of this image alone");
        let tagging = "User: x is not authorized to perform: ec2:CreateTags on resource: y";
        for (message, missing) in [("no", Operation::CopyImage), (tagging, Operation::CreateTags)] {
            let error = answered(Operation::CopyImage, "UnauthorizedOperation", message, 403);
            assert_eq!(judge(error), Ok(Answer::Denied(missing)));
        }
    }

    #[test]
    fn what_is_permitted_for_one_image_is_permitted_and_what_is_refused_for_its_own_sake_says_nothing() {
        use Answer::{Denied, Otherwise, Permitted};
        let denied = Denied(Operation::CopyImage);
        for (answers, expected) in [
            (&[Permitted][..], Permitted),
            (&[denied, Permitted], Permitted),
            (&[Otherwise, denied], denied),
            (&[denied, Otherwise], denied),
            (&[Otherwise, Otherwise], Otherwise),
            (&[denied, Denied(Operation::CreateTags)], denied),
        ] {
            let together = answers.iter().fold(Otherwise, |known, new| together_with(known, *new));
            assert_eq!(together, expected, "{answers:?}");
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
            let error = answered(Operation::CopyImage, code, "", status);
            assert_eq!(judge(error.clone()), Err(error), "{code}");
        }
        let read_only = AwsError::new(Operation::CopyImage, ErrorClass::Denied, Some(Cause::ReadOnlySession));
        assert_eq!(judge(read_only.clone()), Err(read_only));
    }
}
