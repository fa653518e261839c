//! `amiseal iam-policy`: the rights in AWS that policies take, for each account.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::output::{read_or_not, tell};
use super::policy_file;
use super::report::values::account;
use crate::api::{AMIEncryptionPolicy, AccountsFrom};
use crate::domain::{AccountId, Region};
use crate::plan::accounts::resolved;
use crate::plan::rights::{self, Options, Rights};

const EXAMPLES: &str = "\
Examples:
  # All that is to be attached, for each account
  amiseal iam-policy -f policy.yaml --controller arn:aws:iam::999900001111:role/amiseal-controller

  # The permissions policy of one role, and what each statement of it is for
  amiseal iam-policy -f policy.yaml --account 111122223333 --only permissions > role.json
  amiseal iam-policy -f policy.yaml --account 111122223333 --explain

  # A StackSet for all accounts
  amiseal iam-policy -f policy.yaml --as cloudformation > roles.json

  # What a change of the policy takes besides
  amiseal iam-policy -f new.yaml --since old.yaml

Exit status:
  0  the rights are printed, or with --since nothing is new: --only then prints nothing
  1  they are not";

/// The options of `amiseal iam-policy`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Files with policies, each of one or more YAML documents; - is standard input
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true, num_args = 1..)]
    pub files: Vec<PathBuf>,
    /// In which form the rights are printed
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Form::Json)]
    pub form: Form,
    /// Only the rights in this account
    #[arg(long, value_name = "ID", value_parser = account)]
    pub account: Option<AccountId>,
    /// Only one part of them, as AWS takes it
    #[arg(long, value_enum, value_name = "PART")]
    pub only: Option<Part>,
    /// Only what is new against the policies in these files
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub since: Vec<PathBuf>,
    /// Also print which call needs each statement, and what fails without it
    #[arg(long, conflicts_with = "only")]
    pub explain: bool,
    /// By what the controller has its own role
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Trust::Role)]
    pub trust: Trust,
    /// The ARN of the controller's own role, which the others trust
    #[arg(long, value_name = "ARN", value_parser = role)]
    pub controller: Option<String>,
    /// The ARN of somebody else who may assume the roles, as with amiseal plan
    #[arg(long, value_name = "ARN", value_parser = principal)]
    pub trusted: Vec<String>,
    /// The cluster's OpenID Connect provider without https://, for --trust irsa
    #[arg(long, value_name = "HOST/PATH", value_parser = provider)]
    pub oidc_provider: Option<String>,
    /// The ARN of the cluster, for --trust pod-identity
    #[arg(long, value_name = "ARN", value_parser = cluster)]
    pub cluster: Option<String>,
    /// The controller's namespace
    #[arg(long, value_name = "NAMESPACE", default_value = "amiseal-system")]
    pub namespace: String,
    /// The controller's service account
    #[arg(long, value_name = "NAME", default_value = "amiseal")]
    pub service_account: String,
    /// Who launches from copies and so needs their keys: an account's ID, or the ARN of a role
    #[arg(long, value_name = "ID|ARN", value_parser = launcher)]
    pub launcher: Vec<String>,
    /// Also publish on, and launch from, copies that somebody else has made: they lack amiseal's tag
    #[arg(long)]
    pub copies_of_others: bool,
    /// The ID of a launch template that Auto Scaling groups are set to
    #[arg(long, value_name = "ID", value_parser = template)]
    pub launch_template: Vec<String>,
    /// The ARN of a role that the instances of such groups have
    #[arg(long, value_name = "ARN", value_parser = role)]
    pub instance_role: Vec<String>,
    /// The ARN of the queue that events come from
    #[arg(long, value_name = "ARN", value_parser = queue)]
    pub event_queue: Option<String>,
}

/// The forms of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// All of them, with what each is to be attached to.
    Json,
    /// A template for the role in each account, as for a StackSet.
    Cloudformation,
    /// The same for Terraform and OpenTofu.
    Terraform,
}

/// The parts of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// The permissions policy of the role in an account.
    Permissions,
    /// The trust policy of that role.
    Trust,
    /// The statements for the policy of its key.
    Key,
    /// The permissions policy of the controller's own role.
    Controller,
}

impl From<Part> for rights::Part {
    fn from(part: Part) -> Self {
        match part {
            Part::Permissions => Self::Permissions,
            Part::Trust => Self::Trust,
            Part::Key => Self::Key,
            Part::Controller => Self::Controller,
        }
    }
}

/// By what the controller has its own role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Trust {
    /// In some other way, so that nothing is printed of it.
    Role,
    /// By IAM roles for service accounts.
    Irsa,
    /// By EKS Pod Identity.
    PodIdentity,
}

impl From<Trust> for rights::Trust {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Role => Self::Role,
            Trust::Irsa => Self::Irsa,
            Trust::PodIdentity => Self::PodIdentity,
        }
    }
}

