//! What migrating costs: time against a lower bound, reads of AWS, writes to the API server, and what a quiet account costs.
//!
//! The controllers run in this process on a real control plane and the real AWS SDK, against the simulator over loopback
//! HTTP. They and the simulator share one clock, which runs fast while nobody is at work. One line of JSON is printed for each figure, and the
//! exit status is 0 only if every figure meets its bar. `docs/benchmarks.md` says how each is computed.

mod clock;
#[path = "../shared/figure.rs"]
mod figure;
mod figures;
mod following;
mod product;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ec2sim::{Server, Sim};
use rig::{ControlPlane, Options};
use tokio::runtime::Handle;

use clock::SimClock;
use figure::Figure;
use following::Following;
use product::Product;

/// How often this looks whether something has come about.
const TICK: Duration = Duration::from_millis(50);

/// What is measured, and how fast.
#[derive(Debug, Parser)]
struct Args {
    /// How many images are to be copied
    #[arg(long, default_value_t = 500)]
    images: u32,
    /// Simulated seconds that pass in a real one while images are copied and the product waits
    #[arg(long, default_value_t = 250.0)]
    speed: f64,
    /// The same over the quiet intervals
    #[arg(long, default_value_t = 1500.0)]
    quiet_speed: f64,
    /// The policy's scanInterval, in minutes
    #[arg(long, default_value_t = 60)]
    scan_minutes: u32,
    /// How many intervals of the policy have to stay quiet
    #[arg(long, default_value_t = 20)]
    quiet_intervals: usize,
    /// The seed of the images and of the simulator
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write here, as JSON, every call to AWS that migrating all images took, and what exists then
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Give up after so many real seconds
    #[arg(long, default_value_t = 1800)]
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
    let sim = Sim::new(&world::world(args.seed, args.images)?)?;
    let server = Server::on_loopback(sim.clone())?;
    let cluster = ControlPlane::start(Options::of_project()).await?;
    let following = Following::start(cluster.admin_client().await?, sim.clone());
    let clock = Arc::new(SimClock::of(sim.clone(), args.speed, runtime));
    let product = Product::start(&cluster, &server, &clock, runtime).await?;
    cluster.apply(&world::policy(args.scan_minutes)).await?;

    let began = Instant::now();
    let give_up = began + Duration::from_secs(args.patience);
    let wanted = usize::try_from(args.images)?;
    until("all images to be migrated", give_up, || {
        following.completed() == wanted && following.is_settled()
    })
    .await?;
    let wall = began.elapsed();
    let busy = Busy {
        wall,
        calls: sim.journal(),
        writes: product.writes(&cluster)?,
    };

    if let Some(path) = &args.journal {
        let journal = serde_json::json!({"calls": busy.calls, "world": sim.world_json()});
        std::fs::write(path, journal.to_string()).with_context(|| format!("cannot write {}", path.display()))?;
    }

    // The first of these scans may still have something to say; those after it may not.
    clock.set_fast(args.quiet_speed);
    scans(&sim, 1, give_up).await?;
    let before = Quiet::now(&sim, &cluster, &product, &following)?;
    scans(&sim, args.quiet_intervals, give_up).await?;
    let after = Quiet::now(&sim, &cluster, &product, &following)?;

    let report = sim.audit();
    ensure!(
        report.ok,
        "the simulator finds fault, so the figures are of no worth:\n{report}"
    );
    product.stop().await?;
    let [median, longest] = figures::noticed(args, &sim, &following)?;
    Ok(vec![
        figures::makespan(args, &sim, &busy, &following)?,
        median,
        longest,
        figures::reads(args, &busy)?,
        figures::read_budget(&busy)?,
        figures::writes(args, &busy)?,
        figures::quiet(args, &before, &after)?,
    ])
}

/// What it took to migrate all images.
struct Busy {
    /// Real time.
    wall: Duration,
    /// Calls to AWS.
    calls: Vec<ec2sim::Call>,
    /// Writes to the API server.
    writes: product::Writes,
}

/// What was written up to a moment.
struct Quiet {
    /// How many calls to AWS.
    calls: usize,
    /// How many of them can change something.
    mutating: usize,
    /// Writes to the API server.
    writes: product::Writes,
    /// How many changes of a target were but of the time of its last scan.
    scan_times: usize,
}

impl Quiet {
    fn now(sim: &Sim, cluster: &ControlPlane, product: &Product, following: &Following) -> Result<Self> {
        let calls = sim.journal();
        Ok(Self {
            calls: calls.len(),
            mutating: calls.iter().filter(|call| call.mutating).count(),
            writes: product.writes(cluster)?,
            scan_times: following.scan_times(),
        })
    }
}

/// Waits for so many more scans, and until what they led to has come through.
async fn scans(sim: &Sim, more: usize, give_up: Instant) -> Result<()> {
    let seen = figures::scans(&sim.journal());
    until("the account to be looked through", give_up, || {
        figures::scans(&sim.journal()) >= seen + more
    })
    .await?;
    // In real time, as what a scan leads to are calls to the API server.
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(())
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
