//! Who uses the images, as the statuses say.

use std::collections::BTreeMap;

use ec2sim::model::World;
use rig::{Object, Objects, Screen, aligned};

/// So many consumers of an image are named.
const NAMED: usize = 3;

/// Prints how many images are used and by what, and who uses each one that has a migration.
pub(crate) fn show(screen: &Screen, objects: &Objects, world: &World) {
    let sum = |field: &str| -> u64 {
        let path = format!("/status/usage/{field}");
        objects.targets.iter().map(|target| target.number(&path)).sum()
    };
    screen.heading("Who uses the images");
    screen.block(&format!(
        "{} are used, {} are not, and of {} it cannot be said. Things that can launch images:",
        sum("used"),
        sum("unused"),
        sum("unknown")
    ));
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    for row in objects
        .targets
        .iter()
        .flat_map(|target| target.list("/status/usage/consumers"))
    {
        *kinds.entry(row["kind"].as_str().unwrap_or_default()).or_default() +=
            row["count"].as_u64().unwrap_or_default();
    }
    let rows: Vec<_> = kinds
        .iter()
        .map(|(kind, count)| [(*kind).to_owned(), count.to_string()])
        .collect();
    screen.block(&aligned(["KIND", "COUNT"], &rows));
    let used = objects
        .migrations
        .iter()
        .filter(|migration| migration.text("/status/usage/state") == "Used");
    let rows: Vec<_> = used.map(|migration| row(migration, world)).collect();
    if !rows.is_empty() {
        screen.block(&aligned(["ORIGINAL", "ACCOUNT", "USED BY"], &rows));
    }
}

fn row(migration: &Object, world: &World) -> [String; 3] {
    let image = world.image(migration.text("/spec/region"), migration.text("/spec/sourceImageID"));
    let mut users: Vec<String> = migration
        .list("/status/usage/consumers")
        .iter()
        .take(NAMED)
        .map(|user| {
            let text = |field: &str| user[field].as_str();
            let owner = text("owner").map(|owner| format!(" of {owner}")).unwrap_or_default();
            format!(
                "{} {}{owner}",
                text("kind").unwrap_or_default(),
                text("id").unwrap_or_default()
            )
        })
        .collect();
    let counts = migration.list("/status/usage/counts");
    let own = migration.text("/spec/accountID");
    let elsewhere = counts.iter().filter(|row| row["accountID"] != own);
    users.extend(elsewhere.map(|row| {
        let text = |field: &str| row[field].as_str().unwrap_or_default();
        format!("{} × {} in {}", row["count"], text("kind"), text("accountID"))
    }));
    let named = migration.list("/status/usage/consumers").len();
    let more = named.saturating_sub(NAMED) as u64;
    if more > 0 {
        users.push(format!("{more} more"));
    }
    [
        image.map_or_else(String::new, |image| image.name.clone()),
        own.to_owned(),
        users.join(", "),
    ]
}
