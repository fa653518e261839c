//! The product's own controllers, whole, in one process on virtual time, against the simulated AWS and a double of the API
//! server, with a fault at every call.
//!
//! The AWS SDK and the kube client stay in the loop: their bytes are handed over in memory. A history depends on its plan
//! alone, so that one that breaks a promise can be played again. `docs/reliability.md` says what is promised.

mod branch;
mod campaign;
mod catalogue;
mod consumers;
mod deciding;
mod disturbances;
mod enlisting;
mod entropy;
mod evidence;
mod fate;
mod findings;
mod followers;
mod following;
mod groups;
mod guarding;
mod hearing;
mod history;
mod inspecting;
mod invariants;
mod judge;
mod keeper;
mod labeller;
mod labels;
mod lasting;
mod launching;
mod meddling;
mod movers;
mod moving;
mod nearly;
mod newer;
mod notes;
mod odd;
mod owners;
mod people;
mod plan;
mod porter;
mod product;
mod proofs;
mod proving;
mod quiet;
mod registrar;
mod regressions;
mod reorganizing;
mod restoring;
mod returning;
mod rumours;
mod scout;
mod silence;
mod stage;
mod statuses;
mod time;
mod undisturbed;
mod versions;
mod warden;
mod watchman;
mod windows;
mod wire;
mod world;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use campaign::Campaign;
use catalogue::Fault;
use invariants::Promise;
use plan::{Plan, Strike};

/// What to play. Without options: a small part of the campaign, of which `make simulate` plays more.
#[derive(Debug, Parser)]
struct Args {
    /// Play only the history of this seed, and print it
    #[arg(long)]
    seed: Option<u64>,
    /// What goes wrong in it: a fault, @, and the number of the call that it strikes
    #[arg(long = "strike", requires = "seed")]
    strikes: Vec<Strike>,
    /// Print only what came of it, as JSON
    #[arg(long, requires = "seed")]
    summary: bool,
    /// Play the history that only this strikes, and print only what came of it; several share what comes before
    #[arg(long = "branch", requires = "seed", conflicts_with = "strikes")]
    branches: Vec<Strike>,
    /// How many histories at random
    #[arg(long, default_value_t = 20)]
    histories: u64,
    /// Of the moments at which each fault strikes one history, play every so many; 1 plays all
    #[arg(long, default_value_t = 360)]
    stride: usize,
    /// The seed of the first history at random
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Play until this promise is broken, and fail if it never is
    #[arg(long)]
    breaks: Option<Promise>,
    /// Faults to begin with, each at each moment, when something is to be broken
    #[arg(long, requires = "breaks", value_delimiter = ',')]
    faults: Vec<Fault>,
    /// Let those strike the history of this seed, in place of the usual one
    #[arg(long, requires = "breaks")]
    world: Option<u64>,
    /// Cargo's test options mean nothing here
    #[arg(long, hide = true)]
    nocapture: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    entropy::same_each_time()?;
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).without_time().init();
    }
    let Some(seed) = args.seed else {
        let campaign = Campaign {
            first: args.first,
            histories: args.histories,
            stride: args.stride,
        };
        return Ok(match args.breaks {
            Some(promise) => campaign.run_until_broken(promise, &args.faults, args.world),
            None => campaign.run(),
        });
    };
    if !args.branches.is_empty() {
        history::play_branches(seed, &args.branches);
        return Ok(ExitCode::SUCCESS);
    }
    let plan = Plan {
        seed,
        strikes: args.strikes,
    };
    let mut outcome = history::play(&plan);
    if args.summary {
        println!("{}", serde_json::to_string(&outcome)?);
        return Ok(ExitCode::SUCCESS);
    }
    outcome.broken.extend(campaign::compared(&plan, &outcome));
    print!("{}", outcome.journal);
    println!("{:?}", outcome.reached);
    for broken in &outcome.broken {
        println!("broken: {broken}");
    }
    Ok(if outcome.broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
