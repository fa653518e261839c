//! Makes each alert of the chart fire by its real cause, and resolve when the cause is gone: `make alerts`.
//!
//! Two replicas of the real binary on a real API server, with the AWS simulator over HTTP. A real Prometheus finds them by what the guide
//! shows, reads their metrics and evaluates `charts/amiseal/files/alerts.yaml`, whose waits are shortened, and sends what fires to a receiver that takes it in as
//! Alertmanager does. The exit status says whether each alert came and went, and none came that nothing explains.

mod acts;
mod board;
mod causes;
mod decisions;
mod expected;
mod pages;
mod pods;
mod prometheus;
mod rules;
mod stage;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use rig::{Screen, aligned};
use tokio::signal::unix::{SignalKind, signal};

use causes::{Cause, WAVES};
use expected::Row;
use stage::Stage;

/// Makes each alert fire by its real cause, and resolve when the cause is gone.
#[derive(Parser)]
struct Arguments {
    /// Only these causes; default: all
    #[arg(value_enum)]
    causes: Vec<Cause>,
    /// Where to keep the logs of all processes, the rules and the pages; default: nowhere
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<PathBuf>,
    /// Where to draw the dashboard as it was during all of this; default: nowhere
    #[arg(long, value_name = "FILE")]
    dashboard: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    // Listened to from the start, so that a signal at any time leads to the orderly end of what was started.
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let screen = Arc::new(Screen::begin());
    tokio::select! {
        result = Box::pin(play(&screen, &arguments)) => result,
        // The watchdog ends and removes what was started.
        _ = interrupt.recv() => std::process::exit(130),
        _ = terminate.recv() => std::process::exit(143),
    }
}

async fn play(screen: &Arc<Screen>, arguments: &Arguments) -> Result<ExitCode> {
    let mut stage = Stage::set(screen.clone()).await?;
    let played = Box::pin(waves(screen, &mut stage, &arguments.causes)).await;
    if let Some(logs) = &arguments.logs {
        stage.keep_logs(logs)?;
    }
    let (rows, mut problems) = played?;
    let (page, empty) = stage.draw().await?;
    if arguments.causes.is_empty() {
        problems.extend(expected::missing(&rules::alert_names()?, &rows));
        problems.extend(empty);
    }
    if let Some(path) = &arguments.dashboard {
        std::fs::write(path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    screen.step("What fired, and why");
    screen.block(&aligned(Row::HEADER, &rows.iter().map(Row::cells).collect::<Vec<_>>()));
    let seconds = screen.elapsed().as_secs();
    if problems.is_empty() {
        screen.verdict(
            true,
            &format!("OK: {} alerts fired and resolved ({seconds} s)", rows.len()),
        );
        return Ok(ExitCode::SUCCESS);
    }
    screen.heading("What is not as it should be:");
    screen.block(&problems.join("\n"));
    screen.verdict(false, &format!("NOT OK: {} problems ({seconds} s)", problems.len()));
    Ok(ExitCode::FAILURE)
}

/// Plays the causes, those of a wave at the same time. Returns what fired, and what is not as it should be.
async fn waves(screen: &Screen, stage: &mut Stage, chosen: &[Cause]) -> Result<(Vec<Row>, Vec<String>)> {
    let mut problems = stage.quiet_before().await;
    let mut rows = Vec::new();
    for wave in WAVES {
        let is_chosen = |cause: &&Cause| chosen.is_empty() || chosen.contains(cause);
        let causes: Vec<Cause> = wave.iter().filter(is_chosen).copied().collect();
        if causes.is_empty() {
            continue;
        }
        for cause in &causes {
            screen.step(cause.what());
            stage.begin(*cause).await?;
        }
        let fired = stage.until_fired(&causes).await;
        if let Some(page) = fired.iter().find_map(|(_, page)| page.as_ref()) {
            screen.block(&page.shown());
        }
        for cause in &causes {
            screen.step(cause.mend());
            stage.end(*cause).await?;
        }
        let (resolved, still) = stage.until_resolved(&causes).await;
        problems.extend(still);
        problems.extend(stage.unexplained(&causes));
        for ((cause, alert, came), gone) in fired.into_iter().map(|((c, a), p)| (c, a, p)).zip(resolved) {
            problems.extend(came.iter().flat_map(pages::Page::problems));
            let row = Row {
                alert,
                cause,
                fired: came.and_then(|page| stage.since_begun(cause, page.fired)),
                resolved: gone.and_then(|at| stage.since_ended(cause, at)),
            };
            problems.extend(row.problem());
            rows.push(row);
        }
        stage.forget_wave();
    }
    Ok((rows, problems))
}
