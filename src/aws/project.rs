//! From the SDK's types to the domain's.
//!
//! What is absent and may be absent stays absent; what is malformed, or absent and cannot be, fails the whole read: an image left out
//! silently would be taken for one that does not exist. Enumeration values that AWS adds later become `Other`.
//!
//! Nothing is taken over from the SDK's types, all is copied: what is kept for long and lies among what was needed for a page keeps
//! the page's memory from being of use to the next one.

use std::fmt;

use aws_sdk_ec2::types as sdk;
use jiff::Timestamp;

use super::common::Common;
use crate::domain::{
    Attributes, BlockDevice, EbsVolume, Image, ImageId, ImageState, LaunchPermission, PendingSnapshot, Snapshot,
    SnapshotId, SnapshotState, Source, Tags, VolumeKind,
};

/// A status has no room for a longer name of a device, and AWS's have a few characters.
const LONGEST_DEVICE: usize = 255;

/// Why something cannot be projected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Defect(String);

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
impl Defect {
    pub(super) fn new(what: &str) -> Self {
        Self(what.to_owned())
    }
}

fn missing(what: &str) -> Defect {
    Defect(format!("{what} is missing"))
}

/// Parses `text`, the field `what`.
fn parsed<T: std::str::FromStr>(what: &str, text: &str) -> Result<T, Defect>
where
    T::Err: fmt::Display,
{
    text.parse().map_err(|error| Defect(format!("{what}: {error}")))
}

fn required<T: std::str::FromStr>(what: &str, text: Option<&str>) -> Result<T, Defect>
where
    T::Err: fmt::Display,
{
    parsed(what, text.ok_or_else(|| missing(what))?)
}

fn time(what: &str, text: Option<&str>) -> Result<Option<Timestamp>, Defect> {
    text.filter(|text| !text.is_empty())
        .map(|text| parsed(what, text))
        .transpose()
}

fn non_empty(text: Option<&str>) -> Option<Box<str>> {
    text.filter(|text| !text.is_empty()).map(Box::from)
}

/// An image. What it has in common with others of the same read, it shares with them.
pub(super) fn image(image: &sdk::Image, common: &mut Common) -> Result<Image, Defect> {
    let id: ImageId = required("imageId", image.image_id.as_deref())?;
    let in_image = |Defect(what)| Defect(format!("{id}: {what}"));
    project_image(id.clone(), image, common).map_err(in_image)
}

fn project_image(id: ImageId, image: &sdk::Image, common: &mut Common) -> Result<Image, Defect> {
    let attributes = common.attributes(attributes(image));
    let copied_from = copied_from(image)?.map(Box::new);
    let state = image_state(image.state.as_ref().ok_or_else(|| missing("imageState"))?);
    let mappings = image.block_device_mappings();
    let mut devices = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let device = device(mapping, common)?;
        if devices
            .iter()
            .any(|other: &BlockDevice| other.device() == device.device())
        {
            return Err(Defect(format!("{} is mapped twice", device.device())));
        }
        devices.push(device);
    }
    Ok(Image {
        id,
        // Images of the first years may have none.
        name: image.name().unwrap_or_default().into(),
        description: common.description(image.description()),
        owner: required("imageOwnerId", image.owner_id.as_deref())?,
        state,
        state_code: image.state_reason().and_then(|reason| non_empty(reason.code())),
        created: time("creationDate", image.creation_date.as_deref())?,
        deprecation_time: time("deprecationTime", image.deprecation_time.as_deref())?,
        public: image.public.ok_or_else(|| missing("isPublic"))?,
        product_codes: !image.product_codes().is_empty(),
        ebs_root: image.root_device_type == Some(sdk::DeviceType::Ebs),
        root_device: common.non_empty(image.root_device_name.as_deref()),
        attributes,
        devices,
        copied_from,
        tags: tags(image.tags(), common),
    })
}

fn image_state(state: &sdk::ImageState) -> ImageState {
    match state {
        sdk::ImageState::Pending => ImageState::Pending,
        sdk::ImageState::Available => ImageState::Available,
        sdk::ImageState::Disabled => ImageState::Disabled,
        sdk::ImageState::Failed => ImageState::Failed,
        sdk::ImageState::Deregistered => ImageState::Deregistered,
        _ => ImageState::Other,
    }
}

