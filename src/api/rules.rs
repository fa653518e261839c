//! The rules by which the API server refuses what cannot be right, each with a sentence that names the field and the
//! fix.
//!
//! They are CEL rather than `pattern` so that people read a sentence and not a regular expression. A rule on a region
//! runs up to 8,000 times for one policy (200 accounts of 40 regions), and the API server budgets for that both when
//! it takes the definition and when it takes a policy: keep those rules cheap, and every text that they read bounded.

use kube::core::{Message, Rule};

use super::CHECKS;

/// The partition of the region that `region`, a CEL expression, names: a CEL expression too.
fn partition_of(region: &str) -> String {
    const PARTITIONS: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("eusc-", "aws-eusc"),
        ("us-iso-", "aws-iso"),
        ("us-isob-", "aws-iso-b"),
        ("eu-isoe-", "aws-iso-e"),
        ("us-isof-", "aws-iso-f"),
    ];
    let choices: String = PARTITIONS
        .iter()
        .map(|(prefix, partition)| format!("{region}.startsWith('{prefix}') ? '{partition}' : "))
        .collect();
    format!("({choices}'aws')")
}

/// A policy's name fits into a label and into a role session name.
pub(super) fn policy_name() -> Rule {
    Rule::new("size(self.metadata.name) <= 56").message(
        "metadata.name must have at most 56 characters, since it becomes part of labels and role session names: \
         choose a shorter one",
    )
}

/// A duration is written so that [`Duration`](super::Duration) reads it, whose every digit fits.
pub(super) fn duration_form(field: &str) -> Rule {
    Rule::new(DURATION_FORM).message(
        format!(
            "{field} must be a duration of hours, minutes and seconds, in that order: write for example 15m or 1h30m"
        )
        .as_str(),
    )
}

const DURATION_FORM: &str = "self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self != ''";

/// A scan interval is between a minute and a day.
pub(super) fn scan_interval_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))"
    ))
    .message("scanInterval must be at least 1m and at most 24h: write for example 15m")
}

/// A look is a call of its own: more than six a minute gain nothing, and who wants fewer than one an hour has scans.
pub(super) fn look_every_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('10s') && duration(self) <= duration('1h'))"
    ))
    .message("lookEvery must be at least 10s and at most 1h: write for example 1m")
}

/// An instance is launched on a type of EC2's.
pub(super) fn instance_type() -> Rule {
    Rule::new("self.matches('^[a-z0-9-]+[.][a-z0-9-]+$')")
        .message("instanceType must be the name of an instance type: write for example t3.nano")
}

/// A subnet's ID has its form.
pub(super) fn subnet_id() -> Rule {
    Rule::new("self.matches('^subnet-([0-9a-f]{8}|[0-9a-f]{17})$')")
        .message("subnetID must be the ID of a subnet: write for example subnet-0123456789abcdef0")
}

/// Security groups are named by their IDs.
pub(super) fn security_group_ids() -> Rule {
    Rule::new("self.all(id, id.matches('^sg-([0-9a-f]{8}|[0-9a-f]{17})$'))")
        .message("securityGroupIDs must be IDs of security groups: write for example sg-0123456789abcdef0")
}

/// AWS takes minutes to check an instance, and one that takes an hour is paid for in vain.
pub(super) fn launch_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('2m') && duration(self) <= duration('1h'))"
    ))
    .message("timeout must be at least 2m and at most 1h: write for example 10m")
}

/// A CronJob's name has its form.
pub(super) fn cron_job_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
        .message("cronJob must be the name of a CronJob in the namespace of amiseal: write for example scan-image")
}

/// A scan of large volumes takes hours, and one that takes a day holds up what waits for it.
pub(super) fn job_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))"
    ))
    .message("timeout must be at least 1m and at most 24h: write for example 1h")
}

/// Amazon Inspector takes minutes to hours for a scan, and what it has not scanned within a week it does not come to by itself.
pub(super) fn inspector_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('15m') && duration(self) <= duration('168h'))"
    ))
    .message("timeout must be at least 15m and at most 168h: write for example 24h")
}

