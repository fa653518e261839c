//! What is left of copies that failed and vanished: the image goes, its snapshots stay.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{self as sdk, SnapshotState};

use super::inventory::{Detail, FILTER_VALUES};
use super::listing::{Listing, filter};
use super::project;
use super::session::Session;
use crate::domain::{AwsError, ImageId, Remains, SnapshotId};

/// Snapshots with the copy that they are of, their state, and why they have failed.
type Found = BTreeMap<SnapshotId, (ImageId, SnapshotState, Option<Box<str>>)>;

impl Session {
    /// Reads the snapshots that AWS has made for copies of `sources` and that carry the tag `tag` with the source's ID: by the copy
    /// that AWS's own description names, whether or not there is such an image.
    pub async fn remains_of(&self, sources: &[ImageId], tag: &str) -> Result<BTreeMap<ImageId, Remains>, AwsError> {
        let sources: Vec<&str> = sources.iter().map(ImageId::as_str).collect();
        let mut found = Found::new();
        for chunk in sources.chunks(FILTER_VALUES) {
            let filter = filter(
                &format!("tag:{tag}"),
                chunk.iter().copied().map(str::to_owned).collect(),
            );
            let snapshots = Listing::new(found, Detail::default(), |found, snapshot: &sdk::Snapshot, _| {
                if let (Some(image), Some(state)) = (copied_for(snapshot), &snapshot.state) {
                    let id = project::snapshot_id(snapshot)?;
                    found.insert(id, (image, state.clone(), project::failure(snapshot)));
                }
                Ok(())
            });
            found = snapshots.read(self, Some(filter)).await?;
        }
        let mut remains: BTreeMap<ImageId, Remains> = BTreeMap::new();
        for (id, (image, state, why)) in found {
            let of_image = remains.entry(image).or_default();
            of_image.snapshots.push(id);
            of_image.pending |= state == SnapshotState::Pending;
            of_image.failed |= state == SnapshotState::Error;
            of_image.why = of_image.why.take().or(why);
        }
        Ok(remains)
    }
}

/// The image that AWS has made a snapshot for, where its tag and AWS's own description say that it is of the same source.
fn copied_for(snapshot: &sdk::Snapshot) -> Option<ImageId> {
    let description = snapshot.description.as_deref()?;
    let (image, rest) = description
        .strip_prefix("Copied for DestinationAmi ")?
        .split_once(" from SourceAmi ")?;
    let (source, _) = rest.split_once(" for SourceSnapshot snap-")?;
    let is_tagged = snapshot.tags().iter().any(|tag| tag.value() == Some(source));
    is_tagged.then(|| image.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::Tag;

    use super::*;

    fn described(description: &str, tagged: &str) -> Option<ImageId> {
        let tag = Tag::builder().key("amiseal.dev/source-image").value(tagged).build();
        let snapshot = sdk::Snapshot::builder().description(description).tags(tag).build();
        copied_for(&snapshot)
    }

    #[test]
    fn a_snapshot_is_of_a_copy_by_awss_description_and_by_a_tag_that_agrees_with_it() {
        let source = "ami-0000000000000000a";
        let copy = "ami-0000000000000000b";
        let of_aws = format!(
            "Copied for DestinationAmi {copy} from SourceAmi {source} for SourceSnapshot snap-0000000000000000c. Task created on 1."
        );
        assert_eq!(described(&of_aws, source), copy.parse().ok());
        for (description, tagged) in [
            (of_aws.as_str(), copy),
            ("Copied for DestinationAmi ami-0000000000000000b", source),
            ("[Copied snap-0000000000000000c from eu-west-1]", source),
            (
                "Copied for DestinationAmi x from SourceAmi ami-0000000000000000a for SourceSnapshot snap-1",
                source,
            ),
            ("", source),
        ] {
            assert_eq!(described(description, tagged), None, "{description} {tagged}");
        }
    }
}
