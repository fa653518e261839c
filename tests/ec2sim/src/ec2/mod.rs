//! EC2: images and snapshots, what launches images, tags and regions.

mod allowed_changes;
mod ancestry;
mod attributes;
mod authority;
mod copy;
mod copy_make;
mod deprecation;
mod devices;
mod fleets;
mod guardrail_changes;
mod guardrails;
mod images;
mod instance_changes;
mod instance_types;
mod instances;
mod launch;
mod list;
mod references;
mod regions;
mod remove;
mod snapshot_sharing;
mod snapshots;
mod tags;
mod template_changes;
mod template_data;
mod templates;
mod usage;
mod watermarks;

pub(crate) use guardrail_changes::NAMES as SETTING_CALLS;
pub(crate) use template_data::tree;

use crate::engine::{Outcome, Request, State, ensure_region};
use crate::model::Image;
use crate::wire::ApiError;

/// One operation.
pub(crate) struct Operation {
    name: &'static str,
    /// Whether it changes things.
    pub(crate) mutating: bool,
    run: fn(&mut State, &Request) -> Outcome,
}

const OPERATIONS: [Operation; 51] = [
    read("DescribeImages", images::describe),
    read("DescribeSnapshots", snapshots::describe),
    read("DescribeImageAttribute", attributes::describe),
    read("DescribeRegions", regions::describe),
    read("DescribeInstances", instances::describe),
    read("DescribeInstanceStatus", instance_changes::status),
    read("DescribeInstanceImageMetadata", instances::describe_metadata),
    read("DescribeLaunchTemplates", templates::describe),
    read("DescribeLaunchTemplateVersions", templates::describe_versions),
    read("DescribeFleets", fleets::describe),
    read("DescribeSpotFleetRequests", fleets::describe_spot_fleets),
    read("DescribeSpotInstanceRequests", fleets::describe_spot_requests),
    read("DescribeImageReferences", references::describe),
    read("DescribeImageUsageReports", usage::describe),
    read("DescribeImageUsageReportEntries", usage::describe_entries),
    read("GetImageAncestry", ancestry::describe),
    read("GetEbsEncryptionByDefault", guardrails::encryption),
    read("GetEbsDefaultKmsKeyId", guardrails::default_key),
    read("GetImageBlockPublicAccessState", guardrails::image_access),
    read("GetSnapshotBlockPublicAccessState", guardrails::snapshot_access),
    read("GetAllowedImagesSettings", guardrails::allowed_images),
    write("CreateImageUsageReport", usage::create),
    write("DeleteImageUsageReport", usage::delete),
    write("CopyImage", copy::copy_image),
    write("DeregisterImage", remove::deregister_image),
    write("DeleteSnapshot", remove::delete_snapshot),
    write("CreateTags", tags::create),
    write("DeleteTags", tags::delete),
    write("ModifyImageAttribute", attributes::modify),
    write("ReplaceImageInstanceTypeSpecification", instance_types::replace),
    write("EnableImageDeprecation", deprecation::enable),
    write("DisableImageDeprecation", deprecation::disable),
    write("CreateLaunchTemplateVersion", template_changes::create_version),
    write("ModifyLaunchTemplate", template_changes::set_default),
    write("DeleteLaunchTemplateVersions", template_changes::delete_versions),
    write("RunInstances", launch::run),
    write("TerminateInstances", instance_changes::terminate),
    write("AttachImageWatermark", watermarks::attach),
    write("DetachImageWatermark", watermarks::detach),
    write("EnableEbsEncryptionByDefault", guardrail_changes::enable_encryption),
    write("DisableEbsEncryptionByDefault", guardrail_changes::disable_encryption),
    write("ModifyEbsDefaultKmsKeyId", guardrail_changes::modify_default_key),
    write("ResetEbsDefaultKmsKeyId", guardrail_changes::reset_default_key),
    write("EnableImageBlockPublicAccess", guardrail_changes::block_images),
    write("DisableImageBlockPublicAccess", guardrail_changes::unblock_images),
    write("EnableSnapshotBlockPublicAccess", guardrail_changes::block_snapshots),
    write("DisableSnapshotBlockPublicAccess", guardrail_changes::unblock_snapshots),
    write("EnableAllowedImagesSettings", allowed_changes::enable),
    write("DisableAllowedImagesSettings", allowed_changes::disable),
    write(
        "ReplaceImageCriteriaInAllowedImagesSettings",
        allowed_changes::replace_criteria,
    ),
    write("ModifySnapshotAttribute", snapshot_sharing::modify),
];

type Run = fn(&mut State, &Request) -> Outcome;

const fn read(name: &'static str, run: Run) -> Operation {
    Operation {
        name,
        mutating: false,
        run,
    }
}

const fn write(name: &'static str, run: Run) -> Operation {
    Operation {
        name,
        mutating: true,
        run,
    }
}

/// The operation of that name.
pub(crate) fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|o| o.name == name)
}

/// Runs an operation of EC2.
pub(crate) fn run(state: &mut State, request: &Request) -> Outcome {
    let Some(operation) = find(&request.operation) else {
        return Err(request.service.unknown_operation(&request.operation));
    };
    authority::check(state, request)?;
    if request.dry_run {
        return Err(ApiError::with_status(
            412,
            "DryRunOperation",
            "Request would have succeeded, but DryRun flag is set.",
        ));
    }
    ensure_region(state, request.account(), &request.region);
    (operation.run)(state, request)
}

/// Refuses an ID that is not `<prefix>` and 8 or 17 hex digits.
fn check_id(prefix: &str, code: &str, id: &str) -> Result<(), ApiError> {
    if crate::spec::is_resource_id(prefix, id) {
        return Ok(());
    }
    Err(ApiError::new(
        code,
        format!("Invalid id: \"{id}\" (expecting \"{prefix}-...\")"),
    ))
}

fn check_image_id(id: &str) -> Result<(), ApiError> {
    check_id("ami", "InvalidAMIID.Malformed", id)
}

fn check_snapshot_id(id: &str) -> Result<(), ApiError> {
    check_id("snap", "InvalidSnapshotID.Malformed", id)
}

fn image_not_found(ids: &[&str]) -> ApiError {
    let message = if let [id] = ids {
        format!("The image id '[{id}]' does not exist")
    } else {
        format!("The image ids '[{}]' do not exist", ids.join(", "))
    };
    ApiError::new("InvalidAMIID.NotFound", message)
}

fn snapshot_not_found(id: &str) -> ApiError {
    ApiError::new(
        "InvalidSnapshot.NotFound",
        format!("The snapshot '{id}' does not exist."),
    )
}

/// The image to be changed: it must be there and belong to the caller.
fn own_image<'a>(state: &'a mut State, request: &Request, id: &str) -> Result<&'a mut Image, ApiError> {
    check_image_id(id)?;
    let now = request.now;
    let shared = state
        .world
        .image(&request.region, id)
        .filter(|i| i.exists() && now >= i.visible_at)
        .ok_or_else(|| image_not_found(&[id]))?;
    if shared.owner != request.account() {
        let may_see = state.world.may_launch(request.account(), shared, now);
        return Err(if may_see {
            ApiError::with_status(403, "AuthFailure", format!("Not authorized for image:{id}"))
        } else {
            image_not_found(&[id])
        });
    }
    state
        .world
        .region_mut(request.account(), &request.region)
        .and_then(|r| r.images.get_mut(id))
        .ok_or_else(|| image_not_found(&[id]))
}

fn invalid_value(message: impl Into<String>) -> ApiError {
    ApiError::new("InvalidParameterValue", message)
}
