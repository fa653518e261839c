//! What a strike does: to the call that it strikes at, to AWS, to the API server, to the processes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use amiseal::plan::shards::shard_of;
use ec2sim::model::World;
use ec2sim::spec::Settings;
use ec2sim::{Act, AttributeLie, Edit, Failure as AwsFailure, FaultRule, Sim};
use kubesim::{ApiServer, Break, Change, Delivery, Effect, EventInfo, Failure, RequestInfo, Verb, Verdict, Version};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::catalogue::Fault;
use super::disturbances::answer;
use super::fate::{Fate, Side};
use super::groups;
use super::guarding;
use super::invariants::UNKNOWN_FOR;
use super::judge::CHANGES;
use super::notes::{Notes, held_from_the_beginning};
use super::people;
use super::product::{LEASE, Replica, SECOND, SHARDS, STRANGER};
use super::time::{Virtual, age_at};
use super::wire::LATENCY;
use super::world::OTHER_KEY;

/// For how long something in AWS is as it should not be: longer than what was refused waits.
pub(crate) const A_WHILE: Duration = Duration::from_secs(25 * 60);
/// How long a second replica works beside the first.
const TOGETHER: Duration = LEASE.saturating_mul(2);
/// How long one that knows nothing of the first does.
const ESTRANGED: Duration = Duration::from_secs(5 * 60);
/// How long a process hangs: longer than its Lease holds.
const PAUSE: Duration = LEASE.saturating_add(Duration::from_secs(100));
/// How far the time of day leaps.
const LEAP: i64 = 2 * 3600 * 1000;
/// How late an event is.
const LATE: Duration = Duration::from_secs(45);
/// When the API server notices that a watch has missed something.
const NOTICED: Duration = Duration::from_secs(5 * 60);
/// For how long lists lag behind, and by how many versions.
const STALE: (Duration, u64) = (Duration::from_secs(60), 12);
/// For how long a request is refused that the controllers are to see refused: longer than their client repeats it.
const OUTAGE: Duration = Duration::from_secs(3 * 60);

/// What a call to AWS is to become of, besides what the rules of the simulator do to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lot {
    Served,
    /// The process dies before the call has an effect, or was dead already.
    DiesBefore,
    DiesAfter,
}

/// The stage of a history: what can be acted on.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) sim: Sim,
    pub(crate) api: ApiServer,
    pub(crate) fate: Arc<Fate>,
    /// What the processes take the time of day from.
    pub(crate) clock: Virtual,
    /// Whether the third policy is for the account of the second as well.
    pub(crate) contested: bool,
    /// What there was at first.
    pub(crate) before: Arc<World>,
    /// How AWS behaves when nothing disturbs it.
    pub(super) settings: Arc<Settings>,
    state: Arc<Mutex<State>>,
    second: mpsc::UnboundedSender<Second>,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stage").finish_non_exhaustive()
    }
}

/// A process that is to work beside the first one for a while.
#[derive(Debug)]
pub(crate) struct Second {
    pub(crate) replica: Replica,
    pub(crate) lasting: Duration,
}

#[derive(Default)]
struct State {
    /// What is to be put right, by number.
    mends: BTreeMap<u64, Mend>,
    replicas: BTreeMap<u64, Replica>,
    calm: bool,
    stale_until: Option<Instant>,
    /// Requests that are refused for a while, however often they are repeated.
    refused: Vec<(RequestInfo, Failure)>,
    notes: Notes,
}

type Mend = Box<dyn FnOnce(&Stage) + Send>;

impl Stage {
    /// A stage, and who is told to start a second process for a while.
    pub(crate) fn new(
        sim: Sim,
        api: ApiServer,
        fate: Arc<Fate>,
        clock: Virtual,
        contested: bool,
    ) -> (Self, mpsc::UnboundedReceiver<Second>) {
        let (second, starting) = mpsc::unbounded_channel();
        let mut settings = Settings::default();
        sim.change_settings(|usual| settings.clone_from(usual));
        let before = Arc::new(sim.world());
        let notes = Notes {
            held: held_from_the_beginning(&before),
            ..Notes::default()
        };
        let stage = Self {
            before,
            settings: Arc::new(settings),
            sim,
            api,
            fate,
            clock,
            contested,
            state: Arc::new(Mutex::new(State {
                notes,
                ..State::default()
            })),
            second,
        };
        (stage, starting)
    }

