//! The controllers, as `amiseal run` runs them, without another replica, on the doubles and in virtual time.

use std::sync::Arc;

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts, Shards};
use amiseal::telemetry::Metrics;
use anyhow::Result;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use ec2sim::Sim;
use kubesim::ApiServer;
use prometheus::Registry;

use crate::time::Virtual;
use crate::{wire, world};

/// Whose requests these are, in the journal of the API server.
pub(crate) const CLIENT: &str = "amiseal";

/// Runs them until they are dropped.
pub(crate) async fn run(api: ApiServer, sim: Sim, clock: Virtual) -> Result<()> {
    let registry = Registry::new();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let mut options = AwsOptions::new(shared.clone(), Arc::new(|_| true), AwsMetrics::register(&registry)?);
    options.http_client = Some(wire::client(&sim));
    options.time_source = Some(SharedTimeSource::new(SdkTime(clock)));
    options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    let credentials = Credentials::new(world::ACCESS_KEY, "secret", None, None, "bench");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    let parts = Parts {
        client: api.client(CLIENT),
        aws: Box::pin(Aws::new(options)).await?,
        shards: Shards::alone(shared.clone()),
        clock: shared,
        metrics: Metrics::register(&registry)?,
        options: Options::default(),
        instance: CLIENT.to_owned(),
        health: Arc::default(),
    };
    Box::pin(controller::run(parts, std::future::pending())).await
}

/// What the SDK signs by, and when it takes credentials to have run out.
#[derive(Debug)]
struct SdkTime(Virtual);

impl TimeSource for SdkTime {
    fn now(&self) -> std::time::SystemTime {
        Clock::now(&self.0).into()
    }
}
