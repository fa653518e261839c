//! What a busy account costs another one: the time to the first copy there, beside an account whose images are all published, over the
//! time without it.
//!
//! The controllers run in this process on doubles of the API server and of AWS, in virtual time, which stands still while anything is
//! computed: what is measured is who waits for whom, and not how fast this machine is. One line of JSON is printed, and the exit status is 0
//! only if the figure meets its bar.

#[path = "../shared/figure.rs"]
mod figure;
#[path = "../shared/time.rs"]
mod time;
#[path = "../shared/wire.rs"]
mod wire;
mod world;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use amiseal::aws::{Aws, AwsMetrics, AwsOptions};
use amiseal::clock::Clock;
use amiseal::controller::{self, Options, Parts, Shards};
use amiseal::telemetry::Metrics;
use anyhow::{Result, ensure};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use clap::Parser;
use ec2sim::{Clock as SimClock, Sim};
use figure::Figure;
use kubesim::{ApiServer, Verdict};
use prometheus::Registry;
use serde_json::{Value, json};
use time::Virtual;

/// How much longer the first copy may take.
const BAR: f64 = 1.05;
/// How long the busy account has been at it when the other one comes.
const BUSY_FOR: Duration = Duration::from_secs(60);
/// How often it is looked whether something has come about.
const TICK: Duration = Duration::from_millis(1);
/// When to give up.
const PATIENCE: Duration = Duration::from_secs(4 * 3600);

/// How busy the busy account is.
#[derive(Debug, Parser)]
struct Args {
    /// How many images of it have a copy to which their launch permissions are to be published
    #[arg(long, default_value_t = 10_000)]
    images: u32,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// The definitions that the API server knows.
const DEFINITIONS: [&str; 3] = [
    include_str!("../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
    include_str!("../../crds/amiseal.dev_amiencryptiontargets.yaml"),
    include_str!("../../crds/amiseal.dev_amimigrations.yaml"),
];

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(log)
        .init();
    let (alone, beside) = (play(0)?, play(args.images)?);
    let figure = Figure {
        name: "time to the first copy beside a busy account over that without it",
        value: beside.first_copy / alone.first_copy,
        bar: BAR,
        parts: json!({
            "images": args.images,
            "secondsAlone": figure::rounded(alone.first_copy),
            "secondsBeside": figure::rounded(beside.first_copy),
            "publishedMeanwhile": beside.published,
            "callsOfTheBusy": beside.calls,
        }),
    };
    println!("{}", figure.line());
    Ok(if figure.is_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What came of one play.
struct Play {
    /// Seconds from the other account's policy to its first copy.
    first_copy: f64,
    /// How many launch permissions were published in the busy account until then.
    published: usize,
    /// How many calls were made there.
    calls: usize,
}

fn play(busy: u32) -> Result<Play> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(Box::pin(on_stage(busy)))
}

async fn on_stage(busy: u32) -> Result<Play> {
    let clock = Virtual::begin();
    let source = SimClock::with_source(Box::new(clock.clone()), Some(time::epoch()), 1.0);
    let sim = Sim::with_clock(&world::world(busy)?, source)?;
    let right = clock.clone();
    let api = ApiServer::new(&DEFINITIONS, 1, move || right.now()).map_err(anyhow::Error::msg)?;
    api.on_request(|_| Verdict::Delay {
        by: wire::LATENCY,
        then: Box::new(Verdict::Serve),
    });
    let running = tokio::spawn(Box::pin(product(api.clone(), sim.clone(), clock.clone())));
    let apply = |policy: Value| {
        let created = api.create("somebody", &policy);
        created.map_err(|failure| anyhow::anyhow!("{failure:?}"))
    };
    if busy > 0 {
        apply(world::policy("busy", world::BUSY))?;
        until(&clock, "the busy account to publish", || {
            count(&sim, "ModifyImageAttribute", world::BUSY) > 0
        })
        .await?;
        tokio::time::sleep(BUSY_FOR).await;
    }
    let began = clock.monotonic();
    apply(world::policy("other", world::OTHER))?;
    until(&clock, "the first copy", || count(&sim, "CopyImage", world::OTHER) > 0).await?;
    let first_copy = clock.monotonic().saturating_sub(began).as_secs_f64();
    ensure!(!running.is_finished(), "the controllers have ended");
    running.abort();
    let calls = sim.with_journal(|calls| calls.iter().filter(|call| call.account == world::BUSY).count());
    let published = count(&sim, "ModifyImageAttribute", world::BUSY);
    let left = usize::try_from(busy)?.saturating_sub(published);
    ensure!(
        busy == 0 || left > 0,
        "the busy account was done before the other one came"
    );
    Ok(Play {
        first_copy,
        published,
        calls,
    })
}

async fn until(clock: &Virtual, what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let give_up = clock.monotonic() + PATIENCE;
    while !holds() {
        ensure!(clock.monotonic() < give_up, "gave up waiting for {what}");
        tokio::time::sleep(TICK).await;
    }
    Ok(())
}

/// How many calls of this operation have had an effect in an account.
fn count(sim: &Sim, operation: &str, account: &str) -> usize {
    let is_meant = |call: &&ec2sim::Call| call.effect && call.operation == operation && call.account == account;
    sim.with_journal(|calls| calls.iter().filter(is_meant).count())
}

/// The controllers, as `amiseal run` runs them, without another replica.
async fn product(api: ApiServer, sim: Sim, clock: Virtual) -> Result<()> {
    let registry = Registry::new();
    let clock: Arc<dyn Clock> = Arc::new(clock);
    let mut options = AwsOptions::new(clock.clone(), Arc::new(|_| true), AwsMetrics::register(&registry)?);
    options.http_client = Some(wire::client(&sim));
    options.endpoint_url = Some("http://127.0.0.1:1".to_owned());
    let credentials = Credentials::new(world::ACCESS_KEY, "secret", None, None, "bench");
    options.credentials = Some(SharedCredentialsProvider::new(credentials));
    let parts = Parts {
        client: api.client("bench"),
        aws: Box::pin(Aws::new(options)).await?,
        shards: Shards::alone(clock.clone()),
        clock,
        metrics: Metrics::register(&registry)?,
        options: Options::default(),
        instance: "bench".to_owned(),
        health: Arc::default(),
    };
    Box::pin(controller::run(parts, std::future::pending())).await
}
