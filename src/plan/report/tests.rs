use super::*;
use crate::api::{AMIEncryptionPolicySpec, Backups, ImageSelector, ImageTerm, OtherKey};
use crate::domain::{
    AwsError, BlockDevice, Cause, ErrorClass, ImageState, Kept, Key, KeyArn, KeyProblem, KeyUsability,
    MissingPermissions, Operation,
};
use crate::plan::expand;
use crate::plan::prices::Prices;
use crate::plan::testing::{World, at, encrypted_copy, image, image_id, key, scope, snapshot_id};

fn spec() -> AMIEncryptionTargetSpec {
    let policy: AMIEncryptionPolicySpec = serde_saphyr::from_str(
        "accounts: [{accountID: '111122223333', regions: [{name: eu-west-1, kmsKeyID: alias/ami}]}]",
    )
    .expect("a policy");
    expand::targets("production", &policy).remove(0)
}

fn known(usability: KeyUsability) -> KeyView {
    KeyView::Known(Key {
        arn: key(1),
        usability,
        aws_managed: false,
    })
}

fn reported(world: World, view: &KeyView, key_problem: Option<&Problem>, others: &[Other]) -> TargetReport {
    let inventory = world.inventory(at(0));
    let seen = Seen {
        spec: &spec(),
        scope: &scope(),
        inventory: &inventory,
        key: view,
        key_problem,
        others,
    };
    examine(seen).report(Pace::default(), true)
}

fn usable(world: World) -> TargetReport {
    reported(world, &known(KeyUsability::Usable), None, &[])
}

#[test]
fn an_image_is_copied_is_under_way_or_cannot_be_and_never_two_of_these() {
    let mut public = image(3, 1);
    public.public = true;
    let sources = [image(1, 2), image(2, 1), public, image(4, 1), image(5, 1)];
    let mut world = World::of(sources.clone());
    encrypted_copy(&sources[1], 12, &key(1), &mut world);
    let of = CopyIdentity {
        source: image_id(4),
        ..crate::plan::testing::copy_of()
    };
    let mut pending = encrypted_copy(&sources[3], 14, &key(1), &mut world);
    pending.state = ImageState::Pending;
    pending.name = of.copy_name("{name}", "web-4", 1).into();
    pending.tags = [
        (crate::api::labels::TAG_SOURCE_IMAGE.into(), image_id(4).as_str().into()),
        (crate::api::labels::TAG_ATTEMPT.into(), "1".into()),
    ]
    .into();
    world.images.insert(pending.id.clone(), Arc::new(pending));

    let report = usable(world);
    let copied: Vec<_> = report.to_copy.list.iter().map(|copy| copy.image.id.clone()).collect();
    assert_eq!(copied, [image_id(1), image_id(5)]);
    assert_eq!((report.to_copy.images, report.to_copy.snapshots), (2, 3));
    assert_eq!(report.to_copy.bytes, 24 << 30);
    assert_eq!(report.under_way, 1);
    assert_eq!(report.images.map(|images| images.superseded), Some(1));
    assert_eq!(report.blocked(), 1);
    assert_eq!(report.cannot_migrate[0].reason, reason::PUBLIC_IMAGE);
    assert_eq!(report.stored_twice_now, 8 << 30);
    // With what is under way.
    assert_eq!(report.stored_twice_after, 40 << 30);
    assert_eq!(report.problems, []);
}

#[test]
fn nothing_is_copied_under_a_key_that_cannot_be_used_and_the_key_is_a_problem_of_its_own() {
    let disabled = known(KeyUsability::Unusable(KeyProblem::Disabled));
    let missing = KeyView::Unresolved(KeyProblem::NotFound);
    for (view, expected) in [(disabled, reason::KEY_DISABLED), (missing, reason::KEY_NOT_FOUND)] {
        let report = reported(World::of([image(1, 1), image(2, 1)]), &view, None, &[]);
        assert_eq!((report.to_copy.images, report.blocked()), (0, 2));
        assert_eq!(report.cannot_migrate.len(), 1, "one reason is said once");
        assert_eq!(report.cannot_migrate[0].reason, expected);
        assert_eq!(report.problems[0].reason, expected);
        assert!(!report.key.usable);
    }
}

#[test]
fn a_key_that_could_not_be_read_is_told_by_what_hindered_reading_it() {
    let denied = Problem::new(reason::ACCESS_DENIED, "kms:DescribeKey: not permitted");
    let report = reported(World::of([image(1, 1)]), &KeyView::Unknown, Some(&denied), &[]);
    assert_eq!(report.cannot_migrate[0].message, denied.message);
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].reason, reason::ACCESS_DENIED);
}

