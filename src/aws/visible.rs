//! Images that an account sees, whoever owns them.

use super::interner::Interner;
use super::inventory::FILTER_VALUES;
use super::listing::{filter, listed};
use super::pages::Pages;
use super::project;
use super::session::Session;
use crate::domain::{AwsError, Image, ImageId, Operation};

impl Session {
    /// Reads those of these images that the account sees, those of others that are shared with it included.
    pub async fn images_of_anybody(&self, ids: &[ImageId]) -> Result<Vec<Image>, AwsError> {
        const OPERATION: Operation = Operation::DescribeImages;
        let mut found = Vec::new();
        for chunk in ids.chunks(FILTER_VALUES) {
            let ids: Vec<String> = chunk.iter().map(ToString::to_string).collect();
            let mut pages = Pages::default();
            while pages.more() {
                let request = self
                    .ec2_reads()
                    .describe_images()
                    .include_disabled(true)
                    .include_deprecated(true)
                    .filters(filter("image-id", ids.clone()))
                    .set_next_token(pages.token())
                    .send();
                let page = self.call(OPERATION, request).await?;
                for image in listed(OPERATION, page.images)? {
                    let image = project::image(&image, &mut Interner::default());
                    found.push(image.map_err(|defect| AwsError::malformed(OPERATION, &defect))?);
                }
                pages.turn(OPERATION, page.next_token)?;
            }
        }
        Ok(found)
    }
}
