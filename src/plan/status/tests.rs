use super::*;
use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, ImageCounts, OtherKey, TargetCounts};
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

fn scanned<'a>(at: Timestamp, classified: &'a Classified, key: &'a KeyView) -> Looked<'a> {
    Looked::Scanned {
        at,
        classified,
        caller: "arn:aws:sts::111122223333:x",
        key,
        key_trouble: None,
        key_read: None,
        unstarted: false,
        migrates: true,
        asks: true,
        lacking: None,
        unanswered: None,
        asked: None,
        trouble: None,
    }
}

fn of(looked: &Looked<'_>, migrations: MigrationCounts) -> AMIEncryptionTargetStatus {
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
    let trouble = Trouble::new(
        reason::ROLE_NOT_ASSUMABLE,
        "sts:AssumeRole: the role cannot be assumed.",
    );
    let status = of(&Looked::Failed(&trouble), MigrationCounts::default());
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
    let passing = Trouble::new(reason::THROTTLED, "ec2:DescribeImages: throttled by AWS.");
    let status = of(&Looked::Failed(&passing), MigrationCounts::default());
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
    let trouble = Trouble::new(reason::ACCESS_DENIED, "ec2:DescribeImages: not permitted.");
    let usable = known_key(KeyUsability::Usable);
    let busy = MigrationCounts {
        in_progress: 1,
        ..MigrationCounts::default()
    };
    for looked in [
        Looked::NotYet,
        Looked::Failed(&trouble),
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
fn a_policy_sums_its_targets_and_does_not_know_what_it_has_not_heard() {
    let classified = counts(|c| (c.total, c.encrypted) = (2, 2));
    let usable = known_key(KeyUsability::Usable);
    let good = of(
        &scanned(at(0), &classified, &usable),
        MigrationCounts {
            completed: 1,
            ..MigrationCounts::default()
        },
    );
    let trouble = Trouble::new(reason::WRONG_ACCOUNT, "sts:GetCallerIdentity: another account.");
    let bad = of(&Looked::Failed(&trouble), MigrationCounts::default());
    let spec: AMIEncryptionPolicySpec = serde_json::from_value(serde_json::json!({"accounts": []})).expect("a spec");
    let counted = |status, current| Counted {
        name: "production.111122223333.eu-west-1",
        current,
        status,
    };
    let status = |targets: &[Counted<'_>], expected| {
        super::policy(
            &AMIEncryptionPolicyStatus::default(),
            &spec,
            Some(3),
            expected,
            targets,
            at(0),
        )
    };
    let condition = |status: &AMIEncryptionPolicyStatus, type_: &str| {
        conditions::find(&status.conditions, type_)
            .map(|c| c.status.clone())
            .expect("the condition")
    };
    let all_good = status(&[counted(&good, true), counted(&good, true)], 2);
    assert_eq!(all_good.images.expect("counts").total, 4);
    assert_eq!(all_good.migrations.expect("counts").completed, 2);
    assert_eq!(all_good.targets, Some(TargetCounts { total: 2, ready: 2 }));
    assert_eq!(condition(&all_good, conditions::READY), "True");
    let missing = status(&[counted(&good, true)], 2);
    assert_eq!(condition(&missing, conditions::READY), "Unknown");
    let stale = status(&[counted(&good, true), counted(&good, false)], 2);
    assert_eq!(condition(&stale, conditions::READY), "Unknown");
    let one_bad = status(&[counted(&good, true), counted(&bad, true)], 2);
    assert_eq!(condition(&one_bad, conditions::TARGETS_REACHABLE), "False");
    assert_eq!(condition(&one_bad, conditions::STALLED), "True", "somebody has to act");
    assert_eq!(condition(&one_bad, conditions::RECONCILING), "False");
    let message = conditions::find(&one_bad.conditions, conditions::READY).map(|ready| ready.message.clone());
    assert_eq!(
        message.as_deref(),
        Some("Not in 1 of 2 targets: WrongAccount in production.111122223333.eu-west-1.")
    );
}

fn policy_of(
    current: &AMIEncryptionPolicyStatus,
    spec: &serde_json::Value,
    targets: &[(String, AMIEncryptionTargetStatus)],
) -> AMIEncryptionPolicyStatus {
    let spec: AMIEncryptionPolicySpec = serde_json::from_value(spec.clone()).expect("a spec");
    let counted: Vec<Counted<'_>> = targets
        .iter()
        .map(|(name, status)| Counted {
            name,
            current: true,
            status,
        })
        .collect();
    policy(current, &spec, Some(3), targets.len(), &counted, at(0))
}

/// What kstatus and its like make of an object: `Reconciling` is progress, `Stalled` a failure, else `Ready` decides.
fn health(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> &'static str {
    let is = |type_| conditions::is_true(conditions, type_);
    match (
        is(conditions::RECONCILING),
        is(conditions::STALLED),
        is(conditions::READY),
    ) {
        (true, false, _) => "in progress",
        (false, true, _) => "failed",
        (false, false, true) => "current",
        (false, false, false) => "in progress without an end",
        (true, true, _) => "both",
    }
}

#[test]
fn a_policy_that_is_suspended_or_has_failed_in_part_is_not_in_progress_and_names_its_targets() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.unencrypted = 1);
    let busy = MigrationCounts {
        in_progress: 1,
        ..MigrationCounts::default()
    };
    let none = MigrationCounts::default();
    let good = of(&scanned(at(0), &classified, &usable), none);
    let working = of(&scanned(at(0), &classified, &usable), busy);
    let trouble = Trouble::new(reason::ROLE_NOT_ASSUMABLE, "sts:AssumeRole: no.");
    let bad = of(&Looked::Failed(&trouble), none);
    let suspended = AMIEncryptionTargetSpec {
        suspend: true,
        ..spec()
    };
    let looked = scanned(at(0), &classified, &usable);
    let quiet = target(&working, &suspended, Some(3), &looked, busy, at(100));
    assert_eq!(health(&quiet.conditions), "current");
    assert_eq!(said(&quiet, conditions::READY), pair("True", reason::SUSPENDED));

    let (goes_on, suspends) = (
        serde_json::json!({"accounts": []}),
        serde_json::json!({"accounts": [], "suspend": true}),
    );
    let named = |statuses: &[&AMIEncryptionTargetStatus]| -> Vec<(String, AMIEncryptionTargetStatus)> {
        let numbered = statuses.iter().enumerate();
        numbered
            .map(|(number, status)| (format!("t{number}"), (*status).clone()))
            .collect()
    };
    for (spec, targets, expected, type_, names) in [
        (
            &goes_on,
            named(&[&good, &good]),
            "current",
            conditions::READY,
            "In all 2",
        ),
        (
            &goes_on,
            named(&[&good, &working]),
            "in progress",
            conditions::RECONCILING,
            "t1",
        ),
        (&goes_on, named(&[&bad, &working]), "failed", conditions::STALLED, "t0"),
        (
            &goes_on,
            named(&[&bad; 9]),
            "failed",
            conditions::STALLED,
            "t0, t1, t2 and 6 more",
        ),
        (
            &suspends,
            named(&[&quiet, &quiet]),
            "current",
            conditions::READY,
            "suspend: false",
        ),
    ] {
        let status = policy_of(&AMIEncryptionPolicyStatus::default(), spec, &targets);
        assert_eq!(health(&status.conditions), expected);
        let message = &conditions::find(&status.conditions, type_)
            .expect("the condition")
            .message;
        assert!(message.contains(names), "{message}");
    }
}