/// A younger policy that selects these images.
fn other(images: &[u64], key: Option<KeyArn>) -> Other {
    let include = ImageTerm {
        ids: images.iter().map(|image| image_id(*image).to_string()).collect(),
        ..ImageTerm::default()
    };
    let selector = ImageSelector {
        include: vec![include],
        ..ImageSelector::default()
    };
    Other {
        policy: "other".to_owned(),
        selector: Selector::new(&selector, Backups::Exclude),
        other_key: OtherKey::Report,
        key,
        is_older: false,
    }
}

#[test]
fn what_an_older_policy_governs_is_not_copied() {
    let older = Other {
        policy: "base".to_owned(),
        is_older: true,
        ..other(&[1], None)
    };
    let report = reported(
        World::of([image(1, 1), image(2, 1)]),
        &known(KeyUsability::Usable),
        None,
        &[older],
    );
    assert_eq!(report.to_copy.images, 1);
    assert_eq!(report.images.map(|images| images.contested), Some(1));
    assert_eq!(report.contested_by, ["base"]);
}

#[test]
fn what_another_policy_has_made_is_not_copied_as_far_as_selectors_keys_names_and_tags_show_it() {
    let older = |other: Other| Other {
        is_older: true,
        ..other
    };
    // The other policy, the key that the copy is under, the one that its name is made with, whether this policy selects the original too;
    // how many images are contested, and which ones are copied.
    type Case = (Other, Option<u32>, Option<u32>, bool, u32, &'static [u64]);
    let cases: [Case; 12] = [
        (other(&[1], Some(key(2))), Some(2), None, false, 1, &[]),
        (other(&[1], Some(key(2))), Some(2), Some(2), false, 1, &[]),
        (older(other(&[1], Some(key(2)))), Some(2), None, false, 1, &[]),
        // It has come out wrong.
        (other(&[1], Some(key(2))), None, Some(2), false, 1, &[]),
        (other(&[1], Some(key(2))), None, None, false, 0, &[101]),
        // It is not what the other one asks for, or that is not known.
        (other(&[1], Some(key(3))), Some(2), Some(2), false, 0, &[101]),
        (other(&[1], None), Some(2), Some(2), false, 0, &[101]),
        (other(&[9], Some(key(2))), Some(2), Some(2), false, 0, &[101]),
        // This policy asks nothing of it.
        (other(&[1], Some(key(1))), Some(1), None, false, 0, &[]),
        // Who governs the original has made the copy.
        (other(&[1], Some(key(2))), Some(2), Some(2), true, 0, &[1, 101]),
        (older(other(&[1], Some(key(2)))), Some(2), Some(2), true, 2, &[]),
        (older(other(&[101], Some(key(1)))), Some(2), Some(2), false, 1, &[]),
    ];
    for (other, under, named, selects, contested, copied) in cases {
        let source = image(1, 1);
        let mut world = World::of([source.clone()]);
        let mut copy = encrypted_copy(&source, 101, &key(under.unwrap_or(1)), &mut world);
        if let Some(named) = named {
            let of = CopyIdentity {
                key: key(named),
                ..crate::plan::testing::copy_of()
            };
            copy.name = of.copy_name("{name}", "web-1", 1).into();
            copy.tags = [
                (crate::api::labels::TAG_SOURCE_IMAGE.into(), image_id(1).as_str().into()),
                (crate::api::labels::TAG_ATTEMPT.into(), "1".into()),
            ]
            .into();
        }
        if under.is_none() {
            // Its snapshots are still those that AWS has made for it.
            for (_, _, snapshot) in copy.volumes() {
                let snapshot = world.snapshots.get_mut(snapshot).expect("known");
                (snapshot.encrypted, snapshot.key) = (false, None);
            }
        }
        world.images.insert(copy.id.clone(), Arc::new(copy));
        let mut spec = spec();
        spec.other_key = OtherKey::Migrate;
        if !selects {
            spec.image_selector.exclude = vec![ImageTerm {
                ids: vec![image_id(1).to_string()],
                ..ImageTerm::default()
            }];
        }
        let case = format!("{other:?} {under:?} {named:?} {selects}");
        let seen = Seen {
            spec: &spec,
            scope: &scope(),
            inventory: &world.inventory(at(0)),
            key: &known(KeyUsability::Usable),
            key_problem: None,
            others: &[other],
        };
        let report = examine(seen).report(Pace::default(), true);
        assert_eq!(report.images.map(|images| images.contested), Some(contested), "{case}");
        let by: &[&str] = if contested > 0 { &["other"] } else { &[] };
        assert_eq!(report.contested_by, by, "{case}");
        let to_copy: Vec<_> = report.to_copy.list.iter().map(|copy| copy.image.id.clone()).collect();
        let copied: Vec<_> = copied.iter().map(|image| image_id(*image)).collect();
        assert_eq!(to_copy, copied, "{case}");
    }
}

#[test]
fn a_snapshot_that_originals_share_is_kept_twice_once_whatever_becomes_of_them() {
    let sharing = |number: u64| {
        let mut image = image(number, 1);
        if let BlockDevice::Ebs { volume, .. } = &mut image.devices[0] {
            volume.snapshot = Some(snapshot_id(100));
        }
        image
    };
    // How many of two images that share a snapshot have a copy; what is copied, and what is kept twice before and after, in GiB.
    for (copies, copied, before, after) in [(0, 16, 0, 8), (1, 8, 8, 8), (2, 0, 8, 8)] {
        let sources = [sharing(1), sharing(2)];
        let mut world = World::of(sources.clone());
        for (source, copy) in sources.iter().zip(101..).take(copies) {
            encrypted_copy(source, copy, &key(1), &mut world);
        }
        let report = usable(world);
        let bytes = [report.to_copy.bytes, report.stored_twice_now, report.stored_twice_after];
        assert_eq!(bytes.map(|bytes| bytes >> 30), [copied, before, after], "{copies}");
    }
}

#[test]
fn what_aws_may_refuse_is_doubted_and_still_counted_as_to_be_copied() {
    let mut codes = image(1, 1);
    codes.product_codes = true;
    let mut world = World::of([codes, image(2, 1), image(3, 1), image(4, 1)]);
    world.snapshots.remove(&snapshot_id(300));
    let report = usable(world);
    assert_eq!(report.to_copy.images, 4);
    let doubts: Vec<_> = report
        .may_be_refused
        .iter()
        .map(|group| (group.reason, group.images[0].id.clone()))
        .collect();
    assert_eq!(
        doubts,
        [
            (reason::PRODUCT_CODE_NOT_COPYABLE, image_id(1)),
            (reason::SNAPSHOT_NOT_SHARED, image_id(3)),
        ]
    );
}

#[test]
fn what_cannot_be_copied_for_its_own_sake_is_foreseen() {
    let mut disabled = image(1, 1);
    disabled.state = ImageState::Disabled;
    let mut world = World::of([disabled, image(2, 1), image(3, 2), image(4, 1)]);
    world.snapshots.get_mut(&snapshot_id(200)).expect("there").kept = Kept::Archive;
    world.snapshots.get_mut(&snapshot_id(301)).expect("there").kept = Kept::Local;
    let report = usable(world);
    assert_eq!(report.to_copy.images, 1);
    let blocked: Vec<_> = report
        .cannot_migrate
        .iter()
        .map(|group| (group.reason, group.images[0].id.clone()))
        .collect();
    assert_eq!(
        blocked,
        [
            (reason::IMAGE_DISABLED, image_id(1)),
            (reason::SNAPSHOT_ARCHIVED, image_id(2)),
            (reason::SNAPSHOT_LOCAL, image_id(3)),
        ]
    );
}

#[test]
fn images_that_cannot_be_read_and_backups_are_named_with_what_mends_them() {
    let mut odd = image(1, 1);
    odd.extras.get_or_insert_default().unread = Some("deviceName is missing".into());
    let mut backup = image(2, 1);
    backup.backup = true;
    let report = usable(World::of([odd, backup, image(3, 1)]));
    assert_eq!(report.to_copy.images, 1);
    assert_eq!(report.unknown[0].images[0].id, image_id(1));
    assert!(
        report.unknown[0].message.contains("deviceName is missing"),
        "{:?}",
        report.unknown
    );
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.backups[0].images[0].id, image_id(2));
    assert!(
        report.backups[0].message.contains("spec.backups: Include"),
        "{:?}",
        report.backups
    );
}

