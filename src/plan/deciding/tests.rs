use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::*;
use crate::api::AMIMigrationStatus;
use crate::api::conditions::{self, Status, Writer};

fn migration(approval: Approval, desired: Desired) -> AMIMigration {
    let spec = AMIMigrationSpec {
        source_image_id: "ami-0123456789abcdef0".to_owned(),
        region: "eu-west-1".to_owned(),
        approval,
        approved_by: (approval == Approval::Approved).then(|| "alice".to_owned()),
        desired,
        ..AMIMigrationSpec::default()
    };
    let mut migration = AMIMigration::new("ami-0123456789abcdef0.eu-west-1", spec);
    migration.metadata.generation = Some(3);
    migration
}

/// Its status says this of a condition.
fn says(mut migration: AMIMigration, type_: &'static str, is: Status, why: &str) -> AMIMigration {
    let status = migration.status.get_or_insert_default();
    status.observed_generation = Some(3);
    if type_ == conditions::STALLED && is == Status::True {
        status.stalled = Some(why.to_owned());
    }
    let mut writer = Writer {
        conditions: &mut status.conditions,
        generation: Some(3),
        now: Timestamp::UNIX_EPOCH,
    };
    writer.set(type_, is, why, "");
    migration
}

#[test]
fn a_decision_changes_its_own_field_and_nothing_where_it_is_so_already() {
    use {Approval::*, Decision::*, Desired::*};
    let approved = json!({"approval": "Approved", "approvedBy": "bob"});
    for (decision, approval, desired, change) in [
        (Approve, Approval::Pending, Migrated, Some(approved.clone())),
        (Approve, Approval::Pending, Held, Some(approved)),
        (Approve, Approved, Migrated, None),
        (
            Withdraw,
            Approved,
            Migrated,
            Some(json!({"approval": "Pending", "approvedBy": null})),
        ),
        (Withdraw, Approval::Pending, Migrated, None),
        (RollBack, Approved, Migrated, Some(json!({"desired": "RolledBack"}))),
        (RollBack, Approved, Held, Some(json!({"desired": "RolledBack"}))),
        (RollBack, Approved, RolledBack, None),
        (Hold, Approval::Pending, Migrated, Some(json!({"desired": "Held"}))),
        (Hold, Approval::Pending, Held, None),
        (Resume, Approved, RolledBack, Some(json!({"desired": "Migrated"}))),
        (Resume, Approved, Held, Some(json!({"desired": "Migrated"}))),
        (Resume, Approved, Migrated, None),
    ] {
        let before = migration(approval, desired);
        assert_eq!(
            decision.change(&before.spec, "bob"),
            change,
            "{decision:?} {approval:?} {desired:?}"
        );
    }
}

#[test]
fn of_many_those_are_approved_that_wait_for_it_and_a_rollback_is_not_taken_back() {
    let quiet = || migration(Approval::Pending, Desired::Migrated);
    let waiting = says(quiet(), conditions::STALLED, Status::True, reason::APPROVAL_REQUIRED);
    let stalled = says(quiet(), conditions::STALLED, Status::True, reason::KEY_NOT_USABLE);
    let mut gone = says(quiet(), conditions::READY, Status::True, reason::SOURCE_GONE);
    gone.status.get_or_insert_default().source_gone_time = Some(Time(Timestamp::UNIX_EPOCH));
    for (migration, about) in [
        (waiting, &[Decision::Approve, Decision::RollBack, Decision::Hold][..]),
        (stalled, &[Decision::RollBack, Decision::Hold]),
        (quiet(), &[Decision::RollBack, Decision::Hold]),
        // There is nothing that it could go back to.
        (gone, &[Decision::Hold]),
        (
            migration(Approval::Approved, Desired::RolledBack),
            &[Decision::Withdraw],
        ),
        (
            migration(Approval::Pending, Desired::Held),
            &[Decision::RollBack, Decision::Resume],
        ),
    ] {
        let found: Vec<Decision> = Decision::ALL.into_iter().filter(|d| d.is_about(&migration)).collect();
        assert_eq!(found, about, "{:?}", migration.status);
    }
}

#[test]
fn what_a_migration_waits_for_is_told_by_what_it_says() {
    let plain = || migration(Approval::Pending, Desired::Migrated);
    let ready = |is, why: &str| says(plain(), conditions::READY, is, why);
    for (migration, what, who) in [
        (plain(), reason::INITIALIZING, Who::Controller),
        (ready(Status::False, reason::COPYING), reason::COPYING, Who::Controller),
        (ready(Status::True, reason::SUCCEEDED), "nothing", Who::Nobody),
        (
            ready(Status::False, reason::SUSPENDED),
            reason::SUSPENDED,
            Who::Operator,
        ),
        (ready(Status::False, reason::AUDIT), reason::AUDIT, Who::Operator),
        (
            says(plain(), conditions::STALLED, Status::True, reason::APPROVAL_REQUIRED),
            "approval",
            Who::Approver,
        ),
        (
            says(plain(), conditions::STALLED, Status::True, reason::KEY_DISABLED),
            reason::KEY_DISABLED,
            Who::Operator,
        ),
        // Somebody has set the field, whatever the controller says of it so far.
        (
            says(
                migration(Approval::Pending, Desired::Held),
                conditions::STALLED,
                Status::True,
                reason::APPROVAL_REQUIRED,
            ),
            "resume",
            Who::Approver,
        ),
        // By the tag of an image.
        (
            says(
                ready(Status::True, reason::SUCCEEDED),
                conditions::CONSUMERS_MOVED,
                Status::False,
                reason::HELD,
            ),
            reason::HELD,
            Who::Operator,
        ),
        // What was moved launches the copy, and nothing puts it back.
        (
            says(
                says(
                    migration(Approval::Pending, Desired::RolledBack),
                    conditions::READY,
                    Status::True,
                    reason::SOURCE_GONE,
                ),
                conditions::CONSUMERS_MOVED,
                Status::False,
                reason::SOURCE_GONE,
            ),
            reason::SOURCE_GONE,
            Who::Operator,
        ),
    ] {
        let waits = waits(&migration);
        assert_eq!((waits.what(), waits.who()), (what, who), "{:?}", migration.status);
    }
}

#[test]
fn a_hold_that_was_lifted_is_not_taken_for_one_by_tag_before_the_controller_has_seen_it() {
    let mut lifted = says(
        migration(Approval::Pending, Desired::Migrated),
        conditions::CONSUMERS_MOVED,
        Status::False,
        reason::HELD,
    );
    lifted.status = lifted.status.map(|status| AMIMigrationStatus {
        observed_generation: Some(2),
        ..status
    });
    assert_eq!(waits(&lifted), Waits::Work(reason::INITIALIZING.to_owned()));
}
