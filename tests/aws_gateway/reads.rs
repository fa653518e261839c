//! Inventories, single reads and keys.

use std::collections::BTreeSet;
use std::sync::Arc;

use amiseal::aws::{Access, Session};
use amiseal::domain::{
    AccountId, BlockDevice, Image, ImageState, Inventory, KeyProblem, KeyUsability, LaunchPermission, PendingSnapshot,
    SnapshotId, SnapshotState,
};
use ec2sim::Edit;
use jiff::civil::Date;
use serde_json::json;

use crate::{ACCOUNT, Bench, IMAGES, KEY, PLAIN, REGION, copy, image, key_arn};

#[tokio::test]
async fn a_scan_finds_all_images_and_snapshots_through_short_and_empty_pages() {
    let bench = Bench::new().await;
    let began = jiff::Timestamp::now();
    let found = bench.session(Access::ReadOnly).scan().await.expect("a scan");
    assert!(began <= found.scanned && found.scanned <= jiff::Timestamp::now());
    assert_eq!(found.images.len(), IMAGES);
    let world: BTreeSet<String> = bench.sim().with_world(|world| {
        let region = world.region(ACCOUNT, REGION).expect("the region");
        region.images.keys().cloned().collect()
    });
    let seen: BTreeSet<String> = found.images.keys().map(ToString::to_string).collect();
    assert_eq!(seen, world);
    assert_eq!(
        found.snapshots.len(),
        25 * 2 + 3,
        "all but the one that another account owns"
    );
    assert!(bench.calls("DescribeImages").len() > IMAGES / 4, "it took many pages");
    let sealed = &found.images[&image("ami-00000000000000002")];
    let (_, volume, snapshot) = sealed.volumes().next().expect("a volume");
    assert_eq!(volume.encrypted, Some(true));
    assert_eq!(found.snapshots[snapshot].key, Some(key_arn(KEY)));
    let other = "arn:aws:kms:eu-west-1:444455556666:key/77777777-7777-4777-8777-777777777777";
    let associated = found.snapshots[snapshot].also().map(|key| key.as_str());
    assert_eq!(associated, Some(other), "a key that the SDK leaves out");
    assert_eq!(found.snapshots.values().filter(|s| s.also().is_some()).count(), 1);
    assert_eq!(
        found.images[&image("ami-00000000000000003")].state,
        ImageState::Disabled
    );
}

#[tokio::test]
async fn images_are_read_by_the_days_on_which_they_were_made_through_all_pages() {
    let bench = Bench::new().await;
    for (name, created, state) in [
        ("evening", "2020-11-30T23:59:59Z", "available"),
        ("morning", "2020-12-01T00:00:00Z", "disabled"),
        ("noon", "2020-12-01T12:00:00Z", "available"),
        ("afternoon", "2020-12-01T15:00:00Z", "pending"),
        ("night", "2020-12-01T22:00:00Z", "available"),
        ("midnight", "2020-12-02T00:00:00Z", "available"),
    ] {
        let image = json!({"name": name, "creationDate": created, "state": state});
        let added = bench.sim().edit(Edit::AddImage {
            account: ACCOUNT.to_owned(),
            region: REGION.to_owned(),
            image: Box::new(serde_json::from_value(image).expect("an image")),
        });
        added.expect("a region");
    }
    let session = bench.session(Access::ReadOnly);
    let names = |images: &[Image]| {
        let mut names: Vec<String> = images.iter().map(|image| image.name.to_string()).collect();
        names.sort_unstable();
        names
    };
    let mut known = Inventory::default();
    for (days, expected) in [
        (&["2020-11-30"][..], &["evening"][..]),
        (&["2020-12-01"], &["afternoon", "morning", "night", "noon"]),
        (
            &["2020-11-30", "2020-12-01"],
            &["afternoon", "evening", "morning", "night", "noon"],
        ),
        (&["2020-12-03"], &[]),
    ] {
        assert_eq!(names(&made_on(&session, days, &known).await), expected, "{days:?}");
    }

    let found = made_on(&session, &["2020-12-01"], &known).await;
    let ids: BTreeSet<SnapshotId> = found
        .iter()
        .flat_map(|image| image.volumes().map(|(_, _, id)| id.clone()))
        .collect();
    let snapshots = session.snapshots(&ids).await.expect("snapshots");
    assert!(ids.len() >= 3 && snapshots.keys().eq(&ids), "{snapshots:?}");
    known.take_in(found, snapshots);
    let left = made_on(&session, &["2020-12-01"], &known).await;
    assert_eq!(
        names(&left),
        ["afternoon"],
        "all else is known, and this is not finished"
    );
    let calls = bench.calls("DescribeSnapshots").len();
    assert!(session.snapshots(&BTreeSet::new()).await.expect("none").is_empty());
    assert_eq!(bench.calls("DescribeSnapshots").len(), calls, "there is nothing to ask");
}

/// What a look at these days shows beyond what is known.
async fn made_on(session: &Session, days: &[&str], known: &Inventory) -> Vec<Image> {
    let days: BTreeSet<Date> = days.iter().map(|day| day.parse().expect("a day")).collect();
    let read = session.images_made_on(&days, Arc::new(known.clone())).await;
    read.expect("a look")
}

