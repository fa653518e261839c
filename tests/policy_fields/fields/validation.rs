//! What proves a copy.

use super::{Field, field};

const PROVING: &[&str] = &["nothing_is_shared_or_moved_before_an_instance_of_the_copy_has_run_and_is_terminated"];
const BY_JOB: &[&str] = &["nothing_is_shared_or_moved_before_the_job_has_completed_and_a_job_that_fails_is_tried_anew"];
const BY_INSPECTOR: &[&str] =
    &["nothing_is_shared_or_moved_before_amazon_inspector_has_found_nothing_too_severe_in_the_copy"];
const NOT_SCANNED: &[&str] =
    &["a_copy_that_amazon_inspector_does_not_scan_in_time_says_so_and_goes_on_as_soon_as_it_is_scanned"];
const ON_DEMAND: &[&str] = &["a_scan_is_asked_for_once_of_each_copy_and_found_again_where_its_answer_was_lost"];
const FAILING: &[&str] = &["a_copy_that_never_passes_its_checks_is_not_published_until_somebody_has_it_tried_anew"];

pub(super) const FIELDS: &[Field] = &[
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
