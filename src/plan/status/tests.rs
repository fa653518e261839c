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

#[test]
fn a_target_whose_copies_wait_since_its_role_could_not_be_asked_about_says_why() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.unencrypted = 1);
    for (reason, stalls) in [(reason::THROTTLED, "False"), (reason::ACCESS_DENIED, "True")] {
        let problem = Problem::new(reason, "ec2:CopyImage: no.");
        let mut looked = scanned(at(0), &classified, &usable);
        if let ScanResult::Scanned(Scan { unanswered, .. }) = &mut looked {
            *unanswered = Some(&problem);
        }
        let status = of(&looked, MigrationCounts::default());
        assert_eq!(said(&status, conditions::PERMITTED), pair("Unknown", reason));
        let condition = conditions::find(&status.conditions, conditions::PERMITTED).expect("a condition");
        assert!(condition.message.ends_with(&problem.message), "{}", condition.message);
        assert_eq!(said(&status, conditions::READY), pair("False", reason));
        assert_eq!(said(&status, conditions::STALLED).0, stalls);
    }
}

#[test]
fn what_the_role_lacks_is_named_and_only_what_is_certain_keeps_the_target_from_being_ready() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.unencrypted = 1);
    let with = |lacking: Option<&MissingPermissions>| {
        let mut looked = scanned(at(0), &classified, &usable);
        if let ScanResult::Scanned(Scan { lacking: asked, .. }) = &mut looked {
            *asked = lacking;
        }
        of(&looked, MigrationCounts::default())
    };
    let lacking = |certain: &[&'static str], untagged: &[&'static str]| MissingPermissions {
        certain: certain.to_vec(),
        untagged: untagged.to_vec(),
    };
    let status = with(None);
    assert_eq!(conditions::find(&status.conditions, conditions::PERMITTED), None);
    let table = [
        (lacking(&[], &[]), "True", reason::SUCCEEDED, "True"),
        (
            lacking(&[], &["ec2:B"]),
            "Unknown",
            reason::PERMISSIONS_UNCONFIRMED,
            "True",
        ),
        (lacking(&["ec2:A"], &["ec2:B"]), "False", reason::ACCESS_DENIED, "False"),
    ];
    for (lacking, holds, why, ready) in table {
        let status = with(Some(&lacking));
        assert_eq!(said(&status, conditions::PERMITTED), pair(holds, why));
        let condition = conditions::find(&status.conditions, conditions::PERMITTED).expect("a condition");
        for action in lacking.certain.iter().chain(&lacking.untagged) {
            assert!(condition.message.contains(action), "{}", condition.message);
        }
        assert_eq!(said(&status, conditions::READY).0, ready);
        assert_eq!(
            said(&status, conditions::STALLED).0,
            if ready == "True" { "False" } else { "True" }
        );
    }
}

#[test]
fn what_kept_a_target_from_migrating_is_no_problem_once_nothing_is_left_to_migrate() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.encrypted = 1);
    let problem = Problem::new(reason::ROLE_NOT_ASSUMABLE, "sts:AssumeRole: no.");
    let lacks = MissingPermissions {
        certain: vec!["ec2:CopyImage"],
        untagged: Vec::new(),
    };
    let nothing_left = pair("Unknown", reason::NOTHING_TO_MIGRATE);
    let table = [
        // What the role lacks stays said while it can be asked about.
        (Some(&lacks), None, true, pair("False", reason::ACCESS_DENIED)),
        (Some(&lacks), None, false, nothing_left.clone()),
        (None, Some(&problem), true, nothing_left),
    ];
    for (asked, no_answer, about, permitted) in table {
        let mut current = AMIEncryptionTargetStatus::default();
        for something in [true, false] {
            let mut looked = scanned(at(0), &classified, &usable);
            if let ScanResult::Scanned(Scan {
                migrates,
                asks,
                lacking,
                unanswered,
                ..
            }) = &mut looked
            {
                (*migrates, *asks, *lacking, *unanswered) = (something, something || about, asked, no_answer);
            }
            current = target(&current, &spec(), Some(3), &looked, MigrationCounts::default(), at(0));
            let ready = if something { "False" } else { "True" };
            assert_eq!(said(&current, conditions::READY).0, ready);
        }
        assert_eq!(said(&current, conditions::PERMITTED), permitted);
    }
}

