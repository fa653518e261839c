//! Whether a copy is what was asked for, and what it gets once it is.

use std::collections::BTreeSet;

use super::statuses::{self, progressing, stalled};
use super::{Decider, Effect, Next, Question, Step};
use crate::api::conditions::{self, reason};
use crate::api::{AMIMigrationStatus, MigrationState, SnapshotStatus, TagPublication};
use crate::domain::{Image, ImageState, KeyArn, Source};
use crate::plan::naming::CopyIdentity;
use crate::plan::obstacle::{self, Problem};
use crate::plan::promote::{self, Blocked};
use crate::plan::verify::{Pair, Verdict, verify, verify_published};

impl Decider<'_> {
    /// Judges the copy. One that was published, and that AWS calls a copy of the source, is judged for what can still change
    /// and for nothing else: its source may have changed, and people launch from it.
    pub(super) fn verdict(&self, status: &AMIMigrationStatus, copy: &Image) -> Verdict {
        let of = self.facts.of;
        if let Some(other) = other_source(of, copy) {
            return Verdict::OfAnother(other.clone());
        }
        let is_copy = || {
            self.inventory
                .copies_of(&of.source, &of.scope.region)
                .any(|c| c.id == copy.id)
        };
        if was_published(status) && is_copy() {
            verify_published(self.source, copy, &self.inventory.snapshots, &of.key)
        } else {
            verify(self.source, copy, &self.inventory.snapshots, &of.key)
        }
    }

    /// Compares the copy with its source.
    pub(super) fn judge(&self, status: AMIMigrationStatus, copy: &Image) -> Step {
        if let Some(what) = self.source.unread().or(copy.unread()) {
            return stalled(
                self.facts,
                status,
                MigrationState::Verifying,
                &obstacle::unread(what),
                self.now,
            );
        }
        match self.verdict(&status, copy) {
            Verdict::Good(pairs) => self.promote(status, copy, pairs),
            Verdict::Unknown => self.at_work(status, MigrationState::Verifying),
            Verdict::Disabled => self.disabled(status, copy),
            Verdict::NotEncrypted { device, under } => {
                let found = under.map_or_else(|| "not encrypted".to_owned(), |key| format!("encrypted under {key}"));
                let way_out = way_out(&status, copy);
                let message = format!(
                    "The copy's snapshot of device {device} is {found}: check the key's policy, and {way_out}."
                );
                self.refuse(status, &Problem::new(reason::COPY_NOT_ENCRYPTED, message))
            }
            Verdict::AlsoUnder { device, other } => {
                let message = format!(
                    "The copy's snapshot of device {device} can be read by another key too: disassociate {other} from it \
                     (ec2:DisassociateKmsKeyId)."
                );
                self.refuse(status, &Problem::new(reason::COPY_NOT_ENCRYPTED, message))
            }
            Verdict::Differs { what } => {
                let problem = mismatch(&status, copy, &what);
                self.refuse(status, &problem)
            }
            Verdict::OfAnother(other) => self.of_another(status, copy, &other),
            Verdict::LacksWatermark { key } => {
                let account = format!("{}:", self.facts.of.scope.account);
                let way_out = match key.strip_prefix(&account) {
                    Some(name) => format!("attach the watermark {name} to {}", copy.id),
                    None => way_out(&status, copy),
                };
                let message =
                    format!("The copy lacks the original's watermark {key}: {way_out}, or exempt the original.");
                self.refuse(status, &Problem::new(reason::ATTRIBUTE_MISMATCH, message))
            }
        }
    }

    /// The copy is not what was asked for.
    fn refuse(&self, mut status: AMIMigrationStatus, problem: &Problem) -> Step {
        statuses::not_verified(self.facts, &mut status, problem, self.now);
        stalled(self.facts, status, MigrationState::Verifying, problem, self.now)
    }

    /// The image on record is somebody's, or another image's copy: nothing is done with it.
    pub(super) fn of_another(&self, status: AMIMigrationStatus, copy: &Image, other: &Source) -> Step {
        let message = format!(
            "{} is on record as the copy, and by AWS's record it is a copy of {} in {}: delete this migration. amiseal makes it again, \
             looks for the copy itself, and leaves {0} as it is.",
            copy.id, other.image, other.region
        );
        self.refuse(status, &Problem::new(reason::ATTRIBUTE_MISMATCH, message))
    }

    /// Nobody can launch from the copy until its owner enables it. Disabling has taken its launch permissions, which enabling does
    /// not bring back.
    pub(super) fn disabled(&self, mut status: AMIMigrationStatus, copy: &Image) -> Step {
        let problem = obstacle::disabled_copy(&copy.id);
        if statuses::is_said_to_be_no_more(&status, &copy.id) {
            statuses::copy_back(self.facts, &mut status, self.now);
        }
        statuses::withdrawn(self.facts, &mut status, &problem, self.now);
        if let Some(step) = self
            .mover(&status)
            .launched_in_vain(&status, &copy.id, "is disabled: enable it, or")
        {
            return step;
        }
        stalled(self.facts, status, MigrationState::Verifying, &problem, self.now)
    }

    /// Compares what only a read of the image's attribute shows, once for each copy: it cannot be changed. None if nothing is wrong.
    fn compare_uefi_data(&self, status: &AMIMigrationStatus, copy: &Image) -> Option<Step> {
        let verified = conditions::find(&status.conditions, conditions::VERIFIED);
        if verified.is_some_and(|verified| verified.status == "True") || !uses_uefi_data(self.source, copy) {
            return None;
        }
        let problem = mismatch(status, copy, "uefiData");
        let is_known = verified.is_some_and(|verified| verified.message == problem.message);
        match self.facts.answers.uefi_differs {
            Some(false) => None,
            None if !is_known => {
                let then = Next::Ask(Question::UefiData(copy.id.clone()));
                Some(self.calling(status.clone(), MigrationState::Verifying, then))
            }
            None | Some(true) => Some(self.refuse(status.clone(), &problem)),
        }
    }

    /// Publishes what a verified copy lacks.
    pub(super) fn promote(&self, mut status: AMIMigrationStatus, copy: &Image, pairs: Vec<Pair>) -> Step {
        let promoting = MigrationState::Promoting;
        if let Some(step) = self.compare_uefi_data(&status, copy) {
            return step;
        }
        statuses::verified(self.facts, &mut status, snapshots(pairs, &self.facts.of.key), self.now);
        if self.facts.answers.uefi_differs.is_some() {
            // On record before anything else is asked for, so that it need not be read again.
            let state = self.after_verifying(&status);
            return self.at_work(status, state);
        }
        // What was published before, by this migration or a former one, stays: people launch from it.
        if self.source.state == ImageState::Disabled && was_asked_for(&status) && !was_published(&status) {
            return stalled(self.facts, status, promoting, &obstacle::disabled_meanwhile(), self.now);
        }
        if let Some(step) = self.prove(&mut status, copy) {
            return step;
        }
        if status.state == Some(promoting) && self.is_published(&status) && self.mover(&status).moves(&status) {
            return self.mover(&status).consumers(status, &copy.id);
        }
        let settings = &self.facts.settings.promotion;
        if settings.tags == TagPublication::Publish
            && !self.facts.grants.publish_tags
            && !promote::missing_tags(self.source, copy).is_empty()
        {
            let message = "Waiting until the tags of older originals are published.";
            return progressing(self.facts, status, promoting, reason::PROMOTING, message, self.now);
        }
        let nobody = BTreeSet::new();
        let permissions = match self.facts.answers.permissions.as_ref() {
            Some(permissions) => permissions,
            None if self.preserves() => {
                return self.calling(status, promoting, Next::Ask(Question::LaunchPermissions));
            }
            None => &nobody,
        };
        let list = match promote::publications(self.source, copy, permissions, settings, self.facts.system_time) {
            Ok(list) => list,
            Err(Blocked::Public) => {
                return stalled(self.facts, status, promoting, &obstacle::public_image(), self.now);
            }
            Err(Blocked::TooManyTags) => {
                let message = "The original's tags and amiseal's own are more than the 50 that AWS allows: remove some, \
                               or set promotion.tags: Withhold.";
                return stalled(
                    self.facts,
                    status,
                    promoting,
                    &Problem::new(reason::TOO_MANY_TAGS, message),
                    self.now,
                );
            }
        };
        if list.is_empty() {
            statuses::promoted(
                self.facts,
                &mut status,
                promote::leaves_out(self.source, copy),
                self.now,
            );
            return self.mover(&status).consumers(status, &copy.id);
        }
        self.calling(status, promoting, Next::Do(Effect::Publish(copy.id.clone(), list)))
    }
}

