//! What is said of which state, as the page about GitOps lists it.

use super::{file, read, scripts};

/// The statuses of Argo CD, Flux, and kstatus.
pub(super) type Expected = [&'static str; 3];

const PROGRESSING: Expected = ["Progressing", "InProgress", "InProgress"];
const HEALTHY: Expected = ["Healthy", "Current", "Current"];
const DEGRADED: Expected = ["Degraded", "Failed", "Failed"];
const SUSPENDED: Expected = ["Suspended", "Current", "Current"];
/// kstatus knows no word for it.
const HELD_BACK: Expected = ["Suspended", "Current", "InProgress"];

/// The rows of the page's table, each with the recorded objects that show it.
const ROWS: [(&str, Expected, &[&str]); 10] = [
    (
        "amiseal has not looked yet: the policy is new or was changed",
        PROGRESSING,
        &["progressing_new", "progressing_changed"],
    ),
    (
        "accounts are being scanned, or AWS cannot be reached or throttles",
        PROGRESSING,
        &[
            "progressing_scanning",
            "progressing_throttled",
            "progressing_unreachable",
        ],
    ),
    (
        "images are being copied",
        PROGRESSING,
        &["progressing_copying", "progressing_waiting"],
    ),
    ("mode Audit, whatever was found", HEALTHY, &["healthy_audit"]),
    (
        "mode Enforce, and every image that can be migrated is",
        HEALTHY,
        &["healthy_compliant", "healthy_originals_remain", "healthy_completed"],
    ),
    ("single images cannot be migrated", HEALTHY, &["healthy_image_stalled"]),
    ("such an image's migration", DEGRADED, &["degraded_stalled"]),
    (
        "an account needs a person: its role, its key, a permission",
        DEGRADED,
        &[
            "degraded_one_account",
            "degraded_account",
            "degraded_key",
            "degraded_permission",
        ],
    ),
    ("the policy is suspended", SUSPENDED, &["suspended"]),
    (
        "a migration that waits since its policy is suspended or in mode Audit",
        HELD_BACK,
        &["suspended_policy", "suspended_audit"],
    ),
];

/// What is expected of a recorded object.
pub(super) fn expected(name: &str) -> Expected {
    let row = ROWS.iter().find(|(_, _, shown_by)| shown_by.contains(&name));
    row.unwrap_or_else(|| panic!("{name} shows no row of the table")).1
}

#[test]
fn the_page_lists_what_the_recorded_objects_show() {
    let page = read(&file("../gitops.md"));
    let (_, table) = page
        .split_once("| what is true | Argo CD | Flux | kstatus |\n|---|---|---|---|\n")
        .expect("the table");
    let listed: Vec<&str> = table.lines().take_while(|line| line.starts_with('|')).collect();
    let rows = ROWS.map(|(row, [argocd, flux, kstatus], _)| format!("| {row} | {argocd} | {flux} | {kstatus} |"));
    assert_eq!(listed, rows);
    for (row, _, shown_by) in ROWS {
        for name in shown_by {
            let is_there = |kind: &str| scripts::of_kind(kind, &format!("testdata/{name}.yaml")).is_file();
            assert!(scripts::KINDS.iter().any(|kind| is_there(kind)), "{row}: {name}");
        }
    }
}