/// History is kept for a day at least.
pub(super) fn history_ttl_range() -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message("historyTTL must be at least 24h: write for example 720h")
}

/// AWS says up to a day late that an image was launched: less than a day says nothing.
pub(super) fn unused_after_range() -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message("after must be at least 24h: write for example 2160h")
}

/// A window in time is long enough to move something, and no longer than a week.
pub(super) fn window_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('5m') && duration(self) <= duration('168h'))"
    ))
    .message("duration must be at least 5m and at most 168h: write for example 4h")
}

/// A schedule has the five fields of cron, with numbers that exist.
pub(super) fn cron_form() -> Rule {
    const NAMES_OF_MONTHS: &str = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC";
    const NAMES_OF_DAYS: &str = "SUN|MON|TUE|WED|THU|FRI|SAT";
    let fields = [
        "[0-5]?[0-9]".to_owned(),
        "[01]?[0-9]|2[0-3]".to_owned(),
        "0?[1-9]|[12][0-9]|3[01]".to_owned(),
        format!("0?[1-9]|1[0-2]|{NAMES_OF_MONTHS}"),
        format!("[0-7]|{NAMES_OF_DAYS}"),
    ];
    let fields = fields.map(|value| {
        let term = format!(r"(\*|({value})(-({value}))?)(/[1-9][0-9]?)?");
        format!("{term}(,{term})*")
    });
    Rule::new(format!("self.matches(r'^{}$')", fields.join(" "))).message(
        "cron must be minute, hour, day of month, month and day of week, with one space between them: write for example \
         0 9 * * MON-THU",
    )
}

/// A time zone has the form of a name.
pub(super) fn time_zone_form() -> Rule {
    Rule::new(r"self.matches(r'^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')")
        .message("timeZone must be a name of the IANA time zone database: write for example Europe/Berlin")
}

/// A time is in UTC, to the second.
pub(super) fn time_form(field: &str) -> Rule {
    Rule::new(
        "self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$')",
    )
    .message(format!("{field} must be a time in UTC: write for example 2026-11-29T20:00:00Z").as_str())
}

/// A watermark's name is one that AWS takes.
pub(super) fn watermark_name() -> Rule {
    Rule::new(r#"self.matches(r"^[a-zA-Z0-9()\[\] ./'@_-]{3,128}$")"#).message(
        "seal must have at least 3 characters, which may be letters, digits, spaces and ()[]./-'@_: write for example \
         amiseal-verified",
    )
}

/// A ConfigMap's name is one that Kubernetes takes.
pub(super) fn config_map_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*$')")
        .message("configMap must be the name of a ConfigMap, in lower case: write for example amiseal-images")
}

/// A map that is asked for is kept somewhere.
pub(super) fn map_has_a_place() -> Rule {
    Rule::new("has(self.configMap) || has(self.ssmPrefix)")
        .message("map must have configMap, ssmPrefix or both: add one of them, or remove map")
}

/// A parameter's name is one that AWS takes: of its 15 levels the image's ID is one.
pub(super) fn parameter_prefix_form() -> Rule {
    Rule::new("self.matches('^(/[a-zA-Z0-9_.-]+){1,14}$')").message(
        "ssmPrefix must begin with / and have at most 14 levels of letters, digits and _.-, with no / at its end: write \
         for example /amiseal/images",
    )
}

/// AWS keeps these names to itself, in whichever case.
pub(super) fn parameter_prefix_not_reserved() -> Rule {
    Rule::new("!self.matches('^/([aA][wW][sS]|[sS][sS][mM])')")
        .message("ssmPrefix must not begin with /aws or /ssm, which AWS reserves: write for example /amiseal/images")
}

/// What counts in days is a day at least.
pub(super) fn a_day_at_least(field: &str) -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message(format!("{field} must be at least 24h: write for example 2160h").as_str())
}

/// A duration is no longer than AWS allows.
pub(super) fn at_most(field: &str, most: &str) -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) <= duration('{most}')"))
        .message(format!("{field} must be at most {most}: write for example 10m").as_str())
}

