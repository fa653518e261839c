//! `amiseal status`: what each migration waits for, and whose turn it is.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::args::{Output, StatusArgs};
use super::choose::{self, Chosen};
use super::cluster::{self, Migrations};
use super::refuse;
use crate::api::{AMIMigration, Approval, ConsumerState, Desired, MigrationState, conditions};
use crate::cli::output::{read_or_not, tell};
use crate::cli::text::printable;
use crate::plan::deciding::{Who, waits};
use crate::plan::moving::is_left;

const TITLES: [&str; 8] = [
    "NAME",
    "ACCOUNT",
    "STATE",
    "DESIRED",
    "WAITS FOR",
    "WHO",
    "CONSUMERS",
    "APPROVED BY",
];

/// What is said of one migration.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    name: String,
    policy: String,
    #[serde(rename = "accountID")]
    account_id: String,
    region: String,
    #[serde(rename = "sourceImageID")]
    source_image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(rename = "copyImageID", skip_serializing_if = "Option::is_none")]
    copy_image_id: Option<String>,
    state: MigrationState,
    desired: Desired,
    approval: Approval,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_by: Option<String>,
    waits_for: String,
    who: &'static str,
    /// What fixes it, or what is going on.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    consumers: Consumers,
}

/// How many consumers there are, by how far they are.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Consumers {
    moved: usize,
    moving: usize,
    left: usize,
    put_back: usize,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    migrations: &'a [Row],
}

