//! Everything that runs: the control plane, the simulated AWS, and the controller.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use ec2sim::{Server, Sim, WorldSpec};
use rig::{ControlPlane, Options, Process, Rights, Screen};
use serde_json::Value;

use crate::kubectl::kubectl;
use crate::moving::{POLICY as MOVING, PROMOTION};

/// The access key of the world's identity; its secret can be anything.
pub(crate) const ACCESS_KEY: &str = "AKIAPLATFORM00000001";
pub(crate) const SECRET_KEY: &str = "the-simulator-checks-no-signature";
/// What was forgotten of the rights in an account.
const FORGOTTEN: [(&str, &str); 1] = [("444444444444", "ec2:CreateTags")];
/// What EC2 asks for at the keys of copies on the role's behalf.
const OF_KEYS: [&str; 6] = [
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
];
const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";
const READY: Duration = Duration::from_secs(30);

/// What is on stage. Dropped in this order: who talks first, who is talked to last.
pub(crate) struct Stage {
    controller: Process,
    /// Where the controller serves its metrics.
    pub(crate) listens: String,
    pub(crate) aws: Server,
    pub(crate) control_plane: ControlPlane,
}

impl Stage {
    /// Starts everything and returns when the controller leads.
    pub(crate) async fn set(screen: &Screen) -> Result<Self> {
        screen.step("Simulating AWS as demo/world.yaml has it");
        let rights = rights()?;
        let aws = start_aws(&rights)?;
        screen.block(&describe(aws.sim()));
        screen.block(&format!("endpoint: {}", aws.endpoint()));

        screen.step("Starting etcd, kube-apiserver and kube-controller-manager, with what charts/amiseal installs");
        let control_plane = ControlPlane::start(Options::of_project()).await?;
        screen.block(&format!("API server: {}", control_plane.url()));

        screen.step(&format!(
            "Starting amiseal as system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}, under its own ClusterRole"
        ));
        let (controller, listens) = start_controller(&control_plane, &aws.endpoint()).await?;
        screen.block(&format!(
            "amiseal run --copy-poll-interval 1s   (metrics: http://{listens}/metrics)"
        ));
        Ok(Self {
            controller,
            listens,
            aws,
            control_plane,
        })
    }

    /// Applies the policy as a person would.
    pub(crate) async fn apply_policy(&self, screen: &Screen) -> Result<()> {
        let path = demo_file("policy.yaml");
        let text = read_demo_file("policy.yaml")?;
        screen.step("kubectl apply -f demo/policy.yaml");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        screen.block(&lines.collect::<Vec<_>>().join("\n"));
        let path = path.to_str().context("the path of the policy is not UTF-8")?;
        let answer = kubectl(&self.control_plane, &["apply", "--server-side", "--filename", path]).await?;
        answer.trim().lines().for_each(|line| screen.aside(line));
        Ok(())
    }

    /// Fails if the controller has ended by itself.
    pub(crate) fn check_controller(&mut self) -> Result<()> {
        match self.controller.exited()? {
            None => Ok(()),
            Some(status) => {
                let log = self.controller.log();
                let lines: Vec<_> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(10)..].join("\n");
                anyhow::bail!("amiseal has ended by itself ({status}); the end of its log:\n{tail}")
            }
        }
    }

    /// The controller's log, one JSON object a line.
    pub(crate) fn controller_log(&self) -> String {
        self.controller.log()
    }

    pub(crate) fn controller_log_path(&self) -> &Path {
        self.controller.log_path()
    }

    /// Asks the controller to end, as Kubernetes does, and waits for it.
    pub(crate) async fn end(mut self, screen: &Screen) -> Result<()> {
        self.controller.sigterm()?;
        let status = self.controller.wait(Duration::from_secs(10)).await?;
        screen.aside(&format!("amiseal was asked to end by SIGTERM, and did ({status})."));
        Ok(())
    }

    /// Waits for as long as the controller runs, and fails when it has ended.
    pub(crate) async fn until_the_controller_ends(&mut self) -> Result<()> {
        loop {
            self.check_controller()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn demo_file(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root).join("demo").join(name)
}

/// The text of a file in `demo`.
pub(crate) fn read_demo_file(name: &str) -> Result<String> {
    let path = demo_file(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Just the rights of the policies as they come to be, once the first has consumers moved.
fn rights() -> Result<Rights> {
    let text = read_demo_file("policy.yaml")?;
    let mut policies: Vec<Value> = serde_saphyr::from_multiple(&text).context("demo/policy.yaml has no policies")?;
    let more: Value = serde_json::from_str(PROMOTION)?;
    let moving = policies.iter_mut().find(|policy| policy["metadata"]["name"] == MOVING);
    let moving = moving.with_context(|| format!("demo/policy.yaml has no policy {MOVING}"))?;
    for (field, value) in more["spec"]["promotion"].as_object().into_iter().flatten() {
        moving["spec"]["promotion"][field.as_str()] = value.clone();
    }
    let policies: Vec<String> = policies.iter().map(Value::to_string).collect();
    rig::rights_of(&program()?, &policies.join("\n---\n"), &[])
}

/// AWS with roles that have just these rights, those that were forgotten aside.
fn start_aws(rights: &Rights) -> Result<Server> {
    let text = read_demo_file("world.yaml")?;
    let mut spec = WorldSpec::parse(&text).context("demo/world.yaml is no world")?;
    spec.settings.copies.key_actions = OF_KEYS.map(str::to_owned).to_vec();
    for account in &mut spec.accounts {
        let Some(statements) = rights.get(&account.id) else {
            continue;
        };
        let (_, forgotten) = FORGOTTEN.iter().find(|(id, _)| *id == account.id).unwrap_or(&("", ""));
        for role in &mut account.roles {
            role.allow.clear();
            role.statements = rig::without(statements, forgotten);
        }
    }
    let sim = Sim::new(&spec).context("demo/world.yaml is no world")?;
    Server::on_loopback(sim).context("the simulator cannot listen on loopback")
}

/// The accounts and how many images each region has.
fn describe(sim: &Sim) -> String {
    sim.with_world(|world| {
        let regions = world.regions().filter(|(_, region)| !region.images.is_empty());
        let lines = regions.map(|(account, region)| {
            let snapshots: usize = region.images.values().map(|image| image.snapshot_ids().count()).sum();
            format!(
                "account {} {}: {:2} images of {:2} snapshots",
                account.id,
                region.name,
                region.images.len(),
                snapshots
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    })
}

/// The controller is the real binary, which is built next to this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("amiseal");
    anyhow::ensure!(
        program.is_file(),
        "{} does not exist: run `make demo`, which builds it",
        program.display()
    );
    Ok(program)
}

/// It inherits nothing but what is set here.
async fn start_controller(control_plane: &ControlPlane, endpoint: &str) -> Result<(Process, String)> {
    let program = program()?;
    let kubeconfig = control_plane
        .service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT)
        .await?;
    let log = control_plane.directory().join("amiseal.log");
    let mut controller = rig::controller("amiseal-0", program, &kubeconfig, endpoint, ACCESS_KEY, log)
        .env("AWS_REGION", "eu-west-1")
        .args(["--log-format", "json"])
        // Copies take minutes in AWS and seconds here.
        .args(["--copy-poll-interval", "1s"])
        .spawn()?;
    let line = controller.wait_for_line("/metrics", READY).await?;
    let listens = address_in(&line).with_context(|| format!("no address in the log line {line}"))?;
    controller.wait_for_line("became leader", READY).await?;
    Ok((controller, listens))
}

fn address_in(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(line["fields"]["address"].as_str()?.to_owned())
}
