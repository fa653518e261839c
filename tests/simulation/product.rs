//! The product: its own controllers, whole, as one process of a history.

use std::sync::Arc;

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts};
use amiseal::telemetry::Metrics;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use prometheus::Registry;

use super::stage::Stage;
use super::time::Virtual;
use super::{wire, world};

/// The controllers until they are dropped. `clock` is the machine's: its time of day may be set at any time.
pub(crate) async fn run(stage: &Stage, process: u64, clock: &Virtual) -> anyhow::Result<()> {
    let registry = Registry::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.of_process());
    let mut options = AwsOptions::new(shared.clone(), Arc::new(|| true), AwsMetrics::register(&registry)?);
    options.http_client = Some(wire::client(stage, process));
    options.time_source = Some(SharedTimeSource::new(SdkTime(clock.clone())));
    options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    let credentials = Credentials::new(world::ACCESS_KEY, "secret", None, None, "simulation");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    let parts = Parts {
        client: stage.api.client(&process.to_string()),
        aws: Box::pin(Aws::new(options)).await?,
        clock: shared,
        metrics: Metrics::register(&registry)?,
        options: Options::default(),
        instance: format!("process-{process}"),
    };
    Box::pin(controller::run(parts, std::future::pending())).await
}

/// What the SDK signs by, and when it takes credentials to have run out.
#[derive(Debug)]
struct SdkTime(Virtual);

impl TimeSource for SdkTime {
    fn now(&self) -> std::time::SystemTime {
        self.0.now().into()
    }
}
