//! The controllers over silent accounts, on doubles of the API server and of AWS, in virtual time: what they ask of both.

use std::time::Duration;

use amiseal::clock::Clock;
use anyhow::{Context, Result, anyhow, ensure};
use ec2sim::{Clock as SimClock, Sim};
use kubesim::{ApiServer, Verdict};
use serde_json::Value;

use crate::calls::Calls;
use crate::requests::Requests;
use crate::settings::Settings;
use crate::time::{self, Virtual};
use crate::{product, wire, world};

/// How long everything may take to come to rest: between two renewals of the roles' sessions, which take place each hour or so.
const SETTLING: Duration = Duration::from_secs(4_050);
/// An interval of scans that a policy has by default, in minutes.
pub(crate) const INTERVAL: u32 = 15;

/// The definitions that the API server knows.
const DEFINITIONS: [&str; 3] = [
    include_str!("../../crds/amiseal.dev_amiencryptionpolicies.yaml"),
    include_str!("../../crds/amiseal.dev_amiencryptiontargets.yaml"),
    include_str!("../../crds/amiseal.dev_amimigrations.yaml"),
];

/// What was asked for over a while in which nothing was to be done.
pub(crate) struct Play {
    pub(crate) targets: f64,
    pub(crate) calls: Calls,
    pub(crate) requests: Requests,
}

/// Plays so many accounts, and counts over so many intervals.
pub(crate) fn play(accounts: u32, intervals: u32, settings: Settings) -> Result<Play> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    runtime.block_on(Box::pin(on_stage(accounts, intervals, settings)))
}

async fn on_stage(accounts: u32, intervals: u32, settings: Settings) -> Result<Play> {
    let clock = Virtual::begin();
    let source = SimClock::with_source(Box::new(clock.clone()), Some(time::epoch()), 1.0);
    let sim = Sim::with_clock(&world::world(accounts)?, source)?;
    let right = clock.clone();
    let api = ApiServer::new(&DEFINITIONS, 1, move || right.now()).map_err(anyhow::Error::msg)?;
    api.on_request(|_| Verdict::Delay {
        by: wire::LATENCY,
        then: Box::new(Verdict::Serve),
    });
    let running = tokio::spawn(Box::pin(product::run(api.clone(), sim.clone(), clock)));
    for policy in world::policies(accounts, settings, None) {
        let created = api.create("somebody", &policy);
        created.map_err(|failure| anyhow!("{failure:?}"))?;
    }
    tokio::time::sleep(SETTLING).await;
    ensure!(!running.is_finished(), "the controllers have ended");
    at_rest(&api, accounts)?;
    let calls = sim.with_journal(|calls| calls.len());
    let (entries, revision) = (api.journal().len(), api.revision());
    tokio::time::sleep(Duration::from_secs(60) * INTERVAL * intervals).await;
    ensure!(!running.is_finished(), "the controllers have ended");
    running.abort();
    at_rest(&api, accounts)?;
    let targets = u32::try_from(world::targets(accounts)?)?;
    Ok(Play {
        targets: f64::from(targets),
        calls: sim.with_journal(|all| all.get(calls..).map(Calls::of).unwrap_or_default()),
        requests: Requests::since(&api, entries, revision)?,
    })
}

/// Every target was scanned, knows who uses its images, and has nothing left to migrate.
fn at_rest(api: &ApiServer, accounts: u32) -> Result<()> {
    let (targets, expected) = (api.list("AMIEncryptionTarget"), world::targets(accounts)?);
    ensure!(
        targets.len() == expected,
        "there are {} targets, and not {expected}",
        targets.len()
    );
    for target in targets {
        let status = target.get("status").context("a target says nothing")?;
        let count = |path: &str| status.pointer(path).and_then(Value::as_u64);
        let is_settled = count("/images/total") == Some(u64::from(world::IMAGES))
            && count("/images/unencrypted") == Some(0)
            && count("/images/unknown") == Some(0)
            && count("/migrations/completed") == Some(1)
            && status.pointer("/usage/readTime").is_some();
        ensure!(is_settled, "a target has not come to rest: {status}");
    }
    Ok(())
}
