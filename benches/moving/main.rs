//! What moving costs: calls for each launch template, time against what AWS's limits allow, and writes to the API server.
//!
//! As for the migration benchmark the controllers run in this process on a real control plane, against the simulator, on one clock with
//! it. All images are copied first; then the policy has templates moved. `docs/benchmarks.md` says how each figure is computed.

#[path = "../migration/clock.rs"]
#[allow(dead_code, reason = "the migration benchmark uses all of it")]
mod clock;
#[path = "../shared/figure.rs"]
mod figure;
#[path = "../migration/following.rs"]
#[allow(dead_code, reason = "the migration benchmark uses all of it")]
mod following;
#[path = "../migration/product.rs"]
#[allow(dead_code, reason = "the migration benchmark uses all of it")]
mod product;
mod world;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ec2sim::{Call, Server, Sim};
use rig::{ControlPlane, Options};
use serde_json::json;
use tokio::runtime::Handle;

use clock::SimClock;
use figure::{Figure, rounded};
use following::Following;
use product::Product;

const TICK: Duration = Duration::from_millis(50);
/// Calls for each consumer.
const CALLS_BAR: f64 = 5.0;
/// From the first change to the last, over what AWS's limit on changes allows at the default share.
const TIME_BAR: f64 = 1.25;
/// Writes to the API server for each migration.
const WRITES_BAR: f64 = 14.0;
/// Changes of templates that AWS allows in a second, and the share of that which is used by default.
const CHANGES_A_SECOND: f64 = 5.0;
const SHARE: f64 = 0.5;
/// Changes that AWS allows at once.
const BURST: f64 = 100.0;

/// What is measured, and how fast.
#[derive(Debug, Parser)]
struct Args {
    /// How many images are launched
    #[arg(long, default_value_t = 500)]
    images: u32,
    /// By how many launch templates
    #[arg(long, default_value_t = 1000)]
    templates: u32,
    /// How many Auto Scaling groups launch by them
    #[arg(long, default_value_t = 200)]
    groups: u32,
    /// Simulated seconds that pass in a real one while the product waits
    #[arg(long, default_value_t = 250.0)]
    speed: f64,
    /// The seed of the simulator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Give up after so many real seconds
    #[arg(long, default_value_t = 3600)]
    patience: u64,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "warn,kube_client=off".to_owned());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(log)
        .init();
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let (ours, products) = (runtime()?, runtime()?);
    let figures = ours.block_on(Box::pin(measure(&args, products.handle())))?;
    for figure in &figures {
        println!("{}", figure.line());
    }
    Ok(if figures.iter().all(Figure::is_met) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(args: &Args, runtime: &Handle) -> Result<Vec<Figure>> {
    let sim = Sim::new(&world::world(args)?)?;
    let server = Server::on_loopback(sim.clone())?;
    let cluster = ControlPlane::start(Options::of_project()).await?;
    let following = Following::start(cluster.admin_client().await?, sim.clone());
    let clock = Arc::new(SimClock::of(sim.clone(), args.speed, runtime));
    let product = Product::start(&cluster, &server, &clock, runtime).await?;
    let give_up = Instant::now() + Duration::from_secs(args.patience);
    cluster.apply(&world::policy(false)).await?;
    let wanted = usize::try_from(args.images)?;
    until("all images to be copied", give_up, || {
        following.completed() == wanted && following.is_settled()
    })
    .await?;

    let (calls, writes) = (sim.journal().len(), product.writes(&cluster)?.counts.total());
    let began = Instant::now();
    cluster.apply(&world::policy(true)).await?;
    until("all templates to be moved", give_up, || moved(&sim) == args.templates).await?;
    until("all migrations to be done", give_up, || following.is_settled()).await?;
    // In real time, as what is left are calls to the API server.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let wall = began.elapsed();
    let calls: Vec<Call> = sim.journal().split_off(calls);
    let writes = product.writes(&cluster)?.counts.total() - writes;
    let report = sim.audit();
    ensure!(
        report.ok,
        "the simulator finds fault, so the figures are of no worth:\n{report}"
    );
    product.stop().await?;
    figures(args, &calls, writes, wall)
}

/// How many templates launch another image by default than at first.
fn moved(sim: &Sim) -> u32 {
    sim.with_world(|world| {
        let region = world.region(world::ACCOUNT, world::REGION);
        let templates = region.map(|region| region.consumers.launch_templates.iter());
        let moved = templates
            .into_iter()
            .flatten()
            .filter(|(_, template)| template.default_number() > 1);
        u32::try_from(moved.count()).unwrap_or(u32::MAX)
    })
}

fn figures(args: &Args, calls: &[Call], writes: usize, wall: Duration) -> Result<Vec<Figure>> {
    let of_one = |call: &&Call| {
        let names_one = ["LaunchTemplateId", "LaunchTemplateId.1"];
        let asks = ["GetKeyPolicy", "ListGrants"].contains(&call.operation.as_str());
        asks || names_one.iter().any(|name| call.params.contains_key(*name))
    };
    let ours: Vec<&Call> = calls.iter().filter(of_one).collect();
    let mut by_operation = BTreeMap::new();
    for call in &ours {
        *by_operation.entry(call.operation.as_str()).or_insert(0) += 1;
    }
    let is_change = |call: &&&Call| call.mutating && !call.params.contains_key("DryRun");
    let changes: Vec<&&Call> = ours.iter().filter(is_change).collect();
    let (first, last) = changes.first().zip(changes.last()).context("nothing was changed")?;
    let seconds = last.time.seconds_since(first.time);
    let count = |count: usize| u32::try_from(count).map(f64::from);
    let least = ((count(changes.len())? - BURST * SHARE) / (CHANGES_A_SECOND * SHARE)).max(1.0);
    let templates = f64::from(args.templates);
    Ok(vec![
        Figure {
            name: "calls per moved consumer",
            value: count(ours.len())? / templates,
            bar: CALLS_BAR,
            parts: json!({"templates": args.templates, "byOperation": by_operation}),
        },
        Figure {
            name: "time to move all over what AWS allows at the default share",
            value: seconds / least,
            bar: TIME_BAR,
            parts: json!({
                "seconds": rounded(seconds),
                "secondsPerTemplate": rounded(seconds / templates),
                "leastSeconds": rounded(least),
                "changes": changes.len(),
                "clock": {"fast": args.speed, "whileAtWork": clock::SLOW},
                "wallSeconds": rounded(wall.as_secs_f64()),
            }),
        },
        Figure {
            name: "API server writes per migration for moving",
            value: count(writes)? / f64::from(args.images),
            bar: WRITES_BAR,
            parts: json!({"migrations": args.images, "writes": writes}),
        },
    ])
}

async fn until(what: &str, give_up: Instant, holds: impl Fn() -> bool) -> Result<()> {
    let patience = give_up.saturating_duration_since(Instant::now());
    tokio::time::timeout(patience, async {
        while !holds() {
            tokio::time::sleep(TICK).await;
        }
    })
    .await
    .with_context(|| format!("gave up waiting for {what}"))
}
