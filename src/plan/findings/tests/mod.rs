mod cluster;
mod images;
mod key_access;
mod keys;
mod launches;
mod record;
mod region;

use std::time::Duration;

use super::*;
use crate::domain::{
    AwsError, ConsumerKind, ErrorClass, Guardrail, ImageRef, ImageState, LaunchPermission, Launcher, Launches,
    Operation, Readings, Source,
};
use crate::plan::testing::{World, account, at, encrypted_copy, image, image_id, key, region, scope};
use crate::plan::usage;

const DAY: i64 = 24 * 3600;

/// A world to examine, a hundred days after its images were made and last launched.
struct Case {
    world: World,
    readings: Readings,
    thresholds: Thresholds,
    observed: Observed,
    shared: HashMap<ImageId, BTreeSet<LaunchPermission>>,
    shared_unread: BTreeMap<ImageId, AwsError>,
}

/// A trail of all regions that logs.
fn trail() -> Trail {
    Trail {
        arn: "arn:aws:cloudtrail:us-east-1:111122223333:trail/all".into(),
        multi_region: true,
        logs: Ok(true),
    }
}

impl Case {
    fn of(images: impl IntoIterator<Item = Image>) -> Self {
        let quiet = |mut image: Image| {
            image.created = Some(at(0));
            image.last_launched = Some(at(0));
            image
        };
        Self {
            world: World::of(images.into_iter().map(quiet)),
            readings: Readings::default(),
            thresholds: Thresholds {
                accounts: [account()].into(),
                by_policy: true,
                ..Thresholds::default()
            },
            observed: Observed {
                trails: Ok(vec![trail()]),
                ..Observed::default()
            },
            shared: HashMap::new(),
            shared_unread: BTreeMap::new(),
        }
    }

    fn launches(mut self, kind: ConsumerKind, id: &str, image: u64) -> Self {
        self.readings.launchers.push(Launcher {
            kind,
            id: id.into(),
            launches: vec![("".into(), Launches::Image(ImageRef::Image(image_id(image))))],
            owner: None,
        });
        self
    }

    fn found(&self) -> Vec<Finding> {
        self.with(examine)
    }

    fn with<T>(&self, work: impl FnOnce(Subject<'_>) -> T) -> T {
        let world = World {
            images: self.world.images.clone(),
            snapshots: self.world.snapshots.clone(),
        };
        let (inventory, scope) = (world.inventory(at(0)), scope());
        let mut graph = usage::graph(&self.readings, &account(), at(0));
        let images: Vec<ImageId> = inventory.images.keys().cloned().collect();
        graph.confirm(&images, &[], &account());
        let picture = Picture {
            graph,
            shared: self.shared.clone(),
            shared_unread: self.shared_unread.clone(),
            ..Picture::default()
        };
        work(Subject {
            scope: &scope,
            inventory: &inventory,
            picture: &picture,
            observed: &self.observed,
            thresholds: &self.thresholds,
            now: at(100 * DAY),
        })
    }

    /// What is said of a check.
    fn said(&self, check: Check) -> Vec<String> {
        let found = self.found().into_iter();
        found
            .filter(|finding| finding.check == check)
            .map(|finding| finding.what)
            .collect()
    }

    /// Kind, ID and message of what could not be read.
    fn unread(&self) -> Vec<(String, Option<String>, String)> {
        let unread = self.with(|subject| subject.unread()).into_iter();
        unread
            .map(|unknown| (unknown.kind.into_owned(), unknown.id, unknown.message))
            .collect()
    }

    /// Check and resource of each finding.
    fn lines(&self) -> Vec<String> {
        let line = |finding: Finding| format!("{} {}", finding.check, finding.resource);
        self.found().into_iter().map(line).collect()
    }
}

#[test]
fn an_unencrypted_image_and_what_launches_it_are_found() {
    let case = Case::of([image(1, 1)])
        .launches(ConsumerKind::Instance, "i-1", 1)
        .launches(ConsumerKind::Instance, "i-2", 1)
        .launches(ConsumerKind::AutoScalingGroup, "web", 1);
    assert_eq!(
        case.lines(),
        [
            format!("unencrypted-image {}", image_id(1)),
            format!("launches-unencrypted-image AutoScalingGroup/web/{}", image_id(1)),
            format!("launches-unencrypted-image Instance/i-1/{}", image_id(1)),
            format!("launches-unencrypted-image Instance/i-2/{}", image_id(1)),
        ]
    );
    let what = &case.found()[0].what;
    assert!(
        what.ends_with("is not encrypted, and is used by 2 instances, 1 Auto Scaling group."),
        "{what}"
    );
}

#[test]
fn nobody_uses_an_image_only_where_it_was_read_who_may_launch_it() {
    let mut case = Case::of([]);
    let source = image(1, 1);
    let mut copy = encrypted_copy(&source, 2, &key(1), &mut case.world);
    (copy.copied_from, copy.created, copy.last_launched) = (None, Some(at(0)), Some(at(0)));
    case.world.images.insert(copy.id.clone(), std::sync::Arc::new(copy));
    assert_eq!(case.lines(), [""; 0], "it may be shared");
    case.shared.insert(image_id(2), BTreeSet::new());
    assert_eq!(case.lines(), [format!("unused-image {}", image_id(2))]);

    let account = LaunchPermission::Account("444455556666".parse().expect("an account"));
    case.shared.insert(image_id(2), [account].into());
    assert_eq!(case.lines(), [""; 0], "somebody else may launch it");
    case.shared.insert(image_id(2), BTreeSet::new());
    let case = case.launches(ConsumerKind::Parameter, "/golden", 2);
    assert_eq!(case.lines(), [""; 0]);
}

#[test]
fn a_copy_is_as_old_as_what_it_was_copied_from() {
    let mut case = Case::of([image(1, 1)]);
    let source = case.world.images[&image_id(1)].clone();
    let mut copy = encrypted_copy(&source, 2, &key(1), &mut case.world);
    copy.created = Some(at(99 * DAY));
    copy.copied_from = Some(Box::new(Source {
        image: image_id(1),
        region: region(),
    }));
    case.world.images.insert(copy.id.clone(), std::sync::Arc::new(copy));
    case.thresholds.max_image_age = Some(Duration::from_secs(30 * 24 * 3600));
    let old: Vec<String> = case
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("old"))
        .collect();
    assert_eq!(
        old,
        [
            format!("old-image {}", image_id(1)),
            format!("old-image {}", image_id(2))
        ]
    );
    case.thresholds.max_image_age = Some(Duration::from_secs(100 * 24 * 3600));
    assert!(!case.lines().iter().any(|line| line.starts_with("old")));
}

