//! The report for reading: as tables, or as Markdown.

use std::fmt::Write as _;

use super::exempt_until;
use crate::cli::text::{self, printable};
use crate::plan::findings::report::{Report, ReportedFinding, ReportedImage};
use crate::plan::findings::{Change, Earlier, Since};
use crate::plan::usage::form;

/// How many findings and images a report for reading lists; a program gets all of them.
const LISTED: usize = 50;

/// Titles and rows, of which so many columns hold text.
struct Grid {
    rows: Vec<Vec<String>>,
    texts: usize,
}

/// The report as tables.
pub(super) fn table(report: &Report) -> String {
    document(report, &Plain)
}

/// The report as Markdown.
pub(super) fn markdown(report: &Report) -> String {
    document(report, &Marked)
}

/// How a document is set.
trait Style {
    fn heading(&self, text: &str) -> String;
    fn grid(&self, grid: &Grid) -> String;
    fn item(&self, text: &str) -> String;
}

struct Plain;
struct Marked;

impl Style for Plain {
    fn heading(&self, text: &str) -> String {
        format!("\n{text}\n")
    }

    fn grid(&self, grid: &Grid) -> String {
        let columns = grid.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            grid.rows
                .iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &grid.rows {
            let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
                if column < grid.texts {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
            let line = cells.collect::<Vec<_>>().join("  ");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn item(&self, text: &str) -> String {
        format!("  {}\n", printable(text))
    }
}

impl Style for Marked {
    fn heading(&self, text: &str) -> String {
        format!("\n### {text}\n\n")
    }

    fn grid(&self, grid: &Grid) -> String {
        let mut text = String::new();
        for (number, row) in grid.rows.iter().enumerate() {
            let cells: Vec<String> = row.iter().map(|cell| text::markdown(cell)).collect();
            // Writing to a string does not fail.
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if number == 0 {
                let rule = (0..row.len()).map(|column| if column < grid.texts { "---" } else { "---:" });
                let _ = writeln!(text, "| {} |", rule.collect::<Vec<_>>().join(" | "));
            }
        }
        text
    }

    fn item(&self, text: &str) -> String {
        format!("- {}\n", text::markdown(text))
    }
}

fn document(report: &Report, style: &impl Style) -> String {
    let mut text = style.grid(&scopes(report));
    if let (gib, Some(cost)) = report.unused() {
        text.push_str(&style.heading(&format!(
            "Unused images keep up to {gib} GiB of snapshots, for up to {cost} a month."
        )));
    }
    for scope in &report.scopes {
        if let Some(problem) = &scope.problem {
            let said = format!(
                "{} {}: {}: {}",
                scope.account_id, scope.region, problem.reason, problem.message
            );
            text.push_str(&style.item(&said));
        }
    }
    if let Some(since) = &report.since {
        text.push_str(&style.heading(&format!("Since the report of {}", since.generated)));
        text.push_str(&style.grid(&changes(since)));
    }
    let counts = report.counts();
    if counts.is_empty() {
        text.push_str(&style.heading("Nothing is wrong with what was read."));
    } else {
        text.push_str(&style.heading("Findings"));
        let mut rows = vec![titles(&["SEVERITY", "CHECK", "WHAT", "COUNT"])];
        rows.extend(counts.iter().map(|(check, count)| {
            vec![
                check.severity().to_string(),
                check.id().to_owned(),
                check.title().to_owned(),
                count.to_string(),
            ]
        }));
        text.push_str(&style.grid(&Grid { rows, texts: 3 }));
    }
    let counted = || report.findings.iter().filter(|finding| finding.exempt_until.is_none());
    if report.since.is_some() {
        for (heading, change) in [("New", Change::New), ("Unchanged", Change::Unchanged)] {
            let such = counted().filter(|finding| finding.change == Some(change));
            list(&mut text, style, heading, such, finding);
        }
        list(&mut text, style, "Fixed", report.fixed.iter().flatten(), fixed);
    } else {
        list(&mut text, style, "The worst", counted(), finding);
    }
    let exempted = report.findings.iter().filter(|finding| finding.exempt_until.is_some());
    list(&mut text, style, "Exempt", exempted, exempt);
    let used = report
        .images
        .iter()
        .filter(|image| image.unencrypted && !image.consumers.is_empty());
    list(&mut text, style, "Unencrypted images in use", used, image);
    let unknown = report.scopes.iter().flat_map(|scope| {
        scope.unknown.iter().map(move |unknown| {
            let which = unknown.id.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
            format!(
                "{} {}: {}{which}: {}",
                scope.account_id, scope.region, unknown.kind, unknown.message
            )
        })
    });
    let heading = "Not read, and so unknown";
    list(&mut text, style, heading, unknown, |text: String| text);
    text
}

/// A heading and the first of the things, if there are any, and how many are not listed.
fn list<T>(
    text: &mut String,
    style: &impl Style,
    heading: &str,
    things: impl Iterator<Item = T>,
    line: impl Fn(T) -> String,
) {
    let mut things = things.peekable();
    if things.peek().is_none() {
        return;
    }
    text.push_str(&style.heading(heading));
    for thing in things.by_ref().take(LISTED) {
        text.push_str(&style.item(&line(thing)));
    }
    let more = things.count();
    if more > 0 {
        text.push_str(&style.item(&format!("… and {more} more: --output json lists all of them")));
    }
}

fn scopes(report: &Report) -> Grid {
    let mut rows = vec![titles(&[
        "ACCOUNT",
        "REGION",
        "IMAGES",
        "UNENCRYPTED",
        "USED",
        "UNUSED",
        "CONSUMERS",
    ])];
    for scope in &report.scopes {
        let mut row = vec![scope.account_id.clone(), scope.region.clone()];
        match scope.images {
            Some(images) => {
                row.extend(
                    [images.total, images.unencrypted, images.used, images.unused].map(|count| count.to_string()),
                );
                row.push(scope.consumers.values().sum::<usize>().to_string());
            }
            None => row.extend(std::iter::repeat_n("?".to_owned(), 5)),
        }
        rows.push(row);
    }
    Grid { rows, texts: 2 }
}

fn changes(since: &Since) -> Grid {
    let mut columns = vec![
        ("NEW", since.new),
        ("UNCHANGED", since.unchanged),
        ("EXEMPT", since.exempt),
        ("FIXED", since.fixed),
    ];
    if since.not_compared > 0 {
        columns.push(("NOT COMPARED", since.not_compared));
    }
    Grid {
        rows: vec![
            columns.iter().map(|(title, _)| (*title).to_owned()).collect(),
            columns.iter().map(|(_, count)| count.to_string()).collect(),
        ],
        texts: 0,
    }
}

fn titles(titles: &[&str]) -> Vec<String> {
    titles.iter().map(|title| (*title).to_owned()).collect()
}

fn finding(finding: &ReportedFinding) -> String {
    format!(
        "{} {} {}: {}",
        finding.severity, finding.account_id, finding.region, finding.what
    )
}

fn fixed(of: &Earlier) -> String {
    format!("{} {} {}: {}", of.severity, of.account_id, of.region, of.what)
}

fn exempt(of: &ReportedFinding) -> String {
    let until = of.exempt_until.as_deref().unwrap_or_default();
    format!("{} {}", finding(of), exempt_until(until, of.exempt_reason.as_deref()))
}

fn image(image: &ReportedImage) -> String {
    let users: Vec<String> = image.consumers.iter().take(5).map(form::line).collect();
    let more = image.consumers.len().saturating_sub(users.len()) + image.consumers_omitted;
    let more = if more > 0 {
        format!(", and {more} more")
    } else {
        String::new()
    };
    format!(
        "{} {} {} ({}): {}{more}",
        image.account_id,
        image.region,
        image.id,
        image.name,
        users.join(", ")
    )
}
