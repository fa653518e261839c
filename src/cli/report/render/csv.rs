//! The findings for spreadsheets, a row each.

use std::io;

use crate::plan::findings::report::Report;

/// Writes the findings.
pub(super) fn write(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    let is_compared = report.since.is_some();
    let mut titles = vec![
        "id",
        "severity",
        "check",
        "accountID",
        "region",
        "resource",
        "what",
        "fix",
        "exemptUntil",
        "exemptReason",
    ];
    titles.extend(is_compared.then_some("change"));
    writer.write_record(titles)?;
    for finding in &report.findings {
        let of = |text: &Option<String>| text.as_deref().map(inert).unwrap_or_default();
        let mut row = vec![
            finding.id.clone(),
            finding.severity.as_str().to_owned(),
            finding.check.to_owned(),
            finding.account_id.clone(),
            finding.region.clone(),
            inert(&finding.resource),
            inert(&finding.what),
            finding.fix.to_owned(),
            of(&finding.exempt_until),
            of(&finding.exempt_reason),
        ];
        row.extend(finding.change.map(|change| change.as_str().to_owned()));
        writer.write_record(row)?;
    }
    writer.flush()
}

/// Names and tags are anybody's: a spreadsheet must not take one for a formula.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_may_write_is_no_formula() {
        assert_eq!(inert("=cmd()"), "'=cmd()");
        assert_eq!(inert("web-1"), "web-1");
    }
}
