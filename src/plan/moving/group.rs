//! Auto Scaling groups: what pins a version of a launch template by its number gets the version that amiseal has made of exactly that
//! one, and an override that names the original gets the copy. All of a group's parts are changed at once, or none.
//!
//! A group launches what it names, so it is never set to a version that is made of another one: such a version says other things too.

use std::collections::BTreeMap;

use super::row::{Task, Verdict, is_put_off};
use super::template::made_of;
use super::{left, refresh};
use crate::api::labels::TAG_PREVIOUS;
use crate::api::{ConsumerPart, ConsumerState, ConsumerVersions, MovedConsumer, RECORDED_PARTS};
use crate::domain::{Change, GroupChange, GroupNow, GroupPart, ImageRef, Named, VersionNow, VersionRef};

/// The most characters that a tag's value may have.
const TAG_VALUE: usize = 256;

/// What comes next to move it.
pub(super) fn forward(task: Task<'_>, now: &GroupNow) -> Verdict {
    if let Some(verdict) = refresh::forward(task, now) {
        return verdict;
    }
    match task.row {
        Some(row) if row.state == ConsumerState::Moving => match (&row.previous, &row.current) {
            (Some(previous), None) => to_be_set(task, now, previous),
            (Some(previous), Some(current)) => set(task, now, previous, current),
            (None, _) => intend(task, now),
        },
        Some(row) if row.state == ConsumerState::Moved => {
            if originals(task, now).is_empty() {
                Verdict::Keep
            } else {
                task.reverted()
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

/// The parts that name the original, by a version's number or by themselves. `$Latest` and `$Default` follow their template.
pub(super) fn originals<'n>(task: Task<'_>, now: &'n GroupNow) -> Vec<&'n GroupPart> {
    let names = |part: &&GroupPart| match &part.names {
        Named::Image(image) => task.is_source(Some(image)),
        Named::Version(template, VersionRef::Number(number)) => {
            let version = now.version(template, *number);
            task.is_source(version.and_then(|version| version.image.as_ref()))
        }
        Named::Version(..) => false,
    };
    now.parts.iter().filter(names).collect()
}

/// Puts on record what is to be changed.
fn intend(task: Task<'_>, now: &GroupNow) -> Verdict {
    let named = originals(task, now);
    let configuration = now.configuration.as_ref();
    let configuration = configuration.filter(|(_, image)| task.is_source(image.as_ref()));
    if named.is_empty() && configuration.is_none() {
        return if task.may_not_show() {
            Verdict::Later
        } else {
            Verdict::Nothing
        };
    }
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    if let Some((name, _)) = configuration {
        let message = format!(
            "It launches by the launch configuration {name}, which cannot be changed: give the group a launch template that names {}.",
            task.copy
        );
        return task.leave_for_now(left::LAUNCH_CONFIGURATION, message);
    }
    if let Err(message) = targets(task, now, &named) {
        return task.leave_for_now(left::VERSION_NOT_MOVED, message);
    }
    if !has_room(&named) {
        let message = format!(
            "More of its overrides name the original than there is room to put on record: have them name {} yourself.",
            task.copy
        );
        return task.leave_for_now(left::TOO_MANY_PARTS, message);
    }
    task.record(MovedConsumer {
        previous: Some(ConsumerVersions {
            parts: recorded(named),
            ..ConsumerVersions::default()
        }),
        ..task.entry(ConsumerState::Moving)
    })
}

/// Whether there is room to put all of these on record.
fn has_room(named: &[&GroupPart]) -> bool {
    named.len() <= RECORDED_PARTS && tag(named).chars().count() <= TAG_VALUE
}

/// Whether all parts that name the original can be set to the copy.
pub(super) fn can_be_set(task: Task<'_>, now: &GroupNow) -> bool {
    let named = originals(task, now);
    has_room(&named) && targets(task, now, &named).is_ok()
}

/// What parts are to name in the place of the original.
pub(super) fn targets(task: Task<'_>, now: &GroupNow, named: &[&GroupPart]) -> Result<Vec<GroupPart>, String> {
    let others = now.parts.iter().filter(|part| !named.contains(part));
    if let Some(gone) = gone(now, others).filter(|_| !named.is_empty()) {
        return Err(format!(
            "{gone} is no longer there, and AWS changes nothing of a group that names it: have it launch another version."
        ));
    }
    named
        .iter()
        .map(|part| {
            let names = match &part.names {
                Named::Version(template, VersionRef::Number(number)) => {
                    let made = now.versions.get(template).into_iter().flatten();
                    let made = made.into_iter().find(|version| is_made_of(task, version, *number));
                    let made = made.ok_or_else(|| {
                        format!(
                            "It launches {}, of which amiseal has made no version that names {}. It makes one of a template's latest \
                             version alone, with promotion.launchTemplates: Update. Have it launch another version yourself.",
                            part.names, task.copy
                        )
                    })?;
                    Named::Version(template.clone(), VersionRef::Number(made.number))
                }
                _ => Named::Image(ImageRef::Image(task.copy.clone())),
            };
            Ok(GroupPart { at: part.at, names })
        })
        .collect()
}

/// What one of these parts names, if that is a version which people have deleted. AWS takes all of a group's launch templates at once, and
/// refuses all where one is not there.
fn gone<'n>(now: &GroupNow, parts: impl Iterator<Item = &'n GroupPart>) -> Option<&'n Named> {
    let mut names = parts.map(|part| &part.names);
    names.find(|names| match names {
        Named::Version(template, VersionRef::Number(number)) => now.version(template, *number).is_none(),
        // What these say is read only where instances are to be replaced.
        Named::Version(template, version) => {
            now.runs.is_some() && !now.followed.contains_key(&(template.clone(), *version))
        }
        Named::Image(_) => false,
    })
}

/// Whether amiseal has made this version of the one with this number, and of no other.
fn is_made_of(task: Task<'_>, version: &VersionNow, number: i64) -> bool {
    let of = version
        .description
        .as_deref()
        .and_then(|text| made_of(text, task.source, task.copy));
    of == Some(number) && version.number > number && task.is_copy(version.image.as_ref())
}

/// How a part stands to what is on record of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// It names what was there before.
    Before,
    /// It names what amiseal sets it to.
    After,
    /// It names something else, or is not there any more.
    Else,
}

/// How all parts on record stand: as one of them where all are the same.
fn stands(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions) -> Vec<Stands> {
    let parts = previous.parts.iter();
    parts.map(|part| stands_of(task, now, &now.parts, part)).collect()
}

/// Whether these parts, of a refresh for example, set everything on record to what amiseal does.
pub(super) fn would_be_set(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions, to: &[GroupPart]) -> bool {
    let mut parts = previous.parts.iter();
    parts.all(|part| stands_of(task, now, to, part) == Stands::After)
}

fn stands_of(task: Task<'_>, now: &GroupNow, parts: &[GroupPart], recorded: &ConsumerPart) -> Stands {
    let Some(part) = parts.iter().find(|part| part.at.to_string() == recorded.at) else {
        return Stands::Else;
    };
    if part.names.to_string() == recorded.names {
        return Stands::Before;
    }
    let is_after = match &part.names {
        Named::Image(image) => task.is_copy(Some(image)),
        Named::Version(template, VersionRef::Number(number)) => {
            let version = now.version(template, *number);
            let of_same = number_of(&part.names, recorded);
            of_same.is_some_and(|former| version.is_some_and(|version| is_made_of(task, version, former)))
        }
        Named::Version(..) => false,
    };
    if is_after { Stands::After } else { Stands::Else }
}

/// The version on record, where it is one of the template that is named now.
fn number_of(names: &Named, recorded: &ConsumerPart) -> Option<i64> {
    let Named::Version(template, _) = names else {
        return None;
    };
    let (_, number) = recorded.names.rsplit_once(' ')?;
    let number = number.parse().ok()?;
    let former = Named::Version(template.clone(), VersionRef::Number(number));
    (former.to_string() == recorded.names).then_some(number)
}

fn all(stands: &[Stands], one: Stands) -> bool {
    stands.iter().all(|stand| *stand == one)
}

/// The intent is on record, and AWS's answer is not.
fn to_be_set(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions) -> Verdict {
    let (stands, named) = (stands(task, now, previous), originals(task, now));
    if all(&stands, Stands::After) {
        return task.made(ConsumerState::Moving, as_now(now, previous));
    }
    if named.is_empty() {
        // Somebody has it launch something else meanwhile.
        return Verdict::Nothing;
    }
    if recorded(named.iter().copied()) != previous.parts {
        return task.changed_meanwhile();
    }
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    let to = match targets(task, now, &named) {
        Ok(to) => to,
        // It may be that AWS was asked already: what was there before stays on record.
        Err(message) => return task.leave(left::VERSION_NOT_MOVED, message),
    };
    to_be_tagged(task, now, &named).unwrap_or_else(|| change(task, now, to))
}

/// What is there before stands beside the group before that is changed, if anything is.
pub(super) fn to_be_tagged(task: Task<'_>, now: &GroupNow, named: &[&GroupPart]) -> Option<Verdict> {
    let value = tag(named);
    let is_there = named.is_empty() || now.tags.get(TAG_PREVIOUS) == Some(value.as_str());
    (!is_there).then(|| {
        Verdict::Change(Change::TagGroup {
            group: task.key.id.clone(),
            key: TAG_PREVIOUS.into(),
            value,
        })
    })
}

/// Whether a group names what its tag says that was there before.
pub(super) fn is_as_noted(task: Task<'_>, now: &GroupNow) -> bool {
    let named = originals(task, now);
    !named.is_empty() && now.tags.get(TAG_PREVIOUS) == Some(tag(&named).as_str())
}

/// Whether everything on record names what amiseal sets it to.
pub(super) fn is_set(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions) -> bool {
    all(&stands(task, now, previous), Stands::After)
}

fn change(task: Task<'_>, now: &GroupNow, to: Vec<GroupPart>) -> Verdict {
    Verdict::Change(Change::SetGroup(GroupChange {
        group: task.key.id.clone(),
        expects: now.parts.clone(),
        to,
    }))
}

/// AWS has answered: it is read back.
fn set(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
    let names_original = !originals(task, now).is_empty();
    if as_now(now, previous).parts == current.parts && !names_original {
        return task.done(ConsumerState::Moved, None);
    }
    let is_before = all(&stands(task, now, previous), Stands::Before);
    if is_before && !task.has_had_time() {
        return Verdict::Later;
    }
    if names_original {
        return task.reverted();
    }
    // Somebody has it launch something else meanwhile.
    task.done(ConsumerState::Moved, None)
}

/// What comes next to put it back.
pub(super) fn back(task: Task<'_>, now: &GroupNow) -> Verdict {
    let Some(row) = task.row else {
        return Verdict::Nothing;
    };
    if let Some(verdict) = refresh::back(task, now) {
        return verdict;
    }
    let state = if is_put_off(row) {
        ConsumerState::Moving
    } else {
        row.state
    };
    match (state, &row.previous, &row.current) {
        (ConsumerState::Moving, Some(previous), None) => match to_be_set(task, now, previous) {
            // It has not come to that, unless an answer was lost: no more calls are made, and what there was has time to show.
            Verdict::Change(_) => task.done(ConsumerState::PuttingBack, None),
            known => known,
        },
        (ConsumerState::PuttingBack, Some(previous), None) => {
            if all(&stands(task, now, previous), Stands::After) {
                task.made(ConsumerState::PuttingBack, as_now(now, previous))
            } else if task.has_had_time() {
                task.done(ConsumerState::PutBack, None)
            } else {
                Verdict::Later
            }
        }
        (ConsumerState::Moving | ConsumerState::Moved, Some(_), Some(current)) => {
            task.made(ConsumerState::PuttingBack, current.clone())
        }
        (ConsumerState::PuttingBack, Some(previous), Some(current)) => {
            let verdict = putting_back(task, now, previous, current);
            let is_back = matches!(&verdict, Verdict::Record(row) if row.state == ConsumerState::PutBack);
            let of_instances = is_back.then(|| refresh::once_back(task, now, row)).flatten();
            of_instances.unwrap_or(verdict)
        }
        _ => Verdict::Keep,
    }
}

/// Until AWS has answered, what is current is what amiseal has set it to; then it is what was there before.
fn putting_back(task: Task<'_>, now: &GroupNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
    if task.untouchable(None, &now.tags).is_some() {
        // What is held stays on record as it is.
        return Verdict::Held;
    }
    let mut to = Vec::new();
    let (mut theirs, mut ours) = (false, false);
    for (was, set) in previous.parts.iter().zip(&current.parts) {
        let part = now.parts.iter().find(|part| part.at.to_string() == was.at);
        let named = part.map(|part| (part, part.names.to_string()));
        let Some((part, named)) = named.filter(|(_, named)| *named == was.names || *named == set.names) else {
            theirs = true;
            continue;
        };
        ours |= named != was.names;
        match former(task, now, part, was) {
            Some(names) => to.push(GroupPart { at: part.at, names }),
            None => {
                let message = format!(
                    "{} is no longer there: have it launch a version that names {} yourself.",
                    was.names, task.source
                );
                return task.leave(left::CANNOT_PUT_BACK, message);
            }
        }
    }
    let is_answered = previous.parts == current.parts;
    if !is_answered && !to.is_empty() {
        let others = now.parts.iter().filter(|part| to.iter().all(|one| one.at != part.at));
        let Some(gone) = gone(now, others) else {
            return change(task, now, to);
        };
        let message = format!(
            "{gone} is no longer there, and AWS changes nothing of a group that names it: have it launch what names {} yourself.",
            task.source
        );
        return task.leave(left::CANNOT_PUT_BACK, message);
    }
    // What AWS has agreed to may not show yet.
    if (ours || is_answered && theirs) && !task.has_had_time() {
        return Verdict::Later;
    }
    let message = (theirs || ours).then(|| "Somebody has changed it since, which is left as it is.".to_owned());
    task.done(ConsumerState::PutBack, message)
}

/// What a part named before, if that is still there.
fn former(task: Task<'_>, now: &GroupNow, part: &GroupPart, was: &ConsumerPart) -> Option<Named> {
    match &part.names {
        Named::Image(_) => Some(Named::Image(ImageRef::Image(task.source.clone()))),
        Named::Version(template, _) => {
            let number = number_of(&part.names, was)?;
            now.version(template, number)?;
            Some(Named::Version(template.clone(), VersionRef::Number(number)))
        }
    }
}

/// Parts, as they are put on record.
pub(super) fn recorded<'p>(parts: impl IntoIterator<Item = &'p GroupPart>) -> Vec<ConsumerPart> {
    let parts = parts.into_iter().map(|part| ConsumerPart {
        at: part.at.to_string(),
        names: part.names.to_string(),
    });
    parts.collect()
}

