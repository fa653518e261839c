//! What statuses say of findings.

use super::super::record::{self, News};
use super::*;
use crate::api::{FindingsStatus, NAMED_FINDINGS, NamedFinding};
use crate::domain::{Extras, ImageScan, Vulnerability};
use crate::plan::testing::failed_call;

fn status(case: &Case, before: Option<&FindingsStatus>) -> FindingsStatus {
    case.with(|subject| record::of_target(subject, before, at(0)))
}

fn ids(found: &[&NamedFinding]) -> Vec<String> {
    found
        .iter()
        .map(|finding| format!("{} {}", finding.check, finding.resource))
        .collect()
}

fn told(before: &FindingsStatus, now: &FindingsStatus) -> (Vec<String>, u32) {
    let News { named, more } = record::news(before, now);
    (ids(&named), more)
}

/// An image that is exempt until far in the future.
fn exempt(number: u64) -> Image {
    let mut image = image(number, 1);
    image.tags = [(TAG_EXEMPT_UNTIL.into(), "2100-01-01".into())].into();
    image
}

/// A setting that is off, or that could not be read.
fn setting(state: Result<&str, AwsError>) -> Vec<GuardrailState> {
    vec![GuardrailState {
        guardrail: Guardrail::EncryptionByDefault,
        state: state.map(Into::into),
        holds: false,
        managed_by: None,
        criteria: Vec::new(),
    }]
}

#[test]
fn findings_are_counted_by_check_and_the_worst_are_named_first_exempt_ones_last() {
    let mut public = image(3, 1);
    public.public = true;
    let case = Case::of([image(1, 1), exempt(2), public]).launches(ConsumerKind::Instance, "i-1", 1);
    let case = case.launches(ConsumerKind::LaunchTemplate, "lt-1", 1);
    let said = status(&case, None);
    let rows: Vec<_> = said
        .checks
        .iter()
        .map(|row| (&*row.check, &*row.severity, row.count, row.exempt))
        .collect();
    assert_eq!(
        rows,
        [
            ("public-image", "critical", 1, 0),
            ("unencrypted-image", "high", 2, 1),
            ("launches-unencrypted-image", "high", 2, 0)
        ]
    );
    let named: Vec<&NamedFinding> = said.named.iter().collect();
    assert_eq!(
        ids(&named),
        [
            format!("public-image {}", image_id(3)),
            format!("unencrypted-image {}", image_id(1)),
            format!("unencrypted-image {}", image_id(3)),
            format!("launches-unencrypted-image LaunchTemplate/lt-1/{}", image_id(1)),
            format!("launches-unencrypted-image Instance/i-1/{}", image_id(1)),
            format!("unencrypted-image {}", image_id(2)),
        ]
    );
    assert_eq!((said.total, said.omitted), (5, 0));
    assert_eq!(said.named[5].exempt_until.as_deref(), Some("2100-01-01"));
    assert_eq!(
        record::first(&said).as_deref(),
        Some(
            "Findings: 1 critical, 4 high (1 public-image, 2 unencrypted-image, 2 launches-unencrypted-image). \
             status.findings names the worst."
        )
    );
    assert!(record::is_grave(&said));
    let nothing = status(&Case::of([exempt(1)]), None);
    assert_eq!(
        (nothing.total, record::first(&nothing)),
        (0, None),
        "what is exempt is none"
    );
    assert!(!record::is_grave(&nothing));
}

#[test]
fn no_more_are_named_than_fit_and_the_others_are_counted() {
    let case = Case::of((1..=60).map(|number| image(number, 1)));
    let said = status(&case, None);
    assert_eq!((said.named.len(), said.omitted, said.total), (NAMED_FINDINGS, 10, 60));
    // One that comes to be beyond those that are named shows in the number alone.
    let more = status(&Case::of((1..=61).map(|number| image(number, 1))), None);
    assert_eq!(told(&said, &more), (vec![], 1));
    // What takes a place among them is named, and what is pushed out is no news when it is back.
    let mut worse = image(61, 1);
    worse.public = true;
    let worse = status(&Case::of((1..=60).map(|number| image(number, 1)).chain([worse])), None);
    assert_eq!(told(&said, &worse), (vec![format!("public-image {}", image_id(61))], 1));
    assert_eq!(told(&worse, &said), (vec![], 0));
}

