use super::*;
use crate::api::{AMIEncryptionPolicySpec, ImageSelector, ImageTerm};
use crate::domain::{Key, KeyProblem, KeyUsability};
use crate::plan::expand;
use crate::plan::testing::{World, account, at, encrypted_copy, image, image_id, key, region};

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

fn reported(world: World, view: &KeyView, key_trouble: Option<&Trouble>, older: &[Selector]) -> TargetReport {
    let inventory = world.inventory(at(0));
    let seen = Seen {
        spec: &spec(),
        account: &account(),
        region: &region(),
        inventory: &inventory,
        key: view,
        key_trouble,
        older,
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
    let of = CopyOf {
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
    assert_eq!(copied, [image_id(1).to_string(), image_id(5).to_string()]);
    assert_eq!((report.to_copy.images, report.to_copy.snapshots), (2, 3));
    assert_eq!(report.to_copy.bytes, 24 << 30);
    assert_eq!(report.under_way, 1);
    assert_eq!(report.images.map(|images| images.superseded), Some(1));
    assert_eq!(report.blocked(), 1);
    assert_eq!(report.cannot_migrate[0].reason, reason::PUBLIC_IMAGE);
    assert_eq!(report.stored_twice_now, 8 << 30);
    assert_eq!(report.stored_twice_after, 32 << 30);
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
    let denied = Trouble::new(reason::ACCESS_DENIED, "kms:DescribeKey: not permitted");
    let report = reported(World::of([image(1, 1)]), &KeyView::Unknown, Some(&denied), &[]);
    assert_eq!(report.cannot_migrate[0].message, denied.message);
    assert_eq!(report.problems.len(), 1);
    assert_eq!(report.problems[0].reason, reason::ACCESS_DENIED);
}

#[test]
fn what_an_older_policy_governs_is_not_copied() {
    let older = Selector::new(&ImageSelector {
        include: vec![ImageTerm {
            ids: vec![image_id(1).to_string()],
            ..ImageTerm::default()
        }],
        ..ImageSelector::default()
    });
    let report = reported(
        World::of([image(1, 1), image(2, 1)]),
        &known(KeyUsability::Usable),
        None,
        &[older],
    );
    assert_eq!(report.to_copy.images, 1);
    assert_eq!(report.images.map(|images| images.contested), Some(1));
}

#[test]
fn what_aws_may_refuse_is_doubted_and_still_counted_as_to_be_copied() {
    let mut codes = image(1, 1);
    codes.product_codes = true;
    let mut disabled = image(2, 1);
    disabled.state = ImageState::Disabled;
    let mut world = World::of([codes, disabled, image(3, 1), image(4, 1)]);
    world.snapshots.remove(&crate::plan::testing::snapshot_id(300));
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
            (reason::INVALID_REQUEST, image_id(2).to_string()),
            (reason::PRODUCT_CODE_NOT_COPYABLE, image_id(1).to_string()),
            (reason::SNAPSHOT_NOT_SHARED, image_id(3).to_string()),
        ]
    );
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
    lacking.lacks(&Lacking {
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
    let report = sum_up(vec![one.clone(), other], Pace::default(), Some(0.05));
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
        account: &account(),
        region: &region(),
        inventory: &inventory,
        key: &known(KeyUsability::Usable),
        key_trouble: None,
        older: &[],
    };
    let report = examine(seen).report(Pace::default(), false);
    assert_eq!(
        (report.cannot_migrate[0].count, report.cannot_migrate[0].images.len()),
        (9, EXAMPLES)
    );
}
