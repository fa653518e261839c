//! One history: the product, whole, on a world of its own, from its beginning until nothing moves any more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use amiseal::api::{AMIMigration, MigrationState, conditions};
use ec2sim::{Clock as SimClock, Sim, SimTime};
use kubesim::{ApiServer, Effect, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::sleep;

use super::fate::{Fate, Lot, Side};
use super::invariants::{self, Broken, Promise};
use super::plan::Plan;
use super::product;
use super::time::{EPOCH_MILLIS, Virtual};
use super::wire::LATENCY;
use super::world::Beginning;

const DEFINITIONS: [&str; 3] = [
    include_str!("../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
    include_str!("../../crds/amiseal.dev_amiencryptiontargets.yaml"),
    include_str!("../../crds/amiseal.dev_amimigrations.yaml"),
];

/// Until then everything has to have come to its end: a migration that AWS has denied something waits ten minutes, and
/// one whose copy has vanished a scan longer.
const PATIENCE: Duration = Duration::from_secs(8 * 3600);
/// Once everything is done, faults go on for so long: over one scan.
const AFTERMATH: Duration = Duration::from_secs(40 * 60);
/// Then, without any, nothing may be written for so long: four scans.
const QUIET: Duration = Duration::from_secs(2 * 3600);
/// How often it is looked whether everything is done.
const LOOK: Duration = Duration::from_secs(30);

/// What came of a history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Every call to AWS and every request to the API server, a line each.
    #[serde(skip)]
    pub(crate) journal: String,
    /// A hash of the journal.
    pub(crate) digest: String,
    pub(crate) broken: Vec<Broken>,
    /// Calls to AWS, and requests to the API server.
    pub(crate) calls: [u64; 2],
    /// Calls that could change something in AWS, dry runs left out.
    pub(crate) mutating: usize,
    /// How often the promises were checked.
    pub(crate) checks: u64,
    /// How often a migration was seen to be in a state, or to have a reason.
    pub(crate) reached: BTreeMap<String, u64>,
    /// How many strikes struck.
    pub(crate) struck: usize,
}

/// Plays a history. The same one comes out the same each time, if it is the first that a process plays.
pub(crate) fn play(plan: &Plan) -> Outcome {
    // What the SDK spreads its waits with is seeded by the machine's clock otherwise.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { Box::pin(History::new(plan).play()).await })
}

struct History {
    beginning: Beginning,
    sim: Sim,
    api: ApiServer,
    clock: Virtual,
    fate: Arc<Fate>,
    watchman: Arc<Mutex<Watchman>>,
}

/// Looks after every step whether the promises are kept.
struct Watchman {
    sim: Sim,
    api: ApiServer,
    seen: (u64, (usize, usize)),
    outcome: Outcome,
    /// Whether nothing goes wrong any more.
    calm: bool,
}

impl Watchman {
    fn look(&mut self) {
        let now = (self.api.revision(), self.sim.stir());
        if now == self.seen || !self.outcome.broken.is_empty() {
            return;
        }
        self.seen = now;
        let migrations = migrations(&self.api);
        for migration in &migrations {
            for word in words(migration) {
                *self.outcome.reached.entry(word).or_default() += 1;
            }
        }
        self.outcome.checks += 1;
        self.outcome.broken = invariants::check(&self.sim, &migrations);
    }
}

impl History {
    fn new(plan: &Plan) -> Self {
        let clock = Virtual::begin();
        let beginning = Beginning::of(plan.seed);
        let started = SimTime::from_millis(EPOCH_MILLIS);
        let sim_clock = SimClock::with_source(Box::new(clock), Some(started), 1.0);
        let sim = Sim::with_clock(&beginning.world, sim_clock).expect("a world");
        for rule in plan.rules() {
            sim.add_fault(rule);
        }
        let now = move || amiseal::clock::Clock::now(&clock);
        let api = ApiServer::new(&DEFINITIONS, plan.seed, now).expect("definitions");
        let fate = Fate::new(plan.crashes());
        let watchman = Arc::new(Mutex::new(Watchman {
            sim: sim.clone(),
            api: api.clone(),
            seen: (0, (0, 0)),
            outcome: Outcome::default(),
            calm: false,
        }));
        let (deciding, watching, plan) = (fate.clone(), watchman.clone(), plan.clone());
        api.on_request(move |request| {
            let mut watchman = watching.lock().unwrap_or_else(PoisonError::into_inner);
            watchman.look();
            let process = request.client.parse().expect("a process");
            let (number, lot) = deciding.arrive(Side::Kubernetes, process);
            let hang = |effect| Verdict::Hang { effect };
            let then = match lot {
                Lot::Lives if watchman.calm => Verdict::Serve,
                Lot::Lives => plan.verdict(number),
                Lot::DiesBefore => hang(Effect::None),
                Lot::DiesAfter => hang(Effect::Done),
            };
            watchman.outcome.struck += usize::from(lot == Lot::Lives && !matches!(then, Verdict::Serve));
            Verdict::Delay {
                by: LATENCY,
                then: Box::new(then),
            }
        });
        Self {
            beginning,
            sim,
            api,
            clock,
            fate,
            watchman,
        }
    }

    async fn play(self) -> Outcome {
        let life = self.lives();
        tokio::pin!(life);
        let ended = tokio::select! {
            () = &mut life => unreachable!("processes follow each other for ever"),
            ended = self.watch() => ended,
        };
        self.look();
        let mut outcome = std::mem::take(&mut self.watchman.lock().unwrap_or_else(PoisonError::into_inner).outcome);
        outcome.broken.extend(ended.err());
        let calls = self.sim.journal();
        outcome.mutating = calls.iter().filter(|call| call.mutating && !call.dry_run).count();
        let aws = calls.iter().map(|call| {
            format!(
                "{} aws {} {} {} {} {:?}\n",
                call.time, call.account, call.region, call.operation, call.outcome, call.effects
            )
        });
        let api = self.api.journal();
        let api = api.iter().map(|entry| {
            let mut entry = entry.clone();
            if entry.kind == "Event" {
                // kube names it by the machine's clock.
                entry.name = entry
                    .name
                    .rsplit_once('.')
                    .map_or_else(String::new, |(about, _)| about.to_owned());
            }
            format!("{entry}\n")
        });
        outcome.journal = aws.chain(api).collect();
        outcome.digest = hex::encode(Sha256::digest(&outcome.journal));
        outcome
    }

    /// One process after the other.
    async fn lives(&self) {
        let mut dead = self.fate.dead();
        loop {
            let process = *dead.borrow_and_update();
            let client = self.api.client(&process.to_string());
            tokio::select! {
                ended = product::run(client, &self.sim, self.clock, &self.fate, process) => {
                    panic!("the product has ended by itself: {ended:?}");
                }
                _ = dead.changed() => {}
            }
            // As long as Kubernetes takes to start it again.
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Applies the policies, and follows what comes of them to the end and beyond.
    async fn watch(&self) -> Result<(), Broken> {
        for policy in &self.beginning.policies {
            self.api
                .create("user", policy)
                .map_err(|failure| Broken::new(Promise::Converges, format!("{failure:?}")))?;
            sleep(Duration::from_secs(2)).await;
        }
        self.until_done().await?;
        sleep(AFTERMATH).await;
        self.calm();
        self.until_done().await?;
        // What a fault has left, a wait after a refusal or a failed read, ends with the next scan.
        sleep(AFTERMATH).await;
        let before = self.written();
        sleep(QUIET).await;
        let after = self.written();
        if before != after {
            let how = format!("{before:?} writes to AWS and Kubernetes became {after:?}");
            return Err(Broken::new(Promise::Quiet, how));
        }
        self.is_done().map_err(|left| Broken::new(Promise::Converges, left))
    }

    /// Waits until everything has come to its end.
    async fn until_done(&self) -> Result<(), Broken> {
        let deadline = self.clock.age() + PATIENCE;
        while let Err(left) = self.is_done() {
            if self.clock.age() >= deadline {
                return Err(Broken::new(Promise::Converges, left));
            }
            self.broken_off()?;
            sleep(LOOK).await;
            self.api.collect_garbage();
        }
        Ok(())
    }

    /// From now on nothing goes wrong. The calls up to here are those that faults can strike.
    fn calm(&self) {
        let mut watchman = self.watchman.lock().unwrap_or_else(PoisonError::into_inner);
        watchman.outcome.calls = [self.fate.calls(Side::Aws), self.fate.calls(Side::Kubernetes)];
        watchman.calm = true;
        drop(watchman);
        let by_aws = self.sim.journal().iter().filter(|call| call.fault.is_some()).count();
        let struck = by_aws + usize::try_from(*self.fate.dead().borrow()).unwrap_or(usize::MAX);
        self.watchman
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .outcome
            .struck += struck;
        self.sim.clear_faults();
        self.fate.calm();
    }

    /// Whether a promise was broken already: then there is no need to go on.
    fn broken_off(&self) -> Result<(), Broken> {
        self.look();
        let watchman = self.watchman.lock().unwrap_or_else(PoisonError::into_inner);
        match watchman.outcome.broken.first() {
            Some(broken) => Err(broken.clone()),
            None => Ok(()),
        }
    }

    fn look(&self) {
        self.watchman.lock().unwrap_or_else(PoisonError::into_inner).look();
    }

    /// Whether everything has come to its end; else what is left.
    fn is_done(&self) -> Result<(), String> {
        let migrations = migrations(&self.api);
        if migrations.len() < self.beginning.to_copy {
            return Err(format!("{} migrations", migrations.len()));
        }
        let open = migrations.iter().find(|migration| !is_settled(migration));
        if let Some(open) = open {
            return Err(format!("{:?} of {:?}", open.status, open.metadata.name));
        }
        let done = migrations
            .iter()
            .filter(|m| words(m).contains(&"Completed".to_owned()))
            .count();
        if done < self.beginning.to_copy {
            return Err(format!("{done} of {} are completed", self.beginning.to_copy));
        }
        let report = self.sim.audit();
        if report.ok { Ok(()) } else { Err(report.to_string()) }
    }

    /// How much was written: to AWS, and to the API server but for the times of scans and for Leases.
    fn written(&self) -> (usize, usize) {
        let aws = self
            .sim
            .journal()
            .iter()
            .filter(|call| call.mutating && !call.dry_run)
            .count();
        let mut last: BTreeMap<(String, String), Value> = BTreeMap::new();
        let mut count = 0;
        for version in self.api.history(0) {
            if version.kind == "Lease" {
                continue;
            }
            let mut object = (*version.object).clone();
            if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
                status.remove("lastScanTime");
            }
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("resourceVersion");
                metadata.remove("managedFields");
            }
            let key = (version.kind.clone(), version.name.clone());
            if last.get(&key) != Some(&object) {
                count += 1;
                last.insert(key, object);
            }
        }
        (aws, count)
    }
}

fn migrations(api: &ApiServer) -> Vec<AMIMigration> {
    let read = |object: &Arc<Value>| serde_json::from_value((**object).clone()).expect("a migration");
    api.list("AMIMigration").iter().map(read).collect()
}

fn is_settled(migration: &AMIMigration) -> bool {
    migration.status.as_ref().is_some_and(|status| {
        status.state == Some(MigrationState::Completed) || conditions::is_true(&status.conditions, conditions::STALLED)
    })
}

/// The state, and the reason for it.
fn words(migration: &AMIMigration) -> Vec<String> {
    let Some(status) = &migration.status else {
        return Vec::new();
    };
    let state = status.state.map(|state| state.as_str().to_owned());
    let ready = conditions::find(&status.conditions, conditions::READY).map(|ready| ready.reason.clone());
    state.into_iter().chain(ready).collect()
}