#[test]
fn what_could_not_be_read_is_named_and_what_was_found_of_it_before_stays() {
    let denied = || failed_call(Operation::GetEbsEncryptionByDefault, ErrorClass::Denied);
    let mut case = Case::of([image(1, 1)]);
    case.observed.guardrails = setting(Ok("disabled"));
    let before = status(&case, None);
    assert_eq!(before.total, 2);
    case.observed.guardrails = setting(Err(denied()));
    let now = status(&case, Some(&before));
    assert_eq!((now.total, &now.checks), (2, &before.checks));
    assert_eq!(now.unread[0].kind, "EncryptionByDefault");
    assert!(
        now.unread[0].message.contains("ec2:GetEbsEncryptionByDefault"),
        "{now:?}"
    );
    assert_eq!(told(&before, &now), (vec![], 0));
    assert!(
        !record::say_the_same(&before, &now),
        "it is said at once what cannot be read"
    );
    assert_eq!(status(&case, None).total, 1, "what was never found is not there");

    // What is not looked for any more, or is mended, goes.
    case.thresholds.disabled = [Check::EncryptionByDefaultOff].into();
    let now = status(&case, Some(&before));
    assert_eq!((now.total, now.unread.len()), (1, 0));
    case.thresholds.disabled.clear();
    case.observed.guardrails[0].state = Ok("enabled".into());
    case.observed.guardrails[0].holds = true;
    assert_eq!(status(&case, Some(&before)).total, 1);
}

#[test]
fn what_is_not_named_and_cannot_be_looked_for_again_is_counted_on_and_is_no_news_afterwards() {
    let images = 1..=u64::try_from(NAMED_FINDINGS).expect("a number") + 20;
    let mut case = Case::of(images.clone().map(|number| image(number, 1)));
    case.thresholds.allowed_sharing = Some(BTreeSet::new());
    let with = LaunchPermission::Account("444455556666".parse().expect("an account"));
    case.shared = images.map(|number| (image_id(number), [with.clone()].into())).collect();
    case.thresholds.disabled = Check::ALL
        .iter()
        .copied()
        .filter(|check| *check != Check::SharedOutside)
        .collect();
    let before = status(&case, None);
    assert_eq!((before.total, before.omitted), (70, 20));

    let mut denied = case;
    let shared = std::mem::take(&mut denied.shared);
    let error = failed_call(Operation::DescribeImageAttribute, ErrorClass::Denied);
    denied.shared_unread = shared.keys().map(|image| (image.clone(), error.clone())).collect();
    let during = status(&denied, Some(&before));
    assert_eq!((during.total, during.omitted), (70, 20));
    assert_eq!(during.checks, before.checks);

    denied.shared = shared;
    denied.shared_unread.clear();
    let after = status(&denied, Some(&during));
    assert_eq!(told(&during, &after), (Vec::new(), 0));
}

#[test]
fn a_vulnerable_image_that_is_not_scanned_any_more_is_not_taken_for_fixed() {
    let mut image = image(1, 1);
    image.extras = Some(Box::new(Extras {
        scan: Some(ImageScan {
            scanned: Some(at(0)),
            fix_available_since: [(Vulnerability::Critical, at(0))].into(),
            ..ImageScan::default()
        }),
        ..Extras::default()
    }));
    let mut case = Case::of([image]);
    case.thresholds.max_fix_available = [(Vulnerability::Critical, Duration::from_secs(24 * 3600))].into();
    let is_found = |status: &FindingsStatus| status.named.iter().any(|finding| finding.check == "vulnerable-image");
    let before = status(&case, None);
    assert!(is_found(&before), "{before:#?}");
    for image in case.world.images.values_mut() {
        *image = std::sync::Arc::new(Image {
            extras: None,
            ..Image::clone(image)
        });
    }
    assert!(
        is_found(&status(&case, Some(&before))),
        "Inspector says nothing any more"
    );
}

