//! A control plane, AWS, and replicas of the controller between them.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use amiseal::api::{AMIEncryptionTarget, AMIMigration, MigrationState};
use amiseal::plan::shards::shard_of;
use anyhow::{Context, Result, ensure};
use ec2sim::Server;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use rig::{ControlPlane, Options, Process, poll_until};

use crate::{Args, world};

/// How many shards there are.
pub(crate) const SHARDS: u16 = 16;
const NAMESPACE: &str = "amiseal-system";
const SERVICE_ACCOUNT: &str = "amiseal";
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// What the sharing costs when nothing changes, in requests for each second.
#[derive(Debug)]
pub(crate) struct Quiet {
    pub(crate) writes: f64,
    pub(crate) lists: f64,
}

/// A replica that was killed, and what it had.
#[derive(Debug)]
pub(crate) struct Killed {
    pub(crate) at: Instant,
    /// How many calls AWS had seen by then.
    calls: usize,
    name: String,
    shards: HashSet<u16>,
}

/// Everything that runs.
pub(crate) struct Cluster {
    args: Args,
    plane: ControlPlane,
    client: Client,
    kubeconfig: PathBuf,
    server: Server,
    replicas: BTreeMap<String, Process>,
}

impl Cluster {
    /// Starts so many replicas, and waits until they share all shards.
    pub(crate) async fn start(args: &Args, replicas: usize) -> Result<Self> {
        let plane = ControlPlane::start(Options::of_project()).await?;
        let mut this = Self {
            args: args.clone(),
            client: plane.admin_client().await?,
            kubeconfig: plane.service_account_kubeconfig(NAMESPACE, SERVICE_ACCOUNT).await?,
            server: Server::on_loopback(world::aws(args)?).context("no port for AWS")?,
            plane,
            replicas: BTreeMap::new(),
        };
        for number in 0..replicas {
            this.add(&format!("amiseal-{number}"))?;
        }
        let most = usize::from(SHARDS).div_ceil(replicas);
        this.until("the shards to be shared", async || {
            let holders = this.holders().await?;
            let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
            for holder in holders.values() {
                *counts.entry(holder).or_default() += 1;
            }
            let fair = counts.len() == replicas && counts.values().all(|count| *count <= most);
            Ok((holders.len() == usize::from(SHARDS) && fair).then_some(()))
        })
        .await?;
        Ok(this)
    }

