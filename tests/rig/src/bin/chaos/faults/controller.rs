//! What happens to the controller's own processes.

use std::time::Duration;

use anyhow::{Context as _, Result};
use rig::poll_until;
use tokio::time::Instant;

use super::Struck;
use crate::stage::Stage;

/// A loop of kills ends after so many, however far the migrations are: then they must come to their end.
const KILLS: usize = 25;
/// How many kills with next to no time between them.
const QUICK: usize = 5;
/// How often a leader is stopped, at most.
const STOPS: usize = 4;
/// When no leader is stopped any more, however many copies are left to make.
const LONGEST: Duration = Duration::from_secs(90);
/// How often Leases are looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long another replica may take to lead.
const TAKEN_OVER: Duration = Duration::from_secs(45);

/// Kills the controller at random moments, again and again while it migrates.
pub(super) async fn killed(stage: &mut Stage) -> Result<Struck> {
    let left = stage.left();
    let mut kills = 0;
    let mut ended = Instant::now();
    while kills < KILLS && (stage.left() > 0 || stage.is_unfinished().await?) {
        stage.replicas[0].kill()?;
        kills += 1;
        ended = Instant::now();
        // Some strike a process that has only just begun; others get far.
        let wait = stage.seconds(if kills % QUICK == 0 { 0.05..0.5 } else { 0.5..3.0 });
        tokio::time::sleep(wait).await;
    }
    Ok(Struck::new(kills, "kills", left, ended))
}

/// Stops the replica that leads, while AWS makes copies for it, until others hold all its Leases and for a while more; then
/// lets it go on.
pub(super) async fn stopped(stage: &mut Stage) -> Result<Struck> {
    let left = stage.left();
    let mut stops = 0;
    let mut ended = Instant::now();
    let deadline = Instant::now() + LONGEST;
    while stops < STOPS && stage.left() > 0 && Instant::now() < deadline {
        if stage.copies().0 == 0 {
            tokio::time::sleep(LOOK).await;
            continue;
        }
        let leader = leader(stage).await?;
        let name = stage.replicas[leader].name().to_owned();
        if stage.replicas[leader].pause().is_err() {
            // It has ended, and is about to be started again.
            continue;
        }
        stops += 1;
        let taken_over = poll_until(
            &format!("somebody else to lead while {name} stands"),
            TAKEN_OVER,
            async || {
                let holders = stage.holders().await?;
                let by_others = holders.keys().any(|holder| !holder.is_empty() && *holder != name);
                Ok((by_others && !holders.contains_key(&name)).then_some(()))
            },
        )
        .await;
        let more = stage.seconds(0.0..2.0);
        tokio::time::sleep(more).await;
        // Also if nobody leads: a stopped process does not end by SIGTERM.
        stage.replicas[leader].resume()?;
        ended = Instant::now();
        taken_over?;
        let between = stage.seconds(0.2..2.0);
        tokio::time::sleep(between).await;
    }
    Ok(Struck::new(stops, "stops", left, ended))
}

/// The replica that holds most of the Leases.
async fn leader(stage: &Stage) -> Result<usize> {
    poll_until("a replica to lead", TAKEN_OVER, async || {
        // Not all the time, since whoever has just ended still holds its Leases.
        tokio::time::sleep(LOOK).await;
        let holders = stage.holders().await?;
        let names = stage.replicas.iter().map(|replica| replica.name());
        let held = names.map(|name| holders.get(name).copied().unwrap_or_default());
        let most = held.enumerate().max_by_key(|(_, count)| *count);
        Ok(most.filter(|(_, count)| *count > 0).map(|(index, _)| index))
    })
    .await
    .context("nobody leads")
}
