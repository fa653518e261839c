//! What targets say of what their role may do.

use super::*;

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
