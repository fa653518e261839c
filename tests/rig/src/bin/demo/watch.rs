//! Shows the tables as they change, until all is settled.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use rig::{Object, Objects, Screen, unsettled};

use crate::kubectl::kubectl;
use crate::stage::Stage;
use crate::staging::Staging;
use crate::tables::{Changes, without_ages};

/// How often kubectl is asked.
const POLL: Duration = Duration::from_millis(1500);
/// Rows of targets and of migrations that are shown of one change; the rest are counted.
const ROWS: usize = 6;
/// For so many looks in a row nothing may be left to do.
const LOOKS: u32 = 2;

/// Prints what `kubectl get` shows as it changes. Returns what was not settled when `limit` had passed since the start.
pub(crate) async fn until_settled(
    screen: &Screen,
    stage: &mut Stage,
    staging: &mut Staging,
    limit: Duration,
) -> Result<Option<String>> {
    screen.step("Watching kubectl get aep,aet,amim (of targets and migrations, the rows that change)");
    let mut shown = Shown::default();
    let mut quiet = 0;
    loop {
        let began = tokio::time::Instant::now();
        stage.check_controller()?;
        let (objects, tables, migrations) = tokio::try_join!(
            Objects::read(&stage.control_plane),
            kubectl(&stage.control_plane, &["get", "aep,aet"]),
            kubectl(&stage.control_plane, &["get", "amim"]),
        )?;
        shown.show(screen, &objects, &tables, &migrations);
        staging.follow(screen, stage, &objects)?;
        let left = unsettled(&objects);
        quiet = if left.is_none() { quiet + 1 } else { 0 };
        if quiet == LOOKS || screen.elapsed() >= limit {
            return Ok(left);
        }
        tokio::time::sleep_until(began + POLL).await;
    }
}

/// What was printed already.
#[derive(Default)]
struct Shown {
    policies: String,
    targets: Changes,
    migrations: Changes,
}

impl Shown {
    fn show(&mut self, screen: &Screen, objects: &Objects, tables: &str, migrations: &str) {
        // kubectl prints a table for each kind that there is anything of.
        let (policies, targets) = tables.split_once("\n\n").unwrap_or((tables, ""));
        let stripped = without_ages(policies);
        let policies_changed = stripped != self.policies;
        let targets = some(self.targets.of(targets));
        let migrations = some(self.migrations.of(migrations));
        let mut blocks = Vec::new();
        if policies_changed {
            blocks.push(policies.trim_end().to_owned());
            self.policies = stripped;
        }
        blocks.extend(targets);
        blocks.extend(migrations);
        if !blocks.is_empty() {
            screen.step(&summary(&objects.migrations));
            screen.block(&blocks.join("\n\n"));
        }
    }
}

/// The header, some of the rows that changed, and how many more did; nothing when none did.
fn some((header, rows): (Option<&str>, Vec<&str>)) -> Option<String> {
    let header = header.filter(|_| !rows.is_empty())?;
    let shown = rows.iter().take(ROWS).copied();
    let mut lines: Vec<String> = std::iter::once(header).chain(shown).map(str::to_owned).collect();
    if rows.len() > ROWS {
        lines.push(format!("… and {} more rows that changed", rows.len() - ROWS));
    }
    Some(lines.join("\n"))
}

/// How many migrations are in which state.
fn summary(migrations: &[Object]) -> String {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for migration in migrations {
        let state = match migration.text("/status/state") {
            _ if migration.says("Stalled", "True") => "stalled",
            "" => "new",
            state => state,
        };
        *counts.entry(state).or_default() += 1;
    }
    let order = [
        "new",
        "Pending",
        "Copying",
        "Verifying",
        "Promoting",
        "Completed",
        "stalled",
    ];
    let parts = order
        .iter()
        .filter_map(|state| Some(format!("{} {state}", counts.get(state)?)));
    let parts: Vec<_> = parts.collect();
    match migrations.len() {
        0 => "No migrations yet".to_owned(),
        count => format!("{count} migrations: {}", parts.join(", ")),
    }
}
