//! What CopyImage makes: a pending image with pending snapshots, right or, where a fault rule says so, wrong.

use std::collections::BTreeSet;

use super::copy::{Asked, CopyKey};
use crate::clock::SimTime;
use crate::engine::{Event, Request, State};
use crate::faults::{Act, AttributeLie};
use crate::kms;
use crate::model::{
    CopyJob, Image, ImageState, InstanceTypes, Lagged, Mapping, Snapshot, SnapshotState, Storage, Tags,
};
use crate::spec::{Expectation, LimitMode};

/// When each place for a concurrent snapshot copy becomes free; without places, every copy starts at once.
struct Queue(Vec<SimTime>);

impl Queue {
    fn of(state: &State, request: &Request) -> Self {
        let region = state.world.region(request.account(), &request.region);
        let (Some(region), LimitMode::Queue) = (region, state.settings.copies.beyond_limit) else {
            return Self(Vec::new());
        };
        let mut queue = Self(vec![request.now; region.snapshot_copy_limit.max(1)]);
        let mut running: Vec<(SimTime, SimTime)> = region
            .snapshots
            .values()
            .filter(|s| s.exists() && s.state == SnapshotState::Pending)
            .map(|s| (s.started_at, s.done_at))
            .collect();
        running.sort_unstable();
        for (_, done_at) in running {
            *queue.next() = done_at;
        }
        queue
    }

    fn next(&mut self) -> &mut SimTime {
        let first = self
            .0
            .iter()
            .enumerate()
            .min_by_key(|(_, free)| **free)
            .map_or(0, |(i, _)| i);
        &mut self.0[first]
    }

    /// Start and end of a copy that takes that long.
    fn take(&mut self, now: SimTime, seconds: f64) -> (SimTime, SimTime) {
        if self.0.is_empty() {
            return (now, now.plus_seconds(seconds));
        }
        let place = self.next();
        let start = (*place).max(now);
        *place = start.plus_seconds(seconds);
        (start, *place)
    }
}

/// An action on the key of a copy, or on that of its original, that the caller needs and may not do.
fn lacking(
    state: &State,
    request: &Request,
    (source, original): (&Image, &str),
    key: Option<&CopyKey>,
) -> Option<String> {
    let actions = &state.settings.copies.key_actions;
    let named = key.map(|key| key.arn.as_deref().unwrap_or(&key.reference));
    let lacks = named.and_then(|key| kms::lacking(state, request, &request.region, key, actions));
    lacks.or_else(|| {
        let snapshot = state.world.snapshot(&source.region, original)?;
        kms::lacking_to_read(state, request, &source.region, snapshot.key_arn.as_deref()?, actions)
    })
}

