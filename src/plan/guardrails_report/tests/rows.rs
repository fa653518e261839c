//! What is known of each guardrail.

use serde_json::{Value, json};

use super::{ACCOUNT, OTHER, REGION, target};
use crate::api::AMIEncryptionTarget;
use crate::plan::guardrails_report::{Filter, Row, rows};

const ENFORCED: &str = "Enforce";

fn settings() -> Value {
    json!({"ebsEncryptionByDefault": ENFORCED, "imageBlockPublicAccess": ENFORCED, "snapshotBlockPublicAccess": "Audit",
           "allowedImages": {"mode": "Ignore"}})
}

/// A status with these entries, which the controller has written for the target as it is.
fn status(guardrails: &Value) -> Value {
    json!({"observedGeneration": 2, "guardrails": guardrails})
}

fn of(target: AMIEncryptionTarget) -> Vec<Row> {
    rows(&[target], &Filter::default())
}

/// Guardrail, mode, state, whether it holds, who manages it.
type Told<'a> = (&'a str, Option<&'a str>, &'a str, Option<bool>, Option<&'a str>);

fn told(row: &Row) -> Told<'_> {
    (row.guardrail, row.mode, &row.state, row.holds, row.managed_by)
}

#[test]
fn each_target_has_all_guardrails_and_what_was_not_read_is_unknown_and_never_off() {
    let nothing = |mode: Option<&'static str>| -> [Told<'static>; 4] {
        [
            ("EbsEncryptionByDefault", mode, "unknown", None, None),
            ("ImageBlockPublicAccess", mode, "unknown", None, Some("unknown")),
            ("SnapshotBlockPublicAccess", mode, "unknown", None, Some("unknown")),
            ("AllowedImages", mode, "unknown", None, Some("unknown")),
        ]
    };
    let all = |mode: &str| {
        json!({"ebsEncryptionByDefault": mode, "imageBlockPublicAccess": mode, "snapshotBlockPublicAccess": mode,
               "allowedImages": {"mode": mode}})
    };
    // A record that nobody keeps up to date any more.
    let left =
        status(&json!([{"name": "ImageBlockPublicAccess", "mode": "Audit", "state": "unblocked", "holds": false}]));
    for (guardrails, status, mode, note) in [
        (Value::Null, Value::Null, None, "the policy has no spec.guardrails"),
        (Value::Null, left.clone(), None, "the policy has no spec.guardrails"),
        (all("Ignore"), left, Some("Ignore"), "the policy says Ignore"),
        (all("Audit"), Value::Null, Some("Audit"), "not read yet"),
        (json!({}), status(&json!([])), Some("Audit"), "not read yet"),
    ] {
        let rows = of(target("production", ACCOUNT, &guardrails, &status));
        let found: Vec<Told<'_>> = rows.iter().map(told).collect();
        assert_eq!(found, nothing(mode), "{guardrails}");
        assert!(rows.iter().all(|row| row.notes[0].starts_with(note)), "{rows:#?}");
    }
}

#[test]
fn what_was_read_is_shown_as_aws_names_it() {
    let found = json!([
        {"name": "EbsEncryptionByDefault", "mode": ENFORCED, "state": "enabled", "holds": true, "drifts": 1,
         "keyARN": "arn:aws:kms:eu-west-1:111122223333:key/1"},
        {"name": "ImageBlockPublicAccess", "mode": ENFORCED, "state": "unblocked", "holds": false, "managedBy": "Account",
         "requestedAt": "2026-11-01T10:00:00Z", "drifts": 0, "message": "AWS is asked to set it."},
        {"name": "SnapshotBlockPublicAccess", "mode": "Audit", "holds": true, "managedBy": "DeclarativePolicy",
         "message": "Allow ec2:GetSnapshotBlockPublicAccessState."},
    ]);
    let rows = of(target("production", ACCOUNT, &settings(), &status(&found)));
    let told: Vec<Told<'_>> = rows.iter().map(told).collect();
    assert_eq!(
        told,
        [
            ("EbsEncryptionByDefault", Some(ENFORCED), "enabled", Some(true), None),
            (
                "ImageBlockPublicAccess",
                Some(ENFORCED),
                "unblocked",
                Some(false),
                Some("Account")
            ),
            // Without a state nothing else is believed either.
            (
                "SnapshotBlockPublicAccess",
                Some("Audit"),
                "unknown",
                None,
                Some("unknown")
            ),
            ("AllowedImages", Some("Ignore"), "unknown", None, Some("unknown")),
        ]
    );
    let notes: Vec<String> = rows.iter().map(|row| row.notes.join("; ")).collect();
    assert_eq!(
        notes,
        [
            "was undone once",
            "AWS is asked to set it",
            "Allow ec2:GetSnapshotBlockPublicAccessState",
            "the policy says Ignore, so it is not read",
        ]
    );
    assert_eq!(
        rows[0].key_arn.as_deref(),
        Some("arn:aws:kms:eu-west-1:111122223333:key/1")
    );
    assert!(rows[1].requested_at.is_some());
}