/// An image that is encrypted under the policy's key.
fn encrypted(number: u64, world: &mut World) {
    let mut encrypted = image(number, 1);
    for device in &mut encrypted.devices {
        if let BlockDevice::Ebs { volume, .. } = device {
            volume.encrypted = Some(true);
        }
    }
    world.add(encrypted, Some(&key(1)));
}

#[test]
fn images_whose_encryption_could_not_be_told_are_a_problem_of_their_own_unless_the_key_is_not_known() {
    let denied = Problem::new(reason::ACCESS_DENIED, "kms:DescribeKey: not permitted.");
    let good = known(KeyUsability::Usable);
    let disabled = known(KeyUsability::Unusable(KeyProblem::Disabled));
    let missing = KeyView::Unresolved(KeyProblem::NotFound);
    // The key, what hindered reading it, and how many of three images have a snapshot that is not in the account's list.
    for (view, hindrance, unlisted, expected) in [
        (&good, None, 0, vec![]),
        (&good, None, 1, vec![reason::UNKNOWN_IMAGES]),
        (&good, None, 3, vec![reason::UNKNOWN_IMAGES]),
        (&disabled, None, 0, vec![reason::KEY_DISABLED]),
        (&disabled, None, 1, vec![reason::KEY_DISABLED, reason::UNKNOWN_IMAGES]),
        (&missing, None, 0, vec![reason::KEY_NOT_FOUND]),
        (
            &KeyView::Unknown,
            Some(&denied),
            1,
            vec![reason::ACCESS_DENIED, reason::UNKNOWN_IMAGES],
        ),
    ] {
        let mut world = World::default();
        (1..=3).for_each(|number| encrypted(number, &mut world));
        for number in 1..=unlisted {
            world.snapshots.remove(&snapshot_id(number * 100));
        }
        let report = reported(world, view, hindrance, &[]);
        let reasons: Vec<_> = report.problems.iter().map(|problem| problem.reason).collect();
        assert_eq!(reasons, expected, "{view:?}, {unlisted} unlisted");
        let unknown = report.unknown.iter().map(|group| group.count).sum();
        let says = format!("The encryption of {}", images_in_words(unknown));
        for problem in &report.problems {
            let says_so = problem.message.starts_with(&says);
            assert_eq!(says_so, problem.reason == reason::UNKNOWN_IMAGES, "{}", problem.message);
        }
        let outcome = if expected.is_empty() {
            Outcome::NothingToDo
        } else {
            Outcome::Problems
        };
        assert_eq!(sum_up(vec![report], Pace::default(), None).outcome, outcome);
    }
}

