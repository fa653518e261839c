//! Instance refreshes: the instances of an Auto Scaling group that still run the original are replaced, once for each group, and once
//! more where they are put back.
//!
//! A group whose parts are to change is told so with the refresh: AWS sets it once all instances are replaced, and can turn back on the
//! way. One that follows its template is refreshed as it is.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

mod back;

pub(super) use back::{back, once_back};

use super::group;
use super::left;
use super::row::{SHOWS_AFTER, Task, Verdict};
use crate::api::{
    ConsumerRefresh, ConsumerState, ConsumerVersions, InstanceRefreshSettings, MovedConsumer, RefreshStrategy,
};
use crate::domain::{
    Change, ConsumerKind, GroupChange, GroupNow, GroupPart, ImageId, ImageRef, Named, Place, RefreshNow,
    RefreshPreferences, StartRefresh, VersionRef,
};

/// The most characters of AWS's own reason that are shown.
const REASON: usize = 300;

/// Whether the refresh of this row has failed, so that a person has to act.
pub(super) fn has_failed(row: &MovedConsumer) -> bool {
    row.state == ConsumerState::Left && row.reason.as_deref() == Some(left::REFRESH_FAILED)
}

/// Whether AWS was to be asked for a refresh by this row that may go on.
pub fn may_go_on(row: &MovedConsumer) -> bool {
    row.refresh.as_ref().is_some_and(|refresh| match row.state {
        ConsumerState::Refreshing => true,
        ConsumerState::PuttingBack => refresh.back,
        _ => false,
    })
}

/// What comes next for the group's instances; nothing where that is not asked for, or is over.
pub(super) fn forward(task: Task<'_>, now: &GroupNow) -> Option<Verdict> {
    let Some(row) = task.row else {
        return begin(task, now);
    };
    match (row.state, &row.refresh) {
        (ConsumerState::Refreshing | ConsumerState::Moving, Some(refresh)) => Some(refreshing(task, now, row, refresh)),
        _ if has_failed(row) => Some(after_failure(task, now, row)),
        (ConsumerState::Moving | ConsumerState::PuttingBack, _) => None,
        (ConsumerState::Moved, None) => begin_again(task, now, row),
        (ConsumerState::Moved, Some(_)) => None,
        (ConsumerState::Left, _) if row.previous.is_some() => None,
        _ => begin(task, now),
    }
}

/// Puts on record that the instances are to be replaced, if they are.
fn begin(task: Task<'_>, now: &GroupNow) -> Option<Verdict> {
    if now.runs(task.source) != Some(true) {
        return None;
    }
    let named = group::originals(task, now);
    let is_to_change = !named.is_empty();
    if !is_to_change && !launches(task, now, task.copy, task.source) || is_to_change && !group::can_be_set(task, now) {
        return None;
    }
    let refused = task
        .untouchable(now.owner.as_ref(), &now.tags)
        .or_else(|| in_the_way(task, now).map(|(why, message)| task.leave_for_now(why, message)));
    Some(refused.unwrap_or_else(|| {
        task.record(MovedConsumer {
            previous: Some(ConsumerVersions {
                parts: group::recorded(named),
                ..ConsumerVersions::default()
            }),
            refresh: Some(request(task, now, false)),
            ..task.entry(ConsumerState::Refreshing)
        })
    }))
}

/// The same for a group that was moved before, and whose instances were not replaced.
fn begin_again(task: Task<'_>, now: &GroupNow, row: &MovedConsumer) -> Option<Verdict> {
    let is_asked_for = task.refreshes.is_some() && now.runs(task.source) == Some(true);
    let is_of_copy = group::originals(task, now).is_empty() && launches(task, now, task.copy, task.source);
    let is_free = task.untouchable(now.owner.as_ref(), &now.tags).is_none() && in_the_way(task, now).is_none();
    (is_asked_for && is_of_copy && is_free).then(|| {
        task.record(MovedConsumer {
            state: ConsumerState::Refreshing,
            refresh: Some(request(task, now, false)),
            time: Some(Time(task.now)),
            ..row.clone()
        })
    })
}

fn request(task: Task<'_>, now: &GroupNow, back: bool) -> ConsumerRefresh {
    ConsumerRefresh {
        id: None,
        after: now.refreshes.first().map(|newest| newest.id.to_string()),
        back,
        requested_at: Some(Time(task.now)),
    }
}

