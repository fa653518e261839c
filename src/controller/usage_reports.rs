//! Asking AWS for usage reports of shared images, and reading them, where a policy wants that.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::Context;
use super::survey::sharing;
use super::targets::is_controlled_by;
use crate::api::{AMIEncryptionPolicy, AMIEncryptionTarget, AMIMigration, MigrationState, UsageReports};
use crate::aws::Session;
use crate::domain::{AccountId, AwsError, ErrorClass, ImageId, Inventory, Scope, UsageReport};
use crate::plan::permissions;
use crate::plan::problem;
use crate::plan::select::{Selection, Selector};
use crate::plan::usage::reports::{Asker, Reports};
use crate::plan::usage::{Picture, is_passing};

/// Whether reports are asked for: a policy that only looks asks for nothing that is made in AWS.
pub(super) fn are_wanted(policy: &AMIEncryptionPolicy, target: &AMIEncryptionTarget) -> bool {
    let consumers = &target.spec.consumers;
    let asks = consumers.read && consumers.usage_reports == UsageReports::Create;
    asks && permissions::asks_for_changes(&policy.spec, &target.spec)
}

/// A reading of reports.
pub(super) struct Asking<'a> {
    pub(super) ctx: &'a Context,
    pub(super) target: &'a AMIEncryptionTarget,
    pub(super) scope: &'a Scope,
    pub(super) session: &'a Session,
    pub(super) inventory: &'a Inventory,
    pub(super) selector: &'a Selector,
}

impl Asking<'_> {
    /// Asks for reports that are due, and takes in what those say that are there. `before` is what was known of them. Says whether
    /// something is lacking for a fault that passes by itself.
    pub(super) async fn ask(&self, before: Option<&Reports>, picture: &mut Picture) -> bool {
        let mut reports = before.cloned().unwrap_or_default();
        let answer = self.go_on(&mut reports, picture).await;
        let passes = answer.as_ref().is_err_and(is_passing);
        match answer {
            // Nobody asks for it any more.
            Ok(())
            | Err(AwsError {
                class: ErrorClass::NotOurs,
                ..
            }) => {}
            Err(error) => {
                tracing::warn!(%error, "could not ask what other accounts use of images");
                reports.hindered(problem::of_error(&error));
            }
        }
        reports.uses(&mut picture.elsewhere, &self.scope.account);
        picture.reports = reports;
        passes
    }

    async fn go_on(&self, reports: &mut Reports, picture: &mut Picture) -> Result<(), AwsError> {
        let now = self.ctx.clock.system_time();
        let images = self.images();
        sharing(self.session, reports.to_look(&images, now), picture).await;
        for image in &images {
            if let Some(shared) = picture.shared.get(image) {
                reports.looked(image, shared, now);
            }
        }
        let known = self.known();
        let asker = Asker {
            policy: &self.target.spec.policy,
            known: &known,
            now,
        };
        let listed = Box::pin(self.session.usage_reports()).await?;
        let entries = Box::pin(self.session.usage_report_entries(&reports.to_read(&listed))).await?;
        reports.take_in(&listed, entries, asker, &images);
        self.make(reports, &images, &listed, asker).await
    }

    /// Has AWS make the reports that are due.
    async fn make(
        &self,
        reports: &mut Reports,
        images: &[ImageId],
        listed: &[UsageReport],
        asker: Asker<'_>,
    ) -> Result<(), AwsError> {
        for request in reports.next(images, listed, asker) {
            for report in &request.replaces {
                Box::pin(self.session.delete_usage_report(report)).await?;
            }
            match Box::pin(self.session.create_usage_report(&request)).await {
                Ok(()) => {
                    tracing::info!(image = %request.image, "asked AWS what other accounts use of an image");
                    reports.asked(&request.image, asker.now);
                }
                // The image went meanwhile.
                Err(error) if error.class == ErrorClass::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The images that reports matter for: originals that are still there and have a migration. First those that have a copy already,
    /// then the oldest.
    fn images(&self) -> Vec<ImageId> {
        let uid = self.target.metadata.uid.as_deref().unwrap_or_default();
        let migrations = self.ctx.migrations_by_scope.of(self.scope);
        let ours = migrations.iter().filter(|migration| is_controlled_by(migration, uid));
        let mut images: Vec<(bool, Option<Timestamp>, ImageId)> = ours
            .filter_map(|migration: &Arc<AMIMigration>| {
                let id: ImageId = migration.spec.source_image_id.parse().ok()?;
                let image = self.inventory.images.get(&id)?;
                let is_meant = image.is_there() && self.selector.select(image) == Selection::Selected;
                let state = migration.status.as_ref().and_then(|status| status.state);
                let is_copied = state == Some(MigrationState::Completed);
                is_meant.then_some((!is_copied, image.created, id))
            })
            .collect();
        images.sort();
        images.into_iter().map(|(.., id)| id).collect()
    }

    /// Accounts of which a target reads what they use in this region.
    fn known(&self) -> BTreeSet<AccountId> {
        let targets = self.ctx.targets.state();
        let reads = targets.iter().filter(|target| {
            let spec = &target.spec;
            spec.region == self.scope.region.as_str() && spec.consumers.read && !spec.suspend
        });
        let mut known: BTreeSet<AccountId> = reads.filter_map(|target| target.spec.account_id.parse().ok()).collect();
        known.insert(self.scope.account.clone());
        known
    }
}
