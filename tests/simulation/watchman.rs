//! Looks after every step whether the promises are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration};
use ec2sim::Call;
use ec2sim::model::World;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kubesim::{ApiServer, Change, Entry, Version};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::consumers;
use super::enlisting;
use super::findings;
use super::followers;
use super::hearing;
use super::history::Outcome;
use super::invariants::{self, Broken, Promise};
use super::judge::Judge;
use super::keeper::Keeper;
use super::labeller::Labeller;
use super::nearly::{self, Nearly};
use super::notes::Notes;
use super::porter::Porter;
use super::proofs::Prover;
use super::registrar::Registrar;
use super::scout::Scout;
use super::silence::Silence;
use super::stage::Stage;
use super::statuses;
use super::time::{age_at, time_at};
use super::warden::Warden;
use super::windows::Timer;
use super::world::{Beginning, THREE};

/// How many requests to the API server are enough for a history, whatever goes wrong in it.
const REQUESTS: u64 = 2000;

/// Looks after every step whether the promises are kept.
#[derive(Debug)]
pub(crate) struct Watchman {
    stage: Stage,
    seen: (u64, (usize, usize)),
    /// How many requests to the API server were looked at, and which of them a process wrote something by.
    requests: (usize, BTreeSet<u64>),
    /// Migrations whose status is as people have left it.
    forged: BTreeSet<String>,
    silence: Silence,
    /// What could be found in images, and since when it could not any more.
    truth: findings::Truth,
    /// Whether findings are looked for.
    audited: bool,
    /// Who judges what is done to consumers, where they are moved.
    judge: Option<(Judge, Nearly)>,
    /// Who looks at when consumers are moved, where that is limited.
    timer: Option<Timer>,
    /// Who looks at what is done to groups, where they are moved.
    keeper: Option<Keeper>,
    /// Who looks at what is done to labels of parameters, where something launches by them.
    labeller: Option<Labeller>,
    /// Who looks at proofs of copies, where there are any.
    prover: Option<Prover>,
    /// Who looks at what is done about guardrails, where they are held.
    warden: Option<Warden>,
    /// Who looks at what becomes of new images, where they are looked for.
    scout: Option<Scout>,
    /// Who looks at what comes of messages, where there is a queue.
    porter: Option<Porter>,
    /// Who looks at which accounts leave, where they are listed.
    registrar: Option<Registrar>,
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
        let mut migrations = self.migrations.iter();
        let elsewhere = migrations.any(|migration| followers::has_moved(migration));
        let elsewhere = elsewhere.then(|| followers::MOVED.to_owned());
        let states = states.map(|state| state.as_str().to_owned());
        states.chain(reasons).chain(elsewhere).collect()
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
    pub(crate) fn new(stage: Stage, beginning: &Beginning) -> Self {
        Self {
            stage,
            seen: (0, (0, 0)),
            requests: (0, BTreeSet::new()),
            forged: BTreeSet::new(),
            silence: Silence::default(),
            truth: findings::Truth::default(),
            audited: beginning.audited,
            judge: beginning.moving.then(Default::default),
            timer: beginning.windows.map(Timer::new),
            keeper: beginning.groups.map(Keeper::new),
            labeller: beginning.labelled.then(Labeller::default),
            prover: beginning.proofs.map(Prover::new),
            warden: beginning.guarding.map(Warden::new),
            scout: beginning
                .guarding
                .filter(|guarding| guarding.looks)
                .map(|_| Scout::default()),
            porter: beginning.hearing.map(|_| Porter::default()),
            registrar: beginning.enlisting.map(|_| Registrar::default()),
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
        let versions = api.history(before.0);
        let stirred = before.1 != self.seen.1;
        if !stirred && versions.iter().all(|version| version.kind == "Lease") {
            return;
        }
        if self.audited {
            self.truth.look(&self.stage.sim, self.stage.clock.age());
        }
        let objects = self.objects();
        for word in objects.words() {
            *self.outcome.reached.entry(word).or_default() += 1;
        }
        self.outcome.checks += 1;
        let written = self.sort_out(&versions);
        let notes = self.stage.notes();
        // What a status said in between had to be true as well.
        let said = written.iter().filter(|one| one.change != Change::Deleted);
        let mut migrations = self.answered_for(&objects);
        migrations.extend(said.map(|one| &one.after));
        let now = self.stage.clock.age();
        let mut broken = invariants::check(&self.stage.sim, &migrations, &notes, now);
        if let Some((judge, nearly)) = &mut self.judge {
            broken.extend(judge.look(&self.stage, &migrations, &objects));
            for guard in nearly.look(&self.stage, &objects) {
                *self.outcome.reached.entry(nearly::word(guard)).or_default() += 1;
            }
        }
        if let Some(timer) = &mut self.timer {
            broken.extend(timer.look(&self.stage, &objects));
        }
        if let Some(keeper) = &mut self.keeper {
            broken.extend(keeper.look(&self.stage, &migrations, &objects));
        }
        if let Some(labeller) = &mut self.labeller {
            broken.extend(labeller.look(&self.stage, &objects));
        }
        if let Some(prover) = &mut self.prover {
            broken.extend(prover.look(&self.stage, &migrations, &objects));
        }
        broken.extend(self.guard(&objects));
        broken.extend(self.hear(&objects, &versions));
        // What is put back may be launched again by now.
        let notes = self.stage.notes();
        broken.extend(consumers::check(&self.stage.sim, &migrations, &notes, now));
        broken.extend(consumers::check_counts(&self.stage.sim, &objects, &notes, now));
        broken.extend(self.truth.check(&objects.targets, &notes));
        let contested = self.stage.contested;
        self.stage.sim.with_world(|world| {
            broken.extend(statuses::check(world, &objects, contested, notes.incomplete));
            broken.extend(written.iter().filter_map(|one| one.loses(world, &notes)));
        });
        broken.extend(
            notes
                .usurped
                .into_iter()
                .map(|how| Broken::new(Promise::OneWriter, how)),
        );
        self.outcome.broken = broken;
    }

    /// Looks, and listens whether AWS is still asked where there is work to do.
    pub(crate) fn listen(&mut self) {
        self.look();
        if self.outcome.broken.is_empty() {
            let objects = self.objects();
            self.outcome.broken.extend(self.silence.listen(&self.stage, &objects));
            let prover = self.prover.as_mut();
            let left = prover.and_then(|prover| prover.listen(&self.stage));
            self.outcome.broken.extend(left);
            let scout = self.scout.as_mut();
            let unfound = scout.and_then(|scout| scout.listen(&self.stage, &objects));
            self.outcome.broken.extend(unfound);
            let porter = self.porter.as_mut();
            let left = porter.and_then(|porter| porter.listen(&self.stage));
            self.outcome.broken.extend(left);
        }
    }

    /// Looks at what is done about guardrails and new images.
    fn guard(&mut self, objects: &Objects) -> Vec<Broken> {
        let (mut broken, mut stopped) = (Vec::new(), BTreeSet::new());
        if let Some(warden) = &mut self.warden {
            broken.extend(warden.look(&self.stage, objects));
            stopped.extend(warden.stopped());
        }
        if let Some(scout) = &mut self.scout {
            broken.extend(scout.look(&self.stage));
            stopped.extend(scout.stopped());
        }
        for guard in stopped {
            *self.outcome.reached.entry(nearly::word(guard)).or_default() += 1;
        }
        broken
    }

    /// Looks at what comes of messages, and at which accounts leave.
    fn hear(&mut self, objects: &Objects, versions: &[Version]) -> Vec<Broken> {
        let (mut broken, mut words) = (Vec::new(), BTreeSet::new());
        let (mut has_read, mut has_parted) = (false, false);
        if let Some(porter) = &mut self.porter {
            broken.extend(porter.look(&self.stage, versions));
            words.extend(porter.stopped());
            has_read = porter.has_read;
        }
        if let Some(registrar) = &mut self.registrar {
            broken.extend(registrar.look(&self.stage, objects, versions, &self.requests.1));
            words.extend(registrar.stopped());
            has_parted = registrar.has_parted();
        }
        let mut words: Vec<String> = words.into_iter().map(nearly::word).collect();
        words.extend(has_read.then(|| hearing::HEARD.to_owned()));
        words.extend(has_parted.then(|| enlisting::PARTED.to_owned()));
        for word in words {
            *self.outcome.reached.entry(word).or_default() += 1;
        }
        broken
    }

    /// Of these the migrations whose status is not as somebody else has left it: that is not the product's to answer
    /// for until it has written one itself.
    pub(crate) fn answered_for<'a>(&self, objects: &'a Objects) -> Vec<&'a AMIMigration> {
        let migrations = objects.migrations.iter().map(|one| &**one);
        migrations
            .filter(|one| !self.forged.contains(&one.name_any()))
            .collect()
    }

    /// Those of these versions that are a migration as a process has written it. What others did to migrations is
    /// noted.
    fn sort_out(&mut self, versions: &[Version]) -> Vec<Written> {
        let entries = self.stage.api.journal_after(self.requests.0);
        self.requests.0 += entries.len();
        let of_process = |entry: &&Entry| entry.wrote && entry.client.parse::<u64>().is_ok();
        let numbers = entries.iter().filter(of_process).map(|entry| entry.number);
        self.requests.1.extend(numbers);
        for version in versions.iter().filter(|version| version.kind == "AMIEncryptionTarget") {
            self.note_loss(version);
            self.note_edit(version);
        }
        let mut written = Vec::new();
        for version in versions.iter().filter(|version| version.kind == "AMIMigration") {
            if self.requests.1.contains(&version.request) {
                self.forged.remove(&version.name);
                written.push(Written::read(version));
            } else {
                self.note_change(version);
            }
        }
        written
    }

    /// Notes where a target is gone, or people have made another of its status.
    fn note_loss(&self, version: &Version) {
        let is_ours = self.requests.1.contains(&version.request);
        let before = version.before.as_deref();
        let is_otherwise = before.is_some_and(|before| before["status"] != version.object["status"]);
        if version.change != Change::Deleted && (is_ours || !is_otherwise) {
            return;
        }
        let text = |field: &str| version.object["spec"][field].as_str().unwrap_or_default().to_owned();
        let place = (text("accountID"), text("region"));
        let at = age_at(version.at);
        self.stage
            .note(|notes| notes.targets_lost.entry(place).or_default().push(at));
    }

    /// Notes where a target has come to say something else, as its policy was changed.
    fn note_edit(&self, version: &Version) {
        let generation = |object: &Value| object["metadata"]["generation"].as_i64();
        let before = version.before.as_deref().and_then(generation);
        if version.change == Change::Modified && before < generation(&version.object) {
            let name = version.name.clone();
            self.stage.note(|notes| *notes.edited.entry(name).or_default() += 1);
        }
    }

    /// Notes what people, or the garbage collector, have made of a migration.
    fn note_change(&mut self, version: &Version) {
        let Some(before) = version.before.as_deref() else {
            self.forged.remove(&version.name);
            return;
        };
        if version.change == Change::Deleted {
            self.forged.remove(&version.name);
        } else if before["status"] == version.object["status"] {
            return;
        } else {
            self.forged.insert(version.name.clone());
        }
        if !before["status"]["copy"].is_object() {
            return;
        }
        let text = |field: &str| before["spec"][field].as_str().unwrap_or_default().to_owned();
        let place = (text("accountID"), text("region"));
        // The copy of another account's image is on record there.
        let is_own = before["spec"].get("ownerAccountID").is_none();
        self.stage.note(|notes| {
            if is_own {
                notes.records_lost.insert(place, age_at(version.at));
            }
            notes.lost.insert(version.name.clone());
        });
    }

    /// Looks whether nothing was changed where nothing may have been.
    pub(crate) fn check_hands_off(&self) -> Option<Broken> {
        let notes = self.stage.notes();
        // Instances of a policy that is gone are terminated all the same.
        let is_end = |call: &Call| {
            let mut ends = notes.ends_proofs.iter();
            call.operation == "TerminateInstances"
                && ends.any(|(account, from, to)| call.account == *account && is_between(call, *from, *to))
        };
        let hands_off = &notes.hands_off;
        self.stage.sim.with_journal(|calls| {
            hands_off.iter().find_map(|(account, from, to)| {
                let call = calls.iter().find(|call| {
                    let changes = call.mutating && !call.dry_run && call.account == *account;
                    changes && is_between(call, *from, *to) && !is_end(call)
                })?;
                let how = format!("{} at {} in {account}", call.operation, call.time);
                Some(Broken::new(Promise::HandsOff, how))
            })
        })
    }

    /// Looks whether AWS itself would refuse every call that changes something, in the sessions that are asked for
    /// while a policy only looks for a while.
    pub(crate) fn check_audits(&self) -> Option<Broken> {
        let notes = self.stage.notes();
        // To terminate instances of a policy that is gone takes a session that may.
        let is_gone = |account: &String, from: Duration, to: Duration| {
            let mut gone = notes.ends_proofs.iter();
            gone.any(|(of, since, until)| of == account && *since < to && from < *until)
        };
        let mut audited = notes.audited.clone();
        audited.retain(|(account, from, to)| !is_gone(account, *from, *to));
        self.stage.sim.with_journal(|calls| {
            audited.iter().find_map(|(account, from, to)| {
                let meanwhile = calls.iter().filter(|call| is_between(call, *from, *to));
                wide_session(meanwhile, account)
            })
        })
    }

    /// The same in the sessions of the third policy, which only looks.
    pub(crate) fn check_sessions(&self) -> Option<Broken> {
        self.stage.sim.with_journal(|calls| wide_session(calls.iter(), THREE))
    }

    /// How often calls had an effect, and how often they were asked to change something, by operation.
    pub(crate) fn count_calls(&mut self) {
        let (mut effects, mut asked): (BTreeMap<String, u64>, BTreeMap<String, u64>) = Default::default();
        self.stage.sim.with_journal(|calls| {
            // Whoever receives messages deletes them: that changes nothing that is judged.
            for call in calls.iter().filter(|call| call.service != "sqs") {
                if call.effect {
                    *effects.entry(call.operation.clone()).or_default() += 1;
                }
                if call.mutating && !call.dry_run {
                    *asked.entry(call.operation.clone()).or_default() += 1;
                }
            }
        });
        self.outcome.effects = effects;
        self.outcome.asked = asked;
    }
}

