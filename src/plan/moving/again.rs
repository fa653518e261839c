//! What was put back, where nothing of that is on record: a migration that was deleted and made anew does not know what people wanted of the
//! one before. What stands beside a consumer says that it was put back, so that it takes somebody's approval to move it once more.

use super::row::Verdict;
use super::{ConsumerKey, Pass, group, left, parameter, template};
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{Approval, ConsumerState, MovedConsumer};
use crate::domain::Movable;

impl Pass<'_> {
    /// Whether this would begin with a consumer that amiseal has put back, as what stands beside it says and nothing on record does, and
    /// nobody has approved that.
    pub(super) fn was_put_back(&self, key: &ConsumerKey, verdict: &Verdict, now: &Movable) -> bool {
        let row = self.row(key);
        let is_known = row.is_some_and(|row| row.previous.is_some() && !self.is_of_former_owner(row));
        if self.facts.approval == Approval::Approved || is_known || !begins(verdict) {
            return false;
        }
        match now {
            Movable::Template(now) => template::is_put_back(now),
            // It puts the ID of an original there to put it back, and that of a copy, which may be an original by now, to move it.
            Movable::Parameter(now) => {
                parameter::is_by_amiseal(now)
                    && !self
                        .facts
                        .source
                        .tags
                        .is_some_and(|tags| tags.contains_key(TAG_SOURCE_IMAGE))
            }
            // The tag also stands beside a group that is about to be changed.
            Movable::Group(now) => row.is_none_or(is_held) && group::is_as_noted(self.task(key, row), now),
            Movable::Gone => false,
        }
    }
}

fn begins(verdict: &Verdict) -> bool {
    let begun = [ConsumerState::Moving, ConsumerState::Refreshing];
    matches!(verdict, Verdict::Record(row) if begun.contains(&row.state))
}

fn is_held(row: &MovedConsumer) -> bool {
    matches!(row.reason.as_deref(), Some(left::HELD | left::OWNED))
}