#[tokio::test]
async fn an_image_is_read_with_all_that_decisions_need() {
    let bench = Bench::new().await;
    let session = bench.session(Access::ReadOnly);
    let found = session.scan().await.expect("a scan");
    let plain = &found.images[&image(PLAIN)];
    assert_eq!(&*plain.name, "plain");
    assert_eq!(plain.description.as_deref(), Some("what it is"));
    assert_eq!(plain.owner.as_ref().map(AccountId::as_str), Some(ACCOUNT));
    assert_eq!(plain.tags.get("team"), Some("web"));
    assert_eq!(
        plain.deprecation_time,
        Some("2035-01-01T00:00:00Z".parse().expect("a time"))
    );
    assert_eq!(plain.attributes.get("bootMode").map(|value| &**value), Some("uefi"));
    assert_eq!(plain.attributes.get("tpmSupport").map(|value| &**value), Some("v2.0"));
    assert!(plain.ebs_root && !plain.public && plain.created.is_some());
    let many = found
        .images
        .values()
        .find(|image| &*image.name == "web-1")
        .expect("an image");
    assert_eq!(many.snapshot_count(), 2);
    assert!(matches!(many.devices[2], BlockDevice::Ephemeral { .. }));
    let BlockDevice::Ebs { volume, .. } = &many.devices[1] else {
        panic!("{:?}", many.devices)
    };
    assert_eq!((volume.kind.size_gib, volume.kind.iops), (Some(20), Some(3000)));
    assert_eq!(volume.kind.volume_type.as_deref(), Some("io2"));
    let shared = session
        .launch_permissions(&image(PLAIN))
        .await
        .expect("launch permissions");
    let account = "444455556666".parse().expect("an account");
    assert_eq!(shared, BTreeSet::from([LaunchPermission::Account(account)]));
}

#[tokio::test]
async fn copies_are_found_by_their_source_first_pending_then_with_their_snapshots() {
    let bench = Bench::new().await;
    let session = bench.session(Access::Full);
    let id = session.copy_image(&copy(PLAIN, "sealed-plain")).await.expect("a copy");

    let flight = session.progress().await.expect("progress");
    assert_eq!(flight.pending.len(), 1);
    assert_eq!(flight.pending[0].for_image.as_ref(), Some(&id));
    let scan = session.scan().await.expect("a scan");
    let [shown] = scan.progress.pending.try_into().expect("a scan shows it too");
    // It has gone on meanwhile.
    let percent = flight.pending[0].percent;
    assert!(shown.percent >= percent);
    assert_eq!(PendingSnapshot { percent, ..shown }, flight.pending[0]);
    let (_, images, snapshots) = session.copies_of(&[image(PLAIN)], &[]).await.expect("a look");
    assert_eq!(images.len(), 1);
    assert_eq!((&images[0].id, images[0].state), (&id, ImageState::Pending));
    assert!(snapshots.is_empty(), "not before the copy is done");

    bench.finish_copies();
    assert!(session.progress().await.expect("progress").pending.is_empty());
    assert!(session.scan().await.expect("a scan").progress.pending.is_empty());
    let unknown = "snap-0123456789abcdef0".parse().expect("a snapshot ID");
    let (_, images, snapshots) = session
        .copies_of(&[image(PLAIN)], &[unknown])
        .await
        .expect("an unknown ID does not fail");
    assert_eq!(images[0].state, ImageState::Available);
    let source = images[0].copied_from.as_ref().expect("AWS's own record of the source");
    assert_eq!((source.image.as_str(), source.region.as_str()), (PLAIN, REGION));
    assert_eq!(snapshots.len(), 1);
    let snapshot = snapshots.values().next().expect("the copy's snapshot");
    assert_eq!(snapshot.state, SnapshotState::Completed);
    assert_eq!(snapshot.key, Some(key_arn(KEY)));
}

#[tokio::test]
async fn images_that_are_not_there_are_left_out_and_do_not_fail_the_read() {
    let bench = Bench::new().await;
    let session = bench.session(Access::ReadOnly);
    let asked = [
        image(PLAIN),
        image("ami-0fffffffffffffff0"),
        image("ami-00000000000000003"),
    ];
    let found = session.images(&asked).await.expect("a read");
    let ids: Vec<_> = found.iter().map(|image| image.id.as_str()).collect();
    assert_eq!(
        ids,
        [PLAIN, "ami-00000000000000003"],
        "a disabled image is found as well"
    );
}

#[tokio::test]
async fn keys_are_resolved_and_judged() {
    let bench = Bench::new().await;
    let session = bench.session(Access::ReadOnly);
    let own_alias = format!("arn:aws:kms:{REGION}:{ACCOUNT}:alias/ami");
    for given in [KEY, "alias/ami", key_arn(KEY).as_str(), own_alias.as_str()] {
        let key = session.resolve_key(given).await.expect("an answer").expect("a key");
        assert_eq!(
            (key.arn, key.usability),
            (key_arn(KEY), KeyUsability::Usable),
            "{given}"
        );
        assert!(!key.aws_managed);
    }
    for (given, problem) in [
        ("alias/disabled", KeyProblem::Disabled),
        ("alias/doomed", KeyProblem::PendingDeletion),
        ("alias/import", KeyProblem::NotReady),
        ("alias/sign", KeyProblem::WrongUsage),
    ] {
        let key = session.resolve_key(given).await.expect("an answer").expect("a key");
        assert_eq!(key.usability, KeyUsability::Unusable(problem), "{given}");
    }
    let elsewhere = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}");
    for (given, problem) in [
        ("alias/none", KeyProblem::NotFound),
        ("99999999-9999-4999-8999-999999999999", KeyProblem::NotFound),
        (elsewhere.as_str(), KeyProblem::WrongRegion),
    ] {
        let answer = session.resolve_key(given).await.expect("an answer");
        assert_eq!(answer, Err(problem), "{given}");
    }
    let denied = session.resolve_key("alias/secret").await.expect_err("a denial");
    assert_eq!(
        denied.to_string(),
        "kms:DescribeKey: not permitted; grant kms:DescribeKey to the role"
    );
    let managed = session
        .resolve_key("alias/aws/ebs")
        .await
        .expect("an answer")
        .expect("a key");
    assert!(managed.aws_managed, "the policy may name AWS's own key");
}
