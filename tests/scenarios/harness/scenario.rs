//! One scenario: a world of AWS, a cluster, and replicas of the controller between them.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use amiseal::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, MigrationState, conditions, labels};
use amiseal::plan::shards::shard_of;
use ec2sim::{Act, Call, Edit, FaultRule, Server, Sim, WorldSpec};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt};
use rig::{AuditEvent, ControlPlane, ProcessBuilder};
use serde_json::{Value, json};

use super::lanes::{self, Turn};
use super::replica::{self, Replica};
use super::world::{ACCOUNT, REGION};

/// Far longer than anything takes on a machine of its own: some wait for a minute by themselves, and others may use the machine too.
const PATIENCE: Duration = Duration::from_secs(300);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// For so long nothing happens where nothing more is to come.
const QUIET: Duration = Duration::from_secs(2);
/// The user that the controller is to the API server.
pub(crate) const USER: &str = "system:serviceaccount:amiseal-system:amiseal";

pub(crate) struct Scenario {
    server: Server,
    pub(crate) client: Client,
    kubeconfig: PathBuf,
    pub(super) logs: RefCell<Vec<PathBuf>>,
    /// What was waited for in vain, in a line.
    pub(super) failure: RefCell<Option<String>>,
    began: Timestamp,
    turn: Turn,
}

impl Scenario {
    /// A cluster with nothing in it, and AWS as `world` says. No controller runs yet.
    pub(crate) async fn new(world: WorldSpec) -> Self {
        let turn = lanes::turn().await;
        let sim = Sim::new(&world).expect("a world");
        let kubeconfig = turn.plane.service_account_kubeconfig("amiseal-system", "amiseal").await;
        Self {
            server: Server::on_loopback(sim).expect("a port"),
            client: turn.plane.admin_client().await.expect("a client"),
            kubeconfig: kubeconfig.expect("a kubeconfig"),
            logs: RefCell::default(),
            failure: RefCell::default(),
            began: Timestamp::now(),
            turn,
        }
    }

    pub(crate) fn sim(&self) -> &Sim {
        self.server.sim()
    }

