//! When consumers may be moved, and when so many moves have failed that a person has to look first.

use std::time::Duration;

use cronexpr::MakeTimestamp;
use jiff::Timestamp;

use super::row::is_put_off;
use crate::api::conditions::reason;
use crate::api::{AMIMigrationStatus, ConsumerState, MovedConsumer, PromotionSchedule, PromotionSettings};
use crate::plan::obstacle::Problem;

/// It is looked at least so often whether a window has begun: the clock may have been set.
pub(super) const LOOK_AT_LEAST: Duration = Duration::from_secs(3600);

/// Whether consumers may be moved by the time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    /// They may.
    Open,
    /// They may not before so long has passed.
    Closed { opens_in: Duration },
}

/// Whether this time is in a window of the schedule.
pub(super) fn window(schedule: Option<&PromotionSchedule>, time: Timestamp) -> Result<Window, Problem> {
    let Some(schedule) = schedule else {
        return Ok(Window::Open);
    };
    let wrong = |what: &str, error: &str| {
        let message = format!("promotion.schedule.{what} ({error}): correct it, and moving goes on.");
        Problem::new(reason::INVALID_SCHEDULE, message)
    };
    let (cron, zone) = (&schedule.cron, &schedule.time_zone);
    if jiff::tz::TimeZone::get(zone).is_err() {
        return Err(wrong("timeZone is not known", zone));
    }
    let never = || wrong("cron names no time that there is", cron);
    let crontab = cronexpr::parse_crontab(&format!("{cron} {zone}")).map_err(|_| never())?;
    // A window that this time is in began less than its length ago.
    let since = time.checked_sub(schedule.duration.as_std()).map_err(|_| never())?;
    let begins = crontab
        .find_next(MakeTimestamp(since))
        .map_err(|_| never())?
        .timestamp();
    let opens_in = begins.duration_since(time);
    Ok(match Duration::try_from(opens_in) {
        Ok(opens_in) if !opens_in.is_zero() => Window::Closed { opens_in },
        _ => Window::Open,
    })
}

/// When what was done to consumers of an image has failed.
pub fn failures(status: &AMIMigrationStatus) -> impl Iterator<Item = Timestamp> {
    let times = status.consumers.iter().filter(|row| is_failure(row));
    times.map(|row| row.time.as_ref().map_or(Timestamp::MAX, |time| time.0))
}

fn is_failure(row: &MovedConsumer) -> bool {
    row.state == ConsumerState::Left && row.previous.is_some() && !is_put_off(row)
}

/// Since when failures count.
pub fn counted_since(settings: &PromotionSettings) -> Timestamp {
    let acknowledged = settings.failures_acknowledged_at.as_deref();
    acknowledged
        .and_then(|time| time.parse().ok())
        .unwrap_or(Timestamp::MIN)
}

pub(super) fn too_many_failures(settings: &PromotionSettings) -> Problem {
    let message = format!(
        "At least {} consumers of this policy's images could not be moved or put back, or were set back: no more are moved. See \
         status.consumers of the migrations, then set promotion.failuresAcknowledgedAt in the policy to the time of now.",
        settings.max_failures
    );
    Problem::new(reason::TOO_MANY_FAILURES, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ConsumerVersions;

    fn schedule(cron: &str, zone: &str, duration: &str) -> PromotionSchedule {
        PromotionSchedule {
            cron: cron.to_owned(),
            time_zone: zone.to_owned(),
            duration: duration.parse().expect("a duration"),
        }
    }

    fn at(time: &str) -> Timestamp {
        time.parse().expect("a time")
    }

    #[test]
    fn a_window_begins_when_cron_says_in_its_time_zone_and_is_as_long_as_it_says() {
        let weekdays = schedule("0 9 * * MON-THU", "Europe/Berlin", "4h");
        // The 26th of November 2026 is a Thursday. Berlin is an hour ahead then, and two in summer.
        for (time, opens_in) in [
            ("2026-11-26T07:59:59Z", Some(1)),
            ("2026-11-26T08:00:00Z", None),
            ("2026-11-26T11:59:59Z", None),
            ("2026-11-26T12:00:00Z", Some((4 * 24 - 4) * 3600)),
            ("2026-07-02T07:00:00Z", None),
            ("2026-07-02T06:59:00Z", Some(60)),
        ] {
            let expected = match opens_in {
                None => Window::Open,
                Some(seconds) => Window::Closed {
                    opens_in: Duration::from_secs(seconds),
                },
            };
            assert_eq!(window(Some(&weekdays), at(time)), Ok(expected), "{time}");
        }
        let always = schedule("*/10 * * * *", "UTC", "10m");
        for minute in 0..60 {
            let time = at(&format!("2026-11-26T08:{minute:02}:30Z"));
            assert_eq!(window(Some(&always), time), Ok(Window::Open), "{minute}");
        }
        assert_eq!(window(None, at("2026-11-26T08:00:00Z")), Ok(Window::Open));
    }

    #[test]
    fn a_schedule_that_cannot_be_told_names_its_field() {
        for (schedule, field) in [
            (
                schedule("0 9 * * *", "Europe/Bern", "4h"),
                "promotion.schedule.timeZone",
            ),
            (schedule("0 9 30 2 *", "UTC", "4h"), "promotion.schedule.cron"),
            (schedule("0 9 30-1 * *", "UTC", "4h"), "promotion.schedule.cron"),
        ] {
            let problem = window(Some(&schedule), at("2026-11-26T08:00:00Z")).expect_err("no window");
            assert_eq!(problem.reason, reason::INVALID_SCHEDULE);
            assert!(problem.message.starts_with(field), "{}", problem.message);
        }
    }

    #[test]
    fn only_what_was_changed_and_left_is_a_failure() {
        use super::super::left;
        let row = |state, reason: Option<&str>, changed: bool| MovedConsumer {
            state,
            reason: reason.map(str::to_owned),
            previous: changed.then(ConsumerVersions::default),
            ..MovedConsumer::default()
        };
        for (row, fails) in [
            (row(ConsumerState::Moved, None, true), false),
            (row(ConsumerState::Left, Some(left::OWNED), false), false),
            (row(ConsumerState::Left, Some(left::HELD), true), false),
            (row(ConsumerState::Left, Some(left::REVERTED_BY_OWNER), true), true),
            (row(ConsumerState::Left, Some(left::NOT_VALIDATED), true), true),
            (row(ConsumerState::PutBack, None, true), false),
        ] {
            assert_eq!(is_failure(&row), fails, "{row:?}");
        }
    }
}
