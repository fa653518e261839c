//! Instance refreshes as they go on: one batch of instances after the other is replaced, until all are, one can not be
//! launched, or somebody ends it.

use super::{Event, Starting, State};
use crate::clock::SimTime;
use crate::launches;
use crate::model::{AutoScalingGroup, GroupInstance, Instance, InstanceRefresh, LaunchBy};
use crate::planned::{self, Planned};
use crate::spec::Suspended;

type Place<'a> = (&'a str, &'a str);

impl State {
    /// The refresh of a group that is under way.
    pub(crate) fn active_refresh(&self, account: &str, region: &str, group: &str) -> Option<&InstanceRefresh> {
        let mut all = self
            .world
            .region(account, region)?
            .consumers
            .instance_refreshes
            .values();
        all.find(|r| r.group == group && r.is_active())
    }

    /// Puts a group in the place of the one of its name.
    pub(crate) fn put_group(&mut self, (account, region): Place<'_>, group: AutoScalingGroup, now: SimTime) {
        let longest = self.settings.consistency.consumer_seconds;
        let visible_at = self.visible_at(now, longest);
        let name = group.name.clone();
        if let Some(region) = self.world.region_mut(account, region) {
            region.consumers.auto_scaling_groups.put(&name, group, now, visible_at);
        }
    }

    /// Puts a refresh in the place of the one of its ID.
    pub(crate) fn put_refresh(&mut self, (account, region): Place<'_>, refresh: InstanceRefresh) {
        if let Some(region) = self.world.region_mut(account, region) {
            let refreshes = &mut region.consumers.instance_refreshes;
            refreshes.insert(refresh.id.clone(), refresh);
        }
    }

    /// Has a refresh go on at a time, and not before.
    pub(crate) fn refresh_later(&mut self, (account, region): Place<'_>, id: &str, at: SimTime) {
        self.events
            .retain(|(_, event)| !matches!(event, Event::Refresh { id: other, .. } if other == id));
        let event = Event::Refresh {
            account: account.to_owned(),
            region: region.to_owned(),
            id: id.to_owned(),
        };
        self.events.insert((at, event));
    }

    /// Begins a refresh. With SkipMatching, instances that are as they should be are left alone.
    pub(crate) fn begin_refresh(
        &mut self,
        place: Place<'_>,
        group: &AutoScalingGroup,
        mut refresh: InstanceRefresh,
        now: SimTime,
    ) {
        let by = refresh.desired.as_ref().unwrap_or(&refresh.before);
        let planned = planned::planned(&self.world, place, by);
        let skips = refresh.flag("SkipMatching");
        let is_left = |one: &&GroupInstance| !(skips && planned.iter().any(|p| self.matches(place, one, p)));
        refresh.left = group.instances.iter().filter(is_left).map(|i| i.id.clone()).collect();
        let id = refresh.id.clone();
        self.put_refresh(place, refresh);
        let seconds = self.settings.launches.refresh_start_seconds.max(0.0);
        self.refresh_later(place, &id, now.plus_seconds(seconds));
    }

    fn matches(&self, (account, region): Place<'_>, one: &GroupInstance, planned: &Planned) -> bool {
        let instance = self
            .world
            .region(account, region)
            .and_then(|r| r.consumers.instances.get(&one.id));
        let image = instance.map(|i| i.image.as_str()).or(one.image.as_deref());
        let by_template = one.launch_template.as_ref().zip(planned.template.as_ref());
        let same = by_template.is_some_and(|(has, wanted)| has.id == wanted.id && has.version == wanted.version);
        same && image == planned.image.as_deref().ok()
    }

