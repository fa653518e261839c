//! `amiseal report` over one large account and region in which nothing launches its images, beside the bare loop.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::figure::{Figure, rounded};
use crate::measured::{self, Measured};
use crate::median::median;
use crate::pages::REGION;
use crate::{Args, serving};

/// Reading, finding and printing may take so many times what reading alone takes.
const TIME_BAR: f64 = 1.5;
/// Of so many images one is an encrypted copy.
const TURN: u64 = 10;

/// Measures both in turns.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let server = serving::start(directory.path(), &serving::World::of_one_account(args)).await?;
    let report = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
        command.args([
            "report",
            "--output",
            "json",
            "--region",
            REGION,
            "--aws-rate-share",
            "1",
        ]);
        measured::run(command, &server.caller(), &[0], directory.path())
    };
    let bare = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-loop");
        measured::run(command, &server.caller(), &[0], directory.path())
    };
    let (mut reports, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        bares.push(bare()?);
        reports.push(report()?);
    }
    let unencrypted = agreed(&reports, &bares)?;
    let seconds = |runs: &[Measured]| median(runs.iter().map(|run| run.seconds));
    let each = |runs: &[Measured]| -> Value { runs.iter().map(|run| rounded(run.seconds)).collect() };
    Ok(vec![Figure {
        name: "report over a bare loop of the SDK's paginators",
        value: seconds(&reports) / seconds(&bares),
        bar: TIME_BAR,
        parts: json!({
            "reportSeconds": rounded(seconds(&reports)),
            "bareSeconds": rounded(seconds(&bares)),
            "reportSecondsOfEach": each(&reports),
            "bareSecondsOfEach": each(&bares),
            "peakMegabytes": rounded(median(reports.iter().map(|run| run.peak_mb))),
            "unencrypted": unencrypted,
            "runs": args.runs,
        }),
    }])
}

/// How many images are not encrypted, which has to be the same for both programs.
fn agreed(reports: &[Measured], bares: &[Measured]) -> Result<u64> {
    let mut found = None;
    for run in reports {
        let report: Value = serde_json::from_str(&run.output)?;
        let counts = &report["scopes"][0]["images"];
        let count = |name: &str| {
            counts[name]
                .as_u64()
                .with_context(|| format!("no count of {name} images"))
        };
        let here = (count("total")?, count("unencrypted")?);
        ensure!(
            *found.get_or_insert(here) == here,
            "not all reports had the same result"
        );
        let unread = report["scopes"][0]["unknown"]
            .as_array()
            .context("no list of what is unknown")?;
        ensure!(
            unread.is_empty(),
            "the server does not know everything that a report asks for: {unread:?}"
        );
    }
    let (total, unencrypted) = found.context("nothing was run")?;
    for run in bares {
        let bare: Value = serde_json::from_str(&run.output)?;
        let read: Digest = serde_json::from_value(bare["digest"].clone())?;
        // The loop leaves out what has a copy.
        let all = read.to_copy + read.images / TURN;
        ensure!(
            (read.images, all) == (total, unencrypted),
            "the report saw {unencrypted} of {total} images, the bare loop {all} of {}",
            read.images
        );
    }
    Ok(unencrypted)
}
