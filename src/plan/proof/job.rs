//! Proving a copy by a Job of the user's own, which is made from a suspended CronJob.
//!
//! The Job is on record before it is created, under a name that is made of nothing else than what is on record. So whoever comes next
//! creates the same one, and finds it there where that was done before.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use super::again::{Again, Past, asks_for_retry};
use super::{LOOK_AGAIN, MARGIN, MESSAGE, Verdict, passed};
use crate::api::conditions::{cut, reason};
use crate::api::{AMIMigrationStatus, JobSettings, JobState, JobStatus, LaunchResult};
use crate::domain::ImageId;

/// How often a Job may be deleted before it has ended, until a person has to act.
const MAX_LOSSES: u32 = 3;

/// What is to be proven, and how.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The UID of the migration.
    pub uid: &'a str,
    /// The copy.
    pub copy: &'a ImageId,
    /// Which Job it has to pass.
    pub settings: &'a JobSettings,
    /// How often it is tried.
    pub max_attempts: u32,
    /// The value of the annotation `amiseal.dev/retry`, as far as a status has room for it.
    pub retry: Option<&'a str>,
}

/// What a Job is seen to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobNow {
    /// It is not there, or another one has its name.
    Gone,
    /// It has not ended.
    Unfinished,
    /// It has completed.
    Complete,
    /// It has failed, which the API server explains so.
    Failed(String),
}

/// What comes next for a Job that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Read it.
    Ask,
    /// Create it as it is on record.
    Create,
    /// Delete it.
    Delete,
    /// Look again then.
    Later(Duration),
    /// This is to be on record.
    Record(Box<JobStatus>),
}

/// Decides what comes next, where nothing is under way.
pub fn decide(wanted: Wanted<'_>, record: Option<&JobStatus>, now: Timestamp) -> Verdict<JobStatus> {
    let of_copy = record.filter(|job| job.image_id == wanted.copy.as_str());
    let before = of_copy.map_or(0, |job| job.attempt);
    let next = before.saturating_add(1);
    let Some(job) = of_copy.filter(|job| is_as_asked(job, wanted.settings)) else {
        return wanted.begin(next, (0, 0), now);
    };
    let past = Past {
        refused: (job.state == JobState::Refused).then_some(reason::JOB_REFUSED),
        result: job.result,
        failures: job.failures,
        message: job.message.as_deref(),
        time: job.time.as_ref(),
        observed_retry: job.observed_retry.as_deref(),
    };
    let is_asked = past.is_asked(wanted.retry);
    let losses = if is_asked { 0 } else { job.losses };
    match (job.state, job.result) {
        (JobState::Ended, Some(LaunchResult::Passed)) => return Verdict::Proven,
        (JobState::Ended, Some(LaunchResult::Abandoned)) if losses >= MAX_LOSSES => {
            let message = format!(
                "The Job was deleted {losses} times before it had ended, at last {}: see who deletes it.",
                job.name
            );
            return Verdict::Stalled(asks_for_retry(&message), None);
        }
        _ => {}
    }
    match past.next(wanted.max_attempts, wanted.retry, now) {
        // Nothing was created by it: the name is as good as new.
        Again::Same => wanted.begin(job.attempt, (job.failures, losses), now),
        Again::Anew(failures) => wanted.begin(next, (failures, losses), now),
        Again::Stalled(problem, wait) => Verdict::Stalled(problem, wait),
        Again::Failed(message, wait) => Verdict::Failed(message, wait),
    }
}

/// Whether a Job is as the settings say now.
pub fn is_as_asked(job: &JobStatus, settings: &JobSettings) -> bool {
    job.cron_job == settings.cron_job && job.timeout_seconds == seconds(settings)
}

fn seconds(settings: &JobSettings) -> u32 {
    u32::try_from(settings.timeout.as_std().as_secs()).unwrap_or(u32::MAX)
}

impl Wanted<'_> {
    /// Another attempt, before which there were so many failures and losses.
    fn begin(&self, attempt: u32, (failures, losses): (u32, u32), now: Timestamp) -> Verdict<JobStatus> {
        let job = JobStatus {
            state: JobState::Creating,
            image_id: self.copy.to_string(),
            attempt,
            failures,
            losses,
            name: name(self.uid, self.copy, attempt, self.settings),
            uid: None,
            cron_job: self.settings.cron_job.clone(),
            timeout_seconds: seconds(self.settings),
            result: None,
            message: None,
            requested_at: Some(Time(now)),
            time: Some(Time(now)),
            observed_retry: self.retry.map(str::to_owned),
        };
        Verdict::Begin(Box::new(job))
    }
}

