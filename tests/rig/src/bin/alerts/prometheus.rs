//! A real Prometheus that finds the replicas by the configuration that the guide shows.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rig::Process;
use rig::tools::Tool;
use serde_json::{Value, json};

/// How long it may take to start.
const READY: Duration = Duration::from_secs(60);
/// What the guide calls the file.
const CONFIG: &str = "`prometheus.yaml`:\n\n```yaml\n";

/// A running Prometheus. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Prometheus {
    _process: Process,
    address: SocketAddr,
}

impl Prometheus {
    /// Starts it, with rules, and with a receiver of alerts. It asks the API server for the Pods to read.
    pub(crate) async fn start(directory: &Path, rules: &str, receiver: SocketAddr, kubeconfig: &Path) -> Result<Self> {
        let directory = directory.join("prometheus");
        std::fs::create_dir_all(&directory)?;
        std::fs::write(directory.join("alerts.yaml"), rules)?;
        let config = config(receiver, kubeconfig)?;
        let path = directory.join("prometheus.yaml");
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
        })
    }

    /// Where it is asked, as in `127.0.0.1:9090`.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// The guide's file, with what depends on where Prometheus runs: how it reaches the API server and who is paged; and every second.
fn config(receiver: SocketAddr, kubeconfig: &Path) -> Result<Value> {
    let guide = rig::chart_directory().join("../../docs/guide.md");
    let guide = std::fs::read_to_string(&guide).with_context(|| format!("cannot read {}", guide.display()))?;
    let (_, rest) = guide.split_once(CONFIG).context("the guide shows no prometheus.yaml")?;
    let (config, _) = rest
        .split_once("```")
        .context("the guide's prometheus.yaml has no end")?;
    let mut config: Value = serde_saphyr::from_str(config).context("the guide's prometheus.yaml is not YAML")?;
    config["global"] = json!({
        "scrape_interval": "1s",
        "scrape_timeout": "1s",
        "evaluation_interval": "1s",
        "external_labels": {"cluster": "eu-1"},
    });
    config["alerting"] = json!({"alertmanagers": [{"static_configs": [{"targets": [receiver.to_string()]}]}]});
    for scrape in config["scrape_configs"].as_array_mut().context("nothing is read")? {
        for discovery in scrape["kubernetes_sd_configs"]
            .as_array_mut()
            .context("nothing is found")?
        {
            discovery["kubeconfig_file"] = json!(kubeconfig);
        }
    }
    // JSON is YAML.
    Ok(config)
}
