//! Finding the copy that is already there, so that none is made twice.
//!
//! What an image was copied from is AWS's own record. Tags only mark a copy as ours: anyone can write a tag, so a tag
//! alone is never believed.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock};

use super::naming::CopyIdentity;
use super::verify::{Pair, Verdict, verify, verify_published};
use crate::api::labels::{TAG_ATTEMPT, TAG_SOURCE_IMAGE};
use crate::domain::{Image, ImageId, ImageState, Inventory};

/// A copy that need not be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoptable {
    /// Available and verified, whoever made it.
    Verified {
        /// The copy.
        image: ImageId,
        /// The attempt that made it, where it is one of ours.
        attempt: Option<u32>,
        /// Its snapshots beside those of the source.
        pairs: Vec<Pair>,
    },
    /// One of ours, still being made or not readable yet.
    InFlight {
        /// The copy.
        image: ImageId,
        /// The attempt that made it.
        attempt: u32,
    },
    /// Verified, but somebody has disabled it. It takes no image's place, and no other copy is made beside it.
    Disabled {
        /// The copy.
        image: ImageId,
        /// The attempt that made it, where it is one of ours.
        attempt: Option<u32>,
    },
}

/// What migrations have on record of copies.
#[derive(Debug, Clone, Copy)]
pub struct Recorded<'a> {
    /// Copies that were verified and published, each by its migration.
    pub published: &'a HashSet<ImageId>,
    /// Copies that their migration has judged and not found good, by what the inventory does not show.
    pub refused: &'a HashSet<ImageId>,
}

impl Default for Recorded<'static> {
    /// Nothing is on record.
    fn default() -> Self {
        static NONE: LazyLock<HashSet<ImageId>> = LazyLock::new(HashSet::new);
        Self {
            published: &NONE,
            refused: &NONE,
        }
    }
}

/// Looks for a copy of `source` under the key.
///
/// A verified one wins; the oldest of several, so that everyone who looks chooses the same.
pub fn find(of: &CopyIdentity, source: &Image, inventory: &Inventory) -> Option<Adoptable> {
    let judge = |copy: &Image| verify(source, copy, &inventory.snapshots, &of.key);
    let copies = by_age(of, inventory);
    let verdicts = || copies.iter().map(|copy| (copy, judge(copy)));
    let verified = verdicts().find_map(|(copy, verdict)| match verdict {
        Verdict::Good(pairs) => Some(Adoptable::Verified {
            image: copy.id.clone(),
            attempt: attempt_of(of, copy),
            pairs,
        }),
        _ => None,
    });
    let in_flight = || {
        verdicts().find_map(|(copy, verdict)| {
            let is_coming = match copy.state {
                ImageState::Pending => true,
                ImageState::Available => verdict == Verdict::Unknown,
                _ => false,
            };
            let attempt = attempt_of(of, copy).filter(|_| is_coming)?;
            let image = copy.id.clone();
            Some(Adoptable::InFlight { image, attempt })
        })
    };
    let disabled = || {
        let (copy, _) = verdicts().find(|(_, verdict)| *verdict == Verdict::Disabled)?;
        Some(Adoptable::Disabled {
            image: copy.id.clone(),
            attempt: attempt_of(of, copy),
        })
    };
    verified.or_else(in_flight).or_else(disabled)
}

/// Whether a good copy of `source` is there, as the migrations see it that have one on record.
pub fn is_superseded(of: &CopyIdentity, source: &Image, inventory: &Inventory, recorded: Recorded<'_>) -> bool {
    inventory.copies_of(&of.source, &of.scope.region).any(|copy| {
        let verdict = if recorded.published.contains(&copy.id) {
            verify_published(source, copy, &inventory.snapshots, &of.key)
        } else {
            verify(source, copy, &inventory.snapshots, &of.key)
        };
        matches!(verdict, Verdict::Good(_)) && !recorded.refused.contains(&copy.id)
    })
}

fn by_age<'a>(of: &'a CopyIdentity, inventory: &'a Inventory) -> Vec<&'a Arc<Image>> {
    let mut copies: Vec<&Arc<Image>> = inventory.copies_of(&of.source, &of.scope.region).collect();
    copies.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    copies
}

/// The attempt that made `copy`, if it is one of ours: our tags, and a name that only this attempt's token gives.
pub fn attempt_of(of: &CopyIdentity, copy: &Image) -> Option<u32> {
    let tagged = copy
        .tags
        .get(TAG_SOURCE_IMAGE)
        .is_some_and(|id| id == of.source.as_str());
    let attempt: u32 = copy.tags.get(TAG_ATTEMPT)?.parse().ok()?;
    (tagged && attempt >= 1 && of.is_named_by_us(&copy.name, attempt)).then_some(attempt)
}

/// The highest attempt whose copy the inventory shows, in whatever state; 0 if there is none.
pub fn last_attempt(of: &CopyIdentity, inventory: &Inventory) -> u32 {
    inventory
        .copies_of(&of.source, &of.scope.region)
        .filter_map(|copy| attempt_of(of, copy))
        .max()
        .unwrap_or(0)
}

