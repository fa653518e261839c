//! What size costs: `amiseal plan` and `amiseal report` over a large account, and the controller over many accounts of which one may be slow.
//!
//! The server is this program again, as a process of its own that hands out pages rendered beforehand. One line of JSON is
//! printed for each figure, and the exit status is 0 only if every figure meets its bar. `docs/benchmarks.md` says how
//! each is computed.

mod bare;
mod calls;
mod digest;
#[path = "../shared/figure.rs"]
mod figure;
#[path = "../shared/measured.rs"]
mod measured;
mod median;
mod nothing;
mod pages;
mod paging;
mod planning;
mod reporting;
mod scanning;
mod server;
mod serving;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use figure::Figure;

/// What is measured.
#[derive(Debug, Parser)]
struct Args {
    /// How many images the large account has; it has a fifth more snapshots
    #[arg(long, default_value_t = 100_000)]
    images: u32,
    /// How many images or snapshots are on a page of the large account
    #[arg(long, default_value_t = 1000)]
    page: u32,
    /// How many accounts the controller looks through
    #[arg(long, default_value_t = 200)]
    targets: u32,
    /// How many images each of them has
    #[arg(long, default_value_t = 500)]
    images_per_target: u32,
    /// Measure only this
    #[arg(long, value_enum)]
    only: Option<Subject>,
    /// How often each measurement is made, in turns with what it is compared with
    #[arg(long, default_value_t = 5)]
    runs: u32,
    /// Cargo says so to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// `amiseal plan` over one large account
    Plan,
    /// `amiseal report` over one large account
    Report,
    /// `amiseal plan` over one large account where each page takes a second
    Pages,
    /// The controller over many accounts
    Scan,
}

/// What this program is when it starts itself.
#[derive(Debug, clap::Subcommand)]
enum Part {
    /// The server
    #[command(hide = true)]
    Serve(server::Args),
    /// The bare loop
    #[command(hide = true)]
    BareLoop,
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &args.part {
        Some(Part::Serve(args)) => runtime.block_on(server::serve(args))?,
        Some(Part::BareLoop) => runtime.block_on(Box::pin(bare::run()))?,
        None => return runtime.block_on(Box::pin(measure(&args))),
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &Args) -> Result<ExitCode> {
    let mut all_met = true;
    for subject in [Subject::Plan, Subject::Report, Subject::Pages, Subject::Scan] {
        if args.only.is_some_and(|only| only != subject) {
            continue;
        }
        let figures = match subject {
            Subject::Plan => Box::pin(planning::measure(args)).await?,
            Subject::Report => Box::pin(reporting::measure(args)).await?,
            Subject::Pages => Box::pin(paging::measure(args)).await?,
            Subject::Scan => Box::pin(scanning::measure(args)).await?,
        };
        for figure in figures {
            println!("{}", figure.line());
            all_met &= Figure::is_met(&figure);
        }
    }
    Ok(if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
