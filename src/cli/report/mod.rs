//! `amiseal report`: who uses each image and what is wrong, from AWS alone.

mod cluster;
mod look;
mod read;
mod render;
pub(super) mod values;

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use jiff::Timestamp;

use super::connection::EndpointArgs;
use super::output::{read_or_not, tell};
use super::run::read_timeout;
use super::{policy_file, prices};
use crate::api::{AuditSettings, Duration as Text, UnusedSettings};
use crate::domain::{AccountId, LaunchPermission, Region, Vulnerability};
use crate::plan::findings::report::Report;
use crate::plan::findings::{Previous, Severity, Thresholds, TrustedOwner};
use crate::telemetry::{LogFormat, init_logs};
use values::{account, age, fix_available, owner, region, sharing};

const EXAMPLES: &str = "\
Examples:
  # Your own account, in all its enabled regions
  amiseal report

  # Two regions, for a spreadsheet
  amiseal report --region eu-west-1 --region us-east-1 --output csv > findings.csv

  # Other accounts, each by its role
  amiseal report --account 111122223333 --account 444455556666 --role-name amiseal

  # The accounts and regions of a policy, by what its spec.audit allows
  amiseal report -f policy.yaml

  # What the controller has found, from the cluster alone
  amiseal report --from-cluster

  # What only you can know: with whom images may be shared, whose may be launched, how soon fixes have to be in
  amiseal report --allow-sharing 777788889999 --trusted-owner 099720109477 --max-fix-available critical=14d,high=30d

  # In a pipeline: fail on what is high or critical
  amiseal report --output markdown --fail-on high

  # For a browser: one page that asks nobody for anything
  amiseal report --output html > report.html

  # Each night, fail on what is new since the night before
  amiseal report --output json --since last.json --fail-on low --only-new > tonight.json

Exit status:
  0  everything was read, and nothing is as bad as --fail-on
  2  something is
  1  an account or region could not be read, an option or credentials are wrong";

/// The options of `amiseal report`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// In which form the report is printed
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
    /// Files with policies: their accounts and regions are looked into, by their roles and by what their spec.audit allows; - is
    /// standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", num_args = 1..,
          conflicts_with_all = ["accounts", "regions", "role_name"])]
    pub files: Vec<PathBuf>,
    /// Print what the controller has found, as the targets of your cluster say, by your kubeconfig: AWS is not asked
    #[arg(long, conflicts_with_all = [
        "files", "accounts", "role_name", "external_id", "regions", "max_image_age", "unused_after", "required_tags",
        "trusted_owners", "allow_sharing", "max_fix_available", "max_scan_age", "plain_parameters", "concurrency",
        "aws_rate_share", "aws_read_timeout", "fips_endpoints", "dual_stack_endpoints", "prices",
    ])]
    pub from_cluster: bool,
    /// The accounts to look into; repeat it. Default: that of your credentials
    #[arg(long = "account", value_name = "ID", value_parser = account)]
    pub accounts: Vec<AccountId>,
    /// The role to assume in each account. Without it your own credentials are used, in their account only
    #[arg(long, value_name = "NAME")]
    pub role_name: Option<String>,
    /// The external ID that the roles ask for
    #[arg(long, value_name = "ID", requires = "role_name")]
    pub external_id: Option<String>,
    /// The regions to look into; repeat it. Default: all that are enabled in the account
    #[arg(long = "region", value_name = "REGION", value_parser = region)]
    pub regions: Vec<Region>,
    /// How old an image may be, as 90d. Default: as the policy says, else any age
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub max_image_age: Option<Duration>,
    /// After how long without a launch an image that nobody uses counts as unused. Default: as the policy says, else 90d
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub unused_after: Option<Duration>,
    /// A tag that every image has to have; repeat it. Default: those that the policy names
    #[arg(long = "required-tag", value_name = "KEY")]
    pub required_tags: Vec<String>,
    /// Whose images may be launched, besides those of Amazon and of the accounts that are looked into: an account ID, or
    /// aws-marketplace or aws-backup-vault; repeat it. Default: as the policy says, else aws-marketplace
    #[arg(long = "trusted-owner", value_name = "ACCOUNT|ALIAS", value_parser = owner)]
    pub trusted_owners: Vec<TrustedOwner>,
    /// With whom images may be shared, besides the accounts that are looked into: an account ID, or the ARN of an organization or of an
    /// organizational unit; repeat it. Default: as the policy says, else that is not looked for
    #[arg(long, value_name = "ACCOUNT|ARN", value_parser = sharing)]
    pub allow_sharing: Vec<LaunchPermission>,
    /// For how long vulnerabilities of a severity may have a fix, by Amazon Inspector, as critical=14d,high=30d. Default: as the policy
    /// says, else that is not looked for
    #[arg(long, value_name = "SEVERITY=DURATION", value_delimiter = ',', value_parser = fix_available)]
    pub max_fix_available: Vec<(Vulnerability, Duration)>,
    /// How old the last scan of an image by Amazon Inspector may be, as 30d. Default: as the policy says, else any age
    #[arg(long, value_name = "DURATION", value_parser = age)]
    pub max_scan_age: Option<Duration>,
    /// Look into plain parameters too: an image ID in their value is a use of the image
    #[arg(long)]
    pub plain_parameters: bool,
    /// A file with the price of keeping a GiB of snapshots for a month in each region: adds what unused images cost
    #[arg(long, value_name = "FILE")]
    pub prices: Option<PathBuf>,
    /// Exit with status 2 where something is as bad as this
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub fail_on: Option<FailOn>,
    /// An earlier report in JSON: say what is new, unchanged and fixed since
    #[arg(long, value_name = "FILE")]
    pub since: Option<PathBuf>,
    /// Let --fail-on count only what is new since the report of --since
    #[arg(long, requires_all = ["since", "fail_on"])]
    pub only_new: bool,
    /// How many accounts and regions to look into at a time
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,
    /// The part of AWS's rate limits to use, above 0 and up to 1: the rest is for others in the account
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub aws_rate_share: f64,
    /// How long AWS may take until it begins to answer a call that reads images or snapshots: 1s to 30m
    #[arg(long, default_value = "60s", value_name = "DURATION", value_parser = read_timeout)]
    pub aws_read_timeout: Text,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
    /// Which log lines are written to standard error, as in RUST_LOG
    #[arg(long, env = "RUST_LOG", default_value = "off", value_name = "FILTER")]
    pub log: String,
}