/// The copies of ours that have failed or come out wrong, as far as the inventory shows them: they count as failed attempts
/// also where no status tells of them any more. Our tags and name alone are not believed, AWS has to call them copies.
///
/// [`find`] takes none of these, so what is left out here would be made again and again.
pub fn failed<'a>(
    of: &'a CopyIdentity,
    source: &'a Image,
    inventory: &'a Inventory,
) -> impl Iterator<Item = &'a Arc<Image>> {
    let is_wrong = |copy: &Image| match copy.state {
        ImageState::Failed => true,
        ImageState::Available | ImageState::Disabled => matches!(
            verify(source, copy, &inventory.snapshots, &of.key),
            Verdict::NotEncrypted { .. }
                | Verdict::AlsoUnder { .. }
                | Verdict::Differs { .. }
                | Verdict::LacksWatermark { .. }
        ),
        _ => false,
    };
    inventory
        .copies_of(&of.source, &of.scope.region)
        .filter(move |copy| attempt_of(of, copy).is_some() && is_wrong(copy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Tags;
    use crate::plan::testing::{World, at, copy_of, encrypted_copy, image, image_id, key};

    fn ours(copy: &mut Image, attempt: u32) {
        let of = copy_of();
        copy.name = of.copy_name("{name}", "web-1", attempt).into();
        copy.tags = Tags::from([
            (TAG_SOURCE_IMAGE.into(), of.source.as_str().into()),
            (TAG_ATTEMPT.into(), attempt.to_string().into()),
        ]);
    }

    fn found_after(change: impl FnOnce(&mut Image)) -> Option<Adoptable> {
        let source = image(1, 2);
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
        change(&mut copy);
        world.images.insert(copy.id.clone(), Arc::new(copy));
        find(&copy_of(), &source, &world.inventory(at(0)))
    }

    #[test]
    fn a_verified_copy_is_adopted_whoever_made_it() {
        let found = found_after(|_| {});
        assert!(
            matches!(found, Some(Adoptable::Verified { attempt: None, .. })),
            "{found:?}"
        );
        let found = found_after(|copy| ours(copy, 3));
        assert!(
            matches!(found, Some(Adoptable::Verified { attempt: Some(3), .. })),
            "{found:?}"
        );
    }

    #[test]
    fn an_image_that_aws_does_not_call_a_copy_is_not_adopted_whatever_its_tags_say() {
        let forged = found_after(|copy| {
            ours(copy, 1);
            copy.copied_from = None;
        });
        assert_eq!(forged, None);
    }

    #[test]
    fn a_pending_copy_is_waited_for_only_when_it_is_ours() {
        let found = found_after(|copy| {
            ours(copy, 2);
            copy.state = ImageState::Pending;
        });
        assert_eq!(
            found,
            Some(Adoptable::InFlight {
                image: image_id(101),
                attempt: 2
            })
        );
        assert_eq!(found_after(|copy| copy.state = ImageState::Pending), None);
        let misnamed = found_after(|copy| {
            ours(copy, 2);
            copy.name = "encrypted-web-1-00000000".into();
            copy.state = ImageState::Pending;
        });
        assert_eq!(misnamed, None, "the tags say ours, the name does not");
    }

    #[test]
    fn a_faithful_copy_is_adopted_whatever_was_set_on_its_original_or_on_itself_since() {
        for of_copy in [true, false] {
            let mut source = image(1, 2);
            let mut world = World::of([source.clone()]);
            let mut copy = encrypted_copy(&source, 101, &key(1), &mut world);
            let hardened = if of_copy { &mut copy } else { &mut source };
            Arc::make_mut(&mut hardened.attributes).insert("imdsSupport", "v2.0".into());
            hardened.description = Some("hardened".into());
            world.images.insert(copy.id.clone(), Arc::new(copy));
            let found = find(&copy_of(), &source, &world.inventory(at(0)));
            assert!(matches!(found, Some(Adoptable::Verified { .. })), "{found:?}");
        }
    }

    #[test]
    fn a_disabled_copy_is_found_as_such_unless_there_is_another_one() {
        let source = image(1, 2);
        let mut world = World::of([source.clone()]);
        let mut disabled = encrypted_copy(&source, 101, &key(1), &mut world);
        disabled.state = ImageState::Disabled;
        world.images.insert(disabled.id.clone(), Arc::new(disabled));
        let found = find(&copy_of(), &source, &world.inventory(at(0)));
        let image = image_id(101);
        assert_eq!(found, Some(Adoptable::Disabled { image, attempt: None }));
        let mut world = World::of([source.clone()]);
        let disabled = encrypted_copy(&source, 101, &key(1), &mut world);
        let disabled = Image {
            state: ImageState::Disabled,
            ..disabled
        };
        world.images.insert(disabled.id.clone(), Arc::new(disabled));
        encrypted_copy(&source, 102, &key(1), &mut world);
        let found = find(&copy_of(), &source, &world.inventory(at(0)));
        assert!(
            matches!(&found, Some(Adoptable::Verified { image, .. }) if *image == image_id(102)),
            "{found:?}"
        );
    }

    #[test]
    fn an_image_counts_as_superseded_by_what_its_migration_has_found_out_of_the_copy() {
        let none = HashSet::new();
        let copy = HashSet::from([image_id(101)]);
        let recorded = |published: bool, refused: bool| Recorded {
            published: if published { &copy } else { &none },
            refused: if refused { &copy } else { &none },
        };
        let mut source = image(1, 2);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(1), &mut world);
        let inventory = world.inventory(at(0));
        let is_superseded = |source: &Image, recorded| is_superseded(&copy_of(), source, &inventory, recorded);
        assert!(is_superseded(&source, recorded(false, false)));
        assert!(!is_superseded(&source, recorded(false, true)));
        Arc::make_mut(&mut source.attributes).insert("platformDetails", "Linux/UNIX".into());
        assert!(!is_superseded(&source, recorded(false, false)));
        assert!(is_superseded(&source, recorded(true, false)));
    }

    #[test]
    fn a_copy_under_another_key_is_not_adopted() {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(2), &mut world);
        assert_eq!(find(&copy_of(), &source, &world.inventory(at(0))), None);
    }
}
