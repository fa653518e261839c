//! What statuses say of the use of images.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Elsewhere, Graph, Picture, Usage, form};
use crate::api::conditions::cut;
use crate::api::{
    ConsumerCount, FOREIGN_IMAGES, ForeignImage, ImageUsage, KeyAccessRow, KindCount, NAMED_CONSUMERS, NamedConsumer,
    UnreadKind, UsageState, UsageStatus,
};
use crate::domain::{AccountId, Consumer, ConsumerKind, Image, ImageId, Inventory};
use crate::plan::problem;
use crate::plan::select::{Selection, Selector};

/// What is asked of images that no consumer was found of, beside the kinds of consumers.
const CROSS_CHECK: &str = "CrossCheck";
/// What AWS is asked of use by other accounts.
const USAGE_REPORT: &str = "UsageReport";
/// Of so many kinds it is said why they could not be read.
const TOLD: usize = 3;
/// So many doubts are put into words.
const DOUBTS: usize = 20;
/// So many rows of counts are kept.
const ROWS: usize = 100;
/// The longest texts, in characters.
const MESSAGE: usize = 1024;
const NAME: usize = 256;
const VIA: usize = 512;
/// What changes all the time, such as the number of a group's instances, is written this often.
const NUMBERS_APART: Duration = Duration::from_secs(3600);

/// What a target says: of the images that `selector` means, and of everything that launches any.
pub fn of_target(
    picture: &Picture,
    inventory: &Inventory,
    selector: &Selector,
    after: Duration,
    now: Timestamp,
) -> UsageStatus {
    let mut status = UsageStatus {
        unread: unread(picture),
        read_time: picture.graph.read_at().map(|at| Time(form::whole_seconds(at))),
        ..UsageStatus::default()
    };
    let mut unused_gib: i64 = 0;
    for image in selected(inventory, selector) {
        match picture.usage(image, after, now) {
            Usage::Used(_) => status.used += 1,
            Usage::Unknown(_) => status.unknown += 1,
            Usage::Unused(_) => {
                status.unused += 1;
                let sizes = image.volumes().filter_map(|(_, volume, _)| volume.kind.size_gib);
                unused_gib += sizes.map(i64::from).sum::<i64>();
            }
        }
    }
    status.unused_gib = u64::try_from(unused_gib).unwrap_or_default();
    count(&picture.graph, inventory, &mut status);
    status
}

/// The images that a policy means.
pub fn selected<'i>(inventory: &'i Inventory, selector: &'i Selector) -> impl Iterator<Item = &'i Image> {
    let images = inventory.images.values().map(|image| &**image);
    images.filter(|image| image.is_there() && selector.select(image) == Selection::Selected)
}

/// Counts what launches images: those of the account by kind, each thing once, and those of others by image. What belongs to no account
/// is not said of images of others: the cluster's objects are shown by whoever has the image.
fn count(graph: &Graph, inventory: &Inventory, status: &mut UsageStatus) {
    let mut things: BTreeMap<ConsumerKind, BTreeSet<&str>> = BTreeMap::new();
    let mut foreign: BTreeMap<(&ImageId, ConsumerKind), BTreeSet<&str>> = BTreeMap::new();
    for (image, users) in graph.launched() {
        let is_ours = inventory.images.contains_key(image);
        for user in users.iter().filter(|user| is_ours || user.account.is_some()) {
            let of = if is_ours {
                things.entry(user.kind).or_default()
            } else {
                foreign.entry((image, user.kind)).or_default()
            };
            of.insert(&user.id);
        }
    }
    let kinds = things.into_iter().map(|(kind, ids)| KindCount {
        kind: kind.as_str().to_owned(),
        count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
    });
    status.consumers = kinds.collect();
    status.foreign_images_omitted = u32::try_from(foreign.len().saturating_sub(FOREIGN_IMAGES)).unwrap_or(u32::MAX);
    let rows = foreign.into_iter().map(|((image, kind), ids)| ForeignImage {
        image_id: image.to_string(),
        kind: kind.as_str().to_owned(),
        count: u32::try_from(ids.len()).unwrap_or(u32::MAX),
    });
    status.foreign_images = rows.take(FOREIGN_IMAGES).collect();
}

fn unread(picture: &Picture) -> Vec<UnreadKind> {
    let mut unread: BTreeMap<Cow<'static, str>, Vec<String>> = BTreeMap::new();
    for unknown in form::unknown(&picture.graph) {
        let what = match unknown.id {
            Some(id) => format!("{id}: {}", unknown.message),
            None => unknown.message,
        };
        unread.entry(unknown.kind).or_default().push(what);
    }
    let sharing = picture.shared_unread.values().next().map(problem::of_error);
    if let Some(problem) = picture.graph.unconfirmed().or(sharing.as_ref()) {
        unread
            .entry(CROSS_CHECK.into())
            .or_default()
            .push(problem.message.clone());
    }
    if let Some(message) = picture.reports.unread() {
        unread.insert(USAGE_REPORT.into(), vec![message]);
    }
    let row = |(kind, messages): (Cow<'static, str>, Vec<String>)| UnreadKind {
        kind: kind.into_owned(),
        message: cut(&messages.join(" "), MESSAGE),
    };
    unread.into_iter().map(row).collect()
}

