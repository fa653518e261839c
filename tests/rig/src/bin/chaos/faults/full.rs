//! A full disk, as etcd shows it to its clients: its quota is used up, and it stores nothing until somebody makes room.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::{DeleteParams, ListParams, ObjectMeta, PostParams};
use tokio::time::Instant;

use super::Struck;
use crate::stage::Stage;

/// What etcd may store, in bytes.
pub(super) const QUOTA: u64 = 48 << 20;
/// What each object of the filling takes. No object may have more than 1 MiB.
const FILLING: usize = 1_000_000;
const LABEL: &str = "chaos.amiseal.dev/filling";
/// For how long etcd stays full.
const FULL: Duration = Duration::from_secs(20);
/// How the API server tells it.
const NO_SPACE: &str = "database space exceeded";

/// Fills etcd by ConfigMaps until it refuses them, leaves it so, and makes room as an operator does.
pub(super) async fn full(stage: &mut Stage) -> Result<Struck> {
    let left = stage.left();
    let maps: Api<ConfigMap> = Api::namespaced(stage.plane.admin_client().await?, "default");
    let count = fill(&maps).await?;
    stage.say(&format!(
        "etcd stores nothing any more, after {count} ConfigMaps of a megabyte"
    ));
    ensure!(
        stage.plane.etcd_is_full().await?,
        "etcd has refused an object and is not full"
    );
    tokio::time::sleep(FULL).await;
    ensure!(stage.plane.etcd_is_full().await?, "etcd has found space by itself");
    let refused = stage.refused_writes(|event| event.code >= 500)?;
    let filling = ListParams::default().labels(LABEL);
    maps.delete_collection(&DeleteParams::default(), &filling)
        .await
        .context("the filling cannot be deleted")?;
    stage.plane.make_room_in_etcd().await?;
    Ok(Struck::new(refused, "writes refused", left, Instant::now()))
}

/// Returns how many ConfigMaps it took.
async fn fill(maps: &Api<ConfigMap>) -> Result<usize> {
    let data = "x".repeat(FILLING);
    for number in 0..=(QUOTA as usize / FILLING) {
        let map = ConfigMap {
            metadata: ObjectMeta {
                name: Some(format!("filling-{number}")),
                labels: Some(BTreeMap::from([(LABEL.to_owned(), "yes".to_owned())])),
                ..ObjectMeta::default()
            },
            data: Some(BTreeMap::from([("filling".to_owned(), data.clone())])),
            ..ConfigMap::default()
        };
        match maps.create(&PostParams::default(), &map).await {
            Ok(_) => {}
            Err(error) if error.to_string().contains(NO_SPACE) => return Ok(number),
            Err(error) => return Err(error).context("etcd cannot be filled"),
        }
    }
    anyhow::bail!("etcd stores more than its quota of {QUOTA} bytes")
}