    fn add(&mut self, name: &str) -> Result<()> {
        let log = self.plane.directory().join(format!("{name}.log"));
        let process = Process::builder(name, env!("CARGO_BIN_EXE_amiseal"), log)
            .env_clear()
            .env("KUBECONFIG", &self.kubeconfig)
            .env("POD_NAME", name)
            .env("AWS_ENDPOINT_URL", self.server.endpoint())
            .env("AWS_ACCESS_KEY_ID", world::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .arg("run")
            .args([
                "--listen",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "--copy-poll-interval",
                "5s",
            ])
            .args(["--lease-duration", &format!("{}s", self.args.lease)])
            .args(["--shards", &SHARDS.to_string()])
            .args(["--target-concurrency", &self.args.target_concurrency.to_string()])
            .spawn()?;
        self.replicas.insert(name.to_owned(), process);
        Ok(())
    }

    /// Applies the policy.
    pub(crate) async fn apply(&self) -> Result<Instant> {
        let began = Instant::now();
        self.plane.apply(&world::policy(&self.args).to_string()).await?;
        Ok(began)
    }

    /// Waits until every target was scanned.
    pub(crate) async fn all_scanned(&self) -> Result<()> {
        let targets = Api::<AMIEncryptionTarget>::all(self.client.clone());
        self.until("scans of all targets", async || {
            let all = targets.list(&ListParams::default()).await?.items;
            let is_scanned = |target: &AMIEncryptionTarget| {
                let status = target.status.as_ref();
                status.is_some_and(|status| status.last_scan_time.is_some())
            };
            let complete = u32::try_from(all.len())? == self.args.targets;
            Ok((complete && all.iter().all(is_scanned)).then_some(()))
        })
        .await
    }

    /// Waits until every target was scanned again that the killed replica had. A status says so only if it has changed.
    pub(crate) async fn all_scanned_again(&self, killed: &Killed) -> Result<()> {
        let all = Api::<AMIEncryptionTarget>::all(self.client.clone());
        let mut missing = HashSet::new();
        for target in all.list(&ListParams::default()).await?.items {
            let place = (target.spec.account_id, target.spec.region);
            if killed.shards.contains(&shard_of(&place.0, &place.1, SHARDS)) {
                missing.insert(place);
            }
        }
        self.until("scans of what it had", async || {
            let since = self.server.sim().journal().split_off(killed.calls);
            let scans = since.into_iter().filter(|call| call.operation == "DescribeImages");
            let scanned: HashSet<_> = scans.map(|call| (call.account, call.region)).collect();
            Ok(missing.is_subset(&scanned).then_some(()))
        })
        .await
    }

    /// Waits until every image was copied.
    pub(crate) async fn all_copied(&self) -> Result<()> {
        let migrations = Api::<AMIMigration>::all(self.client.clone());
        let expected = usize::try_from(self.args.targets * self.args.images_per_target)?;
        self.until("all copies", async || {
            let all = migrations.list(&ListParams::default()).await?.items;
            let is_done = |migration: &&AMIMigration| {
                let state = migration.status.as_ref().and_then(|status| status.state);
                state == Some(MigrationState::Completed)
            };
            Ok((all.iter().filter(is_done).count() == expected).then_some(()))
        })
        .await
    }

    /// Counts what is asked of the API server about Leases for so long.
    pub(crate) async fn quiet(&self, window: Duration) -> Result<Quiet> {
        let (began, instant) = (Timestamp::now(), Instant::now());
        tokio::time::sleep(window).await;
        let (ended, seconds) = (Timestamp::now(), instant.elapsed().as_secs_f64());
        let user = format!("system:serviceaccount:{NAMESPACE}:{SERVICE_ACCOUNT}");
        let events = self.plane.audit_events()?;
        let within = events
            .iter()
            .filter(|event| event.user == user && event.resource == "leases");
        let within: Vec<_> = within.filter(|event| event.at >= began && event.at < ended).collect();
        let lists = within.iter().filter(|event| event.verb == "list").count();
        #[allow(clippy::cast_precision_loss, reason = "a few hundred")]
        let rate = |count: usize| count as f64 / seconds;
        Ok(Quiet {
            writes: rate(within.len() - lists),
            lists: rate(lists),
        })
    }

    /// How large the objects are on average, as JSON with everything that the API server keeps with them.
    pub(crate) async fn sizes(&self) -> Result<[f64; 2]> {
        let targets = Api::<AMIEncryptionTarget>::all(self.client.clone());
        let migrations = Api::<AMIMigration>::all(self.client.clone());
        let targets = targets.list(&ListParams::default()).await?.items;
        let migrations = migrations.list(&ListParams::default()).await?.items;
        Ok([average(&targets)?, average(&migrations)?])
    }

    /// The most memory that each replica has had, in MB of a million bytes.
    pub(crate) fn peaks(&self) -> Vec<f64> {
        let peaks = self.replicas.values().filter_map(Process::peak_memory);
        #[allow(clippy::cast_precision_loss, reason = "no process has petabytes")]
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        peaks.map(megabytes).collect()
    }

    /// Kills the replica that holds most. If it was alone, another one is started at once.
    pub(crate) async fn kill(&mut self) -> Result<Killed> {
        let holders = self.holders().await?;
        let shards_of = |name: &str| -> HashSet<u16> {
            let theirs = holders.iter().filter(|(_, holder)| *holder == name);
            theirs.map(|(shard, _)| *shard).collect()
        };
        let name = self.replicas.keys().max_by_key(|name| shards_of(name).len());
        let name = name.context("there is no replica")?.clone();
        let shards = shards_of(&name);
        let mut process = self.replicas.remove(&name).context("there is no such replica")?;
        process.kill9()?;
        let at = Instant::now();
        let calls = self.server.sim().journal().len();
        if self.replicas.is_empty() {
            self.add("amiseal-new")?;
        }
        Ok(Killed {
            at,
            calls,
            name,
            shards,
        })
    }

    /// How long it takes until the last of its shards has another holder.
    pub(crate) async fn until_owned(&self, killed: &Killed) -> Result<Duration> {
        self.until("other owners", async || {
            let holders = self.holders().await?;
            let owned = |shard: &u16| holders.get(shard).is_some_and(|holder| *holder != killed.name);
            Ok(killed.shards.iter().all(owned).then(|| killed.at.elapsed()))
        })
        .await
    }

    /// Nothing was done twice, nor left out.
    pub(crate) fn judged(&self) -> Result<()> {
        let report = self.server.sim().audit();
        ensure!(report.ok, "{report}");
        Ok(())
    }

    async fn holders(&self) -> Result<BTreeMap<u16, String>> {
        let leases = Api::<Lease>::namespaced(self.client.clone(), NAMESPACE);
        let shards = leases
            .list(&ListParams::default().labels("amiseal.dev/lease=shard"))
            .await?;
        let held = shards.items.into_iter().filter_map(|lease| {
            let shard = lease.name_any().strip_prefix("amiseal-shard-")?.parse().ok()?;
            let holder = lease.spec?.holder_identity.filter(|holder| !holder.is_empty())?;
            Some((shard, holder))
        });
        Ok(held.collect())
    }

    async fn until<T>(&self, what: &str, look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
        poll_until(what, PATIENCE, look).await
    }
}

/// The average size of objects as JSON.
fn average<K: serde::Serialize>(objects: &[K]) -> Result<f64> {
    let mut bytes = 0;
    for object in objects {
        bytes += serde_json::to_vec(object)?.len();
    }
    #[allow(clippy::cast_precision_loss, reason = "a few megabytes")]
    Ok(bytes as f64 / objects.len().max(1) as f64)
}
