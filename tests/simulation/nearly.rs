//! Near misses: what keeps consumers from being moved wrongly, guardrails from being set wrongly, new images from being taken in too early,
//! messages from costing much and accounts from leaving wrongly, and whether it has stopped something in a history.

use std::collections::BTreeSet;
use std::time::Duration;

use amiseal::api::conditions::{self, reason};
use amiseal::api::{AMIMigration, ConsumerState};
use amiseal::plan::moving::left;
use ec2sim::Call;

use super::stage::Stage;
use super::time::{age_at, age_of};
use super::watchman::Objects;

/// What stands before each in the words that a history has reached.
const NEARLY: &str = "nearly: ";
/// All guards: those of consumers are looked at here.
pub(crate) const GUARDS: [&str; 23] = [
    "stale read",
    "hold",
    "ownership",
    "reversion",
    "key check",
    "foreign copy",
    "original out of reach",
    "changed meanwhile",
    "latest diverges",
    "version check",
    "refresh under way",
    "per-day limit",
    "schedule",
    "failures",
    "approval",
    "default key check",
    "declarative policy",
    "not again",
    "two looks",
    "hints waited",
    "failing queue",
    "second reading",
    "failed listing",
];
/// For how long what was read of a consumer may be acted upon.
const FRESH: Duration = Duration::from_secs(10);

/// The word that is reached when a guard has stopped something.
pub(crate) fn word(guard: &str) -> String {
    format!("{NEARLY}{guard}")
}

/// What is looked at.
#[derive(Debug, Default)]
pub(crate) struct Nearly {
    /// How many calls were heard.
    heard: usize,
}

impl Nearly {
    /// The guards that have stopped something, as it is said now.
    pub(crate) fn look(&mut self, stage: &Stage, objects: &Objects) -> BTreeSet<&'static str> {
        let mut stopped: BTreeSet<&'static str> = objects.migrations.iter().flat_map(|one| said(one)).collect();
        let again = stage.sim.with_journal(|calls| {
            let new = &calls[self.heard..];
            let again = new.iter().any(|call| is_read_again(call, objects));
            self.heard = calls.len();
            again
        });
        if again {
            stopped.insert("stale read");
        }
        stopped
    }
}

/// Guards of which a migration says that they have stopped something.
fn said(migration: &AMIMigration) -> Vec<&'static str> {
    let Some(status) = &migration.status else {
        return Vec::new();
    };
    let rows = status.consumers.iter().filter_map(|row| row.reason.as_deref());
    let of_rows = rows.filter_map(|why| match why {
        left::HELD => Some("hold"),
        left::OWNED => Some("ownership"),
        left::REVERTED_BY_OWNER => Some("reversion"),
        left::CHANGED_MEANWHILE => Some("changed meanwhile"),
        left::LATEST_DIVERGES => Some("latest diverges"),
        left::VERSION_NOT_MOVED => Some("version check"),
        left::REFRESH_UNDER_WAY => Some("refresh under way"),
        _ => None,
    });
    let moved = conditions::find(&status.conditions, conditions::CONSUMERS_MOVED);
    let of_condition = moved.and_then(|moved| match moved.reason.as_str() {
        reason::HELD => Some("hold"),
        reason::KEY_NOT_USABLE => Some("key check"),
        reason::COPY_NOT_SHARED | reason::COPY_NOT_ALLOWED => Some("foreign copy"),
        reason::IMAGE_DISABLED | reason::SOURCE_NOT_SHARED => Some("original out of reach"),
        reason::APPROVAL_REQUIRED => Some("approval"),
        reason::TOO_MANY_FAILURES => Some("failures"),
        _ if moved.message.contains("promotion.maxPerDay") => Some("per-day limit"),
        _ if moved.message.contains("promotion.schedule") => Some("schedule"),
        _ => None,
    });
    of_rows.chain(of_condition).collect()
}

/// Whether a call reads a template again that is about to be changed: what was read of it before is too old to be acted upon.
fn is_read_again(call: &Call, objects: &Objects) -> bool {
    let Some(id) = call
        .params
        .get("LaunchTemplateId")
        .filter(|_| call.operation == "DescribeLaunchTemplateVersions")
    else {
        return false;
    };
    let at = age_of(call.time);
    let rows = objects
        .migrations
        .iter()
        .flat_map(|one| &one.status)
        .flat_map(|status| &status.consumers);
    let begun = rows.filter(|row| row.id == *id && row.state == ConsumerState::Moving && row.current.is_none());
    let mut times = begun.filter_map(|row| row.time.as_ref());
    times.any(|time| at > age_at(time.0) + FRESH)
}
