//! Every field of a policy's spec: where its effect must be seen, and texts that it takes and does not.

use serde_json::{Value, json};

/// A field of the schema, its lists' items as `[]`.
pub(crate) struct Field {
    pub(crate) path: &'static str,
    /// The fields of a target's spec that it may change; [`WHICH`] for which targets there are. None: it is of no account, and no
    /// target hears of it.
    pub(crate) reaches: &'static [&'static str],
    /// Tests of `tests/scenarios` that show what the controllers make of it in AWS.
    pub(crate) acted_on: &'static [&'static str],
    /// Whether a change of it must show in the counts of images.
    pub(crate) counted: bool,
}

/// The set of targets.
pub(crate) const WHICH: &str = "(which targets)";

const fn field(
    path: &'static str,
    reaches: &'static [&'static str],
    acted_on: &'static [&'static str],
    counted: bool,
) -> Field {
    Field {
        path,
        reaches,
        acted_on,
        counted,
    }
}

const SELECTING: &[&str] = &["after_the_selector_is_narrowed_what_has_begun_is_finished_and_what_waits_is_let_go"];
const EXEMPTING: &[&str] = &["images_that_cannot_be_copied_say_why_and_go_on_or_are_exempt_when_that_is_mended"];
const PLACES: &[&str] = &[
    "unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published",
    "an_account_that_is_taken_out_keeps_its_copies_and_hears_no_more_of_us",
];
const ROLES: &[&str] = &["accounts_that_cannot_be_reached_say_why_hold_up_nobody_and_are_migrated_when_they_can_be"];
const KEYS: &[&str] =
    &["after_a_change_of_the_key_what_has_begun_is_finished_under_the_old_one_and_the_rest_goes_under_the_new"];
const COPIES: &[&str] = &["unencrypted_images_of_several_accounts_and_regions_are_copied_verified_and_published"];
const PUBLISHING: &[&str] = &["tags_are_published_in_the_order_of_the_originals_creation_when_asked_for"];

const MOVING: &[&str] =
    &["what_launches_an_original_is_moved_to_its_copy_and_put_back_and_what_is_somebody_elses_is_left"];

const PACING: &[&str] = &["consumers_are_moved_inside_of_the_schedule_only_and_one_that_is_wrong_says_so"];
const BREAKING: &[&str] = &["after_too_many_failures_no_more_consumers_are_moved_until_somebody_has_looked"];
const KEEPING: &[&str] = &["the_map_of_a_policy_is_kept_in_its_config_map_and_in_no_other"];
const STORING: &[&str] = &["each_copy_is_in_a_parameter_of_its_original_and_what_is_somebody_elses_is_left"];
const SEALING: &[&str] =
    &["a_copy_is_sealed_and_one_that_is_launched_and_no_more_is_noticed_and_its_consumers_can_be_put_back"];
const REFRESHING: &[&str] = &["the_instances_of_a_group_are_replaced_once_and_back"];
const PROVING: &[&str] = &["nothing_is_shared_or_moved_before_an_instance_of_the_copy_has_run_and_is_terminated"];
const BY_JOB: &[&str] = &["nothing_is_shared_or_moved_before_the_job_has_completed_and_a_job_that_fails_is_tried_anew"];
const BY_INSPECTOR: &[&str] =
    &["nothing_is_shared_or_moved_before_amazon_inspector_has_found_nothing_too_severe_in_the_copy"];
const NOT_SCANNED: &[&str] =
    &["a_copy_that_amazon_inspector_does_not_scan_in_time_says_so_and_goes_on_as_soon_as_it_is_scanned"];
const ON_DEMAND: &[&str] = &["a_scan_is_asked_for_once_of_each_copy_and_found_again_where_its_answer_was_lost"];
const FAILING: &[&str] = &["a_copy_that_never_passes_its_checks_is_not_published_until_somebody_has_it_tried_anew"];

