//! Reading whether those who use an image could launch its copy: with whom it is shared, who may use the key, and what other accounts
//! of the region let their people launch.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::api::{AMIEncryptionTargetSpec, LaunchPermissions};
use crate::aws::{Access, Aws, AwsError, Session};
use crate::controller::key_access::{Others, key_access};
use crate::controller::survey::{session_key, sharing};
use crate::domain::{AllowedImages, Image, ImageId, Key, KeyAccess, Scope};
use crate::plan::access::KeyFacts;
use crate::plan::access::allowed::Candidate;
use crate::plan::access::foresee::{Ahead, Neighbour, Outlook};
use crate::plan::access::form::Row;
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::KeyView;
use crate::plan::report::TargetReport;
use crate::plan::usage::form::{self, Unknown};
use crate::plan::usage::{Graph, Picture};

/// What one target showed.
pub(super) struct Shown {
    scope: Scope,
    key: Option<Key>,
    access: Option<KeyAccess>,
    images: Vec<Ahead>,
    graph: Graph,
    /// Asked where there are other accounts whose images it may launch.
    allowed: Option<Result<AllowedImages, AwsError>>,
    /// Why it is not known of all images whom they are shared with.
    unread: Option<Unknown>,
}

/// Reads it for the images that would be copied.
pub(super) async fn read(
    session: &Session,
    spec: &AMIEncryptionTargetSpec,
    scope: &Scope,
    key: &KeyView,
    images: impl Iterator<Item = &Image>,
    mut picture: Picture,
    has_neighbours: bool,
) -> Shown {
    let now = Timestamp::now();
    let images: Vec<&Image> = images.collect();
    let key = match key {
        KeyView::Known(key) => Some(key.clone()),
        KeyView::Unknown | KeyView::Unresolved(_) => None,
    };
    // Under AWS's own key no image that is shared would be copied.
    let asks = spec.promotion.launch_permissions == LaunchPermissions::Preserve
        && key.as_ref().is_some_and(|key| !key.aws_managed);
    let ids: Vec<ImageId> = images.iter().filter(|_| asks).map(|image| image.id.clone()).collect();
    sharing(session, ids, &mut picture).await;
    let ahead = images.iter().filter_map(|image| {
        let of = CopyIdentity {
            scope: scope.clone(),
            source: image.id.clone(),
            key: key.as_ref()?.arn.clone(),
        };
        let name = of.copy_name(&spec.copy.name_pattern, &image.name, 1);
        Some(Ahead {
            id: image.id.clone(),
            // One that went meanwhile is shared with nobody.
            shared: (!picture.shared_unread.contains_key(&image.id))
                .then(|| picture.shared.remove(&image.id).unwrap_or_default()),
            original: Candidate::original(image, &scope.account),
            copy: Candidate::copy(image, &scope.account, name, now),
        })
    });
    let mut shown = Shown {
        scope: scope.clone(),
        images: ahead.collect(),
        key,
        access: None,
        graph: picture.graph,
        allowed: match has_neighbours {
            true => Some(session.allowed_images().await),
            false => None,
        },
        unread: form::sharing_unread(&picture.shared_unread),
    };
    shown.access = shown.read_key(session).await;
    shown
}

impl Shown {
    fn facts(&self) -> Option<KeyFacts<'_>> {
        let key = self.key.as_ref()?;
        Some(KeyFacts {
            arn: &key.arn,
            aws_managed: key.aws_managed,
            access: self.access.as_ref(),
        })
    }

    /// Reads who may use the key, if anybody needs it.
    async fn read_key(&self, session: &Session) -> Option<KeyAccess> {
        let key = self.key.as_ref().filter(|key| !key.aws_managed)?;
        let principals: BTreeSet<_> = self.outlook(&[])?.needs().into_keys().collect();
        if principals.is_empty() {
            return None;
        }
        let is_shared = self.images.iter().any(Ahead::may_be_shared);
        let others = if is_shared { Others::Roles } else { Others::None };
        key_access(session, &key.arn, &principals, others).await
    }

    fn outlook<'s>(&'s self, neighbours: &'s [Neighbour<'s>]) -> Option<Outlook<'s>> {
        Some(Outlook {
            scope: &self.scope,
            key: self.facts()?,
            images: &self.images,
            graph: &self.graph,
            neighbours,
        })
    }

    fn rows(&self, all: &[Option<Shown>], now: Timestamp) -> Vec<Row> {
        // Two policies may have shown the same account.
        let others = all
            .iter()
            .flatten()
            .filter(|other| other.scope.region == self.scope.region && other.scope.account != self.scope.account);
        let neighbours: BTreeMap<_, Neighbour<'_>> = others
            .filter_map(|other| {
                let account = &other.scope.account;
                let neighbour = Neighbour {
                    account,
                    graph: &other.graph,
                    allowed: other.allowed.as_ref()?,
                };
                Some((account, neighbour))
            })
            .collect();
        let neighbours: Vec<Neighbour<'_>> = neighbours.into_values().collect();
        self.outlook(&neighbours)
            .map(|outlook| outlook.rows(now))
            .unwrap_or_default()
    }
}

/// Reads who may use keys of other accounts, where a policy says by which role to ask those: KMS shows nobody else a key's policy.
pub(super) async fn read_foreign_keys(
    aws: &Aws,
    shown: &mut [Option<Shown>],
    specs: &BTreeMap<Scope, AMIEncryptionTargetSpec>,
) {
    for of in shown.iter_mut().flatten() {
        let Some(key) = of.key.as_ref().filter(|key| !key.aws_managed && of.access.is_none()) else {
            continue;
        };
        let owner = Scope {
            account: key.arn.account().clone(),
            region: key.arn.region().clone(),
        };
        let needs = of.outlook(&[]).map(|outlook| outlook.needs());
        let (Some(spec), Some(needs)) = (specs.get(&owner), needs) else {
            continue;
        };
        if owner == of.scope || needs.is_empty() {
            continue;
        }
        let session_key = session_key(spec, &owner, Access::ReadOnly);
        let session = aws.session(&session_key);
        let principals = needs.into_keys().collect();
        of.access = Box::pin(key_access(&session, &key.arn, &principals, Others::Roles)).await;
        aws.forget(&session_key);
    }
}

/// Says in each report who could not launch the copies, from what all targets have shown.
pub(super) fn foresee(reports: &mut [TargetReport], shown: &[Option<Shown>]) {
    let now = Timestamp::now();
    for (report, of) in reports.iter_mut().zip(shown) {
        if let (Some(used), Some(of)) = (&mut report.used, of) {
            used.launching = of.rows(shown, now);
            used.unknown.extend(of.unread.clone());
        }
    }
}
