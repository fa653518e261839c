//! What a target says of its guardrails.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::reading::{Reading, Verdict};
use super::request::second;
use super::{Asked, GuardrailWatch, says};
use crate::api::conditions::{self, Status, Writer, cut, reason};
use crate::api::{
    AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, GuardrailManager, GuardrailName, GuardrailStatus, Mode,
};
use crate::plan::freshness;
use crate::plan::obstacle::{KeyView, Problem};

/// The longest texts, in characters.
const STATE: usize = 64;
const KEY: usize = 256;
const MESSAGE: usize = 1024;
/// The guardrail that takes a key.
const KEYED: GuardrailName = GuardrailName::EbsEncryptionByDefault;
/// The guardrail that takes criteria.
const WITH_CRITERIA: GuardrailName = GuardrailName::AllowedImages;

/// What is said by.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The target's settings.
    pub spec: &'a AMIEncryptionTargetSpec,
    /// What is asked for.
    pub asked: &'a [Asked],
    /// What is known.
    pub watch: &'a GuardrailWatch,
    /// The policy's key.
    pub key: &'a KeyView,
    /// The generation of the target.
    pub generation: Option<i64>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// Puts on record what is read and what is to be set, and says what has become of it. `before` is what is on record now, and `status` what
/// is said of everything else.
pub fn tell(status: &mut AMIEncryptionTargetStatus, before: &AMIEncryptionTargetStatus, view: &View<'_>) {
    let is_same_key = status.key_arn == before.key_arn;
    let said = conditions::find(&before.conditions, conditions::GUARDRAILS_ENFORCED);
    let is_same_spec = said.is_some_and(|said| said.observed_generation == view.generation);
    let mut write = Writer {
        conditions: &mut status.conditions,
        generation: view.generation,
        now: view.now,
    };
    if view.spec.guardrails.is_some() && view.spec.suspend {
        let message = "amiseal neither reads nor sets guardrails while the policy is suspended.";
        write.set(
            conditions::GUARDRAILS_ENFORCED,
            Status::Unknown,
            reason::SUSPENDED,
            message,
        );
        return;
    }
    if view.asked.is_empty() {
        write.remove(conditions::GUARDRAILS_ENFORCED);
        status.guardrails.clear();
        return;
    }
    let problems: Vec<Option<Problem>> = view.asked.iter().map(|one| view.problem(one)).collect();
    // What an earlier process has said stays until this one has looked, as long as that one would have said it.
    let scanned = before.last_scan_time.as_ref().map(|time| time.0);
    let is_fresh = scanned.is_some_and(|scanned| view.now < freshness::holds_until(scanned, view.spec));
    let said = conditions::find(write.conditions, conditions::GUARDRAILS_ENFORCED);
    let is_said = said.is_some_and(|said| said.reason != reason::SUSPENDED);
    if !(view.has_read_nothing() && is_fresh && is_said) {
        let (is, why, message) = says::of_all(view, &problems);
        write.set(conditions::GUARDRAILS_ENFORCED, is, why, &message);
    }
    let rows = view.asked.iter().zip(&problems);
    status.guardrails = rows
        .map(|(one, problem)| {
            let name = GuardrailName::from(one.guardrail);
            let mut row = before.guardrails.iter().find(|row| row.name == name).cloned();
            // What held under another key says nothing of this one, nor what held by criteria that the policy may have changed.
            let is_another = name == KEYED && !is_same_key || name == WITH_CRITERIA && !is_same_spec;
            if let Some(row) = row.as_mut().filter(|_| is_another) {
                row.held_since = None;
            }
            view.row(one, problem.as_ref(), row, is_fresh)
        })
        .collect();
}

