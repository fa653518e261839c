//! DescribeImageAttribute and ModifyImageAttribute.

use std::collections::BTreeSet;

use super::{invalid_value, own_image};
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{EBS_ALIAS, Image, ImageState, LaunchPermission, World};
use crate::spec::is_account_id;
use crate::wire::{ApiError, Params, Xml};

/// Runs DescribeImageAttribute.
pub(super) fn describe(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let attribute = request.params.required("Attribute")?.to_owned();
    let now = request.now;
    let image = own_image(state, request, &id)?;
    let a = &image.attributes;
    let mut xml = Xml::new();
    xml.text("imageId", &id);
    let value = |xml: &mut Xml, name: &str, value: Option<&str>| match value {
        Some(v) => xml.nest(name, |x| x.text("value", v)),
        None => xml.nest(name, |_| {}),
    };
    match attribute.as_str() {
        "launchPermission" => {
            let permissions = image.launch_permissions.seen(now);
            xml.list("launchPermission", permissions, |x, p| match p {
                LaunchPermission::All => x.text("group", "all"),
                LaunchPermission::User(u) => x.text("userId", u),
                LaunchPermission::Organization(o) => x.text("organizationArn", o),
                LaunchPermission::OrganizationalUnit(ou) => x.text("organizationalUnitArn", ou),
            });
        }
        "description" => value(&mut xml, "description", image.description.seen(now).as_deref()),
        "productCodes" => xml.list("productCodes", &image.product_codes, |x, code| {
            x.text("productCode", code);
            x.text("type", "marketplace");
        }),
        "blockDeviceMapping" => super::images::write_mappings(&mut xml, image, true),
        "sriovNetSupport" => value(&mut xml, "sriovNetSupport", a.sriov_net_support.as_deref()),
        "bootMode" => value(&mut xml, "bootMode", a.boot_mode.as_deref()),
        "tpmSupport" => value(&mut xml, "tpmSupport", a.tpm_support.as_deref()),
        "uefiData" => value(&mut xml, "uefiData", a.uefi_data.as_deref()),
        "imdsSupport" => value(&mut xml, "imdsSupport", a.imds_support.as_deref()),
        "lastLaunchedTime" => {
            let text = image.last_launched_time.seen(now).map(|t| t.to_string());
            value(&mut xml, "lastLaunchedTime", text.as_deref());
        }
        "deregistrationProtection" => {
            let text = if image.deregistration_protection {
                "enabled-without-cooldown"
            } else {
                "disabled"
            };
            value(&mut xml, "deregistrationProtection", Some(text));
        }
        "kernel" | "ramdisk" => value(&mut xml, &attribute, None),
        other => {
            return Err(invalid_value(format!(
                "Value ({other}) for parameter attribute is invalid."
            )));
        }
    }
    Ok(Done::read(xml))
}

/// One change of ModifyImageAttribute.
enum Change {
    Permissions {
        add: BTreeSet<LaunchPermission>,
        remove: BTreeSet<LaunchPermission>,
    },
    Description(String),
    Imds(String),
}

/// Runs ModifyImageAttribute: one attribute a call.
pub(super) fn modify(state: &mut State, request: &Request) -> Outcome {
    let id = request.params.required("ImageId")?.to_owned();
    let change = read_change(&request.params)?;
    let longest = state.settings.consistency.attribute_seconds;
    let visible_at = state.visible_at(request.now, longest);
    let now = request.now;
    let image = own_image(state, request, &id)?;
    if image.state != ImageState::Available {
        return Err(ApiError::new(
            "InvalidAMIID.Unavailable",
            format!("The image ID '{id}' is not available"),
        ));
    }
    let changed = match change {
        Change::Description(text) => {
            let new = (!text.is_empty()).then_some(text);
            let changed = image.description.current() != &new;
            image.description.set(new, now, visible_at);
            changed
        }
        Change::Imds(value) => {
            if value != "v2.0" {
                return Err(invalid_value(format!(
                    "Value ({value}) for parameter imdsSupport is invalid. Expecting v2.0"
                )));
            }
            let changed = image.attributes.imds_support.as_deref() != Some("v2.0");
            image.attributes.imds_support = Some(value);
            changed
        }
        Change::Permissions { add, remove } => {
            let before = image.launch_permissions.current().clone();
            let mut after = before.clone();
            after.extend(add.iter().cloned());
            after.retain(|p| !remove.contains(p));
            let image = image.clone();
            check_sharing(&state.world, &image, &add)?;
            own_image(state, request, &id)?
                .launch_permissions
                .set(after.clone(), now, visible_at);
            before != after
        }
    };
    Ok(Done::returned(if changed { vec![id] } else { Vec::new() }))
}

