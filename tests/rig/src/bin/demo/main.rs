//! Shows amiseal at work: `make demo`.
//!
//! A real API server, the controller as it is installed, and the simulated AWS of `demo/world.yaml`. It ends by itself,
//! and its exit status is the simulator's verdict, and whether every reason is given that `demo/reasons.yaml` expects.

mod by_hand;
mod closing;
mod expected;
mod kubectl;
mod moving;
mod partner;
mod set_back;
mod stage;
mod staging;
mod tables;
mod usage;
mod watch;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use rig::Screen;
use tokio::signal::unix::{SignalKind, signal};

use stage::Stage;
use staging::Staging;

/// How long the images may take from the start of the demo.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// How long moving may take, and putting back.
const MOVING_LIMIT: Duration = Duration::from_secs(240);

/// How long what is left of guardrails and the new image may take after that: two scans and more.
const STAGING_LIMIT: Duration = Duration::from_secs(150);

/// Starts a Kubernetes API server, a simulated AWS of six accounts, and amiseal, and shows how the images become
/// encrypted.
#[derive(Parser)]
struct Arguments {
    /// Leave everything running at the end, to try things by hand, until Ctrl-C
    #[arg(long)]
    keep: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // Listened to from the start, so that a signal at any time leads to the orderly end of what was started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut stopped = Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    });
    let screen = Screen::begin();
    let (mut stage, ok) = tokio::select! {
        outcome = Box::pin(play(&screen)) => outcome?,
        status = &mut stopped => return Ok(ExitCode::from(status)),
    };
    if arguments.keep {
        by_hand::say_what_to_try(&screen, &stage).await?;
        tokio::select! {
            outcome = stage.until_the_controller_ends() => outcome?,
            _ = stopped => {}
        }
    }
    stage.end(&screen).await?;
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The whole show; says whether all went well.
async fn play(screen: &Screen) -> Result<(Stage, bool)> {
    let mut stage = Stage::set(screen).await?;
    stage.apply_policy(screen).await?;
    let mut staging = Staging::default();
    let unsettled = watch::until_settled(screen, &mut stage, &mut staging, TIME_LIMIT).await?;
    let is_moved = moving::play(screen, &mut stage, &mut staging, MOVING_LIMIT).await?;
    let is_held = staging.show(screen, &mut stage, STAGING_LIMIT).await?;
    let ok = closing::show(screen, &stage, unsettled).await?;
    Ok((stage, ok && is_moved && is_held))
}
