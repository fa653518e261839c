//! DescribeImages.

use super::list::{Filters, page, tag_values};
use super::{check_image_id, image_not_found, invalid_value};
use crate::clock::SimTime;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{Image, ImageState, LaunchPermission, Scan, Storage, Tags};
use crate::spec::{Garbled, Mappings, is_account_id};
use crate::wire::{ApiError, Xml};

/// Runs DescribeImages.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let params = &request.params;
    let filters = Filters::of_list(params, state.settings.lists.id_wildcards)?;
    filters.check_names(&FILTERS)?;
    let wanted = params.list("ImageId");
    for id in &wanted {
        check_image_id(id)?;
    }
    check_ids(state, request, &wanted)?;
    let view = View::new(state, request);
    let include_deprecated = params.flag("IncludeDeprecated")?;
    let include_disabled = params.flag("IncludeDisabled")?;
    let owners = params.list("Owner");
    for owner in &owners {
        let known = matches!(*owner, "self" | "amazon" | "aws-marketplace" | "aws-backup-vault");
        if !known && !is_account_id(owner) {
            return Err(invalid_value(format!("Invalid value '{owner}' for owner")));
        }
    }
    let executable_by = params.list("ExecutableBy");
    let mut found = Vec::new();
    for image in state
        .world
        .accounts
        .values()
        .filter_map(|a| a.regions.get(&request.region))
        .flat_map(|r| r.images.values())
    {
        let own = image.owner == request.account();
        let by_id = wanted.contains(&image.id.as_str());
        let deprecated = image
            .deprecation_time
            .seen(request.now)
            .is_some_and(|t| t <= request.now);
        let hidden = !image.is_visible(request.now)
            || !state.world.may_launch(request.account(), image, request.now)
            || (!wanted.is_empty() && !by_id)
            || (deprecated && !own && !include_deprecated && !by_id)
            || (image.state == ImageState::Disabled && !(include_disabled && own));
        if hidden || !owned_by(&owners, state, request, image) || !launchable_by(&executable_by, request, image) {
            continue;
        }
        if filters.accept(|name| match name {
            "owner-alias" => Some(alias_of(state, image).into_iter().collect()),
            _ => view.filter_values(name, image),
        })? {
            found.push(image.id.clone());
        }
    }
    let page = page(state, request, found, (1, 1000), "ImageId")?;
    let mut xml = Xml::new();
    let images: Vec<&Image> = page
        .ids
        .iter()
        .filter_map(|id| state.world.image(&request.region, id))
        .collect();
    xml.list("imagesSet", images, |x, image| {
        view.write(x, image);
        x.maybe("imageOwnerAlias", alias_of(state, image));
    });
    xml.maybe("nextToken", page.next);
    Ok(Done::read(xml))
}

/// Every ID must be known. One that was deregistered not long ago is, though nothing is shown for it.
fn check_ids(state: &State, request: &Request, ids: &[&str]) -> Result<(), ApiError> {
    let linger = state.settings.consistency.deregistered_id_seconds;
    let now = request.now;
    let unknown: Vec<&str> = ids
        .iter()
        .copied()
        .filter(|id| {
            !state.world.image(&request.region, id).is_some_and(|i| {
                now >= i.visible_at
                    && state.world.may_launch(request.account(), i, now)
                    && i.gone_at.is_none_or(|t| now < t.plus_seconds(linger))
            })
        })
        .collect();
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(image_not_found(&unknown))
    }
}

fn owned_by(owners: &[&str], state: &State, request: &Request, image: &Image) -> bool {
    let alias = state.world.owner_alias(&image.owner);
    owners.is_empty()
        || owners
            .iter()
            .any(|o| *o == image.owner || Some(*o) == alias || (*o == "self" && image.owner == request.account()))
}

fn alias_of(state: &State, image: &Image) -> Option<String> {
    state.world.owner_alias(&image.owner).map(str::to_owned)
}

fn launchable_by(who: &[&str], request: &Request, image: &Image) -> bool {
    let permissions = image.launch_permissions.seen(request.now);
    who.is_empty()
        || who.iter().any(|w| match *w {
            "all" => permissions.contains(&LaunchPermission::All),
            "self" => permissions.contains(&LaunchPermission::User(request.account().to_owned())),
            account => permissions.contains(&LaunchPermission::User(account.to_owned())),
        })
}

const FILTERS: [&str; 35] = [
    "architecture",
    "block-device-mapping.delete-on-termination",
    "block-device-mapping.device-name",
    "block-device-mapping.encrypted",
    "block-device-mapping.snapshot-id",
    "block-device-mapping.volume-size",
    "block-device-mapping.volume-type",
    "boot-mode",
    "creation-date",
    "description",
    "ena-support",
    "hypervisor",
    "image-id",
    "image-type",
    "is-public",
    "kernel-id",
    "manifest-location",
    "name",
    "owner-alias",
    "owner-id",
    "platform",
    "product-code",
    "product-code.type",
    "ramdisk-id",
    "root-device-name",
    "root-device-type",
    "source-image-id",
    "source-image-region",
    "source-instance-id",
    "sriov-net-support",
    "state",
    "state-reason-code",
    "state-reason-message",
    "tag-key",
    "virtualization-type",
];