impl Decider<'_> {
    /// Whether the copy has what the policy has it take over, by what is on record.
    pub(super) fn is_published(&self, status: &AMIMigrationStatus) -> bool {
        status.promotion == Some(self.facts.settings.promotion.published())
    }
}

/// What the image on record was copied from by AWS's own record, where that is another image. One without that record is older than it,
/// or is compared whole.
pub(super) fn other_source<'c>(of: &CopyIdentity, copy: &'c Image) -> Option<&'c Source> {
    let from = copy.copied_from.as_deref()?;
    (from.image != of.source || from.region != of.scope.region).then_some(from)
}

/// Whether UEFI data plays a part in how one of the images boots, or what its TPM holds against it.
fn uses_uefi_data(source: &Image, copy: &Image) -> bool {
    [source, copy].iter().any(|image| {
        let boots_by_uefi = image
            .attributes
            .get("bootMode")
            .is_some_and(|mode| mode.starts_with("uefi"));
        boots_by_uefi || image.attributes.contains_key("tpmSupport")
    })
}

/// The copy differs in something that cannot be changed.
fn mismatch(status: &AMIMigrationStatus, copy: &Image, what: &str) -> Problem {
    let way_out = way_out(status, copy);
    let message = format!("The copy differs from the original in {what}: {way_out}, or exempt the original.");
    Problem::new(reason::ATTRIBUTE_MISMATCH, message)
}

