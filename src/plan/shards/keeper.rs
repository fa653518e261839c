//! What one replica has seen of the Leases, what it holds of them, and what it is to write next.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Name, Record, holds_for, look_every, number_of, renew_after, runs_out_after, share};

/// Who a replica is, and what it goes by.
#[derive(Debug, Clone)]
pub struct Criteria {
    /// Its name. No two that live have the same.
    pub identity: String,
    /// The number of shards.
    pub shards: u16,
    /// How long a Lease holds.
    pub duration: Duration,
}

/// What one replica knows. All moments are of its own monotonic clock.
#[derive(Debug)]
pub struct Keeper {
    terms: Criteria,
    seen: BTreeMap<Name, Seen>,
    /// Shards without a Lease, and since when that was seen.
    missing: BTreeMap<u16, Duration>,
    held: BTreeMap<Name, Held>,
    /// When the request was sent that showed all this.
    looked: Option<Duration>,
    /// Whether a write was refused, so that what was seen is not what is.
    is_outdated: bool,
    retires: bool,
}

#[derive(Debug, Clone)]
struct Seen {
    record: Record,
    /// When it was first seen to be so.
    since: Duration,
}

#[derive(Debug, Clone)]
struct Held {
    /// The version to base the next write on; none if the Lease is not there any more.
    version: Option<String>,
    /// Since when it has been held without a gap.
    since: Duration,
    /// Until when it may be believed to be held.
    until: Duration,
    renew: Duration,
    /// Whether it is given up as soon as nobody works on it any more.
    leaves: bool,
    /// Whether that was asked for. It may have been done, whatever the answer, so that it is not believed to be held.
    is_given_up: bool,
}

/// A write to a Lease, which must fail unless the Lease is as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// The Lease.
    pub lease: Name,
    /// Its version; none if it is not there.
    pub version: Option<String>,
    /// What is done to it.
    pub what: Written,
}

/// What a write does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// We hold it from now on.
    Taken,
    /// We go on holding it.
    Renewed,
    /// Nobody holds it.
    GivenUp,
    /// It is no more.
    Deleted,
}

/// What has become of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was done, and made this version.
    Done(String),
    /// The Lease is not as it was seen.
    Refused,
    /// It may have been done or not.
    Unknown,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Planned {
    /// Shards that are not held any more: all work on them ends at once.
    pub lost: Vec<u16>,
    /// Shards to be given up: no more work on them is begun.
    pub leaving: Vec<u16>,
    /// What to write, in any order.
    pub writes: Vec<Write>,
    /// When to look at the Leases and ask again, at the latest.
    pub next: Duration,
    /// How many replicas live, this one included.
    pub replicas: usize,
    /// Another number of shards that a replica lives by, which keeps this one from taking any.
    pub contradicted: Option<u16>,
}

impl Seen {
    fn runs_out(&self) -> Duration {
        self.since + runs_out_after(self.record.duration)
    }
}

impl Keeper {
    /// Nothing was seen yet, and nothing is held.
    pub fn new(terms: Criteria) -> Self {
        Self {
            terms,
            seen: BTreeMap::new(),
            missing: BTreeMap::new(),
            held: BTreeMap::new(),
            looked: None,
            is_outdated: false,
            retires: false,
        }
    }

    /// From now on everything is given up, and nothing taken.
    pub fn retire(&mut self) {
        self.retires = true;
    }

    /// Whether everything is given up.
    #[cfg(test)]
    pub(super) fn retires(&self) -> bool {
        self.retires
    }

    /// Whether nothing is held any more.
    pub fn has_retired(&self) -> bool {
        self.retires && self.held.is_empty()
    }

    /// Until when a shard may be believed to be held.
    pub fn until(&self, shard: u16) -> Option<Duration> {
        let held = self.held.get(&Name::Shard(shard)).filter(|held| !held.is_given_up);
        held.map(|held| held.until)
    }

