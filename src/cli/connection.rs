//! Reaching AWS with the credentials of whoever runs a command.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use prometheus::Registry;

use crate::aws::{Aws, AwsMetrics, AwsOptions};
use crate::clock::{Clock, SystemClock};
use crate::domain::Endpoints;

/// How often a call is tried. The controller comes back later; here nobody does.
const ATTEMPTS: u32 = 5;
/// One page is taken apart while another is taken in: more would take memory, and no less time on two cores.
const PAGES_IN_MEMORY: usize = 2;

/// Which kind of AWS's endpoints to call.
#[derive(clap::Args, Clone, Copy, Debug, Default)]
pub struct EndpointArgs {
    /// Call the FIPS endpoints of AWS, as AWS_USE_FIPS_ENDPOINT=true does
    #[arg(long)]
    pub fips_endpoints: bool,
    /// Call the dual-stack endpoints of AWS, which have IPv6 addresses too, as AWS_USE_DUALSTACK_ENDPOINT=true does
    #[arg(long)]
    pub dual_stack_endpoints: bool,
}

impl From<EndpointArgs> for Endpoints {
    fn from(args: EndpointArgs) -> Self {
        Self {
            fips: args.fips_endpoints,
            dual_stack: args.dual_stack_endpoints,
        }
    }
}

/// How to reach AWS for reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct Connection {
    /// Whether dry runs of calls that write may be sent.
    pub(super) dry_runs: bool,
    /// The part of AWS's rate limits to use.
    pub(super) share: f64,
    /// How long AWS may take over calls that read images and snapshots.
    pub(super) read_timeout: Duration,
    /// Which kind of endpoints to call.
    pub(super) endpoints: Endpoints,
}

/// Reaches AWS with the environment's credentials.
pub(super) async fn connect(connection: Connection) -> Result<Aws> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let metrics = AwsMetrics::register(&Registry::new())?;
    // Without dry runs no call that could write leaves this process, whatever session it is made in.
    let mut options = AwsOptions::new(clock, Arc::new(move |_| connection.dry_runs), metrics);
    options.share = connection.share;
    options.read_timeout = connection.read_timeout;
    options.endpoints = connection.endpoints;
    options.max_attempts = ATTEMPTS;
    options.pages_in_memory = PAGES_IN_MEMORY;
    Ok(Box::pin(Aws::new(options)).await?)
}
