//! Labels of a parameter: those of the version that held the original go to the one that holds the copy, and back to where they were.
//!
//! Whoever names a parameter by a label launches what the label's version holds. A label is on one version at a time, so that one call
//! moves it, and at once. It says of itself neither who has put it there nor when: what is on record does, where it was in `previous`, and
//! where amiseal has put it last in `current`.
//!
//! Labels of versions that were older before are left where they are: somebody has pinned these versions, and that they hold the original
//! is said.

use super::left;
use super::parameter::is_by_amiseal;
use super::row::{Task, Verdict};
use super::says::named;
use crate::api::{ConsumerLabel, ConsumerState, ConsumerVersions, MovedConsumer, RECORDED_LABELS};
use crate::domain::{Change, ImageId, LabelledVersion, ParameterNow};

/// The labels that go along: those of the latest version, and where that puts back what was there before, those that were put back with
/// it.
pub(super) fn to_be_moved(task: Task<'_>, now: &ParameterNow) -> Vec<ConsumerLabel> {
    // It may be that nothing was put there since. Of the call that put the value back, the answer may be lost.
    let is_put_back = |row: &&MovedConsumer| {
        let latest = row.current.as_ref().or(row.previous.as_ref());
        latest.is_some_and(|known| known.latest == now.version) || is_by_amiseal(now)
    };
    let before = task
        .put_back()
        .filter(is_put_back)
        .and_then(|row| row.previous.as_ref());
    let before = before.into_iter().flat_map(|previous| &previous.labels);
    let before = before
        .filter(|label| label.version != now.version && is_on(now, label))
        .cloned();
    let of_latest = as_if_on(now, now.version, now.version).into_iter();
    of_latest.chain(before).take(RECORDED_LABELS).collect()
}

/// Whether what was put back does not show yet.
pub(super) fn does_not_show(task: Task<'_>, now: &ParameterNow) -> bool {
    let shows = |(previous, current): (&ConsumerVersions, &ConsumerVersions)| {
        // The answer to the call that put the value back may be lost: then this is the version before it.
        let is_there = now.value.trim() == task.source.as_str() && now.version == current.latest;
        let shows_value = is_there || now.version > current.latest;
        shows_value && previous.labels.iter().all(|label| is_on(now, label))
    };
    let before = task
        .put_back()
        .and_then(|row| row.previous.as_ref().zip(row.current.as_ref()));
    !task.has_had_time() && before.is_some_and(|before| !shows(before))
}

/// The labels of a version, as if they were on this one.
pub(super) fn as_if_on(now: &ParameterNow, of: i64, version: i64) -> Vec<ConsumerLabel> {
    let names = now.labels_of(of).iter().take(RECORDED_LABELS);
    let labels = names.map(|name| ConsumerLabel {
        name: name.to_string(),
        version,
    });
    labels.collect()
}

fn at(now: &ParameterNow, label: &ConsumerLabel) -> Option<i64> {
    now.version_of(&label.name).map(|version| version.number)
}

fn is_on(now: &ParameterNow, label: &ConsumerLabel) -> bool {
    at(now, label) == Some(label.version)
}

fn names(version: &LabelledVersion, image: &ImageId) -> bool {
    version.value.contains(image.as_str())
}

/// The version that amiseal has put a label on: the last one that it has made, or, where it has put the value twice since an answer was
/// lost, one between.
fn on_ours(task: Task<'_>, now: &ParameterNow, was: &ConsumerLabel, latest: i64) -> Option<i64> {
    let version = now.version_of(&was.name)?;
    let is_between = version.number > was.version && version.number < latest && names(version, task.copy);
    (version.number == latest || is_between).then_some(version.number)
}

/// Whether a version is there and has room for so many more labels.
fn has_room(now: &ParameterNow, version: i64, labels: usize) -> bool {
    let is_there = (now.oldest..=now.version).contains(&version);
    is_there && now.labels_of(version).len() + labels <= RECORDED_LABELS
}

fn change<'l>(task: Task<'_>, version: i64, labels: impl Iterator<Item = &'l ConsumerLabel>) -> Verdict {
    Verdict::Change(Change::MoveLabels {
        name: task.key.id.clone(),
        version,
        labels: labels.map(|label| label.name.as_str().into()).collect(),
    })
}

