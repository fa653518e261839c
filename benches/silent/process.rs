//! The real program over silent accounts, on a real API server and the simulator behind HTTP: what the process itself takes. The doubles
//! of the other figures live in the process of the controllers, where nobody can tell whose memory is whose.

use std::time::Duration;

use amiseal::api::{AMIEncryptionTarget, AMIEncryptionTargetStatus};
use anyhow::{Context, Result, ensure};
use ec2sim::{Server, Sim};
use kube::Api;
use kube::api::ListParams;
use rig::{ControlPlane, Options, Process};

use crate::settings::Settings;
use crate::world;

const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";
/// How long it may take until everything has come to rest.
const PATIENCE: Duration = Duration::from_secs(900);
/// How often that is looked at: a look reads all targets.
const LOOK: Duration = Duration::from_secs(1);
/// How often a policy may have scans made at most. The process is watched over some of them.
const INTERVAL: &str = "1m";
/// In so many parts of a second Linux counts the time of processes.
const TICKS: f64 = 100.0;

/// What a process takes while nothing is to be done.
pub(crate) struct Watched {
    pub(crate) targets: f64,
    /// Its resident set, in kB of a thousand bytes, in the median.
    pub(crate) resident_kb: f64,
    /// The time of processors that it took.
    pub(crate) processor_seconds: f64,
    /// What it asked AWS for meanwhile.
    pub(crate) calls: f64,
}

/// Lets so many accounts come to rest, and watches for so many minutes.
pub(crate) async fn watch(accounts: u32, minutes: u32) -> Result<Watched> {
    let plane = ControlPlane::start(Options::of_project()).await?;
    let sim = Sim::new(&world::world(accounts)?)?;
    let server = Server::on_loopback(sim).context("no port for AWS")?;
    let mut controller = start(&plane, &server).await?;
    for policy in world::policies(accounts, Settings::Defaults, Some(INTERVAL)) {
        plane.apply(&policy.to_string()).await?;
    }
    let targets = Api::<AMIEncryptionTarget>::all(plane.admin_client().await?);
    let expected = world::targets(accounts)?;
    let at_rest = async |_: &Process| {
        tokio::time::sleep(LOOK).await;
        let all = targets.list(&ListParams::default()).await?.items;
        let is_settled = |target: &AMIEncryptionTarget| target.status.as_ref().is_some_and(is_at_rest);
        Ok((all.len() == expected && all.iter().all(is_settled)).then_some(()))
    };
    controller.wait_until("come to rest", PATIENCE, at_rest).await?;
    let calls = || server.sim().with_journal(|calls| calls.len());
    let (processor, asked) = (processor_seconds(controller.pid())?, calls());
    let mut resident = Vec::new();
    for _ in 0..minutes.max(1) * 60 {
        tokio::time::sleep(LOOK).await;
        resident.push(resident_kb(controller.pid())?);
    }
    resident.sort_by(f64::total_cmp);
    Ok(Watched {
        targets: f64::from(u32::try_from(expected)?),
        resident_kb: resident[resident.len() / 2],
        processor_seconds: processor_seconds(controller.pid())? - processor,
        calls: f64::from(u32::try_from(calls() - asked)?),
    })
}

async fn start(plane: &ControlPlane, server: &Server) -> Result<Process> {
    let kubeconfig = plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
    let log = plane.directory().join("amiseal.log");
    Process::builder("amiseal", env!("CARGO_BIN_EXE_amiseal"), log)
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .env("POD_NAME", "bench")
        .env("AWS_ENDPOINT_URL", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", world::ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .arg("run")
        .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
        .spawn()
}

fn is_at_rest(status: &AMIEncryptionTargetStatus) -> bool {
    let images = status
        .images
        .is_some_and(|images| images.total == world::IMAGES && images.unencrypted == 0);
    let migrations = status.migrations.is_some_and(|migrations| migrations.completed == 1);
    images && migrations && status.usage.is_some()
}

/// The resident set of a process, as Linux keeps it.
fn resident_kb(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<f64>().ok());
    Ok(kib.context("the controller has ended")? * 1.024)
}

/// How long a process has had processors, in its own code and in the kernel.
fn processor_seconds(pid: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program is in brackets and may hold anything; utime and stime are the twelfth and the thirteenth field after it.
    let (_, fields) = stat.rsplit_once(')').context("no status of the controller")?;
    let ticks: Vec<f64> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    ensure!(ticks.len() == 2, "the controller's times cannot be read: {stat}");
    Ok(ticks.iter().sum::<f64>() / TICKS)
}
