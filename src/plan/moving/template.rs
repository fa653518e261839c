//! Launch templates: a new version that is made of the latest one and names the copy, which becomes the default where that version was.
//!
//! A new version is what `$Latest` means from then on, so it is made of the latest version and of no other: made of an older one, it
//! would have whatever launches `$Latest` launch what that one said.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::left;
use super::row::{Task, Verdict, is_put_off};
use crate::api::{ConsumerState, ConsumerVersions, MovedConsumer};
use crate::domain::{Change, ImageId, Mapping, Movable, NewVersion, TemplateNow, VersionNow};

/// How a version begins to say of itself that it puts a former one back.
const AGAIN: &str = "amiseal: version ";

/// The versions on record that what comes next may name: people may have deleted each that is neither the latest nor the default one.
pub(super) fn named(row: &MovedConsumer, backwards: bool) -> BTreeSet<i64> {
    let (previous, current) = (row.previous.as_ref(), row.current.as_ref());
    let is_to_be_default = !backwards && row.state == ConsumerState::Moving;
    let numbers = [
        previous.map(|was| was.latest),
        previous.and_then(|was| was.default).filter(|_| backwards),
        current.map(|made| made.latest).filter(|_| is_to_be_default),
    ];
    numbers.into_iter().flatten().collect()
}

/// Whether what was read tells of each of these whether it is there: more may be on record by now.
pub(super) fn tells(seen: &Movable, row: Option<&MovedConsumer>, backwards: bool) -> bool {
    match (row, seen) {
        (Some(row), Movable::Template(now)) => named(row, backwards).into_iter().all(|number| now.knows(number)),
        _ => true,
    }
}

/// What comes next to move it.
pub(super) fn forward(task: Task<'_>, now: &TemplateNow) -> Verdict {
    match task.row {
        Some(row) if row.state == ConsumerState::Moving => match (&row.previous, &row.current) {
            (Some(previous), None) => to_be_made(task, now, previous),
            (Some(previous), Some(current)) => made(task, now, previous, current),
            (None, _) => intend(task, now),
        },
        Some(row) if row.state == ConsumerState::Moved => match (&row.previous, &row.current) {
            (Some(previous), Some(current)) if is_reverted(task, now, previous, current) => task.reverted(),
            _ => Verdict::Keep,
        },
        Some(row) if is_put_off(row) => task
            .untouchable(now.owner.as_ref(), &now.tags)
            .unwrap_or_else(|| task.resume()),
        // What was changed once and is left alone since is a person's.
        Some(row) if row.state == ConsumerState::Left && row.previous.is_some() => Verdict::Keep,
        _ => intend(task, now),
    }
}

/// Puts on record what is to be changed.
fn intend(task: Task<'_>, now: &TemplateNow) -> Verdict {
    let (latest, default) = (&now.latest, &now.default);
    let by_latest = task.is_source(latest.image.as_ref());
    if !by_latest && task.may_not_show() {
        return Verdict::Later;
    }
    if !by_latest && !task.is_source(default.image.as_ref()) {
        return Verdict::Nothing;
    }
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    if !by_latest {
        let message = format!(
            "Its default version {} names the original and its latest version {} does not, and a new version would become the \
             latest: make one that names {} yourself, or make the latest the default.",
            default.number, latest.number, task.copy
        );
        return task.leave_for_now(left::LATEST_DIVERGES, message);
    }
    if let Err(message) = mappings(task, latest) {
        return task.leave_for_now(left::MAPPING_NOT_MOVABLE, message);
    }
    task.record(MovedConsumer {
        previous: Some(ConsumerVersions {
            latest: latest.number,
            default: is_same(task, default, latest).then_some(default.number),
            ..ConsumerVersions::default()
        }),
        ..task.entry(ConsumerState::Moving)
    })
}

/// Whether the default version says the same as the latest: it is the latest, or that one was made to put back what was the same, or nothing
/// was made since it was.
fn is_same(task: Task<'_>, default: &VersionNow, latest: &VersionNow) -> bool {
    let puts_back = |version: i64| {
        let text = latest.description.as_deref();
        text.is_some_and(|text| text.starts_with(&again_after(version)))
    };
    let before = task.row.and_then(|row| row.previous.as_ref());
    let is_of_same = |version: i64| latest.number == version || puts_back(version);
    let was_same = before.is_some_and(|before| before.default == Some(default.number) && is_of_same(before.latest));
    default.number == latest.number || puts_back(default.number) || was_same
}

