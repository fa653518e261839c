//! What becomes of a migration whose original is gone. Its copy is all that is left: nothing is made, published, moved or put back any
//! more. What is said of the copy is still looked at, as it is launched in the original's place.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::consumers::{launch_again, launched_in_vain};
use super::judging::{other_source, was_published};
use super::statuses::{self, source_gone};
use super::{Facts, Next, Step, confirm_absence, recorded_copy};
use crate::api::conditions::{self, Status, reason};
use crate::api::{AMIMigrationStatus, Desired, MigrationState};
use crate::domain::{Image, ImageId, ImageState, Inventory};
use crate::plan::{moving, obstacle, verify};

/// What is left to do for consumers of a copy that cannot be launched, besides having it back.
pub(super) const INSTEAD: &str =
    "have them launch another image and delete this migration. The original no longer exists.";

/// Decides the next step of a migration whose original the inventory does not show as one that is there. All that is said is decided
/// here, whatever the status says so far.
pub(super) fn next(facts: Facts<'_>, inventory: &Inventory, mut status: AMIMigrationStatus, now: Timestamp) -> Step {
    let is_done = status.state == Some(MigrationState::Completed);
    // A complete scan that began after the migration was made does not show the image: it is gone.
    if !facts.account.scanned_since_created || is_done && facts.settings.suspend {
        return Step {
            status,
            then: Next::Wait,
        };
    }
    let source = &facts.of.source;
    let is_in_vain = status.stalled.as_deref() == Some(reason::PROMOTED_COPY_GONE);
    let is_said = status.source_gone_time.is_some() && (is_done || is_in_vain);
    // A listing of one page misses nothing, and thousands that are done may have lost their originals at once.
    let may_be_there = !inventory.images.contains_key(source) && !is_said && (!is_done || inventory.may_lack_images);
    if may_be_there && !facts.answers.is_gone(source) {
        return confirm_absence(facts, source);
    }
    status.source_gone_time.get_or_insert(Time(now));
    let Some(copy) = recorded_copy(&status) else {
        return done(facts, status, statuses::SOURCE_GONE, now);
    };
    let claims = conditions::find(&status.conditions, conditions::VERIFIED).is_some()
        || conditions::is_true(&status.conditions, conditions::COPIED);
    match inventory.images.get(&copy) {
        Some(image) if image.state == ImageState::Disabled => disabled(facts, status, image, now),
        Some(image) if image.state == ImageState::Available => available(facts, inventory, status, image, now),
        Some(image) if image.state == ImageState::Deregistered && claims => no_more(facts, status, &copy, now),
        None if claims => {
            // It is asked for once.
            if statuses::is_said_to_be_no_more(&status, &copy) || facts.answers.is_gone(&copy) {
                no_more(facts, status, &copy, now)
            } else {
                confirm_absence(facts, &copy)
            }
        }
        // Nothing was ever claimed of it, or nothing can be told of it.
        Some(_) | None => done(facts, status, statuses::SOURCE_GONE, now),
    }
}

/// Nothing is left to do. Consumers that somebody wants put back have nothing to be put back to.
pub(super) fn done(facts: Facts<'_>, mut status: AMIMigrationStatus, message: &str, now: Timestamp) -> Step {
    status.source_gone_time.get_or_insert(Time(now));
    let in_use = status.consumers.iter().any(moving::may_launch_copy);
    if in_use && facts.record.desired == Desired::RolledBack {
        let message = "The original no longer exists, so that no consumer is put back to it. What was moved goes on launching the copy: \
                       change it yourself, or set spec.desired: Migrated to leave it so.";
        let says = (Status::False, reason::SOURCE_GONE, message.to_owned());
        statuses::moved(facts, &mut status, Some(&says), now);
    } else {
        launch_again(facts, &mut status, now);
    }
    source_gone(facts, status, message, now)
}

/// Neither is there.
fn no_more(facts: Facts<'_>, mut status: AMIMigrationStatus, copy: &ImageId, now: Timestamp) -> Step {
    statuses::copy_gone(facts, &mut status, copy, now);
    let what = format!("is no more: restore it from the Recycle Bin, or {INSTEAD}");
    launched_in_vain(facts, &status, copy, &what, now).unwrap_or_else(|| {
        let message = format!("The original no longer exists, and neither does its copy {copy}.");
        done(facts, status.clone(), &message, now)
    })
}

/// Nobody can launch from the copy until its owner enables it.
fn disabled(facts: Facts<'_>, mut status: AMIMigrationStatus, image: &Image, now: Timestamp) -> Step {
    shown_again(facts, &mut status, &image.id, now);
    statuses::withdrawn(facts, &mut status, &obstacle::disabled_copy(&image.id), now);
    let what = format!("is disabled: enable it, or {INSTEAD}");
    launched_in_vain(facts, &status, &image.id, &what, now).unwrap_or_else(|| {
        let message = format!("The original no longer exists, and its copy {} is disabled.", image.id);
        done(facts, status.clone(), &message, now)
    })
}

/// The copy can be launched. One of which anything else is said is judged by its encryption, which is all that is left to compare: what
/// cannot be told from that stays said.
fn available(
    facts: Facts<'_>,
    inventory: &Inventory,
    mut status: AMIMigrationStatus,
    image: &Image,
    now: Timestamp,
) -> Step {
    shown_again(facts, &mut status, &image.id, now);
    let verified = conditions::find(&status.conditions, conditions::VERIFIED);
    let is_verified = verified.is_some_and(|said| said.status == "True");
    let differs = verified.is_some_and(|said| said.reason == reason::ATTRIBUTE_MISMATCH);
    let is_promoted = conditions::is_true(&status.conditions, conditions::PROMOTED);
    let is_good =
        || other_source(facts.of, image).is_none() && verify::is_still_good(image, &inventory.snapshots, &facts.of.key);
    if was_published(&status) && !(is_verified && is_promoted) && !differs && is_good() {
        let snapshots = status.snapshots.clone();
        statuses::verified(facts, &mut status, snapshots, now);
        if !is_promoted {
            statuses::launched_again(facts, &mut status, &image.id, now);
        }
    }
    done(facts, status, statuses::SOURCE_GONE, now)
}

/// A copy that was said to be no more, or not to be listed, is there.
fn shown_again(facts: Facts<'_>, status: &mut AMIMigrationStatus, copy: &ImageId, now: Timestamp) {
    if statuses::is_said_to_be_no_more(status, copy) || statuses::is_said_to_be_unseen(status) {
        statuses::copy_back(facts, status, now);
    }
}