    /// When the Leases are to be looked at again: now and then, and as soon as one may be seen to have run out.
    pub fn look_due(&self) -> Duration {
        let Some(looked) = self.looked.filter(|_| !self.is_outdated) else {
            return Duration::ZERO;
        };
        let run_out = self.seen.values().map(Seen::runs_out);
        run_out
            .filter(|moment| *moment > looked)
            .chain([looked + look_every(self.terms.duration)])
            .min()
            .unwrap_or(looked)
    }

    /// Takes in all Leases, by a request that was sent and answered at these moments.
    ///
    /// A Lease counts as changed when the answer has come, not when it was asked for: it may have been renewed in between.
    pub fn looked(&mut self, leases: Vec<(Name, Record)>, sent: Duration, answered: Duration) {
        self.looked = Some(sent);
        self.is_outdated = false;
        let mut before = std::mem::take(&mut self.seen);
        for (lease, record) in leases {
            let known = before
                .remove(&lease)
                .filter(|seen| seen.record.version == record.version);
            let since = known.map_or(answered, |seen| seen.since);
            self.seen.insert(lease, Seen { record, since });
        }
        let missing = (0..self.terms.shards).filter(|shard| !self.seen.contains_key(&Name::Shard(*shard)));
        let missing = missing.map(|shard| (shard, self.missing.get(&shard).copied().unwrap_or(answered)));
        self.missing = missing.collect();
        for (lease, held) in &mut self.held {
            match self.seen.get(lease) {
                Some(seen) if seen.record.holder.as_deref() == Some(&self.terms.identity) => {
                    held.version = Some(seen.record.version.clone());
                }
                // It could be taken from us: then it had run out, and we would better not have held it.
                Some(_) => held.until = Duration::ZERO,
                None => {
                    held.version = None;
                    held.renew = answered;
                }
            }
        }
    }

    /// Decides what to do. `is_idle` says whether a shard has no work under way, nor any memory left of it.
    pub fn plan(&mut self, now: Duration, is_idle: impl Fn(u16) -> bool) -> Planned {
        let mut planned = Planned {
            lost: self.lose(now),
            replicas: self.replicas(),
            contradicted: self.contradiction(),
            ..Planned::default()
        };
        planned.leaving = self.leave(planned.replicas);
        planned.writes = self.keep(now, &is_idle);
        for write in planned.writes.iter().filter(|write| write.what == Written::GivenUp) {
            if let Some(held) = self.held.get_mut(&write.lease) {
                held.is_given_up = true;
            }
        }
        if self.may_take(now, planned.contradicted) {
            let wanted = self.takeable(planned.replicas, &is_idle);
            planned.writes.extend(wanted);
        }
        planned.writes.extend(self.collect());
        planned.next = self.next(now);
        planned
    }

    /// Takes in what has become of a write that was sent at this moment and answered at that. Says whether the Lease
    /// is held now and was not before.
    pub fn answered(&mut self, write: &Write, outcome: Outcome, sent: Duration, answered: Duration) -> bool {
        let version = match outcome {
            Outcome::Done(version) => version,
            Outcome::Refused => {
                self.is_outdated = true;
                return false;
            }
            Outcome::Unknown => {
                self.is_outdated = true;
                if let Some(held) = self.held.get_mut(&write.lease) {
                    // Not at once: what does not answer has enough to do.
                    held.renew = answered + look_every(self.terms.duration);
                }
                return false;
            }
        };
        match write.what {
            Written::Taken | Written::Renewed => {
                let record = Record {
                    version: version.clone(),
                    holder: Some(self.terms.identity.clone()),
                    duration: self.terms.duration,
                    shards: Some(self.terms.shards),
                };
                self.note(&write.lease, record, answered);
                let before = self.held.get(&write.lease);
                let since = before.map(|held| held.since);
                let leaves = before.is_some_and(|held| held.leaves);
                let is_given_up = before.is_some_and(|held| held.is_given_up);
                if since.is_none() && write.lease == self.ours() {
                    // Nothing is taken before it was seen what others have done until now.
                    self.is_outdated = true;
                }
                let held = Held {
                    version: Some(version),
                    since: since.unwrap_or(answered),
                    until: sent + holds_for(self.terms.duration),
                    renew: sent + renew_after(self.terms.duration, &write.lease),
                    leaves,
                    is_given_up,
                };
                self.held.insert(write.lease.clone(), held);
                since.is_none()
            }
            Written::GivenUp => {
                self.held.remove(&write.lease);
                if let Some(seen) = self.seen.get_mut(&write.lease) {
                    seen.record.holder = None;
                    seen.record.version = version;
                    seen.since = answered;
                }
                false
            }
            Written::Deleted => {
                self.held.remove(&write.lease);
                self.seen.remove(&write.lease);
                false
            }
        }
    }

