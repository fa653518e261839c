//! Events and Leases.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use serde_json::{Value, json};

use crate::harness::{EVENT, LEASE, Run, api_version, merge, propagating, uid, version};

fn event(name: &str) -> Value {
    json!({
        "apiVersion": api_version(EVENT), "kind": EVENT, "metadata": {"name": name},
        "action": "Copy", "reason": "Copied", "type": "Normal", "note": "A sentence.",
        "eventTime": "2026-01-02T03:04:05.678000Z",
        "reportingController": "amiseal", "reportingInstance": "amiseal-0",
        "regarding": {"apiVersion": "amiseal.dev/v1alpha1", "kind": "AMIMigration", "name": "ami-1.eu-west-1"},
    })
}

pub(crate) async fn events(run: &mut Run) {
    run.create(EVENT, event("one")).await;
    run.create(EVENT, event("one")).await;
    let mut again = event("one");
    merge(
        &mut again,
        &json!({"series": {"count": 2, "lastObservedTime": "2026-01-02T03:05:05.000001Z"}}),
    );
    run.merge((EVENT, "one", ""), again.clone()).await;
    run.merge((EVENT, "one", ""), again.clone()).await;
    run.merge((EVENT, "absent", ""), again).await;
    run.get(EVENT, "one").await;
    run.list(EVENT, &ListParams::default()).await;
    run.delete(EVENT, "one", &propagating(None)).await;
    // The product writes them so: the second becomes part of a series.
    let reporter = Reporter {
        controller: "amiseal".to_owned(),
        instance: Some("amiseal-0".to_owned()),
    };
    let recorder = Recorder::new(run.client.clone(), reporter);
    let regarding = ObjectReference {
        api_version: Some("amiseal.dev/v1alpha1".to_owned()),
        kind: Some("AMIMigration".to_owned()),
        name: Some("ami-1.eu-west-1".to_owned()),
        ..ObjectReference::default()
    };
    let event = Event {
        type_: EventType::Warning,
        reason: "Stalled".to_owned(),
        note: Some("A sentence.".to_owned()),
        action: "Copy".to_owned(),
        secondary: None,
    };
    for _ in 0..2 {
        recorder.publish(&event, &regarding).await.expect("an Event");
    }
    let list = run.api(EVENT).list(&ListParams::default()).await.expect("a list").items;
    let [event] = list.as_slice() else {
        panic!("not one Event but {}", list.len())
    };
    assert_eq!(event.data["series"]["count"], 2);
}

fn lease(spec: &Value) -> Value {
    json!({"apiVersion": api_version(LEASE), "kind": LEASE, "metadata": {"name": "amiseal"}, "spec": spec})
}

fn part(spec: &Value) -> Value {
    json!({"apiVersion": api_version(LEASE), "kind": LEASE, "spec": spec})
}

pub(crate) async fn leases(run: &mut Run) {
    let at = (LEASE, "amiseal", "");
    run.get(LEASE, "amiseal").await;
    let nothing = json!({"apiVersion": api_version(LEASE), "kind": LEASE, "metadata": {"name": "amiseal"}});
    run.create(LEASE, nothing.clone()).await;
    run.create(LEASE, nothing).await;
    let one = || PatchParams::apply("amiseal-1");
    // As a lease manager does: taken by an apply, then renewed by strategic merges.
    let taken = json!({
        "acquireTime": "2026-01-02T03:04:05.100000Z", "renewTime": "2026-01-02T03:04:05.100000Z", "holderIdentity": "one",
        "leaseDurationSeconds": 15,
    });
    run.patch(at, one(), Patch::Apply(part(&taken))).await;
    run.patch(at, one(), Patch::Strategic(part(&json!({"leaseTransitions": 1}))))
        .await;
    let renewed = json!({"renewTime": "2026-01-02T03:04:10.123456Z", "leaseDurationSeconds": 15});
    run.patch(at, one(), Patch::Strategic(part(&renewed))).await;
    run.patch(at, one(), Patch::Strategic(part(&renewed))).await;
    let freed = json!({"acquireTime": null, "renewTime": null, "holderIdentity": null, "leaseDurationSeconds": null});
    run.patch(at, one(), Patch::Strategic(part(&freed))).await;
    run.patch(at, PatchParams::apply("amiseal-2"), Patch::Apply(part(&taken)))
        .await;
    run.list(LEASE, &ListParams::default()).await;
    run.delete(LEASE, "amiseal", &propagating(None)).await;
    run.patch(at, one(), Patch::Strategic(part(&json!({"leaseTransitions": 1}))))
        .await;
}

