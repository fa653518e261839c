//! What a policy says of the regions of its accounts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use super::{RegionWatches, Watch, of_account};
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIEncryptionPolicySpec, AMIEncryptionPolicyStatus, RegionCounts};
use crate::domain::AccountId;
use crate::plan::accounts::{not_known, waits};
use crate::plan::problem;

/// So many accounts are named for one reason.
const NAMED: usize = 3;

/// Says in a policy's status what is known of the regions of its accounts. `spec` has all of these, and `current` is what is on record.
/// Where all regions are listed there is nothing to say, and there are no watches.
pub fn status(
    status: &mut AMIEncryptionPolicyStatus,
    current: &AMIEncryptionPolicyStatus,
    spec: &AMIEncryptionPolicySpec,
    watches: Option<&RegionWatches>,
    now: Timestamp,
) {
    let mut conditions = std::mem::take(&mut status.conditions);
    let mut write = Writer {
        conditions: &mut conditions,
        generation: status.observed_generation,
        now,
    };
    if let Some(watches) = watches {
        let told = Told::of(watches);
        status.regions = Some(told.counts());
        told.condition(&mut write, spec, watches);
        // A policy that does not even know its accounts says that, and waits for it.
        let waits_for_accounts = spec.accounts_from.is_some() && status.accounts.is_none();
        if !spec.suspend && !waits_for_accounts && !told.unread.is_empty() {
            told.not_ready(&mut write, current);
        }
    } else {
        status.regions = None;
        write.remove(conditions::REGIONS_KNOWN);
    }
    status.conditions = conditions;
}

/// What there is to tell of the accounts.
struct Told<'a> {
    /// How many there are.
    accounts: usize,
    /// Those that were never read for what is asked now.
    unread: Vec<(&'a AccountId, &'a Watch)>,
    /// Those that cannot be read, by the reason.
    failing: BTreeMap<&'static str, Vec<(&'a AccountId, &'a Watch)>>,
}

impl<'a> Told<'a> {
    fn of(watches: &'a RegionWatches) -> Self {
        let all = || watches.watches.iter();
        let mut failing: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (account, watch) in all() {
            if let Some(problem) = watch.retry.problem() {
                failing.entry(problem.reason).or_default().push((account, watch));
            }
        }
        Self {
            accounts: all().count(),
            unread: all()
                .filter(|(_, watch)| watch.read.is_none() && !watch.was_read)
                .collect(),
            failing,
        }
    }

    fn counts(&self) -> RegionCounts {
        RegionCounts {
            accounts: small(self.accounts),
            unread: small(self.unread.len()),
        }
    }

    fn condition(&self, write: &mut Writer<'_>, spec: &AMIEncryptionPolicySpec, watches: &RegionWatches) {
        const TYPE: &str = conditions::REGIONS_KNOWN;
        if spec.suspend {
            let message = "amiseal does not read the regions of accounts while the policy is suspended.";
            write.set(TYPE, Status::Unknown, reason::SUSPENDED, message);
        } else if let Some((why, message)) = self.problem() {
            write.set(TYPE, Status::False, why, &message);
        } else if !self.unread.is_empty() {
            let message = format!(
                "amiseal has not read yet which regions are enabled in {} of {} accounts.",
                self.unread.len(),
                self.accounts
            );
            write.set(TYPE, Status::False, reason::NOT_READ_YET, &message);
        } else {
            let mut message = "amiseal has read which regions are enabled in each account.".to_owned();
            let leaving = leaving(spec, watches);
            if leaving > 0 {
                message += &format!(
                    " AWS no longer shows {leaving} of the policy's regions as enabled: their targets stay until further reads show the \
                     same."
                );
            }
            write.set(TYPE, Status::True, reason::READ, &message);
        }
    }

