//! Images of the world file: defaults, numbering, devices and their snapshots.

use std::collections::BTreeSet;

use super::expand::{digest, is_resource_id};
use super::{DeviceSpec, Expectation, ImageSpec, SpecError};
use crate::clock::SimTime;
use crate::model::{
    Attributes, Ebs, Image, ImageState, Lagged, LaunchPermission, Mapping, Region, Snapshot, SnapshotState, Storage,
};

/// Adds the images of one definition to a region; returns their IDs.
pub(crate) fn add_images(
    region: &mut Region,
    seed: u64,
    account: &str,
    image: &ImageSpec,
    path: &str,
    start: SimTime,
) -> Result<Vec<String>, SpecError> {
    let many = image.count.unwrap_or(1);
    if many > 1 && !image.name.contains("{n}") {
        return Err(SpecError::at(
            format!("{path}.name"),
            "names are unique: put {n} into the name of a definition with a count",
        ));
    }
    let mut ids = Vec::new();
    for n in 1..=many {
        let numbered = number(image, n);
        let built = expand_image(region, seed, account, &numbered, path, start)?;
        ids.push(built.id.clone());
        region.images.insert(built.id.clone(), built);
    }
    Ok(ids)
}

fn number(image: &ImageSpec, n: u32) -> ImageSpec {
    let put = |text: &str| text.replace("{n}", &n.to_string());
    let mut numbered = image.clone();
    numbered.name = put(&image.name);
    numbered.id = image.id.as_deref().map(put);
    numbered.description = image.description.as_deref().map(put);
    for value in numbered.tags.values_mut() {
        *value = put(value);
    }
    numbered
}

fn expand_image(
    region: &mut Region,
    seed: u64,
    account: &str,
    image: &ImageSpec,
    path: &str,
    start: SimTime,
) -> Result<Image, SpecError> {
    if !(3..=128).contains(&image.name.chars().count()) {
        return Err(SpecError::at(
            format!("{path}.name"),
            format!("`{}` must have 3 to 128 characters", image.name),
        ));
    }
    if region.images.values().any(|i| i.exists() && i.name == image.name) {
        return Err(SpecError::at(
            format!("{path}.name"),
            format!("`{}` is taken in this region: rename one", image.name),
        ));
    }
    let hash = digest(seed, &[account, &region.name, "image", &image.name]);
    let id = image.id.clone().unwrap_or_else(|| format!("ami-{}", &hash[..17]));
    if !is_resource_id("ami", &id) {
        return Err(SpecError::at(
            format!("{path}.id"),
            format!("`{id}` is not an image ID: write ami- and 8 or 17 hex digits"),
        ));
    }
    if let Expectation::Copied(copied) = &image.expect
        && !region
            .keys
            .iter()
            .any(|k| k.id == copied.key || k.arn == copied.key || k.aliases.contains(&copied.key))
    {
        return Err(SpecError::at(
            format!("{path}.expect.copied.key"),
            format!("no key `{}` in this region: add it to keys", copied.key),
        ));
    }
    let state_name = image.state.as_deref().unwrap_or("available");
    let state = ImageState::parse(state_name).ok_or_else(|| {
        SpecError::at(
            format!("{path}.state"),
            format!("`{state_name}` is not a state of an image: write available"),
        )
    })?;
    let creation_date = image
        .creation_date
        .unwrap_or_else(|| start.plus_seconds(-86_400.0 - spread(&hash) * 1094.0 * 86_400.0));
    let instance_store = image.root_device_type.as_deref() == Some("instance-store");
    // What is said to be made later is there all the same.
    let visible_at = creation_date.min(start);
    let mappings = expand_devices(region, account, image, &id, &hash, path, (creation_date, visible_at))?;
    let root_device_name = mappings.first().map_or_else(
        || {
            if instance_store {
                "/dev/sda1".to_owned()
            } else {
                String::new()
            }
        },
        |m| m.device.clone(),
    );
    let mut built = Image {
        id,
        owner: account.to_owned(),
        region: region.name.clone(),
        name: image.name.clone(),
        description: Lagged::new(image.description.clone()),
        tags: Lagged::new(image.tags.clone()),
        launch_permissions: Lagged::new(launch_permissions(image)),
        deprecation_time: Lagged::new(image.deprecation_time),
        creation_date,
        last_launched_time: Lagged::new(image.last_launched_time),
        state,
        state_reason: None,
        attributes: Attributes {
            architecture: image.architecture.clone().unwrap_or_else(|| "x86_64".to_owned()),
            boot_mode: image.boot_mode.clone(),
            tpm_support: image.tpm.clone(),
            imds_support: image.imds.clone(),
            uefi_data: image.uefi_data.clone(),
            ena_support: image.ena.unwrap_or(true),
            sriov_net_support: image.sriov.clone(),
            virtualization_type: image.virtualization.clone().unwrap_or_else(|| "hvm".to_owned()),
            platform: image.platform.clone(),
            root_device_type: image.root_device_type.clone().unwrap_or_else(|| "ebs".to_owned()),
            root_device_name,
            instance_types: image.instance_types.clone(),
            watermarks: image
                .watermarks
                .iter()
                .map(|key| (key.clone(), creation_date))
                .collect(),
        },
        product_codes: image.product_codes.clone(),
        deregistration_protection: image.deregistration_protection,
        mappings,
        source: image.source_image_id.clone().map(|source| {
            let source_region = image.source_image_region.clone().unwrap_or_else(|| region.name.clone());
            (source, source_region)
        }),
        source_instance: image.source_instance_id.clone(),
        created_by: None,
        visible_at,
        gone_at: None,
        scan: image.scan.clone(),
        image_type: image.image_type.clone().unwrap_or_else(|| "machine".to_owned()),
        garbled: image.garbled,
        expect: image.expect.clone(),
        spoiled: false,
        baseline: None,
    };
    if image.public && built.any_encrypted() {
        return Err(SpecError::at(
            format!("{path}.public"),
            "an encrypted image can not be public: drop one of the two",
        ));
    }
    if image.public_snapshots && built.any_encrypted() {
        return Err(SpecError::at(
            format!("{path}.publicSnapshots"),
            "an encrypted snapshot can not be public: drop one of the two",
        ));
    }
    built.take_baseline();
    Ok(built)
}

