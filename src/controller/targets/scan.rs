//! Reading AWS: the whole account and region now and then, the copies in flight more often, both with few calls.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::TargetReconciler;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::api::{AMIMigration, AMIMigrationStatus, MigrationState, conditions};
use crate::aws::{AwsError, Detail, ErrorClass};
use crate::controller::registry::jittered;
use crate::controller::survey::survey;
use crate::domain::{ImageId, ImageState, Inventory, KeyArn};
use crate::plan::adopt::Recorded;
use crate::plan::classify::{self, Classified, Criteria};

impl TargetReconciler<'_> {
    /// Looks through the whole account and region. What an earlier scan showed stays when this one fails.
    pub(super) async fn scan(&self) {
        let started = self.ctx.clock.monotonic();
        let asked = self.asked();
        self.state(|state| state.scans.begins(asked.clone()));
        let outcome = survey(&self.session, &self.target.spec.kms_key_id, Detail::Everything).await;
        let now = self.ctx.clock.now();
        let seconds = self.ctx.clock.monotonic().saturating_sub(started).as_secs_f64();
        self.ctx.metrics.scan_duration.observe(seconds);
        match outcome {
            Ok(mut scan) => {
                if scan.key.is_err() {
                    // What the last scan knew of a key that cannot be read now may not hold any more.
                    self.state(|state| state.key.forget());
                }
                self.know_key(scan.key);
                self.warn_of_unread(&scan.inventory);
                let lacks_images = self.state(|state| state.looks.are_missed_by(&scan.inventory));
                scan.inventory.may_lack_images |= lacks_images;
                tracing::info!(
                    images = scan.inventory.images.len(),
                    snapshots = scan.inventory.snapshots.len(),
                    seconds,
                    "scan completed"
                );
                let interval = jittered(self.target.spec.scan_interval.as_std(), &self.name);
                let may_lack_images = scan.inventory.may_lack_images;
                self.state(|state| {
                    state.copies.seen(scan.inventory.progress.clone());
                    state.copies.succeeded();
                    state.inventory = Some(Arc::new(scan.inventory));
                    state.caller = scan.caller;
                    let is_asked_for = state.scans.is_asked_for(asked.as_deref());
                    state.permission_check.scanned(is_asked_for);
                    if is_asked_for {
                        state.usage.renewed();
                        state.parameters.renewed();
                        state.guardrails.renewed();
                    }
                    state.usage.scanned();
                    state.guardrails.scanned();
                    state.scans.completed(asked, now + interval);
                    state.scanned = self.migrations.iter().filter_map(|m| m.uid()).collect();
                    // Before AWS is asked for a copy, what is there is asked for by its source.
                    let is_covered = |m: &&Arc<AMIMigration>| !may_lack_images || recorded_copy(m).is_some();
                    let covered = self.migrations.iter().filter(is_covered);
                    state.covered = covered.filter_map(|m| m.uid()).collect();
                });
                self.has_scanned_new_images();
                self.classify();
                self.wake_migrations();
            }
            Err(error) => {
                self.note(&error);
                let spread = |wait| jittered(wait, &self.name);
                let failures = self.state(|state| {
                    let failures = state.scans.failed(&error, now, spread);
                    if let Some(problem) = state.scans.problem() {
                        state.usage.scan_failed(problem);
                    }
                    failures
                });
                tracing::warn!(%error, failures, "scan failed");
            }
        }
    }

    /// Says which images could not be read, of those that could be before or were not there.
    fn warn_of_unread(&self, inventory: &Inventory) {
        let known = self.state(|state| state.inventory.clone());
        for image in inventory.images.values() {
            let Some(why) = image.unread() else { continue };
            let before = known.as_ref().and_then(|known| known.images.get(&image.id));
            if before.is_none_or(|before| before.unread() != Some(why)) {
                tracing::warn!(image = %image.id, why, "AWS's answer about an image cannot be read");
            }
        }
    }

    /// Counts an error, and drops the session that it speaks against: the next visit begins with new credentials.
    pub(super) fn note(&self, error: &AwsError) {
        let class = error.class.as_str();
        self.ctx
            .metrics
            .reconcile_errors
            .with_label_values(&["target", class])
            .inc();
        if error.class == ErrorClass::Denied {
            self.ctx.aws.forget(self.session.key());
        }
    }

    /// Counts the images anew from what is known.
    pub(super) fn classify(&self) {
        let other_policies = self.other_policies();
        let copies = self.recorded_copies();
        let published = self.copies_that(|status| conditions::find(&status.conditions, conditions::PROMOTED).is_some());
        let refused = self.refused_copies();
        let ours = self
            .migrations
            .iter()
            .filter_map(|m| m.spec.source_image_id.parse().ok())
            .collect();
        let spec = &self.target.spec;
        let (inventory, key) = self.state(|state| (state.inventory.clone(), state.key.view().clone()));
        let Some(inventory) = inventory else { return };
        let terms = Criteria {
            scope: &self.scope,
            selector: &self.selector,
            other_key: spec.other_key,
            key: key.arn(),
            contested: &other_policies.contested,
            theirs: &other_policies.theirs,
            older: &other_policies.older(),
            ours: &ours,
            copies: &copies,
            recorded: Recorded {
                published: &published,
                refused: &refused,
            },
            pinned: &self.pinned_keys(),
        };
        let classified: Arc<Classified> = Arc::new(classify::classify(&inventory, terms));
        self.state(|state| {
            state.classified = Some(classified);
            state.other_policies = other_policies;
            state.refused = refused;
        });
    }

    /// The keys of finished migrations, by their source.
    fn pinned_keys(&self) -> HashMap<ImageId, KeyArn> {
        let finished = |m: &&Arc<AMIMigration>| migration_state(m) == MigrationState::Completed;
        let pinned = |m: &Arc<AMIMigration>| Some((m.spec.source_image_id.parse().ok()?, m.spec.key_arn.parse().ok()?));
        self.migrations.iter().filter(finished).filter_map(pinned).collect()
    }

    /// The copies that migrations have on record.
    pub(super) fn copies_on_record(&self) -> HashSet<ImageId> {
        self.copies_that(|_| true)
    }

    /// The copies that migrations, not yet done with them, have on record.
    fn recorded_copies(&self) -> HashSet<ImageId> {
        let unfinished = |m: &&Arc<AMIMigration>| migration_state(m) != MigrationState::Completed;
        self.migrations
            .iter()
            .filter(unfinished)
            .filter_map(|m| recorded_copy(m))
            .collect()
    }

    /// Counts the images anew when a migration has come to judge its copy otherwise, by what no listing shows.
    pub(super) fn follow_judgements(&self) {
        let refused = self.refused_copies();
        let has_changed = self.state(|state| state.classified.is_some() && state.refused != refused);
        if has_changed {
            self.classify();
        }
    }

    /// Copies that their migrations have found not to be what was asked for.
    fn refused_copies(&self) -> HashSet<ImageId> {
        self.copies_that(|status| {
            conditions::has_status(&status.conditions, conditions::VERIFIED, conditions::Status::False)
        })
    }

    /// The copies of migrations of which this is on record.
    fn copies_that(&self, is_so: impl Fn(&AMIMigrationStatus) -> bool) -> HashSet<ImageId> {
        let meant = |m: &&Arc<AMIMigration>| m.status.as_ref().is_some_and(&is_so);
        self.migrations
            .iter()
            .filter(meant)
            .filter_map(|m| recorded_copy(m))
            .collect()
    }

    /// Reads which copies are in flight, when that is due. Says whether it was read.
    pub(super) async fn follow_copies(&self) -> bool {
        let now = self.ctx.clock.now();
        let (due, waits) = self.state(|state| (state.copies.is_due(now), state.copies.waits(now)));
        if waits || !due && self.created_since_looked().is_empty() {
            return false;
        }
        let read = self.session.progress().await;
        let read = read.map(|progress| self.state(|state| state.copies.seen(progress)));
        self.followed(read)
    }

    /// Reads copies that seem to be done, and looks for those of new migrations' sources. Says whether anything was read.
    pub(super) async fn look_closely(&self) -> bool {
        let mut migrations = self.done();
        migrations.extend(self.created_since_looked());
        if migrations.is_empty() {
            self.state(|state| state.copies.succeeded());
            return false;
        }
        let read = self.look_at(&migrations).await;
        let has_looked = self.followed(read);
        if has_looked {
            self.state(|state| state.copies.succeeded());
        }
        has_looked
    }

    /// Lets the next read wait after a failed one.
    fn followed(&self, read: Result<(), AwsError>) -> bool {
        let Err(error) = read else { return true };
        self.note(&error);
        let now = self.ctx.clock.now();
        let spread = |wait| jittered(wait, &self.name);
        let failures = self.state(|state| state.copies.failed(&error, now, spread));
        tracing::warn!(%error, failures, "could not read the copies in flight");
        false
    }

    /// Migrations that are newer than the last look for copies of their source: nothing is asked of AWS for them yet.
    fn created_since_looked(&self) -> Vec<&Arc<AMIMigration>> {
        let now = self.ctx.clock.now();
        if self.state(|state| state.copies.waits(now)) {
            return Vec::new();
        }
        let covered = |uid: &str| self.state(|state| state.covered.contains(uid));
        self.migrations
            .iter()
            .filter(|m| migration_state(m) != MigrationState::Completed && m.uid().is_some_and(|uid| !covered(&uid)))
            .collect()
    }

    /// Migrations whose copy has no snapshot in flight any more, and is not known to be done.
    fn done(&self) -> Vec<&Arc<AMIMigration>> {
        let (inventory, flying) = self.state(|state| {
            let flying: BTreeSet<ImageId> = state
                .copies
                .progress()
                .pending
                .iter()
                .filter_map(|s| s.for_image.clone())
                .collect();
            (state.inventory.clone(), flying)
        });
        let Some(inventory) = inventory else { return Vec::new() };
        self.migrations
            .iter()
            .filter(|m| {
                matches!(migration_state(m), MigrationState::Copying | MigrationState::Verifying) && !is_stalled(m)
            })
            .filter(|m| {
                recorded_copy(m).is_some_and(|copy| {
                    let known = inventory.images.get(&copy).is_some_and(|image| {
                        image.state == ImageState::Failed
                            || image.state == ImageState::Available
                                && image.volumes().all(|(_, _, id)| inventory.is_settled(id))
                    });
                    !flying.contains(&copy) && !known
                })
            })
            .collect()
    }

    /// Reads copies and their snapshots, and lets the migrations concerned go on.
    async fn look_at(&self, migrations: &[&Arc<AMIMigration>]) -> Result<(), AwsError> {
        let sources: BTreeSet<ImageId> = migrations
            .iter()
            .filter_map(|m| m.spec.source_image_id.parse().ok())
            .collect();
        let sources: Vec<ImageId> = sources.into_iter().collect();
        let (began, images, snapshots) = self.session.copies_of(&sources, &[]).await?;
        let shown: HashSet<&ImageId> = images.iter().map(|image| &image.id).collect();
        let missing = missing(migrations, &shown);
        let left: Vec<ImageId> = missing.iter().map(|(source, _)| source.clone()).collect();
        let mut remains = BTreeMap::new();
        if !left.is_empty() {
            remains = self.session.remains_of(&left, TAG_SOURCE_IMAGE).await?;
        }
        let vanished = missing
            .iter()
            .any(|(_, copy)| remains.get(copy).is_some_and(|left| left.failed));
        let any = |state| images.iter().any(|image| image.state == state);
        let (failed, good) = (any(ImageState::Failed) || vanished, any(ImageState::Available));
        if failed {
            // Maybe for the key: it is asked for before anybody sees the failure, and makes the next attempt by what was known of it.
            self.doubt_keys();
            self.read_key().await;
        }
        self.state(|state| {
            if let Some(inventory) = &mut state.inventory {
                let inventory = Arc::make_mut(inventory);
                inventory.fold(sources, began, images, snapshots);
                for (_, copy) in &missing {
                    inventory.not_shown(copy, remains.remove(copy));
                }
            }
            state.covered.extend(migrations.iter().filter_map(|m| m.uid()));
            if good {
                state.permission_check.copied();
            }
        });
        self.classify();
        for migration in migrations {
            self.ctx.registry.wake_migration(&migration.name_any());
        }
        Ok(())
    }
}

/// Source and copy of the migrations whose copy is on record and not shown.
fn missing(migrations: &[&Arc<AMIMigration>], shown: &HashSet<&ImageId>) -> Vec<(ImageId, ImageId)> {
    let follows =
        |m: &&&Arc<AMIMigration>| matches!(migration_state(m), MigrationState::Copying | MigrationState::Verifying);
    let missing = migrations.iter().filter(follows).filter_map(|migration| {
        let copy = recorded_copy(migration).filter(|copy| !shown.contains(copy))?;
        Some((migration.spec.source_image_id.parse().ok()?, copy))
    });
    missing.collect()
}

pub(super) fn migration_state(migration: &AMIMigration) -> MigrationState {
    migration
        .status
        .as_ref()
        .and_then(|status| status.state)
        .unwrap_or_default()
}

pub(super) fn recorded_copy(migration: &AMIMigration) -> Option<ImageId> {
    migration
        .status
        .as_ref()?
        .copy
        .as_ref()?
        .image_id
        .as_deref()?
        .parse()
        .ok()
}

pub(super) fn is_stalled(migration: &AMIMigration) -> bool {
    migration
        .status
        .as_ref()
        .is_some_and(|s| conditions::is_true(&s.conditions, conditions::STALLED))
}
