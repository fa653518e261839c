//! Control planes that scenarios take turns on.
//!
//! One controller handles every policy of a cluster, so a scenario needs a cluster for itself. A control plane takes
//! seconds to start: scenarios share a few, each swept before it is used.

use std::time::{Duration, Instant};

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use rig::{ControlPlane, Options};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

/// As many scenarios run at a time, at most: they wait more than they work.
static LANES: [Lane; 4] = [const { Lane::new() }; 4];
/// How long it may take until Kubernetes has collected what a deleted policy owned.
const SWEPT: Duration = Duration::from_secs(300);

struct Lane {
    turn: Mutex<()>,
    plane: OnceCell<ControlPlane>,
}

impl Lane {
    const fn new() -> Self {
        Self {
            turn: Mutex::const_new(()),
            plane: OnceCell::const_new(),
        }
    }
}

/// A control plane with nothing of ours in it, for one scenario.
pub(crate) struct Turn {
    pub(crate) plane: &'static ControlPlane,
    _turn: MutexGuard<'static, ()>,
}

/// Waits for a free control plane, and sweeps it.
pub(crate) async fn turn() -> Turn {
    let (lane, turn) = loop {
        // The first lanes first: a test that runs alone starts only one.
        if let Some(free) = LANES.iter().find_map(|lane| Some((lane, lane.turn.try_lock().ok()?))) {
            break free;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let plane = lane
        .plane
        .get_or_try_init(|| ControlPlane::start(Options::of_project()))
        .await
        .unwrap_or_else(|error| panic!("cannot start a control plane: {error:#}"));
    sweep(plane).await;
    Turn { plane, _turn: turn }
}

/// Removes what an earlier scenario left. Kubernetes collects what the policies own.
async fn sweep(plane: &ControlPlane) {
    let client = plane.admin_client().await.expect("a client");
    let policies = Api::<AMIEncryptionPolicy>::all(client.clone());
    let (delete, all) = (DeleteParams::background(), ListParams::default());
    policies
        .delete_collection(&delete, &all)
        .await
        .expect("policies can be deleted");
    let leases = Api::<Lease>::namespaced(client.clone(), "amiseal-system");
    leases
        .delete_collection(&delete, &all)
        .await
        .expect("Leases can be deleted");
    let deadline = Instant::now() + SWEPT;
    loop {
        let targets = Api::<AMIEncryptionTarget>::all(client.clone())
            .list_metadata(&all)
            .await;
        let migrations = Api::<AMIMigration>::all(client.clone()).list_metadata(&all).await;
        let left = targets.expect("targets").items.len() + migrations.expect("migrations").items.len();
        if left == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "Kubernetes has not collected {left} children of deleted policies"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
