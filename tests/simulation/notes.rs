//! What those who judge have to know of what was done besides what the product did.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use amiseal::api::labels::TAG_HOLD;
use ec2sim::model::World;

use super::fate::Side;
use super::judge::{READ_BEFORE, Thing};

/// How long after it was read something may be acted upon, with calls that are repeated or have their effect late.
const ACTED_UPON: Duration = Duration::from_secs(5 * 60);
/// How much longer it takes until everybody has heard of what is so in another account: a watch may miss it until that is noticed.
const HEARD_WITHIN: Duration = Duration::from_secs(7 * 60);

/// How long a read of accounts takes: it may miss one that is moved meanwhile.
const MOVED_WITHIN: Duration = Duration::from_secs(2 * 60);

/// What those who judge have to know of what was done. Moments are ages of the history.
#[derive(Debug, Clone, Default)]
pub(crate) struct Notes {
    /// Originals that the guest could launch, and since when it cannot any more.
    pub(crate) unshared: BTreeMap<String, Duration>,
    /// Calls that change something, by replicas that did not hold the shard.
    pub(crate) usurped: Vec<String>,
    /// Accounts and regions in which what was on record of a copy was taken away, and when that was last.
    pub(crate) records_lost: BTreeMap<(String, String), Duration>,
    /// Migrations whose record that was.
    pub(crate) lost: BTreeSet<String>,
    /// Accounts in which nothing may be changed from then until then.
    pub(crate) hands_off: Vec<(String, Duration, Duration)>,
    /// Accounts whose policy only looks from then until then.
    pub(crate) audited: Vec<(String, Duration, Duration)>,
    /// Whether listings have left out some of what is there: what was counted then may be too little.
    pub(crate) incomplete: bool,
    /// From when until when a process hung.
    pub(crate) hung: Vec<(Duration, Duration)>,
    /// Until when what a process has made that knows nothing of the others may still be in flight.
    pub(crate) estranged_until: Duration,
    /// Whether a clock was ever wrong by hours.
    pub(crate) leapt: bool,
    /// Consumers that people have changed, and when last.
    pub(crate) touched: BTreeMap<Thing, Duration>,
    /// Labels of parameters that people have moved: when last, and how often.
    pub(crate) labels: BTreeMap<(Thing, String), (Duration, usize)>,
    /// Groups that people have had follow their template, and since when.
    pub(crate) followers: BTreeMap<Thing, Duration>,
    /// Images that something came to launch again, and when last.
    pub(crate) launched_again: BTreeMap<String, Duration>,
    /// What is not to be changed: consumers, images, and migrations.
    pub(crate) held: Vec<Hold>,
    /// Migrations whose consumers are to be put back.
    pub(crate) rolled_back: Vec<Hold>,
    /// Those of them that somebody has rolled back since their copy was gone, with that copy, until all of it is moved again.
    pub(crate) copies_gone: BTreeMap<String, String>,
    /// Images that people have shared with others, disabled or taken away.
    pub(crate) shared_otherwise: BTreeSet<String>,
    /// Originals that are disabled, and since when.
    pub(crate) disabled: BTreeMap<String, Duration>,
    /// Whether those who launch may use the key by now.
    pub(crate) widened: bool,
    /// Whether the second account may launch all images of others by now.
    pub(crate) lifted: bool,
    /// Migrations that call their copy verified, and until when each last did.
    pub(crate) verified: BTreeMap<String, Duration>,
    /// How much was called until the first call that changes a consumer, and until the last one.
    pub(crate) moves: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that launch or end an instance.
    pub(crate) launches: Option<[[u64; Side::COUNT]; 2]>,
    /// Since when proofs may pass that could not at first.
    pub(crate) proofs_helped: Option<Duration>,
    /// When somebody has seen to it that copies pass what Amazon Inspector says.
    pub(crate) inspection_helped: Option<Duration>,
    /// How often somebody has asked for another attempt wherever nothing goes on.
    pub(crate) asked_again: usize,
    /// When people have last said that they have looked at failures.
    pub(crate) acknowledged: Option<Duration>,
    /// When people have last seen to groups whose instances AWS has not replaced.
    pub(crate) groups_helped: Option<Duration>,
    /// Accounts whose policy is gone from then until then: instances that it has left are terminated.
    pub(crate) ends_proofs: Vec<(String, Duration, Duration)>,
    /// How much was called until the first call that sets a guardrail, and until the last one.
    pub(crate) guards: Option<[[u64; Side::COUNT]; 2]>,
    /// When it was changed who may use keys, or whose guardrails are to set.
    pub(crate) settings_touched: Vec<Duration>,
    /// Accounts and regions in which what a target had on record was taken away, and when.
    pub(crate) targets_lost: BTreeMap<(String, String), Vec<Duration>>,
    /// Targets whose settings people have changed, and how often.
    pub(crate) edited: BTreeMap<String, u32>,
    /// Images that people have made meanwhile.
    pub(crate) new_images: BTreeMap<String, New>,
    /// Since when somebody has flooded the queue that events come from, each time.
    pub(crate) flooded: Vec<Duration>,
    /// Accounts that AWS Organizations did not list.
    pub(crate) unlisted: Vec<Unlisted>,
    /// Accounts that people have moved from one unit of a policy to another, and when.
    pub(crate) moved_accounts: Vec<(String, Duration)>,
    /// Accounts that have left their organization for good.
    pub(crate) left: BTreeSet<String>,
    /// Whether an account has joined one.
    pub(crate) has_joined: bool,
    /// How much was called until the first time that messages were deleted, and until the last one.
    pub(crate) messages: Option<[[u64; Side::COUNT]; 2]>,
    /// The same of calls that list accounts.
    pub(crate) listings: Option<[[u64; Side::COUNT]; 2]>,
}

