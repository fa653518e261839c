//! Keeps the map from originals to copies in a ConfigMap, where a policy asks for that.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource as _, ResourceExt as _};

use super::Context;
use super::apply::{AFTER_CONFLICT, FIELD_MANAGER, is_conflict, is_not_found};
use super::registry::lock;
use super::watched::Seen;
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionPolicyStatus, AMIMigration, MapStatus};
use crate::plan::map::config_map::{self, Look, Next, Wanted};
use crate::plan::map::say::{Said, of_both};
use crate::plan::map::{self, Turn, turn};

/// When each policy's ConfigMap was looked at last, by this replica while it leads.
#[derive(Debug)]
pub(crate) struct Maps {
    looks: Mutex<BTreeMap<String, Known>>,
    /// The policies of whose map a metric is shown.
    shown: Mutex<BTreeSet<String>>,
    wake: UnboundedSender<ObjectRef<AMIEncryptionPolicy>>,
}

/// The last look at a policy's ConfigMap, and what is said of it, which may not be on record yet. None while it is looked at.
#[derive(Debug)]
struct Known {
    look: Look,
    said: Option<Said>,
}

impl Maps {
    /// Nothing was looked at yet. Policies are woken by `wake`.
    pub(super) fn new(wake: UnboundedSender<ObjectRef<AMIEncryptionPolicy>>) -> Self {
        Self {
            looks: Mutex::default(),
            shown: Mutex::default(),
            wake,
        }
    }

    /// Takes in what the watch of migrations has seen: of many changes of a policy's migrations the first one wakes it.
    pub(super) fn note(&self, seen: &Seen<'_, AMIMigration>) {
        let mut looks = lock(&self.looks);
        match seen {
            Seen::Listed(_) => {
                for (policy, known) in looks.iter_mut() {
                    self.changed(policy, known);
                }
            }
            Seen::Applied(migration) | Seen::Deleted(migration) => {
                let policy = &migration.spec.policy;
                if let Some(known) = looks.get_mut(policy) {
                    self.changed(policy, known);
                }
            }
        }
    }

    fn changed(&self, policy: &str, known: &mut Known) {
        if !std::mem::replace(&mut known.look.changed, true) {
            // Without a receiver the controllers are not running.
            let _ = self.wake.unbounded_send(ObjectRef::new(policy));
        }
    }

    /// How long until the next look.
    fn due(&self, policy: &str, generation: Option<i64>, now: Duration) -> Duration {
        let looks = lock(&self.looks);
        config_map::due(looks.get(policy).map(|known| &known.look), generation, now)
    }

    /// Notes that migrations are about to be read for a look: what changes from now on is for the next one.
    fn begins(&self, policy: &str, generation: Option<i64>, now: Duration) {
        let look = Look {
            generation,
            at: now,
            changed: false,
            refused: false,
        };
        lock(&self.looks).insert(policy.to_owned(), Known { look, said: None });
    }

    /// Notes what has come of it.
    fn ended(&self, policy: &str, said: Said) {
        if let Some(known) = lock(&self.looks).get_mut(policy) {
            known.look.refused = said.status != Status::True;
            known.said = Some(said);
        }
    }

    /// What the last look has come to.
    fn said(&self, policy: &str) -> Option<Said> {
        lock(&self.looks).get(policy)?.said.clone()
    }

    fn forget(&self, policy: &str) {
        lock(&self.looks).remove(policy);
    }

    /// Notes whether a metric is shown of a policy's map.
    fn shows(&self, policy: &str, is_shown: bool) {
        let mut shown = lock(&self.shown);
        if is_shown {
            shown.insert(policy.to_owned());
        } else {
            shown.remove(policy);
        }
    }