    pub(crate) fn notes(&self) -> Notes {
        self.lock().notes.clone()
    }

    pub(crate) fn note(&self, change: impl FnOnce(&mut Notes)) {
        change(&mut self.lock().notes);
    }

    /// A process starts.
    pub(crate) fn begin(&self, replica: Replica) -> u64 {
        let process = self.fate.begin();
        self.lock().replicas.insert(process, replica);
        process
    }

    /// A call to AWS arrives: strikes, and says what becomes of the process.
    pub(crate) fn call(&self, process: u64, asked: &BTreeMap<String, String>) -> Lot {
        let copies = asked.get("Action").is_some_and(|action| action == "CopyImage") && !asked.contains_key("DryRun");
        let key = asked.get("KmsKeyId").map(String::as_str);
        if self.fate.is_alive(process) {
            let usurped = self.usurps(process, asked);
            self.note(|notes| notes.usurped.extend(usurped));
        }
        let sides: &[Side] = if copies {
            &[Side::Aws, Side::Copies]
        } else {
            &[Side::Aws]
        };
        let Some(faults) = self.fate.arrive(sides, process) else {
            return Lot::DiesBefore;
        };
        let calls = self.fate.calls();
        if asked
            .get("Action")
            .is_some_and(|action| CHANGES.contains(&action.as_str()))
        {
            self.note(|notes| notes.moves = Some([notes.moves.map_or(calls, |[first, _]| first), calls]));
        }
        let is_proof = |action: &String| ["RunInstances", "TerminateInstances"].contains(&action.as_str());
        if asked.get("Action").is_some_and(is_proof) && !asked.contains_key("DryRun") {
            self.note(|notes| notes.launches = Some([notes.launches.map_or(calls, |[first, _]| first), calls]));
        }
        let sets = |action: &String| guarding::set_by(action).is_some();
        if asked.get("Action").is_some_and(sets) && !asked.contains_key("DryRun") {
            self.note(|notes| notes.guards = Some([notes.guards.map_or(calls, |[first, _]| first), calls]));
        }
        let is_deletion = |action: &String| action == "DeleteMessageBatch";
        if asked.get("Action").is_some_and(is_deletion) {
            self.note(|notes| notes.messages = Some([notes.messages.map_or(calls, |[first, _]| first), calls]));
        }
        let is_listing = |action: &String| ["ListAccounts", "ListAccountsForParent"].contains(&action.as_str());
        if asked.get("Action").is_some_and(is_listing) {
            self.note(|notes| notes.listings = Some([notes.listings.map_or(calls, |[first, _]| first), calls]));
        }
        let number = calls[Side::Aws as usize];
        let mut lot = Lot::Served;
        for fault in faults {
            match fault {
                Fault::CrashBeforeAws => lot = Lot::DiesBefore,
                Fault::CrashAfterAws => lot = Lot::DiesAfter,
                Fault::AwsEffectAfterRestart => {
                    self.once(Act::DelayEffect(90.0));
                    lot = Lot::DiesAfter;
                }
                Fault::ClockForward | Fault::ClockBack => {
                    self.strike(fault, process);
                    if number.is_multiple_of(2) {
                        // It takes the time of day when it begins.
                        lot = Lot::DiesBefore;
                    }
                }
                Fault::GroupFollows => groups::follow(self, asked.get("AutoScalingGroupNames.member.1"), number),
                Fault::CopyUnderOtherKey => {
                    let other = key.and_then(|arn| Some(format!("{}/{OTHER_KEY}", arn.rsplit_once('/')?.0)));
                    self.lie(Act::CopyUnderKey(other.unwrap_or_default()));
                }
                other => self.strike(other, process),
            }
        }
        if lot != Lot::Served {
            self.fate.kill(process);
        }
        lot
    }