    /// A step of a refresh.
    pub(super) fn step_refresh(&mut self, place: Place<'_>, id: &str, at: SimTime) {
        let region = self.world.region(place.0, place.1);
        let Some(mut refresh) = region.and_then(|r| r.consumers.instance_refreshes.get(id)).cloned() else {
            return;
        };
        match refresh.status.as_str() {
            "Pending" => "InProgress".clone_into(&mut refresh.status),
            "Cancelling" => return self.end_refresh(place, refresh, "Cancelled", at),
            "Baking" => return self.end_refresh(place, refresh, "Successful", at),
            "InProgress" | "RollbackInProgress" => {}
            _ => return,
        }
        let group = region
            .and_then(|r| r.consumers.auto_scaling_groups.get(&refresh.group))
            .cloned();
        let Some(group) = group else {
            refresh.reason = Some("The Auto Scaling group was deleted.".to_owned());
            return self.end_refresh(place, refresh, "Failed", at);
        };
        refresh.left.retain(|id| group.instances.iter().any(|i| i.id == *id));
        if refresh.left.is_empty() {
            return self.finish_refresh(place, refresh, at);
        }
        let suspended = group
            .suspended
            .iter()
            .find(|p| matches!(p.as_str(), "Launch" | "Terminate"));
        if let Some(process) = suspended {
            refresh.reason = Some(format!("The process {process} is suspended."));
            if self.settings.launches.suspended_refreshes == Suspended::Fail {
                return self.fail_refresh(place, refresh, at);
            }
            let seconds = self.settings.launches.refresh_seconds.max(1.0);
            self.put_refresh(place, refresh);
            return self.refresh_later(place, id, at.plus_seconds(seconds));
        }
        refresh.reason = None;
        self.replace_batch(place, refresh, group, at);
    }

    fn replace_batch(
        &mut self,
        place: Place<'_>,
        mut refresh: InstanceRefresh,
        mut group: AutoScalingGroup,
        at: SimTime,
    ) {
        let by = match (&refresh.rollback, &refresh.desired) {
            (None, Some(desired)) => desired.clone(),
            (Some(_), _) => refresh.before.clone(),
            (None, None) => LaunchBy::of(&group),
        };
        let planned = planned::planned(&self.world, place, &by);
        for id in refresh.left.drain(..batch(&refresh, &group)).collect::<Vec<_>>() {
            // Overrides take turns.
            let turn = refresh.replaced.len() % planned.len().max(1);
            let replaced = planned
                .get(turn)
                .ok_or_else(|| "it names no template".to_owned())
                .and_then(|plan| self.replace(place, &mut group, &id, plan, &refresh.strategy, at));
            match replaced {
                Ok(new) => refresh.replaced.push(new),
                Err(why) => {
                    refresh.left.insert(0, id);
                    refresh.reason = Some(format!("Failed to launch a replacement: {why}"));
                    self.put_group(place, group, at);
                    return self.fail_refresh(place, refresh, at);
                }
            }
        }
        self.put_group(place, group, at);
        let settings = &self.settings.launches;
        let warm_up = refresh
            .number("InstanceWarmup")
            .map_or(settings.warmup_seconds, seconds_of);
        let mut wait = settings.refresh_seconds.max(0.0) + warm_up.max(0.0);
        let points = refresh.checkpoint_percentages();
        let passed = points.iter().filter(|p| refresh.percent() >= **p).count();
        if passed > refresh.checkpoints && refresh.rollback.is_none() {
            refresh.checkpoints = passed;
            wait += refresh.number("CheckpointDelay").map_or(3600.0, seconds_of);
        }
        let id = refresh.id.clone();
        self.put_refresh(place, refresh);
        self.refresh_later(place, &id, at.plus_seconds(wait));
    }

    /// Launches an instance in the place of another, or puts a new root volume under it.
    fn replace(
        &mut self,
        place: Place<'_>,
        group: &mut AutoScalingGroup,
        id: &str,
        plan: &Planned,
        strategy: &str,
        at: SimTime,
    ) -> Result<String, String> {
        let who = launches::group_role(&self.world, place.0, place.1, group);
        planned::check(&self.world, place, plan, &who, at)?;
        let image = plan.image.clone()?;
        let found = self.world.region(place.0, place.1);
        let old = found.and_then(|r| r.consumers.instances.get(id)).cloned();
        let keeps = strategy == "ReplaceRootVolume";
        let new = if keeps {
            id.to_owned()
        } else {
            format!("i-{}", self.hex(17))
        };
        if keeps {
            if let Some(old) = old {
                let image = image.clone();
                self.put_instance(place, Instance { image, ..old }, at);
            }
        } else {
            self.join(place, group, &new, plan, image.clone(), at);
            self.retire(place, old, at);
        }
        for one in group.instances.iter_mut().filter(|i| i.id == id) {
            one.id.clone_from(&new);
            one.launch_template.clone_from(&plan.template);
            one.launch_configuration.clone_from(&plan.configuration);
            one.image = Some(image.clone());
        }
        Ok(new)
    }

