//! The changes that the API server refuses, each with the answer that is wanted.

use serde_json::{Value, json};

/// One change that is refused: where it is made, what is put there (nothing: it is taken away), the field that the
/// answer names, and the words in which it says what is right.
pub(crate) struct Refusal {
    pub(crate) pointer: &'static str,
    pub(crate) value: Option<Value>,
    pub(crate) field: &'static str,
    pub(crate) mend: &'static str,
}

fn refused(pointer: &'static str, value: impl Into<Option<Value>>, field: &'static str, mend: &'static str) -> Refusal {
    Refusal {
        pointer,
        value: value.into(),
        field,
        mend,
    }
}

/// Every refusal there is.
pub(crate) fn all() -> impl Iterator<Item = Refusal> {
    [
        accounts(),
        accounts_from(),
        all_regions(),
        regions_and_keys(),
        images(),
        copies(),
        audits(),
        guardrails(),
        the_rest(),
    ]
    .into_iter()
    .flatten()
}

const DIGITS: &str = "accountID must be the account's 12 digits, in quotes: write for example \"111122223333\"";
const REGION: &str = "name must be the name of an AWS region, not of a zone: write for example eu-west-1";
const KEY: &str = "kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami";
const KEY_PATH: &str = "kmsKeyID must end in alias/ or key/ and a name of letters, digits and _/-";
const KEY_OF_REGION: &str = "write an ARN that begins with arn:aws:kms:eu-west-1:, or an alias as in alias/ami";
const INTERVAL: &str = "scanInterval must be at least 1m and at most 24h: write for example 15m";
const DURATION: &str = "scanInterval must be a duration of hours, minutes and seconds, in that order: write for \
                        example 15m or 1h30m";
const ROLE_NAME: &str = "roleName must be the name of an IAM role, after its path if it has one: write for example \
                         amiseal or teams/amiseal, and an ARN into roleARN";
const EXTERNAL_ID: &str = "externalID must have at least 2 characters, which may be letters, digits and _+=,.@:/-";
const SIGNS: &str = "namePattern may hold {sourceID}, {name} and the signs that AWS allows in an image's name";
const RESERVED: &str = "extraTags must not have keys that begin with aws: or amiseal.dev/, which are reserved: rename \
                        the key";
const TAG_KEYS: &str = "extraTags must have keys of 1 to 127 characters, as AWS has them: correct the key";
const TERM: &str = "a term of imageSelector must have names, tags or ids: add one, or remove the term";

fn accounts() -> Vec<Refusal> {
    let account = "spec.accounts[2].accountID";
    let number = "/spec/accounts/2/accountID";
    let role = "spec.accounts[0].roleARN";
    let role_at = "/spec/accounts/0/roleARN";
    let one_account = |id: usize| json!({"accountID": format!("{:012}", id)});
    vec![
        refused(number, json!("77778888999"), account, DIGITS),
        refused(number, json!("7777888899990"), account, DIGITS),
        refused(number, json!("7777-8888-9999"), account, DIGITS),
        refused(number, json!(777788889999_u64), account, "must be of type string"),
        refused(number, None, account, "Required value"),
        refused(number, json!("444455556666"), "spec.accounts[2]", "Duplicate value"),
        refused(
            "/spec/accounts",
            json!([]),
            "spec.accounts",
            "accounts must have at least one account: list one, or write accountsFrom",
        ),
        refused(
            "/spec/accounts",
            None,
            "spec.accounts",
            "accounts must have at least one account: list one, or write accountsFrom",
        ),
        refused(
            "/spec/accounts",
            json!((0..201).map(one_account).collect::<Vec<_>>()),
            "spec.accounts",
            "must have at most 200 items",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::999988887777:role/amiseal"),
            role,
            "roleARN must be a role of the account that accountID names: correct one of the two",
        ),
        refused(
            role_at,
            json!("arn:aws:iam::111122223333:user/amiseal"),
            role,
            "roleARN must be the ARN of an IAM role: write for example arn:aws:iam::111122223333:role/amiseal",
        ),
        refused(
            role_at,
            json!("arn:aws-cn:iam::111122223333:role/amiseal"),
            role,
            "roleARN must be of the partition that the account's regions are in: begin it with arn:aws-cn:",
        ),
        refused(
            "/spec/accounts/0/roleName",
            json!("amiseal"),
            "spec.accounts[0].roleName",
            "roleName and roleARN exclude each other: remove one of the two",
        ),
        refused(
            "/spec/accounts/2/roleName",
            json!("/amiseal/"),
            "spec.accounts[2].roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/roleName",
            json!("arn:aws:iam::111122223333:role/amiseal"),
            "spec.defaults.roleName",
            ROLE_NAME,
        ),
        refused(
            "/spec/defaults/externalID",
            json!("x"),
            "spec.defaults.externalID",
            EXTERNAL_ID,
        ),
        refused(
            "/spec/accounts/0/externalID",
            json!("two words"),
            "spec.accounts[0].externalID",
            EXTERNAL_ID,
        ),
    ]
}

