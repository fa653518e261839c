//! What is done about guardrails: looked at after every step, by every call that sets one, and by what could be launched before and after.
//! What people do is no fault of the product, and it may act upon what it has read for as long as that takes.

use std::collections::BTreeSet;
use std::time::Duration;

use amiseal::api::conditions::{self, Status, reason};
use amiseal::api::{AMIEncryptionTargetStatus, GuardrailManager, Mode, labels};
use ec2sim::model::{Setting, World};
use ec2sim::{Call, Check, Finding, Launch, Sim};
use kube::ResourceExt;

use super::guarding::{Guarding, RAILS, Rail, set_by};
use super::invariants::{Broken, Promise};
use super::judge::READ_BEFORE;
use super::notes::Notes;
use super::stage::Stage;
use super::time::age_of;
use super::watchman::Objects;
use super::world::{PLACES, POLICIES};

/// For how long it is not known any more that AWS was asked for something, where the record of that was taken away.
const FORGOTTEN: Duration = Duration::from_secs(20 * 60);
/// For how long AWS is not asked again.
const NOT_AGAIN: Duration = Duration::from_secs(15 * 60);
/// The reasons by which nothing is set before somebody has acted, or at all.
const LEFT: [&str; 4] = [
    reason::FORBIDDEN,
    reason::KEY_NOT_USABLE,
    reason::HELD_BY_DECLARATIVE_POLICY,
    reason::NOT_ENFORCED,
];

/// Looks at what is done about guardrails.
#[derive(Debug)]
pub(crate) struct Warden {
    guarding: Guarding,
    /// How many calls were heard.
    heard: usize,
    /// What could be launched as of the last look, by account, region and who launches.
    worked: BTreeSet<String>,
    /// What has been stopped since the last time that somebody asked.
    stopped: BTreeSet<&'static str>,
}

impl Warden {
    pub(crate) fn new(guarding: Guarding) -> Self {
        Self {
            guarding,
            heard: 0,
            worked: BTreeSet::new(),
            stopped: BTreeSet::new(),
        }
    }

    /// Looks at what was done since the last time.
    pub(crate) fn look(&mut self, stage: &Stage, objects: &Objects) -> Vec<Broken> {
        let calls = self.hear(stage);
        let unwanted = calls.iter().filter_map(|call| self.is_unwanted(call));
        let mut wrong: Vec<String> = unwanted.collect();
        wrong.extend(self.launches(stage));
        self.stop(stage, &calls, objects);
        let broken = |how| Broken::new(Promise::SetWithCare, how);
        wrong.into_iter().map(broken).collect()
    }

    /// The guards that have stopped something since the last time.
    pub(crate) fn stopped(&mut self) -> BTreeSet<&'static str> {
        std::mem::take(&mut self.stopped)
    }

    /// The calls since the last time that read guardrails, or set them.
    fn hear(&mut self, stage: &Stage) -> Vec<Call> {
        stage.sim.with_journal(|calls| {
            let new = calls[self.heard..].iter();
            let is_meant = |call: &&Call| {
                let operation = call.operation.as_str();
                !call.dry_run && (set_by(operation).is_some() || RAILS.iter().any(|rail| rail.read == operation))
            };
            let meant = new.filter(is_meant).cloned().collect();
            self.heard = calls.len();
            meant
        })
    }

    /// Whether a call sets what is only to be reported, or not even that.
    fn is_unwanted(&self, call: &Call) -> Option<String> {
        let name = set_by(&call.operation)?.name;
        // Whoever has no session is nobody to AWS.
        if call.account.is_empty() {
            return None;
        }
        let mode = self.guarding.mode_of(&call.account, name);
        (mode != "Enforce").then(|| {
            let (account, region) = (&call.account, &call.region);
            format!(
                "{} in {account}/{region}, where the policy says {mode} of it",
                call.operation
            )
        })
    }

    /// What could be launched at the last look and cannot be now, for the default key that a call has set.
    fn launches(&mut self, stage: &Stage) -> Vec<String> {
        let (now, notes) = (stage.clock.age(), stage.notes());
        let are_touched = notes.settings_touched.iter().any(|at| now < *at + FORGOTTEN);
        let (mut worked, mut wrong) = (BTreeSet::new(), Vec::new());
        for (account, region) in PLACES {
            let default = stage.sim.with_world(|world| default_key(world, account, region));
            for launch in stage.sim.launches(account, region) {
                let name = name_of(&launch);
                let Err(why) = &launch.works else {
                    worked.insert(name);
                    continue;
                };
                let is_of_key = default.as_ref().is_some_and(|arn| why.contains(arn.as_str()));
                if is_of_key && !are_touched && self.worked.contains(&name) {
                    wrong.push(format!("{name} worked, and by the default key it does not: {why}"));
                }
            }
        }
        self.worked = worked;
        wrong
    }

    /// Notes what was nearly done wrongly.
    fn stop(&mut self, stage: &Stage, calls: &[Call], objects: &Objects) {
        let statuses = objects.targets.iter().filter_map(|target| target.status.as_ref());
        let said = statuses.filter_map(|status| conditions::find(&status.conditions, conditions::GUARDRAILS_ENFORCED));
        let said = said.filter_map(|said| match said.reason.as_str() {
            reason::KEY_NOT_USABLE => Some("default key check"),
            reason::HELD_BY_DECLARATIVE_POLICY => Some("declarative policy"),
            _ => None,
        });
        self.stopped.extend(said);
        let is_waited_for = stage
            .sim
            .with_world(|world| calls.iter().any(|call| is_too_soon(call, world)));
        self.stopped.extend(is_waited_for.then_some("not again"));
    }
}

