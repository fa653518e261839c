//! Rules of durations, times and schedules.

use kube::core::Rule;

/// A duration is written so that [`Duration`](crate::api::Duration) reads it, whose every digit fits.
pub(in crate::api) fn duration_form(field: &str) -> Rule {
    Rule::new(DURATION_FORM).message(
        format!(
            "{field} must be a duration of hours, minutes and seconds, in that order: write for example 15m or 1h30m"
        )
        .as_str(),
    )
}

const DURATION_FORM: &str = "self.matches('^([0-9]{1,5}h)?([0-9]{1,5}m)?([0-9]{1,5}s)?$') && self != ''";

/// What counts in days is a day at least.
pub(in crate::api) fn a_day_at_least(field: &str) -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message(format!("{field} must be at least 24h: write for example 2160h").as_str())
}

/// A duration is no longer than AWS allows.
pub(in crate::api) fn at_most(field: &str, most: &str) -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) <= duration('{most}')"))
        .message(format!("{field} must be at most {most}: write for example 10m").as_str())
}

/// A scan interval is between a minute and a day.
pub(in crate::api) fn scan_interval_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))"
    ))
    .message("scanInterval must be at least 1m and at most 24h: write for example 15m")
}

/// A look is a call of its own: more than six a minute gain nothing, and who wants fewer than one an hour has scans.
pub(in crate::api) fn look_every_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('10s') && duration(self) <= duration('1h'))"
    ))
    .message("lookEvery must be at least 10s and at most 1h: write for example 1m")
}

/// AWS takes minutes to check an instance, and one that takes an hour is paid for in vain.
pub(in crate::api) fn launch_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('2m') && duration(self) <= duration('1h'))"
    ))
    .message("timeout must be at least 2m and at most 1h: write for example 10m")
}

/// A scan of large volumes takes hours, and one that takes a day holds up what waits for it.
pub(in crate::api) fn job_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('1m') && duration(self) <= duration('24h'))"
    ))
    .message("timeout must be at least 1m and at most 24h: write for example 1h")
}

/// Amazon Inspector takes minutes to hours for a scan, and what it has not scanned within a week it does not come to by itself.
pub(in crate::api) fn inspector_timeout_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('15m') && duration(self) <= duration('168h'))"
    ))
    .message("timeout must be at least 15m and at most 168h: write for example 24h")
}

/// History is kept for a day at least.
pub(in crate::api) fn history_ttl_range() -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message("historyTTL must be at least 24h: write for example 720h")
}

/// AWS says up to a day late that an image was launched: less than a day says nothing.
pub(in crate::api) fn unused_after_range() -> Rule {
    Rule::new(format!("!({DURATION_FORM}) || duration(self) >= duration('24h')"))
        .message("after must be at least 24h: write for example 2160h")
}

/// A window in time is long enough to move something, and no longer than a week.
pub(in crate::api) fn window_range() -> Rule {
    Rule::new(format!(
        "!({DURATION_FORM}) || (duration(self) >= duration('5m') && duration(self) <= duration('168h'))"
    ))
    .message("duration must be at least 5m and at most 168h: write for example 4h")
}

/// A schedule has the five fields of cron, with numbers that exist.
pub(in crate::api) fn cron_form() -> Rule {
    const NAMES_OF_MONTHS: &str = "JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC";
    const NAMES_OF_DAYS: &str = "SUN|MON|TUE|WED|THU|FRI|SAT";
    let fields = [
        "[0-5]?[0-9]".to_owned(),
        "[01]?[0-9]|2[0-3]".to_owned(),
        "0?[1-9]|[12][0-9]|3[01]".to_owned(),
        format!("0?[1-9]|1[0-2]|{NAMES_OF_MONTHS}"),
        format!("[0-7]|{NAMES_OF_DAYS}"),
    ];
    let fields = fields.map(|value| {
        let term = format!(r"(\*|({value})(-({value}))?)(/[1-9][0-9]?)?");
        format!("{term}(,{term})*")
    });
    Rule::new(format!("self.matches(r'^{}$')", fields.join(" "))).message(
        "cron must be minute, hour, day of month, month and day of week, with one space between them: write for example \
         0 9 * * MON-THU",
    )
}

/// A time zone has the form of a name.
pub(in crate::api) fn time_zone_form() -> Rule {
    Rule::new(r"self.matches(r'^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')")
        .message("timeZone must be a name of the IANA time zone database: write for example Europe/Berlin")
}

/// A time is in UTC, to the second.
pub(in crate::api) fn time_form(field: &str) -> Rule {
    Rule::new(
        "self.matches('^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$')",
    )
    .message(format!("{field} must be a time in UTC: write for example 2026-11-29T20:00:00Z").as_str())
}
