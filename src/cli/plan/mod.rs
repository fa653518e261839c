//! `amiseal plan`: what `mode: Enforce` would do, without a cluster.

mod access;
mod launching;
mod look;
mod render;

use std::collections::HashMap;
use std::io::{self, BufWriter, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::accounts::Unread;
use super::connection::{Connection, EndpointArgs, connect};
use super::output::{read_or_not, tell};
use super::{accounts, policy_file, prices};
use crate::api::{AMIEncryptionPolicy, Duration as Text};
use crate::plan::cost::{self, Pace};
use crate::plan::expand;
use crate::plan::precedence::Precedence;
use crate::plan::prices::Prices;
use crate::plan::report::{Outcome, Report, TargetReport, sum_up};
use crate::telemetry::{LogFormat, init_logs};

const EXAMPLES: &str = "\
Examples:
  amiseal plan -f policy.yaml

  # May the roles do what Enforce needs?
  amiseal plan -f policy.yaml --check-permissions

  # Two policies, for a pull request
  amiseal plan -f a.yaml b.yaml --output markdown

  # What the cluster has, for a program
  kubectl get aep -o yaml | amiseal plan -f - -o json

Exit status:
  0  there is nothing to do
  2  images would be copied, or images cannot be migrated until you act
  1  something must be fixed first";

/// The options of `amiseal plan`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files with policies, each of one or more YAML documents; - is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// In which form the plan is printed
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Also ask AWS, by dry runs, whether the roles may do what Enforce needs. For this alone the sessions are not
    /// narrowed to reading
    #[arg(long)]
    pub check_permissions: bool,
    /// Also read who uses the images that would be copied, such as groups, fleets and templates, and whether they could launch the copies
    #[arg(long)]
    pub consumers: bool,
    /// How fast AWS copies one snapshot, in MiB a second
    #[arg(long, value_name = "MIB", default_value_t = cost::MIB_PER_SECOND, value_parser = positive)]
    pub assume_mib_per_second: f64,
    /// The price of keeping one GiB of snapshots for a month, in any currency: adds what it costs to keep originals beside their copies
    #[arg(long, value_name = "PRICE", value_parser = positive)]
    pub price_per_gib_month: Option<f64>,
    /// A file with that price for each region: adds what it costs to keep originals beside their copies
    #[arg(long, value_name = "FILE", conflicts_with = "price_per_gib_month")]
    pub prices: Option<PathBuf>,
    /// How many accounts and regions to scan at a time
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// The part of AWS's rate limits to use, above 0 and up to 1: the rest is for others in the account
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub aws_rate_share: f64,
    /// How long AWS may take until it begins to answer a call that reads images or snapshots: 1s to 30m
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = super::run::read_timeout)]
    pub aws_read_timeout: Text,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
    /// Which log lines are written to standard error, as in RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = "off", value_name = "FILTER")]
    pub log: String,
}

/// The forms of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For reading.
    Table,
    /// For programs; names every image.
    Json,
    /// For a pull request.
    Markdown,
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("it must be a number above 0".to_owned()),
    }
}

/// Prints the plan. The exit status is 0 when there is nothing to do, 2 when there is, and 1 when something must be
/// fixed first.
pub fn run(args: &Args) -> Result<ExitCode> {
    init_logs(LogFormat::Auto, &args.log)?;
    let policies = match policy_file::load(&args.files, io::stdin()) {
        Ok(policies) => policies,
        Err(sentences) => {
            for sentence in sentences {
                tell(&format!("Error: {sentence}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let prices = match args.prices.as_deref().map(prices::load).transpose() {
        Ok(prices) => prices.or(args.price_per_gib_month.map(Prices::everywhere)),
        Err(sentence) => {
            tell(&format!("Error: {sentence}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    // The older one governs what two select: as the cluster has it for those that come from one, else as they are named.
    let mut placed: Vec<_> = (0..).zip(policies).collect();
    placed.sort_by_cached_key(|(place, policy)| Precedence::of(&policy.metadata, *place));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut policies: Vec<_> = placed.into_iter().map(|(_, policy)| policy).collect();
    let pace = Pace {
        mib_per_second: args.assume_mib_per_second,
        ..Pace::default()
    };
    let reports = runtime.block_on(async {
        let connection = Connection {
            dry_runs: args.check_permissions,
            share: args.aws_rate_share,
            read_timeout: args.aws_read_timeout.as_std(),
            endpoints: args.endpoints.into(),
        };
        let aws = Box::pin(connect(connection)).await?;
        let unread = match Box::pin(accounts::resolve(&aws, &mut policies)).await {
            Ok(unread) => unread,
            Err(sentences) => return Ok(Err(sentences)),
        };
        let targets = policies.iter();
        let targets = targets
            .flat_map(|policy| expand::targets(policy.metadata.name.as_deref().unwrap_or_default(), &policy.spec))
            .collect();
        let settings = look::Settings {
            consumers: args.consumers,
            check_permissions: args.check_permissions,
            concurrency: usize::from(args.concurrency),
            list: args.output == Output::Json,
            pace,
        };
        let reports = Box::pin(look::look(&aws, targets, settings)).await;
        anyhow::Ok(Ok(with_unread(reports, &unread, &policies)))
    })?;
    let reports = match reports {
        Ok(reports) => reports,
        Err(sentences) => {
            for sentence in sentences {
                tell(&format!("Error: {sentence}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let report = sum_up(reports, pace, prices);
    read_or_not(print(args.output, &report)).context("the plan cannot be printed")?;
    Ok(match report.outcome {
        Outcome::NothingToDo => ExitCode::SUCCESS,
        Outcome::Changes => ExitCode::from(2),
        Outcome::Problems => ExitCode::FAILURE,
    })
}

/// The reports, with one for each account whose regions could not be read, behind those of its policy.
fn with_unread(
    mut reports: Vec<TargetReport>,
    unread: &[Unread],
    policies: &[AMIEncryptionPolicy],
) -> Vec<TargetReport> {
    reports.extend(unread.iter().map(|unread| {
        let mut report = TargetReport::new(&unread.target);
        report.problem(&unread.problem());
        report
    }));
    let names = policies.iter().filter_map(|policy| policy.metadata.name.as_deref());
    let places: HashMap<&str, usize> = names.zip(0..).collect();
    reports.sort_by_key(|report| places.get(report.policy.as_str()).copied());
    reports
}

fn print(output: Output, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match output {
        Output::Table => out.write_all(render::table(report).as_bytes())?,
        Output::Markdown => out.write_all(render::markdown(report).as_bytes())?,
        Output::Json => {
            // Piece by piece: of a large account it is tens of megabytes.
            serde_json::to_writer_pretty(&mut out, report)?;
            out.write_all(b"\n")?;
        }
    }
    out.flush()
}
