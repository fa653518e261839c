//! Many histories: each fault at each moment, then some at random, and a table of what came of them.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use amiseal::api::conditions::reason;

use super::catalogue::Fault;
use super::fate::Side;
use super::history::Outcome;
use super::invariants::{Broken, Promise};
use super::plan::Plan;
use super::regressions;

/// How many histories are played twice, and have to be the same.
const TWICE: u64 = 50;
/// A call that changes something is made once more than without a fault, if its answer was lost, and once again by who takes over.
const AGAIN: u64 = 2;
/// From how many histories at random on each state and each reason has to have been reached.
const ENOUGH: u64 = 1000;

/// How much is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Campaign {
    /// The seed of the first history.
    pub(crate) first: u64,
    /// How many histories at random.
    pub(crate) histories: u64,
    /// Each fault strikes at every so many moments.
    pub(crate) stride: usize,
}

impl Campaign {
    /// Plays everything and prints what came of it.
    pub(crate) fn run(self) -> ExitCode {
        let began = Instant::now();
        let mut all = Tally::default();
        let undisturbed = play(&Plan::undisturbed(self.first));
        let [aws, copies, kubernetes, writes, events] = undisturbed.calls;
        println!(
            "an undisturbed history: {aws} calls to AWS, {copies} of them to copy; {kubernetes} requests to the API server, \
             {writes} of them write; {events} events of watches\n"
        );
        all.add(&Plan::undisturbed(self.first), &undisturbed);
        header();
        all.join(self.known());
        all.join(self.singles(&undisturbed));
        all.join(self.random(undisturbed.calls));

        let differing = self.twice(undisturbed.calls);
        let missing = all.print_reached(self.histories >= ENOUGH && self.stride == 1);
        println!(
            "\n{} histories, {} checks of all promises, {} s",
            all.histories,
            all.checks,
            began.elapsed().as_secs()
        );
        for (plan, broken) in &all.broken {
            println!("broken: {broken}\n  {}", plan.command());
        }
        if let Some((plan, broken)) = all.broken.first() {
            let smallest = shrink(plan.clone(), broken.promise);
            println!(
                "the first of them, with as few strikes as break it still:\n  {}",
                smallest.command()
            );
        }
        let failed = all.broken.len() + differing + missing;
        println!("{} passed, {failed} failed", all.histories - all.broken.len());
        if failed == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Plays these faults at each moment, then others at random, until this promise is broken: to see that it would be.
    pub(crate) fn run_until_broken(self, promise: Promise, faults: &[Fault]) -> ExitCode {
        let undisturbed = Plan::undisturbed(self.first);
        let calls = play(&undisturbed).calls;
        let singles = faults.iter().flat_map(|fault| {
            let points = 1..=calls[fault.side() as usize];
            points.map(|at| Plan::single(self.first, *fault, at))
        });
        let plans = [undisturbed].into_iter().chain(singles).chain(self.plans(calls));
        let plans: Vec<Plan> = plans.collect();
        let mut played = 0;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for some in plans.chunks(threads) {
            let mut broken = Vec::new();
            each(some, |plan, outcome| {
                let breaks = outcome.broken.into_iter().find(|broken| broken.promise == promise);
                broken.extend(breaks.map(|broken| (plan.clone(), broken)));
            });
            played += some.len();
            if let Some((plan, broken)) = broken.first() {
                println!("broken after {played} histories: {broken}\n  {}", plan.command());
                return ExitCode::SUCCESS;
            }
        }
        println!("{promise} was not broken in {played} histories");
        ExitCode::FAILURE
    }

    /// The histories that have shown something before.
    fn known(self) -> Tally {
        let plans = regressions::plans();
        let tally = Tally::of(&plans, |_, _| None);
        tally.print("known from before", None, plans.len());
        tally
    }

    /// Each fault at each moment of the undisturbed history.
    fn singles(self, undisturbed: &Outcome) -> Tally {
        let mut all = Tally::default();
        for fault in Fault::ALL {
            let points = undisturbed.calls[fault.side() as usize];
            let plans: Vec<Plan> = (1..=points)
                .step_by(self.stride)
                .map(|at| Plan::single(self.first, *fault, at))
                .collect();
            let tally = Tally::of(&plans, |_, outcome| too_many(*fault, outcome, undisturbed));
            tally.print(&fault.name(), Some(points), plans.len());
            all.join(tally);
        }
        all
    }

    fn plans(self, calls: [u64; Side::COUNT]) -> Vec<Plan> {
        let seeds = self.first..self.first + self.histories;
        seeds.map(|seed| Plan::random(seed, calls)).collect()
    }

    /// Several faults at random.
    fn random(self, calls: [u64; Side::COUNT]) -> Tally {
        let plans = self.plans(calls);
        let tally = Tally::of(&plans, |_, _| None);
        tally.print("two at random, or up to five", None, plans.len());
        tally
    }

    /// Plays some twice, and says how many are not the same.
    fn twice(self, calls: [u64; Side::COUNT]) -> usize {
        let mut plans = self.plans(calls);
        plans.truncate(usize::try_from(TWICE).unwrap_or(usize::MAX));
        let (one, two) = (digests(&plans), digests(&plans));
        let pairs = plans.iter().zip(one.iter().zip(&two));
        let differing: Vec<&Plan> = pairs.filter(|(_, (a, b))| a != b).map(|(plan, _)| plan).collect();
        println!(
            "\nplayed twice: {}, of these not the same: {}",
            plans.len(),
            differing.len()
        );
        for plan in &differing {
            println!("  {}", plan.command());
        }
        differing.len()
    }
}

/// What a fault may not cost: a second copy, or more calls that change something than have to be made again.
fn too_many(fault: Fault, outcome: &Outcome, undisturbed: &Outcome) -> Option<Broken> {
    if fault.costs_copies() {
        return None;
    }
    let again = |operation: &str| if operation == "CopyImage" { 0 } else { AGAIN };
    let count = |outcome: &Outcome, operation: &str| outcome.effects.get(operation).copied().unwrap_or(0);
    let more = outcome
        .effects
        .iter()
        .find(|(operation, calls)| **calls > count(undisturbed, operation) + again(operation))?;
    let how = format!("{} calls of {}, not {}", more.1, more.0, count(undisturbed, more.0));
    Some(Broken::new(Promise::NoCallTooMany, how))
}

/// The plan with as few strikes as break the same promise still.
fn shrink(mut plan: Plan, promise: Promise) -> Plan {
    let breaks = |plan: &Plan| {
        play(plan)
            .broken
            .first()
            .is_some_and(|broken| broken.promise == promise)
    };
    while let Some(smaller) = plan.smaller().into_iter().find(breaks) {
        plan = smaller;
    }
    plan
}

fn header() {
    println!(
        "{:<30} {:>7} {:>7} {:>7} {:>9} {:>9}",
        "fault", "points", "played", "struck", "calls", "broken"
    );
}

/// What came of several histories.
#[derive(Debug, Default)]
struct Tally {
    histories: usize,
    struck: usize,
    checks: u64,
    calls: Vec<u64>,
    reached: BTreeMap<String, usize>,
    broken: Vec<(Plan, Broken)>,
}

impl Tally {
    fn of(plans: &[Plan], judge: impl Fn(&Plan, &Outcome) -> Option<Broken> + Sync + Send) -> Self {
        let mut tally = Self::default();
        each(plans, |plan, mut outcome| {
            outcome.broken.extend(judge(plan, &outcome));
            tally.add(plan, &outcome);
        });
        tally.broken.sort_by_key(|(plan, _)| (plan.seed, plan.strikes.clone()));
        tally
    }

    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.histories += 1;
        self.struck += outcome.struck;
        self.checks += outcome.checks;
        self.calls
            .push(outcome.calls[Side::Aws as usize] + outcome.calls[Side::Kubernetes as usize]);
        for word in outcome.reached.keys() {
            *self.reached.entry(word.clone()).or_default() += 1;
        }
        self.broken
            .extend(outcome.broken.first().map(|broken| (plan.clone(), broken.clone())));
    }

