//! Breaks what amiseal runs on, while it migrates 300 images, and judges what comes of it: `make chaos`.
//!
//! The real binary on a real API server and etcd, with the AWS simulator over HTTP. Each fault has a control plane and an
//! AWS of its own. What is printed comes from the simulator's audit and from the API server; the exit status says whether
//! all is as docs/reliability.md promises.

mod effects;
mod faults;
mod replica;
mod run;
mod stage;
mod table;
mod truth;
mod witness;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::Parser;
use futures::StreamExt as _;
use rig::Screen;
use tokio::signal::unix::{SignalKind, signal};

use faults::Fault;
use table::Row;

/// Ends, stops, cuts off and fills up what amiseal runs on, while it migrates 300 images, and judges the outcome.
#[derive(Parser)]
struct Arguments {
    /// What all random choices come from; default: another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// Only these faults; default: all
    #[arg(value_enum)]
    faults: Vec<Fault>,
    /// How many faults are played at a time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    lanes: u16,
    /// Where to keep the logs of all processes, in a directory for each fault; default: nowhere
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // Listened to from the start, so that a signal at any time leads to the orderly end of what was started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let screen = Arc::new(Screen::begin());
    tokio::select! {
        ok = play(&screen, &arguments) => Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        // The threads that play faults would go on. The watchdog ends and removes what they have started.
        _ = interrupt.recv() => std::process::exit(130),
        _ = terminate.recv() => std::process::exit(143),
    }
}

/// Plays the faults, several at a time, and prints the table; says whether all is as promised.
async fn play(screen: &Arc<Screen>, arguments: &Arguments) -> bool {
    let seed = arguments.seed.unwrap_or_else(|| rand::random_range(0..1_000_000));
    screen.step(&format!(
        "Seed {seed}; for the same random choices: make chaos SEED={seed}"
    ));
    let faults = match &arguments.faults[..] {
        [] => Fault::ALL.to_vec(),
        some => some.to_vec(),
    };
    let mut rows: Vec<Row> = futures::stream::iter(faults)
        .map(|fault| run_apart(screen.clone(), fault, seed, arguments.logs.clone()))
        .buffer_unordered(arguments.lanes.into())
        .collect()
        .await;
    rows.sort_by_key(|row| row.fault);
    screen.step("What came of it, by the simulator's audit and the API server");
    screen.block(&table::of(&rows));
    let failed = rows.iter().filter(|row| !row.problems.is_empty());
    for row in failed.clone() {
        screen.heading(&format!("{} is not as promised:", row.fault.name()));
        screen.block(&row.problems.join("\n"));
    }
    let failed = failed.count();
    let seconds = screen.elapsed().as_secs();
    let verdict = match failed {
        0 => format!("OK: all {} faults came to what is promised ({seconds} s)", rows.len()),
        some => format!(
            "NOT OK: {some} of {} faults did not come to what is promised ({seconds} s)",
            rows.len()
        ),
    };
    screen.verdict(failed == 0, &verdict);
    failed == 0
}

/// Plays one fault on a thread of its own; what goes wrong with that is a problem of its row.
async fn run_apart(screen: Arc<Screen>, fault: Fault, seed: u64, logs: Option<PathBuf>) -> Row {
    let runtime = tokio::runtime::Handle::current();
    let play = move || runtime.block_on(Box::pin(run::run(screen, fault, seed, logs.as_deref())));
    let outcome = tokio::task::spawn_blocking(play).await;
    match outcome.map_err(anyhow::Error::from).and_then(|row| row) {
        Ok(row) => row,
        Err(error) => Row::failed(fault, format!("{error:#}")),
    }
}
