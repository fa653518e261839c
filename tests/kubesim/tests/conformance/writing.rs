//! Creating, changing and reading.

use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::{MIGRATION, POLICY, Run, api_version, merge, version};

pub(crate) const IMAGE: &str = "ami-0123456789abcdef0";

/// A migration's name.
pub(crate) fn migration_name(number: u32) -> String {
    format!("ami-{number:017x}.eu-west-1")
}

/// A migration.
pub(crate) fn migration(number: u32) -> Value {
    let name = migration_name(number);
    json!({
        "apiVersion": api_version(MIGRATION), "kind": MIGRATION,
        "metadata": {"name": name},
        "spec": {
            "policy": "production", "accountID": "111122223333", "region": "eu-west-1",
            "sourceImageID": name.trim_end_matches(".eu-west-1"),
            "keyARN": "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        },
    })
}

/// A policy of one account.
pub(crate) fn policy(name: &str) -> Value {
    json!({
        "apiVersion": api_version(POLICY), "kind": POLICY,
        "metadata": {"name": name},
        "spec": {"accounts": [{"accountID": "111122223333", "regions": [region("eu-west-1")]}]},
    })
}

/// A region of a policy.
pub(crate) fn region(name: &str) -> Value {
    json!({"name": name, "kmsKeyID": "alias/ami"})
}

fn with(mut object: Value, more: &Value) -> Value {
    merge(&mut object, more);
    object
}

pub(crate) async fn creating(run: &mut Run) {
    let stored = run.create(MIGRATION, migration(1)).await;
    run.create(MIGRATION, migration(1)).await;
    run.get(MIGRATION, &migration_name(1)).await;
    // A status is dropped: it is written apart.
    run.create(MIGRATION, with(migration(2), &json!({"status": {"state": "Pending"}})))
        .await;
    // What the server gives, nobody else does.
    let claimed = json!({"metadata": {
        "uid": "11111111-2222-3333-4444-555555555555", "creationTimestamp": "2020-01-01T00:00:00Z", "generation": 7,
        "deletionTimestamp": "2020-01-01T00:00:00Z",
    }});
    run.create(MIGRATION, with(migration(3), &claimed)).await;
    let based = json!({"metadata": {"resourceVersion": version(&stored)}});
    run.create(MIGRATION, with(migration(4), &based)).await;
    run.create(MIGRATION, with(migration(5), &json!({"metadata": {"name": ""}})))
        .await;
    run.create(MIGRATION, with(migration(6), &json!({"kind": POLICY})))
        .await;
    run.create(MIGRATION, with(migration(7), &json!({"spec": {"region": 1}})))
        .await;
    let full = json!({"metadata": {
        "labels": {"amiseal.dev/policy": "production"}, "annotations": {"note": "yes"},
        "finalizers": ["example.com/hold"],
        "ownerReferences": [{
            "apiVersion": api_version(POLICY), "kind": POLICY, "name": "production", "controller": true,
            "blockOwnerDeletion": true, "uid": "11111111-2222-3333-4444-555555555555",
        }],
    }});
    run.create(MIGRATION, with(migration(8), &full)).await;
}

pub(crate) async fn defaults(run: &mut Run) {
    run.create(POLICY, policy("defaults")).await;
    let odd = json!({
        "unknown": 1,
        "metadata": {"unknown": {"deep": true}},
        "spec": {"suspend": null, "unknown": ["x"], "copy": {"maxAttempts": 5, "unknown": 1}, "externalID": null},
    });
    run.create(POLICY, with(policy("odd"), &odd)).await;
    let nested = json!({"spec": {
        "accounts": [{"accountID": "111122223333", "unknown": true, "regions": [with(region("eu-west-1"), &json!({"x": 1}))]}],
        "imageSelector": {"include": [{"names": ["web-*"], "tags": {"team": "*"}, "unknown": 1}]},
    }});
    run.create(POLICY, with(policy("nested"), &nested)).await;
    run.merge((POLICY, "nested", ""), json!({"spec": {"unknown": 1}})).await;
    run.merge((POLICY, "nested", ""), json!({"spec": {"copy": null}})).await;
    run.merge((POLICY, "nested", ""), json!({"spec": {"copy": {"maxAttempts": null}}}))
        .await;
}

pub(crate) async fn merging(run: &mut Run) {
    let policy = run.create(POLICY, policy("merging")).await;
    let at = (POLICY, "merging", "");
    run.merge(at, json!({"spec": {"mode": "Enforce"}})).await;
    // Nothing changes, and so nothing is written.
    run.merge(at, json!({"spec": {"mode": "Enforce"}})).await;
    run.merge(
        at,
        json!({"metadata": {"annotations": {"note": "one"}, "labels": {"team": "a"}}}),
    )
    .await;
    run.merge(at, json!({"metadata": {"annotations": {"note": null, "other": "two"}}}))
        .await;
    run.merge(
        at,
        json!({"spec": {"suspend": true}, "metadata": {"annotations": null}}),
    )
    .await;
    // A status is not written with the rest.
    run.merge(at, json!({"status": {"observedGeneration": 1}})).await;
    run.merge(
        at,
        json!({"metadata": {"resourceVersion": version(&policy)}, "spec": {"suspend": false}}),
    )
    .await;
    run.merge(at, json!({"metadata": {"uid": "11111111-2222-3333-4444-555555555555"}}))
        .await;
    run.merge(at, json!({"metadata": {"name": "other"}})).await;
    run.merge(at, json!({"metadata": {"generation": 40, "creationTimestamp": null}}))
        .await;
    run.merge(at, json!({"spec": {"mode": "Sometimes"}})).await;
    run.merge((POLICY, "absent", ""), json!({"spec": {"mode": "Enforce"}}))
        .await;
    run.get(POLICY, "merging").await;
}

pub(crate) async fn replacing(run: &mut Run) {
    let first = run.create(POLICY, policy("replacing")).await;
    let at = (POLICY, "replacing", "");
    let second = run
        .replace(at, &with(first.clone(), &json!({"spec": {"mode": "Enforce"}})))
        .await;
    run.replace(at, &with(first.clone(), &json!({"spec": {"suspend": true}})))
        .await;
    run.replace(at, &second).await;
    run.replace(at, &policy("replacing")).await;
    let other = json!({"metadata": {"uid": "11111111-2222-3333-4444-555555555555"}});
    run.replace(at, &with(second.clone(), &other)).await;
    run.replace(
        (POLICY, "absent", ""),
        &with(second.clone(), &json!({"metadata": {"name": "absent"}})),
    )
    .await;
    run.replace((POLICY, "absent", ""), &second).await;
    // Labels are nobody's spec.
    let third = run
        .replace(at, &with(second, &json!({"metadata": {"labels": {"team": "a"}}})))
        .await;
    run.replace(
        (POLICY, "replacing", "status"),
        &with(
            third,
            &json!({
                "spec": {"suspend": true}, "metadata": {"labels": {"team": "b"}}, "status": {"observedGeneration": 2},
            }),
        ),
    )
    .await;
}

pub(crate) async fn reading(run: &mut Run) {
    run.get(MIGRATION, &migration_name(9)).await;
    run.list(MIGRATION, &ListParams::default()).await;
    for number in [3, 1, 5, 2, 4] {
        run.create(MIGRATION, migration(number)).await;
    }
    run.list(MIGRATION, &ListParams::default()).await;
    run.list(MIGRATION, &ListParams::default().match_any()).await;
    run.list(MIGRATION, &ListParams::default().limit(500)).await;
    let mut page = run.list(MIGRATION, &ListParams::default().limit(2)).await;
    // What is deleted meanwhile is still in the pages that follow.
    run.delete(MIGRATION, &migration_name(4), &crate::harness::propagating(None))
        .await;
    while let Some(token) = page["continue"].as_str() {
        page = run
            .list(MIGRATION, &ListParams::default().limit(2).continue_token(token))
            .await;
    }
    run.list(MIGRATION, &ListParams::default()).await;
}
