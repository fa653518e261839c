use super::*;
use crate::api::{Backups, ImageSelector, ImageTerm};
use crate::domain::{Extras, ImageScan, Vulnerability};
use crate::plan::testing::failed_call;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 24 * 3600)
}

fn other() -> LaunchPermission {
    LaunchPermission::Account("444455556666".parse().expect("an account"))
}

/// One image, encrypted under key 1, that was launched not long ago.
fn one(change: impl FnOnce(&mut Image)) -> Case {
    let mut case = Case::of([]);
    let mut image = image(1, 1);
    image.last_launched = Some(at(99 * DAY));
    change(&mut image);
    case.world.add(image, Some(&key(1)));
    case
}

#[test]
fn sharing_that_is_not_allowed_is_found_where_it_is_looked_for() {
    let mut case = one(|_| {});
    case.shared.insert(image_id(1), [other()].into());
    assert_eq!(case.lines(), [""; 0], "it is not looked for");
    assert_eq!(case.with(|subject| subject.perhaps_shared()), []);

    let organization = LaunchPermission::Organization("arn:aws:organizations::111122223333:organization/o-1".into());
    case.thresholds.allowed_sharing = Some([organization.clone()].into());
    assert_eq!(case.with(|subject| subject.perhaps_shared()), [image_id(1)]);
    assert_eq!(case.lines(), [format!("shared-outside {}", image_id(1))]);
    assert_eq!(
        case.said(Check::SharedOutside),
        ["web-1 is shared with 444455556666, which is not allowed."]
    );
    for allowed in [organization, LaunchPermission::Account(account())] {
        case.shared.insert(image_id(1), [allowed].into());
        assert_eq!(case.lines(), [""; 0]);
    }
    case.shared.remove(&image_id(1));
    let denied = |number| {
        (
            image_id(number),
            failed_call(Operation::DescribeImageAttribute, ErrorClass::Denied),
        )
    };
    case.shared_unread = [denied(1)].into();
    assert_eq!(case.lines(), [""; 0]);
    let (kind, id, message) = case.unread().remove(0);
    assert_eq!(
        (kind.as_str(), id),
        ("LaunchPermissions", Some(image_id(1).to_string()))
    );
    assert!(message.contains("ec2:DescribeImageAttribute"), "{message}");
    case.shared_unread = [denied(1), denied(2)].into();
    let (_, id, message) = case.unread().remove(0);
    assert!(id.is_none() && message.starts_with("Of 2 images: "), "{message}");
}

#[test]
fn nobody_is_asked_with_whom_a_public_or_a_disabled_image_is_shared() {
    for (change, is_asked) in [
        ((|_| {}) as fn(&mut Image), true),
        (|image| image.public = true, false),
        (|image| image.state = ImageState::Disabled, false),
        (|image| image.state = ImageState::Pending, false),
    ] {
        let mut case = one(change);
        case.thresholds.allowed_sharing = Some([other()].into());
        assert_eq!(
            case.with(|subject| subject.perhaps_shared()).len(),
            usize::from(is_asked)
        );
    }
}

#[test]
fn an_image_under_another_key_than_the_policys_is_found_if_the_policy_is_for_it() {
    let policy = |number, selector: ImageSelector| PolicyKey {
        named: "alias/ami".to_owned(),
        key: Ok(key(number)),
        selector: Selector::new(&selector, Backups::Exclude),
    };
    let exclude = ImageSelector {
        exclude: vec![ImageTerm {
            names: vec!["web-*".to_owned()],
            tags: [].into(),
            ids: Vec::new(),
        }],
        ..ImageSelector::default()
    };
    let mut case = one(|_| {});
    assert_eq!(case.lines(), [""; 0]);
    for (given, found) in [
        (policy(1, ImageSelector::default()), false),
        (policy(2, ImageSelector::default()), true),
        (policy(2, exclude), false),
    ] {
        case.observed.policy = Some(given);
        let expected: Vec<String> = [format!("other-key-image {}", image_id(1))]
            .into_iter()
            .filter(|_| found)
            .collect();
        assert_eq!(case.lines(), expected);
        let said = format!("web-1 is encrypted under {}, and the policy names {}.", key(1), key(2));
        assert_eq!(case.said(Check::OtherKeyImage).contains(&said), found);
    }
    let mut plain = Case::of([image(1, 1)]);
    plain.observed.policy = Some(policy(2, ImageSelector::default()));
    assert_eq!(plain.lines(), [format!("unencrypted-image {}", image_id(1))]);

    let problem = Problem::new(
        crate::api::conditions::reason::KEY_NOT_FOUND,
        "there is none".to_owned(),
    );
    case.observed.policy = Some(PolicyKey {
        key: Err(problem),
        ..policy(2, ImageSelector::default())
    });
    assert_eq!(case.lines(), [""; 0]);
    let unread = (
        "PolicyKey".to_owned(),
        Some("alias/ami".to_owned()),
        "there is none".to_owned(),
    );
    assert_eq!(case.unread(), [unread]);
}

fn scanned(day: i64, fixes: &[(Vulnerability, i64)]) -> impl FnOnce(&mut Image) {
    let scan = ImageScan {
        scanned: Some(at(day * DAY)),
        fix_available_since: fixes.iter().map(|(severity, day)| (*severity, at(day * DAY))).collect(),
        ..ImageScan::default()
    };
    move |image| {
        image.extras = Some(Box::new(Extras {
            scan: Some(scan),
            ..Extras::default()
        }));
    }
}

#[test]
fn a_fix_that_has_been_there_for_longer_than_allowed_is_found_by_severity() {
    use Vulnerability::{Critical, High, Low};
    let allowed = [(Critical, days(14)), (High, days(30))];
    // It is day 100.
    for (fixes, says) in [
        (&[][..], None),
        (&[(Critical, 86)], None),
        (&[(Low, 1)], None),
        (
            &[(Critical, 85), (High, 80)],
            Some("critical for 15 days, where 14 are allowed"),
        ),
        (
            &[(Critical, 80), (High, 60)],
            Some("critical for 20 days, where 14 are allowed, high for 40 days, where 30 are allowed"),
        ),
    ] {
        let mut case = one(scanned(99, fixes));
        assert_eq!(case.lines(), [""; 0], "it is not looked for");
        case.thresholds.max_fix_available = allowed.into();
        let expected: Vec<String> = says
            .iter()
            .map(|says| format!("Amazon Inspector knows fixes for vulnerabilities of web-1: {says}."))
            .collect();
        assert_eq!(case.said(Check::VulnerableImage), expected, "{fixes:?}");
        assert_eq!(case.unread(), []);
    }
}

#[test]
fn an_old_scan_is_found_and_what_was_not_scanned_is_unknown() {
    let mut case = one(scanned(60, &[]));
    case.thresholds.max_scan_age = Some(days(30));
    assert_eq!(case.lines(), [format!("stale-scan {}", image_id(1))]);
    assert_eq!(
        case.said(Check::StaleScan),
        ["web-1 was last scanned 40 days ago, and 30 are allowed."]
    );
    case.thresholds.max_scan_age = Some(days(40));
    assert_eq!(case.lines(), [""; 0]);

    let mut case = one(|_| {});
    assert_eq!(case.unread(), [], "nobody asks for scans");
    case.thresholds.max_fix_available = [(Vulnerability::Critical, days(14))].into();
    assert_eq!(case.lines(), [""; 0]);
    let (kind, id, message) = case.unread().remove(0);
    assert_eq!((kind.as_str(), id), ("ScanResults", None));
    assert!(message.contains("has not scanned 1 image"), "{message}");
}
