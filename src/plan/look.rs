//! The quick look for new images between two scans: when it is made, for which days of creation, and what of it is news.
//!
//! AWS lists images by the day on which they were made, in UTC. A listing shows an image a while after it was made, and the machine's
//! clock is not AWS's: looks overlap by more than both together.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::obstacle::Problem;
use super::read_retry::Retry;
use crate::domain::{AwsError, Image, ImageId, ImageState, Inventory, SnapshotId, SnapshotState, Snapshots};

/// How far AWS's clock may be ahead of the machine's. AWS takes no call that was signed more than five minutes off.
const AHEAD: SignedDuration = SignedDuration::from_secs(5 * 60);
/// How far a look goes back beyond the read before it: ten minutes, in which an image shows in a listing, and as much as AWS's clock
/// may be behind.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15 * 60);
/// A look after a longer pause leaves what is older to the next scan: each day is a listing of its own length.
const MOST_DAYS: usize = 8;
/// Of so many days, the latest, images are followed that are still being made. A copy takes two days at most.
const MOST_UNFINISHED: usize = 31;

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookResult {
    /// It has found images that are new.
    Found,
    /// There was none.
    Nothing,
    /// AWS could not be read, so that it says nothing.
    Failed,
}

impl LookResult {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Found, Self::Nothing, Self::Failed];

    /// As metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Nothing => "nothing",
            Self::Failed => "failed",
        }
    }
}

/// The looks of one target. There is none before its first scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LookWatch {
    /// When AWS was last asked, by a scan that succeeded or by a look, whatever came of that one.
    asked: Option<Timestamp>,
    /// When the last read began that has shown all that was there by then.
    covered: Option<Timestamp>,
    /// The days on which images were made that were not finished then. They become news on a later day.
    unfinished: BTreeSet<Date>,
    retry: Retry,
}

impl LookWatch {
    /// When to look next, where that is to be so often: no sooner than that, and later where the last look has failed.
    pub fn due(&self, every: Option<Duration>) -> Option<Timestamp> {
        let due = self.asked? + every?;
        Some(self.retry.due().map_or(due, |retry| retry.max(due)))
    }

    /// Why looks fail, where users have to know.
    pub fn problem(&self) -> Option<&Problem> {
        self.retry.problem()
    }

    /// The days, in UTC, of which images may have been made that no read has shown. `now` is of the clock that reads are timed by, which
    /// tells how long ago the last one was; `system_time` is what the machine takes for the time of day.
    pub fn days(&self, now: Timestamp, system_time: Timestamp) -> BTreeSet<Date> {
        let age = self.covered.map_or(SignedDuration::ZERO, |covered| {
            now.duration_since(covered).max(SignedDuration::ZERO)
        });
        let from = system_time.checked_sub(age).and_then(|read| read.checked_sub(OVERLAP));
        let first = day_of(from.unwrap_or(Timestamp::MIN));
        let mut day = day_of(system_time.checked_add(AHEAD).unwrap_or(Timestamp::MAX));
        let mut days = self.unfinished.clone();
        for _ in 0..MOST_DAYS {
            days.insert(day);
            match day.yesterday() {
                Ok(before) if before >= first => day = before,
                _ => break,
            }
        }
        days
    }

    /// A scan or a look that began at `began` has shown all that was there, with images of these days that are not finished.
    pub fn covered(&mut self, began: Timestamp, mut unfinished: BTreeSet<Date>, now: Timestamp) {
        while unfinished.len() > MOST_UNFINISHED {
            unfinished.pop_first();
        }
        *self = Self {
            asked: Some(now),
            covered: Some(began),
            unfinished,
            retry: Retry::default(),
        };
    }

    /// A look has failed: the next one begins where this one did. Says how many failures in a row these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.asked = Some(now);
        self.retry.failed(error, now, spread)
    }
}

/// What is new among the images that a look has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Images that are finished, and were not known or not finished before.
    pub images: Vec<Image>,
    /// The days on which images were made that are still being made.
    pub unfinished: BTreeSet<Date>,
}

impl News {
    /// Picks out what is new to `inventory`. `followed` are copies that migrations follow, by reads of their own. What has failed, or was
    /// deregistered, is left to the next scan: nothing can be launched from it.
    pub fn of(shown: Vec<Image>, inventory: &Inventory, followed: &HashSet<ImageId>) -> Self {
        let is_new = |image: &Image| inventory.is_new(&image.id) && !followed.contains(&image.id);
        let new = shown.into_iter().filter(is_new);
        let (images, others): (Vec<Image>, Vec<Image>) = new.partition(Image::is_there);
        Self {
            images,
            unfinished: unfinished(others.iter(), followed),
        }
    }

    /// The snapshots that are to be read before these images are taken in.
    pub fn snapshots(&self, inventory: &Inventory) -> BTreeSet<SnapshotId> {
        let named = self
            .images
            .iter()
            .flat_map(|image| image.volumes().map(|(_, _, snapshot)| snapshot));
        named.filter(|id| !inventory.is_settled(id)).cloned().collect()
    }

    /// Leaves images for a later look of which a snapshot does not show yet, or not as complete: they would count as unknown.
    pub fn leave_incomplete(&mut self, inventory: &Inventory, found: &Snapshots) {
        let is_complete = |id: &SnapshotId| {
            let is_found = found.get(id).is_some_and(|found| found.state != SnapshotState::Pending);
            is_found || inventory.is_settled(id)
        };
        let is_whole = |image: &Image| image.volumes().all(|(_, _, snapshot)| is_complete(snapshot));
        let (whole, left): (Vec<Image>, Vec<Image>) = std::mem::take(&mut self.images).into_iter().partition(is_whole);
        self.images = whole;
        let days = left.iter().filter_map(|image| image.created).map(day_of);
        self.unfinished.extend(days);
    }
}

/// The days on which images were made that are still being made, but for copies that migrations follow.
pub fn unfinished<'i>(images: impl Iterator<Item = &'i Image>, followed: &HashSet<ImageId>) -> BTreeSet<Date> {
    images
        .filter(|image| image.state == ImageState::Pending && !followed.contains(&image.id))
        .filter_map(|image| image.created)
        .map(day_of)
        .collect()
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
