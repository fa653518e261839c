//! Calls that write: copies, and what is published on them.

use std::collections::BTreeSet;

use aws_sdk_ec2::operation::attach_image_watermark::builders::AttachImageWatermarkFluentBuilder;
use aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder;
use aws_sdk_ec2::operation::replace_image_instance_type_specification::builders::ReplaceImageInstanceTypeSpecificationFluentBuilder;
use aws_sdk_ec2::types::{
    AttributeValue, InstanceTypeSpecificationRequest, LaunchPermission as SdkLaunchPermission,
    LaunchPermissionModifications, PermissionGroup, ResourceType, SnapshotReturnCodes, Tag, TagSpecification,
};
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::session::Session;
use crate::domain::{AwsError, Cause, ErrorClass};
use crate::domain::{
    ImageId, ImageState, InstanceTypes, KeyArn, LaunchPermission, Operation, Region, SnapshotId, Tags,
};

/// An encrypted copy to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRequest {
    /// The image to copy.
    pub source: ImageId,
    /// The region it is in.
    pub region: Region,
    /// The copy's name, 3 to 128 characters.
    pub name: String,
    /// The copy's description, up to 255 characters. Without one the copy has none, whatever the source has.
    pub description: Option<Box<str>>,
    /// The key to encrypt under.
    pub key: KeyArn,
    /// Makes the call safe to repeat; up to 64 ASCII characters.
    pub client_token: String,
    /// Tags for the copy and its snapshots.
    pub tags: Tags,
}

/// What a call for a copy says.
pub(super) struct CopyCall<'a> {
    pub(super) source: &'a ImageId,
    pub(super) region: &'a Region,
    pub(super) name: &'a str,
    pub(super) description: Option<&'a str>,
    /// Only a dry run may lack it.
    pub(super) key: Option<&'a KeyArn>,
    pub(super) client_token: &'a str,
    pub(super) tags: &'a Tags,
}

impl Session {
    /// Asks for an encrypted copy. AWS checks the key only later: the image that is returned may still turn `failed`.
    pub async fn copy_image(&self, copy: &CopyRequest) -> Result<ImageId, AwsError> {
        let request = self.copy_call(&CopyCall {
            source: &copy.source,
            region: &copy.region,
            name: &copy.name,
            description: copy.description.as_deref(),
            key: Some(&copy.key),
            client_token: &copy.client_token,
            tags: &copy.tags,
        });
        let answer = self.call(Operation::CopyImage, request.send()).await?;
        let id = answer.image_id.unwrap_or_default();
        id.parse()
            .map_err(|error| AwsError::malformed(Operation::CopyImage, &error))
    }

    /// The call for a copy, as it is made and as a dry run asks about it.
    pub(super) fn copy_call(&self, copy: &CopyCall<'_>) -> CopyImageFluentBuilder {
        let tags = |resource| {
            TagSpecification::builder()
                .resource_type(resource)
                .set_tags(Some(sdk_tags(copy.tags)))
                .build()
        };
        let specifications =
            (!copy.tags.is_empty()).then(|| vec![tags(ResourceType::Image), tags(ResourceType::Snapshot)]);
        self.ec2()
            .copy_image()
            .source_image_id(copy.source.as_str())
            .source_region(copy.region.as_str())
            .name(copy.name)
            .set_description(copy.description.map(str::to_owned))
            .encrypted(true)
            .set_kms_key_id(copy.key.map(ToString::to_string))
            .copy_image_tags(false)
            .client_token(copy.client_token)
            .set_tag_specifications(specifications)
    }

    /// Removes an image whose copying failed, in one call with its snapshots, and says which of them went with it. Any other
    /// image is kept, with [`Cause::ImageNotFailed`]; one that is gone is no error.
    pub async fn deregister_failed(&self, image: &ImageId) -> Result<BTreeSet<SnapshotId>, AwsError> {
        match self
            .images(std::slice::from_ref(image))
            .await?
            .first()
            .map(|image| image.state)
        {
            Some(ImageState::Deregistered) => return Ok(BTreeSet::new()),
            // One that has failed stays failed. If it does not show since it is gone, AWS will say so.
            None | Some(ImageState::Failed) => {}
            Some(_) => {
                let cause = Some(Cause::ImageNotFailed);
                return Err(AwsError::new(Operation::DeregisterImage, ErrorClass::Conflict, cause));
            }
        }
        let request = self
            .ec2()
            .deregister_image()
            .image_id(image.as_str())
            .delete_associated_snapshots(true)
            .send();
        let answer = match self.call(Operation::DeregisterImage, request).await {
            Err(error) if error.class == ErrorClass::NotFound => return Ok(BTreeSet::new()),
            answer => answer?,
        };
        let results = answer.delete_snapshot_results().iter();
        let deleted = results.filter(|result| result.return_code() == Some(&SnapshotReturnCodes::Success));
        Ok(deleted
            .filter_map(|result| result.snapshot_id()?.parse().ok())
            .collect())
    }

