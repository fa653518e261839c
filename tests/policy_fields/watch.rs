//! One policy: applied in either of two ways, and looked at until everything that belongs to it has settled.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use amiseal::api::{
    AMIEncryptionPolicy, AMIEncryptionPolicySpec, AMIEncryptionTarget, AMIMigration, MigrationState, conditions, labels,
};
use amiseal::plan::expand;
use futures::StreamExt as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::CustomResourceExt;
use kube::core::response::StatusCause;
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::stage::Lane;

const PATIENCE: Duration = Duration::from_secs(240);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How a person changes a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As `kubectl apply --server-side` does.
    Apply,
    /// As `kubectl replace` and `kubectl edit` do.
    Replace,
}

/// All objects of ours, as a watch shows them: to ask the API server again and again would keep it from its work.
pub(crate) struct View {
    policies: Store<AMIEncryptionPolicy>,
    targets: Store<DynamicObject>,
    migrations: Store<AMIMigration>,
}

impl View {
    /// Watches until the runtime ends.
    pub(crate) fn new(client: &Client) -> Arc<Self> {
        let config = watcher::Config::default;
        let (policies, writer) = store();
        let watch = watcher(Api::<AMIEncryptionPolicy>::all(client.clone()), config());
        tokio::spawn(reflector(writer, watch.default_backoff()).for_each(|_| async {}));
        let (migrations, writer) = store();
        let watch = watcher(Api::<AMIMigration>::all(client.clone()), config());
        tokio::spawn(reflector(writer, watch.default_backoff()).for_each(|_| async {}));
        // As they are stored, so that nothing is read into them.
        let kind = AMIEncryptionTarget::api_resource();
        let writer = Writer::new(kind.clone());
        let targets = writer.as_reader();
        let watch = watcher(Api::<DynamicObject>::all_with(client.clone(), &kind), config());
        tokio::spawn(reflector(writer, watch.default_backoff()).for_each(|_| async {}));
        Arc::new(Self {
            policies,
            targets,
            migrations,
        })
    }
}

pub(crate) struct Policy {
    pub(crate) lane: Lane,
    pub(crate) way: Way,
    raw: Api<DynamicObject>,
    view: Arc<View>,
}

/// What belongs to a policy, when it has settled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settled {
    /// The specs that the policy asks for, by target.
    pub(crate) asked: BTreeMap<String, Value>,
    /// UID, generation and stored spec, by target.
    pub(crate) targets: BTreeMap<String, (String, i64, Value)>,
    /// UID, target and spec, by migration.
    pub(crate) migrations: BTreeMap<String, (String, String, Value)>,
    /// Those of them that are completed.
    pub(crate) completed: BTreeSet<String>,
    /// The counts of images.
    pub(crate) images: Value,
    /// Whether all is well, as the policy says.
    pub(crate) ready: bool,
    /// Why not.
    pub(crate) reason: String,
}

impl Policy {
    pub(crate) fn new(client: &Client, view: &Arc<View>, lane: Lane, way: Way) -> Self {
        Self {
            lane,
            way,
            raw: Api::all_with(client.clone(), &AMIEncryptionPolicy::api_resource()),
            view: view.clone(),
        }
    }

    /// Asks the API server to take this spec, and gives the policy as it then is, or would be.
    pub(crate) async fn put(&self, spec: &Value, only_ask: bool) -> Result<DynamicObject, Vec<StatusCause>> {
        let (name, mut policy) = (self.lane.name(), self.lane.policy(spec));
        let now = match self.way {
            Way::Replace => self.raw.get_opt(&name).await.expect("an answer"),
            Way::Apply => None,
        };
        let answer = match now {
            Some(now) => {
                policy["metadata"]["resourceVersion"] = now.resource_version().into();
                let parameters = PostParams {
                    dry_run: only_ask,
                    ..PostParams::default()
                };
                let object: DynamicObject = serde_json::from_value(policy).expect("an object");
                let replaced = self.raw.replace(&name, &parameters, &object).await;
                match replaced {
                    // The controller has written the status meanwhile.
                    Err(kube::Error::Api(status)) if status.code == 409 => {
                        return Box::pin(self.put(spec, only_ask)).await;
                    }
                    other => other,
                }
            }
            None => {
                let mut parameters = PatchParams::apply("person").force().validation_strict();
                parameters.dry_run = only_ask;
                self.raw.patch(&name, &parameters, &Patch::Apply(&policy)).await
            }
        };
        match answer {
            Ok(policy) => Ok(policy),
            Err(kube::Error::Api(status)) => Err(causes(*status)),
            Err(other) => panic!("no answer: {other}"),
        }
    }

    /// The policy's `metadata.generation`.
    pub(crate) async fn generation(&self) -> Option<i64> {
        let policy = self.raw.get(&self.lane.name()).await.expect("the policy");
        policy.metadata.generation
    }

