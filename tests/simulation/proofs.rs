//! What is done to prove copies: nothing is published on a copy or moved to it before an instance of it has passed its checks, and
//! Amazon Inspector has found nothing in it that is too severe, where that is asked for; no such instance stays, and no scan is paid for
//! twice.

use std::collections::BTreeMap;
use std::time::Duration;

use amiseal::api::labels::TAG_VALIDATES;
use amiseal::api::{AMIMigration, conditions};
use ec2sim::model::{Image, Instance, World};
use ec2sim::{Call, SimTime};
use kube::ResourceExt;

use super::followers;
use super::inspecting;
use super::invariants::{Broken, Promise};
use super::judge::CHANGES;
use super::notes::Notes;
use super::proving::{CHECKS, Proofs, TIMEOUT};
use super::stage::Stage;
use super::time::time_at;
use super::watchman::Objects;
use super::world::{ACCOUNTS, PLACES};

/// How long an instance may be there at most beyond its time, while somebody works and nothing goes wrong: what is left over is looked
/// for every ten minutes, and what AWS has denied is asked for again after as long.
const BEYOND: Duration = Duration::from_secs(40 * 60);
/// For how long an instance that nobody has on record any more may be there beside others.
const UNKNOWN_FOR: Duration = Duration::from_secs(45 * 60);

/// An account and region.
type Scope = (String, String);

/// Looks at what is done to prove copies.
#[derive(Debug)]
pub(crate) struct Prover {
    proofs: Proofs,
    /// How many calls were heard.
    heard: usize,
    /// When instances were terminated.
    ended: BTreeMap<String, SimTime>,
    /// Migrations by UID, and when one was last gone.
    known: BTreeMap<String, Scope>,
    gone: BTreeMap<Scope, Duration>,
    /// Since when each instance is there while somebody works and nothing goes wrong.
    since: BTreeMap<String, Duration>,
}

impl Prover {
    pub(crate) fn new(proofs: Proofs) -> Self {
        Self {
            proofs,
            heard: 0,
            ended: BTreeMap::new(),
            known: BTreeMap::new(),
            gone: BTreeMap::new(),
            since: BTreeMap::new(),
        }
    }

    /// Looks at what was done since the last time. `migrations` are all versions of them since then.
    pub(crate) fn look(&mut self, stage: &Stage, migrations: &[&AMIMigration], objects: &Objects) -> Vec<Broken> {
        let (notes, now) = (stage.notes(), stage.clock.age());
        self.miss(objects, now);
        let calls = self.hear(stage);
        let wrong = stage.sim.with_world(|world| {
            let passed = self.passed(world, &notes);
            let published = calls.iter().filter_map(|call| unproven(call, world, &passed));
            let claimed = migrations.iter().filter_map(|one| claims(one, &passed, now));
            let crowded = self.crowded(world, &notes, now);
            let scanned = inspecting::scanned_too_often(world, notes.asked_again);
            published
                .chain(claimed)
                .chain(crowded)
                .chain(scanned)
                .collect::<Vec<_>>()
        });
        let broken = |how| Broken::new(Promise::ProvenFirst, how);
        wrong.into_iter().map(broken).collect()
    }

    /// Looks whether an instance is still there that has had its time.
    pub(crate) fn listen(&mut self, stage: &Stage) -> Option<Broken> {
        let (now, disturbed) = (stage.clock.age(), stage.disturbed_until());
        let there: Vec<(&'static str, &'static str, String)> = stage.sim.with_world(|world| {
            let mut there = Vec::new();
            for (account, region) in PLACES {
                let running = instances(world, account, region).filter(|instance| instance.is_there());
                there.extend(running.map(|instance| (account, region, instance.id.clone())));
            }
            there
        });
        self.since.retain(|id, _| there.iter().any(|(.., one)| one == id));
        // Who goes by a clock that is wrong by hours takes hours to find an instance too old.
        let has_leapt = stage.notes().leapt;
        for (account, region, id) in there {
            let is_served = stage.serves(account, region);
            let since = self.since.entry(id.clone()).or_insert(now);
            *since = if is_served { disturbed.max(*since) } else { now };
            if !has_leapt && now.saturating_sub(*since) > TIMEOUT + BEYOND {
                let how = format!("{id} in {account}/{region} is there since {since:?}, and it is {now:?}");
                return Some(Broken::new(Promise::ProvenFirst, how));
            }
        }
        None
    }

    /// Notes where migrations are gone.
    fn miss(&mut self, objects: &Objects, now: Duration) {
        // Those of another account's image prove nothing.
        let own = objects.migrations.iter().filter(|one| !followers::is_follower(one));
        let there = own.filter_map(|one| {
            let scope = (one.spec.account_id.clone(), one.spec.region.clone());
            Some((one.uid()?, scope))
        });
        let there: BTreeMap<String, Scope> = there.collect();
        for (uid, scope) in std::mem::replace(&mut self.known, there) {
            if !self.known.contains_key(&uid) {
                self.gone.insert(scope, now);
            }
        }
    }

