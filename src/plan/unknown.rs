//! Why an image's encryption cannot be told, and what fixes that.

use super::obstacle::{self, Problem};
use super::verify::{Encryption, encryption};
use crate::api::conditions::reason;
use crate::domain::{Image, ImageId, Snapshots};

/// How many causes are told apart.
const CAUSES: usize = 4;
/// How many images of one cause are named.
const NAMED: usize = 3;

/// Images whose encryption cannot be told for the same cause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The cause, and what fixes it.
    pub why: Problem,
    /// How many images.
    pub count: u32,
    /// The first few of them.
    pub named: Vec<ImageId>,
}

/// The images whose encryption cannot be told for a cause of their own, by cause. However many there are, few are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unknown {
    groups: Vec<Group>,
    /// How many have another cause.
    more: u32,
}

impl Unknown {
    /// Takes in an image.
    pub(super) fn add(&mut self, image: &Image, why: Problem) {
        if let Some(group) = self.groups.iter_mut().find(|group| group.why == why) {
            group.count += 1;
            if group.named.len() < NAMED {
                group.named.push(image.id.clone());
            }
        } else if self.groups.len() < CAUSES {
            self.groups.push(Group {
                why,
                count: 1,
                named: vec![image.id.clone()],
            });
        } else {
            self.more += 1;
        }
    }

    /// The images, their causes and what fixes them, in a few sentences; none if there are no such images.
    pub fn message(&self) -> Option<String> {
        let sentence = |group: &Group| {
            let mut named: Vec<String> = group.named.iter().map(ToString::to_string).collect();
            let more = (group.count as usize).saturating_sub(named.len());
            if more > 0 {
                named.push(format!("{more} more"));
            }
            format!("{}: {}", named.join(", "), group.why.message)
        };
        let mut sentences: Vec<String> = self.groups.iter().map(sentence).collect();
        if self.more > 0 {
            sentences.push(format!("{} more for other causes: see amiseal plan.", self.more));
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// Why the encryption of an image cannot be told, if it is for a cause of its own and not for the policy's key.
pub fn why(image: &Image, snapshots: &Snapshots) -> Option<Problem> {
    if let Some(what) = image.unread() {
        return Some(obstacle::unread(what));
    }
    let mut volumes = image.volumes();
    let unread = volumes.find(|(_, volume, id)| encryption(volume, snapshots.get(*id)) == Encryption::Unknown);
    let message = match unread {
        Some((_, _, id)) if snapshots.contains_key(id) => {
            "The key of a snapshot of the image cannot be read: look at it with aws ec2 describe-snapshots, or exempt the \
             image with spec.imageSelector.exclude."
        }
        Some(_) => {
            "A snapshot of the image is not in the account's list: grant ec2:DescribeSnapshots for it to the role, or \
             exempt the image with spec.imageSelector.exclude if the snapshot belongs to another account."
        }
        None if !image.has_root_snapshot() => {
            "The image's root device is none of its volumes with a snapshot, so that nobody can say where its data is: \
             register it anew, or exempt it with spec.imageSelector.exclude."
        }
        None => return None,
    };
    Some(Problem::new(reason::UNKNOWN_IMAGES, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BlockDevice;
    use crate::plan::testing::{World, at, image, key, snapshot_id};

    fn why_after(change: impl FnOnce(&mut Image, &mut Snapshots)) -> Option<String> {
        let mut image = image(1, 2);
        for device in &mut image.devices {
            if let BlockDevice::Ebs { volume, .. } = device {
                volume.encrypted = Some(true);
            }
        }
        let mut world = World::default();
        world.add(image.clone(), Some(&key(1)));
        let mut inventory = world.inventory(at(0));
        change(&mut image, &mut inventory.snapshots);
        why(&image, &inventory.snapshots).map(|problem| problem.message)
    }

    #[test]
    fn the_mend_fits_the_cause() {
        assert_eq!(why_after(|_, _| {}), None);
        type Change = fn(&mut Image, &mut Snapshots);
        let table: [(Change, &str, bool); 5] = [
            (
                |image, _| image.extras.get_or_insert_default().unread = Some("imageOwnerId is missing".into()),
                "(imageOwnerId is missing)",
                false,
            ),
            (
                |_, snapshots| drop(snapshots.remove(&snapshot_id(100))),
                "is not in the account's list",
                true,
            ),
            (
                |_, snapshots| snapshots.get_mut(&snapshot_id(101)).expect("there").key = None,
                "aws ec2 describe-snapshots",
                false,
            ),
            (
                |image, _| {
                    image.devices[0] = BlockDevice::Ephemeral {
                        device: "/dev/sda".into(),
                    }
                },
                "root device",
                false,
            ),
            (|image, _| image.root_device = None, "root device", false),
        ];
        for (change, says, of_permissions) in table {
            let message = why_after(change).expect("a cause");
            assert!(message.contains(says), "{message}");
            assert_eq!(message.contains("grant ec2:"), of_permissions, "{message}");
            assert!(message.contains("spec.imageSelector.exclude"), "{message}");
        }
    }

    #[test]
    fn images_are_named_by_cause_and_the_message_stays_short_however_many_there_are() {
        let mut unknown = Unknown::default();
        assert_eq!(unknown.message(), None);
        for number in 1..=1000 {
            unknown.add(&image(number, 1), Problem::new(reason::UNKNOWN_IMAGES, "One."));
        }
        for number in 1..=9 {
            let why = Problem::new(reason::UNKNOWN_IMAGES, format!("Cause {number}."));
            unknown.add(&image(2000 + number, 1), why);
        }
        let message = unknown.message().expect("images");
        assert!(
            message.starts_with(
                "ami-00000000000000001, ami-00000000000000002, ami-00000000000000003, 997 more: One. ami-"
            ),
            "{message}"
        );
        assert!(
            message.ends_with("Cause 3. 6 more for other causes: see amiseal plan."),
            "{message}"
        );
        assert!(message.len() < 1000, "{message}");
    }
}
