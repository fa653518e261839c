//! What is on record of findings.

use super::*;

/// Findings with one that is named, and so many instances that launch an image.
fn findings(instances: u32) -> FindingsStatus {
    let row = |check: &str, count| crate::api::CheckCount {
        check: check.to_owned(),
        severity: "high".to_owned(),
        count,
        exempt: 0,
    };
    FindingsStatus {
        total: 1 + instances,
        checks: vec![
            row("unencrypted-image", 1),
            row("launches-unencrypted-image", instances),
        ],
        named: vec![crate::api::NamedFinding {
            id: "1".to_owned(),
            check: "unencrypted-image".to_owned(),
            what: format!("It is used by {instances} instances."),
            ..crate::api::NamedFinding::default()
        }],
        ..FindingsStatus::default()
    }
}

#[test]
fn findings_are_on_record_where_they_are_asked_for_and_numbers_that_change_all_the_time_with_the_next_scan() {
    let (classified, key) = (Classified::default(), known_key(KeyUsability::Usable));
    let scan = |time, found: &FindingsStatus, current: &AMIEncryptionTargetStatus, asked: bool| {
        let mut spec = spec();
        spec.audit = asked.then(Default::default);
        let looked = match scanned(at(time), &classified, &key) {
            ScanResult::Scanned(scan) => ScanResult::Scanned(Scan {
                findings: Some(found),
                ..scan
            }),
            other => other,
        };
        target(current, &spec, Some(3), &looked, MigrationCounts::default(), at(time))
    };
    let none = AMIEncryptionTargetStatus::default();
    assert_eq!(scan(0, &findings(2), &none, false).findings, None);
    let first = scan(0, &findings(2), &none, true);
    assert_eq!(first.findings, Some(findings(2)));
    // More instances are no reason to write, and go along with the next scan.
    assert_eq!(scan(60, &findings(9), &first, true), first);
    assert_eq!(scan(900, &findings(9), &first, true).findings, Some(findings(9)));
    // Where there were none, or are none any more, that is said at once.
    assert_eq!(scan(60, &findings(0), &first, true).findings, Some(findings(0)));
    assert_eq!(scan(60, &findings(2), &first, false).findings, None);
}

#[test]
fn what_was_found_on_images_of_an_old_scan_is_not_known_while_scans_fail() {
    let (classified, key) = (Classified::default(), known_key(KeyUsability::Usable));
    let problem = Problem::new(reason::ACCESS_DENIED, "ec2:DescribeImages: allow it.");
    let mut spec = spec();
    spec.audit = Some(crate::api::AuditSettings::default());
    let write = |current: &AMIEncryptionTargetStatus, looked: &ScanResult<'_>| {
        target(current, &spec, Some(3), looked, MigrationCounts::default(), at(60))
    };
    let scan = |found, outdated| match scanned(at(0), &classified, &key) {
        ScanResult::Scanned(scan) => ScanResult::Scanned(Scan {
            findings: found,
            outdated,
            ..scan
        }),
        other => other,
    };
    let mut found = findings(1);
    found.unread = ["AllowedImages", "ScanResults"]
        .map(|kind| crate::api::UnreadPart {
            kind: kind.to_owned(),
            message: "Allow it.".to_owned(),
        })
        .into();
    let known = write(&AMIEncryptionTargetStatus::default(), &scan(Some(&found), None));
    assert_eq!(known.findings.as_ref(), Some(&found));
    let unread = |status: &AMIEncryptionTargetStatus| -> Vec<String> {
        let found = status.findings.as_ref().expect("findings");
        found.unread.iter().map(|row| row.kind.clone()).collect()
    };
    let all = ["AllowedImages", "Images", "ScanResults"];
    let failing = write(&known, &scan(Some(&found), Some(&problem)));
    assert_eq!(unread(&failing), all);
    let said = failing.findings.as_ref().expect("findings");
    assert_eq!(
        (said.total, &said.named),
        (found.total, &found.named),
        "what was found stays"
    );
    assert!(
        said.unread[1].message.contains("ec2:DescribeImages: allow it."),
        "{said:?}"
    );
    assert!(!crate::plan::findings::record::is_known(said));
    assert_eq!(write(&failing, &scan(Some(&found), Some(&problem))), failing, "once");
    // A process that has not read them itself, be it that it has scanned or not.
    for looked in [ScanResult::Failed(&problem), scan(None, Some(&problem))] {
        assert_eq!(unread(&write(&known, &looked)), all);
        assert_eq!(unread(&write(&failing, &looked)), all);
    }
    assert_eq!(
        unread(&write(&failing, &scan(None, None))),
        all,
        "until it has read them"
    );
    assert_eq!(write(&failing, &scan(Some(&found), None)).findings, known.findings);
    spec.audit = None;
    let none = target(
        &failing,
        &spec,
        Some(3),
        &ScanResult::Failed(&problem),
        MigrationCounts::default(),
        at(60),
    );
    assert_eq!(none.findings, None);
}
