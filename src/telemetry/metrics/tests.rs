mod exposition;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use regex::Regex;
use serde_json::json;

use super::*;
use crate::api::{
    AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, AMIMigrationStatus, CheckCount, FindingsStatus,
    GuardrailName, GuardrailStatus, ImageClass, ImageCounts, InspectorState, InspectorStatus, LaunchState,
    LaunchStatus, MigrationState, Mode, ValidationStatus, conditions,
};
use crate::domain::ErrorClass;
use crate::plan::look::LookResult;

const NAME: &str = "p.111122223333.eu-west-1";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).expect("a time")
}

fn target(mode: &str, suspend: bool) -> AMIEncryptionTarget {
    let spec = json!({
        "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami", "mode": mode,
        "suspend": suspend, "scanInterval": "15m", "otherKey": "Report", "promotion": {},
        "copy": {"namePattern": "{name}", "maxConcurrentSnapshots": 20, "maxAttempts": 3},
    });
    AMIEncryptionTarget::new(NAME, serde_json::from_value(spec).expect("a spec"))
}

fn migration(created: i64, state: MigrationState) -> Arc<AMIMigration> {
    let spec = json!({
        "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "sourceImageID": "ami-0123456789abcdef0",
        "keyARN": "arn:aws:kms:eu-west-1:111122223333:key/1",
    });
    let mut migration = AMIMigration::new("a", serde_json::from_value(spec).expect("a spec"));
    migration.metadata.creation_timestamp = Some(Time(at(created)));
    migration.status = Some(AMIMigrationStatus {
        state: Some(state),
        ..AMIMigrationStatus::default()
    });
    Arc::new(migration)
}

fn reachable(status: conditions::Status) -> AMIEncryptionTargetStatus {
    let mut said = AMIEncryptionTargetStatus::default();
    let mut write = conditions::Writer {
        conditions: &mut said.conditions,
        generation: None,
        now: at(0),
    };
    write.set(conditions::REACHABLE, status, conditions::reason::SUCCEEDED, "");
    said
}

/// The samples of this name, each as the values of its labels and its own.
fn samples(metrics: &Metrics, name: &str) -> Vec<String> {
    let text: String = metrics.pieces().collect();
    let label = Regex::new(r#"="([^"]*)""#).expect("a pattern");
    let sample = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?;
        let values = label.captures_iter(labels).map(|found| found[1].to_owned());
        Some(values.chain([value.to_owned()]).collect::<Vec<_>>().join(" "))
    };
    text.lines().filter_map(sample).collect()
}

/// What is shown of the one target.
fn shown(metrics: &Metrics, name: &str) -> Option<f64> {
    let samples = samples(metrics, name);
    let (_, value) = samples.first()?.rsplit_once(' ')?;
    Some(value.parse().expect("a number"))
}

/// What the registry has of the one policy.
fn gathered(registry: &Registry, name: &str) -> Option<f64> {
    let family = registry.gather().into_iter().find(|family| family.name() == name)?;
    let metric = family.get_metric().first()?;
    let counter = metric.get_counter().get_value();
    Some(metric.get_gauge().get_value() + counter)
}

#[test]
fn what_is_missed_where_it_is_to_be_done_is_not_shown_where_it_is_not() {
    let migrations = [
        migration(10, MigrationState::Completed),
        migration(30, MigrationState::Copying),
        migration(20, MigrationState::Pending),
    ];
    for (mode, suspend, expected) in [
        (
            "Enforce",
            false,
            [Some(1.0), Some(900.0), Some(5.0), Some(20.0), Some(7.0)],
        ),
        ("Audit", false, [Some(1.0), Some(900.0), Some(5.0), None, None]),
        ("Enforce", true, [None; 5]),
    ] {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("metrics");
        let status = reachable(conditions::Status::True);
        // Whatever was shown before.
        for (mode, suspend) in [("Enforce", false), (mode, suspend)] {
            metrics
                .targets
                .observe(&target(mode, suspend), &status, &migrations, Some(at(5)), Some(7.0));
        }
        let names = [
            "amiseal_target_reachable",
            "amiseal_scan_interval_seconds",
            "amiseal_last_successful_scan_timestamp_seconds",
            "amiseal_oldest_unfinished_migration_timestamp_seconds",
            "amiseal_slowest_copy_ratio",
        ];
        assert_eq!(names.map(|name| shown(&metrics, name)), expected, "{mode} {suspend}");
        metrics.targets.forget(NAME);
        assert_eq!(names.map(|name| shown(&metrics, name)), [None; 5], "{mode} {suspend}");
    }
}