pub(super) async fn run(args: &StatusArgs) -> Result<ExitCode> {
    let read = async {
        let migrations = Migrations::of(args.cluster.client().await?);
        choose::chosen(&migrations, &args.which).await
    };
    let Chosen { found, missing } = match read.await {
        Ok(chosen) => chosen,
        Err(sentence) => return Ok(refuse(&sentence)),
    };
    let rows = rows(&found, args.waiting);
    let text = match args.output {
        Output::Table => table(&rows),
        Output::Json => serde_json::to_string_pretty(&Document { migrations: &rows })? + "\n",
        Output::Yaml => {
            let value = serde_json::to_value(Document { migrations: &rows })?;
            serde_saphyr::to_string(&value)?
        }
    };
    let mut out = io::stdout().lock();
    read_or_not(out.write_all(text.as_bytes()).and_then(|()| out.flush())).context("the status cannot be printed")?;
    for sentence in &missing {
        tell(&format!("Error: {sentence}"));
    }
    Ok(if missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Those that wait for a person first, each part by name.
fn rows(migrations: &[AMIMigration], only_waiting: bool) -> Vec<Row> {
    let mut rows: Vec<(Who, Row)> = migrations.iter().map(row).collect();
    rows.retain(|(who, _)| !only_waiting || [Who::Approver, Who::Operator].contains(who));
    rows.sort_by(|(who, one), (other_who, other)| (who, &one.name).cmp(&(other_who, &other.name)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn row(migration: &AMIMigration) -> (Who, Row) {
    let (spec, waits) = (&migration.spec, waits(migration));
    let status = migration.status.clone().unwrap_or_default();
    let ready = conditions::find(&status.conditions, conditions::READY);
    let message = ready.filter(|ready| ready.status != "True" && !ready.message.is_empty());
    let mut consumers = Consumers::default();
    for row in &status.consumers {
        let count = match row.state {
            ConsumerState::Moved => &mut consumers.moved,
            ConsumerState::Moving | ConsumerState::Refreshing | ConsumerState::PuttingBack => &mut consumers.moving,
            ConsumerState::PutBack if !is_left(row) => &mut consumers.put_back,
            ConsumerState::Left | ConsumerState::PutBack => &mut consumers.left,
        };
        *count += 1;
    }
    let row = Row {
        name: cluster::name(migration),
        policy: spec.policy.clone(),
        account_id: spec.account_id.clone(),
        region: spec.region.clone(),
        source_image_id: spec.source_image_id.clone(),
        source_name: status.source_name,
        copy_image_id: status.copy.and_then(|copy| copy.image_id),
        state: status.state.unwrap_or_default(),
        desired: spec.desired,
        approval: spec.approval,
        approved_by: status.approved_by,
        waits_for: waits.what().to_owned(),
        who: waits.who().as_str(),
        message: message.map(|ready| ready.message.clone()),
        consumers,
    };
    (waits.who(), row)
}

impl Consumers {
    fn text(&self) -> String {
        let parts = [
            (self.moved, "moved"),
            (self.moving, "moving"),
            (self.put_back, "put back"),
            (self.left, "left"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if parts.is_empty() {
            "-".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

fn desired(desired: Desired) -> &'static str {
    match desired {
        Desired::Migrated => "Migrated",
        Desired::Held => "Held",
        Desired::RolledBack => "RolledBack",
    }
}

fn table(rows: &[Row]) -> String {
    let mut grid = vec![TITLES.map(str::to_owned)];
    grid.extend(rows.iter().map(|row| {
        [
            row.name.clone(),
            row.account_id.clone(),
            row.state.as_str().to_owned(),
            desired(row.desired).to_owned(),
            printable(&row.waits_for),
            row.who.to_owned(),
            row.consumers.text(),
            row.approved_by.as_deref().map_or_else(|| "-".to_owned(), printable),
        ]
    }));
    let width = |column: usize| grid.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut text = String::new();
    for row in &grid {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("   ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::conditions::reason;
    use crate::api::{AMIMigrationSpec, AMIMigrationStatus, MovedConsumer};

    fn migration(name: &str, stalled: Option<&str>, desired: Desired) -> AMIMigration {
        let spec = AMIMigrationSpec {
            account_id: "111122223333".to_owned(),
            desired,
            ..AMIMigrationSpec::default()
        };
        let mut migration = AMIMigration::new(name, spec);
        let row = |state| MovedConsumer {
            state,
            ..MovedConsumer::default()
        };
        // It would be moved again, and somebody holds it.
        let held = MovedConsumer {
            reason: Some("Held".to_owned()),
            ..row(ConsumerState::PutBack)
        };
        migration.status = Some(AMIMigrationStatus {
            state: Some(MigrationState::Promoting),
            stalled: stalled.map(str::to_owned),
            approved_by: (desired == Desired::Held).then(|| "alice".to_owned()),
            consumers: vec![
                row(ConsumerState::Moved),
                row(ConsumerState::Moved),
                row(ConsumerState::PutBack),
                row(ConsumerState::Left),
                held,
            ],
            ..AMIMigrationStatus::default()
        });
        migration
    }

    #[test]
    fn what_waits_for_people_comes_first_and_the_table_says_for_whom() {
        let all = [
            migration("d", None, Desired::Migrated),
            migration("c", Some(reason::KEY_DISABLED), Desired::Migrated),
            migration("b", Some(reason::APPROVAL_REQUIRED), Desired::Migrated),
            migration("a", None, Desired::Held),
        ];
        let text = table(&rows(&all, false));
        let lines: Vec<Vec<&str>> = text
            .lines()
            .map(|line| {
                line.split("   ")
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty())
                    .collect()
            })
            .collect();
        assert_eq!(lines[0], TITLES);
        let consumers = "2 moved, 1 put back, 2 left";
        assert_eq!(
            lines[1],
            [
                "a",
                "111122223333",
                "Promoting",
                "Held",
                "resume",
                "approver",
                consumers,
                "alice"
            ]
        );
        assert_eq!(
            lines[2],
            [
                "b",
                "111122223333",
                "Promoting",
                "Migrated",
                "approval",
                "approver",
                consumers,
                "-"
            ]
        );
        assert_eq!(
            lines[3],
            [
                "c",
                "111122223333",
                "Promoting",
                "Migrated",
                "KeyDisabled",
                "operator",
                consumers,
                "-"
            ]
        );
        assert_eq!(
            lines[4],
            [
                "d",
                "111122223333",
                "Promoting",
                "Migrated",
                "Initializing",
                "amiseal",
                consumers,
                "-"
            ]
        );
        assert_eq!(rows(&all, true).len(), 3);
    }
}
