//! The regions of accounts of which a policy takes all: when they are read, and which ones there are.
//!
//! A failed read says nothing, and never that there is no region. Regions appear with the first read that shows them as enabled, and leave
//! slowly. Each account is read by itself: one that cannot be read keeps its regions, and holds up no other.

mod say;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::absence::{Lasting, later};
use super::expand::{self, role_arn};
use super::obstacle::Problem;
use super::partition;
use super::read_retry::Retry;
use crate::api::{
    AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, AMIEncryptionTargetSpec, Account, AccountDefaults, AllRegions,
    RegionSpec, conditions,
};
use crate::domain::{AccountId, AwsError, Partition, Region, Scope};

pub use say::status;

/// What stands for the name of each region of an account that is not listed, where these could not be read.
pub const UNREAD: &str = "*";

/// How often the regions of an account are read, unless somebody asks for something else.
pub const EVERY: Duration = Duration::from_secs(60 * 60);
/// Reads that lack a region are as far apart at least, and no further where one is missing.
const APART: Duration = Duration::from_secs(5 * 60);

/// Who is asked for the regions of an account. Another one is asked anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The account, and the region that is asked in.
    pub scope: Scope,
    /// The role to assume; none for the controller's own identity.
    pub role_arn: Option<String>,
    /// The external ID that this role asks for.
    pub external_id: Option<String>,
    /// Whether nothing tells which partition the account is in, so that it is asked in that of most accounts.
    pub is_partition_assumed: bool,
}

impl Source {
    /// Whether the same is asked in the same way. What tells the partition may come and go.
    fn is_same_question(&self, other: &Self) -> bool {
        self.scope == other.scope && self.role_arn == other.role_arn && self.external_id == other.external_id
    }

    /// What is to be said besides of a read that has failed, where the account may be in another partition.
    pub fn doubt(&self, error: &AwsError) -> Option<String> {
        const FIELD: &str = "its roleARN or a region in defaults.regions";
        let whose = format!("the account {}", self.scope.account);
        partition::doubt(error, &whose, FIELD).filter(|_| self.is_partition_assumed)
    }
}

/// What holds for an account: the regions that are listed for it, and how it takes all others. What it says itself goes before what the
/// defaults say, as a whole.
pub fn of_account<'a>(
    defaults: &'a AccountDefaults,
    account: &'a Account,
) -> (&'a [RegionSpec], Option<&'a AllRegions>) {
    if account.regions.is_empty() && account.all_regions.is_none() {
        (defaults.regions.as_slice(), defaults.all_regions.as_ref())
    } else {
        (account.regions.as_slice(), account.all_regions.as_ref())
    }
}

/// Whom a policy asks for regions, by the accounts of which it takes all. `own` is the partition that amiseal runs in, where that is
/// known: no role of one partition can assume a role of another.
pub fn sources(spec: &AMIEncryptionPolicySpec, own: Option<Partition>) -> BTreeMap<AccountId, Source> {
    let defaults = spec.defaults.clone().unwrap_or_default();
    let told = partition::of_policy(spec).or(own);
    let source = |account: &Account| {
        let (regions, all) = of_account(&defaults, account);
        all?;
        let id: AccountId = account.account_id.parse().ok()?;
        let region = asked_in(account, regions, told.unwrap_or_default())?;
        let source = Source {
            role_arn: role_arn(account, defaults.role_name.as_deref(), region.as_str()),
            external_id: account.external_id.clone().or_else(|| defaults.external_id.clone()),
            scope: Scope {
                account: id.clone(),
                region,
            },
            is_partition_assumed: told.is_none(),
        };
        Some((id, source))
    };
    spec.accounts.iter().filter_map(source).collect()
}

/// The region that an account is asked in: the first one that is listed for it, or else one that is enabled in every account of the
/// partition that its role is of. `partition` is that of the policy, where the account does not name a role by its ARN.
pub fn asked_in(account: &Account, listed: &[RegionSpec], partition: Partition) -> Option<Region> {
    let mut named = listed.iter().filter_map(|region| region.name.parse().ok());
    named.next().or_else(|| {
        let of_role = account.role_arn.as_deref().and_then(Partition::of_arn);
        of_role.unwrap_or(partition).home().parse().ok()
    })
}

/// A policy with these regions besides those that it lists, as if it listed them. One that takes all regions of no account is given back
/// as it is.
pub fn resolved(
    spec: &AMIEncryptionPolicySpec,
    known: impl Fn(&AccountId) -> BTreeSet<Region>,
) -> AMIEncryptionPolicySpec {
    let mut spec = spec.clone();
    let defaults = spec.defaults.clone().unwrap_or_default();
    for account in &mut spec.accounts {
        let (listed, all) = of_account(&defaults, account);
        let (Some(all), Ok(id)) = (all, account.account_id.parse::<AccountId>()) else {
            continue;
        };
        let regions = with_others(listed, all, &known(&id));
        account.regions = regions;
    }
    spec
}

