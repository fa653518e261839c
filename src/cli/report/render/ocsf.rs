//! Compliance Findings of the Open Cybersecurity Schema Framework, one object a line, for data lakes and SIEMs.

use std::io;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::exempt_until;
use crate::cli::text::printable;
use crate::plan::findings::report::{Report, ReportedFinding};
use crate::plan::findings::{Change, Check, Earlier, Severity};

const VERSION: &str = "1.5.0";
/// Compliance Finding, in the category Findings.
const CLASS: u64 = 2003;

/// What happened to a finding.
#[derive(Clone, Copy)]
enum Activity {
    Create = 1,
    Update = 2,
    Close = 3,
}

impl Activity {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Update => "Update",
            Self::Close => "Close",
        }
    }
}

#[derive(Clone, Copy)]
enum Status {
    New = 1,
    InProgress = 2,
    Suppressed = 3,
    Resolved = 4,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::New => "New",
            Self::InProgress => "In Progress",
            Self::Suppressed => "Suppressed",
            Self::Resolved => "Resolved",
        }
    }
}

/// What a record says of a finding, of this report or of the one before.
struct Facts<'a> {
    id: &'a str,
    check: &'a str,
    severity: Severity,
    account: &'a str,
    region: &'a str,
    resource: &'a str,
    what: &'a str,
    activity: Activity,
    status: Status,
    comment: Option<String>,
}

impl<'a> Facts<'a> {
    fn of(finding: &'a ReportedFinding) -> Self {
        let (activity, status) = match (finding.change, &finding.exempt_until) {
            (None | Some(Change::New), None) => (Activity::Create, Status::New),
            (None | Some(Change::New), Some(_)) => (Activity::Create, Status::Suppressed),
            (Some(Change::Unchanged), None) => (Activity::Update, Status::InProgress),
            (Some(Change::Unchanged), Some(_)) => (Activity::Update, Status::Suppressed),
        };
        let exempt = |day: &String| printable(&exempt_until(day, finding.exempt_reason.as_deref()));
        Self {
            id: &finding.id,
            check: finding.check,
            severity: finding.severity,
            account: &finding.account_id,
            region: &finding.region,
            resource: &finding.resource,
            what: &finding.what,
            activity,
            status,
            comment: finding.exempt_until.as_ref().map(exempt),
        }
    }

    fn of_fixed(finding: &'a Earlier) -> Self {
        Self {
            id: &finding.id,
            check: &finding.check,
            severity: finding.severity,
            account: &finding.account_id,
            region: &finding.region,
            resource: &finding.resource,
            what: &finding.what,
            activity: Activity::Close,
            status: Status::Resolved,
            comment: None,
        }
    }
}

/// Writes a record for each finding, and for each that is fixed since the report before.
pub(super) fn write(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    let made: Timestamp = report.generated.parse().map_err(io::Error::other)?;
    let findings = report.findings.iter().map(Facts::of);
    let fixed = report.fixed.iter().flatten().map(Facts::of_fixed);
    for facts in findings.chain(fixed) {
        serde_json::to_writer(&mut *out, &record(&facts, made.as_millisecond()))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn record(facts: &Facts<'_>, time: i64) -> Value {
    let (severity_id, severity) = severity(facts.severity);
    let check = Check::named(facts.check);
    let (verdict_id, verdict) = match facts.activity {
        Activity::Close => (1, "Pass"),
        Activity::Create | Activity::Update => (3, "Fail"),
    };
    let mut compliance = json!({"control": facts.check, "status_id": verdict_id, "status": verdict});
    let mut info = json!({
        "uid": facts.id,
        "title": facts.check,
        "desc": printable(facts.what),
        "types": [facts.check],
        "modified_time": time,
    });
    let mut record = json!({
        "metadata": {
            "version": VERSION,
            "profiles": ["cloud"],
            "product": {"name": "amiseal", "vendor_name": "amiseal", "version": env!("CARGO_PKG_VERSION")},
        },
        "category_uid": 2,
        "category_name": "Findings",
        "class_uid": CLASS,
        "class_name": "Compliance Finding",
        "activity_id": facts.activity as u64,
        "activity_name": facts.activity.as_str(),
        "type_uid": CLASS * 100 + facts.activity as u64,
        "type_name": format!("Compliance Finding: {}", facts.activity.as_str()),
        "time": time,
        "severity_id": severity_id,
        "severity": severity,
        "status_id": facts.status as u64,
        "status": facts.status.as_str(),
        "message": printable(facts.what),
        "cloud": {"provider": "AWS", "account": account(facts.account), "region": facts.region},
        "resources": resources(facts),
    });
    if let Some(check) = check {
        info["title"] = check.title().into();
        compliance["desc"] = check.why().into();
        if !check.references().is_empty() {
            compliance["requirements"] = check.references().into();
        }
        record["remediation"] = json!({
            "desc": check.fix(),
            "references": [format!("docs/findings.md#{}", check.id())],
        });
    }
    // Of a finding that the report before has, it is not known when it was made.
    if let Activity::Create = facts.activity {
        info["created_time"] = time.into();
    }
    if let Some(comment) = &facts.comment {
        record["comment"] = comment.as_str().into();
    }
    record["finding_info"] = info;
    record["compliance"] = compliance;
    record
}

const fn severity(severity: Severity) -> (u64, &'static str) {
    match severity {
        Severity::Low => (2, "Low"),
        Severity::Medium => (3, "Medium"),
        Severity::High => (4, "High"),
        Severity::Critical => (5, "Critical"),
    }
}

fn account(id: &str) -> Value {
    json!({"uid": id, "type_id": 10, "type": "AWS Account"})
}

/// The image, snapshot, key or setting, or what launches the image, and the image.
fn resources(facts: &Facts<'_>) -> Vec<Value> {
    let resource = |kind: &str, id: &str| {
        json!({
            "uid": printable(id),
            "type": kind,
            "region": facts.region,
            "owner": {"uid": facts.account, "account": account(facts.account)},
        })
    };
    let id = facts.resource;
    let kind = match id {
        _ if id.starts_with("snap-") => "Snapshot",
        _ if id.starts_with("ami-") => "Image",
        _ if id.starts_with("arn:") && id.contains(":kms:") => "Key",
        _ => "Setting",
    };
    if kind == "Key" {
        return vec![resource(kind, id)];
    }
    // IDs of parameters and recipes have slashes of their own.
    let launcher = id.split_once('/').and_then(|(kind, rest)| {
        let (id, image) = rest.rsplit_once('/')?;
        Some((kind, id, image))
    });
    match launcher {
        Some((kind, id, image)) => vec![resource(kind, id), resource("Image", image)],
        None => vec![resource(kind, id)],
    }
}
