//! What is wrong in an account and region, by the thresholds of its policy.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::survey::{Asked, Migrating, beside};
use super::usage::Known;
use crate::api::conditions::reason;
use crate::api::{AMIEncryptionTarget, AuditSettings, FindingsStatus, UnusedSettings};
use crate::domain::{AccountId, ImageId, Origin, Scope};
use crate::plan::findings::{PolicyKey, Thresholds, record};
use crate::plan::obstacle::{self, KeyView, Problem};
use crate::plan::select::Selector;
use crate::plan::usage::keys::CopyKey;
use crate::plan::usage::{Picture, is_passing};

/// What is looked into.
pub(super) struct Examined<'a> {
    /// The accounts of the policy.
    pub(super) accounts: BTreeSet<AccountId>,
    pub(super) settings: &'a AuditSettings,
    pub(super) unused: &'a UnusedSettings,
    pub(super) scope: &'a Scope,
    pub(super) known: &'a Known,
    /// The originals of its migrations.
    pub(super) originals: &'a [ImageId],
    /// Until when the inventory is known.
    pub(super) now: Timestamp,
    /// When the reading began, or the scan that it is on.
    pub(super) began: Timestamp,
    /// The generation of the target whose settings these are.
    pub(super) generation: Option<i64>,
}

impl Examined<'_> {
    /// Reads what else findings are looked for in, and looks. Says besides whether something is lacking for a fault that passes by
    /// itself.
    pub(super) async fn findings(
        &self,
        picture: &mut Picture,
        origins: HashMap<Box<str>, Origin>,
    ) -> (Option<FindingsStatus>, bool) {
        let thresholds = Thresholds::of_policy(self.settings, self.unused, self.accounts.clone());
        let asked = Asked {
            scope: self.scope,
            inventory: &self.known.inventory,
            thresholds: &thresholds,
            now: self.now,
        };
        let key = self.known.key.clone();
        let copy_key = self.known.copy_key.as_ref();
        let migrating = copy_key.map(|key| Migrating {
            key,
            images: self.originals,
        });
        let session = &self.known.session;
        let observed = Box::pin(beside(session, asked, picture, origins, Some(key), migrating)).await;
        picture.copy_key = copy_key.and_then(|key| {
            Some(CopyKey {
                arn: key.clone(),
                access: observed.key_access.get(key)?.clone(),
            })
        });
        let passes = observed.passes() || picture.shared_unread.values().any(is_passing);
        let subject = asked.subject(picture, &observed);
        let before = self.known.findings.as_deref();
        let findings = FindingsStatus {
            observed_generation: self.generation,
            ..record::of_target(subject, before, self.began)
        };
        (Some(findings), passes)
    }
}

/// What is known of the key that a policy names.
pub(super) fn policy_key(target: &AMIEncryptionTarget, view: &KeyView, problem: Option<&Problem>) -> PolicyKey {
    let spec = &target.spec;
    let unknown = || Problem::new(reason::INITIALIZING, "The policy's key was not read yet.");
    let key = match view {
        KeyView::Known(key) => Ok(key.arn.clone()),
        KeyView::Unresolved(problem) => Err(obstacle::of_key(*problem, &spec.kms_key_id)),
        KeyView::Unknown => Err(problem.cloned().unwrap_or_else(unknown)),
    };
    PolicyKey {
        named: spec.kms_key_id.clone(),
        key,
        selector: Selector::new(&spec.image_selector, spec.backups),
    }
}
