//! Whether an image can be launched: what EC2 refuses at once, and what it finds out only later.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::clock::SimTime;
use crate::glob;
use crate::model::{EBS_ALIAS, Image, ImageState, Key, RESOLVE, Snapshot, Storage, TemplateDevice, World};
use crate::spec::is_resource_id;
use crate::wire::ApiError;

/// The world, an account, and a region of it.
pub(crate) type Place<'a> = (&'a World, &'a str, &'a str);

/// Whether a text is an image's ID or names a parameter that has one.
pub(crate) fn is_reference(text: &str) -> bool {
    is_resource_id("ami", text) || text.strip_prefix(RESOLVE).is_some_and(|name| !name.is_empty())
}

/// Why EC2 refuses to launch an image.
pub(crate) fn refusal((world, account, region): Place<'_>, id: &str, now: SimTime) -> Option<ApiError> {
    let known = world.image(region, id).filter(|i| i.exists() && now >= i.visible_at);
    let Some(image) = known.filter(|i| world.may_launch(account, i, now)) else {
        return Some(ApiError::new(
            "InvalidAMIID.NotFound",
            format!("The image id '[{id}]' does not exist"),
        ));
    };
    (image.state != ImageState::Available).then(|| {
        ApiError::new(
            "InvalidAMIID.Unavailable",
            format!("The image ID '{id}' is not available"),
        )
    })
}

/// What is wrong with a mapping by itself: the encryption of a volume from a snapshot is the snapshot's.
pub(crate) fn contradiction(device: &TemplateDevice) -> Option<String> {
    (device.snapshot.is_some() && device.encrypted.is_some()).then(|| {
        format!(
            "the encrypted flag cannot be specified since device {} has a snapshot specified.",
            device.device
        )
    })
}

/// Why EC2 refuses to launch with these block device mappings.
pub(crate) fn mapping_refusal((world, account, region): Place<'_>, devices: &[TemplateDevice]) -> Option<ApiError> {
    let bad = |message: String| Some(ApiError::new("InvalidBlockDeviceMapping", message));
    for (i, device) in devices.iter().enumerate() {
        if let Some(sentence) = contradiction(device) {
            return bad(sentence);
        }
        if devices[..i].iter().any(|other| other.device == device.device) {
            return bad(format!(
                "The device '{}' is used in more than one block-device mapping",
                device.device
            ));
        }
        let Some(id) = &device.snapshot else {
            continue;
        };
        let there = world.snapshot(region, id);
        if !there.is_some_and(|s| s.exists() && world.may_read(account, region, s)) {
            return Some(ApiError::new(
                "InvalidSnapshot.NotFound",
                format!("The snapshot '{id}' does not exist."),
            ));
        }
    }
    None
}

/// Who launches.
#[derive(Clone, Debug)]
pub(crate) enum Who {
    /// A caller, by the account and the ARNs that policies can name it by.
    Caller(Vec<String>),
    /// The role of a service, by its ARN. What the policy of a key leaves to the account's own policies is not for it.
    Service(String),
}

impl Who {
    /// Anybody of an account whose own policies let it use keys.
    pub(crate) fn account(id: &str) -> Self {
        Self::Caller(vec![id.to_owned()])
    }

    /// The role of an account that a service has.
    pub(crate) fn service((world, account, _): Place<'_>, service: &str, name: &str) -> Self {
        let partition = world.partition(account);
        Self::Service(format!(
            "arn:{partition}:iam::{account}:role/aws-service-role/{service}.amazonaws.com/{name}"
        ))
    }

    /// Whether a key lets them use it.
    pub(crate) fn may_use(&self, key: &Key) -> bool {
        let owner = key.arn.split(':').nth(4).unwrap_or_default();
        match self {
            Self::Caller(principals) => key.permits(principals) || principals.iter().any(|p| is_granted(key, p)),
            // The policy of the key that AWS manages lets everybody of the account use it through EC2.
            Self::Service(arn) if key.is_default_ebs() => arn.split(':').nth(4) == Some(owner),
            Self::Service(arn) => {
                let named = key.allowed_principals.is_some() && key.permits(std::slice::from_ref(arn));
                named || is_granted(key, arn) || is_in_policy(key, arn)
            }
        }
    }
}

/// Whether a grant lets a principal make volumes under a key.
fn is_granted(key: &Key, principal: &str) -> bool {
    let needed = ["Decrypt", "CreateGrant"];
    key.grants
        .iter()
        .any(|g| g.grantee == principal && needed.iter().all(|n| g.operations.iter().any(|o| o == n)))
}

/// Whether a statement of the key's policy names a principal and allows it something.
fn is_in_policy(key: &Key, principal: &str) -> bool {
    let statements = key.policy.as_ref().and_then(|p| p["Statement"].as_array());
    let names = |value: &Value| match value {
        Value::Array(all) => all.iter().any(|one| one == principal || one == "*"),
        one => one == principal || one == "*",
    };
    let mut allowing = statements.into_iter().flatten().filter(|s| s["Effect"] == "Allow");
    allowing.any(|s| names(&s["Principal"]["AWS"]))
}