#[test]
fn what_a_policy_in_mode_audit_would_enforce_is_only_reported() {
    let mut audit = target("production", ACCOUNT, &settings(), &Value::Null);
    audit.spec.mode = crate::api::Mode::Audit;
    let rows = of(audit);
    let modes: Vec<Option<&str>> = rows.iter().map(|row| row.mode).collect();
    assert_eq!(modes, [Some("Audit"), Some("Audit"), Some("Audit"), Some("Ignore")]);
}

#[test]
fn a_reading_that_may_be_old_says_so() {
    let read = json!([{"name": "ImageBlockPublicAccess", "mode": ENFORCED, "state": "block-new-sharing", "holds": true,
                       "managedBy": "Account", "drifts": 3}]);
    let condition = json!({"type": "Reachable", "status": "False", "reason": "RoleNotAssumable", "message": "",
                           "lastTransitionTime": "2026-11-01T10:00:00Z"});
    let unreached = json!({"observedGeneration": 1, "guardrails": read, "conditions": [condition]});
    let mut suspended = target("production", ACCOUNT, &settings(), &status(&read));
    suspended.spec.suspend = true;
    for (target, expected) in [
        (
            target("production", ACCOUNT, &settings(), &unreached),
            "was undone 3 times; as last read: RoleNotAssumable; the controller has not seen the last change of the target yet",
        ),
        (suspended, "was undone 3 times; as last read: the policy is suspended"),
    ] {
        let rows = of(target);
        assert_eq!(rows[1].notes.join("; "), expected);
        // Of what was never read nothing is said to be old.
        assert_eq!(rows[0].notes, ["not read yet"]);
    }
}

#[test]
fn rows_are_by_account_region_and_policy_and_only_those_that_are_meant() {
    let targets = [
        target("staging", OTHER, &settings(), &Value::Null),
        target("production", OTHER, &settings(), &Value::Null),
        target("production", ACCOUNT, &settings(), &Value::Null),
    ];
    let places = |filter: &Filter| {
        let rows = rows(&targets, filter);
        let mut places: Vec<(String, String)> = rows.into_iter().map(|row| (row.account_id, row.policy)).collect();
        places.dedup();
        places
    };
    let place = |account: &str, policy: &str| (account.to_owned(), policy.to_owned());
    assert_eq!(
        places(&Filter::default()),
        [
            place(ACCOUNT, "production"),
            place(OTHER, "production"),
            place(OTHER, "staging")
        ]
    );
    let of_policy = Filter {
        policy: Some("staging".to_owned()),
        ..Filter::default()
    };
    assert_eq!(places(&of_policy), [place(OTHER, "staging")]);
    let of_place = Filter {
        account: Some(ACCOUNT.parse().expect("an account")),
        region: Some(REGION.parse().expect("a region")),
        ..Filter::default()
    };
    assert_eq!(places(&of_place), [place(ACCOUNT, "production")]);
    let elsewhere = Filter {
        region: Some("us-east-1".parse().expect("a region")),
        ..Filter::default()
    };
    assert!(places(&elsewhere).is_empty());
    // Where two policies have the same account and region, each row says whose it is.
    let rows = rows(&targets, &Filter::default());
    let shared: Vec<&str> = rows
        .iter()
        .filter(|row| row.account_id == OTHER)
        .map(|row| row.notes[0].as_str())
        .collect();
    assert_eq!(shared[..4], ["by the policy production"; 4]);
    assert_eq!(shared[4..], ["by the policy staging"; 4]);
    assert!(rows[0].notes[0].starts_with("not read yet"), "{:?}", rows[0]);
}
