//! Who leaves a policy that takes its accounts from AWS Organizations: looked at after every step, by every target that a process deletes,
//! and by what was listed until then.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ec2sim::Call;
use kubesim::{Change, Version};

use super::enlisting::{JOINING, LEAVING, POLICY};
use super::invariants::{Broken, Promise};
use super::notes::Notes;
use super::stage::Stage;
use super::time::{age_at, age_of};
use super::watchman::Objects;

/// The calls that list accounts.
const LISTS: [&str; 2] = ["ListAccounts", "ListAccountsForParent"];
/// Two reads that count are five minutes apart, of which the calls of the first may take a part.
const APART: Duration = Duration::from_secs(4 * 60);
/// What was decided before an account has left may be on its way for so long.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// Looks at who leaves.
#[derive(Debug, Default)]
pub(crate) struct Registrar {
    /// How many calls were heard.
    heard: usize,
    /// When accounts were listed, as far as AWS has answered.
    listed: Vec<Duration>,
    /// The accounts that have targets, and until when.
    present: BTreeMap<String, Duration>,
    /// The accounts that have left, and when last.
    left: BTreeMap<String, Duration>,
    /// What has been stopped since the last time that somebody asked.
    stopped: BTreeSet<&'static str>,
}

impl Registrar {
    /// Looks at what was done since the last time; `versions` are those of all objects since then, and `written` the requests by which
    /// processes have written any.
    pub(crate) fn look(
        &mut self,
        stage: &Stage,
        objects: &Objects,
        versions: &[Version],
        written: &BTreeSet<u64>,
    ) -> Vec<Broken> {
        let (notes, now) = (stage.notes(), stage.clock.age());
        let accounts = objects.targets.iter().map(|target| target.spec.account_id.clone());
        self.present.extend(accounts.map(|account| (account, now)));
        let mut wrong = self.hear(stage, &notes);
        for version in versions {
            let is_gone = version.kind == "AMIEncryptionTarget" && version.change == Change::Deleted;
            if is_gone && written.contains(&version.request) && version.object["spec"]["policy"] == POLICY {
                wrong.extend(self.leaves(version, &notes));
            }
        }
        self.stop(&notes);
        let broken = |how| Broken::new(Promise::LeavesSlowly, how);
        wrong.into_iter().map(broken).collect()
    }

    /// Whether an account has left.
    pub(crate) fn has_parted(&self) -> bool {
        !self.left.is_empty()
    }

    /// The guards that have stopped something since the last time.
    pub(crate) fn stopped(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.stopped)
    }

    /// Takes in the calls since the last time, and says which have changed something in an account that has left.
    fn hear(&mut self, stage: &Stage, notes: &Notes) -> Vec<String> {
        let new: Vec<Call> = stage.sim.with_journal(|calls| {
            let new = calls[self.heard..].iter();
            let is_meant = |call: &&Call| {
                let changes = call.mutating && !call.dry_run;
                changes || LISTS.contains(&call.operation.as_str())
            };
            let meant = new.filter(is_meant).cloned().collect();
            self.heard = calls.len();
            meant
        });
        let mut wrong = Vec::new();
        for call in &new {
            let at = age_of(call.time);
            if !call.mutating && call.outcome == "OK" {
                self.listed.push(at);
            } else if !call.mutating {
                self.stopped.insert("failed listing");
            } else if [JOINING, LEAVING].contains(&call.account.as_str()) {
                let seen = self.present.get(&call.account);
                if seen.is_none_or(|seen| at > notes.until(*seen + GRACE)) {
                    wrong.push(format!(
                        "{} in {} at {at:?}, which has had no target since {seen:?}",
                        call.operation, call.account
                    ));
                }
            }
        }
        wrong
    }

    /// A process has deleted a target: how that is wrong, if two reads in a row have not shown that its account is listed no more.
    fn leaves(&mut self, version: &Version, notes: &Notes) -> Option<String> {
        let account = version.object["spec"]["accountID"].as_str().unwrap_or_default();
        let at = age_at(version.at);
        self.left.insert(account.to_owned(), at);
        // Of two processes each goes by its own reads.
        let is_alone = notes.hung.is_empty() && notes.estranged_until.is_zero();
        let mut lacking = Vec::new();
        for read in self.listed.iter().filter(|read| **read <= at) {
            if notes.is_unlisted(account, *read) {
                lacking.push(*read);
            } else if is_alone {
                lacking.clear();
            }
        }
        let apart = lacking.last().zip(lacking.first());
        let is_seen_twice = apart.is_some_and(|(last, first)| last.saturating_sub(*first) >= APART);
        (!is_seen_twice).then(|| {
            format!(
                "{} is deleted at {at:?}, and its account was missed at {lacking:?}",
                version.name
            )
        })
    }

    /// Notes whether an account was missed and has not left.
    fn stop(&mut self, notes: &Notes) {
        let is_spared = notes.unlisted.iter().any(|one| {
            let Some(to) = one.to else { return false };
            let was_missed = self.listed.iter().any(|read| one.from <= *read && *read <= to);
            let has_left = self.left.get(&one.account).is_some_and(|left| *left >= one.from);
            was_missed && !has_left && self.present.get(&one.account).is_some_and(|seen| *seen > to)
        });
        if is_spared {
            self.stopped.insert("second reading");
        }
    }
}
