//! A Kubernetes control plane of one's own, on loopback.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tempfile::TempDir;
use tokio::sync::{Mutex, OnceCell};

use crate::audit::{self, AuditEvent, WriteCounts};
use crate::chart;
use crate::kubeconfig::{self, Identity};
use crate::pki::Pki;
use crate::process::Process;
use crate::tools::Tool;
use crate::watchdog;

/// How long each program may take to be ready. Generous, since tests of several crates compile while others run.
const READY: Duration = Duration::from_secs(180);
/// Ports below the range from which systems take those of outgoing connections, so that one is still free after a restart.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// How often another port is tried when somebody took the one that was just free.
const PORT_ATTEMPTS: usize = 5;
/// The controllers that do work that amiseal relies on.
const CONTROLLERS: &str =
    "--controllers=garbage-collector-controller,job-controller,serviceaccount-controller,namespace-controller";
/// What the garbage collector logs when it knows all kinds of resources.
const GARBAGE_COLLECTOR_READY: &str = "Proceeding to collect garbage";

/// What a control plane starts with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Files and directories of manifests to apply before the controllers start.
    ///
    /// Definitions of custom resources belong here: the garbage collector looks for new kinds at its start and then
    /// only every 30 seconds.
    pub manifests: Vec<PathBuf>,
    /// Apply also what this project's Helm chart installs, apart from what needs a kubelet: its custom resources, and the
    /// controller's service account and rights.
    pub chart: bool,
    /// How many bytes etcd may store before it refuses to store more; absent: etcd's default, 2 GiB.
    pub etcd_quota: Option<u64>,
}

impl Options {
    /// What the chart installs, so that the controller has exactly the rights that it will have elsewhere.
    pub fn of_project() -> Self {
        Self {
            chart: true,
            ..Self::default()
        }
    }
}

/// One of the three programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// The garbage collector and the controllers of Jobs, namespaces and service accounts.
    ControllerManager,
}

/// A running control plane, ended when this is dropped and at the latest when the process ends.
///
/// It belongs to no runtime of Tokio, so that all tests of a binary can share one; see [`shared`].
#[derive(Debug)]
pub struct ControlPlane {
    // Dropped in this order: those that depend on another one first, what they write to last.
    controller_manager: Mutex<Option<Process>>,
    apiserver: Mutex<Option<Process>>,
    etcd: Mutex<Option<Process>>,
    admin_kubeconfig: PathBuf,
    controller_manager_kubeconfig: PathBuf,
    pki: Pki,
    port: u16,
    etcd_quota: Option<u64>,
    directory: TempDir,
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();

/// The control plane that all tests of this binary share, started for the first one with [`Options::of_project`].
///
/// # Panics
///
/// If it cannot be started: no test of the binary can do without.
pub async fn shared() -> &'static ControlPlane {
    match SHARED
        .get_or_try_init(|| ControlPlane::start(Options::of_project()))
        .await
    {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("cannot start the shared control plane: {error:#}"),
    }
}

impl ControlPlane {
    /// Starts all three programs, applies the manifests, and returns when everything is ready.
    pub async fn start(options: Options) -> Result<Self> {
        // A long random name: the watchdog removes this path later, whatever it is by then.
        let directory = tempfile::Builder::new()
            .prefix("amiseal-rig-")
            .rand_bytes(16)
            .tempdir()?;
        watchdog::remove_at_end(directory.path())?;
        let path = directory.path();
        let pki = Pki::create(&path.join("pki"))?;
        std::fs::write(path.join("audit-policy.yaml"), audit::POLICY)?;
        let mut this = Self {
            controller_manager: Mutex::default(),
            apiserver: Mutex::default(),
            etcd: Mutex::default(),
            admin_kubeconfig: path.join("admin.kubeconfig"),
            controller_manager_kubeconfig: path.join("controller-manager.kubeconfig"),
            pki,
            port: 0,
            etcd_quota: options.etcd_quota,
            directory,
        };
        this.start_component(Component::Etcd).await?;
        this.start_apiserver_on_a_free_port().await?;
        let mut manifests = options.manifests;
        if options.chart {
            let path = this.directory.path().join("chart.yaml");
            std::fs::write(&path, chart::render(&this.helm_home()).await?)?;
            manifests.push(path);
        }
        if !manifests.is_empty() {
            this.apply_files(&manifests).await?;
        }
        this.start_component(Component::ControllerManager).await?;
        Ok(this)
    }

    /// A client that may do everything.
    ///
    /// It belongs to the runtime that this is called in: make one per test, they are cheap.
    pub async fn admin_client(&self) -> Result<kube::Client> {
        client(&self.admin_kubeconfig).await
    }