    /// A call that changes something in an account and region whose shard is not the process's.
    fn usurps(&self, process: u64, asked: &BTreeMap<String, String>) -> Option<String> {
        let operation = asked.get("Action")?;
        let reads = ["Describe", "Get", "List", "Assume"]
            .iter()
            .any(|verb| operation.starts_with(verb));
        if reads || asked.contains_key("DryRun") {
            return None;
        }
        let named = [
            "SourceImageId",
            "ImageId",
            "ResourceId.1",
            "SnapshotId",
            "LaunchTemplateId",
            "InstanceId.1",
            "AutoScalingGroupName",
            "Tags.member.1.ResourceId",
            "Name",
        ];
        let named = named.iter().find_map(|name| asked.get(*name))?;
        let (account, region) = self.sim.with_world(|world| {
            let mut regions = world.regions();
            let place = regions.find(|(_, region)| {
                let is_image = region.images.contains_key(named);
                let launches = &region.consumers;
                let is_consumer =
                    launches.launch_templates.get(named).is_some() || launches.parameters.get(named).is_some();
                let is_group = launches.auto_scaling_groups.get(named).is_some();
                let is_consumer = is_consumer || is_group || launches.instances.get(named).is_some();
                is_image || is_consumer || region.snapshots.contains_key(named)
            });
            place.map(|(account, region)| (account.id.clone(), region.name.clone()))
        })?;
        let replica = self.lock().replicas.get(&process).cloned()?;
        let shard = format!("amiseal-shard-{}", shard_of(&account, &region, SHARDS));
        let lease = self.lease(replica.namespace, &shard);
        let now = self.clock.age();
        let is_held = lease
            .as_ref()
            .is_some_and(|(holder, renewed)| holder == replica.identity && now <= *renewed + LEASE);
        let how = || {
            format!(
                "{operation} of {named} by {} at {now:?}, while {shard} is held by (who, renewed at) {lease:?}",
                replica.identity
            )
        };
        (!is_held).then(how)
    }

    /// Whether a process that is alive holds the shard of an account and region, as far as the Lease says.
    pub(crate) fn serves(&self, account: &str, region: &str) -> bool {
        let shard = format!("amiseal-shard-{}", shard_of(account, region, SHARDS));
        let replicas = self.lock().replicas.clone();
        let mut alive = replicas.iter().filter(|(process, _)| self.fate.is_alive(**process));
        alive.any(|(_, replica)| {
            let lease = self.api.get("Lease", (replica.namespace, &shard));
            lease.is_some_and(|lease| lease["spec"]["holderIdentity"] == replica.identity)
        })
    }

    /// Until when anything has gone wrong, as an age of the history: now, if something does.
    pub(crate) fn disturbed_until(&self) -> Duration {
        let now = self.clock.age();
        if !self.fate.is_alone() || !self.lock().mends.is_empty() {
            return now;
        }
        let ago = self.fate.struck_at().map(|at| at.elapsed());
        ago.map_or(Duration::ZERO, |ago| now.saturating_sub(ago))
    }

    /// Who holds a Lease, and when it was written last, by the clock of the API server.
    fn lease(&self, namespace: &str, name: &str) -> Option<(String, Duration)> {
        let versions = self.api.history(0);
        let of_lease =
            |version: &&Version| version.kind == "Lease" && version.namespace == namespace && version.name == name;
        let last = versions.iter().rev().find(of_lease)?;
        let holder = last.object["spec"]["holderIdentity"].as_str()?;
        (last.change != Change::Deleted).then(|| (holder.to_owned(), age_at(last.at)))
    }

