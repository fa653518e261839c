//! Everything that runs: a control plane, a simulated AWS behind a relay, two replicas of the controller, Prometheus, and who is
//! paged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ec2sim::{Server, Sim};
use jiff::Timestamp;
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use rig::{ControlPlane, Options, Process, Relay, Rights, Screen, poll_until};
use serde_json::Value;
use tokio::time::Instant;

use crate::board;
use crate::causes::Cause;
use crate::pages::{Page, Pages};
use crate::pods;
use crate::prometheus::Prometheus;
use crate::rules;
use crate::world::{self, ACCESS_KEY};

pub(crate) const NAMESPACE: &str = "amiseal-system";
pub(crate) const SERVICE_ACCOUNT: &str = "amiseal";
const REPLICAS: [&str; 2] = ["amiseal-0", "amiseal-1"];
/// How long a Lease holds: long enough for somebody to be paged for a replica that hangs.
const LEASE: &str = "30s";
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// How long it may take until everything is as it should be, and an alert fires or resolves.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// For how long nobody may be paged where nothing is wrong, at first: an alert looks back so far to see that nothing was.
const QUIET_BEFORE: Duration = Duration::from_secs(45);
/// The same after a cause is gone.
const QUIET_AFTER: Duration = Duration::from_secs(10);
/// How long replicas wait for an answer of AWS.
const READ_TIMEOUT: &str = "5m";

/// What is on stage. Dropped in this order: who talks first, who is talked to last.
pub(crate) struct Stage {
    prometheus: Prometheus,
    pages: Pages,
    pub(crate) replicas: Vec<Process>,
    pub(crate) relay: Relay,
    pub(crate) aws: Server,
    pub(crate) plane: ControlPlane,
    kubeconfig: PathBuf,
    /// What the roles may do.
    pub(crate) rights: Rights,
    /// When each cause of the wave began, and was gone.
    pub(crate) times: Vec<(Cause, Instant, Option<Instant>)>,
    /// How many pages had come before this wave.
    before: usize,
    /// The pages that were told of, and whether as resolved.
    told: Vec<bool>,
    /// How often somebody has asked for a scan.
    pub(crate) asked: u32,
    began: Timestamp,
    screen: Arc<Screen>,
}

/// The controller is the real binary, which is built next to this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("amiseal");
    ensure!(
        program.is_file(),
        "{} does not exist: run `make alerts`, which builds it",
        program.display()
    );
    Ok(program)
}

impl Stage {
    /// Starts everything, and waits until each image has its copy.
    pub(crate) async fn set(screen: Arc<Screen>) -> Result<Self> {
        let accounts: Vec<&str> = Cause::all().filter_map(Cause::account).collect();
        let all = [accounts.as_slice(), &world::MEMBERS].concat();
        let without: Vec<&str> = Cause::CheckFails.account().into_iter().chain(world::MEMBERS).collect();
        let rights = rig::rights_of(&program()?, &world::proving_policy(&all), &[])?;
        let world = world::world(&all, &without, &account(Cause::CopyDisabled), &rights)?;
        let sim = Sim::new(&world).context("the world is no world")?;
        let aws = Server::on_loopback(sim).context("the simulator cannot listen on loopback")?;
        let relay = Relay::start(aws.address())?;
        screen.step("Starting etcd, kube-apiserver, two replicas of amiseal, Prometheus and a receiver of pages");
        let plane = ControlPlane::start(Options::of_project()).await?;
        let kubeconfig = plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?;
        let pages = Pages::default();
        let receiver = pages.receive().await?;
        let rules = rules::shortened()?;
        let prometheus = Prometheus::start(plane.directory(), &rules, receiver, plane.admin_kubeconfig()).await?;
        let mut stage = Self {
            prometheus,
            pages,
            replicas: Vec::new(),
            relay,
            aws,
            plane,
            kubeconfig,
            rights,
            times: Vec::new(),
            before: 0,
            told: Vec::new(),
            asked: 0,
            began: Timestamp::now(),
            screen,
        };
        stage.start_replicas().await?;
        stage.plane.apply(&world::policy(&accounts)).await?;
        stage.until_completed(accounts.len() - 1).await?;
        Ok(stage)
    }

