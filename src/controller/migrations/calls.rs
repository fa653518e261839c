//! The calls of a migration's steps, and what becomes of their answers.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;

use super::MigrationReconciler;
use crate::api::labels::TAG_SOURCE_IMAGE;
use crate::aws::{AwsError, Cause, CopyRequest, ErrorClass, Fate, Session};
use crate::controller::memory::CallProblem;
use crate::domain::{Image, ImageId, ImageState, Operation, Watermark};
use crate::plan::allowance::Urgency;
use crate::plan::promote::{self, Publication};
use crate::plan::step::{self, Account, Answer, Contradiction, CopyCall, Facts};
use crate::plan::{problem, request};

impl MigrationReconciler<'_> {
    pub(super) async fn copy(
        &self,
        facts: Facts<'_>,
        call: &CopyCall,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        let mut wanted = CopyRequest {
            source: self.of.source.clone(),
            region: self.of.scope.region.clone(),
            name: call.name.clone(),
            description: call
                .description
                .clone()
                .filter(|_| !self.ctx.registry.memory.leaves_out_description(&self.uid)),
            key: self.of.key.clone(),
            client_token: call.client_token.clone(),
            tags: request::tags(&self.target.spec.copy.extra_tags, &self.of.source, call.attempt),
        };
        let asked = self.ctx.clock.now();
        let mut answer = session.copy_image(&wanted).await;
        let is_odd = wanted
            .description
            .as_deref()
            .is_some_and(|text| !promote::is_plain(text));
        let is_refused = |error: &AwsError| error.class == ErrorClass::Invalid && error.cause.is_none();
        if is_odd && answer.as_ref().is_err_and(is_refused) {
            // A description must not cost the copy; that it was left out is said when the copy is done.
            tracing::info!("asks once more without the description, which has signs beyond ASCII");
            wanted.description = None;
            self.ctx.registry.memory.leave_out_description(&self.uid);
            answer = session.copy_image(&wanted).await;
        }
        match answer {
            Ok(image) => self.accept(session, facts, &image, asked).await,
            Err(error) if error.is(Cause::TokenReused) || error.is(Cause::NameTaken) => {
                self.after_contradiction(session, facts, &error, recorded).await
            }
            Err(error) => {
                if error.is(Cause::CopyLimit) {
                    self.learn_limit();
                } else if error.is_used_up() && !error.is_of_resource() {
                    self.learn_quota(&error);
                }
                Ok(self.failed(&error, recorded))
            }
        }
    }

    /// Records the copy that AWS has answered with. A token that was used in a former life of the migration is answered with
    /// the image that was made then: where that is no more, the attempt is passed over.
    async fn accept(
        &self,
        session: &Session,
        facts: Facts<'_>,
        image: &ImageId,
        asked: Timestamp,
    ) -> Result<Action, kube::Error> {
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.ctx.registry.copy_budget(&self.of.scope, |budget| {
            budget.accepted(asked);
        });
        match session.fate_of(image).await {
            Ok(Fate::Gone) => match self.has_left_failed(session, image).await {
                Ok(false) => {
                    tracing::info!(%image, "AWS answers with a copy that was deregistered before");
                    self.doubt_keys();
                    return self.answered(facts, Answer::PassedOver).await;
                }
                // The target's next look sees to it as to any that fails and vanishes.
                Ok(true) => tracing::info!(%image, "the copy has failed already, and its image is gone"),
                Err(error) => {
                    tracing::debug!(%image, %error, "could not look at what is left of the copy");
                    self.ctx.registry.memory.not_seen(&self.uid, image.clone());
                }
            },
            // Maybe for the key: the target's next look asks for that before anybody sees the failure and makes another attempt.
            Ok(Fate::There(copy)) if copy.state == ImageState::Failed => {
                tracing::info!(%image, "the copy has failed already");
            }
            Ok(Fate::There(copy)) => self.amend(|inventory| inventory.insert(*copy)),
            Ok(Fate::Unknown) => self.ctx.registry.memory.not_seen(&self.uid, image.clone()),
            // It shows later.
            Err(error) => tracing::debug!(%image, %error, "could not look at the copy"),
        }
        tracing::info!(%image, "started a copy");
        self.answered(facts, Answer::Accepted(image)).await
    }

    /// AWS says that a copy of this token or name is there. It is looked for; if none shows, the attempt is given up, as
    /// its token or name is of no more use.
    async fn after_contradiction(
        &self,
        session: &Session,
        facts: Facts<'_>,
        error: &AwsError,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let sources = std::slice::from_ref(&self.of.source);
        if let Err(error) = session.reserve(&[Operation::DescribeImages, Operation::DescribeSnapshots]) {
            return Ok(self.failed(&error, recorded));
        }
        let (began, images, snapshots) = match session.copies_of(sources, &[]).await {
            Ok(found) => found,
            Err(error) => return Ok(self.failed(&error, recorded)),
        };
        if images.iter().any(|image| image.state == ImageState::Failed) {
            self.doubt_keys();
        }
        self.amend(|inventory| inventory.fold(sources.to_vec(), began, images, snapshots));
        let view = self.ctx.registry.view(
            &self.target.name_any(),
            &self.target.uid().unwrap_or_default(),
            &self.uid,
        );
        let inventory = view.and_then(|view| view.inventory);
        let account = Account {
            inventory: inventory.as_deref(),
            ..facts.account
        };
        match step::contradiction(Facts { account, ..facts }, error.is(Cause::NameTaken), began) {
            Contradiction::Adoptable => {
                self.ctx.registry.memory.set_problem(&self.uid, None);
                Ok(Action::requeue(Duration::ZERO))
            }
            Contradiction::Useless => self.answered(facts, Answer::PassedOver).await,
            Contradiction::Unclear => Ok(self.failed(error, recorded)),
        }
    }

    /// Whether failed snapshots are left of a copy that AWS does not show.
    async fn has_left_failed(&self, session: &Session, copy: &ImageId) -> Result<bool, AwsError> {
        let sources = std::slice::from_ref(&self.of.source);
        let remains = session.remains_of(sources, TAG_SOURCE_IMAGE).await?;
        Ok(remains.get(copy).is_some_and(|remains| remains.failed))
    }

    /// A copy has failed, or may have, maybe for a key: none is made anew before the keys are read. To be called before anybody can see
    /// the failure.
    pub(super) fn doubt_keys(&self) {
        self.release_copies();
        let now = self.ctx.clock.now();
        self.ctx.registry.doubt_keys(&self.target.name_any(), now);
    }

    pub(super) async fn remove_failed(
        &self,
        facts: Facts<'_>,
        image: &ImageId,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        let known = self
            .view
            .inventory
            .as_ref()
            .and_then(|inventory| inventory.images.get(image));
        if let Err(error) = remove(session, image, known.map(|image| &**image)).await {
            return Ok(self.failed(&error, recorded));
        }
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.answered(facts, Answer::Removed(image)).await
    }

    /// Deletes what is left of a failed copy whose image is gone: what AWS's own description and our tag say was made for the
    /// copy on record, and no image uses.
    pub(super) async fn remove_remains(
        &self,
        facts: Facts<'_>,
        copy: &ImageId,
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        let Some(inventory) = &self.view.inventory else {
            return Ok(Action::await_change());
        };
        let Some(remains) = inventory.remains.get(copy) else {
            return Ok(Action::await_change());
        };
        for snapshot in &remains.snapshots {
            if inventory.uses_any(std::slice::from_ref(snapshot)) {
                tracing::warn!(%snapshot, "an image has come to use what is left of a failed copy");
                continue;
            }
            match session.delete_snapshot(snapshot).await {
                // Somebody has come to use it: then it is not ours to delete.
                Err(error) if error.is(Cause::SnapshotInUse) => {}
                Err(error) => return Ok(self.failed(&error, recorded)),
                Ok(()) => {}
            }
        }
        self.amend(|inventory| {
            inventory.remains.remove(copy);
        });
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.answered(facts, Answer::Removed(copy)).await
    }

    /// Warns of what a call has come to, and puts it on record.
    pub(super) async fn answered(&self, facts: Facts<'_>, answer: Answer<'_>) -> Result<Action, kube::Error> {
        let answered = step::answered(facts, answer, self.ctx.clock.now());
        if let Some(warning) = &answered.warning {
            self.ctx
                .events
                .warning(self.migration, warning.reason, "Copy", &warning.message)
                .await;
        }
        self.write(&answered.status, facts.record.status, Urgency::Now).await
    }

    /// Publishes everything in order. Each change can be repeated, so none is on record by itself.
    pub(super) async fn publish(
        &self,
        facts: Facts<'_>,
        image: &ImageId,
        list: &[Publication],
        recorded: Option<&CallProblem>,
    ) -> Result<Action, kube::Error> {
        let Some(session) = self.session() else {
            return Ok(Action::await_change());
        };
        let mut calls: Vec<Operation> = list.iter().map(operation).collect();
        if let Err(error) = session.reserve(&calls) {
            calls.push(Operation::DescribeImageAttribute);
            self.ctx.registry.memory.put_off(&self.uid, calls);
            return Ok(self.failed(&error, recorded));
        }
        self.ctx.registry.memory.put_off(&self.uid, Vec::new());
        for publication in list {
            let done = match publication {
                Publication::ImdsV2 => session.require_imds_v2(image).await,
                Publication::InstanceTypes(types) => session.restrict_instance_types(image, types).await,
                Publication::Seal(name) => session.attach_watermark(image, name).await,
                Publication::LaunchPermissions(permissions) => session.add_launch_permissions(image, permissions).await,
                Publication::Description(text) => session.set_description(image, text).await,
                Publication::Deprecation(at) => session.deprecate_at(image, *at).await,
                Publication::Tags(tags) => session.tag(image, tags).await,
            };
            if let Err(error) = done {
                return Ok(self.failed(&error, recorded));
            }
            tracing::info!(%image, what = what(publication), "published");
            // AWS has said yes; a describe may take a while to show it.
            self.amend(|inventory| {
                if let Some(copy) = inventory.images.get(image) {
                    inventory.insert(published(copy, publication));
                }
            });
        }
        self.ctx.registry.memory.set_problem(&self.uid, None);
        self.answered(facts, Answer::Published(image)).await
    }

    /// A quota of the account is used up: no other copy is asked for until it is time to try again.
    fn learn_quota(&self, error: &AwsError) {
        let since = self.ctx.clock.now();
        let until = since + problem::retry_after(error, 1);
        self.ctx.registry.copy_budget(&self.of.scope, |budget| {
            budget.is_used_up(since, until);
        });
    }

    /// AWS copies fewer snapshots here than was thought.
    fn learn_limit(&self) {
        let inventory = self.view.inventory.as_ref();
        let source = inventory.and_then(|inventory| inventory.images.get(&self.of.source));
        let ours = source.map_or(1, |image| image.snapshot_count());
        let now = self.ctx.clock.now();
        self.ctx.registry.copy_budget(&self.of.scope, |budget| {
            budget.is_full(ours, now);
        });
    }
}