    fn note(&mut self, lease: &Name, record: Record, answered: Duration) {
        if let Name::Shard(shard) = lease {
            self.missing.remove(shard);
        }
        let seen = Seen {
            record,
            since: answered,
        };
        self.seen.insert(lease.clone(), seen);
    }

    fn ours(&self) -> Name {
        Name::Replica(self.terms.identity.clone())
    }

    /// Forgets what is held no more, and says which shards these are.
    fn lose(&mut self, now: Duration) -> Vec<u16> {
        let mut lost = Vec::new();
        self.held.retain(|lease, held| {
            let holds = now < held.until;
            if let (false, Name::Shard(shard)) = (holds, lease) {
                lost.push(*shard);
            }
            holds
        });
        lost
    }

    /// Whether a Lease was seen unchanged for so long that nobody can believe to hold it. What counts is when it was looked,
    /// not what time it is: nobody knows what has become of it since.
    fn has_run_out(&self, seen: &Seen) -> bool {
        self.looked.is_some_and(|looked| looked >= seen.runs_out())
    }

    /// How many replicas live by our number of shards.
    fn replicas(&self) -> usize {
        let others = self.seen.iter().filter(|(lease, seen)| match lease {
            Name::Replica(identity) => {
                *identity != self.terms.identity
                    && seen.record.holder.is_some()
                    && seen.record.shards == Some(self.terms.shards)
                    && !self.has_run_out(seen)
            }
            Name::Shard(_) => false,
        });
        others.count() + 1
    }

    /// Another number of shards that somebody lives by.
    fn contradiction(&self) -> Option<u16> {
        self.seen.values().find_map(|seen| {
            let holder = seen.record.holder.as_ref()?;
            let lives = *holder != self.terms.identity && !self.has_run_out(seen);
            seen.record
                .shards
                .filter(|shards| lives && *shards != self.terms.shards)
        })
    }

    /// The shards that are held and stay so.
    fn staying(&self) -> Vec<u16> {
        let staying = self.held.iter().filter(|(_, held)| !held.leaves);
        staying
            .filter_map(|(lease, _)| match lease {
                Name::Shard(shard) => Some(*shard),
                Name::Replica(_) => None,
            })
            .collect()
    }

    /// Gives up what exceeds our share, and says which shards these are. The policies' shard is the last to go.
    fn leave(&mut self, replicas: usize) -> Vec<u16> {
        let most = if self.retires {
            0
        } else {
            share(self.terms.shards, replicas)
        };
        let leaving: Vec<u16> = self.staying().into_iter().skip(most).collect();
        for shard in &leaving {
            if let Some(held) = self.held.get_mut(&Name::Shard(*shard)) {
                held.leaves = true;
            }
        }
        leaving
    }

