//! Which images are copied, and how.

use super::{COPIES, Field, field};

const SELECTING: &[&str] = &["after_the_selector_is_narrowed_what_has_begun_is_finished_and_what_waits_is_let_go"];
const EXEMPTING: &[&str] = &["images_that_cannot_be_copied_say_why_and_go_on_or_are_exempt_when_that_is_mended"];

pub(super) const FIELDS: &[Field] = &[
    field(
        "backups",
        &["backups"],
        &["backups_are_left_alone_and_named_until_the_policy_asks_for_them_too"],
        true,
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
        "otherKey",
        &["otherKey"],
        &["images_under_another_key_are_counted_until_the_policy_asks_for_them_too"],
        true,
    ),
];
