//! Everything that runs: a control plane, a simulated AWS behind a relay, two replicas of the controller, Prometheus, and who is
//! paged.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ec2sim::{Act, Edit, Failure, FaultRule, Server, Sim};
use jiff::Timestamp;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::Api;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use rig::{Component, ControlPlane, Options, Process, Relay, Screen, Way, poll_until};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::board;
use crate::causes::Cause;
use crate::pages::{Page, Pages};
use crate::pods;
use crate::prometheus::Prometheus;
use crate::rules;
use crate::world::{self, ACCESS_KEY, ALLOWED, GRANT, HOME, KEY, POLICY, REGION, ROLE};

pub(crate) const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";
const REPLICAS: [&str; 2] = ["amiseal-0", "amiseal-1"];
/// How long a Lease holds: long enough for somebody to be paged for a replica that hangs.
const LEASE: &str = "30s";
/// How often it is looked.
const LOOK: Duration = Duration::from_millis(200);
/// How long it may take until everything is as it should be, and an alert fires or resolves.
const PATIENCE: Duration = Duration::from_secs(300);
/// For how long nobody may be paged where nothing is wrong, at first: an alert looks back so far to see that nothing was.
const QUIET_BEFORE: Duration = Duration::from_secs(45);
/// The same after a cause is gone.
const QUIET_AFTER: Duration = Duration::from_secs(10);
/// How long AWS takes to answer where it is slow, in seconds, and how long replicas wait for it: longer.
const SLOW: f64 = 240.0;
const READ_TIMEOUT: &str = "5m";

/// What is on stage. Dropped in this order: who talks first, who is talked to last.
pub(crate) struct Stage {
    prometheus: Prometheus,
    pages: Pages,
    replicas: Vec<Process>,
    relay: Relay,
    aws: Server,
    plane: ControlPlane,
    kubeconfig: PathBuf,
    /// When each cause of the wave began, and was gone.
    times: Vec<(Cause, Instant, Option<Instant>)>,
    /// How many pages had come before this wave.
    before: usize,
    /// The pages that were told of, and whether as resolved.
    told: Vec<bool>,
    /// How often somebody has asked for a scan.
    asked: u32,
    began: Timestamp,
    screen: Arc<Screen>,
}

