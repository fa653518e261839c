//! Reading an image that is another account's, as the account sees it.

use super::interner::Interner;
use super::inventory::Detail;
use super::listing::{filter, listed};
use super::pages::Pages;
use super::project;
use super::session::Session;
use crate::domain::{AwsError, Image, ImageId, Operation};

const OPERATION: Operation = Operation::DescribeImages;

impl Session {
    /// Reads an image that is another account's; none where AWS does not show it to this one.
    ///
    /// With a filter and not the parameter for IDs: by that, an image that is not shared fails the call.
    pub async fn foreign_image(&self, image: &ImageId) -> Result<Option<Image>, AwsError> {
        let (mut found, mut pages) = (None, Pages::default());
        let mut common = Interner::keeping(Detail::Everything);
        while pages.more() {
            let request = self
                .ec2_reads()
                .describe_images()
                .include_deprecated(true)
                .filters(filter("image-id", vec![image.as_str().to_owned()]))
                .set_next_token(pages.token());
            let page = self.call(OPERATION, request.send()).await?;
            for shown in &listed(OPERATION, page.images)? {
                let shown =
                    project::image(shown, &mut common).map_err(|defect| AwsError::malformed(OPERATION, &defect))?;
                found = Some(shown).filter(|shown| shown.id == *image).or(found);
            }
            pages.turn(OPERATION, page.next_token)?;
        }
        Ok(found)
    }
}
