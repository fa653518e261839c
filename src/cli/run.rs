//! `amiseal run`: the controller.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use prometheus::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::connection::EndpointArgs;
use crate::api::Duration as Text;
use crate::aws::{Aws, AwsMetrics, AwsOptions};
use crate::clock::{Clock, SystemClock};
use crate::controller::{self, Options, Parts, ShardOptions, Shards};
use crate::domain::{Malformed, QueueUrl, Scope};
use crate::plan::schedule::PollBounds;
use crate::plan::usage::objects::{DEFAULT, ObjectKinds};
use crate::telemetry::{Health, LogFormat, Metrics, init_logs, serve};

/// How long a read from the API server may be silent. A watch ends by itself after 30 seconds.
const READ_TIMEOUT: Duration = Duration::from_secs(45);

const EXAMPLES: &str = "\
Examples:
  # As the chart runs it, with the service account's identity
  amiseal run --namespace amiseal-system

  # On your own machine, with your kubeconfig, and more to read
  amiseal run --namespace amiseal-system --listen 127.0.0.1:8080 --log info,amiseal=debug";

/// The options of `amiseal run`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
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
    /// The namespace of the Leases, of Jobs that prove copies and of ConfigMaps with maps; default: the one this process runs in
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// This replica's name, in the Leases and in Events, which no other one has; default: the host's name and the process ID
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// How long a target may be without a replica that works on it after one has died, in whole seconds: at least 3s
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = lease_duration)]
    pub lease_duration: Text,
    /// How many shards the accounts and regions are divided into for the replicas to share; the same for all replicas
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub shards: u16,
    /// How often copies in flight are looked at, at least 1s; default: 5s to 30s, by their progress
    #[arg(long, value_name = "DURATION", value_parser = poll_interval)]
    pub copy_poll_interval: Option<Text>,
    /// How often accounts are read from AWS Organizations, where policies have accountsFrom: 5s to 1h
    #[arg(long, default_value = "5m", value_name = "DURATION", value_parser = accounts_interval)]
    pub accounts_read_interval: Text,
    /// How often the enabled regions of each account are read, where policies have allRegions: 5s to 24h
    #[arg(long, default_value = "1h", value_name = "DURATION", value_parser = regions_interval)]
    pub regions_read_interval: Text,
    /// How many policies, and how many migrations, are worked on at a time; most of that is waiting for AWS
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// How many targets are worked on at a time; most of that is waiting for AWS
    #[arg(long, default_value_t = 256, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub target_concurrency: u16,
    /// The part of AWS's rate limits to use, above 0 and up to 1: the rest is for others in the account
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub aws_rate_share: f64,
    /// How long AWS may take until it begins to answer a call that reads images or snapshots: 1s to 30m
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = read_timeout)]
    pub aws_read_timeout: Text,
    /// Which objects of this cluster launch images, as a list in JSON of entries with apiVersion, kind, resource and paths,
    /// [] for none; default: Karpenter's node classes, and what Cluster API makes machines of in AWS
    #[arg(long, default_value = DEFAULT, hide_default_value = true, value_name = "JSON")]
    pub cluster_consumers: ObjectKinds,
    /// The URL of the queue of Amazon SQS that events of all accounts and regions come to, by which changes are seen within seconds
    #[arg(long, value_name = "URL", value_parser = event_queue)]
    pub event_queue_url: Option<QueueUrl>,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
}

pub(super) fn lease_duration(text: &str) -> Result<Text, String> {
    between(text, Text::from_secs(3), Text::from_mins(60))
}

fn event_queue(text: &str) -> Result<QueueUrl, String> {
    text.parse()
        .map_err(|malformed: Malformed| format!("it must be {}", malformed.expected))
}

fn poll_interval(text: &str) -> Result<Text, String> {
    between(text, Text::from_secs(1), Text::from_mins(24 * 60))
}

fn accounts_interval(text: &str) -> Result<Text, String> {
    between(text, Text::from_secs(5), Text::from_mins(60))
}

fn regions_interval(text: &str) -> Result<Text, String> {
    between(text, Text::from_secs(5), Text::from_mins(24 * 60))
}

/// A limit on AWS's answers, as an option.
pub(super) fn read_timeout(text: &str) -> Result<Text, String> {
    between(text, Text::from_secs(1), Text::from_mins(30))
}

