//! Who has begun to move a consumer last: the watch shows it a moment later, and many migrations are visited at a time.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use super::registry::lock;
use crate::domain::Scope;

/// For so long what was begun keeps others from it, where the watch does not show it.
const SHOWS_WITHIN: Duration = Duration::from_secs(600);

/// By account and region.
#[derive(Debug, Default)]
pub(super) struct Moves(Mutex<HashMap<Scope, Begun>>);

/// That a migration has begun to move a consumer.
#[derive(Debug)]
struct Begun {
    /// Its UID.
    migration: String,
    /// Its version before that was on record.
    version: Option<String>,
    /// When, by the monotonic clock.
    at: Duration,
}

impl Moves {
    /// Whether a migration of this UID and version may begin at `now` of the monotonic clock: else another one of the account and region
    /// has begun, which its version as it is `shown` does not tell yet.
    pub(super) fn begin(
        &self,
        scope: &Scope,
        migration: (&str, Option<String>),
        now: Duration,
        shown: impl Fn(&str) -> Option<String>,
    ) -> bool {
        let (uid, version) = migration;
        let mut moves = lock(&self.0);
        let is_taken = moves.get(scope).is_some_and(|begun| {
            let is_hidden = shown(&begun.migration).is_some_and(|shown| begun.version.as_ref() == Some(&shown));
            begun.migration != uid && is_hidden && now.saturating_sub(begun.at) < SHOWS_WITHIN
        });
        if !is_taken {
            let begun = Begun {
                migration: uid.to_owned(),
                version,
                at: now,
            };
            moves.insert(scope.clone(), begun);
        }
        !is_taken
    }

    /// Nothing has come of what this migration has begun last: nobody waits for that to show.
    pub(super) fn end(&self, scope: &Scope, migration: &str) {
        let mut moves = lock(&self.0);
        if moves.get(scope).is_some_and(|begun| begun.migration == migration) {
            moves.remove(scope);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn what_one_migration_begins_no_other_does_before_the_watch_shows_it() {
        let moves = Moves::default();
        let here = Scope::parse("111122223333", "eu-west-1").expect("a scope");
        let there = Scope::parse("111122223333", "eu-west-2").expect("a scope");
        let begin = |scope: &Scope, uid: &str, at: u64, shown: Option<&str>| {
            let version = Some("1".to_owned());
            moves.begin(scope, (uid, version), seconds(at), |_| shown.map(str::to_owned))
        };
        assert!(begin(&here, "a", 0, Some("1")));
        assert!(!begin(&here, "b", 1, Some("1")), "it does not show yet");
        assert!(begin(&here, "a", 1, Some("1")), "its own");
        assert!(begin(&there, "b", 1, Some("1")), "elsewhere");
        assert!(begin(&here, "b", 2, Some("2")), "it shows");
        assert!(!begin(&here, "a", 3, Some("1")));
        assert!(begin(&here, "a", 3, None), "the other one is gone");
        assert!(begin(&here, "b", 700, Some("1")), "it was never written");
        assert!(!begin(&here, "a", 701, Some("1")));
        moves.end(&here, "a");
        assert!(!begin(&here, "a", 701, Some("1")), "it is another's");
        moves.end(&here, "b");
        assert!(begin(&here, "a", 701, Some("1")), "nothing has come of it");
    }
}