/// How large a group may become goes with how small it may.
pub(super) fn healthy_percentages() -> Rule {
    Rule::new(
        "!has(self.maxHealthyPercentage) || (has(self.minHealthyPercentage) && \
         self.maxHealthyPercentage - self.minHealthyPercentage <= 100)",
    )
    .message(
        "maxHealthyPercentage needs a minHealthyPercentage that is at most 100 less: set both, for example to 100 and 110",
    )
    .field_path(".maxHealthyPercentage")
}

/// Checkpoints ascend to the whole group.
pub(super) fn checkpoints() -> Rule {
    Rule::new(
        "size(self) == 0 || (self[size(self) - 1] == 100 && self.isSorted() && \
         self.all(one, self.exists_one(other, other == one)))",
    )
    .message(
        "checkpointPercentages must ascend to 100, so that all instances are replaced: write for example [10, 50, 100]",
    )
}

/// A delay is one of checkpoints.
pub(super) fn delay_of_checkpoints() -> Rule {
    Rule::new("!has(self.checkpointDelay) || (has(self.checkpointPercentages) && size(self.checkpointPercentages) > 0)")
        .message("checkpointDelay needs checkpointPercentages: write for example [50, 100], or remove the delay")
        .field_path(".checkpointDelay")
}

/// Owners are accounts, or what AWS calls some of them.
pub(super) fn trusted_owners() -> Rule {
    Rule::new("self.all(owner, owner.matches('^([0-9]{12}|amazon|aws-marketplace|aws-backup-vault|self)$'))").message(
        "trustedOwners must be the 12 digits of accounts, in quotes, aws-marketplace or aws-backup-vault: write for \
         example \"099720109477\"",
    )
}

/// Images are shared with accounts, organizations and their units.
pub(super) fn allowed_sharing() -> Rule {
    Rule::new(
        "self.all(with, with.matches('^([0-9]{12}|arn:aws[a-z-]*:organizations::[0-9]{12}:\
         (organization/o-[a-z0-9]+|ou/o-[a-z0-9]+/ou-[a-z0-9-]+))$'))",
    )
    .message(
        "allowedSharing must be the 12 digits of accounts, in quotes, or ARNs of organizations or of organizational \
         units: write for example \"111122223333\" or \
         arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5",
    )
}

/// Checks are named by their names.
pub(super) fn check_names() -> Rule {
    let names: Vec<String> = CHECKS.iter().map(|name| format!("'{name}'")).collect();
    Rule::new(format!("self.all(check, check in [{}])", names.join(", "))).message(
        "disabledChecks must be names of checks, as status.findings and docs/findings.md have them: write for example \
         unused-image",
    )
}

/// An account ID has twelve digits.
pub(super) fn account_id() -> Rule {
    Rule::new("self.matches('^[0-9]{12}$')")
        .message("accountID must be the account's 12 digits, in quotes: write for example \"111122223333\"")
}

pub(super) fn owner_account_id() -> Rule {
    Rule::new("self.matches('^[0-9]{12}$')")
        .message("ownerAccountID must be the account's 12 digits, in quotes: write for example \"111122223333\"")
}

/// A region's name has the form that all partitions use.
pub(super) fn region(field: &str) -> Rule {
    Rule::new(format!("self.matches('{REGION}')")).message(
        format!("{field} must be the name of an AWS region, not of a zone: write for example eu-west-1").as_str(),
    )
}

const REGION: &str = "^[a-z]{2,4}(-[a-z]{2,11}){1,2}-[0-9]{1,2}$";

/// Regions that are left out are named as others are.
pub(super) fn excluded_regions() -> Rule {
    Rule::new(format!("self.all(name, name.matches('{REGION}'))"))
        .message("exclude must be names of AWS regions, not of zones: write for example me-south-1")
}

/// A role's ARN has its form.
pub(super) fn role_arn() -> Rule {
    Rule::new(r"self.matches('^arn:aws[a-z-]*:iam::[0-9]{12}:role/[a-zA-Z0-9_+=,.@/-]+$')")
        .message("roleARN must be the ARN of an IAM role: write for example arn:aws:iam::111122223333:role/amiseal")
}

