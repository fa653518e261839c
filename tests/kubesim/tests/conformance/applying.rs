//! Server-side apply.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::harness::{MIGRATION, POLICY, Run, TARGET, api_version, uid, version};
use crate::writing::{IMAGE, migration_name, region};

fn ours() -> PatchParams {
    PatchParams::apply("amiseal").force()
}

fn as_(manager: &str) -> PatchParams {
    PatchParams::apply(manager)
}

fn accounts(accounts: &[(&str, &[&str])]) -> Value {
    let accounts = accounts.iter().map(|(account, regions)| {
        json!({"accountID": account, "regions": regions.iter().map(|r| region(r)).collect::<Vec<_>>()})
    });
    json!({"spec": {"accounts": accounts.collect::<Vec<_>>()}})
}

fn target_spec(attempts: u32) -> Value {
    json!({"spec": {
        "policy": "production", "accountID": "111122223333", "region": "eu-west-1", "kmsKeyID": "alias/ami",
        "mode": "Audit", "otherKey": "Report", "scanInterval": "15m", "suspend": false,
        "copy": {"maxAttempts": attempts, "maxConcurrentSnapshots": 20, "namePattern": "encrypted-{sourceID}-{name}"},
        "promotion": {"launchPermissions": "Preserve", "tags": "Withhold"},
    }})
}

pub(crate) async fn applying(run: &mut Run) {
    let name = "production.111122223333.eu-west-1";
    let at = (TARGET, name, "");
    let policy = run.create(POLICY, crate::writing::policy("production")).await;
    let mut body = target_spec(3);
    body["metadata"] = json!({
        "labels": {"amiseal.dev/policy": "production", "amiseal.dev/region": "eu-west-1"},
        "ownerReferences": [{
            "apiVersion": api_version(POLICY), "kind": POLICY, "name": "production", "uid": uid(&policy), "controller": true,
        }],
    });
    run.apply(at, ours(), body.clone()).await;
    run.apply(at, ours(), body.clone()).await;
    body["spec"]["copy"]["maxAttempts"] = json!(4);
    run.apply(at, ours(), body.clone()).await;
    // What is applied no more is removed, and its default comes back.
    body["spec"]["copy"] = json!({"extraTags": {"team": "a", "cost": "b"}});
    body["metadata"]["labels"] = json!({"amiseal.dev/policy": "production"});
    run.apply(at, ours(), body.clone()).await;
    body["spec"]["copy"] = json!({"extraTags": {"team": "a"}});
    run.apply(at, ours(), body.clone()).await;
    body["spec"].as_object_mut().expect("a spec").remove("copy");
    body["metadata"].as_object_mut().expect("metadata").remove("labels");
    run.apply(at, ours(), body.clone()).await;
    // A status is not applied with the rest.
    body["status"] = json!({"observedGeneration": 1});
    run.apply(at, ours(), body.clone()).await;
    run.get(TARGET, name).await;
    // Others have their own fields beside ours.
    run.merge(
        at,
        json!({"metadata": {"annotations": {"note": "theirs"}, "labels": {"team": "b"}}}),
    )
    .await;
    run.apply(at, ours(), body.clone()).await;
    body["metadata"]["labels"] = json!({"team": "c"});
    run.apply(at, ours(), body.clone()).await;
    run.apply(at, as_("someone"), json!({"metadata": {"labels": {"team": "c"}}}))
        .await;
    body["metadata"].as_object_mut().expect("metadata").remove("labels");
    run.apply(at, ours(), body).await;
    run.apply(at, as_("someone"), json!({})).await;
}

pub(crate) async fn locks(run: &mut Run) {
    let at = (POLICY, "locks", "");
    let spec = accounts(&[("111122223333", &["eu-west-1"])]);
    let with = |metadata: Value, mode: &str| {
        let mut body = spec.clone();
        body["metadata"] = metadata;
        body["spec"]["mode"] = json!(mode);
        body
    };
    // Nobody there: a UID is refused.
    run.apply(
        at,
        ours(),
        with(json!({"uid": "11111111-2222-3333-4444-555555555555"}), "Audit"),
    )
    .await;
    let first = run.apply(at, ours(), with(json!({}), "Audit")).await;
    let fresh = json!({"uid": uid(&first), "resourceVersion": version(&first)});
    let second = run.apply(at, ours(), with(fresh.clone(), "Enforce")).await;
    run.apply(at, ours(), with(fresh.clone(), "Audit")).await;
    run.apply(at, ours(), with(fresh, "Enforce")).await;
    run.apply(at, ours(), with(json!({"uid": uid(&second)}), "Audit")).await;
    run.apply(
        at,
        ours(),
        with(json!({"uid": "11111111-2222-3333-4444-555555555555"}), "Enforce"),
    )
    .await;
    let current = run.get(POLICY, "locks").await;
    // Nothing changes.
    run.apply(at, ours(), with(json!({"resourceVersion": version(&current)}), "Audit"))
        .await;
    run.apply(at, ours(), with(json!({}), "Audit")).await;
}

