//! What is published on a copy, and what is moved to it.

use super::{COPIES, Field, field};

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

pub(super) const FIELDS: &[Field] = &[
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
];
