//! The quick look for new images between two scans: when it is made, for which days of creation, and what of it is news.
//!
//! AWS lists images by the day on which they were made, in UTC. A listing shows an image a while after it was made, and the machine's
//! clock is not AWS's: looks overlap by more than both together. Whoever makes an image tags it and changes it by later calls: what is
//! new is taken in once two looks have shown it alike.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::obstacle::Problem;
use super::read_retry::Retry;
use super::scan_schedule::ScanSchedule;
use crate::domain::{AwsError, Image, ImageId, ImageState, Inventory, SnapshotId, Snapshots};

/// How far AWS's clock may be ahead of the machine's. AWS takes no call that was signed more than five minutes off.
const AHEAD: SignedDuration = SignedDuration::from_secs(5 * 60);
/// How far a look goes back beyond the read before it: ten minutes, in which an image shows in a listing, and as much as AWS's clock
/// may be behind.
const OVERLAP: SignedDuration = SignedDuration::from_secs(15 * 60);
/// A look after a longer pause leaves what is older to the next scan: each day is a listing of its own length.
const MOST_DAYS: usize = 8;
/// For how long images are followed that are not finished. A copy takes two days at most; what hangs for longer is left to scans.
const FOLLOWED: SignedDuration = SignedDuration::from_hours(3 * 24);
/// How soon after a look that an event has led to another one confirms what it has shown, and how often that is tried.
const CONFIRMS: (Duration, u8) = (Duration::from_secs(10), 2);

/// What came of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookResult {
    /// Images were taken in, as new ones or as they are now.
    Found,
    /// None was.
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
    /// The days on which images were made that are to be asked for again.
    unfinished: BTreeSet<Date>,
    /// What the last look has shown and left for the next one.
    seen: HashMap<ImageId, Image>,
    /// The images that were taken in, and when those looks began, until a scan shows them.
    taken: HashMap<ImageId, Timestamp>,
    retry: Retry,
    /// When to look before the regular time, for an event.
    soon: Option<Timestamp>,
    /// How many looks may still come so soon to confirm what that one has shown.
    confirms: u8,
}

impl LookWatch {
    /// When to look next, where that is to be so often: no sooner than that, and later where the last look has failed. While scans fail,
    /// they go first: they read as much and more.
    pub fn due(&self, every: Option<Duration>, scans: &ScanSchedule) -> Option<Timestamp> {
        let due = self.asked? + every?;
        let due = self.soon.map_or(due, |soon| soon.min(due));
        let due = self.retry.due().map_or(due, |retry| retry.max(due));
        scans.problem().is_none().then_some(due)
    }

    /// Why looks fail, where users have to know.
    pub fn problem(&self) -> Option<&Problem> {
        self.retry.problem()
    }

    /// Whether looks show what is new. While something else cannot be read, which `hinders` says, they say nothing of their own.
    pub fn succeed(&self, hinders: Option<&Problem>) -> Option<bool> {
        (self.asked.is_some() && hinders.is_none()).then(|| self.problem().is_none())
    }

    /// An event says that there is a new image.
    pub fn hinted(&mut self, now: Timestamp) {
        self.soon = Some(now);
        self.confirms = CONFIRMS.1;
    }

    /// The spec has changed: what failed under the former one says nothing of this one.
    pub fn renewed(&mut self) {
        self.retry.succeeded();
    }

    /// The days, in UTC, of which images may have been made that no read has shown, or not as finished. `now` is of the clock that reads
    /// are timed by, which tells how long ago the last one was; `system_time` is what the machine takes for the time of day.
    pub fn days(&self, now: Timestamp, system_time: Timestamp) -> BTreeSet<Date> {
        let age = self.covered.map_or(SignedDuration::ZERO, |covered| {
            now.duration_since(covered).max(SignedDuration::ZERO)
        });
        let from = system_time.checked_sub(age).and_then(|read| read.checked_sub(OVERLAP));
        let first = day_of(from.unwrap_or(Timestamp::MIN));
        let mut day = day_of(system_time.checked_add(AHEAD).unwrap_or(Timestamp::MAX));
        let oldest = day_of(system_time.checked_sub(FOLLOWED).unwrap_or(Timestamp::MIN));
        let mut days: BTreeSet<Date> = self.unfinished.range(oldest..).copied().collect();
        for _ in 0..MOST_DAYS {
            days.insert(day);
            match day.yesterday() {
                Ok(before) if before >= first => day = before,
                _ => break,
            }
        }
        days
    }

