//! A real Prometheus that reads the metrics of the replicas.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rig::Process;
use rig::tools::Tool;
use serde_json::json;

/// How long it may take to start.
const READY: Duration = Duration::from_secs(60);

/// A running Prometheus. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    _process: Process,
    address: SocketAddr,
    targets: PathBuf,
}

impl Prometheus {
    /// Starts it, with rules, and with a receiver of alerts. It reads no metrics yet.
    pub(crate) async fn start(directory: &Path, rules: &str, receiver: SocketAddr) -> Result<Self> {
        let directory = directory.join("prometheus");
        std::fs::create_dir_all(&directory)?;
        let targets = directory.join("targets.json");
        std::fs::write(&targets, "[]")?;
        std::fs::write(directory.join("rules.yaml"), rules)?;
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [receiver.to_string()]}]}]},
            "scrape_configs": [{"job_name": "amiseal", "file_sd_configs": [{"files": ["targets.json"], "refresh_interval": "1s"}]}],
        });
        let path = directory.join("prometheus.yml");
        std::fs::write(&path, config.to_string())?;
        // It does not say which port it has taken if it may take any.
        let address = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let mut process = Process::builder("prometheus", Tool::Prometheus.path()?, directory.join("prometheus.log"))
            .env_clear()
            .current_dir(&directory)
            .arg(format!("--config.file={}", path.display()))
            .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .args(["--rules.alert.resend-delay=1s", "--rules.alert.for-grace-period=1s"])
            .spawn()?;
        process
            .wait_for_http(&format!("http://{address}/-/ready"), READY)
            .await?;
        Ok(Self {
            _process: process,
            address,
            targets,
        })
    }

    /// Where it is asked, as in `127.0.0.1:9090`.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has it read the metrics of these Pods, at these addresses, from now on.
    pub(crate) fn read_from(&self, pods: &[(&'static str, String)]) -> Result<()> {
        let target = |(pod, address): &(&'static str, String)| {
            json!({
                "targets": [address],
                "labels": {"cluster": "eu-1", "namespace": "amiseal-system", "pod": pod},
            })
        };
        let targets: Vec<_> = pods.iter().map(target).collect();
        // Never half a file.
        let new = self.targets.with_extension("new");
        std::fs::write(&new, json!(targets).to_string())?;
        std::fs::rename(&new, &self.targets).context("the targets of Prometheus cannot be changed")
    }
}