/// Removes a failed copy and what is left of its snapshots: AWS deletes with the image what it still knows to be of it.
async fn remove(session: &Session, id: &ImageId, image: Option<&Image>) -> Result<(), AwsError> {
    let snapshots: Vec<_> = image
        .into_iter()
        .flat_map(Image::volumes)
        .map(|(_, _, id)| id)
        .collect();
    let mut calls = vec![Operation::DescribeImages, Operation::DeregisterImage];
    calls.extend(snapshots.iter().map(|_| Operation::DeleteSnapshot));
    session.reserve(&calls)?;
    let deleted = session.deregister_failed(id).await?;
    for snapshot in snapshots.into_iter().filter(|id| !deleted.contains(*id)) {
        match session.delete_snapshot(snapshot).await {
            // Somebody has come to use it: then it is not ours to delete.
            Err(error) if error.is(Cause::SnapshotInUse) => {}
            result => result?,
        }
    }
    Ok(())
}

/// The call that a publication takes.
fn operation(publication: &Publication) -> Operation {
    match publication {
        Publication::ImdsV2 | Publication::LaunchPermissions(_) | Publication::Description(_) => {
            Operation::ModifyImageAttribute
        }
        Publication::InstanceTypes(_) => Operation::ReplaceImageInstanceTypeSpecification,
        Publication::Seal(_) => Operation::AttachImageWatermark,
        Publication::Deprecation(_) => Operation::EnableImageDeprecation,
        Publication::Tags(_) => Operation::CreateTags,
    }
}

