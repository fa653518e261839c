use super::*;
use crate::plan::testing::{failed_call, snapshot_id};

#[test]
fn only_a_trail_of_all_regions_that_logs_is_enough() {
    let of = |multi_region, logs| Trail {
        multi_region,
        logs: Ok(logs),
        ..trail()
    };
    for (trails, says) in [
        (vec![of(true, true)], None),
        (vec![of(true, false), of(true, true)], None),
        (vec![], Some("There is no trail of all regions.")),
        (vec![of(false, true)], Some("There is no trail of all regions.")),
        (
            vec![of(true, false), of(false, true)],
            Some("No trail of all regions logs: arn:aws:cloudtrail:us-east-1:111122223333:trail/all."),
        ),
    ] {
        let mut case = Case::of([]);
        case.observed.trails = Ok(trails.clone());
        let expected: Vec<&str> = says.into_iter().collect();
        assert_eq!(case.said(Check::CloudTrailOff), expected, "{trails:?}");
    }
    let denied = Trail {
        logs: Err(failed_call(Operation::GetTrailStatus, ErrorClass::Denied)),
        ..trail()
    };
    let mut case = Case::of([]);
    case.observed.trails = Ok(vec![denied.clone(), of(true, false)]);
    assert_eq!(case.lines(), [""; 0], "it may log");
    let (kind, id, message) = case.unread().remove(0);
    assert_eq!((kind.as_str(), id.as_deref()), ("CloudTrail", Some(&*denied.arn)));
    assert!(message.contains("cloudtrail:GetTrailStatus"), "{message}");
    case.observed.trails = Ok(vec![denied, of(true, true)]);
    assert_eq!((case.lines(), case.unread()), (Vec::new(), Vec::new()));

    case.observed.trails = Err(failed_call(Operation::DescribeTrails, ErrorClass::Denied));
    assert_eq!(case.lines(), [""; 0]);
    let (kind, _, message) = case.unread().remove(0);
    assert_eq!(kind, "CloudTrail");
    assert!(message.contains("cloudtrail:DescribeTrails"), "{message}");
}

#[test]
fn a_public_snapshot_is_found_with_its_image_and_without_one() {
    let mut shown = image(1, 1);
    shown.tags = [(TAG_EXEMPT_UNTIL.into(), "2999-01-01".into())].into();
    let mut case = Case::of([shown]);
    case.observed.public_snapshots = Ok([snapshot_id(100), snapshot_id(7)].into());
    assert_eq!(
        case.said(Check::PublicSnapshot),
        [
            format!("Everybody can make volumes of {}.", snapshot_id(7)),
            format!(
                "Everybody can make volumes of {} of {} (web-1).",
                snapshot_id(100),
                image_id(1)
            ),
        ]
    );
    let found = case.found();
    let exempt: Vec<bool> = found
        .iter()
        .filter(|finding| finding.check == Check::PublicSnapshot)
        .map(|finding| finding.exemption.is_some())
        .collect();
    assert_eq!(exempt, [false, true], "as its image is");
    assert_eq!(found[0].check, Check::PublicSnapshot, "the worst first");

    case.observed.public_snapshots = Err(failed_call(Operation::DescribeSnapshots, ErrorClass::Denied));
    assert_eq!(case.said(Check::PublicSnapshot), [""; 0]);
    assert_eq!(case.unread()[0].0, "PublicSnapshots");
}

#[test]
fn an_orphan_that_is_not_encrypted_is_worse() {
    let mut case = Case::of([]);
    let source = image(1, 1);
    let copy = encrypted_copy(&source, 2, &key(1), &mut case.world);
    case.world.images.remove(&copy.id);
    let id = snapshot_id(200);
    assert_eq!(case.lines(), [""; 0], "AWS was not asked whether the image is there");
    case.observed.foreign = Ok(Foreign {
        missing: [image_id(2)].into(),
        ..Foreign::default()
    });
    assert_eq!(case.lines(), [format!("orphan-snapshot {id}")]);
    case.world.snapshots.get_mut(&id).expect("a snapshot").encrypted = false;
    assert_eq!(case.lines(), [format!("unencrypted-orphan-snapshot {id}")]);
    assert_eq!(
        case.said(Check::UnencryptedOrphanSnapshot),
        [format!(
            "{id} of 8 GiB is not encrypted and was made for {}, which is gone.",
            image_id(2)
        )]
    );
}
