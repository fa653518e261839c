//! Looks after every step whether the promises are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};
use ec2sim::{Call, Sim, SimTime};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kubesim::{ApiServer, Change, Version};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::history::Outcome;
use super::invariants::{self, Broken, Promise};
use super::stage::Stage;
use super::time::EPOCH_MILLIS;
use super::world::THREE;

/// How many requests to the API server are enough for a history, whatever goes wrong in it.
const REQUESTS: u64 = 2000;

/// Looks after every step whether the promises are kept.
#[derive(Debug)]
pub(crate) struct Watchman {
    stage: Stage,
    seen: (u64, (usize, usize)),
    known: (
        Known<AMIEncryptionPolicy>,
        Known<AMIEncryptionTarget>,
        Known<AMIMigration>,
    ),
    pub(crate) outcome: Outcome,
}

/// All objects of ours.
#[derive(Debug)]
pub(crate) struct Objects {
    pub(crate) policies: Vec<Arc<AMIEncryptionPolicy>>,
    pub(crate) targets: Vec<Arc<AMIEncryptionTarget>>,
    pub(crate) migrations: Vec<Arc<AMIMigration>>,
}

impl Objects {
    /// Every state, and every reason of a condition.
    fn words(&self) -> BTreeSet<String> {
        let states = self
            .migrations
            .iter()
            .filter_map(|migration| migration.status.as_ref()?.state);
        let of_policies = self
            .policies
            .iter()
            .filter_map(|policy| Some(&policy.status.as_ref()?.conditions));
        let of_targets = self
            .targets
            .iter()
            .filter_map(|target| Some(&target.status.as_ref()?.conditions));
        let of_migrations = self
            .migrations
            .iter()
            .filter_map(|one| Some(&one.status.as_ref()?.conditions));
        let conditions = of_policies.chain(of_targets).chain(of_migrations);
        let reasons = conditions
            .flatten()
            .map(|condition: &Condition| condition.reason.clone());
        states.map(|state| state.as_str().to_owned()).chain(reasons).collect()
    }
}

/// Objects of one kind as they were read last: what has not changed since is not read again.
#[derive(Debug)]
struct Known<K>(Vec<(Arc<Value>, Arc<K>)>);

impl<K: DeserializeOwned> Known<K> {
    fn read(&mut self, api: &ApiServer, kind: &str) -> Vec<Arc<K>> {
        let before = std::mem::take(&mut self.0);
        let read = |object: Arc<Value>| {
            let known = before.iter().find(|(known, _)| Arc::ptr_eq(known, &object));
            let parsed = known.map(|(_, parsed)| parsed.clone());
            let parsed = parsed.unwrap_or_else(|| Arc::new(K::deserialize(&*object).expect("an object of this kind")));
            (object, parsed)
        };
        self.0 = api.list(kind).into_iter().map(read).collect();
        self.0.iter().map(|(_, parsed)| parsed.clone()).collect()
    }
}

impl Watchman {
    pub(crate) fn new(stage: Stage) -> Self {
        Self {
            stage,
            seen: (0, (0, 0)),
            known: (Known(Vec::new()), Known(Vec::new()), Known(Vec::new())),
            outcome: Outcome::default(),
        }
    }

    /// All objects of ours as they are now.
    pub(crate) fn objects(&mut self) -> Objects {
        let api = &self.stage.api;
        Objects {
            policies: self.known.0.read(api, "AMIEncryptionPolicy"),
            targets: self.known.1.read(api, "AMIEncryptionTarget"),
            migrations: self.known.2.read(api, "AMIMigration"),
        }
    }