/// The Job's name: the same for everybody who would create it, now or after a crash, and another one for other settings, also where the
/// count of attempts begins anew. It has at most 51 characters.
fn name(uid: &str, copy: &ImageId, attempt: u32, settings: &JobSettings) -> String {
    let mut hash = Sha256::new();
    let (attempts, timeout) = (attempt.to_string(), seconds(settings).to_string());
    for part in [
        "validation-job",
        uid,
        copy.as_str(),
        &attempts,
        &settings.cron_job,
        &timeout,
    ] {
        hash.update(part);
        hash.update([0]);
    }
    format!("amiseal-{copy}-{attempt}-{}", &hex::encode(hash.finalize())[..10])
}

/// Whether a Job may be there that is not seen to have ended.
pub fn is_under_way(job: &JobStatus) -> bool {
    match job.state {
        JobState::Creating | JobState::Running | JobState::Ending => true,
        JobState::Refused | JobState::Ended => false,
    }
}

/// The Job on record that is under way.
pub fn under_way(status: &AMIMigrationStatus) -> Option<&JobStatus> {
    let job = status.validation.as_ref()?.job.as_ref()?;
    is_under_way(job).then_some(job)
}

/// Decides what comes next for a Job that is under way. `seen` is what the API server shows of it just now.
pub fn follow(job: &JobStatus, is_wanted: bool, seen: Option<&JobNow>, now: Timestamp) -> Next {
    match job.state {
        JobState::Creating | JobState::Running if !is_wanted => {
            let message = "The proof is not asked for any more as it was begun.";
            record(ending(job, JobState::Ending, LaunchResult::Abandoned, message, now))
        }
        JobState::Creating => Next::Create,
        JobState::Running => check(job, seen, now),
        // Kubernetes has ended it by now, whether or not it may be deleted.
        JobState::Ending if is_late(job, now) => record(deleted(job, now)),
        JobState::Ending => Next::Delete,
        JobState::Refused | JobState::Ended => Next::Later(LOOK_AGAIN),
    }
}

/// Waits for its end.
fn check(job: &JobStatus, seen: Option<&JobNow>, now: Timestamp) -> Next {
    let name = &job.name;
    let ended = |result, message: &str| ending(job, JobState::Ended, result, message, now);
    match seen {
        None => Next::Ask,
        Some(JobNow::Complete) => record(ended(LaunchResult::Passed, "The Job has completed.")),
        Some(JobNow::Failed(why)) => {
            let message = format!("The Job {name} has failed ({why}): see the logs of its Pods.");
            record(ended(LaunchResult::Failed, &message))
        }
        Some(JobNow::Gone) => {
            let message = format!("The Job {name} was deleted before it had ended.");
            record(JobStatus {
                losses: job.losses.saturating_add(1),
                ..ended(LaunchResult::Abandoned, &message)
            })
        }
        Some(JobNow::Unfinished) if is_late(job, now) => {
            let minutes = job.timeout_seconds.div_ceil(60);
            let message = format!(
                "The Job {name} has not ended within {minutes} minutes: see whether it is suspended and its Pods can run, or raise \
                 validation.job.timeout."
            );
            record(ending(job, JobState::Ending, LaunchResult::Failed, &message, now))
        }
        Some(JobNow::Unfinished) => Next::Later(LOOK_AGAIN),
    }
}

/// Whether a Job has outlived its time: Kubernetes ends those that have started, and not those that never have.
pub fn is_late(job: &JobStatus, now: Timestamp) -> bool {
    let timeout = Duration::from_secs(job.timeout_seconds.into());
    passed(job.requested_at.as_ref(), now, timeout + MARGIN)
}

fn record(job: JobStatus) -> Next {
    Next::Record(Box::new(job))
}

/// It is there, with this UID.
pub fn created(job: &JobStatus, uid: &str, now: Timestamp) -> JobStatus {
    JobStatus {
        uid: Some(uid.to_owned()),
        requested_at: Some(Time(now)),
        ..in_state(job, JobState::Running, now)
    }
}

/// It cannot be created.
pub fn refused(job: &JobStatus, message: &str, now: Timestamp) -> JobStatus {
    JobStatus {
        message: Some(cut(message, MESSAGE)),
        ..in_state(job, JobState::Refused, now)
    }
}

/// It is deleted, or was not there.
pub fn deleted(job: &JobStatus, now: Timestamp) -> JobStatus {
    in_state(job, JobState::Ended, now)
}

