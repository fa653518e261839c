//! Whether an image can be launched: what EC2 refuses at once, and what it finds out only later.

use crate::clock::SimTime;
use crate::model::{ImageState, RESOLVE, TemplateDevice, World};
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
        if !there.is_some_and(|s| s.exists() && s.is_readable_by(account)) {
            return Some(ApiError::new(
                "InvalidSnapshot.NotFound",
                format!("The snapshot '{id}' does not exist."),
            ));
        }
    }
    None
}
