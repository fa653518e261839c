//! Whether a copy is proven, and what comes next where no instance is under way.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::again::{Again, Past};
use super::{fit, mark};
use crate::api::conditions::reason;
use crate::api::{LaunchResult, LaunchSettings, LaunchState, LaunchStatus};
use crate::domain::Image;
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::Problem;

/// What is to be proven, and how.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Of which copy that is.
    pub of: &'a CopyIdentity,
    /// The original. What it can be launched on, the copy is to be launched on too, once it is published.
    pub source: &'a Image,
    /// The copy.
    pub copy: &'a Image,
    /// How it is launched.
    pub settings: &'a LaunchSettings,
    /// How often it is tried.
    pub max_attempts: u32,
    /// The value of the annotation `amiseal.dev/retry`, as far as a status has room for it.
    pub retry: Option<&'a str>,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict<T = LaunchStatus> {
    /// The copy is proven.
    Proven,
    /// A person has to act; where there is a time, it is tried once more by itself.
    Stalled(Problem, Option<Duration>),
    /// It has failed, and is tried once more after that.
    Failed(String, Duration),
    /// This is to be launched or made, once it is on record.
    Begin(Box<T>),
}

/// Decides what comes next, where nothing is under way.
pub fn decide(wanted: Wanted<'_>, record: Option<&LaunchStatus>, now: Timestamp) -> Verdict {
    let of_copy = record.filter(|launch| launch.image_id == wanted.copy.id.as_str());
    let same = of_copy.filter(|launch| is_as_asked(launch, wanted.settings));
    if same.is_some_and(|launch| launch.state == LaunchState::Ended && launch.result == Some(LaunchResult::Passed)) {
        return Verdict::Proven;
    }
    let instance_type = &wanted.settings.instance_type;
    let problem = fit::problem(wanted.copy, instance_type).or_else(|| fit::problem(wanted.source, instance_type));
    if let Some(problem) = problem {
        return Verdict::Stalled(problem, None);
    }
    let before = of_copy.map_or(0, |launch| launch.attempt);
    let Some(launch) = same else {
        return wanted.begin(before.saturating_add(1), 0, now);
    };
    let past = Past {
        // AWS has launched nothing by it: the token is as good as new.
        refused: (launch.state == LaunchState::Refused).then_some(reason::LAUNCH_REFUSED),
        result: launch.result,
        failures: launch.failures,
        message: launch.message.as_deref(),
        time: launch.time.as_ref(),
        observed_retry: launch.observed_retry.as_deref(),
    };
    match past.next(wanted.max_attempts, wanted.retry, now) {
        Again::Same => wanted.begin(launch.attempt, launch.failures, now),
        Again::Anew(failures) => wanted.begin(before.saturating_add(1), failures, now),
        Again::Stalled(problem, wait) => Verdict::Stalled(problem, wait),
        Again::Failed(message, wait) => Verdict::Failed(message, wait),
    }
}

/// Whether a launch is as the settings say now.
pub fn is_as_asked(launch: &LaunchStatus, settings: &LaunchSettings) -> bool {
    let place = |kind: &str, subnet: &str, groups: &[String]| {
        launch.instance_type == kind && launch.subnet_id == subnet && launch.security_group_ids == groups
    };
    place(
        &settings.instance_type,
        &settings.subnet_id,
        &settings.security_group_ids,
    ) && launch.timeout_seconds == seconds(settings)
}

fn seconds(settings: &LaunchSettings) -> u32 {
    u32::try_from(settings.timeout.as_std().as_secs()).unwrap_or(u32::MAX)
}

impl Wanted<'_> {
    fn begin(&self, attempt: u32, failures: u32, now: Timestamp) -> Verdict {
        let settings = self.settings;
        let mut launch = LaunchStatus {
            state: LaunchState::Launching,
            image_id: self.copy.id.to_string(),
            attempt,
            failures,
            client_token: String::new(),
            instance_type: settings.instance_type.clone(),
            subnet_id: settings.subnet_id.clone(),
            security_group_ids: settings.security_group_ids.clone(),
            timeout_seconds: seconds(settings),
            instance_id: None,
            result: None,
            message: None,
            requested_at: Some(Time(now)),
            time: Some(Time(now)),
            observed_retry: self.retry.map(str::to_owned),
        };
        launch.client_token = mark::token(&self.of.scope, &self.of.source, &launch);
        Verdict::Begin(Box::new(launch))
    }
}
