//! Instances of a group that is put back: a refresh that goes on is turned back where AWS can, and one that has replaced them is followed
//! by another one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    Found, ask, can_turn_back, failed, found, goes_on, group, has_failed, has_shown, launches, missed, not_shown,
    request, with_id,
};
use crate::api::{ConsumerRefresh, ConsumerState, MovedConsumer};
use crate::domain::{Change, ConsumerKind, GroupNow, RefreshNow};
use crate::plan::moving::row::{Task, Verdict};

/// What comes next for the instances where the group is put back; nothing where its parts are to be put back now.
pub(in crate::plan::moving) fn back(task: Task<'_>, now: &GroupNow) -> Option<Verdict> {
    let row = task.row?;
    let refresh = row.refresh.as_ref()?;
    let previous = row.previous.clone().unwrap_or_default();
    match (row.state, refresh.back) {
        (ConsumerState::PuttingBack, true) => Some(putting_back(task, now, row, refresh)),
        (ConsumerState::PuttingBack, false) => match found(task, now, refresh) {
            Found::New(id) => Some(with_id(task, row, id)),
            Found::This(found) if found.is_active() => {
                let is_turned = ["RollbackInProgress", "Cancelling"].contains(&&*found.status);
                if is_turned || !can_turn_back(now, !found.desired.is_empty()) {
                    return Some(goes_on(task, row));
                }
                Some(Verdict::Change(Change::RollBackRefresh {
                    group: task.key.id.clone(),
                }))
            }
            Found::Gone if row.current.is_none() && missed(task, row).is_some() => missed(task, row),
            Found::Nothing if !task.has_had_time() => Some(Verdict::Later),
            Found::This(found)
                if row.current.is_none() && !group::is_set(task, now, &previous) && !has_shown(task, found) =>
            {
                Some(Verdict::Later)
            }
            // It is over, or it has not come to that: what the group names now is put back.
            _ if row.current.is_none() => {
                let current = if group::is_set(task, now, &previous) {
                    group::as_now(now, &previous)
                } else {
                    previous
                };
                Some(task.made(ConsumerState::PuttingBack, current))
            }
            _ => None,
        },
        (ConsumerState::Refreshing | ConsumerState::Moving, _) => Some(task.done(ConsumerState::PuttingBack, None)),
        _ if has_failed(row) && !refresh.back => Some(task.done(ConsumerState::PuttingBack, None)),
        // Its instances are replaced by hand, or are to be left.
        _ if has_failed(row) && (now.runs(task.copy) == Some(false) || task.refreshes.is_none()) => {
            Some(task.done(ConsumerState::PutBack, None))
        }
        _ => None,
    }
}

/// All parts of a group are as before. Its instances are too, where the policy has them replaced.
pub(in crate::plan::moving) fn once_back(task: Task<'_>, now: &GroupNow, row: &MovedConsumer) -> Option<Verdict> {
    let refresh = row.refresh.as_ref().filter(|refresh| !refresh.back)?;
    task.refreshes?;
    let is_turned_back = refresh
        .id
        .as_ref()
        .and_then(|id| now.refresh(id))
        .is_some_and(|found| &*found.status == "RollbackSuccessful");
    let template = ConsumerKind::LaunchTemplate.as_str();
    let parameter = ConsumerKind::Parameter.as_str();
    let is_begun = |row: &&MovedConsumer| {
        let states = [ConsumerState::Moving, ConsumerState::Moved, ConsumerState::PuttingBack];
        [template, parameter].contains(&row.kind.as_str()) && states.contains(&row.state)
    };
    if is_turned_back {
        return None;
    }
    let is_of_original = launches(task, now, task.source, task.copy);
    if !is_of_original && task.rows.iter().any(|row| is_begun(&row)) {
        // What it follows is put back first.
        return Some(Verdict::Later);
    }
    match now.runs(task.copy) {
        Some(true) if is_of_original => Some(task.record(MovedConsumer {
            refresh: Some(request(task, now, true)),
            time: Some(Time(task.now)),
            ..row.clone()
        })),
        None => Some(Verdict::Later),
        _ => None,
    }
}

fn putting_back(task: Task<'_>, now: &GroupNow, row: &MovedConsumer, refresh: &ConsumerRefresh) -> Verdict {
    match found(task, now, refresh) {
        Found::New(id) => with_id(task, row, id),
        Found::This(found) if found.is_active() => goes_on(task, row),
        Found::This(found) if &*found.status != "Successful" => failed(task, &found.status, found.reason.as_deref()),
        Found::This(_) => task.done(ConsumerState::PutBack, None),
        Found::Gone => missed(task, row).unwrap_or_else(|| match now.runs(task.copy) {
            None => Verdict::Wait,
            Some(false) => task.done(ConsumerState::PutBack, None),
            Some(true) => not_shown(task),
        }),
        Found::Nothing => {
            if task.untouchable(None, &now.tags).is_some() {
                return Verdict::Held;
            }
            if now.refreshes.iter().any(RefreshNow::is_active) {
                return Verdict::Wait;
            }
            match task.refreshes.filter(|_| now.runs(task.copy) != Some(false)) {
                Some(settings) => ask(task, now, Vec::new(), settings),
                None => task.done(ConsumerState::PutBack, None),
            }
        }
    }
}
