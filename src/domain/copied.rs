//! Which image is a copy of which, by what AWS itself has on record of it.
//!
//! AWS keeps two records. The image names its source; nobody can write that, but an image that was made from an instance names
//! the image of the instance in the same fields. And the description of each snapshot that AWS makes for a copy names both
//! images. Anybody can write such a description, but only before the snapshot is there, and it does not change afterwards: who
//! registers an image over snapshots of their own cannot know its ID when they write it.

use jiff::Timestamp;

use super::{Image, ImageId, Region, Snapshots};

/// What the description of a snapshot says that AWS has made for the copy of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRecord {
    /// The image that it was made for.
    pub image: ImageId,
    /// The image that was copied.
    pub source: ImageId,
}

/// Since when AWS records the source of every copy on the image: 13 November 2024, 00:00 UTC. `SourceImageId` and
/// `SourceImageRegion` came into EC2's service model on that day (botocore 1.35.60 has them, 1.35.59 of the day before does
/// not), and the User Guide says that older images may lack them.
const SOURCES_SINCE: i64 = 1_731_456_000;

/// What the snapshots of an image say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Records<'a> {
    /// Every one was made for this image, from that one.
    All(&'a ImageId),
    /// So far as they were read; some were not, or none is shown.
    Some,
    /// One was not made for this image, or not from the image that another one names.
    Other,
}

/// Whether `image` is a copy of `source`, which is in `region` as it is itself.
///
/// Where AWS names the source on the image, no snapshot may say otherwise; those that are not read yet say nothing. Where it
/// does not, the image has to be older than that record, and every snapshot has to say so.
pub(super) fn is_copy(image: &Image, source: &ImageId, region: &Region, snapshots: &Snapshots) -> bool {
    let records = records(image, snapshots);
    match &image.copied_from {
        Some(from) if from.image != *source || from.region != *region => false,
        Some(_) => match records {
            Records::All(recorded) => recorded == source,
            Records::Some => true,
            Records::Other => false,
        },
        None => is_old(image) && records == Records::All(source),
    }
}

/// The source of a copy that was made before AWS recorded sources on images.
pub(super) fn old_source<'a>(image: &Image, snapshots: &'a Snapshots) -> Option<&'a ImageId> {
    if image.copied_from.is_some() || !is_old(image) {
        return None;
    }
    match records(image, snapshots) {
        Records::All(source) => Some(source),
        Records::Some | Records::Other => None,
    }
}

fn is_old(image: &Image) -> bool {
    let since = Timestamp::from_second(SOURCES_SINCE);
    image
        .created
        .zip(since.ok())
        .is_some_and(|(created, since)| created < since)
}

fn records<'a>(image: &Image, snapshots: &'a Snapshots) -> Records<'a> {
    let mut found: Option<&ImageId> = None;
    let mut complete = true;
    for (_, _, id) in image.volumes() {
        let Some(snapshot) = snapshots.get(id) else {
            complete = false;
            continue;
        };
        match &snapshot.copied {
            Some(record) if record.image == image.id && found.is_none_or(|other| *other == record.source) => {
                found = Some(&record.source);
            }
            Some(_) | None => return Records::Other,
        }
    }
    match found {
        Some(source) if complete => Records::All(source),
        _ => Records::Some,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Source;
    use crate::domain::testing::{World, at, encrypted_copy, image, image_id, key, region, snapshot_id};

    /// A copy of image 1 of two volumes, as AWS makes it, changed; and whether it counts as one.
    fn counts_after(change: impl FnOnce(&mut Image, &mut Snapshots)) -> bool {
        let source = image(1, 2);
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
        change(&mut copy, &mut world.snapshots);
        let id = copy.id.clone();
        world.images.insert(id.clone(), std::sync::Arc::new(copy));
        let inventory = world.inventory(at(0));
        inventory.copies_of(&image_id(1), &region()).any(|copy| copy.id == id)
    }

    fn record(of: u64, source: u64) -> Box<CopyRecord> {
        Box::new(CopyRecord {
            image: image_id(of),
            source: image_id(source),
        })
    }

    fn set(snapshots: &mut Snapshots, nth: u64, copied: impl Into<Option<Box<CopyRecord>>>) {
        let snapshot = snapshots.get_mut(&snapshot_id(101 * 100 + nth));
        snapshot.expect("a snapshot").copied = copied.into();
    }

    /// Of before AWS recorded sources, and without that record.
    fn make_old(copy: &mut Image) {
        copy.copied_from = None;
        copy.created = Timestamp::from_second(SOURCES_SINCE - 1).ok();
    }

    #[test]
    fn both_records_make_a_copy_and_neither_is_enough_where_the_other_contradicts_it() {
        type Change = fn(&mut Image, &mut Snapshots);
        let table: [(&str, Change, bool); 9] = [
            ("as AWS makes it", |_, _| {}, true),
            // CopyImage is the only call that writes the second record.
            (
                "made from an instance",
                |_, s| set(s, 1, None::<Box<CopyRecord>>),
                false,
            ),
            ("over a copy's snapshots", |_, s| set(s, 1, record(102, 1)), false),
            ("from two images", |_, s| set(s, 1, record(101, 2)), false),
            (
                "of another image by its snapshots",
                |_, s| (0..2).for_each(|n| set(s, n, record(101, 2))),
                false,
            ),
            (
                "of another region",
                |c, _| {
                    c.copied_from = Some(Box::new(Source {
                        image: image_id(1),
                        region: "us-east-1".parse().expect("a region"),
                    }));
                },
                false,
            ),
            ("not read whole", |_, s| drop(s.remove(&snapshot_id(101 * 100))), true),
            ("new, and without a source", |c, _| c.copied_from = None, false),
            (
                "without a time, and without a source",
                |c, _| {
                    make_old(c);
                    c.created = None;
                },
                false,
            ),
        ];
        for (name, change, expected) in table {
            assert_eq!(counts_after(change), expected, "{name}");
        }
    }

    #[test]
    fn the_snapshots_alone_make_a_copy_of_an_image_that_is_older_than_the_other_record() {
        type Change = fn(&mut Snapshots);
        let table: [(&str, Change, bool); 5] = [
            ("as AWS made it", |_| {}, true),
            ("one has no record", |s| set(s, 1, None::<Box<CopyRecord>>), false),
            ("one is another image's", |s| set(s, 1, record(102, 1)), false),
            ("they name two sources", |s| set(s, 1, record(101, 2)), false),
            (
                "one was not read",
                |s| drop(s.remove(&snapshot_id(101 * 100 + 1))),
                false,
            ),
        ];
        for (name, change, expected) in table {
            let counts = counts_after(|copy, snapshots| {
                make_old(copy);
                change(snapshots);
            });
            assert_eq!(counts, expected, "{name}");
        }
    }

    #[test]
    fn an_old_copy_stays_known_when_it_is_read_again() {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
        make_old(&mut copy);
        world.images.insert(copy.id.clone(), std::sync::Arc::new(copy.clone()));
        let mut inventory = world.inventory(at(0));
        for _ in 0..2 {
            assert_eq!(inventory.copies_of(&image_id(1), &region()).count(), 1);
            inventory.insert(copy.clone());
            inventory.fold([image_id(1)], at(1), vec![copy.clone()], Snapshots::new());
        }
    }
}