/// A role's name, with its path, is not an ARN and has no slash at either end.
pub(super) fn role_name() -> Rule {
    Rule::new("self.matches('^([a-zA-Z0-9_+=,.@-]+/)*[a-zA-Z0-9_+=,.@-]+$')").message(
        "roleName must be the name of an IAM role, after its path if it has one: write for example amiseal or \
         teams/amiseal, and an ARN into roleARN",
    )
}

/// An external ID has the signs that STS takes.
pub(super) fn external_id() -> Rule {
    Rule::new("self.matches('^[a-zA-Z0-9_+=,.@:/-]*$') && size(self) >= 2").message(
        "externalID must have at least 2 characters, which may be letters, digits and _+=,.@:/-: write it as the \
         role's trust policy has it",
    )
}

/// An account's role is that account's.
pub(super) fn role_of_account() -> Rule {
    Rule::new(
        "!has(self.roleARN) || !self.roleARN.contains(':role/') || \
         self.roleARN.contains(':iam::' + self.accountID + ':role/')",
    )
    .message("roleARN must be a role of the account that accountID names: correct one of the two")
    .field_path(".roleARN")
}

/// An account names its role in one way.
pub(super) fn one_role() -> Rule {
    Rule::new("!has(self.roleARN) || !has(self.roleName)")
        .message("roleName and roleARN exclude each other: remove one of the two")
        .field_path(".roleName")
}

/// An account's role is of the partition of its regions.
pub(super) fn role_of_partition() -> Rule {
    let partition = partition_of("r.name");
    Rule::new(format!(
        "!has(self.roleARN) || !has(self.regions) || \
         self.regions.all(r, self.roleARN.startsWith('arn:' + {partition} + ':'))"
    ))
    .message(
        "roleARN must be of the partition that the account's regions are in: begin it with arn:aws-cn: for the \
         regions cn-*, with arn:aws-us-gov: for us-gov-*, and with arn:aws: for most others",
    )
    .field_path(".roleARN")
}

/// A key is named in one of the four ways that KMS knows.
///
/// The regular expressions are looser than they could be, since the longer they are the more they cost. A key ID, that
/// of a multi-Region key too, is known by its length, which is what a bad paste gets wrong.
pub(super) fn key_form() -> Rule {
    Rule::new(format!(
        "self.startsWith('alias/') || self.startsWith('arn:') || self.matches(r'^{KEY_ID}$')"
    ))
    .message(
        "kmsKeyID must be an alias, a key ID or the ARN of either: write for example alias/ami, \
         1234abcd-12ab-34cd-56ef-1234567890ab or arn:aws:kms:eu-west-1:111122223333:alias/ami",
    )
}

/// A key of all regions is named by what may be the same in each of them.
pub(super) fn key_of_all_regions() -> Rule {
    Rule::new(r"self.matches(r'^(alias/[\w/-]+|mrk-[\da-f]{32})$')").message(
        "allRegions.kmsKeyID must be an alias or the ID of a multi-Region key, since any other key ID and every ARN is of one \
         region: write for example alias/ami or mrk-1234abcd12ab34cd56ef1234567890ab",
    )
}

/// What an alias or an ARN ends in has its form.
pub(super) fn key_path() -> Rule {
    Rule::new(
        r"!(self.startsWith('alias/') || self.startsWith('arn:')) || self.matches(r'(^alias|:\d{12}:(alias|key))/[\w/-]+$')",
    )
    .message(
        "kmsKeyID must end in alias/ or key/ and a name of letters, digits and _/-, in an ARN after the 12 digits of \
         an account: write for example alias/ami or arn:aws:kms:eu-west-1:111122223333:alias/ami",
    )
}

/// The ID in a key's ARN has its form.
pub(super) fn key_id_in_arn() -> Rule {
    Rule::new(format!("!self.contains(':key/') || self.matches(r':key/{KEY_ID}$')")).message(
        "kmsKeyID must have a whole key ID after key/, as in 1234abcd-12ab-34cd-56ef-1234567890ab: copy it again",
    )
}