fn launch_permissions(image: &ImageSpec) -> BTreeSet<LaunchPermission> {
    let p = &image.launch_permissions;
    let mut all: BTreeSet<LaunchPermission> = BTreeSet::new();
    all.extend(p.users.iter().cloned().map(LaunchPermission::User));
    all.extend(p.organizations.iter().cloned().map(LaunchPermission::Organization));
    all.extend(
        p.organizational_units
            .iter()
            .cloned()
            .map(LaunchPermission::OrganizationalUnit),
    );
    if image.public {
        all.insert(LaunchPermission::All);
    }
    all
}

fn expand_devices(
    region: &mut Region,
    account: &str,
    image: &ImageSpec,
    image_id: &str,
    hash: &str,
    path: &str,
    times: (SimTime, SimTime),
) -> Result<Vec<Mapping>, SpecError> {
    let default = [DeviceSpec::default()];
    let devices: &[DeviceSpec] = match (&image.devices[..], image.root_device_type.as_deref()) {
        ([], Some("instance-store")) => &[],
        ([], _) => &default,
        (given, _) => given,
    };
    let mut mappings = Vec::new();
    let mut ephemerals = 0;
    for (i, device) in devices.iter().enumerate() {
        let device_path = format!("{path}.devices[{i}]");
        let name = device.device.clone().unwrap_or_else(|| device_name(i));
        if device.ephemeral {
            mappings.push(Mapping {
                device: name,
                storage: Storage::Ephemeral(format!("ephemeral{ephemerals}")),
            });
            ephemerals += 1;
            continue;
        }
        let snapshot = if let Some(other) = &device.snapshot_of {
            Some(snapshot_of(region, other, device, &device_path)?)
        } else if device.blank {
            None
        } else {
            Some(expand_snapshot(
                region,
                account,
                (image, image_id),
                device,
                &format!("snap-{}", &digest(i as u64, &[hash])[..17]),
                &device_path,
                times,
            )?)
        };
        let gib = device.gib.or(snapshot.as_ref().map(|s| s.gib)).unwrap_or(8);
        let encrypted = snapshot.as_ref().is_some_and(|s| s.encrypted);
        mappings.push(Mapping {
            device: name,
            storage: Storage::Ebs(Ebs {
                snapshot: snapshot.as_ref().map(|s| s.id.clone()),
                gib,
                volume_type: device.volume_type.clone().unwrap_or_else(|| "gp3".to_owned()),
                iops: device.iops,
                throughput: device.throughput,
                delete_on_termination: device.delete_on_termination.unwrap_or(true),
                encrypted,
            }),
        });
        if let Some(snapshot) = snapshot {
            region.snapshots.insert(snapshot.id.clone(), snapshot);
        }
    }
    Ok(mappings)
}