/// What a copy must have in common with its source, or it would boot otherwise or be billed otherwise.
fn attributes(image: &sdk::Image) -> Attributes {
    let ena = image
        .ena_support
        .map(|supported| if supported { "true" } else { "false" });
    let all = [
        ("architecture", image.architecture.as_ref().map(|v| v.as_str())),
        ("bootMode", image.boot_mode.as_ref().map(|v| v.as_str())),
        ("enaSupport", ena),
        ("hypervisor", image.hypervisor.as_ref().map(|v| v.as_str())),
        ("imdsSupport", image.imds_support.as_ref().map(|v| v.as_str())),
        ("platform", image.platform.as_ref().map(|v| v.as_str())),
        ("platformDetails", image.platform_details.as_deref()),
        ("sriovNetSupport", image.sriov_net_support.as_deref()),
        ("tpmSupport", image.tpm_support.as_ref().map(|v| v.as_str())),
        (
            "virtualizationType",
            image.virtualization_type.as_ref().map(|v| v.as_str()),
        ),
    ];
    let present = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    present
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, v)| (name, v.into()))
        .collect()
}

/// What an image was copied from. AWS fills the source image also for an image made from an instance: that one is no copy, its disks
/// hold whatever the instance wrote.
fn copied_from(image: &sdk::Image) -> Result<Option<Source>, Defect> {
    let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if present(&image.source_instance_id).is_some() {
        return Ok(None);
    }
    let source = present(&image.source_image_id).zip(present(&image.source_image_region));
    let Some((source, region)) = source else {
        return Ok(None);
    };
    Ok(Some(Source {
        image: parsed("sourceImageId", &source)?,
        region: parsed("sourceImageRegion", &region)?,
    }))
}

fn device(mapping: &sdk::BlockDeviceMapping, common: &mut Common) -> Result<BlockDevice, Defect> {
    let device = common
        .non_empty(mapping.device_name.as_deref())
        .ok_or_else(|| missing("deviceName"))?;
    if device.chars().count() > LONGEST_DEVICE {
        return Err(Defect("deviceName is too long".to_owned()));
    }
    let Some(ebs) = &mapping.ebs else {
        // An instance-store volume, or a mapping that takes a device away: neither holds data of the image.
        let known = mapping.virtual_name.is_some() || mapping.no_device.is_some();
        return known
            .then(|| BlockDevice::Ephemeral { device: device.clone() })
            .ok_or_else(|| Defect(format!("the mapping of {device} is of no known kind")));
    };
    let snapshot = ebs.snapshot_id.as_deref().filter(|id| !id.is_empty());
    let kind = VolumeKind {
        size_gib: ebs.volume_size,
        volume_type: ebs.volume_type.as_ref().map(|kind| kind.as_str().into()),
        iops: ebs.iops,
        throughput: ebs.throughput,
        delete_on_termination: ebs.delete_on_termination,
    };
    let volume = EbsVolume {
        snapshot: snapshot.map(|id| parsed("snapshotId", id)).transpose()?,
        encrypted: ebs.encrypted,
        kind: common.volume_kind(kind),
    };
    Ok(BlockDevice::Ebs { device, volume })
}

fn tags(tags: &[sdk::Tag], common: &Common) -> Tags {
    let tags = tags
        .iter()
        .filter(|tag| common.keeps_tag(tag.key().unwrap_or_default()));
    let pairs: Vec<_> = tags
        .filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())))
        .collect();
    Tags::of(&pairs)
}

