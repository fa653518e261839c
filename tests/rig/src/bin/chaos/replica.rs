//! A replica of the controller, started again whenever it ends, as Kubernetes does.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rig::Process;
use tokio::task::JoinHandle;

use crate::world::ACCESS_KEY;

/// How often the process is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// How long after its end it is started again. Kubernetes waits longer the more often that happens.
const BACK: Duration = Duration::from_secs(1);
/// How long its Lease holds: short, so that being stopped for longer takes seconds.
const LEASE: &str = "5s";

/// What a replica is started from.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    /// The Pod's name, and the holder's in Leases.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) endpoint: String,
    pub(crate) log: PathBuf,
}

impl Description {
    fn start(&self) -> Result<Process> {
        rig::controller(
            &self.name,
            &self.program,
            &self.kubeconfig,
            &self.endpoint,
            ACCESS_KEY,
            &self.log,
        )
        .args(["--log-format", "json", "--log", "info,amiseal=debug"])
        // Copies take minutes in AWS and seconds here.
        .args(["--lease-duration", LEASE, "--copy-poll-interval", "1s"])
        // AWS that does not answer is noticed while the fault lasts.
        .args(["--aws-read-timeout", "5s"])
        .spawn()
    }
}

/// A replica. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Replica {
    description: Description,
    state: Arc<Mutex<State>>,
    keeper: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    process: Process,
    /// How often it was started again, for whatever reason.
    restarts: usize,
}

impl Replica {
    pub(crate) fn start(description: Description) -> Result<Self> {
        let process = description.start()?;
        let state = Arc::new(Mutex::new(State { process, restarts: 0 }));
        let keeper = tokio::spawn(keep(state.clone(), description.clone()));
        Ok(Self {
            description,
            state,
            keeper,
        })
    }

    /// Its name, as Leases have it.
    pub(crate) fn name(&self) -> &str {
        &self.description.name
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> usize {
        self.state().restarts
    }

    /// Kills it (SIGKILL), and starts it again at once.
    pub(crate) fn kill(&self) -> Result<()> {
        let mut state = self.state();
        state.process.kill9()?;
        state.process = self.description.start()?;
        state.restarts += 1;
        Ok(())
    }

    /// Stops it where it is (SIGSTOP).
    pub(crate) fn pause(&self) -> Result<()> {
        self.state().process.pause()
    }

    /// Lets it go on (SIGCONT).
    pub(crate) fn resume(&self) -> Result<()> {
        self.state().process.resume()
    }

    /// Where it serves its metrics, once it does.
    pub(crate) fn listens(&self) -> Option<String> {
        let log = self.state().process.log();
        let line = log.lines().find(|line| line.contains("/metrics"))?;
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        Some(line["fields"]["address"].as_str()?.to_owned())
    }

    /// Lines of the logs of all its processes that tell of a panic.
    pub(crate) fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(&self.description.log).unwrap_or_default();
        let panics = log.lines().filter(|line| line.contains("panicked at"));
        panics.map(str::to_owned).collect()
    }

    /// Ends it in order (SIGTERM), for good, unless it has just ended by itself.
    pub(crate) async fn end(self) -> Result<()> {
        self.keeper.abort();
        if self.state().process.exited()?.is_none() {
            self.state().process.sigterm()?;
        }
        let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
        loop {
            if self.state().process.exited()?.is_some() {
                return Ok(());
            }
            ensure!(
                tokio::time::Instant::now() < deadline,
                "{} did not end after SIGTERM",
                self.name()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

/// Starts the replica again whenever it has ended.
async fn keep(state: Arc<Mutex<State>>, description: Description) {
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        tokio::time::sleep(LOOK).await;
        let ended = lock().process.exited();
        if !matches!(ended, Ok(Some(_))) {
            continue;
        }
        tokio::time::sleep(BACK).await;
        let mut state = lock();
        // Somebody may have killed and started it meanwhile.
        if matches!(state.process.exited(), Ok(Some(_))) {
            match description.start().context("the replica cannot be started again") {
                Ok(process) => {
                    state.process = process;
                    state.restarts += 1;
                }
                Err(error) => tracing::error!("{error:#}"),
            }
        }
    }
}
