//! Durations as Kubernetes resources write them: `90s`, `15m`, `1h30m`.

use std::{borrow::Cow, fmt, str::FromStr, time};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A length of time, written in hours, minutes and seconds, in that order: `90s`, `15m`, `1h30m`.
///
/// This is the part of Go's duration syntax that people use. It is kept apart from `kube`'s own type because that one
/// writes `15m` back as `900s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(time::Duration);

/// Why a text is not a [`Duration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write hours, minutes and seconds as in 15m or 1h30m")]
pub struct ParseDurationError(String);

impl Duration {
    /// A duration of so many seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(time::Duration::from_secs(seconds))
    }

    /// A duration of so many minutes.
    #[must_use]
    pub const fn from_mins(minutes: u32) -> Self {
        Self::from_secs(minutes as u64 * 60)
    }

    /// The same length as the standard library's type.
    #[must_use]
    pub const fn as_std(self) -> time::Duration {
        self.0
    }
}

impl From<Duration> for time::Duration {
    fn from(duration: Duration) -> Self {
        duration.0
    }
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseDurationError(text.to_owned());
        let mut rest = text;
        let mut seconds = 0u64;
        for (unit, length) in [('h', 3600), ('m', 60), ('s', 1)] {
            if let Some((number, after)) = rest.split_once(unit) {
                if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(wrong());
                }
                let count: u64 = number.parse().map_err(|_| wrong())?;
                seconds = count
                    .checked_mul(length)
                    .and_then(|part| seconds.checked_add(part))
                    .ok_or_else(wrong)?;
                rest = after;
            }
        }
        if text.is_empty() || !rest.is_empty() {
            return Err(wrong());
        }
        Ok(Self::from_secs(seconds))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        if seconds == 0 {
            return f.write_str("0s");
        }
        for (count, unit) in [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')] {
            if count > 0 {
                write!(f, "{count}{unit}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_minutes_and_seconds_are_read() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("1h30m", 5400),
            ("24h", 86_400),
            ("1h0m1s", 3601),
            ("0s", 0),
            ("007m", 420),
        ] {
            assert_eq!(text.parse(), Ok(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_an_example() {
        for text in [
            "",
            "15",
            "m",
            "15 m",
            "-15m",
            "1.5h",
            "30m1h",
            "1h1h",
            "15min",
            "1d",
            "100ms",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            let refused = text.parse::<Duration>().expect_err(text);
            assert!(
                refused
                    .to_string()
                    .ends_with("write hours, minutes and seconds as in 15m or 1h30m")
            );
        }
    }

    #[test]
    fn a_duration_is_written_as_people_write_it() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (900, "15m"),
            (3600, "1h"),
            (5400, "1h30m"),
            (86_400, "24h"),
            (3601, "1h1s"),
        ] {
            assert_eq!(Duration::from_secs(seconds).to_string(), text);
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_duration(seconds: u64) {
            let duration = Duration::from_secs(seconds);
            let json = serde_json::to_value(duration).expect("a duration is a string");
            proptest::prop_assert_eq!(serde_json::from_value::<Duration>(json).expect("its own text"), duration);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<Duration>();
        }
    }
}
