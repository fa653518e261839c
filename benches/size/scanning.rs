//! The controller over many accounts at once: how long until all are scanned, beside one alone, and with one that is throttled.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use amiseal::api::{AMIEncryptionTarget, conditions};
use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use kube::{Api, ResourceExt};
use rig::{ControlPlane, Options, Process};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::Args;
use crate::figure::{Figure, rounded};
use crate::measured::{environment, megabytes};
use crate::median::median;
use crate::pages::{REGION, account_id};
use crate::serving::{self, Server, World};

/// All targets may take so many times what the slowest of them takes, and what one alone takes.
const TOGETHER_BAR: f64 = 1.2;
/// How much longer the others may take, in percent, when one target is throttled.
const THROTTLED_BAR: f64 = 5.0;
/// How long every answer takes, in milliseconds.
const DELAY: u64 = 500;
/// AWS's largest page.
const PAGE: u32 = 1000;
/// The number of the account that is throttled.
const THROTTLED: u32 = 0;
/// How long a run may take.
const PATIENCE: Duration = Duration::from_secs(120);
const POLICY: &str = "bench";
const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";

/// Measures all, in turns.
pub(crate) async fn measure(args: &Args) -> Result<Vec<Figure>> {
    let directory = tempfile::tempdir()?;
    let world = |throttled| World {
        accounts: args.targets,
        images: args.images_per_target,
        page: PAGE,
        delay: DELAY,
        page_delay: 0,
        throttled,
    };
    let usual = serving::start(directory.path(), &world(None)).await?;
    let throttling = serving::start(directory.path(), &world(Some(THROTTLED))).await?;
    let many = Fleet::new(0..args.targets, &usual).await?;
    // Not the one that is throttled.
    let one = Fleet::new(1..2, &usual).await?;
    let (mut alone, mut together, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.runs {
        alone.push(one.scan(&usual, &[]).await?);
        together.push(many.scan(&usual, &[]).await?);
        beside.push(many.scan(&throttling, &[THROTTLED]).await?);
    }
    let of = |runs: &[Run], value: fn(&Run) -> f64| median(runs.iter().map(value));
    let each = |runs: &[Run], value: fn(&Run) -> f64| -> Value { runs.iter().map(|run| rounded(value(run))).collect() };
    let parts = json!({
        "targets": args.targets,
        "imagesPerTarget": args.images_per_target,
        "answersAfterSeconds": rounded(Duration::from_millis(DELAY).as_secs_f64()),
        "secondsTogether": each(&together, Run::until_all),
        "slowestScanWhileTogether": each(&together, Run::slowest),
        "secondsAlone": each(&alone, Run::until_all),
        "peakMBTogether": rounded(of(&together, |run| run.peak_mb)),
        "peakMBAlone": rounded(of(&alone, |run| run.peak_mb)),
        "secondsFromApplyingThePolicy": rounded(many.first.as_secs_f64()),
        "load": load(),
    });
    Ok(vec![
        Figure {
            name: "scanning all targets over the slowest of them",
            value: of(&together, |run| run.until_all() / run.slowest()),
            bar: TOGETHER_BAR,
            parts: parts.clone(),
        },
        Figure {
            name: "scanning all targets over scanning one alone",
            value: of(&together, Run::until_all) / of(&alone, Run::until_all),
            bar: TOGETHER_BAR,
            parts,
        },
        Figure {
            name: "change in percent for the others when one target is throttled",
            value: (of(&beside, Run::until_others) / of(&together, Run::until_others) - 1.0) * 100.0,
            bar: THROTTLED_BAR,
            parts: json!({
                "secondsWith": each(&beside, Run::until_others),
                "secondsWithout": each(&together, Run::until_others),
                "peakMB": rounded(of(&beside, |run| run.peak_mb)),
                "load": load(),
            }),
        },
    ])
}

fn load() -> String {
    let loads = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loads.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

/// A cluster with a policy for some of the accounts, all of which were scanned before.
struct Fleet {
    cluster: ControlPlane,
    kubeconfig: PathBuf,
    targets: usize,
    /// From applying the policy until every target was ready.
    first: Duration,
    /// What was found then.
    found: BTreeMap<String, String>,
}

/// One start of the controller.
struct Run {
    /// When which target was scanned, in seconds after the controller began to lead, and how long that took.
    scans: BTreeMap<String, (f64, f64)>,
    peak_mb: f64,
}

impl Run {
    /// When the last target was scanned.
    fn until_all(&self) -> f64 {
        self.scans.values().map(|(at, _)| *at).fold(0.0, f64::max)
    }

    /// When the last of those was scanned that are never throttled.
    fn until_others(&self) -> f64 {
        let throttled = target_name(THROTTLED);
        let others = self.scans.iter().filter(|(name, _)| **name != throttled);
        others.map(|(_, (at, _))| *at).fold(0.0, f64::max)
    }

    /// How long the slowest scan took.
    fn slowest(&self) -> f64 {
        self.scans.values().map(|(_, took)| *took).fold(0.0, f64::max)
    }
}

fn target_name(number: u32) -> String {
    format!("{POLICY}.{}.{REGION}", account_id(number))
}

impl Fleet {
    async fn new(accounts: std::ops::Range<u32>, server: &Server) -> Result<Self> {
        let cluster = ControlPlane::start(Options::of_project()).await?;
        let kubeconfig = cluster.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let mut this = Self {
            cluster,
            kubeconfig,
            targets: accounts.len(),
            first: Duration::ZERO,
            found: BTreeMap::new(),
        };
        let mut controller = this.start(server)?;
        controller
            .wait_for_line(r#""message":"became leader""#, PATIENCE)
            .await?;
        let began = std::time::Instant::now();
        this.cluster.apply(&policy(accounts)).await?;
        let targets = this.api().await?;
        let ready = async |_: &Process| {
            let found = found(&targets).await?;
            Ok((found.len() == this.targets).then_some(found))
        };
        this.found = controller.wait_until("scan all targets", PATIENCE, ready).await?;
        this.first = began.elapsed();
        stop(controller).await?;
        Ok(this)
    }

    async fn api(&self) -> Result<Api<AMIEncryptionTarget>> {
        Ok(Api::all(self.cluster.admin_client().await?))
    }

    fn start(&self, server: &Server) -> Result<Process> {
        // One file for each start, since a run is read from its log.
        let log = tempfile::Builder::new()
            .suffix(".log")
            .tempfile_in(self.cluster.directory())?;
        let (_, log) = log.keep()?;
        let mut process = Process::builder("amiseal", env!("CARGO_BIN_EXE_amiseal"), log)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("POD_NAME", "bench")
            .arg("run")
            .args(["--listen", "127.0.0.1:0", "--lease-duration", "3s"])
            .args(["--log-format", "json", "--log", "info"]);
        for (name, value) in environment(&server.caller()) {
            process = process.env(name, value);
        }
        process.spawn()
    }

    /// Starts the controller anew, which scans every target at once, and waits until all but those of some accounts are
    /// scanned.
    async fn scan(&self, server: &Server, but: &[u32]) -> Result<Run> {
        let mut controller = self.start(server)?;
        let expected = self.targets - but.len();
        let log = controller.log_path().to_owned();
        let scanned = async |_: &Process| {
            let scans = read(&log)?;
            Ok((scans.len() == expected).then_some(scans))
        };
        let scans = controller.wait_until("scan all targets", PATIENCE, scanned).await?;
        let peak_mb = megabytes(controller.peak_memory().context("the controller has ended")?);
        stop(controller).await?;
        let mut found = found(&self.api().await?).await?;
        let mut before = self.found.clone();
        for name in but.iter().map(|number| target_name(*number)) {
            found.remove(&name);
            before.remove(&name);
        }
        ensure!(
            digest(&found) == digest(&before),
            "this run has found something else than the first one"
        );
        Ok(Run { scans, peak_mb })
    }
}

async fn stop(mut controller: Process) -> Result<()> {
    controller.sigterm()?;
    let status = controller.wait(PATIENCE).await?;
    ensure!(status.success(), "the controller has failed: {status}");
    Ok(())
}

/// What the targets that are ready have found.
async fn found(targets: &Api<AMIEncryptionTarget>) -> Result<BTreeMap<String, String>> {
    let list = targets.list(&Default::default()).await?;
    let ready = list.items.into_iter().filter_map(|target| {
        let status = target.status.as_ref()?;
        let is_ready = conditions::is_true(&status.conditions, conditions::READY);
        let images = serde_json::to_string(&status.images).ok()?;
        is_ready.then(|| (target.name_any(), images))
    });
    Ok(ready.collect())
}

fn digest(found: &BTreeMap<String, String>) -> String {
    let mut hash = Sha256::new();
    for (name, images) in found {
        hash.update(format!("{name} {images}\n"));
    }
    hex::encode(hash.finalize())
}

/// A line of the controller's log.
#[derive(Deserialize)]
struct Line {
    timestamp: Timestamp,
    fields: Fields,
    span: Option<Span>,
}

/// What the line was said of.
#[derive(Deserialize)]
struct Span {
    object: Option<String>,
}

#[derive(Deserialize)]
struct Fields {
    message: String,
    seconds: Option<f64>,
}

/// When which target was scanned, and how long that took.
fn read(log: &Path) -> Result<BTreeMap<String, (f64, f64)>> {
    let text = std::fs::read_to_string(log)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let mut began = None;
    let mut scans = BTreeMap::new();
    for line in lines {
        match (
            line.fields.message.as_str(),
            line.span.and_then(|span| span.object),
            line.fields.seconds,
            began,
        ) {
            ("became leader", ..) => began = Some(line.timestamp),
            ("scan completed", Some(target), Some(took), Some(began)) => {
                let at = line.timestamp.duration_since(began).as_secs_f64();
                scans.entry(target).or_insert((at, took));
            }
            _ => {}
        }
    }
    Ok(scans)
}

fn policy(accounts: std::ops::Range<u32>) -> String {
    let accounts: Vec<Value> = accounts
        .map(|number| json!({"accountID": account_id(number)}))
        .collect();
    json!({
        "apiVersion": "amiseal.dev/v1alpha1",
        "kind": "AMIEncryptionPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "mode": "Audit",
            // The server of pages knows EC2's images and snapshots only.
            "consumers": {"read": false},
            "scanInterval": "24h",
            "defaults": {"roleName": "amiseal", "regions": [{"name": REGION, "kmsKeyID": "alias/ami"}]},
            "accounts": accounts,
        },
    })
    .to_string()
}