pub(crate) async fn conflicts(run: &mut Run) {
    let at = (POLICY, "conflicts", "");
    let spec = accounts(&[("111122223333", &["eu-west-1"])]);
    run.apply(at, as_("gitops"), spec.clone()).await;
    run.apply(
        at,
        as_("gitops"),
        json!({"spec": {"mode": "Audit", "accounts": spec["spec"]["accounts"]}}),
    )
    .await;
    run.apply(at, as_("other"), json!({"spec": {"mode": "Enforce"}})).await;
    run.apply(at, as_("other"), json!({"spec": {"mode": "Audit"}})).await;
    run.apply(at, as_("other"), json!({"spec": {"mode": "Enforce", "suspend": true}}))
        .await;
    run.apply(
        at,
        as_("other").force(),
        json!({"spec": {"mode": "Enforce", "suspend": true}}),
    )
    .await;
    run.apply(
        at,
        as_("gitops"),
        json!({"spec": {"mode": "Audit", "accounts": spec["spec"]["accounts"]}}),
    )
    .await;
    run.apply(at, as_("gitops"), spec.clone()).await;
    run.merge(at, json!({"spec": {"suspend": false, "mode": "Audit"}}))
        .await;
    run.apply(at, as_("other"), json!({"spec": {"mode": "Enforce", "suspend": true}}))
        .await;
    run.apply(at, as_("other"), json!({})).await;
    run.apply(
        at,
        as_("third"),
        json!({"spec": {"accounts": [
            {"accountID": "111122223333", "regions": [{"name": "eu-west-1", "kmsKeyID": "alias/other"}]},
        ]}}),
    )
    .await;
}

pub(crate) async fn lists(run: &mut Run) {
    let at = (POLICY, "lists", "");
    run.apply(
        at,
        as_("one"),
        accounts(&[
            ("111122223333", &["eu-west-1", "us-east-1"]),
            ("222233334444", &["eu-west-1"]),
        ]),
    )
    .await;
    run.apply(
        at,
        as_("two"),
        accounts(&[("333344445555", &["eu-west-2"]), ("111122223333", &["eu-west-3"])]),
    )
    .await;
    // Items are told apart by their keys, and keep the order of who applies.
    run.apply(
        at,
        as_("one"),
        accounts(&[("222233334444", &["eu-west-1"]), ("111122223333", &["us-east-1"])]),
    )
    .await;
    run.apply(
        at,
        as_("one"),
        accounts(&[
            ("444455556666", &["eu-west-1"]),
            ("111122223333", &["eu-west-1", "us-east-1"]),
        ]),
    )
    .await;
    run.apply(at, as_("two"), accounts(&[("333344445555", &["eu-west-2"])]))
        .await;
    run.apply(at, as_("two"), json!({})).await;
    let selector = |terms: Value| {
        let mut body = accounts(&[("111122223333", &["eu-west-1"])]);
        body["spec"]["imageSelector"] = terms;
        body["spec"]["copy"] = json!({"extraTags": {"a": "1", "b": "2"}});
        body
    };
    run.apply(
        at,
        as_("one"),
        selector(json!({"include": [{"names": ["a*", "b*"]}, {"ids": [IMAGE]}]})),
    )
    .await;
    run.apply(
        at,
        as_("one"),
        selector(json!({"include": [{"names": ["b*"], "tags": {"x": "y"}}], "exclude": []})),
    )
    .await;
    run.apply(at, as_("one"), selector(json!({}))).await;
    run.apply(
        at,
        as_("two").force(),
        json!({"spec": {"copy": {"extraTags": {"b": "3", "c": "4"}}}}),
    )
    .await;
    run.apply(at, as_("one"), accounts(&[("111122223333", &["eu-west-1"])]))
        .await;
    run.apply(at, as_("two"), json!({"spec": {"copy": {"extraTags": {}}}}))
        .await;
    run.apply(
        at,
        as_("two"),
        json!({"metadata": {"finalizers": ["example.com/two"], "labels": {"l": "two"}}}),
    )
    .await;
    run.apply(
        at,
        as_("three"),
        json!({"metadata": {"finalizers": ["example.com/three"]}}),
    )
    .await;
    run.apply(at, as_("two"), json!({})).await;
}

pub(crate) async fn refusals(run: &mut Run) {
    let at = (POLICY, "refusals", "");
    let spec = accounts(&[("111122223333", &["eu-west-1"])]);
    run.apply(at, PatchParams::default(), spec.clone()).await;
    run.apply(at, ours(), json!({"kind": TARGET})).await;
    run.apply(at, ours(), json!({"apiVersion": "amiseal.dev/v1"})).await;
    run.apply(at, ours(), json!({"metadata": {"name": "other"}, "spec": spec["spec"]}))
        .await;
    run.apply(at, ours(), json!({"spec": {"unknown": 1}})).await;
    run.apply(
        at,
        ours(),
        json!({"spec": {"accounts": [{"accountID": "111122223333"}, {"accountID": "111122223333"}]}}),
    )
    .await;
    run.apply(at, ours(), json!({})).await;
    let keyless = json!([{"accountID": "111122223333", "regions": [{"name": "eu-west-1"}]}]);
    run.apply(at, ours(), json!({"spec": {"accounts": keyless}})).await;
    run.apply(
        at,
        ours(),
        json!({"metadata": {"managedFields": []}, "spec": spec["spec"]}),
    )
    .await;
    let nameless = json!({"apiVersion": api_version(POLICY), "kind": POLICY, "spec": spec["spec"]});
    run.patch(at, ours(), Patch::Apply(nameless)).await;
    run.apply(
        (MIGRATION, &migration_name(1), "status"),
        ours(),
        json!({"status": {"state": "Pending"}}),
    )
    .await;
    run.patch(at, PatchParams::default(), Patch::Strategic(spec)).await;
}