#[test]
fn what_the_role_may_do_has_a_reason_of_its_own_wherever_it_is_not_known() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.unencrypted = 1);
    let refused = Problem::new(
        reason::INVALID_REQUEST,
        "ec2:CopyImage: AWS refused with InvalidParameter.",
    );
    let none = MigrationCounts::default();
    let before = |status: Status, why: &str| {
        let mut current = AMIEncryptionTargetStatus::default();
        let (of, type_) = (&mut current.conditions, conditions::PERMITTED);
        conditions::set_condition(of, type_, status, why, "As it was.", Some(2), at(0));
        current
    };
    let nothing = AMIEncryptionTargetStatus::default();
    let audited = before(Status::Unknown, reason::AUDIT);
    let done = before(Status::Unknown, reason::NOTHING_TO_MIGRATE);
    let permitted = before(Status::True, reason::SUCCEEDED);
    let denied = before(Status::False, reason::ACCESS_DENIED);
    let not_checked = Some(pair("Unknown", reason::PERMISSIONS_NOT_CHECKED));
    // What was said, the mode, whether an image is left, and whether AWS has refused to answer.
    let table = [
        (&nothing, Mode::Enforce, true, false, None),
        (&nothing, Mode::Enforce, true, true, not_checked.clone()),
        (&nothing, Mode::Audit, true, true, None),
        (&audited, Mode::Enforce, true, false, not_checked.clone()),
        (&done, Mode::Enforce, true, false, not_checked.clone()),
        (&done, Mode::Enforce, true, true, not_checked),
        (
            &audited,
            Mode::Enforce,
            false,
            false,
            Some(pair("Unknown", reason::NOTHING_TO_MIGRATE)),
        ),
        (
            &denied,
            Mode::Enforce,
            false,
            true,
            Some(pair("Unknown", reason::NOTHING_TO_MIGRATE)),
        ),
        (&denied, Mode::Audit, true, true, Some(pair("Unknown", reason::AUDIT))),
        // What AWS has answered once is said until it answers otherwise.
        (
            &permitted,
            Mode::Enforce,
            true,
            false,
            Some(pair("True", reason::SUCCEEDED)),
        ),
        (
            &denied,
            Mode::Enforce,
            true,
            false,
            Some(pair("False", reason::ACCESS_DENIED)),
        ),
    ];
    for (current, mode, is_left, is_refused, expected) in table {
        let mut looked = scanned(at(0), &classified, &usable);
        if let ScanResult::Scanned(Scan {
            migrates, unanswerable, ..
        }) = &mut looked
        {
            (*migrates, *unanswerable) = (is_left, is_refused.then_some(&refused));
        }
        let spec = AMIEncryptionTargetSpec { mode, ..spec() };
        let status = target(current, &spec, Some(3), &looked, none, at(100));
        let condition = conditions::find(&status.conditions, conditions::PERMITTED);
        let found = condition.map(|condition| pair(&condition.status, &condition.reason));
        assert_eq!(
            found, expected,
            "{mode:?}, an image is left: {is_left}, refused: {is_refused}"
        );
        assert_eq!(said(&status, conditions::READY).0, "True", "copies do not wait for it");
        if let Some(condition) = condition.filter(|condition| condition.reason == reason::PERMISSIONS_NOT_CHECKED) {
            let cause = if is_refused {
                &*refused.message
            } else {
                "has not asked yet"
            };
            assert!(condition.message.contains(cause), "{}", condition.message);
        }
    }
}

#[test]
fn an_audit_without_a_role_says_that_only_amiseal_holds_back() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.encrypted = 1);
    let ready = |role: Option<&str>| {
        let audit = AMIEncryptionTargetSpec {
            mode: Mode::Audit,
            role_arn: role.map(str::to_owned),
            ..spec()
        };
        let looked = scanned(at(0), &classified, &usable);
        let none = MigrationCounts::default();
        let status = target(
            &AMIEncryptionTargetStatus::default(),
            &audit,
            Some(3),
            &looked,
            none,
            at(100),
        );
        let ready = conditions::find(&status.conditions, conditions::READY).expect("a condition");
        (ready.status.clone(), ready.message.contains("only amiseal itself"))
    };
    assert_eq!(ready(None), ("True".to_owned(), true));
    assert_eq!(
        ready(Some("arn:aws:iam::111122223333:role/amiseal")),
        ("True".to_owned(), false)
    );
}

/// Findings with one that is named, and so many instances that launch an image.
fn findings(instances: u32) -> FindingsStatus {
    let row = |check: &str, count| crate::api::CheckCount {
        check: check.to_owned(),
        severity: "high".to_owned(),
        count,
        exempt: 0,
    };
    FindingsStatus {
        total: 1 + instances,
        checks: vec![
            row("unencrypted-image", 1),
            row("launches-unencrypted-image", instances),
        ],
        named: vec![crate::api::NamedFinding {
            id: "1".to_owned(),
            check: "unencrypted-image".to_owned(),
            what: format!("It is used by {instances} instances."),
            ..crate::api::NamedFinding::default()
        }],
        ..FindingsStatus::default()
    }
}