#[test]
fn instances_that_copies_are_proven_by_are_shown_until_they_are_terminated_under_suspend_too() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let proving = |state, requested: i64| {
        let mut migration = AMIMigration::clone(&migration(1, MigrationState::Validating));
        let launch = LaunchStatus {
            state,
            timeout_seconds: 600,
            requested_at: Some(Time(at(requested))),
            ..LaunchStatus::default()
        };
        let validation = ValidationStatus {
            launch: Some(launch),
            ..ValidationStatus::default()
        };
        migration.status.as_mut().expect("a status").validation = Some(validation);
        Arc::new(migration)
    };
    let names = [
        "amiseal_validation_instances",
        "amiseal_validation_deadline_timestamp_seconds",
    ];
    let status = AMIEncryptionTargetStatus::default();
    for (migrations, expected) in [
        (vec![migration(1, MigrationState::Copying)], [Some(0.0), None]),
        (
            vec![proving(LaunchState::Checking, 50), proving(LaunchState::Ending, 20)],
            [Some(2.0), Some(620.0)],
        ),
        (vec![proving(LaunchState::Ended, 20)], [Some(0.0), None]),
    ] {
        metrics
            .targets
            .observe(&target("Enforce", true), &status, &migrations, None, None);
        assert_eq!(names.map(|name| shown(&metrics, name)), expected);
    }
    metrics.targets.forget(NAME);
    assert_eq!(names.map(|name| shown(&metrics, name)), [None; 2]);
}

#[test]
fn copies_that_amazon_inspector_has_not_scanned_are_counted_but_under_suspend() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let inspected = |state| {
        let mut migration = AMIMigration::clone(&migration(1, MigrationState::Validating));
        let validation = ValidationStatus {
            inspector: Some(InspectorStatus {
                state,
                ..InspectorStatus::default()
            }),
            ..ValidationStatus::default()
        };
        migration.status.as_mut().expect("a status").validation = Some(validation);
        Arc::new(migration)
    };
    let migrations = [
        migration(1, MigrationState::Copying),
        inspected(InspectorState::Waiting),
        inspected(InspectorState::TimedOut),
        inspected(InspectorState::Failed),
        inspected(InspectorState::Passed),
    ];
    let (name, status) = ("amiseal_validation_scans_awaited", AMIEncryptionTargetStatus::default());
    for (migrations, suspend, expected) in [
        (&migrations[..], false, Some(2.0)),
        (&migrations[..], true, None),
        (&migrations[..1], false, Some(0.0)),
    ] {
        metrics
            .targets
            .observe(&target("Enforce", suspend), &status, migrations, None, None);
        assert_eq!(shown(&metrics, name), expected, "{suspend}");
    }
    metrics.targets.forget(NAME);
    assert_eq!(shown(&metrics, name), None);
}

#[test]
fn an_approval_is_awaited_since_the_first_migration_needs_one_but_under_suspend() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let stalled = |status: conditions::Status, reason: &str, since: i64| {
        let mut migration = AMIMigration::clone(&migration(1, MigrationState::Promoting));
        let recorded = migration.status.as_mut().expect("a status");
        let mut write = conditions::Writer {
            conditions: &mut recorded.conditions,
            generation: None,
            now: at(since),
        };
        write.set(conditions::STALLED, status, reason, "");
        Arc::new(migration)
    };
    let needs = |since| stalled(conditions::Status::True, conditions::reason::APPROVAL_REQUIRED, since);
    let other = stalled(conditions::Status::True, conditions::reason::KEY_NOT_USABLE, 10);
    let none = stalled(conditions::Status::False, conditions::reason::NOT_STALLED, 20);
    let migrations = [other, none, needs(50), needs(40)];
    let name = "amiseal_approval_awaited_since_timestamp_seconds";
    let status = AMIEncryptionTargetStatus::default();
    for (migrations, suspend, expected) in [
        (&migrations[..2], false, None),
        (&migrations[..3], false, Some(50.0)),
        (&migrations[..], false, Some(40.0)),
        (&migrations[..], true, None),
        (&migrations[..], false, Some(40.0)),
    ] {
        metrics
            .targets
            .observe(&target("Enforce", suspend), &status, migrations, None, None);
        assert_eq!(shown(&metrics, name), expected, "{suspend}");
    }
    metrics.targets.forget(NAME);
    assert_eq!(shown(&metrics, name), None);
}