#[test]
fn an_image_that_aws_did_not_answer_about_is_neither_copied_nor_impossible() {
    use ErrorClass::{Conflict, Denied, Invalid, NotFound, NotOurs, Quota, Throttled, Transient};
    let shared = Problem::new(reason::DEFAULT_KEY_CANNOT_BE_SHARED, "The image is shared with others.");
    let gone = Some(Cause::ImageNotFound);
    let absurd = Some(Cause::MalformedAnswer);
    let nobody = Some(Cause::NoCredentials);
    let inventory = World::of([image(1, 1), image(2, 1), image(3, 1), image(4, 1)]).inventory(at(0));
    // Of four images the third is shared. Which are not answered about, how many are then asked about, to be copied,
    // impossible and undecided, and why.
    for (class, cause, unanswered, expected, why) in [
        (Denied, None, 4..5, [4, 3, 1, 0], ""),
        (Denied, None, 0..4, [1, 0, 0, 4], reason::ACCESS_DENIED),
        (Denied, None, 1..2, [2, 1, 0, 3], reason::ACCESS_DENIED),
        (Throttled, None, 1..2, [2, 1, 0, 3], reason::THROTTLED),
        (Transient, None, 3..4, [4, 2, 1, 1], reason::TRANSIENT_ERROR),
        (NotOurs, None, 1..2, [2, 1, 0, 3], reason::TRANSIENT_ERROR),
        (Quota, None, 1..2, [2, 1, 0, 3], reason::QUOTA_EXCEEDED),
        (Invalid, nobody, 1..2, [2, 1, 0, 3], reason::ROLE_NOT_ASSUMABLE),
        (NotFound, gone, 1..2, [4, 2, 1, 1], reason::INVALID_REQUEST),
        (Invalid, absurd, 0..2, [4, 1, 1, 2], reason::INVALID_REQUEST),
        (Invalid, None, 2..3, [4, 3, 0, 1], reason::INVALID_REQUEST),
        (Conflict, None, 1..2, [4, 2, 1, 1], reason::INVALID_REQUEST),
    ] {
        let seen = Seen {
            spec: &spec(),
            scope: &scope(),
            inventory: &inventory,
            key: &known(KeyUsability::Usable),
            key_problem: None,
            others: &[],
        };
        let mut findings = examine(seen);
        let mut answers = Answers::default();
        let mut asked = 0;
        for (number, image) in findings.to_copy().iter().enumerate() {
            let answer = if unanswered.contains(&number) {
                Err(AwsError {
                    class,
                    cause,
                    code: None,
                    operation: Operation::DescribeImageAttribute,
                    action: None,
                    retry_after: None,
                    limit: None,
                    said: None,
                    endpoint: None,
                })
            } else {
                Ok((number == 2).then(|| shared.clone()))
            };
            asked += 1;
            if answers.take(&image.id, answer).is_break() {
                break;
            }
        }
        findings.decide(&answers);
        let report = findings.report(Pace::default(), true);
        let [.., undecided] = expected;
        assert_eq!(
            [asked, report.to_copy.images, report.blocked(), report.undecided],
            expected,
            "{class:?} {cause:?}"
        );
        let reasons: Vec<_> = report.problems.iter().map(|problem| problem.reason).collect();
        if undecided == 0 {
            assert_eq!(reasons, Vec::<&str>::new());
            continue;
        }
        assert_eq!(reasons, [why], "{class:?} {cause:?}: what hindered alike is said once");
        let message = &report.problems[0].message;
        assert!(message.starts_with("ec2:DescribeImageAttribute: "), "{message}");
        let says = format!("undecided whether {} can be copied", images_in_words(undecided));
        assert!(message.contains(&says), "{message}");
        let sum = sum_up(vec![report], Pace::default(), None);
        assert_eq!((sum.outcome, sum.totals.undecided), (Outcome::Problems, undecided));
    }
}