fn accounts_from() -> Vec<Refusal> {
    let from = "/spec/accountsFrom";
    let units = "spec.accountsFrom.organizationalUnits";
    let one_of = "accountsFrom must have either organization: {}, for all accounts, or organizationalUnits";
    let of_all = |field: &str, value: Value| {
        let mut from = json!({"organization": {}});
        from[field] = value;
        from
    };
    let unit = |number: usize| format!("ou-ab12-{number:08}");
    let of_units = |units: Vec<String>| json!({"organizationalUnits": units});
    vec![
        refused(from, json!({}), "spec.accountsFrom", one_of),
        refused(from, json!({"organizationalUnits": []}), "spec.accountsFrom", one_of),
        refused(
            from,
            of_all("organizationalUnits", json!([unit(1)])),
            "spec.accountsFrom",
            one_of,
        ),
        refused(
            from,
            of_units(vec!["r-ab12".to_owned()]),
            units,
            "organizationalUnits must be IDs of organizational units: write for example ou-ab12-c3d4e5f6",
        ),
        refused(
            from,
            of_units((0..51).map(unit).collect()),
            units,
            "must have at most 50 items",
        ),
        refused(
            from,
            of_all("exclude", json!(["1111-2222-3333"])),
            "spec.accountsFrom.exclude",
            "exclude must be the 12 digits of accounts, in quotes",
        ),
        refused(
            from,
            of_all("exclude", (0..501).map(|id| format!("{id:012}")).collect()),
            "spec.accountsFrom.exclude",
            "must have at most 500 items",
        ),
        refused(
            from,
            of_all("roleARN", json!("lists-accounts")),
            "spec.accountsFrom.roleARN",
            "roleARN must be the ARN of an IAM role",
        ),
        refused(
            from,
            of_all("externalID", json!("x")),
            "spec.accountsFrom.externalID",
            EXTERNAL_ID,
        ),
        refused(
            "/spec",
            json!({"accountsFrom": {"organization": {}}}),
            "spec.accountsFrom",
            "accountsFrom needs defaults.roleName and defaults.regions",
        ),
        refused(
            "/spec",
            json!({
                "accountsFrom": {"organization": {}},
                "defaults": {
                    "roleName": "amiseal",
                    "regions": [{"name": "eu-west-1", "kmsKeyID": "1234abcd-12ab-34cd-56ef-1234567890ab"}],
                },
            }),
            "spec.defaults.regions",
            "defaults.regions must not name a key by its bare ID when several accounts take it",
        ),
    ]
}

