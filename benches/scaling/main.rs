//! What more replicas change: how soon everything is scanned and copied, what the sharing costs, and for how long nobody works on what
//! a replica had that was killed.
//!
//! Replicas are processes, the API server is a real one, AWS is the simulator. One line of JSON is printed for each figure, and the
//! exit status is 0 only if every figure meets its bar. `docs/benchmarks.md` says how each is computed.

mod cluster;
#[path = "../shared/figure.rs"]
mod figure;
mod world;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::json;

use cluster::{Cluster, Quiet};
use figure::{Figure, rounded};

/// What is measured.
#[derive(Debug, Clone, Parser)]
struct Args {
    /// How many replicas there are at most
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// How many accounts there are, of one region each
    #[arg(long, default_value_t = 96)]
    targets: u32,
    /// How many images each of them has, all of which are to be copied
    #[arg(long, default_value_t = 2)]
    images_per_target: u32,
    /// How many targets a replica works on at a time, so that it has enough to do
    #[arg(long, default_value_t = 4)]
    target_concurrency: u16,
    /// After how many milliseconds AWS answers
    #[arg(long, default_value_t = 250)]
    answers_after: u64,
    /// How long a Lease holds, in seconds
    #[arg(long, default_value_t = 15)]
    lease: u64,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

impl Args {
    fn lease(&self) -> Duration {
        Duration::from_secs(self.lease)
    }
}

/// What was measured with one number of replicas.
struct Run {
    replicas: usize,
    scanned: Duration,
    copied: Duration,
    quiet: Quiet,
    unowned: Duration,
    rescanned: Duration,
    peak_mb: Vec<f64>,
    sizes: [f64; 2],
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut runs = Vec::new();
    for replicas in 1..=args.replicas {
        runs.push(runtime.block_on(Box::pin(run(&args, replicas)))?);
    }
    let mut all_met = true;
    for run in &runs {
        for figure in figures(&args, run, &runs[0]) {
            println!("{}", figure.line());
            all_met &= figure.is_met();
        }
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn run(args: &Args, replicas: usize) -> Result<Run> {
    let mut cluster = Cluster::start(args, replicas).await?;
    let began = cluster.apply().await?;
    cluster.all_scanned().await?;
    let scanned = began.elapsed();
    cluster.all_copied().await?;
    let copied = began.elapsed();
    let quiet = cluster.quiet(args.lease() * 2).await?;
    let peak_mb = cluster.peaks();
    let sizes = cluster.sizes().await?;
    let killed = cluster.kill().await?;
    let unowned = cluster.until_owned(&killed).await?;
    cluster.all_scanned_again(&killed).await?;
    let rescanned = killed.at.elapsed();
    cluster.judged()?;
    ensure!(!peak_mb.is_empty(), "the replicas have ended");
    Ok(Run {
        replicas,
        scanned,
        copied,
        quiet,
        unowned,
        rescanned,
        peak_mb,
        sizes,
    })
}

fn figures(args: &Args, run: &Run, one: &Run) -> Vec<Figure> {
    let seconds = |duration: Duration| rounded(duration.as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "a handful of replicas")]
    let replicas = run.replicas as f64;
    // One Lease for each shard and one for each replica, renewed after a tenth less than a third of its duration at the earliest.
    let writes = (f64::from(cluster::SHARDS) + replicas) / (0.3 * args.lease().as_secs_f64());
    // The largest share of the shards, and that targets do not spread evenly.
    let share = f64::from(cluster::SHARDS).div_euclid(replicas) + 1.0;
    let part = if run.replicas == 1 {
        1.0
    } else {
        (share / f64::from(cluster::SHARDS) * 1.3).min(1.0)
    };
    let parts = json!({
        "replicas": run.replicas,
        "targets": args.targets,
        "images": args.targets * args.images_per_target,
        "targetsAtATime": args.target_concurrency,
        "answersAfterSeconds": seconds(Duration::from_millis(args.answers_after)),
        "leaseSeconds": args.lease,
        "secondsUntilAllScanned": seconds(run.scanned),
        "secondsUntilAllCopied": seconds(run.copied),
        "bytesPerTarget": run.sizes[0].round(),
        "bytesPerMigration": run.sizes[1].round(),
        "peakMB": run.peak_mb.iter().copied().map(rounded).collect::<Vec<_>>(),
    });
    vec![
        Figure {
            name: "first scan of all targets, over that of one replica",
            value: run.scanned.as_secs_f64() / one.scanned.as_secs_f64(),
            bar: part,
            parts: parts.clone(),
        },
        Figure {
            name: "Lease writes per second",
            value: run.quiet.writes,
            bar: writes * 1.1,
            parts: json!({"replicas": run.replicas, "listsPerSecond": rounded(run.quiet.lists)}),
        },
        Figure {
            name: "longest time without an owner after kill -9, in leases",
            value: run.unowned.as_secs_f64() / args.lease().as_secs_f64(),
            // Alone, it takes a new replica that first has to see a Lease unchanged.
            bar: if run.replicas == 1 { 1.5 } else { 1.0 },
            parts: json!({
                "replicas": run.replicas,
                "seconds": seconds(run.unowned),
                "secondsUntilScannedAgain": seconds(run.rescanned),
                "takenBy": if run.replicas == 1 { "a new replica, started at once" } else { "the others" },
            }),
        },
    ]
}
