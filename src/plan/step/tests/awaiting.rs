//! What a migration says that it waits for.

use super::*;

/// The reason and the message of a migration that waits.
fn said(case: &mut Case) -> (String, String) {
    assert_eq!(case.settle(), Next::Wait);
    let ready = conditions::find(&case.status.conditions, conditions::READY).expect("a condition");
    (ready.reason.clone(), ready.message.clone())
}

#[test]
fn a_migration_says_truly_what_it_waits_for() {
    type Change = fn(&mut Case);
    let table: [(Change, &str); 3] = [
        (
            |case| case.looked = false,
            "Waiting until amiseal has looked for existing copies of the image.",
        ),
        (
            |case| case.unanswered = true,
            "Waiting for AWS to answer the permission check.",
        ),
        (
            |_| {},
            "Waiting for a free snapshot-copy slot in this account and region.",
        ),
    ];
    for (change, message) in table {
        let mut case = Case::new();
        case.admitted = false;
        change(&mut case);
        assert_eq!(
            said(&mut case),
            (reason::WAITING_FOR_ADMISSION.to_owned(), message.to_owned())
        );
    }
}

#[test]
fn what_a_migration_waits_for_does_not_change_with_every_scan() {
    let mut case = Case::new();
    case.admitted = false;
    let before = said(&mut case);
    case.looked = false;
    assert_eq!(said(&mut case), before, "its copies are only looked for once more");
}
