//! The command line; wiring only.

use std::process::ExitCode;

use amiseal::cli::command_line::{Cli, parse};
use amiseal::cli::output::{failed, read_or_not};
use amiseal::cli::{check, completion, crd, decide, guardrails, iam_policy, import, man, map, plan, report, run};
use clap::CommandFactory as _;

fn main() -> ExitCode {
    run_command().unwrap_or_else(|error| failed(&error))
}

fn run_command() -> anyhow::Result<ExitCode> {
    let cli = match parse(std::env::args_os()) {
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
        Cli::Run(args) => run::run(&args)?,
        Cli::Check(args) => return check::run(&args),
        Cli::Plan(args) => return plan::run(&args),
        Cli::Import(args) => return import::run(&args),
        Cli::Report(args) => return report::run(&args),
        Cli::Status(args) => return decide::status(&args),
        Cli::Approve(args) => return decide::approve(&args),
        Cli::Rollback(args) => return decide::rollback(&args),
        Cli::Hold(args) => return decide::hold(&args),
        Cli::Resume(args) => return decide::resume(&args),
        Cli::Map(args) => return map::run(&args),
        Cli::Guardrails(args) => return guardrails::run(&args),
        Cli::IamPolicy(args) => return iam_policy::run(&args),
        Cli::Crd(args) => crd::run(&args, &mut std::io::stdout().lock())?,
        Cli::Completion(args) => completion::run(&args, Cli::command(), &mut std::io::stdout().lock())?,
        Cli::Man(args) => man::run(&args, Cli::command())?,
    }
    Ok(ExitCode::SUCCESS)
}
