//! Guardrails: the settings of the region that the policy has held. They are read with every scan, and set where it is on record that
//! they are to be.

use std::sync::Arc;

use jiff::Timestamp;
use kube::runtime::reflector::ObjectRef;

use super::{TargetReconciler, newly};
use crate::api::conditions::{self, Status};
use crate::api::{AMIEncryptionTargetStatus, GuardrailName};
use crate::aws::{AwsError, Cause};
use crate::controller::key_access::{Others, key_access};
use crate::controller::registry::jittered;
use crate::domain::{AllowedImages, Guardrail, GuardrailChange, GuardrailState, ImageId, KeyAccess, Operation};
use crate::plan::guardrails::{self, Asked, Fetched, ImagesStanding, KeyStanding, Knows, Launchers, Reading};
use crate::plan::obstacle::KeyView;
use crate::plan::permissions::asks_for_changes;
use crate::plan::usage::Picture;

/// The reasons of Events.
const ENFORCED: &str = "GuardrailEnforced";
const DRIFTED: &str = "GuardrailDrifted";

impl TargetReconciler<'_> {
    /// What the policy asks for here. Nothing is set where it is not known whether an older policy governs it.
    pub(super) fn asked_guardrails(&self) -> Vec<Asked> {
        let spec = &self.target.spec;
        if spec.guardrails.is_none() {
            return Vec::new();
        }
        let policy = self.ctx.policies.get(&ObjectRef::new(&spec.policy));
        let policy = policy.filter(|policy| asks_for_changes(&policy.spec, spec));
        let older = self.older_targets();
        let is_known = older.is_some();
        let older = older.unwrap_or_default();
        let older: Vec<_> = older
            .iter()
            .map(|target| (target.spec.policy.as_str(), target.spec.guardrails.as_ref()))
            .collect();
        let says = policy.as_ref().and_then(|policy| policy.spec.guardrails.as_ref());
        guardrails::asked(spec, says.filter(|_| is_known), &older)
    }

    /// Reads them, when that is due, and sets what is on record. What comes to be on record is written after this visit.
    pub(super) async fn follow_guardrails(&self) {
        let asked = self.asked_guardrails();
        if asked.is_empty() {
            self.state(|state| state.guardrails.rest());
            return;
        }
        if !self.has_scanned() {
            return;
        }
        let picture = self.picture();
        let launchers = self.launchers(picture.as_deref());
        let knows = Knows {
            launchers: launchers.are_known(),
            images: launchers.images_read_at(),
        };
        let now = self.ctx.clock.now();
        if self.state(|state| state.guardrails.is_read_due(&asked, knows, now)) {
            self.read_guardrails(&asked).await;
        }
        let status = self.target.status.as_ref();
        let record = status.map_or(&[][..], |status| status.guardrails.as_slice());
        let now = self.ctx.clock.now();
        let wanted = self.state(|state| {
            let key = state.key.view().clone();
            state.guardrails.decide(&asked, &key, record, now)
        });
        for guardrail in wanted {
            self.set_guardrail(guardrail).await;
        }
        let now = self.ctx.clock.now();
        self.state(|state| {
            let key = state.key.view().clone();
            state.guardrails.settle(&asked, &key, now);
        });
    }

    /// When to come back for them. While scans fail, nothing is read or set.
    pub(super) fn guardrails_due(&self) -> Option<Timestamp> {
        let due = self.state(|state| state.guardrails.due());
        due.filter(|_| self.has_scanned())
    }

    /// Whether the last scan has succeeded: who cannot read images can hardly read anything else.
    fn has_scanned(&self) -> bool {
        self.state(|state| state.inventory.is_some() && state.scans.problem().is_none())
    }

    fn picture(&self) -> Option<Arc<Picture>> {
        self.state(|state| state.usage.picture().cloned())
    }

    /// What is known of those who launch there, by this picture of it.
    fn launchers<'p>(&self, picture: Option<&'p Picture>) -> Launchers<'p> {
        let now = self.ctx.clock.now();
        Launchers {
            are_read: self.target.spec.consumers.read,
            graph: picture.map(|picture| &picture.graph),
            is_due: self.state(|state| state.usage.is_due(now)),
            moved: self.state(|state| state.moved),
            since: self.state(|state| state.guardrails.in_use_since(now)),
        }
    }

    async fn read_guardrails(&self, asked: &[Asked]) {
        let which: Vec<Guardrail> = asked.iter().map(|one| one.guardrail).collect();
        let at = self.ctx.clock.now();
        let states = Box::pin(self.session.guardrails_of(&which)).await;
        let mut default_key = None;
        if which.contains(&Guardrail::EncryptionByDefault) {
            default_key = Some(self.session.default_key().await);
        }
        let reading = |state: GuardrailState| {
            let is_of_key = state.guardrail == Guardrail::EncryptionByDefault;
            Reading::new(state, default_key.clone().filter(|_| is_of_key), at)
        };
        let readings: Vec<Reading> = states.into_iter().map(reading).collect();
        for error in readings.iter().filter_map(Reading::error) {
            self.note(error);
            tracing::warn!(%error, "could not read a guardrail");
        }
        let key = self.state(|state| state.key.view().clone());
        let asks = self.state(|state| guardrails::asks_about_key(&state.guardrails, asked, &readings, &key, at));
        let standing = if asks {
            self.key_standing().await
        } else {
            KeyStanding::Unasked
        };
        self.state(|state| state.guardrails.looks_ahead(asked, &readings, at));
        let picture = self.picture();
        let images_of = picture.and_then(|picture| picture.graph.listed_at());
        let images = match guardrails::asks_about_images(asked, &readings) {
            Some(wanted) => self.images_standing(wanted).await,
            None => ImagesStanding::Unasked,
        };
        let interval = self.target.spec.scan_interval.as_std();
        let now = self.ctx.clock.now();
        let spread = |wait| jittered(wait, &self.name);
        self.state(|state| {
            let fetched = Fetched {
                readings,
                key: standing,
                key_of: state.key.view().arn().cloned(),
                images,
                images_of,
            };
            state.guardrails.fetched(fetched, interval, now, spread);
        });
    }

    /// Whether the policy's key may be the default one: it is read anew, with who may use it.
    async fn key_standing(&self) -> KeyStanding {
        let before = self.state(|state| state.key.view().clone());
        let failed = self.read_key().await;
        let view = self.state(|state| state.key.view().clone());
        if view != before {
            self.classify();
            self.wake_migrations();
        }
        if let Some(error) = failed {
            return KeyStanding::Unread(error);
        }
        let KeyView::Known(key) = &*view else {
            return KeyStanding::Unasked;
        };
        let picture = self.picture();
        let launchers = self.launchers(picture.as_deref());
        if let Some(standing) = launchers.stands(key) {
            return standing;
        }
        let needs = launchers.needs(&self.scope);
        let mut access = None;
        if !key.aws_managed {
            let principals = needs.keys().cloned().collect();
            access = Box::pin(key_access(&self.session, &key.arn, &principals, Others::None)).await;
        }
        if let Some(error) = access.as_ref().and_then(KeyAccess::passing_failure) {
            return KeyStanding::Unread(error.clone());
        }
        let standing = guardrails::standing(key, &needs, access.as_ref(), &self.scope.account);
        launchers.confirm(key, standing)
    }

    /// Whether Allowed AMIs would refuse what is in use, by what is known of that. AWS is asked whose the images of others are.
    async fn images_standing(&self, wanted: &AllowedImages) -> ImagesStanding {
        let picture = self.picture();
        let launchers = self.launchers(picture.as_deref());
        if let Some(standing) = launchers.stand_without_images(wanted) {
            return standing;
        }
        let Some(graph) = launchers.graph else {
            return ImagesStanding::Waiting;
        };
        let inventory = self.state(|state| state.inventory.clone());
        let is_own = |image: &ImageId| {
            let known = inventory.as_ref();
            known.is_some_and(|inventory| inventory.images.contains_key(image))
        };
        let foreign = guardrails::foreign_images(graph, is_own);
        let mut seen = Vec::new();
        if !foreign.is_empty() {
            match Box::pin(self.session.images_of_anybody(&foreign)).await {
                Ok(images) => seen = images,
                Err(error) => {
                    self.note(&error);
                    tracing::warn!(%error, "could not read whose images are in use");
                    return ImagesStanding::Unread(error);
                }
            }
        }
        let now = self.ctx.clock.system_time();
        let standing = guardrails::images_standing(wanted, graph, &seen, &self.scope.account, now);
        let standing = launchers.confirm_images(standing);
        if standing == ImagesStanding::Waiting && launchers.are_to_be_read() {
            self.read_consumers_soon();
        }
        standing
    }

    /// Has it read again who launches what, where Allowed AMIs come to refuse images by that.
    fn read_consumers_soon(&self) {
        let now = self.ctx.clock.now();
        let is_asked = self.state(|state| {
            let is_asked = state.guardrails.waits_for_images();
            if is_asked {
                state.usage.hinted(now);
            }
            is_asked
        });
        if is_asked {
            tracing::info!("reading who uses the images again: Allowed AMIs come to refuse some");
            self.ctx.registry.wake_usage(&self.name);
        }
    }

    /// Sets one of them. Where AWS's limits leave no room, the visit does not wait for it.
    async fn set_guardrail(&self, guardrail: Guardrail) {
        let Some(one) = self.enforced(guardrail) else {
            return;
        };
        let changes = self.state(|state| {
            let key = state.key.view().clone();
            state.guardrails.changes(&one, &key)
        });
        // Who has the account and region now knows of no changes.
        if changes.is_empty() {
            return;
        }
        let operations: Vec<Operation> = changes.iter().map(GuardrailChange::operation).collect();
        let session = self.session.visiting(&self.name);
        if let Err(error) = session.reserve(&operations) {
            self.guardrail_failed(guardrail, &error, false);
            return;
        }
        let now = self.ctx.clock.now();
        self.state(|state| state.guardrails.begins(guardrail, now));
        let mut set = Vec::new();
        for change in changes {
            // What is wanted may be another thing by now.
            if self.enforced(guardrail).as_ref() != Some(&one) {
                break;
            }
            if let Err(error) = Box::pin(session.set_guardrail(&change)).await {
                self.guardrail_failed(guardrail, &error, !set.is_empty());
                return;
            }
            tracing::info!(?change, "AWS has taken a guardrail");
            set.push(change);
        }
        if set.is_empty() {
            return;
        }
        let now = self.ctx.clock.now();
        self.state(|state| state.guardrails.taken(guardrail, now));
        let note = guardrails::turned_on(guardrail, &set);
        let action = format!("Set-{}", GuardrailName::from(guardrail).as_str());
        self.ctx.events.normal(self.target, ENFORCED, &action, &note).await;
    }

    /// What is to be set by what policies say at this moment. AWS may be slow, and they are changed meanwhile.
    fn enforced(&self, guardrail: Guardrail) -> Option<Asked> {
        let mut asked = self.asked_guardrails().into_iter();
        asked.find(|one| one.guardrail == guardrail && one.enforces)
    }

    fn guardrail_failed(&self, guardrail: Guardrail, error: &AwsError, took_some: bool) {
        let now = self.ctx.clock.now();
        // That there is no room is no failure.
        if !error.is(Cause::NoRoom) {
            self.note(error);
            tracing::warn!(%error, %guardrail, "could not set a guardrail");
        }
        let spread = |wait| jittered(wait, &self.name);
        self.state(|state| state.guardrails.failed(guardrail, error, took_some, now, spread));
    }

    /// Tells of those that were found undone, and of those that need a person.
    pub(super) async fn tell_guardrails(&self, before: &AMIEncryptionTargetStatus, now: &AMIEncryptionTargetStatus) {
        for drift in guardrails::drifts(&before.guardrails, &now.guardrails) {
            self.ctx.metrics.targets.guardrail_drifted(&self.name, drift.name);
            let action = format!("Find-{}", drift.name.as_str());
            let note = drift.blaming(self.suspect(drift.name).as_deref());
            self.ctx.events.warning(self.target, DRIFTED, &action, &note).await;
        }
        let type_ = conditions::GUARDRAILS_ENFORCED;
        let news = newly(Status::False, type_, &before.conditions, &now.conditions);
        if let Some((reason, message)) = news.filter(|(reason, _)| guardrails::needs_a_person(reason)) {
            self.ctx
                .events
                .warning(self.target, reason, "HoldGuardrails", message)
                .await;
        }
    }

    /// What the target says of them.
    pub(super) fn say_guardrails(
        &self,
        decided: &mut AMIEncryptionTargetStatus,
        before: &AMIEncryptionTargetStatus,
        now: Timestamp,
    ) {
        let asked = self.asked_guardrails();
        self.state(|state| {
            let view = guardrails::View {
                spec: &self.target.spec,
                asked: &asked,
                watch: &state.guardrails,
                key: state.key.view(),
                generation: self.target.metadata.generation,
                now,
            };
            guardrails::tell(decided, before, &view);
        });
    }
}
