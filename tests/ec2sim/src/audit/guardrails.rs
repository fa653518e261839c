//! Checks of settings of regions that calls have set: were they the account's to set, were they set already, can their key be used,
//! and do they refuse what is in use. And whether settings are as they should be in the end.

use super::calls::{actor, find};
use super::{Check, Finding, Judge};
use crate::journal::Call;
use crate::model::{Setting, SettingChange, World};
use crate::spec::SettingExpectation;

/// How long AWS may take to set what it was asked to.
const AT_MOST_SECONDS: f64 = 600.0;

/// Runs all checks of settings.
pub(super) fn check(judge: &mut Judge<'_>) {
    let world = judge.world;
    for (_, region) in world.regions() {
        let changes = &region.setting_changes;
        for (i, change) in changes.iter().enumerate() {
            let Some(call) = change.call.and_then(|seq| judge.maker(seq)) else {
                continue;
            };
            held(judge, change, call);
            twice(judge, &changes[..i], change, call);
            barred(judge, change, call);
            refuses(judge, change, call);
        }
    }
    for expected in &world.expect.settings {
        if let Some(message) = differs(world, expected) {
            judge.findings.push(Finding {
                check: Check::GuardrailDiffers,
                account: expected.account.clone(),
                region: expected.region.clone(),
                resource: expected.setting.as_str().to_owned(),
                message,
            });
        }
    }
}

/// How a setting is otherwise than it should be in the end, if it is.
pub(super) fn differs(world: &World, expected: &SettingExpectation) -> Option<String> {
    let (account, region) = (expected.account.as_str(), expected.region.as_str());
    let place = world.region(account, region)?;
    let Some(should) = &expected.is else {
        let mut changes = place.setting_changes.iter();
        let call = changes.find_map(|change| change.call.filter(|_| change.setting == expected.setting))?;
        return Some(format!("call {call} sets it, and no call should"));
    };
    let is = expected.setting.of(&place.guardrails);
    let arn = |key: &str| world.key(account, region, key).map(|key| &key.arn);
    let is_so = match expected.setting {
        Setting::EbsDefaultKey => is == *should || arn(&is).is_some() && arn(&is) == arn(should),
        _ => is == *should,
    };
    (!is_so).then(|| format!("it is {is}, and should be {should}"))
}

/// Nobody is to blame who was told before that the account manages the setting, and was not told otherwise since.
fn held(judge: &mut Judge<'_>, change: &SettingChange, call: &Call) {
    let Some(since) = change.held_since else { return };
    let told_by = change.setting.told_by();
    if !knows(judge, call, since, |look| {
        look.outcome == "OK" && look.operation == told_by
    }) {
        return;
    }
    let message = format!(
        "call {}: {} by {} of what a declarative policy holds",
        call.seq, call.operation, call.principal
    );
    report(judge, Check::GuardrailHeld, change.setting, call, message);
}

/// A call whose answer was lost, or said something else, may be made again, and so may one that AWS does not come to carry out.
fn twice(judge: &mut Judge<'_>, before: &[SettingChange], change: &SettingChange, call: &Call) {
    let mut earlier = before.iter().rev();
    let last = earlier.find(|one| one.setting == change.setting && one.held_since.is_none());
    let Some(last) = last.filter(|one| change.held_since.is_none() && one.after == change.after) else {
        return;
    };
    let Some(first) = last.call.and_then(|seq| judge.maker(seq)) else {
        return;
    };
    let is_late = last.shows_at > change.at && change.at.seconds_since(last.at) > AT_MOST_SECONDS;
    let is_unanswered = first.outcome != "OK" || first.fault.is_some();
    if is_late || is_unanswered || actor(&first.principal) != actor(&call.principal) {
        return;
    }
    let message = format!(
        "call {}: {} by {} sets what call {} has set, and nobody has undone it",
        call.seq, call.operation, call.principal, first.seq
    );
    report(judge, Check::GuardrailSetTwice, change.setting, call, message);
}

/// Nobody is to blame who has looked at keys before the key was changed from outside, and not since.
fn barred(judge: &mut Judge<'_>, change: &SettingChange, call: &Call) {
    let Some((why, since)) = &change.barred else { return };
    let is_look = |look: &Call| look.service == "kms" && (look.outcome == "OK" || look.is_denied());
    if !knows(judge, call, *since, is_look) {
        return;
    }
    let message = format!("call {}: {} by {}: {why}", call.seq, call.operation, call.principal);
    report(judge, Check::DefaultKeyNotUsable, change.setting, call, message);
}

/// Nobody is to blame who has looked at what launches before people changed that, and not since.
fn refuses(judge: &mut Judge<'_>, change: &SettingChange, call: &Call) {
    let Some((image, since)) = &change.refuses else { return };
    let is_look = |look: &Call| look.operation == "DescribeLaunchTemplateVersions" && look.outcome == "OK";
    if !knows(judge, call, *since, is_look) {
        return;
    }
    let message = format!(
        "call {}: {} by {} has {image} refused, which is in use",
        call.seq, call.operation, call.principal
    );
    report(judge, Check::ImageInUseRefused, change.setting, call, message);
}

/// Whether a caller could have known what has been so since there were so many calls: it has looked since then, or never.
fn knows(judge: &Judge<'_>, call: &Call, since: u64, is_look: impl Fn(&Call) -> bool) -> bool {
    let is_by_caller = |look: &Call| {
        let is_there = look.account == call.account && look.region == call.region;
        is_there && actor(&look.principal) == actor(&call.principal)
    };
    let mut before = judge.journal.iter().rev();
    let last = before.find(|look| look.seq < call.seq && is_by_caller(look) && is_look(look));
    last.is_none_or(|look| look.seq > since)
}

fn report(judge: &mut Judge<'_>, check: Check, setting: Setting, call: &Call, message: String) {
    find(judge, check, call, setting.as_str().to_owned(), message);
}
