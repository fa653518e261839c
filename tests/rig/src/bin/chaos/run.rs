//! One fault from its stage to its row: played, waited for, judged.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use ec2sim::{Check, Report};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rig::{Screen, unsettled};
use tokio::time::Instant;

use crate::effects;
use crate::faults::{Fault, Struck};
use crate::stage::Stage;
use crate::table::Row;
use crate::truth;

/// How often it is looked whether all is done.
const LOOK: Duration = Duration::from_millis(500);
/// How long after a fault everything must be done. What was refused for a minute is tried again up to a minute later, and then
/// the images that are left have to be migrated.
const LIMIT: Duration = Duration::from_secs(180);
/// For how long nothing may be left to do before it counts.
const QUIET: Duration = Duration::from_secs(2);

/// Plays a fault; an error is one of the play itself.
pub(crate) async fn run(screen: Arc<Screen>, fault: Fault, seed: u64, logs: Option<&Path>) -> Result<Row> {
    let rng = StdRng::seed_from_u64(seed.wrapping_add(fault as u64));
    let mut stage = Stage::set(screen, fault, rng, seed).await?;
    let row = Box::pin(play(&mut stage, fault)).await;
    if let Some(logs) = logs {
        stage.keep_logs(&logs.join(fault.name()))?;
    }
    let row = row?;
    for replica in std::mem::take(&mut stage.replicas) {
        replica.end().await?;
    }
    Ok(row)
}

async fn play(stage: &mut Stage, fault: Fault) -> Result<Row> {
    stage.until_under_way().await?;
    let mut witness = stage.witness().await?;
    let struck = witness.beside(Box::pin(fault.play(stage))).await?;
    stage.hear(witness);
    stage.say(&format!(
        "the fault is over: {}, and {} images have no copy yet",
        struck.injected,
        stage.left()
    ));
    let (converged, left) = converge(stage, struck.ended).await;
    let row = judge(stage, fault, struck, converged, &left);
    stage.say(match row.problems.is_empty() {
        true => "all is as promised",
        false => "NOT as promised",
    });
    Ok(row)
}

/// Waits until nothing is left to do and every status is true; returns the seconds since `ended`, or else what is not so.
async fn converge(stage: &mut Stage, ended: Instant) -> (Option<f64>, Vec<String>) {
    let mut since: Option<Instant> = None;
    loop {
        let left = what_is_left(stage).await;
        let now = Instant::now();
        since = left.is_empty().then(|| since.unwrap_or(now));
        if let Some(began) = since.filter(|began| now - *began >= QUIET) {
            return (Some((began - ended).as_secs_f64()), Vec::new());
        }
        if now - ended > LIMIT && since.is_none() {
            return (None, left);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn what_is_left(stage: &mut Stage) -> Vec<String> {
    match stage.look().await {
        Err(error) => vec![format!("{error:#}")],
        Ok(objects) => match unsettled(&objects) {
            Some(what) => {
                let mut left = vec![what];
                left.extend(stage.sim().with_world(|world| truth::wrong(&objects, world)));
                left
            }
            None => stage.sim().with_world(|world| truth::wrong(&objects, world)),
        },
    }
}

/// Holds everything against what is promised.
fn judge(stage: &Stage, fault: Fault, struck: Struck, converged: Option<f64>, left: &[String]) -> Row {
    let report = stage.sim().audit();
    let (done, needed) = (effects::done(stage.sim()), stage.needed().clone());
    let spare = |operation: &str| {
        let count = |effects: &effects::Effects| effects.get(operation).copied().unwrap_or_default();
        count(&done).saturating_sub(count(&needed))
    };
    let duplicates = report.of(Check::CopiedTwice).len().max(spare("CopyImage"));
    let losses = report.findings.iter().filter(|finding| is_loss(finding.check)).count();
    let lies = stage.lies();
    let wrong = left.iter().filter(|what| !lies.contains(*what)).count() + lies.len();
    let mut problems: Vec<String> = Vec::new();
    let mut promise = |kept: bool, problem: String| {
        if !kept {
            problems.push(problem);
        }
    };
    promise(struck.count > 0, "the fault did not strike".to_owned());
    promise(
        struck.left > 0,
        "nothing was left to copy when the fault struck".to_owned(),
    );
    promise(
        stage.looks() > 0 || fault.silences_api_server(),
        "no status could be read while the fault lasted".to_owned(),
    );
    promise(report.ok, findings(&report));
    promise(
        done == needed,
        format!("the calls that changed something are {done:?}, and {needed:?} had to be"),
    );
    promise(
        lies.is_empty(),
        format!("claimed at some time, and not so: {}", some(lies.iter())),
    );
    promise(
        converged.is_some(),
        format!("not done {LIMIT:?} after the fault: {}", some(left.iter())),
    );
    let panics: Vec<String> = stage.replicas.iter().flat_map(|replica| replica.panics()).collect();
    promise(panics.is_empty(), some(panics.iter()));
    Row {
        fault,
        injected: struck.injected,
        left: struck.left,
        restarts: stage.replicas.iter().map(|replica| replica.restarts()).sum(),
        calls: report.totals.mutating_calls,
        done,
        needed,
        duplicates,
        losses,
        wrong,
        converged,
        problems,
    }
}

/// Whether something is missing, spoilt or harmed.
fn is_loss(check: Check) -> bool {
    !matches!(
        check,
        Check::CopiedTwice | Check::TooManyCopies | Check::DeniedCall | Check::ForbiddenCall
    )
}

fn findings(report: &Report) -> String {
    let findings = report.findings.iter();
    some(findings.map(|finding| format!("{:?} {}: {}", finding.check, finding.resource, finding.message)))
}

/// The first few, and how many more there are.
fn some(all: impl ExactSizeIterator<Item = impl AsRef<str>>) -> String {
    const SHOWN: usize = 5;
    let more = all.len().saturating_sub(SHOWN);
    let mut lines: Vec<String> = all.take(SHOWN).map(|line| line.as_ref().to_owned()).collect();
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}
