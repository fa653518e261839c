//! Deletion: preconditions, finalizers, owners, and what the garbage collector leaves.

use kube::api::PropagationPolicy::{Background, Foreground, Orphan};
use serde_json::{Value, json};

use crate::harness::{MIGRATION, POLICY, Run, api_version, merge, only_if, propagating, uid, version};
use crate::writing::{migration, migration_name, policy};

const OTHER: &str = "11111111-2222-3333-4444-555555555555";

fn owned(mut object: Value, owners: &[(&Value, bool)]) -> Value {
    let references: Vec<Value> = owners
        .iter()
        .map(|(owner, blocks)| {
            json!({
                "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
                "uid": owner["metadata"]["uid"], "blockOwnerDeletion": blocks,
            })
        })
        .collect();
    merge(&mut object, &json!({"metadata": {"ownerReferences": references}}));
    object
}

pub(crate) async fn deleting(run: &mut Run) {
    let name = migration_name(1);
    run.delete(MIGRATION, &name, &propagating(None)).await;
    let first = run.create(MIGRATION, migration(1)).await;
    run.delete(MIGRATION, &name, &only_if(Some(OTHER), None)).await;
    let second = run
        .merge((MIGRATION, &name, ""), json!({"metadata": {"labels": {"team": "a"}}}))
        .await;
    run.delete(MIGRATION, &name, &only_if(Some(&uid(&first)), Some(&version(&first))))
        .await;
    run.get(MIGRATION, &name).await;
    run.delete(MIGRATION, &name, &only_if(Some(&uid(&second)), Some(&version(&second))))
        .await;
    run.get(MIGRATION, &name).await;
    let again = run.create(MIGRATION, migration(1)).await;
    run.delete(MIGRATION, &name, &only_if(Some(&uid(&first)), None)).await;
    run.delete(MIGRATION, &name, &only_if(Some(&uid(&again)), None)).await;
    run.delete(MIGRATION, &name, &only_if(Some(&uid(&again)), None)).await;
}

pub(crate) async fn finalizers(run: &mut Run) {
    let name = migration_name(2);
    let at = (MIGRATION, name.as_str(), "");
    let mut held = migration(2);
    held["metadata"]["finalizers"] = json!(["example.com/one", "example.com/two"]);
    let made = run.create(MIGRATION, held.clone()).await;
    run.delete(MIGRATION, &name, &propagating(Some(Background))).await;
    run.delete(MIGRATION, &name, &propagating(Some(Background))).await;
    run.get(MIGRATION, &name).await;
    run.create(MIGRATION, held).await;
    run.merge(
        at,
        json!({"metadata": {"finalizers": ["example.com/one", "example.com/two", "example.com/new"]}}),
    )
    .await;
    run.merge(at, json!({"metadata": {"finalizers": ["example.com/two"]}}))
        .await;
    run.merge(
        at,
        json!({"metadata": {"labels": {"team": "a"}, "deletionTimestamp": null}}),
    )
    .await;
    run.merge(at, json!({"metadata": {"finalizers": null}})).await;
    run.get(MIGRATION, &name).await;
    run.watch(MIGRATION, &version(&made), 4).await;
}

pub(crate) async fn owners(run: &mut Run) {
    let first = run.create(POLICY, policy("first")).await;
    let second = run.create(POLICY, policy("second")).await;
    let child = run.create(MIGRATION, owned(migration(1), &[(&first, true)])).await;
    run.create(MIGRATION, owned(migration(2), &[(&first, true), (&second, false)]))
        .await;
    run.create(MIGRATION, owned(migration(3), &[(&second, true)])).await;
    run.create(MIGRATION, owned(migration(4), &[(&child, true)])).await;
    run.delete(POLICY, "first", &propagating(Some(Background))).await;
    run.collected(MIGRATION, &[&migration_name(2), &migration_name(3)])
        .await;
    let one_owner = |object: &kube::api::DynamicObject| {
        object
            .metadata
            .owner_references
            .as_ref()
            .is_some_and(|owners| owners.len() == 1)
    };
    run.settled(MIGRATION, &migration_name(2), one_owner).await;
    run.delete(POLICY, "second", &propagating(None)).await;
    run.collected(MIGRATION, &[]).await;
}

pub(crate) async fn successors(run: &mut Run) {
    let first = run.create(POLICY, policy("same")).await;
    run.create(MIGRATION, owned(migration(1), &[(&first, true)])).await;
    run.delete(POLICY, "same", &propagating(Some(Background))).await;
    let second = run.create(POLICY, policy("same")).await;
    run.create(MIGRATION, owned(migration(2), &[(&second, true)])).await;
    // Nobody there has ever had this UID.
    let stranger = json!({
        "apiVersion": api_version(POLICY), "kind": POLICY, "metadata": {"name": "same", "uid": OTHER},
    });
    run.create(MIGRATION, owned(migration(3), &[(&stranger, true)])).await;
    run.collected(MIGRATION, &[&migration_name(2)]).await;
}

pub(crate) async fn propagation(run: &mut Run) {
    let orphaned = run.create(POLICY, policy("orphaned")).await;
    run.create(MIGRATION, owned(migration(1), &[(&orphaned, true)])).await;
    run.seen_by_collector().await;
    run.delete(POLICY, "orphaned", &propagating(Some(Orphan))).await;
    run.collected(POLICY, &[]).await;
    let no_owner = |object: &kube::api::DynamicObject| object.metadata.owner_references.is_none();
    run.settled(MIGRATION, &migration_name(1), no_owner).await;

    let waiting = run.create(POLICY, policy("waiting")).await;
    let mut held = owned(migration(2), &[(&waiting, true)]);
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    run.create(MIGRATION, held).await;
    run.create(MIGRATION, owned(migration(3), &[(&waiting, true)])).await;
    run.seen_by_collector().await;
    run.delete(POLICY, "waiting", &propagating(Some(Foreground))).await;
    run.collected(MIGRATION, &[&migration_name(1), &migration_name(2)])
        .await;
    run.settled(MIGRATION, &migration_name(2), |object| {
        object.metadata.deletion_timestamp.is_some()
    })
    .await;
    run.get(POLICY, "waiting").await;
    run.merge(
        (MIGRATION, &migration_name(2), ""),
        json!({"metadata": {"finalizers": null}}),
    )
    .await;
    run.collected(POLICY, &[]).await;
    run.collected(MIGRATION, &[&migration_name(1)]).await;
}
