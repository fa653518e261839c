//! Reading one account and region for the report. Nothing but reads is sent, and what cannot be read hides nothing else.

use std::sync::Arc;

use jiff::Timestamp;

use crate::aws::{Detail, Query, Session};
use crate::controller::survey::{self, beside, confirm, consumers_at_once};
use crate::domain::{AwsError, ImageId, Inventory, Scope};
use crate::plan::findings::{Observed, PolicyKey, Subject, Thresholds};
use crate::plan::select::Selector;
use crate::plan::usage::Picture;
use crate::plan::{obstacle, problem};

/// What one account and region showed.
pub(super) struct Seen {
    pub(super) inventory: Inventory,
    picture: Picture,
    observed: Observed,
}

/// What is asked of an account and region.
pub(super) struct Asked<'a> {
    pub(super) scope: &'a Scope,
    pub(super) thresholds: &'a Thresholds,
    /// What is read of everything that can launch images.
    pub(super) query: Query,
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
            picture: &self.picture,
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
    let (readings, graph) = Box::pin(consumers_at_once(session, &asked.query, &scope.account, began)).await;
    let mut picture = Picture {
        graph,
        ..Picture::default()
    };
    let policy = match asked.policy {
        Some((named, selector)) => Some(policy_key(session, named, selector).await),
        None => None,
    };
    let candidates = |picture: &Picture| -> Vec<ImageId> {
        let images = inventory.images.values().map(|image| &**image);
        picture.candidates(images, thresholds.unused_after, now)
    };
    confirm(session, &scope.account, &candidates, &mut picture).await;
    let asked = survey::Asked {
        scope,
        inventory: &inventory,
        thresholds,
        now,
    };
    let observed = Box::pin(beside(session, asked, &mut picture, readings.origins, policy, None)).await;
    Ok(Seen {
        inventory,
        picture,
        observed,
    })
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
