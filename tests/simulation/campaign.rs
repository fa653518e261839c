//! Many histories: each fault at each call, then some at random, and a table of what came of them.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use super::history::Outcome;
use super::invariants::{Broken, Promise};
use super::plan::{Fault, Plan};

/// How many histories are played twice, and have to be the same.
const TWICE: u64 = 50;

/// Plays everything and prints what came of it.
pub(crate) fn run(first: u64, histories: u64, stride: u64) -> ExitCode {
    let began = Instant::now();
    let mut all = Tally::default();

    let undisturbed = play(&Plan::undisturbed(first));
    let calls = undisturbed.calls;
    println!(
        "an undisturbed history: {} calls to AWS, {} requests to the API server",
        calls[0], calls[1]
    );
    all.add(&Plan::undisturbed(first), &undisturbed);

    println!(
        "\n{:<30} {:>7} {:>7} {:>7} {:>9} {:>9}",
        "fault", "points", "played", "struck", "calls", "broken"
    );
    for fault in Fault::ALL {
        let points = calls[fault.side() as usize];
        let plans: Vec<Plan> = (1..=points)
            .step_by(usize::try_from(stride).unwrap_or(1))
            .map(|at| Plan::single(first, fault, at))
            .collect();
        let tally = Tally::of(&plans);
        println!(
            "{:<30} {:>7} {:>7} {:>7} {:>9} {:>9}",
            fault.name(),
            points,
            plans.len(),
            tally.struck,
            tally.median_calls(),
            tally.broken.len()
        );
        all.join(tally);
    }

    let most = calls[0].max(calls[1]);
    let plans: Vec<Plan> = (first..first + histories)
        .map(|seed| Plan::random(seed, most))
        .collect();
    let random = Tally::of(&plans);
    println!(
        "{:<30} {:>7} {:>7} {:>7} {:>9} {:>9}",
        "up to five at random",
        "-",
        plans.len(),
        random.struck,
        random.median_calls(),
        random.broken.len()
    );
    all.join(random);

    let twice: Vec<Plan> = plans
        .iter()
        .take(usize::try_from(TWICE.min(histories)).unwrap_or(0))
        .cloned()
        .collect();
    let (one, two) = (digests(&twice), digests(&twice));
    let differing: Vec<&Plan> = twice
        .iter()
        .zip(one.iter().zip(&two))
        .filter(|(_, (a, b))| a != b)
        .map(|(plan, _)| plan)
        .collect();
    println!(
        "\nplayed twice: {}, of these not the same: {}",
        twice.len(),
        differing.len()
    );
    for plan in &differing {
        println!("  {}", plan.command());
    }

    println!("states and reasons seen, by histories:");
    for (word, count) in &all.reached {
        println!("  {word:<28} {count:>7}");
    }
    println!(
        "\n{} histories, {} checks of all promises, {} s",
        all.histories,
        all.checks,
        began.elapsed().as_secs()
    );
    for (plan, how) in &all.broken {
        println!("broken: {how}\n  {}", plan.command());
    }
    let failed = all.broken.len() + differing.len();
    println!("{} passed, {failed} failed", all.histories - all.broken.len());
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// What came of several histories.
#[derive(Debug, Default)]
struct Tally {
    histories: usize,
    struck: usize,
    checks: u64,
    calls: Vec<u64>,
    reached: BTreeMap<String, usize>,
    broken: Vec<(Plan, String)>,
}

impl Tally {
    fn of(plans: &[Plan]) -> Self {
        let mut tally = Self::default();
        each(plans, |plan, outcome| tally.add(plan, &outcome));
        tally.broken.sort_by_key(|(plan, _)| (plan.seed, plan.strikes.clone()));
        tally
    }

    fn add(&mut self, plan: &Plan, outcome: &Outcome) {
        self.histories += 1;
        self.struck += outcome.struck;
        self.checks += outcome.checks;
        self.calls.push(outcome.calls.iter().sum());
        for word in outcome.reached.keys() {
            *self.reached.entry(word.clone()).or_default() += 1;
        }
        self.broken
            .extend(outcome.broken.first().map(|broken| (plan.clone(), broken.to_string())));
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
