//! Parameters of Systems Manager: a new version that holds the copy's ID, and the labels of the former one once AWS shows that. Parameter
//! Store keeps the former version, with who has changed it. Those that a map is kept in hold copies already, and are seen to elsewhere.

use super::labels;
use super::left;
use super::row::{Task, Verdict, is_put_off};
use crate::api::{ConsumerState, ConsumerVersions, MovedConsumer};
use crate::domain::{Change, ImageId, ParameterNow};
use crate::plan::map::parameters::is_of_a_map;

/// What comes next to move it.
pub(super) fn forward(task: Task<'_>, now: &ParameterNow) -> Verdict {
    match task.row {
        Some(row) if row.state == ConsumerState::Moving => match (&row.previous, &row.current) {
            (Some(previous), None) => to_be_put(task, now, previous),
            (Some(previous), Some(current)) => put(task, now, previous, current),
            (None, _) => intend(task, now),
        },
        Some(row) if row.state == ConsumerState::Moved => {
            let current = row.current.as_ref().map_or(0, |current| current.latest);
            if now.version > current && holds(now, task.source) {
                task.reverted()
            } else {
                labels::kept(task, now)
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
    if is_of_a_map(&now.tags) {
        return Verdict::Nothing;
    }
    if labels::does_not_show(task, now) {
        return Verdict::Later;
    }
    let is_movable = holds(now, task.source);
    if !is_movable && !now.value.contains(task.source.as_str()) {
        return labels::of_older_versions(task, now);
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
            labels: labels::to_be_moved(task, now),
            ..ConsumerVersions::default()
        }),
        ..task.entry(ConsumerState::Moving)
    })
}

/// The intent is on record, and AWS's answer is not.
fn to_be_put(task: Task<'_>, now: &ParameterNow, previous: &ConsumerVersions) -> Verdict {
    if now.version < previous.latest {
        // It does not show yet, or somebody has deleted the parameter and made it anew: then it begins anew here too.
        return if task.has_had_time() {
            Verdict::Nothing
        } else {
            Verdict::Later
        };
    }
    if holds(now, task.copy) {
        // Its labels follow.
        return task.made(ConsumerState::Moving, of_version(now.version));
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

fn of_version(latest: i64) -> ConsumerVersions {
    ConsumerVersions {
        latest,
        ..ConsumerVersions::default()
    }
}

/// AWS has taken the value, and may still be looking at it.
fn put(task: Task<'_>, now: &ParameterNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
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
    if holds(now, task.copy) && labels::is_put_again(task, now, previous, current) {
        return task.made(ConsumerState::Moving, of_version(now.version));
    }
    labels::forward(task, now, previous, current)
}

fn put_value(task: Task<'_>, now: &ParameterNow, image: &ImageId) -> Verdict {
    Verdict::Change(Change::PutValue {
        name: task.key.id.clone(),
        value: image.as_str().into(),
        now: Box::new(now.clone()),
    })
}

/// What comes next to put it back.
pub(super) fn back(task: Task<'_>, now: &ParameterNow) -> Verdict {
    let Some(row) = task.row else {
        return recovered(task, now);
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
            let current = of_version(now.version);
            if now.version > previous.latest && holds(now, task.copy) {
                task.made(ConsumerState::PuttingBack, current)
            } else if task.has_had_time() {
                task.done(ConsumerState::PutBack, None)
            } else {
                Verdict::Later
            }
        }
        (ConsumerState::Moving | ConsumerState::Moved, Some(previous), Some(current)) => {
            let current = labels::to_be_put_back(state, previous, current);
            task.made(ConsumerState::PuttingBack, current)
        }
        (ConsumerState::PuttingBack, Some(previous), Some(current)) => putting_back(task, now, previous, current),
        _ => Verdict::Keep,
    }
}

/// Nothing is on record of it any more. Where amiseal has put the copy's ID there, it held the original's before, unless a map is kept
/// in it: it moves no other parameters. Parameter Store says who has. It does not say that of labels: those of this version were of the
/// one before.
fn recovered(task: Task<'_>, now: &ParameterNow) -> Verdict {
    if !holds(now, task.copy) || !is_by_amiseal(now) || may_be_of_a_map(task, now) {
        return Verdict::Nothing;
    }
    let versions = |latest: i64| {
        Some(ConsumerVersions {
            latest,
            labels: labels::as_if_on(now, now.version, latest),
            ..ConsumerVersions::default()
        })
    };
    task.record(MovedConsumer {
        previous: versions(now.version.saturating_sub(1)),
        current: versions(now.version),
        ..task.entry(ConsumerState::PuttingBack)
    })
}

/// Whether a map may be kept in it, though somebody has removed its tags: amiseal has made it, or it has the name that such a one has.
fn may_be_of_a_map(task: Task<'_>, now: &ParameterNow) -> bool {
    let is_named_so = task
        .key
        .id
        .rsplit_once('/')
        .is_some_and(|(_, last)| last == task.source.as_str());
    is_of_a_map(&now.tags) || now.version < 2 || is_named_so
}

/// Whether its latest version was made in a session of amiseal's, which are named after policies.
pub(super) fn is_by_amiseal(now: &ParameterNow) -> bool {
    let is_session = |arn: &str| {
        arn.contains(":assumed-role/") && arn.rsplit('/').next().is_some_and(|name| name.starts_with("amiseal-"))
    };
    now.modified_by.as_deref().is_some_and(is_session)
}

fn putting_back(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> Verdict {
    if now.version < current.latest && !task.has_had_time() {
        return Verdict::Later;
    }
    if let Some(verdict) = labels::back(task, now, previous, current) {
        return verdict;
    }
    if holds(now, task.source) {
        return labels::put_back(task, now, previous, current, None);
    }
    if !holds(now, task.copy) {
        let message = "Somebody has set another value since, which is left as it is.".to_owned();
        return labels::put_back(task, now, previous, current, Some(message));
    }
    match task.untouchable(None, &now.tags) {
        Some(_) => Verdict::Held,
        None => put_value(task, now, task.source),
    }
}
