//! What is said of guardrails: of each why it is not as asked for, and of all of them together.

use super::Asked;
use super::key::Hindrance;
use super::reading::{Reading, Verdict};
use super::request::problem_of;
use super::tell::View;
use crate::api::conditions::{Status, reason};
use crate::api::{GuardrailName, Mode};
use crate::domain::{Guardrail, ManagedBy};
use crate::plan::freshness;
use crate::plan::obstacle::Problem;

/// In this order: of several guardrails the first is said. What is not among them is a call that has failed in some other way.
const ORDER: [&str; 7] = [
    reason::FORBIDDEN,
    reason::KEY_NOT_USABLE,
    reason::HELD_BY_DECLARATIVE_POLICY,
    reason::MAY_REFUSE_IMAGES,
    reason::REQUESTED,
    reason::NOT_READ,
    reason::NOT_ENFORCED,
];
/// Where in this order other reasons come.
const OTHERS: usize = 4;

/// Whether a person has to act on a condition with this reason.
pub fn needs_a_person(why: &str) -> bool {
    [
        reason::FORBIDDEN,
        reason::KEY_NOT_USABLE,
        reason::HELD_BY_DECLARATIVE_POLICY,
        reason::MAY_REFUSE_IMAGES,
    ]
    .contains(&why)
}

fn rank(why: &str) -> (usize, bool) {
    match ORDER.iter().position(|known| *known == why) {
        Some(place) => (place, true),
        None => (OTHERS, false),
    }
}

/// What the condition says, by what there is to say of each of them.
pub(super) fn of_all(view: &View<'_>, all: &[Option<Problem>]) -> (Status, &'static str, String) {
    let all = || all.iter().flatten();
    let Some(worst) = all().min_by_key(|problem| rank(problem.reason)) else {
        let message = "Every guardrail is as the policy asks for.";
        return (Status::True, reason::ENFORCED, message.to_owned());
    };
    let same = all().filter(|problem| problem.reason == worst.reason);
    let mut messages: Vec<&str> = same.map(|problem| problem.message.as_str()).collect();
    messages.dedup();
    let mut message = messages.join(" ");
    if worst.reason == reason::NOT_ENFORCED && view.spec.mode == Mode::Audit {
        message += " In mode Audit, amiseal sets nothing.";
    }
    let status = if worst.reason == reason::NOT_READ {
        Status::Unknown
    } else {
        Status::False
    };
    (status, worst.reason, message)
}

impl View<'_> {
    /// What was read of a guardrail, as long as that is gone by.
    pub(super) fn known(&self, guardrail: Guardrail) -> Option<&Reading> {
        let reading = self.watch.reading(guardrail)?;
        (self.now < freshness::holds_until(reading.at(), self.spec)).then_some(reading)
    }

    /// Why a guardrail is not as asked for, or not known to be; nothing where it is.
    pub(super) fn problem(&self, asked: &Asked) -> Option<Problem> {
        let name = GuardrailName::from(asked.guardrail).as_str();
        let not_read = |what: &str| Some(Problem::new(reason::NOT_READ, format!("{name} {what}")));
        let Some(reading) = self.known(asked.guardrail) else {
            return match self.watch.reading(asked.guardrail) {
                Some(_) => not_read("could not be read for more than two scan intervals: see Reachable."),
                None => not_read("is not read yet."),
            };
        };
        if let Some(error) = reading.error() {
            let problem = problem_of(error);
            return match problem.reason {
                reason::FORBIDDEN => Some(problem),
                _ => not_read(&format!("could not be read. {}", problem.message)),
            };
        }
        match reading.verdict(asked, self.key) {
            Verdict::Holds => None,
            Verdict::NotKnown => not_read("is not judged before the policy's key is known: see KeyUsable."),
            Verdict::Differs if asked.enforces => Some(self.unset(asked, name, reading)),
            Verdict::Differs => {
                let is = format!("{name} is {}", shown(reading, asked));
                let message = match &asked.governor {
                    Some(policy) => format!("{is}: the older policy {policy} governs it here."),
                    None => format!("{is}, which is only reported."),
                };
                let note = self.watch.images_note(asked).map(|note| format!(" {note}"));
                let message = message + &note.unwrap_or_default();
                Some(Problem::new(reason::NOT_ENFORCED, message))
            }
        }
    }

    /// Why a guardrail that is to be set is not.
    fn unset(&self, asked: &Asked, name: &str, reading: &Reading) -> Problem {
        let guardrail = asked.guardrail;
        if reading.managed_by() == Some(ManagedBy::DeclarativePolicy) {
            let message = format!(
                "A declarative policy of the organization holds {name} at {}: change it there, or set Audit for it in \
                 spec.guardrails.",
                shown(reading, asked)
            );
            return Problem::new(reason::HELD_BY_DECLARATIVE_POLICY, message);
        }
        let hindrance = match guardrail {
            Guardrail::EncryptionByDefault => self.watch.hindrance(self.key, &self.spec.kms_key_id),
            Guardrail::AllowedImages => self.watch.images_hindrance(asked, self.key),
            _ => None,
        };
        let was_asked = self.watch.was_asked(guardrail, self.key);
        let failure = self.watch.failure(guardrail);
        let failure = failure.filter(|problem| !was_asked || needs_a_person(problem.reason));
        let is_settling = self.watch.is_settling(guardrail, self.key, self.now);
        match (hindrance, failure) {
            // What AWS denies hinders the criteria too.
            (_, Some(problem)) if guardrail == Guardrail::AllowedImages => problem.clone(),
            (Some(Hindrance::NotUsable(why)), _) if guardrail == Guardrail::AllowedImages => {
                let message = format!("{name} stays {}. {why}", shown(reading, asked));
                Problem::new(reason::MAY_REFUSE_IMAGES, message)
            }
            (Some(Hindrance::NotUsable(why)), _) => {
                let message =
                    format!("The policy's key is not made the default key, and {name} is not turned on. {why}");
                Problem::new(reason::KEY_NOT_USABLE, message)
            }
            // While it is read anew who has to use the key, this is as true as before.
            (_, Some(problem)) => problem.clone(),
            (Some(Hindrance::NotKnown(why)), None) if !is_settling => {
                Problem::new(reason::NOT_READ, format!("{name}: {why}"))
            }
            (_, None) => {
                let message = format!("AWS is asked to set {name}, and may take ten minutes to show it.");
                Problem::new(reason::REQUESTED, message)
            }
        }
    }
}

/// The state in words.
fn shown(reading: &Reading, asked: &Asked) -> String {
    let state = reading.state().unwrap_or("unknown");
    let has_others = asked
        .allowed
        .as_ref()
        .is_some_and(|wanted| !reading.has_criteria(wanted));
    match reading.default_key() {
        Some(key) if state == "enabled" => format!("{state} under {key}"),
        _ if has_others => format!("{state} with other criteria"),
        _ => state.to_owned(),
    }
}