/// A pinned key is named by its ARN.
pub(super) fn key_arn() -> Rule {
    Rule::new(r"self.matches(r'^arn:aws[a-z-]*:kms:[a-z\d-]+:\d{12}:key/[\da-zA-Z-]+$')").message(
        "keyARN must be the ARN of a KMS key: write for example \
         arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
    )
}

const KEY_ID: &str = r"[\w-]{36}";

/// The ARN in `field` is of the region that the field `region` beside it names, and of its partition.
pub(super) fn key_of_region(field: &str, region: &str) -> Rule {
    let prefix = format!(
        "'arn:' + {} + ':kms:' + self.{region} + ':'",
        partition_of(&format!("self.{region}"))
    );
    Rule::new(format!(
        "!self.{field}.startsWith('arn:') || self.{field}.startsWith({prefix})"
    ))
    .message(Message::Expression(format!(
        "'{field} must be a key of the region that it is given for: write an ARN that begins with ' + {prefix} \
             + ', or an alias as in alias/ami'"
    )))
    .field_path(format!(".{field}"))
}

/// A policy has accounts, or says where they come from.
pub(super) fn accounts_somewhere() -> Rule {
    Rule::new("(has(self.accounts) && size(self.accounts) > 0) || has(self.accountsFrom)").message(
        "accounts must have at least one account: list one, or write accountsFrom to take those that AWS Organizations \
         lists",
    )
    .field_path(".accounts")
}

/// Accounts that AWS Organizations lists say nothing of themselves.
pub(super) fn accounts_from_has_defaults() -> Rule {
    Rule::new(
        "!has(self.accountsFrom) || (has(self.defaults) && has(self.defaults.roleName) && \
         (has(self.defaults.allRegions) || (has(self.defaults.regions) && size(self.defaults.regions) > 0)))",
    )
    .message(
        "accountsFrom needs defaults.roleName and defaults.regions or defaults.allRegions, which hold for each account that is \
         listed: add them",
    )
    .field_path(".accountsFrom")
}

/// AWS Organizations is asked for one thing.
pub(super) fn one_source_of_accounts() -> Rule {
    Rule::new("has(self.organization) != (has(self.organizationalUnits) && size(self.organizationalUnits) > 0)")
        .message(
            "accountsFrom must have either organization: {}, for all accounts, or organizationalUnits with at least one \
             ID: keep one of the two",
        )
}

/// Organizational units are named by their IDs.
pub(super) fn organizational_units() -> Rule {
    Rule::new("self.all(unit, unit.matches('^ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$'))").message(
        "organizationalUnits must be IDs of organizational units: write for example ou-ab12-c3d4e5f6, and organization: \
         {} for all of them",
    )
}

/// Accounts that are left out are named by their IDs.
pub(super) fn excluded_accounts() -> Rule {
    Rule::new("self.all(id, id.matches('^[0-9]{12}$'))")
        .message("exclude must be the 12 digits of accounts, in quotes: write for example \"111122223333\"")
}

/// Every account has regions, its own or the defaults'.
pub(super) fn regions_somewhere() -> Rule {
    Rule::new(
        "(has(self.defaults) && (has(self.defaults.allRegions) || \
         (has(self.defaults.regions) && size(self.defaults.regions) > 0))) || \
         !has(self.accounts) || self.accounts.all(a, has(a.allRegions) || (has(a.regions) && size(a.regions) > 0))",
    )
    .message(
        "accounts must each have regions or allRegions when defaults has neither: add one of the two to the account, or to \
         defaults",
    )
    .field_path(".accounts")
}

/// A role that is given for an account is of the partition of the regions that it takes from the defaults.
pub(super) fn role_of_default_partition() -> Rule {
    let partition = partition_of("r.name");
    Rule::new(format!(
        "!has(self.defaults) || !has(self.defaults.regions) || !has(self.accounts) || \
         self.accounts.all(a, !has(a.roleARN) || \
         has(a.allRegions) || (has(a.regions) && size(a.regions) > 0) || \
         self.defaults.regions.all(r, a.roleARN.startsWith('arn:' + {partition} + ':')))"
    ))
    .message(
        "defaults.regions must be of the partition of every role whose account has no regions of its own: give those \
         accounts their own regions, or correct their roleARN",
    )
    .field_path(".defaults.regions")
}