/// A migration as a process has written or deleted it, and as it was before.
struct Written {
    change: Change,
    before: Option<AMIMigration>,
    after: AMIMigration,
}

impl Written {
    fn read(version: &Version) -> Self {
        let read = |object: &Value| AMIMigration::deserialize(object).expect("an object of this kind");
        Self {
            change: version.change,
            before: version.before.as_deref().map(read),
            after: read(&version.object),
        }
    }

    /// What is no longer on record by it.
    fn loses(&self, world: &World, notes: &Notes) -> Option<Broken> {
        match self.change {
            Change::Added => None,
            Change::Modified => invariants::forgets(self.before.as_ref()?, &self.after, world),
            Change::Deleted => invariants::drops(&self.after, world, notes),
        }
    }
}

/// Whether a call was made between two moments of the history.
fn is_between(call: &Call, from: Duration, to: Duration) -> bool {
    call.time > time_at(from) && call.time < time_at(to)
}

/// A session in this account that may change something.
fn wide_session<'a>(mut calls: impl Iterator<Item = &'a Call>, account: &str) -> Option<Broken> {
    let wide = calls.find(|call| {
        let role = call.params.get("RoleArn");
        let is_there = role.is_some_and(|role| role.contains(account));
        call.operation == "AssumeRole" && is_there && !narrows(call.params.get("Policy"))
    })?;
    let how = format!("the session of call {} in {account} may change something", wide.seq);
    Some(Broken::new(Promise::HandsOff, how))
}

/// Whether a session policy allows nothing but reads.
fn narrows(policy: Option<&String>) -> bool {
    let policy: Option<Value> = policy.and_then(|policy| serde_json::from_str(policy).ok());
    let Some(statements) = policy.as_ref().and_then(|policy| policy["Statement"].as_array()) else {
        return false;
    };
    let reads = |action: &str| {
        let (_, name) = action.split_once(':').unwrap_or_default();
        ["Describe", "Get", "List"].iter().any(|read| name.starts_with(read))
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