    /// Deletes a snapshot. AWS refuses when an image uses it; one that is gone is no error.
    pub async fn delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), AwsError> {
        let request = self.ec2().delete_snapshot().snapshot_id(snapshot.as_str()).send();
        gone_is_done(self.call(Operation::DeleteSnapshot, request).await)
    }

    /// Lets others launch an image, besides those who already may.
    pub async fn add_launch_permissions(
        &self,
        image: &ImageId,
        permissions: &BTreeSet<LaunchPermission>,
    ) -> Result<(), AwsError> {
        if permissions.is_empty() {
            return Ok(());
        }
        let permissions = permissions.iter().map(sdk_permission).collect();
        let change = LaunchPermissionModifications::builder()
            .set_add(Some(permissions))
            .build();
        let request = self
            .ec2()
            .modify_image_attribute()
            .image_id(image.as_str())
            .launch_permission(change)
            .send();
        self.call(Operation::ModifyImageAttribute, request).await.map(drop)
    }

    /// Sets an image's description.
    pub async fn set_description(&self, image: &ImageId, description: &str) -> Result<(), AwsError> {
        let request = self
            .ec2()
            .modify_image_attribute()
            .image_id(image.as_str())
            .description(AttributeValue::builder().value(description).build())
            .send();
        self.call(Operation::ModifyImageAttribute, request).await.map(drop)
    }

    /// Lets instances that are launched from an image use version 2 of the instance metadata service only. It cannot be taken back.
    pub async fn require_imds_v2(&self, image: &ImageId) -> Result<(), AwsError> {
        let request = self
            .ec2()
            .modify_image_attribute()
            .image_id(image.as_str())
            .imds_support(AttributeValue::builder().value("v2.0").build())
            .send();
        self.call(Operation::ModifyImageAttribute, request).await.map(drop)
    }

    /// Sets on which instance types an image can be launched.
    pub async fn restrict_instance_types(&self, image: &ImageId, types: &InstanceTypes) -> Result<(), AwsError> {
        let request = self.instance_types_call(image, types).send();
        self.call(Operation::ReplaceImageInstanceTypeSpecification, request)
            .await
            .map(drop)
    }

    /// The call for that, as it is made and as a dry run asks about it.
    pub(super) fn instance_types_call(
        &self,
        image: &ImageId,
        types: &InstanceTypes,
    ) -> ReplaceImageInstanceTypeSpecificationFluentBuilder {
        let names = |names: &BTreeSet<Box<str>>| Some(names.iter().map(|name| name.to_string()).collect());
        let types = InstanceTypeSpecificationRequest::builder()
            .set_supported_instance_types(names(&types.supported))
            .set_unsupported_instance_types(names(&types.unsupported))
            .build();
        self.ec2()
            .replace_image_instance_type_specification()
            .image_id(image.as_str())
            .instance_type_specification(types)
    }

    /// Puts a watermark on an image of this account. One that is there stays as it is.
    pub async fn attach_watermark(&self, image: &ImageId, name: &str) -> Result<(), AwsError> {
        let request = self.watermark_call(image, name).send();
        self.call(Operation::AttachImageWatermark, request).await.map(drop)
    }

    /// The call for that, as it is made and as a dry run asks about it.
    pub(super) fn watermark_call(&self, image: &ImageId, name: &str) -> AttachImageWatermarkFluentBuilder {
        let request = self.ec2().attach_image_watermark();
        request.image_id(image.as_str()).watermark_name(name)
    }

    /// Sets when an image becomes deprecated; AWS rounds to the minute, and refuses a time in the past.
    pub async fn deprecate_at(&self, image: &ImageId, at: Timestamp) -> Result<(), AwsError> {
        let request = self
            .ec2()
            .enable_image_deprecation()
            .image_id(image.as_str())
            .deprecate_at(DateTime::from_secs(at.as_second()))
            .send();
        self.call(Operation::EnableImageDeprecation, request).await.map(drop)
    }

    /// Adds tags to an image, over those of the same keys.
    pub async fn tag(&self, image: &ImageId, tags: &Tags) -> Result<(), AwsError> {
        if tags.is_empty() {
            return Ok(());
        }
        let request = self
            .ec2()
            .create_tags()
            .resources(image.as_str())
            .set_tags(Some(sdk_tags(tags)))
            .send();
        self.call(Operation::CreateTags, request).await.map(drop)
    }
}

pub(super) fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter()
        .map(|(key, value)| Tag::builder().key(key).value(value).build())
        .collect()
}

fn sdk_permission(permission: &LaunchPermission) -> SdkLaunchPermission {
    let entry = SdkLaunchPermission::builder();
    match permission {
        LaunchPermission::Public => entry.group(PermissionGroup::All),
        LaunchPermission::Account(account) => entry.user_id(account.as_str()),
        LaunchPermission::Organization(arn) => entry.organization_arn(&**arn),
        LaunchPermission::OrganizationalUnit(arn) => entry.organizational_unit_arn(&**arn),
    }
    .build()
}

fn gone_is_done<T>(result: Result<T, AwsError>) -> Result<(), AwsError> {
    match result {
        Err(error) if error.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}
