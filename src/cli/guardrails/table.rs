//! Rows for reading.

use crate::cli::text::printable;
use crate::plan::guardrails_report::{Row, UNKNOWN};

const TITLES: [&str; 8] = [
    "ACCOUNT",
    "REGION",
    "GUARDRAIL",
    "MODE",
    "STATE",
    "HOLDS",
    "MANAGED BY",
    "NOTE",
];

/// The table of these rows.
pub(super) fn table(rows: &[Row]) -> String {
    let mut grid = vec![TITLES.map(str::to_owned)];
    grid.extend(rows.iter().map(cells));
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

fn cells(row: &Row) -> [String; TITLES.len()] {
    let holds = match row.holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => UNKNOWN,
    };
    [
        printable(&row.account_id),
        printable(&row.region),
        row.guardrail.to_owned(),
        row.mode.unwrap_or("-").to_owned(),
        printable(&row.state),
        holds.to_owned(),
        row.managed_by.unwrap_or("-").to_owned(),
        match row.notes.is_empty() {
            true => "-".to_owned(),
            false => printable(&row.notes.join("; ")),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(state: &str, holds: Option<bool>, notes: &[&str]) -> Row {
        Row {
            policy: "production".to_owned(),
            account_id: "111122223333".to_owned(),
            region: "eu-west-1".to_owned(),
            guardrail: "ImageBlockPublicAccess",
            mode: Some("Enforce"),
            state: state.to_owned(),
            holds,
            managed_by: Some("Account"),
            key_arn: None,
            requested_at: None,
            drifts: 0,
            notes: notes.iter().map(|note| (*note).to_owned()).collect(),
        }
    }

    #[test]
    fn a_row_for_each_with_what_is_unknown_said_so() {
        let nothing = Row {
            mode: None,
            managed_by: None,
            ..row(UNKNOWN, None, &["not read yet", "by\u{1b}[31m"])
        };
        let text = table(&[
            row("block-new-sharing", Some(true), &[]),
            row("unblocked", Some(false), &["was undone once"]),
            nothing,
        ]);
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
        let place = ["111122223333", "eu-west-1", "ImageBlockPublicAccess"];
        for (line, rest) in [
            (1, ["Enforce", "block-new-sharing", "yes", "Account", "-"]),
            (2, ["Enforce", "unblocked", "no", "Account", "was undone once"]),
            (3, ["-", "unknown", "unknown", "-", "not read yet; by\u{fffd}[31m"]),
        ] {
            assert_eq!(lines[line], [&place[..], &rest[..]].concat());
        }
    }
}