/// The key that a call has made the default one, as far as it shows.
fn default_key(world: &World, account: &str, region: &str) -> Option<String> {
    let place = world.region(account, region)?;
    let mut changes = place.setting_changes.iter().rev();
    let last = changes.find(|change| change.setting == Setting::EbsDefaultKey)?;
    last.call?;
    let key = place.guardrails.ebs_default_key.as_deref()?;
    Some(world.key(account, region, key)?.arn.clone())
}

/// Who launches what and where.
fn name_of(launch: &Launch) -> String {
    let Launch {
        account,
        region,
        kind,
        id,
        image,
        ..
    } = launch;
    format!("{kind:?} {id} of {account}/{region} that launches {image:?}")
}

/// Whether a call has read a guardrail that does not hold so shortly after AWS was asked to set it that it is not asked again.
fn is_too_soon(call: &Call, world: &World) -> bool {
    let place = (call.account.as_str(), call.region.as_str());
    let Some(rail) = RAILS.iter().find(|rail| rail.read == call.operation) else {
        return false;
    };
    let region = world.region(place.0, place.1);
    let changes = region.iter().flat_map(|region| &region.setting_changes);
    let was_asked = |setting: Setting| setting.told_by() == rail.read;
    let mut asked = changes.filter(|change| change.call.is_some() && was_asked(change.setting));
    let is_just_asked = asked.any(|change| {
        let since = age_of(call.time).checked_sub(age_of(change.at));
        since.is_some_and(|since| since < NOT_AGAIN)
    });
    call.outcome == "OK" && is_just_asked && !rail.holds(world, place)
}

/// Whether a finding of the simulator's audit about a call that sets a guardrail has an explanation: what it was decided on was so when it
/// was read, or it is no more on record that AWS was asked, or was asked by somebody else who does not know of this one.
pub(crate) fn is_explained(finding: &Finding, sim: &Sim, notes: &Notes) -> bool {
    let Some(call) = call_of(finding, sim) else {
        return false;
    };
    let at = age_of(call.time);
    if finding.check != Check::GuardrailSetTwice {
        let mut touched = notes.settings_touched.iter();
        return touched.any(|then| *then <= at && at <= notes.until(*then + READ_BEFORE));
    }
    let place = (finding.account.clone(), finding.region.clone());
    let mut lost = notes.targets_lost.get(&place).into_iter().flatten();
    let is_forgotten = |then: &Duration| *then <= at && at <= *then + FORGOTTEN;
    // An answer was lost: the call was repeated at once, and takes effect later than the other one.
    let is_repeated = call.outcome != "OK";
    is_repeated || at < notes.estranged_until || !notes.hung.is_empty() || lost.any(is_forgotten)
}

/// The call that a finding is about.
fn call_of(finding: &Finding, sim: &Sim) -> Option<Call> {
    let (number, _) = finding.message.strip_prefix("call ")?.split_once(':')?;
    let number: usize = number.parse().ok()?;
    sim.with_journal(|calls| calls.get(number.checked_sub(1)?).cloned())
}

/// Whether a target has a guardrail to set, and says of none that somebody has to act before.
pub(crate) fn has_to_set(status: &AMIEncryptionTargetStatus) -> bool {
    let type_ = conditions::GUARDRAILS_ENFORCED;
    let is_false = conditions::has_status(&status.conditions, type_, Status::False);
    let said = conditions::find(&status.conditions, type_);
    let is_ours = said.is_some_and(|said| is_false && !LEFT.contains(&said.reason.as_str()));
    let is_open = status
        .guardrails
        .iter()
        .any(|row| row.mode == Mode::Enforce && row.holds == Some(false));
    is_ours && is_open
}

/// What is not held in the end, though it is to be and can be, or is said otherwise than it is.
pub(crate) fn unheld(stage: &Stage, objects: &Objects, guarding: Guarding) -> Option<String> {
    let all = POLICIES
        .iter()
        .flat_map(|(policy, account, regions)| regions.iter().map(move |region| (*policy, *account, *region)));
    stage.sim.with_world(|world| {
        all.flat_map(|place| RAILS.iter().map(move |rail| (place, rail)))
            .find_map(|((policy, account, region), rail)| {
                let name = labels::target_name(policy, account, region);
                let target = objects.targets.iter().find(|target| target.name_any() == name);
                let status = target.and_then(|target| target.status.as_ref());
                let mode = guarding.mode_of(account, rail.name);
                let how = is_unsettled(rail, mode, status, world, (account, region))?;
                Some(format!("{name}: {:?} {how}", rail.name))
            })
    })
}

fn is_unsettled(
    rail: &Rail,
    mode: &str,
    status: Option<&AMIEncryptionTargetStatus>,
    world: &World,
    place: (&str, &str),
) -> Option<String> {
    let mut rows = status.iter().flat_map(|status| &status.guardrails);
    let row = rows.find(|row| row.name == rail.name);
    if mode == "Ignore" {
        return row.map(|row| format!("is reported: {row:?}"));
    }
    let (holds, is_declared) = (rail.holds(world, place), rail.is_declared(world, place));
    let Some(row) = row else {
        return Some("is not reported".to_owned());
    };
    let is_said = row.holds == Some(holds);
    let is_theirs = row.managed_by == Some(GuardrailManager::DeclarativePolicy);
    let is_settled = match mode {
        "Enforce" if !is_declared => holds && row.requested_at.is_none(),
        _ => true,
    };
    let is_done = is_said && is_theirs == is_declared && is_settled;
    (!is_done)
        .then(|| format!("is not settled: it holds is {holds}, a declarative policy has it is {is_declared}, {row:?}"))
}