pub(super) fn between(text: &str, least: Text, most: Text) -> Result<Text, String> {
    let duration: Text = text.parse().map_err(|error| format!("{error}"))?;
    if (least..=most).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("it has to be at least {least} and at most {most}"))
    }
}

/// Runs the controller until SIGTERM or SIGINT.
pub fn run(args: &Args) -> Result<()> {
    init_logs(args.log_format, &args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(Box::pin(run_until_stopped(args)))
}

async fn run_until_stopped(args: &Args) -> Result<()> {
    let (client, namespace) = cluster(args.namespace.as_deref()).await?;
    let client = controller::observed(&client);
    let registry = Registry::new();
    let metrics = Metrics::register(&registry)?;
    let aws_metrics = AwsMetrics::register(&registry)?;
    let health = Arc::new(Health::default());
    let server = tokio::spawn(serve(args.listen, registry, metrics.clone(), health.clone()));

    let instance = identity(args);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let shards = ShardOptions {
        namespace: namespace.clone(),
        identity: instance.clone(),
        duration: args.lease_duration.as_std(),
        shards: args.shards,
    };
    let shards = Shards::new(client.clone(), shards, clock.clone());
    let aws = Box::pin(Aws::new(aws_options(args, &clock, &shards, aws_metrics))).await?;
    let parts = Parts {
        client,
        aws,
        clock,
        shards: shards.clone(),
        metrics,
        options: options(args, namespace),
        instance: instance.clone(),
        health,
    };
    let stop = stop_signal()?;
    let (tell, told) = watch::channel(false);
    let shutdown = move |mut told: watch::Receiver<bool>| async move {
        // Dropped or sent: both mean to stop.
        let _ = told.wait_for(|stops| *stops).await;
    };
    let mut kept = {
        let (shards, shutdown) = (shards.clone(), shutdown(told.clone()));
        // A task of its own: the Leases are renewed however much there is to do.
        AbortOnDropHandle::new(tokio::spawn(async move { shards.keep(shutdown).await }))
    };
    tracing::info!(
        identity = instance,
        shards = args.shards,
        version = env!("CARGO_PKG_VERSION"),
        "starting"
    );
    let mut running = Box::pin(controller::run(parts, shutdown(told)));
    tokio::select! {
        outcome = &mut running => return outcome,
        outcome = server => return outcome?,
        // It ends by itself only by a panic; without it nothing would be done here for ever.
        ended = &mut kept => return ended.context("the Leases are not kept any more"),
        () = stop => tracing::info!("shutting down: running reconciles have 30 s to finish"),
    }
    tell.send_replace(true);
    let (ran, kept) = tokio::join!(running, kept);
    kept.context("the Leases could not be given up; they run out by themselves")?;
    ran
}

/// A client of the API server, and the controller's own namespace.
pub(super) async fn cluster(namespace: Option<&str>) -> Result<(kube::Client, String)> {
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, or run inside of one")?;
    config.read_timeout = Some(READ_TIMEOUT);
    let namespace = namespace.unwrap_or(&config.default_namespace).to_owned();
    let client = kube::Client::try_from(config).context("the cluster's configuration cannot be used")?;
    Ok((client, namespace))
}

fn aws_options(args: &Args, clock: &Arc<dyn Clock>, shards: &Arc<Shards>, metrics: AwsMetrics) -> AwsOptions {
    let shards = shards.clone();
    let gate = move |scope: &Scope| shards.holds(scope);
    let mut options = AwsOptions::new(clock.clone(), Arc::new(gate), metrics);
    options.share = args.aws_rate_share;
    options.read_timeout = args.aws_read_timeout.as_std();
    options.endpoints = args.endpoints.into();
    options
}

fn options(args: &Args, namespace: String) -> Options {
    let fixed = args.copy_poll_interval.map(|fixed| PollBounds {
        min: fixed.as_std(),
        max: fixed.as_std(),
    });
    Options {
        poll: fixed.unwrap_or_default(),
        accounts_every: args.accounts_read_interval.as_std(),
        regions_every: args.regions_read_interval.as_std(),
        concurrency: args.concurrency,
        targets: args.target_concurrency,
        objects: args.cluster_consumers.0.clone(),
        namespace,
        event_queue: args.event_queue_url.clone(),
        ..Options::default()
    }
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