/// Makes the pending image and its pending snapshots. Returns their IDs, the image's first.
pub(super) fn create(
    state: &mut State,
    request: &Request,
    asked: &Asked,
    source: &Image,
    key: Option<&CopyKey>,
) -> Vec<String> {
    let now = request.now;
    let settings = state.settings.clone();
    let id = format!("ami-{}", state.hex(17));
    let visible_at = state.visible_at(now, settings.consistency.create_seconds);
    let mut mappings = source.mappings.clone();
    let mut snapshots: Vec<Snapshot> = Vec::new();
    let mut queue = Queue::of(state, request);
    for mapping in &mut mappings {
        let Storage::Ebs(ebs) = &mut mapping.storage else {
            continue;
        };
        let Some(original) = ebs.snapshot.clone() else {
            continue;
        };
        ebs.encrypted = key.is_some();
        let jitter = 1.0 + settings.copies.jitter * (2.0 * state.draw() - 1.0);
        let length = (settings.copies.base_seconds + settings.copies.seconds_per_gib * f64::from(ebs.gib)) * jitter;
        let (start, done_at) = queue.take(now, length.max(0.0));
        let snapshot = Snapshot {
            id: format!("snap-{}", state.hex(17)),
            owner: request.account().to_owned(),
            description: format!(
                "Copied for DestinationAmi {id} from SourceAmi {} for SourceSnapshot {original}. Task created on {}.",
                source.id,
                now.as_millis()
            ),
            tags: Lagged::new(asked.snapshot_tags.clone()),
            gib: ebs.gib,
            encrypted: key.is_some(),
            key_arn: key.and_then(|k| k.arn.clone()),
            associated_keys: Vec::new(),
            state: SnapshotState::Pending,
            state_message: None,
            started_at: start,
            done_at,
            shared_with: BTreeSet::new(),
            public: false,
            created_by: Some(request.seq),
            // Not with the image, nor with one another.
            visible_at: state.visible_at(now, settings.consistency.create_seconds),
            gone_at: None,
            storage_tier: "standard".to_owned(),
            availability_zone: None,
            outpost_arn: None,
            job: Some(CopyJob {
                image: id.clone(),
                key: key.map(|k| k.arn.clone().unwrap_or_else(|| k.reference.clone())),
                source_key: state
                    .world
                    .snapshot(&source.region, &original)
                    .and_then(|s| s.key_arn.clone())
                    .map(|arn| (source.region.clone(), arn)),
                principals: request.caller.principals(),
                lacks: lacking(state, request, (source, &original), key),
            }),
        };
        ebs.snapshot = Some(snapshot.id.clone());
        snapshots.push(snapshot);
    }
    let mut attributes = source.attributes.clone();
    if !settings.copies.keeps_imds {
        attributes.imds_support = None;
    }
    if !settings.copies.keeps_tpm {
        attributes.tpm_support = None;
        attributes.uefi_data = None;
    }
    if !settings.copies.keeps_uefi_data {
        attributes.uefi_data = None;
    }
    if !settings.copies.keeps_instance_types {
        attributes.instance_types = None;
    }
    if !settings.copies.keeps_watermarks {
        attributes.watermarks.clear();
    }
    let mut copy = Image {
        id: id.clone(),
        owner: request.account().to_owned(),
        region: request.region.clone(),
        name: asked.name.clone(),
        description: Lagged::new(asked.description.clone()),
        tags: Lagged::new(image_tags(request, asked, source)),
        launch_permissions: Lagged::new(BTreeSet::new()),
        deprecation_time: Lagged::new(None),
        creation_date: now,
        last_launched_time: Lagged::new(None),
        state: ImageState::Pending,
        state_reason: None,
        attributes,
        product_codes: source.product_codes.clone(),
        deregistration_protection: false,
        mappings,
        source: Some((source.id.clone(), source.region.clone())),
        source_instance: None,
        created_by: Some(request.seq),
        visible_at,
        gone_at: None,
        scan: None,
        image_type: source.image_type.clone(),
        garbled: None,
        expect: Expectation::Any,
        spoiled: request.lie.is_some(),
        baseline: None,
    };
    lie(request.lie.as_ref(), &mut copy, &mut snapshots);
    let done_at = snapshots.iter().map(|s| s.done_at).max().unwrap_or(now);
    place(state, request, copy, snapshots, done_at)
}

pub(super) fn image_tags(request: &Request, asked: &Asked, source: &Image) -> Tags {
    let mut tags = Tags::new();
    // Tags that others put on a shared image are not the caller's to copy.
    if asked.copy_tags && source.owner == request.account() {
        tags.extend(
            source
                .tags
                .current()
                .iter()
                .filter(|(k, _)| !k.starts_with("aws:"))
                .map(|(k, v)| (k.clone(), v.clone())),
        );
    }
    tags.extend(asked.image_tags.clone());
    tags
}

fn place(state: &mut State, request: &Request, copy: Image, snapshots: Vec<Snapshot>, done_at: SimTime) -> Vec<String> {
    let mut made = vec![copy.id.clone()];
    let account = request.account().to_owned();
    let region = request.region.clone();
    state.events.insert((
        done_at,
        Event::Image {
            account: account.clone(),
            region: region.clone(),
            id: copy.id.clone(),
        },
    ));
    for snapshot in &snapshots {
        made.push(snapshot.id.clone());
        state.events.insert((
            snapshot.done_at,
            Event::Snapshot {
                account: account.clone(),
                region: region.clone(),
                id: snapshot.id.clone(),
            },
        ));
    }
    if let Some(region) = state.world.region_mut(&account, &region) {
        region
            .snapshots
            .extend(snapshots.into_iter().map(|s| (s.id.clone(), s)));
        region.images.insert(copy.id.clone(), copy);
    }
    made
}

