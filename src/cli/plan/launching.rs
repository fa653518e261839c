//! Who could not launch the copies, for people.

use std::fmt::{self, Write as _};

use super::render::{Style, place};
use crate::cli::text::printable;
use crate::plan::access::form::{Row, State};
use crate::plan::report::{Report, TargetReport};

/// Those who could not, and then those of whom that is not known.
pub(super) fn sections(report: &Report, text: &mut String, style: &dyn Style) -> fmt::Result {
    let is_sure = |row: &&Row| matches!(row.state, State::Denied | State::Refused);
    section(report, text, style, "Cannot launch the copies", is_sure)?;
    section(report, text, style, "May not be able to launch the copies", |row| {
        !is_sure(row)
    })
}

fn section(
    report: &Report,
    text: &mut String,
    style: &dyn Style,
    title: &str,
    is_of_it: impl Fn(&&Row) -> bool,
) -> fmt::Result {
    let rows = |target: &TargetReport| -> Vec<String> {
        let rows = target.used.iter().flat_map(|used| &used.launching);
        rows.filter(&is_of_it).map(Row::text).collect()
    };
    if report.targets.iter().all(|target| rows(target).is_empty()) {
        return Ok(());
    }
    text.write_str(&style.title(title))?;
    for target in &report.targets {
        for row in rows(target) {
            text.write_str(&style.item(&format!("{} {}", place(target), printable(&row))))?;
        }
    }
    Ok(())
}