/// A publication as the log has it.
fn what(publication: &Publication) -> &'static str {
    match publication {
        Publication::ImdsV2 => "IMDS support",
        Publication::InstanceTypes(_) => "instance types",
        Publication::Seal(_) => "watermark",
        Publication::LaunchPermissions(_) => "launch permissions",
        Publication::Description(_) => "description",
        Publication::Deprecation(_) => "deprecation time",
        Publication::Tags(_) => "tags",
    }
}

/// The copy as it is after AWS has agreed to a publication.
fn published(copy: &Image, publication: &Publication) -> Image {
    let mut copy = copy.clone();
    match publication {
        Publication::ImdsV2 => {
            Arc::make_mut(&mut copy.attributes).insert("imdsSupport", "v2.0".into());
        }
        Publication::InstanceTypes(types) => {
            let extras = copy.extras.get_or_insert_default();
            extras.instance_types = Some(types.clone());
        }
        Publication::Seal(name) => {
            if let Some(key) = promote::watermark_key(&copy, name) {
                let mark = Watermark {
                    key: key.into(),
                    attached: None,
                };
                copy.extras.get_or_insert_default().watermarks.push(mark);
            }
        }
        Publication::LaunchPermissions(_) => {}
        Publication::Description(text) => copy.description = Some(text.clone()),
        Publication::Deprecation(at) => copy.deprecation_time = Some(*at),
        Publication::Tags(tags) => copy
            .tags
            .extend(tags.iter().map(|(key, value)| (key.into(), value.into()))),
    }
    copy
}