/// Makes the copy wrong, as a fault rule wants it. The last snapshot is the wrong one.
fn lie(act: Option<&Act>, copy: &mut Image, snapshots: &mut [Snapshot]) {
    match act {
        Some(Act::CopyUnencrypted) => {
            if let Some(snapshot) = snapshots.last_mut() {
                snapshot.encrypted = false;
                snapshot.key_arn = None;
                if let Some(job) = &mut snapshot.job {
                    job.key = None;
                }
                for mapping in &mut copy.mappings {
                    if let Storage::Ebs(ebs) = &mut mapping.storage
                        && ebs.snapshot.as_ref() == Some(&snapshot.id)
                    {
                        ebs.encrypted = false;
                    }
                }
            }
        }
        Some(Act::CopyUnderKey(arn)) => {
            if let Some(snapshot) = snapshots.last_mut() {
                snapshot.key_arn = Some(arn.clone());
            }
        }
        Some(Act::CopyAttribute(attribute)) => attribute_lie(attribute, copy),
        _ => {}
    }
}

fn attribute_lie(lie: &AttributeLie, copy: &mut Image) {
    let value = lie.value.clone();
    let text = value.clone().unwrap_or_default();
    let a = &mut copy.attributes;
    match lie.name.as_str() {
        "architecture" => a.architecture = text,
        "bootMode" => a.boot_mode = value,
        "tpmSupport" => a.tpm_support = value,
        "imdsSupport" => a.imds_support = value,
        "uefiData" => a.uefi_data = value,
        "enaSupport" => a.ena_support = text == "true",
        "sriovNetSupport" => a.sriov_net_support = value,
        "rootDeviceName" => a.root_device_name = text,
        "instanceTypes" => {
            a.instance_types = value.map(|supported| InstanceTypes {
                supported: BTreeSet::from([supported]),
                unsupported: BTreeSet::new(),
            });
        }
        "watermarks" => a.watermarks = value.map(|key| (key, copy.creation_date)).into_iter().collect(),
        other => mapping_lie(other, value.as_deref(), &mut copy.mappings),
    }
}

/// The last mapping of the kind that is meant is wrong, or gone.
fn mapping_lie(name: &str, value: Option<&str>, mappings: &mut Vec<Mapping>) {
    let text = value.unwrap_or_default();
    let number = || value.and_then(|text| text.parse().ok());
    match name {
        "blank" => remove_last(
            mappings,
            |storage| matches!(storage, Storage::Ebs(ebs) if ebs.snapshot.is_none()),
        ),
        "ephemeral" => remove_last(mappings, |storage| matches!(storage, Storage::Ephemeral(_))),
        "deviceName" => {
            if let Some(mapping) = mappings.last_mut() {
                text.clone_into(&mut mapping.device);
            }
        }
        _ => {
            let mut volumes = mappings
                .iter_mut()
                .rev()
                .filter_map(|mapping| match &mut mapping.storage {
                    Storage::Ebs(ebs) => Some(ebs),
                    Storage::Ephemeral(_) => None,
                });
            let Some(ebs) = volumes.next() else { return };
            match name {
                "volumeSize" => ebs.gib = number().unwrap_or(ebs.gib + 1),
                "volumeType" => text.clone_into(&mut ebs.volume_type),
                "iops" => ebs.iops = number(),
                "throughput" => ebs.throughput = number(),
                _ => ebs.delete_on_termination = text == "true",
            }
        }
    }
}

fn remove_last(mappings: &mut Vec<Mapping>, is_meant: impl Fn(&Storage) -> bool) {
    if let Some(last) = mappings.iter().rposition(|mapping| is_meant(&mapping.storage)) {
        mappings.remove(last);
    }
}
