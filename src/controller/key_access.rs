//! Reading who may use a key, as far as it matters.

use std::collections::BTreeSet;

use crate::aws::Session;
use crate::domain::{KeyAccess, KeyArn};
use crate::plan::access::key_reading::KeyReading;
use crate::plan::access::{self, KeyFacts, Principal};

/// Who else is to be asked about than those who are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Others {
    /// Nobody.
    None,
    /// Roles of other accounts, which only grants can let use the key.
    Roles,
}

/// Reads a key's policy, and its grants where the policy alone does not let all of these use it. KMS shows no policy to another account
/// than the key's own: then nothing is asked.
pub(crate) async fn key_access(
    session: &Session,
    key: &KeyArn,
    principals: &BTreeSet<Principal>,
    others: Others,
) -> Option<KeyAccess> {
    Some(Box::pin(key_reading(session, key, principals, others)).await?.access)
}

/// The same, and whether the grants are in it.
pub(crate) async fn key_reading(
    session: &Session,
    key: &KeyArn,
    principals: &BTreeSet<Principal>,
    others: Others,
) -> Option<KeyReading> {
    if *key.account() != session.key().scope.account {
        return None;
    }
    let mut access = KeyAccess {
        policy: session.key_policy(key).await,
        grants: Ok(Vec::new()),
    };
    if let Err(error) = &access.policy {
        tracing::debug!(%key, %error, "could not read a key's policy");
        return Some(KeyReading {
            access,
            has_grants: false,
        });
    }
    let facts = KeyFacts {
        arn: key,
        aws_managed: false,
        access: Some(&access),
    };
    let has_grants = others == Others::Roles || access::asks_for_grants(facts, principals);
    if has_grants {
        access.grants = session.key_grants(key).await;
    }
    Some(KeyReading { access, has_grants })
}