/// The intent is on record, and AWS's answer is not.
fn to_be_made(task: Task<'_>, now: &TemplateNow, previous: &ConsumerVersions) -> Verdict {
    let latest = &now.latest;
    if let Some(made) = made_by_us(task, now, previous) {
        let current = ConsumerVersions {
            latest: made,
            default: None,
            ..ConsumerVersions::default()
        };
        return task.made(ConsumerState::Moving, current);
    }
    if latest.number < previous.latest {
        // It does not show yet, or somebody has deleted it before anything was made of it: then it begins anew.
        return if task.has_had_time() {
            Verdict::Nothing
        } else {
            Verdict::Later
        };
    }
    if !task.is_source(latest.image.as_ref()) {
        // Somebody has it launch something else meanwhile.
        return Verdict::Nothing;
    }
    if latest.number > previous.latest {
        return task.changed_meanwhile();
    }
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    let marker = description(task, previous);
    match mappings(task, latest) {
        Ok(mappings) => Verdict::Change(Change::NewVersion(NewVersion {
            template: task.key.id.clone(),
            source: latest.number,
            image: task.copy.as_str().into(),
            mappings,
            client_token: token(task, &marker),
            description: marker,
        })),
        Err(message) => task.leave_for_now(left::MAPPING_NOT_MOVABLE, message),
    }
}

/// The version that amiseal has made of the one on record, by what it says of itself and names.
fn made_by_us(task: Task<'_>, now: &TemplateNow, previous: &ConsumerVersions) -> Option<i64> {
    let marker = description(task, previous);
    let ours = |version: &&VersionNow| {
        let is_marked = version.description.as_deref() == Some(marker.as_str());
        version.number > previous.latest && is_marked && task.is_copy(version.image.as_ref())
    };
    let made = [&now.latest, &now.default].into_iter().find(ours)?;
    Some(made.number)
}

/// The new version is there: the default follows, and both are read back.
fn made(task: Task<'_>, now: &TemplateNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
    if now.latest.number < current.latest {
        if task.has_had_time() {
            let message = format!(
                "Somebody has deleted version {}, which amiseal had made.",
                current.latest
            );
            return task.leave(left::CHANGED_MEANWHILE, message);
        }
        return Verdict::Later;
    }
    if is_latest_reverted(task, now, current) {
        return task.reverted();
    }
    let Some(former) = previous.default else {
        return moved(task, now);
    };
    let default = now.default.number;
    if default == current.latest {
        return moved(task, now);
    }
    if default != former {
        // Somebody has made another version the default.
        return if task.is_source(now.default.image.as_ref()) {
            task.reverted()
        } else {
            moved(task, now)
        };
    }
    if current.default.is_none() && now.latest.number == current.latest && !task.is_copy(now.latest.image.as_ref()) {
        // It was made of another copy, which is no more.
        return task.changed_meanwhile();
    }
    if current.default.is_none() && now.version(current.latest).is_none() {
        if !task.has_had_time() {
            return Verdict::Later;
        }
        // Somebody has made another one after it.
        let message = format!(
            "Somebody has deleted version {}, which amiseal had made, and its default version {default} still names the original: make \
             the latest version the default, or one that names {}.",
            current.latest, task.copy
        );
        return task.leave(left::CHANGED_MEANWHILE, message);
    }
    match current.default {
        None => task
            .untouchable(now.owner.as_ref(), &now.tags)
            .unwrap_or_else(|| set_default(task, current.latest)),
        Some(_) if task.has_had_time() => task.reverted(),
        Some(_) => Verdict::Later,
    }
}

fn moved(task: Task<'_>, now: &TemplateNow) -> Verdict {
    let still = task.is_source(now.default.image.as_ref()).then(|| {
        format!(
            "Its default version {} still names the original: make the latest version the default, or one that names {}.",
            now.default.number, task.copy
        )
    });
    task.done(ConsumerState::Moved, still)
}

fn set_default(task: Task<'_>, version: i64) -> Verdict {
    Verdict::Change(Change::SetDefault {
        template: task.key.id.clone(),
        version,
    })
}

/// Whether somebody has made a version that names the original, or deleted the one that amiseal has made after such a one.
fn is_latest_reverted(task: Task<'_>, now: &TemplateNow, current: &ConsumerVersions) -> bool {
    now.latest.number != current.latest && task.is_source(now.latest.image.as_ref())
}