    /// The most frequent reason for which accounts cannot be read, what each is, and what follows from that.
    fn problem(&self) -> Option<(&'static str, String)> {
        let mut reasons: Vec<_> = self.failing.iter().collect();
        reasons.sort_by_key(|(why, accounts)| (Reverse(accounts.len()), **why));
        let (first, _) = *reasons.first()?;
        let count: usize = self.failing.values().map(Vec::len).sum();
        let sentences: Vec<String> = reasons.iter().filter_map(|(_, accounts)| sentence(accounts)).collect();
        let never = self.failing.values().flatten();
        let never = never
            .filter(|(account, _)| self.unread.iter().any(|(unread, _)| unread == account))
            .count();
        let stays = match never {
            0 => "Until then these accounts keep the regions that they have.".to_owned(),
            never => format!(
                "Until then these accounts keep the regions that they have. Accounts that were never read ({never}) may lack regions \
                 that the policy does not list."
            ),
        };
        let message = format!(
            "amiseal cannot read which regions are enabled in {count} of {} accounts. {} {stays}",
            self.accounts,
            sentences.join(" ")
        );
        Some((*first, message))
    }

    /// While accounts were never read there is no telling what is to be done in them.
    fn not_ready(&self, write: &mut Writer<'_>, current: &AMIEncryptionPolicyStatus) {
        let busy = conditions::find(write.conditions, conditions::RECONCILING);
        let busy = busy.filter(|busy| busy.status == Status::True.as_str()).cloned();
        not_known(
            write,
            &current.conditions,
            "Not known before the regions of all accounts were read: see RegionsKnown.",
        );
        let needs_a_person = |(_, watch): &&(&AccountId, &Watch)| {
            let failure = watch.failure.as_ref();
            failure.is_some_and(problem::needs_a_person)
        };
        let is_for_a_person = self.unread.iter().filter(needs_a_person).count() == self.unread.len();
        let problem = self.problem().filter(|_| is_for_a_person);
        let problem = problem.as_ref().map(|(why, message)| (*why, message.as_str()));
        let message = "Waits until the regions of all accounts were read: see RegionsKnown.";
        waits(write, problem, message);
        // The other accounts go on meanwhile.
        if let (Some(_), Some(busy)) = (problem, busy) {
            write.set(conditions::RECONCILING, Status::True, &busy.reason, &busy.message);
            write.set(conditions::STALLED, Status::False, reason::NOT_STALLED, "");
        }
    }
}

/// Which accounts cannot be read for one reason, and what the first of them says.
fn sentence(accounts: &[(&AccountId, &Watch)]) -> Option<String> {
    let (_, first) = accounts.first()?;
    let message = &first.retry.problem()?.message;
    let mut doubts = accounts
        .iter()
        .filter_map(|(_, watch)| watch.source.doubt(watch.failure.as_ref()?));
    let doubt = doubts.next().map_or(String::new(), |doubt| format!(" {doubt}"));
    let mut named: Vec<String> = accounts.iter().take(NAMED).map(|(id, _)| id.to_string()).collect();
    if accounts.len() > NAMED {
        named.push(format!("{} more", accounts.len() - NAMED));
    }
    Some(format!("{}: {message}{doubt}", named.join(", ")))
}

/// How many regions that the policy has from there alone are not enabled any more and have not left yet.
fn leaving(spec: &AMIEncryptionPolicySpec, watches: &RegionWatches) -> usize {
    let defaults = spec.defaults.clone().unwrap_or_default();
    let of_one = |(id, watch): (&AccountId, &Watch)| {
        let account = spec.accounts.iter().find(|account| account.account_id == id.as_str());
        let stay_or_left: HashSet<&str> = account
            .map(|account| {
                let (listed, all) = of_account(&defaults, account);
                let listed = listed.iter().map(|region| region.name.as_str());
                let left_out = all.into_iter().flat_map(|all| &all.exclude);
                listed.chain(left_out.map(String::as_str)).collect()
            })
            .unwrap_or_default();
        let leaving = watch.known.leaving();
        leaving.filter(|region| !stay_or_left.contains(region.as_str())).count()
    };
    watches
        .watches
        .iter()
        .filter(|(_, watch)| watch.known.leaving().next().is_some())
        .map(of_one)
        .sum()
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