fn all_regions() -> Vec<Refusal> {
    let at = "/spec/accounts/0/allRegions";
    let key = "allRegions.kmsKeyID must be an alias or the ID of a multi-Region key";
    let mut all: Vec<Refusal> = [
        "",
        "alias/",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        "mrk-1234",
        "arn:aws:kms:eu-west-1:111122223333:alias/ami",
        "arn:aws:kms:eu-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
    ]
    .into_iter()
    .map(|named| {
        refused(
            at,
            json!({"kmsKeyID": named}),
            "spec.accounts[0].allRegions.kmsKeyID",
            key,
        )
    })
    .collect();
    all.extend([
        refused(
            "/spec/defaults/allRegions",
            json!({"kmsKeyID": "1234abcd-12ab-34cd-56ef-1234567890ab"}),
            "spec.defaults.allRegions.kmsKeyID",
            key,
        ),
        refused(
            at,
            json!({"kmsKeyID": "alias/ami", "exclude": ["eu-west-1a"]}),
            "spec.accounts[0].allRegions.exclude",
            "exclude must be names of AWS regions, not of zones",
        ),
        refused(
            at,
            json!({"kmsKeyID": "alias/ami", "exclude": (0..41).map(|n| format!("eu-west-{n}")).collect::<Vec<_>>()}),
            "spec.accounts[0].allRegions.exclude",
            "must have at most 40 items",
        ),
        refused(
            "/spec",
            json!({
                "accountsFrom": {"organization": {}},
                "defaults": {
                    "roleName": "amiseal",
                    "allRegions": {"kmsKeyID": "mrk-1234abcd12ab34cd56ef1234567890ab"},
                },
            }),
            "spec.defaults.allRegions",
            "defaults.allRegions must not name a key by its ID when several accounts take it",
        ),
    ]);
    all
}

fn regions_and_keys() -> Vec<Refusal> {
    let name_at = "/spec/accounts/0/regions/0/name";
    let name = "spec.accounts[0].regions[0].name";
    let key_at = "/spec/accounts/0/regions/0/kmsKeyID";
    let key = "spec.accounts[0].regions[0].kmsKeyID";
    let defaults = "spec.defaults.regions";
    let one_region = |i: usize| json!({"name": format!("eu-west-{i}"), "kmsKeyID": "alias/ami"});
    vec![
        refused(name_at, json!("eu-west-1a"), name, REGION),
        refused(name_at, json!("Ireland"), name, REGION),
        refused(name_at, json!("eu_west_1"), name, REGION),
        refused(
            name_at,
            json!("eu-central-1"),
            "spec.accounts[0].regions[1]",
            "Duplicate value",
        ),
        refused(
            "/spec/accounts/0/regions",
            json!((0..41).map(one_region).collect::<Vec<_>>()),
            "spec.accounts[0].regions",
            "must have at most 40 items",
        ),
        refused(key_at, None, key, "Required value"),
        refused(key_at, json!("ami"), key, KEY),
        refused(key_at, json!("1234abcd-12ab-34cd-56ef-1234567890a"), key, KEY),
        refused(key_at, json!("mrk-1234"), key, KEY),
        refused(key_at, json!("alias/my key"), key, KEY_PATH),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:grant/ami"),
            key,
            KEY_PATH,
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab"),
            key,
            "kmsKeyID must have a whole key ID after key/",
        ),
        refused(
            key_at,
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            key_at,
            json!("arn:aws-cn:kms:eu-west-1:111122223333:alias/ami"),
            key,
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("arn:aws:kms:eu-west-2:111122223333:alias/ami"),
            "spec.defaults.regions[0].kmsKeyID",
            KEY_OF_REGION,
        ),
        refused(
            "/spec/defaults/regions/0/kmsKeyID",
            json!("1234abcd-12ab-34cd-56ef-1234567890ab"),
            defaults,
            "write an alias that each account has, or the key's ARN",
        ),
        refused(
            "/spec/defaults/regions/0/name",
            json!("cn-north-1"),
            defaults,
            "give those accounts their own regions, or correct their roleARN",
        ),
        refused(
            "/spec/defaults/regions",
            None,
            "spec.accounts",
            "accounts must each have regions or allRegions when defaults has neither",
        ),
    ]
}

