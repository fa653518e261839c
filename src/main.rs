//! The command line; wiring only.

use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Print the custom resource definitions
    Crd(amiseal::cli::crd::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Crd(args) => amiseal::cli::crd::run(&args, &mut std::io::stdout().lock()),
    }
}
