//! CopyImage.

use super::copy_make::{create, image_tags};
use super::{check_image_id, image_not_found, invalid_value, tags};
use crate::engine::{Done, Outcome, Request, State};
use crate::kms;
use crate::model::{EBS_ALIAS, Image, ImageState, Region, Tags, TokenUse};
use crate::spec::{DeadTokens, Disabled, LimitMode, OptIn};
use crate::wire::{ApiError, Params, Xml};

/// What a call asks for.
pub(super) struct Asked {
    pub(super) name: String,
    pub(super) description: Option<String>,
    pub(super) source_id: String,
    pub(super) source_region: String,
    pub(super) token: Option<String>,
    pub(super) encrypted: bool,
    pub(super) key: Option<String>,
    pub(super) copy_tags: bool,
    pub(super) image_tags: Tags,
    pub(super) snapshot_tags: Tags,
}

/// Runs CopyImage: answers with an ID at once; the rest comes later.
pub(super) fn copy_image(state: &mut State, request: &Request) -> Outcome {
    let asked = read(&request.params)?;
    if state.settings.copies.ascii_descriptions {
        check_description(asked.description.as_deref())?;
    }
    let fingerprint = request.params.fingerprint(&["ClientToken", "DryRun"]);
    if let Some(image) = earlier(state, request, &asked, &fingerprint)? {
        return Ok(answer(&image, Vec::new()));
    }
    let source = source(state, request, &asked)?;
    tags::check_number(&image_tags(request, &asked, &source))?;
    check_name(state, request, &asked.name)?;
    let snapshots = source.snapshot_ids().count();
    check_quotas(state, request, snapshots)?;
    admit(state, request, snapshots)?;
    let key = key(state, request, &asked, &source);
    let made = create(state, request, &asked, &source, key.as_ref());
    if let (Some(token), Some(region)) = (&asked.token, state.world.region_mut(request.account(), &request.region)) {
        region.tokens.insert(
            token.clone(),
            TokenUse {
                parameters: fingerprint,
                image: made[0].clone(),
            },
        );
    }
    Ok(answer(&made[0].clone(), made))
}

fn answer(image: &str, effects: Vec<String>) -> Done {
    let mut xml = Xml::new();
    xml.text("imageId", image);
    Done::wrote(xml, effects)
}

