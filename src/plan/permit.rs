//! What the role must be allowed before copies are asked for: what to ask about, when, and what follows.

use std::sync::Arc;
use std::time::Duration;

use super::obstacle::Trouble;
use crate::api::conditions::reason;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::domain::{Image, ImageState, Inventory, Lacking};

/// After how long it is asked again whether the role may do what it could not, or might not.
pub const ASK_AGAIN: Duration = Duration::from_secs(600);

/// What stands in the way of asking for any copy.
pub fn obstacle(lacking: &Lacking) -> Option<Trouble> {
    let actions = &lacking.certain;
    (!actions.is_empty()).then(|| {
        Trouble::new(
            reason::ACCESS_DENIED,
            format!(
                "AWS denies what migrating needs: allow {} to the role.",
                sentence(actions)
            ),
        )
    })
}

/// What may come to stand in the way once a copy is there.
pub fn doubt(lacking: &Lacking) -> Option<Trouble> {
    let actions = &lacking.untagged;
    (!actions.is_empty()).then(|| {
        Trouble::new(
            reason::ACCESS_DENIED,
            format!(
                "AWS denies {actions} for an image without amiseal's tags, and there is none with them to ask about yet: \
                 allow {actions} to the role, at least for images and snapshots with the tag {TAG_SOURCE_IMAGE}.",
                actions = sentence(actions)
            ),
        )
    })
}

/// A copy of amiseal's, to ask about what is done with copies only. The tag may be forged: nothing is done by a dry run.
pub fn sample_copy(inventory: &Inventory) -> Option<&Arc<Image>> {
    let ours = |image: &&Arc<Image>| {
        image.state == ImageState::Available && image.copied_from.is_some() && image.tags.contains_key(TAG_SOURCE_IMAGE)
    };
    inventory.images.values().find(ours)
}

/// Actions as part of a sentence.
fn sentence(actions: &[&str]) -> String {
    match actions {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Tags;
    use crate::plan::testing::{World, at, encrypted_copy, image, key};

    #[test]
    fn what_is_certainly_denied_stands_in_the_way_and_is_named_one_by_one() {
        let lacking = |certain: &[&'static str], untagged: &[&'static str]| Lacking {
            certain: certain.to_vec(),
            untagged: untagged.to_vec(),
        };
        assert_eq!(
            (obstacle(&Lacking::default()), doubt(&Lacking::default())),
            (None, None)
        );
        let cases = [
            (&["ec2:A"][..], "allow ec2:A to the role."),
            (&["ec2:A", "ec2:B"], "allow ec2:A and ec2:B to the role."),
            (
                &["ec2:A", "ec2:B", "ec2:C"],
                "allow ec2:A, ec2:B and ec2:C to the role.",
            ),
        ];
        for (actions, words) in cases {
            let trouble = obstacle(&lacking(actions, &[])).expect("an obstacle");
            assert_eq!(trouble.reason, reason::ACCESS_DENIED);
            assert!(trouble.message.ends_with(words), "{}", trouble.message);
        }
        let doubtful = lacking(&[], &["ec2:A"]);
        assert_eq!(obstacle(&doubtful), None);
        let said = doubt(&doubtful).expect("a doubt").message;
        assert!(said.starts_with("AWS denies ec2:A for an image without"), "{said}");
    }

    #[test]
    fn what_is_done_with_copies_is_asked_about_one_of_ours() {
        let source = image(1, 1);
        assert_eq!(sample_copy(&World::of([source.clone()]).inventory(at(0))), None);
        let mut world = World::of([source.clone()]);
        encrypted_copy(&source, 101, &key(1), &mut world);
        let mut inventory = world.inventory(at(0));
        let copy = inventory
            .images
            .values()
            .find(|i| i.copied_from.is_some())
            .cloned()
            .expect("a copy");
        let with = |inventory: &mut Inventory, tagged: bool, state| {
            let mut copy = (*copy).clone();
            copy.state = state;
            copy.tags = Tags::default();
            if tagged {
                copy.tags.insert(TAG_SOURCE_IMAGE.into(), source.id.as_str().into());
            }
            inventory.insert(copy);
            sample_copy(inventory).is_some()
        };
        assert!(with(&mut inventory, true, ImageState::Available));
        assert!(!with(&mut inventory, false, ImageState::Available));
        assert!(!with(&mut inventory, true, ImageState::Failed));
    }
}
