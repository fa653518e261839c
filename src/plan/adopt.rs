//! Finding the copy that is already there, so that none is made twice.
//!
//! What an image was copied from is AWS's own record. Tags only mark a copy as ours: anyone can write a tag, so a tag
//! alone is never believed.

use std::sync::Arc;

use super::naming::CopyOf;
use super::verify::{Pair, Verdict, verify};
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
}

/// Looks for a copy of `source` under the key.
///
/// A verified one wins; the oldest of several, so that everyone who looks chooses the same.
pub fn find(of: &CopyOf, source: &Image, inventory: &Inventory) -> Option<Adoptable> {
    let mut copies: Vec<&Arc<Image>> = inventory.copies_of(&of.source, &of.region).collect();
    copies.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
    let verified = copies
        .iter()
        .find_map(|copy| match verify(source, copy, &inventory.snapshots, &of.key) {
            Verdict::Good(pairs) if copy.state == ImageState::Available => Some(Adoptable::Verified {
                image: copy.id.clone(),
                attempt: attempt_of(of, copy),
                pairs,
            }),
            _ => None,
        });
    verified.or_else(|| {
        copies.iter().find_map(|copy| {
            let attempt = attempt_of(of, copy)?;
            let coming = match copy.state {
                ImageState::Pending => true,
                ImageState::Available => verify(source, copy, &inventory.snapshots, &of.key) == Verdict::Unknown,
                _ => false,
            };
            coming.then(|| Adoptable::InFlight {
                image: copy.id.clone(),
                attempt,
            })
        })
    })
}

/// The attempt that made `copy`, if it is one of ours: our tags, and a name that only this attempt's token gives.
pub fn attempt_of(of: &CopyOf, copy: &Image) -> Option<u32> {
    let tagged = copy
        .tags
        .get(TAG_SOURCE_IMAGE)
        .is_some_and(|id| id == of.source.as_str());
    let attempt: u32 = copy.tags.get(TAG_ATTEMPT)?.parse().ok()?;
    (tagged && attempt >= 1 && of.is_named_by_us(&copy.name, attempt)).then_some(attempt)
}

/// The highest attempt whose copy the inventory shows, in whatever state; 0 if there is none.
pub fn last_attempt(of: &CopyOf, inventory: &Inventory) -> u32 {
    inventory
        .copies_of(&of.source, &of.region)
        .filter_map(|copy| attempt_of(of, copy))
        .max()
        .unwrap_or(0)
}

/// The copies of ours that have failed or come out wrong, as far as the inventory shows them: they count as failed attempts
/// also where no status tells of them any more. Our tags and name alone are not believed, AWS has to call them copies.
pub fn failed<'a>(of: &'a CopyOf, source: &'a Image, inventory: &'a Inventory) -> impl Iterator<Item = &'a Arc<Image>> {
    let is_wrong = |copy: &Image| match copy.state {
        ImageState::Failed => true,
        ImageState::Available | ImageState::Disabled => matches!(
            verify(source, copy, &inventory.snapshots, &of.key),
            Verdict::NotEncrypted { .. } | Verdict::Differs { .. }
        ),
        _ => false,
    };
    inventory
        .copies_of(&of.source, &of.region)
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
    fn a_copy_under_another_key_is_not_adopted() {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(2), &mut world);
        assert_eq!(find(&copy_of(), &source, &world.inventory(at(0))), None);
    }
}