    /// Picks out what is news among the images that a look has shown. Copies that migrations have `on_record` are read by these. What has
    /// failed, or was deregistered, is left to the next scan: nothing can be launched from it.
    pub fn news(&self, shown: Vec<Image>, inventory: &Inventory, on_record: &HashSet<ImageId>) -> News {
        let mut news = News::default();
        for image in shown.into_iter().filter(|image| !on_record.contains(&image.id)) {
            let was_taken = self.taken.contains_key(&image.id);
            let known = inventory.images.get(&image.id);
            let is_old = known.is_some_and(|known| {
                // What a scan has shown as finished is its business, and what a look has taken in is as the last one shows it.
                !inventory.is_unfinished(known) && (!was_taken || **known == image)
            });
            if image.state == ImageState::Pending {
                news.unfinished.extend(image.created.map(day_of));
            } else if image.is_there() && !is_old {
                if was_taken || self.seen.get(&image.id) == Some(&image) {
                    news.images.push(image);
                } else {
                    news.leave(image);
                }
            }
        }
        news
    }

    /// A look that began at `began` has shown all that was there, and this news. Gives the images that are to be taken in.
    pub fn looked(&mut self, began: Timestamp, news: News, now: Timestamp) -> Vec<Image> {
        let News {
            images,
            left,
            unfinished,
        } = news;
        self.asked = Some(now);
        self.covered = Some(began);
        self.unfinished = unfinished;
        let is_to_be_confirmed = self.confirms > 0 && !left.is_empty();
        self.soon = is_to_be_confirmed.then(|| now + CONFIRMS.0);
        self.confirms = if is_to_be_confirmed { self.confirms - 1 } else { 0 };
        self.seen = left;
        self.taken.extend(images.iter().map(|image| (image.id.clone(), began)));
        self.retry.succeeded();
        images
    }

    /// A scan has shown all that was there. It is no answer to what looks ran into.
    pub fn scanned(&mut self, inventory: &Inventory, on_record: &HashSet<ImageId>, now: Timestamp) {
        self.asked = Some(now);
        (self.soon, self.confirms) = (None, 0);
        self.covered = Some(inventory.scanned);
        let images = inventory.images.values();
        self.unfinished = images
            .filter(|image| inventory.is_unfinished(image) && !on_record.contains(&image.id))
            .filter_map(|image| image.created)
            .map(day_of)
            .collect();
    }

    /// Whether a scan lacks images that were taken in so shortly before that it may have missed them. What it shows, or what is long ago,
    /// is its own business from now on.
    pub fn are_missed_by(&mut self, scan: &Inventory) -> bool {
        self.taken.retain(|image, taken| {
            let is_fresh = scan.scanned.duration_since(*taken) < OVERLAP;
            is_fresh && !scan.images.contains_key(image)
        });
        !self.taken.is_empty()
    }

    /// A look has failed: the next one begins where this one did. One that was for an event is made again as soon as that may be. Says
    /// how many failures in a row these are.
    pub fn failed(&mut self, error: &AwsError, now: Timestamp, spread: impl FnOnce(Duration) -> Duration) -> u32 {
        self.asked = Some(now);
        self.retry.failed(error, now, spread)
    }
}

/// What is new among the images that a look has shown.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct News {
    /// Images to take in: two looks have shown them alike, or they were taken in before and are otherwise now.
    images: Vec<Image>,
    /// Images that are left for the next look: this one is the first to show them so, or not all of them shows.
    left: HashMap<ImageId, Image>,
    /// The days on which images were made that are not finished, or left.
    unfinished: BTreeSet<Date>,
}

impl News {
    /// The snapshots that are to be read before these images are taken in.
    pub fn snapshots(&self, inventory: &Inventory) -> BTreeSet<SnapshotId> {
        let images = self.images.iter();
        let named = images.flat_map(|image| image.volumes().map(|(_, _, snapshot)| snapshot));
        named.filter(|id| !inventory.is_settled(id)).cloned().collect()
    }

    /// Leaves images for a later look that are not whole yet with the snapshots that were found: they would count as unknown.
    pub fn leave_incomplete(&mut self, inventory: &Inventory, found: &Snapshots) {
        let is_whole = |image: &Image| inventory.is_whole(image, found);
        let (whole, others): (Vec<Image>, Vec<Image>) =
            std::mem::take(&mut self.images).into_iter().partition(is_whole);
        self.images = whole;
        others.into_iter().for_each(|image| self.leave(image));
    }

    fn leave(&mut self, image: Image) {
        self.unfinished.extend(image.created.map(day_of));
        self.left.insert(image.id.clone(), image);
    }
}

fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
#[path = "look_news_tests.rs"]
mod news_tests;
#[cfg(test)]
#[path = "look_tests.rs"]
mod tests;