/// What a condition says of what could not be read: which kinds, and what to do about the first few.
pub fn lacking(unread: &[UnreadKind]) -> String {
    let kinds: Vec<&str> = unread.iter().map(|unread| unread.kind.as_str()).collect();
    let mut told: Vec<&str> = Vec::new();
    for message in unread.iter().map(|unread| unread.message.as_str()) {
        if !told.contains(&message) && told.len() < TOLD {
            told.push(message);
        }
    }
    let told = told.join(" ");
    let message = if kinds == [USAGE_REPORT] {
        format!(
            "AWS's usage reports of shared images could not all be had, so use by other accounts may be missing. {told}"
        )
    } else if kinds.iter().all(|kind| [CROSS_CHECK, USAGE_REPORT].contains(kind)) {
        format!("AWS could not be asked of every image what else names it and who may launch it. {told}")
    } else {
        let kinds = kinds.join(", ");
        format!("Not everything that can launch images was read ({kinds}), so no image is said to be unused. {told}")
    };
    cut(&message, MESSAGE)
}

/// Takes in what the target of another account says.
pub fn elsewhere(into: &mut Elsewhere, account: &AccountId, status: &UsageStatus) {
    for row in &status.foreign_images {
        if let Ok(image) = row.image_id.parse() {
            into.uses(account, image, &row.kind, row.count);
        }
    }
}

/// What a migration says of its original.
pub fn of_image(picture: &Picture, image: &Image, after: Duration, now: Timestamp) -> ImageUsage {
    let (state, message) = match picture.usage(image, after, now) {
        Usage::Used(_) => (UsageState::Used, None),
        Usage::Unused(_) => (UsageState::Unused, None),
        Usage::Unknown(doubts) => {
            // There may be hundreds: no more than what is kept is put into words.
            let doubts: Vec<String> = doubts.iter().take(DOUBTS).map(form::doubt).collect();
            (UsageState::Unknown, Some(cut(&doubts.join(" "), MESSAGE)))
        }
    };
    let mut consumers: Vec<&Consumer> = picture.graph.consumers(&image.id).iter().collect();
    // What launches others is what people will have to change.
    consumers.sort_by_key(|consumer| consumer.kind == ConsumerKind::Instance);
    // A template whose default and latest version both name the image is one thing.
    consumers.dedup_by(|one, other| (one.kind, &one.account, &one.id) == (other.kind, &other.account, &other.id));
    let mut counts: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for consumer in &consumers {
        let of_kind = (consumer.kind.as_str(), account_of(consumer));
        *counts.entry(of_kind).or_default() += 1;
    }
    for (account, kind, count) in picture.elsewhere.users(&image.id) {
        *counts.entry((kind, account.as_str())).or_default() += count;
    }
    let total = counts.values().fold(0u32, |sum, count| sum.saturating_add(*count));
    let rows = counts.into_iter().map(|((kind, account), count)| ConsumerCount {
        kind: cut(kind, 32),
        account_id: account.to_owned(),
        count,
    });
    let mut counts: Vec<ConsumerCount> = rows.collect();
    if counts.len() > ROWS {
        counts.sort_by_key(|row| std::cmp::Reverse(row.count));
        counts.truncate(ROWS);
        counts.sort_by(|one, other| (&one.kind, &one.account_id).cmp(&(&other.kind, &other.account_id)));
    }
    let consumers: Vec<NamedConsumer> = consumers.into_iter().take(NAMED_CONSUMERS).map(named).collect();
    ImageUsage {
        state,
        omitted: total.saturating_sub(u32::try_from(consumers.len()).unwrap_or(u32::MAX)),
        counts,
        consumers,
        // By whom it is asked knows of which key.
        key_access: Vec::new(),
        last_launched: image.last_launched.map(|at| Time(form::whole_seconds(at))),
        message,
        report_time: picture
            .reports
            .answered(&image.id)
            .map(|at| Time(form::whole_seconds(at))),
        read_time: picture.graph.read_at().map(|at| Time(form::whole_seconds(at))),
    }
}

/// Nothing for what belongs to no account.
fn account_of(consumer: &Consumer) -> &str {
    consumer.account.as_ref().map_or("", AccountId::as_str)
}

fn named(consumer: &Consumer) -> NamedConsumer {
    let said = form::ReportedConsumer::from(consumer);
    NamedConsumer {
        kind: said.kind.to_owned(),
        account_id: account_of(consumer).to_owned(),
        id: cut(&said.id, NAME),
        via: said.via.map(|via| cut(&via, VIA)),
        owner: said.owner.map(|owner| cut(&owner, NAME)),
    }
}

/// What is to be on record, where `fresh` is what was read last: numbers that change all the time are written now and then. That nothing
/// has changed is not written: it would be a write for each migration, and the target says when it was read last.
pub fn amended(recorded: Option<&ImageUsage>, fresh: ImageUsage) -> ImageUsage {
    let Some(recorded) = recorded else { return fresh };
    if lasting(recorded) != lasting(&fresh) {
        return fresh;
    }
    let apart = match (&recorded.read_time, &fresh.read_time) {
        // The clock may have been set back meanwhile.
        (Some(old), Some(new)) => new.0.duration_since(old.0).unsigned_abs(),
        _ => NUMBERS_APART,
    };
    let as_recorded = ImageUsage {
        read_time: recorded.read_time.clone(),
        ..fresh.clone()
    };
    if apart >= NUMBERS_APART && as_recorded != *recorded {
        fresh
    } else {
        recorded.clone()
    }
}

/// What people have to hear of at once, without numbers, times and single instances.
fn lasting(usage: &ImageUsage) -> ImageUsage {
    let counts = usage.counts.iter().map(|row| ConsumerCount {
        count: 0,
        ..row.clone()
    });
    let consumers = usage.consumers.iter();
    ImageUsage {
        state: usage.state,
        counts: counts.collect(),
        consumers: consumers
            .filter(|consumer| consumer.kind != ConsumerKind::Instance.as_str())
            .cloned()
            .collect(),
        key_access: usage
            .key_access
            .iter()
            .map(|row| KeyAccessRow {
                message: None,
                ..row.clone()
            })
            .collect(),
        message: usage.message.clone(),
        ..ImageUsage::default()
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
