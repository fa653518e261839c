//! Parameters of Systems Manager that amiseal itself keeps, each with the ID of an image: listed, judged by their tags, made, set and
//! deleted.

use std::num::NonZeroUsize;

use aws_sdk_ssm::types::{ParameterTier, ParameterType, ResourceTypeForTagging, Tag};

use super::listing::listed;
use super::pages::Pages;
use super::session::Session;
use crate::domain::{AwsError, ErrorClass, NewParameter, Operation, ParameterPages, StoredParameter, Tags};

const LIST: Operation = Operation::GetParametersByPath;
const TAGS: Operation = Operation::ListTagsForResource;
const PUT: Operation = Operation::PutParameter;
const DELETE: Operation = Operation::DeleteParameter;

/// AWS's largest page.
const PAGE: i32 = 10;
/// The data type of parameters that hold images. AWS looks for the image once it has answered.
const IMAGE: &str = "aws:ec2:image";
/// AWS's code where there is a parameter of that name already.
const TAKEN: &str = "ParameterAlreadyExists";

impl Session {
    /// The parameters right under this path, on so many pages at most: on the first ones, or on those that `from` leads to, which came with
    /// the ones before.
    pub async fn parameters_under(
        &self,
        path: &str,
        from: Option<&str>,
        most: NonZeroUsize,
    ) -> Result<ParameterPages, AwsError> {
        let mut found = Vec::new();
        let mut pages = Pages::from(from);
        for _ in 0..most.get() {
            let client = self.ssm();
            let request = client
                .get_parameters_by_path()
                .path(path)
                .recursive(false)
                .max_results(PAGE)
                .set_next_token(pages.token());
            let page = self.call(LIST, request.send()).await?;
            for parameter in listed(LIST, page.parameters)? {
                found.push(StoredParameter {
                    name: parameter.name().unwrap_or_default().into(),
                    value: parameter.value().unwrap_or_default().into(),
                    version: parameter.version,
                });
            }
            pages.turn(LIST, page.next_token)?;
            if !pages.more() {
                break;
            }
        }
        Ok(ParameterPages {
            parameters: found,
            next: pages.token().map(Into::into),
        })
    }

    /// The tags of a parameter; none where it is gone.
    pub async fn parameter_tags(&self, name: &str) -> Result<Option<Tags>, AwsError> {
        let client = self.ssm();
        let request = client
            .list_tags_for_resource()
            .resource_type(ResourceTypeForTagging::Parameter)
            .resource_id(name);
        match self.call(TAGS, request.send()).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(None),
            answer => {
                let answer = answer?;
                let tags: Vec<(&str, &str)> = answer.tag_list().iter().map(|tag| (tag.key(), tag.value())).collect();
                Ok(Some(Tags::of(&tags)))
            }
        }
    }

    /// Makes a parameter with its tags. Says whether it did: one of that name that is there already stays as it is.
    pub async fn create_parameter(&self, new: &NewParameter) -> Result<bool, AwsError> {
        let tags = new
            .tags
            .iter()
            .map(|(key, value)| Tag::builder().key(key).value(value).build());
        let tags: Result<Vec<Tag>, _> = tags.collect();
        let tags = tags.map_err(|error| AwsError::malformed(PUT, &error))?;
        match self.put_image(new, false, Some(tags)).await {
            Err(error) if error.code.as_deref() == Some(TAKEN) => Ok(false),
            made => made.map(|()| true),
        }
    }

    /// Gives a parameter that is there another value. Its tags stay.
    pub async fn set_parameter(&self, to: &NewParameter) -> Result<(), AwsError> {
        self.put_image(to, true, None).await
    }

    async fn put_image(&self, to: &NewParameter, overwrites: bool, tags: Option<Vec<Tag>>) -> Result<(), AwsError> {
        let client = self.ssm();
        let request = client
            .put_parameter()
            .name(&to.name)
            .value(&to.value)
            .overwrite(overwrites)
            .r#type(ParameterType::String)
            .data_type(IMAGE)
            // Whatever the account's default is: others are paid for.
            .tier(ParameterTier::Standard)
            .description(&to.description)
            .set_tags(tags);
        self.call(PUT, request.send()).await.map(drop)
    }

    /// Deletes a parameter. One that is gone is no error.
    pub async fn delete_parameter(&self, name: &str) -> Result<(), AwsError> {
        let client = self.ssm();
        match self.call(DELETE, client.delete_parameter().name(name).send()).await {
            Err(error) if error.class == ErrorClass::NotFound => Ok(()),
            answer => answer.map(drop),
        }
    }
}