/// Whether the recorded copy was ever verified and published: that stays on record until the copy is no more.
pub(super) fn was_published(status: &AMIMigrationStatus) -> bool {
    conditions::find(&status.conditions, conditions::PROMOTED).is_some()
}

/// Whether this migration has asked AWS for the copy, and has not found it there.
fn was_asked_for(status: &AMIMigrationStatus) -> bool {
    status.copy.as_ref().is_some_and(|copy| copy.requested_at.is_some())
}

/// How another copy comes about in the place of one that is not good. Nobody is advised to deregister a copy that people may
/// launch from: one that was published, or that was there before this migration.
fn way_out(status: &AMIMigrationStatus, copy: &Image) -> String {
    if was_asked_for(status) && !was_published(status) {
        format!("deregister {} to have another one made", copy.id)
    } else {
        format!(
            "move what launches from {0} to another image; amiseal makes another copy once {0} is gone",
            copy.id
        )
    }
}

/// A status has room for so many; AWS attaches no more volumes to any instance.
const MAX_SNAPSHOTS: usize = 128;

fn snapshots(pairs: Vec<Pair>, key: &KeyArn) -> Vec<SnapshotStatus> {
    let status = |pair: Pair| SnapshotStatus {
        device: pair.device,
        source: pair.source.to_string(),
        copy: Some(pair.copy.to_string()),
        key_arn: Some(key.to_string()),
    };
    pairs.into_iter().map(status).take(MAX_SNAPSHOTS).collect()
}