fn images() -> Vec<Refusal> {
    let include = "spec.imageSelector.include[0]";
    let long_key = "k".repeat(128);
    vec![
        refused("/spec/imageSelector/include/0", json!({}), include, TERM),
        refused(
            "/spec/imageSelector/exclude/0/tags",
            json!({}),
            "spec.imageSelector.exclude[0]",
            TERM,
        ),
        refused(
            "/spec/imageSelector/include/0/ids/0",
            json!("ami-0123456789ABCDEF0"),
            "spec.imageSelector.include[0].ids",
            "ids must be image IDs: write for example ami-0123456789abcdef0",
        ),
        refused(
            "/spec/imageSelector/include/0/names/0",
            json!(""),
            "spec.imageSelector.include[0].names[0]",
            "should be at least 1 chars long",
        ),
        refused(
            "/spec/imageSelector/include/0/tags",
            json!({long_key: "*"}),
            "spec.imageSelector.include[0].tags",
            "tags must have keys of 1 to 127 characters, as AWS has them: correct the key",
        ),
    ]
}

fn copies() -> Vec<Refusal> {
    let pattern_at = "/spec/copy/namePattern";
    let pattern = "spec.copy.namePattern";
    let tags = "spec.copy.extraTags";
    let long_key = "k".repeat(128);
    vec![
        refused(
            pattern_at,
            json!("encrypted"),
            pattern,
            "namePattern must tell copies apart: add {sourceID} or {name} to it",
        ),
        refused(pattern_at, json!("encrypted:{name}"), pattern, SIGNS),
        refused(pattern_at, json!("{accountID}-{name}"), pattern, SIGNS),
        refused(
            pattern_at,
            json!(format!("{{name}}{}", "x".repeat(123))),
            pattern,
            "may not be more than 128 bytes",
        ),
        refused("/spec/copy/extraTags/aws:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/AWS:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/Aws:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/aWS:owner", json!("me"), tags, RESERVED),
        refused("/spec/copy/extraTags/amiseal.dev~1attempt", json!("1"), tags, RESERVED),
        refused("/spec/copy/extraTags", json!({long_key: ""}), tags, TAG_KEYS),
        refused("/spec/copy/extraTags", json!({"": "me"}), tags, TAG_KEYS),
        refused(
            "/spec/copy/extraTags/owner",
            json!("v".repeat(257)),
            "spec.copy.extraTags.owner",
            "may not be more than 256 bytes",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(0),
            "spec.copy.maxConcurrentSnapshots",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/copy/maxConcurrentSnapshots",
            json!(1001),
            "spec.copy.maxConcurrentSnapshots",
            "should be less than or equal to 1000",
        ),
        refused(
            "/spec/copy/maxAttempts",
            json!(11),
            "spec.copy.maxAttempts",
            "should be less than or equal to 10",
        ),
    ]
}