/// The snapshot that another image has already, as it is.
fn snapshot_of(region: &Region, other: &str, device: &DeviceSpec, path: &str) -> Result<Snapshot, SpecError> {
    let is_described = device.blank
        || device.encrypted_under.is_some()
        || !device.associated_keys.is_empty()
        || device.owned_by.is_some()
        || device.shared.is_some()
        || device.storage_tier.is_some()
        || device.availability_zone.is_some()
        || device.outpost_arn.is_some();
    if is_described {
        return Err(SpecError::at(
            path,
            format!("what the snapshot is like is said where `{other}` is: say only its size and kind of volume here"),
        ));
    }
    let image = region.images.values().find(|i| i.id == other || i.name == other);
    let snapshot = image
        .and_then(|i| i.snapshot_ids().next())
        .and_then(|id| region.snapshots.get(id));
    let snapshot = snapshot.ok_or_else(|| {
        SpecError::at(
            format!("{path}.snapshotOf"),
            format!("no image `{other}` with a snapshot further up in this region: add it, or move it up"),
        )
    })?;
    if device.gib.is_some_and(|gib| gib < snapshot.gib) {
        return Err(SpecError::at(
            format!("{path}.gib"),
            format!(
                "a volume is no smaller than its snapshot: write {} or more",
                snapshot.gib
            ),
        ));
    }
    Ok(snapshot.clone())
}

fn expand_snapshot(
    region: &Region,
    account: &str,
    (image, image_id): (&ImageSpec, &str),
    device: &DeviceSpec,
    id: &str,
    path: &str,
    (created, visible_at): (SimTime, SimTime),
) -> Result<Snapshot, SpecError> {
    let wanted = device.encrypted_under.as_ref().or(image.encrypted_under.as_ref());
    let key_arn = match wanted {
        None => None,
        // A key of another account or region can only be named in full.
        Some(name) if name.starts_with("arn:") => Some(name.clone()),
        Some(name) => Some(
            region
                .keys
                .iter()
                .find(|k| &k.id == name || k.aliases.contains(name))
                .ok_or_else(|| {
                    SpecError::at(
                        format!("{path}.encryptedUnder"),
                        format!("no key `{name}` in this region: add it to keys"),
                    )
                })?
                .arn
                .clone(),
        ),
    };
    let mut shared_with: BTreeSet<String> = image.snapshots_shared_with.iter().cloned().collect();
    let owner = device.owned_by.clone().unwrap_or_else(|| account.to_owned());
    if owner != account && device.shared.unwrap_or(true) {
        shared_with.insert(account.to_owned());
    }
    Ok(Snapshot {
        id: id.to_owned(),
        owner,
        description: snapshot_description(image, image_id, created),
        tags: Lagged::new(image.snapshot_tags.clone()),
        gib: device.gib.unwrap_or(8),
        encrypted: key_arn.is_some(),
        key_arn,
        associated_keys: device.associated_keys.clone(),
        state: SnapshotState::Completed,
        state_message: None,
        started_at: created,
        done_at: created,
        shared_with,
        public: image.public_snapshots,
        created_by: None,
        visible_at,
        gone_at: None,
        job: None,
        storage_tier: device.storage_tier.clone().unwrap_or_else(|| "standard".to_owned()),
        availability_zone: device.availability_zone.clone(),
        outpost_arn: device.outpost_arn.clone(),
    })
}

/// What AWS writes into the description of an image's snapshot, or what somebody else has written.
fn snapshot_description(image: &ImageSpec, id: &str, created: SimTime) -> String {
    match (
        &image.snapshot_description,
        &image.source_image_id,
        &image.source_instance_id,
    ) {
        (Some(given), _, _) => given.replace("{id}", id),
        (None, Some(source), None) => format!(
            "Copied for DestinationAmi {id} from SourceAmi {source} for SourceSnapshot snap-{}. Task created on {}.",
            &digest(0, &[source])[..17],
            created.as_millis()
        ),
        (None, _, Some(instance)) => format!("Created by CreateImage({instance}) for {id}"),
        (None, None, None) => format!("Created by CreateImage for {}", image.name),
    }
}

fn device_name(i: usize) -> String {
    let letters = b"abcdefghijklmnopqrstuvwxyz";
    let letter = |n: usize| char::from(letters[n % 26]);
    match i {
        0 => "/dev/xvda".to_owned(),
        1..26 => format!("/dev/sd{}", letter(i)),
        _ => format!("/dev/xvd{}{}", letter(i / 26), letter(i)),
    }
}

/// A number between 0 and 1 from hex digits.
#[allow(clippy::cast_precision_loss)]
fn spread(hash: &str) -> f64 {
    let digits = u32::from_str_radix(&hash[..8], 16).unwrap_or(0);
    f64::from(digits) / f64::from(u32::MAX)
}
