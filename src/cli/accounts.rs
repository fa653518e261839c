//! The accounts of policies that take them from AWS Organizations, read with the credentials of whoever runs a command.

use std::collections::BTreeSet;
use std::time::Duration;

use super::connection::{Connection, connect};
use crate::api::AMIEncryptionPolicy;
use crate::aws::{Aws, AwsError};
use crate::domain::{AccountId, Endpoints};
use crate::plan::accounts::{AccountWatch, EVERY, Source, resolved};
use crate::plan::problem;

/// Reads the accounts of the policies that ask for that, as if they listed them. Nothing is asked where none does. Fails with a
/// sentence for each that cannot be read.
pub(super) async fn resolve(aws: &Aws, policies: &mut [AMIEncryptionPolicy]) -> Result<(), Vec<String>> {
    let mut sentences = Vec::new();
    for policy in policies {
        let Some(source) = Source::of(&policy.spec) else {
            continue;
        };
        let name = policy.metadata.name.clone().unwrap_or_default();
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
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

/// The same for a command that asks AWS nothing else.
pub(super) async fn connect_and_resolve(
    policies: &mut [AMIEncryptionPolicy],
    endpoints: Endpoints,
) -> Result<(), Vec<String>> {
    if policies.iter().all(|policy| policy.spec.accounts_from.is_none()) {
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
    resolve(&aws, policies).await
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