/// The forms of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For reading.
    Table,
    /// The findings, for spreadsheets.
    Csv,
    /// Everything, for programs.
    Json,
    /// For a pull request.
    Markdown,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// OCSF Compliance Findings, one a line, for a data lake or SIEM.
    Ocsf,
    /// One page for a browser, with all it needs.
    Html,
}

/// From which severity on a report fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum FailOn {
    /// Anything.
    Low,
    /// Medium, high or critical.
    Medium,
    /// High or critical.
    High,
    /// Critical.
    Critical,
}

impl FailOn {
    fn severity(self) -> Severity {
        match self {
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}

impl Args {
    /// What is allowed: what an option says, else what a policy says. The accounts that are looked into are not known yet.
    fn thresholds(&self, audit: Option<&AuditSettings>, unused: &UnusedSettings) -> Thresholds {
        let audit = audit.cloned().unwrap_or_default();
        let mut thresholds = Thresholds::of_policy(&audit, unused, BTreeSet::new());
        thresholds.by_policy = !self.files.is_empty();
        thresholds.max_image_age = self.max_image_age.or(thresholds.max_image_age);
        thresholds.max_scan_age = self.max_scan_age.or(thresholds.max_scan_age);
        thresholds.unused_after = self.unused_after.unwrap_or(thresholds.unused_after);
        if !self.required_tags.is_empty() {
            thresholds.required_tags = self.required_tags.iter().cloned().collect();
        }
        if !self.trusted_owners.is_empty() {
            thresholds.trusted_owners = self.trusted_owners.iter().cloned().collect();
        }
        if !self.allow_sharing.is_empty() {
            thresholds.allowed_sharing = Some(self.allow_sharing.iter().cloned().collect());
        }
        if !self.max_fix_available.is_empty() {
            thresholds.max_fix_available = self.max_fix_available.iter().copied().collect();
        }
        thresholds
    }
}

/// Prints the report. The exit status is 0, or 2 where something is as bad as `--fail-on`, or 1 where not everything was read.
pub fn run(args: &Args) -> Result<ExitCode> {
    init_logs(LogFormat::Auto, &args.log)?;
    // Before anybody is asked: a wrong file is seen at once.
    let previous = match args.since.as_deref().map(previous).transpose() {
        Ok(previous) => previous,
        Err(sentence) => return Ok(refuse(&sentence)),
    };
    let prices = match args.prices.as_deref().map(prices::load).transpose() {
        Ok(prices) => prices,
        Err(sentence) => return Ok(refuse(&sentence)),
    };
    let policies = match policy_file::load(&args.files, io::stdin()) {
        Ok(policies) => policies,
        Err(sentences) => {
            for sentence in sentences {
                tell(&format!("Error: {sentence}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let now = Timestamp::now();
    let made = if args.from_cluster {
        runtime.block_on(Box::pin(cluster::report(now)))?
    } else {
        runtime.block_on(Box::pin(look::look(args, &policies, prices, now)))?
    };
    let mut report = match made {
        Ok(report) => report,
        Err(sentence) => return Ok(refuse(&sentence)),
    };
    if let Some(previous) = previous {
        report.compare(previous);
    }
    read_or_not(print(args.output, &report)).context("the report cannot be printed")?;
    if args.from_cluster {
        for line in report.not_listed() {
            tell(&line);
        }
    }
    let worst = report.worst(args.only_new);
    let fails = args
        .fail_on
        .is_some_and(|fail_on| worst.is_some_and(|worst| worst >= fail_on.severity()));
    Ok(match (report.is_complete(), fails) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::from(2),
        (true, false) => ExitCode::SUCCESS,
    })
}

fn refuse(sentence: &str) -> ExitCode {
    tell(&format!("Error: {sentence}"));
    ExitCode::FAILURE
}

fn previous(path: &Path) -> Result<Previous, String> {
    let text = std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}.", path.display()))?;
    Previous::parse(&text).ok_or_else(|| {
        format!(
            "{} is not an earlier report: give --since a file that `amiseal report --output json` has written.",
            path.display()
        )
    })
}

fn print(output: Output, report: &Report) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    render::write(output, report, &mut out)?;
    out.flush()
}
