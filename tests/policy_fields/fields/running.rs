//! When anything is done at all.

use super::{Field, field};

const LOOKING: &[&str] = &["new_images_are_migrated_within_minutes_while_no_scan_is_made"];

pub(super) const FIELDS: &[Field] = &[
    field(
        "mode",
        &["mode"],
        &["audit_writes_nothing_to_aws_makes_no_migration_and_could_not_write_if_it_tried"],
        false,
    ),
    field("newImages", &["newImages"], LOOKING, false),
    field("newImages.lookEvery", &["newImages.lookEvery"], LOOKING, false),
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
];