/// One target for each of these accounts of which a policy takes all regions, in the place of those in the regions that could not be read.
pub fn in_place_of_unread(
    policy: &str,
    spec: &AMIEncryptionPolicySpec,
    unread: &BTreeSet<AccountId>,
) -> Vec<AMIEncryptionTargetSpec> {
    let mut alone = spec.clone();
    let defaults = spec.defaults.clone().unwrap_or_default();
    alone.accounts.retain_mut(|account| {
        let (_, all) = of_account(&defaults, account);
        let key = all.map(|all| all.kms_key_id.clone());
        let id = account.account_id.parse::<AccountId>();
        let Some(kms_key_id) = key.filter(|_| id.is_ok_and(|id| unread.contains(&id))) else {
            return false;
        };
        account.all_regions = None;
        account.regions = vec![RegionSpec {
            name: UNREAD.to_owned(),
            kms_key_id,
        }];
        true
    });
    expand::targets(policy, &alone)
}

/// A policy without any target in these accounts, which it has nevertheless.
pub fn without_targets(spec: &AMIEncryptionPolicySpec, unread: &BTreeSet<AccountId>) -> AMIEncryptionPolicySpec {
    let mut spec = spec.clone();
    let of_defaults = spec.defaults.as_ref().and_then(|defaults| defaults.all_regions.clone());
    for account in &mut spec.accounts {
        let id = account.account_id.parse::<AccountId>();
        if id.is_ok_and(|id| unread.contains(&id)) {
            account.regions.clear();
            // Without this it would take what the defaults list.
            account.all_regions = account.all_regions.take().or_else(|| of_defaults.clone());
        }
    }
    spec
}

/// The regions that are listed, and the others of an account but for those that are left out.
fn with_others(listed: &[RegionSpec], all: &AllRegions, known: &BTreeSet<Region>) -> Vec<RegionSpec> {
    let named = listed.iter().map(|region| &region.name).chain(&all.exclude);
    let named: HashSet<&str> = named.map(String::as_str).collect();
    let others = known.iter().filter(|region| !named.contains(region.as_str()));
    let others = others.map(|region| RegionSpec {
        name: region.as_str().to_owned(),
        kms_key_id: all.kms_key_id.clone(),
    });
    listed.iter().cloned().chain(others).collect()
}

/// What is known of the regions of one policy's accounts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionWatches {
    /// The generation of the spec that asks for them.
    generation: Option<i64>,
    /// The generation for which an earlier process has read all accounts, if one has.
    read_before: Option<i64>,
    watches: BTreeMap<AccountId, Watch>,
}

/// What is known of the regions of one account.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Watch {
    /// Who is asked.
    source: Source,
    /// The regions there are.
    known: Lasting<Region>,
    /// Whether an earlier process has read this source.
    was_read: bool,
    /// When the last read has begun that has succeeded, for this source.
    read: Option<Timestamp>,
    retry: Retry,
    /// Why the last read has failed, if it has.
    failure: Option<AwsError>,
}

/// A read that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Of whom.
    pub source: Source,
    /// When.
    pub due: Timestamp,
}

/// What has come of a read that has succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The regions that leave.
    pub gone: Vec<Region>,
    /// Whether anything is different from what was known, or said, before.
    pub is_news: bool,
}

impl RegionWatches {
    /// What is known before the first visit of a process: the generation of the spec, if the status says that all accounts were read for
    /// it.
    pub fn after(status: Option<&AMIEncryptionPolicyStatus>) -> Self {
        let status = status.filter(|status| status.regions.as_ref().is_some_and(|counts| counts.unread == 0));
        let said = status.and_then(|status| conditions::find(&status.conditions, conditions::REGIONS_KNOWN));
        Self {
            read_before: said.and_then(|said| said.observed_generation),
            ..Self::default()
        }
    }

    /// What is asked for now. `present` are the regions that the policy has targets in, by account: at the first visit of a process
    /// nothing else is known of what was read before, and after a change of the spec what it has listed until then stays where it now
    /// takes all.
    pub fn ask(
        &mut self,
        sources: BTreeMap<AccountId, Source>,
        generation: Option<i64>,
        present: impl FnOnce() -> BTreeMap<AccountId, BTreeSet<Region>>,
    ) {
        let is_changed = self.generation != generation;
        // What the status said at the first visit holds, whatever it has come to say since.
        let were_read = self.generation.is_none() && generation.is_some() && self.read_before == generation;
        self.generation = generation;
        self.watches.retain(|account, _| sources.contains_key(account));
        let mut present = match is_changed || self.watches.len() < sources.len() {
            true => present(),
            false => BTreeMap::new(),
        };
        for (account, source) in sources {
            let there = present.remove(&account).unwrap_or_default();
            match self.watches.entry(account) {
                Entry::Vacant(vacant) => {
                    vacant.insert(Watch::new(source, there, were_read));
                }
                Entry::Occupied(mut known) => known.get_mut().ask(source, is_changed.then_some(there)),
            }
        }
    }