fn audits() -> Vec<Refusal> {
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

fn guardrails() -> Vec<Refusal> {
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

fn the_rest() -> Vec<Refusal> {
    let interval_at = "/spec/scanInterval";
    let interval = "spec.scanInterval";
    vec![
        refused(
            "/spec/mode",
            json!("enforce"),
            "spec.mode",
            "supported values: \"Audit\", \"Enforce\"",
        ),
        refused("/spec/suspend", json!("yes"), "spec.suspend", "must be of type boolean"),
        refused(
            "/spec/otherKey",
            json!("Ignore"),
            "spec.otherKey",
            "supported values: \"Migrate\", \"Report\"",
        ),
        refused(
            "/spec/validation/launch/instanceType",
            json!("nano"),
            "spec.validation.launch.instanceType",
            "write for example t3.nano",
        ),
        refused(
            "/spec/validation/launch/subnetID",
            json!("vpc-0123456789abcdef0"),
            "spec.validation.launch.subnetID",
            "write for example subnet-0123456789abcdef0",
        ),
        refused(
            "/spec/validation/launch/securityGroupIDs/0",
            json!("default"),
            "spec.validation.launch.securityGroupIDs",
            "write for example sg-0123456789abcdef0",
        ),
        refused(
            "/spec/validation/launch/timeout",
            json!("1m59s"),
            "spec.validation.launch.timeout",
            "timeout must be at least 2m and at most 1h",
        ),
        refused(
            "/spec/validation/launch/timeout",
            json!("10"),
            "spec.validation.launch.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/launch/maxConcurrent",
            json!(6),
            "spec.validation.launch.maxConcurrent",
            "should be less than or equal to 5",
        ),
        refused(
            "/spec/validation/job/cronJob",
            json!("Scan_Image"),
            "spec.validation.job.cronJob",
            "write for example scan-image",
        ),
        refused(
            "/spec/validation/job/timeout",
            json!("24h1s"),
            "spec.validation.job.timeout",
            "timeout must be at least 1m and at most 24h",
        ),
        refused(
            "/spec/validation/job/timeout",
            json!("1d"),
            "spec.validation.job.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/job/maxConcurrent",
            json!(51),
            "spec.validation.job.maxConcurrent",
            "should be less than or equal to 50",
        ),
        refused(
            "/spec/validation/inspector/maximumSeverity",
            json!("high"),
            "spec.validation.inspector.maximumSeverity",
            "supported values: \"Informational\", \"Low\", \"Medium\", \"High\", \"Critical\"",
        ),
        refused(
            "/spec/validation/inspector/maximumSeverity",
            None,
            "spec.validation.inspector.maximumSeverity",
            "Required value",
        ),
        refused(
            "/spec/validation/inspector/scan",
            json!("ondemand"),
            "spec.validation.inspector.scan",
            "supported values: \"Continuous\", \"OnDemand\"",
        ),
        refused(
            "/spec/validation/inspector/timeout",
            json!("14m59s"),
            "spec.validation.inspector.timeout",
            "timeout must be at least 15m and at most 168h",
        ),
        refused(
            "/spec/validation/inspector/timeout",
            json!("7d"),
            "spec.validation.inspector.timeout",
            "timeout must be a duration",
        ),
        refused(
            "/spec/validation/maxAttempts",
            json!(0),
            "spec.validation.maxAttempts",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/launchPermissions",
            json!("Keep"),
            "spec.promotion.launchPermissions",
            "supported values: \"Preserve\", \"Drop\"",
        ),
        refused(
            "/spec/promotion/launchTemplates",
            json!("Move"),
            "spec.promotion.launchTemplates",
            "supported values: \"Report\", \"Update\"",
        ),
        refused(
            "/spec/promotion/ssmParameters",
            json!("Move"),
            "spec.promotion.ssmParameters",
            "supported values: \"Report\", \"Update\"",
        ),
        refused(
            "/spec/promotion/autoScalingGroups",
            json!("Move"),
            "spec.promotion.autoScalingGroups",
            "supported values: \"Report\", \"Update\", \"Refresh\"",
        ),
        refused(
            "/spec/promotion/instanceRefresh/strategy",
            json!("Fast"),
            "spec.promotion.instanceRefresh.strategy",
            "supported values: \"Rolling\", \"ReplaceRootVolume\"",
        ),
        refused(
            "/spec/promotion/instanceRefresh/minHealthyPercentage",
            json!(101),
            "spec.promotion.instanceRefresh.minHealthyPercentage",
            "should be less than or equal to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxHealthyPercentage",
            json!(99),
            "spec.promotion.instanceRefresh.maxHealthyPercentage",
            "should be greater than or equal to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxHealthyPercentage",
            json!(195),
            "spec.promotion.instanceRefresh.maxHealthyPercentage",
            "maxHealthyPercentage needs a minHealthyPercentage",
        ),
        refused(
            "/spec/promotion/instanceRefresh/instanceWarmup",
            json!("25h"),
            "spec.promotion.instanceRefresh.instanceWarmup",
            "instanceWarmup must be at most 24h",
        ),
        refused(
            "/spec/promotion/instanceRefresh/bakeTime",
            json!("49h"),
            "spec.promotion.instanceRefresh.bakeTime",
            "bakeTime must be at most 48h",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointDelay",
            json!("two days"),
            "spec.promotion.instanceRefresh.checkpointDelay",
            "checkpointDelay must be a duration",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointPercentages",
            json!([50, 10, 100]),
            "spec.promotion.instanceRefresh.checkpointPercentages",
            "checkpointPercentages must ascend to 100",
        ),
        refused(
            "/spec/promotion/instanceRefresh/checkpointPercentages",
            json!([]),
            "spec.promotion.instanceRefresh.checkpointDelay",
            "checkpointDelay needs checkpointPercentages",
        ),
        refused(
            "/spec/promotion/instanceRefresh/maxConcurrentGroups",
            json!(0),
            "spec.promotion.instanceRefresh.maxConcurrentGroups",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/approval",
            json!("Ask"),
            "spec.promotion.approval",
            "supported values: \"Automatic\", \"Manual\"",
        ),
        refused(
            "/spec/promotion/map",
            json!({"configMap": "Amiseal_Images"}),
            "spec.promotion.map.configMap",
            "write for example amiseal-images",
        ),
        refused(
            "/spec/promotion/map",
            json!({}),
            "spec.promotion.map",
            "map must have configMap, ssmPrefix or both",
        ),
        refused(
            "/spec/promotion/map",
            json!({"ssmPrefix": "amiseal/images"}),
            "spec.promotion.map.ssmPrefix",
            "ssmPrefix must begin with / and have at most 14 levels",
        ),
        refused(
            "/spec/promotion/map",
            json!({"ssmPrefix": "/aws/images"}),
            "spec.promotion.map.ssmPrefix",
            "ssmPrefix must not begin with /aws or /ssm",
        ),
        refused(
            "/spec/promotion/maxPerDay",
            json!(0),
            "spec.promotion.maxPerDay",
            "should be greater than or equal to 1",
        ),
        refused(
            "/spec/promotion/tags",
            json!("Copy"),
            "spec.promotion.tags",
            "supported values: \"Publish\", \"Withhold\"",
        ),
        refused(
            "/spec/backups",
            json!("Ignore"),
            "spec.backups",
            "supported values: \"Exclude\", \"Include\"",
        ),
        refused(
            "/spec/historyTTL",
            json!("23h"),
            "spec.historyTTL",
            "historyTTL must be at least 24h: write for example 720h",
        ),
        refused(
            "/spec/historyTTL",
            json!("30d"),
            "spec.historyTTL",
            "historyTTL must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/unused/after",
            json!("23h"),
            "spec.unused.after",
            "after must be at least 24h: write for example 2160h",
        ),
        refused(
            "/spec/unused/after",
            json!("90d"),
            "spec.unused.after",
            "after must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(
            "/spec/consumers/parameters",
            json!("None"),
            "spec.consumers.parameters",
            "supported values: \"Images\", \"All\"",
        ),
        refused(
            "/spec/consumers/usageReports",
            json!("Off"),
            "spec.consumers.usageReports",
            "supported values: \"Ignore\", \"Create\"",
        ),
        refused(
            "/spec/newImages",
            json!({"lookEvery": "9s"}),
            "spec.newImages.lookEvery",
            "lookEvery must be at least 10s and at most 1h: write for example 1m",
        ),
        refused(
            "/spec/newImages",
            json!({"lookEvery": "1 minute"}),
            "spec.newImages.lookEvery",
            "lookEvery must be a duration of hours, minutes and seconds, in that order",
        ),
        refused(interval_at, json!("59s"), interval, INTERVAL),
        refused(interval_at, json!("24h1s"), interval, INTERVAL),
        refused(interval_at, json!("15"), interval, DURATION),
        refused(interval_at, json!("15 minutes"), interval, DURATION),
        refused(interval_at, json!("0.5h"), interval, DURATION),
        refused(interval_at, json!(""), interval, DURATION),
        refused(
            "/metadata/name",
            json!("p".repeat(57)),
            "<nil>",
            "metadata.name must have at most 56 characters, since it becomes part of labels and role session names: \
             choose a shorter one",
        ),
    ]
}
