//! From the SDK's types to the domain's.
//!
//! What is absent and may be absent stays absent. An image of which something is malformed, or absent and cannot be, is kept as one that
//! could not be read: left out silently it would be taken for one that does not exist. Only what has no ID fails the whole read.
//! Enumeration values that AWS adds later become `Other`.
//!
//! Nothing is taken over from the SDK's types, all is copied: what is kept for long and lies among what was needed for a page keeps
//! the page's memory from being of use to the next one.

use std::collections::BTreeSet;
use std::fmt;

use aws_sdk_ec2::types as sdk;
use aws_smithy_types::DateTime;
use jiff::Timestamp;

use super::interner::Interner;
use super::sentence;
use crate::domain::{
    Attributes, BlockDevice, CopyRecord, EbsVolume, Extras, Image, ImageId, ImageState, InstanceTypes, Kept, KeyArn,
    LaunchPermission, PendingSnapshot, Snapshot, SnapshotExtras, SnapshotId, SnapshotState, Source, Tags, VolumeKind,
    Watermark,
};

/// A status has no room for a longer name of a device, and AWS's have a few characters.
const LONGEST_DEVICE: usize = 255;
/// What could not be read is said in a status, in so many characters.
const LONGEST_DEFECT: usize = 120;

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

pub(super) fn moment(what: &str, at: &DateTime) -> Result<Timestamp, Defect> {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    Timestamp::new(at.secs(), nanos).map_err(|error| Defect(format!("{what}: {error}")))
}

fn non_empty(text: Option<&str>) -> Option<Box<str>> {
    text.filter(|text| !text.is_empty()).map(Box::from)
}

/// An image. What it has in common with others of the same read, it shares with them.
pub(super) fn image(image: &sdk::Image, common: &mut Interner) -> Result<Image, Defect> {
    let id: ImageId = required("imageId", image.image_id.as_deref())?;
    Ok(project_image(id.clone(), image, common).unwrap_or_else(|defect| unread_image(id, image, defect, common)))
}

/// Whether it is an image that machines are launched from: kernels and ramdisks are listed among images too.
pub(super) fn is_machine(image: &sdk::Image) -> bool {
    !matches!(
        image.image_type,
        Some(sdk::ImageTypeValues::Kernel | sdk::ImageTypeValues::Ramdisk)
    )
}

/// Whether AWS Backup or Data Lifecycle Manager made it. Nobody else can write tags that begin with `aws:`.
fn is_backup(image: &sdk::Image) -> bool {
    let is_theirs = |key: &str| key.starts_with("aws:backup:") || key.starts_with("aws:dlm:");
    let is_tagged = image.tags().iter().filter_map(sdk::Tag::key).any(is_theirs);
    is_tagged || image.name().is_some_and(|name| name.starts_with("AwsBackup_"))
}

/// What is left of an image that cannot be read: what selects and names it.
fn unread_image(id: ImageId, image: &sdk::Image, Defect(what): Defect, common: &mut Interner) -> Image {
    Image {
        id,
        name: image.name().unwrap_or_default().into(),
        description: None,
        owner: image.owner_id.as_deref().and_then(|owner| owner.parse().ok()),
        state: image.state.as_ref().map_or(ImageState::Other, image_state),
        created: time("creationDate", image.creation_date.as_deref()).unwrap_or_default(),
        deprecation_time: None,
        last_launched: None,
        public: false,
        backup: is_backup(image),
        product_codes: false,
        ebs_root: false,
        root_device: None,
        attributes: common.attributes(Attributes::new()),
        devices: Vec::new(),
        copied_from: copied_from(image).unwrap_or_default().map(Box::new),
        tags: tags(image.tags(), common),
        extras: Some(Box::new(Extras {
            unread: Some(what.chars().take(LONGEST_DEFECT).collect::<String>().into()),
            ..Extras::default()
        })),
    }
}

