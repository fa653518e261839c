//! What a thousand accounts of 17 regions cost while nothing is to be done in any: calls to AWS, requests to the API server, memory and
//! processor, measured with two smaller numbers of accounts and extrapolated by the line through both.
//!
//! Calls and requests are those of the controllers in this process, on doubles of the API server and of AWS, in virtual time. Memory and
//! processor are those of the real program, a process of its own. One line of JSON is printed for each figure, and the exit status is 0
//! only if every figure meets its bar. `docs/benchmarks.md` says how each is computed.

mod calls;
#[path = "../shared/figure.rs"]
mod figure;
mod figures;
mod line;
mod play;
mod process;
mod product;
mod requests;
mod settings;
#[path = "../shared/time.rs"]
mod time;
#[path = "../shared/wire.rs"]
mod wire;
mod world;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use clap::Parser;

use figure::Figure;
use figures::Plays;
use settings::Settings;

/// What is measured.
#[derive(Debug, Clone, Parser)]
struct Args {
    /// How many accounts there are at first, each with 17 regions
    #[arg(long, default_value_t = 20)]
    fewer: u32,
    /// How many there are then; a thousand take hours, and tens of gigabytes for the journals of the doubles
    #[arg(long, default_value_t = 60)]
    accounts: u32,
    /// Over how many intervals of scans, of 15 minutes of virtual time each, calls and requests are counted
    #[arg(long, default_value_t = 4)]
    intervals: u32,
    /// For how many minutes the process is watched, which scans all targets each minute
    #[arg(long, default_value_t = 3)]
    minutes: u32,
    /// Measure only this
    #[arg(long, value_enum)]
    only: Option<Subject>,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Calls to AWS and requests to the API server
    Calls,
    /// Memory and processor
    Process,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    ensure!(
        0 < args.fewer && args.fewer < args.accounts && args.intervals > 0,
        "--fewer is to be less than --accounts, and --intervals at least 1"
    );
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "error".to_owned());
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(log)
        .init();
    let mut all_met = true;
    if args.only != Some(Subject::Process) {
        for settings in Settings::ALL {
            all_met &= printed(&of_calls(&args, settings)?);
        }
    }
    if args.only != Some(Subject::Calls) {
        all_met &= printed(&of_process(&args)?);
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints them, and says whether all are as good as they have to be.
fn printed(figures: &[Figure]) -> bool {
    for figure in figures {
        println!("{}", figure.line());
    }
    figures.iter().all(Figure::is_met)
}

fn of_calls(args: &Args, settings: Settings) -> Result<Vec<Figure>> {
    let play = |accounts| play::play(accounts, args.intervals, settings);
    let plays = Plays {
        settings,
        intervals: args.intervals,
        fewer: play(args.fewer)?,
        more: play(args.accounts)?,
    };
    Ok(plays.figures())
}

fn of_process(args: &Args) -> Result<[Figure; 2]> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let watch = |accounts| runtime.block_on(Box::pin(process::watch(accounts, args.minutes)));
    Ok(figures::of_process(&watch(args.fewer)?, &watch(args.accounts)?))
}