    /// Looks, if anything has changed since the last time.
    pub(crate) fn look(&mut self) {
        let Stage { sim, api, .. } = &self.stage;
        let [.., requests, _, _] = self.stage.fate.calls();
        if requests > REQUESTS && self.outcome.broken.is_empty() {
            let how = format!("{requests} requests to the API server");
            self.outcome.broken.push(Broken::new(Promise::Bounded, how));
        }
        if !self.outcome.broken.is_empty() {
            return;
        }
        let before = std::mem::replace(&mut self.seen, (api.revision(), sim.stir()));
        // Leases change all the time, and promise nothing.
        let written = api.history(before.0);
        let stirred = before.1 != self.seen.1;
        if !stirred && written.iter().all(|version| version.kind == "Lease") {
            return;
        }
        let objects = self.objects();
        for word in objects.words() {
            *self.outcome.reached.entry(word).or_default() += 1;
        }
        self.outcome.checks += 1;
        let notes = self.stage.notes();
        // What somebody else wrote into a status is not the product's to answer for until it was there again.
        let migrations: Vec<&AMIMigration> = objects
            .migrations
            .iter()
            .map(|one| &**one)
            .filter(|one| notes.forged.get(&one.name_any()) != one.metadata.resource_version.as_ref())
            .collect();
        let mut broken = invariants::check(&self.stage.sim, &migrations, &notes);
        broken.extend(objects.targets.iter().filter_map(|target| invariants::adds_up(target)));
        broken.extend(
            notes
                .usurped
                .into_iter()
                .map(|how| Broken::new(Promise::OneWriter, how)),
        );
        broken.extend(written.iter().filter_map(|version| forgets(version, &self.stage.sim)));
        self.outcome.broken = broken;
    }

    /// Looks whether nothing was changed where nothing may have been.
    pub(crate) fn check_hands_off(&self) -> Option<Broken> {
        let time = |age: std::time::Duration| {
            let millis = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            SimTime::from_millis(EPOCH_MILLIS + millis)
        };
        let calls = self.stage.sim.journal();
        self.stage
            .notes()
            .hands_off
            .into_iter()
            .find_map(|(account, from, to)| {
                let call = calls.iter().find(|call| {
                    call.mutating
                        && !call.dry_run
                        && call.account == account
                        && call.time > time(from)
                        && call.time < time(to)
                })?;
                let how = format!("{} at {} in {account}", call.operation, call.time);
                Some(Broken::new(Promise::HandsOff, how))
            })
    }

    /// Looks whether AWS itself would refuse every call that changes something, in the sessions of the policy that only looks.
    pub(crate) fn check_sessions(&self) -> Option<Broken> {
        let calls = self.stage.sim.journal();
        let of_audit = |call: &&Call| {
            let role = call.params.get("RoleArn");
            call.operation == "AssumeRole" && role.is_some_and(|role| role.contains(THREE))
        };
        let wide = calls
            .iter()
            .filter(of_audit)
            .find(|call| !narrows(call.params.get("Policy")))?;
        let how = format!("the session of call {} may change something", wide.seq);
        Some(Broken::new(Promise::HandsOff, how))
    }

    /// How often calls had an effect, by operation.
    pub(crate) fn count_effects(&mut self) {
        let mut effects: BTreeMap<String, u64> = BTreeMap::new();
        for call in self.stage.sim.journal().iter().filter(|call| call.effect) {
            *effects.entry(call.operation.clone()).or_default() += 1;
        }
        self.outcome.effects = effects;
    }
}

/// What this version of an object has lost of what was on record in the one before.
fn forgets(version: &Version, sim: &Sim) -> Option<Broken> {
    if version.kind != "AMIMigration" || version.change != Change::Modified {
        return None;
    }
    let read = |object: &Value| AMIMigration::deserialize(object).expect("an object of this kind");
    invariants::forgets(&read(version.before.as_deref()?), &read(&version.object), sim)
}

/// Whether a session policy allows nothing but reads.
fn narrows(policy: Option<&String>) -> bool {
    let policy: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    let Some(statements) = policy.as_ref().and_then(|policy| policy["Statement"].as_array()) else {
        return false;
    };
    let reads = |action: &str| {
        ["ec2:Describe", "ec2:Get", "kms:Describe", "sts:Get"]
            .iter()
            .any(|read| action.starts_with(read))
    };
    statements
        .iter()
        .filter(|statement| statement["Effect"] == "Allow")
        .all(|statement| match &statement["Action"] {
            Value::String(action) => reads(action),
            Value::Array(actions) => actions.iter().all(|action| action.as_str().is_some_and(reads)),
            _ => false,
        })
}
