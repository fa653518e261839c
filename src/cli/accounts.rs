//! The accounts of policies that take them from AWS Organizations, and the regions of those that take all of an account, read with the
//! credentials of whoever runs a command.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::{StreamExt as _, stream};

use super::connection::{Connection, connect};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec};
use crate::aws::{Access, Aws, AwsError, SessionKey};
use crate::domain::{AccountId, Endpoints, Region};
use crate::plan::accounts::{AccountWatch, EVERY, Source, resolved};
use crate::plan::{problem, regions};

/// So many accounts at a time are read for their regions.
const AT_A_TIME: usize = 32;

/// Reads the accounts of the policies that ask for that, and the regions of their accounts, as if they listed them. Nothing is asked where
/// none does. Fails with a sentence for each that cannot be read.
pub(super) async fn resolve(aws: &Aws, policies: &mut [AMIEncryptionPolicy]) -> Result<(), Vec<String>> {
    let mut sentences = Vec::new();
    for policy in policies {
        let name = policy.metadata.name.clone().unwrap_or_default();
        if let Some(source) = Source::of(&policy.spec) {
            match read(aws, &name, policy, &source).await {
                Ok(listed) => policy.spec = resolved(&policy.spec, &listed),
                Err(error) => {
                    let problem = problem::of_error(&error).message;
                    sentences.push(format!(
                        "the accounts of {name} could not be read by spec.accountsFrom: {problem}"
                    ));
                }
            }
        }
        match with_regions(aws, &name, &policy.spec).await {
            Ok(spec) => policy.spec = spec,
            Err(more) => sentences.extend(more),
        }
    }
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

/// The same for a command that asks AWS nothing else.
pub(super) async fn connect_and_resolve(
    policies: &mut [AMIEncryptionPolicy],
    endpoints: Endpoints,
) -> Result<(), Vec<String>> {
    let is_whole =
        |policy: &AMIEncryptionPolicy| policy.spec.accounts_from.is_none() && regions::sources(&policy.spec).is_empty();
    if policies.iter().all(is_whole) {
        return Ok(());
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

/// A policy with the regions of each account of which it takes all.
async fn with_regions(
    aws: &Aws,
    name: &str,
    spec: &AMIEncryptionPolicySpec,
) -> Result<AMIEncryptionPolicySpec, Vec<String>> {
    let reads = stream::iter(regions::sources(spec)).map(|(account, source)| async move {
        let key = SessionKey {
            policy: name.to_owned(),
            scope: source.scope,
            role_arn: source.role_arn,
            external_id: source.external_id,
            access: Access::ReadOnly,
        };
        let answer = Box::pin(aws.session(&key).enabled_regions()).await;
        aws.forget(&key);
        (account, answer)
    });
    let answers: BTreeMap<AccountId, Result<BTreeSet<Region>, AwsError>> =
        reads.buffer_unordered(AT_A_TIME).collect().await;
    let (mut known, mut sentences) = (BTreeMap::new(), Vec::new());
    for (account, answer) in answers {
        match answer {
            Ok(enabled) => {
                known.insert(account, enabled);
            }
            Err(error) => {
                let problem = problem::of_error(&error).message;
                sentences.push(format!(
                    "the regions of {account} in {name} could not be read by allRegions: {problem}"
                ));
            }
        }
    }
    if !sentences.is_empty() {
        return Err(sentences);
    }
    Ok(regions::resolved(spec, |account| {
        known.get(account).cloned().unwrap_or_default()
    }))
}