#[test]
fn a_migration_that_is_stalled_counts_as_that_and_not_as_the_state_that_it_is_in() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let said = |status: conditions::Status, reason: &str| {
        let mut migration = AMIMigration::clone(&migration(1, MigrationState::Pending));
        let recorded = migration.status.as_mut().expect("a status");
        let mut write = conditions::Writer {
            conditions: &mut recorded.conditions,
            generation: None,
            now: at(1),
        };
        write.set(conditions::STALLED, status, reason, "");
        Arc::new(migration)
    };
    let stalled = said(conditions::Status::True, conditions::reason::KEY_NOT_USABLE);
    let other = said(conditions::Status::False, conditions::reason::NOT_STALLED);
    let status = AMIEncryptionTargetStatus::default();
    let of_reason = "111122223333 p KeyNotUsable eu-west-1 1";
    for (migrations, of_states, of_reasons) in [
        (vec![stalled.clone()], ["Pending 0", "Stalled 1"], &[of_reason][..]),
        (vec![stalled, other.clone()], ["Pending 1", "Stalled 1"], &[of_reason]),
        (vec![other], ["Pending 1", "Stalled 0"], &[]),
    ] {
        metrics
            .targets
            .observe(&target("Enforce", false), &status, &migrations, None, None);
        let mut states = samples(&metrics, "amiseal_migrations");
        states.retain(|sample| sample.contains("Pending") || sample.contains("Stalled"));
        let of_states = of_states.map(|state| format!("111122223333 p eu-west-1 {state}"));
        assert_eq!(states, of_states);
        assert_eq!(samples(&metrics, "amiseal_migrations_stalled"), of_reasons);
    }
}

#[test]
fn nothing_is_said_of_a_key_while_it_is_unknown_whether_it_can_be_used() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let shown_with = |said: Option<conditions::Status>| {
        let mut status = AMIEncryptionTargetStatus::default();
        let mut write = conditions::Writer {
            conditions: &mut status.conditions,
            generation: None,
            now: at(0),
        };
        if let Some(said) = said {
            write.set(conditions::KEY_USABLE, said, conditions::reason::SUCCEEDED, "");
        }
        metrics
            .targets
            .observe(&target("Enforce", false), &status, &[], None, None);
        shown(&metrics, "amiseal_key_usable")
    };
    for (said, expected) in [
        (None, None),
        (Some(conditions::Status::True), Some(1.0)),
        (Some(conditions::Status::Unknown), None),
        (Some(conditions::Status::False), Some(0.0)),
    ] {
        assert_eq!(shown_with(said), expected, "{said:?}");
    }
}

#[test]
fn a_target_is_not_reachable_before_its_first_scan_nor_after_one_that_failed() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    for (status, expected) in [
        (AMIEncryptionTargetStatus::default(), 0.0),
        (reachable(conditions::Status::Unknown), 0.0),
        (reachable(conditions::Status::True), 1.0),
        (reachable(conditions::Status::False), 0.0),
    ] {
        metrics
            .targets
            .observe(&target("Audit", false), &status, &[], None, None);
        assert_eq!(shown(&metrics, "amiseal_target_reachable"), Some(expected));
    }
}

