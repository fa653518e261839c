//! Policies: expands each into its targets, removes those that it no longer names, and sums up their status.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::runtime::controller::Action;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Resource, ResourceExt};

use super::Context;
use super::accounts::Kept;
use super::apply::{FIELD_MANAGER, Outcome, is_conflict, is_not_found, write_status};
use super::{accounts, maps, regions};
use crate::api::{
    AMIEncryptionPolicy, AMIEncryptionPolicyStatus, AMIEncryptionTarget, AMIEncryptionTargetSpec, conditions, labels,
};
use crate::aws::{Cause, PolicyGate};
use crate::plan::accounts::status as say_accounts;
use crate::plan::allowance::Urgency;
use crate::plan::map::say::Said;
use crate::plan::regions::{RegionWatches, status as say_regions};
use crate::plan::{expand, permissions, status};

/// How long to wait for the targets of a deleted policy of the same name to be collected.
const COLLECTED_AFTER: Duration = Duration::from_secs(2);

/// So many targets are made or changed in one visit, and as many deleted. A policy may have thousands, and its status says between two
/// visits how far it is.
const AT_A_VISIT: usize = 300;

/// How long until the next ones, so that the watch shows those that were made.
const GO_ON_AFTER: Duration = Duration::from_millis(250);

/// The least time between two writes of a policy's status.
const WRITES_APART: Duration = Duration::from_secs(1);

/// Brings a policy's targets and status up to date.
pub(super) async fn reconcile(policy: Arc<AMIEncryptionPolicy>, ctx: Arc<Context>) -> Result<Action, kube::Error> {
    if policy.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = policy.name_any();
    let kept = accounts::keep(&ctx, &policy).await;
    if kept.watch.is_some() && is_former(&ctx, &policy) {
        // Accounts may take minutes to read, and what has changed meanwhile leads here again.
        return Ok(Action::await_change());
    }
    // Regions are read beside the visits to policies: an account that does not answer holds up none.
    let (resolved, watches) = regions::resolve(&ctx, &policy, &kept.spec);
    let wanted: Wanted = expand::targets(&name, &resolved)
        .into_iter()
        .map(|spec| (labels::target_name(&name, &spec.account_id, &spec.region), spec))
        .collect();
    let present = ctx.targets.state_filter(|target| target.spec.policy == name);
    let (mut ours, others): (Vec<_>, Vec<_>) = present.into_iter().partition(|t| is_made_by(t, &policy));
    // The order is that of a hash table, and must make no difference.
    ours.sort_by_cached_key(|target| target.name_any());
    // Where one target cannot be made, the status and the map are kept all the same.
    let adjusted = adjust_targets(&ctx, &policy, &wanted, &ours, &others).await;
    let (mut decided, of_parameters) = decide(&ctx, &policy, &wanted, &ours, &kept, watches.as_ref());
    let mapped = maps::keep(&ctx, &policy, &mut decided, of_parameters).await;
    // What has become of the map is put on record also where it could not be kept.
    let recorded = record(&ctx, &policy, &decided).await?;
    let wait = recorded.or(adjusted?);
    Ok(match [wait, mapped?, kept.again].into_iter().flatten().min() {
        Some(wait) => Action::requeue(ctx.clock.to_real_time(wait)),
        None => Action::await_change(),
    })
}

/// Whether the watch shows another spec than this, or no such policy any more.
fn is_former(ctx: &Context, policy: &AMIEncryptionPolicy) -> bool {
    let now = ctx.policies.get(&ObjectRef::new(&policy.name_any()));
    now.is_none_or(|now| now.uid() != policy.uid() || now.metadata.generation != policy.metadata.generation)
}

/// Targets by their names.
type Wanted = HashMap<String, AMIEncryptionTargetSpec>;

