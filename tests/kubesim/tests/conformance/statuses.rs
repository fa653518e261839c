//! Statuses, which are written apart from the rest.

use kube::api::PatchParams;
use serde_json::{Value, json};

use crate::harness::{MIGRATION, Run, uid, version};
use crate::writing::{migration, migration_name};

fn ours() -> PatchParams {
    PatchParams::apply("amiseal").force()
}

fn on(object: &Value, status: &Value) -> Value {
    json!({"metadata": {"uid": uid(object), "resourceVersion": version(object)}, "status": status})
}

fn condition(type_: &str, status: &str) -> Value {
    json!({
        "type": type_, "status": status, "reason": "Because", "message": "A sentence.",
        "lastTransitionTime": "2026-01-02T03:04:05Z", "observedGeneration": 1,
    })
}

pub(crate) async fn statuses(run: &mut Run) {
    let name = migration_name(1);
    let (main, status) = ((MIGRATION, name.as_str(), ""), (MIGRATION, name.as_str(), "status"));
    run.apply(status, ours(), json!({"status": {"state": "Pending"}})).await;
    run.merge(status, json!({"status": {"state": "Pending"}})).await;
    let made = run.create(MIGRATION, migration(1)).await;
    let pending = run
        .apply(
            status,
            ours(),
            on(&made, &json!({"state": "Pending", "observedGeneration": 1})),
        )
        .await;
    // Nothing changes, and so nothing is written.
    let same = run
        .apply(
            status,
            ours(),
            on(&pending, &json!({"state": "Pending", "observedGeneration": 1})),
        )
        .await;
    // Neither spec nor labels are written with it.
    let mut body = on(&same, &json!({"state": "Copying"}));
    body["metadata"]["labels"] = json!({"team": "a"});
    body["spec"] = json!({"policy": "other"});
    run.apply(status, ours(), body).await;
    let copy = json!({"attempt": 1, "clientToken": "token", "name": "encrypted-web"});
    run.apply(status, ours(), json!({"status": {"state": "Copying", "copy": copy}}))
        .await;
    run.merge(
        main,
        json!({"status": {"state": "Completed"}, "metadata": {"labels": {"team": "b"}}}),
    )
    .await;
    run.merge(
        status,
        json!({"status": {"state": "Completed"}, "metadata": {"labels": {"team": "c"}}}),
    )
    .await;
    run.apply(status, ours(), json!({"status": {"state": "Copying", "copy": copy}}))
        .await;
    run.apply(
        status,
        PatchParams::apply("other"),
        json!({"status": {"state": "Pending"}}),
    )
    .await;
    run.apply(status, ours(), json!({"status": {"state": "Pending"}})).await;
    run.apply(status, ours(), json!({"status": {"promotion": {}}})).await;
    run.apply(status, ours(), json!({"status": {}})).await;
    run.apply(status, ours(), json!({"status": {"unknown": 1}})).await;
    run.apply(status, ours(), json!({"status": {"state": "Unheard"}})).await;
    run.apply(status, ours(), json!({"status": {"copy": {"attempt": 1}}}))
        .await;
    run.apply(status, ours(), json!({"status": {"observedGeneration": "one"}}))
        .await;
    run.merge(status, json!({"status": null})).await;
    run.get(MIGRATION, &name).await;
}

