//! The command line as a whole.

use clap::Parser;

use super::{check, completion, crd, import, man, plan, report, run};

/// What amiseal is asked to do.
#[derive(Parser, Debug)]
#[command(version, about)]
pub enum Cli {
    /// Run the controller
    Run(Box<run::Args>),
    /// Say whether the controller can do its work: read its kinds, hold its shards, reach AWS
    Check(check::Args),
    /// Print what mode Enforce would do, from AWS alone: no cluster is needed
    Plan(plan::Args),
    /// Print a policy over just the images that a scanner has found: of a CSV file, SARIF, ASFF, OCSF
    Import(Box<import::Args>),
    /// Print who uses each image and what is wrong, from AWS alone: neither a cluster nor a policy is needed
    Report(Box<report::Args>),
    /// Print the custom resource definitions
    Crd(crd::Args),
    /// Print what completes commands and options in your shell
    Completion(completion::Args),
    /// Write a manual page for each command
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory as _};

    use super::*;

    fn commands() -> Vec<Command> {
        let mut cli = Cli::command();
        cli.build();
        let commands = cli.get_subcommands().filter(|command| command.get_name() != "help");
        commands.cloned().collect()
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        assert!(commands().len() > 5);
    }

    #[test]
    fn every_command_shows_examples_and_each_of_them_is_understood() {
        let commands = commands();
        let names: Vec<&str> = commands.iter().map(Command::get_name).collect();
        for command in &commands {
            let name = command.get_name();
            let help = command
                .get_after_help()
                .unwrap_or_else(|| panic!("{name} has no examples"));
            let help = help.to_string();
            let examples = help.split("\n\nExit status:").next().unwrap_or_default();
            let lines = examples.lines().filter(|line| !line.trim_start().starts_with('#'));
            let mut own = 0;
            for line in lines {
                for (at, _) in line.match_indices("amiseal ") {
                    let end = line[at..].find(['|', '>', ')', '&']).map_or(line.len(), |end| at + end);
                    let words: Vec<&str> = line[at..end].split_whitespace().collect();
                    // It is the name of a role and of a namespace as well.
                    let Some(command) = words.get(1).filter(|word| names.contains(*word)) else {
                        continue;
                    };
                    own += usize::from(*command == name);
                    if let Err(error) = Cli::try_parse_from(&words) {
                        panic!("{name}: {words:?}: {error}");
                    }
                }
            }
            assert!(own > 0, "{name} has an example of itself:\n{help}");
        }
    }
}