#[test]
fn an_exemption_of_what_stays_ends_with_its_day_too() {
    let mut case = Case::of([]);
    let failed = failed_call(Operation::DescribeSnapshots, ErrorClass::Denied);
    case.observed.public_snapshots = Err(failed);
    let until = |day: &str| {
        let before = FindingsStatus {
            named: vec![NamedFinding {
                check: "public-snapshot".to_owned(),
                resource: "snap-1".to_owned(),
                exempt_until: Some(day.to_owned()),
                ..NamedFinding::default()
            }],
            ..FindingsStatus::default()
        };
        status(&case, Some(&before)).total
    };
    assert_eq!((until("2100-01-01"), until("2001-01-01")), (0, 1));
}

#[test]
fn news_is_what_was_not_there_or_was_exempt_and_instances_that_come_and_go_are_none() {
    let lone = Case::of([image(1, 1), exempt(2)]).launches(ConsumerKind::AutoScalingGroup, "web", 1);
    let before = status(&lone, None);
    assert_eq!(told(&before, &before), (vec![], 0));
    // Another instance of the group.
    let case = Case::of([image(1, 1), exempt(2)])
        .launches(ConsumerKind::AutoScalingGroup, "web", 1)
        .launches(ConsumerKind::Instance, "i-1", 1);
    assert_eq!(told(&before, &status(&case, None)), (vec![], 0));
    let again = Case::of([image(1, 1), exempt(2)])
        .launches(ConsumerKind::AutoScalingGroup, "web", 1)
        .launches(ConsumerKind::Instance, "i-2", 1);
    assert!(record::say_the_same(&status(&case, None), &status(&again, None)));
    // An instance of an image of which nothing was said.
    let case = Case::of([image(1, 1), image(2, 1)])
        .launches(ConsumerKind::AutoScalingGroup, "web", 1)
        .launches(ConsumerKind::Instance, "i-1", 2);
    assert_eq!(
        told(&before, &status(&case, None)).0,
        [
            format!("unencrypted-image {}", image_id(2)),
            format!("launches-unencrypted-image Instance/i-1/{}", image_id(2)),
        ],
        "its exemption has ended"
    );
    // A restart changes nothing of it: it is decided on what the status says.
    let read: FindingsStatus = serde_json::from_value(serde_json::to_value(&before).expect("JSON")).expect("a status");
    assert_eq!(told(&read, &before), (vec![], 0));
}

#[test]
fn where_nobody_reads_who_uses_images_that_is_said_and_nothing_is_claimed_of_it() {
    let case = Case::of([image(1, 1)]).launches(ConsumerKind::AutoScalingGroup, "web", 1);
    let before = status(&case, None);
    assert_eq!(before.total, 2);
    let now = case.with(|subject| {
        let picture = Picture::default();
        let subject = Subject {
            picture: &picture,
            ..subject
        };
        record::of_target(subject, Some(&before), at(0))
    });
    assert_eq!((now.total, &*now.unread[0].kind), (1, "Consumers"));
}

#[test]
fn everything_was_read_where_only_scans_of_inspector_are_lacking() {
    let mut case = Case::of([image(1, 1)]);
    assert!(record::is_known(&status(&case, None)));
    case.thresholds.max_scan_age = Some(Duration::from_secs(24 * 3600));
    let unscanned = status(&case, None);
    assert_eq!((&*unscanned.unread[0].kind, unscanned.unread.len()), ("ScanResults", 1));
    assert!(record::is_known(&unscanned));
    case.observed.guardrails = setting(Err(failed_call(
        Operation::GetEbsEncryptionByDefault,
        ErrorClass::Denied,
    )));
    assert!(!record::is_known(&status(&case, None)));
}
