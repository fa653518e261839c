//! What it takes to know who uses the images of a large account: the calls, the time at the default share of AWS's limits, and the
//! memory of `amiseal report`.
//!
//! The simulator serves in this process, and the command is one of its own. One line of JSON is printed for each figure, and the exit
//! status is 0 only if every figure meets its bar. `docs/benchmarks.md` says how each is computed.

#[path = "../shared/figure.rs"]
mod figure;
#[path = "../shared/measured.rs"]
mod measured;
mod reads;
mod world;

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use ec2sim::Server;
use serde_json::{Value, json};

use figure::{Figure, rounded};

/// Reads over the least that list everything.
const READS_BAR: f64 = 1.2;
/// MB.
const MEMORY_BAR: f64 = 150.0;
/// Time over what the limit of the slowest kind of call allows.
const TIME_BAR: f64 = 1.3;
/// What the services beside EC2 are called with at most at the default share: so many at once, and so many a second.
const BESIDE: (f64, f64) = (20.0, 5.0);

/// What is measured.
#[derive(Debug, Parser)]
struct Args {
    /// How many images the account has
    #[arg(long, default_value_t = 10_000)]
    images: u32,
    /// How many launch templates, each of three versions
    #[arg(long, default_value_t = 2_000)]
    templates: u32,
    /// How many Auto Scaling groups, not more than templates
    #[arg(long, default_value_t = 500)]
    groups: u32,
    /// How many parameters, not more than images
    #[arg(long, default_value_t = 5_000)]
    parameters: u32,
    /// How many instances
    #[arg(long, default_value_t = 20_000)]
    instances: u32,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let server = Server::on_loopback(world::aws(&args)?)?;
    let directory = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
    command.args(["report", "--output", "json", "--region", world::REGION]);
    let run = measured::run(
        command,
        &measured::Caller {
            endpoint: &server.endpoint(),
            access_key: world::ACCESS_KEY,
            region: world::REGION,
        },
        &[0],
        directory.path(),
    )?;
    let report: Value = serde_json::from_str(&run.output).context("the report is no JSON")?;
    check(&args, &report)?;

    let counts = server.sim().with_journal(reads::counted);
    let least = reads::least(&args);
    let (listing, fewest) = (reads::listing(&counts, &least), least.values().sum::<u32>());
    let beside = ["DescribeParameters", "GetParameters"].map(|name| f64::from(least[name]));
    let at_least = ((beside.iter().sum::<f64>() - BESIDE.0) / BESIDE.1).max(1.0);
    let figures = [
        Figure {
            name: "reads that list who uses the images over the least",
            value: f64::from(listing) / f64::from(fewest),
            bar: READS_BAR,
            parts: json!({
                "reads": listing,
                "least": fewest,
                "ofSingleImages": reads::of_single_images(&counts),
                "unusedImages": world::unused(&args),
                "byOperation": counts,
            }),
        },
        Figure {
            name: "time of a report over what the limit for parameters allows",
            value: run.seconds / at_least,
            bar: TIME_BAR,
            parts: json!({"seconds": rounded(run.seconds), "leastSeconds": rounded(at_least)}),
        },
        Figure {
            name: "peak memory of report in MB",
            value: run.peak_mb,
            bar: MEMORY_BAR,
            parts: json!({"images": args.images, "instances": args.instances}),
        },
    ];
    let mut all_met = true;
    for figure in figures {
        println!("{}", figure.line());
        all_met &= figure.is_met();
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The report has to be right: who uses nothing is unused, and everybody else is not.
fn check(args: &Args, report: &Value) -> Result<()> {
    let images = report["images"].as_array().context("no images")?;
    let unused = images.iter().filter(|image| image["usage"] == "unused").count();
    ensure!(
        images.len() == usize::try_from(args.images)? && unused == usize::try_from(world::unused(args))?,
        "{unused} of {} images are unused, not {}",
        images.len(),
        world::unused(args)
    );
    Ok(())
}