/// A key that is named by its bare ID exists in one account only, and so cannot be several accounts' default.
pub(super) fn default_key_for_all() -> Rule {
    Rule::new(
        "!has(self.defaults) || !has(self.defaults.regions) || \
         self.defaults.regions.all(r, r.kmsKeyID.startsWith('arn:') || r.kmsKeyID.startsWith('alias/')) || \
         (!has(self.accountsFrom) && (!has(self.accounts) || \
         size(self.accounts.filter(a, !has(a.allRegions) && (!has(a.regions) || size(a.regions) == 0))) < 2))",
    )
    .message(
        "defaults.regions must not name a key by its bare ID when several accounts take it, since that key is of one \
         account only: write an alias that each account has, or the key's ARN",
    )
    .field_path(".defaults.regions")
}

/// A multi-Region key exists in one account only, too.
pub(super) fn key_of_all_regions_for_all() -> Rule {
    Rule::new(
        "!has(self.defaults) || !has(self.defaults.allRegions) || \
         !self.defaults.allRegions.kmsKeyID.startsWith('mrk-') || \
         (!has(self.accountsFrom) && (!has(self.accounts) || \
         size(self.accounts.filter(a, !has(a.allRegions) && (!has(a.regions) || size(a.regions) == 0))) < 2))",
    )
    .message(
        "defaults.allRegions must not name a key by its ID when several accounts take it, since that key is of one account \
         only: write an alias that each account has",
    )
    .field_path(".defaults.allRegions")
}

/// A term that says nothing would match every image.
pub(super) fn term_says_something() -> Rule {
    Rule::new(
        "(has(self.names) && size(self.names) > 0) || (has(self.tags) && size(self.tags) > 0) || \
         (has(self.ids) && size(self.ids) > 0)",
    )
    .message("a term of imageSelector must have names, tags or ids: add one, or remove the term to mean every image")
}

/// Without a criterion there is nothing that could be set.
pub(super) fn enforced_images_have_criteria() -> Rule {
    Rule::new("!has(self.mode) || self.mode != 'Enforce' || (has(self.criteria) && size(self.criteria) > 0)").message(
        "allowedImages with mode Enforce must have criteria: write for example [{imageProviders: [amazon]}], or set mode to \
         Audit",
    )
}

/// AWS takes a criterion that says nothing for whatever it may mean.
pub(super) fn criterion_says_something() -> Rule {
    Rule::new(
        "(has(self.imageProviders) && size(self.imageProviders) > 0) || (has(self.imageNames) && size(self.imageNames) > 0) || \
         (has(self.marketplaceProductCodes) && size(self.marketplaceProductCodes) > 0) || \
         has(self.deprecationTimeCondition) || has(self.creationDateCondition) || \
         (has(self.imageWatermarks) && size(self.imageWatermarks) > 0) || has(self.scanResultCondition)",
    )
    .message("a criterion of allowedImages must ask for something: add for example imageProviders, or remove the criterion")
}

/// Providers are accounts, or what AWS calls some of them.
pub(super) fn image_providers() -> Rule {
    Rule::new("self.all(one, one.matches('^([0-9]{12}|amazon|aws-marketplace|aws-backup-vault|none)$'))").message(
        "imageProviders must be the 12 digits of accounts, in quotes, amazon, aws-marketplace, aws-backup-vault or none: \
         write for example \"099720109477\"",
    )
}

/// Nobody and somebody together is nothing that AWS takes.
pub(super) fn no_provider_is_alone() -> Rule {
    Rule::new("size(self) == 1 || !self.exists(one, one == 'none')")
        .message("imageProviders must have no other value beside none: remove the others, or none")
}

