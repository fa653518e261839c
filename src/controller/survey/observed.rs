//! Reading what else findings are looked for in, beside images and who uses them. What cannot be read hides nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use futures::future::join_all;
use jiff::Timestamp;

use super::super::key_access::{Others, key_access};
use super::using::sharing;
use crate::aws::Session;
use crate::domain::{
    AwsError, GuardrailState, ImageId, Inventory, KeyAccess, KeyArn, Origin, Scope, SnapshotId, Trail,
};
use crate::plan::access::who::Needs;
use crate::plan::findings::{Check, Foreign, Observed, PolicyKey, Subject, Thresholds, perhaps_orphans};
use crate::plan::usage::{Graph, Picture, keys};

/// So many keys are asked for at a time: the limiter holds the rate.
const KEYS_AT_A_TIME: usize = 8;

/// Images that are to be copied under a key, or were.
#[derive(Clone, Copy)]
pub(crate) struct Migrating<'a> {
    /// The key of the copies.
    pub(crate) key: &'a KeyArn,
    /// The originals.
    pub(crate) images: &'a [ImageId],
}

/// What is asked of an account and region.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// The account and region.
    pub(crate) scope: &'a Scope,
    /// Its images and snapshots.
    pub(crate) inventory: &'a Inventory,
    /// What is allowed: what no check asks for is not read.
    pub(crate) thresholds: &'a Thresholds,
    /// When it is.
    pub(crate) now: Timestamp,
}

impl<'a> Asked<'a> {
    /// What is looked into.
    pub(crate) fn subject<'s>(self, picture: &'s Picture, observed: &'s Observed) -> Subject<'s>
    where
        'a: 's,
    {
        Subject {
            scope: self.scope,
            inventory: self.inventory,
            picture,
            observed,
            thresholds: self.thresholds,
            now: self.now,
        }
    }
}

/// Reads everything: settings of the region, public snapshots, trails, images of others that are launched, keys, and with whom images
/// are shared. Says what is known besides: by what instances were launched, and the key of a policy.
/// Who may use the key of copies is read with that of the others.
pub(crate) async fn beside(
    session: &Session,
    asked: Asked<'_>,
    picture: &mut Picture,
    origins: HashMap<Box<str>, Origin>,
    policy: Option<PolicyKey>,
    migrating: Option<Migrating<'_>>,
) -> Observed {
    let (guardrails, public_snapshots, trails, foreign) = tokio::join!(
        Box::pin(guardrails(session, asked)),
        Box::pin(public_snapshots(session, asked)),
        Box::pin(trails(session, asked)),
        Box::pin(foreign(session, asked, &picture.graph))
    );
    let mut observed = Observed {
        guardrails,
        public_snapshots,
        trails,
        foreign,
        origins,
        policy,
        ..Observed::default()
    };
    if asks(asked, &[Check::KeyDisabled, Check::KeyWithoutRotation]) {
        let keys: Vec<KeyArn> = asked.subject(picture, &observed).keys().into_iter().collect();
        for some in keys.chunks(KEYS_AT_A_TIME) {
            let health = join_all(some.iter().map(|key| Box::pin(session.key_health(key)))).await;
            observed.keys.extend(some.iter().cloned().zip(health));
        }
    }
    let perhaps_shared = asked.subject(picture, &observed).perhaps_shared();
    sharing(session, perhaps_shared, picture).await;
    if asks(asked, &[Check::KeyUnusableByConsumers]) {
        let mut needs = asked.subject(picture, &observed).key_needs();
        if let Some(Migrating { key, images }) = migrating {
            let more = keys::needs(picture, images, asked.scope);
            let known = needs.entry(key.clone()).or_default();
            for (principal, uses) in more {
                known.entry(principal).or_default().images.extend(uses.images);
            }
        }
        needs.retain(|_, needs| !needs.is_empty());
        observed.key_access = key_access_of(session, needs).await;
    }
    observed
}

/// Who may use the keys that somebody needs.
async fn key_access_of(session: &Session, needs: BTreeMap<KeyArn, Needs>) -> BTreeMap<KeyArn, KeyAccess> {
    let mut known = BTreeMap::new();
    for (key, needs) in needs {
        let principals = needs.into_keys().collect();
        if let Some(access) = Box::pin(key_access(session, &key, &principals, Others::None)).await {
            known.insert(key, access);
        }
    }
    known
}

/// Whether any of these checks is made.
fn asks(asked: Asked<'_>, checks: &[Check]) -> bool {
    checks.iter().any(|check| asked.thresholds.asks_for(*check))
}

async fn guardrails(session: &Session, asked: Asked<'_>) -> Vec<GuardrailState> {
    let checks = [
        Check::EncryptionByDefaultOff,
        Check::ImagePublicAccessNotBlocked,
        Check::SnapshotPublicAccessNotBlocked,
        Check::AllowedImagesOff,
    ];
    if !asks(asked, &checks) {
        return Vec::new();
    }
    Box::pin(session.guardrails()).await
}

async fn public_snapshots(session: &Session, asked: Asked<'_>) -> Result<BTreeSet<SnapshotId>, AwsError> {
    if !asks(asked, &[Check::PublicSnapshot]) {
        return Ok(BTreeSet::new());
    }
    session.public_snapshots().await
}

async fn trails(session: &Session, asked: Asked<'_>) -> Result<Vec<Trail>, AwsError> {
    if !asks(asked, &[Check::CloudTrailOff]) {
        return Ok(Vec::new());
    }
    session.trails().await
}

/// The images that the inventory lacks: those that something launches, and those that snapshots were made for.
async fn foreign(session: &Session, asked: Asked<'_>, graph: &Graph) -> Result<Foreign, AwsError> {
    let launched = graph.launched().map(|(image, _)| image);
    let lacking = launched.filter(|image| !asked.inventory.images.contains_key(*image));
    // In an order, as that of a hash table must make no difference.
    let mut wanted: BTreeSet<ImageId> = lacking.cloned().collect();
    if asks(asked, &[Check::OrphanSnapshot, Check::UnencryptedOrphanSnapshot]) {
        wanted.extend(perhaps_orphans(asked.inventory).map(|(_, _, record)| record.image.clone()));
    }
    let wanted: Vec<ImageId> = wanted.into_iter().collect();
    let found = session.images_of_anybody(&wanted).await?;
    let seen: BTreeMap<ImageId, _> = found.into_iter().map(|image| (image.id.clone(), image)).collect();
    let missing: BTreeSet<ImageId> = wanted.into_iter().filter(|image| !seen.contains_key(image)).collect();
    Ok(Foreign { seen, missing })
}