#[test]
fn what_another_policy_governs_is_not_complied_with_and_the_policy_names_it() {
    let usable = known_key(KeyUsability::Usable);
    let mut classified = counts(|c| (c.total, c.encrypted, c.contested) = (6, 1, 5));
    classified.contested.insert("base".to_owned(), 5);
    let status = of(&scanned(at(0), &classified, &usable), MigrationCounts::default());
    assert_eq!(said(&status, conditions::COMPLIANT), pair("Unknown", reason::CONTESTED));
    assert_eq!(status.contested_by, ["base"]);
    let message = |conditions: &[_], type_| {
        conditions::find(conditions, type_)
            .map(|condition| condition.message.clone())
            .expect("the condition")
    };
    assert!(message(&status.conditions, conditions::CONTESTED).contains("The policy base governs"));

    let spec = serde_json::json!({"accounts": []});
    let before = AMIEncryptionPolicyStatus::default();
    let of_policy = policy_of(&before, &spec, &[("t0".to_owned(), status)]);
    assert!(conditions::has_status(
        &of_policy.conditions,
        conditions::COMPLIANT,
        Status::Unknown
    ));
    assert!(conditions::is_true(&of_policy.conditions, conditions::CONTESTED));
    let says = message(&of_policy.conditions, conditions::CONTESTED);
    assert!(says.contains("(base)") && says.contains("t0"), "{says}");
    let told = changes(&before.conditions, &of_policy.conditions);
    assert!(
        told.iter()
            .any(|(condition, is_bad)| condition.type_ == conditions::CONTESTED && *is_bad)
    );

    let classified = counts(|c| (c.total, c.encrypted) = (6, 6));
    let alone = of(&scanned(at(0), &classified, &usable), MigrationCounts::default());
    let after = policy_of(&of_policy, &spec, &[("t0".to_owned(), alone)]);
    assert!(!conditions::is_true(&after.conditions, conditions::CONTESTED));
    assert!(conditions::is_true(&after.conditions, conditions::COMPLIANT));
}

