//! The controller as a process.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rig::{Process, ProcessBuilder, http_get};

/// How long a replica may take to start and to end.
const SOON: Duration = Duration::from_secs(120);
/// For how long a replica holds what it works on: short, as others wait for that after it was killed.
pub(crate) const LEASE: Duration = Duration::from_secs(6);
/// So many shards there are, where nobody says otherwise.
pub(crate) const SHARDS: u16 = 16;
/// The access key that the worlds know the controller by.
pub(crate) const ACCESS_KEY: &str = "AKIACONTROLLER";

/// One running `amiseal run`. It is killed when this is dropped.
pub(crate) struct Replica {
    pub(crate) process: Process,
}

/// `amiseal run` with the environment of a Pod: a service account, credentials, and nothing of this shell.
pub(crate) fn describe(name: &str, kubeconfig: &Path, endpoint: &str, log: PathBuf, lease: Duration) -> ProcessBuilder {
    let program = env!("CARGO_BIN_EXE_amiseal");
    rig::controller(name, program, kubeconfig, endpoint, ACCESS_KEY, log)
        .env("NO_COLOR", "1")
        .args(["--log-format", "text", "--log", "info,amiseal=debug"])
        .args(["--lease-duration", &format!("{}s", lease.as_secs())])
        .args(["--copy-poll-interval", "1s"])
}

impl Replica {
    pub(crate) async fn leads(&mut self) {
        self.process
            .wait_for_line("became leader", SOON)
            .await
            .expect("the replica leads");
    }

    /// Where it serves metrics and probes, as in `http://127.0.0.1:4567`.
    pub(crate) async fn url(&mut self) -> String {
        let line = self.process.wait_for_line("serving /metrics", SOON).await;
        let line = line.expect("the replica serves its metrics");
        let address = line
            .split("address=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        format!("http://{}", address.expect("an address in the log"))
    }

    /// The answer to a GET of this path.
    pub(crate) async fn get(&mut self, path: &str) -> (u16, String) {
        let url = self.url().await + path;
        http_get(&url).await.expect("an answer")
    }

    /// SIGTERM, as Kubernetes sends it; the replica must end without an error.
    pub(crate) async fn stop(mut self) {
        self.process.sigterm().expect("a running replica");
        let status = self.process.wait(SOON).await.expect("an end");
        assert!(status.success(), "after SIGTERM: {status}");
    }

    /// SIGKILL, as when a machine dies.
    pub(crate) fn kill(mut self) {
        self.process.kill9().expect("a running replica");
    }
}