/// What the parts on record name now.
pub(super) fn as_now(now: &GroupNow, previous: &ConsumerVersions) -> ConsumerVersions {
    let parts = previous.parts.iter().map(|was| {
        let part = now.parts.iter().find(|part| part.at.to_string() == was.at);
        ConsumerPart {
            at: was.at.clone(),
            names: part.map(|part| part.names.to_string()).unwrap_or_default(),
        }
    });
    ConsumerVersions {
        parts: parts.collect(),
        ..ConsumerVersions::default()
    }
}

/// What was there before, to stand beside the group: 0 is its template, the other numbers are its overrides.
fn tag(named: &[&GroupPart]) -> String {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for part in named {
        let numbers = places.entry(part.names.to_string()).or_default();
        numbers.push(part.at.number().to_string());
    }
    let texts: Vec<String> = places
        .iter()
        .map(|(names, numbers)| format!("{}={names}", numbers.join("+")))
        .collect();
    texts.join(" / ")
}

/// The smallest version on record, which is read too: it may be gone.
pub(super) fn oldest(row: &MovedConsumer) -> Option<i64> {
    let parts = row.previous.iter().flat_map(|previous| &previous.parts);
    let numbers = parts.filter_map(|part| part.names.rsplit_once(' ')?.1.parse().ok());
    numbers.min()
}

/// What is current once AWS has set the group so.
pub(super) fn answered(row: &MovedConsumer, change: &GroupChange) -> Option<ConsumerVersions> {
    if row.state == ConsumerState::PuttingBack {
        return row.previous.clone();
    }
    let mut current = row.current.clone().or_else(|| row.previous.clone())?;
    for part in &change.to {
        let at = part.at.to_string();
        for known in current.parts.iter_mut().filter(|known| known.at == at) {
            known.names = part.names.to_string();
        }
    }
    Some(current)
}
