//! Whether copies could be shared as their originals are: under a key that AWS manages, what AWS answers about one image
//! after the other.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::images_in_words;
use crate::domain::{AwsError, Cause, ErrorClass, ImageId};
use crate::plan::obstacle::Problem;
use crate::plan::problem;

/// What AWS answered about the images that would be copied.
#[derive(Debug, Default)]
pub struct Answers {
    /// What stands in the way of an image, if anything does; or what hindered the answer.
    of_images: HashMap<ImageId, Result<Option<Problem>, Problem>>,
    /// What hindered asking about all the others.
    ended: Option<Problem>,
}

impl Answers {
    /// Takes in what stands in the way of an image, or why that could not be asked. Says whether to ask about the next one.
    pub fn take(&mut self, image: &ImageId, answer: Result<Option<Problem>, AwsError>) -> ControlFlow<()> {
        let answer = match answer {
            Ok(obstacle) => Ok(obstacle),
            Err(error) if is_of_one_image(&error) => Err(problem::of_error(&error)),
            Err(error) => {
                self.ended = Some(problem::of_error(&error));
                return ControlFlow::Break(());
            }
        };
        self.of_images.insert(image.clone(), answer);
        ControlFlow::Continue(())
    }

    /// What stands in the way of an image, if anything does; or what hindered the answer.
    pub(super) fn of(&self, image: &ImageId) -> Result<Option<&Problem>, &Problem> {
        match (self.of_images.get(image), &self.ended) {
            (Some(Ok(obstacle)), _) => Ok(obstacle.as_ref()),
            (Some(Err(hindrance)), _) | (None, Some(hindrance)) => Err(hindrance),
            (None, None) => Ok(None),
        }
    }
}

/// Whether an error says nothing of what AWS would answer about another image.
fn is_of_one_image(error: &AwsError) -> bool {
    let class = matches!(
        error.class,
        ErrorClass::NotFound | ErrorClass::Invalid | ErrorClass::Conflict
    );
    // Credentials that cannot be had are of these classes too.
    class && !matches!(error.cause, Some(Cause::NoCredentials | Cause::SessionPolicyTooLarge))
}

/// Images that may be copied, or may not be: nobody knows whom they are shared with.
pub(super) fn undecided(hindrance: &Problem, images: u32) -> Problem {
    let message = format!(
        "{} It is undecided whether {} can be copied: whom the original is shared with is not known, and a copy under \
         the AWS managed key cannot be shared.",
        hindrance.message,
        images_in_words(images)
    );
    Problem::new(hindrance.reason, message)
}
