//! Setting what a region is set to: EnableEbsEncryptionByDefault, DisableEbsEncryptionByDefault, ModifyEbsDefaultKmsKeyId,
//! ResetEbsDefaultKmsKeyId, EnableImageBlockPublicAccess, DisableImageBlockPublicAccess, EnableSnapshotBlockPublicAccess,
//! DisableSnapshotBlockPublicAccess.

use super::invalid_value;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{EBS_ALIAS, Guardrails, Setting};
use crate::spec::BadDefaultKeys;
use crate::wire::{ApiError, Xml};

/// The operations that set what a region is set to; none of them is about a resource.
pub(crate) const NAMES: [&str; 11] = [
    "EnableEbsEncryptionByDefault",
    "DisableEbsEncryptionByDefault",
    "ModifyEbsDefaultKmsKeyId",
    "ResetEbsDefaultKmsKeyId",
    "EnableImageBlockPublicAccess",
    "DisableImageBlockPublicAccess",
    "EnableSnapshotBlockPublicAccess",
    "DisableSnapshotBlockPublicAccess",
    "EnableAllowedImagesSettings",
    "DisableAllowedImagesSettings",
    "ReplaceImageCriteriaInAllowedImagesSettings",
];

/// Sets a setting, unless a declarative policy holds it. Returns what was changed, which may be nothing.
pub(super) fn set(
    state: &mut State,
    request: &Request,
    setting: Setting,
    change: impl FnOnce(&mut Guardrails),
) -> Result<Vec<String>, ApiError> {
    match state.set_guardrail(request, setting, change) {
        Some(true) => Ok(vec![setting.as_str().to_owned()]),
        Some(false) => Ok(Vec::new()),
        None => Err(ApiError::new(
            "OperationNotPermitted",
            "This action is denied due to an organizational policy in effect",
        )),
    }
}

/// Sets a state, and answers with it in an element of this name.
pub(super) fn set_state(
    state: &mut State,
    request: &Request,
    (setting, element): (Setting, &str),
    to: &str,
) -> Outcome {
    let changed = set(state, request, setting, |set| {
        let field = match setting {
            Setting::ImagePublicAccess => &mut set.image_public_access,
            Setting::SnapshotPublicAccess => &mut set.snapshot_public_access,
            _ => &mut set.allowed_images,
        };
        *field = Some(to.to_owned());
    })?;
    let mut xml = Xml::new();
    xml.text(element, to);
    Ok(Done::wrote(xml, changed))
}

/// A parameter that must be one of these.
pub(super) fn one_of(request: &Request, name: &str, known: &[&str]) -> Result<String, ApiError> {
    let given = request.params.required(name)?;
    if known.contains(&given) {
        return Ok(given.to_owned());
    }
    Err(invalid_value(format!(
        "Value ({given}) for parameter {name} is invalid. Valid values: {}",
        known.join(", ")
    )))
}

/// Runs EnableEbsEncryptionByDefault.
pub(super) fn enable_encryption(state: &mut State, request: &Request) -> Outcome {
    set_encryption(state, request, true)
}

/// Runs DisableEbsEncryptionByDefault.
pub(super) fn disable_encryption(state: &mut State, request: &Request) -> Outcome {
    set_encryption(state, request, false)
}

fn set_encryption(state: &mut State, request: &Request, on: bool) -> Outcome {
    let changed = set(state, request, Setting::EbsEncryptionByDefault, |set| {
        set.ebs_encryption_by_default = on;
    })?;
    let mut xml = Xml::new();
    xml.value("ebsEncryptionByDefault", on);
    Ok(Done::wrote(xml, changed))
}

/// Runs ModifyEbsDefaultKmsKeyId. AWS looks at the key only later: the call can appear to complete, and fail all the same.
pub(super) fn modify_default_key(state: &mut State, request: &Request) -> Outcome {
    let given = request.params.required("KmsKeyId")?.to_owned();
    let (account, region) = (request.account(), request.region.as_str());
    let found = state.world.key(account, region, &given);
    if given == EBS_ALIAS || found.is_some_and(|key| key.is_default_ebs()) {
        return reset_default_key(state, request);
    }
    let arn = found.map_or_else(|| arn_of(state, request, &given), |key| key.arn.clone());
    if found.is_none_or(|key| key.unusable().is_some()) {
        match state.settings.bad_default_keys {
            BadDefaultKeys::Kept => {}
            BadDefaultKeys::Dropped => return Ok(answer_key(&arn, Vec::new())),
            BadDefaultKeys::Refused => {
                return Err(ApiError::new(
                    "InvalidKMSKey.InvalidState",
                    "The KMS key provided is in an incorrect state",
                ));
            }
        }
    }
    // A key by another of its names is no other key.
    let asked = state.world.region(account, region).map(|r| r.guardrails_asked());
    let before = asked.and_then(|set| set.ebs_default_key);
    let named = before.and_then(|key| state.world.key(account, region, &key));
    let is_same = named.is_some_and(|key| key.arn == arn);
    let changed = set(state, request, Setting::EbsDefaultKey, |set| {
        if !is_same {
            set.ebs_default_key = Some(arn.clone());
        }
    })?;
    Ok(answer_key(&arn, changed))
}

/// Runs ResetEbsDefaultKmsKeyId.
pub(super) fn reset_default_key(state: &mut State, request: &Request) -> Outcome {
    let changed = set(state, request, Setting::EbsDefaultKey, |set| set.ebs_default_key = None)?;
    Ok(answer_key(EBS_ALIAS, changed))
}

fn answer_key(key: &str, changed: Vec<String>) -> Done {
    let mut xml = Xml::new();
    xml.text("kmsKeyId", key);
    Done::wrote(xml, changed)
}

/// The ARN of a key that is not there.
fn arn_of(state: &State, request: &Request, given: &str) -> String {
    if given.starts_with("arn:") {
        return given.to_owned();
    }
    let partition = state.world.partition(request.account());
    let (region, account) = (&request.region, request.account());
    let kind = if given.starts_with("alias/") { "" } else { "key/" };
    format!("arn:{partition}:kms:{region}:{account}:{kind}{given}")
}

const IMAGES: (Setting, &str) = (Setting::ImagePublicAccess, "imageBlockPublicAccessState");
const SNAPSHOTS: (Setting, &str) = (Setting::SnapshotPublicAccess, "state");

/// Runs EnableImageBlockPublicAccess.
pub(super) fn block_images(state: &mut State, request: &Request) -> Outcome {
    let to = one_of(request, "ImageBlockPublicAccessState", &["block-new-sharing"])?;
    set_state(state, request, IMAGES, &to)
}

/// Runs DisableImageBlockPublicAccess.
pub(super) fn unblock_images(state: &mut State, request: &Request) -> Outcome {
    set_state(state, request, IMAGES, "unblocked")
}

/// Runs EnableSnapshotBlockPublicAccess, which does not take `unblocked`.
pub(super) fn block_snapshots(state: &mut State, request: &Request) -> Outcome {
    let to = one_of(request, "State", &["block-all-sharing", "block-new-sharing"])?;
    set_state(state, request, SNAPSHOTS, &to)
}

/// Runs DisableSnapshotBlockPublicAccess.
pub(super) fn unblock_snapshots(state: &mut State, request: &Request) -> Outcome {
    set_state(state, request, SNAPSHOTS, "unblocked")
}
