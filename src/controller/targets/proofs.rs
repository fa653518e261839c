//! Instances that copies were proven by, and that nobody has on record any more: found again by their tags and client tokens, and
//! terminated.

use std::collections::{BTreeSet, HashSet};

use kube::ResourceExt;

use super::TargetReconciler;
use crate::api::Mode;
use crate::api::labels::TAG_VALIDATES;
use crate::aws::{AwsError, Session};
use crate::controller::{Context, migrations};
use crate::plan::proof;

impl TargetReconciler<'_> {
    /// Looks for instances that are left over, when that is due: after each scan where the policy asks for proofs, while instances
    /// are under way, and once after that.
    pub(super) async fn follow_proofs(&self, has_scanned: bool) {
        let now = self.ctx.clock.now();
        let under_way: BTreeSet<String> = self
            .migrations
            .iter()
            .filter(|m| {
                m.status
                    .as_ref()
                    .is_some_and(|status| proof::under_way(status).is_some())
            })
            .filter_map(|m| m.uid())
            .collect();
        let there: HashSet<String> = self.migrations.iter().filter_map(|m| m.uid()).collect();
        let asks = self.target.spec.validation.launch.is_some();
        let is_due = self.state(|state| {
            state.proofs.observe(under_way, |uid| there.contains(uid), now);
            if has_scanned && asks {
                state.proofs.soon(now);
            }
            state.proofs.is_due(now)
        });
        if !is_due {
            return;
        }
        let ended = end_leftovers(self.ctx, &self.session).await;
        self.state(|state| state.proofs.looked(ended.is_err(), now));
        if let Err(error) = ended {
            self.note(&error);
            tracing::warn!(%error, "could not look for instances that are left over");
        }
    }
}

/// Terminates every instance of the account and region that amiseal has launched to prove a copy by, and that is not under way by
/// any record, or is beyond its time.
pub(in crate::controller) async fn end_leftovers(ctx: &Context, session: &Session) -> Result<(), AwsError> {
    let scope = &session.key().scope;
    let mut instances = session.instances_tagged(TAG_VALIDATES).await?;
    if instances.is_empty() {
        return Ok(());
    }
    // After the instances were read: what was launched is on record before.
    let (mut live, mut kept) = (HashSet::new(), HashSet::new());
    for migration in ctx.migrations_by_scope.of(scope) {
        let launch = migration.status.as_ref().and_then(proof::under_way);
        if let (Some(launch), Some(target)) = (launch, migrations::owner(&migration, ctx)) {
            let may_write = target.spec.mode == Mode::Enforce && !target.spec.suspend;
            let tokens = if may_write { &mut live } else { &mut kept };
            tokens.insert(launch.client_token.clone());
        }
    }
    // Hands are kept off those of a policy that is suspended, whichever policy looks.
    instances.retain(|instance| {
        instance
            .client_token
            .as_deref()
            .is_none_or(|token| !kept.contains(token))
    });
    for instance in proof::leftovers(scope, &instances, &live, ctx.clock.now()) {
        session.terminate(&instance.id).await?;
        tracing::warn!(instance = %instance.id, copy = %instance.image, "terminated an instance that was left over from a proof");
    }
    Ok(())
}