    /// The reads that are to be made, where they are to be made so often. `wait` may make a time longer by the account, so that what
    /// began together does not go on together.
    pub fn turns<'a>(
        &'a self,
        every: Duration,
        wait: impl Fn(&AccountId, Duration) -> Duration + 'a,
    ) -> impl Iterator<Item = Turn> + 'a {
        self.watches.iter().map(move |(account, watch)| Turn {
            source: watch.source.clone(),
            due: watch.due(every, |time| wait(account, time)),
        })
    }

    /// A read of `source` that began at `at` has shown these regions as enabled. What nobody asks for any more is of no use.
    pub fn listed(&mut self, source: &Source, enabled: BTreeSet<Region>, at: Timestamp, every: Duration) -> Outcome {
        self.of(source)
            .map(|watch| watch.listed(enabled, at, every))
            .unwrap_or_default()
    }

    /// A read of `source` has failed: its regions stay as they are. Says how many failures in a row these are, and whether there is
    /// anything new to say of it.
    pub fn failed(
        &mut self,
        source: &Source,
        error: &AwsError,
        now: Timestamp,
        spread: impl FnOnce(Duration) -> Duration,
    ) -> Option<(u32, bool)> {
        self.of(source).map(|watch| watch.failed(error, now, spread))
    }

    /// Whether this is what is asked for now.
    pub fn asks(&self, source: &Source) -> bool {
        let watch = self.watches.get(&source.scope.account);
        watch.is_some_and(|watch| watch.source.is_same_question(source))
    }

    /// The regions that an account has by the reads, those too that a policy leaves out.
    pub fn regions(&self, account: &AccountId) -> BTreeSet<Region> {
        let watch = self.watches.get(account);
        watch
            .map(|watch| watch.known.all().cloned().collect())
            .unwrap_or_default()
    }

    /// When the account was last read that was read the longest ago; none where one was never read for what is asked now.
    pub fn read_at(&self) -> Option<Timestamp> {
        let reads = self.watches.values().map(|watch| watch.read);
        reads.min().flatten()
    }

    fn of(&mut self, source: &Source) -> Option<&mut Watch> {
        let watch = self.watches.get_mut(&source.scope.account)?;
        watch.source.is_same_question(source).then_some(watch)
    }
}

impl Watch {
    /// `were_read`: an earlier process has read all accounts. One without targets may be new since.
    fn new(source: Source, present: BTreeSet<Region>, were_read: bool) -> Self {
        let mut known = Lasting::default();
        let was_read = were_read && !present.is_empty();
        known.present(present);
        Self {
            source,
            known,
            was_read,
            read: None,
            retry: Retry::default(),
            failure: None,
        }
    }

    /// It is asked for again; `present` are the regions with targets, where the spec has changed.
    fn ask(&mut self, source: Source, present: Option<BTreeSet<Region>>) {
        if !self.source.is_same_question(&source) {
            self.read = None;
            self.was_read = false;
            self.known.asked_anew();
        }
        self.source = source;
        if let Some(present) = present {
            self.known.present(present);
            // What failed under the former spec says nothing of this one.
            self.retry.succeeded();
            self.failure = None;
        }
    }

    fn due(&self, every: Duration, wait: impl FnOnce(Duration) -> Duration) -> Timestamp {
        let is_missing_one = self.known.leaving().next().is_some();
        let next = if is_missing_one { every.min(APART) } else { every };
        let next = self.read.map_or(Timestamp::MIN, |read| later(read, wait(next)));
        self.retry.due().unwrap_or(next)
    }

    fn listed(&mut self, enabled: BTreeSet<Region>, at: Timestamp, every: Duration) -> Outcome {
        let before = self.said();
        let gone = self.known.listed(enabled, at, every.min(APART));
        self.read = Some(at);
        self.retry.succeeded();
        self.failure = None;
        Outcome {
            gone,
            is_news: self.said() != before,
        }
    }

    fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> (u32, bool) {
        let before = self.retry.problem().cloned();
        self.failure = Some(error.clone());
        let failures = self.retry.failed(error, now, spread);
        (failures, self.retry.problem() != before.as_ref())
    }

    /// All that others are told of it.
    fn said(&self) -> (bool, Option<Problem>, Vec<Region>, Vec<Region>) {
        let (all, leaving) = (self.known.all(), self.known.leaving());
        (
            self.read.is_some(),
            self.retry.problem().cloned(),
            all.cloned().collect(),
            leaving.cloned().collect(),
        )
    }
}

#[cfg(test)]
mod tests;