const LOOKING: &[&str] = &["new_images_are_migrated_within_minutes_while_no_scan_is_made"];

const USING: &[&str] = &["who_uses_the_images_is_counted_and_named_and_what_the_policy_asks_for_besides_is_read_too"];
const UNUSED: &[&str] = &["an_image_is_unused_where_everything_was_read_and_nobody_uses_it_here_or_elsewhere"];

const AUDITING: &[&str] = &["what_the_policy_allows_is_no_finding_and_what_goes_beyond_it_is"];
const FINDING: &[&str] = &["findings_are_counted_and_named_and_a_new_one_is_told_of_and_a_mended_one_goes"];

const ENFORCING: &[&str] = &["what_a_policy_enforces_is_turned_on_once_and_the_key_first"];
const REPORTING: &[&str] = &["a_guardrail_that_is_only_audited_is_reported_and_nothing_is_set"];

const ALLOWING: &[&str] = &["criteria_and_audit_mode_are_set_once_and_say_what_enabled_would_refuse"];
const REFUSING: &[&str] = &["images_are_refused_only_once_nobody_uses_one_that_would_be"];

/// All that an account says of itself.
const ACCOUNT: &[&str] = &[WHICH, "roleARN", "externalID", "kmsKeyID"];

/// The table. A field of the schema that is not in it fails the test, and so does one here that the schema has not.
pub(crate) const ALL: &[Field] = &[
    field("accounts", ACCOUNT, PLACES, true),
    field("accounts[].accountID", ACCOUNT, PLACES, true),
    field("accounts[].externalID", &["externalID"], ROLES, false),
    field("accounts[].regions", &[WHICH, "kmsKeyID"], PLACES, false),
    field("accounts[].regions[].kmsKeyID", &["kmsKeyID"], KEYS, false),
    field("accounts[].regions[].name", &[WHICH], PLACES, false),
    field("accounts[].roleARN", &["roleARN"], ROLES, false),
    field("accounts[].roleName", &["roleARN"], ROLES, false),
    field("audit", &["audit"], FINDING, false),
    field("audit.allowedSharing", &["audit.allowedSharing"], AUDITING, false),
    field("audit.disabledChecks", &["audit.disabledChecks"], AUDITING, false),
    field("audit.maxFixAvailable", &["audit.maxFixAvailable"], AUDITING, false),
    field(
        "audit.maxFixAvailable.critical",
        &["audit.maxFixAvailable.critical"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.high",
        &["audit.maxFixAvailable.high"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.informational",
        &["audit.maxFixAvailable.informational"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.low",
        &["audit.maxFixAvailable.low"],
        AUDITING,
        false,
    ),
    field(
        "audit.maxFixAvailable.medium",
        &["audit.maxFixAvailable.medium"],
        AUDITING,
        false,
    ),
    field("audit.maxImageAge", &["audit.maxImageAge"], AUDITING, false),
    field("audit.maxScanAge", &["audit.maxScanAge"], AUDITING, false),
    field("audit.requiredTags", &["audit.requiredTags"], AUDITING, false),
    field("audit.trustedOwners", &["audit.trustedOwners"], AUDITING, false),
    field(
        "backups",
        &["backups"],
        &["backups_are_left_alone_and_named_until_the_policy_asks_for_them_too"],
        true,
    ),
    field("consumers", &["consumers"], USING, false),
    field("consumers.ownedBy", &["consumers.ownedBy"], USING, false),
    field("consumers.parameters", &["consumers.parameters"], USING, false),
    field("consumers.read", &["consumers.read"], USING, false),
    field(
        "consumers.usageReports",
        &["consumers.usageReports"],
        &["what_accounts_use_that_no_policy_names_is_asked_of_aws_where_the_policy_wants_that"],
        false,
    ),
    field("copy", &["copy"], COPIES, false),
    field("copy.extraTags", &["copy.extraTags"], COPIES, false),
    field(
        "copy.maxAttempts",
        &["copy.maxAttempts"],
        &["exhausted_attempts_go_on_with_the_annotation_and_with_any_change_of_the_policy"],
        false,
    ),
    field(
        "copy.maxConcurrentSnapshots",
        &["copy.maxConcurrentSnapshots"],
        &["no_more_snapshots_are_copied_at_a_time_than_the_policy_says_and_a_larger_image_goes_alone"],
        false,
    ),
    field("copy.namePattern", &["copy.namePattern"], COPIES, false),
    field("defaults", ACCOUNT, PLACES, false),
    field("defaults.externalID", &["externalID"], ROLES, false),
    field("defaults.regions", &[WHICH, "kmsKeyID"], PLACES, true),
    field("defaults.regions[].kmsKeyID", &["kmsKeyID"], KEYS, false),
    field("defaults.regions[].name", &[WHICH], PLACES, true),
    field("defaults.roleName", &["roleARN"], ROLES, false),
    field("guardrails", &["guardrails"], ENFORCING, false),
    field(
        "guardrails.allowedImages",
        &["guardrails.allowedImages"],
        REPORTING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].creationDateCondition",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].creationDateCondition.maximumDaysSinceCreated",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].deprecationTimeCondition",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].deprecationTimeCondition.maximumDaysSinceDeprecated",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageNames",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageProviders",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageWatermarks",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageWatermarks[].maximumDaysSinceSourceImageCreated",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageWatermarks[].maximumDaysSinceWatermarkCreated",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageWatermarks[].sourceImageRegion",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].imageWatermarks[].watermarkKey",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].marketplaceProductCodes",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceCriticalFixAvailable",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceHighFixAvailable",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceInformationalFixAvailable",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceLastFindingScan",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceLowFixAvailable",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maxDaysSinceMediumFixAvailable",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.criteria[].scanResultCondition.maximumSeverityLabel",
        &["guardrails.allowedImages.criteria"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.mode",
        &["guardrails.allowedImages.mode"],
        ALLOWING,
        false,
    ),
    field(
        "guardrails.allowedImages.state",
        &["guardrails.allowedImages.state"],
        REFUSING,
        false,
    ),
    field(
        "guardrails.ebsEncryptionByDefault",
        &["guardrails.ebsEncryptionByDefault"],
        ENFORCING,
        false,
    ),
    field(
        "guardrails.imageBlockPublicAccess",
        &["guardrails.imageBlockPublicAccess"],
        ENFORCING,
        false,
    ),
    field(
        "guardrails.snapshotBlockPublicAccess",
        &["guardrails.snapshotBlockPublicAccess"],
        ENFORCING,
        false,
    ),
    field(
        "historyTTL",
        &["historyTTL"],
        &["a_finished_migration_goes_when_its_original_has_been_gone_for_long_and_its_copy_stays_counted"],
        false,
    ),
    field("imageSelector", &["imageSelector"], SELECTING, true),
    field("imageSelector.exclude", &["imageSelector.exclude"], EXEMPTING, true),
    field(
        "imageSelector.exclude[].ids",
        &["imageSelector.exclude"],
        EXEMPTING,
        true,
    ),
    field(
        "imageSelector.exclude[].names",
        &["imageSelector.exclude"],
        EXEMPTING,
        true,
    ),
    field(
        "imageSelector.exclude[].tags",
        &["imageSelector.exclude"],
        EXEMPTING,
        true,
    ),
    field("imageSelector.include", &["imageSelector.include"], SELECTING, true),
    field(
        "imageSelector.include[].ids",
        &["imageSelector.include"],
        SELECTING,
        true,
    ),
    field(
        "imageSelector.include[].names",
        &["imageSelector.include"],
        SELECTING,
        true,
    ),
    field(
        "imageSelector.include[].tags",
        &["imageSelector.include"],
        SELECTING,
        true,
    ),
    field(
        "mode",
        &["mode"],
        &["audit_writes_nothing_to_aws_makes_no_migration_and_could_not_write_if_it_tried"],
        false,
    ),
    field("newImages", &["newImages"], LOOKING, false),
    field("newImages.lookEvery", &["newImages.lookEvery"], LOOKING, false),
    field(
        "otherKey",
        &["otherKey"],
        &["images_under_another_key_are_counted_until_the_policy_asks_for_them_too"],
        true,
    ),
    field("promotion", &["promotion"], PUBLISHING, false),
    field("promotion.approval", &["promotion.approval"], MOVING, false),
    field(
        "promotion.autoScalingGroups",
        &["promotion.autoScalingGroups"],
        &["a_group_gets_the_version_made_of_the_one_that_it_pins_and_back_exactly_what_it_had_before"],
        false,
    ),
    field(
        "promotion.failuresAcknowledgedAt",
        &["promotion.failuresAcknowledgedAt"],
        BREAKING,
        false,
    ),
    field(
        "promotion.instanceRefresh",
        &["promotion.instanceRefresh"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.alarms",
        &["promotion.instanceRefresh.alarms"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.autoRollback",
        &["promotion.instanceRefresh.autoRollback"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.bakeTime",
        &["promotion.instanceRefresh.bakeTime"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.checkpointDelay",
        &["promotion.instanceRefresh.checkpointDelay"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.checkpointPercentages",
        &["promotion.instanceRefresh.checkpointPercentages"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.instanceWarmup",
        &["promotion.instanceRefresh.instanceWarmup"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.maxConcurrentGroups",
        &["promotion.instanceRefresh.maxConcurrentGroups"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.maxHealthyPercentage",
        &["promotion.instanceRefresh.maxHealthyPercentage"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.minHealthyPercentage",
        &["promotion.instanceRefresh.minHealthyPercentage"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.instanceRefresh.strategy",
        &["promotion.instanceRefresh.strategy"],
        REFRESHING,
        false,
    ),
    field(
        "promotion.launchPermissions",
        &["promotion.launchPermissions"],
        COPIES,
        false,
    ),
    field(
        "promotion.launchTemplates",
        &["promotion.launchTemplates"],
        MOVING,
        false,
    ),
    field("promotion.map", &["promotion.map"], KEEPING, false),
    field("promotion.map.configMap", &[], KEEPING, false),
    field("promotion.map.ssmPrefix", &["promotion.map"], STORING, false),
    field("promotion.maxFailures", &["promotion.maxFailures"], BREAKING, false),
    field(
        "promotion.maxPerDay",
        &["promotion.maxPerDay"],
        &["no_more_consumers_are_moved_in_a_day_than_the_policy_says"],
        false,
    ),
    field("promotion.schedule", &["promotion.schedule"], PACING, false),
    field("promotion.schedule.cron", &["promotion.schedule.cron"], PACING, false),
    field(
        "promotion.schedule.duration",
        &["promotion.schedule.duration"],
        PACING,
        false,
    ),
    field(
        "promotion.schedule.timeZone",
        &["promotion.schedule.timeZone"],
        PACING,
        false,
    ),
    field("promotion.seal", &["promotion.seal"], SEALING, false),
    field("promotion.ssmParameters", &["promotion.ssmParameters"], MOVING, false),
    field("promotion.tags", &["promotion.tags"], PUBLISHING, false),
    field(
        "scanInterval",
        &["scanInterval"],
        &["when_all_is_done_nothing_but_the_time_of_a_scan_is_written_neither_by_scans_nor_by_a_restart"],
        false,
    ),
    field(
        "suspend",
        &["suspend"],
        &["suspending_stops_every_call_at_once_and_resuming_finishes"],
        false,
    ),
    field("unused", &["unused"], UNUSED, false),
    field("unused.after", &["unused.after"], UNUSED, false),
    field("validation", &["validation"], PROVING, false),
    field("validation.inspector", &["validation.inspector"], BY_INSPECTOR, false),
    field(
        "validation.inspector.maximumSeverity",
        &["validation.inspector.maximumSeverity"],
        BY_INSPECTOR,
        false,
    ),
    field(
        "validation.inspector.scan",
        &["validation.inspector.scan"],
        ON_DEMAND,
        false,
    ),
    field(
        "validation.inspector.timeout",
        &["validation.inspector.timeout"],
        NOT_SCANNED,
        false,
    ),
    field("validation.job", &["validation.job"], BY_JOB, false),
    field("validation.job.cronJob", &["validation.job.cronJob"], BY_JOB, false),
    field(
        "validation.job.maxConcurrent",
        &["validation.job.maxConcurrent"],
        BY_JOB,
        false,
    ),
    field("validation.job.timeout", &["validation.job.timeout"], BY_JOB, false),
    field("validation.launch", &["validation.launch"], PROVING, false),
    field(
        "validation.launch.instanceType",
        &["validation.launch.instanceType"],
        PROVING,
        false,
    ),
    field(
        "validation.launch.maxConcurrent",
        &["validation.launch.maxConcurrent"],
        PROVING,
        false,
    ),
    field(
        "validation.launch.securityGroupIDs",
        &["validation.launch.securityGroupIDs"],
        PROVING,
        false,
    ),
    field(
        "validation.launch.subnetID",
        &["validation.launch.subnetID"],
        PROVING,
        false,
    ),
    field(
        "validation.launch.timeout",
        &["validation.launch.timeout"],
        FAILING,
        false,
    ),
    field("validation.maxAttempts", &["validation.maxAttempts"], FAILING, false),
];

/// The row of a field.
pub(crate) fn of(path: &str) -> &'static Field {
    ALL.iter().find(|field| field.path == path).unwrap_or_else(|| {
        panic!("{path} is a new field: say in the table of this test where its effect is to be seen")
    })
}

/// Texts for a field: those that it takes, and those that it refuses.
pub(crate) struct Texts {
    pub(crate) good: Vec<Value>,
    pub(crate) bad: Vec<Value>,
}

/// Texts of every script, and signs that are not to be seen.
pub(crate) const SCRIPTS: [&str; 6] = [
    "im\u{1F980}ge",
    "\u{202E}\u{05E2}\u{05D1}\u{05E8}",
    "e\u{301}\u{302}\u{303}",
    "bell\u{7}tab\tline\n",
    "\u{FEFF}\u{200B}",
    "\u{65E5}\u{672C}\u{FF11}",
];

/// The texts of a field that holds texts, or a list or map of them.
pub(crate) fn texts(path: &str) -> Texts {
    let scripts = || SCRIPTS.iter().map(|text| json!(text));
    let of = |good: &[&str], bad: &[&str]| Texts {
        good: good.iter().map(|text| json!(text)).collect(),
        bad: bad.iter().map(|text| json!(text)).chain(scripts()).collect(),
    };
    let long = |sign: &str, count: usize| sign.repeat(count);
    match path {
        "scanInterval" => of(
            &["1m", "24h", "1h30m", "3600s", "00001h"],
            &[
                "",
                "59s",
                "24h1s",
                "1m30h",
                "15",
                "-15m",
                "1.5h",
                "000001h",
                "\u{FF11}m",
                " 15m",
                "15m\n",
            ],
        ),
        "newImages.lookEvery" => of(
            &["30s", "1h", "90s", "00001h"],
            &["", "9s", "1h1s", "1m30h", "60", "-1m", "0.5h", "1m\n"],
        ),
        "historyTTL"
        | "unused.after"
        | "audit.maxImageAge"
        | "audit.maxScanAge"
        | "audit.maxFixAvailable.critical"
        | "audit.maxFixAvailable.high"
        | "audit.maxFixAvailable.medium"
        | "audit.maxFixAvailable.low"
        | "audit.maxFixAvailable.informational" => of(
            &["24h", "720h", "1440m", "86400s", "99999h"],
            &["", "23h59m59s", "1d", "30", "720", "-24h", "100000h", "24h\n"],
        ),
        "accounts[].accountID" => of(
            &["<D>"],
            &[
                "",
                "11112222333",
                "1111222233334",
                "\u{FF11}\u{FF11}1122223333",
                "11112222333\n",
            ],
        ),
        "accounts[].externalID" | "defaults.externalID" => of(
            &["xy", "a.b:c/d-e_f=g@h,i+", &long("e", 1224)],
            &["", "x", "two words", "line\n"],
        ),
        "accounts[].roleName" | "defaults.roleName" => of(
            &["r", "teams/of/amiseal", &long("r", 192)],
            &["", "/amiseal", "amiseal/", "a//b", "a b", "arn:aws:iam::<A>:role/own"],
        ),
        "accounts[].roleARN" => of(
            &["arn:aws:iam::<A>:role/other", "arn:aws:iam::<A>:role/teams/other"],
            &[
                "",
                "other",
                "arn:aws:iam::<D>:role/own",
                "arn:aws-cn:iam::<A>:role/own",
                "arn:aws:iam::<A>:user/own",
                "arn:aws:iam::<A>:role/",
            ],
        ),
        "accounts[].regions[].name" | "defaults.regions[].name" => of(
            &["ap-south-1"],
            &["", "eu-west-1a", "EU-WEST-1", "eu_west_1", "eu-west", "eu-west-1\n"],
        ),
        "accounts[].regions[].kmsKeyID" => of(
            &[
                "alias/again",
                "alias/none",
                "alias/aws/ebs",
                "11111111-1111-4111-8111-111111111111",
                "mrk-1234abcd12ab34cd56ef1234567890ab",
            ],
            KEY_REFUSED,
        ),
        "defaults.regions[].kmsKeyID" => of(
            &["alias/again", "alias/none"],
            &[KEY_REFUSED, &["11111111-1111-4111-8111-111111111111"]].concat(),
        ),
        "copy.namePattern" => of(
            &[
                "{name}",
                "{sourceID}",
                "a (copy) [of] {name}/it's_@1.0",
                &format!("{{name}}{}", long("x", 122)),
            ],
            &["", "encrypted", "{name}:", "{name", "{accountID}-{name}", "{name}\n"],
        ),
        "imageSelector.include[].names[]" | "imageSelector.exclude[].names[]" => Texts {
            good: [json!("db-*"), json!("*"), json!("?")]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "imageSelector.include[].ids[]" | "imageSelector.exclude[].ids[]" => of(
            &["ami-0123abcd", "ami-0123456789abcdef0"],
            &[
                "",
                "ami-",
                "ami-0123ABCD",
                "ami-0123abc",
                "snap-0123abcd",
                "ami-0123abcd\n",
            ],
        ),
        "imageSelector.include[].tags{}"
        | "imageSelector.exclude[].tags{}"
        | "consumers.ownedBy{}"
        | "copy.extraTags{}" => Texts {
            good: [json!(""), json!(long("v", 256))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![],
        },
        "promotion.instanceRefresh.instanceWarmup" => of(&["0s", "24h"], &["", "24h1s", "1d", "30", "5m\n"]),
        "promotion.instanceRefresh.checkpointDelay" | "promotion.instanceRefresh.bakeTime" => {
            of(&["0s", "48h"], &["", "48h1s", "1d", "30", "5m\n"])
        }
        "promotion.instanceRefresh.alarms[]" => Texts {
            good: [json!("errors"), json!(long("a", 255))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "validation.launch.instanceType" => of(
            &["t3.micro", "u-6tb1.56xlarge", "m7i-flex.large"],
            &["", "t3", "T3.nano", ".nano", "t3.nano\n"],
        ),
        "validation.launch.subnetID" => of(
            &["subnet-0123abcd", "subnet-0123456789abcdef1"],
            &["", "subnet-", "subnet-0123ABCD", "vpc-0123abcd", "subnet-0123abcd\n"],
        ),
        "validation.launch.securityGroupIDs[]" => of(
            &["sg-0123abcd", "sg-0123456789abcdef1"],
            &["", "sg-", "default", "sg-0123ABCD", "sg-0123abcd\n"],
        ),
        "validation.launch.timeout" => of(
            &["2m", "1h", "3600s", "2m30s"],
            &["", "1m59s", "1h1s", "10", "-5m", "5m\n"],
        ),
        "validation.job.cronJob" => of(
            &["smoke-test", "a.b-c.0", &long("c", 52)],
            &["", "Scan", "scan_image", "-scan", "scan-", "a..b", "scan\n"],
        ),
        "validation.job.timeout" => of(
            &["1m", "24h", "3600s", "1h30m"],
            &["", "59s", "24h1s", "1d", "10", "-5m", "5m\n"],
        ),
        "validation.inspector.timeout" => of(
            &["15m", "168h", "90m", "86400s"],
            &["", "14m59s", "168h1s", "7d", "24", "-24h", "24h\n"],
        ),
        "audit.requiredTags[]" => Texts {
            good: [json!("team"), json!(long("t", 127))]
                .into_iter()
                .chain(scripts())
                .collect(),
            bad: vec![json!("")],
        },
        "audit.trustedOwners[]" => of(
            &["111122223333", "amazon", "aws-marketplace", "self"],
            &[
                "",
                "canonical",
                "11112222333",
                "1111222233334",
                "111122223333\n",
                "Amazon",
            ],
        ),
        "audit.allowedSharing[]" => of(
            &[
                "111122223333",
                "arn:aws:organizations::111122223333:ou/o-a1b2c3d4e5/ou-ab12-c3d4e5f6",
                "arn:aws-us-gov:organizations::111122223333:organization/o-a1b2c3d4e5",
            ],
            &[
                "",
                "all",
                "o-a1b2c3d4e5",
                "11112222333",
                "arn:aws:iam::111122223333:role/amiseal",
                "arn:aws:organizations::111122223333:root/o-a1b2c3d4e5/r-ab12",
                "arn:aws:organizations::111122223333:organization/o-a1b2c3d4e5\n",
            ],
        ),
        "guardrails.allowedImages.criteria[].imageProviders[]" => of(
            &["444455556666", "aws-backup-vault"],
            &["", "canonical", "Amazon", "11112222333", "111122223333\n"],
        ),
        "guardrails.allowedImages.criteria[].imageNames[]" => of(
            &["golden-*", "a (b) [c] ./d-'e'@f_g", "a??", &long("n", 128)],
            &["", "a?", "a:b", "a&b", "golden\n"],
        ),
        "guardrails.allowedImages.criteria[].marketplaceProductCodes[]" => {
            of(&["abc123", &long("c", 25)], &["", "a-b", "abc\n"])
        }
        "guardrails.allowedImages.criteria[].imageWatermarks[].watermarkKey" => {
            of(&["111122223333:golden", "*:gold-?"], &[""])
        }
        "guardrails.allowedImages.criteria[].imageWatermarks[].sourceImageRegion" => of(&["eu-*", "us-east-1"], &[""]),
        "promotion.map.configMap" => of(
            &["m", "amiseal.images-2", &long("m", 253)],
            &["", "Images", "-a", "a-", "a..b", "a_b", "amiseal-system/a", "images\n"],
        ),
        "promotion.map.ssmPrefix" => of(
            &[
                "/a",
                "/Amiseal/im_a.g-es",
                &format!("/{}", long("p", 511)),
                &long("/l", 14),
            ],
            &[
                "",
                "/",
                "amiseal",
                "/amiseal/",
                "/a//b",
                "/a b",
                "/aws/images",
                "/SSM",
                "/awesome-aws/\u{e9}",
                "/Awsome",
                &long("/l", 15),
                "/amiseal\n",
            ],
        ),
        "promotion.schedule.duration" => of(
            &["5m", "168h", "90m"],
            &["", "4m59s", "169h", "1d", "30", "-24h", "24h\n"],
        ),
        "promotion.seal" => of(
            &["a (b) [c] ./d-'e'@f_g", &long("s", 128)],
            &["", "ab", "a:b", "sealed\n"],
        ),
        "promotion.failuresAcknowledgedAt" => of(
            &["2026-11-29T20:00:00Z"],
            &[
                "",
                "2026-11-29",
                "2026-13-29T20:00:00Z",
                "2026-11-29T20:00:00+01:00",
                "2026-11-29T20:00:00Z\n",
            ],
        ),
        "promotion.schedule.cron" => of(
            &["* * * * *", "*/10 8-17/2 1,15 JAN-JUN MON,WED,7"],
            &[
                "",
                "@daily",
                "60 9 * * *",
                "0 24 * * *",
                "0 9 * *",
                "0 9 0 * *",
                "0  9 * * *",
                "0 9 * * 8",
                "0 9 * * *\n",
            ],
        ),
        "promotion.schedule.timeZone" => of(
            &["Etc/GMT+1", "America/Argentina/Buenos_Aires"],
            &["", "Europe/", "/Berlin", "Europe Berlin", "UTC\n"],
        ),
        "audit.disabledChecks[]" => of(
            &["public-image", "missing-tags"],
            &["", "public", "Public-Image", "public-image\n", "public_image"],
        ),
        other => panic!("{other} is a new text: say in this test what it takes and what not"),
    }
}

const KEY_REFUSED: &[&str] = &[
    "",
    "ami",
    "alias/",
    "alias/my key",
    "arn:aws:kms:eu-west-9:<A>:alias/ami",
    "arn:aws-cn:kms:eu-west-1:<A>:alias/ami",
    "arn:aws:kms:eu-west-1:<A>:key/1234abcd",
    "alias/ami\n",
];

/// The item of this number that a list may be grown by.
pub(crate) fn item(path: &str, number: usize) -> Value {
    match path {
        "accounts" => json!({"accountID": format!("8{number:011}")}),
        "accounts[].regions" | "defaults.regions" => {
            json!({"name": format!("ap-east-{number}"), "kmsKeyID": "alias/ami"})
        }
        "imageSelector.include" | "imageSelector.exclude" => json!({"names": [format!("more-{number}")]}),
        "imageSelector.include[].names" | "imageSelector.exclude[].names" => json!(format!("more-{number}")),
        "imageSelector.include[].ids" | "imageSelector.exclude[].ids" => json!(format!("ami-{number:08x}")),
        "audit.requiredTags" => json!(format!("more-{number}")),
        "audit.trustedOwners" | "audit.allowedSharing" => json!(format!("8{number:011}")),
        "guardrails.allowedImages.criteria" => json!({"imageNames": [format!("more-{number}")]}),
        "guardrails.allowedImages.criteria[].imageProviders" => json!(format!("8{number:011}")),
        "guardrails.allowedImages.criteria[].imageNames" => json!(format!("more-{number}")),
        "guardrails.allowedImages.criteria[].marketplaceProductCodes" => json!(format!("more{number}")),
        "guardrails.allowedImages.criteria[].imageWatermarks" => json!({"watermarkKey": format!("8{number:011}:more")}),
        "promotion.instanceRefresh.alarms" => json!(format!("more-{number}")),
        "promotion.instanceRefresh.checkpointPercentages" => json!(number % 100 + 1),
        "validation.launch.securityGroupIDs" => json!(format!("sg-{number:08x}")),
        "audit.disabledChecks" => json!(amiseal::api::CHECKS[number % amiseal::api::CHECKS.len()]),
        other => panic!("{other} is a new list: say in this test what its items look like"),
    }
}