/// Names of images have the signs that AWS takes, and more than two where one of them is `?`.
pub(super) fn image_names() -> Rule {
    Rule::new(
        r#"self.all(name, name.matches(r"^[a-zA-Z0-9()\[\] ./'@_*?-]+$") && (!name.contains('?') || size(name) > 2))"#,
    )
    .message(
        "imageNames may hold letters, digits, spaces and ()[]./-'@_*?, and are at least 3 characters long where one of them \
         is ?: write for example golden-*",
    )
}

/// Product codes have their form.
pub(super) fn product_codes() -> Rule {
    Rule::new("self.all(code, code.matches('^[a-zA-Z0-9]+$'))")
        .message("marketplaceProductCodes may hold letters and digits: write the code as AWS Marketplace shows it")
}

/// A watermark's key has only what can be read.
pub(super) fn watermark_key() -> Rule {
    Rule::new("self.matches('^[ -~]+$')").message(
        "watermarkKey must be the account and the name of a watermark, which may have the wildcards * and ?: write for example \
         111122223333:golden",
    )
}

/// A region with wildcards.
pub(super) fn source_image_region() -> Rule {
    Rule::new("self.matches('^[a-z0-9*?-]+$')").message(
        "sourceImageRegion must be the name of an AWS region, which may have the wildcards * and ?: write for example eu-*",
    )
}

/// A watermark is asked for by something.
pub(super) fn watermark_says_something() -> Rule {
    Rule::new(
        "has(self.watermarkKey) || has(self.sourceImageRegion) || has(self.maximumDaysSinceSourceImageCreated) || \
         has(self.maximumDaysSinceWatermarkCreated)",
    )
    .message("an item of imageWatermarks must ask for something: add for example watermarkKey, or remove the item")
}

/// A scan is asked for something.
pub(super) fn scan_says_something() -> Rule {
    Rule::new(
        "has(self.maximumSeverityLabel) || has(self.maxDaysSinceLastFindingScan) || \
         has(self.maxDaysSinceInformationalFixAvailable) || has(self.maxDaysSinceLowFixAvailable) || \
         has(self.maxDaysSinceMediumFixAvailable) || has(self.maxDaysSinceHighFixAvailable) || \
         has(self.maxDaysSinceCriticalFixAvailable)",
    )
    .message("scanResultCondition must ask for something: add for example maximumSeverityLabel, or remove it")
}

/// Image IDs have their form.
pub(super) fn image_ids() -> Rule {
    Rule::new(format!("self.all(id, id.matches('{IMAGE_ID}'))"))
        .message("ids must be image IDs: write for example ami-0123456789abcdef0")
}

/// An image ID has its form.
pub(super) fn image_id(field: &str) -> Rule {
    Rule::new(format!("self.matches('{IMAGE_ID}')"))
        .message(format!("{field} must be an image ID: write for example ami-0123456789abcdef0").as_str())
}

const IMAGE_ID: &str = "^ami-([0-9a-f]{8}|[0-9a-f]{17})$";

/// A selector's tag keys are such as AWS has.
pub(super) fn tag_keys() -> Rule {
    Rule::new("self.all(key, size(key) >= 1 && size(key) <= 127)")
        .message("tags must have keys of 1 to 127 characters, as AWS has them: correct the key")
}

/// Our copies' names say where they come from.
pub(super) fn name_pattern_names_origin() -> Rule {
    Rule::new("self.contains('{sourceID}') || self.contains('{name}')").message(
        "namePattern must tell copies apart: add {sourceID} or {name} to it, as in encrypted-{sourceID}-{name}",
    )
}

/// A name's signs are those that AWS takes.
pub(super) fn name_pattern_signs() -> Rule {
    Rule::new(
        r#"self.replace('{sourceID}', '').replace('{name}', '').matches(r"^[a-zA-Z0-9()\[\] ./'@_-]*$")"#,
    )
    .message(
        "namePattern may hold {sourceID}, {name} and the signs that AWS allows in an image's name, which are letters, \
         digits, spaces and ()[]./-'@_: remove the others",
    )
}

/// Extra tags have keys that AWS takes.
pub(super) fn extra_tag_keys() -> Rule {
    Rule::new("self.all(key, size(key) >= 1 && size(key) <= 127)")
        .message("extraTags must have keys of 1 to 127 characters, as AWS has them: correct the key")
}