#[test]
fn findings_are_on_record_where_they_are_asked_for_and_numbers_that_change_all_the_time_with_the_next_scan() {
    let (classified, key) = (Classified::default(), known_key(KeyUsability::Usable));
    let scan = |time, found: &FindingsStatus, current: &AMIEncryptionTargetStatus, asked: bool| {
        let mut spec = spec();
        spec.audit = asked.then(Default::default);
        let looked = match scanned(at(time), &classified, &key) {
            ScanResult::Scanned(scan) => ScanResult::Scanned(Scan {
                findings: Some(found),
                ..scan
            }),
            other => other,
        };
        target(current, &spec, Some(3), &looked, MigrationCounts::default(), at(time))
    };
    let none = AMIEncryptionTargetStatus::default();
    assert_eq!(scan(0, &findings(2), &none, false).findings, None);
    let first = scan(0, &findings(2), &none, true);
    assert_eq!(first.findings, Some(findings(2)));
    // More instances are no reason to write, and go along with the next scan.
    assert_eq!(scan(60, &findings(9), &first, true), first);
    assert_eq!(scan(900, &findings(9), &first, true).findings, Some(findings(9)));
    // Where there were none, or are none any more, that is said at once.
    assert_eq!(scan(60, &findings(0), &first, true).findings, Some(findings(0)));
    assert_eq!(scan(60, &findings(2), &first, false).findings, None);
}

#[test]
fn what_was_found_on_images_of_an_old_scan_is_not_known_while_scans_fail() {
    let (classified, key) = (Classified::default(), known_key(KeyUsability::Usable));
    let problem = Problem::new(reason::ACCESS_DENIED, "ec2:DescribeImages: allow it.");
    let mut spec = spec();
    spec.audit = Some(crate::api::AuditSettings::default());
    let write = |current: &AMIEncryptionTargetStatus, looked: &ScanResult<'_>| {
        target(current, &spec, Some(3), looked, MigrationCounts::default(), at(60))
    };
    let scan = |found, outdated| match scanned(at(0), &classified, &key) {
        ScanResult::Scanned(scan) => ScanResult::Scanned(Scan {
            findings: found,
            outdated,
            ..scan
        }),
        other => other,
    };
    let mut found = findings(1);
    found.unread = ["AllowedImages", "ScanResults"]
        .map(|kind| crate::api::UnreadPart {
            kind: kind.to_owned(),
            message: "Allow it.".to_owned(),
        })
        .into();
    let known = write(&AMIEncryptionTargetStatus::default(), &scan(Some(&found), None));
    assert_eq!(known.findings.as_ref(), Some(&found));
    let unread = |status: &AMIEncryptionTargetStatus| -> Vec<String> {
        let found = status.findings.as_ref().expect("findings");
        found.unread.iter().map(|row| row.kind.clone()).collect()
    };
    let all = ["AllowedImages", "Images", "ScanResults"];
    let failing = write(&known, &scan(Some(&found), Some(&problem)));
    assert_eq!(unread(&failing), all);
    let said = failing.findings.as_ref().expect("findings");
    assert_eq!(
        (said.total, &said.named),
        (found.total, &found.named),
        "what was found stays"
    );
    assert!(
        said.unread[1].message.contains("ec2:DescribeImages: allow it."),
        "{said:?}"
    );
    assert!(!crate::plan::findings::record::is_known(said));
    assert_eq!(write(&failing, &scan(Some(&found), Some(&problem))), failing, "once");
    // A process that has not read them itself, be it that it has scanned or not.
    for looked in [ScanResult::Failed(&problem), scan(None, Some(&problem))] {
        assert_eq!(unread(&write(&known, &looked)), all);
        assert_eq!(unread(&write(&failing, &looked)), all);
    }
    assert_eq!(
        unread(&write(&failing, &scan(None, None))),
        all,
        "until it has read them"
    );
    assert_eq!(write(&failing, &scan(Some(&found), None)).findings, known.findings);
    spec.audit = None;
    let none = target(
        &failing,
        &spec,
        Some(3),
        &ScanResult::Failed(&problem),
        MigrationCounts::default(),
        at(60),
    );
    assert_eq!(none.findings, None);
}
