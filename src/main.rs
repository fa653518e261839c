//! The command line; wiring only.

use std::process::ExitCode;

use amiseal::cli::output::read_or_not;
use clap::Parser;

#[derive(Parser)]
#[command(version, about)]
enum Cli {
    /// Run the controller
    Run(Box<amiseal::cli::run::Args>),
    /// Say whether the controller can do its work: read its kinds, hold its shards, reach AWS
    Check(amiseal::cli::check::Args),
    /// Print what mode Enforce would do, from AWS alone: no cluster is needed
    Plan(amiseal::cli::plan::Args),
    /// Print a policy over just the images that a scanner has found: of a CSV file, SARIF, ASFF, OCSF
    Import(Box<amiseal::cli::import::Args>),
    /// Print the custom resource definitions
    Crd(amiseal::cli::crd::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap's own exit status for a wrong option is 2, which is what `plan` says when there is something to do.
            read_or_not(error.print())?;
            return Ok(if error.use_stderr() {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            });
        }
    };
    match cli {
        Cli::Run(args) => amiseal::cli::run::run(&args)?,
        Cli::Check(args) => return amiseal::cli::check::run(&args),
        Cli::Plan(args) => return amiseal::cli::plan::run(&args),
        Cli::Import(args) => return amiseal::cli::import::run(&args),
        Cli::Crd(args) => amiseal::cli::crd::run(&args, &mut std::io::stdout().lock())?,
    }
    Ok(ExitCode::SUCCESS)
}
