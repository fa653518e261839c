//! Simulated time: a clock that runs at a settable speed, or stands still and is stepped by hand.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(i64);

impl SimTime {
    /// The time this many milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads an RFC 3339 time, such as `2026-01-31T12:00:00Z`.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// This time and that many seconds.
    #[allow(clippy::cast_possible_truncation)]
    pub fn plus_seconds(self, seconds: f64) -> Self {
        Self(self.0.saturating_add((seconds * 1000.0).round() as i64))
    }

    /// Seconds from `earlier` to this time, negative when it is later.
    #[allow(clippy::cast_precision_loss)]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.0 - earlier.0) as f64 / 1000.0
    }

    /// The start of this minute.
    pub fn floor_to_minute(self) -> Self {
        Self(self.0 - self.0.rem_euclid(60_000))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

impl Serialize for SimTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SimTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            serde::de::Error::custom(format!("`{text}` is not a time: write it as 2026-01-31T12:00:00Z"))
        })
    }
}

/// Where a running clock learns how much real time has gone by.
pub trait RealTime: Send + Sync {
    /// The real time now.
    fn now(&self) -> SimTime;
}

/// The machine's own clock.
#[derive(Debug, Default)]
pub struct SystemTime;

impl RealTime for SystemTime {
    fn now(&self) -> SimTime {
        SimTime(Timestamp::now().as_millisecond())
    }
}

struct Anchor {
    simulated: SimTime,
    real: SimTime,
    speed: f64,
}

/// The simulator's clock.
pub struct Clock {
    real: Box<dyn RealTime>,
    anchor: Mutex<Anchor>,
    stepped: bool,
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("now", &self.now()).finish()
    }
}

impl Clock {
    /// A clock that starts at `start` (absent: now) and runs `speed` simulated seconds per real second.
    pub fn running(start: Option<SimTime>, speed: f64) -> Self {
        Self::with_source(Box::new(SystemTime), start, speed)
    }

    /// A running clock over another source of real time.
    pub fn with_source(real: Box<dyn RealTime>, start: Option<SimTime>, speed: f64) -> Self {
        let real_now = real.now();
        Self {
            anchor: Mutex::new(Anchor {
                simulated: start.unwrap_or(real_now),
                real: real_now,
                speed: speed.max(0.0),
            }),
            real,
            stepped: false,
        }
    }

    /// A clock that moves only by [`Clock::advance`]; its real time is its simulated time.
    pub fn stepped(start: SimTime) -> Self {
        Self {
            real: Box::new(SystemTime),
            anchor: Mutex::new(Anchor {
                simulated: start,
                real: start,
                speed: 0.0,
            }),
            stepped: true,
        }
    }

    /// Whether the clock is stepped by hand: then nothing depends on the machine's clock.
    pub fn is_stepped(&self) -> bool {
        self.stepped
    }

    /// Simulated time.
    pub fn now(&self) -> SimTime {
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        self.now_at(&anchor)
    }

    fn now_at(&self, anchor: &Anchor) -> SimTime {
        if self.stepped {
            return anchor.simulated;
        }
        let elapsed = self.real.now().seconds_since(anchor.real).max(0.0);
        anchor.simulated.plus_seconds(elapsed * anchor.speed)
    }

    /// Real time; of a stepped clock, its simulated time.
    pub fn real_now(&self) -> SimTime {
        if self.stepped { self.now() } else { self.real.now() }
    }

    /// Simulated seconds per real second.
    pub fn speed(&self) -> f64 {
        let anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.speed
    }

    /// Changes the speed from now on. A stepped clock stays stepped.
    pub fn set_speed(&self, speed: f64) {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.simulated = self.now_at(&anchor);
        if !self.stepped {
            anchor.real = self.real.now();
        }
        anchor.speed = speed.max(0.0);
    }

    /// Moves simulated time forward by that many seconds.
    pub fn advance(&self, seconds: f64) {
        let mut anchor = self.anchor.lock().unwrap_or_else(PoisonError::into_inner);
        anchor.simulated = anchor.simulated.plus_seconds(seconds.max(0.0));
    }
}