/// Whether something that was moved names the original again.
fn is_reverted(task: Task<'_>, now: &TemplateNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> bool {
    let is_default_back = previous.default.is_some()
        && now.default.number != current.latest
        && task.is_source(now.default.image.as_ref());
    is_latest_reverted(task, now, current) || is_default_back
}

/// What comes next to put it back.
pub(super) fn back(task: Task<'_>, now: &TemplateNow) -> Verdict {
    let Some(row) = task.row else {
        return recovered(task, now);
    };
    let state = if is_put_off(row) {
        ConsumerState::Moving
    } else {
        row.state
    };
    match (state, &row.previous, &row.current) {
        (ConsumerState::Moving, Some(previous), None) => match to_be_made(task, now, previous) {
            // It has not come to that, unless an answer was lost: no more calls are made, and what there was has time to show.
            Verdict::Change(_) => task.done(ConsumerState::PuttingBack, None),
            known => known,
        },
        (ConsumerState::PuttingBack, Some(previous), None) => match made_by_us(task, now, previous) {
            Some(made) => task.made(ConsumerState::PuttingBack, to_be_put_back(previous, made)),
            None if task.has_had_time() => task.done(ConsumerState::PutBack, None),
            None => Verdict::Later,
        },
        (ConsumerState::Moving | ConsumerState::Moved, Some(previous), Some(current)) => {
            task.made(ConsumerState::PuttingBack, to_be_put_back(previous, current.latest))
        }
        (ConsumerState::PuttingBack, Some(previous), Some(current)) => putting_back(task, now, previous, current),
        _ => Verdict::Keep,
    }
}

/// Nothing is on record of it any more: what was there before stands beside the version that amiseal has made.
fn recovered(task: Task<'_>, now: &TemplateNow) -> Verdict {
    let known = [&now.latest, &now.default].into_iter().find_map(|version| {
        let is_copy = task.is_copy(version.image.as_ref());
        let previous = described(task, version.description.as_deref()?).filter(|_| is_copy)?;
        Some((previous, version.number))
    });
    let Some((previous, made)) = known else {
        return Verdict::Nothing;
    };
    task.record(MovedConsumer {
        current: Some(to_be_put_back(&previous, made)),
        previous: Some(previous),
        ..task.entry(ConsumerState::PuttingBack)
    })
}

/// What a version of amiseal's says that was there before.
fn described(task: Task<'_>, text: &str) -> Option<ConsumerVersions> {
    let begin = format!("amiseal: {} instead of {}, made of version ", task.copy, task.source);
    let rest = text.strip_prefix(&begin)?;
    let (latest, default) = match rest.split_once(", default version was ") {
        Some((latest, default)) => (latest, Some(default.parse().ok()?)),
        None => (rest, None),
    };
    Some(ConsumerVersions {
        latest: latest.parse().ok()?,
        default,
        ..ConsumerVersions::default()
    })
}

/// What is to be put back where this version was made: the default too, whether or not that shows, as setting it back does no harm.
fn to_be_put_back(previous: &ConsumerVersions, made: i64) -> ConsumerVersions {
    ConsumerVersions {
        latest: made,
        default: previous.default.map(|_| made),
        ..ConsumerVersions::default()
    }
}

fn putting_back(task: Task<'_>, now: &TemplateNow, previous: &ConsumerVersions, current: &ConsumerVersions) -> Verdict {
    if task.untouchable(None, &now.tags).is_some() {
        // What is held stays on record as it is.
        return Verdict::Held;
    }
    if let Some(former) = previous.default {
        let default = now.default.number;
        if current.default.is_some() && [former, current.latest].contains(&default) {
            // The version that was the latest one says the same, and may be the very same.
            let there = former_version(now, [Some(former), Some(previous.latest)]);
            return there.map_or_else(|| former_is_gone(task), |version| set_default(task, version.number));
        }
        if default == current.latest && !task.has_had_time() {
            return Verdict::Later;
        }
    }
    let marker = back_description(previous, current);
    if now.latest.number == current.latest {
        let Some(former) = former_version(now, [Some(previous.latest), previous.default]) else {
            return former_is_gone(task);
        };
        return Verdict::Change(Change::NewVersion(NewVersion {
            template: task.key.id.clone(),
            source: former.number,
            image: task.source.as_str().into(),
            mappings: former.mappings.clone(),
            client_token: token(task, &marker),
            description: marker,
        }));
    }
    if now.latest.number < current.latest {
        if !task.has_had_time() {
            return Verdict::Later;
        }
        let message = format!(
            "Somebody has deleted version {}, which amiseal had made. What is there now is left as it is.",
            current.latest
        );
        return task.done(ConsumerState::PutBack, Some(message));
    }
    let is_theirs = now.latest.description.as_deref() != Some(marker.as_str());
    let message = is_theirs.then(|| {
        format!(
            "Somebody has made version {} since, which is left as it is.",
            now.latest.number
        )
    });
    task.done(ConsumerState::PutBack, message)
}