fn read(params: &Params) -> Result<Asked, ApiError> {
    let name = params.required("Name")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || "()[] ./-'@_".contains(c);
    if !(3..=128).contains(&name.chars().count()) || !name.chars().all(legal) {
        return Err(ApiError::new(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, '(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'",
        ));
    }
    let description = params.get("Description").map(str::to_owned);
    if description.as_ref().is_some_and(|d| d.chars().count() > 255) {
        return Err(invalid_value("The description must be 255 characters or fewer"));
    }
    let source_id = params.required("SourceImageId")?;
    check_image_id(source_id)?;
    let token = params.get("ClientToken").map(str::to_owned);
    if token.as_ref().is_some_and(|t| t.len() > 64 || !t.is_ascii()) {
        return Err(invalid_value("The client token must be 64 ASCII characters or fewer"));
    }
    let encrypted = params.flag("Encrypted")?;
    let key = params.get("KmsKeyId").map(str::to_owned);
    if key.is_some() && !encrypted {
        return Err(ApiError::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    let (mut image_tags, mut snapshot_tags) = (Tags::new(), Tags::new());
    for i in params.indices("TagSpecification") {
        let prefix = format!("TagSpecification.{i}");
        let kind = params.required(&format!("{prefix}.ResourceType"))?;
        let read = tags::read(params, &format!("{prefix}.Tag"))?;
        match kind {
            "image" => image_tags.extend(read),
            "snapshot" => snapshot_tags.extend(read),
            other => {
                return Err(invalid_value(format!(
                    "'{other}' is not a valid taggable resource type for this operation."
                )));
            }
        }
    }
    tags::check_number(&image_tags)?;
    tags::check_number(&snapshot_tags)?;
    Ok(Asked {
        name: name.to_owned(),
        description,
        source_id: source_id.to_owned(),
        source_region: params.required("SourceRegion")?.to_owned(),
        token,
        encrypted,
        key,
        copy_tags: params.flag("CopyImageTags")?,
        image_tags,
        snapshot_tags,
    })
}

/// The image that the same token made before.
fn earlier(state: &State, request: &Request, asked: &Asked, fingerprint: &str) -> Result<Option<String>, ApiError> {
    let used = asked.token.as_ref().and_then(|token| {
        state
            .world
            .region(request.account(), &request.region)?
            .tokens
            .get(token)
    });
    match used {
        None => Ok(None),
        Some(used)
            if state.settings.copies.tokens_of_dead_images == DeadTokens::Forget && is_dead(state, request, used) =>
        {
            Ok(None)
        }
        Some(used) if used.parameters == fingerprint => Ok(Some(used.image.clone())),
        Some(_) => Err(ApiError::new(
            "IdempotentParameterMismatch",
            "The client token you have provided is associated with a resource that has different parameters.",
        )),
    }
}

/// Whether the image of a token has failed, or is no more.
fn is_dead(state: &State, request: &Request, used: &TokenUse) -> bool {
    let image = state.world.image(&request.region, &used.image);
    image.is_none_or(|image| !image.exists() || image.state == ImageState::Failed)
}

/// Refuses a description with signs beyond ASCII.
pub(super) fn check_description(description: Option<&str>) -> Result<(), ApiError> {
    if description.is_none_or(str::is_ascii) {
        return Ok(());
    }
    Err(invalid_value("Character sets beyond ASCII are not supported."))
}

fn source(state: &State, request: &Request, asked: &Asked) -> Result<Image, ApiError> {
    let id = &asked.source_id;
    let opt_in = state
        .world
        .region(request.account(), &asked.source_region)
        .map(|r| r.opt_in);
    if opt_in == Some(OptIn::NotOptedIn) {
        return Err(invalid_value(format!(
            "Invalid value '{}' for sourceRegion",
            asked.source_region
        )));
    }
    let image = state
        .world
        .image(&asked.source_region, id)
        .filter(|i| {
            i.exists() && request.now >= i.visible_at && state.world.may_launch(request.account(), i, request.now)
        })
        .ok_or_else(|| image_not_found(&[id]))?;
    let is_taken = match image.state {
        ImageState::Available => true,
        ImageState::Disabled => state.settings.copies.disabled_sources == Disabled::Copied,
        _ => false,
    };
    if !is_taken {
        return Err(ApiError::new(
            "InvalidAMIID.Unavailable",
            format!("The image ID '{id}' is not available"),
        ));
    }
    if image.attributes.root_device_type == "instance-store" && asked.encrypted {
        return Err(ApiError::new(
            "InvalidRequest",
            "Instance store-backed AMIs can't be encrypted by copying.",
        ));
    }
    if image.owner != request.account() && !image.product_codes.is_empty() {
        return Err(ApiError::new(
            "InvalidRequest",
            "Images with EC2 BillingProduct codes cannot be copied to another AWS account",
        ));
    }
    let readable = image.snapshot_ids().all(|s| {
        state
            .world
            .snapshot(&asked.source_region, s)
            .is_some_and(|s| s.exists() && state.world.may_read(request.account(), &asked.source_region, s))
    });
    if !readable {
        return Err(ApiError::new(
            "InvalidRequest",
            "You do not have permission to access the storage of this ami",
        ));
    }
    let archived = image.snapshot_ids().find(|id| {
        let snapshot = state.world.snapshot(&asked.source_region, id);
        snapshot.is_some_and(|snapshot| snapshot.storage_tier == "archive")
    });
    if let Some(id) = archived {
        return Err(ApiError::new("IncorrectState", format!("Snapshot {id} is archived.")));
    }
    let sent_false = request.params.get("Encrypted").is_some() && !asked.encrypted;
    if sent_false && image.any_encrypted() {
        return Err(invalid_value(
            "An encrypted image can't be copied to an unencrypted one.",
        ));
    }
    Ok(image.clone())
}

fn check_name(state: &State, request: &Request, name: &str) -> Result<(), ApiError> {
    let Some(region) = state.world.region(request.account(), &request.region) else {
        return Ok(());
    };
    let live = region
        .images
        .values()
        .find(|i| i.exists() && i.name == name)
        .map(|i| i.id.clone());
    let lingering = region
        .lingering_names
        .get(name)
        .filter(|(_, until)| request.now < *until)
        .map(|(id, _)| id.clone());
    match live.or(lingering) {
        None => Ok(()),
        Some(id) => Err(ApiError::new(
            "InvalidAMIName.Duplicate",
            format!("AMI name {name} is already in use by AMI {id}"),
        )),
    }
}

/// Refuses beyond what an account may have in a region.
fn check_quotas(state: &State, request: &Request, wanted: usize) -> Result<(), ApiError> {
    let quotas = &state.settings.quotas;
    if let Some(sentence) = &quotas.other {
        return Err(ApiError::new("ResourceLimitExceeded", sentence.clone()));
    }
    let region = state.world.region(request.account(), &request.region);
    let count = |of: fn(&Region) -> usize| region.map_or(0, of);
    let snapshots = count(|r| r.snapshots.values().filter(|s| s.exists()).count());
    if quotas.snapshots.is_some_and(|quota| snapshots + wanted > quota) {
        return Err(ApiError::new(
            "SnapshotLimitExceeded",
            "You have reached your snapshot limit in this Region.",
        ));
    }
    let images = count(|r| r.images.values().filter(|i| i.exists()).count());
    if quotas.images.is_some_and(|quota| images + 1 > quota) {
        return Err(ApiError::new(
            "AMIQuotaExceeded",
            "You have reached your quota of AMIs in this Region.",
        ));
    }
    Ok(())
}

/// Refuses beyond the limits of concurrent copies.
fn admit(state: &State, request: &Request, wanted: usize) -> Result<(), ApiError> {
    let copies = &state.settings.copies;
    let Some(region) = state.world.region(request.account(), &request.region) else {
        return Ok(());
    };
    let images = region
        .images
        .values()
        .filter(|i| i.exists() && i.state == ImageState::Pending)
        .count();
    if images >= copies.image_limit {
        return Err(ApiError::new(
            "ResourceLimitExceeded",
            format!(
                "Too many image copies in progress. The limit is {} for this destination region.",
                copies.image_limit
            ),
        ));
    }
    let limit = region.snapshot_copy_limit;
    let busy = region.snapshots_in_flight();
    // An image of more snapshots than the limit is let in alone.
    if copies.beyond_limit == LimitMode::Refuse && busy > 0 && busy + wanted > limit {
        return Err(ApiError::new(
            "ResourceLimitExceeded",
            format!("Too many snapshot copies in progress. The limit is {limit} for this destination region."),
        ));
    }
    Ok(())
}

/// The key for the copy as it was named, and its ARN if it is known now.
pub(super) struct CopyKey {
    pub(super) reference: String,
    pub(super) arn: Option<String>,
}

fn key(state: &mut State, request: &Request, asked: &Asked, source: &Image) -> Option<CopyKey> {
    let account = request.account().to_owned();
    let set = state.world.region(&account, &request.region).map(|r| &r.guardrails);
    let by_default = set.is_some_and(|set| set.ebs_encryption_by_default);
    if !asked.encrypted && !source.any_encrypted() && !by_default {
        return None;
    }
    let default = set
        .and_then(|set| set.ebs_default_key.clone())
        .filter(|key| key != EBS_ALIAS);
    let reference = match asked.key.clone().or(default) {
        Some(named) => named,
        None => kms::ensure_ebs_key(state, &account, &request.region, request),
    };
    let arn = state
        .world
        .key(&account, &request.region, &reference)
        .map(|k| k.arn.clone());
    Some(CopyKey { reference, arn })
}
