//! What the condition `ConsumersMoved` says, and Events of single consumers.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::foreign::NO_OFFER;
use super::{Original, Pass, Then, is_left};
use crate::api::conditions::{Status, reason};
use crate::api::labels::TAG_HOLD;
use crate::api::{ConsumerState, Desired, MovedConsumer};
use crate::domain::{ImageId, Tags};

/// So many consumers are named in a sentence.
const NAMED: usize = 5;
/// How it begins what is said where somebody holds consumers that are to be put back.
const TO_BE_PUT_BACK: &str = "Consumers that are to be put back have the tag ";

/// What an Event tells of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It launches the copy.
    Moved,
    /// Its instances are replaced.
    Refreshing,
    /// It launches the original again.
    PutBack,
    /// It was changed before, and is left as it is.
    Left,
}

/// What an Event tells of a consumer of which this was on record before, and that is since. Once for each.
pub fn told(before: Option<&MovedConsumer>, row: &MovedConsumer) -> Option<Told> {
    if before.is_some_and(|before| (before.state, &before.reason) == (row.state, &row.reason)) {
        return None;
    }
    match row.state {
        _ if is_left(row) => (row.reason.is_some() && row.previous.is_some()).then_some(Told::Left),
        ConsumerState::Moved => Some(Told::Moved),
        ConsumerState::Refreshing => Some(Told::Refreshing),
        // Where it only is not kept from being moved again any more, that was told before.
        ConsumerState::PutBack => before
            .is_none_or(|before| before.state != ConsumerState::PutBack)
            .then_some(Told::PutBack),
        ConsumerState::Moving | ConsumerState::PuttingBack | ConsumerState::Left => None,
    }
}

/// That a tag of the original or of the copy holds everything, where one does.
pub fn held_by_tag(source: Original<'_>, copy: &ImageId, copy_tags: Option<&Tags>) -> Option<String> {
    let images = [(source.id, source.tags), (copy, copy_tags)];
    let (held, _) = images
        .into_iter()
        .find(|(_, tags)| tags.is_some_and(|tags| tags.contains_key(TAG_HOLD)))?;
    Some(format!(
        "{held} has the tag {TAG_HOLD}: no consumer is moved, and none is put back."
    ))
}

/// Whether it is a tag of single consumers that this condition says to hold something: everything else goes on.
pub fn is_of_consumer(said: &Condition) -> bool {
    said.reason == reason::HELD && said.message.starts_with(TO_BE_PUT_BACK)
}

impl Pass<'_> {
    /// Why no consumer is moved or put back, where somebody does not want that.
    pub(super) fn held(&self) -> Option<String> {
        let facts = self.facts;
        if facts.desired == Desired::Held {
            return Some("spec.desired is Held: no consumer is moved, and none is put back.".to_owned());
        }
        if let Some(foreign) = facts.foreign.filter(|foreign| foreign.held) {
            return Some(format!(
                "Account {} holds its migration of the image: no consumer is moved, and none is put back.",
                foreign.owner
            ));
        }
        held_by_tag(facts.source, facts.copy, facts.copy_tags)
    }

    pub(super) fn says(&self, then: &Then) -> Option<(Status, &'static str, String)> {
        let count = |states: &[ConsumerState]| self.rows.iter().filter(|row| states.contains(&row.state)).count();
        let left = self.rows.iter().filter(|row| is_left(row)).count();
        let begun = self.rows.iter().any(|row| row.previous.is_some());
        if !self.facts.settings.promotion.moves() && !begun {
            return None;
        }
        let under_way = self.note.unwrap_or("Moving consumers of the original.").to_owned();
        Some(match (self.facts.desired, then) {
            (_, Then::Stalled(problem)) => (Status::False, problem.reason, problem.message.clone()),
            _ if !self.facts.settings.consumers.read => {
                let message =
                    "spec.consumers.read is false, so that it is not known what launches the original: set it to true.";
                (Status::False, reason::CONSUMERS_UNREAD, message.to_owned())
            }
            _ if self.held().is_some() => (Status::False, reason::HELD, self.held().unwrap_or_default()),
            (_, Then::Later(wait)) if !self.tagged.is_empty() && !wait.is_zero() => {
                let mut tagged = self.tagged.clone();
                tagged.sort();
                let message = format!("{TO_BE_PUT_BACK}{TAG_HOLD}: remove it from {}.", named(&tagged));
                (Status::False, reason::HELD, message)
            }
            (Desired::RolledBack, Then::Rest) => {
                let back = count(&[ConsumerState::PutBack]);
                let message = format!("{} as before.{}", are(back, "launches", "launch"), remark(left));
                (Status::False, reason::ROLLED_BACK, message)
            }
            (Desired::RolledBack, _) => {
                let message = self
                    .note
                    .unwrap_or("Putting consumers back to the original.")
                    .to_owned();
                (Status::False, reason::ROLLING_BACK, message)
            }
            (Desired::Migrated, Then::Rest) if self.facts.picture.is_none() && !begun => return None,
            (Desired::Migrated, Then::Rest) => at_rest(&self.rows),
            // That may take as long as a person does, and nothing is moved meanwhile.
            (Desired::Migrated | Desired::Held, _) if self.note == Some(NO_OFFER) => {
                (Status::False, reason::WAITING_FOR_OWNER, under_way)
            }
            (Desired::Migrated | Desired::Held, _) => (Status::False, reason::MOVING_CONSUMERS, under_way),
        })
    }
}

/// What is said where nothing is left to be moved.
pub fn at_rest(rows: &[MovedConsumer]) -> (Status, &'static str, String) {
    let moved = rows.iter().filter(|row| row.state == ConsumerState::Moved).count();
    let left = rows.iter().filter(|row| is_left(row)).count();
    let message = format!("{} the copy.{}", are(moved, "launches", "launch"), remark(left));
    if left == 0 {
        (Status::True, reason::SUCCEEDED, message)
    } else {
        (Status::False, reason::CONSUMERS_LEFT, message)
    }
}

fn are(count: usize, one: &str, many: &str) -> String {
    match count {
        0 => format!("No moved consumer {one}"),
        1 => format!("1 moved consumer {one}"),
        _ => format!("{count} moved consumers {many}"),
    }
}

fn remark(left: usize) -> String {
    match left {
        0 => String::new(),
        1 => " 1 is left as it is: status.consumers says why.".to_owned(),
        _ => format!(" {left} are left as they are: status.consumers says why."),
    }
}

pub(super) fn named(names: &[String]) -> String {
    let first = names
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}
