//! `amiseal guardrails`: what holds where, and the documents by which AWS Organizations holds it.

mod args;
mod table;

use std::collections::BTreeSet;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::accounts::{self, Unread};
use super::listing::all;
use super::output::{read_or_not, tell};
use super::policy_file;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget};
use crate::domain::AccountId;
use crate::plan::accounts::resolved;
use crate::plan::guardrails_report::{
    Filter, Printed, Row, declarative_policy, enforced, rows, service_control_policy,
};
use crate::plan::{expand, regions};

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
        (Ok(()), None) => runtime
            .block_on(Box::pin(listed(args)))
            .map(|printed| (printed, Vec::new()))
            .map_err(one),
    };
    let (Printed { text, notes }, missing) = match printed {
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
    for sentence in &missing {
        tell(&format!("Error: {sentence} The document is without this account."));
    }
    Ok(match missing.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
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

/// What is read for a document.
struct Read {
    policies: Vec<AMIEncryptionPolicy>,
    /// What is known of their accounts and regions.
    rows: Vec<Row>,
    /// What is to be known of what was not read.
    notes: Vec<String>,
    /// A sentence for each account that nothing is printed for.
    missing: Vec<String>,
}

/// A document for what the policies enforce, and a sentence for each account that it is without.
async fn document(args: &Args, form: Form) -> Result<(Printed, Vec<String>), Vec<String>> {
    let filter = args.filter();
    let read = match args.files.is_empty() {
        true => in_cluster(args).await.map_err(|sentence| vec![sentence])?,
        false => in_files(args).await?,
    };
    let Read {
        policies,
        rows,
        notes,
        missing,
    } = read;
    let printed = match form {
        Form::DeclarativePolicy => declarative_policy(&policies, &rows, &filter, args.declarative()),
        Form::Scp => {
            let accounts = enforced(&policies, &filter, args.allowed_images.is_some());
            service_control_policy(&accounts, &args.except)
        }
    };
    match printed {
        Ok(mut printed) => {
            printed.notes.extend(notes);
            Ok((printed, missing))
        }
        // Where nothing could be read, that nothing is enforced would be wrong.
        Err(_) if !missing.is_empty() && !is_anything_meant(&policies, &filter) => Err(missing),
        Err(sentence) => Err(missing.into_iter().chain([sentence]).collect()),
    }
}

fn is_anything_meant(policies: &[AMIEncryptionPolicy], filter: &Filter) -> bool {
    let mut targets = policies.iter().flat_map(|policy| {
        let name = policy.metadata.name.as_deref().unwrap_or_default();
        expand::targets(name, &policy.spec)
    });
    targets.any(|target| filter.takes(&target.policy, &target.account_id, &target.region))
}

/// The policies of files, with the accounts and regions that AWS shows. One whose regions could not be read has no part in a document:
/// what it enforces where is not known.
async fn in_files(args: &Args) -> Result<Read, Vec<String>> {
    let mut policies = policy_file::load(&args.files, io::stdin())?;
    let unread = accounts::connect_and_resolve(&mut policies, args.endpoints.into()).await?;
    for policy in &mut policies {
        let name = policy.metadata.name.as_deref();
        let of_policy = unread.iter().filter(|one| name == Some(one.target.policy.as_str()));
        let of_policy: BTreeSet<AccountId> = of_policy.map(|one| one.account.clone()).collect();
        if !of_policy.is_empty() {
            policy.spec = regions::without_targets(&policy.spec, &of_policy);
        }
    }
    let filter = args.filter();
    let meant = unread
        .iter()
        .filter(|one| filter.takes_account(&one.target.policy, one.account.as_str()));
    Ok(Read {
        policies,
        rows: Vec::new(),
        notes: Vec::new(),
        missing: meant.map(Unread::sentence).collect(),
    })
}

/// The policies of the cluster, and what is known of their accounts and regions.
async fn in_cluster(args: &Args) -> Result<Read, String> {
    let client = args.cluster.client().await?;
    let policies = all::<AMIEncryptionPolicy>(&client, POLICIES, None).await?;
    let targets = all::<AMIEncryptionTarget>(&client, TARGETS, None).await?;
    let filter = args.filter();
    let notes = policies.iter().filter_map(|policy| not_read(policy, &filter)).collect();
    let policies = policies
        .into_iter()
        .map(|policy| with_regions(with_accounts(policy, &targets), &targets));
    Ok(Read {
        policies: policies.collect(),
        rows: rows(&targets, &filter),
        notes,
        missing: Vec::new(),
    })
}

/// That the controller has not read all accounts of a policy, or not the regions of all.
fn not_read(policy: &AMIEncryptionPolicy, filter: &Filter) -> Option<String> {
    let name = policy.metadata.name.as_deref().unwrap_or_default();
    if filter.policy.as_ref().is_some_and(|wanted| wanted != name) {
        return None;
    }
    let status = policy.status.as_ref();
    if policy.spec.accounts_from.is_some() && status.is_none_or(|status| status.accounts.is_none()) {
        return Some(format!(
            "amiseal has not read yet which accounts {name} has: the document may be without some. See the policy's AccountsKnown."
        ));
    }
    let unread = status
        .and_then(|status| status.regions.as_ref())
        .map_or(0, |counts| counts.unread);
    (unread > 0).then(|| {
        format!(
            "amiseal has not read yet which regions {unread} accounts of {name} have: the document may be without them. See the \
             policy's RegionsKnown."
        )
    })
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
