//! Everything that runs for one fault: a control plane, a simulated AWS behind a relay, and replicas of the controller.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ec2sim::model::ImageState;
use ec2sim::{Server, Sim};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::ListParams;
use rand::Rng as _;
use rand::rngs::StdRng;
use rig::{AuditEvent, ControlPlane, Objects, Options, Relay, Screen};
use tokio::time::Instant;

use crate::effects::{self, Effects};
use crate::faults::Fault;
use crate::replica::{Description, Replica};
use crate::truth;
use crate::witness::Witness;
use crate::world::{self, TO_COPY};

const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";
/// The user that the controller is to the API server.
const USER: &str = "system:serviceaccount:amiseal-system:amiseal";
/// How often the world is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// How long reading from an API server may take that may be gone.
const READ: Duration = Duration::from_secs(10);
/// How long it may take until copies are under way.
const BEGINS: Duration = Duration::from_secs(60);

/// What is on stage. Dropped in this order: who talks first, who is talked to last.
pub(crate) struct Stage {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) relay: Relay,
    aws: Server,
    pub(crate) plane: ControlPlane,
    /// What all random choices of the fault come from.
    pub(crate) rng: StdRng,
    needed: Effects,
    /// What statuses claimed at any look, and was not so.
    lies: BTreeSet<String>,
    /// How often statuses were read while the fault lasted.
    looks: usize,
    fault: Fault,
    screen: Arc<Screen>,
}

impl Stage {
    /// Starts everything, and applies the policy.
    pub(crate) async fn set(screen: Arc<Screen>, fault: Fault, rng: StdRng, seed: u64) -> Result<Self> {
        let program = program()?;
        let rights = rig::rights_of(&program, &world::policy(), &[])?;
        let sim = Sim::new(&world::world(seed, &rights)?).context("the world is no world")?;
        let needed = sim.with_world(effects::needed);
        let aws = Server::on_loopback(sim).context("the simulator cannot listen on loopback")?;
        let relay = Relay::start(aws.address())?;
        let mut options = Options::of_project();
        options.etcd_quota = fault.etcd_quota();
        let plane = ControlPlane::start(options).await?;
        let kubeconfig = plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let describe = |name: String| Description {
            log: plane.directory().join(format!("{name}.log")),
            name,
            program: program.clone(),
            kubeconfig: kubeconfig.clone(),
            endpoint: relay.endpoint(),
        };
        let names = (0..fault.replicas()).map(|number| format!("amiseal-{number}"));
        let replicas: Result<Vec<_>> = names.map(|name| Replica::start(describe(name))).collect();
        let replicas = replicas?;
        plane.apply(&world::policy()).await?;
        let stage = Self {
            replicas,
            relay,
            aws,
            plane,
            rng,
            needed,
            lies: BTreeSet::new(),
            looks: 0,
            fault,
            screen,
        };
        let names: Vec<&str> = stage.replicas.iter().map(|replica| replica.name()).collect();
        stage.say(&format!("{TO_COPY} images to copy, by {}", names.join(" and ")));
        Ok(stage)
    }

    /// Prints what happens now.
    pub(crate) fn say(&self, what: &str) {
        self.screen.step(&format!("{}: {what}", self.fault.name()));
    }

    /// Copies the logs of all processes, the audit log of the API server and the journal of AWS into a directory.
    pub(crate) fn keep_logs(&self, to: &Path) -> Result<()> {
        std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        for entry in std::fs::read_dir(self.plane.directory())? {
            let path = entry?.path();
            if let Some(name) = path
                .file_name()
                .filter(|_| path.extension().is_some_and(|end| end == "log"))
            {
                std::fs::copy(&path, to.join(name))?;
            }
        }
        let calls: Result<Vec<_>, _> = self.sim().journal().iter().map(serde_json::to_string).collect();
        std::fs::write(to.join("aws.log"), calls?.join("\n"))?;
        Ok(())
    }

