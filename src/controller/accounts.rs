//! Reads the accounts of policies from AWS Organizations, where they ask for that.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt as _;

use super::Context;
use super::policy::is_made_by;
use super::registry::{jittered, lock};
use crate::api::{AMIEncryptionPolicy, AMIEncryptionPolicySpec};
use crate::aws::AwsError;
use crate::domain::{AccountId, ListedAccounts};
use crate::plan::accounts::{AccountWatch, Source, leaving, only_from_there, resolved};
use crate::telemetry::ShownAccounts;

/// For how long it holds which accounts a policy has targets in, for those who ask often.
const HELD: Duration = Duration::from_secs(60);

/// What is known of the accounts of policies, by their names.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    /// What was listed. This replica reads it while it leads.
    watches: Mutex<HashMap<String, Known>>,
    /// The accounts that policies have targets in, and since when by the monotonic clock.
    present: Mutex<HashMap<String, Present>>,
}

/// Since when something is known, and what.
type Present = (Duration, Arc<BTreeSet<AccountId>>);

#[derive(Debug, Default)]
struct Known {
    /// The policy that this is known of; another one under the same name starts anew.
    uid: String,
    watch: AccountWatch,
}

impl Accounts {
    /// Forgets policies that are not in `names` any more, and gives the names of those that were read.
    pub(super) fn retain(&self, names: &HashSet<String>) -> Vec<String> {
        lock(&self.present).retain(|name, _| names.contains(name));
        let gone = lock(&self.watches)
            .extract_if(|name, _| !names.contains(name))
            .collect::<Vec<_>>();
        gone.into_iter().map(|(name, _)| name).collect()
    }

    /// Forgets all of them: another replica leads.
    pub(super) fn clear(&self) {
        lock(&self.watches).clear();
    }

    /// Works on what is known of a policy's accounts.
    fn with<T>(&self, policy: &AMIEncryptionPolicy, work: impl FnOnce(&mut AccountWatch) -> T) -> T {
        let uid = policy.uid().unwrap_or_default();
        let mut watches = lock(&self.watches);
        let known = watches.entry(policy.name_any()).or_default();
        if known.uid != uid {
            *known = Known {
                uid,
                ..Known::default()
            };
        }
        work(&mut known.watch)
    }
}

/// A policy's spec with all of its accounts, what is known of these, and when they are to be read again.
pub(super) struct Kept {
    pub(super) spec: AMIEncryptionPolicySpec,
    pub(super) watch: Option<AccountWatch>,
    pub(super) again: Option<Duration>,
}

/// Reads the accounts of a policy when that is due, and says which ones it has.
pub(super) async fn keep(ctx: &Context, policy: &AMIEncryptionPolicy) -> Kept {
    let name = policy.name_any();
    let from = policy.spec.accounts_from.as_ref();
    let (Some(from), Some(source)) = (from, Source::of(&policy.spec, ctx.aws.own_partition())) else {
        lock(&ctx.registry.accounts.watches).remove(&name);
        ctx.metrics.accounts(&name, None);
        return Kept {
            spec: policy.spec.clone(),
            watch: None,
            again: None,
        };
    };
    let accounts = &ctx.registry.accounts;
    let every = ctx.options.accounts_every;
    // A little more than that, as reads that come sooner do not count.
    let interval = every + every.saturating_sub(jittered(every, &name));
    let due = accounts.with(policy, |watch| {
        watch.ask(&source, policy.metadata.generation, || present(ctx, policy));
        watch.due(interval)
    });
    if !policy.spec.suspend && due <= ctx.clock.now() {
        read(ctx, policy, &source, every).await;
    }
    let watch = accounts.with(policy, |watch| watch.clone());
    let listed = watch.accounts(from);
    let spec = resolved(&policy.spec, &listed);
    let shown = (!policy.spec.suspend).then(|| ShownAccounts {
        total: spec.accounts.len(),
        leaving: leaving(&policy.spec, &watch),
        read: watch.read_at(),
    });
    ctx.metrics.accounts(&name, shown);
    let again = (!policy.spec.suspend).then(|| until(watch.due(interval), ctx.clock.now()));
    Kept {
        spec,
        watch: Some(watch),
        again,
    }
}

async fn read(ctx: &Context, policy: &AMIEncryptionPolicy, source: &Source, every: Duration) {
    let name = policy.name_any();
    let began = ctx.clock.now();
    let answer = Box::pin(ask(ctx, &name, source)).await;
    let now = ctx.clock.now();
    let accounts = &ctx.registry.accounts;
    match answer {
        Ok(listed) => {
            let gone = accounts.with(policy, |watch| watch.listed(listed, began, every));
            ctx.metrics
                .accounts_left(&name, only_from_there(&policy.spec, gone.iter()));
            for account in gone {
                tracing::info!(policy = name, %account, "an account is no longer listed, and leaves the policy");
            }
        }
        Err(error) => {
            let spread = |wait| jittered(wait, &name);
            let failures = accounts.with(policy, |watch| watch.failed(&error, now, spread));
            tracing::warn!(policy = name, %error, failures, "could not read accounts from AWS Organizations");
        }
    }
}

async fn ask(ctx: &Context, policy: &str, source: &Source) -> Result<ListedAccounts, AwsError> {
    let session = ctx.aws.organizations(policy, source.partition, source.role()).await?;
    let listed = session.accounts(&source.of).await;
    // Read so seldom, it is not worth keeping. What was wrong with it may be right the next time.
    ctx.aws.forget(session.key());
    listed
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}

/// The accounts that a policy's targets are in, but for those that it lists itself: these are its own business.
fn present(ctx: &Context, policy: &AMIEncryptionPolicy) -> BTreeSet<AccountId> {
    let (name, own) = (policy.name_any(), policy.spec.accounts.iter());
    let listed: HashSet<&str> = own.map(|account| account.account_id.as_str()).collect();
    let targets = ctx.targets.state_filter(|target| {
        let is_listed = listed.contains(target.spec.account_id.as_str());
        target.spec.policy == name && !is_listed && is_made_by(target, policy)
    });
    targets
        .iter()
        .filter_map(|target| target.spec.account_id.parse().ok())
        .collect()
}

/// The accounts of a policy: those that it lists, and those that it has targets in, whichever replica has read them.
pub(super) fn of_policy(ctx: &Context, policy: &AMIEncryptionPolicy) -> BTreeSet<AccountId> {
    let own = policy.spec.accounts.iter();
    let own = own.filter_map(|account| account.account_id.parse().ok());
    if policy.spec.accounts_from.is_none() {
        return own.collect();
    }
    let name = policy.name_any();
    let now = ctx.clock.monotonic();
    let known = lock(&ctx.registry.accounts.present).get(&name).cloned();
    let targets = match known.filter(|(since, _)| now.saturating_sub(*since) < HELD) {
        Some((_, accounts)) => accounts,
        None => {
            let accounts = Arc::new(present(ctx, policy));
            lock(&ctx.registry.accounts.present).insert(name, (now, accounts.clone()));
            accounts
        }
    };
    own.chain(targets.iter().cloned()).collect()
}
