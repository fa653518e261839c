//! The product: its own controllers, whole, as one process of a history.

use std::sync::Arc;
use std::time::Duration;

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts, ShardOptions, Shards, Watching};
use amiseal::domain::Scope;
use amiseal::telemetry::Metrics;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use prometheus::Registry;

use super::hearing;
use super::stage::Stage;
use super::time::Virtual;
use super::{wire, world};

/// So few and so long that what is asked of the API server is mostly about images.
pub(crate) const SHARDS: u16 = 2;
pub(crate) const LEASE: Duration = Duration::from_secs(1800);
/// Likewise so long that few watches begin: longer than what is refused for a while.
const WATCHING: Watching = Watching {
    lasts: 290,
    silent_after: Duration::from_secs(600),
};

/// Where a process stands among others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replica {
    /// The namespace of its Leases: those of another namespace know nothing of it.
    pub(crate) namespace: &'static str,
    /// Its name, which a process that is started again in its Pod has again.
    pub(crate) identity: &'static str,
}

/// The replica that is always there.
pub(crate) const FIRST: Replica = Replica {
    namespace: "amiseal-system",
    identity: "amiseal-0",
};
/// Another one beside it.
pub(crate) const SECOND: Replica = Replica {
    namespace: "amiseal-system",
    identity: "amiseal-1",
};
/// One that knows nothing of the others, as when somebody installs amiseal twice.
pub(crate) const STRANGER: Replica = Replica {
    namespace: "elsewhere",
    identity: "amiseal-0",
};

/// The controllers until they are dropped. `clock` is the machine's: its time of day may be set at any time.
pub(crate) async fn run(stage: &Stage, process: u64, replica: &Replica, clock: &Virtual) -> anyhow::Result<()> {
    let registry = Registry::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.of_process());
    let client = stage.api.client(&process.to_string());
    let shards = ShardOptions {
        namespace: replica.namespace.to_owned(),
        identity: replica.identity.to_owned(),
        duration: LEASE,
        shards: SHARDS,
    };
    let shards = Shards::new(client.clone(), shards, shared.clone());
    let gate = shards.clone();
    let gate = Arc::new(move |scope: &Scope| gate.holds(scope));
    let mut options = AwsOptions::new(shared.clone(), gate, AwsMetrics::register(&registry)?);
    options.http_client = Some(wire::client(stage, process));
    options.time_source = Some(SharedTimeSource::new(SdkTime(clock.clone())));
    options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    let credentials = Credentials::new(world::ACCESS_KEY, "secret", None, None, "simulation");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    let parts = Parts {
        client,
        aws: Box::pin(Aws::new(options)).await?,
        clock: shared,
        shards: shards.clone(),
        metrics: Metrics::register(&registry)?,
        options: Options {
            watching: WATCHING,
            event_queue: hearing::queue(&stage.before),
            ..Options::default()
        },
        instance: format!("process-{process}"),
        health: Arc::default(),
    };
    tokio::select! {
        ended = Box::pin(controller::run(parts, std::future::pending())) => ended,
        () = shards.keep(std::future::pending()) => Ok(()),
    }
}

/// What the SDK signs by, and when it takes credentials to have run out.
#[derive(Debug)]
struct SdkTime(Virtual);

impl TimeSource for SdkTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}
