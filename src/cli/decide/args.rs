//! The options of the commands.

use crate::cli::kubeconfig::Cluster;
use crate::cli::report::values::{account, region};
use crate::domain::{AccountId, Region};

const APPROVE: &str = "\
Examples:
  # See what waits for approval
  kubectl amiseal status --waiting

  # Approve one migration. You see what would be moved, and are asked
  kubectl amiseal approve ami-0123456789abcdef0.eu-west-1

  # Approve all that wait for approval in one account and region
  amiseal approve --account 111122223333 --region eu-west-1

  # See what the API server says, and change nothing
  amiseal approve --policy production --dry-run=server

  # Approve in a pipeline, without a question
  amiseal approve --policy production --yes

  # Take an approval back. What is not moved yet stays where it is
  amiseal approve ami-0123456789abcdef0.eu-west-1 --withdraw

Exit status:
  0  your decision is on record for every migration that it is about
  1  it is not for at least one: a line that begins with Error says why";

const ROLLBACK: &str = "\
Examples:
  # Roll back one migration
  kubectl amiseal rollback ami-0123456789abcdef0.eu-west-1

  # Roll back all migrations of one account
  amiseal rollback --account 111122223333

  # Move the consumers of one of them again
  amiseal resume ami-0123456789abcdef0.eu-west-1

Exit status:
  0  your decision is on record for every migration that it is about
  1  it is not for at least one: a line that begins with Error says why";

const HOLD: &str = "\
Examples:
  # Hold all migrations of a policy that are not rolled back
  kubectl amiseal hold --policy production

  # Hold one migration
  amiseal hold ami-0123456789abcdef0.eu-west-1

  # Hold those with a label, without a question
  amiseal hold --selector amiseal.dev/region=eu-west-1 --yes

Exit status:
  0  your decision is on record for every migration that it is about
  1  it is not for at least one: a line that begins with Error says why";

const RESUME: &str = "\
Examples:
  # Resume a migration that is held or rolled back
  kubectl amiseal resume ami-0123456789abcdef0.eu-west-1

  # Resume all migrations of a policy that are held
  amiseal resume --policy production

Exit status:
  0  your decision is on record for every migration that it is about
  1  it is not for at least one: a line that begins with Error says why";

const STATUS: &str = "\
Examples:
  # See what each migration waits for, and who has to act
  kubectl amiseal status

  # See only those that wait for a person
  amiseal status --waiting

  # Print JSON for a program
  amiseal status --policy production --output json

Exit status:
  0  the migrations were read
  1  they could not be read, or one that you named does not exist";

/// Which migrations are meant.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Which {
    /// Names of migrations. Names as `kubectl get amim -o name` prints them work too
    #[arg(value_name = "NAME", conflicts_with_all = ["selector", "policy", "account", "region", "all"])]
    pub names: Vec<String>,
    /// Select migrations by their labels, for example amiseal.dev/region=eu-west-1
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Select migrations of this policy
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Select migrations of images in this account
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<AccountId>,
    /// Select migrations of images in this region
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<Region>,
    /// Select all migrations
    #[arg(long, conflicts_with_all = ["selector", "policy", "account", "region"])]
    pub all: bool,
}

/// What all commands have in common that decide something.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub which: Which,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Whether anything is written: with server, the API server only checks it
    #[arg(long, value_enum, value_name = "WHERE", default_value_t = DryRun::None)]
    pub dry_run: DryRun,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub cluster: Cluster,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum DryRun {
    /// Write.
    None,
    /// Have the API server check it, and write nothing.
    Server,
}

/// The options of `amiseal approve`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = APPROVE)]
pub struct ApproveArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub options: Options,
    /// Take the approval back
    #[arg(long)]
    pub withdraw: bool,
}

/// The options of `amiseal rollback`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = ROLLBACK)]
pub struct RollbackArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub options: Options,
}

/// The options of `amiseal hold`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = HOLD)]
pub struct HoldArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub options: Options,
}

/// The options of `amiseal resume`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = RESUME)]
pub struct ResumeArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub options: Options,
}

/// The options of `amiseal status`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = STATUS)]
pub struct StatusArgs {
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub which: Which,
    /// Print only migrations that wait for a person
    #[arg(long)]
    pub waiting: bool,
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub cluster: Cluster,
}

/// How the status is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For reading.
    Table,
    /// For a program.
    Json,
    /// The same as YAML.
    Yaml,
}
