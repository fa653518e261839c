//! `amiseal guardrails`: what holds where, and the documents by which AWS Organizations holds it.

mod args;
mod table;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::accounts;
use super::listing::all;
use super::output::{read_or_not, tell};
use super::policy_file;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget};
use crate::plan::accounts::resolved;
use crate::plan::guardrails_report::{Printed, Row, declarative_policy, enforced, rows, service_control_policy};
use crate::plan::regions;

pub use args::{AllowedImages, Args, Form, Output, Snapshots};

const TARGETS: &str = "amiencryptiontargets";
const POLICIES: &str = "amiencryptionpolicies";

#[derive(Serialize)]
struct Document<'a> {
    guardrails: &'a [Row],
}

/// Prints the guardrails, or a document for AWS Organizations with what is to be known besides.
pub fn run(args: &Args) -> Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let one = |sentence: String| vec![sentence];
    let printed = match (args.check(), args.form) {
        (Err(sentence), _) => Err(one(sentence)),
        (Ok(()), Some(form)) => runtime.block_on(Box::pin(document(args, form))),
        (Ok(()), None) => runtime.block_on(Box::pin(listed(args))).map_err(one),
    };
    let Printed { text, notes } = match printed {
        Ok(printed) => printed,
        Err(sentences) => {
            for sentence in sentences {
                tell(&format!("Error: {sentence}"));
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut out = io::stdout().lock();
    read_or_not(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
        .context("the guardrails cannot be printed")?;
    for note in notes {
        tell(&format!("Note: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// What is known of each account and region.
async fn listed(args: &Args) -> Result<Printed, String> {
    let client = args.cluster.client().await?;
    let targets = all::<AMIEncryptionTarget>(&client, TARGETS, None).await?;
    let rows = rows(&targets, &args.filter());
    let document = Document { guardrails: &rows };
    let text = match args.output {
        Output::Table => table::table(&rows),
        Output::Json => serde_json::to_string_pretty(&document).map_err(|error| error.to_string())? + "\n",
        Output::Yaml => serde_saphyr::to_string(&document).map_err(|error| error.to_string())?,
    };
    let notes = match rows.is_empty() {
        true => vec!["There are no such targets: kubectl get aet lists them.".to_owned()],
        false => Vec::new(),
    };
    Ok(Printed { text, notes })
}

/// A document for what the policies enforce.
async fn document(args: &Args, form: Form) -> Result<Printed, Vec<String>> {
    let one = |sentence: String| vec![sentence];
    let filter = args.filter();
    let (policies, rows) = match args.files.is_empty() {
        true => in_cluster(args).await.map_err(one)?,
        false => {
            let mut policies = policy_file::load(&args.files, io::stdin())?;
            accounts::connect_and_resolve(&mut policies, args.endpoints.into()).await?;
            (policies, Vec::new())
        }
    };
    let printed = match form {
        Form::DeclarativePolicy => declarative_policy(&policies, &rows, &filter, args.declarative()),
        Form::Scp => {
            let accounts = enforced(&policies, &filter, args.allowed_images.is_some());
            service_control_policy(&accounts, &args.except)
        }
    };
    printed.map_err(one)
}

/// The policies of the cluster, and what is known of their accounts and regions.
async fn in_cluster(args: &Args) -> Result<(Vec<AMIEncryptionPolicy>, Vec<Row>), String> {
    let client = args.cluster.client().await?;
    let policies = all::<AMIEncryptionPolicy>(&client, POLICIES, None).await?;
    let targets = all::<AMIEncryptionTarget>(&client, TARGETS, None).await?;
    let policies = policies
        .into_iter()
        .map(|policy| with_regions(with_accounts(policy, &targets), &targets));
    Ok((policies.collect(), rows(&targets, &args.filter())))
}

/// A policy with the accounts that it has targets in, where AWS Organizations lists them: the controller has read these.
fn with_accounts(mut policy: AMIEncryptionPolicy, targets: &[AMIEncryptionTarget]) -> AMIEncryptionPolicy {
    if policy.spec.accounts_from.is_some() {
        let of_policy = |target: &&AMIEncryptionTarget| Some(&target.spec.policy) == policy.metadata.name.as_ref();
        let accounts = targets.iter().filter(of_policy);
        let accounts = accounts
            .filter_map(|target| target.spec.account_id.parse().ok())
            .collect();
        policy.spec = resolved(&policy.spec, &accounts);
    }
    policy
}

/// A policy with the regions that it has targets in, where it takes all of an account: the controller has read these too.
fn with_regions(mut policy: AMIEncryptionPolicy, targets: &[AMIEncryptionTarget]) -> AMIEncryptionPolicy {
    let name = policy.metadata.name.clone().unwrap_or_default();
    policy.spec = regions::resolved(&policy.spec, |account| {
        let of_account = targets.iter().filter(|target| {
            let spec = &target.spec;
            spec.policy == name && spec.account_id == account.as_str()
        });
        of_account
            .filter_map(|target| target.spec.region.parse().ok())
            .collect()
    });
    policy
}