#[test]
fn people_are_told_of_what_has_changed_and_of_nothing_twice() {
    let list = |statuses: &[(&str, Status)]| {
        let mut conditions = Vec::new();
        for (type_, status) in statuses {
            conditions::set_condition(&mut conditions, type_, *status, reason::SUCCEEDED, "", None, at(0));
        }
        conditions
    };
    use conditions::{COMPLIANT, READY, STALLED};
    for (before, now, expected) in [
        (
            list(&[]),
            list(&[(READY, Status::False), (COMPLIANT, Status::Unknown)]),
            vec![],
        ),
        (
            list(&[(READY, Status::False), (COMPLIANT, Status::Unknown)]),
            list(&[(READY, Status::True), (COMPLIANT, Status::False)]),
            vec![(READY, false), (COMPLIANT, true)],
        ),
        (
            list(&[(READY, Status::True), (STALLED, Status::False)]),
            list(&[(READY, Status::False), (STALLED, Status::True)]),
            vec![(READY, true), (STALLED, true)],
        ),
        (
            list(&[(READY, Status::False), (STALLED, Status::True)]),
            list(&[(READY, Status::False), (STALLED, Status::True)]),
            vec![],
        ),
        (
            list(&[(STALLED, Status::True)]),
            list(&[(STALLED, Status::False)]),
            vec![(STALLED, false)],
        ),
    ] {
        let told: Vec<_> = changes(&before, &now)
            .into_iter()
            .map(|(condition, is_bad)| (condition.type_.as_str(), is_bad))
            .collect();
        assert_eq!(told, expected);
    }
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
        let trouble = Trouble::new(reason, "ec2:CopyImage: no.");
        let mut looked = scanned(at(0), &classified, &usable);
        if let Looked::Scanned { unanswered, .. } = &mut looked {
            *unanswered = Some(&trouble);
        }
        let status = of(&looked, MigrationCounts::default());
        assert_eq!(said(&status, conditions::PERMITTED), pair("Unknown", reason));
        let condition = conditions::find(&status.conditions, conditions::PERMITTED).expect("a condition");
        assert!(condition.message.ends_with(&trouble.message), "{}", condition.message);
        assert_eq!(said(&status, conditions::READY), pair("False", reason));
        assert_eq!(said(&status, conditions::STALLED).0, stalls);
    }
}

#[test]
fn what_the_role_lacks_is_named_and_only_what_is_certain_keeps_the_target_from_being_ready() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.unencrypted = 1);
    let with = |lacking: Option<&Lacking>| {
        let mut looked = scanned(at(0), &classified, &usable);
        if let Looked::Scanned { lacking: asked, .. } = &mut looked {
            *asked = lacking;
        }
        of(&looked, MigrationCounts::default())
    };
    let lacking = |certain: &[&'static str], untagged: &[&'static str]| Lacking {
        certain: certain.to_vec(),
        untagged: untagged.to_vec(),
    };
    let status = with(None);
    assert_eq!(conditions::find(&status.conditions, conditions::PERMITTED), None);
    let table = [
        (lacking(&[], &[]), "True", reason::SUCCEEDED, "True"),
        (lacking(&[], &["ec2:B"]), "Unknown", reason::ACCESS_DENIED, "True"),
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
fn what_kept_a_target_from_migrating_is_no_trouble_once_nothing_is_left_to_migrate() {
    let usable = known_key(KeyUsability::Usable);
    let classified = counts(|c| c.encrypted = 1);
    let trouble = Trouble::new(reason::ROLE_NOT_ASSUMABLE, "sts:AssumeRole: no.");
    let lacks = Lacking {
        certain: vec!["ec2:CopyImage"],
        untagged: Vec::new(),
    };
    let nothing_left = pair("Unknown", reason::SUCCEEDED);
    let table = [
        // What the role lacks stays said while it can be asked about.
        (Some(&lacks), None, true, pair("False", reason::ACCESS_DENIED)),
        (Some(&lacks), None, false, nothing_left.clone()),
        (None, Some(&trouble), true, nothing_left),
    ];
    for (asked, no_answer, about, permitted) in table {
        let mut current = AMIEncryptionTargetStatus::default();
        for something in [true, false] {
            let mut looked = scanned(at(0), &classified, &usable);
            if let Looked::Scanned {
                migrates,
                asks,
                lacking,
                unanswered,
                ..
            } = &mut looked
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