/// A status that is replaced whole, by an object of which nothing else is sent.
pub(crate) async fn replaced(run: &mut Run) {
    let name = migration_name(4);
    let (main, status) = ((MIGRATION, name.as_str(), ""), (MIGRATION, name.as_str(), "status"));
    let whole = |of: &Value, status: &Value| {
        let mut object = on(of, status);
        object["apiVersion"] = json!(crate::harness::api_version(MIGRATION));
        object["kind"] = json!(MIGRATION);
        object["metadata"]["name"] = json!(name);
        object
    };
    let made = run.create(MIGRATION, migration(4)).await;
    let copy =
        json!({"attempt": 1, "clientToken": "token", "name": "encrypted-web", "imageID": "ami-0123456789abcdef0"});
    let written = run
        .replace(status, &whole(&made, &json!({"state": "Copying", "copy": copy})))
        .await;
    // Somebody else comes to own it all.
    let restored = run
        .apply(
            status,
            PatchParams::apply("backup").force(),
            json!({"status": {"state": "Copying", "copy": copy}}),
        )
        .await;
    // It goes all the same, and nothing is written when nothing differs.
    let mut lost = copy.clone();
    lost.as_object_mut().map(|copy| copy.remove("imageID"));
    let lost = json!({"state": "Pending", "copy": lost});
    let again = run.replace(status, &whole(&restored, &lost)).await;
    run.replace(status, &whole(&again, &lost)).await;
    // Nothing but the status is taken, and by no other version or object.
    let mut body = whole(&again, &json!({"state": "Completed"}));
    body["spec"] = json!({"policy": "other"});
    body["metadata"]["labels"] = json!({"team": "a"});
    run.replace(status, &body).await;
    run.replace(status, &whole(&written, &lost)).await;
    let current = run.get(MIGRATION, &name).await;
    let mut body = whole(&current, &lost);
    body["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    run.replace(status, &body).await;
    let mut body = whole(&current, &lost);
    body["metadata"]["resourceVersion"] = Value::Null;
    run.replace(status, &body).await;
    run.replace(status, &whole(&current, &json!({"state": "Unheard"})))
        .await;
    run.replace(status, &whole(&current, &json!({"copy": {"attempt": 1}})))
        .await;
    run.delete(MIGRATION, &name, &crate::harness::propagating(None)).await;
    run.replace(status, &whole(&current, &lost)).await;
    run.replace(main, &whole(&current, &lost)).await;
}

pub(crate) async fn locks(run: &mut Run) {
    let name = migration_name(2);
    let (main, status) = ((MIGRATION, name.as_str(), ""), (MIGRATION, name.as_str(), "status"));
    let made = run.create(MIGRATION, migration(2)).await;
    run.merge(main, json!({"metadata": {"annotations": {"amiseal.dev/retry": "1"}}}))
        .await;
    run.apply(status, ours(), on(&made, &json!({"state": "Pending"}))).await;
    let current = run.get(MIGRATION, &name).await;
    let mut body = on(&current, &json!({"state": "Pending"}));
    body["metadata"]["uid"] = json!("11111111-2222-3333-4444-555555555555");
    run.apply(status, ours(), body).await;
    // Deleted, and made again under the same name.
    run.delete(MIGRATION, &name, &crate::harness::propagating(None)).await;
    run.apply(status, ours(), on(&current, &json!({"state": "Copying"})))
        .await;
    let again = run.create(MIGRATION, migration(2)).await;
    run.apply(status, ours(), on(&current, &json!({"state": "Copying"})))
        .await;
    let mut body = on(&again, &json!({"state": "Copying"}));
    body["metadata"]["uid"] = json!(uid(&made));
    run.apply(status, ours(), body).await;
    run.get(MIGRATION, &name).await;
}

pub(crate) async fn conditions(run: &mut Run) {
    let name = migration_name(3);
    let at = (MIGRATION, name.as_str(), "status");
    run.create(MIGRATION, migration(3)).await;
    let status = |conditions: Vec<Value>| json!({"status": {"state": "Pending", "conditions": conditions}});
    run.apply(
        at,
        ours(),
        status(vec![condition("Ready", "False"), condition("Stalled", "True")]),
    )
    .await;
    run.apply(
        at,
        ours(),
        status(vec![condition("Stalled", "False"), condition("Ready", "True")]),
    )
    .await;
    run.apply(
        at,
        ours(),
        status(vec![condition("Copied", "True"), condition("Ready", "True")]),
    )
    .await;
    run.apply(
        at,
        PatchParams::apply("other"),
        json!({"status": {"conditions": [condition("Seen", "True")]}}),
    )
    .await;
    run.apply(at, ours(), status(vec![condition("Ready", "False")])).await;
    run.apply(at, ours(), status(vec![])).await;
    run.apply(at, ours(), json!({"status": {"state": "Pending"}})).await;
    let snapshot = |device: &str, copy: Option<&str>| {
        let mut snapshot = json!({"device": device, "source": "snap-1"});
        if let Some(copy) = copy {
            snapshot["copy"] = json!(copy);
        }
        snapshot
    };
    let snapshots = |list: Vec<Value>| json!({"status": {"snapshots": list}});
    run.apply(
        at,
        ours(),
        snapshots(vec![snapshot("/dev/xvda", None), snapshot("/dev/xvdb", None)]),
    )
    .await;
    run.apply(
        at,
        ours(),
        snapshots(vec![snapshot("/dev/xvda", Some("snap-2")), snapshot("/dev/xvdb", None)]),
    )
    .await;
    run.apply(
        at,
        ours(),
        snapshots(vec![snapshot("/dev/xvdb", None), snapshot("/dev/xvda", None)]),
    )
    .await;
    run.apply(at, ours(), status(vec![json!({"status": "True"})])).await;
    run.merge(
        at,
        json!({"status": {"conditions": [condition("Ready", "True"), condition("Ready", "True")]}}),
    )
    .await;
}
