//! What AWS itself finds to name an image: a cross-check, which knows every version of a template, and neither groups nor fleets.

use aws_sdk_ec2::types::{
    ImageReferenceOptionName, ImageReferenceResourceType, InstanceStateName, ResourceTypeOption, ResourceTypeRequest,
};

use super::instances::STATES;
use super::named;
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, ImageId, ImageReference, Operation};

const OPERATION: Operation = Operation::DescribeImageReferences;

/// For how many images AWS looks at a time.
const AT_A_TIME: usize = 10;
/// AWS's largest page.
const PAGE: i32 = 100;
/// As many versions of a template as AWS looks at: it looks at the ten newest ones unless it is asked for more.
const VERSIONS: &str = "10000";

impl Session {
    /// Asks AWS what names these images. It needs the rights to read each kind. Says besides whether an answer had several pages: an entry
    /// that changes its place between two of them is on neither.
    pub async fn image_references(&self, images: &[ImageId]) -> Result<(Vec<ImageReference>, bool), AwsError> {
        let (mut found, mut paged) = (Vec::new(), false);
        for some in images.chunks(AT_A_TIME) {
            let mut pages = Pages::default();
            while pages.more() {
                let request = self
                    .ec2_reads()
                    .describe_image_references()
                    .set_image_ids(Some(some.iter().map(ImageId::to_string).collect()))
                    .set_resource_types(Some(requests()))
                    .max_results(PAGE)
                    .set_next_token(pages.token());
                let page = self.call(OPERATION, request.send()).await?;
                for reference in &listed(OPERATION, page.image_references)? {
                    let image = named(OPERATION, reference.image_id())?;
                    found.push(ImageReference {
                        image: image.parse().map_err(|error| AwsError::malformed(OPERATION, &error))?,
                        kind: reference.resource_type().map_or(ConsumerKind::Instance, kind_of),
                        id: id_of(&named(OPERATION, reference.arn())?).into(),
                    });
                }
                pages.turn(OPERATION, page.next_token)?;
            }
            paged |= pages.several();
        }
        Ok((found, paged))
    }
}

fn requests() -> Vec<ResourceTypeRequest> {
    let option = |name, values: Vec<String>| {
        ResourceTypeOption::builder()
            .option_name(name)
            .set_option_values(Some(values))
            .build()
    };
    let states = STATES
        .iter()
        .map(|state: &InstanceStateName| state.as_str().to_owned())
        .collect();
    let request = |kind, options| {
        ResourceTypeRequest::builder()
            .resource_type(kind)
            .set_resource_type_options(options)
            .build()
    };
    vec![
        request(
            ImageReferenceResourceType::Ec2Instance,
            Some(vec![option(ImageReferenceOptionName::StateName, states)]),
        ),
        request(
            ImageReferenceResourceType::Ec2LaunchTemplate,
            Some(vec![option(
                ImageReferenceOptionName::VersionDepth,
                vec![VERSIONS.to_owned()],
            )]),
        ),
        request(ImageReferenceResourceType::SsmParameter, None),
        request(ImageReferenceResourceType::ImageBuilderImageRecipe, None),
        request(ImageReferenceResourceType::ImageBuilderContainerRecipe, None),
    ]
}

/// A kind that this version does not know is a use all the same.
fn kind_of(kind: &ImageReferenceResourceType) -> ConsumerKind {
    match kind {
        ImageReferenceResourceType::Ec2LaunchTemplate => ConsumerKind::LaunchTemplate,
        ImageReferenceResourceType::SsmParameter => ConsumerKind::Parameter,
        ImageReferenceResourceType::ImageBuilderImageRecipe
        | ImageReferenceResourceType::ImageBuilderContainerRecipe => ConsumerKind::Recipe,
        _ => ConsumerKind::Instance,
    }
}

/// The ID that the listings have, which is the last part of the ARN; that of a recipe is the ARN.
fn id_of(arn: &str) -> &str {
    if arn.contains(":imagebuilder:") {
        return arn;
    }
    match arn.split_once(":parameter/") {
        // Names that begin with a slash have it twice, or once, as the name has more parts or not.
        Some((_, name)) if name.contains('/') => &arn[arn.len() - name.len() - 1..],
        Some((_, name)) => name,
        None => arn.rsplit('/').next().unwrap_or(arn),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_names_what_the_listings_name() {
        for (arn, id) in [
            ("arn:aws:ec2:eu-west-1:111122223333:instance/i-0123", "i-0123"),
            ("arn:aws:ec2:eu-west-1:111122223333:launch-template/lt-0123", "lt-0123"),
            ("arn:aws:ssm:eu-west-1:111122223333:parameter/golden", "golden"),
            ("arn:aws:ssm:eu-west-1:111122223333:parameter/images/web", "/images/web"),
            (
                "arn:aws:imagebuilder:eu-west-1:111122223333:image-recipe/web/1.0.0",
                "arn:aws:imagebuilder:eu-west-1:111122223333:image-recipe/web/1.0.0",
            ),
        ] {
            assert_eq!(id_of(arn), id);
        }
    }
}
