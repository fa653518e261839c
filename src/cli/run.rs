//! `amiseal run`: the controller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus::Registry;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Duration as Text;
use crate::aws::{Aws, AwsMetrics, AwsOptions};
use crate::clock::{Clock, SystemClock};
use crate::controller::{self, Leadership, LeadershipOptions, Options, Parts};
use crate::plan::schedule::PollBounds;
use crate::telemetry::{Health, LogFormat, Metrics, init_logs, serve};

/// How long a read from the API server may be silent. A watch ends by itself after 290 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// The options of `amiseal run`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Where to serve /metrics, /livez and /readyz
    #[arg(long, env = "AMISEAL_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// How log lines are written
    #[arg(long, env = "AMISEAL_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// Which log lines are written, as in RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
    /// The namespace of the Lease; default: the one this process runs in
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// This replica's name, in the Lease and in Events; default: the host's name and the process ID
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// How long the Lease holds after a renewal, in whole seconds: at least 3s
    #[arg(long, default_value = "15s", value_name = "DURATION")]
    pub lease_duration: Text,
    /// How often copies in flight are looked at; default: 15s to 3m, by their progress
    #[arg(long, value_name = "DURATION")]
    pub copy_poll_interval: Option<Text>,
    /// How many policies, and how many migrations, are worked on at a time
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How many targets are worked on at a time; most of that is waiting for AWS
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub target_concurrency: u16,
    /// The part of AWS's rate limits to use, above 0 and up to 1: the rest is for others in the account
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub aws_rate_share: f64,
}

/// Runs the controller until SIGTERM or SIGINT, or until it does not lead any more.
pub fn run(args: &Args) -> Result<()> {
    init_logs(args.log_format, &args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(run_until_stopped(args)))
}

async fn run_until_stopped(args: &Args) -> Result<()> {
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, or run inside of one")?;
    config.read_timeout = Some(READ_TIMEOUT);
    let namespace = args
        .namespace
        .clone()
        .unwrap_or_else(|| config.default_namespace.clone());
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;

    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let aws_metrics = AwsMetrics::register(&registry)?;
    let health = Arc::new(Health::default());
    let server = tokio::spawn(serve(args.listen, registry, health.clone()));

    let leadership = Arc::new(Leadership::default());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let gate = leadership.clone();
    let mut options = AwsOptions::new(clock.clone(), Arc::new(move || gate.holds()), aws_metrics);
    options.share = args.aws_rate_share;
    let aws = Box::pin(Aws::new(options)).await?;

    let instance = identity(args);
    let lease = LeadershipOptions {
        namespace,
        identity: instance.clone(),
        duration: args.lease_duration.as_std().max(Duration::from_secs(3)),
    };
    health.set_ready(true);
    tracing::info!(
        identity = instance,
        version = env!("CARGO_PKG_VERSION"),
        "waits to lead"
    );
    let mut stop = Box::pin(stop_signal()?);
    let mut lead = tokio::select! {
        lead = controller::lead(client.clone(), lease, leadership) => lead?,
        () = &mut stop => return Ok(()),
        outcome = server => return outcome?,
    };
    metrics.leader.set(1);
    tracing::info!("leads");

    let poll = args
        .copy_poll_interval
        .map_or_else(PollBounds::default, |fixed| PollBounds {
            min: fixed.as_std(),
            max: fixed.as_std(),
        });
    let parts = Parts {
        client,
        aws,
        clock,
        metrics: metrics.clone(),
        options: Options {
            poll,
            concurrency: args.concurrency,
            targets: args.target_concurrency,
        },
        instance,
    };
    let (tell, told) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move {
        // Dropped or sent: both mean to stop.
        let _ = told.await;
    };
    let mut running = Box::pin(controller::run(parts, shutdown));
    let lost = tokio::select! {
        outcome = &mut running => return outcome,
        () = &mut stop => {
            tracing::info!("stops: the steps that have begun are finished");
            false
        }
        () = lead.lost() => {
            tracing::warn!("another replica leads: stops");
            true
        }
    };
    drop(tell);
    running.await?;
    metrics.leader.set(0);
    if lost {
        // The next replica is already at work; Kubernetes starts this one again.
        anyhow::bail!("the Lease was lost");
    }
    lead.release().await
}

/// The replica's name. A container that is started again in its pod is the same replica, and has its Lease back at once.
fn identity(args: &Args) -> String {
    args.identity.clone().unwrap_or_else(|| {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_else(|_| "amiseal".to_owned());
        // Outside of a pod, two processes of one host are two replicas.
        format!("{}-{}", host.trim(), std::process::id())
    })
}

fn stop_signal() -> Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
