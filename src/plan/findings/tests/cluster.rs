//! What a report says of the statuses of a cluster.

use serde_json::{Value, json};

use super::super::report::Report;
use super::*;
use crate::api::{AMIEncryptionTarget, AMIMigration};

const IMAGE: &str = "ami-0000000000000000a";

fn target(policy: &str, spec: &Value, status: &Value) -> AMIEncryptionTarget {
    let mut object = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionTarget",
        "metadata": {"name": format!("{policy}.111122223333.eu-west-1")},
        "spec": {
            "policy": policy, "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
            "mode": "Enforce", "scanInterval": "15m", "otherKey": "Report", "copy": {}, "promotion": {},
        },
        "status": status,
    });
    for (field, value) in spec.as_object().expect("fields") {
        object["spec"][field] = value.clone();
    }
    serde_json::from_value(object).expect("a target")
}

fn finding(check: &str, severity: &str, resource: &str, exempt: bool) -> Value {
    let mut finding = json!({
        "id": format!("{check}/{resource}"), "check": check, "severity": severity, "resource": resource, "what": "It is so.",
    });
    if exempt {
        finding["exemptUntil"] = "2100-01-01".into();
    }
    finding
}

/// Two findings that are named, one of them exempt, and seven that are not.
fn status() -> Value {
    json!({
        "conditions": [],
        "images": {"total": 9, "unencrypted": 8},
        "usage": {
            "used": 5, "unused": 1, "unknown": 3,
            "consumers": [{"kind": "Instance", "count": 4}, {"kind": "Something", "count": 1}],
            "unread": [{"kind": "Recipe", "message": "allow it"}],
        },
        "findings": {
            "total": 8,
            "checks": [{"check": "unencrypted-image", "severity": "high", "count": 8, "exempt": 1}],
            "named": [
                finding("unencrypted-image", "high", IMAGE, false),
                finding("check-of-tomorrow", "low", IMAGE, false),
                finding("unencrypted-image", "high", "ami-0000000000000000b", true),
            ],
            "omitted": 7,
            "unread": [{"kind": "AllowedImages", "message": "allow that"}],
            "readTime": "2026-01-01T00:00:00Z",
        },
    })
}

fn migration(usage: &Value) -> AMIMigration {
    let object = json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIMigration",
        "metadata": {"name": format!("{IMAGE}.eu-west-1")},
        "spec": {
            "policy": "p", "accountID": "111122223333", "region": "eu-west-1", "sourceImageID": IMAGE,
            "keyARN": "arn:aws:kms:eu-west-1:111122223333:key/1",
        },
        "status": {"sourceName": "web-1", "usage": usage},
    });
    serde_json::from_value(object).expect("a migration")
}

fn report(targets: &[AMIEncryptionTarget], migrations: &[AMIMigration]) -> Report {
    of_cluster(targets, migrations, at(0))
}

fn problem(report: &Report) -> &str {
    report.scopes[0].problem.as_ref().map_or("", |problem| &problem.reason)
}

#[test]
fn it_lists_what_targets_name_counts_what_they_do_not_and_says_so() {
    let audited = target("p", &json!({"audit": {}}), &status());
    let told = report(&[audited], &[]);
    let lines: Vec<_> = told
        .findings
        .iter()
        .map(|found| (found.check, &*found.resource))
        .collect();
    assert_eq!(
        lines,
        [
            ("unencrypted-image", IMAGE),
            ("unencrypted-image", "ami-0000000000000000b")
        ]
    );
    assert_eq!(told.counts(), [(Check::UnencryptedImage, 8)]);
    assert_eq!(told.worst(false), Some(Severity::High));
    assert!(told.is_complete());
    let scope = &told.scopes[0];
    assert_eq!(scope.omitted, [("unencrypted-image", 7)].into());
    assert_eq!(scope.consumers, [("Instance", 4)].into());
    let counts = scope.images.expect("counts");
    assert_eq!(
        (counts.total, counts.unencrypted, counts.used, counts.unused),
        (9, 8, 5, 1)
    );
    let unknown: Vec<_> = scope
        .unknown
        .iter()
        .map(|unknown| (&*unknown.kind, &*unknown.message))
        .collect();
    assert_eq!(unknown[0], ("AllowedImages", "allow that"));
    assert!(unknown[1].1.starts_with("7 findings are not listed"), "{unknown:?}");
    assert!(
        unknown[2].1.starts_with("1 finding is of checks that this version"),
        "{unknown:?}"
    );
    assert_eq!(
        told.not_listed(),
        ["111122223333 eu-west-1: 7 findings are not listed, since a target names only the worst."]
    );
    let json = serde_json::to_value(&told).expect("JSON");
    assert_eq!(
        (&json["source"], &json["scopes"][0]["readTime"]),
        (&json!("cluster"), &json!("2026-01-01T00:00:00Z"))
    );
}

