//! Reading one account and region for the report. Nothing but reads is sent, and what cannot be read hides nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;

use crate::aws::{Detail, Parameters, Query, Session};
use crate::controller::key_access::{Others, key_access};
use crate::controller::survey::consumers;
use crate::domain::{AwsError, ErrorClass, ImageId, Inventory, KeyArn, Scope};
use crate::plan::findings::{Foreign, Observed, PolicyKey, Subject, Thresholds};
use crate::plan::select::Selector;
use crate::plan::usage::{self, Graph};
use crate::plan::{obstacle, problem};

/// So many keys, and of so many images with whom they are shared, are asked for at a time: the limiter holds the rate.
const AT_A_TIME: usize = 8;

/// What one account and region showed.
pub(super) struct Seen {
    pub(super) inventory: Inventory,
    graph: Graph,
    observed: Observed,
}

/// What is asked of an account and region.
pub(super) struct Asked<'a> {
    pub(super) scope: &'a Scope,
    pub(super) thresholds: &'a Thresholds,
    pub(super) parameters: Parameters,
    /// The key that a policy names there, and which images the policy is for.
    pub(super) policy: Option<(&'a str, Selector)>,
    pub(super) now: Timestamp,
}

impl Seen {
    /// What is looked into.
    pub(super) fn subject<'s>(&'s self, scope: &'s Scope, thresholds: &'s Thresholds, now: Timestamp) -> Subject<'s> {
        Subject {
            scope,
            inventory: &self.inventory,
            graph: &self.graph,
            observed: &self.observed,
            thresholds,
            now,
        }
    }
}

/// Reads everything, or fails where the images could not be read.
pub(super) async fn read(session: &Arc<Session>, asked: Asked<'_>) -> Result<Seen, AwsError> {
    let Asked {
        scope, thresholds, now, ..
    } = asked;
    // Of what happens later, a launch, an image or a group, nothing is claimed.
    let began = Timestamp::now();
    let inventory = session.scan_for(Detail::Everything).await?;
    let query = Query {
        parameters: asked.parameters,
        ..Query::default()
    };
    let readings = consumers(session, &query).await;
    let graph = usage::graph(&readings, &scope.account, began);
    let (guardrails, public_snapshots, trails, foreign) = tokio::join!(
        Box::pin(session.guardrails()),
        Box::pin(session.public_snapshots()),
        Box::pin(session.trails()),
        Box::pin(foreign(session, &inventory, &graph))
    );
    let observed = Observed {
        guardrails,
        public_snapshots,
        trails,
        foreign,
        origins: readings.origins,
        policy: match asked.policy {
            Some((named, selector)) => Some(policy_key(session, named, selector).await),
            None => None,
        },
        ..Observed::default()
    };
    let mut seen = Seen {
        inventory,
        graph,
        observed,
    };
    let keys: Vec<KeyArn> = seen.subject(scope, thresholds, now).keys().into_iter().collect();
    for some in keys.chunks(AT_A_TIME) {
        let health = join_all(some.iter().map(|key| Box::pin(session.key_health(key)))).await;
        seen.observed.keys.extend(some.iter().cloned().zip(health));
    }
    let perhaps_shared = seen.subject(scope, thresholds, now).perhaps_shared();
    sharing(session, perhaps_shared, &mut seen.observed).await;
    let perhaps_unused = seen.subject(scope, thresholds, now).perhaps_unused();
    match session.image_references(&perhaps_unused).await {
        Ok(found) => seen.graph.confirm(&perhaps_unused, &found, &scope.account),
        Err(error) => {
            // Then it is known of none that it is unused.
            tracing::debug!(%error, "could not ask what names images");
            seen.observed.references_unread = Some(error);
            return Ok(seen);
        }
    }
    let perhaps_unused = seen.subject(scope, thresholds, now).perhaps_unused();
    sharing(session, perhaps_unused, &mut seen.observed).await;
    Ok(seen)
}

impl Seen {
    /// Reads who may use the keys that somebody needs.
    pub(super) async fn read_key_access(&mut self, session: &Session, scope: &Scope, thresholds: &Thresholds) {
        let needs = self.subject(scope, thresholds, self.inventory.scanned).key_needs();
        for (key, needs) in needs {
            let principals = needs.into_keys().collect();
            if let Some(access) = Box::pin(key_access(session, &key, &principals, Others::None)).await {
                self.observed.key_access.insert(key, access);
            }
        }
    }
}

/// The images of others that something launches.
async fn foreign(session: &Session, inventory: &Inventory, graph: &Graph) -> Result<Foreign, AwsError> {
    let launched = graph.launched().map(|(image, _)| image);
    let wanted: Vec<ImageId> = launched
        .filter(|image| !inventory.images.contains_key(*image))
        .cloned()
        .collect();
    let found = session.images_of_anybody(&wanted).await?;
    let seen: BTreeMap<ImageId, _> = found.into_iter().map(|image| (image.id.clone(), image)).collect();
    let missing: BTreeSet<ImageId> = wanted.into_iter().filter(|image| !seen.contains_key(image)).collect();
    Ok(Foreign { seen, missing })
}

async fn policy_key(session: &Session, named: &str, selector: Selector) -> PolicyKey {
    let key = match Box::pin(session.resolve_key(named)).await {
        Ok(Ok(key)) => Ok(key.arn),
        Ok(Err(problem)) => Err(obstacle::of_key(problem, named)),
        Err(error) => Err(problem::of_key_error(&error, named)),
    };
    PolicyKey {
        named: named.to_owned(),
        key,
        selector,
    }
}

/// Reads with whom these images are shared, as far as that is not known yet.
async fn sharing(session: &Session, images: Vec<ImageId>, observed: &mut Observed) {
    let is_known = |image: &ImageId| observed.shared.contains_key(image) || observed.sharing_unread.contains_key(image);
    let images: Vec<ImageId> = images.into_iter().filter(|image| !is_known(image)).collect();
    let mut denied: Option<AwsError> = None;
    for some in images.chunks(AT_A_TIME) {
        if let Some(error) = &denied {
            let unread = some.iter().map(|image| (image.clone(), error.clone()));
            observed.sharing_unread.extend(unread);
            continue;
        }
        let answers = join_all(some.iter().map(|image| Box::pin(session.launch_permissions(image)))).await;
        // Where none of several may be read, the right is missing, and a call for each of the others would be in vain.
        if answers.iter().all(|answer| answer.as_ref().is_err_and(is_denial)) {
            denied = answers.iter().find_map(|answer| answer.as_ref().err().cloned());
        }
        for (image, answer) in some.iter().zip(answers) {
            match answer {
                Ok(shared) => {
                    observed.shared.insert(image.clone(), shared);
                }
                // It went meanwhile.
                Err(error) if error.class == ErrorClass::NotFound => {}
                Err(error) => {
                    tracing::debug!(%image, %error, "could not read who may launch an image");
                    observed.sharing_unread.insert(image.clone(), error);
                }
            }
        }
    }
}

fn is_denial(error: &AwsError) -> bool {
    error.class == ErrorClass::Denied && error.cause.is_none()
}
