//! Reading who uses images, and who may.

use futures::future::join_all;
use jiff::Timestamp;
use wildmatch::WildMatch;

use crate::api::{ConsumerSettings, ParameterScope};
use crate::aws::{Parameters, Query, Session};
use crate::domain::{AccountId, AwsError, ErrorClass, ImageId, ImageReference, Readings};
use crate::plan::usage::{self, Graph, Picture};

/// A template may name a parameter, and what pins one of its versions may do so too: after so many rounds nothing is named that was not
/// asked for.
const ROUNDS: usize = 3;
/// For so many images AWS looks at a time what names them.
const NAMED_AT_A_TIME: usize = 10;
/// Of so many images it is asked at a time with whom they are shared: the limiter holds the rate.
const SHARED_AT_A_TIME: usize = 8;

/// Reads everything that can launch images, and what that names. What could not be read is in the answer too.
pub(crate) async fn consumers(session: &Session, query: &Query) -> Readings {
    let mut readings = session.list_consumers(query).await;
    read_named(session, &mut readings).await;
    readings
}

/// The same for those who read once: where listings of several pages may have missed something, they are read once more.
pub(crate) async fn consumers_at_once(
    session: &Session,
    query: &Query,
    account: &AccountId,
    began: Timestamp,
) -> (Readings, Graph) {
    let mut readings = consumers(session, query).await;
    if readings.paged {
        readings.absorb_again(session.list_consumers_again(query).await);
        read_named(session, &mut readings).await;
    }
    let mut graph = usage::graph(&readings, account, began);
    graph.has_looked_twice();
    (readings, graph)
}

/// Reads what the things that were read name, and no listing shows.
async fn read_named(session: &Session, readings: &mut Readings) {
    for _ in 0..ROUNDS {
        let wanted = usage::wanted(readings);
        if wanted == usage::Wanted::default() {
            break;
        }
        session.read_named(&wanted.versions, &wanted.parameters, readings).await;
    }
}

/// What a policy has read of them.
pub(crate) fn query(settings: &ConsumerSettings) -> Query {
    let owned_by = settings.owned_by.iter();
    Query {
        parameters: match settings.parameters {
            ParameterScope::Images => Parameters::Images,
            ParameterScope::All => Parameters::All,
        },
        owned_by: owned_by
            .map(|(key, glob)| (key.as_str().into(), WildMatch::new(glob)))
            .collect(),
    }
}

/// Asks of the images that nobody is known to use what else names them, and who may launch them. `candidates` are those that could turn
/// out to be unused by what is known. What could not be asked is in the picture; says whether that is for a fault that passes by itself.
pub(crate) async fn confirm(
    session: &Session,
    account: &AccountId,
    candidates: &(dyn Fn(&Picture) -> Vec<ImageId> + Sync),
    picture: &mut Picture,
) -> bool {
    let images = candidates(picture);
    if let Err(error) = references(session, account, &images, &mut picture.graph).await {
        tracing::warn!(%error, "could not ask what else uses images: none of them is said to be unused");
        picture.graph.not_confirmed(&error);
        return usage::is_passing(&error);
    }
    let images = candidates(picture);
    sharing(session, images, picture).await;
    picture.shared_unread.values().any(usage::is_passing)
}

/// Asks what names these images. One that went meanwhile is no matter of the others.
async fn references(
    session: &Session,
    account: &AccountId,
    images: &[ImageId],
    graph: &mut Graph,
) -> Result<(), AwsError> {
    let add = |images: &[ImageId], answer: &(Vec<ImageReference>, bool), graph: &mut Graph| {
        graph.confirm(images, &answer.0, account);
        if answer.1 {
            graph.may_lack_references(images);
        }
    };
    for some in images.chunks(NAMED_AT_A_TIME) {
        match session.image_references(some).await {
            Ok(answer) => add(some, &answer, graph),
            Err(error) if error.class == ErrorClass::NotFound => {
                for image in some {
                    let image = std::slice::from_ref(image);
                    match session.image_references(image).await {
                        Ok(answer) => add(image, &answer, graph),
                        Err(error) if error.class == ErrorClass::NotFound => {}
                        Err(error) => return Err(error),
                    }
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads with whom these images are shared, as far as that is not known yet.
pub(crate) async fn sharing(session: &Session, images: Vec<ImageId>, picture: &mut Picture) {
    let is_known = |image: &ImageId| picture.shared.contains_key(image) || picture.shared_unread.contains_key(image);
    let images: Vec<ImageId> = images.into_iter().filter(|image| !is_known(image)).collect();
    let mut failed: Option<AwsError> = None;
    for some in images.chunks(SHARED_AT_A_TIME) {
        if let Some(error) = &failed {
            let unread = some.iter().map(|image| (image.clone(), error.clone()));
            picture.shared_unread.extend(unread);
            continue;
        }
        let answers = join_all(some.iter().map(|image| Box::pin(session.launch_permissions(image)))).await;
        // Where none of several could be read, a call for each of the others would be in vain.
        if answers.iter().all(|answer| answer.as_ref().is_err_and(is_failure)) {
            failed = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
        }
        for (image, answer) in some.iter().zip(answers) {
            match answer {
                Ok(shared) => {
                    picture.shared.insert(image.clone(), shared);
                }
                // It went meanwhile.
                Err(error) if !is_failure(&error) => {}
                Err(error) => {
                    tracing::debug!(%image, %error, "could not read who may launch an image");
                    picture.shared_unread.insert(image.clone(), error);
                }
            }
        }
    }
}

fn is_failure(error: &AwsError) -> bool {
    error.class != ErrorClass::NotFound
}