    /// What to write to Leases that are held, and to our own.
    fn keep(&mut self, now: Duration, is_idle: &impl Fn(u16) -> bool) -> Vec<Write> {
        let ours = self.ours();
        let mut writes = Vec::new();
        for (lease, held) in &self.held {
            let has_left = match lease {
                Name::Shard(shard) => held.leaves && is_idle(*shard),
                Name::Replica(_) => self.retires && self.held.len() == 1,
            };
            let what = match (has_left, lease) {
                (true, Name::Shard(_)) if held.version.is_some() => Written::GivenUp,
                (true, Name::Replica(_)) if held.version.is_some() => Written::Deleted,
                _ if now >= held.renew => Written::Renewed,
                _ => continue,
            };
            writes.push(Write {
                lease: lease.clone(),
                version: held.version.clone(),
                what,
            });
        }
        if !self.held.contains_key(&ours) && !self.retires && self.looked.is_some() {
            writes.push(Write {
                version: self.seen.get(&ours).map(|seen| seen.record.version.clone()),
                lease: ours,
                what: Written::Taken,
            });
        }
        writes
    }

    /// Whether a free shard may be taken at all.
    ///
    /// Others have to see us, and we what they have done since they could. With that, of two replicas that live by
    /// different numbers of shards one sees the other before it takes any. Whoever holds a shard may go on then: the other
    /// sees that, too.
    fn may_take(&self, now: Duration, contradicted: Option<u16>) -> bool {
        let Some(ours) = self.held.get(&self.ours()).filter(|ours| now < ours.until) else {
            return false;
        };
        let has_looked = self.looked.is_some_and(|looked| looked >= ours.since);
        let holds = self.held.len() > 1;
        !self.retires && has_looked && !self.is_outdated && (contradicted.is_none() || holds)
    }

    /// The shards to take, as many as are missing to our share. Replicas begin with different ones, so as to collide less.
    fn takeable(&self, replicas: usize, is_idle: &impl Fn(u16) -> bool) -> Vec<Write> {
        let room = share(self.terms.shards, replicas).saturating_sub(self.staying().len());
        let candidates =
            (0..self.terms.shards).filter(|shard| !self.held.contains_key(&Name::Shard(*shard)) && is_idle(*shard));
        let mut free: Vec<u16> = candidates.filter(|shard| self.is_free(*shard, replicas)).collect();
        free.sort_by_key(|shard| number_of(&format!("{}/{shard}", self.terms.identity)));
        let taken = free.into_iter().take(room).map(|shard| {
            let lease = Name::Shard(shard);
            Write {
                version: self.seen.get(&lease).map(|seen| seen.record.version.clone()),
                lease,
                what: Written::Taken,
            }
        });
        taken.collect()
    }

    /// Whether nobody can believe to hold a shard.
    fn is_free(&self, shard: u16, replicas: usize) -> bool {
        match self.seen.get(&Name::Shard(shard)) {
            // Ours from before we were started again.
            Some(seen) if seen.record.holder.as_deref() == Some(&self.terms.identity) => true,
            Some(seen) => seen.record.holder.is_none() || self.has_run_out(seen),
            // Somebody may have deleted it while it was held: whoever holds it makes it anew.
            None => {
                let since = self.missing.get(&shard).zip(self.looked);
                let lasts =
                    |(since, looked): (&Duration, Duration)| looked >= *since + runs_out_after(self.terms.duration);
                replicas == 1 || since.is_some_and(lasts)
            }
        }
    }

    /// The Leases of replicas that are no more, for whoever holds the first shard to delete.
    fn collect(&self) -> Vec<Write> {
        if self.retires || !self.held.contains_key(&Name::Shard(0)) {
            return Vec::new();
        }
        let mut writes = Vec::new();
        for (lease, seen) in &self.seen {
            let gone = self
                .looked
                .is_some_and(|looked| looked >= seen.runs_out() + seen.record.duration);
            if gone && matches!(lease, Name::Replica(_)) && *lease != self.ours() {
                writes.push(Write {
                    lease: lease.clone(),
                    version: Some(seen.record.version.clone()),
                    what: Written::Deleted,
                });
            }
        }
        writes
    }

    /// When something is due next.
    fn next(&self, now: Duration) -> Duration {
        let held = self.held.values().flat_map(|held| [held.renew, held.until]);
        held.filter(|moment| *moment > now)
            .chain([self.look_due()])
            .min()
            .unwrap_or(now)
    }
}