    /// Forgets policies that are not in `names` any more, and gives their names.
    pub(super) fn retain(&self, names: &HashSet<String>) -> Vec<String> {
        let (mut looks, mut shown) = (lock(&self.looks), lock(&self.shown));
        let known: BTreeSet<&String> = looks.keys().chain(shown.iter()).collect();
        let gone = known.into_iter().filter(|policy| !names.contains(*policy));
        let gone: Vec<String> = gone.cloned().collect();
        looks.retain(|policy, _| names.contains(policy));
        shown.retain(|policy| names.contains(policy));
        gone
    }

    /// Forgets all of them: another replica leads.
    pub(super) fn clear(&self) {
        lock(&self.looks).clear();
        lock(&self.shown).clear();
    }
}

/// What has come of a visit to the ConfigMap: what is said of it, and when it is to be looked at again.
struct Visit {
    said: Option<Said>,
    again: Result<Option<Duration>, kube::Error>,
}

impl Visit {
    fn says(said: Option<Said>, again: Option<Duration>) -> Self {
        Self { said, again: Ok(again) }
    }

    /// The API server has answered with an error that passes. Without an answer nothing could be put on record either.
    fn failed(it: &str, error: kube::Error) -> Result<Self, kube::Error> {
        let kube::Error::Api(answer) = &error else {
            return Err(error);
        };
        let message = format!("{it} cannot be kept: {}. amiseal tries again.", answer.message);
        let said = Said::new(Status::Unknown, reason::TRANSIENT_ERROR, message);
        Ok(Self {
            said: Some(said),
            again: Err(error),
        })
    }
}

/// Brings the ConfigMap of a policy up to date, and says in `status` what has become of the map, with what is said of its parameters
/// in the accounts. A time means that it is to be looked at again after it. What is said has to be put on record even where this
/// fails.
pub(super) async fn keep(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    status: &mut AMIEncryptionPolicyStatus,
    of_parameters: Option<Said>,
) -> Result<Option<Duration>, kube::Error> {
    let Visit { said, again } = keep_config_map(ctx, policy, status).await?;
    let said = of_both(said, of_parameters);
    let (name, is_published) = (policy.name_any(), said.as_ref().and_then(Said::is_published));
    ctx.maps.shows(&name, is_published.is_some());
    ctx.metrics.map_published(&name, is_published);
    let mut write = Writer {
        conditions: &mut status.conditions,
        generation: policy.metadata.generation,
        now: ctx.clock.now(),
    };
    match said {
        Some(said) => write.set(conditions::MAP_PUBLISHED, said.status, said.reason, &said.message),
        None => write.remove(conditions::MAP_PUBLISHED),
    }
    again
}

async fn keep_config_map(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    status: &mut AMIEncryptionPolicyStatus,
) -> Result<Visit, kube::Error> {
    let settings = policy.spec.promotion.map.as_ref();
    let wanted = settings.and_then(|settings| settings.config_map.as_deref());
    let recorded = status.map.as_ref().map(|map| map.config_map.clone());
    Ok(match turn(recorded.as_deref(), wanted) {
        Turn::Nothing => {
            ctx.maps.forget(&policy.name_any());
            Visit::says(None, None)
        }
        Turn::LetGo(former) => match delete(ctx, policy, former).await {
            Err(kube::Error::Api(answer)) if answer.code == FORBIDDEN => {
                let said = left_over(ctx, former, &answer.message);
                Visit::says(Some(said), Some(config_map::REFUSED_AGAIN))
            }
            Err(error) => return Visit::failed(&it(ctx, former), error),
            Ok(()) => Visit::says(begin(ctx, policy, status, wanted), None),
        },
        Turn::Record(_) => Visit::says(begin(ctx, policy, status, wanted), None),
        Turn::Keep(name) => return kept(ctx, policy, name).await,
    })
}

/// How a sentence names a ConfigMap.
fn it(ctx: &Context, name: &str) -> String {
    format!("ConfigMap {}/{name}", ctx.options.namespace)
}

