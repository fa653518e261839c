mod findings;
mod permissions;
mod policies;

use super::*;
use crate::api::{ImageCounts, OtherKey};
use crate::domain::{Key, KeyProblem, KeyUsability};
use crate::plan::testing::{at, key};

fn spec() -> AMIEncryptionTargetSpec {
    let spec = serde_json::json!({
        "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
        "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report", "copy": {}, "promotion": {},
    });
    serde_json::from_value(spec).expect("a target's spec")
}

fn known_key(usability: KeyUsability) -> KeyView {
    KeyView::Known(Key {
        arn: key(1),
        usability,
        aws_managed: false,
    })
}

fn counts(change: impl FnOnce(&mut ImageCounts)) -> Classified {
    let mut classified = Classified::default();
    change(&mut classified.counts);
    classified
}

fn scanned<'a>(at: Timestamp, classified: &'a Classified, key: &'a KeyView) -> ScanResult<'a> {
    ScanResult::Scanned(Scan {
        at,
        classified,
        caller: "arn:aws:sts::111122223333:x",
        key,
        key_problem: None,
        key_read: None,
        unstarted: false,
        migrates: true,
        asks: true,
        usage: None,
        findings: None,
        outdated: None,
        lacking: None,
        unanswered: None,
        unanswerable: None,
        asked: None,
        problem: None,
    })
}

fn of(looked: &ScanResult<'_>, migrations: MigrationCounts) -> AMIEncryptionTargetStatus {
    target(
        &AMIEncryptionTargetStatus::default(),
        &spec(),
        Some(3),
        looked,
        migrations,
        at(100),
    )
}

fn said(status: &AMIEncryptionTargetStatus, type_: &str) -> (String, String) {
    let condition = conditions::find(&status.conditions, type_).expect("the condition");
    assert_eq!(condition.observed_generation, Some(3));
    (condition.status.clone(), condition.reason.clone())
}