/// The first of these versions that people have not deleted.
fn former_version(now: &TemplateNow, numbers: [Option<i64>; 2]) -> Option<&VersionNow> {
    numbers.into_iter().flatten().find_map(|number| now.version(number))
}

fn former_is_gone(task: Task<'_>) -> Verdict {
    let message = format!(
        "What it launched before is no longer there: make a version that names {} yourself.",
        task.source
    );
    task.leave(left::CANNOT_PUT_BACK, message)
}

/// The mappings that a new version is told: with the copy's snapshots where they name the original's.
fn mappings(task: Task<'_>, version: &VersionNow) -> Result<Vec<Mapping>, String> {
    version
        .mappings
        .iter()
        .map(|mapping| moved_mapping(task, mapping))
        .collect()
}

fn moved_mapping(task: Task<'_>, mapping: &Mapping) -> Result<Mapping, String> {
    let mut mapping = mapping.clone();
    let Some(volume) = &mut mapping.ebs else {
        return Ok(mapping);
    };
    let Some(snapshot) = &volume.snapshot else {
        return Ok(mapping);
    };
    if let Some(copy) = task.snapshots.get(snapshot) {
        if task.foreign {
            return Err(format!(
                "Its latest version names {snapshot}, which is of the original, and the copy's is not shared with this account: make a \
                 version that names {} yourself.",
                task.copy
            ));
        }
        volume.snapshot = Some(copy.clone());
        // Beside a snapshot AWS refuses both, and the copy's is encrypted.
        volume.encrypted = None;
        volume.key = None;
    } else if volume.encrypted.is_some() || volume.key.is_some() {
        return Err(format!(
            "Its latest version encrypts a volume made from {snapshot}, which is not of the original: make a version that names \
             {} yourself.",
            task.copy
        ));
    }
    Ok(mapping)
}

/// What a version of amiseal's says of itself: what was there before stands beside the template too.
fn description(task: Task<'_>, previous: &ConsumerVersions) -> String {
    let default = match previous.default {
        Some(default) => format!(", default version was {default}"),
        None => String::new(),
    };
    format!(
        "amiseal: {} instead of {}, made of version {}{default}",
        task.copy, task.source, previous.latest
    )
}

fn back_description(previous: &ConsumerVersions, current: &ConsumerVersions) -> String {
    format!("{}{}", again_after(previous.latest), current.latest)
}

/// What a version that puts this one back begins to say of itself.
fn again_after(version: i64) -> String {
    format!("{AGAIN}{version} again, after version ")
}

/// Whether the latest version says of itself that it puts back what was there before a move.
pub(super) fn is_put_back(now: &TemplateNow) -> bool {
    let text = now.latest.description.as_deref().unwrap_or_default();
    let number = text
        .strip_prefix(AGAIN)
        .and_then(|rest| rest.split(' ').next()?.parse().ok());
    number.is_some_and(|number| text.starts_with(&again_after(number)))
}

/// The same for everybody who would make this version, now or after a crash.
fn token(task: Task<'_>, description: &str) -> String {
    let mut hash = Sha256::new();
    for part in [task.source.as_str(), &task.key.id, description] {
        hash.update(part);
        hash.update([0]);
    }
    format!("amiseal-{}", &hex::encode(hash.finalize())[..40])
}

/// The number of the version that a version of amiseal's, which names `copy` in the place of `source`, was made of, by its description.
pub(super) fn made_of(description: &str, source: &ImageId, copy: &ImageId) -> Option<i64> {
    let said = description.strip_prefix(&format!("amiseal: {copy} instead of {source}, made of version "))?;
    said.split(',').next()?.parse().ok()
}

/// Whether a version's description says that amiseal made it of one that named `source`.
pub fn is_ours(description: &str, source: &ImageId) -> bool {
    description.starts_with("amiseal: ") && description.contains(&format!(" instead of {source},"))
}