impl View<'_> {
    fn has_read_nothing(&self) -> bool {
        let mut asked = self.asked.iter();
        asked.all(|one| self.watch.reading(one.guardrail).is_none())
    }

    /// What is said of one of them, of which `before` was said. That may be of an earlier process, which has looked lately (`is_fresh`).
    fn row(
        &self,
        asked: &Asked,
        problem: Option<&Problem>,
        before: Option<GuardrailStatus>,
        is_fresh: bool,
    ) -> GuardrailStatus {
        let mode = if asked.enforces { Mode::Enforce } else { Mode::Audit };
        let said = before.as_ref().and_then(|row| row.message.clone());
        let mut row = before.unwrap_or(GuardrailStatus::new(asked.guardrail.into(), mode));
        row.mode = mode;
        let recorded = row.requested_at.as_ref().map(|time| time.0);
        row.requested_at = self.watch.requested(asked.guardrail, recorded).map(Time);
        row.message = problem.map(|problem| cut(&problem.message, MESSAGE));
        if !asked.enforces {
            row.held_since = None;
        }
        if self.watch.reading(asked.guardrail).is_none() && is_fresh {
            row.message = said.or(row.message);
            return row;
        }
        self.fill(&mut row, asked);
        row
    }

    /// What was read, and what that says of what held before.
    fn fill(&self, row: &mut GuardrailStatus, asked: &Asked) {
        let reading = self.known(asked.guardrail);
        let text = |text: Option<&str>, most| text.map(|text| cut(text, most));
        row.state = text(reading.and_then(Reading::state), STATE);
        row.key_arn = text(reading.and_then(Reading::default_key), KEY);
        row.managed_by = reading.and_then(Reading::managed_by).map(GuardrailManager::from);
        let verdict = reading.map_or(Verdict::NotKnown, |reading| reading.verdict(asked, self.key));
        row.holds = match verdict {
            Verdict::Holds => Some(true),
            Verdict::Differs => Some(false),
            Verdict::NotKnown => None,
        };
        let is_held = row.managed_by == Some(GuardrailManager::DeclarativePolicy);
        if is_held && verdict == Verdict::Holds {
            row.message = Some("A declarative policy of the organization holds it.".to_owned());
        } else if verdict == Verdict::Holds {
            let note = self.watch.images_note(asked);
            row.message = note.map(|note| cut(note, MESSAGE));
        }
        let is_settling = self.watch.is_settling(asked.guardrail, self.key, self.now);
        match verdict {
            _ if !asked.enforces => {}
            // What the organization lets go of, nobody in the account has undone.
            Verdict::Holds | Verdict::Differs if is_held => row.held_since = None,
            Verdict::Holds => {
                row.held_since.get_or_insert(Time(second(self.now)));
            }
            // Some of AWS may not have heard of it yet.
            Verdict::Differs if is_settling => {}
            Verdict::Differs => {
                if row.held_since.take().is_some() {
                    row.drifts = row.drifts.saturating_add(1);
                }
            }
            Verdict::NotKnown => {}
        }
    }
}

/// A guardrail that was found undone after it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// Which one.
    pub name: GuardrailName,
    /// The same in a sentence.
    pub message: String,
}

impl Drift {
    /// The message, with whom an event names where one does. Only CloudTrail knows: anybody may have written the event.
    pub fn blaming(&self, by: Option<&str>) -> String {
        match by {
            Some(by) => format!("{} An event names {by}.", self.message),
            None => self.message.clone(),
        }
    }
}

/// What is on record now as undone, and was not before.
pub fn drifts(before: &[GuardrailStatus], now: &[GuardrailStatus]) -> Vec<Drift> {
    let drifted = |row: &&GuardrailStatus| {
        let known = before.iter().find(|before| before.name == row.name);
        row.drifts > known.map_or(0, |known| known.drifts)
    };
    let told = |row: &GuardrailStatus| Drift {
        name: row.name,
        message: format!(
            "{} held, and was found undone: it is {}{} now. CloudTrail knows who did that.",
            row.name.as_str(),
            row.state.as_deref().unwrap_or("unknown"),
            match row.name {
                WITH_CRITERIA => ", or has other criteria,",
                _ => "",
            }
        ),
    };
    now.iter().filter(drifted).map(told).collect()
}
