//! What policies say of their targets.

use super::*;
use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, TargetCounts};

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
    let problem = Problem::new(reason::WRONG_ACCOUNT, "sts:GetCallerIdentity: another account.");
    let bad = of(&ScanResult::Failed(&problem), MigrationCounts::default());
    let spec: AMIEncryptionPolicySpec = serde_json::from_value(serde_json::json!({"accounts": []})).expect("a spec");
    let counted = |status, current| Counted {
        name: "production.111122223333.eu-west-1",
        current,
        status,
    };
    let status = |targets: &[Counted<'_>], expected| {
        policy(
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
        Some("False on 1 of 2 targets: WrongAccount in production.111122223333.eu-west-1.")
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
    let unseen = of(&ScanResult::NotYet, none);
    let working = of(&scanned(at(0), &classified, &usable), busy);
    let problem = Problem::new(reason::ROLE_NOT_ASSUMABLE, "sts:AssumeRole: no.");
    let bad = of(&ScanResult::Failed(&problem), none);
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
            "True on all 2",
        ),
        (
            &goes_on,
            named(&[&good, &working]),
            "in progress",
            conditions::RECONCILING,
            "t1",
        ),
        (&goes_on, named(&[&bad, &working]), "failed", conditions::STALLED, "t0"),
        // What the others come to is not known before they were looked through.
        (
            &goes_on,
            named(&[&bad, &unseen]),
            "in progress",
            conditions::RECONCILING,
            "looked through: t1",
        ),
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
    use conditions::{COMPLIANT, MAP_PUBLISHED, READY, STALLED};
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
        (
            list(&[(MAP_PUBLISHED, Status::Unknown)]),
            list(&[(MAP_PUBLISHED, Status::True)]),
            vec![(MAP_PUBLISHED, false)],
        ),
        (
            list(&[(MAP_PUBLISHED, Status::Unknown)]),
            list(&[(MAP_PUBLISHED, Status::False)]),
            vec![(MAP_PUBLISHED, true)],
        ),
        (
            list(&[(MAP_PUBLISHED, Status::True)]),
            list(&[(MAP_PUBLISHED, Status::Unknown)]),
            vec![],
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
fn a_policy_says_of_its_parameters_what_its_targets_do_and_of_those_that_are_left() {
    let target = |said: Option<(Status, &str)>| {
        let mut status = AMIEncryptionTargetStatus::default();
        if let Some((is, why)) = said {
            let conditions = &mut status.conditions;
            conditions::set_condition(conditions, conditions::MAP_PUBLISHED, is, why, "", Some(3), at(0));
        }
        status
    };
    let here = Some((Status::True, reason::PUBLISHED));
    let denied = Some((Status::False, reason::ACCESS_DENIED));
    let going = Some((Status::Unknown, reason::PROGRESSING));
    for (prefix, targets, expected) in [
        (None, vec![None, None], None),
        (Some("/a"), vec![here, here], Some("True/Published")),
        (Some("/a"), vec![here, None], Some("Unknown/SomeTargets")),
        (Some("/a"), vec![here, going], Some("Unknown/SomeTargets")),
        (Some("/a"), vec![here, denied], Some("False/SomeTargets")),
        // Those of the other target are deleted.
        (None, vec![None, going], Some("Unknown/SomeTargets")),
        (None, vec![None, denied], Some("False/SomeTargets")),
    ] {
        let map = prefix.map(|prefix| serde_json::json!({"ssmPrefix": prefix}));
        let spec = serde_json::json!({"accounts": [], "promotion": {"map": map}});
        let spec: AMIEncryptionPolicySpec = serde_json::from_value(spec).expect("a spec");
        let statuses: Vec<_> = targets.iter().copied().map(target).collect();
        let counted: Vec<Counted<'_>> = statuses
            .iter()
            .map(|status| Counted {
                name: "production.111122223333.eu-west-1",
                current: true,
                status,
            })
            .collect();
        let said = map_parameters(&spec, counted.len(), &counted);
        let says = said
            .as_ref()
            .map(|said| format!("{}/{}", said.status.as_str(), said.reason));
        assert_eq!(says.as_deref(), expected, "{prefix:?} {targets:?}");
        if let Some(said) = said.filter(|said| said.status != Status::True) {
            let message = said.message;
            assert!(
                message.starts_with("promotion.map.ssmPrefix: ") && message.contains("production.1111"),
                "{message}"
            );
        }
    }
}
