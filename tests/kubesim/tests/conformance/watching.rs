//! Watches: what they begin with, what they show, and what they refuse.

use kube::api::{ListParams, PatchParams};
use serde_json::json;

use crate::harness::{MIGRATION, POLICY, Run, propagating, version};
use crate::writing::{migration, migration_name, policy};

pub(crate) async fn watching(run: &mut Run) {
    let begun = run.list(MIGRATION, &ListParams::default()).await;
    let begun = begun["resourceVersion"].as_str().expect("a version").to_owned();
    let name = migration_name(1);
    let ours = || PatchParams::apply("amiseal").force();
    run.create(MIGRATION, migration(1)).await;
    let status = (MIGRATION, name.as_str(), "status");
    let pending = run.apply(status, ours(), json!({"status": {"state": "Pending"}})).await;
    run.apply(status, ours(), json!({"status": {"state": "Pending"}})).await;
    run.create(POLICY, policy("another-kind")).await;
    run.merge((MIGRATION, &name, ""), json!({"metadata": {"labels": {"team": "a"}}}))
        .await;
    run.create(MIGRATION, migration(2)).await;
    run.delete(MIGRATION, &name, &propagating(None)).await;
    run.create(MIGRATION, migration(1)).await;
    run.watch(MIGRATION, &begun, 6).await;
    run.watch(MIGRATION, &version(&pending), 4).await;
}

pub(crate) async fn beginnings(run: &mut Run) {
    for number in [2, 1, 3] {
        run.create(MIGRATION, migration(number)).await;
    }
    run.merge(
        (MIGRATION, &migration_name(1), ""),
        json!({"metadata": {"labels": {"team": "a"}}}),
    )
    .await;
    run.delete(MIGRATION, &migration_name(3), &propagating(None)).await;
    run.watch(MIGRATION, "0", 2).await;
    run.watch(MIGRATION, "", 2).await;
}

pub(crate) async fn expiry(run: &mut Run) {
    run.create(MIGRATION, migration(1)).await;
    run.forget();
    run.watch(MIGRATION, "1", 1).await;
    run.watch(MIGRATION, "never", 1).await;
}