/// An image as one caller sees it now.
struct View {
    account: String,
    now: SimTime,
    pending_shows_snapshots: bool,
}

impl View {
    fn new(state: &State, request: &Request) -> Self {
        Self {
            account: request.account().to_owned(),
            now: request.now,
            pending_shows_snapshots: state.settings.copies.mappings_while_pending == Mappings::Shown,
        }
    }

    /// Tags are for the owner only.
    fn tags<'a>(&self, image: &'a Image) -> Option<&'a Tags> {
        (image.owner == self.account).then(|| image.tags.seen(self.now))
    }

    fn shows_snapshots(&self, image: &Image) -> bool {
        self.pending_shows_snapshots || image.state != ImageState::Pending
    }

    fn filter_values(&self, name: &str, image: &Image) -> Option<Vec<String>> {
        let a = &image.attributes;
        let one = |v: &str| Some(vec![v.to_owned()]);
        let maybe = |v: Option<&String>| Some(v.cloned().into_iter().collect());
        if let Some(what) = name.strip_prefix("block-device-mapping.") {
            return Some(self.mapping_values(what, image));
        }
        match name {
            "architecture" => one(&a.architecture),
            "boot-mode" => maybe(a.boot_mode.as_ref()),
            "creation-date" => one(&image.creation_date.to_string()),
            "description" => maybe(image.description.seen(self.now).as_ref()),
            "ena-support" => one(&a.ena_support.to_string()),
            "hypervisor" => one("xen"),
            "image-id" => one(&image.id),
            "image-type" => one(&image.image_type),
            "is-public" => one(&self.is_public(image).to_string()),
            "kernel-id" | "ramdisk-id" => Some(Vec::new()),
            "source-instance-id" => maybe(image.source_instance.as_ref().filter(|id| !id.is_empty())),
            "manifest-location" => one(&format!("{}/{}", image.owner, image.name)),
            "name" => one(&image.name),
            "owner-id" => one(&image.owner),
            "platform" => maybe(a.platform.as_ref()),
            "product-code" => Some(image.product_codes.clone()),
            "product-code.type" => Some(image.product_codes.iter().map(|_| "marketplace".to_owned()).collect()),
            "root-device-name" => one(&a.root_device_name),
            "root-device-type" => one(&a.root_device_type),
            "source-image-id" => maybe(image.source.as_ref().map(|s| &s.0)),
            "source-image-region" => maybe(image.source.as_ref().map(|s| &s.1)),
            "sriov-net-support" => maybe(a.sriov_net_support.as_ref()),
            "state" => one(image.state.as_str()),
            "state-reason-code" => maybe(image.state_reason.as_ref().map(|r| &r.0)),
            "state-reason-message" => maybe(image.state_reason.as_ref().map(|r| &r.1)),
            "virtualization-type" => one(&a.virtualization_type),
            _ => tag_values(name, self.tags(image).unwrap_or(&Tags::new())),
        }
    }

    fn mapping_values(&self, what: &str, image: &Image) -> Vec<String> {
        image
            .mappings
            .iter()
            .filter_map(|m| {
                let ebs = match &m.storage {
                    Storage::Ebs(e) => Some(e),
                    Storage::Ephemeral(_) => None,
                };
                match what {
                    "device-name" => Some(m.device.clone()),
                    "delete-on-termination" => Some(ebs?.delete_on_termination.to_string()),
                    "encrypted" => Some(ebs?.encrypted.to_string()),
                    "snapshot-id" if self.shows_snapshots(image) => ebs?.snapshot.clone(),
                    "volume-size" => Some(ebs?.gib.to_string()),
                    "volume-type" => Some(ebs?.volume_type.clone()),
                    _ => None,
                }
            })
            .collect()
    }

    fn is_public(&self, image: &Image) -> bool {
        image.launch_permissions.seen(self.now).contains(&LaunchPermission::All)
    }

    fn write(&self, x: &mut Xml, image: &Image) {
        let a = &image.attributes;
        x.text("imageId", &image.id);
        x.text("imageLocation", &format!("{}/{}", image.owner, image.name));
        if image.garbled != Some(Garbled::WithoutState) {
            x.text("imageState", image.state.as_str());
        }
        if image.garbled != Some(Garbled::WithoutOwner) {
            x.text("imageOwnerId", &image.owner);
        }
        x.value("creationDate", image.creation_date);
        if image.garbled != Some(Garbled::WithoutPublic) {
            x.value("isPublic", self.is_public(image));
        }
        if !image.product_codes.is_empty() {
            x.list("productCodes", &image.product_codes, |x, code| {
                x.text("productCode", code);
                x.text("type", "marketplace");
            });
        }
        x.text("architecture", &a.architecture);
        x.text("imageType", &image.image_type);
        x.maybe("platform", a.platform.as_deref());
        let windows = a.platform.is_some();
        x.text("platformDetails", if windows { "Windows" } else { "Linux/UNIX" });
        x.text(
            "usageOperation",
            if windows { "RunInstances:0002" } else { "RunInstances" },
        );
        x.maybe("sriovNetSupport", a.sriov_net_support.as_deref());
        x.value("enaSupport", a.ena_support);
        x.text("name", &image.name);
        x.maybe("description", image.description.seen(self.now).as_deref());
        x.text("rootDeviceType", &a.root_device_type);
        if !a.root_device_name.is_empty() {
            x.text("rootDeviceName", &a.root_device_name);
        }
        let shows_snapshots = self.shows_snapshots(image);
        write_mappings(x, image, shows_snapshots);
        x.text("virtualizationType", &a.virtualization_type);
        x.text("hypervisor", "xen");
        if let Some(tags) = self.tags(image).filter(|t| !t.is_empty()) {
            super::tags::write(x, tags);
        }
        if let Some((code, message)) = &image.state_reason {
            x.nest("stateReason", |x| {
                x.text("code", code);
                x.text("message", message);
            });
        }
        x.maybe("bootMode", a.boot_mode.as_deref());
        x.maybe("tpmSupport", a.tpm_support.as_deref());
        x.maybe("imdsSupport", a.imds_support.as_deref());
        if let Some(types) = &a.instance_types {
            let item = |x: &mut Xml, name: &String| x.text("instanceType", name);
            x.nest("instanceTypeSpecification", |x| {
                x.list("supportedInstanceTypeSet", &types.supported, item);
                x.list("unsupportedInstanceTypeSet", &types.unsupported, item);
            });
        }
        if !a.watermarks.is_empty() {
            x.list("imageWatermarkSet", &a.watermarks, |x, (key, at)| {
                x.text("watermarkKey", key);
                x.value("watermarkCreationTime", at);
            });
        }
        x.maybe("deprecationTime", *image.deprecation_time.seen(self.now));
        if image.owner == self.account {
            x.maybe("lastLaunchedTime", *image.last_launched_time.seen(self.now));
            x.text(
                "deregistrationProtection",
                if image.deregistration_protection {
                    "enabled-without-cooldown"
                } else {
                    "disabled"
                },
            );
        }
        if let Some(scan) = &image.scan {
            write_scan(x, scan);
        }
        if let Some((id, region)) = &image.source {
            x.text("sourceImageId", id);
            x.text("sourceImageRegion", region);
        }
        x.maybe(
            "sourceInstanceId",
            image.source_instance.as_deref().filter(|id| !id.is_empty()),
        );
    }
}