    /// The calls since the last time.
    fn hear(&mut self, stage: &Stage) -> Vec<Call> {
        let heard = self.heard;
        let (calls, all) = stage.sim.with_journal(|calls| {
            let new = calls[heard..].iter().filter(|call| call.mutating && !call.dry_run);
            (new.cloned().collect::<Vec<_>>(), calls.len())
        });
        self.heard = all;
        for call in calls.iter().filter(|call| call.operation == "TerminateInstances") {
            let at = call.effect_time.unwrap_or(call.time);
            let ended = call.effects.iter().map(|id| (id.clone(), at));
            self.ended.extend(ended);
        }
        calls
    }

    /// The copies that have passed all that is asked for, and when first: an instance of each its checks.
    fn passed(&self, world: &World, notes: &Notes) -> BTreeMap<String, SimTime> {
        let mut passed: BTreeMap<String, SimTime> = BTreeMap::new();
        for (account, region) in PLACES {
            for instance in instances(world, account, region) {
                let Some(running) = instance.running_since else {
                    continue;
                };
                let mut at = running.plus_seconds(CHECKS);
                if self.proofs.is_slow() {
                    let Some(helped) = notes.proofs_helped else { continue };
                    at = at.max(time_at(helped));
                }
                let ended = self.ended.get(&instance.id).copied().or(instance.terminated_at);
                if ended.is_none_or(|ended| at <= ended) {
                    let known = passed.entry(instance.image.clone()).or_insert(at);
                    *known = at.min(*known);
                }
            }
        }
        if self.proofs.inspection.is_some() {
            passed = inspecting::passed(world, passed);
        }
        passed
    }

    /// More instances than there may be: by the same call, or at a time.
    fn crowded(&self, world: &World, notes: &Notes, now: Duration) -> Option<String> {
        PLACES.iter().find_map(|(account, region)| {
            let mut by_token: BTreeMap<&str, usize> = BTreeMap::new();
            for instance in instances(world, account, region).filter(|instance| instance.is_there()) {
                *by_token.entry(instance.client_token.as_deref()?).or_default() += 1;
            }
            if let Some((token, count)) = by_token.iter().find(|(_, count)| **count > 1) {
                return Some(format!("{count} instances of {token} in {account}/{region}"));
            }
            let scope = (String::from(*account), String::from(*region));
            let times = [self.gone.get(&scope), notes.records_lost.get(&scope)];
            let is_unknown = times.into_iter().flatten().any(|lost| now < *lost + UNKNOWN_FOR);
            // Two who know nothing of each other keep to it each alone.
            let each = self.proofs.at_a_time as usize;
            let most = if now < notes.estranged_until { 2 * each } else { each };
            let count = by_token.len();
            (!is_unknown && count > most)
                .then(|| format!("{count} instances at a time in {account}/{region}, not {most}"))
        })
    }
}

/// The instances there that copies are proven by, gone or not.
fn instances<'w>(world: &'w World, account: &str, region: &str) -> impl Iterator<Item = &'w Instance> {
    let all = world.region(account, region).into_iter();
    let all = all.flat_map(|region| region.consumers.instances.iter().map(|(_, instance)| instance));
    all.filter(|instance| instance.client_token.is_some() && instance.tags.contains_key(TAG_VALIDATES))
}

/// What a call publishes on a copy or moves to it that was not proven by then.
fn unproven(call: &Call, world: &World, passed: &BTreeMap<String, SimTime>) -> Option<String> {
    if !ACCOUNTS.contains(&call.account.as_str()) {
        return None;
    }
    let publishes = match call.operation.as_str() {
        "ModifyImageAttribute" => call.params.keys().any(|name| name.starts_with("LaunchPermission")),
        "EnableImageDeprecation" | "UpdateAutoScalingGroup" | "StartInstanceRefresh" => true,
        other => CHANGES.contains(&other),
    };
    if !publishes {
        return None;
    }
    let is_copy = |id: &&String| world.image(&call.region, id).and_then(Image::copied_from).is_some();
    let mut copies = call.params.values().filter(is_copy);
    let too_early = copies.find(|id| passed.get(*id).is_none_or(|at| *at > call.time))?;
    Some(format!(
        "{} at {} is about {too_early}, which has not passed all proofs by then",
        call.operation, call.time
    ))
}

/// What a migration says to be proven, and is not.
fn claims(migration: &AMIMigration, passed: &BTreeMap<String, SimTime>, now: Duration) -> Option<String> {
    let (spec, status) = (&migration.spec, migration.status.as_ref()?);
    if !ACCOUNTS.contains(&spec.account_id.as_str()) || !conditions::is_true(&status.conditions, conditions::VALIDATED)
    {
        return None;
    }
    let copy = status.copy.as_ref()?.image_id.as_ref()?;
    let is_so = passed.get(copy).is_some_and(|at| *at <= time_at(now));
    (!is_so).then(|| format!("{}: {copy} is said to be proven", migration.name_any()))
}