/// What a refresh cannot begin for now, or at all.
fn in_the_way(task: Task<'_>, now: &GroupNow) -> Option<(&'static str, String)> {
    if let Some(active) = now.refreshes.iter().find(|refresh| refresh.is_active()) {
        let message = format!(
            "Somebody else's instance refresh {} is under way: amiseal waits for its end.",
            active.id
        );
        return Some((left::REFRESH_UNDER_WAY, message));
    }
    let strategy = task.refreshes.map(|settings| settings.strategy);
    if strategy != Some(RefreshStrategy::ReplaceRootVolume) {
        return None;
    }
    let has_image = |number: usize| now.parts.iter().any(|part| part.at == Place::Image(number));
    let message = if task.volumes != 1 {
        "Its image has not exactly one volume, and AWS replaces the root volume alone"
    } else if !(1..=now.overrides).all(has_image) {
        "AWS replaces root volumes only where every override of a mixed instances policy has an image of its own"
    } else {
        return None;
    };
    let message = format!("{message}: set promotion.instanceRefresh.strategy: Rolling, or refresh it yourself.");
    Some((left::CANNOT_REFRESH, message))
}

/// Whether a group launches `this` from now on, as far as is known, and nowhere `that`.
fn launches(task: Task<'_>, now: &GroupNow, this: &ImageId, that: &ImageId) -> bool {
    let images: Vec<ImageId> = now
        .parts
        .iter()
        .filter_map(|part| image_of(task, now, part, this))
        .collect();
    images.contains(this) && !images.contains(that)
}

/// The image that a part launches. A parameter that was moved holds what it was moved to.
fn image_of(task: Task<'_>, now: &GroupNow, part: &GroupPart, moved_to: &ImageId) -> Option<ImageId> {
    let image = match &part.names {
        Named::Image(image) => Some(image),
        Named::Version(template, VersionRef::Number(number)) => now.version(template, *number)?.image.as_ref(),
        Named::Version(template, version) => now.followed.get(&(template.clone(), *version))?.image.as_ref(),
    };
    match image? {
        ImageRef::Image(image) => Some(image.clone()),
        ImageRef::Parameter(parameter) => {
            let state = if moved_to == task.copy {
                ConsumerState::Moved
            } else {
                ConsumerState::PutBack
            };
            let kind = ConsumerKind::Parameter.as_str();
            let row = task
                .rows
                .iter()
                .find(|row| row.kind == kind && *row.id == *parameter.name);
            row.filter(|row| row.state == state).map(|_| moved_to.clone())
        }
        ImageRef::Other(_) => None,
    }
}

/// The refresh is on record.
fn refreshing(task: Task<'_>, now: &GroupNow, row: &MovedConsumer, refresh: &ConsumerRefresh) -> Verdict {
    match found(task, now, refresh) {
        Found::New(id) => with_id(task, row, id),
        Found::Nothing => start(task, now, row),
        Found::Gone => missed(task, row).unwrap_or_else(|| lost(task, now, row)),
        Found::This(found) if found.is_active() => goes_on(task, row),
        Found::This(found) if &*found.status == "Successful" => finished(task, now, row, found),
        Found::This(found) => failed(task, &found.status, found.reason.as_deref()),
    }
}

/// AWS does not show a refresh that has an ID. A listing may miss it: only where it is missed for a while, it is no more.
fn missed(task: Task<'_>, row: &MovedConsumer) -> Option<Verdict> {
    const MISSED: &str = "AWS does not show its instance refresh.";
    if row.message.as_deref() == Some(MISSED) {
        return (!task.has_had_time()).then_some(Verdict::Wait);
    }
    Some(task.record(MovedConsumer {
        message: Some(MISSED.to_owned()),
        time: Some(Time(task.now)),
        ..row.clone()
    }))
}

/// A refresh is under way, whether or not it was missed before.
fn goes_on(task: Task<'_>, row: &MovedConsumer) -> Verdict {
    if row.message.is_none() {
        return Verdict::Wait;
    }
    task.record(MovedConsumer {
        message: None,
        time: Some(Time(task.now)),
        ..row.clone()
    })
}

/// Nobody can say what has become of a refresh but the group itself.
fn lost(task: Task<'_>, now: &GroupNow, row: &MovedConsumer) -> Verdict {
    match now.runs(task.source) {
        None => Verdict::Wait,
        Some(false) if group::originals(task, now).is_empty() => {
            let previous = row.previous.clone().unwrap_or_default();
            task.made(ConsumerState::Moved, group::as_now(now, &previous))
        }
        Some(_) => not_shown(task),
    }
}