fn pair(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[test]
fn compliant_is_true_only_when_nothing_is_left_unencrypted_or_unknown() {
    let usable = known_key(KeyUsability::Usable);
    type Change = fn(&mut ImageCounts);
    let table: [(Change, &str, &str); 10] = [
        (|c| c.encrypted = 5, "True", reason::SUCCEEDED),
        (|c| c.backups = 1, "False", reason::UNENCRYPTED_IMAGES),
        // What is certain is said, whatever else is not known.
        (
            |c| (c.superseded, c.unknown) = (1, 1),
            "False",
            reason::ORIGINALS_REMAIN,
        ),
        (
            |c| (c.unencrypted, c.unknown) = (1, 1),
            "False",
            reason::UNENCRYPTED_IMAGES,
        ),
        (|c| c.exempt = 1, "True", reason::SUCCEEDED),
        (|c| c.other_key = 1, "True", reason::SUCCEEDED),
        (|c| c.unencrypted = 1, "False", reason::UNENCRYPTED_IMAGES),
        (|c| c.unencryptable = 1, "False", reason::UNENCRYPTED_IMAGES),
        (|c| c.superseded = 1, "False", reason::ORIGINALS_REMAIN),
        (|c| c.unknown = 1, "Unknown", reason::UNKNOWN_IMAGES),
    ];
    for (change, holds, why) in table {
        let classified = counts(change);
        let status = of(&scanned(at(0), &classified, &usable), MigrationCounts::default());
        assert_eq!(said(&status, conditions::COMPLIANT), pair(holds, why));
        assert_eq!(said(&status, conditions::READY), pair("True", reason::SUCCEEDED));
    }
    let classified = counts(|c| c.other_key = 1);
    let migrate = AMIEncryptionTargetSpec {
        other_key: OtherKey::Migrate,
        ..spec()
    };
    let looked = scanned(at(0), &classified, &usable);
    let none = MigrationCounts::default();
    let status = target(
        &AMIEncryptionTargetStatus::default(),
        &migrate,
        Some(3),
        &looked,
        none,
        at(100),
    );
    assert_eq!(said(&status, conditions::COMPLIANT), pair("False", reason::OTHER_KEY));
}

#[test]
fn nothing_complies_that_is_not_looked_at_since_the_policy_is_suspended() {
    let usable = known_key(KeyUsability::Usable);
    let suspended = AMIEncryptionTargetSpec {
        suspend: true,
        ..spec()
    };
    type Change = fn(&mut ImageCounts);
    let table: [(Change, &str, &str); 2] = [
        (|c| c.encrypted = 5, "Unknown", reason::SUSPENDED),
        (|c| c.unencrypted = 1, "False", reason::UNENCRYPTED_IMAGES),
    ];
    for (change, holds, why) in table {
        let classified = counts(change);
        let looked = scanned(at(0), &classified, &usable);
        let mut status = of(&looked, MigrationCounts::default());
        // It stays so, however often it is decided.
        for _ in 0..2 {
            status = target(
                &status,
                &suspended,
                Some(3),
                &looked,
                MigrationCounts::default(),
                at(200),
            );
            assert_eq!(said(&status, conditions::COMPLIANT), pair(holds, why));
        }
        let status = target(&status, &spec(), Some(3), &looked, MigrationCounts::default(), at(300));
        assert_ne!(said(&status, conditions::COMPLIANT).1, reason::SUSPENDED);
    }
}

#[test]
fn what_was_not_looked_through_is_unknown_and_never_zero() {
    let problem = Problem::new(
        reason::ROLE_NOT_ASSUMABLE,
        "sts:AssumeRole: the role cannot be assumed.",
    );
    let status = of(&ScanResult::Failed(&problem), MigrationCounts::default());
    assert_eq!(status.images, None);
    assert_eq!(
        said(&status, conditions::REACHABLE),
        pair("False", reason::ROLE_NOT_ASSUMABLE)
    );
    assert_eq!(
        said(&status, conditions::COMPLIANT),
        pair("Unknown", reason::ROLE_NOT_ASSUMABLE)
    );
    assert_eq!(
        said(&status, conditions::STALLED),
        pair("True", reason::ROLE_NOT_ASSUMABLE)
    );
    let passing = Problem::new(reason::THROTTLED, "ec2:DescribeImages: throttled by AWS.");
    let status = of(&ScanResult::Failed(&passing), MigrationCounts::default());
    assert_eq!(said(&status, conditions::STALLED), pair("False", reason::NOT_STALLED));
    assert_eq!(said(&status, conditions::RECONCILING), pair("True", reason::THROTTLED));
}

#[test]
fn a_key_that_cannot_be_used_is_said_and_keeps_the_target_from_being_ready() {
    let classified = counts(|c| c.encrypted = 1);
    let disabled = known_key(KeyUsability::Unusable(KeyProblem::Disabled));
    let status = of(&scanned(at(0), &classified, &disabled), MigrationCounts::default());
    assert_eq!(
        said(&status, conditions::KEY_USABLE),
        pair("False", reason::KEY_DISABLED)
    );
    assert_eq!(said(&status, conditions::READY), pair("False", reason::KEY_DISABLED));
    assert_eq!(status.key_arn.as_deref(), Some(key(1).as_str()));
}

#[test]
fn reconciling_and_stalled_are_never_both_true() {
    let classified = counts(|c| c.unencrypted = 1);
    let problem = Problem::new(reason::ACCESS_DENIED, "ec2:DescribeImages: not permitted.");
    let usable = known_key(KeyUsability::Usable);
    let busy = MigrationCounts {
        in_progress: 1,
        ..MigrationCounts::default()
    };
    for looked in [
        ScanResult::NotYet,
        ScanResult::Failed(&problem),
        scanned(at(0), &classified, &usable),
    ] {
        let status = of(&looked, busy);
        let holds = |type_| conditions::is_true(&status.conditions, type_);
        assert!(
            !(holds(conditions::RECONCILING) && holds(conditions::STALLED)),
            "{looked:?}"
        );
    }
}

#[test]
fn a_scan_that_finds_nothing_new_is_written_once_in_an_interval() {
    let classified = counts(|c| c.encrypted = 1);
    let usable = known_key(KeyUsability::Usable);
    let none = MigrationCounts::default();
    let first = of(&scanned(at(0), &classified, &usable), none);
    let again = |seconds| {
        target(
            &first,
            &spec(),
            Some(3),
            &scanned(at(seconds), &classified, &usable),
            none,
            at(seconds),
        )
    };
    // Of 15 minutes; scans come up to a tenth sooner, so that they do not all come at once.
    assert_eq!(again(600), first);
    assert_eq!(again(810).last_scan_time, Some(Time(at(810))));
    assert_eq!(again(900).last_scan_time, Some(Time(at(900))));
    let changed = counts(|c| c.encrypted = 2);
    let status = target(
        &first,
        &spec(),
        Some(3),
        &scanned(at(60), &changed, &usable),
        none,
        at(60),
    );
    assert_eq!(status.last_scan_time, Some(Time(at(60))), "written with another change");
}

#[test]
fn under_audit_and_without_a_key_the_target_itself_names_what_is_not_encrypted() {
    let usable = known_key(KeyUsability::Usable);
    let missing = KeyView::Unresolved(KeyProblem::NotFound);
    let mut classified = counts(|c| (c.total, c.unencrypted) = (1, 1));
    classified.unencrypted = vec![Named {
        image: crate::plan::testing::image_id(1),
        name: "web-1".into(),
    }];
    for (mode, key, named, says) in [
        (Mode::Audit, &usable, 1, "amiseal plan"),
        (Mode::Enforce, &missing, 1, "KeyUsable"),
        (
            Mode::Enforce,
            &usable,
            0,
            "kubectl get amim -l amiseal.dev/policy=production,amiseal.dev/account=111122223333",
        ),
    ] {
        let spec = AMIEncryptionTargetSpec { mode, ..spec() };
        let looked = scanned(at(0), &classified, key);
        let none = MigrationCounts::default();
        let status = target(
            &AMIEncryptionTargetStatus::default(),
            &spec,
            Some(3),
            &looked,
            none,
            at(0),
        );
        assert_eq!(status.unencrypted_images.len(), named);
        let compliant = conditions::find(&status.conditions, conditions::COMPLIANT).expect("a condition");
        assert_eq!(compliant.reason, reason::UNENCRYPTED_IMAGES);
        assert!(compliant.message.contains(says), "{}", compliant.message);
    }
}