/// Puts on record which ConfigMap is asked for, if any. Once that is read back it is written.
fn begin(
    ctx: &Context,
    policy: &AMIEncryptionPolicy,
    status: &mut AMIEncryptionPolicyStatus,
    wanted: Option<&str>,
) -> Option<Said> {
    ctx.maps.forget(&policy.name_any());
    status.map = wanted.map(|name| MapStatus {
        config_map: name.to_owned(),
    });
    wanted.map(|name| is_begun(&it(ctx, name)))
}

fn is_begun(it: &str) -> Said {
    let message = format!("{it} is about to be written.");
    Said::new(Status::Unknown, reason::PROGRESSING, message)
}

/// Looks at the ConfigMap that is on record, if that is due.
async fn kept(ctx: &Context, policy: &AMIEncryptionPolicy, config_map: &str) -> Result<Visit, kube::Error> {
    let (name, generation) = (policy.name_any(), policy.metadata.generation);
    let now = ctx.clock.monotonic();
    if ctx.maps.due(&name, generation, now).is_zero() {
        let wanted = Wanted {
            namespace: &ctx.options.namespace,
            name: config_map,
            policy: &name,
            owner: policy.owner_ref(&()),
        };
        let before = ctx.maps.said(&name);
        ctx.maps.begins(&name, generation, now);
        match look(ctx, policy, &wanted).await {
            Ok(said) => ctx.maps.ended(&name, said),
            Err(error) => {
                // Nothing is known of it: the next visit looks again.
                ctx.maps.forget(&name);
                if is_conflict(&error) {
                    let said = before.unwrap_or_else(|| is_begun(&wanted.it()));
                    return Ok(Visit::says(Some(said), Some(AFTER_CONFLICT)));
                }
                return Visit::failed(&wanted.it(), error);
            }
        }
    }
    let again = ctx.maps.due(&name, generation, ctx.clock.monotonic());
    // Also where it was not looked at just now: a status is not always written that was decided.
    Ok(Visit::says(ctx.maps.said(&name), Some(again)))
}

/// Reads the ConfigMap, and writes it if it differs. Every kind was listed by now, so that what is not there is not missing.
async fn look(ctx: &Context, policy: &AMIEncryptionPolicy, wanted: &Wanted<'_>) -> Result<Said, kube::Error> {
    let api = Api::<ConfigMap>::namespaced(ctx.client.clone(), wanted.namespace);
    let found = match api.get_opt(wanted.name).await {
        Err(kube::Error::Api(answer)) if answer.code == FORBIDDEN => return Ok(forbidden(wanted, &answer.message)),
        found => found?,
    };
    let migrations = ctx
        .migrations
        .state_filter(|migration| migration.spec.policy == wanted.policy);
    let made = map::of(
        migrations.iter().map(|migration| &**migration),
        std::slice::from_ref(policy),
    );
    let next = config_map::next(wanted, &made.pairs, found.as_ref())
        .map_err(|error| kube::Error::SerdeError(serde::ser::Error::custom(error)))?;
    let written = match next {
        Next::Nothing => Ok(()),
        Next::Create(config_map) => {
            // What somebody else has created meanwhile is not taken over, as applying would.
            let parameters = PostParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PostParams::default()
            };
            api.create(&parameters, &config_map).await.map(drop)
        }
        Next::Apply(config_map) => {
            let parameters = PatchParams::apply(FIELD_MANAGER).force();
            let patch = Patch::Apply(config_map);
            api.patch(wanted.name, &parameters, &patch).await.map(drop)
        }
        Next::Refuse(refusal) => return Ok(Said::new(Status::False, refusal.reason(), refusal.message(wanted))),
    };
    match written {
        Err(kube::Error::Api(answer)) if answer.code == FORBIDDEN => return Ok(forbidden(wanted, &answer.message)),
        Err(kube::Error::Api(answer)) if REFUSED.contains(&answer.code) => {
            return Ok(Said::new(
                Status::False,
                reason::FORBIDDEN,
                wanted.refused(&answer.message),
            ));
        }
        written => written?,
    }
    let message = format!("{} has the map.", wanted.it());
    Ok(Said::new(Status::True, reason::PUBLISHED, message))
}

