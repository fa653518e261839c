//! The product at work: its three controllers, as its service account, on the simulator's clock.

use std::path::Path;
use std::sync::Arc;

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts, Shards};
use amiseal::telemetry::Metrics;
use anyhow::Result;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use ec2sim::Server;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use prometheus::Registry;
use rig::{ControlPlane, WriteCounts};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::clock::SimClock;
use crate::world;

const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";

/// What the controllers have written to the API server.
#[derive(Debug)]
pub(crate) struct Writes {
    /// All that was asked for.
    pub(crate) counts: WriteCounts,
    /// What the API server refused of that.
    pub(crate) refused: WriteCounts,
}

/// The running controllers.
pub(crate) struct Product {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl Product {
    /// Starts the controllers on `runtime`, as `amiseal run` does, but without a Lease: there is no other replica.
    pub(crate) async fn start(
        cluster: &ControlPlane,
        server: &Server,
        clock: &Arc<SimClock>,
        runtime: &Handle,
    ) -> Result<Self> {
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let (clock, endpoint) = (clock.clone(), server.endpoint());
        let (stop, stopped) = oneshot::channel();
        // All of it on that runtime: clients keep tasks of their own.
        let task = runtime.spawn(async move {
            let parts = Box::pin(parts(&kubeconfig, endpoint, &clock)).await?;
            let shutdown = async move {
                // Dropped or sent: both mean to stop.
                let _ = stopped.await;
            };
            Box::pin(controller::run(parts, shutdown)).await
        });
        Ok(Self { stop, task })
    }

    /// What the controllers have written to the API server so far, Leases left out.
    pub(crate) fn writes(&self, cluster: &ControlPlane) -> Result<Writes> {
        let user = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
        let events = cluster.audit_events()?;
        let ours = || events.iter().filter(|event| event.user == user);
        Ok(Writes {
            counts: WriteCounts::of(ours()).without_leases(),
            refused: WriteCounts::of(ours().filter(|event| event.code >= 400)).without_leases(),
        })
    }

    /// Stops the controllers once the steps that have begun are finished.
    pub(crate) async fn stop(self) -> Result<()> {
        // An error means that they have ended already; joining tells why.
        let _ = self.stop.send(());
        self.task.await?
    }
}

async fn parts(kubeconfig: &Path, endpoint: String, clock: &Arc<SimClock>) -> Result<Parts> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let client = ClientBuilder::try_from(config)?.with_layer(&clock.layer()).build();
    let clock: Arc<dyn Clock> = clock.clone();
    let registry = Registry::new();
    let mut options = AwsOptions::new(clock.clone(), Arc::new(|_| true), AwsMetrics::register(&registry)?);
    options.endpoint_url = Some(endpoint);
    let credentials = Credentials::new(world::ACCESS_KEY, "secret", None, None, "bench");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    Ok(Parts {
        client,
        aws: Box::pin(Aws::new(options)).await?,
        shards: Shards::alone(clock.clone()),
        clock,
        metrics: Metrics::register(&registry)?,
        options: Options::default(),
        instance: "bench".to_owned(),
        health: Arc::default(),
    })
}