fn write_scan(x: &mut Xml, scan: &Scan) {
    let since = &scan.fix_available_since;
    x.nest("scanResults", |x| {
        x.maybe("highestFindingSeverityLabel", scan.highest.as_deref());
        x.maybe("findingScanDate", scan.scanned);
        x.maybe("informationalFixAvailableSince", since.informational);
        x.maybe("lowFixAvailableSince", since.low);
        x.maybe("mediumFixAvailableSince", since.medium);
        x.maybe("highFixAvailableSince", since.high);
        x.maybe("criticalFixAvailableSince", since.critical);
    });
}

/// Writes `blockDeviceMapping`. A mapping never names the key.
pub(super) fn write_mappings(x: &mut Xml, image: &Image, with_snapshots: bool) {
    let again = image
        .mappings
        .first()
        .filter(|_| image.garbled == Some(Garbled::MappedTwice));
    x.list(
        "blockDeviceMapping",
        image.mappings.iter().chain(again),
        |x, mapping| {
            if image.garbled != Some(Garbled::NamelessDevice) {
                x.text("deviceName", &mapping.device);
            }
            match &mapping.storage {
                Storage::Ephemeral(name) => x.text("virtualName", name),
                Storage::Ebs(ebs) => x.nest("ebs", |x| {
                    if with_snapshots {
                        x.maybe("snapshotId", ebs.snapshot.as_deref());
                    }
                    x.value("volumeSize", ebs.gib);
                    x.value("deleteOnTermination", ebs.delete_on_termination);
                    x.text("volumeType", &ebs.volume_type);
                    x.maybe("iops", ebs.iops);
                    x.maybe("throughput", ebs.throughput);
                    x.value("encrypted", ebs.encrypted);
                }),
            }
        },
    );
}