/// Applies the targets that are wanted and deletes those that no longer are, so many of them at a time. Says how long to wait for the
/// others, or until another one of a name is gone.
async fn adjust_targets(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    wanted: &Wanted,
    ours: &[Arc<AMIEncryptionTarget>],
    others: &[Arc<AMIEncryptionTarget>],
) -> Result<Option<Duration>, kube::Error> {
    let api = Api::<AMIEncryptionTarget>::all(ctx.client.clone());
    let scan = policy.annotations().get(labels::SCAN);
    let (mut is_blocked, mut applied) = (false, 0);
    let others: HashSet<String> = others.iter().map(|target| target.name_any()).collect();
    for (name, spec) in wanted {
        // One that a former policy of this name left is collected by Kubernetes; to take it over would undo that.
        if others.contains(name) {
            is_blocked = true;
            continue;
        }
        let current = ctx.targets.get(&ObjectRef::new(name));
        let is_as_asked = |t: &AMIEncryptionTarget| t.spec == *spec && t.annotations().get(labels::POLICY_SCAN) == scan;
        if !current.is_some_and(|target| is_as_asked(&target)) {
            applied += 1;
            if applied > AT_A_VISIT {
                break;
            }
            let parameters = PatchParams::apply(FIELD_MANAGER).force();
            let target = Patch::Apply(target(policy, name, spec, scan));
            api.patch(name, &parameters, &target).await?;
        }
    }
    let is_left_over = |target: &&Arc<AMIEncryptionTarget>| {
        target.metadata.deletion_timestamp.is_none() && !wanted.contains_key(&target.name_any())
    };
    let left_over: Vec<_> = ours.iter().filter(is_left_over).collect();
    for target in left_over.iter().take(AT_A_VISIT) {
        delete(&api, target).await?;
    }
    let goes_on = applied > AT_A_VISIT || left_over.len() > AT_A_VISIT;
    let wait = is_blocked.then_some(COLLECTED_AFTER);
    Ok(goes_on.then_some(GO_ON_AFTER).or(wait))
}

/// The status that sums up the targets, and what they say of the parameters that the map is kept in.
fn decide(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    wanted: &Wanted,
    ours: &[Arc<AMIEncryptionTarget>],
    accounts: &Kept,
    regions: Option<&RegionWatches>,
) -> (AMIEncryptionPolicyStatus, Option<Said>) {
    let named = ours.iter().map(|target| (target.name_any(), target));
    let kept: Vec<_> = named.filter(|(name, _)| wanted.contains_key(name)).collect();
    let unseen = Default::default();
    let counted: Vec<_> = kept
        .iter()
        .map(|(name, target)| status::Counted {
            name,
            current: wanted.get(name) == Some(&target.spec)
                && target.status.as_ref().and_then(|s| s.observed_generation) == target.metadata.generation,
            status: target.status.as_ref().unwrap_or(&unseen),
        })
        .collect();
    let current = policy.status.clone().unwrap_or_default();
    let now = ctx.clock.now();
    let mut decided = status::policy(
        &current,
        &policy.spec,
        policy.metadata.generation,
        wanted.len(),
        &counted,
        now,
    );
    let (watch, total) = (accounts.watch.as_ref(), accounts.spec.accounts.len());
    say_accounts(&mut decided, &current, &policy.spec, watch, total, now);
    say_regions(&mut decided, &current, &accounts.spec, regions, now);
    (decided, status::map_parameters(&policy.spec, wanted.len(), &counted))
}

/// Writes the status when it differs, and tells of what has changed. A time means that it was not written, and is to be
/// decided again after it.
async fn record(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    decided: &AMIEncryptionPolicyStatus,
) -> Result<Option<Duration>, kube::Error> {
    let current = policy.status.clone().unwrap_or_default();
    if *decided == current {
        return Ok(None);
    }
    // Its targets change together and often: their sum is written now and then.
    let now = ctx.clock.monotonic();
    let since = ctx.registry.memory.written_at(policy).map(|at| now.saturating_sub(at));
    let apart = since.map_or(Duration::ZERO, |since| WRITES_APART.saturating_sub(since));
    if !apart.is_zero() {
        return Ok(Some(apart));
    }
    let says_the_same = decided.observed_generation == current.observed_generation
        && conditions::say_the_same(&current.conditions, &decided.conditions);
    let urgency = match decided.migrations {
        _ if !says_the_same => Urgency::Now,
        Some(counts) if counts.in_progress > 0 => Urgency::WhileBusy,
        _ => Urgency::Later,
    };
    match write_status(ctx, policy, decided, urgency).await? {
        Outcome::Discarded(wait) => return Ok(Some(wait)),
        Outcome::Gone => {}
        Outcome::Written => tell(ctx, policy, &status::changes(&current.conditions, &decided.conditions)).await,
    }
    Ok(None)
}