fn in_state(job: &JobStatus, state: JobState, now: Timestamp) -> JobStatus {
    JobStatus {
        state,
        time: Some(Time(now)),
        ..job.clone()
    }
}

/// It has come to this.
fn ending(job: &JobStatus, state: JobState, result: LaunchResult, message: &str, now: Timestamp) -> JobStatus {
    let failed = u32::from(result == LaunchResult::Failed);
    JobStatus {
        result: Some(result),
        message: Some(cut(message, MESSAGE)),
        failures: job.failures.saturating_add(failed),
        ..in_state(job, state, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Duration as Length;
    use crate::plan::testing::{at, image_id};

    const BEGAN: i64 = 10_000;
    const UID: &str = "5d9a1d3f-8e0b-4b0a-9c7e-0a1b2c3d4e5f";

    fn settings() -> JobSettings {
        JobSettings {
            cron_job: "scan-image".to_owned(),
            timeout: Length::from_mins(60),
            max_concurrent: 1,
        }
    }

    fn decided(
        record: Option<&JobStatus>,
        settings: &JobSettings,
        retry: Option<&str>,
        now: i64,
    ) -> Verdict<JobStatus> {
        let copy = image_id(7);
        let wanted = Wanted {
            uid: UID,
            copy: &copy,
            settings,
            max_attempts: 2,
            retry,
        };
        decide(wanted, record, at(now))
    }

    fn announced() -> JobStatus {
        match decided(None, &settings(), None, BEGAN) {
            Verdict::Begin(job) => *job,
            other => panic!("{other:?}"),
        }
    }

    fn running() -> JobStatus {
        created(&announced(), "uid", at(BEGAN))
    }

    fn ended(result: LaunchResult, failures: u32, losses: u32) -> JobStatus {
        JobStatus {
            state: JobState::Ended,
            result: Some(result),
            failures,
            losses,
            message: Some("It has failed.".to_owned()),
            ..running()
        }
    }

    #[test]
    fn a_job_is_on_record_before_it_is_made_under_a_name_that_whoever_comes_next_gives_it_too() {
        let job = announced();
        assert_eq!((job.state, job.attempt, job.failures), (JobState::Creating, 1, 0));
        assert_eq!(follow(&job, true, None, at(BEGAN + 99_999)), Next::Create);
        let Verdict::Begin(again) = decided(None, &settings(), None, BEGAN + 50) else {
            panic!()
        };
        assert_eq!(again.name, job.name);
        let other = JobSettings {
            cron_job: "another".to_owned(),
            ..settings()
        };
        let others = [
            name("another", &image_id(7), 1, &settings()),
            name(UID, &image_id(8), 1, &settings()),
            name(UID, &image_id(7), 2, &settings()),
            name(UID, &image_id(7), 1, &other),
        ];
        assert!(!others.contains(&job.name), "{others:?}");
        let longest = name(UID, &image_id(7), u32::MAX, &settings());
        assert!(longest.len() <= 63, "{longest}");
    }

    #[test]
    fn a_job_is_waited_for_until_it_has_ended_or_its_time_is_over() {
        let limit = 3600 + 300;
        let failed = JobNow::Failed("BackoffLimitExceeded: Job has reached the specified backoff limit".to_owned());
        let (passes, fails, lost) = (LaunchResult::Passed, LaunchResult::Failed, LaunchResult::Abandoned);
        // What is seen, after how many seconds, and what that comes to: the state, the result, and a part of the sentence.
        let table = [
            (JobNow::Unfinished, 0, None),
            (JobNow::Unfinished, limit - 1, None),
            (
                JobNow::Unfinished,
                limit,
                Some((JobState::Ending, fails, "not ended within 60 minutes")),
            ),
            (
                JobNow::Complete,
                limit + 1,
                Some((JobState::Ended, passes, "has completed")),
            ),
            (
                failed,
                0,
                Some((JobState::Ended, fails, "BackoffLimitExceeded: Job has")),
            ),
            (JobNow::Gone, 0, Some((JobState::Ended, lost, "was deleted before"))),
        ];
        assert_eq!(follow(&running(), true, None, at(BEGAN)), Next::Ask);
        for (seen, after, expected) in table {
            let next = follow(&running(), true, Some(&seen), at(BEGAN + after));
            match (expected, next) {
                (None, next) => assert_eq!(next, Next::Later(LOOK_AGAIN), "{seen:?} {after}"),
                (Some((state, result, words)), Next::Record(job)) => {
                    assert_eq!((job.state, job.result), (state, Some(result)), "{seen:?} {after}");
                    let said = job.message.unwrap_or_default();
                    assert!(said.contains(words), "{said}");
                    assert_eq!(job.failures, u32::from(result == fails), "{seen:?}");
                    assert_eq!(job.losses, u32::from(result == lost), "{seen:?}");
                }
                (expected, next) => panic!("{seen:?} {after}: {expected:?}, but {next:?}"),
            }
        }
    }

    #[test]
    fn what_is_not_wanted_any_more_is_deleted_and_counts_as_no_failure() {
        for job in [announced(), running()] {
            let Next::Record(ending) = follow(&job, false, Some(&JobNow::Complete), at(BEGAN)) else {
                panic!("{job:?}")
            };
            assert_eq!(
                (ending.state, ending.result, ending.failures, ending.losses),
                (JobState::Ending, Some(LaunchResult::Abandoned), 0, 0)
            );
            assert_eq!(follow(&ending, true, None, at(BEGAN)), Next::Delete);
            // It may not be deleted, and its own deadline has ended it.
            let late = follow(&ending, true, None, at(BEGAN + 99_999));
            assert_eq!(late, Next::Record(Box::new(deleted(&ending, at(BEGAN + 99_999)))));
            assert!(is_under_way(&ending));
            assert!(!is_under_way(&deleted(&ending, at(BEGAN))));
        }
    }

    #[test]
    fn a_copy_is_tried_so_often_and_again_when_somebody_asks_or_the_settings_change() {
        let other = JobSettings {
            cron_job: "smoke-test".to_owned(),
            ..settings()
        };
        let (failed, lost) = (LaunchResult::Failed, LaunchResult::Abandoned);
        let begins = |verdict: Verdict<JobStatus>| match verdict {
            Verdict::Begin(job) => Some((job.attempt, job.failures, job.losses)),
            _ => None,
        };
        let refused = refused(&announced(), "There is no CronJob.", at(BEGAN));
        // What is on record, whether other settings hold, the annotation, after how many seconds, and what begins.
        let table = [
            (ended(failed, 1, 0), false, None, 119, None),
            (ended(failed, 1, 0), false, None, 120, Some((2, 1, 0))),
            (ended(failed, 2, 1), false, None, 99_999, None),
            (ended(failed, 2, 1), false, Some("1"), 0, Some((2, 0, 0))),
            (ended(failed, 2, 1), true, None, 0, Some((2, 0, 0))),
            (ended(LaunchResult::Passed, 0, 0), true, None, 0, Some((2, 0, 0))),
            (ended(lost, 1, 2), false, None, 0, Some((2, 1, 2))),
            (ended(lost, 1, 3), false, None, 99_999, None),
            (ended(lost, 1, 3), false, Some("1"), 0, Some((2, 1, 0))),
            (refused.clone(), false, None, 599, None),
            (refused.clone(), false, None, 600, Some((1, 0, 0))),
            (refused.clone(), false, Some("1"), 0, Some((1, 0, 0))),
        ];
        for (job, is_other, retry, after, expected) in table {
            let settings = if is_other { other.clone() } else { settings() };
            let verdict = decided(Some(&job), &settings, retry, BEGAN + after);
            assert_eq!(begins(verdict), expected, "{job:?} {is_other} {retry:?} {after}");
        }
        let stalls = |job: &JobStatus| match decided(Some(job), &settings(), None, BEGAN + 1) {
            Verdict::Stalled(problem, wait) => (problem.reason, problem.message, wait),
            other => panic!("{other:?}"),
        };
        for job in [ended(failed, 2, 0), ended(lost, 0, 3)] {
            let (why, message, wait) = stalls(&job);
            assert_eq!((why, wait), (reason::VALIDATION_FAILED, None));
            assert!(message.contains("amiseal.dev/retry"), "{message}");
        }
        let (why, message, wait) = stalls(&refused);
        assert_eq!((why, wait), (reason::JOB_REFUSED, Some(Duration::from_secs(599))));
        assert_eq!(message, "There is no CronJob.");
        assert!(!is_under_way(&refused), "others may go on");
        let passed = ended(LaunchResult::Passed, 0, 0);
        assert_eq!(decided(Some(&passed), &settings(), None, BEGAN), Verdict::Proven);
        assert_eq!(
            decided(Some(&passed), &settings(), Some("1"), BEGAN),
            Verdict::Proven,
            "a person asks for what has failed"
        );
    }
}