/// Extra tags keep out of what AWS and amiseal write themselves. AWS reserves its prefix in any case.
pub(super) fn extra_tags_not_reserved() -> Rule {
    // Each spelling by itself: to change the case of a key costs by the length of the longest that fits into a request.
    let reserved: String = (0_u8..8)
        .map(|upper| {
            let letter = |(place, letter): (usize, char)| match upper >> place & 1 {
                1 => letter.to_ascii_uppercase(),
                _ => letter,
            };
            let spelling: String = "aws".chars().enumerate().map(letter).collect();
            format!("!key.startsWith('{spelling}:') && ")
        })
        .collect();
    Rule::new(format!("self.all(key, {reserved}!key.startsWith('amiseal.dev/'))")).message(
        "extraTags must not have keys that begin with aws: or amiseal.dev/, which are reserved: rename the key",
    )
}

/// A field that is part of what an object is, and so of its name.
pub(super) fn fixed(field: &str) -> Rule {
    Rule::new("self == oldSelf").message(
        format!(
            "{field} says which target this is and cannot change: amiseal writes targets, so change the policy instead"
        )
        .as_str(),
    )
}

/// A target's name says what it is of.
pub(super) fn target_name() -> Rule {
    Rule::new("self.metadata.name == self.spec.policy + '.' + self.spec.accountID + '.' + self.spec.region").message(
        "metadata.name must be spec.policy, spec.accountID and spec.region with dots between them: amiseal writes \
         targets, so change the policy instead",
    )
}

/// A migration's name says what it is of.
pub(super) fn migration_name() -> Rule {
    Rule::new(
        "self.metadata.name == self.spec.sourceImageID + '.' + self.spec.region + \
         (has(self.spec.ownerAccountID) ? '.' + self.spec.accountID : '')",
    )
    .message(
        "metadata.name must be spec.sourceImageID and spec.region with a dot between them, and spec.accountID after \
         another one where spec.ownerAccountID is set: amiseal writes migrations, so change the policy instead",
    )
}

/// What a migration is about is said once. What people decide about it may change.
pub(super) fn migration_is_fixed() -> Rule {
    let fixed = ["policy", "accountID", "region", "sourceImageID", "keyARN"];
    let same = fixed.map(|field| format!("self.{field} == oldSelf.{field}"));
    let same_owner = "(has(self.ownerAccountID) ? has(oldSelf.ownerAccountID) && self.ownerAccountID == oldSelf.ownerAccountID : \
                      !has(oldSelf.ownerAccountID))";
    Rule::new(format!("{} && {same_owner}", same.join(" && "))).message(
        "of spec only approval, approvedBy and desired can change: delete the migration, which deletes nothing in AWS, and amiseal makes it \
         again as the policy now asks",
    )
}

#[cfg(test)]
mod tests {
    use super::partition_of;
    use crate::domain::Region;

    /// The partition that the expression gives: the first prefix that fits decides.
    fn said(expression: &str, region: &str) -> String {
        let mut choices = expression.trim_matches(['(', ')']).split(" : ");
        let chosen = choices.find_map(|choice| {
            let (prefix, partition) = choice.strip_prefix("r.startsWith('")?.split_once("') ? '")?;
            region
                .starts_with(prefix)
                .then(|| partition.trim_end_matches('\'').to_owned())
        });
        chosen.unwrap_or_else(|| "aws".to_owned())
    }

    #[test]
    fn the_api_server_takes_a_region_for_one_of_the_same_partition_as_the_program_does() {
        let expression = partition_of("r");
        for name in [
            "eu-west-1",
            "us-east-1",
            "cn-north-1",
            "cn-northwest-1",
            "us-gov-east-1",
            "us-gov-west-1",
            "eusc-de-east-1",
            "us-iso-east-1",
            "us-isob-east-1",
            "us-isof-south-1",
            "eu-isoe-west-1",
        ] {
            let region: Region = name.parse().expect("a region");
            assert_eq!(said(&expression, name), region.partition().as_str(), "{name}");
        }
    }
}
