//! `amiseal man`: a manual page for each command.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Command;

const EXAMPLES: &str = "\
Examples:
  amiseal man --output-dir /usr/local/share/man/man1
  man amiseal-plan";

/// The options of `amiseal man`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Write the pages to this directory, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub output_dir: PathBuf,
}

/// Writes the pages of `command` and its subcommands.
pub fn run(args: &Args, command: Command) -> Result<()> {
    let dir = &args.output_dir;
    fs::create_dir_all(dir).with_context(|| format!("{} cannot be made a directory", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("the pages cannot be written to {}", dir.display()))
}
