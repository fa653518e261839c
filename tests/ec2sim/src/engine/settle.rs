//! What happens by itself as time goes by: snapshots complete, copies become available or fail, effects that were
//! put off happen.

use super::dispatch::run;
use super::{Event, State};
use crate::clock::SimTime;
use crate::launching;
use crate::model::{CopyJob, ImageState, Parameter, ParameterVersion, SnapshotState};
use crate::spec::{FailedCopies, is_resource_id};

impl State {
    /// Lets everything happen that is due, in order of time.
    pub(crate) fn settle(&mut self, now: SimTime) {
        loop {
            let event = self.events.first().map(|(at, _)| *at);
            let deferred = self
                .deferred
                .iter()
                .enumerate()
                .min_by_key(|(_, (at, request))| (*at, request.seq))
                .map(|(i, (at, _))| (*at, i));
            match (event, deferred) {
                (Some(at), _) if at <= now && deferred.is_none_or(|(d, _)| at <= d) => {
                    if let Some((at, event)) = self.events.pop_first() {
                        self.happen(&event, at);
                    }
                }
                (_, Some((at, i))) if at <= now => {
                    let (_, mut request) = self.deferred.remove(i);
                    request.now = at;
                    let outcome = run(self, &request);
                    let index = usize::try_from(request.seq - 1).unwrap_or(usize::MAX);
                    if let Some(call) = self.journal.get_mut(index) {
                        call.effect_time = Some(at);
                        if let Ok(done) = outcome {
                            call.effect = done.effect;
                            call.effects = done.effects;
                        }
                    }
                }
                _ => return,
            }
        }
    }

    /// Lets all that copies wait for happen now, in its order. Says how much that was.
    pub(crate) fn finish_copies(&mut self, now: SimTime) -> usize {
        let all = std::mem::take(&mut self.events);
        let (events, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(_, event)| event.is_of_copy());
        self.events.extend(others);
        events.iter().for_each(|(_, event)| self.happen(event, now));
        events.len()
    }

    fn happen(&mut self, event: &Event, at: SimTime) {
        match event {
            Event::Snapshot { account, region, id } => self.finish_snapshot(account, region, id),
            Event::Image { account, region, id } => self.finish_image(account, region, id, at),
            Event::Parameter {
                account,
                region,
                name,
                number,
            } => self.finish_parameter((account, region), name, *number, at),
            Event::Instance {
                account,
                region,
                id,
                to,
            } => self.finish_instance((account, region), id, to, at),
            Event::Refresh { account, region, id } => self.step_refresh((account, region), id, at),
            Event::Scan { account, region, id } => self.inspect((account, region), id, at),
            Event::OnDemandScan { account, region, id } => self.finish_on_demand((account, region), id, at),
            Event::OnDemandResult { account, region, id } => self.show_on_demand((account, region), id),
            Event::Setting {
                account,
                region,
                setting,
            } => self.show_setting((account, region), *setting, at),
            Event::Delivery {
                account,
                region,
                queue,
                body,
            } => self.deliver((account, region, queue), body, at),
        }
    }

    /// A parameter of images gets its new version, or nothing happens when the image can not be launched.
    fn finish_parameter(&mut self, (account, region): (&str, &str), name: &str, number: u64, at: SimTime) {
        let found = self.validations.iter().position(|v| {
            v.account == account && v.region == region && v.parameter.name == name && v.version.number == number
        });
        let Some(validation) = found.map(|i| self.validations.remove(i)) else {
            return;
        };
        let id = &validation.version.value;
        let fits = is_resource_id("ami", id) && launching::refusal((&self.world, account, region), id, at).is_none();
        let place = self.world.region(account, region);
        let current = place.and_then(|r| r.consumers.parameters.get(name));
        let overtaken = current.and_then(Parameter::latest).is_some_and(|v| v.number >= number);
        let gone = current.is_none() && !validation.parameter.versions.is_empty();
        let operation = if validation.parameter.versions.is_empty() {
            "Create"
        } else {
            "Update"
        };
        if !fits || !validation.may_look {
            let why = Some("Unable to Describe Resource");
            self.parameter_event((account, region), &validation.parameter, (operation, why), at);
            return;
        }
        if overtaken || gone {
            return;
        }
        let mut after = validation.parameter;
        // Labels and tags may have changed while it was looked at.
        if let Some(current) = current {
            let kept = |v: &ParameterVersion| after.versions.iter().any(|one| one.number == v.number);
            let known = after.versions.last().map_or(0, |v| v.number);
            let versions = current.versions.iter().filter(|v| v.number > known || kept(v));
            after.versions = versions.cloned().collect();
            after.tags.clone_from(&current.tags);
        }
        after.versions.push(validation.version);
        self.parameter_event((account, region), &after, (operation, None), at);
        let longest = self.settings.consistency.consumer_seconds;
        let visible_at = self.visible_at(at, longest);
        if let Some(region) = self.world.region_mut(account, region) {
            region.consumers.parameters.put(name, after, at, visible_at);
        }
    }