    /// A random time between two numbers of seconds.
    pub(crate) fn seconds(&mut self, range: std::ops::Range<f64>) -> Duration {
        Duration::from_secs_f64(self.rng.random_range(range))
    }

    // --- AWS ---

    pub(crate) fn sim(&self) -> &Sim {
        self.aws.sim()
    }

    pub(crate) const fn needed(&self) -> &Effects {
        &self.needed
    }

    /// Copies that AWS is making, and those that are made.
    pub(crate) fn copies(&self) -> (usize, usize) {
        self.sim().with_world(|world| {
            let images = world.regions().flat_map(|(_, region)| region.images.values());
            let copies = images.filter(|image| image.created_by.is_some() && image.exists());
            copies.fold((0, 0), |(pending, made), copy| match copy.state {
                ImageState::Pending => (pending + 1, made),
                ImageState::Available => (pending, made + 1),
                _ => (pending, made),
            })
        })
    }

    /// How many images have no finished copy.
    pub(crate) fn left(&self) -> usize {
        TO_COPY.saturating_sub(self.copies().1)
    }

    /// Waits until AWS makes copies and has made some, but not all of them.
    pub(crate) async fn until_under_way(&self) -> Result<()> {
        let deadline = Instant::now() + BEGINS;
        loop {
            let (pending, made) = self.copies();
            if pending > 0 && made >= TO_COPY / 20 {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "no copies are under way after {BEGINS:?}: {pending} pending, {made} made"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    // --- Kubernetes ---

    /// Reads all objects, and holds their claims against the world.
    pub(crate) async fn look(&mut self) -> Result<Objects> {
        let objects = tokio::time::timeout(READ, Objects::read(&self.plane))
            .await
            .context("the API server does not answer")??;
        let lies = self.sim().with_world(|world| truth::false_claims(&objects, world));
        self.lies.extend(lies);
        Ok(objects)
    }

    /// Somebody who looks while a fault has the stage to itself.
    pub(crate) async fn witness(&self) -> Result<Witness> {
        Ok(Witness::new(self.plane.admin_client().await?, self.sim().clone()))
    }

    /// Takes down what a witness saw.
    pub(crate) fn hear(&mut self, witness: Witness) {
        self.looks += witness.looks;
        self.lies.extend(witness.lies);
    }

    /// How often statuses were read while the fault lasted.
    pub(crate) const fn looks(&self) -> usize {
        self.looks
    }

    /// What was claimed at any look, and was not so.
    pub(crate) const fn lies(&self) -> &BTreeSet<String> {
        &self.lies
    }

    /// Whether a migration is not completed yet.
    pub(crate) async fn is_unfinished(&mut self) -> Result<bool> {
        let objects = self.look().await?;
        let done = objects
            .migrations
            .iter()
            .filter(|m| m.text("/status/state") == "Completed");
        Ok(done.count() < TO_COPY)
    }

    /// How many Leases each replica holds.
    pub(crate) async fn holders(&self) -> Result<BTreeMap<String, usize>> {
        let leases: Api<Lease> = Api::namespaced(self.plane.admin_client().await?, NAMESPACE);
        let mut holders = BTreeMap::new();
        for lease in leases.list(&ListParams::default()).await? {
            let holder = lease.spec.and_then(|spec| spec.holder_identity).unwrap_or_default();
            *holders.entry(holder).or_default() += 1;
        }
        Ok(holders)
    }

    /// How many writes of the controller the API server has refused, of those that `which` selects.
    pub(crate) fn refused_writes(&self, which: impl Fn(&AuditEvent) -> bool) -> Result<usize> {
        let events = self.plane.audit_events()?;
        let refused = |event: &&AuditEvent| event.user == USER && event.is_write() && event.code >= 400;
        Ok(events.iter().filter(refused).filter(|event| which(event)).count())
    }
}

/// The controller is the real binary, which is built next to this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("amiseal");
    ensure!(
        program.is_file(),
        "{} does not exist: run `make chaos`, which builds it",
        program.display()
    );
    Ok(program)
}
