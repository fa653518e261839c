//! Hears when nothing is asked of an account and region any more, though there is work to do in it and nothing is in the way.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::conditions::{self, Status};
use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, MigrationState, Mode};
use ec2sim::Call;
use kube::ResourceExt;

use super::followers;
use super::inspecting;
use super::invariants::{Broken, Promise};
use super::stage::Stage;
use super::time::age_of;
use super::warden;
use super::watchman::Objects;

/// How long nothing may be asked: longer than anything that failed waits to be tried again, and much shorter than the way to the
/// next scan.
const LONGEST: Duration = Duration::from_secs(12 * 60);

/// An account and region.
type Scope = (String, String);

/// Since when nothing was asked.
#[derive(Debug, Default)]
pub(crate) struct Silence {
    /// How many calls were heard.
    heard: usize,
    /// Since when each account and region is silent with work to do, as an age of the history.
    since: BTreeMap<Scope, Duration>,
}

impl Silence {
    /// Listens, and says where it is silent. Whatever goes wrong at the time is given as long again from its end.
    pub(crate) fn listen(&mut self, stage: &Stage, objects: &Objects) -> Option<Broken> {
        let now = stage.clock.age();
        self.hear(stage);
        let disturbed = stage.disturbed_until();
        let working = objects.targets.iter().filter(|target| works(target, objects));
        let working: Vec<Scope> = working.map(|target| scope_of(target)).collect();
        // What begins to work now was not waited for before.
        self.since.retain(|scope, _| working.contains(scope));
        for scope in working {
            let is_served = stage.serves(&scope.0, &scope.1);
            let since = self.since.entry(scope.clone()).or_insert(now);
            *since = if is_served { disturbed.max(*since) } else { now };
            if now.saturating_sub(*since) > LONGEST {
                let (account, region) = scope;
                let mut migrations = objects.migrations.iter();
                let is_there = |one: &AMIMigration| (&one.spec.account_id, &one.spec.region) == (&account, &region);
                let open = migrations
                    .find(|one| is_there(one) && is_open(one))
                    .map(|one| one.name_any());
                let how = format!(
                    "nothing is asked of {account}/{region} since {since:?}, and it is {now:?}: there is work to do, as for {open:?}"
                );
                return Some(Broken::new(Promise::NeverSilent, how));
            }
        }
        None
    }

    /// Notes which calls were made since the last time.
    fn hear(&mut self, stage: &Stage) {
        let since = &mut self.since;
        self.heard = stage.sim.with_journal(|calls| {
            for call in &calls[self.heard..] {
                let at = age_of(call.time);
                let asked = since.iter_mut().filter(|(scope, _)| is_about(call, scope));
                asked.for_each(|(_, since)| *since = at.max(*since));
            }
            calls.len()
        });
    }
}

fn scope_of(target: &AMIEncryptionTarget) -> Scope {
    (target.spec.account_id.clone(), target.spec.region.clone())
}

/// Whether a call is about an account and region. To assume a role there is, and what comes of expired credentials has no account.
fn is_about(call: &Call, (account, region): &Scope) -> bool {
    let of_role = || {
        call.params
            .get("RoleArn")
            .is_some_and(|role| role.contains(account.as_str()))
    };
    call.region == *region && (call.account == *account || call.account.is_empty() || of_role())
}

/// Whether a target is free to change something, and has a migration that says so as well and is not done, or a guardrail to set.
fn works(target: &AMIEncryptionTarget, objects: &Objects) -> bool {
    let mut migrations = objects.migrations.iter();
    let has_open = migrations.any(|one| belongs(one, target) && is_open(one));
    let sets = || target.status.as_ref().is_some_and(warden::has_to_set);
    (has_open || sets()) && is_free(target, objects)
}

/// Whether a target asks for changes, and says of nothing that it hinders it.
pub(crate) fn is_free(target: &AMIEncryptionTarget, objects: &Objects) -> bool {
    let Some(status) = target.status.as_ref().filter(|_| enforces(target)) else {
        return false;
    };
    let said = &status.conditions;
    let is_hindered = conditions::is_true(said, conditions::STALLED)
        || [conditions::REACHABLE, conditions::KEY_USABLE]
            .iter()
            .any(|type_| !conditions::is_true(said, type_))
        || conditions::has_status(said, conditions::PERMITTED, Status::False);
    let asks = |policy: &AMIEncryptionPolicy| policy.spec.mode == Mode::Enforce && !policy.spec.suspend;
    let mut policies = objects.policies.iter();
    let is_asked = policies.any(|policy| policy.name_any() == target.spec.policy && asks(policy));
    is_asked && !is_hindered
}

fn enforces(target: &AMIEncryptionTarget) -> bool {
    target.spec.mode == Mode::Enforce && !target.spec.suspend
}

fn belongs(migration: &AMIMigration, target: &AMIEncryptionTarget) -> bool {
    let owners = migration.owner_references().iter().map(|owner| Some(&owner.uid));
    owners.into_iter().any(|uid| uid == target.metadata.uid.as_ref())
}

/// Whether a migration is neither done nor says that a person has to act.
fn is_open(migration: &AMIMigration) -> bool {
    let Some(status) = &migration.status else { return true };
    // Where as many were moved as may be in a day, or no window is open, there is nothing to ask until that is over.
    let moved = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    let limits = ["promotion.maxPerDay", "promotion.schedule"];
    let waits = moved.is_some_and(|moved| limits.iter().any(|limit| moved.message.contains(limit)));
    let is_stalled = conditions::is_true(&status.conditions, conditions::STALLED);
    let is_inspected = inspecting::is_waited_for(status);
    // Nor where it is up to another account.
    let waits = waits || followers::waits_for_owner(migration);
    status.state != Some(MigrationState::Completed) && !is_stalled && !waits && !is_inspected
}
