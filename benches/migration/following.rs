//! Follows what the product says of itself, from outside: by watches as an administrator.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use amiseal::api::{
    AMIEncryptionPolicy, AMIEncryptionTarget, AMIEncryptionTargetStatus, AMIMigration, MigrationState, conditions,
};
use ec2sim::{Sim, SimTime};
use futures::{StreamExt, future};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// What was seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Following(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// The migrations that have completed, by name: their copy, and when they were seen to.
    completed: HashMap<String, (String, SimTime)>,
    /// The target's status.
    target: Option<AMIEncryptionTargetStatus>,
    /// How many changes of it were but of the time of the last scan.
    scan_times: usize,
    /// Whether the policy says that nothing is left to do.
    policy_settled: bool,
}

impl Following {
    /// Begins to watch. It ends with the process.
    pub(crate) fn start(client: Client, sim: Sim) -> Self {
        let following = Self::default();
        let this = following.clone();
        watch::<AMIMigration>(client.clone(), move |migration| this.migration(&migration, &sim));
        let this = following.clone();
        watch::<AMIEncryptionTarget>(client.clone(), move |target| this.target(&target));
        let this = following.clone();
        watch::<AMIEncryptionPolicy>(client, move |policy| this.policy(&policy));
        following
    }

    /// How many migrations have completed.
    pub(crate) fn completed(&self) -> usize {
        self.seen().completed.len()
    }

    /// When the last migration was seen to have completed.
    pub(crate) fn last_completed(&self) -> SimTime {
        self.completions().map(|(_, at)| at).max().unwrap_or_default()
    }

    /// The copies of the migrations that have completed, and when those were seen to.
    pub(crate) fn completions(&self) -> impl Iterator<Item = (String, SimTime)> {
        let completed: Vec<_> = self.seen().completed.values().cloned().collect();
        completed.into_iter()
    }

    /// How many changes of the target's status were but of the time of the last scan.
    pub(crate) fn scan_times(&self) -> usize {
        self.seen().scan_times
    }

    /// Whether target and policy say that nothing is left to do.
    pub(crate) fn is_settled(&self) -> bool {
        let seen = self.seen();
        let target = seen.target.as_ref();
        seen.policy_settled && target.is_some_and(|status| is_done(&status.conditions))
    }

    fn migration(&self, migration: &AMIMigration, sim: &Sim) {
        let Some(status) = &migration.status else { return };
        if status.state == Some(MigrationState::Completed) {
            let copy = status.copy.as_ref().and_then(|copy| copy.image_id.clone());
            let completed = &mut self.seen().completed;
            completed
                .entry(migration.name_any())
                .or_insert_with(|| (copy.unwrap_or_default(), sim.now()));
        }
    }

    fn target(&self, target: &AMIEncryptionTarget) {
        let Some(status) = &target.status else { return };
        let mut seen = self.seen();
        if let Some(old) = &seen.target {
            let mut same_but_time = AMIEncryptionTargetStatus {
                last_scan_time: old.last_scan_time.clone(),
                ..status.clone()
            };
            if let (Some(usage), Some(old)) = (&mut same_but_time.usage, &old.usage) {
                usage.read_time.clone_from(&old.read_time);
            }
            if *old != *status && same_but_time == *old {
                seen.scan_times += 1;
            }
        }
        seen.target = Some(status.clone());
    }

    fn policy(&self, policy: &AMIEncryptionPolicy) {
        let settled = policy.status.as_ref().is_some_and(|status| is_done(&status.conditions));
        self.seen().policy_settled = settled;
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_done(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> bool {
    conditions::is_true(conditions, conditions::READY)
        && conditions::find(conditions, conditions::RECONCILING).is_some_and(|c| c.status == "False")
}

fn watch<K>(client: Client, visit: impl Fn(K) + Send + 'static)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Send + DeserializeOwned + 'static,
{
    let stream = watcher(Api::<K>::all(client), watcher::Config::default())
        .default_backoff()
        .applied_objects();
    tokio::spawn(stream.for_each(move |event| {
        match event {
            Ok(object) => visit(object),
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "the watch was interrupted"),
        }
        future::ready(())
    }));
}
