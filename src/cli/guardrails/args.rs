//! The options of the command.

use std::path::PathBuf;

use crate::cli::connection::EndpointArgs;
use crate::cli::kubeconfig::Cluster;
use crate::cli::report::values::{account, region};
use crate::domain::{AccountId, Endpoints, Region};
use crate::plan::guardrails_report::{AllowedImagesState, DeclarativeOptions, Filter, SnapshotState};

const EXAMPLES: &str = "\
Examples:
  # See the guardrails of all accounts and regions
  kubectl amiseal guardrails

  # Those of one account, for a program. What was not read has the state unknown
  amiseal guardrails --account 111122223333 --output json

  # Have AWS itself hold the blocks of public access, in all regions: it does that better than amiseal can
  amiseal guardrails --as declarative-policy > declarative-policy.json

  # Keep people from turning off EBS encryption by default, for which AWS has no declarative policy
  amiseal guardrails --as scp -f policy.yaml --except arn:aws:iam::111122223333:role/break-glass > scp.json

Exit status:
  0  the targets were read, or the document is printed
  1  they were not, or it is not, or it is without an account that could not be read: a line that begins with Error says why";

/// The options of `amiseal guardrails`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Print a document for AWS Organizations instead, for what the policies enforce
    #[arg(long = "as", value_enum, value_name = "FORM")]
    pub form: Option<Form>,
    /// Take the policies from these files and not from the cluster; - is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", num_args = 1.., requires = "form",
          conflicts_with_all = ["kubeconfig", "context"])]
    pub files: Vec<PathBuf>,
    /// Only what this policy asks for
    #[arg(long, value_name = "NAME")]
    pub policy: Option<String>,
    /// Only this account
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<AccountId>,
    /// Only this region
    #[arg(long, value_name = "REGION", value_parser = region)]
    pub region: Option<Region>,
    /// Which public snapshots a declarative policy blocks. Default: new ones, unless AWS blocks all of them already
    #[arg(long, value_enum, value_name = "STATE", requires = "form")]
    pub snapshots: Option<Snapshots>,
    /// Hold Allowed AMIs in this state, also where the policies only report them. Without criteria the owners of audit.trustedOwners are
    /// allowed. Default: as the policies enforce them
    #[arg(long, value_enum, value_name = "STATE", requires = "form")]
    pub allowed_images: Option<AllowedImages>,
    /// The ARN of a role, or a pattern of such, that a service control policy does not bind
    #[arg(long, value_name = "ARN", value_parser = principal, requires = "form")]
    pub except: Vec<String>,
    /// The format of the output
    #[arg(short, long, value_enum, default_value_t = Output::Table, conflicts_with = "form")]
    pub output: Output,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub cluster: Cluster,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
}

impl Args {
    /// Which accounts and regions are meant.
    pub(super) fn filter(&self) -> Filter {
        Filter {
            policy: self.policy.clone(),
            account: self.account.clone(),
            region: self.region.clone(),
        }
    }

    /// What a declarative policy has besides.
    pub(super) fn declarative(&self) -> DeclarativeOptions {
        DeclarativeOptions {
            snapshots: self.snapshots.map(SnapshotState::from),
            allowed_images: self.allowed_images.map(AllowedImagesState::from),
        }
    }

    /// Options that make no sense together.
    pub(super) fn check(&self) -> Result<(), String> {
        let endpoints = Endpoints::from(self.endpoints);
        if let Some(options) = endpoints.options().filter(|_| self.files.is_empty()) {
            return Err(format!(
                "without -f the command reads your cluster and calls no endpoint of AWS: leave {options} out."
            ));
        }
        match self.form {
            Some(Form::DeclarativePolicy) if !self.except.is_empty() => {
                Err("a declarative policy has no exceptions: leave --except out, or print --as scp.".to_owned())
            }
            Some(Form::Scp) if self.snapshots.is_some() => {
                Err("--snapshots is for a declarative policy: print --as declarative-policy.".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// The documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A declarative policy: AWS holds the blocks of public access itself, in all regions of an account, and nobody there changes them.
    DeclarativePolicy,
    /// A service control policy: nobody in an account turns off what is on. EBS encryption by default has nothing better.
    Scp,
}

/// Which public snapshots are blocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Snapshots {
    /// New ones: what is public stays so.
    BlockNewSharing,
    /// All of them.
    BlockAllSharing,
}

impl From<Snapshots> for SnapshotState {
    fn from(state: Snapshots) -> Self {
        match state {
            Snapshots::BlockNewSharing => Self::NewSharing,
            Snapshots::BlockAllSharing => Self::AllSharing,
        }
    }
}

/// What Allowed AMIs do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum AllowedImages {
    /// They say which images they would refuse.
    AuditMode,
    /// They refuse them.
    Enabled,
}

impl From<AllowedImages> for AllowedImagesState {
    fn from(state: AllowedImages) -> Self {
        match state {
            AllowedImages::AuditMode => Self::AuditMode,
            AllowedImages::Enabled => Self::Enabled,
        }
    }
}

/// How the table is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For reading.
    Table,
    /// For a program.
    Json,
    /// The same as YAML.
    Yaml,
}

/// Whom a service control policy does not bind: a role, or a user, in this account or in any.
fn principal(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_arn = match parts[..] {
        ["arn", partition, "iam", "", account, resource] => {
            let of_account = account == "*" || account.parse::<AccountId>().is_ok();
            let kind = ["role/", "user/"].iter().find_map(|kind| resource.strip_prefix(kind));
            // A pattern that takes all of them would deny nobody anything.
            let is_some = kind.is_some_and(|name| name.bytes().any(|sign| sign.is_ascii_alphanumeric()));
            let is_plain = resource
                .bytes()
                .all(|sign| sign.is_ascii_alphanumeric() || b"+=,.@_/-*?".contains(&sign));
            of_account && is_some && is_plain && partition.starts_with("aws")
        }
        _ => false,
    };
    if is_arn {
        return Ok(text.to_owned());
    }
    Err(
        "it must be the ARN of a role or a user, such as arn:aws:iam::111122223333:role/admin or arn:aws:iam::*:role/admin"
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_a_service_control_policy_does_not_bind_has_a_name() {
        for good in [
            "arn:aws:iam::111122223333:role/path/admin",
            "arn:aws:iam::*:role/break-glass",
            "arn:aws:iam::*:role/aws-reserved/sso.amazonaws.com/*/AWSReservedSSO_Admin_*",
            "arn:aws-us-gov:iam::111122223333:user/jo",
        ] {
            assert_eq!(principal(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "*",
            "admin",
            "arn:aws:iam::*:role/*",
            "arn:aws:iam::*:*",
            "arn:aws:iam::11112222:role/admin",
            "arn:aws:iam::111122223333:root",
            "arn:aws:sts::111122223333:assumed-role/a/b",
            "arn:aws:iam::111122223333:role/a\"",
        ] {
            assert!(principal(bad).is_err(), "{bad}");
        }
    }
}
