//! What a target says of the parameters that its policy's map is kept in.

use jiff::Timestamp;

use super::ParameterWatch;
use crate::api::conditions::{self, Status, Writer, reason};
use crate::api::{AMIEncryptionTargetSpec, AMIEncryptionTargetStatus, Mode, TargetMapStatus};
use crate::plan::map::{Turn, turn};

/// Puts on record where they are kept, and says what has become of them. What is to be written is on record first.
pub fn tell(
    status: &mut AMIEncryptionTargetStatus,
    spec: &AMIEncryptionTargetSpec,
    watch: &ParameterWatch,
    generation: Option<i64>,
    now: Timestamp,
) {
    let asked = spec.promotion.map.as_ref().and_then(|map| map.ssm_prefix.as_deref());
    let recorded = status.map.take();
    let record = |prefix: &str| {
        Some(TargetMapStatus {
            ssm_prefix: prefix.to_owned(),
        })
    };
    let mut write = Writer {
        conditions: &mut status.conditions,
        generation,
        now,
    };
    let is = |prefix: &str, what: &str| format!("The parameters under {prefix} are {what}.");
    let next = turn(recorded.as_ref().map(|map| map.ssm_prefix.as_str()), asked);
    let rests = rests(spec).filter(|_| next != Turn::Nothing);
    status.map = match (rests, next) {
        (Some((why, message)), _) => {
            write.set(conditions::MAP_PUBLISHED, Status::Unknown, why, message);
            recorded
        }
        (None, Turn::Nothing) => {
            write.remove(conditions::MAP_PUBLISHED);
            None
        }
        (None, Turn::Record(prefix)) => {
            progresses(&mut write, &is(prefix, "about to be written"));
            record(prefix)
        }
        (None, Turn::LetGo(former)) if watch.has_let_go(former) => match asked {
            Some(prefix) => {
                progresses(&mut write, &is(prefix, "about to be written"));
                record(prefix)
            }
            None => {
                write.remove(conditions::MAP_PUBLISHED);
                None
            }
        },
        (None, Turn::LetGo(former)) => {
            says(&mut write, watch, former, true, &is(former, "about to be deleted"));
            recorded
        }
        (None, Turn::Keep(prefix)) => {
            says(&mut write, watch, prefix, false, &is(prefix, "about to be written"));
            recorded
        }
    };
}

/// Why nothing is written at all, if nothing is.
const fn rests(spec: &AMIEncryptionTargetSpec) -> Option<(&'static str, &'static str)> {
    match (spec.suspend, spec.mode) {
        (true, _) => Some((
            reason::SUSPENDED,
            "amiseal neither writes nor deletes parameters while the policy is suspended.",
        )),
        (false, Mode::Audit) => Some((
            reason::AUDIT,
            "In mode Audit, amiseal neither writes nor deletes parameters.",
        )),
        (false, Mode::Enforce) => None,
    }
}

fn progresses(write: &mut Writer<'_>, message: &str) {
    write.set(conditions::MAP_PUBLISHED, Status::Unknown, reason::PROGRESSING, message);
}

/// Says what is known. What an earlier process has said stays until this one has looked, unless it was that nothing is done.
fn says(write: &mut Writer<'_>, watch: &ParameterWatch, prefix: &str, lets_go: bool, otherwise: &str) {
    if let Some(said) = watch.said(prefix, lets_go) {
        write.set(conditions::MAP_PUBLISHED, said.status, said.reason, &said.message);
        return;
    }
    let before = conditions::find(write.conditions, conditions::MAP_PUBLISHED);
    let stays =
        before.is_some_and(|said| !lets_go && ![reason::SUSPENDED, reason::AUDIT].contains(&said.reason.as_str()));
    if !stays {
        progresses(write, otherwise);
    }
}