/// As replicas keep theirs: made and renewed whole, found by a label, given up, and deleted by whoever saw them last.
pub(crate) async fn shards(run: &mut Run) {
    let shard = |name: &str, kind: &str, holder: &str, at: &Value| {
        let mut shard = lease(&json!({
            "acquireTime": "2026-01-02T03:04:05.000000Z", "renewTime": "2026-01-02T03:04:05.123456Z",
            "holderIdentity": holder, "leaseDurationSeconds": 15, "leaseTransitions": 0,
        }));
        let metadata = json!({"metadata": {
            "name": name, "labels": {"amiseal.dev/lease": kind}, "annotations": {"amiseal.dev/shards": "16"},
        }});
        merge(&mut shard, &metadata);
        if !at.is_null() {
            merge(
                &mut shard,
                &json!({"metadata": {"resourceVersion": version(at), "uid": uid(at)}}),
            );
        }
        shard
    };
    let new = Value::Null;
    let one = run.create(LEASE, shard("amiseal-shard-1", "shard", "one", &new)).await;
    run.create(LEASE, shard("amiseal-shard-1", "shard", "two", &new)).await;
    let replica = run
        .create(LEASE, shard("amiseal-replica-one", "replica", "one", &new))
        .await;
    run.create(LEASE, lease(&json!({}))).await;
    for selector in [
        "amiseal.dev/lease",
        "amiseal.dev/lease=replica",
        "amiseal.dev/lease,amiseal.dev/lease==shard",
        "other",
    ] {
        run.list(LEASE, &ListParams::default().labels(selector)).await;
    }
    let at = (LEASE, "amiseal-shard-1", "");
    run.replace(at, &shard("amiseal-shard-1", "shard", "", &one)).await;
    run.replace(at, &shard("amiseal-shard-1", "shard", "two", &one)).await;
    let freed = run.get(LEASE, "amiseal-shard-1").await;
    run.replace(at, &shard("amiseal-shard-1", "shard", "two", &freed)).await;
    let as_seen = |object: &Value| DeleteParams {
        preconditions: Some(Preconditions {
            uid: None,
            resource_version: Some(version(object)),
        }),
        ..DeleteParams::default()
    };
    run.delete(LEASE, "amiseal-shard-1", &as_seen(&freed)).await;
    run.delete(LEASE, "amiseal-replica-one", &as_seen(&replica)).await;
    // Somebody has deleted it meanwhile.
    let replica_at = (LEASE, "amiseal-replica-one", "");
    run.replace(replica_at, &shard("amiseal-replica-one", "replica", "one", &replica))
        .await;
    run.list(LEASE, &ListParams::default().labels("amiseal.dev/lease"))
        .await;
}

pub(crate) async fn contested_leases(run: &mut Run) {
    let at = (LEASE, "amiseal", "");
    let taken = |by: &str| {
        part(&json!({
            "acquireTime": "2026-01-02T03:04:05.000000Z", "renewTime": "2026-01-02T03:04:05.000000Z",
            "holderIdentity": by, "leaseDurationSeconds": 15,
        }))
    };
    let made = run.create(LEASE, lease(&json!({}))).await;
    run.patch(at, PatchParams::apply("one"), Patch::Apply(taken("one")))
        .await;
    run.patch(at, PatchParams::apply("two"), Patch::Apply(taken("two")))
        .await;
    run.patch(at, PatchParams::apply("two").force(), Patch::Apply(taken("two")))
        .await;
    run.get(LEASE, "amiseal").await;
    // An update that is based on what was before.
    let mut stale = lease(&json!({"holderIdentity": "three"}));
    merge(
        &mut stale,
        &json!({"metadata": {"resourceVersion": version(&made), "uid": uid(&made)}}),
    );
    run.replace(at, &stale).await;
    run.replace(at, &lease(&json!({"holderIdentity": "three"}))).await;
    let current = run.get(LEASE, "amiseal").await;
    merge(&mut stale, &json!({"metadata": {"resourceVersion": version(&current)}}));
    run.replace(at, &stale).await;
    run.replace(at, &stale).await;
}