/// The code by which the API server forbids something, as also a quota does.
const FORBIDDEN: u16 = 403;
/// The codes by which it refuses an object that it will refuse again.
const REFUSED: [u16; 3] = [400, 413, 422];

fn forbidden(wanted: &Wanted<'_>, said: &str) -> Said {
    Said::new(Status::False, reason::FORBIDDEN, wanted.forbidden(said))
}

/// What is said where a ConfigMap of this policy that is not asked for any more may not be deleted. It stays on record, and is tried
/// again.
fn left_over(ctx: &Context, name: &str, said: &str) -> Said {
    let message = format!(
        "The API server does not let amiseal delete {}, which promotion.map.configMap named before: delete it, or set \
         promotionMap.enabled of the chart to true. It says: {said}",
        it(ctx, name)
    );
    Said::new(Status::False, reason::FORBIDDEN, message)
}

/// Deletes a ConfigMap of this policy that is not asked for any more.
async fn delete(ctx: &Context, policy: &AMIEncryptionPolicy, name: &str) -> Result<(), kube::Error> {
    let api = Api::<ConfigMap>::namespaced(ctx.client.clone(), &ctx.options.namespace);
    let found = api.get_opt(name).await?;
    let Some(found) = found.filter(|found| config_map::is_ours(found, &policy.name_any())) else {
        return Ok(());
    };
    // This one and no other of its name, and only as long as it is ours.
    let preconditions = Preconditions {
        uid: found.uid(),
        resource_version: found.resource_version(),
    };
    let parameters = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::background()
    };
    match api.delete(name, &parameters).await {
        Err(error) if is_not_found(&error) => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::channel::mpsc::unbounded;

    use super::*;
    use crate::api::AMIMigrationSpec;

    fn migration(policy: &str) -> Arc<AMIMigration> {
        let spec = AMIMigrationSpec {
            policy: policy.to_owned(),
            ..AMIMigrationSpec::default()
        };
        Arc::new(AMIMigration::new("m", spec))
    }

    #[test]
    fn many_changes_wake_a_policy_once_until_it_is_looked_at_and_others_never() {
        let (wake, mut woken) = unbounded();
        let maps = Maps::new(wake);
        let mut names = || {
            let woken = std::iter::from_fn(|| woken.try_recv().ok());
            let names = woken.map(|policy: ObjectRef<AMIEncryptionPolicy>| policy.name);
            names.collect::<Vec<String>>()
        };
        let change = |policy: &str| maps.note(&Seen::Applied(&migration(policy)));
        change("production");
        assert_eq!(names(), [""; 0], "nobody has asked for a map");
        maps.begins("production", Some(1), Duration::ZERO);
        for _ in 0..1000 {
            change("production");
            change("staging");
        }
        assert_eq!(names(), ["production"]);
        maps.note(&Seen::Deleted(&migration("production")));
        assert_eq!(names(), [""; 0]);
        maps.begins("production", Some(1), Duration::from_secs(30));
        assert_eq!(
            maps.due("production", Some(1), Duration::from_secs(30)),
            Duration::from_secs(600)
        );
        maps.note(&Seen::Listed(&[]));
        assert_eq!(names(), ["production"]);
        assert_eq!(
            maps.due("production", Some(1), Duration::from_secs(31)),
            Duration::from_secs(29)
        );
        maps.shows("staging", true);
        assert_eq!(maps.retain(&HashSet::from(["staging".to_owned()])), ["production"]);
        change("production");
        assert_eq!(names(), [""; 0]);
        assert_eq!(maps.retain(&HashSet::new()), ["staging"]);
        assert_eq!(maps.retain(&HashSet::new()), [""; 0]);
    }
}