/// An account that AWS Organizations did not list for a while.
#[derive(Debug, Clone)]
pub(crate) struct Unlisted {
    pub(crate) account: String,
    pub(crate) from: Duration,
    /// Until when, if it is listed again.
    pub(crate) to: Option<Duration>,
}

/// An image that people have made meanwhile.
#[derive(Debug, Clone)]
pub(crate) struct New {
    pub(crate) account: String,
    pub(crate) region: String,
    /// When.
    pub(crate) at: Duration,
}

/// What people want of something for a while.
#[derive(Debug, Clone)]
pub(crate) struct Hold {
    /// An account, a region and a consumer; an image; or a migration.
    pub(crate) what: String,
    /// From when on.
    pub(crate) from: Duration,
    /// Until when, if it ends.
    pub(crate) to: Option<Duration>,
    /// After how long everybody has to have seen it.
    pub(crate) shows_after: Duration,
}

impl Hold {
    /// Whether what was done then should not have been.
    pub(crate) fn hinders(&self, at: Duration, notes: &Notes) -> bool {
        at > notes.until(self.from + self.shows_after) && self.to.is_none_or(|to| at < to)
    }

    /// The same of what was done in another account.
    pub(crate) fn reaches_others(&self, at: Duration, notes: &Notes) -> bool {
        at > notes.until(self.from + self.shows_after + HEARD_WITHIN) && self.to.is_none_or(|to| at < to)
    }
}

impl Notes {
    /// Until when somebody may act upon what was read at this moment.
    pub(crate) fn acted_upon_until(&self, read: Duration) -> Duration {
        let hung = self.hung.iter().filter(|(from, _)| *from <= read + ACTED_UPON);
        let ends = hung.map(|(_, to)| *to).max();
        ends.map_or(read, |to| to.max(read)) + ACTED_UPON
    }

    /// Until when what was to be acted upon until then may be, as a process may have hung.
    pub(crate) fn until(&self, at: Duration) -> Duration {
        if self.hung.is_empty() {
            at
        } else {
            self.acted_upon_until(at)
        }
    }

    /// Whether a migration called its copy verified when something was read that is acted upon at this moment in another account.
    pub(crate) fn was_verified(&self, name: &str, at: Duration) -> bool {
        let last = self.verified.get(name);
        last.is_some_and(|last| at <= self.until(*last + READ_BEFORE + HEARD_WITHIN))
    }

    /// Whether a read may have missed an account by what it was answered at this moment.
    pub(crate) fn is_unlisted(&self, account: &str, at: Duration) -> bool {
        let mut unlisted = self.unlisted.iter().filter(|one| one.account == account);
        let mut moved = self.moved_accounts.iter().filter(|(moved, _)| moved == account);
        unlisted.any(|one| one.from <= at && one.to.is_none_or(|to| at <= to))
            || moved.any(|(_, then)| then.abs_diff(at) <= MOVED_WITHIN)
    }

    /// Somebody lets go of it.
    pub(crate) fn let_go(&mut self, what: &str, now: Duration) {
        let held = self.held.iter_mut().chain(&mut self.rolled_back);
        for hold in held.filter(|hold| hold.what == what) {
            hold.to = Some(hold.to.map_or(now, |to| now.min(to)));
        }
    }

    /// From now on every policy asks again for what it asks for.
    pub(crate) fn put_right(&mut self, now: Duration) {
        for (_, _, to) in self.hands_off.iter_mut().chain(&mut self.audited) {
            *to = now.min(*to);
        }
        let held = self.held.iter_mut().chain(&mut self.rolled_back);
        for to in held.filter_map(|hold| hold.to.as_mut()) {
            *to = now.min(*to);
        }
    }
}

/// What is held in the world from its beginning on.
pub(crate) fn held_from_the_beginning(world: &World) -> Vec<Hold> {
    let held = world.regions().flat_map(|(account, region)| {
        let of = &region.consumers;
        let templates = of.launch_templates.iter().map(|(id, template)| (id, &template.tags));
        let parameters = of.parameters.iter().map(|(name, parameter)| (name, &parameter.tags));
        let tagged = templates
            .chain(parameters)
            .filter(|(_, tags)| tags.contains_key(TAG_HOLD));
        tagged.map(|(id, _)| Hold {
            what: format!("{}/{} {id}", account.id, region.name),
            from: Duration::ZERO,
            to: None,
            shows_after: Duration::ZERO,
        })
    });
    held.collect()
}