    pub(crate) fn plane(&self) -> &'static ControlPlane {
        self.turn.plane
    }

    /// How the controller gets to the cluster.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Where the simulated AWS is.
    pub(crate) fn endpoint(&self) -> String {
        self.server.endpoint()
    }

    /// What the last replica that was described has logged.
    pub(crate) fn log(&self) -> String {
        let logs = self.logs.borrow();
        let last = logs.last().expect("a replica");
        std::fs::read_to_string(last).expect("a log")
    }

    /// `amiseal run` under the controller's service account, ready to be started.
    pub(crate) fn describe(&self, name: &str) -> ProcessBuilder {
        self.describe_with(name, replica::LEASE)
    }

    /// The same, with Leases that hold for so long.
    pub(crate) fn describe_with(&self, name: &str, lease: Duration) -> ProcessBuilder {
        let count = self.logs.borrow().len();
        let began = self.began.as_millisecond();
        let log = self.plane().directory().join(format!("{name}-{began}-{count}.log"));
        self.logs.borrow_mut().push(log.clone());
        replica::describe(name, &self.kubeconfig, &self.server.endpoint(), log, lease)
    }

    /// Starts a replica and waits until it leads: it holds shard 0.
    pub(crate) async fn start(&self) -> Replica {
        let mut replica = self.start_more("amiseal");
        replica.leads().await;
        replica
    }

    /// Starts a replica beside others.
    pub(crate) fn start_more(&self, name: &str) -> Replica {
        let process = self.describe(name).spawn().expect("a replica");
        Replica { process }
    }

    // --- Kubernetes ---

    pub(crate) fn policies(&self) -> Api<AMIEncryptionPolicy> {
        Api::all(self.client.clone())
    }

    pub(crate) fn targets(&self) -> Api<AMIEncryptionTarget> {
        Api::all(self.client.clone())
    }

    pub(crate) fn migrations(&self) -> Api<AMIMigration> {
        Api::all(self.client.clone())
    }

    /// Applies a policy, as a person or GitOps does.
    pub(crate) async fn apply(&self, policy: &Value) {
        let name = policy["metadata"]["name"].as_str().expect("a name");
        let parameters = PatchParams::apply("person").force();
        let applied = self.policies().patch(name, &parameters, &Patch::Apply(policy)).await;
        applied.expect("the policy is accepted");
    }

    pub(crate) async fn delete(&self, policy: &str) {
        let deleted = self.policies().delete(policy, &DeleteParams::background()).await;
        deleted.expect("a policy can be deleted");
    }

    pub(crate) async fn all_migrations(&self) -> Vec<AMIMigration> {
        self.migrations()
            .list(&ListParams::default())
            .await
            .expect("a list")
            .items
    }

    pub(crate) async fn policy(&self, name: &str) -> AMIEncryptionPolicy {
        self.policies().get(name).await.expect("the policy")
    }

    pub(crate) async fn target(&self, name: &str) -> AMIEncryptionTarget {
        self.targets().get(name).await.expect("the target")
    }

    pub(crate) async fn migration_of(&self, image: &str) -> Option<AMIMigration> {
        let all = self.all_migrations().await;
        all.into_iter().find(|m| m.spec.source_image_id == image)
    }

    /// Asks for another try at an image, as people do.
    pub(crate) async fn ask_again(&self, image: &str, value: &str) {
        let migration = self.migration_of(image).await.expect("a migration");
        let retry = Patch::Merge(json!({"metadata": {"annotations": {labels::RETRY: value}}}));
        let patched = self
            .migrations()
            .patch(&migration.name_any(), &PatchParams::default(), &retry)
            .await;
        patched.expect("an annotation can be set");
    }

    /// Waits until there are so many migrations, all of them completed.
    pub(crate) async fn completed(&self, count: usize) {
        self.until(&format!("{count} completed migrations"), async || {
            let all = self.all_migrations().await;
            let done = all.iter().filter(|m| state_of(m) == MigrationState::Completed).count();
            (all.len() == count && done == count).then_some(())
        })
        .await;
    }

    /// Waits until an image's migration is in this state.
    pub(crate) async fn reaches(&self, image: &str, state: MigrationState) -> AMIMigration {
        self.until(&format!("{image} to be {}", state.as_str()), async || {
            self.migration_of(image)
                .await
                .filter(|m| m.status.is_some() && state_of(m) == state)
        })
        .await
    }

    /// Waits until an image's migration is stalled for this reason.
    pub(crate) async fn stalls(&self, image: &str, reason: &str) -> AMIMigration {
        self.until(&format!("{image} to stall with {reason}"), async || {
            let migration = self.migration_of(image).await?;
            let stalled = condition(conditions_of(&migration), conditions::STALLED)?;
            (stalled.status == "True" && stalled.reason == reason).then_some(migration)
        })
        .await
    }

    /// Waits until `condition` has a value.
    ///
    /// # Panics
    /// When that does not come.
    pub(crate) async fn until<T>(&self, what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(value) = condition().await {
                return value;
            }
            if Instant::now() >= deadline {
                let why = self.in_vain(what, PATIENCE).await;
                panic!("{why}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Waits until `value` stays the same for a while: what was on its way when it was forbidden may still arrive.
    pub(crate) async fn quiet(&self, what: &str, value: impl Fn() -> usize) -> usize {
        let (mut last, mut since) = (value(), Instant::now());
        self.until(&format!("an end of {what}"), async || {
            let now = value();
            if now != last {
                (last, since) = (now, Instant::now());
            }
            (since.elapsed() >= QUIET).then_some(now)
        })
        .await
    }

    /// What the controller has asked the API server for since the scenario began.
    pub(crate) fn requests(&self) -> Vec<AuditEvent> {
        let mut events = self.plane().audit_events().expect("an audit log");
        events.retain(|event| event.user == USER && event.at >= self.began);
        events
    }

    // --- AWS ---

    /// Changes AWS from outside.
    pub(crate) fn edit(&self, edit: Edit) {
        self.sim().edit(edit).expect("there is such a thing");
    }

    /// From now on, calls of `operation` end so.
    pub(crate) fn fault(&self, operation: &str, act: Act) {
        self.sim().add_fault(on(operation, act));
    }

    /// Calls of one operation, in order.
    pub(crate) fn calls(&self, operation: &str) -> Vec<Call> {
        let mut calls = self.sim().journal();
        calls.retain(|call| call.operation == operation);
        calls
    }

    /// Calls that would change something in AWS, whatever came of them.
    pub(crate) fn mutating_calls(&self) -> Vec<Call> {
        let mut calls = self.sim().journal();
        calls.retain(|call| call.mutating && !call.dry_run);
        calls
    }

    /// The operations of calls that did change something, in order.
    pub(crate) fn effects(&self) -> Vec<String> {
        let mut calls = self.sim().journal();
        calls.retain(|call| call.effect);
        calls.into_iter().map(|call| call.operation).collect()
    }

    /// Listings of all images. One is not counted for each time that a replica has lost the shard of the first account's region and
    /// looks at everything anew, as it may on a busy machine: compare by `<=`.
    pub(crate) fn scans(&self) -> usize {
        let calls = self.calls("DescribeImages");
        let is_scan =
            |call: &&Call| !call.params.contains_key("Filter.1.Name") && !call.params.contains_key("ImageId.1");
        calls.iter().filter(is_scan).count().saturating_sub(self.lost_shards())
    }

    /// Listings of the images of some days.
    pub(crate) fn looks(&self) -> Vec<Call> {
        let mut calls = self.calls("DescribeImages");
        calls.retain(|call| {
            let filter = call.params.get("Filter.1.Name");
            filter.is_some_and(|name| name == "creation-date")
        });
        calls
    }

    /// How often a replica says that it has lost the shard of the first account's region.
    fn lost_shards(&self) -> usize {
        let shard = shard_of(ACCOUNT, REGION, replica::SHARDS).to_string();
        let logs = self.logs.borrow();
        let logs = logs.iter().map(|log| std::fs::read_to_string(log).unwrap_or_default());
        let losses = |log: String| {
            let lines = log.lines().filter(|line| line.contains("lost shards"));
            let lists = lines.filter_map(|line| line.split_once("shards=[")?.1.split_once(']'));
            lists
                .filter(|(list, _)| list.split(", ").any(|number| number == shard))
                .count()
        };
        logs.map(losses).sum()
    }

    /// How many copies were made.
    pub(crate) fn copies_made(&self) -> usize {
        self.calls("CopyImage").iter().filter(|call| call.effect).count()
    }

    /// The ID of the world's image of this name.
    pub(crate) fn image(&self, name: &str) -> String {
        let found = self.sim().with_world(|world| {
            let mut images = world.regions().flat_map(|(_, region)| region.images.values());
            images.find(|image| image.name == name).map(|image| image.id.clone())
        });
        found.unwrap_or_else(|| panic!("no image is called {name}"))
    }

    /// What must hold at the end of every scenario: the judge of AWS finds nothing wrong, and the controller has asked
    /// the API server for nothing that it may not have.
    pub(crate) fn judged(&self) {
        let report = self.sim().audit();
        assert!(report.ok, "{report}");
        let refused: Vec<_> = self.requests().into_iter().filter(|event| event.code == 403).collect();
        assert!(refused.is_empty(), "the API server refused {refused:#?}");
    }
}

impl Drop for Scenario {
    fn drop(&mut self) {
        println!("took {:#}", self.began.until(Timestamp::now()).unwrap_or_default());
        if std::thread::panicking() {
            self.explain();
            if let Some(why) = self.failure.borrow().as_ref() {
                println!("{why}");
            }
        }
    }
}

/// A fault of every call of an operation.
pub(crate) fn on(operation: &str, act: Act) -> FaultRule {
    FaultRule {
        operation: Some(operation.to_owned()),
        act,
        ..FaultRule::default()
    }
}

/// A fault of the first call of an operation.
pub(crate) fn once(operation: &str, act: Act) -> FaultRule {
    FaultRule {
        nth: Some(1),
        ..on(operation, act)
    }
}

pub(crate) fn state_of(migration: &AMIMigration) -> MigrationState {
    let status = migration.status.as_ref();
    status.and_then(|status| status.state).unwrap_or_default()
}

pub(crate) fn conditions_of(migration: &AMIMigration) -> &[Condition] {
    migration.status.as_ref().map_or(&[], |status| &status.conditions)
}

pub(crate) fn condition<'a>(all: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions::find(all, type_)
}

/// A condition's status and reason, as in `True/Succeeded`; empty when it is not there.
pub(crate) fn says(all: &[Condition], type_: &str) -> String {
    condition(all, type_).map_or_else(String::new, |c| format!("{}/{}", c.status, c.reason))
}

pub(crate) fn name_of(migration: &AMIMigration) -> String {
    migration.name_any()
}