    /// A request to the API server arrives: strikes, and says what becomes of it.
    pub(crate) fn request(&self, request: &RequestInfo) -> Verdict {
        let process = request.client.parse().expect("a process");
        let writes = !matches!(request.verb, Verb::Get | Verb::List | Verb::Watch);
        let both = [Side::Kubernetes, Side::Writes];
        let Some(faults) = self.fate.arrive(&both[..1 + usize::from(writes)], process) else {
            return Verdict::Hang { effect: Effect::None };
        };
        let number = self.fate.calls()[Side::Kubernetes as usize];
        let mut verdict = self.refused(request).unwrap_or_else(|| self.read_stale(request));
        for fault in faults {
            let lose = |effect| Verdict::Lose {
                effect,
                after: Duration::from_secs(1),
            };
            verdict = match fault {
                Fault::CrashBeforeKubernetes | Fault::CrashAfterKubernetes => {
                    self.fate.kill(process);
                    let effect = match fault {
                        Fault::CrashBeforeKubernetes => Effect::None,
                        _ => Effect::Done,
                    };
                    // Nothing else can become of it.
                    return Verdict::Hang { effect };
                }
                Fault::KubernetesConflict => Verdict::Refuse(Failure::conflict()),
                Fault::KubernetesThrottled => self.refuse(request, Failure::too_many_requests(1), number),
                Fault::KubernetesError => Verdict::Refuse(Failure::internal()),
                Fault::KubernetesUnavailable => self.refuse(request, Failure::unavailable(), number),
                Fault::KubernetesConnectionLost => lose(Effect::None),
                Fault::KubernetesAnswerLost => lose(Effect::Done),
                Fault::WatchesClosed => self.break_watches(Break::Close, verdict),
                Fault::WatchesBroken => self.break_watches(Break::Fail, verdict),
                Fault::WatchesExpired => self.break_watches(Break::Expire, verdict),
                Fault::ListsStale => {
                    self.lock().stale_until = Some(Instant::now() + STALE.0);
                    self.break_watches(Break::Expire, verdict)
                }
                other => {
                    let number = self.fate.calls()[Side::Writes as usize];
                    people::act(self, other, request, number);
                    verdict
                }
            };
        }
        Verdict::Delay {
            by: LATENCY + self.fate.held_up(process),
            then: Box::new(verdict),
        }
    }

    /// An event is about to be sent. The API server is in the middle of a write.
    pub(crate) fn event(&self, event: &EventInfo<'_>) -> Delivery {
        let Ok(process) = event.client.parse() else {
            return Delivery::Send;
        };
        match self.fate.arrive(&[Side::Events], process).as_deref() {
            Some([Fault::EventDropped, ..]) => {
                self.notice(process, event.client.to_owned(), event.version.kind.clone());
                Delivery::Drop
            }
            Some([Fault::EventDoubled, ..]) => Delivery::Double,
            Some([Fault::EventLate, ..]) => Delivery::Delay {
                by: LATE,
                coalesce: false,
            },
            Some([Fault::EventsCoalesced, ..]) => Delivery::Delay {
                by: LATE,
                coalesce: true,
            },
            _ => Delivery::Send,
        }
    }

    /// Has the API server notice after a while that a watch has missed something, however often the client has to be caught.
    fn notice(&self, process: u64, client: String, kind: String) {
        self.later(NOTICED, move |stage| {
            let broken = stage.api.break_watches(Break::Expire, |c, k| c == client && k == kind);
            if broken == 0 && stage.fate.is_alive(process) && !stage.is_calm() {
                stage.notice(process, client, kind);
            }
        });
    }

    fn break_watches(&self, how: Break, verdict: Verdict) -> Verdict {
        self.api.break_watches(how, |_, _| true);
        verdict
    }

    /// Refuses a request with what its client repeats it after: once, or at every other moment until the client gives
    /// up, so that the controllers see it.
    fn refuse(&self, request: &RequestInfo, failure: Failure, number: u64) -> Verdict {
        if number.is_multiple_of(2) {
            self.lock().refused.push((request.clone(), failure.clone()));
            self.later(OUTAGE, |stage| {
                let mut state = stage.lock();
                if !state.refused.is_empty() {
                    // All of them last as long.
                    state.refused.remove(0);
                }
            });
        }
        Verdict::Refuse(failure)
    }

    /// What becomes of a request that is refused for a while.
    fn refused(&self, request: &RequestInfo) -> Option<Verdict> {
        let state = self.lock();
        let mut refused = state.refused.iter();
        let (_, failure) = refused.find(|(refused, _)| asks(refused) == asks(request))?;
        Some(Verdict::Refuse(failure.clone()))
    }

    fn read_stale(&self, request: &RequestInfo) -> Verdict {
        let lags = self.lock().stale_until.is_some_and(|until| Instant::now() < until);
        let revision = self.api.revision().saturating_sub(STALE.1);
        if lags && request.verb == Verb::List && revision > 0 {
            return Verdict::Stale { revision };
        }
        Verdict::Serve
    }

