//! One history: the product, whole, on a world of its own, from its beginning until nothing moves any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use amiseal::api::conditions::reason;
use amiseal::api::{AMIMigration, MigrationState, conditions, labels};
use ec2sim::model::Image;
use ec2sim::spec::Expectation;
use ec2sim::{Clock as SimClock, Sim, SimTime};
use kube::ResourceExt;
use kubesim::ApiServer;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::branch;
use super::consumers;
use super::enlisting;
use super::fate::{Fate, Side};
use super::findings;
use super::followers;
use super::following;
use super::groups;
use super::guarding;
use super::invariants::{self, Broken, Promise};
use super::keeper;
use super::labeller;
use super::moving;
use super::odd;
use super::people;
use super::plan::{Plan, Strike};
use super::product::{self, FIRST, Replica};
use super::proving;
use super::quiet::AFTERMATH;
use super::returning;
use super::stage::{Second, Stage};
use super::statuses;
use super::time::{EPOCH_MILLIS, Virtual};
use super::versions;
use super::warden;
use super::watchman::Watchman;
use super::windows;
use super::world::{Beginning, POLICIES, THIRD, THREE, TWO};

const DEFINITIONS: [&str; 3] = [
    include_str!("../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
    include_str!("../../crds/amiseal.dev_amiencryptiontargets.yaml"),
    include_str!("../../crds/amiseal.dev_amimigrations.yaml"),
];

/// The kinds of ours.
const OURS: [&str; 3] = ["AMIEncryptionPolicy", "AMIEncryptionTarget", "AMIMigration"];

/// Until then everything has to have come to its end: a migration that AWS has denied something waits ten minutes, and
/// one whose copy has vanished a scan longer.
const PATIENCE: Duration = Duration::from_secs(8 * 3600);
/// After so long somebody asks for another attempt wherever nothing goes on: all of them may have failed.
const ASKS_AFTER: Duration = Duration::from_secs(3 * 3600);
/// How often it is looked whether everything is done.
const LOOK: Duration = Duration::from_secs(30);
/// How often it is looked whether a promise was broken while nothing is waited for.
const PEEK: Duration = Duration::from_secs(5 * 60);
/// How far ahead the clock of a second process is: longer than a copy may stay invisible.
const SKEW: i64 = 11 * 60 * 1000;

/// What came of a history.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Every call to AWS and every request to the API server, a line each.
    #[serde(skip)]
    pub(crate) journal: String,
    /// A hash of the journal.
    pub(crate) digest: String,
    pub(crate) broken: Vec<Broken>,
    /// How many there were of each side until everything was done.
    pub(crate) done: [u64; Side::COUNT],
    /// How many until the finished world was looked through once more.
    pub(crate) calls: [u64; Side::COUNT],
    /// How many until the first call that changes a consumer, and until the last one.
    pub(crate) moves: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that launch or end an instance.
    pub(crate) launches: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that set a guardrail.
    pub(crate) guards: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that delete messages.
    pub(crate) messages: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that list accounts.
    pub(crate) listings: Option<[[u64; Side::COUNT]; 2]>,
    /// How often calls to AWS had an effect, by operation.
    pub(crate) effects: BTreeMap<String, u64>,
    /// How often AWS was asked to change something, whatever came of it, by operation.
    pub(crate) asked: BTreeMap<String, u64>,
    /// How often the promises were checked.
    pub(crate) checks: u64,
    /// At how many of these a migration was in a state, or something had a reason.
    pub(crate) reached: BTreeMap<String, u64>,
    /// How many strikes struck.
    pub(crate) struck: usize,
    /// The strike by which it parted from another history.
    pub(crate) branch: Option<Strike>,
}

/// Plays a history. The same one comes out the same each time, if it is the first that a process plays: on a thread of its
/// own, whose random numbers and place in memory do not depend on how the process was started.
pub(crate) fn play(plan: &Plan) -> Outcome {
    let none = Arc::from([]);
    on_a_thread(|| on_this_thread(plan, &none))
}

