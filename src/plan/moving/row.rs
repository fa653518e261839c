//! What is on record of one consumer, and what comes next for it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{ConsumerKey, left};
use crate::api::labels::TAG_HOLD;
use crate::api::{ConsumerState, ConsumerVersions, InstanceRefreshSettings, MovedConsumer};
use crate::domain::{Change, ImageId, ImageRef, Owner, SnapshotId, Tags};

/// For how long a reading may still show what was there before a change.
pub(super) const SHOWS_AFTER: Duration = Duration::from_secs(600);
/// How soon it is looked again whether a change shows.
pub const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// Whether what was begun with a consumer is put off until nobody holds it any more.
pub(super) fn is_put_off(row: &MovedConsumer) -> bool {
    let reason = row.reason.as_deref();
    row.state == ConsumerState::Left
        && row.previous.is_some()
        && [Some(left::HELD), Some(left::OWNED)].contains(&reason)
}

/// Whether it is left as it is: nothing more is done with it for now, or ever. What was put back stays so on record, with the reason for
/// which it is not moved again.
pub fn is_left(row: &MovedConsumer) -> bool {
    row.state == ConsumerState::Left || is_kept_back(row)
}

/// Whether it was put back, and is not moved again for a reason.
pub(super) fn is_kept_back(row: &MovedConsumer) -> bool {
    row.state == ConsumerState::PutBack && row.reason.is_some()
}

/// A consumer, and what it is to be moved from and to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// The consumer.
    pub(super) key: &'a ConsumerKey,
    /// The original.
    pub(super) source: &'a ImageId,
    /// Its copy.
    pub(super) copy: &'a ImageId,
    /// The copy's snapshots by those of the original.
    pub(super) snapshots: &'a BTreeMap<SnapshotId, SnapshotId>,
    /// Whether both are another account's: what is shared of an image is the image, and not its snapshots.
    pub(super) foreign: bool,
    /// What is on record of it.
    pub(super) row: Option<&'a MovedConsumer>,
    /// What is on record of all of them.
    pub(super) rows: &'a [MovedConsumer],
    /// How instances of groups are replaced, where the policy asks for it.
    pub(super) refreshes: Option<&'a InstanceRefreshSettings>,
    /// How many volumes the image has.
    pub(super) volumes: usize,
    /// Now.
    pub(super) now: Timestamp,
}

/// What comes next for a consumer.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// It does not launch the original, and nothing of it has to be on record.
    Nothing,
    /// Nothing, what is on record holds.
    Keep,
    /// This is to be on record.
    Record(MovedConsumer),
    /// This is to be done, which is on record.
    Change(Change),
    /// What was done does not show yet.
    Later,
    /// It is put back once nobody holds it by a tag any more.
    Held,
    /// AWS is at it, which takes a while.
    Wait,
}