    /// Starts the replicas, and makes their Pods, by which Prometheus finds them.
    pub(crate) async fn start_replicas(&mut self) -> Result<()> {
        let program = program()?;
        self.replicas.clear();
        for name in REPLICAS {
            let log = self.plane.directory().join(format!("{name}.log"));
            let mut process = rig::controller(
                name,
                &program,
                &self.kubeconfig,
                &self.relay.endpoint(),
                ACCESS_KEY,
                log,
            )
            .env("AWS_REGION", world::REGION)
            .args(["--log-format", "json", "--lease-duration", LEASE])
            .arg(format!(
                "--event-queue-url={}/{}/{}",
                self.relay.endpoint(),
                world::HOME,
                world::QUEUE
            ))
            .args(["--copy-poll-interval", "1s", "--aws-read-timeout", READ_TIMEOUT])
            .args(["--accounts-read-interval", "5s"])
            .spawn()?;
            let line = process.wait_for_line("/metrics", PATIENCE).await?;
            let line: Value = serde_json::from_str(&line)?;
            let address = line["fields"]["address"].as_str().context("no address")?;
            let address: SocketAddr = address.parse().context("no address")?;
            pods::replace(&self.plane, name, address.port()).await?;
            self.replicas.push(process);
        }
        Ok(())
    }

    /// Waits until so many migrations are completed, and no other is there.
    async fn until_completed(&self, many: usize) -> Result<()> {
        poll_until("each image to have its copy", PATIENCE, async || {
            let migrations = self.objects("AMIMigration").await?.list(&ListParams::default()).await?;
            let completed = migrations
                .iter()
                .filter(|one| one.data["status"]["state"] == "Completed");
            Ok((completed.count() == many && migrations.items.len() == many).then_some(()))
        })
        .await
    }