#[test]
fn the_outcome_is_the_worst_that_there_is_to_say() {
    let sum = |targets: Vec<TargetReport>| sum_up(targets, Pace::default(), None).outcome;
    let nothing = usable(World::default());
    let changes = usable(World::of([image(1, 1)]));
    let mut public = image(1, 1);
    public.public = true;
    let blocked = usable(World::of([public]));
    let mut lacking = nothing.clone();
    lacking.lacks(&MissingPermissions {
        certain: vec!["ec2:CopyImage"],
        untagged: Vec::new(),
    });
    assert_eq!(sum(vec![]), Outcome::NothingToDo);
    assert_eq!(sum(vec![nothing.clone()]), Outcome::NothingToDo);
    assert_eq!(sum(vec![nothing.clone(), changes.clone()]), Outcome::Changes);
    assert_eq!(sum(vec![blocked]), Outcome::Changes, "somebody has to act");
    assert_eq!(sum(vec![changes, lacking]), Outcome::Problems);
}

#[test]
fn accounts_go_on_side_by_side_and_policies_of_one_account_share_its_limit() {
    let one = usable(World::of([image(1, 1)]));
    let other = TargetReport {
        account_id: "444455556666".to_owned(),
        ..one.clone()
    };
    let alone = one.to_copy.seconds;
    assert!(alone > 0);
    let report = sum_up(
        vec![one.clone(), other],
        Pace::default(),
        Some(Prices::everywhere(0.05)),
    );
    assert_eq!(report.totals.seconds, alone);
    assert_eq!(report.totals.bytes, 16 << 30);
    assert_eq!(report.totals.monthly_cost, Some(0.8));
    assert_eq!(
        sum_up(vec![one.clone(), one], Pace::default(), None).totals.seconds,
        2 * alone
    );
}

#[test]
fn durations_are_told_in_minutes_and_then_in_hours() {
    for (seconds, text) in [
        (0, "0 h"),
        (1, "1 min"),
        (3599, "60 min"),
        (3600, "1.0 h"),
        (86_400, "24.0 h"),
    ] {
        assert_eq!(hours(seconds), text);
    }
}

#[test]
fn a_short_report_names_a_few_images_and_counts_all() {
    let mut world = World::default();
    for number in 1..=9 {
        let mut public = image(number, 1);
        public.public = true;
        world.add(public, None);
    }
    let inventory = world.inventory(at(0));
    let seen = Seen {
        spec: &spec(),
        scope: &scope(),
        inventory: &inventory,
        key: &known(KeyUsability::Usable),
        key_problem: None,
        others: &[],
    };
    let report = examine(seen).report(Pace::default(), false);
    assert_eq!(
        (report.cannot_migrate[0].count, report.cannot_migrate[0].images.len()),
        (9, EXAMPLES)
    );
}
