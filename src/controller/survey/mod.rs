//! Reading one account and region: what the controller decides on, and what `amiseal plan` and `amiseal report` show.

mod observed;
mod using;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::AMIEncryptionTargetSpec;
use crate::aws::{Access, AwsError, Detail, Session, SessionKey};
use crate::domain::{Inventory, Key, KeyArn, KeyProblem, KeyUsability, Scope};
use crate::plan::obstacle::KeyView;
use crate::plan::source_keys::{self, SourceKeys};

pub(crate) use observed::{Asked, Migrating, beside};
pub(crate) use using::{confirm, consumers, consumers_at_once, query, sharing};

/// What an account and region showed.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Who AWS says we are.
    pub(crate) caller: String,
    /// Images and snapshots.
    pub(crate) inventory: Inventory,
    /// The policy's key. One that cannot be read hinders copying, not counting.
    pub(crate) key: Result<KeyView, AwsError>,
}

/// Reads everything, or fails. Of each image `detail` is kept.
pub(crate) async fn survey(session: &Arc<Session>, key: &str, detail: Detail) -> Result<Survey, AwsError> {
    let caller = session.check_identity().await?.arn;
    let inventory = session.scan_for(detail).await?;
    let key = session.resolve_key(key).await.map(view_of);
    Ok(Survey { caller, inventory, key })
}

/// Reads the keys that originals are encrypted under, and says which of them cannot be used, and which may not be read. What may not be
/// read, time and again, is left out: it may well be usable for whoever copies. What else cannot be read stays as it was `known` to be.
pub(crate) async fn unusable_keys(
    session: &Session,
    keys: &BTreeSet<KeyArn>,
    known: &SourceKeys,
) -> (BTreeMap<KeyArn, KeyProblem>, BTreeSet<KeyArn>) {
    let mut problems = BTreeMap::new();
    let mut denied = BTreeSet::new();
    for key in keys {
        match session.resolve_key(key.as_str()).await {
            Ok(Ok(Key {
                usability: KeyUsability::Unusable(problem),
                ..
            })) => {
                problems.insert(key.clone(), problem);
            }
            // Of another account's key, KMS may say that it is not there to whom it does not show it.
            Ok(Err(KeyProblem::NotFound)) if key.account() == &session.key().scope.account => {
                problems.insert(key.clone(), KeyProblem::NotFound);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%key, %error, "could not read a key that originals are encrypted under");
                if source_keys::is_denial(&error) {
                    denied.insert(key.clone());
                }
                problems.extend(
                    known
                        .after_failed_read(key, &error)
                        .map(|problem| (key.clone(), problem)),
                );
            }
        }
    }
    (problems, denied)
}

/// What KMS's answer says of a key.
pub(crate) fn view_of(answer: Result<Key, KeyProblem>) -> KeyView {
    match answer {
        Ok(key) => KeyView::Known(key),
        Err(problem) => KeyView::Unresolved(problem),
    }
}

/// The session for a target, as the policy says it is to be had.
pub(crate) fn session_key(spec: &AMIEncryptionTargetSpec, scope: &Scope, access: Access) -> SessionKey {
    SessionKey {
        policy: spec.policy.clone(),
        scope: scope.clone(),
        role_arn: spec.role_arn.clone(),
        external_id: spec.external_id.clone(),
        access,
    }
}