    pub(crate) async fn objects(&self, kind: &str) -> Result<Api<DynamicObject>> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("amiseal.dev", "v1alpha1", kind));
        Ok(Api::all_with(self.plane.admin_client().await?, &resource))
    }

    /// Copies the logs of all processes, the rules and the pages into a directory.
    pub(crate) fn keep_logs(&self, to: &Path) -> Result<()> {
        std::fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
        for from in [
            self.plane.directory().to_owned(),
            self.plane.directory().join("prometheus"),
        ] {
            for entry in std::fs::read_dir(from)? {
                let path = entry?.path();
                let ends = path.extension().and_then(|end| end.to_str()).unwrap_or_default();
                if let Some(name) = path.file_name().filter(|_| ["log", "yaml"].contains(&ends)) {
                    std::fs::copy(&path, to.join(name))?;
                }
            }
        }
        let pages: Vec<String> = self.pages.all().iter().map(Page::shown).collect();
        std::fs::write(to.join("pages.txt"), pages.join("\n\n"))?;
        Ok(())
    }

    /// The dashboard of all of this, and the panels that show nothing.
    pub(crate) async fn draw(&self) -> Result<(String, Vec<String>)> {
        let prometheus = self.prometheus.address().to_string();
        let now = Timestamp::now().as_duration().as_secs_f64();
        board::draw(&prometheus, self.began.as_duration().as_secs_f64(), now).await
    }

    // --- Waiting for pages ---

    /// Prints which pages have come, and are over, since it was last looked.
    fn tell(&mut self) {
        let pages = self.pages.all();
        for (number, page) in pages.iter().enumerate() {
            let is_over = page.resolved.is_some();
            let now = match self.told.get(number) {
                None => "fires",
                Some(false) if is_over => "is resolved",
                Some(_) => continue,
            };
            self.screen
                .aside(&format!("{} {now} {}", page.alert(), page.label("account")));
        }
        self.told = pages.iter().map(|page| page.resolved.is_some()).collect();
    }

    /// Waits until nobody is paged any more since the start, for a while. Says for what somebody still is.
    pub(crate) async fn quiet_before(&mut self) -> Vec<String> {
        self.quiet("before anything is wrong", QUIET_BEFORE).await
    }

    async fn quiet(&mut self, when: &str, long: Duration) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut since = Instant::now();
        loop {
            self.tell();
            let open: Vec<Page> = self
                .pages
                .all()
                .into_iter()
                .filter(|page| page.resolved.is_none())
                .collect();
            if !open.is_empty() {
                since = Instant::now();
            }
            if since.elapsed() >= long {
                self.before = self.pages.all().len();
                return Vec::new();
            }
            if Instant::now() > deadline {
                let still = |page: &Page| format!("{when}, somebody is paged:\n{}", page.shown());
                return open.iter().map(still).collect();
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The pages of this wave for an alert of a cause.
    fn pages_of(&self, cause: Cause, alert: &str) -> Vec<Page> {
        let mut pages = self.pages.all();
        pages.drain(..self.before.min(pages.len()));
        pages.retain(|page| page.alert() == alert && is_in_account(cause, page));
        pages
    }

    /// Waits until each alert of each cause has fired. Returns the first pages.
    pub(crate) async fn until_fired(&mut self, causes: &[Cause]) -> Vec<((Cause, &'static str), Option<Page>)> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            self.tell();
            let fired: Vec<_> = alerts_of(causes)
                .map(|(cause, alert)| ((cause, alert), self.pages_of(cause, alert).into_iter().next()))
                .collect();
            if fired.iter().all(|(_, page)| page.is_some()) || Instant::now() > deadline {
                return fired;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until nobody is paged any more. Returns when each alert of each cause was over for good, and for what somebody still is
    /// paged.
    pub(crate) async fn until_resolved(&mut self, causes: &[Cause]) -> (Vec<Option<Instant>>, Vec<String>) {
        let wave = self.before;
        let still = self.quiet("after the cause is gone", QUIET_AFTER).await;
        self.before = wave;
        let over = |(cause, alert)| {
            let pages: Vec<Page> = self.pages_of(cause, alert);
            let all: Option<Vec<Instant>> = pages.iter().map(|page| page.resolved).collect();
            all?.into_iter().max()
        };
        (alerts_of(causes).map(over).collect(), still)
    }

    /// The pages of this wave that none of its causes explains.
    pub(crate) fn unexplained(&self, causes: &[Cause]) -> Vec<String> {
        let explains = |page: &Page| {
            causes.iter().any(|cause| {
                let known = cause
                    .alerts()
                    .iter()
                    .chain(cause.explains())
                    .any(|alert| *alert == page.alert());
                known && is_in_account(*cause, page)
            })
        };
        let pages = self.pages.all();
        let unexplained = pages.iter().skip(self.before).filter(|page| !explains(page));
        unexplained
            .map(|page| format!("nothing explains this page:\n{}", page.shown()))
            .collect()
    }

    pub(crate) fn forget_wave(&mut self) {
        self.times.clear();
        self.before = self.pages.all().len();
    }

    pub(crate) fn since_begun(&self, cause: Cause, at: Instant) -> Option<Duration> {
        let (_, begun, _) = self.times.iter().find(|(one, ..)| *one == cause)?;
        at.checked_duration_since(*begun)
    }

    /// None where it was over before its cause was gone.
    pub(crate) fn since_ended(&self, cause: Cause, at: Instant) -> Option<Duration> {
        let (.., ended) = self.times.iter().find(|(one, ..)| *one == cause)?;
        Some(at.saturating_duration_since((*ended)?))
    }
}

fn alerts_of(causes: &[Cause]) -> impl Iterator<Item = (Cause, &'static str)> {
    causes
        .iter()
        .flat_map(|cause| cause.alerts().iter().map(|alert| (*cause, *alert)))
}

/// Whether a page is of the account of a cause, where either is of one.
fn is_in_account(cause: Cause, page: &Page) -> bool {
    let of = page.label("account");
    of.is_empty() || cause.account().is_none_or(|account| account == of)
}

/// The account of a cause; empty where it strikes all.
pub(crate) fn account(cause: Cause) -> String {
    cause.account().unwrap_or_default().to_owned()
}