/// The new value is there and does not name the original: the labels follow, and are read back.
pub(super) fn forward(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> Verdict {
    if current.labels.is_empty() {
        to_be_asked_for(task, now, previous, current)
    } else if current.labels.iter().all(|label| is_on(now, label)) {
        moved(task, now, previous, current)
    } else if task.has_had_time() {
        taken_back(task, now, current).unwrap_or_else(|| moved(task, now, previous, current))
    } else {
        Verdict::Later
    }
}

/// Whether amiseal has put the value once more than is on record, as a read showed too late that it was there: the labels go to the latest
/// version then, unless they were moved already.
pub(super) fn is_put_again(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> bool {
    let mut labels = previous.labels.iter();
    let is_moved = labels.any(|label| on_ours(task, now, label, current.latest).is_some());
    now.version > current.latest && is_by_amiseal(now) && current.labels.is_empty() && !is_moved
}

/// What was there is on record, and AWS's answer is not.
fn to_be_asked_for(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> Verdict {
    let waiting = previous.labels.iter().filter(|label| is_on(now, label));
    let count = waiting.clone().count();
    let is_ours = now.version == current.latest && now.value.trim() == task.copy.as_str();
    if count > 0 && is_ours && has_room(now, current.latest, count) {
        return task
            .untouchable(now.owner.as_ref(), &now.tags)
            .unwrap_or_else(|| change(task, current.latest, waiting));
    }
    let is_known = |label: &ConsumerLabel| is_on(now, label) || on_ours(task, now, label, current.latest).is_some();
    if previous.labels.iter().all(is_known) || task.has_had_time() {
        moved(task, now, previous, current)
    } else {
        Verdict::Later
    }
}

/// All of it was read back. A label that is elsewhere is somebody's.
fn moved(task: Task<'_>, now: &ParameterNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
    let labels = previous.labels.iter().filter_map(|label| {
        let version = on_ours(task, now, label, current.latest)?;
        Some(ConsumerLabel {
            version,
            ..label.clone()
        })
    });
    let still = pinned(task, now, current.latest).map(|version| {
        let (with, them) = said(version.labels.iter().map(|label| &**label));
        format!(
            "Its version {} with the {with} still names the original: move the {them} to a version that names {} \
             yourself.",
            version.number, task.copy
        )
    });
    task.record(MovedConsumer {
        message: still,
        previous: Some(previous.clone()),
        current: Some(ConsumerVersions {
            labels: labels.collect(),
            ..current.clone()
        }),
        ..task.entry(ConsumerState::Moved)
    })
}

/// What comes next once it is moved: nothing, unless somebody has taken a label back.
pub(super) fn kept(task: Task<'_>, now: &ParameterNow) -> Verdict {
    let current = task.row.and_then(|row| row.current.as_ref());
    current
        .and_then(|current| taken_back(task, now, current))
        .unwrap_or(Verdict::Keep)
}

/// A label that amiseal has moved and that names the original again is somebody's, and not moved a second time.
fn taken_back(task: Task<'_>, now: &ParameterNow, current: &ConsumerVersions) -> Option<Verdict> {
    let (label, version) = current.labels.iter().find_map(|label| {
        let version = now.version_of(&label.name)?;
        let is_back = version.number != label.version && names(version, task.source);
        is_back.then_some((label, version.number))
    })?;
    let message = format!(
        "Somebody has put its label {} on version {version}, which names {}, after amiseal had moved it: move the label yourself, \
         where it is declared.",
        label.name, task.source
    );
    Some(task.leave(left::REVERTED_BY_OWNER, message))
}

/// The newest version besides this one that names the original and has labels.
fn pinned<'n>(task: Task<'_>, now: &'n ParameterNow, besides: i64) -> Option<&'n LabelledVersion> {
    let pins = |version: &&LabelledVersion| version.number != besides && names(version, task.source);
    now.labelled.iter().filter(pins).max_by_key(|version| version.number)
}

/// What comes next where the latest version does not name the original: nothing is done, and where an older version with labels does,
/// that is said.
pub(super) fn of_older_versions(task: Task<'_>, now: &ParameterNow) -> Verdict {
    let Some(version) = pinned(task, now, now.version) else {
        return Verdict::Nothing;
    };
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    let (with, them) = said(version.labels.iter().map(|label| &**label));
    let message = format!(
        "Its version {} with the {with} names the original, its latest version {} does not, and amiseal moves labels of the latest \
         version only: move the {them} to a version that names {} yourself.",
        version.number, now.version, task.copy
    );
    task.leave_for_now(left::LABEL_PINNED, message)
}

/// Labels by their names, and as what they are called after that.
fn said<'l>(names: impl Iterator<Item = &'l str>) -> (String, &'static str) {
    let names: Vec<String> = names.map(str::to_owned).collect();
    let them = if names.len() == 1 { "label" } else { "labels" };
    (format!("{them} {}", named(&names)), them)
}

/// What is to be put back where this was made: the labels too, where they may be on the version that amiseal has made.
pub(super) fn to_be_put_back(
    state: ConsumerState,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> ConsumerVersions {
    let is_known = state == ConsumerState::Moved || !current.labels.is_empty();
    let labels = if is_known {
        current.labels.clone()
    } else {
        // They may have been asked for without an answer.
        let there = |label: &ConsumerLabel| ConsumerLabel {
            version: current.latest,
            ..label.clone()
        };
        previous.labels.iter().map(there).collect()
    };
    ConsumerVersions {
        labels,
        ..current.clone()
    }
}

/// What comes next to put labels back. This comes before the value: a version that has a label is kept by Parameter Store.
pub(super) fn back(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
) -> Option<Verdict> {
    let ours = still_on_ours(task, now, previous, current);
    let of = |version: i64| ours.iter().copied().filter(move |label| label.version == version);
    let mut versions = ours.iter().map(|label| label.version);
    let version = versions.find(|version| has_room(now, *version, of(*version).count()))?;
    if task.untouchable(None, &now.tags).is_some() {
        return Some(Verdict::Held);
    }
    Some(change(task, version, of(version)))
}

/// The labels that are still on the version that amiseal has put them on, as they were before.
fn still_on_ours<'p>(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &'p ConsumerVersions,
    current: &ConsumerVersions,
) -> Vec<&'p ConsumerLabel> {
    let is_on_ours = |(was, is): &(&ConsumerLabel, &ConsumerLabel)| {
        was.version != is.version && on_ours(task, now, was, is.version).is_some()
    };
    let ours = pairs(previous, current).filter(is_on_ours);
    ours.map(|(was, _)| was).collect()
}

/// Labels that amiseal has moved: where each was before, and where amiseal has put it last.
fn pairs<'p, 'c>(
    previous: &'p ConsumerVersions,
    current: &'c ConsumerVersions,
) -> impl Iterator<Item = (&'p ConsumerLabel, &'c ConsumerLabel)> {
    previous.labels.iter().filter_map(move |was| {
        let is = current.labels.iter().find(|is| is.name == was.name)?;
        Some((was, is))
    })
}

/// The value is put back, or somebody else's. It is done once the labels are where they were, or are seen to be somebody's.
pub(super) fn put_back(
    task: Task<'_>,
    now: &ParameterNow,
    previous: &ConsumerVersions,
    current: &ConsumerVersions,
    message: Option<String>,
) -> Verdict {
    let stuck = still_on_ours(task, now, previous, current);
    if let Some(first) = stuck.first() {
        let (which, them) = said(stuck.iter().map(|label| label.name.as_str()));
        let message = format!(
            "Its version {} is no longer there, or has as many labels as AWS allows, so that the {which} cannot be put back: move the \
             {them} to a version that names {} yourself.",
            first.version, task.source
        );
        return task.leave(left::CANNOT_PUT_BACK, message);
    }
    // What AWS has answered may not show yet, and neither may what it has done without an answer.
    let is_back = |(was, is): (&ConsumerLabel, &ConsumerLabel)| was.version == is.version && is_on(now, was);
    if !pairs(previous, current).all(is_back) && !task.has_had_time() {
        return Verdict::Later;
    }
    let theirs = pairs(previous, current).filter(|(was, _)| !is_on(now, was));
    let theirs: Vec<&str> = theirs.map(|(was, _)| was.name.as_str()).collect();
    let of_labels = (!theirs.is_empty()).then(|| {
        let (which, _) = said(theirs.iter().copied());
        format!("Somebody has moved its {which} since, which stays there.")
    });
    let sentences: Vec<String> = message.into_iter().chain(of_labels).collect();
    let message = (!sentences.is_empty()).then(|| sentences.join(" "));
    task.done(ConsumerState::PutBack, message)
}

/// Takes into what is on record that AWS has put labels on a version.
pub(super) fn answered(current: &mut ConsumerVersions, version: i64, labels: &[Box<str>]) {
    for name in labels {
        match current.labels.iter_mut().find(|label| *label.name == **name) {
            Some(label) => label.version = version,
            None => current.labels.push(ConsumerLabel {
                name: name.to_string(),
                version,
            }),
        }
    }
}
