//! Many histories: each fault at each moment, then some at random, and a table of what came of them.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use amiseal::api::conditions::reason;
use clap::ValueEnum;

use super::catalogue::Fault;
use super::enlisting;
use super::fate::Side;
use super::followers;
use super::hearing;
use super::history::Outcome;
use super::invariants::{Broken, Promise};
use super::moving;
use super::nearly;
use super::plan::Plan;
use super::proving::Proofs;
use super::regressions;
use super::undisturbed::{GUARDS, HEARS, LISTS, MOVES, PROVES, SINGLES, Undisturbed};

/// How many histories at random are played twice, and have to be the same.
const TWICE: usize = 50;
/// Of those that a single fault strikes, every so many is played twice.
const ALONE: usize = 100;
/// How far the first moment of a fault is from that of the one before it: no divisor of a stride that anybody asks for.
const APART: usize = 53;
/// In so many rounds all moments of a fault are played where a promise is to be broken.
const ROUNDS: u64 = 16;
/// A call that changes something is made once more than without a fault, if its answer was lost, and once again by who takes over.
const AGAIN: u64 = 2;
/// How often a call that changes something may be asked for beyond that, whatever comes of it: what is refused is asked
/// for again.
const ASKED_AGAIN: u64 = 12;
/// From how many histories at random on each state and each reason has to have been reached.
const ENOUGH: u64 = 500;

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
        let undisturbed = Undisturbed::play();
        for (plan, outcome, what) in undisturbed.all() {
            let [aws, copies, kubernetes, writes, events] = outcome.calls;
            println!(
                "an undisturbed history{what}: {aws} calls to AWS, {copies} of them to copy; {kubernetes} requests to the API \
                 server, {writes} of them write; {events} events of watches"
            );
            all.add(&plan, outcome);
        }
        println!();
        header();
        all.join(known());
        let (singles, mut played) = self.singles(&undisturbed);
        all.join(singles);
        let (random, digests) = random(&self.plans(Fault::value_variants(), &undisturbed));
        all.join(random);

        // Histories that have parted from others have to be the same as if they had been played alone.
        played = played
            .into_iter()
            .step_by(ALONE)
            .chain(digests.into_iter().take(TWICE))
            .collect();
        let differing = twice(&played);
        let missing = all.print_reached(self.histories >= ENOUGH);
        println!(
            "\n{} histories, {} checks of all promises, {} s",
            all.histories,
            all.checks,
            began.elapsed().as_secs()
        );
        all.broken.sort_by_key(|(plan, _)| (plan.seed, plan.strikes.clone()));
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

    /// Plays what has shown something before, these faults at each moment of the history of the seed `world`, or of the usual one, then
    /// several of them at random, and then any, until this promise is broken: to see that it would be.
    pub(crate) fn run_until_broken(self, promise: Promise, faults: &[Fault], world: Option<u64>) -> ExitCode {
        let undisturbed = Undisturbed::play();
        // What is about consumers shows where they are moved, what is about proofs where there are any, and likewise of the others.
        let usual = match promise {
            Promise::MovedWithCare => MOVES,
            Promise::ProvenFirst => PROVES,
            Promise::SetWithCare | Promise::FoundInTime => GUARDS,
            Promise::OnlyHints => HEARS,
            Promise::LeavesSlowly => LISTS,
            _ => SINGLES,
        };
        let seed = world.unwrap_or(usual);
        let calls = match world {
            Some(seed) => play(&Plan::undisturbed(seed)).calls,
            None => undisturbed.of(seed).calls,
        };
        // From the first to the last moment again and again: what shows late is found as soon as what shows early.
        let singles = faults.iter().flat_map(|fault| {
            let last = calls[fault.side() as usize];
            let points = (1..=ROUNDS).flat_map(move |first| (first..=last).step_by(ROUNDS as usize));
            points.map(move |at| Plan::single(seed, *fault, at))
        });
        let some = if faults.is_empty() {
            Vec::new()
        } else {
            self.plans(faults, &undisturbed)
        };
        let any = self.plans(Fault::value_variants(), &undisturbed);
        let at_random = some.into_iter().chain(any);
        let first = [Plan::undisturbed(seed)].into_iter().chain(regressions::plans());
        let plans = first.chain(singles).chain(at_random);
        let plans: Vec<Plan> = plans.collect();
        let mut played = 0;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        for some in plans.chunks(threads) {
            let mut broken = Vec::new();
            each(some, |plan, outcome| {
                let breaks = breaks(promise, plan, outcome, &undisturbed);
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

    /// Each fault at moments of the undisturbed histories, and the hash of each of these. Where few are played, that is in one of these
    /// histories for one fault, and in another for the next.
    fn singles(self, undisturbed: &Undisturbed) -> (Tally, Vec<(Plan, String)>) {
        let worlds = [SINGLES, MOVES, PROVES, GUARDS, HEARS, LISTS];
        let (mut all, mut digests) = (Tally::default(), Vec::new());
        for (number, fault) in Fault::value_variants().iter().enumerate() {
            let points = |seed| {
                undisturbed
                    .points(seed, *fault)
                    .into_iter()
                    .map(move |point| (seed, point))
            };
            let points: Vec<(u64, u64)> = worlds.into_iter().flat_map(points).collect();
            let first = number * APART % points.len().min(self.stride).max(1);
            let played: Vec<(u64, u64)> = points.iter().copied().skip(first).step_by(self.stride).collect();
            let mut tally = Tally::default();
            for seed in worlds {
                let of_world = played.iter().filter(|(of, _)| *of == seed);
                let moments: Vec<u64> = of_world.map(|(_, moment)| *moment).collect();
                for (plan, mut outcome) in branches(seed, *fault, &moments) {
                    outcome.broken.extend(too_many(&plan, &outcome, undisturbed.of(seed)));
                    outcome.broken.extend(has_not_struck(&outcome));
                    tally.add(&plan, &outcome);
                    digests.push((plan, outcome.digest));
                }
            }
            tally.print(&fault.name(), Some(points.len()), played.len());
            all.join(tally);
        }
        (all, digests)
    }

    /// Plans of these faults at random. They strike among half as many calls again as there are in the history of the
    /// first seed, or in the one in which consumers are moved: others have more.
    fn plans(self, faults: &[Fault], undisturbed: &Undisturbed) -> Vec<Plan> {
        let usual = play(&Plan::undisturbed(self.first)).calls;
        let more = |calls: [u64; Side::COUNT]| calls.map(|calls| calls + calls / 2);
        let (usual, moving) = (more(usual), more(undisturbed.moves.calls));
        let seeds = self.first..self.first + self.histories;
        let plan = |seed| {
            let calls = if moving::is_newer(seed) { moving } else { usual };
            // Until an instance of each copy has run, it takes longer.
            let calls = if Proofs::of(seed).is_some() { more(calls) } else { calls };
            Plan::random(seed, faults, calls)
        };
        seeds.map(plan).collect()
    }
}

/// The histories that have shown something before.
fn known() -> Tally {
    let plans = regressions::plans();
    let mut tally = Tally::default();
    each(&plans, |plan, mut outcome| {
        outcome.broken.extend(has_missed(plan, &outcome));
        tally.add(plan, &outcome);
    });
    tally.print("known from before", None, plans.len());
    tally
}

/// Several faults at random, and the hash of each of these.
fn random(plans: &[Plan]) -> (Tally, Vec<(Plan, String)>) {
    let (mut tally, mut digests) = (Tally::default(), Vec::new());
    each(plans, |plan, outcome| {
        tally.add(plan, &outcome);
        digests.push((plan.clone(), outcome.digest));
    });
    tally.print("two at random, or up to five", None, plans.len());
    digests.sort_by_key(|(plan, _)| plan.seed);
    (tally, digests)
}

/// Plays these once more, and says how many do not have the same hash again.
fn twice(played: &[(Plan, String)]) -> usize {
    let plans: Vec<Plan> = played.iter().map(|(plan, _)| plan.clone()).collect();
    let mut differing = Vec::new();
    each(&plans, |plan, outcome| {
        if !played.contains(&(plan.clone(), outcome.digest)) {
            differing.push(plan.command());
        }
    });
    println!(
        "\nplayed twice: {}, of these not the same: {}",
        plans.len(),
        differing.len()
    );
    for command in &differing {
        println!("  {command}");
    }
    differing.len()
}

/// A history that its fault has not struck shows nothing.
fn has_not_struck(outcome: &Outcome) -> Option<Broken> {
    (outcome.struck == 0).then(|| Broken::new(Promise::Converges, "the fault has not struck"))
}

/// A plan that is kept for what it has shown once shows nothing any more when one of its strikes finds nothing to
/// strike.
fn has_missed(plan: &Plan, outcome: &Outcome) -> Option<Broken> {
    let missed = plan.strikes.len().saturating_sub(outcome.struck);
    let how = || format!("{missed} of its strikes have not struck: look for the moment that the plan is about");
    (missed > 0).then(|| Broken::new(Promise::Converges, how()))
}

/// How a history breaks a promise. One that has not come to an end shows nothing.
fn breaks(promise: Promise, plan: &Plan, outcome: Outcome, undisturbed: &Undisturbed) -> Option<Broken> {
    if outcome.digest.is_empty() {
        return None;
    }
    let costs = too_many(plan, &outcome, undisturbed.of(plan.seed));
    let mut broken = outcome.broken.into_iter().chain(costs);
    broken.find(|broken| broken.promise == promise)
}

/// What shows of a history only beside the same one without its fault, as far as it is one of those that are compared.
pub(crate) fn compared(plan: &Plan, outcome: &Outcome) -> Option<Broken> {
    fault_of_single(plan)?;
    let costs = || too_many(plan, outcome, &play(&Plan::undisturbed(plan.seed)));
    has_not_struck(outcome).or_else(costs)
}

/// The fault of a history that only one strikes, if it is of those that are compared with the undisturbed one.
fn fault_of_single(plan: &Plan) -> Option<Fault> {
    match plan.strikes.as_slice() {
        [strike] if [SINGLES, MOVES].contains(&plan.seed) => Some(strike.fault),
        // What people do to a queue, or to an organization, costs nothing either.
        [strike] if plan.seed == HEARS && strike.fault.is_of_messages() => Some(strike.fault),
        [strike] if plan.seed == LISTS && strike.fault.is_of_accounts() => Some(strike.fault),
        _ => None,
    }
}

/// What a fault may not cost: a second copy, or more calls that change something than have to be made again.
fn too_many(plan: &Plan, outcome: &Outcome, undisturbed: &Outcome) -> Option<Broken> {
    fault_of_single(plan).filter(|fault| !fault.costs_copies())?;
    let again = |operation: &str| if operation == "CopyImage" { 0 } else { AGAIN };
    let effects = more_than(&outcome.effects, &undisturbed.effects, again);
    let effects = effects.map(|how| format!("{how}, had an effect"));
    let asked = || more_than(&outcome.asked, &undisturbed.asked, |_| ASKED_AGAIN);
    let in_vain = || Some(format!("{}, were made, in vain or not", asked()?));
    let how = effects.or_else(in_vain)?;
    Some(Broken::new(Promise::NoCallTooMany, how))
}

/// An operation that was called more often than usual, by more than it may be.
fn more_than(
    calls: &BTreeMap<String, u64>,
    usual: &BTreeMap<String, u64>,
    again: impl Fn(&str) -> u64,
) -> Option<String> {
    let usual = |operation: &str| usual.get(operation).copied().unwrap_or(0);
    let mut calls = calls.iter();
    let (operation, count) = calls.find(|(operation, count)| **count > usual(operation) + again(operation))?;
    Some(format!("{count} calls of {operation}, not {}", usual(operation)))
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
    /// How many of them have moved consumers.
    moved: usize,
    broken: Vec<(Plan, Broken)>,
}

impl Tally {
    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.histories += 1;
        self.struck += outcome.struck;
        self.checks += outcome.checks;
        self.moved += usize::from(outcome.moves.is_some());
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
        self.moved += other.moved;
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

    fn print(&self, name: &str, points: Option<usize>, played: usize) {
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
        let mut never = 0;
        let mut print = |shown: &str, word: &str| {
            let count = self.reached.get(word).copied().unwrap_or(0);
            println!("  {shown:<28} {count:>7}");
            never += usize::from(count == 0 && !NOT_PLAYED.contains(&word));
        };
        println!("\nstates and reasons met, by histories:");
        let states = ["Pending", "Copying", "Verifying", "Promoting", "Completed"];
        for word in states.iter().chain(reason::ALL) {
            print(word, word);
        }
        println!(
            "\nwhat has kept consumers from being moved, guardrails from being set and accounts from leaving wrongly, by histories:"
        );
        for guard in nearly::GUARDS {
            // Some are rare: that is said, and fails nothing.
            let count = self.reached.get(&nearly::word(guard)).copied().unwrap_or(0);
            println!("  {guard:<28} {count:>7}");
        }
        println!("\n{} histories have moved consumers", self.moved);
        let elsewhere = self.reached.get(followers::MOVED).copied().unwrap_or(0);
        println!("{elsewhere} have moved what launches another account's image");
        let heard = self.reached.get(hearing::HEARD).copied().unwrap_or(0);
        println!("{heard} have read messages of a queue");
        let parted = self.reached.get(enlisting::PARTED).copied().unwrap_or(0);
        println!("{parted} have had an account leave a policy");
        if all { never } else { 0 }
    }
}

/// What only policies bring about that none of these histories has, or hardly any: proofs by Jobs, refreshes that fail, wrong schedules,
/// failures in numbers, maps in ConfigMaps and parameters, settings that show a copy and refuse it, a role that may not set a guardrail,
/// Allowed AMIs, and accounts that were never listed. Tests of `plan/` and scenarios play it.
const NOT_PLAYED: [&str; 15] = [
    reason::NOT_READ_YET,
    reason::MAY_REFUSE_IMAGES,
    reason::SOURCE_NOT_SHARED,
    reason::COPY_REPLACED,
    reason::INSTANCE_TYPE_MISMATCH,
    reason::JOB_REFUSED,
    reason::REFRESH_FAILED,
    reason::INVALID_SCHEDULE,
    reason::TOO_MANY_FAILURES,
    reason::COPY_NOT_ALLOWED,
    reason::PUBLISHED,
    reason::NOT_OURS,
    reason::NOT_SHOWN,
    reason::TOO_LARGE,
    reason::FORBIDDEN,
];

/// Plays a history in a process of its own, where nothing that went before has a part in it.
pub(crate) fn play(plan: &Plan) -> Outcome {
    let options = plan.options().into_iter().chain(["--summary".to_owned()]);
    let (outcomes, said) = run(options);
    outcomes.into_iter().next().unwrap_or_else(|| no_outcome(&said))
}

/// Plays this fault at these moments. What comes before is the same for all, and is played once for as many of them as there are
/// processors.
fn branches(seed: u64, fault: Fault, moments: &[u64]) -> Vec<(Plan, Outcome)> {
    let plans: Vec<Plan> = moments.iter().map(|at| Plan::single(seed, fault, *at)).collect();
    let shares = thread::available_parallelism().map_or(1, usize::from);
    let play = |share: usize| {
        let plans = || plans.iter().skip(share).step_by(shares);
        let strikes = plans().flat_map(|plan| &plan.strikes);
        let branches = strikes.flat_map(|strike| ["--branch".to_owned(), strike.to_string()]);
        let (outcomes, said) = run(["--seed".to_owned(), seed.to_string()].into_iter().chain(branches));
        let outcome_of = |plan: &Plan| {
            let mut outcomes = outcomes.iter();
            let outcome = outcomes.find(|outcome| outcome.branch.as_ref() == plan.strikes.first());
            outcome.cloned().unwrap_or_else(|| no_outcome(&said))
        };
        plans().map(|plan| (plan.clone(), outcome_of(plan))).collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        let shares = (0..shares.min(plans.len())).map(|share| scope.spawn(move || play(share)));
        let shares: Vec<_> = shares.collect();
        shares
            .into_iter()
            .flat_map(|share| share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

/// Starts this program with these options: the outcomes that it prints, and what it says besides.
fn run(options: impl Iterator<Item = String>) -> (Vec<Outcome>, String) {
    let program = std::env::current_exe().expect("this program");
    let ended = Command::new(program).args(options).output();
    let ended = ended.expect("this program can be started");
    let lines = ended.stdout.split(|byte| *byte == b'\n');
    let outcomes = lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
    (outcomes, String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// What came of a history that had no end.
fn no_outcome(said: &str) -> Outcome {
    Outcome {
        broken: vec![Broken::new(Promise::Converges, said)],
        ..Outcome::default()
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
