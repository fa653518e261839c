//! `amiseal plan` over one large account and region, beside the bare loop.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::figure::{Figure, rounded};
use crate::measured::{self, Measured};
use crate::median::median;
use crate::pages::{REGION, account_id};
use crate::{Args, serving};

/// Reading and planning may take so many times what reading alone takes.
const TIME_BAR: f64 = 0.8;
/// MB.
const MEMORY_BAR: f64 = 90.0;
/// `plan`'s exit status when there is something to do.
pub(crate) const CHANGES: i32 = 2;

/// Measures both in turns.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let server = serving::start(directory.path(), &serving::World::of_one_account(args)).await?;
    let policy = directory.path().join("policy.yaml");
    std::fs::write(&policy, policy_of(&account_id(0)))?;
    let plan = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amiseal"));
        command.arg("plan").arg("-f").arg(&policy);
        command.args(["--output", "json", "--aws-rate-share", "1"]);
        measured::run(command, &server.caller(), &[CHANGES], directory.path())
    };
    let bare = || {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("bare-loop");
        measured::run(command, &server.caller(), &[0], directory.path())
    };
    let (mut plans, mut bares) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        bares.push(bare()?);
        plans.push(plan()?);
    }
    let digest = agreed(&plans, &bares)?;
    let seconds = |runs: &[Measured]| median(runs.iter().map(|run| run.seconds));
    let megabytes = |runs: &[Measured]| median(runs.iter().map(|run| run.peak_mb));
    let each = |runs: &[Measured]| -> Value { runs.iter().map(|run| rounded(run.seconds)).collect() };
    Ok(vec![
        Figure {
            name: "plan over a bare loop of the SDK's paginators",
            value: seconds(&plans) / seconds(&bares),
            bar: TIME_BAR,
            parts: json!({
                "planSeconds": rounded(seconds(&plans)),
                "bareSeconds": rounded(seconds(&bares)),
                "planSecondsOfEach": each(&plans),
                "bareSecondsOfEach": each(&bares),
                "images": digest.images,
                "toCopy": digest.to_copy,
                "digest": format!("{:016x}", digest.hash),
                "runs": args.runs,
            }),
        },
        Figure {
            name: "peak memory of plan in MB",
            value: megabytes(&plans),
            bar: MEMORY_BAR,
            parts: json!({"bareLoop": rounded(megabytes(&bares)), "images": digest.images}),
        },
    ])
}

/// A policy for the account.
pub(crate) fn policy_of(account: &str) -> String {
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": "bench"},
        "spec": {
            "defaults": {"roleName": "amiseal"},
            "accounts": [{"accountID": account, "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]}],
        },
    })
    .to_string()
}

/// The result of all runs, which has to be the same one for both programs.
fn agreed(plans: &[Measured], bares: &[Measured]) -> Result<Digest> {
    let (plan, bare) = plans.first().zip(bares.first()).context("nothing was run")?;
    ensure!(
        plans.iter().all(|run| run.output == plan.output) && bares.iter().all(|run| run.output == bare.output),
        "not all runs had the same result"
    );
    let bare: Value = serde_json::from_str(&bare.output)?;
    let read: Digest = serde_json::from_value(bare["digest"].clone())?;
    let plan: Value = serde_json::from_str(&plan.output)?;
    let target = &plan["targets"][0];
    let mut planned = Digest {
        images: target["images"]["total"].as_u64().context("no images")?,
        ..Digest::default()
    };
    for copy in target["toCopy"]["list"].as_array().context("no list")? {
        let id = copy["id"].as_str().context("no ID")?;
        planned.add(id, copy["snapshots"].as_u64().context("no snapshots")?);
    }
    ensure!(planned == read, "plan saw {planned:?}, the bare loop {read:?}");
    Ok(planned)
}
