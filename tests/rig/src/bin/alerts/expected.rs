//! What came of each alert.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::causes::Cause;

/// An alert and its cause.
pub(crate) struct Row {
    pub(crate) alert: &'static str,
    pub(crate) cause: Cause,
    /// How long after its cause began the page came.
    pub(crate) fired: Option<Duration>,
    /// How long after its cause was gone it was said to be over.
    pub(crate) resolved: Option<Duration>,
}

impl Row {
    pub(crate) const HEADER: [&str; 4] = ["ALERT", "CAUSE", "FIRED AFTER", "RESOLVED AFTER"];

    pub(crate) fn cells(&self) -> [String; 4] {
        let seconds = |time: Option<Duration>| match time {
            Some(time) => format!("{:.1} s", time.as_secs_f64()),
            None => "never".to_owned(),
        };
        [
            self.alert.to_owned(),
            self.cause.what().to_owned(),
            seconds(self.fired),
            seconds(self.resolved),
        ]
    }

    /// What is wrong with it.
    pub(crate) fn problem(&self) -> Option<String> {
        match (self.fired, self.resolved) {
            (None, _) => Some(format!("{} did not fire: {}", self.alert, self.cause.what())),
            (_, None) => Some(format!("{} did not resolve: {}", self.alert, self.cause.mend())),
            _ => None,
        }
    }
}

/// The alerts that no cause makes fire.
pub(crate) fn missing(alerts: &BTreeSet<String>, rows: &[Row]) -> Vec<String> {
    let has = |alert: &&String| !rows.iter().any(|row| row.alert == *alert);
    let missing = alerts.iter().filter(has);
    missing.map(|alert| format!("no cause makes {alert} fire")).collect()
}