/// Plays, for each of these, the history that it strikes and nothing else, and prints what came of it as a line of JSON.
pub(crate) fn play_branches(seed: u64, branches: &[Strike]) {
    let (plan, branches) = (Plan::undisturbed(seed), Arc::from(branches));
    on_a_thread(|| branch::end(&on_this_thread(&plan, &branches)));
}

fn on_a_thread<T: Send>(play: impl FnOnce() -> T + Send) -> T {
    let played = thread::scope(|scope| scope.spawn(play).join());
    played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn on_this_thread(plan: &Plan, branches: &Arc<[Strike]>) -> Outcome {
    // What the SDK spreads its waits with is seeded by the machine's clock otherwise.
    fastrand::seed(plan.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let runtime = runtime.expect("a runtime");
    runtime.block_on(async { Box::pin(History::new(plan, branches).play()).await })
}

/// A history that is being played.
pub(super) struct History {
    pub(super) beginning: Beginning,
    pub(super) stage: Stage,
    /// Asks for a second process for a while.
    second: mpsc::UnboundedReceiver<Second>,
    watchman: Arc<Mutex<Watchman>>,
}

impl History {
    fn new(plan: &Plan, branches: &Arc<[Strike]>) -> Self {
        let clock = Virtual::begin();
        let beginning = Beginning::of(plan.seed);
        let started = SimTime::from_millis(EPOCH_MILLIS);
        let sim_clock = SimClock::with_source(Box::new(clock.clone()), Some(started), 1.0);
        let sim = Sim::with_clock(&beginning.world, sim_clock).expect("a world");
        let right = clock.clone();
        let now = move || amiseal::clock::Clock::now(&right);
        let api = ApiServer::new(&DEFINITIONS, plan.seed, now).expect("definitions");
        let (stage, second) = Stage::new(
            sim,
            api.clone(),
            Fate::new(&plan.strikes, branches.clone()),
            clock.another(),
            beginning.odd.contests(),
        );
        let watchman = Arc::new(Mutex::new(Watchman::new(stage.clone(), &beginning)));
        let (deciding, watching) = (stage.clone(), watchman.clone());
        api.on_request(move |request| {
            lock(&watching).look();
            deciding.request(request)
        });
        let deciding = stage.clone();
        api.on_event(move |event| deciding.event(event));
        Self {
            beginning,
            stage,
            second,
            watchman,
        }
    }

    async fn play(mut self) -> Outcome {
        let (never, second) = mpsc::unbounded_channel();
        drop(never);
        let second = std::mem::replace(&mut self.second, second);
        let ended = tokio::select! {
            () = first(&self.stage) => unreachable!("processes follow each other for ever"),
            () = seconds(&self.stage, second) => unreachable!("the stage asks for them"),
            ended = self.watch() => ended,
        };
        self.look();
        let mut watchman = lock(&self.watchman);
        watchman.count_calls();
        let mut outcome = std::mem::take(&mut watchman.outcome);
        outcome.broken.extend(ended.err());
        let notes = self.stage.notes();
        (outcome.moves, outcome.launches, outcome.guards) = (notes.moves, notes.launches, notes.guards);
        (outcome.messages, outcome.listings) = (notes.messages, notes.listings);
        outcome.struck = self.stage.fate.struck();
        outcome.branch = self.stage.fate.branch();
        outcome.journal = self.journal();
        outcome.digest = hex::encode(Sha256::digest(&outcome.journal));
        outcome
    }

    /// Applies the policies, and follows what comes of them to the end and beyond.
    async fn watch(&self) -> Result<(), Broken> {
        for policy in &self.beginning.policies {
            self.stage
                .api
                .create("user", policy)
                .map_err(|failure| Broken::new(Promise::Converges, format!("{failure:?}")))?;
            sleep(Duration::from_secs(2)).await;
        }
        self.until_done().await?;
        lock(&self.watchman).outcome.done = self.stage.fate.calls();
        // A finished world is looked through once more, so that what strikes then is seen as well. If all is over already, it
        // has to be as quiet as at the end.
        let so_far = || (self.stage.fate.struck(), self.written());
        let (over, before) = (self.stage.is_over(), so_far());
        self.wait(AFTERMATH, || false).await?;
        let was_quiet = over && before == so_far();
        lock(&self.watchman).outcome.calls = self.stage.fate.calls();
        self.wait(AFTERMATH, || self.stage.is_over()).await?;
        // Nothing more strikes, and what has begun lasts as long as it would.
        self.stage.spare();
        self.wait(people::DISABLED, || !self.stage.has_mends()).await?;
        self.stage.calm(&FIRST);
        for fault in &self.beginning.world.faults {
            self.stage.sim.add_fault(fault.clone());
        }
        self.until_done().await?;
        self.until_quiet(usize::from(was_quiet)).await?;
        self.is_done().map_err(|left| Broken::new(Promise::Converges, left))?;
        self.broken_off()?;
        self.third_speaks()?;
        let mut watchman = lock(&self.watchman);
        let objects = watchman.objects();
        let migrations = watchman.answered_for(&objects);
        self.stage.sim.with_world(|world| {
            let copies = invariants::check_copies(world, &migrations);
            copies.map_or(Ok(()), Err)?;
            statuses::check_final(world, &objects, self.stage.contested)?;
            findings::check_final(world, &objects)
        })
    }

    /// Whether what is odd about the third account is said where it belongs: by the third policy, its targets and
    /// migrations.
    fn third_speaks(&self) -> Result<(), Broken> {
        let says = self.beginning.odd.says;
        if says == reason::ORIGINALS_REMAIN && !self.stage.sim.with_world(odd::has_originals) {
            // People have exempted or deregistered those of which it was to be said, and a status that said it still would be wrong.
            return Ok(());
        }
        let objects: Vec<Arc<Value>> = if self.beginning.odd.passes() {
            self.stage
                .api
                .history(0)
                .into_iter()
                .map(|version| version.object)
                .collect()
        } else {
            let lists = OURS.iter().map(|kind| self.stage.api.list(kind));
            lists.flatten().collect()
        };
        let is_said = |object: &Arc<Value>| {
            let conditions = object["status"]["conditions"].as_array();
            let conditions = conditions.map(Vec::as_slice).unwrap_or_default();
            self.is_of_third(object) && conditions.iter().any(|condition| condition["reason"] == says)
        };
        if objects.iter().any(is_said) {
            return Ok(());
        }
        let of_third = objects.iter().filter(|object| self.is_of_third(object));
        let said: BTreeSet<String> = of_third
            .flat_map(|object| object["status"]["conditions"].as_array().cloned().unwrap_or_default())
            .map(|condition| format!("{}={} {}", condition["type"], condition["status"], condition["reason"]))
            .collect();
        let how = format!("nothing of the third policy says {says}, but {said:?}");
        Err(Broken::new(Promise::Converges, how))
    }

    /// Whether an object is the third policy, or of it. Of two for the same account the younger one is contested, which
    /// people may make the second.
    fn is_of_third(&self, object: &Value) -> bool {
        let is_of = |policy: &str| object["metadata"]["name"] == policy || object["spec"]["policy"] == policy;
        is_of(THIRD) || self.stage.contested && POLICIES.iter().any(|(name, account, _)| *account == TWO && is_of(name))
    }

    /// Waits so long, or until there is no need to any more, as long as no promise is broken.
    pub(super) async fn wait(&self, duration: Duration, enough: impl Fn() -> bool) -> Result<(), Broken> {
        let until = self.stage.clock.age() + duration;
        while self.stage.clock.age() < until && !enough() {
            sleep(PEEK).await;
            self.broken_off()?;
            self.stage.api.collect_garbage();
        }
        let watchman = lock(&self.watchman);
        let audits = self.beginning.odd.audits();
        let of_sessions = || audits.then(|| watchman.check_sessions()).flatten();
        let broken = watchman.check_hands_off().or_else(|| watchman.check_audits());
        broken.or_else(of_sessions).map_or(Ok(()), Err)
    }

    /// Waits until everything has come to its end.
    async fn until_done(&self) -> Result<(), Broken> {
        let began = self.stage.clock.age();
        let (deadline, mut asked) = (began + PATIENCE, began);
        while let Err(left) = self.is_done() {
            if self.stage.clock.age() >= deadline {
                return Err(Broken::new(Promise::Converges, left));
            }
            self.broken_off()?;
            if self.beginning.moving {
                moving::help(&self.stage, self.beginning.ways);
                windows::help(&self.stage);
            }
            if self.beginning.groups.is_some() {
                groups::help(&self.stage);
            }
            if let Some(proofs) = self.beginning.proofs {
                proving::help(&self.stage, proofs);
            }
            if let Some(followers) = self.beginning.followers {
                following::help(&self.stage, followers);
            }
            if self.beginning.guarding.is_some() {
                guarding::help(&self.stage);
            }
            if self.stage.clock.age() >= asked + ASKS_AFTER {
                asked = self.stage.clock.age();
                people::ask_for_another_attempt(&self.stage);
            }
            sleep(LOOK).await;
            self.stage.api.collect_garbage();
        }
        Ok(())
    }

    /// Whether a promise was broken already: then there is no need to go on.
    fn broken_off(&self) -> Result<(), Broken> {
        self.look();
        let watchman = lock(&self.watchman);
        watchman.outcome.broken.first().cloned().map_or(Ok(()), Err)
    }

    fn look(&self) {
        lock(&self.watchman).listen();
    }

    /// Whether everything has come to its end; else what is left.
    fn is_done(&self) -> Result<(), String> {
        let objects = lock(&self.watchman).objects();
        let says = self.beginning.odd.says;
        let open = objects.migrations.iter().find(|migration| !is_settled(migration, says));
        if let Some(open) = open {
            return Err(format!("{:?} of {:?}", open.status, open.metadata.name));
        }
        if !lock(&self.watchman).outcome.reached.contains_key(says) {
            return Err(format!("nothing says {says}"));
        }
        let completed = |name: &str| {
            let migration = objects.migrations.iter().find(|migration| migration.name_any() == name);
            migration.is_some_and(|migration| state(migration) == Some(MigrationState::Completed))
        };
        let waiting = self.stage.sim.with_world(|world| {
            let images = world.regions().flat_map(|(_, region)| region.images.values());
            let copied = |image: &&Image| {
                image.created_by.is_none() && image.exists() && matches!(image.expect, Expectation::Copied(_))
            };
            let names = images
                .filter(copied)
                .map(|image| labels::migration_name(&image.id, &image.region));
            names.filter(|name| !completed(name)).collect::<Vec<_>>()
        });
        if !waiting.is_empty() {
            let of = |one: &&Arc<AMIMigration>| waiting.contains(&one.name_any());
            let statuses: Vec<_> = objects.migrations.iter().filter(of).map(|one| &one.status).collect();
            return Err(format!("{waiting:?} are not completed: {statuses:?}"));
        }
        if let Some(unsaid) = consumers::unsaid(&self.stage.sim, &objects) {
            return Err(unsaid);
        }
        if let Some(left) = returning::left(&self.stage, &objects) {
            return Err(left);
        }
        if let Some(unmoved) = moving::unmoved(&self.stage.sim, &objects) {
            return Err(unmoved);
        }
        if self.beginning.moving
            && let Some(unfollowed) = followers::unfollowed(&self.stage.sim, &objects)
        {
            return Err(unfollowed);
        }
        let followers = self.beginning.followers;
        if followers.is_some_and(|followers| followers.are_hindered(&self.stage)) {
            return Err("settings hide a copy from another account, and people are still to change them".to_owned());
        }
        if self.beginning.groups.is_some()
            && let Some(unsettled) = keeper::unsettled(&self.stage, &objects)
        {
            return Err(unsettled);
        }
        if self.beginning.labelled
            && let Some(unsettled) = labeller::unsettled(&self.stage, &objects)
        {
            return Err(unsettled);
        }
        if let Some(guarding) = self.beginning.guarding
            && let Some(left) = warden::unheld(&self.stage, &objects, guarding)
        {
            return Err(left);
        }
        if self.beginning.enlisting.is_some()
            && let Some(left) = enlisting::unsettled(&self.stage, &objects)
        {
            return Err(left);
        }
        if let Some(left) = versions::not_put_back(&self.stage, &objects) {
            return Err(left);
        }
        let report = invariants::audit(&self.stage.sim, &self.stage.notes());
        if report.findings.is_empty() {
            Ok(())
        } else {
            Err(report.to_string())
        }
    }

    /// Everything that was called, a line each.
    fn journal(&self) -> String {
        let calls = self.stage.sim.journal();
        let aws = calls.iter().map(|call| {
            format!(
                "{} aws {} {} {} {} {:?} {}\n",
                call.time,
                call.account,
                call.region,
                call.operation,
                call.outcome,
                call.effects,
                call.fault.as_deref().unwrap_or_default()
            )
        });
        let requests = self.stage.api.journal();
        let kubernetes = requests.iter().map(|entry| {
            let mut entry = entry.clone();
            if entry.kind == "Event" {
                // kube names it by the machine's clock.
                let about = entry.name.rsplit_once('.').map_or("", |(about, _)| about);
                entry.name = about.to_owned();
            }
            format!("{entry}\n")
        });
        aws.chain(kubernetes).collect()
    }
}

fn lock(watchman: &Mutex<Watchman>) -> MutexGuard<'_, Watchman> {
    watchman.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One process after the other.
async fn first(stage: &Stage) {
    loop {
        let process = stage.begin(FIRST);
        live(stage, process, &FIRST, &stage.clock).await;
        // As long as Kubernetes takes to start it again.
        sleep(Duration::from_secs(5)).await;
    }
}

/// Second processes, each for as long as it is asked for. Their clock is not that of the first.
async fn seconds(stage: &Stage, mut asked: mpsc::UnboundedReceiver<Second>) {
    while let Some(Second { replica, lasting }) = asked.recv().await {
        let clock = stage.clock.another();
        clock.set_ahead(SKEW);
        let ends = sleep(lasting);
        tokio::pin!(ends);
        loop {
            let process = stage.begin(replica.clone());
            tokio::select! {
                () = live(stage, process, &replica, &clock), if !stage.is_calm() => sleep(Duration::from_secs(5)).await,
                () = &mut ends => {
                    stage.fate.kill(process);
                    break;
                }
            }
        }
    }
}

/// A process until it dies.
async fn live(stage: &Stage, process: u64, replica: &Replica, clock: &Virtual) {
    tokio::select! {
        ended = product::run(stage, process, replica, clock) => panic!("the product has ended by itself: {ended:?}"),
        () = stage.fate.death(process) => {}
    }
}

fn state(migration: &AMIMigration) -> Option<MigrationState> {
    migration.status.as_ref().and_then(|status| status.state)
}

/// Whether it is completed, waits for somebody, or for what the odd account never gets.
fn is_settled(migration: &AMIMigration, says: &str) -> bool {
    let Some(status) = &migration.status else { return false };
    let waits = || status.conditions.iter().any(|condition| condition.reason == says);
    status.state == Some(MigrationState::Completed)
        || conditions::is_true(&status.conditions, conditions::STALLED)
        || (migration.spec.account_id == THREE && waits())
}