fn project_image(id: ImageId, image: &sdk::Image, common: &mut Interner) -> Result<Image, Defect> {
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
    let root_device = common.non_empty(image.root_device_name.as_deref());
    // AWS lists them in any order, and anew each time. The root first.
    devices.sort_by(|a, b| {
        let rank = |device: &BlockDevice| root_device.as_deref() != Some(device.device());
        (rank(a), a.device()).cmp(&(rank(b), b.device()))
    });
    Ok(Image {
        id,
        // Images of the first years may have none.
        name: image.name().unwrap_or_default().into(),
        description: common.description(image.description()),
        owner: Some(required("imageOwnerId", image.owner_id.as_deref())?),
        state,
        created: time("creationDate", image.creation_date.as_deref())?,
        deprecation_time: time("deprecationTime", image.deprecation_time.as_deref())?,
        last_launched: time("lastLaunchedTime", image.last_launched_time.as_deref()).unwrap_or_default(),
        public: image.public.ok_or_else(|| missing("isPublic"))?,
        backup: is_backup(image),
        product_codes: !image.product_codes().is_empty(),
        ebs_root: image.root_device_type == Some(sdk::DeviceType::Ebs),
        root_device,
        attributes,
        devices,
        copied_from,
        extras: extras(image, common)?.map(Box::new),
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

/// What few images have.
fn extras(image: &sdk::Image, common: &Interner) -> Result<Option<Extras>, Defect> {
    let names = |items: &[sdk::InstanceTypeItem]| -> BTreeSet<Box<str>> {
        items
            .iter()
            .filter_map(|item| item.instance_type())
            .map(Box::from)
            .collect()
    };
    let instance_types = image.instance_type_specification().map(|given| InstanceTypes {
        supported: names(given.supported_instance_types()),
        unsupported: names(given.unsupported_instance_types()),
    });
    // One that says nothing restricts nothing.
    let instance_types = instance_types.filter(|types| *types != InstanceTypes::default());
    let mut watermarks = Vec::with_capacity(image.image_watermarks().len());
    for mark in image.image_watermarks() {
        watermarks.push(Watermark {
            key: non_empty(mark.watermark_key()).ok_or_else(|| missing("watermarkKey"))?,
            attached: mark
                .watermark_creation_time()
                .map(|at| moment("watermarkCreationTime", at))
                .transpose()?,
        });
    }
    watermarks.sort_by(|a, b| a.key.cmp(&b.key));
    let extras = Extras {
        owner_alias: non_empty(image.image_owner_alias()),
        scan: common.scan(image),
        instance_types,
        watermarks,
        state_code: image.state_reason().and_then(|reason| non_empty(reason.code())),
        unread: None,
    };
    Ok(Some(extras).filter(|extras| *extras != Extras::default()))
}

fn device(mapping: &sdk::BlockDeviceMapping, common: &mut Interner) -> Result<BlockDevice, Defect> {
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

fn tags(tags: &[sdk::Tag], common: &Interner) -> Tags {
    let tags = tags
        .iter()
        .filter(|tag| common.keeps_tag(tag.key().unwrap_or_default()));
    let pairs: Vec<_> = tags
        .filter_map(|tag| Some((tag.key()?, tag.value().unwrap_or_default())))
        .collect();
    Tags::of(&pairs)
}

/// The key of a snapshot, and another one by which it can be read. A key that cannot be read is no key that was asked for: that is all
/// there is to know.
fn keys(id: &SnapshotId, snapshot: &sdk::Snapshot, common: &mut Interner) -> (Option<KeyArn>, Option<KeyArn>) {
    let named = snapshot.kms_key_id.as_deref().filter(|_| snapshot.encrypted.is_some());
    let Some(key) = named.and_then(|key| common.key(key)) else {
        return (None, None);
    };
    let mut others = common.associated_keys(id.as_str());
    // In whatever order AWS names them.
    others.sort();
    let Some(other) = others.into_iter().find(|other| *other != key.as_str()) else {
        return (Some(key), None);
    };
    match common.key(&other) {
        Some(other) => (Some(key), Some(other)),
        None => (None, None),
    }
}

/// A snapshot. What it has in common with others of the same read, it shares with them.
pub(super) fn snapshot(snapshot: &sdk::Snapshot, common: &mut Interner) -> Result<(SnapshotId, Snapshot), Defect> {
    let id: SnapshotId = required("snapshotId", snapshot.snapshot_id.as_deref())?;
    let (key, also) = keys(&id, snapshot, common);
    let why = failure(snapshot);
    let extras = Some(SnapshotExtras { also, why }).filter(|extras| *extras != SnapshotExtras::default());
    let projected = Snapshot {
        state: match &snapshot.state {
            Some(sdk::SnapshotState::Pending) => SnapshotState::Pending,
            Some(sdk::SnapshotState::Completed) => SnapshotState::Completed,
            Some(sdk::SnapshotState::Error) => SnapshotState::Error,
            // A state that is not said is none to go by.
            _ => SnapshotState::Other,
        },
        // Encrypted under a key that is not known is what says least: neither that it is not, nor that it is as was asked for.
        encrypted: snapshot.encrypted.unwrap_or(true),
        key,
        size_gib: snapshot.volume_size.unwrap_or_default(),
        full_bytes: snapshot.full_snapshot_size_in_bytes.and_then(|n| u64::try_from(n).ok()),
        kept: kept(snapshot),
        copied: snapshot.description.as_deref().and_then(copy_record).map(Box::new),
        extras: extras.map(Box::new),
    };
    Ok((id, projected))
}

fn kept(snapshot: &sdk::Snapshot) -> Kept {
    let is_named = |place: &Option<String>| place.as_deref().is_some_and(|place| !place.is_empty());
    if is_named(&snapshot.outpost_arn) || is_named(&snapshot.availability_zone) {
        return Kept::Local;
    }
    // One that was restored for a while can be read until it is archived again.
    let restored = snapshot.restore_expiry_time.is_some();
    match snapshot.storage_tier {
        Some(sdk::StorageTier::Archive) if !restored => Kept::Archive,
        _ => Kept::Standard,
    }
}

/// A snapshot's ID.
pub(super) fn snapshot_id(snapshot: &sdk::Snapshot) -> Result<SnapshotId, Defect> {
    required("snapshotId", snapshot.snapshot_id.as_deref())
}

/// Why making a snapshot failed.
pub(super) fn failure(snapshot: &sdk::Snapshot) -> Option<Box<str>> {
    let has_failed = snapshot.state == Some(sdk::SnapshotState::Error);
    let message = snapshot.state_message.as_deref().filter(|_| has_failed)?;
    sentence::stable(message)
}

/// Whether an answer tells more of an image than what the same read has shown of it before: pages may show one twice.
///
/// It does not where the earlier answer could not be read: what one of two answers does not say is not known. Two that contradict each
/// other over what a finished image is made of, which does not change, fail the read.
pub(super) fn tells_more(before: Option<&Image>, image: &Image) -> Result<bool, Defect> {
    let Some(before) = before else { return Ok(true) };
    if before.unread().is_some() {
        return Ok(false);
    }
    let finished =
        |image: &Image| image.unread().is_none() && matches!(image.state, ImageState::Available | ImageState::Disabled);
    let differs = before.devices != image.devices || before.copied_from != image.copied_from;
    if finished(before) && finished(image) && differs {
        return Err(Defect(format!("{}: two answers contradict each other", image.id)));
    }
    Ok(true)
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
/// Its transfer type tells, or AWS's own descriptions: «Copied for DestinationAmi ami-… from SourceAmi ami-… …» of an image's copy, and
/// «[Copied snap-… from region]» of a snapshot's, where its owner did not give it another.
pub(super) fn pending_copy(snapshot: &sdk::Snapshot) -> Result<Option<PendingSnapshot>, Defect> {
    let description = snapshot.description.as_deref().unwrap_or_default();
    let for_image = description
        .strip_prefix("Copied for DestinationAmi ")
        .map(|rest| rest.split_whitespace().next().and_then(|id| id.parse().ok()));
    if snapshot.transfer_type.is_none() && for_image.is_none() && !description.starts_with("[Copied snap-") {
        return Ok(None);
    }
    let id = required("snapshotId", snapshot.snapshot_id.as_deref())?;
    let percent = snapshot.progress.as_deref().unwrap_or_default().trim_end_matches('%');
    let started = snapshot.start_time.as_ref().and_then(|at| moment("startTime", at).ok());
    Ok(Some(PendingSnapshot {
        id,
        for_image: for_image.flatten(),
        started,
        percent: percent.parse().unwrap_or(0).min(100),
    }))
}

/// What a description says that AWS has written for the copy of an image: «Copied for DestinationAmi ami-… from SourceAmi ami-… for
/// SourceSnapshot snap-…. Task created on …»; none if it is any other.
fn copy_record(description: &str) -> Option<CopyRecord> {
    let rest = description.strip_prefix("Copied for DestinationAmi ")?;
    let (image, rest) = rest.split_once(" from SourceAmi ")?;
    let (source, _) = rest.split_once(" for SourceSnapshot snap-")?;
    Some(CopyRecord {
        image: image.parse().ok()?,
        source: source.parse().ok()?,
    })
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