impl Task<'_> {
    /// This is to be on record, unless it is.
    pub(super) fn record(&self, row: MovedConsumer) -> Verdict {
        let is_known = self.row.is_some_and(|known| {
            let row = MovedConsumer {
                time: known.time.clone(),
                ..row.clone()
            };
            *known == row
        });
        if is_known { Verdict::Keep } else { Verdict::Record(row) }
    }

    /// What is on record, with another state.
    pub(super) fn entry(&self, state: ConsumerState) -> MovedConsumer {
        MovedConsumer {
            kind: self.key.kind.as_str().to_owned(),
            id: self.key.id.to_string(),
            state,
            time: Some(Time(self.now)),
            ..MovedConsumer::default()
        }
    }

    /// It is left as it is, for this reason. What was changed before stays on record.
    pub(super) fn leave(&self, reason: &str, message: String) -> Verdict {
        if let Some(row) = self.put_back() {
            return self.keep_back(row, reason, message);
        }
        let row = MovedConsumer {
            reason: Some(reason.to_owned()),
            message: Some(message),
            previous: self.row.and_then(|row| row.previous.clone()),
            current: self.row.and_then(|row| row.current.clone()),
            refresh: self.row.and_then(|row| row.refresh.clone()),
            ..self.entry(ConsumerState::Left)
        };
        self.record(row)
    }

    /// The same where nothing was changed: it is looked at again.
    pub(super) fn leave_for_now(&self, reason: &str, message: String) -> Verdict {
        if let Some(row) = self.put_back() {
            return self.keep_back(row, reason, message);
        }
        let row = MovedConsumer {
            reason: Some(reason.to_owned()),
            message: Some(message),
            ..self.entry(ConsumerState::Left)
        };
        self.record(row)
    }

    /// What is on record of it, where it was put back.
    pub(super) fn put_back(&self) -> Option<&MovedConsumer> {
        self.row.filter(|row| row.state == ConsumerState::PutBack)
    }

    /// It was put back and is not moved again, for this reason. When it is, all that is on record is needed: which labels and which default
    /// version went along before.
    fn keep_back(&self, row: &MovedConsumer, reason: &str, message: String) -> Verdict {
        self.record(MovedConsumer {
            reason: Some(reason.to_owned()),
            message: Some(message),
            ..row.clone()
        })
    }

    /// Whether it was put back so shortly before that this may not show yet.
    pub(super) fn may_not_show(&self) -> bool {
        self.put_back().is_some() && !self.has_had_time()
    }

    /// Somebody has put it back: it is theirs.
    pub(super) fn reverted(&self) -> Verdict {
        let message = format!(
            "Somebody has set it back to {} after amiseal had moved it: change it where it is declared.",
            self.source
        );
        self.leave(left::REVERTED_BY_OWNER, message)
    }

    /// Somebody has changed it between the record and the call.
    pub(super) fn changed_meanwhile(&self) -> Verdict {
        let message = format!(
            "Somebody has changed it while amiseal was about to, and it still names {}: change it yourself.",
            self.source
        );
        self.leave(left::CHANGED_MEANWHILE, message)
    }

    /// The change has come to this.
    pub(super) fn done(&self, state: ConsumerState, message: Option<String>) -> Verdict {
        let row = MovedConsumer {
            message,
            previous: self.row.and_then(|row| row.previous.clone()),
            current: self.row.and_then(|row| row.current.clone()),
            refresh: self.row.and_then(|row| row.refresh.clone()),
            ..self.entry(state)
        };
        self.record(row)
    }

    /// These versions are what amiseal made.
    pub(super) fn made(&self, state: ConsumerState, current: ConsumerVersions) -> Verdict {
        let row = MovedConsumer {
            previous: self.row.and_then(|row| row.previous.clone()),
            current: Some(current),
            refresh: self.row.and_then(|row| row.refresh.clone()),
            ..self.entry(state)
        };
        self.record(row)
    }

    /// Why it is not to be touched: somebody holds it, or it is somebody else's. What was begun stays on record and is gone on with when
    /// that is over.
    pub(super) fn untouchable(&self, owner: Option<&Owner>, tags: &Tags) -> Option<Verdict> {
        if tags.contains_key(TAG_HOLD) {
            let message = format!("It has the tag {TAG_HOLD}: remove the tag to have it moved.");
            return Some(self.leave(left::HELD, message));
        }
        owner.map(|owner| self.owned(owner))
    }

    /// What was begun goes on.
    pub(super) fn resume(&self) -> Verdict {
        self.done(ConsumerState::Moving, None)
    }

    /// It is somebody else's.
    pub(super) fn owned(&self, owner: &Owner) -> Verdict {
        let message = format!("It belongs to {owner}: have it name {} there.", self.copy);
        self.leave(left::OWNED, message)
    }

    /// Whether what was recorded last has had the time to show.
    pub(super) fn has_had_time(&self) -> bool {
        let since = self.row.and_then(|row| row.time.as_ref());
        since.is_none_or(|since| self.now.duration_since(since.0).as_secs_f64() >= SHOWS_AFTER.as_secs_f64())
    }

    /// Whether this names the original.
    pub(super) fn is_source(&self, image: Option<&ImageRef>) -> bool {
        matches!(image, Some(ImageRef::Image(image)) if image == self.source)
    }

    /// Whether this names the copy.
    pub(super) fn is_copy(&self, image: Option<&ImageRef>) -> bool {
        matches!(image, Some(ImageRef::Image(image)) if image == self.copy)
    }
}
