//! How much is copied, and how long that takes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::domain::{Image, Inventory};

/// How fast AWS is assumed to copy one snapshot.
///
/// AWS promises no rate for the copies that are made here. All that it publishes is for copies whose duration is paid
/// for: 2,000 MiB/s for all of an account between two regions (Amazon EBS User Guide, "Time-based copies"), which is
/// 100 MiB/s for each of 20. Half of that is assumed, so that the estimate is rather too long than too short.
pub const MIB_PER_SECOND: f64 = 50.0;

/// How long any copy is assumed to take beside its data, however small it is.
pub const SECONDS_PER_SNAPSHOT: u64 = 60;

/// How fast snapshots are copied.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// MiB in a second, of each snapshot that is being copied.
    pub mib_per_second: f64,
    /// What every copy takes on top.
    pub overhead: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            mib_per_second: MIB_PER_SECOND,
            overhead: Duration::from_secs(SECONDS_PER_SNAPSHOT),
        }
    }
}

impl Pace {
    /// How many whole seconds copying a snapshot of this size takes.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate; the conversion saturates"
    )]
    fn seconds(self, bytes: u64) -> u64 {
        let data = bytes as f64 / (1 << 20) as f64 / self.mib_per_second.max(f64::MIN_POSITIVE);
        self.overhead.as_secs().saturating_add(data.ceil() as u64)
    }
}

/// How many times as long as its size explains a copy of `image` has taken. Its snapshots are copied side by side.
pub fn slowness(image: &Image, inventory: &Inventory, taken: Duration) -> f64 {
    let sizes = snapshot_sizes(image, inventory);
    let largest = sizes.into_iter().max().unwrap_or_default();
    let explained = Duration::from_secs(Pace::default().seconds(largest));
    taken.as_secs_f64() / explained.as_secs_f64()
}

/// The sizes of the snapshots that a copy of `image` is made of, in bytes.
///
/// Encrypting under a new key copies all of the data, which AWS tells of most snapshots; else the volume's size is taken,
/// which is at least that.
pub fn snapshot_sizes(image: &Image, inventory: &Inventory) -> Vec<u64> {
    let gib = |size: Option<i32>| u64::try_from(size.unwrap_or(0)).unwrap_or(0) << 30;
    image
        .volumes()
        .map(|(_, volume, id)| match inventory.snapshots.get(id) {
            Some(snapshot) => snapshot.full_bytes.unwrap_or_else(|| gib(Some(snapshot.size_gib))),
            // A snapshot of another account.
            None => gib(volume.kind.size_gib),
        })
        .collect()
}

/// How long the copies of images take when at most `slots` snapshots are copied at a time.
///
/// The images begin in this order, each when its snapshots fit; none passes another, as in truth some would. One of more
/// snapshots than slots goes alone.
pub fn makespan<'a>(images: impl IntoIterator<Item = &'a [u64]>, slots: u32, pace: Pace) -> Duration {
    let slots = usize::try_from(slots.max(1)).unwrap_or(usize::MAX).min(1000);
    // When each slot is free again.
    let mut free: BinaryHeap<Reverse<u64>> = std::iter::repeat_n(Reverse(0), slots).collect();
    let mut end = 0;
    for sizes in images {
        let taken = sizes.len().clamp(1, slots);
        let mut start = 0;
        for _ in 0..taken {
            start = start.max(free.pop().map_or(0, |Reverse(at)| at));
        }
        let seconds: Vec<u64> = sizes.iter().map(|bytes| pace.seconds(*bytes)).collect();
        let longest = seconds.iter().copied().max().unwrap_or(0);
        end = end.max(start.saturating_add(longest));
        for slot in 0..taken {
            let alone = sizes.len() > slots;
            let busy = if alone {
                longest
            } else {
                seconds.get(slot).copied().unwrap_or(0)
            };
            free.push(Reverse(start.saturating_add(busy)));
        }
    }
    Duration::from_secs(end)
}