/// A snapshot. What it has in common with others of the same read, it shares with them.
pub(super) fn snapshot(snapshot: &sdk::Snapshot, common: &mut Common) -> Result<(SnapshotId, Snapshot), Defect> {
    let id: SnapshotId = required("snapshotId", snapshot.snapshot_id.as_deref())?;
    let field = |what: &str| Defect(format!("{id}: {what} is missing"));
    let state = snapshot.state.as_ref().ok_or_else(|| field("status"))?;
    let projected = Snapshot {
        state: match state {
            sdk::SnapshotState::Pending => SnapshotState::Pending,
            sdk::SnapshotState::Completed => SnapshotState::Completed,
            sdk::SnapshotState::Error => SnapshotState::Error,
            _ => SnapshotState::Other,
        },
        encrypted: snapshot.encrypted.ok_or_else(|| field("encrypted"))?,
        // A key that cannot be read is no key that was asked for: that is all there is to know.
        key: snapshot.kms_key_id.as_deref().and_then(|key| common.key(key)),
        size_gib: snapshot.volume_size.ok_or_else(|| field("volumeSize"))?,
        full_bytes: snapshot.full_snapshot_size_in_bytes.and_then(|n| u64::try_from(n).ok()),
    };
    Ok((id, projected))
}

/// Whether two answers of one read contradict each other over an image: pages may show one twice, but what a finished image is made
/// of does not change.
pub(super) fn same_image(one: &Image, other: &Image) -> Result<(), Defect> {
    let finished = |image: &Image| matches!(image.state, ImageState::Available | ImageState::Disabled);
    if finished(one) && finished(other) && (one.devices != other.devices || one.copied_from != other.copied_from) {
        return Err(Defect(format!("{}: two answers contradict each other", one.id)));
    }
    Ok(())
}

/// Whether two answers of one read contradict each other over a snapshot: its encryption does not change.
pub(super) fn same_snapshot(id: &SnapshotId, one: &Snapshot, other: &Snapshot) -> Result<(), Defect> {
    if (one.encrypted, &one.key) != (other.encrypted, &other.key) {
        return Err(Defect(format!("{id}: two answers contradict each other")));
    }
    Ok(())
}

/// A snapshot in flight if it is a copy; snapshots of volumes do not count against the limit on copies.
///
/// Only AWS's own descriptions tell: «Copied for DestinationAmi ami-… from SourceAmi ami-… …» of an image's copy, and
/// «[Copied snap-… from region]» of a snapshot's, where its owner did not give it another.
pub(super) fn pending_copy(snapshot: &sdk::Snapshot) -> Result<Option<PendingSnapshot>, Defect> {
    let description = snapshot.description.as_deref().unwrap_or_default();
    let for_image = description
        .strip_prefix("Copied for DestinationAmi ")
        .map(|rest| rest.split_whitespace().next().and_then(|id| id.parse().ok()));
    if for_image.is_none() && !description.starts_with("[Copied snap-") {
        return Ok(None);
    }
    let id = required("snapshotId", snapshot.snapshot_id.as_deref())?;
    let percent = snapshot.progress.as_deref().unwrap_or_default().trim_end_matches('%');
    let started = snapshot.start_time.map(|at| {
        let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
        Timestamp::new(at.secs(), nanos).map_err(|e| Defect(format!("startTime: {e}")))
    });
    Ok(Some(PendingSnapshot {
        id,
        for_image: for_image.flatten(),
        started: started.transpose()?,
        percent: percent.parse().unwrap_or(0).min(100),
    }))
}

/// One entry of an image's launch permissions.
pub(super) fn launch_permission(entry: sdk::LaunchPermission) -> Result<LaunchPermission, Defect> {
    if let Some(group) = entry.group {
        return match group {
            sdk::PermissionGroup::All => Ok(LaunchPermission::Public),
            other => Err(Defect(format!("the launch permission group {other} is not known"))),
        };
    }
    if let Some(account) = entry.user_id {
        return Ok(LaunchPermission::Account(parsed("userId", &account)?));
    }
    if let Some(arn) = non_empty(entry.organization_arn.as_deref()) {
        return Ok(LaunchPermission::Organization(arn));
    }
    if let Some(arn) = non_empty(entry.organizational_unit_arn.as_deref()) {
        return Ok(LaunchPermission::OrganizationalUnit(arn));
    }
    Err(Defect("a launch permission names nobody".to_owned()))
}

#[cfg(test)]
#[path = "project_tests.rs"]
mod tests;
