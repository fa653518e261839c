//! `amiseal check`: whether the controller can do its work here, as the identity that it would do it with.
//!
//! `helm test` runs it. It changes nothing, neither in the cluster nor in AWS.

mod aws;
mod cluster;
mod shards;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::connection::EndpointArgs;
use super::output::read_or_not;
use super::run;
use crate::api::{AMIEncryptionPolicy, Duration as Text};
use crate::plan::usage::objects::{DEFAULT, ObjectKinds};

pub(crate) use cluster::unreadable;
pub use cluster::{FOR_PROOF_JOBS, MAP_RIGHTS, Optional, Place, RIGHTS, Right, to_list};

const EXAMPLES: &str = "\
Examples:
  amiseal check --namespace amiseal-system

  # STS of two regions, and shards that may take a while
  amiseal check --namespace amiseal-system --region eu-west-1 --region us-east-1 --timeout 5m

Exit status:
  0  the controller can do its work
  1  it cannot: a line FAIL says what it lacks";

/// The options of `amiseal check`.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The namespace of the Leases; default: the one this process runs in
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,
    /// How many shards there are, as of the replicas
    #[arg(long, default_value_t = 16, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub shards: u16,
    /// A region whose STS is asked; repeat it. Default: those that policies name, else the environment's
    #[arg(long = "region", value_name = "REGION")]
    pub regions: Vec<String>,
    /// How long a Lease lasts, as of the replicas: who lives renews it every third of that
    #[arg(long, default_value = "15s", value_name = "DURATION", value_parser = run::lease_duration)]
    pub lease_duration: Text,
    /// How long to wait until each shard is held by a replica that lives, 1s to 1h; default: --lease-duration, at least 1m
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    pub timeout: Option<Text>,
    /// Which objects of this cluster launch images, as of the replicas: the right to list them is asked about
    #[arg(long, default_value = DEFAULT, hide_default_value = true, value_name = "JSON")]
    pub cluster_consumers: ObjectKinds,
    /// Ask about the rights to prove copies by Jobs too; they are asked about anyway where a policy has validation.job
    #[arg(long)]
    pub proof_jobs: bool,
    #[command(flatten)]
    #[allow(missing_docs, reason = "clap would print it as help")]
    pub endpoints: EndpointArgs,
}

impl Args {
    /// What is not said is long enough for each Lease to be renewed.
    fn timeout(&self) -> Text {
        self.timeout.unwrap_or(self.lease_duration.max(Text::from_mins(1)))
    }
}

fn timeout(text: &str) -> Result<Text, String> {
    run::between(text, Text::from_secs(1), Text::from_mins(60))
}

/// What one question came to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Finding {
    what: String,
    said: Result<String, String>,
}

impl Finding {
    fn new(what: impl Into<String>, said: Result<String, String>) -> Self {
        Self {
            what: what.into(),
            said,
        }
    }

    fn line(&self) -> String {
        match &self.said {
            Ok(said) => format!("ok    {}: {said}", self.what),
            Err(why) => format!("FAIL  {}: {why}", self.what),
        }
    }
}

/// Asks, and prints a line for each answer as it comes. The exit status is 1 when one is a failure.
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut failures = 0;
    let mut printed = Ok(());
    runtime.block_on(Box::pin(ask(args, &mut |finding| {
        failures += usize::from(finding.said.is_err());
        if printed.is_ok() {
            printed = writeln!(io::stdout(), "{}", finding.line());
        }
    })))?;
    read_or_not(printed).context("the answers cannot be printed")?;
    Ok(if failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn ask(args: &Args, tell: &mut dyn FnMut(Finding)) -> Result<()> {
    let (client, namespace) = run::cluster(args.namespace.as_deref()).await?;
    let policies = match cluster::policies(&client).await {
        Ok(policies) => {
            for finding in cluster::kinds(&client, policies.as_deref()).await {
                tell(finding);
            }
            let policies_ask = |asks: fn(&AMIEncryptionPolicy) -> bool| policies.iter().flatten().any(asks);
            let optional = Optional {
                maps: policies_ask(|policy| {
                    let map = policy.spec.promotion.map.as_ref();
                    map.is_some_and(|map| map.config_map.is_some())
                }),
                proof_jobs: args.proof_jobs || policies_ask(|policy| policy.spec.validation.job.is_some()),
            };
            tell(cluster::rights(&client, &namespace, &args.cluster_consumers.0, optional).await);
            let (timeout, lease) = (args.timeout().as_std(), args.lease_duration);
            tell(shards::held(&client, &namespace, args.shards, lease, timeout).await);
            policies.unwrap_or_default()
        }
        // Every other question would wait as long, and say the same.
        Err(unreachable) => {
            tell(unreachable);
            Vec::new()
        }
    };
    Box::pin(aws::reached(&args.regions, args.endpoints.into(), &policies, tell)).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Args as _;
    use clap::FromArgMatches as _;

    use super::*;

    #[test]
    fn a_line_says_what_was_asked_and_how_it_went() {
        let good = Finding::new("shards", Ok("all 16 are held".to_owned()));
        let bad = Finding::new("AWS in eu-west-1", Err("no answer".to_owned()));
        assert_eq!(good.line(), "ok    shards: all 16 are held");
        assert_eq!(bad.line(), "FAIL  AWS in eu-west-1: no answer");
    }

    #[test]
    fn a_time_that_cannot_be_meant_is_refused() {
        assert_eq!(timeout("1h"), Ok(Text::from_mins(60)));
        for text in ["0s", "61m", "soon"] {
            assert!(timeout(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_replicas_have_the_time_that_is_named_else_a_lease_and_at_least_a_minute() {
        for (given, expected) in [
            (&[][..], Text::from_mins(1)),
            (&["--lease-duration=3s"], Text::from_mins(1)),
            (&["--lease-duration=10m"], Text::from_mins(10)),
            (&["--lease-duration=10m", "--timeout=20s"], Text::from_secs(20)),
        ] {
            let command = Args::augment_args(clap::Command::new("check").no_binary_name(true));
            let matches = command.try_get_matches_from(given).expect("options");
            let args = Args::from_arg_matches(&matches).expect("options");
            assert_eq!(args.timeout(), expected, "{given:?}");
        }
    }
}
