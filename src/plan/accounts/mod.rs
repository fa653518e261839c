//! The accounts of a policy that AWS Organizations lists: when it is read, and which accounts there are.
//!
//! A failed read says nothing, and never that there is no account. Accounts appear with the first read that lists them, and leave slowly.

mod say;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::absence::{Lasting, later};
use super::partition;
use super::read_retry::Retry;
use crate::api::{AMIEncryptionPolicySpec, Account, AccountsFrom};
use crate::domain::{AccountId, AccountsOf, AwsError, ListedAccounts, Partition, Region};

pub use say::{leaving, only_from_there, status};
pub(super) use say::{not_known, waits};

/// How often AWS Organizations is read, unless somebody asks for something else. Reads that lack an account are as far apart at least.
pub const EVERY: Duration = Duration::from_secs(5 * 60);

/// What AWS Organizations is asked for, and by whom. Another one is another question: what was answered to the former says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Which accounts.
    pub of: AccountsOf,
    /// The partition of the organization.
    pub partition: Partition,
    /// The role to assume; none for the controller's own identity.
    pub role_arn: Option<String>,
    /// The external ID that this role asks for.
    pub external_id: Option<String>,
    /// Whether nothing tells the partition, so that it is that of most accounts.
    pub is_partition_assumed: bool,
}

impl Source {
    /// What a policy asks for; none where all of its accounts are its own, or where it has no region that is one. `own` is the partition
    /// that amiseal runs in, where that is known: no role of one partition can assume a role of another.
    pub fn of(spec: &AMIEncryptionPolicySpec, own: Option<Partition>) -> Option<Self> {
        let from = spec.accounts_from.as_ref()?;
        let defaults = spec.defaults.as_ref()?;
        if !defaults
            .regions
            .iter()
            .any(|region| region.name.parse::<Region>().is_ok())
        {
            defaults.all_regions.as_ref()?;
        }
        let told = partition::of_policy(spec).or(own);
        let units = || AccountsOf::Units(from.organizational_units.iter().cloned().collect());
        Some(Self {
            of: from.organization.map_or_else(units, |_| AccountsOf::Organization),
            partition: told.unwrap_or_default(),
            is_partition_assumed: told.is_none(),
            role_arn: from.role_arn.clone(),
            external_id: from.external_id.clone(),
        })
    }

    /// Whether the same is asked in the same way. What tells the partition may come and go.
    fn is_same_question(&self, other: &Self) -> bool {
        let own = (&self.of, self.partition, &self.role_arn, &self.external_id);
        own == (&other.of, other.partition, &other.role_arn, &other.external_id)
    }

    /// What is to be said besides of a read that has failed, where the organization may be in another partition.
    pub fn doubt(&self, error: &AwsError) -> Option<String> {
        const FIELD: &str = "accountsFrom.roleARN or a region in defaults.regions";
        partition::doubt(error, "the organization", FIELD).filter(|_| self.is_partition_assumed)
    }

    /// The role to assume, with its external ID.
    pub fn role(&self) -> Option<(&str, Option<&str>)> {
        let role = self.role_arn.as_deref()?;
        Some((role, self.external_id.as_deref()))
    }
}

/// What is known of the accounts that AWS Organizations lists for one policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountWatch {
    /// What it is asked for; none before the first visit.
    source: Option<Source>,
    /// The generation of the spec that says so.
    generation: Option<i64>,
    /// The accounts there are.
    known: Lasting<AccountId>,
    /// The last read of this source that has succeeded.
    read: Option<Read>,
    retry: Retry,
    /// Why the last read has failed, if it has.
    failure: Option<AwsError>,
}

/// A read that has succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Read {
    at: Timestamp,
    /// The accounts that it has listed in another state than `ACTIVE`.
    others: BTreeSet<AccountId>,
}

impl AccountWatch {
    /// What is asked for now. `present` are the accounts that the policy has targets in and does not list itself: at the first visit of a
    /// process nothing else is known of what was listed before. After a change of the spec it may have listed one of them until then, and
    /// take it from AWS Organizations from now on: that is known once it was read, and not where the last read is older, or the next one
    /// fails.
    pub fn ask(&mut self, source: &Source, generation: Option<i64>, present: impl FnOnce() -> BTreeSet<AccountId>) {
        let is_first = self.source.is_none();
        let known = self.source.as_ref();
        if known.is_none_or(|known| !known.is_same_question(source)) {
            self.read = None;
            // What the former question left out counts no more.
            self.known.asked_anew();
        }
        if is_first || self.generation != generation {
            self.known.present(present());
        }
        if self.generation != generation {
            // What failed under the former spec says nothing of this one.
            self.generation = generation;
            self.retry.succeeded();
            self.failure = None;
        }
        self.source = Some(source.clone());
    }

    /// When it is to be read next, where that is to be so often.
    pub fn due(&self, every: Duration) -> Timestamp {
        let next = self.read.as_ref().map_or(Timestamp::MIN, |read| later(read.at, every));
        self.retry.due().unwrap_or(next)
    }

    /// A read that began at `at` has listed these accounts. `every` is how far reads have to be apart to count. Gives the accounts that
    /// leave.
    pub fn listed(&mut self, listed: ListedAccounts, at: Timestamp, every: Duration) -> Vec<AccountId> {
        let ListedAccounts { active, others } = listed;
        let gone = self.known.listed(active, at, every);
        self.read = Some(Read { at, others });
        self.retry.succeeded();
        self.failure = None;
        gone
    }

    /// A read has failed: everything stays as it is. Says how many failures in a row these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.failure = Some(error.clone());
        self.retry.failed(error, now, spread)
    }

    /// The accounts there are, but for those that the policy leaves out.
    pub fn accounts(&self, from: &AccountsFrom) -> BTreeSet<AccountId> {
        let excluded: HashSet<&str> = from.exclude.iter().map(String::as_str).collect();
        let taken = self.known.all().filter(|account| !excluded.contains(account.as_str()));
        taken.cloned().collect()
    }

    /// When AWS Organizations was last read for what the policy asks for now.
    pub fn read_at(&self) -> Option<Timestamp> {
        self.read.as_ref().map(|read| read.at)
    }

    /// The accounts that are not listed any more and have not left yet.
    fn leaving(&self) -> impl Iterator<Item = &AccountId> {
        self.known.leaving()
    }
}

/// A policy with these accounts besides its own, as if it listed them: what it says of an account itself holds. One that takes its
/// accounts from nowhere else is given back as it is.
pub fn resolved(spec: &AMIEncryptionPolicySpec, listed: &BTreeSet<AccountId>) -> AMIEncryptionPolicySpec {
    let mut spec = spec.clone();
    let own: HashSet<String> = spec.accounts.iter().map(|account| account.account_id.clone()).collect();
    let listed = listed.iter().filter(|account| !own.contains(account.as_str()));
    spec.accounts.extend(listed.map(|account| Account {
        account_id: account.as_str().to_owned(),
        role_arn: None,
        role_name: None,
        external_id: None,
        regions: Vec::new(),
        all_regions: None,
    }));
    spec
}

#[cfg(test)]
mod tests;