#[test]
fn where_nothing_was_looked_for_that_is_no_report_on_nothing() {
    let mut unseen = status();
    unseen["findings"] = Value::Null;
    assert_eq!(
        problem(&report(&[target("p", &json!({"audit": {}}), &unseen)], &[])),
        "NotYet"
    );
    let without = report(&[target("p", &json!({}), &status())], &[]);
    assert_eq!(problem(&without), "NoAudit");
    assert!(without.findings.is_empty() && !without.is_complete());
    assert_eq!(
        without.scopes[0].unknown[0].kind, "Recipe",
        "who uses images may be known all the same"
    );
    let mut silent = status();
    silent["conditions"] = json!([{
        "type": "Reachable", "status": "False", "reason": "RoleNotAssumable", "message": "It is so.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }]);
    let silent = report(&[target("p", &json!({"audit": {}}), &silent)], &[]);
    assert_eq!(
        (problem(&silent), silent.findings.len()),
        ("RoleNotAssumable", 2),
        "what was found stays"
    );
    assert!(!silent.is_complete());
    let suspended = report(&[target("p", &json!({"audit": {}, "suspend": true}), &status())], &[]);
    let last = suspended.scopes[0].unknown.last().expect("a note");
    assert!(last.message.starts_with("The policy p is suspended"), "{last:?}");
}

#[test]
fn of_two_policies_for_a_region_it_counts_which_has_looked_last() {
    let older = target("a", &json!({"audit": {}}), &status());
    let mut newer = status();
    newer["findings"]["readTime"] = "2026-01-02T00:00:00Z".into();
    newer["findings"]["named"] = json!([]);
    let newer = target("b", &json!({"audit": {}}), &newer);
    let without = target("c", &json!({}), &status());
    for targets in [[older.clone(), newer.clone(), without.clone()], [without, newer, older]] {
        let told = report(&targets, &[]);
        assert_eq!((told.scopes.len(), told.findings.len()), (1, 0));
        assert_eq!(told.scopes[0].read_time.as_deref(), Some("2026-01-02T00:00:00Z"));
    }
}

#[test]
fn images_are_those_that_the_cluster_holds_something_of() {
    let mut audited = status();
    audited["unencryptedImages"] = json!([{"id": "ami-0000000000000000c", "name": "web-3"}]);
    let target = target("p", &json!({"audit": {}, "otherKey": "Migrate"}), &audited);
    let usage = json!({
        "state": "Used",
        "consumers": [{"kind": "Instance", "accountID": "111122223333", "id": "i-1", "via": "lt-1 $Default"}],
        "omitted": 24,
        "lastLaunched": "2026-01-01T00:00:00Z",
    });
    let told = report(&[target], &[migration(&usage)]);
    let json = serde_json::to_value(&told.images).expect("JSON");
    assert_eq!(json[0]["id"], IMAGE);
    assert_eq!(json[0]["name"], "web-1");
    assert_eq!(json[0]["unencrypted"], true, "a finding says so");
    assert_eq!(json[0]["usage"], "used");
    assert_eq!(
        json[0]["consumers"],
        json!([{"kind": "Instance", "id": "i-1", "via": "lt-1 $Default"}])
    );
    assert_eq!(json[0]["consumersOmitted"], 24);
    assert_eq!(
        (&json[1]["name"], &json[1]["usage"]),
        (&json!("web-3"), &json!("unknown"))
    );
    assert_eq!(
        json[1]["doubts"][0],
        "It has no migration, and only those say who uses an image."
    );
}

#[test]
fn until_it_was_looked_by_the_settings_of_now_nothing_is_fixed() {
    let fixed = |observed: Value, generation: i64| {
        let mut status = status();
        status["findings"]["omitted"] = 0.into();
        status["findings"]["checks"] = json!([]);
        status["findings"]["named"] = json!([]);
        status["findings"]["observedGeneration"] = observed;
        let mut target = target("p", &json!({"audit": {"allowedSharing": []}}), &status);
        target.metadata.generation = Some(generation);
        let mut told = report(&[target], &[]);
        let earlier = json!({
            "generated": "2026-01-01T00:00:00Z",
            "findings": [{
                "id": "1", "check": "shared-outside", "severity": "high", "accountID": "111122223333", "region": "eu-west-1",
                "resource": IMAGE, "what": "It is shared.",
            }],
        });
        told.compare(Previous::parse(earlier.to_string().as_bytes()).expect("a report"));
        let since = told.since.expect("a comparison");
        let notes = told.scopes[0].unknown.iter();
        let is_said = notes.clone().any(|note| note.message.contains("have changed since"));
        (since.fixed, since.not_compared, is_said)
    };
    assert_eq!(fixed(2.into(), 2), (1, 0, false));
    assert_eq!(fixed(1.into(), 2), (0, 1, true));
    assert_eq!(fixed(Value::Null, 2), (0, 1, true), "as a former version has left it");
}
