//! `amiseal completion`: what completes commands and options in a shell.

use std::io::Write;

use anyhow::{Context as _, Result};
use clap::Command;
use clap_complete::Shell;

use super::output::read_or_not;

const EXAMPLES: &str = "\
Examples:
  # In this shell, and in each one to come
  source <(amiseal completion bash)
  echo 'source <(amiseal completion bash)' >> ~/.bashrc

  # For zsh, in a directory of its fpath
  amiseal completion zsh > ~/.zfunc/_amiseal

  # For fish
  amiseal completion fish > ~/.config/fish/completions/amiseal.fish";

/// The options of `amiseal completion`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub shell: Shell,
}

/// Prints to `out` what completes `command` in the shell.
pub fn run(args: &Args, mut command: Command, out: &mut impl Write) -> Result<()> {
    let name = command.get_name().to_owned();
    // Into memory, since what makes it panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    read_or_not(out.write_all(&script).and_then(|()| out.flush())).context("the completions cannot be printed")
}
