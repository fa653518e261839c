//! AttachImageWatermark and DetachImageWatermark.

use super::{invalid_value, own_image};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::LaunchPermission;
use crate::wire::{ApiError, Xml};

/// How many an image can have.
const MOST: usize = 5;

/// Runs AttachImageWatermark: the key is the account and the name.
pub(super) fn attach(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let name = request.params.required("WatermarkName")?;
    let legal = |sign: char| sign.is_ascii_alphanumeric() || "()[] ./-'@_".contains(sign);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(legal) {
        return Err(invalid_value(format!("Invalid value '{name}' for WatermarkName")));
    }
    let key = format!("{}:{name}", request.account());
    let image = own_image(state, request, &id)?;
    if image.launch_permissions.current().contains(&LaunchPermission::All) {
        return Err(ApiError::new(
            "OperationNotPermitted",
            format!("The image {id} is public: it can not have a watermark"),
        ));
    }
    let is_new = !image.attributes.watermarks.contains_key(&key);
    if is_new && image.attributes.watermarks.len() >= MOST {
        return Err(ApiError::new(
            "ImageWatermarkLimitExceeded",
            format!("The image {id} has {MOST} watermarks already"),
        ));
    }
    image.attributes.watermarks.entry(key.clone()).or_insert(request.now);
    let mut xml = Xml::new();
    xml.text("watermarkKey", &key);
    Ok(Done::wrote(xml, if is_new { vec![id] } else { Vec::new() }))
}

/// Runs DetachImageWatermark, of one that is there or is not.
pub(super) fn detach(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let key = request.params.required("WatermarkKey")?.to_owned();
    let image = own_image(state, request, &id)?;
    let was_there = image.attributes.watermarks.remove(&key).is_some();
    Ok(Done::returned(if was_there { vec![id] } else { Vec::new() }))
}
