//! The command line; wiring only.

use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Run the controller
    Run(Box<amiseal::cli::run::Args>),
    /// Print the custom resource definitions
    Crd(amiseal::cli::crd::Args),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse() {
        Cli::Run(args) => amiseal::cli::run::run(&args),
        Cli::Crd(args) => amiseal::cli::crd::run(&args, &mut std::io::stdout().lock()),
    }
}