/// Events of what people care about: whether all is ready, complies, needs them, or is another policy's.
async fn tell(ctx: &Context, policy: &AMIEncryptionPolicy, changes: &[(&Condition, bool)]) {
    for (condition, is_bad) in changes {
        let (type_, reason) = (&condition.type_, &condition.reason);
        let note = format!("{type_} is {}. {}", condition.status, condition.message);
        if *is_bad {
            ctx.events.warning(policy, reason, type_, &note).await;
        } else {
            ctx.events.normal(policy, reason, type_, &note).await;
        }
    }
}

/// Whether a policy asks for changes in an account and region, by what the watches show at that moment.
pub(super) fn gate(policies: Store<AMIEncryptionPolicy>, targets: Store<AMIEncryptionTarget>) -> PolicyGate {
    Arc::new(move |policy, scope| {
        let name = labels::target_name(policy, scope.account.as_str(), scope.region.as_str());
        let target = targets.get(&ObjectRef::new(&name));
        let both = target.and_then(|target| Some((governing(&target, &policies)?, target)));
        let (policy, target) = both.ok_or(Cause::Deleted)?;
        let asks = permissions::asks_for_changes(&policy.spec, &target.spec);
        if asks { Ok(()) } else { Err(Cause::Withdrawn) }
    })
}

/// How long until it is seen whether a target has heard what its policy asks for: most often the target's change leads there at once.
pub(super) const HEARD_AFTER: Duration = Duration::from_secs(10);

/// Whether a target has not heard yet that its policy asks for less than it.
pub(super) fn is_withdrawn(target: &AMIEncryptionTarget, policies: &Store<AMIEncryptionPolicy>) -> bool {
    governing(target, policies).is_some_and(|policy| permissions::is_withdrawn(&policy.spec, &target.spec))
}

/// The policy that made a target, if both are still there.
pub(super) fn governing(
    target: &AMIEncryptionTarget,
    policies: &Store<AMIEncryptionPolicy>,
) -> Option<Arc<AMIEncryptionPolicy>> {
    let policy = policies.get(&ObjectRef::new(&target.spec.policy))?;
    let there = policy.metadata.deletion_timestamp.is_none() && target.metadata.deletion_timestamp.is_none();
    (there && is_made_by(target, &policy)).then_some(policy)
}

/// Whether this very policy controls `target`, not to a former one of the same name.
pub(super) fn is_made_by(target: &AMIEncryptionTarget, policy: &AMIEncryptionPolicy) -> bool {
    let uid = policy.uid();
    target
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(&owner.uid) == uid.as_ref())
}

fn target(
    policy: &AMIEncryptionPolicy,
    name: &str,
    spec: &AMIEncryptionTargetSpec,
    scan: Option<&String>,
) -> AMIEncryptionTarget {
    let mut target = AMIEncryptionTarget::new(name, spec.clone());
    // Whoever works on the target need not be the one who works on the policy.
    target.metadata.annotations = scan.map(|scan| [(labels::POLICY_SCAN.to_owned(), scan.clone())].into());
    target.metadata.owner_references = policy.controller_owner_ref(&()).map(|owner| vec![owner]);
    target.metadata.labels = Some(
        [
            (labels::POLICY, &spec.policy),
            (labels::ACCOUNT, &spec.account_id),
            (labels::REGION, &spec.region),
        ]
        .map(|(label, value)| (label.to_owned(), value.clone()))
        .into(),
    );
    target
}

/// Deletes a target, this one and no other of its name. AWS is not touched by it.
async fn delete(api: &Api<AMIEncryptionTarget>, target: &AMIEncryptionTarget) -> Result<(), kube::Error> {
    let preconditions = Preconditions {
        uid: target.uid(),
        resource_version: None,
    };
    let parameters = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background()
    };
    match api.delete(&target.name_any(), &parameters).await {
        Err(error) if is_conflict(&error) || is_not_found(&error) => Ok(()),
        result => result.map(drop),
    }
}