    /// The kubeconfig of a user who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.admin_kubeconfig
    }

    /// `kubectl` as a user who may do everything. For use in asynchronous code, convert it into Tokio's command.
    pub fn kubectl(&self) -> Result<Command> {
        let mut command = Command::new(Tool::Kubectl.path()?);
        command.env("KUBECONFIG", &self.admin_kubeconfig);
        // Else it would keep what it learnt about this server in the person's home directory.
        command.env("KUBECACHEDIR", self.directory.path().join("kubectl-cache"));
        Ok(command)
    }

    /// `helm` as a user who may do everything; see [`kubectl`](Self::kubectl).
    pub fn helm(&self) -> Result<Command> {
        let mut command = chart::helm(&self.helm_home())?;
        command.env("KUBECONFIG", &self.admin_kubeconfig);
        Ok(command)
    }

    /// The kubeconfig of a service account, with a fresh token that is valid for a day.
    pub async fn service_account_kubeconfig(&self, namespace: &str, name: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                expiration_seconds: Some(24 * 60 * 60),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .with_context(|| format!("cannot get a token of the service account {namespace}/{name}"))?;
        let token = answer
            .status
            .and_then(|status| status.token)
            .context("a token request was answered without one")?;
        let path = self.directory.path().join(format!("{namespace}.{name}.kubeconfig"));
        kubeconfig::write(path, &self.url(), &self.pki, &Identity::Token(&token), namespace)
    }

    /// A directory for files of a test, such as logs. It is removed with the control plane.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Every request that the API server has answered, and every watch that has begun.
    ///
    /// The log is written before an answer is complete, so that whoever has an answer finds its request here.
    pub fn audit_events(&self) -> Result<Vec<AuditEvent>> {
        audit::read(&self.audit_log())
    }

    /// Counts the writes among the requests that `filter` selects, for instance by user, agent or time.
    pub fn write_counts(&self, filter: impl Fn(&AuditEvent) -> bool) -> Result<WriteCounts> {
        let events = self.audit_events()?;
        Ok(WriteCounts::of(events.iter().filter(|event| filter(event))))
    }

    /// Kills one of the programs, as a crash would.
    pub async fn stop(&self, component: Component) -> Result<()> {
        match self.slot(component).lock().await.take() {
            Some(mut process) => process.kill9().map(drop),
            None => bail!("{component:?} is not running"),
        }
    }

    /// Starts a program again that was stopped, with the same data and address, and returns when it is ready.
    pub async fn start_again(&self, component: Component) -> Result<()> {
        self.start_component(component).await
    }

    /// Kills one of the programs, starts it again, and returns when it is ready.
    pub async fn restart(&self, component: Component) -> Result<()> {
        self.stop(component).await?;
        self.start_again(component).await
    }

    async fn start_component(&self, component: Component) -> Result<()> {
        let mut slot = self.slot(component).lock().await;
        if slot.is_some() {
            bail!("{component:?} is running already");
        }
        let process = match component {
            Component::Etcd => self.start_etcd().await?,
            Component::ApiServer => self.start_apiserver().await?,
            Component::ControllerManager => self.start_controller_manager().await?,
        };
        *slot = Some(process);
        Ok(())
    }

    fn slot(&self, component: Component) -> &Mutex<Option<Process>> {
        match component {
            Component::Etcd => &self.etcd,
            Component::ApiServer => &self.apiserver,
            Component::ControllerManager => &self.controller_manager,
        }
    }

    /// Etcd listens on sockets in our directory, so it needs no ports and nobody else reaches it.
    ///
    /// Their names look like `host:port`, since it accepts no others, and are relative to its working directory.
    async fn start_etcd(&self) -> Result<Process> {
        let mut process = self
            .process(Tool::Etcd)?
            .args(["--name=rig", "--data-dir=etcd", "--log-level=warn"])
            .args([
                "--listen-client-urls=unix://client:0",
                "--advertise-client-urls=unix://client:0",
            ])
            .args([
                "--listen-peer-urls=unix://peer:0",
                "--initial-advertise-peer-urls=unix://peer:0",
            ])
            .arg("--initial-cluster=rig=unix://peer:0")
            .args(self.etcd_quota.map(|bytes| format!("--quota-backend-bytes={bytes}")))
            // What is lost when the machine, not the process, crashes is of no use to anybody.
            .arg("--unsafe-no-fsync")
            .spawn()?;
        let socket = self.etcd_socket();
        process
            .wait_until("listen", READY, async |_: &Process| {
                Ok(tokio::net::UnixStream::connect(&socket).await.is_ok().then_some(()))
            })
            .await?;
        Ok(process)
    }

    /// The API server cannot be told to take any free port, so one is chosen, and another if somebody was faster.
    async fn start_apiserver_on_a_free_port(&mut self) -> Result<()> {
        let mut attempt = 1;
        loop {
            self.port = free_port()?;
            for (path, certificate) in [
                (&self.admin_kubeconfig, &self.pki.admin),
                (&self.controller_manager_kubeconfig, &self.pki.controller_manager),
            ] {
                kubeconfig::write(
                    path.clone(),
                    &self.url(),
                    &self.pki,
                    &Identity::Certificate(certificate),
                    "default",
                )?;
            }
            match self.start_component(Component::ApiServer).await {
                Err(error) if attempt < PORT_ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }

    async fn start_apiserver(&self) -> Result<Process> {
        let pki = &self.pki;
        let mut process = self
            .process(Tool::KubeApiserver)?
            .args(["--etcd-servers=unix://client:0", "--bind-address=127.0.0.1"])
            // Else it looks for a default route, and a machine without a network has none.
            .args(["--advertise-address=127.0.0.1", "--external-hostname=localhost"])
            .arg(format!("--secure-port={}", self.port))
            .arg(flag("--tls-cert-file", &pki.server.certificate))
            .arg(flag("--tls-private-key-file", &pki.server.key))
            .arg(flag("--client-ca-file", &pki.authority))
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(flag("--service-account-key-file", &pki.tokens_public))
            .arg(flag("--service-account-signing-key-file", &pki.tokens))
            .args([
                "--service-cluster-ip-range=10.0.0.0/24",
                "--endpoint-reconciler-type=none",
            ])
            .arg("--authorization-mode=RBAC")
            // Off by default, but on in OpenShift: a controller that lacks the right to block an owner's deletion shows here.
            .arg("--enable-admission-plugins=OwnerReferencesPermissionEnforcement")
            .args(["--audit-policy-file=audit-policy.yaml", "--audit-log-mode=blocking"])
            .arg(flag("--audit-log-path", &self.audit_log()))
            // Megabytes until it is rotated; a log in two files would not be read whole.
            .arg("--audit-log-maxsize=100000")
            .arg("--profiling=false")
            .spawn()?;
        let client = self.admin_client().await?;
        process
            .wait_until("get ready", READY, async |_: &Process| {
                let request = http::Request::get("/readyz").body(Vec::new())?;
                Ok(client.request_text(request).await.is_ok().then_some(()))
            })
            .await?;
        Ok(process)
    }

    async fn start_controller_manager(&self) -> Result<Process> {
        let mut process = self
            .process(Tool::KubeControllerManager)?
            .arg(flag("--kubeconfig", &self.controller_manager_kubeconfig))
            .arg(CONTROLLERS)
            // Each controller under the service account and the rights that it has in a real cluster.
            .arg("--use-service-account-credentials=true")
            .args(["--leader-elect=false", "--secure-port=0"])
            .args(["--kube-api-qps=200", "--kube-api-burst=400"])
            .spawn()?;
        process.wait_for_line(GARBAGE_COLLECTOR_READY, READY).await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin_client().await?, "default");
        process
            .wait_until("create the default service account", READY, async |_: &Process| {
                Ok(accounts.get_opt("default").await?)
            })
            .await?;
        Ok(process)
    }

    /// Programs run in our directory and inherit nothing, neither proxies nor somebody's kubeconfig.
    fn process(&self, tool: Tool) -> Result<crate::ProcessBuilder> {
        let log = self.directory.path().join(format!("{}.log", tool.name()));
        Ok(Process::builder(tool.name(), tool.path()?, log)
            .env_clear()
            .current_dir(self.directory.path()))
    }

    fn helm_home(&self) -> PathBuf {
        self.directory.path().join("helm")
    }

    /// Where etcd's clients find it.
    pub(crate) fn etcd_socket(&self) -> PathBuf {
        self.directory.path().join("client:0")
    }

    fn audit_log(&self) -> PathBuf {
        self.directory.path().join("audit.log")
    }
}

async fn client(kubeconfig: &Path) -> Result<kube::Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(kube::Client::try_from(config)?)
}

fn flag(name: &str, path: &Path) -> std::ffi::OsString {
    let mut flag = std::ffi::OsString::from(name);
    flag.push("=");
    flag.push(path);
    flag
}

fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let port = rand::random_range(PORTS);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {} and {}", PORTS.start, PORTS.end)
}
