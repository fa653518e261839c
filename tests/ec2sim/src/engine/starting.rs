//! Instances on their way: from pending to running or, when a key can not be used, to terminated; and to their end.

use super::{Event, State};
use crate::clock::SimTime;
use crate::launching::{self, Who};
use crate::model::{Instance, TemplateDevice};

/// How an instance is launched that is pending.
#[derive(Clone, Debug)]
pub(crate) struct Starting {
    pub(crate) who: Who,
    /// The mappings that are laid over the image's.
    pub(crate) devices: Vec<TemplateDevice>,
    /// An action on a key that the caller needs and may not do.
    pub(crate) lacks: Option<String>,
}

impl State {
    /// Puts an instance in the place of what has its ID.
    pub(crate) fn put_instance(&mut self, (account, region): (&str, &str), instance: Instance, now: SimTime) {
        let longest = self.settings.consistency.consumer_seconds;
        let visible_at = self.visible_at(now, longest);
        let id = instance.id.clone();
        if let Some(region) = self.world.region_mut(account, region) {
            region.consumers.instances.put(&id, instance, now, visible_at);
        }
    }

    /// Begins to launch an instance.
    pub(crate) fn launch(&mut self, place: (&str, &str), instance: Instance, starting: Starting, now: SimTime) {
        let seconds = self.settings.launches.pending_seconds.max(0.0);
        let event = Event::Instance {
            account: place.0.to_owned(),
            region: place.1.to_owned(),
            id: instance.id.clone(),
            to: "running",
        };
        self.events.insert((now.plus_seconds(seconds), event));
        self.starting.insert(instance.id.clone(), starting);
        let instance = Instance {
            state: "pending".to_owned(),
            launch_time: Some(now),
            ..instance
        };
        self.note_launch(&instance, now);
        self.put_instance(place, instance, now);
    }

    /// A launch shows in its image some time later.
    pub(crate) fn note_launch(&mut self, instance: &Instance, now: SimTime) {
        let longest = self.settings.consumers.last_launched_seconds;
        let shows_at = self.visible_at(now, longest);
        let Some(image) = self.world.image_anywhere_mut(&instance.image) else {
            return;
        };
        if instance.launch_time > *image.last_launched_time.current() {
            image.last_launched_time.set(instance.launch_time, now, shows_at);
        }
    }

    /// A pending instance runs or fails, and one that shuts down is terminated.
    pub(super) fn finish_instance(&mut self, (account, region): (&str, &str), id: &str, to: &str, at: SimTime) {
        let found = self.world.region(account, region);
        let found = found.and_then(|r| r.consumers.instances.get(id)).cloned();
        let Some(mut instance) = found else {
            return;
        };
        match (to, instance.state.as_str()) {
            ("running", "pending") => match self
                .starting
                .remove(id)
                .and_then(|s| self.failure(account, region, &instance, &s))
            {
                None => {
                    instance.state = "running".to_owned();
                    instance.running_since = Some(at);
                }
                Some(_) => {
                    instance.state = "terminated".to_owned();
                    instance.terminated_at = Some(at);
                    instance.state_reason = Some("Client.InternalError: Client error on launch".to_owned());
                }
            },
            ("terminated", "shutting-down") => {
                self.starting.remove(id);
                instance.state = "terminated".to_owned();
                instance.terminated_at = Some(at);
            }
            _ => return,
        }
        self.put_instance((account, region), instance, at);
    }

    /// Why an instance does not come up.
    fn failure(&self, account: &str, region: &str, instance: &Instance, starting: &Starting) -> Option<String> {
        let place = (&self.world, account, region);
        let image = self.world.image(region, &instance.image)?;
        let failure = launching::key_failure(place, image, &starting.devices, &starting.who);
        failure.or_else(|| starting.lacks.clone())
    }
}
