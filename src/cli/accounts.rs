//! The accounts of policies that take them from AWS Organizations, and the regions of those that take all of an account, read with the
//! credentials of whoever runs a command.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, stream};

use super::connection::{Connection, connect};
use super::words;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec, AMIEncryptionTargetSpec};
use crate::aws::{Access, Aws, AwsError, SessionKey};
use crate::domain::{AccountId, Endpoints, Region};
use crate::plan::accounts::{AccountWatch, EVERY, Source, resolved};
use crate::plan::obstacle::Problem;
use crate::plan::{problem, regions};

/// So many accounts at a time are read for their regions.
const AT_A_TIME: usize = 32;

/// An account of which a policy takes all regions, where these could not be read. The policy has only those there that it lists.
#[derive(Debug)]
pub(super) struct Unread {
    /// The account.
    pub(super) account: AccountId,
    /// What stands for its targets in the regions that are not known.
    pub(super) target: AMIEncryptionTargetSpec,
    /// Why.
    why: Problem,
}

impl Unread {
    /// What is to be said of it in a report, which has what the policy lists there.
    pub(super) fn problem(&self) -> Problem {
        let said = "The regions of the account could not be read by allRegions: those that the policy does not list are missing here.";
        Problem::new(self.why.reason, format!("{said} {}", self.why.message))
    }

    /// The same where nothing else is printed of the account.
    pub(super) fn sentence(&self) -> String {
        format!(
            "the regions of {} in {} could not be read by allRegions: {}",
            self.account, self.target.policy, self.why.message
        )
    }
}

/// Reads the accounts of the policies that ask for that, and the regions of their accounts, as if they listed them. Nothing is asked where
/// none does. Gives the accounts whose regions could not be read. Fails with a sentence for each policy whose accounts could not be: which
/// ones are missing then, nobody can say.
pub(super) async fn resolve(aws: &Aws, policies: &mut [AMIEncryptionPolicy]) -> Result<Vec<Unread>, Vec<String>> {
    let (mut unread, mut sentences) = (Vec::new(), Vec::new());
    for policy in policies {
        let name = policy.metadata.name.clone().unwrap_or_default();
        if let Some(source) = Source::of(&policy.spec, aws.own_partition()) {
            match read(aws, &name, policy, &source).await {
                Ok(listed) => policy.spec = resolved(&policy.spec, &listed),
                Err(error) => {
                    let problem = problem::of_error(&error).message;
                    let doubt = source.doubt(&error).map_or(String::new(), |doubt| format!(" {doubt}"));
                    sentences.push(format!(
                        "the accounts of {name} could not be read by spec.accountsFrom: {problem}{doubt}"
                    ));
                }
            }
        }
        let (spec, more) = with_regions(aws, &name, &policy.spec).await;
        policy.spec = spec;
        unread.extend(more);
    }
    if sentences.is_empty() {
        return Ok(unread);
    }
    sentences.extend(unread.iter().map(Unread::sentence));
    Err(sentences)
}

/// The same for a command that asks AWS nothing else.
pub(super) async fn connect_and_resolve(
    policies: &mut [AMIEncryptionPolicy],
    endpoints: Endpoints,
) -> Result<Vec<Unread>, Vec<String>> {
    let is_whole = |policy: &AMIEncryptionPolicy| {
        policy.spec.accounts_from.is_none() && regions::sources(&policy.spec, None).is_empty()
    };
    if policies.iter().all(is_whole) {
        return Ok(Vec::new());
    }
    let connection = Connection {
        dry_runs: false,
        share: 0.5,
        read_timeout: Duration::from_secs(60),
        endpoints,
    };
    let aws = Box::pin(connect(connection)).await;
    let aws = aws.map_err(|error| vec![format!("{error:#}")])?;
    Box::pin(resolve(&aws, policies)).await
}

async fn read(
    aws: &Aws,
    name: &str,
    policy: &AMIEncryptionPolicy,
    source: &Source,
) -> Result<BTreeSet<AccountId>, AwsError> {
    let session = aws.organizations(name, source.partition, source.role()).await?;
    let listed = session.accounts(&source.of).await?;
    let mut watch = AccountWatch::default();
    watch.ask(source, None, BTreeSet::new);
    watch.listed(listed, jiff::Timestamp::UNIX_EPOCH, EVERY);
    let from = policy.spec.accounts_from.as_ref();
    Ok(from.map(|from| watch.accounts(from)).unwrap_or_default())
}

/// A policy with the regions of each account of which it takes all, and the accounts of which they could not be read.
async fn with_regions(aws: &Aws, name: &str, spec: &AMIEncryptionPolicySpec) -> (AMIEncryptionPolicySpec, Vec<Unread>) {
    let sources = regions::sources(spec, aws.own_partition());
    let reads = stream::iter(sources).map(|(account, source)| async move {
        let key = SessionKey {
            policy: name.to_owned(),
            scope: source.scope.clone(),
            role_arn: source.role_arn.clone(),
            external_id: source.external_id.clone(),
            access: Access::ReadOnly,
        };
        let answer = Box::pin(aws.session(&key).enabled_regions()).await;
        aws.forget(&key);
        (account, answer.map_err(|error| problem_of(&error, &source)))
    });
    let answers: BTreeMap<AccountId, Result<BTreeSet<Region>, Problem>> =
        reads.buffer_unordered(AT_A_TIME).collect().await;
    let (mut known, mut problems) = (BTreeMap::new(), BTreeMap::new());
    for (account, answer) in answers {
        match answer {
            Ok(enabled) => {
                known.insert(account, enabled);
            }
            Err(problem) => {
                problems.insert(account, problem);
            }
        }
    }
    let failed: BTreeSet<AccountId> = problems.keys().cloned().collect();
    let targets = regions::in_place_of_unread(name, spec, &failed).into_iter();
    let unread = targets.filter_map(|target| {
        let account: AccountId = target.account_id.parse().ok()?;
        let why = problems.remove(&account)?;
        Some(Unread { account, target, why })
    });
    let unread = unread.collect();
    let resolved = regions::resolved(spec, |account| known.get(account).cloned().unwrap_or_default());
    (resolved, unread)
}

/// Why the regions of an account could not be read.
fn problem_of(error: &AwsError, source: &regions::Source) -> Problem {
    let problem = words::of_error(error, &source.scope);
    match source.doubt(error) {
        Some(doubt) => Problem::new(problem.reason, format!("{} {doubt}", problem.message)),
        None => problem,
    }
}