    fn join(
        &mut self,
        place: Place<'_>,
        group: &AutoScalingGroup,
        id: &str,
        plan: &Planned,
        image: String,
        at: SimTime,
    ) {
        let mut tags = group.tags.clone();
        tags.retain(|key, _| !group.own_tags.contains(key));
        tags.insert("aws:autoscaling:groupName".to_owned(), group.name.clone());
        let instance = Instance {
            id: id.to_owned(),
            image,
            instance_type: plan.instance_type.clone().unwrap_or_else(|| "t3.micro".to_owned()),
            tags,
            ..Instance::default()
        };
        let starting = Starting {
            who: launches::group_role(&self.world, place.0, place.1, group),
            devices: plan.devices.clone(),
            lacks: None,
        };
        self.launch(place, instance, starting, at);
    }

    fn retire(&mut self, place: Place<'_>, old: Option<Instance>, at: SimTime) {
        let Some(old) = old.filter(Instance::is_there) else {
            return;
        };
        let event = Event::Instance {
            account: place.0.to_owned(),
            region: place.1.to_owned(),
            id: old.id.clone(),
            to: "terminated",
        };
        let seconds = self.settings.launches.shutdown_seconds.max(0.0);
        self.events.insert((at.plus_seconds(seconds), event));
        let state = "shutting-down".to_owned();
        self.put_instance(place, Instance { state, ..old }, at);
    }

    /// All instances are replaced: the group launches by what was desired from now on.
    fn finish_refresh(&mut self, place: Place<'_>, mut refresh: InstanceRefresh, at: SimTime) {
        if refresh.rollback.is_some() {
            return self.end_refresh(place, refresh, "RollbackSuccessful", at);
        }
        match refresh.number("BakeTime") {
            Some(seconds) if seconds > 0 => {
                "Baking".clone_into(&mut refresh.status);
                let id = refresh.id.clone();
                self.put_refresh(place, refresh);
                self.refresh_later(place, &id, at.plus_seconds(seconds_of(seconds)));
            }
            _ => self.end_refresh(place, refresh, "Successful", at),
        }
    }

    fn fail_refresh(&mut self, place: Place<'_>, refresh: InstanceRefresh, at: SimTime) {
        if refresh.rollback.is_some() {
            return self.end_refresh(place, refresh, "RollbackFailed", at);
        }
        if refresh.flag("AutoRollback") {
            let why = refresh.reason.clone().unwrap_or_default();
            return self.roll_back(place, refresh, &why, at);
        }
        self.end_refresh(place, refresh, "Failed", at);
    }

    /// Turns a refresh round: what was replaced is replaced again, by what the group launched by before.
    pub(crate) fn roll_back(&mut self, place: Place<'_>, mut refresh: InstanceRefresh, why: &str, at: SimTime) {
        "RollbackInProgress".clone_into(&mut refresh.status);
        refresh.reason = Some(why.to_owned());
        refresh.rollback = Some((why.to_owned(), at));
        refresh.left = std::mem::take(&mut refresh.replaced);
        let id = refresh.id.clone();
        let seconds = self.settings.launches.refresh_seconds.max(0.0);
        self.put_refresh(place, refresh);
        self.refresh_later(place, &id, at.plus_seconds(seconds));
    }

    fn end_refresh(&mut self, place: Place<'_>, mut refresh: InstanceRefresh, status: &str, at: SimTime) {
        status.clone_into(&mut refresh.status);
        refresh.ended = Some(at);
        let region = self.world.region(place.0, place.1);
        let group = region
            .and_then(|r| r.consumers.auto_scaling_groups.get(&refresh.group))
            .cloned();
        if let (Some(by), Some(mut group), "Successful") = (&refresh.desired, group, status) {
            by.apply(&mut group);
            self.put_group(place, group, at);
        }
        self.put_refresh(place, refresh);
    }
}

/// How many instances are replaced at once: what may be missing of the group, and one at least.
fn batch(refresh: &InstanceRefresh, group: &AutoScalingGroup) -> usize {
    let least = refresh.number("MinHealthyPercentage").unwrap_or(90).min(100);
    let spare = group.instances.len() * usize::try_from(100 - least).unwrap_or(0) / 100;
    let mut most = spare.max(1);
    // A checkpoint is not overrun.
    let all = refresh.left.len() + refresh.replaced.len();
    let points = refresh.checkpoint_percentages();
    if let Some(next) = points.get(refresh.checkpoints).filter(|_| refresh.rollback.is_none()) {
        let until = (all * next).div_ceil(100);
        most = most.min(until.saturating_sub(refresh.replaced.len()).max(1));
    }
    most.min(refresh.left.len())
}

#[allow(clippy::cast_precision_loss)]
const fn seconds_of(number: u64) -> f64 {
    number as f64
}