#[test]
fn findings_are_shown_by_check_and_severity_while_they_are_there() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let row = |check: &str, severity: &str, count, exempt| CheckCount {
        check: check.to_owned(),
        severity: severity.to_owned(),
        count,
        exempt,
    };
    let status = |checks| AMIEncryptionTargetStatus {
        findings: Some(FindingsStatus {
            checks,
            ..FindingsStatus::default()
        }),
        ..AMIEncryptionTargetStatus::default()
    };
    let rows = |name: &str| samples(&metrics, name);
    let observe = |status: &AMIEncryptionTargetStatus, suspend| {
        metrics
            .targets
            .observe(&target("Audit", suspend), status, &[], None, None);
    };
    let of_target = "111122223333";
    observe(
        &status(vec![
            row("public-image", "critical", 2, 0),
            row("old-image", "medium", 0, 3),
        ]),
        false,
    );
    assert_eq!(
        rows("amiseal_findings"),
        [format!("{of_target} public-image p eu-west-1 critical 2")]
    );
    assert_eq!(
        rows("amiseal_findings_exempt"),
        [format!("{of_target} old-image p eu-west-1 medium 3")]
    );
    assert_eq!(rows("amiseal_findings_known"), [format!("{of_target} p eu-west-1 1")]);
    // What is mended is not shown any more, and under suspend nothing is said of what was read.
    observe(&status(vec![row("old-image", "medium", 1, 0)]), true);
    assert_eq!(
        rows("amiseal_findings"),
        [format!("{of_target} old-image p eu-west-1 medium 1")]
    );
    assert_eq!(rows("amiseal_findings_known"), [""; 0]);
    metrics.targets.forget(NAME);
    assert_eq!(rows("amiseal_findings"), [""; 0]);
}

#[test]
fn guardrails_are_shown_where_amiseal_sets_them_and_drifts_count_from_zero() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let name = GuardrailName::ImageBlockPublicAccess;
    let status = |mode, holds| AMIEncryptionTargetStatus {
        guardrails: vec![GuardrailStatus {
            holds,
            ..GuardrailStatus::new(name, mode)
        }],
        ..AMIEncryptionTargetStatus::default()
    };
    let names = ["amiseal_guardrail_enforced", "amiseal_guardrail_drifts_total"];
    for (mode, holds, suspend, expected) in [
        (Mode::Enforce, None, false, [None, Some(0.0)]),
        (Mode::Enforce, Some(true), false, [Some(1.0), Some(0.0)]),
        (Mode::Enforce, Some(false), false, [Some(0.0), Some(0.0)]),
        (Mode::Enforce, Some(false), true, [None, None]),
        (Mode::Audit, Some(false), false, [None, None]),
    ] {
        metrics
            .targets
            .observe(&target("Enforce", suspend), &status(mode, holds), &[], None, None);
        assert_eq!(
            names.map(|name| shown(&metrics, name)),
            expected,
            "{mode:?} {holds:?} {suspend}"
        );
    }
    metrics.targets.observe(
        &target("Enforce", false),
        &status(Mode::Enforce, Some(false)),
        &[],
        None,
        None,
    );
    metrics.targets.guardrail_drifted(NAME, name);
    assert_eq!(names.map(|name| shown(&metrics, name)), [Some(0.0), Some(1.0)]);
    metrics.targets.forget(NAME);
    metrics.targets.guardrail_drifted(NAME, name);
    assert_eq!(names.map(|name| shown(&metrics, name)), [None, None]);
}

#[test]
fn failures_count_from_zero_and_only_where_the_target_is_shown() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let count = || shown(&metrics, "amiseal_copy_failures_total");
    metrics.targets.copy_failed(NAME);
    assert_eq!(count(), None);
    let status = reachable(conditions::Status::True);
    let observe = || {
        metrics
            .targets
            .observe(&target("Enforce", false), &status, &[], None, None)
    };
    observe();
    assert_eq!(count(), Some(0.0));
    metrics.targets.copy_failed(NAME);
    observe();
    assert_eq!(count(), Some(1.0));
    metrics.targets.forget(NAME);
    metrics.targets.copy_failed(NAME);
    assert_eq!(count(), None);
}