#[test]
fn what_is_public_disabled_or_deprecated_and_launched_is_found() {
    let mut public = image(1, 1);
    public.public = true;
    let mut disabled = image(2, 1);
    disabled.state = ImageState::Disabled;
    let mut deprecated = image(3, 1);
    deprecated.deprecation_time = Some(at(DAY));
    let mut later = image(4, 1);
    later.deprecation_time = Some(at(200 * DAY));
    let mut case = Case::of([public, disabled, deprecated, later]);
    for number in 1..=4 {
        case = case.launches(ConsumerKind::Fleet, "fleet", number);
    }
    let lines = case.lines();
    for (check, number) in [("disabled-image-in-use", 2), ("deprecated-image-in-use", 3)] {
        let found: Vec<&String> = lines.iter().filter(|line| line.starts_with(check)).collect();
        assert_eq!(found, [&format!("{check} Fleet/fleet/{}", image_id(number))]);
    }
    assert_eq!(lines[0], format!("public-image {}", image_id(1)), "the worst first");
}

#[test]
fn tags_that_have_to_be_there_are_missed_and_an_exemption_holds_until_its_day() {
    let mut case = Case::of([image(1, 1)]);
    case.thresholds.required_tags = ["owner".to_owned(), "version".to_owned()].into();
    let of_tags = |case: &Case| {
        case.found()
            .into_iter()
            .find(|finding| finding.check == Check::MissingTags)
    };
    let lacks = of_tags(&case).expect("a finding").what;
    assert!(lacks.ends_with("lacks owner, version."), "{lacks}");
    let today = at(100 * DAY).to_zoned(jiff::tz::TimeZone::UTC).date();
    for (until, holds) in [
        (today.to_string(), true),
        (today.yesterday().expect("a day").to_string(), false),
        ("soon".to_owned(), false),
    ] {
        let mut image = image(1, 1);
        image.tags = [
            (TAG_EXEMPT_UNTIL.into(), until.as_str().into()),
            (TAG_EXEMPT_REASON.into(), "retired in June".into()),
        ]
        .into();
        case.world.images.insert(image.id.clone(), std::sync::Arc::new(image));
        let exemption = of_tags(&case).expect("it is shown all the same").exemption;
        assert_eq!(
            exemption.map(|exemption| exemption.reason),
            holds.then(|| Some("retired in June".to_owned())),
            "{until}"
        );
    }
}

#[test]
fn what_launches_an_image_that_is_gone_is_found_and_a_foreign_image_that_is_there_is_not() {
    let mut case = Case::of([])
        .launches(ConsumerKind::AutoScalingGroup, "web", 7)
        .launches(ConsumerKind::Instance, "i-1", 7)
        .launches(ConsumerKind::Instance, "i-2", 8);
    assert_eq!(case.lines(), [""; 0]);
    case.observed.foreign = Ok(Foreign {
        missing: [image_id(7)].into(),
        ..Foreign::default()
    });
    assert_eq!(
        case.lines(),
        [
            format!("launches-missing-image AutoScalingGroup/web/{}", image_id(7)),
            format!("instance-of-missing-image Instance/i-1/{}", image_id(7)),
        ]
    );
}

#[test]
fn a_setting_that_does_not_hold_is_a_finding_and_one_that_was_not_read_is_none() {
    let mut case = Case::of([]);
    let state = |guardrail, state: Result<&str, AwsError>, holds| GuardrailState {
        guardrail,
        state: state.map(Into::into),
        holds,
        managed_by: None,
        criteria: Vec::new(),
    };
    let denied = AwsError::new(Operation::GetAllowedImagesSettings, ErrorClass::Denied, None);
    case.observed.guardrails = vec![
        state(Guardrail::EncryptionByDefault, Ok("disabled"), false),
        state(Guardrail::ImageBlockPublicAccess, Ok("block-new-sharing"), true),
        state(Guardrail::SnapshotBlockPublicAccess, Ok("unblocked"), false),
        state(Guardrail::AllowedImages, Err(denied), false),
    ];
    assert_eq!(
        case.lines(),
        [
            "encryption-by-default-off EncryptionByDefault",
            "snapshot-public-access-not-blocked SnapshotBlockPublicAccess",
        ]
    );
}

#[test]
fn an_id_is_the_same_from_one_report_to_the_next_and_differs_between_findings() {
    let case = Case::of([image(1, 1), image(2, 1)]).launches(ConsumerKind::Instance, "i-1", 1);
    let ids: Vec<String> = case.found().iter().map(Finding::id).collect();
    assert_eq!(ids, case.found().iter().map(Finding::id).collect::<Vec<_>>());
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    assert!(ids.iter().all(|id| id.len() == 32), "{ids:?}");
}