fn role(text: &str) -> Result<String, String> {
    iam_arn(text, &["role/"])
        .ok_or_else(|| "it must be the ARN of a role, such as arn:aws:iam::111122223333:role/amiseal".to_owned())
}

fn principal(text: &str) -> Result<String, String> {
    iam_arn(text, &["role/", "user/", "root"]).ok_or_else(|| {
        "it must be the ARN of a role or a user, such as arn:aws:iam::111122223333:role/engineer".to_owned()
    })
}

fn launcher(text: &str) -> Result<String, String> {
    let account = text.parse::<AccountId>().ok().map(String::from);
    account.or_else(|| iam_arn(text, &["role/", "user/", "root"])).ok_or_else(|| {
        "it must be an AWS account ID of 12 digits, or the ARN of a role, such as arn:aws:iam::111122223333:role/web".to_owned()
    })
}

/// The ARN of an identity of one of these kinds.
fn iam_arn(text: &str, kinds: &[&str]) -> Option<String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let ["arn", partition, "iam", "", account, resource] = parts[..] else {
        return None;
    };
    let is_known = kinds.iter().any(|kind| match resource.strip_prefix(kind) {
        Some(name) => kind.ends_with('/') != name.is_empty(),
        None => false,
    });
    let is_plain = resource
        .bytes()
        .all(|sign| sign.is_ascii_alphanumeric() || b"+=,.@_/-".contains(&sign));
    let is_arn = is_known && is_plain && partition.starts_with("aws") && account.parse::<AccountId>().is_ok();
    is_arn.then(|| text.to_owned())
}

fn provider(text: &str) -> Result<String, String> {
    let is_plain = text
        .bytes()
        .all(|sign| sign.is_ascii_alphanumeric() || b"._/-".contains(&sign));
    if is_plain && text.contains('.') {
        Ok(text.to_owned())
    } else {
        Err("it must be the provider without https://, such as oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE".to_owned())
    }
}

fn cluster(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    match parts[..] {
        ["arn", _, "eks", _, account, resource]
            if account.parse::<AccountId>().is_ok() && resource.starts_with("cluster/") =>
        {
            Ok(text.to_owned())
        }
        _ => Err(
            "it must be the ARN of a cluster, such as arn:aws:eks:eu-west-1:111122223333:cluster/platform".to_owned(),
        ),
    }
}

fn queue(text: &str) -> Result<String, String> {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let is_plain = |name: &str| {
        let is_legal = |sign: u8| sign.is_ascii_alphanumeric() || b"-_.".contains(&sign);
        !name.is_empty() && name.bytes().all(is_legal)
    };
    match parts[..] {
        ["arn", partition, "sqs", region, account, name]
            if partition.starts_with("aws")
                && region.parse::<Region>().is_ok()
                && account.parse::<AccountId>().is_ok()
                && is_plain(name) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("it must be the ARN of a queue, such as arn:aws:sqs:eu-west-1:111122223333:amiseal".to_owned()),
    }
}

fn template(text: &str) -> Result<String, String> {
    let id = text.strip_prefix("lt-").unwrap_or_default();
    if !id.is_empty() && id.bytes().all(|sign| sign.is_ascii_hexdigit()) {
        Ok(text.to_owned())
    } else {
        Err("it must be the ID of a launch template, such as lt-0123456789abcdef0".to_owned())
    }
}

