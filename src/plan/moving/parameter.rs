//! Parameters of Systems Manager: a new version that holds the copy's ID. Parameter Store keeps the former one, with who has changed it.

use super::left;
use super::row::{Task, Verdict, is_put_off};
use crate::api::{ConsumerState, ConsumerVersions, MovedConsumer};
use crate::domain::{Change, ImageId, ParameterNow};

/// What comes next to move it.
pub(super) fn forward(task: Task<'_>, now: &ParameterNow) -> Verdict {
    match task.row {
        Some(row) if row.state == ConsumerState::Moving => match (&row.previous, &row.current) {
            (Some(previous), None) => to_be_put(task, now, previous),
            (Some(_), Some(current)) => put(task, now, current),
            (None, _) => intend(task, now),
        },
        Some(row) if row.state == ConsumerState::Moved => {
            let current = row.current.as_ref().map_or(0, |current| current.latest);
            if now.version > current && holds(now, task.source) {
                task.reverted()
            } else {
                Verdict::Keep
            }
        }
        Some(row) if is_put_off(row) => task
            .untouchable(now.owner.as_ref(), &now.tags)
            .unwrap_or_else(|| task.resume()),
        // What was changed once and is left alone since is a person's.
        Some(row) if row.state == ConsumerState::Left && row.previous.is_some() => Verdict::Keep,
        _ => intend(task, now),
    }
}

fn holds(now: &ParameterNow, image: &ImageId) -> bool {
    now.value.trim() == image.as_str()
}

/// Puts on record what is to be changed.
fn intend(task: Task<'_>, now: &ParameterNow) -> Verdict {
    let is_movable = holds(now, task.source);
    if !is_movable && !now.value.contains(task.source.as_str()) {
        return Verdict::Nothing;
    }
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    if !is_movable || &*now.kind != "String" {
        let message = format!(
            "It holds more than the original's ID: have it name {} instead of {} yourself.",
            task.copy, task.source
        );
        return task.leave_for_now(left::HOLDS_MORE, message);
    }
    task.record(MovedConsumer {
        previous: Some(ConsumerVersions {
            latest: now.version,
            default: None,
        }),
        ..task.entry(ConsumerState::Moving)
    })
}

/// The intent is on record, and AWS's answer is not.
fn to_be_put(task: Task<'_>, now: &ParameterNow, previous: &ConsumerVersions) -> Verdict {
    if now.version < previous.latest {
        return Verdict::Later;
    }
    if holds(now, task.copy) {
        return task.made(
            ConsumerState::Moved,
            ConsumerVersions {
                latest: now.version,
                default: None,
            },
        );
    }
    if !holds(now, task.source) {
        return Verdict::Nothing;
    }
    if now.version > previous.latest {
        return task.changed_meanwhile();
    }
    task.untouchable(now.owner.as_ref(), &now.tags)
        .unwrap_or_else(|| put_value(task, now, task.copy))
}

/// AWS has taken the value, and may still be looking at it.
fn put(task: Task<'_>, now: &ParameterNow, current: &ConsumerVersions) -> Verdict {
    if now.version < current.latest {
        if task.has_had_time() {
            let message = format!(
                "AWS has taken {} as its value and does not show it: see whether the parameter's owner may launch that image.",
                task.copy
            );
            return task.leave(left::NOT_VALIDATED, message);
        }
        return Verdict::Later;
    }
    if holds(now, task.source) {
        return task.reverted();
    }
    task.done(ConsumerState::Moved, None)
}

fn put_value(task: Task<'_>, now: &ParameterNow, image: &ImageId) -> Verdict {
    Verdict::Change(Change::PutValue {
        name: task.key.id.clone(),
        value: image.as_str().into(),
        now: now.clone(),
    })
}

/// What comes next to put it back.
pub(super) fn back(task: Task<'_>, now: &ParameterNow) -> Verdict {
    let Some(row) = task.row else {
        return Verdict::Nothing;
    };
    let state = if is_put_off(row) {
        ConsumerState::Moving
    } else {
        row.state
    };
    match (state, &row.previous, &row.current) {
        (ConsumerState::Moving, Some(previous), None) => match to_be_put(task, now, previous) {
            // It has not come to that, unless an answer was lost: no more calls are made, and what there was has time to show.
            Verdict::Change(_) => task.done(ConsumerState::PuttingBack, None),
            known => known,
        },
        (ConsumerState::PuttingBack, Some(previous), None) => {
            let current = ConsumerVersions {
                latest: now.version,
                default: None,
            };
            if now.version > previous.latest && holds(now, task.copy) {
                task.made(ConsumerState::PuttingBack, current)
            } else if task.has_had_time() {
                task.done(ConsumerState::PutBack, None)
            } else {
                Verdict::Later
            }
        }
        (ConsumerState::Moving | ConsumerState::Moved, Some(_), Some(current)) => {
            task.made(ConsumerState::PuttingBack, current.clone())
        }
        (ConsumerState::PuttingBack, Some(_), Some(current)) => putting_back(task, now, current),
        _ => Verdict::Keep,
    }
}

fn putting_back(task: Task<'_>, now: &ParameterNow, current: &ConsumerVersions) -> Verdict {
    if now.version < current.latest {
        return Verdict::Later;
    }
    if holds(now, task.source) {
        return task.done(ConsumerState::PutBack, None);
    }
    if !holds(now, task.copy) {
        let message = "Somebody has set another value since, which is left as it is.".to_owned();
        return task.done(ConsumerState::PutBack, Some(message));
    }
    match task.untouchable(None, &now.tags) {
        Some(_) => Verdict::Later,
        None => put_value(task, now, task.source),
    }
}