/// A volume that a launch makes.
struct Volume<'a> {
    snapshot: Option<&'a Snapshot>,
    /// What the mapping says.
    encrypted: Option<bool>,
    key: Option<&'a str>,
}

/// The volumes of a launch: the image's, with the mappings of the launch laid over them.
fn volumes<'a>(world: &'a World, image: &'a Image, devices: &'a [TemplateDevice]) -> Vec<Volume<'a>> {
    let snapshot = |id: &'a str| world.snapshot(&image.region, id);
    let mut all = Vec::new();
    for mapping in &image.mappings {
        let over = devices.iter().find(|d| d.device == mapping.device);
        let Storage::Ebs(ebs) = &mapping.storage else {
            continue;
        };
        if over.is_some_and(|d| d.no_device || d.virtual_name.is_some()) {
            continue;
        }
        let id = over.and_then(|d| d.snapshot.as_deref()).or(ebs.snapshot.as_deref());
        all.push(Volume {
            snapshot: id.and_then(snapshot),
            encrypted: over.and_then(|d| d.encrypted),
            key: over.and_then(|d| d.key.as_deref()),
        });
    }
    let more = devices.iter().filter(|d| {
        let is_volume = !d.no_device && d.virtual_name.is_none();
        is_volume && image.mappings.iter().all(|m| m.device != d.device)
    });
    all.extend(more.map(|d| Volume {
        snapshot: d.snapshot.as_deref().and_then(snapshot),
        encrypted: d.encrypted,
        key: d.key.as_deref(),
    }));
    all
}

/// Whether all volumes of a launch that hold data are encrypted.
pub(crate) fn is_encrypted((world, account, region): Place<'_>, image: &Image, devices: &[TemplateDevice]) -> bool {
    let by_default = encrypts_by_default((world, account, region));
    volumes(world, image, devices)
        .iter()
        .filter_map(|v| Some((v, v.snapshot?)))
        .all(|(v, snapshot)| snapshot.encrypted || by_default || v.encrypted == Some(true))
}

fn encrypts_by_default((world, account, region): Place<'_>) -> bool {
    let region = world.region(account, region);
    region.is_some_and(|r| r.guardrails.ebs_encryption_by_default)
}

/// What EC2 finds out only after it has begun to launch: a key that can not be used.
pub(crate) fn key_failure(place: Place<'_>, image: &Image, devices: &[TemplateDevice], who: &Who) -> Option<String> {
    let (world, account, region) = place;
    let default = world
        .region(account, region)
        .and_then(|r| r.guardrails.ebs_default_key.as_deref())
        .unwrap_or(EBS_ALIAS);
    let by_default = encrypts_by_default(place);
    for volume in volumes(world, image, devices) {
        let source = volume.snapshot.filter(|s| s.encrypted);
        let read_with = source.and_then(|s| s.key_arn.as_deref());
        // A volume of another account's snapshot is under a key of the account that launches.
        let own = source.is_some_and(|s| s.owner == account);
        let write_with = match (volume.key, source) {
            (Some(key), _) => Some(key),
            (None, Some(_)) if own => None,
            (None, Some(_)) => Some(default),
            (None, None) => (by_default || volume.encrypted == Some(true)).then_some(default),
        };
        for reference in [read_with, write_with].into_iter().flatten() {
            if let Some(sentence) = unusable(place, reference, who) {
                return Some(sentence);
            }
        }
        if source.is_some() && read_with.is_none() {
            return Some("a snapshot is under a key that is not there".to_owned());
        }
    }
    None
}

fn unusable((world, account, region): Place<'_>, reference: &str, who: &Who) -> Option<String> {
    match world.key(account, region, reference) {
        // AWS makes its own key when it is first needed.
        None if reference == EBS_ALIAS => None,
        None => Some(format!("the key {reference} is not there")),
        Some(key) if !who.may_use(key) => Some(format!("the key {} may not be used by whoever launches", key.arn)),
        Some(key) => key.unusable(),
    }
}

/// Why an image can not be launched on a type of instance.
pub(crate) fn type_refusal(image: &Image, instance_type: &str) -> Option<ApiError> {
    let types = image.attributes.instance_types.as_ref()?;
    let fits = |patterns: &BTreeSet<String>| patterns.iter().any(|p| glob::matches(p, instance_type));
    let refused = (!types.supported.is_empty() && !fits(&types.supported)) || fits(&types.unsupported);
    refused.then(|| {
        ApiError::new(
            "InvalidParameterCombination",
            format!(
                "The instance type {instance_type} is not supported by the image {}",
                image.id
            ),
        )
    })
}