#[test]
fn looks_count_from_zero_where_the_policy_asks_for_them_and_are_not_shown_where_it_does_not() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let status = reachable(conditions::Status::True);
    let observe = |looks: bool, suspend: bool| {
        let mut target = target("Audit", suspend);
        target.spec.new_images = looks.then(|| serde_json::from_value(json!({})).expect("settings"));
        metrics.targets.observe(&target, &status, &[], None, None);
    };
    let counts = || -> Vec<String> {
        let samples = samples(&metrics, "amiseal_looks_total").into_iter();
        let of_target = |sample: String| sample.replace("111122223333 p eu-west-1 ", "");
        samples.map(of_target).collect()
    };
    metrics.targets.looked(NAME, LookResult::Failed);
    observe(false, false);
    assert_eq!(counts(), [""; 0]);
    observe(true, false);
    assert_eq!(counts(), ["found 0", "nothing 0", "failed 0"]);
    metrics.targets.looked(NAME, LookResult::Failed);
    metrics.targets.looked(NAME, LookResult::Found);
    observe(true, false);
    assert_eq!(counts(), ["found 1", "nothing 0", "failed 1"]);
    observe(true, true);
    assert_eq!(counts(), [""; 0]);
    observe(true, false);
    metrics.targets.forget(NAME);
    assert_eq!(counts(), [""; 0]);
}

#[test]
fn looks_that_fail_are_shown_where_the_policy_asks_for_looks_and_nothing_where_that_cannot_be_said() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let status = reachable(conditions::Status::True);
    let name = "amiseal_new_images_looked_for";
    for (looks, suspend, succeed, expected) in [
        (true, false, None, None),
        (true, false, Some(true), Some(1.0)),
        (true, false, Some(false), Some(0.0)),
        // Scans fail.
        (true, false, None, None),
        (true, false, Some(false), Some(0.0)),
        (true, true, Some(false), None),
        (true, false, Some(false), Some(0.0)),
        (false, false, Some(false), None),
        (true, false, Some(true), Some(1.0)),
    ] {
        let mut target = target("Audit", suspend);
        target.spec.new_images = looks.then(|| serde_json::from_value(json!({})).expect("settings"));
        metrics.targets.observe(&target, &status, &[], None, None);
        metrics.targets.looks_succeed(&target, succeed);
        assert_eq!(shown(&metrics, name), expected, "{looks} {suspend} {succeed:?}");
    }
    metrics.targets.forget(NAME);
    assert_eq!(shown(&metrics, name), None);
}

#[test]
fn accounts_that_leave_are_counted_from_zero_and_nothing_is_shown_where_none_come_from_aws_organizations() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let names = [
        "amiseal_accounts",
        "amiseal_accounts_leaving",
        "amiseal_accounts_left_total",
    ];
    let all = || names.map(|name| gathered(&registry, name));
    let of = |total, leaving| {
        Some(ShownAccounts {
            total,
            leaving,
            read: Some(at(60)),
        })
    };
    metrics.accounts("p", of(7, 0));
    assert_eq!(all(), [Some(7.0), Some(0.0), Some(0.0)]);
    metrics.accounts("p", of(7, 3));
    assert_eq!(all(), [Some(7.0), Some(3.0), Some(0.0)]);
    metrics.accounts_left("p", 3);
    metrics.accounts("p", of(4, 0));
    assert_eq!(all(), [Some(4.0), Some(0.0), Some(3.0)]);
    metrics.accounts("p", None);
    assert_eq!(all(), [None; 3]);
    metrics.accounts("p", of(4, 0));
    metrics.forget_accounts();
    assert_eq!(all(), [None; 3]);
}

#[test]
fn the_alerts_select_only_by_classes_and_reasons_that_there_are() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let status = AMIEncryptionTargetStatus {
        images: Some(ImageCounts::default()),
        ..AMIEncryptionTargetStatus::default()
    };
    metrics
        .targets
        .observe(&target("Audit", false), &status, &[], None, None);
    let images = samples(&metrics, "amiseal_images");
    assert_eq!(images.len(), ImageClass::ALL.len());
    let classes = images.iter().filter_map(|sample| sample.split(' ').nth(1));
    let errors = [ErrorClass::Transient.as_str(), "Kubernetes"];
    let known: Vec<&str> = classes
        .chain(errors)
        .chain(conditions::reason::ALL.iter().copied())
        .collect();

    let rules = include_str!("../../../charts/amiseal/files/alerts.yaml");
    let selected = Regex::new(r#"(?:class|reason)=~?"([^"]*)""#).expect("a pattern");
    let selected: Vec<&str> = selected
        .captures_iter(rules)
        .flat_map(|found| found.extract::<1>().1[0].split('|'))
        .collect();
    assert!(selected.len() > 10, "{selected:?}");
    for value in selected {
        assert!(known.contains(&value), "{value} is none of {known:?}");
    }
}
