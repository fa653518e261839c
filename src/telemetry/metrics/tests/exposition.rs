//! The text for Prometheus beside what the library writes.

use std::collections::BTreeSet;

use super::*;
use crate::api::UsageStatus;

#[test]
fn every_metric_that_is_shown_is_among_the_families_with_its_labels() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    show_one_of_each(&metrics);
    let families = metrics.families();
    let labels = |name: &str| {
        let mut labels = families.get(name).expect("a family").labels.clone();
        labels.sort();
        labels
    };
    for family in registry.gather() {
        for metric in family.get_metric() {
            let names: Vec<&str> = metric.get_label().iter().map(|label| label.name()).collect();
            assert_eq!(names, labels(family.name()), "{}", family.name());
        }
    }
    let text: String = metrics.pieces().collect();
    let label = Regex::new(r#"(\w+)="[^"]*""#).expect("a pattern");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_once('{').expect("labels");
        let names: Vec<&str> = label
            .captures_iter(rest)
            .map(|found| found.extract::<1>().1[0])
            .collect();
        assert_eq!(names, labels(name), "{line}");
    }
}

#[test]
fn the_registry_and_the_text_beside_it_have_no_metric_in_common_and_none_twice() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    show_one_of_each(&metrics);
    let text: String = metrics.pieces().collect();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: Vec<(&str, &str)> = types.filter_map(|line| line.split_once(' ')).collect();
    let families = metrics.families();
    let names: BTreeSet<&str> = types.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), types.len(), "{types:?}");
    for (name, kind) in types {
        assert_eq!(families[name].kind, kind, "{name}");
        assert!(
            text.contains(&format!("# HELP {name} {}\n", families[name].help)),
            "{name}"
        );
    }
    let gathered = registry.gather();
    assert!(!gathered.iter().any(|family| names.contains(family.name())));
    // All that is not in the registry is in the text.
    let in_registry = metrics.collectors();
    let in_registry: BTreeSet<&str> = in_registry
        .iter()
        .flat_map(|collector| collector.desc())
        .map(|desc| desc.fq_name.as_str())
        .collect();
    let missing: Vec<&String> = families
        .keys()
        .filter(|name| !in_registry.contains(name.as_str()))
        .collect();
    assert_eq!(missing, names.iter().collect::<Vec<_>>());
}

#[test]
fn what_is_shown_of_a_target_takes_little_memory() {
    assert!(size_of::<targets::Record>() <= 512, "{}", size_of::<targets::Record>());
}

#[test]
fn labels_are_escaped_whatever_a_status_says() {
    let registry = Registry::new();
    let metrics = Metrics::register(&registry).expect("metrics");
    let mut status = reachable(conditions::Status::True);
    let mut write = conditions::Writer {
        conditions: &mut status.conditions,
        generation: None,
        now: at(0),
    };
    write.set(conditions::STALLED, conditions::Status::True, "a\"b\\c\nd", "");
    metrics
        .targets
        .observe(&target("Audit", false), &status, &[], None, None);
    let text: String = metrics.pieces().collect();
    let line = r#"amiseal_target_stalled{account="111122223333",policy="p",reason="a\"b\\c\nd",region="eu-west-1"} 1"#;
    assert!(text.lines().any(|shown| shown == line), "{text}");
}

/// Every metric that is not in the registry.
fn show_one_of_each(metrics: &Metrics) {
    let stalled = |reason: &str| {
        let mut conditions = Vec::new();
        let mut write = conditions::Writer {
            conditions: &mut conditions,
            generation: None,
            now: at(0),
        };
        write.set(conditions::STALLED, conditions::Status::True, reason, "");
        write.set(
            conditions::KEY_USABLE,
            conditions::Status::True,
            conditions::reason::SUCCEEDED,
            "",
        );
        conditions
    };
    let mut waiting = AMIMigration::clone(&migration(1, MigrationState::Promoting));
    let recorded = waiting.status.as_mut().expect("a status");
    recorded.conditions = stalled(conditions::reason::APPROVAL_REQUIRED);
    recorded.validation = Some(ValidationStatus {
        launch: Some(LaunchStatus {
            state: LaunchState::Checking,
            timeout_seconds: 600,
            requested_at: Some(Time(at(1))),
            ..LaunchStatus::default()
        }),
        ..ValidationStatus::default()
    });
    let status = AMIEncryptionTargetStatus {
        images: Some(ImageCounts::default()),
        duplicate_gib: Some(1),
        usage: Some(UsageStatus::default()),
        findings: Some(FindingsStatus {
            checks: vec![CheckCount {
                check: "public-image".to_owned(),
                severity: "critical".to_owned(),
                count: 2,
                exempt: 1,
            }],
            ..FindingsStatus::default()
        }),
        guardrails: vec![GuardrailStatus {
            holds: Some(true),
            ..GuardrailStatus::new(GuardrailName::ImageBlockPublicAccess, Mode::Enforce)
        }],
        conditions: stalled(conditions::reason::KEY_NOT_USABLE),
        ..AMIEncryptionTargetStatus::default()
    };
    let mut target = target("Enforce", false);
    target.spec.new_images = Some(serde_json::from_value(json!({})).expect("settings"));
    metrics
        .targets
        .observe(&target, &status, &[Arc::new(waiting)], Some(at(5)), Some(1.5));
    metrics.targets.looks_succeed(&target, Some(true));
    let scope = Scope::parse("111122223333", "eu-west-1").expect("a scope");
    metrics.snapshots_in_flight(&scope, 3, 20);
}