    /// Looks until everything says what it must, and `wanted` holds besides.
    ///
    /// # Panics
    /// When that does not come.
    pub(crate) async fn settled(
        &self,
        what: &str,
        generation: Option<i64>,
        wanted: impl Fn(&Settled) -> Result<(), String>,
    ) -> Settled {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let why = match self.look(generation) {
                Ok(settled) => match wanted(&settled) {
                    Ok(()) => return settled,
                    Err(why) => why,
                },
                Err(why) => why,
            };
            assert!(Instant::now() < deadline, "{what}: {why}");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn look(&self, generation: Option<i64>) -> Result<Settled, String> {
        let name = self.lane.name();
        let is_mine = |labels: &BTreeMap<String, String>| labels.get(labels::POLICY) == Some(&name);
        let policy = self
            .view
            .policies
            .get(&ObjectRef::new(&name))
            .ok_or("there is no policy yet")?;
        if policy.metadata.generation != generation {
            return Err(format!(
                "the policy is still of generation {:?}",
                policy.metadata.generation
            ));
        }
        // Asked first, as it costs nothing: most looks end here.
        let status = policy.status.as_ref().ok_or("the policy has no status")?;
        if status.observed_generation != generation {
            return Err(format!("the status is of generation {:?}", status.observed_generation));
        }
        let mut targets = self.view.targets.state();
        targets.retain(|target| is_mine(target.labels()));
        let mut migrations = self.view.migrations.state();
        migrations.retain(|migration| is_mine(migration.labels()));
        let mut settled = Settled {
            asked: asked(&name, &policy.spec),
            ..Settled::default()
        };
        for target in &targets {
            if target.metadata.deletion_timestamp.is_some() {
                return Err(format!("{} is being deleted", target.name_any()));
            }
            let generation = target.metadata.generation.unwrap_or_default();
            let row = (
                target.uid().unwrap_or_default(),
                generation,
                target.data["spec"].clone(),
            );
            settled.targets.insert(target.name_any(), row);
        }
        for migration in &migrations {
            let owner = migration
                .owner_references()
                .first()
                .map(|owner| owner.uid.clone())
                .unwrap_or_default();
            let spec = serde_json::to_value(&migration.spec).expect("JSON");
            let row = (migration.uid().unwrap_or_default(), owner, spec);
            settled.migrations.insert(migration.name_any(), row);
            let state = migration.status.as_ref().and_then(|status| status.state);
            if state == Some(MigrationState::Completed) {
                settled.completed.insert(migration.name_any());
            }
        }
        self.tells_the_truth(&policy, &targets, &mut settled)?;
        Ok(settled)
    }

    /// Whether targets and statuses are as the policy's spec has them.
    fn tells_the_truth(
        &self,
        policy: &AMIEncryptionPolicy,
        targets: &[Arc<DynamicObject>],
        settled: &mut Settled,
    ) -> Result<(), String> {
        let stored: BTreeMap<&String, &Value> = settled.targets.iter().map(|(name, (.., spec))| (name, spec)).collect();
        if stored != settled.asked.iter().collect() {
            return Err(format!("targets are {stored:#?} and not {:#?}", settled.asked));
        }
        let generation = policy.metadata.generation;
        let status = policy.status.as_ref().ok_or("the policy has no status")?;
        if let Some(old) = status
            .conditions
            .iter()
            .find(|condition| condition.observed_generation != generation)
        {
            return Err(format!("{} is of generation {:?}", old.type_, old.observed_generation));
        }
        let mut ready = 0;
        for target in targets {
            let typed: AMIEncryptionTarget = DynamicObject::clone(target)
                .try_parse()
                .map_err(|error| error.to_string())?;
            let status = typed
                .status
                .as_ref()
                .ok_or_else(|| format!("{} has no status", typed.name_any()))?;
            if status.observed_generation != typed.metadata.generation {
                return Err(format!("{} has not been seen", typed.name_any()));
            }
            if conditions::find(&status.conditions, conditions::READY).is_none_or(|c| c.reason == "Initializing") {
                return Err(format!("{} has not been looked through", typed.name_any()));
            }
            ready += u32::from(conditions::is_true(&status.conditions, conditions::READY));
        }
        let counted = status.targets.ok_or("the policy counts no targets")?;
        if (usize::try_from(counted.total), counted.ready) != (Ok(targets.len()), ready) {
            return Err(format!(
                "{ready} of {} targets are ready, not {counted:?}",
                targets.len()
            ));
        }
        let condition = conditions::find(&status.conditions, conditions::READY).ok_or("no Ready")?;
        settled.ready = condition.status == "True";
        settled.reason = condition.reason.clone();
        let suspended = policy.spec.suspend;
        if settled.ready != (usize::try_from(ready) == Ok(targets.len()))
            || suspended != (condition.reason == "Suspended")
        {
            return Err(format!("Ready says {} and {}", condition.status, condition.message));
        }
        settled.images = serde_json::to_value(status.images).expect("JSON");
        Ok(())
    }
}

/// The specs that a policy asks for, by target.
fn asked(name: &str, spec: &AMIEncryptionPolicySpec) -> BTreeMap<String, Value> {
    let targets = expand::targets(name, spec).into_iter().map(|spec| {
        let target = labels::target_name(name, &spec.account_id, &spec.region);
        (target, serde_json::to_value(&spec).expect("JSON"))
    });
    targets.collect()
}

/// The same for a policy as the API server has answered with it.
pub(crate) fn asked_by(policy: DynamicObject) -> BTreeMap<String, Value> {
    let policy: AMIEncryptionPolicy = policy.try_parse().expect("a policy");
    asked(&policy.name_any(), &policy.spec)
}

fn causes(status: kube::core::Status) -> Vec<StatusCause> {
    let Some(details) = status.details.filter(|details| !details.causes.is_empty()) else {
        // An answer of the decoder, which knows no causes.
        return vec![StatusCause {
            reason: status.reason,
            message: status.message,
            field: String::new(),
        }];
    };
    let mut causes = details.causes;
    causes.retain(|cause| !cause.message.contains("some validation rules were not checked"));
    causes
}
