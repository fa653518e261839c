//! The product's own controllers, whole, in one process on virtual time, against the simulated AWS and a double of the API
//! server, with faults at every call.
//!
//! The AWS SDK and the kube client stay in the loop: their bytes are handed over in memory. A history depends on its plan
//! alone. See docs/reliability.md.

mod fate;
mod history;
mod invariants;
mod plan;
mod product;
mod time;
mod wire;
mod world;

use std::process::ExitCode;

use clap::Parser;

use plan::{Plan, Strike};

#[derive(Debug, Parser)]
struct Args {
    /// Play the history of this seed, and print it
    #[arg(long)]
    seed: Option<u64>,
    /// A fault and the call that it strikes, as in CrashAfterAws@17
    #[arg(long = "strike", requires = "seed")]
    strikes: Vec<Strike>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .init();
    }
    if let Some(seed) = args.seed {
        let outcome = history::play(&Plan {
            seed,
            strikes: args.strikes,
        });
        print!("{}", outcome.journal);
        println!(
            "{:?} {:?} {:?} {} {} {:?}",
            outcome.broken, outcome.calls, outcome.reached, outcome.checks, outcome.mutating, outcome.took
        );
        return ExitCode::SUCCESS;
    }
    ExitCode::SUCCESS
}