impl Stage {
    /// Starts everything, and waits until each image has its copy.
    pub(crate) async fn set(screen: Arc<Screen>) -> Result<Self> {
        let accounts: Vec<&str> = Cause::all().filter_map(Cause::account).collect();
        let without = account(Cause::CheckFails);
        let sim = Sim::new(&world::world(&accounts, &without)?).context("the world is no world")?;
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
    async fn start_replicas(&mut self) -> Result<()> {
        let program = std::env::current_exe()?.with_file_name("amiseal");
        ensure!(
            program.is_file(),
            "{} does not exist: run `make alerts`, which builds it",
            program.display()
        );
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
            .args(["--log-format", "json", "--lease-duration", LEASE])
            .args(["--copy-poll-interval", "1s", "--aws-read-timeout", READ_TIMEOUT])
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

    async fn objects(&self, kind: &str) -> Result<Api<DynamicObject>> {
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

    // --- Causes ---

    /// Lets it go wrong.
    pub(crate) async fn begin(&mut self, cause: Cause) -> Result<()> {
        self.times.push((cause, Instant::now(), None));
        match cause {
            Cause::CopyHangs => self.begin_a_copy_that_hangs().await?,
            Cause::RoleNotTrusted => {
                self.edit(trust(cause, &[]))?;
                self.edit(Edit::ExpireSessions {})?;
            }
            Cause::PermissionMissing => {
                self.edit(allow(cause, "ec2:CopyImage"))?;
                self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
            }
            Cause::KeyDisabled => self.edit(key_state(cause, "Disabled"))?,
            Cause::ImageNotCopyable => {
                self.throw(cause, "CopyImage", Act::FailBefore(not_copyable()));
                self.add_image(
                    cause,
                    json!({"name": "appliance", "productCodes": ["abc"], "devices": [{"gib": 1}]}),
                )?;
            }
            Cause::CopiesFail => {
                self.edit(allow(cause, GRANT))?;
                self.add_image(cause, json!({"name": "build-{n}", "count": 6, "devices": [{"gib": 1}]}))?;
            }
            Cause::ManyTerabytes => self.add_image(cause, json!({"name": "data", "devices": [{"gib": 6144}]}))?,
            Cause::CheckFails => {
                self.throw(cause, "*", Act::FailBefore(Failure::default()));
                self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
            }
            Cause::ReadsSlow => self.throw(cause, "Describe*", Act::DelayReply(SLOW)),
            Cause::Throttled => self.throw(cause, "*", Act::Throttle),
            Cause::ReplicaHangs => self.replicas[1].pause()?,
            Cause::AwsGone => self.relay.set(Way::Closed),
            Cause::RightsLost => self.rename_statuses(|resource| resource.push_str("-that-was")).await?,
            Cause::ApiServerGone => self.plane.stop(Component::ApiServer).await?,
            Cause::Killed => {
                for replica in &mut self.replicas {
                    replica.kill9()?;
                }
            }
        }
        self.ask_for_scans(cause).await
    }

    /// Puts it right, as a person would who was paged.
    pub(crate) async fn end(&mut self, cause: Cause) -> Result<()> {
        match cause {
            Cause::CopyHangs => self.edit(Edit::FinishCopies {})?,
            Cause::RoleNotTrusted => self.edit(trust(cause, &[HOME]))?,
            Cause::PermissionMissing => self.edit(allow(cause, ""))?,
            Cause::KeyDisabled => self.edit(key_state(cause, "Enabled"))?,
            Cause::ImageNotCopyable => self.deregister(cause, "appliance")?,
            Cause::CopiesFail => {
                self.edit(allow(cause, ""))?;
                self.ask_for_attempts(cause).await?;
            }
            Cause::ManyTerabytes => self.deregister(cause, "data")?,
            Cause::CheckFails | Cause::ReadsSlow | Cause::Throttled => self.sim().remove_faults(&format!("{cause:?}")),
            Cause::ReplicaHangs => self.replicas[1].resume()?,
            Cause::AwsGone => self.relay.set(Way::Open),
            Cause::RightsLost => {
                self.rename_statuses(|resource| {
                    if let Some(status) = resource.strip_suffix("-that-was") {
                        *resource = status.to_owned();
                    }
                })
                .await?;
            }
            Cause::ApiServerGone => self.plane.start_again(Component::ApiServer).await?,
            Cause::Killed => self.start_replicas().await?,
        }
        let ended = self.times.iter_mut().find(|(one, ..)| *one == cause);
        if let Some((.., ended)) = ended {
            *ended = Some(Instant::now());
        }
        self.ask_for_scans(cause).await
    }

    fn sim(&self) -> &Sim {
        self.aws.sim()
    }

    fn edit(&self, edit: Edit) -> Result<()> {
        self.sim().edit(edit)?;
        Ok(())
    }

    /// Has these calls struck, in the account of the cause or in all; of a check only what is but asked.
    fn throw(&self, cause: Cause, operation: &str, act: Act) {
        let only_asked = [("DryRun".to_owned(), "true".to_owned())];
        let is_check = cause == Cause::CheckFails;
        self.sim().add_fault(FaultRule {
            dry_run: true,
            parameters: only_asked.into_iter().filter(|_| is_check).collect(),
            name: Some(format!("{cause:?}")),
            service: Some("ec2".to_owned()),
            account: cause.account().map(str::to_owned),
            operation: Some(operation.to_owned()),
            act,
            ..FaultRule::default()
        });
    }

    fn add_image(&self, cause: Cause, image: Value) -> Result<()> {
        let image = serde_json::from_value(image).context("the image is none")?;
        self.edit(Edit::AddImage {
            account: account(cause),
            region: REGION.to_owned(),
            image: Box::new(image),
        })
    }

    fn deregister(&self, cause: Cause, name: &str) -> Result<()> {
        let image = self.image(cause, |image| image.name == name);
        let image = image.with_context(|| format!("there is no image {name}"))?;
        self.edit(Edit::Deregister { image })
    }

    fn image(&self, cause: Cause, which: impl Fn(&ec2sim::model::Image) -> bool) -> Option<String> {
        self.sim().with_world(|world| {
            let region = world.region(&account(cause), REGION)?;
            let image = region.images.values().find(|image| image.exists() && which(image))?;
            Some(image.id.clone())
        })
    }

    fn pending_copy(&self, cause: Cause) -> Option<String> {
        self.image(cause, |image| {
            image.created_by.is_some() && image.state == ec2sim::model::ImageState::Pending
        })
    }

    /// Returns once AWS has begun it: others are as quick as before.
    async fn begin_a_copy_that_hangs(&mut self) -> Result<()> {
        let cause = Cause::CopyHangs;
        self.sim()
            .change_settings(|settings| settings.copies.base_seconds = 86_400.0);
        self.add_image(cause, json!({"name": "new", "devices": [{"gib": 1}]}))?;
        self.ask_for_scans(cause).await?;
        poll_until("a copy to be begun", PATIENCE, async || Ok(self.pending_copy(cause))).await?;
        self.sim()
            .change_settings(|settings| settings.copies.base_seconds = 2.0);
        Ok(())
    }

    /// Asks for a scan of everything, unless nobody could hear that.
    async fn ask_for_scans(&mut self, cause: Cause) -> Result<()> {
        if cause == Cause::ApiServerGone {
            return Ok(());
        }
        self.asked += 1;
        let patch = json!({"metadata": {"annotations": {"amiseal.dev/scan": self.asked.to_string()}}});
        let policies = self.objects("AMIEncryptionPolicy").await?;
        policies
            .patch(POLICY, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    /// Asks for another attempt at each migration of an account.
    async fn ask_for_attempts(&self, cause: Cause) -> Result<()> {
        let migrations = self.objects("AMIMigration").await?;
        let patch = json!({"metadata": {"annotations": {"amiseal.dev/retry": "1"}}});
        for migration in migrations.list(&ListParams::default()).await? {
            if migration.data["spec"]["accountID"] == account(cause).as_str()
                && let Some(name) = &migration.metadata.name
            {
                migrations
                    .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
                    .await?;
            }
        }
        Ok(())
    }

    /// Changes the names of all statuses in the controller's rights: a rule may name what is not there.
    async fn rename_statuses(&self, rename: impl Fn(&mut String)) -> Result<()> {
        let roles: Api<ClusterRole> = Api::all(self.plane.admin_client().await?);
        let mut role = roles.get("amiseal").await?;
        let resources = role
            .rules
            .iter_mut()
            .flatten()
            .flat_map(|rule| rule.resources.iter_mut().flatten());
        resources
            .filter(|resource| resource.contains("/status"))
            .for_each(rename);
        roles.replace("amiseal", &PostParams::default(), &role).await?;
        Ok(())
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

fn account(cause: Cause) -> String {
    cause.account().unwrap_or_default().to_owned()
}

fn trust(cause: Cause, trust: &[&str]) -> Edit {
    Edit::SetRoleTrust {
        account: account(cause),
        role: ROLE.to_owned(),
        trust: trust.iter().map(|id| (*id).to_owned()).collect(),
    }
}

/// Allows everything that is needed, but for one action.
fn allow(cause: Cause, without: &str) -> Edit {
    let allow = ALLOWED.iter().filter(|action| **action != without);
    Edit::SetRoleAllow {
        account: account(cause),
        role: ROLE.to_owned(),
        allow: allow.map(|action| (*action).to_owned()).collect(),
    }
}

fn key_state(cause: Cause, state: &str) -> Edit {
    Edit::SetKeyState {
        account: account(cause),
        region: REGION.to_owned(),
        key: KEY.to_owned(),
        state: state.to_owned(),
    }
}

/// What AWS says to whoever copies an image with a product code that forbids it.
fn not_copyable() -> Failure {
    Failure {
        code: "InvalidRequest".to_owned(),
        status: 400,
        message: "Images with EC2 BillingProduct codes cannot be copied".to_owned(),
    }
}
