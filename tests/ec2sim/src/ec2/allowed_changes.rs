//! Setting Allowed AMIs: EnableAllowedImagesSettings, DisableAllowedImagesSettings,
//! ReplaceImageCriteriaInAllowedImagesSettings.

use super::guardrail_changes::{one_of, set, set_state};
use super::invalid_value;
use crate::engine::{Done, Outcome, Request, State};
use crate::model::{ImageCriterion, Setting};
use crate::spec::is_account_id;
use crate::wire::{ApiError, Params};

const STATE: (Setting, &str) = (Setting::AllowedImages, "allowedImagesSettingsState");
/// How many criteria there may be, and how many values of each kind in one of them.
const CRITERIA: usize = 10;
const PROVIDERS: usize = 200;
const VALUES: usize = 50;
const SEVERITIES: [&str; 5] = ["informational", "low", "medium", "high", "critical"];

/// Runs EnableAllowedImagesSettings, which does not take `disabled`.
pub(super) fn enable(state: &mut State, request: &Request) -> Outcome {
    let to = one_of(request, "AllowedImagesSettingsState", &["enabled", "audit-mode"])?;
    set_state(state, request, STATE, &to)
}

/// Runs DisableAllowedImagesSettings.
pub(super) fn disable(state: &mut State, request: &Request) -> Outcome {
    set_state(state, request, STATE, "disabled")
}

/// Runs ReplaceImageCriteriaInAllowedImagesSettings: without any criterion, those that are there go.
pub(super) fn replace_criteria(state: &mut State, request: &Request) -> Outcome {
    let criteria = read(&request.params)?;
    let changed = set(state, request, Setting::AllowedImageCriteria, |set| {
        set.allowed_image_criteria = criteria;
    })?;
    Ok(Done::returned(changed))
}

fn read(params: &Params) -> Result<Vec<ImageCriterion>, ApiError> {
    let numbers = params.indices("ImageCriterion");
    if numbers.len() > CRITERIA {
        return Err(invalid_value(format!(
            "At most {CRITERIA} image criteria may be specified"
        )));
    }
    let criteria = numbers.into_iter();
    criteria
        .map(|i| criterion(params, &format!("ImageCriterion.{i}")))
        .collect()
}

fn criterion(params: &Params, prefix: &str) -> Result<ImageCriterion, ApiError> {
    refuse_unknown(params, prefix)?;
    let texts = |name: &str, most: usize| values(params, &format!("{prefix}.{name}"), most);
    let watermarks = params.indices(&format!("{prefix}.ImageWatermark"));
    check_number("ImageWatermark", watermarks.len(), VALUES)?;
    let keys = watermarks
        .into_iter()
        .filter_map(|i| params.get(&format!("{prefix}.ImageWatermark.{i}.WatermarkKey")));
    let read = ImageCriterion {
        providers: texts("ImageProvider", PROVIDERS)?,
        names: texts("ImageName", VALUES)?,
        product_codes: texts("MarketplaceProductCode", VALUES)?,
        max_days_since_deprecated: days(
            params,
            &format!("{prefix}.DeprecationTimeCondition.MaximumDaysSinceDeprecated"),
        )?,
        max_days_since_created: days(
            params,
            &format!("{prefix}.CreationDateCondition.MaximumDaysSinceCreated"),
        )?,
        watermarks: keys.map(str::to_owned).collect(),
        max_severity: params
            .get(&format!("{prefix}.ScanResultCondition.MaximumSeverityLabel"))
            .map(str::to_owned),
    };
    check(&read)?;
    Ok(read)
}

/// Conditions that a world file does not know can not be kept: a call that sets one is refused, and never half obeyed.
fn refuse_unknown(params: &Params, prefix: &str) -> Result<(), ApiError> {
    let known = |name: &str| match name.split('.').next().unwrap_or_default() {
        "ImageProvider" | "ImageName" | "MarketplaceProductCode" => true,
        "ImageWatermark" => name.ends_with(".WatermarkKey"),
        "DeprecationTimeCondition" => name.ends_with(".MaximumDaysSinceDeprecated"),
        "CreationDateCondition" => name.ends_with(".MaximumDaysSinceCreated"),
        "ScanResultCondition" => name.ends_with(".MaximumSeverityLabel"),
        _ => false,
    };
    let prefix = format!("{prefix}.");
    let mut names = params.as_map().keys().filter_map(|name| name.strip_prefix(&prefix));
    match names.find(|name| !known(name)) {
        Some(name) => Err(invalid_value(format!("The condition {name} is not simulated"))),
        None => Ok(()),
    }
}

fn values(params: &Params, name: &str, most: usize) -> Result<Vec<String>, ApiError> {
    let given = params.list(name);
    check_number(name, given.len(), most)?;
    Ok(given.into_iter().map(str::to_owned).collect())
}

fn check_number(name: &str, number: usize, most: usize) -> Result<(), ApiError> {
    if number <= most {
        return Ok(());
    }
    Err(invalid_value(format!(
        "At most {most} values of {name} may be specified"
    )))
}

fn days(params: &Params, name: &str) -> Result<Option<u32>, ApiError> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let number = text.parse::<u32>().ok().filter(|days| i32::try_from(*days).is_ok());
    let bad = || invalid_value(format!("Invalid value '{text}' for {name}"));
    number.map(Some).ok_or_else(bad)
}

/// Refuses values that are none.
fn check(read: &ImageCriterion) -> Result<(), ApiError> {
    let is_provider = |one: &String| {
        let is_alias = matches!(one.as_str(), "amazon" | "aws-marketplace" | "aws-backup-vault");
        is_alias || is_account_id(one) || (one == "none" && read.providers.len() == 1)
    };
    if let Some(bad) = read.providers.iter().find(|one| !is_provider(one)) {
        return Err(invalid_value(format!("Invalid image provider '{bad}'")));
    }
    let is_legal = |sign: char| sign.is_ascii_alphanumeric() || "()[] ./-'@_*?".contains(sign);
    let is_name = |one: &String| {
        let least = if one.contains('?') { 3 } else { 1 };
        (least..=128).contains(&one.chars().count()) && one.chars().all(is_legal)
    };
    if let Some(bad) = read.names.iter().find(|one| !is_name(one)) {
        return Err(invalid_value(format!("Invalid image name '{bad}'")));
    }
    let is_code = |one: &String| one.len() <= 25 && one.chars().all(|sign| sign.is_ascii_alphanumeric());
    if let Some(bad) = read.product_codes.iter().find(|one| !is_code(one)) {
        return Err(invalid_value(format!("Invalid product code '{bad}'")));
    }
    match &read.max_severity {
        Some(bad) if !SEVERITIES.contains(&bad.as_str()) => Err(invalid_value(format!("Invalid severity '{bad}'"))),
        _ => Ok(()),
    }
}