fn read_change(params: &Params) -> Result<Change, ApiError> {
    let attribute = params.get("Attribute");
    let given = |name: &str| params.as_map().get(name).cloned();
    if attribute == Some("description") || given("Description.Value").is_some() {
        let text = given("Description.Value")
            .or_else(|| given("Value"))
            .unwrap_or_default();
        if text.chars().count() > 255 {
            return Err(invalid_value("The description must be 255 characters or fewer"));
        }
        super::copy::check_description(Some(&text))?;
        return Ok(Change::Description(text));
    }
    if attribute == Some("imdsSupport") || given("ImdsSupport.Value").is_some() {
        let value = given("ImdsSupport.Value")
            .or_else(|| given("Value"))
            .unwrap_or_default();
        return Ok(Change::Imds(value));
    }
    let mut add = listed(params, "LaunchPermission.Add")?;
    let mut remove = listed(params, "LaunchPermission.Remove")?;
    if attribute == Some("launchPermission") || (add.is_empty() && remove.is_empty()) {
        let flat = flat(params)?;
        match params.get("OperationType") {
            Some("add") => add.extend(flat),
            Some("remove") => remove.extend(flat),
            Some(other) => {
                return Err(invalid_value(format!(
                    "Value ({other}) for parameter operationType is invalid."
                )));
            }
            None => {}
        }
    }
    if add.is_empty() && remove.is_empty() {
        return Err(ApiError::new(
            "MissingParameter",
            "The request must contain an attribute to modify",
        ));
    }
    Ok(Change::Permissions { add, remove })
}

fn user(id: &str) -> Result<LaunchPermission, ApiError> {
    if is_account_id(id) {
        return Ok(LaunchPermission::User(id.to_owned()));
    }
    Err(ApiError::new(
        "InvalidAMIAttributeItemValue",
        format!("Invalid attribute item value \"{id}\" for userId item type."),
    ))
}

fn group(name: &str) -> Result<LaunchPermission, ApiError> {
    if name == "all" {
        return Ok(LaunchPermission::All);
    }
    Err(ApiError::new(
        "InvalidAMIAttributeItemValue",
        format!("Invalid attribute item value \"{name}\" for group item type."),
    ))
}

fn arn(text: &str, kind: &str) -> Result<String, ApiError> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "organizations", _, _, resource] if resource.starts_with(kind) => Ok(text.to_owned()),
        _ => Err(ApiError::new(
            "InvalidAMIAttributeItemValue",
            format!("Invalid attribute item value \"{text}\" for {kind} ARN item type."),
        )),
    }
}

fn listed(params: &Params, name: &str) -> Result<BTreeSet<LaunchPermission>, ApiError> {
    let mut all = BTreeSet::new();
    for i in params.indices(name) {
        let part = |field: &str| params.get(&format!("{name}.{i}.{field}"));
        if let Some(id) = part("UserId") {
            all.insert(user(id)?);
        }
        if let Some(name) = part("Group") {
            all.insert(group(name)?);
        }
        if let Some(text) = part("OrganizationArn") {
            all.insert(LaunchPermission::Organization(arn(text, "organization/")?));
        }
        if let Some(text) = part("OrganizationalUnitArn") {
            all.insert(LaunchPermission::OrganizationalUnit(arn(text, "ou/")?));
        }
    }
    Ok(all)
}

fn flat(params: &Params) -> Result<BTreeSet<LaunchPermission>, ApiError> {
    let mut all = BTreeSet::new();
    for id in params.list("UserId") {
        all.insert(user(id)?);
    }
    for name in params.list("UserGroup") {
        all.insert(group(name)?);
    }
    for text in params.list("OrganizationArn") {
        all.insert(LaunchPermission::Organization(arn(text, "organization/")?));
    }
    for text in params.list("OrganizationalUnitArn") {
        all.insert(LaunchPermission::OrganizationalUnit(arn(text, "ou/")?));
    }
    Ok(all)
}

/// An encrypted image can not be public, and one under the key that AWS manages for EBS can not be shared at all.
fn check_sharing(world: &World, image: &Image, add: &BTreeSet<LaunchPermission>) -> Result<(), ApiError> {
    if add.is_empty() {
        return Ok(());
    }
    let place = world.region(&image.owner, &image.region);
    let is_blocked = place.is_some_and(|place| place.guardrails.image_access() != "unblocked");
    if is_blocked && add.contains(&LaunchPermission::All) {
        return Err(ApiError::new(
            "OperationNotPermitted",
            "You can’t publicly share this image because block public access for AMIs is enabled for this account. To publicly share the image, you must call the DisableImageBlockPublicAccess API.",
        ));
    }
    let refuse = |message: &str| Err(ApiError::new("InvalidParameter", message));
    for id in image.snapshot_ids() {
        let Some(snapshot) = world.snapshot(&image.region, id).filter(|s| s.encrypted) else {
            continue;
        };
        if add.contains(&LaunchPermission::All) {
            return refuse(&format!(
                "Snapshot {id} is encrypted and can't be shared publicly. Specify another snapshot."
            ));
        }
        let default = world
            .key(&image.owner, &image.region, EBS_ALIAS)
            .map(|k| k.arn.as_str());
        if default.is_some() && snapshot.key_arn.as_deref() == default {
            return refuse("Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot.");
        }
    }
    if add.contains(&LaunchPermission::All) && !image.product_codes.is_empty() {
        return Err(ApiError::new(
            "InvalidRequest",
            "Images with product codes can't be shared publicly.",
        ));
    }
    Ok(())
}