/// Bytes as GiB, to a hundredth.
#[allow(clippy::cast_precision_loss, reason = "sums stay far below 2^53 bytes times 2^10")]
pub fn gib(bytes: u64) -> f64 {
    (bytes as f64 / (1 << 30) as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Tags;
    use crate::plan::testing::{World, at, image, snapshot_id};

    const SECOND: u64 = 1 << 20;
    const PACE: Pace = Pace {
        mib_per_second: 1.0,
        overhead: Duration::from_secs(10),
    };

    fn takes(images: &[&[u64]], slots: u32) -> u64 {
        makespan(images.iter().copied(), slots, PACE).as_secs()
    }

    #[test]
    fn copies_share_the_slots_that_there_are() {
        let one: &[u64] = &[90 * SECOND];
        assert_eq!(takes(&[], 20), 0);
        assert_eq!(takes(&[one], 20), 100);
        assert_eq!(takes(&[one; 20], 20), 100);
        assert_eq!(takes(&[one; 21], 20), 200);
        assert_eq!(takes(&[one; 21], 21), 100);
        assert_eq!(takes(&[&[0]], 20), 10, "even nothing takes its time");
    }

    #[test]
    fn a_copy_is_as_slow_as_its_largest_snapshot_makes_it() {
        let source = image(1, 2);
        let mut inventory = World::of([source.clone()]).inventory(at(0));
        let sized = |bytes, inventory: &mut Inventory| {
            for n in [100, 101] {
                inventory.snapshots.get_mut(&snapshot_id(n)).expect("there").full_bytes = Some(bytes / (n - 99));
            }
        };
        // 60 s, and 50 MiB in each second.
        for (mib, seconds, expected) in [(0, 60, 1.0), (3000, 60, 0.5), (3000, 720, 6.0), (3000, 0, 0.0)] {
            sized(mib << 20, &mut inventory);
            let ratio = slowness(&source, &inventory, Duration::from_secs(seconds));
            assert!((ratio - expected).abs() < 1e-9, "{mib} MiB in {seconds} s: {ratio}");
        }
    }

    #[test]
    fn an_image_begins_when_all_of_its_snapshots_fit() {
        let short: &[u64] = &[0];
        let two: &[u64] = &[90 * SECOND, 0];
        assert_eq!(takes(&[two, two], 3), 110, "one slot of the first is free after 10 s");
        assert_eq!(takes(&[short, two], 2), 110);
    }

    #[test]
    fn an_image_of_more_snapshots_than_slots_goes_alone() {
        let many: &[u64] = &[90 * SECOND; 24];
        let one: &[u64] = &[0];
        assert_eq!(takes(&[one, many, one], 20), 10 + 100 + 10);
    }

    #[test]
    fn what_aws_says_of_a_snapshots_size_counts_and_else_the_volumes() {
        let source = image(1, 3);
        let mut inventory = World::of([source.clone()]).inventory(at(0));
        let known = inventory.snapshots.get_mut(&snapshot_id(100)).expect("there");
        known.full_bytes = Some(5);
        inventory.snapshots.remove(&snapshot_id(101));
        assert_eq!(snapshot_sizes(&source, &inventory), [5, 8 << 30, 8 << 30]);
        let none = crate::domain::Image {
            devices: Vec::new(),
            tags: Tags::new(),
            ..source
        };
        assert_eq!(snapshot_sizes(&none, &inventory), Vec::<u64>::new());
    }

    proptest! {
        #[test]
        fn it_takes_at_least_the_longest_copy_and_the_whole_work_over_all_slots_and_at_most_one_after_another(
            images in proptest::collection::vec(proptest::collection::vec(0..200u64, 1..6), 0..30),
            slots in 1..25u32,
        ) {
            let images: Vec<Vec<u64>> =
                images.into_iter().map(|i| i.into_iter().map(|s| s * SECOND).collect()).collect();
            let took = makespan(images.iter().map(Vec::as_slice), slots, PACE).as_secs();
            let each: Vec<u64> = images.iter().flatten().map(|bytes| 10 + bytes / SECOND).collect();
            let longest = each.iter().copied().max().unwrap_or(0);
            let work: u64 = each.iter().sum();
            prop_assert!(took >= longest);
            prop_assert!(took <= work);
            if images.iter().all(|i| i.len() <= slots as usize) {
                prop_assert!(took >= work / u64::from(slots));
            }
        }
    }
}
