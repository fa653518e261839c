//! The command line as a whole.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Command, CommandFactory as _, FromArgMatches as _, Parser};

use super::{check, completion, crd, decide, guardrails, iam_policy, import, man, map, plan, report, run};

/// How kubectl calls its plugin.
const PLUGIN: &str = "kubectl amiseal";

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
    /// Print what each migration waits for, and who has to act
    Status(Box<decide::StatusArgs>),
    /// Approve that the consumers of originals are moved to the copies
    Approve(Box<decide::ApproveArgs>),
    /// Move consumers back to the originals
    Rollback(Box<decide::RollbackArgs>),
    /// Stop moving consumers, in either direction
    Hold(Box<decide::HoldArgs>),
    /// Continue migrations that are held or rolled back
    Resume(Box<decide::ResumeArgs>),
    /// Print which copy replaces which original, for Terraform and other tools that declare images
    Map(Box<map::Args>),
    /// Print the guardrails of all accounts and regions, or the document by which AWS Organizations holds them
    Guardrails(Box<guardrails::Args>),
    /// Print the rights in AWS that policies take: of the role in each account, its trust, and its keys
    IamPolicy(Box<iam_policy::Args>),
    /// Print the custom resource definitions
    Crd(crd::Args),
    /// Print what completes commands and options in your shell
    Completion(completion::Args),
    /// Write a manual page for each command
    Man(man::Args),
}

/// Reads a command line. Installed as `kubectl-amiseal` the program is a plugin of kubectl, and its help says how it is called
/// as such.
pub fn parse<I, T>(arguments: I) -> Result<Cli, clap::Error>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let arguments: Vec<OsString> = arguments.into_iter().map(Into::into).collect();
    let mut command = Cli::command();
    if arguments.first().is_some_and(|program| is_plugin(program)) {
        command = as_plugin(command);
    }
    let matches = command.try_get_matches_from_mut(arguments)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Whether kubectl finds a program of this path by `kubectl amiseal`.
fn is_plugin(program: &OsStr) -> bool {
    Path::new(program).file_stem() == Some(OsStr::new("kubectl-amiseal"))
}

/// The command with its help as kubectl's users type it.
fn as_plugin(command: Command) -> Command {
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let command = command.bin_name(PLUGIN);
    command.mut_subcommands(|command| {
        let Some(help) = command.get_after_help().map(ToString::to_string) else {
            return command;
        };
        let help = names.iter().fold(help, |help, name| {
            let (plain, plugin) = (format!("amiseal {name}"), format!("{PLUGIN} {name}"));
            help.replace(&plugin, &plain).replace(&plain, &plugin)
        });
        command.after_help(help)
    })
}

#[cfg(test)]
mod tests {
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
    fn as_a_plugin_of_kubectl_it_says_how_it_is_called() {
        for program in [
            "kubectl-amiseal",
            "/usr/local/bin/kubectl-amiseal",
            "kubectl-amiseal.exe",
        ] {
            let error = parse([program, "approve", "--help"]).expect_err("the help");
            let help = error.to_string();
            assert!(help.contains("Usage: kubectl amiseal approve "), "{help}");
            assert!(help.contains("\n  kubectl amiseal approve --policy"), "{help}");
            assert!(
                !help.contains("kubectl kubectl") && !help.contains("\n  amiseal "),
                "{help}"
            );
            let error = parse([program, "approve", "--nonsense"])
                .expect_err("an error")
                .to_string();
            assert!(error.contains("Usage: kubectl amiseal approve "), "{error}");
        }
        let error = parse(["/usr/local/bin/amiseal", "approve", "--help"]).expect_err("the help");
        assert!(error.to_string().contains("Usage: amiseal approve "), "{error}");
        assert!(matches!(parse(["kubectl-amiseal", "status"]), Ok(Cli::Status(_))));
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
