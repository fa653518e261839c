//! Other policies that speak of the same account and region.

use std::collections::HashMap;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::scan::recorded_copy;
use super::{TargetReconciler, is_controlled_by};
use crate::api::{AMIEncryptionTarget, Backups, ImageSelector};
use crate::domain::ImageId;
use crate::plan::classify::{Older, TheirCopies};
use crate::plan::precedence::Precedence;
use crate::plan::select::Selector;

/// What other policies govern.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::controller) struct OtherPolicies {
    /// Sources of their migrations, and whose they are: that policy governs those images until the migration is gone.
    pub(super) contested: HashMap<ImageId, String>,
    /// The copies that these have asked for.
    pub(super) theirs: TheirCopies,
    /// What the older ones select, they govern: their names, and what they select, the oldest first.
    older: Vec<(String, ImageSelector, Backups)>,
}

impl OtherPolicies {
    pub(super) fn older(&self) -> Vec<Older> {
        let older = self.older.iter().map(|(policy, selector, backups)| Older {
            policy: policy.clone(),
            selector: Selector::new(selector, *backups),
        });
        older.collect()
    }
}

impl TargetReconciler<'_> {
    /// Counts the images anew when another policy has come to govern others than it did. Says whether it has.
    pub(super) fn follow_other_policies(&self) {
        let other_policies = self.other_policies();
        let has_changed = self.state(|state| state.classified.is_some() && state.other_policies != other_policies);
        if has_changed {
            self.classify();
        }
    }

    /// Lets the targets of other policies look again: what this one asks for has changed.
    pub(super) fn wake_other_policies(&self) {
        for target in self.neighbours() {
            self.ctx.registry.wake_target(&target);
        }
    }

    /// What other policies govern now.
    pub(super) fn other_policies(&self) -> OtherPolicies {
        let spec = &self.target.spec;
        let record = self.record();
        let others = record
            .iter()
            .filter(|m| m.spec.policy != spec.policy && !is_controlled_by(m, &self.uid));
        let mut other_policies = OtherPolicies::default();
        for migration in others {
            let Ok(source) = migration.spec.source_image_id.parse::<ImageId>() else {
                continue;
            };
            let theirs = &mut other_policies.theirs;
            let copy = recorded_copy(migration);
            theirs
                .recorded
                .extend(copy.map(|copy| (copy, migration.spec.policy.clone())));
            if let Ok(key) = migration.spec.key_arn.parse() {
                theirs.keys.insert(source.clone(), key);
            }
            other_policies.contested.insert(source, migration.spec.policy.clone());
        }
        let selects = |older: &Arc<AMIEncryptionTarget>| {
            let spec = &older.spec;
            (spec.policy.clone(), spec.image_selector.clone(), spec.backups)
        };
        let older = self.older_targets().unwrap_or_default();
        other_policies.older = older.iter().map(selects).collect();
        other_policies
    }

    /// The targets of older policies in this account and region, the oldest first: that one governs what several of them ask for. None
    /// where it is not known how old this policy is.
    pub(super) fn older_targets(&self) -> Option<Vec<Arc<AMIEncryptionTarget>>> {
        let spec = &self.target.spec;
        let age = |policy: &str| {
            let policy = self.ctx.policies.get(&ObjectRef::new(policy))?;
            Some(Precedence::of(&policy.metadata, 0))
        };
        let ours = age(&spec.policy)?;
        let is_older = |theirs: &AMIEncryptionTarget| {
            theirs.spec.policy != spec.policy && age(&theirs.spec.policy).is_some_and(|theirs| theirs < ours)
        };
        let mut older = self.ctx.targets_by_scope.of(&self.scope);
        older.retain(|theirs| is_older(theirs));
        older.sort_by_cached_key(|theirs| age(&theirs.spec.policy));
        Some(older)
    }

    /// The names of the targets of this account and region, but for this one.
    fn neighbours(&self) -> Vec<String> {
        let targets = self.ctx.targets_by_scope.of(&self.scope);
        let others = targets.iter().map(|target| target.name_any());
        others.filter(|name| *name != self.name).collect()
    }
}
