//! Rules of Allowed AMIs.

use kube::core::Rule;

/// Without a criterion there is nothing that could be set.
pub(in crate::api) fn enforced_images_have_criteria() -> Rule {
    Rule::new("!has(self.mode) || self.mode != 'Enforce' || (has(self.criteria) && size(self.criteria) > 0)").message(
        "allowedImages with mode Enforce must have criteria: write for example [{imageProviders: [amazon]}], or set mode to \
         Audit",
    )
}

/// AWS takes a criterion that says nothing for whatever it may mean.
pub(in crate::api) fn criterion_says_something() -> Rule {
    Rule::new(
        "(has(self.imageProviders) && size(self.imageProviders) > 0) || (has(self.imageNames) && size(self.imageNames) > 0) || \
         (has(self.marketplaceProductCodes) && size(self.marketplaceProductCodes) > 0) || \
         has(self.deprecationTimeCondition) || has(self.creationDateCondition) || \
         (has(self.imageWatermarks) && size(self.imageWatermarks) > 0) || has(self.scanResultCondition)",
    )
    .message("a criterion of allowedImages must ask for something: add for example imageProviders, or remove the criterion")
}

/// Providers are accounts, or what AWS calls some of them.
pub(in crate::api) fn image_providers() -> Rule {
    Rule::new("self.all(one, one.matches('^([0-9]{12}|amazon|aws-marketplace|aws-backup-vault|none)$'))").message(
        "imageProviders must be the 12 digits of accounts, in quotes, amazon, aws-marketplace, aws-backup-vault or none: \
         write for example \"099720109477\"",
    )
}

/// Nobody and somebody together is nothing that AWS takes.
pub(in crate::api) fn no_provider_is_alone() -> Rule {
    Rule::new("size(self) == 1 || !self.exists(one, one == 'none')")
        .message("imageProviders must have no other value beside none: remove the others, or none")
}

/// Names of images have the signs that AWS takes, and more than two where one of them is `?`.
pub(in crate::api) fn image_names() -> Rule {
    Rule::new(
        r#"self.all(name, name.matches(r"^[a-zA-Z0-9()\[\] ./'@_*?-]+$") && (!name.contains('?') || size(name) > 2))"#,
    )
    .message(
        "imageNames may hold letters, digits, spaces and ()[]./-'@_*?, and are at least 3 characters long where one of them \
         is ?: write for example golden-*",
    )
}

/// Product codes have their form.
pub(in crate::api) fn product_codes() -> Rule {
    Rule::new("self.all(code, code.matches('^[a-zA-Z0-9]+$'))")
        .message("marketplaceProductCodes may hold letters and digits: write the code as AWS Marketplace shows it")
}

/// A watermark's key has only what can be read.
pub(in crate::api) fn watermark_key() -> Rule {
    Rule::new("self.matches('^[ -~]+$')").message(
        "watermarkKey must be the account and the name of a watermark, which may have the wildcards * and ?: write for example \
         111122223333:golden",
    )
}

/// A region with wildcards.
pub(in crate::api) fn source_image_region() -> Rule {
    Rule::new("self.matches('^[a-z0-9*?-]+$')").message(
        "sourceImageRegion must be the name of an AWS region, which may have the wildcards * and ?: write for example eu-*",
    )
}

/// A watermark is asked for by something.
pub(in crate::api) fn watermark_says_something() -> Rule {
    Rule::new(
        "has(self.watermarkKey) || has(self.sourceImageRegion) || has(self.maximumDaysSinceSourceImageCreated) || \
         has(self.maximumDaysSinceWatermarkCreated)",
    )
    .message("an item of imageWatermarks must ask for something: add for example watermarkKey, or remove the item")
}

/// A scan is asked for something.
pub(in crate::api) fn scan_says_something() -> Rule {
    Rule::new(
        "has(self.maximumSeverityLabel) || has(self.maxDaysSinceLastFindingScan) || \
         has(self.maxDaysSinceInformationalFixAvailable) || has(self.maxDaysSinceLowFixAvailable) || \
         has(self.maxDaysSinceMediumFixAvailable) || has(self.maxDaysSinceHighFixAvailable) || \
         has(self.maxDaysSinceCriticalFixAvailable)",
    )
    .message("scanResultCondition must ask for something: add for example maximumSeverityLabel, or remove it")
}