    fn join(&mut self, other: Self) {
        self.histories += other.histories;
        self.struck += other.struck;
        self.checks += other.checks;
        self.calls.extend(other.calls);
        for (word, count) in other.reached {
            *self.reached.entry(word).or_default() += count;
        }
        self.broken.extend(other.broken);
    }

    fn median_calls(&self) -> u64 {
        let mut calls = self.calls.clone();
        calls.sort_unstable();
        calls.get(calls.len() / 2).copied().unwrap_or(0)
    }

    fn print(&self, name: &str, points: Option<u64>, played: usize) {
        println!(
            "{name:<30} {:>7} {played:>7} {:>7} {:>9} {:>9}",
            points.map_or_else(|| "-".to_owned(), |points| points.to_string()),
            self.struck,
            self.median_calls(),
            self.broken.len()
        );
    }

    /// Prints in how many histories each state and reason was met, and says how many of them never were, if they should.
    fn print_reached(&self, all: bool) -> usize {
        println!("\nstates and reasons met, by histories:");
        let states = ["Pending", "Copying", "Verifying", "Promoting", "Completed"];
        let mut never = 0;
        for word in states.iter().chain(reason::ALL) {
            let count = self.reached.get(*word).copied().unwrap_or(0);
            println!("  {word:<28} {count:>7}");
            never += usize::from(count == 0);
        }
        if all { never } else { 0 }
    }
}

fn digests(plans: &[Plan]) -> Vec<String> {
    let mut digests = BTreeMap::new();
    each(plans, |plan, outcome| {
        digests.insert(plan.seed, outcome.digest);
    });
    digests.into_values().collect()
}

/// Plays a history in a process of its own, where nothing that went before has a part in it.
fn play(plan: &Plan) -> Outcome {
    let failed = |how: String| Outcome {
        broken: vec![Broken::new(Promise::Converges, how)],
        ..Outcome::default()
    };
    let program = std::env::current_exe().expect("this program");
    let played = Command::new(program).args(plan.options()).arg("--summary").output();
    let played = played.expect("this program can be started");
    match serde_json::from_slice(&played.stdout) {
        Ok(outcome) => outcome,
        Err(_) => failed(String::from_utf8_lossy(&played.stderr).into_owned()),
    }
}

/// Plays these histories, as many at a time as there are processors.
fn each(plans: &[Plan], mut take: impl FnMut(&Plan, Outcome) + Send) {
    let next = AtomicUsize::new(0);
    let take = Mutex::new(&mut take);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = play(plan);
                    (take.lock().unwrap_or_else(PoisonError::into_inner))(plan, outcome);
                }
            });
        }
    });
}
