//! Recipes of EC2 Image Builder: what they build on is launched by each build.

use std::collections::HashMap;

use super::owner::owner;
use super::{Query, image, launcher, named};
use crate::aws::listing::listed;
use crate::aws::pages::Pages;
use crate::aws::session::Session;
use crate::domain::{AwsError, ConsumerKind, ImageRef, Launches, Operation, Readings};

const IMAGES: Operation = Operation::ListImageRecipes;
const CONTAINERS: Operation = Operation::ListContainerRecipes;

/// AWS's largest page of both.
const PAGE: i32 = 25;

pub(super) async fn read(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let of_images = of_images(session, query, into).await;
    of_images.and(of_containers(session, query, into).await)
}

async fn of_images(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.imagebuilder();
        let request = client
            .list_image_recipes()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(IMAGES, request.send()).await?;
        for recipe in &listed(IMAGES, page.image_recipe_summary_list)? {
            let arn = named(IMAGES, recipe.arn())?;
            push(query, arn, [("", base(recipe.parent_image()))], recipe.tags(), into);
        }
        pages.turn(IMAGES, page.next_token)?;
    }
    Ok(())
}

async fn of_containers(session: &Session, query: &Query, into: &mut Readings) -> Result<(), AwsError> {
    let mut pages = Pages::default();
    while pages.more() {
        let client = session.imagebuilder();
        let request = client
            .list_container_recipes()
            .max_results(PAGE)
            .set_next_token(pages.token());
        let page = session.call(CONTAINERS, request.send()).await?;
        for recipe in &listed(CONTAINERS, page.container_recipe_summary_list)? {
            let arn = named(CONTAINERS, recipe.arn())?;
            // What a container is built on is a container; what it is built in is an image.
            push(
                query,
                arn,
                [("instance", image(recipe.instance_image()))],
                recipe.tags(),
                into,
            );
        }
        pages.turn(CONTAINERS, page.next_token)?;
    }
    Ok(())
}

fn push<const N: usize>(
    query: &Query,
    arn: Box<str>,
    launches: [(&str, Option<Launches>); N],
    tags: Option<&HashMap<String, String>>,
    into: &mut Readings,
) {
    let launches = launches.map(|(what, launches)| (what.to_owned(), launches));
    let mut launches = launcher(ConsumerKind::Recipe, arn, launches);
    let tags = tags.into_iter().flatten();
    launches.owner = owner(query, None, tags.map(|(key, value)| (key.as_str(), value.as_str())));
    into.launchers.push(launches);
}

/// What a recipe builds on. An image that Amazon or a vendor manages by Image Builder is no image of the account.
fn base(text: Option<&str>) -> Option<Launches> {
    image(text).filter(|launches| !matches!(launches, Launches::Image(ImageRef::Other(text)) if is_managed(text)))
}

/// Whether this is the ARN of an image that is not of an account: in the place of the account's ID stands a name, such as `aws`.
fn is_managed(text: &str) -> bool {
    let mut parts = text.split(':');
    parts.next() == Some("arn")
        && parts
            .nth(3)
            .is_some_and(|account| !account.bytes().all(|sign| sign.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_base_is_no_image_of_the_account_and_one_of_its_own_has_to_be_known() {
        assert_eq!(
            base(Some(
                "arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x"
            )),
            None
        );
        assert!(base(Some("arn:aws:imagebuilder:eu-west-1:111122223333:image/base/1.x.x")).is_some());
        assert!(base(Some("ami-0123456789abcdef0")).is_some());
        assert!(base(Some("ssm:/golden/web")).is_some());
        assert_eq!(base(None), None);
    }
}