    /// What strikes at a call to AWS, but for the death of the process.
    fn strike(&self, fault: Fault, process: u64) {
        match fault {
            Fault::CrashAfterError => {
                self.once(Act::FailBefore(AwsFailure::default()));
                self.fate.strike_next(Fault::CrashBeforeAws);
            }
            Fault::SecondLeader => {
                let until = self.clock.age() + ESTRANGED + UNKNOWN_FOR;
                self.note(|notes| notes.estranged_until = until);
                self.start(STRANGER, ESTRANGED);
            }
            Fault::SecondReplica => self.start(SECOND, TOGETHER),
            Fault::Paused => {
                self.fate.pause(process, PAUSE);
                let now = self.clock.age();
                self.note(|notes| notes.hung.push((now, now + PAUSE)));
                self.start(SECOND, TOGETHER);
            }
            Fault::ClockForward | Fault::ClockBack => {
                let forward = fault == Fault::ClockForward;
                self.note(|notes| notes.leapt = true);
                self.clock.set_ahead(if forward { LEAP } else { -LEAP });
                self.later(A_WHILE, |stage| stage.clock.set_ahead(0));
            }
            Fault::CopyPartlyPlain => self.lie(Act::CopyUnencrypted),
            Fault::CopyWithOtherAttribute => self.lie(Act::CopyAttribute(AttributeLie {
                name: "architecture".to_owned(),
                value: Some("arm64".to_owned()),
            })),
            other => match answer(other) {
                Some(act) => self.once(act),
                None => self.disturb(other, self.fate.calls()[Side::Aws as usize]),
            },
        }
    }

    /// Does this to the next call to AWS, which is the one that is being struck.
    fn once(&self, act: Act) {
        self.sim.add_fault(FaultRule {
            dry_run: true,
            to: Some(1),
            act,
            ..FaultRule::default()
        });
    }

    fn start(&self, replica: Replica, lasting: Duration) {
        // Without a receiver the history is over.
        let _ = self.second.send(Second { replica, lasting });
    }

    /// Changes AWS from outside.
    pub(crate) fn edit(&self, edit: Edit) {
        self.sim.edit(edit).expect("what is to be changed is there");
    }

    pub(super) fn for_a_while(&self, begin: Vec<Edit>, end: Vec<Edit>) {
        begin.into_iter().for_each(|edit| self.edit(edit));
        self.later(A_WHILE, move |stage| end.into_iter().for_each(|edit| stage.edit(edit)));
    }

    /// Does something after a while, or when everything is to be put right.
    pub(crate) fn later(&self, after: Duration, mend: impl FnOnce(&Self) + Send + 'static) {
        let mut state = self.lock();
        let number = state.mends.last_key_value().map_or(0, |(last, _)| last + 1);
        state.mends.insert(number, Box::new(mend));
        drop(state);
        let stage = self.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let mend = stage.lock().mends.remove(&number);
            if let Some(mend) = mend {
                mend(&stage);
            }
        });
    }

    /// Whether all that was to go wrong has, and is over.
    pub(crate) fn is_over(&self) -> bool {
        self.fate.is_over() && self.lock().mends.is_empty()
    }

    /// Whether something that has gone wrong is still to be put right.
    pub(crate) fn has_mends(&self) -> bool {
        !self.lock().mends.is_empty()
    }

    /// Lets nothing more strike.
    pub(crate) fn spare(&self) {
        self.fate.calm();
    }

    /// Whether nothing may go wrong any more.
    pub(crate) fn is_calm(&self) -> bool {
        self.lock().calm
    }

    /// Puts everything right, lets nothing strike any more, and ends all replicas but `stays`.
    pub(crate) fn calm(&self, stays: &Replica) {
        self.fate.calm();
        self.lock().calm = true;
        let now = self.clock.age();
        self.note(|notes| notes.put_right(now));
        let replicas = self.lock().replicas.clone();
        for (process, _) in replicas.iter().filter(|(_, replica)| *replica != stays) {
            self.fate.kill(*process);
        }
        self.sim.clear_faults();
        loop {
            let next = self.lock().mends.pop_first();
            let Some((_, mend)) = next else { break };
            mend(self);
        }
        self.lock().stale_until = None;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who asks for what: the same of a request and of its repetitions.
fn asks(request: &RequestInfo) -> (Verb, [&str; 5]) {
    let RequestInfo {
        client,
        kind,
        namespace,
        name,
        subresource,
        ..
    } = request;
    let about = [client, kind, namespace, name, subresource];
    (request.verb, about.map(String::as_str))
}
