//! The forms of a report.

mod csv;
mod document;
mod html;
mod ocsf;
mod sarif;

use std::io;

use super::Output;
use crate::plan::findings::report::Report;

/// Writes a report in a form.
pub(super) fn write(output: Output, report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    match output {
        Output::Table => out.write_all(document::table(report).as_bytes()),
        Output::Markdown => out.write_all(document::markdown(report).as_bytes()),
        Output::Csv => csv::write(report, out),
        Output::Json => {
            serde_json::to_writer_pretty(&mut *out, report)?;
            out.write_all(b"\n")
        }
        Output::Sarif => sarif::write(report, out),
        Output::Ocsf => ocsf::write(report, out),
        Output::Html => html::write(report, out),
    }
}

/// Until when something is exempt, and why.
fn exempt_until(day: &str, reason: Option<&str>) -> String {
    match reason {
        Some(reason) => format!("Exempt until {day}: {reason}"),
        None => format!("Exempt until {day}"),
    }
}