enum Found<'n> {
    /// The one that was asked for, of which AWS's answer is not on record.
    New(&'n str),
    /// It was not asked for yet.
    Nothing,
    /// It has an ID, and AWS does not show it now.
    Gone,
    /// The one on record.
    This(&'n RefreshNow),
}

fn found<'n>(task: Task<'_>, now: &'n GroupNow, refresh: &ConsumerRefresh) -> Found<'n> {
    if let Some(id) = &refresh.id {
        return now.refresh(id).map_or(Found::Gone, Found::This);
    }
    let newer = now
        .refreshes
        .iter()
        .take_while(|known| refresh.after.as_deref() != Some(&*known.id));
    let mut ours = newer.filter(|known| is_ours(task, now, refresh, known));
    ours.next().map_or(Found::Nothing, |ours| Found::New(&ours.id))
}

/// Whether a refresh is the one that was asked for: nobody else sets the group to what amiseal does. Where it sets nothing, it is known
/// by its preferences.
fn is_ours(task: Task<'_>, now: &GroupNow, refresh: &ConsumerRefresh, known: &RefreshNow) -> bool {
    let row = task.row.filter(|row| row.current.is_none() && !refresh.back);
    let previous = row.and_then(|row| row.previous.as_ref());
    match previous.filter(|previous| !previous.parts.is_empty()) {
        Some(previous) => group::would_be_set(task, now, previous, &known.desired),
        None => {
            let fits = |settings| fits(settings, known);
            known.desired.is_empty() && task.refreshes.is_some_and(fits)
        }
    }
}

/// Whether a refresh is as these settings have it, as far as they say it.
fn fits(settings: &InstanceRefreshSettings, known: &RefreshNow) -> bool {
    let (wanted, is) = (
        preferences(settings, known.preferences.auto_rollback),
        &known.preferences,
    );
    let same = |wanted: Option<i32>, is: Option<i32>| wanted.is_none() || wanted == is;
    wanted.strategy == is.strategy
        && same(wanted.min_healthy, is.min_healthy)
        && same(wanted.max_healthy, is.max_healthy)
        && same(wanted.warmup, is.warmup)
        && same(wanted.bake_time, is.bake_time)
        && same(wanted.checkpoint_delay, is.checkpoint_delay)
        && wanted.checkpoints == is.checkpoints
        && wanted.alarms == is.alarms
}

/// As AWS is told it.
fn preferences(settings: &InstanceRefreshSettings, auto_rollback: bool) -> RefreshPreferences {
    let seconds = |duration: Option<crate::api::Duration>| {
        duration.and_then(|duration| i32::try_from(duration.as_std().as_secs()).ok())
    };
    RefreshPreferences {
        strategy: match settings.strategy {
            RefreshStrategy::Rolling => "Rolling".into(),
            RefreshStrategy::ReplaceRootVolume => "ReplaceRootVolume".into(),
        },
        min_healthy: settings.min_healthy_percentage.map(percent),
        max_healthy: settings.max_healthy_percentage.map(percent),
        warmup: seconds(settings.instance_warmup),
        checkpoints: settings.checkpoint_percentages.iter().copied().map(percent).collect(),
        checkpoint_delay: seconds(settings.checkpoint_delay),
        bake_time: seconds(settings.bake_time),
        alarms: settings.alarms.iter().map(|alarm| alarm.as_str().into()).collect(),
        auto_rollback,
    }
}

fn with_id(task: Task<'_>, row: &MovedConsumer, id: &str) -> Verdict {
    let refresh = row.refresh.clone().map(|refresh| ConsumerRefresh {
        id: Some(id.to_owned()),
        ..refresh
    });
    let state = match row.state {
        ConsumerState::PuttingBack => ConsumerState::PuttingBack,
        _ => ConsumerState::Refreshing,
    };
    task.record(MovedConsumer {
        state,
        refresh,
        ..row.clone()
    })
}

/// What is on record, in another state and without a refresh.
fn without(task: Task<'_>, row: &MovedConsumer, state: ConsumerState, message: Option<String>) -> Verdict {
    task.record(MovedConsumer {
        state,
        reason: None,
        message,
        refresh: None,
        time: Some(Time(task.now)),
        ..row.clone()
    })
}

/// AWS is asked for it, unless that is not needed any more.
fn start(task: Task<'_>, now: &GroupNow, row: &MovedConsumer) -> Verdict {
    if let Some(left) = task.untouchable(now.owner.as_ref(), &now.tags) {
        return left;
    }
    let (named, was_set) = (group::originals(task, now), row.current.is_some());
    let parts = row
        .previous
        .as_ref()
        .map(|was| was.parts.as_slice())
        .unwrap_or_default();
    let state = if was_set || parts.is_empty() {
        ConsumerState::Moved
    } else {
        ConsumerState::Moving
    };
    let Some(settings) = task.refreshes.filter(|_| now.runs(task.source) != Some(false)) else {
        // There is nothing to replace any more, or the policy does not ask for it.
        return without(task, row, state, None);
    };
    if let Some((why, message)) = in_the_way(task, now) {
        return if was_set {
            without(task, row, ConsumerState::Moved, Some(message))
        } else {
            task.leave_for_now(why, message)
        };
    }
    let is_as_recorded = was_set && named.is_empty() || !was_set && group::recorded(named.iter().copied()) == parts;
    if !is_as_recorded {
        // Somebody has changed it meanwhile, which is seen to there.
        return without(task, row, state, None);
    }
    let to = match group::targets(task, now, &named) {
        Ok(to) => to,
        Err(message) => return task.leave_for_now(left::VERSION_NOT_MOVED, message),
    };
    if let Some(tag) = group::to_be_tagged(task, now, &named) {
        return tag;
    }
    ask(task, now, to, settings)
}

fn ask(task: Task<'_>, now: &GroupNow, to: Vec<GroupPart>, settings: &InstanceRefreshSettings) -> Verdict {
    let auto_rollback = settings.auto_rollback && can_turn_back(now, !to.is_empty());
    Verdict::Change(Change::StartRefresh(StartRefresh {
        change: GroupChange {
            group: task.key.id.clone(),
            expects: now.parts.clone(),
            to,
        },
        preferences: preferences(settings, auto_rollback),
    }))
}

/// Whether AWS can turn a refresh back: only where it was told what the group is to launch, and only to versions with numbers that take
/// their images from no parameter. A version that is not known may do so.
fn can_turn_back(now: &GroupNow, is_told: bool) -> bool {
    let is_fixed = |image: &ImageRef| !matches!(image, ImageRef::Parameter(_));
    let turns = |part: &GroupPart| match &part.names {
        Named::Image(image) => is_fixed(image),
        Named::Version(template, VersionRef::Number(number)) => now
            .version(template, *number)
            .is_some_and(|version| version.image.as_ref().is_none_or(is_fixed)),
        Named::Version(_, VersionRef::Latest | VersionRef::Default) => false,
    };
    is_told && now.parts.iter().all(turns)
}

/// All instances are replaced, and the group is read back.
fn finished(task: Task<'_>, now: &GroupNow, row: &MovedConsumer, found: &RefreshNow) -> Verdict {
    let previous = row.previous.clone().unwrap_or_default();
    if group::is_set(task, now, &previous) {
        return task.made(ConsumerState::Moved, group::as_now(now, &previous));
    }
    if !has_shown(task, found) {
        return Verdict::Later;
    }
    if group::originals(task, now).is_empty() {
        // Somebody has it launch something else meanwhile.
        return task.made(ConsumerState::Moved, group::as_now(now, &previous));
    }
    task.reverted()
}

/// Whether what a successful refresh has set has had the time to show. Others set nothing.
fn has_shown(task: Task<'_>, found: &RefreshNow) -> bool {
    let ended = found.ended.unwrap_or(task.now);
    &*found.status != "Successful" || task.now.duration_since(ended).as_secs_f64() >= SHOWS_AFTER.as_secs_f64()
}

fn failed(task: Task<'_>, status: &str, reason: Option<&str>) -> Verdict {
    let why: String = reason.unwrap_or_default().chars().take(REASON).collect();
    let why = if why.is_empty() {
        String::new()
    } else {
        format!(": {}", why.trim_end_matches('.'))
    };
    leave(
        task,
        &format!(
            "AWS has not replaced all of its instances ({status}{why}): see to what is in the way, and refresh it yourself"
        ),
    )
}

/// A refresh is no more, and instances are as before.
fn not_shown(task: Task<'_>) -> Verdict {
    leave(
        task,
        "AWS does not show its instance refresh any more, and not all of its instances are replaced: refresh it yourself",
    )
}

/// A person has to act. Where that is not so already, they may go back.
fn leave(task: Task<'_>, message: &str) -> Verdict {
    let is_back = task.row.is_some_and(|row| row.state == ConsumerState::PuttingBack);
    let or_back = if is_back {
        ""
    } else {
        ", or set spec.desired: RolledBack in the migration"
    };
    task.leave(left::REFRESH_FAILED, format!("{message}{or_back}."))
}

/// A person has replaced the instances, or does not want them replaced any more.
fn after_failure(task: Task<'_>, now: &GroupNow, row: &MovedConsumer) -> Verdict {
    if task.refreshes.is_some() {
        let is_done = now.runs(task.source) == Some(false) && group::originals(task, now).is_empty();
        let previous = row.previous.clone().unwrap_or_default();
        return if is_done {
            task.made(ConsumerState::Moved, group::as_now(now, &previous))
        } else {
            Verdict::Keep
        };
    }
    let has_parts = row.previous.as_ref().is_some_and(|was| !was.parts.is_empty());
    let state = if has_parts && row.current.is_none() {
        ConsumerState::Moving
    } else {
        ConsumerState::Moved
    };
    without(task, row, state, None)
}

/// As the SDK has it. The schema bounds it.
fn percent(of_schema: u32) -> i32 {
    i32::try_from(of_schema).unwrap_or(i32::MAX)
}
