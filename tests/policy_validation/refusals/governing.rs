//! What is looked for, and what a region is set to.

use serde_json::json;

use super::{Refusal, refused};

pub(super) fn audits() -> Vec<Refusal> {
    let owners = "spec.audit.trustedOwners";
    let sharing = "spec.audit.allowedSharing";
    let checks = "spec.audit.disabledChecks";
    let owner = "trustedOwners must be the 12 digits of accounts, in quotes, aws-marketplace or aws-backup-vault: write for \
                 example \"099720109477\"";
    let with = "allowedSharing must be the 12 digits of accounts, in quotes, or ARNs of organizations or of organizational units";
    let names = "disabledChecks must be names of checks, as status.findings and docs/findings.md have them: write for example \
                 unused-image";
    vec![
        refused(
            "/spec/audit/maxImageAge",
            json!("23h"),
            "spec.audit.maxImageAge",
            "maxImageAge must be at least 24h: write for example 2160h",
        ),
        refused(
            "/spec/audit/maxImageAge",
            json!("90d"),
            "spec.audit.maxImageAge",
            "maxImageAge must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/audit/maxScanAge",
            json!("1h"),
            "spec.audit.maxScanAge",
            "maxScanAge must be at least 24h: write for example 2160h",
        ),
        refused(
            "/spec/audit/maxFixAvailable/critical",
            json!("0s"),
            "spec.audit.maxFixAvailable.critical",
            "critical must be at least 24h: write for example 2160h",
        ),
        refused(
            "/spec/audit/maxFixAvailable/low",
            json!("soon"),
            "spec.audit.maxFixAvailable.low",
            "low must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/audit/requiredTags/0",
            json!(""),
            "spec.audit.requiredTags[0]",
            "should be at least 1 chars long",
        ),
        refused(
            "/spec/audit/requiredTags",
            json!(vec!["t"; 21]),
            "spec.audit.requiredTags",
            "must have at most 20 items",
        ),
        refused("/spec/audit/trustedOwners/0", json!("canonical"), owners, owner),
        refused("/spec/audit/trustedOwners/1", json!("99720109477"), owners, owner),
        refused("/spec/audit/allowedSharing/0", json!("all"), sharing, with),
        refused(
            "/spec/audit/allowedSharing/1",
            json!("arn:aws:organizations::111122223333:root/o-a1b2c3d4e5/r-ab12"),
            sharing,
            with,
        ),
        refused("/spec/audit/disabledChecks/0", json!("unused"), checks, names),
        refused("/spec/audit/disabledChecks/1", json!("Unused-Image"), checks, names),
    ]
}

pub(super) fn guardrails() -> Vec<Refusal> {
    let modes = "supported values: \"Enforce\", \"Audit\", \"Ignore\"";
    vec![
        refused(
            "/spec/guardrails/ebsEncryptionByDefault",
            json!("enforce"),
            "spec.guardrails.ebsEncryptionByDefault",
            modes,
        ),
        // YAML takes some words for truth values, so that none of them is a mode.
        refused(
            "/spec/guardrails/imageBlockPublicAccess",
            json!("Off"),
            "spec.guardrails.imageBlockPublicAccess",
            modes,
        ),
        refused(
            "/spec/guardrails/snapshotBlockPublicAccess",
            json!("block-all-sharing"),
            "spec.guardrails.snapshotBlockPublicAccess",
            modes,
        ),
        refused(
            "/spec/guardrails/allowedImages/mode",
            json!("Enabled"),
            "spec.guardrails.allowedImages.mode",
            modes,
        ),
        refused(
            "/spec/guardrails/allowedImages/state",
            json!("enabled"),
            "spec.guardrails.allowedImages.state",
            "supported values: \"AuditMode\", \"Enabled\"",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria",
            json!([]),
            "spec.guardrails.allowedImages",
            "allowedImages with mode Enforce must have criteria: write for example [{imageProviders: [amazon]}], or set mode \
             to Audit",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0",
            json!({}),
            "spec.guardrails.allowedImages.criteria[0]",
            "a criterion of allowedImages must ask for something: add for example imageProviders, or remove the criterion",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageProviders/0",
            json!("canonical"),
            "spec.guardrails.allowedImages.criteria[0].imageProviders",
            "imageProviders must be the 12 digits of accounts, in quotes, amazon, aws-marketplace, aws-backup-vault or none: \
             write for example \"099720109477\"",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageProviders/0",
            json!("none"),
            "spec.guardrails.allowedImages.criteria[0].imageProviders",
            "imageProviders must have no other value beside none: remove the others, or none",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageNames/0",
            json!("a?"),
            "spec.guardrails.allowedImages.criteria[0].imageNames",
            "imageNames may hold letters, digits, spaces and ()[]./-'@_*?, and are at least 3 characters long where one of \
             them is ?: write for example golden-*",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/marketplaceProductCodes/0",
            json!("a-b"),
            "spec.guardrails.allowedImages.criteria[0].marketplaceProductCodes",
            "marketplaceProductCodes may hold letters and digits: write the code as AWS Marketplace shows it",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageWatermarks/0/watermarkKey",
            json!("444455556666:ok\n"),
            "spec.guardrails.allowedImages.criteria[0].imageWatermarks[0].watermarkKey",
            "watermarkKey must be the account and the name of a watermark, which may have the wildcards * and ?: write for example \
             111122223333:golden",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageWatermarks/0/sourceImageRegion",
            json!("EU"),
            "spec.guardrails.allowedImages.criteria[0].imageWatermarks[0].sourceImageRegion",
            "sourceImageRegion must be the name of an AWS region, which may have the wildcards * and ?: write for example eu-*",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/imageWatermarks/0",
            json!({}),
            "spec.guardrails.allowedImages.criteria[0].imageWatermarks[0]",
            "an item of imageWatermarks must ask for something: add for example watermarkKey, or remove the item",
        ),
        refused(
            "/spec/guardrails/allowedImages/criteria/0/scanResultCondition",
            json!({}),
            "spec.guardrails.allowedImages.criteria[0].scanResultCondition",
            "scanResultCondition must ask for something: add for example maximumSeverityLabel, or remove it",
        ),
        refused(
            "/spec/guardrails",
            json!("Enforce"),
            "spec.guardrails",
            "must be of type object",
        ),
    ]
}