    fn finish_snapshot(&mut self, account: &str, region: &str, id: &str) {
        let Some(snapshot) = self.world.region(account, region).and_then(|r| r.snapshots.get(id)) else {
            return;
        };
        if !snapshot.exists() || snapshot.state != SnapshotState::Pending {
            return;
        }
        let job = snapshot.job.clone();
        let failure = job.as_ref().and_then(|job| self.key_failure(account, region, job));
        let arn = job.as_ref().and_then(|job| {
            let reference = job.key.as_deref()?;
            Some(self.world.key(account, region, reference)?.arn.clone())
        });
        if let Some(snapshot) = self
            .world
            .region_mut(account, region)
            .and_then(|r| r.snapshots.get_mut(id))
        {
            snapshot.job = None;
            match failure {
                None => {
                    snapshot.state = SnapshotState::Completed;
                    if snapshot.key_arn.is_none() {
                        snapshot.key_arn = arn;
                    }
                }
                Some(message) => {
                    snapshot.state = SnapshotState::Error;
                    snapshot.state_message = Some(message);
                }
            }
        }
    }

    /// Why a copy fails now, by its own key or its source's.
    fn key_failure(&self, account: &str, region: &str, job: &CopyJob) -> Option<String> {
        let inaccessible = || Some("Given key ID is not accessible".to_owned());
        if let Some((source_region, arn)) = &job.source_key {
            match self.world.key(account, source_region, arn) {
                Some(key) if key.permits(&job.principals) => {
                    if let Some(why) = key.unusable() {
                        return Some(why);
                    }
                }
                _ => return inaccessible(),
            }
        }
        let reference = job.key.as_deref()?;
        match self.world.key(account, region, reference) {
            None => Some("Given key ID is not accessible. You must have DescribeKey permissions on the key".to_owned()),
            Some(key) if !key.permits(&job.principals) => inaccessible(),
            Some(_) if job.lacks.is_some() => inaccessible(),
            Some(key) => key.unusable(),
        }
    }

    fn finish_image(&mut self, account: &str, region: &str, id: &str, at: SimTime) {
        let vanish = self.settings.copies.failed == FailedCopies::Vanish;
        let Some(place) = self.world.region_mut(account, region) else {
            return;
        };
        let Some(image) = place.images.get_mut(id) else {
            return;
        };
        if !image.exists() || image.state != ImageState::Pending {
            return;
        }
        let failure = image
            .snapshot_ids()
            .filter_map(|s| place.snapshots.get(s))
            .find(|s| s.state == SnapshotState::Error)
            .map(|s| s.state_message.clone().unwrap_or_default());
        match failure {
            None => {
                image.state = ImageState::Available;
                self.inspector_finds((account, region), id, at);
                self.image_event((account, region), id, ("available", ""), at);
            }
            Some(message) => {
                image.state = ImageState::Failed;
                image.state_reason = Some(("Client.InternalError".to_owned(), message.clone()));
                if vanish {
                    image.gone_at = Some(at);
                }
                self.image_event((account, region), id, ("failed", &message), at);
            }
        }
    }
}