/// Prints the rights, and says what is to be known beside them.
pub fn run(args: &Args) -> Result<ExitCode> {
    let (text, notes) = match text(args) {
        Ok(printed) => printed,
        Err(sentences) => {
            for sentence in sentences {
                tell(&format!("Error: {sentence}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = io::stdout().lock();
    read_or_not(out.write_all(text.as_bytes()).and_then(|()| out.flush())).context("the rights cannot be printed")?;
    for note in notes {
        tell(&format!("Note: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is printed, with what is said beside it; or everything that is wrong.
fn text(args: &Args) -> Result<(String, Vec<String>), Vec<String>> {
    let one = |sentence: String| vec![sentence];
    check(args).map_err(one)?;
    let policies = policy_file::load(&args.files, io::stdin())?;
    let options = options(args);
    let policies = with_account(policies, args.account.as_ref());
    let mut rights = of(&policies, &options, args)?;
    if !args.since.is_empty() {
        let earlier = with_account(policy_file::load(&args.since, io::stdin())?, args.account.as_ref());
        rights = rights::since(rights, &rights::of(&earlier, &options));
    }
    let only = args.only.map(rights::Part::from);
    let is_nothing_new = !args.since.is_empty() && rights.is_empty(only);
    let text = match (args.form, only) {
        // A policy without a statement is none that AWS takes.
        (Form::Json, Some(_)) if is_nothing_new => Ok(String::new()),
        (Form::Json, Some(part)) => rights::part(&rights, part),
        (Form::Json, None) => rights::document(&rights, args.explain),
        (Form::Cloudformation, _) => rights::template(&rights, &options, args.explain),
        (Form::Terraform, _) => rights::configuration(&rights, args.explain),
    };
    let text = text.map_err(one)?;
    if is_nothing_new {
        return Ok((text, vec!["Nothing is new against the policies in --since.".to_owned()]));
    }
    let notes = rights::notes(&rights, &options, only, &text);
    Ok((text, notes))
}

/// Options that make no sense together.
fn check(args: &Args) -> Result<(), String> {
    if args.only.is_some() && args.form != Form::Json {
        return Err("--only prints a part as AWS takes it: leave --as out".to_owned());
    }
    if !args.since.is_empty() && args.form == Form::Cloudformation {
        return Err("a template replaces the one before as a whole: leave --since out, or print --as json".to_owned());
    }
    if args.trust != Trust::Irsa && args.oidc_provider.is_some() {
        return Err("--oidc-provider is for IAM roles for service accounts: add --trust irsa".to_owned());
    }
    if args.trust != Trust::PodIdentity && args.cluster.is_some() {
        return Err("--cluster is for EKS Pod Identity: add --trust pod-identity".to_owned());
    }
    Ok(())
}

fn options(args: &Args) -> Options {
    Options {
        trust: args.trust.into(),
        controller: args.controller.clone(),
        trusted: args.trusted.clone(),
        oidc_provider: args.oidc_provider.clone(),
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone(),
        service_account: args.service_account.clone(),
        launchers: args.launcher.clone(),
        copies_of_others: args.copies_of_others,
        launch_templates: args.launch_template.clone(),
        instance_roles: args.instance_role.clone(),
        event_queue: args.event_queue.clone(),
        is_template: args.form == Form::Cloudformation,
    }
}

/// Policies with the account that is named, where they may have it from AWS Organizations: nothing is read for rights.
fn with_account(policies: Vec<AMIEncryptionPolicy>, account: Option<&AccountId>) -> Vec<AMIEncryptionPolicy> {
    let Some(account) = account else { return policies };
    let with_account = |mut policy: AMIEncryptionPolicy| {
        let from = policy.spec.accounts_from.as_ref();
        let is_excluded = |from: &AccountsFrom| from.exclude.iter().any(|one| one == account.as_str());
        if from.is_some_and(|from| !is_excluded(from)) {
            policy.spec = resolved(&policy.spec, &[account.clone()].into());
        }
        policy
    };
    policies.into_iter().map(with_account).collect()
}

/// The rights of the account that is meant, or of all.
fn of(policies: &[AMIEncryptionPolicy], options: &Options, args: &Args) -> Result<Rights, Vec<String>> {
    let rights = rights::of(policies, options);
    let Some(account) = &args.account else {
        return Ok(rights);
    };
    let rights = rights.of_account(account.as_str());
    if rights.accounts.is_empty() {
        return Err(vec![format!(
            "no policy in these files has the account {account}: correct --account"
        )]);
    }
    Ok(rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_named_by_arns_of_iam_and_nothing_else() {
        let arn = "arn:aws:iam::111122223333:role/path/amiseal";
        assert_eq!(role(arn), Ok(arn.to_owned()));
        assert_eq!(launcher("444455556666"), Ok("444455556666".to_owned()));
        for good in ["arn:aws-cn:iam::111122223333:user/jo", "arn:aws:iam::111122223333:root"] {
            assert_eq!(principal(good), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "amiseal",
            "arn:aws:iam::1111:role/amiseal",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:rooted",
            "arn:aws:sts::111122223333:assumed-role/a/b",
            "arn:aws:iam::111122223333:role/a*",
            "arn:aws:iam::111122223333:role/a\"",
        ] {
            assert!(
                role(bad).is_err() && principal(bad).is_err() && launcher(bad).is_err(),
                "{bad}"
            );
        }
        assert!(role("arn:aws:iam::111122223333:user/jo").is_err());
    }

    #[test]
    fn providers_clusters_and_templates_are_named_as_aws_names_them() {
        assert!(provider("oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE").is_ok());
        assert!(cluster("arn:aws:eks:eu-west-1:111122223333:cluster/platform").is_ok());
        assert!(template("lt-0123456789abcdef0").is_ok());
        assert!(queue("arn:aws-cn:sqs:cn-north-1:111122223333:amiseal.fifo").is_ok());
        for bad in [
            "amiseal",
            "arn:aws:sqs:eu-west-1:111122223333:",
            "arn:aws:sqs:eu-west-1:111122223333:*",
            "arn:aws:sns:eu-west-1:111122223333:amiseal",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/amiseal",
        ] {
            assert!(queue(bad).is_err(), "{bad}");
        }
        for bad in ["", "https://oidc.example.com", "x", "a b.c"] {
            assert!(
                provider(bad).is_err() && cluster(bad).is_err() && template(bad).is_err(),
                "{bad}"
            );
        }
    }
}
