//! What a region is set to: GetEbsEncryptionByDefault, GetEbsDefaultKmsKeyId, GetImageBlockPublicAccessState,
//! GetSnapshotBlockPublicAccessState, GetAllowedImagesSettings.

use crate::engine::{Done, Outcome, Request, State};
use crate::model::{EBS_ALIAS, Guardrails, ImageCriterion};
use crate::wire::Xml;

fn guardrails(state: &State, request: &Request) -> Guardrails {
    let region = state.world.region(request.account(), &request.region);
    region.map(|r| r.guardrails.clone()).unwrap_or_default()
}

fn managed_by(x: &mut Xml, guardrails: &Guardrails) {
    let by = if guardrails.by_declarative_policy {
        "declarative-policy"
    } else {
        "account"
    };
    x.text("managedBy", by);
}

/// Runs GetEbsEncryptionByDefault.
pub(super) fn encryption(state: &mut State, request: &Request) -> Outcome {
    let set = guardrails(state, request);
    let mut xml = Xml::new();
    xml.value("ebsEncryptionByDefault", set.ebs_encryption_by_default);
    xml.text(
        "sseType",
        if set.ebs_encryption_by_default {
            "sse-kms"
        } else {
            "none"
        },
    );
    Ok(Done::read(xml))
}

/// Runs GetEbsDefaultKmsKeyId.
pub(super) fn default_key(state: &mut State, request: &Request) -> Outcome {
    let set = guardrails(state, request);
    let name = set.ebs_default_key.as_deref().unwrap_or(EBS_ALIAS);
    let key = state.world.key(request.account(), &request.region, name);
    let shown = match key {
        Some(key) if name != EBS_ALIAS => key.arn.as_str(),
        _ => name,
    };
    let mut xml = Xml::new();
    xml.text("kmsKeyId", shown);
    Ok(Done::read(xml))
}

/// Runs GetImageBlockPublicAccessState.
pub(super) fn image_access(state: &mut State, request: &Request) -> Outcome {
    let set = guardrails(state, request);
    let mut xml = Xml::new();
    xml.text("imageBlockPublicAccessState", set.image_access());
    managed_by(&mut xml, &set);
    Ok(Done::read(xml))
}

/// Runs GetSnapshotBlockPublicAccessState.
pub(super) fn snapshot_access(state: &mut State, request: &Request) -> Outcome {
    let set = guardrails(state, request);
    let mut xml = Xml::new();
    xml.text("state", set.snapshot_access());
    managed_by(&mut xml, &set);
    Ok(Done::read(xml))
}

/// Runs GetAllowedImagesSettings.
pub(super) fn allowed_images(state: &mut State, request: &Request) -> Outcome {
    let set = guardrails(state, request);
    let mut xml = Xml::new();
    xml.text("state", set.allowed_images.as_deref().unwrap_or("disabled"));
    xml.list("imageCriterionSet", &set.allowed_image_criteria, write_criterion);
    managed_by(&mut xml, &set);
    Ok(Done::read(xml))
}

fn write_criterion(x: &mut Xml, one: &ImageCriterion) {
    for (name, values) in [
        ("imageProviderSet", &one.providers),
        ("marketplaceProductCodeSet", &one.product_codes),
        ("imageNameSet", &one.names),
    ] {
        if !values.is_empty() {
            x.nest(name, |x| values.iter().for_each(|v| x.text("item", v)));
        }
    }
    if let Some(days) = one.max_days_since_deprecated {
        x.nest("deprecationTimeCondition", |x| {
            x.value("maximumDaysSinceDeprecated", days)
        });
    }
    if let Some(days) = one.max_days_since_created {
        x.nest("creationDateCondition", |x| x.value("maximumDaysSinceCreated", days));
    }
    if !one.watermarks.is_empty() {
        x.list("imageWatermarkSet", &one.watermarks, |x, key| {
            x.text("watermarkKey", key)
        });
    }
    if let Some(severity) = &one.max_severity {
        x.nest("scanResultCondition", |x| x.text("maximumSeverityLabel", severity));
    }
}
